//! A column chunk: the pages of one column of one row group, and what the file says about them.

use std::ops::Range;

use bytes::Bytes;
use parquet::basic::{Encoding, EncodingMask, PageType};
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::data_type::ByteArray;
use parquet::errors::Result as ParquetResult;
use parquet::file::metadata::{ColumnChunkMetaData, PageEncodingStats};
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

use super::days_since_epoch;
use super::encode::{delta_binary_packed, delta_byte_array, packed_codes, plain, repeated_code};
use crate::engine::columns::Values;
use crate::engine::month::Contracts;

/// Rows of a page: what is made of them on the way stays in a cache and in memory that is used again.
const PAGE_ROWS: usize = 1 << 14;

/// One column of one row group as it will stand in the file.
pub(super) struct Chunk {
    pub bytes: Bytes,
    pub close: ColumnCloseResult,
}

impl Chunk {
    /// The rows `rows` (at least one) of a column with these values.
    pub fn new(values: &Values<'_>, rows: Range<usize>, descriptor: ColumnDescPtr) -> ParquetResult<Chunk> {
        match values {
            Values::Date(date) => dates(days_since_epoch(*date), rows, descriptor),
            Values::Texts(contracts) => texts(contracts, rows, descriptor),
            Values::Labels { codes, labels: names } => {
                let last = names.len().saturating_sub(1) as u8;
                let codes: Vec<u8> = codes[rows].iter().map(|code| (*code).min(last)).collect();
                labels(names, &codes, descriptor)
            }
            Values::BigInts(numbers) => big_ints(&numbers[rows], descriptor),
            Values::Masks(numbers) | Values::Counts(numbers) => {
                plain_ints(numbers.get(rows).unwrap_or_default(), descriptor)
            }
            Values::Bytes(numbers) => bytes(&numbers[rows], descriptor),
        }
    }
}

/// The same date in every row.
fn dates(date: i32, rows: Range<usize>, descriptor: ColumnDescPtr) -> ParquetResult<Chunk> {
    let mut pages = Pages::new(descriptor, Encoding::RLE_DICTIONARY, 0);
    pages.dictionary(1, date.to_le_bytes().to_vec())?;
    for rows in pieces(rows) {
        pages.data(rows.len(), |page| repeated_code(rows.len(), page))?;
    }
    pages.close(Statistics::int32(Some(date), Some(date), None, Some(0), false))
}

/// Texts, ascending.
fn texts(contracts: &Contracts, rows: Range<usize>, descriptor: ColumnDescPtr) -> ParquetResult<Chunk> {
    let mut pages = Pages::new(descriptor, Encoding::DELTA_BYTE_ARRAY, size_of::<u64>() * rows.len());
    // They are sorted: the first and the last are the least and the greatest.
    let text = |row: usize| Some(ByteArray::from(contracts.get(row)));
    let statistics = Statistics::byte_array(text(rows.start), text(rows.end - 1), None, Some(0), false);
    for rows in pieces(rows) {
        let texts: Vec<&[u8]> = rows.map(|row| contracts.get(row).as_bytes()).collect();
        pages.data(texts.len(), |page| delta_byte_array(&texts, page))?;
    }
    pages.close(statistics)
}

fn big_ints(values: &[i64], descriptor: ColumnDescPtr) -> ParquetResult<Chunk> {
    let mut pages = Pages::new(descriptor, Encoding::DELTA_BINARY_PACKED, size_of::<u32>() * values.len());
    for values in values.chunks(PAGE_ROWS) {
        pages.data(values.len(), |page| delta_binary_packed(values, page))?;
    }
    let (least, greatest) = (values.iter().min().copied(), values.iter().max().copied());
    pages.close(Statistics::int64(least, greatest, None, Some(0), false))
}

/// Small numbers, each of which is its own place in the dictionary.
fn bytes(numbers: &[u8], descriptor: ColumnDescPtr) -> ParquetResult<Chunk> {
    let least = numbers.iter().min().copied().unwrap_or_default();
    let greatest = numbers.iter().max().copied().unwrap_or_default();
    let mut pages = Pages::new(descriptor, Encoding::RLE_DICTIONARY, numbers.len());
    let dictionary = (0..=greatest).flat_map(|number| i32::from(number).to_le_bytes()).collect();
    pages.dictionary(u32::from(greatest) + 1, dictionary)?;
    pages.codes(numbers, greatest)?;
    pages.close(Statistics::int32(Some(least.into()), Some(greatest.into()), None, Some(0), false))
}

/// Masks of days, of which a month has 31, or counts: none is negative as `i32`.
fn plain_ints(numbers: &[u32], descriptor: ColumnDescPtr) -> ParquetResult<Chunk> {
    let mut pages = Pages::new(descriptor, Encoding::PLAIN, size_of_val(numbers) + PAGE_ROWS);
    for numbers in numbers.chunks(PAGE_ROWS) {
        pages.data(numbers.len(), |page| plain(numbers, page))?;
    }
    let least = numbers.iter().copied().min().map(u32::cast_signed);
    let greatest = numbers.iter().copied().max().map(u32::cast_signed);
    pages.close(Statistics::int32(least, greatest, None, Some(0), false))
}

/// Texts of which `codes` gives the places among `names`.
fn labels(names: &[&str], codes: &[u8], descriptor: ColumnDescPtr) -> ParquetResult<Chunk> {
    let mut pages = Pages::new(descriptor, Encoding::RLE_DICTIONARY, codes.len());
    let mut dictionary = Vec::new();
    for name in names {
        dictionary.extend_from_slice(&(name.len() as u32).to_le_bytes());
        dictionary.extend_from_slice(name.as_bytes());
    }
    pages.dictionary(names.len() as u32, dictionary)?;
    pages.codes(codes, names.len() as u8 - 1)?;
    let used = codes.iter().fold(0_u32, |used, code| used | 1 << code);
    let used = || names.iter().enumerate().filter(|(code, _)| used >> code & 1 == 1).map(|(_, name)| *name);
    let (least, greatest) = (used().min().map(ByteArray::from), used().max().map(ByteArray::from));
    pages.close(Statistics::byte_array(least, greatest, None, Some(0), false))
}

/// `rows` page by page.
fn pieces(rows: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let end = rows.end;
    rows.step_by(PAGE_ROWS).map(move |start| start..end.min(start + PAGE_ROWS))
}

/// The pages of a chunk while it is written.
struct Pages {
    sink: TrackedWrite<Vec<u8>>,
    descriptor: ColumnDescPtr,
    encoding: Encoding,
    dictionary_at: Option<i64>,
    data_at: i64,
    n_values: u64,
    n_data_pages: i32,
}

impl Pages {
    /// Pages of about `n_bytes` in all. To grow on the way would copy them, into memory that is fresh each time.
    fn new(descriptor: ColumnDescPtr, encoding: Encoding, n_bytes: usize) -> Pages {
        let sink = TrackedWrite::new(Vec::with_capacity(n_bytes));
        Pages { sink, descriptor, encoding, dictionary_at: None, data_at: 0, n_values: 0, n_data_pages: 0 }
    }

    /// Begins with the dictionary.
    fn dictionary(&mut self, num_values: u32, plain: Vec<u8>) -> ParquetResult<()> {
        let page = Page::DictionaryPage { buf: plain.into(), num_values, encoding: Encoding::PLAIN, is_sorted: false };
        self.dictionary_at = Some(self.write(page)?);
        Ok(())
    }

    /// Adds a page of `n_rows` rows, whose bytes `fill` appends.
    fn data(&mut self, n_rows: usize, fill: impl FnOnce(&mut Vec<u8>)) -> ParquetResult<()> {
        let mut page = Vec::new();
        fill(&mut page);
        let at = self.write(Page::DataPage {
            buf: page.into(),
            num_values: n_rows as u32,
            encoding: self.encoding,
            // Required columns have no levels.
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        })?;
        if self.n_data_pages == 0 {
            self.data_at = at;
        }
        self.n_data_pages += 1;
        self.n_values += n_rows as u64;
        Ok(())
    }

    /// Adds the pages of places in the dictionary, none of them greater than `greatest`.
    fn codes(&mut self, codes: &[u8], greatest: u8) -> ParquetResult<()> {
        let width = (u8::BITS - greatest.leading_zeros()).max(1);
        codes.chunks(PAGE_ROWS).try_for_each(|codes| self.data(codes.len(), |page| packed_codes(codes, width, page)))
    }

    /// Writes a page; gives where it begins.
    fn write(&mut self, page: Page) -> ParquetResult<i64> {
        let n_bytes = page.buffer().len();
        let spec = SerializedPageWriter::new(&mut self.sink).write_page(CompressedPage::new(page, n_bytes))?;
        Ok(spec.offset as i64)
    }

    fn close(self, statistics: Statistics) -> ParquetResult<Chunk> {
        let Pages { sink, descriptor, encoding, dictionary_at, data_at, n_values, n_data_pages } = self;
        let bytes = Bytes::from(sink.into_inner()?);
        let of_pages = |page_type, encoding, count| PageEncodingStats { page_type, encoding, count };
        let dictionary = dictionary_at.map(|_| of_pages(PageType::DICTIONARY_PAGE, Encoding::PLAIN, 1));
        let encodings: Vec<Encoding> =
            dictionary.iter().map(|dictionary| dictionary.encoding).chain([encoding, Encoding::RLE]).collect();
        let pages = dictionary.into_iter().chain([of_pages(PageType::DATA_PAGE, encoding, n_data_pages)]).collect();
        let metadata = ColumnChunkMetaData::builder(descriptor)
            .set_encodings_mask(EncodingMask::new_from_encodings(encodings.iter()))
            .set_page_encoding_stats(pages)
            .set_total_compressed_size(bytes.len() as i64)
            .set_total_uncompressed_size(bytes.len() as i64)
            .set_num_values(n_values as i64)
            .set_data_page_offset(data_at)
            .set_dictionary_page_offset(dictionary_at)
            .set_statistics(statistics)
            .build()?;
        let close = ColumnCloseResult {
            bytes_written: bytes.len() as u64,
            rows_written: n_values,
            metadata,
            bloom_filter: None,
            column_index: None,
            offset_index: None,
        };
        Ok(Chunk { bytes, close })
    }
}
