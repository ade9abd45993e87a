//! From an address to a warehouse of the right kind.

use super::mysql::{self, MysqlOptions, MysqlWarehouse};
use super::{MartSchema, SqliteWarehouse, Warehouse, WarehouseError, WarehouseUrl};
use crate::check::{Area, Check, Verdict};

/// What is needed besides the address.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    /// Database of the mart, or the one that the warehouse chooses.
    pub mart_db: Option<String>,
    /// How to reach and load a MySQL server.
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
            Ok(Box::new(MysqlWarehouse::open(url, options.mart_db.as_deref(), options.mysql.clone())?))
        }
    }
}

/// Whether the warehouse at `url` can be reached and used. No data is changed; the rights of a MySQL account are tried
/// on tables that are made for it and dropped again.
pub fn examine(url: &WarehouseUrl, options: &OpenOptions, mart: &MartSchema) -> Vec<Check> {
    match url {
        WarehouseUrl::Sqlite(path) => {
            let found = SqliteWarehouse::open(path, options.mart_db.as_deref()).and_then(|w| w.examine(mart));
            vec![check_of(found)]
        }
        WarehouseUrl::Mysql(address) => {
            let mart_db = options.mart_db.as_deref();
            let mut checks = mysql::examine(address, mart_db, &options.mysql, mart);
            if checks.iter().all(|check| check.verdict != Verdict::Failed) {
                checks.push(check_of(open(url, options).and_then(|mut warehouse| {
                    let n_months = warehouse.months()?.len();
                    Ok(format!("{}, {n_months} months in the mart", warehouse.address()))
                })));
            }
            checks
        }
    }
}

fn check_of(found: Result<String, WarehouseError>) -> Check {
    match found {
        Ok(found) => Check::good(Area::Warehouse, "warehouse", found),
        Err(error) => Check::bad(Area::Warehouse, "warehouse", Verdict::Failed, &error),
    }
}
