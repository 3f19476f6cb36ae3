//! Judging while the record is being made: events go in one by one, findings come out as soon as they are certain.
//!
//! What is said live, of a stored record and of one too long to be held is the same: all three are this.

use super::engine;
use super::finding::{Blame, Finding, Judgement};
use super::window::{Bounds, Window};
use crate::trace::{Body, Event, Header, Seat, Trace};
use std::collections::BTreeSet;

/// Findings are looked for when one event in so many of those that are held is new.
const ONE_IN: usize = 8;

/// A record that is being judged.
#[derive(Debug)]
pub struct Judging {
    record: Record,
    /// Which findings were told: requirement and party.
    told: BTreeSet<(Option<String>, Blame)>,
    silent: bool,
    /// Events since findings were looked for.
    fresh: usize,
}

#[derive(Debug)]
enum Record {
    /// The walk through a scenario, and what is held against a party of ours, need all of it. Plays have bounds of their own.
    Whole(Box<Trace>),
    /// Between two others nobody knows how long it will be.
    Window(Box<Window>),
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
        Judging::within(header, Bounds::USUAL)
    }

    /// As [`Judging::new`], with other bounds on what is held of a record without a scenario.
    #[must_use]
    pub fn within(header: Header, bounds: Bounds) -> Judging {
        let record = match header.scenario.is_none() && header.seat == Seat::Observer {
            true => Record::Window(Box::new(Window::new(header, bounds))),
            false => Record::Whole(Box::new(Trace { header, events: Vec::new() })),
        };
        Judging { record, told: BTreeSet::new(), silent: false, fresh: 0 }
    }

    /// Tells no findings before the end: to look for them has its price.
    #[must_use]
    pub fn silent(self) -> Judging {
        Judging { silent: true, ..self }
    }

    /// The next event: redacted, and numbered in the order of recording. Gives the findings that have become certain, each
    /// requirement once for each party. What can only be said at the end comes with [`Judging::finish`].
    ///
    /// While many events are held, findings are told some events late; [`Judging::look`] tells them at once. In a record with
    /// a scenario, or with a party of ours, nothing is certain before the end.
    pub fn event(&mut self, event: Event) -> Vec<Finding> {
        let says_something = matches!(
            event.body,
            Body::Message { .. } | Body::HttpResponse { .. } | Body::Signal { .. } | Body::StreamClosed { .. }
        );
        match &mut self.record {
            Record::Whole(trace) => {
                trace.events.push(event);
                return Vec::new();
            }
            Record::Window(window) => window.event(event),
        }
        self.fresh += 1;
        let Record::Window(window) = &self.record else { return Vec::new() };
        if self.silent || !says_something || self.fresh * ONE_IN < window.held() { Vec::new() } else { self.look() }
    }

    /// The findings that are certain by now and were not told yet.
    pub fn look(&mut self) -> Vec<Finding> {
        let Record::Window(window) = &self.record else { return Vec::new() };
        if std::mem::take(&mut self.fresh) == 0 {
            return Vec::new();
        }
        let mut findings = window.findings();
        findings.retain(|f| self.told.insert((f.requirement.clone(), f.blame)));
        findings
    }

    /// There is no more. The reason for it should have come as an event ([`Body::End`]); without one the record counts as cut,
    /// and nothing is made of what did not come.
    #[must_use]
    pub fn finish(self) -> Judged {
        match self.record {
            Record::Whole(trace) => Judged { judgement: engine::whole(&trace), trace: *trace },
            Record::Window(window) => window.finish(),
        }
    }

    /// How many events are held.
    #[must_use]
    pub fn held(&self) -> usize {
        match &self.record {
            Record::Whole(trace) => trace.events.len(),
            Record::Window(window) => window.held(),
        }
    }

    /// Is all of the record held, because only as a whole it can be judged?
    #[must_use]
    pub fn holds_all(&self) -> bool {
        matches!(self.record, Record::Whole(_))
    }

    #[cfg(test)]
    pub(super) fn evidence(self) -> Vec<super::Evidence> {
        match self.record {
            Record::Whole(_) => Vec::new(),
            Record::Window(window) => window.evidence(),
        }
    }
}

/// Judges a trace. Reads nothing else: the scenario's text is in the trace.
#[must_use]
pub fn judge(trace: &Trace) -> Judgement {
    let mut judging = Judging::new(trace.header.clone()).silent();
    if matches!(judging.record, Record::Whole(_)) {
        return engine::whole(trace);
    }
    for event in &trace.events {
        judging.event(event.clone());
    }
    judging.finish().judgement
}

#[cfg(test)]
#[path = "live_tests.rs"]
mod tests;
