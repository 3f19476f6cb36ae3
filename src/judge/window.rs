//! A record without a scenario, judged while it goes by: what is over is judged and let go, what is open is held.
//!
//! The monitors see the events that are held as a conversation of their own, again and again; what they say of an event counts
//! once, when it goes. So what is held is bounded by what is open at one time, by the last [`Bounds::recent`] events, and by
//! what holds for whole sessions; [`crate::conversation::groups`] says what that is, and [`Past`] what is known of the rest.

use super::evidence::Evidence;
use super::finding::Finding;
use super::frames::{self, Odd};
use super::ledger::{self, Ledger};
use super::live::Judged;
use super::monitors;
use crate::conversation::groups::{self, Over};
use crate::conversation::{Conversation, Past};
use crate::trace::{Body, EndReason, Event, Header, Text, Trace};
use crate::wire::Party;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// A neighbour of what a finding shows is kept if it has no more bytes than this.
const SMALL: usize = 64 << 10;
/// So many neighbours on each side.
const NEIGHBOURS: usize = 6;
/// The last events that are kept for a report.
const LAST: usize = 50;

/// How much is held beyond what is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// So many of the last events.
    pub recent: usize,
    /// Unless they have more bytes together.
    pub bytes: usize,
    /// What is over is looked for when at least so many events have come.
    pub step: usize,
}

impl Bounds {
    /// What is used.
    pub const USUAL: Bounds = Bounds { recent: 1024, bytes: 16 << 20, step: 1024 };
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds::USUAL
    }
}

/// The record as far as it is held.
#[derive(Debug)]
pub(super) struct Window {
    header: Header,
    bounds: Bounds,
    held: Vec<Event>,
    bytes: usize,
    fresh: usize,
    fresh_bytes: usize,
    /// The events of which all has been said, and which are held for what comes later.
    counted: HashSet<u32>,
    /// Was anything let go?
    let_go: bool,
    past: Arc<Past>,
    ledger: Ledger,
    /// What findings show, with some of what is around it.
    shown: BTreeMap<(&'static str, Party), Vec<Event>>,
    end: Option<EndReason>,
    /// Every piece of evidence, for tests.
    #[cfg(test)]
    all: Vec<Evidence>,
}

fn size(event: &Event) -> usize {
    match &event.body {
        Body::Message { text: Text::Plain(text), .. } => text.len(),
        Body::Message { text: Text::Bytes { base64 }, .. } => base64.len(),
        Body::Stderr { text, .. } => text.len(),
        Body::HttpRequest { headers, .. } | Body::HttpResponse { headers, .. } => {
            headers.iter().map(|(name, value)| name.len() + value.len()).sum()
        }
        _ => 0,
    }
}

impl Window {
    pub(super) fn new(header: Header, bounds: Bounds) -> Window {
        Window {
            header,
            bounds,
            held: Vec::new(),
            bytes: 0,
            fresh: 0,
            fresh_bytes: 0,
            counted: HashSet::new(),
            let_go: false,
            past: Arc::default(),
            ledger: Ledger::default(),
            shown: BTreeMap::new(),
            end: None,
            #[cfg(test)]
            all: Vec::new(),
        }
    }

    pub(super) fn event(&mut self, event: Event) {
        if let Body::End { reason } = &event.body {
            self.end = Some(reason.clone());
        }
        let size = size(&event);
        self.bytes += size;
        self.fresh += 1;
        self.fresh_bytes += size;
        self.held.push(event);
        // with what is open the work for each event does not grow
        let many = self.fresh >= self.bounds.step && (self.bounds.step == 1 || self.fresh * 2 >= self.held.len());
        let large = self.fresh_bytes > self.bounds.bytes && self.fresh_bytes * 2 >= self.bytes;
        if many || large {
            self.let_go();
        }
    }

    fn conversation(&self) -> Conversation {
        Conversation::after(Arc::clone(&self.past), &self.header, &self.held)
    }

    /// What can be said of what is held, by what has come.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let evidence = monitors::run(&self.conversation(), &self.header);
        let broken = evidence.iter().filter(|e| e.is_broken());
        broken.filter_map(|e| ledger::finding(&self.header, e, 1)).collect()
    }

    /// Judges what is over, and lets it go.
    fn let_go(&mut self) {
        (self.fresh, self.fresh_bytes) = (0, 0);
        let c = self.conversation();
        let recent = if self.bytes > self.bounds.bytes { 0 } else { self.bounds.recent };
        let Over { settled, gone } = groups::over(&c, &self.held, recent);
        if settled.is_subset(&self.counted) && gone.is_empty() {
            return;
        }
        let evidence = monitors::run(&c, &self.header);
        self.count(evidence.into_iter().filter(|e| settled.contains(&e.event)));
        self.counted.extend(settled);
        if gone.is_empty() {
            return;
        }
        self.counted.retain(|event| !gone.contains(event));
        let mut past = c.past_without(&gone);
        for (index, odd) in frames::survey(&c) {
            if let (Odd::Stray, Some(said)) = (odd, c.get(index).filter(|s| gone.contains(&s.event))) {
                past.stray(said.from);
            }
        }
        drop(c);
        self.past = Arc::new(past);
        self.held.retain(|e| !gone.contains(&e.seq));
        self.bytes = self.held.iter().map(size).sum();
        self.let_go = true;
    }

    fn count(&mut self, evidence: impl Iterator<Item = Evidence>) {
        for evidence in evidence {
            if self.counted.contains(&evidence.event) {
                continue;
            }
            let told = self.ledger.add(&evidence, self.header.seat.tests(evidence.party));
            if told {
                let around = self.around(evidence.event);
                self.shown.insert((evidence.requirement, evidence.party), around);
            }
            #[cfg(test)]
            self.all.push(evidence);
        }
    }

    /// An event with its small neighbours.
    fn around(&self, seq: u32) -> Vec<Event> {
        let at = self.held.partition_point(|e| e.seq < seq);
        let near = self.held.iter().enumerate().take(at + NEIGHBOURS + 1).skip(at.saturating_sub(NEIGHBOURS));
        near.filter(|(i, e)| *i == at || size(e) <= SMALL).map(|(_, e)| e.clone()).collect()
    }

    pub(super) fn finish(mut self) -> Judged {
        let evidence = monitors::run(&self.conversation(), &self.header);
        self.count(evidence.into_iter());
        let mut events: BTreeMap<u32, Event> = BTreeMap::new();
        let from = if self.let_go { self.held.len().saturating_sub(LAST) } else { 0 };
        for event in self.shown.into_values().flatten().chain(self.held.into_iter().skip(from)) {
            events.insert(event.seq, event);
        }
        let judgement = self.ledger.judgement(&self.header, self.end.as_ref());
        Judged { judgement, trace: Trace { header: self.header, events: events.into_values().collect() } }
    }

    #[cfg(test)]
    pub(super) fn evidence(mut self) -> Vec<Evidence> {
        let evidence = monitors::run(&self.conversation(), &self.header);
        self.count(evidence.into_iter());
        self.all
    }

    /// How many events are held.
    pub(super) fn held(&self) -> usize {
        self.held.len()
    }
}

#[cfg(test)]
#[path = "window_tests.rs"]
mod tests;
