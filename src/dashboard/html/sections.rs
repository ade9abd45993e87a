//! The sections of a month: one sentence that says what is to be seen, the place for a chart, the table.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::calendar::Month;
use crate::dashboard::mask::Masker;
use crate::dashboard::model::{ActiveDays, MonthModel, WatchBand};
use crate::ledger::Reason;
use crate::rules::{Category, NO_LABEL};

use super::table::{Column, Table, details};
use super::text::escape;
use super::{Shown, units};

use Column::{Numbers, Words};

/// The categories as the page lists them, everywhere in this order: usually the one with the most customers first.
pub const DISPLAY_ORDER: [Category; 5] =
    [Category::Tv, Category::Movie, Category::Child, Category::Relax, Category::Sport];

/// Rows of the taste table that are always open.
const OPEN_TASTES: usize = 12;
/// Rows of the table of customers that are always open.
const OPEN_CUSTOMERS: usize = 10;
/// Most apps without a category that are listed.
const LISTED_APPS: usize = 50;

/// A month with what it is compared to.
pub struct Context<'a> {
    /// The month.
    pub month: &'a MonthModel,
    /// The month before it, where the mart has it.
    pub before: Option<&'a MonthModel>,
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

/// Customers by number of active days, one entry for every number the month allows.
pub fn active_days(month: &MonthModel) -> Vec<ActiveDays> {
    let users = |days| month.activeness.iter().filter(|bin| bin.days == days).map(|bin| bin.users).sum();
    (1..=i64::from(month.month.n_days())).map(|days| ActiveDays { days, users: users(days) }).collect()
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

/// Name of the page and the choice of months. The choice is links: it needs no script and can be kept and shared.
pub fn page_header(months: &[Month], shown: Month) -> String {
    let mut html = String::from(
        "<a class=skip href=#main>Skip to the numbers</a>\n<header class=top><div><h1>TV viewing</h1>\
         <button type=button id=theme hidden>Dark</button></div>\n<nav aria-label=Months><ul>",
    );
    for month in months {
        let current = if *month == shown { " aria-current=true" } else { "" };
        // Writing to a String cannot fail.
        let _ = write!(html, "<li><a href=#m{month}{current}>{}</a>", units::month(*month));
    }
    html.push_str("</ul></nav></header>\n");
    html
}

/// What the words of the page mean.
pub fn page_footer() -> String {
    format!(
        "<footer class=foot><h2>What the words mean</h2><dl>\
         <div><dt>Customer</dt><dd>A contract with at least one kept record in the month; contracts are compared byte for byte.</dd></div>\
         <div><dt>Watches a category</dt><dd>Has more than 0 seconds of it in the month. Categories overlap, so their customers add up to more than all customers.</dd></div>\
         <div><dt>Favourite</dt><dd>The category in which a customer spent the most seconds.</dd></div>\
         <div><dt>Active day</dt><dd>A day with at least one kept record of the customer.</dd></div>\
         <div><dt>Stickiness</dt><dd>Customers on an average day with data, as a share of the customers of the month.</dd></div>\
         <div><dt>Median, 90 %, 99 %</dt><dd>The watch time that this share of the customers do not exceed.</dd></div>\
         </dl><p>Made by {}. This file is complete in itself and asks for nothing from the network.</p></footer>\n",
        escape(crate::ENGINE)
    )
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
        facts = head_facts(month),
    );
    html.push_str(&tiles(context));
    if month.summary.users == 0 {
        html.push_str(
            "<section class=card><h3>No customer</h3><p>No record of this month was kept, so there is nothing to draw. \
                       What became of the records stands below.</p></section>\n",
        );
    } else {
        html.push_str(&section_links(context));
        html.push_str("<div class=grid>\n");
        html.push_str(&categories(context));
        html.push_str(&days(context));
        html.push_str(&activeness(context));
        html.push_str(&watch_time(context));
        html.push_str(&tastes(context));
        html.push_str(&overlap(context));
        html.push_str(&top_customers(context));
        html.push_str("</div>\n");
    }
    html.push_str("<div class=grid>\n");
    html.push_str(&quality(context));
    html.push_str(&provenance(context));
    html.push_str("</div>\n</article>\n");
    html
}

fn head_facts(month: &MonthModel) -> String {
    format!(
        "{} of {} days with data, {} records kept of {}, rules <b>{}</b>",
        month.days.len(),
        month.month.n_days(),
        units::count(month.n_records("kept")),
        units::count(records_read(month)),
        escape(&month.provenance.rules_name),
    )
}

fn records_read(month: &MonthModel) -> i64 {
    month.quality.iter().map(|count| count.records).fold(0, i64::saturating_add)
}

fn section_links(context: &Context<'_>) -> String {
    let mut html = format!("<nav class=jump aria-label=\"Sections of {}\"><ul>", units::month(context.month.month));
    for (section, name) in [
        ("categories", "Categories"),
        ("days", "Day by day"),
        ("active", "Active days"),
        ("time", "Watch time"),
        ("taste", "Taste"),
        ("overlap", "Overlap"),
        ("top", "Top customers"),
        ("quality", "Data quality"),
    ] {
        let _ = write!(html, "<li><a href=#{}>{name}</a>", context.id(section));
    }
    html.push_str("</ul></nav>\n");
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

fn change(context: &Context<'_>, of: impl Fn(&MonthModel) -> i64) -> String {
    let Some(before) = context.before else { return String::new() };
    let Some(text) = units::change(of(context.month), of(before)) else { return String::new() };
    let (class, sign) = match text.chars().next() {
        Some('+') => ("up", "\u{25b2} "),
        Some('\u{2212}') => ("down", "\u{25bc} "),
        _ => ("same", ""),
    };
    format!(
        "<dd class=\"change {class}\"><span aria-hidden=true>{sign}</span>{text} <span class=on>on {}</span>",
        units::month(before.month)
    )
}

fn tile(html: &mut String, name: &str, title: &str, number: &str, unit: &str, small: &str, change: &str) {
    let _ = writeln!(
        html,
        "<div class=\"tile {name}\" data-tile={name}><dt>{title}<dd class=big>{number}<small> {unit}</small>{}{change}</div>",
        if small.is_empty() { String::new() } else { format!("<dd class=small>{small}") }
    );
}

fn tiles(context: &Context<'_>) -> String {
    let month = context.month;
    let summary = month.summary;
    let mut html = String::from("<dl class=\"tiles main\">\n");
    tile(
        &mut html,
        "users",
        "Customers",
        &units::count(summary.users),
        "",
        "with at least one record",
        &change(context, |m| m.summary.users),
    );
    tile(
        &mut html,
        "hours",
        "Watched",
        &units::hours(summary.total_seconds),
        "hours",
        &format!(
            "{} hours a customer",
            units::quotient(summary.total_seconds.into(), 3600 * i128::from(summary.users), 1)
        ),
        &change(context, |m| m.summary.total_seconds),
    );
    html.push_str("</dl>\n<dl class=\"tiles five\">\n");
    for category in DISPLAY_ORDER {
        let seconds = summary.seconds[category as usize];
        tile(
            &mut html,
            &format!("hours-{}", category.name()),
            category_name(category),
            &units::hours(seconds),
            "hours",
            &format!("{} of all", units::percent(seconds, summary.total_seconds)),
            &change(context, |m| m.summary.seconds[category as usize]),
        );
    }
    html.push_str("</dl>\n<dl class=\"tiles four\">\n");
    tile(
        &mut html,
        "daily",
        "Average day",
        &units::count(average_day(month)),
        "customers",
        &format!("{} of the month's: stickiness", units::percent(average_day(month), summary.users)),
        &change(context, average_day),
    );
    let active: i128 = month.activeness.iter().map(|bin| i128::from(bin.days) * i128::from(bin.users)).sum();
    tile(
        &mut html,
        "active",
        "Active days",
        &units::quotient(active, summary.users.into(), 1),
        "days a customer",
        &format!("of {} in the month", month.month.n_days()),
        "",
    );
    tile(
        &mut html,
        "median",
        "Median watch time",
        &units::hours(month.watch_time.median_seconds),
        "hours",
        "half of the customers have at most this",
        &change(context, |m| m.watch_time.median_seconds),
    );
    tile(
        &mut html,
        "tenth",
        "Heaviest tenth",
        &units::percent(month.watch_time.top_tenth_seconds, summary.total_seconds),
        "of all hours",
        &format!("{} customers", units::count(month.watch_time.top_tenth_users)),
        "",
    );
    html.push_str("</dl>\n");
    html
}

/// Mean number of customers on a day that has data.
fn average_day(month: &MonthModel) -> i64 {
    let n_days = i128::try_from(month.days.len()).unwrap_or(1).max(1);
    let sum: i128 = month.days.iter().map(|day| i128::from(day.active_users)).sum();
    i64::try_from((sum + n_days / 2) / n_days).unwrap_or(i64::MAX)
}

fn categories(context: &Context<'_>) -> String {
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
            Numbers("Customers who watch it"),
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

fn days(context: &Context<'_>) -> String {
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
                table.words("<span class=warn>no data</span>");
            }
        }
    }
    let inside = format!(
        "<figure><figcaption>Customers a day, with the average of the last seven days; weekends shaded</figcaption>{}</figure>\
         <figure><figcaption>Hours a day by category, each on its own scale</figcaption>{}</figure>\n{}",
        chart("daily", "Line chart: customers on each day of the month. The numbers stand in the table below."),
        chart(
            "daily-hours",
            "Line charts: hours watched on each day, by category. The numbers stand in the table below."
        ),
        details("All days as a table", &table.finish())
    );
    card(context, "days", "wide", "Day by day", &says, &inside)
}

fn missing_days(month: &MonthModel) -> String {
    let days = month.missing_days();
    let runs: Vec<String> = days
        .chunk_by(|a, b| a.number() + 1 == b.number())
        .filter_map(|run| Some((*run.first()?, *run.last()?)))
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

fn activeness(context: &Context<'_>) -> String {
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
    for (from, to) in [(1, 1), (2, 7), (8, 14), (15, 21), (22, i64::from(month.month.n_days()))] {
        let inside = between(from, to);
        let label = if from == to { from.to_string() } else { format!("{from} to {to}") };
        bands
            .row(&label)
            .number(&units::count(inside))
            .number(&units::percent(inside, users))
            .bar(share(inside, users), "accent");
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

fn share(part: i64, whole: i64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn watch_time(context: &Context<'_>) -> String {
    let month = context.month;
    let watch = month.watch_time;
    let users = month.summary.users;
    let says = format!(
        "Half of the customers watched at most <b>{}</b>; the heaviest tenth takes <b>{}</b> of all hours.",
        units::duration(watch.median_seconds),
        units::percent(watch.top_tenth_seconds, month.summary.total_seconds)
    );
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

fn tastes(context: &Context<'_>) -> String {
    let month = context.month;
    let users = month.summary.users;
    let several: i64 = month.tastes.iter().filter(|taste| taste.taste.contains('_')).map(|taste| taste.users).sum();
    let first = month.tastes.first().map_or(String::new(), |taste| {
        format!(
            "<b>{}</b> is the most common taste, with {} of the customers; ",
            escape(&taste_words(&taste.taste)),
            units::percent(taste.users, users)
        )
    });
    let says = format!("{first}{} combine several categories.", units::percent(several, users));
    let most = month.tastes.first().map_or(0, |taste| taste.users);
    let table_of = |name: &str, tastes: &[crate::dashboard::model::TasteUsers]| {
        let mut columns = vec![Words("Taste")];
        columns.extend(DISPLAY_ORDER.map(|category| Words(category_name(category))));
        columns.extend([Numbers("Customers"), Numbers("Share"), Words("")]);
        let mut table = Table::new(name, "Combinations of categories", &columns);
        for taste in tastes {
            table.row(&escape(&taste_words(&taste.taste)));
            let names: Vec<&str> = taste.taste.split('_').collect();
            for category in DISPLAY_ORDER {
                table.words(if names.contains(&category.name()) {
                    match category {
                        Category::Tv => "<i class=\"dot Tv\"></i><span class=quiet>yes</span>",
                        Category::Movie => "<i class=\"dot Movie\"></i><span class=quiet>yes</span>",
                        Category::Child => "<i class=\"dot Child\"></i><span class=quiet>yes</span>",
                        Category::Relax => "<i class=\"dot Relax\"></i><span class=quiet>yes</span>",
                        Category::Sport => "<i class=\"dot Sport\"></i><span class=quiet>yes</span>",
                    }
                } else {
                    "<i class=dot></i>"
                });
            }
            table
                .number(&units::count(taste.users))
                .number(&units::percent(taste.users, users))
                .bar(share(taste.users, most), "accent");
        }
        table.finish()
    };
    let (open, folded) = month.tastes.split_at(month.tastes.len().min(OPEN_TASTES));
    let mut inside = format!("<div class=upset>{}", table_of("taste", open));
    if !folded.is_empty() {
        inside.push_str(&details(&format!("{} rarer combinations", folded.len()), &table_of("taste-more", folded)));
    }
    inside.push_str("</div>\n");
    card(context, "taste", "most", "Taste", &says, &inside)
}

fn overlap(context: &Context<'_>) -> String {
    let month = context.month;
    let mut weakest: Option<(i64, i64, Category)> = None;
    for category in DISPLAY_ORDER.into_iter().filter(|category| *category != Category::Tv) {
        let (with_tv, all) =
            (month.overlap[category as usize][Category::Tv as usize], month.categories[category as usize].users);
        if weakest
            .is_none_or(|(part, whole, _)| i128::from(with_tv) * i128::from(whole) < i128::from(part) * i128::from(all))
            && all > 0
        {
            weakest = Some((with_tv, all, category));
        }
    }
    let says = match weakest {
        Some((with_tv, all, _)) if with_tv == all => {
            "Every customer of another category also watches <b>TV</b>.".to_owned()
        }
        Some((with_tv, all, category)) => format!(
            "Of the customers of <b>{}</b>, {} also watch TV: the least of all categories.",
            category_name(category),
            units::percent(with_tv, all)
        ),
        None => "Nobody watches more than one category.".to_owned(),
    };
    let mut columns = vec![Words("Category")];
    columns.extend(DISPLAY_ORDER.map(|category| Numbers(category_name(category))));
    let mut shares =
        Table::new("overlap-share", "Share of the customers of one category who also watch another", &columns);
    let mut counts = Table::new("overlap", "Customers who watch both categories", &columns);
    for category in DISPLAY_ORDER {
        let heading = format!("<i class=\"dot {}\"></i>{}", category.name(), category_name(category));
        shares.row(&heading);
        counts.row(&heading);
        for other in DISPLAY_ORDER {
            let both = month.overlap[category as usize][other as usize];
            let all = month.overlap[category as usize][category as usize];
            if category == other {
                shares.words("<span class=none aria-label=\"the same category\">\u{2013}</span>");
            } else {
                shares.shaded(&units::percent(both, all), share(both, all));
            }
            counts.number(&units::count(both));
        }
    }
    let inside = format!(
        "<figure><figcaption>Share of the customers of a row who also watch the column</figcaption>{}</figure>\n\
         <figure><figcaption>Customers who watch both</figcaption>{}</figure>\n",
        shares.finish(),
        counts.finish()
    );
    card(context, "overlap", "rest", "Overlap of categories", &says, &inside)
}

fn top_customers(context: &Context<'_>) -> String {
    let month = context.month;
    let possible = i64::from(month.month.n_days()) * 86_400;
    let beyond = month.top_customers.iter().filter(|customer| customer.total_seconds > possible).count();
    let mut says = month.top_customers.first().map_or(String::new(), |first| {
        format!(
            "The heaviest customer watched <b>{}</b>, {} of all hours.",
            units::duration(first.total_seconds),
            units::percent(first.total_seconds, month.summary.total_seconds)
        )
    });
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
    let customer_title = if context.mask.is_some() { "Customer (pseudonym)" } else { "Customer" };
    let table_of = |name: &str, customers: &[crate::dashboard::model::TopCustomer]| {
        let mut table = Table::new(
            name,
            "Customers with the most watch time",
            &[Words("Place"), Words(customer_title), Numbers("Hours"), Words("Taste"), Numbers("Active days")],
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
    };
    let (open, folded) = month.top_customers.split_at(month.top_customers.len().min(OPEN_CUSTOMERS));
    let mut inside = format!(
        "<div class=\"pair stack\"><figure><figcaption>Hours of the first ten, with their taste; a bar with \u{226b} is cut</figcaption>{}</figure><div>{}</div></div>\n",
        chart(
            "heaviest",
            "Bar chart: hours of the ten customers with the most watch time. The numbers stand in the table beside it."
        ),
        table_of("top", open)
    );
    if !folded.is_empty() {
        inside.push_str(&details(
            &format!("Places {} to {}", open.len() + 1, month.top_customers.len()),
            &table_of("top-more", folded),
        ));
    }
    card(context, "top", "wide", "Top customers", &says, &inside)
}

fn quality(context: &Context<'_>) -> String {
    let month = context.month;
    let (read, kept) = (records_read(month), month.n_records("kept"));
    let balanced = read == month.provenance.records_read;
    let says = format!(
        "<b>{}</b> of {} records were kept. {} {}",
        units::percent(kept, read),
        units::count(read),
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
        "Records by what became of them",
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
            let _ = write!(inside, "<p class=note>And {} more with fewer records.</p>", unmapped.len() - LISTED_APPS);
        }
        inside.push_str("</figure></div>\n");
    }
    card(context, "quality", "wide", "Data quality", &says, &inside)
}

fn reason_words(reason: Reason) -> &'static str {
    match reason {
        Reason::Malformed => "not readable as a record",
        Reason::NoContract => "no customer in it",
        Reason::LongContract => "a customer of more than 100 characters",
        Reason::NoApp => "no app in it",
        Reason::BadDuration => "a duration that is not an integer",
        Reason::NegativeDuration => "a duration below what the rules allow",
        Reason::OverDay => "a duration above what the rules allow",
        Reason::UnmappedApp => "an app in no category, see below",
        Reason::Excluded => "a customer that the rules exclude",
    }
}

fn provenance(context: &Context<'_>) -> String {
    let month = context.month;
    let run = &month.provenance;
    let mut list = String::from("<dl class=facts>\n");
    let mut fact = |name: &str, text: &str| {
        let _ = writeln!(list, "<div><dt>{name}</dt><dd>{text}</dd></div>");
    };
    fact("Input", &format!("{} files, {}", units::count(run.input_files), units::bytes(run.input_bytes)));
    fact("Days", &format!("{} of {}", month.days.len(), month.month.n_days()));
    fact("Rules", &format!("{} <code>{}</code>", escape(&run.rules_name), escape(&run.rules_sha256)));
    fact("Engine", &escape(&run.engine));
    if let Some(date) = &run.etl_date {
        fact("Run on", &escape(date));
    }
    fact(
        "Customers shown",
        if context.mask.is_some() { "as pseudonyms, made with a secret key" } else { "by contract" },
    );
    list.push_str("</dl>\n");
    card(context, "origin", "wide", "Where this comes from", "", &list).replace("<p class=says></p>\n", "")
}

/// All months of the mart, one line each; those in `full` can be opened.
pub fn all_months(months: &[MonthModel], full: &[Month]) -> String {
    if months.len() < 2 {
        return String::new();
    }
    let mut table = Table::new(
        "months",
        "Months in the mart",
        &[
            Words("Month"),
            Numbers("Customers"),
            Numbers("Change"),
            Numbers("Hours"),
            Numbers("Change"),
            Numbers("Days with data"),
            Numbers("Records kept"),
        ],
    );
    for month in months.iter().rev() {
        let before = month.month.previous().and_then(|before| months.iter().find(|other| other.month == before));
        let change =
            |of: fn(&MonthModel) -> i64| before.and_then(|b| units::change(of(month), of(b))).unwrap_or_default();
        let name = units::month(month.month);
        let name = if full.contains(&month.month) { format!("<a href=#m{}>{name}</a>", month.month) } else { name };
        table
            .row(&name)
            .number(&units::count(month.summary.users))
            .number(&change(|m| m.summary.users))
            .number(&units::hours(month.summary.total_seconds))
            .number(&change(|m| m.summary.total_seconds))
            .number(&month.days.len().to_string())
            .number(&units::count(month.n_records("kept")));
    }
    format!(
        "<section class=\"card months\" aria-labelledby=months-h><h2 id=months-h>All months</h2>\n{}</section>\n",
        table.finish()
    )
}
