//! How long a peer is waited for: generously at first, then by the pace it has shown, and not for ever in one run.

use crate::conversation::Conversation;
use crate::scenario::exchange::Patience;
use crate::trace::Trace;
use crate::trace::event::EndReason;
use crate::wire::Party;
use std::time::Duration;

/// Once a deadline has passed, a step is waited for so many times the slowest answer that was seen.
const SLACK: u32 = 20;

/// Nobody is waited for less.
const LEAST: Duration = Duration::from_secs(1);

/// So much of one run may pass in waiting for what never comes; then the peer is given up.
pub const MOST_WAITED: Duration = Duration::from_secs(25);

/// What a peer has shown so far.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Whose.
    party: Party,
    patience: Patience,
    /// Its slowest answer.
    slowest: Duration,
    /// How long it was waited for in vain.
    waited: Duration,
    /// And how long in vain for its first word. That says nothing of how fast it answers.
    unstarted: Duration,
}

impl Pace {
    /// A server that has shown nothing yet.
    #[must_use]
    pub fn new(patience: Patience) -> Pace {
        Pace::of(Party::Server, patience)
    }

    /// A peer of that party that has shown nothing yet.
    #[must_use]
    pub fn of(party: Party, patience: Patience) -> Pace {
        Pace { party, patience, slowest: Duration::ZERO, waited: Duration::ZERO, unstarted: Duration::ZERO }
    }

    /// How long the steps of the next play are waited for. A deadline that is not used costs nothing, so it is the whole
    /// one until one has passed.
    #[must_use]
    pub fn patience(&self) -> Patience {
        if self.waited.is_zero() {
            return self.patience;
        }
        let most = self.patience.step;
        Patience { step: (self.slowest * SLACK).clamp(LEAST.min(most), most), ..self.patience }
    }

    /// Was it waited for in vain so long that it is enough?
    #[must_use]
    pub fn spent(&self) -> bool {
        self.waited + self.unstarted >= MOST_WAITED
    }

    /// Takes in what the peer showed in a play. A server is as fast as it answers; a client, which acts by itself, as it says
    /// the next thing after whatever was last.
    pub fn note(&mut self, trace: &Trace) {
        let c = Conversation::of(&trace.header, &trace.events);
        let theirs = |s: &&crate::conversation::Said| s.from == self.party;
        let took = |s: &crate::conversation::Said| match self.party {
            Party::Server => Some(s.at.saturating_sub(c.request_of(s)?.at)),
            Party::Client => {
                let before = trace.events.iter().map(|event| event.at).filter(|at| *at < s.at).max();
                Some(s.at.saturating_sub(before.unwrap_or_default()))
            }
        };
        let slowest = c.said.iter().filter(theirs).filter_map(took).max().unwrap_or_default();
        self.slowest = self.slowest.max(Duration::from_micros(slowest));
        let last = c.said.iter().map(|s| s.at).max().unwrap_or_default();
        let waited = Duration::from_micros(c.ended_at.saturating_sub(last));
        match trace.end() {
            Some(EndReason::Deadline) => self.waited += waited,
            // a client that says nothing in all the time it is given
            Some(EndReason::NotApplicable { .. }) if last == 0 && waited >= self.patience.step => self.waited += waited,
            Some(EndReason::NotStarted { .. }) => self.unstarted += waited,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::sample::Sample;
    use serde_json::json;

    /// A play in which an answer took `ms` milliseconds; then, perhaps, one never came.
    fn play(ms: u64, hangs: bool) -> Trace {
        let mut t = Sample::stdio();
        t.handshake(json!({}), json!({}));
        t.client(json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}));
        t.wait(ms).server(json!({"jsonrpc": "2.0", "id": 1, "result": {}}));
        if !hangs {
            return t.done();
        }
        t.client(json!({"jsonrpc": "2.0", "id": 2, "method": "ping"}));
        t.wait(5000).ended(EndReason::Deadline)
    }

    #[test]
    fn the_whole_deadline_holds_until_one_has_passed() {
        let mut pace = Pace::new(Patience::default());
        let whole = Patience::default().step;
        pace.note(&play(3, false));
        assert_eq!(pace.patience().step, whole);
        pace.note(&play(3, true));
        assert_eq!(pace.patience().step, LEAST);
        pace.note(&play(100, false));
        assert!(pace.patience().step >= Duration::from_millis(100) * SLACK && pace.patience().step < whole);
        pace.note(&play(900, false));
        assert_eq!(pace.patience().step, whole, "never more than at first");
        assert!(!pace.spent());
    }

    #[test]
    fn a_program_that_did_not_start_is_given_no_less_time_to_answer() {
        let mut pace = Pace::new(Patience::default());
        let mut t = Sample::stdio();
        t.client(json!({"jsonrpc": "2.0", "id": 0, "method": "initialize"}));
        t.wait(15_000);
        let how = "it said nothing".to_owned();
        pace.note(&t.ended(EndReason::NotStarted { how: how.clone() }));
        assert_eq!(pace.patience().step, Patience::default().step);
        (0..3).for_each(|_| pace.note(&t.ended(EndReason::NotStarted { how: how.clone() })));
        assert!(pace.spent());
    }

    #[test]
    fn a_run_does_not_wait_for_ever() {
        let mut pace = Pace::new(Patience::default());
        for _ in 0..4 {
            pace.note(&play(1, true));
            assert!(!pace.spent());
        }
        pace.note(&play(1, true));
        assert!(pace.spent());
    }
}
