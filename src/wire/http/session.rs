//! One session of a server: its streams, the events kept for resumption, the messages that wait for a stream.

use super::admission::{Refusal, ServerPolicy};
use super::server::ServerAction;
use super::{EVENT_STREAM, Headers, JSON, PRIMING_SINCE, ResponseHead, RoundTrip, SESSION_ID, SessionKey};
use crate::wire::{Id, Kind, Message};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// So many GET streams without a connection are remembered for resumption.
const DORMANT: usize = 16;

/// A stream of a session; with the number of an event it makes the event's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct StreamKey(u64);

/// How a stream came to be.
#[derive(Debug)]
pub(super) enum Origin {
    /// GET without `Last-Event-ID`.
    Listen,
    /// POST with these requests; the ids are those not answered yet.
    Post {
        open: Vec<Id>,
        initialize: bool,
        /// A single JSON body will do.
        json: bool,
        /// A stream will do.
        stream: bool,
    },
}

/// An event kept for resumption.
#[derive(Debug)]
struct Kept {
    number: u64,
    message: Bytes,
    /// It was written on some connection.
    written: bool,
}

#[derive(Debug)]
struct Stream {
    origin: Origin,
    /// Messages may be written here now.
    connection: Option<RoundTrip>,
    /// The head of a stream was sent, here or on an earlier connection.
    started: bool,
    /// A priming event with a `retry` was sent.
    primed: bool,
    finished: bool,
    /// The number of the next event.
    next: u64,
    /// Events below this number are not kept.
    kept_from: u64,
    kept: VecDeque<Kept>,
    quiet_since: Duration,
}

impl Stream {
    fn listens(&self) -> bool {
        matches!(self.origin, Origin::Listen)
    }

    fn awaits(&self, id: &Id) -> bool {
        matches!(&self.origin, Origin::Post { open, .. } if open.contains(id))
    }
}

#[derive(Debug)]
pub(super) struct Session {
    pub(super) key: SessionKey,
    pub(super) id: Option<String>,
    /// The revision of the `initialize` result; before that, the one the client asked for.
    pub(super) version: Option<String>,
    pub(super) last_active: Duration,
    next_stream: u64,
    streams: BTreeMap<StreamKey, Stream>,
    waiting: VecDeque<Bytes>,
    /// Whose events are kept, oldest event first.
    kept: VecDeque<StreamKey>,
    kept_bytes: usize,
}

/// What an action needs besides the session.
pub(super) struct Context<'a> {
    pub(super) policy: &'a ServerPolicy,
    pub(super) now: Duration,
    pub(super) out: &'a mut Vec<ServerAction>,
}

impl Session {
    pub(super) fn new(key: SessionKey, id: Option<String>, now: Duration) -> Session {
        Session {
            key,
            id,
            version: None,
            last_active: now,
            next_stream: 0,
            streams: BTreeMap::new(),
            waiting: VecDeque::new(),
            kept: VecDeque::new(),
            kept_bytes: 0,
        }
    }

    /// How many streams and requests are open.
    pub(super) fn open_count(&self) -> usize {
        let count = |s: &Stream| match &s.origin {
            Origin::Post { open, .. } => open.len().max(usize::from(s.connection.is_some())),
            Origin::Listen => usize::from(s.connection.is_some()),
        };
        self.streams.values().map(count).sum()
    }

    #[cfg(test)]
    pub(super) fn streams_kept(&self) -> usize {
        self.streams.len()
    }

    pub(super) fn is_connected(&self) -> bool {
        self.streams.values().any(|s| s.connection.is_some())
    }

    fn primes(&self, policy: &ServerPolicy) -> bool {
        policy.store_events > 0 && self.version.as_deref().is_some_and(|v| v >= PRIMING_SINCE)
    }

    /// Opens the stream of a POST or GET. It starts at once unless the policy wants a single JSON body if possible.
    pub(super) fn open(&mut self, cx: &mut Context<'_>, rt: RoundTrip, origin: Origin) {
        let key = StreamKey(self.next_stream);
        self.next_stream += 1;
        let at_once = match &origin {
            Origin::Listen => true,
            Origin::Post { json, stream, .. } => *stream && !(*json && cx.policy.json_answers),
        };
        let stream = Stream {
            origin,
            connection: Some(rt),
            started: false,
            primed: false,
            finished: false,
            next: 0,
            kept_from: 0,
            kept: VecDeque::new(),
            quiet_since: cx.now,
        };
        let listens = stream.listens();
        self.streams.insert(key, stream);
        if at_once {
            self.start(cx, key, cx.policy.prime);
        }
        if listens {
            self.flush(cx, key);
        }
    }

    fn start(&mut self, cx: &mut Context<'_>, key: StreamKey, prime: bool) {
        let prime = prime && self.primes(cx.policy);
        let Some(stream) = self.streams.get_mut(&key) else { return };
        let Some(rt) = stream.connection else { return };
        if !stream.started {
            stream.started = true;
            let mut headers = Headers::from_iter([("Content-Type", EVENT_STREAM), ("Cache-Control", "no-cache")]);
            if let (Origin::Post { initialize: true, .. }, Some(id)) = (&stream.origin, &self.id) {
                headers.append(SESSION_ID, id);
            }
            cx.out.push(ServerAction::StartStream { rt, head: ResponseHead { status: 200, headers } });
        }
        if prime && !stream.primed {
            stream.primed = true;
            let bytes = cx.policy.encoder.prime(&event_id(key, stream.next), cx.policy.retry);
            stream.next += 1;
            stream.quiet_since = cx.now;
            cx.out.push(ServerAction::Write { rt, bytes: bytes.into() });
        }
    }

    /// Messages that waited for a GET stream go on this one.
    fn flush(&mut self, cx: &mut Context<'_>, key: StreamKey) {
        while let Some(message) = self.waiting.pop_front() {
            self.write(cx, key, message);
        }
    }

    /// Writes a message on a stream, or keeps it for when the stream is resumed.
    fn write(&mut self, cx: &mut Context<'_>, key: StreamKey, message: Bytes) {
        self.start(cx, key, cx.policy.prime);
        let keeps = cx.policy.store_events > 0;
        let Some(stream) = self.streams.get_mut(&key) else { return };
        let number = stream.next;
        if let Some(rt) = stream.connection {
            stream.quiet_since = cx.now;
            let bytes = encode(cx.policy, key, keeps.then_some(number), &message);
            cx.out.push(ServerAction::Write { rt, bytes });
        } else if !keeps || number == 0 {
            let why = "the stream's connection is gone and the client has no event id to resume it from";
            cx.out.push(ServerAction::Undeliverable { session: self.key, message, why });
            return;
        }
        if keeps {
            stream.next += 1;
            self.kept_bytes += message.len();
            let written = stream.connection.is_some();
            stream.kept.push_back(Kept { number, message, written });
            self.kept.push_back(key);
            self.evict(cx);
        }
    }

    fn evict(&mut self, cx: &mut Context<'_>) {
        while self.kept.len() > cx.policy.store_events || self.kept_bytes > cx.policy.store_bytes {
            let Some(key) = self.kept.pop_front() else { return };
            let Some(stream) = self.streams.get_mut(&key) else { continue };
            if let Some(Kept { number, message, written }) = stream.kept.pop_front() {
                stream.kept_from = number + 1;
                self.kept_bytes = self.kept_bytes.saturating_sub(message.len());
                if !written {
                    let why = "the event store is full and the client has not come back for it";
                    cx.out.push(ServerAction::Undeliverable { session: self.key, message, why });
                }
            }
            self.remove_if_done(key);
        }
    }

    /// A stream that is over, unconnected and has nothing to replay need not be remembered.
    fn remove_if_done(&mut self, key: StreamKey) {
        if self.streams.get(&key).is_some_and(|s| s.finished && s.connection.is_none() && s.kept.is_empty()) {
            self.streams.remove(&key);
        }
    }

    /// Removes a stream with the events that are kept for it.
    fn forget(&mut self, key: StreamKey) {
        if let Some(stream) = self.streams.remove(&key) {
            self.kept.retain(|k| *k != key);
            let bytes: usize = stream.kept.iter().map(|kept| kept.message.len()).sum();
            self.kept_bytes = self.kept_bytes.saturating_sub(bytes);
        }
    }

    /// Closes the connection of a stream, if it has one.
    fn disconnect(&mut self, cx: &mut Context<'_>, key: StreamKey) {
        if let Some(rt) = self.streams.get_mut(&key).and_then(|s| s.connection.take()) {
            cx.out.push(ServerAction::End { rt });
        }
        self.remove_if_done(key);
    }

    /// The client went away.
    pub(super) fn dropped(&mut self, rt: RoundTrip) {
        let Some((key, stream)) = self.streams.iter_mut().find(|(_, s)| s.connection == Some(rt)) else { return };
        stream.connection = None;
        let key = *key;
        self.remove_if_done(key);
        let dormant = |s: &Stream| s.listens() && s.connection.is_none();
        if self.streams.values().filter(|s| dormant(s)).count() > DORMANT
            && let Some(oldest) = self.streams.iter().find(|(_, s)| dormant(s)).map(|(key, _)| *key)
        {
            self.forget(oldest);
        }
    }

    /// The stream of the oldest unanswered request with that id.
    fn stream_of(&self, id: &Id) -> Option<StreamKey> {
        self.streams.iter().find(|(_, s)| s.awaits(id)).map(|(key, _)| *key)
    }

    /// An answer goes to its request and nowhere else. Returns false when it was a refused `initialize`.
    pub(super) fn answer(&mut self, cx: &mut Context<'_>, id: &Id, message: Bytes) -> bool {
        let Some(key) = self.stream_of(id) else {
            let why = "no request with that id is open";
            cx.out.push(ServerAction::Undeliverable { session: self.key, message, why });
            return true;
        };
        let Some(stream) = self.streams.get_mut(&key) else { return true };
        let Origin::Post { open, initialize, json, .. } = &mut stream.origin else { return true };
        if let Some(at) = open.iter().position(|o| o == id) {
            open.remove(at);
        }
        let (last, initialize, json) = (open.is_empty(), *initialize, *json);
        let mut accepted = true;
        if initialize {
            let answer = Message::read(message.clone(), &crate::wire::json::Limits::default());
            accepted = !matches!(answer.kind(), Kind::Error { .. });
            if let Some(version) = answer.result().get("protocolVersion").and_then(|v| v.as_str()) {
                self.version = Some(version.into());
            }
        }
        match stream.connection {
            Some(rt) if last && json && !stream.started => {
                let mut headers = Headers::from_iter([("Content-Type", JSON)]);
                if let (true, true, Some(id)) = (initialize, accepted, &self.id) {
                    headers.append(SESSION_ID, id);
                }
                cx.out.push(ServerAction::Respond { rt, head: ResponseHead { status: 200, headers }, body: message });
                self.streams.remove(&key);
            }
            _ => {
                self.write(cx, key, message);
                if last {
                    self.finish(cx, key);
                }
            }
        }
        accepted
    }

    fn finish(&mut self, cx: &mut Context<'_>, key: StreamKey) {
        if let Some(stream) = self.streams.get_mut(&key) {
            stream.finished = true;
        }
        self.disconnect(cx, key);
    }

    /// A message that belongs to an open request goes on its stream; if that can carry none, on a GET stream.
    pub(super) fn related(&mut self, cx: &mut Context<'_>, id: &Id, message: Bytes) {
        let carries = |s: &Stream| matches!(s.origin, Origin::Post { stream: true, .. });
        match self.stream_of(id).filter(|key| self.streams.get(key).is_some_and(carries)) {
            Some(key) => self.write(cx, key, message),
            None => self.unrelated(cx, message),
        }
    }

    /// A message of its own goes on the oldest GET stream, or waits until there is one.
    pub(super) fn unrelated(&mut self, cx: &mut Context<'_>, message: Bytes) {
        let key = self.streams.iter().find(|(_, s)| s.listens() && s.connection.is_some()).map(|(key, _)| *key);
        if let Some(key) = key {
            self.write(cx, key, message);
        } else if self.waiting.len() < cx.policy.queue {
            self.waiting.push_back(message);
        } else {
            let why = "too many messages wait for the client to open a stream";
            cx.out.push(ServerAction::Undeliverable { session: self.key, message, why });
        }
    }

    /// Closes the connection of a request's stream without ending the stream. False if the client could not resume it.
    pub(super) fn close_stream(&mut self, cx: &mut Context<'_>, id: &Id) -> bool {
        let carries = |s: &Stream| s.connection.is_some() && matches!(s.origin, Origin::Post { stream: true, .. });
        let Some(key) = self.stream_of(id).filter(|key| self.streams.get(key).is_some_and(carries)) else {
            return false;
        };
        self.close(cx, key)
    }

    /// Closes the connections of all GET streams without ending the streams. False if there was none to close.
    pub(super) fn close_listening(&mut self, cx: &mut Context<'_>) -> bool {
        let listens = |s: &Stream| s.listens() && s.connection.is_some();
        let keys: Vec<StreamKey> = self.streams.iter().filter(|(_, s)| listens(s)).map(|(key, _)| *key).collect();
        keys.into_iter().fold(false, |any, key| self.close(cx, key) | any)
    }

    fn close(&mut self, cx: &mut Context<'_>, key: StreamKey) -> bool {
        if !self.primes(cx.policy) {
            return false;
        }
        // Whatever the policy says: without an id the client could never come back.
        self.start(cx, key, true);
        self.disconnect(cx, key);
        true
    }

    /// Ends the stream of a request without its answer.
    pub(super) fn finish_stream(&mut self, cx: &mut Context<'_>, id: &Id) -> bool {
        let Some(key) = self.stream_of(id) else { return false };
        self.start(cx, key, false);
        if let Some(Stream { origin: Origin::Post { open, .. }, .. }) = self.streams.get_mut(&key) {
            open.clear();
        }
        self.finish(cx, key);
        true
    }

    /// Replays what came after an event on its stream, and goes on with the stream.
    pub(super) fn resume(&mut self, cx: &mut Context<'_>, rt: RoundTrip, after: &str) -> Result<(), Refusal> {
        let unknown = || Refusal::new(400, format!("there is no event `{after}` to resume from"));
        let (key, number) = parse_event_id(after).ok_or_else(unknown)?;
        let stream = self.streams.get_mut(&key).ok_or_else(unknown)?;
        if number >= stream.next || number + 1 < stream.kept_from {
            return Err(unknown());
        }
        if let Some(old) = stream.connection.replace(rt) {
            cx.out.push(ServerAction::End { rt: old });
        }
        stream.quiet_since = cx.now;
        let headers = Headers::from_iter([("Content-Type", EVENT_STREAM), ("Cache-Control", "no-cache")]);
        cx.out.push(ServerAction::StartStream { rt, head: ResponseHead { status: 200, headers } });
        for kept in stream.kept.iter_mut().filter(|kept| kept.number > number) {
            kept.written = true;
            let bytes = encode(cx.policy, key, Some(kept.number), &kept.message);
            cx.out.push(ServerAction::Write { rt, bytes });
        }
        let (finished, listens) = (stream.finished, stream.listens());
        if finished {
            self.disconnect(cx, key);
        } else if listens {
            self.flush(cx, key);
        }
        Ok(())
    }

    /// Writes a comment on every stream that was silent too long.
    pub(super) fn keep_alive(&mut self, cx: &mut Context<'_>, silence: Duration) {
        for stream in self.streams.values_mut().filter(|s| s.started) {
            let Some(rt) = stream.connection else { continue };
            if cx.now.saturating_sub(stream.quiet_since) >= silence {
                stream.quiet_since = cx.now;
                cx.out.push(ServerAction::Write { rt, bytes: cx.policy.encoder.comment("keep-alive").into() });
            }
        }
    }

    /// When the first stream will have been silent too long.
    pub(super) fn keep_alive_at(&self, silence: Duration) -> Option<Duration> {
        let silent = self.streams.values().filter(|s| s.started && s.connection.is_some());
        silent.map(|s| s.quiet_since.saturating_add(silence)).min()
    }

    /// The session is over: streams end, requests that got no head yet are answered with 404.
    pub(super) fn end(mut self, out: &mut Vec<ServerAction>) {
        for stream in self.streams.values_mut() {
            match stream.connection.take() {
                Some(rt) if stream.started => out.push(ServerAction::End { rt }),
                Some(rt) => {
                    let (head, body) = Refusal::new(404, "the session has ended").into_response();
                    out.push(ServerAction::Respond { rt, head, body });
                }
                None => {}
            }
        }
        out.push(ServerAction::SessionEnded { session: self.key });
    }
}

fn encode(policy: &ServerPolicy, key: StreamKey, number: Option<u64>, message: &[u8]) -> Bytes {
    let id = number.map(|n| event_id(key, n));
    policy.encoder.event(message, policy.name_events.then_some("message"), id.as_deref(), None).into()
}

fn event_id(key: StreamKey, number: u64) -> String {
    format!("{}-{number}", key.0)
}

fn parse_event_id(id: &str) -> Option<(StreamKey, u64)> {
    let (stream, number) = id.split_once('-')?;
    let (key, number) = (StreamKey(stream.parse().ok()?), number.parse().ok()?);
    // `+1` and `01` parse too, but were never sent.
    (event_id(key, number) == id).then_some((key, number))
}
