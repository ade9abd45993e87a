//! CSV (RFC 4180) to records, from any split of a file.
//!
//! A file is read from its start to its end, each window from where the records of the one before
//! ended, or in splits, in parallel: [`QuoteTransition::of`] every split, composed to the
//! [`QuoteState`] before each, tells where its records begin. [`CsvLayout::from_header`] on the
//! first bytes comes before, [`scan_csv`] of every window or split after. Records of one
//! shape go the fast way ([`mod@super::fast`]), all others are read field by field.
//!
//! A record with a wrong number of fields, with bytes that are not UTF-8, with a quote inside an
//! unquoted field, with text after a closing quote or with a quote that is never closed is
//! malformed. A quote that is never closed takes the rest of the file with it: by RFC 4180 there is
//! no telling where the field was meant to end. Spaces belong to the field. A blank line is no
//! record; a line of spaces or delimiters is one.

mod layout;
mod marks;
mod quote;
mod record;
mod within;

use std::borrow::Cow;

pub use super::chunk::{Chunk, ChunkEnd};
pub use layout::{Columns, CsvLayout, HeaderError, MAX_HEADER_BYTES, is_blank_file};
pub use quote::{QuoteState, QuoteTransition, first_record_start};
use record::{FieldSpan, read_record};
pub(super) use record::{MAX_NULL_BYTES, is_null};

use super::exact::Malformed;
use super::fast::{Learned, RecordFormat, Scanner};
use super::integer::integer;
use super::record::{Fields, MAX_LINE_BYTES, Reading, RecordFilter};
use super::shape::{ShapeField, Token, is_plain, is_plain_digits};
use super::sink::{Sink, route};
use super::tape::ExactReader;
use crate::engine::devices::Devices;
use crate::engine::ledger::Ids;

/// What reading the records of CSV files of one layout needs and keeps from split to split: the
/// shapes of the records, and memory that is used again.
pub struct CsvReader {
    layout: CsvLayout,
    exact: ExactReader,
    /// A field whose quotes were doubled.
    unquoted: Vec<u8>,
    learned: Learned,
    open_quote: Option<u64>,
    found: Found,
}

/// What was found in a file that is not as it should be, each by its first place in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// A quote that opens a field with rows of the file in it.
    pub swallowed_rows: Option<u64>,
    /// The header once more.
    pub same_header: Option<u64>,
    /// A header with the columns in other places, by which the rows after it should be read.
    pub other_header: Option<u64>,
}

impl CsvReader {
    /// A reader of files of this layout.
    pub fn new(layout: CsvLayout) -> CsvReader {
        CsvReader {
            layout,
            exact: ExactReader::new(),
            unquoted: Vec::new(),
            learned: Learned::default(),
            open_quote: None,
            found: Found::default(),
        }
    }

    /// The layout of the files that this reads.
    pub fn layout(&self) -> CsvLayout {
        self.layout
    }

    /// The quote, by its byte in the file, that the window of the last scan opens and does not
    /// close; once.
    pub fn take_open_quote(&mut self) -> Option<u64> {
        self.open_quote.take()
    }

    /// What is not as it should be, since this was asked last.
    pub fn take_found(&mut self) -> Found {
        std::mem::take(&mut self.found)
    }

    /// Reads the record at `start` and routes it, whatever it looks like; gives where the next one
    /// begins, or `start` where the window cuts the record off.
    fn read_any(&mut self, chunk: &Chunk<'_>, start: usize, filter: &RecordFilter, sink: &mut impl Sink) -> usize {
        let window = chunk.window;
        let CsvLayout { delimiter, n_fields, columns, id: id_place, .. } = self.layout;
        let id_place = id_place.filter(|_| filter.reading.ids == Ids::Unique);
        let device_place = self.layout.device_of(filter.reading);
        let (mut contract, mut app, mut seconds) = (FieldSpan::default(), FieldSpan::default(), FieldSpan::default());
        let (mut id, mut device) = (None, None);
        let record = read_record(window, start, delimiter, |place, field| {
            if Some(place) == id_place {
                id = Some(field);
            }
            if Some(place) == device_place {
                device = Some(field);
            }
            match columns {
                Columns::Source(source) if place == source => contract = field,
                Columns::Source(_) => {}
                Columns::Named { contract: at, .. } if place == at => contract = field,
                Columns::Named { app: at, .. } if place == at => app = field,
                Columns::Named { seconds: at, .. } if place == at => seconds = field,
                Columns::Named { .. } => {}
            }
        });
        if chunk.end == ChunkEnd::Truncated && record.next >= window.len() {
            return start;
        }
        self.open_quote = record.open_quote.map(|at| chunk.base + at as u64);
        let raw = record.content(window, start);
        if raw.is_empty() {
            return record.next;
        }
        let offset = chunk.base + start as u64;
        if self.found.swallowed_rows.is_none() {
            self.found.swallowed_rows = within::find_rows(raw, &self.layout).map(|at| offset + at as u64);
        }
        let is_well_formed = record.is_well_formed
            && record.n_fields == n_fields
            && raw.len() <= MAX_LINE_BYTES
            && std::str::from_utf8(raw).is_ok();
        let fields = if !is_well_formed {
            Err(Malformed)
        } else if let Columns::Source(_) = columns {
            self.exact.read_source(contract.bytes_in(window, &mut self.unquoted), filter.reading)
        } else {
            let seconds = seconds.value(window).and_then(|seconds| integer(&seconds, filter.reading.types));
            let device = device.and_then(|device| device.value(window));
            fields_of_text(contract.value(window), app.value(window), seconds, device)
        };
        let with_id = |fields| Ok(Fields { id: id.and_then(|id| id.value(window)).map(text).transpose()?, ..fields });
        let fields = fields.and_then(with_id);
        if fields.as_ref().map_or(true, |fields| fields.seconds.is_none()) {
            self.found.note_header(raw, self.layout, offset);
        }
        route(fields, filter, offset, raw, sink);
        record.next
    }
}

impl Found {
    /// Notes that a record is a header, where it is one.
    #[cold]
    fn note_header(&mut self, raw: &[u8], layout: CsvLayout, offset: u64) {
        match within::layout_of(raw) {
            None => {}
            Some(other) if other == layout => drop(self.same_header.get_or_insert(offset)),
            Some(_) => drop(self.other_header.get_or_insert(offset)),
        }
    }
}

impl CsvLayout {
    /// The place of the device, where it is read.
    fn device_of(&self, reading: Reading) -> Option<usize> {
        self.device.filter(|_| reading.devices == Devices::Counted)
    }
}

/// Scans the records of `chunk` in order; gives the place in the window where the first record
/// begins that was not read.
pub fn scan_csv(chunk: &Chunk<'_>, scanner: &Scanner, reader: &mut CsvReader, sink: &mut impl Sink) -> usize {
    let CsvLayout { delimiter, .. } = reader.layout;
    let records = quote::first_record_start(chunk.window, chunk.owned.start, chunk.quotes, delimiter)..chunk.owned.end;
    let mut learned = std::mem::take(&mut reader.learned);
    let reading = scanner.filter().reading;
    let mut format = Records { chunk, reader, reading };
    let next = match delimiter {
        b',' => scanner.scan::<b',', _, _>(chunk.window, records, &mut format, &mut learned, sink),
        b';' => scanner.scan::<b';', _, _>(chunk.window, records, &mut format, &mut learned, sink),
        b'|' => scanner.scan::<b'|', _, _>(chunk.window, records, &mut format, &mut learned, sink),
        // A tab ends plain text by itself.
        _ => scanner.scan::<b'"', _, _>(chunk.window, records, &mut format, &mut learned, sink),
    };
    reader.learned = learned;
    next
}

/// As [`scan_csv`], every record field by field.
pub fn scan_csv_exact(chunk: &Chunk<'_>, filter: &RecordFilter, reader: &mut CsvReader, sink: &mut impl Sink) -> usize {
    let end = chunk.owned.end.min(chunk.window.len());
    let mut at = quote::first_record_start(chunk.window, chunk.owned.start, chunk.quotes, reader.layout.delimiter);
    while at < end {
        let next = reader.read_any(chunk, at, filter, sink);
        if next == at {
            break;
        }
        at = next;
    }
    at
}

/// The records of one chunk.
struct Records<'a> {
    chunk: &'a Chunk<'a>,
    reader: &'a mut CsvReader,
    reading: Reading,
}

impl RecordFormat for Records<'_> {
    const PREFETCH_LINES: usize = 2;
    const HAS_NULLS: bool = true;

    fn tokens(&self, line: &[u8]) -> Option<Vec<Token>> {
        tokens(line, self.reader.layout, self.reading)
    }

    #[inline(never)]
    fn read_exactly(&mut self, at: usize, filter: &RecordFilter, sink: &mut impl Sink) -> usize {
        self.reader.read_any(self.chunk, at, filter, sink)
    }
}

/// The content of a record that a shape can describe: every field plain text, in quotes or not, and
/// the duration plain digits. The line may be no record but a part of one, within quotes: to a
/// record that looks the same this means nothing.
pub(super) fn tokens(line: &[u8], layout: CsvLayout, reading: Reading) -> Option<Vec<Token>> {
    let CsvLayout { delimiter, n_fields, columns: Columns::Named { contract, app, seconds }, .. } = layout else {
        return None;
    };
    let device = layout.device_of(reading);
    let text = line.strip_suffix(b"\n")?;
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    let mut tokens = Vec::new();
    let mut at = 0;
    for (place, field) in text.split(|byte| *byte == delimiter).enumerate() {
        let unquoted = field.strip_prefix(b"\"").and_then(|field| field.strip_suffix(b"\""));
        let start = at + usize::from(unquoted.is_some());
        let content = unquoted.unwrap_or(field);
        let is_seconds = place == seconds;
        let fits = if is_seconds { is_plain_digits(content) } else { content.iter().copied().all(is_plain) };
        if !fits {
            return None;
        }
        let role = match () {
            () if is_seconds => ShapeField::Seconds,
            () if place == contract => ShapeField::Contract,
            () if place == app => ShapeField::App,
            () if Some(place) == device => ShapeField::Device,
            () => ShapeField::Text,
        };
        tokens.push(Token { start, end: start + content.len(), field: role });
        at += field.len() + 1;
    }
    (tokens.len() == n_fields).then_some(tokens)
}

fn fields_of_text<'a>(
    contract: Option<Cow<'a, [u8]>>,
    app: Option<Cow<'a, [u8]>>,
    seconds: Option<i64>,
    device: Option<Cow<'a, [u8]>>,
) -> Result<Fields<'a>, Malformed> {
    let [contract, app, device] = [contract, app, device].map(|bytes| bytes.map(text).transpose());
    Ok(Fields { id: None, contract: contract?, app: app?, seconds, device: device? })
}

fn text(bytes: Cow<'_, [u8]>) -> Result<Cow<'_, str>, Malformed> {
    match bytes {
        Cow::Borrowed(bytes) => std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| Malformed),
        Cow::Owned(bytes) => String::from_utf8(bytes).map(Cow::Owned).map_err(|_| Malformed),
    }
}
