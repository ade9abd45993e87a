//! HDFS as a [`Source`], over hdfs-native.
//!
//! The client is asynchronous and has no time limits of its own: a NameNode that accepts a connection and says nothing
//! holds it for ever. Here every call has one. All of it runs on one thread with a current-thread runtime, which was
//! measured twice as fast as a pool of threads and leaves the other processors to the scan.

pub(crate) mod canonical;
pub mod conf;
mod fault;
pub mod viewfs;

use std::io::Read;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt;
use hdfs_native::client::FileStatus;
use hdfs_native::{Client, ClientBuilder, HdfsError};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::{Chunks, Entry, EntryKind, Source, SourceError, SourceFault};
use crate::lake::input::HdfsUri;
use crate::lake::read::mapped::LARGE_PAGE_BYTES;
use crate::lake::{LakeError, LakeErrorKind};
use crate::threads::FEWER_THREADS;
use conf::HadoopConf;

/// Longest wait for an answer of the NameNode `host:port`.
const NAMENODE_LIMIT: Duration = Duration::from_secs(20);
/// The same for a nameservice, where the client tries the NameNodes in turn until one is active.
const NAMESERVICE_LIMIT: Duration = Duration::from_secs(55);
/// Silence of a DataNode, in milliseconds, after which the client turns to another replica.
const SOCKET_TIMEOUT_MS: u64 = 5000;
/// Bytes that go from the network thread to a writer at once, and are written at once.
const BATCH_BYTES: u64 = LARGE_PAGE_BYTES as u64;
/// Batches that wait for a writer, for each file.
const MAX_BATCHES: usize = 4;
/// How long [`Chunks::next`] waits before it gives its caller a chance to stop.
const PULSE: Duration = Duration::from_millis(250);

/// How much longer a caller waits than the network thread, which has a better word for what went wrong.
const ANSWER_SLACK: Duration = Duration::from_secs(2);

/// Where Hadoop's programs find delegation tokens.
const TOKEN_FILE: &str = "HADOOP_TOKEN_FILE_LOCATION";

/// How to reach HDFS.
#[derive(Clone, Debug, Default)]
pub struct HdfsOptions {
    /// Folder with `core-site.xml` and `hdfs-site.xml`. Default: `HADOOP_CONF_DIR`, else `HADOOP_HOME/etc/hadoop`, else none.
    pub conf_dir: Option<PathBuf>,
    /// Keys of the Hadoop configuration that override the files, in order.
    pub overrides: Vec<(String, String)>,
    /// User for clusters without Kerberos. Default: `HADOOP_USER_NAME`, else the user who runs the program.
    pub user: Option<String>,
    /// How DataNodes are addressed.
    pub datanodes: DatanodeAddress,
    /// Kerberos keytab to log in with. Default: the ticket cache (`kinit`), or `HADOOP_TOKEN_FILE_LOCATION`.
    pub keytab: Option<PathBuf>,
    /// Kerberos principal of the keytab.
    pub principal: Option<String>,
}

/// How DataNodes are addressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DatanodeAddress {
    /// As the configuration says (`dfs.client.use.datanode.hostname`), by default by address.
    #[default]
    AsConfigured,
    /// By host name: for clusters behind a VPN, NAT or containers.
    Hostname,
}

impl HdfsOptions {
    /// The Hadoop configuration with the overrides in it.
    pub(crate) fn load_conf(&self) -> Result<HadoopConf, LakeError> {
        let mut conf = HadoopConf::load(self.conf_dir.as_deref())?;
        for (key, value) in &self.overrides {
            conf.set(key, value);
        }
        if self.datanodes == DatanodeAddress::Hostname {
            conf.set("dfs.client.use.datanode.hostname", "true");
        }
        if self.keytab.is_some() {
            conf.set_default("hadoop.security.authentication", "kerberos");
        }
        Ok(conf)
    }
}

/// `uri` with the authority that `conf` says where it has none of its own.
pub(crate) fn with_authority(uri: &HdfsUri, conf: &HadoopConf) -> Result<HdfsUri, LakeError> {
    if !uri.authority.is_empty() {
        return Ok(uri.clone());
    }
    let advice = "name the NameNode (hdfs://host:port/path), or give the cluster's configuration with --hadoop-conf or HADOOP_CONF_DIR";
    let default = conf.get("fs.defaultFS").ok_or_else(|| {
        LakeError::new(
            LakeErrorKind::Input,
            uri.to_string(),
            "names no NameNode, and no Hadoop configuration gives fs.defaultFS",
        )
        .advise(advice)
    })?;
    let authority =
        default.strip_prefix(&format!("{}://", uri.scheme)).map(|rest| rest.split('/').next().unwrap_or(rest));
    match authority.filter(|authority| !authority.is_empty()) {
        Some(authority) => Ok(HdfsUri { authority: authority.to_owned(), ..uri.clone() }),
        None => Err(LakeError::new(
            LakeErrorKind::Input,
            uri.to_string(),
            format!("names no NameNode, and fs.defaultFS is {default}"),
        )
        .advise(advice)),
    }
}

/// One file system of Hadoop.
pub(crate) struct HdfsSource {
    client: Client,
    network: Network,
    /// The server, for messages.
    server: String,
    limit: Duration,
    stall: Duration,
}

impl HdfsSource {
    /// Makes ready to talk to the file system of `uri`, whose authority is known. No connection is made yet.
    pub fn connect(uri: &HdfsUri, mut conf: HadoopConf, options: &HdfsOptions) -> Result<HdfsSource, LakeError> {
        let mut url = address(uri, &conf);
        let is_single = url.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        if let Some(file) = std::env::var_os(TOKEN_FILE).filter(|file| !file.is_empty()) {
            check_token_file(Path::new(&file))?;
            if is_single && conf.get("hadoop.security.token.service.use_ip").as_deref() != Some("false") {
                url = by_ip(&url);
            }
        }
        if is_single {
            // The client would try a wrong port for three minutes.
            conf.set_default("dfs.client.failover.max.attempts", "3");
            conf.set_default("dfs.client.failover.sleep.base.millis", "100");
            conf.set_default("dfs.client.failover.sleep.max.millis", "500");
        }
        conf.set_default("dfs.client.socket-timeout", SOCKET_TIMEOUT_MS.to_string());
        let socket_ms: u64 = conf.get("dfs.client.socket-timeout").and_then(|text| text.parse().ok()).unwrap_or(60_000);
        let network = Network::start()
            .map_err(|error| LakeError::io(uri.root(), "starting the network thread", &error).advise(FEWER_THREADS))?;
        let mut builder = ClientBuilder::new()
            .with_url(url)
            .with_config(conf.iter().map(|(key, value)| (key.to_owned(), value)))
            .with_io_runtime(network.handle.clone());
        if let Some(folder) = conf.folder().and_then(|folder| folder.to_str()) {
            builder = builder.with_config_dir(folder);
        }
        if let Some(user) = &options.user {
            builder = builder.with_user(user);
        }
        if let Some(principal) = &options.principal {
            builder = builder.with_kerberos_principal(principal);
        }
        if let Some(keytab) = &options.keytab {
            builder = builder.with_kerberos_keytab(keytab.display().to_string());
        }
        let server = uri.root();
        let client = builder.build().map_err(|error| fault::explain(&error, &server).at(&server))?;
        Ok(HdfsSource {
            client,
            network,
            server,
            limit: if is_single { NAMENODE_LIMIT } else { NAMESERVICE_LIMIT },
            // Enough for three silent replicas in a row.
            stall: Duration::from_millis(socket_ms.saturating_mul(3)) + Duration::from_secs(10),
        })
    }

    /// The answer of the NameNode to `call`, within the limit.
    fn ask<T: Send + 'static>(
        &self,
        call: impl Future<Output = Result<T, HdfsError>> + Send + 'static,
    ) -> Result<T, SourceError> {
        let (send, receive) = channel();
        let (limit, server) = (self.limit, self.server.clone());
        self.network.handle.spawn(async move {
            let _ = send.send(within(limit, &server, call).await);
        });
        answer(&receive, limit, &self.server)
    }
}

/// What to call the server in a URL for the client: a nameservice it is configured for, or host and port.
fn address(uri: &HdfsUri, conf: &HadoopConf) -> String {
    let authority = &uri.authority;
    if authority.contains(':') || conf.get(&format!("dfs.ha.namenodes.{authority}")).is_some() {
        return uri.root();
    }
    // A nameservice of one NameNode. All other addresses have a port.
    let address = conf.get(&format!("dfs.namenode.rpc-address.{authority}"));
    format!("hdfs://{}", canonical::with_port(address.as_deref().unwrap_or(authority)))
}

/// `hdfs://host:port` with the host's address: a delegation token is for an address, and the client compares texts. A
/// name that is not known stays; asking for it will tell.
fn by_ip(url: &str) -> String {
    let resolve = || url.strip_prefix("hdfs://")?.to_socket_addrs().ok()?.find(SocketAddr::is_ipv4);
    resolve().map_or_else(|| url.to_owned(), |address| format!("hdfs://{address}"))
}

/// Fails if `file` holds no tokens: the client would go on without them, and then ask for a ticket.
fn check_token_file(file: &Path) -> Result<(), LakeError> {
    let at = |what: String| {
        LakeError::new(LakeErrorKind::Input, file.display().to_string(), what).advise(format!(
            "get a delegation token with `hdfs fetchdt --renewer USER FILE`, or unset {TOKEN_FILE} and get a ticket with kinit"
        ))
    };
    let mut begin = [0; 4];
    let is_read = std::fs::File::open(file).and_then(|mut file| file.read_exact(&mut begin));
    match is_read {
        Ok(()) if begin == *b"HDTS" => Ok(()),
        Err(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => {
            Err(at(format!("{TOKEN_FILE} names it, and it cannot be read: {error}")))
        }
        _ => Err(at(format!("{TOKEN_FILE} names it, and it is no file of Hadoop tokens"))),
    }
}

async fn within<T>(
    limit: Duration,
    server: &str,
    call: impl Future<Output = Result<T, HdfsError>>,
) -> Result<T, SourceError> {
    match tokio::time::timeout(limit, call).await {
        Ok(result) => result.map_err(|error| fault::explain(&error, server)),
        Err(_) => Err(fault::silent(server, limit)),
    }
}

/// Waits for what a task of the network thread sends. Kerberos blocks that thread while it waits for its own servers,
/// so the limit is watched from here too; a task that panicked sends nothing.
fn answer<T>(receive: &Receiver<Result<T, SourceError>>, limit: Duration, server: &str) -> Result<T, SourceError> {
    match receive.recv_timeout(limit + ANSWER_SLACK) {
        Ok(result) => result,
        Err(RecvTimeoutError::Timeout) => Err(fault::silent(server, limit)),
        Err(RecvTimeoutError::Disconnected) => Err(SourceError::new(
            SourceFault::Permanent,
            "the HDFS client failed unexpectedly, perhaps at a name that is not UTF-8",
        )),
    }
}

fn entry(status: FileStatus) -> Entry {
    Entry {
        kind: if status.isdir { EntryKind::Folder } else { EntryKind::File },
        looks_open: looks_open(&status),
        n_bytes: status.length as u64,
        modified_ms: i64::try_from(status.modification_time).unwrap_or(i64::MAX),
        path: status.path,
    }
}

/// The client does not say whether a file is open for writing, and reads one as if it ended with its last finished
/// block. But such a file has full blocks only, and the two times of its creation: closing it moves one of them.
fn looks_open(status: &FileStatus) -> bool {
    let has_full_blocks =
        status.blocksize.is_some_and(|n_block| n_block > 0 && (status.length as u64).is_multiple_of(n_block));
    !status.isdir && has_full_blocks && status.modification_time == status.access_time
}

impl Source for HdfsSource {
    fn stat(&self, path: &str) -> Result<Entry, SourceError> {
        let (client, path) = (self.client.clone(), path.to_owned());
        self.ask(async move { client.get_file_info(&path).await }).map(entry)
    }

    fn list(&self, path: &str) -> Result<Vec<Entry>, SourceError> {
        let (client, path) = (self.client.clone(), path.to_owned());
        let statuses = self.ask(async move { client.list_status(&path, false).await })?;
        Ok(statuses.into_iter().map(entry).collect())
    }

    fn glob(&self, pattern: &str) -> Result<Vec<Entry>, SourceError> {
        let (client, pattern) = (self.client.clone(), pattern.to_owned());
        let statuses = self.ask(async move { client.glob_status(&pattern).await })?;
        Ok(statuses.into_iter().map(entry).collect())
    }

    fn open(&self, entry: &Entry, offset: u64) -> Result<Box<dyn Chunks>, SourceError> {
        let (send, receive) = channel();
        let room = Arc::new(Semaphore::new(MAX_BATCHES));
        let send = BatchSender { send, room: Arc::clone(&room) };
        let reading = Reading {
            client: self.client.clone(),
            server: self.server.clone(),
            entry: entry.clone(),
            offset,
            limit: self.limit,
            stall: self.stall,
        };
        self.network.handle.spawn(async move {
            if let Err(error) = reading.run(&send).await {
                let _ = send.send(Err(error)).await;
            }
        });
        Ok(Box::new(Arriving {
            receive,
            room,
            n_left: entry.n_bytes.saturating_sub(offset),
            position: offset,
            // Longer than any single wait on the network thread, which ends with a better word for it.
            limit: self.limit + self.stall,
            last: Instant::now(),
        }))
    }
}

type Batch = Result<Vec<Bytes>, SourceError>;

/// One attempt to read a file, on the network thread.
struct Reading {
    client: Client,
    server: String,
    entry: Entry,
    offset: u64,
    limit: Duration,
    stall: Duration,
}

impl Reading {
    async fn run(&self, send: &BatchSender) -> Result<(), SourceError> {
        let reader = within(self.limit, &self.server, self.client.read(&self.entry.path)).await?;
        let length = reader.file_length() as u64;
        if length != self.entry.n_bytes {
            let what = match length < self.entry.n_bytes {
                true => format!(
                    "is still being written: {length} of its {} bytes are in finished blocks",
                    self.entry.n_bytes
                ),
                false => {
                    format!("changed while it was pulled: it had {} bytes and has {length} now", self.entry.n_bytes)
                }
            };
            return Err(SourceError::new(SourceFault::Changed, what).advise("run again when its writer has closed it"));
        }
        // Both fit, or the reader could not have told its length.
        let mut stream = Box::pin(reader.read_range_stream(self.offset as usize, (length - self.offset) as usize));
        let mut position = self.offset;
        let mut arrived = Bytes::new();
        loop {
            let mut batch = Vec::new();
            let batch_end = (position / BATCH_BYTES + 1) * BATCH_BYTES;
            let end = loop {
                if !arrived.is_empty() {
                    let n_bytes = arrived.len().min((batch_end - position) as usize);
                    batch.push(arrived.split_to(n_bytes));
                    position += n_bytes as u64;
                }
                if position == batch_end {
                    break None;
                }
                match tokio::time::timeout(self.stall, stream.next()).await {
                    Ok(Some(Ok(bytes))) => arrived = bytes,
                    Ok(Some(Err(error))) => break Some(Err(fault::explain_block(&error, &self.server, position))),
                    Ok(None) => break Some(Ok(())),
                    Err(_) => break Some(Err(fault::stalled(position, self.stall))),
                }
            };
            if !batch.is_empty() && send.send(Ok(batch)).await.is_err() {
                return Ok(()); // Nobody waits for it any more.
            }
            if let Some(end) = end {
                return end;
            }
        }
    }
}

/// Sends batches, no more than [`MAX_BATCHES`] ahead of whoever takes them.
struct BatchSender {
    send: Sender<Batch>,
    room: Arc<Semaphore>,
}

impl BatchSender {
    /// Fails when nobody waits for it any more.
    async fn send(&self, batch: Batch) -> Result<(), ()> {
        self.room.acquire().await.map_err(drop)?.forget();
        self.send.send(batch).map_err(drop)
    }
}

/// The receiving end of a [`Reading`]. It keeps its own time: while Kerberos blocks the network thread, no timer runs
/// there.
struct Arriving {
    receive: Receiver<Batch>,
    room: Arc<Semaphore>,
    n_left: u64,
    position: u64,
    limit: Duration,
    last: Instant,
}

impl Drop for Arriving {
    fn drop(&mut self) {
        self.room.close();
    }
}

impl Chunks for Arriving {
    fn next(&mut self) -> Result<Option<Vec<Bytes>>, SourceError> {
        match self.receive.recv_timeout(PULSE) {
            Ok(Ok(batch)) => {
                self.room.add_permits(1);
                let n_bytes: u64 = batch.iter().map(|bytes| bytes.len() as u64).sum();
                self.n_left = self.n_left.saturating_sub(n_bytes);
                self.position += n_bytes;
                self.last = Instant::now();
                Ok(Some(batch))
            }
            Ok(Err(error)) => Err(error),
            Err(RecvTimeoutError::Timeout) if self.last.elapsed() < self.limit => Ok(Some(Vec::new())),
            Err(RecvTimeoutError::Timeout) => Err(fault::stalled(self.position, self.limit)),
            Err(RecvTimeoutError::Disconnected) if self.n_left == 0 => Ok(None),
            Err(RecvTimeoutError::Disconnected) => {
                Err(SourceError::new(SourceFault::Transient, "the stream ended early"))
            }
        }
    }
}

/// The thread that talks to HDFS.
struct Network {
    handle: Handle,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    stopped: Mutex<Receiver<()>>,
}

impl Network {
    fn start() -> std::io::Result<Network> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopping) = tokio::sync::oneshot::channel();
        let (ended, stopped) = channel();
        std::thread::Builder::new().name("hdfs".to_owned()).spawn(move || {
            let _ = runtime.block_on(stopping);
            runtime.shutdown_background();
            let _ = ended.send(());
        })?;
        Ok(Network { handle, stop: Some(stop), stopped: Mutex::new(stopped) })
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        // Kerberos aborts a process that ends in the middle of one of its calls; it may also be stuck in one.
        if let Ok(stopped) = self.stopped.get_mut() {
            let _ = stopped.recv_timeout(Duration::from_secs(1));
        }
    }
}

/// Opens the file system of `uri`, whose scheme is `hdfs`.
pub(crate) fn connect(uri: &HdfsUri, conf: &HadoopConf, options: &HdfsOptions) -> Result<Arc<dyn Source>, LakeError> {
    Ok(Arc::new(HdfsSource::connect(uri, conf.clone(), options)?))
}

#[cfg(test)]
mod tests;
