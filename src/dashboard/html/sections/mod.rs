//! The sections of a month: one sentence that says what is to be seen, the place for a chart, the table.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::dashboard::mask::Masker;
use crate::dashboard::model::MonthModel;
use crate::engine::calendar::Month;
use crate::engine::rules::{Category, NO_LABEL};

use super::sparks::Sparks;
use super::text::escape;
use super::{Shown, units};

mod audience;
mod customers;
mod movement;
mod named;
mod source;
mod standing_out;
mod taste;
mod tiles;

pub use audience::active_days;
pub use customers::{OPEN_CUSTOMERS, band_axis_label, band_label, longest_bar, shown_bands};
pub use tiles::{active_days as active_days_of_all, average_day};

/// The categories as the page lists them, everywhere in this order: usually the one with the most customers first.
pub const DISPLAY_ORDER: [Category; 5] =
    [Category::Tv, Category::Movie, Category::Child, Category::Relax, Category::Sport];

/// A month with what it is compared to.
pub struct Context<'a> {
    pub month: &'a MonthModel,
    /// The month before it, where the mart has it.
    pub before: Option<&'a MonthModel>,
    /// All months of the mart.
    pub known: &'a [Month],
    /// The lines of the tiles.
    pub sparks: &'a Sparks,
    /// Where contracts are masked.
    pub mask: Option<&'a Masker>,
}

impl Context<'_> {
    /// The contract or its pseudonym, not escaped.
    pub fn shown_contract<'c>(&self, contract: &'c str) -> Cow<'c, str> {
        match self.mask {
            Some(masker) => Cow::Owned(masker.mask(contract)),
            None => Cow::Borrowed(contract),
        }
    }

    fn id(&self, section: &str) -> String {
        format!("m{}-{section}", self.month.month)
    }
}

/// The category as the page writes it.
pub fn category_name(category: Category) -> &'static str {
    match category {
        Category::Tv => "TV",
        other => other.name(),
    }
}

/// A taste in words: `Movie + TV`.
pub fn taste_words(taste: &str) -> String {
    if taste == NO_LABEL {
        return "Nothing".to_owned();
    }
    let words: Vec<&str> = taste.split('_').map(|name| if name == Category::Tv.name() { "TV" } else { name }).collect();
    words.join(" + ")
}

/// The month as a whole.
pub(super) fn month(context: &Context<'_>, shown: Shown) -> String {
    let month = context.month;
    let class = if shown == Shown::First { "month shown" } else { "month" };
    let mut html = format!(
        "<article class=\"{class}\" id=m{id} data-month={id} aria-labelledby=m{id}-title>\n\
         <header class=head><h2 id=m{id}-title>{name}</h2><p>{facts}</p></header>\n",
        id = month.month,
        name = units::month(month.month),
        facts = head_facts(context),
    );
    html.push_str(&tiles::tiles(context));
    if month.summary.users == 0 {
        html.push_str(
            "<section class=card><h3>No customer</h3><p>No record of this month was kept, so there is nothing to draw. \
                       What became of the records stands below.</p></section>\n",
        );
    } else {
        html.push_str(&section_links(context));
        html.push_str("<div class=grid>\n");
        html.push_str(&audience::categories(context));
        html.push_str(&audience::apps(context));
        html.push_str(&audience::days(context));
        html.push_str(&audience::activeness(context));
        html.push_str(&customers::watch_time(context));
        html.push_str(&taste::tastes(context));
        html.push_str(&taste::overlap(context));
        html.push_str(&named::audiences(context));
        html.push_str(&customers::top_customers(context));
        html.push_str(&named::shared_accounts(context));
        html.push_str(&movement::movement(context));
        html.push_str("</div>\n");
    }
    html.push_str("<div class=grid>\n");
    html.push_str(&source::quality(context));
    html.push_str(&source::provenance(context));
    html.push_str("</div>\n</article>\n");
    html
}

fn head_facts(context: &Context<'_>) -> String {
    let month = context.month;
    let mut facts = format!(
        "{} of {} days with data, {} records kept of {}, rules <b>{}</b>",
        month.days.len(),
        month.month.n_days(),
        units::count(month.n_records("kept")),
        units::count(records_read(month)),
        escape(&month.provenance.rules.name),
    );
    if let Some(before) = context.before {
        // Sums of months with unlike numbers of days compare only so far.
        let _ = write!(
            facts,
            "; changes are against {} with {} of {} days",
            units::month(before.month),
            before.days.len(),
            before.month.n_days()
        );
        if has_other_rules(month, before) {
            let rules = &before.provenance.rules;
            let _ = write!(
                facts,
                ". <span class=warn>{} was made with other rules (<b>{}</b>, hash {}): a change may come from them.</span>",
                units::month(before.month),
                escape(&rules.name),
                escape(rules.short_hash())
            );
        }
    }
    facts
}

/// Whether what changed from `before` to `month` may come from the rules.
pub(super) fn has_other_rules(month: &MonthModel, before: &MonthModel) -> bool {
    month.provenance.rules.sha256 != before.provenance.rules.sha256
}

fn records_read(month: &MonthModel) -> i64 {
    month.quality.iter().map(|count| count.records).fold(0, i64::saturating_add)
}

fn section_links(context: &Context<'_>) -> String {
    let mut html = format!("<nav class=jump aria-label=\"Sections of {}\"><ul>", units::month(context.month.month));
    let month = context.month;
    let has_section = |section: &str| match section {
        "apps" => !month.apps.is_empty(),
        "movement" => movement::is_there(context),
        _ => true,
    };
    let before = [
        ("categories", "Categories"),
        ("apps", "Apps"),
        ("days", "Day by day"),
        ("active", "Active days"),
        ("time", "Watch time"),
        ("taste", "Taste"),
        ("overlap", "Overlap"),
        ("top", "Top customers"),
        ("movement", "Month before"),
    ];
    let before = before.into_iter().filter(|(section, _)| has_section(section));
    let behind = [("quality", "Data quality"), ("origin", "Where this comes from")];
    for (section, name) in before.chain(named::links(month)).chain(behind) {
        let _ = write!(html, "<li><a href=#{}>{name}</a>", context.id(section));
    }
    html.push_str("<li><a href=#months-h>All months</a></ul></nav>\n");
    html
}

/// A card with its heading and its sentence; `class` says how wide it is.
fn card(context: &Context<'_>, section: &str, class: &str, title: &str, sentence: &str, inside: &str) -> String {
    let id = context.id(section);
    format!(
        "<section class=\"card {class}\" id={id} aria-labelledby={id}-h>\n<h3 id={id}-h>{title}</h3>\n\
         <p class=says>{sentence}</p>\n{inside}</section>\n"
    )
}

/// The place of a chart. `says` is its text for who cannot see it; the numbers stand in the table of the card.
fn chart(name: &str, says: &str) -> String {
    format!("<div class=\"chart {name}\" data-chart={name} role=img aria-label=\"{}\"></div>\n", escape(says))
}

fn share(part: i64, whole: i64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests;
