//! The minimal form of a capture, which other programs can write: one JSON-RPC message a line, with who sent it.
//!
//! `docs/captures.md` describes it, `schemas/capture.schema.json` checks it. It shows messages and nothing else: no heads of HTTP,
//! no ends of streams or programs, and no end of its own. The header that is made for it says so, and monitors that need more
//! stay out of it.

use super::event::{Body, Event, Seat, StreamId, Text, Transport};
use super::record::{FORMAT, Header};
use crate::spec::Revision;
use crate::wire::Party;
use crate::wire::json::{self, Limits, MAX_DEPTH};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// The version of the form.
pub const VERSION: u64 = 1;
/// The kind of event that says that times were captured.
pub const TIME: &str = "time";
/// So many streams may be told apart in one capture.
const STREAMS: usize = 10_000;
/// Milliseconds beyond this are no time since anything: some three hundred thousand years.
const LATEST: f64 = 9e15;

/// The first line, which may be left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preface {
    /// [`VERSION`].
    pub capture: u64,
    /// How the messages travelled. Left out, it is HTTP, of which only the messages are seen: nothing is made of the order
    /// between streams.
    #[serde(default)]
    pub transport: Option<Transport>,
    /// The revision that is assumed where no handshake tells it.
    #[serde(default)]
    pub revision: Option<Revision>,
    /// The name of the client.
    #[serde(default)]
    pub client: Option<String>,
    /// The name of the server.
    #[serde(default)]
    pub server: Option<String>,
}

/// The line of a message; the message itself is taken as it was written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    from: Party,
    #[serde(default)]
    message: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    text: Option<Text>,
    #[serde(default)]
    at: Option<f64>,
    #[serde(default)]
    session: Option<String>,
    #[serde(default)]
    stream: Option<String>,
}

/// A line that does not belong into a capture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct CaptureError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, and what to do.
    pub reason: String,
    /// Is it only the beginning of a line, as it is left by a writer that was killed?
    pub broke_off: bool,
}

/// Which form a file has, by its first line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A run record of ours.
    Record,
    /// The minimal form.
    Minimal,
}

impl Form {
    /// Looks at the first line that is not empty.
    #[must_use]
    pub fn of(line: &str) -> Option<Form> {
        let value: Value = serde_json::from_str(line).ok()?;
        let has = |member: &str| value.get(member).is_some();
        match () {
            () if has("format") => Some(Form::Record),
            () if has("capture") || has("from") => Some(Form::Minimal),
            () => None,
        }
    }
}

/// Reads the lines of one capture.
#[derive(Debug, Default)]
pub struct Reader {
    preface: Preface,
    begun: bool,
    /// Do lines say when they were recorded? The first one tells.
    timed: Option<bool>,
    /// The first time, and the latest, in milliseconds.
    times: Option<(f64, f64)>,
    streams: HashMap<(String, Party, String), StreamId>,
}

/// One message of a session.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// The session by the name that the capture gives it; empty where it gives none.
    pub session: String,
    /// The message. Its number is that of its line.
    pub event: Event,
}

impl Reader {
    /// The next line that is not empty; `None` for the preface.
    ///
    /// # Errors
    /// When it is no line of a capture.
    pub fn line(&mut self, number: usize, text: &str) -> Result<Option<Said>, CaptureError> {
        let wrong = |reason: String| CaptureError { line: number, reason, broke_off: false };
        let first = !std::mem::replace(&mut self.begun, true);
        if first && serde_json::from_str::<Value>(text).is_ok_and(|v| v.get("capture").is_some()) {
            self.preface = preface(text).map_err(wrong)?;
            return Ok(None);
        }
        let line: Line = serde_json::from_str(text).map_err(|why| CaptureError {
            line: number,
            reason: format!(
                "this is no line of a capture, such as {{\"from\": \"client\", \"message\": {{..}}}}: {}",
                plain(&why)
            ),
            broke_off: why.is_eof(),
        })?;
        let text = match (line.message, line.text) {
            (Some(_), None) => as_written(text).map_err(wrong)?,
            (None, Some(text)) => text,
            (None, None) => return Err(wrong("the message is missing: write it as `message`, or as `text`".into())),
            (Some(_), Some(_)) => return Err(wrong("`message` and `text` are two messages; write one a line".into())),
        };
        let at = self.time(line.at).map_err(wrong)?;
        let session = line.session.unwrap_or_default();
        let stream = self.stream(&session, line.from, line.stream.unwrap_or_default()).map_err(wrong)?;
        let seq = u32::try_from(number).map_err(|_| wrong("there are more lines than can be counted".into()))?;
        let (event_id, step, breaks, cut_from) = (None, None, Vec::new(), None);
        let body = Body::Message { stream, from: line.from, text, event_id, step, breaks, cut_from };
        Ok(Some(Said { session, event: Event { seq, at, body } }))
    }

    /// Microseconds since the first message.
    fn time(&mut self, at: Option<f64>) -> Result<u64, String> {
        match (at, *self.timed.get_or_insert(at.is_some())) {
            (None, false) => Ok(0),
            (Some(_), false) => {
                Err("`at` stands here and not in the lines before; write it in every line, or in none".into())
            }
            (None, true) => Err("`at` is missing; it stands in the lines before".into()),
            (Some(now), true) => {
                if !(0.0..LATEST).contains(&now) {
                    return Err(format!("`at` is {now}, and should be a number of milliseconds from 0"));
                }
                let (start, latest) = self.times.unwrap_or((now, now));
                if now < latest {
                    return Err(format!(
                        "`at` is {now}, which is before the line above ({latest}); lines stand in the order in which they were recorded"
                    ));
                }
                self.times = Some((start, now));
                // far below 2^64, and not negative
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded above")]
                Ok(((now - start) * 1000.0).round() as u64)
            }
        }
    }

    fn stream(&mut self, session: &str, from: Party, name: String) -> Result<StreamId, String> {
        let next = u32::try_from(self.streams.len()).unwrap_or(u32::MAX);
        let key = (session.to_owned(), from, name);
        if !self.streams.contains_key(&key) && self.streams.len() >= STREAMS {
            return Err(format!("more than {STREAMS} streams are told apart; leave `stream` out where order is known"));
        }
        Ok(*self.streams.entry(key).or_insert(StreamId(next)))
    }

    /// The header for what was read; `revision` is in force where no handshake tells another.
    #[must_use]
    pub fn header(&self, revision: Revision) -> Header {
        let mut captured = vec!["message".to_owned()];
        if self.timed == Some(true) {
            captured.push(TIME.to_owned());
        }
        Header {
            format: FORMAT,
            harness: env!("CARGO_PKG_VERSION").to_owned(),
            digests: Map::new(),
            scenario: None,
            seat: Seat::Observer,
            revision,
            transport: self.preface.transport.unwrap_or(Transport::Http),
            client: self.preface.client.clone().unwrap_or_else(|| "client".into()),
            server: self.preface.server.clone().unwrap_or_else(|| "server".into()),
            choices: Vec::new(),
            fresh: Map::new(),
            bound: Map::new(),
            limits: Map::new(),
            captured,
        }
    }

    /// The revision that the preface names.
    #[must_use]
    pub fn revision(&self) -> Option<Revision> {
        self.preface.revision
    }
}

fn preface(text: &str) -> Result<Preface, String> {
    let version = serde_json::from_str::<Value>(text).ok().and_then(|v| v.get("capture").and_then(Value::as_u64));
    match version {
        Some(VERSION) => {
            serde_json::from_str(text).map_err(|e| format!("this is no first line of a capture: {}", plain(&e)))
        }
        Some(other) => Err(format!(
            "the capture has version {other}, and this program reads version {VERSION}; a newer one may read it"
        )),
        None => Err(format!("`capture` should be the version of the form, {VERSION}")),
    }
}

/// The text of the member `message`, as it was written: what a parser would hide stays in it.
fn as_written(text: &str) -> Result<Text, String> {
    let document = json::read(text.as_bytes(), &Limits { depth: MAX_DEPTH }).map_err(|e| e.to_string())?;
    let raw = document.raw("/message", text.as_bytes()).unwrap_or_default();
    Ok(Text::of(raw))
}

/// Without the place: a line is a line, and columns of a long one help nobody.
fn plain(why: &serde_json::Error) -> String {
    let text = why.to_string();
    match text.find(" at line ") {
        Some(end) => text.get(..end).unwrap_or_default().to_owned(),
        None => text,
    }
}

#[cfg(test)]
#[path = "capture_tests.rs"]
mod tests;
