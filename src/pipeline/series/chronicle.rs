//! What is written of many months together: their report, the metrics, the events of the month that is being made. All of
//! it is written once, by the end of the command or by the last word of one that is told to end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::going_on;
use crate::artifacts;
use crate::cli::Failure;
use crate::cli::plan::RunPlan;
use crate::error::Error;
use crate::fs::atomic::{self, OutFolder, StagedFile};
use crate::interrupt;
use crate::outcome::{Fate, INTERRUPTED, Places, Series, Turn};
use crate::pipeline::{steps, told};
use crate::reprocess::Step;
use crate::signals::lineage::{Ending, Lineage};

/// Many months as they stand now. The last word shares it: whoever holds it sets no last word meanwhile.
#[derive(Clone)]
pub(super) struct Chronicle(Arc<Mutex<State>>);

struct State {
    begun: Instant,
    series: Series,
    /// The place of the month that is being made, and its events where they are told.
    present: Option<(usize, Option<Lineage>)>,
    /// Held from the first month to the last.
    out: Option<OutFolder>,
    report: Option<StagedFile>,
    metrics: Option<StagedFile>,
    is_written: bool,
}

impl Chronicle {
    pub fn begin() -> Chronicle {
        Chronicle(Arc::new(Mutex::new(State {
            begun: Instant::now(),
            series: Series::default(),
            present: None,
            out: None,
            report: None,
            metrics: None,
            is_written: false,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins the files of all months together, so that one that cannot be written is known before anything is made.
    pub fn begin_files(&self, plan: &RunPlan) -> Result<OutFolder, Error> {
        let mut state = self.state();
        state.metrics = told::begin(&plan.signals)?;
        state.report = plan.report.as_deref().map(StagedFile::create).transpose()?;
        let out = OutFolder::open(&plan.out)?;
        let inputs = steps::inputs(None, Some(&plan.engine), Some(&plan.warehouse));
        artifacts::refuse_clashes(state.report.iter().chain(&state.metrics), Some(&out), inputs)?;
        state.out = Some(out.clone());
        Ok(out)
    }

    /// What is to be done.
    pub fn plan(&self, steps: impl Iterator<Item = Step>) {
        self.state().series.turns.extend(steps.map(Turn::planned));
    }

    /// What `look` sees of the months.
    pub fn see<T>(&self, look: impl FnOnce(&[Turn]) -> T) -> T {
        look(&self.state().series.turns)
    }

    /// How long all of it took so far.
    pub fn elapsed_s(&self) -> f64 {
        self.state().begun.elapsed().as_secs_f64()
    }

    /// How to go on after an interruption.
    pub fn going_on(&self) -> String {
        self.see(going_on)
    }

    /// The month at `place` has its turn, if it has not yet.
    pub fn enter(&self, place: usize, begin_events: impl FnOnce() -> Option<Lineage>) {
        let mut state = self.state();
        if state.present.is_none() {
            state.present = Some((place, begin_events()));
        }
    }

    /// What became of the month at `place`.
    pub fn leave(&self, place: usize, fate: Fate, elapsed_s: f64) {
        let mut state = self.state();
        if let Some((_, Some(lineage))) = state.present.take() {
            lineage.end(match &fate {
                Fate::Failed(failure) => Ending::Fail { message: failure.message.clone() },
                Fate::Published(report) => Ending::Complete { n_rows: Some(report.contracts) },
                _ => Ending::Complete { n_rows: None },
            });
        }
        if let Some(turn) = state.series.turns.get_mut(place) {
            (turn.fate, turn.elapsed_s) = (fate, elapsed_s);
        }
    }

    /// The end of the command, with what failed before the first month or after the last one.
    pub fn end(&self, closing: Option<Failure>) -> Result<Series, Error> {
        let mut state = self.state();
        state.series.closing = closing;
        state.write()?;
        Ok(state.series.clone())
    }

    /// Where the months are to be seen.
    pub fn set_places(&self, places: Option<Places>) {
        self.state().series.places = places;
    }

    /// What was begun is not written: it may be the very file that is in the way.
    pub fn give_up_files(&self) {
        let mut state = self.state();
        (state.report, state.metrics, state.is_written) = (None, None, true);
    }

    /// The command is told to end.
    pub fn interrupt(&self, signal: &'static str) {
        let next = Some(self.going_on());
        let mut state = self.state();
        let message = format!("interrupted by {signal}");
        if let Some((place, lineage)) = state.present.take() {
            if let Some(lineage) = lineage {
                lineage.end(Ending::Abort { message: message.clone() });
            }
            if let Some(turn) = state.series.turns.get_mut(place) {
                turn.fate = Fate::Interrupted;
            }
        }
        let exit = interrupt::exit_code(signal);
        state.series.closing = Some(Failure { stage: "run", kind: INTERRUPTED, message, next, exit });
        let _ = state.write();
    }
}

impl State {
    /// Writes report and metrics, which say so where the report could not be written.
    fn write(&mut self) -> Result<(), Error> {
        if std::mem::replace(&mut self.is_written, true) {
            return Ok(());
        }
        self.series.elapsed_s = self.begun.elapsed().as_secs_f64();
        let reported = self.write_reports();
        if let Err(error) = &reported {
            self.series.closing.get_or_insert_with(|| Failure::from(error));
        }
        let metrics = self.metrics.take();
        let measured = metrics.map_or(Ok(()), |file| told::write_metrics(file, &self.series.metrics()));
        reported.and(measured)
    }

    fn write_reports(&mut self) -> Result<(), Error> {
        let text = self.series.to_json();
        let newest = self.out.as_ref().map(artifacts::stage_report_of_months).transpose()?;
        let mut reports: Vec<StagedFile> = newest.into_iter().chain(self.report.take()).collect();
        reports.iter_mut().try_for_each(|file| file.write_with(|w| w.write_all(text.as_bytes())))?;
        atomic::publish(reports)?;
        Ok(())
    }
}
