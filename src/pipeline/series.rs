//! Many months: which of them, in which order, and what is made once for all of them. Each is made as one month is.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use crate::artifacts::{self, page_in};
use crate::cli::Failure;
use crate::cli::plan::{
    ConsolePlan, EnginePlan, FailurePolicy, LakePlan, Messages, MonthOrder, MonthsAsked, RunPlan, SeriesMode,
    SeriesPlan, TransformPlan,
};
use crate::dashboard::model::DashboardModel;
use crate::engine::calendar::Month;
use crate::error::Error;
use crate::fs::atomic::OutFolder;
use crate::fs::error::OutputError;
use crate::lake::{Lake, Listing};
use crate::mart::months::{MartState, MonthLine};
use crate::outcome::{Fate, Outcome, Places, Series, Turn};
use crate::report::Report;
use crate::reprocess::{Action, Step, Subject, Why};
use crate::signals::lineage::Lineage;
use crate::units::in_one_line;
use crate::warehouse::{Missing, WarehouseStanding};
use crate::{console, interrupt, mart};

use super::attempt::{Attempt, Company};
use super::draw::{self, Rendering, Shown};
use super::supply::{ReadAhead, Supply};
use super::{steps, told};

mod chronicle;

use chronicle::Chronicle;

/// `viewmart run` of several months.
pub(super) fn run(plan: &SeriesPlan, talk: ConsolePlan) -> Result<Outcome, Error> {
    if plan.mode == SeriesMode::Show {
        return show(plan);
    }
    let chronicle = Chronicle::begin();
    let done = make(plan, talk, &chronicle);
    let closing = match &done {
        Ok(closing) => closing.clone(),
        Err(error) => Some(Failure::from(error)),
    };
    if matches!(done, Err(Error::Output(OutputError::Clash { .. }))) {
        chronicle.give_up_files();
    }
    let written = chronicle.end(closing);
    interrupt::set_last_word(None);
    // The first failure is the one that is told.
    done?;
    Ok(Outcome::Series(Box::new(written?)))
}

/// What would be done; nothing is.
fn show(plan: &SeriesPlan) -> Result<Outcome, Error> {
    let months = survey(plan)?.months;
    let at = &plan.run.warehouse;
    let lines = mart::months::list_as_found(&mut *crate::warehouse::open(&at.url, &at.options)?)?;
    let turns = months.iter().map(|month| Turn::planned(month.judge(plan, &lines, None))).collect();
    Ok(Outcome::Series(Box::new(Series { turns, ..Series::default() })))
}

/// Makes the months; gives what failed after the last one.
fn make(plan: &SeriesPlan, talk: ConsolePlan, chronicle: &Chronicle) -> Result<Option<Failure>, Error> {
    let (telling, ending) = (chronicle.clone(), chronicle.clone());
    let company = |out: OutFolder| Company {
        out,
        going_on: Arc::new(move || telling.going_on()),
        epilogue: Arc::new(move |signal| ending.interrupt(signal)),
        planned_over: 0,
    };
    let company = company(chronicle.begin_files(&plan.run)?);
    interrupt::set_last_word(Some(company.last_word()));
    let Survey { months, data } = survey(plan)?;
    let inputs = steps::inputs(None, Some(&plan.run.engine), Some(&plan.run.warehouse));
    told::refuse_clashes(&plan.run, data.into_iter().chain(inputs))?;
    let lines = read_lines(&plan.run)?;
    chronicle.plan(months.iter().map(|month| month.judge(plan, &lines, None)));
    chronicle.see(|turns| {
        let planned = Series { turns: turns.to_vec(), ..Series::default() };
        steps::say(talk, format_args!("{}", planned.to_string().trim_end()));
    });
    Making { plan, talk, chronicle, company: company.clone(), lines }.make_all(&months);
    interrupt::set_last_word(Some(company.last_word()));
    let closing = match close(plan, talk, chronicle, &company.out) {
        Ok(places) => {
            chronicle.set_places(places);
            None
        }
        Err(error) => Some(Failure::from(&error)),
    };
    if let Some(failure) = &closing {
        tell_failure("after the last month", failure);
    }
    Ok(closing)
}

/// A month that is asked for.
struct Asked {
    month: Month,
    /// Its files, or [`Why::NoFiles`] or [`Why::Unlisted`].
    listing: Result<Listing, Why>,
}

/// What the lake has.
struct Survey {
    /// The months that are asked for, in the order in which they are made.
    months: Vec<Asked>,
    /// The files of all months, with a word for what they are.
    data: Vec<(PathBuf, &'static str)>,
}

fn survey(plan: &SeriesPlan) -> Result<Survey, Error> {
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
            _ => return lake.list().map(|_| Survey { months: Vec::new(), data: Vec::new() }).map_err(Error::from),
        },
    };
    let listings = listed.iter().filter_map(|(_, listing)| listing.as_ref().ok());
    let data = listings.flat_map(|listing| steps::inputs(Some(listing), None, None)).collect();
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
        .map(|(month, listing)| Asked { month, listing: listing.map_err(|_| Why::Unlisted) })
        .collect();
    let (first, last) = wanted.unzip();
    let mut gap = first;
    while let Some(month) = gap.filter(|month| Some(*month) <= last) {
        if !months.iter().any(|asked| asked.month == month) {
            months.push(Asked { month, listing: Err(Why::NoFiles) });
        }
        gap = month.next();
    }
    months.sort_by_key(|asked| asked.month);
    if plan.order == MonthOrder::Backwards {
        months.reverse();
    }
    Ok(Survey { months, data })
}

/// What the warehouse says of its months, once it is up to date; nothing where there is none yet.
fn read_lines(plan: &RunPlan) -> Result<Vec<MonthLine>, Error> {
    let mut warehouse = crate::warehouse::open(&plan.warehouse.url, &plan.warehouse.options)?;
    if warehouse.standing(&mart::schema())? == WarehouseStanding::Absent {
        return Ok(Vec::new());
    }
    mart::prepare(&mut *warehouse, Missing::Refuse)?;
    Ok(mart::months::list(&mut *warehouse)?)
}

/// The run by which a month stands, 0 for none.
fn standing_run(lines: &[MonthLine], month: Month) -> i64 {
    let line = lines.iter().find(|line| line.month == month);
    line.and_then(|line| line.standing.as_ref()).map_or(0, |run| run.id)
}

impl Asked {
    /// What is to be done about it; `planned_over` is the run that stood when that was asked first.
    fn judge(&self, plan: &SeriesPlan, lines: &[MonthLine], planned_over: Option<i64>) -> Step {
        plan.reprocess.decide(&Subject {
            month: self.month,
            listing: self.listing.as_ref().map_err(|why| *why),
            rules_sha256: &plan.run.engine.rules.sha256,
            ids: plan.run.engine.ids,
            devices: plan.run.engine.devices,
            line: lines.iter().find(|line| line.month == self.month),
            outputs_of: artifacts::run_of_files(&plan.run.out, self.month, plan.run.engine.devices),
            planned_over,
        })
    }
}

/// Months that are being made.
struct Making<'a> {
    plan: &'a SeriesPlan,
    talk: ConsolePlan,
    chronicle: &'a Chronicle,
    company: Company,
    /// What stood when they were planned.
    lines: Vec<MonthLine>,
}

impl Making<'_> {
    /// Makes the months one by one; what became of each is written into its turn.
    fn make_all(&self, months: &[Asked]) {
        let mut ahead = None;
        for (place, asked) in months.iter().enumerate() {
            interrupt::set_last_word(Some(self.company.last_word()));
            let begun = Instant::now();
            let is_over = self.chronicle.see(|turns| turns.iter().any(|turn| turn.fate.failure().is_some()));
            let fate = match self.plan.failures {
                FailurePolicy::Stop if is_over => Fate::NotReached,
                _ => {
                    let next = self.chronicle.see(|turns| next_to_make(months, turns, place));
                    let made = self.make(place, asked, &mut ahead, next);
                    made.unwrap_or_else(|error| Fate::Failed(Failure::from(&error)))
                }
            };
            // Another machine may have made it. Where no month follows nobody waits for the lake.
            if let Some(mut unused) = ahead.take_if(|read: &mut ReadAhead| read.month == asked.month)
                && !matches!(fate, Fate::NotReached)
            {
                unused.settle();
            }
            self.chronicle.leave(place, fate, begun.elapsed().as_secs_f64());
            self.tell(place);
        }
    }

    /// Whatever has to be done about a month, as the warehouse says now: another machine may have been there.
    /// `ahead` is what is read before its turn: of this month, then of `next`.
    fn make(
        &self,
        place: usize,
        asked: &Asked,
        ahead: &mut Option<ReadAhead>,
        next: Option<Month>,
    ) -> Result<Fate, Error> {
        /// One that another machine makes meanwhile, a mart, then files.
        const MAX_STEPS: usize = 3;
        let plan = &self.plan.run;
        let planned_over = standing_run(&self.lines, asked.month);
        let planned = self.chronicle.see(|turns| turns.get(place).map(|turn| turn.step.action));
        if planned != Some(Action::Leave) {
            self.chronicle.enter(place, || self.begin_events(asked));
        }
        let mut fate = if planned == Some(Action::Make) { Fate::MadeMeanwhile } else { Fate::Left };
        for _ in 0..MAX_STEPS {
            let lines = read_lines(plan)?;
            let action = asked.judge(self.plan, &lines, Some(planned_over)).action;
            if action == Action::Leave {
                break;
            }
            self.chronicle.enter(place, || self.begin_events(asked));
            match action {
                Action::Leave => {}
                Action::Make => match self.make_month(asked.month, planned_over, ahead, next) {
                    Ok(report) => return Ok(Fate::Published(report)),
                    Err(error) if error.is_made_meanwhile() => fate = Fate::MadeMeanwhile,
                    Err(error) => return Err(error),
                },
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

    /// The events of a month, of which the first is told.
    fn begin_events(&self, asked: &Asked) -> Option<Lineage> {
        let mut lineage = told::lineage(&self.plan.run, Some(asked.month))?;
        let files = asked.listing.as_ref().map_or(&[][..], |listing| &listing.files);
        lineage.start(asked.month, files.iter().map(|file| (file.canonical_uri(), file.n_bytes)).collect());
        Some(lineage)
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
        planned_over: i64,
        ahead: &mut Option<ReadAhead>,
        next: Option<Month>,
    ) -> Result<Box<Report>, Error> {
        let plan = RunPlan { lake: self.lake_of(month), report: None, ..self.plan.run.clone() };
        let read = ahead.take_if(|read| read.month == month);
        ahead.iter_mut().for_each(ReadAhead::settle);
        let begin_next = || {
            let next = next.filter(|_| ahead.is_none());
            let begin = |next| ReadAhead::begin(next, self.lake_of(next), plan.engine.clone(), self.brief());
            *ahead = next.and_then(begin).or_else(|| ahead.take());
        };
        let supply = Supply::among_others(read, begin_next);
        let company = Company { planned_over, ..self.company.clone() };
        super::run(&plan, supply, self.brief(), |attempt: Attempt| attempt.among_others(company))
    }

    /// The files of a run that stands.
    fn write_files(&self, month: Month, lines: &[MonthLine]) -> Result<Box<Report>, Error> {
        let plan = &self.plan.run;
        let mut warehouse = steps::open_warehouse(&plan.warehouse, Missing::Refuse)?;
        let page = page_in(&plan.out);
        let run = standing_run(lines, month);
        let of = Some(steps::published(&plan.warehouse, &*warehouse, run, &page));
        let etl_date = mart::months::date_of(&mut *warehouse, month)?.unwrap_or(plan.engine.etl_date);
        let engine = EnginePlan { etl_date, ..plan.engine.clone() };
        let plan = TransformPlan { lake: self.lake_of(month), engine, out: plan.out.clone(), report: None };
        let company = self.company.clone();
        super::write_files(&plan, of, self.brief(), |attempt: Attempt| attempt.among_others(company))
    }

    /// One line for a month that had its turn, with the time that those to come may take.
    fn tell(&self, place: usize) {
        let elapsed_s = self.chronicle.elapsed_s();
        self.chronicle.see(|turns| {
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
                    let left_s = elapsed_s * n_left as f64 / n_done as f64;
                    format!(", about {left_s:.0} s left")
                }
            };
            let (month, fate, n_done, n_all) = (turn.step.month, &turn.fate, done.len(), turns.len());
            let took_s = turn.elapsed_s;
            steps::say(self.talk, format_args!("{month}  {fate:<14}  {took_s:.1} s  ({n_done} of {n_all}{left})"));
        });
    }
}

/// The month after that at `place` that the plan has to be made first.
fn next_to_make(months: &[Asked], turns: &[Turn], place: usize) -> Option<Month> {
    let behind = months.iter().zip(turns).skip(place + 1);
    let is_made = |(asked, turn): &(&Asked, &Turn)| turn.step.action == Action::Make && asked.listing.is_ok();
    behind.filter(is_made).map(|(asked, _)| asked.month).next()
}

fn tell_failure(what: &str, failure: &Failure) {
    let next = failure.next.iter().map(|next| format!("\n  next: {}", in_one_line(next))).collect::<String>();
    console::say(format_args!("viewmart: {what}: {}{next}", failure.message));
}

/// How to go on when the months are interrupted.
fn going_on(turns: &[Turn]) -> String {
    let n = |is_so: fn(&Fate) -> bool| turns.iter().filter(|turn| is_so(&turn.fate)).count();
    let n_failed = n(|fate| matches!(fate, Fate::Failed(_)));
    let n_done = n(|fate| !matches!(fate, Fate::Planned | Fate::Interrupted | Fate::NotReached | Fate::Failed(_)));
    let failed = if n_failed == 0 { String::new() } else { format!(", {n_failed} failed") };
    match turns.len() {
        0 => "run again".to_owned(),
        n_all => format!("the same command goes on: {n_done} of {n_all} months are done and stay{failed}"),
    }
}

/// What is made once, after the last month: the movement of all months that it is wrong for, and the dashboards where they
/// are not those of the newest month that was asked for. Gives where they are.
fn close(
    plan: &SeriesPlan,
    talk: ConsolePlan,
    chronicle: &Chronicle,
    out: &OutFolder,
) -> Result<Option<Places>, Error> {
    let RunPlan { warehouse: at, render, .. } = &plan.run;
    let mut warehouse = crate::warehouse::open(&at.url, &at.options)?;
    if warehouse.standing(&mart::schema())? == WarehouseStanding::Absent {
        return Ok(None);
    }
    mart::prepare(&mut *warehouse, Missing::Refuse)?;
    mart::movement::remake_stale(&mut *warehouse)?;
    let lines = mart::months::list(&mut *warehouse)?;
    let is_current = |month: &Month| lines.iter().any(|line| line.month == *month && line.mart == MartState::Current);
    let newest = chronicle.see(|turns| turns.iter().map(|turn| turn.step.month).filter(is_current).max());
    let Some(newest) = newest else { return Ok(None) };
    let look = Rendering::prepare(render, ConsolePlan { messages: Messages::Quiet, ..talk })?;
    let shown = Shown { model: &DashboardModel::read(&mut *warehouse, Some(newest))?, month: newest };
    let live = look.live_choice(&*warehouse);
    if !draw::is_drawn(out.path(), shown, &look, live) {
        super::draw_model(shown, &mut *warehouse, at, &look, out)?;
    }
    let of = steps::published(at, &*warehouse, standing_run(&lines, newest), &page_in(&plan.run.out));
    Ok(Some(Places { warehouse: of.warehouse, mart: of.mart, page: of.page }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_is_not_done() {
        let turn = |fate: Fate| {
            let (month, why, action) = ("2022-04".parse().unwrap(), Why::New, Action::Make);
            Turn { fate, ..Turn::planned(Step { month, n_files: 1, n_bytes: 1, why, action }) }
        };
        let check = |fates: Vec<Fate>, expected: &str| {
            let turns: Vec<Turn> = fates.into_iter().map(turn).collect();
            assert_eq!(going_on(&turns), expected);
        };
        check(Vec::new(), "run again");
        check(vec![Fate::Left, Fate::Planned], "the same command goes on: 1 of 2 months are done and stay");
        check(
            vec![
                Fate::MartBuilt,
                Fate::Failed(Failure::panic()),
                Fate::MadeMeanwhile,
                Fate::Interrupted,
                Fate::Planned,
            ],
            "the same command goes on: 2 of 5 months are done and stay, 1 failed",
        );
    }
}
