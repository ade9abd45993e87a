//! Chance without state: every draw is a function of the seed and of what it is for, so no draw depends on how many
//! were made before it, on the thread or on the platform.

/// Probability as a threshold: true for a share `p` of all draws.
pub(super) const fn share(p: f64) -> u32 {
    (p * 4_294_967_296.0) as u32
}

/// The finaliser of SplitMix64: a bijection of 64 bits.
pub(super) const fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// What a sequence of draws is for: a seed narrowed by numbers such as the day and the contract.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key(u64);

impl Key {
    pub(super) const fn new(seed: u64) -> Key {
        Key(mix(seed ^ STEP))
    }

    /// The key of one of many things under this key.
    pub(super) const fn of(self, number: u64) -> Key {
        Key(mix(self.0.wrapping_add(STEP).rotate_left(23) ^ mix(number.wrapping_add(STEP))))
    }

    /// The draws of this key, always the same ones.
    pub(super) const fn draws(self) -> Draws {
        Draws(self.0)
    }

    /// One draw where no more are needed.
    pub(super) const fn once(self) -> u64 {
        self.0
    }
}

/// A sequence of draws.
#[derive(Clone, Debug)]
pub(super) struct Draws(u64);

impl Draws {
    pub(super) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// Uniform over 32 bits: a place in `0..1`.
    pub(super) fn place(&mut self) -> u32 {
        (self.bits() >> 32) as u32
    }

    /// True for the share `threshold` of all draws; see [`share`].
    pub(super) fn is(&mut self, threshold: u32) -> bool {
        self.place() < threshold
    }

    /// Uniform in `0..n`; 0 when `n` is 0.
    pub(super) fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(n)) >> 64) as u64
    }
}

/// A place near `place`, at most `reach` away. The ends reflect, so uniform places stay uniform.
pub(super) fn near(place: u32, reach: u32, draws: &mut Draws) -> u32 {
    const END: i64 = 1 << 32;
    let offset = (i64::from(draws.place()) - (END / 2)) * i64::from(reach) / (END / 2);
    let moved = i64::from(place) + offset;
    let reflected = if moved < 0 {
        -moved - 1
    } else if moved >= END {
        2 * END - 1 - moved
    } else {
        moved
    };
    reflected.clamp(0, END - 1) as u32
}

/// A random order of `0..n` that needs no table: a bijection of the next power of two, walked until it lands inside.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    n: u64,
    mask: u64,
    half: u32,
    multiply: [u64; 3],
    add: [u64; 3],
}

impl Order {
    pub(super) fn new(n: u64, key: Key) -> Order {
        let n_bits = 64 - n.saturating_sub(1).leading_zeros();
        let mut draws = key.draws();
        Order {
            n,
            mask: if n_bits >= 64 { u64::MAX } else { (1 << n_bits) - 1 },
            half: n_bits.div_ceil(2).max(1),
            multiply: std::array::from_fn(|_| draws.bits() | 1),
            add: std::array::from_fn(|_| draws.bits()),
        }
    }

    /// The number at `position`; both are below `n`.
    pub(super) fn at(&self, position: u64) -> u64 {
        let mut x = position;
        loop {
            for round in 0..3 {
                x = x.wrapping_mul(self.multiply[round]).wrapping_add(self.add[round]) & self.mask;
                x ^= x >> self.half;
            }
            if x < self.n {
                return x;
            }
        }
    }
}

/// A distribution by its quantiles: `(share of values below, value)`, ascending in both, straight lines between.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quantiles(pub(super) &'static [(u32, u32)]);

impl Quantiles {
    /// The value at `place`: uniform places give the distribution.
    pub(super) fn at(self, place: u32) -> u32 {
        let above = self.0.partition_point(|(below, _)| *below <= place);
        let (Some((low, from)), to) = (above.checked_sub(1).and_then(|i| self.0.get(i)), self.0.get(above)) else {
            return self.0.first().map_or(0, |(_, value)| *value);
        };
        match to {
            None => *from,
            Some((high, to)) => {
                let (part, whole) = (u64::from(place - low), u64::from(high - low));
                from + (u64::from(to - from) * part / whole.max(1)) as u32
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_meets_every_number_once() {
        for n in [1, 2, 3, 7, 64, 1000, 4097] {
            let order = Order::new(n, Key::new(n));
            let mut met: Vec<u64> = (0..n).map(|i| order.at(i)).collect();
            met.sort_unstable();
            assert_eq!(met, (0..n).collect::<Vec<_>>(), "{n}");
        }
    }

    #[test]
    fn near_stays_uniform() {
        let mut draws = Key::new(1).draws();
        let mut counts = [0u32; 8];
        for _ in 0..80_000 {
            let place = draws.place();
            counts[(near(place, share(0.2), &mut draws) >> 29) as usize] += 1;
        }
        assert!(counts.iter().all(|n| (9_600..10_400).contains(n)), "{counts:?}");
    }

    #[test]
    fn quantiles_are_straight_between_knots() {
        const Q: Quantiles = Quantiles(&[(0, 10), (share(0.5), 20), (share(0.75), 100)]);
        for (place, value) in [(0, 10), (share(0.25), 15), (share(0.5), 20), (share(0.625), 60), (u32::MAX, 100)] {
            assert_eq!(Q.at(place), value, "{place}");
        }
    }
}
