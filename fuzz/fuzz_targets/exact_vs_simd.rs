//! The reader through simd-json gives what the plain parser gives, for any bytes and however the rules read them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use viewmart::engine::devices::Devices;
use viewmart::engine::ledger::Ids;
use viewmart::engine::rules::{FieldPlace, FieldTypes};
use viewmart::engine::scan::exact::{parse_line, parse_source};
use viewmart::engine::scan::record::Reading;
use viewmart::engine::scan::tape::ExactReader;

fuzz_target!(|bytes: &[u8]| {
    let mut reader = ExactReader::new();
    // The same bytes where a value stands, so that no time is lost finding the frame around it.
    let nested = [&br#"{"x":1,"_source":{"Contract":"#[..], bytes, br#","AppName":"a"}}"#].concat();
    let flat = [&br#"{"x":1,"TotalDuration":"#[..], bytes, br#","AppName":"a"}"#].concat();
    for types in [FieldTypes::Strict, FieldTypes::Lenient] {
        let reading = Reading { types, ..Reading::default() };
        assert_eq!(reader.read_source(bytes, reading), parse_source(bytes, reading));
        for source in [FieldPlace::Source, FieldPlace::Flat] {
            for ids in [Ids::Any, Ids::Unique] {
                let devices = if ids == Ids::Any { Devices::Counted } else { Devices::Ignored };
                let reading = Reading { types, source, ids, devices };
                for line in [bytes, &nested, &flat] {
                    assert_eq!(reader.read(line, reading), parse_line(line, reading));
                }
            }
        }
    }
});
