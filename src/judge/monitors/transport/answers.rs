//! How a server answers requests: statuses and content types.

use super::web::{EVENT_STREAM, JSON, Web, is_guarded, lists};
use crate::conversation::{RoundTrip, Said};
use crate::spec::Revision;
use crate::wire::{Id, Kind, Party};

/// Judges the heads of responses.
pub(super) fn judge(web: &mut Web<'_>) {
    for (number, trip) in web.trips().collect::<Vec<_>>() {
        let (Some(status), Some(event)) = (trip.status, trip.response) else { continue };
        let answer = Head { number, trip, status, event };
        match trip.method.as_str() {
            "POST" => {
                accepted(web, &answer);
                content(web, &answer);
                version(web, &answer);
                together(web, &answer);
            }
            "GET" => listening(web, &answer),
            _ => {}
        }
        origin(web, &answer);
    }
}

struct Head<'t> {
    number: u32,
    trip: &'t RoundTrip,
    status: u16,
    event: u32,
}

impl Head<'_> {
    fn succeeded(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// What needs no answer is accepted with 202 and nothing more, or refused.
fn accepted(web: &mut Web<'_>, head: &Head<'_>) {
    let Some((index, said)) = web.posted(head.number) else { return };
    let answer = said.message.is_answer();
    if !answer && !matches!(said.message.kind(), Kind::Notification { .. }) || said.cut {
        return;
    }
    let spoken = web.spoke(head.number).count() > 0;
    let with_body = spoken || head.trip.bare_body;
    let bare = if with_body { "a body" } else { "no body" };
    let found = format!("{} with {bare}", head.status);
    // a message of that kind that makes no sense need not be accepted
    let acceptable = web.scene.valid(index) && (!answer || said.answers.is_some());
    if !acceptable {
        let id = "transport.http.unaccepted-error-status";
        let well = head.status == 202 || head.status >= 400;
        let expected = "202, or an error status for what cannot be accepted";
        web.either(well, id, Party::Server, head.event, head.number, expected, found);
    } else if head.succeeded() {
        // that there was an answer to a notification is said of the answer
        if !answer && web.spoke(head.number).any(|s| s.message.is_answer()) {
            return;
        }
        let id = "transport.http.accepted-202";
        let well = head.status == 202 && !with_body;
        web.either(well, id, Party::Server, head.event, head.number, "202 with no body", found);
    }
}

fn content(web: &mut Web<'_>, head: &Head<'_>) {
    // what is no request as it should be (an id that is none, for one) may be taken for something else
    let is_odd = |s: &Said| s.cut || web.scene.deliberate(s) || matches!(s.message.id(), Some(Id::Odd(_)));
    let asked = web.posted(head.number).is_some_and(|(_, s)| s.is_request() && !is_odd(s));
    if !asked || !head.succeeded() {
        return;
    }
    let media = head.trip.content_type.as_deref();
    let well = matches!(media, Some(JSON | EVENT_STREAM));
    let found = match media {
        Some(media) => format!("{} with `{media}`", head.status),
        None => format!("{} without a content type", head.status),
    };
    let id = "transport.http.request-content-type";
    let expected = "`application/json` or `text/event-stream` as the answer to a request";
    web.either(well, id, Party::Server, head.event, head.number, expected, found);
}

/// A version that nobody has published is refused with 400, unless something else is wrong as well.
fn version(web: &mut Web<'_>, head: &Head<'_>) {
    let Some(sent) = head.trip.header("mcp-protocol-version") else { return };
    let negotiated = web.session(head.trip).is_some_and(|s| s.answered.as_deref() == Some(sent.trim()));
    let known_session = match head.trip.session_sent.as_deref() {
        Some(id) => web.given(id).is_some() && !web.ended(id, head.event),
        None => !web.assigns(),
    };
    let odd = Revision::parse(sent.trim()).is_none() && !negotiated;
    if !odd || web.initializes(head.number) || !known_session || is_guarded(head.status) {
        return;
    }
    let id = "transport.version-header.server-400";
    let expected = format!("400 for the version `{sent}`");
    web.either(head.status == 400, id, Party::Server, head.event, head.number, expected, head.status.to_string());
}

/// GET gives a stream, or 405: then the endpoint is there.
fn listening(web: &mut Web<'_>, head: &Head<'_>) {
    let trip = head.trip;
    let Some(asked) = trip.request else { return };
    let served = |t: &RoundTrip| t.method == "POST" && t.succeeded() && t.target == trip.target;
    if trip.header("last-event-id").is_some()
        || !lists(trip.header("accept"), EVENT_STREAM)
        || !web.c.round_trips.values().any(served)
        || is_guarded(head.status)
        || !alive(web, trip, asked, head.event)
        || trip.header("mcp-protocol-version").is_some_and(|v| Revision::parse(v.trim()).is_none())
    {
        return;
    }
    let stream = head.succeeded() && trip.content_type.as_deref() == Some(EVENT_STREAM);
    let found = match trip.content_type.as_deref() {
        Some(media) => format!("{} with `{media}`", head.status),
        None => head.status.to_string(),
    };
    let gone = head.status == 404;
    let expected = "an event stream, or 405, on the path that takes POST";
    web.either(!gone, "transport.http.single-endpoint", Party::Server, head.event, head.number, expected, &*found);
    if !gone {
        let well = stream || head.status == 405;
        let id = "transport.get.sse-or-405";
        web.either(well, id, Party::Server, head.event, head.number, "an event stream, or 405", found);
    }
}

/// Does the request name a session that is there, as far as can be seen, or is none needed? A request that is answered
/// while the client's farewell is under way may find the session or not.
fn alive(web: &Web<'_>, trip: &RoundTrip, asked: u32, answered: u32) -> bool {
    match trip.session_sent.as_deref() {
        Some(id) => {
            let of_it = |t: &RoundTrip| t.session_sent.as_deref() == Some(id);
            let lost = |t: &RoundTrip| t.method == "POST" && of_it(t) && t.status == Some(404);
            let leaving = |t: &RoundTrip| {
                t.method == "DELETE"
                    && of_it(t)
                    && t.request.is_some_and(|r| r < answered)
                    && (t.status.is_none() || t.succeeded())
            };
            web.given(id).is_some_and(|g| g < asked) && !web.c.round_trips.values().any(|t| lost(t) || leaving(t))
        }
        None => !web.assigns() && web.session(trip).is_some_and(|s| s.initialize_answer.is_some()),
    }
}

/// An `Origin` that is the server's own is served. Of other hosts than the local one it is not known whether they may be asked.
fn origin(web: &mut Web<'_>, head: &Head<'_>) {
    let (Some(origin), Some(host)) = (head.trip.header("origin"), head.trip.header("host")) else { return };
    let local = ["localhost", "127.0.0.1", "[::1]"]
        .iter()
        .any(|l| host.strip_prefix(l).is_some_and(|rest| rest.is_empty() || rest.starts_with(':')));
    let own = origin.strip_prefix("http://").is_some_and(|o| o.eq_ignore_ascii_case(host));
    if local && own && (head.succeeded() || head.status == 403) {
        let id = "transport.http.valid-origin-accepted";
        let expected = format!("that the origin `{origin}` is served: it is the server's own");
        web.either(head.succeeded(), id, Party::Server, head.event, head.number, expected, head.status.to_string());
    }
}

/// Several requests may be under way in one session.
fn together(web: &mut Web<'_>, head: &Head<'_>) {
    let Some((index, said)) = web.posted(head.number).filter(|(_, s)| s.is_request()) else { return };
    let id = "transport.streams.concurrent-posts";
    let Some(asked) = head.trip.request else { return };
    // one that was posted before, and answered after this was posted
    let beside = web.c.round_trips.iter().any(|(n, t)| {
        let open = |r: &Said| {
            let answered = r.answered_by.first().and_then(|a| web.c.get(*a)).map(|a| a.event);
            r.is_request() && r.session == said.session && answered.is_none_or(|a| a > asked)
        };
        let before = t.request.is_some_and(|r| r < asked) && t.succeeded();
        before && web.posted(*n).is_some_and(|(_, r)| open(r))
    });
    if !beside || web.initializes(head.number) {
        return;
    }
    if matches!(head.status, 409 | 423 | 429 | 503) && web.scene.valid(index) && !web.scene.deliberate(said) {
        let expected = "an answer, though another request was under way";
        web.broken(id, Party::Server, head.event, head.number, expected, head.status.to_string());
    } else if head.succeeded() && !said.answered_by.is_empty() {
        web.held(id, Party::Server, head.event, head.number);
    }
}
