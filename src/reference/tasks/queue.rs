//! The queue of requests that tasks have for their requestor: kept until it calls `tasks/result`, and until it answers.

use crate::reference::SessionKey;
use crate::wire::Id;
use serde_json::Value;
use std::collections::BTreeMap;

/// One request that waits for its requestor.
#[derive(Debug, Clone, PartialEq)]
struct Queued {
    session: SessionKey,
    id: Id,
    message: Value,
    /// The `tasks/result` request over which it went out, if it did.
    via: Option<Id>,
}

/// The requests of all tasks, in order for each. A request stays until it is answered; one that was delivered over a stream
/// that is gone is delivered again, with the same id, over the next.
#[derive(Debug, Default)]
pub struct TaskMessageQueue {
    tasks: BTreeMap<String, Vec<Queued>>,
}

impl TaskMessageQueue {
    /// Puts a request at the end of a task's queue.
    pub fn push(&mut self, task: &str, session: SessionKey, id: Id, message: Value) {
        self.tasks.entry(task.to_owned()).or_default().push(Queued { session, id, message, via: None });
    }

    /// The undelivered requests of a task, in order; from now on they count as delivered over `via`.
    pub fn deliver(&mut self, task: &str, via: &Id) -> Vec<Value> {
        let Some(queued) = self.tasks.get_mut(task) else { return Vec::new() };
        let mut messages = Vec::new();
        for one in queued.iter_mut().filter(|one| one.via.is_none()) {
            one.via = Some(via.clone());
            messages.push(one.message.clone());
        }
        messages
    }

    /// The stream of the answer to `via` is gone: what went that way and was not answered is undelivered again.
    pub fn lost(&mut self, session: SessionKey, via: &Id) {
        for one in self.tasks.values_mut().flatten() {
            if one.session == session && one.via.as_ref() == Some(via) {
                one.via = None;
            }
        }
    }

    /// The request was answered: it is taken out. The task it belonged to.
    pub fn answered(&mut self, session: SessionKey, id: &Id) -> Option<String> {
        let (task, queued) =
            self.tasks.iter_mut().find(|(_, all)| all.iter().any(|one| one.session == session && one.id == *id))?;
        let task = task.clone();
        queued.retain(|one| !(one.session == session && one.id == *id));
        if queued.is_empty() {
            self.tasks.remove(&task);
        }
        Some(task)
    }

    /// Does the task wait for an answer?
    #[must_use]
    pub fn is_waiting(&self, task: &str) -> bool {
        self.tasks.contains_key(task)
    }

    /// The ids of a task's requests that have not been delivered.
    #[must_use]
    pub fn undelivered(&self, task: &str) -> Vec<Id> {
        let queued = self.tasks.get(task).into_iter().flatten();
        queued.filter(|one| one.via.is_none()).map(|one| one.id.clone()).collect()
    }

    /// Drops a task's requests.
    pub fn drop_task(&mut self, task: &str) {
        self.tasks.remove(task);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const A: SessionKey = SessionKey(1);

    #[test]
    fn a_request_is_delivered_once_until_its_stream_is_lost() {
        let mut queue = TaskMessageQueue::default();
        let via = |n| Id::Integer(n);
        queue.push("t", A, Id::Integer(1), json!("first"));
        queue.push("t", A, Id::Integer(2), json!("second"));
        queue.push("u", A, Id::Integer(3), json!("other"));
        assert_eq!(queue.deliver("t", &via(10)), [json!("first"), json!("second")]);
        assert!(queue.deliver("t", &via(11)).is_empty());
        assert_eq!(queue.answered(A, &Id::Integer(1)).as_deref(), Some("t"));
        queue.lost(SessionKey(9), &via(10));
        assert!(queue.deliver("t", &via(11)).is_empty(), "another session's stream is another");
        queue.lost(A, &via(10));
        assert_eq!(queue.deliver("t", &via(11)), [json!("second")]);
        assert!(queue.is_waiting("t"));
        assert_eq!(queue.answered(A, &Id::Integer(2)).as_deref(), Some("t"));
        assert!(!queue.is_waiting("t"));
        assert_eq!(queue.answered(A, &Id::Integer(2)), None);
        assert!(queue.is_waiting("u"));
    }
}
