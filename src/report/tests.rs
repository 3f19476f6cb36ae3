//! The screens, as snapshots; and what holds for every input.

use super::sample::{self, Tape};
use super::text::width;
use super::*;
use crate::judge::finding::Blame;
use crate::judge::{Judgement, Outcome, Verdict};
use crate::run::{Played, Results};
use crate::trace::event::{Body, EndReason, StreamId};
use crate::trace::{Seat, Transport};
use crate::wire::Party;
use proptest::prelude::*;
use serde_json::json;

fn screen(results: &Results) -> String {
    shown(results, &Style::default())
}

fn shown(results: &Results, style: &Style) -> String {
    terminal(results, &sample::summary(results), false, style)
}

fn code(results: &Results, strict: bool) -> u8 {
    exit_code(results, &sample::summary(results), strict)
}

fn one(seat: Seat, played: Played) -> Results {
    sample::results(seat, vec![played])
}

fn drawn(played: &Played, columns: usize) -> String {
    diagram(&played.trace, &played.judgement, columns)
}

#[test]
fn all_well() {
    let results = sample::results(Seat::Client, vec![sample::well(Transport::Stdio), sample::well(Transport::Http)]);
    insta::assert_snapshot!(screen(&results));
    assert_eq!(code(&results, true), 0);
}

#[test]
fn the_client_never_calls_tasks_result() {
    let results = one(Seat::Server, sample::never_asks(Transport::Stdio));
    insta::assert_snapshot!(screen(&results));
    assert_eq!(code(&results, false), 1);
}

#[test]
fn the_same_over_http_is_told_once() {
    let plays = vec![sample::never_asks(Transport::Stdio), sample::never_asks(Transport::Http)];
    insta::assert_snapshot!(screen(&sample::results(Seat::Server, plays)));
}

#[test]
fn the_metadata_is_missing() {
    let results = one(Seat::Server, sample::without_metadata(Transport::Stdio, Verdict::Fail));
    insta::assert_snapshot!(screen(&results));
}

#[test]
fn a_warning_takes_two_lines() {
    let results = one(Seat::Server, sample::without_metadata(Transport::Http, Verdict::Warn));
    insta::assert_snapshot!(screen(&results));
    assert_eq!((code(&results, false), code(&results, true)), (0, 1));
    let strict = terminal(&results, &sample::summary(&results), true, &Style::default());
    assert!(strict.ends_with("warn, exit 1: warnings count, as --strict asks\n"), "{strict}");
}

#[test]
fn a_warning_in_full_when_verbose() {
    let results = one(Seat::Server, sample::without_metadata(Transport::Http, Verdict::Warn));
    insta::assert_snapshot!(shown(&results, &Style { verbose: true, width: 80, ..Style::default() }));
}

#[test]
fn the_server_dies() {
    insta::assert_snapshot!(screen(&one(Seat::Client, sample::dies())));
}

#[test]
fn the_server_writes_garbage() {
    insta::assert_snapshot!(screen(&one(Seat::Client, sample::garbage())));
}

#[test]
fn in_colours_and_narrow() {
    let style = Style { colour: true, width: 60, verbose: false };
    insta::assert_snapshot!(shown(&one(Seat::Client, sample::garbage()), &style).replace('\u{1b}', "␛"));
}

#[test]
fn nothing_proven() {
    let results = sample::nothing();
    insta::assert_snapshot!(screen(&results));
    assert_eq!(code(&results, false), 3);
}

#[test]
fn a_peer_that_does_not_start() {
    let mut results = sample::troubled();
    insta::assert_snapshot!(screen(&results));
    assert_eq!(code(&results, false), 1, "a claim that was not kept is the peer's");
    results.unkept.clear();
    assert_eq!(code(&results, false), 4);
}

#[test]
fn diagrams() {
    insta::assert_snapshot!("diagram_well_http", drawn(&sample::well(Transport::Http), 110));
    insta::assert_snapshot!("diagram_never_asks_60", drawn(&sample::never_asks(Transport::Stdio), 60));
}

#[test]
fn a_refused_request_a_cut_stream_and_a_handshake_that_is_wrong() {
    let mut tape = Tape::new(Transport::Http, Seat::Client);
    tape.handshake();
    let call = tape.client(&json!({"jsonrpc": "2.0", "id": 7, "method": "tools/list"}), 400);
    tape.listen();
    let how = crate::trace::event::Closing::Cut("reset by the peer".into());
    tape.push(Body::StreamClosed { stream: StreamId(0), by: Some(Party::Server), how });
    let trace = tape.end(EndReason::Finished);
    let of = |event, found: &str| crate::judge::Finding {
        event: Some(event),
        pointer: Some(String::new()),
        ..sample::finding(Verdict::Warn, Blame::Server, "x", found)
    };
    // the first is inside the handshake: it is not folded then
    let init = trace.events.iter().find(|e| matches!(e.body, Body::Message { .. })).map_or(0, |e| e.seq);
    let findings = vec![of(init, "the greeting is odd"), of(call + 2, "a status of 400")];
    let played = sample::played(trace, Outcome::NoScenario, findings, Vec::new());
    insta::assert_snapshot!(drawn(&played, 90));
}

#[test]
fn a_long_trace_is_cut_but_the_divergence_is_there() {
    let mut tape = Tape::new(Transport::Stdio, Seat::Client);
    let mut last = 0;
    for i in 0..300 {
        last = tape.client(&json!({"jsonrpc": "2.0", "id": i, "method": format!("x/{i}")}), 200);
    }
    let trace = tape.end(EndReason::Deadline);
    let findings = vec![crate::judge::Finding {
        event: Some(last - 50),
        pointer: Some("/method".into()),
        ..sample::finding(Verdict::Fail, Blame::Client, "a method that exists", "one that does not")
    }];
    let played = sample::played(trace, Outcome::NoScenario, findings, Vec::new());
    let text = drawn(&played, 80);
    assert!(text.lines().count() <= 45, "{text}");
    for part in ["... 213 more messages", "... 47 more messages", "x/249 #249", "╰ 1. fail, client: one that does not"]
    {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn the_exit_code_is_the_gravest() {
    let with = |verdict, blame| {
        let mut played = sample::never_asks(Transport::Stdio);
        played.judgement.findings.push(sample::finding(verdict, blame, "a", "b"));
        one(Seat::Server, played)
    };
    assert_eq!(code(&with(Verdict::Error, Blame::Harness), false), 70);
    assert_eq!(code(&with(Verdict::Error, Blame::Scenario), false), 70);
    assert_eq!(code(&with(Verdict::Error, Blame::Environment), false), 1);
    let alone = |verdict, blame| {
        let mut played = sample::well(Transport::Stdio);
        played.judgement.findings.push(sample::finding(verdict, blame, "a", "b"));
        played.judgement.verdict = verdict;
        one(Seat::Client, played)
    };
    assert_eq!(code(&alone(Verdict::Error, Blame::Environment), false), 4);
    assert_eq!(code(&alone(Verdict::Inconclusive, Blame::Server), false), 4);
    assert_eq!(code(&alone(Verdict::Fail, Blame::Server), false), 1);
    let mut unexplained = one(Seat::Client, sample::well(Transport::Stdio));
    unexplained.played[0].judgement.verdict = Verdict::Error;
    assert_eq!(code(&unexplained, false), 70);
    let mut interrupted = one(Seat::Client, sample::well(Transport::Stdio));
    interrupted.interrupted = true;
    assert_eq!(code(&interrupted, false), 4);
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..120),
        (any::<String>(), any::<String>(), any::<i64>()).prop_map(|(a, b, n)| json!({"id": n, "method": a, "params":
            {"name": b, "taskId": a, "message": b, "task": {"ttl": n}, "_meta": {"io.modelcontextprotocol/related-task": {"taskId": b}}}})
        .to_string()
        .into_bytes()),
        (any::<String>(), 0i64..4).prop_map(|(a, n)| json!({"id": n, "result": {"status": a, "content": [{"text": a}]}})
            .to_string()
            .into_bytes()),
        (any::<String>(), 0i64..4)
            .prop_map(|(a, n)| json!({"id": n, "error": {"code": a, "message": a}}).to_string().into_bytes()),
        Just(br#"{"id":1,"method":"initialize"}"#.to_vec()),
        Just(br#"{"id":1,"result":{}}"#.to_vec()),
        Just(br#"{"method":"notifications/initialized"}"#.to_vec()),
    ]
}

proptest! {
    #[test]
    fn no_input_makes_a_report_panic_or_break_its_width(
        messages in proptest::collection::vec((any::<bool>(), message()), 0..60),
        marks in proptest::collection::vec((proptest::option::of(0u32..70), proptest::option::of("(/(params|result|name|0)){0,3}"), any::<bool>()), 0..4),
        text in any::<String>(),
        columns in 0usize..220,
        missed in proptest::option::of(0usize..5),
        verbose in any::<bool>(),
    ) {
        let mut tape = Tape::new(Transport::Stdio, Seat::Observer);
        for (client, raw) in &messages {
            let (stream, party) = if *client { (0, Party::Client) } else { (1, Party::Server) };
            tape.raw(StreamId(stream), party, raw);
        }
        tape.push(Body::Stderr { party: Party::Server, text: text.clone() });
        tape.push(Body::Saw { label: text.clone(), value: json!({"failure": text}) });
        let mut trace = tape.end(EndReason::Deadline);
        trace.header.client = text.clone();
        trace.header.server = text.clone();
        let findings: Vec<_> = marks.into_iter().map(|(event, pointer, fail)| crate::judge::Finding {
            event,
            pointer,
            span: Some(3..text.len()),
            requirement: Some("tasks.result.related-task-meta".into()),
            ..sample::finding(if fail { Verdict::Fail } else { Verdict::Warn }, Blame::Server, &text, &text)
        }).collect();
        let outcome = missed.map_or(Outcome::NoScenario, |finding| Outcome::Missed { finding });
        let mut played = sample::played(trace, outcome, findings, Vec::new());
        played.title = text.clone();
        let most = columns.max(diagram::NARROWEST);
        let drawn = drawn(&played, columns);
        for line in drawn.lines() {
            prop_assert!(width(line) <= most, "{line:?}");
            prop_assert!(!line.chars().any(char::is_control), "{line:?}");
        }
        let style = Style { colour: false, width: columns, verbose };
        let results = one(Seat::Observer, played);
        for line in shown(&results, &style).lines() {
            prop_assert!(!line.chars().any(char::is_control), "{line:?}");
            let copied = line.contains("mcp-interop ") || line.contains("https://");
            prop_assert!(copied || width(line) <= style.columns(), "{line:?}");
        }
    }
}

/// The judgement of nothing.
#[test]
fn an_empty_trace_is_drawn() {
    let trace = crate::trace::Trace { events: Vec::new(), ..sample::well(Transport::Stdio).trace };
    let judgement = Judgement {
        verdict: Verdict::Error,
        outcome: Outcome::Missed { finding: 0 },
        findings: vec![sample::finding(Verdict::Error, Blame::Environment, "a server", "none")],
        checks: Vec::new(),
        cleared: Vec::new(),
        matched: Vec::new(),
    };
    let text = diagram(&trace, &judgement, 60);
    assert!(text.contains("╰ 1. error, environment: none"), "{text}");
}
