//! The address of a warehouse, as given with `--warehouse`.

use std::path::{Path, PathBuf};

use super::WarehouseError;
use super::mysql::MysqlUrl;
use crate::redact::redact;

/// Which database, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WarehouseUrl {
    /// `sqlite:PATH`: a file, made when missing.
    Sqlite(PathBuf),
    /// `mysql://…`: a server.
    Mysql(MysqlUrl),
}

impl WarehouseUrl {
    /// Reads an address. A password in it is refused: everyone on the machine can read it in the process list.
    ///
    /// # Errors
    /// [`WarehouseError::Address`] with any password blotted out.
    pub fn parse(text: &str) -> Result<WarehouseUrl, WarehouseError> {
        let refuse = |why: &str| Err(WarehouseError::Address { url: redact(text), why: why.to_owned() });
        let Some((scheme, rest)) = text.split_once(':') else {
            return refuse("it has no scheme");
        };
        match scheme {
            "sqlite" => {
                let path = rest.strip_prefix("//").unwrap_or(rest);
                match path {
                    "" => refuse("the path is empty"),
                    ":memory:" => refuse("a warehouse in memory is gone when the program ends"),
                    path => Ok(WarehouseUrl::Sqlite(PathBuf::from(path))),
                }
            }
            "mysql" => MysqlUrl::parse(text).map(WarehouseUrl::Mysql),
            _ => refuse("the scheme is neither `sqlite` nor `mysql`"),
        }
    }

    /// The address `text`, a relative path in it joined to a folder by `join`. What is no address stays as it is.
    pub fn with_path_joined(text: &str, join: impl Fn(&str) -> String) -> String {
        let url = WarehouseUrl::parse(text).ok();
        let relative = url.as_ref().and_then(WarehouseUrl::file).filter(|path| path.is_relative());
        relative.map_or_else(|| text.to_owned(), |path| format!("sqlite:{}", join(&path.to_string_lossy())))
    }

    /// The path of the warehouse, where it is a file.
    pub fn file(&self) -> Option<&Path> {
        match self {
            WarehouseUrl::Sqlite(path) => Some(path),
            WarehouseUrl::Mysql(_) => None,
        }
    }

    /// The embedded warehouse in the output folder.
    pub fn embedded(out: &Path) -> WarehouseUrl {
        WarehouseUrl::Sqlite(out.join("warehouse.db"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_known_or_refused() {
        let check = |text: &str, expected: Result<WarehouseUrl, &str>| {
            let found = WarehouseUrl::parse(text);
            match (found, expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected),
                (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{text}: {error}"),
                (found, _) => panic!("{text}: {found:?}"),
            }
        };
        check("sqlite:a/b.db", Ok(WarehouseUrl::Sqlite("a/b.db".into())));
        check("sqlite:///a/b.db", Ok(WarehouseUrl::Sqlite("/a/b.db".into())));
        check("sqlite:/a b/ü.db", Ok(WarehouseUrl::Sqlite("/a b/ü.db".into())));
        let server = MysqlUrl::parse("mysql://u@h:3306/db").unwrap();
        check("mysql://u@h:3306/db", Ok(WarehouseUrl::Mysql(server)));
        check("", Err("no scheme"));
        check("warehouse.db", Err("no scheme"));
        check("sqlite:", Err("the path is empty"));
        check("sqlite::memory:", Err("in memory"));
        check("postgres://h/db", Err("neither"));
        check("mysql:h/db", Err("mysql://"));
        check("mysql://u:secret@h/db", Err("VIEWMART_MYSQL_PASSWORD"));
    }

    #[test]
    fn a_relative_path_starts_at_a_folder() {
        let check = |text: &str, expected: &str| {
            let join = |path: &str| Path::new("/folder").join(path).to_str().unwrap().to_owned();
            assert_eq!(WarehouseUrl::with_path_joined(text, join), expected);
        };
        check("sqlite:a.db", "sqlite:/folder/a.db");
        check("sqlite:/a.db", "sqlite:/a.db");
        check("sqlite:///a.db", "sqlite:///a.db");
        check("mysql://u@h:1/tv", "mysql://u@h:1/tv");
        check("sqlite::memory:", "sqlite::memory:");
        check("sqlite:", "sqlite:");
        check("a.db", "a.db");
    }

    #[test]
    fn no_password_is_ever_shown() {
        let check = |text: &str| {
            let error = WarehouseUrl::parse(text).unwrap_err().to_string();
            assert!(!error.contains("cret"), "{error}");
        };
        check("mysql://u:secret@h/db");
        check("mysql://u:se@cret@h/db");
        check("mysql://u:se/cret@h/db");
        check("mysql://u:se//cret@h/db");
        check("mysql://:secret@h/db");
        check("mysql://u:se?cret@h/db");
        check("mysql://u:se?password=x&cret@h/db");
        check("mariadb://u:secret@h/db");
        check("mysql://u@h/db?password=secret");
        check("mysql://u@h/db?ssl-mode=REQUIRED&Password=se&cret");
        check("mysql://u@h/db?user=u;PWD=secret");
        check("jdbc:mysql://h/db?user=u&password=secret");
        check("jdbc:mysql://u:secret@h/db");
        check("jdbc:mysql://(host=h,password=secret)/db");
        check("jdbc:mysql://address=(host=h)(password = secret)/db");
        check("mysql:u:secret@h/db");
        check("mysql:secret@h/db");
        check("u:secret@h/db");
        check("mysql:u@h/db?password=secret");
        check("u@h/db?sslpassword=secret");
        check("host=h user=u password=secret");
    }
}
