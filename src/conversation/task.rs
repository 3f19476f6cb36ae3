//! Tasks: who created them, what was seen of them, and what was said because of them.

use super::Conversation;
use crate::spec::{Revision, methods};
use crate::wire::Party;
use serde_json::Value;

/// One task of one receiver.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Its id.
    pub id: String,
    /// Who works on it.
    pub receiver: Party,
    /// The session in which it was first seen.
    pub session: usize,
    /// The CreateTaskResults that named it: one, unless the receiver gave an id twice; none, if it was made before the trace.
    pub creations: Vec<Creation>,
    /// Every Task object that was seen of it, in the order of recording.
    pub sightings: Vec<Sighting>,
    /// Index of the first message that showed it completed, failed or cancelled.
    pub ended: Option<usize>,
    /// Indices of the requests its receiver sent with its id in their `_meta`.
    pub nested: Vec<usize>,
    /// Indices of the `tasks/get` requests for it.
    pub gets: Vec<usize>,
    /// Indices of the `tasks/result` requests for it.
    pub retrievals: Vec<usize>,
    /// Indices of the `tasks/cancel` requests for it.
    pub cancels: Vec<usize>,
}

impl Task {
    /// Who asked for it.
    #[must_use]
    pub fn requestor(&self) -> Party {
        self.receiver.other()
    }

    /// Index of the request that created it, if it was seen.
    #[must_use]
    pub fn created_by(&self) -> Option<usize> {
        self.creations.first().map(|c| c.request)
    }
}

/// The request that created a task, and the answer that named it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Creation {
    /// Index of the request.
    pub request: usize,
    /// Index of the CreateTaskResult.
    pub answer: usize,
}

/// Where a Task object was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// In a CreateTaskResult.
    Created,
    /// It was the result of `tasks/get`.
    Got,
    /// In the result of `tasks/list`.
    Listed,
    /// It was the result of `tasks/cancel`.
    Cancelled,
    /// In a status notification.
    Notified,
}

/// One Task object in one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// Index of the message.
    pub message: usize,
    /// Where.
    pub place: Place,
    /// JSON pointer to it in the message.
    pub pointer: String,
    /// Its status, if that is a text.
    pub status: Option<String>,
}

impl Sighting {
    /// The Task object.
    #[must_use]
    pub fn value<'a>(&self, conversation: &'a Conversation) -> Option<&'a Value> {
        conversation.get(self.message).and_then(|s| s.message.value().pointer(&self.pointer))
    }

    /// Is it completed, failed or cancelled?
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.status.as_deref().is_some_and(terminal)
    }

    /// Does it wait for input or work?
    #[must_use]
    pub fn is_active(&self) -> bool {
        matches!(self.status.as_deref(), Some("working" | "input_required"))
    }
}

/// Is that status final?
#[must_use]
pub fn terminal(status: &str) -> bool {
    matches!(status, "completed" | "failed" | "cancelled")
}

/// The capability leaf that a receiver declares for a method that can be augmented, such as `tasks.requests.tools.call`;
/// `None` if that party's requests of that method cannot be.
#[must_use]
pub fn leaf(method: &str, requestor: Party) -> Option<&'static str> {
    let found = methods::find(Revision::V2025_11_25, method).filter(|m| m.from.has(requestor));
    found.and_then(|m| m.augmentable)
}
