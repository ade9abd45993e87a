//! The workbook: the four sheets of the original dashboard, the dashboard that shows them, and its windows.

use super::datasource::{Connection, FORMAT_VERSION, USER_NAMESPACE, manifest};
use super::field::{TILES, category_hours, category_users, total_hours, total_users};
use super::ident;
use super::sheet::{Filter, How, Pill, Sheet, Shelf, StyleRule};
use super::xml::{Element, element};
use crate::ENGINE;
use crate::engine::calendar::Month;

/// What a workbook is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The month of the packaged rows, and the one a live workbook opens with.
    pub month: Month,
    /// Where the rows come from, one line under the title: engine, rules, run.
    pub provenance: String,
    /// What tells the packaged rows from others, in the comment of the archive.
    pub mark: String,
}

const DASHBOARD: &str = "Customer behaviour";
const N_TOP_CUSTOMERS: u32 = 10;

fn each(field: &str) -> Pill {
    Pill::new(field, How::Each)
}

fn format(rule: &'static str, attr: &'static str, value: &'static str) -> StyleRule {
    StyleRule { rule, attr, value, of: Shelf::Empty, scope: None }
}

/// The name of an axis, which Tableau would otherwise take from the field.
fn axis_title(of: Shelf, scope: &'static str, value: &'static str) -> StyleRule {
    StyleRule { of, scope: Some(scope), ..format("axis", "title", value) }
}

/// Leaves out the name of the field above its values: the title of the sheet says it.
fn no_field_label(scope: &'static str) -> StyleRule {
    StyleRule { scope: Some(scope), ..format("worksheet", "display-field-labels", "false") }
}

/// The four sheets. A live connection sees every month of the table, so its sheets keep to one.
fn sheets(subject: &Subject, connection: &Connection) -> Vec<Sheet> {
    let month = match connection {
        Connection::Mysql(_) => vec![Filter::Day { of: each("Month"), day: subject.month.first_day() }],
        Connection::Csv | Connection::Hyper => Vec::new(),
    };
    let sheets = [totals(), users_by_category(), users_by_active_days(), top_customers()];
    let with_month = |sheet: Sheet| Sheet { filters: month.iter().cloned().chain(sheet.filters).collect(), ..sheet };
    sheets.into_iter().map(with_month).collect()
}

fn totals() -> Sheet {
    let mut tiles = vec![Pill::calculated(&total_users()), Pill::calculated(&total_hours())];
    tiles.extend(TILES.map(|category| Pill::calculated(&category_hours(category))));
    Sheet {
        name: "KPI",
        title: "Users and hours",
        mark: "Text",
        rows: Shelf::Empty,
        cols: Shelf::MeasureNames,
        texts: vec![Shelf::MeasureValues],
        filters: vec![Filter::Measures(tiles)],
        formats: vec![
            format("cell", "font-size", "18"),
            format("cell", "font-weight", "bold"),
            format("cell", "text-align", "center"),
            format("header", "font-size", "10"),
            no_field_label("cols"),
        ],
    }
}

fn users_by_category() -> Sheet {
    let audiences = TILES.map(|category| Pill::calculated(&category_users(category))).to_vec();
    Sheet {
        name: "Users per category",
        title: "Users watching each category (they overlap)",
        mark: "Bar",
        rows: Shelf::MeasureValues,
        cols: Shelf::MeasureNames,
        texts: vec![Shelf::MeasureValues],
        filters: vec![Filter::Measures(audiences)],
        formats: vec![axis_title(Shelf::MeasureValues, "rows", "Users"), no_field_label("cols")],
    }
}

fn users_by_active_days() -> Sheet {
    let users = Pill::new("Contract", How::Count);
    let share = Pill::new("Contract", How::ShareOfCount);
    Sheet {
        name: "Users by active days",
        title: "Users by number of active days",
        mark: "Bar",
        rows: Shelf::Pill(users.clone()),
        cols: Shelf::Pill(each("Activeness")),
        texts: vec![Shelf::Pill(share.clone())],
        filters: Vec::new(),
        formats: vec![
            axis_title(Shelf::Pill(users), "rows", "Users"),
            StyleRule { of: Shelf::Pill(share), ..format("cell", "text-format", "p0.0%") },
        ],
    }
}

fn top_customers() -> Sheet {
    let hours = Pill::calculated(&total_hours());
    Sheet {
        name: "Top customers",
        title: "The ten customers with the most hours, with their taste",
        mark: "Bar",
        rows: Shelf::Pill(each("Contract")),
        cols: Shelf::Pill(hours.clone()),
        texts: vec![Shelf::Pill(Pill::new("Taste", How::Attribute))],
        filters: vec![Filter::Top {
            count: N_TOP_CUSTOMERS,
            of: each("Contract"),
            by: "SUM([TotalDuration])",
            sorted_by: hours.clone(),
        }],
        formats: vec![axis_title(Shelf::Pill(hours), "cols", "Hours")],
    }
}

/// Position and size in 1/100000 of the dashboard.
#[derive(Clone, Copy)]
struct Area {
    x: u32,
    y: u32,
    w: u32,
    h: u32,
}

fn zone(id: u32, area: Area) -> Element {
    element("zone").attr("id", id).attr("x", area.x).attr("y", area.y).attr("w", area.w).attr("h", area.h)
}

fn zone_style(margin: u32) -> Element {
    let format = |attr: &'static str, value: String| element("format").attr("attr", attr).attr("value", value);
    element("zone-style")
        .child(format("border-color", "#000000".into()))
        .child(format("border-style", "none".into()))
        .child(format("border-width", "0".into()))
        .child(format("margin", margin.to_string()))
}

fn dashboard(subject: &Subject, connection: &Connection, sheets: &[Sheet]) -> Element {
    let live = matches!(connection, Connection::Mysql(_));
    let title = if live { DASHBOARD.to_owned() } else { format!("{DASHBOARD} {}", subject.month) };
    let run = |size: u32, text: &str| element("run").attr("fontsize", size).text(text);
    let heading = element("formatted-text")
        .child(run(18, &title).attr("bold", "true"))
        // Tableau's own mark of a line break in text, followed by the break itself.
        .child(element("run").text("\u{c6}\n"))
        .child(run(9, &subject.provenance));
    let heading_width = if live { 77_429 } else { 98_858 };
    let mut zones = vec![
        zone(2, Area { x: 571, y: 1_000, w: heading_width, h: 9_000 })
            .attr("type-v2", "text")
            .child(heading)
            .child(zone_style(4)),
    ];
    if live {
        zones.push(
            zone(3, Area { x: 78_000, y: 1_000, w: 21_429, h: 9_000 })
                .attr("mode", "dropdown")
                .attr("name", "KPI")
                .attr("param", each("Month").reference(connection))
                .attr("type-v2", "filter")
                .child(zone_style(4)),
        );
    }
    let areas = [
        Area { x: 571, y: 10_000, w: 98_858, h: 17_000 },
        Area { x: 571, y: 27_000, w: 38_000, h: 36_000 },
        Area { x: 38_571, y: 27_000, w: 60_858, h: 36_000 },
        Area { x: 571, y: 63_000, w: 98_858, h: 36_000 },
    ];
    for ((sheet, area), id) in sheets.iter().zip(areas).zip(4..) {
        zones.push(zone(id, area).attr("name", sheet.name).child(zone_style(4)));
    }
    let root = zone(1, Area { x: 0, y: 0, w: 100_000, h: 100_000 })
        .attr("type-v2", "layout-basic")
        .children(zones)
        .child(zone_style(8));
    let size = element("size")
        .attr("maxheight", 800)
        .attr("maxwidth", 1_400)
        .attr("minheight", 800)
        .attr("minwidth", 1_400)
        .attr("sizing-mode", "fixed");
    element("dashboard")
        .attr("enable-sort-zone-taborder", "true")
        .attr("name", DASHBOARD)
        .child(element("style"))
        .child(size)
        .child(element("zones").child(root))
        .child(element("simple-id").attr("uuid", ident::uuid("dashboard", DASHBOARD)))
}

fn sheet_window(sheet: &Sheet) -> Element {
    let card = |kind: &'static str| element("card").attr("type", kind);
    let strip = |size: u32| element("strip").attr("size", size);
    let left = element("edge")
        .attr("name", "left")
        .child(strip(160).child(card("pages")).child(card("filters")).child(card("marks")));
    let top = element("edge")
        .attr("name", "top")
        .child(strip(2_147_483_647).child(card("columns")))
        .child(strip(2_147_483_647).child(card("rows")))
        .child(strip(31).child(card("title")));
    element("window")
        .attr("class", "worksheet")
        .attr("hidden", "true")
        .attr("name", sheet.name)
        .child(element("cards").child(left).child(top))
        .child(element("simple-id").attr("uuid", ident::uuid("window", sheet.name)))
}

fn dashboard_window(sheets: &[Sheet]) -> Element {
    let viewpoint = |sheet: &Sheet| {
        element("viewpoint").attr("name", sheet.name).child(element("zoom").attr("type", "entire-view"))
    };
    element("window")
        .attr("class", "dashboard")
        .attr("maximized", "true")
        .attr("name", DASHBOARD)
        .child(element("viewpoints").children(sheets.iter().map(viewpoint)))
        .child(element("active").attr("id", -1))
        .child(element("simple-id").attr("uuid", ident::uuid("window", DASHBOARD)))
}

/// A workbook (`.twb`) with the dashboard. It holds no rows and no password.
pub fn workbook(subject: &Subject, connection: &Connection) -> String {
    let sheets = sheets(subject, connection);
    let preference = |name: &'static str, value: u32| element("preference").attr("name", name).attr("value", value);
    let source = element("datasource")
        .attr("caption", connection.caption())
        .attr("inline", "true")
        .attr("name", connection.datasource_name())
        .attr("version", FORMAT_VERSION)
        .children(connection.contents());
    element("workbook")
        .attr("original-version", FORMAT_VERSION)
        .attr("source-build", ENGINE)
        .attr("source-platform", "linux")
        .attr("version", FORMAT_VERSION)
        .attr("xmlns:user", USER_NAMESPACE)
        .child(manifest())
        .child(
            element("preferences")
                .child(preference("ui.encoding.shelf.height", 24))
                .child(preference("ui.shelf.height", 26)),
        )
        .child(element("datasources").child(source))
        .child(element("worksheets").children(sheets.iter().map(|sheet| sheet.worksheet(connection))))
        .child(element("dashboards").child(dashboard(subject, connection, &sheets)))
        .child(
            element("windows")
                .attr("source-height", 30)
                .children(sheets.iter().map(sheet_window))
                .child(dashboard_window(&sheets)),
        )
        .document()
}
