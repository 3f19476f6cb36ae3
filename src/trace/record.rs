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

impl Header {
    /// Were only messages captured, and perhaps their times? Then nothing is known of how it ended.
    #[must_use]
    pub fn only_messages(&self) -> bool {
        self.captured.iter().all(|kind| kind == "message" || kind == super::capture::TIME)
    }

    /// Is it known when messages came?
    #[must_use]
    pub fn timed(&self) -> bool {
        !self.only_messages() || self.captured.iter().any(|kind| kind == super::capture::TIME)
    }
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
    /// The events, in the order of recording; after [`Body::End`] there is only how the parties left.
    pub events: Vec<Event>,
}

impl Trace {
    /// Why the play ended; `None` for a record that was cut.
    #[must_use]
    pub fn end(&self) -> Option<&EndReason> {
        self.events.iter().rev().find_map(|e| match &e.body {
            Body::End { reason } => Some(reason),
            _ => None,
        })
    }
}

/// One line of a record, the line feed included.
fn line(value: &impl Serialize) -> String {
    // nothing in a record can fail to be JSON: every map has text for keys
    let mut line = serde_json::to_string(value).unwrap_or_default();
    line.push('\n');
    line
}

/// The first line of a record on disk, the line feed included.
#[must_use]
pub fn header_line(header: &Header) -> String {
    line(header)
}

/// The line of one event on disk, the line feed included.
#[must_use]
pub fn event_line(event: &Event) -> String {
    line(event)
}

/// The form on disk: the header, then one event a line.
#[must_use]
pub fn write(trace: &Trace) -> String {
    let mut text = header_line(&trace.header);
    for event in &trace.events {
        text.push_str(&event_line(event));
    }
    text
}

/// A record that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// It, as far as it goes.
    pub trace: Trace,
    /// Where and how it breaks off, if it does.
    pub cut: Option<Cut>,
}

/// Where a record breaks off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The line, from 1: the damaged last one, or the one that is missing.
    pub line: usize,
    /// What is missing, without a full stop.
    pub reason: String,
}

/// A text that is no record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// There is nothing in it.
    #[error("line 1: the record is empty; it should begin with a header")]
    Empty,
    /// The first line is no header.
    #[error("line 1: this is no header of a run record: {0}")]
    Header(String),
    /// It was written by a newer version.
    #[error(
        "line 1: the record has format {found}, and this version reads formats 1 to {FORMAT}; a newer version can read it"
    )]
    Format {
        /// Its format.
        found: u64,
    },
    /// A line is only the beginning of an event.
    #[error("line {line}: this is only the beginning of an event of a run record")]
    BrokeOff {
        /// The line, from 1.
        line: usize,
    },
    /// A line in the middle is no event.
    #[error("line {line}: this is no event of a run record: {reason}")]
    Event {
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// An event is not where it should be.
    #[error(
        "line {line}: the event has the number {found}, and {expected} was expected; lines are missing or not in order"
    )]
    Order {
        /// The line, from 1.
        line: usize,
        /// Its number.
        found: u32,
        /// The number after that of the event before.
        expected: u32,
    },
}

/// Reads the form on disk. A record that breaks off (the writer was killed) is read as far as it goes, and [`Reading::cut`]
/// says where.
///
/// # Errors
/// When the text is no record, or is damaged elsewhere than at its end.
pub fn read(text: &str) -> Result<Reading, RecordError> {
    read_lines(text.lines())
}

/// Like [`read`], from lines without their line feeds.
///
/// # Errors
/// As [`read`].
pub fn read_lines<L: AsRef<str>>(lines: impl IntoIterator<Item = L>) -> Result<Reading, RecordError> {
    let mut lines = lines.into_iter().enumerate().filter(|(_, l)| !l.as_ref().trim().is_empty()).peekable();
    let Some((_, first)) = lines.next() else { return Err(RecordError::Empty) };
    let header = header(first.as_ref())?;
    let mut trace = Trace { header, events: Vec::new() };
    let mut reader = Reader::default();
    let mut last = 1;
    while let Some((number, text)) = lines.next() {
        last = number + 1;
        match reader.event(last, text.as_ref()) {
            Ok(event) => trace.events.push(event),
            Err(RecordError::BrokeOff { line }) if lines.peek().is_none() => {
                let reason = "the last line is only the beginning of an event".to_owned();
                return Ok(Reading { trace, cut: Some(Cut { line, reason }) });
            }
            Err(why) => return Err(why),
        }
    }
    let missing = || Cut { line: last + 1, reason: "the event that says how the play ended is missing".to_owned() };
    let cut = trace.end().is_none().then(missing);
    Ok(Reading { trace, cut })
}

/// Reads the events of a record, one line after the other.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reader {
    next: u32,
    ended: bool,
}

impl Reader {
    /// The event of the next line that is not empty.
    ///
    /// # Errors
    /// When it is none, or not the next one.
    pub fn event(&mut self, line: usize, text: &str) -> Result<Event, RecordError> {
        let event: Event = serde_json::from_str(text).map_err(|why| match why.is_eof() {
            true => RecordError::BrokeOff { line },
            false => RecordError::Event { line, reason: why.to_string() },
        })?;
        if event.seq != self.next {
            return Err(RecordError::Order { line, found: event.seq, expected: self.next });
        }
        let says_more =
            matches!(event.body, Body::Message { .. } | Body::Saw { .. } | Body::Action { .. } | Body::End { .. });
        if self.ended && says_more {
            let reason = "after the end there is only how the parties left".to_owned();
            return Err(RecordError::Event { line, reason });
        }
        self.ended |= matches!(event.body, Body::End { .. });
        self.next = self.next.saturating_add(1);
        Ok(event)
    }

    /// Did the event come that says how it ended?
    #[must_use]
    pub fn ended(&self) -> bool {
        self.ended
    }
}

/// Reads the first line of a record.
///
/// # Errors
/// When it is no header, or one that this version does not read.
pub fn header(text: &str) -> Result<Header, RecordError> {
    let value: Value = serde_json::from_str(text).map_err(|e| RecordError::Header(e.to_string()))?;
    // first the format: what else a newer header holds need not be known
    match value.get("format").and_then(Value::as_u64) {
        Some(found) if found == 0 || found > u64::from(FORMAT) => return Err(RecordError::Format { found }),
        Some(_) => {}
        None => return Err(RecordError::Header("the member `format` with a number is missing".into())),
    }
    serde_json::from_value(value).map_err(|e| RecordError::Header(e.to_string()))
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
