#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use super::stored;
use super::*;
use crate::conversation::sample::Sample;
use crate::fault::replay::{Replayed, carrier, replay};
use crate::fault::{Fault, Part, Request, Trigger, library};
use crate::judge::evidence::Shown;
use crate::spec::{Catalogue, Revision};
use crate::trace::{Body, Closing, EndReason, Event, Seat, StreamId, Trace, Transport};
use crate::wire::Kind;
use serde_json::json;
use std::collections::BTreeSet;

fn faults() -> &'static [Fault] {
    library::all()
}

fn judged(trace: &Trace) -> (Conversation, Vec<Evidence>) {
    let c = Conversation::of(&trace.header, &trace.events);
    let evidence = run(&c, &trace.header);
    (c, evidence)
}

fn broken(trace: &Trace) -> Vec<String> {
    judged(trace).1.iter().filter(|e| e.is_broken()).map(line).collect()
}

fn line(e: &Evidence) -> String {
    let Shown::Broken { expected, found, pointer } = &e.verdict else {
        return format!("{} {}", e.event, e.requirement);
    };
    format!("{} {} {} at `{pointer}`: expected {expected}, found {found}", e.event, e.party, e.requirement)
}

/// The event that a trigger means.
fn event_of(trace: &Trace, c: &Conversation, trigger: &Trigger) -> Option<u32> {
    let trip = |stream: &StreamId| c.streams.get(stream).and_then(|s| s.round_trip);
    let over = |event: &Event| match &event.body {
        Body::HttpRequest { round_trip, .. } => Some((Part::RequestHead, Some(*round_trip), None)),
        Body::HttpResponse { round_trip, .. } => Some((Part::ResponseHead, Some(*round_trip), None)),
        Body::Signal { stream, .. } => Some((Part::Signal, trip(stream), Some(*stream))),
        Body::StreamClosed { stream, .. } => Some((Part::End, trip(stream), Some(*stream))),
        Body::ProcessExited { .. } => Some((Part::Exit, None, None)),
        _ => None,
    };
    let said = |event: &Event| c.said.iter().find(|s| s.event == event.seq && s.part.is_none());
    let mut meant = trace.events.iter().filter(|event| match (said(event), over(event)) {
        (Some(s), _) => {
            trigger.from.is_none_or(|p| p == s.from)
                && trigger.matches(
                    &s.message,
                    c.request_of(s).and_then(|s| Request::of(&s.message)).as_ref(),
                    &carrier(c, s.round_trip, Some(s.stream)),
                )
        }
        (None, Some((part, trip, stream))) => trigger.matches_part(part, &carrier(c, trip, stream)),
        _ => false,
    });
    let nth = trigger.nth.unwrap_or(1);
    meant.nth(usize::try_from(nth - 1).unwrap()).map(|e| e.seq)
}

#[test]
fn honest_traces_break_nothing() {
    for name in stored::NAMES.iter().chain(&["tour-with-text-ids"]) {
        for trace in seats(&stored::trace(name)) {
            assert_eq!(broken(&trace), Vec::<String>::new(), "{name} as {}", trace.header.seat);
        }
    }
}

/// The trace in every seat in which it could have been recorded: what is deliberate in it is the client's.
fn seats(trace: &Trace) -> Vec<Trace> {
    let recorded = trace.header.seat;
    let all = Seat::ALL.iter().filter(|s| recorded == Seat::Observer || **s == recorded);
    all.map(|seat| {
        let mut trace = trace.clone();
        trace.header.seat = *seat;
        trace
    })
    .collect()
}

/// Is it a rule that only a scenario can show? Then no trace as it is does.
fn is_probed(id: &str) -> bool {
    !requirements().contains(&id)
}

/// Every fault is caught under its own id, at the right message, by the right party; and nothing else is.
#[test]
fn every_fault_is_caught_and_nothing_else() {
    let mut wrong = Vec::new();
    for fault in faults().iter().filter(|f| !f.is_control()) {
        let id = fault.breaks.clone().unwrap();
        assert_eq!(fault.traces.is_empty(), is_probed(&id), "{}: traces show what a monitor watches", fault.name);
        // parties that are alive are played in `tests/faults.rs`
        let live = fault.alive().is_ok();
        assert!(!fault.traces.is_empty() || live, "{} is played nowhere", fault.name);
        let traces =
            fault.traces.iter().flat_map(|name| seats(&stored::trace(name)).into_iter().map(move |t| (name, t)));
        for (name, honest) in traces {
            let seat = honest.header.seat;
            let Replayed { trace, changed, touched } = replay(fault, &honest);
            if !touched {
                wrong.push(format!("{} changes nothing in {name}", fault.name));
                continue;
            }
            let (c, evidence) = judged(&trace);
            let found: Vec<&Evidence> = evidence.iter().filter(|e| e.is_broken()).collect();
            let at = fault.at.as_ref().map_or(changed.first().copied(), |t| event_of(&trace, &c, t));
            let right = |e: &&Evidence| e.requirement == id && Some(e.event) == at && e.party == fault.blamed();
            if found.len() != 1 || !found.iter().all(right) {
                let lines: Vec<String> = found.iter().map(|e| line(e)).collect();
                wrong.push(format!(
                    "{} in {name} as {seat}: wanted {id} by the {} at {at:?}, got\n    {}",
                    fault.name,
                    fault.blamed(),
                    lines.join("\n    ")
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn controls_are_caught_by_nothing() {
    for control in faults().iter().filter(|f| f.is_control()) {
        assert!(!control.traces.is_empty(), "{}", control.name);
        for name in &control.traces {
            let replayed = replay(control, &stored::trace(name));
            assert!(replayed.touched, "{} changes nothing in {name}", control.name);
            assert_eq!(broken(&replayed.trace), Vec::<String>::new(), "{} in {name}", control.name);
        }
    }
}

/// Rules whose breaking is not a change of messages; each has a trace of its own below.
const WITHOUT_A_FAULT: [(&str, &str); 2] = [
    ("base.notification.no-response", "the answer needs a stream in the round trip of the notification"),
    (STOPPED, "what breaks it is a signal that the harness sends; its traces stand beside its monitor"),
];

/// Needs a program that is stopped, which none of the stored traces has.
const STOPPED: &str = "lifecycle.shutdown.server-exits-on-eof";

#[test]
fn every_monitored_requirement_has_a_fault() {
    let caught: BTreeSet<String> = faults().iter().filter_map(|f| f.breaks.clone()).collect();
    let excused: BTreeSet<&str> = WITHOUT_A_FAULT.iter().map(|(id, _)| *id).collect();
    for id in requirements() {
        assert!(Catalogue::of(Revision::V2025_11_25).get(id).is_some(), "{id} is in no catalogue");
        assert_ne!(caught.contains(id), excused.contains(id), "{id}: exactly one of a fault and a reason");
    }
}

/// A check that is never held proves nothing: every monitored rule is held in an honest trace, but for those that only a
/// deviation exercises.
#[test]
fn every_monitored_requirement_is_held_somewhere() {
    let traces: Vec<Trace> = stored::NAMES.iter().map(|n| stored::trace(n)).collect();
    let held: BTreeSet<&str> =
        traces.iter().flat_map(|t| judged(t).1).filter(|e| !e.is_broken()).map(|e| e.requirement).collect();
    let missing = requirements().into_iter().filter(|id| !held.contains(id) && *id != STOPPED);
    let missing: Vec<&str> = missing.collect();
    assert_eq!(missing, Vec::<&str>::new());
}

#[test]
fn what_is_only_seen_over_http_is_caught() {
    let (_, evidence) = judged(&stored::odd_http());
    let found: Vec<&str> = evidence.iter().filter(|e| e.is_broken()).map(|e| e.requirement).collect();
    assert_eq!(found, ["tasks.get.no-sse-upgrade", "base.notification.no-response"]);
}

/// An HTTP status is answer enough to what cannot be read; an error that comes with it has no invented id, and the code of a
/// parse error, unless depth alone was too much.
#[test]
fn bytes_that_cannot_be_read_are_refused_over_http() {
    let (c, evidence) = judged(&stored::unread_http());
    let unread: Vec<u32> =
        c.said.iter().filter(|s| matches!(s.message.kind(), Kind::Unreadable(_))).map(|s| s.event).collect();
    let errors: Vec<u32> = c.said.iter().filter(|s| s.is_error()).map(|s| s.event).collect();
    let broken: Vec<(&str, u32)> =
        evidence.iter().filter(|e| e.is_broken()).map(|e| (e.requirement, e.event)).collect();
    assert_eq!(broken, [("base.error.parse-error", errors[0]), ("base.error.same-id", errors[0])]);
    let held: Vec<u32> = evidence
        .iter()
        .filter(|e| e.requirement == "base.error.parse-error" && !e.is_broken())
        .map(|e| e.event)
        .collect();
    assert_eq!(held, [unread[0]]);
}

/// An end that left nobody the chance to answer accuses nobody.
#[test]
fn a_trace_that_was_cut_anywhere_accuses_nobody() {
    for name in stored::NAMES {
        let whole = stored::trace(name);
        for events in 0..whole.events.len() {
            let mut cut = whole.clone();
            cut.events.truncate(events);
            assert_eq!(broken(&cut), Vec::<String>::new(), "{name} cut after {events}");
            let gone = EndReason::Gone { party: crate::wire::Party::Server, how: "it died".into() };
            assert_eq!(broken(&stored::ended(name, events, gone)), Vec::<String>::new(), "{name} after {events}");
        }
    }
}

/// The order of the evidence depends on the trace alone.
/// Requests are answered in any order: that a later one is answered says nothing of the one before it, only time does.
#[test]
fn an_answer_to_something_else_shows_no_silence() {
    for (waited, silent) in [(200, false), (5000, true)] {
        let mut t = simple(Revision::V2025_11_25);
        t.client(json!({"jsonrpc": "2.0", "id": 8, "method": "tools/list"}));
        t.client(json!({"jsonrpc": "2.0", "id": 9, "method": "ping"}));
        t.server(json!({"jsonrpc": "2.0", "id": 9, "result": {}}));
        let trace = t.wait(waited).ended(EndReason::Finished);
        let found = broken(&trace);
        assert_eq!(found.iter().any(|line| line.contains(super::base::ANSWERED)), silent, "{waited} ms: {found:?}");
    }
}

#[test]
fn evidence_is_sorted_and_the_same_every_time() {
    for name in stored::NAMES {
        let trace = stored::trace(name);
        let (_, first) = judged(&trace);
        let mut sorted = first.clone();
        sorted
            .sort_by(|a, b| (a.event, a.said, a.requirement, a.party).cmp(&(b.event, b.said, b.requirement, b.party)));
        assert_eq!(first, sorted);
        assert_eq!(first, judged(&trace).1);
    }
}

/// What was not captured is not judged.
#[test]
fn a_record_without_messages_is_not_judged() {
    let mut trace = stored::trace("tour");
    trace.header.captured.retain(|k| k != "message");
    assert!(judged(&trace).1.is_empty());
}

fn simple(revision: Revision) -> Sample {
    let mut t = Sample::stdio();
    t.header.revision = revision;
    t.handshake(json!({}), json!({"tools": {}}));
    t
}

#[test]
fn older_revisions_have_their_own_rules() {
    for revision in [Revision::V2024_11_05, Revision::V2025_03_26, Revision::V2025_06_18] {
        let mut t = simple(revision);
        t.client(json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "x", "task": {}}}));
        t.server(json!({"jsonrpc": "2.0", "id": 1, "result": {"content": []}}));
        let trace = t.done();
        assert_eq!(broken(&trace), Vec::<String>::new(), "{revision}");
        let (_, evidence) = judged(&trace);
        assert!(evidence.iter().any(|e| e.requirement == "base.request.answered"), "{revision}");
        assert!(evidence.iter().all(|e| !e.requirement.starts_with("tasks.")), "{revision} has no tasks");
        t.client(json!({"jsonrpc": "2.0", "id": 2, "method": "tasks/list"}));
        t.server(json!({"jsonrpc": "2.0", "id": 2, "error": {"code": -32601, "message": "Method not found"}}));
        let found: Vec<&str> = judged(&t.done()).1.iter().filter(|e| e.is_broken()).map(|e| e.requirement).collect();
        // up to 2025-03-26 nothing said that the negotiated version must be kept to
        let expected: &[&str] = match revision {
            Revision::V2025_06_18 => &["lifecycle.version.respect-negotiated"],
            _ => &[],
        };
        assert_eq!(found, expected, "{revision}");
    }
}

#[test]
fn a_batch_is_two_messages_in_the_revision_that_has_them() {
    let mut t = simple(Revision::V2025_03_26);
    let ping = |id: u8| json!({"jsonrpc": "2.0", "id": id, "method": "ping"});
    let pong = |id: u8| json!({"jsonrpc": "2.0", "id": id, "result": {}});
    t.client(json!([ping(1), ping(2)]));
    t.server(json!([pong(1), pong(2)]));
    assert_eq!(broken(&t.done()), Vec::<String>::new());
    t.client(ping(2));
    assert_eq!(broken(&t.done()).len(), 1, "an id of a batch is used again");
}

/// A server may take what we broke on purpose, and what has no id that is one, for something else than a request.
#[test]
fn what_is_no_proper_request_may_be_accepted_without_content() {
    let found = |id: serde_json::Value, breaks: Option<&str>| {
        let mut t = Sample::new(Seat::Client, Transport::Http);
        t.handshake(json!({}), json!({"tools": {}}));
        let list = json!({"jsonrpc": "2.0", "id": id, "method": "tools/list"});
        match breaks {
            Some(requirement) => t.breaking(list, requirement),
            None => t.client(list),
        };
        t.respond(202, "text/plain", None);
        broken(&t.done()).iter().any(|line| line.contains("transport.http.request-content-type"))
    };
    assert!(found(json!(7), None));
    assert!(!found(json!(7), Some("base.jsonrpc.conforms")));
    assert!(!found(json!(null), None));
}

#[test]
fn a_question_that_comes_again_may_be_answered_again() {
    let played = |comes: usize, answers: usize| {
        let mut t = Sample::new(Seat::Observer, Transport::Http);
        t.handshake(json!({"elicitation": {}}), json!({"tools": {}}));
        let question = json!({"jsonrpc": "2.0", "id": 7, "method": "elicitation/create",
            "params": {"message": "Sure?", "requestedSchema": {"type": "object", "properties": {}}}});
        t.client(json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "x"}}));
        for _ in 0..comes {
            let stream = t.respond(200, "text/event-stream", None);
            t.on(stream, question.clone());
            t.push(Body::StreamClosed { stream, by: None, how: Closing::Cut("reset".into()) });
        }
        for _ in 0..answers {
            t.client(json!({"jsonrpc": "2.0", "id": 7, "result": {"action": "decline"}}));
            t.respond(202, "text/plain", None);
        }
        broken(&t.done()).into_iter().filter(|id| id.contains("base.request.answered")).count()
    };
    let found: Vec<usize> = [(1, 1), (1, 2), (2, 2), (2, 3)].map(|(comes, answers)| played(comes, answers)).into();
    assert_eq!(found, [0, 1, 0, 1]);
}

/// What takes longer than it should with the length of a trace would show here: this is many times the usual length.
#[test]
fn a_long_trace_is_judged_in_time() {
    let mut t = Sample::stdio();
    t.handshake(json!({}), json!({"tools": {}, "tasks": {"requests": {"tools": {"call": {}}}}}));
    // far apart, as ids should be
    let name = |id: usize| format!("{:032x}", (id as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835));
    let task = |id: usize| {
        json!({"taskId": name(id), "status": "working", "createdAt": "2025-11-25T10:00:00Z",
            "lastUpdatedAt": "2025-11-25T10:00:00Z", "ttl": 60000})
    };
    for n in 0..400 {
        let call = json!({"name": "x", "task": {}, "_meta": {"progressToken": n}});
        t.client(json!({"jsonrpc": "2.0", "id": 2 * n + 1, "method": "tools/call", "params": call}));
        t.server(json!({"jsonrpc": "2.0", "id": 2 * n + 1, "result": {"task": task(n)}}));
        t.server(json!({"jsonrpc": "2.0", "method": "notifications/progress",
            "params": {"progressToken": n, "progress": 1, "_meta": {crate::conversation::RELATED_TASK: {"taskId": name(n)}}}}));
        t.client(json!({"jsonrpc": "2.0", "id": 2 * n + 2, "method": "tasks/get", "params": {"taskId": name(0)}}));
        t.server(json!({"jsonrpc": "2.0", "id": 2 * n + 2, "result": task(0)}));
    }
    let trace = t.done();
    let begun = std::time::Instant::now();
    assert_eq!(broken(&trace), Vec::<String>::new());
    assert!(begun.elapsed() < std::time::Duration::from_secs(20), "{:?}", begun.elapsed());
}
