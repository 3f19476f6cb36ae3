//! The events of a run record.
//!
//! An event is recorded at one point (our own end of a connection, or the tap between two programs), so the order of events
//! is the order at that point and nothing more; [`crate::conversation`] says what follows from it for the parties.

use crate::wire::Party;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Which party is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Seat {
    /// We play the client; the server is under test.
    Client,
    /// We play the server; the client is under test.
    Server,
    /// We play nobody and watch both.
    Observer,
}

impl Seat {
    /// All seats, in the order in which they are shown.
    pub const ALL: [Seat; 3] = [Seat::Client, Seat::Server, Seat::Observer];

    /// The party that is ours.
    #[must_use]
    pub fn ours(self) -> Option<Party> {
        match self {
            Seat::Client => Some(Party::Client),
            Seat::Server => Some(Party::Server),
            Seat::Observer => None,
        }
    }

    /// Is that party under test (not ours)?
    #[must_use]
    pub fn tests(self, party: Party) -> bool {
        self.ours() != Some(party)
    }

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Seat::Client => "client",
            Seat::Server => "server",
            Seat::Observer => "observer",
        }
    }
}

impl std::fmt::Display for Seat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which transport the messages travel on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// One message a line, over a pair of pipes.
    Stdio,
    /// Streamable HTTP.
    Http,
}

impl Transport {
    /// Both.
    pub const ALL: [Transport; 2] = [Transport::Stdio, Transport::Http];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Transport::Stdio => "stdio",
            Transport::Http => "http",
        }
    }
}

impl std::fmt::Display for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A stream: one direction with one writer, inside which order is certain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StreamId(pub u32);

/// What carries a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StreamKind {
    /// The server's standard input; the client writes.
    Stdin,
    /// The server's standard output; the server writes.
    Stdout,
    /// The body of a POST request; the client writes one message.
    Post,
    /// The body of the response to a POST; the server writes.
    PostAnswer,
    /// The event stream that answers a GET; the server writes.
    Get,
}

/// How a stream ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Closing {
    /// In the way the transport prescribes.
    Clean,
    /// Cut: reset, or ended in the middle of a body or an event.
    Cut(String),
    /// By us, because a bound was exceeded.
    Bound(String),
}

/// Bytes that are text nearly always.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Text {
    /// They are UTF-8.
    Plain(String),
    /// They are not; base64.
    Bytes {
        /// The bytes, in base64.
        base64: String,
    },
}

impl Text {
    /// Keeps bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Text {
        use base64::Engine as _;
        match std::str::from_utf8(bytes) {
            Ok(s) => Text::Plain(s.to_owned()),
            Err(_) => Text::Bytes { base64: base64::engine::general_purpose::STANDARD.encode(bytes) },
        }
    }

    /// Gives them back. Damaged base64 (a record that was edited) gives no bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        use base64::Engine as _;
        match self {
            Text::Plain(s) => s.clone().into_bytes(),
            Text::Bytes { base64 } => base64::engine::general_purpose::STANDARD.decode(base64).unwrap_or_default(),
        }
    }
}

/// The name of a step: its place in the scenario, such as `3` or `4.1`; stable within one file.
pub type StepName = String;

/// One event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its number, from 0, without gaps.
    pub seq: u32,
    /// Microseconds since the play began.
    pub at: u64,
    /// What happened.
    #[serde(flatten)]
    pub body: Body,
}

/// What can happen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Body {
    /// A stream came to be.
    StreamOpened {
        /// Its id.
        stream: StreamId,
        /// Who writes on it.
        writer: Party,
        /// What carries it.
        kind: StreamKind,
        /// The HTTP round trip it belongs to.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        round_trip: Option<u32>,
    },
    /// A stream ended.
    StreamClosed {
        /// Its id.
        stream: StreamId,
        /// Who ended it, where that can be told.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        by: Option<Party>,
        /// How.
        how: Closing,
    },
    /// The head of an HTTP request.
    HttpRequest {
        /// The round trip it begins.
        round_trip: u32,
        /// `GET`, `POST`, `DELETE`, ...
        method: String,
        /// Path and query.
        target: String,
        /// In order, names as written.
        headers: Vec<(String, String)>,
        /// The step of ours that it is, if it is ours.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        step: Option<StepName>,
        /// Which of several clients of ours sent it; absent for the first, and for what is not ours.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        client: Option<String>,
    },
    /// The head of an HTTP response.
    HttpResponse {
        /// The round trip it answers.
        round_trip: u32,
        /// The status.
        status: u16,
        /// In order, names as written.
        headers: Vec<(String, String)>,
        /// The body, when it is neither a message nor an event stream (cut to a few kilobytes).
        #[serde(skip_serializing_if = "Option::is_none", default)]
        body: Option<Text>,
    },
    /// A message, or bytes in the place of one.
    Message {
        /// The stream it came on.
        stream: StreamId,
        /// Who sent it.
        from: Party,
        /// The frame as it was.
        text: Text,
        /// The id of its event, over HTTP.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        event_id: Option<String>,
        /// The step of ours that it is: the intent. Absent for what is not ours and for what the reference peer sent that no
        /// step names.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        step: Option<StepName>,
        /// The requirements it breaks on purpose.
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        breaks: Vec<String>,
        /// The whole length, when only the beginning was kept.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        cut_from: Option<u64>,
    },
    /// An event without a message: a priming event, a comment, a `retry` alone.
    Signal {
        /// The stream it came on.
        stream: StreamId,
        /// The event id it set.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        event_id: Option<String>,
        /// The reconnection time it set, in milliseconds.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        retry: Option<u64>,
        /// A comment's text, or what was odd.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        note: Option<String>,
    },
    /// A program was started.
    ProcessStarted {
        /// The part it plays.
        party: Party,
        /// Its command line.
        command: String,
    },
    /// A program wrote on its standard error (bounded).
    Stderr {
        /// The part it plays.
        party: Party,
        /// What it wrote.
        text: String,
    },
    /// A program was asked to end, with a signal of ours to its group.
    ProcessSignalled {
        /// The part it plays.
        party: Party,
        /// `SIGTERM` or `SIGKILL`.
        signal: String,
    },
    /// A program ended.
    ProcessExited {
        /// The part it plays.
        party: Party,
        /// Its exit code, if it ended by itself.
        code: Option<i32>,
        /// The signal that ended it.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        signal: Option<i32>,
        /// Did we end it?
        ours: bool,
    },
    /// The application above the client was told to do something.
    Action {
        /// The label under which the scenario knows it.
        label: String,
        /// What it does, in a few words.
        what: String,
        /// How long it waits for an answer before it gives up, in milliseconds; absent where that is the client's affair.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        gives_up: Option<u64>,
    },
    /// The application above the client got something.
    Saw {
        /// The label under which the scenario knows it.
        label: String,
        /// A result (`{"result": ..}`), an error (`{"error": ..}`), or a failure of the client (`{"failure": ".."}`).
        value: Value,
    },
    /// The play is over. What comes after it is how the parties left: the end of sessions, streams and programs, and no
    /// message.
    End {
        /// Why.
        reason: EndReason,
    },
}

/// Why a play ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum EndReason {
    /// The course came to its end.
    Finished,
    /// Nothing that an open step waits for came in time.
    Deadline,
    /// A party closed the connection or died before the course came to its end.
    Gone {
        /// Which.
        party: Party,
        /// What was seen of it.
        how: String,
    },
    /// Nothing could be played: the peer could not be reached or started.
    NotStarted {
        /// What went wrong.
        how: String,
    },
    /// A precondition of the scenario did not hold.
    NotApplicable {
        /// Which.
        reason: String,
    },
    /// The script could not go on by its own fault.
    ScenarioFault {
        /// What is wrong with it.
        how: String,
    },
    /// The user interrupted.
    Interrupted,
}
