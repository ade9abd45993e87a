//! The exact path at speed: records through simd-json on a scratch copy, in buffers that are used
//! again.
//!
//! What simd-json accepts is taken, what it refuses is decided by [`exact::parse_line`]: it is
//! stricter in places (depth, numbers outside 64 bits, lone surrogates anywhere). So are fields that only lenient rules
//! take, as the tape no longer has their text. No place is known
//! where it is laxer; property tests and the fuzz target `exact_vs_simd` look for one.

use std::borrow::Cow;

use simd_json::{Buffers, INPUT_PADDING, Node, StaticNode, Tape};

use super::exact::{self, Malformed};
use super::record::{Fields, Reading};
use crate::engine::devices::Devices;
use crate::engine::ledger::Ids;
use crate::engine::rules::{FieldPlace, FieldTypes};

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
    pub fn read<'a>(&'a mut self, line: &'a [u8], reading: Reading) -> Result<Fields<'a>, Malformed> {
        let found = self.with_tape(line, |tape| fields_of_line(tape, reading)).flatten();
        found.unwrap_or_else(|| exact::parse_line(line, reading))
    }

    /// Reads the object that `_source` holds, given on its own.
    ///
    /// # Errors
    /// [`Malformed`], as for a line.
    pub fn read_source<'a>(&'a mut self, object: &'a [u8], reading: Reading) -> Result<Fields<'a>, Malformed> {
        let found = self.with_tape(object, |tape| fields_of_source(tape, reading, Ids::Any)).flatten();
        found.unwrap_or_else(|| exact::parse_source(object, reading))
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

/// What the tape says of a record; none where only its text can tell.
type Found<'a> = Option<Result<Fields<'a>, Malformed>>;

/// The fields of a record; `tape` is the whole line.
fn fields_of_line<'a>(tape: &[Node<'a>], reading: Reading) -> Found<'a> {
    if reading.source == FieldPlace::Flat {
        return fields_of_source(tape, reading, reading.ids);
    }
    let (mut source, mut id) = (None, None);
    let Some(members) = members(tape) else { return Some(Err(Malformed)) };
    for (key, value) in members {
        if key == "_source" {
            source = Some(value);
        } else if reading.ids == Ids::Unique && key == "_id" {
            id = text_or_null(value)?;
        }
    }
    let Some(source) = source else { return Some(Err(Malformed)) };
    let fields = fields_of_source(source, reading, Ids::Any)?;
    Some(fields.map(|fields| Fields { id, ..fields }))
}

/// The fields in the object that holds them, its own `_id` among them where it has one that is read.
fn fields_of_source<'a>(tape: &[Node<'a>], reading: Reading, ids: Ids) -> Found<'a> {
    let types = reading.types;
    let mut fields = Fields::default();
    let Some(members) = members(tape) else { return Some(Err(Malformed)) };
    for (key, value) in members {
        match key {
            "Contract" if types == FieldTypes::Lenient && is_number(value) => return None,
            "TotalDuration" if types == FieldTypes::Lenient && !is_integer(value) => return None,
            "Contract" => fields.contract = string(value),
            "_id" if ids == Ids::Unique => fields.id = text_or_null(value)?,
            "AppName" | "Appname" => fields.app = string(value),
            "TotalDuration" => fields.seconds = integer(value),
            "Mac" if reading.devices == Devices::Counted => fields.device = string(value),
            _ => {}
        }
    }
    Some(Ok(fields))
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

/// Text, or none for null; no answer where it is another value.
fn text_or_null<'a>(value: &[Node<'a>]) -> Option<Option<Cow<'a, str>>> {
    match value.first() {
        Some(Node::String(text)) => Some(Some(Cow::Borrowed(*text))),
        Some(Node::Static(StaticNode::Null)) => Some(None),
        _ => None,
    }
}

fn is_integer(value: &[Node<'_>]) -> bool {
    matches!(value.first(), Some(Node::Static(StaticNode::I64(_) | StaticNode::U64(_))))
}

fn is_number(value: &[Node<'_>]) -> bool {
    is_integer(value) || matches!(value.first(), Some(Node::Static(StaticNode::F64(_))))
}

fn integer(value: &[Node<'_>]) -> Option<i64> {
    match value.first() {
        Some(Node::Static(StaticNode::I64(number))) => Some(*number),
        Some(Node::Static(StaticNode::U64(number))) => i64::try_from(*number).ok(),
        _ => None,
    }
}
