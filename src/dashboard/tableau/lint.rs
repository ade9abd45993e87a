//! Checks of a finished workbook that no schema makes: every name that is used is declared, and declared once.
//!
//! Tableau drops fields and filters that are not, without a word, so this is what the tests rest on.

use std::collections::{BTreeMap, BTreeSet};

use quick_xml::Reader;
use quick_xml::events::Event;

use super::field::FIELDS;
use super::sheet::{MEASURE_NAMES, MEASURE_VALUES};

/// An element read back.
#[derive(Debug, Default)]
pub(super) struct Node {
    name: String,
    attributes: BTreeMap<String, String>,
    children: Vec<Node>,
    text: String,
}

impl Node {
    pub(super) fn parse(document: &str) -> Node {
        let mut reader = Reader::from_str(document);
        let mut open = vec![Node::default()];
        loop {
            match reader.read_event().unwrap() {
                Event::Start(tag) => open.push(Node::opened(&tag)),
                Event::Empty(tag) => {
                    let node = Node::opened(&tag);
                    open.last_mut().unwrap().children.push(node);
                }
                Event::End(_) => {
                    let node = open.pop().unwrap();
                    open.last_mut().unwrap().children.push(node);
                }
                Event::Text(text) => open.last_mut().unwrap().text.push_str(&text.into_inner()),
                Event::GeneralRef(reference) => {
                    let text = format!("&{};", &*reference);
                    open.last_mut().unwrap().text.push_str(&quick_xml::escape::unescape(&text).unwrap());
                }
                Event::Eof => break,
                _ => {}
            }
        }
        assert_eq!(open.len(), 1, "an element is not closed");
        open.pop().unwrap().children.pop().unwrap()
    }

    fn opened(tag: &quick_xml::events::BytesStart<'_>) -> Node {
        let mut node = Node { name: tag.name().0.to_owned(), ..Node::default() };
        for attribute in tag.attributes() {
            let attribute = attribute.unwrap();
            let value = quick_xml::escape::unescape(&attribute.value).unwrap().into_owned();
            assert_eq!(node.attributes.insert(attribute.key.0.to_owned(), value), None, "an attribute twice");
        }
        node
    }

    /// All elements of a name below this one, in document order.
    pub(super) fn all(&self, name: &str) -> Vec<&Node> {
        let mut found = Vec::new();
        for child in &self.children {
            if child.name == name {
                found.push(child);
            }
            found.extend(child.all(name));
        }
        found
    }

    pub(super) fn one(&self, name: &str) -> &Node {
        let all = self.all(name);
        assert_eq!(all.len(), 1, "<{name}> in <{}>", self.name);
        all[0]
    }

    pub(super) fn attr(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }

    /// Every attribute value and text of this element and those below it.
    fn strings(&self) -> Vec<&str> {
        let mut strings: Vec<&str> = self.attributes.values().map(String::as_str).chain([&*self.text]).collect();
        strings.extend(self.children.iter().flat_map(Node::strings));
        strings
    }
}

fn names<'a>(nodes: &[&'a Node], attribute: &str) -> BTreeSet<&'a str> {
    nodes.iter().map(|node| node.attr(attribute)).collect()
}

/// The bracketed names that follow `prefix` in `text`.
fn referenced<'a>(text: &'a str, prefix: &str) -> Vec<&'a str> {
    text.match_indices(prefix)
        .filter_map(|(at, _)| {
            let rest = &text[at + prefix.len()..];
            rest.find(']').map(|end| &rest[..=end])
        })
        .collect()
}

/// What is wrong with a data source: columns, types, object model.
pub(super) fn lint_datasource(source: &Node, problems: &mut Vec<String>) {
    let columns: Vec<&Node> = source.children.iter().filter(|node| node.name == "column").collect();
    let declared = names(&columns, "name");
    if declared.len() != columns.len() {
        problems.push("a column is declared twice".into());
    }
    if names(&columns, "caption").len() != columns.len() {
        problems.push("two columns have the same caption".into());
    }
    let object = source.one("object").attr("id");
    let table_column = format!("[__tableau_internal_object_id__].[{object}]");
    if !declared.contains(&*table_column) {
        problems.push(format!("no table column for the object {object}"));
    }
    let relations = source.all("relation");
    if relations.len() != 2 || relations[0].attributes != relations[1].attributes {
        problems.push("the relation of the connection and that of the object model differ".into());
    }
    if names(&relations, "connection") != names(&source.all("named-connection"), "name") {
        problems.push("a relation names another connection".into());
    }
    let records = source.all("metadata-record");
    let records: Vec<&&Node> = records.iter().filter(|record| record.attr("class") == "column").collect();
    if records.len() != FIELDS.len() {
        problems.push(format!("{} metadata records", records.len()));
    }
    for (record, field) in records.iter().zip(FIELDS.iter()) {
        let text = |name: &'static str| record.one(name).text.as_str();
        let column = columns.iter().find(|column| column.attr("name") == text("local-name"));
        if text("remote-name") != field.name || column.is_none() {
            problems.push(format!("{} has no column", field.name));
        }
        if column.is_some_and(|column| column.attr("datatype") != text("local-type")) {
            problems.push(format!("{} has two types", field.name));
        }
        if text("object-id") != format!("[{object}]") {
            problems.push(format!("{} belongs to another object", field.name));
        }
        if text("parent-name") != format!("[{}]", relations[0].attr("name")) {
            problems.push(format!("{} belongs to another table", field.name));
        }
    }
    for calculation in source.all("calculation") {
        for used in referenced(&calculation.attr("formula").replace('[', "\u{1}["), "\u{1}") {
            if !declared.contains(used) {
                problems.push(format!("the formula `{}` uses {used}", calculation.attr("formula")));
            }
        }
    }
}

/// What is wrong with a workbook.
pub(super) fn lint(document: &str) -> Vec<String> {
    let mut problems = Vec::new();
    if !document.starts_with("<?xml version='1.0' encoding='utf-8' ?>\n") {
        problems.push("the document does not begin with its declaration".into());
    }
    let book = Node::parse(document);
    let order: Vec<&str> = book.children.iter().map(|node| &*node.name).collect();
    if order != ["document-format-change-manifest", "preferences", "datasources", "worksheets", "dashboards", "windows"]
    {
        problems.push(format!("the parts are {order:?}"));
    }
    let source = book.children.iter().find(|node| node.name == "datasources").unwrap().one("datasource");
    lint_datasource(source, &mut problems);
    let worksheets = book.all("worksheet");
    for sheet in &worksheets {
        lint_sheet(sheet, source, &mut problems);
    }
    lint_frame(&book, &worksheets, &mut problems);
    problems
}

fn lint_sheet(sheet: &Node, source: &Node, problems: &mut Vec<String>) {
    let mut problem = |what: String| problems.push(format!("sheet {}: {what}", sheet.attr("name")));
    let dependencies = sheet.one("datasource-dependencies");
    let columns = dependencies.all("column");
    let instances = dependencies.all("column-instance");
    let known: Vec<&Node> = source.children.iter().filter(|node| node.name == "column").collect();
    for column in &columns {
        if !known.iter().any(|known| known.attributes == column.attributes) {
            problem(format!("{} is not a column of the data source", column.attr("name")));
        }
    }
    let declared = names(&columns, "name");
    for used in names(&instances, "column").difference(&declared) {
        problem(format!("{used} is used but not declared"));
    }
    for calculation in dependencies.all("calculation") {
        for used in referenced(&calculation.attr("formula").replace('[', "\u{1}["), "\u{1}") {
            if !declared.contains(used) {
                problem(format!("{used} is in a formula but not declared"));
            }
        }
    }
    let pills = names(&instances, "name");
    let prefix = format!("[{}].", source.attr("name"));
    let mut used: BTreeSet<&str> = sheet.strings().iter().flat_map(|text| referenced(text, &prefix)).collect();
    used.extend(sheet.all("groupfilter").iter().map(|group| group.attr("level")).filter(|level| !level.is_empty()));
    used.retain(|pill| ![MEASURE_NAMES, MEASURE_VALUES].contains(pill));
    for pill in used.symmetric_difference(&pills) {
        problem(format!("the pill {pill} is used without a declaration, or declared without a use"));
    }
    let filters: Vec<&str> = sheet.all("filter").iter().map(|filter| filter.attr("column")).collect();
    let slices: Vec<&str> =
        sheet.all("slices").iter().flat_map(|slices| &slices.children).map(|column| &*column.text).collect();
    if filters != slices {
        problem(format!("filters {filters:?}, slices {slices:?}"));
    }
    let tables: BTreeSet<&str> = sheet.all("datasource").iter().map(|node| node.attr("name")).collect();
    if tables != BTreeSet::from([source.attr("name")]) || dependencies.attr("datasource") != source.attr("name") {
        problem("it reads another data source".into());
    }
}

/// Dashboard, windows and identifiers.
fn lint_frame(book: &Node, worksheets: &[&Node], problems: &mut Vec<String>) {
    let sheets = names(worksheets, "name");
    let zones = book.all("zone");
    let shown: Vec<&&Node> = zones.iter().filter(|zone| !zone.attr("name").is_empty()).collect();
    let shown_sheets: BTreeSet<&str> = shown.iter().map(|zone| zone.attr("name")).collect();
    if shown_sheets != sheets {
        problems.push(format!("the dashboard shows {shown_sheets:?}"));
    }
    if names(&zones, "id").len() != zones.len() {
        problems.push("two zones have the same id".into());
    }
    for zone in &zones {
        let share = |name: &str| zone.attr(name).parse::<u32>().unwrap();
        if share("x") + share("w") > 100_000 || share("y") + share("h") > 100_000 {
            problems.push(format!("zone {} leaves the dashboard", zone.attr("id")));
        }
    }
    let mut windows = sheets.clone();
    windows.insert(book.one("dashboard").attr("name"));
    if names(&book.all("window"), "name") != windows || windows.len() != sheets.len() + 1 {
        problems.push("windows and sheets differ".into());
    }
    if names(&book.all("viewpoint"), "name") != sheets {
        problems.push("viewpoints and sheets differ".into());
    }
    let ids = book.all("simple-id");
    if ids.len() != 2 * sheets.len() + 2 || names(&ids, "uuid").len() != ids.len() {
        problems.push("sheets and windows must have an identifier each, and all must differ".into());
    }
}
