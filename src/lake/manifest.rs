//! What the cache holds: one JSON line per file, appended when the file is complete.
//!
//! A later line for the same file wins; a line that was cut off or damaged counts as absent, so the worst that a crash
//! can do is that a file is pulled again. When the cache is opened the manifest is rewritten without such lines.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::LakeError;

/// A file of the cache, as it was when it arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestLine {
    /// Where it came from.
    pub uri: String,
    /// Size in bytes.
    pub size: u64,
    /// When the source was last changed, in milliseconds since 1970. The file in the cache has the same time.
    pub mtime_ms: i64,
    /// CRC-32C of its bytes, which is HDFS's composite checksum on clusters with CRC32C.
    pub crc32c: u32,
    /// Path within the cache.
    pub path: String,
    /// The program that pulled it.
    pub engine: String,
}

/// The manifest of a cache folder.
#[derive(Debug)]
pub(crate) struct Manifest {
    file: PathBuf,
    lines: BTreeMap<String, ManifestLine>,
}

impl Manifest {
    /// Reads `file`; one that does not exist is empty.
    pub fn open(file: PathBuf) -> Result<Manifest, LakeError> {
        let bytes = match fs::read(&file) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(LakeError::io_at(&file, "reading the manifest of the cache", &error)),
        };
        let mut lines = BTreeMap::new();
        let mut n_lines = 0;
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            n_lines += 1;
            if let Ok(line) = serde_json::from_slice::<ManifestLine>(line) {
                lines.insert(line.uri.clone(), line);
            }
        }
        let manifest = Manifest { file, lines };
        if manifest.lines.len() != n_lines || bytes.last().is_some_and(|byte| *byte != b'\n') {
            manifest.rewrite()?;
        }
        Ok(manifest)
    }

    pub fn get(&self, uri: &str) -> Option<&ManifestLine> {
        self.lines.get(uri)
    }

    pub fn iter(&self) -> impl Iterator<Item = &ManifestLine> {
        self.lines.values()
    }

    /// Adds a file that is complete and safe on disk.
    pub fn add(&mut self, line: ManifestLine) -> Result<(), LakeError> {
        let io = |error| LakeError::io_at(&self.file, "writing the manifest of the cache", &error);
        let mut file = File::options().create(true).append(true).open(&self.file).map_err(io)?;
        file.write_all(&to_json(&line)).map_err(io)?;
        file.sync_data().map_err(io)?;
        self.lines.insert(line.uri.clone(), line);
        Ok(())
    }

    /// Keeps the lines for which `keep` holds.
    pub fn retain(&mut self, mut keep: impl FnMut(&ManifestLine) -> bool) -> Result<(), LakeError> {
        let n_lines = self.lines.len();
        self.lines.retain(|_, line| keep(line));
        if self.lines.len() == n_lines { Ok(()) } else { self.rewrite() }
    }

    fn rewrite(&self) -> Result<(), LakeError> {
        let bytes: Vec<u8> = self.lines.values().flat_map(to_json).collect();
        write_and_rename(&self.file, &bytes)
            .map_err(|error| LakeError::io_at(&self.file, "writing the manifest of the cache", &error))
    }
}

/// Replaces `file` at once: its readers see the old bytes or the new ones.
fn write_and_rename(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
    temporary.write_all(bytes)?;
    temporary.as_file().sync_all()?;
    temporary.persist(file).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}

fn to_json(line: &ManifestLine) -> Vec<u8> {
    // A struct of strings and numbers always has a JSON form.
    let mut json = serde_json::to_vec(line).unwrap_or_default();
    json.push(b'\n');
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(uri: &str, size: u64) -> ManifestLine {
        ManifestLine { uri: uri.into(), size, mtime_ms: 5, crc32c: 7, path: "a/b".into(), engine: crate::ENGINE.into() }
    }

    #[test]
    fn damaged_lines_are_absent_and_later_ones_win() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("manifest.jsonl");
        let mut manifest = Manifest::open(file.clone()).unwrap();
        for (uri, size) in [("hdfs://a/1", 1), ("hdfs://a/\u{e9} \"2\"", 2), ("hdfs://a/1", 3)] {
            manifest.add(line(uri, size)).unwrap();
        }
        let mut bytes = fs::read(&file).unwrap();
        bytes.extend_from_slice(b"{\"uri\":\"hdfs://a/3\",\"size\":\n\xff\xfe\n{\"uri\":\"hdfs://a/4\"");
        fs::write(&file, bytes).unwrap();
        for _ in 0..2 {
            let manifest = Manifest::open(file.clone()).unwrap();
            let sizes: Vec<_> = manifest.iter().map(|line| (line.uri.as_str(), line.size)).collect();
            assert_eq!(sizes, [("hdfs://a/1", 3), ("hdfs://a/\u{e9} \"2\"", 2)]);
        }
        assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 2);
        let mut manifest = Manifest::open(file.clone()).unwrap();
        manifest.retain(|line| line.size == 2).unwrap();
        assert_eq!(Manifest::open(file).unwrap().iter().count(), 1);
    }
}
