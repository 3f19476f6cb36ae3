//! The transports: what carries messages between our own party and the outside, in memory, over stdio and over Streamable
//! HTTP.
//!
//! A *link* is our end of a connection (or, for [`HttpServer`], of many). It is given [`Order`]s and says at once what is to be
//! recorded of them; the I/O is done behind it. What comes from outside is fetched with [`Link::next`]. A seat that writes
//! down what both return, in the order in which it got it, has a truthful run record: what it had not fetched when it ordered
//! something cannot have been the reason for the order.
//!
//! Everything here runs on a current-thread runtime, and over memory also under tokio's paused clock.

pub mod attach;
pub mod below;
mod heads;
mod http;
pub mod http_client;
pub mod http_server;
#[cfg(test)]
mod http_tests;
pub mod inbox;
pub mod memory;
pub mod relay;
pub mod standard;
pub mod stdio;

pub use below::Detour;
pub use http_client::{Endpoint, HttpClient, HttpHabits};
pub use http_server::{HttpServer, ServerHabits};
pub use inbox::Feed;
pub use memory::{Acceptor, Connector, Io};
pub use relay::Relay;
pub use stdio::StdioLink;

use crate::fault::Fault;
use crate::reference::{Route, SessionKey};
use crate::trace::event::StepName;
use crate::trace::{Body, StreamId, Transport};
use crate::wire::{Id, Party};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// What a link tells its seat.
#[derive(Debug, Clone, PartialEq)]
pub struct LinkEvent {
    /// The session it belongs to, where that is known. A message of the other party that belongs to none (a request that was
    /// refused before it reached a session) is recorded and given to no engine.
    pub session: Option<SessionKey>,
    /// What happened.
    pub what: LinkWhat,
}

/// What can happen on a link.
#[derive(Debug, Clone, PartialEq)]
pub enum LinkWhat {
    /// To be recorded. A [`Body::Message`] that is not from our party is also for the engine.
    Record(Body),
    /// The session began; for the engine.
    SessionOpened,
    /// The session is over; for the engine.
    SessionClosed,
}

/// One message of ours.
#[derive(Debug, Clone, PartialEq)]
pub struct SendOrder {
    /// In which session.
    pub session: SessionKey,
    /// Which way.
    pub route: Route,
    /// The message, or the bytes in its place, without framing.
    pub bytes: Bytes,
    /// The step that it is.
    pub step: Option<StepName>,
    /// The requirements it breaks on purpose.
    pub breaks: Vec<String>,
    /// Laid over the HTTP head: `None` takes a header out, whatever its case. Elsewhere without meaning.
    pub headers: Vec<(String, Option<String>)>,
    /// Another way than its own (of a deviating server over HTTP). Elsewhere without meaning.
    pub detour: Option<Detour>,
}

impl SendOrder {
    /// A message that no step names.
    #[must_use]
    pub fn new(session: SessionKey, route: Route, bytes: impl Into<Bytes>) -> SendOrder {
        let (breaks, headers) = (Vec::new(), Vec::new());
        SendOrder { session, route, bytes: bytes.into(), step: None, breaks, headers, detour: None }
    }
}

/// What a link can be told to do. What a transport or a party has not is done as nothing, and recorded as nothing.
#[derive(Debug, Clone, PartialEq)]
pub enum Order {
    /// Send a message.
    Send(SendOrder),
    /// Open an event stream with GET (client, HTTP).
    Listen {
        /// In which session.
        session: SessionKey,
        /// The `Last-Event-ID` to send; `None` with `resumes`: the last one that came on that stream.
        last_event_id: Option<String>,
        /// The stream that is resumed.
        resumes: Option<StreamId>,
        /// Laid over the HTTP head.
        headers: Vec<(String, Option<String>)>,
        /// The step that it is.
        step: Option<StepName>,
    },
    /// Close the connection of that stream at once: of the POST whose answer it is or will be, or of the GET (client, HTTP).
    Drop {
        /// In which session.
        session: SessionKey,
        /// The stream.
        stream: StreamId,
    },
    /// Close the connection that carries the answer to that request, but not its stream (server, HTTP).
    CloseStream {
        /// In which session.
        session: SessionKey,
        /// The request.
        request: Id,
    },
    /// Answer a round trip with a bare HTTP status, whatever it asked for (server, HTTP).
    Refuse {
        /// The round trip (of [`Body::HttpRequest`]). Its answer must not have begun: order it before anything else is
        /// fetched.
        round_trip: u32,
        /// The HTTP status.
        status: u16,
        /// The body; plain text unless `headers` say otherwise.
        body: Bytes,
        /// Laid over the HTTP head.
        headers: Vec<(String, Option<String>)>,
        /// The step that it is.
        step: Option<StepName>,
    },
    /// End the session with DELETE (client, HTTP).
    Delete {
        /// In which session.
        session: SessionKey,
        /// Laid over the HTTP head.
        headers: Vec<(String, Option<String>)>,
        /// The step that it is.
        step: Option<StepName>,
    },
    /// The revision that was negotiated, for the `MCP-Protocol-Version` header.
    Version {
        /// In which session.
        session: SessionKey,
        /// The revision.
        version: String,
    },
    /// Send nothing more: closes the other party's standard input (stdio); takes no new connections and ends the streams
    /// (HTTP).
    EndInput,
}

/// Bounds on what comes from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// How long one message may be, in bytes. Of a longer one the first [`BEGINNING`] are kept, and its stream is closed.
    pub message: usize,
    /// How many events may wait to be fetched; beyond that nothing more is read.
    pub events: usize,
    /// How many bytes may wait to be fetched; beyond that nothing more is read.
    pub waiting: usize,
    /// How many bytes of ours may wait for a party that does not read; beyond that its stream is closed.
    pub unsent: usize,
    /// How much of an HTTP body that is no message is kept, in bytes.
    pub refusal: usize,
    /// How large an HTTP head may be, in bytes.
    pub head: usize,
    /// How many connections a server link serves at once.
    pub connections: usize,
}

/// So much is kept of a message that is too long, in bytes: to see what it was.
pub const BEGINNING: usize = 64 << 10;

/// The beginning of a message that is too long.
pub(crate) fn beginning(bytes: &[u8]) -> &[u8] {
    bytes.get(..BEGINNING).unwrap_or(bytes)
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds {
            // large for a tool, and several copies of it still fit into little memory
            message: 3 << 20,
            events: 1024,
            waiting: 3 << 20,
            unsent: 64 << 20,
            refusal: 4 << 10,
            head: 64 << 10,
            connections: 256,
        }
    }
}

/// The next free numbers of streams and round trips. All links of one play share one.
#[derive(Debug, Clone, Default)]
pub struct Numbers(Arc<(AtomicU32, AtomicU32)>);

impl Numbers {
    /// The next stream.
    #[must_use]
    pub fn stream(&self) -> StreamId {
        StreamId(self.0.0.fetch_add(1, Ordering::Relaxed))
    }

    /// The next round trip.
    #[must_use]
    pub fn round_trip(&self) -> u32 {
        self.0.1.fetch_add(1, Ordering::Relaxed)
    }
}

/// A link of any kind.
#[derive(Debug)]
pub enum Link {
    /// Over stdio, on either side.
    Stdio(StdioLink),
    /// As a client over HTTP.
    HttpClient(Box<HttpClient>),
    /// As a server over HTTP.
    HttpServer(Box<HttpServer>),
    /// Between two parties that are not ours.
    Relay(Box<Relay>),
}

impl Link {
    /// The party that is ours. (A tap has none; it says the client, and nothing is sent.)
    #[must_use]
    pub fn party(&self) -> Party {
        match self {
            Link::Stdio(link) => link.party(),
            Link::HttpClient(_) | Link::Relay(_) => Party::Client,
            Link::HttpServer(_) => Party::Server,
        }
    }

    /// How messages travel.
    #[must_use]
    pub fn transport(&self) -> Transport {
        match self {
            Link::Relay(relay) if !relay.is_http() => Transport::Stdio,
            Link::Stdio(_) => Transport::Stdio,
            Link::HttpClient(_) | Link::HttpServer(_) | Link::Relay(_) => Transport::Http,
        }
    }

    /// Has the server assigned an id to that session, that it can be asked to forget? (Client, HTTP; elsewhere there is none.)
    #[must_use]
    pub fn has_session(&self, session: SessionKey) -> bool {
        matches!(self, Link::HttpClient(link) if link.session_id(session).is_some())
    }

    /// Does it open an event stream with GET by itself? (Client, HTTP; nobody else does.)
    #[must_use]
    pub fn listens(&self) -> bool {
        matches!(self, Link::HttpClient(link) if link.listens())
    }

    /// Has a client over HTTP open event streams with GET only when it is ordered to. Of no effect elsewhere.
    pub fn listens_when_told(&mut self) {
        if let Link::HttpClient(link) = self {
            link.listens_when_told();
        }
    }

    /// Has a party over HTTP deviate below its messages. Of no effect elsewhere: stdio has nothing below them.
    pub fn deviate(&mut self, fault: &Fault) {
        match self {
            Link::HttpServer(link) => link.deviate(fault.clone()),
            Link::HttpClient(link) => link.deviate(fault.clone()),
            Link::Stdio(_) | Link::Relay(_) => {}
        }
    }

    /// What came of [`Link::deviate`] since this was last asked, a line each.
    pub fn deviated(&mut self) -> Vec<String> {
        match self {
            Link::HttpServer(link) => link.deviated(),
            Link::HttpClient(link) => link.deviated(),
            _ => Vec::new(),
        }
    }

    /// Does something, and says what is to be recorded of it. Returns at once. Must be called on a tokio runtime.
    pub fn order(&mut self, order: Order) -> Vec<LinkEvent> {
        match self {
            Link::Stdio(link) => link.order(order),
            Link::HttpClient(link) => link.order(order),
            Link::HttpServer(link) => link.order(order),
            Link::Relay(link) => link.order(order),
        }
    }

    /// Waits for what comes from outside. `None` when nothing can come any more. Cancel safe: nothing is lost when the
    /// future is dropped.
    pub async fn next(&mut self) -> Option<LinkEvent> {
        match self {
            Link::Stdio(link) => link.next().await,
            Link::HttpClient(link) => link.next().await,
            Link::HttpServer(link) => link.next().await,
            Link::Relay(link) => link.next().await,
        }
    }

    /// A way to put what happens beside the link (a process that ends) among what [`Link::next`] gives; it keeps the link open. `None`
    /// when the link has ended.
    #[must_use]
    pub fn feed(&self) -> Option<Feed> {
        match self {
            Link::Stdio(link) => link.feed(),
            Link::HttpClient(link) => link.feed(),
            Link::HttpServer(link) => link.feed(),
            Link::Relay(link) => link.feed(),
        }
    }

    /// Ends the link when all that was ordered has gone out, or the time is over; gives what was still to be recorded.
    /// Dropping the link without this ends it at once.
    pub async fn finish(self, patience: std::time::Duration) -> Vec<LinkEvent> {
        match self {
            Link::Stdio(link) => link.finish(patience).await,
            Link::HttpClient(link) => link.finish(patience).await,
            Link::HttpServer(link) => link.finish(patience).await,
            Link::Relay(link) => link.finish(patience).await,
        }
    }
}
