//! The fields of `customer_behavior` as Tableau sees them: the one list that every part of a workbook is made from.

use std::sync::LazyLock;

use crate::engine::columns::{COLUMNS, Column, ColumnType, Output, TOTAL, held_by, name_of_seconds};
use crate::engine::rules::Category;

/// What a field holds; decides its types in every connection and its place in Tableau's data pane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text of at most `n_chars`.
    Text {
        /// Width of the column in the warehouse.
        n_chars: u32,
    },
    /// A 64-bit number of seconds.
    Seconds,
    /// A 32-bit number of days.
    Days,
    /// A calendar day.
    Date,
}

/// A column of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) caption: &'static str,
    pub(super) kind: Kind,
}

/// The columns of `customer_behavior` in their order in the table, the CSV file and the extract.
pub(super) static FIELDS: LazyLock<Vec<Field>> = LazyLock::new(|| fields_of(COLUMNS));

/// Those of `columns` that a workbook holds.
pub(super) fn fields_of(columns: &[Column]) -> Vec<Field> {
    let field = |column: &Column| Field { name: column.name, caption: column.caption, kind: Kind::of(column) };
    held_by(columns, Output::Workbook).map(field).collect()
}

impl Kind {
    fn of(column: &Column) -> Kind {
        match column.column_type {
            ColumnType::Text { max_chars } => Kind::Text { n_chars: max_chars.into() },
            ColumnType::BigInt => Kind::Seconds,
            ColumnType::Int => Kind::Days,
            ColumnType::Date => Kind::Date,
        }
    }

    /// Tableau's own type.
    pub(super) fn datatype(self) -> &'static str {
        match self {
            Kind::Text { .. } => "string",
            Kind::Seconds | Kind::Days => "integer",
            Kind::Date => "date",
        }
    }

    /// `measure` for what is summed, `dimension` for what is grouped by.
    pub(super) fn role(self) -> &'static str {
        if self == Kind::Seconds { "measure" } else { "dimension" }
    }

    /// How the values are ordered.
    pub(super) fn scale(self) -> Scale {
        match self {
            Kind::Text { .. } => Scale::Nominal,
            Kind::Seconds => Scale::Quantitative,
            Kind::Days | Kind::Date => Scale::Ordinal,
        }
    }

    /// What Tableau does with the field unless told otherwise.
    pub(super) fn aggregation(self) -> &'static str {
        match self {
            Kind::Text { .. } => "Count",
            Kind::Seconds | Kind::Days => "Sum",
            Kind::Date => "Year",
        }
    }
}

/// Tableau's `type` of a field or pill, and the letters it ends a pill's name with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    Nominal,
    Ordinal,
    Quantitative,
}

impl Scale {
    pub(super) fn name(self) -> &'static str {
        match self {
            Scale::Nominal => "nominal",
            Scale::Ordinal => "ordinal",
            Scale::Quantitative => "quantitative",
        }
    }

    pub(super) fn letters(self) -> &'static str {
        match self {
            Scale::Nominal => "nk",
            Scale::Ordinal => "ok",
            Scale::Quantitative => "qk",
        }
    }
}

/// A field that Tableau computes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Calculation {
    /// Internal name, never that of a column.
    pub(super) name: String,
    pub(super) caption: String,
    pub(super) datatype: &'static str,
    pub(super) formula: String,
    /// Columns in the formula: a sheet that uses the calculation must declare them too.
    pub(super) uses: &'static str,
}

/// The order of the categories in the tiles and bars of the original dashboard.
pub(super) const TILES: [Category; 5] =
    [Category::Child, Category::Movie, Category::Relax, Category::Sport, Category::Tv];

/// Number of customers.
pub(super) fn total_users() -> Calculation {
    Calculation {
        name: "Calculation_TotalUser".into(),
        caption: "Total User".into(),
        datatype: "integer",
        formula: "COUNT([Contract])".into(),
        uses: "Contract",
    }
}

fn hours(name: &str, caption: &str, column: &'static str) -> Calculation {
    Calculation {
        name: format!("Calculation_{name}Hours"),
        caption: format!("{caption} (hours)"),
        datatype: "real",
        formula: format!("SUM([{column}]) / 3600"),
        uses: column,
    }
}

/// Hours of all categories together.
pub(super) fn total_hours() -> Calculation {
    hours("Total", "Total Duration", TOTAL)
}

/// Hours of one category.
pub(super) fn category_hours(category: Category) -> Calculation {
    hours(category.name(), category.name(), name_of_seconds(category))
}

/// Customers with more than 0 seconds in a category: they overlap, so their sum is more than the number of customers.
pub(super) fn category_users(category: Category) -> Calculation {
    let column = name_of_seconds(category);
    Calculation {
        name: format!("Calculation_{}Users", category.name()),
        caption: category.name().into(),
        datatype: "integer",
        formula: format!("SUM(IF [{column}] > 0 THEN 1 ELSE 0 END)"),
        uses: column,
    }
}

/// All calculations, in the order of the tiles and bars.
pub(super) fn calculations() -> Vec<Calculation> {
    let mut all = vec![total_users(), total_hours()];
    all.extend(TILES.map(category_hours));
    all.extend(TILES.map(category_users));
    all
}

/// Header of the CSV file: the names of the fields.
pub(super) fn csv_header() -> String {
    let names: Vec<&str> = FIELDS.iter().map(|field| field.name).collect();
    names.join(",") + "\r\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::columns::with_one_more;

    #[test]
    fn a_column_more_is_a_field() {
        let fields = fields_of(&with_one_more());
        assert_eq!(fields[..12], FIELDS[..]);
        let more = Field { name: "SecondTotal", caption: "Second total (seconds)", kind: Kind::Seconds };
        assert_eq!(fields[12..], [more]);
    }
}
