//! Days that are not like the others of their month: what a run warns of and what is shown of it.

/// Records of the median day from which on days are held against it.
pub const MIN_MEDIAN_RECORDS: u64 = 100;

/// The kind of the warnings of days of which too much was rejected; their text begins with the date.
pub const REJECTING_DAY: &str = "rejected";

/// How a day differs from the median day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Odd {
    /// It has less than half of it.
    Less,
    /// It has more than twice as much.
    More,
}

/// What the median day of a month has, in records or bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MedianDay {
    /// How much.
    pub amount: u64,
    /// Of less than this it says nothing.
    least: u64,
}

impl MedianDay {
    /// That of days with these amounts; those without any are missing. Days are held against it where it has `least`.
    pub fn of(amounts: impl IntoIterator<Item = u64>, least: u64) -> MedianDay {
        let mut amounts: Vec<u64> = amounts.into_iter().filter(|amount| *amount > 0).collect();
        amounts.sort_unstable();
        MedianDay { amount: amounts.get(amounts.len() / 2).copied().unwrap_or(0), least }
    }

    /// Whether a day with this amount is odd.
    pub fn odd(&self, amount: u64) -> Option<Odd> {
        match amount {
            0 => None,
            _ if self.amount < self.least => None,
            _ if amount < self.amount.div_ceil(2) => Some(Odd::Less),
            _ if amount > self.amount.saturating_mul(2) => Some(Odd::More),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_held_against_the_median() {
        let check = |amounts: &[u64], median: u64, odd: &[(u64, Option<Odd>)]| {
            let day = MedianDay::of(amounts.iter().copied(), 100);
            assert_eq!(day.amount, median, "{amounts:?}");
            for (amount, expected) in odd {
                assert_eq!(day.odd(*amount), *expected, "{amounts:?} {amount}");
            }
        };
        check(&[], 0, &[(0, None), (5, None)]);
        check(&[99, 99, 1], 99, &[(1, None), (1000, None)]);
        let odd = [(0, None), (50, Some(Odd::Less)), (51, None), (202, None), (203, Some(Odd::More))];
        check(&[0, 0, 101, 0, 500, 7], 101, &odd);
        check(&[u64::MAX], u64::MAX, &[(u64::MAX, None), (1, Some(Odd::Less))]);
    }
}
