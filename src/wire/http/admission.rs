//! What a server lets in: its policy, and the checks that need no session.

use super::{ASSUMED_VERSION, EVENT_STREAM, Headers, JSON, PROTOCOL_VERSION, Request, ResponseHead};
use super::{accepts, media_type};
use crate::wire::message;
use crate::wire::sse::Encoder;
use bytes::Bytes;
use std::time::Duration;

/// Which hosts a server answers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hosts {
    /// `localhost`, `127.0.0.1` and `[::1]`, at any port.
    Local,
    /// These: `example.com` at any port, or `example.com:8080`.
    These(Vec<String>),
    /// Any.
    Any,
}

impl Hosts {
    fn allow(&self, authority: &str) -> bool {
        let authority = authority.to_ascii_lowercase();
        let (host, port) = split_port(&authority);
        if port.is_some_and(|p| p.is_empty() || p.parse::<u16>().is_err()) {
            return false;
        }
        match self {
            Hosts::Any => true,
            Hosts::Local => matches!(host, "localhost" | "127.0.0.1" | "[::1]"),
            Hosts::These(hosts) => {
                hosts.iter().any(|h| h.eq_ignore_ascii_case(host) || h.eq_ignore_ascii_case(&authority))
            }
        }
    }

    fn allow_origin(&self, origin: &str) -> bool {
        match (self, origin.split_once("://")) {
            (Hosts::Any, _) => true,
            (_, Some((scheme, authority))) => {
                (scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")) && self.allow(authority)
            }
            (_, None) => false,
        }
    }
}

fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        // The colons of an IPv6 address are inside brackets.
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

/// How a server behaves where the specification leaves it a choice, and its bounds.
#[derive(Debug, Clone)]
pub struct ServerPolicy {
    /// The path of the endpoint.
    pub path: String,
    /// Answer a request with a single `application/json` body when nothing but the answer was sent; otherwise, and always
    /// if false, with a stream.
    pub json_answers: bool,
    /// Assign session ids. Without, there is one session at a time, and `initialize` begins it anew.
    pub sessions: bool,
    /// Offer streams by GET. Without, GET is answered with 405 (resumption too).
    pub listen: bool,
    /// Let clients end their session. Without, DELETE is answered with 405.
    pub delete: bool,
    /// Begin every stream with an event that has an id and empty data, for clients of 2025-11-25 and later.
    pub prime: bool,
    /// How long a client shall wait before it reconnects, in milliseconds; part of the priming event.
    pub retry: Option<u64>,
    /// Write `event: message` in front of messages, as some servers do.
    pub name_events: bool,
    /// How events are written.
    pub encoder: Encoder,
    /// How many events are kept per session for resumption; with 0 there are no event ids and no resumption.
    pub store_events: usize,
    /// How many bytes of events are kept per session for resumption.
    pub store_bytes: usize,
    /// How many messages wait per session for a GET stream to be opened.
    pub queue: usize,
    /// The hosts that `Host` may name.
    pub hosts: Hosts,
    /// The hosts that `Origin` may name.
    pub origins: Hosts,
    /// The largest body of a request, in bytes.
    pub max_body: usize,
    /// The revisions that `MCP-Protocol-Version` may name.
    pub versions: Vec<String>,
    /// How many sessions there may be; more are refused with 503.
    pub max_sessions: usize,
    /// How many streams and unanswered requests there may be per session; more are refused with 429.
    pub max_open: usize,
    /// End a session that was idle, with no open round trip, for so long.
    pub idle: Option<Duration>,
    /// Write a comment on streams that were silent for so long.
    pub keep_alive: Option<Duration>,
}

impl ServerPolicy {
    /// How the reference server behaves: single answers as JSON (`tasks/get` should not become a stream), streams that say
    /// when to come back.
    #[must_use]
    pub fn reference() -> ServerPolicy {
        ServerPolicy { json_answers: true, retry: Some(500), ..ServerPolicy::default() }
    }
}

impl Default for ServerPolicy {
    fn default() -> Self {
        ServerPolicy {
            path: "/mcp".into(),
            json_answers: false,
            sessions: true,
            listen: true,
            delete: true,
            prime: true,
            retry: None,
            name_events: true,
            encoder: Encoder::default(),
            store_events: 1024,
            store_bytes: 16 << 20,
            queue: 1024,
            hosts: Hosts::Local,
            origins: Hosts::Local,
            max_body: 16 << 20,
            versions: ["2025-03-26", "2025-06-18", "2025-11-25"].map(String::from).to_vec(),
            max_sessions: 1024,
            max_open: 256,
            idle: None,
            keep_alive: None,
        }
    }
}

/// A request that is refused: status, JSON-RPC error code and text, and headers besides the usual ones.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    code: i64,
    text: String,
    allow: Option<String>,
}

/// What the server means when JSON-RPC has no code for it.
const REFUSED: i64 = -32000;
pub(super) const PARSE_ERROR: i64 = -32700;
pub(super) const INVALID_REQUEST: i64 = -32600;

impl Refusal {
    pub(super) fn new(status: u16, text: impl Into<String>) -> Refusal {
        Refusal { status, code: REFUSED, text: text.into(), allow: None }
    }

    pub(super) fn rpc(code: i64, text: impl Into<String>) -> Refusal {
        Refusal { status: 400, code, text: text.into(), allow: None }
    }

    /// The response: a JSON-RPC error without id.
    pub(super) fn into_response(self) -> (ResponseHead, Bytes) {
        let mut headers = Headers::from_iter([("Content-Type", JSON)]);
        if let Some(allow) = self.allow {
            headers.append("Allow", allow);
        }
        let body = message::error(None, self.code, &self.text, None).to_string();
        (ResponseHead { status: self.status, headers }, body.into())
    }
}

/// What a request asks for, once it was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Post,
    Get,
    Delete,
}

impl ServerPolicy {
    fn allow(&self) -> String {
        let delete = self.delete && self.sessions;
        let verbs = [(true, "POST"), (self.listen, "GET"), (delete, "DELETE")];
        verbs.iter().filter(|(there, _)| *there).map(|(_, verb)| *verb).collect::<Vec<_>>().join(", ")
    }

    /// The checks that need neither body nor session.
    pub(super) fn admit(&self, request: &Request) -> Result<Verb, Refusal> {
        let headers = &request.headers;
        if request.path.split('?').next() != Some(self.path.as_str()) {
            return Err(Refusal::new(404, format!("the endpoint is {}", self.path)));
        }
        if let Some(host) = headers.all("host").find(|host| !self.hosts.allow(host.trim())) {
            return Err(Refusal::new(403, format!("the host `{host}` is not served here")));
        }
        if let Some(origin) = headers.all("origin").find(|origin| !self.origins.allow_origin(origin.trim())) {
            return Err(Refusal::new(403, format!("the origin `{origin}` is not allowed")));
        }
        let verb = match request.method.as_str() {
            "POST" => Verb::Post,
            "GET" if self.listen => Verb::Get,
            "DELETE" if self.delete && self.sessions => Verb::Delete,
            other => {
                let allow = self.allow();
                let text = format!("the method {other} is not offered; there is {allow}");
                return Err(Refusal { allow: Some(allow), ..Refusal::new(405, text) });
            }
        };
        match verb {
            Verb::Post if !accepts(headers, JSON) && !accepts(headers, EVENT_STREAM) => {
                return Err(Refusal::new(406, format!("Accept must list {JSON} and {EVENT_STREAM}")));
            }
            Verb::Get if !accepts(headers, EVENT_STREAM) => {
                return Err(Refusal::new(406, format!("Accept must list {EVENT_STREAM}")));
            }
            Verb::Post if media_type(headers).as_deref() != Some(JSON) || headers.all("content-type").count() > 1 => {
                return Err(Refusal::new(415, format!("Content-Type must be {JSON}")));
            }
            _ => {}
        }
        if request.body.len() > self.max_body {
            return Err(Refusal::new(413, format!("the body is larger than {} bytes", self.max_body)));
        }
        self.version(headers)?;
        Ok(verb)
    }

    /// The revision that the request names, if it names one.
    fn version<'a>(&self, headers: &'a Headers) -> Result<Option<&'a str>, Refusal> {
        let Some(version) = single(headers, PROTOCOL_VERSION)? else { return Ok(None) };
        if !self.versions.iter().any(|v| v == version) {
            let known = self.versions.join(", ");
            return Err(Refusal::new(
                400,
                format!("{PROTOCOL_VERSION} `{version}` is not supported; there is {known}"),
            ));
        }
        Ok(Some(version))
    }

    /// The revision that holds for a request: negotiated, or named, or assumed.
    pub(super) fn version_in_force<'a>(&self, negotiated: Option<&'a str>, headers: &'a Headers) -> &'a str {
        negotiated.or_else(|| self.version(headers).ok().flatten()).unwrap_or(ASSUMED_VERSION)
    }
}

/// The value of a header that must not be there twice.
pub(super) fn single<'a>(headers: &'a Headers, name: &'a str) -> Result<Option<&'a str>, Refusal> {
    let mut all = headers.all(name);
    match (all.next(), all.next()) {
        (_, Some(_)) => Err(Refusal::new(400, format!("{name} is there more than once"))),
        (first, None) => Ok(first.map(str::trim)),
    }
}
