//! The report as JSON, for programs: versioned, with a schema (`schemas/report.schema.json`), in a stable order.

use super::detail::address;
use super::reading::event;
use super::terminal::transports;
use crate::judge::{Finding, Verdict};
use crate::run::{Played, Results, Summary};
use crate::scenario::source::Source;
use crate::spec::Catalogue;
use crate::trace::Trace;
use crate::trace::event::{Body, Text};
use serde_json::{Map, Value, json};

/// The version of the form.
pub const FORMAT: u32 = 1;
/// Bytes of a message that a finding shows, at most.
const MOST: usize = 64 * 1024;

/// The report. `strict`: do warnings fail the run? `code`: the exit code, in the light of a baseline where there is one.
#[must_use]
pub fn json(results: &Results, summary: &Summary, strict: bool, code: u8) -> Value {
    json!({
        "format": FORMAT,
        "harness": { "name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION") },
        "run": {
            "seat": results.seat,
            "peer": results.peer,
            "revision": results.revision,
            "transports": transports(results),
            "strict": strict,
            "interrupted": results.interrupted,
        },
        "summary": counted(summary, code),
        "plays": results.played.iter().map(play).collect::<Vec<_>>(),
        "skipped": results.skipped.iter().map(|s| json!({
            "scenario": s.scenario,
            "transport": s.transport,
            "reason": s.reason,
            "claims": s.claims,
        })).collect::<Vec<_>>(),
        "troubles": results.troubles.iter().map(|t| json!({
            "transport": t.transport,
            "what": t.what,
            "blame": t.blame,
            "stderr": t.stderr,
        })).collect::<Vec<_>>(),
        "unkept": results.unkept,
    })
}

fn counted(summary: &Summary, code: u8) -> Value {
    let of = |wanted: Verdict| summary.requirements.values().filter(|v| **v == wanted).count();
    let plays: Map<String, Value> = summary.plays.iter().map(|(v, n)| (word(*v), json!(n))).collect();
    json!({
        "verdict": summary.verdict,
        "exit_code": code,
        "plays": plays,
        "proven": summary.proven(),
        "broken": { "must": of(Verdict::Fail), "should": of(Verdict::Warn) },
        "inconclusive": of(Verdict::Inconclusive),
        "unexercised": summary.unexercised(),
        "requirements": summary.requirements,
        "not_exercised": summary.not_exercised.iter().map(|(reason, requirements)| json!({
            "reason": reason,
            "requirements": requirements,
        })).collect::<Vec<_>>(),
    })
}

/// The word of a verdict in files.
fn word(verdict: Verdict) -> String {
    verdict.as_str().replace(' ', "-")
}

fn play(played: &Played) -> Value {
    let header = &played.trace.header;
    let judgement = &played.judgement;
    json!({
        "name": played.name(),
        "scenario": played.scenario,
        "title": played.title,
        "file": header.scenario.as_ref().map(|s| &s.file),
        "transport": header.transport,
        "choices": header.choices,
        "client": header.client,
        "server": header.server,
        "verdict": judgement.verdict,
        "outcome": judgement.outcome,
        "findings": judgement.findings.iter().map(|f| finding(&played.trace, f)).collect::<Vec<_>>(),
        "checks": judgement.checks,
        "matched": judgement.matched.iter().map(|(step, event)| json!({ "step": step, "event": event })).collect::<Vec<_>>(),
        // of a long capture not all are held
        "events": played.trace.events.last().map_or(0, |event| event.seq.saturating_add(1)),
        "end": played.trace.end(),
        "again": format!("mcp-interop {}", played.again),
    })
}

/// The members that a finding has itself, then where it is and what it rests on.
pub(super) fn finding(trace: &Trace, finding: &Finding) -> Value {
    let mut value = serde_json::to_value(finding).unwrap_or(Value::Null);
    let Value::Object(members) = &mut value else { return value };
    let revision = trace.header.revision;
    if let Some(requirement) = finding.requirement.as_ref().and_then(|id| Catalogue::of(revision).get(id)) {
        members.insert("level".into(), requirement.keyword().into());
        members.insert("text".into(), requirement.text.as_str().into());
        members.insert("source".into(), address(revision, &requirement.source).into());
    }
    if let (Some(script), Some(span)) = (&trace.header.scenario, &finding.span) {
        let (line, column) = Source::new(script.file.as_str(), script.text.as_str()).line_column(span.start);
        members.insert("place".into(), json!({ "file": script.file, "line": line, "column": column }));
    }
    if let Some(Body::Message { from, text, .. }) = finding.event.and_then(|seq| event(trace, seq)).map(|e| &e.body) {
        members.insert("message".into(), message(from.as_str(), text));
    }
    value
}

fn message(from: &str, text: &Text) -> Value {
    let bytes = text.bytes();
    let mut value = json!({ "from": from });
    let Value::Object(members) = &mut value else { return value };
    let whole = |end: &usize| std::str::from_utf8(bytes.get(..*end).unwrap_or_default()).is_ok();
    let end = match bytes.len() {
        long if long > MOST => (MOST - 3..=MOST).rev().find(whole).unwrap_or(MOST), // not in the middle of a character
        short => short,
    };
    match Text::of(bytes.get(..end).unwrap_or_default()) {
        Text::Plain(text) => members.insert("text".into(), text.into()),
        Text::Bytes { base64 } => members.insert("base64".into(), base64.into()),
    };
    if end < bytes.len() {
        members.insert("cut_from".into(), bytes.len().into());
    }
    value
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::report::sample;
    use crate::trace::event::{Closing, EndReason, Event, StreamId};
    use crate::trace::{Seat, Transport};
    use crate::wire::Party;
    use jsonschema::Validator;

    fn schema(text: &str) -> Validator {
        let schema: Value = serde_json::from_str(text).unwrap();
        assert!(jsonschema::meta::is_valid(&schema));
        jsonschema::options().offline().build(&schema).unwrap()
    }

    fn report_schema() -> Validator {
        schema(include_str!("../../schemas/report.schema.json"))
    }

    fn trace_schema() -> Validator {
        schema(include_str!("../../schemas/trace.schema.json"))
    }

    fn faults(schema: &Validator, value: &Value) -> Vec<String> {
        schema.iter_errors(value).map(|e| format!("{}: {e}", e.instance_path())).collect()
    }

    fn report(results: &Results) -> Value {
        let summary = sample::summary(results);
        json(results, &summary, false, crate::report::exit_code(results, &summary, false))
    }

    fn reports() -> Vec<Value> {
        let plays = vec![
            sample::well(Transport::Http),
            sample::never_asks(Transport::Stdio),
            sample::without_metadata(Transport::Http, Verdict::Fail),
            sample::dies(),
            sample::garbage(),
        ];
        let mut all: Vec<Value> = plays.into_iter().map(|p| report(&sample::results(Seat::Server, vec![p]))).collect();
        all.push(report(&sample::nothing()));
        all.push(report(&sample::troubled()));
        all
    }

    #[test]
    fn real_reports_are_as_their_schema_says() {
        let schema = report_schema();
        for report in reports() {
            assert_eq!(faults(&schema, &report), Vec::<String>::new());
        }
    }

    #[test]
    fn a_report_with_a_member_too_many_or_too_few_is_not() {
        let schema = report_schema();
        let good = report(&sample::results(Seat::Server, vec![sample::never_asks(Transport::Stdio)]));
        for (holder, member) in [
            ("", "format"),
            ("", "unkept"),
            ("/run", "seat"),
            ("/summary", "exit_code"),
            ("/plays/0", "outcome"),
            ("/plays/0/findings/0", "blame"),
            ("/plays/0/findings/0/message", "from"),
            ("/plays/0/checks/0", "exercised"),
        ] {
            let mut bad = good.clone();
            let object = bad.pointer_mut(holder).and_then(Value::as_object_mut).unwrap();
            assert!(object.remove(member).is_some(), "{holder}/{member}");
            assert!(!schema.is_valid(&bad), "without {holder}/{member}");
            let mut bad = good.clone();
            bad.pointer_mut(holder).and_then(Value::as_object_mut).unwrap().insert("suprise".into(), json!(1));
            assert!(!schema.is_valid(&bad), "with another member in {holder}");
        }
        let mut bad = good;
        bad["plays"][0]["verdict"] = "passed".into();
        assert!(!schema.is_valid(&bad));
    }

    #[test]
    fn what_a_program_reads_of_a_failure() {
        let mut value = report(&sample::results(Seat::Server, vec![sample::never_asks(Transport::Stdio)]));
        value["harness"]["version"] = "x".into();
        insta::assert_snapshot!(serde_json::to_string_pretty(&value).unwrap());
    }

    #[test]
    fn bytes_and_long_messages_are_kept_within_bounds() {
        let bytes = message("server", &Text::of(b"caf\xe9"));
        assert_eq!(bytes, json!({"from": "server", "base64": "Y2Fm6Q=="}));
        let long = message("server", &Text::of("ä".repeat(MOST).as_bytes()));
        assert_eq!((long["text"].as_str().map(str::len), &long["cut_from"]), (Some(MOST), &json!(2 * MOST)));
        let odd = message("server", &Text::of(format!("x{}", "中".repeat(MOST)).as_bytes()));
        assert_eq!(odd["text"].as_str().map(str::len), Some(1 + (MOST - 1) / 3 * 3));
    }

    fn every_event() -> Vec<Event> {
        let (server, stream) = (Party::Server, StreamId(3));
        let mut bodies = vec![
            Body::StreamClosed { stream, by: None, how: Closing::Cut("reset".into()) },
            Body::StreamClosed { stream, by: Some(server), how: Closing::Bound("too long".into()) },
            Body::Message {
                stream,
                from: server,
                text: Text::of(b"\xff"),
                event_id: Some("e".into()),
                step: Some("4.1".into()),
                breaks: vec!["tasks.id.unique".into()],
                cut_from: Some(9),
            },
            Body::Signal { stream, event_id: Some("e".into()), retry: Some(10), note: Some("n".into()) },
            Body::Signal { stream, event_id: None, retry: None, note: None },
            Body::ProcessSignalled { party: server, signal: "SIGKILL".into() },
            Body::HttpRequest {
                round_trip: 1,
                method: "POST".into(),
                target: "/mcp".into(),
                headers: Vec::new(),
                step: None,
                client: Some("another client".into()),
            },
            Body::ProcessExited { party: server, code: None, signal: Some(9), ours: true },
        ];
        for reason in [
            EndReason::Finished,
            EndReason::Deadline,
            EndReason::Gone { party: server, how: "x".into() },
            EndReason::NotStarted { how: "x".into() },
            EndReason::NotApplicable { reason: "x".into() },
            EndReason::ScenarioFault { how: "x".into() },
            EndReason::Interrupted,
        ] {
            bodies.push(Body::End { reason });
        }
        let mut events: Vec<Event> = bodies.into_iter().map(|body| Event { seq: 1, at: 2, body }).collect();
        for played in [sample::well(Transport::Http), sample::dies(), sample::garbage()] {
            events.extend(played.trace.events);
        }
        events
    }

    #[test]
    fn every_line_of_a_run_record_is_as_its_schema_says() {
        let schema = trace_schema();
        let header = serde_json::to_value(sample::well(Transport::Http).trace.header).unwrap();
        assert_eq!(faults(&schema, &header), Vec::<String>::new());
        let mut kinds = std::collections::BTreeSet::new();
        for event in every_event() {
            let line = serde_json::to_value(&event).unwrap();
            assert_eq!(faults(&schema, &line), Vec::<String>::new(), "{line}");
            assert_eq!(serde_json::from_value::<Event>(line.clone()).unwrap(), event);
            kinds.insert(line["event"].as_str().unwrap().to_owned());
            for member in ["seq", "at", "event"] {
                let mut bad = line.clone();
                bad.as_object_mut().unwrap().remove(member);
                assert!(!schema.is_valid(&bad), "without {member}: {bad}");
            }
            let mut bad = line.clone();
            bad.as_object_mut().unwrap().insert("suprise".into(), json!(1));
            assert!(!schema.is_valid(&bad), "with another member: {bad}");
        }
        let known = [
            "action",
            "end",
            "http-request",
            "http-response",
            "message",
            "process-exited",
            "process-signalled",
            "process-started",
            "saw",
            "signal",
            "stderr",
            "stream-closed",
            "stream-opened",
        ];
        assert_eq!(kinds.iter().map(String::as_str).collect::<Vec<_>>(), known);
    }
}
