//! One sheet: what lies on its shelves, and the declarations that Tableau wants for it.

use std::collections::BTreeMap;

use super::datasource::{Connection, calculated_column, column};
use super::field::{Calculation, FIELDS, Field, Scale, calculations};
use super::ident;
use super::xml::{Element, bracketed, element};
use crate::engine::columns::TOTAL;

/// A field as it is used on a shelf: itself, or an aggregate of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pill {
    /// Name of a field or of a calculation.
    pub(super) of: String,
    pub(super) how: How,
}

/// How a pill is made from its field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum How {
    /// The values themselves.
    Each,
    /// The value where all rows agree.
    Attribute,
    /// Number of rows with a value.
    Count,
    /// That number as a share of the table.
    ShareOfCount,
    /// A calculation that aggregates by itself.
    Calculated,
}

impl Pill {
    pub(super) fn new(of: &str, how: How) -> Pill {
        Pill { of: of.to_owned(), how }
    }

    pub(super) fn calculated(calculation: &Calculation) -> Pill {
        Pill::new(&calculation.name, How::Calculated)
    }

    fn scale(&self) -> Scale {
        match self.how {
            How::Each => scale_of(&self.of),
            How::Attribute => Scale::Nominal,
            How::Count | How::ShareOfCount | How::Calculated => Scale::Quantitative,
        }
    }

    /// Tableau's name of the pill, in brackets.
    pub(super) fn name(&self) -> String {
        let prefix = match self.how {
            How::Each => "none",
            How::Attribute => "attr",
            How::Count => "cnt",
            How::ShareOfCount => "pcto:cnt",
            How::Calculated => "usr",
        };
        bracketed(&format!("{prefix}:{}:{}", self.of, self.scale().letters()))
    }

    /// The name with that of its data source before it.
    pub(super) fn reference(&self, connection: &Connection) -> String {
        qualified(connection, &self.name())
    }

    fn instance(&self) -> Element {
        let derivation = match self.how {
            How::Each => "None",
            How::Attribute => "Attribute",
            How::Count | How::ShareOfCount => "Count",
            How::Calculated => "User",
        };
        let instance = element("column-instance")
            .attr("column", bracketed(&self.of))
            .attr("derivation", derivation)
            .attr("name", self.name())
            .attr("pivot", "key")
            .attr("type", self.scale().name());
        match self.how {
            How::ShareOfCount => {
                instance.child(element("table-calc").attr("ordering-type", "Rows").attr("type", "PctTotal"))
            }
            _ => instance,
        }
    }
}

fn scale_of(name: &str) -> Scale {
    FIELDS.iter().find(|field| field.name == name).map_or(Scale::Quantitative, |field| field.kind.scale())
}

/// `[data source].name`.
pub(super) fn qualified(connection: &Connection, name: &str) -> String {
    format!("{}.{name}", bracketed(&connection.datasource_name()))
}

/// The pseudo field with the names of several measures on one shelf.
pub(super) const MEASURE_NAMES: &str = "[:Measure Names]";
/// The pseudo field with their values.
pub(super) const MEASURE_VALUES: &str = "[Multiple Values]";

/// What lies on a shelf.
#[derive(Clone, Debug)]
pub(super) enum Shelf {
    Empty,
    Pill(Pill),
    MeasureNames,
    MeasureValues,
}

impl Shelf {
    pub(super) fn reference(&self, connection: &Connection) -> Option<String> {
        match self {
            Shelf::Empty => None,
            Shelf::Pill(pill) => Some(pill.reference(connection)),
            Shelf::MeasureNames => Some(qualified(connection, MEASURE_NAMES)),
            Shelf::MeasureValues => Some(qualified(connection, MEASURE_VALUES)),
        }
    }

    fn pill(&self) -> Option<&Pill> {
        match self {
            Shelf::Pill(pill) => Some(pill),
            _ => None,
        }
    }
}

/// Which rows or measures a sheet keeps.
#[derive(Clone, Debug)]
pub(super) enum Filter {
    /// These measures and no others, shown in this order.
    Measures(Vec<Pill>),
    /// The `count` values of `of` with the most of `by` (a formula), shown in descending order of `sorted_by`.
    Top { count: u32, of: Pill, by: &'static str, sorted_by: Pill },
    /// One value of a date, before all other filters, shared with the other sheets.
    Day { of: Pill, day: jiff::civil::Date },
}

/// A line of a style: rule, attribute, value, and the field it holds for.
#[derive(Clone, Debug)]
pub(super) struct StyleRule {
    pub(super) rule: &'static str,
    pub(super) attr: &'static str,
    pub(super) value: &'static str,
    /// Field and, for axes and labels, the shelf.
    pub(super) of: Shelf,
    pub(super) scope: Option<&'static str>,
}

#[derive(Clone, Debug)]
pub(super) struct Sheet {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) mark: &'static str,
    pub(super) rows: Shelf,
    pub(super) cols: Shelf,
    /// Labels of the marks.
    pub(super) texts: Vec<Shelf>,
    pub(super) filters: Vec<Filter>,
    pub(super) formats: Vec<StyleRule>,
}

impl Sheet {
    /// Every pill of the sheet, once, sorted: what must be declared.
    fn pills(&self) -> Vec<&Pill> {
        let mut pills: Vec<&Pill> =
            [&self.rows, &self.cols].into_iter().chain(&self.texts).filter_map(Shelf::pill).collect();
        pills.extend(self.formats.iter().filter_map(|format| format.of.pill()));
        for filter in &self.filters {
            match filter {
                Filter::Measures(members) => pills.extend(members),
                Filter::Top { of, sorted_by, .. } => pills.extend([of, sorted_by]),
                Filter::Day { of, .. } => pills.push(of),
            }
        }
        pills.sort_unstable();
        pills.dedup();
        pills
    }

    fn dependencies(&self, connection: &Connection) -> Element {
        let pills = self.pills();
        let computed: Vec<Calculation> =
            calculations().into_iter().filter(|c| pills.iter().any(|pill| pill.of == c.name)).collect();
        let mut columns: BTreeMap<&str, Element> = computed.iter().map(|c| (&*c.name, calculated_column(c))).collect();
        let top = self.filters.iter().any(|filter| matches!(filter, Filter::Top { .. }));
        let used = |field: &&Field| {
            pills.iter().any(|pill| pill.of == field.name)
                || computed.iter().any(|c| c.uses == field.name)
                || (top && field.name == TOTAL)
        };
        columns.extend(FIELDS.iter().filter(used).map(|field| (field.name, column(field))));
        element("datasource-dependencies")
            .attr("datasource", connection.datasource_name())
            .children(columns.into_values())
            .children(pills.iter().map(|pill| pill.instance()))
    }

    fn view(&self, connection: &Connection) -> Element {
        let source =
            element("datasource").attr("caption", connection.caption()).attr("name", connection.datasource_name());
        let mut sorts = Vec::new();
        let mut slices = Vec::new();
        let mut filters = Vec::new();
        for filter in &self.filters {
            let (column, made, sort) = filter.elements(connection);
            slices.push(element("column").text(column));
            filters.push(made);
            sorts.extend(sort);
        }
        let slices = (!slices.is_empty()).then(|| element("slices").children(slices));
        element("view")
            .child(element("datasources").child(source))
            .child(self.dependencies(connection))
            .children(filters)
            .children(sorts)
            .children(slices)
            .child(element("aggregation").attr("value", "true"))
    }

    fn style(&self, connection: &Connection) -> Element {
        let mut rules: Vec<(&'static str, Vec<Element>)> = Vec::new();
        for format in &self.formats {
            let mut made = element("format").attr("attr", format.attr).attr("value", format.value);
            if let Some(field) = format.of.reference(connection) {
                made = made.attr("field", field);
                if format.rule == "axis" {
                    made = made.attr("class", 0);
                }
            }
            if let Some(scope) = format.scope {
                made = made.attr("scope", scope);
            }
            match rules.iter_mut().find(|(rule, _)| *rule == format.rule) {
                Some((_, formats)) => formats.push(made),
                None => rules.push((format.rule, vec![made])),
            }
        }
        let rule = |(rule, formats): (&'static str, Vec<Element>)| {
            element("style-rule").attr("element", rule).children(formats)
        };
        element("style").children(rules.into_iter().map(rule))
    }

    /// The sheet as it stands in a workbook.
    pub(super) fn worksheet(&self, connection: &Connection) -> Element {
        let texts = self.texts.iter().filter_map(|text| text.reference(connection));
        let encodings = element("encodings").children(texts.map(|text| element("text").attr("column", text)));
        let labels = element("style").child(
            element("style-rule")
                .attr("element", "mark")
                .child(element("format").attr("attr", "mark-labels-show").attr("value", "true"))
                .child(element("format").attr("attr", "mark-labels-cull").attr("value", "true")),
        );
        let pane = element("pane")
            .attr("selection-relaxation-option", "selection-relaxation-allow")
            .child(element("view").child(element("breakdown").attr("value", "auto")))
            .child(element("mark").attr("class", self.mark))
            .child(encodings)
            .child(labels);
        let shelf = |name: &'static str, shelf: &Shelf| match shelf.reference(connection) {
            Some(reference) => element(name).text(reference),
            None => element(name),
        };
        let table = element("table")
            .child(self.view(connection))
            .child(self.style(connection))
            .child(element("panes").child(pane))
            .child(shelf("rows", &self.rows))
            .child(shelf("cols", &self.cols));
        let title = element("layout-options").child(element("title").child(
            element("formatted-text").child(element("run").attr("bold", "true").attr("fontsize", 12).text(self.title)),
        ));
        element("worksheet")
            .attr("name", self.name)
            .child(title)
            .child(table)
            .child(element("simple-id").attr("uuid", ident::uuid("worksheet", self.name)))
    }
}

impl Filter {
    /// The filtered column, the filter, and the sort that goes with it.
    fn elements(&self, connection: &Connection) -> (String, Element, Option<Element>) {
        let filter = |column: &str| element("filter").attr("class", "categorical").attr("column", column);
        let group = |function: &'static str| element("groupfilter").attr("function", function);
        match self {
            Filter::Measures(members) => {
                let column = qualified(connection, MEASURE_NAMES);
                let quoted = |pill: &Pill| format!("\"{}\"", pill.reference(connection));
                let member = |pill: &Pill| group("member").attr("level", MEASURE_NAMES).attr("member", quoted(pill));
                let made = filter(&column)
                    .child(group("union").attr("user:op", "manual").children(members.iter().map(member)));
                let buckets = members.iter().map(|pill| element("bucket").text(quoted(pill)));
                let sort = element("manual-sort")
                    .attr("column", &column)
                    .attr("direction", "ASC")
                    .child(element("dictionary").children(buckets));
                (column, made, Some(sort))
            }
            Filter::Top { count, of, by, sorted_by } => {
                let column = of.reference(connection);
                let all = group("level-members")
                    .attr("level", of.name())
                    .attr("user:ui-enumeration", "all")
                    .attr("user:ui-marker", "enumerate");
                let ordered = group("order")
                    .attr("direction", "DESC")
                    .attr("expression", by)
                    .attr("user:ui-marker", "order")
                    .child(all);
                let end = group("end")
                    .attr("count", count)
                    .attr("end", "top")
                    .attr("units", "records")
                    .attr("user:ui-marker", "end")
                    .attr("user:ui-top-by-field", "true")
                    .child(ordered);
                let sort = element("computed-sort")
                    .attr("column", &column)
                    .attr("direction", "DESC")
                    .attr("using", sorted_by.reference(connection));
                (column.clone(), filter(&column).child(end), Some(sort))
            }
            Filter::Day { of, day } => {
                let column = of.reference(connection);
                // As a context filter it comes before the top customers are chosen.
                let made = filter(&column).attr("context", "true").attr("filter-group", 2).child(
                    group("member")
                        .attr("level", of.name())
                        .attr("member", format!("#{day}#"))
                        .attr("user:ui-domain", "database")
                        .attr("user:ui-enumeration", "inclusive")
                        .attr("user:ui-marker", "enumerate"),
                );
                (column, made, None)
            }
        }
    }
}
