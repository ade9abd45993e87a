//! What `viewmart audience` answers: text for people, or JSON.

use std::fmt::{self, Display};
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::breakdown::{Dimension, Group};
use super::overlap::Combination;
use super::retention::Cohort;
use crate::engine::calendar::Month;
use crate::units::{bare_hours, counted, fine_percent, grouped, in_one_line};

/// The answer of a command.
#[derive(Clone, Debug, PartialEq)]
pub enum AudienceOutcome {
    /// The customers of one expression.
    Customers(Box<Customers>),
    /// The sizes of the audiences that have a name.
    Named(NamedSizes),
    /// The sizes of all combinations of several audiences.
    Overlap(Overlap),
    /// Customers by their first month.
    Retention {
        /// The months, ascending.
        months: Vec<Month>,
        /// A cohort for each of them.
        cohorts: Vec<Cohort>,
    },
}

/// The customers for whom an expression holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Customers {
    /// The month asked.
    pub month: Month,
    pub expression: String,
    /// Customers of the month.
    pub month_users: u64,
    /// Those chosen.
    pub size: AudienceSize,
    /// By what they are counted, with the counts.
    pub by: Option<(Dimension, Vec<Group>)>,
    /// The groups that they were cut into; none where they were not.
    pub split: Vec<SplitGroup>,
    /// The lists that were written.
    pub files: Vec<ListFile>,
    /// The list, where it goes to stdout.
    pub list: Option<ListTable>,
    /// The form of the text.
    pub form: CountForm,
}

/// How a count is told to people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountForm {
    Sentence,
    /// As a number alone, for scripts.
    Number,
}

/// How large an audience is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AudienceSize {
    /// Customers.
    pub users: u64,
    /// Those of them who are not in the month asked.
    pub elsewhere: u64,
    /// Their seconds, each in the newest month named that has them.
    pub seconds: i64,
}

impl AudienceSize {
    /// Customers of the month asked: what shares of it are made of.
    fn users_of_month(self) -> u64 {
        self.users - self.elsewhere.min(self.users)
    }

    fn put(self, month_users: u64, value: &mut Value) {
        value["users"] = self.users.into();
        value["users_elsewhere"] = self.elsewhere.into();
        value["seconds"] = self.seconds.into();
        value["user_share"] = share(self.users_of_month(), month_users).into();
    }
}

/// A part of the customers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SplitGroup {
    /// Its share, as it was asked for.
    pub share: u32,
    pub users: u64,
}

/// A list that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListFile {
    pub path: PathBuf,
    /// Customers in it.
    pub users: u64,
}

/// A list in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct ListTable {
    /// Names of its columns, the contract first.
    pub header: Vec<&'static str>,
    /// A text, a number or null for each column.
    pub rows: Vec<Vec<Value>>,
}

/// The sizes of named audiences.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedSizes {
    /// The month asked.
    pub month: Month,
    /// Customers of the month.
    pub month_users: u64,
    pub audiences: Vec<NamedSize>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct NamedSize {
    pub name: String,
    pub expression: String,
    pub description: String,
    /// How large it is, or why that is not known.
    pub size: Result<AudienceSize, String>,
}

/// How audiences overlap.
#[derive(Clone, Debug, PartialEq)]
pub struct Overlap {
    /// The month asked.
    pub month: Month,
    /// Each expression with its customers.
    pub audiences: Vec<(String, u64)>,
    /// Combinations that have a customer, largest first.
    pub combinations: Vec<Combination>,
}

impl Dimension {
    /// The name, as `--by` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Dimension::Taste => "taste",
            Dimension::MostWatch => "most",
            Dimension::Days => "days",
            Dimension::Category => "category",
        }
    }
}

impl AudienceOutcome {
    pub fn to_json(&self) -> Value {
        match self {
            AudienceOutcome::Customers(customers) => customers.to_json(),
            AudienceOutcome::Named(sizes) => sizes.to_json(),
            AudienceOutcome::Overlap(overlap) => overlap.to_json(),
            AudienceOutcome::Retention { months, cohorts } => {
                let months: Vec<String> = months.iter().map(Month::to_string).collect();
                let cohort = |cohort: &Cohort| json!({"month": cohort.month.to_string(), "users": cohort.users});
                json!({"months": months, "cohorts": cohorts.iter().map(cohort).collect::<Vec<_>>()})
            }
        }
    }
}

impl Customers {
    fn to_json(&self) -> Value {
        let mut value = json!({
            "month": self.month.to_string(), "expression": self.expression, "month_users": self.month_users,
        });
        self.size.put(self.month_users, &mut value);
        let mut put = |key: &str, part: Value| value[key] = part;
        if let Some((dimension, groups)) = &self.by {
            let group = |g: &Group| json!({"label": g.label, "users": g.users, "seconds": g.seconds});
            put("by", dimension.name().into());
            put("groups", groups.iter().map(group).collect());
        }
        if !self.split.is_empty() {
            put("split", self.split.iter().map(|g| json!({"share": g.share, "users": g.users})).collect());
        }
        if !self.files.is_empty() {
            let file = |f: &ListFile| json!({"file": f.path.display().to_string(), "users": f.users});
            put("files", self.files.iter().map(file).collect());
        }
        if let Some(ListTable { header, rows }) = &self.list {
            let row = |row: &Vec<Value>| -> Map<String, Value> {
                header.iter().map(|name| (*name).to_owned()).zip(row.iter().cloned()).collect()
            };
            put("list", rows.iter().map(row).map(Value::Object).collect());
        }
        value
    }
}

impl NamedSizes {
    fn to_json(&self) -> Value {
        let audience = |audience: &NamedSize| {
            let NamedSize { name, expression, description, size } = audience;
            let mut value = json!({"name": name, "expression": expression, "description": description});
            match size {
                Ok(size) => size.put(self.month_users, &mut value),
                Err(why) => value["unknown"] = why.as_str().into(),
            }
            value
        };
        json!({
            "month": self.month.to_string(), "month_users": self.month_users,
            "audiences": self.audiences.iter().map(audience).collect::<Vec<_>>(),
        })
    }
}

impl Overlap {
    /// Customers who are in one of the audiences at least.
    fn n_users(&self) -> u64 {
        self.combinations.iter().map(|combination| combination.users).sum()
    }

    fn members(&self, combination: &Combination) -> impl Iterator<Item = bool> {
        let members = combination.members;
        (0..self.audiences.len()).map(move |place| members >> place & 1 == 1)
    }

    fn to_json(&self) -> Value {
        let audience = |(expression, users): &(String, u64)| json!({"expression": expression, "users": users});
        let combination = |combination: &Combination| {
            let named = self.audiences.iter().zip(self.members(combination)).filter(|(_, is_member)| *is_member);
            let names: Vec<&String> = named.map(|((expression, _), _)| expression).collect();
            json!({"members": names, "users": combination.users})
        };
        json!({
            "month": self.month.to_string(), "users": self.n_users(),
            "audiences": self.audiences.iter().map(audience).collect::<Vec<_>>(),
            "combinations": self.combinations.iter().map(combination).collect::<Vec<_>>(),
        })
    }
}

impl Display for AudienceOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AudienceOutcome::Customers(customers) => customers.fmt(f),
            AudienceOutcome::Named(sizes) => sizes.fmt(f),
            AudienceOutcome::Overlap(overlap) => overlap.fmt(f),
            AudienceOutcome::Retention { months, cohorts } => {
                let mut grid = Grid::new(["first month".to_owned()].into_iter().chain(texts(months)), 1);
                for (place, cohort) in cohorts.iter().enumerate() {
                    let before = std::iter::repeat_n(String::new(), place);
                    let users = cohort.users.iter().map(|users| grouped(*users));
                    grid.row([cohort.month.to_string()].into_iter().chain(before).chain(users));
                }
                grid.fmt(f)
            }
        }
    }
}

impl Display for Customers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.form == CountForm::Number {
            return writeln!(f, "{}", self.size.users);
        }
        if let Some(ListTable { header, rows }) = &self.list {
            // Texts stand to the left, as far as they are in front.
            let holds_texts = |place: &usize| rows.iter().all(|row| !row.get(*place).is_some_and(Value::is_number));
            let n_texts = (0..header.len()).take_while(holds_texts).count();
            let mut grid = Grid::new(texts(header), n_texts);
            for row in rows {
                grid.row(row.iter().map(cell_text));
            }
            return grid.fmt(f);
        }
        let AudienceSize { users, elsewhere, seconds } = self.size;
        let who = match elsewhere {
            0 => {
                let share = fine_percent(users, self.month_users);
                format!("{} of {} ({share})", grouped(users), counted(self.month_users, "customer"))
            }
            1 if users == 1 => format!("1 customer, not in {}", self.month),
            _ if elsewhere == users => format!("{}, none of them in {}", counted(users, "customer"), self.month),
            _ => format!("{}, {} of them not in {}", counted(users, "customer"), grouped(elsewhere), self.month),
        };
        writeln!(f, "month {}: {who}, {} hours", self.month, bare_hours(seconds.into()))?;
        for (place, group) in self.split.iter().enumerate() {
            writeln!(f, "group {} ({}): {}", place + 1, group.share, counted(group.users, "customer"))?;
        }
        for file in &self.files {
            writeln!(f, "{}: {}", file.path.display(), counted(file.users, "customer"))?;
        }
        if let Some((dimension, groups)) = &self.by {
            writeln!(f)?;
            let mut grid = Grid::new([dimension.name(), "customers", "share", "hours"].map(str::to_owned), 1);
            for group in groups {
                let share = fine_percent(group.users, self.size.users);
                grid.row([group.label.clone(), grouped(group.users), share, bare_hours(group.seconds)]);
            }
            grid.fmt(f)?;
        }
        Ok(())
    }
}

impl Display for NamedSizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "month {}: {}\n", self.month, counted(self.month_users, "customer"))?;
        let mut grid = Grid::new(["audience", "customers", "share", "hours", ""].map(str::to_owned), 1);
        for audience in &self.audiences {
            let (size, words) = match &audience.size {
                Ok(size) => {
                    let share = fine_percent(size.users_of_month(), self.month_users);
                    ([grouped(size.users), share, bare_hours(size.seconds.into())], &audience.description)
                }
                Err(why) => (["-"; 3].map(str::to_owned), why),
            };
            let words = if words.is_empty() { &audience.expression } else { words };
            grid.row([audience.name.clone()].into_iter().chain(size).chain([words.clone()]));
        }
        grid.fmt(f)
    }
}

impl Display for Overlap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters: Vec<String> = ('A'..='Z').take(self.audiences.len()).map(String::from).collect();
        let mut grid = Grid::new(["", "customers", "audience"].map(str::to_owned), 1);
        for (letter, (expression, users)) in letters.iter().zip(&self.audiences) {
            grid.row([letter.clone(), grouped(*users), expression.clone()]);
        }
        grid.fmt(f)?;
        writeln!(f)?;
        let header = letters.iter().cloned().chain(["customers", "share"].map(str::to_owned));
        let mut grid = Grid::new(header, letters.len());
        for combination in &self.combinations {
            let marks = self.members(combination).map(|is_member| if is_member { "x" } else { "." }.to_owned());
            let users = [grouped(combination.users), fine_percent(combination.users, self.n_users())];
            grid.row(marks.chain(users));
        }
        grid.fmt(f)
    }
}

/// Cells under each other: the first columns and the last, where it holds words, to the left, numbers to the right.
struct Grid {
    n_left: usize,
    rows: Vec<Vec<String>>,
}

impl Grid {
    fn new(header: impl IntoIterator<Item = String>, n_left: usize) -> Grid {
        Grid { n_left, rows: vec![header.into_iter().collect()] }
    }

    fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }
}

impl Display for Grid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n_columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |place: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(place));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..n_columns).map(width).collect();
        let is_word = |cell: &String| cell.chars().any(char::is_alphabetic);
        let has_words_last = self.rows.iter().skip(1).any(|row| row.last().is_some_and(is_word));
        for row in &self.rows {
            let mut line = String::new();
            for (place, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let gap = if place == 0 { "" } else { "  " };
                let is_left = place < self.n_left || (has_words_last && place + 1 == n_columns);
                let padding = " ".repeat(width - cell.chars().count());
                line += &if is_left { format!("{gap}{cell}{padding}") } else { format!("{gap}{padding}{cell}") };
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

fn texts(values: &[impl Display]) -> impl Iterator<Item = String> {
    values.iter().map(ToString::to_string)
}

fn cell_text(cell: &Value) -> String {
    match cell {
        Value::Null => String::new(),
        // Contracts are outside data: no control character reaches the terminal.
        Value::String(text) => in_one_line(text),
        other => other.to_string(),
    }
}

/// A fraction, 0 of nothing.
pub fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_control_character_of_a_contract_reaches_the_terminal() {
        assert_eq!(cell_text(&"a\u{1b}[2J".into()), "a\\u{1b}[2J");
        assert_eq!(cell_text(&"É 'x'".into()), "É 'x'");
    }
}
