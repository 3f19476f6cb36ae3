//! Sessions, streams and HTTP round trips.

use crate::spec::{Revision, methods};
use crate::trace::event::StepName;
use crate::trace::{Body, Closing, Event, StreamId, StreamKind, Transport};
use crate::wire::Party;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

/// One session: one connection over stdio, one session id over HTTP. Round trips without a session id make a session of their
/// own for each client, a new one with every `initialize`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Session {
    /// The `Mcp-Session-Id`, if the server gave one.
    pub id: Option<String>,
    /// Index of the first `initialize` request.
    pub initialize: Option<usize>,
    /// Index of its answer, result or error.
    pub initialize_answer: Option<usize>,
    /// Index of the first `notifications/initialized`.
    pub initialized: Option<usize>,
    /// The version the client asked for.
    pub requested: Option<String>,
    /// The version the server answered.
    pub answered: Option<String>,
    /// That version, if it is a published one.
    pub revision: Option<Revision>,
    /// What the client declared; `None` if that was not seen.
    pub client_capabilities: Option<Value>,
    /// What the server declared; `None` if that was not seen.
    pub server_capabilities: Option<Value>,
}

impl Session {
    /// What a party declared; `None` if that was not seen.
    #[must_use]
    pub fn capabilities(&self, party: Party) -> Option<&Value> {
        match party {
            Party::Client => self.client_capabilities.as_ref(),
            Party::Server => self.server_capabilities.as_ref(),
        }
    }

    /// Did a party declare the capability with that dotted path (see [`methods::declared`])? `None` if its declaration was not
    /// seen.
    #[must_use]
    pub fn declares(&self, party: Party, path: &str) -> Option<bool> {
        self.capabilities(party).map(|capabilities| methods::declared(capabilities, path))
    }
}

/// One stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Stream {
    /// Who writes on it.
    pub writer: Party,
    /// What carries it.
    pub kind: StreamKind,
    /// The HTTP round trip it belongs to.
    pub round_trip: Option<u32>,
    /// The event that opened it.
    pub opened: u32,
    /// The event that closed it, and how.
    pub closed: Option<(u32, Closing)>,
    /// Who closed it, where that could be told.
    pub closed_by: Option<Party>,
    /// When it was closed, in microseconds since the play began.
    pub closed_at: u64,
    /// What came on it, in its order.
    pub items: Vec<Item>,
}

/// One thing that came on a stream: a message, or an event without one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The event that recorded it.
    pub event: u32,
    /// Microseconds since the play began.
    pub at: u64,
    /// Index of the message, if it is one (of a batch: of the batch itself).
    pub said: Option<usize>,
    /// The event id it set, over HTTP.
    pub event_id: Option<String>,
    /// The reconnection time it set, in milliseconds, over HTTP.
    pub retry: Option<u64>,
    /// What was odd about it.
    pub note: Option<String>,
}

/// One HTTP request with its response.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RoundTrip {
    /// `GET`, `POST`, `DELETE`, ...
    pub method: String,
    /// Path and query.
    pub target: String,
    /// The headers of the request.
    pub headers: Vec<(String, String)>,
    /// The headers of the response.
    pub answer_headers: Vec<(String, String)>,
    /// Did the response have a body that is neither a message nor an event stream?
    pub bare_body: bool,
    /// The step of ours that the request is, if its head is a step by itself.
    pub step: Option<StepName>,
    /// When the request was recorded, in microseconds since the play began.
    pub asked_at: u64,
    /// Index into the sessions, if it belongs to one that is known.
    pub session: Option<usize>,
    /// The event of the request's head.
    pub request: Option<u32>,
    /// The event of the response's head.
    pub response: Option<u32>,
    /// The status of the response.
    pub status: Option<u16>,
    /// The session id the request carried.
    pub session_sent: Option<String>,
    /// The session id the response carried.
    pub session_given: Option<String>,
    /// The content type of the response, in lower case and without parameters.
    pub content_type: Option<String>,
    /// Was there an `Authorization` header?
    pub authorized: bool,
    /// Which of several clients of ours sent it; `None` for the first.
    pub client: Option<String>,
}

impl RoundTrip {
    /// A header of the request, whatever its case; of several with that name the first.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// A header of the response, likewise.
    #[must_use]
    pub fn answer_header(&self, name: &str) -> Option<&str> {
        header(&self.answer_headers, name)
    }

    /// Was the request answered with a success status?
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.status.is_some_and(|s| (200..300).contains(&s))
    }
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
}

/// Reads heads, streams and closings from the events.
pub(super) fn survey(events: &[Event]) -> (BTreeMap<u32, RoundTrip>, BTreeMap<StreamId, Stream>) {
    let mut trips: BTreeMap<u32, RoundTrip> = BTreeMap::new();
    let mut streams: BTreeMap<StreamId, Stream> = BTreeMap::new();
    let put = |streams: &mut BTreeMap<StreamId, Stream>, stream: &StreamId, item: Item| {
        if let Some(s) = streams.get_mut(stream) {
            s.items.push(item);
        }
    };
    for event in events {
        match &event.body {
            Body::StreamOpened { stream, writer, kind, round_trip } => {
                let (writer, kind, round_trip, opened) = (*writer, *kind, *round_trip, event.seq);
                let (closed, closed_by, closed_at, items) = (None, None, 0, Vec::new());
                let fresh = Stream { writer, kind, round_trip, opened, closed, closed_by, closed_at, items };
                streams.insert(*stream, fresh);
            }
            Body::StreamClosed { stream, how, by } => {
                if let Some(s) = streams.get_mut(stream).filter(|s| s.closed.is_none()) {
                    s.closed = Some((event.seq, how.clone()));
                    (s.closed_by, s.closed_at) = (*by, event.at);
                }
            }
            Body::Message { stream, event_id, .. } => {
                let (event, at, event_id) = (event.seq, event.at, event_id.clone());
                put(&mut streams, stream, Item { event, at, said: None, event_id, retry: None, note: None });
            }
            Body::Signal { stream, event_id, retry, note } => {
                let (event, at) = (event.seq, event.at);
                let (event_id, retry, note) = (event_id.clone(), *retry, note.clone());
                put(&mut streams, stream, Item { event, at, said: None, event_id, retry, note });
            }
            Body::HttpRequest { round_trip, method, headers, target, step, client, .. } => {
                let trip = trips.entry(*round_trip).or_default();
                trip.client.clone_from(client);
                trip.method.clone_from(method);
                trip.target.clone_from(target);
                trip.headers.clone_from(headers);
                trip.step.clone_from(step);
                trip.asked_at = event.at;
                trip.request = Some(event.seq);
                trip.session_sent = header(headers, "mcp-session-id").map(str::to_owned);
                trip.authorized = header(headers, "authorization").is_some();
            }
            Body::HttpResponse { round_trip, status, headers, body } => {
                let trip = trips.entry(*round_trip).or_default();
                trip.answer_headers.clone_from(headers);
                trip.bare_body = body.as_ref().is_some_and(|b| !b.bytes().is_empty());
                trip.response = Some(event.seq);
                trip.status = Some(*status);
                trip.session_given = header(headers, "mcp-session-id").map(str::to_owned);
                trip.content_type = header(headers, "content-type")
                    .map(|v| v.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
            }
            _ => {}
        }
    }
    (trips, streams)
}

/// Gives every message its session.
#[derive(Debug)]
pub(super) struct Register {
    transport: Transport,
    named: HashMap<String, usize>,
    /// By client: the latest session without an id.
    anonymous: HashMap<Option<String>, usize>,
    /// By client: the latest session with an id.
    begun: HashMap<Option<String>, usize>,
    /// A round trip without a session id stays in the session it was first put into.
    trips: HashMap<u32, usize>,
    pub(super) sessions: Vec<Session>,
}

impl Register {
    pub(super) fn new(transport: Transport) -> Register {
        Register {
            transport,
            named: HashMap::new(),
            anonymous: HashMap::new(),
            begun: HashMap::new(),
            trips: HashMap::new(),
            sessions: Vec::new(),
        }
    }

    fn add(&mut self, id: Option<String>) -> usize {
        self.sessions.push(Session { id, ..Session::default() });
        self.sessions.len() - 1
    }

    /// The session that a round trip belongs to, if it is known: by the id it carries or was given, or by its message; without an
    /// id, the last one of that client that has none, or the last one that it began.
    pub(super) fn known(&self, number: u32, trip: &RoundTrip) -> Option<usize> {
        match trip.session_sent.as_ref().or(trip.session_given.as_ref()) {
            Some(name) => self.named.get(name).copied(),
            None => {
                let by_client = self.anonymous.get(&trip.client).or(self.begun.get(&trip.client));
                self.trips.get(&number).or(by_client).copied()
            }
        }
    }

    /// The session of a message in that round trip. `initialize`: it is an `initialize` request.
    pub(super) fn of(&mut self, number: Option<u32>, trip: Option<&RoundTrip>, initialize: bool) -> usize {
        let name = match self.transport {
            Transport::Stdio => None,
            Transport::Http => trip.and_then(|t| t.session_sent.clone().or_else(|| t.session_given.clone())),
        };
        let client = trip.and_then(|t| t.client.clone());
        if let Some(name) = name {
            let anew = initialize && trip.is_some_and(|t| t.session_sent.is_none());
            let begun = |index: &&usize| self.sessions.get(**index).is_some_and(|s| s.initialize.is_some());
            // an id that is given twice is another session all the same
            let index = match self.named.get(&name).filter(|index| !(anew && begun(index))) {
                Some(index) => *index,
                None => self.add(Some(name.clone())),
            };
            self.named.insert(name, index);
            if initialize {
                self.begun.insert(client, index);
            }
            return index;
        }
        if let Some(index) = number.and_then(|n| self.trips.get(&n)) {
            return *index;
        }
        // a client that leaves its session id out is in its session all the same
        if let (Some(index), None, false) = (self.begun.get(&client), self.anonymous.get(&client), initialize) {
            return *index;
        }
        let index = match self.anonymous.get(&client).copied() {
            Some(index) => {
                let begun = self.sessions.get(index).is_some_and(|s| s.initialize.is_some());
                if self.transport == Transport::Http && initialize && begun { self.add(None) } else { index }
            }
            None => self.add(None),
        };
        self.anonymous.insert(client, index);
        if let Some(number) = number {
            self.trips.insert(number, index);
        }
        index
    }
}
