//! Where judged records go.

use super::contract::PackedContract;
use super::exact::Malformed;
use super::record::{Fields, RecordFilter, Verdict};
use crate::engine::ledger::Reason;
use crate::engine::rules::App;

/// Receives every record of a split, in order. Each record calls exactly one of the three.
///
/// `offset` is the byte offset of the record's first byte in its file, decompressed; `raw` is the
/// record without its line ending.
pub trait Sink {
    /// Whether it is told of devices. Where it is not, nothing is done to find them.
    const TAKES_DEVICES: bool = false;

    /// A record that counts.
    fn kept(&mut self, contract: &str, app: App, seconds: i64);
    /// [`Sink::kept`] of a contract that packs.
    #[inline]
    fn kept_packed(&mut self, contract: PackedContract, app: App, seconds: u32) {
        contract.with_str(|contract| self.kept(contract, app, i64::from(seconds)));
    }
    /// The device that the record kept last names; told only where devices are counted. It may be
    /// empty, which is none.
    #[inline(always)]
    fn device(&mut self, _device: &str) {}
    /// Whether a well-formed record with this `_id` was there before; from now on one was. Asked only where ids are
    /// read, before anything else about the record.
    #[inline]
    fn is_duplicate(&mut self, _id: &str) -> bool {
        false
    }
    /// A record that does not count. Never [`Reason::UnmappedApp`].
    fn rejected(&mut self, offset: u64, reason: Reason, raw: &[u8]);
    /// A record of an app that is in no category. Its seconds are within the bounds of the rules.
    fn unmapped(&mut self, offset: u64, app: &str, seconds: i64, raw: &[u8]);
}

/// Judges a record as it was read and hands it to `sink`.
pub fn route(
    read: Result<Fields<'_>, Malformed>,
    filter: &RecordFilter,
    offset: u64,
    raw: &[u8],
    sink: &mut impl Sink,
) {
    match read {
        Err(Malformed) => sink.rejected(offset, Reason::Malformed, raw),
        Ok(fields) => {
            // An empty id is none.
            if fields.id.as_deref().is_some_and(|id| !id.is_empty() && sink.is_duplicate(id)) {
                return sink.rejected(offset, Reason::DuplicateId, raw);
            }
            match filter.decide(&fields) {
                Verdict::Kept { contract, app, seconds } => {
                    sink.kept(contract, app, seconds);
                    if let Some(device) = &fields.device {
                        sink.device(device);
                    }
                }
                Verdict::Rejected(reason) => sink.rejected(offset, reason, raw),
                Verdict::UnmappedApp { app, seconds } => sink.unmapped(offset, app, seconds, raw),
            }
        }
    }
}
