//! The devices of the customers: the distinct values of `Mac` that the kept records of each one name.
//!
//! A device is its bytes, as a contract is. A record without a `Mac`, or with an empty one, or with one that is no text,
//! names none. Devices unite: merging the parts of a month gives those of the whole, however it was cut.

use std::cmp::Ordering;
use std::ops::Range;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::month::Contracts;

/// Whether devices are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Devices {
    /// `Mac` is as any other key.
    #[default]
    Ignored,
    /// `Mac` is read of every record.
    Counted,
}

/// The devices of all customers of a month or a part of one, in row order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceRows {
    /// Number of devices, by row.
    pub counts: Vec<u32>,
    /// The devices, those of a row in order of their bytes, row after row. Empty where only their numbers are known.
    pub names: Contracts,
    /// Kept records that name a device.
    pub n_records: u64,
}

/// The devices of one customer.
#[derive(Clone, Debug, Default)]
pub struct RowDevices<'a> {
    /// How many.
    pub count: u32,
    names: Option<(&'a Contracts, Range<usize>)>,
}

impl<'a> RowDevices<'a> {
    /// So many, of which no more is known.
    pub fn counted(count: u32) -> RowDevices<'a> {
        RowDevices { count, names: None }
    }

    /// Those at `places` of `names`.
    pub fn named(names: &'a Contracts, places: Range<usize>) -> RowDevices<'a> {
        RowDevices { count: count_of(places.len()), names: Some((names, places)) }
    }

    /// The devices in order; none where only their number is known.
    pub fn names(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let known = self.names.clone();
        known.into_iter().flat_map(|(names, places)| places.map(|place| names.get(place)))
    }
}

/// A number of devices as a column holds it.
pub(in crate::engine) fn count_of(n_devices: usize) -> u32 {
    // As many devices do not fit into any memory.
    u32::try_from(n_devices).unwrap_or(u32::MAX)
}

impl DeviceRows {
    /// Adds a row.
    pub fn push(&mut self, row: &RowDevices<'_>) {
        self.counts.push(row.count);
        row.names().for_each(|name| self.names.push(name));
    }

    /// The devices of each row, in order.
    pub fn rows(&self) -> impl Iterator<Item = RowDevices<'_>> {
        let mut next = 0;
        self.counts.iter().map(move |count| {
            let first = next;
            next += *count as usize;
            match next <= self.names.len() {
                true => RowDevices::named(&self.names, first..next),
                false => RowDevices::counted(*count),
            }
        })
    }

    /// All of them counted.
    pub fn summary(&self) -> DeviceSummary {
        /// What devices are compared by first: 16 bytes lie at hand, the text does not.
        type Keyed<'a> = (u128, &'a str);
        let mut names: Vec<Keyed<'_>> = self.names.iter().map(|name| (head(name), name)).collect();
        names.par_sort_unstable();
        let (mut devices, mut moved, mut n_same) = (0, 0, 0);
        for (place, name) in names.iter().enumerate() {
            n_same += 1;
            if names.get(place + 1) != Some(name) {
                devices += 1;
                moved += u64::from(n_same > 1);
                n_same = 0;
            }
        }
        DeviceSummary { pairs: names.len() as u64, devices, moved, records: self.n_records }
    }
}

/// The first 16 bytes of a text as a number that orders as they do.
fn head(text: &str) -> u128 {
    let mut bytes = [0; 16];
    let n_bytes = text.len().min(bytes.len());
    bytes[..n_bytes].copy_from_slice(&text.as_bytes()[..n_bytes]);
    u128::from_be_bytes(bytes)
}

/// The devices of a month, counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceSummary {
    /// Devices.
    pub devices: u64,
    /// Of those the ones that more than one contract had.
    pub moved: u64,
    /// Distinct pairs of contract and device.
    pub pairs: u64,
    /// Kept records that name a device.
    pub records: u64,
}

/// What `one` and `other`, both in order and without repetition, hold together: so too.
pub(in crate::engine) fn unite<'a>(
    one: impl Iterator<Item = &'a str>,
    other: impl Iterator<Item = &'a str>,
    united: &mut Contracts,
) {
    let (mut one, mut other) = (one.peekable(), other.peekable());
    loop {
        let order = match (one.peek(), other.peek()) {
            (None, None) => return,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(one), Some(other)) => one.cmp(other),
        };
        let from_one = if order == Ordering::Greater { None } else { one.next() };
        let from_other = if order == Ordering::Less { None } else { other.next() };
        from_one.or(from_other).into_iter().for_each(|name| united.push(name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[&[&str]]) -> DeviceRows {
        let mut all = DeviceRows::default();
        for names in rows {
            let mut of_row = Contracts::default();
            names.iter().for_each(|name| of_row.push(name));
            all.push(&RowDevices::named(&of_row, 0..names.len()));
        }
        all
    }

    #[test]
    fn a_device_has_moved_when_more_than_one_contract_had_it() {
        let check = |of_rows: &[&[&str]], expected: [u64; 3]| {
            let found = rows(of_rows).summary();
            assert_eq!([found.devices, found.moved, found.pairs], expected, "{of_rows:?}");
        };
        check(&[], [0, 0, 0]);
        check(&[&[], &[]], [0, 0, 0]);
        check(&[&["A", "B"], &["C"]], [3, 0, 3]);
        check(&[&["A", "B"], &["B"], &[], &["B", "C"]], [3, 1, 5]);
        // Told apart after the sixteenth byte, and by zeros at the end, as any bytes are.
        check(&[&["0123456789ABCDEF0", "0123456789ABCDEF1"], &["0123456789ABCDEF1"]], [2, 1, 3]);
        check(&[&["A", "A\0"], &["A\0\0"]], [3, 0, 3]);
    }

    #[test]
    fn rows_give_back_what_was_pushed() {
        let all = rows(&[&["A", "B"], &[], &["A"]]);
        let names: Vec<Vec<&str>> = all.rows().map(|row| row.names().collect()).collect();
        assert_eq!(names, [vec!["A", "B"], vec![], vec!["A"]]);
        let counted = DeviceRows { names: Contracts::default(), ..all };
        let counts: Vec<(u32, usize)> = counted.rows().map(|row| (row.count, row.names().count())).collect();
        assert_eq!(counts, [(2, 0), (0, 0), (1, 0)]);
    }

    #[test]
    fn devices_unite_in_order() {
        let check = |one: &[&str], other: &[&str], expected: &[&str]| {
            let mut united = Contracts::default();
            unite(one.iter().copied(), other.iter().copied(), &mut united);
            assert_eq!(united.iter().collect::<Vec<_>>(), expected);
        };
        check(&[], &[], &[]);
        check(&["A"], &[], &["A"]);
        check(&["A", "C"], &["B", "C", "D"], &["A", "B", "C", "D"]);
        check(&["a"], &["A", "a"], &["A", "a"]);
    }
}
