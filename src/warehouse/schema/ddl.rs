//! From tables and views to the statements that make them.

use std::fmt::Write as _;

use super::tables::{Column, ColumnType, Database, Table, View};

/// Which SQL a statement is written for, where the dialects differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite 3. Text is compared byte for byte by itself.
    Sqlite,
    /// MySQL 8 and 9, MariaDB 10.6 and newer.
    Mysql {
        /// A binary collation of `utf8mb4` without padding: `utf8mb4_0900_bin` or `utf8mb4_nopad_bin`.
        collation: &'static str,
    },
}

/// Whether a definition has the comments of its columns, where the dialect knows any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comments {
    /// It has.
    Kept,
    /// It has not: the table is there for a while, and packets may be small.
    LeftOut,
}

impl Database {
    /// The placeholder in statements, braces included.
    pub fn placeholder(self) -> &'static str {
        match self {
            Database::Warehouse => "{warehouse}",
            Database::Mart => "{mart}",
            Database::Work => "{work}",
        }
    }

    /// Names an object in it, with its placeholder.
    pub fn qualify(self, name: &str) -> String {
        match self {
            Database::Warehouse | Database::Mart => format!("{}.{name}", self.placeholder()),
            Database::Work => format!("{}{name}", self.placeholder()),
        }
    }
}

impl Table {
    /// `{database}.name`, with the placeholder of its database.
    pub fn qualified(&self) -> String {
        self.database.qualify(self.name)
    }

    /// Names of the columns, separated by `, `.
    pub fn column_list(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|column| column.name).collect();
        names.join(", ")
    }

    /// The statement that adds the rows of `select`, which gives the columns in order.
    pub fn insert(&self, select: &str) -> String {
        format!("INSERT INTO {} ({})\n{select}", self.qualified(), self.column_list())
    }

    /// The statement that removes the rows of a month.
    pub fn delete_month(&self) -> String {
        format!("DELETE FROM {} WHERE Month = {{month}}", self.qualified())
    }

    /// `(columns, PRIMARY KEY (…))`: what stands after the table's name in `CREATE TABLE`.
    pub fn definition(&self, dialect: Dialect, comments: Comments) -> String {
        let mut text = String::from("(\n");
        for column in self.columns {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  {},", column.definition(dialect, comments));
        }
        let key = self.key.join(", ");
        match dialect {
            // `INTEGER PRIMARY KEY` has to stand at the column itself in SQLite.
            Dialect::Sqlite if self.columns.iter().any(|column| column.column_type == ColumnType::Id) => {
                text.truncate(text.trim_end_matches(",\n").len());
                text.push_str("\n)");
            }
            Dialect::Sqlite => {
                let _ = write!(text, "  PRIMARY KEY ({key})\n) WITHOUT ROWID");
            }
            Dialect::Mysql { collation } => {
                // Other row formats, which a server may have as its default, cannot hold a key with the name of an app.
                let _ = write!(
                    text,
                    "  PRIMARY KEY ({key})\n) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = utf8mb4 COLLATE = \
                     {collation}"
                );
                if comments == Comments::Kept {
                    let _ = write!(text, " COMMENT = {}", comment_literal(self.comment));
                }
            }
        }
        text
    }

    /// The statement that makes the table where it is missing, with placeholders for the databases.
    pub fn create(&self, dialect: Dialect) -> String {
        format!("CREATE TABLE IF NOT EXISTS {} {}", self.qualified(), self.definition(dialect, Comments::Kept))
    }

    /// The statement that gives its comment to a table of an older version, where the dialect knows any.
    pub fn add_comment(&self, dialect: Dialect) -> Option<String> {
        let Dialect::Mysql { .. } = dialect else { return None };
        Some(format!("ALTER TABLE {} COMMENT = {}", self.qualified(), comment_literal(self.comment)))
    }

    /// The statement that adds a column to a table of an older version.
    pub fn add_column(&self, column: &Column, dialect: Dialect) -> String {
        let mut sql =
            format!("ALTER TABLE {} ADD COLUMN {}", self.qualified(), column.definition(dialect, Comments::Kept));
        // MySQL takes 0 and empty text by itself, and no default for long text.
        if dialect == Dialect::Sqlite && column.default.is_empty() {
            sql += match column.column_type {
                ColumnType::Text(_) | ColumnType::LongText | ColumnType::Date | ColumnType::Timestamp => " DEFAULT ''",
                ColumnType::BigInt | ColumnType::Int | ColumnType::Double | ColumnType::Id => " DEFAULT 0",
            };
        }
        sql
    }
}

fn comment_literal(comment: &str) -> String {
    format!("'{}'", comment.replace('\'', "''"))
}

impl Column {
    /// What it means, with its unit.
    pub fn described(&self) -> String {
        let first_word = self.unit.split(' ').next().unwrap_or_default();
        match first_word {
            // Told already.
            "" => self.comment.to_owned(),
            word if self.comment.contains(word) => self.comment.to_owned(),
            _ => format!("{} ({})", self.comment, self.unit),
        }
    }

    /// Its type in words that every SQL database knows.
    pub fn plain_type(&self) -> String {
        match self.column_type {
            ColumnType::Date => "date".to_owned(),
            ColumnType::Timestamp => "timestamp".to_owned(),
            ColumnType::Text(n_chars) => format!("varchar({n_chars})"),
            ColumnType::LongText => "text".to_owned(),
            ColumnType::BigInt | ColumnType::Id => "bigint".to_owned(),
            ColumnType::Int => "int".to_owned(),
            ColumnType::Double => "double".to_owned(),
        }
    }

    /// Name, type and what else stands in a definition.
    fn definition(&self, dialect: Dialect, comments: Comments) -> String {
        let mut text = format!("{} {}", self.name, self.column_type.sql(dialect));
        if !self.default.is_empty() {
            let _ = write!(text, " DEFAULT {}", self.default);
        }
        if let (Dialect::Mysql { .. }, Comments::Kept) = (dialect, comments) {
            let _ = write!(text, " COMMENT {}", comment_literal(&self.described()));
        }
        text
    }
}

impl View {
    /// The statement that makes the view, with placeholders for the databases.
    pub fn create(&self, dialect: Dialect) -> String {
        let columns: Vec<String> = self
            .columns
            .iter()
            .map(|(from, to)| if from == to { (*from).to_owned() } else { format!("{from} AS `{to}`") })
            .collect();
        let (view, columns) = (self.database.qualify(self.name), columns.join(", "));
        let (create, table) = match dialect {
            // The table is named without its database, which may be attached under another name, or not at all.
            Dialect::Sqlite => ("CREATE VIEW IF NOT EXISTS", self.table.to_owned()),
            Dialect::Mysql { .. } => ("CREATE OR REPLACE VIEW", self.database.qualify(self.table)),
        };
        let rows = match self.rows {
            "" => String::new(),
            rows => format!(" WHERE {}", rows.replace("{table}", &table)),
        };
        format!("{create} {view} AS SELECT {columns} FROM {table}{rows}")
    }
}

impl ColumnType {
    fn sql(self, dialect: Dialect) -> String {
        match (self, dialect) {
            (ColumnType::Date, _) => "DATE NOT NULL".to_owned(),
            (ColumnType::Timestamp, Dialect::Sqlite) => "DATETIME NOT NULL".to_owned(),
            (ColumnType::Timestamp, Dialect::Mysql { .. }) => "DATETIME(3) NOT NULL".to_owned(),
            (ColumnType::Text(n_chars), Dialect::Sqlite) => format!("VARCHAR({n_chars}) NOT NULL"),
            (ColumnType::Text(n_chars), Dialect::Mysql { collation }) => {
                format!("VARCHAR({n_chars}) CHARACTER SET utf8mb4 COLLATE {collation} NOT NULL")
            }
            (ColumnType::LongText, Dialect::Sqlite) => "TEXT NOT NULL".to_owned(),
            (ColumnType::LongText, Dialect::Mysql { collation }) => {
                format!("LONGTEXT CHARACTER SET utf8mb4 COLLATE {collation} NOT NULL")
            }
            (ColumnType::BigInt, _) => "BIGINT NOT NULL".to_owned(),
            (ColumnType::Int, _) => "INT NOT NULL".to_owned(),
            (ColumnType::Double, _) => "DOUBLE NOT NULL".to_owned(),
            (ColumnType::Id, Dialect::Sqlite) => "INTEGER PRIMARY KEY AUTOINCREMENT".to_owned(),
            (ColumnType::Id, Dialect::Mysql { .. }) => "BIGINT NOT NULL AUTO_INCREMENT".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::warehouse::schema::tables::{CUSTOMER_BEHAVIOR, ETL_RUN, ETL_RUN_PUBLISHED, customers_with_one_more};

    const MYSQL: Dialect = Dialect::Mysql { collation: "utf8mb4_0900_bin" };

    #[test]
    fn definitions_read_as_expected() {
        let sqlite = CUSTOMER_BEHAVIOR.create(Dialect::Sqlite);
        assert!(
            sqlite.starts_with("CREATE TABLE IF NOT EXISTS {warehouse}.customer_behavior (\n  Month DATE NOT NULL,")
        );
        assert!(sqlite.ends_with("  PRIMARY KEY (Month, Contract)\n) WITHOUT ROWID"), "{sqlite}");
        let mysql = CUSTOMER_BEHAVIOR.create(MYSQL);
        let contract = "  Contract VARCHAR(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin NOT NULL COMMENT '";
        assert!(mysql.contains(contract), "{mysql}");
        assert!(mysql.contains("  TotalDuration BIGINT NOT NULL COMMENT 'seconds of kept records, all"), "{mysql}");
        assert!(mysql.contains("PRIMARY KEY (Month, Contract)\n) ENGINE = InnoDB"), "{mysql}");
        let run = ETL_RUN.create(Dialect::Sqlite);
        assert!(run.contains("(\n  Id INTEGER PRIMARY KEY AUTOINCREMENT,\n"), "{run}");
        assert!(run.contains("  Status VARCHAR(20) NOT NULL DEFAULT 'published',\n"), "{run}");
        assert!(run.ends_with("  Rejected_duplicate_id BIGINT NOT NULL\n)"), "{run}");
    }

    #[test]
    fn a_column_more_is_in_the_definition() {
        let table = customers_with_one_more();
        assert!(table.create(Dialect::Sqlite).contains("  Date DATE NOT NULL,\n  SecondTotal BIGINT NOT NULL,\n"));
        assert!(
            table.create(MYSQL).contains("  SecondTotal BIGINT NOT NULL COMMENT 'a column that a test adds (seconds)'")
        );
        assert!(table.column_list().ends_with("Activeness, Date, SecondTotal"));
    }

    #[test]
    fn added_columns_have_a_value_in_old_rows() {
        let check = |name: &str, sqlite: &str, mysql: &str| {
            let column = ETL_RUN.columns.iter().find(|column| column.name == name).unwrap();
            let (in_sqlite, in_mysql) =
                (ETL_RUN.add_column(column, Dialect::Sqlite), ETL_RUN.add_column(column, MYSQL));
            assert!(in_sqlite.ends_with(sqlite), "{in_sqlite}");
            assert!(in_mysql.contains(mysql), "{in_mysql}");
        };
        check("Status", "ADD COLUMN Status VARCHAR(20) NOT NULL DEFAULT 'published'", "NOT NULL DEFAULT 'published'");
        check("ExitCode", "ADD COLUMN ExitCode INT NOT NULL DEFAULT 0", "INT NOT NULL COMMENT");
        check("RulesText", "RulesText TEXT NOT NULL DEFAULT ''", "COLLATE utf8mb4_0900_bin NOT NULL COMMENT");
    }

    #[test]
    fn the_run_that_stands_is_the_highest_published_one() {
        let rows = "WHERE Id IN (SELECT MAX(Id) FROM etl_run WHERE Status = 'published' GROUP BY Month)";
        let view = ETL_RUN_PUBLISHED.create(Dialect::Sqlite);
        assert!(view.ends_with(&format!("RulesText, InputsSha256, Rejected_duplicate_id FROM etl_run {rows}")));
        let view = ETL_RUN_PUBLISHED.create(MYSQL);
        assert!(view.ends_with(&rows.replace("etl_run", "{warehouse}.etl_run")), "{view}");
    }
}
