//! The receiving half of a party: it carries out the works of requests, plainly or as tasks, and serves `tasks/*`.

mod pages;
mod peer;
mod serve;
mod witness;
mod works;

pub use peer::{LEVELS, Peer};
pub use witness::Witness;

use super::dialect::Dialect;
use super::requestor::{Following, Purpose, Requestor, Settled};
use super::rpc::{self, Outcome};
use super::tasks::{Status, TaskMessageQueue, TaskStore};
use super::work::{Finish, Plan, Step};
use super::{Effect, Proposal, Route, SessionKey, Surroundings, take_where};
use crate::wire::{Id, Message};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use witness::Witnesses;

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
    /// The token under which the witness is told of it.
    witness: Option<String>,
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
    witnesses: Witnesses,
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
            requestor: Requestor::new(following, dialect.string_ids, dialect.first_id),
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
            witnesses: Witnesses::default(),
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

    /// How the work with that token stands, whosesoever it is.
    #[must_use]
    pub fn witness(&self, token: &str) -> Witness {
        self.witnesses.of(token)
    }

    /// Sends a message.
    pub fn send(&mut self, session: SessionKey, route: Route, message: Value) {
        self.out.push(Effect::Send(Proposal { session, route, message }));
    }

    /// Answers a request.
    pub fn answer(&mut self, session: SessionKey, id: &Id, outcome: &Outcome) {
        let mut answer = rpc::answer(id, outcome);
        self.dialect.colour(&mut answer);
        self.send(session, Route::Answer(id.clone()), answer);
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
                Caller::Task { id, request: request.clone() }
            }
        };
        if let Some(token) = &plan.witness {
            self.witnesses.begin(token);
        }
        let work = Work {
            session,
            caller,
            token: progress_token(params),
            related: rpc::related(params).map(str::to_owned),
            steps,
            stubborn: plan.stubborn,
            witness: plan.witness,
            finish: plan.finish,
            answers: Vec::new(),
            until: None,
        };
        let key = self.next_work;
        self.next_work += 1;
        self.works.insert(key, work);
        self.go_on(now, key);
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
