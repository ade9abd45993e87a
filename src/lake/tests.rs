//! A remote lake, listed and looked at where it lies: a file system in memory.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::*;
use crate::lake::ends::END_BYTES;
use crate::lake::source::{Chunks, Entry, EntryKind, SourceError, SourceFault};

/// Files by path, each with its content and time, and folders that may not be listed.
#[derive(Default)]
struct InMemory {
    files: BTreeMap<String, (Vec<u8>, i64)>,
    closed: BTreeSet<String>,
}

struct Once(Option<Vec<u8>>);

impl Chunks for Once {
    fn next(&mut self) -> Result<Option<Vec<Bytes>>, SourceError> {
        Ok(self.0.take().map(|content| vec![Bytes::from(content)]))
    }
}

impl InMemory {
    fn entry(&self, path: &str) -> Option<Entry> {
        let (kind, n_bytes, modified_ms) = match self.files.get(path) {
            Some((content, modified_ms)) => (EntryKind::File, content.len() as u64, *modified_ms),
            None => (EntryKind::Folder, 0, 0),
        };
        let below = format!("{path}/");
        let is_there = kind == EntryKind::File
            || self.closed.contains(path)
            || self.files.keys().any(|file| file.starts_with(&below));
        is_there.then(|| Entry { path: path.to_owned(), kind, n_bytes, modified_ms, looks_open: false })
    }
}

impl Source for InMemory {
    fn stat(&self, path: &str) -> Result<Entry, SourceError> {
        self.entry(path).ok_or_else(|| SourceError::new(SourceFault::Missing, "is not there"))
    }

    fn list(&self, path: &str) -> Result<Vec<Entry>, SourceError> {
        if self.closed.contains(path) {
            return Err(SourceError::new(SourceFault::Denied, "permission denied"));
        }
        let below = format!("{path}/");
        let names: BTreeSet<&str> = self
            .files
            .keys()
            .chain(&self.closed)
            .filter_map(|file| file.strip_prefix(&below)?.split('/').next())
            .collect();
        Ok(names.into_iter().filter_map(|name| self.entry(&format!("{below}{name}"))).collect())
    }

    fn glob(&self, _: &str) -> Result<Vec<Entry>, SourceError> {
        Ok(Vec::new())
    }

    fn open(&self, entry: &Entry, offset: u64) -> Result<Box<dyn Chunks>, SourceError> {
        let content = self.files.get(&entry.path).map(|file| file.0.clone()).unwrap_or_default();
        Ok(Box::new(Once(content.get(offset as usize..).map(<[u8]>::to_vec))))
    }
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

/// The lake `hdfs://nn:8020/log` of `source`.
fn lake(folder: &Path, source: InMemory) -> Lake {
    let uri = HdfsUri::new("hdfs", "nn:8020", "/log");
    Lake {
        name: uri.to_string(),
        sources: BTreeMap::from([(uri.root(), Arc::new(source) as Arc<dyn Source>)]),
        inputs: vec![Input::Hdfs(uri)],
        options: LakeOptions::default(),
        cache: Some(Arc::new(Cache::open(folder).unwrap())),
        warnings: Mutex::default(),
    }
}

fn files(files: &[(&str, &[u8], i64)]) -> InMemory {
    let file =
        |(path, content, modified_ms): &(&str, &[u8], i64)| ((*path).to_owned(), (content.to_vec(), *modified_ms));
    InMemory { files: files.iter().map(file).collect(), closed: BTreeSet::new() }
}

#[test]
fn files_changed_a_moment_ago_are_told_in_one_line() {
    let check = |source: InMemory, expected: &[&str]| {
        let folder = tempfile::tempdir().unwrap();
        let lake = lake(folder.path(), source);
        lake.list().unwrap();
        assert_eq!(lake.warnings(), expected);
    };
    let old = 1_650_000_000_000;
    check(files(&[("/log/20220401.json", b"x", old)]), &[]);
    let one = "hdfs://nn:8020/log/20220401.json was changed less than 10 minutes ago: it may still be written to";
    check(files(&[("/log/20220401.json", b"x", now_ms()), ("/log/20220402.json", b"x", old)]), &[one]);
    let three =
        ["/log/20220401.json", "/log/20220402.json", "/log/20220403.json"].map(|path| (path, &b"x"[..], now_ms()));
    let all = "3 files, such as hdfs://nn:8020/log/20220401.json, were changed less than 10 minutes ago: they may still \
               be written to";
    check(files(&three), &[all]);
}

#[test]
fn a_folder_that_may_not_be_listed_is_left_out_where_it_says_no_day() {
    let check = |closed: &str, expected: Result<&str, &str>| {
        let folder = tempfile::tempdir().unwrap();
        let mut source = files(&[("/log/20220401.json", b"x", 1)]);
        source.closed.insert(closed.to_owned());
        let lake = lake(folder.path(), source);
        let listed = lake.list().map(|listing| (listing.skipped.total(), lake.warnings().concat()));
        assert_eq!(
            listed.map_err(|error| error.to_string()),
            expected.map(|text| (1, text.to_owned())).map_err(str::to_owned)
        );
    };
    check("/log/staging", Ok("hdfs://nn:8020/log/staging was left out: this user may not list this folder"));
    check("/log/day=2022-04-02", Err("hdfs://nn:8020/log/day=2022-04-02: permission denied"));
    check("/log", Err("hdfs://nn:8020/log: permission denied"));
}

#[test]
fn both_ends_of_a_remote_file_are_read_where_it_lies() {
    let check = |name: &str, content: &[u8], head: &[u8], tail: &[u8], is_whole: bool| {
        let folder = tempfile::tempdir().unwrap();
        let lake = lake(folder.path(), files(&[(&format!("/log/{name}"), content, 1)]));
        let listing = lake.list().unwrap();
        let ends = lake.ends(&listing.files[0]).unwrap();
        assert!(ends.head == head && ends.tail == tail, "{name}: {} and {}", ends.head.len(), ends.tail.len());
        assert_eq!((ends.is_whole, ends.fact.is_some()), (is_whole, name.contains("belied")), "{name}");
    };
    let long: Vec<u8> = (0..5 * END_BYTES).map(|at| b'a' + (at % 23) as u8).collect();
    check("20220401.json", b"abc", b"abc", b"abc", true);
    check("20220401.json", b"", b"", b"", true);
    check("20220401.json", &long, &long[..END_BYTES], &long[4 * END_BYTES..], false);
    check("20220401.json", &long[..2 * END_BYTES], &long[..2 * END_BYTES], &long[END_BYTES..2 * END_BYTES], true);
    let compressed = zstd::encode_all(&long[..], 1).unwrap();
    check("20220401.json.zst", &compressed, &long[..2 * END_BYTES], &compressed, false);
    check("belied-20220401.json", &compressed, &long[..2 * END_BYTES], &compressed, false);
}

#[test]
fn a_remote_file_says_itself_how_it_is_packed() {
    let check = |name: &str, content: &[u8], expected: Compression| {
        let folder = tempfile::tempdir().unwrap();
        let lake = lake(folder.path(), files(&[(&format!("/log/{name}"), content, 1)]));
        let listing = lake.list().unwrap();
        assert_eq!(lake.as_stored(&listing.files[0]).unwrap().compression, expected, "{name}");
    };
    let compressed = zstd::encode_all(&b"{}"[..], 1).unwrap();
    check("20220401.json", &compressed, Compression::Zstd);
    check("20220401.json.zst", &compressed, Compression::Zstd);
    check("20220401.json.gz", &compressed, Compression::Zstd);
    check("20220401.json.gz", b"{}", Compression::None);
    check("20220401.json.gz", b"", Compression::Gzip);
    check("20220401.json", b"{}", Compression::None);
}

#[test]
fn the_same_data_twice_is_seen_by_both_ends_where_it_lies() {
    let check = |name: &str, contents: [&[u8]; 2], expected: usize| {
        let folder = tempfile::tempdir().unwrap();
        let [one, other] = ["a", "b"].map(|inside| format!("/log/{inside}/{name}"));
        let lake = lake(folder.path(), files(&[(&one, contents[0], 1), (&other, contents[1], 1)]));
        let listing = lake.list().unwrap();
        let (pairs, why) = lake.equal_files(&listing).unwrap();
        assert_eq!((pairs.len(), why), (expected, EQUAL_ENDS), "{name}");
        for [one, other] in pairs {
            assert!(one.uri.contains("/a/") && other.uri.contains("/b/"), "{name}");
        }
    };
    let long = vec![b'a'; 5 * END_BYTES];
    let changed = |place: usize| {
        let mut changed = long.clone();
        changed[place] = b'b';
        changed
    };
    check("20220401.json", [b"abc", b"abc"], 1);
    check("20220401.json", [b"abc", b"abd"], 0);
    check("20220401.json", [b"abc", b"abcd"], 0);
    check("20220401.json", [b"", b""], 0);
    check("20220401.json", [&long, &long], 1);
    check("20220401.json", [&long, &changed(0)], 0);
    check("20220401.json", [&long, &changed(5 * END_BYTES - 1)], 0);
    // What lies between is not looked at.
    check("20220401.json", [&long, &changed(2 * END_BYTES)], 1);
}
