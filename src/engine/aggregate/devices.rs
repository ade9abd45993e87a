//! Which devices the contracts had, while their records are scanned.
//!
//! ```text
//! record -> pair of numbers -> partition (a thread) -> set of pairs (an epoch) -> sorted rows
//! ```
//!
//! Contract and device are numbers here, as a contract is everywhere in this folder: equal numbers mean equal bytes. A
//! pair waits in the partition of its contract until the epoch ends, then joins the set of that partition, which holds it
//! once: memory grows with the distinct pairs, not with the records.

use std::cmp::Ordering;

use ahash::AHashSet;
use rayon::prelude::*;

use super::collect::SplitSink;
use super::intern::{Interned, Interner, Texts};
use super::partition::N_PARTITIONS;
use crate::engine::devices::{DeviceRows, count_of};
use crate::engine::ledger::Reason;
use crate::engine::rules::App;
use crate::engine::scan::contract::PackedContract;
use crate::engine::scan::sink::Sink;

/// Number of a contract, number of its device.
type Pair = [u64; 2];

/// A number for each device, by its bytes.
///
/// Nearly all are twelve hexadecimal digits, which are a number by themselves.
#[derive(Debug, Default)]
pub(super) struct DeviceInterner(Interner);

/// Characters of a device that is its own number.
const HEX_CHARS: usize = 12;

/// Low four bits of the number of such a device; those that [`Interner`] gives are others.
const HEX: u64 = 12;

impl DeviceInterner {
    /// The number of `device` (not empty): equal for equal bytes and for nothing else.
    fn device_id(&self, device: &str) -> u64 {
        match hex_value(device.as_bytes()) {
            Some(value) => value << 4 | HEX,
            None => self.0.contract_id(device),
        }
    }

    pub fn into_texts(self) -> DeviceTexts {
        DeviceTexts(self.0.into_texts())
    }
}

/// The value of twelve hexadecimal digits, letters in upper case.
#[inline]
fn hex_value(text: &[u8]) -> Option<u64> {
    let text: &[u8; HEX_CHARS] = text.try_into().ok()?;
    let [a, b, c, d, e, f, g, h, i, j, k, l] = *text;
    let high = eight_hex(u64::from_be_bytes([a, b, c, d, e, f, g, h]))?;
    let low = eight_hex(u64::from_be_bytes([b'0', b'0', b'0', b'0', i, j, k, l]))?;
    Some(high << 16 | low)
}

/// The value of eight of them, the first in the highest byte.
#[inline]
fn eight_hex(text: u64) -> Option<u64> {
    const ONES: u64 = u64::MAX / 255;
    // A letter has bit 6, and stands nine above its low bits.
    let values = (text & (ONES * 0x0F)) + (text >> 6 & ONES) * 9;
    // Written out again it is the same only where all were digits.
    let is_letter = (values + ONES * 6) >> 4 & ONES;
    if values & (ONES * 0xF0) != 0 || values + ONES * 0x30 + is_letter * 7 != text {
        return None;
    }
    let pairs = (values | values >> 4) & 0x00FF_00FF_00FF_00FF;
    let fours = (pairs | pairs >> 8) & 0x0000_FFFF_0000_FFFF;
    Some((fours | fours >> 16) & 0xFFFF_FFFF)
}

/// The devices of a [`DeviceInterner`] by their numbers.
#[derive(Debug, Default)]
pub(super) struct DeviceTexts(Texts);

impl DeviceTexts {
    /// Calls `take` with the device whose number is `id`.
    fn with_str<T>(&self, id: u64, take: impl FnOnce(&str) -> T) -> T {
        if id & 15 == HEX {
            let digit = |place: usize| {
                let value = (id >> (4 + 4 * (HEX_CHARS - 1 - place)) & 15) as u8;
                if value < 10 { b'0' + value } else { b'A' + value - 10 }
            };
            let digits: [u8; HEX_CHARS] = std::array::from_fn(digit);
            // They are ASCII.
            return take(std::str::from_utf8(&digits).unwrap_or_default());
        }
        match self.0.get(id) {
            Interned::Packed(packed) => packed.with_str(take),
            Interned::Text(text) => take(text),
        }
    }

    fn order(&self, a: u64, b: u64) -> Ordering {
        if a & b & 15 == HEX && (a | b) & 15 == HEX {
            return a.cmp(&b);
        }
        self.with_str(a, |a| self.with_str(b, |b| a.cmp(b)))
    }
}

/// The pairs that one thread has found since the last epoch, by partition.
#[derive(Debug)]
pub(super) struct FoundPairs {
    partitions: Vec<Vec<Pair>>,
    /// Records that name a device, of all epochs.
    n_records: u64,
}

impl Default for FoundPairs {
    fn default() -> Self {
        FoundPairs { partitions: vec![Vec::new(); N_PARTITIONS], n_records: 0 }
    }
}

/// The distinct pairs of a month so far, by partition.
#[derive(Debug)]
pub(super) struct PairTables(Vec<AHashSet<Pair>>);

impl Default for PairTables {
    fn default() -> Self {
        PairTables((0..N_PARTITIONS).map(|_| AHashSet::new()).collect())
    }
}

impl PairTables {
    /// Adds what was found since the last epoch, and forgets it.
    pub fn add(&mut self, found: &mut [&mut FoundPairs]) {
        if found.iter().all(|found| found.n_records == 0) {
            return;
        }
        let parts: Vec<&FoundPairs> = found.iter().map(|found| &**found).collect();
        self.0.par_iter_mut().enumerate().for_each(|(partition, table)| {
            parts.iter().for_each(|part| table.extend(&part.partitions[partition]));
        });
        found.iter_mut().flat_map(|found| &mut found.partitions).for_each(Vec::clear);
    }

    /// The devices of the contracts `contract_ids`, which are in row order, as `texts` gives it; `found` was added.
    pub fn into_rows(
        self,
        contract_ids: impl Iterator<Item = u64>,
        texts: &Texts,
        devices: &DeviceTexts,
        found: &[FoundPairs],
    ) -> DeviceRows {
        let mut pairs: Vec<Pair> = self.0.into_par_iter().flat_map_iter(|table| table).collect();
        pairs.par_sort_unstable_by(|[contract, device], [other_contract, other_device]| {
            let order = match contract == other_contract {
                true => Ordering::Equal,
                false => texts.order(*contract, *other_contract),
            };
            order.then_with(|| devices.order(*device, *other_device))
        });
        let n_records = found.iter().map(|found| found.n_records).sum();
        let mut rows = DeviceRows { n_records, ..DeviceRows::default() };
        let mut pairs = pairs.into_iter().peekable();
        for contract_id in contract_ids {
            let n_before = rows.names.len();
            while let Some([_, device]) = pairs.next_if(|[contract, _]| *contract == contract_id) {
                devices.with_str(device, |device| rows.names.push(device));
            }
            rows.counts.push(count_of(rows.names.len() - n_before));
        }
        rows
    }
}

/// Takes the records of one split, and the devices that they name.
#[derive(Debug)]
pub struct DeviceSink<'a> {
    pub(super) sink: SplitSink<'a>,
    pub(super) found: &'a mut FoundPairs,
    /// The contract of the record that was kept last.
    pub(super) contract_id: u64,
}

impl<'a> DeviceSink<'a> {
    /// The sink of the records alone.
    pub fn without_devices(&mut self) -> &mut SplitSink<'a> {
        &mut self.sink
    }
}

impl Sink for DeviceSink<'_> {
    const TAKES_DEVICES: bool = true;

    fn kept(&mut self, contract: &str, app: App, seconds: i64) {
        self.contract_id = self.sink.context().interner.contract_id(contract);
        self.sink.keep(self.contract_id, app, seconds);
    }

    #[inline(always)]
    fn kept_packed(&mut self, contract: PackedContract, app: App, seconds: u32) {
        self.contract_id = contract.bits();
        self.sink.kept_packed(contract, app, seconds);
    }

    #[inline]
    fn device(&mut self, device: &str) {
        if device.is_empty() {
            return;
        }
        let context = self.sink.context();
        let device_id = context.devices.device_id(device);
        // There is a partition for every number of one.
        if let Some(partition) = self.found.partitions.get_mut(usize::from(context.key.partition(self.contract_id))) {
            partition.push([self.contract_id, device_id]);
            self.found.n_records += 1;
        }
    }

    fn rejected(&mut self, offset: u64, reason: Reason, raw: &[u8]) {
        self.sink.rejected(offset, reason, raw);
    }

    fn unmapped(&mut self, offset: u64, app: &str, seconds: i64, raw: &[u8]) {
        self.sink.unmapped(offset, app, seconds, raw);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_device_keeps_its_bytes_and_its_order() {
        let mut devices: Vec<&str> = vec![
            "0C96E62FC55C",
            "0C96E62FC55D",
            "FFFFFFFFFFFF",
            "000000000000",
            "0c96e62fc55c",
            "0C96E62FC55C/40",
            "0C96E62FC55",
            "0C96E62FC55G",
            "0C96E62FC55O",
            "0C96E62FC55@",
            "0C96E62FC5:C",
            "0C96E62FC5/C",
            "é",
            "A",
            " ",
            "12345678901 ",
        ];
        let interner = DeviceInterner::default();
        let mut ids: Vec<u64> = devices.iter().map(|device| interner.device_id(device)).collect();
        assert_eq!(ids, devices.iter().map(|device| interner.device_id(device)).collect::<Vec<_>>());
        let texts = interner.into_texts();
        for (id, device) in ids.iter().zip(&devices) {
            texts.with_str(*id, |text| assert_eq!(text, *device));
        }
        ids.sort_by(|a, b| texts.order(*a, *b));
        devices.sort_unstable();
        let sorted: Vec<String> = ids.iter().map(|id| texts.with_str(*id, str::to_owned)).collect();
        assert_eq!(sorted, devices);
    }

    proptest! {
        #[test]
        fn only_upper_case_digits_have_a_value(text in "[0-9A-Fa-f:@GO/]{11,13}|[0-9A-F]{12}") {
            let is_hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F'));
            let expected = u64::from_str_radix(&text, 16).ok().filter(|_| is_hex && text.len() == HEX_CHARS);
            prop_assert_eq!(hex_value(text.as_bytes()), expected);
        }
    }
}
