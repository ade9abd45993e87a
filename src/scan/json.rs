//! NDJSON at the speed of memory.
//!
//! Naive: find the line feed, parse the line, look up three keys. What differs here:
//! 1. The shape of the lines is learned once a split ([`super::shape`]); a line is then verified against it, literal by
//!    literal, 32 bytes a comparison. The line feed is part of the last literal, so nothing looks for it beforehand.
//! 2. The length of each text field is guessed to be that of the line before. A right guess is a predicted branch, not
//!    a dependency: the processor works on the next fields, and the next line, before this field's bytes have arrived.
//! 3. Contract and app are taken as integers ([`super::contract`], [`super::app`]).
//!
//! Only records that are kept go this way. A line that differs from the shape in any byte, and any record that the
//! rules might reject, goes the exact way, which alone decides about it. The fast way accepts nothing that the exact way
//! would not accept with the same values: a property test and a fuzz target hold it to that.

#![allow(unsafe_code)]

use std::ops::Range;

use super::app::{AppTable, MAX_APP_BYTES};
use super::contract::PackedContract;
use super::lines::{BYTE_ORDER_MARK, first_line_start, read_line, without_return};
use super::record::Judge;
use super::shape::{Field, LITERAL_BYTES, MAX_STEPS, MAX_TEXT_BYTES, REACH, Shape, Step};
use super::simd::ExactReader;
use super::sink::Sink;
#[cfg(target_arch = "x86_64")]
use super::vector::Avx2;
use super::vector::{Portable, Vector};

/// Which vector code a scan runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// 32-byte vectors of x86-64.
    Avx2,
    /// Plain integers, for every other processor.
    Portable,
}

impl Backend {
    /// The best that this processor has.
    pub fn detect() -> Backend {
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        if std::is_x86_feature_detected!("avx2")
            && std::is_x86_feature_detected!("bmi1")
            && std::is_x86_feature_detected!("bmi2")
            && std::is_x86_feature_detected!("lzcnt")
            && std::is_x86_feature_detected!("popcnt")
        {
            return Backend::Avx2;
        }
        Backend::Portable
    }

    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Backend::Avx2 => "avx2",
            Backend::Portable => "portable",
        }
    }
}

/// What a scan of NDJSON needs besides the bytes; one for all splits and threads.
#[derive(Clone, Debug)]
pub struct JsonScanner {
    judge: Judge,
    apps: AppTable,
    excluded: Vec<PackedContract>,
    backend: Backend,
}

/// How many shapes one split may have.
const N_SHAPES: usize = 2;
/// Lines looked at to learn them, spread over the split.
const N_SAMPLES: usize = 16;
/// A split whose lines miss their shapes more often than one in `1 / MISS_SHARE` learns again.
const LEARN_AGAIN_AFTER: u32 = 64;

impl JsonScanner {
    /// Prepares the rules for scanning with `backend`.
    pub fn new(judge: Judge, backend: Backend) -> JsonScanner {
        let apps = AppTable::new(judge.apps.iter().map(|(name, category)| (name.as_str(), *category)));
        let excluded = judge.excluded().filter_map(|contract| PackedContract::new(contract.as_bytes())).collect();
        JsonScanner { judge, apps, excluded, backend }
    }

    /// Scans the lines of `window` whose first byte lies in `owned`.
    ///
    /// `window` starts at byte `base` of the file and reaches far enough behind `owned` to hold the end of the last
    /// line, or to the end of the file; the byte before `owned` is in it unless the file begins there.
    pub fn scan<S: Sink>(&self, window: &[u8], owned: Range<usize>, base: u64, exact: &mut ExactReader, sink: &mut S) {
        match self.backend {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `Backend::detect` and the tests name this backend only where the processor has the features.
            Backend::Avx2 if Backend::detect() == Backend::Avx2 => unsafe {
                self.scan_avx2(window, owned, base, exact, sink);
            },
            _ => self.scan_with::<Portable, S>(window, owned, base, exact, sink),
        }
    }

    /// # Safety
    /// The processor has the features named.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    unsafe fn scan_avx2<S: Sink>(
        &self,
        window: &[u8],
        owned: Range<usize>,
        base: u64,
        exact: &mut ExactReader,
        sink: &mut S,
    ) {
        self.scan_with::<Avx2, S>(window, owned, base, exact, sink);
    }

    #[inline(always)]
    fn scan_with<V: Vector, S: Sink>(
        &self,
        window: &[u8],
        owned: Range<usize>,
        base: u64,
        exact: &mut ExactReader,
        sink: &mut S,
    ) {
        let mut at = match owned.start {
            0 if base == 0 && window.starts_with(BYTE_ORDER_MARK) => BYTE_ORDER_MARK.len(),
            start => first_line_start(window, start),
        };
        let end = owned.end.min(window.len());
        let mut matchers = self.learn(window, at..end);
        // A line that begins before this has all the bytes that matching it can read.
        let fast_end = end.min(window.len().saturating_sub(REACH));
        let mut misses = Misses::default();
        while at < end {
            while at < fast_end {
                let Some(matcher) = matchers.first_mut() else { break };
                // SAFETY: `at + REACH <= window.len()`, and `V` runs only where the processor has its features.
                let Some(hit) = (unsafe { self.match_line::<V>(window.as_ptr().add(at), matcher) }) else { break };
                sink.kept_packed(hit.contract, hit.category, hit.seconds);
                at += hit.n_bytes;
            }
            if at >= end {
                break;
            }
            if at < fast_end && matchers.len() > 1 {
                // The file may hold both key orders: the shape that matches becomes the first one tried.
                // SAFETY: as above.
                if let Some(hit) = unsafe { self.match_line::<V>(window.as_ptr().add(at), &mut matchers[1]) } {
                    sink.kept_packed(hit.contract, hit.category, hit.seconds);
                    at += hit.n_bytes;
                    matchers.swap(0, 1);
                    continue;
                }
            }
            at = self.read_exactly(window, at, base, exact, sink);
            if misses.are_too_many(at) {
                matchers = self.learn(window, at..end);
            }
        }
    }

    /// Reads the line at `at` the exact way; gives where the next one begins.
    #[inline(never)]
    fn read_exactly<S: Sink>(
        &self,
        window: &[u8],
        at: usize,
        base: u64,
        exact: &mut ExactReader,
        sink: &mut S,
    ) -> usize {
        let rest = window.get(at..).unwrap_or_default();
        let n_bytes = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        read_line(without_return(&rest[..n_bytes]), base + at as u64, &self.judge, exact, sink);
        at + n_bytes + 1
    }

    /// The rules as they are applied to a record.
    pub fn judge(&self) -> &Judge {
        &self.judge
    }

    #[cold]
    #[inline(never)]
    fn learn(&self, window: &[u8], owned: Range<usize>) -> Vec<Matcher> {
        let samples = (0..N_SAMPLES).filter_map(|i| {
            let from = owned.start + owned.len() / N_SAMPLES * i;
            let start = if i == 0 { from } else { from + memchr::memchr(b'\n', window.get(from..owned.end)?)? + 1 };
            let line = window.get(start..owned.end.max(start))?;
            // A line longer than a match can be is no sample, and need not be read to its end.
            let line = &line[..line.len().min(REACH)];
            Some(&line[..=memchr::memchr(b'\n', line)?])
        });
        let shapes = Shape::learn(samples, N_SHAPES);
        shapes.iter().map(Matcher::new).collect()
    }

    /// Matches the line at `start` with a shape and the rules: what it holds, if it is a record to keep.
    ///
    /// # Safety
    /// [`REACH`] bytes from `start` on can be read, and the processor has what `V` names.
    #[inline(always)]
    unsafe fn match_line<V: Vector>(&self, start: *const u8, matcher: &mut Matcher) -> Option<Hit> {
        // With the number of steps a constant the loop over them is unrolled, and every step has branches of its own,
        // which are predicted by themselves.
        // SAFETY: the caller's promise.
        unsafe {
            match matcher.steps.len() {
                8 => self.match_steps::<V, 8>(start, matcher),
                4 => self.match_steps::<V, 4>(start, matcher),
                6 => self.match_steps::<V, 6>(start, matcher),
                12 => self.match_steps::<V, 12>(start, matcher),
                _ => self.match_steps::<V, MAX_STEPS>(start, matcher),
            }
        }
    }

    /// [`JsonScanner::match_line`] for matchers of `N` steps.
    ///
    /// # Safety
    /// As there.
    #[inline(always)]
    unsafe fn match_steps<V: Vector, const N: usize>(&self, start: *const u8, matcher: &mut Matcher) -> Option<Hit> {
        let steps = matcher.steps.first_chunk::<N>()?;
        let guesses = matcher.guesses.first_chunk_mut::<N>()?;
        let mut at = start;
        // Of each field, where it begins and its length or, for digits, its value.
        let mut found = [(start, 0_u32); N];
        for i in 0..N {
            let step = &steps[i];
            // SAFETY: every step moves on by at most LITERAL_BYTES + MAX_TEXT_BYTES and reads at most LITERAL_BYTES
            // behind that; a shape has so few steps that all of it stays within REACH.
            unsafe {
                if !V::equal(at, &step.literal.bytes) & step.literal.mask != 0 {
                    return None;
                }
                at = at.add(step.literal.n_bytes);
                match step.field {
                    Field::Nothing => {}
                    Field::Digits | Field::Seconds => {
                        let (value, n_bytes) = digits(at.cast::<[u8; 8]>().read_unaligned())?;
                        found[i].1 = value;
                        at = at.add(n_bytes);
                    }
                    Field::Text | Field::Contract | Field::App => {
                        let n_bytes = text_bytes::<V>(at, &mut guesses[i])?;
                        found[i] = (at, n_bytes);
                        at = at.add(n_bytes as usize);
                    }
                }
            }
        }
        let (contract_at, contract_bytes) = *found.get(matcher.contract)?;
        let (app_at, app_bytes) = *found.get(matcher.app)?;
        let (_, seconds) = *found.get(matcher.seconds)?;
        // SAFETY: 16 bytes behind the begin of a field are within REACH too.
        let (contract, app) = unsafe {
            (contract_at.cast::<[u8; 16]>().read_unaligned(), app_at.cast::<[u8; MAX_APP_BYTES]>().read_unaligned())
        };
        // SAFETY: the caller's promise.
        let squeeze = |bytes| unsafe { V::squeeze(bytes) };
        let contract = PackedContract::from_padded_with(contract, contract_bytes as usize, squeeze)?;
        let category = self.apps.get(app, app_bytes as usize)?;
        if i64::from(seconds) < self.judge.min_seconds || i64::from(seconds) > self.judge.max_seconds {
            return None;
        }
        if !self.excluded.is_empty() && self.excluded.contains(&contract) {
            return None;
        }
        Some(Hit { n_bytes: at as usize - start as usize, contract, category, seconds })
    }
}

/// A shape made ready for matching: its steps, filled up with empty ones to a number that [`JsonScanner::match_line`]
/// knows, and which of them are the fields that are read.
#[derive(Debug)]
struct Matcher {
    steps: Vec<Step>,
    guesses: Vec<Guess>,
    contract: usize,
    app: usize,
    seconds: usize,
}

impl Matcher {
    fn new(shape: &Shape) -> Matcher {
        let n_steps = [4, 6, 8, 12].into_iter().find(|n| *n >= shape.steps().len()).unwrap_or(MAX_STEPS);
        let place = |field| shape.steps().iter().position(|step| step.field == field).unwrap_or(usize::MAX);
        let mut steps = shape.steps().to_vec();
        steps.resize(n_steps, Step::EMPTY);
        Matcher {
            guesses: vec![Guess::default(); n_steps],
            contract: place(Field::Contract),
            app: place(Field::App),
            seconds: place(Field::Seconds),
            steps,
        }
    }
}

/// The length that a text field had in the line before, and the same as a bit of a mask.
#[derive(Clone, Copy, Debug)]
struct Guess {
    bit: u32,
    n_bytes: u32,
}

impl Default for Guess {
    fn default() -> Self {
        Guess { bit: 1, n_bytes: 0 }
    }
}

/// A record to keep.
struct Hit {
    n_bytes: usize,
    contract: PackedContract,
    category: crate::rules::Category,
    seconds: u32,
}

/// Counts lines that went the exact way, to notice a shape that no longer fits.
#[derive(Default)]
struct Misses {
    n_misses: u32,
    since: usize,
    n_learned: u32,
}

impl Misses {
    /// Counts one more; whether learning again is worth it: many misses close together, and not tried too often.
    fn are_too_many(&mut self, at: usize) -> bool {
        self.n_misses += 1;
        if self.n_misses < LEARN_AGAIN_AFTER << self.n_learned.min(16) {
            return false;
        }
        // 2 KiB a miss is about one line in ten.
        let dense = at - self.since < self.n_misses as usize * 2048;
        self.n_misses = 0;
        self.since = at;
        self.n_learned += u32::from(dense);
        dense
    }
}

/// Length of the plain text at `at`, at most [`MAX_TEXT_BYTES`]; what ends it is for the next literal to check.
///
/// # Safety
/// `MAX_TEXT_BYTES` bytes from `at` on can be read, and the processor has what `V` names.
#[inline(always)]
unsafe fn text_bytes<V: Vector>(at: *const u8, guess: &mut Guess) -> Option<u32> {
    // SAFETY: the caller's promise.
    let ends = unsafe { V::text_ends(at) };
    // A branch, not the count of zeros: predicted, so that what follows does not wait for the bytes to arrive.
    if ends & ends.wrapping_neg() == guess.bit {
        return Some(guess.n_bytes);
    }
    if ends == 0 {
        // SAFETY: the caller's promise.
        return unsafe { long_text_bytes::<V>(at) };
    }
    *guess = Guess { bit: ends & ends.wrapping_neg(), n_bytes: ends.trailing_zeros() };
    Some(guess.n_bytes)
}

/// [`text_bytes`] from the second vector on.
///
/// # Safety
/// As there.
#[inline(always)]
unsafe fn long_text_bytes<V: Vector>(at: *const u8) -> Option<u32> {
    (LITERAL_BYTES..MAX_TEXT_BYTES).step_by(LITERAL_BYTES).find_map(|behind| {
        // SAFETY: the caller's promise covers every vector read here.
        let ends = unsafe { V::text_ends(at.add(behind)) };
        (ends != 0).then(|| behind as u32 + ends.trailing_zeros())
    })
}

/// The value of 1 to 7 plain digits without a leading zero, and how many they are.
#[inline(always)]
fn digits(bytes: [u8; 8]) -> Option<(u32, usize)> {
    let values = u64::from_le_bytes(bytes) ^ 0x3030_3030_3030_3030;
    // The highest bit of each byte that is no digit; exact up to and including the first such byte.
    let others = (values.wrapping_add(0x7676_7676_7676_7676) | values) & 0x8080_8080_8080_8080;
    let n_digits = (others.trailing_zeros() / 8) as usize;
    if n_digits == 0 || n_digits == 8 || (values & 0xFF == 0 && n_digits > 1) {
        return None;
    }
    // Leading zeros in front make it eight digits; then neighbours are joined: 2, 4, 8.
    let eight = values << (64 - 8 * n_digits);
    let pairs = (eight & 0x0F0F_0F0F_0F0F_0F0F).wrapping_mul(10 << 8 | 1) >> 8;
    let fours = (pairs & 0x00FF_00FF_00FF_00FF).wrapping_mul(100 << 16 | 1) >> 16;
    let value = (fours & 0x0000_FFFF_0000_FFFF).wrapping_mul(10_000 << 32 | 1) >> 32;
    Some((value as u32, n_digits))
}
