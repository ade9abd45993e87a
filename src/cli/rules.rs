//! The rules that a command line names: read, with the files they name themselves, and shown as a file that could be
//! given to `--rules`.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::plan::ResultForm;
use crate::console::escaped_json;
use crate::contract_list;
use crate::engine::rules::{References, Rules};
use crate::error::Error;

/// Most rules files in a chain of `extends`: one that leads back to itself ends here.
const MAX_CHAIN: usize = 8;

/// The built-in rules or the rules file `name`. Built-in rules win over a file of the same name, which can be written
/// `./default`.
pub(super) fn read(name: &str) -> Result<Rules, Error> {
    if let Some(rules) = Rules::preset(name) {
        return Ok(rules);
    }
    let text = std::fs::read_to_string(name).map_err(|e| Error::Usage {
        what: format!("the rules `{name}` cannot be read: {e}"),
        advice: Some("name a TOML file, or one of the built-in rules `default` and `seed`".to_owned()),
    })?;
    Rules::parse_with(&text, &mut Beside::new(Path::new(name), 1)).map_err(|e| Error::Usage {
        what: format!("{name}: {e}"),
        advice: Some("correct that line; `viewmart rules` shows the built-in rules to start from".to_owned()),
    })
}

/// The files beside a rules file.
struct Beside {
    folder: PathBuf,
    /// Place of the rules file in the chain of `extends`, from 1.
    chain: usize,
}

impl Beside {
    fn new(rules: &Path, chain: usize) -> Beside {
        Beside { folder: rules.parent().unwrap_or(Path::new("")).to_owned(), chain }
    }
}

impl References for Beside {
    fn base(&mut self, name: &str) -> Result<Rules, String> {
        if let Some(rules) = Rules::preset(name) {
            return Ok(rules);
        }
        if self.chain == MAX_CHAIN {
            return Err(format!("more than {MAX_CHAIN} files extend each other; does one of them extend itself?"));
        }
        let path = self.folder.join(name);
        let text = std::fs::read_to_string(&path)
            .map_err(|e| format!("`{}` is neither built-in rules nor can be read as a file: {e}", path.display()))?;
        Rules::parse_with(&text, &mut Beside::new(&path, self.chain + 1))
            .map_err(|e| format!("{}: {e}", path.display()))
    }

    fn contracts(&mut self, name: &str) -> Result<Vec<String>, String> {
        let path = self.folder.join(name);
        contract_list::read(&path).map_err(|e| format!("`{}` cannot be read: {e}", path.display()))
    }
}

/// The rules as TOML with their hashes, or both as JSON.
pub(super) fn show(rules: &Rules, form: ResultForm) -> String {
    let toml = rules.to_toml();
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
            format!("{}\n", escaped_json(&value.to_string()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::escaped;
    use crate::engine::rules::{DEFAULT_TOML, SEED_TOML};

    #[test]
    fn rules_files_name_others_beside_them() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("base.toml", "extends = 'default'\nname = 'base'\n[record]\nexclude_file = 'lists/out.csv'\n");
        write("top.toml", "extends = 'base.toml'\n[record]\nmax_seconds = 7\n");
        write("loop.toml", "extends = 'loop.toml'\n");
        write("broken.toml", "extends = 'wrong.toml'\n");
        write("wrong.toml", "extends = 'default'\n[record]\nmax = 7\n");
        write("gone.toml", "extends = 'default'\n[record]\nexclude_file = 'gone.csv'\n");
        std::fs::create_dir(folder.path().join("lists")).unwrap();
        write("lists/out.csv", "\u{feff}Contract,note\nHN2,\"a, b\"\nHN1\n");
        let read = |name: &str| super::read(folder.path().join(name).to_str().unwrap());
        let rules = read("top.toml").unwrap();
        let expected =
            DEFAULT_TOML.replace("\"default\"", "\"base\"").replace("86400", "7").replace("= []", "= ['HN1', 'HN2']");
        assert_eq!(rules, Rules::parse(&expected).unwrap());
        let check = |name: &str, line: usize, what: &str| {
            let message = read(name).unwrap_err().to_string();
            assert!(
                message.contains(&format!("{name}: line {line}: {}", what.split('|').next().unwrap())),
                "{message}"
            );
            assert!(message.ends_with(what.split('|').next_back().unwrap()), "{message}");
        };
        check("loop.toml", 1, "extends: |more than 8 files extend each other; does one of them extend itself?");
        check(
            "broken.toml",
            1,
            "extends: |expected one of `min_seconds`, `max_seconds`, `types`, `source`, `exclude_contracts`, `exclude_file`",
        );
        check("gone.toml", 3, "exclude_file: |No such file or directory (os error 2)");
        write("gone.csv", "HN1\n\"HN2\nHN3\n");
        check("gone.toml", 3, "exclude_file: |that is not closed on its line; close it, or remove it");
    }

    #[test]
    fn rules_that_are_shown_are_the_rules() {
        let marks = "name = 'a\u{202e}b'\n[record]\nexclude_contracts = [\"\\u001b[2J\", \"\\u009b31m\", \"\u{2066}x\"]\n\
                     [category]\nTv = [\"\\r\u{200f}\"]\nSport = []\nChild = []\nMovie = []\nRelax = []\n";
        let odd = "name = 'ü \"x\"'\n[record]\nmin_seconds = -5\nmax_seconds = 7\nexclude_contracts = [\"a\\u007f\\n\", '\\']\n\
                   [labels]\ntaste = 'nonzero'\n[category]\nTv = ['B', 'A']\nSport = []\nChild = []\nMovie = []\nRelax = [\"\\t\"]\n";
        for text in [DEFAULT_TOML, SEED_TOML, odd, marks] {
            let rules = Rules::parse(text).unwrap();
            let shown = show(&rules, ResultForm::Table);
            assert_eq!(Rules::parse(&shown).unwrap(), rules, "{shown}");
            assert!(shown.contains(&rules.sha256), "{shown}");
            let json = show(&rules, ResultForm::Json);
            // Nothing is left that would be changed on its way to a terminal.
            assert_eq!((escaped(&shown).as_ref(), escaped(&json).as_ref()), (&*shown, &*json));
            let value: serde_json::Value = serde_json::from_str(&json).unwrap();
            assert_eq!(Rules::parse(value["toml"].as_str().unwrap()).unwrap(), rules);
        }
    }
}
