//! What a witness tells of works: which began, how many of their steps are done, and which came to their end.

use std::collections::{BTreeMap, VecDeque};

/// So many works are remembered; after that the one that began first is forgotten.
const MOST_WORKS: usize = 1_000;

/// How the work that was called with a token stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Witness {
    /// It began.
    pub started: bool,
    /// How many of its steps are done.
    pub steps: u32,
    /// It came to its end, also if its task was cancelled before.
    pub finished: bool,
}

/// The works of all sessions, by token. The latest one counts.
#[derive(Debug, Default)]
pub(super) struct Witnesses {
    works: BTreeMap<String, Witness>,
    begun: VecDeque<String>,
}

impl Witnesses {
    /// A work begins.
    pub(super) fn begin(&mut self, token: &str) {
        self.begun.retain(|begun| begun != token);
        self.begun.push_back(token.to_owned());
        self.works.insert(token.to_owned(), Witness { started: true, ..Witness::default() });
        while self.begun.len() > MOST_WORKS {
            if let Some(oldest) = self.begun.pop_front() {
                self.works.remove(&oldest);
            }
        }
    }

    /// One of its steps is done.
    pub(super) fn step(&mut self, token: &str) {
        if let Some(work) = self.works.get_mut(token) {
            work.steps = work.steps.saturating_add(1);
        }
    }

    /// It came to its end.
    pub(super) fn finish(&mut self, token: &str) {
        if let Some(work) = self.works.get_mut(token) {
            work.finished = true;
        }
    }

    /// How it stands.
    pub(super) fn of(&self, token: &str) -> Witness {
        self.works.get(token).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_witness_knows_what_it_saw_and_forgets_the_oldest_first() {
        let mut witnesses = Witnesses::default();
        assert_eq!(witnesses.of("a"), Witness::default());
        witnesses.step("a");
        assert_eq!(witnesses.of("a"), Witness::default(), "what never began has no steps");
        witnesses.begin("a");
        witnesses.begin("b");
        witnesses.step("a");
        witnesses.finish("a");
        assert_eq!(witnesses.of("a"), Witness { started: true, steps: 1, finished: true });
        assert_eq!(witnesses.of("b"), Witness { started: true, steps: 0, finished: false });
        witnesses.begin("a");
        assert_eq!(witnesses.of("a"), Witness { started: true, steps: 0, finished: false }, "the latest counts");
        for n in 2..=MOST_WORKS {
            witnesses.begin(&n.to_string());
        }
        assert_eq!(witnesses.of("b"), Witness::default());
        assert!(witnesses.of("a").started);
        assert_eq!((witnesses.works.len(), witnesses.begun.len()), (MOST_WORKS, MOST_WORKS));
    }
}
