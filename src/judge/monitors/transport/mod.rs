//! The transports: stdio, and Streamable HTTP with its sessions, streams and resumption.

mod answers;
mod lines;
mod requests;
mod resumption;
mod sessions;
pub mod streams;
mod web;

use crate::judge::evidence::Shown;
use crate::judge::monitor::{Monitor, Notes, Scene};
use crate::spec::{Catalogue, Level};
use crate::trace::{StreamKind, Transport};
use crate::wire::Party;
use std::collections::BTreeSet;
use web::{Entry, Web};

/// A fresh monitor of each kind.
#[must_use]
pub fn all() -> Vec<Box<dyn Monitor>> {
    vec![Box::new(lines::Lines::default()), Box::new(StreamableHttp), Box::new(AnyStream)]
}

/// The rules of Streamable HTTP.
#[derive(Debug, Default)]
pub struct StreamableHttp;

/// What breaks only in the traffic of tasks is said of it.
const OF_TASKS: &str = "tasks.http.transport-rules-hold";

impl Monitor for StreamableHttp {
    fn requirements(&self) -> &'static [&'static str] {
        &[
            OF_TASKS,
            "transport.event-id.unique",
            "transport.get.accept",
            "transport.get.messages-unrelated",
            "transport.get.no-responses",
            "transport.get.retry-before-close",
            "transport.get.sse-or-405",
            "transport.http.accepted-202",
            "transport.http.post-accept",
            "transport.http.post-per-message",
            "transport.http.post-single-message",
            "transport.http.request-content-type",
            "transport.http.single-endpoint",
            "transport.http.unaccepted-error-status",
            "transport.http.valid-origin-accepted",
            "transport.resume.client-last-event-id",
            "transport.resume.get-for-any-origin",
            "transport.resume.no-cross-stream",
            "transport.resume.only-what-follows",
            "transport.session.client-deletes",
            "transport.session.client-reinitializes",
            "transport.session.client-sends-id",
            "transport.session.delete-accepted-or-405",
            "transport.session.id-unguessable",
            "transport.session.id-visible-ascii",
            "transport.session.initialize-without-id",
            "transport.session.missing-id-400",
            "transport.session.terminated-404",
            "transport.session.unknown-id-404",
            "transport.sse.client-polls-after-close",
            "transport.sse.client-respects-retry",
            "transport.sse.eventual-response",
            "transport.sse.messages-relate",
            "transport.sse.prime-event",
            "transport.sse.retry-before-close",
            "transport.sse.terminate-after-response",
            "transport.streams.concurrent-posts",
            "transport.streams.no-broadcast",
            "transport.version-header.client-negotiated",
            "transport.version-header.client-sends",
            "transport.version-header.server-400",
        ]
    }

    fn needs(&self) -> &'static [&'static str] {
        &["message", "signal", "http-request", "http-response", "stream-opened", "stream-closed"]
    }

    fn end(&mut self, scene: &Scene<'_>, notes: &mut Notes<'_>) {
        if scene.header.transport != Transport::Http {
            return;
        }
        let mut web = Web::new(scene);
        requests::judge(&mut web);
        answers::judge(&mut web);
        sessions::judge(&mut web);
        streams::judge(&mut web);
        resumption::judge(&mut web);
        let mut entries = std::mem::take(&mut web.entries);
        of_tasks(&web, &mut entries);
        for entry in entries {
            let evidence = notes.at(entry.requirement, entry.event, entry.party, entry.revision, entry.verdict);
            if entry.presumed {
                evidence.presumed();
            }
        }
    }
}

/// Is that round trip one of a task: an augmented request, or a request about a task?
fn is_of_task(web: &Web<'_>, trip: Option<u32>) -> bool {
    let posted = trip.and_then(|t| web.posted(t)).filter(|(_, s)| s.is_request());
    posted.is_some_and(|(_, s)| s.augmented || s.message.method().is_some_and(|m| m.starts_with("tasks/")))
}

/// A party that keeps a rule everywhere but in the traffic of tasks breaks the rule that they are no exception; and one whose
/// round trip of a task was judged and broke nothing keeps it.
fn of_tasks(web: &Web<'_>, entries: &mut Vec<Entry>) {
    let must = |e: &Entry| {
        Catalogue::of(e.revision).get(e.requirement).is_some_and(|r| r.level == Level::Must)
            && e.requirement.starts_with("transport.")
    };
    let broken = |e: &Entry| matches!(e.verdict, Shown::Broken { .. });
    let mut elsewhere: BTreeSet<(&str, Party, bool)> = BTreeSet::new();
    for entry in entries.iter().filter(|e| must(e) && !is_of_task(web, e.trip)) {
        elsewhere.insert((entry.requirement, entry.party, broken(entry)));
    }
    let (mut held, mut failed) = (BTreeSet::new(), BTreeSet::new());
    let mut more = Vec::new();
    for entry in entries.iter_mut().filter(|e| must(e) && is_of_task(web, e.trip)) {
        let of = |broken| elsewhere.contains(&(entry.requirement, entry.party, broken));
        match &mut entry.verdict {
            Shown::Broken { expected, .. } => {
                failed.insert((entry.trip, entry.party));
                if of(false) && !of(true) {
                    *expected = format!("{expected} ({}), as elsewhere", entry.requirement);
                    entry.requirement = OF_TASKS;
                }
            }
            Shown::Held => {
                if held.insert((entry.trip, entry.party)) {
                    more.push(Entry { requirement: OF_TASKS, ..entry.clone() });
                }
            }
        }
    }
    more.retain(|e| !failed.contains(&(e.trip, e.party)));
    entries.extend(more);
}

/// Messages about tasks may come on any stream.
#[derive(Debug, Default)]
pub struct AnyStream;

impl Monitor for AnyStream {
    fn requirements(&self) -> &'static [&'static str] {
        &["tasks.http.messages-on-any-stream"]
    }

    fn needs(&self) -> &'static [&'static str] {
        &["message", "stream-opened"]
    }

    fn end(&mut self, scene: &Scene<'_>, notes: &mut Notes<'_>) {
        for (index, said) in scene.c.iter().filter(|(_, s)| s.from == Party::Client && s.message.is_answer()) {
            let Some(question) = scene.c.request_of(said) else { continue };
            let listening = scene.c.streams.get(&question.stream).is_some_and(|s| s.kind == StreamKind::Get);
            if question.related_task_id().is_some() && listening {
                // an answer that the question does not suit is another matter than that there is none such
                let well = said.error_code() != Some(-32601);
                let id = "tasks.http.messages-on-any-stream";
                let expected = "an answer, on whatever stream the question came";
                notes.either(well, id, index, "/error", expected, "the error -32601: no such method");
            }
        }
    }
}
