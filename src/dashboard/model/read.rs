//! The model as it is read from the mart, once: a query a table, and where its rows go.

use jiff::civil::Date;

use super::{
    ActiveDays, AppAudience, AudiencePair, AudienceSize, CategoryAudience, DashboardModel, DayAudience, MAX_MONTHS,
    MonthModel, Moved, MovementKind, QualityCount, RunProvenance, Summary, TasteUsers, TopCustomer, WatchBand,
    WatchTime,
};
use crate::engine::calendar::{Day, Month};
use crate::engine::rules::{Category, Rules, RulesStamp};
use crate::mart::{RUN_OF_MART, movement};
use crate::warehouse::{Fault, RunWarning, Value, Warehouse, WarehouseError};

impl DashboardModel {
    /// Reads the newest [`MAX_MONTHS`] months of the mart, and in any case `wanted` and the month before it. Each of
    /// them is as it was at one moment: a run beside this shows in a month whole or not at all.
    ///
    /// # Errors
    /// What the warehouse says, or a table that does not have the columns and types of this version.
    pub fn read(warehouse: &mut dyn Warehouse, wanted: Option<Month>) -> Result<DashboardModel, WarehouseError> {
        let known = warehouse.months()?;
        let chosen = choose_months(&known, wanted);
        let queries = QUERIES.map(|query| query.sql);
        let mut model = DashboardModel { known, ..DashboardModel::default() };
        for month in chosen {
            let results = warehouse.snapshot(month, &queries)?;
            match MonthModel::from_results(month, results) {
                Ok(read) if read.is_of_the_standing_run() => model.months.push(read),
                Ok(_) => model.stale.push(month),
                Err(table) => {
                    let fault = Fault::MartRow { table, month };
                    return Err(WarehouseError::step(warehouse.address(), "reading the mart", fault));
                }
            }
        }
        Ok(model)
    }
}

impl MonthModel {
    /// The month from the rows of each of [`QUERIES`], or the table with a row that is not as it must be.
    fn from_results(month: Month, results: Vec<Vec<Vec<Value>>>) -> Result<MonthModel, &'static str> {
        let mut model = MonthModel::empty(month);
        for (query, rows) in QUERIES.iter().zip(results) {
            for row in rows {
                (query.take)(&mut model, &mut Cells(row.into_iter())).ok_or(query.table)?;
            }
        }
        model.put_in_order();
        Ok(model)
    }

    /// Whether the mart was made from the run that stands.
    fn is_of_the_standing_run(&self) -> bool {
        self.mart_run == self.provenance.run
    }

    /// Sorts here what databases may sort in different ways.
    fn put_in_order(&mut self) {
        self.activeness.sort_by_key(|bin| bin.days);
        self.tastes.sort_by(|a, b| b.users.cmp(&a.users).then_with(|| a.taste.cmp(&b.taste)));
        self.days.sort_by_key(|day| day.day);
        self.top_customers.sort_by_key(|customer| customer.place);
        self.top_unshared.sort_by_key(|customer| customer.place);
        self.quality.sort_by(|a, b| (&a.reason, b.records, &a.app).cmp(&(&b.reason, a.records, &b.app)));
        self.audiences.sort_by_key(|audience| audience.place);
        self.apps.sort_by(|a, b| (b.seconds, &a.app).cmp(&(a.seconds, &b.app)));
        self.movement.kinds.sort_by(|a, b| a.kind.cmp(&b.kind));
        for moved in [&mut self.movement.tastes, &mut self.movement.bands] {
            moved.sort_by(|a, b| (b.users, &a.before, &a.now).cmp(&(a.users, &b.before, &b.now)));
        }
        self.watch_bands.sort_by_key(|band| (band.from_seconds, band.to_seconds));
    }
}

/// The newest months and, where it is older, the one that is wanted with the one before it, which changes are measured
/// against.
fn choose_months(known: &[Month], wanted: Option<Month>) -> Vec<Month> {
    let wanted = wanted.filter(|month| known.contains(month));
    let before = wanted.and_then(Month::previous).filter(|month| known.contains(month));
    let newest = known.iter().rev().take(MAX_MONTHS);
    let mut chosen: Vec<Month> = wanted.into_iter().chain(before).collect();
    for month in newest {
        if chosen.len() < MAX_MONTHS && !chosen.contains(month) {
            chosen.push(*month);
        }
    }
    chosen.sort_unstable();
    chosen
}

/// Rows of one table, and where they go in the model.
struct Query {
    table: &'static str,
    sql: &'static str,
    /// Answers `None` to a row that is not as it must be.
    take: fn(&mut MonthModel, &mut Cells) -> Option<()>,
}

/// What is read of each month.
const QUERIES: [Query; 23] = [
    Query {
        table: "mart_run",
        sql: RUN_OF_MART,
        take: |model, row| {
            model.mart_run = row.integer()?;
            Some(())
        },
    },
    Query {
        table: "etl_run_published",
        sql: "SELECT Id, Engine, RulesName, RulesSha256, RulesText, InputFiles, InputBytes, RecordsRead \
              FROM {warehouse}.etl_run_published WHERE Month = {month}",
        take: |model, row| {
            model.provenance = RunProvenance {
                run: row.integer()?,
                engine: row.text()?,
                rules: RulesStamp { name: row.text()?, sha256: row.text()?, text: rules_to_show(&row.text()?) },
                input_files: row.integer()?,
                input_bytes: row.integer()?,
                records_read: row.integer()?,
                etl_date: None,
            };
            Some(())
        },
    },
    Query {
        table: "customer_behavior",
        sql: "SELECT Date FROM {warehouse}.customer_behavior WHERE Month = {month} LIMIT 1",
        take: |model, row| {
            model.provenance.etl_date = Some(row.text()?.get(..10)?.to_owned());
            Some(())
        },
    },
    Query {
        table: "summary_customer",
        sql: "SELECT TotalUser, Total_MovieDuration, Total_SportDuration, Total_ChildDuration, Total_RelaxDuration, \
              Total_TvDuration, TotalDuration FROM {mart}.summary_customer WHERE Month = {month}",
        take: |model, row| {
            model.summary = Summary { users: row.integer()?, seconds: row.seconds()?, total_seconds: row.integer()? };
            Some(())
        },
    },
    Query {
        table: "category_audience",
        sql: "SELECT Category, Users, Seconds, MostWatchUsers FROM {mart}.category_audience WHERE Month = {month}",
        take: |model, row| {
            let category = row.category()?;
            model.categories[category as usize] =
                CategoryAudience { users: row.integer()?, seconds: row.integer()?, most_watch_users: row.integer()? };
            Some(())
        },
    },
    Query {
        table: "activeness_distribution",
        sql: "SELECT ActiveDays, Users FROM {mart}.activeness_distribution WHERE Month = {month}",
        take: |model, row| {
            model.activeness.push(ActiveDays { days: row.integer()?, users: row.integer()? });
            Some(())
        },
    },
    Query {
        table: "taste_distribution",
        sql: "SELECT Taste, Users FROM {mart}.taste_distribution WHERE Month = {month}",
        take: |model, row| {
            model.tastes.push(TasteUsers { taste: row.text()?, users: row.integer()? });
            Some(())
        },
    },
    Query {
        table: "daily_audience",
        sql: "SELECT Day, ActiveUsers, Records, MovieDuration, SportDuration, ChildDuration, RelaxDuration, \
              TvDuration, TotalDuration FROM {mart}.daily_audience WHERE Month = {month}",
        take: |model, row| {
            model.days.push(row.day()?);
            Some(())
        },
    },
    Query {
        table: "top_customers",
        sql: "SELECT Place, Contract, TotalDuration, Taste, Activeness FROM {mart}.top_customers \
              WHERE Month = {month}",
        take: |model, row| {
            model.top_customers.push(row.customer()?);
            Some(())
        },
    },
    Query {
        table: "top_customers_unshared",
        sql: "SELECT Place, Contract, TotalDuration, Taste, Activeness FROM {mart}.top_customers_unshared \
              WHERE Month = {month}",
        take: |model, row| {
            model.top_unshared.push(row.customer()?);
            Some(())
        },
    },
    Query {
        table: "data_quality",
        sql: "SELECT Reason, App, Records FROM {mart}.data_quality WHERE Month = {month}",
        take: |model, row| {
            model.quality.push(QualityCount { reason: row.text()?, app: row.text()?, records: row.integer()? });
            Some(())
        },
    },
    Query {
        table: "daily_quality",
        sql: "SELECT Day, Reason, Records FROM {mart}.daily_quality WHERE Month = {month}",
        take: |model, row| {
            let (day, reason, records) = (row.date()?, row.text()?, row.integer()?);
            model.daily_quality.entry(Day::of(day)).or_default().insert(reason, records);
            Some(())
        },
    },
    Query {
        table: "app_audience",
        sql: "SELECT Category, App, Records, Seconds FROM {mart}.app_audience WHERE Month = {month} AND Category <> ''",
        take: |model, row| {
            let category = row.category()?;
            let app = AppAudience { category, app: row.text()?, records: row.integer()?, seconds: row.integer()? };
            model.apps.push(app);
            Some(())
        },
    },
    Query {
        table: "movement_run",
        sql: movement::IS_CURRENT,
        take: |model, row| {
            model.movement.is_current = row.integer()? == 1;
            Some(())
        },
    },
    Query {
        table: "customer_movement",
        sql: "SELECT Kind, Users, Seconds, SecondsBefore FROM {mart}.customer_movement WHERE Month = {month}",
        take: |model, row| {
            model.movement.kinds.push(MovementKind {
                kind: row.text()?,
                users: row.integer()?,
                seconds: row.integer()?,
                seconds_before: row.integer()?,
            });
            Some(())
        },
    },
    Query {
        table: "taste_movement",
        sql: "SELECT TasteBefore, Taste, Users FROM {mart}.taste_movement WHERE Month = {month}",
        take: |model, row| {
            model.movement.tastes.push(row.moved()?);
            Some(())
        },
    },
    Query {
        table: "activeness_movement",
        sql: "SELECT BandBefore, Band, Users FROM {mart}.activeness_movement WHERE Month = {month}",
        take: |model, row| {
            model.movement.bands.push(row.moved()?);
            Some(())
        },
    },
    Query {
        table: "etl_run_warning",
        sql: "SELECT warning.Kind, warning.Text FROM {warehouse}.etl_run_warning AS warning \
              JOIN {warehouse}.etl_run_published AS run ON run.Id = warning.Run \
              WHERE run.Month = {month} ORDER BY warning.Place",
        take: |model, row| {
            model.warnings.push(RunWarning { kind: row.text()?, text: row.text()? });
            Some(())
        },
    },
    Query {
        table: "watch_time_distribution",
        sql: "SELECT FromSeconds, ToSeconds, Users, Seconds FROM {mart}.watch_time_distribution \
              WHERE Month = {month}",
        take: |model, row| {
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
    },
    Query {
        table: "watch_time_summary",
        sql: "SELECT MedianSeconds, P90Seconds, P99Seconds, TopTenthUsers, TopTenthSeconds \
              FROM {mart}.watch_time_summary WHERE Month = {month}",
        take: |model, row| {
            model.watch_time = WatchTime {
                median_seconds: row.integer()?,
                p90_seconds: row.integer()?,
                p99_seconds: row.integer()?,
                top_tenth_users: row.integer()?,
                top_tenth_seconds: row.integer()?,
            };
            Some(())
        },
    },
    Query {
        table: "category_overlap",
        sql: "SELECT Category, Other, Users FROM {mart}.category_overlap WHERE Month = {month}",
        take: |model, row| {
            let (category, other) = (row.category()?, row.category()?);
            model.overlap[category as usize][other as usize] = row.integer()?;
            Some(())
        },
    },
    Query {
        table: "audience_size",
        sql: "SELECT audience.Place, size.Audience, audience.Description, audience.Expression, size.Users, size.Seconds, \
              audience.OthersMedianSeconds FROM {mart}.audience_size AS size \
              JOIN {warehouse}.etl_run_published AS run ON run.Month = size.Month \
              JOIN {warehouse}.etl_run_audience AS audience \
              ON audience.Run = run.Id AND audience.Audience = size.Audience WHERE size.Month = {month}",
        take: |model, row| {
            model.audiences.push(AudienceSize {
                place: row.integer()?,
                name: row.text()?,
                description: row.text()?,
                expression: row.text()?,
                users: row.integer()?,
                seconds: row.integer()?,
                others_median_seconds: row.integer()?,
            });
            Some(())
        },
    },
    Query {
        table: "audience_overlap",
        sql: "SELECT Audience, Other, Users FROM {mart}.audience_overlap WHERE Month = {month}",
        take: |model, row| {
            model.audience_pairs.push(AudiencePair {
                audience: row.text()?,
                other: row.text()?,
                users: row.integer()?,
            });
            Some(())
        },
    },
];

/// Rules that this version cannot read are not shown: they may exclude contracts.
fn rules_to_show(text: &str) -> String {
    Rules::parse(text).map(|rules| rules.to_toml_without_contracts()).unwrap_or_default()
}

/// The values of a row, taken from left to right.
struct Cells(std::vec::IntoIter<Value>);

impl Cells {
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

    /// Rank, contract, seconds, taste and active days.
    fn customer(&mut self) -> Option<TopCustomer> {
        Some(TopCustomer {
            place: self.integer()?,
            contract: self.text()?,
            total_seconds: self.integer()?,
            taste: self.text()?,
            active_days: self.integer()?,
        })
    }

    /// What customers were, what they are, and how many.
    fn moved(&mut self) -> Option<Moved> {
        Some(Moved { before: self.text()?, now: self.text()?, users: self.integer()? })
    }

    fn date(&mut self) -> Option<Date> {
        self.text()?.get(..10)?.parse().ok()
    }

    /// Day, customers, records and seconds.
    fn day(&mut self) -> Option<DayAudience> {
        Some(DayAudience {
            day: Day::of(self.date()?),
            active_users: self.integer()?,
            records: self.integer()?,
            seconds: self.seconds()?,
            total_seconds: self.integer()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::Progress;
    use crate::made::month_table;
    use crate::mart;
    use crate::warehouse::{Missing, RunClock, SqliteWarehouse};

    const CLOCK: RunClock = RunClock { started: jiff::Timestamp::UNIX_EPOCH };

    fn load(warehouse: &mut SqliteWarehouse, month: &str, n_seconds: i64) {
        let rules = Rules::preset("default").unwrap();
        let table = month_table(month, &rules, &[("A1", [n_seconds, 0, 0, 0, 1], 2)]);
        warehouse.load(&table, CLOCK, &Progress::hidden()).unwrap();
    }

    fn months(text: &[&str]) -> Vec<Month> {
        text.iter().map(|month| month.parse().unwrap()).collect()
    }

    #[test]
    fn a_month_whose_mart_is_of_another_run_is_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let mut warehouse = SqliteWarehouse::open(&folder.path().join("warehouse.db"), None).unwrap();
        mart::prepare(&mut warehouse, Missing::Create).unwrap();
        for month in ["2022-03", "2022-04"] {
            load(&mut warehouse, month, 1);
            mart::build(&mut warehouse, month.parse().unwrap()).unwrap();
        }
        load(&mut warehouse, "2022-04", 2);
        let model = DashboardModel::read(&mut warehouse, None).unwrap();
        assert_eq!(model.stale, months(&["2022-04"]));
        assert_eq!(model.months.iter().map(|month| month.month).collect::<Vec<_>>(), months(&["2022-03"]));
        mart::build(&mut warehouse, "2022-04".parse().unwrap()).unwrap();
        let model = DashboardModel::read(&mut warehouse, None).unwrap();
        assert_eq!((model.stale.len(), model.months.len()), (0, 2));
    }

    #[test]
    fn the_month_that_is_wanted_is_among_the_newest() {
        let known: Vec<Month> =
            (2018..2022).flat_map(|year| (1..=12).map(move |month| Month::new(year, month).unwrap())).collect();
        let chosen = |wanted: Option<&str>| choose_months(&known, wanted.map(|month| month.parse().unwrap()));
        assert_eq!(chosen(None), known[12..]);
        assert_eq!(chosen(Some("2021-01")), known[12..]);
        let old = chosen(Some("2018-05"));
        assert_eq!(old.len(), MAX_MONTHS);
        assert_eq!(old[..2], months(&["2018-04", "2018-05"]));
        assert_eq!(old[2..], known[14..]);
        assert_eq!(chosen(Some("2018-01"))[..2], months(&["2018-01", "2019-02"]));
        assert_eq!(chosen(Some("2030-01")), known[12..]);
    }
}
