//! What a party does for a request, as data: waiting, telling, asking back, and how it ends.

use super::rpc::Outcome;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::time::Duration;

/// A request that the work has for the other party.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    /// Its method.
    pub method: String,
    /// Its params, without `task` and `_meta`.
    pub params: Value,
    /// Ask for it as a task with that ttl (in milliseconds), if the other party declares that it can.
    pub as_task: Option<u64>,
}

impl Ask {
    /// A plain one.
    #[must_use]
    pub fn new(method: &str, params: Value) -> Ask {
        Ask { method: method.into(), params, as_task: None }
    }
}

/// One step of a work.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Take that long.
    Wait(Duration),
    /// Send `notifications/message` with that level and data.
    Log {
        /// One of the eight levels.
        level: &'static str,
        /// What to say.
        data: Value,
    },
    /// Send `notifications/progress`, if the request had a token.
    Progress {
        /// How far.
        progress: u32,
        /// Of how much.
        total: u32,
    },
    /// Ask the other party all of these at once, and wait for all answers.
    Ask(Vec<Ask>),
    /// A step of the work is done: tell the witness.
    Done,
    /// Close the connection that carries the answer, but not its stream (Streamable HTTP; elsewhere nothing).
    CloseStream,
}

/// How a work ends, from the answers to everything it asked, in order.
pub type Finish = Box<dyn FnOnce(&[Outcome]) -> Outcome + Send>;

/// A work: its steps and its end.
pub struct Plan {
    /// What it does.
    pub steps: VecDeque<Step>,
    /// It does not stop when its task is cancelled.
    pub stubborn: bool,
    /// The token under which a witness is told of it, if it is.
    pub witness: Option<String>,
    /// How it ends.
    pub finish: Finish,
}

impl std::fmt::Debug for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plan").field("steps", &self.steps).field("stubborn", &self.stubborn).finish_non_exhaustive()
    }
}

impl Plan {
    /// Ends at once like this.
    #[must_use]
    pub fn end(outcome: Outcome) -> Plan {
        Plan { steps: VecDeque::new(), stubborn: false, witness: None, finish: Box::new(move |_| outcome) }
    }

    /// Ends at once with this `CallToolResult` text.
    #[must_use]
    pub fn text(text: &str) -> Plan {
        Plan::end(text_result(text))
    }

    /// Ends at once with an `isError` result: the tool cannot do what was asked.
    #[must_use]
    pub fn unable(text: &str) -> Plan {
        Plan::end(error_result(text))
    }

    /// Does this before what it would have ended with.
    #[must_use]
    pub fn after(mut self, step: Step) -> Plan {
        self.steps.push_back(step);
        self
    }

    /// Waits before what it would have ended with.
    #[must_use]
    pub fn after_ms(self, ms: u64) -> Plan {
        self.after(Step::Wait(Duration::from_millis(ms)))
    }

    /// Asks, then ends by the answers.
    pub fn ask(asks: Vec<Ask>, finish: impl FnOnce(&[Outcome]) -> Outcome + Send + 'static) -> Plan {
        Plan { steps: VecDeque::from([Step::Ask(asks)]), stubborn: false, witness: None, finish: Box::new(finish) }
    }
}

/// A `CallToolResult` with one text.
#[must_use]
pub fn text_result(text: &str) -> Outcome {
    Outcome::Result(json!({ "content": [{ "type": "text", "text": text }] }))
}

/// A `CallToolResult` that reports an error of the tool.
#[must_use]
pub fn error_result(text: &str) -> Outcome {
    Outcome::Result(json!({ "content": [{ "type": "text", "text": text }], "isError": true }))
}
