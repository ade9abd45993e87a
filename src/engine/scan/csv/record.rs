//! One CSV record, read field by field.
//!
//! RFC 4180, strictly: a quote within an unquoted field and text after a closing quote make the
//! record malformed. Where the record ends follows [`super::quote::QuoteState`] in every case,
//! well-formed or not.

use std::borrow::Cow;
use std::ops::Range;

/// Length of the longest word that stands for nothing.
pub(in crate::engine::scan) const MAX_NULL_BYTES: usize = 4;

/// Whether an unquoted field says that there is nothing: what Hive, MySQL, Spark, pandas and Python write for it.
pub(in crate::engine::scan) fn is_null(field: &[u8]) -> bool {
    field.len() <= MAX_NULL_BYTES && matches!(field, b"\\N" | b"NULL" | b"null" | b"None" | b"nan" | b"NaN")
}

/// The content of a field, in the window.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FieldSpan {
    start: usize,
    end: usize,
    /// Whether quotes in it are doubled.
    has_doubled_quote: bool,
    /// Whether it stands in quotes.
    is_quoted: bool,
}

impl FieldSpan {
    /// The field's bytes, unless it is one of the words that stand for nothing. In quotes they are text.
    pub(super) fn value<'a>(&self, window: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        (self.is_quoted || !is_null(&window[self.start..self.end])).then(|| self.bytes(window))
    }

    /// The field's bytes, quotes no longer doubled.
    pub(super) fn bytes<'a>(&self, window: &'a [u8]) -> Cow<'a, [u8]> {
        let content = &window[self.start..self.end];
        if !self.has_doubled_quote {
            return Cow::Borrowed(content);
        }
        let mut single = Vec::new();
        self.append_single(content, &mut single);
        Cow::Owned(single)
    }

    /// As [`FieldSpan::bytes`], with memory that is used again.
    pub(super) fn bytes_in<'a>(&self, window: &'a [u8], buffer: &'a mut Vec<u8>) -> &'a [u8] {
        let content = &window[self.start..self.end];
        if !self.has_doubled_quote {
            return content;
        }
        buffer.clear();
        self.append_single(content, buffer);
        buffer
    }

    /// Whether a carriage return stands within it that no quotes surround.
    pub(super) fn has_lone_return(&self, window: &[u8]) -> bool {
        let content = window.get(self.start..self.end).unwrap_or_default();
        let text = content.trim_ascii_end();
        !self.is_quoted && text.contains(&b'\r')
    }

    /// The quote that opens it, where line breaks are in it.
    pub(super) fn opening_quote(&self, window: &[u8]) -> Option<usize> {
        let breaks_line = self.is_quoted && window.get(self.start..self.end)?.contains(&b'\n');
        breaks_line.then(|| self.start.saturating_sub(1))
    }

    fn append_single(&self, content: &[u8], single: &mut Vec<u8>) {
        let mut from = 0;
        while let Some(quote) = content.get(from..).and_then(|rest| memchr::memchr(b'"', rest)) {
            single.extend_from_slice(&content[from..=from + quote]);
            from += quote + 2;
        }
        single.extend_from_slice(content.get(from..).unwrap_or_default());
    }
}

/// Where a record ends, and whether it may be believed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    pub(super) n_fields: usize,
    pub(super) is_well_formed: bool,
    /// End of its content: its line ending begins here.
    pub(super) end: usize,
    /// Where the next record begins.
    pub(super) next: usize,
    /// The quote that opens its last field, if nothing in the window closes it.
    pub(super) open_quote: Option<usize>,
}

impl Record {
    /// The record that began at `start`, without its line ending.
    pub(super) fn content<'a>(&self, window: &'a [u8], start: usize) -> &'a [u8] {
        &window[start..self.end]
    }
}

/// Reads the record that begins at `start` and calls `field` with the place of every field, from 0,
/// and the field.
pub(super) fn read_record(
    window: &[u8],
    start: usize,
    delimiter: u8,
    mut field: impl FnMut(usize, FieldSpan),
) -> Record {
    let mut record =
        Record { n_fields: 0, is_well_formed: true, end: window.len(), next: window.len(), open_quote: None };
    let mut at = start;
    loop {
        let (content, end) = if window.get(at) == Some(&b'"') {
            let (content, closed_at) = read_quoted(window, at + 1);
            match closed_at {
                Some(after) => {
                    let end = field_end(window, after, delimiter);
                    record.is_well_formed &= without_return(window, after..end, delimiter).is_empty();
                    (content, end)
                }
                None => {
                    record.is_well_formed = false;
                    record.open_quote = Some(at);
                    (content, window.len())
                }
            }
        } else {
            let end = field_end(window, at, delimiter);
            let content = without_return(window, at..end, delimiter);
            record.is_well_formed &= memchr::memchr(b'"', &window[content.clone()]).is_none();
            (FieldSpan { start: content.start, end: content.end, has_doubled_quote: false, is_quoted: false }, end)
        };
        field(record.n_fields, content);
        record.n_fields += 1;
        if window.get(end) == Some(&delimiter) {
            at = end + 1;
            continue;
        }
        record.end = without_return(window, start..end, delimiter).end;
        record.next = window.len().min(end + 1);
        return record;
    }
}

/// Reads on from just after an opening quote. Gives the content, and where the closing quote ends
/// if there is one.
fn read_quoted(window: &[u8], start: usize) -> (FieldSpan, Option<usize>) {
    let mut content = FieldSpan { start, end: window.len(), has_doubled_quote: false, is_quoted: true };
    let mut from = start;
    while let Some(quote) = memchr::memchr(b'"', &window[from..]) {
        let quote = from + quote;
        if window.get(quote + 1) != Some(&b'"') {
            content.end = quote;
            return (content, Some(quote + 1));
        }
        content.has_doubled_quote = true;
        from = quote + 2;
    }
    (content, None)
}

/// Where the field ends that goes on at `from` outside of quotes.
fn field_end(window: &[u8], from: usize, delimiter: u8) -> usize {
    memchr::memchr2(delimiter, b'\n', &window[from..]).map_or(window.len(), |n_bytes| from + n_bytes)
}

/// `range` without the carriage return that belongs to the line ending after it.
fn without_return(window: &[u8], range: Range<usize>, delimiter: u8) -> Range<usize> {
    let ends_line = window.get(range.end) != Some(&delimiter);
    let has_return = window[range.clone()].last() == Some(&b'\r');
    range.start..range.end - usize::from(ends_line && has_return)
}
