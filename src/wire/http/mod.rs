//! The session logic of Streamable HTTP, without I/O.
//!
//! [`ServerLogic`] and [`ClientLogic`] are given requests, response heads and bodies, and the time; they return what to do.
//! Revisions 2025-03-26 to 2025-11-25.

mod admission;
mod client;
mod headers;
mod server;
mod session;

#[cfg(test)]
mod tests;

pub use admission::{Hosts, ServerPolicy};
pub use client::{ClientEvent, ClientLogic, Resume};
pub use headers::{Headers, accepts, media_type};
pub use server::{ServerAction, ServerLogic};

use super::Id;
use bytes::Bytes;

/// The header that carries the session's id.
pub const SESSION_ID: &str = "MCP-Session-Id";
/// The header that carries the negotiated revision.
pub const PROTOCOL_VERSION: &str = "MCP-Protocol-Version";
/// The header that carries the event after which a stream is resumed.
pub const LAST_EVENT_ID: &str = "Last-Event-ID";
/// The media type of single messages.
pub const JSON: &str = "application/json";
/// The media type of event streams.
pub const EVENT_STREAM: &str = "text/event-stream";

/// The revision from which on a server may prime a stream and close its connection.
const PRIMING_SINCE: &str = "2025-11-25";
/// The revision from which on there are no batches.
const NO_BATCHES_SINCE: &str = "2025-06-18";
/// What a server assumes when nothing names the revision.
const ASSUMED_VERSION: &str = "2025-03-26";

/// One HTTP request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `POST`, `GET`, `DELETE`, or whatever a peer sent.
    pub method: String,
    /// The path, with its query if there is one.
    pub path: String,
    /// The headers in their order.
    pub headers: Headers,
    /// The whole body.
    pub body: Bytes,
}

/// Status and headers of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseHead {
    /// The status code.
    pub status: u16,
    /// The headers in their order.
    pub headers: Headers,
}

/// A request with its response, numbered by whoever does the I/O; a number must not be used again while it is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoundTrip(pub u32);

/// One session: over HTTP one session id, over stdio one connection; numbered from 0 as they are opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionKey(pub u32);

/// Which way a message goes: over HTTP it decides the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// It answers the other party's request with that id, and goes on that request's stream or is its body.
    Answer(Id),
    /// A request or notification that belongs to the other party's open request with that id, and goes where that one's
    /// answer goes.
    Related(Id),
    /// It belongs to nothing that is open: from a server it goes on a stream that the client opened with GET. Everything
    /// that a client sends of its own is this.
    Unrelated,
}
