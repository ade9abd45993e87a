//! NDJSON: which lines have a shape, and what becomes of those that do not fit theirs.

use std::ops::Range;

use super::exact;
use super::fast::{Learned, RecordFormat, Scanner};
use super::lines::{BYTE_ORDER_MARK, first_line_start, read_line, without_return};
use super::record::{Reading, RecordFilter};
use super::shape::{ShapeField, Token, is_plain, is_plain_digits};
use super::sink::Sink;
use super::tape::ExactReader;
use crate::engine::devices::Devices;
use crate::engine::rules::FieldPlace;

/// What reading NDJSON needs and keeps from split to split: the shapes of the lines, and memory
/// that is used again.
#[derive(Default)]
pub struct LineReader {
    exact: ExactReader,
    learned: Learned,
}

impl LineReader {
    /// The reader of lines that are read one by one.
    pub fn exact(&mut self) -> &mut ExactReader {
        &mut self.exact
    }
}

/// Scans the NDJSON lines of `window` whose first byte lies in `owned`: as
/// [`super::lines::scan_lines_exact`], faster.
///
/// `window` starts at byte `base` of the file and reaches far enough after `owned` to hold the end
/// of the last line, or to the end of the file; the byte before `owned` is in it unless the file
/// begins there.
pub fn scan_lines(
    window: &[u8],
    owned: Range<usize>,
    base: u64,
    scanner: &Scanner,
    reader: &mut LineReader,
    sink: &mut impl Sink,
) {
    let start = match owned.start {
        0 if base == 0 && window.starts_with(BYTE_ORDER_MARK) => BYTE_ORDER_MARK.len(),
        start => first_line_start(window, start),
    };
    let LineReader { exact, learned } = reader;
    let mut lines = Lines { window, base, exact, reading: scanner.filter().reading };
    scanner.scan::<b'"', _, _>(window, start..owned.end, &mut lines, learned, sink);
}

/// The lines of one split.
struct Lines<'a> {
    window: &'a [u8],
    base: u64,
    exact: &'a mut ExactReader,
    reading: Reading,
}

impl RecordFormat for Lines<'_> {
    const PREFETCH_LINES: usize = 3;
    const HAS_NULLS: bool = false;

    fn tokens(&self, line: &[u8]) -> Option<Vec<Token>> {
        tokens(line, self.reading)
    }

    #[inline(never)]
    fn read_exactly(&mut self, at: usize, filter: &RecordFilter, sink: &mut impl Sink) -> usize {
        let rest = self.window.get(at..).unwrap_or_default();
        let n_bytes = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        read_line(without_return(&rest[..n_bytes]), self.base + at as u64, filter, self.exact, sink);
        at + n_bytes + 1
    }
}

/// The content of a line that a shape can describe. It has exactly one `_source`, unless its fields
/// are at the top, with each field exactly once, and no key there that would count as one of them
/// (an escaped spelling, `Appname` beside `AppName`); and it is well-formed, so every line of its
/// shape is.
pub(super) fn tokens(line: &[u8], reading: Reading) -> Option<Vec<Token>> {
    let text = line.strip_suffix(b"\n")?;
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    // From here on the text is known to be valid JSON, or what lenient types take for it.
    exact::parse_line(text, reading).ok()?;
    let mut walk = Walk { text, place: reading.source, devices: reading.devices, ..Walk::default() };
    while let Some(byte) = text.get(walk.at) {
        walk.step(*byte)?;
    }
    let roles = [ShapeField::Contract, ShapeField::App, ShapeField::Seconds];
    let is_complete = roles.iter().all(|role| walk.tokens.iter().filter(|token| token.field == *role).count() == 1);
    let has_source = reading.source == FieldPlace::Flat || walk.n_sources == 1;
    // A second `Mac` takes the place of the first, whatever it is.
    let is_single = walk.n_found == [1; 3] && walk.n_devices <= 1;
    (is_complete && has_source && is_single).then_some(walk.tokens)
}

/// A walk through the text of one valid JSON value, token by token.
#[derive(Default)]
struct Walk<'a> {
    text: &'a [u8],
    place: FieldPlace,
    devices: Devices,
    at: usize,
    tokens: Vec<Token>,
    /// Whether each open bracket is an object's.
    open: Vec<bool>,
    /// The last keys seen in the outermost two objects.
    keys: [&'a [u8]; 2],
    is_key_next: bool,
    n_sources: usize,
    /// How often the object of the fields has contract, app and seconds.
    n_found: [usize; 3],
    /// How often it has a device, where devices are counted.
    n_devices: usize,
}

impl<'a> Walk<'a> {
    /// Passes the token that starts with `byte`; `None` where no shape can describe it.
    fn step(&mut self, byte: u8) -> Option<()> {
        let start = self.at;
        self.at += 1;
        match byte {
            b'{' | b'[' => {
                self.open.push(byte == b'{');
                self.is_key_next = byte == b'{';
            }
            b'}' | b']' => {
                self.open.pop();
            }
            b',' => self.is_key_next = self.open.last() == Some(&true),
            b':' => self.is_key_next = false,
            b'"' => {
                let content = plain_text(&self.text[self.at..])?;
                self.at += content.len() + 1;
                if self.is_key_next {
                    self.enter_key(content);
                } else {
                    let field = match self.key() {
                        b"Contract" if self.is_in_source() => ShapeField::Contract,
                        b"AppName" | b"Appname" if self.is_in_source() => ShapeField::App,
                        b"Mac" if self.reads_devices() => ShapeField::Device,
                        _ => ShapeField::Text,
                    };
                    self.tokens.push(Token { start: start + 1, end: self.at - 1, field });
                }
            }
            b'0'..=b'9' => {
                self.at += self.text[self.at..].iter().position(|b| !b.is_ascii_digit())?;
                self.push_digits(start);
            }
            _ => {}
        }
        Some(())
    }

    fn is_in_source(&self) -> bool {
        match self.place {
            FieldPlace::Source => self.open == [true, true] && self.keys[0] == b"_source",
            FieldPlace::Flat => self.open == [true],
        }
    }

    fn reads_devices(&self) -> bool {
        self.devices == Devices::Counted && self.is_in_source()
    }

    /// The last key seen among the fields.
    fn key(&self) -> &'a [u8] {
        match self.place {
            FieldPlace::Source => self.keys[1],
            FieldPlace::Flat => self.keys[0],
        }
    }

    fn enter_key(&mut self, key: &'a [u8]) {
        let (is_in_source, reads_devices) = (self.is_in_source(), self.reads_devices());
        if let Some(last) = self.keys.get_mut(self.open.len().wrapping_sub(1)) {
            *last = key;
        }
        self.n_sources += usize::from(self.open.len() == 1 && key == b"_source");
        match key {
            b"Contract" if is_in_source => self.n_found[0] += 1,
            b"AppName" | b"Appname" if is_in_source => self.n_found[1] += 1,
            b"TotalDuration" if is_in_source => self.n_found[2] += 1,
            b"Mac" if reads_devices => self.n_devices += 1,
            _ => {}
        }
    }

    /// Adds the digits from `start` to here, if they are a number by themselves.
    fn push_digits(&mut self, start: usize) {
        let ends_here = matches!(self.text.get(self.at), Some(b',' | b'}' | b']' | b' '));
        let goes_on = start > 0 && matches!(self.text[start - 1], b'-' | b'+' | b'.' | b'e' | b'E');
        if ends_here && !goes_on && is_plain_digits(&self.text[start..self.at]) {
            let is_seconds = self.is_in_source() && self.key() == b"TotalDuration";
            let field = if is_seconds { ShapeField::Seconds } else { ShapeField::Digits };
            self.tokens.push(Token { start, end: self.at, field });
        }
    }
}

/// The plain text before the next quote, or `None` if there is anything else in it.
fn plain_text(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.iter().position(|byte| !is_plain(*byte))?;
    (bytes[end] == b'"').then(|| &bytes[..end])
}
