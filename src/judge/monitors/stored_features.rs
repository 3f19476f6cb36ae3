//! Honest traces of what servers offer beside tasks: tools, resources, prompts and what goes with them.

use super::stored::{error, request, result};
use crate::conversation::sample::Sample;
use crate::trace::{Body, Seat, Trace, Transport};
use serde_json::{Value, json};

/// One pixel, and no sound.
const PIXEL: &str = "iVBORw0KGgo=";

fn annotated() -> Value {
    json!({"audience": ["user", "assistant"], "priority": 0.5, "lastModified": "2025-01-12T15:00:58Z"})
}

fn tool(name: &str) -> Value {
    json!({"name": name, "inputSchema": {"type": "object"}})
}

/// A server that offers everything, and a client that uses it.
pub(super) fn features() -> Trace {
    let mut t = Sample::new(Seat::Observer, Transport::Stdio);
    t.handshake(
        json!({}),
        json!({"tools": {}, "resources": {"subscribe": true, "listChanged": true}, "prompts": {}, "completions": {}, "logging": {}}),
    );
    tools(&mut t);
    resources(&mut t);
    prompts(&mut t);
    utilities(&mut t);
    t.client(request(json!(90), "ping", json!({})));
    t.server(result(json!(90), json!({})));
    t.done()
}

fn tools(t: &mut Sample) {
    let n = |id: u32| json!(id);
    t.client(request(n(1), "tools/list", json!({})));
    let weather = json!({"name": "weather", "inputSchema": {"type": "object"}, "outputSchema":
        {"type": "object", "properties": {"degrees": {"type": "number"}}, "required": ["degrees"]}});
    t.server(result(n(1), json!({"tools": [tool("plain"), weather], "nextCursor": "more"})));
    t.client(request(n(2), "tools/list", json!({"cursor": "more"})));
    t.server(result(n(2), json!({"tools": [tool("media_2.0-b")]})));
    t.client(request(n(3), "tools/call", json!({"name": "plain"})));
    t.server(result(n(3), json!({"content": [{"type": "text", "text": "Yes", "annotations": annotated()}]})));
    t.client(request(n(4), "tools/call", json!({"name": "weather"})));
    let structured = json!({"degrees": 21.5});
    t.server(result(
        n(4),
        json!({"content": [{"type": "text", "text": "{ \"degrees\": 21.50 }"}], "structuredContent": structured}),
    ));
    t.client(request(n(5), "tools/call", json!({"name": "media_2.0-b"})));
    t.server(result(
        n(5),
        json!({"content": [
            {"type": "image", "data": PIXEL, "mimeType": "image/png"},
            {"type": "audio", "data": "", "mimeType": "audio/wav"},
            {"type": "resource", "resource": {"uri": "test://a", "text": "A", "annotations": annotated()}},
        ]}),
    ));
    t.client(request(n(6), "tools/call", json!({"name": "weather"})));
    t.server(result(n(6), json!({"content": [{"type": "text", "text": "No such place"}], "isError": true})));
}

fn resources(t: &mut Sample) {
    let n = |id: u32| json!(id);
    t.client(request(n(20), "resources/list", json!({})));
    t.server(result(
        n(20),
        json!({"resources": [
            {"uri": "test://a", "name": "a", "annotations": annotated()},
            {"uri": "file:///b", "name": "b", "mimeType": "image/png"},
        ]}),
    ));
    t.client(request(n(21), "resources/templates/list", json!({})));
    t.server(result(
        n(21),
        json!({"resourceTemplates": [{"uriTemplate": "test://{id}/data", "name": "of one", "annotations": annotated()}]}),
    ));
    t.client(request(n(22), "resources/read", json!({"uri": "test://a"})));
    t.server(result(
        n(22),
        json!({"contents": [{"uri": "test://a", "mimeType": "text/plain", "text": "One\n\tTwo\u{1b}[0m"}]}),
    ));
    t.client(request(n(23), "resources/read", json!({"uri": "file:///b"})));
    t.server(result(n(23), json!({"contents": [{"uri": "file:///b", "mimeType": "image/png", "blob": PIXEL}]})));
    t.client(request(n(24), "resources/subscribe", json!({"uri": "test://a"})));
    t.server(result(n(24), json!({})));
    t.server(json!({"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": "test://a"}}));
    t.server(json!({"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": "test://a/b"}}));
    t.breaking(request(n(26), "resources/read", json!({"uri": "no scheme"})), "lifecycle.version.respect-negotiated");
    t.server(error(n(26), -32002));
    t.client(request(n(25), "resources/unsubscribe", json!({"uri": "test://a"})));
    t.server(result(n(25), json!({})));
}

fn prompts(t: &mut Sample) {
    let n = |id: u32| json!(id);
    t.client(request(n(40), "prompts/list", json!({})));
    t.server(result(n(40), json!({"prompts": [{"name": "greet", "arguments": [{"name": "whom", "required": true}]}]})));
    t.client(request(n(41), "prompts/get", json!({"name": "greet", "arguments": {"whom": "you"}})));
    t.server(result(
        n(41),
        json!({"messages": [
            {"role": "user", "content": {"type": "text", "text": "Hello"}},
            {"role": "user", "content": {"type": "image", "data": PIXEL, "mimeType": "image/png"}},
            {"role": "user", "content": {"type": "audio", "data": PIXEL, "mimeType": "audio/wav"}},
            {"role": "assistant", "content": {"type": "resource",
                "resource": {"uri": "test://a", "mimeType": "text/plain", "text": "A"}}},
        ]}),
    ));
}

fn utilities(t: &mut Sample) {
    let n = |id: u32| json!(id);
    t.client(request(
        n(50),
        "completion/complete",
        json!({"ref": {"type": "ref/prompt", "name": "greet"}, "argument": {"name": "whom", "value": "y"}}),
    ));
    t.server(result(n(50), json!({"completion": {"values": ["you", "yourself"], "total": 2, "hasMore": false}})));
    t.client(request(n(51), "tools/call", json!({"name": "plain", "_meta": {"progressToken": "p"}})));
    t.server(
        json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "At work"}}),
    );
    for (progress, message) in [(0.5, "Half"), (1.0, "Whole")] {
        t.server(json!({"jsonrpc": "2.0", "method": "notifications/progress",
            "params": {"progressToken": "p", "progress": progress, "total": 1, "message": message}}));
    }
    t.server(result(n(51), json!({"content": []})));
}

/// What a server asks a client that can answer everything.
pub(super) fn questions() -> Trace {
    let mut t = Sample::new(Seat::Observer, Transport::Stdio);
    let n = |id: u32| json!(id);
    t.handshake(
        json!({"elicitation": {"form": {}, "url": {}}, "sampling": {"tools": {}, "context": {}}}),
        json!({"tools": {}}),
    );
    let form = json!({"type": "object", "required": ["name"], "properties": {
        "name": {"type": "string", "minLength": 2, "default": "Ann"},
        "mail": {"type": "string", "format": "email"},
        "size": {"type": "string", "enum": ["s", "m"], "default": "m"},
        "many": {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}},
    }});
    let ask = |params: Value| request(n(1), "elicitation/create", params);
    t.server(ask(json!({"mode": "form", "message": "Who are you?", "requestedSchema": form})));
    t.client(result(n(1), json!({"action": "accept", "content": {"name": "Bob", "many": ["a"]}})));
    t.server(request(n(2), "elicitation/create", json!({"message": "And now?", "requestedSchema": form})));
    t.client(result(n(2), json!({"action": "cancel"})));
    t.server(request(
        n(3),
        "elicitation/create",
        json!({"mode": "url", "message": "Please sign in", "url": "https://example.com/in?of=me", "elicitationId": "e1"}),
    ));
    t.client(result(n(3), json!({"action": "accept"})));
    t.server(
        json!({"jsonrpc": "2.0", "method": "notifications/elicitation/complete", "params": {"elicitationId": "e1"}}),
    );
    t.client(request(n(1), "tools/call", json!({"name": "plain"})));
    t.server(json!({"jsonrpc": "2.0", "id": 1, "error": {"code": -32042, "message": "Sign in first", "data": {"elicitations": [
        {"mode": "url", "message": "Please sign in", "url": "https://example.com/in", "elicitationId": "e2"}]}}}));
    t.server(
        json!({"jsonrpc": "2.0", "method": "notifications/elicitation/complete", "params": {"elicitationId": "e2"}}),
    );
    sampling(&mut t);
    t.client(request(n(2), "ping", json!({})));
    t.server(result(n(2), json!({})));
    t.done()
}

fn sampling(t: &mut Sample) {
    let n = |id: u32| json!(id);
    let text = |text: &str| json!({"type": "text", "text": text});
    let tool = json!({"name": "weather", "inputSchema": {"type": "object"}, "outputSchema":
        {"type": "object", "properties": {"degrees": {"type": "number"}}, "required": ["degrees"]}});
    let asked = json!({"role": "user", "content": text("Is it warm?")});
    let used = json!({"type": "tool_use", "id": "u1", "name": "weather", "input": {}});
    t.server(request(
        n(10),
        "sampling/createMessage",
        json!({"messages": [asked], "maxTokens": 100, "tools": [tool], "toolChoice": {"mode": "auto"},
            "modelPreferences": {"costPriority": 0.1, "speedPriority": 1, "intelligencePriority": 0}}),
    ));
    t.client(result(n(10), json!({"role": "assistant", "model": "m", "content": [used], "stopReason": "toolUse"})));
    let answered = json!({"type": "tool_result", "toolUseId": "u1", "content": [text("{\"degrees\":30}")],
        "structuredContent": {"degrees": 30}});
    t.server(request(
        n(11),
        "sampling/createMessage",
        json!({"messages": [asked, {"role": "assistant", "content": [used]}, {"role": "user", "content": [answered]}],
            "maxTokens": 100, "tools": [tool], "includeContext": "none"}),
    ));
    t.client(result(
        n(11),
        json!({"role": "assistant", "model": "m", "content": text("Yes"), "stopReason": "endTurn"}),
    ));
}

/// A client that tells its roots, and samples without tools.
pub(super) fn roots() -> Trace {
    let mut t = Sample::new(Seat::Server, Transport::Stdio);
    t.handshake(json!({"roots": {}, "sampling": {}}), json!({}));
    t.server(request(json!(1), "roots/list", json!({})));
    t.client(result(json!(1), json!({"roots": [{"uri": "file:///home/ann/work..old", "name": "work"}]})));
    let asked = json!({"role": "user", "content": {"type": "text", "text": "Is it warm?"}});
    let tools = json!({"messages": [asked], "maxTokens": 10, "tools": [tool("weather")]});
    t.server_breaking(request(json!(2), "sampling/createMessage", tools), "sampling.tools.server-respects");
    t.client(error(json!(2), -32602));
    t.done()
}

/// Our server, which asks for what the client did not declare.
pub(super) fn undeclared_questions() -> Trace {
    let mut t = Sample::new(Seat::Server, Transport::Stdio);
    t.handshake(json!({}), json!({}));
    let breaks = "lifecycle.capability.server-uses-declared";
    t.server_breaking(request(json!(1), "roots/list", json!({})), breaks);
    t.client(error(json!(1), -32601));
    let form = json!({"message": "Sure?", "requestedSchema": {"type": "object", "properties": {}}});
    t.server_breaking(request(json!(2), "elicitation/create", form), breaks);
    t.client(error(json!(2), -32601));
    let asked = json!({"role": "user", "content": {"type": "text", "text": "Is it warm?"}});
    let sample = json!({"messages": [asked], "maxTokens": 10});
    t.server_breaking(request(json!(3), "sampling/createMessage", sample), breaks);
    t.client(error(json!(3), -32601));
    t.client(request(json!(90), "ping", json!({})));
    t.server(result(json!(90), json!({})));
    t.done()
}

/// Our server, which answers with a version that nobody speaks.
pub(super) fn a_version_of_nobody() -> Trace {
    let mut t = Sample::new(Seat::Server, Transport::Stdio);
    let about =
        json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}});
    t.client(request(json!(0), "initialize", about));
    let answer =
        json!({"protocolVersion": "1999-01-01", "capabilities": {}, "serverInfo": {"name": "s", "version": "1"}});
    t.server_breaking(result(json!(0), answer), "lifecycle.version.server-counter-offer");
    t.client(request(json!(1), "ping", json!({})));
    t.server(result(json!(1), json!({})));
    t.done()
}

/// A server that declares nothing, and our client that asks for everything.
pub(super) fn nothing_declared() -> Trace {
    let mut t = Sample::new(Seat::Client, Transport::Stdio);
    t.handshake(json!({}), json!({}));
    let asked = [
        ("tools/list", json!({}), "lifecycle.capability.client-uses-declared"),
        ("tools/call", json!({"name": "plain"}), "lifecycle.capability.client-uses-declared"),
        ("resources/list", json!({}), "lifecycle.capability.client-uses-declared"),
        ("resources/subscribe", json!({"uri": "test://a"}), "resources.subscribe.capability"),
        ("prompts/list", json!({}), "lifecycle.capability.client-uses-declared"),
        ("prompts/get", json!({"name": "greet"}), "lifecycle.capability.client-uses-declared"),
    ];
    for (id, (method, params, breaks)) in (1..).zip(asked) {
        t.breaking(request(json!(id), method, params), breaks);
        t.server(error(json!(id), -32601));
    }
    t.client(request(json!(90), "ping", json!({})));
    t.server(result(json!(90), json!({})));
    t.done()
}

/// Both report progress, and both cancel what they asked for.
pub(super) fn reports() -> Trace {
    let mut t = Sample::new(Seat::Observer, Transport::Stdio);
    t.handshake(json!({"sampling": {}}), json!({"tools": {}}));
    let call = |id: u32, token: &str| {
        request(json!(id), "tools/call", json!({"name": "slow", "_meta": {"progressToken": token}}))
    };
    let sample = |id: &str, token: u32| {
        let params = json!({"messages": [], "maxTokens": 10, "_meta": {"progressToken": token}});
        request(json!(id), "sampling/createMessage", params)
    };
    let progress = |token: Value, value: f64| {
        let params = json!({"progressToken": token, "progress": value, "message": "On its way"});
        json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})
    };
    let cancelled =
        |id: Value| json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}});
    let done = |id: u32| result(json!(id), json!({"content": [{"type": "text", "text": "Done"}]}));
    let model = json!({"role": "assistant", "model": "m", "content": {"type": "text", "text": "Yes"}});
    // two calls at once
    t.client(call(1, "a"));
    t.client(call(2, "b"));
    for (token, value) in [("a", 1.0), ("b", 0.5), ("a", 2.0)] {
        t.server(progress(json!(token), value));
    }
    t.server(done(1));
    t.server(progress(json!("b"), 1.0));
    t.server(done(2));
    // a token that is free again, and a call that fails
    t.client(call(3, "a"));
    t.server(progress(json!("a"), 1.0));
    t.server(error(json!(3), -32603));
    // the client reports too
    t.server(sample("s1", 7));
    t.server(sample("s2", 8));
    for (token, value) in [(7, 0.25), (8, 1.0), (7, 0.5)] {
        t.client(progress(json!(token), value));
    }
    t.client(result(json!("s1"), model));
    t.client(error(json!("s2"), -1));
    // what is asked for and given up
    t.client(call(4, "c"));
    t.client(cancelled(json!(4)));
    t.client(request(json!(5), "ping", json!({})));
    t.server(result(json!(5), json!({})));
    t.server(sample("s3", 9));
    t.server(cancelled(json!("s3")));
    t.client(request(json!(6), "ping", json!({})));
    t.server(result(json!(6), json!({})));
    t.done()
}

/// An application that waits only so long: once for what tells of its progress all the time, once for what tells nothing.
pub(super) fn given_up() -> Trace {
    let mut t = Sample::new(Seat::Observer, Transport::Stdio);
    t.handshake(json!({}), json!({"tools": {}}));
    for (id, chatty) in [(1, true), (2, false)] {
        let label = format!("call {id}");
        t.push(Body::Action { label: label.clone(), what: "call tool slow".into(), gives_up: Some(800) });
        let meta = json!({"progressToken": id});
        t.client(request(json!(id), "tools/call", json!({"name": "slow", "_meta": meta})));
        t.wait(600);
        if chatty {
            let params = json!({"progressToken": id, "progress": 1});
            t.server(json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": params}));
        }
        let params = json!({"requestId": id});
        t.wait(200).client(json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}));
        t.push(Body::Saw { label, value: json!({"failure": "it took too long"}) });
    }
    t.client(request(json!(3), "ping", json!({})));
    t.server(result(json!(3), json!({})));
    t.done()
}

/// A user is asked to open a URL at the server itself, and does not want to.
pub(super) fn canary() -> Trace {
    let mut t = Sample::new(Seat::Observer, Transport::Http);
    t.handshake(json!({"elicitation": {"url": {}}}), json!({"tools": {}}));
    t.header("Host", Some("127.0.0.1:4321"));
    t.server(request(
        json!("q"),
        "elicitation/create",
        json!({"mode": "url", "message": "Sign in", "elicitationId": "e1", "url": "http://127.0.0.1:4321/sign-in"}),
    ));
    let look = |t: &mut Sample| {
        let trip = t.ask("GET", "text/event-stream", &[]);
        t.bare(trip, 405);
    };
    look(&mut t);
    t.client(result(json!("q"), json!({"action": "decline"})));
    t.respond(202, "text/plain", None);
    look(&mut t);
    t.client(request(json!(9), "ping", json!({})));
    t.server(result(json!(9), json!({})));
    t.done()
}
