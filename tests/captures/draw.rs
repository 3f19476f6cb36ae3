//! `draw`: what is drawn of a capture, and what becomes of captures that are not as they should be.

use super::{Came, Capture, built_in, came, handshake, stdio};
use mcp_interop::fault::Fault;
use mcp_interop::run::pair::Deviations;
use mcp_interop::trace::{Seat, Transport, record};
use serde_json::json;
use std::io::Write as _;

/// The founding case: the client never asks for the result.
fn never_asks() -> String {
    let fault = "[{ name: never, breaks: tasks.input.requestor-calls-result, by: client,
        on: { kind: request, method: tasks/result }, do: [drop] }]";
    let client = Some(Fault::read(fault).unwrap().remove(0));
    let deviations = Deviations { client, ..Deviations::default() };
    record::write(&built_in("tasks/question-in-a-task", Seat::Observer, Transport::Stdio, deviations))
}

fn draw(capture: &Capture, words: &[&str]) -> Came {
    capture.came("draw", words)
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
    let text = draw(&capture, &[]);
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

    let mermaid = draw(&capture, &["--as", "mermaid"]);
    let mermaid = &mermaid.well().out;
    assert!(mermaid.starts_with("sequenceDiagram\n    participant C as client mcp-interop\n"), "{mermaid}");
    assert!(mermaid.contains("Here the two parted.<br/>1. fail, client#58; "), "{mermaid}");
    assert!(mermaid.contains("C--xS: never came"), "{mermaid}");

    let svg = draw(&capture, &["--as", "svg"]);
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
        let written = draw(&capture, &["--as", form, "--out", file.to_str().unwrap()]);
        assert_eq!(written.well().out, "");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), draw(&capture, &["--as", form]).out);
    }
    let nowhere = capture.folder.path().join("no/such/folder.svg");
    draw(&capture, &["--as", "svg", "--out", nowhere.to_str().unwrap()]).refused("cannot write");
    draw(&capture, &["--as", "png"]).refused("[possible values: text, mermaid, svg]");
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
    let drawn = draw(&Capture::of(stdio(&messages)), &[]);
    let polls: Vec<&str> = drawn.well().out.lines().filter(|line| line.contains("tasks/get")).collect();
    assert!(polls[0].contains("│◀─ tasks/get  29 × task t-1, working ─"), "{}", drawn.out);
    assert_eq!(polls.len(), 3, "{}", drawn.out);
}

#[test]
fn two_sessions_are_told_apart_or_drawn_alone() {
    let trace = built_in("tasks/two-clients", Seat::Client, Transport::Http, Deviations::default());
    let capture = Capture::of(record::write(&trace));
    let both = draw(&capture, &[]);
    both.well();
    assert!(both.err.contains("2 sessions are drawn together, marked (1) and (2)"), "{both:?}");
    let of = |text: &str, mark: &str| text.lines().filter(|line| line.contains(mark)).count();
    assert!(of(&both.out, "(1) tools/call") == 1 && of(&both.out, "(2) tools/call") == 1, "{}", both.out);
    assert!(of(&both.out, "(1) handshake") == 1 && of(&both.out, "(2) handshake") == 1, "{}", both.out);
    for (session, other) in [(1, 2), (2, 1)] {
        let alone = draw(&capture, &["--session", &session.to_string()]);
        let text = &alone.well().out;
        assert_eq!(alone.err, "");
        assert_eq!(of(text, &format!("({other}) ")), 0, "{text}");
        assert_eq!(of(text, &format!("({session}) ")), of(&both.out, &format!("({session}) ")), "{text}");
    }
    for none in ["0", "3"] {
        draw(&capture, &["--session", none]).refused(&format!("has 2 sessions, and session {none} is none of them"));
    }
}

/// A capture that others made: one message a line, with the names of two sessions.
#[test]
fn the_sessions_of_a_capture_of_others_are_drawn_one_by_one() {
    let mut lines =
        String::from("{\"capture\": 1, \"transport\": \"stdio\", \"client\": \"one\", \"server\": \"other\"}\n");
    for (from, message) in handshake() {
        for session in ["a", "b"] {
            lines.push_str(&format!("{}\n", json!({ "from": from, "message": message, "session": session })));
        }
    }
    let ping = json!({ "from": "client", "message": { "jsonrpc": "2.0", "id": 1, "method": "ping" }, "session": "b" });
    let capture = Capture::of(format!("{lines}{ping}\n"));
    let both = draw(&capture, &[]);
    let both = &both.well().out;
    assert!(both.starts_with("session 1 of 2: a\n") && both.contains("\n\nsession 2 of 2: b\n"), "{both}");
    assert!(both.matches("handshake").count() == 2 && both.matches("ping #1").count() == 1, "{both}");
    let second = draw(&capture, &["--session", "2"]);
    assert!(both.ends_with(&second.well().out) && !second.out.contains("(1)"), "{second:?}");
    assert!(!draw(&capture, &["--session", "1"]).well().out.contains("ping"));
    draw(&capture, &["--session", "3"]).refused("has 2 sessions, and session 3 is none of them");
    draw(&capture, &["--as", "svg"]).refused("has 2 sessions, each of its own; --session N draws one of them");
    assert!(draw(&capture, &["--as", "svg", "--session", "2"]).well().out.contains("ping #1"));
    // the same from standard input
    let mut command = assert_cmd::Command::cargo_bin("mcp-interop").unwrap();
    let output = command.args(["draw", "-", "--session", "2"]).pipe_stdin(&capture.path).unwrap().output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), second.out);
}

#[test]
fn what_is_not_as_it_should_be_has_a_clear_outcome() {
    let whole = stdio(&handshake());
    // nothing at all
    draw(&Capture::of(""), &[]).refused("there is nothing in it; a capture has one message or event a line");
    // a header and nothing more
    let header = format!("{}\n", whole.lines().next().unwrap());
    let nothing = draw(&Capture::of(&header), &[]);
    assert!(nothing.well().err.contains("no message was recorded"), "{nothing:?}");
    assert!(nothing.out.contains("client one") && nothing.out.contains("server other"), "{nothing:?}");
    // cut in the middle of the last line, and before the end
    for cut in [&whole[..whole.trim_end().len() - 5], whole.trim_end().rsplit_once('\n').unwrap().0] {
        let drawn = draw(&Capture::of(cut), &[]);
        assert!(drawn.well().err.contains("line 7: "), "{drawn:?}");
        assert!(drawn.out.contains("handshake"), "{drawn:?}");
    }
    // garbage: the line is named, also of bytes that are no text
    let mut lines: Vec<&str> = whole.lines().collect();
    lines[3] = "what is this?";
    draw(&Capture::of(lines.join("\n")), &[]).refused("line 4: this is no event of a run record");
    let mut bytes = header.clone().into_bytes();
    bytes.extend(b"\xff\xfe\n");
    draw(&Capture::of(bytes), &[]).refused("line 2: this is no text in UTF-8");
    // of another time
    draw(&Capture::of(whole.replacen("\"format\":1", "\"format\":99", 1)), &[]).refused("the record has format 99");
    // out of order
    let mut lines: Vec<&str> = whole.lines().collect();
    lines.swap(3, 4);
    draw(&Capture::of(lines.join("\n")), &[]).refused("lines are missing or not in order");
    // ends of lines as on other systems
    let drawn = draw(&Capture::of(whole.replace('\n', "\r\n")), &[]);
    assert_eq!(drawn.well().out, draw(&Capture::of(&whole), &[]).out);
    // no file, and no file at all
    let folder = tempfile::tempdir().unwrap();
    came("draw", &[folder.path().join("none.ndjson").to_str().unwrap()]).refused("cannot read ");
    came("draw", &[folder.path().to_str().unwrap()]).refused("cannot read ");
}

#[test]
fn a_long_capture_is_drawn_within_bounds() {
    let capture = Capture::of(pings(2000));
    let drawn = draw(&capture, &[]);
    assert!(drawn.well().out.lines().count() < 410, "{}", drawn.out.lines().count());
    assert!(drawn.err.contains(" of 6003 messages are drawn; --rows N draws more"), "{}", drawn.err);
    assert!(drawn.out.contains(" more messages"), "{}", drawn.out);
    let drawn = draw(&capture, &["--rows", "10000"]);
    assert_eq!((drawn.well().out.lines().count(), drawn.err.as_str()), (6002, ""));
    assert!(draw(&capture, &["--rows", "10", "--as", "svg"]).well().out.len() < 20_000);
    draw(&capture, &["--rows", "10001"]).refused("10001 is not in 4..=10000");
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
    let drawn = came("draw", &[file.path().to_str().unwrap()]);
    assert!(drawn.well().err.contains("longer than is read: the first "), "{}", drawn.err);
    assert!(drawn.out.len() < 20_000 && drawn.out.contains("notifications/x60"), "{}", drawn.out);
}
