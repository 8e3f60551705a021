//! `/admin/api/use`: engine tokens over days, by tier and by key, out of the ledger.

use std::collections::{BTreeMap, HashMap};

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};

use super::super::super::State;
use super::super::super::body::blocking;
use super::super::super::operator::Operator;
use super::super::super::problem::Failure;
use super::stored;
use crate::auth::Keys;
use crate::limits::{DayRow, Error, Limits};

/// Days at most.
const MOST_DAYS: u64 = 400;
/// Keys whose days are told one by one; the others are in their tier's.
const TOP: usize = 20;
/// Rows of the ledger that are read at a time.
const PAGE: u32 = 5000;
const DAY_SECONDS: u64 = 86_400;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Period {
    /// Days, today included.
    #[serde(default = "month")]
    days: u64,
}

fn month() -> u64 {
    30
}

/// Engine tokens of the days of a period, in UTC.
#[derive(Debug, Serialize)]
struct Used {
    /// The first day, Unix time in milliseconds.
    first_day: u64,
    /// One number a day in each, oldest first.
    tiers: Vec<Series>,
    /// The keys that used most, most first.
    keys: Vec<Series>,
    /// How many further keys used something.
    more_keys: usize,
}

/// One curve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Series {
    /// A tier's name or a key's public part.
    name: String,
    total: u64,
    days: Vec<u64>,
}

pub(super) async fn show(
    _: Operator,
    period: web::Query<Period>,
    state: web::Data<State>,
) -> Result<HttpResponse, Failure> {
    let days = period.days.clamp(1, MOST_DAYS);
    let today = super::super::super::now() / DAY_SECONDS;
    let first = (today + 1).saturating_sub(days);
    let tiers: HashMap<String, String> = stored(&state, Keys::list)
        .await?
        .into_iter()
        .map(|key| (key.id, key.tier))
        .collect();
    let limits = state.limits.clone();
    let used = blocking(move || read(&limits, first, today, tiers)).await??;
    Ok(HttpResponse::Ok().json(used))
}

/// Reads the ledger key by key, so that only the sums of all keys and the days of the first few are in memory.
fn read(
    limits: &Limits,
    first: u64,
    today: u64,
    tiers: HashMap<String, String>,
) -> Result<Used, Error> {
    let mut sums = Sums::new(first, today, tiers);
    let (mut key, mut day) = (String::new(), 0);
    loop {
        let rows = limits.days(first, (&key, day), PAGE)?;
        let Some(last) = rows.last() else { break };
        (key, day) = (last.key.clone(), last.day);
        rows.into_iter().for_each(|row| sums.add(row));
    }
    Ok(sums.finish())
}

/// Adds up rows that come in order of their keys.
struct Sums {
    first: u64,
    days: usize,
    tier_of: HashMap<String, String>,
    tiers: BTreeMap<String, Series>,
    present: Option<Series>,
    top: Vec<Series>,
    keys: usize,
}

impl Sums {
    fn new(first: u64, today: u64, tier_of: HashMap<String, String>) -> Self {
        Self {
            first,
            days: usize::try_from(today + 1 - first).unwrap_or_default(),
            tier_of,
            tiers: BTreeMap::new(),
            present: None,
            top: Vec::new(),
            keys: 0,
        }
    }

    fn add(&mut self, row: DayRow) {
        let Some(place) = self.place(row.day) else {
            return;
        };
        // A key that is in the ledger and in no store was in one that was lost.
        let tier = self.tier_of.get(&row.key).map_or("", String::as_str);
        let (days, tokens) = (self.days, row.tokens);
        let tier = self
            .tiers
            .entry(tier.to_owned())
            .or_insert_with(|| Series::new(tier.to_owned(), days));
        tier.add(place, tokens);
        if self.present.as_ref().is_none_or(|key| key.name != row.key) {
            self.close();
            self.present = Some(Series::new(row.key, days));
            self.keys += 1;
        }
        if let Some(key) = &mut self.present {
            key.add(place, tokens);
        }
    }

    /// Where a day stands; a server whose clock is ahead may have written tomorrow's.
    fn place(&self, day: u64) -> Option<usize> {
        let place = usize::try_from(day.checked_sub(self.first)?).ok()?;
        (place < self.days).then_some(place)
    }

    fn close(&mut self) {
        let Some(key) = self.present.take() else {
            return;
        };
        let place = self.top.partition_point(|other| other.total >= key.total);
        self.top.insert(place, key);
        self.top.truncate(TOP);
    }

    fn finish(mut self) -> Used {
        self.close();
        Used {
            first_day: self.first * DAY_SECONDS * 1000,
            tiers: self.tiers.into_values().collect(),
            more_keys: self.keys - self.top.len(),
            keys: self.top,
        }
    }
}

impl Series {
    fn new(name: String, days: usize) -> Self {
        Self {
            name,
            total: 0,
            days: vec![0; days],
        }
    }

    fn add(&mut self, place: usize, tokens: u64) {
        self.total = self.total.saturating_add(tokens);
        if let Some(day) = self.days.get_mut(place) {
            *day = day.saturating_add(tokens);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key: &str, day: u64, tokens: u64) -> DayRow {
        DayRow {
            key: key.to_owned(),
            day,
            tokens,
        }
    }

    #[test]
    fn rows_become_days_of_tiers_and_of_the_keys_that_used_most() {
        let tier_of = |key: &str, tier: &str| (key.to_owned(), tier.to_owned());
        let tiers = [tier_of("a", "low"), tier_of("b", "high")];
        let mut sums = Sums::new(10, 12, HashMap::from(tiers));
        for row in [
            row("a", 9, 7),
            row("a", 10, 1),
            row("a", 12, 2),
            row("a", 13, 7),
            row("b", 11, 5),
        ] {
            sums.add(row);
        }
        let used = sums.finish();
        let days = |series: &[Series]| -> Vec<_> {
            series
                .iter()
                .map(|one| (one.name.clone(), one.days.clone()))
                .collect()
        };
        assert_eq!(
            days(&used.tiers),
            [
                ("high".into(), vec![0, 5, 0]),
                ("low".into(), vec![1, 0, 2])
            ]
        );
        assert_eq!(
            days(&used.keys),
            [("b".into(), vec![0, 5, 0]), ("a".into(), vec![1, 0, 2])]
        );
        assert_eq!((used.more_keys, used.first_day), (0, 864_000_000));
    }

    #[test]
    fn of_many_keys_the_first_are_told_and_the_others_counted() {
        let mut sums = Sums::new(10, 10, HashMap::new());
        for place in 0..100 {
            sums.add(row(&format!("{place:03}"), 10, place + 1));
        }
        let used = sums.finish();
        let names: Vec<_> = used.keys.iter().map(|key| key.name.as_str()).collect();
        assert_eq!((names.len(), names[0], names[19]), (20, "099", "080"));
        assert_eq!(
            (used.more_keys, used.tiers.len(), used.tiers[0].total),
            (80, 1, 5050)
        );
    }
}
