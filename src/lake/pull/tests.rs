//! A pull over a source in memory that fails on demand.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::engine::calendar::Day;
use crate::lake::input::HdfsUri;
use crate::lake::source::{Chunks, Entry, EntryKind, SourceError, SourceFault};
use crate::lake::{Compression, Format};

/// What goes wrong in one call of `open`, in request of the calls.
#[derive(Clone)]
enum Mishap {
    /// The stream breaks after so many bytes.
    Break(usize),
    /// The stream ends after so many bytes, as if that were all.
    End(usize),
    /// The answer is this failure.
    Refuse(SourceFault),
    /// The source has a bug.
    Panic,
    /// The file is replaced by this content before it is read.
    Replace(Vec<u8>),
    /// The file is replaced by this content while it is read.
    ReplaceLate(Vec<u8>),
}

/// Files in memory, which fail on demand.
#[derive(Default)]
struct Faulty {
    files: Mutex<BTreeMap<String, (Vec<u8>, i64)>>,
    mishaps: Mutex<VecDeque<Mishap>>,
    /// Offsets at which files were opened.
    opened: Mutex<Vec<u64>>,
    /// Whether the files look as if their writers had not closed them.
    is_open: AtomicBool,
}

struct Served {
    left: VecDeque<Vec<u8>>,
    end: Result<(), SourceError>,
}

impl Chunks for Served {
    fn next(&mut self) -> Result<Option<Vec<Bytes>>, SourceError> {
        match self.left.pop_front() {
            Some(piece) => Ok(Some(vec![Bytes::from(piece)])),
            None => self.end.clone().map(|()| None),
        }
    }
}

impl Faulty {
    fn put(&self, path: &str, content: Vec<u8>) {
        let mut files = self.files.lock().unwrap();
        let modified_ms = 1_650_000_000_123 + files.get(path).map_or(0, |file| file.1 % 1000 + 1);
        files.insert(path.to_owned(), (content, modified_ms));
    }
}

impl Source for Faulty {
    fn stat(&self, path: &str) -> Result<Entry, SourceError> {
        let files = self.files.lock().unwrap();
        let (content, modified_ms) = files.get(path).ok_or_else(|| SourceError::new(SourceFault::Missing, "gone"))?;
        let n_bytes = content.len() as u64;
        Ok(Entry {
            path: path.to_owned(),
            kind: EntryKind::File,
            n_bytes,
            modified_ms: *modified_ms,
            looks_open: self.is_open.load(Ordering::Relaxed),
        })
    }

    fn list(&self, _: &str) -> Result<Vec<Entry>, SourceError> {
        unreachable!("the pull lists nothing")
    }

    fn glob(&self, _: &str) -> Result<Vec<Entry>, SourceError> {
        unreachable!("the pull lists nothing")
    }

    fn open(&self, entry: &Entry, offset: u64) -> Result<Box<dyn Chunks>, SourceError> {
        self.opened.lock().unwrap().push(offset);
        let mishap = self.mishaps.lock().unwrap().pop_front();
        if let Some(Mishap::Replace(content)) = &mishap {
            self.put(&entry.path, content.clone());
        }
        let content = self.files.lock().unwrap().get(&entry.path).map(|file| file.0.clone()).unwrap_or_default();
        let mut content = content.get(offset as usize..).unwrap_or_default().to_vec();
        let mut end = Ok(());
        match mishap {
            Some(Mishap::Break(n)) => {
                content.truncate(n);
                end = Err(SourceError::new(SourceFault::Transient, "broken"));
            }
            Some(Mishap::End(n)) => content.truncate(n),
            Some(Mishap::Panic) => panic!("a bug, on purpose"),
            Some(Mishap::Refuse(fault)) => return Err(SourceError::new(fault, "refused").advise("ask again")),
            Some(Mishap::ReplaceLate(content)) => self.put(&entry.path, content),
            Some(Mishap::Replace(_)) | None => {}
        }
        let left = content.chunks(1000).map(<[u8]>::to_vec).collect();
        Ok(Box::new(Served { left, end }))
    }
}

fn content(seed: u32, n_bytes: usize) -> Vec<u8> {
    (0..n_bytes as u32).map(|n| (n.wrapping_add(seed).wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// A lake in memory with a cache.
struct Setting {
    folder: tempfile::TempDir,
    source: Arc<Faulty>,
    progress: Progress,
}

const PATHS: [&str; 3] = ["/lake/20220401.json", "/lake/odd #%?/20220402.json", "/lake/20220403.json"];

impl Setting {
    fn new() -> Setting {
        let source = Arc::new(Faulty::default());
        for (seed, path) in PATHS.iter().enumerate() {
            source.put(path, content(seed as u32, 10_000 * seed + 5000));
        }
        Setting { folder: tempfile::tempdir().unwrap(), source, progress: Progress::unseen(u64::MAX) }
    }

    fn cache(&self) -> Arc<Cache> {
        Arc::new(Cache::open(self.folder.path()).unwrap())
    }

    fn file(&self, cache: &Cache, path: &str) -> DataFile {
        let uri = HdfsUri { scheme: "hdfs".into(), authority: "memory".into(), path: path.into() };
        let entry = self.source.stat(path).unwrap();
        DataFile {
            uri: uri.to_string(),
            path: cache.path_of(&uri),
            day: Day::new(1).unwrap(),
            n_bytes: entry.n_bytes,
            modified_ms: entry.modified_ms,
            local_modified_ms: entry.modified_ms,
            format: Format::Ndjson,
            compression: Compression::None,
        }
    }

    /// Starts to pull `paths` one after the other.
    fn start(&self, paths: &[&str], caching: Caching, verify: Verify) -> Arrivals {
        let cache = self.cache();
        let request = |path: &&str| {
            let source: Option<(Arc<dyn Source>, String)> = match caching {
                Caching::Offline => None,
                _ => Some((Arc::clone(&self.source) as Arc<dyn Source>, (*path).to_owned())),
            };
            PullRequest { file: self.file(&cache, path), source }
        };
        let options = PullOptions {
            cache: Some(Arc::clone(&cache)),
            caching,
            verify,
            n_jobs: 1,
            retry: RetryPolicy {
                max_attempts: 3,
                max_silence: Duration::from_secs(20),
                initial_backoff: Duration::from_millis(1),
                max_backoff: Duration::from_millis(2),
            },
        };
        Arrivals::start(Vec::new(), paths.iter().map(request).collect(), options, self.progress.clone())
    }

    /// Pulls `paths` one after the other and returns what came of it.
    fn pull(&self, paths: &[&str], caching: Caching, verify: Verify) -> (Result<u64, String>, PullSummary) {
        let mut arrivals = self.start(paths, caching, verify);
        let mut result = Ok(0);
        let mut came = Vec::new();
        for file in arrivals.by_ref() {
            match file {
                Ok(file) => {
                    let path = file.uri.strip_prefix("hdfs://memory").unwrap();
                    let (expected, modified_ms) = self.source.files.lock().unwrap()[path].clone();
                    assert!(std::fs::read(&file.path).unwrap() == expected, "{path} differs");
                    assert_eq!((file.n_bytes, file.modified_ms), (expected.len() as u64, modified_ms));
                    crate::lake::read::mapped::MappedFile::open(&file).unwrap();
                    result = result.map(|n| n + 1);
                    came.push(file);
                }
                Err(error) => result = Err(error.to_string()),
            }
        }
        let summary = arrivals.summary();
        came.sort_by(|a, b| a.uri.cmp(&b.uri));
        assert_eq!(arrivals.into_files(), came);
        (result, summary)
    }

    /// Pulls the first file after `mishaps`. `expected` is the offsets of its streams, or the error.
    fn check(&self, mishaps: &[Mishap], expected: Result<&[u64], &str>) {
        *self.source.mishaps.lock().unwrap() = mishaps.to_vec().into();
        self.source.opened.lock().unwrap().clear();
        let (result, _) = self.pull(&PATHS[..1], Caching::Use, Verify::No);
        match expected {
            Ok(offsets) => {
                assert_eq!(result, Ok(1), "{} mishaps", mishaps.len());
                assert_eq!(*self.source.opened.lock().unwrap(), offsets, "{} mishaps", mishaps.len());
            }
            Err(text) => {
                let message = result.unwrap_err();
                assert!(message.contains(PATHS[0]) && message.contains(text), "{} mishaps: {message}", mishaps.len());
            }
        }
        self.source.mishaps.lock().unwrap().clear();
    }
}

#[test]
fn a_second_run_pulls_only_what_changed() {
    let setting = Setting::new();
    let check = |caching: Caching, verify: Verify, n_pulled: u64, pulled_bytes: u64| {
        let (result, summary) = setting.pull(&PATHS, caching, verify);
        assert_eq!(result, Ok(3));
        let counted = (summary.files, summary.bytes, summary.pulled_files, summary.pulled_bytes);
        assert_eq!(counted, (3, 45_000, n_pulled, pulled_bytes), "{caching:?}");
    };
    check(Caching::Use, Verify::No, 3, 45_000);
    check(Caching::Use, Verify::No, 0, 0);
    setting.source.put(PATHS[1], content(9, 15_000));
    check(Caching::Use, Verify::No, 1, 15_000);
    check(Caching::Offline, Verify::Yes, 0, 0);
    check(Caching::Refresh, Verify::No, 3, 45_000);
    // A damaged copy of the right size and time is seen by --verify only.
    let cache = setting.cache();
    let file = setting.file(&cache, PATHS[2]);
    drop(cache);
    std::fs::remove_file(&file.path).unwrap();
    std::fs::write(&file.path, vec![0; 25_000]).unwrap();
    let at = std::time::UNIX_EPOCH + Duration::from_millis(file.modified_ms as u64);
    std::fs::File::options().write(true).open(&file.path).unwrap().set_modified(at).unwrap();
    let (result, _) = setting.pull(&PATHS, Caching::Offline, Verify::Yes);
    assert!(result.unwrap_err().ends_with("is damaged"));
    check(Caching::Use, Verify::Yes, 1, 25_000);
    // A shorter one is seen always.
    std::fs::remove_file(&file.path).unwrap();
    std::fs::write(&file.path, b"short").unwrap();
    check(Caching::Use, Verify::No, 1, 25_000);
    let is_readonly = |path: &Path| std::fs::metadata(path).unwrap().permissions().readonly();
    assert!(is_readonly(&file.path));
}

#[test]
fn a_pull_of_which_only_the_first_files_are_wanted_leaves_the_others() {
    let setting = Setting::new();
    let mut arrivals = setting.start(&PATHS, Caching::Use, Verify::No);
    arrivals.stop_at(&format!("hdfs://memory{}", PATHS[1]));
    let mut came = Vec::new();
    while let Some(file) = arrivals.wait_next() {
        came.push(file.unwrap().uri);
    }
    assert!(came.contains(&format!("hdfs://memory{}", PATHS[0])), "{came:?}");
    // A file that was whole already when the pull was stopped may come.
    assert!(came.len() <= 3);
    drop(arrivals);
    let mut none = setting.start(&PATHS, Caching::Refresh, Verify::No);
    none.stop_at("hdfs://memory/");
    assert!(none.by_ref().all(|file| file.is_ok()), "stopping is no error");
}

#[test]
fn broken_streams_are_taken_up_where_they_broke() {
    use Mishap::{Break, End, Refuse};
    let check = |mishaps: &[Mishap], expected: Result<&[u64], &str>| Setting::new().check(mishaps, expected);
    check(&[], Ok(&[0]));
    check(&[Break(2500)], Ok(&[0, 2500]));
    check(&[End(2500)], Ok(&[0, 2500]));
    check(&[Break(5000)], Ok(&[0]));
    check(&[Break(10), Break(10), Break(10), Break(10), Break(10), Break(10)], Ok(&[0, 10, 20, 30, 40, 50, 60]));
    check(&[Refuse(SourceFault::Transient), Break(1), Refuse(SourceFault::Transient)], Ok(&[0, 0, 1, 1]));
    check(
        &[Break(7), Break(0), Break(0), Break(0)],
        Err("broken (gave up after 3 attempts; 7 of 5000 bytes are in the cache)"),
    );
    check(&[Refuse(SourceFault::Permanent)], Err("refused"));
    check(&[Refuse(SourceFault::Missing)], Err("refused"));
}

#[test]
fn a_bug_in_the_source_is_not_a_missing_file() {
    let setting = Setting::new();
    setting.source.mishaps.lock().unwrap().push_back(Mishap::Panic);
    let (result, _) = setting.pull(&PATHS, Caching::Use, Verify::No);
    assert!(result.unwrap_err().contains("only 0 of 3 files came"));
    assert_eq!(setting.pull(&PATHS, Caching::Use, Verify::No).0, Ok(3));
}

#[test]
fn a_later_run_resumes() {
    use Mishap::Break;
    let setting = Setting::new();
    setting.check(&[Break(3000), Break(0), Break(0), Break(0)], Err("gave up after 3 attempts"));
    setting.check(&[], Ok(&[3000]));
    // Not if the bytes that were there are no longer sound, or belong to another version.
    let setting = Setting::new();
    setting.check(&[Break(3000), Break(0), Break(0), Break(0)], Err("gave up"));
    let partial = setting.folder.path().join("partial");
    let part = std::fs::read_dir(&partial)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().unwrap() == "part");
    let part = part.unwrap();
    let mut bytes = std::fs::read(&part).unwrap();
    bytes[17] ^= 1;
    std::fs::write(&part, bytes).unwrap();
    setting.check(&[Break(1000), Break(0), Break(0), Break(0)], Err("1000 of 5000 bytes"));
    setting.source.put(PATHS[0], content(4, 6000));
    setting.check(&[], Ok(&[0]));
    assert_eq!(std::fs::read_dir(&partial).unwrap().count(), 0);
}

#[test]
fn the_bar_counts_every_byte_of_the_listing_once() {
    use Mishap::{Break, Replace};
    let check = |before: &[Mishap], mishaps: &[Mishap], opened: &[u64]| {
        let mut setting = Setting::new();
        if !before.is_empty() {
            setting.check(before, Err("gave up"));
        }
        setting.progress = Progress::unseen(5000);
        setting.check(mishaps, Ok(opened));
        assert_eq!(setting.progress.position(), Some(5000), "{opened:?}");
    };
    check(&[], &[], &[0]);
    check(&[], &[Break(2500), Break(1)], &[0, 2500, 2501]);
    check(&[Break(3000), Break(0), Break(0), Break(0)], &[], &[3000]);
    // What is there now was not in the listing.
    check(&[], &[Break(2500), Replace(content(7, 9000))], &[0, 2500, 0]);
    check(&[], &[Break(2500), Replace(content(7, 3000))], &[0, 2500, 0]);
}

#[test]
fn a_file_that_changes_is_started_over_once() {
    use Mishap::{Refuse, Replace, ReplaceLate};
    let check = |mishaps: &[Mishap], expected: Result<&[u64], &str>| Setting::new().check(mishaps, expected);
    check(&[Replace(content(7, 5000))], Ok(&[0, 0]));
    check(&[Replace(content(7, 9000))], Ok(&[0, 0]));
    check(&[Replace(content(7, 3000))], Ok(&[0, 0]));
    check(&[ReplaceLate(content(7, 5000))], Ok(&[0, 0]));
    check(&[ReplaceLate(content(7, 5000)), ReplaceLate(content(8, 6000))], Err("changed while it was pulled"));
    // Still open for writing: nothing new to see.
    check(&[Refuse(SourceFault::Changed)], Err("refused"));
}

#[test]
fn a_file_that_is_still_being_written_is_not_taken_for_whole() {
    let setting = Setting::new();
    setting.source.is_open.store(true, Ordering::Relaxed);
    setting.check(&[], Err("is still being written: its 5000 bytes are whole blocks, and it was not closed"));
    setting.source.is_open.store(false, Ordering::Relaxed);
    setting.check(&[], Ok(&[0]));
}

#[test]
fn pruning_leaves_what_is_wanted() {
    let setting = Setting::new();
    setting.pull(&PATHS[1..], Caching::Use, Verify::No).0.unwrap();
    setting.check(&[Mishap::Break(3000), Mishap::Break(0), Mishap::Break(0), Mishap::Break(0)], Err("gave up"));
    let cache = setting.cache();
    let kept = setting.file(&cache, PATHS[1]);
    let (n_files, n_bytes) = cache.prune(&[kept.uri.as_str()].into()).unwrap();
    assert_eq!(n_files, 3); // One file of 25 000 bytes, one partial and its note.
    assert!(n_bytes > 28_000, "{n_bytes}");
    assert!(cache.contains(&kept));
    assert_eq!(cache.lines().len(), 1);
    cache.prune(&[].into()).unwrap();
    assert!(!setting.folder.path().join("hdfs").exists());
}
