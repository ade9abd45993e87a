//! The partitions of `customer_behavior` and `customer_devices`: one for each month, and one that no month is in.
//!
//! An exchange takes all that a partition holds, and nobody checks the rows that come: a partition must hold its month
//! and nothing else. What somebody changed about that is found before any work.

use super::fault::StepFailure;
use super::names::literal;
use super::session::Session;
use crate::engine::calendar::Month;
use crate::warehouse::Fault;
use crate::warehouse::schema::{CUSTOMER_BEHAVIOR, CUSTOMER_DEVICES, Table};

/// The tables that have them, in the order in which a month of them is exchanged.
pub(super) const PARTITIONED: [&Table; 2] = [&CUSTOMER_DEVICES, &CUSTOMER_BEHAVIOR];

/// The partition that no month is in. A list needs one value, and no month is NULL.
const NO_MONTH: &str = "p_none";

/// What a partition holds: a month, or no month at all.
pub(super) type Held = Option<Month>;

/// `p202204`.
pub(super) fn name(held: Held) -> String {
    held.map_or_else(
        || NO_MONTH.to_owned(),
        |month| format!("p{:04}{:02}", month.first_day().year(), month.first_day().month()),
    )
}

/// A partition as ALTER TABLE takes it.
pub(super) fn definition(held: Held) -> String {
    let value = held.map_or_else(|| "NULL".to_owned(), |month| format!("'{}'", month.first_day()));
    format!("PARTITION {} VALUES IN ({value})", name(held))
}

/// How the rows of these months are parted.
pub(super) fn clause(months: &[Month]) -> String {
    let definitions: Vec<String> = [None].into_iter().chain(months.iter().copied().map(Some)).map(definition).collect();
    format!(" PARTITION BY LIST COLUMNS (Month) ({})", definitions.join(", "))
}

/// Gives the month a partition, if it has none: readers see no difference.
pub(super) fn add(session: &mut Session<'_>, table: &Table, month: Month) -> Result<(), StepFailure> {
    let doing = "adding a partition for the month";
    if exists(session, doing, table, month)? {
        return Ok(());
    }
    let sql = format!("ALTER TABLE {} ADD PARTITION ({})", session.qualified(table), definition(Some(month)));
    session.run_patiently(doing, &sql)
}

/// Whether a table has a partition for the month.
pub(super) fn exists(
    session: &mut Session<'_>,
    doing: &'static str,
    table: &Table,
    month: Month,
) -> Result<bool, StepFailure> {
    let found = read(session, doing, table)?;
    Ok(found.iter().any(|partition| partition.name.as_ref() == Some(&name(Some(month)))))
}

/// Refuses a table whose partitions are other than a month each: it belongs to somebody else, or somebody changed it.
pub(super) fn refuse_others(session: &mut Session<'_>, doing: &'static str, table: &Table) -> Result<(), StepFailure> {
    let found = read(session, doing, table)?;
    let has_none = found.iter().any(|partition| partition.name.as_deref() == Some(NO_MONTH));
    if has_none && found.iter().all(Partition::is_as_made) {
        return Ok(());
    }
    let table = session.qualified(table);
    let days: Vec<String> =
        session.query(doing, &format!("SELECT DISTINCT CAST(Month AS CHAR) FROM {table} ORDER BY 1"))?;
    // Where a row is of no month's first day the table was never ours.
    let months: Option<Vec<Month>> = days.iter().map(|day| first_day_of(day)).collect();
    let repair = months.map(|months| format!("ALTER TABLE {table}{}", clause(&months)));
    Err(session.refused(doing, Fault::Unpartitioned { table, repair }))
}

/// A partition as the server describes it.
#[derive(Clone, Debug, Default)]
struct Partition {
    /// None of a table without partitions.
    name: Option<String>,
    method: Option<String>,
    /// Its values as SQL.
    values: Option<String>,
    /// A part of it.
    part: Option<String>,
}

impl Partition {
    fn is_as_made(&self) -> bool {
        let value = self.values.as_deref().unwrap_or("NULL");
        let held = match value {
            "NULL" => Some(None),
            _ => value.strip_prefix('\'').and_then(|day| day.strip_suffix('\'')).and_then(first_day_of).map(Some),
        };
        self.part.is_none()
            && self.method.as_deref() == Some("LIST COLUMNS")
            && held.is_some_and(|held| self.name.as_ref() == Some(&name(held)))
    }
}

fn read(session: &mut Session<'_>, doing: &'static str, table: &Table) -> Result<Vec<Partition>, StepFailure> {
    let sql = format!(
        "SELECT PARTITION_NAME, PARTITION_METHOD, PARTITION_DESCRIPTION, SUBPARTITION_NAME \
         FROM information_schema.PARTITIONS WHERE TABLE_SCHEMA = {} AND TABLE_NAME = '{}'",
        literal(&session.connector.database),
        table.name,
    );
    let rows = session.query(doing, &sql)?;
    Ok(rows.into_iter().map(|(name, method, values, part)| Partition { name, method, values, part }).collect())
}

/// The month whose first day is written so.
fn first_day_of(day: &str) -> Option<Month> {
    let month: Month = day.get(..7)?.parse().ok()?;
    (month.first_day().to_string() == day).then_some(month)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_holds_its_month_and_nothing_else() {
        let april: Month = "2022-04".parse().unwrap();
        assert_eq!(definition(Some(april)), "PARTITION p202204 VALUES IN ('2022-04-01')");
        assert_eq!(definition(None), "PARTITION p_none VALUES IN (NULL)");
        assert_eq!(
            clause(&[april]),
            " PARTITION BY LIST COLUMNS (Month) (PARTITION p_none VALUES IN (NULL), PARTITION p202204 VALUES IN ('2022-04-01'))"
        );
        let check = |name: Option<&str>, method: &str, values: &str, part: Option<&str>, expected: bool| {
            let partition = Partition {
                name: name.map(str::to_owned),
                method: Some(method.to_owned()),
                values: Some(values.to_owned()),
                part: part.map(str::to_owned),
            };
            assert_eq!(partition.is_as_made(), expected, "{partition:?}");
        };
        check(Some("p202204"), "LIST COLUMNS", "'2022-04-01'", None, true);
        check(Some("p_none"), "LIST COLUMNS", "NULL", None, true);
        check(Some("p_none"), "LIST COLUMNS", "'2022-04-01'", None, false);
        check(Some("p202204"), "LIST COLUMNS", "'2022-05-01'", None, false);
        check(Some("p202204"), "LIST COLUMNS", "'2022-04-02'", None, false);
        check(Some("p202204"), "LIST COLUMNS", "'2022-04-01','2022-05-01'", None, false);
        check(Some("april"), "LIST COLUMNS", "'2022-04-01'", None, false);
        check(Some("p202204"), "RANGE COLUMNS", "'2022-04-01'", None, false);
        check(Some("p202204"), "LIST COLUMNS", "'2022-04-01'", Some("p202204sp0"), false);
        check(None, "LIST COLUMNS", "NULL", None, false);
        assert!(!Partition::default().is_as_made());
    }
}
