//! `rejects.ndjson`: one line for each rejected record, so that nothing that was left out is lost.

use std::borrow::Cow;
use std::io::{self, Write};

use serde::Serialize;

use crate::engine::scan::reject::Reject;

#[derive(Serialize)]
struct Line<'a> {
    file: &'a str,
    offset: u64,
    reason: &'static str,
    raw: Cow<'a, str>,
}

/// Writes one JSON object a line for each file and reject, in the order given. Bytes that are not UTF-8 appear as
/// U+FFFD.
///
/// # Errors
/// What `out` says.
pub fn write<'a>(rejects: impl IntoIterator<Item = (&'a str, Reject<'a>)>, out: &mut dyn Write) -> io::Result<()> {
    for (file, reject) in rejects {
        let raw = String::from_utf8_lossy(reject.raw);
        let line = Line { file, offset: reject.offset, reason: reject.reason.name(), raw };
        serde_json::to_writer(&mut *out, &line)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ledger::Reason;

    #[test]
    fn each_reject_is_one_line_whatever_its_bytes() {
        let check = |raw: &[u8], expected_raw: &str| {
            let reject = Reject { offset: 7, reason: Reason::Malformed, raw };
            let mut out = Vec::new();
            write([("a\"b", reject), ("a\"b", reject)], &mut out).unwrap();
            let text = String::from_utf8(out).unwrap();
            assert_eq!(text.lines().count(), 2);
            let found: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
            let expected = serde_json::json!({"file": "a\"b", "offset": 7, "reason": "malformed", "raw": expected_raw});
            assert_eq!(found, expected);
        };
        check(b"{\"a\": 1}", "{\"a\": 1}");
        check(b"two\nlines\r\n\0", "two\nlines\r\n\0");
        check(b"\xff\xfeabc", "\u{fffd}\u{fffd}abc");
        check("\u{2028}é".as_bytes(), "\u{2028}é");
    }
}
