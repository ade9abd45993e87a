//! Records that do not count, as `rejects.ndjson` shows them: the first of the month, as many as
//! were asked for and as fit into a fixed number of bytes.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::engine::ledger::Reason;

/// Longest raw text that is kept of a rejected record, in bytes: a broken file can be one line of
/// many megabytes.
pub const MAX_RAW_BYTES: usize = 64 << 10;

/// Memory of all rejects that are kept, in bytes: a broken month can be nothing but rejects. In a
/// month that is one in a hundred bad, a million of them take a third of it.
pub const MAX_KEPT_BYTES: usize = 512 << 20;

/// A rejected record of some file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reject<'a> {
    /// Offset of its first byte in the (decompressed) file.
    pub offset: u64,
    /// Why it was rejected.
    pub reason: Reason,
    /// Its line without the line end, its first [`MAX_RAW_BYTES`] at most.
    pub raw: &'a [u8],
}

/// How many rejects are kept: the first ones for which both hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RejectLimit {
    /// Most rejects.
    pub n_rejects: usize,
    /// Most bytes they take in memory.
    pub n_bytes: usize,
}

impl RejectLimit {
    /// At most `n_rejects`, in [`MAX_KEPT_BYTES`].
    pub fn new(n_rejects: usize) -> RejectLimit {
        RejectLimit { n_rejects, n_bytes: MAX_KEPT_BYTES }
    }
}

/// What is kept of a reject besides its text.
#[derive(Clone, Copy, Debug)]
struct KeptReject {
    offset: u64,
    /// End of its text among those of the batch.
    text_end: usize,
    reason: Reason,
}

/// The offset of the first reject of each reason, kept or not, indexed by [`Reason`] as `usize`.
type FirstOffsets = [Option<u64>; Reason::ALL.len()];

/// The first rejects of one split, in the order of their offsets; what is surely past the limit is
/// not kept.
#[derive(Clone, Debug)]
pub struct RejectBatch {
    limit: RejectLimit,
    /// Offset of the first reject, kept or not.
    first_offset: Option<u64>,
    first_offsets: FirstOffsets,
    entries: Vec<KeptReject>,
    /// The texts one after the other.
    text: Vec<u8>,
    is_cut: bool,
}

impl RejectBatch {
    /// A batch without rejects.
    pub fn new(limit: RejectLimit) -> RejectBatch {
        RejectBatch {
            limit,
            first_offset: None,
            first_offsets: FirstOffsets::default(),
            entries: Vec::new(),
            text: Vec::new(),
            is_cut: false,
        }
    }

    /// Adds a reject, whose offset is after that of the one before; of `raw` what is to be shown.
    pub fn push(&mut self, offset: u64, reason: Reason, raw: &[u8]) {
        self.first_offset.get_or_insert(offset);
        self.first_offsets[reason as usize].get_or_insert(offset);
        let raw = &raw[..raw.len().min(MAX_RAW_BYTES)];
        // The first that does not fit ends the batch: after it nothing is kept, however short.
        let n_bytes = self.n_bytes() + n_bytes_of(raw);
        self.is_cut |= self.entries.len() >= self.limit.n_rejects || n_bytes > self.limit.n_bytes;
        if !self.is_cut {
            self.text.extend_from_slice(raw);
            self.entries.push(KeptReject { offset, text_end: self.text.len(), reason });
        }
    }

    /// Whether nothing was rejected.
    pub fn is_empty(&self) -> bool {
        self.first_offset.is_none()
    }

    /// Where the first is, where it is for one of `reasons`.
    pub fn first_for(&self, reasons: &[Reason]) -> Option<u64> {
        let is_first = |reason: &Reason| self.first_offsets[*reason as usize] == self.first_offset;
        self.first_offset.filter(|_| reasons.iter().any(is_first))
    }

    /// The rejects that are kept, in order.
    pub fn iter(&self) -> impl Iterator<Item = Reject<'_>> {
        let mut start = 0;
        self.entries.iter().map(move |entry| {
            let raw = &self.text[start..entry.text_end];
            start = entry.text_end;
            Reject { offset: entry.offset, reason: entry.reason, raw }
        })
    }

    fn last(&self) -> Option<Reject<'_>> {
        let (last, before) = self.entries.split_last()?;
        let start = before.last().map_or(0, |entry| entry.text_end);
        Some(Reject { offset: last.offset, reason: last.reason, raw: &self.text[start..last.text_end] })
    }

    fn n_bytes(&self) -> usize {
        self.text.len() + self.entries.len() * size_of::<KeptReject>()
    }
}

/// What a reject takes in memory.
fn n_bytes_of(raw: &[u8]) -> usize {
    raw.len() + size_of::<KeptReject>()
}

/// The first rejects of a month in order of file and offset, whatever the order in which they were
/// found.
#[derive(Clone, Debug)]
pub struct Rejects {
    limit: RejectLimit,
    n_rejects: usize,
    n_bytes: usize,
    // By file, its number, and the offset of the first reject of the batch: two files can have the
    // same name where names are no text. After a batch that was cut there is none.
    batches: BTreeMap<(Arc<str>, u32, u64), RejectBatch>,
    /// By file and its number, whatever the limit is: something can be shown of each file and reason.
    first_offsets: BTreeMap<(Arc<str>, u32), FirstOffsets>,
}

impl Rejects {
    /// Keeps as many as `limit` allows.
    pub fn new(limit: RejectLimit) -> Rejects {
        Rejects { limit, n_rejects: 0, n_bytes: 0, batches: BTreeMap::new(), first_offsets: BTreeMap::new() }
    }

    /// Adds the rejects of one split of `file`, which `file_number` distinguishes from others of
    /// the same name. The batch was made with the same limit.
    pub fn add(&mut self, file: &Arc<str>, file_number: u32, mut rejects: RejectBatch) {
        let Some(first_offset) = rejects.first_offset else { return };
        self.note_first(file, file_number, &rejects.first_offsets);
        let place = (Arc::clone(file), file_number, first_offset);
        let is_last = self.batches.last_key_value().is_none_or(|(last, _)| *last < place);
        let is_past_cut = self.batches.values().next_back().is_some_and(|last| last.is_cut);
        if is_last && (is_past_cut || self.is_past_limit(self.n_rejects, self.n_bytes)) {
            return;
        }
        rejects.text.shrink_to_fit();
        rejects.entries.shrink_to_fit();
        self.n_rejects += rejects.entries.len();
        self.n_bytes += rejects.n_bytes();
        if rejects.is_cut {
            for (_, batch) in self.batches.split_off(&place) {
                self.n_rejects -= batch.entries.len();
                self.n_bytes -= batch.n_bytes();
            }
        }
        self.batches.insert(place, rejects);
        // Only what is surely past the limit goes: whole batches from the end.
        while let Some((_, last)) = self.batches.last_key_value() {
            let (n_rejects, n_bytes) = (last.entries.len(), last.n_bytes());
            if self.batches.len() < 2 || !self.is_past_limit(self.n_rejects - n_rejects, self.n_bytes - n_bytes) {
                break;
            }
            self.batches.pop_last();
            (self.n_rejects, self.n_bytes) = (self.n_rejects - n_rejects, self.n_bytes - n_bytes);
        }
    }

    /// Adds those of other files, which were kept with the same limit.
    pub fn absorb(&mut self, other: Rejects) {
        for ((file, number), offsets) in other.first_offsets {
            self.note_first(&file, number, &offsets);
        }
        for ((file, number, _), batch) in other.batches {
            self.add(&file, number, batch);
        }
    }

    fn note_first(&mut self, file: &Arc<str>, file_number: u32, offsets: &FirstOffsets) {
        let known = self.first_offsets.entry((Arc::clone(file), file_number)).or_default();
        for (known, offset) in known.iter_mut().zip(offsets) {
            *known = [*known, *offset].into_iter().flatten().min();
        }
    }

    /// Where the first record of `file` stands that was rejected for `reason`, kept or not.
    pub fn first_offset(&self, file: &str, reason: Reason) -> Option<u64> {
        let of_file = self.first_offsets.range((Arc::from(file), 0)..).take_while(|((name, _), _)| &**name == file);
        of_file.filter_map(|(_, offsets)| offsets[reason as usize]).min()
    }

    /// The reject of `file` at `offset`, where it is kept.
    pub fn find(&self, file: &str, offset: u64, reason: Reason) -> Option<Reject<'_>> {
        let of_file = self.batches.range((Arc::from(file), 0, 0)..).take_while(|((name, ..), _)| &**name == file);
        let mut rejects = of_file.flat_map(|(_, batch)| batch.iter());
        rejects.find(|reject| reject.offset == offset && reject.reason == reason)
    }

    /// The last reject of each batch that is kept, with its file, in order: those of a file among them are its last.
    pub fn last_of_batches(&self) -> impl Iterator<Item = (&str, Reject<'_>)> {
        self.batches.iter().filter_map(|((file, ..), batch)| Some((&**file, batch.last()?)))
    }

    /// File and reject in order, as many as the limit allows.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Reject<'_>)> {
        let all = self.batches.iter().flat_map(|((file, ..), batch)| batch.iter().map(|reject| (&**file, reject)));
        let mut n_bytes = 0;
        all.take(self.limit.n_rejects).take_while(move |(_, reject)| {
            n_bytes += n_bytes_of(reject.raw);
            n_bytes <= self.limit.n_bytes
        })
    }

    /// Whether so many rejects of so many bytes are more than are kept.
    fn is_past_limit(&self, n_rejects: usize, n_bytes: usize) -> bool {
        n_rejects >= self.limit.n_rejects || n_bytes > self.limit.n_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Rejects of a split: the file, and offset and length of each.
    type Split = (usize, Vec<(u64, usize)>);

    fn kept(splits: &[Split], limit: RejectLimit) -> Vec<(String, u64, usize)> {
        let files: Vec<Arc<str>> = ["a", "b", "b", "c"].map(Arc::from).to_vec();
        let mut rejects = Rejects::new(limit);
        for (file, split) in splits {
            let mut batch = RejectBatch::new(limit);
            split.iter().for_each(|(offset, n_bytes)| batch.push(*offset, Reason::NoApp, &vec![b'x'; *n_bytes]));
            rejects.add(&files[*file], *file as u32, batch);
            // No more than what is shown, and the batch on its border.
            let largest = splits.iter().map(|(_, split)| split.iter().map(|(_, n)| n + 32).sum::<usize>()).max();
            assert!(rejects.n_bytes <= limit.n_bytes + largest.unwrap_or(0));
        }
        rejects.iter().map(|(file, reject)| (file.to_owned(), reject.offset, reject.raw.len())).collect()
    }

    proptest! {
        #[test]
        fn the_first_are_kept_in_any_order_of_adding(
            lengths in proptest::collection::vec((0_usize..4, proptest::collection::vec(0_usize..90, 0..6)), 0..9),
            n_rejects in 0_usize..40,
            n_bytes in 0_usize..1500,
            turn in any::<prop::sample::Index>(),
        ) {
            let limit = RejectLimit { n_rejects, n_bytes };
            let mut splits: Vec<Split> = lengths
                .iter()
                .zip(0..)
                .map(|((file, lengths), split)| (*file, (split * 10..).zip(lengths.iter().copied()).collect()))
                .collect();
            splits.sort_by_key(|(file, _)| *file);
            let files = ["a", "b", "b", "c"];
            let all = splits.iter().flat_map(|(file, split)| split.iter().map(|(at, n)| (files[*file].to_owned(), *at, *n)));
            let mut n_taken = 0;
            let expected: Vec<_> = all.take(n_rejects).take_while(|(.., n)| {
                n_taken += n + size_of::<KeptReject>();
                n_taken <= n_bytes
            }).collect();
            prop_assert_eq!(&kept(&splits, limit), &expected);
            let middle = turn.index(splits.len() + 1);
            splits.rotate_left(middle);
            prop_assert_eq!(&kept(&splits, limit), &expected);
            splits.reverse();
            prop_assert_eq!(&kept(&splits, limit), &expected);
        }
    }

    #[test]
    fn the_first_of_each_file_and_reason_is_known_past_the_limit() {
        let limit = RejectLimit::new(2);
        let mut rejects = Rejects::new(limit);
        let add = |rejects: &mut Rejects, file: &str, found: &[(u64, Reason)]| {
            let mut batch = RejectBatch::new(limit);
            found.iter().for_each(|(offset, reason)| batch.push(*offset, *reason, b"x"));
            rejects.add(&Arc::from(file), 0, batch);
        };
        add(&mut rejects, "a", &[(1, Reason::NoApp), (2, Reason::NoApp), (3, Reason::Malformed)]);
        add(&mut rejects, "b", &[(70, Reason::OverDay)]);
        add(&mut rejects, "b", &[(5, Reason::NoApp), (6, Reason::OverDay)]);
        let mut all = Rejects::new(limit);
        all.absorb(rejects);
        let check = |file, reason, offset, is_kept| {
            assert_eq!(all.first_offset(file, reason), offset, "{file} {reason}");
            assert_eq!(all.find(file, offset.unwrap_or(0), reason).is_some(), is_kept, "{file} {reason}");
        };
        check("a", Reason::NoApp, Some(1), true);
        check("a", Reason::Malformed, Some(3), false);
        check("a", Reason::OverDay, None, false);
        check("b", Reason::OverDay, Some(6), false);
        check("b", Reason::NoApp, Some(5), false);
        check("c", Reason::NoApp, None, false);
    }

    #[test]
    fn a_split_of_nothing_but_rejects_keeps_no_more_than_the_limit() {
        let limit = RejectLimit { n_rejects: 10, n_bytes: usize::MAX };
        let mut batch = RejectBatch::new(limit);
        (0..1_000_000).for_each(|offset| batch.push(offset, Reason::Malformed, b"x"));
        assert_eq!((batch.iter().count(), batch.entries.capacity() < 100), (10, true));
        let mut batch = RejectBatch::new(RejectLimit { n_rejects: usize::MAX, n_bytes: 200_000 });
        (0..10).for_each(|offset| batch.push(offset, Reason::Malformed, &vec![b'x'; MAX_RAW_BYTES + 1]));
        assert_eq!(batch.iter().map(|reject| reject.raw.len()).collect::<Vec<_>>(), [MAX_RAW_BYTES; 3]);
    }
}
