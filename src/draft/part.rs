//! The parts of a draft, in the order of the file.

use crate::scenario::Pattern;
use crate::wire::Party;

/// One part of an exchange.
#[derive(Debug, Clone)]
pub(super) enum Part {
    /// A message as a step.
    Act(Act),
    /// A request that the client's library made by itself, and its answer.
    May(Vec<Act>),
    /// Polls of a task.
    Poll(Poll),
    /// A list that was walked to its end.
    Walk(Walk),
    /// What could not be written, or was left out.
    Note(String),
}

/// A message as a step.
#[derive(Debug, Clone)]
pub(super) struct Act {
    pub(super) party: Party,
    /// `requests`, `answers`, `notifies`.
    pub(super) verb: &'static str,
    /// A method or a label.
    pub(super) target: String,
    pub(super) label: Option<String>,
    /// `params`, `result` or `error`.
    pub(super) payload: Option<(&'static str, Pattern)>,
    /// What the harness waited before it said that, in milliseconds.
    pub(super) not_before: Option<u64>,
    /// What the harness broke on purpose.
    pub(super) breaks: Vec<String>,
    /// The event of the message.
    pub(super) event: u32,
    pub(super) proves: Vec<String>,
}

/// Polls of one task with nothing between them.
#[derive(Debug, Clone)]
pub(super) struct Poll {
    pub(super) requestor: Party,
    /// The pattern of its id.
    pub(super) task: Pattern,
    /// What the harness answers, where the reference peer would not come to that by itself.
    pub(super) says: Option<Pattern>,
    /// The states before the last, each once.
    pub(super) before: Vec<String>,
    /// How the last of them was answered.
    pub(super) last: Last,
    /// How long it took, in microseconds.
    pub(super) took: u64,
    pub(super) events: Vec<u32>,
    pub(super) proves: Vec<String>,
}

/// How the last poll of a task was answered.
#[derive(Debug, Clone)]
pub(super) enum Last {
    /// With that state.
    State(String),
    /// With an error of that code: the task is not known any more.
    Error(i64),
}

/// A list that was walked page by page.
#[derive(Debug, Clone)]
pub(super) struct Walk {
    pub(super) method: String,
    /// The member with the page.
    pub(super) list: &'static str,
    /// The name of the cursor.
    pub(super) cursor: String,
    pub(super) pages: usize,
    pub(super) took: u64,
    pub(super) events: Vec<u32>,
    pub(super) proves: Vec<String>,
}

/// What the application does.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Action {
    /// `call tool`, `when asked`, `request`, ...
    pub(super) what: &'static str,
    /// A label, or the method of a list.
    pub(super) target: String,
    pub(super) sees: Option<String>,
    pub(super) once: Option<String>,
    pub(super) with: Option<Pattern>,
}
