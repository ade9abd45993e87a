//! Pseudonyms for contracts: the same contract has the same pseudonym wherever the same key is used.
//!
//! A pseudonym is the start of HMAC-SHA256 of the contract. Without the key it can neither be undone nor guessed by
//! trying all contracts, which a plain hash would allow: contracts are short and follow a pattern.

use std::borrow::Cow;
use std::fmt;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::advice::{Access, Advice, IoKind};
use crate::error::Error;
use crate::fs::part::{new_part, remove_dead_parts};

/// Shortest key in bytes that is accepted: shorter ones can be tried out.
pub const MIN_KEY_BYTES: usize = 16;

/// Bytes of a pseudonym after its `m-`, two digits each: among ten million contracts two share one with a chance of
/// 1 in 370,000.
const PSEUDONYM_BYTES: usize = 8;

/// Bytes of a new key.
const NEW_KEY_BYTES: usize = 32;

/// Permissions that make a key file no secret: any of others, and writing by the group. The group may read it, so that
/// a team can share a key.
const UNSAFE_MODE: u32 = 0o027;

/// Permissions of a new key file.
const KEY_MODE: u32 = 0o600;

/// How long an empty key file may be one that another run is just making, in steps of [`EMPTY_PAUSE`].
const EMPTY_TRIES: u32 = 20;
const EMPTY_PAUSE: Duration = Duration::from_millis(50);

/// Name of the environment variable that may hold the key.
pub const KEY_VARIABLE: &str = "VIEWMART_MASK_KEY";

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MaskError {
    /// The key can be tried out.
    #[error("the key in {holder} has fewer than {MIN_KEY_BYTES} bytes: pseudonyms made with it can be undone")]
    KeyTooShort {
        /// The variable or the file.
        holder: String,
    },
    /// Others may read or change the key.
    #[error("the mask key {path} is open to others (mode {mode:04o}): whoever reads it can undo the pseudonyms", path = path.display())]
    KeyFileOpen {
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The key file is there and cannot be read.
    #[error("the mask key {path} cannot be read: {source}", path = path.display())]
    ReadKeyFile {
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// There is no key file and none can be made.
    #[error("the mask key {path} cannot be made: {source}", path = path.display())]
    MakeKeyFile {
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
}

impl Advice for MaskError {
    fn advice(&self) -> Option<Cow<'_, str>> {
        Some(
            match self {
                MaskError::KeyTooShort { .. } => {
                    format!(
                        "put a longer secret there, or unset {KEY_VARIABLE} and remove the file to have a new key made"
                    )
                }
                MaskError::KeyFileOpen { path, .. } => format!(
                    "run `chmod 600 {}`; where its file system keeps no permissions, give the key in {KEY_VARIABLE}",
                    path.display()
                ),
                MaskError::ReadKeyFile { source, .. } => {
                    let advice = IoKind::of(source).advice(Access::Read);
                    format!("{advice}; or name another file with --mask-key-file, or set {KEY_VARIABLE}")
                }
                MaskError::MakeKeyFile { source, .. } => {
                    let advice = IoKind::of(source).advice(Access::Write);
                    format!("{advice}; or name another file with --mask-key-file, or set {KEY_VARIABLE}")
                }
            }
            .into(),
        )
    }
}

impl From<MaskError> for Error {
    fn from(error: MaskError) -> Error {
        Error::Usage { what: error.to_string(), advice: error.advice().map(Cow::into_owned) }
    }
}

/// Gives contracts their pseudonyms. It never shows its key.
#[derive(Clone)]
pub struct Masker(Hmac<Sha256>);

impl fmt::Debug for Masker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Masker(key not shown)")
    }
}

impl Masker {
    /// A masker with this key, or `None` where the key has fewer than [`MIN_KEY_BYTES`].
    pub fn new(key: &[u8]) -> Option<Masker> {
        let long_enough = key.len() >= MIN_KEY_BYTES;
        long_enough.then(|| Hmac::new_from_slice(key).ok().map(Masker)).flatten()
    }

    /// The key from the text of [`KEY_VARIABLE`] where it is set, else from `key_file`, which is made with a new random
    /// key (64 hex digits, readable by its owner alone) where it does not exist, and its folder with it.
    ///
    /// # Errors
    /// A key that is too short, or a key file that others may read, or that cannot be read or made.
    pub fn from_settings(variable: Option<&str>, key_file: &Path) -> Result<Masker, MaskError> {
        let (key, holder) = match variable {
            Some(text) => (text.to_owned(), KEY_VARIABLE.to_owned()),
            None => (read_or_make_key(key_file)?.trim().to_owned(), key_file.display().to_string()),
        };
        Masker::new(key.as_bytes()).ok_or(MaskError::KeyTooShort { holder })
    }

    /// The pseudonym of a contract: `m-` and 16 hex digits.
    pub fn mask(&self, contract: &str) -> String {
        let hash = self.0.clone().chain_update(contract.as_bytes()).finalize().into_bytes();
        let mut text = String::with_capacity(2 + 2 * PSEUDONYM_BYTES);
        text.push_str("m-");
        push_hex(&hash[..PSEUDONYM_BYTES], &mut text);
        text
    }
}

fn push_hex(bytes: &[u8], text: &mut String) {
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
        }
    }
}

fn read_or_make_key(path: &Path) -> Result<String, MaskError> {
    match read_key(path) {
        Err(MaskError::ReadKeyFile { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
        read => return read,
    }
    match make_key(path) {
        Ok(key) => Ok(key),
        // Another run was faster: there is one key for both.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => read_key(path),
        Err(source) => Err(MaskError::MakeKeyFile { path: path.to_owned(), source }),
    }
}

fn read_key(path: &Path) -> Result<String, MaskError> {
    let failed = |source| MaskError::ReadKeyFile { path: path.to_owned(), source };
    for _ in 0..EMPTY_TRIES {
        let mut file = fs::File::open(path).map_err(failed)?;
        // Asked of the open file: the name could be given to another one meanwhile.
        let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o7777;
        if mode & UNSAFE_MODE != 0 {
            return Err(MaskError::KeyFileOpen { path: path.to_owned(), mode });
        }
        let mut key = String::new();
        file.read_to_string(&mut key).map_err(failed)?;
        if !key.is_empty() {
            return Ok(key);
        }
        thread::sleep(EMPTY_PAUSE);
    }
    Ok(String::new())
}

/// Writes a new random key aside and gives it its name only where there is none, so that two runs at once end up with
/// one key, and a run that is killed leaves no half of one.
fn make_key(path: &Path) -> io::Result<String> {
    let mut random = [0; NEW_KEY_BYTES];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let mut key = String::new();
    push_hex(&random, &mut key);

    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    // Leftovers do no harm where they cannot be removed.
    let _ = remove_dead_parts(folder);
    let mut staged = new_part(folder, KEY_MODE)?;
    writeln!(staged, "{key}")?;
    staged.as_file().sync_all()?;
    match staged.persist_noclobber(path) {
        Ok(_) => Ok(key),
        Err(refused) if refused.error.kind() == io::ErrorKind::AlreadyExists => Err(refused.error),
        // Some file systems know neither hard links nor a rename that replaces nothing.
        Err(_) => {
            let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(KEY_MODE).open(path)?;
            let written = file.write_all(format!("{key}\n").as_bytes()).and_then(|()| file.sync_all());
            if written.is_err() {
                // Half a key would be taken for one by the next run.
                let _ = fs::remove_file(path);
            }
            written.map(|()| key)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first test of RFC 4231 whose key is long enough to be accepted.
    #[test]
    fn a_pseudonym_is_the_start_of_an_hmac_sha256() {
        assert_eq!(Masker::new(&[0x0b; 20]).unwrap().mask("Hi There"), "m-b0344c61d8db3853");
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

    fn mode_of(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn the_key_is_made_once_with_its_folder_and_for_its_owner_alone() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("config/viewmart/mask-key");
        let first = Masker::from_settings(None, &file).unwrap().mask("A");
        assert_eq!(Masker::from_settings(None, &file).unwrap().mask("A"), first);
        assert_ne!(Masker::from_settings(Some("a secret of some length"), &file).unwrap().mask("A"), first);
        let folder = file.parent().unwrap();
        assert_eq!(fs::read_dir(folder).unwrap().count(), 1, "nothing is left beside it");
        assert_eq!((mode_of(&file), mode_of(folder)), (0o600, 0o700));
        assert_eq!(fs::read_to_string(&file).unwrap().trim().len(), 2 * NEW_KEY_BYTES);
    }

    #[test]
    fn what_a_killed_run_left_of_a_key_is_removed() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join(".viewmart-part-dead"), "half a k").unwrap();
        Masker::from_settings(None, &home.path().join("mask-key")).unwrap();
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    }

    #[test]
    fn two_runs_at_once_have_one_key() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("mask-key");
        let pseudonym = || Masker::from_settings(None, &file).unwrap().mask("A");
        let all: Vec<String> =
            thread::scope(|scope| [(); 8].map(|()| scope.spawn(pseudonym)).map(|t| t.join().unwrap()).into());
        assert!(all.iter().all(|one| *one == all[0]), "{all:?}");
    }

    #[test]
    fn a_key_file_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mask-key");
        fs::write(&file, "a secret of some length\n").unwrap();
        for (mode, is_refused) in
            [(0o644, true), (0o620, true), (0o601, true), (0o600, false), (0o640, false), (0o400, false)]
        {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            let made = Masker::from_settings(None, &file);
            assert_eq!(matches!(made, Err(MaskError::KeyFileOpen { .. })), is_refused, "{mode:o}");
        }
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let error = Masker::from_settings(None, &file).unwrap_err();
        assert!(error.to_string().contains("mode 0644"), "{error}");
        assert!(error.advice().unwrap().contains("chmod 600"));
    }

    #[test]
    fn keys_that_cannot_be_used_say_why() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mask.key");
        let short = Masker::from_settings(Some("short"), &file).unwrap_err().to_string();
        assert!(short.contains(KEY_VARIABLE) && !short.contains("short\""), "{short}");
        fs::write(&file, "abc\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(Masker::from_settings(None, &file).unwrap_err().to_string().contains("mask.key"));
        // A file where a folder is needed: true for root too.
        let nowhere = file.join("mask.key");
        assert!(matches!(
            Masker::from_settings(None, &nowhere),
            Err(MaskError::ReadKeyFile { .. } | MaskError::MakeKeyFile { .. })
        ));
    }
}
