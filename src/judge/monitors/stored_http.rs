//! Honest traces over HTTP that show what the transport does: streams side by side, resumption, sessions that end.

use super::{content, error, request, result, tools};
use crate::conversation::sample::Sample;
use crate::trace::{Body, Closing, Seat, StreamKind, Trace, Transport};
use crate::wire::Party;
use serde_json::{Value, json};

const EVENTS: &str = "text/event-stream";

fn begin(seat: Seat) -> Sample {
    let mut t = Sample::new(seat, Transport::Http);
    t.handshake(json!({}), json!({"tools": {"listChanged": true}}));
    t
}

fn call(id: u32, token: &str) -> Value {
    let arguments = json!({"city": "Zürich"});
    request(
        json!(id),
        "tools/call",
        json!({"name": "plain", "arguments": arguments, "_meta": {"progressToken": token}}),
    )
}

fn progress(token: &str, progress: u32) -> Value {
    json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": token, "progress": progress}})
}

fn changed() -> Value {
    json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
}

fn done(id: u32) -> Value {
    result(json!(id), json!({"content": content("Grüezi")}))
}

/// Two calls side by side, two streams to listen, one hang-up of each kind with a resumption; and a farewell.
pub(super) fn streams() -> Trace {
    let mut t = begin(Seat::Observer);
    let trip = t.ask("GET", EVENTS, &[("Host", "localhost:3000"), ("Origin", "http://localhost:3000")]);
    let first = t.events(trip, StreamKind::Get);
    t.signal(first, Some("g-0"), None);
    let trip = t.ask("GET", EVENTS, &[]);
    let second = t.events(trip, StreamKind::Get);
    t.client(request(json!(1), "tools/list", json!({})));
    t.server(result(json!(1), tools()));
    t.client(call(2, "pa"));
    let of_a = t.last_trip();
    t.client(call(3, "pb"));
    let of_b = t.last_trip();
    let a = t.events(of_a, StreamKind::PostAnswer);
    let b = t.events(of_b, StreamKind::PostAnswer);
    t.signal(a, Some("a-0"), Some(500));
    t.signal(b, Some("b-0"), Some(500));
    t.marked(a, "a-1", progress("pa", 1));
    t.marked(b, "b-1", progress("pb", 2));
    t.marked(first, "g-1", changed());
    t.on(first, request(json!(50), "ping", json!({})));
    t.client(result(json!(50), json!({})));
    let trip = t.last_trip();
    t.bare(trip, 202);
    t.client(request(json!(4), "ping", json!({})));
    t.server(result(json!(4), json!({})));
    t.marked(b, "b-2", done(3));
    t.close(b);
    t.close(a);
    let trip = t.wait(600).ask("GET", EVENTS, &[("Last-Event-ID", "a-1")]);
    let rest = t.events(trip, StreamKind::Get);
    t.marked(rest, "a-2", progress("pa", 3));
    t.marked(rest, "a-3", done(2));
    t.close(rest);
    t.signal(first, None, Some(500));
    t.close(first);
    let trip = t.wait(600).ask("GET", EVENTS, &[("Last-Event-ID", "g-1")]);
    let again = t.events(trip, StreamKind::Get);
    t.marked(again, "g-2", changed());
    // it comes too late, as it may
    t.client(request(json!(5), "ping", json!({})));
    t.client(json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 5}}));
    let trip = t.last_trip();
    t.bare(trip, 202);
    t.server(result(json!(5), json!({})));
    for stream in [second, again] {
        t.push(Body::StreamClosed { stream, by: Some(Party::Client), how: Closing::Cut("it left".into()) });
    }
    let trip = t.ask("DELETE", "*/*", &[]);
    t.bare(trip, 200);
    t.push(Body::ProcessExited { party: Party::Client, code: Some(0), signal: None, ours: false });
    t.done()
}

/// Our client sends heads that must be refused.
pub(super) fn heads() -> Trace {
    let mut t = begin(Seat::Client);
    let note = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": {"no": "id"}}});
    t.breaking(note, "base.jsonrpc.conforms");
    let trip = t.last_trip();
    t.bare(trip, 400);
    let mut refused = |id: u32, header: &str, value: Option<&str>, rule: &str, status: u16| {
        t.breaking(request(json!(id), "tools/list", json!({})), rule);
        t.header(header, value);
        let stream = t.respond(status, "application/json", None);
        t.on(stream, error(json!(id), -32600));
        t.close(stream);
    };
    refused(1, "Mcp-Session-Id", None, "transport.session.client-sends-id", 400);
    refused(2, "Mcp-Session-Id", Some("a-session-of-somebody-else"), "transport.session.client-sends-id", 404);
    refused(3, "MCP-Protocol-Version", Some("1999-01-01"), "transport.version-header.client-negotiated", 400);
    t.client(request(json!(4), "tools/list", json!({})));
    t.server(result(json!(4), tools()));
    // what is asked while the farewell is under way may find the session gone
    let late = t.ask("GET", EVENTS, &[]);
    let trip = t.ask("DELETE", "*/*", &[]);
    t.bare(late, 404);
    t.bare(trip, 204);
    t.breaking(request(json!(5), "tools/list", json!({})), "transport.session.client-reinitializes");
    let trip = t.last_trip();
    t.bare(trip, 404);
    t.done()
}

/// The server forgets a session, and the client begins another.
pub(super) fn renewed() -> Trace {
    let mut t = begin(Seat::Observer);
    t.client(request(json!(1), "tools/list", json!({})));
    let trip = t.last_trip();
    t.bare(trip, 404);
    // it may well say goodbye to what is gone
    let trip = t.wait(1500).ask("DELETE", EVENTS, &[]);
    t.bare(trip, 404);
    t.forget();
    t.handshake(json!({}), json!({"tools": {"listChanged": true}}));
    t.client(request(json!(2), "tools/list", json!({})));
    t.server(result(json!(2), tools()));
    t.done()
}

/// Our server hangs up before the answer, and the client comes back for it.
pub(super) fn polled() -> Trace {
    let mut t = begin(Seat::Server);
    t.client(call(1, "pa"));
    let trip = t.last_trip();
    let stream = t.events(trip, StreamKind::PostAnswer);
    t.signal(stream, Some("p-0"), Some(100));
    t.close(stream);
    let trip = t.wait(200).ask("GET", EVENTS, &[("Last-Event-ID", "p-0")]);
    let rest = t.events(trip, StreamKind::Get);
    t.marked(rest, "p-1", done(1));
    t.close(rest);
    t.wait(6000).client(request(json!(2), "ping", json!({})));
    t.server(result(json!(2), json!({})));
    t.done()
}

/// The client asks for a version of which the server does not know that it can be primed; what comes later is.
pub(super) fn older() -> Trace {
    let mut t = Sample::new(Seat::Observer, Transport::Http);
    t.client(request(
        json!(0),
        "initialize",
        json!({"protocolVersion": "2025-06-18", "capabilities": {},
        "clientInfo": {"name": "c", "version": "1"}}),
    ));
    let trip = t.last_trip();
    let stream = t.events(trip, StreamKind::PostAnswer);
    t.marked(
        stream,
        "i-1",
        result(
            json!(0),
            json!({"protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
        "serverInfo": {"name": "s", "version": "1"}}),
        ),
    );
    t.close(stream);
    t.agreed();
    t.client(json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    let trip = t.last_trip();
    t.bare(trip, 202);
    t.client(request(json!(1), "tools/list", json!({})));
    let trip = t.last_trip();
    let stream = t.events(trip, StreamKind::PostAnswer);
    t.signal(stream, Some("l-0"), None);
    t.marked(stream, "l-1", result(json!(1), tools()));
    t.close(stream);
    t.done()
}
