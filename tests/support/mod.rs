//! What every integration test needs: the binary, a folder of its own, and eyes for what came out.
#![allow(dead_code)]

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rusqlite::types::Value;
use tempfile::TempDir;

pub mod made;
pub mod ordinary;

/// An empty folder in which the binary runs, free of the settings of whoever runs the tests.
pub struct Workplace {
    folder: TempDir,
}

impl Workplace {
    pub fn new() -> Workplace {
        Workplace { folder: TempDir::new().unwrap() }
    }

    /// The absolute path of `name`.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file and the folders above it.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    pub fn read_text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).unwrap()
    }

    pub fn read_json(&self, name: &str) -> serde_json::Value {
        serde_json::from_slice(&self.read(name)).unwrap()
    }

    /// The binary, to be started in this folder.
    pub fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_viewmart"));
        command.current_dir(self.folder.path()).args(arguments);
        // What the user of this machine has measured or pulled is not in these tests.
        command.env("XDG_CACHE_HOME", self.folder.path().join(".cache"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("VIEWMART_") {
                command.env_remove(name);
            }
        }
        command
    }

    /// The same as an ordinary user, to whom this folder then belongs.
    pub fn command_as_ordinary_user<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        ordinary::give(self.folder.path());
        let plain = self.command(arguments);
        let mut command = Command::new(ordinary::runnable(Path::new(plain.get_program())));
        command.args(plain.get_args()).current_dir(self.folder.path());
        for (name, value) in plain.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        // A home of somebody else cannot be written.
        command.env("HOME", self.folder.path()).env_remove("XDG_CACHE_HOME").env_remove("XDG_CONFIG_HOME");
        ordinary::as_ordinary_user(&mut command);
        command
    }

    /// Runs the binary to its end as an ordinary user.
    pub fn run_as_ordinary_user<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Finished {
        Finished::of(self.command_as_ordinary_user(arguments).output().unwrap())
    }

    /// Runs the binary to its end.
    pub fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Finished {
        Finished::of(self.command(arguments).output().unwrap())
    }

    /// All rows of a query on an SQLite file, values as text, NULL as `NULL`.
    pub fn rows(&self, database: &str, sql: &str) -> Vec<Vec<String>> {
        let path = self.path(database);
        assert!(path.exists(), "{} is missing", path.display());
        let connection = Connection::open(path).unwrap();
        let mut statement = connection.prepare(sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
        let n_columns = statement.column_count();
        let rows = statement.query_map([], |row| (0..n_columns).map(|i| row.get(i).map(as_text)).collect()).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    }
}

fn as_text(value: Value) -> String {
    match value {
        Value::Null => "NULL".into(),
        Value::Integer(n) => n.to_string(),
        Value::Real(n) => n.to_string(),
        Value::Text(text) => text,
        Value::Blob(bytes) => format!("{bytes:?}"),
    }
}

/// What takes longer hangs. The longest that is asked of the binary, a lake of 1500 files, keeps two cores busy for 2 s;
/// beside five builds it took more than 20 s.
pub const HANGS_AFTER: Duration = Duration::from_secs(40);

/// What the binary gave.
#[derive(Debug)]
pub struct Finished {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Finished {
    pub fn of(output: Output) -> Finished {
        Finished {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// What a command gives, unless it hangs.
    #[track_caller]
    pub fn in_time(mut command: Command) -> Finished {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Finished::of_child(command.spawn().unwrap())
    }

    /// The same of one that was started, with pipes for what it prints.
    #[track_caller]
    pub fn of_child(mut child: Child) -> Finished {
        let begun = Instant::now();
        while child.try_wait().unwrap().is_none() {
            if begun.elapsed() > HANGS_AFTER {
                child.kill().unwrap();
                panic!("still running after {HANGS_AFTER:?}:\n{:?}", Finished::of(child.wait_with_output().unwrap()));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Finished::of(child.wait_with_output().unwrap())
    }

    /// Succeeded, or shows why not.
    #[track_caller]
    pub fn ok(self) -> Finished {
        assert_eq!(self.code, Some(0), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Failed with this code, nothing on stdout, and words on stderr.
    #[track_caller]
    pub fn failed(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        assert_eq!(self.stdout, "", "stderr:\n{}", self.stderr);
        for word in words {
            assert!(self.stderr.contains(word), "`{word}` is missing in:\n{}", self.stderr);
        }
    }
}

/// One NDJSON record as the source writes it, with a line end.
pub fn record(contract: &str, app: &str, seconds: i64) -> String {
    let (contract, app) = (serde_json::json!(contract), serde_json::json!(app));
    format!(
        "{{\"_index\":\"history\",\"_type\":\"kplus\",\"_id\":\"AX_momhia1FFivsGrn9o\",\"_score\":0,\"_source\":\
         {{\"Contract\":{contract},\"Mac\":\"0C96E62FC55C\",\"TotalDuration\":{seconds},\"AppName\":{app}}}}}\n"
    )
}

/// One gzip member.
pub fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// One Zstandard frame.
pub fn zstd(content: &[u8]) -> Vec<u8> {
    zstd::encode_all(content, 1).unwrap()
}
