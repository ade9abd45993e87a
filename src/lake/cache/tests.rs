use bytes::Bytes;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::engine::calendar::Day;
use crate::lake::read::mapped::MappedFile;
use crate::lake::{Compression, Format};

#[path = "../../../tests/support/ordinary.rs"]
mod ordinary;

fn listed(cache: &Cache, name: &str, n_bytes: u64) -> DataFile {
    let uri = HdfsUri { scheme: "hdfs".into(), authority: "nn".into(), path: format!("/{name}") };
    DataFile {
        uri: uri.to_string(),
        path: cache.path_of(&uri),
        day: Day::new(1).unwrap(),
        n_bytes,
        modified_ms: 1_650_000_000_123,
        local_modified_ms: 1_650_000_000_123,
        format: Format::Ndjson,
        compression: Compression::None,
    }
}

/// Puts `file` into the cache in one go, and returns it as it can be read.
fn put(cache: &Cache, file: &DataFile, content: &[u8]) -> DataFile {
    let mut part = PartialFile::resume(cache, file).unwrap();
    part.write(&[Bytes::copy_from_slice(&content[part.n_bytes() as usize..])]).unwrap();
    let local_modified_ms = part.finish().unwrap();
    let file = DataFile { local_modified_ms, ..file.clone() };
    assert_eq!(cache.find(&file), Some(file.clone()));
    assert!(fs::read(&file.path).unwrap() == content);
    file
}

#[test]
fn what_arrives_is_what_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(folder.path()).unwrap();
    let content: Vec<u8> = (0..(33 << 20) + 5_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let check = |n_batch: usize, n_piece: usize| {
        let file = listed(&cache, &format!("{n_batch}-{n_piece}.json"), content.len() as u64);
        let mut part = PartialFile::resume(&cache, &file).unwrap();
        for batch in content.chunks(n_batch) {
            let pieces = batch.chunks(n_piece).map(Bytes::copy_from_slice);
            let batch: Vec<Bytes> = [Bytes::new()].into_iter().chain(pieces).chain([Bytes::new()]).collect();
            part.write(&batch).unwrap();
        }
        part.write(&[]).unwrap();
        assert_eq!(part.n_bytes(), file.n_bytes);
        part.finish().unwrap();
        assert!(fs::read(&file.path).unwrap() == content, "batches of {n_batch} in pieces of {n_piece}");
        assert!(cache.verify(&file).unwrap());
    };
    check(1 << 20, 1 << 16);
    // More pieces than one call of the system takes.
    check(3 << 20, 1000);
    check(content.len(), content.len());
}

#[test]
fn a_disk_without_room_is_seen_before_the_first_byte() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(folder.path()).unwrap();
    let check = |sizes: &[u64], expected: Option<&str>| {
        let files: Vec<DataFile> = sizes.iter().map(|n_bytes| listed(&cache, "x.json", *n_bytes)).collect();
        let error = cache.check_space(&files).err();
        assert_eq!(error.as_ref().map(LakeError::kind), expected.map(|_| LakeErrorKind::NoSpace), "{error:?}");
        assert!(error.map_or_else(String::new, |error| error.to_string()).contains(expected.unwrap_or_default()));
    };
    check(&[], None);
    check(&[0, 1, 1000], None);
    let too_much = 1 << 60;
    check(&[1, too_much], Some("2 files need 1152921504606846977 bytes and 67108864 to spare, the disk has "));
    // What is there of a file needs no more room.
    let part = File::create(cache.part_path(&listed(&cache, "x.json", 1).uri)).unwrap();
    part.set_len(1 << 40).unwrap();
    check(&[1 << 40], None);
}

#[test]
fn one_run_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(folder.path()).unwrap();
    let error = Cache::open(folder.path()).unwrap_err();
    assert_eq!(error.kind(), LakeErrorKind::CacheBusy);
    assert!(error.to_string().ends_with(&format!("in use by process {}", std::process::id())), "{error}");
    drop(cache);
    Cache::open(folder.path()).unwrap();
}

#[test]
fn a_cache_that_is_looked_at_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("cache");
    let names = |path: &Path| {
        let mut names: Vec<_> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    Cache::check_access(&inside).unwrap();
    assert_eq!(Cache::open_read_only(&inside).unwrap().lines(), []);
    assert_eq!(names(folder.path()).len(), 0);
    let file_above = folder.path().join("file");
    fs::write(&file_above, "").unwrap();
    for path in [file_above.clone(), file_above.join("cache")] {
        Cache::check_access(&path).unwrap_err();
        Cache::open(&path).unwrap_err();
    }
    // Neither a lock nor damage stops it.
    let cache = Cache::open(&inside).unwrap();
    let file = put(&cache, &listed(&cache, "x.json", 3), b"abc");
    let manifest = inside.join("manifest.jsonl");
    let mut text = fs::read(&manifest).unwrap();
    text.extend_from_slice(b"{\"damaged");
    fs::write(&manifest, &text).unwrap();
    let before = names(&inside);
    assert!(Cache::open_read_only(&inside).unwrap().contains(&file));
    Cache::check_access(&inside).unwrap();
    assert_eq!((names(&inside), fs::read(&manifest).unwrap()), (before, text));
}

/// A run may be killed between any two steps of a pull, and the next one may be that of another user.
#[test]
fn what_a_killed_run_left_does_not_stop_an_ordinary_user() {
    if !ordinary::is_me("lake::cache::tests::what_a_killed_run_left_does_not_stop_an_ordinary_user") {
        return;
    }
    let content = b"0123456789";
    let check = |what: &str, leave: &dyn Fn(&Cache, &DataFile)| {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        let file = listed(&cache, "deep/20220401.json", content.len() as u64);
        let mut part = PartialFile::resume(&cache, &file).unwrap();
        part.write(&[Bytes::from_static(b"01234")]).unwrap();
        part.checkpoint().unwrap();
        drop(part);
        leave(&cache, &file);
        drop(cache);
        let cache = Cache::open(folder.path()).unwrap_or_else(|error| panic!("{what}: {error}"));
        let file = put(&cache, &file, content);
        // And again, over what stands there now.
        put(&cache, &file, content);
        cache.prune(&BTreeSet::new()).unwrap();
        assert_eq!(fs::read_dir(folder.path().join("partial")).unwrap().count(), 0, "{what}");
        assert!(!file.path.exists(), "{what}");
    };
    let mode = |path: &Path, mode: u32| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    check("nothing more", &|_, _| ());
    // As the first release left it when it was killed while the file was synced.
    check("a read-only part", &|cache, file| mode(&cache.part_path(&file.uri), 0o444));
    check("a part without rights", &|cache, file| mode(&cache.part_path(&file.uri), 0));
    check("a checkpoint without rights", &|cache, file| mode(&cache.checkpoint_path(&file.uri), 0));
    check("half a checkpoint", &|cache, file| {
        let path = cache.checkpoint_path(&file.uri).with_extension("json-new");
        fs::write(&path, "{").unwrap();
        mode(&path, 0o444);
    });
    check("a read-only lock and manifest", &|cache, _| {
        fs::write(cache.folder.join("manifest.jsonl"), "").unwrap();
        for name in ["lock", "manifest.jsonl", TAG_NAME] {
            mode(&cache.folder.join(name), 0o444);
        }
    });
    check("a file in its place without its line", &|_, file| {
        fs::create_dir_all(file.path.parent().unwrap()).unwrap();
        fs::write(&file.path, content).unwrap();
        mode(&file.path, 0o444);
    });
}

#[test]
fn a_part_is_never_read_only() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let cache = Cache::open(folder.path()).unwrap();
    let file = listed(&cache, "20220401.json", 3);
    // A place that cannot be taken: what a kill just before the rename would leave.
    let unfinished = DataFile { path: elsewhere.path().to_owned(), ..file.clone() };
    let mut part = PartialFile::resume(&cache, &unfinished).unwrap();
    part.write(&[Bytes::from_static(b"abc")]).unwrap();
    part.checkpoint().unwrap();
    part.finish().unwrap_err();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&cache.part_path(&file.uri)) & 0o200, 0o200);
    let part = PartialFile::resume(&cache, &file).unwrap();
    assert_eq!(part.n_bytes(), 3);
    part.finish().unwrap();
    assert_eq!(mode(&file.path), 0o444);
}

#[test]
fn a_cache_of_another_user_says_whose_it_is() {
    if !ordinary::is_me("lake::cache::tests::a_cache_of_another_user_says_whose_it_is") {
        return;
    }
    // Nobody but root may write to the root of the file system.
    let folder = Path::new("/viewmart-test-cache");
    for error in [Cache::open(folder).unwrap_err(), Cache::check_access(folder).unwrap_err()] {
        use crate::advice::Advice;
        assert_eq!(error.kind(), LakeErrorKind::Denied);
        let advice = error.advice().unwrap();
        assert!(advice.contains("belongs to user 0") && advice.contains("--cache"), "{advice}");
    }
}

/// Spark writes a folder where another job wrote a file, or the reverse.
#[test]
fn a_file_that_becomes_a_folder_takes_its_place_and_the_reverse() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(folder.path()).unwrap();
    let beside = put(&cache, &listed(&cache, "log/20220402.json", 1), b"x");
    let file = listed(&cache, "log/20220401.json", 3);
    let parts = ["part-0.json", "deep/part-1.json"].map(|name| listed(&cache, &format!("log/20220401.json/{name}"), 4));
    for _ in 0..2 {
        put(&cache, &file, b"abc");
        assert!(!parts.iter().any(|part| cache.contains(part)));
        for part in &parts {
            put(&cache, part, b"0123");
        }
        assert!(!cache.contains(&file));
        assert!(cache.contains(&parts[0]) && cache.contains(&beside));
    }
    drop(cache);
    let cache = Cache::open(folder.path()).unwrap();
    assert_eq!(cache.lines().len(), 3);
    cache.prune(&BTreeSet::new()).unwrap();
    assert!(!folder.path().join("hdfs").exists());
}

/// No file system of this machine may be that coarse; times that it does not reach do as well.
#[test]
fn a_time_that_the_file_system_cannot_keep_is_no_change() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(folder.path()).unwrap();
    for modified_ms in [0, -1, -5_000_000_000_123, 20_000_000_000_123, i64::MAX, i64::MIN] {
        let file = DataFile { modified_ms, local_modified_ms: modified_ms, ..listed(&cache, "20220401.json", 3) };
        let file = put(&cache, &file, b"abc");
        MappedFile::open(&file).unwrap().check_unchanged().unwrap();
        assert_eq!(file.modified_ms, modified_ms);
    }
    // Whole seconds, as some network file systems keep them.
    let file = put(&cache, &listed(&cache, "20220402.json", 3), b"abc");
    let coarse = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_650_000_000);
    let path = fs::File::open(&file.path).unwrap();
    path.set_modified(coarse).unwrap();
    assert!(!cache.contains(&file));
    let mut line = cache.manifest().get(&file.uri).unwrap().clone();
    line.local_mtime_ms = Some(1_650_000_000_000);
    cache.manifest().add(line).unwrap();
    let found = cache.find(&file).unwrap();
    assert_eq!((found.modified_ms, found.local_modified_ms), (file.modified_ms, 1_650_000_000_000));
    MappedFile::open(&found).unwrap().check_unchanged().unwrap();
}

#[test]
fn a_cache_is_known_by_what_it_holds() {
    let folder = tempfile::tempdir().unwrap();
    assert!(!is_cache(folder.path()));
    fs::write(folder.path().join(TAG_NAME), "Signature: of something else").unwrap();
    assert!(!is_cache(folder.path()));
    fs::remove_file(folder.path().join(TAG_NAME)).unwrap();
    drop(Cache::open(folder.path()).unwrap());
    assert!(is_cache(folder.path()));
    // As the first release made it.
    fs::remove_file(folder.path().join(TAG_NAME)).unwrap();
    fs::write(folder.path().join("manifest.jsonl"), "").unwrap();
    assert!(is_cache(folder.path()));
}
