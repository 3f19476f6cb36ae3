//! Selection and scheduling: which scenarios are played against whom, and what came of all of them.

pub mod agenda;
pub mod baseline;
pub mod captures;
pub mod client;
pub mod crew;
pub mod driven;
pub mod driver_check;
pub mod drivers;
pub mod embedded;
pub mod embedded_client;
pub mod environment;
pub mod folder;
pub mod foreign;
pub mod habits;
pub mod matrix;
pub mod pace;
pub mod pair;
pub mod recorded;
pub mod repeat;
pub mod server;
pub mod summary;
pub mod surroundings;
pub mod survey;
pub mod tap;
pub mod traces;

pub use summary::Summary;

use crate::judge::finding::Blame;
use crate::judge::{Judgement, Verdict};
use crate::spec::Revision;
use crate::trace::{Seat, Trace, Transport};

/// The kinds of event that a play of ours records, by their names in the record.
pub const RECORDED: [&str; 12] = [
    "stream-opened",
    "stream-closed",
    "http-request",
    "http-response",
    "message",
    "signal",
    "process-started",
    "stderr",
    "process-signalled",
    "process-exited",
    "action",
    "saw",
];

/// One scenario that was played, and what the judge says of it.
#[derive(Debug, Clone)]
pub struct Played {
    /// The scenario's id.
    pub scenario: String,
    /// Its title.
    pub title: String,
    /// The record.
    pub trace: Trace,
    /// What the judge says of it.
    pub judgement: Judgement,
    /// The command that plays it again, without the program's name: `server --peer x --scenario y --transport stdio`.
    pub again: String,
}

impl Played {
    /// A name for it that is unique in a run: scenario, transport, and the choices that were ours.
    #[must_use]
    pub fn name(&self) -> String {
        let mut name = format!("{} ({})", self.scenario, self.trace.header.transport);
        if !self.trace.header.choices.is_empty() {
            let choices: Vec<String> = self.trace.header.choices.iter().map(u8::to_string).collect();
            name.push_str(&format!(" [{}]", choices.join(",")));
        }
        name
    }
}

/// One scenario that was not played, because something it needs is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The scenario's id.
    pub scenario: String,
    /// On which transport.
    pub transport: Transport,
    /// What it needs, in one sentence.
    pub reason: String,
    /// The requirements it would have shown.
    pub claims: Vec<String>,
}

/// Something that keeps a whole peer (on one transport) from being tested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// On which transport.
    pub transport: Transport,
    /// What went wrong, in one sentence, and what to do.
    pub what: String,
    /// What the peer wrote on its standard error.
    pub stderr: Option<String>,
    /// Whose fault that is: the environment's, or the peer's once it had answered well.
    pub blame: Blame,
}

impl Trouble {
    /// A failure of the peer, or an error of something else.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self.blame {
            Blame::Client | Blame::Server => Verdict::Fail,
            Blame::Environment | Blame::Harness | Blame::Scenario => Verdict::Error,
        }
    }
}

/// All that came of a run against one peer.
#[derive(Debug, Clone)]
pub struct Results {
    /// Whose part was ours.
    pub seat: Seat,
    /// The name of the peer under test, as the user knows it.
    pub peer: String,
    /// The revision.
    pub revision: Revision,
    /// What was played, in the order of selection.
    pub played: Vec<Played>,
    /// What was not.
    pub skipped: Vec<Skipped>,
    /// What kept the peer from being tested on a transport at all.
    pub troubles: Vec<Trouble>,
    /// What the peer's entry in `harness.toml` claims and the peer does not offer.
    pub unkept: Vec<String>,
    /// Was the run interrupted by the user?
    pub interrupted: bool,
}

impl Results {
    /// Of a run in which nothing has happened yet.
    #[must_use]
    pub fn new(seat: Seat, peer: &str, revision: Revision) -> Results {
        Results {
            seat,
            peer: peer.to_owned(),
            revision,
            played: Vec::new(),
            skipped: Vec::new(),
            troubles: Vec::new(),
            unkept: Vec::new(),
            interrupted: false,
        }
    }

    /// Takes in what came of another run of the same peer.
    pub fn extend(&mut self, other: Results) {
        self.played.extend(other.played);
        self.skipped.extend(other.skipped);
        self.troubles.extend(other.troubles);
        self.unkept.extend(other.unkept);
        self.interrupted |= other.interrupted;
    }
}
