//! Lists remote lakes: the same walk as for local ones, over a [`Source`].

use globset::{GlobBuilder, GlobMatcher};

use super::cache::Cache;
use super::day::Place;
use super::input::HdfsUri;
use super::pattern::DayPattern;
use super::select::{Found, Suspect};
use super::source::{Entry, EntryKind, Source, SourceFault};
use super::{LakeError, LakeErrorKind, names};

/// Folders below each other, beyond which something is wrong.
const MAX_DEPTH: usize = 100;

/// What remote inputs hold.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    pub found: Vec<Found>,
    pub n_left_out: u64,
    pub suspects: Vec<Suspect>,
    pub warnings: Vec<String>,
    /// Where names say the day, where they say it in a way of their own.
    pattern: Option<DayPattern>,
    /// Bytes of the path of the input that is walked.
    n_input: usize,
}

impl Walk {
    /// A walk to files whose names say the day as `pattern` tells.
    pub fn by(pattern: Option<&DayPattern>) -> Walk {
        Walk { pattern: pattern.cloned(), ..Walk::default() }
    }

    /// Adds all data files at `input`, whose authority is known.
    pub fn add(&mut self, input: &HdfsUri, source: &dyn Source, cache: &Cache) -> Result<(), LakeError> {
        self.n_input = literal_folder(&input.path).len();
        let start = self.start(input, source)?;
        self.n_input = match start.as_slice() {
            [only] if only.path == input.path && only.kind == EntryKind::Folder => input.path.len(),
            _ => literal_folder(&input.path).len(),
        };
        let mut open: Vec<(Entry, usize)> = start.into_iter().map(|entry| (entry, 0)).collect();
        while let Some((entry, depth)) = open.pop() {
            let uri = input.at(&entry.path);
            match entry.kind {
                EntryKind::File => {
                    if entry.looks_open && entry.n_bytes == 0 {
                        self.warnings.push(format!("{uri} is empty: its first block may still be written to"));
                    }
                    self.found.push(Found {
                        uri: uri.to_string(),
                        path: cache.path_of(&uri),
                        named_by: entry.path,
                        n_input: self.n_input,
                        n_bytes: entry.n_bytes,
                        modified_ms: entry.modified_ms,
                    });
                }
                EntryKind::Folder if depth >= MAX_DEPTH => {
                    return Err(LakeError::new(
                        LakeErrorKind::Unsupported,
                        uri.to_string(),
                        format!("lies more than {MAX_DEPTH} folders deep"),
                    )
                    .advise("name the folders of the month"));
                }
                EntryKind::Folder => {
                    // Its name may say that it is data, or the user did.
                    let is_data = depth == 0 || self.says_day(&entry.path);
                    let children = self.list(&uri, source, is_data)?;
                    open.extend(children.into_iter().map(|child| (child, depth + 1)));
                }
            }
        }
        // Inputs may overlap.
        self.found.sort_by(|a, b| a.uri.cmp(&b.uri));
        self.found.dedup_by(|a, b| a.uri == b.uri);
        self.warnings.sort();
        self.warnings.dedup();
        Ok(())
    }

    /// What stands at `input`, or matches it.
    fn start(&mut self, input: &HdfsUri, source: &dyn Source) -> Result<Vec<Entry>, LakeError> {
        match source.stat(&input.path) {
            Ok(entry) => Ok(vec![entry]),
            Err(error) if error.kind == SourceFault::Missing && has_wildcards(&input.path) => {
                let matches = source.glob(&input.path).map_err(|error| error.at(&input.to_string()))?;
                if matches.is_empty() {
                    let what = "matches no file or folder";
                    return Err(LakeError::new(LakeErrorKind::NotFound, input.to_string(), what)
                        .advise("check the pattern, and quote it so that the shell hands it over unchanged"));
                }
                Ok(self.without_left_out(matches, input))
            }
            Err(error) => Err(error.at(&input.to_string())),
        }
    }

    /// What lies in the folder `uri`; nothing, with a warning, where this user may not list it and it `is_data` not.
    fn list(&mut self, uri: &HdfsUri, source: &dyn Source, is_data: bool) -> Result<Vec<Entry>, LakeError> {
        let children = match source.list(&uri.path) {
            Ok(children) => children,
            Err(error) if error.kind == SourceFault::Denied && !is_data => {
                self.n_left_out += 1;
                self.warnings.push(format!("{uri} was left out: this user may not list this folder"));
                return Ok(Vec::new());
            }
            Err(error) => return Err(error.at(&uri.to_string())),
        };
        let has = |name: &str| children.iter().any(|child| file_name(child) == name);
        if has("_temporary") && !has("_SUCCESS") {
            self.warnings.push(format!("{uri} has _temporary and no _SUCCESS: the job that writes it may still run"));
        }
        Ok(self.without_left_out(children, uri))
    }

    /// Whether the folder at `path`, or one above it, says a day.
    fn says_day(&self, path: &str) -> bool {
        Place::of(&format!("{path}/-"), self.n_input).says_day(self.pattern.as_ref())
    }

    fn without_left_out(&mut self, mut entries: Vec<Entry>, input: &HdfsUri) -> Vec<Entry> {
        let n_entries = entries.len();
        let has = |name: &str| entries.iter().any(|entry| file_name(entry) == name);
        let files = entries.iter().filter(|entry| entry.kind == EntryKind::File);
        let suspect = |entry: &Entry| {
            let place = Place::of(&entry.path, self.n_input);
            Suspect::of(&input.at(&entry.path).to_string(), place, self.pattern.as_ref(), has)
        };
        let suspects: Vec<Suspect> = files.filter_map(suspect).collect();
        self.suspects.extend(suspects);
        entries.retain(|entry| !names::is_left_out(file_name(entry)));
        self.n_left_out += (n_entries - entries.len()) as u64;
        entries
    }
}

/// What the cache alone knows of `input`: for `--offline`.
pub(crate) fn cached(input: &HdfsUri, cache: &Cache) -> Result<Vec<Found>, LakeError> {
    let root = input.root();
    let below = format!("{}/", input.path.trim_end_matches('/'));
    let pattern = has_wildcards(&input.path).then(|| matcher(input)).transpose()?;
    // A pattern may match the file itself or a folder above it.
    let is_match = |path: &str| {
        let ends = path.match_indices('/').map(|(at, _)| at).filter(|at| *at > 0).chain([path.len()]);
        let mut prefixes = ends.filter_map(|end| path.get(..end));
        path == input.path
            || path.starts_with(&below)
            || pattern.as_ref().is_some_and(|pattern| prefixes.any(|prefix| pattern.is_match(prefix)))
    };
    let found = cache.lines().into_iter().filter_map(|line| {
        let path = line.uri.strip_prefix(&root).filter(|path| path.starts_with('/'))?.to_owned();
        is_match(&path).then(|| Found {
            path: cache.path_of(&HdfsUri { path: path.clone(), ..input.clone() }),
            n_input: if path.starts_with(&below) { input.path.len() } else { literal_folder(&input.path).len() },
            named_by: path,
            n_bytes: line.size,
            modified_ms: line.mtime_ms,
            uri: line.uri,
        })
    });
    Ok(found.collect())
}

/// The folders in front of the first name with a wildcard, or in front of the last name.
fn literal_folder(path: &str) -> &str {
    let end = path.find(['*', '?', '[', '{']).unwrap_or(path.len());
    path[..end].rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn file_name(entry: &Entry) -> &str {
    entry.path.rsplit('/').next().unwrap_or_default()
}

fn has_wildcards(path: &str) -> bool {
    path.contains(['*', '?', '[', '{'])
}

/// Whether `pattern` matches a path, as HDFS would say.
fn matcher(input: &HdfsUri) -> Result<GlobMatcher, LakeError> {
    let built =
        GlobBuilder::new(&input.path).literal_separator(true).backslash_escape(true).empty_alternates(true).build();
    let not_a_glob = |error: globset::Error| {
        LakeError::new(LakeErrorKind::Input, input.to_string(), format!("is not a glob: {}", error.kind()))
    };
    Ok(built.map_err(not_a_glob)?.compile_matcher())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_are_those_of_hdfs() {
        let check = |pattern: &str, path: &str, expected: bool| {
            let matcher = matcher(&HdfsUri::new("hdfs", "nn:8020", pattern)).unwrap();
            assert_eq!(matcher.is_match(path), expected, "{pattern} {path}");
        };
        check("/log/2022*", "/log/20220401.json", true);
        check("/log/2022*", "/log/2022/04.json", false);
        check("/*/20220401.json", "/log/20220401.json", true);
        check("/log/2022040?.json", "/log/20220401.json", true);
        check("/log/2022040[1-3].json", "/log/20220404.json", false);
        check("/log/2022040[^1-3].json", "/log/20220404.json", true);
        check("/{a,b{c,d}}{1,2}", "/bd2", true);
        check("/{a,b{c,d}}{1,2}", "/b2", false);
        check("/\u{e9}{\u{e9},}", "/\u{e9}", true);
        let broken = matcher(&HdfsUri::new("hdfs", "nn:8020", "/{a,b")).unwrap_err();
        assert_eq!(broken.kind(), LakeErrorKind::Input);
    }
}
