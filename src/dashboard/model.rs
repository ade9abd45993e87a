//! What the dashboard shows. Only aggregates and the top customers: a few kilobytes a month.

use std::collections::BTreeMap;

use crate::engine::calendar::{Day, Month};
use crate::engine::rules::{Category, RulesStamp};
use crate::warehouse::RunWarning;

mod read;

/// Most months that are read: the newest ones.
pub const MAX_MONTHS: usize = 36;

/// The months of a warehouse.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DashboardModel {
    /// Ascending, at most [`MAX_MONTHS`].
    pub months: Vec<MonthModel>,
    /// Months, ascending, whose mart was not made from the run that stands: they are not among `months`.
    pub stale: Vec<Month>,
    /// All months of the mart, ascending, the older ones too.
    pub known: Vec<Month>,
}

/// One month of the mart. All durations are seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct MonthModel {
    pub month: Month,
    /// Table `summary_customer`.
    pub summary: Summary,
    /// Table `category_audience`, indexed by [`Category`] as `usize`.
    pub categories: [CategoryAudience; 5],
    /// Table `activeness_distribution`, ascending by days.
    pub activeness: Vec<ActiveDays>,
    /// Table `taste_distribution`: most customers first, then by name.
    pub tastes: Vec<TasteUsers>,
    /// Table `daily_audience`, ascending; days without data have no entry.
    pub days: Vec<DayAudience>,
    /// Table `top_customers`, by place.
    pub top_customers: Vec<TopCustomer>,
    /// Table `top_customers_unshared`, by place.
    pub top_unshared: Vec<TopCustomer>,
    /// Table `data_quality`, most records first within each reason; see [`MonthModel::n_records`].
    pub quality: Vec<QualityCount>,
    /// Table `daily_quality`, ascending: what became of the records of each day.
    pub daily_quality: BTreeMap<Day, BTreeMap<String, i64>>,
    /// Table `watch_time_distribution`, all bands ascending.
    pub watch_bands: Vec<WatchBand>,
    /// Table `watch_time_summary`.
    pub watch_time: WatchTime,
    /// Table `category_overlap`: customers who watch both, indexed twice by [`Category`] as `usize`.
    pub overlap: [[i64; 5]; 5],
    /// Table `audience_size`, in the order of the run.
    pub audiences: Vec<AudienceSize>,
    /// Table `audience_overlap`.
    pub audience_pairs: Vec<AudiencePair>,
    /// Table `app_audience`: apps in a category, most seconds first within each.
    pub apps: Vec<AppAudience>,
    /// What became of the customers since the month before, where the warehouse has that.
    pub movement: Movement,
    /// Warnings of the run that stands, in order.
    pub warnings: Vec<RunWarning>,
    /// The run that stands, from `etl_run_published`.
    pub provenance: RunProvenance,
    /// The run that the mart was made from, or 0 where a mart of version 0.1 does not know it.
    pub mart_run: i64,
}

/// Totals of the month.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Customers.
    pub users: i64,
    /// Seconds per category, indexed by [`Category`] as `usize`.
    pub seconds: [i64; 5],
    /// Their sum.
    pub total_seconds: i64,
}

/// Reach and time of a category.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CategoryAudience {
    /// Customers with more than 0 seconds of it; the categories overlap.
    pub users: i64,
    /// Seconds watched.
    pub seconds: i64,
    /// Customers who watch it more than any other category.
    pub most_watch_users: i64,
}

/// Customers with so many active days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActiveDays {
    /// Days with a kept record, 1..=31.
    pub days: i64,
    /// Customers.
    pub users: i64,
}

/// Customers with one taste.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TasteUsers {
    /// The label, category names joined by `_`, or `No`.
    pub taste: String,
    /// Customers.
    pub users: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayAudience {
    pub day: Day,
    /// Customers with a kept record.
    pub active_users: i64,
    /// Kept records.
    pub records: i64,
    /// Seconds per category, indexed by [`Category`] as `usize`.
    pub seconds: [i64; 5],
    /// Their sum.
    pub total_seconds: i64,
}

/// A customer with a lot of watch time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopCustomer {
    /// 1 has the most.
    pub place: i64,
    /// The contract, as it is: whoever shows it masks and escapes it.
    pub contract: String,
    /// Seconds watched.
    pub total_seconds: i64,
    /// The taste's label.
    pub taste: String,
    /// Number of active days.
    pub active_days: i64,
}

/// What became of some records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QualityCount {
    /// `kept` or the name of a reason.
    pub reason: String,
    /// The app for `unmapped_app`, else empty.
    pub app: String,
    pub records: i64,
}

/// What an app of a category was watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppAudience {
    pub category: Category,
    pub app: String,
    /// Kept records.
    pub records: i64,
    pub seconds: i64,
}

/// The tables `customer_movement`, `taste_movement` and `activeness_movement`; all are empty where the warehouse does not
/// have the month before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Movement {
    /// Whether it was made from the runs that stand now.
    pub is_current: bool,
    /// Customers who were new, retained, returned or lapsed, by name.
    pub kinds: Vec<MovementKind>,
    /// Customers of both months by taste, most customers first.
    pub tastes: Vec<Moved>,
    /// Customers of both months by active days in bands.
    pub bands: Vec<Moved>,
}

/// Customers to whom the same happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MovementKind {
    /// `new`, `retained`, `returned` or `lapsed`.
    pub kind: String,
    /// Customers.
    pub users: i64,
    /// Their seconds in the month.
    pub seconds: i64,
    /// Their seconds in the month before.
    pub seconds_before: i64,
}

/// Customers who were one thing and are another, or the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The label in the month before.
    pub before: String,
    /// The label in the month.
    pub now: String,
    /// Customers.
    pub users: i64,
}

impl Movement {
    /// Customers of a kind.
    pub fn users(&self, kind: &str) -> i64 {
        self.kinds.iter().filter(|moved| moved.kind == kind).map(|moved| moved.users).sum()
    }
}

/// Customers whose total lies from `from_seconds` to less than `to_seconds`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchBand {
    /// Lower bound, or `None` for the first band, which holds customers without watch time.
    pub from_seconds: Option<i64>,
    /// Upper bound, or `None` for the last band.
    pub to_seconds: Option<i64>,
    /// Customers.
    pub users: i64,
    pub seconds: i64,
}

/// Quantiles of total seconds over customers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WatchTime {
    /// Half of the customers have at most this much.
    pub median_seconds: i64,
    /// 90 % have at most this much.
    pub p90_seconds: i64,
    /// 99 % have at most this much.
    pub p99_seconds: i64,
    /// Size of the tenth of the customers with the most seconds, rounded up.
    pub top_tenth_users: i64,
    pub top_tenth_seconds: i64,
}

/// An audience with a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudienceSize {
    /// Its number, from 1.
    pub place: i64,
    pub name: String,
    pub description: String,
    pub expression: String,
    /// Customers.
    pub users: i64,
    pub seconds: i64,
    /// Half of the customers who are not in it have at most this much.
    pub others_median_seconds: i64,
}

/// Customers who are in two audiences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudiencePair {
    pub audience: String,
    /// The other, or the same.
    pub other: String,
    /// Customers.
    pub users: i64,
}

/// Where the month comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunProvenance {
    /// Its number in `etl_run`.
    pub run: i64,
    /// Name and version of the engine.
    pub engine: String,
    /// The rules, without the contracts that they exclude; their text is empty where the run did not keep it.
    pub rules: RulesStamp,
    /// Data files.
    pub input_files: i64,
    /// Their size as stored.
    pub input_bytes: i64,
    /// Records read, of which some were kept.
    pub records_read: i64,
    /// The column `Date`, or `None` for a month without customers.
    pub etl_date: Option<String>,
}

impl DashboardModel {
    /// The month before `month`, where it is in the model: what changes are measured against.
    pub fn month_before(&self, month: Month) -> Option<&MonthModel> {
        let before = month.previous()?;
        self.months.iter().find(|other| other.month == before)
    }
}

impl MonthModel {
    /// A month in which nothing happened.
    pub fn empty(month: Month) -> MonthModel {
        MonthModel {
            month,
            summary: Summary::default(),
            categories: [CategoryAudience::default(); 5],
            activeness: Vec::new(),
            tastes: Vec::new(),
            days: Vec::new(),
            top_customers: Vec::new(),
            top_unshared: Vec::new(),
            quality: Vec::new(),
            daily_quality: BTreeMap::new(),
            watch_bands: Vec::new(),
            watch_time: WatchTime::default(),
            overlap: [[0; 5]; 5],
            audiences: Vec::new(),
            audience_pairs: Vec::new(),
            apps: Vec::new(),
            movement: Movement::default(),
            warnings: Vec::new(),
            provenance: RunProvenance::default(),
            mart_run: 0,
        }
    }

    /// Records that ended as `reason` (`kept` or a reason's name).
    pub fn n_records(&self, reason: &str) -> i64 {
        self.quality.iter().filter(|count| count.reason == reason).map(|count| count.records).sum()
    }

    /// An audience by its name.
    pub fn audience(&self, name: &str) -> Option<&AudienceSize> {
        self.audiences.iter().find(|audience| audience.name == name)
    }

    /// Customers who are in two audiences.
    pub fn audience_overlap(&self, audience: &str, other: &str) -> i64 {
        let is_wanted = |pair: &&AudiencePair| pair.audience == audience && pair.other == other;
        self.audience_pairs.iter().find(is_wanted).map_or(0, |pair| pair.users)
    }

    /// Days of the month without data.
    pub fn missing_days(&self) -> Vec<Day> {
        self.month.days().filter(|day| self.days.iter().all(|present| present.day != *day)).collect()
    }
}
