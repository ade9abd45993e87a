//! Laws of the whole stage: what it makes of files does not depend on threads, order or how they
//! are cut; errors too.

mod unique;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::engine::scan::reject::Reject;
use crate::lake::{Arrival, DataFile, FileFailure, ListOptions, ReadyFiles, list};

/// 20 MB of records, one in three with line feeds within quotes: some split begins in one.
fn csv() -> String {
    let mut text = "Title,Contract,TotalDuration,AppName\n".to_owned();
    for i in 0..200_000 {
        let title = match i % 3 {
            0 => format!("\"{}\n{i},\"\"HND{i:06}\"\",1,VOD\n\"", "\n".repeat(i % 97)),
            _ => format!("title {i} {}", "x".repeat(i % 89)),
        };
        let _ = writeln!(text, "{title},HND{:06},{},CHANNEL", i % 5_000, i % 90_000);
    }
    text
}

#[test]
fn a_csv_file_says_the_same_to_one_thread_and_in_splits() {
    let lake = tempfile::tempdir().unwrap();
    let text = csv();
    assert!(text.len() > 16 << 20, "{}", text.len());
    std::fs::write(lake.path().join("20220401.csv"), text).unwrap();
    let listing = list(&[lake.path().display().to_string()], &ListOptions::default()).unwrap();
    let options = TransformOptions {
        month: listing.month,
        etl_date: listing.month.first_day(),
        rules: Rules::preset("default").unwrap(),
        n_threads: 3,
        ids: Ids::Any,
        devices: Devices::Ignored,
        max_rejects_kept: 100_000,
    };
    let made = |alone_bytes| {
        let mut files = ReadyFiles::new(listing.files.clone());
        let made = transform_files(&mut files, &options, &Progress::hidden(), alone_bytes).unwrap();
        let shown = |(file, reject): (&str, Reject<'_>)| (file.to_owned(), reject.offset, reject.raw.to_vec());
        let rejects: Vec<_> = made.rejects.iter().map(shown).collect();
        (made.table, rejects)
    };
    let (alone, split) = (made(u64::MAX), made(0));
    assert_eq!(alone.0.ledger.read, 200_000);
    assert_eq!(alone.0.ledger, split.0.ledger);
    assert_eq!(alone.0.total, split.0.total);
    assert!(alone.0.contracts.iter().eq(split.0.contracts.iter()));
    assert_eq!(alone.1, split.1);
}

fn options(n_threads: usize) -> TransformOptions {
    let month = Month::new(2022, 4).unwrap();
    TransformOptions {
        month,
        etl_date: month.first_day(),
        rules: Rules::preset("default").unwrap(),
        n_threads,
        ids: Ids::Any,
        devices: Devices::Ignored,
        max_rejects_kept: 1000,
    }
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn record(contract: &str) -> String {
    format!("{{\"_source\":{{\"Contract\":\"{contract}\",\"AppName\":\"VOD\",\"TotalDuration\":5}}}}\n")
}

/// Writes files and lists them.
fn write(folder: &Path, files: &[(&str, Vec<u8>)]) -> Vec<DataFile> {
    for (name, content) in files {
        std::fs::write(folder.join(name), content).unwrap();
    }
    list(&[folder.display().to_string()], &ListOptions::default()).unwrap().files
}

/// The result of `work`, unless it hangs.
#[track_caller]
fn in_time<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> std::thread::Result<T> {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let _ = sender.send(std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)));
    });
    receiver.recv_timeout(Duration::from_secs(20)).expect("hangs")
}

#[test]
fn the_first_broken_file_is_told_whatever_the_threads_do() {
    let sound = record("A").repeat(2000).into_bytes();
    let csv = |header: &str| format!("{header}\n{}", "A,VOD,5\n".repeat(2000)).into_bytes();
    let cut = |mut compressed: Vec<u8>| {
        compressed.truncate(compressed.len() - 9);
        compressed
    };
    let broken: [(&str, Vec<u8>, &str); 5] = [
        ("gz", cut(gzip(&sound.repeat(20))), "ends too early"),
        ("gz", b"\0no gzip at all".to_vec(), "damaged"),
        ("csv", csv("Kontrakt,AppName,TotalDuration"), "no column Contract"),
        ("zst", b"\0nothing of the kind".to_vec(), "damaged"),
        ("csv.gz", gzip(&csv("x,y,z")), "no column"),
    ];
    for first in 0..broken.len() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = Vec::new();
        let mut expected = (String::new(), "");
        for place in 0..12 {
            // The kinds in turn, from the fourth file on.
            let kind = (place >= 3).then(|| &broken[(first + place - 3) % broken.len()]);
            let name = match kind {
                Some((ending, ..)) if *ending == "csv.gz" => format!("202204{:02}.csv.gz", place + 1),
                Some((ending, ..)) if *ending == "csv" => format!("202204{:02}.csv", place + 1),
                Some((ending, ..)) => format!("202204{:02}.json.{ending}", place + 1),
                None => format!("202204{:02}.json", place + 1),
            };
            if place == 3 {
                expected = (name.clone(), broken[first].2);
            }
            files.push((name, kind.map_or_else(|| sound.clone(), |(_, content, _)| content.clone())));
        }
        let files: Vec<(&str, Vec<u8>)> =
            files.iter().map(|(name, content)| (name.as_str(), content.clone())).collect();
        let listed = write(folder.path(), &files);
        for n_threads in [1, 2, 8] {
            for round in 0..12 {
                let mut arriving = listed.clone();
                arriving.rotate_left(round);
                let result = in_time(move || {
                    let mut files = ReadyFiles::new(arriving);
                    transform(&mut files, &options(n_threads), &Progress::hidden()).map(drop)
                });
                let message = result.unwrap().unwrap_err().to_string();
                assert!(
                    message.contains(&expected.0) && message.contains(expected.1),
                    "{expected:?}, {n_threads} threads, round {round}: {message}"
                );
            }
        }
    }
}

/// Files without end, of which one is a panic.
struct Panicking(DataFile, u32);

impl FileStream for Panicking {
    fn try_next(&mut self) -> Arrival {
        self.1 += 1;
        assert!(self.1 != 50, "a worker panics, which the test wants");
        Arrival::File(Ok(self.0.clone()))
    }

    fn wait_next(&mut self) -> Option<Result<DataFile, FileFailure>> {
        Some(Ok(self.0.clone()))
    }

    fn stop_at(&mut self, _: &str) {}
}

#[test]
fn a_panic_of_a_worker_ends_the_stage() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), &[("20220401.json", record("A").into_bytes())]).remove(0);
    for n_threads in [1, 2, 8] {
        let file = file.clone();
        let result =
            in_time(move || transform(&mut Panicking(file, 0), &options(n_threads), &Progress::hidden()).map(drop));
        assert!(result.is_err(), "{n_threads} threads");
    }
}

/// Files that come one by one, each only when somebody waits.
struct Slow(Vec<DataFile>, Option<String>);

impl FileStream for Slow {
    fn try_next(&mut self) -> Arrival {
        if self.0.is_empty() { Arrival::End } else { Arrival::NotYet }
    }

    fn wait_next(&mut self) -> Option<Result<DataFile, FileFailure>> {
        self.0.pop().map(Ok)
    }

    fn stop_at(&mut self, uri: &str) {
        self.0.retain(|file| file.uri.as_str() < uri);
        self.1 = Some(uri.to_owned());
    }
}

#[test]
fn files_that_come_late_are_scanned_up_to_the_first_error() {
    let folder = tempfile::tempdir().unwrap();
    let names: Vec<String> = (1..=9).map(|day| format!("2022040{day}.csv")).collect();
    let content = |place: usize| match place {
        3 | 6 => b"a,b\n".to_vec(),
        _ => b"Contract,AppName,TotalDuration\nA,VOD,5\n".to_vec(),
    };
    let files: Vec<(&str, Vec<u8>)> = names.iter().enumerate().map(|(at, name)| (name.as_str(), content(at))).collect();
    let listed = write(folder.path(), &files);
    let mut sound = listed.clone();
    sound.retain(|file| !file.uri.contains("20220404") && !file.uri.contains("20220407"));
    for n_threads in [1, 2, 8] {
        let mut slow = Slow(sound.clone(), None);
        let made = transform(&mut slow, &options(n_threads), &Progress::hidden()).unwrap();
        assert_eq!((made.table.ledger.read, slow.1), (7, None));
        // The last file comes first.
        let mut slow = Slow(listed.clone(), None);
        let message = transform(&mut slow, &options(n_threads), &Progress::hidden()).unwrap_err().to_string();
        assert!(message.contains("20220404.csv"), "{message}");
        assert!(slow.1.is_some_and(|uri| uri.ends_with("20220404.csv")));
    }
}

#[test]
fn a_first_line_past_the_limit_is_one_reject_also_after_a_byte_order_mark() {
    let folder = tempfile::tempdir().unwrap();
    let long = vec![b'x'; crate::engine::scan::record::MAX_LINE_BYTES + 1];
    let text = |mark: &[u8]| [mark, &long, b"\n", record("A").as_bytes()].concat();
    let mark = crate::engine::scan::lines::BYTE_ORDER_MARK;
    let files = write(
        folder.path(),
        &[
            ("20220401.json", text(b"")),
            ("20220402.json", text(mark)),
            ("20220403.json.gz", gzip(&text(b""))),
            ("20220404.json.gz", gzip(&text(mark))),
        ],
    );
    for file in files {
        let name = file.uri.clone();
        let made = transform(&mut ReadyFiles::new([file]), &options(2), &Progress::hidden()).unwrap();
        assert_eq!((made.table.ledger.read, made.table.ledger.kept), (2, 1), "{name}");
    }
}

#[test]
fn rows_within_a_field_are_noted_wherever_splits_fall() {
    let row = |i: usize| format!("HND{:06},M,{},CHANNEL\n", i % 5_000, i % 90_000);
    for (first, last) in [(3, 60), (3, 699_999), (500_000, 500_001), (400_000, 699_999)] {
        let rows = (0..700_000).map(|i| if i == first || i == last { row(i).replace(",M", ",\"M") } else { row(i) });
        let text = "Contract,Mac,TotalDuration,AppName\n".to_owned() + &rows.collect::<String>();
        let place = text.find('"').unwrap() as u64;
        let folder = tempfile::tempdir().unwrap();
        let files =
            write(folder.path(), &[("20220401.csv", text.clone().into()), ("20220402.csv.gz", gzip(text.as_bytes()))]);
        for alone_bytes in [0, u64::MAX] {
            let mut files = ReadyFiles::new(files.clone());
            let made = transform_files(&mut files, &options(3), &Progress::hidden(), alone_bytes).unwrap();
            let found: Vec<_> = made.table.detail.files.iter().map(|of| of.file.swallowed_rows()).collect();
            assert_eq!(found, [Some(place); 2], "{first} {last} {alone_bytes}");
        }
    }
}

#[test]
fn a_quote_that_is_never_closed_is_one_reject_in_splits_as_for_one_thread() {
    let folder = tempfile::tempdir().unwrap();
    // In the last a doubled quote goes on with the field before, which the quote before C closes.
    for (n_bytes, more, n_rejects, stays_open) in
        [(100 << 20, "", 1, true), (20 << 20, "", 1, true), (70 << 20, "\n\"A\",\"V\"\"", 2, false)]
    {
        let text = format!("Contract,AppName,TotalDuration\nA,VOD,5\nB,VOD,5{more}\n\"C,VOD,5\n");
        let quote = text.find("\"C").filter(|_| stays_open).map(|at| at as u64);
        let file = write(folder.path(), &[("20220401.csv", text.into_bytes())]).remove(0);
        std::fs::File::options().write(true).open(&file.path).unwrap().set_len(n_bytes).unwrap();
        let file = write(folder.path(), &[]).remove(0);
        let made = |alone_bytes| {
            let mut files = ReadyFiles::new([file.clone()]);
            let made = transform_files(&mut files, &options(2), &Progress::hidden(), alone_bytes).unwrap();
            let offsets: Vec<u64> = made.rejects.iter().map(|(_, reject)| reject.offset).collect();
            assert_eq!(made.table.detail.files[0].file.open_quote(), quote, "{n_bytes} bytes, {more}");
            (made.table.ledger, offsets)
        };
        let (alone, split) = (made(u64::MAX), made(0));
        assert_eq!(alone, split);
        assert_eq!((alone.0.kept, alone.1.len()), (2, n_rejects), "{n_bytes} bytes, {more}");
    }
}

#[test]
fn a_quote_that_is_never_closed_is_reported_of_compressed_files_too() {
    let header = "Contract,AppName,TotalDuration\nA,VOD,5\n";
    let long = "x".repeat(crate::engine::scan::record::MAX_LINE_BYTES + (9 << 20));
    let check = |rest: &str, expected: Option<u64>| {
        let folder = tempfile::tempdir().unwrap();
        let content = gzip(format!("{header}{rest}").as_bytes());
        let files = write(folder.path(), &[("20220401.csv.gz", content)]);
        let made = transform(&mut ReadyFiles::new(files), &options(1), &Progress::hidden()).unwrap();
        assert_eq!(made.table.detail.files[0].file.open_quote(), expected, "{}", &rest[..20]);
    };
    let open = header.len() as u64 + 2;
    check("B,\"VOD,5\nC,VOD,5\nD,VOD,5\n", Some(open));
    check(&format!("B,\"VOD,5\n{long}"), Some(open));
    check(&format!("B,\"VOD,5\n{long}\",5\nC,VOD,5\n"), None);
    check(&format!("B,\"VOD\",5{long}\nC,VOD,5\n"), None);
}
