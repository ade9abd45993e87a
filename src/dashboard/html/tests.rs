use super::*;
use crate::dashboard::model::{ActiveDays, MonthModel, TasteUsers, TopCustomer};

fn model(contract: &str) -> DashboardModel {
    let months = ["2022-03", "2022-04"].map(|name| {
        let mut month = MonthModel::empty(name.parse().unwrap());
        month.summary.users = 2;
        month.activeness.push(ActiveDays { days: 3, users: 2 });
        month.tastes.push(TasteUsers { taste: contract.to_owned(), users: 2 });
        month.top_customers.push(TopCustomer {
            place: 1,
            contract: contract.to_owned(),
            total_seconds: 7200,
            taste: "Tv".to_owned(),
            active_days: 3,
        });
        month
    });
    DashboardModel { months: months.to_vec(), ..DashboardModel::default() }
}

/// The page without its scripts and style.
fn body(page: &str) -> &str {
    let start = page.find("<body>").unwrap();
    &page[start..page.find("<script>").unwrap()]
}

#[test]
fn the_same_model_gives_the_same_page() {
    let options = RenderOptions::default();
    assert_eq!(render(&model("A"), &options), render(&model("A"), &options));
    assert_ne!(render(&model("A"), &options), render(&model("B"), &options));
}

#[test]
fn what_others_wrote_stays_text() {
    let page = render(&model("</script><img src=x>\u{202e}"), &RenderOptions::default());
    assert!(body(&page).contains("&lt;/script&gt;&lt;img src=x&gt;\u{27e8}U+202E\u{27e9}"));
    assert!(!body(&page).contains("<img"));
    assert!(!page.contains('\u{202e}'));
}

#[test]
fn the_policy_names_every_block() {
    let page = render(&model("A"), &RenderOptions::default());
    let blocks: Vec<&str> = page
        .split("<script>")
        .skip(1)
        .map(|rest| rest.split("</script>").next().unwrap())
        .chain(page.split("<style>").skip(1).map(|rest| rest.split("</style>").next().unwrap()))
        .collect();
    assert_eq!(blocks, [CHART_LIBRARY, CHARTS, STYLE]);
    for block in blocks {
        assert!(page.contains(&source_hash(block)));
    }
    // The value that browsers and RFC 4648 agree on for `abc`.
    assert_eq!(source_hash("abc"), "'sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0='");
}

#[test]
fn the_month_asked_for_comes_first() {
    let shown = |first_shown: Option<&str>| {
        let options =
            RenderOptions { first_shown: first_shown.map(|m| m.parse().unwrap()), ..RenderOptions::default() };
        let page = render(&model("A"), &options);
        let at = page.find("class=\"month shown\" id=").unwrap();
        page[at + 23..at + 31].to_owned()
    };
    assert_eq!(shown(None), "m2022-04");
    assert_eq!(shown(Some("2022-03")), "m2022-03");
    assert_eq!(shown(Some("2020-01")), "m2022-04");
}

#[test]
fn masked_pages_hold_no_contract() {
    let mask = Masker::new(b"0123456789abcdef").unwrap();
    let pseudonym = mask.mask("HND000001");
    let mut model = model("HND000001");
    for month in &mut model.months {
        month.tastes.clear();
    }
    let page = render(&model, &RenderOptions { mask: Some(mask), ..RenderOptions::default() });
    assert!(!page.contains("HND000001"));
    assert!(page.contains(&pseudonym));
}

#[test]
fn a_page_stays_small_whatever_the_number_of_months() {
    let mut model = model("A");
    let month = model.months[0].clone();
    model.months = (1..=12)
        .map(|number| {
            let mut month = month.clone();
            month.month = Month::new(2022, number).unwrap();
            month.top_customers = vec![month.top_customers[0].clone(); 1_000];
            month
        })
        .collect();
    let page = render(&model, &RenderOptions::default());
    assert!(page.len() <= MAX_PAGE_BYTES, "{}", page.len());
    let n_full = page.matches("<article ").count();
    assert!((1..12).contains(&n_full), "{n_full}");
    assert!(page.contains("December 2022") && page.contains("January 2022"));
}
