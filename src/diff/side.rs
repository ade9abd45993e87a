//! The rows of one side, a batch at a time.

use std::ops::ControlFlow;
use std::path::PathBuf;

use crate::engine::calendar::Month;
use crate::engine::month::{Contracts, MonthTable};
use crate::error::Error;
use crate::mart;
use crate::month_file::{Merge, MergeOptions};
use crate::warehouse::rows::CustomerRow;
use crate::warehouse::{self, OpenOptions, Warehouse, WarehouseUrl};

/// Rows of a batch: many enough that handing it over costs nothing beside them.
const BATCH_ROWS: usize = 1 << 13;

/// One side of a comparison.
#[derive(Clone, Debug)]
pub enum DiffSide {
    /// Month files, or folders of them, that together are a month or a part of one.
    Files(Vec<PathBuf>),
    /// A month in a warehouse.
    Warehouse(Box<WarehouseMonth>),
}

/// A month in a warehouse.
#[derive(Clone, Debug)]
pub struct WarehouseMonth {
    /// The address as it was written.
    pub address: String,
    /// The same, read.
    pub url: WarehouseUrl,
    /// How to open it.
    pub options: OpenOptions,
    /// The month.
    pub month: Month,
}

/// A side that was opened.
pub(super) enum OpenSide {
    Files(Box<Merge>),
    Warehouse(Box<WarehouseMonth>),
}

/// Rows in contract order.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub contracts: Contracts,
    pub rows: Vec<RowValues>,
    /// Labels of the rows.
    labels: Vec<String>,
}

/// The values of a row that are compared.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowValues {
    pub seconds: [i64; 5],
    pub total: i64,
    /// Place of the label in the batch.
    most_watch: u16,
    taste: u16,
    pub activeness: u8,
    /// Active days, which a warehouse does not hold.
    pub days: Option<u32>,
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

    /// Opens it; gives its month too.
    pub(super) fn open(&self) -> Result<(OpenSide, Month), Error> {
        match self {
            DiffSide::Files(paths) => {
                let merge = Merge::open(paths, &MergeOptions::default())?;
                let month = merge.month();
                Ok((OpenSide::Files(Box::new(merge)), month))
            }
            DiffSide::Warehouse(of) => Ok((OpenSide::Warehouse(of.clone()), of.month)),
        }
    }
}

impl OpenSide {
    /// Gives all rows to `take`, until it breaks off.
    pub fn for_each_batch(self, take: &mut dyn FnMut(Batch) -> ControlFlow<()>) -> Result<(), Error> {
        match self {
            OpenSide::Files(merge) => Ok(merge.for_each_batch(BATCH_ROWS, &mut |table| take(Batch::of_table(table)))?),
            OpenSide::Warehouse(of) => {
                let WarehouseMonth { url, options, month, .. } = *of;
                let mut warehouse = warehouse::open(&url, &options)?;
                check_month(&mut *warehouse, month)?;
                let (mut batch, mut flow) = (Batch::default(), ControlFlow::Continue(()));
                warehouse.for_each_row(month, &mut |row| {
                    batch.push(&row);
                    if batch.rows.len() == BATCH_ROWS {
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

impl Batch {
    fn of_table(table: &MonthTable) -> Batch {
        let mut batch = Batch::default();
        for row in 0..table.n_rows() {
            let labels = [table.most_watch(row), table.taste(row)];
            let [most_watch, taste] = labels.map(|label| batch.place_of(label));
            batch.contracts.push(table.contracts.get(row));
            batch.rows.push(RowValues {
                seconds: std::array::from_fn(|category| table.seconds[category][row]),
                total: table.total[row],
                most_watch,
                taste,
                activeness: table.activeness[row],
                days: Some(table.days[row]),
            });
        }
        batch
    }

    fn push(&mut self, row: &CustomerRow<'_>) {
        let (most_watch, taste) = (self.place_of(row.most_watch), self.place_of(row.taste));
        let CustomerRow { contract, seconds, total, activeness, .. } = *row;
        self.contracts.push(contract);
        self.rows.push(RowValues { seconds, total, most_watch, taste, activeness, days: None });
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

    pub fn most_watch(&self, row: usize) -> &str {
        &self.labels[usize::from(self.rows[row].most_watch)]
    }

    pub fn taste(&self, row: usize) -> &str {
        &self.labels[usize::from(self.rows[row].taste)]
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
