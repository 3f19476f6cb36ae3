#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use super::*;
use crate::fault::library;
use crate::fault::replay::replay;
use crate::judge::monitors::stored;
use crate::judge::{Judgement, Judging};
use crate::trace::{Seat, record};

/// As two programs that nobody knows would have been recorded.
fn watched(mut trace: Trace) -> Trace {
    trace.header.seat = Seat::Observer;
    trace.header.scenario = None;
    trace
}

fn judged(trace: &Trace, bounds: Bounds) -> Judgement {
    let mut judging = Judging::within(trace.header.clone(), bounds).silent();
    for event in &trace.events {
        judging.event(event.clone());
    }
    judging.finish().judgement
}

const WHOLE: Bounds = Bounds { recent: usize::MAX, bytes: usize::MAX, step: usize::MAX };
/// What is settled and older than the last few is forgotten. It is looked for after every event.
const NARROWEST: Bounds = Bounds { recent: 16, bytes: usize::MAX, step: 1 };
/// It is looked for after some events: there are many traces.
const NARROW: Bounds = Bounds { step: 8, ..NARROWEST };

/// What is said differently when as little as possible is held. Findings, verdicts and what was proven are the same; how often it
/// was need not be, where it takes two messages that are far apart.
fn difference(trace: &Trace, bounds: Bounds) -> Option<String> {
    let (whole, narrow) = (judged(trace, WHOLE), judged(trace, bounds));
    let said = |j: &Judgement| -> Vec<String> {
        let findings = j.findings.iter().map(|f| serde_json::to_string(f).unwrap());
        let checks = j.checks.iter().map(|c| format!("{} {} {}", c.requirement, c.verdict, c.presumed));
        findings.chain(checks).chain([j.verdict.to_string()]).collect()
    };
    let (a, b) = (said(&whole), said(&narrow));
    let only = |x: &[String], y: &[String], sign: &str| -> Vec<String> {
        x.iter().filter(|l| !y.contains(l)).map(|l| format!("    {sign} {l}")).collect()
    };
    let mut all = only(&a, &b, "-");
    all.extend(only(&b, &a, "+"));
    // what was shown is nothing that the whole does not show
    let more = narrow.cleared.iter().filter(|c| !whole.cleared.contains(c));
    all.extend(more.map(|c| format!("    + event {} shows {} of the {}", c.event, c.requirement, c.party)));
    (!all.is_empty()).then(|| all.join("\n"))
}

/// Where two messages have to be compared that may be any number of others apart.
const APART: [(&str, &str); 6] = [
    ("pile", "a task's result, with plain calls of the same tool long before and after"),
    ("a-list-that-is-cut-off in pile", "likewise"),
    ("a-result-unlike-the-plain-one in pile", "likewise"),
    ("a-member-that-the-plain-one-lacks in pile", "likewise"),
    (
        "asks-over-every-stream in streams",
        "a request that comes again on another stream is taken for another with its id",
    ),
    ("cancels-by-the-meta in refusals", "an unknown task, asked for before something was asked of it"),
];

fn same(bounds: Bounds, traces: impl Iterator<Item = (String, Trace)>) {
    let mut count = 0;
    let mut wrong = Vec::new();
    for (name, trace) in traces {
        count += 1;
        if APART.iter().any(|(apart, _)| *apart == name) {
            continue;
        }
        if let Some(difference) = difference(&watched(trace), bounds) {
            wrong.push(format!("{name}:\n{difference}"));
        }
    }
    assert!(count > 0);
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn honest_traces_are_judged_the_same_however_little_is_held() {
    same(
        NARROWEST,
        stored::NAMES.iter().chain(&["tour-with-text-ids"]).map(|name| ((*name).to_owned(), stored::trace(name))),
    );
}

#[test]
fn faults_and_controls_are_judged_the_same_however_little_is_held() {
    same(
        NARROW,
        library::all().iter().flat_map(|fault| {
            fault.traces.iter().map(move |name| {
                let replayed = replay(fault, &stored::trace(name));
                assert!(replayed.touched, "{} changes nothing in {name}", fault.name);
                (format!("{} in {name}", fault.name), replayed.trace)
            })
        }),
    );
}

/// What is judged of a record that was written and read is what was judged of the trace, in every seat.
#[test]
fn faults_and_controls_are_judged_the_same_from_their_records() {
    let mut count = 0;
    for fault in library::all() {
        for name in &fault.traces {
            let trace = replay(fault, &stored::trace(name)).trace;
            let reading = record::read(&record::write(&trace)).unwrap();
            let (first, again) = (crate::judge::judge(&trace), crate::judge::judge(&reading.trace));
            assert_eq!(
                serde_json::to_string(&first).unwrap(),
                serde_json::to_string(&again).unwrap(),
                "{}",
                fault.name
            );
            assert_eq!(first, again, "{} in {name}", fault.name);
            count += 1;
        }
    }
    assert!(count > 100);
}
