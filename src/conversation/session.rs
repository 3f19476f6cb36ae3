//! Sessions, streams and HTTP round trips.

use crate::spec::{Revision, methods};
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
    /// The event that closed it, and how.
    pub closed: Option<(u32, Closing)>,
}

/// One HTTP request with its response.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RoundTrip {
    /// `GET`, `POST`, `DELETE`, ...
    pub method: String,
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

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
}

/// Reads heads, streams and closings from the events.
pub(super) fn survey(events: &[Event]) -> (BTreeMap<u32, RoundTrip>, BTreeMap<StreamId, Stream>) {
    let mut trips: BTreeMap<u32, RoundTrip> = BTreeMap::new();
    let mut streams: BTreeMap<StreamId, Stream> = BTreeMap::new();
    for event in events {
        match &event.body {
            Body::StreamOpened { stream, writer, kind, round_trip } => {
                streams.insert(*stream, Stream { writer: *writer, kind: *kind, round_trip: *round_trip, closed: None });
            }
            Body::StreamClosed { stream, how, .. } => {
                if let Some(s) = streams.get_mut(stream) {
                    s.closed.get_or_insert((event.seq, how.clone()));
                }
            }
            Body::HttpRequest { round_trip, method, headers, client, .. } => {
                let trip = trips.entry(*round_trip).or_default();
                trip.client.clone_from(client);
                trip.method.clone_from(method);
                trip.request = Some(event.seq);
                trip.session_sent = header(headers, "mcp-session-id").map(str::to_owned);
                trip.authorized = header(headers, "authorization").is_some();
            }
            Body::HttpResponse { round_trip, status, headers, .. } => {
                let trip = trips.entry(*round_trip).or_default();
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
            trips: HashMap::new(),
            sessions: Vec::new(),
        }
    }

    fn add(&mut self, id: Option<String>) -> usize {
        self.sessions.push(Session { id, ..Session::default() });
        self.sessions.len() - 1
    }

    /// The session of a message in that round trip. `initialize`: it is an `initialize` request.
    pub(super) fn of(&mut self, number: Option<u32>, trip: Option<&RoundTrip>, initialize: bool) -> usize {
        let name = match self.transport {
            Transport::Stdio => None,
            Transport::Http => trip.and_then(|t| t.session_sent.clone().or_else(|| t.session_given.clone())),
        };
        if let Some(name) = name {
            if let Some(index) = self.named.get(&name) {
                return *index;
            }
            let index = self.add(Some(name.clone()));
            self.named.insert(name, index);
            return index;
        }
        if let Some(index) = number.and_then(|n| self.trips.get(&n)) {
            return *index;
        }
        let client = trip.and_then(|t| t.client.clone());
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
