//! Sentences at the edges of what they say.

use super::*;
use crate::dashboard::model::{
    ActiveDays, AppAudience, AudienceSize, DayAudience, MonthModel, MovementKind, TasteUsers, TopCustomer,
};
use crate::engine::calendar::Day;
use crate::engine::rules::RulesStamp;

fn month() -> MonthModel {
    MonthModel::empty("2022-04".parse().unwrap())
}

/// A month among no others but the one before it.
fn context<'a>(month: &'a MonthModel, before: Option<&'a MonthModel>) -> Context<'a> {
    const NO_SPARKS: &Sparks = &Sparks::none();
    Context { month, before, known: &[], sparks: NO_SPARKS, mask: None }
}

/// Without markup and with plain blanks.
fn plain(html: &str) -> String {
    let mut text = String::new();
    let mut is_tag = false;
    for character in html.chars() {
        match character {
            '<' => is_tag = true,
            '>' => is_tag = false,
            '\u{a0}' => text.push(' '),
            other if !is_tag => text.push(other),
            _ => {}
        }
    }
    text.trim().to_owned()
}

#[test]
fn categories_follow_only_where_they_do() {
    let check = |users: [i64; 2], expected: &str, note: &str| {
        let mut month = month();
        (month.summary.users, month.summary.total_seconds) = (10, 100);
        (month.categories[Category::Tv as usize].users, month.categories[Category::Tv as usize].seconds) =
            (users[0], 75);
        month.categories[Category::Movie as usize].users = users[1];
        assert_eq!(plain(&audience::categories_says(&month, Category::Tv, Category::Movie)), expected);
        assert_eq!(plain(&audience::overlap_note(&month)), note);
    };
    check([0, 0], "Nobody watched any category for more than 0 seconds.", "");
    check(
        [8, 0],
        "TV reaches 80.0 % of the customers and takes 75.0 % of the hours; nobody watched anything else.",
        "",
    );
    let tv = "TV reaches 50.0 % of the customers and takes 75.0 % of the hours";
    check([5, 5], &format!("{tv}; Movie reaches as many."), "");
    check([5, 4], &format!("{tv}; Movie follows with 40.0 % of the customers."), "");
    check(
        [8, 3],
        "TV reaches 80.0 % of the customers and takes 75.0 % of the hours; Movie follows with 30.0 % of the customers.",
        "Who watches several categories counts in each: 10 customers make 11 in the table.",
    );
}

#[test]
fn an_account_that_moves_the_average_is_told() {
    let check = |users: i64, hours: i64, heaviest: i64, expected: &str| {
        let mut month = month();
        (month.summary.users, month.summary.total_seconds) = (users, hours * 3600);
        let (contract, taste) = ("<0>".to_owned(), "Tv".to_owned());
        let total_seconds = heaviest * 3600;
        month.top_customers.push(TopCustomer { place: 1, contract, total_seconds, taste, active_days: 30 });
        let context = context(&month, None);
        assert_eq!(plain(&audience::heaviest_note(&context)), expected);
    };
    // 720 hours are what one device can play in April, 1 % of all is what is worth a word.
    check(101, 10_721, 720, "");
    check(
        101,
        10_721,
        721,
        "Account &lt;0&gt; alone has 721.0 hours, more than one device can play in the month. Without it 100 customers \
         watched 100.0 hours on average, not 106.1. To leave it out, exclude it in the rules.",
    );
    check(101, 72_100, 721, "");
    check(1, 721, 721, "");
    assert_eq!(audience::heaviest_note(&context(&month(), None)), "");
}

#[test]
fn a_month_of_other_rules_is_told() {
    let check = |hashes: [&str; 2], facts: &str, change: &str| {
        let [before, now] = [("2022-03", hashes[0]), ("2022-04", hashes[1])].map(|(name, hash)| {
            let mut month = MonthModel::empty(name.parse().unwrap());
            month.summary.users = 10;
            month.provenance.rules = RulesStamp { name: "R".into(), sha256: hash.into(), text: String::new() };
            month
        });
        let context = context(&now, Some(&before));
        assert_eq!(
            plain(&head_facts(&context)),
            format!("0 of 30 days with data, 0 records kept of 0, rules R; {facts}")
        );
        assert!(plain(&tiles::tiles(&context)).contains(&format!("vs March 2022{change}\n")), "{change}");
    };
    check(["1234567890", "1234567890"], "changes are against March 2022 with 0 of 31 days", "");
    check(
        ["1234567890", "2234567890"],
        "changes are against March 2022 with 0 of 31 days. March 2022 was made with other rules (R, hash 12345678): a \
         change may come from them.",
        ", other rules",
    );
}

#[test]
fn apps_make_a_category() {
    let check = |apps: &[(Category, &str, i64)], expected: &str| {
        let mut month = month();
        for (category, app, seconds) in apps {
            month.categories[*category as usize].seconds += seconds;
            month.apps.push(AppAudience { category: *category, app: (*app).into(), records: 1, seconds: *seconds });
        }
        assert_eq!(plain(&audience::apps_says(&month)), expected);
    };
    check(&[], "");
    check(
        &[(Category::Movie, "VOD", 0), (Category::Movie, "BHD", 0)],
        "Movie is made by 2 apps, none of which was watched.",
    );
    check(&[(Category::Tv, "KPLUS", 5)], "Each category that was watched is made by one app.");
    check(
        &[(Category::Movie, "VOD", 30), (Category::Movie, "BHD", 10), (Category::Tv, "KPLUS", 90)],
        "Movie is made by 2 apps; VOD has 75.0 % of its hours.",
    );
}

#[test]
fn watch_time_is_said_of_whoever_there_is() {
    let check = |users: i64, total: i64, tenth: (i64, i64), expected: &str| {
        let mut month = month();
        (month.summary.users, month.summary.total_seconds) = (users, total);
        month.watch_time.median_seconds = 3600;
        (month.watch_time.top_tenth_users, month.watch_time.top_tenth_seconds) = tenth;
        assert_eq!(plain(&customers::watch_time_says(&month)), expected);
    };
    check(3, 0, (1, 0), "There is no watch time in this month.");
    check(1, 7200, (1, 7200), "The one customer watched 2 h.");
    let half = "Half of the customers watched at most 1 h;";
    check(10, 7200, (1, 3600), &format!("{half} the heaviest customer takes 50.0 % of all hours."));
    check(11, 7200, (2, 3600), &format!("{half} the heaviest tenth, 2 customers, takes 50.0 % of all hours."));
}

#[test]
fn the_heaviest_customer_may_have_company() {
    let check = |seconds: &[i64], expected: &str| {
        let mut month = month();
        month.summary.total_seconds = seconds.iter().sum();
        for (seconds, place) in seconds.iter().zip(1..) {
            let (contract, taste) = (place.to_string(), "Tv".to_owned());
            month.top_customers.push(TopCustomer { place, contract, total_seconds: *seconds, taste, active_days: 1 });
        }
        assert_eq!(plain(&customers::heaviest_says(&month)), expected);
    };
    check(&[], "Nobody watched anything.");
    check(&[0, 0], "Nobody watched anything.");
    check(&[7200, 3600], "The heaviest customer watched 2 h, 66.7 % of all hours.");
    check(&[3600, 3600], "The 2 heaviest customers watched 1 h each, 50.0 % of all hours.");
}

#[test]
fn tastes_are_most_common_together() {
    let check = |users: &[i64], expected: &str| {
        let mut month = month();
        month.summary.users = 10;
        for (users, taste) in users.iter().zip(["Tv", "Movie_Tv", "Child", "No"]) {
            month.tastes.push(TasteUsers { taste: taste.to_owned(), users: *users });
        }
        assert_eq!(plain(&taste::most_common(&month)), expected);
    };
    check(&[], "");
    check(&[6, 4], "TV is the most common taste, with 60.0 % of the customers;");
    check(&[4, 4, 2], "TV and Movie + TV are the most common tastes, with 40.0 % of the customers each;");
    check(&[3, 3, 3, 1], "TV, Movie + TV and Child are the most common tastes, with 30.0 % of the customers each;");
    check(&[2, 2, 2, 2], "4 tastes are equally common, with 20.0 % of the customers each;");
}

#[test]
fn the_month_before_may_have_been_empty() {
    let check = |kinds: [(&str, i64); 4], expected: &str| {
        let mut month = month();
        for (kind, users) in kinds {
            month.movement.kinds.push(MovementKind { kind: kind.into(), users, seconds: 0, seconds_before: 0 });
        }
        assert_eq!(plain(&movement::says(&context(&month, None))), expected);
    };
    check(
        [("new", 3), ("retained", 6), ("returned", 1), ("lapsed", 2)],
        "Of the 8 customers of March 2022, 75.0 % stayed and 25.0 % left. 3 are new, 1 came back after a pause.",
    );
    check([("new", 3), ("retained", 0), ("returned", 0), ("lapsed", 0)], "March 2022 had no customers. 3 are new.");
    let kinds = |new, retained, lapsed| [("new", new), ("retained", retained), ("returned", 0), ("lapsed", lapsed)];
    check(kinds(1, 1, 0), "The one customer of March 2022 stayed. 1 is new.");
    check(kinds(0, 0, 1), "The one customer of March 2022 left. Nobody is new.");
    check(kinds(0, 2, 0), "Of the 2 customers of March 2022, 100.0 % stayed and 0.0 % left. Nobody is new.");
    let (mut now, mut before) = (month(), MonthModel::empty("2022-03".parse().unwrap()));
    before.provenance.rules.sha256 = "other".into();
    now.movement.kinds.push(MovementKind { kind: "new".into(), users: 2, seconds: 0, seconds_before: 0 });
    assert_eq!(
        plain(&movement::says(&context(&now, Some(&before)))),
        "March 2022 had no customers. 2 are new. March 2022 was made with other rules: some of this may come from them."
    );
}

fn audience(name: &str, users: i64, seconds: i64) -> AudienceSize {
    let (description, expression) = (String::new(), "per_day > 24h".to_owned());
    AudienceSize { place: 1, name: name.into(), description, expression, users, seconds, others_median_seconds: 0 }
}

#[test]
fn audiences_may_be_empty_or_equally_large() {
    let check = |users: &[i64], expected: &str| {
        let mut month = month();
        month.summary.users = 10;
        let sizes = users.iter().zip(["a", "<b>", "c", "d"]);
        month.audiences = sizes.map(|(users, name)| audience(name, *users, 0)).collect();
        assert_eq!(plain(&named::audiences_say(&month)), expected);
    };
    check(&[0, 0], "Nobody is in any of the audiences.");
    check(&[1, 2], "The largest audience is &lt;b&gt; with 20.0 % of all customers.");
    check(&[2, 2, 1], "a and &lt;b&gt; are the largest audiences, with 20.0 % of all customers each.");
    check(&[2, 2, 2], "a, &lt;b&gt; and c are the largest audiences, with 20.0 % of all customers each.");
    check(&[2, 2, 2, 2], "4 audiences are equally large, with 20.0 % of all customers each.");
}

#[test]
fn an_audience_changes_against_the_same_question() {
    let check = |expression: &str, hash: &str, title: &str, change: &str| {
        let [mut before, mut now] = ["2022-03", "2022-04"].map(|name| MonthModel::empty(name.parse().unwrap()));
        (before.audiences, now.audiences) = (vec![audience("a", 10, 0)], vec![audience("a", 12, 0)]);
        now.audiences[0].expression = expression.into();
        now.provenance.rules.sha256 = hash.into();
        let html = named::audiences(&context(&now, Some(&before)));
        assert!(html.contains(&format!("<th scope=col>{title}<th")), "{html}");
        assert!(html.contains(&format!("<td>{change}<td class=w>")), "{html}");
    };
    check("per_day > 24h", "", "Change of customers", "+20.0\u{a0}%");
    check("per_day > 24h", "other", "Change of customers (other rules)", "+20.0\u{a0}%");
    check("tv", "", "Change of customers", "\u{2013}");
}

#[test]
fn shared_accounts_may_be_one_or_all() {
    let check = |users: i64, shared: i64, expected: &str| {
        let mut month = month();
        (month.summary.users, month.summary.total_seconds) = (users, 100 * 3600);
        let says = plain(&named::shared_says(&month, &audience("shared", shared, 80 * 3600)));
        assert_eq!(
            says,
            format!(
                "{expected} more than one device can: 80.0 % of all hours. {}",
                match users - shared {
                    0 => "There is no other customer.".to_owned(),
                    others => format!(
                        "Without {} a customer watched {}.0 h rather than 10.0 h on average.",
                        if shared == 1 { "it" } else { "them" },
                        20 / others
                    ),
                }
            )
        );
    };
    check(10, 6, "6 accounts play more than 24 hours on an active day,");
    check(10, 9, "9 accounts play more than 24 hours on an active day,");
    check(10, 10, "10 accounts play more than 24 hours on an active day,");
    check(1, 1, "1 account plays more than 24 hours on an active day,");
}

#[test]
fn few_records_are_said_as_what_they_are() {
    let check = |kept: i64, read: i64, expected: &str| assert_eq!(plain(&source::kept_says(kept, read)), expected);
    check(0, 0, "No record was read.");
    check(1, 1, "The one record was kept.");
    check(0, 1, "The one record was not kept.");
    check(1, 3, "33.3 % of 3 records were kept.");
}

#[test]
fn days_are_said_with_what_is_missing() {
    let check = |users: &[i64], parts: &[&str], absent: &[&str]| {
        let mut month = month();
        for (users, number) in users.iter().zip(1..) {
            let day = Day::new(number).unwrap();
            month.days.push(DayAudience { day, active_users: *users, records: 1, seconds: [0; 5], total_seconds: 0 });
        }
        let section = plain(&audience::days(&context(&month, None)));
        for part in parts {
            assert!(section.contains(part), "{part}: {section}");
        }
        for part in absent {
            assert!(!section.contains(part), "{part}: {section}");
        }
    };
    check(&[1; 30], &["1 customer watches on an average day."], &[]);
    check(&[5; 30], &["5 customers watch on an average day."], &["Busiest", "no data", "orange"]);
    check(&[5], &["5 customers watch on an average day with data.", "29 days have no data"], &["Busiest"]);
    check(&[4, 6], &["Busiest: Sat 2 Apr with 6. Quietest: Fri 1 Apr with 4."], &[]);
}

#[test]
fn sums_of_months_of_unlike_length_are_compared_by_day() {
    let with_days = |name: &str, n_days: u8, seconds: i64| {
        let mut month = MonthModel::empty(name.parse().unwrap());
        (month.summary.users, month.summary.total_seconds) = (1, seconds);
        month.days = (1..=n_days)
            .map(|day| DayAudience {
                day: Day::new(day).unwrap(),
                active_users: 1,
                records: 1,
                seconds: [0; 5],
                total_seconds: 0,
            })
            .collect();
        month
    };
    let check = |n_days: [u8; 2], expected: &str| {
        let [before, now] = [with_days("2022-03", n_days[0], 100 * 3600), with_days("2022-04", n_days[1], 120 * 3600)];
        let tiles = plain(&tiles::tiles(&context(&now, Some(&before))));
        assert!(tiles.contains(expected), "{tiles}");
    };
    // Each customer was there on every day.
    let check_days = |n_days: [u8; 2], expected: &str| {
        let [before, now] = [("2022-03", n_days[0]), ("2022-04", n_days[1])].map(|(name, n_days)| {
            let mut month = with_days(name, n_days, 3600);
            month.activeness = vec![ActiveDays { days: n_days.into(), users: 1 }];
            month
        });
        let tiles = plain(&tiles::tiles(&context(&now, Some(&before))));
        let tile = &tiles[tiles.find("Active days").unwrap()..];
        assert!(tile.lines().next().unwrap().contains(expected), "{tile}");
    };
    check_days([20, 20], "±0.0 % vs March 2022");
    check_days([20, 30], "±0.0 % per day vs March 2022");
    check([20, 20], "+20.0 % vs March 2022");
    check([20, 24], "±0.0 % per day vs March 2022");
    check([20, 30], "−20.0 % per day vs March 2022");
}

#[test]
fn a_month_that_is_not_compared_says_why() {
    let may: Month = "2022-05".parse().unwrap();
    let check = |known: &[&str], kinds: &[(&str, i64)], is_current: bool, expected: &str| {
        let mut month = MonthModel::empty(may);
        month.summary.users = 5;
        month.movement.is_current = is_current;
        let kind = |(kind, users): &(&str, i64)| MovementKind {
            kind: (*kind).to_owned(),
            users: *users,
            seconds: 0,
            seconds_before: 0,
        };
        month.movement.kinds = kinds.iter().map(kind).collect();
        let known: Vec<Month> = known.iter().map(|month| month.parse().unwrap()).collect();
        let context = Context { known: &known, ..context(&month, None) };
        let section = movement::movement(&context);
        assert!(plain(&section).contains(expected) && section.is_empty() == expected.is_empty(), "{section}");
        assert_eq!(section_links(&context).contains("Month before"), !expected.is_empty());
    };
    let moved = [("retained", 3), ("new", 2)];
    check(&["2022-05"], &[], true, "");
    check(&["2022-05", "2022-06"], &[], true, "");
    check(&["2022-03", "2022-05"], &[], true, "April 2022 is not in the warehouse: nothing to compare with.");
    check(
        &["2022-04", "2022-05"],
        &[],
        false,
        "May 2022 was not compared with April 2022 yet: viewmart mart --month 2022-05",
    );
    check(&["2022-04", "2022-05"], &moved, true, "Of the 3 customers of April 2022, 100.0 % stayed");
    check(
        &["2022-04", "2022-05"],
        &moved,
        false,
        "Months were made again since May 2022 was compared with April 2022:",
    );
}

#[test]
fn both_months_are_compared_by_category() {
    let with = |name: &str, hours: i64| {
        let mut month = MonthModel::empty(name.parse().unwrap());
        month.summary.seconds[Category::Movie as usize] = hours * 3600;
        month.movement.is_current = true;
        month.movement.kinds.push(MovementKind { kind: "new".to_owned(), users: 1, seconds: 0, seconds_before: 0 });
        month
    };
    let (before, now) = (with("2022-03", 200), with("2022-04", 230));
    let known = [before.month, now.month];
    let section = movement::movement(&Context { known: &known, ..context(&now, Some(&before)) });
    assert!(section.contains("<th scope=row>Movie<td>230.0<td>200.0<td>+15.0"), "{section}");
    assert!(section.contains("<th scope=row>Sport<td>0.0<td>0.0<td></table>"), "{section}");
    let alone = movement::movement(&Context { known: &known, ..context(&now, None) });
    assert!(!alone.contains("data-table=moved-categories"), "{alone}");
}
