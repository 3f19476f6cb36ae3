//! Judging while the record is being made: events go in one by one, findings come out as soon as they are certain.
//!
//! What is said live and what is said of the stored record is the same: both are this.

use super::engine::judge;
use super::finding::{Blame, Finding, Judgement};
use crate::trace::{Body, Event, Header, Trace};
use std::collections::BTreeSet;

/// A record that is being judged.
#[derive(Debug)]
pub struct Judging {
    trace: Trace,
    /// Which findings were told: requirement and party.
    told: BTreeSet<(Option<String>, Blame)>,
}

/// What is said of a record, with as much of the record as it takes to show that.
#[derive(Debug, Clone)]
pub struct Judged {
    /// What is said of it.
    pub judgement: Judgement,
    /// The header, and the events that findings are about with some of those around them; of a short record, all events.
    pub trace: Trace,
}

impl Judging {
    /// Nothing was recorded yet.
    #[must_use]
    pub fn new(header: Header) -> Judging {
        Judging { trace: Trace { header, events: Vec::new() }, told: BTreeSet::new() }
    }

    /// The next event: redacted, and numbered in the order of recording. Gives the findings that have become certain, each
    /// requirement once for each party. What can only be said at the end comes with [`Judging::finish`].
    ///
    /// In a record with a scenario nothing is certain before the end.
    pub fn event(&mut self, event: Event) -> Vec<Finding> {
        let says_something = matches!(
            event.body,
            Body::Message { .. } | Body::HttpResponse { .. } | Body::Signal { .. } | Body::StreamClosed { .. }
        );
        self.trace.events.push(event);
        if !says_something || self.trace.header.scenario.is_some() {
            return Vec::new();
        }
        let mut findings = judge(&self.trace).findings;
        findings.retain(|f| self.told.insert((f.requirement.clone(), f.blame)));
        findings
    }

    /// There is no more. The reason for it should have come as an event ([`Body::End`]); without one the record counts as cut,
    /// and nothing is made of what did not come.
    #[must_use]
    pub fn finish(self) -> Judged {
        Judged { judgement: judge(&self.trace), trace: self.trace }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::sample::Sample;
    use crate::trace::Seat;
    use serde_json::json;

    #[test]
    fn a_finding_is_told_once_and_as_soon_as_its_message_came() {
        let mut sample = Sample::stdio();
        sample.client(json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}));
        sample.server(json!({"jsonrpc": "2.0", "id": 1, "result": {}}));
        let wrong = [
            sample.client(json!({"jsonrpc": "2.0", "id": 1, "method": "ping"})),
            sample.client(json!({"jsonrpc": "2.0", "id": 1, "method": "ping"})),
        ];
        let mut trace = sample.done();
        trace.header.seat = Seat::Observer;
        trace.header.scenario = None;
        let mut judging = Judging::new(trace.header.clone());
        let mut told = Vec::new();
        for event in trace.events {
            let seq = event.seq;
            told.extend(judging.event(event).into_iter().map(|f| (seq, f.event, f.requirement)));
        }
        let id = "base.request.id-unique";
        assert!(told.contains(&(wrong[0], Some(wrong[0]), Some(id.to_owned()))), "{told:?}");
        assert_eq!(told.iter().filter(|(_, _, r)| r.as_deref() == Some(id)).count(), 1);
        assert!(judging.finish().judgement.findings.iter().any(|f| f.requirement.as_deref() == Some(id)));
    }
}
