//! What a month file says beside its rows: as text in the key-value metadata.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use jiff::civil::Date;
use parquet::file::metadata::{FileMetaData, KeyValue};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::devices::Seal;
use super::{FORMAT, FileFlaw};
use crate::engine::calendar::{Day, Month};
use crate::engine::devices::Devices;
use crate::engine::ledger::{
    AppSums, ByteCounts, FileLedger, Ids, InputFile, Ledger, LedgerDetail, Reason, RecordCounts,
};
use crate::engine::month::DayActivity;
use crate::engine::rules::{Category, Rules};

/// What our keys in the metadata begin with.
const KEY_PREFIX: &str = "viewmart.";

/// The key that marks a list of customers, which may lie beside month files and is none.
pub const LIST_KEY: &str = "viewmart.list";

/// The key of the devices; only of a file whose devices were counted.
const DEVICES: &str = "devices";

/// The key of the checksum.
const CHECKSUM: &str = "crc32c";

/// Keys whose texts are JSON themselves.
const STRUCTURED: [&str; 4] = ["rows", "ledger", "days", "inputs"];

/// Largest sum of seconds that is believed: no month comes near, and a few of them add up without leaving 128 bits.
const MAX_SECONDS: i128 = 1 << 100;

/// What is said of the rows.
pub(super) struct Metadata<'a> {
    pub month: Month,
    pub etl_date: Date,
    pub engine: &'a str,
    pub rules: &'a Rules,
    pub n_rows: u64,
    pub ledger: &'a LedgerDetail,
    pub days: &'a [DayActivity],
    /// Where devices were counted.
    pub devices: Option<&'a Seal>,
}

/// The same, as it was read. Rows and days are held against what is found in the columns.
#[derive(Debug)]
pub(super) struct Header {
    pub month: Month,
    pub etl_date: Date,
    pub engine: String,
    pub rules: Rules,
    pub n_rows: u64,
    pub ledger: LedgerDetail,
    pub days: Vec<DayActivity>,
    pub devices: Option<Seal>,
}

#[derive(Serialize, Deserialize)]
struct CountsText {
    read: u64,
    kept: u64,
    /// Reasons without a record are left out.
    rejected: BTreeMap<String, u64>,
    /// As text: they may need more than 64 bits, which JSON readers do not expect.
    seconds: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
struct LedgerText {
    #[serde(flatten)]
    counts: CountsText,
    apps: BTreeMap<String, AppText>,
}

#[derive(Serialize, Deserialize)]
struct AppText {
    category: Option<String>,
    records: u64,
    seconds: String,
}

#[derive(Serialize, Deserialize)]
struct InputText {
    uri: String,
    day: u8,
    bytes: u64,
    tag: String,
    ranges: Vec<[u64; 2]>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    facts: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    ids: Ids,
    #[serde(default, skip_serializing_if = "is_default")]
    content: ByteCounts,
    #[serde(flatten)]
    counts: CountsText,
}

#[derive(Serialize, Deserialize)]
struct DayText {
    day: u8,
    active_users: u64,
    records: u64,
    seconds: BTreeMap<String, i64>,
}

impl Metadata<'_> {
    /// The entries of the file whose column chunks have this checksum.
    pub fn entries(&self, data_crc: u32) -> io::Result<Vec<KeyValue>> {
        let texts = self.texts()?;
        let crc = checksum(data_crc, texts.iter().map(|(key, text)| (*key, text.as_str())));
        let entry = |(key, text)| KeyValue::new(format!("{KEY_PREFIX}{key}"), text);
        Ok(texts.into_iter().chain([(CHECKSUM, crc)]).map(entry).collect())
    }

    /// The same as a JSON object, of the rows of task `task`.
    pub fn to_json(&self, task: u64) -> io::Result<String> {
        let value = |(key, text): (&str, String)| -> io::Result<(String, Value)> {
            let value = if STRUCTURED.contains(&key) { serde_json::from_str(&text)? } else { Value::String(text) };
            Ok((key.to_owned(), value))
        };
        let object: Map<String, Value> = self
            .texts()?
            .into_iter()
            .map(value)
            .chain([Ok(("task".to_owned(), task.into()))])
            .collect::<Result<_, _>>()?;
        Ok(Value::Object(object).to_string())
    }

    fn texts(&self) -> io::Result<BTreeMap<&'static str, String>> {
        let total = self.ledger.total();
        let Ledger { read, kept, rejected, seconds, .. } = total;
        let counts = RecordCounts { read, kept, rejected, seconds, ..RecordCounts::default() };
        let apps = self.ledger.apps.iter().map(|(app, sums)| (app.clone(), AppText::of(sums))).collect();
        let inputs: Vec<InputText> = self.ledger.files.iter().map(InputText::of).collect();
        let days: Vec<DayText> = self.days.iter().map(DayText::of).collect();
        let mut texts = BTreeMap::from([
            ("format", FORMAT.to_owned()),
            ("month", self.month.to_string()),
            ("etl_date", self.etl_date.to_string()),
            ("engine", self.engine.to_owned()),
            ("rules", self.rules.to_toml()),
            ("rules_name", self.rules.name.clone()),
            ("rules_sha256", self.rules.sha256.clone()),
            ("record_rules_sha256", self.rules.record.sha256.clone()),
            ("label_rules_sha256", self.rules.labels.sha256.clone()),
            ("rows", self.n_rows.to_string()),
            ("ledger", serde_json::to_string(&LedgerText { counts: CountsText::of(&counts), apps })?),
            ("days", serde_json::to_string(&days)?),
            ("inputs", serde_json::to_string(&inputs)?),
        ]);
        if let Some(seal) = self.devices {
            texts.insert(DEVICES, serde_json::to_string(seal)?);
        }
        Ok(texts)
    }
}

/// The checksum of a file: CRC-32C over the column chunks as they lie in it, then over all other metadata of ours in
/// the order of the keys.
fn checksum<'a>(data_crc: u32, texts: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let crc = texts
        .flat_map(|(key, text)| [key, "\0", text, "\0"])
        .fold(data_crc, |crc, text| crc32c::crc32c_append(crc, text.as_bytes()));
    format!("{crc:08x}")
}

/// The metadata of a file, as text.
pub(super) struct Entries<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Entries<'a> {
    pub fn of(metadata: &'a FileMetaData) -> Entries<'a> {
        let entry = |entry: &'a KeyValue| Some((entry.key.strip_prefix(KEY_PREFIX)?, entry.value.as_deref()?));
        Entries(metadata.key_value_metadata().into_iter().flatten().filter_map(entry).collect())
    }

    /// Metadata that came by themselves, by their keys without a prefix.
    pub fn of_texts(texts: impl Iterator<Item = (&'a str, &'a str)>) -> Entries<'a> {
        Entries(texts.collect())
    }

    /// Whether a file of this format wrote them.
    pub fn check_format(&self) -> Result<(), FileFlaw> {
        match self.text("format")? {
            FORMAT => Ok(()),
            found => Err(FileFlaw::Format { found: found.chars().take(20).collect() }),
        }
    }

    /// The month that the file says it is of, where it is of this format.
    pub fn told_month(&self) -> Option<Month> {
        self.check_format().ok()?;
        self.text("month").ok()?.parse().ok()
    }

    /// Whether the file is as it was written. `data_crc` is that of its column chunks.
    pub fn check_bytes(&self, data_crc: u32) -> Result<(), FileFlaw> {
        let others = self.0.iter().filter(|(key, _)| **key != CHECKSUM).map(|(key, text)| (*key, *text));
        match self.text(CHECKSUM)? == checksum(data_crc, others) {
            true => Ok(()),
            false => Err(FileFlaw::Damaged("its checksum does not match".to_owned())),
        }
    }

    fn text(&self, key: &'static str) -> Result<&'a str, FileFlaw> {
        self.0.get(key).copied().ok_or_else(|| FileFlaw::Metadata { key, why: "is missing".to_owned() })
    }

    fn parsed<T: std::str::FromStr>(&self, key: &'static str) -> Result<T, FileFlaw>
    where
        T::Err: std::fmt::Display,
    {
        self.text(key)?.parse().map_err(|error: T::Err| flaw(key, error))
    }

    fn json<T: Deserialize<'a>>(&self, key: &'static str) -> Result<T, FileFlaw> {
        serde_json::from_str(self.text(key)?).map_err(|error| flaw(key, error))
    }

    /// All that they say, where it can be true.
    pub fn header(&self) -> Result<Header, FileFlaw> {
        let month: Month = self.parsed("month")?;
        let ledger: LedgerText = self.json("ledger")?;
        let inputs: Vec<InputText> = self.json("inputs")?;
        let days: Vec<DayText> = self.json("days")?;
        let detail = LedgerDetail {
            files: inputs.into_iter().map(|text| text.read(month)).collect::<Result<_, _>>()?,
            apps: ledger
                .apps
                .into_iter()
                .map(|(app, text)| Ok::<_, FileFlaw>((app, text.read()?)))
                .collect::<Result<_, _>>()?,
        };
        check_sums(&detail)?;
        let (said, total) = (ledger.counts.read("ledger")?, detail.total());
        if (said.read, said.kept, said.rejected, said.seconds)
            != (total.read, total.kept, total.rejected, total.seconds)
        {
            return Err(flaw("ledger", "is not the sum of the files"));
        }
        Ok(Header {
            month,
            etl_date: self.parsed("etl_date")?,
            engine: self.text("engine")?.to_owned(),
            rules: self.rules()?,
            n_rows: self.parsed("rows")?,
            ledger: detail,
            days: days.into_iter().map(|text| text.read(month)).collect::<Result<_, _>>()?,
            devices: self.seal(total.kept)?,
        })
    }

    /// Whether devices were counted.
    pub fn devices(&self) -> Devices {
        if self.0.contains_key(DEVICES) { Devices::Counted } else { Devices::Ignored }
    }

    /// What the file says of its devices, of which each has a kept record.
    fn seal(&self, n_kept: u64) -> Result<Option<Seal>, FileFlaw> {
        if self.devices() == Devices::Ignored {
            return Ok(None);
        }
        let seal: Seal = self.json(DEVICES)?;
        match seal.pairs <= seal.records && seal.records <= n_kept {
            true => Ok(Some(seal)),
            false => Err(flaw(DEVICES, "more devices than records that name one, or more of those than are kept")),
        }
    }

    fn rules(&self) -> Result<Rules, FileFlaw> {
        let rules = Rules::parse(self.text("rules")?).map_err(|error| flaw("rules", error))?;
        let expected = [
            ("rules_name", &rules.name),
            ("rules_sha256", &rules.sha256),
            ("record_rules_sha256", &rules.record.sha256),
            ("label_rules_sha256", &rules.labels.sha256),
        ];
        for (key, expected) in expected {
            if self.text(key)? != expected {
                return Err(flaw(key, format!("should be {expected} for its rules")));
            }
        }
        Ok(rules)
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Whether counts can be added up without leaving 64 bits.
pub(super) fn check_sums(ledger: &LedgerDetail) -> Result<(), FileFlaw> {
    let add = |sum: u64, n: u64| sum.checked_add(n);
    let files = ledger.files.iter().try_fold(0, |sum, file| add(sum, file.counts.read));
    let bytes = ledger.files.iter().try_fold(0, |sum, file| add(sum, file.file.n_bytes));
    let apps = ledger.apps.values().try_fold(0, |sum, app| add(sum, app.records));
    match (files, bytes, apps) {
        (Some(_), Some(_), Some(_)) => Ok(()),
        _ => Err(flaw("inputs", "counts more than there can be")),
    }
}

fn flaw(key: &'static str, why: impl std::fmt::Display) -> FileFlaw {
    FileFlaw::Metadata { key, why: format!("cannot be right: {why}") }
}

fn day(key: &'static str, number: u8, month: Month) -> Result<Day, FileFlaw> {
    let day = Day::new(number).filter(|day| month.date(*day).is_some());
    day.ok_or_else(|| flaw(key, format!("{month} has no day {number}")))
}

fn seconds_of(key: &'static str, text: &str) -> Result<i128, FileFlaw> {
    let seconds = text.parse().ok().filter(|seconds: &i128| seconds.unsigned_abs() <= MAX_SECONDS.unsigned_abs());
    seconds.ok_or_else(|| flaw(key, "seconds that are no number, or too many"))
}

fn by_category<T, U>(
    key: &'static str,
    mut texts: BTreeMap<String, T>,
    read: impl Fn(T) -> Result<U, FileFlaw>,
) -> Result<[U; Category::ALL.len()], FileFlaw>
where
    U: Copy + Default,
{
    let mut values = [U::default(); Category::ALL.len()];
    for category in Category::ALL {
        let text = texts.remove(category.name());
        values[category as usize] = read(text.ok_or_else(|| flaw(key, format!("{} is missing", category.name())))?)?;
    }
    Ok(values)
}

impl CountsText {
    fn of(counts: &RecordCounts) -> CountsText {
        let rejected = Reason::ALL.map(|reason| (reason.name().to_owned(), counts.n_rejected_for(reason)));
        let seconds =
            Category::ALL.map(|category| (category.name().to_owned(), counts.seconds[category as usize].to_string()));
        CountsText {
            read: counts.read,
            kept: counts.kept,
            rejected: rejected.into_iter().filter(|(_, records)| *records > 0).collect(),
            seconds: seconds.into(),
        }
    }

    fn read(self, key: &'static str) -> Result<RecordCounts, FileFlaw> {
        let mut counts = RecordCounts { read: self.read, kept: self.kept, ..RecordCounts::default() };
        for (name, records) in self.rejected {
            let reason = Reason::ALL.into_iter().find(|reason| reason.name() == name);
            let reason = reason.ok_or_else(|| flaw(key, format!("`{}` is no reason", name.escape_debug())))?;
            counts.rejected[reason as usize] = records;
        }
        counts.seconds = by_category(key, self.seconds, |text| seconds_of(key, &text))?;
        Ok(counts)
    }
}

impl AppText {
    fn of(sums: &AppSums) -> AppText {
        AppText {
            category: sums.category.map(|category| category.name().to_owned()),
            records: sums.records,
            seconds: sums.seconds.to_string(),
        }
    }

    fn read(self) -> Result<AppSums, FileFlaw> {
        let named = |name: &String| Category::ALL.into_iter().find(|category| category.name() == name);
        let category = match &self.category {
            None => None,
            Some(name) => Some(named(name).ok_or_else(|| flaw("ledger", "an app is in a category that is none"))?),
        };
        Ok(AppSums { category, records: self.records, seconds: seconds_of("ledger", &self.seconds)? })
    }
}

impl InputText {
    fn of(ledger: &FileLedger) -> InputText {
        let FileLedger { file, counts } = ledger;
        InputText {
            uri: file.uri.clone(),
            day: file.day.number(),
            bytes: file.n_bytes,
            tag: file.tag.clone(),
            ranges: file.ranges.iter().map(|range| [range.start, range.end]).collect(),
            facts: file.facts.clone(),
            ids: file.ids,
            content: counts.bytes,
            counts: CountsText::of(counts),
        }
    }

    fn read(self, month: Month) -> Result<FileLedger, FileFlaw> {
        let InputText { uri, day: number, bytes, tag, ranges, facts, ids, content, counts } = self;
        let ranges = ranges.into_iter().map(|[start, end]| start..end).collect();
        let file = InputFile { uri, day: day("inputs", number, month)?, n_bytes: bytes, tag, ranges, facts, ids };
        Ok(FileLedger { file, counts: RecordCounts { bytes: content, ..counts.read("inputs")? } })
    }
}

impl DayText {
    fn of(activity: &DayActivity) -> DayText {
        DayText {
            day: activity.day.number(),
            active_users: activity.active_users,
            records: activity.records,
            seconds: Category::ALL
                .map(|category| (category.name().to_owned(), activity.seconds[category as usize]))
                .into(),
        }
    }

    fn read(self, month: Month) -> Result<DayActivity, FileFlaw> {
        Ok(DayActivity {
            day: day("days", self.day, month)?,
            active_users: self.active_users,
            records: self.records,
            seconds: by_category("days", self.seconds, Ok)?,
        })
    }
}
