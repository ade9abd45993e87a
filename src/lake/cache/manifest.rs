//! What the cache holds: one JSON line per file, appended when the file is complete.
//!
//! A later line for the same file wins; a line that was cut off or damaged counts as absent, so the worst that a crash
//! can do is that a file is pulled again. When the cache is opened the manifest is rewritten without such lines.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::failed_at;
use crate::lake::LakeError;

/// A file of the cache, as it was when it arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestLine {
    /// Where it came from.
    pub uri: String,
    /// Size in bytes.
    pub size: u64,
    /// When the source was last changed, in milliseconds since 1970.
    pub mtime_ms: i64,
    /// The time of the file in the cache, in milliseconds since 1970, where its file system could not keep that of the
    /// source: some know whole seconds only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_mtime_ms: Option<i64>,
    /// CRC-32C of its bytes, which is HDFS's composite checksum on clusters with CRC32C.
    pub crc32c: u32,
    /// Path within the cache.
    pub path: String,
    /// The program that pulled it.
    pub engine: String,
}

impl ManifestLine {
    /// The time of the file in the cache, in milliseconds since 1970.
    pub fn local_mtime_ms(&self) -> i64 {
        self.local_mtime_ms.unwrap_or(self.mtime_ms)
    }
}

/// The manifest of a cache folder.
#[derive(Debug)]
pub(crate) struct Manifest {
    file: PathBuf,
    lines: BTreeMap<String, ManifestLine>,
}

impl Manifest {
    /// Reads `file`, and rewrites it when it holds what nobody needs; one that does not exist is empty.
    pub fn open(file: PathBuf) -> Result<Manifest, LakeError> {
        let (manifest, is_tidy) = Manifest::parse(file)?;
        if !is_tidy {
            manifest.rewrite()?;
        }
        Ok(manifest)
    }

    /// Reads `file` and changes nothing; one that does not exist is empty.
    pub fn read(file: PathBuf) -> Result<Manifest, LakeError> {
        Manifest::parse(file).map(|(manifest, _)| manifest)
    }

    /// The manifest in `file`, and whether it holds nothing else.
    fn parse(file: PathBuf) -> Result<(Manifest, bool), LakeError> {
        let bytes = match fs::read(&file) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(failed_at(&file, "reading the manifest of the cache", &error)),
        };
        let mut lines = BTreeMap::new();
        let mut n_lines = 0;
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            n_lines += 1;
            if let Ok(line) = serde_json::from_slice::<ManifestLine>(line) {
                lines.insert(line.uri.clone(), line);
            }
        }
        let is_tidy = lines.len() == n_lines && bytes.last().is_none_or(|byte| *byte == b'\n');
        Ok((Manifest { file, lines }, is_tidy))
    }

    pub fn get(&self, uri: &str) -> Option<&ManifestLine> {
        self.lines.get(uri)
    }

    pub fn iter(&self) -> impl Iterator<Item = &ManifestLine> {
        self.lines.values()
    }

    /// Adds a file that is complete and safe on disk.
    pub fn add(&mut self, line: ManifestLine) -> Result<(), LakeError> {
        let json = to_json(&line);
        self.lines.insert(line.uri.clone(), line);
        let append = || -> std::io::Result<()> {
            let mut file = File::options().create(true).append(true).open(&self.file)?;
            file.write_all(&json)?;
            file.sync_data()
        };
        match append() {
            // That of another user, who alone may write to it, can be replaced all the same.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => self.rewrite(),
            result => result.map_err(|error| failed_at(&self.file, "writing the manifest of the cache", &error)),
        }
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
            .map_err(|error| failed_at(&self.file, "writing the manifest of the cache", &error))
    }
}

/// Replaces `file` at once: its readers see the old bytes or the new ones.
fn write_and_rename(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    // As other files are: the next run may be of another user.
    let mode = fs::Permissions::from_mode(0o666);
    let mut temporary = tempfile::Builder::new().permissions(mode).tempfile_in(folder)?;
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
        ManifestLine {
            uri: uri.into(),
            size,
            mtime_ms: 5,
            local_mtime_ms: None,
            crc32c: 7,
            path: "a/b".into(),
            engine: crate::ENGINE.into(),
        }
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
