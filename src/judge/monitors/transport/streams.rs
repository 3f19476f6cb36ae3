//! Event streams: what comes on which, how they begin, and how they end.

use super::web::{Web, ended_by_server, name};
use crate::conversation::{Conversation, RoundTrip, Said, Sort, Stream};
use crate::spec::Revision;
use crate::trace::{StreamId, StreamKind, Transport};
use crate::wire::{Id, Kind, Party};
use std::collections::{BTreeMap, HashMap};

/// A stream on which all was answered is ended within this time, in microseconds.
const PROMPT: u64 = 3_000_000;
/// The same notification on two streams within this time is one, in microseconds.
const AT_ONCE: u64 = 100_000;

/// Judges event streams.
pub(super) fn judge(web: &mut Web<'_>) {
    for (id, stream, trip) in web.event_streams().collect::<Vec<_>>() {
        let Some(number) = stream.round_trip else { continue };
        let one = One { id, stream, trip, number };
        primed(web, &one);
        for item in &stream.items {
            let Some((index, said)) = item.said.and_then(|i| Some((i, web.c.get(i)?))) else { continue };
            if said.redelivers.is_none() {
                placed(web, &one, index, said);
            }
        }
        left_open(web, &one);
        ended(web, &one);
    }
    misplaced(web);
    broadcasts(web);
    event_ids(web);
}

struct One<'a> {
    id: StreamId,
    stream: &'a Stream,
    trip: &'a RoundTrip,
    number: u32,
}

/// Who gives its events ids begins a stream with one that carries nothing else.
fn primed(web: &mut Web<'_>, one: &One<'_>) {
    let before = |s| web.c.past.any(Sort::Event, web.c.scope(s, Party::Server), one.stream.opened);
    let uses_ids = one.trip.session.is_some_and(before)
        || web
            .event_streams()
            .any(|(_, s, t)| t.session == one.trip.session && s.items.iter().any(|i| i.event_id.is_some()));
    // while `initialize` is not answered, no more is known of the client than the version that it asked for
    let asked = web.session(one.trip).and_then(|s| Revision::parse(s.requested.as_deref()?));
    let early = web.initializes(one.number) && asked.is_none_or(|r| r < Revision::V2025_11_25);
    if one.stream.kind != StreamKind::PostAnswer || !uses_ids || early {
        return;
    }
    let Some(first) = one.stream.items.iter().find(|i| i.said.is_some() || i.event_id.is_some()) else { return };
    let well = first.said.is_none() && first.event_id.as_deref().is_some_and(|id| !id.is_empty());
    let found = match &first.event_id {
        Some(_) => "a message at once",
        None => "a message at once, without an id",
    };
    let expected = "an event with an id and empty data first";
    web.either(well, "transport.sse.prime-event", Party::Server, first.event, one.number, expected, found);
}

/// A message on the stream where it belongs.
fn placed(web: &mut Web<'_>, one: &One<'_>, index: usize, said: &Said) {
    let (event, number) = (said.event, one.number);
    let exempt = said.related_task().is_some() || said.notifies("notifications/tasks/status");
    let announces = matches!(said.message.kind(), Kind::Notification { method } if is_announcement(method));
    let listening = one.stream.kind == StreamKind::Get && web.resumes(one.trip).is_none();
    if said.message.is_answer() {
        answered(web, one, said);
    } else if listening {
        web.held("transport.get.no-responses", Party::Server, event, number);
        let id = "transport.get.messages-unrelated";
        let active = said
            .progress_of
            .and_then(|r| web.c.get(r))
            .filter(|r| r.answered_by.first().is_none_or(|a| *a > index) && !r.augmented && r.round_trip.is_some());
        if let (Some(request), false) = (active, exempt) {
            let expected = "nothing about a request that is under way";
            let found = format!("progress of {}", name(request));
            web.broken(id, Party::Server, event, number, expected, found);
        } else if announces {
            web.held(id, Party::Server, event, number);
        }
    } else if let (Some(post), false) = (web.post_of(one.id), exempt) {
        let id = "transport.sse.messages-relate";
        let expected = "messages about the request that opened the stream";
        if let Some(request) = said.progress_of.and_then(|r| web.c.get(r)) {
            let well = request.round_trip == Some(post);
            web.either(well, id, Party::Server, event, number, expected, format!("progress of {}", name(request)));
        } else if announces {
            web.broken(id, Party::Server, event, number, expected, name(said));
        }
    }
}

fn is_announcement(method: &str) -> bool {
    method.ends_with("/list_changed") || method == "notifications/resources/updated"
}

/// A response comes on the stream of its request, or on one that resumes it.
fn answered(web: &mut Web<'_>, one: &One<'_>, said: &Said) {
    let Some(request) = web.c.request_of(said).filter(|r| r.round_trip.is_some()) else { return };
    let (event, number) = (said.event, one.number);
    let about = name(said);
    let resumed = web.resumes(one.trip).is_some();
    match (one.stream.kind, web.post_of(one.id)) {
        // who resumes what is not known here, or is not of that session
        (StreamKind::Get, None) if resumed && web.root(one.id).is_none() => {}
        (StreamKind::Get, None) => {
            let expected = "no response on a stream that was opened to listen";
            web.broken("transport.get.no-responses", Party::Server, event, number, expected, about);
        }
        (StreamKind::Get, Some(post)) if request.round_trip == Some(post) => {
            web.held("transport.get.no-responses", Party::Server, event, number);
            web.held("transport.sse.eventual-response", Party::Server, event, number);
        }
        (_, Some(post)) if request.round_trip == Some(post) => {
            web.held("transport.sse.eventual-response", Party::Server, event, number);
        }
        // what comes on a resumed stream and is of another is judged with resumption, what comes on another POST below
        _ => {}
    }
}

/// Responses in the answer to another POST.
fn misplaced(web: &mut Web<'_>) {
    let c = web.c;
    for said in c.said.iter().filter(|s| s.from == Party::Server && s.message.is_answer() && s.redelivers.is_none()) {
        let (Some(request), Some(number)) = (c.request_of(said), said.round_trip) else { continue };
        let other = request.round_trip.is_some_and(|r| r != number);
        if other && c.streams.get(&said.stream).is_some_and(|s| s.kind == StreamKind::PostAnswer) {
            let expected = format!("the answer to `{}` on its own stream", said.method.as_deref().unwrap_or_default());
            let found = "it came in the answer to another POST";
            web.broken("transport.sse.eventual-response", Party::Server, said.event, number, expected, found);
        }
    }
}

/// When all is answered, the stream is ended.
fn left_open(web: &mut Web<'_>, one: &One<'_>) {
    let Some(post) = web.post_of(one.id) else { return };
    let requests = web.requests(post);
    let all = requests.len();
    let answers = one.stream.items.iter().filter_map(|i| Some((i, web.c.get(i.said?)?)));
    let mut answers = answers.filter(|(_, s)| web.c.request_of(s).is_some_and(|r| r.round_trip == Some(post)));
    // of a batch the parts are answered one by one: only the plain case is judged
    let Some((answer, _)) = answers.next().filter(|_| all == 1) else { return };
    let id = "transport.sse.terminate-after-response";
    let expected = "the end of the stream after the response";
    let more = one.stream.items.iter().find(|i| i.event > answer.event && i.said.is_some());
    let number = one.number;
    if let Some(more) = more {
        let found = "another message after it";
        web.broken(id, Party::Server, more.event, number, expected, found);
        return;
    }
    match &one.stream.closed {
        Some((event, _)) if one.stream.closed_by != Some(Party::Client) => {
            let late = one.stream.closed_at.saturating_sub(answer.at);
            let found = format!("it, {} ms later", late / 1000);
            web.either(late <= PROMPT, id, Party::Server, *event, number, expected, found).presumed();
        }
        Some(_) => {}
        None if web.scene.waited() && web.c.ended_at > answer.at + PROMPT => {
            web.broken(id, Party::Server, answer.event, number, expected, "none to the end of the trace").presumed();
        }
        None => {}
    }
}

/// A server that hangs up before the stream is over says first when to come back.
fn ended(web: &mut Web<'_>, one: &One<'_>) {
    let Some(event) = ended_by_server(one.stream) else { return };
    let marked = one.stream.items.iter().any(|i| i.event_id.is_some());
    let over = one.trip.session_sent.as_deref().is_some_and(|id| web.ended(id, event));
    if !marked || over {
        return;
    }
    let root = web.root(one.id);
    let told = web
        .event_streams()
        .filter(|(id, s, _)| {
            s.opened <= one.stream.opened && (*id == one.id || root.is_some() && web.root(*id) == root)
        })
        .any(|(_, s, _)| s.items.iter().any(|i| i.retry.is_some()));
    let expected = "`retry` before the connection is closed";
    match web.post_of(one.id) {
        Some(post) if web.owes(post, event) => {
            let id = "transport.sse.retry-before-close";
            web.either(told, id, Party::Server, event, one.number, expected, "none");
        }
        Some(_) => {}
        None if root.is_some() => {
            // whether the stream was over shows when the client comes back for it
            let back = web.trips().any(|(_, t)| {
                let from = web.resumes(t).and_then(|last| web.origin(t.session, last, t.request?));
                t.request > Some(event) && t.succeeded() && from.is_some_and(|f| web.root(f) == root)
            });
            if back || told {
                let id = "transport.get.retry-before-close";
                web.either(told, id, Party::Server, event, one.number, expected, "none");
            }
        }
        None => {}
    }
}

/// The message of the server that is the same as this one and went over another stream that was open at the same time.
#[must_use]
pub fn broadcast(c: &Conversation, index: usize) -> Option<usize> {
    let said = c.get(index)?;
    if c.transport != Transport::Http || said.from != Party::Server || said.message.is_answer() {
        return None;
    }
    let before = c.said.get(..index)?;
    before.iter().rposition(|first| {
        let near = said.is_request() || said.at.saturating_sub(first.at) <= AT_ONCE;
        near && first.session == said.session && first.stream != said.stream && beside(c, first, said) && {
            first.from == said.from && first.message.value() == said.message.value()
        }
    })
}

/// Did the server close the connection on which that request was to be answered so that the client comes back, and the client
/// never did?
#[must_use]
pub fn awaits_return(c: &Conversation, request: &Said) -> bool {
    let mut closed = None;
    for stream in c.streams.values().filter(|s| s.writer == Party::Server && s.round_trip == request.round_trip) {
        let marked = stream.items.iter().any(|i| i.event_id.is_some());
        closed = closed.or(ended_by_server(stream).filter(|_| marked));
    }
    let back = |t: &RoundTrip| t.header("last-event-id").is_some() && t.session == Some(request.session);
    request.round_trip.is_some()
        && closed.is_some_and(|closed| !c.round_trips.values().any(|t| back(t) && t.request > Some(closed)))
}

/// Were the streams of two messages open together when both were sent?
fn beside(c: &Conversation, first: &Said, second: &Said) -> bool {
    let (Some(a), Some(b)) = (c.streams.get(&first.stream), c.streams.get(&second.stream)) else { return false };
    b.opened < first.event && a.closed.as_ref().is_none_or(|(closed, _)| *closed > second.event)
}

/// Each message goes over one stream.
fn broadcasts(web: &mut Web<'_>) {
    let c = web.c;
    let id = "transport.streams.no-broadcast";
    let streams: BTreeMap<StreamId, &Stream> = web.event_streams().map(|(id, s, _)| (id, s)).collect();
    for (index, said) in c.iter().filter(|(_, s)| s.from == Party::Server && !s.message.is_answer()) {
        let Some(number) = said.round_trip.filter(|_| streams.contains_key(&said.stream)) else { continue };
        if broadcast(c, index).is_some() {
            let entry =
                web.broken(id, Party::Server, said.event, number, "each message on one stream", "it again, on another");
            if !said.is_request() {
                entry.presumed();
            }
            continue;
        }
        let open = |s: &Stream| s.opened < said.event && s.closed.as_ref().is_none_or(|(e, _)| *e > said.event);
        let session = |s: &Stream| s.round_trip.and_then(|r| c.round_trips.get(&r)).and_then(|t| t.session);
        let others =
            streams.iter().any(|(other, s)| *other != said.stream && open(s) && session(s) == Some(said.session));
        if others {
            web.held(id, Party::Server, said.event, number);
        }
    }
}

/// No event id comes twice in a session, unless the same event comes again on resumption.
fn event_ids(web: &mut Web<'_>) {
    let mut all = Vec::new();
    for (_, stream, trip) in web.event_streams() {
        let (Some(session), Some(number)) = (trip.session, stream.round_trip) else { continue };
        let resumed = web.resumes(trip).is_some();
        let items = stream.items.iter();
        all.extend(items.filter_map(|i| Some((i.event, session, number, i.event_id.as_deref()?, i.said, resumed))));
    }
    all.sort_unstable_by_key(|(event, ..): &(u32, usize, u32, &str, Option<usize>, bool)| *event);
    let mut seen: HashMap<(usize, &str), Option<usize>> = HashMap::new();
    let mut counts: HashMap<usize, usize> = HashMap::new();
    for (event, session, number, id, said, resumed) in all {
        let value = |i: Option<usize>| i.and_then(|i| web.c.get(i)).map(|s| s.message.value().clone());
        let requirement = "transport.event-id.unique";
        match seen.get(&(session, id)) {
            Some(first) => {
                if !(resumed && value(*first) == value(said)) {
                    let expected = "an event id that no other event of the session has";
                    web.broken(requirement, Party::Server, event, number, expected, format!("`{id}` again"));
                }
            }
            None => {
                seen.insert((session, id), said);
                let (past, scope) = (&web.c.past, web.c.scope(session, Party::Server));
                if !resumed && past.has(Sort::Event, scope, &Id::Text(id.to_owned())) {
                    let expected = "an event id that no other event of the session has";
                    web.broken(requirement, Party::Server, event, number, expected, format!("`{id}` again"));
                    continue;
                }
                let count = counts.entry(session).or_insert_with(|| usize::from(past.any(Sort::Event, scope, event)));
                *count += 1;
                if *count > 1 {
                    web.held(requirement, Party::Server, event, number);
                }
            }
        }
    }
}
