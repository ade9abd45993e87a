//! What stands between client and server: one that listens, and one that is no server at all.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use viewmart::warehouse::mysql::MysqlUrl;

use super::fixture::Server;

/// A server that speaks just enough to log a client in, and then answers each statement with the wish for a file.
/// Gives its port and what the client sent after the first wish.
pub fn rogue_server(wish: &'static str) -> (u16, std::sync::mpsc::Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, receiver) = std::sync::mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let packet = |number: u8, payload: &[u8]| {
                let mut bytes = (payload.len() as u32).to_le_bytes().to_vec();
                bytes[3] = number;
                bytes.extend_from_slice(payload);
                bytes
            };
            let read_packet = |stream: &mut TcpStream| {
                let mut head = [0; 4];
                stream.read_exact(&mut head).ok()?;
                let mut payload = vec![0; u32::from_le_bytes([head[0], head[1], head[2], 0]) as usize];
                stream.read_exact(&mut payload).ok()?;
                Some((head[3], payload))
            };
            // Protocol 10, capabilities without TLS, mysql_native_password.
            let capabilities: u32 = 0x0008_a28f & !0x0800;
            let [c0, c1, c2, c3] = capabilities.to_le_bytes();
            let mut greeting = vec![10];
            greeting.extend_from_slice(b"9.9.9-rogue\0\x01\0\0\0");
            greeting.extend_from_slice(b"abcdefgh\0");
            greeting.extend_from_slice(&[c0, c1, 45, 2, 0, c2, c3, 21]);
            greeting.extend_from_slice(&[0; 10]);
            greeting.extend_from_slice(b"ijklmnopqrst\0mysql_native_password\0");
            stream.write_all(&packet(0, &greeting)).unwrap();
            let Some(_) = read_packet(&mut stream) else { continue };
            stream.write_all(&packet(2, &[0, 0, 0, 2, 0, 0, 0])).unwrap();
            let Some(_statement) = read_packet(&mut stream) else { continue };
            let mut asked = vec![0xfb];
            asked.extend_from_slice(wish.as_bytes());
            stream.write_all(&packet(1, &asked)).unwrap();
            let mut sent = Vec::new();
            while let Some((_, payload)) = read_packet(&mut stream) {
                sent.extend_from_slice(&payload);
            }
            let _ = sender.send(sent);
        }
    });
    (port, receiver)
}

/// What a [`Proxy`] does when a statement with certain words passes.
pub struct Trap {
    pub words: &'static str,
    pub moment: Moment,
    pub act: Box<dyn FnOnce() + Send>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The server has not seen the statement.
    Before,
    /// The server has it, and has had a moment to work on it.
    After,
}

/// Stands between client and server and sees what the client says, in plain text.
pub struct Proxy {
    pub port: u16,
    pub trap: Arc<Mutex<Option<Trap>>>,
    pub streams: Arc<Mutex<Vec<TcpStream>>>,
}

impl Proxy {
    /// `answer` may change what the server says.
    pub fn start(server: Server, answer: fn(&mut [u8])) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let proxy = Proxy { port, trap: Arc::default(), streams: Arc::default() };
        let (trap, streams) = (proxy.trap.clone(), proxy.streams.clone());
        thread::spawn(move || {
            for client in listener.incoming() {
                // A server that was killed refuses: so does the proxy.
                let (Ok(client), Ok(upstream)) = (client, TcpStream::connect(("127.0.0.1", server.port))) else {
                    continue;
                };
                streams.lock().unwrap().extend([client.try_clone().unwrap(), upstream.try_clone().unwrap()]);
                let (client_end, upstream_end) = (client.try_clone().unwrap(), upstream.try_clone().unwrap());
                thread::spawn(move || pump(upstream, client, |bytes, _| answer(bytes)));
                let trap = trap.clone();
                thread::spawn(move || {
                    pump(client_end, upstream_end, |bytes, moment| {
                        let mut trap = trap.lock().unwrap();
                        let sprung = trap.as_ref().is_some_and(|trap| {
                            trap.moment == moment && bytes.windows(trap.words.len()).any(|w| w == trap.words.as_bytes())
                        });
                        if sprung && let Some(trap) = trap.take() {
                            if moment == Moment::After {
                                thread::sleep(Duration::from_millis(30));
                            }
                            (trap.act)();
                        }
                    });
                });
            }
        });
        proxy
    }

    pub fn set(&self, words: &'static str, moment: Moment, act: impl FnOnce() + Send + 'static) {
        *self.trap.lock().unwrap() = Some(Trap { words, moment, act: Box::new(act) });
    }

    pub fn is_sprung(&self) -> bool {
        self.trap.lock().unwrap().is_none()
    }

    pub fn url(&self, database: &str) -> MysqlUrl {
        MysqlUrl::parse(&format!("mysql://root@127.0.0.1:{}/{database}?ssl-mode=DISABLED", self.port)).unwrap()
    }
}

/// Copies until either end closes, then closes both.
pub fn pump(mut from: TcpStream, mut to: TcpStream, mut look: impl FnMut(&mut [u8], Moment)) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(n @ 1..) = from.read(&mut buffer) {
        look(&mut buffer[..n], Moment::Before);
        if to.write_all(&buffer[..n]).is_err() {
            break;
        }
        look(&mut buffer[..n], Moment::After);
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

/// Points of a run at which something dies: the words of the statement, and whether the server has seen it.
pub const POINTS: [(&str, Moment); 12] = [
    ("SET NAMES", Moment::Before),
    ("REMOVE PARTITIONING", Moment::After),
    ("EXCHANGE PARTITION p_none", Moment::After),
    ("LOAD DATA", Moment::After),
    ("SUM(TotalDuration)", Moment::Before),
    ("etl_run (Month", Moment::After),
    // The devices are new already, where there are any.
    ("customer_behavior EXCHANGE PARTITION p202204", Moment::Before),
    ("customer_behavior EXCHANGE PARTITION p202204", Moment::After),
    // The customers are new, the days are not.
    ("COMMIT", Moment::Before),
    ("DROP TABLE IF EXISTS", Moment::Before),
    ("customer_cell (Part", Moment::After),
    ("top_customers (Month", Moment::After),
];
