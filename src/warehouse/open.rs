//! From an address to a warehouse of the right kind.

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

/// Whether the warehouse at `url` can be reached and used. No data is changed; the rights of a MySQL account are tried
/// on tables that are made for it and dropped again.
pub fn examine(url: &WarehouseUrl, options: &OpenOptions) -> Vec<Check> {
    let mut checks = Vec::new();
    if let WarehouseUrl::Mysql(url) = url {
        let mysql = MysqlOptions { mart_db: options.mart_db.clone(), ..options.mysql.clone() };
        checks.extend(mysql::warehouse_checks(url, &mysql).into_iter().map(Check::from));
        if checks.iter().any(|check| check.verdict == Verdict::Failed) {
            return checks;
        }
    }
    let months = open(url, options).and_then(|mut warehouse| {
        let months = match url {
            // A file that is not there yet is no fault: a run makes it.
            WarehouseUrl::Sqlite(path) if !path.exists() => Vec::new(),
            _ => warehouse.months()?,
        };
        Ok((warehouse.address(), months.len()))
    });
    checks.push(match months {
        Ok((address, n_months)) => {
            Check::good(Part::Warehouse, "warehouse", format!("{address}, {n_months} months in the mart"))
        }
        Err(error) => Check::bad(Part::Warehouse, "warehouse", Verdict::Failed, &error),
    });
    checks
}

impl From<mysql::Finding> for Check {
    fn from(finding: mysql::Finding) -> Check {
        let verdict = match finding.outcome {
            mysql::Outcome::Good => Verdict::Good,
            mysql::Outcome::Warning => Verdict::Warning,
            mysql::Outcome::Failed => Verdict::Failed,
        };
        let mysql::Finding { what, found, advice, .. } = finding;
        Check { part: Part::Warehouse, what: what.to_owned(), verdict, found, advice }
    }
}
