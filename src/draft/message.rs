//! What a step asserts of a recorded message: what the specification and the fixture decide, and not what each server words
//! in its own way. What the harness said itself is written in full: it has to be said again.

use super::names::{Names, path};
use super::value::{any, at, blocks, literal, object, related, said, type_of};
use crate::conversation::Said;
use crate::scenario::pattern::{Pattern, Shape, Type};
use crate::spec::methods;
use crate::wire::Party;
use serde_json::Value;
use std::collections::BTreeSet;

/// What was used of the lists of a server: tools that were called, resources that were read, and so on, by name.
pub(super) type Used = BTreeSet<String>;

/// What may be asserted of the `params` of a request or notification; `None` where nothing is. `request` is the label of the
/// request that a cancellation names.
pub(super) fn params(
    said_: &Said,
    method: &str,
    request: Option<&str>,
    ours: Option<Party>,
    names: &mut Names,
) -> Option<Pattern> {
    let (from, params) = (said_.from, said_.message.params());
    let mut members: Vec<(&str, Pattern)> = Vec::new();
    match (from, method) {
        (Party::Client, "tools/call" | "prompts/get") => {
            members.extend(params.get("name").map(|name| ("name", said(name, from, names))));
            if let Some(arguments) = params.get("arguments") {
                let written = said(arguments, from, names);
                let whole = matches!(arguments, Value::Object(all) if !all.is_empty());
                let written = if whole { names.give("arguments", arguments, written) } else { written };
                members.push(("arguments", written));
            }
            members.extend(params.get("task").map(|task| ("task", said(task, from, names))));
        }
        (Party::Server, "elicitation/create") if ours != Some(Party::Server) => {
            if params.get("mode").and_then(Value::as_str) == Some("url") {
                members.push(("mode", literal("url")));
                members.push(("url", any(Type::String)));
                if let Some(Value::String(id)) = params.get("elicitationId") {
                    let name = names.bind(id, "elicitation");
                    members.push(("elicitationId", at(Shape::Name(path(&name)))));
                }
            }
            if let Some(Value::Object(fields)) = params.pointer("/requestedSchema/properties") {
                let fields = fields.iter().map(|(name, field)| (name.as_str(), typed(field))).collect();
                members.push(("requestedSchema", object(vec![("properties", object(fields))])));
            }
            members.extend(params.get("task").map(|_| ("task", object(Vec::new()))));
        }
        (Party::Server, "sampling/createMessage") if ours != Some(Party::Server) => {
            members.push(("messages", any(Type::Array)));
            members.push(("maxTokens", at(Shape::Integer { min: None, max: None })));
            members.extend(params.get("tools").map(|tools| ("tools", any(type_of(tools)))));
            members.extend(params.get("task").map(|_| ("task", object(Vec::new()))));
        }
        (_, "notifications/cancelled") => {
            let asked = request.map(|label| {
                let mut path = path(label);
                path.members.push("id".into());
                at(Shape::Name(path))
            });
            members.extend(asked.map(|id| ("requestId", id)));
            let reason = params.get("reason").filter(|_| from == Party::Client || ours == Some(from));
            members.extend(reason.map(|reason| ("reason", said(reason, from, names))));
        }
        _ => {
            // what cannot be a task is not asked for as one, whatever stands there
            let as_task = methods::find(said_.revision, method).is_some_and(|m| m.augmentable.is_some());
            let known = params.as_object().into_iter().flatten();
            for (name, value) in known.filter(|(name, _)| *name != "_meta" && (*name != "task" || as_task)) {
                members.push((name.as_str(), said(value, from, names)));
            }
        }
    }
    members.extend(related(params, from, names).map(|meta| ("_meta", meta)));
    (!members.is_empty()).then(|| object(members))
}

/// A field of a form, by its type.
fn typed(field: &Value) -> Pattern {
    object(field.get("type").and_then(Value::as_str).map(|of| ("type", literal(of))).into_iter().collect())
}

/// What is asserted of an error.
pub(super) fn error(said_: &Said, ours: Option<Party>, names: &Names) -> Pattern {
    let error = said_.message.error();
    let code = error.get("code").filter(|code| code.is_i64());
    let mut members = vec![("code", code.map_or_else(|| at(Shape::Any), |code| literal(code.clone())))];
    if ours == Some(said_.from) {
        members.extend(error.get("message").map(|message| ("message", said(message, said_.from, names))));
    }
    object(members)
}

/// What is asserted of a result. `method` is that of the request whose result it is: of `tasks/result`, that of the request
/// that made the task.
pub(super) fn result(said_: &Said, method: &str, used: &Used, names: &mut Names) -> Pattern {
    let (from, result) = (said_.from, said_.message.result());
    let mut members: Vec<(&str, Pattern)> = Vec::new();
    if let Some(Value::Object(task)) = result.get("task") {
        // its id is bound here
        if let Some(id) = task.get("taskId").and_then(Value::as_str)
            && names.of(id).is_none()
        {
            names.bind(id, "task");
        }
        members.push(("task", task_of(result.get("task").unwrap_or(&Value::Null), from, names)));
        return object(members);
    }
    match method {
        "tools/call" => {
            members.extend(result.get("content").map(|content| ("content", blocks(content, from, names))));
            for name in ["structuredContent", "isError"] {
                let value = result.get(name).filter(|value| **value != Value::Bool(false));
                members.extend(value.map(|value| (name, said(value, from, names))));
            }
        }
        "prompts/get" => {
            let messages = result.get("messages").and_then(Value::as_array).into_iter().flatten();
            let message = |message: &Value| {
                let role = message.get("role").map(|role| ("role", said(role, from, names)));
                let content = message.get("content").map(|content| ("content", blocks(content, from, names)));
                object(role.into_iter().chain(content).collect())
            };
            members.push(("messages", at(Shape::Array(messages.map(message).collect()))));
        }
        "resources/read" => {
            members.extend(result.get("contents").map(|contents| ("contents", blocks(contents, from, names))));
        }
        "sampling/createMessage" => {
            for name in ["role", "model", "stopReason"] {
                members.extend(result.get(name).map(|value| (name, said(value, from, names))));
            }
            members.extend(result.get("content").map(|content| ("content", blocks(content, from, names))));
        }
        "elicitation/create" => {
            members.extend(result.get("action").map(|action| ("action", said(action, from, names))));
            if let Some(content) = result.get("content") {
                let written = said(content, from, names);
                let whole = matches!(content, Value::Object(all) if !all.is_empty());
                let written = if whole { names.give("answer", content, written) } else { written };
                members.push(("content", written));
            }
        }
        "tasks/get" | "tasks/cancel" => {
            for name in ["taskId", "status"] {
                members.extend(result.get(name).map(|value| (name, said(value, from, names))));
            }
        }
        "completion/complete" => {
            let values = result.pointer("/completion/values");
            let values = values.map(|values| object(vec![("values", said(values, from, names))]));
            members.extend(values.map(|completion| ("completion", completion)));
        }
        _ => match page(method) {
            Some((list, key)) if from == Party::Server => {
                members.push((list, listed(result.get(list), key, used, names)));
                if let Some(Value::String(cursor)) = result.get("nextCursor") {
                    let name = names.bind(cursor, "cursor");
                    members.push(("nextCursor", at(Shape::Name(path(&name)))));
                }
            }
            _ => {
                for (name, value) in result.as_object().into_iter().flatten().filter(|(name, _)| *name != "_meta") {
                    members.push((name.as_str(), said(value, from, names)));
                }
            }
        },
    }
    members.extend(related(result, from, names).map(|meta| ("_meta", meta)));
    object(members)
}

/// The member of a list's result that holds the page, and what tells its entries apart.
pub(super) fn page(method: &str) -> Option<(&'static str, &'static str)> {
    Some(match method {
        "tools/list" => ("tools", "name"),
        "prompts/list" => ("prompts", "name"),
        "resources/list" => ("resources", "uri"),
        "resources/templates/list" => ("resourceTemplates", "uriTemplate"),
        "tasks/list" => ("tasks", "taskId"),
        _ => return None,
    })
}

/// A list has in it what was used of it.
fn listed(page: Option<&Value>, key: &'static str, used: &Used, names: &Names) -> Pattern {
    let entries = page.and_then(Value::as_array).into_iter().flatten().filter_map(|entry| entry.get(key));
    let wanted = entries.filter(|entry| {
        let text = entry.as_str().unwrap_or_default();
        used.contains(text) || names.of(text).is_some()
    });
    let entries: Vec<Pattern> = wanted.map(|entry| object(vec![(key, said(entry, Party::Server, names))])).collect();
    if entries.is_empty() { any(Type::Array) } else { at(Shape::Contains(entries)) }
}

/// A task as its receiver shows it.
fn task_of(task: &Value, from: Party, names: &Names) -> Pattern {
    let mut members = Vec::new();
    for name in ["taskId", "status"] {
        members.extend(task.get(name).map(|value| (name, said(value, from, names))));
    }
    for name in ["createdAt", "lastUpdatedAt"] {
        members.extend(task.get(name).map(|_| (name, at(Shape::Timestamp))));
    }
    object(members)
}
