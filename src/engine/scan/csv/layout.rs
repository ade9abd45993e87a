//! The header of a CSV file: which delimiter, and where the columns are.

use super::record::read_record;
use crate::engine::scan::lines::BYTE_ORDER_MARK;

/// Longest header, in bytes: what [`CsvLayout::from_header`] has to see of a file that is longer.
pub const MAX_HEADER_BYTES: usize = 1 << 20;

const DELIMITERS: [u8; 4] = *b",;\t|";

/// The columns by name, each as it may be spelled.
const CONTRACT: &[&str] = &["Contract"];
const APP: &[&str] = &["AppName", "Appname"];
const SECONDS: &[&str] = &["TotalDuration"];
/// The column that holds a whole `_source` object.
const SOURCE: &str = "_source";
/// The column of ids.
const ID: &str = "_id";
/// The column of devices.
const DEVICE: &str = "Mac";

/// Where the fields of a CSV file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CsvLayout {
    /// `,`, `;`, tab or `|`.
    pub delimiter: u8,
    /// Number of fields of every record.
    pub n_fields: usize,
    /// The columns that are read.
    pub columns: Columns,
    /// The place of the column `_id`, where there is one; read only where ids are.
    pub id: Option<usize>,
    /// The place of the column `Mac`, where there is one; read only where devices are counted.
    pub device: Option<usize>,
}

/// The columns that are read, each as its place from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Columns {
    /// A column a field.
    Named {
        /// `Contract`.
        contract: usize,
        /// `AppName` or `Appname`.
        app: usize,
        /// `TotalDuration`.
        seconds: usize,
    },
    /// One column with the JSON text of the `_source` object.
    Source(usize),
}

/// A CSV file whose header does not say where the columns are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Columns are not there.
    #[error("the CSV header lacks {}; it has {}", list(.missing), list(.found))]
    Lacks {
        /// The columns that are missing, by the names that were looked for.
        missing: Vec<String>,
        /// The columns that are there, by the delimiter that fits best. Empty when there is no header.
        found: Vec<String>,
    },
    /// A column that is read is there more than once.
    #[error("the CSV header has more than one column of one field: {}", list(.columns))]
    Repeats {
        /// The columns of that field.
        columns: Vec<String>,
    },
    /// Lines end in carriage returns alone, so that rows are taken for a part of the header.
    #[error("the CSV header has a carriage return with no line feed after it")]
    LoneReturn,
}

fn list(names: &[String]) -> String {
    match names {
        [] => "no columns".to_owned(),
        names => names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
    }
}

/// Whether a file that is all of `content` holds nothing: line breaks at most, or a byte order mark.
pub fn is_blank_file(content: &[u8]) -> bool {
    let content = content.strip_prefix(BYTE_ORDER_MARK).unwrap_or(content);
    content.iter().all(|byte| matches!(byte, b'\r' | b'\n'))
}

impl CsvLayout {
    /// Reads the header from the first bytes of a file: the whole file, or at least
    /// [`MAX_HEADER_BYTES`] of it. Gives the layout and the length of byte order mark and
    /// header, line ending included: where the records begin.
    ///
    /// The delimiter is the one that yields the columns. Columns by name go before a column
    /// `_source`. Of the columns `_id` and `Mac` the last counts.
    ///
    /// # Errors
    /// No delimiter yields the columns, so too when there is no header at all; or one that does
    /// yields a column of a field twice.
    pub fn from_header(start: &[u8]) -> Result<(CsvLayout, usize), HeaderError> {
        let start = &start[..start.len().min(MAX_HEADER_BYTES)];
        let mut at = if start.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
        // Blank lines are nothing, before the header too.
        while let Some(rest) = start.get(at..) {
            match rest {
                [b'\n', ..] => at += 1,
                [b'\r', b'\n', ..] => at += 2,
                _ => break,
            }
        }
        // Excel says the delimiter in a line of its own.
        let mut delimiters = DELIMITERS.to_vec();
        if let [b's', b'e', b'p', b'=', delimiter, behind @ ..] = start.get(at..).unwrap_or_default()
            && DELIMITERS.contains(delimiter)
            && let Some(n_bytes) = line_end(behind)
        {
            delimiters = vec![*delimiter];
            at += "sep=;".len() + n_bytes;
        }
        let mut best: Option<(Vec<String>, Vec<String>)> = None;
        for delimiter in delimiters {
            let mut names = Vec::new();
            let mut has_rows = false;
            let record = read_record(start, at, delimiter, |_, field| {
                has_rows |= field.has_lone_return(start);
                names.push(String::from_utf8_lossy(&field.bytes(start)).into_owned());
            });
            // What goes on for so long is no header.
            let is_cut = record.next == MAX_HEADER_BYTES && start.last() != Some(&b'\n');
            if is_cut || record.content(start, at).is_empty() {
                names.clear();
            }
            // Quotes in odd places make it something else, such as JSON.
            let found = columns(if record.is_well_formed { names.as_slice() } else { &[] });
            match found {
                Ok(_) if has_rows => return Err(HeaderError::LoneReturn),
                Ok(columns) => {
                    let (id, device) = (id_column(&names), device_column(&names));
                    return Ok((CsvLayout { delimiter, n_fields: names.len(), columns, id, device }, record.next));
                }
                Err(Flaw::Repeats(columns)) => return Err(HeaderError::Repeats { columns }),
                Err(Flaw::Lacks(missing)) => {
                    let is_better = best.as_ref().is_none_or(|(_, found)| found.len() < names.len());
                    if is_better {
                        best = Some((missing, names));
                    }
                }
            }
        }
        let (missing, found) = best.unwrap_or_default();
        Err(HeaderError::Lacks { missing, found })
    }
}

/// The length of the line ending that `bytes` begin with.
fn line_end(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [b'\n', ..] => Some(1),
        [b'\r', b'\n', ..] => Some(2),
        _ => None,
    }
}

/// Why names are not those of the columns.
enum Flaw {
    /// These are missing.
    Lacks(Vec<String>),
    /// These are of one field.
    Repeats(Vec<String>),
}

/// The columns among `names`, or what is wrong with them.
fn columns(names: &[String]) -> Result<Columns, Flaw> {
    let exact = |wanted: &'static [&'static str]| {
        move |name: &&String| wanted.contains(&name.strip_prefix("_source.").unwrap_or(name))
    };
    let place = |wanted: &'static [&'static str]| {
        let place = names.iter().position(|name| exact(wanted)(&name));
        place.or_else(|| only(names, |name| is_like(name, wanted[0])))
    };
    let once = |columns: Columns, fields: &[&'static [&'static str]]| {
        let named = |field: &&'static [&'static str]| names.iter().filter(exact(field)).cloned().collect::<Vec<_>>();
        match fields.iter().map(named).find(|columns| columns.len() > 1) {
            Some(repeated) => Err(Flaw::Repeats(repeated)),
            None => Ok(columns),
        }
    };
    let contract = place(CONTRACT);
    let app = place(APP);
    let seconds = place(SECONDS);
    if let (Some(contract), Some(app), Some(seconds)) = (contract, app, seconds) {
        return once(Columns::Named { contract, app, seconds }, &[CONTRACT, APP, SECONDS]);
    }
    let of_source = || only(names, |name| name.trim().eq_ignore_ascii_case(SOURCE));
    if let Some(source) = names.iter().position(|name| name == SOURCE).or_else(of_source) {
        return once(Columns::Source(source), &[&[SOURCE]]);
    }
    let wanted = [("Contract", contract), ("TotalDuration", seconds), ("AppName", app)];
    Err(Flaw::Lacks(wanted.iter().filter(|(_, place)| place.is_none()).map(|(name, _)| (*name).to_owned()).collect()))
}

/// The column of ids, found as the others are.
fn id_column(names: &[String]) -> Option<usize> {
    names.iter().rposition(|name| name == ID).or_else(|| only(names, |name| is_like(name, ID)))
}

/// The column of devices, found as those of the other fields are.
fn device_column(names: &[String]) -> Option<usize> {
    let exact = names.iter().rposition(|name| name.strip_prefix("_source.").unwrap_or(name) == DEVICE);
    exact.or_else(|| only(names, |name| is_like(name, DEVICE)))
}

/// The one name that is so.
fn only(names: &[String], is_so: impl Fn(&str) -> bool) -> Option<usize> {
    let mut places = names.iter().enumerate().filter(|(_, name)| is_so(name)).map(|(place, _)| place);
    places.next().filter(|_| places.next().is_none())
}

/// Whether a name is `wanted` but for case, blanks around it and what stands before its last `.`.
fn is_like(name: &str, wanted: &str) -> bool {
    let name = name.trim();
    name.rsplit('.').next().unwrap_or(name).trim().eq_ignore_ascii_case(wanted)
}
