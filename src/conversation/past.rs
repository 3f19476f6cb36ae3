//! What is still known of what a record held before, when its messages are no longer kept.
//!
//! Integers are kept as ranges, everything else as the hash of its text, up to a bound. Two questions are answered: whether a
//! value surely was there before ([`Past::has`]), and whether it may have been ([`Past::may`]). A rule that finds fault because
//! something was never seen must ask the second.

use super::order::Carry;
use crate::wire::{Id, Party};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

/// So many ranges of integers are kept for one scope.
const RANGES: usize = 4096;
/// So many scopes: sessions by party.
const SCOPES: usize = 4096;
/// So many hashes of a sort.
const HASHES: usize = 8_192;
/// So many ids of tasks are kept to see what they have in common.
pub const TASK_IDS: usize = 100;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sort {
    /// The id of a request.
    Request,
    /// The id of a request that was answered.
    Answered,
    /// The id of a task.
    Task,
    /// The id of a task, in the answer that created it.
    Created,
    /// A cursor that leads on.
    Cursor,
    /// A progress token.
    Token,
    /// The id of an event of a stream.
    Event,
    /// The id of an elicitation.
    Elicitation,
}

/// The ids of tasks that a receiver gave: the letters and digits of each.
type Given = Vec<Vec<char>>;

/// What is known of what is gone. Of a record that is held whole, nothing is gone.
#[derive(Debug, Clone, Default)]
pub struct Past {
    values: BTreeMap<Sort, Values>,
    pub(super) order: Carry,
    /// Did that party write what is no message: client, server?
    strayed: [bool; 2],
    given: HashMap<u64, Given>,
}

#[derive(Debug, Clone, Default)]
struct Values {
    ranges: HashMap<u64, BTreeMap<i64, i64>>,
    hashes: HashSet<u64>,
    /// In the order in which they came.
    queue: VecDeque<u64>,
    /// By scope, the first event.
    scopes: HashMap<u64, u32>,
    /// Was anything left out?
    lost: bool,
}

/// One number for several things together.
pub(crate) fn scope(things: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    things.hash(&mut hasher);
    hasher.finish()
}

impl Past {
    /// Remembers a value, and the event that had it.
    pub(crate) fn add(&mut self, sort: Sort, scope: u64, value: &Id, event: u32) {
        self.values.entry(sort).or_default().add(scope, value, event);
    }

    /// Was it surely there?
    #[must_use]
    pub fn has(&self, sort: Sort, scope: u64, value: &Id) -> bool {
        self.values.get(&sort).is_some_and(|values| values.has(scope, value))
    }

    /// May it have been there?
    #[must_use]
    pub fn may(&self, sort: Sort, scope: u64, value: &Id) -> bool {
        self.values.get(&sort).is_some_and(|values| values.lost || values.has(scope, value))
    }

    /// Was there any of that sort, before that event?
    #[must_use]
    pub fn any(&self, sort: Sort, scope: u64, before: u32) -> bool {
        self.values.get(&sort).and_then(|values| values.scopes.get(&scope)).is_some_and(|first| *first < before)
    }

    pub(crate) fn stray(&mut self, party: Party) {
        if let Some(strayed) = self.strayed.get_mut(usize::from(party == Party::Server)) {
            *strayed = true;
        }
    }

    /// Did that party write what is no message?
    #[must_use]
    pub fn strayed(&self, party: Party) -> bool {
        self.strayed.get(usize::from(party == Party::Server)).copied().unwrap_or_default()
    }

    pub(crate) fn give(&mut self, scope: u64, id: Vec<char>) {
        let given = self.given.entry(scope).or_default();
        if given.len() < TASK_IDS && !given.contains(&id) {
            given.push(id);
        }
    }

    /// The ids of tasks that were given in that scope: the letters and digits of the first [`TASK_IDS`].
    #[must_use]
    pub fn given(&self, scope: u64) -> &[Vec<char>] {
        self.given.get(&scope).map_or(&[], Vec::as_slice)
    }
}

impl Values {
    fn add(&mut self, scope: u64, value: &Id, event: u32) {
        if !self.scopes.contains_key(&scope) && self.scopes.len() >= SCOPES {
            self.lost = true;
            return;
        }
        let first = self.scopes.entry(scope).or_insert(event);
        *first = event.min(*first);
        if let Id::Integer(n) = value {
            let ranges = self.ranges.entry(scope).or_default();
            put(ranges, *n);
            if ranges.len() > RANGES {
                ranges.pop_first();
                self.lost = true;
            }
            return;
        }
        let hash = self::scope((scope, value));
        if self.hashes.insert(hash) {
            self.queue.push_back(hash);
            if self.queue.len() > HASHES
                && let Some(oldest) = self.queue.pop_front()
            {
                self.hashes.remove(&oldest);
                self.lost = true;
            }
        }
    }

    fn has(&self, scope: u64, value: &Id) -> bool {
        match value {
            Id::Integer(n) => {
                let ranges = self.ranges.get(&scope);
                ranges.and_then(|r| r.range(..=*n).next_back()).is_some_and(|(_, end)| n <= end)
            }
            other => self.hashes.contains(&self::scope((scope, other))),
        }
    }
}

/// Adds an integer to ranges that neither touch nor overlap.
fn put(ranges: &mut BTreeMap<i64, i64>, n: i64) {
    let before = ranges.range(..=n).next_back().map(|(start, end)| (*start, *end));
    if before.is_some_and(|(_, end)| n <= end) {
        return;
    }
    let start = match before {
        Some((start, end)) if end.checked_add(1) == Some(n) => start,
        _ => n,
    };
    let end = n.checked_add(1).and_then(|next| ranges.remove(&next)).unwrap_or(n);
    ranges.insert(start, end);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn ranges_hold_what_was_put_into_them(numbers in proptest::collection::vec(-40_i64..40, 0..80)) {
            let mut ranges = BTreeMap::new();
            for n in &numbers {
                put(&mut ranges, *n);
            }
            let set: BTreeSet<i64> = numbers.iter().copied().collect();
            let held: BTreeSet<i64> = ranges.iter().flat_map(|(start, end)| *start..=*end).collect();
            prop_assert_eq!(&held, &set);
            let gaps = ranges.iter().zip(ranges.iter().skip(1)).all(|((_, end), (start, _))| end + 1 < *start);
            prop_assert!(gaps, "{:?}", ranges);
        }
    }

    #[test]
    fn what_is_left_out_may_have_been_there() {
        let mut past = Past::default();
        let id = |n: usize| Id::Text(n.to_string());
        for n in 0..=HASHES {
            past.add(Sort::Task, 1, &id(n), 0);
        }
        assert!(past.has(Sort::Task, 1, &id(HASHES)) && !past.has(Sort::Task, 1, &id(0)));
        assert!(past.may(Sort::Task, 1, &id(0)) && past.may(Sort::Task, 2, &id(0)));
        assert!(!past.may(Sort::Cursor, 1, &id(0)));
    }

    #[test]
    fn a_million_ids_in_a_row_are_one_range() {
        let mut past = Past::default();
        for n in 0..1_000_000 {
            past.add(Sort::Request, 7, &Id::Integer(n), 5);
        }
        let ranges = past.values.get(&Sort::Request).map(|v| v.ranges.values().map(BTreeMap::len).sum::<usize>());
        assert_eq!(ranges, Some(1));
        assert!(past.has(Sort::Request, 7, &Id::Integer(999_999)) && !past.may(Sort::Request, 7, &Id::Integer(-1)));
        assert!(
            !past.has(Sort::Request, 8, &Id::Integer(5))
                && past.any(Sort::Request, 7, 6)
                && !past.any(Sort::Request, 7, 5)
        );
    }
}
