//! Sparklines of the tiles: a line over all months, which the page holds once, and in each month a dot where that is on it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::dashboard::model::MonthModel;
use crate::engine::calendar::Month;

use super::sections::{DISPLAY_ORDER, active_days_of_all, average_day};

/// The box of a line; its dot has room around it.
const WIDTH: f64 = 100.0;
const HEIGHT: f64 = 16.0;
const MARGIN: f64 = 2.0;

/// The lines of all tiles. With fewer than two months there are none.
#[derive(Debug)]
pub struct Sparks {
    lines: BTreeMap<String, Line>,
}

#[derive(Debug)]
struct Line {
    path: String,
    points: BTreeMap<Month, (i64, i64)>,
}

impl Sparks {
    /// No lines.
    pub const fn none() -> Sparks {
        Sparks { lines: BTreeMap::new() }
    }

    /// Of all months, ascending.
    pub fn of(months: &[MonthModel]) -> Sparks {
        if months.len() < 2 {
            return Sparks::none();
        }
        let mut lines = BTreeMap::new();
        let mut add = |tile: &str, value: &dyn Fn(&MonthModel) -> f64| {
            lines.insert(tile.to_owned(), Line::of(months, value));
        };
        // Months have unlike numbers of days: sums over them are drawn per day with data, as they are compared.
        add("users", &|month| month.summary.users as f64);
        add("hours", &|month| a_day(month, month.summary.total_seconds));
        for category in DISPLAY_ORDER {
            let tile = format!("hours-{}", category.name());
            add(&tile, &|month| a_day(month, month.summary.seconds[category as usize]));
        }
        add("daily", &|month| average_day(month) as f64);
        add("active", &|month| quotient(active_days_of_all(month) as f64, month.summary.users));
        add("median", &|month| a_day(month, month.watch_time.median_seconds));
        add("tenth", &|month| quotient(month.watch_time.top_tenth_seconds as f64, month.summary.total_seconds));
        Sparks { lines }
    }

    /// What the dots of all months stand on.
    pub fn definitions(&self) -> String {
        if self.lines.is_empty() {
            return String::new();
        }
        let mut html = String::from("<svg class=quiet aria-hidden=true><defs>");
        for (tile, line) in &self.lines {
            let _ = write!(html, "<path id=s-{tile} d=\"{}\"/>", line.path);
        }
        html.push_str("</defs></svg>\n");
        html
    }

    /// The line of a tile with the dot of `month`; nothing where there is none. The numbers stand in the pages of the
    /// months: who cannot see it misses none.
    pub fn of_tile(&self, tile: &str, month: Month) -> String {
        let point = self.lines.get(tile).and_then(|line| line.points.get(&month));
        point.map_or_else(String::new, |(x, y)| {
            format!(
                "<dd class=spark aria-hidden=true><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\"><use href=#s-{tile} />\
                 <circle cx={x} cy={y} r=2 /></svg>"
            )
        })
    }
}

impl Line {
    fn of(months: &[MonthModel], value: &dyn Fn(&MonthModel) -> f64) -> Line {
        let values: Vec<f64> = months.iter().map(value).collect();
        let (least, most) = values.iter().fold((f64::MAX, f64::MIN), |(a, b), value| (a.min(*value), b.max(*value)));
        let number = |month: &MonthModel| {
            let day = month.month.first_day();
            f64::from(12 * i32::from(day.year()) + i32::from(day.month()))
        };
        let first = months.first().map_or(0.0, number);
        let span = months.last().map_or(1.0, number) - first;
        let between = |share: f64, room: f64| (MARGIN + share * (room - 2.0 * MARGIN)).round() as i64;
        let mut line = Line { path: String::new(), points: BTreeMap::new() };
        let mut before = None;
        for (month, value) in months.iter().zip(&values) {
            let height = if most > least { (value - least) / (most - least) } else { 0.5 };
            let (x, y) = (between((number(month) - first) / span, WIDTH), between(1.0 - height, HEIGHT));
            // A month that is missing is a gap in the line, and one between two gaps a dot.
            let step = if before.is_some() && month.month.previous() == before { 'L' } else { 'M' };
            let dot = if step == 'M' { "h0" } else { "" };
            let _ = write!(line.path, "{step}{x} {y}{dot}");
            line.points.insert(month.month, (x, y));
            before = Some(month.month);
        }
        line
    }
}

fn quotient(part: f64, whole: i64) -> f64 {
    if whole == 0 { 0.0 } else { part / whole as f64 }
}

fn a_day(month: &MonthModel, sum: i64) -> f64 {
    quotient(sum as f64, i64::try_from(month.days.len()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_gaps_where_months_are_missing() {
        let month = |name: &str, users: i64| {
            let mut month = MonthModel::empty(name.parse().unwrap());
            month.summary.users = users;
            month
        };
        let months = [month("2021-12", 10), month("2022-01", 30), month("2022-04", 20)];
        let sparks = Sparks::of(&months);
        assert_eq!(sparks.lines["users"].path, "M2 14h0L26 2M98 8h0");
        assert_eq!(sparks.lines["hours"].path, "M2 8h0L26 8M98 8h0");
        assert!(
            sparks.of_tile("users", months[1].month).ends_with("<use href=#s-users /><circle cx=26 cy=2 r=2 /></svg>")
        );
        assert_eq!(sparks.of_tile("users", "2022-02".parse().unwrap()), "");
        assert_eq!(sparks.definitions().matches("<path ").count(), 11);
        let alone = Sparks::of(&months[..1]);
        assert_eq!((alone.definitions(), alone.of_tile("users", months[0].month)), (String::new(), String::new()));
    }
}
