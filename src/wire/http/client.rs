//! The client's side: messages into requests, responses into messages.

use super::{EVENT_STREAM, Headers, JSON, LAST_EVENT_ID, PROTOCOL_VERSION, Request, ResponseHead, RoundTrip};
use super::{SESSION_ID, media_type};
use crate::wire::json::Limits;
use crate::wire::sse::{Event, Item, Reader, Unfinished};
use crate::wire::{Id, Kind, Message};
use bytes::Bytes;
use std::collections::BTreeMap;

/// The largest JSON body, and the largest data of one event, that is kept unless told otherwise, in bytes.
const BODY_LIMIT: usize = 64 << 20;
/// How much of the body of a refusal is kept, in bytes.
const REFUSAL_LIMIT: usize = 1 << 20;

/// What is needed to go on with a stream whose connection is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resume {
    /// The last event id that was received.
    pub last_event_id: String,
    /// How long the server wants the client to wait first, in milliseconds.
    pub retry: Option<u64>,
    /// The requests whose answers are still to come on the stream; none for a stream that was opened with GET.
    pub awaiting: Vec<Id>,
}

/// What a client learns from the responses. Exactly one of `Accepted`, `Refused` and `Ended` closes a round trip.
#[derive(Debug, Clone)]
pub enum ClientEvent {
    /// A message.
    Message {
        /// The round trip it came in.
        rt: RoundTrip,
        /// The message; may be unreadable.
        message: Message,
        /// The id of its event, if it came on a stream and had one.
        event_id: Option<String>,
    },
    /// The server assigned a session id. It is sent from now on.
    SessionId {
        /// The round trip it came in.
        rt: RoundTrip,
        /// The id.
        id: String,
        /// Does it hold visible ASCII only, as it must?
        visible: bool,
    },
    /// The server took a message that has no answer.
    Accepted {
        /// The round trip.
        rt: RoundTrip,
        /// The status; should be 202.
        status: u16,
    },
    /// The server refused the request: any status outside 200 to 299.
    Refused {
        /// The round trip.
        rt: RoundTrip,
        /// The status.
        status: u16,
        /// The headers.
        headers: Headers,
        /// The body, or its first part.
        body: Bytes,
        /// The request carried a session id and the status is 404: the session is over, `initialize` again.
        session_lost: bool,
    },
    /// An event without data: an id to resume from, a time to wait.
    Primed {
        /// The round trip.
        rt: RoundTrip,
        /// The id of the event.
        id: Option<String>,
        /// The time to wait before reconnecting, in milliseconds.
        retry: Option<u64>,
        /// Did it have a `data` field (an empty one)? Without one it is no event by the standard.
        has_data: bool,
    },
    /// A comment on a stream.
    Comment {
        /// The round trip.
        rt: RoundTrip,
        /// Its text.
        text: Bytes,
    },
    /// An event with data whose type is not `message`, such as `endpoint` of the transport before Streamable HTTP.
    OtherEvent {
        /// The round trip.
        rt: RoundTrip,
        /// The event.
        event: Event,
    },
    /// Something else on a stream that a reader ignores: an unknown field, a bad `retry`, a byte order mark.
    Oddity {
        /// The round trip.
        rt: RoundTrip,
        /// What it was.
        item: Item,
    },
    /// The response is over: a body with messages, or a connection that broke.
    Ended {
        /// The round trip.
        rt: RoundTrip,
        /// Did the response end as HTTP wants it? Otherwise the connection broke.
        clean: bool,
        /// Have all requests of this round trip been answered? True if there were none.
        answered: bool,
        /// How to go on, if something may still come and the server gave an event id.
        resume: Option<Resume>,
        /// An event that was not finished.
        unfinished: Option<Unfinished>,
    },
    /// The response is not what the transport allows. Comes before the event that closes the round trip.
    NotMcp {
        /// The round trip.
        rt: RoundTrip,
        /// What was expected and what came.
        why: String,
    },
}

/// What the response of a round trip is read as.
#[derive(Debug)]
enum Body {
    /// There is no head yet.
    Unknown,
    Json(Vec<u8>),
    Events(Box<Reader>),
    /// A success whose body should be empty, or of a type that is no message.
    Other {
        status: u16,
        length: u64,
    },
    Refusal {
        head: ResponseHead,
        body: Vec<u8>,
    },
}

#[derive(Debug)]
struct Trip {
    /// The requests that are not answered yet.
    awaiting: Vec<Id>,
    /// The id of the `initialize` request.
    initialize: Option<Id>,
    /// The server assigned a session id in this round trip.
    assigned: bool,
    /// .. and then answered `initialize` with an error: the id is none.
    session_refused: bool,
    listens: bool,
    /// The body of a request was a message that has no answer, or there was none.
    quiet: bool,
    /// A DELETE: whatever its body is, it is no message.
    ends: bool,
    /// The session that it was sent in.
    sent_session: Option<String>,
    body: Body,
    /// Something was beyond the limit already.
    cut: bool,
    last_event_id: String,
    retry: Option<u64>,
}

/// The session logic of a client.
#[derive(Debug)]
pub struct ClientLogic {
    path: String,
    host: String,
    /// Headers that are added to every request (`Origin`, `Authorization`, ..); they replace ours of the same name.
    pub extra: Headers,
    session: Option<String>,
    /// The session whose end was told last.
    lost: Option<String>,
    version: Option<String>,
    body_limit: usize,
    limits: Limits,
    trips: BTreeMap<RoundTrip, Trip>,
}

impl ClientLogic {
    /// A client of the endpoint at `path` on `host` (with its port, as it is to stand in `Host`).
    #[must_use]
    pub fn new(host: impl Into<String>, path: impl Into<String>) -> ClientLogic {
        ClientLogic {
            path: path.into(),
            host: host.into(),
            extra: Headers::new(),
            session: None,
            lost: None,
            version: None,
            body_limit: BODY_LIMIT,
            limits: Limits::default(),
            trips: BTreeMap::new(),
        }
    }

    /// Keeps at most `bytes` of a JSON body or of an event's data.
    #[must_use]
    pub fn with_body_limit(mut self, bytes: usize) -> ClientLogic {
        self.body_limit = bytes;
        self
    }

    /// The revision that was negotiated; it is sent from now on.
    pub fn set_version(&mut self, version: Option<String>) {
        self.version = version;
    }

    /// The session id that is sent; `None` forgets it, for a new session.
    pub fn set_session(&mut self, id: Option<String>) {
        self.session = id;
    }

    /// The session id that is sent.
    #[must_use]
    pub fn session(&self) -> Option<&str> {
        self.session.as_deref()
    }

    /// A message of ours, or a batch, as a request. `initialize` goes without session id and version.
    pub fn post(&mut self, rt: RoundTrip, message: impl Into<Bytes>) -> Request {
        let body = message.into();
        let message = Message::read(body.clone(), &self.limits);
        let parts = if *message.kind() == Kind::Batch { message.batch(&self.limits) } else { vec![message] };
        let requests = || parts.iter().filter(|m| m.is_request());
        let awaiting: Vec<Id> = requests().filter_map(|m| m.id().cloned()).collect();
        let initialize = requests().find(|m| m.method() == Some("initialize")).and_then(|m| m.id().cloned());
        let first = initialize.is_some();
        let mut headers = self.headers(&format!("{JSON}, {EVENT_STREAM}"), !first);
        headers.set("Content-Type", JSON);
        let quiet = awaiting.is_empty();
        self.begin(
            rt,
            Trip { initialize, quiet, sent_session: self.session.clone().filter(|_| !first), ..trip(awaiting) },
        );
        self.compose("POST", headers, body)
    }

    /// A GET that opens a stream; with `last_event_id`, one that resumes a stream that was opened with GET.
    pub fn get(&mut self, rt: RoundTrip, last_event_id: Option<&str>) -> Request {
        let resume = Resume { last_event_id: last_event_id.unwrap_or_default().into(), retry: None, awaiting: vec![] };
        self.resume(rt, &resume)
    }

    /// A GET that resumes a stream.
    pub fn resume(&mut self, rt: RoundTrip, resume: &Resume) -> Request {
        let mut headers = self.headers(EVENT_STREAM, true);
        if !resume.last_event_id.is_empty() {
            headers.set(LAST_EVENT_ID, &resume.last_event_id);
        }
        let listens = resume.awaiting.is_empty();
        let sent_session = self.session.clone();
        let last_event_id = resume.last_event_id.clone();
        let retry = resume.retry;
        self.begin(rt, Trip { listens, sent_session, last_event_id, retry, ..trip(resume.awaiting.clone()) });
        self.compose("GET", headers, Bytes::new())
    }

    /// A DELETE that ends the session.
    pub fn delete(&mut self, rt: RoundTrip) -> Request {
        let headers = self.headers("", true);
        self.begin(rt, Trip { quiet: true, ends: true, sent_session: self.session.clone(), ..trip(Vec::new()) });
        self.compose("DELETE", headers, Bytes::new())
    }

    fn headers(&self, accept: &str, known: bool) -> Headers {
        let mut headers = Headers::from_iter([("Host", self.host.as_str())]);
        if !accept.is_empty() {
            headers.append("Accept", accept);
        }
        for (name, value) in [(SESSION_ID, &self.session), (PROTOCOL_VERSION, &self.version)] {
            if let (true, Some(value)) = (known, value) {
                headers.append(name, value);
            }
        }
        headers
    }

    fn compose(&self, method: &str, mut headers: Headers, body: Bytes) -> Request {
        for (name, _) in self.extra.iter() {
            headers.remove(name);
        }
        for (name, value) in self.extra.iter() {
            headers.append(name, value);
        }
        Request { method: method.into(), path: self.path.clone(), headers, body }
    }

    fn begin(&mut self, rt: RoundTrip, trip: Trip) {
        self.trips.insert(rt, trip);
    }

    /// The head of a response came. Unknown round trips are ignored.
    pub fn response_head(&mut self, rt: RoundTrip, head: &ResponseHead) -> Vec<ClientEvent> {
        let Some(trip) = self.trips.get_mut(&rt) else { return Vec::new() };
        let mut out = Vec::new();
        if !(200..300).contains(&head.status) {
            trip.body = Body::Refusal { head: head.clone(), body: Vec::new() };
            return out;
        }
        if let (Some(_), Some(id)) = (&trip.initialize, head.headers.get(SESSION_ID)) {
            let visible = !id.is_empty() && id.bytes().all(|b| (0x21..=0x7e).contains(&b));
            out.push(ClientEvent::SessionId { rt, id: id.into(), visible });
            // What cannot stand in a header cannot be sent back.
            if !id.is_empty() && !id.chars().any(char::is_control) {
                self.session = Some(id.into());
                trip.assigned = true;
            }
        }
        let media = media_type(&head.headers);
        let has_body = !trip.ends && !matches!(head.status, 202 | 204 | 205);
        trip.body = match media.as_deref() {
            Some(JSON) if has_body => Body::Json(Vec::new()),
            Some(EVENT_STREAM) if has_body => Body::Events(Box::new(Reader::new(self.body_limit))),
            _ => Body::Other { status: head.status, length: 0 },
        };
        if let (Body::Other { status, .. }, false) = (&trip.body, trip.quiet) {
            let came = media.map_or_else(|| "no Content-Type".into(), |m| format!("Content-Type {m}"));
            let wanted =
                if trip.awaiting.is_empty() { EVENT_STREAM.into() } else { format!("{JSON} or {EVENT_STREAM}") };
            out.push(ClientEvent::NotMcp { rt, why: format!("expected {wanted}, got status {status} with {came}") });
        }
        if trip.listens && matches!(trip.body, Body::Json(_)) {
            out.push(ClientEvent::NotMcp { rt, why: format!("expected {EVENT_STREAM} in answer to GET, got {JSON}") });
        }
        out
    }

    /// A piece of the body came. Unknown round trips are ignored.
    pub fn body(&mut self, rt: RoundTrip, chunk: &[u8]) -> Vec<ClientEvent> {
        let Some(trip) = self.trips.get_mut(&rt) else { return Vec::new() };
        let (limit, limits) = (self.body_limit, self.limits);
        let mut out = Vec::new();
        let mut items = Vec::new();
        match &mut trip.body {
            Body::Unknown => {}
            Body::Json(body) => {
                let room = limit.saturating_sub(body.len());
                body.extend_from_slice(chunk.get(..room).unwrap_or(chunk));
                if chunk.len() > room && !std::mem::replace(&mut trip.cut, true) {
                    out.push(ClientEvent::NotMcp { rt, why: format!("the body is larger than {limit} bytes") });
                }
            }
            Body::Refusal { body, .. } => {
                let room = REFUSAL_LIMIT.min(limit).saturating_sub(body.len());
                body.extend_from_slice(chunk.get(..room).unwrap_or(chunk));
            }
            Body::Other { length, .. } => *length += chunk.len() as u64,
            Body::Events(reader) => items = reader.push(chunk),
        }
        for item in items {
            let event = match item {
                Item::Event(event) => trip.event(rt, event, &limits, &mut out),
                Item::Comment { text, .. } => ClientEvent::Comment { rt, text },
                item => ClientEvent::Oddity { rt, item },
            };
            out.push(event);
        }
        if std::mem::take(&mut trip.session_refused) {
            self.session = None;
        }
        out
    }

    /// The response is over: `clean` if HTTP says so, otherwise the connection broke, perhaps before there was a head.
    pub fn finished(&mut self, rt: RoundTrip, clean: bool) -> Vec<ClientEvent> {
        let Some(mut trip) = self.trips.remove(&rt) else { return Vec::new() };
        let mut out = Vec::new();
        let mut unfinished = None;
        match std::mem::replace(&mut trip.body, Body::Unknown) {
            Body::Refusal { head, body } => {
                // what was under way in a session that is over says no more of the one after it
                let session_lost = head.status == 404 && trip.sent_session.is_some() && trip.sent_session != self.lost;
                if session_lost {
                    self.lost = trip.sent_session;
                }
                let ResponseHead { status, headers } = head;
                out.push(ClientEvent::Refused { rt, status, headers, body: body.into(), session_lost });
                return out;
            }
            Body::Other { status, length } => {
                if length > 0 && !trip.ends {
                    let why = format!("expected no body with status {status}, got {length} bytes that are no message");
                    out.push(ClientEvent::NotMcp { rt, why });
                }
                if clean && trip.awaiting.is_empty() && !trip.listens {
                    out.push(ClientEvent::Accepted { rt, status });
                    return out;
                }
            }
            Body::Json(body) => {
                if body.is_empty() && trip.quiet {
                    out.push(ClientEvent::Accepted { rt, status: 200 });
                    return out;
                }
                // What was cut, or broke off, is no message.
                if clean && !trip.cut {
                    let message = Message::read(body.into(), &self.limits);
                    trip.answered(&message, &self.limits);
                    out.push(ClientEvent::Message { rt, message, event_id: None });
                }
            }
            Body::Events(mut reader) => unfinished = reader.finish(),
            Body::Unknown => {}
        }
        if std::mem::take(&mut trip.session_refused) {
            self.session = None;
        }
        let answered = trip.awaiting.is_empty();
        let more = trip.listens || !answered;
        let resume = (more && !trip.last_event_id.is_empty()).then_some(Resume {
            last_event_id: trip.last_event_id,
            retry: trip.retry,
            awaiting: trip.awaiting,
        });
        out.push(ClientEvent::Ended { rt, clean, answered, resume, unfinished });
        out
    }

    /// We closed the connection ourselves: nothing more is read.
    pub fn drop_round_trip(&mut self, rt: RoundTrip) -> Option<Resume> {
        self.finished(rt, false).into_iter().find_map(|event| match event {
            ClientEvent::Ended { resume, .. } => resume,
            _ => None,
        })
    }
}

fn trip(awaiting: Vec<Id>) -> Trip {
    Trip {
        awaiting,
        initialize: None,
        assigned: false,
        session_refused: false,
        listens: false,
        quiet: false,
        ends: false,
        sent_session: None,
        body: Body::Unknown,
        cut: false,
        last_event_id: String::new(),
        retry: None,
    }
}

impl Trip {
    /// What one block of a stream is.
    fn event(&mut self, rt: RoundTrip, event: Event, limits: &Limits, out: &mut Vec<ClientEvent>) -> ClientEvent {
        if event.id.is_some() {
            self.last_event_id = event.last_event_id.to_string();
        }
        self.retry = event.retry.or(self.retry);
        if event.cut() {
            let why = format!("an event has {} bytes of data, more than the limit", event.data_length);
            out.push(ClientEvent::NotMcp { rt, why });
        }
        if event.data.is_empty() {
            return ClientEvent::Primed { rt, id: event.id, retry: event.retry, has_data: event.has_data };
        }
        if event.cut() || event.event_type() != "message" {
            return ClientEvent::OtherEvent { rt, event };
        }
        let message = Message::read(event.data, limits);
        self.answered(&message, limits);
        ClientEvent::Message { rt, message, event_id: event.id }
    }

    /// Takes the answered requests out of those awaited.
    fn answered(&mut self, message: &Message, limits: &Limits) {
        if matches!(message.kind(), Kind::Error { id } if id.is_some() && *id == self.initialize) {
            self.session_refused = self.assigned;
        }
        let mut answer = |message: &Message| {
            if let (true, Some(id)) = (message.is_answer(), message.id())
                && let Some(at) = self.awaiting.iter().position(|a| a == id)
            {
                self.awaiting.remove(at);
            }
        };
        answer(message);
        message.batch(limits).iter().for_each(answer);
    }
}
