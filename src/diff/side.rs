//! The rows of one side, a batch at a time.

use std::ops::ControlFlow;
use std::path::PathBuf;

use crate::engine::calendar::Month;
use crate::engine::columns::{COLUMNS, Cell, Column, DEVICES, Values};
use crate::engine::devices::Devices;
use crate::engine::month::{Contracts, MonthTable};
use crate::error::Error;
use crate::mart;
use crate::month_file::{Merge, MergeOptions};
use crate::warehouse::rows::{CustomerRow, columns_read};
use crate::warehouse::{self, OpenOptions, Warehouse, WarehouseUrl};

/// Rows of a batch: many enough that handing it over costs nothing beside them.
const BATCH_ROWS: usize = 1 << 13;

/// One side of a comparison.
#[derive(Clone, Debug)]
pub enum DiffSide {
    /// Month files, or folders of them, that together are a month or a part of one.
    Files(Vec<PathBuf>),
    Warehouse(Box<WarehouseMonth>),
}

#[derive(Clone, Debug)]
pub struct WarehouseMonth {
    /// The address as it was written.
    pub address: String,
    /// The same, read.
    pub url: WarehouseUrl,
    pub options: OpenOptions,
    pub month: Month,
}

/// A side that was opened.
pub(super) enum OpenSide {
    Files(Box<Merge>),
    Warehouse(Box<dyn Warehouse>, Month, Devices),
}

/// Rows in contract order.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub contracts: Contracts,
    /// The values that are compared, row by row.
    values: Vec<Held>,
    /// Labels of the rows.
    labels: Vec<String>,
}

/// A value of a row.
#[derive(Clone, Copy, Debug)]
enum Held {
    /// The side does not hold the column.
    Nothing,
    Number(i64),
    /// Place of the label in the batch.
    Label(u16),
}

/// A value to be compared or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compared<'a> {
    /// The side does not hold the column.
    Nothing,
    Number(i64),
    Label(&'a str),
}

impl DiffSide {
    /// The side as people name it.
    pub(super) fn source(&self) -> String {
        match self {
            DiffSide::Files(paths) => {
                paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
            }
            DiffSide::Warehouse(of) => format!("{}#{}", of.address, of.month),
        }
    }

    /// Opens it; gives its month too. All that a warehouse is asked for before its rows is asked for here: once the rows of
    /// one side are on their way they keep a lock, and a writer who waits for that one may hold what the other side needs.
    pub(super) fn open(&self) -> Result<(OpenSide, Month), Error> {
        match self {
            DiffSide::Files(paths) => {
                let merge = Merge::open(paths, &MergeOptions::default())?;
                let month = merge.month();
                Ok((OpenSide::Files(Box::new(merge)), month))
            }
            DiffSide::Warehouse(of) => {
                let WarehouseMonth { url, options, month, .. } = &**of;
                let mut warehouse = warehouse::open(url, options)?;
                check_month(&mut *warehouse, *month)?;
                let devices = warehouse.counts_devices(*month)?;
                Ok((OpenSide::Warehouse(warehouse, *month, devices), *month))
            }
        }
    }
}

impl OpenSide {
    /// Whether its devices were counted.
    pub fn counts_devices(&self) -> Devices {
        match self {
            OpenSide::Files(merge) => merge.counts_devices(),
            OpenSide::Warehouse(_, _, devices) => *devices,
        }
    }

    /// Gives all rows to `take`, until it breaks off.
    pub fn for_each_batch(
        self,
        columns: &[&Column],
        take: &mut dyn FnMut(Batch) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        match self {
            OpenSide::Files(merge) => {
                Ok(merge.for_each_batch(BATCH_ROWS, &mut |table| take(Batch::of_table(table, columns)))?)
            }
            OpenSide::Warehouse(mut warehouse, month, _) => {
                let wanted = columns.iter().any(|column| column.name == DEVICES.name);
                let devices = if wanted { Devices::Counted } else { Devices::Ignored };
                let places = places_in_row(columns, devices);
                let (mut batch, mut flow) = (Batch::default(), ControlFlow::Continue(()));
                warehouse.for_each_row_with(month, devices, &mut |row| {
                    batch.push(&row, &places);
                    if batch.contracts.len() == BATCH_ROWS {
                        flow = take(std::mem::take(&mut batch));
                    }
                    flow
                })?;
                if flow.is_continue() {
                    let _ = take(batch);
                }
                Ok(())
            }
        }
    }
}

/// Where a row of a warehouse has each of these columns.
fn places_in_row(columns: &[&Column], devices: Devices) -> Vec<Option<usize>> {
    let read = columns_read(COLUMNS, devices);
    let place = |compared: &&Column| read.iter().position(|column| column.name == compared.name);
    columns.iter().map(place).collect()
}

impl Batch {
    pub fn of_table(table: &MonthTable, columns: &[&Column]) -> Batch {
        let values: Vec<Values<'_>> = columns.iter().map(|column| column.values(table)).collect();
        let mut batch = Batch::default();
        for row in 0..table.n_rows() {
            batch.contracts.push(table.contracts.get(row));
            for values in &values {
                batch.hold(Some(values.cell(row)));
            }
        }
        batch
    }

    fn push(&mut self, row: &CustomerRow<'_>, places: &[Option<usize>]) {
        self.contracts.push(row.contract);
        for place in places {
            self.hold(place.and_then(|place| row.cells.get(place).copied()));
        }
    }

    fn hold(&mut self, cell: Option<Cell<'_>>) {
        let held = match cell {
            Some(Cell::Integer(number)) => Held::Number(number),
            Some(Cell::Text(label)) => Held::Label(self.place_of(label)),
            Some(Cell::Date(_)) | None => Held::Nothing,
        };
        self.values.push(held);
    }

    /// The place of a label, of which there are few.
    fn place_of(&mut self, label: &str) -> u16 {
        let place = self.labels.iter().position(|known| known == label).unwrap_or_else(|| {
            self.labels.push(label.to_owned());
            self.labels.len() - 1
        });
        // A batch has fewer rows.
        place as u16
    }

    /// The values of a row that are compared.
    pub fn row(&self, row: usize) -> impl Iterator<Item = Compared<'_>> {
        (0..self.n_columns()).map(move |place| self.value(row, place))
    }

    pub fn value(&self, row: usize, place: usize) -> Compared<'_> {
        let n_columns = self.n_columns();
        let held = if place < n_columns { self.values.get(row * n_columns + place) } else { None };
        match held {
            None | Some(Held::Nothing) => Compared::Nothing,
            Some(Held::Number(number)) => Compared::Number(*number),
            Some(Held::Label(place)) => {
                Compared::Label(self.labels.get(usize::from(*place)).map_or("", String::as_str))
            }
        }
    }

    fn n_columns(&self) -> usize {
        self.values.len().checked_div(self.contracts.len()).unwrap_or_default()
    }
}

fn check_month(warehouse: &mut dyn Warehouse, month: Month) -> Result<(), Error> {
    let months = mart::published_months(warehouse)?;
    if months.contains(&month) {
        return Ok(());
    }
    let names: Vec<String> = months.iter().map(Month::to_string).collect();
    let has = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    Err(Error::Usage {
        what: format!("{} has no month {month}; it has {has}", warehouse.address()),
        advice: Some("`viewmart months` lists the months of a warehouse".to_owned()),
    })
}
