//! The columns of `customer_behavior`, written down once.
//!
//! Whatever knows a customer's row is made from [`COLUMNS`]: definitions of tables, the schema of
//! the month file, the text of LOAD DATA, bound values, sums that are checked, Tableau's fields.
//! All of it takes a `&[Column]`, so that a test can hand in one column more and look for it in
//! every output.
//!
//! A writer takes the [`Values`] of each column once and then goes through the rows:
//!
//! ```
//! # use viewmart::engine::{columns::{COLUMNS, Cell, Output, held_by}, month::MonthTable};
//! fn write(table: &MonthTable, text: &mut String) {
//!     let columns: Vec<_> = held_by(COLUMNS, Output::Warehouse).map(|column| column.values(table)).collect();
//!     for row in 0..table.n_rows() {
//!         for values in &columns {
//!             match values.cell(row) {
//!                 Cell::Date(date) => text.push_str(&date.to_string()),
//!                 Cell::Text(cell) => text.push_str(cell),
//!                 Cell::Integer(number) => text.push_str(&number.to_string()),
//!             }
//!             text.push('\t');
//!         }
//!     }
//! }
//! ```

use jiff::civil::Date;

use super::devices::Devices;
use super::month::{Contracts, MonthTable, sum};
use super::rules::{Category, NO_LABEL};

/// A column of a customer's row.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// The name in every table and file.
    pub name: &'static str,
    /// The name people read.
    pub caption: &'static str,
    /// What it means, as a table's comment says it.
    pub comment: &'static str,
    /// The type in a database.
    pub column_type: ColumnType,
    /// What its numbers count.
    pub unit: Unit,
    /// Whether it is part of the primary key, (Month, Contract).
    pub role: Role,
    /// The outputs that hold it.
    pub outputs: &'static [Output],
    /// The name in the view with the original pipeline's columns; none where the original has no
    /// such column.
    pub seed_name: Option<&'static str>,
    /// The first version of the warehouse's schema that has it. Columns of a newer version come last.
    pub since: u32,
    /// Where a month keeps it.
    values: fn(&MonthTable) -> Values<'_>,
}

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// A calendar day.
    Date,
    /// Text that is compared byte for byte.
    Text {
        /// Longest value, in characters.
        max_chars: u16,
    },
    /// 64 bits.
    BigInt,
    /// 32 bits.
    Int,
}

/// What the numbers of a column count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// No number.
    None,
    /// Seconds, which add up: over rows, and over the parts of a month.
    Seconds,
    /// A number of days.
    Days,
    /// Days of the month as bits: bit `d - 1` is day `d`.
    DayMask,
    /// A number of devices.
    Devices,
}

/// A column's part in the primary key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// In the key.
    Key,
    /// Not in the key.
    Value,
}

/// What holds rows of customers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// The table `customer_behavior`.
    Warehouse,
    /// The month file.
    MonthFile,
    /// The data of Tableau's workbook.
    Workbook,
    /// The table `daily_activity`, added up by day.
    Days,
}

/// The values of a column in every row of a month.
#[derive(Clone, Debug)]
pub enum Values<'a> {
    /// One date in all rows.
    Date(Date),
    /// Texts.
    Texts(&'a Contracts),
    /// Few different texts.
    Labels {
        /// Place of each row's text among the labels.
        codes: &'a [u8],
        /// The texts.
        labels: Vec<&'a str>,
    },
    /// Numbers of 64 bits.
    BigInts(&'a [i64]),
    /// Masks of days.
    Masks(&'a [u32]),
    /// Numbers of 32 bits; none at all where the month does not have them.
    Counts(&'a [u32]),
    /// Small numbers.
    Bytes(&'a [u8]),
}

/// One value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell<'a> {
    /// A calendar day.
    Date(Date),
    /// Text.
    Text(&'a str),
    /// A whole number; columns of [`ColumnType::Int`] hold numbers of 0..2^31.
    Integer(i64),
}

impl Column {
    /// Its values in `table`.
    pub fn values<'a>(&self, table: &'a MonthTable) -> Values<'a> {
        (self.values)(table)
    }

    /// The seconds of all rows of `table`, if it is a column of seconds.
    pub fn seconds<'a>(&self, table: &'a MonthTable) -> Option<&'a [i64]> {
        match self.values(table) {
            Values::BigInts(seconds) if self.unit == Unit::Seconds => Some(seconds),
            _ => None,
        }
    }

    /// The sum over all rows of `table`, if it is a column of seconds. It may need more than 64
    /// bits.
    pub fn sum(&self, table: &MonthTable) -> Option<i128> {
        self.seconds(table).map(sum)
    }

    /// Whether `output` holds it.
    pub const fn is_held_by(&self, output: Output) -> bool {
        let mut place = 0;
        while place < self.outputs.len() {
            if self.outputs[place] as u8 == output as u8 {
                return true;
            }
            place += 1;
        }
        false
    }

    /// Whether all rows of a month have the same value: the month, the day of the run.
    pub const fn is_constant(&self) -> bool {
        matches!(self.column_type, ColumnType::Date)
    }

    /// The category whose seconds it holds, if it is a column of one.
    pub fn category(&self) -> Option<Category> {
        let name = self.name.strip_suffix("Duration").filter(|_| self.unit == Unit::Seconds)?;
        Category::ALL.into_iter().find(|category| category.name() == name)
    }
}

impl<'a> Values<'a> {
    /// The value of a row.
    ///
    /// # Panics
    /// When there is no such row.
    #[inline]
    pub fn cell(&self, row: usize) -> Cell<'a> {
        match self {
            Values::Date(date) => Cell::Date(*date),
            Values::Texts(texts) => Cell::Text(texts.get(row)),
            Values::Labels { codes, labels } => {
                Cell::Text(labels.get(usize::from(codes[row])).copied().unwrap_or(NO_LABEL))
            }
            Values::BigInts(numbers) => Cell::Integer(numbers[row]),
            Values::Masks(masks) => Cell::Integer(masks[row].into()),
            Values::Counts(counts) => Cell::Integer(counts.get(row).copied().unwrap_or_default().into()),
            Values::Bytes(numbers) => Cell::Integer(numbers[row].into()),
        }
    }
}

/// Those of `columns` that `output` holds, in their order there.
pub fn held_by(columns: &[Column], output: Output) -> impl Iterator<Item = &Column> + Clone {
    columns.iter().filter(move |column| column.is_held_by(output))
}

/// The name of the column with the seconds of `category`.
pub fn name_of_seconds(category: Category) -> &'static str {
    COLUMNS.iter().find(|column| column.category() == Some(category)).map_or("", |column| column.name)
}

/// The name of the column with the seconds of all categories.
pub const TOTAL: &str = "TotalDuration";

/// The name of the column with the category that has the most seconds.
pub const MOST_WATCH: &str = "MostWatch";

/// The name of the column with the categories that were watched.
pub const TASTE: &str = "Taste";

const OF_CUSTOMERS: &[Output] = &[Output::Warehouse, Output::MonthFile, Output::Workbook];
const ALSO_BY_DAY: &[Output] = &[Output::Warehouse, Output::MonthFile, Output::Workbook, Output::Days];

/// Shorthand for a column of the seconds of one category.
const fn duration(
    [name, caption, comment, seed_name]: [&'static str; 4],
    values: fn(&MonthTable) -> Values<'_>,
) -> Column {
    Column {
        name,
        caption,
        comment,
        column_type: ColumnType::BigInt,
        unit: Unit::Seconds,
        role: Role::Value,
        outputs: ALSO_BY_DAY,
        seed_name: Some(seed_name),
        since: 1,
        values,
    }
}

/// The columns of `customer_behavior` in order, and after them what the month file alone holds.
pub const COLUMNS: &[Column] = &[
    Column {
        name: "Month",
        caption: "Month",
        comment: "first day of the month",
        column_type: ColumnType::Date,
        unit: Unit::None,
        role: Role::Key,
        outputs: OF_CUSTOMERS,
        seed_name: None,
        since: 1,
        values: |table| Values::Date(table.month.first_day()),
    },
    Column {
        name: "Contract",
        caption: "Contract",
        comment: "customer, compared byte for byte",
        column_type: ColumnType::Text { max_chars: 100 },
        unit: Unit::None,
        role: Role::Key,
        outputs: OF_CUSTOMERS,
        seed_name: Some("Contract"),
        since: 1,
        values: |table| Values::Texts(&table.contracts),
    },
    duration(["MovieDuration", "Movie (seconds)", "seconds of kept records, Movie", "MovieDuration"], |table| {
        Values::BigInts(&table.seconds[Category::Movie as usize])
    }),
    duration(["SportDuration", "Sport (seconds)", "seconds of kept records, Sport", "SportDuration"], |table| {
        Values::BigInts(&table.seconds[Category::Sport as usize])
    }),
    duration(["ChildDuration", "Child (seconds)", "seconds of kept records, Child", "ChilDuration"], |table| {
        Values::BigInts(&table.seconds[Category::Child as usize])
    }),
    duration(["RelaxDuration", "Relax (seconds)", "seconds of kept records, Relax", "RelaxDuration"], |table| {
        Values::BigInts(&table.seconds[Category::Relax as usize])
    }),
    duration(["TvDuration", "Tv (seconds)", "seconds of kept records, Tv", "TvDuration"], |table| {
        Values::BigInts(&table.seconds[Category::Tv as usize])
    }),
    Column {
        name: TOTAL,
        caption: "Total (seconds)",
        comment: "seconds of kept records, all categories",
        column_type: ColumnType::BigInt,
        unit: Unit::Seconds,
        role: Role::Value,
        outputs: ALSO_BY_DAY,
        seed_name: Some("TotalDuration"),
        since: 1,
        values: |table| Values::BigInts(&table.total),
    },
    Column {
        name: MOST_WATCH,
        caption: "Most watched",
        comment: "category with the most seconds, No when all are 0",
        column_type: ColumnType::Text { max_chars: 10 },
        unit: Unit::None,
        role: Role::Value,
        outputs: OF_CUSTOMERS,
        seed_name: Some("MostWatch"),
        since: 1,
        values: |table| Values::Labels { codes: &table.most_watch, labels: MonthTable::MOST_WATCH_LABELS.to_vec() },
    },
    Column {
        name: TASTE,
        caption: "Taste",
        comment: "categories watched in rule order, joined by _; No when there is none",
        column_type: ColumnType::Text { max_chars: 50 },
        unit: Unit::None,
        role: Role::Value,
        outputs: OF_CUSTOMERS,
        seed_name: Some("Tase"),
        since: 1,
        values: |table| Values::Labels {
            codes: bytemuck::cast_slice(&table.taste),
            labels: table.taste_labels.iter().map(String::as_str).collect(),
        },
    },
    Column {
        name: "Activeness",
        caption: "Active days",
        comment: "number of days with at least one kept record",
        column_type: ColumnType::Int,
        unit: Unit::Days,
        role: Role::Value,
        outputs: OF_CUSTOMERS,
        seed_name: Some("Activeness"),
        since: 1,
        values: |table| Values::Bytes(&table.activeness),
    },
    Column {
        name: "Date",
        caption: "Run date",
        comment: "day the run was made",
        column_type: ColumnType::Date,
        unit: Unit::None,
        role: Role::Value,
        outputs: OF_CUSTOMERS,
        seed_name: Some("Date"),
        since: 1,
        values: |table| Values::Date(table.etl_date),
    },
    Column {
        name: "Days",
        caption: "Days",
        comment: "days with at least one kept record: bit d-1 is set for day d",
        column_type: ColumnType::Int,
        unit: Unit::DayMask,
        role: Role::Value,
        outputs: &[Output::MonthFile],
        seed_name: None,
        since: 1,
        values: |table| Values::Masks(&table.days),
    },
];

/// The devices of a customer. Months whose devices were counted have it: in the month file after
/// [`COLUMNS`], in the warehouse in a table of its own.
pub const DEVICES: Column = Column {
    name: "Devices",
    caption: "Devices",
    comment: "number of distinct Mac in the kept records",
    column_type: ColumnType::Int,
    unit: Unit::Devices,
    role: Role::Value,
    outputs: &[Output::Warehouse, Output::MonthFile],
    seed_name: None,
    since: 2,
    values: |table| Values::Counts(table.devices.as_ref().map_or(&[], |devices| &devices.counts)),
};

/// [`COLUMNS`] and [`DEVICES`]: a month file whose devices were counted.
pub const COLUMNS_WITH_DEVICES: &[Column] = &{
    let mut all = [DEVICES; COLUMNS.len() + 1];
    let mut place = 0;
    while place < COLUMNS.len() {
        all[place] = COLUMNS[place];
        place += 1;
    }
    all
};

/// The columns of `customer_devices`: the key of a customer's row and [`DEVICES`].
pub const DEVICE_COLUMNS: &[Column] = &[COLUMNS[0], COLUMNS[1], DEVICES];

/// The columns of a month file whose devices were counted, or not.
pub fn of_month_file(devices: Devices) -> &'static [Column] {
    match devices {
        Devices::Ignored => COLUMNS,
        Devices::Counted => COLUMNS_WITH_DEVICES,
    }
}

/// [`COLUMNS`] and one more in every output, `SecondTotal`, which repeats the total: whatever is
/// made from the table of columns must show it.
#[cfg(test)]
pub(crate) fn with_one_more() -> Vec<Column> {
    let more = Column {
        name: "SecondTotal",
        caption: "Second total (seconds)",
        comment: "a column that a test adds",
        column_type: ColumnType::BigInt,
        unit: Unit::Seconds,
        role: Role::Value,
        outputs: OF_CUSTOMERS,
        seed_name: None,
        since: 2,
        values: |table| Values::BigInts(&table.total),
    };
    COLUMNS.iter().copied().chain([more]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::partial::tests::month_of;
    use crate::engine::rules::Rules;

    #[test]
    fn the_warehouse_has_twelve_columns_and_the_month_file_the_days_too() {
        let names = |output| held_by(COLUMNS, output).map(|column| column.name).collect::<Vec<_>>();
        let mut expected = vec![
            "Month",
            "Contract",
            "MovieDuration",
            "SportDuration",
            "ChildDuration",
            "RelaxDuration",
            "TvDuration",
            "TotalDuration",
            "MostWatch",
            "Taste",
            "Activeness",
            "Date",
        ];
        assert_eq!(names(Output::Warehouse), expected);
        assert_eq!(names(Output::Workbook), expected);
        expected.push("Days");
        assert_eq!(names(Output::MonthFile), expected);
        let key: Vec<_> = COLUMNS.iter().filter(|column| column.role == Role::Key).map(|column| column.name).collect();
        assert_eq!(key, ["Month", "Contract"]);
    }

    #[test]
    fn devices_stand_behind_all_other_columns_of_a_file_and_in_a_table_of_their_own() {
        let names =
            |columns: &[Column], output| -> Vec<&str> { held_by(columns, output).map(|column| column.name).collect() };
        let (with, without) = (of_month_file(Devices::Counted), of_month_file(Devices::Ignored));
        let expected = [names(without, Output::MonthFile), vec!["Devices"]].concat();
        assert_eq!(names(with, Output::MonthFile), expected);
        assert_eq!(names(with, Output::Workbook), names(without, Output::Workbook));
        assert_eq!(names(DEVICE_COLUMNS, Output::Warehouse), ["Month", "Contract", "Devices"]);
    }

    #[test]
    fn every_category_has_its_column() {
        let names = Category::ALL.map(name_of_seconds);
        assert_eq!(names, ["MovieDuration", "SportDuration", "ChildDuration", "RelaxDuration", "TvDuration"]);
        assert!(with_one_more().iter().filter(|column| column.category().is_some()).count() == Category::ALL.len());
    }

    #[test]
    fn a_column_more_is_held_and_summed_like_the_others() {
        let rules = Rules::preset("default").unwrap();
        let records = [("A", Category::Tv, 5, 1), ("B", Category::Movie, 7, 1), ("B", Category::Tv, 1, 4)];
        let mut table = month_of(&records, &rules);
        table.etl_date = jiff::civil::date(2022, 5, 2);
        let columns = with_one_more();
        let row: Vec<Cell<'_>> =
            held_by(&columns, Output::MonthFile).map(|column| column.values(&table).cell(1)).collect();
        let seconds = [7, 0, 0, 0, 1, 8].map(Cell::Integer);
        let mut expected = vec![Cell::Date(jiff::civil::date(2022, 4, 1)), Cell::Text("B")];
        expected.extend(seconds);
        expected.extend([Cell::Text("Movie"), Cell::Text("Movie_Tv"), Cell::Integer(2)]);
        expected.extend([Cell::Date(table.etl_date), Cell::Integer(0b1001), Cell::Integer(8)]);
        assert_eq!(row, expected);
        let sums: Vec<i128> = columns.iter().filter_map(|column| column.sum(&table)).collect();
        assert_eq!(sums, [7, 0, 0, 0, 6, 13, 13]);
    }
}
