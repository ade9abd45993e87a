//! Lakes on this machine: folders, files and globs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata};
use std::path::{Component, Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::fs::atomic::LOCK_NAME;
use crate::lake::cache::is_cache;
use crate::lake::day::{Place, dates_in};
use crate::lake::select::{Found, Suspect};
use crate::lake::{LakeError, LakeErrorKind, names};

/// What the local inputs hold.
#[derive(Debug, Default)]
pub(crate) struct Walk {
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
            self.suspects.extend(Suspect::of(&uri_of(path), has_file).filter(|_| path.is_file()));
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
        let says_day = || !matches!(place.day(None), Ok(None));
        Ok(names::format_of(place.file_name()).is_some() || says_day())
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
            Some(known) if rank(known, &real) <= rank(&found, &real) => {}
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
}

/// What orders the names of one file, of which the least counts: first those that say a day, then those that no link
/// stands in. Of several inputs the one that is farthest above tells the most.
fn rank<'a>(found: &'a Found, real: &Path) -> impl Ord + use<'a> {
    let place = Place::of(&found.named_by, found.n_input);
    let says_day = matches!(place.day(None), Ok(Some(_)));
    (!says_day, !real.ends_with(place.below), found.uri.as_str(), found.n_input)
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
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::advice::Advice;
    use crate::lake::{ListOptions, Listing, list};

    /// A folder with these files, each of which holds its own name.
    fn lake(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        folder
    }

    /// Lists `inputs`, which start at `folder`, and takes its path out of what comes back.
    fn list_in(folder: &Path, inputs: &[&str], month: Option<&str>) -> Result<(Vec<String>, Listing), String> {
        let folder = folder.to_str().unwrap();
        let full = |input: &&str| match input.strip_prefix("file://") {
            Some(rest) => format!("file://{folder}/{rest}"),
            None => format!("{folder}/{input}"),
        };
        let inputs: Vec<String> = inputs.iter().map(full).collect();
        let options = ListOptions { month: month.map(|month| month.parse().unwrap()), ..ListOptions::default() };
        let here = |text: String| text.replace(&format!("{folder}/"), "").replace(folder, "");
        match list(&inputs, &options) {
            Ok(listing) => Ok((listing.files.iter().map(|file| here(file.uri.clone())).collect(), listing)),
            Err(error) => Err(here(format!("{error}; {}", error.advice().unwrap_or_default()))),
        }
    }

    #[test]
    fn inputs_name_files() {
        let folder = lake(&[
            "20220402.json",
            "20220401.json",
            "20220403.csv.gz",
            "deep/day=2022-04-05/hour=1/part-0.json.zst",
            "deep/2022-04-06/part-0.jsonl",
            "deep/2022-04-06/part-1.ndjson",
            "_SUCCESS",
            "_temporary/20220407.json",
            ".hidden/20220407.json",
            "deep/.20220401.json.crc",
            "20220408.json.tmp",
            "[odd] name/20220409.json",
        ]);
        let all = &[
            "20220401.json",
            "20220402.json",
            "20220403.csv.gz",
            "[odd] name/20220409.json",
            "deep/2022-04-06/part-0.jsonl",
            "deep/2022-04-06/part-1.ndjson",
            "deep/day=2022-04-05/hour=1/part-0.json.zst",
        ];
        let check = |inputs: &[&str], expected: &[&str], n_skipped: u64| {
            let (uris, listing) = list_in(folder.path(), inputs, None).unwrap();
            assert_eq!(uris, expected, "{inputs:?}");
            assert_eq!(listing.skipped.total(), n_skipped, "{inputs:?}");
            for file in &listing.files {
                let metadata = fs::metadata(&file.path).unwrap();
                assert_eq!((file.n_bytes, file.modified_ms), (metadata.len(), modified_ms(&metadata)));
            }
        };
        check(&[""], all, 5);
        check(&["file://"], all, 5);
        check(&["", "."], all, 5);
        check(&["deep", "2022*.json", ""], all, 5);
        check(&["20220401.json"], &all[..1], 0);
        check(&["20220401.json", "./20220401.json", "deep/../20220401.json"], &all[..1], 0);
        check(&["2022040?.json"], &all[..2], 0);
        check(&["2022040[13].*"], &[all[0], all[2]], 0);
        check(&["[odd] name"], &all[3..4], 0);
        check(&["**/part-1*"], &all[5..6], 0);
        check(&["2022*"], &all[..3], 1);
        // What the user names is taken, whatever it is called.
        check(&["_temporary"], &["_temporary/20220407.json"], 0);
        check(&[".hidden/20220407.json"], &[".hidden/20220407.json"], 0);
        check(&["deep/day=2022-04-05"], &all[6..], 0);
    }

    #[test]
    fn months_are_told_apart() {
        let folder = lake(&["20220401.json", "20220430.json", "20220501.json", "x/20220401b.json", "_x"]);
        let (uris, listing) = list_in(folder.path(), &[""], Some("2022-04")).unwrap();
        assert_eq!(uris, ["20220401.json", "20220430.json", "x/20220401b.json"]);
        assert_eq!(
            (listing.month.to_string().as_str(), listing.skipped.to_string()),
            ("2022-04", "2 files: 1 of other months, 1 hidden or temporary".to_owned())
        );
        let missing = |today: &str| -> Vec<u8> {
            listing.missing_days(today.parse().unwrap()).iter().map(|day| day.number()).collect()
        };
        assert_eq!(missing("2022-06-01"), (2..30).collect::<Vec<_>>());
        // What is not over cannot be missing.
        assert_eq!(missing("2022-04-04"), [2, 3, 4]);
        assert!(missing("2022-03-31").is_empty());
        let (uris, listing) = list_in(folder.path(), &["20220501.json"], None).unwrap();
        assert_eq!((uris.len(), listing.missing_days("2022-06-01".parse().unwrap()).len()), (1, 30));
    }

    #[test]
    fn links_are_followed_but_not_in_circles() {
        let folder = lake(&["real/20220401.json", "real/sub/20220402.json", "elsewhere/20220403.json"]);
        let at = |name: &str| folder.path().join(name);
        symlink("..", at("real/sub/up")).unwrap();
        symlink(".", at("real/self")).unwrap();
        symlink(at("elsewhere"), at("real/far")).unwrap();
        symlink("20220401.json", at("real/20220404.json")).unwrap();
        let (uris, _) = list_in(folder.path(), &["real"], None).unwrap();
        assert_eq!(uris, ["real/20220401.json", "real/far/20220403.json", "real/sub/20220402.json"]);
        symlink("gone.json", at("real/20220405.json")).unwrap();
        let error = list_in(folder.path(), &["real"], None).unwrap_err();
        assert_eq!(error, "real/20220405.json: is a link to a file that does not exist; repair or remove the link");
    }

    #[test]
    fn outputs_and_caches_in_the_lake_are_no_data() {
        let folder = lake(&[
            "a/20220401.json",
            "a/out/.viewmart-lock",
            "a/out/rejects.ndjson",
            "a/out/report.json",
            "a/cache/manifest.jsonl",
            "a/cache/lock",
            "a/cache/partial/x.json",
            "a/cache/hdfs/nn/20220402.json",
        ]);
        let (uris, listing) = list_in(folder.path(), &["a"], None).unwrap();
        assert_eq!((uris, listing.skipped.total()), (vec!["a/20220401.json".to_owned()], 2));
        let (uris, _) = list_in(folder.path(), &["a/*"], None).unwrap();
        assert_eq!(uris, ["a/20220401.json"]);
        // A lake that is written into has its own files left out, and no others.
        fs::write(folder.path().join("a/.viewmart-lock"), "").unwrap();
        for name in ["rejects.ndjson", "report.json", "month-2022-04.parquet", "warehouse.db", "mart.db-wal"] {
            fs::write(folder.path().join("a").join(name), "").unwrap();
        }
        for input in ["a", "a/*"] {
            let (uris, listing) = list_in(folder.path(), &[input], None).unwrap();
            assert_eq!(uris, ["a/20220401.json"], "{input}");
            assert!(listing.skipped.total() >= 7, "{input}: {}", listing.skipped);
        }
        // Whoever names them wants them.
        let (uris, _) = list_in(folder.path(), &["a/cache/hdfs"], None).unwrap();
        assert_eq!(uris, ["a/cache/hdfs/nn/20220402.json"]);
    }

    #[test]
    fn data_in_an_output_folder_is_not_left_out_silently() {
        let folder = lake(&["20220401.json", "out/.viewmart-lock", "out/report.json", "more/.viewmart-lock"]);
        fs::write(folder.path().join("more/20220402.json"), "").unwrap();
        let mut walk = Walk::default();
        walk.add(&folder.path().display().to_string()).unwrap();
        let warnings = walk.take_warnings();
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains("/more is an output folder"), "{warnings:?}");
    }

    #[test]
    fn a_link_takes_no_day_from_the_file_it_leads_to() {
        let folder = lake(&["day=2022-04-01/part.json", "20220402.json", "blobs/ab12.json", "x/20220404.json"]);
        let at = |name: &str| folder.path().join(name);
        symlink("day=2022-04-01", at("a_latest")).unwrap();
        symlink("20220402.json", at("20220401.json")).unwrap();
        symlink("blobs/ab12.json", at("20220403.json")).unwrap();
        symlink("x", at("newest")).unwrap();
        let (uris, listing) = list_in(folder.path(), &[""], None).unwrap();
        assert_eq!(uris, ["20220402.json", "20220403.json", "day=2022-04-01/part.json", "x/20220404.json"]);
        let days: Vec<u8> = listing.files.iter().map(|file| file.day.number()).collect();
        assert_eq!(days, [2, 3, 1, 4]);
    }

    #[test]
    fn a_folder_that_the_path_leaves_again_lends_no_day() {
        let folder = lake(&["2022-05-03/x", "part.json", "day=2022-04-02/part.json"]);
        symlink(folder.path().join("day=2022-04-02"), folder.path().join("2022-05-04")).unwrap();
        let day =
            |input: &str| list_in(folder.path(), &[input], None).map(|(_, listing)| listing.files[0].day.number());
        assert_eq!(day("2022-05-03/../day=2022-04-02"), Ok(2));
        assert_eq!(day("2022-05-03/../2022-05-04"), Ok(4));
        assert!(
            day("2022-05-03/../part.json")
                .unwrap_err()
                .contains("neither its name nor a folder below the input has a day")
        );
    }

    #[test]
    fn what_cannot_be_listed_says_why() {
        let folder = lake(&[
            "months/20220401.json",
            "months/20220501.json",
            "months/20220502.json",
            "bad/20220401.parquet",
            "no_day/part.json",
            "hidden/_20220401.json",
            "epoch/log-1648771200000.json",
            "[x",
        ]);
        fs::create_dir(folder.path().join("empty")).unwrap();
        let check = |inputs: &[&str], month: Option<&str>, expected: &str| {
            let error = list_in(folder.path(), inputs, month).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        };
        check(&["gone"], None, "gone: no such file or folder; check the path");
        check(&["gone*"], None, "gone*: matches no file or folder; check the pattern, and quote it");
        check(&["gone["], None, "gone[: is not a glob: ");
        check(&["empty"], None, "empty: holds no data file; data files end in .json");
        check(
            &["hidden", "empty"],
            None,
            "hidden, empty: holds no data file, only 1 file whose name is not that of a data file",
        );
        check(
            &["months"],
            None,
            "months: holds several months: 2022-04 (1 file), 2022-05 (2 files); choose one with --month",
        );
        check(
            &["months"],
            Some("2022-06"),
            "months: has no file of 2022-06; it has 2022-04 (1 file), 2022-05 (2 files); ",
        );
        check(
            &["bad"],
            None,
            "bad/20220401.parquet: its ending is not one of a data file (.json, .jsonl, .ndjson, .csv",
        );
        check(
            &["no_day"],
            None,
            "no_day/part.json: neither its name nor a folder below the input has a day (such as 20220401 or 2022-04-01)",
        );
        check(&["months/20220401.json/x"], None, "months/20220401.json/x: ");
        check(&["epoch"], None, "epoch/log-1648771200000.json: neither its name");
        let error = list_in(folder.path(), &["epoch"], None).unwrap_err();
        assert!(error.contains("1648771200000 looks like a point in time since 1970, on 2022-04-01"), "{error}");
    }

    #[test]
    fn the_format_can_be_given() {
        let folder = lake(&["20220401.log", "20220402.txt.gz"]);
        let input = folder.path().display().to_string();
        let options = ListOptions { format: Some(crate::lake::Format::Csv), ..ListOptions::default() };
        let listing = list(&[input], &options).unwrap();
        let compressed: Vec<_> = listing.files.iter().map(|file| (file.format, file.compression)).collect();
        use crate::lake::{Compression, Format};
        assert_eq!(compressed, [(Format::Csv, Compression::None), (Format::Csv, Compression::Gzip)]);
    }
}
