//! The line before, as a stencil for the next one.
//!
//! Most lines have not only the shape of the line before but its lengths and its app too: only
//! identifiers, the contract and the digits of the duration differ. Then everything before the
//! digits lies at known places: three comparisons of 64 bytes verify it, branch-free and without
//! looking for the end of any field, and the app need not be looked up. The digits are the one
//! thing whose length is computed, and one comparison verifies what follows.
//!
//! Invariant: a line that fits is one that the [`Matcher`] of the same shape accepts, with the same
//! fields. What is literal in the shape is literal here, and a text field of the stencil's length
//! is plain up to the literal quote that ends it.

#![allow(unsafe_code)]

use super::matcher::{Line, Matcher, digits};
use super::shape::{BLOCK_BYTES, Block, Known, ShapeField};
use super::vector::Vector;
use crate::engine::rules::App;

/// Blocks before the digits.
const FRONT_BLOCKS: usize = 3;

/// Lines in a row that do not fit before the stencil is made anew.
const RELEARN_AFTER_MISSES: u32 = 3;

/// Of a stencil that fits fewer lines than this the next one is made after more patience.
const FEW_LINES: u32 = 16;

/// A line's known bytes, with the lengths of its fields and its app.
#[derive(Clone, Debug)]
pub(super) struct Stencil {
    front: [Block; FRONT_BLOCKS],
    back: Block,
    front_bytes: usize,
    /// Place of the contract in the line.
    pub contract_at: usize,
    /// Length of the contract.
    pub contract_bytes: usize,
    /// The app.
    pub app: App,
    /// Place and length of the device in the line; no bytes where it names none.
    pub device: (usize, usize),
}

impl Stencil {
    /// The stencil of the line at `start` that `matcher` has just accepted as `line`; none where
    /// the contract, the device or more digits come after the seconds, or there are too many bytes.
    ///
    /// # Safety
    /// `line` lies in memory that can be read.
    #[cold]
    #[inline(never)]
    pub unsafe fn of(matcher: &Matcher, line: &Line, app: App) -> Option<Stencil> {
        // SAFETY: the caller's promise.
        let name = unsafe { std::slice::from_raw_parts(line.app, line.app_bytes) };
        let mut front = Vec::new();
        let mut back: Option<Vec<Known>> = None;
        let (mut contract, mut device) = (None, (0, 0));
        for (block, length) in matcher.shape().blocks().iter().zip(matcher.lengths()) {
            let is_front = back.is_none();
            let run = back.as_mut().unwrap_or(&mut front);
            run.extend(block.known());
            match block.field {
                ShapeField::Nothing => {}
                ShapeField::Text => run.extend(std::iter::repeat_n(Known::Plain, *length)),
                ShapeField::App => run.extend(name.iter().map(|byte| Known::Literal(*byte))),
                ShapeField::Contract if is_front => {
                    contract = Some((run.len(), *length));
                    run.extend(std::iter::repeat_n(Known::Plain, *length));
                }
                ShapeField::Device if is_front => {
                    device = (run.len(), *length);
                    run.extend(std::iter::repeat_n(Known::Plain, *length));
                }
                ShapeField::Seconds if is_front => back = Some(Vec::new()),
                ShapeField::Contract | ShapeField::Device | ShapeField::Seconds | ShapeField::Digits => return None,
            }
        }
        let mut back = back?;
        back.extend(matcher.shape().ending().known());
        let (contract_at, contract_bytes) = contract?;
        if front.len() > FRONT_BLOCKS * BLOCK_BYTES || back.len() > BLOCK_BYTES {
            return None;
        }
        let mut pieces = front.chunks(BLOCK_BYTES);
        Some(Stencil {
            front: std::array::from_fn(|_| Block::new(pieces.next().unwrap_or_default(), ShapeField::Nothing)),
            back: Block::new(&back, ShapeField::Nothing),
            front_bytes: front.len(),
            contract_at,
            contract_bytes,
            app,
            device,
        })
    }

    /// Seconds and length of the line at `start`, if it fits.
    ///
    /// # Safety
    /// [`super::shape::MAX_MATCH_BYTES`] bytes from `start` on can be read, and the processor has
    /// what `V` names.
    #[inline(always)]
    pub unsafe fn line<V: Vector>(&self, start: *const u8) -> Option<(u32, usize)> {
        let mut wrong = 0;
        let mut add = |at: *const u8, block: &Block| {
            // SAFETY: all blocks begin within four times their size, and MAX_MATCH_BYTES is far
            // more.
            let masks = unsafe { V::compare(at, &block.bytes) };
            wrong |= (masks.different & block.literal) | (masks.ends & block.plain);
        };
        // SAFETY: as above: the front has at most three blocks, the digits are at most seven.
        unsafe {
            let [first, second, third] = &self.front;
            add(start, first);
            if self.front_bytes > BLOCK_BYTES {
                add(start.add(BLOCK_BYTES), second);
            }
            if self.front_bytes > 2 * BLOCK_BYTES {
                add(start.add(2 * BLOCK_BYTES), third);
            }
            let at = start.add(self.front_bytes);
            let (seconds, n_digits) = digits(at.cast::<[u8; 8]>().read_unaligned())?;
            add(at.add(n_digits), &self.back);
            (wrong == 0).then_some((seconds, self.front_bytes + n_digits + self.back.n_bytes))
        }
    }
}

/// When to make a stencil anew. The first line gives the first stencil.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RelearnPolicy {
    n_misses: u32,
    max_misses: u32,
    n_lines: u32,
}

impl RelearnPolicy {
    /// A line fits.
    #[inline(always)]
    pub fn count_match(&mut self) {
        self.n_misses = 0;
        self.n_lines = self.n_lines.wrapping_add(1);
    }

    /// A line does not fit; whether it should be the next stencil.
    pub fn should_relearn(&mut self) -> bool {
        self.n_misses += 1;
        if self.n_misses < self.max_misses {
            return false;
        }
        // Where no stencil fits for long, making one costs more than it saves.
        self.max_misses = match self.n_lines < FEW_LINES {
            true => (self.max_misses * 2).clamp(RELEARN_AFTER_MISSES, 1 << 16),
            false => RELEARN_AFTER_MISSES,
        };
        (self.n_misses, self.n_lines) = (0, 0);
        true
    }
}
