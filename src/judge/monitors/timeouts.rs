//! Lifecycle: that who waits too long gives up, and says so.

use crate::conversation::{Limited, Said};
use crate::judge::monitor::{Monitor, Notes, Scene};
use crate::wire::{Id, Party};

/// What is done when time is up. Who waits how long is known of an application that was told.
#[derive(Debug, Default)]
pub struct Timeouts;

/// So much later, in microseconds, than it was told an application may give up.
const LATE: u64 = 2_000_000;

impl Monitor for Timeouts {
    fn requirements(&self) -> &'static [&'static str] {
        &[
            "lifecycle.timeout.cancel-on-timeout",
            "lifecycle.timeout.establish",
            "lifecycle.timeout.max-despite-progress",
        ]
    }

    fn needs(&self) -> &'static [&'static str] {
        &["message", "action", "saw"]
    }

    fn end(&mut self, scene: &Scene<'_>, notes: &mut Notes<'_>) {
        for limited in &scene.c.limited {
            let made = |(_, s): &(usize, &Said)| {
                s.event > limited.told.0 && s.from == Party::Client && s.requests("tools/call")
            };
            if let Some((index, request)) = scene.c.iter().find(made) {
                patience(scene, limited, index, request, notes);
            }
        }
    }
}

fn patience(scene: &Scene<'_>, limited: &Limited, index: usize, request: &Said, notes: &mut Notes<'_>) {
    let due = request.at.saturating_add(limited.patience);
    let cancels = |s: &Said| {
        s.notifies("notifications/cancelled")
            && s.session == request.session
            && s.from == request.from
            && s.message.params().get("requestId").map(Id::of).as_ref() == request.message.id()
    };
    let cancelled = scene.c.iter().find(|(_, s)| cancels(s));
    let seen = limited.gave_up.map(|(_, at)| at);
    let end = cancelled.map(|(_, s)| s.event).into_iter().chain(limited.gave_up.map(|(event, _)| event)).min();
    let answered = request.answered_by.iter().filter_map(|a| scene.c.get(*a)).min_by_key(|a| a.event);
    if answered.is_some_and(|a| end.is_none_or(|end| a.event < end)) {
        return;
    }
    let gave_up = cancelled.map(|(_, s)| s.at).into_iter().chain(seen).min();
    // each report of progress may seem a reason to wait on
    let spurred = scene.c.said.iter().any(|s| s.progress_of == Some(index) && s.at > request.at + limited.patience / 2);
    let id = if spurred { "lifecycle.timeout.max-despite-progress" } else { "lifecycle.timeout.establish" };
    let until = due.saturating_add(LATE);
    match gave_up {
        Some(at) if at <= until => {
            notes.held(id, index);
        }
        _ if scene.waited() && scene.c.ended_at >= until => {
            let expected = format!("that it gives up after {} ms, as its application wants", limited.patience / 1000);
            let waited = gave_up.unwrap_or(scene.c.ended_at).saturating_sub(request.at) / 1000;
            notes.broken(id, index, "", expected, format!("it waited {waited} ms")).presumed();
        }
        _ => {}
    }
    let id = "lifecycle.timeout.cancel-on-timeout";
    match (cancelled, seen) {
        (Some((at, _)), _) => {
            notes.held(id, at);
        }
        (None, Some(_)) if scene.waited() => {
            let expected = "`notifications/cancelled` for it when it was given up";
            notes.broken(id, index, "", expected, "none to the end of the trace").presumed();
        }
        _ => {}
    }
}
