//! What is to be played from a seat of ours, and what is said of what is not.

use super::{Skipped, Trouble};
use crate::judge::finding::Blame;
use crate::scenario::exchange::Patience;
use crate::scenario::plan::Plan;
use crate::scenario::{Scenario, fresh, seats};
use crate::seat::Play;
use crate::spec::Revision;
use crate::spec::catalogue::Catalogue;
use crate::trace::{Seat, Transport};
use std::sync::Arc;
use std::time::Duration;

/// How long a play may take, whatever progress it makes.
pub(super) const CAP: Duration = Duration::from_secs(60);

/// How many events a play may record.
const MOST_EVENTS: usize = 10_000;

/// A peer that could not be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// Why, in one sentence, and what to do.
    pub what: String,
    /// What it wrote on its standard error.
    pub stderr: Option<String>,
    /// Whose fault that is.
    pub blame: Blame,
}

impl Closed {
    /// As what keeps a peer from being tested on a transport.
    #[must_use]
    pub fn trouble(self, transport: Transport) -> Trouble {
        Trouble { transport, what: self.what, stderr: self.stderr, blame: self.blame }
    }
}

/// What a run plays: from which seat, in which revision.
#[derive(Debug, Clone, Copy)]
pub(super) struct Agenda {
    /// Ours.
    pub(super) seat: Seat,
    /// The revision.
    pub(super) revision: Revision,
    /// How long things may take.
    pub(super) patience: Patience,
}

impl Agenda {
    /// Those that can be played from this seat in this revision, in their order.
    pub(super) fn chosen<'s>(&self, scenarios: &'s [Scenario]) -> Vec<&'s Scenario> {
        scenarios.iter().filter(|scenario| self.rules_out(scenario).is_none()).collect()
    }

    /// Why a scenario cannot be played, if it cannot.
    fn rules_out(&self, scenario: &Scenario) -> Option<String> {
        rules_out(scenario, self.seat, self.revision)
    }

    /// Those of the chosen that are played over a transport. Where the revision does not have it, all are skipped.
    pub(super) fn over<'s>(
        &self,
        chosen: &[&'s Scenario],
        transport: Transport,
        skip: &mut Vec<Skipped>,
    ) -> Option<Vec<&'s Scenario>> {
        let held: Vec<&Scenario> = chosen.iter().copied().filter(|s| s.transports.contains(&transport)).collect();
        if transport == Transport::Http && self.revision < Revision::V2025_03_26 {
            let reason = format!("revision {} has no Streamable HTTP", self.revision);
            let bare = |s: &Scenario| Skipped {
                scenario: s.id.clone(),
                transport,
                reason: reason.clone(),
                claims: Vec::new(),
            };
            skip.extend(held.into_iter().map(bare));
            return None;
        }
        Some(held)
    }

    /// Why none of the scenarios that were asked for can be played.
    pub(super) fn ruled_out(&self, scenarios: &[Scenario], transports: &[Transport]) -> Vec<Skipped> {
        let Some(transport) = transports.first().copied() else { return Vec::new() };
        let only = [transport];
        let reason = |s: &Scenario| ruled_out(s, self.seat, self.revision, &only).unwrap_or_else(|| not_over(&only));
        let of = |scenario: &Scenario| Skipped {
            scenario: scenario.id.clone(),
            transport,
            reason: reason(scenario),
            claims: Vec::new(),
        };
        scenarios.iter().map(of).collect()
    }

    /// All ways to play a scenario.
    pub(super) fn plays(&self, scenario: Scenario, transport: Transport, random: &mut dyn FnMut() -> u64) -> Vec<Play> {
        let plan = Arc::new(Plan::new(Arc::new(scenario), transport));
        let play = |choices| Play {
            fresh: fresh::freshen(plan.scenario(), random),
            plan: Arc::clone(&plan),
            seat: self.seat,
            revision: self.revision,
            choices,
            patience: self.patience,
            cap: CAP,
            most_events: MOST_EVENTS,
            again: false,
        };
        let choices = self.seat.ours().map(|ours| plan.choices_of(ours)).unwrap_or_default();
        branches(&choices).into_iter().map(play).collect()
    }
}

fn rules_out(scenario: &Scenario, seat: Seat, revision: Revision) -> Option<String> {
    if !scenario.revisions.contains(&revision) {
        return Some(format!("it does not hold for revision {revision}"));
    }
    let offered = seats::seats(scenario, Catalogue::of(revision)).contains(&seat);
    let why = match seat {
        Seat::Client => "it shows nothing of a server",
        Seat::Server => "it shows nothing of a client, or nothing in it moves one",
        Seat::Observer => "it shows nothing of two that are not ours",
    };
    (!offered).then(|| why.to_owned())
}

fn not_over(transports: &[Transport]) -> String {
    let names: Vec<String> = transports.iter().map(ToString::to_string).collect();
    format!("it is not played over {}", names.join(" or "))
}

/// Why a scenario is played from that seat over none of these transports, if so. What the peer offers is not looked at.
#[must_use]
pub fn ruled_out(scenario: &Scenario, seat: Seat, revision: Revision, transports: &[Transport]) -> Option<String> {
    let over = || (!transports.iter().any(|t| scenario.transports.contains(t))).then(|| not_over(transports));
    rules_out(scenario, seat, revision).or_else(over)
}

/// That a scenario is not played, and why.
pub(super) fn skipped(scenario: &Scenario, transport: Transport, reason: &str) -> Skipped {
    let claims = Plan::new(Arc::new(scenario.clone()), transport).claims().map(|(_, p)| p.id.clone()).collect();
    Skipped { scenario: scenario.id.clone(), transport, reason: reason.to_owned(), claims }
}

/// Every way to take some choices: one branch of each. At most 64 ways.
#[must_use]
pub fn branches(counts: &[u8]) -> Vec<Vec<u8>> {
    let mut ways: Vec<Vec<u8>> = vec![Vec::new()];
    for count in counts {
        let longer = |way: &Vec<u8>| {
            let way = way.clone();
            (0..*count).map(move |branch| way.iter().copied().chain([branch]).collect::<Vec<u8>>())
        };
        ways = ways.iter().flat_map(longer).take(64).collect();
    }
    ways
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_branch_of_every_choice_is_a_way() {
        assert_eq!(branches(&[]), [Vec::<u8>::new()]);
        assert_eq!(branches(&[2, 3]).len(), 6);
        assert_eq!(branches(&[2]), [[0], [1]]);
        assert_eq!(branches(&[4, 4, 4, 4]).len(), 64);
    }
}
