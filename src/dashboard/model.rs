//! What the dashboard shows, read from the mart once. Only aggregates and the top customers: a few kilobytes a month.

use jiff::civil::Date;

use crate::engine::calendar::{Day, Month};
use crate::engine::rules::Category;
use crate::warehouse::{Value, Warehouse, WarehouseError};

/// Most months that are read: the newest ones.
pub const MAX_MONTHS: usize = 36;

/// The months of a warehouse.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DashboardModel {
    /// Ascending, at most [`MAX_MONTHS`].
    pub months: Vec<MonthModel>,
}

/// One month of the mart. All durations are seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct MonthModel {
    /// The month.
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
    /// Table `data_quality`, most records first within each reason; see [`MonthModel::n_records`].
    pub quality: Vec<QualityCount>,
    /// Table `watch_time_distribution`, all bands ascending.
    pub watch_bands: Vec<WatchBand>,
    /// Table `watch_time_summary`.
    pub watch_time: WatchTime,
    /// Table `category_overlap`: customers who watch both, indexed twice by [`Category`] as `usize`.
    pub overlap: [[i64; 5]; 5],
    /// The run whose rows stand, from `etl_run`.
    pub provenance: RunProvenance,
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

/// One day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayAudience {
    /// The day.
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
    /// Records.
    pub records: i64,
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
    /// Their seconds.
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
    /// Their seconds.
    pub top_tenth_seconds: i64,
}

/// Where the month comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunProvenance {
    /// Name and version of the engine.
    pub engine: String,
    /// Name of the rules.
    pub rules_name: String,
    /// Hash of the rules.
    pub rules_sha256: String,
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
    /// Reads the newest [`MAX_MONTHS`] months of the mart.
    ///
    /// # Errors
    /// What the warehouse says, or a table that does not have the columns and types of this version.
    pub fn read(warehouse: &mut dyn Warehouse) -> Result<DashboardModel, WarehouseError> {
        let months = warehouse.months()?;
        let newest = months.len().saturating_sub(MAX_MONTHS);
        let months = months
            .into_iter()
            .skip(newest)
            .map(|month| MonthModel::read(warehouse, month))
            .collect::<Result<_, _>>()?;
        Ok(DashboardModel { months })
    }

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
            quality: Vec::new(),
            watch_bands: Vec::new(),
            watch_time: WatchTime::default(),
            overlap: [[0; 5]; 5],
            provenance: RunProvenance::default(),
        }
    }

    /// Reads one month.
    ///
    /// # Errors
    /// As [`DashboardModel::read`].
    pub fn read(warehouse: &mut dyn Warehouse, month: Month) -> Result<MonthModel, WarehouseError> {
        let mut model = MonthModel::empty(month);
        let mut mart = Reader { warehouse, month };

        const SECONDS: &str = "MovieDuration, SportDuration, ChildDuration, RelaxDuration, TvDuration, TotalDuration";
        mart.rows(
            "summary_customer",
            "SELECT TotalUser, Total_MovieDuration, Total_SportDuration, Total_ChildDuration, Total_RelaxDuration, \
             Total_TvDuration, TotalDuration FROM {mart}.summary_customer WHERE Month = {month}",
            |row| {
                model.summary =
                    Summary { users: row.integer()?, seconds: row.seconds()?, total_seconds: row.integer()? };
                Some(())
            },
        )?;
        mart.rows(
            "category_audience",
            "SELECT Category, Users, Seconds, MostWatchUsers FROM {mart}.category_audience WHERE Month = {month}",
            |row| {
                let category = row.category()?;
                model.categories[category as usize] = CategoryAudience {
                    users: row.integer()?,
                    seconds: row.integer()?,
                    most_watch_users: row.integer()?,
                };
                Some(())
            },
        )?;
        mart.rows(
            "activeness_distribution",
            "SELECT ActiveDays, Users FROM {mart}.activeness_distribution WHERE Month = {month}",
            |row| {
                model.activeness.push(ActiveDays { days: row.integer()?, users: row.integer()? });
                Some(())
            },
        )?;
        mart.rows(
            "taste_distribution",
            "SELECT Taste, Users FROM {mart}.taste_distribution WHERE Month = {month}",
            |row| {
                model.tastes.push(TasteUsers { taste: row.text()?, users: row.integer()? });
                Some(())
            },
        )?;
        mart.rows(
            "daily_audience",
            &format!(
                "SELECT Day, ActiveUsers, Records, {SECONDS} FROM {{mart}}.daily_audience WHERE Month = {{month}}"
            ),
            |row| {
                let date: Date = row.text()?.get(..10)?.parse().ok()?;
                model.days.push(DayAudience {
                    day: Day::of(date),
                    active_users: row.integer()?,
                    records: row.integer()?,
                    seconds: row.seconds()?,
                    total_seconds: row.integer()?,
                });
                Some(())
            },
        )?;
        mart.rows(
            "top_customers",
            "SELECT Place, Contract, TotalDuration, Taste, Activeness FROM {mart}.top_customers WHERE Month = {month}",
            |row| {
                model.top_customers.push(TopCustomer {
                    place: row.integer()?,
                    contract: row.text()?,
                    total_seconds: row.integer()?,
                    taste: row.text()?,
                    active_days: row.integer()?,
                });
                Some(())
            },
        )?;
        mart.rows(
            "data_quality",
            "SELECT Reason, App, Records FROM {mart}.data_quality WHERE Month = {month}",
            |row| {
                model.quality.push(QualityCount { reason: row.text()?, app: row.text()?, records: row.integer()? });
                Some(())
            },
        )?;
        mart.rows(
            "watch_time_distribution",
            "SELECT FromSeconds, ToSeconds, Users, Seconds FROM {mart}.watch_time_distribution WHERE Month = {month}",
            |row| {
                // The outermost bounds stand for "none", see the table's file.
                let bound = |seconds: i64| (seconds.unsigned_abs() < i64::MAX.unsigned_abs()).then_some(seconds);
                model.watch_bands.push(WatchBand {
                    from_seconds: bound(row.integer()?),
                    to_seconds: bound(row.integer()?),
                    users: row.integer()?,
                    seconds: row.integer()?,
                });
                Some(())
            },
        )?;
        mart.rows(
            "watch_time_summary",
            "SELECT MedianSeconds, P90Seconds, P99Seconds, TopTenthUsers, TopTenthSeconds \
             FROM {mart}.watch_time_summary WHERE Month = {month}",
            |row| {
                model.watch_time = WatchTime {
                    median_seconds: row.integer()?,
                    p90_seconds: row.integer()?,
                    p99_seconds: row.integer()?,
                    top_tenth_users: row.integer()?,
                    top_tenth_seconds: row.integer()?,
                };
                Some(())
            },
        )?;
        mart.rows(
            "category_overlap",
            "SELECT Category, Other, Users FROM {mart}.category_overlap WHERE Month = {month}",
            |row| {
                let (category, other) = (row.category()?, row.category()?);
                model.overlap[category as usize][other as usize] = row.integer()?;
                Some(())
            },
        )?;
        mart.rows(
            "etl_run",
            "SELECT Engine, RulesName, RulesSha256, InputFiles, InputBytes, RecordsRead FROM {warehouse}.etl_run \
             WHERE Month = {month} ORDER BY Id DESC LIMIT 1",
            |row| {
                model.provenance = RunProvenance {
                    engine: row.text()?,
                    rules_name: row.text()?,
                    rules_sha256: row.text()?,
                    input_files: row.integer()?,
                    input_bytes: row.integer()?,
                    records_read: row.integer()?,
                    etl_date: None,
                };
                Some(())
            },
        )?;
        mart.rows(
            "customer_behavior",
            "SELECT Date FROM {warehouse}.customer_behavior WHERE Month = {month} LIMIT 1",
            |row| {
                model.provenance.etl_date = Some(row.text()?.get(..10)?.to_owned());
                Some(())
            },
        )?;
        model.put_in_order();
        Ok(model)
    }

    /// Sorts here what databases may sort in different ways.
    fn put_in_order(&mut self) {
        self.activeness.sort_by_key(|bin| bin.days);
        self.tastes.sort_by(|a, b| b.users.cmp(&a.users).then_with(|| a.taste.cmp(&b.taste)));
        self.days.sort_by_key(|day| day.day);
        self.top_customers.sort_by_key(|customer| customer.place);
        self.quality.sort_by(|a, b| (&a.reason, b.records, &a.app).cmp(&(&b.reason, a.records, &b.app)));
        self.watch_bands.sort_by_key(|band| (band.from_seconds, band.to_seconds));
    }

    /// Records that ended as `reason` (`kept` or a reason's name).
    pub fn n_records(&self, reason: &str) -> i64 {
        self.quality.iter().filter(|count| count.reason == reason).map(|count| count.records).sum()
    }

    /// Days of the month without data.
    pub fn missing_days(&self) -> Vec<Day> {
        self.month.days().filter(|day| self.days.iter().all(|present| present.day != *day)).collect()
    }
}

/// Runs the queries of one month.
struct Reader<'a> {
    warehouse: &'a mut dyn Warehouse,
    month: Month,
}

impl Reader<'_> {
    /// Gives every row of `sql` to `take`, which answers `None` to a row that is not as it must be.
    fn rows(
        &mut self,
        table: &str,
        sql: &str,
        mut take: impl FnMut(&mut Row) -> Option<()>,
    ) -> Result<(), WarehouseError> {
        for values in self.warehouse.query(self.month, sql)? {
            let mut row = Row(values.into_iter());
            take(&mut row).ok_or_else(|| WarehouseError::Database {
                at: self.warehouse.address(),
                doing: "reading the mart",
                why: format!("a row of `{table}` for {} is not as this version of viewmart writes it", self.month),
                advice: Some(format!("rebuild it with `viewmart mart --month {}`", self.month)),
            })?;
        }
        Ok(())
    }
}

/// The values of a row, taken from left to right.
struct Row(std::vec::IntoIter<Value>);

impl Row {
    fn integer(&mut self) -> Option<i64> {
        match self.0.next()? {
            Value::Integer(number) => Some(number),
            _ => None,
        }
    }

    fn text(&mut self) -> Option<String> {
        match self.0.next()? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    fn category(&mut self) -> Option<Category> {
        let name = self.text()?;
        Category::ALL.into_iter().find(|category| category.name() == name)
    }

    fn seconds(&mut self) -> Option<[i64; 5]> {
        let mut seconds = [0; 5];
        for category in &mut seconds {
            *category = self.integer()?;
        }
        Some(seconds)
    }
}
