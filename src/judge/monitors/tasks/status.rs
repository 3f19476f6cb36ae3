//! Tasks: the statuses one task shows, one after the other.

use crate::conversation::{Place, Said, Sighting, Task};
use crate::judge::monitor::{Monitor, Notes, Scene};
use crate::judge::stamp::Stamp;
use serde_json::Value;

/// The rules of statuses.
#[derive(Debug, Default)]
pub struct Status;

impl Monitor for Status {
    fn requirements(&self) -> &'static [&'static str] {
        &[
            "tasks.cancel.stays-cancelled",
            "tasks.status.failed-has-message",
            "tasks.status.terminal-is-final",
            "tasks.status.tool-iserror-is-failed",
            "tasks.status.valid-transitions",
        ]
    }

    fn said(&mut self, _: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
        if said.result_of("tasks/get") && said.message.result().get("status").and_then(Value::as_str) == Some("failed")
        {
            let message = said.message.result().get("statusMessage").and_then(Value::as_str);
            let told = message.is_some_and(|m| !m.trim().is_empty());
            let id = "tasks.status.failed-has-message";
            notes.either(told, id, index, "/result", "a `statusMessage` that says what went wrong", "none");
        }
    }

    fn end(&mut self, scene: &Scene<'_>, notes: &mut Notes<'_>) {
        for task in &scene.c.tasks {
            transitions(scene, task, notes);
            errors(scene, task, notes);
        }
    }
}

/// Was `a` surely sent before `b`: by the order of messages, or else by what they say of themselves?
fn earlier(scene: &Scene<'_>, a: &Sighting, b: &Sighting) -> bool {
    if a.message == b.message {
        return false;
    }
    if scene.c.sent_before(a.message, b.message) {
        return true;
    }
    if scene.c.sent_before(b.message, a.message) {
        return false;
    }
    let updated = |s: &Sighting| {
        let text = s.value(scene.c)?.get("lastUpdatedAt")?.as_str()?;
        Stamp::read(text).exact()
    };
    matches!((updated(a), updated(b)), (Some(a), Some(b)) if a < b)
}

/// Each sighting against the ones surely before it: first whether a final status was left, then what the last one was.
fn transitions(scene: &Scene<'_>, task: &Task, notes: &mut Notes<'_>) {
    // the first final sighting, and the last sighting of any kind, that may come before the one at hand
    for (i, b) in task.sightings.iter().enumerate() {
        let Some(now) = b.status.as_deref() else { continue };
        // an id given twice is a fault of its own, and not a task that starts again
        let again = b.place == Place::Created && task.creations.first().is_some_and(|c| c.answer != b.message);
        let known = (b.is_active() || b.is_terminal()) && !again;
        let redelivered = scene.c.get(b.message).is_some_and(|s| s.redelivers.is_some());
        if !known || redelivered {
            continue;
        }
        let before = || {
            let others = task.sightings.iter().enumerate().filter(move |(j, _)| *j != i).map(|(_, a)| a);
            others.filter(|a| (a.is_active() || a.is_terminal()) && earlier(scene, a, b))
        };
        let pointer = format!("{}/status", b.pointer);
        let found = format!("`{now}`");
        if let Some(ended) = before().find(|a| a.is_terminal()) {
            // that a finished task was cancelled at all is a rule of its own
            if b.place == Place::Cancelled {
                continue;
            }
            let was = ended.status.as_deref().unwrap_or_default();
            let id = match was {
                "cancelled" => "tasks.cancel.stays-cancelled",
                _ if b.is_active() => "tasks.status.valid-transitions",
                _ => "tasks.status.terminal-is-final",
            };
            let expected = format!("`{was}`, which the task had reached and which is final");
            notes.either(was == now, id, b.message, &pointer, expected, found);
        } else if before().any(|a| a.status.as_deref() != Some(now)) {
            notes.held("tasks.status.valid-transitions", b.message);
        }
    }
}

/// A tool call that ended with `isError` is a failed task.
fn errors(scene: &Scene<'_>, task: &Task, notes: &mut Notes<'_>) {
    let called = task.created_by().and_then(|i| scene.c.get(i)).is_some_and(|r| r.requests("tools/call"));
    if !called {
        return;
    }
    let is_error = task
        .retrievals
        .iter()
        .filter_map(|r| scene.c.get(*r))
        .flat_map(|r| &r.answered_by)
        .any(|a| scene.c.get(*a).is_some_and(|a| a.message.result().get("isError") == Some(&Value::Bool(true))));
    let ended = task.sightings.iter().find(|s| s.is_terminal() && s.place != Place::Cancelled);
    let Some(ended) = ended.filter(|s| is_error && s.status.as_deref() != Some("cancelled")) else { return };
    notes.either(
        ended.status.as_deref() == Some("failed"),
        "tasks.status.tool-iserror-is-failed",
        ended.message,
        &format!("{}/status", ended.pointer),
        "`failed`, because the result of the tool has `isError`",
        format!("`{}`", ended.status.as_deref().unwrap_or_default()),
    );
}
