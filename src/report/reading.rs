//! A trace as rows that can be drawn: one for each message, each HTTP round trip that carries none, each end of a process and
//! each thing the application did or got.

use super::facts::{facts, label};
use super::text::short;
use crate::conversation::Conversation;
use crate::trace::Trace;
use crate::trace::event::{Body, Closing, EndReason, Event, StreamId, StreamKind};
use crate::wire::json::{Limits, MAX_DEPTH};
use crate::wire::{Id, Kind, Message, Party};
use bytes::Bytes;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// How a row is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// An arrow from a party to the other.
    Arrow(Party),
    /// Several arrows in both directions, folded.
    Folded,
    /// A note at a party's side.
    Aside(Party),
}

/// One row.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// The events it stands for, in order; never empty.
    pub(crate) events: Vec<u32>,
    /// How many of them are messages.
    pub(crate) messages: usize,
    pub(crate) shape: Shape,
    /// What it says, safe to show.
    pub(crate) label: String,
    /// Which HTTP round trip carries it; empty on stdio.
    pub(crate) note: String,
    /// The session it belongs to, by its index in the conversation, where there is one.
    pub(crate) session: Option<usize>,
    /// What makes a row equal to another but for its id.
    fold: Option<Fold>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Fold {
    answers: bool,
    method: String,
    facts: String,
    id: Option<Id>,
}

impl Fold {
    fn like(&self, other: &Fold) -> bool {
        self.answers == other.answers && self.method == other.method && self.facts == other.facts
    }
}

/// The event with that number.
pub(crate) fn event(trace: &Trace, seq: u32) -> Option<&Event> {
    let at_its_place = usize::try_from(seq).ok().and_then(|i| trace.events.get(i)).filter(|e| e.seq == seq);
    at_its_place.or_else(|| trace.events.iter().find(|e| e.seq == seq))
}

/// The message of an event, if it is one.
pub(crate) fn message_of(event: &Event) -> Option<Message> {
    match &event.body {
        Body::Message { text, .. } => Some(Message::read(Bytes::from(text.bytes()), &Limits { depth: MAX_DEPTH })),
        _ => None,
    }
}

/// What is known of the HTTP round trips and streams of a trace.
#[derive(Default)]
struct Carriers {
    streams: BTreeMap<StreamId, (StreamKind, Option<u32>)>,
    verbs: BTreeMap<u32, String>,
    answers: BTreeMap<u32, String>,
    /// Round trips whose request carried a message.
    spoken: BTreeSet<u32>,
}

impl Carriers {
    fn of(trace: &Trace) -> Carriers {
        let mut carriers = Carriers::default();
        for event in &trace.events {
            match &event.body {
                Body::StreamOpened { stream, kind, round_trip, .. } => {
                    carriers.streams.insert(*stream, (*kind, *round_trip));
                }
                Body::HttpRequest { round_trip, method, .. } => {
                    carriers.verbs.insert(*round_trip, short(method, 10));
                }
                Body::HttpResponse { round_trip, status, headers, .. } => {
                    let kind = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
                    let kind = kind.map_or("", |(_, value)| value.split(';').next().unwrap_or("").trim());
                    let said = match kind {
                        "text/event-stream" => format!("{status} stream"),
                        "application/json" => format!("{status} json"),
                        _ => status.to_string(),
                    };
                    carriers.answers.insert(*round_trip, said);
                }
                Body::Message { stream, .. } => {
                    if let Some((StreamKind::Post, Some(round_trip))) = carriers.streams.get(stream) {
                        carriers.spoken.insert(*round_trip);
                    }
                }
                _ => {}
            }
        }
        carriers
    }

    fn asked(&self, round_trip: u32) -> String {
        let verb = self.verbs.get(&round_trip).map_or("HTTP", String::as_str);
        match self.answers.get(&round_trip) {
            Some(answer) => format!("{verb} {round_trip} → {answer}"),
            None => format!("{verb} {round_trip}"),
        }
    }

    fn note(&self, stream: StreamId) -> String {
        match self.streams.get(&stream) {
            Some((StreamKind::Post, Some(round_trip))) => self.asked(*round_trip),
            Some((StreamKind::PostAnswer, Some(round_trip))) => format!("on POST {round_trip}"),
            Some((StreamKind::Get, Some(round_trip))) => format!("on GET {round_trip}"),
            _ => String::new(),
        }
    }

    fn stream_name(&self, stream: StreamId) -> String {
        match self.streams.get(&stream) {
            Some((StreamKind::Stdin, _)) => "standard input".into(),
            Some((StreamKind::Stdout, _)) => "standard output".into(),
            Some((StreamKind::Post, Some(n))) => format!("the body of POST {n}"),
            Some((StreamKind::PostAnswer, Some(n))) => format!("the answer to POST {n}"),
            Some((StreamKind::Get, Some(n))) => format!("the stream of GET {n}"),
            _ => format!("stream {}", stream.0),
        }
    }
}

/// The rows of a trace, the handshake and runs of equal polls folded, but for the events in `marked`.
pub(crate) fn rows(trace: &Trace, marked: &BTreeSet<u32>) -> Vec<Row> {
    let carriers = Carriers::of(trace);
    // which request an answer belongs to: ids are each session's own
    let conversation = Conversation::of(&trace.header, &trace.events);
    let asked: BTreeMap<u32, &str> = conversation
        .said
        .iter()
        .filter(|said| said.answers.is_some())
        .filter_map(|said| Some((said.event, said.method.as_deref()?)))
        .collect();
    let sessions = Sessions::of(&conversation);
    let mut rows = Vec::new();
    let mut ended = false;
    for event in &trace.events {
        let is_marked = marked.contains(&event.seq);
        // how the parties left is told only where it matters
        if ended && !is_marked {
            continue;
        }
        ended |= matches!(event.body, Body::End { .. });
        let session = sessions.of_event(event, &conversation);
        let row = |shape, label: String, note| {
            let label = sessions.named(session, label);
            Row { events: vec![event.seq], messages: 0, shape, label, note, session, fold: None }
        };
        match &event.body {
            Body::Message { stream, from, cut_from, .. } => {
                let Some(message) = message_of(event) else { continue };
                let answered = asked.get(&event.seq).filter(|_| message.is_answer()).map(|method| (*method).to_owned());
                let mut said = label(&message, answered.as_deref());
                if let Some(whole) = cut_from {
                    said.push_str(&format!("  (the beginning of {whole} bytes)"));
                }
                let method = message.method().map(str::to_owned).or(answered);
                let fold = method.filter(|_| !is_marked && !matches!(message.kind(), Kind::Error { .. }));
                let fold = fold.map(|method| Fold {
                    answers: message.is_answer(),
                    method,
                    facts: facts(&message),
                    id: message.id().cloned(),
                });
                rows.push(Row { messages: 1, fold, ..row(Shape::Arrow(*from), said, carriers.note(*stream)) });
            }
            other => {
                if let Some((shape, label, note)) = other_row(other, &carriers, is_marked) {
                    rows.push(row(shape, label, note));
                }
            }
        }
    }
    fold_polls(fold_handshakes(rows, trace, &sessions), &sessions)
}

/// Which session what belongs to, where there are several.
struct Sessions {
    several: bool,
    /// By the event of a message.
    of: BTreeMap<u32, usize>,
}

impl Sessions {
    fn of(conversation: &Conversation) -> Sessions {
        let of: BTreeMap<u32, usize> = conversation.said.iter().map(|said| (said.event, said.session)).collect();
        let several = of.values().any(|session| Some(session) != of.values().next());
        Sessions { several, of }
    }

    fn of_event(&self, event: &Event, conversation: &Conversation) -> Option<usize> {
        let of_trip = |n: &u32| conversation.round_trips.get(n).and_then(|trip| trip.session);
        match &event.body {
            Body::Message { .. } => self.of.get(&event.seq).copied(),
            Body::HttpRequest { round_trip, .. } | Body::HttpResponse { round_trip, .. } => of_trip(round_trip),
            Body::StreamClosed { stream, .. } => {
                conversation.streams.get(stream).and_then(|stream| stream.round_trip.as_ref()).and_then(of_trip)
            }
            _ => None,
        }
    }

    /// The label with the number of its session before it, from 1, where there are several.
    fn named(&self, session: Option<usize>, label: String) -> String {
        match session {
            Some(session) if self.several => format!("({}) {label}", session + 1),
            _ => label,
        }
    }
}

fn other_row(body: &Body, carriers: &Carriers, is_marked: bool) -> Option<(Shape, String, String)> {
    let aside = |party, label: String| Some((Shape::Aside(party), label, String::new()));
    match body {
        Body::HttpRequest { round_trip, method, target, .. } => {
            if carriers.spoken.contains(round_trip) && !is_marked {
                return None;
            }
            let label = format!("{} {}", short(method, 10), short(target, 40));
            Some((Shape::Arrow(Party::Client), label, carriers.asked(*round_trip)))
        }
        Body::HttpResponse { round_trip, status, body, .. } => {
            if *status < 400 && body.is_none() && !is_marked {
                return None;
            }
            let mut label = format!("HTTP {status}");
            if let Some(body) = body {
                label.push_str(&format!("  \"{}\"", short(&String::from_utf8_lossy(&body.bytes()), 60)));
            }
            let verb = carriers.verbs.get(round_trip).map_or("HTTP", String::as_str);
            Some((Shape::Arrow(Party::Server), label, format!("on {verb} {round_trip}")))
        }
        Body::ProcessStarted { party, command } => aside(*party, format!("{party} started: {}", short(command, 60))),
        Body::ProcessSignalled { party, signal } if is_marked => aside(*party, format!("{signal} to the {party}")),
        Body::ProcessExited { party, ours, .. } if !ours || is_marked => aside(*party, exit(body).unwrap_or_default()),
        Body::Action { label, what, .. } => {
            aside(Party::Client, format!("application: {} ({})", short(what, 60), short(label, 24)))
        }
        Body::Saw { label, value } => {
            aside(Party::Client, format!("application got {}: {}", short(label, 24), seen(value)))
        }
        Body::StreamClosed { stream, by, how } => {
            let what = carriers.stream_name(*stream);
            let party = by.unwrap_or(Party::Server);
            match how {
                Closing::Cut(why) => aside(party, format!("{what} was cut: {}", short(why, 60))),
                Closing::Bound(why) => aside(party, format!("{what} was given up: {}", short(why, 60))),
                Closing::Clean if is_marked => aside(party, format!("{what} was closed")),
                Closing::Clean => None,
            }
        }
        Body::End { reason } => end_words(reason).and_then(|words| aside(Party::Client, words)),
        _ => None,
    }
}

/// How a process ended, in words.
pub(crate) fn exit(body: &Body) -> Option<String> {
    let Body::ProcessExited { party, code, signal, ours } = body else { return None };
    let how = match (code, signal) {
        (Some(code), _) => format!("exited with code {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".into(),
    };
    Some(format!("{party} {how}{}", if *ours { ", asked to by the harness" } else { "" }))
}

/// What an application got, in words.
fn seen(value: &Value) -> String {
    if let Some(result) = value.get("result") {
        let text = result.pointer("/content/0/text").and_then(Value::as_str);
        let failed = if result.get("isError") == Some(&Value::Bool(true)) { "an error result" } else { "a result" };
        return text.map_or_else(|| failed.to_owned(), |text| format!("{failed}, \"{}\"", short(text, 40)));
    }
    if let Some(error) = value.get("error") {
        let code = error.get("code").map(Value::to_string).unwrap_or_default();
        let text = error.get("message").and_then(Value::as_str).unwrap_or_default();
        return format!("error {} \"{}\"", short(&code, 14), short(text, 40));
    }
    match value.get("failure").and_then(Value::as_str) {
        Some(failure) => format!("a failure, \"{}\"", short(failure, 40)),
        None => short(&value.to_string(), 40),
    }
}

/// Why a play ended, in words; nothing where it ended as it should.
pub(crate) fn end_words(reason: &EndReason) -> Option<String> {
    Some(match reason {
        EndReason::Finished => return None,
        EndReason::Deadline => "the deadline passed".into(),
        EndReason::Gone { party, how } => format!("the {party} was gone: {}", short(how, 80)),
        EndReason::NotStarted { how } => format!("nothing was played: {}", short(how, 80)),
        EndReason::NotApplicable { reason } => format!("not applicable: {}", short(reason, 80)),
        EndReason::ScenarioFault { how } => format!("the scenario could not go on: {}", short(how, 80)),
        EndReason::Interrupted => "interrupted".into(),
    })
}

/// One row for `initialize`, its result and the notification that follows, if nothing is wrong with them.
fn fold_handshakes(rows: Vec<Row>, trace: &Trace, sessions: &Sessions) -> Vec<Row> {
    let is = |row: &Row, method: &str, answers: bool| {
        row.fold.as_ref().is_some_and(|f| f.method == method && f.answers == answers)
    };
    let value = |row: &Row| {
        let event = row.events.first().and_then(|seq| event(trace, *seq));
        event.and_then(message_of).map(|m| m.value().clone()).unwrap_or(Value::Null)
    };
    let text = |v: &Value, pointer: &str| short(v.pointer(pointer).and_then(Value::as_str).unwrap_or("?"), 24);
    let mut out = Vec::with_capacity(rows.len());
    let mut rest = rows.as_slice();
    while let Some(row) = rest.first() {
        let whole = match rest {
            [asked, answer, then, ..] => {
                is(asked, "initialize", false)
                    && is(answer, "initialize", true)
                    && is(then, "notifications/initialized", false)
                    && [answer, then].iter().all(|row| row.session == asked.session)
            }
            _ => false,
        };
        let Some((these @ [asked, answer, _], after)) = rest.split_at_checked(3).filter(|_| whole) else {
            out.push(row.clone());
            rest = rest.get(1..).unwrap_or_default();
            continue;
        };
        let (request, result) = (value(asked), value(answer));
        let label = format!(
            "handshake  {}, client {} {}, server {} {}",
            text(&result, "/result/protocolVersion"),
            text(&request, "/params/clientInfo/name"),
            text(&request, "/params/clientInfo/version"),
            text(&result, "/result/serverInfo/name"),
            text(&result, "/result/serverInfo/version"),
        );
        out.push(merged(these, sessions.named(row.session, label)));
        rest = after;
    }
    out
}

fn merged(rows: &[Row], label: String) -> Row {
    Row {
        events: rows.iter().flat_map(|r| r.events.iter().copied()).collect(),
        messages: rows.iter().map(|r| r.messages).sum(),
        shape: Shape::Folded,
        label,
        note: String::new(),
        session: rows.first().and_then(|row| row.session),
        fold: None,
    }
}

/// One row for a run of equal requests with equal results, or of equal notifications.
fn fold_polls(rows: Vec<Row>, sessions: &Sessions) -> Vec<Row> {
    let mut out = Vec::with_capacity(rows.len());
    let mut rest = rows.as_slice();
    while let Some(row) = rest.first() {
        let pairs = run(rest, 2, |request, unit| {
            matches!(unit, [a, b] if is_pair(a, b)
            && matches!(request, [x, y] if like(x, a) && like(y, b)))
        });
        let alone = run(rest, 1, |first, unit| matches!((first, unit), ([x], [a]) if is_notification(a) && like(x, a)));
        let (take, units) = if pairs > 1 { (pairs * 2, pairs) } else { (alone, alone) };
        let Some((these, after)) = rest.split_at_checked(take).filter(|_| units > 1) else {
            out.push(row.clone());
            rest = rest.get(1..).unwrap_or_default();
            continue;
        };
        let fold = row.fold.as_ref();
        let method = short(fold.map_or("", |f| &f.method), 40);
        let said = if pairs > 1 { these.get(1).and_then(|r| r.fold.as_ref()) } else { fold };
        let label = format!("{method}  {units} × {}", said.map_or("", |f| &f.facts));
        let label = sessions.named(row.session, label.trim_end_matches([' ', '×']).to_owned());
        let mut folded = merged(these, label);
        if pairs <= 1 {
            folded.shape = row.shape;
        }
        out.push(folded);
        rest = after;
    }
    out
}

/// How many units of so many rows at the beginning are alike.
fn run(rows: &[Row], unit: usize, alike: impl Fn(&[Row], &[Row]) -> bool) -> usize {
    let Some(first) = rows.get(..unit) else { return 0 };
    rows.chunks_exact(unit).take_while(|chunk| alike(first, chunk)).count()
}

fn like(a: &Row, b: &Row) -> bool {
    a.shape == b.shape && a.session == b.session && matches!((&a.fold, &b.fold), (Some(x), Some(y)) if x.like(y))
}

fn is_pair(request: &Row, answer: &Row) -> bool {
    match (&request.fold, &answer.fold) {
        (Some(r), Some(a)) => !r.answers && a.answers && r.id.is_some() && r.id == a.id && r.method == a.method,
        _ => false,
    }
}

fn is_notification(row: &Row) -> bool {
    row.fold.as_ref().is_some_and(|f| !f.answers && f.id.is_none())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::conversation::sample::Sample;
    use crate::trace::{Seat, Transport};
    use serde_json::json;

    /// Two clients count the ids of their requests alike; an answer has the name of what its own client asked.
    #[test]
    fn an_answer_is_named_by_its_own_session() {
        let mut t = Sample::new(Seat::Observer, Transport::Http);
        t.handshake(json!({}), json!({"tools": {}, "prompts": {}}));
        t.client(json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}));
        let first = t.last_trip();
        t.forget();
        t.handshake(json!({}), json!({"tools": {}, "prompts": {}}));
        t.client(json!({"jsonrpc": "2.0", "id": 1, "method": "prompts/list"}));
        t.server(json!({"jsonrpc": "2.0", "id": 1, "result": {"prompts": []}}));
        let stream = t.respond_to(first, 200, "application/json", None);
        t.on(stream, json!({"jsonrpc": "2.0", "id": 1, "result": {"tools": []}}));
        t.close(stream);
        let trace = t.done();
        let labels: Vec<String> = rows(&trace, &BTreeSet::new()).into_iter().map(|r| r.label).collect();
        let answers: Vec<&String> =
            labels.iter().rev().filter(|l| l.contains("result") || l.contains("/list")).collect();
        let last = answers.first().unwrap();
        let before = answers.get(1).unwrap();
        assert!(last.contains("tools/list") && before.contains("prompts/list"), "{labels:#?}");
    }
}
