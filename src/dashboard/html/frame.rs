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
    let (Some(newest), n) = (others.last(), others.len()) else { return String::new() };
    format!(
        "<p class=note>{} not on this page: <code>viewmart dashboard --month {newest}</code> draws {}.</p>\n",
        if n == 1 { "1 month is".to_owned() } else { format!("{n} months are") },
        if n == 1 { "it" } else { "the newest of them" }
    )
}

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
    }
    format!(
        "<section class=\"card months\" aria-labelledby=months-h><h2 id=months-h>All months</h2>\n{}{}</section>\n",
        table.finish(),
        other_months(known, full)
    )
}
