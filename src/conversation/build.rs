//! Builds a [`Conversation`] from the events of a trace.

use super::departure::departure;
use super::forget::in_session;
use super::order::{Clock, Fact, Mark};
use super::past::{Past, Sort};
use super::patience::limited;
use super::session::{Register, survey};
use super::task::{Creation, Place, Sighting, Task, leaf, terminal};
use super::{Conversation, Exit, Said};
use crate::spec::{Revision, methods};
use crate::trace::{Body, Event, Header, StreamId, Text};
use crate::wire::json::Limits;
use crate::wire::{Id, Kind, Message, Party};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// A batch is opened up to this many parts; the rest is not looked at.
const PARTS: usize = 1000;

impl Conversation {
    /// Builds the conversation of a trace. Never fails: what fits nowhere stays unlinked.
    #[must_use]
    pub fn of(header: &Header, events: &[Event]) -> Conversation {
        Conversation::after(Arc::default(), header, events)
    }

    /// Builds the conversation of what is still held of a trace.
    #[must_use]
    pub fn after(past: Arc<Past>, header: &Header, events: &[Event]) -> Conversation {
        let (round_trips, streams) = survey(events);
        let mut conversation = Conversation {
            seat: header.seat,
            transport: header.transport,
            played: header.revision,
            said: Vec::new(),
            sessions: Vec::new(),
            round_trips,
            streams,
            tasks: Vec::new(),
            ended_at: events
                .iter()
                .rev()
                .find(|e| matches!(e.body, Body::End { .. }))
                .or(events.last())
                .map_or(0, |e| e.at),
            departure: departure(events),
            limited: limited(events),
            exits: events
                .iter()
                .filter_map(|e| match &e.body {
                    Body::ProcessExited { party, ours, .. } => {
                        Some(Exit { event: e.seq, at: e.at, party: *party, ours: *ours })
                    }
                    _ => None,
                })
                .collect(),
            end: events.iter().rev().find_map(|e| match &e.body {
                Body::End { reason } => Some(reason.clone()),
                _ => None,
            }),
            order: Clock::default(),
            past,
        };
        let mut builder = Builder {
            register: Register::new(header.transport),
            c: &mut conversation,
            requests: HashMap::new(),
            tokens: HashMap::new(),
            made: HashMap::new(),
            tasks: HashMap::new(),
            facts: Vec::new(),
        };
        for event in events {
            if let Body::Message { stream, from, text, event_id, step, breaks, cut_from } = &event.body {
                let frame = Frame {
                    event: event.seq,
                    at: event.at,
                    stream: *stream,
                    from: *from,
                    event_id: event_id.clone(),
                    step: step.clone(),
                    breaks: breaks.clone(),
                    cut: cut_from.is_some(),
                };
                builder.frame(frame, text);
            }
        }
        builder.settle();
        builder.link();
        let facts = std::mem::take(&mut builder.facts);
        let sessions = std::mem::take(&mut builder.register.sessions);
        conversation.sessions.extend(sessions);
        let marks = conversation.said.iter().map(|s| Mark { event: s.event, stream: s.stream, from: s.from }).collect();
        conversation.order = Clock::new(header.seat.ours(), marks, &facts, &conversation.past.order);
        conversation
    }
}

/// What an event says beside the text.
struct Frame {
    event: u32,
    at: u64,
    stream: StreamId,
    from: Party,
    event_id: Option<String>,
    step: Option<String>,
    breaks: Vec<String>,
    cut: bool,
}

/// A value that one party makes and the other uses.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Token {
    Task(String),
    Cursor(String, String),
    Progress(Id),
    Session,
}

/// The messages that brought a value.
struct Brought {
    first: usize,
    stream: StreamId,
    /// Did all of them come on that stream?
    alone: bool,
}

struct Builder<'a> {
    c: &'a mut Conversation,
    register: Register,
    /// By session, sender and id.
    requests: HashMap<(usize, Party, Id), Vec<usize>>,
    /// By session, requestor and token: the requests that brought it.
    tokens: HashMap<(usize, Party, Id), Vec<usize>>,
    /// By session, maker and value: the messages that brought it.
    made: HashMap<(usize, Party, Token), Brought>,
    /// By receiver, id and (where the receiver is a client) session.
    tasks: HashMap<(Party, Option<usize>, String), usize>,
    facts: Vec<Fact>,
}

impl Builder<'_> {
    fn frame(&mut self, frame: Frame, text: &Text) {
        let message = Message::read(text.bytes().into(), &Limits::default());
        let parts: Vec<Value> = match message.value() {
            Value::Array(parts) => parts.iter().take(PARTS).cloned().collect(),
            _ => Vec::new(),
        };
        self.say(&frame, message, None);
        for (i, part) in parts.iter().enumerate() {
            self.say(&frame, Message::of(part), Some(i));
        }
    }

    fn say(&mut self, frame: &Frame, message: Message, part: Option<usize>) {
        let index = self.c.said.len();
        let round_trip = self.c.streams.get(&frame.stream).and_then(|s| s.round_trip);
        let trip = round_trip.and_then(|r| self.c.round_trips.get(&r));
        let session = self.register.of(round_trip, trip, message.method() == Some("initialize"));
        let mut said = Said {
            event: frame.event,
            at: frame.at,
            from: frame.from,
            stream: frame.stream,
            round_trip,
            session,
            message,
            part,
            cut: frame.cut,
            event_id: frame.event_id.clone(),
            step: frame.step.clone(),
            breaks: frame.breaks.clone(),
            revision: self.c.played,
            answers: None,
            meant_for: None,
            answered_by: Vec::new(),
            missed_by: Vec::new(),
            method: None,
            augmented: false,
            task: None,
            progress_of: None,
            redelivers: None,
        };
        if !said.cut {
            match said.message.kind().clone() {
                Kind::Request { id, method } => self.request(index, &mut said, id, method),
                Kind::Notification { method } => self.notification(index, &mut said, method),
                Kind::Result { id } | Kind::Error { id } => self.answer(index, &mut said, id),
                Kind::Batch | Kind::Malformed(_) | Kind::Unreadable(_) => {}
            }
        }
        said.revision = self.revision(&said);
        self.uses_session(index, &said);
        self.c.said.push(said);
    }

    /// The negotiated revision; for `initialize` itself and for a session without one, what is best known.
    fn revision(&self, said: &Said) -> Revision {
        let session = self.register.sessions.get(said.session);
        let negotiated = session.and_then(|s| s.revision);
        if said.requests("initialize") {
            let asked = said.message.params().get("protocolVersion").and_then(Value::as_str);
            return asked.and_then(Revision::parse).or(negotiated).unwrap_or(self.c.played);
        }
        negotiated.unwrap_or(self.c.played)
    }

    fn request(&mut self, index: usize, said: &mut Said, id: Id, method: String) {
        let key = (said.session, said.from, id);
        said.redelivers =
            self.requests.get(&key).into_iter().flatten().copied().find(|earlier| self.is_redelivery(said, *earlier));
        let params = said.message.params();
        match method.as_str() {
            "initialize" => {
                if let Some(session) = self.register.sessions.get_mut(said.session)
                    && session.initialize.is_none()
                {
                    session.initialize = Some(index);
                    session.requested = params.get("protocolVersion").and_then(Value::as_str).map(str::to_owned);
                    session.client_capabilities = params.get("capabilities").cloned();
                }
            }
            "tasks/get" | "tasks/result" | "tasks/cancel" => {
                if let Some(id) = params.get("taskId").and_then(Value::as_str).map(str::to_owned) {
                    self.uses(index, said, Token::Task(id.clone()));
                    said.task = self.tasks.get(&self.task_key(said.to(), said.session, &id)).copied();
                    if let Some(task) = said.task.and_then(|t| self.c.tasks.get_mut(t)) {
                        match method.as_str() {
                            "tasks/get" => task.gets.push(index),
                            "tasks/result" => task.retrievals.push(index),
                            _ => task.cancels.push(index),
                        }
                    }
                }
            }
            _ => {}
        }
        if let Some(cursor) = params.get("cursor").and_then(Value::as_str).map(str::to_owned) {
            self.uses(index, said, Token::Cursor(method.clone(), cursor));
        }
        if let Some(leaf) = leaf(&method, said.from) {
            let declared = self.register.sessions.get(said.session).and_then(|s| s.declares(said.to(), leaf));
            said.augmented = methods::asks_for_task(params) && declared == Some(true);
        }
        if let Some(task) = said.related_task_id().map(str::to_owned) {
            // a request about a task comes from the one who works on it
            let found = self.tasks.get(&self.task_key(said.from, said.session, &task)).copied();
            if let Some(t) = found
                && !matches!(method.as_str(), "tasks/get" | "tasks/result" | "tasks/cancel" | "tasks/list")
            {
                said.task = Some(t);
                if let Some(task) = self.c.tasks.get_mut(t) {
                    task.nested.push(index);
                }
            }
            self.makes(index, said, Token::Task(task));
        }
        if let Some(token) = said.message.params().pointer("/_meta/progressToken").map(Id::of) {
            self.tokens.entry((said.session, said.from, token.clone())).or_default().push(index);
            self.makes(index, said, Token::Progress(token));
        }
        said.method = Some(method);
        self.requests.entry(key).or_default().push(index);
    }

    fn notification(&mut self, index: usize, said: &mut Said, method: String) {
        match method.as_str() {
            "notifications/initialized" => {
                if let Some(session) = self.register.sessions.get_mut(said.session) {
                    session.initialized.get_or_insert(index);
                }
            }
            "notifications/tasks/status" => {
                self.sighted(index, said, "/params", Place::Notified, None);
            }
            "notifications/progress" => {
                if let Some(token) = said.message.params().get("progressToken").map(Id::of) {
                    said.progress_of = self
                        .tokens
                        .get(&(said.session, said.to(), token.clone()))
                        .and_then(|requests| requests.last())
                        .copied();
                    said.task = said.progress_of.and_then(|r| self.c.said.get(r)).and_then(|r| r.task);
                    self.uses(index, said, Token::Progress(token));
                }
            }
            _ => {}
        }
        said.method = Some(method);
    }

    fn answer(&mut self, index: usize, said: &mut Said, id: Option<Id>) {
        let candidates: &[usize] =
            id.and_then(|id| self.requests.get(&(said.session, said.to(), id))).map_or(&[], Vec::as_slice);
        let unanswered = |i: &usize| self.c.said.get(*i).is_some_and(|r| r.answered_by.is_empty());
        let here = |i: &usize| {
            said.round_trip.is_some() && self.c.said.get(*i).is_some_and(|r| r.round_trip == said.round_trip)
        };
        let request = candidates
            .iter()
            .find(|i| here(i))
            .or_else(|| candidates.iter().find(|i| unanswered(i)))
            .or(candidates.last())
            .copied();
        let Some(request) = request else { return };
        said.redelivers = self
            .c
            .said
            .get(request)
            .and_then(|r| r.answered_by.iter().copied().find(|earlier| self.is_redelivery(said, *earlier)));
        said.answers = Some(request);
        let Some(asked) = self.c.said.get_mut(request) else { return };
        asked.answered_by.push(index);
        said.method.clone_from(&asked.method);
        said.augmented = asked.augmented;
        said.task = asked.task;
        self.facts.push(Fact::Knew(request, index));
        if said.redelivers.is_some() {
            return;
        }
        let task_asked = asked.message.params().get("taskId").and_then(Value::as_str).map(str::to_owned);
        let wants_task = asked.message.params().get("task").is_some();
        match said.method.clone().unwrap_or_default().as_str() {
            "initialize" => self.opened(index, said),
            "tasks/get" if said.is_result() => self.sighted(index, said, "/result", Place::Got, task_asked),
            "tasks/cancel" if said.is_result() => self.sighted(index, said, "/result", Place::Cancelled, task_asked),
            "tasks/list" if said.is_result() => {
                let count = said.message.result().get("tasks").and_then(Value::as_array).map_or(0, Vec::len);
                for i in 0..count {
                    self.sighted(index, said, &format!("/result/tasks/{i}"), Place::Listed, None);
                }
                said.task = None;
            }
            _ if said.is_result() && wants_task && said.message.result().get("task").is_some_and(Value::is_object) => {
                self.sighted(index, said, "/result/task", Place::Created, None);
                if let Some(task) = said.task {
                    if let Some(task) = self.c.tasks.get_mut(task) {
                        task.creations.push(Creation { request, answer: index });
                    }
                    if let Some(asked) = self.c.said.get_mut(request) {
                        asked.task = Some(task);
                    }
                }
            }
            _ => {}
        }
        if let (Some(cursor), Some(method)) =
            (said.message.result().get("nextCursor").and_then(Value::as_str), said.method.clone())
        {
            let token = Token::Cursor(method, cursor.to_owned());
            self.makes(index, said, token);
        }
    }

    fn opened(&mut self, index: usize, said: &Said) {
        let Some(session) = self.register.sessions.get_mut(said.session) else { return };
        if session.initialize_answer.is_some() {
            return;
        }
        session.initialize_answer = Some(index);
        if said.is_result() {
            let result = said.message.result();
            session.answered = result.get("protocolVersion").and_then(Value::as_str).map(str::to_owned);
            session.revision = session.answered.as_deref().and_then(Revision::parse);
            session.server_capabilities = result.get("capabilities").cloned();
        }
        self.makes(index, said, Token::Session);
    }

    fn task_key(&self, receiver: Party, session: usize, id: &str) -> (Party, Option<usize>, String) {
        // one server keeps its tasks over all sessions; each session may be another client
        (receiver, (receiver == Party::Client).then_some(session), id.to_owned())
    }

    fn sighted(&mut self, index: usize, said: &mut Said, pointer: &str, place: Place, asked: Option<String>) {
        let Some(object) = said.message.value().pointer(pointer) else { return };
        let named = object.get("taskId").and_then(Value::as_str).map(str::to_owned);
        let status = object.get("status").and_then(Value::as_str).map(str::to_owned);
        let Some(id) = named.or(asked) else { return };
        let key = self.task_key(said.from, said.session, &id);
        let number = match self.tasks.get(&key) {
            Some(number) => *number,
            None => {
                let number = self.c.tasks.len();
                self.c.tasks.push(Task {
                    id: id.clone(),
                    receiver: said.from,
                    session: said.session,
                    creations: Vec::new(),
                    sightings: Vec::new(),
                    ended: None,
                    nested: Vec::new(),
                    gets: Vec::new(),
                    retrievals: Vec::new(),
                    cancels: Vec::new(),
                });
                self.tasks.insert(key, number);
                number
            }
        };
        if let Some(task) = self.c.tasks.get_mut(number) {
            if status.as_deref().is_some_and(terminal) {
                task.ended.get_or_insert(index);
            }
            task.sightings.push(Sighting { message: index, place, pointer: pointer.to_owned(), status });
        }
        said.task = Some(number);
        // whoever got it by `tasks/get` or `tasks/cancel` had the id already
        if !matches!(place, Place::Got | Place::Cancelled) {
            self.makes(index, said, Token::Task(id));
        }
    }

    fn makes(&mut self, index: usize, said: &Said, token: Token) {
        let brought = self.made.entry((said.session, said.from, token)).or_insert(Brought {
            first: index,
            stream: said.stream,
            alone: true,
        });
        brought.alone &= brought.stream == said.stream;
    }

    /// The sender uses a value of the other party: it had received one of the messages that brought it.
    fn uses(&mut self, index: usize, said: &Said, token: Token) {
        if let Some(brought) = self.made.get(&(said.session, said.to(), token)) {
            let first = brought.first;
            self.facts.push(if brought.alone { Fact::Knew(first, index) } else { Fact::After(first, index) });
        }
    }

    /// Every message of a client that carries the session id shows that the id had come.
    fn uses_session(&mut self, index: usize, said: &Said) {
        let carried = said.round_trip.and_then(|r| self.c.round_trips.get(&r)).and_then(|t| t.session_sent.as_ref());
        if said.from == Party::Client && carried.is_some() {
            self.uses(index, said, Token::Session);
        }
    }

    /// The same message again on another stream, after the stream of the earlier one had closed, or as the same event.
    fn is_redelivery(&self, said: &Said, earlier: usize) -> bool {
        let Some(first) = self.c.said.get(earlier) else { return false };
        if first.message.value() != said.message.value() || first.from != said.from {
            return false;
        }
        let same_event = said.event_id.is_some() && first.event_id == said.event_id;
        let closed = self
            .c
            .streams
            .get(&first.stream)
            .and_then(|s| s.closed.as_ref())
            .is_some_and(|(event, _)| *event < said.event);
        first.stream != said.stream && (same_event || (closed && said.from == Party::Server))
    }

    /// What can only be said at the end: for what the answers without a request were meant; what answers a redelivery.
    fn settle(&mut self) {
        for index in 0..self.c.said.len() {
            let Some(original) = self.c.said.get(index).and_then(|s| s.redelivers) else { continue };
            let (mine, theirs) = (self.answers_of(index), self.answers_of(original));
            let mut all: Vec<usize> = mine.into_iter().chain(theirs).collect();
            all.sort_unstable();
            all.dedup();
            for i in [index, original] {
                if let Some(said) = self.c.said.get_mut(i) {
                    said.answered_by.clone_from(&all);
                }
            }
        }
        for index in 0..self.c.said.len() {
            let Some(meant) = self.probably_meant(index) else { continue };
            let Some(request) = self.c.said.get_mut(meant) else { continue };
            request.missed_by.push(index);
            let (method, augmented, task) = (request.method.clone(), request.augmented, request.task);
            if let Some(said) = self.c.said.get_mut(index) {
                said.meant_for = Some(meant);
                said.method = method;
                said.augmented = augmented;
                said.task = task;
            }
        }
    }

    /// Round trips find their sessions, and what came on streams its messages.
    fn link(&mut self) {
        for (number, trip) in &mut self.c.round_trips {
            trip.session = self.register.known(*number, trip);
        }
        for (index, said) in self.c.said.iter().enumerate().filter(|(_, s)| s.part.is_none()) {
            let items = self.c.streams.get_mut(&said.stream).map(|s| &mut s.items);
            let Some(items) = items else { continue };
            if let Ok(at) = items.binary_search_by_key(&said.event, |i| i.event)
                && let Some(item) = items.get_mut(at)
            {
                item.said = Some(index);
            }
        }
    }

    fn answers_of(&self, index: usize) -> Vec<usize> {
        self.c.said.get(index).map(|s| s.answered_by.clone()).unwrap_or_default()
    }

    /// The message for which an answer without a request was meant: in the same round trip, with an id that reads alike, or the
    /// oldest that was never answered.
    fn probably_meant(&self, index: usize) -> Option<usize> {
        let said = self.c.said.get(index)?;
        if !said.message.is_answer() || said.answers.is_some() || said.cut {
            return None;
        }
        // what refuses a GET or a DELETE answers no message
        let trip = said.round_trip.and_then(|r| self.c.round_trips.get(&r));
        if trip.is_some_and(|t| t.method != "POST" && t.status.is_some_and(|s| s >= 400)) {
            return None;
        }
        // what it answers is held no more
        if let (Some(id), Some(session)) = (said.message.id(), self.register.sessions.get(said.session))
            && self.c.past.may(Sort::Request, in_session(session, &self.c.said, said.to()), id)
        {
            return None;
        }
        let before = self.c.said.get(..index)?;
        let open = |r: &Said| {
            r.session == said.session
                && r.from == said.to()
                && r.answered_by.is_empty()
                && r.missed_by.is_empty()
                && r.redelivers.is_none()
        };
        // over HTTP the round trip says what an error is about, whatever id it has
        let unread_here = before.iter().position(|r| {
            open(r)
                && r.round_trip.is_some()
                && r.round_trip == said.round_trip
                && matches!(r.message.kind(), Kind::Unreadable(_))
        });
        if unread_here.is_some() && said.is_error() {
            return unread_here;
        }
        if said.message.id().is_none() && said.is_error() {
            // an error without an id is due to what could not be read
            let unread = before.iter().position(|r| {
                open(r) && matches!(r.message.kind(), Kind::Unreadable(_) | Kind::Malformed(_) | Kind::Batch)
            });
            if unread.is_some() {
                return unread;
            }
        }
        let requests = || before.iter().enumerate().filter(|(_, r)| r.is_request() && open(r));
        let here = requests().find(|(_, r)| r.round_trip.is_some() && r.round_trip == said.round_trip);
        let alike = || {
            let text = said.message.id().map(plain)?;
            requests().find(|(_, r)| r.message.id().is_some_and(|id| plain(id) == text))
        };
        here.or_else(alike).or_else(|| requests().next()).map(|(i, _)| i)
    }
}

fn plain(id: &Id) -> String {
    match id {
        Id::Text(text) => text.clone(),
        other => other.to_string(),
    }
}
