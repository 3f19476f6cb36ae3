//! `draw`: what is drawn of a capture, and what becomes of captures that are not as they should be.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod recorded;

use assert_cmd::Command;
use mcp_interop::fault::Fault;
use mcp_interop::run::pair::Deviations;
use mcp_interop::scenario::files;
use mcp_interop::trace::{Seat, Trace, Transport, record};
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// The record of a scenario that is built in, played in memory.
fn played(id: &str, seat: Seat, transport: Transport, deviations: Deviations) -> Trace {
    let scenario = files::embedded().scenarios.into_iter().find(|s| s.id == id).expect("it is built in");
    recorded::play(&Arc::new(scenario), seat, transport, Vec::new(), deviations).0
}

/// The founding case: the client never asks for the result.
fn never_asks() -> String {
    let fault = "[{ name: never, breaks: tasks.input.requestor-calls-result, by: client,
        on: { kind: request, method: tasks/result }, do: [drop] }]";
    let client = Some(Fault::read(fault).unwrap().remove(0));
    let deviations = Deviations { client, ..Deviations::default() };
    record::write(&played("tasks/question-in-a-task", Seat::Observer, Transport::Stdio, deviations))
}

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

    fn draw(&self, words: &[&str]) -> Drawn {
        draw(&self.path, words)
    }
}

#[derive(Debug)]
struct Drawn {
    code: Option<i32>,
    out: String,
    err: String,
}

fn draw(path: &Path, words: &[&str]) -> Drawn {
    let mut command = Command::cargo_bin("mcp-interop").unwrap();
    let output = command.env("NO_COLOR", "1").arg("draw").arg(path).args(words).output().unwrap();
    Drawn {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Drawn {
    fn well(&self) -> &Drawn {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    /// Wrong usage or files: nothing is drawn, and it is said why.
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
        "limits": {}, "captured": ["message"],
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

/// So many pings of the client, each with another thing between them, so that nothing folds.
fn pings(n: usize) -> String {
    let mut messages = handshake();
    for id in 1..=n {
        messages.push(("client", json!({ "jsonrpc": "2.0", "id": id, "method": "ping" })));
        messages.push(("server", json!({ "jsonrpc": "2.0", "id": id, "result": {} })));
        messages.push(("client", json!({ "jsonrpc": "2.0", "method": format!("notifications/x{id}") })));
    }
    stdio(&messages)
}

#[test]
fn where_the_two_parted_is_marked_in_every_form() {
    let capture = Capture::of(never_asks());
    let text = capture.draw(&[]);
    let text = &text.well().out;
    let parted = text.lines().position(|line| line.starts_with('✗')).expect("the row is marked");
    let after: Vec<&str> = text.lines().skip(parted + 1).collect();
    assert!(after[0].contains("╰ 1. fail, client: "), "{text}");
    assert!(after[1].contains("never came: ") && after[1].contains("tasks/result"), "{text}");
    // polls that are alike are one line, with the method, the task and its status
    assert!(text.contains("│◀─ handshake  2025-11-25, client "), "{text}");
    assert!(text.contains("├─ tools/call #2  test_task_elicitation, as a task, ttl 60000 ─"), "{text}");
    assert!(
        text.lines().any(|l| l.contains("tasks/get") && l.contains("task ") && l.contains("input_required")),
        "{text}"
    );

    let mermaid = capture.draw(&["--as", "mermaid"]);
    let mermaid = &mermaid.well().out;
    assert!(mermaid.starts_with("sequenceDiagram\n    participant C as client mcp-interop\n"), "{mermaid}");
    assert!(mermaid.contains("Here the two parted.<br/>1. fail, client#58; "), "{mermaid}");
    assert!(mermaid.contains("C--xS: never came"), "{mermaid}");

    let svg = capture.draw(&["--as", "svg"]);
    let svg = &svg.well().out;
    let document = roxmltree::Document::parse(svg).unwrap();
    let said: Vec<&str> = document.descendants().filter_map(|n| n.text()).collect();
    for part in ["Here the two parted", "never came: ", "tools/call #2  test_task_elicitation, as a task, ttl 60000"] {
        assert!(said.iter().any(|text| text.contains(part)), "{part}: {said:?}");
    }
}

#[test]
fn the_same_goes_into_a_file() {
    let capture = Capture::of(never_asks());
    for form in ["text", "mermaid", "svg"] {
        let file = capture.folder.path().join(form);
        let written = capture.draw(&["--as", form, "--out", file.to_str().unwrap()]);
        assert_eq!(written.well().out, "");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), capture.draw(&["--as", form]).out);
    }
    let nowhere = capture.folder.path().join("no/such/folder.svg");
    capture.draw(&["--as", "svg", "--out", nowhere.to_str().unwrap()]).refused("cannot write");
    capture.draw(&["--as", "png"]).refused("[possible values: text, mermaid, svg]");
}

#[test]
fn polls_are_folded() {
    let mut messages = handshake();
    for id in 1..=30 {
        let task = json!({ "taskId": "t-1", "status": if id < 30 { "working" } else { "completed" }, "ttl": null,
            "createdAt": "2025-11-25T10:30:00Z", "lastUpdatedAt": "2025-11-25T10:30:00Z" });
        messages.push((
            "client",
            json!({ "jsonrpc": "2.0", "id": id, "method": "tasks/get", "params": { "taskId": "t-1" } }),
        ));
        messages.push(("server", json!({ "jsonrpc": "2.0", "id": id, "result": task })));
    }
    let drawn = Capture::of(stdio(&messages)).draw(&[]);
    let polls: Vec<&str> = drawn.well().out.lines().filter(|line| line.contains("tasks/get")).collect();
    assert!(polls[0].contains("│◀─ tasks/get  29 × task t-1, working ─"), "{}", drawn.out);
    assert_eq!(polls.len(), 3, "{}", drawn.out);
}

#[test]
fn two_sessions_are_told_apart_or_drawn_alone() {
    let trace = played("tasks/two-clients", Seat::Client, Transport::Http, Deviations::default());
    let capture = Capture::of(record::write(&trace));
    let both = capture.draw(&[]);
    both.well();
    assert!(both.err.contains("2 sessions are drawn together, marked (1) and (2)"), "{both:?}");
    let of = |text: &str, mark: &str| text.lines().filter(|line| line.contains(mark)).count();
    assert!(of(&both.out, "(1) tools/call") == 1 && of(&both.out, "(2) tools/call") == 1, "{}", both.out);
    assert!(of(&both.out, "(1) handshake") == 1 && of(&both.out, "(2) handshake") == 1, "{}", both.out);
    for (session, other) in [(1, 2), (2, 1)] {
        let alone = capture.draw(&["--session", &session.to_string()]);
        let text = &alone.well().out;
        assert_eq!(alone.err, "");
        assert_eq!(of(text, &format!("({other}) ")), 0, "{text}");
        assert_eq!(of(text, &format!("({session}) ")), of(&both.out, &format!("({session}) ")), "{text}");
    }
    for none in ["0", "3"] {
        capture.draw(&["--session", none]).refused(&format!("has 2 sessions, and session {none} is none of them"));
    }
}

#[test]
fn what_is_not_as_it_should_be_has_a_clear_outcome() {
    let whole = stdio(&handshake());
    // nothing at all
    Capture::of("").draw(&[]).refused("the record is empty");
    // a header and nothing more
    let header = format!("{}\n", whole.lines().next().unwrap());
    let nothing = Capture::of(&header).draw(&[]);
    assert!(nothing.well().err.contains("no message was recorded"), "{nothing:?}");
    assert!(nothing.out.contains("client one") && nothing.out.contains("server other"), "{nothing:?}");
    // cut in the middle of the last line, and before the end
    for cut in [&whole[..whole.trim_end().len() - 5], whole.trim_end().rsplit_once('\n').unwrap().0] {
        let drawn = Capture::of(cut).draw(&[]);
        assert!(drawn.well().err.contains("breaks off at line 7: "), "{drawn:?}");
        assert!(drawn.out.contains("handshake"), "{drawn:?}");
    }
    // garbage: the line is named, also of bytes that are no text
    let mut lines: Vec<&str> = whole.lines().collect();
    lines[3] = "what is this?";
    Capture::of(lines.join("\n")).draw(&[]).refused("line 4: this is no event of a run record");
    let mut bytes = header.clone().into_bytes();
    bytes.extend(b"\xff\xfe\n");
    Capture::of(bytes).draw(&[]).refused("line 2: this is not UTF-8");
    // of another time
    Capture::of(whole.replacen("\"format\":1", "\"format\":99", 1)).draw(&[]).refused("the record has format 99");
    // out of order
    let mut lines: Vec<&str> = whole.lines().collect();
    lines.swap(3, 4);
    Capture::of(lines.join("\n")).draw(&[]).refused("lines are missing or not in order");
    // ends of lines as on other systems
    let drawn = Capture::of(whole.replace('\n', "\r\n")).draw(&[]);
    assert_eq!(drawn.well().out, Capture::of(&whole).draw(&[]).out);
    // no file, and no file at all
    let folder = tempfile::tempdir().unwrap();
    draw(&folder.path().join("none.ndjson"), &[]).refused("cannot read the capture");
    draw(folder.path(), &[]).refused("cannot read the capture");
}

#[test]
fn a_long_capture_is_drawn_within_bounds() {
    let capture = Capture::of(pings(2000));
    let drawn = capture.draw(&[]);
    assert!(drawn.well().out.lines().count() < 410, "{}", drawn.out.lines().count());
    assert!(drawn.err.contains(" of 6003 messages are drawn; --rows N draws more"), "{}", drawn.err);
    assert!(drawn.out.contains(" more messages"), "{}", drawn.out);
    let drawn = capture.draw(&["--rows", "10000"]);
    assert_eq!((drawn.well().out.lines().count(), drawn.err.as_str()), (6002, ""));
    assert!(capture.draw(&["--rows", "10", "--as", "svg"]).well().out.len() < 20_000);
    capture.draw(&["--rows", "10001"]).refused("10001 is not in 4..=10000");
}

/// More than is held at once.
#[test]
fn a_huge_capture_is_drawn_as_far_as_it_is_read() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let head = stdio(&handshake());
    let head: Vec<&str> = head.lines().collect();
    for line in &head[..head.len() - 1] {
        writeln!(file, "{line}").unwrap();
    }
    let long = "x".repeat(1 << 20);
    for i in 0..100 {
        let message = json!({ "jsonrpc": "2.0", "method": format!("notifications/x{i}"), "params": { "of": long } });
        let event = json!({ "seq": i + 5, "at": i, "event": "message", "stream": 0, "from": "client", "text": message.to_string() });
        writeln!(file, "{event}").unwrap();
    }
    file.flush().unwrap();
    let drawn = draw(file.path(), &[]);
    assert!(drawn.well().err.contains("is longer than is read"), "{}", drawn.err);
    assert!(drawn.out.len() < 20_000 && drawn.out.contains("notifications/x60"), "{}", drawn.out);
}
