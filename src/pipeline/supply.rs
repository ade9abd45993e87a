//! A month on its way from its files to its table: in its turn, or read while the month before it is loaded.
//!
//! Whoever reads ahead tells nothing, records nothing and takes no output's place: it lists, pulls and scans. All that
//! is seen of the month, its failure too, is seen in its turn.

use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use jiff::Timestamp;

use super::attempt::Attempt;
use super::steps;
use crate::cli::plan::{ConsolePlan, EnginePlan, LakePlan};
use crate::console::{Bars, Curtain};
use crate::engine::calendar::Month;
use crate::error::Error;
use crate::lake::{Lake, Listing};
use crate::timing::StageTiming;
use crate::transform::Transformed;

/// Where a month comes from.
pub(super) struct Supply<'a> {
    /// What was read of it before its turn.
    ahead: Option<ReadAhead>,
    /// Open while its files may be read: a cache is locked as long.
    lake: Option<Lake>,
    /// Begins the month that follows.
    next: Option<Box<dyn FnOnce() + 'a>>,
}

impl<'a> Supply<'a> {
    /// A month that no other follows.
    pub fn alone() -> Supply<'a> {
        Supply { ahead: None, lake: None, next: None }
    }

    /// One of many months; `next` begins to read the one that follows.
    pub fn among_others(ahead: Option<ReadAhead>, next: impl FnOnce() + 'a) -> Supply<'a> {
        Supply { ahead, lake: None, next: Some(Box::new(next)) }
    }

    /// The files of the month. What looked odd in the lake is told.
    pub fn list(&mut self, plan: &LakePlan, attempt: &mut Attempt) -> Result<Listing, Error> {
        let Some(ahead) = &mut self.ahead else {
            let (lake, listing) = steps::list(plan, &mut attempt.warnings)?;
            self.lake = Some(lake);
            return Ok(listing);
        };
        attempt.begin_before(ahead.begun, ahead.started);
        let Listed { listing, warnings } = ahead.wait_listed()?;
        steps::tell_of_lake(warnings, &mut attempt.warnings);
        Ok(listing)
    }

    /// The table of the month, whose files were listed before.
    pub fn make(&mut self, listing: &Listing, engine: &EnginePlan, talk: ConsolePlan) -> Result<Transformed, Error> {
        let Some(ahead) = self.ahead.take() else {
            let lake = self.lake.as_ref().ok_or_else(not_read)?;
            return steps::make_month(lake, listing, engine, &talk.bars());
        };
        let Made { lake, mut transformed, ended } = ahead.wait_made()?;
        self.lake = lake;
        transformed.stages.iter_mut().for_each(|stage| stage.cpu_s = 0.0);
        let wall_s = ended.elapsed().as_secs_f64();
        transformed.stages.push(StageTiming { name: "wait", wall_s, cpu_s: 0.0, bytes: 0, records: 0 });
        Ok(transformed)
    }

    /// The files of the month are no longer needed, and those of the next one may be read.
    pub fn begin_next(&mut self) {
        // One run at a time has the cache, which is this one too.
        self.lake = None;
        if let Some(next) = self.next.take() {
            next();
        }
    }
}

impl Drop for Supply<'_> {
    /// A month that is given up may have been read ahead: the lake must be free for the month that follows.
    fn drop(&mut self) {
        if let Some(ahead) = &mut self.ahead {
            ahead.settle();
        }
    }
}

/// Comes only of a mistake in this program.
fn not_read() -> Error {
    steps::usage("the month was not read".to_owned(), "make it alone, with `--month YYYY-MM`")
}

/// The files of a month that is read ahead.
struct Listed {
    listing: Listing,
    warnings: Vec<String>,
}

/// A month that was read ahead.
struct Made {
    /// Open until its turn, or until another month needs the lake.
    lake: Option<Lake>,
    transformed: Transformed,
    ended: Instant,
}

/// What a reader has to say, in this order.
enum Word {
    Listed(Result<Listed, Error>),
    Made(Result<Box<Made>, Error>),
}

/// A month that a thread reads before its turn. Dropping it leaves the thread alone, which then ends after what it is
/// doing, or with the process.
pub(super) struct ReadAhead {
    pub month: Month,
    begun: Instant,
    started: Timestamp,
    curtain: Curtain,
    words: Receiver<Word>,
    reader: Option<JoinHandle<()>>,
    /// What it said that nobody has asked for yet.
    listed: Option<Result<Listed, Error>>,
    made: Option<Result<Box<Made>, Error>>,
}

impl ReadAhead {
    /// Begins to read `month`, which `lake` names too; none where the system has no thread for it.
    pub fn begin(month: Month, lake: LakePlan, engine: EnginePlan, talk: ConsolePlan) -> Option<ReadAhead> {
        let curtain = Curtain::new(talk.progress());
        let bars = Bars::Behind(curtain.clone());
        ReadAhead::spawn(month, curtain, move |say| read(&lake, &engine, &bars, say))
    }

    fn spawn(month: Month, curtain: Curtain, read: impl FnOnce(&Sender<Word>) + Send + 'static) -> Option<ReadAhead> {
        let (begun, started) = (Instant::now(), Timestamp::now());
        let (say, words) = channel();
        let reader = thread::Builder::new().name("read ahead".to_owned()).spawn(move || read(&say)).ok()?;
        Some(ReadAhead { month, begun, started, curtain, words, reader: Some(reader), listed: None, made: None })
    }

    /// Waits until the lake is free for another month.
    pub fn settle(&mut self) {
        while self.hear() {}
        if let Some(Ok(made)) = &mut self.made {
            made.lake = None;
        }
    }

    fn wait_listed(&mut self) -> Result<Listed, Error> {
        // From here on it is waited for.
        self.curtain.lift();
        while self.listed.is_none() && self.hear() {}
        self.listed.take().unwrap_or_else(|| Err(self.pass_panic_on()))
    }

    fn wait_made(mut self) -> Result<Made, Error> {
        while self.made.is_none() && self.hear() {}
        self.made.take().unwrap_or_else(|| Err(self.pass_panic_on())).map(|made| *made)
    }

    /// Takes the next word; none comes any more when the reader has ended.
    fn hear(&mut self) -> bool {
        match self.words.recv() {
            Ok(Word::Listed(listed)) => self.listed = Some(listed),
            Ok(Word::Made(made)) => self.made = Some(made),
            Err(_) => return false,
        }
        true
    }

    /// A reader ends without the word that is waited for only when it panics.
    fn pass_panic_on(&mut self) -> Error {
        match self.reader.take().map(JoinHandle::join) {
            Some(Err(panic)) => resume_unwind(panic),
            _ => not_read(),
        }
    }
}

/// Lists, pulls and scans a month. When nobody listens any more the months were given up.
fn read(plan: &LakePlan, engine: &EnginePlan, bars: &Bars, say: &Sender<Word>) {
    let (lake, listing) = match steps::list_silently(plan) {
        Ok(listed) => listed,
        Err(error) => {
            let _ = say.send(Word::Listed(Err(error.into())));
            return;
        }
    };
    let listed = Listed { listing: listing.clone(), warnings: lake.warnings() };
    let is_refused = steps::refuse_missing_days(plan, &listing).is_err();
    if say.send(Word::Listed(Ok(listed))).is_err() || is_refused {
        return;
    }
    let made = steps::make_month(&lake, &listing, engine, bars);
    let made = made.map(|transformed| Box::new(Made { lake: Some(lake), transformed, ended: Instant::now() }));
    let _ = say.send(Word::Made(made));
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::console::ProgressChoice;

    fn failure(what: &str) -> Error {
        steps::usage(what.to_owned(), "")
    }

    fn listed() -> Word {
        let month = "2022-04".parse().unwrap();
        let listing =
            Listing { month, files: Vec::new(), skipped: crate::lake::Skipped::default(), warnings: Vec::new() };
        Word::Listed(Ok(Listed { listing, warnings: Vec::new() }))
    }

    /// How the waits for listing and table end: well, with an error or with a panic.
    fn waits(mut ahead: ReadAhead) -> [String; 2] {
        let wait = |wait: &mut dyn FnMut() -> Result<(), Error>| match catch_unwind(AssertUnwindSafe(wait)) {
            Ok(Ok(())) => "well".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "panic".to_owned(),
        };
        let of_listing = wait(&mut || ahead.wait_listed().map(drop));
        let mut ahead = Some(ahead);
        [of_listing, wait(&mut || ahead.take().unwrap().wait_made().map(drop))]
    }

    #[test]
    fn whoever_waits_learns_how_the_reader_ended() {
        type Read = fn(&Sender<Word>);
        let cases: [(Read, [&str; 2]); 4] = [
            (|_| panic!("the test wants it"), ["panic", "the month was not read"]),
            (|say| say.send(Word::Listed(Err(failure("no lake")))).unwrap(), ["no lake", "the month was not read"]),
            (|say| say.send(listed()).map(|()| panic!("the test wants it")).unwrap(), ["well", "panic"]),
            (
                |say| {
                    say.send(listed()).unwrap();
                    say.send(Word::Made(Err(failure("torn")))).unwrap();
                },
                ["well", "torn"],
            ),
        ];
        for (read, expected) in cases {
            let begin = || {
                let curtain = Curtain::new(ProgressChoice::Hidden);
                ReadAhead::spawn("2022-04".parse().unwrap(), curtain, read).unwrap()
            };
            assert_eq!(waits(begin()), expected);
            // The same when somebody waited for the lake before.
            let mut settled = begin();
            settled.settle();
            assert_eq!(waits(settled), expected);
        }
    }

    #[test]
    fn a_month_that_is_given_up_is_not_read_beside_the_next() {
        let (over, is_over) = channel();
        let curtain = Curtain::new(ProgressChoice::Hidden);
        let ahead = ReadAhead::spawn("2022-04".parse().unwrap(), curtain, move |say| {
            say.send(listed()).unwrap();
            thread::sleep(std::time::Duration::from_millis(50));
            over.send(()).unwrap();
        });
        let mut supply = Supply::among_others(ahead, || ());
        supply.ahead.as_mut().unwrap().wait_listed().unwrap();
        drop(supply);
        assert_eq!(is_over.try_recv(), Ok(()));
    }

    #[test]
    fn a_reader_ends_when_nobody_listens() {
        let (over, is_over) = channel();
        let curtain = Curtain::new(ProgressChoice::Hidden);
        let (go, may_go) = channel::<()>();
        let ahead = ReadAhead::spawn("2022-04".parse().unwrap(), curtain, move |say| {
            may_go.recv().unwrap();
            over.send(say.send(listed()).is_err()).unwrap();
        });
        drop(ahead.unwrap());
        go.send(()).unwrap();
        assert_eq!(is_over.recv(), Ok(true));
    }
}
