//! From the name of an app to the app, without hashing whole strings.

use crate::engine::rules::{App, Category};

/// Longest name that the table holds, in bytes.
pub const MAX_APP_BYTES: usize = 16;

const N_SLOTS: usize = 64;

/// A perfect hash table of the short names of the rules: every name has a slot of its own, and a
/// name that is looked up is compared whole with the one at its slot.
#[derive(Clone, Debug)]
pub struct AppTable {
    multiplier: u64,
    slots: [Slot; N_SLOTS],
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    // The name as a little-endian integer, zero after its end. No name is empty, so an empty slot
    // matches nothing that is looked up.
    name: u128,
    app: App,
}

/// By length: all bits of the first bytes, that many of them, in a little-endian integer.
pub(super) const FIRST_BYTES: [u128; MAX_APP_BYTES + 1] = {
    let mut masks = [u128::MAX; MAX_APP_BYTES + 1];
    let mut n_bytes = 0;
    while n_bytes < MAX_APP_BYTES {
        masks[n_bytes] = (1 << (8 * n_bytes)) - 1;
        n_bytes += 1;
    }
    masks
};

impl AppTable {
    /// A table of those names that are short enough and for which a slot was found; the others are
    /// simply not in it.
    pub fn new<'a>(apps: impl IntoIterator<Item = (&'a str, App)>) -> AppTable {
        let names: Vec<(u128, App)> = apps
            .into_iter()
            .filter(|(name, _)| (1..=MAX_APP_BYTES).contains(&name.len()) && !name.contains('\0'))
            .map(|(name, app)| {
                let mut bytes = [0; MAX_APP_BYTES];
                bytes[..name.len()].copy_from_slice(name.as_bytes());
                (u128::from_le_bytes(bytes), app)
            })
            .collect();
        // With 14 names in 64 slots about one multiplier in five fits. Where none of a thousand
        // does (very many names), those without a slot go the exact way.
        let n_lost = |multiplier: u64| {
            let mut taken = 0_u64;
            names
                .iter()
                .filter(|(name, _)| {
                    let bit = 1 << slot_of(*name, multiplier);
                    let lost = taken & bit != 0;
                    taken |= bit;
                    lost
                })
                .count()
        };
        let candidates = (0..1000_u64).map(|i| 0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(2 * i + 1));
        let multiplier = candidates.min_by_key(|m| n_lost(*m)).unwrap_or(1);
        let mut slots = [Slot { name: 0, app: App { index: 0, category: Category::Tv } }; N_SLOTS];
        for (name, app) in names {
            let slot = &mut slots[slot_of(name, multiplier)];
            if slot.name == 0 {
                *slot = Slot { name, app };
            }
        }
        AppTable { multiplier, slots }
    }

    /// The app whose name is the first `n_bytes` of `bytes`, if the table holds it. The name
    /// is plain text: it holds no NUL, which would be taken for its end.
    #[inline(always)]
    pub fn get(&self, bytes: [u8; MAX_APP_BYTES], n_bytes: usize) -> Option<App> {
        let name = u128::from_le_bytes(bytes) & FIRST_BYTES.get(n_bytes)?;
        let slot = &self.slots[slot_of(name, self.multiplier)];
        (slot.name == name && name != 0).then_some(slot.app)
    }
}

#[inline(always)]
fn slot_of(name: u128, multiplier: u64) -> usize {
    let folded = (name as u64) ^ ((name >> 64) as u64).rotate_left(29);
    (folded.wrapping_mul(multiplier) >> 58) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::rules::Rules;

    fn padded(name: &str) -> ([u8; MAX_APP_BYTES], usize) {
        let mut bytes = [b'x'; MAX_APP_BYTES];
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        (bytes, name.len())
    }

    #[test]
    fn every_app_of_the_preset_is_found_and_nothing_else() {
        let rules = Rules::preset("default").unwrap();
        let table = AppTable::new(rules.record.apps());
        for (name, app) in rules.record.apps() {
            let (bytes, n_bytes) = padded(name);
            assert_eq!(table.get(bytes, n_bytes), Some(app), "{name}");
        }
        for other in ["APP", "channel", "CHANNE", "CHANNELS", "V", "VODD", "KPLUs"] {
            let (bytes, n_bytes) = padded(other);
            assert_eq!(table.get(bytes, n_bytes), None, "{other:?}");
        }
    }

    #[test]
    fn long_and_crowded_names_are_left_to_the_exact_way() {
        let app = |index| App { index, category: Category::Child };
        // The interpreter takes minutes for the slots of 500.
        let n_names = if cfg!(miri) { 100 } else { 500 };
        let names: Vec<String> = (0..n_names).map(|i| format!("APP{i}")).collect();
        let table = AppTable::new(
            names.iter().zip(0..).map(|(n, i)| (n.as_str(), app(i))).chain([("A_NAME_OF_SEVENTEEN", app(500))]),
        );
        let found = names.iter().zip(0..).filter(|(n, i)| {
            let (bytes, n_bytes) = padded(n);
            table.get(bytes, n_bytes) == Some(app(*i))
        });
        assert!(found.count() > 40);
    }
}
