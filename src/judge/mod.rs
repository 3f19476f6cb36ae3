//! What a trace proves, and who is at fault. Reads a [`crate::trace::Trace`] and nothing else.

pub mod finding;

pub use finding::{Check, Cleared, Finding, Judgement, Outcome, Verdict};
