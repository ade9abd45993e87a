//! Why a month is not let through, in words.

use std::cmp::Reverse;
use std::fmt;

use super::evidence::Example;
use crate::engine::ledger::{FileLedger, Reason};

/// A month that is not let through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong; at least one.
    pub breaches: Vec<Breach>,
    /// Records or files that show it.
    pub examples: Vec<Example>,
    /// Whether the records were at hand, or only the counts of a month file.
    pub sees_records: bool,
}

/// A limit that is passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// Which one.
    pub kind: BreachKind,
    /// Counts, and the first days or files.
    pub text: String,
    /// The files that it is about, by their canonical names.
    pub files: Vec<String>,
}

/// Which limit is passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreachKind {
    /// Too many records were rejected.
    Rejected,
    /// Nothing was kept.
    NothingKept(Cause),
    /// A file is no data.
    Malformed,
    /// A quote takes all that comes after it.
    OpenQuote,
    /// Rows stand after a header that is not that of the file.
    OtherHeader,
    /// Too many records are of apps that nobody mapped.
    Unmapped,
    /// Something is odd, and that is enough.
    Warned,
}

/// Why nothing was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// There was no record.
    NothingRead,
    /// Most records are of apps that nobody mapped.
    Unmapped,
    /// Most records were rejected for another reason.
    Rejected,
}

impl Cause {
    /// That of records of which so many were rejected.
    pub(super) fn of(n_rejected: impl Fn(Reason) -> u64) -> Cause {
        let counts = Reason::ALL.into_iter().map(|reason| (n_rejected(reason), Reverse(reason)));
        match counts.max() {
            None | Some((0, _)) => Cause::NothingRead,
            Some((_, Reverse(Reason::UnmappedApp))) => Cause::Unmapped,
            Some(_) => Cause::Rejected,
        }
    }
}

impl BreachKind {
    /// A word for machines.
    pub fn name(self) -> &'static str {
        match self {
            BreachKind::Rejected => "reject_limit",
            BreachKind::NothingKept(_) => "nothing_kept",
            BreachKind::Malformed => "no_data",
            BreachKind::OpenQuote => "open_quote",
            BreachKind::OtherHeader => "other_header",
            BreachKind::Unmapped => "unmapped_limit",
            BreachKind::Warned => "warnings_denied",
        }
    }

    /// Whether the rejected records say no more of what to do.
    fn is_told(self) -> bool {
        use BreachKind::{NothingKept, Unmapped, Warned};
        matches!(self, Warned | Unmapped | NothingKept(Cause::NothingRead | Cause::Unmapped))
    }
}

impl Breach {
    /// None where there is no such file.
    pub(super) fn of(
        kind: BreachKind,
        files: &[&FileLedger],
        text: impl FnOnce(&[&FileLedger]) -> String,
    ) -> Option<Breach> {
        (!files.is_empty()).then(|| Breach { kind, text: text(files), files: super::uris(files) })
    }
}

impl Refusal {
    /// A word for machines: of the first thing that is wrong.
    pub fn kind(&self) -> &'static str {
        self.breaches.first().map_or("reject_limit", |breach| breach.kind.name())
    }

    /// What to do next.
    pub fn advice(&self) -> String {
        let mut advice: Vec<String> = Vec::new();
        for next in self.examples.iter().filter_map(Example::next) {
            if !advice.contains(&next) {
                advice.push(next);
            }
        }
        let is = |kind: BreachKind| self.breaches.iter().any(|breach| breach.kind == kind);
        if is(BreachKind::OpenQuote) {
            advice.push("close or remove that quote in the file".to_owned());
        }
        if is(BreachKind::OtherHeader) {
            advice.push("cut the file in front of that header into two".to_owned());
        }
        if is(BreachKind::NothingKept(Cause::NothingRead)) {
            advice.push("fetch the files again, they hold nothing".to_owned());
        }
        // No limit makes records of them.
        if is(BreachKind::NothingKept(Cause::Unmapped)) {
            advice.push("put these apps into categories of the rules (--rules RULES.toml)".to_owned());
        } else if is(BreachKind::Unmapped) {
            advice.push("put these apps into categories of the rules, or raise --max-unmapped-ratio".to_owned());
        }
        if is(BreachKind::Warned) {
            advice.push("see to what is warned of, or run without --deny-warnings".to_owned());
        }
        if self.breaches.iter().all(|breach| breach.kind.is_told()) {
            return advice.join("; ");
        }
        advice.push(match self.sees_records {
            true => "read rejects-refused.ndjson in the output folder; raise --max-reject-ratio if these records may \
                     be lost (1 lets everything pass)"
                .to_owned(),
            false => "see the records with `viewmart transform LAKE`; raise --max-reject-ratio if they may be lost"
                .to_owned(),
        });
        advice.join("; ")
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let breaches: Vec<&str> = self.breaches.iter().map(|breach| breach.text.as_str()).collect();
        write!(f, "{}; nothing was published", breaches.join("; "))?;
        self.examples.iter().try_for_each(|example| write!(f, "\n  {example}"))
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_fits_what_is_wrong() {
        use BreachKind::{NothingKept, Rejected, Unmapped, Warned};
        const FETCH: &str = "fetch the files again, they hold nothing";
        const MAP: &str = "put these apps into categories of the rules";
        const READ: &str =
            "see the records with `viewmart transform LAKE`; raise --max-reject-ratio if they may be lost";
        let check = |kinds: &[BreachKind], expected: &[&str]| {
            let breach = |kind: &BreachKind| Breach { kind: *kind, text: String::new(), files: Vec::new() };
            let breaches = kinds.iter().map(breach).collect();
            let advice = Refusal { breaches, examples: Vec::new(), sees_records: false }.advice();
            assert_eq!(advice, expected.join("; "), "{kinds:?}");
        };
        let (map, limit) = (format!("{MAP} (--rules RULES.toml)"), format!("{MAP}, or raise --max-unmapped-ratio"));
        check(&[NothingKept(Cause::NothingRead)], &[FETCH]);
        check(&[NothingKept(Cause::Unmapped)], &[&map]);
        check(&[NothingKept(Cause::Unmapped), Unmapped], &[&map]);
        check(&[Unmapped], &[&limit]);
        check(&[NothingKept(Cause::Rejected)], &[READ]);
        check(&[NothingKept(Cause::Unmapped), Rejected], &[&map, READ]);
        let denied = "see to what is warned of, or run without --deny-warnings";
        check(&[NothingKept(Cause::NothingRead), Warned], &[FETCH, denied]);
    }

    #[test]
    fn the_most_frequent_reason_is_the_cause() {
        let check = |counts: &[(Reason, u64)], expected: Cause| {
            let of = |reason| counts.iter().filter(|(of, _)| *of == reason).map(|(_, records)| *records).sum();
            assert_eq!(Cause::of(of), expected, "{counts:?}");
        };
        check(&[], Cause::NothingRead);
        check(&[(Reason::UnmappedApp, 1)], Cause::Unmapped);
        check(&[(Reason::UnmappedApp, 3), (Reason::NoContract, 2)], Cause::Unmapped);
        check(&[(Reason::UnmappedApp, 2), (Reason::NoContract, 2)], Cause::Rejected);
        check(&[(Reason::Excluded, 2), (Reason::UnmappedApp, 1)], Cause::Rejected);
    }
}
