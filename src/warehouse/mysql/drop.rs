//! Removing a month: as it is published, with empty tables in place of the staged rows.
//!
//! A transaction on a second connection removes everything else, all but its `COMMIT`; `EXCHANGE PARTITION` takes the
//! customers and their devices out, and the `COMMIT` follows at once. If the server refuses it, they are exchanged back.
//! A crash between the two leaves a month without customers, whose run still stands: the next drop or run ends that, and
//! until then no mart is made of it.

use super::fault::StepFailure;
use super::partition::{self, PARTITIONED};
use super::publish::exchange_and_commit;
use super::session::Session;
use super::staging::{Staging, and_tidied, drop_leftovers};
use crate::engine::calendar::Month;
use crate::warehouse::MartSchema;
use crate::warehouse::run::mark_dropped;
use crate::warehouse::schema::{self, MART_RUN};

const DOING: &str = "removing the month";

/// See [`crate::warehouse::Warehouse::drop_month`]. The caller holds the lock.
pub(super) fn drop_month(session: &mut Session<'_>, month: Month, mart: &MartSchema) -> Result<(), StepFailure> {
    drop_leftovers(session)?;
    let mut recorder = session.another()?;
    recorder.patiently(|recorder| recorder.open_transaction(DOING, |recorder| remove_rows(recorder, month, mart)))?;
    let mut stagings = Vec::new();
    for table in PARTITIONED {
        if partition::exists(session, DOING, table, month)? {
            stagings.push(Staging::new(session, table, month)?);
        }
    }
    let stagings: Vec<&Staging> = stagings.iter().collect();
    let removed = exchange_for_none(session, &mut recorder, &stagings);
    let dropped = removed.and_then(|()| {
        stagings.iter().try_for_each(|staging| {
            let sql = format!("ALTER TABLE {} DROP PARTITION {}", staging.home, partition::name(Some(month)));
            session.run_patiently(DOING, &sql)
        })
    });
    let tidy: Vec<_> = stagings.iter().map(|staging| staging.drop(session)).collect();
    tidy.into_iter().fold(dropped, and_tidied)
}

/// Takes the rows of the month out, then commits what `recorder` has open.
fn exchange_for_none(
    session: &mut Session<'_>,
    recorder: &mut Session<'_>,
    stagings: &[&Staging],
) -> Result<(), StepFailure> {
    let created = stagings.iter().try_for_each(|staging| staging.create(session));
    recorder.rolled_back(created)?;
    exchange_and_commit(session, recorder, stagings, [DOING, DOING]).into_result()
}

/// Removes the month from the mart and the days, and marks its runs, in the transaction that is open.
fn remove_rows(recorder: &mut Session<'_>, month: Month, mart: &MartSchema) -> Result<(), StepFailure> {
    let of_mart = mart.tables.iter().copied().chain([&MART_RUN]).map(schema::Table::delete_month);
    of_mart
        .chain([schema::DAILY_ACTIVITY.delete_month(), mark_dropped()])
        .try_for_each(|sql| recorder.run(DOING, &recorder.fill_month(&sql, month)))
}
