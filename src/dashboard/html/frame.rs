//! What stands around the months: the name of the page and the choice of months, all months in a table, the words.

use std::fmt::Write as _;

use crate::dashboard::model::MonthModel;
use crate::engine::calendar::Month;

use super::sections::has_other_rules;
use super::table::Column::{Numbers, Words};
use super::table::Table;
use super::text::escape;
use super::units;

/// Name of the page and the choice of months. The choice is links: it needs no script and can be kept and shared.
pub fn page_header(months: &[Month], shown: Month) -> String {
    let mut html = String::from(
        "<a class=skip href=#main>Skip to the numbers</a>\n<header class=top><div><h1>TV viewing</h1>\
         <button type=button id=theme hidden>Dark</button></div>\n<nav aria-label=Months><ul>",
    );
    for month in months {
        let current = if *month == shown { " aria-current=true" } else { "" };
        // Writing to a String cannot fail.
        let _ = write!(html, "<li><a href=#m{month}{current}>{}</a>", units::month(*month));
    }
    html.push_str("</ul></nav></header>\n");
    html
}

/// What the words of the page mean.
pub fn page_footer() -> String {
    format!(
        "<footer class=foot><h2>What the words mean</h2><dl>\
         <div><dt>Customer</dt><dd>A contract with at least one kept record in the month; contracts are compared byte for byte.</dd></div>\
         <div><dt>Watches a category</dt><dd>Has more than 0 seconds of it in the month. Categories overlap, so their customers add up to more than all customers.</dd></div>\
         <div><dt>Most watched</dt><dd>The category in which a customer spent the most seconds.</dd></div>\
         <div><dt>Active day</dt><dd>A day with at least one kept record of the customer.</dd></div>\
         <div><dt>Taste</dt><dd>The categories in which a customer has watch time in the month.</dd></div>\
         <div><dt>Heaviest tenth</dt><dd>The tenth of the customers with the most watch time, rounded up.</dd></div>\
         <div><dt>Stickiness</dt><dd>Customers on an average day with data, as a share of the customers of the month.</dd></div>\
         <div><dt>Median, 90 %, 99 %</dt><dd>The watch time that this share of the customers do not exceed.</dd></div>\
         </dl><p>Made by {}. This file is complete in itself and asks for nothing from the network.</p></footer>\n",
        escape(crate::ENGINE)
    )
}

/// Seconds, and the days with data that they are of.
fn hours_a_day(month: &MonthModel) -> (i128, i128) {
    (month.summary.total_seconds.into(), i128::try_from(month.days.len()).unwrap_or(0))
}

/// How the months that this page cannot show are seen.
fn other_months(known: &[Month], full: &[Month]) -> String {
    let others: Vec<Month> = known.iter().copied().filter(|month| !full.contains(month)).collect();
    let Some(newest) = others.last() else { return String::new() };
    format!(
        "<p class=note>Not on this page {} {}: <code>viewmart dashboard --month {newest}</code> draws {}.</p>\n",
        if others.len() == 1 { "is" } else { "are" },
        month_runs(&others),
        if others.len() == 1 { "it" } else { "the newest of them, and each by its name" }
    )
}

/// Months, ascending, those that follow each other as `January to March 2022`.
fn month_runs(months: &[Month]) -> String {
    let mut runs: Vec<(Month, Month)> = Vec::new();
    for month in months {
        match runs.last_mut() {
            Some((_, last)) if last.next() == Some(*month) => *last = *month,
            _ => runs.push((*month, *month)),
        }
    }
    let words = |(first, last): &(Month, Month)| match first == last {
        true => units::month(*first),
        false => format!("{} to {}", units::month(*first), units::month(*last)),
    };
    runs.iter().map(words).collect::<Vec<_>>().join(", ")
}

/// The months between `month` and the one before it that the mart has, `known`: they are missing.
fn gap_before(month: Month, known: &[Month]) -> Vec<Month> {
    if !known.iter().any(|earlier| *earlier < month) {
        return Vec::new();
    }
    let mut gap: Vec<Month> = std::iter::successors(month.previous(), |month| month.previous())
        .take_while(|month| !known.contains(month))
        .collect();
    gap.reverse();
    gap
}

/// Columns of the table of months after the name.
const N_NUMBERS: usize = 7;

/// All months of the mart, one line each; those in `full` can be opened, and how the others of `known` are seen.
pub fn all_months(months: &[MonthModel], full: &[Month], known: &[Month]) -> String {
    let mut table = Table::new(
        "months",
        "Months in the mart",
        &[
            Words("Month"),
            Numbers("Customers"),
            Numbers("Change"),
            Numbers("Hours"),
            Numbers("Hours per day"),
            Numbers("Change"),
            Numbers("Days with data"),
            Numbers("Records kept"),
        ],
    );
    for month in months.iter().rev() {
        let before = month.month.previous().and_then(|before| months.iter().find(|other| other.month == before));
        let other_rules = before.is_some_and(|before| has_other_rules(month, before));
        let told = |change: Option<String>| match change {
            Some(change) if other_rules => format!("{change}, other rules"),
            change => change.unwrap_or_default(),
        };
        let name = units::month(month.month);
        let name = if full.contains(&month.month) { format!("<a href=#m{}>{name}</a>", month.month) } else { name };
        table
            .row(&name)
            .number(&units::count(month.summary.users))
            .number(&told(before.and_then(|b| units::change(month.summary.users, b.summary.users))))
            .number(&units::hours(month.summary.total_seconds))
            .number(&units::quotient(hours_a_day(month).0, 3600 * hours_a_day(month).1, 0))
            .number(&told(before.and_then(|b| units::change_of_mean(hours_a_day(month), hours_a_day(b)))))
            .number(&month.days.len().to_string())
            .number(&units::count(month.n_records("kept")));
        let gap = gap_before(month.month, known);
        if !gap.is_empty() {
            table.row(&month_runs(&gap)).words_across(N_NUMBERS, "not in the warehouse");
        }
    }
    format!(
        "<section class=\"card months\" aria-labelledby=months-h><h2 id=months-h>All months</h2>\n{}{}</section>\n",
        table.finish(),
        other_months(known, full)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn months(names: &[&str]) -> Vec<Month> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn months_that_are_not_there_are_named() {
        let check = |known: &[&str], full: &[&str], expected: &str| {
            let told = other_months(&months(known), &months(full));
            assert!(told.contains(expected) && told.is_empty() == expected.is_empty(), "{told}");
        };
        check(&["2022-01", "2022-02"], &["2022-01", "2022-02"], "");
        check(
            &["2022-01", "2022-02"],
            &["2022-02"],
            "Not on this page is January 2022: <code>viewmart dashboard --month 2022-01</code> draws it.",
        );
        let known = ["2021-11", "2021-12", "2022-01", "2022-03", "2022-04"];
        check(
            &known,
            &["2022-04"],
            "Not on this page are November 2021 to January 2022, March 2022: <code>viewmart dashboard --month 2022-03</code>",
        );
    }

    #[test]
    fn gaps_have_a_line() {
        let known = months(&["2021-10", "2022-01", "2022-02"]);
        let check = |month: &str, gap: &[&str]| assert_eq!(gap_before(month.parse().unwrap(), &known), months(gap));
        check("2022-02", &[]);
        check("2022-01", &["2021-11", "2021-12"]);
        check("2021-10", &[]);
        let models: Vec<MonthModel> = known.iter().map(|month| MonthModel::empty(*month)).collect();
        let table = all_months(&models, &known, &known);
        assert!(
            table
                .contains("<tr><th scope=row>November 2021 to December 2021<td class=w colspan=7>not in the warehouse")
        );
        assert_eq!(table.matches("<tr><th scope=row>").count(), 4);
    }
}
