//! The numbers of an expression.

use crate::audience::expr::Threshold;

/// A number of days or devices: `10`.
pub(super) fn whole(text: &str) -> Option<Threshold> {
    decimal(text).filter(|threshold| threshold.denominator == 1)
}

/// A number, `10` or `0.25`: up to six places after the point.
pub(super) fn decimal(text: &str) -> Option<Threshold> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > 6 || !text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return None;
    }
    let denominator = 10_i64.pow(fraction.len() as u32);
    let digits = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let numerator = whole.parse::<i64>().ok()?.checked_mul(denominator)?.checked_add(digits)?;
    (numerator <= 1 << 62).then_some(Threshold { numerator, denominator })
}

/// Seconds, as `10h`, `1h30m`, `1.5h`, `600`.
pub(super) fn duration(text: &str) -> Option<Threshold> {
    if text.ends_with(|c: char| c.is_ascii_digit()) {
        return decimal(text).filter(|_| text.bytes().all(|b| b.is_ascii_digit() || b == b'.'));
    }
    let mut sum = Threshold { numerator: 0, denominator: 1_000_000 };
    let mut last_unit = i64::MAX;
    for part in text.split_inclusive(|c: char| c.is_ascii_alphabetic()) {
        let unit = match part.bytes().last()? {
            b's' => 1,
            b'm' => 60,
            b'h' => 3600,
            b'd' => 86_400,
            _ => return None,
        };
        if unit >= last_unit {
            return None;
        }
        last_unit = unit;
        let number = decimal(&part[..part.len() - 1])?;
        let scaled = number.numerator.checked_mul(sum.denominator / number.denominator)?.checked_mul(unit)?;
        sum.numerator = sum.numerator.checked_add(scaled)?;
    }
    while sum.denominator > 1 && sum.numerator % 10 == 0 {
        sum.numerator /= 10;
        sum.denominator /= 10;
    }
    (sum.numerator <= 1 << 62).then_some(sum)
}
