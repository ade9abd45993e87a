//! The reader through simd-json gives what the plain parser gives, for any bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use viewmart::engine::scan::exact::{parse_line, parse_source};
use viewmart::engine::scan::tape::ExactReader;

fuzz_target!(|bytes: &[u8]| {
    let mut reader = ExactReader::new();
    assert_eq!(reader.read(bytes), parse_line(bytes));
    assert_eq!(reader.read_source(bytes), parse_source(bytes));
    // The same bytes where a value stands, so that no time is lost finding the frame around it.
    let line = [&br#"{"x":1,"_source":{"Contract":"#[..], bytes, br#","AppName":"a"}}"#].concat();
    assert_eq!(reader.read(&line), parse_line(&line));
});
