//! Records of one shape at the speed of memory, in NDJSON and in CSV.
//!
//! Naive: find the line feed, parse the line, look up three fields. What differs here:
//! 1. The shape of the lines is learned once ([`super::shape`]) and again where it no longer fits;
//!    a line is then verified against it ([`super::matcher`]), or faster against the line before
//!    ([`super::stencil`]). The line feed is part of the shape, so nothing looks for it beforehand.
//! 2. Contract and app are taken as integers ([`super::contract`], [`super::app`]).
//!
//! Only records that are kept go this way. A line that differs from the shape in any byte, and any
//! record that the rules might reject, goes the exact way of its format, which alone decides about
//! it. The fast way accepts nothing that the exact way would not accept with the same values:
//! property tests and fuzz targets hold it to that.

#![allow(unsafe_code)]

use std::ops::Range;

use super::app::{AppTable, MAX_APP_BYTES};
use super::csv::{MAX_NULL_BYTES, is_null};
use super::matcher::Matcher;
use super::record::{MAX_CONTRACT_CHARS, RecordFilter};
use super::shape::{MAX_MATCH_BYTES, Shape, Token};
use super::sink::Sink;
use super::stencil::{RelearnPolicy, Stencil};
#[cfg(target_arch = "x86_64")]
use super::vector::{Avx2, Avx512};
use super::vector::{Portable, Vector};
use crate::engine::rules::App;

/// Which vector code a scan runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// 64-byte vectors of x86-64.
    Avx512,
    /// 32-byte vectors of x86-64.
    Avx2,
    /// Plain integers, for every other processor.
    Portable,
}

impl Backend {
    /// The best that this processor has.
    pub fn detect() -> Backend {
        Backend::available().next().unwrap_or(Backend::Portable)
    }

    /// Those that this processor has, the best first.
    pub fn available() -> impl Iterator<Item = Backend> {
        [Backend::Avx512, Backend::Avx2, Backend::Portable].into_iter().filter(|backend| backend.is_available())
    }

    fn is_available(self) -> bool {
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        let (avx2, avx512) = {
            use std::is_x86_feature_detected as has;
            let avx2 = has!("avx2") && has!("bmi1") && has!("bmi2") && has!("lzcnt") && has!("popcnt");
            (avx2, avx2 && has!("avx512f") && has!("avx512bw") && has!("avx512vbmi"))
        };
        #[cfg(not(all(target_arch = "x86_64", not(miri))))]
        let (avx2, avx512) = (false, false);
        match self {
            Backend::Avx512 => avx512,
            Backend::Avx2 => avx2,
            Backend::Portable => true,
        }
    }

    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Backend::Avx512 => "avx512",
            Backend::Avx2 => "avx2",
            Backend::Portable => "portable",
        }
    }
}

/// What differs between the formats.
pub(super) trait RecordFormat {
    /// Cache lines that a record mostly touches, at most: what is prefetched for each.
    const PREFETCH_LINES: usize;
    /// Whether text may be a word that stands for nothing: a short contract is then looked at.
    const HAS_NULLS: bool;

    /// The content of `line`, given with its line feed; `None` where a shape cannot describe it.
    /// What is found must hold for every record that begins and goes on like this one: see
    /// [`super::shape`].
    fn tokens(&self, line: &[u8]) -> Option<Vec<Token>>;

    /// Reads the record that begins at `at` the exact way and routes it; gives where the next one
    /// begins, or `at` where the window ends too soon to tell.
    fn read_exactly(&mut self, at: usize, filter: &RecordFilter, sink: &mut impl Sink) -> usize;
}

/// What a scan needs besides the bytes; one for all formats, splits and threads.
#[derive(Clone, Debug)]
pub struct Scanner {
    filter: RecordFilter,
    /// The bounds of `filter` for durations of up to seven digits: the least, and how far above it
    /// the greatest is. So one comparison decides about both.
    min_seconds: u32,
    seconds_span: u32,
    apps: AppTable,
    backend: Backend,
}

/// How many shapes are known at a time.
const N_SHAPES: usize = 2;
/// Lines looked at to learn them, spread over the split.
const N_SAMPLES: usize = 32;
/// Lines that miss their shapes before they are learned again, when they are close together.
const RELEARN_AFTER_MISSES: u32 = 64;
/// How far ahead of a line its bytes are prefetched: beyond what the processor prefetches by
/// itself, which ends with the page.
const PREFETCH_BYTES: usize = 1536;

impl Scanner {
    /// Prepares the rules for scanning with `backend`, or the best available where this processor
    /// does not have it.
    pub fn new(filter: RecordFilter, backend: Backend) -> Scanner {
        // Whether a word that may stand for nothing is an app depends on the quotes around it, which only the exact
        // way looks at.
        let plain = filter.apps.iter().filter(|(name, _)| !is_null(name.as_bytes()));
        let apps = AppTable::new(plain.map(|(name, app)| (name.as_str(), *app)));
        let backend = if backend.is_available() { backend } else { Backend::detect() };
        let (min_seconds, seconds_span) = plain_bounds(filter.min_seconds, filter.max_seconds);
        Scanner { filter, min_seconds, seconds_span, apps, backend }
    }

    /// Scans the records of `window` that begin in `records`, the first of them at its start; gives
    /// where the first begins that was not read. Besides what ends plain text anyway, `STOP`
    /// ends it. `learned` holds for the same `STOP` and the same kind of `format` only.
    pub(super) fn scan<const STOP: u8, F: RecordFormat, S: Sink>(
        &self,
        window: &[u8],
        records: Range<usize>,
        format: &mut F,
        learned: &mut Learned,
        sink: &mut S,
    ) -> usize {
        let scan = Scan { scanner: self, window, records, format, learned, sink };
        match self.backend {
            // SAFETY: `Scanner::new` keeps a backend only where the processor has it.
            #[cfg(target_arch = "x86_64")]
            Backend::Avx512 => unsafe { scan.run_avx512::<STOP>() },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Backend::Avx2 => unsafe { scan.run_avx2::<STOP>() },
            _ => scan.run::<Portable<STOP>>(),
        }
    }

    /// Reads lines from `at` on for as long as they match and begin before `end`; gives where the
    /// first one begins that does not.
    ///
    /// # Safety
    /// The processor has what `V` names.
    #[inline(always)]
    unsafe fn scan_matching<V: Vector, F: RecordFormat, S: Sink>(
        &self,
        window: &[u8],
        mut at: usize,
        end: usize,
        matcher: &mut Matcher,
        sink: &mut S,
    ) -> usize {
        // A line that begins before this has all the bytes that matching it can read.
        let end = end.min(window.len().saturating_sub(MAX_MATCH_BYTES));
        let mut stencil: Option<Stencil> = None;
        let mut relearn = RelearnPolicy::default();
        while at < end {
            // SAFETY: `at + MAX_MATCH_BYTES <= window.len()`; the processor is the caller's
            // promise.
            unsafe {
                let start = window.as_ptr().add(at);
                for line in 0..F::PREFETCH_LINES {
                    V::prefetch(start.wrapping_add(PREFETCH_BYTES + 64 * line));
                }
                if let Some(stencil) = &stencil
                    && let Some((seconds, n_bytes)) = stencil.line::<V>(start)
                {
                    let contract = start.add(stencil.contract_at);
                    if !self.take::<V, S>(contract, stencil.contract_bytes, stencil.app, seconds, sink) {
                        break;
                    }
                    if S::TAKES_DEVICES {
                        let (device_at, n_bytes) = stencil.device;
                        tell_device(start.add(device_at), n_bytes, sink);
                    }
                    at += n_bytes;
                    relearn.count_match();
                    continue;
                }
                let Some(line) = matcher.line::<V>(start) else { break };
                // A stencil has the length of its contract, so this need not be asked of the lines that fit it.
                let mut may_be_null = F::HAS_NULLS && line.contract_bytes <= MAX_NULL_BYTES;
                if may_be_null && is_null(std::slice::from_raw_parts(line.contract, line.contract_bytes)) {
                    break;
                }
                if S::TAKES_DEVICES && F::HAS_NULLS && (1..=MAX_NULL_BYTES).contains(&line.device_bytes) {
                    may_be_null = true;
                    if is_null(std::slice::from_raw_parts(line.device, line.device_bytes)) {
                        break;
                    }
                }
                let name = line.app.cast::<[u8; MAX_APP_BYTES]>().read_unaligned();
                let Some(app) = self.apps.get(name, line.app_bytes) else { break };
                if !self.take::<V, S>(line.contract, line.contract_bytes, app, line.seconds, sink) {
                    break;
                }
                if S::TAKES_DEVICES {
                    tell_device(line.device, line.device_bytes, sink);
                }
                at += line.next.offset_from_unsigned(start);
                if relearn.should_relearn() {
                    stencil = if may_be_null { None } else { Stencil::of(matcher, &line, app) };
                }
            }
        }
        at
    }

    /// Hands the record of a matched line to `sink` if it is one to keep for sure.
    ///
    /// # Safety
    /// 16 bytes from `contract` on, and `contract_bytes` of plain text there, can be read, and the
    /// processor has what `V` names.
    #[inline(always)]
    unsafe fn take<V: Vector, S: Sink>(
        &self,
        contract: *const u8,
        contract_bytes: usize,
        app: App,
        seconds: u32,
        sink: &mut S,
    ) -> bool {
        if seconds.wrapping_sub(self.min_seconds) > self.seconds_span {
            return false;
        }
        // SAFETY: the caller's promise.
        let packed = unsafe { V::pack(contract.cast::<[u8; 16]>().read_unaligned(), contract_bytes) };
        if let Some(contract) = packed {
            if self.filter.excluded.contains_packed(contract) {
                return false;
            }
            sink.kept_packed(contract, app, seconds);
            return true;
        }
        // SAFETY: the caller's promise.
        let contract = unsafe { std::slice::from_raw_parts(contract, contract_bytes) };
        self.take_unpacked(contract, app, seconds, sink)
    }

    /// [`Scanner::take`] of a contract that does not pack.
    #[inline(never)]
    fn take_unpacked<S: Sink>(&self, contract: &[u8], app: App, seconds: u32, sink: &mut S) -> bool {
        // Plain text is ASCII: as many characters as bytes.
        let Ok(contract) = std::str::from_utf8(contract) else { return false };
        let is_kept = contract.len() <= MAX_CONTRACT_CHARS
            && !contract.trim().is_empty()
            && !self.filter.excluded.contains(contract);
        if is_kept {
            sink.kept(contract, app, i64::from(seconds));
        }
        is_kept
    }

    /// The rules as they are applied to a record.
    pub fn filter(&self) -> &RecordFilter {
        &self.filter
    }
}

/// Tells `sink` of the device of the record that it took last.
///
/// # Safety
/// `n_bytes` of plain text from `device` on can be read.
#[inline(always)]
unsafe fn tell_device<S: Sink>(device: *const u8, n_bytes: usize, sink: &mut S) {
    // SAFETY: the caller's promise.
    let device = unsafe { std::slice::from_raw_parts(device, n_bytes) };
    // Plain text is ASCII: this never fails.
    if let Ok(device) = std::str::from_utf8(device) {
        sink.device(device);
    }
}

/// The bounds `min..=max` as the least duration and the span above it; for bounds that no duration
/// is within, such that none of seven digits is.
fn plain_bounds(min: i64, max: i64) -> (u32, u32) {
    let bound = |seconds: i64| u32::try_from(seconds.clamp(0, i64::from(u32::MAX))).unwrap_or(u32::MAX);
    if max < min.max(0) { (u32::MAX, 0) } else { (bound(min), bound(max) - bound(min)) }
}

/// The shapes of the records that were read last: most likely also those of the records to come.
#[derive(Clone, Debug, Default)]
pub(super) struct Learned {
    matchers: Vec<Matcher>,
}

/// One call of [`Scanner::scan`].
struct Scan<'a, F, S> {
    scanner: &'a Scanner,
    window: &'a [u8],
    records: Range<usize>,
    format: &'a mut F,
    learned: &'a mut Learned,
    sink: &'a mut S,
}

impl<F: RecordFormat, S: Sink> Scan<'_, F, S> {
    /// # Safety
    /// The processor has the features named.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx2,bmi1,bmi2,lzcnt,popcnt")]
    unsafe fn run_avx512<const STOP: u8>(self) -> usize {
        self.run::<Avx512<STOP>>()
    }

    /// # Safety
    /// The processor has the features named.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    unsafe fn run_avx2<const STOP: u8>(self) -> usize {
        self.run::<Avx2<STOP>>()
    }

    #[inline(always)]
    fn run<V: Vector>(self) -> usize {
        let Scan { scanner, window, records, format, learned: Learned { matchers }, sink } = self;
        let (mut at, end) = (records.start, records.end.min(window.len()));
        if matchers.is_empty() {
            *matchers = learn(window, at..end, format);
        }
        let mut misses = Misses { since: at, ..Misses::default() };
        while at < end {
            let before = at;
            for matcher in &mut *matchers {
                // SAFETY: `V` runs only where the processor has its features.
                at = unsafe { scanner.scan_matching::<V, F, S>(window, at, end, matcher, sink) };
            }
            if at >= end {
                break;
            }
            if at > before && matchers.len() > 1 {
                // The file may hold both key orders: where the second ends the first may go on.
                continue;
            }
            let next = format.read_exactly(at, &scanner.filter, sink);
            if next == at {
                break;
            }
            at = next;
            if misses.should_relearn(at) {
                *matchers = learn(window, at..end, format);
            }
        }
        at
    }
}

/// The shapes of the records in `records`, as far as the beginnings of lines tell where those
/// begin.
#[cold]
#[inline(never)]
fn learn(window: &[u8], records: Range<usize>, format: &impl RecordFormat) -> Vec<Matcher> {
    let samples = (0..N_SAMPLES).filter_map(|i| {
        let from = records.start + records.len() / N_SAMPLES * i;
        let start = if i == 0 { from } else { from + memchr::memchr(b'\n', window.get(from..records.end)?)? + 1 };
        let line = window.get(start..records.end.max(start))?;
        // A line longer than a match can be is no sample, and need not be read to its end.
        let line = &line[..line.len().min(MAX_MATCH_BYTES)];
        let line = &line[..=memchr::memchr(b'\n', line)?];
        Some((line, format.tokens(line)?))
    });
    let shapes = Shape::learn(samples, N_SHAPES);
    shapes.into_iter().map(Matcher::new).collect()
}

/// Counts lines that went the exact way, to notice a shape that no longer fits.
#[derive(Default)]
struct Misses {
    n_misses: u32,
    since: usize,
    n_learned: u32,
}

impl Misses {
    /// Counts one more; whether learning again is worth it: many misses close together, and not
    /// tried too often.
    fn should_relearn(&mut self, at: usize) -> bool {
        self.n_misses += 1;
        if self.n_misses < RELEARN_AFTER_MISSES << self.n_learned.min(16) {
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
