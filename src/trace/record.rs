//! A whole run record, and its form on disk: one JSON object a line, the header first.

use super::event::{Body, EndReason, Event, Seat, Transport};
use crate::spec::Revision;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The version of the form on disk.
pub const FORMAT: u32 = 1;

/// What must be known to judge a trace without the peers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// [`FORMAT`] when it was written.
    pub format: u32,
    /// The version of the program that wrote it.
    pub harness: String,
    /// Digests of the catalogue and the schemas it was recorded under.
    pub digests: Map<String, Value>,
    /// The scenario, if one was played.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub scenario: Option<Script>,
    /// Whose part was ours.
    pub seat: Seat,
    /// The revision that was played.
    pub revision: Revision,
    /// How the messages travelled.
    pub transport: Transport,
    /// The name of the client.
    pub client: String,
    /// The name of the server.
    pub server: String,
    /// The branches that were taken where the choice was ours, in the order of the file.
    pub choices: Vec<u8>,
    /// The fresh values of this run, by their place.
    pub fresh: Map<String, Value>,
    /// What a user bound in place of the fixture's facts.
    pub bound: Map<String, Value>,
    /// The bounds in force.
    pub limits: Map<String, Value>,
    /// The kinds of event that were captured; what is not named here was not watched.
    pub captured: Vec<String>,
}

/// The scenario that was played, with its text, so that a trace can be judged when the file has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Script {
    /// Its id, such as `tasks/question-in-a-task` or `tasks/unknown-ids#get`.
    pub id: String,
    /// The file, relative to the scenario folder.
    pub file: String,
    /// The text of the file.
    pub text: String,
}

/// A run record.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// What must be known to judge it.
    pub header: Header,
    /// The events, in the order of recording; the last is [`Body::End`].
    pub events: Vec<Event>,
}

impl Trace {
    /// Why the play ended; `None` for a record that was cut.
    #[must_use]
    pub fn end(&self) -> Option<&EndReason> {
        match self.events.last().map(|e| &e.body) {
            Some(Body::End { reason }) => Some(reason),
            _ => None,
        }
    }
}
