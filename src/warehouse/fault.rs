//! Why a database did not do a step.

use std::borrow::Cow;
use std::path::PathBuf;

use super::meaning::{LOAD_FIRST, Meaning, ROWS_REFUSED};
use super::schema::Dialect;
use super::schema::version::Misfit;
use crate::advice::BOUND_SECONDS;
use crate::engine::calendar::Month;

/// Why the database refused or broke off a step: in its own words, or because of what was found in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The database, its client or the operating system says so.
    #[error("{words}")]
    Said {
        /// Their own words.
        words: String,
        /// What they mean.
        meaning: Meaning,
    },
    /// Another session holds what is needed, and went on doing so.
    #[error("{words}; waited {waited_s} s for another session: {holders}")]
    Held {
        /// The database's own words.
        words: String,
        /// How long it was waited for.
        waited_s: u64,
        /// Who holds it, as far as that is known.
        holders: String,
        /// The first connection of these.
        connection: Option<u64>,
    },
    /// Another viewmart works on the warehouse, and went on doing so.
    #[error("{holder} has been working on this warehouse for more than {waited_s} s")]
    NoTurn {
        /// Who that is.
        holder: String,
        /// Its connection.
        connection: u64,
        /// How long it was waited for.
        waited_s: u64,
    },
    /// Others published the month whenever it was read.
    #[error("other runs replaced the month again and again while it was read")]
    ReplacedAgain,
    /// What belongs beside the month could not be made; whoever tried knows why.
    #[error("the files of the month could not be written")]
    Withheld,
    /// Another run published the month while this one worked on it.
    #[error("another run published {month} meanwhile")]
    Replaced { month: Month },
    /// There is no file.
    #[error("there is no file {}", path.display())]
    NoFile { path: PathBuf },
    /// There is a database at most, but no warehouse in it.
    #[error("there is no warehouse {}", place(.file.as_ref()))]
    NoWarehouse {
        /// The file that it would be; none where it would be a database of a server.
        file: Option<PathBuf>,
    },
    /// The warehouse lacks the month.
    #[error("the warehouse does not hold the month {month}")]
    NoMonth {
        month: Month,
        /// What it was wanted for.
        wanted: Wanted,
    },
    /// Tables that are not as this program makes them.
    #[error("{}", misfit.why(.name))]
    Misfit {
        /// The database or its file.
        name: String,
        /// What keeps it.
        dialect: Dialect,
        /// What is wrong with it.
        misfit: Misfit,
    },
    /// The mart was made from another warehouse.
    #[error("{mart} is the mart of another warehouse ({other}, this one is {this})")]
    OtherMart {
        mart: String,
        /// The number of the warehouse that it was made from.
        other: String,
        /// The number of this one, or `new`.
        this: String,
        /// The statement that removes the mart; none where it is a file.
        removal: Option<String>,
    },
    /// Warehouse and mart are one database.
    #[error("{mart} and {database} are one database on this server")]
    SameDatabase {
        /// Name of the mart.
        mart: String,
        /// Name of the warehouse.
        database: String,
    },
    /// A database that is not there and may not be made.
    #[error("the database {database} does not exist, and `{user}` may not create it: {words}")]
    NoDatabase {
        /// The database, quoted.
        database: String,
        /// The account.
        user: String,
        /// The server's own words.
        words: String,
        /// The statement that makes it.
        creation: String,
        /// The statements that give the account its rights.
        grants: String,
    },
    /// A table of our name whose partitions are not a month each.
    #[error("the table {table} is not partitioned by month, as this program makes it")]
    Unpartitioned {
        /// The table, quoted.
        table: String,
        /// The statement that puts it right, where all its rows are of months.
        repair: Option<String>,
    },
    /// A server of a release that lacks what is needed.
    #[error("the server is {found}; the oldest that serves is {oldest}")]
    OldServer {
        /// Product and release.
        found: String,
        /// The oldest release of the same product that will do.
        oldest: &'static str,
    },
    /// A setting that did not take.
    #[error("the session's {name} is {found}, although it was set to {wanted}")]
    Unset {
        /// The setting.
        name: String,
        found: String,
        /// What it was set to.
        wanted: String,
    },
    /// The server did not store what it was sent.
    #[error("the server changed rows: {n_warnings} warnings{}", listed(.first.as_ref()))]
    ChangedRows {
        /// How many warnings it gave.
        n_warnings: u16,
        /// The first of them and its number.
        first: Option<(String, u16)>,
    },
    /// Sums that do not fit.
    #[error("the seconds of {what} do not fit in 64 bits: {seconds}, signs aside")]
    Overflow {
        /// Whose seconds.
        what: String,
        /// Their sum without signs.
        seconds: u128,
    },
    /// A month that is made by another run just so, and is not made again.
    #[error("run {run} made the month meanwhile, of the same files by the same rules")]
    MadeMeanwhile { run: i64 },
    /// An answer that is not of the form that was asked for.
    #[error("{what}")]
    Answer {
        /// What came.
        what: String,
    },
    /// A row of `customer_behavior` that nobody here wrote.
    #[error("{what}")]
    CustomerRow {
        /// What is wrong with it.
        what: String,
    },
    /// A row of the mart that this version did not write.
    #[error("a row of `{table}` for {month} is not as this version of viewmart writes it")]
    MartRow { table: &'static str, month: Month },
    /// Fewer or other rows than the mart counts.
    #[error("{month} came with {n_rows} rows and {seconds} seconds, but its mart counts {users} and {total_seconds}")]
    OtherRows {
        month: Month,
        /// Rows that came.
        n_rows: i64,
        seconds: i128,
        /// Rows in the mart's summary.
        users: i64,
        /// Seconds there.
        total_seconds: i64,
    },
}

/// What a month was wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// To build its mart.
    Mart,
    /// To be removed.
    Removal,
}

fn place(file: Option<&PathBuf>) -> String {
    file.map_or_else(|| "in this database".to_owned(), |file| format!("at {}", file.display()))
}

fn listed(first: Option<&(String, u16)>) -> String {
    first.map_or_else(String::new, |(text, code)| format!(", the first: {text} (warning {code})"))
}

impl Fault {
    /// In the words of whoever failed.
    pub(super) fn said(words: impl ToString, meaning: Meaning) -> Fault {
        Fault::Said { words: words.to_string(), meaning }
    }

    /// What to do about it, where that is known.
    pub fn advice(&self) -> Option<Cow<'static, str>> {
        let advice = match self {
            Fault::Said { meaning, .. } => return meaning.advice(),
            Fault::Misfit { name, dialect, misfit } => misfit.advice(name, *dialect),
            Fault::Held { connection: Some(id), .. } => {
                format!("wait until it is done, or end it with KILL {id}, then run again")
            }
            Fault::NoTurn { connection, .. } => {
                format!("wait for that run; if it is none, or hangs, end it with KILL {connection}")
            }
            Fault::Replaced { month } => format!("draw it again with `viewmart dashboard --month {month}`"),
            Fault::OtherMart { removal, .. } => {
                let removal = removal.as_ref().map_or_else(|| "remove it".to_owned(), |sql| format!("drop it ({sql})"));
                format!("name another one with --mart-db, or {removal} if that warehouse is gone")
            }
            Fault::NoDatabase { creation, grants, .. } => {
                format!("let an administrator run: {creation}; {grants}")
            }
            Fault::Unpartitioned { repair: Some(repair), .. } => format!(
                "if somebody changed it, put it right ({repair}); if it is somebody else's, rename it or give another \
                 database"
            ),
            Fault::MartRow { month, .. } => format!("rebuild it with `viewmart mart --month {month}`"),
            Fault::OtherRows { month, .. } => format!(
                "another run may have published the month meanwhile: run `viewmart dashboard --month {month}` again; if \
                 it repeats, rebuild the mart with `viewmart mart --month {month}`"
            ),
            other => return other.fixed_advice().map(Cow::Borrowed),
        };
        Some(Cow::Owned(advice))
    }

    /// The advice that is the same whatever the kind holds.
    fn fixed_advice(&self) -> Option<&'static str> {
        Some(match self {
            Fault::Held { .. } => {
                "let an administrator find who holds the table (SHOW PROCESSLIST; an open transaction will do) and \
                 end it, then run again"
            }
            Fault::ChangedRows { .. } => ROWS_REFUSED,
            Fault::Withheld => "put right what kept them from being written, then run again",
            Fault::ReplacedAgain => "run again when they have ended",
            Fault::NoFile { .. } | Fault::NoWarehouse { .. } => LOAD_FIRST,
            Fault::NoMonth { wanted: Wanted::Mart, .. } => "load it first, with `viewmart run` or `viewmart load`",
            Fault::NoMonth { wanted: Wanted::Removal, .. } => "`viewmart months` lists the months that it holds",
            Fault::SameDatabase { .. } => "the mart needs a database of its own, give another name with --mart-db",
            Fault::Unpartitioned { .. } => "rename that table, or give another database",
            Fault::OldServer { .. } => "load into a newer server",
            Fault::Unset { .. } => "connect to the server itself: what stands in between changes settings",
            Fault::Overflow { .. } => BOUND_SECONDS,
            Fault::CustomerRow { .. } => "load the month again with `viewmart load`",
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_say_what_was_found_and_what_to_do() {
        let month: Month = "2022-04".parse().unwrap();
        let check = |fault: Fault, words: &str, advice: &str| {
            assert_eq!((fault.to_string().as_str(), fault.advice().unwrap_or_default().as_ref()), (words, advice));
        };
        let said = |meaning: Meaning| Fault::said("as it is", meaning);
        check(said(Meaning::Unknown), "as it is", "");
        check(said(Meaning::NoTables), "as it is", LOAD_FIRST);
        check(said(Meaning::Overflow), "as it is", BOUND_SECONDS);
        let grants = "GRANT ALL".to_owned();
        check(said(Meaning::NoRights { grants }), "as it is", "grant what is missing: GRANT ALL");
        check(
            said(Meaning::NoDatabase { name: "`tv`".into() }),
            "as it is",
            "check its name in the address; where it is to be new, create it: CREATE DATABASE `tv`",
        );
        let held = |connection: Option<u64>| Fault::Held {
            words: "Lock wait".into(),
            waited_s: 1,
            holders: "connection 7".into(),
            connection,
        };
        let words = "Lock wait; waited 1 s for another session: connection 7";
        check(held(Some(7)), words, "wait until it is done, or end it with KILL 7, then run again");
        check(
            held(None),
            words,
            "let an administrator find who holds the table (SHOW PROCESSLIST; an open transaction will do) and end it, \
             then run again",
        );
        check(
            Fault::NoFile { path: "/a/w.db".into() },
            "there is no file /a/w.db",
            "load a month first, with `viewmart run` or `viewmart load`",
        );
        check(Fault::NoWarehouse { file: Some("/a".into()) }, "there is no warehouse at /a", LOAD_FIRST);
        check(Fault::NoWarehouse { file: None }, "there is no warehouse in this database", LOAD_FIRST);
        check(
            Fault::NoMonth { month, wanted: Wanted::Mart },
            "the warehouse does not hold the month 2022-04",
            "load it first, with `viewmart run` or `viewmart load`",
        );
        check(
            Fault::NoMonth { month, wanted: Wanted::Removal },
            "the warehouse does not hold the month 2022-04",
            "`viewmart months` lists the months that it holds",
        );
        let other = |removal: Option<&str>| Fault::OtherMart {
            mart: "m".into(),
            other: "1".into(),
            this: "new".into(),
            removal: removal.map(str::to_owned),
        };
        let words = "m is the mart of another warehouse (1, this one is new)";
        check(other(None), words, "name another one with --mart-db, or remove it if that warehouse is gone");
        check(
            other(Some("DROP DATABASE m")),
            words,
            "name another one with --mart-db, or drop it (DROP DATABASE m) if that warehouse is gone",
        );
        check(
            Fault::OtherRows { month, n_rows: 1, seconds: 2, users: 3, total_seconds: 4 },
            "2022-04 came with 1 rows and 2 seconds, but its mart counts 3 and 4",
            "another run may have published the month meanwhile: run `viewmart dashboard --month 2022-04` again; if it \
             repeats, rebuild the mart with `viewmart mart --month 2022-04`",
        );
    }
}
