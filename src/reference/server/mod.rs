//! The reference server: every legacy revision, the fixture contract, tasks in 2025-11-25.

mod content;
mod features;
mod task_tools;
mod tools;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may end where it stands")]
mod tests;

pub use tools::{ScriptedAsk, TaskSupport, ToolScript};

use super::dialect::Dialect;
use super::receiver::{Job, LEVELS, Receiver, augmentation};
use super::requestor::Following;
use super::rpc::{self, Outcome};
use super::tasks::{InMemoryTaskStore, Limits, TaskStore};
use super::{Effect, Engine, Route, SessionKey, Surroundings};
use crate::spec::methods::{declared, undeclare};
use crate::spec::{Era, Revision};
use crate::wire::json::LintKind;
use crate::wire::{Id, Kind, Message};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tools::{Call, Tool};

/// How many messages of a batch are served (2025-03-26); a longer one is refused.
const LONGEST_BATCH: usize = 100;

/// How far a session has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing was agreed.
    Fresh,
    /// `initialize` was answered.
    Initialized,
}

#[derive(Debug)]
struct Session {
    stage: Stage,
    /// The id of `initialize`, until its answer was sent.
    greeting: Option<Id>,
    subscriptions: BTreeSet<String>,
}

/// How a server is set up.
pub struct Setup {
    /// Wall clock and randomness.
    pub surroundings: Surroundings,
    /// Odd but legal habits.
    pub dialect: Dialect,
    /// Where its tasks are kept.
    pub store: Box<dyn TaskStore>,
    /// The revisions it speaks; those of the modern era are left out.
    pub revisions: Vec<Revision>,
    /// Members to take out of the capabilities it declares, by dotted path (`tasks`, `tasks.list`, `logging`); what is not
    /// declared is not served.
    pub without: Vec<String>,
}

impl Setup {
    /// The usual one.
    #[must_use]
    pub fn new(surroundings: Surroundings) -> Setup {
        Setup {
            surroundings,
            dialect: Dialect::default(),
            store: Box::new(InMemoryTaskStore::new(Limits::default())),
            revisions: Revision::ALL.to_vec(),
            without: Vec::new(),
        }
    }
}

/// The reference server.
pub struct Server {
    receiver: Receiver,
    sessions: BTreeMap<SessionKey, Session>,
    tools: Vec<Tool>,
    revisions: Vec<Revision>,
    without: Vec<String>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("receiver", &self.receiver)
            .field("sessions", &self.sessions)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// A server with the tools of the contract.
    #[must_use]
    pub fn new(setup: Setup) -> Server {
        let mut revisions = setup.revisions;
        revisions.retain(|revision| revision.era() == Era::Legacy);
        revisions.sort_unstable();
        let no_resources = setup.without.iter().any(|path| path == "resources");
        let mut tools = tools::contract();
        tools.retain(|tool| !(no_resources && tool.gives_resources));
        Server {
            receiver: Receiver::new(setup.surroundings, setup.store, setup.dialect, Following::default()),
            sessions: BTreeMap::new(),
            tools,
            revisions,
            without: setup.without,
        }
    }

    /// Has it a tool of that name?
    #[must_use]
    pub fn has_tool(&self, name: &str) -> bool {
        self.tools.iter().any(|tool| tool.name == name)
    }

    /// Gives it a tool from data; one of the same name is replaced.
    pub fn scripted(&mut self, name: &str, script: ToolScript) {
        self.tools.retain(|tool| tool.name != name);
        self.tools.push(Tool::scripted(name, script));
    }

    fn capabilities(&self, revision: Revision) -> Value {
        let mut all = json!({ "logging": {}, "prompts": {}, "resources": { "subscribe": true }, "tools": {} });
        if revision >= Revision::V2025_03_26 {
            all["completions"] = json!({});
        }
        if revision == Revision::V2025_11_25 {
            all["tasks"] = json!({ "list": {}, "cancel": {}, "requests": { "tools": { "call": {} } } });
        }
        for path in &self.without {
            undeclare(&mut all, path);
        }
        all
    }

    fn initialize(&mut self, session: SessionKey, id: &Id, params: &Value) -> Outcome {
        let Some(state) = self.sessions.get_mut(&session) else {
            return Outcome::error(rpc::INTERNAL_ERROR, "the session is closed");
        };
        if state.stage != Stage::Fresh {
            return Outcome::error(rpc::INVALID_REQUEST, "the session is initialized already");
        }
        let Some(wanted) = params.get("protocolVersion").and_then(Value::as_str) else {
            return Outcome::error(rpc::INVALID_PARAMS, "`protocolVersion` is missing or no string");
        };
        if !params.get("capabilities").is_some_and(Value::is_object) {
            return Outcome::error(rpc::INVALID_PARAMS, "`capabilities` is missing or no object");
        }
        let info = params.get("clientInfo");
        let named = |member| info.and_then(|info| info.get(member)).is_some_and(Value::is_string);
        if !named("name") || !named("version") {
            return Outcome::error(rpc::INVALID_PARAMS, "`clientInfo` lacks a `name` or a `version`");
        }
        let newest = self.revisions.last().copied().unwrap_or(Revision::DEFAULT);
        let agreed = Revision::parse(wanted).filter(|revision| self.revisions.contains(revision)).unwrap_or(newest);
        state.stage = Stage::Initialized;
        state.greeting = Some(id.clone());
        let declared = self.capabilities(agreed);
        if let Some(peer) = self.receiver.peer_mut(session) {
            peer.capabilities = params.get("capabilities").cloned().unwrap_or_else(|| json!({}));
            peer.declared = declared.clone();
            peer.revision = agreed;
        }
        Outcome::Result(json!({
            "protocolVersion": agreed.as_str(),
            "capabilities": declared,
            "serverInfo": { "name": "mcp-interop-reference-server", "version": env!("CARGO_PKG_VERSION") },
        }))
    }

    fn request(&mut self, now: Duration, session: SessionKey, id: &Id, method: &str, message: &Message) {
        let refuse = |code, what: &str| Some(Outcome::error(code, what));
        let params = message.params();
        let stage = self.sessions.get(&session).map(|session| session.stage);
        let refusal = if self.receiver.is_busy_with(session, id) {
            refuse(rpc::INVALID_REQUEST, "a request with this id is open already")
        } else if !matches!(params, Value::Null | Value::Object(_)) {
            refuse(rpc::INVALID_PARAMS, "`params` is no object")
        } else if params.get("_meta").is_some_and(|meta| !meta.is_object()) {
            refuse(rpc::INVALID_PARAMS, "`_meta` is no object")
        } else if !is_token(params) {
            refuse(rpc::INVALID_PARAMS, "`progressToken` is neither a string nor an integer")
        } else if stage != Some(Stage::Initialized) && !matches!(method, "initialize" | "ping") {
            refuse(rpc::INVALID_REQUEST, "the session is not initialized")
        } else {
            None
        };
        let outcome = match refusal {
            Some(refusal) => refusal,
            None => match self.served(now, session, id, method, params) {
                Some(outcome) => outcome,
                None => return,
            },
        };
        self.receiver.answer(session, id, &outcome);
    }

    /// How to answer at once; none if the answer comes later or was given.
    fn served(&mut self, now: Duration, session: SessionKey, id: &Id, method: &str, params: &Value) -> Option<Outcome> {
        let empty = || Outcome::Result(json!({}));
        let unknown = || Outcome::error(rpc::METHOD_NOT_FOUND, "this method is unknown or was not declared");
        let (revision, offered) = self.receiver.peer(session).map(|peer| (peer.revision, peer.declared.clone()))?;
        let needed = match method {
            "tools/list" | "tools/call" => "tools",
            "resources/list" | "resources/templates/list" | "resources/read" => "resources",
            "resources/subscribe" | "resources/unsubscribe" => "resources.subscribe",
            "prompts/list" | "prompts/get" => "prompts",
            "logging/setLevel" => "logging",
            // the first revision has no capability for it
            "completion/complete" if revision > Revision::V2024_11_05 => "completions",
            _ => "",
        };
        if !needed.is_empty() && !declared(&offered, needed) {
            return Some(unknown());
        }
        let receiver = &mut self.receiver;
        Some(match method {
            "initialize" => self.initialize(session, id, params),
            "ping" => empty(),
            "tools/list" => {
                let shown = self.tools.iter().filter(|tool| tool.since <= revision);
                let shown: Vec<Value> = shown.map(|tool| tool.listing(revision)).collect();
                receiver.page(session, method, params, "tools", &shown)
            }
            "tools/call" => return self.call(now, session, id, params),
            "resources/list" => receiver.page(session, method, params, "resources", &features::resources()),
            "resources/templates/list" => {
                receiver.page(session, method, params, "resourceTemplates", &features::templates())
            }
            "resources/read" => features::read(params),
            "resources/subscribe" | "resources/unsubscribe" => match features::known_uri(params) {
                Err(refusal) => refusal,
                Ok(uri) => {
                    let subscriptions = &mut self.sessions.get_mut(&session)?.subscriptions;
                    if method == "resources/subscribe" {
                        subscriptions.insert(uri.to_owned());
                    } else {
                        subscriptions.remove(uri);
                    }
                    empty()
                }
            },
            "prompts/list" => receiver.page(session, method, params, "prompts", &features::prompts()),
            "prompts/get" => features::prompt(params),
            "completion/complete" => features::complete(params),
            "logging/setLevel" => {
                let level = params.get("level").and_then(Value::as_str);
                match level.and_then(|level| LEVELS.iter().position(|known| *known == level)) {
                    None => Outcome::error(rpc::INVALID_PARAMS, "`level` is none of the eight levels"),
                    Some(level) => {
                        receiver.peer_mut(session)?.level = level;
                        empty()
                    }
                }
            }
            _ if receiver.serve(now, session, id, method, params) => return None,
            _ => unknown(),
        })
    }

    fn call(&mut self, now: Duration, session: SessionKey, id: &Id, params: &Value) -> Option<Outcome> {
        let peer = self.receiver.peer(session)?;
        let invalid = |what: &str| Some(Outcome::error(rpc::INVALID_PARAMS, what));
        let Some(name) = params.get("name").and_then(Value::as_str) else {
            return invalid("`name` is missing or no string");
        };
        let none = json!({});
        let arguments = params.get("arguments").unwrap_or(&none);
        if !arguments.is_object() {
            return invalid("`arguments` is no object");
        }
        let Some(tool) = self.tools.iter().find(|tool| tool.name == name && tool.since <= peer.revision) else {
            return invalid("there is no tool with this name");
        };
        let declared = peer.revision == Revision::V2025_11_25 && declared(&peer.declared, "tasks.requests.tools.call");
        let as_task = match augmentation(params, declared) {
            Ok(as_task) => as_task,
            Err(error) => return Some(Outcome::Error(error)),
        };
        let refused = match tool.task_support {
            TaskSupport::Forbidden if as_task.is_some() => Some("this tool cannot be called as a task"),
            TaskSupport::Required if declared && as_task.is_none() => Some("this tool can be called only as a task"),
            _ => None,
        };
        if let Some(reason) = refused {
            return Some(Outcome::error(rpc::METHOD_NOT_FOUND, reason));
        }
        let plan = tool.plan(&Call { arguments, peer, receiver: &self.receiver });
        self.receiver.start(now, &Job { session, request: id, params, as_task }, plan);
        None
    }

    fn notified(&mut self, now: Duration, session: SessionKey, method: &str, params: &Value) {
        let stage = self.sessions.get(&session).map(|session| session.stage);
        match method {
            "notifications/initialized" if stage == Some(Stage::Initialized) => self.receiver.ready(now, session),
            "notifications/cancelled" => {
                if let Some(id) = params.get("requestId") {
                    self.receiver.cancelled(session, &Id::of(id));
                }
            }
            _ => {}
        }
    }

    fn one(&mut self, now: Duration, session: SessionKey, message: &Message) {
        let without_id = |code, what: &str| rpc::error_without_id(code, what);
        // a member that occurs twice is read as one of the two by everybody, but not as the same one
        let ambiguous = message
            .document()
            .is_some_and(|document| document.lints().iter().any(|lint| lint.kind == LintKind::DuplicateKey));
        let refusal = match message.kind() {
            Kind::Unreadable(error) => without_id(rpc::PARSE_ERROR, &format!("this is no JSON: {error}")),
            _ if ambiguous => without_id(rpc::INVALID_REQUEST, "a member occurs twice"),
            Kind::Request { id: Id::Odd(_), .. } => {
                without_id(rpc::INVALID_REQUEST, "the id is neither a string nor an integer")
            }
            Kind::Request { id, method } if rpc::is_version_2(message) => {
                return self.request(now, session, id, method, message);
            }
            Kind::Request { id, .. } => {
                let outcome = Outcome::error(rpc::INVALID_REQUEST, "`jsonrpc` is not \"2.0\"");
                return self.receiver.answer(session, id, &outcome);
            }
            Kind::Notification { method } => {
                return if rpc::is_version_2(message) {
                    self.notified(now, session, method, message.params())
                };
            }
            Kind::Result { .. } | Kind::Error { .. } => {
                self.receiver.answered(now, session, message);
                return;
            }
            Kind::Batch => without_id(rpc::INVALID_REQUEST, "batches are not part of this revision"),
            Kind::Malformed(reason) => without_id(rpc::INVALID_REQUEST, reason),
        };
        self.receiver.send(session, Route::Unrelated, refusal);
    }
}

fn is_token(params: &Value) -> bool {
    match params.get("_meta").and_then(|meta| meta.get("progressToken")) {
        None => true,
        Some(token) => token.is_string() || token.is_i64() || token.is_u64(),
    }
}

impl Engine for Server {
    fn opened(&mut self, _now: Duration, session: SessionKey) {
        self.receiver.opened(session);
        let state = Session { stage: Stage::Fresh, greeting: None, subscriptions: BTreeSet::new() };
        self.sessions.insert(session, state);
    }

    fn receive(&mut self, now: Duration, session: SessionKey, message: &Message) {
        if !self.sessions.contains_key(&session) {
            return;
        }
        self.receiver.wake(now);
        let batches = self.receiver.peer(session).is_some_and(|peer| peer.revision == Revision::V2025_03_26);
        match message.value() {
            Value::Array(messages) if batches && (1..=LONGEST_BATCH).contains(&messages.len()) => {
                for message in messages {
                    self.one(now, session, &Message::of(message));
                }
            }
            _ => self.one(now, session, message),
        }
    }

    fn sent(&mut self, _now: Duration, session: SessionKey, message: &Message) {
        self.receiver.sent(session, message);
        let Some(state) = self.sessions.get_mut(&session) else { return };
        if !message.is_answer() || state.greeting.is_none() || state.greeting.as_ref() != message.id() {
            return;
        }
        state.greeting = None;
        let Some(peer) = self.receiver.peer_mut(session) else { return };
        let result = message.result();
        if let Some(capabilities) = result.get("capabilities") {
            peer.declared = capabilities.clone();
        }
        if let Some(revision) = result.get("protocolVersion").and_then(Value::as_str).and_then(Revision::parse) {
            peer.revision = revision;
        }
    }

    fn closed(&mut self, _now: Duration, session: SessionKey) {
        self.sessions.remove(&session);
        self.receiver.closed(session);
    }

    fn lost(&mut self, _now: Duration, session: SessionKey, request: &Id) {
        self.receiver.lost(session, request);
    }

    fn wake(&mut self, now: Duration) {
        self.receiver.wake(now);
    }

    fn wake_at(&self) -> Option<Duration> {
        self.receiver.wake_at()
    }

    fn take(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.receiver.out)
    }

    fn idle(&self) -> bool {
        self.receiver.idle()
    }
}
