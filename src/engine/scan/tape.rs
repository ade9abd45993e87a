//! The exact path at speed: records through simd-json on a scratch copy, in buffers that are used
//! again.
//!
//! What simd-json accepts is taken, what it refuses is decided by [`exact::parse_line`]: it is
//! stricter in places (depth, numbers outside 64 bits, lone surrogates anywhere). No place is known
//! where it is laxer; property tests and the fuzz target `exact_vs_simd` look for one.

use std::borrow::Cow;

use simd_json::{Buffers, INPUT_PADDING, Node, StaticNode, Tape};

use super::exact::{self, Malformed};
use super::record::Fields;

/// Longest record that is copied, in bytes: the buffers never outgrow a small multiple of it.
const MAX_COPIED_BYTES: usize = 256 << 10;

/// Reads records of any shape; gives what [`exact::parse_line`] gives, faster.
pub struct ExactReader {
    buffers: Buffers,
    /// The record, unescaped in place by simd-json, and its padding.
    scratch: Vec<u8>,
    /// Empty between records; kept for its memory.
    tape: Tape<'static>,
}

impl Default for ExactReader {
    fn default() -> ExactReader {
        ExactReader::new()
    }
}

impl ExactReader {
    /// A reader with small buffers.
    pub fn new() -> ExactReader {
        ExactReader { buffers: Buffers::new(1024), scratch: Vec::with_capacity(1024), tape: Tape(Vec::new()) }
    }

    /// Reads the record in `line`, which has no line ending.
    ///
    /// # Errors
    /// [`Malformed`], whatever is wrong with it.
    pub fn read<'a>(&'a mut self, line: &'a [u8]) -> Result<Fields<'a>, Malformed> {
        self.with_tape(line, fields_of_line).unwrap_or_else(|| exact::parse_line(line))
    }

    /// Reads the object that `_source` holds, given on its own.
    ///
    /// # Errors
    /// [`Malformed`], as for a line.
    pub fn read_source<'a>(&'a mut self, object: &'a [u8]) -> Result<Fields<'a>, Malformed> {
        self.with_tape(object, fields_of_source).unwrap_or_else(|| exact::parse_source(object))
    }

    /// What `find` makes of the tape of `json`, or `None` where `json` is too long or simd-json
    /// refuses it.
    fn with_tape<'a, T>(&'a mut self, json: &[u8], find: impl FnOnce(&[Node<'a>]) -> T) -> Option<T> {
        if json.len() > MAX_COPIED_BYTES {
            return None;
        }
        self.scratch.clear();
        self.scratch.extend_from_slice(json);
        self.scratch.resize(json.len() + INPUT_PADDING, b' ');
        let mut tape = std::mem::replace(&mut self.tape, Tape(Vec::new())).reset();
        let filled = simd_json::fill_tape_padded(&mut self.scratch, json.len(), &mut self.buffers, &mut tape);
        let found = filled.is_ok().then(|| find(&tape.0));
        self.tape = tape.reset();
        found
    }
}

/// The fields of a record; `tape` is the whole line.
fn fields_of_line<'a>(tape: &[Node<'a>]) -> Result<Fields<'a>, Malformed> {
    let mut source = None;
    for (key, value) in members(tape).ok_or(Malformed)? {
        if key == "_source" {
            source = Some(value);
        }
    }
    fields_of_source(source.ok_or(Malformed)?)
}

/// The fields in the object that `_source` holds.
fn fields_of_source<'a>(tape: &[Node<'a>]) -> Result<Fields<'a>, Malformed> {
    let mut fields = Fields::default();
    for (key, value) in members(tape).ok_or(Malformed)? {
        match key {
            "Contract" => fields.contract = string(value),
            "AppName" | "Appname" => fields.app = string(value),
            "TotalDuration" => fields.seconds = integer(value),
            _ => {}
        }
    }
    Ok(fields)
}

/// Keys and values of the object at the start of `tape`, in the order of the text, or `None` if it
/// is no object.
fn members<'t, 'a>(tape: &'t [Node<'a>]) -> Option<impl Iterator<Item = (&'a str, &'t [Node<'a>])>> {
    let Some((&Node::Object { len: mut n_left, .. }, mut rest)) = tape.split_first() else {
        return None;
    };
    Some(std::iter::from_fn(move || {
        n_left = n_left.checked_sub(1)?;
        let (Node::String(key), after) = rest.split_first()? else {
            return None;
        };
        let n_nodes = match after.first()? {
            // `count` does not count the node itself.
            Node::Object { count, .. } | Node::Array { count, .. } => count + 1,
            Node::String(_) | Node::Static(_) => 1,
        };
        let (value, others) = after.split_at_checked(n_nodes)?;
        rest = others;
        Some((*key, value))
    }))
}

fn string<'a>(value: &[Node<'a>]) -> Option<Cow<'a, str>> {
    match value.first() {
        Some(Node::String(text)) => Some(Cow::Borrowed(*text)),
        _ => None,
    }
}

fn integer(value: &[Node<'_>]) -> Option<i64> {
    match value.first() {
        Some(Node::Static(StaticNode::I64(number))) => Some(*number),
        Some(Node::Static(StaticNode::U64(number))) => i64::try_from(*number).ok(),
        _ => None,
    }
}
