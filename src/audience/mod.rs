//! Audiences: a question to a month, answered by the customers for whom it holds.
//!
//! ```text
//! text -> parse -> Expr -> evaluate over an Index (bitmaps of rows, columns for thresholds) -> rows
//! ```
//!
//! The naive way is one look at every row for every question. What differs: what does not depend on a threshold (a day,
//! a category, a label) is one roaring bitmap of rows, made once and combined by `and`, `or` and `not` without looking
//! at rows again; a threshold is one pass over the columns it needs. Invariant: the rows found are those for which the
//! expression holds when evaluated row by row, which is how the tests do it.

pub mod answer;
pub mod breakdown;
pub mod error;
pub mod evaluate;
pub mod expr;
pub mod index;
mod lexer;
pub mod list;
pub mod named;
pub mod outcome;
pub mod overlap;
pub mod parse;
pub mod retention;
mod rows;
#[cfg(test)]
mod tests;

pub use answer::{Answer, Member};
pub use error::ExprError;
pub use evaluate::{EvaluateError, Question, evaluate, evaluate_all};
pub use expr::Expr;
pub use index::Index;
pub use named::NamedAudience;
pub use parse::{parse, parse_with};
