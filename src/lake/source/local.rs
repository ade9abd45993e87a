//! Lakes on this machine: folders, files and globs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata};
use std::path::{Component, Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::fs::atomic::LOCK_NAME;
use crate::lake::cache::is_cache;
use crate::lake::day::{Place, dates_in};
use crate::lake::pattern::DayPattern;
use crate::lake::select::{Found, Suspect};
use crate::lake::{LakeError, LakeErrorKind, names};

/// What the local inputs hold.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    /// Where names say the day, where they say it in a way of their own.
    pattern: Option<DayPattern>,
    /// By real path: a file that several inputs or links name counts once, under the least of its names.
    found: BTreeMap<PathBuf, Found>,
    /// Names left out. A set, since inputs may overlap.
    left_out: BTreeSet<PathBuf>,
    suspects: BTreeSet<Suspect>,
    /// Bytes of the path of the input that is walked, from the root.
    n_input: usize,
    warnings: Vec<String>,
}

impl Walk {
    /// A walk to files whose names say the day as `pattern` tells.
    pub(crate) fn by(pattern: Option<&DayPattern>) -> Walk {
        Walk { pattern: pattern.cloned(), ..Walk::default() }
    }

    /// Adds all data files at `input`, a path or a glob.
    pub(crate) fn add(&mut self, input: &str) -> Result<(), LakeError> {
        let path: PathBuf = Path::new(input).components().collect();
        match fs::metadata(&path) {
            Ok(metadata) => {
                let folder = if metadata.is_dir() { path.as_path() } else { parent(&path) };
                self.n_input = text_of(&absolute(folder)?).len();
                return self.add_path(&path, &metadata, &mut BTreeSet::new());
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && has_wildcards(input) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(LakeError::new(LakeErrorKind::NotFound, input, "no such file or folder"));
            }
            Err(error) => return Err(LakeError::io(input, "opening it", &error)),
        }
        let options = glob::MatchOptions {
            case_sensitive: true,
            require_literal_separator: true,
            require_literal_leading_dot: true,
        };
        let paths = glob::glob_with(input, options).map_err(|error| {
            LakeError::new(LakeErrorKind::Input, input, format!("is not a glob: {error}"))
                .advise("put a wildcard that belongs to a name into brackets, for example [*]")
        })?;
        let literal = path.components().take_while(|name| !has_wildcards(&name.as_os_str().to_string_lossy()));
        self.n_input = text_of(&absolute(&Path::new(".").join(literal.collect::<PathBuf>()))?).len();
        let mut matched = false;
        for path in paths {
            let path = path.map_err(|error| LakeError::io_at(error.path(), "listing it", error.error()))?;
            matched = true;
            self.add_child(&path.components().collect::<PathBuf>(), &mut BTreeSet::new())?;
        }
        if !matched {
            return Err(LakeError::new(LakeErrorKind::NotFound, input, "matches no file or folder")
                .advise("check the pattern, and quote it so that the shell hands it over unchanged"));
        }
        Ok(())
    }

    /// What looked odd, one line each.
    pub(crate) fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    /// What was found, the number of names left out, and which of them look like data.
    pub(crate) fn finish(self) -> (Vec<Found>, u64, Vec<Suspect>) {
        (self.found.into_values().collect(), self.left_out.len() as u64, self.suspects.into_iter().collect())
    }

    /// Adds `path` unless its name is one to leave out. `open` are the real paths of the folders it lies in.
    fn add_child(&mut self, path: &Path, open: &mut BTreeSet<PathBuf>) -> Result<(), LakeError> {
        if path.file_name().is_some_and(|name| names::is_left_out(&name.to_string_lossy())) {
            self.left_out.insert(absolute(path)?);
            let has_file = |name: &str| path.with_file_name(name).exists();
            let text = text_of(&absolute(path)?);
            let place = Place::of(&text, self.n_input);
            let suspect = Suspect::of(&uri_of(path), place, self.pattern.as_ref(), has_file);
            self.suspects.extend(suspect.filter(|_| path.is_file()));
            return Ok(());
        }
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) => return self.pass_by_link(path, &error),
        };
        if self.is_own(path, &metadata) {
            self.left_out.insert(absolute(path)?);
            return Ok(());
        }
        self.add_path(path, &metadata, open)
    }

    /// Leaves out a link that leads nowhere, if it is none to data by its name.
    fn pass_by_link(&mut self, path: &Path, error: &std::io::Error) -> Result<(), LakeError> {
        const TOO_MANY_LINKS: i32 = rustix::io::Errno::LOOP.raw_os_error();
        let what = match (error.kind(), error.raw_os_error()) {
            _ if !fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink()) => None,
            (std::io::ErrorKind::NotFound, _) => Some("is a link to a file that does not exist"),
            (_, Some(TOO_MANY_LINKS)) => Some("is a link that leads back to itself"),
            _ => None,
        };
        let Some(what) = what else { return Err(LakeError::io_at(path, "opening it", error)) };
        if self.may_be_data(path)? {
            return Err(LakeError::new(LakeErrorKind::NotFound, path.display().to_string(), what)
                .advise("repair or remove the link"));
        }
        self.left_out.insert(absolute(path)?);
        self.warnings.push(format!("{} was left out: it {what}", uri_of(path)));
        Ok(())
    }

    /// Whether a name, or a folder above it, says a day, or its ending that it is data.
    fn may_be_data(&self, path: &Path) -> Result<bool, LakeError> {
        let text = text_of(&absolute(path)?);
        let place = Place::of(&text, self.n_input);
        Ok(names::format_of(place.file_name()).is_some() || place.says_day(self.pattern.as_ref()))
    }

    /// Whether this program made what is at `path`: an output folder, a cache, or a file in an output folder that is
    /// itself the lake.
    fn is_own(&mut self, path: &Path, metadata: &Metadata) -> bool {
        if !metadata.is_dir() {
            let is_output = path.file_name().is_some_and(|name| names::is_output(&name.to_string_lossy()));
            return is_output && path.parent().is_some_and(|folder| folder.join(LOCK_NAME).exists());
        }
        if is_cache(path) {
            return true;
        }
        let is_out = path.join(LOCK_NAME).exists();
        if is_out && has_data(path) {
            self.warnings.push(format!(
                "{} is an output folder of this program and was left out of the lake, though it holds names of data \
                 files: name it as a LAKE of its own if they are data",
                path.display()
            ));
        }
        is_out
    }

    fn add_path(&mut self, path: &Path, metadata: &Metadata, open: &mut BTreeSet<PathBuf>) -> Result<(), LakeError> {
        let real = fs::canonicalize(path).map_err(|error| LakeError::io_at(path, "opening it", &error))?;
        if metadata.is_dir() {
            return self.add_folder(path, real, open);
        }
        let uri = uri_of(path);
        if !metadata.is_file() && !self.may_be_data(path)? {
            self.left_out.insert(absolute(path)?);
            return Ok(());
        }
        if !metadata.is_file() {
            return Err(LakeError::new(LakeErrorKind::Unsupported, uri, "is neither a file nor a folder")
                .advise("give regular files only"));
        }
        let found = Found {
            named_by: text_of(&absolute(path)?),
            n_input: self.n_input,
            path: path.to_owned(),
            n_bytes: metadata.len(),
            modified_ms: modified_ms(metadata),
            uri,
        };
        match self.found.get(&real) {
            Some(known) if self.rank(known, &real) <= self.rank(&found, &real) => {}
            _ => drop(self.found.insert(real, found)),
        }
        Ok(())
    }

    fn add_folder(&mut self, path: &Path, real: PathBuf, open: &mut BTreeSet<PathBuf>) -> Result<(), LakeError> {
        // A link to a folder that we are inside of leads nowhere new.
        if !open.insert(real.clone()) {
            return Ok(());
        }
        let listed = || -> std::io::Result<Vec<PathBuf>> {
            fs::read_dir(path)?.map(|entry| Ok(path.join(entry?.file_name()))).collect()
        };
        let mut children = match listed() {
            Ok(children) => children,
            // What the user names has to be read.
            Err(error)
                if error.kind() == std::io::ErrorKind::PermissionDenied
                    && text_of(&absolute(path)?).len() > self.n_input
                    && !self.may_be_data(&path.join("-"))? =>
            {
                open.remove(&real);
                self.left_out.insert(absolute(path)?);
                self.warnings.push(format!("{} was left out: this user may not list this folder", uri_of(path)));
                return Ok(());
            }
            Err(error) => return Err(LakeError::io_at(path, "listing this folder", &error)),
        };
        children.sort();
        for child in children {
            self.add_child(&child, open)?;
        }
        open.remove(&real);
        Ok(())
    }

    /// What orders the names of one file, of which the least counts: first those that say a day, then those that no link
    /// stands in. Of several inputs the one that is farthest above tells the most.
    fn rank<'a>(&self, found: &'a Found, real: &Path) -> impl Ord + use<'a> {
        let place = Place::of(&found.named_by, found.n_input);
        let says_day = matches!(place.day(self.pattern.as_ref()), Ok(Some(_)));
        (!says_day, !real.ends_with(place.below), found.uri.as_str(), found.n_input)
    }
}

/// Whether the folder holds a file that looks like data of a day.
fn has_data(folder: &Path) -> bool {
    fs::read_dir(folder).into_iter().flatten().flatten().any(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        !names::is_left_out(&name) && names::format_of(&name).is_some() && !dates_in(&name).is_empty()
    })
}

/// `path` from the root, without `.` and `..`: no name in it is that of a folder that was left again. Links before the
/// last `..` are resolved, as the system resolves them; later ones keep their name.
fn absolute(path: &Path) -> Result<PathBuf, LakeError> {
    let failed = |error| LakeError::io_at(path, "finding its folder", &error);
    let absolute = std::path::absolute(path).map_err(failed)?;
    let components: Vec<Component<'_>> = absolute.components().collect();
    let Some(last) = components.iter().rposition(|component| *component == Component::ParentDir) else {
        return Ok(absolute);
    };
    let (above, below) = components.split_at(last + 1);
    let real = fs::canonicalize(above.iter().collect::<PathBuf>()).map_err(failed)?;
    Ok(real.join(below.iter().collect::<PathBuf>()))
}

/// As messages name it.
fn uri_of(path: &Path) -> String {
    path.strip_prefix(".").unwrap_or(path).display().to_string()
}

fn text_of(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// The folder of a file; the current one for a bare name.
fn parent(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Whether `text` may be a glob.
pub(crate) fn has_wildcards(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// When the file was last changed, in milliseconds since 1970.
pub(crate) fn modified_ms(metadata: &Metadata) -> i64 {
    let millis = |time: std::time::Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    metadata.modified().map_or(0, |time| match time.duration_since(UNIX_EPOCH) {
        Ok(after) => millis(after),
        Err(before) => -millis(before.duration()),
    })
}

#[cfg(test)]
mod tests;
