//! Honest traces for the kill matrix: every monitored rule is exercised in one of them.

#[path = "stored_http.rs"]
mod over_http;

use crate::conversation::RELATED_TASK;
use crate::conversation::sample::Sample;
use crate::trace::{Body, EndReason, Seat, StreamKind, Trace, Transport};
use crate::wire::Party;
use serde_json::{Value, json};

use super::stored_features as features;

pub(in crate::judge) const NAMES: [&str; 22] = [
    "tour",
    "tour-over-http",
    "refusals",
    "undeclared",
    "unlisted",
    "http",
    "stateless",
    "pile",
    "features",
    "nothing-declared",
    "questions",
    "roots",
    "undeclared-questions",
    "a-version-of-nobody",
    "streams",
    "heads",
    "renewed",
    "polled",
    "older",
    "reports",
    "given-up",
    "canary",
];

/// The trace with that name.
pub(in crate::judge) fn trace(name: &str) -> Trace {
    match name {
        "tour" => tour(Transport::Stdio, |id| json!(id)),
        "tour-over-http" => tour(Transport::Http, |id| json!(id)),
        "tour-with-text-ids" => tour(Transport::Stdio, |id| json!(format!("id-{id}"))),
        "refusals" => refusals(),
        "undeclared" => undeclared(),
        "unlisted" => unlisted(),
        "http" => http(),
        "stateless" => stateless(),
        "features" => features::features(),
        "nothing-declared" => features::nothing_declared(),
        "questions" => features::questions(),
        "roots" => features::roots(),
        "undeclared-questions" => features::undeclared_questions(),
        "a-version-of-nobody" => features::a_version_of_nobody(),
        "pile" => pile(),
        "streams" => over_http::streams(),
        "heads" => over_http::heads(),
        "renewed" => over_http::renewed(),
        "polled" => over_http::polled(),
        "older" => over_http::older(),
        "reports" => features::reports(),
        "given-up" => features::given_up(),
        "canary" => features::canary(),
        other => panic!("there is no stored trace {other}"),
    }
}

pub(super) fn request(id: Value, method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

pub(super) fn result(id: Value, result: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "result": result})
}

pub(super) fn error(id: Value, code: i64) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": "Not so"}})
}

fn task(id: &str, status: &str, seconds: u32) -> Value {
    json!({"taskId": id, "status": status, "createdAt": "2025-11-25T10:00:00Z",
        "lastUpdatedAt": format!("2025-11-25T10:00:{seconds:02}.5+00:00"), "ttl": 60000, "pollInterval": 100})
}

fn meta(task: &str) -> Value {
    json!({RELATED_TASK: {"taskId": task}})
}

fn content(text: &str) -> Value {
    json!([{"type": "text", "text": text}])
}

fn tools() -> Value {
    let schema = json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object",
        "properties": {"_meta": {"type": "string"}}});
    let icons = json!([{"src": "https://example.com/icon.png"}]);
    json!({"tools": [
        {"name": "plain", "inputSchema": schema, "icons": icons, "execution": {"taskSupport": "forbidden"}},
        {"name": "both", "inputSchema": schema, "execution": {"taskSupport": "optional"}},
        {"name": "only", "inputSchema": schema, "execution": {"taskSupport": "required"},
            "_meta": {"com.example/kind": "slow"}},
    ]})
}

fn client_capabilities() -> Value {
    json!({"elicitation": {}, "sampling": {}, "tasks": {"list": {}, "cancel": {}, "requests": {"elicitation": {"create": {}}}}})
}

fn server_capabilities() -> Value {
    json!({"tools": {"listChanged": true}, "tasks": {"list": {}, "cancel": {}, "requests": {"tools": {"call": {}}}}})
}

fn tour(over: Transport, id: impl Fn(u32) -> Value) -> Trace {
    let mut t = Sample::new(Seat::Observer, over);
    let a = "io.modelcontextprotocol/model-immediate-response";
    t.handshake(client_capabilities(), server_capabilities());
    t.client(request(id(1), "tools/list", json!({})));
    t.server(result(id(1), tools()));
    // a task that asks a question
    t.client(request(
        id(2),
        "tools/call",
        json!({"name": "both", "arguments": {"_meta": {"-odd-": 1}}, "task": {"ttl": 60000}, "_meta": {"progressToken": "p1"}}),
    ));
    t.server(result(id(2), json!({"task": task("t1", "working", 0), "_meta": {a: "At work"}})));
    t.server(json!({"jsonrpc": "2.0", "method": "notifications/progress",
        "params": {"progressToken": "p1", "progress": 1, "_meta": meta("t1")}}));
    for (n, status, seconds) in [(3, "working", 1), (4, "input_required", 2)] {
        let token = format!("of the poll {n}");
        let params = json!({"taskId": "t1", "_meta": {"progressToken": token}});
        t.wait(150).client(request(id(n), "tasks/get", params));
        t.server(result(id(n), task("t1", status, seconds)));
    }
    t.client(request(id(5), "tasks/result", json!({"taskId": "t1"})));
    let form = json!({"type": "object", "properties": {"confirm": {"type": "boolean"}}});
    t.server(request(
        id(1),
        "elicitation/create",
        json!({"message": "Sure?", "requestedSchema": form, "_meta": meta("t1")}),
    ));
    t.wait(150).client(request(id(6), "tasks/get", json!({"taskId": "t1"})));
    t.server(result(id(6), task("t1", "input_required", 2)));
    t.client(result(id(1), json!({"action": "accept", "content": {"confirm": true}, "_meta": meta("t1")})));
    t.wait(150).client(request(id(7), "tasks/get", json!({"taskId": "t1"})));
    t.server(result(id(7), task("t1", "working", 3)));
    t.server(json!({"jsonrpc": "2.0", "method": "notifications/tasks/status", "params": task("t1", "completed", 4)}));
    t.server(result(id(5), json!({"content": content("Done"), "_meta": meta("t1")})));
    t.wait(150).client(request(id(8), "tasks/get", json!({"taskId": "t1"})));
    t.server(result(id(8), task("t1", "completed", 4)));
    t.client(request(id(9), "tasks/result", json!({"taskId": "t1"})));
    t.server(result(id(9), json!({"content": content("Done"), "_meta": meta("t1")})));
    // plain calls
    t.client(request(id(10), "tools/call", json!({"name": "both"})));
    t.server(result(id(10), json!({"content": content("Done")})));
    t.client(request(id(11), "tools/call", json!({"name": "plain"})));
    t.server(result(id(11), json!({"content": content("Done")})));
    // a task that fails
    t.client(request(id(12), "tools/call", json!({"name": "only", "task": {}})));
    t.server(result(id(12), json!({"task": task("t2", "working", 5)})));
    t.wait(150).client(request(id(13), "tasks/get", json!({"taskId": "t2"})));
    let mut failed = task("t2", "failed", 6);
    if let Some(failed) = failed.as_object_mut() {
        failed.insert("statusMessage".into(), json!("The disk is full"));
    }
    t.server(result(id(13), failed.clone()));
    t.client(request(id(14), "tasks/result", json!({"taskId": "t2"})));
    t.server(result(id(14), json!({"content": content("No"), "isError": true, "_meta": meta("t2")})));
    // a walk over the list
    t.client(request(id(15), "tasks/list", json!({})));
    t.server(result(id(15), json!({"tasks": [task("t1", "completed", 4)], "nextCursor": "c1"})));
    t.client(request(id(16), "tasks/list", json!({"cursor": "c1"})));
    t.server(result(id(16), json!({"tasks": [failed]})));
    t.wait(150).client(request(id(17), "tasks/get", json!({"taskId": "t1"})));
    t.server(result(id(17), task("t1", "completed", 4)));
    // a task that is cancelled
    t.client(request(id(18), "tools/call", json!({"name": "both", "task": {}})));
    t.server(result(id(18), json!({"task": task("t3", "working", 7)})));
    t.client(request(id(22), "tasks/get", json!({"taskId": "t3"})));
    t.server(result(id(22), task("t3", "working", 7)));
    t.client(request(id(19), "tasks/cancel", json!({"taskId": "t3"})));
    t.server(result(id(19), task("t3", "cancelled", 8)));
    t.wait(150).client(request(id(20), "tasks/get", json!({"taskId": "t3"})));
    t.server(result(id(20), task("t3", "cancelled", 8)));
    from_the_server(&mut t, &id, form);
    t.client(request(id(21), "ping", json!({})));
    t.server(result(id(21), json!({})));
    t.done()
}

/// What the server asks for itself.
fn from_the_server(t: &mut Sample, id: impl Fn(u32) -> Value, form: Value) {
    t.server(request(
        id(2),
        "elicitation/create",
        json!({"message": "Who?", "requestedSchema": form, "task": {"ttl": 60000}}),
    ));
    t.client(result(id(2), json!({"task": task("c1", "working", 10)})));
    t.server(request(id(3), "tasks/get", json!({"taskId": "c1"})));
    t.client(result(id(3), task("c1", "completed", 11)));
    t.server(request(id(4), "tasks/result", json!({"taskId": "c1"})));
    t.client(result(id(4), json!({"action": "decline", "_meta": meta("c1")})));
    t.server(request(id(6), "sampling/createMessage", json!({"messages": [], "maxTokens": 10})));
    t.client(result(id(6), json!({"role": "assistant", "model": "m", "content": {"type": "text", "text": "Yes"}})));
    t.server(
        json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed", "params": {"_meta": {"a.b.c/d": 1}}}),
    );
    t.server(request(id(5), "ping", json!({})));
    t.client(result(id(5), json!({})));
}

/// Our client asks for what must be refused.
fn refusals() -> Trace {
    let mut t = Sample::new(Seat::Client, Transport::Stdio);
    let n = |id: u32| json!(id);
    t.handshake(client_capabilities(), server_capabilities());
    t.client(request(n(1), "tools/list", json!({})));
    t.server(result(n(1), tools()));
    for (id, method) in [(2, "tasks/get"), (3, "tasks/result"), (4, "tasks/cancel")] {
        t.client(request(n(id), method, json!({"taskId": "nobody"})));
        t.server(error(n(id), -32602));
    }
    t.breaking(request(n(5), "tools/call", json!({"name": "plain", "task": {}})), "tasks.tool.no-augment-forbidden");
    t.server(error(n(5), -32601));
    t.breaking(request(n(6), "tools/call", json!({"name": "only"})), "tasks.tool.required-must-augment");
    t.server(error(n(6), -32601));
    t.breaking(request(n(7), "tasks/list", json!({"cursor": "made up"})), "tasks.list.cursor-opaque");
    t.server(error(n(7), -32602));
    // a task, asked for under two names, and cancelled after its end
    t.client(request(n(8), "tools/call", json!({"name": "both", "task": {"ttl": 60000}})));
    t.server(result(n(8), json!({"task": task("r1", "working", 0)})));
    t.wait(150).client(request(n(9), "tasks/get", json!({"taskId": "r1"})));
    t.server(result(n(9), task("r1", "completed", 1)));
    t.wait(150).breaking(
        request(n(10), "tasks/get", json!({"taskId": "r1", "_meta": meta("nobody")})),
        "tasks.related.requestor-omits",
    );
    t.server(result(n(10), task("r1", "completed", 1)));
    t.client(request(n(11), "tasks/cancel", json!({"taskId": "r1"})));
    t.server(error(n(11), -32602));
    // a task that expires
    let mut short = task("r2", "working", 2);
    if let Some(short) = short.as_object_mut() {
        short.insert("ttl".into(), json!(1000));
    }
    t.client(request(n(12), "tools/call", json!({"name": "both", "task": {"ttl": 1000}})));
    t.server(result(n(12), json!({"task": short})));
    t.wait(2000).client(request(n(13), "tasks/get", json!({"taskId": "r2"})));
    t.server(error(n(13), -32602));
    // an id that the requestor would like
    t.client(request(n(14), "tools/call", json!({"name": "both", "task": {"taskId": "mine"}})));
    t.server(result(n(14), json!({"task": task("r3", "working", 4)})));
    // a task that is cancelled under two names
    t.breaking(
        request(n(19), "tasks/cancel", json!({"taskId": "r3", "_meta": meta("nobody")})),
        "tasks.related.requestor-omits",
    );
    t.server(result(n(19), task("r3", "cancelled", 5)));
    // what no server can serve
    t.client(request(n(15), "does/not/exist", json!({})));
    t.server(error(n(15), -32601));
    t.breaking(request(n(16), "tools/call", json!({"name": 5})), "lifecycle.version.respect-negotiated");
    t.server(error(n(16), -32602));
    t.breaking_text("{\"jsonrpc\":", "base.jsonrpc.conforms");
    t.server(json!({"jsonrpc": "2.0", "error": {"code": -32700, "message": "That is no JSON"}}));
    t.client(request(n(17), "ping", json!({})));
    t.server(result(n(17), json!({})));
    t.done()
}

/// Nobody declared tasks, and our client asks for one.
fn undeclared() -> Trace {
    let mut t = Sample::new(Seat::Client, Transport::Stdio);
    t.handshake(json!({"sampling": {}}), json!({"tools": {}}));
    t.breaking(
        request(json!(1), "tools/call", json!({"name": "both", "task": {}})),
        "tasks.tool.no-augment-without-capability",
    );
    t.server(result(json!(1), json!({"content": content("Done")})));
    t.server(request(json!(1), "sampling/createMessage", json!({"messages": [], "maxTokens": 10})));
    t.client(json!({"jsonrpc": "2.0", "id": 1, "result":
        {"role": "assistant", "model": "m", "content": {"type": "text", "text": "Yes"}}}));
    t.done()
}

/// The server takes some requests as tasks, but not this one; and neither lists nor cancels.
fn unlisted() -> Trace {
    let mut t = Sample::new(Seat::Observer, Transport::Stdio);
    t.handshake(json!({}), json!({"tools": {}, "tasks": {"requests": {}}}));
    t.breaking(
        request(json!(1), "tools/call", json!({"name": "both", "task": {}})),
        "tasks.tool.no-augment-without-capability",
    );
    t.server(result(json!(1), json!({"content": content("Done")})));
    t.client(request(json!(2), "tools/call", json!({"name": "both"})));
    t.server(result(json!(2), json!({"content": content("Done")})));
    t.client(request(json!(3), "ping", json!({})));
    t.server(result(json!(3), json!({})));
    t.done()
}

/// The question in a task over HTTP: it comes on the stream of `tasks/result`.
fn http() -> Trace {
    let mut t = Sample::new(Seat::Observer, Transport::Http);
    let n = |id: u32| json!(id);
    t.handshake(
        json!({"elicitation": {}}),
        json!({"tools": {}, "tasks": {"cancel": {}, "requests": {"tools": {"call": {}}}}}),
    );
    t.client(request(n(1), "tools/list", json!({})));
    t.server(result(n(1), tools()));
    t.client(request(n(2), "tools/call", json!({"name": "both", "task": {"ttl": 60000}})));
    t.server(result(n(2), json!({"task": task("h1", "working", 0)})));
    t.wait(150).client(request(n(3), "tasks/get", json!({"taskId": "h1"})));
    t.server(result(n(3), task("h1", "working", 1)));
    t.wait(150).client(request(n(4), "tasks/get", json!({"taskId": "h1"})));
    t.server(result(n(4), task("h1", "input_required", 2)));
    t.client(request(n(5), "tasks/result", json!({"taskId": "h1"})));
    let stream = t.respond(200, "text/event-stream", None);
    t.on(
        stream,
        request(
            n(1),
            "elicitation/create",
            json!({"message": "Sure?",
            "requestedSchema": {"type": "object", "properties": {}}, "_meta": meta("h1")}),
        ),
    );
    t.client(result(n(1), json!({"action": "decline", "_meta": meta("h1")})));
    t.respond(202, "text/plain", None);
    t.on(stream, result(n(5), json!({"content": content("Done"), "_meta": meta("h1")})));
    t.close(stream);
    t.client(request(n(6), "tools/call", json!({"name": "both"})));
    t.server(result(n(6), json!({"content": content("Done")})));
    // the last poll shows that everything before it was received
    t.wait(150).client(request(n(7), "tasks/get", json!({"taskId": "h1"})));
    t.server(result(n(7), task("h1", "completed", 3)));
    t.done()
}

/// A server over HTTP that knows neither sessions nor callers.
fn stateless() -> Trace {
    let mut t = Sample::new(Seat::Observer, Transport::Http);
    t.stateless = true;
    t.handshake(json!({}), json!({"tools": {}, "tasks": {"requests": {"tools": {"call": {}}}}}));
    t.client(request(json!(1), "tools/call", json!({"name": "both", "task": {}})));
    t.server(result(json!(1), json!({"task": task("s1", "working", 0)})));
    t.done()
}

/// Many tasks of one tool, listed in pages and at once; and the tool called plainly before and after.
fn pile() -> Trace {
    let mut t = Sample::new(Seat::Observer, Transport::Stdio);
    let mut last = 0;
    let mut id = || {
        last += 1;
        json!(last)
    };
    t.handshake(client_capabilities(), server_capabilities());
    let n = id();
    t.client(request(n.clone(), "tools/list", json!({})));
    t.server(result(n, tools()));
    let call = |n: Value| request(n, "tools/call", json!({"name": "both", "arguments": {"of": "three"}}));
    let n = id();
    t.client(call(n.clone()));
    t.server(result(n, json!({"content": content("Done")})));
    let tasks = [
        "3f1c9b0a6d2e4f579a41c8e0b7d215f3",
        "d47a02e691bc4b088e631f5ac9702bde",
        "08be5d7341fa4c6cb2d79e60f58a13c4",
        "a96f3e1c7b5248d0a4e82d07c6f1b935",
        "517d0c8ae2f64b3f98b1e4d2703c6fa9",
        "ec2b4f9605d74a11b7c3508fd96ea27b",
    ];
    for name in tasks {
        let n = id();
        t.client(request(n.clone(), "tools/call", json!({"name": "both", "arguments": {"of": "three"}, "task": {}})));
        t.server(result(n, json!({"task": task(name, "working", 1)})));
    }
    let n = id();
    t.client(request(n.clone(), "tasks/result", json!({"taskId": tasks[0]})));
    t.server(result(n, json!({"content": content("Done"), "_meta": meta(tasks[0])})));
    let n = id();
    t.client(call(n.clone()));
    t.server(result(n, json!({"content": content("Done")})));
    let done: Vec<Value> = tasks.iter().map(|name| task(name, "completed", 2)).collect();
    let n = id();
    t.client(request(n.clone(), "tasks/list", json!({})));
    t.server(result(n, json!({"tasks": done[..3], "nextCursor": "c1"})));
    let n = id();
    t.client(request(n.clone(), "tasks/list", json!({"cursor": "c1"})));
    t.server(result(n, json!({"tasks": done[3..]})));
    let n = id();
    t.client(request(n.clone(), "tasks/list", json!({})));
    t.server(result(n, json!({"tasks": done})));
    for (name, done) in tasks.iter().zip(&done) {
        let n = id();
        t.client(request(n.clone(), "tasks/get", json!({"taskId": name})));
        t.server(result(n, done.clone()));
    }
    t.done()
}

/// The tour, ended early by another reason, for what must stay silent then.
pub(super) fn ended(name: &str, events: usize, reason: EndReason) -> Trace {
    let mut whole = trace(name);
    whole.events.truncate(events);
    let seq = u32::try_from(events).unwrap_or(u32::MAX);
    whole.events.push(crate::trace::Event { seq, at: u64::from(seq) * 1_000_000, body: Body::End { reason } });
    whole
}

/// A `tasks/get` that is answered as a stream of events, and a notification that is answered by a message.
pub(super) fn odd_http() -> Trace {
    let mut t = Sample::new(Seat::Observer, Transport::Http);
    let n = |id: u32| json!(id);
    t.handshake(json!({}), json!({"tools": {}, "tasks": {"requests": {"tools": {"call": {}}}}}));
    t.client(request(n(2), "tools/call", json!({"name": "both", "task": {}})));
    t.server(result(n(2), json!({"task": task("h1", "working", 0)})));
    t.client(request(n(3), "tasks/get", json!({"taskId": "h1"})));
    let stream = t.respond(200, "text/event-stream", None);
    t.on(stream, result(n(3), task("h1", "working", 1)));
    t.client(request(n(4), "ping", json!({})));
    t.client(json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 4}}));
    t.server(result(n(9), json!({})));
    t.open(Party::Server, StreamKind::Get, 99);
    t.done()
}

/// Bytes that cannot be read, over HTTP: refused with a page, with an error that goes too far, and with the error of a reader
/// that stopped at some depth.
pub(super) fn unread_http() -> Trace {
    let mut t = Sample::new(Seat::Client, Transport::Http);
    let refuse = |t: &mut Sample, bytes: &str, answer: Option<Value>| {
        let at = t.breaking_text(bytes, "base.jsonrpc.conforms");
        let stream = t.respond(if answer.is_some() { 500 } else { 400 }, "application/json", None);
        answer.map_or(at, |answer| t.on(stream, answer))
    };
    t.handshake(json!({}), json!({"tools": {}}));
    refuse(&mut t, "{\"jsonrpc\":", None);
    refuse(&mut t, "{\"jsonrpc\"\u{1}}", Some(error(json!("server-error"), -32603)));
    let mut none = error(Value::Null, -32603);
    none.as_object_mut().map(|none| none.shift_remove("id"));
    refuse(&mut t, &"[".repeat(5000), Some(none));
    t.client(request(json!(1), "ping", json!({})));
    t.server(result(json!(1), json!({})));
    t.done()
}
