//! `viewmart audience`: which months are asked, what of them, and what becomes of the answer.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{Args, ValueEnum, ValueHint};

use super::flags::{AudienceFlags, MaskFlags, SeedFlags};
use super::plan::{AskedExpr, AudiencePlan, CustomersPlan, Inquiry, ListColumns, ListTarget};
use super::resolve::{Resolver, usage};
use crate::audience::breakdown::Dimension;
use crate::audience::list::{Fraction, ListFormat, Order, REASON, Selection};
use crate::audience::outcome::CountForm;
use crate::audience::overlap::MAX_AUDIENCES;
use crate::audience::{NamedAudience, named, parse_with};
use crate::engine::columns::{COLUMNS_WITH_DEVICES, Output, held_by};
use crate::error::Error;
use crate::suggest::nearest;

macro_rules! examples {
    () => {
        "\
Examples:
  viewmart audience month-2022-04.parquet 'sport and on weekend and not movie' --by taste
  viewmart audience month-2022-04.parquet 'last < 20' --out silent.csv --columns TotalDuration,Taste
  viewmart audience month-2022-04.parquet at_risk --split 90:10 --out call.csv
  viewmart audience viewmart-out 'lapsed and 2022-03: (tv > 20h)' --order total --limit 20
  viewmart audience month-2022-04.parquet --overlap kids heavy 'sport > 5h'
  viewmart audience month-2022-04.parquet               # the sizes of all named audiences"
    };
}

pub(super) const EXAMPLES: &str = examples!();

pub(super) const LONG_HELP: &str = concat!(
    examples!(),
    "

Expressions:
  and, or, not, ( )       not binds first, then and
  tv movie child sport relax total per_day
                          a duration: tv > 10h, total >= 1h30m, sport = 0, movie < 600 (seconds); a category alone
                          means more than 0; per_day is the total by active days
  devices >= 3            distinct Mac, of months made with --devices
  days first last gap     days: days >= 20, last < 20; gap is the longest silence between first and last active day
  active(1..15) >= 5      active days among these
  trend < 0.5             active days from the 16th on over those before, each by the length of its half; with none
                          before the 16th it never holds
  on 1..7                 active on any of these days; also on 2022-04-10, on weekend, on weekdays, on weekend, 24
  most = 'Tv'             category with the most seconds; 'No' for none
  taste = 'Movie_Tv'      the column Taste; also !=, and like with % for any text and _ for one character
  contract like 'HN%'     the customer; also = and !=
  in('list.csv')          contracts in the first column of a file
  2022-03: (tv > 1h)      the customers of that month, which is given too; without it the newest one is asked. `not` means
                          the other customers: within the parentheses those of that month, else those of all months named
  new retained lapsed     against the month before, which is given too. Who is not in the newest month is listed, ordered
                          and summed as in the newest month named that has them
  at_risk heavy light kids movie_upsell shared one_day
                          audiences with a name, and those of --audiences FILE.toml"
);

#[derive(Debug, Args)]
pub(super) struct AudienceArgs {
    #[command(flatten)]
    pub(super) ask: Ask,
    #[command(flatten)]
    pub(super) audiences: AudienceFlags,
    #[command(flatten)]
    pub(super) seed: SeedFlags,
    #[command(flatten)]
    pub(super) mask: MaskFlags,
}

/// What is asked this time.
#[derive(Debug, Args)]
pub(super) struct Ask {
    /// Month files or folders of them, then the expression; without one the named audiences are counted
    #[arg(value_name = "MONTH.parquet|FOLDER|'EXPRESSION'", value_hint = ValueHint::AnyPath)]
    words: Vec<OsString>,
    /// Only the number, for scripts
    #[arg(long, conflicts_with = "by")]
    count: bool,
    /// Break the count down by this
    #[arg(long)]
    by: Option<DimensionName>,
    /// Write the list of customers to this file; .roaring holds their rows in the month file as a portable bitmap
    #[arg(short, long, value_name = "FILE.csv|.parquet|.roaring", value_hint = ValueHint::FilePath)]
    out: Option<PathBuf>,
    /// Columns of the list after the contract, or `all`; Reason tells which named audiences a customer is in; without --out the list goes to stdout
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    columns: Vec<String>,
    /// The order of the list: by contract, or by total, largest first [default: contract]
    #[arg(long)]
    order: Option<OrderName>,
    /// Only the first N customers of the list
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Only this part of the customers, chosen by contract and --seed: the same ones in every month
    #[arg(long, value_name = "N%")]
    sample: Option<Percent>,
    /// Split them into groups, chosen by contract and --seed: FILE-1, FILE-2, …
    #[arg(long, value_name = "90:10")]
    split: Option<Shares>,
    /// The sizes of all combinations of these audiences
    #[arg(long, value_name = "EXPRESSION", num_args = 1..,
          conflicts_with_all = ["count", "by", "out", "columns", "order", "limit", "sample", "split"])]
    overlap: Vec<String>,
    /// How many customers of each month come again, by their first month
    #[arg(long, value_name = "FOLDER", num_args = 1.., value_hint = ValueHint::AnyPath,
          conflicts_with_all = ["words", "overlap", "count", "by", "out", "columns", "order", "limit", "sample", "split"])]
    retention: Vec<PathBuf>,
}

/// `--by`.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum DimensionName {
    Taste,
    Most,
    Days,
    Category,
}

/// `--order`.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum OrderName {
    Contract,
    Total,
}

/// `--sample`.
#[derive(Clone, Copy, Debug)]
struct Percent(Fraction);

impl FromStr for Percent {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Percent, &'static str> {
        let wrong = "not a percentage from 0% to 100%, with at most four places after the point";
        let (whole, places) = text.strip_suffix('%').map(|n| n.split_once('.').unwrap_or((n, ""))).ok_or(wrong)?;
        let is_number = |digits: &str| digits.bytes().all(|b| b.is_ascii_digit());
        if places.len() > 4 || whole.is_empty() && places.is_empty() || !is_number(whole) || !is_number(places) {
            return Err(wrong);
        }
        // Hundredths in ten-thousandths are millionths.
        let millionths: u32 = format!("{whole}{places:0<4}").parse().map_err(|_| wrong)?;
        if millionths <= 1_000_000 { Ok(Percent(Fraction(millionths))) } else { Err(wrong) }
    }
}

/// `--split`.
#[derive(Clone, Debug)]
struct Shares(Vec<u32>);

impl FromStr for Shares {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Shares, &'static str> {
        let shares: Option<Vec<u32>> =
            text.split(':').map(|share| share.parse().ok().filter(|n| *n > 0 && *n <= 1_000_000)).collect();
        let shares = shares.filter(|shares| (2..=100).contains(&shares.len()));
        shares.map(Shares).ok_or("not shares such as 90:10: 2 to 100 whole numbers above 0")
    }
}

impl Resolver<'_> {
    pub(super) fn audience(&self, ask: Ask) -> Result<AudiencePlan, Error> {
        let names = self.named_audiences()?;
        if !ask.retention.is_empty() {
            return Ok(AudiencePlan { months: ask.retention, inquiry: Inquiry::Retention });
        }
        if !ask.overlap.is_empty() {
            let months = ask.words.iter().map(PathBuf::from).collect();
            return Ok(AudiencePlan { months: some(months)?, inquiry: overlap(&ask.overlap, &names)? });
        }
        match sorted(&ask.words, &names)? {
            (months, Some(expression)) => {
                let customers = Box::new(self.customers(ask, expression, names)?);
                Ok(AudiencePlan { months: some(months)?, inquiry: Inquiry::Customers(customers) })
            }
            (months, None) if ask.asks_for_customers() => {
                let last = months.last().map_or_else(String::new, |path| format!(" after {}", path.display()));
                Err(usage(format!("the expression is missing{last}"), ASK))
            }
            (months, None) => Ok(AudiencePlan { months: some(months)?, inquiry: Inquiry::Named(names) }),
        }
    }

    /// The built-in audiences and those of `--audiences`.
    pub(super) fn named_audiences(&self) -> Result<Vec<NamedAudience>, Error> {
        let builtin = named::builtin().map_err(|error| usage(error.to_string(), "this is a bug worth reporting"))?;
        let Some(path) = &self.settings.audiences.audiences else { return Ok(builtin) };
        let text = std::fs::read_to_string(path).map_err(|error| {
            usage(format!("the audiences {} cannot be read: {error}", path.display()), "name another file")
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        named::read(&text, folder, builtin).map_err(|error| {
            usage(format!("{}: {error}", path.display()), "correct it; `viewmart audience --help` tells the language")
        })
    }

    fn customers(&self, ask: Ask, expression: AskedExpr, names: Vec<NamedAudience>) -> Result<CustomersPlan, Error> {
        let list = self.list_target(&ask)?;
        let Ask { count, by, columns, order, limit, sample, split, .. } = ask;
        Ok(CustomersPlan {
            expression,
            by: by.map(|name| match name {
                DimensionName::Taste => Dimension::Taste,
                DimensionName::Most => Dimension::MostWatch,
                DimensionName::Days => Dimension::Days,
                DimensionName::Category => Dimension::Category,
            }),
            selection: Selection {
                order: match order {
                    Some(OrderName::Total) => Order::Total,
                    Some(OrderName::Contract) | None => Order::Contract,
                },
                limit,
                sample: sample.map(|Percent(fraction)| fraction),
                seed: self.settings.seed.seed.unwrap_or(1),
            },
            split: split.map_or_else(Vec::new, |Shares(shares)| shares),
            reasons: reasons(&columns, names),
            columns: chosen(&columns)?,
            list,
            mask: self.mask()?,
            form: if count { CountForm::Number } else { CountForm::Sentence },
        })
    }
}

impl Resolver<'_> {
    /// Where a list goes; none where none is asked for. What would be left out of the answer is refused.
    fn list_target(&self, ask: &Ask) -> Result<Option<ListTarget>, Error> {
        let Some(path) = &ask.out else { return list_on_stdout(ask) };
        match ListFormat::of(path) {
            Some(ListFormat::Roaring) if !ask.columns.is_empty() => {
                Err(usage("a bitmap has no columns", "leave --columns out, or write .csv or .parquet"))
            }
            Some(ListFormat::Roaring) if ask.order.is_some() && ask.limit.is_none() => {
                Err(usage("a bitmap has no order", "leave --order out, or write .csv or .parquet"))
            }
            // Rows of the month file lead to the contracts.
            Some(ListFormat::Roaring) if self.mask()?.is_some() => Err(usage(
                "a bitmap of rows has no pseudonyms",
                "leave --mask-contracts out, or write .csv or .parquet",
            )),
            Some(format) => Ok(Some(ListTarget::File(path.clone(), format))),
            None => {
                let what = format!("{}: the ending says no format of a list", path.display());
                Err(usage(what, "name a file that ends in .csv, .parquet or .roaring"))
            }
        }
    }
}

/// A list for stdout, where a flag asks for one: what else goes there is asked for by itself.
fn list_on_stdout(ask: &Ask) -> Result<Option<ListTarget>, Error> {
    let flags =
        [("--columns", !ask.columns.is_empty()), ("--order", ask.order.is_some()), ("--limit", ask.limit.is_some())];
    let Some((flag, _)) = flags.into_iter().find(|(_, is_given)| *is_given) else { return Ok(None) };
    let others = [("--by", ask.by.is_some()), ("--split", ask.split.is_some()), ("--count", ask.count)];
    match others.into_iter().find(|(_, is_given)| *is_given) {
        Some((other, _)) => {
            let what = format!("{flag} asks for a list on stdout, where {other} prints something else");
            Err(usage(what, &format!("write the list to a file with --out, or leave {flag} out")))
        }
        None => Ok(Some(ListTarget::Stdout)),
    }
}

const LANGUAGE: &str = "`viewmart audience --help` tells the language";

const ASK: &str = "write `viewmart audience MONTH.parquet 'tv > 10h'`; `viewmart audience --help` tells the language";

impl Ask {
    /// Whether a flag makes sense only with an expression.
    fn asks_for_customers(&self) -> bool {
        let Ask { count, by, out, columns, order, limit, sample, split, .. } = self;
        let is_listed = !columns.is_empty() || order.is_some() || limit.is_some() || out.is_some();
        *count || by.is_some() || is_listed || sample.is_some() || split.is_some()
    }
}

/// The months, of which there must be some.
fn some(months: Vec<PathBuf>) -> Result<Vec<PathBuf>, Error> {
    if months.is_empty() { Err(usage("no month file is named", ASK)) } else { Ok(months) }
}

/// The months among the words, and the expression after them. A word that is both a path and an expression is an
/// expression after a path, and a path by itself.
fn sorted(words: &[OsString], names: &[NamedAudience]) -> Result<(Vec<PathBuf>, Option<AskedExpr>), Error> {
    let paths = |words: &[OsString]| words.iter().map(PathBuf::from).collect::<Vec<_>>();
    let Some((last, months)) = words.split_last() else { return Ok((Vec::new(), None)) };
    let path = Path::new(last);
    let is_path = path.extension().is_some_and(|ending| ending == "parquet") || path.exists();
    if is_path && months.is_empty() {
        return Ok((paths(words), None));
    }
    let text = last.to_string_lossy();
    match parse_with(&text, names) {
        Ok(expr) => Ok((paths(months), Some(AskedExpr { text: text.into_owned(), expr }))),
        Err(_) if is_path => Ok((paths(words), None)),
        Err(error) => {
            let is_one_word = !text.contains(char::is_whitespace);
            let no_path = if is_one_word { "\nand no file or folder has that name" } else { "" };
            Err(usage(format!("{error}{no_path}"), LANGUAGE))
        }
    }
}

fn asked(text: &str, names: &[NamedAudience]) -> Result<AskedExpr, Error> {
    match parse_with(text, names) {
        Ok(expr) => Ok(AskedExpr { text: text.to_owned(), expr }),
        Err(error) => Err(usage(error.to_string(), LANGUAGE)),
    }
}

fn overlap(texts: &[String], names: &[NamedAudience]) -> Result<Inquiry, Error> {
    if texts.len() > MAX_AUDIENCES {
        let what = format!("{} audiences are too many to compare: {MAX_AUDIENCES} at most", texts.len());
        return Err(usage(what, "leave some out, or join them with `or`"));
    }
    Ok(Inquiry::Overlap(texts.iter().map(|text| asked(text, names)).collect::<Result<_, _>>()?))
}

/// The audiences whose reasons a list shows that has columns of these names.
fn reasons(names: &[String], audiences: Vec<NamedAudience>) -> Vec<NamedAudience> {
    match names.iter().any(|name| name.eq_ignore_ascii_case(REASON)) {
        true => audiences.into_iter().filter(|audience| !audience.reason.is_empty()).collect(),
        false => Vec::new(),
    }
}

/// The columns of these names, without the contract, which every list has.
fn chosen(names: &[String]) -> Result<ListColumns, Error> {
    if names.iter().any(|name| name == "all") {
        return Ok(ListColumns::All);
    }
    let all = || held_by(COLUMNS_WITH_DEVICES, Output::MonthFile);
    let known: Vec<&str> = all().map(|column| column.name).chain([REASON]).collect();
    let of = |name: &String| match all().find(|column| column.name.eq_ignore_ascii_case(name)) {
        Some(column) => Ok(column),
        None => {
            let near = nearest(name, &known).map_or(String::new(), |near| format!("did you mean {near}? "));
            Err(usage(format!("`{name}` is no column"), &format!("{near}The columns are {}", known.join(", "))))
        }
    };
    let is_other = |name: &&String| !["contract", REASON].iter().any(|known| name.eq_ignore_ascii_case(known));
    let twice = |(place, name): (usize, &String)| names[..place].iter().any(|before| before.eq_ignore_ascii_case(name));
    if let Some((_, name)) = names.iter().enumerate().find(|named| twice(*named)) {
        return Err(usage(format!("--columns names {name} twice"), "name each column once"));
    }
    let named = names.iter().filter(is_other).map(of);
    Ok(ListColumns::Named(named.collect::<Result<_, _>>()?))
}
