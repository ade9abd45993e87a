//! Where a place in a CSV file is relative to quotes, so that records can be found from the middle
//! of the file.
//!
//! The state after some bytes depends on the state before them, which a split in the middle of a
//! file does not know. It has only four values: a split's effect on all four is computed without
//! knowing any, and the effects of the splits before it are then composed. Between quotes only the
//! last byte matters, so bytes without any quote pass at the speed of `memchr`. Among quotes all
//! four soon become one, for quotes open at the start of a field alone; one state then goes on in
//! blocks of 64 bytes.

use super::marks::{BLOCK_BYTES, Marks, parity};

/// What the bytes so far mean for the next one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum QuoteState {
    /// A field begins here: start of the file, or after a delimiter or line feed outside of quotes.
    /// Only here does a quote open a quoted field.
    #[default]
    FieldStart,
    /// Within a field outside of quotes. A quote here is wrong, but is nothing more than a
    /// character.
    Unquoted,
    /// Within quotes.
    Quoted,
    /// After a quote within quotes: a second one is a character, anything else is after the quoted
    /// part.
    QuoteInQuoted,
}

impl QuoteState {
    const ALL: [QuoteState; 4] =
        [QuoteState::FieldStart, QuoteState::Unquoted, QuoteState::Quoted, QuoteState::QuoteInQuoted];

    /// The state after `bytes`.
    pub fn after(self, bytes: &[u8], delimiter: u8) -> QuoteState {
        let mut state = self;
        let mut rest = bytes;
        while let Some(quote) = memchr::memchr(b'"', rest) {
            let (run, from_quote) = rest.split_at(quote);
            if let Some(last) = run.last() {
                state = state.after_run(*last, delimiter);
            }
            let (block, after_block) = from_quote.split_at(from_quote.len().min(BLOCK_BYTES));
            state = state.after_block(block, delimiter);
            rest = after_block;
        }
        rest.last().map_or(state, |last| state.after_run(*last, delimiter))
    }

    /// The state after a block's worth of bytes or less.
    fn after_block(self, bytes: &[u8], delimiter: u8) -> QuoteState {
        if let Ok(block) = bytes.try_into() {
            let marks = Marks::of(block, delimiter);
            let within = parity(marks.quotes) ^ 0u64.wrapping_sub(u64::from(self == QuoteState::Quoted));
            let outside = marks.separators & !within;
            let closing = marks.quotes & !within;
            let may_open_first = matches!(self, QuoteState::FieldStart | QuoteState::QuoteInQuoted);
            let may_open = (outside | closing) << 1 | u64::from(may_open_first);
            // Only where no quote is a mere character do they count in pairs.
            if marks.quotes & within & !may_open == 0 {
                return match [within, closing, outside].map(|bits| bits >> 63 == 1) {
                    [true, _, _] => QuoteState::Quoted,
                    [_, true, _] => QuoteState::QuoteInQuoted,
                    [_, _, true] => QuoteState::FieldStart,
                    _ => QuoteState::Unquoted,
                };
            }
        }
        bytes.iter().fold(self, |state, byte| match byte {
            b'"' => state.after_quote(),
            byte => state.after_run(*byte, delimiter),
        })
    }

    fn after_quote(self) -> QuoteState {
        match self {
            QuoteState::FieldStart | QuoteState::QuoteInQuoted => QuoteState::Quoted,
            QuoteState::Unquoted => QuoteState::Unquoted,
            QuoteState::Quoted => QuoteState::QuoteInQuoted,
        }
    }

    /// The state after at least one byte and no quote, of which `last` is the last.
    fn after_run(self, last: u8, delimiter: u8) -> QuoteState {
        match self {
            QuoteState::Quoted => QuoteState::Quoted,
            _ if last == delimiter || last == b'\n' => QuoteState::FieldStart,
            _ => QuoteState::Unquoted,
        }
    }
}

/// What some bytes do to every state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuoteTransition([QuoteState; 4]);

impl QuoteTransition {
    /// The effect of no bytes.
    pub const IDENTITY: QuoteTransition = QuoteTransition(QuoteState::ALL);

    /// The effect of `bytes`.
    pub fn of(bytes: &[u8], delimiter: u8) -> QuoteTransition {
        let mut states = QuoteState::ALL;
        let mut run_start = 0;
        for quote in memchr::memchr_iter(b'"', bytes) {
            if let Some(last) = bytes[run_start..quote].last() {
                states = states.map(|state| state.after_run(*last, delimiter));
            }
            states = states.map(QuoteState::after_quote);
            run_start = quote + 1;
            if states.iter().all(|state| *state == states[0]) {
                return QuoteTransition([states[0].after(&bytes[run_start..], delimiter); 4]);
            }
        }
        QuoteTransition(states.map(|state| state.after(&bytes[run_start..], delimiter)))
    }

    /// The state after the bytes, given the one before them.
    pub fn apply(self, before: QuoteState) -> QuoteState {
        self.0[before as usize]
    }

    /// The effect of these bytes and then those of `next`.
    pub fn then(self, next: QuoteTransition) -> QuoteTransition {
        QuoteTransition(self.0.map(|state| next.apply(state)))
    }
}

/// Where the first record begins that does so at or after `from`, when the state before `from` is
/// `state`; the window's length when none does.
pub fn first_record_start(window: &[u8], from: usize, mut state: QuoteState, delimiter: u8) -> usize {
    let Some(before) = from.checked_sub(1) else {
        return 0;
    };
    if state == QuoteState::FieldStart && window.get(before) == Some(&b'\n') {
        return from;
    }
    let mut at = from;
    while let Some(rest) = window.get(at..) {
        if state == QuoteState::Quoted {
            let Some(quote) = memchr::memchr(b'"', rest) else { break };
            at += quote + 1;
            state = QuoteState::QuoteInQuoted;
            continue;
        }
        let Some(found) = memchr::memchr2(b'"', b'\n', rest) else { break };
        if rest[found] == b'\n' {
            return at + found + 1;
        }
        if let Some(last) = rest[..found].last() {
            state = state.after_run(*last, delimiter);
        }
        state = state.after_quote();
        at += found + 1;
    }
    window.len()
}
