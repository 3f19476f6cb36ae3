#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use super::*;
use crate::trace::event::{Closing, StreamId, StreamKind, Text};
use crate::wire::Party;
use proptest::prelude::*;
use serde_json::json;

fn header() -> Header {
    serde_json::from_value(json!({
        "format": 1, "harness": "0.1.0", "digests": {"schema": "abc"}, "seat": "client", "revision": "2025-11-25",
        "transport": "http", "client": "c", "server": "s", "choices": [0, 2], "fresh": {"a": 1.5}, "bound": {},
        "limits": {}, "captured": ["message", "end"],
        "scenario": {"id": "a/b#c", "file": "a/b.yaml", "text": "title: x\n"}}))
    .unwrap()
}

fn of(bodies: Vec<Body>) -> Trace {
    let events =
        bodies.into_iter().zip(0u32..).map(|(body, seq)| Event { seq, at: u64::from(seq) * 7, body }).collect();
    Trace { header: header(), events }
}

fn everything() -> Trace {
    let text = |s: &str| Text::Plain(s.to_owned());
    of(vec![
        Body::ProcessStarted { party: Party::Server, command: "run me".into() },
        Body::HttpRequest {
            round_trip: 0,
            method: "POST".into(),
            target: "/mcp".into(),
            headers: vec![("A".into(), "b".into()), ("A".into(), "c".into())],
            step: Some("1".into()),
            client: None,
        },
        Body::StreamOpened { stream: StreamId(3), writer: Party::Client, kind: StreamKind::Post, round_trip: Some(0) },
        Body::Message {
            stream: StreamId(3),
            from: Party::Client,
            text: text("{\"id\": 1e400, \"odd\": \"\\ud800\"}\u{2028}"),
            event_id: Some("7".into()),
            step: Some("4.1".into()),
            breaks: vec!["base.jsonrpc.conforms".into()],
            cut_from: Some(9),
        },
        Body::Message {
            stream: StreamId(3),
            from: Party::Client,
            text: Text::of(&[0xff, 0x00]),
            event_id: None,
            step: None,
            breaks: Vec::new(),
            cut_from: None,
        },
        Body::HttpResponse { round_trip: 0, status: 400, headers: Vec::new(), body: Some(text("no")) },
        Body::Signal { stream: StreamId(3), event_id: Some(String::new()), retry: Some(5), note: None },
        Body::StreamClosed { stream: StreamId(3), by: None, how: Closing::Cut("reset".into()) },
        Body::Stderr { party: Party::Server, text: "a\nb\r".into() },
        Body::ProcessExited { party: Party::Server, code: None, signal: Some(9), ours: true },
        Body::Action { label: "call".into(), what: "call x".into(), gives_up: Some(500) },
        Body::Saw { label: "call".into(), value: json!({"result": {"n": 1.0, "big": 9_007_199_254_740_993_u64}}) },
        Body::End { reason: EndReason::Gone { party: Party::Server, how: "it died".into() } },
    ])
}

#[test]
fn a_record_comes_back_as_it_was() {
    let trace = everything();
    let text = write(&trace);
    assert_eq!(text.lines().count(), trace.events.len() + 1, "one event a line");
    assert_eq!(read(&text).unwrap(), Reading { trace, cut: None });
}

#[test]
fn every_reason_to_end_comes_back() {
    for reason in [
        EndReason::Finished,
        EndReason::Deadline,
        EndReason::NotStarted { how: "x".into() },
        EndReason::NotApplicable { reason: "x".into() },
        EndReason::ScenarioFault { how: "x".into() },
        EndReason::Interrupted,
    ] {
        let trace = of(vec![Body::End { reason }]);
        assert_eq!(read(&write(&trace)).unwrap().trace, trace);
    }
}

#[test]
fn a_record_that_was_cut_gives_what_there_is_and_says_so() {
    let trace = everything();
    let text = write(&trace);
    let after_header = text.find('\n').unwrap() + 1;
    for end in (after_header..text.len() - 1).filter(|i| text.is_char_boundary(*i)) {
        let reading = read(&text[..end]).unwrap_or_else(|e| panic!("cut at {end}: {e}"));
        let whole = text[..end].matches('\n').count() - 1;
        let given = reading.trace.events.len();
        assert!(given == whole || given == whole + 1, "cut at {end}: {given} of {whole}");
        assert_eq!(reading.trace.events, trace.events[..given]);
        assert!(reading.cut.is_some() || given == trace.events.len());
    }
    let cut = read(&text[..after_header + 5]).unwrap().cut.unwrap();
    assert_eq!((cut.line, cut.reason.as_str()), (2, "the last line is only the beginning of an event"));
}

#[test]
fn what_is_damaged_is_named_by_its_line() {
    let text = write(&everything());
    let lines: Vec<&str> = text.lines().collect();
    let without = |n: usize| lines.iter().enumerate().filter(|(i, _)| *i != n).map(|(_, l)| *l).collect::<Vec<_>>();
    let with = |n: usize, line: &str| {
        let mut all: Vec<String> = lines.iter().map(|l| (*l).to_owned()).collect();
        all[n] = line.to_owned();
        all.join("\n")
    };
    for (text, start) in [
        (String::new(), "line 1: the record is empty"),
        ("{}".to_owned(), "line 1: this is no header"),
        ("[".to_owned(), "line 1: this is no header"),
        (with(0, "{\"format\": 2, \"new\": true}"), "line 1: the record has format 2"),
        (with(3, "{\"seq\""), "line 4: this is only the beginning of an event"),
        (with(4, "{\"seq\": 3, \"at\": 1, \"event\": \"dance\"}"), "line 5: this is no event"),
        (without(5).join("\n"), "line 6: the event has the number 5, and 4 was expected"),
        (format!("{text}{{\"seq\":13,\"at\":1,\"event\":\"end\",\"reason\":{{\"why\":\"finished\"}}}}"), "line 15:"),
    ] {
        let error = read(&text).unwrap_err().to_string();
        assert!(error.starts_with(start), "{error}");
    }
}

proptest! {
    #[test]
    fn any_text_in_a_message_comes_back(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let message = Body::Message {
            stream: StreamId(0), from: Party::Server, text: Text::of(&bytes), event_id: None, step: None,
            breaks: Vec::new(), cut_from: None,
        };
        let trace = of(vec![message, Body::End { reason: EndReason::Finished }]);
        let back = read(&write(&trace)).unwrap();
        prop_assert_eq!(&back.trace, &trace);
        let Body::Message { text, .. } = &back.trace.events[0].body else { panic!("a message") };
        prop_assert_eq!(text.bytes(), bytes);
    }

    #[test]
    fn no_text_makes_reading_fail_badly(text in "\\PC{0,200}") {
        let _ = read(&text);
        let _ = read(&format!("{}{text}", header_line(&header())));
    }
}
