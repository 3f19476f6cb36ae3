//! The base protocol: ids, answers, errors, notifications.

use crate::conversation::{Said, Sort};
use crate::judge::evidence::Shown;
use crate::judge::monitor::{Monitor, Notes, Scene};
use crate::judge::monitors::transport::streams::{awaits_return, broadcast};
use crate::spec::methods;
use crate::trace::Closing;
use crate::wire::json::LintKind;
use crate::wire::{Id, Kind, Party};
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// What silence breaks: every request is answered.
pub const ANSWERED: &str = "base.request.answered";

/// A longer error message is no concise sentence.
const CONCISE: usize = 500;

/// A request is overdue when a deadline passes this long after it, in microseconds.
const OVERDUE: u64 = 1_000_000;

/// The rules of single messages.
#[derive(Debug, Default)]
pub struct Envelope {
    ids: HashMap<(usize, Party), HashSet<Id>>,
}

impl Monitor for Envelope {
    fn requirements(&self) -> &'static [&'static str] {
        &[
            "base.error.invalid-params",
            "base.error.message-concise",
            "base.error.method-not-found",
            "base.error.parse-error",
            "base.error.same-id",
            "base.notification.no-id",
            "base.notification.no-response",
            "base.request.id-unique",
            "base.result.same-id",
        ]
    }

    fn said(&mut self, scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
        match said.message.kind() {
            Kind::Request { id, method } => {
                if method.starts_with("notifications/") {
                    let id = "base.notification.no-id";
                    notes.broken(id, index, "/id", "no `id` in a notification", "one");
                }
                let again = said.redelivers.is_some() || broadcast(scene.c, index).is_some();
                if !again && !matches!(id, Id::Odd(_)) {
                    self.unique(scene, index, said, id, notes);
                }
            }
            Kind::Notification { .. } => {
                notes.held("base.notification.no-id", index);
                accepted(scene, index, said, notes);
            }
            Kind::Result { .. } | Kind::Error { .. } => {
                echoes(scene, index, said, notes);
                if said.is_error() {
                    error(scene, index, said, notes);
                }
            }
            Kind::Unreadable(_) => refused_bytes(scene, index, said, notes),
            Kind::Batch | Kind::Malformed(_) => {}
        }
    }
}

impl Envelope {
    fn unique(&mut self, scene: &Scene<'_>, index: usize, said: &Said, id: &Id, notes: &mut Notes<'_>) {
        let used = self.ids.entry((said.session, said.from)).or_default();
        let (past, scope) = (&scene.c.past, scene.c.scope(said.session, said.from));
        let others = !used.is_empty() || past.any(Sort::Request, scope, said.event);
        if !used.insert(id.clone()) || past.has(Sort::Request, scope, id) {
            let expected = "an id that this party has not used in the session";
            notes.broken("base.request.id-unique", index, "/id", expected, format!("{id} again"));
        } else if others {
            notes.held("base.request.id-unique", index);
        }
    }
}

/// Over HTTP it shows at once that a notification was not answered.
fn accepted(scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
    if said.part.is_none() && scene.c.status_of(said).is_some_and(|s| (200..300).contains(&s)) {
        let answered =
            scene.c.iter().any(|(i, s)| i > index && s.round_trip == said.round_trip && s.message.is_answer());
        if !answered {
            notes.of_receiver("base.notification.no-response", index, Shown::Held);
        }
    }
}

/// Over HTTP a status says well enough that bytes could not be read.
fn refused_bytes(scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
    let refused = said.from == Party::Client && scene.c.status_of(said).is_some_and(|s| s >= 400);
    if refused && said.missed_by.is_empty() && said.answered_by.is_empty() {
        notes.of_receiver("base.error.parse-error", index, Shown::Held);
    }
}

/// An answer has the id of its request.
fn echoes(scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
    let id = if said.is_error() { "base.error.same-id" } else { "base.result.same-id" };
    if said.answers.is_some() {
        notes.held(id, index);
        return;
    }
    // what it answers may be held no more
    if said.message.id().is_some_and(|id| scene.c.past.may(Sort::Request, scene.c.scope(said.session, said.to()), id)) {
        return;
    }
    let trip = |s: &&Said| said.round_trip.is_some() && s.round_trip == said.round_trip && s.from == said.to();
    let posted = scene.c.said.iter().find(trip);
    if posted.is_some_and(|p| matches!(p.message.kind(), Kind::Notification { .. })) && said.is_result() {
        let expected = "no answer to a notification";
        notes.broken("base.notification.no-response", index, "", expected, "an answer");
        return;
    }
    let meant = said.meant_for.and_then(|m| scene.c.get(m));
    let here = |m: &&Said| m.round_trip.is_some() && m.round_trip == said.round_trip;
    let unread = meant.filter(here).filter(|m| matches!(m.message.kind(), Kind::Unreadable(_)));
    if let (Some(m), Some(given)) = (unread, said.message.id())
        && !matches!(given, Id::Odd(_))
        && !String::from_utf8_lossy(m.message.raw()).contains(&given.to_string())
    {
        let expected = "no id, or null: none could be read of what it answers";
        notes.broken(id, index, "/id", expected, given.to_string());
        return;
    }
    // what was malformed on purpose may be answered with whatever id could be read of it, or with none
    let provoked = |(i, s): (usize, &Said)| {
        s.session == said.session && s.from == said.to() && scene.deliberate(s) && (!scene.valid(i) || doubled(s))
    };
    if scene.c.iter().take(index).any(provoked) {
        return;
    }
    let refused = scene.c.status_of(said).is_some_and(|s| s >= 400) && said.from == Party::Server;
    match (said.message.id(), meant) {
        // what could not be read has no id; `null` in its place is for the schema check
        (None, Some(m)) if said.is_error() && (!m.is_request() || refused) => {}
        (None, _) if said.message.value().get("id").is_some() && said.is_error() => {}
        (None, None) if said.is_error() => {}
        (given, Some(m)) => {
            let asked = m.message.id().map_or_else(|| "none".to_owned(), ToString::to_string);
            let found = given.map_or_else(|| "none".to_owned(), ToString::to_string);
            notes.broken(id, index, "/id", format!("the id of the request, {asked}"), found);
        }
        (Some(given), None) => {
            // what was asked before the record began may be answered in it
            if scene.c.session_of(said).is_some_and(|s| s.initialize.is_some()) {
                notes.broken(id, index, "/id", "the id of a request", format!("{given}, which no request has"));
            }
        }
        (None, None) => {
            notes.broken(id, index, "", "the id of a request", "none");
        }
    }
}

/// Does a name occur twice in it? The schemas cannot see that.
fn doubled(said: &Said) -> bool {
    said.message.lints().iter().any(|l| l.kind == LintKind::DuplicateKey)
}

fn error(scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
    if let Some(message) = said.message.error().get("message").and_then(Value::as_str) {
        let long = message.chars().count();
        let concise = long <= CONCISE && !message.trim().contains('\n');
        let found = format!("{long} characters in {} lines", message.lines().count());
        notes.either(concise, "base.error.message-concise", index, "/error/message", "one concise sentence", found);
    }
    let Some(code) = said.error_code() else { return };
    let found = format!("the error {code}");
    let pointer = "/error/code";
    let Some(meant) = said.answers.or(said.meant_for) else { return };
    let Some(request) = scene.c.get(meant) else { return };
    let ours = scene.header.seat.ours() == Some(request.from) || scene.deliberate(request);
    match request.message.kind() {
        // how deep a reader goes is its own affair, and so is the error with which it stops
        Kind::Unreadable(why) if code == -32700 || !why.is_depth() => {
            let id = "base.error.parse-error";
            notes.either(code == -32700, id, index, pointer, "the error -32700: that was no JSON", found);
        }
        // a method unknown to us may be known to the two of them
        Kind::Request { method, .. } if methods::revisions_of(method).is_empty() && (code == -32601 || ours) => {
            let id = "base.error.method-not-found";
            notes.either(code == -32601, id, index, pointer, "the error -32601: no such method", found);
        }
        Kind::Request { .. } => {
            // a text that only lacks a format may be refused for what it means: no such resource, for one
            let bad = |v: &crate::spec::Violation| v.instance_pointer.starts_with("/params") && v.keyword != "format";
            let invalid = scene.violations.get(meant).is_some_and(|v| v.iter().any(bad));
            if invalid && scene.deliberate(request) {
                let id = "base.error.invalid-params";
                notes.either(code == -32602, id, index, pointer, "the error -32602: the parameters are invalid", found);
            }
        }
        _ => {}
    }
}

/// Every request is answered, once.
#[derive(Debug, Default)]
pub struct Answered;

impl Monitor for Answered {
    fn requirements(&self) -> &'static [&'static str] {
        &[ANSWERED]
    }

    fn said(&mut self, scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
        let id = ANSWERED;
        let answered = |id: &Id| scene.c.past.has(Sort::Answered, scene.c.scope(said.session, said.to()), id);
        if said.message.is_answer() && said.answers.is_none() && said.message.id().is_some_and(answered) {
            notes.broken(id, index, "", "one answer to a request", "a second one");
        }
        let (Some(asked), Some(request)) = (said.answers, scene.c.request_of(said)) else { return };
        if said.redelivers.is_none() {
            let before = request.answered_by.iter().take_while(|a| **a != index).count();
            // a request that came again may be answered again
            let first_of = |i: usize, s: &Said| s.redelivers.or_else(|| broadcast(scene.c, i));
            let owed = before == 0 || {
                let same_id = |s: &Said| s.is_request() && s.message.id() == request.message.id();
                let first = first_of(asked, request).unwrap_or(asked);
                let again = |(i, s): &(usize, &Said)| {
                    *i < index && s.from == request.from && same_id(s) && first_of(*i, s) == Some(first)
                };
                before <= scene.c.iter().filter(again).count()
            };
            notes.either(owed, id, index, "", "one answer to a request", "a second one");
        }
    }

    fn end(&mut self, scene: &Scene<'_>, notes: &mut Notes<'_>) {
        let cancelled: HashSet<(usize, Party, Id)> = scene
            .c
            .said
            .iter()
            .filter(|s| s.notifies("notifications/cancelled"))
            .filter_map(|s| Some((s.session, s.from, Id::of(s.message.params().get("requestId")?))))
            .collect();
        // the last message of each party in each session that surely came after something of the other was received
        for (index, said) in scene.c.iter() {
            let Kind::Request { id, method } = said.message.kind() else { continue };
            let excused = matches!(id, Id::Odd(_))
                || scene.deliberate(said)
                || !said.answered_by.is_empty()
                || !said.missed_by.is_empty()
                || said.redelivers.is_some()
                || said.cut
                || method.starts_with("notifications/")
                || cancelled.contains(&(said.session, said.from, id.clone()))
                || refused(scene, said)
                || awaits_return(scene.c, said)
                || broadcast(scene.c, index).is_some()
                || scene.c.may_be_lost(said)
                || waits(scene, said)
                || garbled(scene, index, said)
                || !had_the_chance(scene, said);
            if !excused {
                let verdict = Shown::Broken {
                    expected: format!("an answer to `{method}`"),
                    found: "none to the end of the trace".into(),
                    pointer: String::new(),
                };
                notes.of_receiver(ANSWERED, index, verdict).presumed();
            }
        }
    }
}

/// Was it refused below JSON-RPC, or was the stream of its answer lost?
fn refused(scene: &Scene<'_>, said: &Said) -> bool {
    let status = said.from == Party::Client && scene.c.status_of(said).is_some_and(|s| s >= 400);
    let lost = |s: &crate::conversation::Stream| {
        s.writer == said.to()
            && s.round_trip == said.round_trip
            && s.closed.as_ref().is_some_and(|(_, how)| *how != Closing::Clean)
    };
    status || said.round_trip.is_some() && scene.c.streams.values().any(lost)
}

/// Is it a `tasks/result` that rightly waits for the end of its task?
fn waits(scene: &Scene<'_>, said: &Said) -> bool {
    said.requests("tasks/result") && scene.c.task_of(said).is_some_and(|t| !t.sightings.iter().any(|s| s.is_terminal()))
}

/// Did the other party say something afterwards that cannot be read, and that may have been the answer?
fn garbled(scene: &Scene<'_>, index: usize, said: &Said) -> bool {
    scene.c.said.iter().skip(index).any(|s| {
        s.session == said.session
            && s.from == said.to()
            && (s.cut || matches!(s.message.kind(), Kind::Unreadable(_) | Kind::Malformed(_) | Kind::Batch))
    })
}

/// Did the receiver have time: a deadline passed, or it sent a whole response without an answer? That it answered something
/// else shows nothing: requests may be answered in any order.
fn had_the_chance(scene: &Scene<'_>, said: &Said) -> bool {
    let responded = said.from == Party::Client
        && said.round_trip.and_then(|r| scene.c.round_trips.get(&r)).is_some_and(|trip| {
            trip.content_type.as_deref() == Some("application/json") && trip.status.is_some_and(|s| s < 300)
        })
        && scene.c.streams.values().any(|s| {
            s.writer == said.to() && s.round_trip == said.round_trip && matches!(s.closed, Some((_, Closing::Clean)))
        });
    if responded {
        return true;
    }
    // what was asked just before a deadline that was another's is not overdue
    scene.waited() && said.at + OVERDUE <= scene.c.ended_at
}
