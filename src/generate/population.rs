//! Who watches: contracts with their codes, devices, habits and active days, each a function of seed and number.

use rayon::prelude::*;

use super::calibration as real;
use super::calibration::App;
use super::draw::{Draws, Key};

const CODES: u64 = 1;
const PEOPLE: u64 = 2;
const DAYS: u64 = 3;
const DEVICES: u64 = 4;

/// A contract code of 1 to 15 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Code {
    bytes: [u8; 15],
    len: u8,
}

impl Code {
    fn new(text: &[u8]) -> Code {
        let mut bytes = [0; 15];
        let len = text.len().min(bytes.len());
        bytes[..len].copy_from_slice(&text[..len]);
        Code { bytes, len: len as u8 }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// The address of a device: 12 hex digits, and rarely a suffix after them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mac {
    hex: [u8; 12],
    pub(super) suffix: &'static str,
}

impl Mac {
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.hex
    }

    pub(super) fn without_suffix(self) -> Mac {
        Mac { suffix: "", ..self }
    }
}

/// What a contract is like, on all its days.
#[derive(Clone, Copy, Debug)]
pub(super) struct Person {
    pub(super) n_devices: u64,
    /// Its usual place among all records.
    pub(super) habit: u32,
    /// Bit `i`: opens the app of `INTERESTS[i]`.
    pub(super) interests: u8,
    /// How often it does, against the mean: `0..2` as `0..2^32`.
    pub(super) eagerness: u32,
    /// Television is not what it came for.
    pub(super) passes_by: bool,
}

/// A collective account: many boxes under one code.
#[derive(Clone, Copy, Debug)]
pub(super) enum Collective {
    /// Contract `0`, a box that lost its contract: another one on every day.
    Unassigned,
    /// Always the same box.
    Box { code: Code, mac: Mac },
}

/// Everyone.
#[derive(Debug)]
pub(super) struct Population {
    seed: Key,
    n_contracts: u64,
    blocks: Vec<Block>,
    n_unassigned: u64,
    /// Code and end of the slots of each collective account with boxes of its own.
    houses: Vec<(Code, u64)>,
    /// Bit `i` of contract `c`: watches on the day with index `i`.
    active: Vec<u32>,
}

/// Contracts with consecutive numbers and codes of one region and shape.
#[derive(Clone, Copy, Debug)]
struct Block {
    end: u64,
    start: u64,
    region: [u8; 2],
    n_letters: usize,
    /// Codes of this block run through a space of this size.
    n_codes: u64,
    multiply: u64,
    add: u64,
}

impl Population {
    pub(super) fn new(seed: u64, n_contracts: u64, n_days: u8) -> Population {
        let seed = Key::new(seed);
        let of_million = |n: u64| (n_contracts * n / 1_000_000).max(1);
        let mut houses = vec![(Code::new(b"SHOPTV"), of_million(real::SHOP_BOXES_PER_MILLION))];
        for (i, n) in real::HOTEL_BOXES.into_iter().enumerate() {
            let code = [b'Q', b'A', b'H', b'T', b'L', b'0', b'0', b'0', b'1' + i as u8];
            houses.push((Code::new(&code), (n_contracts * n / 10_000_000).max(1)));
        }
        houses.extend(real::ODD_CODES.into_iter().map(|code| (Code::new(code.as_bytes()), 1)));
        let mut end = 0;
        for (_, n) in &mut houses {
            end += *n;
            *n = end;
        }
        let days = seed.of(DAYS);
        let active = (0..n_contracts).into_par_iter().map(|c| active_days(days.of(c).draws(), u64::from(n_days)));
        Population {
            seed,
            n_contracts,
            blocks: blocks(n_contracts, seed.of(CODES)),
            n_unassigned: of_million(real::UNASSIGNED_PER_MILLION),
            houses,
            active: active.collect(),
        }
    }

    /// Contracts, then slots of collective accounts.
    pub(super) fn n_slots(&self) -> u64 {
        self.n_contracts + self.n_unassigned + self.houses.last().map_or(0, |(_, end)| *end)
    }

    pub(super) fn n_contracts(&self) -> u64 {
        self.n_contracts
    }

    /// Whether the contract watches on the day with this index, 0..=30.
    pub(super) fn is_active(&self, contract: u64, day: usize) -> bool {
        self.active.get(contract as usize).is_some_and(|days| days >> day & 1 == 1)
    }

    pub(super) fn person(&self, contract: u64) -> Person {
        let mut draws = self.seed.of(PEOPLE).of(contract).draws();
        let place = draws.place();
        let n_devices = 1 + real::MORE_DEVICES.iter().filter(|more| place < **more).count() as u64;
        let explorer = draws.is(real::EXPLORERS);
        let mut interests = 0;
        for (i, interest) in real::INTERESTS.iter().enumerate() {
            let chance = if explorer { interest.explorers } else { interest.others };
            interests |= u8::from(draws.is(chance)) << i;
        }
        let (habit, mut eagerness) = (draws.place(), draws.place());
        let passes_by = draws.is(real::PASSING_BY);
        if passes_by {
            interests |=
                1 << if draws.is(real::PASSING_BY_TO_FILM) { real::FILM_INTEREST } else { real::CHILD_INTEREST };
            eagerness |= 1 << 31;
        }
        Person { n_devices, habit, interests, eagerness, passes_by }
    }

    pub(super) fn code(&self, contract: u64) -> Code {
        let at = self.blocks.partition_point(|block| block.end <= contract);
        self.blocks.get(at).map_or(Code::new(b"0"), |block| block.code(contract))
    }

    pub(super) fn mac(&self, contract: u64, device: u64) -> Mac {
        mac(self.seed.of(DEVICES).of(contract).of(device))
    }

    /// The collective account of a slot, counted from the last contract.
    pub(super) fn collective(&self, slot: u64) -> Collective {
        let Some(slot) = slot.checked_sub(self.n_unassigned) else {
            return Collective::Unassigned;
        };
        let at = self.houses.partition_point(|(_, end)| *end <= slot);
        match self.houses.get(at) {
            Some((code, _)) => Collective::Box { code: *code, mac: self.mac(self.n_contracts + slot, 0) },
            None => Collective::Unassigned,
        }
    }

    /// A box that appears under contract `0`: it is some contract's first device.
    pub(super) fn unassigned_mac(&self, draws: &mut Draws) -> Mac {
        let pool = (self.n_contracts * real::UNASSIGNED_POOL_PER_MILLION / 1_000_000).max(1);
        let owner = self.seed.of(PEOPLE).of(draws.below(pool)).once() % self.n_contracts.max(1);
        self.mac(owner, 0)
    }
}

/// The code of contracts that do not have one.
pub(super) fn unassigned_code() -> Code {
    Code::new(b"0")
}

/// Every app a person opens on a device and day beside television.
pub(super) fn opened(person: &Person, draws: &mut Draws) -> impl Iterator<Item = App> {
    real::INTERESTS.iter().enumerate().filter(|(i, _)| person.interests >> i & 1 == 1).filter_map(
        move |(_, interest)| {
            let daily = (u64::from(interest.daily) * u64::from(person.eagerness)) >> 31;
            (u64::from(draws.place()) < daily).then_some(interest.app)
        },
    )
}

/// How many days a contract watches and which: some days of a stretch that may wrap around the month, since contracts
/// begin and end.
fn active_days(mut draws: Draws, n_days: u64) -> u32 {
    let mut rest = draws.below(10_000) as u16;
    let mut days_of_30 = 1;
    for (i, weight) in real::ACTIVE_DAYS.into_iter().enumerate() {
        days_of_30 = i as u64 + 1;
        match rest.checked_sub(weight) {
            None => break,
            Some(left) => rest = left,
        }
    }
    let mut wanted = ((days_of_30 * n_days + 15) / 30).clamp(1, n_days);
    let stretch = wanted + draws.below(n_days - wanted + 1);
    let first = draws.below(n_days);
    let mut days = 0;
    for i in 0..stretch {
        if draws.below(stretch - i) < wanted {
            days |= 1 << ((first + i) % n_days);
            wanted -= 1;
        }
    }
    days
}

fn blocks(n_contracts: u64, key: Key) -> Vec<Block> {
    // Two letters that no region of the real log begins with.
    let region = |i: usize| [b"WXYZ"[i % 4], b"ABCDEFGHKLMNPRSTV"[i / 4]];
    let listed: u64 = real::REGION_SHARES.iter().sum();
    let n_tail = real::N_REGIONS - real::REGION_SHARES.len();
    let steps = (n_tail * (n_tail + 1) / 2) as u64;
    let weight = |i: usize| match real::REGION_SHARES.get(i) {
        Some(weight) => weight * steps,
        None => (10_000 - listed) * (real::N_REGIONS - i) as u64,
    };
    let mut blocks = Vec::new();
    let (mut reached, mut start) = (0, 0);
    let whole = 10_000 * steps * 10_000;
    for i in 0..real::N_REGIONS {
        for (shape, shape_share) in real::CODE_SHAPES.into_iter().enumerate() {
            reached += weight(i) * shape_share;
            let end = (u128::from(n_contracts) * u128::from(reached) / u128::from(whole)) as u64;
            let n_letters = shape + 1;
            let per_letters = 10u64.pow(6 - shape as u32);
            // At most a quarter of the codes is taken, as long as there are letters.
            let groups = ((end - start) * 4).div_ceil(per_letters).max(1).min(26u64.pow(n_letters as u32));
            let n_codes = groups * per_letters;
            let mut draws = key.of(i as u64).of(shape as u64).draws();
            let multiply = coprime(draws.below(n_codes), n_codes);
            let add = draws.below(n_codes);
            if end > start {
                blocks.push(Block { end, start, region: region(i), n_letters, n_codes, multiply, add });
            }
            start = end;
        }
    }
    blocks
}

/// The first number from `from` on that shares no factor with `n`.
fn coprime(from: u64, n: u64) -> u64 {
    let gcd = |mut a: u64, mut b: u64| {
        while b != 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    (from.max(1)..).find(|candidate| gcd(*candidate, n) == 1).unwrap_or(1)
}

impl Block {
    fn code(&self, contract: u64) -> Code {
        let ordinal = contract - self.start;
        let number = ((u128::from(ordinal) * u128::from(self.multiply) + u128::from(self.add))
            % u128::from(self.n_codes)) as u64;
        let mut text = [b'0'; 9];
        text[..2].copy_from_slice(&self.region);
        let mut digits = number;
        for digit in text[2 + self.n_letters..].iter_mut().rev() {
            *digit = b'0' + (digits % 10) as u8;
            digits /= 10;
        }
        // Scatters the groups over the alphabet; 11 shares no factor with 26.
        let mut group = (digits * 11 + 7) % 26u64.pow(self.n_letters as u32);
        for letter in text[2..2 + self.n_letters].iter_mut().rev() {
            *letter = b'A' + (group % 26) as u8;
            group /= 26;
        }
        Code::new(&text)
    }
}

/// Makers of boxes: invented, from the range that is set aside for local use.
const MAKERS: [[u8; 6]; 12] = [
    *b"02A47E", *b"0691C3", *b"0AD15B", *b"0E3C88", *b"1264F0", *b"16B92D", *b"1A7715", *b"2EE04A", *b"42599C",
    *b"5AC3B6", *b"A60D71", *b"DE8F23",
];

fn mac(key: Key) -> Mac {
    let mut draws = key.draws();
    let mut bits = draws.bits();
    let mut hex = [0; 12];
    hex[..6].copy_from_slice(&MAKERS[(bits >> 32) as usize % MAKERS.len()]);
    for digit in &mut hex[6..] {
        *digit = b"0123456789ABCDEF"[(bits & 15) as usize];
        bits >>= 4;
    }
    Mac { hex, suffix: if draws.is(real::ODD_MAC) { "/40" } else { "" } }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn codes_are_distinct_at_any_size() {
        for n in [1, 2, 59, 1_000, 300_000] {
            let population = Population::new(7, n, 30);
            let codes: HashSet<Vec<u8>> = (0..n).map(|c| population.code(c).as_bytes().to_vec()).collect();
            assert_eq!(codes.len() as u64, n);
            assert!(codes.iter().all(|code| code.len() == 9 && code.is_ascii()));
        }
    }

    #[test]
    fn active_days_fit_the_month() {
        for n_days in [28, 29, 30, 31] {
            let population = Population::new(3, 50_000, n_days);
            let mut counts = [0u32; 32];
            for days in &population.active {
                assert_eq!(days >> n_days, 0);
                counts[days.count_ones() as usize] += 1;
            }
            assert_eq!(counts[0], 0);
            let band = |days: std::ops::RangeInclusive<usize>| f64::from(counts[days].iter().sum::<u32>()) / 50_000.0;
            if n_days == 30 {
                for (days, real) in [(1..=6, 0.1618), (7..=13, 0.1071), (14..=20, 0.1126), (21..=30, 0.6185)] {
                    let drawn = band(days.clone());
                    assert!((drawn - real).abs() < 0.006, "{days:?}: {drawn}");
                }
            }
        }
    }
}
