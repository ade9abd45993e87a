//! A sink that remembers everything it is recording_sink.

use viewmart::engine::ledger::Reason;
use viewmart::engine::rules::App;
use viewmart::engine::scan::sink::Sink;

/// One call each, in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct RecordingSink(Vec<Call>);

#[derive(Debug, PartialEq, Eq)]
enum Call {
    Kept(String, App, i64),
    Device(String),
    Rejected(u64, Reason, Vec<u8>),
    Unmapped(u64, String, i64, Vec<u8>),
}

impl Sink for RecordingSink {
    const TAKES_DEVICES: bool = true;

    fn kept(&mut self, contract: &str, app: App, seconds: i64) {
        self.0.push(Call::Kept(contract.to_owned(), app, seconds));
    }
    fn device(&mut self, device: &str) {
        if !device.is_empty() {
            self.0.push(Call::Device(device.to_owned()));
        }
    }
    fn rejected(&mut self, offset: u64, reason: Reason, raw: &[u8]) {
        self.0.push(Call::Rejected(offset, reason, raw.to_vec()));
    }
    fn unmapped(&mut self, offset: u64, app: &str, seconds: i64, raw: &[u8]) {
        self.0.push(Call::Unmapped(offset, app.to_owned(), seconds, raw.to_vec()));
    }
}
