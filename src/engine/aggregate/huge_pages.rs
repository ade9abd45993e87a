//! Memory in huge pages.
//!
//! Records that wait are written all over a hundred megabytes, and customers are found anywhere in
//! as much. With pages of 4 KiB nearly every such access misses the TLB, and each page is a fault
//! of its own; huge pages of 2 MiB do away with both. Most systems give them only to programs that
//! ask.

use std::fmt;
use std::ops::{Deref, DerefMut};

use bytemuck::Pod;
use memmap2::{MmapMut, MmapOptions};

/// A fixed number of values.
pub struct HugePageVec<T> {
    memory: Memory<T>,
}

enum Memory<T> {
    Mapped(MmapMut),
    Allocated(Vec<T>),
}

impl<T: Pod> HugePageVec<T> {
    /// `n_values` zeros. Nothing is written yet: memory is taken as it is touched.
    pub fn zeroed(n_values: usize) -> HugePageVec<T> {
        let memory = match MmapOptions::new().len(n_values * size_of::<T>()).map_anon() {
            Ok(map) => {
                // Only a hint: without huge pages it works as well, only slower.
                #[cfg(all(target_os = "linux", not(miri)))]
                let _ = map.advise(memmap2::Advice::HugePage);
                Memory::Mapped(map)
            }
            Err(_) => Memory::Allocated(vec![T::zeroed(); n_values]),
        };
        HugePageVec { memory }
    }
}

impl<T> Default for HugePageVec<T> {
    fn default() -> HugePageVec<T> {
        HugePageVec::from(Vec::new())
    }
}

impl<T> From<Vec<T>> for HugePageVec<T> {
    fn from(values: Vec<T>) -> HugePageVec<T> {
        HugePageVec { memory: Memory::Allocated(values) }
    }
}

impl<T> FromIterator<T> for HugePageVec<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> HugePageVec<T> {
        HugePageVec::from(Vec::from_iter(values))
    }
}

impl<T: Pod> Deref for HugePageVec<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match &self.memory {
            // A map begins at a page, so it is aligned for any value, and has room for a whole
            // number of them.
            Memory::Mapped(map) => bytemuck::try_cast_slice(map).unwrap_or_default(),
            Memory::Allocated(values) => values,
        }
    }
}

impl<T: Pod> DerefMut for HugePageVec<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        match &mut self.memory {
            Memory::Mapped(map) => bytemuck::try_cast_slice_mut(map).unwrap_or_default(),
            Memory::Allocated(values) => values,
        }
    }
}

impl<T: Pod> Clone for HugePageVec<T> {
    fn clone(&self) -> HugePageVec<T> {
        HugePageVec::from(self.to_vec())
    }
}

impl<T: Pod + PartialEq> PartialEq for HugePageVec<T> {
    fn eq(&self, other: &HugePageVec<T>) -> bool {
        self[..] == other[..]
    }
}

impl<T: Pod + Eq> Eq for HugePageVec<T> {}

impl<T: Pod + fmt::Debug> fmt::Debug for HugePageVec<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self[..].fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_zero_and_all_there() {
        let mut values: HugePageVec<u64> = HugePageVec::zeroed(5_000);
        assert_eq!(values.len(), 5_000);
        assert!(values.iter().all(|value| *value == 0));
        values[4_999] = 7;
        assert_eq!(values.iter().sum::<u64>(), 7);
    }

    #[test]
    fn where_the_values_lie_makes_no_difference() {
        let mut mapped: HugePageVec<u64> = HugePageVec::zeroed(3);
        mapped[1] = 7;
        let allocated = HugePageVec::from(vec![0, 7, 0]);
        assert_eq!(mapped, allocated);
        assert_eq!(mapped.clone(), mapped);
        assert_ne!(mapped, HugePageVec::default());
        assert_eq!(HugePageVec::<u64>::zeroed(0), HugePageVec::default());
        assert_eq!(format!("{mapped:?}"), "[0, 7, 0]");
    }
}
