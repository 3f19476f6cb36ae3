//! The reference client: the handshake, the application's actions, and answers to what the server asks.

pub mod application;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may end where it stands")]
mod tests;

pub use application::{Answers, AppAction, Application, CONNECTED, ToElicitation, Told, What};

use super::dialect::Dialect;
use super::receiver::{Job, Receiver, augmentation};
use super::requestor::{Following, Purpose};
use super::rpc::{self, Outcome};
use super::tasks::{InMemoryTaskStore, Limits, TaskStore};
use super::work::{Plan, Step};
use super::{Effect, Engine, Route, SessionKey, Surroundings};
use crate::spec::methods::{self, declared};
use crate::spec::{Era, Revision};
use crate::wire::{Id, Kind, Message};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// A list with more pages than this is not walked further.
const MOST_PAGES: usize = 1_000;
/// At most so many notifications are collected for one action.
const MOST_COLLECTED: usize = 1_000;

/// A square without anything in it.
const ICON: &str = "data:image/svg+xml,%3Csvg%20xmlns='http://www.w3.org/2000/svg'/%3E";

/// How a client is set up.
pub struct Setup {
    /// Wall clock and randomness.
    pub surroundings: Surroundings,
    /// Odd but legal habits (of those the ones of a receiver).
    pub dialect: Dialect,
    /// How it goes about its tasks.
    pub following: Following,
    /// Where the tasks are kept that the server has it carry out.
    pub store: Box<dyn TaskStore>,
    /// The revision it offers.
    pub offers: Revision,
    /// The revisions it speaks; it disconnects if the server answers with another.
    pub revisions: Vec<Revision>,
    /// What it declares. What is not declared is not served.
    pub capabilities: Value,
    /// What it does, and how it answers.
    pub application: Application,
}

impl Setup {
    /// The usual one: the newest legacy revision, all capabilities.
    #[must_use]
    pub fn new(surroundings: Surroundings, application: Application) -> Setup {
        Setup {
            surroundings,
            dialect: Dialect::default(),
            following: Following::default(),
            store: Box::new(InMemoryTaskStore::new(Limits::default())),
            offers: Revision::DEFAULT,
            revisions: Revision::ALL.to_vec(),
            capabilities: capabilities(Revision::DEFAULT),
            application,
        }
    }

    /// The same for another revision: it offers that one, with the capabilities that one has.
    #[must_use]
    pub fn offering(self, offers: Revision) -> Setup {
        Setup { offers, capabilities: capabilities(offers), ..self }
    }
}

/// All that the client can declare in a revision.
#[must_use]
pub fn capabilities(revision: Revision) -> Value {
    let mut all = json!({ "roots": {}, "sampling": {} });
    if revision >= Revision::V2025_06_18 {
        all["elicitation"] = json!({});
    }
    if revision == Revision::V2025_11_25 {
        all["elicitation"] = json!({ "form": {} });
        let requests = json!({ "elicitation": { "create": {} }, "sampling": { "createMessage": {} } });
        all["tasks"] = json!({ "list": {}, "cancel": {}, "requests": requests });
    }
    all
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// There is no session.
    Apart,
    /// `initialize` was proposed.
    Greeting,
    /// The handshake is over.
    Ready,
    /// It wants to disconnect, or has.
    Done,
}

/// What is known of an action under way.
#[derive(Debug)]
struct Running {
    action: AppAction,
    /// When it is given up.
    until: Option<Duration>,
    pages: usize,
    members: Vec<Value>,
    collected: Vec<Value>,
}

/// The reference client. It has one session at a time; another one takes up the actions where the last one left them.
pub struct Client {
    receiver: Receiver,
    offers: Revision,
    revisions: Vec<Revision>,
    capabilities: Value,
    /// How its application answers.
    answers: Answers,
    /// It is told what to do as it goes along.
    driven: bool,
    session: Option<SessionKey>,
    stage: Stage,
    /// The id of `initialize`, until it is answered.
    greeting: Option<Id>,
    /// The actions that have not begun.
    queue: VecDeque<AppAction>,
    /// Those that are under way, by number.
    running: BTreeMap<u64, Running>,
    /// How many have begun.
    begun: u64,
    /// Its application has something to do, and when that is done it disconnects.
    leaves: bool,
    happened: BTreeSet<String>,
    /// How many questions were asked.
    questions: usize,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("session", &self.session)
            .field("stage", &self.stage)
            .field("running", &self.running)
            .field("receiver", &self.receiver)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// A client that has not connected.
    #[must_use]
    pub fn new(setup: Setup) -> Client {
        let mut revisions = setup.revisions;
        revisions.retain(|revision| revision.era() == Era::Legacy);
        Client {
            receiver: Receiver::new(setup.surroundings, setup.store, setup.dialect, setup.following),
            offers: setup.offers,
            revisions,
            capabilities: setup.capabilities,
            answers: setup.application.answers,
            driven: setup.application.driven,
            session: None,
            stage: Stage::Apart,
            greeting: None,
            leaves: !setup.application.driven && !setup.application.actions.is_empty(),
            queue: setup.application.actions.into(),
            running: BTreeMap::new(),
            begun: 0,
            happened: BTreeSet::new(),
            questions: 0,
        }
    }

    /// What the server declared; empty before the handshake.
    #[must_use]
    pub fn server_capabilities(&self) -> &Value {
        static NONE: Value = Value::Null;
        self.session.and_then(|session| self.receiver.peer(session)).map_or(&NONE, |peer| &peer.capabilities)
    }

    fn send(&mut self, session: SessionKey, method: &str, params: Option<Value>, purpose: Purpose) -> Id {
        let (id, message) = self.receiver.requestor.prepare(session, Route::Unrelated, method, params, purpose);
        self.receiver.send(session, Route::Unrelated, message);
        id
    }

    fn saw(&mut self, label: Option<String>, value: Value) {
        if let Some(label) = label {
            self.receiver.out.push(Effect::Saw { label, value });
        }
    }

    /// Who it says it is.
    fn introduction(&self) -> Value {
        let mut info = json!({ "name": "mcp-interop-reference-client", "version": env!("CARGO_PKG_VERSION") });
        if self.offers >= Revision::V2025_11_25 {
            info["icons"] = json!([{ "src": ICON, "mimeType": "image/svg+xml" }]);
        }
        info
    }

    /// Begins what can begin: one action after the other, but for those that wait for a step alone and those of an application
    /// that is driven.
    fn go_on(&mut self, now: Duration) {
        while let (Stage::Ready, Some(session)) = (self.stage, self.session) {
            let Some(action) = self.queue.front() else {
                if self.leaves && self.running.is_empty() {
                    self.stage = Stage::Done;
                    self.receiver.out.push(Effect::Close { session });
                }
                return;
            };
            match &action.once {
                Some(label) if !self.happened.contains(label) => return,
                None if !self.driven && !self.running.is_empty() => return,
                _ => {}
            }
            let Some(action) = self.queue.pop_front() else { return };
            let what = action.what.clone();
            let number = self.begin(now, action);
            if matches!(what, What::CallToolAsTask { .. })
                && !declared(self.server_capabilities(), "tasks.requests.tools.call")
            {
                self.done(number, json!({ "failure": "the server does not declare tasks.requests.tools.call" }));
                continue;
            }
            if let What::ChangeRoots { roots } = what {
                self.answers.roots = roots;
                if declared(&self.capabilities, "roots.listChanged") {
                    let message = rpc::notification("notifications/roots/list_changed", None);
                    self.receiver.send(session, Route::Unrelated, message);
                }
                self.done(number, json!({ "result": {} }));
                continue;
            }
            let (method, params) = what.request();
            self.send(session, method, params, Purpose::Own(number));
        }
    }

    /// Counts an action as under way.
    fn begin(&mut self, now: Duration, action: AppAction) -> u64 {
        self.begun += 1;
        let until = action.gives_up.map(|after| now.saturating_add(after));
        let running = Running { action, until, pages: 0, members: Vec::new(), collected: Vec::new() };
        self.running.insert(self.begun, running);
        self.begun
    }

    /// Cancels the action that sees its end under that label; one that has not begun does not begin.
    fn cancel(&mut self, now: Duration, label: &str) {
        let is_it = |action: &AppAction| action.sees.as_deref() == Some(label);
        if let Some(at) = self.queue.iter().position(is_it) {
            self.queue.remove(at);
            return self.saw(Some(label.to_owned()), json!({ "failure": "it was cancelled" }));
        }
        let number = self.running.iter().find(|(_, running)| is_it(&running.action)).map(|(number, _)| *number);
        if let Some(number) = number {
            self.give_up(number, "it was cancelled");
            self.go_on(now);
        }
    }

    /// Ends an action under way before it has its answer.
    fn give_up(&mut self, number: u64, why: &str) {
        let own = Purpose::Own(number);
        // what became a task is cancelled as one
        let as_tasks = declared(self.server_capabilities(), "tasks.cancel");
        let Receiver { requestor, out, .. } = &mut self.receiver;
        requestor.give_up(|purpose| purpose == own, as_tasks, &Route::Unrelated, None, &[], out);
        self.done(number, json!({ "failure": why }));
    }

    /// An action under way has come to its end.
    fn done(&mut self, number: u64, mut value: Value) {
        let Some(running) = self.running.remove(&number) else { return };
        let action = running.action;
        if action.collects.is_some() {
            value["collected"] = Value::Array(running.collected);
        }
        if let Some(label) = action.what.label() {
            self.happened.insert(label.to_owned());
        }
        self.saw(action.sees, value);
    }

    fn greeted(&mut self, now: Duration, session: SessionKey, outcome: &Outcome) {
        self.greeting = None;
        let agreed = outcome.result().and_then(|result| result.get("protocolVersion")).and_then(Value::as_str);
        let revision = agreed.and_then(Revision::parse).filter(|revision| self.revisions.contains(revision));
        let Some(revision) = revision else {
            let reason = match outcome {
                Outcome::Error(error) => format!("the server refused to initialize: {error}"),
                Outcome::Result(_) => match agreed {
                    Some(agreed) => format!("the server speaks revision {agreed}, and the client does not"),
                    None => "the server named no revision".to_owned(),
                },
            };
            self.connected(json!({ "failure": reason }));
            self.fail_all(&reason);
            self.stage = Stage::Done;
            self.receiver.out.push(Effect::Close { session });
            return;
        };
        if let Some(peer) = self.receiver.peer_mut(session) {
            peer.revision = revision;
            let declared = outcome.result().and_then(|result| result.get("capabilities"));
            peer.capabilities = declared.cloned().unwrap_or_else(|| json!({}));
        }
        self.stage = Stage::Ready;
        self.receiver.send(session, Route::Unrelated, rpc::notification("notifications/initialized", None));
        self.receiver.ready(now, session);
        self.connected(outcome.to_value());
        self.go_on(now);
    }

    /// The application hears how the handshake ended.
    fn connected(&mut self, value: Value) {
        if self.driven {
            self.saw(Some(CONNECTED.to_owned()), value);
        }
    }

    /// The application hears of a message that it did not wait for.
    fn heard(&mut self, asked: bool, method: &str, params: &Value) {
        if self.driven {
            self.receiver.out.push(Effect::Heard { asked, method: method.to_owned(), params: params.clone() });
        }
    }

    /// What is under way fails.
    fn fail_running(&mut self, reason: &str) {
        for number in self.running.keys().copied().collect::<Vec<u64>>() {
            self.done(number, json!({ "failure": reason }));
        }
    }

    /// The next action fails without having begun.
    fn fail_next(&mut self, reason: &str) -> bool {
        let Some(action) = self.queue.pop_front() else { return false };
        let number = self.begin(Duration::ZERO, action);
        self.done(number, json!({ "failure": reason }));
        true
    }

    /// Every action that is left fails.
    fn fail_all(&mut self, reason: &str) {
        self.fail_running(reason);
        while self.fail_next(reason) {}
    }

    /// An own request came to its end.
    fn settled(&mut self, now: Duration, session: SessionKey, number: u64, outcome: Outcome) {
        if number == 0 {
            return self.greeted(now, session, &outcome);
        }
        let Some(running) = self.running.get(&number) else { return };
        if let (What::ListEverything { method }, Outcome::Result(result)) = (running.action.what.clone(), &outcome) {
            let Some(outcome) = self.walk(session, &method, result, number) else { return };
            self.done(number, outcome);
        } else {
            self.done(number, outcome.to_value());
        }
        self.go_on(now);
    }

    /// Takes one page of a list; all of it, if it was the last.
    fn walk(&mut self, session: SessionKey, method: &str, page: &Value, number: u64) -> Option<Value> {
        let revision = self.receiver.peer(session)?.revision;
        let member = methods::find(revision, method).and_then(|method| method.page).unwrap_or_default();
        let running = self.running.get_mut(&number)?;
        running.pages += 1;
        running.members.extend(page.get(member).and_then(Value::as_array).into_iter().flatten().cloned());
        match page.get("nextCursor").filter(|cursor| !cursor.is_null()) {
            None => Some(json!({ "result": { member: std::mem::take(&mut running.members) } })),
            Some(_) if running.pages >= MOST_PAGES => {
                Some(json!({ "failure": format!("the list has more than {MOST_PAGES} pages") }))
            }
            Some(cursor) => {
                self.send(session, method, Some(json!({ "cursor": cursor })), Purpose::Own(number));
                None
            }
        }
    }

    fn asked(&mut self, now: Duration, session: SessionKey, id: &Id, method: &str, message: &Message) {
        let refuse = |code, what: &str| Outcome::error(code, what);
        let params = message.params();
        if self.receiver.is_busy_with(session, id) {
            // a question that was lost with its stream comes again, while the first one came through after all
            return;
        }
        if !matches!(params, Value::Null | Value::Object(_)) {
            return self.receiver.answer(session, id, &refuse(rpc::INVALID_PARAMS, "`params` is no object"));
        }
        let (capability, leaf) = match method {
            "ping" => return self.receiver.answer(session, id, &Outcome::Result(json!({}))),
            "roots/list" => ("roots", ""),
            "elicitation/create" => ("elicitation", "tasks.requests.elicitation.create"),
            "sampling/createMessage" => ("sampling", "tasks.requests.sampling.createMessage"),
            _ => {
                if !self.receiver.serve(now, session, id, method, params) {
                    let what = "this method is unknown or was not declared";
                    self.receiver.answer(session, id, &refuse(rpc::METHOD_NOT_FOUND, what));
                }
                return;
            }
        };
        self.heard(true, method, params);
        let Some(peer) = self.receiver.peer(session) else { return };
        if !declared(&peer.declared, capability) {
            let what = format!("this client did not declare `{capability}`");
            return self.receiver.answer(session, id, &refuse(rpc::METHOD_NOT_FOUND, &what));
        }
        let answers = &self.answers;
        let (outcome, as_task) = if method == "roots/list" {
            (Outcome::Result(json!({ "roots": answers.roots })), None)
        } else {
            if let Err(refusal) = application::check(method, params, &peer.declared) {
                return self.receiver.answer(session, id, &refusal);
            }
            let takes_tasks = peer.revision == Revision::V2025_11_25 && declared(&peer.declared, leaf);
            let as_task = match augmentation(params, takes_tasks) {
                Ok(as_task) => as_task,
                Err(error) => return self.receiver.answer(session, id, &Outcome::Error(error)),
            };
            let outcome = if method == "elicitation/create" {
                self.questions += 1;
                answers.to_elicitation(self.questions - 1, params)
            } else {
                answers.to_sampling()
            };
            (outcome, as_task)
        };
        let mut plan = Plan::end(outcome);
        if params.pointer("/_meta/progressToken").is_none() {
            plan = match answers.after.is_zero() {
                true => plan,
                false => plan.after(Step::Wait(answers.after)),
            };
        } else if !answers.after.is_zero() {
            // whoever asked for progress hears that somebody is at it
            let half = Step::Wait(answers.after / 2);
            let at = |progress| Step::Progress { progress, total: 3 };
            plan = plan.after(at(1)).after(half.clone()).after(at(2)).after(half);
        }
        self.receiver.start(now, &Job { session, request: id, params, as_task }, plan);
    }

    fn notified(&mut self, session: SessionKey, method: &str, params: &Value) {
        if method == "notifications/cancelled"
            && let Some(id) = params.get("requestId")
        {
            self.receiver.cancelled(session, &Id::of(id));
        }
        self.heard(false, method, params);
        let Some(kind) = method.strip_prefix("notifications/") else { return };
        for running in self.running.values_mut() {
            // progress belongs to who gave the token
            let own = kind != "progress" || running.action.what.token() == params.get("progressToken");
            let wants = running.action.collects.as_deref() == Some(kind);
            if own && wants && running.collected.len() < MOST_COLLECTED {
                running.collected.push(params.clone());
            }
        }
    }
}

impl Engine for Client {
    fn opened(&mut self, now: Duration, session: SessionKey) {
        if let Some(before) = self.session {
            self.closed(now, before);
        }
        if self.stage == Stage::Done {
            return;
        }
        self.session = Some(session);
        self.stage = Stage::Greeting;
        self.receiver.opened(session);
        if let Some(peer) = self.receiver.peer_mut(session) {
            peer.declared = self.capabilities.clone();
        }
        let params = json!({
            "protocolVersion": self.offers.as_str(),
            "capabilities": self.capabilities,
            "clientInfo": self.introduction(),
        });
        self.greeting = Some(self.send(session, "initialize", Some(params), Purpose::Own(0)));
    }

    fn receive(&mut self, now: Duration, session: SessionKey, message: &Message) {
        if self.session != Some(session) {
            return;
        }
        match message.kind() {
            Kind::Request { id: Id::Odd(_), .. } => {
                let what = "the id is neither a string nor an integer";
                let error = rpc::error_without_id(rpc::INVALID_REQUEST, what);
                self.receiver.send(session, Route::Unrelated, error);
            }
            Kind::Request { id, .. } if !rpc::is_version_2(message) => {
                let what = "`jsonrpc` is not \"2.0\"";
                self.receiver.answer(session, id, &Outcome::error(rpc::INVALID_REQUEST, what));
            }
            Kind::Request { id, method } => self.asked(now, session, id, method, message),
            Kind::Notification { method } => self.notified(session, method, message.params()),
            Kind::Result { .. } | Kind::Error { .. } => {
                if let Some(settled) = self.receiver.answered(now, session, message)
                    && let Purpose::Own(number) = settled.purpose
                {
                    self.settled(now, session, number, settled.outcome);
                }
            }
            Kind::Batch => {
                let batches = self.receiver.peer(session).is_some_and(|peer| peer.revision == Revision::V2025_03_26);
                if let (true, Value::Array(messages)) = (batches, message.value()) {
                    for message in messages.iter().filter(|message| message.is_object()) {
                        self.receive(now, session, &Message::of(message));
                    }
                }
            }
            // a client has nobody to tell
            Kind::Malformed(_) | Kind::Unreadable(_) => {}
        }
    }

    fn sent(&mut self, _now: Duration, session: SessionKey, message: &Message) {
        self.receiver.sent(session, message);
        if self.greeting.is_none() || message.id() != self.greeting.as_ref() {
            return;
        }
        if let (Some("initialize"), Some(peer)) = (message.method(), self.receiver.peer_mut(session)) {
            peer.declared = message.params().get("capabilities").cloned().unwrap_or_else(|| json!({}));
        }
    }

    fn closed(&mut self, _now: Duration, session: SessionKey) {
        if self.session != Some(session) {
            return;
        }
        self.session = None;
        if self.greeting.take().is_some() {
            self.connected(json!({ "failure": "the session ended before the handshake was over" }));
        }
        let waited = !self.receiver.closed(session).is_empty();
        if !self.running.is_empty() {
            self.fail_running("the session ended before the answer");
        } else if waited && self.stage != Stage::Done {
            self.fail_next("the session ended before the handshake was over");
        }
        if self.stage != Stage::Done {
            self.stage = Stage::Apart;
        }
    }

    fn lost(&mut self, _now: Duration, session: SessionKey, request: &Id) {
        self.receiver.lost(session, request);
    }

    fn unreachable(&mut self, now: Duration, session: SessionKey, why: &str) {
        if self.session != Some(session) {
            return;
        }
        if self.greeting.take().is_some() {
            self.connected(json!({ "failure": why }));
            self.fail_all(why);
            self.stage = Stage::Done;
            self.receiver.out.push(Effect::Close { session });
        } else {
            self.fail_running(why);
            self.go_on(now);
        }
    }

    /// The answers to its own actions it sees itself.
    fn happened(&mut self, now: Duration, label: &str) {
        self.happened.insert(label.to_owned());
        self.go_on(now);
    }

    fn told(&mut self, now: Duration, what: Told) {
        match what {
            Told::Act(action) if self.stage == Stage::Done || self.stage == Stage::Apart && self.begun > 0 => {
                self.saw(action.sees, json!({ "failure": "the client is not connected" }));
            }
            Told::Act(action) => {
                self.queue.push_back(action);
                self.go_on(now);
            }
            Told::Answer(answers) => {
                self.answers = answers;
                self.questions = 0;
            }
            Told::Cancel(label) => self.cancel(now, &label),
            Told::Leave => {
                self.fail_all("the client was told to leave");
                self.stage = Stage::Done;
                self.receiver.out.push(Effect::Close { session: self.session.unwrap_or(SessionKey(0)) });
            }
        }
    }

    fn wake(&mut self, now: Duration) {
        self.receiver.wake(now);
        let due = |running: &Running| running.until.is_some_and(|until| until <= now);
        let late: Vec<u64> = self.running.iter().filter(|(_, r)| due(r)).map(|(number, _)| *number).collect();
        for number in late {
            self.give_up(number, "it was not answered in time");
        }
        self.go_on(now);
    }

    fn wake_at(&self) -> Option<Duration> {
        let given_up = self.running.values().filter_map(|running| running.until).min();
        self.receiver.wake_at().into_iter().chain(given_up).min()
    }

    fn take(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.receiver.out)
    }

    fn idle(&self) -> bool {
        self.receiver.idle()
    }
}
