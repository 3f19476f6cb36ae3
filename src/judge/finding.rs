//! What the judge says: verdicts, findings, the outcome.

use crate::wire::Party;
use serde::Serialize;
use std::ops::Range;

/// A verdict, best first, so that the greater is the worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Exercised, and well.
    Pass,
    /// Never exercised; see the reason.
    NotExercised,
    /// A SHOULD was broken.
    Warn,
    /// An obligation was open when the trace ended for a reason outside the obliged party.
    Inconclusive,
    /// A MUST was broken, or the outcome was missed.
    Fail,
    /// The harness, the scenario or the environment is at fault.
    Error,
}

impl Verdict {
    /// All, best first.
    pub const ALL: [Verdict; 6] =
        [Verdict::Pass, Verdict::NotExercised, Verdict::Warn, Verdict::Inconclusive, Verdict::Fail, Verdict::Error];

    /// The words for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::NotExercised => "not exercised",
            Verdict::Warn => "warn",
            Verdict::Inconclusive => "inconclusive",
            Verdict::Fail => "fail",
            Verdict::Error => "error",
        }
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Blame {
    /// The client.
    Client,
    /// The server.
    Server,
    /// The harness itself.
    Harness,
    /// The scenario file.
    Scenario,
    /// What lies around: the peer could not be started or reached.
    Environment,
}

impl From<Party> for Blame {
    fn from(party: Party) -> Blame {
        match party {
            Party::Client => Blame::Client,
            Party::Server => Blame::Server,
        }
    }
}

impl Blame {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Blame::Client => "client",
            Blame::Server => "server",
            Blame::Harness => "harness",
            Blame::Scenario => "scenario",
            Blame::Environment => "environment",
        }
    }
}

impl std::fmt::Display for Blame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing that is wrong. One cause, one finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// [`Verdict::Warn`], [`Verdict::Inconclusive`], [`Verdict::Fail`] or [`Verdict::Error`].
    pub verdict: Verdict,
    /// The requirement that was broken; `None` where the exchange itself failed (see [`Finding::step`]).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requirement: Option<String>,
    /// Who is at fault.
    pub blame: Blame,
    /// The event that shows it: the message that is wrong, or the last one before silence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<u32>,
    /// JSON pointer to the place in that message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// The step of the scenario, such as `4.1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// The place of that step in the scenario's text, in bytes.
    #[serde(skip)]
    pub span: Option<Range<usize>>,
    /// What was expected, in one sentence without a full stop.
    pub expected: String,
    /// What came instead, in one sentence without a full stop.
    pub found: String,
    /// The decision on an ambiguity that it rests on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<String>,
    /// Does it rest on a deadline or on a settle rather than on order?
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub presumed: bool,
}

/// A requirement that was exercised on a message and held.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Cleared {
    /// The requirement.
    pub requirement: String,
    /// The party it bound.
    pub party: Party,
    /// The event that exercised it.
    pub event: u32,
    /// Does it rest on a deadline or on a settle rather than on order?
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub presumed: bool,
}

/// The outcome of a check: one requirement in one trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The requirement.
    pub requirement: String,
    /// The worst of what was seen of it.
    pub verdict: Verdict,
    /// How often it was exercised.
    pub exercised: u32,
    /// Why it was not exercised, where the scenario had promised it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Does its pass rest on a deadline or on a settle alone?
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub presumed: bool,
}

/// Did the two understand each other?
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Outcome {
    /// The course came to its end, and the application got what it promises.
    Reached {
        /// Where the exchange went another (legal) way than the file, in one sentence.
        #[serde(skip_serializing_if = "Option::is_none")]
        other_way: Option<String>,
    },
    /// It did not; the finding with this index says why.
    Missed {
        /// Index into [`Judgement::findings`].
        finding: usize,
    },
    /// The two have no revision in common, and neither is at fault.
    Apart {
        /// What the client asked for.
        client: String,
        /// What the server answered.
        server: String,
    },
    /// A precondition did not hold, or a legal choice of the peer led elsewhere.
    NotExercised {
        /// Which.
        reason: String,
    },
    /// No scenario was played: only monitors judged.
    NoScenario,
}

/// All that is said of one trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Judgement {
    /// The worst verdict of outcome and findings; [`Verdict::NotExercised`] if nothing was proven.
    pub verdict: Verdict,
    /// Did the two understand each other?
    pub outcome: Outcome,
    /// What is wrong, in the order of the trace.
    pub findings: Vec<Finding>,
    /// Every requirement that was exercised, or that the scenario had promised, by id. Only parties under test.
    pub checks: Vec<Check>,
    /// Which messages exercised which requirement, for the self-test.
    #[serde(skip)]
    pub cleared: Vec<Cleared>,
    /// The steps that were matched: step and event, in the order of matching.
    pub matched: Vec<(String, u32)>,
}
