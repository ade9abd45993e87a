//! Which lines are records, and what is in them: by both readers.

use super::super::exact::{Malformed, parse_line, parse_source};
use super::super::lines::scan_lines_exact;
use super::super::record::{Fields, MAX_LINE_BYTES};
use super::super::tape::ExactReader;
use super::{Call, RecordingSink, USUAL, fields, filter, kept, rejected, unmapped};
use crate::engine::ledger::Reason;
use crate::engine::rules::Category;

fn check_bytes(line: &[u8], expected: Result<Fields<'_>, Malformed>) {
    let shown = String::from_utf8_lossy(&line[..line.len().min(300)]).into_owned();
    assert_eq!(parse_line(line, USUAL), expected, "exact: {shown}");
    assert_eq!(ExactReader::new().read(line, USUAL), expected, "simd: {shown}");
}

fn check(line: &str, contract: Option<&str>, app: Option<&str>, seconds: Option<i64>) {
    check_bytes(line.as_bytes(), Ok(fields(contract, app, seconds)));
}

fn check_malformed(line: &str) {
    check_bytes(line.as_bytes(), Err(Malformed));
}

/// A valid value anywhere beside our fields changes nothing; an invalid one spoils the record.
fn check_value(value: &[u8], is_valid: bool) {
    let source: &[u8] = br#"{"Contract":"C","TotalDuration":1,"AppName":"SPORT"}"#;
    let expected = if is_valid { Ok(fields(Some("C"), Some("SPORT"), Some(1))) } else { Err(Malformed) };
    let line = [&br#"{"x":"#[..], value, br#","_source":"#, source, b"}"].concat();
    check_bytes(&line, expected.clone());
    let line = [&br#"{"_source":"#[..], source, br#", "x" : "#, value, b" }"].concat();
    check_bytes(&line, expected.clone());
    let line =
        [&br#"{"_source":{"x":[0,"#[..], value, br#"],"Contract":"C","TotalDuration":1,"AppName":"SPORT"}}"#].concat();
    check_bytes(&line, expected.clone());
    let object = [&br#"{"Contract":"C","TotalDuration":1,"AppName":"SPORT","y":{"x":"#[..], value, b"}}"].concat();
    assert_eq!(parse_source(&object, USUAL), expected);
    assert_eq!(ExactReader::new().read_source(&object, USUAL), expected);
}

#[test]
fn fields_are_found_wherever_they_are() {
    let all = (Some("HNH579912"), Some("KPLUS"), Some(254));
    let check_all = |line: &str| check(line, all.0, all.1, all.2);
    check_all(
        r#"{"_index":"history","_type":"kplus","_id":"AX_momhia1FFivsGrn9o","_score":0,"_source":{"Contract":"HNH579912","Mac":"0C96E62FC55C","TotalDuration":254,"AppName":"KPLUS"}}"#,
    );
    check_all(
        r#"{"_source":{"AppName":"KPLUS","TotalDuration":254,"Mac":"0C96E62FC55C","Contract":"HNH579912"},"_index":"history"}"#,
    );
    check_all(
        "\t { \"_source\" \r:\t{ \"Contract\" : \"HNH579912\" , \"TotalDuration\" :254 ,\r\"AppName\"\t:\"KPLUS\" } } \r",
    );
    check_all(r#"{"_source":{"Appname":"KPLUS","TotalDuration":254,"Contract":"HNH579912"}}"#);
    // Keys and values are what they are when unescaped.
    check_all(
        r#"{"\u005fsource":{"\u0043ontract":"HNH\u0035\u00379912","Total\u0044uration":254,"App\u004Eame":"\u004b\u0050LUS"}}"#,
    );
    // The same keys nested elsewhere mean nothing.
    check_all(
        r#"{"Contract":"no","a":{"_source":{"Contract":"no"}},"_source":{"b":{"Contract":"no","TotalDuration":1},"c":[{"AppName":"no"}],"Contract":"HNH579912","TotalDuration":254,"AppName":"KPLUS","d":["Contract","no"]},"TotalDuration":9}"#,
    );
    check_all(
        r#"{"x":"\"_source\":{\"Contract\":\"no\"}","_source":{"Contract":"HNH579912","TotalDuration":254,"AppName":"KPLUS"}}"#,
    );
    // Names are compared to the byte.
    check(
        r#"{"_source":{"contract":"a","CONTRACT":"b","Contract ":"c","appname":"d","APPNAME":"e","Totalduration":1}}"#,
        None,
        None,
        None,
    );
}

#[test]
fn the_last_of_equal_keys_counts() {
    check(r#"{"_source":{"Contract":"a","Contract":"b"}}"#, Some("b"), None, None);
    check(r#"{"_source":{"Contract":"a","Contract":null}}"#, None, None, None);
    check(r#"{"_source":{"Contract":7,"\u0043ontract":"b"}}"#, Some("b"), None, None);
    check(r#"{"_source":{"\u0043ontract":"b","Contract":"a"}}"#, Some("a"), None, None);
    check(r#"{"_source":{"TotalDuration":1,"TotalDuration":2}}"#, None, None, Some(2));
    check(r#"{"_source":{"TotalDuration":1,"TotalDuration":"2"}}"#, None, None, None);
    check(r#"{"_source":{"AppName":"a","Appname":"b"}}"#, None, Some("b"), None);
    check(r#"{"_source":{"Appname":"a","AppName":"b"}}"#, None, Some("b"), None);
    check(r#"{"_source":{"AppName":"a","Appname":null}}"#, None, None, None);
    check(r#"{"_source":{"Contract":"a"},"_source":{"AppName":"b"}}"#, None, Some("b"), None);
    check(r#"{"_source":3,"_source":{"AppName":"b"}}"#, None, Some("b"), None);
    check_malformed(r#"{"_source":{"AppName":"b"},"_source":3}"#);
    check_malformed(r#"{"_source":{"AppName":"b"},"\u005fsource":null}"#);
}

#[test]
fn a_field_of_another_type_is_none() {
    for other in ["null", "true", "false", "0", "1.5", "[]", "[\"a\"]", "{}", r#"{"Contract":"a"}"#] {
        check(&format!(r#"{{"_source":{{"Contract":{other},"AppName":"a"}}}}"#), None, Some("a"), None);
        check(&format!(r#"{{"_source":{{"Contract":"a","AppName":{other}}}}}"#), Some("a"), None, None);
    }
    check(r#"{"_source":{}}"#, None, None, None);
    check(r#"{"_source":{"Contract":"","AppName":""}}"#, Some(""), Some(""), None);
}

#[test]
fn seconds_are_integers_of_64_bits() {
    let check_seconds = |text: &str, seconds: Option<i64>| {
        check(&format!(r#"{{"_source":{{"TotalDuration":{text}}}}}"#), None, None, seconds);
        check(&format!(r#"{{"_source":{{"TotalDuration": {text} ,"x":0}}}}"#), None, None, seconds);
    };
    check_seconds("0", Some(0));
    check_seconds("-0", Some(0));
    check_seconds("7", Some(7));
    check_seconds("86400", Some(86_400));
    check_seconds("-889575165", Some(-889_575_165));
    check_seconds("12345678", Some(12_345_678));
    check_seconds("123456789012345678", Some(123_456_789_012_345_678));
    check_seconds("9223372036854775807", Some(i64::MAX));
    check_seconds("9223372036854775808", None);
    check_seconds("-9223372036854775808", Some(i64::MIN));
    check_seconds("-9223372036854775809", None);
    check_seconds("18446744073709551615", None);
    check_seconds("18446744073709551616", None);
    check_seconds("100000000000000000000000000000000000000000000000000", None);
    for not_an_integer in
        ["1.0", "12.0", "0.0", "-0.0", "1e3", "1E3", "1e+3", "1e-3", "0e0", "1e400", "-1e400", "1e-400"]
    {
        check_seconds(not_an_integer, None);
    }
    for other in ["null", "true", "\"12\"", "\"\"", "[12]", "{\"a\":1}"] {
        check_seconds(other, None);
    }
}

#[test]
fn strings_are_unescaped() {
    let check_text = |text: &str, expected: &str| {
        check(
            &format!(r#"{{"_source":{{"Contract":"{text}","AppName":"{text}"}}}}"#),
            Some(expected),
            Some(expected),
            None,
        );
    };
    check_text(r#"\"\\\/\b\f\n\r\t"#, "\"\\/\u{8}\u{c}\n\r\t");
    check_text(r"a\u0000b", "a\0b");
    check_text(r"\u00e9\u00C9\u20AC\uFFFF", "éÉ€\u{ffff}");
    check_text(r"\ud83d\ude00", "😀");
    check_text(r"\uD800\uDC00\uDBFF\uDFFF", "\u{10000}\u{10ffff}");
    check_text(r"\\u0041", r"\u0041");
    check_text(r"\\\\\\", r"\\\");
    check_text("😀é€ \u{7f}\u{2028}\u{feff}", "😀é€ \u{7f}\u{2028}\u{feff}");
    let long = format!("{}\\n{}", "x".repeat(100), "é".repeat(100));
    check_text(&long, &long.replace("\\n", "\n"));
}

#[test]
fn lone_surrogates_matter_only_where_they_are_read() {
    for lone in
        [r"\ud800", r"\udc00", r"a\ud83dz", r"\ud83d\n", r"\ud83d\u0041", r"\ud83d\ud83d", r"\ude00\ud83d", r"\uDFFF"]
    {
        check_malformed(&format!(r#"{{"_source":{{"Contract":"{lone}"}}}}"#));
        check_malformed(&format!(r#"{{"_source":{{"AppName":"{lone}"}}}}"#));
        check_malformed(&format!(r#"{{"_source":{{"Appname":"{lone}"}}}}"#));
        check(&format!(r#"{{"_source":{{"Contract":"a","Mac":"{lone}"}}}}"#), Some("a"), None, None);
        check(&format!(r#"{{"{lone}":"{lone}","_source":{{"Contract":"a","{lone}":0}}}}"#), Some("a"), None, None);
        // A value that a later key replaces is not read.
        check(&format!(r#"{{"_source":{{"Contract":"{lone}","Contract":"a"}}}}"#), Some("a"), None, None);
        check(&format!(r#"{{"_source":{{"Contract":"{lone}"}},"_source":{{}}}}"#), None, None, None);
        check(&format!(r#"{{"_source":{{"TotalDuration":"{lone}"}}}}"#), None, None, None);
        // The key is another key.
        check(&format!(r#"{{"_source":{{"Contract{lone}":"x","Contract":"a"}}}}"#), Some("a"), None, None);
    }
}

#[test]
fn only_objects_with_a_source_object_are_records() {
    for line in ["null", "true", "0", "\"_source\"", "[]", r#"[{"_source":{}}]"#, "{}", r#"{"a":1}"#] {
        check_malformed(line);
    }
    for other in ["null", "true", "0", "\"\"", "[]", "[{}]"] {
        check_malformed(&format!(r#"{{"_source":{other}}}"#));
    }
    for broken in [
        r#"{"_source":{}"#,
        r#"{"_source":{}}}"#,
        r#"{"_source":{}} x"#,
        r#"{"_source":{}}{"_source":{}}"#,
        r#"{"_source":{}},"#,
        r#"{"_source":{},}"#,
        r#"{"_source":{,}}"#,
        r#"{,"_source":{}}"#,
        r#"{"_source":{"a":1,}}"#,
        r#"{"_source":{"a":1 "b":2}}"#,
        r#"{"_source" {}}"#,
        r#"{"_source"::{}}"#,
        r#"{"_source":}"#,
        r#"{_source:{}}"#,
        r#"{'_source':{}}"#,
        r#"{"_source":{"a"}}"#,
        r#"{"_source":{1:1}}"#,
        r#"{"_source":{]}"#,
        r#"{"_source":{"Contract":"a"]}"#,
        r#"{"_source":{}/**/}"#,
        "{\"_source\":{}}\u{a0}",
        "\u{feff}{\"_source\":{}}",
        "{\"_source\":{}}\0",
        "\0{\"_source\":{}}",
        "{\"_source\":\u{c}{}}",
    ] {
        check_malformed(broken);
    }
}

#[test]
fn values_follow_the_grammar() {
    for valid in [
        "null",
        "true",
        "false",
        "0",
        "-0",
        "-1",
        "1234567890",
        "0.5",
        "-0.5",
        "1.25e10",
        "1E5",
        "1e+5",
        "1e-5",
        "0e1",
        "-0e-0",
        "1e9999",
        "-1e9999",
        "123123e-10000000",
        "0.4e006699999999999999999",
        "1000000000000000000000000000",
        "[]",
        "{}",
        "[ ]",
        "{ }",
        "[1,2]",
        "[1 , 2]",
        "[[]   ]",
        "[null,null,null,1]",
        "[\"a\"]",
        "{\"a\":{}}",
        "[{},[]]",
        r#"{"a":1,"a":2,"":0}"#,
        r#""""#,
        r#"" ""#,
        r#""\u0000""#,
        r#""\"""#,
        r#""\\""#,
        r#""\\a""#,
        r#""a/*b*/c""#,
        r#""\uD834\uDd1e""#,
        r#""\uDADA""#,
        "\"\u{7f}\"",
        "\"\u{2028}\u{2029}\"",
        "\"\u{10ffff}\"",
        "\"\u{feff}\"",
        r#""https://example.org/?a=b&c={}[]:,""#,
    ] {
        check_value(valid.as_bytes(), true);
    }
    for invalid in [
        "",
        " ",
        "nul",
        "nulll",
        "Null",
        "NULL",
        "tru",
        "truee",
        "fals",
        "falsee",
        "nan",
        "NaN",
        "Infinity",
        "-Infinity",
        "inf",
        "00",
        "01",
        "-01",
        "-",
        "--1",
        "+1",
        "+",
        ".5",
        "-.5",
        "1.",
        "1.e1",
        "0.e1",
        "1e",
        "1e+",
        "1e-",
        "1eE2",
        "1.2.3",
        "1+2",
        "0x1",
        "1_000",
        "1a",
        "0x",
        "1 000",
        "- 1",
        "1e1.5",
        "012",
        "-012",
        "1\u{0}",
        "0\u{0}",
        "true\u{0}",
        "null\u{0}",
        "\"\"\u{0}",
        "1\u{c}",
        "\u{b}1",
        "\u{ff11}",
        "[1",
        "1]",
        "[1,]",
        "[,1]",
        "[1,,2]",
        "[1 2]",
        "[\"a\" 1]",
        "[\"a\":1]",
        "{\"a\":1",
        "{\"a\"}",
        "{\"a\",1}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,}",
        "{1:1}",
        "{a:1}",
        "{null:1}",
        "{\"a\":1 \"b\":2}",
        "{\"a\" \"b\"}",
        "{\"a\"::1}",
        "{\"a\":1:2}",
        "[}",
        "{]",
        "[[]",
        "[]]",
        "]",
        "}",
        "'a'",
        "\"",
        "\"a",
        "a\"",
        "\"a\"b",
        "\"a\"\"b\"",
        "\"\\\"",
        r#""\x""#,
        r#""\a""#,
        r#""\'""#,
        r#""\0""#,
        r#""\U0041""#,
        r#""\u""#,
        r#""\u1""#,
        r#""\u12""#,
        r#""\u123""#,
        r#""\u123g""#,
        r#""\u 123""#,
        r#""\u+123""#,
        r#""\u-123""#,
        r#""\ud800\u""#,
        r#""\ud800\u1""#,
        r#""\ud800\x""#,
        "\"\u{0}\"",
        "\"a\tb\"",
        "\"a\rb\"",
        "\"\u{1f}\"",
        "\"\\\u{0}\"",
        "\"\\\t\"",
        "\\u0031",
        "\\",
        "[\\u000A]",
        "/**/1",
        "1//",
        "#",
        "@",
        "<null>",
        "\u{2060}1",
        "\u{feff}1",
        "1\u{a0}",
        "é",
        "\"\\é\"",
        "[\"\\",
        "undefined",
        "\"a\":1",
    ] {
        check_value(invalid.as_bytes(), false);
    }
}

#[test]
fn bytes_that_are_not_utf8_spoil_a_record() {
    for bytes in [
        &b"\xff"[..],
        b"\xfe",
        b"\x80",
        b"\xbf",
        b"\xc3",
        b"\xc3\x28",
        b"\xc0\xaf",
        b"\xc1\xbf",
        b"\xe0\x80\x80",
        b"\xe2\x82",
        b"\xed\xa0\x80",
        b"\xed\xbf\xbf",
        b"\xf0\x80\x80\x80",
        b"\xf0\x9f\x98",
        b"\xf4\x90\x80\x80",
        b"\xf8\x88\x80\x80\x80",
        b"\xe9",
    ] {
        check_value(&[&b"\""[..], bytes, b"\""].concat(), false);
        check_value(&[&b"\""[..], "x".repeat(70).as_bytes(), bytes, b"\""].concat(), false);
        check_value(bytes, false);
        check_bytes(&[&br#"{"_source":{"Contract":""#[..], bytes, br#""}}"#].concat(), Err(Malformed));
        check_bytes(&[&br#"{"_source":{}}"#[..], bytes].concat(), Err(Malformed));
    }
}

#[test]
fn no_depth_is_too_deep() {
    let n = if cfg!(miri) { 2_000 } else { 100_000 };
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}"), (r#"[{"a":"#, "}]"), (r#"{"_source":{"Contract":"#, "}}")] {
        check_value(format!("{}0{}", open.repeat(n), close.repeat(n)).as_bytes(), true);
        check_value(format!("{}0{}", open.repeat(n), close.repeat(n - 1)).as_bytes(), false);
        check_value(open.repeat(n).as_bytes(), false);
    }
    // Which container ends where is remembered at every depth.
    for depth in [1, 2, 62, 63, 64, 65, 66, 127, 128, 129, 130, 1023, 1024, 1025] {
        let open: Vec<&str> = (0..depth).map(|i| if i % 3 == 0 { r#"{"a":"# } else { "[" }).collect();
        let close: Vec<&str> = (0..depth).rev().map(|i| if i % 3 == 0 { "}" } else { "]" }).collect();
        check_value(format!("{}0{}", open.concat(), close.concat()).as_bytes(), true);
        for wrong in [0, depth / 2, depth - 1] {
            let mut close = close.clone();
            close[wrong] = if close[wrong] == "}" { "]" } else { "}" };
            check_value(format!("{}0{}", open.concat(), close.concat()).as_bytes(), false);
        }
    }
}

#[test]
fn a_reader_forgets_the_line_before() {
    let mut reader = ExactReader::new();
    let long = format!(r#"{{"_source":{{"Contract":"{}","AppName":"a\u0062","TotalDuration":5}}}}"#, "x".repeat(3000));
    let lines = [long.as_str(), r#"{"_source":{}}"#, "{", r#"{"_source":{"Contract":"y\n"}}"#, "", &long];
    for line in lines {
        assert_eq!(reader.read(line.as_bytes(), USUAL), parse_line(line.as_bytes(), USUAL));
    }
}

fn told(text: &[u8]) -> Vec<Call> {
    let mut told = RecordingSink::default();
    scan_lines_exact(text, 0..text.len(), 0, filter(), &mut ExactReader::new(), &mut told);
    told.calls
}

#[test]
fn every_record_is_kept_or_rejected_for_the_first_reason() {
    let check = |source: &str, expected: fn(&str) -> Call| {
        let line = format!(r#"{{"_source":{{{source}}}}}"#);
        assert_eq!(told(line.as_bytes()), [expected(&line)]);
    };
    check(r#""Contract":"C","AppName":"SPORT","TotalDuration":0"#, |_| kept("C", Category::Sport, 0));
    check(r#""Contract":"C","AppName":"SPORT","TotalDuration":86400"#, |_| kept("C", Category::Sport, 86_400));
    check(r#""Contract":" C ","Appname":"VOD","TotalDuration":1"#, |_| kept(" C ", Category::Movie, 1));
    check(r#""AppName":"SPORT","TotalDuration":0"#, |line| rejected(0, Reason::NoContract, line));
    check(r#""Contract":"","AppName":"SPORT","TotalDuration":0"#, |line| rejected(0, Reason::NoContract, line));
    check(r#""Contract":" \t\u00a0","AppName":"","TotalDuration":-1"#, |line| rejected(0, Reason::NoContract, line));
    check(r#""Contract":0,"AppName":"SPORT","TotalDuration":0"#, |line| rejected(0, Reason::NoContract, line));
    check(r#""Contract":"C","TotalDuration":"x""#, |line| rejected(0, Reason::NoApp, line));
    check(r#""Contract":"C","AppName":"","TotalDuration":1"#, |line| rejected(0, Reason::NoApp, line));
    check(r#""Contract":"C","AppName":"NEW""#, |line| rejected(0, Reason::BadDuration, line));
    check(r#""Contract":"C","AppName":"NEW","TotalDuration":1e3"#, |line| rejected(0, Reason::BadDuration, line));
    check(r#""Contract":"C","AppName":"NEW","TotalDuration":-1"#, |line| rejected(0, Reason::NegativeDuration, line));
    check(r#""Contract":"C","AppName":"NEW","TotalDuration":86401"#, |line| rejected(0, Reason::OverDay, line));
    check(r#""Contract":"C","AppName":"NEW","TotalDuration":86400"#, |line| unmapped(0, "NEW", 86400, line));
    check(r#""Contract":"C","AppName":"sport","TotalDuration":1"#, |line| unmapped(0, "sport", 1, line));
    for (n_chars, is_long) in [(100, false), (101, true)] {
        let contract = "é".repeat(n_chars);
        let line = format!(r#"{{"_source":{{"Contract":"{contract}","AppName":"SPORT","TotalDuration":1}}}}"#);
        let expected =
            if is_long { rejected(0, Reason::LongContract, &line) } else { kept(&contract, Category::Sport, 1) };
        assert_eq!(told(line.as_bytes()), [expected]);
    }
}

#[test]
fn lines_end_at_line_feeds() {
    let line = r#"{"_source":{"Contract":"C","AppName":"SPORT","TotalDuration":1}}"#;
    let n = line.len() as u64;
    let is_kept = kept("C", Category::Sport, 1);
    let bad = |offset| rejected(offset, Reason::Malformed, "x");
    let check = |text: String, expected: &[Call]| assert_eq!(told(text.as_bytes()), expected, "{text:?}");
    check(String::new(), &[]);
    check("\n".into(), &[]);
    check("\n\r\n \t\r\n  ".into(), &[]);
    check(format!("{line}\nx"), &[is_kept.clone(), bad(n + 1)]);
    check(format!("{line}\r\nx\r\n"), &[is_kept.clone(), bad(n + 2)]);
    check(format!("x\n\n{line}"), &[bad(0), is_kept.clone()]);
    check(format!("{line}\r"), std::slice::from_ref(&is_kept));
    check(format!("x\r\r\n{line}"), &[rejected(0, Reason::Malformed, "x\r"), is_kept.clone()]);
    check(format!("{line}\rx\n"), &[rejected(0, Reason::Malformed, &format!("{line}\rx"))]);
    check(format!("\u{feff}{line}\n{line}"), &[is_kept.clone(), is_kept.clone()]);
    check("\u{feff}\nx".into(), &[bad(4)]);
    check("\u{feff}x".into(), &[bad(3)]);
    check(format!("{line}\n\u{feff}x"), &[is_kept, rejected(n + 1, Reason::Malformed, "\u{feff}x")]);
}

#[test]
#[cfg_attr(miri, ignore = "64 MiB are too many for an interpreter")]
fn a_line_has_at_most_64_mib() {
    let (head, tail) = (r#"{"_source":{"Contract":"C","AppName":"SPORT","TotalDuration":1},"x":""#, r#""}"#);
    for (n_over, is_long) in [(0, false), (1, true)] {
        let mut line = head.as_bytes().to_vec();
        line.resize(MAX_LINE_BYTES + n_over - tail.len(), b'x');
        line.extend_from_slice(tail.as_bytes());
        let mut text = line.clone();
        text.extend_from_slice(b"\r\n");
        let expected = if is_long { Call::Rejected(0, Reason::Malformed, line) } else { kept("C", Category::Sport, 1) };
        assert!(told(&text) == [expected], "{n_over} bytes over the limit");
    }
}
