//! `tasks/get`, `tasks/result`, `tasks/list` and `tasks/cancel`.

use super::super::SessionKey;
use super::super::rpc::{self, Outcome};
use super::super::tasks::{Status, Task};
use super::{Receiver, Waiter};
use crate::spec::Revision;
use crate::spec::methods::declared;
use crate::wire::Id;
use serde_json::{Value, json};
use std::time::Duration;

impl Receiver {
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

    pub(super) fn cancel(&mut self, now: Duration, session: SessionKey, id: &Id, task: &Task) {
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

    pub(super) fn list(&mut self, now: Duration, session: SessionKey, params: &Value) -> Outcome {
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
}

/// What `tasks/result` gives for a task in a terminal state.
pub(super) fn final_outcome(task: &Task) -> Outcome {
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
pub(super) fn unknown_task() -> Outcome {
    Outcome::error(rpc::INVALID_PARAMS, "there is no task with this id: it never was, or has expired")
}
