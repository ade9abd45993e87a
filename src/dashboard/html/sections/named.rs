//! The audiences with a name, and the month without shared accounts.

use crate::audience::named::is_builtin;
use crate::dashboard::model::{AudienceSize, MonthModel, TopCustomer};

use super::super::table::Column::{Numbers, Words};
use super::super::table::Table;
use super::super::text::escape;
use super::super::units;
use super::customers::top_table;
use super::{Context, OPEN_CUSTOMERS, card, share};

/// Audiences that the table of overlaps shows: more columns cannot be read.
const MAX_OVERLAPS: usize = 12;

/// The audience of accounts that play more than one device can.
const SHARED: &str = "shared";
const DAY_SECONDS: i64 = 86_400;

/// Sizes of the audiences, their change and how they overlap.
pub fn audiences(context: &Context<'_>) -> String {
    let month = context.month;
    let Some(largest) = month.audiences.iter().max_by_key(|audience| audience.users) else { return String::new() };
    let says = format!(
        "The largest audience is <b>{}</b> with {} of all customers.",
        escape(&largest.name),
        units::percent(largest.users, month.summary.users)
    );
    let mut sizes = Table::new(
        "audiences",
        "Audiences with a name",
        &[
            Words("Audience"),
            Numbers("Customers"),
            Numbers("Share"),
            Numbers("Hours"),
            Numbers("Change of customers"),
            Words("What it is"),
        ],
    );
    for audience in &month.audiences {
        let before = context.before.and_then(|before| before.audience(&audience.name));
        let change = before.and_then(|before| units::change(audience.users, before.users));
        sizes
            .row(&escape(&audience.name))
            .number(&units::count(audience.users))
            .number(&units::percent(audience.users, month.summary.users))
            .number(&units::hours(audience.seconds))
            .number(change.as_deref().unwrap_or("\u{2013}"))
            .words(&escape(&audience.description));
    }
    let inside = format!(
        "<figure>{}</figure>\n<figure><figcaption>Share of the customers of a row who are also in the column</figcaption>\
         {}</figure>\n",
        sizes.finish(),
        overlaps(month)
    );
    card(context, "audiences", "wide", "Audiences", &says, &inside)
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
    table.finish()
}

/// The shared accounts, where there are any. An audience that takes the place of the built-in one may be anything.
fn shared_of(month: &MonthModel) -> Option<&AudienceSize> {
    month.audience(SHARED).filter(|shared| shared.users > 0 && is_builtin(&shared.name, &shared.description))
}

/// What shared accounts do to averages, and who watches most beside them.
pub fn shared_accounts(context: &Context<'_>) -> String {
    let month = context.month;
    let Some(shared) = shared_of(month) else { return String::new() };
    let summary = month.summary;
    let (users, seconds) = (summary.users - shared.users, summary.total_seconds - shared.seconds);
    let says = format!(
        "<b>{}</b> accounts play more than 24 hours on an active day, more than one device can: {} of all hours. Without \
         them a customer watched {} rather than {} on average.",
        units::count(shared.users),
        units::percent(shared.seconds, summary.total_seconds),
        mean(seconds, users),
        mean(summary.total_seconds, summary.users),
    );
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
    let inside = format!(
        "<figure>{}</figure>\n<figure><figcaption>The first {OPEN_CUSTOMERS} customers without shared accounts, of the {} \
         with the most watch time</figcaption>{}</figure>\n",
        means.finish(),
        month.top_customers.len(),
        others(context)
    );
    card(context, "shared", "wide", "Shared accounts", &says, &inside)
}

fn mean(seconds: i64, users: i64) -> String {
    let hours = units::quotient(seconds.into(), i128::from(users) * 3600, 1);
    format!("{hours}\u{a0}h")
}

/// The top customers who are no shared account.
fn others(context: &Context<'_>) -> String {
    let is_shared = |customer: &&TopCustomer| {
        i128::from(customer.total_seconds) > i128::from(customer.active_days) * i128::from(DAY_SECONDS)
    };
    let others = context.month.top_customers.iter().filter(|customer| !is_shared(customer));
    let texts = ["top-others", "Customers with the most watch time, without shared accounts", "Rank"];
    top_table(context, texts, others.take(OPEN_CUSTOMERS))
}

/// Which of the sections a month has, for the links to them.
pub fn links(month: &MonthModel) -> Vec<(&'static str, &'static str)> {
    let audiences = (!month.audiences.is_empty()).then_some(("audiences", "Audiences"));
    audiences.into_iter().chain(shared_of(month).map(|_| ("shared", "Shared accounts"))).collect()
}
