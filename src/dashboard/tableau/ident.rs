//! Identifiers that Tableau draws at random, here drawn from a hash, so that the same workbook has the same bytes.

use sha2::{Digest, Sha256};

/// The first 16 bytes of the hash of what is identified.
fn hashed(kind: &str, name: &str) -> [u8; 16] {
    let hash = Sha256::digest(format!("viewmart tableau\0{kind}\0{name}"));
    std::array::from_fn(|i| hash[i])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// A version 8 UUID (RFC 9562: of a hash of one's own choice) in braces, for `simple-id`.
pub(super) fn uuid(kind: &str, name: &str) -> String {
    let mut bytes = hashed(kind, name);
    bytes[6] = (bytes[6] & 0x0f) | 0x80;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let digits = hex(&bytes);
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    format!("{{{}-{}-{}-{}-{}}}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}

/// 28 letters and digits, as after `federated.` and `mysql.`.
pub(super) fn handle(kind: &str, name: &str) -> String {
    let mut digits = hex(&hashed(kind, name)).to_lowercase();
    digits.truncate(28);
    digits
}

/// The identifier of a table in the object model: its name and 32 upper-case hex digits.
pub(super) fn object(table: &str) -> String {
    format!("{table}_{}", hex(&hashed("object", table)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_have_their_forms() {
        let id = uuid("sheet", "KPI");
        assert_eq!(id.len(), 38);
        let groups: Vec<usize> = id.trim_matches(['{', '}']).split('-').map(str::len).collect();
        assert_eq!(groups, [8, 4, 4, 4, 12]);
        assert_eq!(id.as_bytes()[15], b'8');
        assert!(id.trim_matches(['{', '}']).bytes().all(|b| b == b'-' || b.is_ascii_digit() || b.is_ascii_uppercase()));
        assert_ne!(id, uuid("window", "KPI"));
        assert_eq!(id, uuid("sheet", "KPI"));
        assert_eq!(handle("a", "b").len(), 28);
        assert_eq!(object("t").len(), 2 + 32);
    }
}
