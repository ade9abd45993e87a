//! Passwords in what users type, blotted out before anybody reads it.

/// The address with whatever may be a password blotted out, in any form that somebody may have copied from elsewhere:
/// `scheme://user:password@host`, the same without `//` or without a scheme, `?password=…`, `jdbc:mysql:…`. Rather too
/// much than too little is blotted out: a password may hold `@`, `/`, `?` and `&`.
pub(crate) fn redact(text: &str) -> String {
    const BLOT: &str = "***";
    let mut text = text.to_owned();
    // `password=`, `pwd=`, `sslpassword:` and their like: nobody can tell where the value ends.
    let lower = text.to_ascii_lowercase();
    let words = ["pass", "pwd", "secret", "token"];
    let value = words.iter().flat_map(|word| lower.match_indices(word)).filter_map(|(at, _)| {
        let rest = lower.get(at..)?;
        let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '-' | ' '))?;
        rest.get(length..)?.starts_with(['=', ':']).then_some(at + length + 1)
    });
    if let Some(start) = value.min() {
        text.truncate(start);
        text.push_str(BLOT);
    }
    // The user ends with the first colon after the scheme, the password with the last `@`.
    if let Some(end) = text.rfind('@') {
        let start = match text.find("//") {
            Some(slashes) if slashes < end => slashes + 2,
            _ => 0,
        };
        if let Some(colon) = text.get(start..end).and_then(|account| account.find(':')) {
            text.replace_range(start + colon + 1..end, BLOT);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_without_a_password_is_shown_as_it_is() {
        let check = |text: &str| assert_eq!(redact(text), text);
        check("postgres://u@h:5432/db?sslmode=require");
        check("mysql:h/db");
        check("warehouse.db");
        check("sqlite:/data/passwords/warehouse.db");
    }

    #[test]
    fn keys_of_other_lakes_are_blotted_out() {
        let check = |text: &str, shown: &str| assert_eq!(redact(text), shown);
        check("s3://key:secret@bucket/lake", "s3://key:***@bucket/lake");
        check("hdfs://u:pw@nn/x", "hdfs://u:***@nn/x");
    }
}
