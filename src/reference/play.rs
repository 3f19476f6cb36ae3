//! The two reference peers with each other: no I/O, a clock that jumps, every message validated.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may end where it stands")]

mod arbitrary;
mod scenes;

use super::client::{self, Application, Client};
use super::server::{self, Server};
use super::{Effect, Engine, Proposal, Route, SessionKey, Surroundings};
use crate::spec::methods::{self, declared};
use crate::spec::{Asked, Level, Revision, check};
use crate::wire::{Id, Kind, Message, Party};
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// One message that went over.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) at: Duration,
    pub(super) session: SessionKey,
    pub(super) from: Party,
    pub(super) route: Route,
    pub(super) message: Value,
}

/// What is known of a request that was sent.
#[derive(Debug, Clone)]
struct Request {
    method: String,
    augmented: bool,
    task: Option<String>,
    answers: usize,
}

/// Checks every message of the sessions against the published schema, and the promises that hold for every pair of peers.
#[derive(Debug, Default)]
pub(super) struct Inspector {
    requests: BTreeMap<(SessionKey, Party, Id), Request>,
    creators: BTreeMap<String, String>,
    capabilities: BTreeMap<(SessionKey, Party), Value>,
    revisions: BTreeMap<SessionKey, Revision>,
}

impl Inspector {
    pub(super) fn inspect(&mut self, session: SessionKey, from: Party, value: &Value) {
        let message = Message::of(value);
        let result = message.result();
        let mut asked = None;
        match message.kind() {
            Kind::Request { id, method } => {
                if method == "initialize" {
                    self.capabilities.insert((session, from), message.params()["capabilities"].clone());
                }
                let request = Request {
                    method: method.clone(),
                    augmented: methods::asks_for_task(message.params()),
                    task: message.params().get("taskId").and_then(Value::as_str).map(str::to_owned),
                    answers: 0,
                };
                let before = self.requests.insert((session, from, id.clone()), request);
                assert!(before.is_none(), "{from} uses the id {id} twice in {session:?}: {before:?}");
            }
            Kind::Result { id: Some(id) } | Kind::Error { id: Some(id) } => {
                let key = (session, from.other(), id.clone());
                let request = self.requests.get_mut(&key).unwrap_or_else(|| panic!("{from} answers nothing: {value}"));
                request.answers += 1;
                assert_eq!(request.answers, 1, "{from} answers {id} again: {value}");
                let request = request.clone();
                if request.method == "initialize" {
                    let revision = result["protocolVersion"].as_str().and_then(Revision::parse);
                    self.revisions.insert(session, revision.unwrap_or(Revision::DEFAULT));
                    self.capabilities.insert((session, from), result["capabilities"].clone());
                }
                if let (true, Some(task)) = (request.augmented, result["task"]["taskId"].as_str()) {
                    assert_eq!(result["task"]["status"], "working", "{value}");
                    let before = self.creators.insert(task.to_owned(), request.method.clone());
                    assert!(before.is_none(), "the task id {task} is given twice");
                }
                asked = Some(request);
            }
            Kind::Notification { .. } | Kind::Error { id: None } => {}
            other => panic!("{from} sends what is no message: {other:?}"),
        }
        let revision = self.revisions.get(&session).copied().unwrap_or(Revision::DEFAULT);
        let asked = asked.as_ref().map(|request| {
            let leaf = methods::find(revision, &request.method).and_then(|method| method.augmentable);
            let capabilities = self.capabilities.get(&(session, from)).unwrap_or(&Value::Null);
            Asked {
                method: &request.method,
                augmented: request.augmented,
                declared: leaf.is_some_and(|leaf| declared(capabilities, leaf)),
                created_by: request.task.as_ref().and_then(|task| self.creators.get(task)).map(String::as_str),
                cancelled: false,
            }
        });
        let found = check(revision, from, message.kind(), value, asked.as_ref());
        let found: Vec<_> = found.into_iter().filter(|violation| violation.level != Level::Should).collect();
        assert!(found.is_empty(), "{from} sends {value}\n{found:#?}");
    }

    /// The requests of a party that have no answer, by method.
    pub(super) fn unanswered(&self, session: SessionKey, from: Party) -> Vec<&str> {
        let open = self.requests.iter().filter(|((s, f, _), r)| *s == session && *f == from && r.answers == 0);
        open.map(|(_, request)| request.method.as_str()).collect()
    }
}

/// A server and its clients.
pub(super) struct Play {
    pub(super) server: Server,
    pub(super) clients: BTreeMap<SessionKey, Client>,
    pub(super) now: Duration,
    pub(super) lines: Vec<Line>,
    pub(super) saw: Vec<(SessionKey, String, Value)>,
    pub(super) inspector: Inspector,
    queue: VecDeque<Line>,
    closed: Vec<SessionKey>,
}

pub(super) fn server(change: impl FnOnce(&mut server::Setup)) -> Server {
    let mut setup = server::Setup::new(Surroundings::fixed(1));
    change(&mut setup);
    Server::new(setup)
}

pub(super) fn client(seed: u64, application: Application, change: impl FnOnce(&mut client::Setup)) -> Client {
    let mut setup = client::Setup::new(Surroundings::fixed(seed), application);
    change(&mut setup);
    Client::new(setup)
}

impl Play {
    pub(super) fn new(server: Server, clients: impl IntoIterator<Item = Client>) -> Play {
        let clients = clients.into_iter().enumerate().map(|(n, client)| (SessionKey(n as u32 + 1), client)).collect();
        Play {
            server,
            clients,
            now: Duration::ZERO,
            lines: Vec::new(),
            saw: Vec::new(),
            inspector: Inspector::default(),
            queue: VecDeque::new(),
            closed: Vec::new(),
        }
    }

    /// Plays until nobody has anything to do before `until`.
    pub(super) fn run(&mut self, until: Duration) {
        let keys: Vec<SessionKey> = self.clients.keys().copied().collect();
        if self.lines.is_empty() {
            for key in &keys {
                self.server.opened(self.now, *key);
                self.clients.get_mut(key).unwrap().opened(self.now, *key);
            }
        }
        for _ in 0..100_000 {
            self.gather();
            if let Some(line) = self.queue.pop_front() {
                self.deliver(&line);
                continue;
            }
            let engines = self.clients.values().map(|client| client.wake_at()).chain([self.server.wake_at()]);
            let Some(at) = engines.flatten().min().filter(|at| *at <= until) else {
                self.now = until;
                return;
            };
            self.now = self.now.max(at);
            self.server.wake(self.now);
            for client in self.clients.values_mut() {
                client.wake(self.now);
            }
        }
        panic!("the play does not end: {:#?}", self.lines.iter().rev().take(10).collect::<Vec<_>>());
    }

    fn gather(&mut self) {
        for effect in self.server.take() {
            self.effect(Party::Server, None, effect);
        }
        let keys: Vec<SessionKey> = self.clients.keys().copied().collect();
        for key in keys {
            for effect in self.clients.get_mut(&key).unwrap().take() {
                self.effect(Party::Client, Some(key), effect);
            }
        }
    }

    fn effect(&mut self, from: Party, of: Option<SessionKey>, effect: Effect) {
        match effect {
            Effect::Send(Proposal { session, route, message }) => {
                assert!(!self.closed.contains(&session), "{from} sends into a closed session: {message}");
                assert!(of.is_none_or(|of| of == session));
                self.inspector.inspect(session, from, &message);
                self.routed(session, from, &route, &message);
                let sent = Message::of(&message);
                match from {
                    Party::Server => self.server.sent(self.now, session, &sent),
                    Party::Client => self.clients.get_mut(&session).unwrap().sent(self.now, session, &sent),
                }
                let line = Line { at: self.now, session, from, route, message };
                self.lines.push(line.clone());
                self.queue.push_back(line);
            }
            Effect::Saw { label, value } => self.saw.push((of.unwrap(), label, value)),
            Effect::Close { session } => self.close(session),
            Effect::CloseStream { .. } | Effect::Heard { .. } => {}
        }
    }

    /// A route names an open request of the other party, and answers go their own way.
    fn routed(&self, session: SessionKey, from: Party, route: &Route, message: &Value) {
        match route {
            Route::Answer(id) => assert_eq!(message["id"], id.to_value()),
            Route::Related(id) => {
                let request = self.inspector.requests.get(&(session, from.other(), id.clone()));
                assert_eq!(
                    request.map(|request| request.answers),
                    Some(0),
                    "{message} goes over a request that is not open"
                );
            }
            Route::Unrelated => {}
        }
        let answers = matches!(route, Route::Answer(_));
        assert_eq!(answers, message.get("method").is_none(), "{route:?}: {message}");
    }

    pub(super) fn close(&mut self, session: SessionKey) {
        self.closed.push(session);
        self.queue.retain(|line| line.session != session);
        self.server.closed(self.now, session);
        self.clients.get_mut(&session).unwrap().closed(self.now, session);
        for effect in self.clients.get_mut(&session).unwrap().take() {
            self.effect(Party::Client, Some(session), effect);
        }
    }

    fn deliver(&mut self, line: &Line) {
        let message = Message::of(&line.message);
        match line.from {
            Party::Server => self.clients.get_mut(&line.session).unwrap().receive(self.now, line.session, &message),
            Party::Client => self.server.receive(self.now, line.session, &message),
        }
    }

    /// A client sends a request that is none of its engine's: the hand of a script.
    pub(super) fn inject(&mut self, session: SessionKey, method: &str, params: Value) {
        let id = Id::Text(format!("script-{}", self.lines.len()));
        let message = super::rpc::request(&id, method, Some(params));
        self.effect(Party::Client, Some(session), Effect::Send(Proposal { session, route: Route::Unrelated, message }));
    }

    /// What went over, one short word each: `>tools/call`, `<answer`, ...
    pub(super) fn course(&self) -> Vec<String> {
        let word = |line: &Line| {
            let arrow = if line.from == Party::Client { '>' } else { '<' };
            let what = match line.message.get("method").and_then(Value::as_str) {
                Some(method) => method.to_owned(),
                None => match (line.message.pointer("/result/status"), line.message.get("error")) {
                    (Some(Value::String(status)), _) => status.clone(),
                    (_, Some(error)) => format!("error {}", error["code"]),
                    _ if line.message.pointer("/result/task").is_some() => "task".into(),
                    _ => "result".into(),
                },
            };
            format!("{arrow}{what}")
        };
        self.lines.iter().map(word).collect()
    }

    /// What the application saw under a label.
    pub(super) fn outcome(&self, label: &str) -> &Value {
        let seen: Vec<&Value> = self.saw.iter().filter(|(_, l, _)| l == label).map(|(_, _, value)| value).collect();
        let [one] = seen[..] else { panic!("{label} was seen {} times", seen.len()) };
        one
    }
}
