//! Decompressing on a thread of its own, a few pieces ahead of whoever scans what it gives: for files that
//! no other thread has work beside.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

/// Bytes of a piece: as large as fits in the cache of the processor twice, so that it is still there when it is taken.
pub(super) const PIECE_BYTES: usize = 1 << 20;

/// Pieces that wait at most.
const MAX_WAITING: usize = 3;

/// What the thread says: content, which is empty where it ends, or why there is no more.
type Said = io::Result<Vec<u8>>;

/// The content that a thread gives piece by piece.
pub(super) struct Pieces {
    said: Receiver<Said>,
    /// Takes the memory of pieces that were taken: fresh memory would cost as much as to fill it.
    spent: Sender<Vec<u8>>,
    piece: Vec<u8>,
    /// Bytes of the piece that were taken.
    at: usize,
    has_ended: bool,
}

impl Pieces {
    /// Starts a thread that calls `next`, with memory for the piece, until it gives an empty piece or an error, or until
    /// nobody takes the pieces.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub fn start(mut next: impl FnMut(Vec<u8>) -> Said + Send + 'static) -> io::Result<Pieces> {
        let ((say, said), (spent, free)) = (sync_channel(MAX_WAITING), channel());
        std::thread::Builder::new().name("decompress".into()).spawn(move || give(&mut next, &say, &free))?;
        Ok(Pieces { said, spent, piece: Vec::new(), at: 0, has_ended: false })
    }
}

fn give(next: &mut dyn FnMut(Vec<u8>) -> Said, say: &SyncSender<Said>, free: &Receiver<Vec<u8>>) {
    loop {
        let mut memory = free.try_recv().unwrap_or_default();
        memory.clear();
        let piece = next(memory);
        let is_last = piece.as_ref().map_or(true, Vec::is_empty);
        if say.send(piece).is_err() || is_last {
            return;
        }
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.piece.len() && !self.has_ended {
            // A thread that is gone without a word about the end has panicked: that is no end.
            let gone = || io::Error::other("the thread that decompresses it has ended");
            let piece = self.said.recv().map_err(|_| gone())??;
            let _ = self.spent.send(std::mem::replace(&mut self.piece, piece));
            (self.at, self.has_ended) = (0, self.piece.is_empty());
        }
        let rest = self.piece.get(self.at..).unwrap_or_default();
        let n_bytes = rest.len().min(buffer.len());
        buffer[..n_bytes].copy_from_slice(&rest[..n_bytes]);
        self.at += n_bytes;
        Ok(n_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(said: Vec<Said>) -> Pieces {
        let mut said = said.into_iter();
        Pieces::start(move |_| said.next().expect("a thread that panics")).unwrap()
    }

    #[test]
    fn pieces_are_the_content_and_an_end_without_a_word_is_none() {
        let check = |said: Vec<Said>, expected: Result<&str, &str>| {
            let mut content = String::new();
            let found = pieces(said).read_to_string(&mut content).map_err(|error| error.to_string());
            assert_eq!(found.as_ref().map(|_| content.as_str()).map_err(String::as_str), expected);
        };
        let piece = |text: &str| Ok(text.as_bytes().to_vec());
        check(vec![piece("")], Ok(""));
        check(vec![piece("a"), piece("bcd"), piece("")], Ok("abcd"));
        check((0..9).map(|_| piece("ab")).chain([piece("")]).collect(), Ok("ababababababababab"));
        check(vec![piece("a"), Err(io::Error::other("damaged"))], Err("damaged"));
        check(vec![piece("a")], Err("the thread that decompresses it has ended"));
    }

    #[test]
    fn a_thread_ends_when_nobody_takes_what_it_gives() {
        let (alive, ended) = sync_channel::<()>(0);
        let endless = Pieces::start(move |_| {
            let _held = &alive;
            Ok(vec![7])
        });
        drop(endless.unwrap());
        assert!(ended.recv().is_err());
    }
}
