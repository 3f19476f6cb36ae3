//! `draft`: what is written of a capture, what is not, and what becomes of captures of which nothing can be written.

use super::{Came, Capture, built_in, came, handshake, recorded, stdio};
use mcp_interop::draft::{self, Wish};
use mcp_interop::judge::{Verdict, judge};
use mcp_interop::run::pair::Deviations;
use mcp_interop::scenario::Source;
use mcp_interop::scenario::diagnostic::Level;
use mcp_interop::scenario::parse;
use mcp_interop::trace::{Seat, Trace, Transport, record};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::Arc;

fn drafted(capture: &Capture, words: &[&str]) -> Came {
    came("draft", &[&["--from", capture.path.to_str().unwrap()], words].concat())
}

/// A session in which a tool is called with these arguments and says that.
fn call(arguments: &Value, said: &str) -> Vec<(&'static str, Value)> {
    let params = json!({ "name": "test", "arguments": arguments });
    let result = json!({ "content": [{ "type": "text", "text": said }] });
    let mut messages = handshake();
    messages.push(("client", json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params })));
    messages.push(("server", json!({ "jsonrpc": "2.0", "id": 1, "result": result })));
    messages
}

/// The draft lints without a word, and the file says these lines.
fn says(came: &Came, lines: &[&str]) {
    let (_, found) = draft::check(&came.well().out);
    let found: Vec<String> = found.iter().map(|d| d.render(false)).collect();
    assert!(found.is_empty(), "{}\n{}", found.join("\n"), came.out);
    for line in lines {
        assert!(came.out.lines().any(|l| l.trim() == *line), "`{line}` is missing:\n{}", came.out);
    }
}

#[test]
fn what_was_recorded_becomes_a_file_that_lints() {
    let capture = Capture::of(stdio(&call(&json!({ "files": 42 }), "Deleted 42 files")));
    let came = drafted(&capture, &["--title", "Files are \"deleted\""]);
    let written = ["title: \"Files are \\\"deleted\\\"\"", "arguments: { files: 42 }", "- call tool: call"];
    says(&came, &written);
    says(&came, &["result: { content: [{ type: text, text: \"Deleted ${arguments.files} files\" }] }"]);
    assert_eq!(came.err, "");
}

#[test]
fn it_goes_into_a_file_and_replaces_none_unasked() {
    let capture = Capture::of(stdio(&call(&json!({}), "x")));
    let file = capture.beside("draft.yaml");
    let shown = drafted(&capture, &[]).out;
    assert_eq!(drafted(&capture, &["--out", &file]).well().out, "");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), shown);
    std::fs::write(&file, "somebody's work, which is longer than what would be written\n".repeat(100)).unwrap();
    drafted(&capture, &["--out", &file]).refused("is there already; --force replaces it");
    drafted(&capture, &["--out", &file, "--force"]).well();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), shown);
    drafted(&capture, &["--out", &capture.beside("no/such/folder.yaml")]).refused("cannot write");
    drafted(&capture, &["--force"]).refused("--out");
}

#[test]
fn where_there_is_nothing_to_draft_it_is_said_why() {
    drafted(&Capture::of(""), &[]).refused("there is nothing in it; a capture has one message or event a line");
    let alone = stdio(&handshake());
    let header = alone.lines().next().unwrap();
    drafted(&Capture::of(header), &[]).refused("nothing was said in the capture, so there is nothing to draft");
    drafted(&Capture::of(&alone), &[]).refused("nothing was said after the handshake, so there is nothing to draft");
    let garbage = alone.replace("\"writer\":\"client\"", "\"writer\":\"nobody\"");
    drafted(&Capture::of(garbage), &[]).refused("line 2: this is no event of a run record");
    let modern = stdio(&call(&json!({}), "x")[3..]).replacen("2025-11-25", "2026-07-28", 1);
    drafted(&Capture::of(modern), &[]).refused("the session speaks 2026-07-28; only sessions of revisions up to");
    let missing = came("draft", &["--from", "/no/such/capture.ndjson"]);
    missing.refused("cannot read /no/such/capture.ndjson: ");
    came("draft", &[]).refused("--from <CAPTURE>");
}

/// A record that began late, or broke off, is drafted as far as it goes, and says so.
#[test]
fn a_part_of_a_session_is_drafted_as_such() {
    let late = Capture::of(stdio(&call(&json!({}), "x")[3..]));
    let came = drafted(&late, &[]);
    says(&came, &["# no handshake was recorded: that it is revision 2025-11-25 is presumed", "- call tool: call"]);
    assert!(came.err.contains("no handshake was recorded"), "{came:?}");
    let whole = stdio(&call(&json!({}), "x"));
    let cut = Capture::of(&whole[..whole.trim_end().len() - 3]);
    let came = drafted(&cut, &[]);
    says(&came, &["# the capture breaks off: what would have come is not known", "- call tool: call"]);
    assert!(came.err.contains("line 9: the last line is only the beginning of an event; read without it"), "{came:?}");
    let open = stdio(&call(&json!({}), "x")[..4]);
    let came = drafted(&Capture::of(open), &[]);
    assert!(came.well().out.contains("# event 5 was never answered"), "{came:?}");
}

#[test]
fn of_two_sessions_one_is_drafted() {
    let trace = built_in("tasks/two-clients", Seat::Client, Transport::Http, Deviations::default());
    let capture = Capture::of(record::write(&trace));
    let of = |session: &str| drafted(&capture, &["--session", session]);
    let (first, second) = (of("1"), of("2"));
    says(&first, &["# session 1 of 2: 9 messages"]);
    says(&second, &["# session 2 of 2: 9 messages"]);
    let most = drafted(&capture, &[]);
    says(&most, &["# session 1 of 2, in which most was said: 9 messages"]);
    assert!(most.err.contains("note: session 1 of 2, in which most was said"), "{most:?}");
    for none in ["0", "3"] {
        of(none).refused(&format!("has 2 sessions, and session {none} is none of them"));
    }
}

/// A capture that others made: one message a line, and no end.
#[test]
fn of_a_capture_of_others_a_session_is_drafted() {
    let mut lines = String::new();
    for (from, message) in call(&json!({ "files": 42 }), "Deleted 42 files") {
        lines.push_str(&format!("{}\n", json!({ "from": from, "message": message, "session": "long" })));
    }
    for (from, message) in handshake() {
        lines.push_str(&format!("{}\n", json!({ "from": from, "message": message, "session": "short" })));
    }
    let capture = Capture::of(&lines);
    let came = drafted(&capture, &[]);
    says(&came, &["# session 1 of 2, in which most was said: 5 messages", "- call tool: call"]);
    assert!(!came.out.contains("breaks off"), "{}", came.out);
    drafted(&capture, &["--session", "2"]).refused("nothing was said after the handshake");
    drafted(&capture, &["--session", "3"]).refused("has 2 sessions, and session 3 is none of them");
}

/// What the judge found wrong is not asked for again.
#[test]
fn what_was_wrong_is_not_drafted() {
    let mut messages = call(&json!({}), "x");
    messages[4].1["result"]["content"][0]["text"] = json!(7);
    messages[4].1["result"]["isError"] = json!("no");
    let came = drafted(&Capture::of(stdio(&messages)), &[]);
    says(&came, &[]);
    assert!(came.out.contains("is not written, for it was found wrong: "), "{}", came.out);
    assert!(!came.out.contains("isError: \"no\"") && !came.out.contains("text: 7"), "{}", came.out);
}

const SECRETS: &str = r#"
title: Signing in
revisions: "2025-11-25"
needs: { server: { moved: by us, tool: sign_in }, client: { capability: elicitation } }
drive:
  - { call tool: call, sees: call }
  - { when asked: question, with: { action: accept, content: { password: "hunter22" } } }
exchange:
  - client requests: tools/call
    as: call
    params: { name: sign_in, arguments: { user: ada, api_token: "s3cr3t-1234", note: "not s3cr3t-1234", header: "Bearer abcdefgh.ijkl" } }
  - server requests: elicitation/create
    as: question
    params: { message: "The password of s3cr3t-1234?", requestedSchema: { type: object, properties: { password: { type: string } } } }
  - client answers: question
    result: { action: accept, content: { password: "hunter22" } }
    proves: [elicitation.result.action]
  - server answers: call
    result: { content: [{ type: text, text: "s3cr3t-1234 of ada is hunter22" }] }
"#;

/// Play, draft, play the draft; in the seat of the server, which repeats what it was told.
#[test]
fn secrets_are_not_copied_and_the_draft_plays() {
    let of = |text: &str| {
        let (scenarios, found) = parse::read(&Source::new("own/secrets.yaml", text));
        assert!(found.iter().all(|d| d.level != Level::Error), "{found:?}\n{text}");
        Arc::new(scenarios.into_iter().next().unwrap())
    };
    let play =
        |text: &str| recorded::play(&of(text), Seat::Server, Transport::Stdio, Vec::new(), Deviations::default());
    let (trace, judgement) = play(SECRETS);
    assert_eq!(judgement.verdict, Verdict::Pass, "{judgement:?}");
    assert!(record::write(&trace).contains("s3cr3t-1234"));
    let draft = draft::draft(&trace, &judgement, &Wish::default()).unwrap();
    for secret in ["s3cr3t-1234", "hunter22", "abcdefgh"] {
        assert!(!draft.text.contains(secret) && !draft.notes.concat().contains(secret), "{secret}: {}", draft.text);
    }
    for line in ["secret: <fresh string>", "secret2: <fresh string>", "user: ada"] {
        assert!(draft.text.contains(line), "{line}: {}", draft.text);
    }
    assert!(draft.text.contains("# what `$secret` stands for may be a secret and is not copied"), "{}", draft.text);
    let (_, found) = draft::check(&draft.text);
    assert!(found.is_empty(), "{found:?}\n{}", draft.text);
    let (_, judgement) = play(&draft.text);
    assert_eq!(judgement.verdict, Verdict::Pass, "{judgement:#?}\n{}", draft.text);
}

/// What a server gave out is bound where it comes, and used by its name; where it is not used, any text will do.
#[test]
fn the_secrets_of_a_server_are_bound() {
    let given = json!({ "session_token": "of-the-server", "cookie": "xyz" });
    let mut messages = call(&json!({}), &given.to_string());
    messages[4].1["result"]["structuredContent"] = given;
    let params = json!({ "name": "test", "arguments": { "token": "of-the-server" } });
    messages.push(("client", json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params })));
    messages.push(("server", json!({ "jsonrpc": "2.0", "id": 2, "result": { "content": [] } })));
    let came = drafted(&Capture::of(stdio(&messages)), &[]);
    assert!(!came.out.contains("of-the-server") && !came.out.contains("xyz"), "{}", came.out);
    says(
        &came,
        &["content: [{ type: text, text: <string> }]", "params: { name: test, arguments: { token: $secret } }"],
    );
    assert!(came.out.contains("structuredContent: { session_token: $secret, cookie: <string> }"), "{}", came.out);
    // said in no member of its own: nothing can be bound
    messages[4].1["result"].as_object_mut().unwrap().remove("structuredContent");
    messages[4].1["result"]["_meta"] = json!({ "token": "of-the-server" });
    let came = drafted(&Capture::of(stdio(&messages)), &[]);
    assert!(!came.out.contains("of-the-server"), "{}", came.out);
    says(&came, &["secret: <fresh string>"]);
}

/// Text that tries to be more than a value.
fn hostile() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "$name",
        "${x}",
        "<any>",
        "<",
        ">",
        ": ",
        "# ",
        "- ",
        "\n",
        "\r",
        "\t",
        "\"",
        "'",
        "{",
        "}",
        "[",
        "]",
        "&a",
        "*a",
        "!",
        "|",
        "%",
        "@",
        "`",
        "no",
        "on",
        "~",
        "null",
        "1e3",
        "0x1f",
        "2025-11-25",
        "\u{0}",
        "\u{2028}",
        "\u{feff}",
        "\u{85}",
        "中",
        "\\",
        "taskId",
        "</re/>",
        "<absent>",
        "12",
        "t-1",
    ]);
    proptest::collection::vec(prop_oneof![3 => pieces.prop_map(str::to_owned), 1 => any::<String>()], 0..4)
        .prop_map(|all| all.concat())
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        hostile().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((hostile(), inner), 0..4)
                .prop_map(|all| Value::Object(all.into_iter().collect())),
        ]
    })
}

/// A message of whomever: sensible, odd, or answering what nobody asked.
fn message() -> impl Strategy<Value = (&'static str, Value)> {
    let from = prop_oneof![Just("client"), Just("server")];
    let methods = prop::sample::select(vec![
        "tools/call",
        "tools/list",
        "tasks/get",
        "tasks/result",
        "tasks/cancel",
        "tasks/list",
        "elicitation/create",
        "sampling/createMessage",
        "resources/read",
        "prompts/get",
        "completion/complete",
        "ping",
        "roots/list",
        "notifications/cancelled",
        "notifications/progress",
        "logging/setLevel",
        "initialize",
        "no/such",
    ]);
    let params = (value(), hostile()).prop_map(|(value, name)| {
        json!({ "name": name, "taskId": "t-1", "uri": name, "arguments": value, "cursor": name, "requestId": 1, "x": value,
            "task": { "ttl": 1 }, "password": name })
    });
    let result = (value(), hostile(), 0u8..4).prop_map(|(value, text, kind)| match kind {
        0 => json!({ "task": { "taskId": "t-1", "status": "working", "createdAt": text, "ttl": value } }),
        1 => json!({ "content": [{ "type": "text", "text": text }, value], "structuredContent": value, "token": text }),
        2 => json!({ "taskId": "t-1", "status": text, "tools": [value], "nextCursor": text }),
        _ => value,
    });
    let id = prop_oneof![(1u8..5).prop_map(Value::from), Just(json!("a")), Just(Value::Null)];
    (from, methods, params, result, id, 0u8..5).prop_map(|(from, method, params, result, id, kind)| {
        let message = match kind {
            0 | 1 => json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }),
            2 => json!({ "jsonrpc": "2.0", "method": method, "params": params }),
            3 => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
            _ => json!({ "jsonrpc": "2.0", "id": id, "error": { "code": -32602, "message": result } }),
        };
        (from, message)
    })
}

fn trace_of(messages: &[(&str, Value)]) -> Trace {
    record::read(&stdio(messages)).unwrap().trace
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    /// Whatever was said: what is drafted of it is a scenario without errors, and the same every time.
    #[test]
    fn every_draft_lints(said in proptest::collection::vec(message(), 0..14), name in hostile(), greets in any::<bool>()) {
        let mut messages = if greets { handshake() } else { Vec::new() };
        messages.extend(said);
        let mut trace = trace_of(&messages);
        trace.header.client = name.clone();
        let judgement = judge(&trace);
        let wish = Wish { from: name, ..Wish::default() };
        let Ok(draft) = draft::draft(&trace, &judgement, &wish) else { return Ok(()) };
        prop_assert_eq!(&draft::draft(&trace, &judgement, &wish).unwrap().text, &draft.text);
        let (scenarios, found) = draft::check(&draft.text);
        let wrong: Vec<String> = found.iter().filter(|d| d.level == Level::Error).map(|d| d.render(false)).collect();
        prop_assert!(wrong.is_empty() && scenarios.len() == 1, "{}\n{}", wrong.join("\n"), draft.text);
    }
}
