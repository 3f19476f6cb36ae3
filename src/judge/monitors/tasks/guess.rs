//! Tasks: ids that nobody can guess. What can be seen of that is how long they are, and how far they differ.

use crate::conversation::Said;
use crate::conversation::past::TASK_IDS;
use crate::judge::monitor::{Monitor, Notes, Scene};
use crate::wire::Party;
use serde_json::Value;
use std::collections::HashMap;

/// So many ids are needed to see what they have in common.
const ENOUGH: usize = 5;

/// So many letters and digits at least has an id: 64 bits, if they are hexadecimal.
const LENGTH: usize = 16;

/// In so many places at least does an id differ from each other one. What is counted or read from a clock differs in fewer;
/// what is random even beside a clock (a UUID of version 7, a ULID) in more.
const PLACES: usize = 8;

/// Watches the ids that receivers give.
#[derive(Debug, Default)]
pub struct Guess {
    /// By receiver, and session where it is a client: the letters and digits of each id.
    given: HashMap<(Party, Option<usize>), Vec<Vec<char>>>,
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
        // an id that the request brought is a fault of its own
        let brought = scene.c.request_of(said).is_some_and(|r| r.message.params().to_string().contains(name));
        // and who knows its requestors can bind the tasks to them
        if brought || scene.c.round_trips.values().any(|trip| trip.authorized) {
            return;
        }
        let before = || scene.c.past.given(scene.c.tasks_of(said.from, said.session)).to_vec();
        let key = (said.from, (said.from == Party::Client).then_some(said.session));
        let given = self.given.entry(key).or_insert_with(before);
        let text: Vec<char> = name.chars().filter(|c| c.is_alphanumeric()).collect();
        // so is one that another task has
        if given.len() >= TASK_IDS || given.contains(&text) {
            return;
        }
        let places = given.iter().map(|other| differing(other, &text)).min();
        let long = text.len();
        given.push(text);
        let Some(places) = places.filter(|_| given.len() >= ENOUGH) else { return };
        let expected =
            format!("{LENGTH} letters and digits or more, in {PLACES} places other than those of any id before");
        let found = format!("`{name}`: {long} of them, and {places} places");
        let well = long >= LENGTH && places >= PLACES;
        notes.either(well, "tasks.id.unguessable", index, "/result/task/taskId", expected, found).presumed();
    }
}

/// In how many places two ids differ; of two of unlike length, the longer's without what both begin and end with.
fn differing(a: &[char], b: &[char]) -> usize {
    if a.len() == b.len() {
        return a.iter().zip(b).filter(|(x, y)| x != y).count();
    }
    let (short, long) = if a.len() < b.len() { (a, b) } else { (b, a) };
    let beginning = short.iter().zip(long).take_while(|(x, y)| x == y).count();
    let rest = short.len() - beginning;
    let end = short.iter().rev().zip(long.iter().rev()).take(rest).take_while(|(x, y)| x == y).count();
    long.len() - beginning - end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(a: &str, b: &str) -> usize {
        let read = |text: &str| -> Vec<char> { text.chars().filter(|c| c.is_alphanumeric()).collect() };
        differing(&read(a), &read(b))
    }

    #[test]
    fn what_can_be_counted_or_told_from_the_clock_differs_in_few_places() {
        assert_eq!(places("an-id-with-many-letters-9", "an-id-with-many-letters-10"), 2);
        assert_eq!(places("session-0123456789-1", "session-0123456789-11"), 1);
        assert!(places("task-1732329600123456789", "task-1732329600123999123") < PLACES);
        assert!(places("9b2e8a10-0000-1000-8000-00155d012345", "9b2e8a11-0000-1000-8000-00155d012345") < PLACES);
    }

    #[test]
    fn what_is_random_differs_nearly_everywhere() {
        assert!(places("3f1c9b0a-6d2e-4f57-9a41-c8e0b7d215f3", "d47a02e6-91bc-4b08-8e63-1f5ac9702bde") > 2 * PLACES);
        assert!(places("V1StGXR8_Z5jdHi6B-myT", "kq0PzLw3nYfE7uCx2sAaO") > 2 * PLACES);
        // version 7: the same millisecond, the rest random
        assert!(places("01936f2e-8a10-7c3b-9d41-5ef0a2b71c68", "01936f2e-8a10-71f8-a2c6-08d93b4e5a17") > PLACES);
    }
}
