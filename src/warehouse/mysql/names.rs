//! Names and texts as they stand in statements.

use crate::warehouse::{WarehouseError, draw_random};

/// What the name of every table begins with that lives no longer than a step.
pub(super) const STAGING_PREFIX: &str = "viewmart_staging_";

/// The names of both databases, quoted.
#[derive(Clone, Debug)]
pub(super) struct QuotedNames {
    pub warehouse: String,
    pub mart: String,
}

/// A name in backticks.
pub(super) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A text as a literal, for sessions with the `sql_mode` of [`super::settings::begin`].
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// 16 hexadecimal digits that nobody can guess, for the names of what is made on the server `at`.
pub(super) fn random(at: &str) -> Result<String, WarehouseError> {
    Ok(format!("{:016x}", u64::from_be_bytes(draw_random(at)?)))
}
