//! An extract (`.hyper`), written by the `hyperd` that comes with Tableau's own Hyper API.
//!
//! The format is not documented, so the server writes it: it reads SQL from its standard input and the rows from a file.

use std::fmt::Write as _;
use std::io::{self, Read, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::field::{FIELDS, Kind};

/// How long `hyperd` may take. A full month takes it seconds.
const PATIENCE: Duration = Duration::from_secs(600);

/// Writes the `n_rows` rows of the CSV file `csv` to the extract `hyper`, as its one table `"Extract"."Extract"`.
///
/// # Errors
/// What went wrong, in words.
pub(super) fn write_extract(hyperd: &Path, csv: &Path, hyper: &Path, n_rows: u64) -> Result<(), String> {
    let (csv, hyper) = match (csv.to_str(), hyper.to_str()) {
        (Some(csv), Some(hyper)) => (csv, hyper),
        _ => return Err("the output folder's name is not UTF-8, which hyperd cannot read".into()),
    };
    let output = shell(hyperd, &script(csv, hyper)).map_err(|e| format!("{}: {e}", hyperd.display()))?;
    check(&output, n_rows).map_err(|why| format!("{}: {why}", hyperd.display()))?;
    match std::fs::metadata(hyper) {
        Ok(file) if file.len() > 0 => Ok(()),
        _ => Err(format!("{}: it wrote no extract and named no error", hyperd.display())),
    }
}

fn script(csv: &str, hyper: &str) -> String {
    let mut columns = String::new();
    for (place, field) in FIELDS.iter().enumerate() {
        let comma = if place == 0 { "" } else { ", " };
        let kind = match field.kind {
            Kind::Text { .. } => "text",
            Kind::Seconds => "bigint",
            Kind::Days => "int",
            Kind::Date => "date",
        };
        // Writing to a String cannot fail.
        let _ = write!(columns, "{comma}\"{}\" {kind} NOT NULL", field.name);
    }
    let hyper = hyper.replace('"', "\"\"");
    let csv = csv.replace('\'', "''");
    // Version 2 is what every supported Tableau reads.
    format!(
        "CREATE DATABASE \"{hyper}\" WITH VERSION 2;\n\
         ATTACH DATABASE \"{hyper}\" AS extract;\n\
         CREATE SCHEMA \"extract\".\"Extract\";\n\
         CREATE TABLE \"extract\".\"Extract\".\"Extract\" ({columns});\n\
         COPY \"extract\".\"Extract\".\"Extract\" FROM '{csv}' WITH (format => 'csv', header => true);\n\
         DETACH DATABASE extract;\n"
    )
}

/// Runs the script and returns all that the shell printed.
fn shell(hyperd: &Path, script: &str) -> io::Result<String> {
    let mut child = Command::new(hyperd)
        .args(["shell", "--skip-license", "--no-password", "--init-user=tableau_internal_user"])
        // Otherwise it writes log files beside its binary.
        .arg("--log-config=")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    // Read to the end: with its output closed early the shell dies before it has written the extract.
    let reader = thread::spawn(move || {
        let mut output = Vec::new();
        stdout.read_to_end(&mut output).map(|_| String::from_utf8_lossy(&output).into_owned())
    });
    if let Some(mut stdin) = child.stdin.take() {
        // A program that does not listen says so by its status or by what it did not print.
        let _ = stdin.write_all(script.as_bytes());
    }
    let ended = wait(&mut child);
    let output = reader.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))?;
    ended?;
    Ok(output)
}

fn wait(child: &mut Child) -> io::Result<()> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return if status.success() { Ok(()) } else { Err(io::Error::other(format!("it ended with {status}"))) };
        }
        if begun.elapsed() > PATIENCE {
            child.kill()?;
            child.wait()?;
            return Err(io::Error::other(format!("it did not end within {} s", PATIENCE.as_secs())));
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// The shell ends well even when a statement fails: the errors are in what it prints, and so is the number of rows.
fn check(output: &str, n_rows: u64) -> Result<(), String> {
    // The SQLSTATE tells an error from harmless messages such as "Error opening counter cycles".
    let is_error = |line: &&str| {
        line.strip_prefix("Error: ")
            .is_some_and(|rest| rest.bytes().take_while(|b| b.is_ascii_digit() || b.is_ascii_uppercase()).count() == 5)
    };
    if let Some(error) = output.lines().find(is_error) {
        return Err(error.to_owned());
    }
    let copied = if n_rows == 1 { "1 row".to_owned() } else { format!("{n_rows} rows") };
    if output.lines().any(|line| line.trim_end() == copied) {
        return Ok(());
    }
    Err(format!("it did not say that it copied {n_rows} rows"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shell_speaks_through_its_output() {
        let ok = "hyperd server version 9.1.0\n0 rows\npre-execution: 0.1s\n\n4 rows\npre-execution: 0.1s\n0 rows\n";
        assert_eq!(check(ok, 4), Ok(()));
        assert_eq!(check("1 row\n", 1), Ok(()));
        assert_eq!(check("Error opening counter cycles\n0 rows\n", 0), Ok(()));
        assert_eq!(check(ok, 14).unwrap_err(), "it did not say that it copied 14 rows");
        let failed = "4 rows\nError: 22P02: invalid input\n";
        assert_eq!(check(failed, 4).unwrap_err(), "Error: 22P02: invalid input");
        assert!(check("", 0).is_err());
    }

    #[test]
    fn paths_cannot_end_their_quotes() {
        let script = script("/o'clock/a.csv", "/a\"b/x.hyper");
        assert!(script.contains("FROM '/o''clock/a.csv' WITH"), "{script}");
        assert!(script.contains("CREATE DATABASE \"/a\"\"b/x.hyper\" WITH VERSION 2;"), "{script}");
        assert!(script.contains("(\"Month\" date NOT NULL, \"Contract\" text NOT NULL, \"MovieDuration\" bigint"));
    }

    #[test]
    fn a_program_that_is_no_hyperd_is_named() {
        let check = |program: &str, expected: &str| {
            let folder = tempfile::tempdir().unwrap();
            let at = folder.path();
            let why = write_extract(Path::new(program), &at.join("a.csv"), &at.join("a.hyper"), 1).unwrap_err();
            assert!(why.starts_with(program) && why.contains(expected), "{why}");
        };
        check("/nonexistent/hyperd", "No such file");
        check("/bin/true", "did not say that it copied 1 rows");
        check("/bin/false", "ended with");
    }
}
