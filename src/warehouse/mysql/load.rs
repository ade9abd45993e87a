//! Rows on their way into the staging table: encoded chunk by chunk from the columns, sent as they are ready.
//!
//! One range of rows is one connection and two threads. The encoder fills buffers, the connection's thread hands them
//! to the client; buffers go round between the two, so a range never holds more than [`N_BUFFERS`] of them. No file and
//! no copy of the table is made.

use std::io::Write;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use mysql::prelude::Queryable as _;
use mysql::{Conn, Error, LocalInfileHandler};

use super::encode::{MAX_ROW_BYTES, names_of_sent, push_tsv, push_values, sent};
use super::fault::{BrokenOff, StepFailure, refuse_file};
use super::names::random;
use super::session::Session;
use super::settings::{LocalInfile, Server};
use crate::console::Progress;
use crate::engine::columns::{COLUMNS, Cell, Column, ColumnType, Values};
use crate::engine::month::MonthTable;

/// Buffers of one range: one that is filled, one that is sent, one that waits.
const N_BUFFERS: usize = 3;

/// Bytes in a full buffer. The client sends packets of 4 KiB whatever the size.
const CHUNK_BYTES: usize = 256 << 10;

/// Largest `INSERT`, in bytes; a server with a smaller `max_allowed_packet` gets half of that.
const INSERT_BYTES: usize = 1 << 20;

/// Most bytes of rows that are loaded in one transaction. Servers that replicate hold a transaction back until it is
/// whole, and groups of servers refuse one of more than 143 MB.
const TRANSACTION_BYTES: u64 = 64 << 20;

/// Bytes of a row in the server's log besides its texts: nine numbers and dates, lengths, and what tells rows apart.
const LOGGED_ROW_BYTES: u64 = 96;

/// Rows that were counted as loaded, to be taken back if they were not.
#[derive(Debug)]
pub(super) struct Counted<'a> {
    progress: &'a Progress,
    n_rows: AtomicU64,
}

impl<'a> Counted<'a> {
    pub(super) fn new(progress: &'a Progress) -> Counted<'a> {
        Counted { progress, n_rows: AtomicU64::new(0) }
    }

    fn advance(&self, n_rows: u64) {
        self.n_rows.fetch_add(n_rows, Ordering::Relaxed);
        self.progress.advance(n_rows);
    }

    pub(super) fn take_back(&self) {
        self.progress.take_back(self.n_rows.swap(0, Ordering::Relaxed));
    }
}

/// Parts `rows` into what is loaded in one transaction each, so that the server can log it.
pub(super) fn transactions(server: &Server, table: &MonthTable, rows: Range<usize>) -> Vec<Range<usize>> {
    let max_bytes = TRANSACTION_BYTES.min(server.max_transaction_bytes / 2);
    let is_text = |column: &&Column| matches!(column.column_type, ColumnType::Text { .. });
    let texts: Vec<Values<'_>> = sent(COLUMNS).filter(is_text).map(|column| column.values(table)).collect();
    let mut ranges = Vec::new();
    let (mut first, mut n_bytes) = (rows.start, 0);
    for row in rows.clone() {
        let text_bytes =
            |values: &Values<'_>| if let Cell::Text(text) = values.cell(row) { text.len() as u64 } else { 0 };
        let row_bytes = LOGGED_ROW_BYTES + texts.iter().map(text_bytes).sum::<u64>();
        if n_bytes + row_bytes > max_bytes && row > first {
            ranges.push(first..row);
            (first, n_bytes) = (row, 0);
        }
        n_bytes += row_bytes;
    }
    ranges.push(first..rows.end);
    ranges
}

/// What is loaded, and where to.
pub(super) struct StagedRows<'a> {
    pub table: &'a MonthTable,
    /// Those of its columns that the staging table has.
    pub columns: &'a [Column],
    /// The staging table, quoted and with its database.
    pub staging: &'a str,
}

/// Loads these rows, one transaction.
///
/// The server's own count of warnings is an error here: `LOAD DATA LOCAL` turns errors of data into warnings.
pub(super) fn load_range(
    session: &mut Session<'_>,
    source: &StagedRows<'_>,
    rows: Range<usize>,
    counted: &Counted<'_>,
) -> Result<(), StepFailure> {
    let now = Counted::new(counted.progress);
    let loaded = match session.server.local_infile {
        LocalInfile::Allowed => {
            // The server has to ask for exactly this name, once.
            let offered = format!("viewmart-rows-{}", random(session.address())?);
            load_infile(&mut session.conn, source, rows, &offered, &now)
        }
        LocalInfile::Refused => insert_rows(session, source, rows, &now),
    };
    match &loaded {
        Ok(()) => drop(counted.n_rows.fetch_add(now.n_rows.into_inner(), Ordering::Relaxed)),
        Err(_) => now.take_back(),
    }
    loaded.map_err(|error| session.failed("staging rows", &error))
}

/// What the encoder sends.
enum Message {
    Rows(Vec<u8>),
    /// All rows were sent. A stream that ends without it was broken off.
    End,
}

/// Loads the rows as the file `offered`.
fn load_infile(
    conn: &mut Conn,
    source: &StagedRows<'_>,
    rows: Range<usize>,
    offered: &str,
    counted: &Counted<'_>,
) -> Result<(), Error> {
    let (filled, full) = sync_channel::<Message>(N_BUFFERS);
    let (give_back, empty) = channel::<Vec<u8>>();
    for _ in 0..N_BUFFERS {
        // Both ends are here: this cannot fail.
        let _ = give_back.send(Vec::with_capacity(CHUNK_BYTES + MAX_ROW_BYTES));
    }
    conn.set_local_infile_handler(Some(offer(offered.to_owned(), full, give_back)));
    let offer = Offer { conn };
    // The bytes are UTF-8 as they stand: a server that reads them as such takes each character by itself.
    let statement = format!(
        "LOAD DATA LOCAL INFILE '{offered}' INTO TABLE {} CHARACTER SET binary \
         FIELDS TERMINATED BY '\\t' ESCAPED BY '\\\\' LINES TERMINATED BY '\\n' ({})",
        source.staging,
        names_of_sent(source.columns)
    );
    thread::scope(|scope| {
        // Moved in here, so that it ends before the encoder is waited for, also by a panic.
        let offer = offer;
        scope.spawn(move || encode_rows(source, rows, &filled, &empty, counted));
        offer.conn.query_drop(statement)
    })
}

/// A connection whose handler has rows to give out, for as long as this lives. Its end takes the handler's ends of the
/// channels away: an encoder that still waits for one of them comes to its end too.
struct Offer<'a> {
    conn: &'a mut Conn,
}

impl Drop for Offer<'_> {
    fn drop(&mut self) {
        self.conn.set_local_infile_handler(None);
    }
}

/// The handler that gives out the rows for the one name `offered`, once, and nothing for any other wish.
fn offer(offered: String, full: Receiver<Message>, give_back: Sender<Vec<u8>>) -> LocalInfileHandler {
    let mut stream = Some((full, give_back));
    LocalInfileHandler::new(move |name, writer| {
        if name != offered.as_bytes() {
            return Err(refuse_file(name));
        }
        let (full, give_back) = stream.take().ok_or_else(|| refuse_file(name))?;
        hand_out(&full, &give_back, writer)
    })
}

fn hand_out(full: &Receiver<Message>, give_back: &Sender<Vec<u8>>, writer: &mut dyn Write) -> std::io::Result<()> {
    loop {
        match full.recv() {
            Ok(Message::Rows(mut buffer)) => {
                writer.write_all(&buffer)?;
                buffer.clear();
                // The encoder may be through with its rows.
                let _ = give_back.send(buffer);
            }
            Ok(Message::End) => return Ok(()),
            Err(_) => return Err(std::io::Error::other(BrokenOff)),
        }
    }
}

fn encode_rows(
    source: &StagedRows<'_>,
    rows: Range<usize>,
    filled: &SyncSender<Message>,
    empty: &Receiver<Vec<u8>>,
    counted: &Counted<'_>,
) {
    let values: Vec<Values<'_>> = sent(source.columns).map(|column| column.values(source.table)).collect();
    let mut row = rows.start;
    while row < rows.end {
        // Either channel ends when the load failed; its own error says why.
        let Ok(mut buffer) = empty.recv() else { return };
        let first = row;
        while row < rows.end && buffer.len() < CHUNK_BYTES {
            push_tsv(&mut buffer, &values, row);
            row += 1;
        }
        if filled.send(Message::Rows(buffer)).is_err() {
            return;
        }
        counted.advance((row - first) as u64);
    }
    let _ = filled.send(Message::End);
}

/// The way without `LOAD DATA LOCAL`: `INSERT` statements of many rows, several times slower.
fn insert_rows(
    session: &mut Session<'_>,
    source: &StagedRows<'_>,
    rows: Range<usize>,
    counted: &Counted<'_>,
) -> Result<(), Error> {
    let max_bytes = insert_bytes(session.server.max_packet_bytes);
    let conn = &mut session.conn;
    let head = format!("INSERT INTO {} ({}) VALUES ", source.staging, names_of_sent(source.columns));
    let values: Vec<Values<'_>> = sent(source.columns).map(|column| column.values(source.table)).collect();
    let mut statement = head.clone();
    let mut n_waiting = 0;
    conn.query_drop("START TRANSACTION")?;
    let insert = |conn: &mut Conn, statement: &str, n_rows: u64| {
        let inserted = conn.query_drop(statement);
        match &inserted {
            Ok(()) => counted.advance(n_rows),
            // The next START TRANSACTION would commit what is open.
            Err(_) => drop(conn.query_drop("ROLLBACK")),
        }
        inserted
    };
    for row in rows {
        if n_waiting > 0 {
            statement.push(',');
        }
        push_values(&mut statement, &values, row);
        n_waiting += 1;
        if statement.len() >= max_bytes {
            insert(conn, &statement, n_waiting)?;
            statement.truncate(head.len());
            n_waiting = 0;
        }
    }
    if n_waiting > 0 {
        insert(conn, &statement, n_waiting)?;
    }
    conn.query_drop("COMMIT")
}

/// When an `INSERT` is sent: a last row still fits into the server's packet.
fn insert_bytes(max_packet_bytes: u64) -> usize {
    let half = usize::try_from(max_packet_bytes / 2).unwrap_or(INSERT_BYTES);
    half.min(INSERT_BYTES).saturating_sub(MAX_ROW_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::rules::Rules;
    use crate::made::month_table;

    fn month() -> MonthTable {
        let customers: Vec<(String, [i64; 5], u8)> = (0..20_000).map(|i| (format!("C{i:07}"), [i; 5], 1)).collect();
        let customers: Vec<_> =
            customers.iter().map(|(name, seconds, days)| (name.as_str(), *seconds, *days)).collect();
        month_table("2022-04", &Rules::preset("default").unwrap(), &customers)
    }

    #[test]
    fn transactions_are_as_large_as_the_server_logs_them() {
        let table = month();
        let check = |max_transaction_bytes: u64, rows: Range<usize>, n_expected: usize| {
            let server = Server { max_transaction_bytes, ..Server::for_tests() };
            let ranges = transactions(&server, &table, rows.clone());
            assert_eq!(ranges.len(), n_expected, "{max_transaction_bytes}");
            assert_eq!((ranges[0].start, ranges[n_expected - 1].end), (rows.start, rows.end));
            assert!(ranges.windows(2).all(|pair| pair[0].end == pair[1].start && !pair[0].is_empty()));
        };
        check(u64::MAX, 0..20_000, 1);
        check(u64::MAX, 7..7, 1);
        // A row has 8 bytes of contract, a MostWatch of 5 and a Taste of 26.
        let row_bytes = LOGGED_ROW_BYTES + 8 + 5 + 26;
        check(2 * 1000 * row_bytes, 1..20_000, 20);
        check(4096, 0..150, 10);
        check(1, 0..3, 3);
    }

    /// Lets the encoder run against `take`, with buffers as in a load.
    fn encode_against<T: Send>(take: impl FnOnce(Receiver<Message>, Sender<Vec<u8>>) -> T + Send) -> T {
        let (table, progress) = (month(), Progress::hidden());
        let counted = Counted::new(&progress);
        let (filled, full) = sync_channel(N_BUFFERS);
        let (give_back, empty) = channel();
        (0..N_BUFFERS).for_each(|_| give_back.send(Vec::new()).unwrap());
        let (table, counted) = (&table, &counted);
        thread::scope(|scope| {
            let source = StagedRows { table, columns: COLUMNS, staging: "" };
            scope.spawn(move || encode_rows(&source, 0..table.n_rows(), &filled, &empty, counted));
            take(full, give_back)
        })
    }

    #[test]
    fn an_encoder_ends_with_the_one_that_takes_its_rows() {
        encode_against(|full, give_back| drop((full, give_back)));
        // One buffer is taken and never comes back.
        encode_against(|full, give_back| drop((full.recv().unwrap(), give_back)));
        struct Broken;
        impl Write for Broken {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let error = encode_against(|full, give_back| hand_out(&full, &give_back, &mut Broken)).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
        let mut rows = Vec::new();
        encode_against(|full, give_back| hand_out(&full, &give_back, &mut rows)).unwrap();
        assert_eq!(rows.iter().filter(|byte| **byte == b'\n').count(), 20_000);
    }

    #[test]
    fn rows_that_are_loaded_again_count_once() {
        let progress = Progress::unseen(10);
        let first = Counted::new(&progress);
        first.advance(7);
        first.take_back();
        first.take_back();
        assert_eq!(progress.position(), Some(0));
        Counted::new(&progress).advance(10);
        assert_eq!(progress.position(), Some(10));
    }

    #[test]
    fn a_load_fails_when_its_encoder_is_gone() {
        let (filled, full) = sync_channel(1);
        let (give_back, _empty) = channel();
        filled.send(Message::Rows(b"A\n".to_vec())).unwrap();
        drop(filled);
        let error = hand_out(&full, &give_back, &mut Vec::new()).unwrap_err();
        assert!(error.get_ref().is_some_and(|inner| inner.is::<BrokenOff>()), "{error}");
    }

    #[test]
    fn an_insert_fits_the_packet() {
        for max_packet in [1024, 4096, 65_536, 1 << 20, 1 << 30] {
            let bytes = insert_bytes(max_packet) + MAX_ROW_BYTES;
            assert!(bytes <= (max_packet as usize).max(MAX_ROW_BYTES), "{max_packet}: {bytes}");
        }
    }
}
