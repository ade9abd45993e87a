//! The tables of the mart, and those on the way to them.

use crate::warehouse::schema::ColumnType::{BigInt, Date, Double, Int, Text};
use crate::warehouse::schema::{DAILY_COLUMNS, Database, MAX_APP_CHARS, NEWEST_MONTH, Table, View, added, column};

/// Totals of the month.
pub const SUMMARY_CUSTOMER: Table = Table {
    database: Database::Mart,
    name: "summary_customer",
    comment: "totals of the month",
    columns: &[
        column("Month", Date, "first day of the month"),
        column("TotalUser", BigInt, "customers"),
        column("Total_MovieDuration", BigInt, "seconds of Movie"),
        column("Total_SportDuration", BigInt, "seconds of Sport"),
        column("Total_ChildDuration", BigInt, "seconds of Child"),
        column("Total_RelaxDuration", BigInt, "seconds of Relax"),
        column("Total_TvDuration", BigInt, "seconds of Tv"),
        column("TotalDuration", BigInt, "seconds of all categories"),
    ],
    key: &["Month"],
};

/// Customers counted by taste, most watched category, number of active days and set of categories: what most other tables
/// of the mart are read from.
pub const CUSTOMER_SEGMENTS: Table = Table {
    database: Database::Mart,
    name: "customer_segments",
    comment: "customers by taste, most watched category, active days and set of categories",
    columns: &[
        column("Month", Date, "first day of the month"),
        column("Taste", Text(50), "categories watched, joined by _"),
        column("MostWatch", Text(10), "category with the most seconds"),
        column("ActiveDays", Int, "days with a kept record"),
        column(
            "Categories",
            Int,
            "sum of 1 Movie, 2 Sport, 4 Child, 8 Relax, 16 Tv, each where it has more than 0 seconds",
        ),
        column("Users", BigInt, "customers"),
        column("Seconds", BigInt, "their seconds"),
    ],
    key: &["Month", "ActiveDays", "Categories", "MostWatch", "Taste"],
};

/// Reach and seconds of each category.
pub const CATEGORY_AUDIENCE: Table = Table {
    database: Database::Mart,
    name: "category_audience",
    comment: "reach and seconds of each category",
    columns: &[
        column("Month", Date, "first day of the month"),
        column("Category", Text(10), "the category"),
        column("Users", BigInt, "customers with more than 0 seconds of it"),
        column("UserShare", Double, "their share of all customers, 0..1"),
        column("Seconds", BigInt, "seconds of it"),
        column("SecondsShare", Double, "their share of all seconds, 0..1"),
        column("SecondsPerUser", Double, "seconds per customer who watches it"),
        column("MostWatchUsers", BigInt, "customers who watch it most"),
    ],
    key: &["Month", "Category"],
};

/// Customers by number of active days.
pub const ACTIVENESS_DISTRIBUTION: Table = Table {
    database: Database::Mart,
    name: "activeness_distribution",
    comment: "customers by number of active days",
    columns: &[
        column("Month", Date, "first day of the month"),
        column("ActiveDays", Int, "days with a kept record"),
        column("Users", BigInt, "customers"),
        column("UserShare", Double, "their share of all customers, 0..1"),
    ],
    key: &["Month", "ActiveDays"],
};

/// Customers by taste.
pub const TASTE_DISTRIBUTION: Table = Table {
    database: Database::Mart,
    name: "taste_distribution",
    comment: "customers by taste",
    columns: &[
        column("Month", Date, "first day of the month"),
        column("Taste", Text(50), "categories watched, joined by _"),
        column("Users", BigInt, "customers"),
        column("UserShare", Double, "their share of all customers, 0..1"),
    ],
    key: &["Month", "Taste"],
};

/// The hundred customers with the most seconds.
pub const TOP_CUSTOMERS: Table = Table {
    database: Database::Mart,
    name: "top_customers",
    comment: "the hundred customers with the most seconds, ties by contract",
    columns: &[
        column("Month", Date, "first day of the month"),
        column("Place", Int, "rank, 1 has the most seconds"),
        column("Contract", Text(100), "customer"),
        column("TotalDuration", BigInt, "seconds of all categories"),
        column("Taste", Text(50), "categories watched, joined by _"),
        column("Activeness", Int, "days with a kept record"),
    ],
    key: &["Month", "Place"],
};

/// The ten customers with the most seconds of those who are no shared account.
pub const TOP_CUSTOMERS_UNSHARED: Table = Table {
    database: Database::Mart,
    name: "top_customers_unshared",
    comment: "the ten customers with the most seconds of those with at most 24 hours on an active day, ties by contract",
    columns: &[
        added("Month", Date, "first day of the month", ""),
        added("Place", Int, "rank, 1 has the most seconds", ""),
        added("Contract", Text(100), "customer", ""),
        added("TotalDuration", BigInt, "seconds of all categories", ""),
        added("Taste", Text(50), "categories watched, joined by _", ""),
        added("Activeness", Int, "days with a kept record", ""),
    ],
    key: &["Month", "Place"],
};

/// The days of the month.
pub const DAILY_AUDIENCE: Table = Table {
    database: Database::Mart,
    name: "daily_audience",
    comment: "the days of the month",
    columns: DAILY_COLUMNS,
    key: &["Month", "Day"],
};

/// Records and seconds by app: of records that were kept or rejected as `unmapped_app`. All apps in a category, and the
/// thousand others with the most records.
pub const APP_AUDIENCE: Table = Table {
    database: Database::Mart,
    name: "app_audience",
    comment: "records and seconds by app: all apps in a category, and the thousand others with the most records",
    columns: &[
        added("Month", Date, "first day of the month", ""),
        added("App", Text(MAX_APP_CHARS), "name of the app", ""),
        added("Category", Text(10), "its category, empty when it is in none", ""),
        added("Records", BigInt, "records kept, or rejected as unmapped_app", ""),
        added("Seconds", BigInt, "their seconds", ""),
    ],
    key: &["Month", "App", "Category"],
};

/// What became of the records of each day.
pub const DAILY_QUALITY: Table = Table {
    database: Database::Mart,
    name: "daily_quality",
    comment: "what became of the records of each day",
    columns: &[
        added("Month", Date, "first day of the month", ""),
        added("Day", Date, "the day", ""),
        added("Reason", Text(30), "kept, or why the records were rejected", ""),
        added("Records", BigInt, "records", ""),
    ],
    key: &["Month", "Day", "Reason"],
};

/// What became of every record. `App` is empty except for `unmapped_app`, which has one row per app.
pub const DATA_QUALITY: Table = Table {
    database: Database::Mart,
    name: "data_quality",
    comment: "what became of every record",
    columns: &[
        column("Month", Date, "first day of the month"),
        column("Reason", Text(30), "kept, or why the records were rejected"),
        column("App", Text(MAX_APP_CHARS), "name of the app for unmapped_app, else empty"),
        column("Records", BigInt, "records"),
    ],
    key: &["Month", "Reason", "App"],
};

/// Customers by number of devices.
pub const DEVICE_DISTRIBUTION: Table = Table {
    database: Database::Mart,
    name: "device_distribution",
    comment: "customers by number of devices, of months made with --devices",
    columns: &[
        added("Month", Date, "first day of the month", ""),
        added("Band", Text(10), "devices of a customer: 0, 1, 2, 3, 4, 5-9, 10-99 or 100+", ""),
        added("Users", BigInt, "customers", ""),
        added("UserShare", Double, "their share of all customers, 0..1", ""),
        added("Devices", BigInt, "their devices; one that several of them had counts for each", ""),
    ],
    key: &["Month", "Band"],
};

/// Customers by total seconds, in bands that about double every second time.
pub const WATCH_TIME_DISTRIBUTION: Table = Table {
    database: Database::Mart,
    name: "watch_time_distribution",
    comment: "customers by total seconds, in bands that about double every second time",
    columns: &[
        column("Month", Date, "first day of the month"),
        column("Band", Int, "number of the band, from 0"),
        column("FromSeconds", BigInt, "least seconds of a customer in the band; -9223372036854775807 for no bound"),
        column(
            "ToSeconds",
            BigInt,
            "seconds from which on a customer is in the next band; 9223372036854775807 for no bound",
        ),
        column("Users", BigInt, "customers"),
        column("UserShare", Double, "their share of all customers, 0..1"),
        column("Seconds", BigInt, "their seconds"),
        column("SecondsShare", Double, "their share of all seconds, 0..1"),
    ],
    key: &["Month", "Band"],
};

/// Quantiles of total seconds over customers, and the part of the top decile of them.
pub const WATCH_TIME_SUMMARY: Table = Table {
    database: Database::Mart,
    name: "watch_time_summary",
    comment: "quantiles of total seconds over customers, and the part of the top tenth of them",
    columns: &[
        column("Month", Date, "first day of the month"),
        column("Users", BigInt, "customers"),
        column("Seconds", BigInt, "their seconds"),
        column("MedianSeconds", BigInt, "half of the customers have at most this many seconds"),
        column("P90Seconds", BigInt, "90 % have at most this many seconds"),
        column("P99Seconds", BigInt, "99 % have at most this many seconds"),
        column("TopTenthUsers", BigInt, "the tenth of the customers with the most seconds, rounded up"),
        column("TopTenthSeconds", BigInt, "their seconds"),
        column("TopTenthShare", Double, "their share of all seconds, 0..1"),
    ],
    key: &["Month"],
};

/// Customers who watch two categories, for each two.
pub const CATEGORY_OVERLAP: Table = Table {
    database: Database::Mart,
    name: "category_overlap",
    comment: "customers who watch two categories, for each two",
    columns: &[
        column("Month", Date, "first day of the month"),
        column("Category", Text(10), "the category"),
        column("Other", Text(10), "the other category, or the same"),
        column("Users", BigInt, "customers with more than 0 seconds of both"),
        column("UserShare", Double, "their share of the customers of the category, 0..1"),
    ],
    key: &["Month", "Category", "Other"],
};

/// The audiences with a name.
pub const AUDIENCE_SIZE: Table = Table {
    database: Database::Mart,
    name: "audience_size",
    comment: "the audiences with a name",
    columns: &[
        added("Month", Date, "first day of the month", ""),
        added("Audience", Text(50), "name of the audience", ""),
        added("Users", BigInt, "its customers", ""),
        added("Seconds", BigInt, "their seconds of all categories", ""),
        added("UserShare", Double, "their share of all customers, 0..1", ""),
    ],
    key: &["Month", "Audience"],
};

/// Customers who are in two audiences with a name, for each two.
pub const AUDIENCE_OVERLAP: Table = Table {
    database: Database::Mart,
    name: "audience_overlap",
    comment: "customers who are in two audiences with a name, for each two",
    columns: &[
        added("Month", Date, "first day of the month", ""),
        added("Audience", Text(50), "name of the audience", ""),
        added("Other", Text(50), "name of the other audience, or the same", ""),
        added("Users", BigInt, "customers in both", ""),
        added("UserShare", Double, "their share of the customers of the audience, 0..1", ""),
    ],
    key: &["Month", "Audience", "Other"],
};

/// Customers by what became of them since the month before, where the warehouse has that.
pub const CUSTOMER_MOVEMENT: Table = Table {
    database: Database::Mart,
    name: "customer_movement",
    comment: "customers by what became of them since the month before; no row where the warehouse does not have that",
    columns: &[
        added("Month", Date, "first day of the month", ""),
        added(
            "Kind",
            Text(10),
            "retained: there in both months; returned: not in the month before, but in an earlier one; new: in none \
             before; lapsed: in the month before alone",
            "",
        ),
        added("Users", BigInt, "customers", ""),
        added("Seconds", BigInt, "their seconds in the month", ""),
        added("SecondsBefore", BigInt, "their seconds in the month before", ""),
    ],
    key: &["Month", "Kind"],
};

/// Customers who were there in both months, by taste.
pub const TASTE_MOVEMENT: Table = Table {
    database: Database::Mart,
    name: "taste_movement",
    comment: "customers of this month and the month before, by taste in both",
    columns: &[
        added("Month", Date, "first day of the month", ""),
        added("TasteBefore", Text(50), "taste in the month before", ""),
        added("Taste", Text(50), "taste in the month", ""),
        added("Users", BigInt, "customers", ""),
    ],
    key: &["Month", "TasteBefore", "Taste"],
};

/// Customers who were there in both months, by bands of active days.
pub const ACTIVENESS_MOVEMENT: Table = Table {
    database: Database::Mart,
    name: "activeness_movement",
    comment: "customers of this month and the month before, by active days in both",
    columns: &[
        added("Month", Date, "first day of the month", ""),
        added("BandBefore", Text(10), "active days in the month before: 1-7, 8-14, 15-21 or 22-31", ""),
        added("Band", Text(10), "active days in the month, in the same bands", ""),
        added("Users", BigInt, "customers", ""),
    ],
    key: &["Month", "BandBefore", "Band"],
};

/// Which months the movement of each month was made from, so that what is no longer right is found.
pub const MOVEMENT_RUN: Table = Table {
    database: Database::Mart,
    name: "movement_run",
    comment: "which runs the tables of movement were made from: those of the month and of all before it",
    columns: &[
        added("Month", Date, "first day of the month", ""),
        added("Run", BigInt, "the newest of these runs, in etl_run of the warehouse", ""),
        added("Runs", BigInt, "how many they are; 0 where that is not known", ""),
    ],
    key: &["Month"],
};

/// Customers of the month and of the month before by what became of them, each part of them by itself.
pub const MOVEMENT_CELL: Table = Table {
    database: Database::Work,
    name: "movement_cell",
    comment: "customers by what became of them, each part of them by itself",
    columns: &[
        column("Part", Int, "part of the customers"),
        column("Cell", BigInt, "as in movement_present.sql and movement_past.sql"),
        column("TasteBefore", Text(50), "taste in the month before, empty for customers who were not there"),
        column("Taste", Text(50), "taste in the month, empty for customers who were not there"),
        column("Users", BigInt, "customers"),
        column("Seconds", BigInt, "their seconds in the month"),
        column("SecondsBefore", BigInt, "their seconds in the month before"),
    ],
    key: &["Part", "Cell"],
};

/// Customers counted by what tells them apart in most of the mart, each part of them by itself.
pub const CUSTOMER_CELL: Table = Table {
    database: Database::Work,
    name: "customer_cell",
    comment: "customers counted by what tells them apart, each part of them by itself",
    columns: &[
        column("Part", Int, "part of the customers"),
        column("Cell", BigInt, "as in customer_cell.key.sql"),
        column("Taste", Text(50), "categories watched, joined by _"),
        column("Users", BigInt, "customers"),
        column("Seconds", BigInt, "their seconds"),
        column("MovieSeconds", BigInt, "seconds of Movie"),
        column("SportSeconds", BigInt, "seconds of Sport"),
        column("ChildSeconds", BigInt, "seconds of Child"),
        column("RelaxSeconds", BigInt, "seconds of Relax"),
        column("TvSeconds", BigInt, "seconds of Tv"),
        column("UnsharedSeconds", BigInt, "most seconds of a customer who is no shared account; -1 where all are"),
    ],
    key: &["Part", "Cell"],
};

/// Customers by thin bins of watch time, each part of them by itself.
pub const WATCH_TIME_BIN: Table = Table {
    database: Database::Work,
    name: "watch_time_bin",
    comment: "customers by thin bins of watch time, each part of them by itself",
    columns: &[
        column("Part", Int, "part of the customers"),
        column("FromSeconds", BigInt, "least seconds of a customer in the bin, as in watch_time_bin.key.sql"),
        column("Users", BigInt, "customers"),
        column("Seconds", BigInt, "their seconds"),
    ],
    key: &["Part", "FromSeconds"],
};

/// The bins in which the customers stand that [`WATCH_TIME_SUMMARY`] and [`TOP_CUSTOMERS`] ask for.
pub const WATCH_TIME_RANK: Table = Table {
    database: Database::Work,
    name: "watch_time_rank",
    comment: "the bins of the customers at some ranks",
    columns: &[
        column("Mark", Int, "which customer is asked for"),
        column("Place", BigInt, "its rank, from the fewest seconds"),
        column("FromSeconds", BigInt, "least seconds of the bin"),
        column("LastSeconds", BigInt, "most seconds of the bin"),
        column("Below", BigInt, "customers below the bin"),
        column("SecondsAbove", BigInt, "seconds of the customers above it"),
    ],
    key: &["Mark"],
};

/// The customers of those bins, and those whom [`TOP_CUSTOMERS_UNSHARED`] asks for.
pub const BOUNDARY_CUSTOMER: Table = Table {
    database: Database::Work,
    name: "boundary_customer",
    comment: "the customers of those bins, and the first who are no shared account",
    columns: &[
        column("Contract", Text(100), "customer"),
        column("TotalDuration", BigInt, "seconds of all categories"),
        column("Taste", Text(50), "categories watched, joined by _"),
        column("Activeness", Int, "days with a kept record"),
    ],
    key: &["Contract"],
};

/// The totals with the column names of the original pipeline, spelled as it spells them.
pub const SUMMARY_CUSTOMER_SEED: View = View {
    database: Database::Mart,
    name: "summary_customer_seed",
    comment: "the newest month with the column names of the original pipeline",
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
    rows: NEWEST_MONTH,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::rules::Category;

    #[test]
    fn totals_follow_the_categories() {
        let names = SUMMARY_CUSTOMER.columns.iter().filter_map(|column| column.name.strip_prefix("Total_"));
        assert!(names.eq(Category::ALL.map(|category| format!("{}Duration", category.name()))));
    }
}
