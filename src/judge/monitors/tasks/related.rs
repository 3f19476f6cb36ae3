//! Tasks: the related-task `_meta`.

use crate::conversation::Said;
use crate::judge::monitor::{Monitor, Notes, Scene};
use serde_json::Value;

/// The rules of the related-task `_meta` that no more specific monitor has.
#[derive(Debug, Default)]
pub struct Related;

impl Monitor for Related {
    fn requirements(&self) -> &'static [&'static str] {
        &[
            "tasks.related.all-messages",
            "tasks.related.meta-shape",
            "tasks.related.receiver-omits",
            "tasks.related.requestor-omits",
        ]
    }

    fn said(&mut self, scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
        if let Some((value, pointer)) = said.related_task() {
            let well = value.get("taskId").is_some_and(Value::is_string);
            let found = format!("`{value}`");
            notes.either(well, "tasks.related.meta-shape", index, pointer, "an object with a text `taskId`", found);
        }
        let expected = "no related-task `_meta`: the id is said already";
        let place = said.related_task().map(|(_, pointer)| pointer).unwrap_or_default();
        match said.method.as_deref() {
            Some("tasks/get" | "tasks/result" | "tasks/cancel" | "tasks/list") if said.is_request() => {
                let id = "tasks.related.requestor-omits";
                notes.either(place.is_empty(), id, index, place, expected, "one");
            }
            Some("tasks/get" | "tasks/cancel" | "tasks/list") if said.is_result() && said.answers.is_some() => {
                notes.either(place.is_empty(), "tasks.related.receiver-omits", index, place, expected, "one");
            }
            Some("notifications/progress" | "notifications/message") => notified(scene, index, said, notes),
            _ => {}
        }
    }
}

/// Progress and log notifications of a task say so, once the other party knows the task.
fn notified(scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
    let of_token = scene.c.task_of(said).filter(|_| said.progress_of.is_some()).filter(|t| {
        t.created_by() == said.progress_of && t.creations.iter().any(|c| scene.c.sent_before(c.answer, index))
    });
    let of_stream = || {
        let over =
            |r: &usize| scene.c.get(*r).is_some_and(|r| r.round_trip.is_some() && r.round_trip == said.round_trip);
        scene.c.tasks.iter().find(|t| t.receiver == said.from && t.retrievals.iter().any(over))
    };
    let Some(task) = of_token.or_else(of_stream) else { return };
    let expected = format!("the related-task `_meta` with `{}`", task.id);
    let id = "tasks.related.all-messages";
    match said.related_task_id() {
        None if said.related_task().is_none() => {
            notes.broken(id, index, "/params", expected, "none").should();
        }
        None => {}
        Some(named) => {
            let pointer = "/params/_meta/io.modelcontextprotocol~1related-task/taskId";
            notes.either(named == task.id, id, index, pointer, expected, format!("`{named}`")).should();
        }
    }
}
