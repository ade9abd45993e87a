//! `viewmart schema`: the data dictionary of warehouse and mart, from the declarations of their tables.

use std::fmt::Write as _;

use clap::ValueEnum;

use crate::mart;
use crate::warehouse::schema::{Table, View, WAREHOUSE_TABLES, WAREHOUSE_VIEWS};

/// The form of the dictionary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum SchemaFormat {
    /// Tables in Markdown.
    Markdown,
    /// `sources.yml` of a dbt project.
    Dbt,
}

/// A database, as far as people read it.
struct Section {
    title: &'static str,
    /// What dbt calls it, the variable that names its database there, and the name without one.
    source: [&'static str; 3],
    tables: Vec<Table>,
    views: Vec<View>,
}

/// The dictionary in this form.
pub(super) fn show(format: SchemaFormat) -> String {
    let mart = mart::schema();
    let sections = [
        Section {
            title: "Warehouse",
            source: ["viewmart", "DBT_VIEWMART_SCHEMA", "tv"],
            tables: WAREHOUSE_TABLES.to_vec(),
            views: WAREHOUSE_VIEWS.to_vec(),
        },
        Section {
            title: "Mart",
            source: ["viewmart_mart", "DBT_VIEWMART_MART_SCHEMA", "tv_mart"],
            tables: mart.tables.iter().map(|table| **table).chain(mart.records()).collect(),
            views: mart.views.iter().map(|view| **view).collect(),
        },
    ];
    match format {
        SchemaFormat::Markdown => markdown(&sections),
        SchemaFormat::Dbt => dbt(&sections),
    }
}

/// The table that a view shows.
fn table_of<'a>(section: &'a Section, view: &View) -> impl Iterator<Item = (&'static str, String)> + use<'a> {
    let table = section.tables.iter().find(|table| table.name == view.table);
    let columns: Vec<(&str, String)> = view
        .columns
        .iter()
        .filter_map(|(from, name)| {
            Some((*name, table?.columns.iter().find(|column| column.name == *from)?.described()))
        })
        .collect();
    columns.into_iter()
}

// Writing to a String cannot fail.
fn markdown(sections: &[Section]) -> String {
    let mut text = String::from(
        "# Data dictionary\n\nNo column is NULL. Text is compared byte for byte. Seconds are whole, shares are fractions from 0 to 1.\n",
    );
    for section in sections {
        let _ = write!(text, "\n## {}\n", section.title);
        for table in &section.tables {
            let _ = write!(
                text,
                "\n### {}\n\n{}. Primary key: {}.\n\n| column | type | unit | meaning |\n|---|---|---|---|\n",
                table.name,
                sentence(table.comment),
                table.key.join(", ")
            );
            for column in table.columns {
                let cells = [column.name, &column.plain_type(), column.unit, column.comment].map(cell);
                let _ = writeln!(text, "| {} |", cells.join(" | "));
            }
        }
        for view in &section.views {
            let _ = write!(
                text,
                "\n### {} (view)\n\n{}. A view of `{}`.\n\n| column | meaning |\n|---|---|\n",
                view.name,
                sentence(view.comment),
                view.table
            );
            for (name, meaning) in table_of(section, view) {
                let _ = writeln!(text, "| {} | {} |", cell(name), cell(&meaning));
            }
        }
    }
    text
}

/// Text that a table in Markdown may hold.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// With a capital letter.
fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

fn dbt(sections: &[Section]) -> String {
    let mut text = String::from("version: 2\n\nsources:\n");
    for section in sections {
        let [name, variable, default] = section.source;
        let _ = write!(
            text,
            "  - name: {name}\n    schema: \"{{{{ env_var('{variable}', '{default}') }}}}\"\n    tables:\n"
        );
        for table in &section.tables {
            write_dbt_table(&mut text, table.name, table.comment);
            for column in table.columns {
                let _ = write!(
                    text,
                    "          - name: {}\n            description: {}\n            data_type: {}\n            \
                     data_tests: [not_null]\n",
                    column.name,
                    quoted(&column.described()),
                    column.plain_type()
                );
            }
        }
        for view in &section.views {
            write_dbt_table(&mut text, view.name, view.comment);
            for (name, meaning) in table_of(section, view) {
                let (name, meaning) = (quoted(name), quoted(&meaning));
                let _ = write!(text, "          - name: {name}\n            description: {meaning}\n");
            }
        }
    }
    text
}

fn write_dbt_table(text: &mut String, name: &str, comment: &str) {
    let comment = quoted(comment);
    let _ = write!(text, "      - name: {name}\n        description: {comment}\n        columns:\n");
}

/// A double-quoted scalar of YAML: a string of JSON is one.
fn quoted(text: &str) -> String {
    serde_json::json!(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::warehouse::schema::{ColumnType, Database, customers_with_one_more};

    fn tables() -> Vec<Table> {
        let mart = mart::schema();
        WAREHOUSE_TABLES.into_iter().chain(mart.tables.iter().map(|table| **table)).chain(mart.records()).collect()
    }

    #[test]
    fn every_table_and_column_is_described() {
        let (markdown, dbt) = (show(SchemaFormat::Markdown), show(SchemaFormat::Dbt));
        for table in tables() {
            assert!(table.database != Database::Work && !table.comment.is_empty(), "{}", table.name);
            assert!(markdown.contains(&format!("\n### {}\n", table.name)), "{}", table.name);
            assert!(dbt.contains(&format!("\n      - name: {}\n", table.name)), "{}", table.name);
            for column in table.columns {
                assert!(!column.comment.is_empty(), "{}.{}", table.name, column.name);
                assert!(markdown.contains(&format!("\n| {} | {} |", column.name, column.plain_type())));
                assert!(dbt.contains(&format!("\n          - name: {}\n", column.name)), "{}", column.name);
            }
        }
        for name in ["customer_behavior_seed", "etl_run_published", "summary_customer_seed"] {
            assert!(markdown.contains(&format!("\n### {name} (view)\n")) && dbt.contains(name), "{name}");
        }
        assert!(markdown.contains("| TotalDuration | bigint | seconds | seconds of kept records, all categories |"));
        assert!(markdown.contains("| UserShare | double | fraction 0..1 | their share of all customers, 0..1 |"));
        assert!(dbt.contains("          - name: \"Total User\"\n            description: \"customers\"\n"));
    }

    #[test]
    fn a_column_more_is_described() {
        let tables = vec![customers_with_one_more()];
        let sections = [Section { title: "customers", source: [""; 3], tables, views: Vec::new() }];
        let row = "| SecondTotal | bigint | seconds | a column that a test adds |";
        assert!(markdown(&sections).contains(row), "{}", markdown(&sections));
    }

    #[test]
    fn every_number_that_counts_has_a_unit() {
        // Numbers of things, codes and moments count nothing.
        const NO_UNIT: [&str; 6] = ["Id", "Run", "ExitCode", "Place", "Band", "Categories"];
        for table in tables() {
            for column in table.columns {
                let is_number = matches!(column.column_type, ColumnType::BigInt | ColumnType::Int | ColumnType::Double);
                let has_unit = !column.unit.is_empty();
                let expected = is_number && !NO_UNIT.contains(&column.name);
                assert_eq!(has_unit, expected, "{}.{}", table.name, column.name);
            }
        }
    }
}
