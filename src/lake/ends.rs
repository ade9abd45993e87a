//! The first and the last bytes of a file, read where it lies: what a lake shows of itself without a pull.

use sha2::{Digest as _, Sha256};

use super::read::compressed::{self, CompressedFile};
use super::read::magic;
use super::{Compression, DataFile, Lake, LakeError, LakeErrorKind};

/// Bytes that are looked at of either end of a file.
pub const END_BYTES: usize = 64 << 10;

/// Both ends of a file.
#[derive(Clone, Debug)]
pub struct Ends {
    /// The file, compressed as its first bytes say.
    pub file: DataFile,
    /// What is odd about its compression.
    pub fact: Option<&'static str>,
    /// Its first bytes, decompressed.
    pub head: Vec<u8>,
    /// Whether that is all of it, read to a sound end.
    pub is_whole: bool,
    /// Its last bytes, as stored.
    pub tail: Vec<u8>,
}

impl Ends {
    /// Both ends as one number.
    pub fn print(&self) -> [u8; 32] {
        let mut print = Sha256::new();
        print.update(&self.head);
        print.update(&self.tail);
        print.finalize().into()
    }
}

/// What opens a file at a byte.
type Opener<'a> = dyn Fn(&DataFile, u64) -> Result<CompressedFile, LakeError> + 'a;

impl Lake {
    /// Both ends of a file of this lake. A small one is read whole.
    ///
    /// # Errors
    /// It cannot be opened, or what was read of it is damaged.
    pub fn ends(&self, file: &DataFile) -> Result<Ends, LakeError> {
        let open = self.opener(file)?;
        let n_whole = 2 * END_BYTES;
        let plain = DataFile { compression: Compression::None, ..file.clone() };
        let is_small = plain.n_bytes <= n_whole as u64;
        let stored = first(open(&plain, 0)?, if is_small { n_whole } else { END_BYTES })?;
        let tail = match plain.n_bytes.checked_sub(END_BYTES as u64) {
            Some(start) if !is_small => first(open(&plain, start)?, END_BYTES)?,
            _ => stored[stored.len().saturating_sub(END_BYTES)..].to_vec(),
        };
        let (file, fact) = magic::as_start_says(file.clone(), &stored);
        if file.compression == Compression::None {
            return Ok(Ends { file, fact, head: stored, is_whole: is_small, tail });
        }
        let head = first(open(&file, 0)?, n_whole)?;
        let is_whole = head.len() < n_whole;
        Ok(Ends { file, fact, head, is_whole, tail })
    }

    /// A file of this lake as its first bytes say it is compressed, read where it lies.
    ///
    /// # Errors
    /// It cannot be opened or read.
    pub fn as_stored(&self, file: &DataFile) -> Result<DataFile, LakeError> {
        let plain = DataFile { compression: Compression::None, ..file.clone() };
        let start = first(self.opener(file)?(&plain, 0)?, magic::START_BYTES)?;
        Ok(magic::as_start_says(file.clone(), &start).0)
    }

    /// What opens `file` at a byte: in HDFS where it lies, else on this machine.
    fn opener(&self, file: &DataFile) -> Result<Box<Opener<'_>>, LakeError> {
        let Some(uri) = self.remote_uri(&file.uri) else { return Ok(Box::new(compressed::open_at)) };
        if let Some(source) = self.sources.get(&uri.root()) {
            return Ok(Box::new(move |file, offset| compressed::open_remote(file, source, &uri.path, offset)));
        }
        let cached = self.cache.as_ref().and_then(|cache| cache.find(file));
        let cached =
            cached.ok_or_else(|| LakeError::new(LakeErrorKind::NotCached, &file.uri, "is not in the cache"))?;
        Ok(Box::new(move |file, offset| {
            let local_modified_ms = cached.local_modified_ms;
            compressed::open_at(&DataFile { local_modified_ms, ..file.clone() }, offset)
        }))
    }
}

/// The first bytes of what is left.
fn first(mut opened: CompressedFile, n_bytes: usize) -> Result<Vec<u8>, LakeError> {
    let mut bytes = vec![0; n_bytes];
    let n_read = opened.fill(&mut bytes)?;
    bytes.truncate(n_read);
    Ok(bytes)
}
