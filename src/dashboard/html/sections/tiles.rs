//! The tiles: the month in eleven numbers, with their change against the month before.

use std::fmt::Write as _;

use crate::dashboard::model::MonthModel;
use crate::engine::rules::Category;

use super::super::units;
use super::{Context, DISPLAY_ORDER, category_name, has_other_rules};

/// One number.
#[derive(Clone)]
struct Tile {
    /// Its class on the page.
    name: String,
    title: &'static str,
    number: String,
    unit: &'static str,
    /// What stands below the number.
    small: String,
    /// See [`change`].
    change: String,
}

impl Tile {
    /// With the line of its number over all months.
    fn write(&self, html: &mut String, context: &Context<'_>) {
        let Tile { name, title, number, unit, small, change } = self;
        let spark = context.sparks.of_tile(name, context.month.month);
        let _ = writeln!(
            html,
            "<div class=\"tile {name}\" data-tile={name}><dt>{title}<dd class=big>{number}<small> {unit}</small>\
             <dd class=small>{small}{change}{spark}</div>"
        );
    }
}

pub fn tiles(context: &Context<'_>) -> String {
    let rows = [
        ("main", vec![users(context), hours(context)]),
        ("five", DISPLAY_ORDER.map(|category| hours_of(context, category)).to_vec()),
        ("four", vec![daily(context), active(context), median(context), tenth(context)]),
    ];
    let mut html = String::new();
    for (class, tiles) in rows {
        let _ = writeln!(html, "<dl class=\"tiles {class}\">");
        tiles.iter().for_each(|tile| tile.write(&mut html, context));
        html.push_str("</dl>\n");
    }
    html
}

fn users(context: &Context<'_>) -> Tile {
    Tile {
        name: "users".to_owned(),
        title: "Customers",
        number: units::count(context.month.summary.users),
        unit: "",
        small: "with at least one record".to_owned(),
        change: change(context, |now, before| units::change(now.summary.users, before.summary.users)),
    }
}

fn hours(context: &Context<'_>) -> Tile {
    let summary = context.month.summary;
    let mean = units::quotient(summary.total_seconds.into(), 3600 * i128::from(summary.users), 1);
    Tile {
        name: "hours".to_owned(),
        title: "Watched",
        number: units::hours(summary.total_seconds),
        unit: "hours",
        small: format!("{mean} hours per customer"),
        change: change_a_day(context, |month| month.summary.total_seconds),
    }
}

fn hours_of(context: &Context<'_>, category: Category) -> Tile {
    let summary = context.month.summary;
    let seconds = summary.seconds[category as usize];
    Tile {
        name: format!("hours-{}", category.name()),
        title: category_name(category),
        number: units::hours(seconds),
        unit: "hours",
        small: format!("{} of all", units::percent(seconds, summary.total_seconds)),
        change: change_a_day(context, |month| month.summary.seconds[category as usize]),
    }
}

fn daily(context: &Context<'_>) -> Tile {
    let users = average_day(context.month);
    let stickiness = units::percent(users, context.month.summary.users);
    Tile {
        name: "daily".to_owned(),
        title: "Average day",
        number: units::count(users),
        unit: "customers",
        small: format!("stickiness {stickiness} of the month\u{2019}s customers"),
        change: change(context, |now, before| units::change(average_day(now), average_day(before))),
    }
}

fn active(context: &Context<'_>) -> Tile {
    let month = context.month;
    Tile {
        name: "active".to_owned(),
        title: "Active days",
        number: units::quotient(active_days(month), month.summary.users.into(), 1),
        unit: "days per customer",
        small: format!("of {} in the month", month.month.n_days()),
        change: change_of_mean_a_day(context, |month| (active_days(month), month.summary.users.into())),
    }
}

fn median(context: &Context<'_>) -> Tile {
    Tile {
        name: "median".to_owned(),
        title: "Median watch time",
        number: units::hours(context.month.watch_time.median_seconds),
        unit: "hours",
        small: "half of the customers have at most this".to_owned(),
        change: change_a_day(context, |month| month.watch_time.median_seconds),
    }
}

fn tenth(context: &Context<'_>) -> Tile {
    let share = |month: &MonthModel| (month.watch_time.top_tenth_seconds, month.summary.total_seconds);
    let (seconds, total) = share(context.month);
    let small = match context.month.watch_time.top_tenth_users {
        1 => "by the customer with the most".to_owned(),
        n => format!("by the {} customers with the most", units::count(n)),
    };
    Tile {
        name: "tenth".to_owned(),
        title: "Heaviest tenth",
        number: units::percent(seconds, total),
        unit: "of all hours",
        small,
        change: change(context, |now, before| units::change_of_share(share(now), share(before))),
    }
}

/// The change that `of` makes of the month and the one before it, where there is one.
fn change(context: &Context<'_>, of: impl Fn(&MonthModel, &MonthModel) -> Option<String>) -> String {
    change_of(context, "", of)
}

/// The change of a sum over the days: of its part a day with data, where the months have unlike numbers of them.
fn change_a_day(context: &Context<'_>, of: impl Fn(&MonthModel) -> i64) -> String {
    change_of_mean_a_day(context, |month| (of(month).into(), 1))
}

/// The same of a sum that is shared by so many.
fn change_of_mean_a_day(context: &Context<'_>, of: impl Fn(&MonthModel) -> (i128, i128)) -> String {
    let n_days = |month: &MonthModel| i128::try_from(month.days.len()).unwrap_or(0);
    let is_alike = context.before.is_none_or(|before| n_days(before) == n_days(context.month));
    let mean = |month: &MonthModel| {
        let (sum, n_shares) = of(month);
        (sum, n_shares * if is_alike { 1 } else { n_days(month) })
    };
    let words = if is_alike { "" } else { "per day " };
    change_of(context, words, |now, before| units::change_of_mean(mean(now), mean(before)))
}

/// The change that `of` makes, with `words` between it and the name of the month before.
fn change_of(context: &Context<'_>, words: &str, of: impl Fn(&MonthModel, &MonthModel) -> Option<String>) -> String {
    let Some(before) = context.before else { return String::new() };
    let Some(text) = of(context.month, before) else { return String::new() };
    let (class, sign) = match text.chars().next() {
        Some('+') => ("up", "\u{25b2} "),
        Some('\u{2212}') => ("down", "\u{25bc} "),
        _ => ("same", ""),
    };
    format!(
        "<dd class=\"change {class}\"><span aria-hidden=true>{sign}</span>{text} <span class=on>{words}vs {}{}</span>",
        units::month(before.month),
        if has_other_rules(context.month, before) { ", other rules" } else { "" }
    )
}

/// Active days of all customers together.
pub fn active_days(month: &MonthModel) -> i128 {
    month.activeness.iter().map(|bin| i128::from(bin.days) * i128::from(bin.users)).sum()
}

/// Mean number of customers on a day that has data.
pub fn average_day(month: &MonthModel) -> i64 {
    let n_days = i128::try_from(month.days.len()).unwrap_or(1).max(1);
    let sum: i128 = month.days.iter().map(|day| i128::from(day.active_users)).sum();
    i64::try_from((sum + n_days / 2) / n_days).unwrap_or(i64::MAX)
}
