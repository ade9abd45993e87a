//! The first and last bytes of files, scanned as a run scans whole files: what a month would be refused for, as far as
//! they show it.

use std::ops::Range;

use super::compressed::{CompressedInput, last_line_end};
use super::input::{FileMeta, Input};
use super::queue;
use crate::engine::aggregate::collect::FileId;
use crate::engine::ledger::InputFile;
use crate::engine::scan::csv::{CsvLayout, QuoteState};
use crate::lake::ends::Ends;
use crate::lake::read::compressed::CompressedFile;
use crate::lake::{Compression, Format};

/// What the ledger says of a file of which only the ends are read.
pub(super) fn input_file(ends: &Ends) -> InputFile {
    queue::input_file(&ends.file, ends.fact)
}

/// The records in both ends of a file; those at its end only where it is sure where records begin there.
pub(super) fn inputs(ends: &Ends, id: FileId) -> impl Iterator<Item = Box<dyn Input>> + use<> {
    let layout = match ends.file.format {
        Format::Ndjson => None,
        Format::Csv => CsvLayout::from_header(&ends.head).ok().map(|(layout, _)| layout),
    };
    let head = if ends.is_whole { &ends.head[..] } else { whole_records(&ends.head, layout) };
    let input = |content: &[u8], range: Range<u64>| {
        let meta = FileMeta { uri: ends.file.uri.as_str().into(), id, day: ends.file.day };
        let source = CompressedFile::of_content(&ends.file, content.to_vec());
        CompressedInput::new(source, meta, &ends.file, range)
    };
    let mut inputs = Vec::new();
    if !head.is_empty() {
        inputs.push(Box::new(input(head, 0..u64::MAX)) as Box<dyn Input>);
    }
    let is_known = ends.file.format == Format::Ndjson || (layout.is_some() && !ends.tail.contains(&b'"'));
    if !ends.is_whole && ends.file.compression == Compression::None && is_known && !ends.tail.is_empty() {
        let start = ends.file.n_bytes.saturating_sub(ends.tail.len() as u64);
        inputs.push(Box::new(input(&ends.tail, start + 1..u64::MAX).with_layout(layout)));
    }
    inputs.into_iter()
}

/// What is before the record that `head` cuts off. A line, or a quote, that goes on for so long is a record.
fn whole_records(head: &[u8], layout: Option<CsvLayout>) -> &[u8] {
    let end = match layout {
        None => last_line_end(head, 0),
        Some(layout) => {
            let mut state = QuoteState::FieldStart;
            let (mut at, mut end) = (0, 0);
            for line in head.split_inclusive(|byte| *byte == b'\n') {
                state = state.after(line, layout.delimiter);
                at += line.len();
                if state == QuoteState::FieldStart && line.ends_with(b"\n") {
                    end = at;
                }
            }
            end
        }
    };
    if end < head.len() / 2 { head } else { &head[..end] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_is_cut_off_is_not_read() {
        let csv = CsvLayout::from_header(b"Contract,AppName,TotalDuration\n").ok().map(|(layout, _)| layout);
        let check = |head: &str, layout: Option<CsvLayout>, expected: &str| {
            assert_eq!(whole_records(head.as_bytes(), layout), expected.as_bytes(), "{head}");
        };
        check("{}\n{}\n{", None, "{}\n{}\n");
        check("{}\n{}\n", None, "{}\n{}\n");
        check("{}", None, "{}");
        check("{}\n{\"long\":\"line", None, "{}\n{\"long\":\"line");
        check("a,b,1\na,b,2\na,", csv, "a,b,1\na,b,2\n");
        check("a,b,1\na,b,2\n\"a\n", csv, "a,b,1\na,b,2\n");
        check("a,b,1\n\"a\nb,2\na,b,3\n", csv, "a,b,1\n\"a\nb,2\na,b,3\n");
    }
}
