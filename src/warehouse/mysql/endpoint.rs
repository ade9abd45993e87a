//! What every message needs to know of the server that it is about, without a connection to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::names::QuotedNames;
use super::url::Secret;

/// What the account needs on both databases.
pub const PRIVILEGES: &str = "SELECT, INSERT, DELETE, CREATE, DROP, ALTER, CREATE VIEW";

/// The server, the account and both databases.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    pub address: String,
    pub user: String,
    pub names: QuotedNames,
    pub connect_timeout: Duration,
    pub statement_timeout: Duration,
    pub password: Option<Secret>,
    /// See [`super::settings::Server::grants_literally`]; what the last connection found.
    pub grants_literally: Arc<AtomicBool>,
}

impl Endpoint {
    /// `text` without the password.
    pub fn blot(&self, text: &str) -> String {
        self.password.as_ref().map_or_else(|| text.to_owned(), |password| password.blot(text))
    }

    /// The statements that give the account what it needs.
    pub fn grants(&self) -> String {
        [&self.names.warehouse, &self.names.mart].map(|database| self.grant_on(database)).join(" ")
    }

    /// The one for a database, whose name is in backticks.
    pub fn grant_on(&self, database: &str) -> String {
        let account = format!("'{}'@'%'", self.user.replace('\'', "''"));
        // `_` and `%` stand for anything there.
        let pattern = match self.grants_literally.load(Ordering::Relaxed) {
            true => database.to_owned(),
            false => database.replace('_', "\\_").replace('%', "\\%"),
        };
        format!("GRANT {PRIVILEGES} ON {pattern}.* TO {account};")
    }

    #[cfg(test)]
    pub fn for_tests() -> Endpoint {
        use super::names::quoted;
        Endpoint {
            address: "mysql://etl@h:1/tv".to_owned(),
            user: "etl".to_owned(),
            names: QuotedNames { warehouse: quoted("tv"), mart: quoted("tv_mart") },
            connect_timeout: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(60),
            password: Some(Secret::new("hunter2")),
            grants_literally: Arc::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_for_one_database() {
        let endpoint = Endpoint::for_tests();
        assert!(
            endpoint.grants().contains("CREATE VIEW ON `tv`.* TO 'etl'@'%'; GRANT SELECT"),
            "{}",
            endpoint.grants()
        );
        assert!(endpoint.grants().ends_with("ON `tv\\_mart`.* TO 'etl'@'%';"), "{}", endpoint.grants());
        endpoint.grants_literally.store(true, Ordering::Relaxed);
        assert!(endpoint.grants().ends_with("ON `tv_mart`.* TO 'etl'@'%';"), "{}", endpoint.grants());
    }
}
