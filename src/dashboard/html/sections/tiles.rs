//! The tiles: the month in eleven numbers, with their change against the month before.

use std::fmt::Write as _;

use crate::dashboard::model::MonthModel;

use super::super::units;
use super::{Context, DISPLAY_ORDER, category_name, has_other_rules};

/// The tiles.
pub fn tiles(context: &Context<'_>) -> String {
    let month = context.month;
    let summary = month.summary;
    let mut html = String::from("<dl class=\"tiles main\">\n");
    tile(
        context,
        &mut html,
        "users",
        "Customers",
        (&units::count(summary.users), ""),
        "with at least one record",
        &change(context, |now, before| units::change(now.summary.users, before.summary.users)),
    );
    tile(
        context,
        &mut html,
        "hours",
        "Watched",
        (&units::hours(summary.total_seconds), "hours"),
        &format!(
            "{} hours per customer",
            units::quotient(summary.total_seconds.into(), 3600 * i128::from(summary.users), 1)
        ),
        &change_a_day(context, |month| month.summary.total_seconds),
    );
    html.push_str("</dl>\n<dl class=\"tiles five\">\n");
    for category in DISPLAY_ORDER {
        let seconds = summary.seconds[category as usize];
        tile(
            context,
            &mut html,
            &format!("hours-{}", category.name()),
            category_name(category),
            (&units::hours(seconds), "hours"),
            &format!("{} of all", units::percent(seconds, summary.total_seconds)),
            &change_a_day(context, |month| month.summary.seconds[category as usize]),
        );
    }
    html.push_str("</dl>\n<dl class=\"tiles four\">\n");
    tile(
        context,
        &mut html,
        "daily",
        "Average day",
        (&units::count(average_day(month)), "customers"),
        &format!("stickiness {} of the month\u{2019}s customers", units::percent(average_day(month), summary.users)),
        &change(context, |now, before| units::change(average_day(now), average_day(before))),
    );
    tile(
        context,
        &mut html,
        "active",
        "Active days",
        (&units::quotient(active_days(month), summary.users.into(), 1), "days per customer"),
        &format!("of {} in the month", month.month.n_days()),
        &change(context, |now, before| {
            let mean = |m: &MonthModel| (active_days(m), m.summary.users.into());
            units::change_of_mean(mean(now), mean(before))
        }),
    );
    tile(
        context,
        &mut html,
        "median",
        "Median watch time",
        (&units::hours(month.watch_time.median_seconds), "hours"),
        "half of the customers have at most this",
        &change_a_day(context, |month| month.watch_time.median_seconds),
    );
    tile(
        context,
        &mut html,
        "tenth",
        "Heaviest tenth",
        (&units::percent(month.watch_time.top_tenth_seconds, summary.total_seconds), "of all hours"),
        &format!("by the {} customers with the most", units::count(month.watch_time.top_tenth_users)),
        &change(context, |now, before| {
            let share = |m: &MonthModel| (m.watch_time.top_tenth_seconds, m.summary.total_seconds);
            units::change_of_share(share(now), share(before))
        }),
    );
    html.push_str("</dl>\n");
    html
}

/// A tile: its number with the unit, what stands below it and against the month before, and its line over all months.
fn tile(
    context: &Context<'_>,
    html: &mut String,
    name: &str,
    title: &str,
    (number, unit): (&str, &str),
    small: &str,
    change: &str,
) {
    let spark = context.sparks.of_tile(name, context.month.month);
    let _ = writeln!(
        html,
        "<div class=\"tile {name}\" data-tile={name}><dt>{title}<dd class=big>{number}<small> {unit}</small>\
         <dd class=small>{small}{change}{spark}</div>"
    );
}

/// The change that `of` makes of the month and the one before it, where there is one.
fn change(context: &Context<'_>, of: impl Fn(&MonthModel, &MonthModel) -> Option<String>) -> String {
    change_of(context, "", of)
}

/// The change of a sum over the days: of its part a day with data, where the months have unlike numbers of them.
fn change_a_day(context: &Context<'_>, of: impl Fn(&MonthModel) -> i64) -> String {
    let n_days = |month: &MonthModel| i128::try_from(month.days.len()).unwrap_or(0);
    let is_alike = context.before.is_none_or(|before| n_days(before) == n_days(context.month));
    let mean = |month: &MonthModel| (i128::from(of(month)), if is_alike { 1 } else { n_days(month) });
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
