//! The tables and views of the warehouse, as data; [`crate::mart`] has its own.

use crate::engine::columns::{self, COLUMNS, Output, Role, Unit};

/// Which database an object lives in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Database {
    /// The warehouse, `{warehouse}` in statements.
    Warehouse,
    /// The mart, `{mart}` in statements.
    Mart,
    /// Nowhere for long: a table that is there while a mart is built, `{work}` and its name in statements.
    Work,
}

/// The type of a column. No column may be NULL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// A calendar day; in SQLite text `YYYY-MM-DD`.
    Date,
    /// A moment in UTC with milliseconds; in SQLite text as of [`super::utc_text`].
    Timestamp,
    /// Text of at most so many characters, compared byte for byte, without padding.
    Text(u16),
    /// Text of any length.
    LongText,
    /// 64 bits.
    BigInt,
    /// 32 bits.
    Int,
    /// Binary floating point of 64 bits: shares and averages.
    Double,
    /// A number that the database gives, ascending; the key of its table.
    Id,
}

/// A column of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// The name as it stands in the database.
    pub name: &'static str,
    pub column_type: ColumnType,
    /// What it means.
    pub comment: &'static str,
    /// What its numbers count; empty where they count nothing.
    pub unit: &'static str,
    /// The first version of the schema that has it.
    pub since: u32,
    /// The value of rows that are older than the column, as SQL; empty for 0, or no text.
    pub default: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    /// Where it lives.
    pub database: Database,
    /// Its name, without the database.
    pub name: &'static str,
    /// What it holds.
    pub comment: &'static str,
    /// Its columns in order: those of a newer version come last.
    pub columns: &'static [Column],
    /// The primary key, in order.
    pub key: &'static [&'static str],
}

/// A view over one table of the same database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// Where it and its table live.
    pub database: Database,
    /// Its name, without the database.
    pub name: &'static str,
    /// What it shows.
    pub comment: &'static str,
    /// The table it shows.
    pub table: &'static str,
    /// Column of the table, name in the view.
    pub columns: &'static [(&'static str, &'static str)],
    /// Which rows it shows: a condition in which `{table}` stands for the table, or nothing for all.
    pub rows: &'static str,
}

/// For views that show the newest month alone.
pub(crate) const NEWEST_MONTH: &str = "Month = (SELECT MAX(newest.Month) FROM {table} AS newest)";

/// Longest name of an app that the tables hold, in characters; longer ones are cut.
///
/// Keys of MySQL hold the name, and a key has at most 3072 bytes there.
pub const MAX_APP_CHARS: u16 = 500;

/// What the numbers of a column count, by how its name ends; the first that fits.
const UNITS: &[(&str, &str)] = &[
    ("SecondsPerUser", "seconds per customer"),
    ("Share", "fraction 0..1"),
    ("Duration", "seconds"),
    ("Seconds", "seconds"),
    ("SecondsBefore", "seconds"),
    ("Users", "customers"),
    ("TotalUser", "customers"),
    ("Records", "records"),
    ("RecordsRead", "records"),
    ("RecordsKept", "records"),
    ("Files", "files"),
    ("Runs", "runs"),
    ("Bytes", "bytes"),
    ("ActiveDays", "days"),
    ("Devices", "devices"),
    ("Activeness", "days"),
];

const fn unit_of(name: &str) -> &'static str {
    let name = name.as_bytes();
    let mut place = 0;
    while place < UNITS.len() {
        let (end, unit) = UNITS[place];
        let end = end.as_bytes();
        let mut n_same = 0;
        while n_same < end.len() && n_same < name.len() && end[end.len() - 1 - n_same] == name[name.len() - 1 - n_same]
        {
            n_same += 1;
        }
        if n_same == end.len() {
            return unit;
        }
        place += 1;
    }
    if starts_with(name, b"Rejected_") { "records" } else { "" }
}

const fn starts_with(name: &[u8], start: &[u8]) -> bool {
    let mut n_same = 0;
    while n_same < start.len() && n_same < name.len() && start[n_same] == name[n_same] {
        n_same += 1;
    }
    n_same == start.len()
}

/// Shorthand for a column that was there from the first version on.
pub(crate) const fn column(name: &'static str, column_type: ColumnType, comment: &'static str) -> Column {
    Column { name, column_type, comment, unit: unit_of(name), since: 1, default: "" }
}

/// Shorthand for a column that the second version of the schema added.
pub(crate) const fn added(
    name: &'static str,
    column_type: ColumnType,
    comment: &'static str,
    default: &'static str,
) -> Column {
    Column { name, column_type, comment, unit: unit_of(name), since: 2, default }
}

use ColumnType::{BigInt, Date, Id, Int, LongText, Text, Timestamp};

/// A column of a customer's row as a column of a table.
const fn of_customer(column: &columns::Column) -> Column {
    let column_type = match column.column_type {
        columns::ColumnType::Date => Date,
        columns::ColumnType::Text { max_chars } => Text(max_chars),
        columns::ColumnType::BigInt => BigInt,
        columns::ColumnType::Int => Int,
    };
    let unit = match column.unit {
        Unit::None | Unit::DayMask => "",
        Unit::Seconds => "seconds",
        Unit::Days => "days",
        Unit::Devices => "devices",
    };
    Column { name: column.name, column_type, comment: column.comment, unit, since: column.since, default: "" }
}

/// Whether the warehouse holds a column of a customer's row.
const fn is_held(column: &columns::Column) -> bool {
    column.is_held_by(Output::Warehouse)
}

/// Whether it is added up by day too.
const fn is_by_day(column: &columns::Column) -> bool {
    column.is_held_by(Output::Days)
}

/// Defines a constant slice of those items of `COLUMNS` that a condition chooses, after some items of its own.
macro_rules! chosen_columns {
    ($name:ident: $item:ty = $first:expr, $chosen:path, $made:expr, $filler:expr) => {
        pub(crate) const $name: &[$item] = {
            const FIRST: &[$item] = $first;
            const N: usize = {
                let (mut n, mut place) = (FIRST.len(), 0);
                while place < COLUMNS.len() {
                    n += $chosen(&COLUMNS[place]) as usize;
                    place += 1;
                }
                n
            };
            const ALL: [$item; N] = {
                let mut all = [$filler; N];
                let (mut n, mut place) = (0, 0);
                while n < FIRST.len() {
                    all[n] = FIRST[n];
                    n += 1;
                }
                while place < COLUMNS.len() {
                    if $chosen(&COLUMNS[place]) {
                        all[n] = $made(&COLUMNS[place]);
                        n += 1;
                    }
                    place += 1;
                }
                all
            };
            &ALL
        };
    };
}

const NO_COLUMN: Column = column("", Int, "");

chosen_columns!(CUSTOMER_COLUMNS: Column = &[], is_held, of_customer, NO_COLUMN);

chosen_columns!(DAILY_COLUMNS: Column = &[
    column("Month", Date, "first day of the month"),
    column("Day", Date, "the day"),
    column("ActiveUsers", BigInt, "customers with at least one kept record on the day"),
    column("Records", BigInt, "kept records of the day"),
], is_by_day, of_customer, NO_COLUMN);

const fn is_in_key(column: &columns::Column) -> bool {
    matches!(column.role, Role::Key)
}

const fn name_of(column: &columns::Column) -> &'static str {
    column.name
}

chosen_columns!(CUSTOMER_KEY: &'static str = &[], is_in_key, name_of, "");

const fn has_seed_name(column: &columns::Column) -> bool {
    column.seed_name.is_some()
}

const fn seed_names(column: &columns::Column) -> (&'static str, &'static str) {
    match column.seed_name {
        Some(seed_name) => (column.name, seed_name),
        None => (column.name, column.name),
    }
}

chosen_columns!(SEED_COLUMNS: (&'static str, &'static str) = &[], has_seed_name, seed_names, ("", ""));

/// The customers: one row per month and contract.
pub const CUSTOMER_BEHAVIOR: Table = Table {
    database: Database::Warehouse,
    name: "customer_behavior",
    comment: "customers: one row per month and contract",
    columns: CUSTOMER_COLUMNS,
    key: CUSTOMER_KEY,
};

/// The customers with one column more.
#[cfg(test)]
pub(crate) fn customers_with_one_more() -> Table {
    let columns: Vec<Column> =
        columns::held_by(&columns::with_one_more(), Output::Warehouse).map(of_customer).collect();
    Table { columns: columns.leak(), ..CUSTOMER_BEHAVIOR }
}

/// A column of the devices as a column of a table: the table is newer than the columns of its key.
const fn of_devices(column: &columns::Column) -> Column {
    Column { since: 2, ..of_customer(column) }
}

/// The devices of the customers of months that were made with `--devices`.
pub const CUSTOMER_DEVICES: Table = Table {
    database: Database::Warehouse,
    name: "customer_devices",
    comment: "devices of the customers: one row per month and contract, of months made with --devices",
    columns: &[
        of_devices(&columns::DEVICE_COLUMNS[0]),
        of_devices(&columns::DEVICE_COLUMNS[1]),
        of_devices(&columns::DEVICE_COLUMNS[2]),
    ],
    key: CUSTOMER_KEY,
};

/// The tables of the warehouse that hold rows of months, by column `Month`, besides the runs.
pub const MONTH_TABLES: [Table; 3] = [CUSTOMER_BEHAVIOR, CUSTOMER_DEVICES, DAILY_ACTIVITY];

/// What happened on each day that has data. `Day` is the whole date.
pub const DAILY_ACTIVITY: Table = Table {
    database: Database::Warehouse,
    name: "daily_activity",
    comment: "the days of each month that have records",
    columns: DAILY_COLUMNS,
    key: &["Month", "Day"],
};

/// One row per run whose month was known. The run that stands is the highest `Id` of a month that is `published`.
pub const ETL_RUN: Table = Table {
    database: Database::Warehouse,
    name: "etl_run",
    comment: "one row per run whose month was known; the highest Id of a month that is published stands",
    columns: &[
        column("Id", Id, "number of the run"),
        column("Month", Date, "first day of the month"),
        column("Started", Timestamp, "when the run began, UTC"),
        column("Finished", Timestamp, "when it ended, UTC"),
        column("RulesName", Text(100), "name of the rules"),
        column("RulesSha256", Text(64), "hash of the rules, hexadecimal"),
        column("Engine", Text(100), "name and version of the program"),
        column("InputFiles", BigInt, "data files of the month"),
        column("InputBytes", BigInt, "their size as stored, bytes"),
        column("RecordsRead", BigInt, "records read"),
        column("RecordsKept", BigInt, "records kept"),
        // One for each reason, known by its name; a newer one stands at the end.
        column("Rejected_malformed", BigInt, "records rejected as malformed"),
        column("Rejected_no_contract", BigInt, "records rejected as no_contract"),
        column("Rejected_long_contract", BigInt, "records rejected as long_contract"),
        column("Rejected_no_app", BigInt, "records rejected as no_app"),
        column("Rejected_bad_duration", BigInt, "records rejected as bad_duration"),
        column("Rejected_negative_duration", BigInt, "records rejected as negative_duration"),
        column("Rejected_over_day", BigInt, "records rejected as over_day"),
        column("Rejected_unmapped_app", BigInt, "records rejected as unmapped_app"),
        column("Rejected_excluded", BigInt, "records rejected as excluded"),
        added("Status", Text(20), "published, refused, failed, interrupted or dropped", "'published'"),
        added("ExitCode", Int, "exit code of the program", ""),
        added("Message", LongText, "what failed; empty when nothing did", ""),
        added("RulesText", LongText, "the rules in force, TOML; empty for runs of version 0.1", ""),
        added("InputsSha256", Text(64), "fingerprint of the inputs, hexadecimal; empty when not known", ""),
        added("Rejected_duplicate_id", BigInt, "records rejected as duplicate_id", ""),
    ],
    key: &["Id"],
};

/// What became of the records of each day, per run.
pub const ETL_RUN_DAY: Table = Table {
    database: Database::Warehouse,
    name: "etl_run_day",
    comment: "what became of the records of each day, per run",
    columns: &[
        added("Run", BigInt, "the run", ""),
        added("Day", Date, "the day", ""),
        added("Reason", Text(30), "kept, or why the records were rejected", ""),
        added("Records", BigInt, "records", ""),
        added("Files", BigInt, "files of the day that hold such a record; 0 where that is not known", ""),
    ],
    key: &["Run", "Day", "Reason"],
};

/// Records and seconds by app, per run: of records that were kept or rejected as `unmapped_app`.
pub const ETL_RUN_APP: Table = Table {
    database: Database::Warehouse,
    name: "etl_run_app",
    comment: "records and seconds by app, per run: of records kept, or rejected as unmapped_app",
    columns: &[
        added("Run", BigInt, "the run", ""),
        added("App", Text(MAX_APP_CHARS), "name of the app; a longer one ends in an ellipsis", ""),
        added("Category", Text(10), "its category, empty when it is in none", ""),
        added("Records", BigInt, "records kept, or rejected as unmapped_app", ""),
        added("Seconds", BigInt, "their seconds; 0 for apps in no category of runs of version 0.1", ""),
    ],
    key: &["Run", "App", "Category"],
};

/// The warnings of each run, in order.
pub const ETL_RUN_WARNING: Table = Table {
    database: Database::Warehouse,
    name: "etl_run_warning",
    comment: "the warnings of each run, in order",
    columns: &[
        added("Run", BigInt, "the run", ""),
        added("Place", Int, "number of the warning, from 1", ""),
        added("Kind", Text(50), "what kind of warning", ""),
        added("Text", LongText, "the warning", ""),
    ],
    key: &["Run", "Place"],
};

/// The audiences with a name, per run: those that ask for no other month.
pub const ETL_RUN_AUDIENCE: Table = Table {
    database: Database::Warehouse,
    name: "etl_run_audience",
    comment: "the audiences with a name, per run: those that ask for no other month",
    columns: &[
        added("Run", BigInt, "the run", ""),
        added("Place", Int, "number of the audience, from 1", ""),
        added("Audience", Text(50), "its name", ""),
        added("Description", LongText, "what it is; its expression where nothing says that", ""),
        added("Expression", LongText, "who is in it, as viewmart audience takes it", ""),
        added("Users", BigInt, "its customers", ""),
        added("Seconds", BigInt, "their seconds of all categories", ""),
        added("OthersMedianSeconds", BigInt, "half of the customers not in it have at most this many seconds", ""),
    ],
    key: &["Run", "Audience"],
};

/// Customers who are in two audiences, for each two, per run.
pub const ETL_RUN_AUDIENCE_PAIR: Table = Table {
    database: Database::Warehouse,
    name: "etl_run_audience_pair",
    comment: "customers who are in two audiences, for each two, per run",
    columns: &[
        added("Run", BigInt, "the run", ""),
        added("Audience", Text(50), "name of the audience", ""),
        added("Other", Text(50), "name of the other audience, or the same", ""),
        added("Users", BigInt, "customers in both", ""),
    ],
    key: &["Run", "Audience", "Other"],
};

/// Which warehouse it is: one row with a random number. A mart has the same one.
pub const WAREHOUSE_ID: Table = Table {
    database: Database::Warehouse,
    name: "warehouse_id",
    comment: "one row: which warehouse this is, or is the mart of",
    columns: ID_COLUMNS,
    key: &["Id"],
};

/// Which warehouse the mart was built from.
pub const MART_WAREHOUSE_ID: Table = Table {
    database: Database::Mart,
    name: "warehouse_id",
    comment: "one row: which warehouse this is, or is the mart of",
    columns: ID_COLUMNS,
    key: &["Id"],
};

const ID_COLUMNS: &[Column] = &[added("Id", Text(32), "random number of the warehouse, hexadecimal", "")];

/// Which run each month of the mart was built from.
pub const MART_RUN: Table = Table {
    database: Database::Mart,
    name: "mart_run",
    comment: "which run each month of the mart was built from",
    columns: &[
        added("Month", Date, "first day of the month", ""),
        added(
            "Run",
            BigInt,
            "the run in etl_run of the warehouse; 0 for a mart of version 0.1, where it is not known",
            "",
        ),
    ],
    key: &["Month"],
};

pub const WAREHOUSE_TABLES: [Table; 10] = [
    CUSTOMER_BEHAVIOR,
    CUSTOMER_DEVICES,
    DAILY_ACTIVITY,
    ETL_RUN,
    ETL_RUN_DAY,
    ETL_RUN_APP,
    ETL_RUN_WARNING,
    ETL_RUN_AUDIENCE,
    ETL_RUN_AUDIENCE_PAIR,
    WAREHOUSE_ID,
];

/// The customers with the column names of the original pipeline, spelled as it spells them.
pub const CUSTOMER_BEHAVIOR_SEED: View = View {
    database: Database::Warehouse,
    name: "customer_behavior_seed",
    comment: "the newest month with the column names of the original pipeline",
    table: CUSTOMER_BEHAVIOR.name,
    columns: SEED_COLUMNS,
    rows: NEWEST_MONTH,
};

/// The run of each month that stands.
pub const ETL_RUN_PUBLISHED: View = View {
    database: Database::Warehouse,
    name: "etl_run_published",
    comment: "the run of each month that stands",
    table: ETL_RUN.name,
    columns: &same_names::<{ ETL_RUN.columns.len() }>(ETL_RUN.columns),
    rows: "Id IN (SELECT MAX(Id) FROM {table} WHERE Status = 'published' GROUP BY Month)",
};

/// Every column under its own name.
const fn same_names<const N: usize>(columns: &[Column]) -> [(&'static str, &'static str); N] {
    let mut names = [("", ""); N];
    let mut place = 0;
    while place < N {
        names[place] = (columns[place].name, columns[place].name);
        place += 1;
    }
    names
}

pub const WAREHOUSE_VIEWS: [View; 2] = [CUSTOMER_BEHAVIOR_SEED, ETL_RUN_PUBLISHED];

#[cfg(test)]
mod tests;
