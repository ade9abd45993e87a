//! `viewmart audience`: months are read, what is asked of them is answered, lists are written.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use roaring::RoaringBitmap;
use serde_json::Value;

use crate::audience::answer::{Answer, Member, RowsByMonth};
use crate::audience::evaluate::{Question, evaluate, evaluate_all, months_of, newest, refuse_missing_month};
use crate::audience::index::Index;
use crate::audience::list::{self, Cells, ListFormat, Names, Reason, Sheet};
use crate::audience::outcome::{
    AudienceOutcome, AudienceSize, Customers, ListFile, ListTable, NamedSize, NamedSizes, Overlap, SplitGroup,
};
use crate::audience::{EvaluateError, Expr, NamedAudience, breakdown, overlap, retention};
use crate::cli::plan::{AskedExpr, AudiencePlan, CustomersPlan, Inquiry, ListColumns, ListTarget, MaskKey};
use crate::dashboard::mask::Masker;
use crate::engine::calendar::Month;
use crate::engine::columns::{Cell, Column, DEVICES, Output, held_by, of_month_file};
use crate::engine::devices::Devices;
use crate::engine::month::MonthTable;
use crate::error::Error;
use crate::fs::atomic::{self, StagedFile};
use crate::month_file::{self, Merge, MergeOptions};
use crate::units::grouped;
use crate::warehouse::{RunAudience, RunAudiencePair, RunRecord, RunWarning};
use crate::{artifacts, console};

/// Answers what is asked.
pub(super) fn answer(plan: &AudiencePlan) -> Result<AudienceOutcome, Error> {
    let lists = match &plan.inquiry {
        Inquiry::Customers(customers) => {
            let lists = Lists::stage(customers)?;
            artifacts::refuse_clashes(&lists.files, None, inputs(plan, customers)?)?;
            lists
        }
        Inquiry::Named(_) | Inquiry::Overlap(_) | Inquiry::Retention => Lists::default(),
    };
    let files = month_file::find_months(&plan.months)?;
    let given: Vec<Month> = files.keys().copied().collect();
    let wanted = months_wanted(&plan.inquiry, &given)?;
    let tables = read_months(files, &wanted, lists.format)?;
    let indexes: Vec<Index<'_>> = tables.iter().map(Index::new).collect();
    match &plan.inquiry {
        Inquiry::Customers(plan) => find_customers(plan, &indexes, &given, lists),
        Inquiry::Named(names) => Ok(AudienceOutcome::Named(measure_named(names, &indexes, &given)?)),
        Inquiry::Overlap(audiences) => compare(audiences, &indexes),
        Inquiry::Retention => {
            let tables: Vec<&MonthTable> = tables.iter().collect();
            let cohorts = retention::cohorts(&tables);
            Ok(AudienceOutcome::Retention { months: cohorts.iter().map(|cohort| cohort.month).collect(), cohorts })
        }
    }
}

/// What is read for the question about customers.
fn inputs(plan: &AudiencePlan, customers: &CustomersPlan) -> Result<Vec<(PathBuf, &'static str)>, Error> {
    let mut inputs = super::steps::inputs_of_months(&plan.months)?;
    // A list in a folder of month files is none of them, and may be written anew.
    inputs.retain(|(path, _)| !month_file::is_list(path));
    let mut lists = Vec::new();
    customers.expression.expr.find_files(&mut lists);
    customers.reasons.iter().for_each(|audience| audience.expr.find_files(&mut lists));
    inputs.extend(lists.into_iter().map(|path| (path.to_owned(), "a list that is read")));
    inputs.extend(customers.mask.iter().map(|key| (key.file.clone(), "the key of the pseudonyms")));
    Ok(inputs)
}

/// The months that have to be read of those `given`: the newest, which is asked, and those that the question names.
fn months_wanted(inquiry: &Inquiry, given: &[Month]) -> Result<BTreeSet<Month>, EvaluateError> {
    let base = given.iter().max().copied().ok_or(EvaluateError::NoMonth)?;
    let mut wanted = BTreeSet::from([base]);
    let mut add = |expr: &Expr| wanted.extend(months_of(expr, base));
    match inquiry {
        Inquiry::Customers(plan) => {
            refuse_missing_month(&plan.expression.expr, given)?;
            add(&plan.expression.expr);
            plan.reasons.iter().for_each(|audience| add(&audience.expr));
        }
        Inquiry::Named(names) => names.iter().for_each(|audience| add(&audience.expr)),
        Inquiry::Overlap(audiences) => {
            for asked in audiences {
                refuse_missing_month(&asked.expr, given)?;
                add(&asked.expr);
            }
        }
        Inquiry::Retention => wanted.extend(given),
    }
    Ok(wanted)
}

/// The wanted months, oldest first.
fn read_months(
    files: BTreeMap<Month, Vec<PathBuf>>,
    wanted: &BTreeSet<Month>,
    format: Option<ListFormat>,
) -> Result<Vec<MonthTable>, Error> {
    let base = files.keys().next_back().copied();
    let read = |(month, files): (Month, Vec<PathBuf>)| {
        if format == Some(ListFormat::Roaring) && Some(month) == base && files.len() > 1 {
            let what = format!("{month} is in {} month files: a bitmap holds the rows of one", files.len());
            return Err(super::steps::usage(what, "make one of them with `viewmart merge`, and ask that"));
        }
        let merge = Merge::open(&files, &MergeOptions::default())?;
        let missing = merge.incomplete();
        if let Some(first) = missing.first() {
            let n_more = missing.len() - 1;
            let more = if n_more > 0 { format!(", and {n_more} more") } else { String::new() };
            console::say(format_args!("warning: {} is incomplete: {first}{more}", merge.month()));
        }
        Ok(merge.into_table()?)
    };
    files.into_iter().filter(|(month, _)| wanted.contains(month)).map(read).collect()
}

fn find_customers(
    plan: &CustomersPlan,
    indexes: &[Index<'_>],
    given: &[Month],
    mut lists: Lists,
) -> Result<AudienceOutcome, Error> {
    let AskedExpr { text, expr } = &plan.expression;
    let answer = evaluate(Question { text, expr }, indexes)?;
    warn_of_lists(&answer);
    let table = answer.base;
    let mask = lists.mask.take();
    let show = |contract: &str| mask.as_ref().map_or_else(String::new, |mask| mask.mask(contract));
    let names = if mask.is_some() { Names::Pseudonyms(&show) } else { Names::Contracts };
    let members = list::select(&answer, &plan.selection, names);
    let rows: RowsByMonth = match plan.selection.takes_all() {
        true => answer.rows_by_month(),
        false => members.iter().copied().collect(),
    };
    let by = plan.by.map(|dimension| (dimension, breakdown::count(indexes, &rows, dimension)));
    let groups = match plan.split.as_slice() {
        [] => vec![members.clone()],
        shares => list::split(&members, shares, plan.selection.seed),
    };
    let columns = columns_of(&plan.columns, table)?;
    let reasons = reasons(&plan.reasons, indexes, given);
    let sheet = Sheet { base: table.month, columns: &columns, reasons: &reasons, names };
    let list = (plan.list == Some(ListTarget::Stdout)).then(|| tabulate(&members, &sheet));
    let sizes = groups.iter().map(|group| group.len() as u64);
    Ok(AudienceOutcome::Customers(Box::new(Customers {
        month: table.month,
        expression: text.clone(),
        month_users: table.n_rows() as u64,
        size: size_of(&rows, indexes, table.month),
        by,
        split: plan.split.iter().zip(sizes).map(|(share, users)| SplitGroup { share: *share, users }).collect(),
        files: lists.write(&groups, &sheet)?,
        list,
        form: plan.form,
    })))
}

/// The reasons of the audiences, each with its customers; of one that asks for what is not there none is known.
fn reasons<'a>(audiences: &[NamedAudience], indexes: &[Index<'a>], given: &[Month]) -> Vec<Reason<'a>> {
    let reason = |audience: &NamedAudience| {
        let answer = refuse_missing_month(&audience.expr, given)
            .and_then(|()| evaluate(Question { text: &audience.text, expr: &audience.expr }, indexes));
        match answer {
            Ok(answer) => Some(Reason::of(&audience.reason, &answer)),
            Err(error) => {
                console::say(format_args!("warning: the reason of {} is left out: {}", audience.name, error.brief()));
                None
            }
        }
    };
    audiences.iter().filter_map(reason).collect()
}

/// The columns of a list of customers of `table`, without the contract, which every list has.
fn columns_of(wanted: &ListColumns, table: &MonthTable) -> Result<Vec<&'static Column>, Error> {
    let devices = table.counts_devices();
    match wanted {
        ListColumns::All => {
            let all = held_by(of_month_file(devices), Output::MonthFile);
            Ok(all.filter(|column| column.name != "Contract").collect())
        }
        ListColumns::Named(named) => {
            let asks_for_devices = named.iter().any(|column| column.name == DEVICES.name);
            match asks_for_devices && devices == Devices::Ignored {
                true => Err(EvaluateError::NoDevices { month: table.month }.into()),
                false => Ok(named.clone()),
            }
        }
    }
}

fn size_of(rows: &RowsByMonth, indexes: &[Index<'_>], base: Month) -> AudienceSize {
    let seconds_of = |(month, rows): (Month, &RoaringBitmap)| {
        let table = indexes.iter().map(|index| index.table).find(|table| table.month == month);
        table.map_or(0, |table| rows.iter().map(|row| i128::from(table.total[row as usize])).sum())
    };
    let seconds: i128 = rows.iter().map(seconds_of).sum();
    let users = rows.n_users();
    // The sums of all parts of a month fit: it was refused otherwise. Those of several may not, far beyond any lake.
    let seconds = i64::try_from(seconds).unwrap_or(if seconds < 0 { i64::MIN } else { i64::MAX });
    AudienceSize { users, elsewhere: users - rows.n_users_in(base), seconds }
}

/// Tells of lists that name nobody.
fn warn_of_lists(answer: &Answer<'_>) {
    answer.unmatched.iter().for_each(|unmatched| console::say(format_args!("warning: {unmatched}")));
}

/// How large each audience is in the newest month; of one that asks for a month that is not there, that it does.
fn measure_named(names: &[NamedAudience], indexes: &[Index<'_>], given: &[Month]) -> Result<NamedSizes, Error> {
    let base = newest(indexes)?;
    let measured = |audience: &NamedAudience| {
        let answer = refuse_missing_month(&audience.expr, given)
            .and_then(|()| evaluate(Question { text: &audience.text, expr: &audience.expr }, indexes));
        let size = answer.map(|answer| {
            warn_of_lists(&answer);
            size_of(&answer.rows_by_month(), indexes, base.month)
        });
        NamedSize {
            name: audience.name.clone(),
            expression: audience.text.clone(),
            description: audience.description.clone(),
            size: size.map_err(|error| error.brief()),
        }
    };
    Ok(NamedSizes {
        month: base.month,
        month_users: base.n_rows() as u64,
        audiences: names.iter().map(measured).collect(),
    })
}

/// Measures the audiences for the record of the run that would publish `table`. What cannot be answered from that month
/// alone, and what a list leaves open, is a warning: whoever wants it has to know before anything is published.
pub(super) fn measure(
    names: &[NamedAudience],
    table: &MonthTable,
    record: &mut RunRecord,
    warnings: &mut Vec<RunWarning>,
) {
    let indexes = [Index::new(table)];
    let mut warn = |text: String| {
        console::say(format_args!("warning: {text}"));
        warnings.push(RunWarning { kind: "audience".to_owned(), text });
    };
    let mut measured: Vec<(&NamedAudience, RoaringBitmap)> = Vec::new();
    for audience in names {
        match evaluate(Question { text: &audience.text, expr: &audience.expr }, &indexes) {
            Ok(answer) => {
                answer.unmatched.iter().for_each(|unmatched| warn(format!("audience {}: {unmatched}", audience.name)));
                measured.push((audience, answer.base_rows()));
            }
            Err(error) => warn(format!("audience {} is left out: {}", audience.name, error.brief())),
        }
    }
    let sized = measured.par_iter().map(|(audience, rows)| {
        let description = match audience.description.as_str() {
            "" => audience.text.clone(),
            description => description.to_owned(),
        };
        let seconds: i128 = rows.iter().map(|row| i128::from(table.total[row as usize])).sum();
        RunAudience {
            name: audience.name.clone(),
            description,
            expression: audience.text.clone(),
            users: rows.len(),
            // The sums of all parts of a month fit: it was refused otherwise.
            seconds: i64::try_from(seconds).unwrap_or(i64::MAX),
            others_median_seconds: median_of_others(rows, table),
        }
    });
    record.audiences = sized.collect();
    let pairs = measured.iter().flat_map(|one| measured.iter().map(move |other| (one, other)));
    let pair = |((audience, rows), (other, of_other)): (&(&NamedAudience, RoaringBitmap), &(&NamedAudience, _))| {
        RunAudiencePair {
            audience: audience.name.clone(),
            other: other.name.clone(),
            users: rows.intersection_len(of_other),
        }
    };
    record.audience_pairs = pairs.map(pair).collect();
}

/// The total that half of the customers who are not in `rows` have at most.
fn median_of_others(rows: &RoaringBitmap, table: &MonthTable) -> i64 {
    let mut all = RoaringBitmap::new();
    all.insert_range(0..table.n_rows() as u32);
    let mut totals: Vec<i64> = (all - rows).iter().map(|row| table.total[row as usize]).collect();
    match totals.len() {
        0 => 0,
        n_others => *totals.select_nth_unstable((n_others - 1) / 2).1,
    }
}

fn compare(audiences: &[AskedExpr], indexes: &[Index<'_>]) -> Result<AudienceOutcome, Error> {
    let base = newest(indexes)?;
    let questions: Vec<Question<'_>> =
        audiences.iter().map(|asked| Question { text: &asked.text, expr: &asked.expr }).collect();
    let answers = evaluate_all(&questions, indexes)?;
    answers.iter().for_each(warn_of_lists);
    let sizes = audiences.iter().zip(&answers).map(|(asked, answer)| (asked.text.clone(), answer.len()));
    Ok(AudienceOutcome::Overlap(Overlap {
        month: base.month,
        audiences: sizes.collect(),
        combinations: overlap::combinations(&answers),
    }))
}

/// The list in memory.
fn tabulate(members: &[Member<'_>], sheet: &Sheet<'_>) -> ListTable {
    let cells = Cells::new(members, sheet.columns);
    let value = |cell: Option<Cell<'_>>| match cell {
        None => Value::Null,
        Some(Cell::Date(date)) => date.to_string().into(),
        Some(Cell::Text(text)) => text.into(),
        Some(Cell::Integer(number)) => number.into(),
    };
    let row = |member: &Member<'_>| {
        let reason = sheet.reason(member).map(Value::from);
        let contract = sheet.names.of(member.contract).into_owned().into();
        std::iter::once(contract).chain(cells.row(member).map(value)).chain(reason).collect()
    };
    ListTable { header: sheet.header().collect(), rows: members.iter().map(row).collect() }
}

/// The files of lists, begun before anything is read.
#[derive(Default)]
struct Lists {
    files: Vec<StagedFile>,
    format: Option<ListFormat>,
    mask: Option<Masker>,
}

impl Lists {
    fn stage(plan: &CustomersPlan) -> Result<Lists, Error> {
        let masker = |key: &MaskKey| Masker::from_settings(key.variable.as_deref(), &key.file);
        let mask = plan.mask.as_ref().map(masker).transpose()?;
        let Some(ListTarget::File(path, format)) = &plan.list else {
            return Ok(Lists { mask, ..Lists::default() });
        };
        let paths: Vec<PathBuf> = match plan.split.len() {
            0 => vec![path.clone()],
            n_groups => (1..=n_groups).map(|number| numbered(path, number)).collect(),
        };
        for path in &paths {
            refuse_month_file(path)?;
        }
        let files = paths.iter().map(|path| StagedFile::create(path)).collect::<Result<_, _>>()?;
        Ok(Lists { files, format: Some(*format), mask })
    }

    fn write(self, groups: &[Vec<Member<'_>>], sheet: &Sheet<'_>) -> Result<Vec<ListFile>, Error> {
        let Lists { mut files, format, .. } = self;
        let Some(format) = format else { return Ok(Vec::new()) };
        let mut written = Vec::new();
        for (file, members) in files.iter_mut().zip(groups) {
            let users = file.write_with(|out| match format {
                ListFormat::Csv => list::write_csv(members, sheet, out).map(|()| members.len() as u64),
                ListFormat::Parquet => list::write_parquet(members, sheet, out).map(|()| members.len() as u64),
                ListFormat::Roaring => list::write_roaring(members, sheet.base, out),
            })?;
            let path = file.target().to_owned();
            if users < members.len() as u64 {
                let n_left_out = members.len() as u64 - users;
                console::say(format_args!(
                    "warning: {}: {} not in {} and so without a row there; .csv holds them too",
                    path.display(),
                    match n_left_out {
                        1 => "1 customer is".to_owned(),
                        n => format!("{} customers are", grouped(n)),
                    },
                    sheet.base
                ));
            }
            written.push(ListFile { path, users });
        }
        atomic::publish(files)?;
        Ok(written)
    }
}

/// `list.csv` as `list-1.csv`.
fn numbered(path: &Path, number: usize) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!("-{number}"));
    if let Some(ending) = path.extension() {
        name.push(".");
        name.push(ending);
    }
    path.with_file_name(name)
}

/// A list never takes the place of a month file: the file that was asked, more often than not.
fn refuse_month_file(path: &Path) -> Result<(), Error> {
    let is_month_file = path.is_file() && Merge::open(&[path.to_owned()], &MergeOptions::default()).is_ok();
    if !is_month_file {
        return Ok(());
    }
    Err(super::steps::usage(format!("{}: is a month file", path.display()), "give the list another name with --out"))
}
