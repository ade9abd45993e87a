//! What stands around the months: the name of the page and the choice of months, all months in a table, the words.

use std::fmt::Write as _;

use crate::dashboard::model::MonthModel;
use crate::engine::calendar::Month;

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
         <div><dt>Favourite</dt><dd>The category in which a customer spent the most seconds.</dd></div>\
         <div><dt>Active day</dt><dd>A day with at least one kept record of the customer.</dd></div>\
         <div><dt>Stickiness</dt><dd>Customers on an average day with data, as a share of the customers of the month.</dd></div>\
         <div><dt>Median, 90 %, 99 %</dt><dd>The watch time that this share of the customers do not exceed.</dd></div>\
         </dl><p>Made by {}. This file is complete in itself and asks for nothing from the network.</p></footer>\n",
        escape(crate::ENGINE)
    )
}

/// All months of the mart, one line each; those in `full` can be opened.
pub fn all_months(months: &[MonthModel], full: &[Month]) -> String {
    if months.len() < 2 {
        return String::new();
    }
    let mut table = Table::new(
        "months",
        "Months in the mart",
        &[
            Words("Month"),
            Numbers("Customers"),
            Numbers("Change"),
            Numbers("Hours"),
            Numbers("Change"),
            Numbers("Days with data"),
            Numbers("Records kept"),
        ],
    );
    for month in months.iter().rev() {
        let before = month.month.previous().and_then(|before| months.iter().find(|other| other.month == before));
        let change =
            |of: fn(&MonthModel) -> i64| before.and_then(|b| units::change(of(month), of(b))).unwrap_or_default();
        let name = units::month(month.month);
        let name = if full.contains(&month.month) { format!("<a href=#m{}>{name}</a>", month.month) } else { name };
        table
            .row(&name)
            .number(&units::count(month.summary.users))
            .number(&change(|m| m.summary.users))
            .number(&units::hours(month.summary.total_seconds))
            .number(&change(|m| m.summary.total_seconds))
            .number(&month.days.len().to_string())
            .number(&units::count(month.n_records("kept")));
    }
    format!(
        "<section class=\"card months\" aria-labelledby=months-h><h2 id=months-h>All months</h2>\n{}</section>\n",
        table.finish()
    )
}
