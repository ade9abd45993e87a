//! Whatever the names of a lake's files are, they are listed as one month, or refused with a reason.
#![no_main]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path};
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use viewmart::lake::{self, Duplicates, ListOptions};

mod folder;
use folder::Folder;

/// More names of one lake find nothing more.
const MAX_FILES: usize = 8;

static FOLDER: LazyLock<Folder> = LazyLock::new(|| Folder::new("names"));

/// Makes an empty file below the lake, if there can be one of this name.
fn make(lake: &Path, name: &[u8]) {
    let below = Path::new(OsStr::from_bytes(name));
    if !below.components().all(|part| matches!(part, Component::Normal(_))) {
        return;
    }
    let path = lake.join(below);
    // A name that is too long or a folder already is no file.
    if path.parent().is_some_and(|folder| fs::create_dir_all(folder).is_ok()) {
        let _ = fs::write(path, b"");
    }
}

/// A pattern, a month (either may be none) and the names, each in a line.
fn check(text: &[u8]) {
    let mut lines = text.split(|byte| *byte == b'\n');
    let mut word = || std::str::from_utf8(lines.next().unwrap_or_default()).unwrap_or_default();
    let month = word().parse().ok();
    let pattern = word().parse().ok().and_then(|pattern: lake::DayPattern| pattern.in_month(month));
    let lake = FOLDER.path("lake");
    let _ = fs::remove_dir_all(&lake);
    fs::create_dir_all(&lake).expect(folder::IS_THERE);
    lines.take(MAX_FILES).for_each(|name| make(&lake, name));

    let options = ListOptions { month, day_pattern: pattern, duplicates: Duplicates::Allow, ..ListOptions::default() };
    let input = [lake.to_str().expect("UTF-8").to_owned()];
    match lake::list(&input, &options) {
        Ok(listing) => {
            assert!(month.is_none_or(|month| month == listing.month));
            assert!(listing.files.is_sorted_by(|one, other| one.uri <= other.uri));
            let missing = listing.missing_days(listing.month.first_day().last_of_month());
            for day in listing.month.days() {
                let has_file = listing.files.iter().any(|file| file.day == day);
                assert_ne!(has_file, missing.contains(&day), "{day:?}");
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fuzz_target!(|text: &[u8]| check(text));
