//! The records of one day in the order of its file.

use jiff::civil::Weekday;

use super::calibration as real;
use super::calibration::App;
use super::draw::{Draws, Key, Order, near};
use super::line::{Contract, KeyOrder, Record};
use super::population::{Collective, Mac, Person, Population, opened, unassigned_code};
use super::{Dirt, GenerateOptions};
use crate::engine::calendar::Day;

const DAY: u64 = 10;
const VISITS: u64 = 11;
const RECORDS: u64 = 12;
const KEY_ORDER: u64 = 13;
const BROKEN: u64 = 14;
const IDS: u64 = 15;

/// One day of the month.
#[derive(Debug)]
pub(super) struct DayPlan<'a> {
    population: &'a Population,
    /// Day of the month from 0.
    index: usize,
    visits: Order,
    records: Key,
    dirt: Dirt,
    id_salt: u64,
    /// How much likelier a long record is than on the quietest day.
    lift: u32,
    /// Records that belong to no contract, and the number of the visit they come after; ascending.
    broken: Vec<(u64, Record)>,
}

impl<'a> DayPlan<'a> {
    pub(super) fn new(options: &GenerateOptions, population: &'a Population, day: Day) -> Self {
        let index = day.index();
        let weekday = options.month.date(day).map(|date| date.weekday());
        let is_weekend = matches!(weekday, Some(Weekday::Saturday | Weekday::Sunday));
        let key = Key::new(options.seed).of(DAY).of(index as u64);
        let jitter = (key.draws().below(u64::from(real::DAY_JITTER))) as u32;
        let mut broken = match options.dirt {
            Dirt::Real => broken_records(options, population, index),
            Dirt::Clean => Vec::new(),
        };
        broken.sort_by_key(|(visit, _)| *visit);
        DayPlan {
            population,
            index,
            visits: Order::new(population.n_slots(), key.of(VISITS)),
            records: key.of(RECORDS),
            dirt: options.dirt,
            id_salt: Key::new(options.seed).of(IDS).once(),
            lift: jitter + if is_weekend { real::WEEKEND } else { 0 },
            broken,
        }
    }

    /// What makes the ids of this day differ from those of another seed; the same on all days.
    pub(super) fn id_salt(&self) -> u64 {
        self.id_salt
    }

    /// Gives every record of the day to `take`.
    pub(super) fn for_each<E>(&self, mut take: impl FnMut(&Record) -> Result<(), E>) -> Result<(), E> {
        let n_slots = self.population.n_slots();
        // The real files begin with a run of one app and neighbouring durations.
        let n_head = (n_slots / 1_000).max(100);
        let mut head: Vec<Record> = Vec::new();
        let mut broken = self.broken.iter().peekable();
        let mut records = Vec::new();
        for visit in 0..n_slots {
            self.visit(self.visits.at(visit), &mut records);
            while let Some((_, record)) = broken.next_if(|(at, _)| *at == visit) {
                records.push(*record);
            }
            if visit < n_head {
                head.append(&mut records);
                continue;
            }
            if visit == n_head {
                head.sort_by_key(|record| (record.app, record.seconds));
                head.drain(..).try_for_each(|record| take(&record))?;
            }
            records.drain(..).try_for_each(|record| take(&record))?;
        }
        head.sort_by_key(|record| (record.app, record.seconds));
        head.drain(..).try_for_each(|record| take(&record))
    }

    /// The records of one contract or box of a collective account.
    fn visit(&self, slot: u64, out: &mut Vec<Record>) {
        let mut draws = self.records.of(slot).draws();
        let Some(collective) = slot.checked_sub(self.population.n_contracts()) else {
            return self.visit_contract(slot, &mut draws, out);
        };
        let (code, mac, floor) = match self.population.collective(collective) {
            Collective::Unassigned => {
                (unassigned_code(), self.population.unassigned_mac(&mut draws), real::UNASSIGNED_FLOOR)
            }
            Collective::Box { code, mac } => {
                if !draws.is(real::COLLECTIVE_DAILY) {
                    return;
                }
                (code, mac, 0)
            }
        };
        let place = floor + ((u64::from(draws.place()) * u64::from(u32::MAX - floor)) >> 32) as u32;
        let seconds = i64::from(App::Channel.seconds().at(place));
        out.push(Record { contract: Contract::Code(code), mac: self.soiled(mac), app: App::Channel, seconds });
    }

    fn visit_contract(&self, contract: u64, draws: &mut Draws, out: &mut Vec<Record>) {
        if !self.population.is_active(contract, self.index) {
            return;
        }
        let person = self.population.person(contract);
        let code = Contract::Code(self.population.code(contract));
        for device in 0..person.n_devices {
            if device > 0 && !draws.is(real::FURTHER_DEVICE) {
                continue;
            }
            let mac = self.soiled(self.population.mac(contract, device));
            let first = out.len();
            let mut record = |app: App, draws: &mut Draws| {
                let seconds = self.seconds(app, &person, draws);
                out.push(Record { contract: code, mac, app, seconds });
            };
            let mut watched = 0;
            if draws.is(if person.passes_by { real::PASSING_BY_CHANNEL } else { real::CHANNEL_DAILY }) {
                record(App::Channel, draws);
                watched += 1;
                if draws.is(real::REPEATED) {
                    record(App::Channel, draws);
                }
            }
            let mut choices = draws.clone();
            *draws = Key::new(draws.bits()).draws();
            for app in opened(&person, &mut choices) {
                record(app, draws);
                watched += 1;
            }
            if watched == 0 {
                // The contract is active: someone watched something.
                record(App::Channel, draws);
            }
            debug_assert!(out.len() > first);
        }
    }

    fn seconds(&self, app: App, person: &Person, draws: &mut Draws) -> i64 {
        let habitual = draws.is(real::HABIT);
        let mut place = draws.place();
        if habitual {
            place = near(person.habit, real::HABIT_REACH, draws);
        }
        if draws.is(self.lift) {
            place = place.max(draws.place());
        }
        if person.passes_by && app == App::Channel {
            place /= real::PASSING_BY_DIVISOR;
        }
        let seconds = i64::from(app.seconds().at(place));
        if self.dirt == Dirt::Real && draws.is(real::NEGATIVE) {
            return -1 - draws.below(3_600).cast_signed();
        }
        seconds
    }

    fn soiled(&self, mac: Mac) -> Mac {
        match self.dirt {
            Dirt::Real => mac,
            Dirt::Clean => mac.without_suffix(),
        }
    }
}

/// The order of keys in the records of each day of a month.
pub(super) fn key_orders(seed: u64, n_days: usize) -> Vec<KeyOrder> {
    let key = Key::new(seed).of(KEY_ORDER);
    let mut days: Vec<usize> = (0..n_days).collect();
    days.sort_by_key(|day| key.of(*day as u64).once());
    let n_duration_first = (n_days * real::DURATION_FIRST_OF_30).div_ceil(30);
    let mut orders = vec![KeyOrder::AppThenDuration; n_days];
    for day in days.into_iter().take(n_duration_first) {
        orders[day] = KeyOrder::DurationThenApp;
    }
    orders
}

/// What is broken once or a few times a month, as far as it falls on this day.
fn broken_records(options: &GenerateOptions, population: &Population, index: usize) -> Vec<(u64, Record)> {
    let key = Key::new(options.seed).of(BROKEN);
    let n_days = u64::from(options.month.n_days());
    let mut number = 0;
    let mut broken = Vec::new();
    let mut add = |contract: Option<Contract>, app: App, seconds: Option<i64>| {
        let mut draws = key.of(number).draws();
        number += 1;
        // One after the other through the month, wherever the first one falls.
        let day = (number * 7 + key.once()) % n_days;
        let owner = draws.below(population.n_contracts());
        let record = Record {
            contract: contract.unwrap_or_else(|| Contract::Code(population.code(owner))),
            mac: population.mac(owner, 0),
            app,
            seconds: seconds.unwrap_or_else(|| i64::from(app.seconds().at(draws.place()))),
        };
        if day == index as u64 {
            broken.push((draws.below(population.n_slots()), record));
        }
    };
    for i in 0..real::N_WITHOUT_CONTRACT {
        let contract = [Contract::Empty, Contract::Null, Contract::Absent][(i % 3) as usize];
        add(Some(contract), if i == 0 { App::Unknown } else { App::Channel }, None);
    }
    for _ in 0..real::N_UNKNOWN_APP {
        add(None, App::Unknown, None);
    }
    for seconds in real::HUGE_NEGATIVES {
        add(None, App::Channel, Some(seconds));
    }
    add(None, App::Bhd, None);
    broken
}
