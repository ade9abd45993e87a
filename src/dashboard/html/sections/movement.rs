//! The month compared with the one before: who stayed, who came, who left, and what changed for those who stayed.

use crate::dashboard::model::{MonthModel, Moved};

use super::super::table::Column::{Numbers, Words};
use super::super::table::{Table, details};
use super::super::text::escape;
use super::super::units;
use super::audience::ACTIVE_BANDS;
use super::{Context, DISPLAY_ORDER, card, category_name, has_other_rules, share, taste_words};

/// Changes of taste that are listed.
const LISTED_TASTES: usize = 12;

/// Whether there is anything to say: not of the first month.
pub fn is_there(context: &Context<'_>) -> bool {
    let has_earlier = context.known.iter().any(|known| *known < context.month.month);
    has_earlier || !context.month.movement.kinds.is_empty()
}

/// Nothing of the first month; one sentence where the month before is not there, or was made again since.
pub fn movement(context: &Context<'_>) -> String {
    let month = context.month;
    if !is_there(context) {
        return String::new();
    }
    if let Some(says) = says_why_not(context) {
        return card(context, "movement", "wide", "Compared with the month before", &says, "");
    }
    let inside = format!(
        "<div class=\"pair stack\"><figure><figcaption>What became of the customers</figcaption>{}\
         <p class=note>Came back: not there in the month before, but in an earlier one.</p>{}</figure>\
         <figure><figcaption>Active days of those who stayed: the month before to the left, this month above</figcaption>{}</figure></div>\n{}",
        kinds(month),
        categories(context),
        bands(month),
        tastes(month)
    );
    card(context, "movement", "wide", "Compared with the month before", &says(context), &inside)
}

/// Why the month is not compared, where it is not.
pub(super) fn says_why_not(context: &Context<'_>) -> Option<String> {
    let month = context.month.month;
    let before = month.previous()?;
    let movement = &context.month.movement;
    let (name, before_name) = (units::month(month), units::month(before));
    let again = format!("<code>viewmart mart --month {month}</code> compares them.");
    match (movement.kinds.is_empty(), movement.is_current) {
        (false, true) => None,
        (false, false) => Some(format!("Months were made again since {name} was compared with {before_name}: {again}")),
        (true, _) if context.known.contains(&before) => {
            Some(format!("{name} was not compared with {before_name} yet: {again}"))
        }
        (true, _) => Some(format!("{before_name} is not in the warehouse: nothing to compare with.")),
    }
}

pub(super) fn says(context: &Context<'_>) -> String {
    let month = context.month;
    let of = |kind: &str| month.movement.users(kind);
    let before = of("retained").saturating_add(of("lapsed"));
    let name = month.month.previous().map_or_else(String::new, units::month);
    let past = match (before, of("retained")) {
        (0, _) => format!("{name} had no customers."),
        (1, 1) => format!("The one customer of {name} stayed."),
        (1, _) => format!("The one customer of {name} left."),
        (_, retained) => format!(
            "Of the {} customers of {name}, <b>{}</b> stayed and {} left.",
            units::count(before),
            units::percent(retained, before),
            units::percent(of("lapsed"), before)
        ),
    };
    let new = match of("new") {
        0 => "Nobody is new".to_owned(),
        1 => "1 is new".to_owned(),
        n => format!("{} are new", units::count(n)),
    };
    let returned = match of("returned") {
        0 => String::new(),
        n => format!(", {} came back after a pause", units::count(n)),
    };
    let rules = match context.before {
        Some(before) if has_other_rules(month, before) => {
            format!(" {name} was made with other rules: some of this may come from them.")
        }
        _ => String::new(),
    };
    format!("{past} {new}{returned}.{rules}")
}

fn kinds(month: &MonthModel) -> String {
    let mut table = Table::new(
        "moved",
        "What became of the customers since the month before",
        &[Words("Customers who"), Numbers("Customers"), Numbers("Hours"), Numbers("Hours before")],
    );
    let words = [("retained", "stayed"), ("new", "are new"), ("returned", "came back"), ("lapsed", "left")];
    for (kind, meaning) in words {
        let found = month.movement.kinds.iter().find(|moved| moved.kind == kind);
        let (users, seconds, before) = found.map_or((0, 0, 0), |k| (k.users, k.seconds, k.seconds_before));
        table.row(meaning).number(&units::count(users)).number(&units::hours(seconds)).number(&units::hours(before));
    }
    table.finish()
}

/// The hours of each category in both months; nothing where the page does not have the month before.
fn categories(context: &Context<'_>) -> String {
    let Some(before) = context.before else { return String::new() };
    let columns = [Words("Category"), Numbers("Hours"), Numbers("Hours before"), Numbers("Change")];
    let mut table = Table::new("moved-categories", "Hours by category in both months", &columns);
    for category in DISPLAY_ORDER {
        let [now, past] = [context.month, before].map(|month| month.summary.seconds[category as usize]);
        let change = units::change(now, past).unwrap_or_default();
        table.row(category_name(category)).number(&units::hours(now)).number(&units::hours(past)).number(&change);
    }
    table.finish()
}

fn bands(month: &MonthModel) -> String {
    let names = ACTIVE_BANDS.map(|(from, to)| format!("{from}-{to}"));
    let columns = [Words("Before"), Numbers("1 to 7"), Numbers("8 to 14"), Numbers("15 to 21"), Numbers("22 to 31")];
    let mut table = Table::new("moved-days", "Customers of both months by active days", &columns);
    let users = |before: &str, now: &str| {
        let found = month.movement.bands.iter().filter(|moved| moved.before == before && moved.now == now);
        found.map(|moved| moved.users).sum::<i64>()
    };
    let retained = month.movement.users("retained");
    for before in &names {
        table.row(&before.replace('-', " to "));
        for now in &names {
            let users = users(before, now);
            table.shaded(&units::count(users), share(users, retained));
        }
    }
    table.finish()
}

/// The most common changes of taste.
fn tastes(month: &MonthModel) -> String {
    let changed: Vec<&Moved> = month.movement.tastes.iter().filter(|moved| moved.before != moved.now).collect();
    if changed.is_empty() {
        return String::new();
    }
    let retained = month.movement.users("retained");
    let n_changed: i64 = changed.iter().map(|moved| moved.users).sum();
    let mut table = Table::new(
        "moved-taste",
        "Customers whose taste changed",
        &[Words("Taste before"), Words("Taste now"), Numbers("Customers"), Numbers("Share")],
    );
    for moved in changed.iter().take(LISTED_TASTES) {
        table
            .row(&escape(&taste_words(&moved.before)))
            .words(&escape(&taste_words(&moved.now)))
            .number(&units::count(moved.users))
            .number(&units::percent(moved.users, retained));
    }
    let summary = format!("Changes of taste: {} of those who stayed", units::percent(n_changed, retained));
    details(&summary, &table.finish())
}
