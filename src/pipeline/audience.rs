//! `viewmart audience`: months are read, what is asked of them is answered, lists are written.

use std::io;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use roaring::RoaringBitmap;

use crate::artifacts;
use crate::audience::breakdown;
use crate::audience::evaluate::{Answer, Question, evaluate, evaluate_all, newest};
use crate::audience::index::Index;
use crate::audience::list::{self, ListFormat, Member, Order, Reason, Sheet};
use crate::audience::outcome::{
    AudienceOutcome, AudienceSize, Customers, ListFile, ListTable, NamedSize, NamedSizes, Overlap, SplitGroup,
};
use crate::audience::{EvaluateError, NamedAudience, overlap, retention};
use crate::cli::plan::{AskedExpr, AudiencePlan, CustomersPlan, Inquiry, ListColumns, ListTarget, MaskKey};
use crate::console;
use crate::dashboard::mask::Masker;
use crate::engine::columns::{Cell, Column, DEVICES, Output, Values, held_by, of_month_file};
use crate::engine::devices::Devices;
use crate::engine::month::MonthTable;
use crate::error::Error;
use crate::fs::atomic::{self, StagedFile};
use crate::month_file::{Merge, MergeOptions};
use crate::warehouse::{RunAudience, RunAudiencePair, RunRecord, RunWarning};

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
    let tables = read_months(&plan.months)?;
    let indexes: Vec<Index<'_>> = tables.iter().map(Index::new).collect();
    match &plan.inquiry {
        Inquiry::Customers(plan) => find_customers(plan, &indexes, lists),
        Inquiry::Named(names) => Ok(AudienceOutcome::Named(measure_named(names, &indexes)?)),
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
    let mut lists = Vec::new();
    customers.expression.expr.find_files(&mut lists);
    inputs.extend(lists.into_iter().map(|path| (path.to_owned(), "a list that is read")));
    inputs.extend(customers.mask.iter().map(|key| (key.file.clone(), "the key of the pseudonyms")));
    Ok(inputs)
}

/// The months, oldest first.
fn read_months(inputs: &[PathBuf]) -> Result<Vec<MonthTable>, Error> {
    let read = |merge: Merge| {
        let missing = merge.incomplete();
        if let Some(first) = missing.first() {
            let n_more = missing.len() - 1;
            let more = if n_more > 0 { format!(", and {n_more} more files are not whole") } else { String::new() };
            console::say(format_args!("warning: {} is there only in part: {first}{more}", merge.month()));
        }
        Ok(merge.into_table()?)
    };
    Merge::open_months(inputs)?.into_iter().map(read).collect()
}

fn find_customers(plan: &CustomersPlan, indexes: &[Index<'_>], mut lists: Lists) -> Result<AudienceOutcome, Error> {
    let AskedExpr { text, expr } = &plan.expression;
    let answer = evaluate(Question { text, expr }, indexes)?;
    let table = answer.base;
    let mut members = list::select(&answer, &plan.selection);
    let mask = lists.mask.take();
    let show = |contract: &str| match &mask {
        Some(mask) => mask.mask(contract),
        None => contract.to_owned(),
    };
    if mask.is_some() && plan.selection.order == Order::Contract {
        // In contract order the place of a pseudonym would tell whose it is.
        members.sort_by_cached_key(|member| show(member.contract));
    }
    let rows = if plan.selection.takes_all() {
        answer.base_rows()
    } else {
        let mut rows: Vec<u32> = members.iter().filter_map(|member| member.row).collect();
        rows.sort_unstable();
        rows.into_iter().collect()
    };
    let by = plan.by.zip(indexes.iter().find(|index| index.table.month == table.month));
    let by = by.map(|(dimension, index)| (dimension, breakdown::count(index, &rows, dimension)));
    let groups = match plan.split.as_slice() {
        [] => vec![members.clone()],
        shares => list::split(&members, shares, plan.selection.seed),
    };
    let columns = columns_of(&plan.columns, table)?;
    let reasons = reasons(&plan.reasons, indexes);
    let sheet = Sheet { table, columns: &columns, reasons: &reasons, show: &show };
    let list = (plan.list == Some(ListTarget::Stdout)).then(|| tabulate(&members, &sheet));
    let sizes = groups.iter().map(|group| group.len() as u64);
    Ok(AudienceOutcome::Customers(Box::new(Customers {
        month: table.month,
        expression: text.clone(),
        month_users: table.n_rows() as u64,
        size: size_of(members.len() as u64, &rows, table),
        by,
        split: plan.split.iter().zip(sizes).map(|(share, users)| SplitGroup { share: *share, users }).collect(),
        files: lists.write(&groups, &sheet)?,
        list,
        form: plan.form,
    })))
}

/// The reasons of the audiences, each with its customers in the newest month; of one that asks for what is not there none
/// is known.
fn reasons(audiences: &[NamedAudience], indexes: &[Index<'_>]) -> Vec<Reason> {
    let reason = |audience: &NamedAudience| {
        let answer = evaluate(Question { text: &audience.text, expr: &audience.expr }, indexes);
        match answer {
            Ok(answer) => Some(Reason { text: audience.reason.clone(), rows: answer.base_rows() }),
            Err(error) => {
                console::say(format_args!("warning: the reason of {} is left out: {error}", audience.name));
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

fn size_of(users: u64, rows: &RoaringBitmap, table: &MonthTable) -> AudienceSize {
    let seconds: i128 = rows.iter().map(|row| i128::from(table.total[row as usize])).sum();
    // The sums of all parts of a month fit: it was refused otherwise.
    AudienceSize { users, seconds: i64::try_from(seconds).unwrap_or(i64::MAX) }
}

/// How large each audience is in the newest month; of one that asks for a month that is not there, that it does.
pub(super) fn measure_named(names: &[NamedAudience], indexes: &[Index<'_>]) -> Result<NamedSizes, Error> {
    let base = newest(indexes)?;
    let measured = |audience: &NamedAudience| {
        let answer = evaluate(Question { text: &audience.text, expr: &audience.expr }, indexes);
        let size = answer.map(|answer: Answer<'_>| size_of(answer.len(), &answer.base_rows(), answer.base));
        NamedSize {
            name: audience.name.clone(),
            expression: audience.text.clone(),
            description: audience.description.clone(),
            size: size.map_err(|error| error.to_string()),
        }
    };
    Ok(NamedSizes {
        month: base.month,
        month_users: base.n_rows() as u64,
        audiences: names.iter().map(measured).collect(),
    })
}

/// Warns of audiences that ask for devices where those of `table` were not counted, as far as they are to be measured in
/// that month: whoever wants them has to know it before anything is published.
pub(super) fn warn_of_devices(names: &[NamedAudience], table: &MonthTable, warnings: &mut Vec<RunWarning>) {
    let month = table.month;
    if table.counts_devices() == Devices::Counted {
        return;
    }
    for audience in names.iter().filter(|audience| audience.expr.asks_for_devices(month, month)) {
        let text = left_out(audience, &EvaluateError::NoDevices { month });
        console::say(format_args!("warning: {text}"));
        warnings.push(RunWarning { kind: "audience".to_owned(), text });
    }
}

fn left_out(audience: &NamedAudience, error: &EvaluateError) -> String {
    format!("audience {} is left out: {error}", audience.name)
}

/// Measures the audiences for the record of the run that publishes `table`. Of one that cannot be answered from that
/// month alone a warning is shown.
pub(super) fn measure(names: &[NamedAudience], table: &MonthTable, record: &mut RunRecord) {
    let indexes = [Index::new(table)];
    let rows = |audience: &NamedAudience| {
        let answer = evaluate(Question { text: &audience.text, expr: &audience.expr }, &indexes);
        answer.map(|answer| answer.base_rows())
    };
    let mut measured: Vec<(&NamedAudience, RoaringBitmap)> = Vec::new();
    for audience in names {
        match rows(audience) {
            Ok(rows) => measured.push((audience, rows)),
            // Of this month that was told before.
            Err(EvaluateError::NoDevices { .. }) => {}
            Err(error) => console::say(format_args!("warning: {}", left_out(audience, &error))),
        }
    }
    let sized = measured.par_iter().map(|(audience, rows)| {
        let AudienceSize { users, seconds } = size_of(rows.len(), rows, table);
        let description = match audience.description.as_str() {
            "" => audience.text.clone(),
            description => description.to_owned(),
        };
        let others_median_seconds = median_of_others(rows, table);
        RunAudience { name: audience.name.clone(), description, users, seconds, others_median_seconds }
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
    let sizes = audiences.iter().zip(&answers).map(|(asked, answer)| (asked.text.clone(), answer.len()));
    Ok(AudienceOutcome::Overlap(Overlap {
        month: base.month,
        audiences: sizes.collect(),
        combinations: overlap::combinations(&answers),
    }))
}

/// The list in memory.
fn tabulate(members: &[Member<'_>], sheet: &Sheet<'_>) -> ListTable {
    let values: Vec<Values<'_>> = sheet.columns.iter().map(|column| column.values(sheet.table)).collect();
    let cell = |cell: Cell<'_>| match cell {
        Cell::Date(date) => date.to_string().into(),
        Cell::Text(text) => text.into(),
        Cell::Integer(number) => number.into(),
    };
    let row = |member: &Member<'_>| {
        let of_month = values
            .iter()
            .map(|values| member.row.map_or(serde_json::Value::Null, |row| cell(values.cell(row as usize))));
        let reason = sheet.reason(member).map(serde_json::Value::from);
        std::iter::once((sheet.show)(member.contract).into()).chain(of_month).chain(reason).collect()
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
                ListFormat::Parquet => {
                    list::write_parquet(members, sheet, out).map_err(io::Error::from).map(|()| members.len() as u64)
                }
                ListFormat::Roaring => list::write_roaring(members, out),
            })?;
            let path = file.target().to_owned();
            if users < members.len() as u64 {
                let n_left_out = members.len() as u64 - users;
                console::say(format_args!(
                    "warning: {}: {n_left_out} customers are not in {} and have no row there; .csv holds them too",
                    path.display(),
                    sheet.table.month
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
