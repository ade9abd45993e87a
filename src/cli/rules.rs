//! `viewmart rules`: the rules in force, as a file that could be given to `--rules`.

use std::fmt::Write as _;

use serde_json::json;

use super::plan::ResultForm;
use crate::engine::rules::{Rules, TasteRule};

/// The rules as TOML with their hashes, or both as JSON.
pub(super) fn show(rules: &Rules, form: ResultForm) -> String {
    let toml = to_toml(rules);
    match form {
        ResultForm::Table => format!(
            "# sha256 {}\n# record rules {}\n# label rules  {}\n{toml}",
            rules.sha256, rules.record.sha256, rules.labels.sha256
        ),
        ResultForm::Json => {
            let value = json!({
                "name": rules.name,
                "sha256": rules.sha256,
                "record_sha256": rules.record.sha256,
                "labels_sha256": rules.labels.sha256,
                "toml": toml,
            });
            format!("{value}\n")
        }
    }
}

fn to_toml(rules: &Rules) -> String {
    let list = |texts: &mut dyn Iterator<Item = &str>| texts.map(quoted).collect::<Vec<_>>().join(", ");
    let taste = match rules.labels.taste {
        TasteRule::Positive => "positive",
        TasteRule::Nonzero => "nonzero",
    };
    let mut toml = format!(
        "name = {}\n[record]\nmin_seconds = {}\nmax_seconds = {}\nexclude_contracts = [{}]\n[labels]\ntaste = \"{taste}\"\n[category]\n",
        quoted(&rules.name),
        rules.record.min_seconds,
        rules.record.max_seconds,
        list(&mut rules.record.exclude_contracts.iter().map(String::as_str)),
    );
    for category in rules.labels.order {
        let mut apps = rules.record.apps.iter().filter(|(_, of)| **of == category).map(|(app, _)| app.as_str());
        // Writing to a String cannot fail.
        let _ = writeln!(toml, "{} = [{}]", category.name(), list(&mut apps));
    }
    toml
}

/// A basic string of TOML: one of JSON, but for one control character more.
fn quoted(text: &str) -> String {
    json!(text).to_string().replace('\u{7f}', "\\u007f")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::rules::{DEFAULT_TOML, SEED_TOML};

    #[test]
    fn rules_that_are_shown_are_the_rules() {
        let odd = "name = 'ü \"x\"'\n[record]\nmin_seconds = -5\nmax_seconds = 7\nexclude_contracts = [\"a\\u007f\\n\", '\\']\n\
                   [labels]\ntaste = 'nonzero'\n[category]\nTv = ['B', 'A']\nSport = []\nChild = []\nMovie = []\nRelax = [\"\\t\"]\n";
        for text in [DEFAULT_TOML, SEED_TOML, odd] {
            let rules = Rules::parse(text).unwrap();
            let shown = show(&rules, ResultForm::Table);
            assert_eq!(Rules::parse(&shown).unwrap(), rules, "{shown}");
            assert!(shown.contains(&rules.sha256), "{shown}");
            let value: serde_json::Value = serde_json::from_str(&show(&rules, ResultForm::Json)).unwrap();
            assert_eq!(Rules::parse(value["toml"].as_str().unwrap()).unwrap(), rules);
        }
    }
}
