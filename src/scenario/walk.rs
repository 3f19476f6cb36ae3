//! What the automaton says of an exchange: which event was which step, what differed, what was shown, where it ended.

use super::source::Span;
use crate::trace::event::StepName;
use crate::wire::Party;

/// What came of walking through an exchange.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Walk {
    /// Steps and the events that were them, in the order of matching.
    pub matched: Vec<(StepName, u32)>,
    /// What differed from the file.
    pub deviations: Vec<Deviation>,
    /// What was shown.
    pub shown: Vec<Shown>,
    /// What was claimed and not reached, and why.
    pub unreached: Vec<Unreached>,
    /// Messages that a later step names and that came before their time: step, event.
    pub early: Vec<(StepName, u32)>,
    /// Where the exchange first went another way than the file, legally so far.
    pub other_way: Option<String>,
    /// How it ended.
    pub ending: Ending,
}

/// A failed assertion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deviation {
    /// The step.
    pub step: StepName,
    /// The event that differs.
    pub event: u32,
    /// Who sent it.
    pub party: Party,
    /// JSON pointer into the message; empty for the whole.
    pub pointer: String,
    /// What was expected.
    pub expected: String,
    /// What came.
    pub found: String,
    /// Where the expectation stands in the file.
    pub span: Span,
    /// The requirements whose proof this step claims.
    pub proves: Vec<String>,
    /// The decision the step rests on.
    pub decision: Option<String>,
}

/// A claim that was reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The requirement.
    pub requirement: String,
    /// The step that claims it.
    pub step: StepName,
    /// The event that shows it.
    pub event: u32,
    /// The party whose act the step is.
    pub party: Party,
    /// Did everything hold that the step asserts?
    pub held: bool,
    /// Did the message come before its time?
    pub early: bool,
    /// Does it rest on a settle?
    pub presumed: bool,
}

/// A claim that was not reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreached {
    /// The requirement.
    pub requirement: String,
    /// The step that claims it.
    pub step: StepName,
    /// The party that would have shown it.
    pub party: Party,
    /// Why.
    pub reason: String,
}

/// How an exchange ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Ending {
    /// It has not ended yet.
    #[default]
    Open,
    /// The course came to its end.
    Complete,
    /// A condition of the course did not hold, or a step said what its absence means.
    NotExercised {
        /// Which.
        reason: String,
    },
    /// Something was owed when the trace ended.
    Owed {
        /// The step.
        step: StepName,
        /// Who owes it.
        party: Party,
        /// What, in words.
        expected: String,
        /// What there was instead, in words.
        found: String,
        /// The last event before the silence.
        event: Option<u32>,
        /// Where the step stands.
        span: Span,
        /// The requirements whose proof it claims.
        proves: Vec<String>,
    },
}
