//! Every rule of the server, one by one.

use super::*;
use std::time::Duration;

const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
const SESSION: &str = "01010101010101010101010101010101";

struct Bench {
    logic: ServerLogic,
    next: u32,
}

/// Actions in words, one a line.
fn told(actions: &[ServerAction]) -> String {
    let mut out = String::new();
    let text = |b: &[u8]| String::from_utf8_lossy(b).replace('\n', "|");
    for action in actions {
        let line = match action {
            ServerAction::Respond { rt, head, body } => {
                let rest: Vec<String> = head.headers.iter().map(|(n, v)| format!("{n}={v}")).collect();
                format!("{} respond {} [{}] {}", rt.0, head.status, rest.join(" "), text(body))
            }
            ServerAction::StartStream { rt, head } => {
                let session = head.headers.get(SESSION_ID).map(|s| format!(" session {s}")).unwrap_or_default();
                assert_eq!(media_type(&head.headers).as_deref(), Some(EVENT_STREAM));
                format!("{} stream {}{session}", rt.0, head.status)
            }
            ServerAction::Write { rt, bytes } => format!("{} write {}", rt.0, text(bytes)),
            ServerAction::End { rt } => format!("{} end", rt.0),
            ServerAction::Deliver { rt, message, .. } => format!("{} deliver {}", rt.0, text(message.raw())),
            ServerAction::SessionOpened { session, id } => format!("opened {} {id:?}", session.0),
            ServerAction::SessionEnded { session } => format!("ended {}", session.0),
            ServerAction::Undeliverable { message, why, .. } => format!("undeliverable {}: {why}", text(message)),
        };
        out.push_str(line.trim());
        out.push('\n');
    }
    out
}

fn plain() -> ServerPolicy {
    ServerPolicy { prime: false, name_events: false, store_events: 0, ..ServerPolicy::default() }
}

fn numbered() -> ServerPolicy {
    ServerPolicy { name_events: false, retry: Some(500), ..ServerPolicy::default() }
}

impl Bench {
    fn new(policy: ServerPolicy) -> Bench {
        Bench { logic: ServerLogic::new(policy, counter()), next: 0 }
    }

    /// A bench with one initialized session.
    fn ready(policy: ServerPolicy, version: &str) -> Bench {
        let mut bench = Bench::new(policy);
        bench.send(post(&initialize(version).to_string()));
        bench.answer(0, &initialized(version));
        bench
    }

    /// Sends a request; the round trips count up.
    fn send(&mut self, request: Request) -> String {
        let rt = RoundTrip(self.next);
        self.next += 1;
        told(&self.logic.request(Duration::ZERO, rt, &request))
    }

    fn answer(&mut self, id: i64, message: &Value) -> String {
        self.reply(Route::Answer(Id::from(id)), &message.to_string())
    }

    fn reply(&mut self, route: Route, message: &str) -> String {
        told(&self.logic.send(SessionKey(0), &route, message.to_owned()))
    }

    fn status(&mut self, request: Request) -> u16 {
        let words = self.send(request);
        words.split_whitespace().nth(2).and_then(|s| s.parse().ok()).unwrap_or_else(|| panic!("{words}"))
    }
}

fn with(mut request: Request, headers: &[(&str, &str)]) -> Request {
    for (name, value) in headers {
        request.headers.set(name, *value);
    }
    request
}

fn within(request: Request) -> Request {
    with(request, &[("mcp-session-id", SESSION)])
}

fn get(after: Option<&str>) -> Request {
    let mut request = within(Request { method: "GET".into(), body: Bytes::new(), ..post("") });
    request.headers.remove("content-type");
    if let Some(after) = after {
        request.headers.append("last-event-id", after);
    }
    request
}

#[test]
fn initialize_opens_a_session_and_its_answer_ends_the_stream() {
    let mut bench = Bench::new(plain());
    let body = initialize("2025-11-25").to_string();
    let expected = format!("opened 0 Some({SESSION:?})\n0 stream 200 session {SESSION}\n0 deliver {body}\n");
    assert_eq!(bench.send(post(&body)), expected);
    assert_eq!(bench.logic.version(SessionKey(0)), Some("2025-11-25"));
    let answer = initialized("2025-06-18");
    assert_eq!(bench.answer(0, &answer), format!("0 write data: {answer}||\n0 end\n"));
    assert_eq!(bench.logic.version(SessionKey(0)), Some("2025-06-18"));
    assert!(bench.logic.round_trips_open() == 0);
}

#[test]
fn a_single_answer_can_be_json() {
    let mut bench = Bench::new(ServerPolicy { json_answers: true, ..numbered() });
    bench.send(post(&initialize("2025-11-25").to_string()));
    let answer = initialized("2025-11-25");
    let expected = format!("0 respond 200 [Content-Type=application/json MCP-Session-Id={SESSION}] {answer}\n");
    assert_eq!(bench.answer(0, &answer), expected);
    assert_eq!(bench.send(within(post(PING))), format!("1 deliver {PING}\n"));
    let expected = "1 stream 200\n1 write id: 1-0|retry: 500|data:||\n1 write id: 1-1|data: n||\n";
    assert_eq!(bench.reply(Route::Related(Id::from(1)), "n"), expected, "something else was sent: a stream after all");
    assert_eq!(bench.reply(Route::Answer(Id::from(1)), "a"), "1 write id: 1-2|data: a||\n1 end\n");
}

#[test]
fn accept_decides_between_json_and_stream() {
    let mut bench = Bench::ready(plain(), "2025-11-25");
    let accept = |value: &str| with(within(post(PING)), &[("accept", value)]);
    assert_eq!(bench.status(accept("text/html")), 406);
    assert_eq!(bench.send(accept("application/json")), format!("2 deliver {PING}\n"));
    assert_eq!(bench.reply(Route::Related(Id::from(1)), "n"), "", "waits for a GET stream");
    let expected = "2 respond 200 [Content-Type=application/json] a\n";
    assert_eq!(bench.reply(Route::Answer(Id::from(1)), "a"), expected);
    assert_eq!(bench.send(get(None)), "3 stream 200\n3 write data: n||\n");
    let mut bench = Bench::ready(ServerPolicy { json_answers: true, ..plain() }, "2025-11-25");
    assert!(bench.send(accept("text/event-stream")).starts_with("1 stream 200\n"));
    let mut none = within(post(PING));
    none.headers.remove("accept");
    assert_eq!(bench.send(none), format!("2 deliver {PING}\n"));
}

#[test]
fn requests_that_are_refused_and_why() {
    let mut bench = Bench::ready(plain(), "2025-11-25");
    let ok = || within(post(r#"{"jsonrpc":"2.0","method":"n"}"#));
    let method = |m: &str| Request { method: m.into(), ..ok() };
    let body = |b: &[u8]| Request { body: Bytes::copy_from_slice(b), ..ok() };
    let mut no_type = ok();
    no_type.headers.remove("content-type");
    let mut twice = ok();
    twice.headers.append("Mcp-Session-Id", SESSION);
    let mut two_versions = ok();
    two_versions.headers.append("mcp-protocol-version", "2025-11-25");
    two_versions.headers.append("mcp-protocol-version", "2025-11-25");
    let large = vec![b' '; bench.logic.policy().max_body + 1];
    let cases = [
        ("fine", ok(), 202),
        ("with a query", Request { path: "/mcp?a=b".into(), ..ok() }, 202),
        ("other path", Request { path: "/".into(), ..ok() }, 404),
        ("longer path", Request { path: "/mcp/x".into(), ..ok() }, 404),
        ("PUT", method("PUT"), 405),
        ("HEAD", method("HEAD"), 405),
        ("lower case", method("post"), 405),
        ("html", with(ok(), &[("accept", "text/html")]), 406),
        ("no type", no_type, 415),
        ("text", with(ok(), &[("content-type", "text/plain")]), 415),
        ("charset", with(ok(), &[("content-type", "application/json; charset=utf-8")]), 202),
        ("too large", body(&large), 413),
        ("no JSON", body(b"{"), 400),
        ("no UTF-8", body(b"{\"method\":\"\xff\"}"), 400),
        ("empty", body(b""), 400),
        ("no object", body(b"1"), 400),
        ("no members", body(b"{}"), 400),
        ("batch", body(br#"[{"jsonrpc":"2.0","method":"n"}]"#), 400),
        ("answer", body(br#"{"jsonrpc":"2.0","id":1,"result":{}}"#), 202),
        ("error", body(br#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":""}}"#), 202),
        ("no session", post(PING), 400),
        ("empty session", with(ok(), &[("mcp-session-id", "")]), 404),
        ("unknown session", with(ok(), &[("mcp-session-id", "x")]), 404),
        ("two sessions", twice, 400),
        ("known version", with(ok(), &[("mcp-protocol-version", "2025-06-18")]), 202),
        ("unknown version", with(ok(), &[("mcp-protocol-version", "2099-01-01")]), 400),
        ("garbled version", with(ok(), &[("mcp-protocol-version", "")]), 400),
        ("two versions", two_versions, 400),
        ("foreign host", with(ok(), &[("host", "evil.example:3000")]), 403),
        ("a host like ours", with(ok(), &[("host", "localhost.evil.example")]), 403),
        ("a bad port", with(ok(), &[("host", "localhost:x")]), 403),
        ("127.0.0.1", with(ok(), &[("host", "127.0.0.1:1")]), 202),
        ("::1", with(ok(), &[("host", "[::1]:1")]), 202),
        ("::1 without port", with(ok(), &[("host", "[::1]")]), 202),
        ("own origin", with(ok(), &[("origin", "http://localhost:9")]), 202),
        ("foreign origin", with(ok(), &[("origin", "https://evil.example")]), 403),
        ("null origin", with(ok(), &[("origin", "null")]), 403),
        ("odd origin", with(ok(), &[("origin", "file://localhost")]), 403),
        ("GET json", with(get(None), &[("accept", "application/json")]), 406),
        ("GET unknown session", with(get(None), &[("mcp-session-id", "x")]), 404),
        ("GET unknown event", get(Some("0-0")), 400),
        ("initialize again", within(post(&initialize("2025-11-25").to_string())), 400),
        ("initialize, dead session", with(post(&initialize("x").to_string()), &[("mcp-session-id", "x")]), 404),
    ];
    for (name, request, status) in cases {
        assert_eq!(bench.status(request), status, "{name}");
    }
    let words = bench.send(body(b"{"));
    assert!(words.contains(r#"{"jsonrpc":"2.0","error":{"code":-32700,"#), "{words}");
    let words = bench.send(body(b"[]"));
    assert!(words.contains(r#"{"jsonrpc":"2.0","error":{"code":-32600,"#), "{words}");
    assert!(bench.send(method("PUT")).contains("Allow=POST, GET, DELETE"));
}

#[test]
fn hosts_by_list() {
    let hosts = Hosts::These(vec!["a.example".into(), "b.example:80".into()]);
    let mut bench = Bench::new(ServerPolicy { hosts: hosts.clone(), origins: hosts, ..plain() });
    let mut status = |host: &str| bench.status(with(post(PING), &[("host", host)]));
    assert_eq!([status("A.example:1"), status("b.example:80"), status("b.example:81")], [400, 400, 403]);
    assert_eq!([status("localhost"), status("a.example.evil")], [403, 403]);
    let mut origin = |o: &str| bench.status(with(post(PING), &[("host", "a.example"), ("origin", o)]));
    assert_eq!([origin("https://a.example"), origin("http://b.example"), origin("http://x.example")], [400, 403, 403]);
    let mut bench = Bench::new(ServerPolicy { hosts: Hosts::Any, origins: Hosts::Any, ..plain() });
    let request = with(post(PING), &[("host", "x"), ("origin", "null")]);
    assert_eq!(bench.status(request), 400, "let in, but without a session");
}

#[test]
fn messages_without_answer_are_accepted_with_an_empty_body() {
    let mut bench = Bench::ready(plain(), "2025-11-25");
    let body = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    assert_eq!(bench.send(within(post(body))), format!("1 respond 202 []\n1 deliver {body}\n"));
}

#[test]
fn batches_belong_to_2025_03_26() {
    let batch = r#"[{"id":1,"method":"a"},{"method":"n"},{"id":2,"method":"b"}]"#;
    let mut bench = Bench::ready(plain(), "2025-06-18");
    assert_eq!(bench.status(within(post(batch))), 400);
    let mut bench = Bench::ready(ServerPolicy { json_answers: true, ..plain() }, "2025-03-26");
    // One body for several answers would have to be a batch; a stream says it more simply.
    let expected = "1 stream 200\n1 deliver {\"id\":1,\"method\":\"a\"}\n1 deliver {\"method\":\"n\"}\n\
                    1 deliver {\"id\":2,\"method\":\"b\"}\n";
    assert_eq!(bench.send(within(post(batch))), expected);
    assert_eq!(bench.reply(Route::Answer(Id::from(2)), "b"), "1 write data: b||\n");
    assert_eq!(bench.reply(Route::Answer(Id::from(1)), "a"), "1 write data: a||\n1 end\n");
    for bad in ["[]", "[1]", "[[]]", r#"[{"id":1,"method":"initialize"}]"#] {
        assert_eq!(bench.status(within(post(bad))), 400, "{bad}");
    }
    assert!(bench.send(within(post(r#"[{"method":"n"}]"#))).contains("respond 202"));
    assert_eq!(bench.status(with(within(post(batch)), &[("accept", "application/json")])), 406);
}

#[test]
fn delete_ends_the_session_and_its_streams() {
    let mut bench = Bench::ready(ServerPolicy { json_answers: true, ..plain() }, "2025-11-25");
    bench.send(get(None));
    bench.send(within(post(PING)));
    let delete = || Request { method: "DELETE".into(), ..get(None) };
    let words = bench.send(delete());
    assert!(words.starts_with("1 end\n2 respond 404 "), "{words}");
    assert!(words.ends_with("ended 0\n3 respond 204 []\n"), "{words}");
    assert_eq!(bench.status(delete()), 404);
    assert_eq!(bench.status(within(post(PING))), 404);
    assert!(bench.reply(Route::Unrelated, "x").starts_with("undeliverable x: the session has ended"));
    let mut bench = Bench::ready(ServerPolicy { delete: false, listen: false, ..plain() }, "2025-11-25");
    assert!(bench.send(delete()).contains("405 [Content-Type=application/json Allow=POST]"));
    assert_eq!(bench.status(get(None)), 405);
}

#[test]
fn the_server_can_end_a_session() {
    let mut bench = Bench::ready(plain(), "2025-11-25");
    bench.send(within(post(PING)));
    assert_eq!(told(&bench.logic.end_session(SessionKey(0))), "1 end\nended 0\n");
    assert_eq!(bench.status(within(post(PING))), 404);
    let again = bench.send(post(&initialize("2025-11-25").to_string()));
    assert!(again.starts_with("opened 1 Some(\"02020202"), "{again}");
}

#[test]
fn a_refused_initialize_leaves_no_session() {
    for json_answers in [true, false] {
        let mut bench = Bench::new(ServerPolicy { json_answers, ..plain() });
        bench.send(post(&initialize("1900").to_string()));
        let words = bench.answer(0, &message::error(Some(&Id::from(0)), -32602, "no", None));
        assert!(words.ends_with("ended 0\n"), "{words}");
        assert!(!words.contains(SESSION), "{words}");
        assert_eq!(bench.status(within(post(PING))), 404);
    }
}

#[test]
fn without_sessions_there_is_one_at_a_time() {
    let mut bench = Bench::new(ServerPolicy { sessions: false, ..plain() });
    assert!(bench.send(post(&initialize("2025-11-25").to_string())).starts_with("opened 0 None\n0 stream 200\n"));
    bench.answer(0, &initialized("2025-11-25"));
    assert!(bench.send(post(PING)).starts_with("1 stream 200\n"));
    let words = bench.send(post(&initialize("2025-11-25").to_string()));
    assert!(words.starts_with("1 end\nended 0\nopened 1 None\n2 stream 200\n"), "{words}");
    assert_eq!(bench.status(Request { method: "DELETE".into(), ..post("") }), 405);
    let mut bench = Bench::new(ServerPolicy { sessions: false, ..plain() });
    assert!(
        bench.send(post(PING)).starts_with("opened 0 None\n0 stream 200\n"),
        "a request is served without initialize"
    );
}

#[test]
fn unrelated_messages_wait_for_a_get_stream_and_go_on_one_only() {
    let mut bench = Bench::ready(ServerPolicy { queue: 2, ..plain() }, "2025-11-25");
    assert_eq!(bench.reply(Route::Unrelated, "a") + &bench.reply(Route::Unrelated, "b"), "");
    assert!(bench.reply(Route::Unrelated, "c").starts_with("undeliverable c: too many"));
    assert_eq!(bench.send(get(None)), "1 stream 200\n1 write data: a||\n1 write data: b||\n");
    assert_eq!(bench.send(get(None)), "2 stream 200\n");
    assert_eq!(bench.reply(Route::Unrelated, "d"), "1 write data: d||\n");
    bench.logic.dropped(RoundTrip(1));
    assert_eq!(bench.reply(Route::Unrelated, "e"), "2 write data: e||\n");
    bench.logic.dropped(RoundTrip(2));
    assert_eq!(bench.reply(Route::Unrelated, "f"), "");
}

#[test]
fn an_answer_goes_to_its_request_and_nowhere_else() {
    let mut bench = Bench::ready(plain(), "2025-11-25");
    bench.send(get(None));
    assert!(bench.reply(Route::Answer(Id::from(9)), "x").starts_with("undeliverable x: no request"));
    bench.send(within(post(r#"{"id":1,"method":"a"}"#)));
    bench.send(within(post(r#"{"id":"1","method":"b"}"#)));
    assert_eq!(bench.reply(Route::Answer(Id::from("1")), "b"), "3 write data: b||\n3 end\n");
    bench.logic.dropped(RoundTrip(2));
    assert!(
        bench.reply(Route::Answer(Id::from(1)), "a").starts_with("undeliverable a: the stream's connection is gone")
    );
    assert!(bench.reply(Route::Answer(Id::from(1)), "a").starts_with("undeliverable a: no request"));
    assert_eq!(
        bench.reply(Route::Related(Id::from(1)), "late"),
        "1 write data: late||\n",
        "falls back to the GET stream"
    );
}

#[test]
fn a_dropped_stream_is_resumed_where_it_was() {
    let mut bench = Bench::ready(numbered(), "2025-11-25");
    let words = bench.send(within(post(PING)));
    assert!(words.starts_with("1 stream 200\n1 write id: 1-0|retry: 500|data:||\n1 deliver "), "{words}");
    assert_eq!(bench.send(get(None)), "2 stream 200\n2 write id: 2-0|retry: 500|data:||\n");
    let related = || Route::Related(Id::from(1));
    assert_eq!(bench.reply(related(), "a"), "1 write id: 1-1|data: a||\n");
    assert_eq!(bench.reply(Route::Unrelated, "u"), "2 write id: 2-1|data: u||\n");
    bench.logic.dropped(RoundTrip(1));
    assert_eq!(bench.reply(related(), "b"), "");
    // Only what was on that stream, after that event; then it goes on.
    assert_eq!(bench.send(get(Some("1-1"))), "3 stream 200\n3 write id: 1-2|data: b||\n");
    assert_eq!(
        bench.send(get(Some("1-0"))),
        "3 end\n4 stream 200\n4 write id: 1-1|data: a||\n4 write id: 1-2|data: b||\n"
    );
    assert_eq!(bench.reply(Route::Answer(Id::from(1)), "r"), "4 write id: 1-3|data: r||\n4 end\n");
    // Also when it is over.
    assert_eq!(bench.send(get(Some("1-2"))), "5 stream 200\n5 write id: 1-3|data: r||\n5 end\n");
    assert_eq!(bench.send(get(Some("1-3"))), "6 stream 200\n6 end\n");
    for bad in ["1-4", "9-0", "x", "1", "01-0", "1-+1", "-"] {
        assert_eq!(bench.status(get(Some(bad))), 400, "{bad}");
    }
    bench.logic.dropped(RoundTrip(2));
    assert_eq!(bench.reply(Route::Unrelated, "v"), "");
    let n = bench.next;
    assert_eq!(bench.send(get(Some("2-1"))), format!("{n} stream 200\n{n} write id: 2-2|data: v||\n"));
}

#[test]
fn events_are_kept_within_bounds() {
    let mut bench = Bench::ready(ServerPolicy { store_events: 3, ..numbered() }, "2025-11-25");
    bench.send(within(post(PING)));
    for text in ["a", "b", "c", "d"] {
        bench.reply(Route::Related(Id::from(1)), text);
    }
    assert_eq!(bench.status(get(Some("1-0"))), 400, "a is gone");
    assert!(bench.send(get(Some("1-1"))).contains("data: b||"));
    bench.logic.dropped(RoundTrip(3));
    let words: String = ["e", "f", "g", "h"].map(|t| bench.reply(Route::Related(Id::from(1)), t)).concat();
    assert_eq!(words, "undeliverable e: the event store is full and the client has not come back for it\n");
    let mut bench = Bench::ready(ServerPolicy { store_bytes: 100, ..numbered() }, "2025-11-25");
    bench.send(within(post(PING)));
    bench.reply(Route::Related(Id::from(1)), &"x".repeat(60));
    bench.reply(Route::Related(Id::from(1)), &"y".repeat(60));
    assert_eq!(bench.status(get(Some("1-0"))), 400);
    assert!(bench.send(get(Some("1-1"))).contains("yyyy"));
}

#[test]
fn a_connection_can_be_closed_without_ending_its_stream() {
    let mut bench = Bench::ready(numbered(), "2025-11-25");
    bench.send(within(post(PING)));
    assert_eq!(told(&bench.logic.close_stream(SessionKey(0), &Id::from(1))), "1 end\n");
    assert_eq!(told(&bench.logic.close_stream(SessionKey(0), &Id::from(1))), "", "closed already");
    assert_eq!(bench.reply(Route::Answer(Id::from(1)), "r"), "");
    assert_eq!(bench.send(get(Some("1-0"))), "2 stream 200\n2 write id: 1-1|data: r||\n2 end\n");
    // Not primed by policy: the priming event is sent before closing.
    let mut bench = Bench::ready(ServerPolicy { prime: false, json_answers: true, ..numbered() }, "2025-11-25");
    bench.send(within(post(PING)));
    let words = told(&bench.logic.close_stream(SessionKey(0), &Id::from(1)));
    assert_eq!(words, "1 stream 200\n1 write id: 1-0|retry: 500|data:||\n1 end\n");
    // A client of an older revision would not know what to do.
    let mut bench = Bench::ready(numbered(), "2025-06-18");
    assert!(bench.send(within(post(PING))).starts_with("1 stream 200\n1 deliver"), "not primed");
    assert_eq!(told(&bench.logic.close_stream(SessionKey(0), &Id::from(1))), "");
    let mut bench = Bench::ready(numbered(), "2025-11-25");
    bench.send(get(None));
    assert_eq!(told(&bench.logic.close_listening(SessionKey(0))), "1 end\n");
    bench.reply(Route::Unrelated, "u");
    assert_eq!(bench.send(get(Some("1-0"))), "2 stream 200\n2 write id: 1-1|data: u||\n");
}

#[test]
fn a_stream_can_be_ended_without_an_answer() {
    let mut bench = Bench::ready(ServerPolicy { json_answers: true, ..numbered() }, "2025-11-25");
    bench.send(within(post(PING)));
    assert_eq!(told(&bench.logic.finish_stream(SessionKey(0), &Id::from(1))), "1 stream 200\n1 end\n");
    assert!(bench.reply(Route::Answer(Id::from(1)), "r").starts_with("undeliverable"));
}

#[test]
fn too_much_is_refused() {
    let mut bench = Bench::ready(ServerPolicy { max_open: 2, max_sessions: 2, ..plain() }, "2025-11-25");
    bench.send(within(post(PING)));
    bench.send(get(None));
    assert_eq!(bench.status(within(post(PING))), 429);
    assert_eq!(bench.status(get(None)), 429);
    bench.logic.dropped(RoundTrip(1));
    assert_eq!(bench.status(within(post(PING))), 429, "still unanswered");
    bench.reply(Route::Answer(Id::from(1)), "r");
    assert!(bench.send(within(post(PING))).contains("stream 200"));
    bench.send(post(&initialize("x").to_string()));
    assert_eq!(bench.status(post(&initialize("x").to_string())), 503);
}

#[test]
fn time_keeps_streams_alive_and_ends_idle_sessions() {
    let s = Duration::from_secs;
    let policy = ServerPolicy { keep_alive: Some(s(10)), idle: Some(s(60)), ..plain() };
    let mut bench = Bench::ready(policy, "2025-11-25");
    assert_eq!(bench.logic.next_wake(), Some(s(60)));
    bench.send(get(None));
    assert_eq!(bench.logic.next_wake(), Some(s(10)));
    assert_eq!(told(&bench.logic.tick(s(9))), "");
    assert_eq!(told(&bench.logic.tick(s(10))), "1 write : keep-alive||\n");
    assert_eq!(told(&bench.logic.tick(s(19))), "");
    assert_eq!(told(&bench.logic.tick(s(100))), "1 write : keep-alive||\n");
    bench.logic.dropped(RoundTrip(1));
    assert_eq!(bench.logic.next_wake(), Some(s(160)));
    assert_eq!(told(&bench.logic.tick(s(160))), "ended 0\n");
    assert_eq!(bench.logic.next_wake(), None);
}

#[test]
fn what_can_come_again_and_again_does_not_pile_up() {
    let mut bench = Bench::ready(ServerPolicy { store_events: 4, ..numbered() }, "2025-11-25");
    for _ in 0..1000 {
        let rt = RoundTrip(bench.next);
        bench.send(get(None));
        bench.reply(Route::Unrelated, "u");
        bench.logic.dropped(rt);
        bench.send(within(post(PING)));
        bench.reply(Route::Answer(Id::from(1)), "r");
        bench.send(post(PING));
    }
    assert_eq!(bench.logic.round_trips_open(), 0);
    assert!(bench.logic.streams_kept() < 40, "{}", bench.logic.streams_kept());
}
