//! Servers that are started to be talked to.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use super::*;
use crate::transport::SendOrder;
use std::path::Path;

fn spec(stdio: Option<&str>, http: Option<&str>, dir: &Path) -> ServerSpec {
    let sh = |script: &str| Command {
        words: ["sh", "-c", script].map(str::to_owned).into(),
        dir: dir.to_owned(),
        env: vec![("THE_PORT".into(), PORT.into())],
    };
    ServerSpec { stdio: stdio.map(sh), http: http.map(sh), path: "/mcp".into(), url: None }
}

const LADDER: Ladder =
    Ladder { input: Duration::from_millis(200), terminate: Duration::from_secs(30), kill: Duration::from_secs(30) };

fn words(events: &[LinkEvent]) -> Vec<String> {
    let word = |e: &LinkEvent| match &e.what {
        LinkWhat::Record(Body::Message { text, .. }) => Some(String::from_utf8_lossy(&text.bytes()).into_owned()),
        LinkWhat::Record(Body::ProcessExited { code, signal, ours, .. }) => {
            Some(format!("exited {code:?} {signal:?} {ours}"))
        }
        _ => None,
    };
    events.iter().filter_map(word).collect()
}

#[tokio::test]
async fn over_stdio_its_last_words_and_its_end_are_recorded() {
    let spec = spec(Some("cat; echo bye; exit 5"), None, &std::env::temp_dir());
    let mut started = start(&spec, Transport::Stdio, &Numbers::default(), Bounds::default()).await.unwrap();
    started.link.order(Order::Send(SendOrder::new(SESSION, crate::reference::Route::Unrelated, "hello")));
    let stopped = started.stop(&Ladder { input: Duration::from_secs(30), ..LADDER }).await;
    assert_eq!(words(&stopped.events), ["hello", "bye", "exited Some(5) None true"]);
    assert_eq!(stopped.exit.map(|e| e.code), Some(Some(5)));
}

#[tokio::test]
async fn one_that_talks_on_and_on_is_ended_all_the_same() {
    let spec = spec(Some("while :; do echo x; done"), None, &std::env::temp_dir());
    let started = start(&spec, Transport::Stdio, &Numbers::default(), Bounds::default()).await.unwrap();
    let stopped = started.stop(&LADDER).await;
    assert!(stopped.exit.is_some_and(|e| e.ours));
    assert!(stopped.events.len() < MOST_LAST_WORDS + 100);
    assert!(words(&stopped.events).iter().any(|w| w.starts_with("exited")));
}

/// Listens in the place of a program that only writes down its port.
async fn listener(file: &Path) -> tokio::net::TcpListener {
    loop {
        if let Some(port) = std::fs::read_to_string(file).ok().and_then(|text| text.trim().parse::<u16>().ok()) {
            return tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn over_http_it_is_waited_for_and_serves_many_links() {
    let dir = tempfile::tempdir().unwrap();
    let script = "echo $THE_PORT > port.part; mv port.part port; exec sleep 600";
    let (spec, file) = (spec(None, Some(script), dir.path()), dir.path().join("port"));
    let (server, listener) = tokio::join!(ServerProcess::start(&spec), listener(&file));
    let mut server = server.unwrap();
    let port = listener.local_addr().unwrap().port();
    assert_eq!(server.url(), format!("http://127.0.0.1:{port}/mcp"));
    for _ in 0..2 {
        let mut link = server.connect(HttpHabits::default(), &Numbers::default(), Bounds::default());
        let mut started = false;
        while !started {
            let event = link.next().await.unwrap();
            started = matches!(event.what, LinkWhat::Record(Body::ProcessStarted { .. }));
        }
    }
    let mut link = server.connect(HttpHabits::default(), &Numbers::default(), Bounds::default());
    let exit = server.stop(&LADDER).await.unwrap();
    assert_eq!((exit.signal, exit.ours), (Some(15), true));
    link.order(Order::EndInput);
    let mut events = Vec::new();
    while let Some(event) = link.next().await {
        events.push(event);
    }
    assert_eq!(words(&events), ["exited None Some(15) true"]);
}

#[tokio::test]
async fn one_that_ends_before_it_listens_is_noticed() {
    let spec = spec(None, Some("echo 'no such module' >&2; exit 1"), &std::env::temp_dir());
    let error = ServerProcess::start(&spec).await.unwrap_err();
    assert_eq!(error.stderr(), Some("no such module\n"));
    assert!(error.to_string().ends_with("ended before it listened: it ended with code 1"), "{error}");
}

#[tokio::test]
async fn another_port_is_tried_when_one_was_taken() {
    let dir = tempfile::tempdir().unwrap();
    let script = "[ -e tried ] || { touch tried; echo 'listen EADDRINUSE: 127.0.0.1' >&2; exit 1; }; \
                  echo $THE_PORT > port.part; mv port.part port; exec sleep 600";
    let (spec, file) = (spec(None, Some(script), dir.path()), dir.path().join("port"));
    let (server, _listener) = tokio::join!(ServerProcess::start(&spec), listener(&file));
    assert!(server.is_ok());
}

#[test]
fn a_port_that_is_held_is_given_to_nobody_else() {
    let held: Vec<Port> = (0..200).map(|_| Port::free().unwrap()).collect();
    let numbers: std::collections::BTreeSet<u16> = held.iter().map(|port| port.number).collect();
    assert_eq!(numbers.len(), held.len());
    let number = held[0].number;
    assert!(UdpSocket::bind((Ipv4Addr::LOCALHOST, number)).is_err(), "another process sees the sign");
    drop(held);
    assert!(UdpSocket::bind((Ipv4Addr::LOCALHOST, number)).is_ok());
}

#[tokio::test]
async fn what_a_peer_does_not_offer_is_said() {
    let none = spec(None, None, &std::env::temp_dir());
    for transport in Transport::ALL {
        let error = start(&none, transport, &Numbers::default(), Bounds::default()).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("the peer has no server over {transport}; add `{transport}` to its `server` in harness.toml")
        );
    }
}
