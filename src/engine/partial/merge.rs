//! Rows of many parts become the rows of the whole, in one pass and in memory that does not grow
//! with them.

use super::{Overflow, Partial, Row, SumOf};
use crate::engine::ledger::{LedgerConflict, LedgerDetail};

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
}

/// The rows of a [`Partial`].
#[derive(Clone, Debug)]
pub struct Rows<'a> {
    partial: &'a Partial,
    /// Number of rows that were reached: the cursor stands at the last of them.
    n_reached: usize,
}

impl<'a> Rows<'a> {
    /// The rows of `partial`.
    pub fn new(partial: &'a Partial) -> Rows<'a> {
        Rows { partial, n_reached: 0 }
    }
}

impl RowStream for Rows<'_> {
    type Error = MergeError;

    fn advance(&mut self) -> Result<bool, MergeError> {
        let is_there = self.n_reached < self.partial.n_rows();
        self.n_reached += usize::from(is_there);
        Ok(is_there)
    }

    fn row(&self) -> Row<'_> {
        self.partial.row(self.n_reached.saturating_sub(1))
    }
}

/// The rows of several streams as one: a contract that stands in many of them becomes one row,
/// seconds added, days united.
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
    is_started: bool,
}

impl<S: RowStream> MergedRows<S>
where
    S::Error: From<Overflow>,
{
    /// The rows of `streams`, none of which was moved yet.
    pub fn new(streams: Vec<S>) -> MergedRows<S> {
        MergedRows { streams, heap: Vec::new(), contract: String::new(), days: 0, seconds: [0; 5], is_started: false }
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
        (self.days, self.seconds) = (0, [0; 5]);
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
}

/// The partial of the records of all `parts`.
///
/// # Errors
/// As [`Partial::merge`].
pub fn merge_all(mut parts: Vec<Partial>) -> Result<Partial, MergeError> {
    let mut ledger = LedgerDetail::default();
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
    }
    Ok(Partial { days: days.into(), seconds: seconds.map(Into::into), ledger, ..whole })
}
