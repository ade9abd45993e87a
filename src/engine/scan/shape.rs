//! The shape that the lines of a file share, learned from a few of them.
//!
//! Naive: parse every line. But the lines of one file are written by one program: the same keys or
//! columns in the same order with the same spacing and quotes. What differs is the content of some
//! strings and numbers. A [`Shape`] is a line with that content taken out: runs of bytes that are
//! known, and fields between them. Strings whose content differs but not its length (identifiers,
//! addresses) are part of the runs: their bytes need only be plain. A line that has exactly these
//! runs, with plain text or plain digits for each field, says the same as the line it was learned
//! from, with other content: the formats find the content of a line ([`super::json`],
//! [`super::csv`]) such that this is so.
//!
//! Invariants, on which the vector code relies:
//! - plain text is printable ASCII without quote, backslash and, in CSV, the delimiter: it needs no
//!   unescaping, and cannot end the string or the field;
//! - plain digits are 1 to 7 digits without a leading zero;
//! - what follows a text field is not plain: the closing quote, the delimiter or the line ending;
//! - contract, app and seconds each occur exactly once, the device at most once;
//! - a line matches within [`MAX_MATCH_BYTES`] bytes.

/// Bytes that one comparison covers: a cache line.
pub const BLOCK_BYTES: usize = 64;

/// Known bytes before a field, at most: what is left of the block mostly holds the field and the
/// quote after it.
const BYTES_BEFORE_FIELD: usize = 40;

/// Whether a byte is plain text, the delimiter of CSV aside.
pub fn is_plain(byte: u8) -> bool {
    matches!(byte, 0x20..0x80) && !matches!(byte, b'"' | b'\\')
}

/// Whether bytes are plain digits.
pub fn is_plain_digits(bytes: &[u8]) -> bool {
    matches!(bytes, [b'0'] | [b'1'..=b'9', ..]) && bytes.len() <= 7 && bytes.iter().all(u8::is_ascii_digit)
}

/// Longest plain text that a field matches, in bytes: a whole number of blocks.
pub const MAX_TEXT_BYTES: usize = 4 * BLOCK_BYTES;

/// Blocks of a shape at most.
pub const MAX_BLOCKS: usize = 16;

/// Bytes of the [`Ending`] at most.
const ENDING_BYTES: usize = 8;

/// A line that matches a shape, and all reads made to find out, end within this many bytes of the
/// line's start.
pub const MAX_MATCH_BYTES: usize = MAX_BLOCKS * (BLOCK_BYTES + MAX_TEXT_BYTES) + BLOCK_BYTES;

/// What follows the known bytes of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ShapeField {
    /// Nothing: known bytes go on in the next block.
    Nothing = 1,
    /// Plain text of a string that is not read.
    Text,
    /// Plain digits that is not read.
    Digits,
    /// Plain text of the contract.
    Contract,
    /// Plain text of the app.
    App,
    /// Plain digits of the duration in seconds.
    Seconds,
    /// Plain text of the device; only where devices are counted.
    Device,
}

/// A known byte, by what it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// This one.
    Literal(u8),
    /// Any byte of plain text.
    Plain,
}

/// Known bytes and the field after them. Bit `i` of a mask stands for byte `i`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(align(64))]
pub struct Block {
    /// The bytes where they are literal, anything elsewhere.
    pub bytes: [u8; BLOCK_BYTES],
    /// Bytes that must be those of `bytes`.
    pub literal: u64,
    /// Bytes that must be plain text.
    pub plain: u64,
    /// How many bytes come before the field, 0..=64, and at most 40 unless the field is
    /// [`ShapeField::Nothing`].
    pub n_bytes: usize,
    /// What follows.
    pub field: ShapeField,
}

/// The last known bytes of a line, 1..=8 of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// The bytes as a little-endian integer, zero after their end.
    pub bytes: u64,
    /// All bits of the bytes that count.
    pub mask: u64,
    /// How many bytes count.
    pub n_bytes: usize,
}

/// A line without its content; see the module's introduction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    blocks: Vec<Block>,
    ending: Ending,
}

impl Shape {
    /// The blocks from the start of the line to its ending, at most [`MAX_BLOCKS`].
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// What follows the last block; the line feed is its last byte.
    pub fn ending(&self) -> Ending {
        self.ending
    }

    /// The shapes of `lines`, the most common first, at most `n_shapes`. With each line, which ends
    /// with its line feed, comes its content: in order, contract, app and seconds once each,
    /// and between any two of them something that is no content.
    ///
    /// Content that is the same in all lines of a shape becomes literal, which is faster to verify.
    pub fn learn<'a>(lines: impl IntoIterator<Item = (&'a [u8], Vec<Token>)>, n_shapes: usize) -> Vec<Shape> {
        let mut groups: Vec<Group<'a>> = Vec::new();
        for (line, tokens) in lines {
            match groups.iter_mut().find(|group| group.is_like(line, &tokens)) {
                Some(group) => group.add(line, &tokens),
                None => groups.push(Group::new(line, tokens)),
            }
        }
        groups.sort_by_key(|group| std::cmp::Reverse(group.n_lines));
        groups.into_iter().filter_map(Group::into_shape).take(n_shapes).collect()
    }
}

/// Content of one line: bytes `start..end` of it, plain text or plain digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// Place of the first byte.
    pub start: usize,
    /// Place after the last byte.
    pub end: usize,
    /// What it is; never [`ShapeField::Nothing`].
    pub field: ShapeField,
}

/// How the content of a token differs from line to line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Variation {
    Same,
    SameLength,
    Any,
}

/// Lines that differ in their content only.
struct Group<'a> {
    line: &'a [u8],
    tokens: Vec<Token>,
    variations: Vec<Variation>,
    n_lines: usize,
}

impl<'a> Group<'a> {
    fn new(line: &'a [u8], tokens: Vec<Token>) -> Group<'a> {
        Group { line, variations: vec![Variation::Same; tokens.len()], tokens, n_lines: 1 }
    }

    fn is_like(&self, line: &[u8], tokens: &[Token]) -> bool {
        self.tokens.len() == tokens.len()
            && self.tokens.iter().zip(tokens).all(|(a, b)| a.field == b.field)
            && literals(self.line, &self.tokens).eq(literals(line, tokens))
    }

    fn add(&mut self, line: &[u8], tokens: &[Token]) {
        self.n_lines += 1;
        for ((mine, theirs), variation) in self.tokens.iter().zip(tokens).zip(&mut self.variations) {
            let (mine, theirs) = (&self.line[mine.start..mine.end], &line[theirs.start..theirs.end]);
            *variation = (*variation).max(match mine.len() == theirs.len() {
                _ if mine == theirs => Variation::Same,
                true => Variation::SameLength,
                false => Variation::Any,
            });
        }
    }

    fn into_shape(self) -> Option<Shape> {
        let mut blocks = Vec::new();
        let mut run = Vec::new();
        let literals = literals(self.line, &self.tokens);
        let contents = self.tokens.iter().zip(&self.variations).map(Some).chain([None]);
        for (literal, content) in literals.zip(contents) {
            run.extend(literal.iter().map(|byte| Known::Literal(*byte)));
            let Some((token, variation)) = content else { break };
            let content = &self.line[token.start..token.end];
            match (token.field, variation) {
                (ShapeField::Text | ShapeField::Digits, Variation::Same) => {
                    run.extend(content.iter().map(|byte| Known::Literal(*byte)));
                }
                (ShapeField::Text, Variation::SameLength) => run.extend(content.iter().map(|_| Known::Plain)),
                (field, _) => push_blocks(&mut blocks, &std::mem::take(&mut run), field),
            }
        }
        // The line feed at least is literal.
        let n_ending =
            run.iter().rev().take(ENDING_BYTES).take_while(|known| matches!(known, Known::Literal(_))).count();
        let ending = run.split_off(run.len() - n_ending);
        push_blocks(&mut blocks, &run, ShapeField::Nothing);
        (blocks.len() <= MAX_BLOCKS).then_some(Shape { blocks, ending: Ending::new(&ending) })
    }
}

/// Adds the blocks of a run of known bytes and the field after it.
fn push_blocks(blocks: &mut Vec<Block>, run: &[Known], field: ShapeField) {
    let n_last = if field == ShapeField::Nothing { BLOCK_BYTES } else { BYTES_BEFORE_FIELD };
    let (full, last) = run.split_at(run.len().saturating_sub(n_last));
    blocks.extend(full.chunks(BLOCK_BYTES).map(|piece| Block::new(piece, ShapeField::Nothing)));
    // A CSV record begins with a field.
    if !last.is_empty() || field != ShapeField::Nothing {
        blocks.push(Block::new(last, field));
    }
}

impl Block {
    /// The block of at most [`BLOCK_BYTES`] known bytes.
    pub fn new(piece: &[Known], field: ShapeField) -> Block {
        let mut block = Block { bytes: [0; BLOCK_BYTES], literal: 0, plain: 0, n_bytes: piece.len(), field };
        for (i, known) in piece.iter().enumerate() {
            match known {
                Known::Literal(byte) => {
                    block.bytes[i] = *byte;
                    block.literal |= 1 << i;
                }
                Known::Plain => block.plain |= 1 << i,
            }
        }
        block
    }

    /// Its known bytes.
    pub fn known(&self) -> impl Iterator<Item = Known> {
        (0..self.n_bytes).map(|i| if self.plain >> i & 1 == 1 { Known::Plain } else { Known::Literal(self.bytes[i]) })
    }
}

impl Ending {
    /// Its bytes.
    pub fn known(&self) -> impl Iterator<Item = Known> {
        self.bytes.to_le_bytes().into_iter().take(self.n_bytes).map(Known::Literal)
    }

    fn new(piece: &[Known]) -> Ending {
        let mut ending = Ending { bytes: 0, mask: 0, n_bytes: piece.len() };
        for (i, known) in piece.iter().enumerate() {
            if let Known::Literal(byte) = known {
                ending.bytes |= u64::from(*byte) << (8 * i);
                ending.mask |= 0xFF << (8 * i);
            }
        }
        ending
    }
}

/// The bytes before, between and after the tokens: one more than there are tokens, none of them
/// empty but the first.
fn literals<'a>(line: &'a [u8], tokens: &[Token]) -> impl Iterator<Item = &'a [u8]> {
    let starts = std::iter::once(0).chain(tokens.iter().map(|token| token.end));
    let ends = tokens.iter().map(|token| token.start).chain(std::iter::once(line.len()));
    starts.zip(ends).map(|(start, end)| &line[start..end])
}
