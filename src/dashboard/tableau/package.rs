//! The workbook and its rows in one archive (`.twbx`): a plain zip, with the same bytes for the same rows.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::csv::{Contracts, RowSource, write_csv};
use super::datasource::{CSV_MEMBER, Connection, HYPER_MEMBER};
use super::hyper::write_extract;
use super::outlet::Outlet;
use super::workbook::{Subject, workbook};
use crate::error::Error;
use crate::fs::error::OutputError;
use crate::warehouse::WarehouseError;

/// Name of the workbook in the archive.
pub const WORKBOOK_MEMBER: &str = "viewmart.twb";

/// Begin of the name of a folder with rows on their way to an extract.
const SCRATCH_PREFIX: &str = ".viewmart-tableau-";

/// In which form the rows are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowFormat {
    /// As text, which Tableau reads anew whenever the workbook is opened.
    Csv,
    /// As an extract, which opens faster; CSV when it cannot be made.
    Hyper {
        /// The program `hyperd` that writes it.
        hyperd: PathBuf,
        /// Folder for the rows on their way to it, as large as the CSV file. No other run may use it meanwhile.
        scratch: PathBuf,
    },
}

/// A written archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packaged {
    /// Number of rows in it.
    pub n_rows: u64,
    /// Name of the member that holds them, [`CSV_MEMBER`] or [`HYPER_MEMBER`].
    pub rows_member: &'static str,
    /// What the user should know, one sentence without a final period.
    pub note: Option<String>,
}

/// Why an archive was not written to its end.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// The archive or the scratch folder could not be written.
    #[error("writing the Tableau workbook failed: {0}")]
    Write(#[from] io::Error),
    /// The rows could not be read.
    #[error(transparent)]
    Rows(#[from] WarehouseError),
}

impl PackageError {
    /// The error of the program for an archive at `path`.
    pub fn at(self, path: &Path) -> Error {
        match self {
            PackageError::Write(source) => OutputError::io(path, "writing the Tableau workbook", source).into(),
            PackageError::Rows(error) => Error::Warehouse(error),
        }
    }
}

/// Writes the archive with the workbook on `subject` and all of `rows` to `out`.
///
/// # Errors
/// `out` or the scratch folder cannot be written, or the rows cannot be read. An extract that cannot be made is no
/// error: the rows are then CSV, and [`Packaged::note`] says why.
pub fn package<W: Write + Seek + Send>(
    out: W,
    subject: &Subject,
    rows: &mut dyn RowSource,
    contracts: Contracts<'_>,
    format: &RowFormat,
) -> Result<Packaged, PackageError> {
    let mut archive = Archive { zip: ZipWriter::new(Outlet::new(out)).set_auto_large_file() };
    archive.zip.set_comment(subject.mark.as_str()).map_err(io::Error::from)?;
    let RowFormat::Hyper { hyperd, scratch } = format else {
        let n_rows = archive.with_csv(subject, rows, contracts)?;
        return Ok(Packaged { n_rows, rows_member: CSV_MEMBER, note: None });
    };
    remove_leftovers(scratch);
    let scratch = tempfile::Builder::new().prefix(SCRATCH_PREFIX).tempdir_in(scratch)?;
    let (csv, hyper) = (scratch.path().join("rows.csv"), scratch.path().join("rows.hyper"));
    let n_rows = csv_file(&csv, rows, contracts)?;
    let (rows_file, rows_member, note) = match write_extract(hyperd, &csv, &hyper, n_rows) {
        Ok(()) => (hyper, HYPER_MEMBER, None),
        Err(why) => {
            let note = format!(
                "the Tableau workbook holds its rows as CSV, because no extract could be made: {why}; \
                 --hyperd must name the program of Tableau's Hyper API, for example from `pip install tableauhyperapi`"
            );
            (csv, CSV_MEMBER, Some(note))
        }
    };
    archive.with_file(subject, &rows_file, rows_member)?;
    Ok(Packaged { n_rows, rows_member, note })
}

/// [`Subject::mark`] of what the archive at `path` was made from: none where there is no archive, an empty one where an
/// older version made it.
pub fn read_mark(path: &Path) -> Option<String> {
    let archive = zip::ZipArchive::new(BufReader::new(File::open(path).ok()?)).ok()?;
    Some(String::from_utf8_lossy(archive.comment()).into_owned())
}

/// Removes the rows that a killed run left on their way. What cannot be removed is in nobody's way.
fn remove_leftovers(scratch: &Path) {
    for entry in std::fs::read_dir(scratch).into_iter().flatten().flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(SCRATCH_PREFIX.as_bytes()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// Writes the rows to a file of their own.
fn csv_file(path: &Path, rows: &mut dyn RowSource, contracts: Contracts<'_>) -> Result<u64, PackageError> {
    let mut file = File::create_new(path)?;
    let mut written = Ok(());
    let n_rows = write_csv(rows, contracts, &mut |block| {
        written = file.write_all(&block);
        if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    written?;
    Ok(n_rows)
}

struct Archive<W: Write + Seek> {
    zip: ZipWriter<Outlet<W>>,
}

impl<W: Write + Seek + Send> Archive<W> {
    /// Time and rights are fixed: they would be the only bytes that differ from run to run.
    fn options() -> SimpleFileOptions {
        SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            // Higher levels save a tenth and cost three times the time.
            .compression_level(Some(1))
            .last_modified_time(DateTime::default())
            .unix_permissions(0o644)
    }

    fn start(&mut self, member: &str) -> io::Result<()> {
        Ok(self.zip.start_file(member, Archive::<W>::options())?)
    }

    fn workbook(&mut self, subject: &Subject, connection: &Connection) -> io::Result<()> {
        self.start(WORKBOOK_MEMBER)?;
        self.zip.write_all(workbook(subject, connection).as_bytes())
    }

    fn finish(self) -> io::Result<()> {
        self.zip.finish()?.finish()
    }

    /// The rows straight from their source. Compression runs beside the making of the lines: each takes about as long.
    fn with_csv(
        mut self,
        subject: &Subject,
        rows: &mut dyn RowSource,
        contracts: Contracts<'_>,
    ) -> Result<u64, PackageError> {
        self.workbook(subject, &Connection::Csv)?;
        self.start(CSV_MEMBER)?;
        let (sender, blocks) = mpsc::sync_channel::<Vec<u8>>(4);
        thread::scope(|scope| {
            let compressor = scope.spawn(move || {
                for block in blocks {
                    self.zip.write_all(&block)?;
                }
                self.finish()
            });
            let n_rows = write_csv(rows, contracts, &mut |block| match sender.send(block) {
                Ok(()) => ControlFlow::Continue(()),
                // The compressor has ended, and says why below.
                Err(_) => ControlFlow::Break(()),
            });
            drop(sender);
            let written = compressor.join().unwrap_or_else(|_| Err(io::Error::other("the compressor stopped")));
            // A source that broke off leaves a short archive: its error comes first.
            let n_rows = n_rows?;
            written?;
            Ok(n_rows)
        })
    }

    /// The rows from a file.
    fn with_file(mut self, subject: &Subject, rows: &Path, member: &'static str) -> io::Result<()> {
        let connection = if member == HYPER_MEMBER { Connection::Hyper } else { Connection::Csv };
        self.workbook(subject, &connection)?;
        self.start(member)?;
        let mut file = File::open(rows)?;
        let mut buffer = vec![0; 1 << 20];
        loop {
            let n_bytes = file.read(&mut buffer)?;
            let Some(block) = buffer.get(..n_bytes).filter(|block| !block.is_empty()) else { break };
            self.zip.write_all(block)?;
        }
        self.finish()
    }
}
