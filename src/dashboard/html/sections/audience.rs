//! Who watches: categories, days of the month, active days.

use std::fmt::Write as _;

use crate::dashboard::model::{ActiveDays, MonthModel};
use crate::engine::calendar;
use crate::engine::rules::Category;

use super::super::table::Column::{Numbers, Words};
use super::super::table::{Table, details};
use super::super::units;
use super::tiles::average_day;
use super::{Context, DISPLAY_ORDER, card, category_name, chart, share};

/// How many watch each category, and how long.
pub fn categories(context: &Context<'_>) -> String {
    let month = context.month;
    let summary = month.summary;
    let of = |category: Category| month.categories[category as usize];
    let mut by_users = DISPLAY_ORDER;
    by_users.sort_by_key(|category| std::cmp::Reverse(of(*category).users));
    let says = format!(
        "<b>{first}</b> reaches {reach} of the customers and takes {time} of the hours; <b>{second}</b> follows with {next} of the customers.",
        first = category_name(by_users[0]),
        reach = units::percent(of(by_users[0]).users, summary.users),
        time = units::percent(of(by_users[0]).seconds, summary.total_seconds),
        second = category_name(by_users[1]),
        next = units::percent(of(by_users[1]).users, summary.users),
    );
    let mut table = Table::new(
        "categories",
        "Customers and hours by category",
        &[
            Words("Category"),
            Numbers("Customers"),
            Numbers("Share"),
            Numbers("Hours"),
            Numbers("Share"),
            Numbers("Hours a viewer"),
            Numbers("Favourite of"),
        ],
    );
    for category in DISPLAY_ORDER {
        let audience = of(category);
        table
            .row(&format!("<i class=\"dot {}\"></i>{}", category.name(), category_name(category)))
            .number(&units::count(audience.users))
            .number(&units::percent(audience.users, summary.users))
            .number(&units::hours(audience.seconds))
            .number(&units::percent(audience.seconds, summary.total_seconds))
            .number(&units::quotient(audience.seconds.into(), 3600 * i128::from(audience.users), 1))
            .number(&units::count(audience.most_watch_users));
    }
    let inside = format!(
        "<div class=pair><figure><figcaption>Customers who watch it</figcaption>{}</figure>\
         <figure><figcaption>Share of customers beside share of hours</figcaption>{}</figure></div>\n{}\
         <p class=note>Most customers watch several categories, so the customers add up to more than all.</p>\n",
        chart("reach", "Bar chart: customers who watch each category. The numbers stand in the table below."),
        chart(
            "shares",
            "Bar chart: share of customers and share of hours of each category. The numbers stand in the table below."
        ),
        table.finish()
    );
    card(context, "categories", "wide", "Who watches what", &says, &inside)
}

/// The days of the month.
pub fn days(context: &Context<'_>) -> String {
    let month = context.month;
    let busiest = month.days.iter().max_by_key(|day| (day.active_users, std::cmp::Reverse(day.day)));
    let quietest = month.days.iter().min_by_key(|day| (day.active_users, day.day));
    let mut says = format!("<b>{}</b> customers watch on an average day.", units::count(average_day(month)));
    if let (Some(busiest), Some(quietest)) = (busiest, quietest)
        && month.days.len() > 1
    {
        let _ = write!(
            says,
            " Busiest: {} with {}. Quietest: {} with {}.",
            units::day(month.month, busiest.day),
            units::count(busiest.active_users),
            units::day(month.month, quietest.day),
            units::count(quietest.active_users)
        );
    }
    let missing = month.missing_days();
    if !missing.is_empty() {
        let _ = write!(says, " <span class=warn>{}</span>", missing_days(month));
    }
    let mut table = Table::new(
        "days",
        "Customers, records and hours by day",
        &[
            Words("Day"),
            Numbers("Customers"),
            Numbers("Records"),
            Numbers("Hours"),
            Numbers("TV"),
            Numbers("Movie"),
            Numbers("Child"),
            Numbers("Relax"),
            Numbers("Sport"),
        ],
    );
    for day in month.month.days() {
        table.row(&units::day(month.month, day));
        match month.days.iter().find(|present| present.day == day) {
            Some(present) => {
                table
                    .number(&units::count(present.active_users))
                    .number(&units::count(present.records))
                    .number(&units::hours(present.total_seconds));
                for category in DISPLAY_ORDER {
                    table.number(&units::hours(present.seconds[category as usize]));
                }
            }
            None => {
                table.words_across(8, "<span class=warn>no data</span>");
            }
        }
    }
    let inside = format!(
        "<figure><figcaption>Customers a day, with the average of the last seven days; weekends are grey{}, \
         the scale does not begin at 0</figcaption>{}</figure>\
         <figure><figcaption>Hours a day by category, each on its own scale</figcaption>{}</figure>\n{}",
        if missing.is_empty() { "" } else { ", days without data orange" },
        chart("daily", "Line chart: customers on each day of the month. The numbers stand in the table below."),
        chart(
            "daily-hours",
            "Line charts: hours watched on each day, by category. The numbers stand in the table below."
        ),
        details("All days as a table", &table.finish())
    );
    card(context, "days", "wide", "Day by day", &says, &inside)
}

/// The days without data in words.
pub fn missing_days(month: &MonthModel) -> String {
    let days = month.missing_days();
    let runs: Vec<String> = calendar::runs(&days)
        .map(|(first, last)| {
            let last_name = units::day(month.month, last);
            if first == last {
                return last_name;
            }
            let first_name = units::day(month.month, first);
            // `Fri 1 to Wed 6 Apr`: the month once.
            format!("{} to {last_name}", first_name.rsplit_once(' ').map_or(first_name.as_str(), |parts| parts.0))
        })
        .collect();
    match days.len() {
        0 => "No day is missing.".to_owned(),
        1 => format!("1 day has no data: {}.", runs.join(", ")),
        n => format!("{n} days have no data: {}.", runs.join(", ")),
    }
}

/// Customers by number of active days, one entry for every number the month allows.
pub fn active_days(month: &MonthModel) -> Vec<ActiveDays> {
    let users = |days| month.activeness.iter().filter(|bin| bin.days == days).map(|bin| bin.users).sum();
    (1..=i64::from(month.month.n_days())).map(|days| ActiveDays { days, users: users(days) }).collect()
}

/// Customers by number of active days.
pub fn activeness(context: &Context<'_>) -> String {
    let month = context.month;
    let users = month.summary.users;
    let bins = active_days(month);
    let between =
        |from: i64, to: i64| bins.iter().filter(|b| (from..=to).contains(&b.days)).map(|b| b.users).sum::<i64>();
    let says = format!(
        "<b>{}</b> of the customers were active on more than 20 days, {} on one day only.",
        units::percent(between(21, 31), users),
        units::percent(between(1, 1), users)
    );
    let mut bands = Table::new(
        "active-bands",
        "Customers by active days, in bands",
        &[Words("Active days"), Numbers("Customers"), Numbers("Share"), Words("")],
    );
    let limits = [(1, 1), (2, 7), (8, 14), (15, 21), (22, i64::from(month.month.n_days()))];
    let most = limits.iter().map(|(from, to)| between(*from, *to)).max().unwrap_or(0);
    for (from, to) in limits {
        let inside = between(from, to);
        let label = if from == to { from.to_string() } else { format!("{from} to {to}") };
        bands.row(&label).number(&units::count(inside)).number(&units::percent(inside, users)).bar(share(inside, most));
    }
    let mut table = Table::new(
        "active",
        "Customers by number of active days",
        &[Words("Active days"), Numbers("Customers"), Numbers("Share"), Numbers("at least so many days")],
    );
    for bin in &bins {
        table
            .row(&bin.days.to_string())
            .number(&units::count(bin.users))
            .number(&units::percent(bin.users, users))
            .number(&units::percent(between(bin.days, 31), users));
    }
    let inside = format!(
        "<figure><figcaption>Customers by number of active days; the line is the share with at least so many</figcaption>{}</figure>\n{}{}",
        chart("active", "Bar chart: customers by number of active days. The numbers stand in the tables below."),
        bands.finish(),
        details("Every number of days as a table", &table.finish())
    );
    card(context, "active", "half", "Active days", &says, &inside)
}
