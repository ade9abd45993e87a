//! Rows of many parts become the rows of the whole, in one pass and in memory that does not grow
//! with them.

use super::{Overflow, Partial, Row, RowDevices, SumOf};
use crate::engine::devices::{DeviceRows, count_of, unite};
use crate::engine::ledger::{LedgerConflict, LedgerDetail};
use crate::engine::month::Contracts;

/// Rows one after the other, contracts strictly ascending by bytes: of a partial in memory, of a
/// month file, of a merge.
///
/// A cursor that stands before the first row until it is moved.
pub trait RowStream {
    /// Why no row could be had.
    type Error;

    /// Moves on to the next row; false when there is none.
    ///
    /// # Errors
    /// Of whatever the rows are read from.
    fn advance(&mut self) -> Result<bool, Self::Error>;

    /// The row the cursor stands at. Called only after [`RowStream::advance`] gave true.
    fn row(&self) -> Row<'_>;

    /// The devices of that row; none where they were not counted.
    fn devices(&self) -> RowDevices<'_> {
        RowDevices::default()
    }
}

/// Parts that cannot be merged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// A sum does not fit.
    #[error(transparent)]
    Overflow(#[from] Overflow),
    /// Their ledgers contradict each other.
    #[error(transparent)]
    Conflict(#[from] LedgerConflict),
    /// The devices of some were counted, those of others not.
    #[error("the devices of one were counted, those of the other were not")]
    Devices,
}

/// The rows of a [`Partial`].
#[derive(Clone, Debug)]
pub struct Rows<'a> {
    partial: &'a Partial,
    /// Number of rows that were reached: the cursor stands at the last of them.
    n_reached: usize,
    /// Devices of the rows before that one.
    n_devices_before: usize,
}

impl<'a> Rows<'a> {
    /// The rows of `partial`.
    pub fn new(partial: &'a Partial) -> Rows<'a> {
        Rows { partial, n_reached: 0, n_devices_before: 0 }
    }

    /// Number of devices of the row at hand.
    fn n_devices(&self) -> usize {
        let counts = self.partial.devices.as_ref().map_or(&[][..], |devices| &devices.counts);
        let count = self.n_reached.checked_sub(1).and_then(|row| counts.get(row));
        count.map_or(0, |count| *count as usize)
    }
}

impl RowStream for Rows<'_> {
    type Error = MergeError;

    fn advance(&mut self) -> Result<bool, MergeError> {
        let is_there = self.n_reached < self.partial.n_rows();
        self.n_devices_before += self.n_devices();
        self.n_reached += usize::from(is_there);
        Ok(is_there)
    }

    fn row(&self) -> Row<'_> {
        self.partial.row(self.n_reached.saturating_sub(1))
    }

    fn devices(&self) -> RowDevices<'_> {
        let Some(devices) = &self.partial.devices else { return RowDevices::default() };
        RowDevices::named(&devices.names, self.n_devices_before..self.n_devices_before + self.n_devices())
    }
}

/// The rows of several streams as one: a contract that stands in many of them becomes one row,
/// seconds added, days and devices united. Of several streams whose devices were counted all give
/// their names.
///
/// Holds one row and a place for each stream, no more.
#[derive(Debug)]
pub struct MergedRows<S> {
    streams: Vec<S>,
    /// A heap of the streams that stand at a row, by their places: no row is before that of its
    /// parent.
    heap: Vec<usize>,
    contract: String,
    days: u32,
    seconds: [i64; 5],
    n_devices: u32,
    /// Their names, where the streams give any.
    devices: Contracts,
    /// Where those of two streams are united.
    united: Contracts,
    is_started: bool,
}

impl<S: RowStream> MergedRows<S>
where
    S::Error: From<Overflow>,
{
    /// The rows of `streams`, none of which was moved yet.
    pub fn new(streams: Vec<S>) -> MergedRows<S> {
        MergedRows {
            streams,
            heap: Vec::new(),
            contract: String::new(),
            days: 0,
            seconds: [0; 5],
            n_devices: 0,
            devices: Contracts::default(),
            united: Contracts::default(),
            is_started: false,
        }
    }

    /// The streams.
    pub fn streams(&self) -> &[S] {
        &self.streams
    }

    fn start(&mut self) -> Result<(), S::Error> {
        self.is_started = true;
        for (place, stream) in self.streams.iter_mut().enumerate() {
            if stream.advance()? {
                self.heap.push(place);
            }
        }
        for parent in (0..self.heap.len() / 2).rev() {
            self.sift_down(parent);
        }
        Ok(())
    }

    /// The contract at a place of the heap.
    fn contract_at(&self, place: usize) -> Option<&str> {
        Some(self.streams[*self.heap.get(place)?].row().contract)
    }

    fn sift_down(&mut self, mut parent: usize) {
        loop {
            let mut least = parent;
            for child in [2 * parent + 1, 2 * parent + 2] {
                if child < self.heap.len() && self.contract_at(child) < self.contract_at(least) {
                    least = child;
                }
            }
            if least == parent {
                return;
            }
            self.heap.swap(parent, least);
            parent = least;
        }
    }

    /// Adds the first row of all to the one at hand, and moves its stream on.
    fn take_first(&mut self) -> Result<(), S::Error> {
        let Some(place) = self.heap.first().copied() else { return Ok(()) };
        let row = self.streams[place].row();
        self.days |= row.days;
        for (sum, seconds) in self.seconds.iter_mut().zip(row.seconds) {
            let overflow = || Overflow { of: SumOf::Contract(row.contract.to_owned()) };
            *sum = sum.checked_add(seconds).ok_or_else(overflow)?;
        }
        let devices = self.streams[place].devices();
        if self.n_devices == 0 {
            devices.names().for_each(|name| self.devices.push(name));
            self.n_devices = devices.count;
        } else if devices.count > 0 {
            self.united.clear();
            unite(self.devices.iter(), devices.names(), &mut self.united);
            std::mem::swap(&mut self.devices, &mut self.united);
            self.n_devices = count_of(self.devices.len());
        }
        if !self.streams[place].advance()? {
            self.heap.swap_remove(0);
        }
        self.sift_down(0);
        Ok(())
    }
}

impl<S: RowStream> RowStream for MergedRows<S>
where
    S::Error: From<Overflow>,
{
    type Error = S::Error;

    fn advance(&mut self) -> Result<bool, S::Error> {
        if !self.is_started {
            self.start()?;
        }
        let Some(place) = self.heap.first().copied() else { return Ok(false) };
        (self.days, self.seconds, self.n_devices) = (0, [0; 5], 0);
        self.devices.clear();
        self.contract.clear();
        self.contract.push_str(self.streams[place].row().contract);
        while self.contract_at(0) == Some(&self.contract) {
            self.take_first()?;
        }
        Ok(true)
    }

    fn row(&self) -> Row<'_> {
        Row { contract: &self.contract, days: self.days, seconds: self.seconds }
    }

    fn devices(&self) -> RowDevices<'_> {
        match self.devices.is_empty() {
            true => RowDevices::counted(self.n_devices),
            false => RowDevices::named(&self.devices, 0..self.devices.len()),
        }
    }
}

/// The partial of the records of all `parts`.
///
/// # Errors
/// As [`Partial::merge`].
pub fn merge_all(mut parts: Vec<Partial>) -> Result<Partial, MergeError> {
    let mut ledger = LedgerDetail::default();
    let mut devices = devices_of(&parts)?;
    for part in &mut parts {
        ledger.merge(std::mem::take(&mut part.ledger))?;
    }
    let mut rows = MergedRows::new(parts.iter().map(Rows::new).collect());
    let mut whole = Partial::default();
    let (mut days, mut seconds) = (Vec::new(), <[Vec<i64>; 5]>::default());
    while rows.advance()? {
        let row = rows.row();
        whole.contracts.push(row.contract);
        days.push(row.days);
        for (column, seconds) in seconds.iter_mut().zip(row.seconds) {
            column.push(seconds);
        }
        if let Some(devices) = &mut devices {
            devices.push(&rows.devices());
        }
    }
    Ok(Partial { days: days.into(), seconds: seconds.map(Into::into), devices, ledger, ..whole })
}

/// The devices of all `parts` before the first row, where they were counted. A part without a row says nothing of it.
fn devices_of(parts: &[Partial]) -> Result<Option<DeviceRows>, MergeError> {
    let counted: Vec<&DeviceRows> = parts.iter().filter_map(|part| part.devices.as_ref()).collect();
    let n_others = parts.iter().filter(|part| part.devices.is_none() && part.n_rows() > 0).count();
    let n_records = counted.iter().map(|devices| devices.n_records).sum();
    match (counted.len(), n_others) {
        (0, _) => Ok(None),
        (_, 0) => Ok(Some(DeviceRows { n_records, ..DeviceRows::default() })),
        _ => Err(MergeError::Devices),
    }
}
