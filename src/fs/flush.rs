//! Bytes on their way to the disk while more are written, so that the sync in the end has little to wait for.

use std::fs::File;
use std::io;
use std::sync::mpsc::{SyncSender, sync_channel};

/// Sends a file to the disk whenever so many bytes were written, in a thread that lives until this is dropped.
#[derive(Debug)]
pub struct Flusher {
    every_bytes: usize,
    n_waiting: usize,
    /// Asks the thread, which is there once the file is large enough to need it.
    request: Option<SyncSender<()>>,
}

impl Flusher {
    /// Of a file that is to be sent every `every_bytes` bytes.
    pub fn new(every_bytes: usize) -> Flusher {
        Flusher { every_bytes, n_waiting: 0, request: None }
    }

    /// Counts bytes that were written, and asks for them when they are enough, without waiting. One request waits at most:
    /// what is written until it is met goes along. `open` opens the file for the thread alone, which is told of errors that
    /// the writer is told of again when it syncs.
    ///
    /// # Errors
    /// Those of `open`.
    pub fn wrote(&mut self, n_bytes: usize, open: impl FnOnce() -> io::Result<File>) -> io::Result<()> {
        self.n_waiting += n_bytes;
        if self.n_waiting < self.every_bytes {
            return Ok(());
        }
        self.n_waiting = 0;
        let request = match &mut self.request {
            Some(request) => request,
            none => none.insert(start(open()?)),
        };
        let _ = request.try_send(());
        Ok(())
    }
}

fn start(file: File) -> SyncSender<()> {
    let (request, requests) = sync_channel(1);
    std::thread::spawn(move || {
        for () in requests {
            let _ = file.sync_data();
        }
    });
    request
}
