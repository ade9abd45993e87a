//! Hashes as text.

/// Two lower-case digits a byte. One line is less than the crate for it.
pub fn hex<'a>(bytes: impl IntoIterator<Item = &'a u8>) -> String {
    bytes.into_iter().map(|byte| format!("{byte:02x}")).collect()
}
