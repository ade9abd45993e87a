//! The tables as they are declared.

use super::*;
use crate::engine::ledger::Reason;
use crate::engine::rules::Category;

#[test]
fn tables_follow_the_categories_and_reasons() {
    let durations = Category::ALL.map(|category| format!("{}Duration", category.name()));
    for table in [CUSTOMER_BEHAVIOR, DAILY_ACTIVITY] {
        let names = table.columns.iter().map(|c| c.name).filter(|n| n.ends_with("Duration"));
        let names: Vec<&str> = names.collect();
        assert_eq!(names[..5], durations, "{}", table.name);
        assert_eq!(names[5..], ["TotalDuration"], "{}", table.name);
    }
    let reasons = ETL_RUN.columns.iter().filter_map(|c| c.name.strip_prefix("Rejected_"));
    let expected = Reason::ALL.into_iter().filter(|reason| *reason != Reason::DuplicateId);
    let expected = expected.chain([Reason::DuplicateId]).map(Reason::name);
    assert_eq!(reasons.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
}

#[test]
fn columns_of_a_newer_version_come_last() {
    for table in WAREHOUSE_TABLES {
        assert!(table.columns.is_sorted_by_key(|column| column.since), "{}", table.name);
    }
}

#[test]
fn the_view_of_the_original_has_its_names() {
    let names: Vec<&str> = CUSTOMER_BEHAVIOR_SEED.columns.iter().map(|(_, name)| *name).collect();
    let expected = "Contract MovieDuration SportDuration ChilDuration RelaxDuration TvDuration TotalDuration \
                    MostWatch Tase Activeness Date";
    assert_eq!(names.join(" "), expected);
}
