//! Statements with placeholders for databases, months and parts of the customers.

use crate::engine::calendar::Month;

/// What the placeholders of a statement stand for.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    /// The warehouse's database, quoted where needed.
    pub warehouse: &'a str,
    /// The mart's database, quoted where needed.
    pub mart: &'a str,
    /// What stands before the name of a table that is there for a while.
    pub work: &'a str,
}

/// A part of the customers, for statements that are run for each part.
#[derive(Clone, Copy, Debug)]
pub struct PartOfMonth<'a> {
    /// `{part}` in statements.
    pub number: usize,
    /// `{range}` in statements: a condition on `Contract`.
    pub range: &'a str,
}

impl Names<'_> {
    /// The statement with `{warehouse}`, `{mart}` and `{work}` filled in.
    pub fn fill(&self, sql: &str) -> String {
        fill(sql, &self.values())
    }

    /// As [`Names::fill`], and `{month}` as the quoted first day of `month`.
    pub fn fill_month(&self, sql: &str, month: Month) -> String {
        let first_day = format!("'{}'", month.first_day());
        let [warehouse, mart, work] = self.values();
        fill(sql, &[warehouse, mart, work, ("{month}", &first_day)])
    }

    /// As [`Names::fill_month`], and what stands for the part.
    pub fn fill_part(&self, sql: &str, month: Month, part: PartOfMonth<'_>) -> String {
        let (first_day, number) = (format!("'{}'", month.first_day()), part.number.to_string());
        let [warehouse, mart, work] = self.values();
        let of_part = [("{month}", first_day.as_str()), ("{part}", &number), ("{range}", part.range)];
        fill(sql, &[&[warehouse, mart, work][..], &of_part].concat())
    }

    fn values(&self) -> [(&'static str, &str); 3] {
        [("{warehouse}", self.warehouse), ("{mart}", self.mart), ("{work}", self.work)]
    }
}

/// Fills in every placeholder in one pass: what is filled in is never read again, a database may be called anything.
fn fill(sql: &str, values: &[(&str, &str)]) -> String {
    let mut filled = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some(at) = rest.find('{') {
        let (before, from) = rest.split_at(at);
        filled.push_str(before);
        let (placeholder, value) =
            values.iter().find(|(placeholder, _)| from.starts_with(placeholder)).copied().unwrap_or(("{", "{"));
        filled.push_str(value);
        rest = &from[placeholder.len()..];
    }
    filled + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled() {
        let names = Names { warehouse: "`{mart}`", mart: "`a{month}`", work: "temp." };
        let month = "2022-04".parse().unwrap();
        let sql = "{warehouse}.t {mart}.u {work}v {month} {x} {range} {";
        assert_eq!(names.fill_month(sql, month), "`{mart}`.t `a{month}`.u temp.v '2022-04-01' {x} {range} {");
        assert_eq!(names.fill(sql), "`{mart}`.t `a{month}`.u temp.v {month} {x} {range} {");
        let part = PartOfMonth { number: 3, range: "Contract < '{month}'" };
        assert_eq!(names.fill_part("{part} {month} {range}", month, part), "3 '2022-04-01' Contract < '{month}'");
    }
}
