//! What the numbers rest on: data quality and provenance.

use std::fmt::Write as _;

use crate::engine::ledger::Reason;

use super::super::table::Column::{Numbers, Words};
use super::super::table::Table;
use super::super::text::escape;
use super::super::units;
use super::audience::missing_days;
use super::{Context, card, records_read, standing_out};

/// Most apps without a category that are listed.
const LISTED_APPS: usize = 50;

/// What became of the records.
pub fn quality(context: &Context<'_>) -> String {
    let month = context.month;
    let (read, kept) = (records_read(month), month.n_records("kept"));
    let balanced = read == month.provenance.records_read;
    let says = format!(
        "{} {} {}",
        kept_says(kept, read),
        if balanced {
            "<span class=good>\u{2713} The ledger balances: every record read is kept or rejected for one reason.</span>".to_owned()
        } else {
            format!(
                "<span class=warn>The ledger does not balance: the run read {}.</span>",
                units::count(month.provenance.records_read)
            )
        },
        missing_days(month)
    );
    let mut table = Table::new(
        "quality",
        "What became of the records",
        &[Words("Records"), Numbers("Number"), Numbers("Share"), Words("Meaning")],
    );
    let mut line = |name: &str, meaning: &str| {
        let records = month.n_records(name);
        table.row(&escape(name)).number(&units::count(records)).number(&units::percent(records, read)).words(meaning);
    };
    line("kept", "counted in everything above");
    for reason in Reason::ALL {
        line(reason.name(), reason_words(reason));
    }
    table.row("read").number(&units::count(read)).number(&units::percent(read, read)).words("the sum of these lines");
    let mut inside = table.finish();
    let unmapped: Vec<_> =
        month.quality.iter().filter(|count| count.reason == Reason::UnmappedApp.name() && count.records > 0).collect();
    if !unmapped.is_empty() {
        let mut apps = Table::new("apps", "Apps in no category", &[Words("App"), Numbers("Records")]);
        for count in unmapped.iter().take(LISTED_APPS) {
            apps.row(&format!("<bdi>{}</bdi>", escape(&count.app))).number(&units::count(count.records));
        }
        inside = format!(
            "<div class=\"pair two-one stack\"><div>{inside}</div><figure><figcaption>Apps in no category</figcaption>{}",
            apps.finish()
        );
        if unmapped.len() > LISTED_APPS {
            let _ = write!(inside, "<p class=note>And {} more.</p>", unmapped.len() - LISTED_APPS);
        }
        inside.push_str("</figure></div>\n");
    }
    inside.push_str(&standing_out::table(month));
    if !month.warnings.is_empty() {
        let lines: String = month.warnings.iter().map(|warning| format!("<li>{}", escape(&warning.text))).collect();
        let _ = write!(inside, "<h4>Warnings of the run</h4>\n<ul class=warnings>{lines}</ul>\n");
    }
    card(context, "quality", "wide", "Data quality", &says, &inside)
}

/// How much of the records was kept, in words.
pub(super) fn kept_says(kept: i64, read: i64) -> String {
    match (kept, read) {
        (_, 0) => "No record was read.".to_owned(),
        (0, 1) => "The one record was <b>not kept</b>.".to_owned(),
        (_, 1) => "The one record was <b>kept</b>.".to_owned(),
        _ => format!("<b>{}</b> of {} records were kept.", units::percent(kept, read), units::count(read)),
    }
}

fn reason_words(reason: Reason) -> &'static str {
    match reason {
        Reason::Malformed => "not readable as a record",
        Reason::DuplicateId => "its id was there before on that day",
        Reason::NoContract => "no customer in it",
        Reason::LongContract => "a customer of more than 100 characters",
        Reason::NoApp => "no app in it",
        Reason::BadDuration => "a duration that is not an integer",
        Reason::NegativeDuration => "a duration below what the rules allow",
        Reason::OverDay => "a duration above what the rules allow",
        Reason::UnmappedApp => "an app in no category, listed by name",
        Reason::Excluded => "a customer that the rules exclude",
    }
}

/// Files, rules, engine and run.
pub fn provenance(context: &Context<'_>) -> String {
    let month = context.month;
    let run = &month.provenance;
    let mut list = String::from("<dl class=facts>\n");
    let mut fact = |name: &str, text: &str| {
        let class = if text.contains("<code>") { " class=long" } else { "" };
        let _ = writeln!(list, "<div{class}><dt>{name}</dt><dd>{text}</dd></div>");
    };
    fact("Input", &format!("{}, {}", units::counted(run.input_files, "file"), units::bytes(run.input_bytes)));
    fact("Days", &format!("{} of {}", month.days.len(), month.month.n_days()));
    if let Some(date) = &run.etl_date {
        fact("Run on", &escape(date));
    }
    fact("Engine", &escape(&run.engine));
    fact(
        "Customers shown",
        if context.mask.is_some() { "as pseudonyms, made with a secret key" } else { "by contract" },
    );
    fact("Rules", &format!("{}, hash <code>{}</code>", escape(&run.rules.name), escape(&run.rules.sha256)));
    list.push_str("</dl>\n");
    if !run.rules.text.is_empty() {
        let text = run.rules.text.lines().map(escape).collect::<Vec<_>>().join("\n");
        let _ = writeln!(list, "<details><summary>The rules</summary><pre class=rules>{text}</pre></details>");
    }
    card(context, "origin", "wide", "Where this comes from", "", &list).replace("<p class=says></p>\n", "")
}
