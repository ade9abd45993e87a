//! Kept records on their way from the lines to the customers.
//!
//! Naive: look up each record's customer in one table as it is read. The table of a month is far larger than any
//! cache, so that is a cache miss and often a TLB miss a record, and threads would share or copy the table. Instead each
//! scanning thread drops its records into partitions by the hash of the contract, and when enough have gathered (an
//! epoch) each partition's records meet their part of the table, which fits the second-level cache ([`super::profile`]).
//!
//! Partitions are chains of fixed chunks out of one arena: skew (one contract can have 2 % of all records) costs chunks,
//! not copies, and the memory is used again in the next epoch, as fresh memory costs more than the work on it. A record
//! is first written to its partition's buffer of two cache lines; only full buffers go to the arena, so that the many
//! places there are touched once for eight records, and past the caches ([`super::stream`]).

use super::memory::Slab;
use super::stream;

/// Number of partitions, a power of two: few enough that their buffers stay in the first two levels of cache, so many
/// that a partition's table fits the second level.
pub const N_PARTITIONS: usize = 256;

/// Records a buffer: two cache lines.
const BUFFER_RECORDS: usize = 8;

/// Records a chunk, a whole number of buffers: 8 KiB.
const CHUNK_RECORDS: usize = 512;

/// Chunks of one region of the arena: 32 MiB.
const REGION_CHUNKS: usize = 4096;

/// A kept record: 16 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct KeptRecord {
    /// Number of the contract, see [`super::intern`].
    pub contract_id: u64,
    /// Seconds; what does not fit goes another way, see [`super::collect`].
    pub seconds: u32,
    /// `Category as u8`.
    pub category: u8,
    /// Day of the month less 1, 0..=30.
    pub day_index: u8,
    /// Always 0.
    pub unused: u16,
}

const _: () = assert!(size_of::<KeptRecord>() == 16);
const _: () = assert!(CHUNK_RECORDS.is_multiple_of(BUFFER_RECORDS));

/// The partitions of one scanning thread.
#[derive(Debug)]
pub struct Partitions {
    buffers: Box<[[KeptRecord; BUFFER_RECORDS]; N_PARTITIONS]>,
    // Records in each buffer, fewer than `BUFFER_RECORDS`.
    n_buffered: [u8; N_PARTITIONS],
    chains: Vec<Chain>,
    regions: Vec<Slab<KeptRecord>>,
    n_used_chunks: usize,
}

/// The chunks of one partition: all full but the last.
#[derive(Clone, Debug, Default)]
struct Chain {
    chunks: Vec<usize>,
    n_records: usize,
}

impl Default for Partitions {
    fn default() -> Self {
        Partitions {
            buffers: Box::new([[KeptRecord::default(); BUFFER_RECORDS]; N_PARTITIONS]),
            n_buffered: [0; N_PARTITIONS],
            chains: vec![Chain::default(); N_PARTITIONS],
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
        let Partitions { buffers, chains, regions, n_used_chunks, .. } = self;
        let chain = &mut chains[partition];
        let within = chain.n_records % CHUNK_RECORDS;
        if within == 0 {
            let chunk = *n_used_chunks;
            *n_used_chunks += 1;
            if chunk / REGION_CHUNKS == regions.len() {
                regions.push(Slab::zeroed(REGION_CHUNKS * CHUNK_RECORDS));
            }
            chain.chunks.push(chunk);
        }
        // The last chunk is there and has room: it was taken above or is not full.
        if let Some(chunk) = chain.chunks.last()
            && let Some(region) = regions.get_mut(chunk / REGION_CHUNKS)
        {
            let at = chunk % REGION_CHUNKS * CHUNK_RECORDS + within;
            stream::copy(&mut region[at..at + BUFFER_RECORDS], &buffers[partition]);
            chain.n_records += BUFFER_RECORDS;
        }
    }

    /// Records in all partitions.
    pub fn n_records(&self) -> usize {
        let n_buffered: usize = self.n_buffered.iter().map(|n| usize::from(*n)).sum();
        n_buffered + self.chains.iter().map(|chain| chain.n_records).sum::<usize>()
    }

    /// The records of partition `partition` in pieces, in the order in which they were added.
    ///
    /// # Panics
    /// When there is no such partition.
    pub fn pieces(&self, partition: usize) -> impl Iterator<Item = &[KeptRecord]> {
        let chain = &self.chains[partition];
        let chunks = chain.chunks.iter().enumerate().map(move |(i, chunk)| {
            let start = chunk % REGION_CHUNKS * CHUNK_RECORDS;
            let n_here = (chain.n_records - i * CHUNK_RECORDS).min(CHUNK_RECORDS);
            &self.regions[chunk / REGION_CHUNKS][start..start + n_here]
        });
        let buffered = &self.buffers[partition][..usize::from(self.n_buffered[partition]) % BUFFER_RECORDS];
        chunks.chain([buffered])
    }

    /// Empties all partitions and keeps their memory.
    pub fn clear(&mut self) {
        self.n_buffered = [0; N_PARTITIONS];
        for chain in &mut self.chains {
            chain.chunks.clear();
            chain.n_records = 0;
        }
        self.n_used_chunks = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(number: u64) -> KeptRecord {
        KeptRecord { contract_id: number, seconds: 1, category: 2, day_index: 3, unused: 0 }
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
