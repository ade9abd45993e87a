//! NDJSON: which lines have a shape, and what becomes of those that do not fit theirs.

use std::ops::Range;

use super::exact;
use super::fast::{Format, Learned, Scanner};
use super::lines::{BYTE_ORDER_MARK, first_line_start, read_line, without_return};
use super::record::RecordFilter;
use super::shape::{Field, Token, is_plain, is_plain_digits};
use super::sink::Sink;
use super::tape::ExactReader;

/// What reading NDJSON needs and keeps from split to split: the shapes of the lines, and memory that is used again.
#[derive(Default)]
pub struct LineReader {
    exact: ExactReader,
    learned: Learned,
}

/// Scans the NDJSON lines of `window` whose first byte lies in `owned`: as [`super::lines::scan_lines_exact`], faster.
///
/// `window` starts at byte `base` of the file and reaches far enough behind `owned` to hold the end of the last
/// line, or to the end of the file; the byte before `owned` is in it unless the file begins there.
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
    scanner.scan::<b'"', _, _>(window, start..owned.end, &mut Lines { window, base, exact }, learned, sink);
}

/// The lines of one split.
struct Lines<'a> {
    window: &'a [u8],
    base: u64,
    exact: &'a mut ExactReader,
}

impl Format for Lines<'_> {
    const PREFETCH_LINES: usize = 3;

    fn tokens(&self, line: &[u8]) -> Option<Vec<Token>> {
        tokens(line)
    }

    #[inline(never)]
    fn read_exactly(&mut self, at: usize, judge: &RecordFilter, sink: &mut impl Sink) -> usize {
        let rest = self.window.get(at..).unwrap_or_default();
        let n_bytes = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        read_line(without_return(&rest[..n_bytes]), self.base + at as u64, judge, self.exact, sink);
        at + n_bytes + 1
    }
}

/// The content of a line that a shape can describe. It has exactly one `_source`, with each field exactly once, and no
/// key there that would count as one of them (an escaped spelling, `Appname` beside `AppName`); and it is valid JSON, so
/// every line of its shape is.
pub(super) fn tokens(line: &[u8]) -> Option<Vec<Token>> {
    let text = line.strip_suffix(b"\n")?;
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    // From here on the text is known to be valid JSON.
    exact::parse_line(text).ok()?;
    let mut tokens = Vec::new();
    // Whether each open bracket is an object's; the last keys seen in the outermost two objects.
    let mut open: Vec<bool> = Vec::new();
    let mut keys: [&[u8]; 2] = [b"", b""];
    let mut key_comes = false;
    let mut n_sources = 0;
    let mut n_found = [0; 3];
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let start = at;
        at += 1;
        match byte {
            b'{' | b'[' => {
                open.push(*byte == b'{');
                key_comes = *byte == b'{';
            }
            b'}' | b']' => {
                open.pop();
            }
            b',' => key_comes = open.last() == Some(&true),
            b':' => key_comes = false,
            b'"' => {
                let content = plain_text(&text[at..])?;
                at += content.len() + 1;
                let in_source = open == [true, true] && keys[0] == b"_source";
                if key_comes {
                    if let Some(key) = keys.get_mut(open.len().wrapping_sub(1)) {
                        *key = content;
                    }
                    n_sources += usize::from(open.len() == 1 && content == b"_source");
                    if in_source {
                        match content {
                            b"Contract" => n_found[0] += 1,
                            b"AppName" | b"Appname" => n_found[1] += 1,
                            b"TotalDuration" => n_found[2] += 1,
                            _ => {}
                        }
                    }
                    continue;
                }
                let field = match keys[1] {
                    b"Contract" if in_source => Field::Contract,
                    b"AppName" | b"Appname" if in_source => Field::App,
                    _ => Field::Text,
                };
                tokens.push(Token { start: start + 1, end: at - 1, field });
            }
            b'0'..=b'9' => {
                let behind = text[at..].iter().position(|b| !b.is_ascii_digit())?;
                at += behind;
                let digits = &text[start..at];
                let plain = matches!(text.get(at), Some(b',' | b'}' | b']' | b' '));
                let signed = start > 0 && matches!(text[start - 1], b'-' | b'+' | b'.' | b'e' | b'E');
                if plain && !signed && is_plain_digits(digits) {
                    let seconds = open == [true, true] && keys[0] == b"_source" && keys[1] == b"TotalDuration";
                    let field = if seconds { Field::Seconds } else { Field::Digits };
                    tokens.push(Token { start, end: at, field });
                }
            }
            _ => {}
        }
    }
    let roles = [Field::Contract, Field::App, Field::Seconds];
    let complete = roles.iter().all(|role| tokens.iter().filter(|token| token.field == *role).count() == 1);
    (complete && n_sources == 1 && n_found == [1; 3]).then_some(tokens)
}

/// The plain text before the next quote, or `None` if there is anything else in it.
fn plain_text(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.iter().position(|byte| !is_plain(*byte))?;
    (bytes[end] == b'"').then(|| &bytes[..end])
}
