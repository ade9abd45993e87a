//! From an address to a warehouse of the right kind.

use std::path::Path;

use super::mysql::{self, MysqlOptions, MysqlWarehouse};
use super::{SqliteWarehouse, Warehouse, WarehouseError, WarehouseUrl};
use crate::doctor::{Check, Part, Verdict};

/// What is needed besides the address.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    /// Database of the mart, or the one that the warehouse chooses.
    pub mart_db: Option<String>,
    /// How to reach and load a MySQL server; its `mart_db` is not looked at.
    pub mysql: MysqlOptions,
}

/// Opens the warehouse at `url`. Creates nothing: that is for [`Warehouse::prepare`].
///
/// # Errors
/// The address or the name of the mart is not usable, or the server does not answer.
pub fn open(url: &WarehouseUrl, options: &OpenOptions) -> Result<Box<dyn Warehouse>, WarehouseError> {
    match url {
        WarehouseUrl::Sqlite(path) => Ok(Box::new(SqliteWarehouse::open(path, options.mart_db.as_deref())?)),
        WarehouseUrl::Mysql(url) => {
            let mysql = MysqlOptions { mart_db: options.mart_db.clone(), ..options.mysql.clone() };
            Ok(Box::new(MysqlWarehouse::open(url, mysql)?))
        }
    }
}

/// Whether the warehouse at `url` can be reached and used. Changes nothing that a reader could see.
pub fn examine(url: &WarehouseUrl, options: &OpenOptions) -> Vec<Check> {
    match url {
        WarehouseUrl::Sqlite(path) => vec![examine_sqlite(path, options)],
        WarehouseUrl::Mysql(server) => {
            let options = MysqlOptions { mart_db: options.mart_db.clone(), ..options.mysql.clone() };
            mysql::warehouse_checks(server, &options).into_iter().map(Check::from).collect()
        }
    }
}

fn examine_sqlite(path: &Path, options: &OpenOptions) -> Check {
    let looked = SqliteWarehouse::open(path, options.mart_db.as_deref()).and_then(|mut warehouse| {
        // A file that is not there yet is no fault: a run makes it.
        let n_months = if path.exists() { warehouse.months()?.len() } else { 0 };
        Ok((warehouse.address(), n_months))
    });
    match looked {
        Ok((address, n_months)) => {
            Check::good(Part::Warehouse, "warehouse", format!("{address}, {n_months} months in the mart"))
        }
        Err(error) => Check::bad(Part::Warehouse, "warehouse", Verdict::Failed, &error),
    }
}

impl From<mysql::Finding> for Check {
    fn from(finding: mysql::Finding) -> Check {
        let verdict = match finding.outcome {
            mysql::Outcome::Good => Verdict::Good,
            mysql::Outcome::Warning => Verdict::Warning,
            mysql::Outcome::Failed => Verdict::Failed,
        };
        Check {
            part: Part::Warehouse,
            what: finding.what.to_owned(),
            verdict,
            found: finding.found,
            advice: finding.advice,
        }
    }
}
