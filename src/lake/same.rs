//! The same data twice: by names here, before a byte is read; by content once the records are counted.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};

use super::{DataFile, LakeError, LakeErrorKind, names};
use crate::engine::calendar::Day;

/// Bytes of either end that are compared before a file is read whole.
const END_BYTES: u64 = 4096;

/// Refuses two files of one folder whose names differ in packing, format or the mark of a copy alone. Empty files are no
/// data twice.
pub(super) fn refuse_by_name(files: &[DataFile]) -> Result<(), LakeError> {
    let mut first: BTreeMap<(&str, Day, String), &DataFile> = BTreeMap::new();
    for file in files.iter().filter(|file| file.n_bytes > 0) {
        let (folder, name) = file.uri.rsplit_once('/').unwrap_or(("", &file.uri));
        let stem = names::without_copy_mark(names::without_endings(name)).to_owned();
        // Names that are no text may look alike and still differ.
        if let Some(other) = first.insert((folder, file.day, stem), file)
            && other.uri != file.uri
        {
            return Err(twice(other, file, "their names differ in packing, format or the mark of a copy alone"));
        }
    }
    Ok(())
}

/// Two files that hold the same data, and why that seems so.
pub(crate) fn twice(one: &DataFile, other: &DataFile, why: &str) -> LakeError {
    let what = format!("looks like the same data as {}: {why}", one.uri);
    LakeError::new(LakeErrorKind::Twice, &other.uri, what).advise(
        "remove one of them, begin its name with `_` to leave it out, or let both count with --allow-duplicates",
    )
}

/// Pairs of files of a day with identical bytes; the first of each with every later one. Files are read whole only where
/// size and both ends agree.
pub(crate) fn equal_files<'a>(files: impl IntoIterator<Item = &'a DataFile>) -> Vec<[&'a DataFile; 2]> {
    let mut groups: BTreeMap<(Day, u64), Vec<&DataFile>> = BTreeMap::new();
    for file in files.into_iter().filter(|file| file.n_bytes > 0) {
        groups.entry((file.day, file.n_bytes)).or_default().push(file);
    }
    let mut pairs = Vec::new();
    for mut group in groups.into_values() {
        while group.len() > 1 {
            let first = group.remove(0);
            // A file that cannot be read again was read a moment ago: it is not what is told here.
            group.retain(|other| {
                let is_equal = are_equal(first, other).unwrap_or(false);
                if is_equal {
                    pairs.push([first, other]);
                }
                !is_equal
            });
        }
    }
    pairs.sort_by(|a, b| (&a[0].uri, &a[1].uri).cmp(&(&b[0].uri, &b[1].uri)));
    pairs
}

fn are_equal(one: &DataFile, other: &DataFile) -> io::Result<bool> {
    let mut files = [File::open(&one.path)?, File::open(&other.path)?];
    let end = one.n_bytes.saturating_sub(END_BYTES);
    for (start, n_bytes) in [(0, END_BYTES), (end, END_BYTES), (0, u64::MAX)] {
        for file in &mut files {
            file.seek(SeekFrom::Start(start))?;
        }
        let [one, other] = &mut files;
        if !have_equal_bytes(&mut one.take(n_bytes), &mut other.take(n_bytes))? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn have_equal_bytes(one: &mut impl io::Read, other: &mut impl io::Read) -> io::Result<bool> {
    let mut buffers = [vec![0; 1 << 18], vec![0; 1 << 18]];
    loop {
        let [a, b] = &mut buffers;
        let (n_one, n_other) = (fill(one, a)?, fill(other, b)?);
        if n_one != n_other || a[..n_one] != b[..n_other] {
            return Ok(false);
        }
        if n_one == 0 {
            return Ok(true);
        }
    }
}

/// Reads until the buffer is full or nothing is left.
fn fill(file: &mut impl io::Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut n_filled = 0;
    while let Some(rest) = buffer.get_mut(n_filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(n) => n_filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(n_filled)
}
