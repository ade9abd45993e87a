//! Every command of the README works as written, on the sample and offline.
//!
//! Blocks that begin with three backticks and `sh` are run line by line in one folder that has a copy of the sample;
//! blocks marked `sh server` need a server and have their tests elsewhere.

use std::path::Path;

use crate::support::Workplace;

/// The commands of the README, one a line, comments and prompts aside.
fn commands(readme: &str) -> Vec<String> {
    let mut commands = Vec::new();
    let mut in_block = false;
    for line in readme.lines() {
        match (in_block, line.trim_end()) {
            (false, "```sh") => in_block = true,
            (true, "```") => in_block = false,
            (true, line) => {
                let command = line.split(" #").next().unwrap_or_default().trim();
                if !command.is_empty() && !command.starts_with('#') {
                    commands.push(command.to_owned());
                }
            }
            (false, _) => {}
        }
    }
    assert!(!in_block, "a block does not end");
    commands
}

#[test]
fn every_command_works() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let work = Workplace::new();
    copy(&root.join("data"), &work.path("data"));
    let mut n_run = 0;
    for command in commands(&readme) {
        // The tests cannot run all tests; building and installing is what cargo did before this one.
        if command == "scripts/test" || command.starts_with("cargo install") {
            assert!(root.join("scripts/test").exists());
            continue;
        }
        let words = command
            .strip_prefix("cargo run --release -- ")
            .or_else(|| command.strip_prefix("viewmart "))
            .unwrap_or_else(|| panic!("do not know how to run `{command}`"));
        let words: Vec<&str> = words.split_whitespace().map(|word| word.trim_matches('\'')).collect();
        eprintln!("{command}");
        work.run(words).ok();
        n_run += 1;
    }
    assert!(n_run >= 5, "only {n_run} commands");
    for name in ["warehouse.db", "mart.db", "dashboard.html", "month-2022-04.parquet", "report.json", "rejects.ndjson"]
    {
        assert!(work.path("viewmart-out").join(name).exists(), "{name}");
    }
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
    let text = "a\n```sh\n# comment\nviewmart x  # why\n\n```\n```sh server\nviewmart y\n```\n```toml\nz\n```\n";
    assert_eq!(commands(text), ["viewmart x"]);
}
