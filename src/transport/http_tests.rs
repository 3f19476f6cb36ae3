//! The HTTP links against each other, and against servers that are none, in memory and under the paused clock.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use super::memory::{self, network};
use super::*;
use crate::trace::{Closing, Text};
use crate::wire::http::ServerPolicy;
use crate::wire::{Kind, Message};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const SESSION: SessionKey = SessionKey(1);

fn client(connector: Connector, habits: HttpHabits) -> HttpClient {
    let bounds = Bounds { message: 1000, ..Bounds::default() };
    HttpClient::new(Endpoint::memory(connector), SESSION, habits, &Numbers::default(), bounds)
}

fn server(acceptor: Acceptor, policy: ServerPolicy) -> HttpServer {
    let mut n = 0;
    let entropy = move || {
        n += 1;
        [n; 16]
    };
    let habits = ServerHabits::default();
    HttpServer::new(acceptor, policy, entropy, SessionKey(7), habits, &Numbers::default(), Bounds::default())
}

/// What an event is, in a line.
fn short(event: &LinkEvent) -> String {
    let text = |text: &Text| String::from_utf8_lossy(&text.bytes()).into_owned();
    match &event.what {
        LinkWhat::SessionOpened => format!("session {} opened", event.session.map_or(0, |s| s.0)),
        LinkWhat::SessionClosed => format!("session {} closed", event.session.map_or(0, |s| s.0)),
        LinkWhat::Record(body) => match body {
            Body::StreamOpened { stream, kind, round_trip, .. } => {
                format!("{kind:?} is {} (of {})", stream.0, round_trip.map_or("none".into(), |rt| rt.to_string()))
            }
            Body::StreamClosed { stream, by, how } => {
                let by = by.map_or("nobody", Party::as_str);
                match how {
                    Closing::Clean => format!("{} closed by {by}", stream.0),
                    Closing::Cut(why) => format!("{} cut by {by}: {why}", stream.0),
                    Closing::Bound(why) => format!("{} bounded by {by}: {why}", stream.0),
                }
            }
            Body::HttpRequest { round_trip, method, headers, .. } => {
                let mcp = |name: &str| name.starts_with("mcp") || name.starts_with("last");
                let headers: Vec<_> =
                    headers.iter().filter(|(n, _)| mcp(n)).map(|(n, v)| format!(" {n}={v}")).collect();
                format!("{round_trip}: {method}{}", headers.concat())
            }
            Body::HttpResponse { round_trip, status, body, .. } => {
                format!("{round_trip}: {status}{}", body.as_ref().map_or(String::new(), |b| format!(" {:?}", text(b))))
            }
            Body::Message { stream, from, text: t, event_id, step, cut_from, .. } => {
                let event_id = event_id.as_ref().map_or(String::new(), |id| format!(" #{id}"));
                let step = step.as_ref().map_or(String::new(), |s| format!(" step {s}"));
                let cut = cut_from.map_or(String::new(), |n| format!(" of {n}"));
                format!("{} {from}: {}{event_id}{step}{cut}", stream.0, text(t))
            }
            Body::Signal { stream, event_id, retry, note } => {
                format!("{} signal {event_id:?} {retry:?} {note:?}", stream.0)
            }
            other => format!("{other:?}"),
        },
    }
}

fn shorts(events: &[LinkEvent]) -> Vec<String> {
    events.iter().map(short).collect()
}

/// What comes until nothing more comes.
async fn quiet(link: &mut HttpClient) -> Vec<String> {
    let mut events = Vec::new();
    while let Ok(Some(event)) = tokio::time::timeout(Duration::from_secs(100), link.next()).await {
        events.push(short(&event));
    }
    events
}

fn send(text: &str) -> Order {
    Order::Send(SendOrder::new(SESSION, Route::Unrelated, text.to_owned()))
}

const INITIALIZE: &str = r#"{"id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}"#;

/// Plays a server that answers every request in the simplest way, and says what it saw.
fn play(mut server: HttpServer) -> tokio::task::JoinHandle<Vec<String>> {
    tokio::spawn(async move {
        let mut seen = Vec::new();
        while let Some(event) = server.next().await {
            seen.push(short(&event));
            let LinkEvent { session: Some(session), what: LinkWhat::Record(Body::Message { text, from, .. }) } = event
            else {
                continue;
            };
            let message = Message::read(text.bytes().into(), &Default::default());
            let Kind::Request { id, method } = message.kind() else { continue };
            assert_eq!(from, Party::Client);
            let send = |route, text: String| {
                Order::Send(SendOrder { step: Some("s".into()), ..SendOrder::new(session, route, text) })
            };
            if method == "log" {
                seen.extend(shorts(&server.order(send(Route::Related(id.clone()), r#"{"method":"said"}"#.into()))));
                seen.extend(shorts(&server.order(send(Route::Unrelated, r#"{"method":"aside"}"#.into()))));
            }
            if method == "hang up" {
                seen.extend(shorts(&server.order(Order::CloseStream { session, request: id.clone() })));
            }
            let answer = format!(r#"{{"id":{id},"result":{{"protocolVersion":"2025-11-25"}}}}"#);
            seen.extend(shorts(&server.order(send(Route::Answer(id.clone()), answer))));
        }
        seen
    })
}

#[tokio::test(start_paused = true)]
async fn a_session_from_beginning_to_end() {
    let (connector, acceptor) = network();
    let serving = play(server(acceptor, ServerPolicy::default()));
    let mut client = client(connector, HttpHabits { listens: true, ..HttpHabits::default() });
    let mut seen = shorts(&client.order(send(INITIALIZE)));
    seen.extend(quiet(&mut client).await);
    seen.extend(shorts(&client.order(send(r#"{"method":"notifications/initialized"}"#))));
    seen.extend(quiet(&mut client).await);
    seen.extend(shorts(&client.order(send(r#"{"id":1,"method":"log"}"#))));
    seen.extend(quiet(&mut client).await);
    seen.extend(shorts(&client.order(Order::Delete { session: SESSION, headers: vec![], step: None })));
    seen.extend(quiet(&mut client).await);
    seen.extend(shorts(&client.finish(Duration::from_secs(1)).await));
    insta::assert_snapshot!("session_client", seen.join("\n"));
    insta::assert_snapshot!("session_server", serving.await.unwrap().join("\n"));
}

#[tokio::test(start_paused = true)]
async fn a_client_comes_back_for_a_stream() {
    let (connector, acceptor) = network();
    let policy = ServerPolicy { retry: Some(5000), listen: true, ..ServerPolicy::default() };
    let serving = play(server(acceptor, policy));
    let mut client = client(connector, HttpHabits { resumes: true, ..HttpHabits::default() });
    client.order(send(INITIALIZE));
    quiet(&mut client).await;
    let began = tokio::time::Instant::now();
    let mut seen = shorts(&client.order(send(r#"{"id":1,"method":"hang up"}"#)));
    while !seen.last().unwrap().contains("result") {
        seen.push(short(&client.next().await.unwrap()));
    }
    assert!(began.elapsed() >= Duration::from_secs(5), "{:?}", began.elapsed());
    insta::assert_snapshot!("comes_back", seen.join("\n"));
    drop(client);
    serving.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_seat_may_come_back_itself_and_drop_streams() {
    let (connector, acceptor) = network();
    let serving = play(server(acceptor, ServerPolicy::default()));
    let mut client = client(connector, HttpHabits::default());
    client.order(send(INITIALIZE));
    quiet(&mut client).await;
    let mut seen = shorts(&client.order(Order::Listen {
        session: SESSION,
        last_event_id: None,
        resumes: None,
        headers: vec![],
        step: Some("3".into()),
    }));
    seen.extend(quiet(&mut client).await);
    let stream = seen.iter().find_map(|s| s.strip_prefix("Get is ")).unwrap().split(' ').next().unwrap();
    let stream = StreamId(stream.parse().unwrap());
    seen.extend(shorts(&client.order(Order::Drop { session: SESSION, stream })));
    seen.extend(quiet(&mut client).await);
    let back =
        Order::Listen { session: SESSION, last_event_id: None, resumes: Some(stream), headers: vec![], step: None };
    seen.extend(shorts(&client.order(back)));
    seen.extend(quiet(&mut client).await);
    let none = vec![("mcp-session-id".to_owned(), None)];
    let order = SendOrder { headers: none, ..SendOrder::new(SESSION, Route::Unrelated, r#"{"id":2,"method":"x"}"#) };
    seen.extend(shorts(&client.order(Order::Send(order))));
    seen.extend(quiet(&mut client).await);
    insta::assert_snapshot!("drops", seen.join("\n"));
    drop(client);
    let served = serving.await.unwrap();
    assert!(served.iter().any(|s| s.contains("cut by client: the client closed the connection")), "{served:?}");
}

#[tokio::test(start_paused = true)]
async fn a_seat_may_refuse_what_the_logic_would_take() {
    let (connector, acceptor) = network();
    let mut server = server(acceptor, ServerPolicy::default());
    let mut client = client(connector, HttpHabits::default());
    client.order(send(INITIALIZE));
    let refusing = async {
        let mut seen = Vec::new();
        loop {
            let event = server.next().await.unwrap();
            seen.push(short(&event));
            if let LinkWhat::Record(Body::Message { .. }) = event.what {
                let (round_trip, status) = (0, 503);
                let order = Order::Refuse { round_trip, status, body: "no".into(), headers: vec![], step: None };
                seen.extend(shorts(&server.order(order)));
                break;
            }
        }
        while let Ok(Some(event)) = tokio::time::timeout(Duration::from_secs(1), server.next()).await {
            seen.push(short(&event));
        }
        seen
    };
    let (served, seen) = tokio::join!(refusing, quiet(&mut client));
    assert_eq!(served.last().unwrap(), r#"0: 503 "no""#, "{served:?}");
    assert_eq!(seen, ["0 closed by client", r#"0: 503 "no""#]);
}

/// What stands in the answer to a DELETE is no message, whatever its type.
#[test]
fn an_answer_to_a_delete_says_nothing() {
    use super::http::Answer;
    let head = crate::wire::http::ResponseHead {
        status: 200,
        headers: [("content-type", "application/json"), ("content-length", "11")].into_iter().collect(),
    };
    for body in ["", r#"{"ok":true}"#, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#] {
        for (method, speaks) in [("DELETE", false), ("POST", !body.is_empty())] {
            let mut answer = Answer::new(3, method, None, &Numbers::default(), Bounds::default());
            let mut bodies = answer.head(&head);
            bodies.extend(answer.chunk(body.as_bytes()).0);
            bodies.extend(answer.end(None, &Ok(())));
            let said = bodies.iter().any(|b| matches!(b, Body::Message { .. }));
            assert_eq!(said, speaks, "{method} {body}: {bodies:?}");
            assert!(bodies.iter().any(|b| matches!(b, Body::HttpResponse { .. })));
        }
    }
}

/// Answers one connection with these bytes once a request came, and closes it.
async fn raw(bytes: Vec<u8>, order: &str) -> Vec<String> {
    let (connector, mut acceptor) = network();
    let mut client = client(connector, HttpHabits::default());
    client.order(send(order));
    let serving = tokio::spawn(async move {
        let mut io = acceptor.accept().await.unwrap().unwrap();
        let mut buffer = [0; 4096];
        assert!(io.read(&mut buffer).await.unwrap() > 0);
        // the client may close before it has read everything
        let _ = io.write_all(&bytes).await;
        let _ = io.shutdown().await;
    });
    let seen = quiet(&mut client).await;
    serving.await.unwrap();
    seen
}

#[tokio::test(start_paused = true)]
async fn what_servers_do_wrong_is_recorded() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    let html = "<!doctype html><title>hello</title>";
    let cases = [
        ("nothing", String::new()),
        ("garbage", "ICY 200 OK\r\n\r\n".into()),
        ("html", format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 35\r\n\r\n{html}")),
        ("login", "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\nContent-Length: 2\r\n\r\nno".into()),
        ("elsewhere", "HTTP/1.1 307 Temporary Redirect\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n".into()),
        (
            "json error",
            "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: 26\r\n\r\n{\"error\":{\"code\":-32600}} ".into(),
        ),
        (
            "a type of nothing",
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n".into(),
        ),
        ("cut stream", format!("{head}1a\r\nid: 1\ndata: {{\"id\":1}}\n\ndata\r\n10\r\nda")),
        ("cut body", "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 30\r\n\r\n{\"id\"".into()),
        ("huge event", format!("{head}7d8\r\ndata: {}\n\n\r\n0\r\n\r\n", "x".repeat(2000))),
        (
            "huge body",
            format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 3000\r\n\r\n{}",
                "x".repeat(3000)
            ),
        ),
        ("odd events", format!("{head}20\r\n: hello\nevent: endpoint\ndata: x\n\r\n1\r\n\n\r\n0\r\n\r\n")),
    ];
    let mut text = String::new();
    for (name, bytes) in cases {
        let seen = raw(bytes.into_bytes(), r#"{"id":1,"method":"x"}"#).await.join("\n  ");
        text.push_str(&format!("{name}\n  {}\n", seen.replace(&"x".repeat(1000), "(1000 x)")));
    }
    insta::assert_snapshot!("wrong_servers", text);
}

#[tokio::test(start_paused = true)]
async fn nobody_there() {
    let (connector, acceptor) = network();
    drop(acceptor);
    let mut client = client(connector, HttpHabits::default());
    client.order(send(INITIALIZE));
    assert_eq!(quiet(&mut client).await, ["0 cut by nobody: cannot connect: nobody listens"]);
    client.order(Order::EndInput);
    assert_eq!(client.next().await, None);
}

#[tokio::test]
async fn nobody_there_over_tcp() {
    let acceptor = Acceptor::loopback(0).await.unwrap();
    let address = acceptor.address().unwrap();
    drop(acceptor);
    let endpoint = Endpoint::parse(&format!("http://{address}/mcp")).unwrap();
    let numbers = Numbers::default();
    let mut client = HttpClient::new(endpoint, SESSION, HttpHabits::default(), &numbers, Bounds::default());
    client.order(send(INITIALIZE));
    let event = short(&client.next().await.unwrap());
    assert!(event.starts_with("0 cut by nobody: cannot connect: Connection refused"), "{event}");
}

#[tokio::test]
async fn the_same_over_tcp() {
    let acceptor = Acceptor::loopback(0).await.unwrap();
    let address = acceptor.address().unwrap();
    let serving = play(server(acceptor, ServerPolicy::default()));
    let endpoint = Endpoint::parse(&format!("http://{address}/mcp")).unwrap();
    let numbers = Numbers::default();
    let mut client = HttpClient::new(endpoint, SESSION, HttpHabits::default(), &numbers, Bounds::default());
    client.order(send(INITIALIZE));
    loop {
        if short(&client.next().await.unwrap()).contains("result") {
            break;
        }
    }
    assert_eq!(client.session_id(SESSION), Some("01".repeat(16).as_str()));
    // a client that goes away is noticed
    client.order(Order::Listen { session: SESSION, last_event_id: None, resumes: None, headers: vec![], step: None });
    loop {
        if short(&client.next().await.unwrap()).starts_with("Get is") {
            break;
        }
    }
    drop(client);
    // the listener goes on; its task ends with the runtime
    serving.abort();
}

#[tokio::test]
async fn a_client_that_goes_away_is_noticed_over_tcp() {
    let acceptor = Acceptor::loopback(0).await.unwrap();
    let address = acceptor.address().unwrap();
    let mut server = server(acceptor, ServerPolicy { sessions: false, ..ServerPolicy::default() });
    let mut io = tokio::net::TcpStream::connect(address).await.unwrap();
    io.write_all(b"GET /mcp HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n").await.unwrap();
    let mut seen = Vec::new();
    while !seen.last().is_some_and(|s: &String| s.starts_with("Get is")) {
        seen.push(short(&server.next().await.unwrap()));
    }
    drop(io);
    let gone = short(&server.next().await.unwrap());
    assert_eq!(gone, "0 cut by client: the client closed the connection");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_server_lets_go_of_its_connections() {
    let (connector, acceptor) = network();
    let mut server = server(acceptor, ServerPolicy { sessions: false, ..ServerPolicy::default() });
    let mut io = connector.connect().await.unwrap();
    io.write_all(b"GET /mcp HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n").await.unwrap();
    while !short(&server.next().await.unwrap()).starts_with("Get is") {}
    drop(server);
    let mut rest = Vec::new();
    let _ = io.read_to_end(&mut rest).await;
    assert!(connector.connect().await.is_err());
}

/// What a tap sees until nothing more comes.
async fn tapped(relay: &mut Relay) -> Vec<String> {
    let mut events = Vec::new();
    while let Ok(Some(event)) = tokio::time::timeout(Duration::from_secs(100), relay.next()).await {
        events.push(short(&event));
    }
    events
}

#[tokio::test(start_paused = true)]
async fn a_tap_sees_what_both_say_over_http() {
    let (upstream, acceptor) = network();
    let serving = play(server(acceptor, ServerPolicy::default()));
    let (connector, tap) = network();
    let mut relay = Relay::http(tap, Endpoint::memory(upstream), &Numbers::default(), Bounds::default());
    let mut client = client(connector, HttpHabits { listens: true, ..HttpHabits::default() });
    let using = async {
        let mut seen = shorts(&client.order(send(INITIALIZE)));
        seen.extend(quiet(&mut client).await);
        for text in
            [r#"{"method":"notifications/initialized"}"#, r#"{"id":1,"method":"log"}"#, r#"{"id":2,"method":"x"}"#]
        {
            seen.extend(shorts(&client.order(send(text))));
            seen.extend(quiet(&mut client).await);
        }
        let get = seen.iter().find_map(|s| s.strip_prefix("Get is ")).unwrap().split(' ').next().unwrap();
        let stream = StreamId(get.parse().unwrap());
        seen.extend(shorts(&client.order(Order::Drop { session: SESSION, stream })));
        seen.extend(shorts(&client.order(Order::Delete { session: SESSION, headers: vec![], step: None })));
        seen.extend(quiet(&mut client).await);
        seen.extend(shorts(&client.finish(Duration::from_secs(1)).await));
        seen
    };
    let (seen, mut tapped) = tokio::join!(using, async {
        let mut events = Vec::new();
        while !events.last().is_some_and(|e: &String| e.ends_with("closed")) {
            events.push(short(&relay.next().await.unwrap()));
        }
        events
    });
    tapped.extend(shorts(&relay.finish(Duration::from_secs(1)).await));
    // what comes on the GET stream has no order with what comes on others
    let (aside, others): (Vec<_>, Vec<_>) = tapped.iter().cloned().partition(|e| e.starts_with("3 server: "));
    assert_eq!(aside, [r#"3 server: {"method":"aside"} #1-1"#]);
    insta::assert_snapshot!("tapped", others.join("\n"));
    // the client notices nothing
    let said = |events: &[String]| {
        let mut said: Vec<_> =
            events.iter().filter(|e| e.contains(" server: {") || e.contains(" client: {")).cloned().collect();
        said.iter_mut().for_each(|s| *s = s.split_once(' ').unwrap().1.to_owned());
        said.sort_by_key(|s| s.contains("aside"));
        said
    };
    assert_eq!(said(&seen), said(&tapped));
    serving.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_tap_passes_on_what_breaks() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    let answers = [
        Some(format!("{head}1a\r\nid: 1\ndata: {{\"id\":1}}\n\ndata\r\n10\r\nda")),
        Some("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 30\r\n\r\n{\"id\"".into()),
        Some("HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 3\r\n\r\n<p>".into()),
        None,
    ];
    let mut text = String::new();
    for answer in answers {
        let (upstream, mut acceptor) = network();
        let (connector, tap) = network();
        let mut relay = Relay::http(tap, Endpoint::memory(upstream), &Numbers::default(), Bounds::default());
        let mut client = client(connector, HttpHabits::default());
        client.order(send(r#"{"id":1,"method":"x"}"#));
        let serving = async {
            let Some(answer) = answer else { return drop(acceptor) };
            let mut io = acceptor.accept().await.unwrap().unwrap();
            assert!(io.read(&mut [0; 4096]).await.unwrap() > 0);
            io.write_all(answer.as_bytes()).await.unwrap();
            io.shutdown().await.unwrap();
        };
        let (tapped, seen, ()) = tokio::join!(tapped(&mut relay), quiet(&mut client), serving);
        text.push_str(&format!("tap\n  {}\nclient\n  {}\n", tapped.join("\n  "), seen.join("\n  ")));
    }
    insta::assert_snapshot!("tap_breaks", text);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_wait_is_seen_everywhere() {
    let (upstream, acceptor) = network();
    let mut server = server(acceptor, ServerPolicy { json_answers: true, ..ServerPolicy::default() });
    let (connector, tap) = network();
    let mut relay = Relay::http(tap, Endpoint::memory(upstream), &Numbers::default(), Bounds::default());
    let mut client = client(connector, HttpHabits::default());
    client.order(send(INITIALIZE));
    // nobody answers; time passes only when all wait
    let mut served = Vec::new();
    while let Ok(Some(event)) = tokio::time::timeout(Duration::from_secs(1), server.next()).await {
        served.push(short(&event));
    }
    let dropped = shorts(&client.order(Order::Drop { session: SESSION, stream: StreamId(0) }));
    assert_eq!(dropped, ["0 closed by client", "PostAnswer is 1 (of 0)", "1 cut by client: we closed the connection"]);
    while let Ok(Some(event)) = tokio::time::timeout(Duration::from_secs(1), server.next()).await {
        served.push(short(&event));
    }
    let given_up = ["PostAnswer is 1 (of 0)", "1 cut by client: the client closed the connection"];
    assert_eq!(served[served.len() - 2..], given_up, "{served:?}");
    let seen = tapped(&mut relay).await;
    assert_eq!(seen[seen.len() - 2..], given_up, "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn a_tap_sees_what_both_say_over_stdio() {
    let (client_end, tap_for_client) = memory::pipes();
    let (tap_for_server, server_end) = memory::pipes();
    let mut relay = Relay::stdio(tap_for_client, tap_for_server, &Numbers::default(), Bounds::default());
    let numbers = Numbers::default();
    let mut client = StdioLink::new(Party::Client, SESSION, client_end, &numbers, Bounds::default());
    let mut server = StdioLink::new(Party::Server, SESSION, server_end, &numbers, Bounds::default());
    let long = "x".repeat(100_000);
    client.order(send(&long));
    client.order(send("2"));
    let mut got = 0;
    while got < 2 {
        if let LinkWhat::Record(Body::Message { text, .. }) = server.next().await.unwrap().what {
            assert!(text.bytes() == long.as_bytes() || text.bytes() == b"2");
            got += 1;
        }
    }
    server.order(send("3"));
    client.order(Order::EndInput);
    server.finish(Duration::from_secs(1)).await;
    let seen: Vec<_> = tapped(&mut relay).await.iter().map(|s| s.replace(&long, "(long)")).collect();
    let about = |party: &str| seen.iter().filter(|s| s.contains(party)).cloned().collect::<Vec<_>>();
    assert_eq!(about("client"), ["0 client: (long)", "0 client: 2", "0 closed by client"]);
    assert_eq!(about("server"), ["1 server: 3", "1 closed by server"]);
    assert_eq!(relay.next().await, None);
}

#[test]
fn urls() {
    let path = |url: &str| Endpoint::parse(url).map(|e| (e.host, e.path)).map_err(|e| e.to_string());
    assert_eq!(path("http://127.0.0.1:3000/mcp?x=1"), Ok(("127.0.0.1:3000".into(), "/mcp?x=1".into())));
    assert_eq!(path("http://[::1]:3000"), Ok(("[::1]:3000".into(), "/".into())));
    for url in ["https://example.com/mcp", "example.com", "/mcp", "http://u:p@h/", "ftp://x/", ""] {
        assert!(path(url).is_err(), "{url}");
    }
    assert!(path("https://example.com/mcp").unwrap_err().contains("http only"));
    let _ = memory::pipes();
}
