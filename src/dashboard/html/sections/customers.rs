//! How much a customer watches: the distribution of the watch time and the customers with the most.

use std::fmt::Write as _;

use crate::dashboard::model::{MonthModel, TopCustomer, WatchBand};

use super::super::table::Column::{Numbers, Words};
use super::super::table::{Table, details};
use super::super::text::escape;
use super::super::units;
use super::{Context, card, chart, taste_words};

/// Rows of the table of customers that are always open, and bars of their chart.
pub const OPEN_CUSTOMERS: usize = 10;

/// How long customers watch.
pub fn watch_time(context: &Context<'_>) -> String {
    let month = context.month;
    let watch = month.watch_time;
    let users = month.summary.users;
    let says = watch_time_says(month);
    let mut marks =
        Table::new("watch-time", "Watch time of a customer", &[Words("Of the customers"), Numbers("Hours, at most")]);
    marks.row("50 % (median)").number(&units::hours(watch.median_seconds));
    marks.row("90 %").number(&units::hours(watch.p90_seconds));
    marks.row("99 %").number(&units::hours(watch.p99_seconds));
    let mut table = Table::new(
        "watch-bands",
        "Customers by watch time",
        &[Words("Watch time"), Numbers("Customers"), Numbers("Share"), Numbers("Hours"), Numbers("Share of hours")],
    );
    for band in shown_bands(month) {
        table
            .row(&band_label(band))
            .number(&units::count(band.users))
            .number(&units::percent(band.users, users))
            .number(&units::hours(band.seconds))
            .number(&units::percent(band.seconds, month.summary.total_seconds));
    }
    let inside = format!(
        "<figure><figcaption>Customers by watch time in the month; each bar is about 1.4 times as long as the one before</figcaption>{}</figure>\n{}{}",
        chart(
            "bands",
            "Bar chart: customers by watch time, on a logarithmic scale. The numbers stand in the tables below."
        ),
        marks.finish(),
        details("Every bar as a table", &table.finish())
    );
    card(context, "time", "half", "Watch time", &says, &inside)
}

/// The middle customer and the heaviest tenth in words.
pub(super) fn watch_time_says(month: &MonthModel) -> String {
    let (watch, summary) = (month.watch_time, month.summary);
    if summary.total_seconds <= 0 {
        return "There is no watch time in this month.".to_owned();
    }
    if summary.users == 1 {
        return format!("The one customer watched <b>{}</b>.", units::duration(summary.total_seconds));
    }
    let tenth = match watch.top_tenth_users {
        1 => "the heaviest customer takes".to_owned(),
        n => format!("the heaviest tenth, {} customers, takes", units::count(n)),
    };
    format!(
        "Half of the customers watched at most <b>{}</b>; {tenth} <b>{}</b> of all hours.",
        units::duration(watch.median_seconds),
        units::percent(watch.top_tenth_seconds, summary.total_seconds)
    )
}

/// The bands from the first to the last that has customers.
pub fn shown_bands(month: &MonthModel) -> &[WatchBand] {
    let bands = &month.watch_bands;
    let first = bands.iter().position(|band| band.users > 0).unwrap_or(0);
    let end = bands.iter().rposition(|band| band.users > 0).map_or(0, |last| last + 1);
    bands.get(first..end).unwrap_or(&[])
}

/// A band in words: `24 h to 32 h`.
pub fn band_label(band: &WatchBand) -> String {
    match (band.from_seconds, band.to_seconds) {
        (None, _) => "nothing".to_owned(),
        (Some(from), None) => format!("{} and more", units::duration(from)),
        (Some(1), Some(to)) => format!("under {}", units::duration(to)),
        (Some(from), Some(to)) => format!("{} to {}", units::duration(from), units::duration(to)),
    }
}

/// Where a band begins.
pub fn band_axis_label(band: &WatchBand) -> String {
    match band.from_seconds {
        None => "0".to_owned(),
        Some(1) => "1 s".to_owned(),
        Some(from) => units::duration(from),
    }
}

/// Where the bars of the first customers end, in seconds. A few can dwarf the others (shared accounts): a bar longer than
/// four times the middle one is cut, so that the others can be seen.
pub fn longest_bar(month: &MonthModel) -> i64 {
    let mut seconds: Vec<i64> = month.top_customers.iter().take(OPEN_CUSTOMERS).map(|c| c.total_seconds).collect();
    seconds.sort_unstable();
    let most = seconds.get(seconds.len() / 2).map_or(0, |middle| middle.saturating_mul(4));
    seconds.into_iter().filter(|total| *total <= most).max().unwrap_or(0)
}

/// The customer who watches most, in words; several where they watch as much.
pub(super) fn heaviest_says(month: &MonthModel) -> String {
    let Some(first) = month.top_customers.first().filter(|first| first.total_seconds > 0) else {
        return "Nobody watched anything.".to_owned();
    };
    let n_alike = month.top_customers.iter().take_while(|other| other.total_seconds == first.total_seconds).count();
    let (time, share) =
        (units::duration(first.total_seconds), units::percent(first.total_seconds, month.summary.total_seconds));
    match n_alike {
        1 => format!("The heaviest customer watched <b>{time}</b>, {share} of all hours."),
        n => format!("The {n} heaviest customers watched <b>{time}</b> each, {share} of all hours."),
    }
}

/// The customers who watch most.
pub fn top_customers(context: &Context<'_>) -> String {
    let month = context.month;
    let possible = i64::from(month.month.n_days()) * 86_400;
    let beyond = month.top_customers.iter().filter(|customer| customer.total_seconds > possible).count();
    let mut says = heaviest_says(month);
    if beyond > 0 {
        let who = match month.top_customers.len() {
            1 => "That exceeds".to_owned(),
            all if all == beyond => format!("All {all} exceed"),
            all => format!("{beyond} of these {all} exceed"),
        };
        let _ = write!(
            says,
            " {who} {} hours, all that one device can play in the month: several devices or a shared account.",
            units::count(possible / 3600)
        );
    }
    let table_of = |name: &'static str, customers: &[TopCustomer]| {
        top_table(context, [name, "Customers with the most watch time", "Rank"], customers)
    };
    let (open, folded) = month.top_customers.split_at(month.top_customers.len().min(OPEN_CUSTOMERS));
    let is_cut = month.top_customers.iter().take(OPEN_CUSTOMERS).any(|c| c.total_seconds > longest_bar(month));
    let mut inside = format!(
        "<div class=\"pair stack\"><figure><figcaption>Hours of {}, with their taste{}</figcaption>{}</figure><div>{}</div></div>\n",
        if open.len() == 1 { "the customer".to_owned() } else { format!("the first {}", open.len()) },
        if is_cut { "; a bar with \u{226b} is cut" } else { "" },
        chart(
            "heaviest",
            "Bar chart: hours of the ten customers with the most watch time. The numbers stand in the table beside it."
        ),
        table_of("top", open)
    );
    if !folded.is_empty() {
        inside.push_str(&details(
            &format!("Ranks {} to {}", open.len() + 1, month.top_customers.len()),
            &table_of("top-more", folded),
        ));
    }
    card(context, "top", "wide", "Top customers", &says, &inside)
}
/// Customers with their hours, taste and active days. The texts are the table's name, its caption and what heads the
/// numbers of the first column.
pub(super) fn top_table<'c>(
    context: &Context<'_>,
    [name, caption, rank_title]: [&'static str; 3],
    customers: impl IntoIterator<Item = &'c TopCustomer>,
) -> String {
    let customer_title = if context.mask.is_some() { "Customer (pseudonym)" } else { "Customer" };
    let mut table = Table::new(
        name,
        caption,
        &[Words(rank_title), Words(customer_title), Numbers("Hours"), Words("Taste"), Numbers("Active days")],
    );
    for customer in customers {
        table
            .row(&customer.place.to_string())
            .words(&format!("<bdi>{}</bdi>", escape(&context.shown_contract(&customer.contract))))
            .number(&units::hours(customer.total_seconds))
            .words(&escape(&taste_words(&customer.taste)))
            .number(&customer.active_days.to_string());
    }
    table.finish()
}
