//! What is to be asked of months.

use std::path::PathBuf;

use super::{ListColumns, MaskKey};
use crate::audience::breakdown::Dimension;
use crate::audience::list::{ListFormat, Selection};
use crate::audience::outcome::CountForm;
use crate::audience::{Expr, NamedAudience};

/// `viewmart audience`.
#[derive(Clone, Debug)]
pub struct AudiencePlan {
    /// Month files, and folders of them.
    pub months: Vec<PathBuf>,
    /// What is asked of them.
    pub inquiry: Inquiry,
}

/// What is asked about audiences.
#[derive(Clone, Debug)]
pub enum Inquiry {
    /// Who the customers are for whom an expression holds.
    Customers(Box<CustomersPlan>),
    /// How large these audiences are.
    Named(Vec<NamedAudience>),
    /// How these overlap.
    Overlap(Vec<AskedExpr>),
    /// How many customers come again, by their first month.
    Retention,
}

/// The question of one expression.
#[derive(Clone, Debug)]
pub struct CustomersPlan {
    pub expression: AskedExpr,
    /// What its customers are counted by.
    pub by: Option<Dimension>,
    /// Which of them, in what order.
    pub selection: Selection,
    /// The shares of the groups that they are cut into; none where they are not.
    pub split: Vec<u32>,
    /// Columns of a list, after the contract.
    pub columns: ListColumns,
    /// The audiences whose reasons stand after them, where they are asked for.
    pub reasons: Vec<NamedAudience>,
    /// Where a list goes; none: no list is asked for.
    pub list: Option<ListTarget>,
    /// Where the key of the pseudonyms is that are shown in place of contracts, where any are.
    pub mask: Option<MaskKey>,
    pub form: CountForm,
}

/// An expression, and the text that it was parsed from.
#[derive(Clone, Debug)]
pub struct AskedExpr {
    pub text: String,
    pub expr: Expr,
}

/// Where a list goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListTarget {
    /// To stdout, as a table or as JSON.
    Stdout,
    /// Into a file.
    File(PathBuf, ListFormat),
}
