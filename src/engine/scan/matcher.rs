//! A learned shape made ready for matching lines with it.
//!
//! Naive: walk through the line byte by byte. What differs here: known bytes are verified 64 at a
//! time, the same comparison finds the end of the text after them, and every difference only adds a
//! bit to one word, which is looked at once, at the end of the line. Nothing is guessed: most lines
//! match the [`super::stencil`] and never come here, and of the others none is like the one before.
//!
//! Invariant: a line is accepted only if all its known bytes are those of the shape, and its fields
//! are plain text or plain digits that the next known bytes end.

#![allow(unsafe_code)]

use super::shape::{BLOCK_BYTES, MAX_BLOCKS, MAX_TEXT_BYTES, Shape, ShapeField};
use super::vector::Vector;

/// What matches the lines of one shape.
#[derive(Clone, Debug)]
pub(super) struct Matcher {
    shape: Shape,
    lengths: [usize; MAX_BLOCKS],
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
    /// First byte of the device.
    pub device: *const u8,
    /// Its length; 0 where the line names none.
    pub device_bytes: usize,
    /// The duration.
    pub seconds: u32,
    /// First byte of the next line.
    pub next: *const u8,
}

impl Matcher {
    /// Prepares `shape`.
    pub fn new(shape: Shape) -> Matcher {
        Matcher { shape, lengths: [0; MAX_BLOCKS] }
    }

    /// The shape.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Of each block the length of its field in the line that was matched last.
    pub fn lengths(&self) -> &[usize] {
        &self.lengths
    }

    /// Matches the line at `start`.
    ///
    /// # Safety
    /// [`super::shape::MAX_MATCH_BYTES`] bytes from `start` on can be read, and the processor has
    /// what `V` names.
    #[inline(always)]
    pub unsafe fn line<V: Vector>(&mut self, start: *const u8) -> Option<Line> {
        let mut line = Line {
            contract: start,
            contract_bytes: 0,
            app: start,
            app_bytes: 0,
            device: start,
            device_bytes: 0,
            seconds: 0,
            next: start,
        };
        let mut wrong = 0;
        for (block, length) in self.shape.blocks().iter().zip(&mut self.lengths) {
            // SAFETY: every block moves on by at most BLOCK_BYTES + MAX_TEXT_BYTES and reads at
            // most BLOCK_BYTES after that; a shape has so few blocks that all of it stays within
            // MAX_MATCH_BYTES. The processor is the caller's promise.
            unsafe {
                let masks = V::compare(line.next, &block.bytes);
                wrong |= (masks.different & block.literal) | (masks.ends & block.plain);
                let at = line.next.add(block.n_bytes);
                match block.field {
                    ShapeField::Nothing => {}
                    ShapeField::Digits | ShapeField::Seconds => {
                        let (value, n_bytes) = digits(at.cast::<[u8; 8]>().read_unaligned())?;
                        if block.field == ShapeField::Seconds {
                            line.seconds = value;
                        }
                        *length = n_bytes;
                    }
                    ShapeField::Text | ShapeField::Contract | ShapeField::App | ShapeField::Device => {
                        // A field begins in its block, after at most 40 bytes.
                        let ends = masks.ends >> (block.n_bytes % BLOCK_BYTES);
                        *length = match ends {
                            0 => long_text_bytes::<V>(at, &block.bytes)?,
                            _ => ends.trailing_zeros() as usize,
                        };
                        match block.field {
                            ShapeField::Contract => (line.contract, line.contract_bytes) = (at, *length),
                            ShapeField::App => (line.app, line.app_bytes) = (at, *length),
                            ShapeField::Device => (line.device, line.device_bytes) = (at, *length),
                            _ => {}
                        }
                    }
                }
                line.next = at.add(*length);
            }
        }
        let ending = self.shape.ending();
        // SAFETY: as above.
        unsafe {
            wrong |= (u64::from_le_bytes(line.next.cast::<[u8; 8]>().read_unaligned()) ^ ending.bytes) & ending.mask;
            line.next = line.next.add(ending.n_bytes);
        }
        (wrong == 0).then_some(line)
    }
}

/// Length of the plain text at `at` that does not end in its block; what ends it is for the next
/// block to check.
///
/// # Safety
/// `MAX_TEXT_BYTES` bytes from `at` on can be read, and the processor has what `V` names.
#[cold]
#[inline(never)]
unsafe fn long_text_bytes<V: Vector>(at: *const u8, any: &[u8; BLOCK_BYTES]) -> Option<usize> {
    (0..MAX_TEXT_BYTES).step_by(BLOCK_BYTES).find_map(|ahead| {
        // SAFETY: the caller's promise covers every block read here.
        let ends = unsafe { V::compare(at.add(ahead), any).ends };
        (ends != 0).then(|| ahead + ends.trailing_zeros() as usize)
    })
}

/// The value of 1 to 7 plain digits without a leading zero, and how many they are.
#[inline(always)]
pub(super) fn digits(bytes: [u8; 8]) -> Option<(u32, usize)> {
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
