//! The founding exchange and its variations, walked through message by message.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use super::exchange::{Exchange, Patience};
use super::plan::Plan;
use super::play::{Due, Parcel, Ruling};
use super::walk::Ending;
use crate::spec::Revision;
use crate::trace::Transport;
use crate::trace::event::{Body, Closing, EndReason, Event, StreamId, StreamKind, Text};
use crate::wire::{Message, Party};
use serde_json::{Value, json};
use std::sync::Arc;

const RELATED: &str = "io.modelcontextprotocol/related-task";

/// A line of messages: each comes 10 ms after the one before.
struct Line {
    exchange: Exchange,
    fresh: serde_json::Map<String, Value>,
    seq: u32,
    at: u64,
}

impl Line {
    fn of(id: &str, ours: Option<Party>) -> Line {
        Line::over(id, ours, Transport::Stdio)
    }

    /// The messages of the opening stand on streams without a round trip.
    fn over(id: &str, ours: Option<Party>, transport: Transport) -> Line {
        let loaded = super::files::embedded();
        let scenario = loaded.scenarios.into_iter().find(|s| s.id == id).expect("the scenario exists");
        let plan = Arc::new(Plan::new(Arc::new(scenario), transport));
        let mut n = 6;
        let fresh = super::fresh::freshen(plan.scenario(), &mut || {
            n += 1;
            n
        });
        let exchange = Exchange::new(plan, &fresh, ours, &[], Revision::DEFAULT, Patience::default());
        let mut line = Line { exchange, fresh, seq: 0, at: 0 };
        for (stream, writer, kind) in [(0, Party::Client, StreamKind::Stdin), (1, Party::Server, StreamKind::Stdout)] {
            line.event(Body::StreamOpened { stream: StreamId(stream), writer, kind, round_trip: None });
        }
        line.client(json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {} }));
        line.server(json!({ "jsonrpc": "2.0", "id": 0, "result": {} }));
        line.client(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        line
    }

    fn event(&mut self, body: Body) {
        let event = Event { seq: self.seq, at: self.at * 1000, body };
        self.exchange.observe(&event);
        self.seq += 1;
        self.at += 10;
    }

    /// The client says it in a POST of its own.
    fn post(&mut self, round_trip: u32, message: &Value) {
        let stream = StreamId(round_trip);
        let (target, headers) = ("/mcp".to_owned(), Vec::new());
        self.event(Body::HttpRequest { round_trip, method: "POST".into(), target, headers, step: None, client: None });
        let (writer, kind) = (Party::Client, StreamKind::Post);
        self.event(Body::StreamOpened { stream, writer, kind, round_trip: Some(round_trip) });
        let text = Text::Plain(message.to_string());
        let from = Party::Client;
        self.event(Body::Message {
            stream,
            from,
            text,
            event_id: None,
            step: None,
            breaks: Vec::new(),
            cut_from: None,
        });
        self.event(Body::StreamClosed { stream, by: Some(Party::Client), how: Closing::Clean });
    }

    fn say(&mut self, from: Party, message: &Value) {
        let stream = StreamId(u32::from(from == Party::Server));
        let text = Text::Plain(message.to_string());
        let body = Body::Message { stream, from, text, event_id: None, step: None, breaks: Vec::new(), cut_from: None };
        self.event(body);
    }

    fn client(&mut self, message: Value) {
        self.say(Party::Client, &message);
    }

    fn server(&mut self, message: Value) {
        self.say(Party::Server, &message);
    }

    fn end(&mut self, reason: EndReason) {
        self.event(Body::End { reason });
    }

    fn files(&self) -> Value {
        self.exchange.value(&super::pattern::Path { name: "arguments".into(), members: vec!["files".into()] }).unwrap()
    }

    fn create(&mut self) {
        let files = self.files();
        self.client(json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params":
            { "name": "test_task_elicitation", "arguments": { "files": files }, "task": { "ttl": 60000 } } }));
        self.server(json!({ "jsonrpc": "2.0", "id": 1, "result": { "task": { "taskId": "t", "status": "working" } } }));
    }

    fn poll(&mut self, id: u32, status: &str) {
        self.client(json!({ "jsonrpc": "2.0", "id": id, "method": "tasks/get", "params": { "taskId": "t" } }));
        self.server(json!({ "jsonrpc": "2.0", "id": id, "result": { "taskId": "t", "status": status } }));
    }

    fn fetch(&mut self) {
        self.client(json!({ "jsonrpc": "2.0", "id": 9, "method": "tasks/result", "params": { "taskId": "t" } }));
    }

    fn ask(&mut self) {
        let meta = json!({ RELATED: { "taskId": "t" } });
        self.server(
            json!({ "jsonrpc": "2.0", "id": "q", "method": "elicitation/create", "params": { "_meta": meta } }),
        );
    }

    fn answer(&mut self, meta: Value) {
        let result = json!({ "action": "accept", "content": { "confirm": true }, "_meta": meta });
        self.client(json!({ "jsonrpc": "2.0", "id": "q", "result": result }));
    }

    fn finish(&mut self) {
        let text = format!("Deleted {} files", self.files());
        let meta = json!({ RELATED: { "taskId": "t" } });
        let result = json!({ "content": [{ "type": "text", "text": text }], "_meta": meta });
        self.server(json!({ "jsonrpc": "2.0", "id": 9, "result": result }));
    }
}

const SEED: &str = "tasks/question-in-a-task";

fn honest_meta() -> Value {
    json!({ RELATED: { "taskId": "t" } })
}

#[test]
fn the_course_of_the_file_is_complete() {
    for ours in [None, Some(Party::Client), Some(Party::Server)] {
        let mut line = Line::of(SEED, ours);
        line.create();
        line.poll(2, "working");
        line.poll(3, "working");
        line.poll(4, "input_required");
        line.fetch();
        line.ask();
        line.answer(honest_meta());
        assert!(!line.exchange.finished());
        line.finish();
        assert!(line.exchange.finished());
        line.end(EndReason::Finished);
        let walk = line.exchange.walk();
        assert_eq!(walk.ending, Ending::Complete, "{walk:#?}");
        assert_eq!(walk.deviations, []);
        assert_eq!(walk.unreached, []);
        assert_eq!(walk.early, []);
        assert!(walk.shown.iter().all(|s| s.held));
        assert_eq!(walk.shown.len(), 9);
    }
}

#[test]
fn a_client_that_asks_for_the_result_at_once_leaves_the_loop_out() {
    let mut line = Line::of(SEED, Some(Party::Server));
    line.create();
    line.fetch();
    line.ask();
    line.answer(honest_meta());
    line.finish();
    line.end(EndReason::Finished);
    let walk = line.exchange.walk();
    assert_eq!(walk.ending, Ending::Complete);
    assert_eq!(walk.deviations, []);
    assert_eq!(walk.unreached.len(), 1);
    assert_eq!(walk.unreached[0].requirement, "tasks.input.moves-to-input-required");
    assert_eq!(walk.unreached[0].reason, "the client went another way");
}

#[test]
fn a_client_that_never_asks_for_the_result_owes_it() {
    for polls_on in [false, true] {
        let mut line = Line::of(SEED, None);
        line.create();
        line.poll(2, "input_required");
        let due = line.exchange.due_at().unwrap();
        for id in 3..10 {
            if polls_on {
                line.poll(id, "input_required");
            }
        }
        assert_eq!(line.exchange.due_at(), Some(due), "what nobody asked for is no progress");
        line.at = 6000;
        line.end(EndReason::Deadline);
        let Ending::Owed { party, expected, .. } = &line.exchange.walk().ending else { panic!("nothing is owed") };
        assert_eq!(*party, Party::Client);
        assert_eq!(expected, "that the client requests tasks/result");
    }
}

#[test]
fn an_answer_without_its_metadata_differs_and_the_course_goes_on() {
    let mut line = Line::of(SEED, None);
    line.create();
    line.fetch();
    line.ask();
    line.answer(Value::Null);
    line.finish();
    line.end(EndReason::Finished);
    let walk = line.exchange.walk();
    assert_eq!(walk.ending, Ending::Complete);
    assert_eq!(walk.deviations.len(), 1);
    assert_eq!(walk.deviations[0].party, Party::Client);
    assert_eq!(walk.deviations[0].proves, ["tasks.input.response-related-meta"]);
}

#[test]
fn a_server_that_never_says_input_required_owes_it_to_a_client_that_polls() {
    let mut line = Line::of(SEED, Some(Party::Client));
    line.create();
    for id in 2..1000 {
        if line.exchange.due_at().is_some_and(|due| due.as_millis() <= u128::from(line.at)) {
            break;
        }
        line.poll(id, "working");
    }
    line.end(EndReason::Deadline);
    let Ending::Owed { party, proves, .. } = &line.exchange.walk().ending else { panic!("nothing is owed") };
    assert_eq!(*party, Party::Server);
    assert_eq!(proves, &["tasks.input.moves-to-input-required"]);
}

#[test]
fn a_client_that_falls_silent_in_the_loop_is_the_one_that_owes() {
    let mut line = Line::of(SEED, None);
    line.create();
    line.poll(2, "working");
    line.at = 12_000;
    line.end(EndReason::Deadline);
    let Ending::Owed { party, .. } = &line.exchange.walk().ending else { panic!("nothing is owed") };
    assert_eq!(*party, Party::Client);
}

#[test]
fn an_answer_before_its_time_is_early_and_kept() {
    let mut line = Line::of(SEED, None);
    line.create();
    line.poll(2, "input_required");
    line.fetch();
    line.ask();
    line.finish();
    assert!(!line.exchange.finished());
    line.answer(honest_meta());
    assert!(line.exchange.finished());
    line.end(EndReason::Finished);
    let walk = line.exchange.walk();
    assert_eq!(walk.early.len(), 1);
    assert!(walk.shown.iter().any(|s| s.requirement == "tasks.result.blocks-until-terminal" && s.early));
}

#[test]
fn a_question_before_its_time_is_another_legal_course() {
    let mut line = Line::of(SEED, None);
    line.create();
    line.ask();
    line.poll(2, "working");
    line.answer(honest_meta());
    line.poll(3, "completed");
    line.fetch();
    line.finish();
    line.end(EndReason::Finished);
    let walk = line.exchange.walk();
    assert_eq!(walk.ending, Ending::Complete, "{walk:#?}");
    assert_eq!(walk.deviations, []);
    assert!(walk.other_way.is_some());
}

/// The answer to the question waits for its step; but a server that stays in the loop until it is answered must not wait for
/// ever.
#[test]
fn a_question_that_comes_during_the_loop_is_answered_when_the_loop_goes_on() {
    let mut line = Line::of(SEED, Some(Party::Client));
    line.create();
    line.client(json!({ "jsonrpc": "2.0", "id": 2, "method": "tasks/get", "params": { "taskId": "t" } }));
    line.ask();
    let bare = json!({ "jsonrpc": "2.0", "id": "q", "result": { "action": "accept", "content": { "confirm": true } } });
    let bare = Message::of(&bare);
    assert_eq!(line.exchange.propose(&bare, None), Ruling::Hold);
    // this may have been written before the question was
    line.server(json!({ "jsonrpc": "2.0", "id": 2, "result": { "taskId": "t", "status": "working" } }));
    assert_eq!(line.exchange.propose(&bare, None), Ruling::Hold);
    line.poll(3, "working");
    let Ruling::Send(sending) = line.exchange.propose(&bare, None) else { panic!("it still waits") };
    let Parcel::Message { message, .. } = sending.what else { panic!("{sending:?}") };
    assert_eq!(message["result"]["_meta"], honest_meta(), "the file's literals are laid over it");
    line.client(message);
    line.poll(4, "completed");
    line.fetch();
    line.finish();
    line.end(EndReason::Finished);
    let walk = line.exchange.walk();
    assert_eq!(walk.ending, Ending::Complete, "{walk:#?}");
    assert_eq!(walk.deviations, []);
    assert!(walk.other_way.is_some());
}

#[test]
fn what_stands_in_a_window_must_not_come() {
    for (answered, violations) in [(false, 0), (true, 1)] {
        let mut line = Line::of("base/malformed-messages#a-batch", Some(Party::Client));
        let bytes = json!([{ "jsonrpc": "2.0", "id": "b1", "method": "ping" }]);
        line.client(bytes);
        if answered {
            line.server(json!({ "jsonrpc": "2.0", "id": "b1", "result": {} }));
        }
        line.client(json!({ "jsonrpc": "2.0", "id": 7, "method": "ping" }));
        line.server(json!({ "jsonrpc": "2.0", "id": 7, "result": {} }));
        line.end(EndReason::Finished);
        let walk = line.exchange.walk();
        assert_eq!(walk.ending, Ending::Complete, "{walk:#?}");
        assert_eq!(walk.deviations.len(), violations, "{walk:#?}");
    }
}

/// Some servers name a content type in a 202 that has no content; and whatever comes with the success of a DELETE, it is one.
#[test]
fn what_has_no_answer_is_accepted_by_any_success() {
    let typed = |length: &str| {
        vec![
            ("content-type".to_owned(), "application/json".to_owned()),
            ("content-length".to_owned(), length.to_owned()),
        ]
    };
    for (status, length, deviations) in [(202, "0", 0), (200, "2", 1)] {
        let mut line = Line::over("http/session-ends", Some(Party::Client), Transport::Http);
        let fresh = line.fresh.values().next().cloned();
        let note = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": fresh } });
        line.post(7, &note);
        line.event(Body::HttpResponse { round_trip: 7, status, headers: typed(length), body: None });
        let delete = Body::HttpRequest {
            round_trip: 8,
            method: "DELETE".into(),
            target: "/mcp".into(),
            headers: Vec::new(),
            step: None,
            client: None,
        };
        line.event(delete);
        line.event(Body::HttpResponse { round_trip: 8, status: 200, headers: typed("2"), body: None });
        line.post(9, &json!({ "jsonrpc": "2.0", "id": 9, "method": "tools/list" }));
        line.event(Body::HttpResponse { round_trip: 9, status: 404, headers: Vec::new(), body: None });
        line.end(EndReason::Finished);
        let walk = line.exchange.walk();
        assert_eq!(walk.ending, Ending::Complete, "{walk:#?}");
        assert_eq!(walk.deviations.len(), deviations, "{walk:#?}");
    }
}

/// What had to be refused and is accepted fails there and then, at the response, and not by a deadline at something else.
#[test]
fn a_success_where_a_refusal_is_due_is_the_opposite() {
    for (status, deviations) in [(404, 0), (202, 1), (200, 1)] {
        let mut line = Line::over("http/session-ends", Some(Party::Client), Transport::Http);
        let fresh = line.fresh.values().next().cloned();
        let note = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": fresh } });
        line.post(7, &note);
        let head = |round_trip, status| Body::HttpResponse { round_trip, status, headers: Vec::new(), body: None };
        line.event(head(7, 202));
        let (method, target, headers) = ("DELETE".into(), "/mcp".into(), Vec::new());
        line.event(Body::HttpRequest { round_trip: 8, method, target, headers, step: None, client: None });
        line.event(head(8, 200));
        line.post(9, &json!({ "jsonrpc": "2.0", "id": 9, "method": "tools/list" }));
        let refusal = line.seq;
        line.event(head(9, status));
        assert!(line.exchange.finished(), "nothing is left to wait for");
        line.end(EndReason::Finished);
        let walk = line.exchange.walk();
        assert_eq!(walk.ending, Ending::Complete, "{walk:#?}");
        assert_eq!(walk.deviations.len(), deviations, "{walk:#?}");
        for deviation in &walk.deviations {
            assert_eq!((deviation.event, deviation.found.clone()), (refusal, format!("HTTP {status}")));
        }
    }
}

/// Each answer counts for the request that a step waits on, and what the script has sent it does not send again.
#[test]
fn a_question_that_comes_twice_is_answered_once() {
    for kept in [false, true] {
        let mut line = Line::of(SEED, Some(Party::Client));
        line.create();
        line.poll(2, "input_required");
        if kept {
            line.ask();
            line.ask();
            line.fetch();
        } else {
            line.fetch();
            line.ask();
            line.ask();
        }
        let Due::Send(sending) = line.exchange.due() else { panic!("the answer is due") };
        let Parcel::Message { message, .. } = sending.what else { panic!("the answer is a message") };
        assert_eq!(line.exchange.due(), Due::Nothing, "it is sent");
        line.client(message);
        line.finish();
        line.end(EndReason::Finished);
        let walk = line.exchange.walk();
        assert_eq!(walk.ending, Ending::Complete, "{walk:#?}");
    }
}

#[test]
fn what_was_sent_and_is_not_seen_is_not_sent_again() {
    let mut line = Line::of(SEED, Some(Party::Client));
    line.create();
    line.poll(2, "input_required");
    assert!(matches!(line.exchange.due(), Due::Send(_)), "the result is asked for");
    for _ in 0..3 {
        assert_eq!(line.exchange.due(), Due::Nothing);
    }
    // it was sent before the task was polled, and is seen only now
    line.fetch();
    line.ask();
    assert!(matches!(line.exchange.due(), Due::Send(_)), "the answer is due");
}

/// An application does nothing for a branch that is not taken: the script would be told twice, or not at all.
#[test]
fn a_branch_that_is_not_taken_is_not_driven() {
    let loaded = super::files::embedded();
    let scenario = loaded.scenarios.into_iter().find(|s| s.id == "tools/list-and-call").expect("the scenario exists");
    let plan = Plan::new(Arc::new(scenario), Transport::Stdio);
    let steps = |ours, choices: &[u8]| {
        let actions = plan.actions_with(ours, choices);
        actions.iter().filter_map(|a| a.what.step().map(str::to_owned)).collect::<Vec<_>>()
    };
    assert_eq!(steps(Some(Party::Client), &[0]), ["call"]);
    assert_eq!(steps(Some(Party::Client), &[1]), ["list", "call"]);
    assert_eq!(steps(Some(Party::Server), &[0]), ["list", "call"]);
    assert_eq!(steps(None, &[]), ["list", "call"]);
}

#[test]
fn a_name_that_is_carried_on_under_itself_waits_for_what_binds_it() {
    let text = "title: Page by page\nrevisions: \"2025-11-25\"\nexchange:\n  \
        - client requests: tools/list\n    as: first\n  \
        - server answers: first\n    result: { nextCursor: $next }\n  \
        - loop:\n      - client requests: tools/list\n        params: { cursor: $next }\n      \
        - server answers: tools/list\n        result: { nextCursor: $next }\n    \
        carry: { $next: $next }\n    while: { result: { nextCursor: <string> } }\n    at most: 9\n    \
        proves: [pagination.walk-terminates]\n";
    let loaded = super::files::load([("area/pages.yaml", text.as_bytes().to_vec())]);
    assert!(!loaded.broken(), "{:?}", loaded.diagnostics);
    let plan = Arc::new(Plan::new(Arc::new(loaded.scenarios[0].clone()), Transport::Stdio));
    let client = Some(Party::Client);
    let exchange = Exchange::new(plan, &serde_json::Map::new(), client, &[], Revision::DEFAULT, Patience::default());
    let mut line = Line { exchange, fresh: serde_json::Map::new(), seq: 0, at: 0 };
    line.client(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    line.client(json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" }));
    // it names no cursor at all: what would be sent next cannot be filled, and that is said
    line.server(json!({ "jsonrpc": "2.0", "id": 1, "error": { "code": -32603, "message": "no" } }));
    assert!(matches!(line.exchange.due(), Due::Fault { .. }), "{:?}", line.exchange.due());
}
