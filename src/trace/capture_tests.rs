#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use super::*;
use proptest::prelude::*;
use serde_json::json;

fn read(lines: &[&str]) -> Result<(Header, Vec<Said>), CaptureError> {
    let mut reader = Reader::default();
    let mut said = Vec::new();
    for (i, line) in lines.iter().enumerate() {
        said.extend(reader.line(i + 1, line)?);
    }
    Ok((reader.header(Revision::DEFAULT), said))
}

fn wrong(lines: &[&str]) -> String {
    read(lines).unwrap_err().to_string()
}

const PING: &str = r#"{"from":"client","message":{"jsonrpc":"2.0","id":1,"method":"ping"}}"#;

#[test]
fn a_message_is_kept_as_it_was_written() {
    let odd = r#"{"from": "server", "message": {"id":1.0,  "id":2}}"#;
    let (header, said) = read(&[PING, odd]).unwrap();
    assert_eq!(header.captured, ["message"]);
    assert_eq!((header.transport, header.seat), (Transport::Http, Seat::Observer));
    let Body::Message { text, from, stream, .. } = &said[1].event.body else { panic!() };
    assert_eq!(*text, Text::Plain(r#"{"id":1.0,  "id":2}"#.into()));
    assert_eq!((*from, *stream, said[1].event.seq), (Party::Server, StreamId(1), 2));
}

#[test]
fn the_first_line_may_say_more() {
    let first = r#"{"capture":1,"transport":"stdio","revision":"2025-06-18","client":"c","server":"s"}"#;
    let timed = r#"{"from":"client","text":"not json","at":1700000000000.5,"session":"a","stream":"x"}"#;
    let later = r#"{"from":"client","text":{"base64":"/w=="},"at":1700000000002,"session":"a","stream":"y"}"#;
    let mut reader = Reader::default();
    assert_eq!(reader.line(1, first), Ok(None));
    assert_eq!(reader.revision(), Some(Revision::V2025_06_18));
    let one = reader.line(2, timed).unwrap().unwrap();
    let two = reader.line(3, later).unwrap().unwrap();
    assert_eq!((one.event.at, two.event.at), (0, 1500));
    assert_eq!((one.session.as_str(), two.event.seq), ("a", 3));
    let header = reader.header(Revision::DEFAULT);
    assert_eq!((header.transport, header.client.as_str(), header.server.as_str()), (Transport::Stdio, "c", "s"));
    assert_eq!(header.captured, ["message", "time"]);
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    insta::assert_snapshot!(
        [
            wrong(&[r#"{"capture":2}"#]),
            wrong(&[r#"{"capture":"1"}"#]),
            wrong(&[r#"{"capture":1,"transports":"stdio"}"#]),
            wrong(&[PING, r#"{"from":"nobody","message":{}}"#]),
            wrong(&[PING, r#"{"from":"client"}"#]),
            wrong(&[PING, r#"{"from":"client","message":{},"text":""}"#]),
            wrong(&[PING, r#"{"from":"client","message":{},"direction":1}"#]),
            wrong(&[PING, "hello"]),
            wrong(&[PING, r#"{"from":"client","message":{},"at":1}"#]),
            wrong(&[r#"{"from":"client","message":{},"at":2}"#, r#"{"from":"client","message":{}}"#]),
            wrong(&[r#"{"from":"client","message":{},"at":2}"#, r#"{"from":"client","message":{},"at":1}"#]),
            wrong(&[r#"{"from":"client","message":{},"at":-1}"#]),
        ]
        .join("\n")
    );
}

#[test]
fn a_line_that_breaks_off_is_told_from_one_that_is_wrong() {
    let half = &PING[..30];
    assert!(read(&[PING, half]).unwrap_err().broke_off);
    assert!(!read(&[PING, "hello"]).unwrap_err().broke_off);
}

#[test]
fn the_form_is_seen_in_the_first_line() {
    assert_eq!(Form::of(r#"{"format":1}"#), Some(Form::Record));
    assert_eq!(Form::of(r#"{"format":99,"from":1}"#), Some(Form::Record));
    assert_eq!(Form::of(PING), Some(Form::Minimal));
    assert_eq!(Form::of(r#"{"capture":7}"#), Some(Form::Minimal));
    assert_eq!(Form::of(r#"{"jsonrpc":"2.0"}"#), None);
    assert_eq!(Form::of("\u{0}\u{1}"), None);
}

proptest! {
    #[test]
    fn no_line_ends_the_reader(lines in proptest::collection::vec("[ -~]{0,60}", 0..8)) {
        let mut reader = Reader::default();
        for (i, line) in lines.iter().enumerate() {
            let _ = reader.line(i + 1, line);
        }
    }

    #[test]
    fn any_message_comes_through(id in any::<i64>(), method in "[a-z/]{1,12}", text in ".{0,40}") {
        let message = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": {"text": text}});
        let line = json!({"from": "client", "message": message}).to_string();
        let (_, said) = read(&[&line]).unwrap();
        let Body::Message { text: kept, .. } = &said[0].event.body else { panic!() };
        prop_assert_eq!(serde_json::from_slice::<Value>(&kept.bytes()).unwrap(), message);
    }
}

/// The schema that others can check their captures with says the same as the reader.
#[test]
fn the_schema_agrees_with_the_reader() {
    let schema: Value = serde_json::from_str(include_str!("../../schemas/capture.schema.json")).unwrap();
    assert!(jsonschema::meta::is_valid(&schema));
    let schema = jsonschema::options().offline().build(&schema).unwrap();
    let good = [
        json!({"capture": 1}),
        json!({"capture": 1, "transport": "stdio", "revision": "2025-11-25", "client": "c", "server": "s"}),
        json!({"from": "client", "message": {"jsonrpc": "2.0"}}),
        json!({"from": "server", "message": []}),
        json!({"from": "server", "text": "garbage", "at": 1.5, "session": "s", "stream": "t"}),
        json!({"from": "server", "text": {"base64": "AA=="}}),
    ];
    let bad = [
        json!({"capture": 2}),
        json!({"capture": 1, "transport": "pigeon"}),
        json!({"capture": 1, "more": 1}),
        json!({"from": "both", "message": {}}),
        json!({"from": "client"}),
        json!({"from": "client", "message": {}, "text": ""}),
        json!({"from": "client", "message": {}, "at": -1}),
        json!({"from": "client", "message": {}, "at": "now"}),
        json!({"from": "client", "message": {}, "session": 1}),
        json!({"from": "client", "message": {}, "direction": "in"}),
    ];
    for (line, well) in good.iter().map(|l| (l, true)).chain(bad.iter().map(|l| (l, false))) {
        assert_eq!(schema.is_valid(line), well, "the schema: {line}");
        assert_eq!(Reader::default().line(1, &line.to_string()).is_ok(), well, "the reader: {line}");
    }
}
