//! Records whose `_id` was there before.
//!
//! All records of a day come through sinks of the same [`SeenIds`], in the order in which the first of an id counts.

use ahash::AHashSet;

use super::sink::Sink;
use crate::engine::ledger::Reason;
use crate::engine::rules::App;

/// The ids of the records of one day so far, whole: no hash stands for one.
#[derive(Debug, Default)]
pub struct SeenIds(AHashSet<Box<str>>);

impl SeenIds {
    /// Adds an id; whether it was there before.
    fn was_there(&mut self, id: &str) -> bool {
        self.0.contains(id) || !self.0.insert(id.into())
    }
}

/// Hands records on to a sink, and says of each whether its id was there before.
#[derive(Debug)]
pub struct UniqueSink<'a, S> {
    sink: &'a mut S,
    seen: &'a mut SeenIds,
}

impl<'a, S: Sink> UniqueSink<'a, S> {
    /// A sink of records that come after those which `seen` knows.
    pub fn new(sink: &'a mut S, seen: &'a mut SeenIds) -> UniqueSink<'a, S> {
        UniqueSink { sink, seen }
    }
}

impl<S: Sink> Sink for UniqueSink<'_, S> {
    const TAKES_DEVICES: bool = S::TAKES_DEVICES;

    fn kept(&mut self, contract: &str, app: App, seconds: i64) {
        self.sink.kept(contract, app, seconds);
    }

    fn device(&mut self, device: &str) {
        self.sink.device(device);
    }

    fn is_duplicate(&mut self, id: &str) -> bool {
        self.seen.was_there(id)
    }

    fn rejected(&mut self, offset: u64, reason: Reason, raw: &[u8]) {
        self.sink.rejected(offset, reason, raw);
    }

    fn unmapped(&mut self, offset: u64, app: &str, seconds: i64, raw: &[u8]) {
        self.sink.unmapped(offset, app, seconds, raw);
    }
}
