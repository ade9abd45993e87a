//! Memory in huge pages.
//!
//! Records that wait are written all over a hundred megabytes. With pages of 4 KiB nearly every such write misses the
//! TLB, and the kernel is asked for each page anew; huge pages of 2 MiB do away with both. Most systems give them only
//! to programs that ask.

use std::ops::{Deref, DerefMut};

use bytemuck::Pod;
use memmap2::{MmapMut, MmapOptions};

/// A fixed number of values, all zero at first.
#[derive(Debug)]
pub struct Zeroed<T> {
    memory: Memory<T>,
}

#[derive(Debug)]
enum Memory<T> {
    Mapped(MmapMut),
    Allocated(Vec<T>),
}

impl<T: Pod> Zeroed<T> {
    /// `n_values` zeros. Nothing is written yet: memory is taken as it is touched.
    pub fn new(n_values: usize) -> Zeroed<T> {
        let memory = match MmapOptions::new().len(n_values * size_of::<T>()).map_anon() {
            Ok(map) => {
                // Only a wish: without huge pages it works as well, only slower.
                #[cfg(all(target_os = "linux", not(miri)))]
                let _ = map.advise(memmap2::Advice::HugePage);
                Memory::Mapped(map)
            }
            Err(_) => Memory::Allocated(vec![T::zeroed(); n_values]),
        };
        Zeroed { memory }
    }
}

impl<T: Pod> Deref for Zeroed<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match &self.memory {
            // A map begins at a page, so it is aligned for any value, and has room for a whole number of them.
            Memory::Mapped(map) => bytemuck::try_cast_slice(map).unwrap_or_default(),
            Memory::Allocated(values) => values,
        }
    }
}

impl<T: Pod> DerefMut for Zeroed<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        match &mut self.memory {
            Memory::Mapped(map) => bytemuck::try_cast_slice_mut(map).unwrap_or_default(),
            Memory::Allocated(values) => values,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_zero_and_all_there() {
        let mut values: Zeroed<u64> = Zeroed::new(5_000);
        assert_eq!(values.len(), 5_000);
        assert!(values.iter().all(|value| *value == 0));
        values[4_999] = 7;
        assert_eq!(values.iter().sum::<u64>(), 7);
    }
}
