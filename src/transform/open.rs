//! From a data file to what there is to scan of it.

use crate::engine::aggregate::collect::FileId;
use crate::engine::scan::csv::{CsvLayout, MAX_HEADER_BYTES, is_blank_file};
use crate::error::Error;
use crate::lake::read::mapped::MappedFile;
use crate::lake::{Compression, DataFile, Format};

use super::compressed::{CompressedInput, Decompressor};
use super::csv_file::CsvFile;
use super::input::{FileMeta, Input, SPLIT_BYTES, header_error};
use super::split;

/// Whether `file` is several inputs. A CSV file of up to `alone_bytes` is one.
pub(super) fn is_split(file: &DataFile, alone_bytes: u64) -> bool {
    let is_alone = match file.format {
        Format::Ndjson => false,
        Format::Csv => file.n_bytes <= alone_bytes,
    };
    file.compression == Compression::None && !is_alone && file.n_bytes > SPLIT_BYTES
}

/// Opens `file`: its inputs in the order of its bytes.
pub(super) fn open(
    file: &DataFile,
    id: FileId,
    alone_bytes: u64,
    decompressor: Decompressor,
) -> Result<Vec<Box<dyn Input>>, Error> {
    if file.compression != Compression::None {
        return Ok(vec![Box::new(CompressedInput::open(file, id, decompressor)?)]);
    }
    let mapped = MappedFile::open(file)?;
    if mapped.n_bytes() == 0 {
        return Ok(Vec::new());
    }
    let (layout, records_start) = match file.format {
        Format::Ndjson => (None, 0),
        Format::Csv => {
            let header = mapped.window(0, MAX_HEADER_BYTES)?;
            if header.len() as u64 == mapped.n_bytes() && is_blank_file(&header) {
                return Ok(Vec::new());
            }
            let (layout, n_bytes) = CsvLayout::from_header(&header)
                .map_err(|error| header_error(&file.uri, file.compression, &error, &header))?;
            (Some(layout), n_bytes as u64)
        }
    };
    let meta = FileMeta { uri: file.uri.as_str().into(), id, day: file.day };
    if let Some(layout) = layout
        && file.n_bytes <= alone_bytes
    {
        return Ok(vec![Box::new(CsvFile::new(meta, layout, mapped, records_start))]);
    }
    Ok(split::of_file(meta, layout, mapped, records_start).map(|split| Box::new(split) as Box<dyn Input>).collect())
}
