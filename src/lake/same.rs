//! The same data twice: by names here, before a byte is read; by content once the records are counted.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Take};

use super::read::fill;
use super::{DataFile, Lake, LakeError, LakeErrorKind, names};
use crate::engine::calendar::Day;

/// Why files seem to be the same that were compared whole.
pub(crate) const EQUAL_BYTES: &str = "their bytes are the same";
/// Why files seem to be the same of which the ends were compared.
pub(crate) const EQUAL_ENDS: &str = "their size, their first and their last bytes are the same";

/// Bytes of either end that are compared before a file is read whole.
const END_BYTES: u64 = 4096;

/// What fails when a file cannot be compared.
const COMPARING: &str = "comparing it with another file of its day";

/// Refuses two files of one folder whose names differ in compression, format or the mark of a copy alone. Empty files are no
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
            return Err(twice(other, file, "their names differ in compression, format or the mark of a copy alone"));
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

/// Two of the same.
type Pair<'a> = [&'a DataFile; 2];

/// Pairs of files of a day with identical bytes; the first of each with every later one. Files are read whole only where
/// size and both ends agree.
///
/// # Errors
/// A file that has to be read again cannot be.
pub(crate) fn equal_files(files: &[DataFile]) -> Result<Vec<Pair<'_>>, LakeError> {
    let mut pairs = Vec::new();
    for mut group in groups(files) {
        while group.len() > 1 {
            let first = group.remove(0);
            let mut others = Vec::new();
            for other in group {
                match are_equal(first, other)? {
                    true => pairs.push([first, other]),
                    false => others.push(other),
                }
            }
            group = others;
        }
    }
    sort(&mut pairs);
    Ok(pairs)
}

/// The same of files as they lie in `lake`, by size and both ends.
///
/// # Errors
/// A file cannot be read, or is damaged.
pub(super) fn equal_ends<'a>(lake: &Lake, files: &'a [DataFile]) -> Result<Vec<Pair<'a>>, LakeError> {
    let mut pairs = Vec::new();
    for group in groups(files) {
        let mut first: BTreeMap<[u8; 32], &DataFile> = BTreeMap::new();
        for file in group {
            match first.entry(lake.ends(file)?.print()) {
                Entry::Vacant(place) => drop(place.insert(file)),
                Entry::Occupied(one) => pairs.push([one.get(), file]),
            }
        }
    }
    sort(&mut pairs);
    Ok(pairs)
}

/// Files that may be the same: several of a day and a size.
fn groups(files: &[DataFile]) -> impl Iterator<Item = Vec<&DataFile>> {
    let mut groups: BTreeMap<(Day, u64), Vec<&DataFile>> = BTreeMap::new();
    for file in files.iter().filter(|file| file.n_bytes > 0) {
        groups.entry((file.day, file.n_bytes)).or_default().push(file);
    }
    groups.into_values().filter(|group| group.len() > 1)
}

fn sort(pairs: &mut [Pair<'_>]) {
    pairs.sort_by(|a, b| (&a[0].uri, &a[1].uri).cmp(&(&b[0].uri, &b[1].uri)));
}

fn are_equal(one: &DataFile, other: &DataFile) -> Result<bool, LakeError> {
    let mut readers = [Reader::open(one)?, Reader::open(other)?];
    let end = one.n_bytes.saturating_sub(END_BYTES);
    for (start, n_bytes) in [(0, END_BYTES), (end, END_BYTES), (0, u64::MAX)] {
        for reader in &mut readers {
            reader.go_to(start, n_bytes)?;
        }
        let [one, other] = &mut readers;
        if !have_equal_bytes(one, other)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A file that is compared with another one.
struct Reader<'a> {
    of: &'a DataFile,
    file: Take<File>,
}

impl Reader<'_> {
    fn open(of: &DataFile) -> Result<Reader<'_>, LakeError> {
        let opened = File::open(&of.path).map_err(|error| LakeError::io(&of.uri, COMPARING, &error))?;
        Ok(Reader { of, file: opened.take(0) })
    }

    /// Sets what is read next: so many bytes from `start`.
    fn go_to(&mut self, start: u64, n_bytes: u64) -> Result<(), LakeError> {
        let sought = self.file.get_mut().seek(SeekFrom::Start(start));
        sought.map_err(|error| LakeError::io(&self.of.uri, COMPARING, &error))?;
        self.file.set_limit(n_bytes);
        Ok(())
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, LakeError> {
        fill(&mut self.file, buffer).map_err(|error| LakeError::io(&self.of.uri, COMPARING, &error))
    }
}

fn have_equal_bytes(one: &mut Reader<'_>, other: &mut Reader<'_>) -> Result<bool, LakeError> {
    let mut buffers = [vec![0; 1 << 18], vec![0; 1 << 18]];
    loop {
        let [a, b] = &mut buffers;
        let (n_one, n_other) = (one.fill(a)?, other.fill(b)?);
        if n_one != n_other || a[..n_one] != b[..n_other] {
            return Ok(false);
        }
        if n_one == 0 {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::{Compression, Format};

    #[test]
    fn a_file_that_cannot_be_read_again_is_no_other_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| DataFile {
            uri: name.to_owned(),
            path: folder.path().join(name),
            day: Day::new(1).unwrap(),
            n_bytes: 3,
            modified_ms: 0,
            local_modified_ms: 0,
            format: Format::Ndjson,
            compression: Compression::None,
        };
        let check = |names: &[&str], expected: Result<&[[&str; 2]], &str>| {
            let files: Vec<DataFile> = names.iter().map(|name| file(name)).collect();
            let found = equal_files(&files).map_err(|error| error.to_string());
            let found =
                found.as_ref().map(|pairs| pairs.iter().map(|pair| pair.map(|file| file.uri.as_str())).collect());
            assert_eq!(found.map_err(String::as_str), expected.map(<[_]>::to_vec), "{names:?}");
        };
        for (name, content) in [("a", "xyz"), ("b", "xyz"), ("c", "xyw"), ("d", "xyz")] {
            std::fs::write(folder.path().join(name), content).unwrap();
        }
        check(&["a", "c"], Ok(&[]));
        check(&["a", "b", "c", "d"], Ok(&[["a", "b"], ["a", "d"]]));
        let gone = "gone: comparing it with another file of its day failed: No such file or directory (os error 2)";
        check(&["a", "gone"], Err(gone));
        // Nobody asks for a file that is alone.
        check(&["gone"], Ok(&[]));
    }
}
