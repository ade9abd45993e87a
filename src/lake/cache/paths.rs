//! Where a file of a lake lies in the cache.

use std::path::PathBuf;

use sha2::{Digest, Sha256};

use crate::engine::hex::hex;
use crate::lake::input::HdfsUri;

/// Longest file name of common file systems, in bytes.
const MAX_NAME_BYTES: usize = 255;

/// Path of `uri` within the cache: the same names, with everything escaped that could lead elsewhere or that no file
/// system takes. Different URIs have different paths.
pub fn relative_path(uri: &HdfsUri) -> PathBuf {
    let names = uri.path.split('/').filter(|name| !name.is_empty());
    [uri.scheme.as_str(), &uri.authority].into_iter().chain(names).map(safe_name).collect()
}

/// Name of the partial file of `uri`.
pub fn key(uri: &str) -> String {
    hex(Sha256::digest(uri.as_bytes()).iter().take(16))
}

fn safe_name(name: &str) -> String {
    let mut safe = String::new();
    for (at, character) in name.char_indices() {
        let is_special =
            character.is_control() || matches!(character, '%' | '/' | '\\') || (at == 0 && character == '.');
        if is_special {
            let mut bytes = [0; 4];
            for byte in character.encode_utf8(&mut bytes).bytes() {
                safe.push_str(&format!("%{byte:02X}"));
            }
        } else {
            safe.push(character);
        }
    }
    if safe.len() > MAX_NAME_BYTES {
        // `%-` is no escape, so that no other name looks like this.
        let digest = format!("%-{}", key(name));
        let mut end = MAX_NAME_BYTES - digest.len();
        while !safe.is_char_boundary(end) {
            end -= 1;
        }
        safe.truncate(end);
        safe.push_str(&digest);
    }
    safe
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn names_stay_inside_of_the_cache() {
        let check = |name: &str, expected: &str| assert_eq!(safe_name(name), expected, "{name}");
        check("20220401.json", "20220401.json");
        check("nn:9000", "nn:9000");
        check("a b#c?d{e}*é", "a b#c?d{e}*é");
        check("..", "%2E.");
        check(".hidden", "%2Ehidden");
        check("a%2Fb\\c\n\u{85}", "a%252Fb%5Cc%0A%C2%85");
        let long = safe_name(&"é".repeat(200));
        assert!(long.len() <= MAX_NAME_BYTES && long.contains("%-"), "{long}");
        assert_ne!(long, safe_name(&"é".repeat(201)));
        let uri = HdfsUri { scheme: "hdfs".into(), authority: "..".into(), path: "//a//../b".into() };
        assert_eq!(relative_path(&uri), Path::new("hdfs/%2E./a/%2E./b"));
    }
}
