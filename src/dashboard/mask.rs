//! Pseudonyms for contracts: the same contract has the same pseudonym wherever the same key is used.
//!
//! A pseudonym is the start of HMAC-SHA256 (RFC 2104) of the contract. Without the key it can neither be undone nor
//! guessed by trying all contracts, which a plain hash would allow: contracts are short and follow a pattern.

use std::fmt;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::error::Error;

/// Size of a block of SHA-256.
const BLOCK_BYTES: usize = 64;

/// Shortest key in bytes that is accepted: shorter ones can be tried out.
pub const MIN_KEY_BYTES: usize = 16;

/// Digits of a pseudonym behind its `m-`. 64 bits: among ten million contracts two share one with a chance of 1 in 370,000.
const DIGITS: usize = 16;

/// Name of the environment variable that may hold the key.
pub const KEY_VARIABLE: &str = "VIEWMART_MASK_KEY";

/// Gives contracts their pseudonyms. It never shows its key.
#[derive(Clone)]
pub struct Masker {
    inner: Sha256,
    outer: Sha256,
}

impl fmt::Debug for Masker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Masker(key not shown)")
    }
}

impl Masker {
    /// A masker with this key, or `None` where the key has fewer than [`MIN_KEY_BYTES`].
    pub fn new(key: &[u8]) -> Option<Masker> {
        (key.len() >= MIN_KEY_BYTES).then(|| Masker::keyed(key))
    }

    fn keyed(key: &[u8]) -> Masker {
        let hashed;
        let key = if key.len() > BLOCK_BYTES {
            hashed = Sha256::digest(key);
            hashed.as_slice()
        } else {
            key
        };
        let padded = |pad: u8| {
            let mut block = [pad; BLOCK_BYTES];
            for (byte, key) in block.iter_mut().zip(key) {
                *byte ^= key;
            }
            Sha256::new_with_prefix(block)
        };
        Masker { inner: padded(0x36), outer: padded(0x5c) }
    }

    /// The key from the text of [`KEY_VARIABLE`] where it is set, else from `key_file`, which is made with a new random
    /// key (64 hex digits, readable by its owner alone) where it does not exist.
    ///
    /// # Errors
    /// A key that is too short, or a key file that cannot be read or made.
    pub fn from_settings(variable: Option<&str>, key_file: &Path) -> Result<Masker, Error> {
        let too_short = |holder: String| Error::Usage {
            what: format!(
                "the key in {holder} has fewer than {MIN_KEY_BYTES} bytes: pseudonyms made with it can be undone"
            ),
            advice: Some(format!(
                "put a longer secret there, or unset {KEY_VARIABLE} and remove the file to have a new key made"
            )),
        };
        if let Some(text) = variable {
            return Masker::new(text.as_bytes()).ok_or_else(|| too_short(KEY_VARIABLE.to_owned()));
        }
        let failed = |doing, source| Error::Output { path: key_file.to_owned(), doing, source };
        let key = match fs::read_to_string(key_file) {
            Ok(key) => key,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                new_key_file(key_file).map_err(|error| failed("making the mask key", error))?
            }
            Err(error) => return Err(failed("reading the mask key", error)),
        };
        Masker::new(key.trim().as_bytes()).ok_or_else(|| too_short(key_file.display().to_string()))
    }

    /// The pseudonym of a contract: `m-` and 16 hex digits.
    pub fn mask(&self, contract: &str) -> String {
        let mut text = String::with_capacity(2 + DIGITS);
        text.push_str("m-");
        for byte in &self.hmac(contract.as_bytes())[..DIGITS / 2] {
            text.push(char::from(b"0123456789abcdef"[usize::from(byte >> 4)]));
            text.push(char::from(b"0123456789abcdef"[usize::from(byte & 15)]));
        }
        text
    }

    fn hmac(&self, message: &[u8]) -> [u8; 32] {
        let inner = self.inner.clone().chain_update(message).finalize();
        self.outer.clone().chain_update(inner).finalize().into()
    }
}

/// Writes a new random key beside its final name and links it there, so that two runs at once end up with one key.
fn new_key_file(path: &Path) -> io::Result<String> {
    let mut random = [0; 32];
    fs::File::open("/dev/urandom")?.read_exact(&mut random)?;
    let key: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let staged = folder.join(format!(".mask-key-{}.tmp", std::process::id()));
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&staged)?;
    let linked = writeln!(file, "{key}").and_then(|()| file.sync_all()).and_then(|()| fs::hard_link(&staged, path));
    fs::remove_file(&staged)?;
    match linked {
        Ok(()) => Ok(key),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => fs::read_to_string(path),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hmac_is_that_of_rfc_4231() {
        let check = |key: &[u8], message: &[u8], expected: &str| {
            let found: String = Masker::keyed(key).hmac(message).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(found, expected);
        };
        check(&[0x0b; 20], b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
        check(
            b"Jefe",
            b"what do ya want for nothing?",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        );
        check(
            &[0xaa; 131],
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        );
    }

    #[test]
    fn pseudonyms_depend_on_key_and_contract() {
        let masker = Masker::new(b"0123456789abcdef").unwrap();
        assert_eq!(masker.mask("HND000001").len(), 18);
        assert_eq!(masker.mask("HND000001"), masker.clone().mask("HND000001"));
        assert_ne!(masker.mask("HND000001"), masker.mask("hnd000001"));
        assert_ne!(masker.mask("HND000001"), Masker::new(b"0123456789abcdeg").unwrap().mask("HND000001"));
        assert!(Masker::new(b"short").is_none());
        assert!(!format!("{masker:?}").contains("0123"));
    }

    #[test]
    fn the_key_is_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mask.key");
        let first = Masker::from_settings(None, &file).unwrap().mask("A");
        assert_eq!(Masker::from_settings(None, &file).unwrap().mask("A"), first);
        assert_ne!(Masker::from_settings(Some("a secret of some length"), &file).unwrap().mask("A"), first);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let short = Masker::from_settings(Some("short"), &file).unwrap_err().to_string();
        assert!(short.contains(KEY_VARIABLE) && !short.contains("short\""), "{short}");
        fs::write(&file, "abc\n").unwrap();
        assert!(Masker::from_settings(None, &file).unwrap_err().to_string().contains("mask.key"));
        let nowhere = folder.path().join("none/mask.key");
        assert!(matches!(Masker::from_settings(None, &nowhere), Err(Error::Output { .. })));
    }
}
