//! Kept records on their way from the lines to the customers.
//!
//! Naive: look up each record's customer in one table as it is read. The table of a month is far larger than any
//! cache, so that is a cache miss and often a TLB miss a record, and threads would share or copy the table. Instead each
//! scanning thread drops its records into partitions by the hash of the contract, and when enough have gathered (an
//! epoch) each partition's records meet their part of the table, which fits the second-level cache ([`super::profile`]).
//!
//! Partitions are chains of fixed chunks out of one arena: skew (one contract can have 2 % of all records) costs chunks,
//! not copies, and the memory is used again in the next epoch, as fresh memory costs more than the work on it.

/// Number of partitions, a power of two: few enough that a thread's write positions stay in its first-level cache, so
/// many that a partition's table fits the second level.
pub const N_PARTITIONS: usize = 256;

/// Records a chunk.
const CHUNK_RECORDS: usize = 512;

/// Chunks that the arena grows by: 2 MiB, one huge page.
const BLOCK_CHUNKS: usize = 256;

/// A kept record: 16 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeptRecord {
    /// The contract, see [`super::contract_id`].
    pub contract_id: u64,
    /// Seconds; what does not fit goes another way, see [`super::collect`].
    pub seconds: u32,
    /// `Category as u8`.
    pub category: u8,
    /// Day of the month less 1, 0..=30.
    pub day_index: u8,
}

const _: () = assert!(size_of::<KeptRecord>() == 16);

/// The partitions of one scanning thread.
#[derive(Debug)]
pub struct Partitions {
    // Where each partition writes: index into its last chunk's block and record within it, as one running number.
    next: [u32; N_PARTITIONS],
    // The full chunks of each partition and behind them the one being written.
    chains: Vec<Vec<u32>>,
    arena: Vec<KeptRecord>,
    n_used_chunks: usize,
}

/// A `next` that stands at the begin of a chunk means that the partition has no chunk to write to.
const CHUNK_MASK: u32 = CHUNK_RECORDS as u32 - 1;

impl Default for Partitions {
    fn default() -> Self {
        Partitions {
            next: [0; N_PARTITIONS],
            chains: vec![Vec::new(); N_PARTITIONS],
            arena: Vec::new(),
            n_used_chunks: 0,
        }
    }
}

impl Partitions {
    /// Adds a record to partition `partition`.
    #[inline(always)]
    pub fn push(&mut self, partition: u8, record: KeptRecord) {
        let next = &mut self.next[usize::from(partition)];
        if *next & CHUNK_MASK == 0 {
            self.take_chunk(partition);
        }
        let next = &mut self.next[usize::from(partition)];
        if let Some(place) = self.arena.get_mut(*next as usize) {
            *place = record;
        }
        *next += 1;
    }

    #[cold]
    #[inline(never)]
    fn take_chunk(&mut self, partition: u8) {
        let chunk = self.n_used_chunks;
        self.n_used_chunks += 1;
        if self.arena.len() < self.n_used_chunks * CHUNK_RECORDS {
            let n_records = self.arena.len() + BLOCK_CHUNKS * CHUNK_RECORDS;
            self.arena.resize(n_records, KeptRecord::default());
        }
        self.chains[usize::from(partition)].push(chunk as u32);
        self.next[usize::from(partition)] = (chunk * CHUNK_RECORDS) as u32;
    }
}

impl Partitions {
    /// Records in all partitions.
    pub fn n_records(&self) -> usize {
        self.chains.iter().zip(&self.next).map(|(chain, next)| records_in(chain, *next)).sum()
    }

    /// The chunks of partition `partition`, in the order in which they were filled.
    pub fn chunks(&self, partition: usize) -> impl Iterator<Item = &[KeptRecord]> {
        let chain: &[u32] = self.chains.get(partition).map_or(&[], Vec::as_slice);
        let n_records = records_in(chain, self.next.get(partition).copied().unwrap_or(0));
        chain.iter().enumerate().map(move |(i, chunk)| {
            let start = *chunk as usize * CHUNK_RECORDS;
            let n_here = (n_records - i * CHUNK_RECORDS).min(CHUNK_RECORDS);
            self.arena.get(start..start + n_here).unwrap_or_default()
        })
    }

    /// Empties all partitions and keeps their memory.
    pub fn clear(&mut self) {
        self.next = [0; N_PARTITIONS];
        self.chains.iter_mut().for_each(Vec::clear);
        self.n_used_chunks = 0;
    }
}

fn records_in(chain: &[u32], next: u32) -> usize {
    match (chain.len(), next & CHUNK_MASK) {
        (0, _) => 0,
        (n_chunks, 0) => n_chunks * CHUNK_RECORDS,
        (n_chunks, in_last) => (n_chunks - 1) * CHUNK_RECORDS + in_last as usize,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(number: u64) -> KeptRecord {
        KeptRecord { contract_id: number, seconds: 1, category: 2, day_index: 3 }
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
                    prop_assert_eq!(&partitions.chunks(partition).flatten().copied().collect::<Vec<_>>(), expected);
                }
                partitions.clear();
                prop_assert_eq!(partitions.n_records(), 0);
            }
        }
    }
}
