//! The devices of a month: the distinct pairs of contract and device, in a file of their own beside the month file.
//!
//! The month file tells how many devices each customer has; which they are stands here, so that the devices of parts can
//! be united. Its name is that of the month file with `.devices` in place of `.parquet`.
//!
//! ```text
//! viewmart devices 1 2022-04\n
//! { length of the contract, contract, number of devices, { length of a device, device } }
//! ```
//!
//! Contracts ascend byte by byte, and so do the devices of each. Numbers are LEB128. The month file holds the seal of the
//! pairs, their number and SHA-256: a file of other pairs, one that was cut short, or one of an earlier run is refused.

use std::io::{self, BufRead as _, BufReader, Read as _, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::MonthFileError;
use super::part_file::{Between, PartFile, PartStream};
use crate::engine::calendar::Month;
use crate::engine::devices::RowDevices;
use crate::engine::hex::hex;
use crate::engine::month::{Contracts, MonthTable};
use crate::engine::scan::record::{MAX_CONTRACT_CHARS, MAX_LINE_BYTES};

/// What the name of such a file ends in.
pub const DEVICES_ENDING: &str = "devices";

/// Bytes that are read at once: a merge reads many such files.
const BUFFER_BYTES: usize = 1 << 16;

/// The file beside a month file.
pub fn devices_beside(month_file: &Path) -> PathBuf {
    month_file.with_extension(DEVICES_ENDING)
}

/// The first line.
fn head(month: Month) -> String {
    format!("viewmart devices 1 {month}\n")
}

/// What a month file says of the file beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// Distinct pairs of contract and device.
    pub pairs: u64,
    /// Kept records that name a device.
    pub records: u64,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
}

/// Writes the devices of `table`; gives their seal, none where they were not counted.
///
/// # Errors
/// Those of `output`.
pub fn write_devices(table: &MonthTable, output: &mut dyn Write) -> io::Result<Option<Seal>> {
    let Some(devices) = &table.devices else { return Ok(None) };
    let mut writer = DeviceWriter::new(table.month, output)?;
    writer.add(table)?;
    writer.finish(devices.n_records).map(Some)
}

/// Such a file while it is written.
pub(super) struct DeviceWriter<'a> {
    output: &'a mut dyn Write,
    hash: Sha256,
    n_pairs: u64,
    /// What was not handed on yet.
    buffer: Vec<u8>,
}

impl<'a> DeviceWriter<'a> {
    pub fn new(month: Month, output: &'a mut dyn Write) -> io::Result<DeviceWriter<'a>> {
        Ok(DeviceWriter { output, hash: Sha256::new(), n_pairs: 0, buffer: head(month).into_bytes() })
    }

    /// Adds the devices of the next rows.
    pub fn add(&mut self, rows: &MonthTable) -> io::Result<()> {
        let Some(devices) = &rows.devices else { return Ok(()) };
        for (row, of_row) in devices.rows().enumerate().filter(|(_, of_row)| of_row.count > 0) {
            push_text(&mut self.buffer, rows.contracts.get(row));
            push_number(&mut self.buffer, of_row.count.into());
            of_row.names().for_each(|name| push_text(&mut self.buffer, name));
            self.n_pairs += u64::from(of_row.count);
            if self.buffer.len() >= BUFFER_BYTES {
                self.hand_on()?;
            }
        }
        Ok(())
    }

    fn hand_on(&mut self) -> io::Result<()> {
        self.hash.update(&self.buffer);
        self.output.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    /// Writes what is left; gives the seal of a month of which so many records name a device.
    pub fn finish(mut self, n_records: u64) -> io::Result<Seal> {
        self.hand_on()?;
        Ok(Seal { pairs: self.n_pairs, records: n_records, sha256: hex(&self.hash.finalize()) })
    }
}

fn push_text(buffer: &mut Vec<u8>, text: &str) {
    push_number(buffer, text.len() as u64);
    buffer.extend_from_slice(text.as_bytes());
}

fn push_number(buffer: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        buffer.push(number as u8 | 0x80);
        number >>= 7;
    }
    buffer.push(number as u8);
}

/// Such a file while it is read, a contract at a time. It may be anything.
pub(super) struct DeviceReader {
    path: PathBuf,
    input: BufReader<PartStream>,
    hash: Sha256,
    n_pairs: u64,
    /// The contract at hand; none before the first and after the last.
    contract: Option<String>,
    /// Its devices.
    devices: Contracts,
}

/// Why such a file cannot be used.
enum DeviceFailure {
    Io(io::Error),
    Flaw(&'static str),
}

impl From<io::Error> for DeviceFailure {
    fn from(error: io::Error) -> DeviceFailure {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => DeviceFailure::Flaw("it ends too soon"),
            _ => DeviceFailure::Io(error),
        }
    }
}

impl DeviceReader {
    /// The file beside `month_file`, which is of `month`, at its first contract.
    pub fn open(month_file: &Path, month: Month, between: Between) -> Result<DeviceReader, MonthFileError> {
        let path = devices_beside(month_file);
        let file = PartFile::open(&path, between).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                MonthFileError::NoDeviceFile { file: month_file.to_owned(), beside: path.clone() }
            }
            _ => MonthFileError::Read { file: path.clone(), source: error },
        })?;
        let input = BufReader::with_capacity(BUFFER_BYTES, PartStream::new(file));
        let (hash, devices) = (Sha256::new(), Contracts::default());
        let mut reader = DeviceReader { path, input, hash, n_pairs: 0, contract: None, devices };
        let begun = reader.begin(month);
        begun.map_err(|failure| reader.refused(failure))?;
        Ok(reader)
    }

    fn begin(&mut self, month: Month) -> Result<(), DeviceFailure> {
        let head = head(month);
        if self.bytes(head.len())? != head.as_bytes() {
            return Err(DeviceFailure::Flaw("it does not begin as the file of devices of that month does"));
        }
        self.next()
    }

    /// The devices of `contract`, which comes after those that were asked for before, into `devices`.
    pub fn take(&mut self, contract: &str, devices: &mut Contracts) -> Result<(), MonthFileError> {
        devices.clear();
        let taken = match self.contract.as_deref() {
            Some(found) if found == contract => {
                std::mem::swap(devices, &mut self.devices);
                self.next()
            }
            // A contract that the month file does not have would never be asked for.
            Some(found) if found < contract => {
                Err(DeviceFailure::Flaw("it has a contract that the month file has not"))
            }
            _ => Ok(()),
        };
        taken.map_err(|failure| self.refused(failure))
    }

    /// Whether nothing is left, and all of it is what `seal` says.
    pub fn finish(&mut self, seal: &Seal) -> Result<(), MonthFileError> {
        let is_sealed = self.contract.is_none()
            && self.n_pairs == seal.pairs
            && hex(&std::mem::take(&mut self.hash).finalize()) == seal.sha256;
        match is_sealed {
            true => Ok(()),
            false => {
                Err(self
                    .refused(DeviceFailure::Flaw("it does not belong to the month file, whose seal is another one")))
            }
        }
    }

    /// That it has other devices of a contract than the month file counts.
    pub fn contradicts(&self) -> MonthFileError {
        self.refused(DeviceFailure::Flaw("it has other devices than the month file beside it counts"))
    }

    fn refused(&self, failure: DeviceFailure) -> MonthFileError {
        let file = self.path.clone();
        match failure {
            DeviceFailure::Io(source) => MonthFileError::Read { file, source },
            DeviceFailure::Flaw(why) => MonthFileError::DeviceFile { file, why },
        }
    }

    /// Moves on to the next contract.
    fn next(&mut self) -> Result<(), DeviceFailure> {
        self.devices.clear();
        let before = self.contract.take();
        if self.input.fill_buf()?.is_empty() {
            return Ok(());
        }
        let contract = self.text(4 * MAX_CONTRACT_CHARS)?;
        if before.is_some_and(|before| before >= contract) {
            return Err(DeviceFailure::Flaw("its contracts do not ascend byte by byte"));
        }
        for _ in 0..self.number()? {
            let device = self.text(MAX_LINE_BYTES)?;
            let n_before = self.devices.len();
            if device.is_empty() || n_before > 0 && self.devices.get(n_before - 1) >= device.as_str() {
                return Err(DeviceFailure::Flaw("the devices of a contract do not ascend byte by byte"));
            }
            self.devices.push(&device);
        }
        self.n_pairs += self.devices.len() as u64;
        self.contract = Some(contract);
        Ok(())
    }

    fn number(&mut self) -> Result<u64, DeviceFailure> {
        let mut number = 0;
        for shift in (0..63).step_by(7) {
            let [byte] = self.bytes(1)?[..] else { return Err(DeviceFailure::Flaw("it ends too soon")) };
            number |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(DeviceFailure::Flaw("a number in it is too large"))
    }

    fn text(&mut self, max_bytes: usize) -> Result<String, DeviceFailure> {
        let n_bytes = usize::try_from(self.number()?).ok().filter(|n_bytes| *n_bytes <= max_bytes);
        let bytes = self.bytes(n_bytes.ok_or(DeviceFailure::Flaw("a text in it is too long"))?)?;
        String::from_utf8(bytes).map_err(|_| DeviceFailure::Flaw("a text in it is not UTF-8"))
    }

    /// The next bytes, which count for the seal.
    fn bytes(&mut self, n_bytes: usize) -> Result<Vec<u8>, DeviceFailure> {
        // What the file says of its length is no reason to reserve as much.
        let mut bytes = Vec::with_capacity(n_bytes.min(BUFFER_BYTES));
        (&mut self.input).take(n_bytes as u64).read_to_end(&mut bytes)?;
        if bytes.len() < n_bytes {
            return Err(DeviceFailure::Flaw("it ends too soon"));
        }
        self.hash.update(&bytes);
        Ok(bytes)
    }
}

/// The devices at hand as those of a row.
pub(super) fn named(devices: &Contracts) -> RowDevices<'_> {
    RowDevices::named(devices, 0..devices.len())
}
