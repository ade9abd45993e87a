//! What a file is, by its first bytes.

use serde_json::Value;

use super::kinds::*;
use super::{Recogniser, is_base64, text};

/// From the specific to the general: the first that matches counts.
pub(super) const HEADS: [Recogniser; 47] = [
    (is_compressed, COMPRESSED),
    (|head| head.starts_with(b"BZh"), BZIP2),
    (|head| head.starts_with(b"\xfd7zXZ\0"), XZ),
    (|head| head.starts_with(b"\x04\x22\x4d\x18"), LZ4),
    (|head| head.starts_with(b"\x89LZO\0\r\n"), LZO),
    (|head| head.starts_with(b"\xff\x06\0\0sNaPpY"), SNAPPY),
    (|head| head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06"), ZIP),
    (|head| head.starts_with(b"7z\xbc\xaf\x27\x1c"), SEVEN_ZIP),
    (|head| head.starts_with(b"Rar!\x1a\x07"), RAR),
    (|head| head.get(257..262) == Some(b"ustar"), TAR),
    (|head| head.starts_with(b"PAR1"), PARQUET),
    (|head| head.starts_with(b"ORC"), ORC),
    (|head| head.starts_with(b"ARROW1"), ARROW),
    (|head| head.starts_with(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), EXCEL),
    (|head| head.starts_with(b"\x1f\x9d"), COMPRESS),
    (is_pickle, PICKLE),
    (|head| head.starts_with(b"Obj\x01"), AVRO),
    (is_sequence_file, SEQUENCE_FILE),
    (|head| head.starts_with(b"SQLite format 3\0"), SQLITE),
    (|head| head.starts_with(b"%PDF-"), PDF),
    (is_encrypted, ENCRYPTED),
    (|head| head.starts_with(b"\xff\xfe\0\0") || head.starts_with(b"\0\0\xfe\xff"), UTF32),
    (|head| head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff"), UTF16),
    (|head| is_half_nul(head, 1), UTF16_LE),
    (|head| is_half_nul(head, 0), UTF16_BE),
    (is_zeros, ZEROS),
    (|head| head.starts_with(b"version https://git-lfs"), LFS_POINTER),
    (is_annex_pointer, ANNEX_POINTER),
    (|head| head.starts_with(b"outs:\n- md5:") || head.starts_with(b"outs:\r\n- md5:"), DVC_POINTER),
    (|head| head.starts_with(b"<<<<<<< "), CONFLICT),
    (is_web_page, WEB_PAGE),
    (|head| text(head).strip_prefix('<').is_some_and(|rest| rest.starts_with(is_of_tag)), XML),
    (|head| text(head).starts_with('\u{1e}'), TEXT_SEQUENCE),
    (has_lone_cr, LONE_CR),
    (is_bulk, BULK),
    (is_json_error, JSON_ERROR),
    (|head| is_response(head, &["{\"responses\":["]), MANY_RESPONSES),
    (|head| is_response(head, &["{\"rawResponse\":{", "{\"id\":", "{\"isPartial\":"]), RAW_RESPONSE),
    (is_search_response, SEARCH_RESPONSE),
    (|head| text(head).starts_with('['), JSON_ARRAY),
    (is_python, PYTHON_DICT),
    (is_wrapped, WRAPPED),
    (is_pretty_json, PRETTY_JSON),
    (|head| first_text(head).starts_with("\"{") && head.contains(&b'\\'), JSON_TEXT),
    (is_error_message, TEXT_ERROR),
    (is_sql, SQL),
    (is_base64, BASE64),
];

fn is_compressed(head: &[u8]) -> bool {
    head.starts_with(b"\x1f\x8b") || head.starts_with(b"\x28\xb5\x2f\xfd")
}

/// Protocols 2 to 5, which begin with an object, a frame or a container.
fn is_pickle(head: &[u8]) -> bool {
    matches!(head, [0x80, 2..=5, b'c' | b']' | b'}' | b'(' | b'X' | 0x8c | 0x95, ..])
}

fn is_sequence_file(head: &[u8]) -> bool {
    head.starts_with(b"SEQ") && head.get(3).is_some_and(|version| (1..=9).contains(version))
}

fn is_encrypted(head: &[u8]) -> bool {
    [&b"-----BEGIN PGP MESSAGE"[..], b"Salted__", b"age-encryption.org/"].iter().any(|start| head.starts_with(start))
}

/// Text of ASCII in UTF-16 has a NUL in every second place.
fn is_half_nul(head: &[u8], first: usize) -> bool {
    let is_nul = |from: usize| head.get(from..).unwrap_or_default().iter().step_by(2).take(64).all(|b| *b == 0);
    head.len() >= 8 && is_nul(first) && head.iter().take(64).any(u8::is_ascii_graphic)
}

/// Zeros, from its start on if not all of it.
fn is_zeros(head: &[u8]) -> bool {
    const MANY: usize = 64;
    let n_zeros = head.iter().take_while(|byte| **byte == 0).count();
    n_zeros > 0 && (n_zeros == head.len() || n_zeros >= MANY)
}

fn is_annex_pointer(head: &[u8]) -> bool {
    head.starts_with(b"/annex/objects/") || (head.len() < 400 && text(head).contains(".git/annex/objects/"))
}

fn is_of_tag(c: char) -> bool {
    c.is_ascii_alphabetic() || matches!(c, '?' | '!')
}

fn is_web_page(head: &[u8]) -> bool {
    let start: String = text(head).chars().take(2000).collect::<String>().to_ascii_lowercase();
    start.starts_with('<')
        && ["<!doctype html", "<html", "<head", "<script", "<body"].iter().any(|tag| start.contains(tag))
}

fn has_lone_cr(head: &[u8]) -> bool {
    head.contains(&b'\r') && !head.contains(&b'\n')
}

fn first_line(head: &[u8]) -> &[u8] {
    head.split(|b| *b == b'\n').next().unwrap_or_default()
}

/// The first line, without what is around it.
fn first_text(head: &[u8]) -> std::borrow::Cow<'_, str> {
    text(first_line(head.trim_ascii_start()).trim_ascii_end())
}

fn is_bulk(head: &[u8]) -> bool {
    matches!(
        serde_json::from_slice(first_line(head)),
        Ok(Value::Object(object)) if object.len() == 1
            && ["index", "create", "update", "delete"].iter().any(|action| object.get(*action).is_some_and(Value::is_object))
    )
}

/// One object that tells of an error and has nothing of a record.
fn is_json_error(head: &[u8]) -> bool {
    const MAX_BYTES: usize = 8192;
    if head.len() > MAX_BYTES {
        return false;
    }
    let Ok(Value::Object(object)) = serde_json::from_slice(head) else { return false };
    let has = |key: &&str| object.contains_key(*key);
    let is_error = ["error", "errors", "Error", "RemoteException", "exception", "fault"].iter().any(&has);
    let is_status = || ["status", "code", "statusCode", "Code", "error_code"].iter().any(&has);
    // A text that holds an object may be a record.
    let is_words = |key: &&str| {
        object.get(*key).is_some_and(|told| !told.as_str().is_some_and(|t| t.trim_start().starts_with('{')))
    };
    let is_told = || ["message", "Message", "msg", "detail"].iter().any(is_words);
    let is_record = ["_source", "Contract", "hits"].iter().any(has);
    !is_record && (is_error || (is_told() && (is_status() || object.len() == 1)))
}

/// The start of a file without white space.
fn packed_start(head: &[u8], n_chars: usize) -> String {
    text(head).chars().filter(|c| !c.is_whitespace()).take(n_chars).collect()
}

/// Whether it starts with one of these and tells of hits.
fn is_response(head: &[u8], starts: &[&str]) -> bool {
    let start = packed_start(head, 2000);
    let is_raw =
        |wanted: &&str| start.starts_with(wanted) && (!wanted.ends_with(':') || start.contains("\"rawResponse\":{"));
    starts.iter().any(is_raw) && start.contains("\"hits\":")
}

fn is_search_response(head: &[u8]) -> bool {
    let start = packed_start(head, 2000);
    let keys = ["took", "_scroll_id", "hits", "timed_out", "_shards", "pit_id", "num_reduce_phases"];
    keys.iter().any(|key| start.starts_with(&format!("{{\"{key}\":"))) && start.contains("\"hits\":")
}

fn is_python(head: &[u8]) -> bool {
    let text = text(head);
    text.starts_with("{'") || text.starts_with("{\"_source\": {'")
}

/// An object whose first values lead to an array of objects.
fn is_wrapped(head: &[u8]) -> bool {
    let start = packed_start(head, 400);
    let Some((before, _)) = start.split_once(":[{") else { return false };
    before.starts_with("{\"") && !before.contains("_source") && before.matches('{').count() == 1
}

fn is_pretty_json(head: &[u8]) -> bool {
    let line = first_line(head.trim_ascii_start()).trim_ascii();
    head.contains(&b'\n') && (line == b"{" || line == b"[" || is_open_object(line))
}

/// A line that begins an object and leaves one open, such as `{"_source": {`.
fn is_open_object(line: &[u8]) -> bool {
    line.starts_with(b"{")
        && (line.ends_with(b"{") || line.ends_with(b",") || line.ends_with(b"["))
        && serde_json::from_slice::<Value>(line).is_err()
        && !line.ends_with(b"},")
}

/// What servers and tools say that had no data to give.
fn is_error_message(head: &[u8]) -> bool {
    const STARTS: [&str; 30] = [
        "access denied",
        "permission denied",
        "forbidden",
        "unauthorized",
        "not found",
        "error:",
        "error ",
        "fatal:",
        "curl:",
        "wget:",
        "ls:",
        "cat:",
        "get:",
        "401 ",
        "403 ",
        "404",
        "500 ",
        "502 ",
        "503 ",
        "504 ",
        "bad gateway",
        "bad request",
        "gateway timeout",
        "internal server error",
        "request timeout",
        "service unavailable",
        "too many requests",
        "429 ",
        "no such file or directory",
        "traceback (most recent call last)",
    ];
    let line = first_text(head).to_ascii_lowercase();
    STARTS.iter().any(|start| line.starts_with(start)) && !line.contains(['{', ';', '\t', '|'])
}

fn is_sql(head: &[u8]) -> bool {
    let start: String = text(head).chars().take(2000).collect::<String>().to_ascii_uppercase();
    let starts =
        ["INSERT INTO ", "CREATE TABLE ", "-- MYSQL DUMP", "-- MARIADB DUMP", "-- POSTGRESQL DATABASE DUMP", "/*!40"];
    starts.iter().any(|wanted| start.starts_with(wanted))
}
