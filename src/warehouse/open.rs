//! From an address to a warehouse of the right kind.

use super::mysql::{MysqlOptions, MysqlWarehouse};
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

/// Whether the warehouse at `url` can be reached and used. Changes nothing.
pub fn examine(url: &WarehouseUrl, options: &OpenOptions) -> Vec<Check> {
    let months = open(url, options).and_then(|mut warehouse| {
        let months = match url {
            // A file that is not there yet is no fault: a run makes it.
            WarehouseUrl::Sqlite(path) if !path.exists() => Vec::new(),
            _ => warehouse.months()?,
        };
        Ok((warehouse.address(), months.len()))
    });
    match months {
        Ok((address, n_months)) => {
            vec![Check::good(Part::Warehouse, "warehouse", format!("{address}, {n_months} months in the mart"))]
        }
        Err(error) => vec![Check::bad(Part::Warehouse, "warehouse", Verdict::Failed, &error)],
    }
}
