//! One record as found, and what the rules say of it.

use std::borrow::Cow;

use super::exclude::Exclusions;
use crate::engine::devices::Devices;
use crate::engine::ledger::{Ids, Reason};
use crate::engine::rules::{App, FieldPlace, FieldTypes, RecordRules};
use ahash::AHashMap;

/// Longest contract that fits the column `Contract`, in characters.
pub const MAX_CONTRACT_CHARS: usize = 100;

/// Longest line of a data file, line ending not counted, in bytes.
pub const MAX_LINE_BYTES: usize = 64 << 20;

/// How a record is read, before any rule decides about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// How the types of its fields are taken.
    pub types: FieldTypes,
    /// Where a record of NDJSON has its fields.
    pub source: FieldPlace,
    /// Whether its `_id` is read too.
    pub ids: Ids,
    /// Whether its `Mac` is.
    pub devices: Devices,
}

/// The fields that matter of one well-formed record, before any rule. `None` is absent, null or of
/// another type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields<'a> {
    /// `_id`, as text; only where ids are read.
    pub id: Option<Cow<'a, str>>,
    /// `Contract`.
    pub contract: Option<Cow<'a, str>>,
    /// `AppName`, also spelled `Appname`; the last of both counts.
    pub app: Option<Cow<'a, str>>,
    /// `TotalDuration` in seconds, when it is an integer of 64 bits.
    pub seconds: Option<i64>,
    /// `Mac`, as text; only where devices are counted. One that cannot be decoded is none: it decides
    /// about no record.
    pub device: Option<Cow<'a, str>>,
}

/// What becomes of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// It counts.
    Kept {
        /// The customer, 1 to 100 characters.
        contract: &'a str,
        /// Its app.
        app: App,
        /// Seconds watched, within the bounds of the rules.
        seconds: i64,
    },
    /// It does not count, for this reason. Never [`Reason::UnmappedApp`].
    Rejected(Reason),
    /// It does not count because no category has its app.
    UnmappedApp {
        /// The app.
        app: &'a str,
        /// Seconds watched, within the bounds of the rules.
        seconds: i64,
    },
}

/// Rules in the form in which they are applied to records.
#[derive(Clone, Debug)]
pub struct RecordFilter {
    pub(super) reading: Reading,
    pub(crate) min_seconds: i64,
    pub(crate) max_seconds: i64,
    pub(super) excluded: Exclusions,
    pub(crate) apps: AHashMap<String, App>,
}

impl RecordFilter {
    /// Where records have their fields.
    pub fn source(&self) -> FieldPlace {
        self.reading.source
    }

    /// Prepares `rules`.
    pub fn new(rules: &RecordRules) -> RecordFilter {
        RecordFilter {
            reading: Reading { types: rules.types, source: rules.source, ..Reading::default() },
            min_seconds: rules.min_seconds,
            max_seconds: rules.max_seconds,
            excluded: Exclusions::new(&rules.exclude_contracts),
            apps: rules.apps().map(|(name, app)| (name.to_owned(), app)).collect(),
        }
    }

    /// The same filter of records whose ids are read, or not.
    #[must_use]
    pub fn with_ids(mut self, ids: Ids) -> RecordFilter {
        self.reading.ids = ids;
        self
    }

    /// The same filter of records whose devices are counted, or not.
    #[must_use]
    pub fn with_devices(mut self, devices: Devices) -> RecordFilter {
        self.reading.devices = devices;
        self
    }

    /// Applies the rules to a well-formed record: the first reason that holds counts.
    pub fn decide<'a>(&self, fields: &'a Fields<'_>) -> Verdict<'a> {
        let Some(contract) = fields.contract.as_deref().filter(|text| !text.trim().is_empty()) else {
            return Verdict::Rejected(Reason::NoContract);
        };
        // A character has at most four bytes and at least one: most contracts need no counting.
        if contract.len() > MAX_CONTRACT_CHARS && contract.chars().count() > MAX_CONTRACT_CHARS {
            return Verdict::Rejected(Reason::LongContract);
        }
        let Some(app) = fields.app.as_deref().filter(|text| !text.is_empty()) else {
            return Verdict::Rejected(Reason::NoApp);
        };
        let Some(seconds) = fields.seconds else {
            return Verdict::Rejected(Reason::BadDuration);
        };
        if seconds < self.min_seconds {
            return Verdict::Rejected(Reason::NegativeDuration);
        }
        if seconds > self.max_seconds {
            return Verdict::Rejected(Reason::OverDay);
        }
        let Some(known) = self.apps.get(app) else {
            return Verdict::UnmappedApp { app, seconds };
        };
        if self.excluded.contains(contract) {
            return Verdict::Rejected(Reason::Excluded);
        }
        Verdict::Kept { contract, app: *known, seconds }
    }
}
