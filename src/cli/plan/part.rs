//! What is to be done of parts of a month.

use std::path::PathBuf;

use jiff::civil::Date;

use super::LakePlan;
use crate::cli::values::Threads;
use crate::engine::rules::Rules;
use crate::gate::WarningPolicy;
use crate::lake::HdfsOptions;
use crate::lake::task::TaskSize;

/// `viewmart plan`.
#[derive(Clone, Debug)]
pub struct SplitPlan {
    /// The data.
    pub lake: LakePlan,
    /// How it is cut.
    pub size: TaskSize,
    /// What a warning is.
    pub warnings: WarningPolicy,
}

/// `viewmart scan`.
#[derive(Clone, Debug)]
pub struct ScanPlan {
    /// What is scanned.
    pub task: TaskSource,
    /// What decides a record and labels a customer.
    pub rules: Rules,
    /// The column `Date`.
    pub etl_date: Date,
    /// Threads that scan.
    pub threads: Threads,
    /// Most customers in memory.
    pub max_contracts: Option<u64>,
    /// What happens when the process ends that started this one.
    pub parent: ParentDeath,
    /// How to reach HDFS.
    pub hdfs: HdfsOptions,
    /// Where the rows of the task go.
    pub out: ScanOutput,
}

/// Where the rows of a task go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScanOutput {
    /// Into a month file.
    File(PathBuf),
    /// To stdout, as an Arrow IPC stream.
    Stream,
}

/// Where a task is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskSource {
    /// This is it.
    Text(String),
    /// It is what stdin has.
    Stdin,
}

/// What happens when the process ends that started this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParentDeath {
    /// Nothing.
    Ignore,
    /// This one is killed too.
    Follow(Parent),
}

/// The process that is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parent {
    /// Whichever is the parent when this one comes to it: not the one that started it, where that has ended already.
    Current,
    /// The one of this number.
    Process(u32),
}
