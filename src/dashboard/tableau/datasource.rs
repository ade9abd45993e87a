//! The data source of a workbook: where the rows are, their columns, their types and what is computed from them.

use super::field::{Calculation, FIELDS, Field, Kind, calculations};
use super::ident;
use super::xml::{Element, bracketed, element};
use crate::warehouse::ServerAddress;

/// Where a workbook takes its rows from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Connection {
    /// `customer_behavior` of a MySQL or MariaDB server, read whenever the workbook is opened or refreshed. Tableau
    /// asks for the password: a workbook never holds one.
    Mysql(ServerAddress),
    /// [`CSV_MEMBER`] in the same archive.
    Csv,
    /// [`HYPER_MEMBER`] in the same archive.
    Hyper,
}

/// Name of the rows as CSV in a `.twbx`.
pub const CSV_MEMBER: &str = "customer_behavior.csv";
/// Name of the rows as an extract in a `.twbx`.
pub const HYPER_MEMBER: &str = "Data/Extracts/customer_behavior.hyper";

const TABLE: &str = "customer_behavior";

/// The features of the file format that our elements need; Tableau Desktop refuses an element whose feature is absent.
pub(super) const FEATURES: [&str; 9] = [
    "AccessibleZoneTabOrder",
    "AnimationOnByDefault",
    "MarkAnimation",
    "ObjectModelEncapsulateLegacy",
    "ObjectModelTableType",
    "SchemaViewerObjectModel",
    "SheetIdentifierTracking",
    "SortTagCleanup",
    "WindowsPersistSimpleIdentifiers",
];

/// The base of the file format, which every release from 2018.1 to 2026.2 writes; what is newer is named in [`FEATURES`].
pub(super) const FORMAT_VERSION: &str = "18.1";

impl Connection {
    /// Tableau's name of the connector.
    pub(super) fn class(&self) -> &'static str {
        match self {
            Connection::Mysql(_) => "mysql",
            Connection::Csv => "textscan",
            Connection::Hyper => "hyper",
        }
    }

    /// Name of the data source, the prefix of every field on every sheet.
    pub(super) fn datasource_name(&self) -> String {
        format!("federated.{}", ident::handle("datasource", self.class()))
    }

    pub(super) fn caption(&self) -> &'static str {
        TABLE
    }

    fn connection_name(&self) -> String {
        format!("{}.{}", self.class(), ident::handle("connection", self.class()))
    }

    /// Name of the table as Tableau shows it.
    fn table(&self) -> &'static str {
        match self {
            Connection::Mysql(_) => TABLE,
            Connection::Csv => CSV_MEMBER,
            Connection::Hyper => "Extract",
        }
    }

    fn named_connection(&self) -> Element {
        let (caption, connection) = match self {
            Connection::Mysql(server) => (
                server.host.as_str(),
                element("connection")
                    .attr("class", "mysql")
                    .attr("dbname", &server.database)
                    .attr("odbc-native-protocol", "")
                    .attr("one-time-sql", "")
                    .attr("port", server.port)
                    .attr("server", &server.host)
                    .attr("source-charset", "")
                    .attr("username", &server.user),
            ),
            Connection::Csv => (
                TABLE,
                element("connection")
                    .attr("class", "textscan")
                    .attr("directory", ".")
                    .attr("filename", CSV_MEMBER)
                    .attr("password", "")
                    .attr("server", ""),
            ),
            Connection::Hyper => (
                TABLE,
                element("connection")
                    .attr("class", "hyper")
                    .attr("authentication", "auth-none")
                    .attr("author-locale", "en_US")
                    .attr("dbname", HYPER_MEMBER)
                    .attr("default-settings", "yes")
                    .attr("schema", "Extract")
                    .attr("sslmode", "")
                    .attr("tablename", "Extract")
                    .attr("username", ""),
            ),
        };
        element("named-connection").attr("caption", caption).attr("name", self.connection_name()).child(connection)
    }

    fn relation(&self) -> Element {
        let relation = element("relation")
            .attr("connection", self.connection_name())
            .attr("name", self.table())
            .attr("type", "table");
        match self {
            Connection::Mysql(_) => relation.attr("table", bracketed(TABLE)),
            Connection::Hyper => relation.attr("table", "[Extract].[Extract]"),
            Connection::Csv => {
                let column = |(ordinal, field): (usize, &Field)| {
                    element("column")
                        .attr("datatype", field.kind.datatype())
                        .attr("name", field.name)
                        .attr("ordinal", ordinal)
                };
                relation.attr("table", bracketed(&CSV_MEMBER.replace('.', "#"))).child(
                    element("columns")
                        .attr("character-set", "UTF-8")
                        .attr("header", "yes")
                        .attr("locale", "en_US")
                        .attr("separator", ",")
                        .children(FIELDS.iter().enumerate().map(column)),
                )
            }
        }
    }

    fn metadata_records(&self) -> Element {
        let capability = (*self == Connection::Csv).then(|| csv_capability(self.table()));
        let columns = FIELDS.iter().enumerate().map(|(place, field)| self.metadata_record(place, field));
        element("metadata-records").children(capability).children(columns)
    }

    fn metadata_record(&self, place: usize, field: &Field) -> Element {
        // Text files and extracts count columns from 0, MySQL from 1, as Desktop's own files do.
        let ordinal = if matches!(self, Connection::Mysql(_)) { place + 1 } else { place };
        let leaf = |name: &'static str, text: String| element(name).text(text);
        let mut record = element("metadata-record")
            .attr("class", "column")
            .child(leaf("remote-name", field.name.into()))
            .child(leaf("remote-type", self.remote_type(field.kind).to_string()))
            .child(leaf("local-name", bracketed(field.name)))
            .child(leaf("parent-name", bracketed(self.table())))
            .child(leaf("remote-alias", field.name.into()))
            .child(leaf("ordinal", ordinal.to_string()))
            .child(leaf("local-type", field.kind.datatype().into()))
            .child(leaf("aggregation", field.kind.aggregation().into()));
        record = match (self, field.kind) {
            (Connection::Mysql(_), Kind::Seconds) => record.child(leaf("precision", "19".into())),
            (Connection::Mysql(_), Kind::Days) => record.child(leaf("precision", "10".into())),
            (Connection::Mysql(_), Kind::Text { n_chars }) => record.child(leaf("width", n_chars.to_string())),
            (Connection::Csv, Kind::Text { .. }) => {
                record.child(leaf("scale", "1".into())).child(leaf("width", "1073741823".into()))
            }
            _ => record,
        };
        record = record.child(leaf("contains-null", "true".into()));
        if let Kind::Text { .. } = field.kind {
            let collation = if *self == Connection::Csv { "LEN_RUS" } else { "binary" };
            record = record.child(element("collation").attr("flag", 0).attr("name", collation));
        }
        record.child(leaf("object-id", bracketed(&ident::object(self.table()))))
    }

    /// OLE DB's number of the type as this connector reports it.
    fn remote_type(&self, kind: Kind) -> u32 {
        match (self, kind) {
            (Connection::Mysql(_), Kind::Text { .. }) => 130,
            (_, Kind::Text { .. }) => 129,
            (Connection::Csv, Kind::Days) | (_, Kind::Seconds) => 20,
            (_, Kind::Days) => 3,
            (Connection::Mysql(_), Kind::Date) => 7,
            (_, Kind::Date) => 133,
        }
    }

    /// What stands in a data source, in a workbook and in a file of its own alike.
    pub(super) fn contents(&self) -> Vec<Element> {
        let connection = element("connection")
            .attr("class", "federated")
            .child(element("named-connections").child(self.named_connection()))
            .child(self.relation())
            .child(self.metadata_records());
        let object = ident::object(self.table());
        let table_column = element("column")
            .attr("caption", self.table())
            .attr("datatype", "table")
            .attr("name", format!("[__tableau_internal_object_id__].{}", bracketed(&object)))
            .attr("role", "measure")
            .attr("type", "quantitative");
        let graph = element("object-graph").child(
            element("objects").child(
                element("object")
                    .attr("caption", self.table())
                    .attr("id", object)
                    .child(element("properties").attr("context", "").child(self.relation())),
            ),
        );
        let mut contents = vec![connection, element("aliases").attr("enabled", "yes"), table_column];
        contents.extend(FIELDS.iter().map(column));
        contents.extend(calculations().iter().map(calculated_column));
        contents.push(
            element("layout")
                .attr("dim-ordering", "alphabetic")
                .attr("measure-ordering", "alphabetic")
                .attr("show-structure", "true"),
        );
        contents.push(graph);
        contents
    }
}

/// How Tableau's text reader is to read the file.
fn csv_capability(table: &str) -> Element {
    let attribute = |name: &'static str, value: &'static str| {
        element("attribute").attr("datatype", "string").attr("name", name).text(format!("\"{value}\""))
    };
    element("metadata-record")
        .attr("class", "capability")
        .child(element("remote-name"))
        .child(element("remote-type").text(0))
        .child(element("parent-name").text(bracketed(table)))
        .child(element("remote-alias"))
        .child(element("aggregation").text("Count"))
        .child(element("contains-null").text("true"))
        .child(
            element("attributes")
                .child(attribute("character-set", "UTF-8"))
                .child(attribute("collation", "en_US"))
                .child(attribute("field-delimiter", ","))
                .child(attribute("header-row", "true"))
                .child(attribute("locale", "en_US"))
                .child(attribute("single-char", "")),
        )
}

/// A field as the data pane shows it; sheets repeat the ones they use.
pub(super) fn column(field: &Field) -> Element {
    let column = element("column")
        .attr("caption", field.caption)
        .attr("datatype", field.kind.datatype())
        .attr("name", bracketed(field.name))
        .attr("role", field.kind.role())
        .attr("type", field.kind.scale().name());
    if field.kind == Kind::Seconds { column.attr("default-format", WHOLE_NUMBER) } else { column }
}

/// A calculation as the data pane shows it; sheets repeat the ones they use.
pub(super) fn calculated_column(calculation: &Calculation) -> Element {
    element("column")
        .attr("caption", &calculation.caption)
        .attr("datatype", calculation.datatype)
        .attr("default-format", WHOLE_NUMBER)
        .attr("name", bracketed(&calculation.name))
        .attr("role", "measure")
        .attr("type", "quantitative")
        .child(element("calculation").attr("class", "tableau").attr("formula", &calculation.formula))
}

const WHOLE_NUMBER: &str = "n#,##0;-#,##0";

/// The list of [`FEATURES`].
pub(super) fn manifest() -> Element {
    element("document-format-change-manifest").children(FEATURES.map(element))
}

/// A data source without sheets (`.tds`), for users who want to build their own.
pub fn datasource(connection: &Connection) -> String {
    element("datasource")
        .attr("formatted-name", connection.datasource_name())
        .attr("inline", "true")
        .attr("source-platform", "linux")
        .attr("version", FORMAT_VERSION)
        .attr("xmlns:user", USER_NAMESPACE)
        .child(manifest())
        .children(connection.contents())
        .document()
}

pub(super) const USER_NAMESPACE: &str = "http://www.tableausoftware.com/xml/user";
