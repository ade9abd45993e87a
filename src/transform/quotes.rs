//! The quote states between the splits of a large CSV file, found while the splits are scanned.
//!
//! Naive: read the whole file for its quotes, then read it again for its records. Here whoever
//! scans a split first looks through it for quotes, which brings it into the cache, and then knows
//! the state before it as soon as those before it have been looked through too. Splits are taken in
//! order, so nobody waits for a split that nobody has.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::engine::scan::csv::{QuoteState, QuoteTransition};

/// The states before the splits of one file, as far as they are known.
#[derive(Debug, Default)]
pub(super) struct QuoteChain {
    links: Mutex<Links>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Links {
    /// Before each split from the first on.
    states: Vec<QuoteState>,
    /// What the splits do that come next, as far as they have been looked through; the first is
    /// missing.
    maps: Vec<Option<QuoteTransition>>,
    /// The first split that could not be read.
    broken_at: Option<usize>,
}

impl QuoteChain {
    /// A file of `n_splits`, the first of which starts where a field does.
    pub fn new(n_splits: usize) -> QuoteChain {
        let links = Links { states: vec![QuoteState::FieldStart], maps: vec![None; n_splits], broken_at: None };
        QuoteChain { links: Mutex::new(links), changed: Condvar::new() }
    }

    /// Adds what split number `i` does. Waits for those before it; gives the states before and
    /// after the split, or none when one before it could not be read.
    pub fn states(&self, i: usize, map: QuoteTransition) -> Option<(QuoteState, QuoteState)> {
        let mut links = self.lock();
        if let Some(place) = links.maps.get_mut(i) {
            *place = Some(map);
        }
        while let Some(last) = links.states.last().copied()
            && let Some(Some(map)) = links.maps.get(links.states.len() - 1).copied()
        {
            links.states.push(map.apply(last));
        }
        self.changed.notify_all();
        loop {
            if let Some([before, after]) = links.states.get(i..i + 2) {
                return Some((*before, *after));
            }
            if links.broken_at.is_some_and(|broken| broken < i) {
                return None;
            }
            links = self.changed.wait(links).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The state at the end of the file, once all splits have been looked through.
    pub fn end_state(&self) -> Option<QuoteState> {
        let links = self.lock();
        links.states.get(links.maps.len()).copied()
    }

    /// Says that split number `i` could not be read: none of those after it waits any longer.
    pub fn break_off(&self, i: usize) {
        let mut links = self.lock();
        links.broken_at = Some(links.broken_at.map_or(i, |broken| broken.min(i)));
        drop(links);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Links> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPLITS: [&[u8]; 5] = [b"a,\"b", b"c\n", b"d\",e", b"", b",\"\"\""];
    const STATES: [QuoteState; 6] = [
        QuoteState::FieldStart,
        QuoteState::Quoted,
        QuoteState::Quoted,
        QuoteState::Unquoted,
        QuoteState::Unquoted,
        QuoteState::Quoted,
    ];

    #[test]
    fn states_follow_from_the_splits_before() {
        // Each split on a thread of its own, started in this order.
        for order in [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 0, 4, 1, 3]] {
            let chain = QuoteChain::new(SPLITS.len());
            std::thread::scope(|scope| {
                for i in order {
                    let chain = &chain;
                    scope.spawn(move || {
                        let states = chain.states(i, QuoteTransition::of(SPLITS[i], b','));
                        assert_eq!(states, Some((STATES[i], STATES[i + 1])), "split {i}");
                    });
                }
            });
        }
    }

    #[test]
    fn nobody_waits_for_a_split_that_cannot_be_read() {
        let chain = QuoteChain::new(3);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| chain.states(2, QuoteTransition::IDENTITY));
            assert_eq!(
                chain.states(0, QuoteTransition::IDENTITY),
                Some((QuoteState::FieldStart, QuoteState::FieldStart))
            );
            chain.break_off(1);
            assert_eq!(waiting.join().unwrap(), None);
        });
    }
}
