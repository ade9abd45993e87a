//! A range of a file that is read where it lies, opened by the thread that starts on it.

use crate::engine::aggregate::collect::FileId;
use crate::error::Error;
use crate::lake::{Compression, Format, LakeError, RangeFile, of_old_plan};

use super::compressed::CompressedInput;
use super::input::{FileMeta, Input, InputChunk};

/// A range, and its content once it is open.
struct RangeInput {
    meta: FileMeta,
    range: RangeFile,
    state: State,
}

enum State {
    Fresh,
    Open(Box<CompressedInput>),
    Done { open_quote: Option<u64>, n_bytes_read: u64, n_content_bytes: Option<u64> },
}

/// One input for each range that has a byte.
pub(super) fn inputs(ranges: Vec<RangeFile>) -> impl Iterator<Item = Box<dyn Input>> {
    ranges.into_iter().zip(0..).map(|(range, id)| {
        let meta = FileMeta { uri: range.file.uri.as_str().into(), id: FileId(id), day: range.file.day };
        Box::new(RangeInput { meta, range, state: State::Fresh }) as Box<dyn Input>
    })
}

impl RangeInput {
    fn open(&self) -> Result<CompressedInput, LakeError> {
        let RangeFile { file, range, .. } = &self.range;
        let source = self.range.open(range.start.saturating_sub(1))?;
        // Of a compressed file offsets are those of its content.
        let range = if file.compression == Compression::None && file.format == Format::Ndjson {
            range.clone()
        } else {
            0..u64::MAX
        };
        Ok(CompressedInput::new(source, self.meta.clone(), file, range))
    }
}

impl Input for RangeInput {
    fn file(&self) -> &FileMeta {
        &self.meta
    }

    fn start(&self) -> u64 {
        self.range.range.start
    }

    fn n_bytes_read(&self) -> u64 {
        match &self.state {
            State::Fresh => 0,
            State::Open(input) => input.n_bytes_read(),
            State::Done { n_bytes_read, .. } => *n_bytes_read,
        }
    }

    fn next_chunk(&mut self) -> Result<Option<InputChunk<'_>>, Error> {
        if let State::Fresh = self.state {
            self.state = State::Open(Box::new(self.open()?));
        }
        let is_over = match &mut self.state {
            State::Open(input) => !input.advance_to_chunk().map_err(told_of_plan)?,
            State::Fresh | State::Done { .. } => true,
        };
        if is_over && let State::Open(input) = &self.state {
            self.state = State::Done {
                open_quote: input.open_quote(),
                n_bytes_read: input.n_bytes_read(),
                n_content_bytes: input.n_content_bytes(),
            };
        }
        match &self.state {
            State::Open(input) => Ok(Some(input.chunk())),
            State::Fresh | State::Done { .. } => Ok(None),
        }
    }

    fn consume(&mut self, next: usize, open_quote: Option<u64>) {
        if let State::Open(input) = &mut self.state {
            input.consume(next, open_quote);
        }
    }

    fn n_content_bytes(&self) -> Option<u64> {
        match &self.state {
            State::Fresh => None,
            State::Open(input) => input.n_content_bytes(),
            State::Done { n_content_bytes, .. } => *n_content_bytes,
        }
    }

    fn open_quote(&self) -> Option<u64> {
        match &self.state {
            State::Fresh => None,
            State::Open(input) => input.open_quote(),
            State::Done { open_quote, .. } => *open_quote,
        }
    }
}

fn told_of_plan(error: Error) -> Error {
    match error {
        Error::Lake(error) => Error::Lake(of_old_plan(error)),
        other => other,
    }
}
