//! A declared fault below the messages of a server over HTTP: what stands in the place of heads, of events without a message and
//! of the ends of streams, and which other way a message takes.
//!
//! It sits between the session logic and what goes out. A server without a fault has none.

use crate::fault::{Bare, Carrier, Fault, Head, Over, Part};
use crate::trace::StreamKind;
use crate::wire::Message;
use crate::wire::http::{
    EVENT_STREAM, Headers, Request, ResponseHead, RoundTrip, SESSION_ID, ServerAction, media_type,
};
use crate::wire::json::Limits;
use crate::wire::sse::{Encoder, Item, Reader};
use bytes::Bytes;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

/// So many sessions are counted by themselves, and so many ids that were made up are remembered.
const SESSIONS: usize = 1024;

/// Another way for one message than the one it would have taken.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Detour {
    /// Its event id, if not the one it would have had; `Some(None)`: it has none.
    pub event_id: Option<Option<String>>,
    /// The stream, if not its own.
    pub over: Option<Over>,
    /// It is a copy for that stream: where there is none, it is not sent.
    pub copy: bool,
}

/// A fault, and what it must know of the round trips that are open.
#[derive(Debug)]
pub(super) struct Below {
    fault: Fault,
    encoder: Encoder,
    /// It counts in each session by itself; a request that names none is in none.
    sessions: BTreeMap<Option<String>, Fault>,
    trips: BTreeMap<u32, Trip>,
    /// Session ids that a head gave in the place of real ones.
    aliases: BTreeMap<String, String>,
    /// The session id that was given last.
    given: Option<String>,
    told: Vec<String>,
}

/// A round trip that is not over.
#[derive(Debug)]
struct Trip {
    session: Option<String>,
    verb: String,
    headers: Vec<(String, String)>,
    posted: Option<Message>,
    status: Option<u16>,
    /// Set once its stream is open.
    stream: Option<StreamKind>,
}

impl Trip {
    fn carrier(&self) -> Carrier<'_> {
        Carrier {
            verb: Some(&self.verb),
            headers: &self.headers,
            status: self.status,
            stream: self.stream,
            posted: self.posted.as_ref(),
            method: self.posted.as_ref().and_then(Message::method),
        }
    }
}

/// Something to be done, and how much later than it would have been.
pub(super) type Late = (Duration, ServerAction);

impl Below {
    pub(super) fn new(fault: Fault, encoder: Encoder) -> Below {
        let (sessions, trips, aliases) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Below { fault, encoder, sessions, trips, aliases, given: None, told: Vec::new() }
    }

    /// What was done since this was last asked, a line each.
    pub(super) fn told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.told)
    }

    /// A request came. Gives it as the session logic must see it: with the session ids that it knows, and with the head for
    /// which a fault takes the one that came. `$session` in that is the session id that was given last.
    pub(super) fn came(&mut self, rt: u32, request: &Request) -> Request {
        let mut real = request.clone();
        if let Some(id) = request.headers.get(SESSION_ID).and_then(|id| self.aliases.get(id)) {
            real.headers.set(SESSION_ID, id.clone());
        }
        let posted = (request.method == "POST").then(|| Message::read(request.body.clone(), &Limits::default()));
        let headers = request.headers.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let session = real.headers.get(SESSION_ID).map(str::to_owned);
        self.trips
            .insert(rt, Trip { session, verb: request.method.clone(), headers, posted, status: None, stream: None });
        let headers = real.headers.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let head = Head { verb: real.method.clone(), target: real.path.clone(), headers, ..Head::default() };
        let Some((fault, trip)) = self.at(rt) else { return real };
        let altered = fault.head(head, &trip.carrier());
        if let (true, Some(head)) = (altered.changed, altered.what) {
            let given = |value: String| if value == "$session" { self.given.clone() } else { Some(value) };
            let headers = head.headers.into_iter().filter_map(|(name, value)| Some((name, given(value)?)));
            real.headers = headers.collect();
            (real.method, real.path) = (head.verb, head.target);
        }
        real
    }

    /// The client closed the connection of a round trip.
    pub(super) fn gone(&mut self, rt: u32) {
        self.trips.remove(&rt);
    }

    fn tell(&mut self, what: std::fmt::Arguments<'_>) {
        self.told.push(format!("fault {}: {what}", self.fault.name));
    }

    /// The fault as that round trip's session has it, with the round trip.
    fn at(&mut self, rt: u32) -> Option<(&mut Fault, &mut Trip)> {
        let trip = self.trips.get_mut(&rt)?;
        if self.sessions.len() >= SESSIONS && !self.sessions.contains_key(&trip.session) {
            self.sessions.pop_first();
        }
        let fault = self.sessions.entry(trip.session.clone()).or_insert_with(|| self.fault.clone());
        Some((fault, trip))
    }

    /// What is done in the place of what the session logic wants.
    pub(super) fn alter(&mut self, action: ServerAction) -> Vec<Late> {
        match action {
            ServerAction::Respond { rt, head, body } => {
                let (head, instead, delay) = self.head(rt.0, head);
                let body = match instead {
                    Some(body) => body,
                    // a head that announces events is followed by one
                    None if is_events(&head) && !body.is_empty() => self.encoder.event(&body, None, None, None).into(),
                    None => body,
                };
                self.trips.remove(&rt.0);
                vec![(delay, ServerAction::Respond { rt, head, body })]
            }
            ServerAction::StartStream { rt, head } => {
                let (mut head, body, delay) = self.head(rt.0, head);
                if body.is_none() && (200..300).contains(&head.status) {
                    if let Some(trip) = self.trips.get_mut(&rt.0) {
                        trip.stream = Some(if trip.verb == "GET" { StreamKind::Get } else { StreamKind::PostAnswer });
                    }
                    return vec![(delay, ServerAction::StartStream { rt, head })];
                }
                // there is no stream then
                if is_events(&head) {
                    head.headers.remove("Content-Type");
                }
                self.trips.remove(&rt.0);
                vec![(delay, ServerAction::Respond { rt, head, body: body.unwrap_or_default() })]
            }
            ServerAction::Write { rt, bytes } => self.events(rt, bytes),
            ServerAction::End { rt } => {
                let altered = self.at(rt.0).map(|(fault, trip)| fault.end(Part::End, &trip.carrier()));
                let (ends, delay) = altered.map_or((true, Duration::ZERO), |a| (a.what, a.delay));
                if !ends {
                    self.tell(format_args!("kept back the end of a stream"));
                    return Vec::new();
                }
                if !delay.is_zero() {
                    self.tell(format_args!("kept back the end of a stream for {} ms", delay.as_millis()));
                }
                self.trips.remove(&rt.0);
                vec![(delay, ServerAction::End { rt })]
            }
            other => vec![(Duration::ZERO, other)],
        }
    }

    /// A head, the body that is put in its place, and how much later it goes out.
    fn head(&mut self, rt: u32, head: ResponseHead) -> (ResponseHead, Option<Bytes>, Duration) {
        self.given = head.headers.get(SESSION_ID).map(str::to_owned).or(self.given.take());
        let Some((fault, trip)) = self.at(rt) else { return (head, None, Duration::ZERO) };
        trip.status = Some(head.status);
        let headers = head.headers.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let honest = Head { status: Some(head.status), headers, ..Head::default() };
        let altered = fault.head(honest, &trip.carrier());
        let verb = trip.verb.clone();
        let (true, Some(new)) = (altered.changed, altered.what) else { return (head, None, altered.delay) };
        let headers: Headers = new.headers.into_iter().collect();
        let status = new.status.unwrap_or(head.status);
        if let (Some(real), Some(id)) = (head.headers.get(SESSION_ID), headers.get(SESSION_ID))
            && real != id
        {
            if self.aliases.len() >= SESSIONS {
                self.aliases.pop_first();
            }
            self.aliases.insert(id.to_owned(), real.to_owned());
        }
        let other = headers.iter().filter(|(name, value)| head.headers.get(name) != Some(*value));
        let other: BTreeMap<String, &str> = other.map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
        let told = json!({ "verb": verb, "status": status, "headers": other });
        self.told.push(format!("fault {}: answered {told}", self.fault.name));
        (ResponseHead { status, headers }, new.body.map(Bytes::from), altered.delay)
    }

    /// Events: those with a message stay as they are.
    fn events(&mut self, rt: RoundTrip, bytes: Bytes) -> Vec<Late> {
        let bares: Option<Vec<Bare>> = Reader::new(usize::MAX).push(&bytes).into_iter().map(bare).collect();
        let as_it_is = |bytes| vec![(Duration::ZERO, ServerAction::Write { rt, bytes })];
        let (Some(bares), encoder) = (bares, self.encoder) else { return as_it_is(bytes) };
        let Some((fault, trip)) = self.at(rt.0) else { return as_it_is(bytes) };
        let (mut out, mut told, mut changed) = (Vec::new(), Vec::new(), false);
        for event in bares {
            let altered = fault.event(&event, &trip.carrier());
            changed |= altered.changed;
            if altered.what.is_empty() {
                told.push("kept back an event".to_owned());
            }
            for (event, other) in altered.what {
                if other {
                    told.push(format!("wrote {}", json!({ "id": event.event_id, "retry": event.retry })));
                }
                let bytes = match &event.note {
                    Some(note) => encoder.comment(note),
                    None => encoder.event(b"", None, event.event_id.as_deref(), event.retry),
                };
                out.push((altered.delay, ServerAction::Write { rt, bytes: bytes.into() }));
            }
        }
        let name = &self.fault.name;
        self.told.extend(told.into_iter().map(|what| format!("fault {name}: {what}")));
        if changed { out } else { as_it_is(bytes) }
    }

    /// A message of ours takes another way: of what the session logic makes of it, what carries it is changed.
    pub(super) fn diverted(&mut self, actions: Vec<ServerAction>, detour: &Detour) -> Vec<ServerAction> {
        let mut out = Vec::new();
        for action in actions {
            match action {
                ServerAction::Write { rt, bytes } => {
                    let items = Reader::new(usize::MAX).push(&bytes);
                    let Some(Item::Event(event)) = items.into_iter().find(|item| bare(item.clone()).is_none()) else {
                        out.push(ServerAction::Write { rt, bytes });
                        continue;
                    };
                    let id = detour.event_id.clone().unwrap_or(event.id);
                    let rt = self.other(detour).unwrap_or(rt);
                    self.tell(format_args!("sent {}", String::from_utf8_lossy(&event.data)));
                    let bytes = self.encoder.event(&event.data, None, id.as_deref(), None).into();
                    out.push(ServerAction::Write { rt, bytes });
                }
                ServerAction::Respond { rt, mut head, body } => match self.other(detour) {
                    Some(other) => {
                        self.tell(format_args!("sent {}", String::from_utf8_lossy(&body)));
                        let bytes = self.encoder.event(&body, None, None, None).into();
                        out.push(ServerAction::Write { rt: other, bytes });
                        // where it belongs there is a stream on which nothing comes
                        head.headers.set("Content-Type", EVENT_STREAM);
                        out.extend([ServerAction::StartStream { rt, head }, ServerAction::End { rt }]);
                    }
                    None => out.push(ServerAction::Respond { rt, head, body }),
                },
                other => out.push(other),
            }
        }
        out
    }

    /// A copy of a message of ours, of which the session logic knows nothing.
    pub(super) fn copied(&mut self, bytes: &Bytes, detour: &Detour) -> Vec<ServerAction> {
        let Some(rt) = self.other(detour) else { return Vec::new() };
        self.tell(format_args!("sent {}", String::from_utf8_lossy(bytes)));
        vec![ServerAction::Write { rt, bytes: self.encoder.event(bytes, None, None, None).into() }]
    }

    /// The latest open stream that is meant.
    fn other(&self, detour: &Detour) -> Option<RoundTrip> {
        let over = detour.over.as_ref()?;
        let meant = |trip: &Trip| {
            trip.stream == Some(over.stream) && over.method.as_deref().is_none_or(|m| trip.carrier().method == Some(m))
        };
        self.trips.iter().rev().find(|(_, trip)| meant(trip)).map(|(rt, _)| RoundTrip(*rt))
    }
}

fn is_events(head: &ResponseHead) -> bool {
    media_type(&head.headers).as_deref() == Some(EVENT_STREAM)
}

/// An event without a message, if it is one.
fn bare(item: Item) -> Option<Bare> {
    match item {
        Item::Event(event) if event.data.is_empty() => {
            Some(Bare { event_id: event.id, retry: event.retry, note: None })
        }
        Item::Comment { text, .. } => {
            let note = String::from_utf8_lossy(&text).trim_start().to_owned();
            Some(Bare { note: Some(note), ..Bare::default() })
        }
        _ => None,
    }
}
