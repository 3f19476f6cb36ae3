//! The order that a client over HTTP keeps at the beginning: nothing after `notifications/initialized` before it is accepted,
//! and where it opens a stream of its own then (GET), nothing before that is answered. What the server says there, and what it
//! says elsewhere for want of that stream, would else be chance.

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
    /// How long the answer to the stream of its own is waited for; `None` where it opens none by itself. A server may keep the
    /// head of its answer until it has something to say.
    listens: Option<Duration>,
    trips: BTreeMap<StreamId, u32>,
    initialize: Option<u32>,
    shut: Shut,
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shut {
    /// Nothing.
    Open,
    /// That this round trip, with `notifications/initialized`, is accepted.
    Unaccepted(u32, Duration),
    /// That the link opens the stream.
    Listens(Duration),
    /// That this round trip, the GET, is answered.
    Listening(u32, Duration),
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
        Gate { applies, listens: None, trips: BTreeMap::new(), initialize: None, shut: Shut::Open }
    }

    /// The link opens a stream with GET by itself, and its answer is waited for so long.
    pub(super) fn listening(self, patience: Option<Duration>) -> Gate {
        Gate { listens: patience, ..self }
    }

    /// May anything be sent?
    pub(super) fn is_open(&self) -> bool {
        self.shut == Shut::Open
    }

    /// When waiting ends in any case.
    pub(super) fn wake_at(&self) -> Option<Duration> {
        match self.shut {
            Shut::Open => None,
            Shut::Unaccepted(_, until) | Shut::Listens(until) | Shut::Listening(_, until) => Some(until),
        }
    }

    /// Tells it the time.
    pub(super) fn tick(&mut self, now: Duration) {
        if self.wake_at().is_some_and(|until| until <= now) {
            self.shut = Shut::Open;
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
            Body::HttpRequest { round_trip, method, step: None, .. } if method == "GET" => {
                if let Shut::Listens(until) = self.shut {
                    self.shut = Shut::Listening(*round_trip, until);
                }
            }
            Body::Message { stream, from: Party::Client, text, .. } if self.applies => {
                let Some(trip) = self.trips.get(stream).copied() else { return Noted::Nothing };
                match Message::read(Bytes::from(text.bytes()), &Limits::default()).method() {
                    // a later one is another session, and says nothing of whether there is a server
                    Some("initialize") => {
                        self.initialize.get_or_insert(trip);
                    }
                    Some("notifications/initialized") => self.shut = Shut::Unaccepted(trip, now + ACCEPTANCE),
                    _ => {}
                }
            }
            Body::HttpResponse { round_trip, status, headers, body } if self.applies => match self.shut {
                Shut::Unaccepted(trip, _) if trip == *round_trip => {
                    let listens = self.listens.filter(|_| (200..300).contains(status));
                    self.shut = listens.map_or(Shut::Open, |patience| Shut::Listens(now + patience));
                }
                Shut::Listening(trip, _) if trip == *round_trip => self.shut = Shut::Open,
                _ if self.initialize == Some(*round_trip) && !refusal::is_mcp(*status, headers) => {
                    let words = refusal::words(*status, headers, body.as_ref());
                    return Noted::NoServer(format!("it answered `initialize` with {words}"));
                }
                _ => {}
            },
            _ => {}
        }
        Noted::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::event::{StreamKind, Text};

    const SETTLE: Duration = Duration::from_millis(500);
    const NOW: Duration = Duration::from_secs(1);

    /// A gate behind which `notifications/initialized` has gone out, in round trip 1.
    fn shut(listens: Option<Duration>) -> Gate {
        let mut gate = Gate::new(Party::Client, true).listening(listens);
        let (stream, from, kind) = (StreamId(0), Party::Client, StreamKind::Post);
        gate.note(&Body::StreamOpened { stream, writer: from, kind, round_trip: Some(1) }, NOW);
        let text = Text::Plain(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#.into());
        let (event_id, step, breaks, cut_from) = (None, None, Vec::new(), None);
        gate.note(&Body::Message { stream, from, text, event_id, step, breaks, cut_from }, NOW);
        assert!(!gate.is_open());
        gate
    }

    fn answered(gate: &mut Gate, round_trip: u32, status: u16) {
        let noted = gate.note(&Body::HttpResponse { round_trip, status, headers: Vec::new(), body: None }, NOW);
        assert_eq!(noted, Noted::Nothing);
    }

    fn get(gate: &mut Gate, round_trip: u32) {
        let (method, target, headers) = ("GET".to_owned(), "/mcp".to_owned(), Vec::new());
        gate.note(&Body::HttpRequest { round_trip, method, target, headers, step: None, client: None }, NOW);
    }

    #[test]
    fn it_opens_with_the_acceptance_where_nothing_listens() {
        let mut gate = shut(None);
        answered(&mut gate, 7, 200);
        assert!(!gate.is_open(), "of something else");
        answered(&mut gate, 1, 202);
        assert!(gate.is_open());
    }

    #[test]
    fn it_opens_with_the_answer_to_the_get_whatever_that_is() {
        for status in [200, 405, 500] {
            let mut gate = shut(Some(SETTLE));
            answered(&mut gate, 1, 202);
            assert!(!gate.is_open(), "the GET is still to come");
            get(&mut gate, 2);
            assert!(!gate.is_open());
            answered(&mut gate, 2, status);
            assert!(gate.is_open(), "{status}");
        }
    }

    #[test]
    fn who_is_not_accepted_does_not_listen() {
        let mut gate = shut(Some(SETTLE));
        answered(&mut gate, 1, 400);
        assert!(gate.is_open());
    }

    #[test]
    fn a_server_that_keeps_the_head_of_its_stream_is_waited_for_only_so_long() {
        let mut gate = shut(Some(SETTLE));
        answered(&mut gate, 1, 202);
        get(&mut gate, 2);
        assert_eq!(gate.wake_at(), Some(NOW + SETTLE));
        gate.tick(NOW + SETTLE / 2);
        assert!(!gate.is_open());
        gate.tick(NOW + SETTLE);
        assert!(gate.is_open());
    }
}
