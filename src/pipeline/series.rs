//! Many months: which of them, in which order, and what is made once for all of them. Each is made as one month is.

use std::time::Instant;

use crate::artifacts::{self, page_in};
use crate::cli::Failure;
use crate::cli::plan::{
    ConsolePlan, DashboardPlan, EnginePlan, FailurePolicy, LakePlan, Messages, MonthOrder, MonthsAsked, RunPlan,
    SeriesMode, SeriesPlan, TransformPlan,
};
use crate::engine::calendar::Month;
use crate::error::Error;
use crate::fs::atomic::{self, OutFolder, StagedFile};
use crate::lake::{Lake, Listing};
use crate::mart::months::MonthLine;
use crate::outcome::{Fate, Outcome, Series, Turn};
use crate::report::Report;
use crate::reprocess::{Action, Step, Subject, Why};
use crate::units::in_one_line;
use crate::warehouse::Missing;
use crate::{console, interrupt, mart};

use super::attempt::Attempt;
use super::supply::{ReadAhead, Supply};
use super::{steps, told};

/// `viewmart run` of several months.
pub(super) fn run(plan: &SeriesPlan, talk: ConsolePlan) -> Result<Outcome, Error> {
    let begun = Instant::now();
    let files = match plan.mode {
        SeriesMode::Show => None,
        SeriesMode::Make => Some(Files::begin(&plan.run)?),
    };
    let months = survey(plan)?;
    let lines = read_lines(&plan.run, plan.mode)?;
    let planned =
        months.iter().map(|month| Turn { step: month.judge(plan, &lines), fate: Fate::Planned, elapsed_s: 0.0 });
    let mut series = Series { turns: planned.collect(), closing: None, elapsed_s: 0.0 };
    let Some(files) = files else { return Ok(Outcome::Series(Box::new(series))) };
    steps::say(talk, format_args!("{}", series.to_string().trim_end()));
    let made = Making { plan, talk, begun }.make_all(&months, &mut series.turns);
    set_last_word(&series.turns);
    series.closing = close(plan, talk, &series.turns, &made).err().map(|error| Failure::from(&error));
    interrupt::set_last_word(None);
    series.elapsed_s = begun.elapsed().as_secs_f64();
    if let Some(failure) = &series.closing {
        tell_failure("behind the last month", failure);
    }
    files.write(&plan.run, &series)?;
    Ok(Outcome::Series(Box::new(series)))
}

/// A month that is asked for.
struct Asked {
    month: Month,
    /// None where the lake has no file of it, or its files cannot be listed.
    listing: Option<Listing>,
    why_not: Why,
}

/// The months that are asked for, in the order in which they are made.
fn survey(plan: &SeriesPlan) -> Result<Vec<Asked>, Error> {
    let LakePlan { inputs, options, .. } = &plan.run.lake;
    let lake = Lake::browse(inputs, options)?;
    let mut listed = lake.list_months()?;
    let wanted = match plan.months {
        MonthsAsked::All => None,
        MonthsAsked::One(month) => Some((month, month)),
        MonthsAsked::Between(first, last) => Some((first, last)),
        MonthsAsked::Only => match listed.as_slice() {
            [_] => None,
            // Says which months there are.
            _ => return lake.list().map(|_| Vec::new()).map_err(Error::from),
        },
    };
    if let Some((first, last)) = wanted {
        listed.retain(|(month, _)| (first..=last).contains(month));
        if listed.is_empty() {
            let mut options = options.clone();
            options.list.month = Some(first);
            Lake::browse(inputs, &options)?.list()?;
        }
    }
    let mut months: Vec<Asked> = listed
        .into_iter()
        .map(|(month, listing)| Asked { month, listing: listing.ok(), why_not: Why::Unlisted })
        .collect();
    let (first, last) = wanted.unzip();
    let mut gap = first;
    while let Some(month) = gap.filter(|month| Some(*month) <= last) {
        if !months.iter().any(|asked| asked.month == month) {
            months.push(Asked { month, listing: None, why_not: Why::NoFiles });
        }
        gap = month.next();
    }
    months.sort_by_key(|asked| asked.month);
    if plan.order == MonthOrder::Backwards {
        months.reverse();
    }
    Ok(months)
}

/// What the warehouse says of its months; nothing where there is none yet. Of an older one nothing is read before it is
/// brought up to date.
fn read_lines(plan: &RunPlan, mode: SeriesMode) -> Result<Vec<MonthLine>, Error> {
    let mut warehouse = crate::warehouse::open(&plan.warehouse.url, &plan.warehouse.options)?;
    if !warehouse.is_there(&mart::schema())? {
        return Ok(Vec::new());
    }
    if mode == SeriesMode::Make {
        mart::prepare(&mut *warehouse, Missing::Refuse)?;
    }
    Ok(mart::months::list(&mut *warehouse)?)
}

impl Asked {
    /// What is to be done about it.
    fn judge(&self, plan: &SeriesPlan, lines: &[MonthLine]) -> Step {
        let Some(listing) = &self.listing else {
            // To make a month that cannot be listed fails with the reason.
            let action = if self.why_not == Why::NoFiles { Action::Leave } else { Action::Make };
            return Step { month: self.month, n_files: 0, n_bytes: 0, why: self.why_not, action };
        };
        plan.reprocess.decide(&Subject {
            listing,
            rules_sha256: &plan.run.engine.rules.sha256,
            ids: plan.run.engine.ids,
            devices: plan.run.engine.devices,
            line: lines.iter().find(|line| line.month == self.month),
            outputs_of: artifacts::run_of_files(&plan.run.out, self.month, plan.run.engine.devices),
        })
    }
}

/// Months that are being made.
struct Making<'a> {
    plan: &'a SeriesPlan,
    talk: ConsolePlan,
    begun: Instant,
}

impl Making<'_> {
    /// Makes the months one by one; what became of each is written into its turn. Returns those of which anything was
    /// made, in order.
    fn make_all(&self, months: &[Asked], turns: &mut [Turn]) -> Vec<Month> {
        let (mut made, mut ahead) = (Vec::new(), None);
        for (place, asked) in months.iter().enumerate() {
            set_last_word(turns);
            let is_over = turns.iter().any(|turn| turn.fate.failure().is_some());
            let begun = Instant::now();
            let fate = match self.plan.failures {
                FailurePolicy::Stop if is_over => Fate::NotReached,
                _ => {
                    let next = next_to_make(months, turns, place);
                    let made = self.make(asked, going_on(turns), &mut ahead, next);
                    made.unwrap_or_else(|error| Fate::Failed(Failure::from(&error)))
                }
            };
            // Another machine may have made it. Where no month follows nobody waits for the lake.
            if let Some(mut unused) = ahead.take_if(|read: &mut ReadAhead| read.month == asked.month)
                && !matches!(fate, Fate::NotReached)
            {
                unused.settle();
            }
            if !matches!(fate, Fate::Left | Fate::NotReached) {
                made.push(asked.month);
            }
            if let Some(turn) = turns.get_mut(place) {
                (turn.fate, turn.elapsed_s) = (fate, begun.elapsed().as_secs_f64());
                self.tell(place, turns);
            }
        }
        made
    }

    /// Whatever has to be done about a month, as the warehouse says now: another machine may have been there.
    /// `ahead` is what is read before its turn: of this month, then of `next`.
    fn make(
        &self,
        asked: &Asked,
        going_on: String,
        ahead: &mut Option<ReadAhead>,
        next: Option<Month>,
    ) -> Result<Fate, Error> {
        /// A mart, then files.
        const MAX_STEPS: usize = 2;
        let plan = &self.plan.run;
        let mut fate = Fate::Left;
        for _ in 0..MAX_STEPS {
            let lines = read_lines(plan, SeriesMode::Make)?;
            match asked.judge(self.plan, &lines).action {
                Action::Leave => break,
                Action::Make => {
                    let report = self.make_month(asked.month, going_on, ahead, next)?;
                    return Ok(Fate::Published(report));
                }
                Action::BuildMart => {
                    let mut warehouse = steps::open_warehouse(&plan.warehouse, Missing::Refuse)?;
                    mart::build(&mut *warehouse, asked.month)?;
                    fate = Fate::MartBuilt;
                }
                Action::WriteFiles => {
                    ahead.iter_mut().for_each(ReadAhead::settle);
                    fate = Fate::FilesWritten(self.write_files(asked.month, &lines)?);
                }
            }
        }
        Ok(fate)
    }

    fn lake_of(&self, month: Month) -> LakePlan {
        let mut lake = self.plan.run.lake.clone();
        lake.options.list.month = Some(month);
        lake
    }

    /// What one of many months says.
    fn brief(&self) -> ConsolePlan {
        let messages = if self.talk.messages == Messages::Quiet { Messages::Quiet } else { Messages::Brief };
        ConsolePlan { messages, ..self.talk }
    }

    /// The next month is read while this one is loaded: two are in memory, and no more.
    fn make_month(
        &self,
        month: Month,
        going_on: String,
        ahead: &mut Option<ReadAhead>,
        next: Option<Month>,
    ) -> Result<Box<Report>, Error> {
        let plan = RunPlan { lake: self.lake_of(month), report: None, ..self.plan.run.clone() };
        let lineage = told::lineage(&plan, Some(month));
        let read = ahead.take_if(|read| read.month == month);
        ahead.iter_mut().for_each(ReadAhead::settle);
        let begin_next = || {
            let next = next.filter(|_| ahead.is_none());
            let begin = |next| ReadAhead::begin(next, self.lake_of(next), plan.engine.clone(), self.brief());
            *ahead = next.and_then(begin).or_else(|| ahead.take());
        };
        let supply = Supply::among_others(read, begin_next);
        super::run(&plan, supply, self.brief(), |attempt: Attempt| attempt.among_others(going_on).telling(lineage))
    }

    /// The files of a run that stands.
    fn write_files(&self, month: Month, lines: &[MonthLine]) -> Result<Box<Report>, Error> {
        let plan = &self.plan.run;
        let mut warehouse = steps::open_warehouse(&plan.warehouse, Missing::Refuse)?;
        let run = lines.iter().find(|line| line.month == month).and_then(|line| line.standing.as_ref());
        let page = page_in(&plan.out);
        let of = run.map(|run| steps::published(&plan.warehouse, &*warehouse, run.id, &page));
        let etl_date = mart::months::date_of(&mut *warehouse, month)?.unwrap_or(plan.engine.etl_date);
        let engine = EnginePlan { etl_date, ..plan.engine.clone() };
        let plan = TransformPlan { lake: self.lake_of(month), engine, out: plan.out.clone(), report: None };
        super::write_files(&plan, of, self.brief())
    }

    /// One line for a month that had its turn, with the time that those to come may take.
    fn tell(&self, place: usize, turns: &[Turn]) {
        let Some(turn) = turns.get(place) else { return };
        if let Fate::Failed(failure) = &turn.fate {
            tell_failure(&turn.step.month.to_string(), failure);
        }
        let n_bytes = |turns: &[Turn]| -> u64 {
            turns.iter().filter(|turn| turn.step.action != Action::Leave).map(|turn| turn.step.n_bytes).sum()
        };
        let (done, to_come) = turns.split_at(place + 1);
        let left = match (n_bytes(done), n_bytes(to_come)) {
            (0, _) | (_, 0) => String::new(),
            (n_done, n_left) => {
                let left_s = self.begun.elapsed().as_secs_f64() * n_left as f64 / n_done as f64;
                format!(", about {left_s:.0} s left")
            }
        };
        let (month, fate, n_done, n_all) = (turn.step.month, &turn.fate, done.len(), turns.len());
        let elapsed_s = turn.elapsed_s;
        steps::say(self.talk, format_args!("{month}  {fate:<14}  {elapsed_s:.1} s  ({n_done} of {n_all}{left})"));
    }
}

/// The month behind that at `place` that the plan has to be made first.
fn next_to_make(months: &[Asked], turns: &[Turn], place: usize) -> Option<Month> {
    let behind = months.iter().zip(turns).skip(place + 1);
    let is_made = |(asked, turn): &(&Asked, &Turn)| turn.step.action == Action::Make && asked.listing.is_some();
    behind.filter(is_made).map(|(asked, _)| asked.month).next()
}

fn tell_failure(what: &str, failure: &Failure) {
    let next = failure.next.iter().map(|next| format!("\n  next: {}", in_one_line(next))).collect::<String>();
    console::say(format_args!("viewmart: {what}: {}{next}", failure.message));
}

/// How to go on when the months are interrupted.
fn going_on(turns: &[Turn]) -> String {
    let n_done = turns.iter().filter(|turn| turn.fate != Fate::Planned).count();
    format!("the same command goes on: {n_done} of {} months are done and stay", turns.len())
}

/// What is said when the program is told to end between two months.
fn set_last_word(turns: &[Turn]) {
    let next = going_on(turns);
    interrupt::set_last_word(Some(Box::new(move |signal| {
        console::say(format_args!("viewmart: interrupted by {signal} between two months\n  next: {next}"));
    })));
}

/// What is made once, behind the last month: the movement of all months that it is wrong for, and the dashboard where it
/// does not show that, or not the newest month.
fn close(plan: &SeriesPlan, talk: ConsolePlan, turns: &[Turn], made: &[Month]) -> Result<(), Error> {
    let RunPlan { warehouse: at, render, out, .. } = &plan.run;
    let mut warehouse = crate::warehouse::open(&at.url, &at.options)?;
    if !warehouse.is_there(&mart::schema())? {
        return Ok(());
    }
    mart::prepare(&mut *warehouse, Missing::Refuse)?;
    let remade = mart::movement::remake_stale(&mut *warehouse)?;
    let standing = mart::published_months(&mut *warehouse)?;
    drop(warehouse);
    let newest = turns.iter().map(|turn| turn.step.month).filter(|month| standing.contains(month)).max();
    let is_drawn = remade.is_empty() && (made.is_empty() || made.last() == newest.as_ref()) && page_in(out).exists();
    if is_drawn || newest.is_none() {
        return Ok(());
    }
    let talk = ConsolePlan { messages: Messages::Quiet, ..talk };
    let drawing = DashboardPlan { month: newest, warehouse: at.clone(), render: render.clone(), out: out.clone() };
    super::draw_dashboard(&drawing, talk).map(drop)
}

/// The files of all months together.
struct Files {
    report: Option<StagedFile>,
    metrics: Option<StagedFile>,
}

impl Files {
    /// Begins them, so that one that cannot be written is known before anything is made.
    fn begin(plan: &RunPlan) -> Result<Files, Error> {
        let metrics = told::begin(&plan.signals)?;
        let report = plan.report.as_deref().map(StagedFile::create).transpose()?;
        let out = OutFolder::open(&plan.out)?;
        let inputs = steps::inputs(None, Some(&plan.engine), Some(&plan.warehouse));
        artifacts::refuse_clashes(report.iter().chain(&metrics), Some(&out), inputs)?;
        Ok(Files { report, metrics })
    }

    /// Writes them: in the output folder too.
    fn write(self, plan: &RunPlan, series: &Series) -> Result<(), Error> {
        let text = series.to_json();
        let out = OutFolder::open(&plan.out)?;
        let mut reports = vec![artifacts::stage_report_of_months(&out)?];
        reports.extend(self.report);
        reports.iter_mut().try_for_each(|file| file.write_with(|w| w.write_all(text.as_bytes())))?;
        atomic::publish(reports)?;
        self.metrics.map_or(Ok(()), |file| told::write_metrics(file, &series.metrics()))
    }
}
