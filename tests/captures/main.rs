//! What is done with captures, from the command line: drawing them, and drafting scenarios from them.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod draft;
mod draw;
#[path = "../recorded/mod.rs"]
mod recorded;

use assert_cmd::Command;
use mcp_interop::run::pair::Deviations;
use mcp_interop::scenario::files;
use mcp_interop::trace::{Seat, Trace, Transport};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;

/// The record of a scenario that is built in, played in memory.
fn built_in(id: &str, seat: Seat, transport: Transport, deviations: Deviations) -> Trace {
    let scenario = files::embedded().scenarios.into_iter().find(|s| s.id == id).expect("it is built in");
    recorded::play(&Arc::new(scenario), seat, transport, Vec::new(), deviations).0
}

/// A capture on disk.
struct Capture {
    folder: TempDir,
    path: PathBuf,
}

impl Capture {
    fn of(bytes: impl AsRef<[u8]>) -> Capture {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("capture.ndjson");
        std::fs::write(&path, bytes).unwrap();
        Capture { folder, path }
    }

    /// The path of a file beside it.
    fn beside(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// The capture, then the other words.
    fn came(&self, command: &str, words: &[&str]) -> Came {
        came(command, &[&[self.path.to_str().unwrap()], words].concat())
    }
}

/// What a command did.
#[derive(Debug)]
struct Came {
    code: Option<i32>,
    out: String,
    err: String,
}

fn came(command: &str, words: &[&str]) -> Came {
    let output = Command::cargo_bin("mcp-interop").unwrap().arg(command).args(words).output().unwrap();
    Came {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Came {
    fn well(&self) -> &Came {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    /// Wrong usage or files: there is no output, and it is said why.
    fn refused(&self, why: &str) {
        assert_eq!(self.code, Some(2), "{self:?}");
        assert!(self.out.is_empty() && self.err.contains(why), "expected {why:?}: {self:?}");
    }
}

/// A record over stdio, with messages of a client and a server in turn.
fn stdio(messages: &[(&str, Value)]) -> String {
    let header = json!({
        "format": 1, "harness": "0.1.0", "digests": {}, "seat": "observer", "revision": "2025-11-25",
        "transport": "stdio", "client": "one", "server": "other", "choices": [], "fresh": {}, "bound": {},
        "limits": {}, "captured": ["stream-opened", "stream-closed", "message"],
    });
    let mut bodies = vec![
        json!({ "event": "stream-opened", "stream": 0, "writer": "client", "kind": "stdin" }),
        json!({ "event": "stream-opened", "stream": 1, "writer": "server", "kind": "stdout" }),
    ];
    for (from, message) in messages {
        let stream = u8::from(*from == "server");
        bodies.push(json!({ "event": "message", "stream": stream, "from": from, "text": message.to_string() }));
    }
    bodies.push(json!({ "event": "end", "reason": { "why": "finished" } }));
    let mut text = format!("{header}\n");
    for (seq, mut body) in bodies.into_iter().enumerate() {
        body["seq"] = json!(seq);
        body["at"] = json!(seq * 1000);
        text.push_str(&format!("{body}\n"));
    }
    text
}

fn handshake() -> Vec<(&'static str, Value)> {
    let params =
        json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "c", "version": "1" } });
    let result = json!({
        "protocolVersion": "2025-11-25", "capabilities": { "tools": {}, "tasks": {} }, "serverInfo": { "name": "s", "version": "2" },
    });
    vec![
        ("client", json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params })),
        ("server", json!({ "jsonrpc": "2.0", "id": 0, "result": result })),
        ("client", json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })),
    ]
}
