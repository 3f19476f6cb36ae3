//! Sessions over HTTP: their ids, their end, and what comes after it.

use super::web::{Web, is_guarded};
use crate::conversation::RoundTrip;
use crate::spec::Revision;
use crate::trace::Seat;
use crate::wire::Party;
use crate::wire::http::PROTOCOL_VERSION;
use std::collections::HashSet;

/// A shorter id can be guessed.
const LONG: usize = 16;
/// Who goes on with a session that is gone, so long after it was told, has not heard it; in microseconds.
const HEARD: u64 = 1_000_000;

/// Judges sessions.
pub(super) fn judge(web: &mut Web<'_>) {
    let mut seen = HashSet::new();
    for (number, trip) in web.trips().collect::<Vec<_>>() {
        ids(web, number, trip, &mut seen);
        if let (Some(status), Some(event)) = (trip.status, trip.response) {
            refused(web, number, trip, status, event);
        }
        farewell(web, number, trip);
        gone_on(web, number, trip);
    }
    never_ended(web);
}

/// The id that a server gives.
fn ids<'t>(web: &mut Web<'_>, number: u32, trip: &'t RoundTrip, seen: &mut HashSet<&'t str>) {
    let (Some(given), Some(event)) = (trip.session_given.as_deref(), trip.response) else { return };
    if !web.initializes(number) || !trip.succeeded() {
        return;
    }
    let visible = !given.is_empty() && given.bytes().all(|b| (0x21..=0x7e).contains(&b));
    let id = "transport.session.id-visible-ascii";
    let expected = "a session id of visible ASCII characters";
    web.either(visible, id, Party::Server, event, number, expected, format!("`{given}`"));
    let id = "transport.session.id-unguessable";
    let again = !seen.insert(given);
    if again {
        web.broken(id, Party::Server, event, number, "an id of its own for each session", "the id of another one");
    } else if given.chars().count() < LONG {
        let found = format!("{} characters", given.chars().count());
        web.broken(id, Party::Server, event, number, format!("an id of {LONG} characters or more"), found);
    } else {
        // what is long and new may still be guessed
        web.held(id, Party::Server, event, number).presumed();
    }
}

/// Requests of sessions that are missing, unknown or over.
fn refused(web: &mut Web<'_>, number: u32, trip: &RoundTrip, status: u16, event: u32) {
    let Some(asked) = trip.request else { return };
    if is_guarded(status) || web.initializes(number) || trip.method == "OPTIONS" || !web.assigns() {
        return;
    }
    let found = status.to_string();
    match trip.session_sent.as_deref() {
        None => {
            let nameless = web.c.sessions.iter().any(|s| s.id.is_none() && s.initialize.is_some());
            let begun = web.c.round_trips.values().any(|t| t.session_given.is_some() && t.response < Some(asked));
            if !nameless && begun {
                let id = "transport.session.missing-id-400";
                let expected = "400 for a request without the session id";
                web.either(status == 400, id, Party::Server, event, number, expected, found);
            }
        }
        Some(id) if web.ended(id, asked) => {
            let expected = "404 for a session that was ended";
            let id = "transport.session.terminated-404";
            web.either(status == 404, id, Party::Server, event, number, expected, found);
        }
        Some(id) if web.given(id).is_none() => {
            // in a record of others a session may have begun before it
            let whole = web.scene.header.seat == Seat::Client || web.deliberate(number, trip);
            if whole {
                let id = "transport.session.unknown-id-404";
                let expected = "404 or 400 for a session id that was never given";
                web.either(matches!(status, 400 | 404), id, Party::Server, event, number, expected, found);
            }
        }
        Some(id) if trip.method == "DELETE" && web.given(id).is_some_and(|g| g < asked) => {
            // a server may have ended it before, and need not know the revision that the client names
            let unknown = trip
                .headers
                .iter()
                .any(|(name, value)| name.eq_ignore_ascii_case(PROTOCOL_VERSION) && Revision::parse(value).is_none());
            if status != 404 && !(status == 400 && unknown) {
                let id = "transport.session.delete-accepted-or-405";
                let well = trip.succeeded() || status == 405;
                web.either(well, id, Party::Server, event, number, "success, or 405", found);
            }
        }
        Some(_) => {}
    }
}

fn farewell(web: &mut Web<'_>, number: u32, trip: &RoundTrip) {
    let given = trip.session_sent.as_deref().is_some_and(|id| web.given(id).is_some());
    if let (Some(event), "DELETE", true, false) =
        (trip.request, trip.method.as_str(), given, web.deliberate(number, trip))
    {
        web.held("transport.session.client-deletes", Party::Client, event, number);
    }
}

/// After 404 for its session a client begins anew, and does not go on with the old one.
fn gone_on(web: &mut Web<'_>, number: u32, trip: &RoundTrip) {
    let (Some(id), Some(404), Some(told)) = (trip.session_sent.as_deref(), trip.status, trip.response) else { return };
    // GET may be refused because there is no such thing
    if web.given(id).is_none() || trip.method != "POST" || web.deliberate(number, trip) {
        return;
    }
    let requirement = "transport.session.client-reinitializes";
    let later: Vec<(u32, &RoundTrip)> =
        web.trips().filter(|(n, t)| t.request > Some(told) && !web.deliberate(*n, t)).collect();
    let anew = later.iter().find(|(n, t)| web.initializes(*n) && t.session_sent.is_none());
    let before = anew.and_then(|(_, t)| t.request).unwrap_or(u32::MAX);
    let old = later.iter().find(|(_, t)| {
        t.session_sent.as_deref() == Some(id)
            && t.method != "DELETE"
            && t.request.is_some_and(|r| r < before)
            && t.asked_at > trip.asked_at + HEARD
    });
    let expected = "`initialize` without a session id, after 404 for the old one";
    if let Some((number, event)) = old.and_then(|(n, t)| Some((*n, t.request?))) {
        web.broken(requirement, Party::Client, event, number, expected, "another request with the old id").presumed();
    } else if let Some((number, event)) = anew.and_then(|(n, t)| Some((*n, t.request?))) {
        web.held(requirement, Party::Client, event, number);
    }
}

/// A client that ends without having ended its sessions.
fn never_ended(web: &mut Web<'_>) {
    let Some(exit) = web.c.exits.iter().find(|e| e.party == Party::Client && !e.ours).copied() else { return };
    for session in &web.c.sessions {
        let Some(id) = session.id.as_deref().filter(|id| web.given(id).is_some()) else { continue };
        let named = |t: &RoundTrip| t.session_sent.as_deref() == Some(id) && t.request < Some(exit.event);
        let over = web.c.round_trips.values().any(|t| named(t) && (t.method == "DELETE" || t.status == Some(404)));
        let Some((trip, _)) = web.trips().find(|(_, t)| t.session_given.as_deref() == Some(id)) else { continue };
        if !over && session.initialized.is_some() {
            let expected = "DELETE with the session id before the client ends";
            let found = "none: the client ended, and its session did not";
            web.broken("transport.session.client-deletes", Party::Client, exit.event, trip, expected, found);
        }
    }
}
