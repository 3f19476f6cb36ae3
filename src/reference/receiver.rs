//! The receiving half of a party: it carries out the works of requests, plainly or as tasks, and serves `tasks/*`.

use super::requestor::{Following, Purpose, Requestor, Settled};
use super::rpc::{self, Outcome};
use super::tasks::{Status, Task, TaskMessageQueue, TaskStore};
use super::work::{Ask, Finish, Plan, Step};
use super::{Effect, Proposal, Route, SessionKey, Surroundings, take_where};
use crate::spec::Revision;
use crate::spec::methods::declared;
use crate::wire::{Id, Message};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// Odd but legal habits; the default is a plain honest party.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialect {
    /// The requests of a task are sent at once as messages that belong to no open request, instead of waiting for
    /// `tasks/result`.
    pub questions_on_get: bool,
    /// `notifications/tasks/status` is sent at every change.
    pub status_notifications: bool,
    /// The suggested time between two polls of a task, in milliseconds.
    pub poll_interval: Option<u64>,
    /// How many members the pages of `tools/list`, `resources/list`, ... have; without it there is one page.
    pub page_size: Option<usize>,
    /// How many tasks a page of `tasks/list` has.
    pub task_page_size: usize,
    /// Ids of requests are strings.
    pub string_ids: bool,
    /// How long a task rests before its work begins.
    pub task_delay: Duration,
}

impl Default for Dialect {
    fn default() -> Self {
        Dialect {
            questions_on_get: false,
            status_notifications: false,
            poll_interval: Some(50),
            page_size: None,
            task_page_size: 50,
            string_ids: false,
            task_delay: Duration::from_millis(20),
        }
    }
}

/// What is known of the other party of a session, and what was promised to it.
#[derive(Debug, Clone)]
pub struct Peer {
    /// What the other party declared.
    pub capabilities: Value,
    /// What was declared to it.
    pub declared: Value,
    /// The revision agreed on; the newest legacy one until it is.
    pub revision: Revision,
    /// Requests may be sent to it: the handshake is over.
    pub ready: bool,
    /// The least severe level it wants to hear of (an index into the eight levels, 0 is `debug`).
    pub level: usize,
}

impl Default for Peer {
    fn default() -> Self {
        Peer { capabilities: json!({}), declared: json!({}), revision: Revision::DEFAULT, ready: false, level: 0 }
    }
}

/// The levels of `logging`, least severe first.
pub const LEVELS: [&str; 8] = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

/// How often the works of a session's tasks began and ended; a witness can ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Witness {
    /// Works that began.
    pub began: u64,
    /// Works that ran to their end, also if their task was cancelled before.
    pub ended: u64,
    /// Works that were stopped before their end.
    pub stopped: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Caller {
    Plain { request: Id },
    Task { id: String, request: Id },
}

struct Work {
    session: SessionKey,
    caller: Caller,
    /// The token for progress, if the request had one.
    token: Option<Value>,
    /// The task of the other party to which the request belongs, if it does.
    related: Option<String>,
    steps: VecDeque<Step>,
    stubborn: bool,
    finish: Finish,
    answers: Vec<Option<Outcome>>,
    until: Option<Duration>,
}

impl Work {
    fn is_waiting(&self) -> bool {
        self.until.is_some() || self.answers.iter().any(Option::is_none)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Waiter {
    session: SessionKey,
    request: Id,
    task: String,
    /// The connection for its answer is lost; the answer may be fetched by resumption all the same.
    lost: bool,
}

/// A request to carry out.
#[derive(Debug)]
pub struct Job<'a> {
    /// In which session.
    pub session: SessionKey,
    /// Its id.
    pub request: &'a Id,
    /// Its params.
    pub params: &'a Value,
    /// It is carried out as a task with this wish for a ttl (see [`augmentation`]).
    pub as_task: Option<Option<u64>>,
}

/// Carries out works and serves `tasks/*`, for either party.
pub struct Receiver {
    /// Its counterpart; the ids of all requests of this party come from it.
    pub(super) requestor: Requestor,
    pub(super) dialect: Dialect,
    pub(super) out: Vec<Effect>,
    surroundings: Surroundings,
    cursor_key: u128,
    store: Box<dyn TaskStore>,
    queue: TaskMessageQueue,
    peers: BTreeMap<SessionKey, Peer>,
    works: BTreeMap<u64, Work>,
    next_work: u64,
    waiters: Vec<Waiter>,
    witnesses: BTreeMap<SessionKey, Witness>,
    /// Tasks by the request that created them, until that request's answer was sent.
    created: BTreeMap<(SessionKey, Id), String>,
}

impl std::fmt::Debug for Receiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Receiver")
            .field("dialect", &self.dialect)
            .field("works", &self.works.len())
            .field("waiters", &self.waiters)
            .finish_non_exhaustive()
    }
}

/// Whether a request is to be carried out as a task: `Some(wish)` if `params` has a `task` and the receiver declared that
/// (`declared`); the wish is the ttl in milliseconds. Undeclared, the member is ignored
/// (basic/utilities/tasks#task-support-and-handling).
///
/// # Errors
/// The `error` object to answer with, if `task` is malformed.
pub fn augmentation(params: &Value, declared: bool) -> Result<Option<Option<u64>>, Value> {
    let task = match params.get("task") {
        Some(task) if declared => task,
        _ => return Ok(None),
    };
    let invalid = |what: &str| Err(rpc::error_object(rpc::INVALID_PARAMS, what));
    let Value::Object(members) = task else { return invalid("`task` is no object") };
    match members.get("ttl") {
        None => Ok(Some(None)),
        Some(ttl) => match ttl.as_u64() {
            Some(ms) => Ok(Some(Some(ms))),
            None => invalid("`task.ttl` is no whole number of milliseconds"),
        },
    }
}

/// The token for progress in `params._meta`.
fn progress_token(params: &Value) -> Option<Value> {
    params.get("_meta")?.get("progressToken").filter(|token| token.is_string() || token.is_i64()).cloned()
}

impl Receiver {
    /// With a store of its own, and habits.
    #[must_use]
    pub fn new(
        mut surroundings: Surroundings,
        store: Box<dyn TaskStore>,
        dialect: Dialect,
        following: Following,
    ) -> Receiver {
        let cursor_key = surroundings.bits();
        Receiver {
            requestor: Requestor::new(following, dialect.string_ids),
            dialect,
            out: Vec::new(),
            surroundings,
            cursor_key,
            store,
            queue: TaskMessageQueue::default(),
            peers: BTreeMap::new(),
            works: BTreeMap::new(),
            next_work: 0,
            waiters: Vec::new(),
            witnesses: BTreeMap::new(),
            created: BTreeMap::new(),
        }
    }

    /// A session began.
    pub fn opened(&mut self, session: SessionKey) {
        self.peers.insert(session, Peer::default());
    }

    /// What is known of the other party of a session.
    #[must_use]
    pub fn peer(&self, session: SessionKey) -> Option<&Peer> {
        self.peers.get(&session)
    }

    /// The same, to write down what was learned.
    pub fn peer_mut(&mut self, session: SessionKey) -> Option<&mut Peer> {
        self.peers.get_mut(&session)
    }

    /// The handshake is over: works that waited for it go on.
    pub fn ready(&mut self, now: Duration, session: SessionKey) {
        if let Some(peer) = self.peers.get_mut(&session) {
            peer.ready = true;
        }
        let works: Vec<u64> =
            self.works.iter().filter(|(_, work)| work.session == session).map(|(key, _)| *key).collect();
        for work in works {
            self.go_on(now, work);
        }
    }

    /// Is a request with that id being carried out or waiting for its task?
    #[must_use]
    pub fn is_busy_with(&self, session: SessionKey, id: &Id) -> bool {
        self.waiters.iter().any(|waiter| waiter.session == session && waiter.request == *id)
            || self.works.values().any(|work| {
                work.session == session && matches!(&work.caller, Caller::Plain { request } if request == id)
            })
    }

    /// How often the works of the session's tasks began and ended.
    #[must_use]
    pub fn witness(&self, session: SessionKey) -> Witness {
        self.witnesses.get(&session).copied().unwrap_or_default()
    }

    /// Sends a message.
    pub fn send(&mut self, session: SessionKey, route: Route, message: Value) {
        self.out.push(Effect::Send(Proposal { session, route, message }));
    }

    /// Answers a request.
    pub fn answer(&mut self, session: SessionKey, id: &Id, outcome: &Outcome) {
        self.send(session, Route::Answer(id.clone()), rpc::answer(id, outcome));
    }

    /// Carries out a request: begins its work, and answers it then or, as a task, at once.
    pub fn start(&mut self, now: Duration, job: &Job<'_>, plan: Plan) {
        let Job { session, request, params, as_task } = *job;
        let mut steps = plan.steps;
        let caller = match as_task {
            None => Caller::Plain { request: request.clone() },
            Some(ttl) => {
                let id = self.surroundings.uuid();
                let task = match self.store.create(now, id.clone(), session, ttl) {
                    Ok(task) => task,
                    Err(refusal) => {
                        let outcome = Outcome::error(rpc::INTERNAL_ERROR, &refusal.to_string());
                        return self.answer(session, request, &outcome);
                    }
                };
                let shown = task.to_value(&self.surroundings, self.dialect.poll_interval);
                self.created.insert((session, request.clone()), id.clone());
                self.answer(session, request, &Outcome::Result(json!({ "task": shown })));
                steps.push_front(Step::Wait(self.dialect.task_delay));
                self.witnesses.entry(session).or_default().began += 1;
                Caller::Task { id, request: request.clone() }
            }
        };
        let work = Work {
            session,
            caller,
            token: progress_token(params),
            related: rpc::related(params).map(str::to_owned),
            steps,
            stubborn: plan.stubborn,
            finish: plan.finish,
            answers: Vec::new(),
            until: None,
        };
        let key = self.next_work;
        self.next_work += 1;
        self.works.insert(key, work);
        self.go_on(now, key);
    }

    /// The task of a work, if it is one and not in a terminal state; `Err` if it is one and is.
    fn live_task(&self, now: Duration, work: &Work) -> Result<Option<String>, ()> {
        match &work.caller {
            Caller::Plain { .. } => Ok(None),
            Caller::Task { id, .. } => match self.store.get(now, work.session, id) {
                Some(task) if !task.status.is_terminal() => Ok(Some(id.clone())),
                _ => Err(()),
            },
        }
    }

    /// Where the messages of a work go beside its answer.
    fn route_of(&self, work: &Work) -> Route {
        match &work.caller {
            Caller::Plain { request } => Route::Related(request.clone()),
            Caller::Task { id, .. } => {
                self.waiting_for(work.session, id).map_or(Route::Unrelated, |request| Route::Related(request.clone()))
            }
        }
    }

    /// Takes the next steps of a work, up to where it has to wait.
    fn go_on(&mut self, now: Duration, key: u64) {
        loop {
            let Some(work) = self.works.get_mut(&key) else { return };
            if work.is_waiting() {
                return;
            }
            let ready = self.peers.get(&work.session).is_some_and(|peer| peer.ready);
            if matches!(work.steps.front(), Some(Step::Ask(_))) && !ready {
                return;
            }
            let Some(step) = work.steps.pop_front() else {
                return self.finish(now, key);
            };
            match step {
                Step::Wait(time) => work.until = Some(now.saturating_add(time)),
                Step::Log { level, data } => self.log(now, key, level, data),
                Step::Progress { progress, total } => self.progress(now, key, progress, total),
                Step::Ask(asks) => self.ask(now, key, asks),
                Step::CloseStream => {
                    if let Caller::Plain { request } = &work.caller {
                        let (session, request) = (work.session, request.clone());
                        self.out.push(Effect::CloseStream { session, request });
                    }
                }
            }
        }
    }

    fn log(&mut self, now: Duration, key: u64, level: &'static str, data: Value) {
        let Some(work) = self.works.get(&key) else { return };
        let Ok(task) = self.live_task(now, work) else { return };
        let wanted = self.peers.get(&work.session).map_or(0, |peer| peer.level);
        if LEVELS.iter().position(|known| *known == level).is_none_or(|severity| severity < wanted) {
            return;
        }
        let mut params = json!({ "level": level, "logger": "tools", "data": data });
        if let Some(task) = task {
            rpc::relate(&mut params, &task);
        }
        let (session, route) = (work.session, self.route_of(work));
        self.send(session, route, rpc::notification("notifications/message", Some(params)));
    }

    fn progress(&mut self, now: Duration, key: u64, progress: u32, total: u32) {
        let Some(work) = self.works.get(&key) else { return };
        let (Some(token), Ok(task)) = (&work.token, self.live_task(now, work)) else { return };
        let mut params = json!({ "progressToken": token, "progress": progress, "total": total });
        if let Some(task) = task {
            rpc::relate(&mut params, &task);
        }
        let (session, route) = (work.session, self.route_of(work));
        self.send(session, route, rpc::notification("notifications/progress", Some(params)));
    }

    fn ask(&mut self, now: Duration, key: u64, asks: Vec<Ask>) {
        let Some(work) = self.works.get(&key) else { return };
        let session = work.session;
        let task = self.live_task(now, work);
        let Some(peer) = self.peers.get(&session).cloned() else { return };
        let mut questions = Vec::new();
        for Ask { method, mut params, as_task } in asks {
            let Some(work) = self.works.get_mut(&key) else { return };
            let refused = match &task {
                Err(()) => Some("the task has ended"),
                Ok(_) => may_ask(&peer.capabilities, &method, &params).err(),
            };
            if let Some(reason) = refused {
                work.answers.push(Some(Outcome::error(rpc::METHOD_NOT_FOUND, reason)));
                continue;
            }
            let purpose = Purpose::Work(key, work.answers.len());
            work.answers.push(None);
            let leaf = format!("tasks.requests.{}", method.replace('/', "."));
            if let Some(ttl) = as_task.filter(|_| declared(&peer.capabilities, &leaf)) {
                params["task"] = json!({ "ttl": ttl });
            }
            if let Ok(Some(task)) = &task {
                rpc::relate(&mut params, task);
            }
            let route = self.works.get(&key).map_or(Route::Unrelated, |work| self.route_of(work));
            let (id, message) = self.requestor.prepare(session, route.clone(), &method, Some(params), purpose);
            questions.push((id, route, message));
        }
        let Ok(Some(task)) = task else {
            for (_, route, message) in questions {
                self.send(session, route, message);
            }
            return;
        };
        if questions.is_empty() {
            return;
        }
        for (id, _, message) in &questions {
            self.queue.push(&task, session, id.clone(), message.clone());
        }
        self.move_task(now, session, &task, Status::InputRequired, Some("It waits for an answer."));
        if self.dialect.questions_on_get {
            for message in self.queue.deliver(&task, &Id::Odd("null".into())) {
                self.send(session, Route::Unrelated, message);
            }
        } else {
            self.deliver(session, &task);
        }
    }

    /// The `tasks/result` request over which messages of a task reach its requestor: the one that waits longest.
    fn waiting_for(&self, session: SessionKey, task: &str) -> Option<&Id> {
        let for_it = |waiter: &&Waiter| waiter.session == session && waiter.task == task && !waiter.lost;
        self.waiters.iter().find(for_it).map(|waiter| &waiter.request)
    }

    /// Sends a task's undelivered questions over the `tasks/result` request that waits longest, if one does.
    fn deliver(&mut self, session: SessionKey, task: &str) {
        let Some(via) = self.waiting_for(session, task).cloned() else { return };
        for message in self.queue.deliver(task, &via) {
            self.send(session, Route::Related(via.clone()), message);
        }
    }

    /// Moves a task, and tells so if that is the habit.
    fn move_task(&mut self, now: Duration, session: SessionKey, task: &str, status: Status, message: Option<&str>) {
        if self.store.advance(now, task, status, message.map(str::to_owned), None) {
            self.tell_status(now, session, task);
        }
    }

    fn tell_status(&mut self, now: Duration, session: SessionKey, task: &str) {
        if !self.dialect.status_notifications {
            return;
        }
        if let Some(task) = self.store.get(now, session, task) {
            let shown = task.to_value(&self.surroundings, self.dialect.poll_interval);
            self.send(session, Route::Unrelated, rpc::notification("notifications/tasks/status", Some(shown)));
        }
    }

    fn finish(&mut self, now: Duration, key: u64) {
        let Some(work) = self.works.remove(&key) else { return };
        let answers: Vec<Outcome> = work.answers.into_iter().flatten().collect();
        let mut outcome = (work.finish)(&answers);
        match work.caller {
            Caller::Plain { request } => {
                if let (Outcome::Result(result), Some(task)) = (&mut outcome, &work.related) {
                    rpc::relate(result, task);
                }
                self.answer(work.session, &request, &outcome);
            }
            Caller::Task { id, .. } => {
                self.witnesses.entry(work.session).or_default().ended += 1;
                let most = self.store.limits().result_bytes;
                let bytes = outcome.to_value().to_string().len();
                if bytes > most {
                    let reason = format!("the result has {bytes} bytes, and at most {most} are kept");
                    outcome = Outcome::error(rpc::INTERNAL_ERROR, &reason);
                }
                let (status, message) = verdict(&outcome);
                if self.store.advance(now, &id, status, message, Some(outcome)) {
                    self.queue.drop_task(&id);
                    self.tell_status(now, work.session, &id);
                    self.release(now, work.session, &id);
                }
            }
        }
    }

    /// Answers every `tasks/result` that waits for a task that has ended.
    fn release(&mut self, now: Duration, session: SessionKey, task: &str) {
        let (released, waiting) =
            std::mem::take(&mut self.waiters).into_iter().partition(|w| w.session == session && w.task == task);
        self.waiters = waiting;
        let released: Vec<Waiter> = released;
        for waiter in released {
            let outcome = match self.store.get(now, session, task) {
                Some(task) => final_outcome(task),
                None => unknown_task(),
            };
            self.answer(session, &waiter.request, &outcome);
        }
    }

    /// Stops a work: what it asked is given up.
    fn stop(&mut self, key: u64) {
        let Some(work) = self.works.get(&key) else { return };
        let (session, route) = (work.session, self.route_of(work));
        let task = match &work.caller {
            Caller::Task { id, .. } => Some(id.clone()),
            Caller::Plain { .. } => None,
        };
        let can_cancel = self.peers.get(&session).is_some_and(|peer| declared(&peer.capabilities, "tasks.cancel"));
        let undelivered = task.as_ref().map(|task| self.queue.undelivered(task)).unwrap_or_default();
        let belongs = |purpose| matches!(purpose, Purpose::Work(work, _) if work == key);
        self.requestor.give_up(belongs, can_cancel, &route, task.as_deref(), &undelivered, &mut self.out);
        let Some(work) = self.works.get_mut(&key) else { return };
        if let Some(task) = &task {
            self.queue.drop_task(task);
        }
        if work.stubborn {
            for answer in work.answers.iter_mut().filter(|answer| answer.is_none()) {
                *answer = Some(Outcome::error(rpc::INTERNAL_ERROR, "the question was given up"));
            }
        } else {
            self.works.remove(&key);
            if task.is_some() {
                self.witnesses.entry(session).or_default().stopped += 1;
            }
        }
    }

    fn work_of_task(&self, task: &str) -> Option<u64> {
        let of_task = |work: &Work| matches!(&work.caller, Caller::Task { id, .. } if id == task);
        self.works.iter().find(|(_, work)| of_task(work)).map(|(key, _)| *key)
    }

    /// `notifications/cancelled` for a request: its work stops and it is not answered. A request that created a task is
    /// answered already, and its task goes on.
    pub fn cancelled(&mut self, session: SessionKey, request: &Id) {
        let plain = |work: &Work| {
            work.session == session && matches!(&work.caller, Caller::Plain { request: own } if own == request)
        };
        let work = self.works.iter().find(|(_, work)| plain(work)).map(|(key, _)| *key);
        if let Some(key) = work {
            self.stop(key);
            self.works.remove(&key);
        }
        self.waiters.retain(|waiter| !(waiter.session == session && waiter.request == *request));
        self.lost(session, request);
    }

    /// The connection that carries the answer to a request is lost: questions that went that way go out again, over another
    /// `tasks/result` of the same task if one waits, or over the next.
    pub fn lost(&mut self, session: SessionKey, request: &Id) {
        self.queue.lost(session, request);
        let mut tasks = Vec::new();
        for waiter in self.waiters.iter_mut().filter(|waiter| waiter.session == session) {
            waiter.lost |= waiter.request == *request;
            tasks.push(waiter.task.clone());
        }
        for task in tasks {
            self.deliver(session, &task);
        }
    }

    /// Serves `tasks/get`, `tasks/result`, `tasks/list` and `tasks/cancel`, by what was declared to the other party. False: it is
    /// none of these, or not offered.
    pub fn serve(&mut self, now: Duration, session: SessionKey, id: &Id, method: &str, params: &Value) -> bool {
        let Some(peer) = self.peers.get(&session) else { return false };
        let offered = match method {
            "tasks/get" | "tasks/result" => "tasks",
            "tasks/list" => "tasks.list",
            "tasks/cancel" => "tasks.cancel",
            _ => return false,
        };
        if peer.revision != Revision::V2025_11_25 || !declared(&peer.declared, offered) {
            return false;
        }
        self.expire(now);
        if method == "tasks/list" {
            let outcome = self.list(now, session, params);
            self.answer(session, id, &outcome);
            return true;
        }
        let Some(task) = params.get("taskId").and_then(Value::as_str) else {
            self.answer(session, id, &Outcome::error(rpc::INVALID_PARAMS, "`taskId` is missing or no string"));
            return true;
        };
        let Some(known) = self.store.get(now, session, task).cloned() else {
            self.answer(session, id, &unknown_task());
            return true;
        };
        match method {
            "tasks/get" => {
                let shown = known.to_value(&self.surroundings, self.dialect.poll_interval);
                self.answer(session, id, &Outcome::Result(shown));
            }
            "tasks/result" if known.status.is_terminal() => self.answer(session, id, &final_outcome(&known)),
            "tasks/result" => {
                self.waiters.push(Waiter { session, request: id.clone(), task: task.to_owned(), lost: false });
                self.deliver(session, task);
            }
            _ => self.cancel(now, session, id, &known),
        }
        true
    }

    fn cancel(&mut self, now: Duration, session: SessionKey, id: &Id, task: &Task) {
        if task.status.is_terminal() {
            let reason = format!("the task cannot be cancelled: it is {} already", task.status.as_str());
            return self.answer(session, id, &Outcome::error(rpc::INVALID_PARAMS, &reason));
        }
        let work = self.work_of_task(&task.id);
        if let Some(work) = work {
            self.stop(work);
        }
        self.move_task(now, session, &task.id, Status::Cancelled, Some("It was cancelled by its requestor."));
        let shown = self
            .store
            .get(now, session, &task.id)
            .map(|task| task.to_value(&self.surroundings, self.dialect.poll_interval));
        self.answer(session, id, &shown.map_or_else(unknown_task, Outcome::Result));
        self.release(now, session, &task.id);
        if let Some(work) = work {
            self.go_on(now, work);
        }
    }

    fn list(&mut self, now: Duration, session: SessionKey, params: &Value) -> Outcome {
        let after = match self.cursor(session, "tasks/list", params) {
            Ok(after) => after,
            Err(error) => return Outcome::Error(error),
        };
        let (tasks, more) = self.store.page(now, session, after, self.dialect.task_page_size.max(1));
        let last = tasks.last().map(|task| task.serial);
        let interval = self.dialect.poll_interval;
        let shown: Vec<Value> = tasks.iter().map(|task| task.to_value(&self.surroundings, interval)).collect();
        let mut result = json!({ "tasks": shown });
        if let Some(last) = last.filter(|_| more) {
            result["nextCursor"] = json!(self.make_cursor(session, "tasks/list", last));
        }
        Outcome::Result(result)
    }

    /// One page of a list that does not change: the members that `params.cursor` points at, under the name `member`.
    pub fn page(&mut self, session: SessionKey, method: &str, params: &Value, member: &str, all: &[Value]) -> Outcome {
        let from = match self.cursor(session, method, params) {
            Ok(from) => usize::try_from(from.unwrap_or(0)).unwrap_or(usize::MAX),
            Err(error) => return Outcome::Error(error),
        };
        let size = self.dialect.page_size.unwrap_or(usize::MAX).max(1);
        let shown: Vec<&Value> = all.iter().skip(from).take(size).collect();
        let next = from.saturating_add(shown.len());
        let mut result = json!({ member: shown });
        if next < all.len() {
            result["nextCursor"] = json!(self.make_cursor(session, method, next as u64));
        }
        Outcome::Result(result)
    }

    fn seal(&self, session: SessionKey, list: &str, position: u64) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.cursor_key, session, list, position).hash(&mut hasher);
        hasher.finish()
    }

    /// A cursor holds only for its list and its session, and only if this receiver made it.
    fn make_cursor(&self, session: SessionKey, list: &str, position: u64) -> String {
        let mut bytes = position.to_be_bytes().to_vec();
        bytes.extend(self.seal(session, list, position).to_be_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn cursor(&self, session: SessionKey, list: &str, params: &Value) -> Result<Option<u64>, Value> {
        let Some(cursor) = params.get("cursor") else { return Ok(None) };
        let read = || {
            let bytes = URL_SAFE_NO_PAD.decode(cursor.as_str()?).ok()?;
            let (position, seal) = bytes.split_at_checked(8)?;
            let position = u64::from_be_bytes(position.try_into().ok()?);
            (seal == self.seal(session, list, position).to_be_bytes()).then_some(position)
        };
        let invalid = || rpc::error_object(rpc::INVALID_PARAMS, "`cursor` is none that was given for this list");
        read().map(Some).ok_or_else(invalid)
    }

    /// An answer came. What it settles for the party itself; the answers to the questions of works go to these.
    pub fn answered(&mut self, now: Duration, session: SessionKey, message: &Message) -> Option<Settled> {
        if let Some(id) = message.id()
            && self.requestor.is_open(session, id)
        {
            self.question_answered(now, session, id);
        }
        let settled = self.requestor.answered(now, session, message, &mut self.out)?;
        let Purpose::Work(key, index) = settled.purpose else { return Some(settled) };
        if let Some(answer) = self.works.get_mut(&key).and_then(|work| work.answers.get_mut(index)) {
            *answer = Some(settled.outcome);
        }
        self.go_on(now, key);
        None
    }

    /// A question of a task has its answer: the task works on once all have.
    fn question_answered(&mut self, now: Duration, session: SessionKey, id: &Id) {
        let Some(task) = self.queue.answered(session, id) else { return };
        if !self.queue.is_waiting(&task) {
            self.move_task(now, session, &task, Status::Working, None);
        }
    }

    /// A message of ours was sent, perhaps altered: a task's ttl and the creation of tasks go by what was sent.
    pub fn sent(&mut self, session: SessionKey, message: &Message) {
        self.requestor.sent(session, message);
        if !message.is_answer() {
            return;
        }
        let Some(task) = message.id().and_then(|id| self.created.remove(&(session, id.clone()))) else { return };
        if let Some(ttl) = message.result().get("task").and_then(|task| task.get("ttl")).and_then(Value::as_u64) {
            self.store.set_ttl(&task, ttl);
        }
    }

    /// Forgets expired tasks: their works stop, and who waits for their results is told.
    fn expire(&mut self, now: Duration) {
        for task in self.store.expire(now) {
            let work = self.work_of_task(&task.id);
            if let Some(work) = work {
                self.stop(work);
            }
            self.queue.drop_task(&task.id);
            take_where(&mut self.created, |_, id| *id == task.id);
            self.release(now, task.owner, &task.id);
            if let Some(work) = work {
                self.go_on(now, work);
            }
        }
    }

    /// A session is over: everything of it is dropped. For which purposes of the party itself answers were open.
    pub fn closed(&mut self, session: SessionKey) -> Vec<Purpose> {
        take_where(&mut self.works, |_, work| work.session == session);
        take_where(&mut self.created, |(of, _), _| *of == session);
        self.waiters.retain(|waiter| waiter.session != session);
        for task in self.store.forget(session) {
            self.queue.drop_task(&task.id);
        }
        self.peers.remove(&session);
        self.witnesses.remove(&session);
        self.out.retain(|effect| !matches!(effect, Effect::Send(p) if p.session == session));
        self.out.retain(|effect| !matches!(effect, Effect::CloseStream { session: of, .. } if *of == session));
        let mut open = self.requestor.closed(session);
        open.retain(|purpose| matches!(purpose, Purpose::Own(_)));
        open
    }

    /// Time has passed.
    pub fn wake(&mut self, now: Duration) {
        self.expire(now);
        let due: Vec<u64> = self
            .works
            .iter_mut()
            .filter(|(_, work)| work.until.is_some_and(|until| until <= now))
            .map(|(key, work)| {
                work.until = None;
                *key
            })
            .collect();
        for key in due {
            self.go_on(now, key);
        }
        self.requestor.wake(now, &mut self.out);
    }

    /// When to be woken next.
    #[must_use]
    pub fn wake_at(&self) -> Option<Duration> {
        let works = self.works.values().filter_map(|work| work.until).min();
        [works, self.store.next_expiry(), self.requestor.wake_at()].into_iter().flatten().min()
    }

    /// Will it send nothing more unless a message comes? (That tasks expire at some time does not count.)
    #[must_use]
    pub fn idle(&self) -> bool {
        self.out.is_empty()
            && self.works.values().all(|work| work.until.is_none())
            && self.requestor.wake_at().is_none()
    }
}

/// May the other party be asked this? If not, why.
fn may_ask(capabilities: &Value, method: &str, params: &Value) -> Result<(), &'static str> {
    match method {
        "elicitation/create" => {
            let Some(elicitation) = capabilities.get("elicitation") else {
                return Err("the client does not declare elicitation");
            };
            let url = params.get("mode").is_some_and(|mode| mode == "url");
            // an empty object means that only forms can be shown
            if url && elicitation.get("url").is_none() {
                return Err("the client does not declare elicitation by URL");
            }
            if !url && elicitation.get("url").is_some() && elicitation.get("form").is_none() {
                return Err("the client does not declare elicitation by form");
            }
            Ok(())
        }
        "sampling/createMessage" if capabilities.get("sampling").is_none() => {
            Err("the client does not declare sampling")
        }
        "roots/list" if capabilities.get("roots").is_none() => Err("the client does not declare roots"),
        _ => Ok(()),
    }
}

/// How a task ends whose wrapped request ended like this, and what is said about it.
fn verdict(outcome: &Outcome) -> (Status, Option<String>) {
    match outcome {
        Outcome::Error(error) => {
            let said = error.get("message").and_then(Value::as_str).unwrap_or("The request failed.");
            (Status::Failed, Some(said.to_owned()))
        }
        Outcome::Result(result) if result.get("isError") == Some(&Value::Bool(true)) => {
            let text = result.pointer("/content/0/text").and_then(Value::as_str);
            (Status::Failed, Some(text.unwrap_or("The tool reported an error.").to_owned()))
        }
        Outcome::Result(_) => (Status::Completed, None),
    }
}

/// What `tasks/result` gives for a task in a terminal state.
fn final_outcome(task: &Task) -> Outcome {
    match &task.outcome {
        Some(Outcome::Result(result)) => {
            let mut result = result.clone();
            rpc::relate(&mut result, &task.id);
            Outcome::Result(result)
        }
        Some(error) => error.clone(),
        None => Outcome::error(rpc::INTERNAL_ERROR, "the task was cancelled and has no result"),
    }
}

/// For ids that never were, have expired, or belong to another session: nobody can tell these apart.
fn unknown_task() -> Outcome {
    Outcome::error(rpc::INVALID_PARAMS, "there is no task with this id: it never was, or has expired")
}
