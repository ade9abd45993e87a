//! Plain CSV records at speed: of ASCII alone, with no doubled quotes and no quotes in the wrong place.
//!
//! Blocks of 64 bytes are reduced to marks; the fields lie between those outside of quotes, which is where the number
//! of quotes so far is even. What is unusual in any way is left to [`super::CsvReader::read_any`], record by record,
//! and a record may be kept here only with the values which that gives.

use super::layout::{Columns, CsvLayout};
use super::marks::{BLOCK_BYTES, Marks, bits, parity};
use super::{CsvSplit, fields_of_text};
use crate::ledger::Reason;
use crate::rules::Category;
use crate::scan::record::{Judge, MAX_CONTRACT_CHARS, MAX_LINE_BYTES};
use crate::scan::sink::{Sink, settle};

/// Most fields of a record that is read here.
const MAX_FIELDS: usize = 64;

/// Reads the plain records of one split.
pub(super) struct PlainRecords<'a> {
    split: &'a CsvSplit<'a>,
    delimiter: u8,
    n_fields: usize,
    contract: usize,
    app: usize,
    seconds: usize,
    judge: &'a Judge,
    apps: Apps,
}

impl<'a> PlainRecords<'a> {
    /// `None` where the layout has no columns of its own for the fields, or too many.
    pub(super) fn new(split: &'a CsvSplit<'a>, layout: CsvLayout, judge: &'a Judge) -> Option<PlainRecords<'a>> {
        let CsvLayout { delimiter, n_fields, columns } = layout;
        let Columns::Named { contract, app, seconds } = columns else {
            return None;
        };
        if n_fields > MAX_FIELDS || [contract, app, seconds].iter().any(|place| *place >= n_fields) {
            return None;
        }
        Some(PlainRecords { split, delimiter, n_fields, contract, app, seconds, judge, apps: Apps::default() })
    }

    /// Reads records from `start` on, one after the other, while they are plain and begin before `end`; gives where the
    /// first begins that was not read.
    pub(super) fn read(&mut self, start: usize, end: usize, sink: &mut impl Sink) -> usize {
        let window = self.split.window;
        let mut record = start;
        let mut n_fields = 0;
        // Where the first fields of the record end.
        let mut ends = [0; MAX_FIELDS];
        let mut quotes = Quotes::RECORD_START;
        let mut block_at = start;
        while let Some(rest) = window.get(block_at..).filter(|rest| !rest.is_empty()) {
            let mut tail = [0; BLOCK_BYTES];
            let block = rest.first_chunk::<BLOCK_BYTES>().unwrap_or_else(|| {
                tail[..rest.len()].copy_from_slice(rest);
                &tail
            });
            let marks = Marks::of(block, self.delimiter);
            let (outside, wrong) = quotes.advance(&marks, || bits(block, |byte| byte == b'\r'));
            let special = marks.non_ascii | wrong;
            // Only what is before the first special byte.
            let mut left = outside & (special & special.wrapping_neg()).wrapping_sub(1);
            while left != 0 {
                let bit = left & left.wrapping_neg();
                let at = block_at + left.trailing_zeros() as usize;
                left ^= bit;
                ends[n_fields % MAX_FIELDS] = at;
                n_fields += 1;
                if marks.line_feeds & bit != 0 {
                    self.settle_record(record, at, n_fields, &mut ends, sink);
                    record = at + 1;
                    n_fields = 0;
                    if record >= end {
                        return record;
                    }
                }
            }
            if special != 0 {
                return record;
            }
            block_at += BLOCK_BYTES;
        }
        record
    }

    /// Settles the record from `start` to its line feed at `line_feed`; `ends` are its fields' ends.
    #[inline]
    fn settle_record(
        &mut self,
        start: usize,
        line_feed: usize,
        n_fields: usize,
        ends: &mut [usize; MAX_FIELDS],
        sink: &mut impl Sink,
    ) {
        let window = self.split.window;
        let end = line_feed - usize::from(line_feed > start && window[line_feed - 1] == b'\r');
        if end == start {
            return;
        }
        let offset = self.split.base + start as u64;
        if n_fields != self.n_fields || end - start > MAX_LINE_BYTES {
            sink.rejected(offset, Reason::Malformed, &window[start..end]);
            return;
        }
        ends[(n_fields - 1) % MAX_FIELDS] = end;
        let field = |place: usize| {
            let field_start = if place == 0 { start } else { ends[(place - 1) % MAX_FIELDS] + 1 };
            let field_end = ends[place % MAX_FIELDS];
            // A quote at the start has its closing quote at the end, and there are no others.
            let n_quotes = usize::from(window[field_start] == b'"');
            field_start + n_quotes..field_end - n_quotes
        };
        let contract = &window[field(self.contract)];
        let seconds = field(self.seconds);
        let app = field(self.app);

        // ASCII that begins with neither space nor control character is not blank, and has a character a byte.
        if contract.first().is_some_and(u8::is_ascii_graphic)
            && contract.len() <= MAX_CONTRACT_CHARS
            && let Some(seconds) = short_integer(window, seconds.start, seconds.end)
            && (self.judge.min_seconds..=self.judge.max_seconds).contains(&seconds)
            && let Some(category) = self.apps.category(window, app.start, app.end, self.judge)
            && let Ok(contract) = std::str::from_utf8(contract)
            && !self.judge.is_excluded(contract)
        {
            sink.kept(contract, category, seconds);
            return;
        }
        let fields = fields_of_text(contract.into(), window[app].into(), &window[seconds]);
        settle(fields, self.judge, offset, &window[start..end], sink);
    }
}

/// How quotes stand at the start of a block.
struct Quotes {
    /// All ones within quotes, else 0.
    within: u64,
    /// 1 where a quote may open a field: behind a separator or at the start of a record.
    may_open: u64,
    /// 1 behind a closing quote.
    has_closed: u64,
}

impl Quotes {
    const RECORD_START: Quotes = Quotes { within: 0, may_open: 1, has_closed: 0 };

    /// Goes over a block. Gives the separators outside of quotes, and where something is wrong or unusual about quotes:
    /// one that does not open at the start of a field, or a closing one that neither a separator nor the end of a line
    /// follows, as a doubled one. All that is before the first wrong place is right.
    ///
    /// `returns` gives the carriage returns of the block.
    #[inline(always)]
    fn advance(&mut self, marks: &Marks, returns: impl FnOnce() -> u64) -> (u64, u64) {
        if (marks.quotes | self.within | self.has_closed) == 0 {
            self.may_open = marks.separators >> 63;
            return (marks.separators, 0);
        }
        let within = parity(marks.quotes) ^ self.within;
        let (opening, closing) = (marks.quotes & within, marks.quotes & !within);
        let outside = marks.separators & !within;
        let may_open = outside << 1 | self.may_open;
        let behind_closing = closing << 1 | self.has_closed;
        let mut wrong = opening & !may_open | behind_closing & !outside;
        if wrong != 0 {
            wrong &= !(behind_closing & returns() & marks.line_feeds >> 1);
        }
        *self = Quotes { within: 0u64.wrapping_sub(within >> 63), may_open: outside >> 63, has_closed: closing >> 63 };
        (outside, wrong)
    }
}

/// The digits `window[start..end]` as a number, when there are 1 to 8 of them and nothing else.
#[inline]
fn short_integer(window: &[u8], start: usize, end: usize) -> Option<i64> {
    let n_digits = end - start;
    if !(1..=8).contains(&n_digits) {
        return None;
    }
    // The last 8 bytes up to the end, the last digit on top; what is before the digits becomes leading zeros.
    let bytes = window.get(end.checked_sub(8)?..)?.first_chunk()?;
    let mut digits = (u64::from_le_bytes(*bytes) ^ 0x3030_3030_3030_3030) & (u64::MAX << (64 - 8 * n_digits));
    if (digits | digits.wrapping_add(0x7676_7676_7676_7676)) & 0x8080_8080_8080_8080 != 0 {
        return None;
    }
    // Neighbouring digits to pairs, pairs to fours, fours to the number.
    digits = (digits.wrapping_mul(10) + (digits >> 8)) & 0x00ff_00ff_00ff_00ff;
    digits = (digits.wrapping_mul(100) + (digits >> 16)) & 0x0000_ffff_0000_ffff;
    digits = (digits.wrapping_mul(10_000) + (digits >> 32)) & 0xffff_ffff;
    Some(digits.cast_signed())
}

/// The categories of apps seen before, by their whole text of up to 8 bytes.
#[derive(Default)]
struct Apps {
    seen: [Option<(u64, usize, Category)>; 16],
}

impl Apps {
    /// The category of the app `window[start..end]`, where this can tell.
    #[inline]
    fn category(&mut self, window: &[u8], start: usize, end: usize, judge: &Judge) -> Option<Category> {
        let n_bytes = end - start;
        if !(1..=8).contains(&n_bytes) {
            return None;
        }
        let bytes = window.get(start..)?.first_chunk()?;
        let text = u64::from_le_bytes(*bytes) & (u64::MAX >> (64 - 8 * n_bytes));
        let slot = &mut self.seen[(text.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 60) as usize];
        if let Some((seen, seen_bytes, category)) = *slot
            && (seen, seen_bytes) == (text, n_bytes)
        {
            return Some(category);
        }
        let category = *judge.apps.get(std::str::from_utf8(&window[start..end]).ok()?)?;
        *slot = Some((text, n_bytes, category));
        Some(category)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::integer;
    use super::*;

    proptest! {
        #[test]
        fn short_integers_are_integers(text in "[0-9]{0,10}|[ -~]{0,9}", around in "[0-9,]{8}") {
            let window = format!("{around}{text}{around}");
            let (start, end) = (around.len(), around.len() + text.len());
            let is_short = (1..=8).contains(&text.len()) && !text.starts_with('-');
            let expected = integer(text.as_bytes()).filter(|_| is_short);
            prop_assert_eq!(short_integer(window.as_bytes(), start, end), expected);
        }
    }
}
