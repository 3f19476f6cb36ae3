//! The one correlation engine: what was said, to what it is an answer, in which session, about which task, and what came
//! before what.
//!
//! A [`Conversation`] is built once from the events of a trace and then only read. It judges nothing: a message that fits
//! nowhere is kept with the link missing.

mod build;
mod departure;
mod forget;
pub mod groups;
pub mod order;
pub mod past;
mod patience;
pub mod session;
pub mod task;

pub use departure::{Departure, Moment};
pub use order::{End, Order, Point};
pub use past::{Past, Sort};
pub use patience::Limited;
pub use session::{Item, RoundTrip, Session, Stream};
pub use task::{Creation, Place, Sighting, Task};

use crate::spec::Revision;
use crate::trace::event::StepName;
use crate::trace::{Closing, EndReason, Seat, StreamId, Transport};
use crate::wire::{Kind, Message, Party};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

pub use crate::spec::RELATED_TASK;

/// One message with its links.
#[derive(Debug, Clone)]
pub struct Said {
    /// The event that recorded it.
    pub event: u32,
    /// Microseconds since the play began.
    pub at: u64,
    /// Who sent it.
    pub from: Party,
    /// The stream it came on.
    pub stream: StreamId,
    /// The HTTP round trip of that stream.
    pub round_trip: Option<u32>,
    /// Index into [`Conversation::sessions`].
    pub session: usize,
    /// The message.
    pub message: Message,
    /// Its place in a batch; the batch itself is said right before its parts.
    pub part: Option<usize>,
    /// Was only its beginning recorded? Then it cannot be judged.
    pub cut: bool,
    /// The id of its event, over HTTP.
    pub event_id: Option<String>,
    /// The step of ours that it is.
    pub step: Option<StepName>,
    /// The requirements it breaks on purpose.
    pub breaks: Vec<String>,
    /// The revision that governs it: the negotiated one, or the played one where none was negotiated.
    pub revision: Revision,
    /// For an answer: the request with its id (of the other party, in its session).
    pub answers: Option<usize>,
    /// For an answer without such a request: the message it was probably meant for.
    pub meant_for: Option<usize>,
    /// For a request: the answers with its id.
    pub answered_by: Vec<usize>,
    /// For a request: the answers that were probably meant for it though their id is another.
    pub missed_by: Vec<usize>,
    /// The method: its own, or that of the request it answers (or was meant for).
    pub method: Option<String>,
    /// For a request and its answers: is it task-augmented? (`params.task` is there and the receiver declared the method.)
    pub augmented: bool,
    /// The task it is about: index into [`Conversation::tasks`].
    pub task: Option<usize>,
    /// For a progress notification: the request that brought its token.
    pub progress_of: Option<usize>,
    /// The same message came before, on a stream that is gone: this is its redelivery.
    pub redelivers: Option<usize>,
}

impl Said {
    /// Who is meant to receive it.
    #[must_use]
    pub fn to(&self) -> Party {
        self.from.other()
    }

    /// Is it a request?
    #[must_use]
    pub fn is_request(&self) -> bool {
        matches!(self.message.kind(), Kind::Request { .. })
    }

    /// Is it a request with that method?
    #[must_use]
    pub fn requests(&self, method: &str) -> bool {
        matches!(self.message.kind(), Kind::Request { method: m, .. } if m == method)
    }

    /// Is it a notification with that method?
    #[must_use]
    pub fn notifies(&self, method: &str) -> bool {
        matches!(self.message.kind(), Kind::Notification { method: m } if m == method)
    }

    /// Is it a successful answer (a result without an error)?
    #[must_use]
    pub fn is_result(&self) -> bool {
        matches!(self.message.kind(), Kind::Result { .. })
    }

    /// Is it an error answer?
    #[must_use]
    pub fn is_error(&self) -> bool {
        matches!(self.message.kind(), Kind::Error { .. })
    }

    /// Is it a successful answer to a request of that method?
    #[must_use]
    pub fn result_of(&self, method: &str) -> bool {
        self.is_result() && self.answers.is_some() && self.method.as_deref() == Some(method)
    }

    /// Is it an error answer to a request of that method?
    #[must_use]
    pub fn error_of(&self, method: &str) -> bool {
        self.is_error() && self.answers.is_some() && self.method.as_deref() == Some(method)
    }

    /// The code of an error answer.
    #[must_use]
    pub fn error_code(&self) -> Option<i64> {
        self.message.error().get("code").and_then(Value::as_i64)
    }

    /// The value of the related-task key and its JSON pointer in the message, wherever a message may have it.
    #[must_use]
    pub fn related_task(&self) -> Option<(&Value, &'static str)> {
        let value = self.message.value();
        const PARAMS: &str = "/params/_meta/io.modelcontextprotocol~1related-task";
        const RESULT: &str = "/result/_meta/io.modelcontextprotocol~1related-task";
        [PARAMS, RESULT].into_iter().find_map(|p| value.pointer(p).map(|v| (v, p)))
    }

    /// The task id in the related-task key.
    #[must_use]
    pub fn related_task_id(&self) -> Option<&str> {
        self.related_task().and_then(|(v, _)| v.get("taskId")).and_then(Value::as_str)
    }
}

/// A program that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    /// The event that recorded it.
    pub event: u32,
    /// Microseconds since the play began.
    pub at: u64,
    /// The part it played.
    pub party: Party,
    /// Did we end it?
    pub ours: bool,
}

/// All that was said in one trace.
#[derive(Debug, Clone)]
pub struct Conversation {
    /// Whose part was ours.
    pub seat: Seat,
    /// How the messages travelled.
    pub transport: Transport,
    /// The revision that was played.
    pub played: Revision,
    /// Every message, in the order of recording.
    pub said: Vec<Said>,
    /// The sessions, in the order in which they were first seen. There is always one.
    pub sessions: Vec<Session>,
    /// The HTTP round trips by number.
    pub round_trips: BTreeMap<u32, RoundTrip>,
    /// The streams by id.
    pub streams: BTreeMap<StreamId, Stream>,
    /// The tasks, in the order in which they were first seen.
    pub tasks: Vec<Task>,
    /// Why the trace ended; `None` for one that was cut.
    pub end: Option<EndReason>,
    /// When its last event was recorded, in microseconds since it began.
    pub ended_at: u64,
    /// What the server's program did when its input was closed (stdio).
    pub departure: Option<Departure>,
    /// The programs that ended.
    pub exits: Vec<Exit>,
    /// What the application above the client was to wait for only so long.
    pub limited: Vec<Limited>,
    order: order::Clock,
    /// What is known of what is not held any more; of a trace that is held whole, nothing.
    pub past: Arc<Past>,
}

impl Conversation {
    /// The messages with their indices.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &Said)> {
        self.said.iter().enumerate()
    }

    /// The message with that index.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&Said> {
        self.said.get(index)
    }

    /// The request that a message answers.
    #[must_use]
    pub fn request_of(&self, said: &Said) -> Option<&Said> {
        said.answers.and_then(|i| self.said.get(i))
    }

    /// Did the stream on which a message of the server came break, so that it may be lost to the client, whatever a record
    /// says that was made on the way? (A client whose stream breaks has a server that went away.)
    #[must_use]
    pub fn may_be_lost(&self, said: &Said) -> bool {
        let closed = self.streams.get(&said.stream).and_then(|s| s.closed.as_ref());
        said.from == Party::Server && closed.is_some_and(|(_, how)| *how != Closing::Clean)
    }

    /// The session of a message.
    #[must_use]
    pub fn session_of(&self, said: &Said) -> Option<&Session> {
        self.sessions.get(said.session)
    }

    /// Did that party declare the capability with that dotted path (such as `tasks.requests.tools.call`) in the session of the
    /// message? `None` if its declaration was not seen.
    #[must_use]
    pub fn declares(&self, said: &Said, party: Party, path: &str) -> Option<bool> {
        self.session_of(said).and_then(|s| s.declares(party, path))
    }

    /// The task a message is about.
    #[must_use]
    pub fn task_of(&self, said: &Said) -> Option<&Task> {
        said.task.and_then(|t| self.tasks.get(t))
    }

    /// Does `a` come before `b`, for certain?
    #[must_use]
    pub fn before(&self, a: Point, b: Point) -> Order {
        self.order.before(a, b)
    }

    /// Was message `a` received before `b` was sent, for certain? (Then the sender of `b` knew `a`.)
    #[must_use]
    pub fn known_when(&self, a: usize, b: usize) -> bool {
        self.before(Point::received(a), Point::sent(b)) == Order::Yes
    }

    /// Had `a` left its sender before `b` reached its receiver, for certain? (Where the sender of `a` receives `b`: then what
    /// it says in `a` was so when it got `b`.)
    #[must_use]
    pub fn was_so(&self, a: usize, b: usize) -> bool {
        self.before(Point::sent(a), Point::received(b)) == Order::Yes
    }

    /// Did `a` leave its sender before `b` left its sender, for certain?
    #[must_use]
    pub fn sent_before(&self, a: usize, b: usize) -> bool {
        self.before(Point::sent(a), Point::sent(b)) == Order::Yes
    }

    /// The HTTP status with which the round trip of a message was answered.
    #[must_use]
    pub fn status_of(&self, said: &Said) -> Option<u16> {
        said.round_trip.and_then(|r| self.round_trips.get(&r)).and_then(|r| r.status)
    }
}

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;
