//! Tasks: timestamps, ttl and the pace of polling.

use crate::conversation::{Place, Said, Sighting, Task};
use crate::judge::monitor::{Monitor, Notes, Scene};
use crate::judge::stamp::Stamp;
use serde_json::Value;

/// The rules of time.
#[derive(Debug, Default)]
pub struct Time;

/// A poll may come this much early, as far as the recorder can tell: a part of the interval, and milliseconds.
const TOLERANCE: (f64, f64) = (0.2, 20.0);

/// After this time, in microseconds, a message is presumed to have been received.
const DELIVERED: u64 = 50_000;

impl Monitor for Time {
    fn requirements(&self) -> &'static [&'static str] {
        &[
            "tasks.poll.respect-interval",
            "tasks.time.created-at",
            "tasks.time.created-at-stable",
            "tasks.time.last-updated-at",
            "tasks.time.last-updated-monotonic",
            "tasks.ttl.expired-error",
            "tasks.ttl.not-deleted-early",
        ]
    }

    fn said(&mut self, scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
        if said.message.is_answer() && said.answers.is_some() && scene.header.timed() {
            ttl(scene, index, said, notes);
        }
    }

    fn end(&mut self, scene: &Scene<'_>, notes: &mut Notes<'_>) {
        for task in &scene.c.tasks {
            stamps(scene, task, notes);
            if scene.header.timed() {
                pace(scene, task, notes);
            }
        }
    }
}

fn text<'a>(scene: &'a Scene<'_>, sighting: &Sighting, member: &str) -> Option<&'a str> {
    sighting.value(scene.c)?.get(member)?.as_str()
}

fn stamps(scene: &Scene<'_>, task: &Task, notes: &mut Notes<'_>) {
    let mut created: Option<i128> = None;
    // of those surely before, the latest `lastUpdatedAt`; all that may be, in the order of recording
    let mut updates: Vec<(&Sighting, i128)> = Vec::new();
    for sighting in &task.sightings {
        let message = sighting.message;
        // an id given twice is a fault of its own
        if sighting.place == Place::Created && task.creations.first().is_some_and(|c| c.answer != message) {
            continue;
        }
        let mut read = [None, None];
        for (slot, (member, id)) in read
            .iter_mut()
            .zip([("createdAt", "tasks.time.created-at"), ("lastUpdatedAt", "tasks.time.last-updated-at")])
        {
            let Some(text) = text(scene, sighting, member) else { continue };
            let pointer = format!("{}/{member}", sighting.pointer);
            let expected = "an RFC 3339 date and time with an offset";
            match Stamp::read(text) {
                Stamp::Exact(at) => {
                    *slot = Some(at);
                    notes.held(id, message);
                }
                Stamp::Iso8601 => {
                    notes.broken(id, message, &pointer, expected, format!("`{text}`")).should();
                }
                Stamp::Not => {
                    notes.broken(id, message, &pointer, expected, format!("`{text}`"));
                }
            }
        }
        let [made, updated] = read;
        if let Some(made) = made {
            match created {
                None => created = Some(made),
                Some(first) => {
                    let pointer = format!("{}/createdAt", sighting.pointer);
                    let found = format!("`{}`", text(scene, sighting, "createdAt").unwrap_or_default());
                    let id = "tasks.time.created-at-stable";
                    notes.either(first == made, id, message, &pointer, "the `createdAt` the task had before", found);
                }
            }
        }
        let Some(updated) = updated else { continue };
        let pointer = format!("{}/lastUpdatedAt", sighting.pointer);
        let found = || format!("`{}`", text(scene, sighting, "lastUpdatedAt").unwrap_or_default());
        let id = "tasks.time.last-updated-monotonic";
        // against the `createdAt` it first had: a changed one is another fault
        if created.is_some_and(|made| updated < made) {
            notes.broken(id, message, &pointer, "a time not before `createdAt`", found());
        } else if updates.iter().any(|(a, at)| *at > updated && scene.c.sent_before(a.message, message)) {
            notes.broken(id, message, &pointer, "a time not before the one it had", found());
        } else {
            notes.held(id, message);
        }
        updates.push((sighting, updated));
    }
}

fn number(value: Option<&Value>) -> Option<f64> {
    value.and_then(Value::as_f64).filter(|n| *n >= 0.0)
}

/// Between two polls of one task there is at least the interval that its receiver last asked for. Who knows that the task has
/// ended does not poll it any more, but looks.
fn pace(scene: &Scene<'_>, task: &Task, notes: &mut Notes<'_>) {
    for pair in task.gets.windows(2) {
        let &[first, second] = pair else { continue };
        let (Some(a), Some(b)) = (scene.c.get(first), scene.c.get(second)) else { continue };
        let over = |message: usize| scene.c.known_when(message, second);
        let results = task.retrievals.iter().filter_map(|r| scene.c.get(*r)).flat_map(|r| &r.answered_by);
        if task.sightings.iter().any(|s| s.is_terminal() && over(s.message)) || results.copied().any(over) {
            continue;
        }
        // the last that the poller surely knew, and all that it may have known since: the shortest of them counts
        let asked = |s: &Sighting| number(s.value(scene.c).and_then(|v| v.get("pollInterval")));
        let mut interval: Option<f64> = None;
        for sighting in task.sightings.iter().filter(|s| s.message < second) {
            let Some(asked) = asked(sighting) else { continue };
            let waited = scene.c.get(sighting.message).is_some_and(|s| b.at.saturating_sub(s.at) >= DELIVERED);
            if waited || scene.c.known_when(sighting.message, second) {
                interval = Some(asked);
            } else if let Some(known) = interval {
                interval = Some(known.min(asked));
            }
        }
        let Some(interval) = interval.filter(|i| *i > 0.0) else { continue };
        let waited = b.at.saturating_sub(a.at) as f64 / 1000.0;
        let (part, fixed) = TOLERANCE;
        let soon = waited < interval * (1.0 - part) - fixed;
        notes
            .either(
                !soon,
                "tasks.poll.respect-interval",
                second,
                "",
                format!("at least {interval} ms since the poll before, as `pollInterval` asks"),
                format!("a poll after {waited:.0} ms"),
            )
            .presumed();
    }
}

/// A task is there for its ttl, and after it there is the task or the error for unknown ones.
fn ttl(scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
    if !matches!(said.method.as_deref(), Some("tasks/get" | "tasks/result")) {
        return;
    }
    let (Some(task), Some(request)) = (scene.c.task_of(said), scene.c.request_of(said)) else { return };
    let Some(creation) = task.creations.first() else { return };
    let (Some(asked), Some(created)) = (scene.c.get(creation.request), scene.c.get(creation.answer)) else { return };
    // a refused wish to cancel it changes nothing
    let refused = |c: &usize| {
        let answers = scene.c.get(*c).map_or(&[][..], |call| call.answered_by.as_slice());
        answers.iter().any(|a| *a < index && scene.c.get(*a).is_some_and(Said::is_error))
    };
    let cancelled =
        !task.cancels.iter().all(refused) || task.sightings.iter().any(|s| s.status.as_deref() == Some("cancelled"));
    let unknown = said.error_code() == Some(-32602);
    let before = task.sightings.iter().filter(|s| s.message < index);
    let ttls: Vec<Option<f64>> = before.filter_map(|s| s.value(scene.c)?.get("ttl")).map(|v| number(Some(v))).collect();
    let limited = ttls.iter().flatten().copied();
    let (least, most) = (limited.clone().fold(f64::INFINITY, f64::min), limited.fold(0.0, f64::max));
    let unlimited = ttls.iter().any(Option::is_none);
    if ttls.is_empty() {
        return;
    }
    // the task came to be after its request was recorded, and before its CreateTaskResult was
    let youngest = said.at.saturating_sub(asked.at) as f64 / 1000.0;
    let oldest = request.at.saturating_sub(created.at) as f64 / 1000.0;
    if youngest < least && !cancelled && (unknown || said.is_result()) {
        let expected = "the task: its ttl has not passed";
        let found = format!("the error -32602 after {youngest:.0} ms");
        // what `completed` promised is a rule of its own
        let promised = said.error_of("tasks/result") && super::completed_before(scene, task, index);
        if !promised {
            let id = "tasks.ttl.not-deleted-early";
            notes.either(!unknown, id, index, "/error/code", expected, found).presumed();
        }
    }
    if oldest > most && !unlimited && !said.is_result() {
        // a task of its own may have ended in an error, and passes that on
        let passed_on = said.error_of("tasks/result") && !unknown;
        if !passed_on {
            let id = "tasks.ttl.expired-error";
            let found = format!("the error {}", said.error_code().unwrap_or_default());
            notes.either(unknown, id, index, "/error/code", "the task, or the error -32602", found).presumed();
        }
    }
}
