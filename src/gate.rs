//! The gate before anything is published: the ledger balances and not too much was rejected.

use crate::engine::ledger::{Ledger, Reason};
use crate::engine::month::{MonthTable, sum};
use crate::engine::rules::Category;
use crate::error::DataError;

/// Refuses a month that does not balance, or of which more than `max_reject_ratio` of the records were rejected.
///
/// # Errors
/// [`DataError::Ledger`] or [`DataError::RejectLimit`].
pub fn accept(table: &MonthTable, max_reject_ratio: f64) -> Result<(), DataError> {
    check_balance(table)?;
    let ledger = &table.ledger;
    if ledger.reject_ratio() <= max_reject_ratio {
        return Ok(());
    }
    let counted: Vec<Reason> = Reason::ALL.into_iter().filter(|r| r.counts_against_limit()).collect();
    let counts: Vec<String> = counted
        .iter()
        .filter(|reason| ledger.n_rejected_for(**reason) > 0)
        .map(|reason| format!("{reason} {}", ledger.n_rejected_for(*reason)))
        .collect();
    Err(DataError::RejectLimit {
        rejected: counted.iter().map(|reason| ledger.n_rejected_for(*reason)).sum(),
        read: ledger.read,
        percent: ledger.reject_ratio() * 100.0,
        limit_percent: max_reject_ratio * 100.0,
        counts: counts.join(", "),
    })
}

/// Every record is accounted for, and the table holds exactly the seconds of the kept ones.
///
/// # Errors
/// [`DataError::Ledger`].
pub fn check_balance(table: &MonthTable) -> Result<(), DataError> {
    let Ledger { read, kept, .. } = table.ledger;
    let unequal = |what: String| Err(DataError::Ledger { what });
    if !table.ledger.balances() {
        return unequal(format!("{read} read, but {kept} kept and {} rejected", table.ledger.n_rejected()));
    }
    for category in Category::ALL {
        let in_ledger = table.ledger.seconds[category as usize];
        let in_table = sum(&table.seconds[category as usize]);
        if in_ledger != in_table {
            let name = category.name();
            return unequal(format!("{in_ledger} seconds of {name} were kept, but the table has {in_table}"));
        }
    }
    let in_table = sum(&table.total);
    if table.ledger.n_seconds() != in_table {
        return unequal(format!("{} seconds were kept, but the table has {in_table}", table.ledger.n_seconds()));
    }
    let by_day: u64 = table.activity.iter().map(|day| day.records).sum();
    if kept != by_day {
        return unequal(format!("{kept} records were kept, but the days have {by_day}"));
    }
    Ok(())
}
