//! What a monitor is: a small automaton over a conversation, which says of messages that they held or broke a requirement.

use super::evidence::{Evidence, Shown};
use super::frames::Odd;
use crate::conversation::{Conversation, Said};
use crate::spec::catalogue::Transport as Over;
use crate::spec::{Catalogue, Era, Level, Requirement, Revision, Violation};
use crate::trace::{EndReason, Header, Transport};
use crate::wire::Party;
use std::collections::{HashMap, HashSet};

/// Watches some requirements.
pub trait Monitor {
    /// The requirements it can speak about.
    fn requirements(&self) -> &'static [&'static str];

    /// The kinds of event it needs; a trace that did not capture them is not judged by it.
    fn needs(&self) -> &'static [&'static str] {
        &["message"]
    }

    /// One message, in the order of recording.
    fn said(&mut self, scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
        let _ = (scene, index, said, notes);
    }

    /// The trace is over.
    fn end(&mut self, scene: &Scene<'_>, notes: &mut Notes<'_>) {
        let _ = (scene, notes);
    }
}

/// What monitors look at.
#[derive(Debug)]
pub struct Scene<'a> {
    /// Who said what to whom.
    pub c: &'a Conversation,
    /// How the trace was made.
    pub header: &'a Header,
    /// What is wrong with each message by the schemas, by index.
    pub violations: Vec<Vec<Violation>>,
    /// What stands where a message should and is none, by index.
    pub frames: HashMap<usize, Odd>,
}

impl Scene<'_> {
    /// Is the message as the schemas demand?
    #[must_use]
    pub fn valid(&self, index: usize) -> bool {
        self.violations.get(index).is_some_and(Vec::is_empty)
    }

    /// Is what that party knows all in the trace? True of a party of ours, and over stdio, where the trace is the connection.
    #[must_use]
    pub fn knows_all(&self, party: Party) -> bool {
        self.header.seat.ours() == Some(party) || self.header.transport == Transport::Stdio
    }

    /// Did the trace end so that what is open at its end had the chance to come?
    #[must_use]
    pub fn waited(&self) -> bool {
        matches!(self.c.end, Some(EndReason::Finished | EndReason::Deadline))
    }

    /// Was it the deadline that ended the trace?
    #[must_use]
    pub fn timed_out(&self) -> bool {
        matches!(self.c.end, Some(EndReason::Deadline))
    }

    /// Was the message sent on purpose to see how the other party reacts: by us, breaking something?
    #[must_use]
    pub fn deliberate(&self, said: &Said) -> bool {
        !said.breaks.is_empty()
    }
}

/// Collects evidence.
#[derive(Debug)]
pub struct Notes<'a> {
    c: &'a Conversation,
    transport: Transport,
    evidence: Vec<Evidence>,
    /// What is said of a message that cannot be judged goes here, and nowhere.
    dropped: Evidence,
}

impl<'a> Notes<'a> {
    /// Nothing yet.
    #[must_use]
    pub fn new(c: &'a Conversation, transport: Transport) -> Notes<'a> {
        let dropped = Evidence {
            requirement: "",
            party: Party::Client,
            event: 0,
            said: None,
            verdict: Shown::Held,
            level: Level::Should,
            presumed: false,
            decision: None,
        };
        Notes { c, transport, evidence: Vec::new(), dropped }
    }

    /// The message could have broken the requirement, and did not.
    pub fn held(&mut self, requirement: &'static str, index: usize) -> &mut Evidence {
        self.note(requirement, index, Shown::Held)
    }

    /// The message broke the requirement, at that place in it.
    pub fn broken(
        &mut self,
        requirement: &'static str,
        index: usize,
        pointer: &str,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> &mut Evidence {
        let verdict = Shown::Broken { expected: expected.into(), found: found.into(), pointer: pointer.to_owned() };
        self.note(requirement, index, verdict)
    }

    /// Held or broken.
    pub fn either(
        &mut self,
        well: bool,
        requirement: &'static str,
        index: usize,
        pointer: &str,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> &mut Evidence {
        if well { self.held(requirement, index) } else { self.broken(requirement, index, pointer, expected, found) }
    }

    fn note(&mut self, requirement: &'static str, index: usize, verdict: Shown) -> &mut Evidence {
        let Some(said) = self.c.get(index) else { return &mut self.dropped };
        let Some(entry) = Catalogue::of(said.revision).get(requirement) else { return &mut self.dropped };
        let elsewhere = match entry.transport {
            Over::Any => false,
            Over::Http => self.transport != Transport::Http,
            Over::Stdio => self.transport != Transport::Stdio,
        };
        // what is deliberate is no finding, and proves nothing about the one who sent it
        if said.cut || said.revision.era() == Era::Modern || !said.breaks.is_empty() || elsewhere {
            return &mut self.dropped;
        }
        self.push(entry, said.from, said.event, Some(index), verdict)
    }

    /// Like [`Notes::held`] and [`Notes::broken`], for a rule that binds the other party of a deliberate message too.
    pub fn of_receiver(&mut self, requirement: &'static str, index: usize, verdict: Shown) -> &mut Evidence {
        let Some(said) = self.c.get(index) else { return &mut self.dropped };
        let Some(entry) = Catalogue::of(said.revision).get(requirement) else { return &mut self.dropped };
        if said.cut || said.revision.era() == Era::Modern {
            return &mut self.dropped;
        }
        self.push(entry, said.to(), said.event, Some(index), verdict)
    }

    /// What an event that is no message (a head, an end, an event id) shows of that party, in that revision.
    pub fn at(
        &mut self,
        requirement: &'static str,
        event: u32,
        party: Party,
        revision: Revision,
        verdict: Shown,
    ) -> &mut Evidence {
        let Some(entry) = Catalogue::of(revision).get(requirement) else { return &mut self.dropped };
        if revision.era() == Era::Modern {
            return &mut self.dropped;
        }
        self.push(entry, party, event, None, verdict)
    }

    fn push(
        &mut self,
        entry: &'static Requirement,
        party: Party,
        event: u32,
        said: Option<usize>,
        verdict: Shown,
    ) -> &mut Evidence {
        let (requirement, level, decision) = (entry.id.as_str(), entry.level, entry.decision.as_deref());
        self.evidence.push(Evidence { requirement, party, event, said, verdict, level, presumed: false, decision });
        let last = self.evidence.len() - 1;
        self.evidence.get_mut(last).unwrap_or(&mut self.dropped)
    }

    /// All of it, by event, then requirement. Of one message and requirement: if anything was broken, only that; each place
    /// once; `held` once.
    #[must_use]
    pub fn finish(self) -> Vec<Evidence> {
        let mut evidence = self.evidence;
        let key = |e: &Evidence| (e.event, e.said, e.requirement, e.party);
        let broken: HashSet<_> = evidence.iter().filter(|e| e.is_broken()).map(key).collect();
        evidence.retain(|e| e.is_broken() || !broken.contains(&key(e)));
        evidence.sort_by_key(key);
        evidence.dedup_by(|b, a| {
            key(a) == key(b)
                && match (&a.verdict, &b.verdict) {
                    (Shown::Broken { pointer: x, .. }, Shown::Broken { pointer: y, .. }) => x == y,
                    (Shown::Held, Shown::Held) => true,
                    _ => false,
                }
        });
        evidence
    }
}
