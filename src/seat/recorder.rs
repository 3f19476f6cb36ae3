//! Writes down what happens, in the order in which the seat got it, and tells the automaton.

use crate::scenario::exchange::Exchange;
use crate::trace::event::{Body, EndReason, Event};
use crate::trace::redact::Redactor;
use crate::wire::Party;
use std::time::Duration;
use tokio::time::Instant;

/// The record of one play, as it grows.
#[derive(Debug)]
pub struct Recorder {
    start: Instant,
    events: Vec<Event>,
    exchange: Exchange,
    redactor: Redactor,
}

impl Recorder {
    /// Begins now.
    #[must_use]
    pub fn new(exchange: Exchange) -> Recorder {
        Recorder { start: Instant::now(), events: Vec::new(), exchange, redactor: Redactor::new() }
    }

    /// The time since the beginning.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// The point in time that lies `at` after the beginning.
    #[must_use]
    pub fn instant(&self, at: Duration) -> Instant {
        self.start + at
    }

    /// The automaton.
    pub fn exchange(&mut self) -> &mut Exchange {
        &mut self.exchange
    }

    /// What the automaton has come to.
    #[must_use]
    pub fn exchange_ref(&self) -> &Exchange {
        &self.exchange
    }

    /// How many events there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Is nothing recorded yet?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Records an event.
    pub fn record(&mut self, body: Body) {
        let at = u64::try_from(self.now().as_micros()).unwrap_or(u64::MAX);
        let seq = u32::try_from(self.events.len()).unwrap_or(u32::MAX);
        let event = Event { seq, at, body };
        self.exchange.observe(&event);
        // the automaton of a play may see secrets (it echoes them); the record and its judge may not
        let event = self.redactor.event(event);
        self.events.push(event);
    }

    /// Tells the automaton the time.
    pub fn tick(&mut self) {
        let now = self.now();
        self.exchange.tick(now);
    }

    /// Records the end, and gives the events.
    #[must_use]
    pub fn end(mut self, reason: EndReason) -> Vec<Event> {
        self.record(Body::End { reason });
        self.events()
    }

    /// Why the play ended, if it has.
    #[must_use]
    pub fn ended_with(&self) -> Option<&EndReason> {
        self.events.iter().rev().find_map(|e| match &e.body {
            Body::End { reason } => Some(reason),
            _ => None,
        })
    }

    /// When the first message of that party came.
    #[must_use]
    pub fn first_of(&self, party: Party) -> Option<Duration> {
        let of_party = |event: &&Event| matches!(event.body, Body::Message { from, .. } if from == party);
        self.events.iter().find(of_party).map(|event| Duration::from_micros(event.at))
    }

    /// The events.
    #[must_use]
    pub fn events(self) -> Vec<Event> {
        self.events
    }
}
