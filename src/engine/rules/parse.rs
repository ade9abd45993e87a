//! Rules read from TOML.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use toml::Spanned;

use super::{Category, FieldPlace, FieldTypes, LabelRules, MAX_APPS, RecordRules, Rules, TasteRule};

/// Rules that cannot be used. `line` is 1-based.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct RulesError {
    /// Line of the text that is wrong, 1-based.
    pub line: usize,
    /// What is wrong with it.
    pub what: String,
}

/// What rules name outside their own text. The engine reads no file: who parses the text looks
/// names up.
pub trait References {
    /// The rules that `extends = "name"` starts from.
    ///
    /// # Errors
    /// What is wrong with them, in one line.
    fn base(&mut self, name: &str) -> Result<Rules, String>;

    /// The contracts in the file that `exclude_file = "name"` names.
    ///
    /// # Errors
    /// What is wrong with it, in one line.
    fn contracts(&mut self, name: &str) -> Result<Vec<String>, String>;
}

/// References of rules that stand alone, as those in a month file do: built-in rules and no file.
#[derive(Clone, Copy, Debug)]
pub struct NoReferences;

impl References for NoReferences {
    fn base(&mut self, name: &str) -> Result<Rules, String> {
        Rules::preset(name).ok_or_else(|| format!("`{name}` is not one of the built-in rules, `default` and `seed`"))
    }

    fn contracts(&mut self, name: &str) -> Result<Vec<String>, String> {
        Err(format!("`{name}`: only a rules file may name other files"))
    }
}

impl Rules {
    /// Reads rules that stand alone from TOML.
    ///
    /// # Errors
    /// As [`Rules::parse_with`].
    pub fn parse(text: &str) -> Result<Rules, RulesError> {
        Rules::parse_with(text, &mut NoReferences)
    }

    /// Reads rules from TOML. What a text with `extends` does not name is that of the rules it
    /// extends: a category that is named has the apps of this text alone, and the order is that of
    /// the base unless all five are named.
    ///
    /// # Errors
    /// What is wrong and on which line: not TOML, an unknown key, a category missing, unknown or
    /// given twice, an app in two categories, bounds the wrong way round, an empty file, a
    /// reference that leads nowhere.
    pub fn parse_with(text: &str, references: &mut dyn References) -> Result<Rules, RulesError> {
        let error = |offset: usize, what: String| RulesError { line: line_of(text, offset), what };
        if text.trim().is_empty() {
            let what = "the rules are empty; `viewmart rules` shows the built-in rules to start from";
            return Err(error(0, what.to_owned()));
        }
        let parsed: Text =
            toml::from_str(text).map_err(|e| error(e.span().map_or(0, |span| span.start), e.message().to_owned()))?;
        let base = match &parsed.extends {
            Some(name) => Some(
                references.base(name.get_ref()).map_err(|what| error(name.span().start, format!("extends: {what}")))?,
            ),
            None => None,
        };
        let name = parsed.name(base.as_ref()).map_err(|(at, what)| error(at, what))?;
        let (min_seconds, max_seconds) = parsed.record.bounds(base.as_ref()).map_err(|(at, what)| error(at, what))?;
        let (order, apps) = parsed.categories(base.as_ref()).map_err(|(at, what)| error(at, what))?;
        let mut exclude_contracts = parsed
            .record
            .exclude_contracts
            .unwrap_or_else(|| base.as_ref().map_or_else(Vec::new, |base| base.record.exclude_contracts.clone()));
        if let Some(file) = &parsed.record.exclude_file {
            let contracts = references.contracts(file.get_ref());
            exclude_contracts
                .extend(contracts.map_err(|what| error(file.span().start, format!("exclude_file: {what}")))?);
        }
        let base_taste = base.as_ref().map_or(TasteRule::Positive, |base| base.labels.taste);
        let taste = parsed.labels.taste.unwrap_or(base_taste);
        let base = base.as_ref().map(|base| &base.record);
        let record = RecordRules {
            sha256: String::new(),
            min_seconds,
            max_seconds,
            types: parsed.record.types.or(base.map(|base| base.types)).unwrap_or_default(),
            source: parsed.record.source.or(base.map(|base| base.source)).unwrap_or_default(),
            exclude_contracts,
            apps,
        };
        let labels = LabelRules { sha256: String::new(), taste, order };
        Ok(Rules::with_hashes(name, record, labels))
    }
}

/// Offset in the text, and what is wrong there.
type Wrong = (usize, String);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    name: Option<Spanned<String>>,
    extends: Option<Spanned<String>>,
    #[serde(default)]
    record: RecordText,
    #[serde(default)]
    labels: LabelsText,
    category: Option<Spanned<CategoryText>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RecordText {
    min_seconds: Option<Spanned<i64>>,
    max_seconds: Option<Spanned<i64>>,
    types: Option<FieldTypes>,
    source: Option<FieldPlace>,
    exclude_contracts: Option<Vec<String>>,
    exclude_file: Option<Spanned<String>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct LabelsText {
    taste: Option<TasteRule>,
}

/// `[category]` in the order of the text, which is what breaks ties.
struct CategoryText(Vec<(Spanned<String>, Vec<Spanned<String>>)>);

impl Text {
    fn name(&self, base: Option<&Rules>) -> Result<String, Wrong> {
        let Some(name) = &self.name else {
            return base.map(|base| base.name.clone()).ok_or_else(|| (0, "`name` is missing".to_owned()));
        };
        let text = name.get_ref();
        if text.is_empty() || text.chars().count() > 100 || text.chars().any(char::is_control) {
            return Err((
                name.span().start,
                "`name` must have 1 to 100 characters and no control characters".to_owned(),
            ));
        }
        Ok(text.clone())
    }

    /// The order of the categories, and the category of each app.
    fn categories(&self, base: Option<&Rules>) -> Result<([Category; 5], BTreeMap<String, Category>), Wrong> {
        let Some(text) = &self.category else {
            let missing = || (0, "the table [category] is missing".to_owned());
            return base.map(|base| (base.labels.order, base.record.apps.clone())).ok_or_else(missing);
        };
        let named = text.get_ref().order()?;
        let mut apps: BTreeMap<String, Category> = BTreeMap::new();
        if let Some(base) = base {
            apps.extend(
                base.record.apps.iter().filter(|(_, of)| !named.contains(of)).map(|(app, of)| (app.clone(), *of)),
            );
        }
        for (category, (name, category_apps)) in named.iter().zip(&text.get_ref().0) {
            let name = name.get_ref();
            for app in category_apps {
                if app.get_ref().is_empty() {
                    return Err((app.span().start, format!("an app of `{name}` has no name")));
                }
                let Some(other) = apps.insert(app.get_ref().clone(), *category) else { continue };
                let mut what = format!("app `{}` is in `{}` and again in `{name}`", app.get_ref(), other.name());
                if !named.contains(&other) {
                    what = format!(
                        "{what}; `{}` is that of the rules this extends: name it here without the app",
                        other.name()
                    );
                }
                return Err((app.span().start, what));
            }
        }
        if apps.len() > MAX_APPS {
            let what = format!("[category] names {} apps; at most {MAX_APPS} are possible", apps.len());
            return Err((text.span().start, what));
        }
        match (<[Category; 5]>::try_from(named), base) {
            (Ok(order), _) => Ok((order, apps)),
            (Err(_), Some(base)) => Ok((base.labels.order, apps)),
            (Err(found), None) => {
                let missing: Vec<&str> =
                    Category::ALL.iter().filter(|c| !found.contains(c)).map(|c| c.name()).collect();
                let what = format!("[category] lacks {}; give it an empty list if it has no app", missing.join(", "));
                Err((text.span().start, what))
            }
        }
    }
}

impl RecordText {
    /// The smallest and the largest number of seconds of a kept record.
    fn bounds(&self, base: Option<&Rules>) -> Result<(i64, i64), Wrong> {
        let (base_min, base_max) = base.map_or((0, 86_400), |base| (base.record.min_seconds, base.record.max_seconds));
        let min = self.min_seconds.as_ref().map_or(base_min, |min| *min.get_ref());
        let max = self.max_seconds.as_ref().map_or(base_max, |max| *max.get_ref());
        if min > max {
            let named = self.max_seconds.as_ref().or(self.min_seconds.as_ref());
            return Err((
                named.map_or(0, |bound| bound.span().start),
                "`max_seconds` is below `min_seconds`".to_owned(),
            ));
        }
        Ok((min, max))
    }
}

impl CategoryText {
    fn order(&self) -> Result<Vec<Category>, Wrong> {
        let known = || Category::ALL.map(Category::name).join(", ");
        let category = |name: &Spanned<String>| {
            Category::named(name.get_ref()).ok_or_else(|| {
                let what = format!("`{}` is not a category; the categories are {}", name.get_ref(), known());
                (name.span().start, what)
            })
        };
        self.0.iter().map(|(name, _)| category(name)).collect()
    }
}

impl<'de> Deserialize<'de> for CategoryText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = CategoryText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of apps for each category")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<CategoryText, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(CategoryText(entries))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|b| *b == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::rules::DEFAULT_TOML;

    fn with(change: impl Fn(String) -> String) -> Result<Rules, RulesError> {
        Rules::parse(&change(DEFAULT_TOML.to_owned()))
    }

    #[test]
    fn errors_name_the_line() {
        let check = |text: Result<Rules, RulesError>, line: usize, what: &str| {
            let error = text.unwrap_err();
            assert_eq!(error.line, line, "{error}");
            assert!(error.what.contains(what), "{error}");
        };
        check(Rules::parse(" \n"), 1, "empty");
        check(
            with(|t| t.replace("[\"CHILD\"]", "[\"CHILD\", \"SPORT\"]")),
            12,
            "app `SPORT` is in `Child` and again in `Sport`",
        );
        check(with(|t| t.replace("Child =", "Kids =")), 11, "`Kids` is not a category");
        check(with(|t| t.replace("Child = [\"CHILD\"]\n", "")), 8, "lacks Child");
        check(with(|t| t.replace("max_seconds", "max_secs")), 4, "max_secs");
        check(with(|t| t.replace("86400", "-1")), 4, "below `min_seconds`");
        check(with(|t| t.replace("\"positive\"", "\"any\"")), 7, "any");
        check(with(|t| t.replace("86400", "86400\ntypes = \"loose\"")), 5, "loose");
        check(with(|t| t.replace("86400", "86400\nsource = \"top\"")), 5, "top");
        check(with(|t| t.replace("= 0", "= zero")), 3, "");
        check(with(|t| t.replace("name = \"default\"", "name = \"\"")), 1, "`name`");
        check(with(|t| t + "Tv = []\n"), 14, "");
    }

    /// Rules `base` and a list of contracts, as files beside the text would be.
    struct Files;

    impl References for Files {
        fn base(&mut self, name: &str) -> Result<Rules, String> {
            match name {
                "base.toml" => {
                    Rules::parse(&DEFAULT_TOML.replace("[]  ", "[\"B\"]  ").replace("\"default\"", "\"base\""))
                        .map_err(|e| e.to_string())
                }
                "read.toml" => Rules::parse("extends = 'default'\n[record]\ntypes = 'lenient'\nsource = 'flat'")
                    .map_err(|e| e.to_string()),
                name => NoReferences.base(name),
            }
        }

        fn contracts(&mut self, name: &str) -> Result<Vec<String>, String> {
            match name {
                "out.csv" => Ok(vec!["Z".to_owned(), "A".to_owned()]),
                _ => Err("no such file".to_owned()),
            }
        }
    }

    #[test]
    fn what_a_text_does_not_name_is_that_of_the_base() {
        let check = |text: &str, change: &dyn Fn(&str) -> String| {
            let expected = Rules::parse(&change(DEFAULT_TOML)).unwrap();
            assert_eq!(Rules::parse_with(text, &mut Files).unwrap(), expected, "{text}");
        };
        check("extends = 'default'", &|base| base.to_owned());
        check("extends = 'default'\nname = 'n'", &|base| base.replace("\"default\"", "\"n\""));
        check("extends = 'default'\n[record]\nmax_seconds = 7", &|base| base.replace("86400", "7"));
        check("extends = 'default'\n[labels]\ntaste = 'nonzero'", &|base| base.replace("positive", "nonzero"));
        check("extends = 'default'\n[category]\nSport = ['SPORT', 'S2']", &|base| {
            base.replace("[\"SPORT\"]", "[\"SPORT\", \"S2\"]")
        });
        // An app that moves: both categories are named.
        check("extends = 'default'\n[category]\nSport = ['SPORT', 'CHILD']\nChild = []", &|base| {
            base.replace("[\"SPORT\"]", "[\"SPORT\", \"CHILD\"]").replace("Child = [\"CHILD\"]", "Child = []")
        });
        // All five are named: their order counts.
        let all = "[category]\nTv = []\nSport = []\nChild = []\nMovie = []\nRelax = ['R']";
        check(&format!("extends = 'default'\n{all}"), &|_| format!("name = 'default'\n{all}"));
        let excluded = |list: &str| DEFAULT_TOML.replace("[]  ", list).replace("\"default\"", "\"base\"");
        let read = |base: &str| base.replace("86400", "86400\ntypes = 'lenient'\nsource = 'flat'");
        check("extends = 'default'\n[record]\ntypes = 'lenient'\nsource = 'flat'", &read);
        check("extends = 'read.toml'", &read);
        check("extends = 'read.toml'\n[record]\ntypes = 'strict'\nsource = '_source'", &|base| base.to_owned());
        check("extends = 'base.toml'", &|_| excluded("[\"B\"]  "));
        check("extends = 'base.toml'\n[record]\nexclude_contracts = ['C']", &|_| excluded("[\"C\"]  "));
        check("extends = 'base.toml'\n[record]\nexclude_file = 'out.csv'", &|_| excluded("[\"A\",\"B\",\"Z\"]  "));
    }

    #[test]
    fn references_that_lead_nowhere_are_errors_with_their_line() {
        let check = |text: &str, line: usize, what: &str| {
            let error = Rules::parse_with(text, &mut Files).unwrap_err();
            assert_eq!((error.line, error.what.contains(what)), (line, true), "{error}");
        };
        check("name = 'n'\nextends = 'gone.toml'", 2, "extends: `gone.toml` is not one of the built-in rules");
        check("extends = 'default'\n[record]\nexclude_file = 'gone'", 3, "exclude_file: no such file");
        check("name = 'n'", 1, "the table [category] is missing");
        check("[category]\nTv = []", 1, "`name` is missing");
        check("extends = 'default'\n[record]\nmin_seconds = 90000", 3, "below `min_seconds`");
        check(
            "extends = 'default'\n[category]\nSport = ['CHILD']",
            3,
            "app `CHILD` is in `Child` and again in `Sport`; `Child` is that of the rules this extends",
        );
        let alone = Rules::parse("extends = 'default'\n[record]\nexclude_file = 'out.csv'").unwrap_err();
        assert_eq!(alone.to_string(), "line 3: exclude_file: `out.csv`: only a rules file may name other files");
    }

    #[test]
    fn contracts_excluded_by_hand_are_rules_like_any() {
        let by_hand = Rules::preset("default").unwrap().excluding(["B".to_owned(), "A".to_owned(), "B".to_owned()]);
        assert_eq!(with(|t| t.replace("= []", "= ['A', 'B']")), Ok(by_hand));
    }
}
