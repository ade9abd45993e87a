//! A cluster of `scripts/hdfs`, and files for it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use viewmart::lake::{HdfsOptions, LakeOptions};

/// Bytes of a block: small, so that a file of a few megabytes has many.
pub const N_BLOCK: usize = 1 << 20;
/// Bytes a second that a DataNode sends to one reader where a test needs time to do harm in the middle of a pull.
pub const SLOW: usize = 4 << 20;

/// One cluster at a time: a machine with two processors has enough to do with four JVMs.
static ONE_CLUSTER: Mutex<()> = Mutex::new(());

/// A running cluster, taken down when dropped.
pub struct Cluster {
    name: &'static str,
    pub port: u16,
    _turn: MutexGuard<'static, ()>,
}

impl Cluster {
    pub fn up(name: &'static str, port: u16, arguments: &[&str]) -> Cluster {
        let turn = ONE_CLUSTER.lock().unwrap_or_else(PoisonError::into_inner);
        let cluster = Cluster { name, port, _turn: turn };
        let block = N_BLOCK.to_string();
        cluster.script(&[&["up", "--block-size", &block], arguments].concat());
        cluster
    }

    /// What `scripts/hdfs` needs to find this cluster.
    pub fn environment(&self) -> [(&'static str, String); 2] {
        [("HDFS_CLUSTER", self.name.to_owned()), ("HDFS_PORT", self.port.to_string())]
    }

    /// What the script prints, which must succeed.
    pub fn script(&self, arguments: &[&str]) -> String {
        self.output(arguments).unwrap_or_else(|text| panic!("scripts/hdfs {arguments:?}: {text}"))
    }

    /// The same, or nothing if it failed.
    pub fn try_script(&self, arguments: &[&str]) -> Option<String> {
        self.output(arguments).ok()
    }

    fn output(&self, arguments: &[&str]) -> Result<String, String> {
        let output = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/hdfs"))
            .args(arguments)
            .envs(self.environment())
            .stdin(Stdio::null())
            .output()
            .expect("scripts/hdfs starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match output.status.success() {
            true => Ok(text(&output.stdout)),
            false => Err(text(&output.stdout) + &text(&output.stderr)),
        }
    }

    /// Flips a bit of every replica that these DataNodes have.
    pub fn corrupt(&self, nodes: &[&str]) {
        let mut n_flipped = 0;
        for node in nodes {
            let find = Command::new("find")
                .arg(self.folder().join("data").join(node))
                .args(["-name", "blk_*", "!", "-name", "*.meta"])
                .output()
                .expect("find starts");
            for path in String::from_utf8(find.stdout).unwrap().lines() {
                let mut bytes = std::fs::read(path).unwrap();
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
                std::fs::write(path, bytes).unwrap();
                n_flipped += 1;
            }
        }
        assert!(n_flipped > 0, "{nodes:?} have no block");
    }

    pub fn folder(&self) -> PathBuf {
        let home = std::env::var_os("HDFS_HOME").map(PathBuf::from);
        home.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/hdfs")).join(self.name)
    }

    /// The folder of its configuration, which a client needs.
    pub fn conf(&self) -> PathBuf {
        self.folder().join("conf")
    }

    pub fn uri(&self, path: &str) -> String {
        format!("hdfs://127.0.0.1:{}{path}", self.port)
    }

    pub fn options(&self, cache: &Path) -> LakeOptions {
        let hdfs = HdfsOptions { conf_dir: Some(self.conf()), ..HdfsOptions::default() };
        LakeOptions { cache: cache.to_owned(), hdfs, ..LakeOptions::default() }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.script(&["down"]);
    }
}

/// `n_bytes` that look like nothing, the same for the same `seed`.
pub fn content(seed: u64, n_bytes: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(n_bytes + 8);
    while bytes.len() < n_bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(n_bytes);
    bytes
}

/// A local folder with these files.
pub fn folder(files: &[(&str, Vec<u8>)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    folder
}

/// Five files of 8 MiB over three throttled DataNodes.
pub fn slow_lake(cluster: &Cluster) -> (Vec<(&'static str, Vec<u8>)>, String) {
    let names = ["20220401.json", "20220402.json", "20220403.json", "20220404.json", "20220405.json"];
    let files: Vec<_> =
        names.iter().enumerate().map(|(seed, name)| (*name, content(seed as u64, 8 * N_BLOCK))).collect();
    let local = folder(&files);
    let mut arguments = vec!["put".to_owned()];
    arguments.extend(names.iter().map(|name| local.path().join(name).display().to_string()));
    arguments.push("/log".to_owned());
    cluster.script(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    (files, cluster.uri("/log"))
}
