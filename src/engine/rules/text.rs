//! Rules written down again.

use std::fmt::Write as _;

use super::{Category, FieldPlace, FieldTypes, LabelRules, RecordRules, Rules, TasteRule, sha256};

impl Rules {
    /// The rules as TOML, which [`Rules::parse`] reads back as the same rules: the same text for
    /// equal rules, however they were written at first.
    pub fn to_toml(&self) -> String {
        let contracts = &self.record.exclude_contracts;
        self.write(&format!("exclude_contracts = {}", list(contracts.iter().map(String::as_str))))
    }

    /// The same for pages and reports, which are not to show contracts: how many are excluded, and the hash of their
    /// list, one a line.
    pub fn to_toml_without_contracts(&self) -> String {
        let contracts = &self.record.exclude_contracts;
        if contracts.is_empty() {
            return self.to_toml();
        }
        let lines: String = contracts.iter().map(|contract| format!("{contract}\n")).collect();
        self.write(&format!("# exclude_contracts: {}, not shown, sha256 {}", contracts.len(), sha256(&lines)))
    }

    fn write(&self, exclude_line: &str) -> String {
        let Rules { name, sha256: _, record, labels } = self;
        // Every field is named, so that one more is not forgotten here.
        let RecordRules { sha256: _, min_seconds, max_seconds, types, source, exclude_contracts: _, apps } = record;
        let LabelRules { sha256: _, taste, order } = labels;
        let taste = match taste {
            TasteRule::Positive => "positive",
            TasteRule::Nonzero => "nonzero",
        };
        let mut text = format!("name = {}\n\n[record]\n", quoted(name));
        let mut line = |line: String| {
            text.push_str(&line);
            text.push('\n');
        };
        line(format!("min_seconds = {min_seconds}"));
        line(format!("max_seconds = {max_seconds}"));
        // What is usual is not written: the text stands in outputs that are older than the choice.
        match types {
            FieldTypes::Strict => {}
            FieldTypes::Lenient => line("types = \"lenient\"".to_owned()),
        }
        match source {
            FieldPlace::Source => {}
            FieldPlace::Flat => line("source = \"flat\"".to_owned()),
        }
        line(exclude_line.to_owned());
        line(format!("\n[labels]\ntaste = \"{taste}\"\n\n[category]"));
        for category in order {
            let of_category = apps.iter().filter(|(_, of)| *of == category).map(|(app, _)| app.as_str());
            line(format!("{} = {}", Category::name(*category), list(of_category)));
        }
        text
    }
}

/// A TOML array of strings.
fn list<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    format!("[{}]", texts.map(quoted).collect::<Vec<_>>().join(", "))
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for char in text.chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            // What a reader would not see, or see elsewhere. Writing to a string cannot fail.
            _ if char.is_control() || is_mark(char) => drop(write!(quoted, "\\U{:08X}", u32::from(char))),
            _ => quoted.push(char),
        }
    }
    quoted.push('"');
    quoted
}

/// Whether it turns the direction of writing, or ends a line in Unicode alone.
fn is_mark(char: char) -> bool {
    matches!(char, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn presets_are_read_back() {
        for name in ["default", "seed"] {
            let rules = Rules::preset(name).unwrap();
            assert_eq!(Rules::parse(&rules.to_toml()).as_ref(), Ok(&rules), "{}", rules.to_toml());
        }
    }

    #[test]
    fn excluded_contracts_are_not_shown() {
        let check = |contracts: &[&str], expected: &str| {
            let rules = Rules::preset("default").unwrap().excluding(contracts.iter().map(|c| (*c).to_owned()));
            let (whole, shown) = (rules.to_toml(), rules.to_toml_without_contracts());
            let differing: Vec<&str> = shown.lines().filter(|line| !whole.lines().any(|l| l == *line)).collect();
            assert_eq!((shown.lines().count(), differing.concat().as_str()), (whole.lines().count(), expected));
        };
        check(&[], "");
        // printf 'A\nB\n' | sha256sum
        let hash = "daee1cd25194ae952d046ad9b9c81d3c07dc5332440b58d6d7461b248be56712";
        check(&["B", "A"], &format!("# exclude_contracts: 2, not shown, sha256 {hash}"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_rules_are_read_back(
            name in "[^\\p{Cc}]{1,20}",
            bounds in any::<[i64; 2]>(),
            mut exclude_contracts in proptest::collection::vec(any::<String>(), 0..4),
            apps in proptest::collection::btree_map(".{1,9}", proptest::sample::select(&Category::ALL[..]), 0..9),
            types in proptest::sample::select(&[FieldTypes::Strict, FieldTypes::Lenient][..]),
            source in proptest::sample::select(&[FieldPlace::Source, FieldPlace::Flat][..]),
            taste in proptest::sample::select(&[TasteRule::Positive, TasteRule::Nonzero][..]),
        ) {
            exclude_contracts.sort_unstable();
            exclude_contracts.dedup();
            let [min_seconds, max_seconds] = [bounds[0].min(bounds[1]), bounds[0].max(bounds[1])];
            let base = Rules::preset("default").unwrap();
            let record =
                RecordRules { min_seconds, max_seconds, types, source, exclude_contracts, apps, ..base.record.clone() };
            let rules = Rules { name, record, labels: LabelRules { taste, ..base.labels.clone() }, ..base };
            let mut read = Rules::parse(&rules.to_toml()).unwrap();
            // These three were the hashes of other rules.
            read.sha256 = rules.sha256.clone();
            read.record.sha256 = rules.record.sha256.clone();
            read.labels.sha256 = rules.labels.sha256.clone();
            prop_assert_eq!(read, rules);
        }
    }
}
