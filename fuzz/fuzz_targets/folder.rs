//! A folder for the files of one process that fuzzes. libFuzzer ends without unwinding: whoever starts it gives it a
//! `TMPDIR` and removes that.

use std::path::{Path, PathBuf};
use std::{env, fs, process};

/// What it is expected to be.
pub const IS_THERE: &str = "a folder for temporary files";

pub struct Folder(PathBuf);

impl Folder {
    pub fn new(name: &str) -> Folder {
        let path = env::temp_dir().join(format!("viewmart-fuzz-{name}-{}", process::id()));
        fs::create_dir_all(&path).expect(IS_THERE);
        Folder(path)
    }

    pub fn path(&self, below: impl AsRef<Path>) -> PathBuf {
        self.0.join(below)
    }
}
