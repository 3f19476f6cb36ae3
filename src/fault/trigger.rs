//! Says which messages, heads and events a fault is about.

use super::Request;
use crate::trace::StreamKind;
use crate::wire::{Kind, Message, Party};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Says what is meant.
///
/// Where the part is a message, `kind`, `method` and the values speak of it; elsewhere of the message that was posted in the
/// same round trip.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Trigger {
    /// Who sends it; for [`super::Fault::on`] always [`super::Fault::by`].
    #[serde(default)]
    pub from: Option<Party>,
    /// What part of what goes over the wire.
    #[serde(default)]
    pub part: Part,
    /// What kind of message.
    #[serde(default)]
    pub kind: Option<Which>,
    /// Its method, or that of the request it answers.
    #[serde(default)]
    pub method: Option<String>,
    /// The method of its HTTP round trip: `POST`, `GET`, `DELETE`.
    #[serde(default)]
    pub verb: Option<String>,
    /// The status of the response in its HTTP round trip.
    #[serde(default)]
    pub status: Option<u16>,
    /// What carries its stream.
    #[serde(default)]
    pub stream: Option<StreamKind>,
    /// Headers that the request of its HTTP round trip has.
    #[serde(default)]
    pub with: Vec<String>,
    /// Headers that the request of its HTTP round trip has not.
    #[serde(default)]
    pub without: Vec<String>,
    /// Only that one of those that match, from 1.
    #[serde(default)]
    pub nth: Option<u32>,
    /// Values at JSON pointers.
    #[serde(default, rename = "where")]
    pub values: Map<String, Value>,
    /// JSON pointers at which there must be something.
    #[serde(default)]
    pub has: Vec<String>,
    /// JSON pointers at which there must be nothing.
    #[serde(default)]
    pub lacks: Vec<String>,
    /// Of an answer: values at JSON pointers of the request that it answers.
    #[serde(default)]
    pub asked: Map<String, Value>,
}

/// A part of what goes over the wire.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// A message, on whatever carries it.
    #[default]
    Message,
    /// The head of an HTTP request: the one that a client sends; of a server that is alive, what it takes that for.
    RequestHead,
    /// The head of an HTTP response.
    ResponseHead,
    /// An event of a stream that carries no message: a priming event, a `retry`, a comment.
    Signal,
    /// The end of a stream.
    End,
    /// The end of a program; only on a stored trace.
    Exit,
}

/// A kind of message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Which {
    /// A request.
    Request,
    /// A notification.
    Notification,
    /// A result.
    Result,
    /// An error.
    Error,
    /// A result or an error.
    Answer,
}

/// The part of the transport that something goes over. Over stdio only [`Carrier::stream`] is known.
#[derive(Debug, Clone, Copy, Default)]
pub struct Carrier<'a> {
    /// The method of the HTTP round trip.
    pub verb: Option<&'a str>,
    /// The headers of its request.
    pub headers: &'a [(String, String)],
    /// The status of its response, if that is known.
    pub status: Option<u16>,
    /// What carries the stream; for heads nothing.
    pub stream: Option<StreamKind>,
    /// The message that was posted in it.
    pub posted: Option<&'a Message>,
    /// The method of that message, or of the request that it answers.
    pub method: Option<&'a str>,
}

impl Carrier<'_> {
    fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name))
    }
}

impl Trigger {
    /// Is that message meant, [`Trigger::nth`] and [`Trigger::from`] aside? `answers`: the request that it answers.
    #[must_use]
    pub fn matches(&self, message: &Message, answers: Option<&Request>, carrier: &Carrier<'_>) -> bool {
        let asked = |pointer: &str| answers.and_then(|request| request.message.pointer(pointer));
        self.part == Part::Message
            && self.fits(carrier)
            && self.speaks_of(message, answers.map(|request| request.method.as_str()))
            && self.asked.iter().all(|(pointer, v)| asked(pointer) == Some(v))
    }

    /// Is that part (which is no message) meant, [`Trigger::nth`] and [`Trigger::from`] aside?
    #[must_use]
    pub fn matches_part(&self, part: Part, carrier: &Carrier<'_>) -> bool {
        let of_message = self.kind.is_some()
            || self.method.is_some()
            || !self.values.is_empty()
            || !self.has.is_empty()
            || !self.lacks.is_empty();
        let speaks = || carrier.posted.is_some_and(|m| self.speaks_of(m, carrier.method));
        self.part == part && self.fits(carrier) && (!of_message || speaks())
    }

    fn fits(&self, carrier: &Carrier<'_>) -> bool {
        self.verb.as_deref().is_none_or(|v| carrier.verb == Some(v))
            && self.status.is_none_or(|s| carrier.status == Some(s))
            && self.stream.is_none_or(|s| carrier.stream == Some(s))
            && self.with.iter().all(|name| carrier.has(name))
            && !self.without.iter().any(|name| carrier.has(name))
    }

    fn speaks_of(&self, message: &Message, answered: Option<&str>) -> bool {
        let kind = self.kind.is_none_or(|which| match (which, message.kind()) {
            (Which::Request, Kind::Request { .. })
            | (Which::Notification, Kind::Notification { .. })
            | (Which::Result, Kind::Result { .. })
            | (Which::Error, Kind::Error { .. }) => true,
            (Which::Answer, _) => message.is_answer(),
            _ => false,
        });
        let method = self.method.as_deref().is_none_or(|m| message.method().or(answered) == Some(m));
        let value = message.value();
        kind && method
            && self.values.iter().all(|(pointer, v)| value.pointer(pointer) == Some(v))
            && self.has.iter().all(|pointer| value.pointer(pointer).is_some())
            && self.lacks.iter().all(|pointer| value.pointer(pointer).is_none())
    }
}
