//! Which version of the schema a database has, and how it gets to this one.
//!
//! The version stands beside the tables: in SQLite as `user_version`, in MySQL in a table of one row. Version 1, that of
//! viewmart 0.1, was not written down: it is known by its columns. A table of one of our names with other columns is not
//! ours, and nothing is touched then.

use std::collections::{BTreeMap, BTreeSet};

use super::{Column, Database, Dialect, ETL_RUN, ETL_RUN_APP, MART_RUN, MART_WAREHOUSE_ID, Table, View};
use crate::warehouse::{MartSchema, RunStatus, WarehouseStanding};

/// The version that this program makes and reads.
pub(in crate::warehouse) const SCHEMA_VERSION: u32 = 2;

/// The table of version 1 that counted apps without a category.
const ETL_RUN_UNMAPPED_APP: &str = "etl_run_unmapped_app";

/// What one database should hold.
#[derive(Clone, Debug)]
pub(in crate::warehouse) struct Schema<'a> {
    pub database: Database,
    pub tables: Vec<&'a Table>,
    pub views: Vec<&'a View>,
    /// Of a mart the table of version 1 that has a row for each month.
    pub totals: Option<&'a Table>,
}

/// What it holds.
#[derive(Clone, Debug, Default)]
pub(in crate::warehouse) struct Found {
    /// The version written down, or 0 where there is none.
    pub version: u32,
    /// The columns of its tables and views, in order, by name.
    pub columns: BTreeMap<String, Vec<String>>,
    /// Which of these are views.
    pub views: BTreeSet<String>,
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectKind {
    Table,
    View,
}

impl ObjectKind {
    /// The word for it.
    fn name(self) -> &'static str {
        match self {
            ObjectKind::Table => "table",
            ObjectKind::View => "view",
        }
    }
}

impl Found {
    fn kind(&self, object: &str) -> ObjectKind {
        if self.views.contains(object) { ObjectKind::View } else { ObjectKind::Table }
    }

    fn foreign(&self, object: &str) -> Misfit {
        Misfit::Foreign { object: object.to_owned(), kind: self.kind(object) }
    }
}

/// Why a database cannot be used as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// An older program made it, or its making was interrupted, and it is only to be read.
    Older,
    /// A newer program made it, with this version.
    Newer(u32),
    /// A table or view of one of our names that we did not make.
    Foreign { object: String, kind: ObjectKind },
    /// Some other program keeps its own version in it, and none of our tables.
    OtherProgram(u32),
}

/// How far a database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::warehouse) enum Standing {
    /// None of our tables is there.
    Empty,
    /// An older program made it, or its making was interrupted.
    Older,
    /// As it should be.
    Current,
}

impl WarehouseStanding {
    /// Of both databases.
    pub(in crate::warehouse) fn of(warehouse: &Standing, mart: &Standing) -> WarehouseStanding {
        match (warehouse, mart) {
            (Standing::Empty, _) => WarehouseStanding::Absent,
            (Standing::Current, Standing::Current) => WarehouseStanding::Current,
            _ => WarehouseStanding::Outdated,
        }
    }
}

impl Found {
    /// The query for the runs of a warehouse, see [`crate::warehouse::Warehouse::recorded_runs`]; none where it has none.
    pub(in crate::warehouse) fn select_runs(&self) -> Option<String> {
        let found = self.columns.get(ETL_RUN.name)?;
        let column = |name: &str, otherwise: &str| {
            let is_there = found.iter().any(|column| column == name);
            if is_there { name.to_owned() } else { format!("'{otherwise}'") }
        };
        let (status, inputs) = (column("Status", RunStatus::Published.name()), column("InputsSha256", ""));
        let table = ETL_RUN.qualified();
        Some(format!("SELECT Month, Id, {status}, RulesName, RulesSha256, {inputs} FROM {table} ORDER BY Id"))
    }
}

impl Schema<'static> {
    /// What a warehouse should hold.
    pub(in crate::warehouse) fn of_warehouse() -> Schema<'static> {
        Schema {
            database: Database::Warehouse,
            tables: super::WAREHOUSE_TABLES.iter().collect(),
            views: super::WAREHOUSE_VIEWS.iter().collect(),
            totals: None,
        }
    }

    /// What a mart should hold.
    pub(in crate::warehouse) fn of_mart(mart: &MartSchema) -> Schema<'static> {
        Schema {
            database: Database::Mart,
            tables: mart.tables.iter().copied().chain([&MART_RUN, &MART_WAREHOUSE_ID]).collect(),
            views: mart.views.clone(),
            totals: Some(mart.totals),
        }
    }
}

impl Schema<'_> {
    /// How far a database is, without touching it.
    ///
    /// # Errors
    /// It is not ours, or newer than this program.
    pub(in crate::warehouse) fn standing(&self, found: &Found) -> Result<Standing, Misfit> {
        let ours: Vec<&str> = self.names().filter(|name| found.columns.contains_key(*name)).collect();
        if ours.is_empty() {
            return match found.version {
                0 => Ok(Standing::Empty),
                version => Err(Misfit::OtherProgram(version)),
            };
        }
        if found.version > SCHEMA_VERSION {
            return Err(Misfit::Newer(found.version));
        }
        for table in &self.tables {
            let Some(columns) = found.columns.get(table.name) else { continue };
            if found.kind(table.name) != ObjectKind::Table || !is_version_of(table.columns, columns) {
                return Err(found.foreign(table.name));
            }
        }
        for view in &self.views {
            let Some(columns) = found.columns.get(view.name) else { continue };
            // Those of an older version have fewer.
            let ours = view.columns.iter().map(|(_, name)| *name).take(columns.len());
            if found.kind(view.name) != ObjectKind::View || !ours.eq(columns.iter().map(String::as_str)) {
                return Err(found.foreign(view.name));
            }
        }
        let is_whole =
            self.names().all(|name| found.columns.get(name).is_some_and(|c| c.len() == self.n_columns(name)));
        Ok(if is_whole && found.version == SCHEMA_VERSION { Standing::Current } else { Standing::Older })
    }

    /// The statements that bring a database of a known standing to this version, in order, each of which may be run
    /// again; placeholders stand for the databases. The version is to be written down after them.
    pub(in crate::warehouse) fn upgrade(&self, found: &Found, dialect: Dialect) -> Vec<String> {
        let mut statements = Vec::new();
        for table in &self.tables {
            match found.columns.get(table.name) {
                None => statements.push(table.create(dialect)),
                Some(columns) => {
                    let missing = table.columns.iter().skip(columns.len());
                    statements.extend(missing.map(|column| table.add_column(column, dialect)));
                    statements.extend(table.add_comment(dialect).filter(|_| found.version < SCHEMA_VERSION));
                }
            }
        }
        for view in &self.views {
            match found.columns.get(view.name) {
                // One of an older version may show other rows.
                Some(columns) if columns.len() == view.columns.len() && found.version == SCHEMA_VERSION => {}
                Some(_) => {
                    statements.push(format!("DROP VIEW {}", self.database.qualify(view.name)));
                    statements.push(view.create(dialect));
                }
                None => statements.push(view.create(dialect)),
            }
        }
        statements.extend(self.moves(found));
        statements
    }

    /// What takes rows of version 1 to their new place.
    fn moves(&self, found: &Found) -> Vec<String> {
        match self.database {
            Database::Warehouse if found.columns.contains_key(ETL_RUN_UNMAPPED_APP) => {
                let (old, new) = (self.database.qualify(ETL_RUN_UNMAPPED_APP), ETL_RUN_APP.qualified());
                vec![
                    // Where a move was interrupted.
                    format!("DELETE FROM {new} WHERE Run IN (SELECT Run FROM {old})"),
                    ETL_RUN_APP.insert(&format!("SELECT Run, App, '', Records, 0 FROM {old}")),
                    format!("DROP TABLE {old}"),
                ]
            }
            Database::Mart if found.version < SCHEMA_VERSION => {
                let Some(totals) = self.totals.filter(|totals| found.columns.contains_key(totals.name)) else {
                    return Vec::new();
                };
                // Nobody knows which run they were made from.
                let (totals, run) = (totals.qualified(), MART_RUN.qualified());
                let rows = format!("SELECT Month, 0 FROM {totals} WHERE Month NOT IN (SELECT Month FROM {run})");
                vec![MART_RUN.insert(&rows)]
            }
            _ => Vec::new(),
        }
    }

    /// Names of all tables and views.
    pub(in crate::warehouse) fn names(&self) -> impl Iterator<Item = &str> {
        self.tables.iter().map(|table| table.name).chain(self.views.iter().map(|view| view.name))
    }

    fn n_columns(&self, name: &str) -> usize {
        let table = self.tables.iter().find(|table| table.name == name).map(|table| table.columns.len());
        let view = || self.views.iter().find(|view| view.name == name).map(|view| view.columns.len());
        table.or_else(view).unwrap_or_default()
    }
}

/// Whether `found` are the first of our columns, at least all of the first version that had any.
fn is_version_of(ours: &[Column], found: &[String]) -> bool {
    let since = ours.first().map_or(1, |column| column.since);
    let n_first = ours.iter().filter(|column| column.since == since).count();
    (n_first..=ours.len()).contains(&found.len())
        && ours.iter().map(|column| column.name).take(found.len()).eq(found.iter().map(String::as_str))
}

impl Misfit {
    /// What is wrong, of a database called `name`.
    pub(in crate::warehouse) fn why(&self, name: &str) -> String {
        match self {
            Misfit::Older => format!(
                "{name} was made by an older viewmart, or its making was interrupted; its tables have to be brought up \
                 to date first"
            ),
            Misfit::Newer(version) => format!(
                "{name} was made by a newer viewmart: its schema is version {version}, this program knows version \
                 {SCHEMA_VERSION}"
            ),
            Misfit::Foreign { object, kind } => {
                format!(
                    "the {} {object} in {name} has another form than ours: this program did not make it",
                    kind.name()
                )
            }
            Misfit::OtherProgram(version) => {
                format!("{name} belongs to another program, which keeps its version {version} in it")
            }
        }
    }

    /// What to do about it, in a database called `name`.
    pub(in crate::warehouse) fn advice(&self, name: &str, dialect: Dialect) -> String {
        match self {
            Misfit::Older => {
                "run `viewmart mart --month YYYY-MM` on it, or the next `viewmart run`: both bring it up to date"
                    .to_owned()
            }
            Misfit::Newer(_) => "use that version of viewmart, or give another database".to_owned(),
            Misfit::Foreign { object, kind } => {
                let way = match (dialect, kind) {
                    (Dialect::Mysql { .. }, _) => {
                        format!("rename it (RENAME TABLE {name}.{object} TO {name}.{object}_old)")
                    }
                    (Dialect::Sqlite, ObjectKind::Table) => {
                        format!("rename it (ALTER TABLE {object} RENAME TO {object}_old)")
                    }
                    // A view of SQLite has no other name than its first.
                    (Dialect::Sqlite, ObjectKind::View) => format!("remove it (DROP VIEW {object})"),
                };
                format!("{way}, or give another database")
            }
            Misfit::OtherProgram(_) => "give another database".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::warehouse::schema::{CUSTOMER_BEHAVIOR, ETL_RUN_PUBLISHED, customers_with_one_more};

    fn schema() -> Schema<'static> {
        Schema {
            database: Database::Warehouse,
            tables: vec![&CUSTOMER_BEHAVIOR, &ETL_RUN, &ETL_RUN_APP],
            views: vec![&ETL_RUN_PUBLISHED],
            totals: None,
        }
    }

    fn names(table: &Table, n_columns: usize) -> Vec<String> {
        table.columns.iter().take(n_columns).map(|column| column.name.to_owned()).collect()
    }

    fn found(version: u32, objects: &[(&str, Vec<String>)]) -> Found {
        Found {
            version,
            columns: objects.iter().map(|(name, columns)| ((*name).to_owned(), columns.clone())).collect(),
            views: BTreeSet::from(["etl_run_published".to_owned()]),
        }
    }

    #[test]
    fn a_database_is_known_by_its_version_and_columns() {
        let check = |version: u32, objects: &[(&str, Vec<String>)], expected: Result<Standing, Misfit>| {
            assert_eq!(schema().standing(&found(version, objects)), expected, "{version} {objects:?}");
        };
        let run = |n_columns: usize| ("etl_run", names(&ETL_RUN, n_columns));
        let other = |name: &'static str| (name, vec!["Contract".to_owned()]);
        let all = [
            ("customer_behavior", names(&CUSTOMER_BEHAVIOR, 12)),
            run(26),
            ("etl_run_app", names(&ETL_RUN_APP, 5)),
            ("etl_run_published", names(&ETL_RUN, 26)),
        ];
        check(0, &[], Ok(Standing::Empty));
        check(0, &[other("somebody_elses")], Ok(Standing::Empty));
        check(1, &[other("somebody_elses")], Err(Misfit::OtherProgram(1)));
        check(60, &[], Err(Misfit::OtherProgram(60)));
        check(0, &[run(20)], Ok(Standing::Older));
        check(0, &[run(23)], Ok(Standing::Older));
        let foreign = |object: &str, kind| Err(Misfit::Foreign { object: object.to_owned(), kind });
        check(0, &[run(19)], foreign("etl_run", ObjectKind::Table));
        check(0, &[run(20), other("customer_behavior")], foreign("customer_behavior", ObjectKind::Table));
        check(2, &[run(26), other("etl_run_app")], foreign("etl_run_app", ObjectKind::Table));
        check(2, &[run(26), other("etl_run_published")], foreign("etl_run_published", ObjectKind::View));
        check(0, &all, Ok(Standing::Older));
        check(2, &all, Ok(Standing::Current));
        check(2, &all[..3], Ok(Standing::Older));
        check(3, &all, Err(Misfit::Newer(3)));
        // As it should be, save that one is a table instead of a view, or the other way round.
        let check_kinds = |views: &[&str], expected: Result<Standing, Misfit>| {
            let views = views.iter().map(|view| (*view).to_owned()).collect();
            assert_eq!(schema().standing(&Found { views, ..found(2, &all) }), expected);
        };
        check_kinds(&["etl_run_published"], Ok(Standing::Current));
        check_kinds(&[], foreign("etl_run_published", ObjectKind::Table));
        check_kinds(&["etl_run_published", "etl_run"], foreign("etl_run", ObjectKind::View));
    }

    #[test]
    fn what_is_not_ours_is_named_with_what_puts_it_out_of_the_way() {
        let check = |kind: ObjectKind, dialect: Dialect, why: &str, advice: &str| {
            let misfit = Misfit::Foreign { object: "etl_run".to_owned(), kind };
            assert_eq!(misfit.why("`tv`"), format!("{why} has another form than ours: this program did not make it"));
            assert_eq!(misfit.advice("`tv`", dialect), format!("{advice}, or give another database"));
        };
        let mysql = Dialect::Mysql { collation: "utf8mb4_bin" };
        let renamed = "rename it (RENAME TABLE `tv`.etl_run TO `tv`.etl_run_old)";
        check(ObjectKind::Table, mysql, "the table etl_run in `tv`", renamed);
        check(ObjectKind::View, mysql, "the view etl_run in `tv`", renamed);
        let renamed = "rename it (ALTER TABLE etl_run RENAME TO etl_run_old)";
        check(ObjectKind::Table, Dialect::Sqlite, "the table etl_run in `tv`", renamed);
        check(ObjectKind::View, Dialect::Sqlite, "the view etl_run in `tv`", "remove it (DROP VIEW etl_run)");
    }

    #[test]
    fn a_column_more_of_the_customers_is_added_to_what_an_older_program_made() {
        let customers = customers_with_one_more();
        let schema =
            Schema { database: Database::Warehouse, tables: vec![&customers], views: Vec::new(), totals: None };
        let old = found(1, &[("customer_behavior", names(&CUSTOMER_BEHAVIOR, 12))]);
        assert_eq!(schema.standing(&old), Ok(Standing::Older));
        let added = "ALTER TABLE {warehouse}.customer_behavior ADD COLUMN SecondTotal BIGINT NOT NULL DEFAULT 0";
        assert_eq!(schema.upgrade(&old, Dialect::Sqlite), [added]);
    }

    #[test]
    fn an_upgrade_only_adds() {
        let old = found(
            0,
            &[
                ("customer_behavior", names(&CUSTOMER_BEHAVIOR, 12)),
                ("etl_run", names(&ETL_RUN, 23)),
                (ETL_RUN_UNMAPPED_APP, vec!["Run".to_owned()]),
            ],
        );
        let statements = schema().upgrade(&old, Dialect::Sqlite);
        let starts: Vec<&str> = statements.iter().map(|sql| sql.split(['(', '\n']).next().unwrap().trim()).collect();
        assert_eq!(
            starts,
            [
                "ALTER TABLE {warehouse}.etl_run ADD COLUMN RulesText TEXT NOT NULL DEFAULT ''",
                "ALTER TABLE {warehouse}.etl_run ADD COLUMN InputsSha256 VARCHAR",
                "ALTER TABLE {warehouse}.etl_run ADD COLUMN Rejected_duplicate_id BIGINT NOT NULL DEFAULT 0",
                "CREATE TABLE IF NOT EXISTS {warehouse}.etl_run_app",
                &format!(
                    "CREATE VIEW IF NOT EXISTS {{warehouse}}.etl_run_published AS SELECT {} FROM etl_run WHERE Id IN",
                    ETL_RUN.column_list()
                ),
                "DELETE FROM {warehouse}.etl_run_app WHERE Run IN",
                "INSERT INTO {warehouse}.etl_run_app",
                "DROP TABLE {warehouse}.etl_run_unmapped_app",
            ]
        );
    }
}
