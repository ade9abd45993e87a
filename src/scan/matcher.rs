//! A learned shape made ready for matching lines with it.
//!
//! Naive: walk through the line byte by byte. What differs here:
//! 1. Known bytes are verified 64 at a time, and every difference only adds a bit to one word, which is looked at once,
//!    at the end of the line.
//! 2. The length of each text field is guessed to be that of the line before. A right guess is a predicted branch, not
//!    a dependency: the processor works on the next fields, and the next line, before this field's bytes have arrived.
//!    Digits differ in length from line to line, so theirs is computed.
//! 3. For the usual orders of fields the order is a constant of the code, so nothing is decided about it in a line.
//!
//! Invariant: a line is accepted only if all its known bytes are those of the shape, and its fields are plain text or
//! plain digits that the next known bytes end.

#![allow(unsafe_code)]

use super::shape::{BLOCK_BYTES, Block, Ending, Field, MAX_BLOCKS, MAX_TEXT_BYTES, Shape};
use super::vector::Vector;

/// The fields of a shape's blocks as one number, three bits a block from the lowest; 0 where the blocks are too many.
pub(super) type Order = u32;

/// An order that is not known when the code is made: see [`Matcher::order`].
pub(super) const ANY: Order = 0;

/// Blocks that an [`Order`] can name, and so many steps of a line are written out.
const ORDER_BLOCKS: usize = 8;

/// The [`Order`] of these fields.
pub(super) const fn order_of(fields: &[Field]) -> Order {
    let mut order = 0;
    let mut i = fields.len();
    while i > 0 {
        i -= 1;
        order = order << 3 | fields[i] as u32;
    }
    order
}

/// The field of block `i`, or `None` where an order has ended.
const fn field_of(order: Order, i: usize) -> Option<Field> {
    match order >> (3 * i) & 7 {
        n if n == Field::Nothing as u32 => Some(Field::Nothing),
        n if n == Field::Text as u32 => Some(Field::Text),
        n if n == Field::Digits as u32 => Some(Field::Digits),
        n if n == Field::Contract as u32 => Some(Field::Contract),
        n if n == Field::App as u32 => Some(Field::App),
        n if n == Field::Seconds as u32 => Some(Field::Seconds),
        _ => None,
    }
}

/// What matches the lines of one shape.
#[derive(Clone, Debug)]
pub(super) struct Matcher {
    order: Order,
    blocks: [Block; MAX_BLOCKS],
    n_blocks: usize,
    guesses: [Guess; MAX_BLOCKS],
    ending: Ending,
}

/// The length that a text field had in the line before, and the same as a bit of a mask.
#[derive(Clone, Copy, Debug)]
struct Guess {
    bit: u64,
    n_bytes: usize,
}

/// Where the fields of a line are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    /// First byte of the contract.
    pub contract: *const u8,
    /// Its length.
    pub contract_bytes: usize,
    /// First byte of the app.
    pub app: *const u8,
    /// Its length.
    pub app_bytes: usize,
    /// The duration.
    pub seconds: u32,
    /// First byte of the next line.
    pub next: *const u8,
}

impl Matcher {
    /// Prepares `shape`.
    pub fn new(shape: &Shape) -> Matcher {
        let n_blocks = shape.blocks().len().min(MAX_BLOCKS);
        let empty = Block { bytes: [0; BLOCK_BYTES], literal: 0, plain: 0, n_bytes: 0, field: Field::Nothing };
        let mut blocks = [empty; MAX_BLOCKS];
        blocks[..n_blocks].copy_from_slice(&shape.blocks()[..n_blocks]);
        let fields: Vec<Field> = shape.blocks().iter().map(|block| block.field).collect();
        let order = if n_blocks <= ORDER_BLOCKS { order_of(&fields) } else { ANY };
        let guesses = [Guess { bit: 1, n_bytes: 0 }; MAX_BLOCKS];
        Matcher { order, blocks, n_blocks, guesses, ending: shape.ending() }
    }

    /// The order of its fields.
    pub fn order(&self) -> Order {
        self.order
    }

    /// Matches the line at `start`. `ORDER` is [`Matcher::order`] or [`ANY`].
    ///
    /// # Safety
    /// [`super::shape::REACH`] bytes from `start` on can be read, and the processor has what `V` names.
    #[inline(always)]
    pub unsafe fn line<V: Vector, const ORDER: Order>(&mut self, start: *const u8) -> Option<Line> {
        let mut line = Line { contract: start, contract_bytes: 0, app: start, app_bytes: 0, seconds: 0, next: start };
        let mut wrong = 0;
        // SAFETY: every step moves on by at most BLOCK_BYTES + MAX_TEXT_BYTES and reads at most BLOCK_BYTES behind that;
        // a shape has so few blocks that all of it stays within REACH. The processor is the caller's promise.
        unsafe {
            if ORDER == ANY {
                for i in 0..self.n_blocks {
                    let field = self.blocks[i].field;
                    self.step::<V>(i, field, &mut line, &mut wrong)?;
                }
            } else {
                macro_rules! steps {
                    ($($i:literal)*) => { $(
                        if let Some(field) = const { field_of(ORDER, $i) } {
                            self.step::<V>($i, field, &mut line, &mut wrong)?;
                        }
                    )* };
                }
                const { assert!(ORDER_BLOCKS == 8) };
                steps!(0 1 2 3 4 5 6 7);
            }
            wrong |= (u64::from_le_bytes(line.next.cast::<[u8; 8]>().read_unaligned()) ^ self.ending.bytes)
                & self.ending.mask;
            line.next = line.next.add(self.ending.n_bytes);
        }
        (wrong == 0).then_some(line)
    }

    /// One block and its field.
    ///
    /// # Safety
    /// `2 * BLOCK_BYTES + MAX_TEXT_BYTES` bytes from `line.next` on can be read, and the processor has what `V` names.
    #[inline(always)]
    unsafe fn step<V: Vector>(&mut self, i: usize, field: Field, line: &mut Line, wrong: &mut u64) -> Option<()> {
        let block = self.blocks.get(i)?;
        // SAFETY: the caller's promise; `n_bytes` is at most BLOCK_BYTES, and the text at most MAX_TEXT_BYTES.
        unsafe {
            let look = V::look(line.next, &block.bytes);
            *wrong |= (look.different & block.literal) | (look.ends & block.plain);
            let at = line.next.add(block.n_bytes);
            let n_bytes = match field {
                Field::Nothing => 0,
                Field::Digits | Field::Seconds => {
                    let (value, n_bytes) = digits(at.cast::<[u8; 8]>().read_unaligned())?;
                    if field == Field::Seconds {
                        line.seconds = value;
                    }
                    n_bytes
                }
                Field::Text | Field::Contract | Field::App => {
                    // A field begins in its block: behind at most 40 bytes.
                    let ends = look.ends >> (block.n_bytes % BLOCK_BYTES);
                    let guess = self.guesses.get_mut(i)?;
                    // A branch, not the count of zeros: predicted, so that what follows does not wait for the bytes.
                    if ends & ends.wrapping_neg() == guess.bit {
                        guess.n_bytes
                    } else if ends != 0 {
                        *guess = Guess { bit: ends & ends.wrapping_neg(), n_bytes: ends.trailing_zeros() as usize };
                        guess.n_bytes
                    } else {
                        long_text_bytes::<V>(at, &block.bytes)?
                    }
                }
            };
            match field {
                Field::Contract => (line.contract, line.contract_bytes) = (at, n_bytes),
                Field::App => (line.app, line.app_bytes) = (at, n_bytes),
                _ => {}
            }
            line.next = at.add(n_bytes);
        }
        Some(())
    }
}

/// Length of the plain text at `at` that does not end in its block; what ends it is for the next block to check.
///
/// # Safety
/// `MAX_TEXT_BYTES` bytes from `at` on can be read, and the processor has what `V` names.
#[cold]
#[inline(never)]
unsafe fn long_text_bytes<V: Vector>(at: *const u8, any: &[u8; BLOCK_BYTES]) -> Option<usize> {
    (0..MAX_TEXT_BYTES).step_by(BLOCK_BYTES).find_map(|behind| {
        // SAFETY: the caller's promise covers every block read here.
        let ends = unsafe { V::look(at.add(behind), any).ends };
        (ends != 0).then(|| behind + ends.trailing_zeros() as usize)
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
