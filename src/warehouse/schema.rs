//! The tables and views of the warehouse and the mart, written down once for every kind of server.
//!
//! Text is compared byte for byte everywhere: SQLite does so by itself, MySQL and MariaDB with the collation that the
//! [`Flavour`] carries. Rows of a table lie in the order of its key.

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::engine::calendar::Month;
use crate::engine::ledger::Ledger;

/// Which database an object lives in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// The warehouse, `{warehouse}` in statements.
    Warehouse,
    /// The mart, `{mart}` in statements.
    Mart,
    /// Nowhere for long: a table that is there while a mart is built, `{work}` and its name in statements.
    Work,
}

impl Home {
    /// The placeholder in statements, braces included.
    pub fn placeholder(self) -> &'static str {
        match self {
            Home::Warehouse => "{warehouse}",
            Home::Mart => "{mart}",
            Home::Work => "{work}",
        }
    }
}

/// The type of a column. No column may be NULL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A calendar day; in SQLite text `YYYY-MM-DD`.
    Date,
    /// A moment in UTC with milliseconds; in SQLite text as of [`utc_text`].
    Moment,
    /// Text of at most so many characters, compared byte for byte, without padding.
    Text(u16),
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
    /// The type.
    pub kind: Kind,
}

/// A table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    /// Where it lives.
    pub home: Home,
    /// Its name, without the database.
    pub name: &'static str,
    /// Its columns in order.
    pub columns: &'static [Column],
    /// The primary key, in order.
    pub key: &'static [&'static str],
}

/// A view over one table of the same database: columns under other names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// Where it and its table live.
    pub home: Home,
    /// Its name, without the database.
    pub name: &'static str,
    /// The table it shows.
    pub table: &'static str,
    /// Column of the table, name in the view.
    pub columns: &'static [(&'static str, &'static str)],
}

/// What kind of server a definition is written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour<'a> {
    /// SQLite 3.
    Sqlite,
    /// MySQL or MariaDB with the collation for text, `utf8mb4_0900_bin` or `utf8mb4_nopad_bin`.
    Mysql {
        /// A binary collation of `utf8mb4` without padding.
        collation: &'a str,
    },
}

/// Longest name of an app without a category that the tables hold, in characters; see [`unmapped_apps`].
///
/// Two keys of MySQL hold the name, and a key has at most 3072 bytes there.
pub const MAX_APP_CHARS: usize = 500;

/// Shorthand, so that the tables below read like tables.
const fn column(name: &'static str, kind: Kind) -> Column {
    Column { name, kind }
}

use Kind::{BigInt, Date, Double, Id, Int, Moment, Text};

/// The customers: one row per month and contract.
pub const CUSTOMER_BEHAVIOR: Table = Table {
    home: Home::Warehouse,
    name: "customer_behavior",
    columns: &[
        column("Month", Date),
        column("Contract", Text(100)),
        column("MovieDuration", BigInt),
        column("SportDuration", BigInt),
        column("ChildDuration", BigInt),
        column("RelaxDuration", BigInt),
        column("TvDuration", BigInt),
        column("TotalDuration", BigInt),
        column("MostWatch", Text(10)),
        column("Taste", Text(50)),
        column("Activeness", Int),
        column("Date", Date),
    ],
    key: &["Month", "Contract"],
};

/// What happened on each day that has data. `Day` is the whole date.
pub const DAILY_ACTIVITY: Table =
    Table { home: Home::Warehouse, name: "daily_activity", columns: DAILY_COLUMNS, key: &["Month", "Day"] };

const DAILY_COLUMNS: &[Column] = &[
    column("Month", Date),
    column("Day", Date),
    column("ActiveUsers", BigInt),
    column("Records", BigInt),
    column("MovieDuration", BigInt),
    column("SportDuration", BigInt),
    column("ChildDuration", BigInt),
    column("RelaxDuration", BigInt),
    column("TvDuration", BigInt),
    column("TotalDuration", BigInt),
];

/// One row per run that published a month; the run with the highest `Id` of a month is the one whose rows stand.
pub const ETL_RUN: Table = Table {
    home: Home::Warehouse,
    name: "etl_run",
    columns: &[
        column("Id", Id),
        column("Month", Date),
        column("Started", Moment),
        column("Finished", Moment),
        column("RulesName", Text(100)),
        column("RulesSha256", Text(64)),
        column("Engine", Text(100)),
        column("InputFiles", BigInt),
        column("InputBytes", BigInt),
        column("RecordsRead", BigInt),
        column("RecordsKept", BigInt),
        // One for each reason, in the order of `Reason::ALL`.
        column("Rejected_malformed", BigInt),
        column("Rejected_no_contract", BigInt),
        column("Rejected_long_contract", BigInt),
        column("Rejected_no_app", BigInt),
        column("Rejected_bad_duration", BigInt),
        column("Rejected_negative_duration", BigInt),
        column("Rejected_over_day", BigInt),
        column("Rejected_unmapped_app", BigInt),
        column("Rejected_excluded", BigInt),
    ],
    key: &["Id"],
};

/// Records per app without a category, per run; names as of [`unmapped_apps`].
pub const ETL_RUN_UNMAPPED_APP: Table = Table {
    home: Home::Warehouse,
    name: "etl_run_unmapped_app",
    columns: &[column("Run", BigInt), column("App", Text(MAX_APP_CHARS as u16)), column("Records", BigInt)],
    key: &["Run", "App"],
};

/// Totals of the month.
pub const SUMMARY_CUSTOMER: Table = Table {
    home: Home::Mart,
    name: "summary_customer",
    columns: &[
        column("Month", Date),
        column("TotalUser", BigInt),
        column("Total_MovieDuration", BigInt),
        column("Total_SportDuration", BigInt),
        column("Total_ChildDuration", BigInt),
        column("Total_RelaxDuration", BigInt),
        column("Total_TvDuration", BigInt),
        column("TotalDuration", BigInt),
    ],
    key: &["Month"],
};

/// Customers counted by taste, most watched category, number of active days and set of categories: what most other tables
/// of the mart are read from.
pub const CUSTOMER_SEGMENTS: Table = Table {
    home: Home::Mart,
    name: "customer_segments",
    columns: &[
        column("Month", Date),
        column("Taste", Text(50)),
        column("MostWatch", Text(10)),
        column("ActiveDays", Int),
        // The sum of 1 Movie, 2 Sport, 4 Child, 8 Relax, 16 Tv, each where it has more than 0 seconds.
        column("Categories", Int),
        column("Users", BigInt),
        column("Seconds", BigInt),
    ],
    key: &["Month", "ActiveDays", "Categories", "MostWatch", "Taste"],
};

/// Reach and seconds of each category.
pub const CATEGORY_AUDIENCE: Table = Table {
    home: Home::Mart,
    name: "category_audience",
    columns: &[
        column("Month", Date),
        column("Category", Text(10)),
        column("Users", BigInt),
        column("UserShare", Double),
        column("Seconds", BigInt),
        column("SecondsShare", Double),
        column("SecondsPerUser", Double),
        column("MostWatchUsers", BigInt),
    ],
    key: &["Month", "Category"],
};

/// Customers by number of active days.
pub const ACTIVENESS_DISTRIBUTION: Table = Table {
    home: Home::Mart,
    name: "activeness_distribution",
    columns: &[column("Month", Date), column("ActiveDays", Int), column("Users", BigInt), column("UserShare", Double)],
    key: &["Month", "ActiveDays"],
};

/// Customers by taste.
pub const TASTE_DISTRIBUTION: Table = Table {
    home: Home::Mart,
    name: "taste_distribution",
    columns: &[column("Month", Date), column("Taste", Text(50)), column("Users", BigInt), column("UserShare", Double)],
    key: &["Month", "Taste"],
};

/// The hundred customers with the most seconds.
pub const TOP_CUSTOMERS: Table = Table {
    home: Home::Mart,
    name: "top_customers",
    columns: &[
        column("Month", Date),
        column("Place", Int),
        column("Contract", Text(100)),
        column("TotalDuration", BigInt),
        column("Taste", Text(50)),
        column("Activeness", Int),
    ],
    key: &["Month", "Place"],
};

/// The days of the month.
pub const DAILY_AUDIENCE: Table =
    Table { home: Home::Mart, name: "daily_audience", columns: DAILY_COLUMNS, key: &["Month", "Day"] };

/// What became of every record. `App` is empty except for `unmapped_app`, which has one row per app.
pub const DATA_QUALITY: Table = Table {
    home: Home::Mart,
    name: "data_quality",
    columns: &[
        column("Month", Date),
        column("Reason", Text(30)),
        column("App", Text(MAX_APP_CHARS as u16)),
        column("Records", BigInt),
    ],
    key: &["Month", "Reason", "App"],
};

/// Customers by total seconds, in bands that about double every second time.
pub const WATCH_TIME_DISTRIBUTION: Table = Table {
    home: Home::Mart,
    name: "watch_time_distribution",
    columns: &[
        column("Month", Date),
        column("Band", Int),
        // From this many seconds to less than that many; the largest number of 64 bits, either sign, stands for `none`.
        column("FromSeconds", BigInt),
        column("ToSeconds", BigInt),
        column("Users", BigInt),
        column("UserShare", Double),
        column("Seconds", BigInt),
        column("SecondsShare", Double),
    ],
    key: &["Month", "Band"],
};

/// Quantiles of total seconds over customers, and the part of the heaviest tenth of them.
pub const WATCH_TIME_SUMMARY: Table = Table {
    home: Home::Mart,
    name: "watch_time_summary",
    columns: &[
        column("Month", Date),
        column("Users", BigInt),
        column("Seconds", BigInt),
        column("MedianSeconds", BigInt),
        column("P90Seconds", BigInt),
        column("P99Seconds", BigInt),
        column("TopTenthUsers", BigInt),
        column("TopTenthSeconds", BigInt),
        column("TopTenthShare", Double),
    ],
    key: &["Month"],
};

/// Customers who watch two categories, for each two.
pub const CATEGORY_OVERLAP: Table = Table {
    home: Home::Mart,
    name: "category_overlap",
    columns: &[
        column("Month", Date),
        column("Category", Text(10)),
        column("Other", Text(10)),
        column("Users", BigInt),
        column("UserShare", Double),
    ],
    key: &["Month", "Category", "Other"],
};

/// Customers counted by what tells them apart in most of the mart, each part of them by itself.
pub const CUSTOMER_CELL: Table = Table {
    home: Home::Work,
    name: "customer_cell",
    columns: &[
        column("Part", Int),
        // As in `customer_cell.key.sql`.
        column("Cell", BigInt),
        column("Taste", Text(50)),
        column("Users", BigInt),
        column("Seconds", BigInt),
        column("MovieSeconds", BigInt),
        column("SportSeconds", BigInt),
        column("ChildSeconds", BigInt),
        column("RelaxSeconds", BigInt),
        column("TvSeconds", BigInt),
    ],
    key: &["Part", "Cell"],
};

/// Customers by thin slices of watch time, each part of them by itself.
pub const WATCH_TIME_SLICE: Table = Table {
    home: Home::Work,
    name: "watch_time_slice",
    columns: &[
        column("Part", Int),
        // As in `watch_time_slice.key.sql`.
        column("FromSeconds", BigInt),
        column("Users", BigInt),
        column("Seconds", BigInt),
    ],
    key: &["Part", "FromSeconds"],
};

/// The slices in which the customers stand that [`WATCH_TIME_SUMMARY`] and [`TOP_CUSTOMERS`] ask for.
pub const WATCH_TIME_PLACE: Table = Table {
    home: Home::Work,
    name: "watch_time_place",
    columns: &[
        column("Mark", Int),
        column("Place", BigInt),
        column("FromSeconds", BigInt),
        column("ToSeconds", BigInt),
        column("Below", BigInt),
        column("SecondsAbove", BigInt),
    ],
    key: &["Mark"],
};

/// The customers of those slices.
pub const NEAR_CUSTOMER: Table = Table {
    home: Home::Work,
    name: "near_customer",
    columns: &[
        column("Contract", Text(100)),
        column("TotalDuration", BigInt),
        column("Taste", Text(50)),
        column("Activeness", Int),
    ],
    key: &["Contract"],
};

/// The tables of the warehouse.
pub const WAREHOUSE_TABLES: [Table; 4] = [CUSTOMER_BEHAVIOR, DAILY_ACTIVITY, ETL_RUN, ETL_RUN_UNMAPPED_APP];

/// The customers with the column names of the original pipeline, spelled as it spells them.
pub const CUSTOMER_BEHAVIOR_SEED: View = View {
    home: Home::Warehouse,
    name: "customer_behavior_seed",
    table: CUSTOMER_BEHAVIOR.name,
    columns: &[
        ("Contract", "Contract"),
        ("MovieDuration", "MovieDuration"),
        ("SportDuration", "SportDuration"),
        ("ChildDuration", "ChilDuration"),
        ("RelaxDuration", "RelaxDuration"),
        ("TvDuration", "TvDuration"),
        ("TotalDuration", "TotalDuration"),
        ("MostWatch", "MostWatch"),
        ("Taste", "Tase"),
        ("Activeness", "Activeness"),
        ("Date", "Date"),
    ],
};

/// The totals with the column names of the original pipeline, spelled as it spells them.
pub const SUMMARY_CUSTOMER_SEED: View = View {
    home: Home::Mart,
    name: "summary_customer_seed",
    table: SUMMARY_CUSTOMER.name,
    columns: &[
        ("TotalUser", "Total User"),
        ("Total_MovieDuration", "Total_MovieDuration"),
        ("Total_SportDuration", "Total_SportDuration"),
        ("Total_ChildDuration", "Total_ChilDuration"),
        ("Total_RelaxDuration", "Total_RelaxDuration"),
        ("Total_TvDuration", "Total_TvDuration"),
        ("TotalDuration", "TotalDuraion"),
    ],
};

/// All views.
pub const VIEWS: [View; 2] = [CUSTOMER_BEHAVIOR_SEED, SUMMARY_CUSTOMER_SEED];

impl Table {
    /// `{database}.name`, with the placeholder of its database.
    pub fn qualified(&self) -> String {
        let home = self.home.placeholder();
        match self.home {
            Home::Warehouse | Home::Mart => format!("{home}.{}", self.name),
            Home::Work => format!("{home}{}", self.name),
        }
    }

    /// Names of the columns, separated by `, `.
    pub fn column_list(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|column| column.name).collect();
        names.join(", ")
    }

    /// The statement that adds the rows of `select`, which gives the columns in order.
    pub fn insert(&self, select: &str) -> String {
        format!("INSERT INTO {} ({})\n{select}", self.qualified(), self.column_list())
    }

    /// `(columns, PRIMARY KEY (…))`: what stands behind the table's name in `CREATE TABLE`.
    pub fn definition(&self, flavour: Flavour<'_>) -> String {
        let mut text = String::from("(\n");
        for column in self.columns {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  {} {},", column.name, column.kind.sql(flavour));
        }
        match flavour {
            // `INTEGER PRIMARY KEY` has to stand at the column itself in SQLite.
            Flavour::Sqlite if self.columns.iter().any(|column| column.kind == Kind::Id) => {
                text.truncate(text.trim_end_matches(",\n").len());
                text.push_str("\n)");
            }
            Flavour::Sqlite => {
                let _ = write!(text, "  PRIMARY KEY ({})\n) WITHOUT ROWID", self.key.join(", "));
            }
            Flavour::Mysql { collation } => {
                let _ = write!(
                    text,
                    "  PRIMARY KEY ({})\n) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = {collation}",
                    self.key.join(", ")
                );
            }
        }
        text
    }

    /// The statement that makes the table where it is missing, with placeholders for the databases.
    pub fn create(&self, flavour: Flavour<'_>) -> String {
        format!("CREATE TABLE IF NOT EXISTS {} {}", self.qualified(), self.definition(flavour))
    }
}

impl View {
    /// The statement that makes the view, with placeholders for the databases.
    pub fn create(&self, flavour: Flavour<'_>) -> String {
        let columns: Vec<String> = self
            .columns
            .iter()
            .map(|(from, to)| if from == to { (*from).to_owned() } else { format!("{from} AS `{to}`") })
            .collect();
        let (columns, home) = (columns.join(", "), self.home.placeholder());
        match flavour {
            // The table is named without its database, which may be attached under another name, or not at all.
            Flavour::Sqlite => {
                format!("CREATE VIEW IF NOT EXISTS {home}.{} AS SELECT {columns} FROM {}", self.name, self.table)
            }
            Flavour::Mysql { .. } => {
                format!("CREATE OR REPLACE VIEW {home}.{} AS SELECT {columns} FROM {home}.{}", self.name, self.table)
            }
        }
    }
}

impl Kind {
    fn sql(self, flavour: Flavour<'_>) -> String {
        match (self, flavour) {
            (Kind::Date, _) => "DATE NOT NULL".to_owned(),
            (Kind::Moment, Flavour::Sqlite) => "DATETIME NOT NULL".to_owned(),
            (Kind::Moment, Flavour::Mysql { .. }) => "DATETIME(3) NOT NULL".to_owned(),
            (Kind::Text(n_chars), Flavour::Sqlite) => format!("VARCHAR({n_chars}) NOT NULL"),
            (Kind::Text(n_chars), Flavour::Mysql { collation }) => {
                format!("VARCHAR({n_chars}) CHARACTER SET utf8mb4 COLLATE {collation} NOT NULL")
            }
            (Kind::BigInt, _) => "BIGINT NOT NULL".to_owned(),
            (Kind::Int, _) => "INT NOT NULL".to_owned(),
            (Kind::Double, _) => "DOUBLE NOT NULL".to_owned(),
            (Kind::Id, Flavour::Sqlite) => "INTEGER PRIMARY KEY AUTOINCREMENT".to_owned(),
            (Kind::Id, Flavour::Mysql { .. }) => "BIGINT NOT NULL AUTO_INCREMENT".to_owned(),
        }
    }
}

/// What the placeholders of a statement stand for.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    /// The warehouse's database, quoted where needed.
    pub warehouse: &'a str,
    /// The mart's database, quoted where needed.
    pub mart: &'a str,
    /// What stands before the name of a table that is there for a while.
    pub work: &'a str,
}

/// A part of the customers, for statements that are run for each part.
#[derive(Clone, Copy, Debug)]
pub struct PartOfMonth<'a> {
    /// `{part}` in statements.
    pub number: usize,
    /// `{range}` in statements: a condition on `Contract`.
    pub range: &'a str,
}

impl Names<'_> {
    /// The statement with `{warehouse}`, `{mart}` and `{work}` filled in.
    pub fn fill(&self, sql: &str) -> String {
        fill(sql, &self.values())
    }

    /// As [`Names::fill`], and `{month}` as the quoted first day of `month`.
    pub fn fill_month(&self, sql: &str, month: Month) -> String {
        let first_day = format!("'{}'", month.first_day());
        let [warehouse, mart, work] = self.values();
        fill(sql, &[warehouse, mart, work, ("{month}", &first_day)])
    }

    /// As [`Names::fill_month`], and what stands for the part.
    pub fn fill_part(&self, sql: &str, month: Month, part: PartOfMonth<'_>) -> String {
        let (first_day, number) = (format!("'{}'", month.first_day()), part.number.to_string());
        let [warehouse, mart, work] = self.values();
        let of_part = [("{month}", first_day.as_str()), ("{part}", &number), ("{range}", part.range)];
        fill(sql, &[&[warehouse, mart, work][..], &of_part].concat())
    }

    fn values(&self) -> [(&'static str, &str); 3] {
        [("{warehouse}", self.warehouse), ("{mart}", self.mart), ("{work}", self.work)]
    }
}

/// Fills in every placeholder in one pass: what is filled in is never read again, a database may be called anything.
fn fill(sql: &str, values: &[(&str, &str)]) -> String {
    let mut filled = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some(at) = rest.find('{') {
        let (before, from) = rest.split_at(at);
        filled.push_str(before);
        let (placeholder, value) =
            values.iter().find(|(placeholder, _)| from.starts_with(placeholder)).copied().unwrap_or(("{", "{"));
        filled.push_str(value);
        rest = &from[placeholder.len()..];
    }
    filled + rest
}

/// A moment as text for a column of [`Kind::Moment`]: UTC, `YYYY-MM-DD HH:MM:SS.mmm`.
pub fn utc_text(moment: Timestamp) -> String {
    let utc = TimeZone::UTC.to_datetime(moment);
    format!("{} {:02}:{:02}:{:02}.{:03}", utc.date(), utc.hour(), utc.minute(), utc.second(), utc.millisecond())
}

/// The apps without a category as the tables hold them: names of more than [`MAX_APP_CHARS`] characters end in `…`
/// there, and names that are equal then are counted together.
pub fn unmapped_apps(ledger: &Ledger) -> Vec<(String, u64)> {
    let mut apps: Vec<(String, u64)> = Vec::with_capacity(ledger.unmapped_app.len());
    for (app, records) in &ledger.unmapped_app {
        let app = match app.char_indices().nth(MAX_APP_CHARS) {
            None => app.clone(),
            Some(_) => app.chars().take(MAX_APP_CHARS - 1).chain(['…']).collect(),
        };
        apps.push((app, *records));
    }
    apps.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    apps.dedup_by(|next, first| {
        let same = next.0 == first.0;
        if same {
            first.1 += next.1;
        }
        same
    });
    apps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ledger::Reason;
    use crate::engine::rules::Category;

    #[test]
    fn definitions_read_as_expected() {
        let sqlite = CUSTOMER_BEHAVIOR.create(Flavour::Sqlite);
        assert!(
            sqlite.starts_with("CREATE TABLE IF NOT EXISTS {warehouse}.customer_behavior (\n  Month DATE NOT NULL,")
        );
        assert!(sqlite.ends_with("  PRIMARY KEY (Month, Contract)\n) WITHOUT ROWID"), "{sqlite}");
        let mysql = CUSTOMER_BEHAVIOR.create(Flavour::Mysql { collation: "utf8mb4_0900_bin" });
        assert!(mysql.contains("  Contract VARCHAR(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin NOT NULL,\n"));
        assert!(mysql.contains("  TotalDuration BIGINT NOT NULL,\n"));
        assert!(mysql.contains("PRIMARY KEY (Month, Contract)\n) ENGINE = InnoDB"), "{mysql}");
        let run = ETL_RUN.create(Flavour::Sqlite);
        assert!(run.contains("(\n  Id INTEGER PRIMARY KEY AUTOINCREMENT,\n"), "{run}");
        assert!(run.ends_with("  Rejected_excluded BIGINT NOT NULL\n)"), "{run}");
    }

    #[test]
    fn tables_follow_the_categories_and_reasons() {
        let durations = Category::ALL.map(|category| format!("{}Duration", category.name()));
        for table in [CUSTOMER_BEHAVIOR, DAILY_ACTIVITY, SUMMARY_CUSTOMER] {
            let names = table.columns.iter().map(|c| c.name).filter(|n| n.ends_with("Duration"));
            let names: Vec<&str> = names.map(|n| n.strip_prefix("Total_").unwrap_or(n)).collect();
            assert_eq!(names[..5], durations, "{}", table.name);
            assert_eq!(names[5..], ["TotalDuration"], "{}", table.name);
        }
        let reasons: Vec<&str> = ETL_RUN.columns.iter().filter_map(|c| c.name.strip_prefix("Rejected_")).collect();
        assert_eq!(reasons, Reason::ALL.map(Reason::name));
    }

    #[test]
    fn long_app_names_are_cut_and_counted_together() {
        let name = |n: usize, end: &str| "é".repeat(n) + end;
        let mut ledger = Ledger::default();
        for (app, records) in [(name(500, ""), 1), (name(500, "x"), 2), (name(500, "y"), 4), ("zz".to_owned(), 8)] {
            ledger.unmapped_app.insert(app, records);
        }
        let apps = unmapped_apps(&ledger);
        assert_eq!(apps, [("zz".to_owned(), 8), (name(500, ""), 1), (name(499, "…"), 6)]);
        assert!(apps.iter().all(|(app, _)| app.chars().count() <= MAX_APP_CHARS));
    }

    #[test]
    fn moments_are_written_in_utc() {
        let moment: Timestamp = "2022-05-01T03:04:05.678901+07:00".parse().unwrap();
        assert_eq!(utc_text(moment), "2022-04-30 20:04:05.678");
    }

    #[test]
    fn placeholders_are_filled() {
        let names = Names { warehouse: "`{mart}`", mart: "`a{month}`", work: "temp." };
        let month = "2022-04".parse().unwrap();
        let sql = "{warehouse}.t {mart}.u {work}v {month} {x} {range} {";
        assert_eq!(names.fill_month(sql, month), "`{mart}`.t `a{month}`.u temp.v '2022-04-01' {x} {range} {");
        assert_eq!(names.fill(sql), "`{mart}`.t `a{month}`.u temp.v {month} {x} {range} {");
        let part = PartOfMonth { number: 3, range: "Contract < '{month}'" };
        assert_eq!(names.fill_part("{part} {month} {range}", month, part), "3 '2022-04-01' Contract < '{month}'");
    }
}
