//! Tasks: what was declared is served, and only what was declared is used.

use crate::conversation::task::leaf;
use crate::conversation::{Said, Task};
use crate::judge::monitor::{Monitor, Notes, Scene};
use crate::spec::methods;
use serde_json::Value;

/// The capability rules of tasks.
#[derive(Debug, Default)]
pub struct Capability;

const METHOD_NOT_FOUND: i64 = -32601;

impl Monitor for Capability {
    fn requirements(&self) -> &'static [&'static str] {
        &[
            "tasks.auth.no-list-if-unidentified",
            "tasks.capability.augment-only-declared",
            "tasks.capability.cancel-declared-serves",
            "tasks.capability.cancel-not-used-undeclared",
            "tasks.capability.declare-if-supported",
            "tasks.capability.get-result-served",
            "tasks.capability.list-declared-serves",
            "tasks.capability.list-not-used-undeclared",
            "tasks.capability.no-create-when-absent",
            "tasks.capability.requests-exhaustive",
            "tasks.tool.no-augment-without-capability",
        ]
    }

    fn said(&mut self, scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
        if said.is_request() {
            augments(scene, index, said, notes);
            uses(scene, index, said, notes);
        }
        if said.message.is_answer() && said.answers.is_some() && said.redelivers.is_none() {
            creates(scene, index, said, notes);
            serves(scene, index, said, notes);
        }
        if said.result_of("initialize") {
            lists(scene, index, said, notes);
        }
    }
}

/// Is a request with a `task` one that the receiver said it takes?
fn augments(scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
    if !methods::asks_for_task(said.message.params()) {
        return;
    }
    let Some(method) = said.method.as_deref() else { return };
    let Some(any) = scene.c.declares(said, said.to(), "tasks") else { return };
    let Some(leaf) = leaf(method, said.from) else {
        if methods::find(said.revision, method).is_some() {
            notes.broken(
                "tasks.capability.augment-only-declared",
                index,
                "/params/task",
                "`task` only in requests that can be augmented",
                format!("`task` in `{method}`, which never can"),
            );
        }
        return;
    };
    let declared = scene.c.declares(said, said.to(), leaf) == Some(true);
    let expected = format!("no `task` in `{method}`, because the {} did not declare `{leaf}`", said.to());
    if method == "tools/call" {
        let id = "tasks.tool.no-augment-without-capability";
        notes.either(declared, id, index, "/params/task", expected, "a `task`");
        return;
    }
    let id = "tasks.capability.no-create-when-absent";
    notes.either(any, id, index, "/params/task", &*expected, "a `task`, and there is no `tasks` capability at all");
    if any {
        let id = "tasks.capability.augment-only-declared";
        notes.either(declared, id, index, "/params/task", expected, "a `task`");
    }
}

/// `tasks/list` and `tasks/cancel` have capabilities of their own.
fn uses(scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
    for (method, leaf, id) in [
        ("tasks/list", "tasks.list", "tasks.capability.list-not-used-undeclared"),
        ("tasks/cancel", "tasks.cancel", "tasks.capability.cancel-not-used-undeclared"),
    ] {
        if said.requests(method)
            && let Some(declared) = scene.c.declares(said, said.to(), leaf)
        {
            let expected = format!("no `{method}`, because the {} did not declare `{leaf}`", said.to());
            notes.either(declared, id, index, "/method", expected, format!("`{method}`"));
        }
    }
}

/// A task is only created where that was declared.
fn creates(scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
    let Some(request) = scene.c.request_of(said) else { return };
    let created = said.is_result() && said.message.result().get("task").is_some_and(Value::is_object);
    if !created || !methods::asks_for_task(request.message.params()) {
        return;
    }
    let Some(method) = request.method.as_deref() else { return };
    let Some(any) = scene.c.declares(said, said.from, "tasks.requests") else { return };
    let declared = leaf(method, request.from).is_some_and(|l| scene.c.declares(said, said.from, l) == Some(true));
    let found = format!("a task for `{method}`");
    if any {
        let id = "tasks.capability.requests-exhaustive";
        notes.either(declared, id, index, "/result/task", "the ordinary result, as this method is not listed", &*found);
    }
    if !any || declared {
        let id = "tasks.capability.declare-if-supported";
        let expected = "`tasks.requests` among the capabilities of whoever creates tasks";
        notes.either(any, id, index, "/result/task", expected, found);
    }
}

/// What was declared is not answered with "method not found".
fn serves(scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
    // with which error a request is refused that is wrong on purpose says nothing of what is served
    if scene.c.request_of(said).is_some_and(|request| scene.deliberate(request)) {
        return;
    }
    let refused = said.error_code() == Some(METHOD_NOT_FOUND);
    for (method, leaf, id) in [
        ("tasks/list", "tasks.list", "tasks.capability.list-declared-serves"),
        ("tasks/cancel", "tasks.cancel", "tasks.capability.cancel-declared-serves"),
    ] {
        let declared = scene.c.declares(said, said.from, leaf) == Some(true);
        let list_error = said.error_of("tasks/list") && !refused;
        if said.method.as_deref() == Some(method) && declared && !list_error {
            let expected = format!("an answer to `{method}`, because `{leaf}` was declared");
            notes.either(!refused, id, index, "/error/code", expected, "the error -32601");
        }
    }
    // a task whose own request ended in "method not found" passes that on
    let own = |t: &Task| t.sightings.iter().any(|s| s.status.as_deref() == Some("failed"));
    let asks = matches!(said.method.as_deref(), Some("tasks/get" | "tasks/result"));
    let created = scene.c.task_of(said).filter(|t| !t.creations.is_empty() && t.receiver == said.from);
    if asks && created.is_some_and(|t| !own(t) || said.is_result()) {
        let id = "tasks.capability.get-result-served";
        let expected = "an answer about the task that it created";
        notes.either(!refused, id, index, "/error/code", expected, "the error -32601");
    }
}

/// A server that cannot tell its callers apart should not list tasks.
fn lists(scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
    let declares = |path: &str| scene.c.declares(said, said.from, path) == Some(true);
    let trip = said.round_trip.and_then(|r| scene.c.round_trips.get(&r));
    let Some(trip) = trip.filter(|_| declares("tasks")) else { return };
    // a server that gives each caller a session of its own can tell callers apart
    if trip.authorized || trip.session_given.is_some() {
        return;
    }
    notes.either(
        !declares("tasks.list"),
        "tasks.auth.no-list-if-unidentified",
        index,
        "/result/capabilities/tasks/list",
        "no `tasks.list` where callers are not identified",
        "`tasks.list`, the request had no `Authorization`, and there is no session",
    );
}
