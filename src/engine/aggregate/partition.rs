//! Kept records on their way from the lines to the customers.
//!
//! Naive: look up each record's customer in one table as it is read. The table of a month is far
//! larger than any cache, so that is a cache miss and often a TLB miss a record, and threads would
//! share or copy the table. Instead each scanning thread drops its records into partitions by the
//! hash of the contract, and when enough have gathered (an epoch) each partition's records meet
//! their part of the table, which fits the second-level cache ([`super::profile`]).
//!
//! Partitions are chains of fixed chunks out of one arena: skew (one contract can have 2 % of all
//! records) costs chunks, not copies, and the memory is used again in the next epoch, as fresh
//! memory costs more than the work on it. A record is first written to its partition's buffer; only
//! full buffers go to the arena, past the caches ([`super::nontemporal`]). When a buffer is full is
//! the one thing about it that the processor cannot predict, and a misprediction costs as much as
//! several records: the fewer buffers become full, the better, as long as they all stay in the
//! second level of cache.

use super::huge_pages::HugePageVec;
use super::nontemporal;

/// Number of partitions, a power of two: few enough that their buffers stay in the second-level
/// cache, so many that a partition's table fits the second level.
pub const N_PARTITIONS: usize = 256;

/// Records a buffer: eight cache lines.
const BUFFER_RECORDS: usize = 32;

/// Records a chunk, a whole number of buffers: 8 KiB.
const CHUNK_RECORDS: usize = 512;

/// Records of one region of the arena, a whole number of chunks: 32 MiB.
const REGION_RECORDS: usize = 4096 * CHUNK_RECORDS;

/// A kept record: 16 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct KeptRecord {
    contract_id: u64,
    // From the lowest bit: seconds (32 bits), category (8), day (8). In one word, as it is written
    // for every record.
    fields: u64,
}

impl KeptRecord {
    /// A record of a contract's number ([`super::intern`]), `Category as u8`, the day of the month
    /// less 1 and seconds; more seconds than fit go another way ([`super::collect`]).
    #[inline(always)]
    pub fn new(contract_id: u64, category: u8, day_index: u8, seconds: u32) -> KeptRecord {
        let fields = u64::from(seconds) | u64::from(category) << 32 | u64::from(day_index) << 40;
        KeptRecord { contract_id, fields }
    }

    /// Another record of the same day: `self` is one without contract, category and seconds.
    #[inline(always)]
    pub fn with(self, contract_id: u64, category: u8, seconds: u32) -> KeptRecord {
        KeptRecord { contract_id, fields: self.fields | u64::from(category) << 32 | u64::from(seconds) }
    }

    /// Number of the contract.
    #[inline(always)]
    pub fn contract_id(&self) -> u64 {
        self.contract_id
    }

    /// Seconds.
    #[inline(always)]
    pub fn seconds(&self) -> u32 {
        self.fields as u32
    }

    /// `Category as u8`.
    #[inline(always)]
    pub fn category(&self) -> u8 {
        (self.fields >> 32) as u8
    }

    /// Day of the month less 1, 0..=30.
    #[inline(always)]
    pub fn day_index(&self) -> u8 {
        (self.fields >> 40) as u8
    }
}

const _: () = assert!(size_of::<KeptRecord>() == 16);
const _: () = assert!(CHUNK_RECORDS.is_multiple_of(BUFFER_RECORDS));

/// The partitions of one scanning thread.
#[derive(Debug)]
pub struct Partitions {
    buffers: Box<[[KeptRecord; BUFFER_RECORDS]; N_PARTITIONS]>,
    // Records in each buffer, fewer than `BUFFER_RECORDS`.
    n_buffered: [u8; N_PARTITIONS],
    // Place in the arena of what each partition writes next; where a chunk would begin, it has to
    // be taken yet.
    next: [usize; N_PARTITIONS],
    // The chunks of each partition: all full but the last.
    chains: Vec<Vec<usize>>,
    regions: Vec<HugePageVec<KeptRecord>>,
    n_used_chunks: usize,
}

impl Default for Partitions {
    fn default() -> Self {
        Partitions {
            buffers: Box::new([[KeptRecord::default(); BUFFER_RECORDS]; N_PARTITIONS]),
            n_buffered: [0; N_PARTITIONS],
            next: [0; N_PARTITIONS],
            chains: vec![Vec::new(); N_PARTITIONS],
            regions: Vec::new(),
            n_used_chunks: 0,
        }
    }
}

impl Partitions {
    /// Adds a record to partition `partition`.
    #[inline(always)]
    pub fn push(&mut self, partition: u8, record: KeptRecord) {
        let partition = usize::from(partition);
        let n_buffered = usize::from(self.n_buffered[partition]);
        self.buffers[partition][n_buffered % BUFFER_RECORDS] = record;
        if n_buffered + 1 == BUFFER_RECORDS {
            self.empty_buffer(partition);
        } else {
            self.n_buffered[partition] = n_buffered as u8 + 1;
        }
    }

    #[inline(never)]
    fn empty_buffer(&mut self, partition: usize) {
        self.n_buffered[partition] = 0;
        if self.next[partition].is_multiple_of(CHUNK_RECORDS) {
            self.take_chunk(partition);
        }
        let at = self.next[partition];
        // The region is there: it was added with its first chunk.
        if let Some(region) = self.regions.get_mut(at / REGION_RECORDS) {
            let at = at % REGION_RECORDS;
            nontemporal::copy(&mut region[at..at + BUFFER_RECORDS], &self.buffers[partition]);
            self.next[partition] += BUFFER_RECORDS;
        }
    }

    /// Adds a chunk to partition `partition`.
    #[cold]
    #[inline(never)]
    fn take_chunk(&mut self, partition: usize) {
        let chunk = self.n_used_chunks;
        self.n_used_chunks += 1;
        if chunk * CHUNK_RECORDS / REGION_RECORDS == self.regions.len() {
            self.regions.push(HugePageVec::zeroed(REGION_RECORDS));
        }
        self.chains[partition].push(chunk);
        self.next[partition] = chunk * CHUNK_RECORDS;
    }

    /// Records of partition `partition` in its chunks.
    fn n_in_chunks(&self, partition: usize) -> usize {
        let Some(n_full) = self.chains[partition].len().checked_sub(1) else { return 0 };
        // Where a chunk would begin, the one before is full.
        let n_in_last = self.next[partition].wrapping_sub(1) % CHUNK_RECORDS + 1;
        n_full * CHUNK_RECORDS + n_in_last
    }

    /// Records in all partitions.
    pub fn n_records(&self) -> usize {
        let n_buffered: usize = self.n_buffered.iter().map(|n| usize::from(*n)).sum();
        n_buffered + (0..N_PARTITIONS).map(|partition| self.n_in_chunks(partition)).sum::<usize>()
    }

    /// The records of partition `partition` in pieces, in the order in which they were added.
    ///
    /// # Panics
    /// When there is no such partition.
    pub fn pieces(&self, partition: usize) -> impl Iterator<Item = &[KeptRecord]> {
        let n_records = self.n_in_chunks(partition);
        let chunks = self.chains[partition].iter().enumerate().map(move |(i, chunk)| {
            let start = chunk * CHUNK_RECORDS;
            let n_here = (n_records - i * CHUNK_RECORDS).min(CHUNK_RECORDS);
            &self.regions[start / REGION_RECORDS][start % REGION_RECORDS..][..n_here]
        });
        let buffered = &self.buffers[partition][..usize::from(self.n_buffered[partition]) % BUFFER_RECORDS];
        chunks.chain([buffered])
    }

    /// Empties all partitions and keeps their memory.
    pub fn clear(&mut self) {
        self.n_buffered = [0; N_PARTITIONS];
        self.next = [0; N_PARTITIONS];
        for chain in &mut self.chains {
            chain.clear();
        }
        self.n_used_chunks = 0;
    }

    /// Empties all partitions and gives their memory back.
    pub fn free(&mut self) {
        self.clear();
        self.regions = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(number: u64) -> KeptRecord {
        KeptRecord::new(number, 2, 3, 1)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 1 } else { 20 }))]
        #[test]
        fn what_goes_in_comes_out_in_order(lengths in proptest::collection::vec((any::<u8>(), 0_usize..1600), 0..6)) {
            let mut partitions = Partitions::default();
            // Twice, as the memory of the first round is used again.
            for round in 0..2_u64 {
                let mut expected = vec![Vec::new(); N_PARTITIONS];
                let mut number = round * 1_000_000;
                for (partition, n_records) in &lengths {
                    for _ in 0..*n_records {
                        number += 1;
                        partitions.push(*partition, record(number));
                        expected[usize::from(*partition)].push(record(number));
                    }
                }
                prop_assert_eq!(partitions.n_records() as u64, number - round * 1_000_000);
                for (partition, expected) in expected.iter().enumerate() {
                    prop_assert_eq!(&partitions.pieces(partition).flatten().copied().collect::<Vec<_>>(), expected);
                }
                partitions.clear();
                prop_assert_eq!(partitions.n_records(), 0);
            }
        }
    }
}
