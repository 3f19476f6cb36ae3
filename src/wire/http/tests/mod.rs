#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod client;
mod pipe;
mod server;

use super::*;
use crate::wire::message;
use serde_json::{Value, json};

/// What a server of these tests draws its session ids from.
pub(super) fn counter() -> impl FnMut() -> [u8; 16] + Send {
    let mut n = 0u8;
    move || {
        n += 1;
        [n; 16]
    }
}

pub(super) fn initialize(version: &str) -> Value {
    message::request(&Id::from(0), "initialize", Some(json!({ "protocolVersion": version })))
}

pub(super) fn initialized(version: &str) -> Value {
    message::result(&Id::from(0), json!({ "protocolVersion": version }))
}

pub(super) fn post(body: &str) -> Request {
    let headers = Headers::from_iter([
        ("host", "localhost:3000"),
        ("accept", "application/json, text/event-stream"),
        ("content-type", "application/json"),
    ]);
    Request { method: "POST".into(), path: "/mcp".into(), headers, body: Bytes::copy_from_slice(body.as_bytes()) }
}
