//! Lists of contracts in a file, one a line: what `in('list.csv')` and `exclude_file` read.

use std::path::Path;

/// The contracts in the first column of a CSV file; a header `Contract` and a byte order mark are passed over.
///
/// # Errors
/// When the file cannot be read or is not UTF-8.
pub fn read(path: &Path) -> Result<Vec<String>, csv::Error> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_path(path)?;
    let mut contracts = Vec::new();
    let mut record = csv::StringRecord::new();
    let mut is_first = true;
    while reader.read_record(&mut record)? {
        let contract = record.get(0).unwrap_or_default();
        let contract = if is_first { contract.trim_start_matches('\u{feff}') } else { contract };
        if !(is_first && contract.eq_ignore_ascii_case("contract")) {
            contracts.push(contract.to_owned());
        }
        is_first = false;
    }
    Ok(contracts)
}
