//! A small builder of traces for tests: messages one after the other, over stdio or HTTP.

use crate::spec::Revision;
use crate::trace::record::FORMAT;
use crate::trace::{Body, Closing, EndReason, Event, Header, Seat, StreamId, StreamKind, Text, Trace, Transport};
use crate::wire::Party;
use serde_json::{Map, Value, json};

/// The kinds of event that a complete record has.
pub(crate) const CAPTURED: [&str; 13] = [
    "stream-opened",
    "stream-closed",
    "http-request",
    "http-response",
    "message",
    "signal",
    "process-started",
    "stderr",
    "process-signalled",
    "process-exited",
    "action",
    "saw",
    "end",
];

/// A trace in the making.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    pub(crate) header: Header,
    pub(crate) events: Vec<Event>,
    at: u64,
    trips: u32,
    streams: u32,
    session: Option<String>,
    /// The client knows the version.
    negotiated: bool,
    /// How many sessions there were.
    sessions: u32,
    /// The server gives no session id.
    pub(crate) stateless: bool,
    /// Over HTTP: the round trips of requests, by id, and the listening stream.
    requests: Vec<(Value, u32)>,
    listening: Option<StreamId>,
}

impl Sample {
    pub(crate) fn new(seat: Seat, transport: Transport) -> Sample {
        let header = Header {
            format: FORMAT,
            harness: "test".into(),
            digests: Map::new(),
            scenario: None,
            seat,
            revision: Revision::V2025_11_25,
            transport,
            client: "client".into(),
            server: "server".into(),
            choices: Vec::new(),
            fresh: Map::new(),
            bound: Map::new(),
            limits: Map::new(),
            captured: CAPTURED.iter().map(|k| (*k).to_owned()).collect(),
        };
        let mut sample = Sample {
            header,
            events: Vec::new(),
            at: 0,
            trips: 0,
            streams: 2,
            session: None,
            negotiated: false,
            sessions: 0,
            stateless: false,
            requests: Vec::new(),
            listening: None,
        };
        if transport == Transport::Stdio {
            for (id, writer, kind) in [(0, Party::Client, StreamKind::Stdin), (1, Party::Server, StreamKind::Stdout)] {
                sample.push(Body::StreamOpened { stream: StreamId(id), writer, kind, round_trip: None });
            }
        }
        sample
    }

    pub(crate) fn stdio() -> Sample {
        Sample::new(Seat::Observer, Transport::Stdio)
    }

    pub(crate) fn push(&mut self, body: Body) -> u32 {
        let seq = u32::try_from(self.events.len()).unwrap_or(u32::MAX);
        self.at += 1000;
        self.events.push(Event { seq, at: self.at, body });
        seq
    }

    pub(crate) fn wait(&mut self, milliseconds: u64) -> &mut Self {
        self.at += milliseconds * 1000;
        self
    }

    fn message(&mut self, stream: StreamId, from: Party, text: &str) -> u32 {
        self.push(Body::Message {
            stream,
            from,
            text: Text::Plain(text.to_owned()),
            event_id: None,
            step: None,
            breaks: Vec::new(),
            cut_from: None,
        })
    }

    /// The client says it: over stdio on its line, over HTTP in a POST of its own.
    pub(crate) fn client(&mut self, value: Value) -> u32 {
        self.client_text(&value.to_string())
    }

    /// The client says it, to break something on purpose.
    pub(crate) fn breaking(&mut self, value: Value, requirement: &str) -> u32 {
        self.breaking_text(&value.to_string(), requirement)
    }

    pub(crate) fn breaking_text(&mut self, text: &str, requirement: &str) -> u32 {
        let seq = self.client_text(text);
        self.marked_as_breaking(seq, requirement)
    }

    /// The server says it, to break something on purpose.
    pub(crate) fn server_breaking(&mut self, value: Value, requirement: &str) -> u32 {
        let seq = self.server(value);
        self.marked_as_breaking(seq, requirement)
    }

    fn marked_as_breaking(&mut self, seq: u32, requirement: &str) -> u32 {
        for event in &mut self.events {
            if let (true, Body::Message { breaks, .. }) = (event.seq == seq, &mut event.body) {
                breaks.push(requirement.to_owned());
            }
        }
        seq
    }

    pub(crate) fn client_text(&mut self, text: &str) -> u32 {
        match self.header.transport {
            Transport::Stdio => self.message(StreamId(0), Party::Client, text),
            Transport::Http => {
                let round_trip = self.trips;
                self.trips += 1;
                let mut headers = self.headers("application/json, text/event-stream");
                headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
                self.push(Body::HttpRequest {
                    round_trip,
                    method: "POST".into(),
                    target: "/mcp".into(),
                    headers,
                    step: None,
                    client: None,
                });
                let value: Value = serde_json::from_str(text).unwrap_or_default();
                if let (Some(id), true) = (value.get("id"), value.get("method").is_some()) {
                    self.requests.push((id.clone(), round_trip));
                }
                let stream = self.open(Party::Client, StreamKind::Post, round_trip);
                let seq = self.message(stream, Party::Client, text);
                self.push(Body::StreamClosed { stream, by: Some(Party::Client), how: Closing::Clean });
                seq
            }
        }
    }

    /// What every request has in its head.
    fn headers(&self, accept: &str) -> Vec<(String, String)> {
        let mut headers = vec![("Accept".to_owned(), accept.to_owned())];
        headers.extend(self.session.clone().map(|s| ("Mcp-Session-Id".to_owned(), s)));
        if self.negotiated {
            headers.push(("MCP-Protocol-Version".to_owned(), self.header.revision.as_str().to_owned()));
        }
        headers
    }

    /// The head of a request without a body, and its round trip.
    pub(crate) fn ask(&mut self, method: &str, accept: &str, more: &[(&str, &str)]) -> u32 {
        let round_trip = self.trips;
        self.trips += 1;
        let mut headers = self.headers(accept);
        headers.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let (method, target) = (method.to_owned(), "/mcp".to_owned());
        self.push(Body::HttpRequest { round_trip, method, target, headers, step: None, client: None });
        round_trip
    }

    /// The head of a response without a body.
    pub(crate) fn bare(&mut self, round_trip: u32, status: u16) {
        let headers = vec![("content-length".to_owned(), "0".to_owned())];
        self.push(Body::HttpResponse { round_trip, status, headers, body: None });
    }

    /// The head of an event stream as the response to that round trip, and the stream.
    pub(crate) fn events(&mut self, round_trip: u32, kind: StreamKind) -> StreamId {
        let headers = vec![("content-type".to_owned(), "text/event-stream".to_owned())];
        self.push(Body::HttpResponse { round_trip, status: 200, headers, body: None });
        self.open(Party::Server, kind, round_trip)
    }

    /// An event without a message.
    pub(crate) fn signal(&mut self, stream: StreamId, event_id: Option<&str>, retry: Option<u64>) -> u32 {
        self.push(Body::Signal { stream, event_id: event_id.map(str::to_owned), retry, note: None })
    }

    /// The server says it on that stream, in an event with that id.
    pub(crate) fn marked(&mut self, stream: StreamId, event_id: &str, value: Value) -> u32 {
        let seq = self.on(stream, value);
        if let Some(Body::Message { event_id: id, .. }) = self.events.last_mut().map(|e| &mut e.body) {
            *id = Some(event_id.to_owned());
        }
        seq
    }

    /// The server ends that stream.
    pub(crate) fn close(&mut self, stream: StreamId) -> u32 {
        self.push(Body::StreamClosed { stream, by: Some(Party::Server), how: Closing::Clean })
    }

    /// The head of the last request has that header, or (`None`) has it not.
    pub(crate) fn header(&mut self, name: &str, value: Option<&str>) {
        let heads = self.events.iter_mut().rev().filter_map(|e| match &mut e.body {
            Body::HttpRequest { headers, .. } => Some(headers),
            _ => None,
        });
        if let Some(headers) = heads.into_iter().next() {
            headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
            headers.extend(value.map(|v| (name.to_owned(), v.to_owned())));
        }
    }

    /// The round trip of what was asked last.
    pub(crate) fn last_trip(&self) -> u32 {
        self.trips.saturating_sub(1)
    }

    /// The client knows the version from now on.
    pub(crate) fn agreed(&mut self) {
        self.negotiated = true;
    }

    /// A new client: what it says next belongs to no session.
    pub(crate) fn forget(&mut self) {
        (self.session, self.negotiated, self.listening) = (None, false, None);
    }

    pub(crate) fn open(&mut self, writer: Party, kind: StreamKind, round_trip: u32) -> StreamId {
        let stream = StreamId(self.streams);
        self.streams += 1;
        self.push(Body::StreamOpened { stream, writer, kind, round_trip: Some(round_trip) });
        stream
    }

    /// The stream that the client listens on, opened when it is first needed.
    fn listen(&mut self) -> StreamId {
        if let Some(stream) = self.listening {
            return stream;
        }
        let round_trip = self.trips;
        self.trips += 1;
        let headers = self.headers("text/event-stream");
        self.push(Body::HttpRequest {
            round_trip,
            method: "GET".into(),
            target: "/mcp".into(),
            headers,
            step: None,
            client: None,
        });
        let headers = vec![("content-type".to_owned(), "text/event-stream".to_owned())];
        self.push(Body::HttpResponse { round_trip, status: 200, headers, body: None });
        let stream = self.open(Party::Server, StreamKind::Get, round_trip);
        self.listening = Some(stream);
        stream
    }

    /// The head of a response to the last round trip, and its stream.
    pub(crate) fn respond(&mut self, status: u16, content: &str, session: Option<&str>) -> StreamId {
        self.respond_to(self.trips.saturating_sub(1), status, content, session)
    }

    /// The same for any round trip.
    pub(crate) fn respond_to(
        &mut self,
        round_trip: u32,
        status: u16,
        content: &str,
        session: Option<&str>,
    ) -> StreamId {
        let mut headers = vec![("Content-Type".to_owned(), content.to_owned())];
        if let Some(session) = session {
            headers.push(("mcp-session-id".to_owned(), session.to_owned()));
            self.session = Some(session.to_owned());
        }
        self.push(Body::HttpResponse { round_trip, status, headers, body: None });
        self.open(Party::Server, StreamKind::PostAnswer, round_trip)
    }

    /// The server says it on that stream.
    pub(crate) fn on(&mut self, stream: StreamId, value: Value) -> u32 {
        self.message(stream, Party::Server, &value.to_string())
    }

    /// The server says it: over stdio on its line, over HTTP as the whole answer to the last POST.
    pub(crate) fn server(&mut self, value: Value) -> u32 {
        self.server_text(&value.to_string())
    }

    pub(crate) fn server_text(&mut self, text: &str) -> u32 {
        match self.header.transport {
            Transport::Stdio => self.message(StreamId(1), Party::Server, text),
            Transport::Http => {
                let value: Value = serde_json::from_str(text).unwrap_or_default();
                let asked = value.get("id").and_then(|id| self.requests.iter().rfind(|(i, _)| i == id)).map(|r| r.1);
                let round_trip = match asked {
                    _ if value.get("method").is_some() => {
                        let stream = self.listen();
                        return self.message(stream, Party::Server, text);
                    }
                    Some(round_trip) => round_trip,
                    None => self.trips.saturating_sub(1),
                };
                let stream = self.respond_to(round_trip, 200, "application/json", None);
                let seq = self.message(stream, Party::Server, text);
                self.push(Body::StreamClosed { stream, by: Some(Party::Server), how: Closing::Clean });
                seq
            }
        }
    }

    /// The handshake, with those capabilities.
    pub(crate) fn handshake(&mut self, client: Value, server: Value) -> &mut Self {
        self.client(json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
            "protocolVersion": self.header.revision.as_str(), "capabilities": client,
            "clientInfo": {"name": "c", "version": "1"}}}));
        let answer = json!({"jsonrpc": "2.0", "id": 0, "result": {
            "protocolVersion": self.header.revision.as_str(), "capabilities": server,
            "serverInfo": {"name": "s", "version": "1"}}});
        match self.header.transport {
            Transport::Stdio => {
                self.server(answer);
            }
            Transport::Http => {
                self.sessions += 1;
                let session = format!("a-session-{}-nobody-guesses", self.sessions);
                let stream = self.respond(200, "application/json", (!self.stateless).then_some(&*session));
                self.on(stream, answer);
                self.close(stream);
            }
        }
        self.negotiated = true;
        self.client(json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        if self.header.transport == Transport::Http {
            self.respond(202, "text/plain", None);
        }
        self
    }

    /// The whole, ended like this.
    pub(crate) fn ended(&self, reason: EndReason) -> Trace {
        let mut sample = self.clone();
        sample.push(Body::End { reason });
        Trace { header: sample.header, events: sample.events }
    }

    /// The whole, ended well.
    pub(crate) fn done(&self) -> Trace {
        self.ended(EndReason::Finished)
    }
}
