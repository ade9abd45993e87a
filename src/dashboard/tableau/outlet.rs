//! A writer that keeps its first error to itself. The zip library prints to stderr when it is dropped on a writer that
//! fails; on this one it always comes to its end, and the error is asked for then.

use std::io::{self, Seek, SeekFrom, Write};

/// Passes on to `inner` until that fails, then swallows everything.
pub(super) struct Outlet<W> {
    inner: W,
    position: u64,
    end: u64,
    failed: Option<io::Error>,
}

impl<W: Write + Seek> Outlet<W> {
    pub(super) fn new(inner: W) -> Outlet<W> {
        Outlet { inner, position: 0, end: 0, failed: None }
    }

    /// The first error, or that of the last flush.
    pub(super) fn finish(mut self) -> io::Result<()> {
        match self.failed {
            Some(error) => Err(error),
            None => self.inner.flush(),
        }
    }

    fn attempt(&mut self, step: impl FnOnce(&mut W) -> io::Result<()>) {
        if self.failed.is_none() {
            self.failed = step(&mut self.inner).err();
        }
    }
}

impl<W: Write + Seek> Write for Outlet<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.attempt(|inner| inner.write_all(bytes));
        self.position += bytes.len() as u64;
        self.end = self.end.max(self.position);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.attempt(Write::flush);
        Ok(())
    }
}

impl<W: Write + Seek> Seek for Outlet<W> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            SeekFrom::End(by) => self.end.checked_add_signed(by),
        };
        let Some(position) = position else { return Err(io::ErrorKind::InvalidInput.into()) };
        self.attempt(|inner| inner.seek(SeekFrom::Start(position)).map(|_| ()));
        self.position = position;
        Ok(position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails at the write with this number.
    struct Failing(u32);

    impl Write for Failing {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0 == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.0 -= 1;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Seek for Failing {
        fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
            Ok(0)
        }
    }

    #[test]
    fn positions_go_on_after_an_error() {
        for n_writes in 0..4 {
            let mut outlet = Outlet::new(Failing(n_writes));
            outlet.write_all(b"abc").unwrap();
            outlet.write_all(b"de").unwrap();
            assert_eq!(outlet.seek(SeekFrom::Start(1)).unwrap(), 1);
            outlet.write_all(b"x").unwrap();
            assert_eq!(outlet.stream_position().unwrap(), 2);
            assert_eq!(outlet.seek(SeekFrom::End(0)).unwrap(), 5);
            assert!(outlet.seek(SeekFrom::Current(-6)).is_err());
            outlet.flush().unwrap();
            assert_eq!(outlet.finish().is_ok(), n_writes == 3, "{n_writes}");
        }
    }
}
