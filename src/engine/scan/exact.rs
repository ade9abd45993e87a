//! The plain parser of one NDJSON record: RFC 8259 to the letter, one byte after the other.
//!
//! It has the last word on what a record is. Every faster way to read one may only give what this
//! gives, and is tested against it. It never recurses, so that no depth of nesting can exhaust the
//! stack.

use std::borrow::Cow;

use super::integer::integer;
use super::record::{Fields, Reading};
use crate::engine::devices::Devices;
use crate::engine::ledger::Ids;
use crate::engine::rules::{FieldPlace, FieldTypes};

/// A record that is not well-formed: not UTF-8, not a JSON object, `_source` missing or not an
/// object, or a lone surrogate escape in a field that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a well-formed record")]
pub struct Malformed;

/// Reads the record in `line`, which has no line ending (a carriage return is white space and does
/// no harm).
///
/// # Errors
/// [`Malformed`], whatever is wrong with it.
pub fn parse_line(line: &[u8], reading: Reading) -> Result<Fields<'_>, Malformed> {
    let mut json = Json::new(line, reading)?;
    json.skip_space();
    let source = match reading.source {
        FieldPlace::Source => json.record()?,
        FieldPlace::Flat => json.source(reading.ids)?,
    };
    json.end()?;
    source.decode()
}

/// Reads the object that `_source` holds, given on its own.
///
/// # Errors
/// [`Malformed`], as for a line.
pub fn parse_source(object: &[u8], reading: Reading) -> Result<Fields<'_>, Malformed> {
    let mut json = Json::new(object, reading)?;
    json.skip_space();
    let source = json.source(Ids::Any)?;
    json.end()?;
    source.decode()
}

/// The fields as they stand in the text: a value that a later key replaces is never decoded.
#[derive(Default)]
struct Source<'a> {
    id: Option<Text<'a>>,
    contract: Option<Text<'a>>,
    app: Option<Text<'a>>,
    seconds: Option<i64>,
    device: Option<Text<'a>>,
}

impl<'a> Source<'a> {
    fn decode(self) -> Result<Fields<'a>, Malformed> {
        Ok(Fields {
            id: self.id.map(Text::decode).transpose()?,
            contract: self.contract.map(Text::decode).transpose()?,
            app: self.app.map(Text::decode).transpose()?,
            seconds: self.seconds,
            device: self.device.and_then(|text| text.decode().ok()),
        })
    }
}

/// A valid JSON string between its quotes.
#[derive(Clone, Copy)]
struct Text<'a> {
    raw: &'a str,
    has_escape: bool,
}

impl<'a> Text<'a> {
    /// Whether it reads `name` when unescaped. A lone surrogate is part of no name.
    fn is(self, name: &str) -> bool {
        if self.has_escape { self.decode().is_ok_and(|text| text == name) } else { self.raw == name }
    }

    fn decode(self) -> Result<Cow<'a, str>, Malformed> {
        if !self.has_escape {
            return Ok(Cow::Borrowed(self.raw));
        }
        let mut decoded = String::with_capacity(self.raw.len());
        let mut rest = self.raw;
        while let Some((before, escape)) = rest.split_once('\\') {
            decoded.push_str(before);
            let mut chars = escape.chars();
            let character = match chars.next().ok_or(Malformed)? {
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'u' => {
                    let (character, after) = decode_unicode(chars.as_str())?;
                    chars = after.chars();
                    character
                }
                itself => itself,
            };
            decoded.push(character);
            rest = chars.as_str();
        }
        decoded.push_str(rest);
        Ok(Cow::Owned(decoded))
    }
}

/// Reads what follows `\u`: four digits, or a pair of surrogates. Gives the character and what
/// comes after.
fn decode_unicode(text: &str) -> Result<(char, &str), Malformed> {
    let unit = |text: &str| text.get(..4).and_then(|digits| u32::from_str_radix(digits, 16).ok()).ok_or(Malformed);
    let first = unit(text)?;
    let rest = text.get(4..).ok_or(Malformed)?;
    if !(0xd800..0xdc00).contains(&first) {
        // A low surrogate on its own is no `char`.
        return Ok((char::from_u32(first).ok_or(Malformed)?, rest));
    }
    let rest = rest.strip_prefix("\\u").ok_or(Malformed)?;
    let second = unit(rest)?;
    if !(0xdc00..0xe000).contains(&second) {
        return Err(Malformed);
    }
    let character = char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)).ok_or(Malformed)?;
    Ok((character, rest.get(4..).ok_or(Malformed)?))
}

/// A place in a JSON text.
struct Json<'a> {
    text: &'a str,
    at: usize,
    reading: Reading,
}

impl<'a> Json<'a> {
    fn new(bytes: &'a [u8], reading: Reading) -> Result<Json<'a>, Malformed> {
        let text = std::str::from_utf8(bytes).map_err(|_| Malformed)?;
        Ok(Json { text, at: 0, reading })
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[inline]
    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    #[inline]
    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    #[inline]
    fn expect(&mut self, byte: u8) -> Result<(), Malformed> {
        if self.eat(byte) { Ok(()) } else { Err(Malformed) }
    }

    #[inline]
    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// Only white space is left.
    fn end(&mut self) -> Result<(), Malformed> {
        self.skip_space();
        if self.at == self.text.len() { Ok(()) } else { Err(Malformed) }
    }

    /// Reads an object and calls `member` at the value of every key; `member` reads it.
    fn members(
        &mut self,
        mut member: impl FnMut(&mut Json<'a>, Text<'a>) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        self.expect(b'{')?;
        self.skip_space();
        if self.eat(b'}') {
            return Ok(());
        }
        loop {
            let key = self.key()?;
            self.skip_space();
            member(self, key)?;
            self.skip_space();
            match self.next() {
                Some(b',') => self.skip_space(),
                Some(b'}') => return Ok(()),
                _ => return Err(Malformed),
            }
        }
    }

    /// Reads a record and gives its `_source`. The last one counts, whether or not it is an object.
    fn record(&mut self) -> Result<Source<'a>, Malformed> {
        let (mut source, mut id, ids) = (None, None, self.reading.ids);
        self.members(|json, key| {
            if ids == Ids::Unique && key.is("_id") {
                id = json.id_or_null()?;
                return Ok(());
            }
            if !key.is("_source") {
                return json.skip_other();
            }
            source = match json.peek() {
                Some(b'{') => Some(json.source(Ids::Any)?),
                _ => {
                    json.skip_value(FieldTypes::Strict)?;
                    None
                }
            };
            Ok(())
        })?;
        Ok(Source { id, ..source.ok_or(Malformed)? })
    }

    /// Reads the object that holds the fields, its own `_id` among them where it has one that is read.
    fn source(&mut self, ids: Ids) -> Result<Source<'a>, Malformed> {
        let mut source = Source::default();
        self.members(|json, key| {
            if key.is("Contract") {
                source.contract = json.contract_or_other()?;
            } else if key.is("AppName") || key.is("Appname") {
                source.app = json.string_or_other()?;
            } else if key.is("TotalDuration") {
                source.seconds = json.integer_or_other()?;
            } else if ids == Ids::Unique && key.is("_id") {
                source.id = json.id_or_null()?;
            } else if json.reading.devices == Devices::Counted && key.is("Mac") {
                source.device = json.device_or_other()?;
            } else {
                json.skip_other()?;
            }
            Ok(())
        })?;
        Ok(source)
    }

    /// Reads a key and its colon.
    fn key(&mut self) -> Result<Text<'a>, Malformed> {
        let key = self.string()?;
        self.skip_space();
        self.expect(b':')?;
        Ok(key)
    }

    fn string_or_other(&mut self) -> Result<Option<Text<'a>>, Malformed> {
        if self.peek() == Some(b'"') {
            return self.string().map(Some);
        }
        self.skip_value(FieldTypes::Strict)?;
        Ok(None)
    }

    /// A device is text; of what is another value it makes no difference that devices are read.
    fn device_or_other(&mut self) -> Result<Option<Text<'a>>, Malformed> {
        if self.peek() == Some(b'"') {
            return self.string().map(Some);
        }
        self.skip_other()?;
        Ok(None)
    }

    /// An id is text; what is another value is its own text.
    fn id_or_null(&mut self) -> Result<Option<Text<'a>>, Malformed> {
        if self.peek() == Some(b'"') {
            return self.string().map(Some);
        }
        let start = self.at;
        self.skip_value(FieldTypes::Strict)?;
        let raw = self.text.get(start..self.at).ok_or(Malformed)?;
        Ok((raw != "null").then_some(Text { raw, has_escape: false }))
    }

    /// A contract is text; leniently a JSON integer is one, as its digits.
    fn contract_or_other(&mut self) -> Result<Option<Text<'a>>, Malformed> {
        let (Some(b'-' | b'0'..=b'9'), FieldTypes::Lenient) = (self.peek(), self.reading.types) else {
            return self.string_or_other();
        };
        let raw = self.number()?;
        let is_integer = raw.bytes().all(|byte| matches!(byte, b'-' | b'0'..=b'9'));
        Ok(is_integer.then_some(Text { raw, has_escape: false }))
    }

    fn integer_or_other(&mut self) -> Result<Option<i64>, Malformed> {
        match (self.peek(), self.reading.types) {
            (Some(b'-' | b'0'..=b'9'), types) => Ok(integer(self.number()?.as_bytes(), types)),
            (Some(b'"'), FieldTypes::Lenient) => {
                // Text that cannot be decoded is no number, as any other text; one with a point may mean thousands.
                let text = self.string()?.decode().ok();
                Ok(text.and_then(|text| integer(text.as_bytes(), FieldTypes::Strict)))
            }
            _ => {
                self.skip_value(FieldTypes::Strict)?;
                Ok(None)
            }
        }
    }

    /// Reads a string: no control characters, only the escapes of RFC 8259.
    fn string(&mut self) -> Result<Text<'a>, Malformed> {
        self.expect(b'"')?;
        let start = self.at;
        let mut has_escape = false;
        loop {
            match self.next().ok_or(Malformed)? {
                b'"' => break,
                b'\\' => {
                    has_escape = true;
                    match self.next() {
                        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {}
                        Some(b'u') => {
                            for _ in 0..4 {
                                self.next().filter(u8::is_ascii_hexdigit).ok_or(Malformed)?;
                            }
                        }
                        _ => return Err(Malformed),
                    }
                }
                0..0x20 => return Err(Malformed),
                _ => {}
            }
        }
        let raw = self.text.get(start..self.at - 1).ok_or(Malformed)?;
        Ok(Text { raw, has_escape })
    }

    /// Reads a number; gives its text.
    fn number(&mut self) -> Result<&'a str, Malformed> {
        let start = self.at;
        self.eat(b'-');
        match self.next() {
            Some(b'0') => {}
            Some(b'1'..=b'9') => self.skip_digits(),
            _ => return Err(Malformed),
        }
        if self.eat(b'.') {
            self.expect_digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            let _sign = self.eat(b'+') || self.eat(b'-');
            self.expect_digits()?;
        }
        self.text.get(start..self.at).ok_or(Malformed)
    }

    fn skip_digits(&mut self) {
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
    }

    fn expect_digits(&mut self) -> Result<(), Malformed> {
        let start = self.at;
        self.skip_digits();
        if self.at > start { Ok(()) } else { Err(Malformed) }
    }

    fn expect_word(&mut self, word: &str) -> Result<(), Malformed> {
        if !self.goes_on_with(word) {
            return Err(Malformed);
        }
        self.at += word.len();
        Ok(())
    }

    fn goes_on_with(&self, word: &str) -> bool {
        self.text.as_bytes().get(self.at..).is_some_and(|rest| rest.starts_with(word.as_bytes()))
    }

    /// Reads a value that is none of the fields.
    fn skip_other(&mut self) -> Result<(), Malformed> {
        self.skip_value(self.reading.types)
    }

    /// Reads a value of any kind and depth; of lenient types are the words that Python writes for what is no number.
    fn skip_value(&mut self, types: FieldTypes) -> Result<(), Malformed> {
        let mut open = Nesting::default();
        loop {
            // A value begins here, perhaps after white space.
            self.skip_space();
            match self.peek() {
                Some(b'{') => {
                    self.at += 1;
                    self.skip_space();
                    if !self.eat(b'}') {
                        open.push(Container::Object);
                        self.key()?;
                        continue;
                    }
                }
                Some(b'[') => {
                    self.at += 1;
                    self.skip_space();
                    if !self.eat(b']') {
                        open.push(Container::Array);
                        continue;
                    }
                }
                Some(b'"') => {
                    self.string()?;
                }
                Some(b'N') if types == FieldTypes::Lenient => self.expect_word("NaN")?,
                Some(b'I') if types == FieldTypes::Lenient => self.expect_word("Infinity")?,
                Some(b'-') if types == FieldTypes::Lenient && self.goes_on_with("-I") => {
                    self.expect_word("-Infinity")?
                }
                Some(b'-' | b'0'..=b'9') => {
                    self.number()?;
                }
                Some(b't') => self.expect_word("true")?,
                Some(b'f') => self.expect_word("false")?,
                Some(b'n') => self.expect_word("null")?,
                _ => return Err(Malformed),
            }
            // A value ended here, and with it perhaps what holds it.
            loop {
                let Some(container) = open.innermost() else {
                    return Ok(());
                };
                self.skip_space();
                match (container, self.next()) {
                    (Container::Array, Some(b',')) => break,
                    (Container::Object, Some(b',')) => {
                        self.skip_space();
                        self.key()?;
                        break;
                    }
                    (Container::Array, Some(b']')) | (Container::Object, Some(b'}')) => open.pop(),
                    _ => return Err(Malformed),
                }
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Container {
    Array,
    Object,
}

/// The arrays and objects around a place, one bit each: a line of 64 MiB of `[` needs 8 MiB.
#[derive(Default)]
struct Nesting {
    /// The innermost up to 64, the very innermost in bit 0.
    inner: u64,
    depth: usize,
    outer: Vec<u64>,
}

impl Nesting {
    fn push(&mut self, container: Container) {
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.outer.push(self.inner);
        }
        self.inner = self.inner << 1 | u64::from(matches!(container, Container::Object));
        self.depth += 1;
    }

    fn pop(&mut self) {
        self.inner >>= 1;
        self.depth -= 1;
        if self.depth.is_multiple_of(64) {
            self.inner = self.outer.pop().unwrap_or(0);
        }
    }

    fn innermost(&self) -> Option<Container> {
        let container = if self.inner & 1 == 1 { Container::Object } else { Container::Array };
        (self.depth > 0).then_some(container)
    }
}
