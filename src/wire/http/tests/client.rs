//! Every rule of the client, one by one.

use super::*;

const RT: RoundTrip = RoundTrip(7);

fn client() -> ClientLogic {
    ClientLogic::new("localhost:3000", "/mcp")
}

fn head(status: u16, headers: &[(&str, &str)]) -> ResponseHead {
    ResponseHead { status, headers: headers.iter().copied().collect() }
}

fn json_head() -> ResponseHead {
    head(200, &[("content-type", "application/json")])
}

fn stream_head() -> ResponseHead {
    head(200, &[("Content-Type", "Text/Event-Stream; charset=utf-8")])
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn told(events: &[ClientEvent]) -> Vec<String> {
    let one = |event: &ClientEvent| match event {
        ClientEvent::Message { message, event_id, .. } => format!("message {} {event_id:?}", text(message.raw())),
        ClientEvent::SessionId { id, visible, .. } => format!("session {id:?} {visible}"),
        ClientEvent::Accepted { status, .. } => format!("accepted {status}"),
        ClientEvent::Refused { status, body, session_lost, .. } => {
            format!("refused {status} {} lost={session_lost}", text(body))
        }
        ClientEvent::Primed { id, retry, has_data, .. } => format!("primed {id:?} {retry:?} {has_data}"),
        ClientEvent::Comment { text: t, .. } => format!("comment{}", text(t)),
        ClientEvent::OtherEvent { event, .. } => format!("event {} {}", event.event_type(), text(&event.data)),
        ClientEvent::Oddity { item, .. } => format!("odd {item:?}"),
        ClientEvent::Ended { clean, answered, resume, unfinished, .. } => {
            let resume = resume.as_ref().map(|r| (r.last_event_id.as_str(), r.retry, r.awaiting.len()));
            format!("ended clean={clean} answered={answered} {resume:?} {}", unfinished.is_some())
        }
        ClientEvent::NotMcp { why, .. } => format!("not MCP: {why}"),
    };
    events.iter().map(one).collect()
}

/// One round trip: a request (a DELETE if there is none), its response, everything that is told.
fn exchange(
    client: &mut ClientLogic,
    message: Option<&str>,
    head: &ResponseHead,
    body: &str,
    clean: bool,
) -> Vec<String> {
    let _ = match message {
        Some("GET") => client.get(RT, None),
        Some(message) => client.post(RT, message.to_owned()),
        None => client.delete(RT),
    };
    let mut events = client.response_head(RT, head);
    for chunk in body.as_bytes().chunks(5) {
        events.extend(client.body(RT, chunk));
    }
    events.extend(client.finished(RT, clean));
    assert!(client.finished(RT, true).is_empty(), "a round trip ends once");
    let closing = |e: &&ClientEvent| {
        matches!(e, ClientEvent::Accepted { .. } | ClientEvent::Refused { .. } | ClientEvent::Ended { .. })
    };
    assert_eq!(events.iter().filter(closing).count(), 1);
    assert!(events.last().is_some_and(|e| closing(&e)));
    told(&events)
}

const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"m"}"#;
const NOTE: &str = r#"{"jsonrpc":"2.0","method":"n"}"#;
const ANSWER: &str = r#"{"id":1,"result":{}}"#;

#[test]
fn headers_of_requests() {
    let mut client = client();
    let names = |r: &Request| r.headers.iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>().join(" ");
    let first = client.post(RT, initialize("2025-11-25").to_string());
    assert_eq!((first.method.as_str(), first.path.as_str()), ("POST", "/mcp"));
    let usual = "Host=localhost:3000 Accept=application/json, text/event-stream";
    assert_eq!(names(&first), format!("{usual} Content-Type=application/json"));
    client.set_session(Some("s".into()));
    client.set_version(Some("2025-11-25".into()));
    let known = "MCP-Session-Id=s MCP-Protocol-Version=2025-11-25";
    let call = client.post(RT, CALL);
    assert_eq!(names(&call), format!("{usual} {known} Content-Type=application/json"));
    assert_eq!(text(&call.body), CALL);
    let again = client.post(RT, initialize("2025-11-25").to_string());
    assert_eq!(names(&again), format!("{usual} Content-Type=application/json"), "initialize goes without session");
    assert_eq!(names(&client.get(RT, None)), format!("Host=localhost:3000 Accept=text/event-stream {known}"));
    let resumed = client.get(RT, Some("4-2"));
    assert!(names(&resumed).ends_with(" Last-Event-ID=4-2"));
    assert_eq!(resumed.method, "GET");
    let delete = client.delete(RT);
    assert_eq!((delete.method.as_str(), names(&delete)), ("DELETE", format!("Host=localhost:3000 {known}")));
    client.extra = Headers::from_iter([("origin", "http://x"), ("accept", "a"), ("ACCEPT", "b")]);
    let odd = client.get(RT, None);
    assert_eq!(names(&odd), format!("Host=localhost:3000 {known} origin=http://x accept=a ACCEPT=b"));
}

#[test]
fn the_session_id_is_learned_from_initialize() {
    let mut client = client();
    let init = initialize("2025-11-25").to_string();
    let with_id = |id: &str| head(200, &[("content-type", "application/json"), ("mcp-session-id", id)]);
    let body = initialized("2025-11-25").to_string();
    let words = exchange(&mut client, Some(&init), &with_id("abc"), &body, true);
    let ended = "ended clean=true answered=true None false".to_owned();
    assert_eq!(words, ["session \"abc\" true".to_owned(), format!("message {body} None"), ended.clone()]);
    assert_eq!(client.session(), Some("abc"));
    let _ = exchange(&mut client, Some(CALL), &with_id("other"), ANSWER, true);
    assert_eq!(client.session(), Some("abc"), "only from initialize");
    for (id, visible, kept) in
        [("a b", false, Some("a b")), ("é", false, Some("é")), ("", false, None), ("a\tb", false, None)]
    {
        client.set_session(None);
        let words = exchange(&mut client, Some(&init), &with_id(id), &body, true);
        assert_eq!(words[0], format!("session {id:?} {visible}"));
        assert_eq!(client.session(), kept);
    }
    client.set_session(None);
    let refusal = message::error(Some(&Id::from(0)), -32602, "no", None).to_string();
    let words = exchange(&mut client, Some(&init), &with_id("abc"), &refusal, true);
    assert_eq!(words[2], ended);
    assert_eq!(client.session(), None, "a refused initialize opens no session");
    let stream = head(200, &[("content-type", "text/event-stream"), ("mcp-session-id", "abc")]);
    let _ = exchange(&mut client, Some(&init), &stream, &format!("data: {refusal}\n\n"), true);
    assert_eq!(client.session(), None);
}

#[test]
fn answers_as_json_and_as_stream() {
    let mut client = client();
    let words = exchange(&mut client, Some(CALL), &json_head(), ANSWER, true);
    assert_eq!(words, [&format!("message {ANSWER} None"), "ended clean=true answered=true None false"]);
    let body = format!(": hi\n\nid: 1\nretry: 5\ndata:\n\nevent: message\nid: 2\ndata: {NOTE}\n\ndata: {ANSWER}\n\n");
    let words = exchange(&mut client, Some(CALL), &stream_head(), &body, true);
    let expected = [
        "comment hi",
        r#"primed Some("1") Some(5) true"#,
        &format!("message {NOTE} Some(\"2\")"),
        &format!("message {ANSWER} None"),
        "ended clean=true answered=true None false",
    ];
    assert_eq!(words, expected);
    let body = "retry: 9\n\nevent: endpoint\ndata: /x\n\nfoo: bar\n\ndata: {oops\n\n";
    let words = exchange(&mut client, Some(CALL), &stream_head(), body, true);
    assert_eq!(words[..2], ["primed None Some(9) false", "event endpoint /x"]);
    assert!(words[2].starts_with("odd UnknownField"));
    assert_eq!(words[3..], ["message {oops None", "ended clean=true answered=false None false"]);
}

#[test]
fn a_stream_without_the_answer_can_be_resumed() {
    let mut client = client();
    let words = exchange(&mut client, Some(CALL), &stream_head(), "id: 9\nretry: 50\ndata:\n\n", true);
    assert_eq!(words[1], r#"ended clean=true answered=false Some(("9", Some(50), 1)) false"#);
    let words = exchange(&mut client, Some(CALL), &stream_head(), "id: 9\ndata:\n\nid: 10\ndata: {", false);
    assert_eq!(words[1], r#"ended clean=false answered=false Some(("9", None, 1)) true"#, "only whole events count");
    let words = exchange(&mut client, Some(CALL), &stream_head(), "data:\n\n", true);
    assert_eq!(words[1], "ended clean=true answered=false None false");
    let words = exchange(&mut client, Some(CALL), &stream_head(), "id: 1\ndata:\n\nid:\ndata:\n\n", true);
    assert_eq!(words[2], "ended clean=true answered=false None false", "an empty id takes the id back");

    let resume = Resume { last_event_id: "9".into(), retry: Some(50), awaiting: vec![Id::from(1)] };
    assert_eq!(client.resume(RT, &resume).headers.get("last-event-id"), Some("9"));
    let words = told(&client.finished(RT, false));
    assert_eq!(words, [r#"ended clean=false answered=false Some(("9", Some(50), 1)) false"#], "no head: try again");
    let _ = client.resume(RT, &resume);
    let _ = client.response_head(RT, &stream_head());
    assert_eq!(told(&client.body(RT, b"id: 11\nretry: 70\ndata:\n\n")).len(), 1);
    let again = client.drop_round_trip(RT).expect("can be resumed");
    assert_eq!((again.last_event_id.as_str(), again.retry, again.awaiting.len()), ("11", Some(70), 1));
    let _ = client.resume(RT, &again);
    let _ = client.response_head(RT, &stream_head());
    let _ = client.body(RT, format!("id: 12\ndata: {ANSWER}\n\n").as_bytes());
    assert_eq!(told(&client.finished(RT, true)), ["ended clean=true answered=true None false"]);
}

#[test]
fn get_streams_can_always_be_resumed() {
    let mut client = client();
    let body = format!("id: 3\ndata: {NOTE}\n\n");
    let words = exchange(&mut client, Some("GET"), &stream_head(), &body, true);
    assert_eq!(words[1], r#"ended clean=true answered=true Some(("3", None, 0)) false"#);
    let words = exchange(&mut client, Some("GET"), &json_head(), "{}", true);
    assert_eq!(words[0], "not MCP: expected text/event-stream in answer to GET, got application/json");
    let words = exchange(&mut client, Some("GET"), &head(405, &[]), "", true);
    assert_eq!(words, ["refused 405  lost=false"]);
    let words = exchange(&mut client, Some("GET"), &head(202, &[]), "", true);
    assert_eq!(words[0], "not MCP: expected text/event-stream, got status 202 with no Content-Type");
}

#[test]
fn messages_without_answer() {
    let mut client = client();
    let html = head(200, &[("content-type", "text/html")]);
    assert_eq!(exchange(&mut client, Some(NOTE), &head(202, &[]), "", true), ["accepted 202"]);
    assert_eq!(exchange(&mut client, Some(ANSWER), &head(202, &[]), "", true), ["accepted 202"]);
    assert_eq!(exchange(&mut client, Some(NOTE), &head(200, &[]), "", true), ["accepted 200"]);
    assert_eq!(exchange(&mut client, Some(NOTE), &json_head(), "", true), ["accepted 200"]);
    assert_eq!(exchange(&mut client, None, &head(204, &[]), "", true), ["accepted 204"]);
    assert_eq!(
        exchange(&mut client, None, &json_head(), "{}", true),
        ["accepted 200"],
        "no message in answer to DELETE"
    );
    let words = exchange(&mut client, Some(NOTE), &html, "hello", true);
    let why = "not MCP: expected no body with status 200, got 5 bytes that are no message";
    assert_eq!(words, [why, "accepted 200"]);
    let words = exchange(&mut client, Some(NOTE), &head(202, &[]), "", false);
    assert_eq!(words, ["ended clean=false answered=true None false"]);
}

#[test]
fn requests_that_get_no_message() {
    let mut client = client();
    let html = head(200, &[("content-type", "text/html")]);
    let words = exchange(&mut client, Some(CALL), &html, "<p>", true);
    assert_eq!(
        words[0],
        "not MCP: expected application/json or text/event-stream, got status 200 with Content-Type text/html"
    );
    assert_eq!(words.last().unwrap(), "ended clean=true answered=false None false");
    let words = exchange(&mut client, Some(CALL), &head(202, &[]), "", true);
    assert_eq!(
        words[0],
        "not MCP: expected application/json or text/event-stream, got status 202 with no Content-Type"
    );
    let words = exchange(&mut client, Some(CALL), &json_head(), "", true);
    assert_eq!(words, ["message  None", "ended clean=true answered=false None false"], "unreadable, and told so");
    let words = exchange(&mut client, Some(CALL), &json_head(), "{\"id\":1,\"res", false);
    assert_eq!(words, ["ended clean=false answered=false None false"], "what broke off is no message");
    let words = exchange(&mut client, Some(CALL), &json_head(), r#"{"id":"1","result":{}}"#, true);
    assert_eq!(words[1], "ended clean=true answered=false None false", "an answer to something else");
}

#[test]
fn refusals_and_lost_sessions() {
    let mut client = client();
    let words = exchange(&mut client, Some(CALL), &head(404, &[]), "gone", true);
    assert_eq!(words, ["refused 404 gone lost=false"], "no session was sent");
    client.set_session(Some("s".into()));
    assert_eq!(exchange(&mut client, Some(CALL), &head(404, &[]), "", true), ["refused 404  lost=true"]);
    // it is lost once, whatever else was under way in it
    assert_eq!(exchange(&mut client, Some("GET"), &head(404, &[]), "", false), ["refused 404  lost=false"]);
    client.set_session(Some("t".into()));
    assert_eq!(exchange(&mut client, Some("GET"), &head(404, &[]), "", false), ["refused 404  lost=true"]);
    assert_eq!(exchange(&mut client, None, &head(405, &[]), "", true), ["refused 405  lost=false"]);
    assert_eq!(exchange(&mut client, Some(CALL), &head(307, &[]), "", true), ["refused 307  lost=false"]);
    let init = initialize("2025-11-25").to_string();
    assert_eq!(exchange(&mut client, Some(&init), &head(404, &[]), "", true), ["refused 404  lost=false"]);
}

#[test]
fn batches_are_answered_one_by_one_or_together() {
    let mut client = client();
    let batch = r#"[{"id":1,"method":"a"},{"method":"n"},{"id":2,"method":"b"}]"#;
    let both = r#"[{"id":2,"result":{}},{"id":1,"result":{}}]"#;
    let words = exchange(&mut client, Some(batch), &json_head(), both, true);
    assert_eq!(words[1], "ended clean=true answered=true None false");
    let body = format!("id: 5\ndata: {ANSWER}\n\n");
    let words = exchange(&mut client, Some(batch), &stream_head(), &body, true);
    assert_eq!(words[1], r#"ended clean=true answered=false Some(("5", None, 1)) false"#);
    assert_eq!(exchange(&mut client, Some(r#"[{"method":"n"}]"#), &head(202, &[]), "", true), ["accepted 202"]);
}

#[test]
fn what_is_too_large_is_told_and_not_read() {
    let mut client = client().with_body_limit(10);
    let words = exchange(&mut client, Some(CALL), &json_head(), ANSWER, true);
    assert_eq!(words, ["not MCP: the body is larger than 10 bytes", "ended clean=true answered=false None false"]);
    let words = exchange(&mut client, Some(CALL), &stream_head(), &format!("data: {ANSWER}\n\n"), true);
    assert_eq!(words[0], "not MCP: an event has 20 bytes of data, more than the limit");
    assert!(words[1].starts_with("event message {\"id\":1,\"r") && words[2].contains("answered=false"), "{words:?}");
    let words = exchange(&mut client, Some(CALL), &head(500, &[]), "0123456789abc", true);
    assert_eq!(words, ["refused 500 0123456789 lost=false"]);
}

#[test]
fn unknown_round_trips_are_ignored() {
    let mut client = client();
    assert!(client.response_head(RT, &json_head()).is_empty());
    assert!(client.body(RT, b"x").is_empty());
    assert!(client.finished(RT, true).is_empty());
    assert_eq!(client.drop_round_trip(RT), None);
}
