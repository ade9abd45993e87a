//! Two streams of rows side by side.

use std::cmp::Ordering;
use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::sync::LazyLock;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::list::List;
use super::side::{Batch, Compared, DiffSide, OpenSide};
use super::{COMPARED, DevicesCompared, Difference, Largest, SideSums, compared};
use crate::engine::calendar::Month;
use crate::engine::columns::{Column, MOST_WATCH, TASTE, name_of_seconds};
use crate::engine::rules::Category;
use crate::error::Error;
use crate::fs::atomic::StagedFile;
use crate::fs::error::OutputError;

/// Batches that a side is ahead.
const BATCHES_AHEAD: usize = 2;

/// Compares two sides; the `n_top` largest changes are kept, and all that differs is written into `list`.
///
/// # Errors
/// A side that cannot be read, that of A before that of B; a list that cannot be written.
pub fn compare(a: &DiffSide, b: &DiffSide, n_top: usize, list: Option<&mut StagedFile>) -> Result<Difference, Error> {
    let sources = [a.source(), b.source()];
    let [(open_a, month_a), (open_b, month_b)] = [a.open()?, b.open()?];
    let devices = DevicesCompared::of([open_a.counts_devices(), open_b.counts_devices()]);
    let columns = compared(devices);
    let (send_a, receive_a) = sync_channel(BATCHES_AHEAD);
    let (send_b, receive_b) = sync_channel(BATCHES_AHEAD);
    thread::scope(|scope| {
        let read_a = scope.spawn(move || read(open_a, columns, &send_a));
        let read_b = scope.spawn(move || read(open_b, columns, &send_b));
        let mut comparison = Comparison::new(sources, [month_a, month_b], devices, n_top);
        // The channels end with it, and with them the reading.
        let compared = match list {
            Some(file) => file.write_with(|output| {
                let mut list = List::begin(output, columns)?;
                comparison.run(receive_a, receive_b, Some(&mut list))?;
                list.finish()
            }),
            None => comparison
                .run(receive_a, receive_b, None)
                .map_err(|source| OutputError::io("the list", "writing the list", source)),
        };
        for reading in [read_a, read_b] {
            reading.join().unwrap_or_else(|panic| resume_unwind(panic))?;
        }
        compared?;
        Ok(comparison.finish())
    })
}

fn read(side: OpenSide, columns: &[&Column], batches: &SyncSender<Batch>) -> Result<(), Error> {
    side.for_each_batch(columns, &mut |batch| match batches.send(batch) {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(()),
    })
}

/// A row at hand, and those after it.
struct Cursor {
    batches: Receiver<Batch>,
    batch: Batch,
    row: usize,
}

impl Cursor {
    fn new(batches: Receiver<Batch>) -> Cursor {
        let mut cursor = Cursor { batches, batch: Batch::default(), row: 0 };
        cursor.fill();
        cursor
    }

    /// Takes the next batch that has a row, where the last one is used up.
    fn fill(&mut self) {
        while self.row == self.batch.contracts.len() {
            let Ok(batch) = self.batches.recv() else { return };
            (self.batch, self.row) = (batch, 0);
        }
    }

    fn at(&self) -> Option<At<'_>> {
        (self.row < self.batch.contracts.len()).then_some(At { batch: &self.batch, row: self.row })
    }

    fn advance(&mut self) {
        self.row += 1;
        self.fill();
    }
}

/// Where those of [`COMPARED`] stand of which more is said than how often they differ.
struct Places {
    seconds: [usize; Category::ALL.len()],
    most_watch: usize,
    taste: usize,
}

static PLACES: LazyLock<Places> = LazyLock::new(|| {
    // Nothing stands after the last.
    let place_of = |name: &str| COMPARED.iter().position(|column| column.name == name).unwrap_or(usize::MAX);
    Places {
        seconds: Category::ALL.map(|category| place_of(name_of_seconds(category))),
        most_watch: place_of(MOST_WATCH),
        taste: place_of(TASTE),
    }
});

/// A row of a batch.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub batch: &'a Batch,
    pub row: usize,
}

impl At<'_> {
    pub fn contract(&self) -> &str {
        self.batch.contracts.get(self.row)
    }

    pub fn seconds(&self) -> [i64; 5] {
        PLACES.seconds.map(|place| match self.batch.value(self.row, place) {
            Compared::Number(seconds) => seconds,
            Compared::Nothing | Compared::Label(_) => 0,
        })
    }

    fn label(&self, place: usize) -> &str {
        match self.batch.value(self.row, place) {
            Compared::Label(label) => label,
            Compared::Nothing | Compared::Number(_) => "",
        }
    }

    /// The values of [`COMPARED`].
    pub fn values(&self) -> impl Iterator<Item = Compared<'_>> {
        self.batch.row(self.row)
    }

    /// Which of [`COMPARED`] differ; what a side does not hold does not.
    fn compare(&self, other: &At<'_>) -> impl Iterator<Item = bool> {
        self.values().zip(other.values()).map(|(a, b)| a != b && a != Compared::Nothing && b != Compared::Nothing)
    }
}

struct Comparison {
    difference: Difference,
    largest: Largest,
}

impl Comparison {
    fn new([a, b]: [String; 2], [month_a, month_b]: [Month; 2], devices: DevicesCompared, n_top: usize) -> Comparison {
        let side = |source, month| SideSums { source, month, customers: 0, seconds: [0; 5] };
        Comparison {
            difference: Difference {
                a: side(a, month_a),
                b: side(b, month_b),
                only_in_a: 0,
                only_in_b: 0,
                in_both: 0,
                changed: 0,
                devices,
                changed_by_column: vec![0; compared(devices).len()],
                most_watch_moves: Default::default(),
                taste_moves: Default::default(),
                largest: Vec::new(),
            },
            largest: Largest::new(n_top),
        }
    }

    /// Goes through both sides in contract order.
    fn run(&mut self, a: Receiver<Batch>, b: Receiver<Batch>, mut list: Option<&mut List<'_>>) -> std::io::Result<()> {
        let (mut a, mut b) = (Cursor::new(a), Cursor::new(b));
        loop {
            let order = match (a.at(), b.at()) {
                (None, None) => return Ok(()),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(a), Some(b)) => a.contract().cmp(b.contract()),
            };
            let of_a = a.at().filter(|_| order != Ordering::Greater);
            let of_b = b.at().filter(|_| order != Ordering::Less);
            if self.add(of_a, of_b)
                && let Some(list) = &mut list
            {
                list.write(of_a, of_b)?;
            }
            if order != Ordering::Greater {
                a.advance();
            }
            if order != Ordering::Less {
                b.advance();
            }
        }
    }

    /// Counts a customer; gives whether anything differs.
    fn add(&mut self, a: Option<At<'_>>, b: Option<At<'_>>) -> bool {
        let Comparison { difference, largest } = self;
        for (side, row) in [(&mut difference.a, a), (&mut difference.b, b)] {
            let Some(row) = row else { continue };
            side.customers += 1;
            side.seconds.iter_mut().zip(row.seconds()).for_each(|(sum, seconds)| *sum += i128::from(seconds));
        }
        match (a, b) {
            (Some(a), Some(b)) => {
                difference.in_both += 1;
                let mut is_changed = false;
                for (changed, differs) in difference.changed_by_column.iter_mut().zip(a.compare(&b)) {
                    *changed += u64::from(differs);
                    is_changed |= differs;
                }
                if !is_changed {
                    return false;
                }
                difference.changed += 1;
                let moves = [
                    (&mut difference.most_watch_moves, a.label(PLACES.most_watch), b.label(PLACES.most_watch)),
                    (&mut difference.taste_moves, a.label(PLACES.taste), b.label(PLACES.taste)),
                ];
                for (moves, before, after) in moves {
                    if before != after {
                        *moves.entry((before.to_owned(), after.to_owned())).or_default() += 1;
                    }
                }
                largest.offer(a.contract(), Some(a.seconds()), Some(b.seconds()));
            }
            (Some(a), None) => {
                difference.only_in_a += 1;
                largest.offer(a.contract(), Some(a.seconds()), None);
            }
            (None, Some(b)) => {
                difference.only_in_b += 1;
                largest.offer(b.contract(), None, Some(b.seconds()));
            }
            (None, None) => return false,
        }
        true
    }

    fn finish(self) -> Difference {
        Difference { largest: self.largest.into_sorted(), ..self.difference }
    }
}
