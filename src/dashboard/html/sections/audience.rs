//! Who watches: categories, days of the month, active days.

use std::fmt::Write as _;

use crate::dashboard::model::{ActiveDays, MonthModel};
use crate::engine::calendar;
use crate::engine::rules::Category;

use super::super::table::Column::{Numbers, Words};
use super::super::table::{Table, details};
use super::super::text::escape;
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
    let says = categories_says(month, by_users[0], by_users[1]);
    let mut table = Table::new(
        "categories",
        "Customers and hours by category",
        &[
            Words("Category"),
            Numbers("Customers"),
            Numbers("Share"),
            Numbers("Hours"),
            Numbers("Share"),
            Numbers("Hours per viewer"),
            Numbers("Most watched by"),
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
         <figure><figcaption>Share of customers beside share of hours</figcaption>{}</figure></div>\n{}{}{}",
        chart("reach", "Bar chart: customers who watch each category. The numbers stand in the table below."),
        chart(
            "shares",
            "Bar chart: share of customers and share of hours of each category. The numbers stand in the table below."
        ),
        table.finish(),
        overlap_note(month),
        heaviest_note(context)
    );
    card(context, "categories", "wide", "Who watches what", &says, &inside)
}

/// The two categories with the most customers, in words.
pub(super) fn categories_says(month: &MonthModel, first: Category, second: Category) -> String {
    let summary = month.summary;
    let users = |category: Category| month.categories[category as usize].users;
    if users(first) == 0 {
        return "Nobody watched any category for more than 0 seconds.".to_owned();
    }
    let reach = units::percent(users(first), summary.users);
    let time = units::percent(month.categories[first as usize].seconds, summary.total_seconds);
    let (first_name, second_name) = (category_name(first), category_name(second));
    let says = format!("<b>{first_name}</b> reaches {reach} of the customers and takes {time} of the hours");
    if users(second) == 0 {
        format!("{says}; nobody watched anything else.")
    } else if users(second) == users(first) {
        format!("{says}; <b>{second_name}</b> reaches as many.")
    } else {
        let next = units::percent(users(second), summary.users);
        format!("{says}; <b>{second_name}</b> follows with {next} of the customers.")
    }
}

/// Why the customers of the categories add up to more than all, where they do.
pub(super) fn overlap_note(month: &MonthModel) -> String {
    let sum: i128 = month.categories.iter().map(|audience| i128::from(audience.users)).sum();
    if sum <= i128::from(month.summary.users) {
        return String::new();
    }
    let sum = i64::try_from(sum).unwrap_or(i64::MAX);
    format!(
        "<p class=note>Who watches several categories counts in each: {} customers make {} in the table.</p>\n",
        units::count(month.summary.users),
        units::count(sum)
    )
}

/// The account with the most watch time, where it is more than one device can play and more than a hundredth of all:
/// often a code that stands for no customer, and the average is another one without it.
pub(super) fn heaviest_note(context: &Context<'_>) -> String {
    let (month, summary) = (context.month, context.month.summary);
    let possible = i64::from(month.month.n_days()) * 86_400;
    let matters = |seconds: i64| seconds > possible && i128::from(seconds) * 100 > i128::from(summary.total_seconds);
    let Some(first) = month.top_customers.first().filter(|first| summary.users > 1 && matters(first.total_seconds))
    else {
        return String::new();
    };
    let mean = |seconds: i64, users: i64| units::quotient(seconds.into(), 3600 * i128::from(users), 1);
    let (others, hours) = (summary.users - 1, summary.total_seconds.saturating_sub(first.total_seconds));
    format!(
        "<p class=note>Account <b><bdi>{}</bdi></b> alone has {} hours, more than one device can play in the month. Without \
         it {} watched {} hours on average, not {}. To leave it out, exclude it in the rules.</p>\n",
        escape(&context.shown_contract(&first.contract)),
        units::hours(first.total_seconds),
        units::counted(others, "customer"),
        mean(hours, others),
        mean(summary.total_seconds, summary.users)
    )
}

/// Apps of a category that are listed.
const LISTED_APPS: usize = 20;

/// Which apps make each category.
pub fn apps(context: &Context<'_>) -> String {
    let month = context.month;
    if month.apps.is_empty() {
        return String::new();
    }
    let of = |category: Category| month.apps.iter().filter(move |app| app.category == category);
    let mut table = Table::new(
        "category-apps",
        "Apps by category",
        &[Words("Category"), Words("App"), Numbers("Hours"), Numbers("Share of the category"), Numbers("Records")],
    );
    for category in DISPLAY_ORDER {
        let seconds = month.categories[category as usize].seconds;
        for app in of(category).take(LISTED_APPS) {
            table
                .row(&format!("<i class=\"dot {}\"></i>{}", category.name(), category_name(category)))
                .words(&format!("<bdi>{}</bdi>", escape(&app.app)))
                .number(&units::hours(app.seconds))
                .number(&units::percent(app.seconds, seconds))
                .number(&units::count(app.records));
        }
    }
    let mut inside = table.finish();
    let n_left_out: usize = DISPLAY_ORDER.map(|category| of(category).count().saturating_sub(LISTED_APPS)).iter().sum();
    if n_left_out > 0 {
        let apps = if n_left_out == 1 { "app" } else { "apps" };
        let _ = writeln!(inside, "<p class=note>And {n_left_out} more {apps}; the table app_audience has all.</p>");
    }
    card(context, "apps", "wide", "Apps", &apps_says(month), &inside)
}

/// The category that is made of the most apps, and what the first of them makes of it.
pub(super) fn apps_says(month: &MonthModel) -> String {
    let count = |category: Category| month.apps.iter().filter(|app| app.category == category).count();
    let mut most = DISPLAY_ORDER[0];
    for category in DISPLAY_ORDER {
        if count(category) > count(most) {
            most = category;
        }
    }
    let Some(first) = month.apps.iter().find(|app| app.category == most) else { return String::new() };
    let (name, app) = (category_name(most), escape(&first.app));
    if count(most) == 1 {
        return "Each category that was watched is made by one app.".to_owned();
    }
    let seconds = month.categories[most as usize].seconds;
    if seconds == 0 {
        return format!("<b>{name}</b> is made by {} apps, none of which was watched.", count(most));
    }
    let share = units::percent(first.seconds, seconds);
    format!("<b>{name}</b> is made by {} apps; <b>{app}</b> has {share} of its hours.", count(most))
}

/// The days of the month.
pub fn days(context: &Context<'_>) -> String {
    let month = context.month;
    let busiest = month.days.iter().max_by_key(|day| (day.active_users, std::cmp::Reverse(day.day)));
    let quietest = month.days.iter().min_by_key(|day| (day.active_users, day.day));
    let missing = month.missing_days();
    let with_data = if missing.is_empty() { "" } else { " with data" };
    let mut says = match average_day(month) {
        1 => format!("<b>1</b> customer watches on an average day{with_data}."),
        n => format!("<b>{}</b> customers watch on an average day{with_data}.", units::count(n)),
    };
    if let (Some(busiest), Some(quietest)) = (busiest, quietest)
        && busiest.active_users > quietest.active_users
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
    if !missing.is_empty() {
        let _ = write!(says, " <span class=warn>{}</span>", missing_days(month));
    }
    let inside = format!(
        "<figure><figcaption>Customers per day, with the average of the last seven days where all have data; weekends are grey{}, \
         the scale does not begin at 0</figcaption>{}</figure>\
         <figure><figcaption>Hours per day by category, each on its own scale</figcaption>{}</figure>\n{}",
        if missing.is_empty() { "" } else { ", days without data orange" },
        chart("daily", "Line chart: customers on each day of the month. The numbers stand in the table below."),
        chart(
            "daily-hours",
            "Line charts: hours watched on each day, by category. The numbers stand in the table below."
        ),
        details("All days as a table", &days_table(month).finish())
    );
    card(context, "days", "wide", "Day by day", &says, &inside)
}

fn days_table(month: &MonthModel) -> Table {
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
    table
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

/// Active days in bands, as `activeness_movement` has them.
pub const ACTIVE_BANDS: [(i64, i64); 4] = [(1, 7), (8, 14), (15, 21), (22, 31)];

/// Customers by number of active days.
pub fn activeness(context: &Context<'_>) -> String {
    let month = context.month;
    let users = month.summary.users;
    let bins = active_days(month);
    let between =
        |from: i64, to: i64| bins.iter().filter(|b| (from..=to).contains(&b.days)).map(|b| b.users).sum::<i64>();
    let [.., (most_days, _)] = ACTIVE_BANDS;
    let says = format!(
        "<b>{}</b> of the customers were active on {most_days} days or more, {} on one day only.",
        units::percent(between(most_days, 31), users),
        units::percent(between(1, 1), users)
    );
    let mut bands = Table::new(
        "active-bands",
        "Customers by active days, in bands",
        &[Words("Active days"), Numbers("Customers"), Numbers("Share"), Words("")],
    );
    let limits = ACTIVE_BANDS.map(|(from, to)| (from, to.min(i64::from(month.month.n_days()))));
    let most = limits.iter().map(|(from, to)| between(*from, *to)).max().unwrap_or(0);
    for (from, to) in limits {
        let inside = between(from, to);
        let label = if from == to { from.to_string() } else { format!("{from} to {to}") };
        bands.row(&label).number(&units::count(inside)).number(&units::percent(inside, users)).bar(share(inside, most));
    }
    let mut table = Table::new(
        "active",
        "Customers by number of active days",
        &[Words("Active days"), Numbers("Customers"), Numbers("Share"), Numbers("at least this many days")],
    );
    for bin in &bins {
        table
            .row(&bin.days.to_string())
            .number(&units::count(bin.users))
            .number(&units::percent(bin.users, users))
            .number(&units::percent(between(bin.days, 31), users));
    }
    let inside = format!(
        "<figure><figcaption>Customers by number of active days; the line is the share with at least this many</figcaption>{}</figure>\n{}{}",
        chart("active", "Bar chart: customers by number of active days. The numbers stand in the tables below."),
        bands.finish(),
        details("Every number of days as a table", &table.finish())
    );
    card(context, "active", "half", "Active days", &says, &inside)
}
