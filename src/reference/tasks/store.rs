//! The store of tasks: created, moved through their states, expired, listed.

use crate::reference::rpc::Outcome;
use crate::reference::{SessionKey, Surroundings, take_where};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// Where a task stands (basic/utilities/tasks#task-status).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// The work goes on.
    Working,
    /// The work waits for its requestor.
    InputRequired,
    /// It ended well; final.
    Completed,
    /// It ended badly; final.
    Failed,
    /// It was cancelled; final.
    Cancelled,
}

impl Status {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Working => "working",
            Status::InputRequired => "input_required",
            Status::Completed => "completed",
            Status::Failed => "failed",
            Status::Cancelled => "cancelled",
        }
    }

    /// The status with that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Status> {
        [Status::Working, Status::InputRequired, Status::Completed, Status::Failed, Status::Cancelled]
            .into_iter()
            .find(|status| status.as_str() == word)
    }

    /// Is it final?
    #[must_use]
    pub fn is_terminal(self) -> bool {
        matches!(self, Status::Completed | Status::Failed | Status::Cancelled)
    }
}

/// One task as its receiver keeps it. Times are since the play began.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Its id.
    pub id: String,
    /// Whose it is: to every other session it is unknown.
    pub owner: SessionKey,
    /// Where it stands.
    pub status: Status,
    /// A sentence about that.
    pub message: Option<String>,
    /// When it was created.
    pub created: Duration,
    /// When its status last changed. Always later than the time before, by a millisecond at least, so that a change can be
    /// seen in the timestamps.
    pub updated: Duration,
    /// How long it is kept from its creation on, in milliseconds.
    pub ttl: u64,
    /// How the wrapped request ended; only in a terminal state, and never for a cancelled task.
    pub outcome: Option<Outcome>,
    /// Its place in the order of creation.
    pub serial: u64,
}

impl Task {
    /// When it is forgotten. A millisecond of grace covers what rounding the timestamps takes away.
    #[must_use]
    pub fn expires(&self) -> Duration {
        self.created.saturating_add(Duration::from_millis(self.ttl.saturating_add(1)))
    }

    /// As it is shown to its requestor.
    #[must_use]
    pub fn to_value(&self, surroundings: &Surroundings, poll_interval: Option<u64>) -> Value {
        let mut shown = json!({ "taskId": self.id, "status": self.status.as_str() });
        if let Some(message) = &self.message {
            shown["statusMessage"] = json!(message);
        }
        shown["createdAt"] = json!(surroundings.timestamp(self.created));
        shown["lastUpdatedAt"] = json!(surroundings.timestamp(self.updated));
        shown["ttl"] = json!(self.ttl);
        if let Some(interval) = poll_interval {
            shown["pollInterval"] = json!(interval);
        }
        shown
    }
}

/// What a store keeps at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Tasks kept for one session, finished ones included.
    pub tasks_per_requestor: usize,
    /// Tasks kept in all.
    pub tasks: usize,
    /// The smallest ttl that is granted, in milliseconds.
    pub smallest_ttl: u64,
    /// The ttl granted to who asks for none, in milliseconds.
    pub usual_ttl: u64,
    /// The largest ttl that is granted, in milliseconds.
    pub largest_ttl: u64,
    /// The largest result that is kept, in bytes of JSON.
    pub result_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            tasks_per_requestor: 100,
            tasks: 1_000,
            smallest_ttl: 100,
            usual_ttl: 60_000,
            largest_ttl: 3_600_000,
            result_bytes: 1 << 20,
        }
    }
}

/// The store takes no further task.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// This requestor has too many.
    #[error("{0} tasks of this session are kept already, which is the limit: try again when one has expired")]
    Requestor(usize),
    /// There are too many in all.
    #[error("{0} tasks are kept already, which is the limit: try again when one has expired")]
    Total(usize),
}

/// Where a receiver keeps its tasks. `now` is the time since the play began.
///
/// A task that has expired is as unknown as one that never was, and so is one of another session.
pub trait TaskStore: Send {
    /// Creates a task in `working`.
    ///
    /// # Errors
    /// When a limit is reached.
    fn create(&mut self, now: Duration, id: String, owner: SessionKey, ttl: Option<u64>) -> Result<Task, Refusal>;
    /// The task with that id, if it is this session's and has not expired.
    fn get(&self, now: Duration, owner: SessionKey, id: &str) -> Option<&Task>;
    /// Moves a task to another status; with an outcome when its work has ended. False, and nothing has changed, if the task is
    /// unknown or in a terminal state.
    fn advance(
        &mut self,
        now: Duration,
        id: &str,
        status: Status,
        message: Option<String>,
        outcome: Option<Outcome>,
    ) -> bool;
    /// Goes by another ttl than was granted, in milliseconds.
    fn set_ttl(&mut self, id: &str, ttl: u64);
    /// At most `size` of the session's tasks in the order of creation, from behind the one with serial `after`.
    /// True: there are more.
    fn page(&self, now: Duration, owner: SessionKey, after: Option<u64>, size: usize) -> (Vec<&Task>, bool);
    /// Forgets what has expired; the forgotten tasks.
    fn expire(&mut self, now: Duration) -> Vec<Task>;
    /// When the next task expires.
    fn next_expiry(&self) -> Option<Duration>;
    /// Forgets the tasks of a session; the forgotten ones.
    fn forget(&mut self, owner: SessionKey) -> Vec<Task>;
    /// What it keeps at most.
    fn limits(&self) -> &Limits;
}

/// A store in memory.
#[derive(Debug, Default)]
pub struct InMemoryTaskStore {
    limits: Limits,
    tasks: BTreeMap<String, Task>,
    created: u64,
}

impl InMemoryTaskStore {
    /// An empty store.
    #[must_use]
    pub fn new(limits: Limits) -> InMemoryTaskStore {
        InMemoryTaskStore { limits, ..InMemoryTaskStore::default() }
    }
}

impl TaskStore for InMemoryTaskStore {
    fn create(&mut self, now: Duration, id: String, owner: SessionKey, ttl: Option<u64>) -> Result<Task, Refusal> {
        let kept = |task: &&Task| task.expires() > now;
        let of_owner = self.tasks.values().filter(kept).filter(|task| task.owner == owner).count();
        if of_owner >= self.limits.tasks_per_requestor {
            return Err(Refusal::Requestor(of_owner));
        }
        let all = self.tasks.values().filter(kept).count();
        if all >= self.limits.tasks {
            return Err(Refusal::Total(all));
        }
        let largest = self.limits.largest_ttl;
        let ttl = ttl.unwrap_or(self.limits.usual_ttl).max(self.limits.smallest_ttl).min(largest);
        let task = Task {
            id: id.clone(),
            owner,
            status: Status::Working,
            message: None,
            created: now,
            updated: now,
            ttl,
            outcome: None,
            serial: self.created,
        };
        self.created += 1;
        self.tasks.insert(id, task.clone());
        Ok(task)
    }

    fn get(&self, now: Duration, owner: SessionKey, id: &str) -> Option<&Task> {
        self.tasks.get(id).filter(|task| task.owner == owner && task.expires() > now)
    }

    fn advance(
        &mut self,
        now: Duration,
        id: &str,
        status: Status,
        message: Option<String>,
        outcome: Option<Outcome>,
    ) -> bool {
        let Some(task) = self.tasks.get_mut(id) else { return false };
        if task.status.is_terminal() || task.expires() <= now {
            return false;
        }
        task.status = status;
        task.message = message;
        task.updated = now.max(task.updated.saturating_add(Duration::from_millis(1)));
        task.outcome = outcome;
        true
    }

    fn set_ttl(&mut self, id: &str, ttl: u64) {
        if let Some(task) = self.tasks.get_mut(id) {
            task.ttl = ttl;
        }
    }

    fn page(&self, now: Duration, owner: SessionKey, after: Option<u64>, size: usize) -> (Vec<&Task>, bool) {
        let mut tasks: Vec<&Task> = self
            .tasks
            .values()
            .filter(|task| task.owner == owner && task.expires() > now && after.is_none_or(|after| task.serial > after))
            .collect();
        tasks.sort_by_key(|task| task.serial);
        let more = tasks.len() > size;
        tasks.truncate(size);
        (tasks, more)
    }

    fn expire(&mut self, now: Duration) -> Vec<Task> {
        take_where(&mut self.tasks, |_, task| task.expires() <= now).into_iter().map(|(_, task)| task).collect()
    }

    fn next_expiry(&self) -> Option<Duration> {
        self.tasks.values().map(Task::expires).min()
    }

    fn forget(&mut self, owner: SessionKey) -> Vec<Task> {
        take_where(&mut self.tasks, |_, task| task.owner == owner).into_iter().map(|(_, task)| task).collect()
    }

    fn limits(&self) -> &Limits {
        &self.limits
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may end where it stands")]
mod tests {
    use super::*;

    const A: SessionKey = SessionKey(1);
    const B: SessionKey = SessionKey(2);
    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn store(limits: Limits) -> InMemoryTaskStore {
        InMemoryTaskStore::new(limits)
    }

    #[test]
    fn a_ttl_is_granted_between_its_bounds() {
        let mut store = store(Limits { smallest_ttl: 10, usual_ttl: 50, largest_ttl: 100, ..Limits::default() });
        for (asked, granted) in [(Some(0), 10), (Some(60), 60), (Some(101), 100), (None, 50), (Some(u64::MAX), 100)] {
            let task = store.create(ms(0), format!("{asked:?}"), A, asked).unwrap();
            assert_eq!(task.ttl, granted, "asked for {asked:?}");
            assert_eq!(task.status, Status::Working);
        }
    }

    #[test]
    fn a_task_is_kept_for_its_ttl_and_then_unknown() {
        let mut store = store(Limits::default());
        store.create(ms(1_000), "t".into(), A, Some(500)).unwrap();
        assert!(store.get(ms(1_500), A, "t").is_some());
        assert!(store.expire(ms(1_500)).is_empty());
        assert_eq!(store.next_expiry(), Some(ms(1_501)));
        assert!(store.get(ms(1_501), A, "t").is_none());
        assert!(store.page(ms(1_501), A, None, 10).0.is_empty());
        assert!(!store.advance(ms(1_501), "t", Status::Completed, None, None));
        assert_eq!(store.expire(ms(1_501)).len(), 1);
        assert_eq!(store.next_expiry(), None);
    }

    #[test]
    fn a_task_is_unknown_to_other_sessions() {
        let mut store = store(Limits::default());
        store.create(ms(0), "t".into(), A, None).unwrap();
        assert!(store.get(ms(0), A, "t").is_some());
        assert!(store.get(ms(0), B, "t").is_none());
        assert!(store.page(ms(0), B, None, 10).0.is_empty());
        assert!(store.forget(B).is_empty());
        assert_eq!(store.forget(A).len(), 1);
        assert!(store.get(ms(0), A, "t").is_none());
    }

    #[test]
    fn a_terminal_state_is_final_and_time_only_grows() {
        let mut store = store(Limits::default());
        for end in [Status::Completed, Status::Failed, Status::Cancelled] {
            let id = end.as_str();
            store.create(ms(5), id.into(), A, None).unwrap();
            assert!(store.advance(ms(5), id, Status::InputRequired, None, None));
            assert_eq!(store.get(ms(5), A, id).unwrap().updated, ms(6), "a change shows in the timestamp");
            assert!(store.advance(ms(9), id, end, Some("why".into()), None));
            let before = store.get(ms(9), A, id).unwrap().clone();
            assert_eq!(before.updated, ms(9));
            for other in [Status::Working, Status::InputRequired, Status::Completed, Status::Failed, Status::Cancelled]
            {
                assert!(!store.advance(ms(20), id, other, None, Some(Outcome::Result(json!({})))));
            }
            assert_eq!(store.get(ms(20), A, id), Some(&before));
        }
    }

    #[test]
    fn limits_hold_and_expired_tasks_count_no_more() {
        let mut store = store(Limits { tasks_per_requestor: 2, tasks: 3, smallest_ttl: 1, ..Limits::default() });
        store.create(ms(0), "1".into(), A, Some(10)).unwrap();
        store.create(ms(0), "2".into(), A, None).unwrap();
        assert_eq!(store.create(ms(0), "3".into(), A, None), Err(Refusal::Requestor(2)));
        store.create(ms(0), "3".into(), B, None).unwrap();
        assert_eq!(store.create(ms(0), "4".into(), B, None), Err(Refusal::Total(3)));
        assert!(store.create(ms(11), "4".into(), A, None).is_ok());
    }

    #[test]
    fn pages_follow_the_order_of_creation() {
        let mut store = store(Limits::default());
        for id in ["d", "a", "c", "b", "e"] {
            store.create(ms(0), id.into(), A, None).unwrap();
        }
        let mut seen = Vec::new();
        let mut after = None;
        loop {
            let (page, more) = store.page(ms(0), A, after, 2);
            seen.extend(page.iter().map(|task| task.id.clone()));
            after = page.last().map(|task| task.serial);
            if !more {
                break;
            }
        }
        assert_eq!(seen, ["d", "a", "c", "b", "e"]);
    }
}
