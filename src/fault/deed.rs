//! What a fault does, and what comes of it.

use crate::trace::StreamKind;
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

/// What can be done. Each deed says what it is done to; on anything else it does nothing.
///
/// In every value that is written, a text `$/pointer` stands for what the message has at that pointer, `$asked/pointer` for
/// what the request has that it answers, and `$open METHOD` for the id of the latest request of the other party with that
/// method which is not answered yet.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deed {
    /// It is not sent: a message, an event; a stream is not ended; of a request's head: there is no such round trip.
    Drop,
    /// A message is sent twice.
    Duplicate,
    /// Every object in a message has its members in reverse order.
    Reorder,
    /// The value at a pointer in a message becomes another; members and objects on the way are made.
    Set(At),
    /// The value at a pointer in a message is taken out.
    Remove(String),
    /// The text at a pointer in a message is another name from then on, in the whole session: the party that deviates says that
    /// name in place of its own, and takes it for its own where it is told it. So it stays true to what it said.
    /// Where the name would be no text, nothing is done.
    Rename(At),
    /// A number is added to the one at a pointer in a message.
    Add(Sum),
    /// The whole message becomes another.
    Become(Value),
    /// Another message goes before it.
    Before(Value),
    /// Another message goes after it.
    After(Value),
    /// The real answer to the latest open request with that method is not sent.
    Swallow(String),
    /// It waits, in milliseconds.
    Delay(u64),
    /// In the place of a message stands this text, be it JSON or not. `$message` in it is the message.
    Text(String),
    /// In the place of a message stand these bytes, in hexadecimal. They are no UTF-8, as a rule.
    Hex(String),
    /// A line of this text goes before a message, as a frame of its own.
    LineBefore(String),
    /// A line of this text goes after a message, as a frame of its own.
    LineAfter(String),
    /// A message is written over several lines, each of which is a frame of its own over stdio.
    Pretty,
    /// The event of a message, or an event without one, has this id; `null` takes it out.
    EventId(Option<String>),
    /// An event without a message has this reconnection time, in milliseconds; `null` takes it out.
    Retry(Option<u64>),
    /// An event without a message goes before it.
    EventBefore(Bare),
    /// An event without a message goes after it.
    EventAfter(Bare),
    /// A message goes over another stream.
    Move(Over),
    /// A message goes over another stream too, if there is one.
    Copy(Over),
    /// A header of a head becomes another, or is taken out; one that is not there is put at the end. In a head that a server
    /// takes for another, the value `$session` stands for the session id that it gave last.
    Header(Header),
    /// The status of a response becomes another.
    Status(u16),
    /// A response has this body, whatever it had.
    Body(String),
    /// A request is sent to another path.
    Target(String),
    /// A request has another method.
    Verb(String),
}

/// A value at a place.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct At {
    /// JSON pointer.
    pub at: String,
    /// What is put there.
    pub to: Value,
}

/// A number at a place.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sum {
    /// JSON pointer.
    pub at: String,
    /// What is added.
    pub by: i64,
}

/// A header of a head.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Its name, in any case.
    pub name: String,
    /// What it becomes; absent: it is taken out.
    #[serde(default)]
    pub to: Option<String>,
}

/// A stream: the latest of its kind that was opened in the session; one that is open goes before one that is not.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Over {
    /// What carries it.
    pub stream: StreamKind,
    /// The method of the message that was posted in its round trip.
    #[serde(default)]
    pub method: Option<String>,
}

/// An event without a message.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Bare {
    /// Its id; with it the event has an empty `data` field.
    #[serde(default)]
    pub event_id: Option<String>,
    /// Its reconnection time, in milliseconds.
    #[serde(default)]
    pub retry: Option<u64>,
    /// A comment.
    #[serde(default)]
    pub note: Option<String>,
}

/// A head: of a response if it has a status, else of a request.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Head {
    /// The method of a request.
    pub verb: String,
    /// Path and query of a request.
    pub target: String,
    /// The status of a response.
    pub status: Option<u16>,
    /// In order, names as written.
    pub headers: Vec<(String, String)>,
    /// A body that is put in the place of what follows the head; `None`: what follows stays.
    pub body: Option<String>,
}

/// One thing that is sent in the place of a message.
#[derive(Debug, Clone, PartialEq)]
pub struct Outgoing {
    /// What it is.
    pub what: What,
    /// For a message or bytes as an event: which event id it has, if not the one it would have had.
    pub event_id: Option<Option<String>>,
    /// The stream that it goes over, if not its own.
    pub over: Option<Over>,
    /// It is a copy for that stream: where there is none, it is not sent.
    pub copy: bool,
    /// How much later than it would have been.
    pub delay: Duration,
    /// Is it not what the party meant to send?
    pub changed: bool,
}

/// What is sent.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// A message.
    Message(Value),
    /// Bytes in the place of one, without framing.
    Bytes(Vec<u8>),
    /// An event without a message (HTTP only).
    Event(Bare),
}

impl What {
    /// The frame of a message or of bytes; `None` for an event without one.
    #[must_use]
    pub fn frame(&self) -> Option<Vec<u8>> {
        match self {
            What::Message(value) => Some(value.to_string().into_bytes()),
            What::Bytes(bytes) => Some(bytes.clone()),
            What::Event(_) => None,
        }
    }
}

/// What became of something that is no message.
#[derive(Debug, Clone, PartialEq)]
pub struct Altered<T> {
    /// What is there now; `None`: it is not sent.
    pub what: T,
    /// How much later than it would have been.
    pub delay: Duration,
    /// Is it not what the party meant to send?
    pub changed: bool,
}
