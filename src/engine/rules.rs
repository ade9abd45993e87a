//! The rules of a run: bounds on seconds, excluded contracts, how taste is read, which app is in
//! which category.

mod parse;
mod text;

use std::collections::BTreeMap;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::hex::hex;

pub use parse::{NoReferences, References, RulesError};

/// The five fixed categories. The order here is the order of the columns in every table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Category {
    /// Films and series on demand.
    Movie,
    /// Sport.
    Sport,
    /// Programmes for children.
    Child,
    /// Relaxation.
    Relax,
    /// Linear television.
    Tv,
}

impl Category {
    /// All categories in column order.
    pub const ALL: [Category; 5] = [Category::Movie, Category::Sport, Category::Child, Category::Relax, Category::Tv];

    /// The name as it stands in labels, rules and column names.
    pub const fn name(self) -> &'static str {
        match self {
            Category::Movie => "Movie",
            Category::Sport => "Sport",
            Category::Child => "Child",
            Category::Relax => "Relax",
            Category::Tv => "Tv",
        }
    }

    fn named(name: &str) -> Option<Category> {
        Category::ALL.into_iter().find(|c| c.name() == name)
    }
}

/// Which rules made something: what every output says of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RulesStamp {
    /// Their name.
    pub name: String,
    /// Their hash, 64 hex digits.
    pub sha256: String,
    /// The rules themselves, TOML.
    pub text: String,
}

impl RulesStamp {
    /// The start of the hash, for people.
    pub fn short_hash(&self) -> &str {
        self.sha256.get(..8).unwrap_or(&self.sha256)
    }
}

/// When a category belongs to a customer's taste.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TasteRule {
    /// Its seconds are more than 0.
    Positive,
    /// Its seconds are not 0, as in the original pipeline.
    Nonzero,
}

/// How the types of a record's fields are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldTypes {
    /// An integer is written as one, a contract is text, and JSON is RFC 8259.
    #[default]
    Strict,
    /// Also integers written as `254.0`, `2.54e2` or `"254"`, contracts that are JSON integers, and `NaN` and
    /// `Infinity` outside the fields that are read.
    Lenient,
}

/// Where a record of NDJSON has its fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum FieldPlace {
    /// In the object `_source`, as Elasticsearch has them.
    #[default]
    #[serde(rename = "_source")]
    Source,
    /// At the top.
    #[serde(rename = "flat")]
    Flat,
}

/// The label for a customer without seconds or without taste.
pub const NO_LABEL: &str = "No";

/// A valid set of rules, in two halves: what decides a record, and what labels a customer. Labels
/// can be made anew without reading a record again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The name in every output.
    pub name: String,
    /// SHA-256 over the canonical form of the rules, name and both halves, 64 lower-case hex
    /// digits: equal rules have equal hashes, whatever their comments and spacing.
    pub sha256: String,
    /// What decides a record.
    pub record: RecordRules,
    /// What labels a customer.
    pub labels: LabelRules,
}

/// Which records are kept, and for which category they count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordRules {
    /// SHA-256 over the canonical form of this half, as [`Rules::sha256`] is of the whole.
    pub sha256: String,
    /// Smallest number of seconds of a kept record.
    pub min_seconds: i64,
    /// Largest number of seconds of a kept record.
    pub max_seconds: i64,
    /// How the types of its fields are taken.
    pub types: FieldTypes,
    /// Where its fields are.
    pub source: FieldPlace,
    /// Contracts whose records are rejected as `excluded`, sorted.
    pub exclude_contracts: Vec<String>,
    /// The category of each app. An app's place here is its [`App::index`].
    pub apps: BTreeMap<String, Category>,
}

/// What a customer is labelled by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelRules {
    /// SHA-256 over the canonical form of this half, as [`Rules::sha256`] is of the whole.
    pub sha256: String,
    /// How taste is read.
    pub taste: TasteRule,
    /// All five categories in the order that breaks ties and orders the taste.
    pub order: [Category; 5],
}

/// An app that the rules put into a category.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct App {
    /// Its place in [`RecordRules::apps`].
    pub index: u16,
    /// Its category.
    pub category: Category,
}

/// Most apps that rules may name: their places are numbers of 16 bits.
const MAX_APPS: usize = 1 << 16;

/// The built-in preset `default`.
pub const DEFAULT_TOML: &str = include_str!("rules/default.toml");
/// The built-in preset `seed`, which reproduces the original pipeline.
pub const SEED_TOML: &str = include_str!("rules/seed.toml");

impl Rules {
    /// What outputs say of them.
    pub fn stamp(&self) -> RulesStamp {
        RulesStamp { name: self.name.clone(), sha256: self.sha256.clone(), text: self.to_toml() }
    }

    /// The built-in rules `default` or `seed`, or `None` for any other name.
    pub fn preset(name: &str) -> Option<Rules> {
        let text = match name {
            "default" => DEFAULT_TOML,
            "seed" => SEED_TOML,
            _ => return None,
        };
        Rules::parse(text).ok()
    }

    /// These rules, which reject the records of `contracts` too.
    #[must_use]
    pub fn excluding(self, contracts: impl IntoIterator<Item = String>) -> Rules {
        let Rules { name, sha256: _, mut record, labels } = self;
        record.exclude_contracts.extend(contracts);
        Rules::with_hashes(name, record, labels)
    }

    /// Rules of these parts, whose hashes are made here.
    fn with_hashes(name: String, mut record: RecordRules, mut labels: LabelRules) -> Rules {
        record.exclude_contracts.sort_unstable();
        record.exclude_contracts.dedup();
        record.sha256 = sha256(&record.canonical());
        labels.sha256 = sha256(&labels.canonical());
        let sha256 = sha256(&whole_canonical(&name, &record, &labels));
        Rules { name, sha256, record, labels }
    }
}

impl RecordRules {
    /// The apps that have a category, in the order of their names.
    pub fn apps(&self) -> impl Iterator<Item = (&str, App)> {
        self.apps.iter().zip(0..).map(|((name, category), index)| (name.as_str(), App { index, category: *category }))
    }

    /// Of names that no category has: those that differ from one that a category has in case or blanks only, each with
    /// the first such one.
    pub fn similar_apps<'a>(&self, unmapped: impl IntoIterator<Item = &'a String>) -> BTreeMap<String, String> {
        let bare = |app: &str| app.split_whitespace().flat_map(str::chars).flat_map(char::to_lowercase).collect();
        let known: BTreeMap<String, &String> = self.apps.keys().rev().map(|app| (bare(app), app)).collect();
        let similar = |app: &String| Some((app.clone(), (*known.get(&bare(app))?).clone()));
        unmapped.into_iter().filter_map(similar).collect()
    }

    /// One line for each thing that decides a record.
    fn canonical(&self) -> String {
        let seconds = format!("seconds={}..={}\n", self.min_seconds, self.max_seconds);
        let apps = self.apps.iter().map(|(app, category)| format!("app={app:?} category={}\n", category.name()));
        std::iter::once(seconds).chain(self.readings()).chain(self.exclusions()).chain(apps).collect()
    }

    /// How a record is read, where it is not the usual way: hashes of the usual are older than the choice.
    fn readings(&self) -> impl Iterator<Item = String> {
        let types = (self.types != FieldTypes::default()).then(|| format!("types={:?}\n", self.types));
        let source = (self.source != FieldPlace::default()).then(|| format!("source={:?}\n", self.source));
        types.into_iter().chain(source)
    }

    fn exclusions(&self) -> impl Iterator<Item = String> {
        self.exclude_contracts.iter().map(|contract| format!("exclude={contract:?}\n"))
    }
}

impl LabelRules {
    fn canonical(&self) -> String {
        let order = self.order.map(|category| format!("category={}\n", category.name()));
        std::iter::once(format!("taste={:?}\n", self.taste)).chain(order).collect()
    }

    /// The category with the most seconds; a tie goes to the first in rule order; `None` when all
    /// are 0.
    ///
    /// `seconds` is indexed by [`Category`] as `usize`.
    pub fn most_watched(&self, seconds: &[i64; 5]) -> Option<Category> {
        if seconds.iter().all(|s| *s == 0) {
            return None;
        }
        let most = seconds.iter().max()?;
        self.order.into_iter().find(|c| seconds[*c as usize] == *most)
    }

    /// The categories of a customer's taste: bit `i` stands for the category at place `i` of the
    /// rule order.
    pub fn taste(&self, seconds: &[i64; 5]) -> Taste {
        let mut bits = 0;
        for (place, category) in self.order.into_iter().enumerate() {
            let seconds = seconds[category as usize];
            let belongs = match self.taste {
                TasteRule::Positive => seconds > 0,
                TasteRule::Nonzero => seconds != 0,
            };
            bits |= u8::from(belongs) << place;
        }
        Taste(bits)
    }

    /// The label of every taste, indexed by its bits: names in rule order joined by `_`,
    /// [`NO_LABEL`] for none.
    pub fn taste_labels(&self) -> [String; 32] {
        std::array::from_fn(|bits| {
            let names: Vec<&str> = self
                .order
                .iter()
                .enumerate()
                .filter(|(place, _)| bits & (1 << place) != 0)
                .map(|(_, category)| category.name())
                .collect();
            if names.is_empty() { NO_LABEL.to_owned() } else { names.join("_") }
        })
    }
}

/// The canonical form of whole rules. Its hash stands in every output since the first release.
fn whole_canonical(name: &str, record: &RecordRules, labels: &LabelRules) -> String {
    let mut canonical = format!("name={name:?}\n");
    let mut line = |text: String| canonical.push_str(&text);
    line(format!("seconds={}..={}\n", record.min_seconds, record.max_seconds));
    record.readings().for_each(&mut line);
    line(format!("taste={:?}\n", labels.taste));
    record.exclusions().for_each(&mut line);
    for category in labels.order {
        line(format!("category={}\n", category.name()));
        for (app, _) in record.apps.iter().filter(|(_, of)| **of == category) {
            line(format!("app={app:?}\n"));
        }
    }
    canonical
}

fn sha256(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

/// A set of categories in rule order, 0..32; see [`LabelRules::taste`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(transparent)]
pub struct Taste(pub u8);

#[cfg(test)]
mod tests {
    use super::*;

    fn with(change: impl Fn(String) -> String) -> Result<Rules, RulesError> {
        Rules::parse(&change(DEFAULT_TOML.to_owned()))
    }

    #[test]
    fn presets_are_what_they_say() {
        let rules = Rules::preset("default").unwrap();
        assert_eq!(
            (rules.record.min_seconds, rules.record.max_seconds, rules.labels.taste),
            (0, 86_400, TasteRule::Positive)
        );
        assert_eq!(rules.labels.order.map(Category::name), ["Relax", "Movie", "Child", "Sport", "Tv"]);
        assert_eq!(rules.record.apps.len(), 14);
        assert_eq!(rules.record.apps["KPlus"], Category::Tv);
        let seed = Rules::preset("seed").unwrap();
        assert_eq!(
            (seed.record.min_seconds, seed.record.max_seconds, seed.labels.taste),
            (i64::MIN, i64::MAX, TasteRule::Nonzero)
        );
        assert_eq!(seed.record.apps, rules.record.apps);
        assert_eq!(Rules::preset("other"), None);
    }

    #[test]
    fn an_app_in_no_category_may_be_like_one() {
        let record = Rules::preset("default").unwrap().record;
        let check = |app: &str, expected: Option<&str>| {
            let found = record.similar_apps([&app.to_owned()]);
            assert_eq!(found.get(app).map(String::as_str), expected, "{app:?}");
        };
        // Both KPLUS and KPlus are known: the first counts.
        check("kplus", Some("KPLUS"));
        check(" V od\t", Some("VOD"));
        check("fims_res", Some("FIMS_RES"));
        check("V-O-D", None);
        check("VOD2", None);
        check(" ", None);
        check("", None);
    }

    #[test]
    fn the_hash_sees_meaning_not_spelling() {
        let hash = Rules::preset("default").unwrap().sha256;
        assert_eq!(hash.len(), 64);
        assert_eq!(with(|t| format!("# note\n{t}")).unwrap().sha256, hash);
        assert_eq!(with(|t| t.replace("\"FIMS\", \"BHD\"", "\"BHD\", \"FIMS\"")).unwrap().sha256, hash);
        assert_ne!(with(|t| t.replace("86400", "86399")).unwrap().sha256, hash);
        assert_ne!(with(|t| t.replace("Relax = [\"RELAX\"]\n", "") + "Relax = [\"RELAX\"]\n").unwrap().sha256, hash);
    }

    #[test]
    fn each_half_has_a_hash_of_its_own() {
        let base = Rules::preset("default").unwrap();
        // Whether the record rules, the label rules and the whole differ from the preset.
        let check = |change: &dyn Fn(String) -> String, expected: [bool; 3]| {
            let rules = with(change).unwrap();
            let differs = [
                rules.record.sha256 != base.record.sha256,
                rules.labels.sha256 != base.labels.sha256,
                rules.sha256 != base.sha256,
            ];
            assert_eq!(differs, expected, "{}", change(DEFAULT_TOML.to_owned()));
        };
        check(&|t| format!("# note\n{t}"), [false; 3]);
        check(&|t| t.replace("name = \"default\"", "name = \"other\""), [false, false, true]);
        check(&|t| t.replace("86400", "86399"), [true, false, true]);
        check(&|t| t.replace("min_seconds = 0", "min_seconds = 1"), [true, false, true]);
        check(&|t| t.replace("= []", "= [\"0\"]"), [true, false, true]);
        check(&|t| t.replace("86400", "86400\ntypes = \"strict\"\nsource = \"_source\""), [false; 3]);
        check(&|t| t.replace("86400", "86400\ntypes = \"lenient\""), [true, false, true]);
        check(&|t| t.replace("86400", "86400\nsource = \"flat\""), [true, false, true]);
        check(&|t| t.replace("\"KPLUS\"", "\"K+\""), [true, false, true]);
        check(&|t| t.replace("\"positive\"", "\"nonzero\""), [false, true, true]);
        check(&|t| t.replace("Relax = [\"RELAX\"]\n", "") + "Relax = [\"RELAX\"]\n", [false, true, true]);
        // An app that moves to another category leaves the labels alone.
        check(&|t| t.replace("\"VOD\", ", "").replace("[\"CHILD\"]", "[\"CHILD\", \"VOD\"]"), [true, false, true]);
        // They stand in every output of the first release.
        let seed = Rules::preset("seed").unwrap();
        assert_eq!(base.sha256, "8fab9eff549bd2c6fbe3af2a1b73e3c3a75a6ad8bac53c4070c6aa1f75570aba");
        assert_eq!(seed.sha256, "47dada8bf03f49c3a47058a42634b2749d488b2a69f379e9e83fc006ab4ed664");
    }

    #[test]
    fn labels_follow_rule_order() {
        let rules = Rules::preset("default").unwrap();
        // Indexed in column order: Movie, Sport, Child, Relax, Tv.
        let check = |seconds: [i64; 5], most: &str, taste: &str| {
            assert_eq!(rules.labels.most_watched(&seconds).map_or(NO_LABEL, Category::name), most, "{seconds:?}");
            assert_eq!(rules.labels.taste_labels()[usize::from(rules.labels.taste(&seconds).0)], taste, "{seconds:?}");
        };
        check([0; 5], "No", "No");
        check([5, 5, 5, 5, 5], "Relax", "Relax_Movie_Child_Sport_Tv");
        check([5, 5, 4, 0, 5], "Movie", "Movie_Child_Sport_Tv");
        check([0, 0, 0, 0, 1], "Tv", "Tv");
        let seed = Rules::preset("seed").unwrap();
        let seconds = [-5, 0, 0, 0, 0];
        assert_eq!(seed.labels.most_watched(&seconds), Some(Category::Relax));
        assert_eq!(seed.labels.taste_labels()[usize::from(seed.labels.taste(&seconds).0)], "Movie");
        assert_eq!(rules.labels.taste_labels()[usize::from(rules.labels.taste(&seconds).0)], "No");
    }
}
