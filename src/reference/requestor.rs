//! The requesting half of a party: ids, open requests, and seeing a task through to its result.

use super::rpc::{self, Outcome};
use super::tasks::Status;
use super::{Effect, Proposal, Route, SessionKey, take_where};
use crate::spec::methods;
use crate::wire::{Id, Kind, Message};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// For whom a request is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// For a work: which one, and the how-manieth of its questions.
    Work(u64, usize),
    /// For the party itself, by a number of its own.
    Own(u64),
}

/// A request came to its end.
#[derive(Debug, Clone, PartialEq)]
pub struct Settled {
    /// For whom it was made.
    pub purpose: Purpose,
    /// How it ended; for a request made as a task, what `tasks/result` gave.
    pub outcome: Outcome,
}

/// How a requestor goes about its tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Following {
    /// Call `tasks/result` at once and wait there, instead of polling first.
    pub result_at_once: bool,
    /// The time between two polls of a task whose receiver suggests none.
    pub usual_interval: Duration,
}

impl Default for Following {
    fn default() -> Self {
        Following { result_at_once: false, usual_interval: Duration::from_millis(100) }
    }
}

/// No poll comes sooner after the last answer than this, whatever the receiver suggests.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(5);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Its answer is what was asked for.
    Plain,
    /// Its answer is a `CreateTaskResult`.
    Creates,
    /// `tasks/get` for the followed task with that number.
    Polls(u64),
    /// `tasks/result` for it.
    Fetches(u64),
    /// Nobody waits for its answer.
    Forgotten,
}

#[derive(Debug)]
struct Open {
    purpose: Purpose,
    route: Route,
    role: Role,
}

#[derive(Debug)]
struct Followed {
    session: SessionKey,
    purpose: Purpose,
    route: Route,
    task: String,
    interval: Duration,
    /// When to poll next; none while a request about it is open.
    poll_at: Option<Duration>,
}

/// Makes requests, knows their answers, and sees tasks through: polls with `tasks/get`, no faster than the receiver suggests;
/// calls `tasks/result` when the task needs input or has ended, and takes its answer for the outcome.
#[derive(Debug)]
pub struct Requestor {
    following: Following,
    string_ids: bool,
    first_id: i64,
    counters: BTreeMap<SessionKey, i64>,
    open: BTreeMap<(SessionKey, Id), Open>,
    followed: BTreeMap<u64, Followed>,
    next_followed: u64,
}

impl Requestor {
    /// `string_ids`: its ids are strings (`r-1`), not integers. Either way they count from `first_id` in each session.
    #[must_use]
    pub fn new(following: Following, string_ids: bool, first_id: i64) -> Requestor {
        Requestor {
            following,
            string_ids,
            first_id,
            counters: BTreeMap::new(),
            open: BTreeMap::new(),
            followed: BTreeMap::new(),
            next_followed: 0,
        }
    }

    /// Makes a request and counts it as open. It is a task's creation if `params` has a member `task`, and is then seen
    /// through. `route`: for it and for everything that follows from it.
    pub fn prepare(
        &mut self,
        session: SessionKey,
        route: Route,
        method: &str,
        params: Option<Value>,
        purpose: Purpose,
    ) -> (Id, Value) {
        let role = if params.as_ref().is_some_and(|params| params.get("task").is_some()) {
            Role::Creates
        } else {
            Role::Plain
        };
        self.make(session, route, method, params, purpose, role)
    }

    fn make(
        &mut self,
        session: SessionKey,
        route: Route,
        method: &str,
        params: Option<Value>,
        purpose: Purpose,
        role: Role,
    ) -> (Id, Value) {
        let counter = self.counters.entry(session).or_insert(self.first_id.saturating_sub(1));
        *counter = counter.saturating_add(1);
        let id = if self.string_ids { Id::Text(format!("r-{counter}")) } else { Id::Integer(*counter) };
        let message = rpc::request(&id, method, params);
        self.open.insert((session, id.clone()), Open { purpose, route, role });
        (id, message)
    }

    /// A request of ours was sent, perhaps altered: whether it creates a task goes by what was sent.
    pub fn sent(&mut self, session: SessionKey, message: &Message) {
        let Kind::Request { id, .. } = message.kind() else { return };
        let Some(open) = self.open.get_mut(&(session, id.clone())) else { return };
        let augmented = message.params().get("task").is_some();
        match open.role {
            Role::Plain if augmented => open.role = Role::Creates,
            Role::Creates if !augmented => open.role = Role::Plain,
            _ => {}
        }
    }

    /// Is that request of ours open?
    #[must_use]
    pub fn is_open(&self, session: SessionKey, id: &Id) -> bool {
        self.open.contains_key(&(session, id.clone()))
    }

    /// An answer came. What it settles, if it settles something; answers to unknown requests are ignored.
    pub fn answered(
        &mut self,
        now: Duration,
        session: SessionKey,
        message: &Message,
        out: &mut Vec<Effect>,
    ) -> Option<Settled> {
        let id = message.id()?;
        let open = self.open.remove(&(session, id.clone()))?;
        let outcome = match message.kind() {
            Kind::Result { .. } => Outcome::Result(message.result().clone()),
            _ => Outcome::Error(message.error().clone()),
        };
        match open.role {
            Role::Forgotten => None,
            Role::Plain => Some(Settled { purpose: open.purpose, outcome }),
            Role::Creates => {
                let task = outcome.result().and_then(|result| result.get("task")).cloned();
                let Some(id) = task.as_ref().and_then(|task| task.get("taskId")).and_then(Value::as_str) else {
                    // an error, or a receiver that does not know tasks and answered plainly
                    return Some(Settled { purpose: open.purpose, outcome });
                };
                let key = self.next_followed;
                self.next_followed += 1;
                let followed = Followed {
                    session,
                    purpose: open.purpose,
                    route: open.route,
                    task: id.to_owned(),
                    interval: self.following.usual_interval,
                    poll_at: None,
                };
                self.followed.insert(key, followed);
                self.learn(now, key, task.as_ref().unwrap_or(&Value::Null), out);
                None
            }
            Role::Polls(key) => match outcome {
                Outcome::Result(task) => {
                    self.learn(now, key, &task, out);
                    None
                }
                error @ Outcome::Error(_) => self.settle(key, error),
            },
            Role::Fetches(key) => self.settle(key, outcome),
        }
    }

    fn settle(&mut self, key: u64, outcome: Outcome) -> Option<Settled> {
        let followed = self.followed.remove(&key)?;
        Some(Settled { purpose: followed.purpose, outcome })
    }

    /// Goes on with a followed task, by what its receiver says of it.
    fn learn(&mut self, now: Duration, key: u64, task: &Value, out: &mut Vec<Effect>) {
        let result_at_once = self.following.result_at_once;
        let Some(followed) = self.followed.get_mut(&key) else { return };
        if let Some(pace) = methods::pace(task) {
            followed.interval = pace.max(SHORTEST_INTERVAL);
        }
        let status = task.get("status").and_then(Value::as_str).and_then(Status::parse);
        let fetch =
            result_at_once || status.is_some_and(|status| status.is_terminal() || status == Status::InputRequired);
        if fetch {
            followed.poll_at = None;
            self.about(key, "tasks/result", Role::Fetches(key), out);
        } else {
            followed.poll_at = Some(now.saturating_add(followed.interval));
        }
    }

    /// Sends a request about a followed task.
    fn about(&mut self, key: u64, method: &str, role: Role, out: &mut Vec<Effect>) {
        let Some(followed) = self.followed.get(&key) else { return };
        let (session, route, purpose) = (followed.session, followed.route.clone(), followed.purpose);
        let params = json!({ "taskId": followed.task });
        let (_, message) = self.make(session, route.clone(), method, Some(params), purpose, role);
        out.push(Effect::Send(Proposal { session, route, message }));
    }

    /// Polls what is due.
    pub fn wake(&mut self, now: Duration, out: &mut Vec<Effect>) {
        let due: Vec<u64> = self
            .followed
            .iter_mut()
            .filter(|(_, followed)| followed.poll_at.is_some_and(|at| at <= now))
            .map(|(key, followed)| {
                followed.poll_at = None;
                *key
            })
            .collect();
        for key in due {
            self.about(key, "tasks/get", Role::Polls(key), out);
        }
    }

    /// When the next poll is due.
    #[must_use]
    pub fn wake_at(&self) -> Option<Duration> {
        self.followed.values().filter_map(|followed| followed.poll_at).min()
    }

    /// Gives up what was asked for a purpose: open requests are cancelled with `notifications/cancelled`, a task with
    /// `tasks/cancel` if its receiver declared that (`can_cancel_tasks`). `via` is where these messages go; `relate` the task
    /// of ours they belong to.
    pub fn give_up(
        &mut self,
        belongs: impl Fn(Purpose) -> bool,
        can_cancel_tasks: bool,
        via: &Route,
        relate: Option<&str>,
        undelivered: &[Id],
        out: &mut Vec<Effect>,
    ) {
        let given_up = take_where(&mut self.open, |_, open| belongs(open.purpose) && open.role != Role::Forgotten);
        for ((session, id), open) in given_up {
            // the creating request has a task, which cannot be cancelled this way; a poll is answered soon anyway
            if open.role != Role::Plain || undelivered.contains(&id) {
                continue;
            }
            let mut params = json!({ "requestId": id.to_value(), "reason": "it is needed no more" });
            if let Some(task) = relate {
                rpc::relate(&mut params, task);
            }
            let message = rpc::notification("notifications/cancelled", Some(params));
            out.push(Effect::Send(Proposal { session, route: via.clone(), message }));
        }
        let followed = take_where(&mut self.followed, |_, followed| belongs(followed.purpose));
        for (_, followed) in followed.into_iter().filter(|_| can_cancel_tasks) {
            let params = json!({ "taskId": followed.task });
            let (session, purpose) = (followed.session, followed.purpose);
            let (_, message) = self.make(session, via.clone(), "tasks/cancel", Some(params), purpose, Role::Forgotten);
            out.push(Effect::Send(Proposal { session, route: via.clone(), message }));
        }
    }

    /// A session is over: its open requests will not be answered. For whom they were.
    pub fn closed(&mut self, session: SessionKey) -> Vec<Purpose> {
        let open = take_where(&mut self.open, |(of, _), _| *of == session);
        let followed = take_where(&mut self.followed, |_, followed| followed.session == session);
        let waited_for = open.iter().filter(|(_, open)| open.role != Role::Forgotten).map(|(_, open)| open.purpose);
        let mut purposes: Vec<Purpose> = waited_for.chain(followed.iter().map(|(_, f)| f.purpose)).collect();
        self.counters.remove(&session);
        purposes.sort_unstable();
        purposes.dedup();
        purposes
    }
}
