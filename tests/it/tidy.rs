//! Data goes one way through the modules, and what they import says so.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The modules from the engine up to the pipeline, each with what it imports besides itself, which stands above it in this
/// list. So there is no way in a circle.
const LADDER: [(&str, &str); 34] = [
    ("engine", ""),
    ("advice", ""),
    ("console", ""),
    ("interrupt", "console"),
    ("redact", ""),
    ("suggest", ""),
    ("timing", ""),
    ("contract_list", ""),
    ("units", "engine"),
    ("rejects", "engine"),
    ("fs", "advice console"),
    ("floor", "fs"),
    ("check", "advice"),
    ("threads", "advice"),
    ("lake", "advice console engine fs redact threads units"),
    ("report", "engine floor lake timing units"),
    ("signals", "console engine fs report"),
    ("month_file", "advice engine"),
    ("warehouse", "advice check console engine redact units"),
    ("mart", "engine warehouse"),
    ("reprocess", "engine lake mart warehouse"),
    ("diagnosis", "engine lake"),
    ("gate", "diagnosis engine lake units"),
    // The one error of the program holds those of the rooms it comes from.
    ("error", "advice fs gate lake month_file threads warehouse"),
    ("artifacts", "engine error fs month_file rejects report"),
    ("transform", "console diagnosis engine error lake threads timing units"),
    ("generate", "console engine error fs lake threads"),
    ("audience", "contract_list engine error month_file suggest units"),
    ("diff", "engine error fs mart month_file units warehouse"),
    ("dashboard", "advice audience engine error fs mart units warehouse"),
    (
        "cli",
        "advice audience console contract_list dashboard diff engine error fs gate generate lake mart \
         month_file redact reprocess suggest warehouse",
    ),
    ("bench", "cli console engine error gate lake threads transform units"),
    ("doctor", "check cli diagnosis engine error fs gate lake mart timing transform units warehouse"),
    ("outcome", "audience bench cli diff doctor engine generate lake mart report reprocess signals units"),
];

/// What stands above all of them and may import whatever it needs.
const TOP: [&str; 3] = ["pipeline", "lib", "main"];

#[test]
fn imports_go_one_way() {
    for (at, (module, imported)) in LADDER.iter().enumerate() {
        let below = |name: &&str| !LADDER[..at].iter().any(|(above, _)| above == name);
        let wrong: Vec<&str> = imported.split_whitespace().filter(below).collect();
        assert!(wrong.is_empty(), "{module} may import {wrong:?}, which do not stand above it");
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for path in sources(&root) {
        let inside = path.strip_prefix(&root).unwrap();
        let module = inside.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
        let of_module = found.entry(module.clone()).or_default();
        for imported in imports(&fs::read_to_string(&path).unwrap()).into_iter().filter(|name| *name != module) {
            of_module.entry(imported).or_insert_with(|| inside.display().to_string());
        }
    }
    found.retain(|module, _| !TOP.contains(&module.as_str()));
    for (module, imported) in found {
        let line = LADDER.iter().find(|(name, _)| *name == module);
        let (_, allowed) = line.unwrap_or_else(|| panic!("{module} has no line in the ladder"));
        let allowed: Vec<&str> = allowed.split_whitespace().collect();
        let broken: Vec<_> = imported.iter().filter(|(name, _)| !allowed.contains(&name.as_str())).collect();
        assert!(broken.is_empty(), "{module} imports what its line in the ladder does not name: {broken:?}");
        let unused: Vec<_> = allowed.iter().filter(|name| !imported.contains_key(**name)).collect();
        assert!(unused.is_empty(), "{module} does not import {unused:?}, which its line in the ladder names");
    }
}

/// Whether the pipeline is imported by the binary alone.
#[test]
fn nothing_but_the_binary_imports_the_pipeline() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let is_importer = |path: &PathBuf| {
        let inside = path.strip_prefix(&root).unwrap();
        !inside.starts_with("pipeline") && imports(&fs::read_to_string(path).unwrap()).contains("pipeline")
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

/// The modules that the paths of a text begin with, comments and the tests at its end aside.
fn imports(text: &str) -> BTreeSet<String> {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    // A comment begins a line or stands after a blank, `hdfs://` does not.
    let code = code.lines().map(|line| match line.find(" //") {
        _ if line.starts_with("//") => "",
        Some(at) => &line[..at],
        None => line,
    });
    let code: Vec<&str> = code.collect();
    let code = code.join("\n");
    let mut imported = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        imported.extend(first_names(&code[at + "crate::".len()..]));
    }
    // What begins with a capital is an item of the crate itself.
    imported.retain(|name| name.starts_with(|c: char| c.is_ascii_lowercase()));
    imported
}

/// The name at the start of a text, or those in the braces there.
fn first_names(text: &str) -> Vec<String> {
    let name = |text: &str| text.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let Some(group) = text.strip_prefix('{') else { return vec![name(text)] };
    let mut depth = 0_u32;
    let mut starts = vec![0];
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => starts.push(at + 1),
            _ => {}
        }
    }
    starts.into_iter().map(|at| name(&group[at..])).collect()
}

#[test]
fn imports_are_read_as_they_are_written() {
    let check = |text: &str, expected: &[&str]| {
        assert_eq!(imports(text).iter().map(String::as_str).collect::<Vec<_>>(), expected, "{text}");
    };
    check("use crate::console;\n    use crate::warehouse::{Value, schema};", &["console", "warehouse"]);
    check("pub use crate::engine::x as y;\nuse crate::ENGINE;", &["engine"]);
    check("use crate::{gate, mart as m,\n    lake::{a, b}, ENGINE};", &["gate", "lake", "mart"]);
    check("let x = crate::units::size(1); // crate::cli\n/// [`crate::cli`]", &["units"]);
    check("let x = (\"hdfs://nn\", crate::lake::x);", &["lake"]);
    check("#[cfg(test)]\nmod fixture;\nuse crate::gate;", &["gate"]);
    check("use super::lake;\n#[cfg(test)]\nmod tests {\n    use crate::dashboard;\n}\n", &[]);
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
