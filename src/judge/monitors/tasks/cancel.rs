//! Tasks: `tasks/cancel`.

use crate::conversation::{Creation, Said};
use crate::judge::monitor::{Monitor, Notes, Scene};
use crate::wire::Id;
use serde_json::Value;

/// After this time, in microseconds, a message is presumed to have been received.
const DELIVERED: u64 = 200_000;

/// The rules of cancellation.
#[derive(Debug, Default)]
pub struct Cancel;

impl Monitor for Cancel {
    fn requirements(&self) -> &'static [&'static str] {
        &[
            "tasks.cancel.not-via-cancelled-notification",
            "tasks.cancel.reject-terminal",
            "tasks.cancel.transition-before-response",
        ]
    }

    fn said(&mut self, scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
        if said.requests("tasks/cancel") && said.task.is_some() {
            notes.held("tasks.cancel.not-via-cancelled-notification", index);
        }
        if said.notifies("notifications/cancelled") {
            notified(scene, index, said, notes);
        }
        if said.message.is_answer() && said.method.as_deref() == Some("tasks/cancel") && said.redelivers.is_none() {
            answered(scene, index, said, notes);
        }
    }
}

fn notified(scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
    let Some(id) = said.message.params().get("requestId").map(Id::of) else { return };
    let names = |c: &&Creation| {
        let request = scene.c.get(c.request);
        request.is_some_and(|r| r.session == said.session && r.from == said.from && r.message.id() == Some(&id))
    };
    let creation = scene.c.tasks.iter().flat_map(|t| &t.creations).find(names);
    // before the CreateTaskResult came, there was no other way
    let Some(creation) = creation else { return };
    let known = scene.c.known_when(creation.answer, index);
    let waited = scene.c.get(creation.answer).is_some_and(|a| said.at.saturating_sub(a.at) >= DELIVERED);
    if known || waited {
        let evidence = notes.broken(
            "tasks.cancel.not-via-cancelled-notification",
            index,
            "/params/requestId",
            "`tasks/cancel` with the id of the task",
            format!("the id of the request that created it, {id}"),
        );
        if !known {
            evidence.presumed();
        }
    }
}

fn answered(scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
    let Some(task) = scene.c.task_of(said) else { return };
    let Some(request) = said.answers else { return };
    if scene.c.declares(said, said.from, "tasks.cancel") == Some(false) {
        return;
    }
    let found = said.error_code().map_or_else(|| "a result".to_owned(), |code| format!("the error {code}"));
    let ended = task.sightings.iter().find(|s| s.is_terminal() && scene.c.was_so(s.message, request));
    if let Some(ended) = ended {
        let refused = said.error_code() == Some(-32602);
        // an error for other reasons (the task is gone, "method not found") has rules of its own
        if refused || said.is_result() || said.error_code() != Some(-32601) {
            let was = ended.status.as_deref().unwrap_or_default();
            let expected = format!("the error -32602: the task is `{was}` already");
            notes.either(refused, "tasks.cancel.reject-terminal", index, "", expected, found);
        }
        return;
    }
    if let Some(status) = said.message.result().get("status").and_then(Value::as_str).filter(|_| said.is_result()) {
        let known = matches!(status, "working" | "input_required" | "completed" | "failed" | "cancelled");
        if known {
            let id = "tasks.cancel.transition-before-response";
            let found = format!("`{status}`");
            notes.either(status == "cancelled", id, index, "/result/status", "`cancelled`", found);
        }
    }
}
