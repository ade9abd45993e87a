//! One record as a line of NDJSON or CSV, put together from fixed text.

use super::calibration::App;
use super::draw::mix;
use super::population::{Code, Mac};
use crate::lake::Format;

/// What stands in `Contract`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contract {
    Code(Code),
    Empty,
    /// JSON null; empty in CSV.
    Null,
    /// No such key; empty in CSV.
    Absent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) contract: Contract,
    pub(super) mac: Mac,
    pub(super) app: App,
    pub(super) seconds: i64,
}

/// Which of the two comes first in every record of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyOrder {
    DurationThenApp,
    AppThenDuration,
}

/// No line is longer.
pub(super) const MAX_LINE_BYTES: usize = 512;

/// Writes the lines of one day.
#[derive(Debug)]
pub(super) struct LineWriter {
    format: Format,
    order: KeyOrder,
    /// Differs in every record of every day.
    serial: u64,
    salt: u64,
}

impl LineWriter {
    /// `day` is below 2^24, `salt` comes from the seed.
    pub(super) fn new(format: Format, order: KeyOrder, day: u64, salt: u64) -> LineWriter {
        LineWriter { format, order, serial: day << 40, salt }
    }

    /// The header of a file, if the format has one.
    pub(super) fn header(&self, out: &mut Vec<u8>) {
        if self.format == Format::Csv {
            out.extend_from_slice(b"_index,_type,_id,_score,_source.Contract,_source.Mac,");
            out.extend_from_slice(match self.order {
                KeyOrder::DurationThenApp => b"_source.TotalDuration,_source.AppName\n",
                KeyOrder::AppThenDuration => b"_source.AppName,_source.TotalDuration\n",
            });
        }
    }

    /// Adds one line to `out`.
    pub(super) fn write(&mut self, record: &Record, out: &mut Vec<u8>) {
        let id = self.next_id();
        match self.format {
            Format::Ndjson => self.write_json(record, &id, out),
            Format::Csv => self.write_csv(record, &id, out),
        }
    }

    fn write_json(&self, record: &Record, id: &[u8; 20], out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"_index":"history","_type":""#);
        out.extend_from_slice(record.app.kind().as_bytes());
        out.extend_from_slice(br#"","_id":""#);
        out.extend_from_slice(id);
        out.extend_from_slice(br#"","_score":0,"_source":{"#);
        match &record.contract {
            Contract::Code(code) => {
                out.extend_from_slice(br#""Contract":""#);
                out.extend_from_slice(code.as_bytes());
                out.extend_from_slice(br#"","#);
            }
            Contract::Empty => out.extend_from_slice(br#""Contract":"","#),
            Contract::Null => out.extend_from_slice(br#""Contract":null,"#),
            Contract::Absent => {}
        }
        out.extend_from_slice(br#""Mac":""#);
        out.extend_from_slice(record.mac.as_bytes());
        out.extend_from_slice(record.mac.suffix.as_bytes());
        let mut digits = itoa::Buffer::new();
        let seconds = digits.format(record.seconds).as_bytes();
        match self.order {
            KeyOrder::DurationThenApp => {
                out.extend_from_slice(br#"","TotalDuration":"#);
                out.extend_from_slice(seconds);
                out.extend_from_slice(br#","AppName":""#);
                out.extend_from_slice(record.app.name().as_bytes());
                out.extend_from_slice(b"\"}}\n");
            }
            KeyOrder::AppThenDuration => {
                out.extend_from_slice(br#"","AppName":""#);
                out.extend_from_slice(record.app.name().as_bytes());
                out.extend_from_slice(br#"","TotalDuration":"#);
                out.extend_from_slice(seconds);
                out.extend_from_slice(b"}}\n");
            }
        }
    }

    fn write_csv(&self, record: &Record, id: &[u8; 20], out: &mut Vec<u8>) {
        out.extend_from_slice(b"history,");
        out.extend_from_slice(record.app.kind().as_bytes());
        out.push(b',');
        out.extend_from_slice(id);
        out.extend_from_slice(b",0,");
        if let Contract::Code(code) = &record.contract {
            out.extend_from_slice(code.as_bytes());
        }
        out.push(b',');
        out.extend_from_slice(record.mac.as_bytes());
        out.extend_from_slice(record.mac.suffix.as_bytes());
        out.push(b',');
        let mut digits = itoa::Buffer::new();
        let seconds = digits.format(record.seconds).as_bytes();
        match self.order {
            KeyOrder::DurationThenApp => {
                out.extend_from_slice(seconds);
                out.push(b',');
                out.extend_from_slice(record.app.name().as_bytes());
            }
            KeyOrder::AppThenDuration => {
                out.extend_from_slice(record.app.name().as_bytes());
                out.push(b',');
                out.extend_from_slice(seconds);
            }
        }
        out.push(b'\n');
    }

    /// 20 characters, no two alike: 11 of them spell a bijection of the serial number.
    fn next_id(&mut self) -> [u8; 20] {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let unique = mix(self.serial ^ self.salt);
        let filler = mix(unique ^ 0x5851_F42D_4C95_7F2D);
        self.serial += 1;
        let mut id = *b"AX..................";
        let mut bits = unique;
        for character in &mut id[2..13] {
            *character = ALPHABET[(bits & 63) as usize];
            bits >>= 6;
        }
        bits = filler;
        for character in &mut id[13..] {
            *character = ALPHABET[(bits & 63) as usize];
            bits >>= 6;
        }
        id
    }
}
