//! What was found in some of a month's bytes, in the form that can be added up.
//!
//! ```text
//! scan -> aggregate -> Partial --merge--> Partial --finish--> MonthTable
//!                      a split, a file,   a month             labels
//!                      a day
//! ```
//!
//! Merging is associative and commutative, and the empty partial changes nothing; labels are made
//! by [`Partial::finish`] alone. So it makes no difference in how many parts, on how many machines
//! or in which order a month was scanned. The one exception is a part whose sums pass 64 bits
//! though those of the whole would not: it is an error by itself.

mod merge;
mod validate;

pub use merge::{MergeError, MergedRows, RowStream, Rows, merge_all};
pub use validate::{Flaw, RowCheck};

use rayon::prelude::*;

use super::aggregate::days;
use super::aggregate::huge_pages::HugePageVec;
use super::calendar::Day;
use super::devices::{DeviceRows, RowDevices};
use super::ledger::LedgerDetail;
use super::month::{Contracts, DayActivity, MonthMeta, MonthTable};
use super::rules::{Category, LabelRules, Taste};

/// Rows that one task labels.
const ROWS_PER_TASK: usize = 1 << 13;

/// One row per customer in contract order (bytes), as columns of equal length, and the ledger of
/// the records they come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Partial {
    /// The customers, strictly ascending by bytes.
    pub contracts: Contracts,
    /// Days with a kept record: bit `d - 1` stands for day `d`. Never 0.
    pub days: HugePageVec<u32>,
    /// Seconds of kept records, indexed by [`Category`] as `usize`, then by row.
    pub seconds: [HugePageVec<i64>; 5],
    /// The devices of each customer, where they were counted.
    pub devices: Option<DeviceRows>,
    /// What became of every record, by file and by app.
    pub ledger: LedgerDetail,
}

/// A customer's row before labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row<'a> {
    /// The customer.
    pub contract: &'a str,
    /// Days with a kept record: bit `d - 1` stands for day `d`.
    pub days: u32,
    /// Seconds of kept records, indexed by [`Category`] as `usize`.
    pub seconds: [i64; 5],
}

/// Seconds that do not fit in 64 bits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the seconds of {of} do not fit in 64 bits")]
pub struct Overflow {
    /// Whose seconds.
    pub of: SumOf,
}

/// What seconds are added up over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SumOf {
    /// The month of one customer.
    Contract(String),
    /// All customers on one day.
    Day(Day),
    /// All customers in the month, in one category.
    Category(Category),
    /// All customers in the month.
    Month,
}

impl std::fmt::Display for SumOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SumOf::Contract(contract) => write!(f, "contract `{}`", contract.escape_debug()),
            SumOf::Day(day) => write!(f, "day {}", day.number()),
            SumOf::Category(category) => write!(f, "category {} in the whole month", category.name()),
            SumOf::Month => f.write_str("the whole month"),
        }
    }
}

impl Partial {
    /// The partial of `rows`, in order.
    pub fn from_rows<'a>(rows: impl IntoIterator<Item = Row<'a>>, ledger: LedgerDetail) -> Partial {
        let mut contracts = Contracts::default();
        let (mut days, mut seconds) = (Vec::new(), <[Vec<i64>; 5]>::default());
        for row in rows {
            contracts.push(row.contract);
            days.push(row.days);
            for (column, seconds) in seconds.iter_mut().zip(row.seconds) {
                column.push(seconds);
            }
        }
        Partial { contracts, days: days.into(), seconds: seconds.map(Into::into), devices: None, ledger }
    }

    /// The rows of `parts` one after the other, which must be their order. Ledgers and the names of devices are left out.
    pub fn concat(parts: Vec<Partial>) -> Partial {
        let n_rows = parts.iter().map(Partial::n_rows).sum();
        let seconds = Category::ALL.map(|category| category as usize);
        let ((days, seconds), contracts) = rayon::join(
            || {
                let seconds =
                    seconds.map(|place| join_columns(n_rows, parts.iter().map(|part| &part.seconds[place][..])));
                (join_columns(n_rows, parts.iter().map(|part| &part.days[..])), seconds)
            },
            || Contracts::concat(parts.iter().map(|part| &part.contracts)),
        );
        let devices: Option<Vec<&DeviceRows>> = parts.iter().map(|part| part.devices.as_ref()).collect();
        let devices = devices.filter(|parts| !parts.is_empty()).map(|parts| DeviceRows {
            counts: parts.iter().flat_map(|part| &part.counts).copied().collect(),
            names: Contracts::default(),
            n_records: parts.iter().map(|part| part.n_records).sum(),
        });
        Partial { contracts, days, seconds, devices, ledger: LedgerDetail::default() }
    }

    /// Number of customers.
    pub fn n_rows(&self) -> usize {
        self.contracts.len()
    }

    /// The row at a place.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn row(&self, row: usize) -> Row<'_> {
        Row {
            contract: self.contracts.get(row),
            days: self.days[row],
            seconds: std::array::from_fn(|category| self.seconds[category][row]),
        }
    }

    /// The partial of the records of both.
    ///
    /// # Errors
    /// Sums that do not fit in 64 bits, or ledgers that cannot be of two parts of one month.
    pub fn merge(self, other: Partial) -> Result<Partial, MergeError> {
        merge_all(vec![self, other])
    }

    /// Labels the customers: what the month's tables hold.
    ///
    /// # Errors
    /// [`Overflow`] when a sum does not fit: of a contract (the first one in order), of a day, or
    /// of the month, where any sum over some of the customers must fit as well, as the mart
    /// makes such sums.
    pub fn finish(self, meta: MonthMeta<'_>) -> Result<MonthTable, Overflow> {
        let Partial { contracts, days, seconds, devices, ledger } = self;
        let labels = Labels::new(&seconds, &days, meta.labels)
            .map_err(|row| Overflow { of: SumOf::Contract(contracts.get(row).to_owned()) })?;
        let activity = activity(&days::active_users(&days), &ledger)?;
        for category in Category::ALL {
            let of = SumOf::Category(category);
            parts_fit(&seconds[category as usize]).then_some(()).ok_or(Overflow { of })?;
        }
        parts_fit(&labels.total).then_some(()).ok_or(Overflow { of: SumOf::Month })?;
        Ok(MonthTable {
            month: meta.month,
            etl_date: meta.etl_date,
            contracts,
            days,
            seconds,
            total: labels.total,
            most_watch: labels.most_watch,
            taste: labels.taste,
            activeness: labels.activeness,
            taste_labels: meta.labels.taste_labels(),
            devices,
            activity,
            ledger: ledger.total(),
            detail: ledger,
            provenance: meta.provenance,
        })
    }
}

/// Columns one after the other, `n_values` in all.
fn join_columns<'a, T: bytemuck::Pod>(n_values: usize, columns: impl Iterator<Item = &'a [T]>) -> HugePageVec<T> {
    let mut joined = HugePageVec::zeroed(n_values);
    let mut rest = &mut *joined;
    for column in columns {
        if let Some(place) = rest.split_off_mut(..column.len()) {
            place.copy_from_slice(column);
        }
    }
    joined
}

/// The columns that follow from seconds, days and label rules.
struct Labels {
    total: HugePageVec<i64>,
    most_watch: Vec<u8>,
    taste: Vec<Taste>,
    activeness: Vec<u8>,
}

/// Some rows of [`Labels`], in the order of its fields.
type LabelRows<'a> = (&'a mut [i64], &'a mut [u8], &'a mut [Taste], &'a mut [u8]);

impl Labels {
    /// # Errors
    /// The first row whose total does not fit.
    fn new(seconds: &[HugePageVec<i64>; 5], days: &[u32], rules: &LabelRules) -> Result<Labels, usize> {
        let n_rows = days.len();
        let mut labels = Labels {
            total: HugePageVec::zeroed(n_rows),
            most_watch: vec![0; n_rows],
            taste: vec![Taste(0); n_rows],
            activeness: vec![0; n_rows],
        };
        let tasks = (
            labels.total.par_chunks_mut(ROWS_PER_TASK),
            labels.most_watch.par_chunks_mut(ROWS_PER_TASK),
            labels.taste.par_chunks_mut(ROWS_PER_TASK),
            labels.activeness.par_chunks_mut(ROWS_PER_TASK),
        );
        let fill = |(task, (total, most_watch, taste, activeness)): (usize, LabelRows<'_>)| {
            let start = task * ROWS_PER_TASK;
            let seconds: [&[i64]; 5] = std::array::from_fn(|category| &seconds[category][start..][..total.len()]);
            let days = &days[start..][..total.len()];
            for row in 0..total.len() {
                let of_row = seconds.map(|column| column[row]);
                let Some(sum) = sum_of(&of_row) else { return Some(start + row) };
                total[row] = sum;
                most_watch[row] = rules.most_watched(&of_row).map_or(MonthTable::NOTHING_WATCHED, |c| c as u8);
                taste[row] = rules.taste(&of_row);
                activeness[row] = days[row].count_ones() as u8;
            }
            None
        };
        // In row order, so that the first contract that overflows is the one named.
        let overflows: Vec<Option<usize>> = tasks.into_par_iter().enumerate().map(fill).collect();
        overflows.into_iter().flatten().next().map_or(Ok(labels), Err)
    }
}

/// The days that have a file. `active_users` is by the day of the month less 1.
///
/// # Errors
/// [`Overflow`] when the seconds of a day do not fit.
pub fn activity(active_users: &[u64; 31], ledger: &LedgerDetail) -> Result<Vec<DayActivity>, Overflow> {
    let of_day = |(day, of_day): (Day, super::ledger::DayLedger)| {
        let seconds = narrow(&of_day.counts.seconds);
        // The total is a column of its own.
        let seconds = seconds.filter(|seconds| sum_of(seconds).is_some()).ok_or(Overflow { of: SumOf::Day(day) })?;
        Ok(DayActivity { day, active_users: active_users[day.index()], records: of_day.counts.kept, seconds })
    };
    ledger.by_day().into_iter().map(of_day).collect()
}

/// Whether all sums over some of `values` fit in 64 bits.
fn parts_fit(values: &[i64]) -> bool {
    // All values lie within ± (bits + 1), which for nearly every month settles it.
    let bits = |values: &[i64]| values.iter().fold(0, |bits, value| bits | (value ^ (value >> 63)));
    let bits = values.par_chunks(1 << 16).map(bits).reduce(|| 0, |a, b| a | b);
    if (i128::from(bits) + 1).saturating_mul(values.len() as i128) <= i128::from(i64::MAX) {
        return true;
    }
    let sum_where =
        |is_in: fn(&i128) -> bool| -> i128 { values.iter().map(|value| i128::from(*value)).filter(is_in).sum() };
    i64::try_from(sum_where(|value| *value > 0)).is_ok() && i64::try_from(sum_where(|value| *value < 0)).is_ok()
}

/// The sum of five, if it fits.
fn sum_of(seconds: &[i64; 5]) -> Option<i64> {
    // Step by step it may leave 64 bits and come back.
    i64::try_from(seconds.iter().map(|seconds| i128::from(*seconds)).sum::<i128>()).ok()
}

/// Five sums in 64 bits, if they fit.
pub(super) fn narrow(seconds: &[i128; 5]) -> Option<[i64; 5]> {
    let mut narrow = [0; 5];
    for (narrow, wide) in narrow.iter_mut().zip(seconds) {
        *narrow = i64::try_from(*wide).ok()?;
    }
    Some(narrow)
}

#[cfg(test)]
pub(in crate::engine) mod tests;
