//! The heads of requests: what a client accepts, which session and version it names, one message in each POST.

use super::web::{EVENT_STREAM, JSON, Web, lists};
use crate::conversation::RoundTrip;
use crate::wire::{Kind, Party};

/// Judges the requests of clients.
pub(super) fn judge(web: &mut Web<'_>) {
    for (number, trip) in web.trips().collect::<Vec<_>>() {
        let Some(event) = trip.request else { continue };
        // of a head without its message it is not known whether it was meant to be like that
        if web.deliberate(number, trip) || trip.method == "POST" && web.posted(number).is_none() {
            continue;
        }
        accept(web, number, trip, event);
        body(web, number, trip);
        session(web, number, trip, event);
        version(web, number, trip, event);
    }
}

fn accept(web: &mut Web<'_>, number: u32, trip: &RoundTrip, event: u32) {
    let all: Vec<&str> =
        trip.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case("accept")).map(|(_, v)| v.as_str()).collect();
    let all = all.join(",");
    let found = if all.is_empty() { "none".to_owned() } else { format!("`{all}`") };
    let events = lists(Some(&all), EVENT_STREAM);
    match trip.method.as_str() {
        "POST" => {
            let well = events && lists(Some(&all), JSON);
            let expected = "`Accept` with `application/json` and `text/event-stream`";
            web.either(well, "transport.http.post-accept", Party::Client, event, number, expected, found);
        }
        "GET" => {
            let expected = "`Accept` with `text/event-stream`";
            web.either(events, "transport.get.accept", Party::Client, event, number, expected, found);
        }
        _ => {}
    }
}

fn body(web: &mut Web<'_>, number: u32, trip: &RoundTrip) {
    let Some((index, said)) = web.posted(number) else { return };
    let well = trip.method == "POST";
    let id = "transport.http.post-per-message";
    if let (false, Some(event)) = (well, trip.request) {
        web.broken(id, Party::Client, event, number, "a POST with the message", format!("a {}", trip.method));
        return;
    }
    match (web.scene.frames.get(&index), said.message.kind()) {
        (Some(crate::judge::frames::Odd::Several), _) => {
            let id = "transport.http.post-single-message";
            web.broken(
                id,
                Party::Client,
                said.event,
                number,
                "one message in the POST",
                "several, one after the other",
            );
        }
        // an array is a batch, and there is a rule of its own for those
        (None, Kind::Request { .. } | Kind::Notification { .. } | Kind::Result { .. } | Kind::Error { .. }) => {
            web.held(id, Party::Client, said.event, number);
            web.held("transport.http.post-single-message", Party::Client, said.event, number);
        }
        _ => {}
    }
}

fn session(web: &mut Web<'_>, number: u32, trip: &RoundTrip, event: u32) {
    let sent = trip.session_sent.as_deref();
    if web.initializes(number) {
        let id = "transport.session.initialize-without-id";
        let expected = "no `Mcp-Session-Id` with `initialize`";
        web.either(sent.is_none(), id, Party::Client, event, number, expected, "one");
        return;
    }
    let id = "transport.session.client-sends-id";
    let expected = "the `Mcp-Session-Id` that the server gave";
    let whole = web.scene.header.seat.ours().is_some();
    match sent {
        Some(sent) if web.given(sent).is_some_and(|g| g < event) => {
            web.held(id, Party::Client, event, number);
        }
        // in a record of others there may be sessions whose beginning was not seen
        Some(_) if web.assigns() && whole => {
            web.broken(id, Party::Client, event, number, expected, "one that was never given");
        }
        None if knows_session(web, number, event) => {
            web.broken(id, Party::Client, event, number, expected, "none");
        }
        _ => {}
    }
}

/// Does a client that names no session surely have one? There is none without id, and this comes after the handshake.
fn knows_session(web: &Web<'_>, number: u32, event: u32) -> bool {
    let nameless = web.c.sessions.iter().any(|s| s.id.is_none() && s.initialize.is_some());
    let assigned =
        web.c.round_trips.values().any(|t| t.session_given.is_some() && t.response.is_some_and(|r| r < event));
    let ready = |s: &crate::conversation::Session| {
        s.initialized.and_then(|i| web.c.get(i)).is_some_and(|s| s.event <= event || s.round_trip == Some(number))
    };
    let ours = web.scene.header.seat.ours() == Some(Party::Client);
    assigned && !nameless && (ours || web.c.sessions.iter().any(ready))
}

fn version(web: &mut Web<'_>, number: u32, trip: &RoundTrip, event: u32) {
    let Some(session) = web.session(trip).filter(|_| !web.initializes(number)) else { return };
    let Some(answer) = session.initialize_answer.filter(|a| web.c.get(*a).is_some_and(|a| a.is_result())) else {
        return;
    };
    let after = |index: usize| web.c.get(index).is_some_and(|s| s.event < event);
    let knows = match web.posted(number) {
        Some((index, _)) => web.c.known_when(answer, index) || session.initialized.is_some_and(|i| i <= index),
        None => after(answer),
    };
    if !knows || !after(answer) {
        return;
    }
    let expected = session.answered.as_deref().map_or_else(String::new, |v| format!(", `{v}`"));
    let sent = trip.header("mcp-protocol-version");
    let id = "transport.version-header.client-sends";
    web.either(sent.is_some(), id, Party::Client, event, number, format!("`MCP-Protocol-Version`{expected}"), "none");
    if let (Some(sent), Some(negotiated)) = (sent, &session.answered) {
        let id = "transport.version-header.client-negotiated";
        let expected = format!("the negotiated version, `{negotiated}`");
        web.either(sent.trim() == negotiated, id, Party::Client, event, number, expected, format!("`{sent}`"));
    }
}
