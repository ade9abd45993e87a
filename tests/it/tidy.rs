//! Data goes one way through the modules, and what they import says so.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What a module may import besides itself, from the engine up to the pipeline. Modules without an entry may be imported by
/// whoever stands above them and import nothing of the ladder.
const LADDER: [(&str, &[&str]); 21] = [
    ("engine", &[]),
    ("units", &["engine"]),
    ("timing", &[]),
    ("suggest", &[]),
    ("redact", &[]),
    ("fs", &["console", "error"]),
    ("console", &[]),
    // The one error of the program holds those of the rooms it comes from, and they its advice.
    ("error", &["engine", "gate", "lake", "month_file", "warehouse"]),
    ("lake", &["console", "engine", "error", "fs", "redact", "units"]),
    ("month_file", &["engine", "error", "fs"]),
    ("transform", &["console", "diagnosis", "engine", "error", "lake", "month_file", "timing", "units"]),
    ("check", &["error"]),
    ("warehouse", &["check", "console", "engine", "error", "fs", "redact", "units"]),
    ("mart", &["console", "engine", "error", "warehouse"]),
    ("reprocess", &["engine", "lake", "mart", "warehouse"]),
    ("audience", &["engine", "error", "fs", "month_file", "suggest", "units", "contract_list"]),
    ("dashboard", &["audience", "console", "engine", "error", "fs", "mart", "units", "warehouse", "diagnosis"]),
    ("diagnosis", &["engine", "lake"]),
    ("gate", &["diagnosis", "engine", "error", "lake", "units"]),
    ("generate", &["console", "engine", "error", "fs", "lake", "units"]),
    ("rejects", &["engine"]),
];

/// What no module of the ladder imports: they import the ladder.
const ABOVE: [&str; 6] = ["cli", "doctor", "report", "outcome", "pipeline", "bench"];

#[test]
fn imports_go_one_way() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut broken: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for path in sources(&root) {
        let inside = path.strip_prefix(&root).unwrap();
        let module = inside.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
        for imported in imports(&fs::read_to_string(&path).unwrap()) {
            let may = LADDER.iter().find(|(name, _)| *name == module).map(|(_, may)| *may);
            let is_broken = match may {
                Some(may) => imported != module && !may.contains(&imported.as_str()),
                None => false,
            };
            if is_broken {
                broken.entry(inside.display().to_string()).or_default().push(imported);
            }
        }
    }
    assert!(broken.is_empty(), "these files import what stands above or beside them: {broken:#?}");
    for (module, may) in LADDER {
        assert!(!may.iter().any(|imported| ABOVE.contains(imported)), "{module} may import {may:?}");
    }
}

/// Whether the pipeline is imported by the binary alone.
#[test]
fn nothing_but_the_binary_imports_the_pipeline() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let is_importer = |path: &PathBuf| {
        let inside = path.strip_prefix(&root).unwrap();
        !inside.starts_with("pipeline") && imports(&fs::read_to_string(path).unwrap()).contains(&"pipeline".to_owned())
    };
    let importers: Vec<PathBuf> = sources(&root).into_iter().filter(is_importer).collect();
    assert!(importers.is_empty(), "{importers:?}");
}

/// All files of Rust below a folder, those of tests aside: tests look at everything.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.file_stem().is_some_and(|name| name == "tests") {
            continue;
        }
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
    found
}

/// The modules that the `use crate::` lines of a text name, up to the tests at its end.
fn imports(text: &str) -> Vec<String> {
    let mut imported = Vec::new();
    for line in text.lines().take_while(|line| *line != "#[cfg(test)]").map(str::trim_start) {
        let line = line.strip_prefix("pub ").or_else(|| line.strip_prefix("pub(crate) ")).unwrap_or(line);
        let Some(rest) = line.strip_prefix("use crate::") else { continue };
        let names = match rest.strip_prefix('{') {
            Some(group) => group.split(',').collect(),
            None => vec![rest],
        };
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let name = |name: &str| name.trim().chars().take_while(|c| is_word(*c)).collect::<String>();
        // What begins with a capital is an item of the crate itself.
        imported.extend(names.into_iter().map(name).filter(|name| name.starts_with(|c: char| c.is_ascii_lowercase())));
    }
    imported
}

#[test]
fn imports_are_read_as_they_are_written() {
    let text = "use crate::console;\n    use crate::warehouse::{Value, schema};\npub use crate::engine::x as y;\n\
                use crate::{gate, mart as m};\nuse crate::ENGINE;\n// use crate::cli\nuse super::lake;\n#[cfg(test)]\nmod tests {\n    use crate::dashboard;\n}\n";
    assert_eq!(imports(text), ["console", "warehouse", "engine", "gate", "mart"]);
}

/// Prose for people is wrapped, so that a change of a sentence is one of a few lines. Tables and code are as wide as they
/// are.
#[test]
fn prose_is_wrapped() {
    const MAX_CHARS: usize = 100;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in ["ARCHITECTURE.md", "CHANGELOG.md", "README.md", "SECURITY.md"] {
        let text = fs::read_to_string(root.join(name)).unwrap();
        let mut is_code = false;
        let mut long = Vec::new();
        for (line, number) in text.lines().zip(1..) {
            let is_fence = line.trim_start().starts_with("```");
            is_code ^= is_fence;
            if !is_code && !is_fence && !line.starts_with('|') && line.chars().count() > MAX_CHARS {
                long.push(number);
            }
        }
        assert!(long.is_empty(), "{name}: wrap lines {long:?} at {MAX_CHARS} columns");
    }
}
