//! Which texts are integers of 64 bits.

use crate::engine::rules::FieldTypes;

/// The integer that `text` is: `-?[0-9]+`, and under lenient rules also with a fraction and an exponent, as long as
/// its value is an integer.
pub fn integer(text: &[u8], types: FieldTypes) -> Option<i64> {
    match types {
        FieldTypes::Strict => plain_integer(text),
        FieldTypes::Lenient => plain_integer(text).or_else(|| scaled_integer(text)),
    }
}

fn plain_integer(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// `-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?`, exactly: no bit is lost on the way through a floating point number.
fn scaled_integer(text: &[u8]) -> Option<i64> {
    let (is_negative, text) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = match text.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => (&text[..at], exponent_of(&text[at + 1..])?),
        None => (text, 0),
    };
    let (whole, fraction) = match mantissa.iter().position(|byte| *byte == b'.') {
        Some(at) => (&mantissa[..at], Some(&mantissa[at + 1..])),
        None => (mantissa, None),
    };
    if !is_digits(whole) || !fraction.is_none_or(is_digits) {
        return None;
    }
    let fraction = fraction.unwrap_or_default();
    // What is left between the zeros at both ends, and the power of ten that it is to be multiplied with.
    let digits = || whole.iter().chain(fraction);
    let n_zeros_behind = digits().rev().take_while(|digit| **digit == b'0').count();
    let n_digits = whole.len() + fraction.len();
    if n_zeros_behind == n_digits {
        return Some(0);
    }
    let n_zeros_before = digits().take_while(|digit| **digit == b'0').count();
    let n_significant = n_digits - n_zeros_before - n_zeros_behind;
    let length = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let scale = exponent.saturating_add(length(n_zeros_behind)).saturating_sub(length(fraction.len()));
    // 64 bits have 19 digits at most.
    let n_zeros =
        u32::try_from(scale).ok().filter(|zeros| length(n_significant).saturating_add(i64::from(*zeros)) <= 19)?;
    let significant = digits().skip(n_zeros_before).take(n_significant);
    let value = significant.fold(0_i128, |value, digit| value * 10 + i128::from(digit - b'0')) * 10_i128.pow(n_zeros);
    i64::try_from(if is_negative { -value } else { value }).ok()
}

/// The exponent of ten after its `e`; one that no number reaches is as good as any other such.
fn exponent_of(text: &[u8]) -> Option<i64> {
    let (is_negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    let step = |value: i64, digit: &u8| value.saturating_mul(10).saturating_add(i64::from(digit - b'0'));
    let value = is_digits(digits).then(|| digits.iter().fold(0_i64, step))?;
    Some(if is_negative { -value } else { value })
}

fn is_digits(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn integers_are_exact_however_they_are_written() {
        let check = |text: &str, strict: Option<i64>, lenient: Option<i64>| {
            assert_eq!(integer(text.as_bytes(), FieldTypes::Strict), strict, "strict: {text}");
            assert_eq!(integer(text.as_bytes(), FieldTypes::Lenient), lenient, "lenient: {text}");
        };
        let both = |text: &str, value: i64| check(text, Some(value), Some(value));
        let lenient = |text: &str, value: i64| check(text, None, Some(value));
        let neither = |text: &str| check(text, None, None);
        both("254", 254);
        both("-0", 0);
        both("007", 7);
        both("9223372036854775807", i64::MAX);
        both("-9223372036854775808", i64::MIN);
        lenient("254.0", 254);
        lenient("254.000", 254);
        lenient("2.54e2", 254);
        lenient("2.54E+2", 254);
        lenient("2540e-1", 254);
        lenient("0.254e3", 254);
        lenient("007.0", 7);
        lenient("-0.0", 0);
        lenient("0e999999999999999999999999", 0);
        lenient("0.000e-9", 0);
        lenient("1e18", 1_000_000_000_000_000_000);
        lenient("9223372036854775807.0", i64::MAX);
        lenient("-9.223372036854775808e18", i64::MIN);
        lenient("9007199254740993.0", 9_007_199_254_740_993);
        lenient(&format!("1{}e-500", "0".repeat(500)), 1);
        lenient(&format!("0.{}1e501", "0".repeat(500)), 1);
        lenient(&format!("{}7.0", "0".repeat(500)), 7);
        for text in [
            "",
            "-",
            ".",
            "254.5",
            "2.545e2",
            "1e-1",
            "254.",
            ".5e1",
            "+254",
            "--1",
            "1e",
            "1e+",
            "1e1.0",
            "1_000",
            "1,000",
            " 254",
            "254 ",
            "0x10",
            "NaN",
            "Infinity",
            "9223372036854775808",
            "-9223372036854775809.0",
            "1e19",
            "1e999999999999999999999999",
            "1e-999999999999999999999999",
            "٣",
            "1.0.0",
            "1e1e1",
        ] {
            neither(text);
        }
    }

    proptest! {
        #[test]
        fn a_number_moved_by_powers_of_ten_is_itself(value in any::<i64>(), n_zeros in 0..9_usize, n_moved in 0..30_usize) {
            let digits = format!("{}{}", value.unsigned_abs(), "0".repeat(n_zeros));
            let padded = format!("{}{digits}", "0".repeat(n_moved + 1));
            let (whole, fraction) = padded.split_at(padded.len() - n_moved);
            let fraction = if fraction.is_empty() { "0" } else { fraction };
            let sign = if value < 0 { "-" } else { "" };
            let text = format!("{sign}{whole}.{fraction}e{}", i64::try_from(n_moved).unwrap() - i64::try_from(n_zeros).unwrap());
            prop_assert_eq!(integer(text.as_bytes(), FieldTypes::Lenient), Some(value), "{}", text);
        }
    }
}
