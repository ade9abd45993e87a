//! Stores that go past the caches.
//!
//! Naive: `copy_from_slice`. For every line it writes, the processor first reads the old one from
//! memory, to throw it away, and something else leaves the cache for it. The arena of waiting
//! records is larger than any cache and is read much later, so its lines are written whole and
//! directly to memory.
//!
//! Invariant: such stores are not ordered with others. Whoever writes calls [`fence`] before
//! another thread reads.

#![allow(unsafe_code)]

/// A cache line.
#[cfg(all(target_arch = "x86_64", not(miri)))]
const LINE_BYTES: usize = 64;

/// Copies `from` to `to` past the caches where `to` is whole cache lines, else as usual.
///
/// # Panics
/// When the two differ in length.
#[inline(always)]
pub fn copy<T: bytemuck::Pod>(to: &mut [T], from: &[T]) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        use std::arch::x86_64::{__m128i, _mm_loadu_si128, _mm_stream_si128};
        let (to, from): (&mut [u8], &[u8]) = (bytemuck::cast_slice_mut(to), bytemuck::cast_slice(from));
        if to.len() == from.len()
            && to.len().is_multiple_of(LINE_BYTES)
            && to.as_ptr().addr().is_multiple_of(LINE_BYTES)
        {
            for (to, from) in to.chunks_exact_mut(16).zip(from.chunks_exact(16)) {
                // SAFETY: both are 16 bytes, `to` begins at a multiple of 16; every x86-64
                // processor has SSE2.
                unsafe {
                    _mm_stream_si128(
                        to.as_mut_ptr().cast::<__m128i>(),
                        _mm_loadu_si128(from.as_ptr().cast::<__m128i>()),
                    );
                }
            }
            return;
        }
    }
    to.copy_from_slice(from);
}

/// Orders all [`copy`]s of this thread before whatever it stores next.
pub fn fence() {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: every x86-64 processor has SSE.
    unsafe {
        std::arch::x86_64::_mm_sfence();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_copies() {
        let from: Vec<u8> = (0..=255).collect();
        for start in [0, 1, 15, 16, 64, 100] {
            for n_bytes in [0, 1, 16, 63, 64, 65, 128, 150] {
                let mut to = vec![0xFF_u8; 400];
                let mut expected = to.clone();
                copy(&mut to[start..start + n_bytes], &from[..n_bytes]);
                fence();
                expected[start..start + n_bytes].copy_from_slice(&from[..n_bytes]);
                assert_eq!(to, expected, "{n_bytes} at {start}");
            }
        }
    }
}
