//! The audiences with a name, and the month without shared accounts.

use std::fmt::Write as _;

use crate::audience::named::is_builtin;
use crate::dashboard::model::{AudienceSize, MonthModel};

use super::super::table::Column::{Numbers, Words};
use super::super::table::Table;
use super::super::text::escape;
use super::super::units;
use super::customers::top_table;
use super::{Context, card, has_other_rules, share};

/// Audiences that the table of overlaps shows: more columns cannot be read.
const MAX_OVERLAPS: usize = 12;

/// The audience of accounts that play more than one device can.
const SHARED: &str = "shared";

/// Sizes of the audiences, their change and how they overlap.
pub fn audiences(context: &Context<'_>) -> String {
    let month = context.month;
    if month.audiences.is_empty() {
        return String::new();
    }
    let mut sizes = Table::new(
        "audiences",
        "Audiences with a name",
        &[
            Words("Audience"),
            Numbers("Customers"),
            Numbers("Share"),
            Numbers("Hours"),
            Numbers(change_title(context)),
            Words("What it is"),
        ],
    );
    for audience in &month.audiences {
        // One that asked for something else then is another one.
        let is_same = |before: &&AudienceSize| before.expression == audience.expression;
        let before = context.before.and_then(|before| before.audience(&audience.name)).filter(is_same);
        let change = before.and_then(|before| units::change(audience.users, before.users));
        sizes
            .row(&escape(&audience.name))
            .number(&units::count(audience.users))
            .number(&units::percent(audience.users, month.summary.users))
            .number(&units::hours(audience.seconds))
            .number(change.as_deref().unwrap_or("\u{2013}"))
            .words(&escape(what_it_is(audience, context)));
    }
    let inside = format!(
        "<figure>{}</figure>\n<figure><figcaption>Share of the customers of a row who are also in the column</figcaption>\
         {}</figure>\n",
        sizes.finish(),
        overlaps(month)
    );
    card(context, "audiences", "wide", "Audiences", &audiences_say(month), &inside)
}

/// What the page says of an audience. Where contracts are masked not its expression, if that may name some.
fn what_it_is<'a>(audience: &'a AudienceSize, context: &Context<'_>) -> &'a str {
    let names_contracts = audience.expression.to_lowercase().contains("contract");
    match context.mask {
        Some(_) if names_contracts && audience.description == audience.expression => "some contracts",
        _ => &audience.description,
    }
}

fn change_title(context: &Context<'_>) -> &'static str {
    match context.before {
        Some(before) if has_other_rules(context.month, before) => "Change of customers (other rules)",
        _ => "Change of customers",
    }
}

/// The largest audience, in words; several where they are as large.
pub(super) fn audiences_say(month: &MonthModel) -> String {
    let most = month.audiences.iter().map(|audience| audience.users).max().unwrap_or(0);
    if most == 0 {
        return "Nobody is in any of the audiences.".to_owned();
    }
    let largest: Vec<String> = month
        .audiences
        .iter()
        .filter(|audience| audience.users == most)
        .map(|audience| format!("<b>{}</b>", escape(&audience.name)))
        .collect();
    let share = units::percent(most, month.summary.users);
    match largest.as_slice() {
        [one] => format!("The largest audience is {one} with {share} of all customers."),
        [some @ .., last] if largest.len() <= 3 => {
            format!("{} and {last} are the largest audiences, with {share} of all customers each.", some.join(", "))
        }
        many => format!("{} audiences are equally large, with {share} of all customers each.", many.len()),
    }
}

fn overlaps(month: &MonthModel) -> String {
    let shown = &month.audiences[..month.audiences.len().min(MAX_OVERLAPS)];
    let mut table = Table::new("audience-overlap", "Overlap of the audiences", &[Words("Audience")]);
    for audience in shown {
        table.column(&escape(&audience.name));
    }
    for audience in shown {
        table.row(&escape(&audience.name));
        for other in shown {
            let both = month.audience_overlap(&audience.name, &other.name);
            if audience.name == other.name {
                table.words("<span class=none aria-label=\"the same audience\">\u{2013}</span>");
            } else {
                table.shaded(&units::percent(both, audience.users), share(both, audience.users));
            }
        }
    }
    let mut inside = table.finish();
    let n_left_out = month.audiences.len() - shown.len();
    if n_left_out > 0 {
        let _ = writeln!(inside, "<p class=note>And {n_left_out} more; the table audience_overlap has all.</p>");
    }
    inside
}

/// The shared accounts, where there are any. An audience that takes the place of the built-in one may be anything.
fn shared_of(month: &MonthModel) -> Option<&AudienceSize> {
    month.audience(SHARED).filter(|shared| shared.users > 0 && is_builtin(&shared.name, &shared.expression))
}

/// What shared accounts do to averages, and who watches most beside them.
pub fn shared_accounts(context: &Context<'_>) -> String {
    let month = context.month;
    let Some(shared) = shared_of(month) else { return String::new() };
    let summary = month.summary;
    let (users, seconds) = (summary.users - shared.users, summary.total_seconds - shared.seconds);
    let mut means = Table::new(
        "shared",
        "The month with and without shared accounts",
        &[Words(""), Numbers("Customers"), Numbers("Hours"), Numbers("Average per customer"), Numbers("Median")],
    );
    let mut row = |name: &str, users: i64, seconds: i64, median: i64| {
        means
            .row(name)
            .number(&units::count(users))
            .number(&units::hours(seconds))
            .number(&mean(seconds, users))
            .number(&units::duration(median));
    };
    row("All customers", summary.users, summary.total_seconds, month.watch_time.median_seconds);
    row("Without shared accounts", users, seconds, shared.others_median_seconds);
    let mut inside = format!("<figure>{}</figure>\n", means.finish());
    if !month.top_unshared.is_empty() {
        let texts = ["top-others", "Customers with the most watch time, without shared accounts", "Rank"];
        let table = top_table(context, texts, &month.top_unshared);
        let _ = writeln!(
            inside,
            "<figure><figcaption>The customers with the most watch time who are no shared account</figcaption>{table}</figure>"
        );
    }
    card(context, "shared", "wide", "Shared accounts", &shared_says(month, shared), &inside)
}

/// How many accounts are shared, and the average without them.
pub(super) fn shared_says(month: &MonthModel, shared: &AudienceSize) -> String {
    let summary = month.summary;
    let (users, seconds) = (summary.users - shared.users, summary.total_seconds - shared.seconds);
    let (accounts, them) = match shared.users {
        1 => ("<b>1</b> account plays".to_owned(), "it"),
        n => (format!("<b>{}</b> accounts play", units::count(n)), "them"),
    };
    let share = units::percent(shared.seconds, summary.total_seconds);
    let says =
        format!("{accounts} more than 24 hours on an active day, more than one device can: {share} of all hours.");
    match users {
        0 => format!("{says} There is no other customer."),
        _ => format!(
            "{says} Without {them} a customer watched {} rather than {} on average.",
            mean(seconds, users),
            mean(summary.total_seconds, summary.users)
        ),
    }
}

fn mean(seconds: i64, users: i64) -> String {
    let hours = units::quotient(seconds.into(), i128::from(users) * 3600, 1);
    format!("{hours}\u{a0}h")
}

/// Which of the sections a month has, for the links to them.
pub fn links(month: &MonthModel) -> Vec<(&'static str, &'static str)> {
    let audiences = (!month.audiences.is_empty()).then_some(("audiences", "Audiences"));
    audiences.into_iter().chain(shared_of(month).map(|_| ("shared", "Shared accounts"))).collect()
}
