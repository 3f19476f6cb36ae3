//! Tasks: `tasks/get` and `tasks/result`, and unknown tasks.

use crate::conversation::{End, Order, Point, Said, Sighting, Task};
use crate::judge::monitor::{Monitor, Notes, Scene};
use crate::judge::monitors::transport::streams::broadcast;
use crate::trace::Transport;
use serde_json::Value;

/// The rules of retrieval.
#[derive(Debug, Default)]
pub struct Retrieval;

const INVALID_PARAMS: i64 = -32602;
const METHOD_NOT_FOUND: i64 = -32601;

impl Monitor for Retrieval {
    fn requirements(&self) -> &'static [&'static str] {
        &[
            "tasks.error.informative-message",
            "tasks.error.unknown-id-cancel",
            "tasks.error.unknown-id-get",
            "tasks.error.unknown-id-result",
            "tasks.get.no-sse-upgrade",
            "tasks.related.param-is-truth",
            "tasks.result.available-when-completed",
            "tasks.result.blocks-until-terminal",
            "tasks.result.related-task-meta",
            "tasks.result.terminal-returns-final",
        ]
    }

    fn said(&mut self, scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
        // an error without a code is broken enough
        let garbled = said.is_error() && said.error_code().is_none();
        if !said.message.is_answer() || said.redelivers.is_some() || garbled {
            return;
        }
        let Some(request) = scene.c.request_of(said) else { return };
        let Some(method @ ("tasks/get" | "tasks/result" | "tasks/cancel" | "tasks/list")) = request.method.as_deref()
        else {
            return;
        };
        let asked = request.message.params().get("taskId").and_then(Value::as_str);
        unknown(scene, index, said, method, asked, notes);
        told(scene, index, said, method, notes);
        if said.result_of("tasks/get") || said.result_of("tasks/cancel") {
            shown(index, said, request, asked, notes);
        }
        if said.result_of("tasks/get") {
            streamed(scene, index, said, notes);
        }
        if method == "tasks/result" {
            retrieved(scene, index, said, asked, notes);
        }
    }
}

/// An id that no task of the receiver ever had.
fn unknown(scene: &Scene<'_>, index: usize, said: &Said, method: &str, asked: Option<&str>, notes: &mut Notes<'_>) {
    let id = match method {
        "tasks/get" => "tasks.error.unknown-id-get",
        "tasks/result" => "tasks.error.unknown-id-result",
        "tasks/cancel" => "tasks.error.unknown-id-cancel",
        _ => return,
    };
    let Some(asked) = asked else { return };
    // a task that only this answer speaks of is none that the requestor could know
    let known = scene
        .c
        .tasks
        .iter()
        .any(|t| t.receiver == said.from && t.id == asked && t.sightings.iter().any(|s| s.message != index));
    let served = said.error_code() != Some(METHOD_NOT_FOUND)
        && scene.c.declares(said, said.from, "tasks") == Some(true)
        && (method != "tasks/cancel" || scene.c.declares(said, said.from, "tasks.cancel") == Some(true));
    // a task that the receiver has called unknown before is unknown from then on
    let gone = scene.c.iter().take(index).any(|(i, s)| {
        s.from == said.from
            && s.error_code() == Some(INVALID_PARAMS)
            && s.error_of("tasks/get")
            && scene.c.request_of(s).and_then(|r| r.message.params().get("taskId")).and_then(Value::as_str)
                == Some(asked)
            && said.answers.is_some_and(|request| scene.c.known_when(i, request))
    });
    if !known && scene.c.may_have_task(said.from, said.session, asked) {
        return;
    }
    // if it was there after all, calling it unknown was the fault
    let back = known && said.is_result();
    if known && !gone || back || !served {
        return;
    }
    let well = said.error_code() == Some(INVALID_PARAMS);
    if !well && !scene.knows_all(said.to()) {
        return;
    }
    let found = said.error_code().map_or_else(|| "a result".to_owned(), |code| format!("the error {code}"));
    let pointer = if said.is_error() { "/error/code" } else { "/result" };
    notes.either(well, id, index, pointer, "the error -32602: there is no such task", found);
}

/// An error of the task methods themselves says what is wrong.
fn told(scene: &Scene<'_>, index: usize, said: &Said, method: &str, notes: &mut Notes<'_>) {
    // an error of tasks/result may be the one in which the task ended
    if !said.is_error() || method == "tasks/result" && scene.c.task_of(said).is_some() {
        return;
    }
    if let Some(message) = said.message.error().get("message").and_then(Value::as_str) {
        let id = "tasks.error.informative-message";
        notes.either(!message.trim().is_empty(), id, index, "/error/message", "what is wrong, in words", "no words");
    }
}

/// The task that is shown is the one that was asked for, whatever the metadata says.
fn shown(index: usize, said: &Said, request: &Said, asked: Option<&str>, notes: &mut Notes<'_>) {
    if let (Some(asked), Some(named)) = (asked, said.message.result().get("taskId").and_then(Value::as_str)) {
        let id = "tasks.related.param-is-truth";
        if asked != named {
            let found = format!("the task `{named}`");
            notes.broken(id, index, "/result/taskId", format!("the task `{asked}`, which was asked for"), found);
        } else if request.related_task_id().is_some_and(|other| other != asked) {
            notes.held(id, index);
        }
    }
}

fn streamed(scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
    if scene.header.transport == Transport::Http
        && let Some(content) =
            said.round_trip.and_then(|r| scene.c.round_trips.get(&r)).and_then(|t| t.content_type.as_deref())
    {
        let id = "tasks.get.no-sse-upgrade";
        notes.either(
            content == "application/json",
            id,
            index,
            "",
            "a response with the content type `application/json`",
            format!("`{content}`"),
        );
    }
}

fn retrieved(scene: &Scene<'_>, index: usize, said: &Said, asked: Option<&str>, notes: &mut Notes<'_>) {
    let Some(asked) = asked else { return };
    if said.is_result() {
        related(index, said, asked, notes);
    }
    let Some(task) = scene.c.task_of(said) else { return };
    let Some(request) = said.answers else { return };
    let ended = |s: &&Sighting| s.is_terminal() && scene.c.was_so(s.message, request);
    if let Some(ended) = task.sightings.iter().find(ended) {
        let completed = ended.status.as_deref() == Some("completed");
        let gone = said.error_code() == Some(INVALID_PARAMS);
        if completed {
            let expected = "the result of the completed task";
            let found = format!("the error {}", said.error_code().unwrap_or_default());
            // after its ttl a task may be gone
            if gone && within_ttl(scene, task, said) {
                let id = "tasks.result.available-when-completed";
                notes.broken(id, index, "/error/code", expected, found).presumed();
            } else if said.error_code() == Some(METHOD_NOT_FOUND) {
                // that a method is not served has a rule of its own
            } else if !gone {
                let id = "tasks.result.terminal-returns-final";
                notes.either(said.is_result(), id, index, "/error", expected, found);
                if said.is_result() {
                    notes.held("tasks.result.available-when-completed", index);
                }
            }
        }
        return;
    }
    if said.is_result() {
        blocks(scene, index, said, task, request, notes);
    }
}

fn related(index: usize, said: &Said, asked: &str, notes: &mut Notes<'_>) {
    let id = "tasks.result.related-task-meta";
    let expected = format!("the related-task `_meta` with `{asked}`");
    match said.related_task() {
        None => {
            notes.broken(id, index, "/result", expected, "none");
        }
        Some((value, pointer)) => {
            // a value of another shape is reported as that
            if let Some(named) = value.get("taskId").and_then(Value::as_str) {
                notes.either(named == asked, id, index, &format!("{pointer}/taskId"), expected, format!("`{named}`"));
            }
        }
    }
}

fn within_ttl(scene: &Scene<'_>, task: &Task, said: &Said) -> bool {
    if !scene.header.timed() {
        return false;
    }
    let Some(asked) = task.created_by().and_then(|i| scene.c.get(i)) else { return false };
    let age = said.at.saturating_sub(asked.at) as f64 / 1000.0;
    let ttls = task.sightings.iter().filter_map(|s| s.value(scene.c)?.get("ttl"));
    ttls.filter_map(Value::as_f64).all(|ttl| age < ttl) && task.cancels.is_empty()
}

/// A successful answer came no sooner than the task had ended.
fn blocks(scene: &Scene<'_>, index: usize, said: &Said, task: &Task, request: usize, notes: &mut Notes<'_>) {
    let id = "tasks.result.blocks-until-terminal";
    let expected = "no answer until the task has ended";
    // a task that had ended and then shows another status breaks the rules of statuses instead
    let ended = task.sightings.iter().find(|s| s.is_terminal()).map(|s| s.message);
    let later = task
        .sightings
        .iter()
        .find(|s| s.is_active() && ended.is_none_or(|e| s.message < e) && scene.c.sent_before(index, s.message));
    if let Some(later) = later {
        let status = later.status.as_deref().unwrap_or_default();
        notes.broken(id, index, "/result", expected, format!("a result, and the task was still `{status}` later"));
        return;
    }
    // a task that was cancelled or seen as ended need not wait for what it asked
    let free = !task.cancels.is_empty() || task.sightings.iter().any(|s| s.is_terminal() && s.message < index);
    let open = task.nested.iter().copied().find(|n| {
        let Some(question) = scene.c.get(*n) else { return false };
        let withdrawn = scene.c.iter().any(|(_, s)| {
            s.from == question.from
                && s.notifies("notifications/cancelled")
                && s.message.params().get("requestId") == question.message.value().get("id")
        });
        let late =
            |a: &usize| scene.c.before(Point { message: index, end: End::Sent }, Point::received(*a)) == Order::Yes;
        let unanswered = question.answered_by.iter().all(late) && question.missed_by.iter().all(late);
        // asked and in this very stretch: between the request and its answer
        let again = question.redelivers.is_some() || broadcast(scene.c, *n).is_some();
        *n < index && !again && unanswered && !withdrawn && !scene.c.may_be_lost(question)
    });
    if let Some(open) = open.filter(|_| !free) {
        let method = scene.c.get(open).and_then(|q| q.method.as_deref()).unwrap_or_default();
        let found = format!("a result, and the `{method}` it had asked was not answered yet");
        notes.broken(id, index, "/result", expected, found);
        return;
    }
    let begun_open = !task.sightings.iter().any(|s| s.is_terminal() && s.message < request);
    let asked_meanwhile = task.nested.iter().any(|n| *n > request && *n < index);
    let ended_after = task.sightings.iter().any(|s| s.is_terminal() && s.message > index);
    if begun_open && (asked_meanwhile || ended_after) && !said.cut {
        notes.held(id, index);
    }
}
