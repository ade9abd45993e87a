//! What holds for every partial, whoever made it.

use super::{Partial, Row};
use crate::engine::calendar::Month;
use crate::engine::ledger::{FileLedger, InputFile, LedgerDetail, Reason};
use crate::engine::rules::Category;
use crate::engine::scan::record::MAX_CONTRACT_CHARS;

/// Something that cannot be true of a partial.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// Columns of different lengths.
    #[error("its columns have different numbers of rows")]
    Ragged,
    /// A row that is not after the one before it.
    #[error("row {row} is not after the one before: contracts must ascend byte by byte")]
    Unsorted {
        /// The row, from 0.
        row: usize,
    },
    /// A contract that no record can have.
    #[error("the contract of row {row} is blank or longer than {MAX_CONTRACT_CHARS} characters")]
    Contract {
        /// The row, from 0.
        row: usize,
    },
    /// A customer without a day, or with one the month does not have.
    #[error("the days of row {row} are {days:#b}: not one or more days of the month")]
    Days {
        /// The row, from 0.
        row: usize,
        /// The mask.
        days: u32,
    },
    /// Rows and ledger disagree about seconds.
    #[error("the seconds of {} are {rows} in its rows, {files} by file and {apps} by app", .category.name())]
    Seconds {
        /// Where they disagree.
        category: Category,
        /// The sum of the rows.
        rows: i128,
        /// The sum of the files.
        files: i128,
        /// The sum of the apps.
        apps: i128,
    },
    /// Records of a file that are neither kept nor rejected, or both.
    #[error("{uri}: {read} records read, {kept} kept, {rejected} rejected")]
    Unbalanced {
        /// The file.
        uri: String,
        /// Records read.
        read: u64,
        /// Records kept.
        kept: u64,
        /// Records rejected.
        rejected: u64,
    },
    /// Files and apps disagree about records.
    #[error("{kept} records are kept and {unmapped} unmapped by file, {kept_apps} and {unmapped_apps} by app")]
    Apps {
        /// Records kept, by file.
        kept: u64,
        /// Records of apps without a category, by file.
        unmapped: u64,
        /// Records kept, by app.
        kept_apps: u64,
        /// Records of apps without a category, by app.
        unmapped_apps: u64,
    },
    /// Customers on a day without as many records.
    #[error("{users} customers are active on day {day}, which has {kept} kept records")]
    Users {
        /// The day.
        day: usize,
        /// Customers with that day in their mask.
        users: u64,
        /// Kept records of that day's files.
        kept: u64,
    },
    /// Files that are not in order, or byte ranges outside of their file.
    #[error("{uri}: out of order, or read where it has no bytes")]
    File {
        /// The file.
        uri: String,
    },
}

impl Partial {
    /// Whether everything that must hold does: rows in order, days of `month`, and rows, files and
    /// apps that say the same.
    ///
    /// # Errors
    /// The first [`Flaw`].
    pub fn validate(&self, month: Month) -> Result<(), Flaw> {
        let n_rows = self.n_rows();
        if self.days.len() != n_rows || self.seconds.iter().any(|column| column.len() != n_rows) {
            return Err(Flaw::Ragged);
        }
        let mut rows = RowCheck::new(month);
        (0..n_rows).try_for_each(|row| rows.check(self.row(row)))?;
        rows.finish(&self.ledger)
    }
}

/// The same for rows that come one after the other, in memory that does not grow with them.
#[derive(Clone, Debug)]
pub struct RowCheck {
    month: Month,
    /// The first row that it checks, and the one after the last.
    first_row: usize,
    n_rows: usize,
    /// The contract of the last row.
    before: String,
    seconds: [i128; Category::ALL.len()],
    users: [u64; 31],
}

impl RowCheck {
    /// For rows of `month`, none of which was checked yet.
    pub fn new(month: Month) -> RowCheck {
        RowCheck::after(month, 0)
    }

    /// For rows of `month` after so many others, which another one checks.
    pub fn after(month: Month, n_before: usize) -> RowCheck {
        RowCheck {
            month,
            first_row: n_before,
            n_rows: n_before,
            before: String::new(),
            seconds: [0; Category::ALL.len()],
            users: [0; 31],
        }
    }

    /// Takes over what `later` checked: the rows after these, of which the first is of `contract`.
    ///
    /// # Errors
    /// [`Flaw::Unsorted`].
    pub fn append(&mut self, contract: &str, later: RowCheck) -> Result<(), Flaw> {
        if self.n_rows > self.first_row && self.before.as_str() >= contract {
            return Err(Flaw::Unsorted { row: later.first_row });
        }
        self.before = later.before;
        self.n_rows += later.n_rows - later.first_row;
        self.seconds.iter_mut().zip(later.seconds).for_each(|(sum, seconds)| *sum += seconds);
        self.users.iter_mut().zip(later.users).for_each(|(sum, users)| *sum += users);
        Ok(())
    }

    /// Checks the next row.
    ///
    /// # Errors
    /// The first [`Flaw`].
    pub fn check(&mut self, row: Row<'_>) -> Result<(), Flaw> {
        let Row { contract, days, seconds } = row;
        let row = self.n_rows;
        if row > self.first_row && self.before.as_str() >= contract {
            return Err(Flaw::Unsorted { row });
        }
        if contract.trim().is_empty() || contract.chars().count() > MAX_CONTRACT_CHARS {
            return Err(Flaw::Contract { row });
        }
        if days == 0 || days >> self.month.n_days() != 0 {
            return Err(Flaw::Days { row, days });
        }
        self.before.clear();
        self.before.push_str(contract);
        self.n_rows += 1;
        self.seconds.iter_mut().zip(seconds).for_each(|(sum, seconds)| *sum += i128::from(seconds));
        let mut days = days;
        while days != 0 {
            self.users[days.trailing_zeros() as usize] += 1;
            days &= days - 1;
        }
        Ok(())
    }

    /// Number of rows that were checked, and of those before them.
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// Customers active on each day, by the day of the month less 1.
    pub fn active_users(&self) -> [u64; 31] {
        self.users
    }

    /// Holds all rows against their ledger.
    ///
    /// # Errors
    /// The first [`Flaw`].
    pub fn finish(&self, ledger: &LedgerDetail) -> Result<(), Flaw> {
        validate_files(ledger)?;
        self.validate_sums(ledger)?;
        self.validate_days(ledger)
    }

    fn validate_sums(&self, ledger: &LedgerDetail) -> Result<(), Flaw> {
        let total = ledger.total();
        for category in Category::ALL {
            let rows = self.seconds[category as usize];
            let files = total.seconds[category as usize];
            let of_category = ledger.apps.values().filter(|sums| sums.category == Some(category));
            let apps = of_category.fold(0, |sum: i128, sums| sum.saturating_add(sums.seconds));
            if rows != files || rows != apps {
                return Err(Flaw::Seconds { category, rows, files, apps });
            }
        }
        let records = |is_mapped: bool| -> u64 {
            let apps = ledger.apps.values().filter(|sums| sums.category.is_some() == is_mapped);
            apps.map(|sums| sums.records).fold(0, u64::saturating_add)
        };
        let (kept, unmapped) = (total.kept, total.n_rejected_for(Reason::UnmappedApp));
        let (kept_apps, unmapped_apps) = (records(true), records(false));
        if (kept, unmapped) != (kept_apps, unmapped_apps) {
            return Err(Flaw::Apps { kept, unmapped, kept_apps, unmapped_apps });
        }
        Ok(())
    }

    fn validate_days(&self, ledger: &LedgerDetail) -> Result<(), Flaw> {
        let mut kept = [0_u64; 31];
        for FileLedger { file, counts } in &ledger.files {
            let kept = &mut kept[file.day.index()];
            *kept = kept.saturating_add(counts.kept);
        }
        for (day, (users, kept)) in self.users.into_iter().zip(kept).enumerate() {
            // A record makes a customer active, and no customer is active without one.
            if users > kept || (users == 0) != (kept == 0) {
                return Err(Flaw::Users { day: day + 1, users, kept });
            }
        }
        Ok(())
    }
}

fn validate_files(ledger: &LedgerDetail) -> Result<(), Flaw> {
    let mut last = None;
    for FileLedger { file, counts } in &ledger.files {
        let end = file
            .ranges
            .iter()
            .try_fold(0, |from, range| (from <= range.start && range.start < range.end).then_some(range.end));
        if last.is_some_and(|last: &InputFile| last.uri >= file.uri || last.order() > file.order())
            || end.is_none_or(|end| end > file.n_bytes)
        {
            return Err(Flaw::File { uri: file.uri.clone() });
        }
        // Records come from bytes: without any, the same records could be added twice unseen.
        if !counts.balances() || file.ranges.is_empty() && counts.read > 0 {
            let (read, kept, rejected) = (counts.read, counts.kept, counts.n_rejected());
            return Err(Flaw::Unbalanced { uri: file.uri.clone(), read, kept, rejected });
        }
        last = Some(file);
    }
    Ok(())
}
