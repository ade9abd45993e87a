//! The report as a table: first what people ask for, then what each stage took.

use std::fmt;

use super::Report;
use crate::engine::devices::DeviceSummary;
use crate::engine::ledger::Reason;
use crate::engine::rules::Category;
use crate::floor::Floor;
use crate::timing::StageTiming;
use crate::units::{counted, date_runs, grouped, hours, most_frequent, percent, size};

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}  month {}  rules {} {}", crate::ENGINE, self.month, self.rules.name, self.rules.short_hash())?;
        writeln!(f)?;
        self.write_input(f)?;
        self.write_audience(f)?;
        self.write_records(f)?;
        for (place, warning) in self.warnings.iter().enumerate() {
            writeln!(f, "{:<11}{warning}", if place == 0 { "warnings" } else { "" })?;
        }
        writeln!(f)?;
        self.write_stages(f)?;
        self.write_places(f)
    }
}

impl Report {
    fn write_input(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let input = &self.input;
        let missing = match input.missing_days.as_slice() {
            [] => "none missing".to_owned(),
            days => format!("missing {}", date_runs(self.month, days)),
        };
        let (files, days) = (counted(input.files, "file"), counted(input.days, "day"));
        writeln!(f, "input      {files}, {}, {days}, {missing}", size(input.bytes))?;
        if input.skipped.total() > 0 {
            writeln!(f, "skipped    {}", input.skipped)?;
        }
        Ok(())
    }

    /// Customers and what they watched, the largest category first.
    fn write_audience(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.ledger.n_seconds();
        writeln!(f, "customers  {}", grouped(self.contracts))?;
        if let Some(DeviceSummary { devices, moved, records, .. }) = &self.devices {
            let without = self.ledger.kept.saturating_sub(*records);
            writeln!(
                f,
                "devices    {}, {} of them of more than one contract; {} without",
                grouped(*devices),
                grouped(*moved),
                counted(without, "record")
            )?;
        }
        let per_customer = match i128::from(self.contracts) {
            0 => String::new(),
            n_customers => format!(", {} per customer", hours(total / n_customers)),
        };
        writeln!(f, "watched    {}{per_customer}", hours(total))?;
        let mut categories = Category::ALL.map(|category| (category.name(), self.ledger.seconds[category as usize]));
        categories.sort_by_key(|(_, seconds)| std::cmp::Reverse(*seconds));
        for (name, seconds) in categories {
            writeln!(f, "  {name:<7}{:>16} {:>8}", hours(seconds), percent(seconds, total))?;
        }
        Ok(())
    }

    fn write_records(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ledger, read) = (&self.ledger, i128::from(self.ledger.read));
        let rejected = ledger.n_rejected();
        writeln!(
            f,
            "records    {} read = {} kept + {} rejected ({})",
            grouped(ledger.read),
            grouped(ledger.kept),
            grouped(rejected),
            percent(rejected.into(), read)
        )?;
        for reason in Reason::ALL.into_iter().filter(|reason| ledger.n_rejected_for(*reason) > 0) {
            let records = ledger.n_rejected_for(reason);
            write!(f, "  {:<18}{:>13} {:>8}", reason.name(), grouped(records), percent(records.into(), read))?;
            match reason {
                Reason::UnmappedApp => writeln!(f, "  {}", most_frequent(&ledger.unmapped_app, &self.similar_apps))?,
                _ => writeln!(f)?,
            }
        }
        Ok(())
    }

    fn write_stages(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let titles = ["stage", "wall s", "cpu s", "data", "records", "data/s", "records/s"];
        let [stage, wall, cpu, data, records, data_rate, records_rate] = titles;
        writeln!(f, "{stage:<11}{wall:>9}{cpu:>9}{data:>12}{records:>16}{data_rate:>14}{records_rate:>16}")?;
        for stage in &self.stages {
            let or_dash = |n: u64, text: String| if n == 0 { "-".to_owned() } else { text };
            let data = or_dash(stage.bytes, size(stage.bytes));
            let data_rate = or_dash(stage.bytes, format!("{}/s", size(stage.bytes_per_s())));
            let records = or_dash(stage.records, grouped(stage.records));
            let records_rate = or_dash(stage.records, grouped(stage.records_per_s()));
            writeln!(
                f,
                "{:<11}{:>9.3}{:>9.3}{data:>12}{records:>16}{data_rate:>14}{records_rate:>16}",
                stage.name, stage.wall_s, stage.cpu_s
            )?;
        }
        writeln!(
            f,
            "{:<11}{:>9.3}           peak memory {}, {}, {}",
            "total",
            self.wall_s,
            size(self.peak_rss_bytes),
            counted(self.threads as u64, "thread"),
            self.backend
        )?;
        self.write_floor(f)
    }

    /// How long the machine takes just to look at the bytes, and how often that goes into the way from files to columns.
    fn write_floor(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(Floor { measured_bytes, bytes_per_s }) = self.floor else { return Ok(()) };
        let is_engine = |stage: &&StageTiming| ["scan", "aggregate", "columns"].contains(&stage.name);
        let engine_s: f64 = self.stages.iter().filter(is_engine).map(|stage| stage.wall_s).sum();
        let floor_s = self.input.bytes as f64 / bytes_per_s as f64;
        if floor_s <= 0.0 {
            return Ok(());
        }
        writeln!(
            f,
            "{:<11}{floor_s:>9.3}           to look at every byte once ({}/s, `viewmart bench` of {}); files to columns took {:.1} \
             times as long",
            "floor",
            size(bytes_per_s),
            size(measured_bytes),
            engine_s / floor_s
        )
    }

    /// Where the month is now, and last what to look at.
    fn write_places(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f)?;
        if let Some(published) = &self.published {
            writeln!(f, "warehouse  {}, run {}", published.warehouse, published.run)?;
            writeln!(f, "mart       {}", published.mart)?;
        }
        for (place, path) in self.outputs.iter().enumerate() {
            writeln!(f, "{:<11}{}", if place == 0 { "files" } else { "" }, path.display())?;
        }
        match &self.published {
            Some(published) => writeln!(f, "open       {}", published.page.display()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::sample;

    #[test]
    fn people_read_hours_shares_and_places() {
        let mut report = sample();
        report.ledger.seconds = [3600, 7200, 0, 1800, 23_400];
        let expected = format!(
            "\
{}  month 2022-04  rules default 01234567

input      2 files, 1.50 kB, 28 days, missing 2022-04-03, 2022-04-30
skipped    33 files: 30 of other months, 1 hidden or temporary, 2 no data
customers  1,234,567
watched    10.0 h, 0.0 h per customer
  Tv                6.5 h   65.0 %
  Sport             2.0 h   20.0 %
  Movie             1.0 h   10.0 %
  Relax             0.5 h    5.0 %
  Child             0.0 h    0.0 %
records    10 read = 6 kept + 4 rejected (40.0 %)
  malformed                     1   10.0 %
  unmapped_app                  3   30.0 %  \"A\\u{{1b}}[2J\" 3 (the rules have \"A\")
warnings   3 records of an app in no category

stage         wall s    cpu s        data         records        data/s       records/s
scan           0.500    0.750     1.50 kB              10     3.00 kB/s              20
total          0.625           peak memory 2.05 kB, 2 threads, scalar

warehouse  sqlite:out/warehouse.db, run 7
mart       out/mart.db
files      out/dashboard.html
           out/report.json
open       out/dashboard.html
",
            crate::ENGINE
        );
        assert_eq!(report.to_string(), expected);
    }

    #[test]
    fn the_floor_is_told_where_it_is_known() {
        let mut report = sample();
        report.floor = Some(Floor { measured_bytes: 8_460_000_000, bytes_per_s: 3000 });
        let scan = report.stages[0].clone();
        report.stages.push(StageTiming { name: "columns", wall_s: 1.25, ..scan.clone() });
        report.stages.push(StageTiming { name: "load", wall_s: 7.0, ..scan });
        let expected = "\nfloor          0.500           to look at every byte once (3.00 kB/s, `viewmart bench` of 8.46 GB); files \
                        to columns took 3.5 times as long\n\nwarehouse";
        assert!(report.to_string().contains(expected), "{report}");
    }

    #[test]
    fn devices_are_told_where_they_were_counted() {
        let mut report = sample();
        report.devices = Some(DeviceSummary { devices: 1_500, moved: 2, pairs: 1_502, records: 5 });
        let expected =
            "customers  1,234,567\ndevices    1,500, 2 of them of more than one contract; 1 record without\nwatched";
        assert!(report.to_string().contains(expected), "{report}");
    }
}
