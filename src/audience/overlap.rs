//! How several audiences overlap: the sizes of all combinations, as an UpSet plot shows them.

use std::collections::BTreeMap;

use super::answer::Answer;

/// Audiences that can be compared at once: their combinations are to be read by people.
pub const MAX_AUDIENCES: usize = 16;

/// Customers who are in just these audiences and in no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Combination {
    /// Bit `i` stands for audience `i`.
    pub members: u16,
    /// How many customers.
    pub users: u64,
}

/// All combinations that have a customer, largest first, ties in the order of the audiences. The answers come from one
/// call of [`super::evaluate_all`], at most [`MAX_AUDIENCES`] of them; further ones are not looked at.
pub fn combinations(answers: &[Answer<'_>]) -> Vec<Combination> {
    let answers = &answers[..answers.len().min(MAX_AUDIENCES)];
    let union = roaring::MultiOps::union(answers.iter().map(Answer::places));
    let mut members = vec![0_u16; union.max().map_or(0, |max| max as usize + 1)];
    for (i, answer) in answers.iter().enumerate() {
        for place in answer.places() {
            members[place as usize] |= 1 << i;
        }
    }
    let mut users: BTreeMap<u16, u64> = BTreeMap::new();
    for place in &union {
        *users.entry(members[place as usize]).or_default() += 1;
    }
    let mut found: Vec<Combination> =
        users.into_iter().map(|(members, users)| Combination { members, users }).collect();
    found.sort_by_key(|combination| (std::cmp::Reverse(combination.users), combination.members));
    found
}
