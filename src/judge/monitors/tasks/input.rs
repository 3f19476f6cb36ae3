//! Tasks: what a receiver asks of the requestor while it works.

use crate::conversation::{Order, Place, Point, Said, Sighting, Task};
use crate::judge::evidence::Shown;
use crate::judge::monitor::{Monitor, Notes, Scene};

/// The rules of input.
#[derive(Debug, Default)]
pub struct Input;

impl Monitor for Input {
    fn requirements(&self) -> &'static [&'static str] {
        &[
            "tasks.input.delivered-via-result",
            "tasks.input.leaves-after-input",
            "tasks.input.moves-to-input-required",
            "tasks.input.request-related-meta",
            "tasks.input.requestor-calls-result",
            "tasks.input.response-related-meta",
            "tasks.input.same-task-id",
        ]
    }

    fn said(&mut self, scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
        let asks =
            matches!(said.method.as_deref(), Some("elicitation/create" | "sampling/createMessage" | "roots/list"));
        if asks && said.is_request() && said.redelivers.is_none() {
            question(scene, index, said, notes);
        }
        if said.is_result()
            && let Some(request) = scene.c.request_of(said)
            && let Some(task) = request.related_task_id().filter(|_| {
                scene.c.task_of(request).is_some_and(|t| said.answers.is_some_and(|r| t.nested.contains(&r)))
            })
        {
            let id = "tasks.input.response-related-meta";
            let expected = format!("the related-task `_meta` with `{task}`, as the request had it");
            match said.related_task() {
                None => {
                    notes.broken(id, index, "/result", expected, "none");
                }
                Some((value, pointer)) => {
                    if let Some(named) = value.get("taskId").and_then(serde_json::Value::as_str) {
                        let pointer = format!("{pointer}/taskId");
                        notes.either(named == task, id, index, &pointer, expected, format!("`{named}`"));
                    }
                }
            }
        }
    }

    fn end(&mut self, scene: &Scene<'_>, notes: &mut Notes<'_>) {
        for task in &scene.c.tasks {
            moves(scene, task, notes);
            leaves(scene, task, notes);
            calls(scene, task, notes);
            delivered(scene, task, notes);
        }
    }
}

/// A question of a receiver names its task, and the task is one that may ask.
fn question(scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
    let id = "tasks.input.request-related-meta";
    let Some(named) = said.related_task_id() else {
        // a value of another shape is reported as that
        if said.related_task().is_none()
            && let Some(task) = asks_for(scene, index, said)
        {
            let expected = format!("the related-task `_meta` with `{}`", task.id);
            notes.broken(id, index, "/params", expected, "none");
        }
        return;
    };
    notes.held(id, index);
    let id = "tasks.input.same-task-id";
    let pointer = "/params/_meta/io.modelcontextprotocol~1related-task/taskId";
    let expected = "the id of a task of its own that has not ended";
    match scene.c.task_of(said).filter(|t| !t.creations.is_empty() || !scene.knows_all(said.to())) {
        None => {
            if scene.knows_all(said.to()) && !scene.c.may_have_task(said.from, said.session, named) {
                notes.broken(id, index, pointer, expected, format!("`{named}`, which is none"));
            }
        }
        Some(task) => {
            let ended = task.sightings.iter().find(|s| s.is_terminal() && scene.c.sent_before(s.message, index));
            let found = ended.map(|s| format!("`{named}`, which is `{}`", s.status.as_deref().unwrap_or_default()));
            notes.either(ended.is_none(), id, index, pointer, expected, found.unwrap_or_default());
        }
    }
}

/// The task that a question without related-task `_meta` can only belong to: it came over the stream of `tasks/result`, or its
/// task was waiting for input with `tasks/result` pending and nothing else of the requestor was open.
fn asks_for<'a>(scene: &'a Scene<'_>, index: usize, said: &Said) -> Option<&'a Task> {
    let open = |i: &usize| {
        scene
            .c
            .get(*i)
            .is_some_and(|r| r.session == said.session && r.answered_by.iter().all(|a| *a > index) && *i < index)
    };
    let over = scene.c.tasks.iter().filter(|t| t.receiver == said.from).find(|t| {
        t.retrievals.iter().any(|r| {
            open(r) && scene.c.get(*r).is_some_and(|r| r.round_trip.is_some() && r.round_trip == said.round_trip)
        })
    });
    if over.is_some() {
        return over;
    }
    let mut pending = scene.c.iter().take(index).filter(|(i, r)| {
        r.is_request() && r.from == said.to() && r.session == said.session && r.redelivers.is_none() && open(i)
    });
    let (only, request) = pending.next()?;
    if pending.next().is_some() || !request.requests("tasks/result") {
        return None;
    }
    let task = scene.c.tasks.iter().find(|t| t.retrievals.contains(&only))?;
    let last = task.sightings.iter().rfind(|s| s.message < index)?;
    (last.status.as_deref() == Some("input_required")).then_some(task)
}

fn is(sighting: &Sighting, status: &str) -> bool {
    sighting.status.as_deref() == Some(status)
}

/// The answers to a question of the task.
fn answers<'a>(scene: &'a Scene<'_>, question: usize) -> &'a [usize] {
    scene.c.get(question).map_or(&[], |q| q.answered_by.as_slice())
}

/// While a question is open, the task says `input_required`.
fn moves(scene: &Scene<'_>, task: &Task, notes: &mut Notes<'_>) {
    let id = "tasks.input.moves-to-input-required";
    if task.nested.is_empty() {
        return;
    }
    for sighting in task.sightings.iter().filter(|s| s.place == Place::Got) {
        let message = sighting.message;
        let open = task.nested.iter().any(|q| {
            scene.c.sent_before(*q, message)
                && answers(scene, *q)
                    .iter()
                    .all(|a| scene.c.before(Point::sent(message), Point::received(*a)) == Order::Yes)
        });
        if is(sighting, "input_required") {
            notes.held(id, message);
        } else if open && is(sighting, "working") {
            let pointer = format!("{}/status", sighting.pointer);
            notes.broken(id, message, &pointer, "`input_required`, as its question is not answered yet", "`working`");
        }
    }
}

/// Once its questions are answered, the task does not stay in `input_required`.
fn leaves(scene: &Scene<'_>, task: &Task, notes: &mut Notes<'_>) {
    let id = "tasks.input.leaves-after-input";
    let Some(last) = task.nested.last() else { return };
    let settled = |s: &&Sighting| {
        let answered = |q: &usize| answers(scene, *q).iter().any(|a| scene.c.known_when(*a, s.message));
        task.nested.iter().all(answered) && s.message > *last
    };
    let after: Vec<&Sighting> = task.sightings.iter().filter(settled).collect();
    // that it has left can be seen by who asks after its own answers; that the answers came in time need not be known for that
    let looked = |s: &&Sighting| {
        let asked = scene.c.get(s.message).and_then(|said| said.answers);
        let given = |q: &usize| answers(scene, *q).iter().any(|a| asked.is_some_and(|r| scene.c.sent_before(*a, r)));
        settled(s) || s.message > *last && task.nested.iter().all(given)
    };
    if let Some(left) = task.sightings.iter().filter(looked).find(|s| !is(s, "input_required")) {
        notes.held(id, left.message);
        return;
    }
    // it may have a further question that nobody has fetched
    let fetched = task.retrievals.iter().any(|r| scene.c.get(*r).is_some_and(|r| r.answered_by.is_empty()));
    if let Some(stuck) = after.last().filter(|_| fetched && scene.waited()) {
        let pointer = format!("{}/status", stuck.pointer);
        let expected = "another status than `input_required`: all its questions are answered";
        notes.broken(id, stuck.message, &pointer, expected, "`input_required` to the end").presumed();
    }
}

/// Who sees `input_required` calls `tasks/result`.
fn calls(scene: &Scene<'_>, task: &Task, notes: &mut Notes<'_>) {
    let id = "tasks.input.requestor-calls-result";
    let mut asked = task.sightings.iter().filter(|s| s.place == Place::Got && is(s, "input_required"));
    let Some(first) = asked.next() else { return };
    let open = |r: usize| {
        scene.c.get(r).is_some_and(|q| r < first.message && q.answered_by.iter().all(|a| *a > first.message))
    };
    if let Some(call) = task.retrievals.iter().find(|r| **r > first.message) {
        notes.held(id, *call);
        return;
    }
    let pending = task.retrievals.iter().any(|r| open(*r));
    let left = task.sightings.iter().any(|s| s.message > first.message && !is(s, "input_required"));
    if !pending && !left && task.cancels.is_empty() && scene.waited() {
        let found = "none to the end of the trace";
        let expected = format!("`tasks/result` for `{}`, because the task waits for input", task.id);
        let verdict = Shown::Broken { expected, found: found.into(), pointer: format!("{}/status", first.pointer) };
        notes.of_receiver(id, first.message, verdict).presumed();
    }
}

/// Who calls `tasks/result` on a task that waits for input gets the question.
fn delivered(scene: &Scene<'_>, task: &Task, notes: &mut Notes<'_>) {
    let id = "tasks.input.delivered-via-result";
    let waits = task.sightings.iter().rfind(|s| s.is_active() || s.is_terminal());
    for call in &task.retrievals {
        let waited = task.sightings.iter().rfind(|s| s.message < *call).is_some_and(|s| is(s, "input_required"));
        let Some(request) = scene.c.get(*call).filter(|_| waited) else { continue };
        let over = task.nested.iter().find(|q| **q > *call && request.answered_by.iter().all(|a| a > *q));
        if let Some(question) = over {
            notes.held(id, *question);
        } else if request.answered_by.is_empty()
            && request.missed_by.is_empty()
            && waits.is_some_and(|s| is(s, "input_required"))
            && task.nested.iter().all(|q| !answers(scene, *q).is_empty())
            && task.cancels.is_empty()
            && scene.timed_out()
        {
            let verdict = Shown::Broken {
                expected: "the question the task waits to have answered".into(),
                found: "none to the end of the trace".into(),
                pointer: String::new(),
            };
            notes.of_receiver(id, *call, verdict).presumed();
        }
    }
}
