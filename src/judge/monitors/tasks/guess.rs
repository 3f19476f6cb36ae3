//! Tasks: ids that nobody can guess. What can be seen of that is how far the ids of one receiver differ.

use crate::conversation::Said;
use crate::judge::monitor::{Monitor, Notes, Scene};
use crate::wire::Party;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};

/// So many ids are needed to see what they have in common.
const ENOUGH: usize = 5;

/// In so many places at least must they differ: 64 bits, if the characters are hexadecimal.
const PLACES: usize = 16;

/// So many ids are looked at.
const MOST: usize = 100;

/// Watches the ids that receivers give.
#[derive(Debug, Default)]
pub struct Guess {
    /// By receiver, and session where it is a client.
    given: HashMap<(Party, Option<usize>), BTreeSet<String>>,
}

impl Monitor for Guess {
    fn requirements(&self) -> &'static [&'static str] {
        &["tasks.id.unguessable"]
    }

    fn said(&mut self, scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
        if !said.augmented || !said.is_result() || said.redelivers.is_some() {
            return;
        }
        let Some(name) = said.message.value().pointer("/result/task/taskId").and_then(Value::as_str) else { return };
        // who knows its requestors can bind the tasks to them
        if scene.c.round_trips.values().any(|trip| trip.authorized) {
            return;
        }
        let given = self.given.entry((said.from, (said.from == Party::Client).then_some(said.session))).or_default();
        if given.len() >= MOST || !given.insert(name.to_owned()) || given.len() < ENOUGH {
            return;
        }
        let places = differing(given);
        let expected = format!("an id that differs from the {} before it in {PLACES} places or more", given.len() - 1);
        let found = format!("`{name}`: the ids differ in {places} places");
        let id = "tasks.id.unguessable";
        notes.either(places >= PLACES, id, index, "/result/task/taskId", expected, found).presumed();
    }
}

/// In how many places the ids differ: of ids of several lengths, those of the shortest without what all begin and end with.
fn differing(ids: &BTreeSet<String>) -> usize {
    let texts: Vec<Vec<char>> = ids.iter().map(|id| id.chars().filter(|c| c.is_alphanumeric()).collect()).collect();
    let Some((first, rest)) = texts.split_first() else { return 0 };
    let common = |at: &dyn Fn(&Vec<char>, usize) -> Option<char>| {
        (0..first.len()).take_while(|n| rest.iter().all(|text| at(text, *n) == at(first, *n))).count()
    };
    if rest.iter().all(|text| text.len() == first.len()) {
        return (0..first.len()).filter(|n| rest.iter().any(|text| text.get(*n) != first.get(*n))).count();
    }
    let beginning = common(&|text, n| text.get(n).copied());
    let end = common(&|text, n| text.iter().rev().nth(n).copied());
    texts.iter().map(|text| text.len().saturating_sub(beginning + end)).min().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(ids: &[&str]) -> usize {
        differing(&ids.iter().map(|id| (*id).to_owned()).collect())
    }

    #[test]
    fn what_can_be_counted_or_told_from_the_clock_differs_in_few_places() {
        assert_eq!(places(&["task-1", "task-2", "task-10"]), 1);
        assert_eq!(places(&["1732329600123-1", "1732329600140-2", "1732329600160-3"]), 3);
        assert_eq!(places(&["9b2e8a10-0000-1000-8000-00155d012345", "9b2e8a11-0000-1000-8000-00155d012345"]), 1);
    }

    #[test]
    fn what_is_random_differs_nearly_everywhere() {
        let random = ["3f1c9b0a-6d2e-4f57-9a41-c8e0b7d215f3", "d47a02e6-91bc-4b08-8e63-1f5ac9702bde"];
        assert!(places(&random) > PLACES);
        assert!(places(&["V1StGXR8_Z5jdHi6B-myT", "kq0PzLw3nYfE7uCx2sAaO"]) >= PLACES);
    }
}
