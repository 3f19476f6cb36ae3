//! The server's side: requests in, responses and streams out.

use super::admission::{INVALID_REQUEST, PARSE_ERROR, Refusal, ServerPolicy, Verb, single};
use super::session::{Context, Origin, Session};
use super::{EVENT_STREAM, Headers, JSON, LAST_EVENT_ID, NO_BATCHES_SINCE, Request, ResponseHead, RoundTrip, Route};
use super::{SESSION_ID, SessionKey, accepts};
use crate::wire::json::Limits;
use crate::wire::{Id, Kind, Message};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::time::Duration;

/// What the server is to do, in this order.
#[derive(Debug, Clone)]
pub enum ServerAction {
    /// Answer a round trip with a whole response; it is over then.
    Respond {
        /// The round trip.
        rt: RoundTrip,
        /// Status and headers; the length is up to the transport.
        head: ResponseHead,
        /// The body; may be empty.
        body: Bytes,
    },
    /// Answer a round trip with a head; the body follows in pieces.
    StartStream {
        /// The round trip.
        rt: RoundTrip,
        /// Status and headers.
        head: ResponseHead,
    },
    /// Write a piece of a stream's body.
    Write {
        /// The round trip.
        rt: RoundTrip,
        /// Whole events or comments.
        bytes: Bytes,
    },
    /// End the body; the round trip is over then.
    End {
        /// The round trip.
        rt: RoundTrip,
    },
    /// Hand a message to whoever plays the server.
    Deliver {
        /// The session it came in.
        session: SessionKey,
        /// The round trip it came in.
        rt: RoundTrip,
        /// The message.
        message: Message,
    },
    /// A session was opened by `initialize`.
    SessionOpened {
        /// The session.
        session: SessionKey,
        /// The id that the client is to send; without sessions none.
        id: Option<String>,
    },
    /// A session is over.
    SessionEnded {
        /// The session.
        session: SessionKey,
    },
    /// A message that was to be sent cannot reach the client.
    Undeliverable {
        /// The session.
        session: SessionKey,
        /// The message.
        message: Bytes,
        /// Why not.
        why: &'static str,
    },
}

/// The session logic of a server.
pub struct ServerLogic {
    policy: ServerPolicy,
    limits: Limits,
    entropy: Box<dyn FnMut() -> [u8; 16] + Send>,
    now: Duration,
    next_session: u32,
    sessions: BTreeMap<SessionKey, Session>,
    by_id: BTreeMap<String, SessionKey>,
    round_trips: BTreeMap<RoundTrip, SessionKey>,
}

impl std::fmt::Debug for ServerLogic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ServerLogic { policy, sessions, round_trips, .. } = self;
        f.debug_struct("ServerLogic")
            .field("policy", policy)
            .field("sessions", sessions)
            .field("round_trips", round_trips)
            .finish_non_exhaustive()
    }
}

impl ServerLogic {
    /// A server without sessions yet. `entropy` gives the session ids: random for real ones, a seeded sequence for
    /// repeatable runs.
    #[must_use]
    pub fn new(policy: ServerPolicy, entropy: impl FnMut() -> [u8; 16] + Send + 'static) -> ServerLogic {
        ServerLogic {
            policy,
            limits: Limits::default(),
            entropy: Box::new(entropy),
            now: Duration::ZERO,
            next_session: 0,
            sessions: BTreeMap::new(),
            by_id: BTreeMap::new(),
            round_trips: BTreeMap::new(),
        }
    }

    /// The policy it was made with.
    #[must_use]
    pub fn policy(&self) -> &ServerPolicy {
        &self.policy
    }

    /// The revision in force in a session: negotiated, or while `initialize` is unanswered the one the client asked for.
    #[must_use]
    pub fn version(&self, session: SessionKey) -> Option<&str> {
        self.sessions.get(&session)?.version.as_deref()
    }

    /// A request came in whole.
    pub fn request(&mut self, now: Duration, rt: RoundTrip, request: &Request) -> Vec<ServerAction> {
        self.now = self.now.max(now);
        // A number that is used again belongs to a round trip that is gone.
        self.dropped(rt);
        let mut out = Vec::new();
        if let Err(refusal) = self.handle(rt, request, &mut out) {
            let (head, body) = refusal.into_response();
            out.push(ServerAction::Respond { rt, head, body });
        }
        self.settle(&out);
        out
    }

    /// The session in which that round trip is open, if it is.
    #[must_use]
    pub fn session_of(&self, rt: RoundTrip) -> Option<SessionKey> {
        self.round_trips.get(&rt).copied()
    }

    /// The client closed the connection of a round trip. That cancels nothing: the stream may be resumed.
    pub fn dropped(&mut self, rt: RoundTrip) {
        if let Some(key) = self.round_trips.remove(&rt)
            && let Some(session) = self.sessions.get_mut(&key)
        {
            session.last_active = self.now;
            session.dropped(rt);
        }
    }

    /// Sends a message of ours. An error as answer to `initialize` ends the session.
    pub fn send(&mut self, session: SessionKey, route: &Route, message: impl Into<Bytes>) -> Vec<ServerAction> {
        let message = message.into();
        let mut out = Vec::new();
        let Some(open) = self.sessions.get_mut(&session) else {
            let why = "the session has ended";
            return vec![ServerAction::Undeliverable { session, message, why }];
        };
        open.last_active = self.now;
        let mut cx = Context { policy: &self.policy, now: self.now, out: &mut out };
        let mut goes_on = true;
        match route {
            Route::Answer(id) => goes_on = open.answer(&mut cx, id, message),
            Route::Related(id) => open.related(&mut cx, id, message),
            Route::Unrelated => open.unrelated(&mut cx, message),
        }
        if !goes_on {
            self.end(session, &mut out);
        }
        self.settle(&out);
        out
    }

    /// Closes the connection of a request's stream without ending the stream: a priming event goes before if none was
    /// sent, later messages are kept, and the client gets them when it resumes. Nothing happens for clients before
    /// 2025-11-25, or without an event store, or when the stream has no connection.
    pub fn close_stream(&mut self, session: SessionKey, id: &Id) -> Vec<ServerAction> {
        self.with(session, |session, cx| {
            session.close_stream(cx, id);
        })
    }

    /// As [`ServerLogic::close_stream`], for the session's GET streams.
    pub fn close_listening(&mut self, session: SessionKey) -> Vec<ServerAction> {
        self.with(session, |session, cx| {
            session.close_listening(cx);
        })
    }

    /// Ends the stream of a request without having answered it.
    pub fn finish_stream(&mut self, session: SessionKey, id: &Id) -> Vec<ServerAction> {
        self.with(session, |session, cx| {
            session.finish_stream(cx, id);
        })
    }

    /// Ends a session from our side; what the client sends with its id is answered with 404 from now on.
    pub fn end_session(&mut self, session: SessionKey) -> Vec<ServerAction> {
        let mut out = Vec::new();
        self.end(session, &mut out);
        self.settle(&out);
        out
    }

    /// Time has passed: keeps streams alive, ends idle sessions, as the policy says.
    pub fn tick(&mut self, now: Duration) -> Vec<ServerAction> {
        self.now = self.now.max(now);
        let mut out = Vec::new();
        if let Some(silence) = self.policy.keep_alive {
            let mut cx = Context { policy: &self.policy, now: self.now, out: &mut out };
            for session in self.sessions.values_mut() {
                session.keep_alive(&mut cx, silence);
            }
        }
        if let Some(idle) = self.policy.idle {
            let over = |s: &&Session| !s.is_connected() && self.now.saturating_sub(s.last_active) >= idle;
            let keys: Vec<SessionKey> = self.sessions.values().filter(over).map(|s| s.key).collect();
            for key in keys {
                self.end(key, &mut out);
            }
        }
        self.settle(&out);
        out
    }

    /// When [`ServerLogic::tick`] will have something to do.
    #[must_use]
    pub fn next_wake(&self) -> Option<Duration> {
        let alive = self.policy.keep_alive.into_iter();
        let alive = alive.flat_map(|silence| self.sessions.values().filter_map(move |s| s.keep_alive_at(silence)));
        let idle = self.policy.idle.into_iter();
        let idle = idle.flat_map(|idle| {
            self.sessions.values().filter(|s| !s.is_connected()).map(move |s| s.last_active.saturating_add(idle))
        });
        alive.chain(idle).min()
    }

    #[cfg(test)]
    pub(super) fn round_trips_open(&self) -> usize {
        self.round_trips.len()
    }

    #[cfg(test)]
    pub(super) fn streams_kept(&self) -> usize {
        self.sessions.values().map(Session::streams_kept).sum()
    }

    fn with(&mut self, session: SessionKey, act: impl FnOnce(&mut Session, &mut Context<'_>)) -> Vec<ServerAction> {
        let mut out = Vec::new();
        if let Some(session) = self.sessions.get_mut(&session) {
            act(session, &mut Context { policy: &self.policy, now: self.now, out: &mut out });
        }
        self.settle(&out);
        out
    }

    /// Forgets the round trips that these actions close.
    fn settle(&mut self, out: &[ServerAction]) {
        for action in out {
            if let ServerAction::Respond { rt, .. } | ServerAction::End { rt } = action {
                self.round_trips.remove(rt);
            }
        }
    }

    fn end(&mut self, key: SessionKey, out: &mut Vec<ServerAction>) {
        if let Some(session) = self.sessions.remove(&key) {
            if let Some(id) = &session.id {
                self.by_id.remove(id);
            }
            session.end(out);
        }
    }

    fn handle(&mut self, rt: RoundTrip, request: &Request, out: &mut Vec<ServerAction>) -> Result<(), Refusal> {
        match self.policy.admit(request)? {
            Verb::Post => self.post(rt, request, out),
            Verb::Get => self.get(rt, &request.headers, out),
            Verb::Delete => {
                let key = self.find(&request.headers, out)?;
                self.end(key, out);
                out.push(ServerAction::Respond { rt, head: empty(204), body: Bytes::new() });
                Ok(())
            }
        }
    }

    fn get(&mut self, rt: RoundTrip, headers: &Headers, out: &mut Vec<ServerAction>) -> Result<(), Refusal> {
        let key = self.find(headers, out)?;
        let after = single(headers, LAST_EVENT_ID)?;
        let after = after.filter(|id| !id.is_empty());
        if after.is_none() {
            self.room(key, 1)?;
        }
        if let Some(session) = self.sessions.get_mut(&key) {
            let mut cx = Context { policy: &self.policy, now: self.now, out };
            match after {
                Some(after) => session.resume(&mut cx, rt, after)?,
                None => session.open(&mut cx, rt, Origin::Listen),
            }
            self.round_trips.insert(rt, key);
        }
        Ok(())
    }

    fn post(&mut self, rt: RoundTrip, request: &Request, out: &mut Vec<ServerAction>) -> Result<(), Refusal> {
        let headers = &request.headers;
        let message = Message::read(request.body.clone(), &self.limits);
        let batch = *message.kind() == Kind::Batch;
        let initialize = message.is_request() && message.method() == Some("initialize");
        let (key, messages) = match message.kind() {
            Kind::Unreadable(e) => return Err(Refusal::rpc(PARSE_ERROR, format!("the body is not JSON: {e}"))),
            Kind::Malformed(why) => return Err(Refusal::rpc(INVALID_REQUEST, why.clone())),
            Kind::Batch => {
                let key = self.find(headers, out)?;
                (key, self.batch(key, &message, headers)?)
            }
            _ if initialize => (self.open(headers, &message, out)?, vec![message]),
            _ => (self.find(headers, out)?, vec![message]),
        };
        let requests = messages.iter().filter(|m| m.is_request());
        let ids: Vec<Id> = requests.filter_map(|m| m.id().cloned()).collect();
        if ids.is_empty() {
            out.push(ServerAction::Respond { rt, head: empty(202), body: Bytes::new() });
        } else {
            self.room(key, ids.len())?;
            let json = accepts(headers, JSON) && !batch;
            let stream = accepts(headers, EVENT_STREAM);
            if !json && !stream {
                return Err(Refusal::new(406, format!("a batch is answered with {EVENT_STREAM}")));
            }
            if let Some(session) = self.sessions.get_mut(&key) {
                let mut cx = Context { policy: &self.policy, now: self.now, out };
                session.open(&mut cx, rt, Origin::Post { open: ids, initialize, json, stream });
                self.round_trips.insert(rt, key);
            }
        }
        out.extend(messages.into_iter().map(|message| ServerAction::Deliver { session: key, rt, message }));
        Ok(())
    }

    /// The messages of a batch, if this revision has batches and this one is in order.
    fn batch(&self, key: SessionKey, batch: &Message, headers: &Headers) -> Result<Vec<Message>, Refusal> {
        let refuse = |why: &str| Err(Refusal::rpc(INVALID_REQUEST, why));
        let negotiated = self.version(key);
        if self.policy.version_in_force(negotiated, headers) >= NO_BATCHES_SINCE {
            return refuse("there are no batches since 2025-06-18; send each message in a request of its own");
        }
        let messages = batch.batch(&self.limits);
        if messages.is_empty() {
            return refuse("the batch is empty");
        }
        for message in &messages {
            match message.kind() {
                Kind::Malformed(why) => return refuse(&format!("a message of the batch is malformed: {why}")),
                Kind::Batch | Kind::Unreadable(_) => return refuse("a message of the batch is no object"),
                _ if message.method() == Some("initialize") => return refuse("`initialize` must not be in a batch"),
                _ => {}
            }
        }
        Ok(messages)
    }

    fn room(&self, key: SessionKey, wanted: usize) -> Result<(), Refusal> {
        let open = self.sessions.get(&key).map_or(0, Session::open_count);
        if open + wanted > self.policy.max_open {
            return Err(Refusal::new(429, format!("{open} requests and streams are open already")));
        }
        Ok(())
    }

    /// The session that a request names.
    fn find(&mut self, headers: &Headers, out: &mut Vec<ServerAction>) -> Result<SessionKey, Refusal> {
        let key = if self.policy.sessions {
            let id = single(headers, SESSION_ID)?;
            let id = id.ok_or_else(|| Refusal::new(400, format!("{SESSION_ID} is missing; `initialize` gives it")))?;
            *self.by_id.get(id).ok_or_else(|| Refusal::new(404, "there is no such session; send `initialize`"))?
        } else {
            // Without ids every request belongs to the one session there is.
            match self.sessions.keys().next_back() {
                Some(key) => *key,
                None => self.begin(None, out),
            }
        };
        if let Some(session) = self.sessions.get_mut(&key) {
            session.last_active = self.now;
        }
        Ok(key)
    }

    /// Opens a session for an `initialize`.
    fn open(
        &mut self,
        headers: &Headers,
        initialize: &Message,
        out: &mut Vec<ServerAction>,
    ) -> Result<SessionKey, Refusal> {
        if self.policy.sessions {
            if let Some(id) = single(headers, SESSION_ID)? {
                return Err(match self.by_id.contains_key(id) {
                    true => Refusal::rpc(INVALID_REQUEST, "this session is initialized already"),
                    false => Refusal::new(404, "there is no such session; send `initialize` without its id"),
                });
            }
            if self.sessions.len() >= self.policy.max_sessions {
                return Err(Refusal::new(503, format!("{} sessions are open already", self.sessions.len())));
            }
        } else {
            let keys: Vec<SessionKey> = self.sessions.keys().copied().collect();
            for key in keys {
                self.end(key, out);
            }
        }
        let id = self.policy.sessions.then(|| self.new_id());
        let key = self.begin(id, out);
        if let Some(session) = self.sessions.get_mut(&key) {
            let asked = initialize.params().get("protocolVersion").and_then(|v| v.as_str());
            session.version = asked.map(str::to_owned);
        }
        Ok(key)
    }

    fn new_id(&mut self) -> String {
        let mut id: String = (self.entropy)().iter().map(|b| format!("{b:02x}")).collect();
        if self.by_id.contains_key(&id) {
            id.push_str(&format!("-{}", self.next_session));
        }
        id
    }

    fn begin(&mut self, id: Option<String>, out: &mut Vec<ServerAction>) -> SessionKey {
        let key = SessionKey(self.next_session);
        self.next_session = self.next_session.wrapping_add(1);
        if let Some(id) = &id {
            self.by_id.insert(id.clone(), key);
        }
        out.push(ServerAction::SessionOpened { session: key, id: id.clone() });
        self.sessions.insert(key, Session::new(key, id, self.now));
        key
    }
}

fn empty(status: u16) -> ResponseHead {
    ResponseHead { status, headers: Headers::new() }
}
