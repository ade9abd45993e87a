//! What goes together: tastes and the overlap of categories.

use crate::dashboard::model::{MonthModel, TasteUsers};
use crate::engine::rules::Category;

use super::super::table::Column::{Numbers, Words};
use super::super::table::{Table, details};
use super::super::text::escape;
use super::super::units;
use super::{Context, DISPLAY_ORDER, card, category_name, share, taste_words};

/// Rows of the taste table that are always open.
const OPEN_TASTES: usize = 12;

/// Combinations of categories.
pub fn tastes(context: &Context<'_>) -> String {
    let month = context.month;
    let users = month.summary.users;
    let several: i64 = month.tastes.iter().filter(|taste| taste.taste.contains('_')).map(|taste| taste.users).sum();
    let says = format!("{}{} combine several categories.", most_common(month), units::percent(several, users));
    let most = month.tastes.first().map_or(0, |taste| taste.users);
    let table_of = |name: &str, tastes: &[TasteUsers]| {
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
                .bar(share(taste.users, most));
        }
        table.finish()
    };
    let (open, folded) = month.tastes.split_at(month.tastes.len().min(OPEN_TASTES));
    let mut inside = format!(
        "<p class=note>A customer's taste is the set of categories with watch time in the month.</p>\n<div class=upset>{}",
        table_of("taste", open)
    );
    if !folded.is_empty() {
        inside.push_str(&details(&format!("{} rarer combinations", folded.len()), &table_of("taste-more", folded)));
    }
    inside.push_str("</div>\n");
    card(context, "taste", "most", "Taste", &says, &inside)
}

/// The taste of the most customers, in words; several where they have as many.
pub(super) fn most_common(month: &MonthModel) -> String {
    let Some(first) = month.tastes.first() else { return String::new() };
    let alike: Vec<String> = month
        .tastes
        .iter()
        .take_while(|taste| taste.users == first.users)
        .map(|taste| format!("<b>{}</b>", escape(&taste_words(&taste.taste))))
        .collect();
    let share = units::percent(first.users, month.summary.users);
    match alike.as_slice() {
        [one] => format!("{one} is the most common taste, with {share} of the customers; "),
        [some @ .., last] if alike.len() <= 3 => {
            format!("{} and {last} are the most common tastes, with {share} of the customers each; ", some.join(", "))
        }
        many => format!("{} tastes are equally common, with {share} of the customers each; ", many.len()),
    }
}

/// Customers who watch two categories.
pub fn overlap(context: &Context<'_>) -> String {
    let month = context.month;
    // Nearly everybody watches TV; the other pairs say more.
    let mut closest: Option<(i64, i64, Category, Category)> = None;
    let others = DISPLAY_ORDER.into_iter().filter(|category| *category != Category::Tv);
    for (category, other) in others.clone().flat_map(|a| others.clone().map(move |b| (a, b))).filter(|(a, b)| a != b) {
        let all = month.overlap[category as usize][category as usize];
        let both = month.overlap[category as usize][other as usize];
        let is_closer = |(part, whole, ..): (i64, i64, Category, Category)| {
            i128::from(both) * i128::from(whole) > i128::from(part) * i128::from(all)
        };
        if both > 0 && closest.is_none_or(is_closer) {
            closest = Some((both, all, category, other));
        }
    }
    let says = match closest {
        Some((both, all, category, other)) => format!(
            "Of the customers of <b>{}</b>, {} also watch <b>{}</b>: the closest pair beside TV.",
            category_name(category),
            units::percent(both, all),
            category_name(other)
        ),
        None => "Nobody watches two categories beside TV.".to_owned(),
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
