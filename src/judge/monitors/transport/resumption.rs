//! Resumption: clients that come back for the rest of a stream, and what they get.

use super::web::{EVENT_STREAM, Web, ended_by_server, is_guarded, name};
use crate::conversation::{RoundTrip, Sort, Stream};
use crate::trace::StreamId;
use crate::wire::Party;

/// A timer may be so much too early, in microseconds.
const EARLY: u64 = 20_000;
/// How long a client has to come back when nobody said, in microseconds.
const PATIENCE: u64 = 5_000_000;

/// Judges resumptions.
pub(super) fn judge(web: &mut Web<'_>) {
    for (number, trip) in web.trips().collect::<Vec<_>>() {
        let (Some(last), Some(event)) = (web.resumes(trip), trip.request) else { continue };
        let origin = web.origin(trip.session, last, event);
        if !web.deliberate(number, trip) {
            came_back(web, number, trip, origin, last);
        }
        if let Some(origin) = origin {
            taken_up(web, number, trip, origin, last);
            its_own(web, number, trip, origin);
            what_follows(web, number, trip, origin, last);
        }
    }
    for (id, stream, trip) in web.event_streams().collect::<Vec<_>>() {
        polls(web, id, stream, trip);
    }
}

/// The last event id that had come on a stream before that event.
fn last_id(stream: &Stream, before: u32) -> Option<&str> {
    stream.items.iter().rev().filter(|i| i.event < before).find_map(|i| i.event_id.as_deref())
}

/// The client says what it got last, and waits as long as it was told.
fn came_back(web: &mut Web<'_>, number: u32, trip: &RoundTrip, origin: Option<StreamId>, last: &str) {
    let Some(event) = trip.request else { return };
    let id = "transport.resume.client-last-event-id";
    let Some(stream) = origin.and_then(|o| web.c.streams.get(&o)) else {
        let whole = web.session(trip).is_some_and(|s| s.initialize.is_some());
        let marks = web.event_streams().any(|(_, s, t)| {
            t.session == trip.session && s.items.iter().any(|i| i.event_id.is_some() && i.event < event)
        });
        let gone = trip.session.is_some_and(|s| web.c.may_have(Sort::Event, s, Party::Server, last));
        if whole && marks && !gone {
            let expected = "the id of the last event that came";
            web.broken(id, Party::Client, event, number, expected, format!("`{last}`, which no event had"));
        }
        return;
    };
    let newest = last_id(stream, event);
    // what was under way when a connection broke may not have come
    if newest == Some(last) {
        web.held(id, Party::Client, event, number);
    } else if let (Some(newest), Some(_)) = (newest, ended_by_server(stream)) {
        let expected = format!("the id of the last event that came, `{newest}`");
        web.broken(id, Party::Client, event, number, expected, format!("`{last}`, an earlier one"));
    }
    let retry = stream.items.iter().rev().find_map(|i| i.retry);
    if let (Some(retry), Some(_)) = (retry, ended_by_server(stream)) {
        let waited = trip.asked_at.saturating_sub(stream.closed_at);
        let well = waited + EARLY >= retry.saturating_mul(1000);
        let expected = format!("{retry} ms before it comes back");
        let found = format!("{} ms", waited / 1000);
        let id = "transport.sse.client-respects-retry";
        web.either(well, id, Party::Client, event, number, expected, found).presumed();
    }
}

/// Who gave an event id takes it back, however the stream began.
fn taken_up(web: &mut Web<'_>, number: u32, trip: &RoundTrip, origin: StreamId, last: &str) {
    let (Some(status), Some(event), Some(asked)) = (trip.status, trip.response, trip.request) else { return };
    let over = trip.session_sent.as_deref().is_some_and(|id| web.ended(id, event));
    // a session may be ended at any time, and 404 is how its client is told; one that still serves has not ended
    let serves = |t: &RoundTrip| t.session == trip.session && t.request > Some(event) && t.succeeded();
    let over = over || status == 404 && trip.session_sent.is_some() && !web.trips().any(|(_, t)| serves(t));
    let newest = web.c.streams.get(&origin).and_then(|s| last_id(s, asked)) == Some(last);
    if is_guarded(status) || over || !newest || web.deliberate(number, trip) && trip.step.is_none() {
        return;
    }
    let well = trip.succeeded() && trip.content_type.as_deref() == Some(EVENT_STREAM);
    let id = "transport.resume.get-for-any-origin";
    let expected = "the rest of the stream, whose event ids promised it";
    web.either(well, id, Party::Server, event, number, expected, status.to_string());
}

/// What comes is of the stream that is resumed.
fn its_own(web: &mut Web<'_>, number: u32, _: &RoundTrip, origin: StreamId) {
    let Some(root) = web.root(origin) else { return };
    let post = web.post_of(origin);
    let id = "transport.resume.no-cross-stream";
    let c = web.c;
    for said in c.said.iter().filter(|s| s.round_trip == Some(number) && s.from == Party::Server) {
        let request = c.request_of(said);
        let first = said.redelivers.and_then(|i| c.get(i));
        let stray = match (request, first) {
            (Some(request), _) => post.is_some() && request.round_trip.is_some() && request.round_trip != post,
            (None, Some(first)) => web.root(first.stream).is_some_and(|r| r != root),
            (None, None) => false,
        };
        let expected = "messages of the stream that is resumed";
        let found = format!("{} of another stream", name(said));
        web.either(!stray, id, Party::Server, said.event, number, expected, found);
    }
}

/// What comes had not come when the event came that the client names.
fn what_follows(web: &mut Web<'_>, number: u32, trip: &RoundTrip, origin: StreamId, last: &str) {
    let (Some(root), Some((_, named))) = (web.root(origin), web.first_with(trip.session, last)) else { return };
    let streams = web.event_streams().filter(|(_, stream, _)| stream.round_trip == Some(number));
    for item in streams.flat_map(|(_, stream, _)| &stream.items) {
        // an event that only primes may be any
        let Some(said) = item.said.and_then(|i| web.c.get(i)) else { continue };
        let first = said.redelivers.and_then(|i| web.c.get(i)).map(|s| (s.stream, s.event));
        let marked = item.event_id.as_deref().and_then(|id| web.first_with(trip.session, id));
        let before = |(stream, event): (StreamId, u32)| event <= named && web.root(stream) == Some(root);
        let again = first.into_iter().chain(marked).any(before);
        let expected = format!("what came after the event `{last}`");
        let found = format!("{}, which had come with it or before it", name(said));
        web.either(!again, "transport.resume.only-what-follows", Party::Server, said.event, number, expected, found);
    }
}

/// A stream that ended before its answer came is polled.
fn polls(web: &mut Web<'_>, id: StreamId, stream: &Stream, trip: &RoundTrip) {
    let (Some(event), Some(number)) = (ended_by_server(stream), stream.round_trip) else { return };
    let (Some(post), Some(_)) = (web.post_of(id), last_id(stream, event)) else { return };
    let over = trip.session_sent.as_deref().is_some_and(|id| web.ended(id, event));
    if !web.owes(post, event) || over {
        return;
    }
    let requirement = "transport.sse.client-polls-after-close";
    let root = web.root(id);
    let back = web.trips().find(|(_, t)| {
        let from = web.resumes(t).and_then(|last| web.origin(t.session, last, t.request?));
        t.request > Some(event) && from.is_some_and(|f| web.root(f) == root)
    });
    if let Some((number, Some(event))) = back.map(|(n, t)| (n, t.request)) {
        web.held(requirement, Party::Client, event, number);
        return;
    }
    let retry = stream.items.iter().rev().find_map(|i| i.retry).unwrap_or_default().saturating_mul(1000);
    let waited = web.c.ended_at.saturating_sub(stream.closed_at) >= retry.saturating_add(PATIENCE);
    // whether we come back is for a scenario to say
    if waited && web.scene.waited() && web.scene.header.seat.tests(Party::Client) && web.owes(post, u32::MAX) {
        let expected = "a GET with the id of the last event";
        web.broken(requirement, Party::Client, event, number, expected, "none to the end of the trace").presumed();
    }
}
