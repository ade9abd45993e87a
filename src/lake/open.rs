//! Opens files where they lie, by the addresses of a plan: nothing is listed and nothing is pulled.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::ops::Range;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use super::input::{HdfsUri, Input};
use super::names;
use super::read::compressed::{self, CompressedFile};
use super::read::magic;
use super::source::hdfs::conf::HadoopConf;
use super::source::{Source, hdfs};
use super::task::TaskRange;
use crate::engine::ledger::InputFile;

use super::{DataFile, HdfsOptions, LakeError, LakeErrorKind};

/// Finds files by their addresses; file systems are connected to once.
pub struct Opener {
    options: HdfsOptions,
    conf: Option<HadoopConf>,
    /// By root, such as `hdfs://nn:9000`.
    sources: BTreeMap<String, Arc<dyn Source>>,
}

/// A range of a file that lies somewhere, to be read in order and without a map.
pub struct RangeFile {
    /// The file, as the plan has it.
    pub file: DataFile,
    /// The name by which its format and compression are judged.
    name: String,
    /// The bytes in which its records begin.
    pub range: Range<u64>,
    /// Where it is, unless it is on this machine.
    remote: Option<(Arc<dyn Source>, String)>,
}

impl Opener {
    /// Reaches HDFS with `options`.
    pub fn new(options: &HdfsOptions) -> Opener {
        Opener { options: options.clone(), conf: None, sources: BTreeMap::new() }
    }

    /// The range, not opened yet.
    ///
    /// # Errors
    /// An address, or a Hadoop configuration, that cannot be understood.
    pub fn locate(&mut self, range: &TaskRange) -> Result<RangeFile, LakeError> {
        let unknown = || LakeError::new(LakeErrorKind::Input, &range.uri, "is described in a way that is not known");
        let (format, compression) = range.format().ok_or_else(unknown)?;
        let modified_ms = range.tag.parse().map_err(|_| unknown())?;
        let (path, remote) = match Input::parse(&range.uri)? {
            Input::Local(path) => (local_path(path), None),
            Input::Hdfs(uri) => (PathBuf::new(), Some((self.source(&uri)?, uri.path))),
        };
        let file = DataFile {
            uri: range.uri.clone(),
            path,
            day: range.day_of_month(),
            n_bytes: range.file_bytes,
            modified_ms,
            local_modified_ms: modified_ms,
            format,
            compression,
        };
        let name = range.name.clone().unwrap_or_else(|| names::last(&range.uri).to_owned());
        Ok(RangeFile { file, name, range: range.start..range.start + range.length, remote })
    }

    fn source(&mut self, uri: &HdfsUri) -> Result<Arc<dyn Source>, LakeError> {
        if let Some(source) = self.sources.get(&uri.root()) {
            return Ok(Arc::clone(source));
        }
        let conf = match &mut self.conf {
            Some(conf) => conf,
            None => self.conf.insert(self.options.load_conf()?),
        };
        let source = hdfs::connect(uri, conf, &self.options)?;
        self.sources.insert(uri.root(), Arc::clone(&source));
        Ok(source)
    }
}

impl RangeFile {
    /// What is odd about the file, as its name belies its compression.
    fn fact(&self) -> Option<&'static str> {
        magic::fact(self.file.compression, names::compression_of(&self.name))
    }

    /// What the ledger says of it.
    pub(crate) fn input_file(&self) -> InputFile {
        let mut input = self.file.input_file_of_name(self.file.uri.clone(), &self.name);
        input.ranges = Some(self.range.clone()).filter(|range| !range.is_empty()).into_iter().collect();
        input.facts.extend(self.fact().map(str::to_owned));
        input
    }

    /// The content of the file from byte `offset` on, which is not 0 in plain files alone.
    pub(crate) fn open(&self, offset: u64) -> Result<CompressedFile, LakeError> {
        let opened = match &self.remote {
            None => compressed::open_at(&self.file, offset),
            Some((source, path)) => compressed::open_remote(&self.file, source, path, offset),
        };
        opened.map_err(of_old_plan)
    }
}

/// A file that changed fits no part of the plan any more.
pub(crate) fn of_old_plan(error: LakeError) -> LakeError {
    match error.kind() {
        LakeErrorKind::Changed => error.advise("make the plan again, and scan all of its tasks"),
        _ => error,
    }
}

/// In an address bytes that are not UTF-8 stand as `%XX`; a name may hold `%` itself, also `%20`.
fn local_path(path: String) -> PathBuf {
    let as_written = PathBuf::from(&path);
    if as_written.exists() {
        return as_written;
    }
    let ways: [fn(&str) -> Vec<u8>; 2] = [decode_no_text, |path| percent_encoding::percent_decode_str(path).collect()];
    let decoded = ways.map(|decode| PathBuf::from(OsString::from_vec(decode(&path))));
    decoded.into_iter().find(|path| path.exists()).unwrap_or(as_written)
}

/// With the bytes that no ASCII is; what stands for another character is taken as it is.
fn decode_no_text(path: &str) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let byte = match (first, behind) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)).map(|(high, low)| high << 4 | low),
            _ => None,
        };
        match byte.filter(|byte| !byte.is_ascii()) {
            Some(byte) => {
                decoded.push(byte);
                rest = &behind[2..];
            }
            None => {
                decoded.push(*first);
                rest = behind;
            }
        }
    }
    decoded
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt as _;

    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_decoded_and_other_percents_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let check = |name: &[u8], written: &str| {
            let path = folder.path().join(std::ffi::OsStr::from_bytes(name));
            std::fs::write(&path, "").unwrap();
            let found = local_path(format!("{}/{written}", folder.path().display()));
            assert_eq!(found, path, "{written}");
        };
        check(b"a%20b", "a%20b");
        check(b"a%20b\xff%", "a%20b%FF%");
        check(b"a b\xff", "a%20b%ff");
        check("c d\u{e9}".as_bytes(), "c%20d%C3%A9");
        check(b"%zz\xfe", "%zz%FE");
    }
}
