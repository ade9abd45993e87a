//! Bytes on their way to the disk while more are written, so that the sync in the end has little to wait for.

use std::fs::File;
use std::sync::mpsc::{SyncSender, sync_channel};

/// A thread that sends a file to the disk whenever it is asked, until this is dropped.
#[derive(Debug)]
pub struct Flusher {
    request: SyncSender<()>,
}

impl Flusher {
    /// Starts the thread. `file` is opened for this alone: it is told of errors that the writer is told of again when it
    /// syncs.
    pub fn start(file: File) -> Flusher {
        let (request, requests) = sync_channel(1);
        std::thread::spawn(move || {
            for () in requests {
                let _ = file.sync_data();
            }
        });
        Flusher { request }
    }

    /// Asks for what was written so far, without waiting. One request waits at most: what is written until it is met goes
    /// along.
    pub fn ask(&self) {
        let _ = self.request.try_send(());
    }
}
