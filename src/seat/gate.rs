//! The order that a client over HTTP has to keep at the beginning: nothing after `notifications/initialized` before it is
//! accepted.

use super::refusal;
use crate::trace::event::{Body, StreamId};
use crate::wire::json::Limits;
use crate::wire::{Message, Party};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long the acceptance of `notifications/initialized` is waited for.
const ACCEPTANCE: Duration = Duration::from_secs(5);

/// Watches the beginning of a session of a client of ours over HTTP. For everybody else it is always open.
#[derive(Debug)]
pub(super) struct Gate {
    applies: bool,
    trips: BTreeMap<StreamId, u32>,
    initialize: Option<u32>,
    unaccepted: Option<(u32, Duration)>,
}

/// What an event means for the beginning.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Noted {
    /// Nothing.
    Nothing,
    /// `initialize` was answered with something that is no MCP; in words.
    NoServer(String),
}

impl Gate {
    pub(super) fn new(ours: Party, http: bool) -> Gate {
        let applies = ours == Party::Client && http;
        Gate { applies, trips: BTreeMap::new(), initialize: None, unaccepted: None }
    }

    /// May anything be sent?
    pub(super) fn is_open(&self) -> bool {
        self.unaccepted.is_none()
    }

    /// When waiting ends in any case.
    pub(super) fn wake_at(&self) -> Option<Duration> {
        self.unaccepted.map(|(_, until)| until)
    }

    /// Tells it the time.
    pub(super) fn tick(&mut self, now: Duration) {
        if self.wake_at().is_some_and(|until| until <= now) {
            self.unaccepted = None;
        }
    }

    /// The latest stream of a round trip: the one its answers come on, if there is one already.
    pub(super) fn stream_of(&self, trip: u32) -> Option<StreamId> {
        self.trips.iter().rev().find(|(_, t)| **t == trip).map(|(s, _)| *s)
    }

    /// Tells it what was recorded.
    pub(super) fn note(&mut self, body: &Body, now: Duration) -> Noted {
        match body {
            Body::StreamOpened { stream, round_trip: Some(trip), .. } => {
                self.trips.insert(*stream, *trip);
            }
            Body::Message { stream, from: Party::Client, text, .. } if self.applies => {
                let Some(trip) = self.trips.get(stream).copied() else { return Noted::Nothing };
                match Message::read(Bytes::from(text.bytes()), &Limits::default()).method() {
                    // a later one is another session, and says nothing of whether there is a server
                    Some("initialize") => {
                        self.initialize.get_or_insert(trip);
                    }
                    Some("notifications/initialized") => self.unaccepted = Some((trip, now + ACCEPTANCE)),
                    _ => {}
                }
            }
            Body::HttpResponse { round_trip, status, headers, body } if self.applies => {
                if self.unaccepted.is_some_and(|(trip, _)| trip == *round_trip) {
                    self.unaccepted = None;
                    return Noted::Nothing;
                }
                if self.initialize == Some(*round_trip) && !refusal::is_mcp(*status, headers) {
                    let words = refusal::words(*status, headers, body.as_ref());
                    return Noted::NoServer(format!("it answered `initialize` with {words}"));
                }
            }
            _ => {}
        }
        Noted::Nothing
    }
}
