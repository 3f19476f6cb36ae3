//! A scenario, read and expanded: `cases` made into one scenario each, `cast` and the `when`s on case values resolved.

use super::pattern::Pattern;
use super::source::{Source, Span};
use crate::spec::Revision;
use crate::trace::Transport;
use crate::wire::Party;
use std::sync::Arc;
use std::time::Duration;

/// One scenario: one course, told from nobody's side.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// `tasks/question-in-a-task`, or `tasks/unknown-ids#get` for a case.
    pub id: String,
    /// What it shows, in one sentence.
    pub title: String,
    /// Its file.
    pub source: Arc<Source>,
    /// The revisions for which it holds.
    pub revisions: Vec<Revision>,
    /// The transports on which it holds.
    pub transports: Vec<Transport>,
    /// The name under which the ecosystem's clients know it.
    pub known_as: Option<String>,
    /// What it needs of the parties.
    pub needs: Vec<Need>,
    /// The facts of the fixture and the values of the case, in order: a later one of the same name replaces an earlier.
    pub given: Vec<(String, Pattern)>,
    /// Who the requestor is, where `cast` says so; the other party is the receiver. The steps name the parties already.
    pub requestor: Option<Party>,
    /// What the application above the client does.
    pub drive: Vec<Action>,
    /// Laid over the handshake that the era prescribes.
    pub opening: Option<Opening>,
    /// Further clients by name (beside `client`).
    pub parties: Vec<String>,
    /// The course.
    pub exchange: Vec<Step>,
}

/// What is laid over the messages of the handshake.
#[derive(Debug, Clone, Default)]
pub struct Opening {
    /// Over the `params` of `initialize`.
    pub params: Option<Pattern>,
    /// Over the `result` of `initialize`.
    pub result: Option<Pattern>,
}

impl Scenario {
    /// The capabilities that the server must not declare, by dotted path.
    #[must_use]
    pub fn lacking(&self) -> Vec<String> {
        self.lacking_of(Party::Server)
    }

    /// The capabilities that a party must not declare, by their dotted paths.
    #[must_use]
    pub fn lacking_of(&self, party: Party) -> Vec<String> {
        let lacks = |need: &Need| match &need.what {
            Needed::Lack(path) if need.party == party => Some(path.clone()),
            _ => None,
        };
        self.needs.iter().filter_map(lacks).collect()
    }
}

/// Something that a party must offer, or must not.
#[derive(Debug, Clone)]
pub struct Need {
    /// Who.
    pub party: Party,
    /// What.
    pub what: Needed,
    /// Where it stands.
    pub span: Span,
}

/// What can be needed.
#[derive(Debug, Clone)]
pub enum Needed {
    /// A capability by its dotted path, such as `tasks.requests.tools.call`.
    Capability(String),
    /// That a capability is not declared, by its dotted path.
    Lack(String),
    /// A tool, by a literal name or a `$name`.
    Tool(Pattern),
    /// A prompt, likewise.
    Prompt(Pattern),
    /// A resource, by URI.
    Resource(Pattern),
    /// The server assigns a session id.
    Session,
    /// The server does what no server does by itself, and what nobody but us can make it do.
    Moved,
}

/// One thing that the application above the client does, or stands ready to do.
#[derive(Debug, Clone)]
pub struct Action {
    /// What.
    pub what: Doing,
    /// Only under these conditions on the play (`transport`).
    pub when: Vec<Condition>,
    /// The label of the step whose answer the application gets.
    pub sees: Option<String>,
    /// Only once this step has happened.
    pub once: Option<String>,
    /// What it answers, where the step that answers does not say it: the answer to a question that comes as a task.
    pub with: Option<Pattern>,
    /// How long it takes (for an answer).
    pub after: Option<Duration>,
    /// How long it waits for its answer before it gives up.
    pub gives_up: Option<Duration>,
    /// The kind of notification it collects, such as `progress`.
    pub collects: Option<String>,
    /// Where it stands.
    pub span: Span,
    /// Where its members stand: `target`, `sees`, `once`, `collects`.
    pub places: Places,
}

/// What an application does.
#[derive(Debug, Clone)]
pub enum Doing {
    /// Calls the tool that the labelled `tools/call` step names, plainly.
    CallTool {
        /// The label of the step.
        step: String,
    },
    /// Calls it as a task and sees it through to its result.
    CallToolAsTask {
        /// The label of the step.
        step: String,
    },
    /// Answers the labelled request of the server with what the file says the client answers.
    WhenAsked {
        /// The label of the request; empty: whatever is asked.
        step: String,
    },
    /// Lists the tools, resources or prompts once.
    List {
        /// `tools/list`, ...
        method: Pattern,
        /// The label of the step.
        step: String,
    },
    /// Walks a list to its end.
    ListEverything {
        /// `tools/list`, ...
        method: Pattern,
    },
    /// Makes the labelled request by what the SDK has for its method. A client of ours leaves that to the script.
    Request {
        /// The label of the step.
        step: String,
    },
    /// Cancels what it does for the labelled request. A client of ours leaves that to the script.
    Cancel {
        /// The label of the request.
        step: String,
    },
    /// Changes the roots, which the labelled notification tells. A client of ours leaves that to the script.
    ChangeRoots {
        /// The label of the notification.
        step: String,
    },
    /// Opens `subscriptions/listen`.
    Listen {
        /// The label of the step.
        step: String,
    },
}

impl Doing {
    /// The label of the step that it brings about.
    #[must_use]
    pub fn step(&self) -> Option<&str> {
        match self {
            Doing::CallTool { step } | Doing::CallToolAsTask { step } | Doing::WhenAsked { step } => Some(step),
            Doing::List { step, .. } | Doing::Listen { step } => Some(step),
            Doing::Request { step } | Doing::Cancel { step } | Doing::ChangeRoots { step } => Some(step),
            Doing::ListEverything { .. } => None,
        }
    }
}

/// A condition on the play that is not known before it is chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// `when: { transport: stdio }`.
    Transport(Transport),
}

/// One step of the course.
#[derive(Debug, Clone)]
pub struct Step {
    /// Its place: `1`, `2`, `4.1` (the first step in the block that is the fourth), `4.b1` (of its second branch), `4.n1` (of
    /// its `never`). Counted in the file, before `when` takes steps out.
    pub name: String,
    /// Only under these conditions on the play.
    pub when: Vec<Condition>,
    /// What it is.
    pub body: StepBody,
    /// The requirements that its completion shows.
    pub proves: Vec<Proof>,
    /// The decision it rests on.
    pub decision: Option<String>,
    /// How long the other party may take: for an act, since it became due; for a block, since it was entered.
    pub within: Option<Wait>,
    /// Why it is *not exercised* when it does not come to pass: the reason of `otherwise: not exercised, <reason>`.
    pub otherwise: Option<String>,
    /// Where it stands (the line that says who does what).
    pub span: Span,
    /// Where its members stand: `target`, `as`, `over`, `within`, `decision` and so on.
    pub places: Places,
}

impl Step {
    /// The lists of steps inside it, in the order of the file; none for an act.
    pub fn inner(&self) -> impl Iterator<Item = &Vec<Step>> {
        let (one, many): (Option<&Vec<Step>>, &[Vec<Step>]) = match &self.body {
            StepBody::Act(_) | StepBody::Needs { .. } => (None, &[]),
            StepBody::May { steps, .. } => (Some(steps), &[]),
            StepBody::Loop(l) => (Some(&l.steps), &[]),
            StepBody::Choose { branches, .. } | StepBody::Par { branches } => (None, branches),
            StepBody::During { steps, never } => (Some(steps), std::slice::from_ref(never)),
        };
        one.into_iter().chain(many)
    }
}

/// Visits every step, those in blocks too, in the order of the file.
pub fn each_step<'a>(steps: &'a [Step], f: &mut dyn FnMut(&'a Step)) {
    for step in steps {
        f(step);
        for inner in step.inner() {
            each_step(inner, f);
        }
    }
}

/// Where the members of a step or an action stand. Says nothing in `Debug`: places are no part of the meaning.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Places(Vec<(&'static str, Span)>);

impl Places {
    /// Notes a place.
    pub fn add(&mut self, member: &'static str, span: Span) {
        self.0.push((member, span));
    }

    /// The place of a member's value.
    #[must_use]
    pub fn of(&self, member: &str) -> Option<Span> {
        self.0.iter().find(|(m, _)| *m == member).map(|(_, s)| *s)
    }
}

impl std::fmt::Debug for Places {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("_")
    }
}

/// An id in `proves` with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The requirement.
    pub id: String,
    /// Where it stands.
    pub span: Span,
}

/// A span of time, `10s`, `50ms` or `$ttl + 3s`: the sum of a fixed part and, at most, one bound number of milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// The fixed part.
    pub fixed: Duration,
    /// The name of a number of milliseconds.
    pub plus: Option<super::pattern::Path>,
}

/// What a step can be.
#[derive(Debug, Clone)]
pub enum StepBody {
    /// A party does something.
    Act(Box<Act>),
    /// `client may:`: all of it or none of it.
    May {
        /// Who decides.
        decider: Party,
        /// What it may do.
        steps: Vec<Step>,
    },
    /// `server chooses:`: one of these.
    Choose {
        /// Who decides.
        decider: Party,
        /// The branches.
        branches: Vec<Vec<Step>>,
    },
    /// `loop:`.
    Loop(Box<Loop>),
    /// `par:`: all of these, in any order.
    Par {
        /// The branches.
        branches: Vec<Vec<Step>>,
    },
    /// `during: .. never: ..`: a window in which something must not happen.
    During {
        /// The steps that make the window; it opens with the first and closes with the last.
        steps: Vec<Step>,
        /// Acts that must not be seen in it.
        never: Vec<Step>,
    },
    /// `needs: { $ttl: <integer 1..5000> }`: otherwise the rest is not exercised.
    Needs {
        /// Names and what they must be.
        conditions: Vec<(super::pattern::Path, Pattern)>,
        /// The reason that is shown, with names in it.
        because: Pattern,
    },
}

/// A loop.
#[derive(Debug, Clone)]
pub struct Loop {
    /// One turn.
    pub steps: Vec<Step>,
    /// The last message of a turn after which another turn may follow.
    pub while_: Option<Payload>,
    /// The last message of the last turn.
    pub ends_with: Option<Payload>,
    /// At least so many turns.
    pub at_least: u32,
    /// At most so many turns.
    pub at_most: Option<u32>,
    /// Names bound by one turn and used by the next, with their first value.
    pub carry: Vec<(String, Pattern)>,
}

/// What is asserted of a message, or laid over it.
#[derive(Debug, Clone, Default)]
pub struct Payload {
    /// Its `params`.
    pub params: Option<Pattern>,
    /// Its `result`.
    pub result: Option<Pattern>,
    /// Its `error`.
    pub error: Option<Pattern>,
}

/// One act of a party.
#[derive(Debug, Clone)]
pub struct Act {
    /// Who.
    pub party: Party,
    /// Which client, where there are several; `None` is the first.
    pub named: Option<String>,
    /// What it does.
    pub verb: Verb,
    /// `as:`.
    pub label: Option<String>,
    /// What is asserted or laid over.
    pub payload: Payload,
    /// What is asserted of, or laid over, the HTTP round trip.
    pub http: Option<Http>,
    /// The label of the request or listening stream over which it must come.
    pub over: Option<String>,
    /// For `drops`: the label of a message of the other party on that connection that counts as lost with it.
    pub losing: Option<String>,
    /// Not before this has passed since the step before (`$retry`).
    pub not_before: Option<Wait>,
    /// The requirements it breaks on purpose.
    pub breaks: Vec<Proof>,
}

impl Act {
    /// Is it a part of the handshake?
    #[must_use]
    pub fn greets(&self) -> bool {
        match &self.verb {
            Verb::Requests { method } => method == "initialize",
            Verb::Notifies { method } => method == "notifications/initialized",
            _ => false,
        }
    }
}

/// The verbs. Targets are literal or, where a case decides, already resolved.
#[derive(Debug, Clone)]
pub enum Verb {
    /// `client requests: tools/call`
    Requests {
        /// The method.
        method: String,
    },
    /// `server answers: call`: a result or an error to the request with that label (or, unlabelled, of that method).
    Answers {
        /// The label or the method.
        request: String,
    },
    /// `client notifies: notifications/cancelled`
    Notifies {
        /// The method.
        method: String,
    },
    /// `client sends: $bytes`
    Sends {
        /// The bytes.
        bytes: Pattern,
    },
    /// `client opens: stream`: a listening stream (GET).
    Opens {
        /// What is opened.
        what: String,
    },
    /// `client drops: call`: closes the connection on which the answer would come.
    Drops {
        /// The label.
        request: String,
    },
    /// `client resumes: call`: comes back with `Last-Event-ID`.
    Resumes {
        /// The label.
        request: String,
    },
    /// `client cancels: listen`
    Cancels {
        /// The label.
        request: String,
    },
    /// `server closes: call`: the connection, not the stream.
    Closes {
        /// The label.
        request: String,
    },
    /// `client deletes: session`
    Deletes {
        /// What is deleted.
        what: String,
    },
    /// `server accepts: note`: a success status without a message.
    Accepts {
        /// The label.
        request: String,
    },
    /// `server refuses: list`: an error status.
    Refuses {
        /// The label.
        request: String,
    },
}

/// `http:`.
#[derive(Debug, Clone, Default)]
pub struct Http {
    /// The status.
    pub status: Option<Pattern>,
    /// Headers, names as written.
    pub headers: Option<Pattern>,
    /// The body.
    pub body: Option<Pattern>,
    /// `events: { last id: .., retry: .. }`
    pub last_id: Option<Pattern>,
    /// The reconnection time of the stream.
    pub retry: Option<Pattern>,
}
