//! The schema check: every message against the definitions chosen by what it is, and each violation laid at the door of the
//! most specific requirement that says so.

use super::monitor::{Monitor, Notes, Scene};
use super::shapes;
use crate::conversation::task::leaf;
use crate::conversation::{Conversation, Place, Said};
use crate::spec::{Asked, Catalogue, Level, Revision, Violation, definition, methods};
use crate::wire::Kind;
use serde_json::Value;

/// What is wrong with one message by the schemas of the revision that governs it.
#[must_use]
pub fn violations(c: &Conversation, said: &Said) -> Vec<Violation> {
    if said.cut {
        return Vec::new();
    }
    let method = said.method.clone().unwrap_or_default();
    let request = said.answers.or(said.meant_for).and_then(|i| c.get(i));
    let task = c.task_of(said);
    let created_by = task.and_then(|t| t.created_by()).and_then(|i| c.get(i)).and_then(|r| r.method.as_deref());
    let asked = request.map(|request| Asked {
        method: &method,
        augmented: methods::asks_for_task(request.message.params()),
        declared: said.augmented,
        created_by,
        cancelled: task.is_some_and(|t| t.sightings.iter().any(|s| s.status.as_deref() == Some("cancelled"))),
    });
    let mut found =
        definition::check(said.revision, said.from, said.message.kind(), said.message.value(), asked.as_ref());
    if said.is_error() {
        // the schemas before 2025-11-25 want an id always, but the transport has refusals without one in every revision:
        // whether there had to be one is for the rule on ids
        found.retain(|v| !(v.instance_pointer.is_empty() && lacks(v, "id")));
    }
    found
}

/// Reports violations, and what was valid.
#[derive(Debug, Default)]
pub struct SchemaCheck;

impl Monitor for SchemaCheck {
    fn requirements(&self) -> &'static [&'static str] {
        &[
            "base.batch.none",
            "base.error.code-and-message",
            "base.error.code-integer",
            "base.jsonrpc.conforms",
            "base.request.id-not-null",
            "base.request.id-present",
            "base.response.not-both",
            "base.result.has-result",
            "lifecycle.init.client-sends-initialize",
            "lifecycle.init.server-responds",
            "lifecycle.version.respect-negotiated",
            "tasks.cancel.result-is-flat-task",
            "tasks.capability.leaf-is-object",
            "tasks.get.result-is-flat-task",
            "tasks.id.string",
            "tasks.list.result-shape",
            "tasks.notify.full-task",
            "tasks.result.shape-matches-request",
            "tasks.status.enum",
            "tasks.tool.tasksupport-values",
            "tasks.ttl.actual-in-get",
        ]
    }

    fn said(&mut self, scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
        let Some(violations) = scene.violations.get(index) else { return };
        // what is no message at all is for the rules of the transport
        if scene.frames.contains_key(&index) {
            return;
        }
        // whether there should have been a task at all is for those who know the tool
        let taskless = said.augmented
            && said.is_result()
            && !said.message.result().get("task").is_some_and(Value::is_object)
            && said.method.as_deref().and_then(|m| leaf(m, said.to())).is_some();
        let mut broken: Vec<&'static str> = Vec::new();
        for (requirement, violation) in attributed(scene.c, index, said, violations) {
            if taskless && violation.instance_pointer.starts_with("/result") {
                continue;
            }
            if broken.contains(&requirement) {
                continue;
            }
            broken.push(requirement);
            let evidence = notes.broken(
                requirement,
                index,
                &violation.instance_pointer,
                violation.expected.clone(),
                violation.found.clone(),
            );
            if violation.level == Level::Should {
                evidence.should();
            }
            if let Some(decision) = violation.decision {
                evidence.decided(decision);
            }
        }
        let method = newer(said);
        if let Some(method) = method {
            let had = methods::revisions_of(method).iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            notes.broken(
                "lifecycle.version.respect-negotiated",
                index,
                "/method",
                format!("a method of {}", said.revision),
                format!("`{method}`, which only {had} has"),
            );
        }
        if !taskless && (said.part.is_none() || said.revision == Revision::V2025_03_26) {
            well(scene.c, index, said, &broken, notes);
        }
    }
}

/// A method that the revision in force does not have, and another has.
fn newer(said: &Said) -> Option<&str> {
    let method = said.message.method()?;
    let elsewhere = !methods::revisions_of(method).is_empty();
    (elsewhere && methods::find(said.revision, method).is_none()).then_some(method)
}

/// What was exercised and held, given what was broken.
fn well(c: &Conversation, index: usize, said: &Said, broken: &[&'static str], notes: &mut Notes<'_>) {
    let mut held: Vec<&'static str> = vec!["base.jsonrpc.conforms"];
    let readable = !matches!(said.message.kind(), Kind::Batch | Kind::Malformed(_) | Kind::Unreadable(_));
    if !readable {
        return;
    }
    if said.part.is_none() {
        held.push("base.batch.none");
    }
    match said.message.kind() {
        Kind::Request { .. } => held.extend(["base.request.id-present", "base.request.id-not-null"]),
        Kind::Result { .. } => held.extend(["base.result.has-result", "base.response.not-both"]),
        Kind::Error { .. } => {
            held.extend(["base.error.code-and-message", "base.error.code-integer", "base.response.not-both"]);
        }
        _ => {}
    }
    let payload = said.message.value().get("params").is_some() || said.is_result();
    let known = said.method.as_deref().is_some_and(|m| methods::find(said.revision, m).is_some());
    let negotiated = c.session_of(said).is_some_and(|s| s.revision.is_some());
    if payload && known && negotiated && !broken.iter().any(|b| !b.starts_with("base.")) && newer(said).is_none() {
        held.push("lifecycle.version.respect-negotiated");
    }
    let value = said.message.value();
    if said.requests("initialize") {
        held.push("lifecycle.init.client-sends-initialize");
        if value.pointer("/params/capabilities/tasks").is_some_and(Value::is_object) {
            held.push("tasks.capability.leaf-is-object");
        }
    }
    if said.result_of("initialize") {
        held.push("lifecycle.init.server-responds");
        if value.pointer("/result/capabilities/tasks").is_some_and(Value::is_object) {
            held.push("tasks.capability.leaf-is-object");
        }
    }
    if said.result_of("tools/list") {
        let tools = said.message.result().get("tools").and_then(Value::as_array);
        let mut supports = tools.into_iter().flatten().filter_map(|t| t.pointer("/execution/taskSupport"));
        if supports.next().is_some() {
            held.push("tasks.tool.tasksupport-values");
        }
    }
    if said.result_of("tasks/result") && said.task.and_then(|t| c.tasks.get(t)).is_some_and(|t| !t.creations.is_empty())
    {
        held.push("tasks.result.shape-matches-request");
    }
    let seen = place(c, index, said);
    if let Some(place) = seen.filter(|_| !whole_broken(seen, broken)) {
        held.push(whole(place));
        held.extend(["tasks.id.string", "tasks.status.enum"]);
        if place == Place::Got {
            held.push("tasks.ttl.actual-in-get");
        }
    }
    for requirement in held {
        if !broken.contains(&requirement) {
            notes.held(requirement, index);
        }
    }
}

fn whole_broken(place: Option<Place>, broken: &[&'static str]) -> bool {
    place.is_some_and(|p| broken.contains(&whole(p)))
}

/// Where a message has Task objects: by what it is, or by what was found in it.
fn place(c: &Conversation, index: usize, said: &Said) -> Option<Place> {
    if said.result_of("tasks/get") {
        return Some(Place::Got);
    }
    if said.result_of("tasks/cancel") {
        return Some(Place::Cancelled);
    }
    if said.notifies("notifications/tasks/status") {
        return Some(Place::Notified);
    }
    if said.result_of("tasks/list") {
        let some = said.message.result().get("tasks").and_then(Value::as_array).is_some_and(|t| !t.is_empty());
        return some.then_some(Place::Listed);
    }
    let asked = c.request_of(said).is_some_and(|r| methods::asks_for_task(r.message.params()));
    if asked && said.is_result() && said.message.result().get("task").is_some_and(Value::is_object) {
        return Some(Place::Created);
    }
    let task = c.task_of(said)?;
    task.sightings.iter().find(|s| s.message == index).map(|s| s.place)
}

/// The requirement that a Task in that place is whole.
fn whole(place: Place) -> &'static str {
    match place {
        Place::Created => "tasks.create.returns-create-task-result",
        Place::Got => "tasks.get.result-is-flat-task",
        Place::Listed => "tasks.list.result-shape",
        Place::Cancelled => "tasks.cancel.result-is-flat-task",
        Place::Notified => "tasks.notify.full-task",
    }
}

/// Each violation with its requirement.
fn attributed<'v>(
    c: &Conversation,
    index: usize,
    said: &Said,
    violations: &'v [Violation],
) -> Vec<(&'static str, &'v Violation)> {
    let place = if said.revision == Revision::V2025_11_25 { place(c, index, said) } else { None };
    // an object that lacks nearly everything is one fault: it is no Task
    let lacking = violations.iter().filter(|v| v.keyword == "required" && in_task(v, place)).count();
    violations
        .iter()
        .map(|v| {
            let known = v.requirement.filter(|id| Catalogue::of(said.revision).get(id).is_some());
            let id = known
                .or_else(|| envelope(said, v))
                .or_else(|| place.filter(|_| in_task(v, Some(Place::Got))).and_then(|p| of_task(p, v, lacking)))
                .or_else(|| payload(said, v))
                .or_else(|| shapes::owner(said, v))
                .unwrap_or_else(|| {
                    let payload = "lifecycle.version.respect-negotiated";
                    let exists = Catalogue::of(said.revision).get(payload).is_some();
                    if exists && in_payload(v) { payload } else { "base.jsonrpc.conforms" }
                });
            (id, v)
        })
        .collect()
}

fn in_payload(v: &Violation) -> bool {
    v.instance_pointer.starts_with("/params") || v.instance_pointer.starts_with("/result") || lacks(v, "params")
}

fn lacks(v: &Violation, member: &str) -> bool {
    v.keyword == "required" && v.expected.contains(&format!("`{member}`"))
}

fn in_task(v: &Violation, place: Option<Place>) -> bool {
    place.is_some() && (v.instance_pointer.starts_with("/result") || v.instance_pointer.starts_with("/params"))
}

fn envelope(said: &Said, v: &Violation) -> Option<&'static str> {
    let pointer = v.instance_pointer.as_str();
    match said.message.kind() {
        Kind::Request { .. } if pointer == "/id" => {
            let null = said.message.value().get("id").is_some_and(Value::is_null);
            Some(if null { "base.request.id-not-null" } else { "base.request.id-present" })
        }
        Kind::Notification { .. } if pointer.is_empty() && lacks(v, "id") => Some("base.request.id-present"),
        Kind::Result { .. } if pointer == "/result" && v.keyword == "type" => {
            let has = Catalogue::of(said.revision).get("base.result.has-result").is_some();
            has.then_some("base.result.has-result")
        }
        Kind::Result { .. } if pointer == "/id" || pointer.is_empty() && lacks(v, "id") => Some("base.result.same-id"),
        Kind::Error { .. } if pointer == "/id" || pointer.is_empty() && lacks(v, "id") => Some("base.error.same-id"),
        Kind::Error { .. } if pointer == "/error/code" => Some("base.error.code-integer"),
        Kind::Error { .. } if pointer == "/error" || pointer == "/error/message" => Some("base.error.code-and-message"),
        _ => None,
    }
}

fn of_task(place: Place, v: &Violation, lacking: usize) -> Option<&'static str> {
    let last = v.instance_pointer.rsplit('/').next().unwrap_or_default();
    // the list itself, and not one of its tasks
    let inside = place != Place::Listed || v.instance_pointer.matches('/').count() >= 3;
    if v.keyword == "required" && inside {
        if lacking > 1 {
            return Some(whole(place));
        }
        return Some(match () {
            () if lacks(v, "createdAt") => "tasks.time.created-at",
            () if lacks(v, "lastUpdatedAt") => "tasks.time.last-updated-at",
            () if lacks(v, "ttl") && place == Place::Got => "tasks.ttl.actual-in-get",
            () => whole(place),
        });
    }
    Some(match last {
        "taskId" => "tasks.id.string",
        "status" => "tasks.status.enum",
        "createdAt" => "tasks.time.created-at",
        "lastUpdatedAt" => "tasks.time.last-updated-at",
        "ttl" if place == Place::Got => "tasks.ttl.actual-in-get",
        _ => whole(place),
    })
}

fn payload(said: &Said, v: &Violation) -> Option<&'static str> {
    let pointer = v.instance_pointer.as_str();
    if said.revision == Revision::V2025_11_25 {
        if pointer.starts_with("/params/capabilities/tasks") || pointer.starts_with("/result/capabilities/tasks") {
            return Some("tasks.capability.leaf-is-object");
        }
        if pointer.ends_with("/execution/taskSupport") {
            return Some("tasks.tool.tasksupport-values");
        }
        if said.result_of("tasks/list") {
            return Some("tasks.list.result-shape");
        }
    }
    if said.requests("initialize") {
        return Some("lifecycle.init.client-sends-initialize");
    }
    if said.result_of("initialize") {
        return Some("lifecycle.init.server-responds");
    }
    None
}
