#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use super::stored;
use super::*;
use crate::fault::replay::{Replayed, replay};
use crate::fault::{Fault, Trigger};
use crate::judge::evidence::Shown;
use crate::spec::{Catalogue, Revision};
use crate::trace::{EndReason, Trace};
use std::collections::BTreeSet;

fn faults() -> Vec<Fault> {
    [
        include_str!("../../../fixtures/faults/tasks.yaml"),
        include_str!("../../../fixtures/faults/lifecycle.yaml"),
        include_str!("../../../fixtures/faults/base.yaml"),
        include_str!("../../../fixtures/faults/controls.yaml"),
    ]
    .iter()
    .flat_map(|text| Fault::read(text).unwrap())
    .collect()
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

/// The event of the message a trigger means.
fn event_of(c: &Conversation, trigger: &Trigger) -> Option<u32> {
    let mut meant = c.said.iter().filter(|s| {
        trigger.from.is_none_or(|p| p == s.from) && s.part.is_none() && trigger.matches(&s.message, s.method.as_deref())
    });
    let nth = trigger.nth.unwrap_or(1);
    meant.nth(usize::try_from(nth - 1).unwrap()).map(|s| s.event)
}

#[test]
fn honest_traces_break_nothing() {
    for name in stored::NAMES.iter().chain(&["tour-with-text-ids"]) {
        assert_eq!(broken(&stored::trace(name)), Vec::<String>::new(), "{name}");
    }
}

/// Every fault is caught under its own id, at the right message, by the right party; and nothing else is.
#[test]
fn every_fault_is_caught_and_nothing_else() {
    let mut wrong = Vec::new();
    for fault in faults().iter().filter(|f| !f.is_control()) {
        let id = fault.breaks.clone().unwrap();
        assert!(!fault.traces.is_empty(), "{} is applied to no trace", fault.name);
        for name in &fault.traces {
            let Replayed { trace, changed, touched } = replay(fault, &stored::trace(name));
            if !touched {
                wrong.push(format!("{} changes nothing in {name}", fault.name));
                continue;
            }
            let (c, evidence) = judged(&trace);
            let found: Vec<&Evidence> = evidence.iter().filter(|e| e.is_broken()).collect();
            let at = fault.at.as_ref().map_or(changed.first().copied(), |t| event_of(&c, t));
            let right = |e: &&Evidence| e.requirement == id && Some(e.event) == at && e.party == fault.blamed();
            if found.len() != 1 || !found.iter().all(right) {
                let lines: Vec<String> = found.iter().map(|e| line(e)).collect();
                wrong.push(format!(
                    "{} in {name}: wanted {id} by the {} at {at:?}, got\n    {}",
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
    ("tasks.get.no-sse-upgrade", "the content type of a response is no part of a message"),
    ("base.notification.no-response", "the answer needs a stream in the round trip of the notification"),
];

#[test]
fn every_monitored_requirement_has_a_fault() {
    let caught: BTreeSet<String> = faults().iter().filter_map(|f| f.breaks.clone()).collect();
    let excused: BTreeSet<&str> = WITHOUT_A_FAULT.iter().map(|(id, _)| *id).collect();
    for id in requirements() {
        assert!(Catalogue::of(Revision::V2025_11_25).get(id).is_some(), "{id} is in no catalogue");
        assert_ne!(caught.contains(id), excused.contains(id), "{id}: exactly one of a fault and a reason");
    }
    for id in &caught {
        assert!(requirements().contains(&id.as_str()), "{id} is watched by no monitor");
    }
}

/// A check that is never held proves nothing: every monitored rule is held in an honest trace, but for those that only a
/// deviation exercises.
#[test]
fn every_monitored_requirement_is_held_somewhere() {
    let traces: Vec<Trace> = stored::NAMES.iter().map(|n| stored::trace(n)).collect();
    let held: BTreeSet<&str> =
        traces.iter().flat_map(|t| judged(t).1).filter(|e| !e.is_broken()).map(|e| e.requirement).collect();
    let missing: Vec<&str> = requirements().into_iter().filter(|id| !held.contains(id)).collect();
    assert_eq!(missing, Vec::<&str>::new());
}

#[test]
fn what_is_only_seen_over_http_is_caught() {
    let (_, evidence) = judged(&stored::odd_http());
    let found: Vec<&str> = evidence.iter().filter(|e| e.is_broken()).map(|e| e.requirement).collect();
    assert_eq!(found, ["tasks.get.no-sse-upgrade", "base.notification.no-response"]);
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
