//! The shape that the lines of a file share, learned from a few of them.
//!
//! Naive: parse every line. But the lines of one file are written by one program: the same keys in the same order with
//! the same spacing. What differs is the content of some strings and numbers. A [`Shape`] is a line with that content
//! taken out: literal bytes, and fields between them. A line that has exactly these literals, with plain text or plain
//! digits for each field, is valid JSON with the same keys in the same places, because the line it was learned from is.
//!
//! Invariants, on which the vector code relies:
//! - plain text is printable ASCII without quote and backslash, so it needs no unescaping and cannot end the string;
//! - plain digits are 1 to 7 digits without a leading zero;
//! - the literal behind a text field begins with its closing quote, the last literal ends with the line feed;
//! - contract, app and seconds each occur exactly once, in the only `_source` of the line, and no key that would count
//!   as one of them (an escaped spelling, `Appname` beside `AppName`) occurs elsewhere in it;
//! - a line matches within [`REACH`] bytes.

use super::exact;

/// Bytes of one literal at most: what one vector comparison covers.
pub const LITERAL_BYTES: usize = 32;

/// Longest plain text that a field matches, in bytes: a whole number of vectors.
pub const MAX_TEXT_BYTES: usize = 8 * LITERAL_BYTES;

/// Steps of a shape at most.
pub const MAX_STEPS: usize = 24;

/// A line that matches a shape, and all reads made to find out, end within this many bytes of the line's begin.
pub const REACH: usize = MAX_STEPS * (LITERAL_BYTES + MAX_TEXT_BYTES) + 2 * LITERAL_BYTES;

/// What stands between two literals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// Nothing: a literal longer than [`LITERAL_BYTES`] goes on in the next step.
    Nothing,
    /// Plain text of a string nobody asked for.
    Text,
    /// Plain digits nobody asked for.
    Digits,
    /// Plain text of the contract.
    Contract,
    /// Plain text of the app.
    App,
    /// Plain digits of the duration in seconds.
    Seconds,
}

/// Bytes that must stand there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Literal {
    /// The bytes, zero behind their end.
    pub bytes: [u8; LITERAL_BYTES],
    /// A bit for each byte that counts, from the lowest.
    pub mask: u32,
    /// How many bytes count, 0..=32.
    pub n_bytes: usize,
}

/// A literal and the field behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// What must stand there.
    pub literal: Literal,
    /// What follows it.
    pub field: Field,
}

impl Step {
    /// Matches everything and moves nowhere.
    pub const EMPTY: Step =
        Step { literal: Literal { bytes: [0; LITERAL_BYTES], mask: 0, n_bytes: 0 }, field: Field::Nothing };
}

/// A line without its content; see the module's introduction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    steps: Vec<Step>,
}

impl Shape {
    /// The steps from the begin of the line to behind its line feed; at most 24, the last field is
    /// [`Field::Nothing`].
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The shapes of `lines` (each with its line feed), the most common first, at most `n_shapes`. Lines that no shape
    /// can describe are passed over.
    ///
    /// Content that is the same in all lines of a shape becomes part of its literals, which is faster to verify.
    pub fn learn<'a>(lines: impl IntoIterator<Item = &'a [u8]>, n_shapes: usize) -> Vec<Shape> {
        let mut groups: Vec<Group<'a>> = Vec::new();
        for line in lines {
            let Some(tokens) = tokens(line) else { continue };
            match groups.iter_mut().find(|group| group.is_like(line, &tokens)) {
                Some(group) => group.add(line, &tokens),
                None => groups.push(Group { line, varies: vec![false; tokens.len()], tokens, n_lines: 1 }),
            }
        }
        groups.sort_by_key(|group| std::cmp::Reverse(group.n_lines));
        groups.into_iter().filter_map(Group::into_shape).take(n_shapes).collect()
    }
}

/// Content of one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Token {
    start: usize,
    end: usize,
    field: Field,
}

/// Lines that differ in their content only.
struct Group<'a> {
    line: &'a [u8],
    tokens: Vec<Token>,
    varies: Vec<bool>,
    n_lines: usize,
}

impl Group<'_> {
    fn is_like(&self, line: &[u8], tokens: &[Token]) -> bool {
        self.tokens.len() == tokens.len()
            && self.tokens.iter().zip(tokens).all(|(a, b)| a.field == b.field)
            && literals(self.line, &self.tokens).eq(literals(line, tokens))
    }

    fn add(&mut self, line: &[u8], tokens: &[Token]) {
        self.n_lines += 1;
        for ((mine, theirs), varies) in self.tokens.iter().zip(tokens).zip(&mut self.varies) {
            *varies |= self.line[mine.start..mine.end] != line[theirs.start..theirs.end];
        }
    }

    fn into_shape(self) -> Option<Shape> {
        let tokens: Vec<Token> = self
            .tokens
            .iter()
            .zip(&self.varies)
            .filter(|(token, varies)| **varies || !matches!(token.field, Field::Text | Field::Digits))
            .map(|(token, _)| *token)
            .collect();
        let fields = tokens.iter().map(|token| token.field).chain([Field::Nothing]);
        let mut steps = Vec::new();
        for (literal, field) in literals(self.line, &tokens).zip(fields) {
            let mut pieces = literal.chunks(LITERAL_BYTES).peekable();
            while let Some(piece) = pieces.next() {
                let field = if pieces.peek().is_some() { Field::Nothing } else { field };
                steps.push(Step { literal: Literal::new(piece), field });
            }
        }
        (steps.len() <= MAX_STEPS).then_some(Shape { steps })
    }
}

impl Literal {
    fn new(piece: &[u8]) -> Literal {
        let mut bytes = [0; LITERAL_BYTES];
        bytes[..piece.len()].copy_from_slice(piece);
        let mask = if piece.len() == LITERAL_BYTES { u32::MAX } else { (1 << piece.len()) - 1 };
        Literal { bytes, mask, n_bytes: piece.len() }
    }
}

/// The bytes before, between and behind the tokens: one more than there are tokens, none of them empty, as every token
/// has at least a quote, a colon or a bracket on either side.
fn literals<'a>(line: &'a [u8], tokens: &[Token]) -> impl Iterator<Item = &'a [u8]> {
    let starts = std::iter::once(0).chain(tokens.iter().map(|token| token.end));
    let ends = tokens.iter().map(|token| token.start).chain(std::iter::once(line.len()));
    starts.zip(ends).map(|(start, end)| &line[start..end])
}

/// The content of a line that a shape can describe, or `None` for any other.
fn tokens(line: &[u8]) -> Option<Vec<Token>> {
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
                if plain && !signed && digits.len() <= 7 {
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
    let end = bytes.iter().position(|b| matches!(b, b'"' | b'\\' | 0..=0x1F | 0x80..))?;
    (bytes[end] == b'"').then(|| &bytes[..end])
}
