//! The numbers of the charts as JSON. Everything here also stands in a table of the page.

use serde_json::{Value, json};

use super::sections::{self, Context, DISPLAY_ORDER};
use super::{text, units};
use crate::dashboard::model::{ActiveDays, MonthModel, WatchBand};

/// Chart data of one month: names as they are shown, seconds, shares in percent.
pub fn month(context: &Context<'_>) -> Value {
    let month = context.month;
    let total = month.summary;
    let day_of = |day| month.days.iter().find(|present| present.day == day);
    let users: Vec<Option<i64>> = month.month.days().map(|day| day_of(day).map(|d| d.active_users)).collect();
    let labels: Vec<String> = month.month.days().map(|day| units::day(month.month, day)).collect();
    let weekend: Vec<bool> = month.month.days().map(|day| units::is_weekend(month.month, day)).collect();
    let average: Vec<Option<i64>> =
        (1..=users.len()).map(|end| week_average(users.get(..end).unwrap_or(&[]))).collect();
    let category_seconds: Vec<Vec<Option<i64>>> = DISPLAY_ORDER
        .iter()
        .map(|c| month.month.days().map(|day| day_of(day).map(|d| d.seconds[*c as usize])).collect())
        .collect();

    let active = sections::active_days(month);
    let bands = sections::shown_bands(month);

    json!({
        "days": labels,
        "weekend": weekend,
        "users": users,
        "average": average,
        "seconds": category_seconds,
        "categories": DISPLAY_ORDER.map(|c| {
            let audience = month.categories[c as usize];
            json!({
                "users": audience.users,
                "userShare": percent(audience.users.into(), total.users.into()),
                "seconds": audience.seconds,
                "hoursShare": percent(audience.seconds.into(), total.total_seconds.into()),
            })
        }),
        "active": active.iter().map(|bin| bin.users).collect::<Vec<_>>(),
        "atLeast": at_least(&active, total.users),
        "bands": bands.iter().map(|b| json!([sections::band_axis_label(b), sections::band_label(b), b.users])).collect::<Vec<_>>(),
        "marks": marks(month, bands),
        "uncut": sections::longest_bar(month),
        "top": month.top_customers.iter().take(sections::OPEN_CUSTOMERS).map(|customer| {
            json!([
                text::visible(&context.shown_contract(&customer.contract)),
                customer.total_seconds,
                text::visible(&sections::taste_words(&customer.taste)),
            ])
        }).collect::<Vec<_>>(),
    })
}

/// Percent of the customers with at least as many active days as each bin has.
fn at_least(active: &[ActiveDays], n_users: i64) -> Vec<f64> {
    let mut so_far = 0;
    let share = |bin: &ActiveDays| {
        so_far += i128::from(bin.users);
        percent(so_far, n_users.into())
    };
    let mut shares: Vec<f64> = active.iter().rev().map(share).collect();
    shares.reverse();
    shares
}

/// The bands in which the middle customer and those at the end of most lie.
fn marks(month: &MonthModel, bands: &[WatchBand]) -> Vec<Value> {
    let band_with = |seconds: i64| {
        bands
            .iter()
            .position(|b| b.from_seconds.is_none_or(|f| f <= seconds) && b.to_seconds.is_none_or(|t| seconds < t))
    };
    [
        ("median", month.watch_time.median_seconds),
        ("90 %", month.watch_time.p90_seconds),
        ("99 %", month.watch_time.p99_seconds),
    ]
    .into_iter()
    .filter_map(|(name, seconds)| {
        band_with(seconds).map(|band| json!([band, format!("{name}: {}", units::duration(seconds))]))
    })
    .collect()
}

/// Mean of the last seven days, where all of them lie in the month and have data.
fn week_average(users: &[Option<i64>]) -> Option<i64> {
    let week = users.get(users.len().checked_sub(7)?..)?;
    let sum = week.iter().map(|users| users.map(i128::from)).sum::<Option<i128>>()?;
    i64::try_from((sum + 3) / 7).ok()
}

/// Percent with so many decimals that the page can round it to one as the tables do: rounding twice may go the other way.
fn percent(part: i128, whole: i128) -> f64 {
    if whole == 0 { 0.0 } else { (part as f64 / whole as f64 * 1e9).round() / 1e7 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_no_average_over_days_that_are_not_there() {
        let check = |users: &[Option<i64>], expected: Option<i64>| assert_eq!(week_average(users), expected);
        let week = [1, 2, 3, 4, 5, 6, 10].map(Some);
        check(&week[..6], None);
        check(&week, Some(4));
        check(&[&[Some(1_000)], &week[..]].concat(), Some(4));
        check(&[&week[..6], &[None]].concat(), None);
        check(&[&[None], &week[..6]].concat(), None);
        check(&[&[None], &week[..]].concat(), Some(4));
    }
}
