#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use super::*;
use crate::conversation::Conversation;
use crate::conversation::sample::Sample;
use crate::judge::{Evidence, Verdict, monitors};
use crate::trace::Transport;
use serde_json::{Value, json};

fn watched(mut trace: Trace) -> Trace {
    trace.header.seat = Seat::Observer;
    trace.header.scenario = None;
    trace
}

#[test]
fn a_finding_is_told_once_and_as_soon_as_its_message_came() {
    let mut sample = Sample::stdio();
    sample.client(json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}));
    sample.server(json!({"jsonrpc": "2.0", "id": 1, "result": {}}));
    let wrong = [
        sample.client(json!({"jsonrpc": "2.0", "id": 1, "method": "ping"})),
        sample.client(json!({"jsonrpc": "2.0", "id": 1, "method": "ping"})),
    ];
    let trace = watched(sample.done());
    let mut judging = Judging::new(trace.header.clone());
    let mut told = Vec::new();
    for event in trace.events {
        let seq = event.seq;
        told.extend(judging.event(event).into_iter().map(|f| (seq, f.event, f.requirement)));
    }
    let id = "base.request.id-unique";
    assert!(told.contains(&(wrong[0], Some(wrong[0]), Some(id.to_owned()))), "{told:?}");
    assert_eq!(told.iter().filter(|(_, _, r)| r.as_deref() == Some(id)).count(), 1);
    assert!(judging.finish().judgement.findings.iter().any(|f| f.requirement.as_deref() == Some(id)));
}

/// Everything that is shown of a trace, by event, when as little as possible is held.
fn narrow(trace: &Trace, recent: usize) -> Vec<Evidence> {
    let bounds = Bounds { recent, bytes: usize::MAX, step: 1 };
    let mut judging = Judging::within(trace.header.clone(), bounds).silent();
    for event in &trace.events {
        judging.event(event.clone());
    }
    let mut evidence = judging.evidence();
    evidence.sort_by_key(|e| (e.event, e.requirement, e.party));
    evidence.iter_mut().for_each(|e| e.said = None);
    evidence
}

fn wide(trace: &Trace) -> Vec<Evidence> {
    let mut evidence = monitors::run(&Conversation::of(&trace.header, &trace.events), &trace.header);
    evidence.sort_by_key(|e| (e.event, e.requirement, e.party));
    evidence.iter_mut().for_each(|e| e.said = None);
    evidence
}

/// A session in which much happens again and again, and some of it is wrong.
fn long(transport: Transport, rounds: u64) -> Trace {
    let mut t = Sample::new(Seat::Observer, transport);
    let capabilities = json!({"tools": {}, "resources": {"subscribe": true}, "logging": {},
        "tasks": {"list": {}, "cancel": {}, "requests": {"tools": {"call": {}}}}});
    t.handshake(json!({"elicitation": {}, "roots": {}}), capabilities);
    let mut id = 100;
    let mut ask = |t: &mut Sample, method: &str, params: Value, result: Value| {
        id += 1;
        t.client(json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        t.server(json!({"jsonrpc": "2.0", "id": id, "result": result}))
    };
    let schema = json!({"type": "object"});
    let tools = json!({"tools": [
        {"name": "plain", "inputSchema": schema, "outputSchema": {"type": "object", "required": ["n"]}},
        {"name": "slow", "inputSchema": schema, "execution": {"taskSupport": "optional"}}]});
    ask(&mut t, "resources/subscribe", json!({"uri": "test://a"}), json!({}));
    for round in 0..rounds {
        ask(&mut t, "tools/list", json!({}), tools.clone());
        let structured = if round % 7 == 3 { json!({}) } else { json!({"n": round}) };
        let text = json!([{"type": "text", "text": structured.to_string()}]);
        ask(
            &mut t,
            "tools/call",
            json!({"name": "plain", "arguments": {}}),
            json!({"content": text, "structuredContent": structured}),
        );
        let task = |status: &str, at: u64| {
            json!({"taskId": format!("a-task-with-a-long-id-{round:08}"), "status": status, "ttl": null,
            "createdAt": "2025-11-25T10:00:00Z", "lastUpdatedAt": format!("2025-11-25T10:00:0{at}Z"), "pollInterval": 1})
        };
        ask(
            &mut t,
            "tools/call",
            json!({"name": "slow", "arguments": {}, "task": {"ttl": 1000}}),
            json!({"task": task("working", 0)}),
        );
        t.wait(5);
        let id = format!("a-task-with-a-long-id-{round:08}");
        ask(&mut t, "tasks/get", json!({"taskId": id}), task("working", 1));
        t.wait(5);
        ask(&mut t, "tasks/get", json!({"taskId": id}), task("completed", 2));
        if round % 5 == 4 {
            ask(&mut t, "tasks/get", json!({"taskId": id}), task("working", 3));
        }
        let meta = json!({"io.modelcontextprotocol/related-task": {"taskId": id}});
        ask(&mut t, "tasks/result", json!({"taskId": id}), json!({"content": [], "_meta": meta}));
        t.server(json!({"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": "test://a"}}));
        if round % 9 == 8 {
            t.server(
                json!({"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": "test://b"}}),
            );
            // answers once more what was answered long ago
            t.server(json!({"jsonrpc": "2.0", "id": 101, "result": {}}));
            t.client(json!({"jsonrpc": "2.0", "id": 102, "method": "ping"}));
            t.server(json!({"jsonrpc": "2.0", "id": 102, "result": {}}));
        }
    }
    watched(t.done())
}

#[test]
fn a_long_session_is_judged_the_same_however_little_of_it_is_held() {
    let trace = long(Transport::Stdio, 40);
    let whole = wide(&trace);
    assert!(whole.iter().filter(|e| e.is_broken()).count() > 20);
    let narrow = narrow(&trace, 16);
    let of = |all: &[Evidence]| {
        all.iter().map(|e| format!("{} {} {}", e.event, e.requirement, e.is_broken())).collect::<Vec<_>>()
    };
    // what refers back farther than what is held: the second answers, whose request is not known any more
    let late: BTreeSet<u32> =
        whole.iter().filter(|e| e.is_broken() && e.requirement == monitors::base::ANSWERED).map(|e| e.event).collect();
    let known = |all: &[Evidence]| {
        let all: Vec<Evidence> = all.iter().filter(|e| !late.contains(&e.event) || e.is_broken()).cloned().collect();
        of(&all)
    };
    pretty(&known(&whole), &known(&narrow));
}

fn pretty(whole: &[String], narrow: &[String]) {
    let (a, b): (BTreeSet<_>, BTreeSet<_>) = (whole.iter().collect(), narrow.iter().collect());
    let missing: Vec<_> = a.difference(&b).take(20).collect();
    let more: Vec<_> = b.difference(&a).take(20).collect();
    assert!(missing.is_empty() && more.is_empty(), "missing: {missing:#?}\nmore: {more:#?}");
    assert_eq!(whole.len(), narrow.len());
}

#[test]
fn what_is_held_does_not_grow_with_the_record() {
    let held = |rounds: u64| {
        let trace = long(Transport::Stdio, rounds);
        let bounds = Bounds { recent: 64, bytes: usize::MAX, step: 64 };
        let mut judging = Judging::within(trace.header.clone(), bounds).silent();
        let mut most = 0;
        for event in trace.events {
            judging.event(event);
            most = most.max(judging.held());
        }
        most
    };
    let (short, long) = (held(100), held(400));
    assert!(long <= short + short / 10, "{short} of a short one, {long} of a long one");
}

#[test]
fn a_record_of_messages_alone_has_no_end_that_could_be_missing() {
    let mut t = Sample::stdio();
    t.handshake(json!({}), json!({}));
    let mut trace = watched(t.done());
    trace.events.retain(|e| matches!(e.body, Body::Message { .. }));
    trace.header.captured = vec!["message".into()];
    assert_eq!(judge(&trace).verdict, Verdict::Pass);
    trace.header.captured.push("stream-closed".into());
    assert_eq!(judge(&trace).verdict, Verdict::Inconclusive);
}
