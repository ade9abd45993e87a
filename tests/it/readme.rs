//! Every command of the README works as written, on the sample and offline.
//!
//! Blocks that begin with three backticks and `sh` are run line by line in one folder that has a copy of the sample;
//! blocks marked `sh server` need a server and have their tests elsewhere. In blocks marked `sh answers` the comment after a
//! command is part of what it prints, blanks aside, and in `sql answers` that after a statement what it gives.

use std::path::Path;

use crate::support::{Finished, Workplace};

/// A command and what it prints, where that is told.
#[derive(Debug, PartialEq, Eq)]
struct Command {
    text: String,
    answer: Option<String>,
}

/// The commands of the README, one a line, comments and prompts aside.
fn commands(readme: &str) -> Vec<Command> {
    let mut commands = Vec::new();
    let mut block = None;
    for line in readme.lines() {
        match (block, line.trim_end()) {
            (None, fence @ ("```sh" | "```sh answers")) => block = Some(fence),
            (Some(_), "```") => block = None,
            (Some(fence), line) => {
                let (command, comment) = line.split_once(" #").unwrap_or((line, ""));
                if !command.is_empty() && !command.starts_with('#') {
                    let answer = (fence == "```sh answers").then(|| comment.trim().to_owned());
                    commands.push(Command { text: command.trim().to_owned(), answer });
                }
            }
            (None, _) => {}
        }
    }
    assert!(block.is_none(), "a block does not end");
    commands
}

/// The text with one blank for each run of them.
fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn every_command_works() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let work = Workplace::new();
    copy(&root.join("data"), &work.path("data"));
    let mut n_run = 0;
    for Command { text: command, answer } in commands(&readme) {
        // The tests cannot run all tests; building and installing is what cargo did before this one.
        if command == "scripts/test" || command.starts_with("cargo install") {
            assert!(root.join("scripts/test").exists());
            continue;
        }
        eprintln!("{command}");
        let finished = if is_for_a_shell(&command) {
            run_in_shell(&work, &command).ok()
        } else {
            let words = command
                .strip_prefix("cargo run --release -- ")
                .or_else(|| command.strip_prefix("viewmart "))
                .unwrap_or_else(|| panic!("do not know how to run `{command}`"));
            work.run(split_words(words)).ok()
        };
        if let Some(answer) = answer {
            assert!(squeezed(&finished.stdout).contains(&answer), "`{answer}` is not in:\n{}", finished.stdout);
        }
        n_run += 1;
    }
    assert!(n_run >= 5, "only {n_run} commands");
    for (sql, answer) in statements(&readme) {
        let rows = work.rows("viewmart-out/warehouse.db", &sql);
        assert_eq!(rows.concat().join(" "), answer, "{sql}");
    }
    for name in ["warehouse.db", "mart.db", "dashboard.html", "month-2022-04.parquet", "report.json", "rejects.ndjson"]
    {
        assert!(work.path("viewmart-out").join(name).exists(), "{name}");
    }
}

/// Whether a command needs more than words: a pipe, or a file for what it prints.
fn is_for_a_shell(command: &str) -> bool {
    let mut words = command.split_whitespace();
    // Between quotes they are those of an expression.
    !command.contains("audience") && words.any(|word| word == "|" || word == ">")
}

/// Runs a command in a shell that finds the binary.
fn run_in_shell(work: &Workplace, command: &str) -> Finished {
    let plain = work.command([""; 0]);
    let folder = Path::new(plain.get_program()).parent().unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let mut shell = std::process::Command::new("sh");
    shell.args(["-e", "-c", command]).current_dir(work.path("")).env("PATH", path);
    Finished::of(shell.output().unwrap())
}

/// The statements of the README's questions in SQL, each with its answer.
fn statements(readme: &str) -> Vec<(String, String)> {
    let (_, block) = readme.split_once("```sql answers\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let mut statements = Vec::new();
    let mut sql = String::new();
    for line in block.lines().filter(|line| !line.starts_with("--")) {
        let (text, answer) = line.split_once(";").map_or((line, None), |(text, answer)| (text, Some(answer)));
        sql = format!("{sql} {text}");
        if let Some(answer) = answer {
            let answer = answer.trim_start_matches([' ', '-']).trim_end().to_owned();
            statements.push((std::mem::take(&mut sql), answer));
        }
    }
    assert!(sql.is_empty() && statements.len() >= 5, "{statements:?}");
    statements
}

/// The words of a command as a shell splits them, where the only quotes are `'…'`.
fn split_words(command: &str) -> Vec<String> {
    let (mut words, mut word) = (Vec::new(), String::new());
    for (place, piece) in command.split('\'').enumerate() {
        if place % 2 == 1 {
            word += piece;
            continue;
        }
        for letter in piece.chars() {
            match letter {
                ' ' if word.is_empty() => {}
                ' ' => words.push(std::mem::take(&mut word)),
                letter => word.push(letter),
            }
        }
    }
    words.extend(Some(word).filter(|word| !word.is_empty()));
    words
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (path, name) = entry.map(|e| (e.path(), e.file_name())).unwrap();
        if path.is_dir() { copy(&path, &to.join(name)) } else { std::fs::copy(&path, to.join(name)).map(drop).unwrap() }
    }
}

#[test]
fn commands_are_the_lines_of_shell_blocks() {
    let text = "a\n```sh\n# comment\nviewmart x  # why\n\n```\n```sh server\nviewmart y\n```\n```toml\nz\n```\n\
                ```sh answers\n# How?\nviewmart v   # so\n```\n";
    let command = |text: &str, answer: Option<&str>| Command { text: text.into(), answer: answer.map(Into::into) };
    assert_eq!(commands(text), [command("viewmart x", None), command("viewmart v", Some("so"))]);
    assert_eq!(split_words("a  'b c' d'e 'f"), ["a", "b c", "de f"]);
}
