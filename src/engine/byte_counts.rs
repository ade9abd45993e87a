//! Bytes that are no records: a number of records does not tell how much of a file one malformed record takes.

use serde::{Deserialize, Serialize};

use crate::engine::scan::record::MAX_LINE_BYTES;

/// Bytes of files: one malformed record may be a file's worth of lost ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ByteCounts {
    /// Bytes of compressed files once decompressed; of plain files their size says it.
    #[serde(rename = "unpacked")]
    pub content: u64,
    /// Those of malformed records.
    pub malformed: u64,
    /// Those of the longest malformed record.
    pub longest_malformed: u64,
    /// NUL bytes in malformed records, where several follow each other.
    pub nul: u64,
}

impl ByteCounts {
    /// Bytes that are looked at of a record: how much is shown of a longer one depends on where it is cut.
    const MAX_SEEN: usize = MAX_LINE_BYTES;

    /// NUL bytes that are not there by chance.
    const MIN_NUL: usize = 16;

    /// Counts a malformed record.
    #[cold]
    #[inline(never)]
    pub fn add_malformed(&mut self, raw: &[u8]) {
        let raw = raw.get(..Self::MAX_SEEN).unwrap_or(raw);
        let n_bytes = raw.len() as u64;
        self.malformed = self.malformed.saturating_add(n_bytes);
        self.longest_malformed = self.longest_malformed.max(n_bytes);
        let runs = raw.split(|byte| *byte != 0).map(<[u8]>::len).filter(|n_nul| *n_nul >= Self::MIN_NUL);
        self.nul = self.nul.saturating_add(runs.sum::<usize>() as u64);
    }

    /// Adds those of other records.
    pub fn add(&mut self, other: &ByteCounts) {
        self.content = self.content.saturating_add(other.content);
        self.malformed = self.malformed.saturating_add(other.malformed);
        self.longest_malformed = self.longest_malformed.max(other.longest_malformed);
        self.nul = self.nul.saturating_add(other.nul);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_bytes_and_zeros_are_counted() {
        let check = |records: &[&[u8]], [malformed, longest_malformed, nul]: [u64; 3]| {
            let mut counts = ByteCounts::default();
            records.iter().for_each(|raw| counts.add_malformed(raw));
            let expected = ByteCounts { malformed, longest_malformed, nul, ..ByteCounts::default() };
            assert_eq!(counts, expected);
            let mut twice = counts;
            twice.add(&counts);
            let [malformed, nul] = [2 * malformed, 2 * nul];
            assert_eq!(twice, ByteCounts { malformed, nul, ..expected });
        };
        check(&[], [0; 3]);
        check(&[b"x", b"", &[b'x'; 100_000]], [100_001, 100_000, 0]);
        check(&[b"{\0\0", &[0; 15]], [18, 15, 0]);
        check(&[b"{\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", &[0; 20]], [37, 20, 36]);
        let within = [&b"{\"a\":"[..], &[0; 16], b"1}{", &[0; 15], b"}", &[0; 17], b"{"].concat();
        check(&[&within], [58, 58, 33]);
        // Text of two bytes a character.
        check(&[&b"a\0".repeat(100)], [200, 200, 0]);
        // How much is seen after the longest line differs.
        let longest = MAX_LINE_BYTES as u64;
        check(&[&vec![b'x'; MAX_LINE_BYTES + 7]], [longest, longest, 0]);
    }
}
