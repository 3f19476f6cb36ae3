//! A message in a few words: its method, its id, and what tells it from others of its kind.

use super::text::{escape, short};
use crate::spec::methods::RELATED_TASK;
use crate::wire::{Id, Kind, Message};
use serde_json::Value;

/// Columns for one text of a peer inside a line.
const TEXT: usize = 40;

/// A task id, cut so that a line can hold it and two of them can still be told apart.
#[must_use]
pub(crate) fn task_name(id: &str) -> String {
    if id.chars().count() <= 12 {
        escape(id)
    } else {
        format!("{}…", escape(&id.chars().take(8).collect::<String>()))
    }
}

fn id_text(id: Option<&Id>) -> String {
    id.map_or_else(|| "without id".into(), |id| format!("#{}", short(&id.to_string(), 14)))
}

/// Words about a message. `method` is that of the request it answers, where that is known.
#[must_use]
pub(crate) fn label(message: &Message, method: Option<&str>) -> String {
    let of = |id: Option<&Id>| match method {
        Some(method) => format!("{} of {}", id_text(id), short(method, TEXT)),
        None => format!("{}, of no known request", id_text(id)),
    };
    let (head, facts) = match message.kind() {
        Kind::Request { id, method } => (format!("{} {}", short(method, TEXT), id_text(Some(id))), facts(message)),
        Kind::Notification { method } => (short(method, TEXT), facts(message)),
        Kind::Result { id } => (format!("result {}", of(id.as_ref())), facts(message)),
        Kind::Error { id } => (format!("error {}", of(id.as_ref())), facts(message)),
        Kind::Batch => {
            let items = message.value().as_array().map_or(0, Vec::len);
            (format!("batch of {items}"), String::new())
        }
        Kind::Malformed(why) => (format!("no message: {}", short(why, 80)), String::new()),
        Kind::Unreadable(error) => (format!("unreadable: {}", short(&error.to_string(), 80)), String::new()),
    };
    if facts.is_empty() { head } else { format!("{head}  {facts}") }
}

/// What tells a message from others of its method: names, tasks, status, errors. Empty where there is nothing of the kind.
#[must_use]
pub(crate) fn facts(message: &Message) -> String {
    let mut said = Vec::new();
    match message.kind() {
        Kind::Request { .. } | Kind::Notification { .. } => of_params(message.params(), &mut said),
        Kind::Result { .. } => of_result(message.result(), &mut said),
        Kind::Error { .. } => {
            let error = message.error();
            let code = error.get("code").map_or_else(|| "without code".into(), |c| short(&c.to_string(), 14));
            said.push(code);
            if let Some(text) = error.get("message").and_then(Value::as_str) {
                said.push(quoted(text));
            }
            if message.value().get("result").is_some() {
                said.push("and a result too".into());
            }
        }
        _ => {}
    }
    said.join(", ")
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", short(text, TEXT))
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(s) => short(s, TEXT),
        other => short(&other.to_string(), TEXT),
    }
}

fn of_params(params: &Value, said: &mut Vec<String>) {
    for member in ["protocolVersion", "name", "uri", "level", "mode"] {
        if let Some(value) = params.get(member) {
            said.push(plain(value));
        }
    }
    of_task(params, said);
    if let Some(task) = params.get("task") {
        match task.get("ttl") {
            Some(ttl) => said.push(format!("as a task, ttl {}", plain(ttl))),
            None => said.push("as a task".into()),
        }
    }
    if let (Some(requested), None) = (params.get("requestId"), params.get("taskId")) {
        said.push(format!("request {}", plain(requested)));
    }
    if let Some(progress) = params.get("progress") {
        said.push(format!("progress {}", plain(progress)));
    }
    if let Some(cursor) = params.get("cursor") {
        said.push(format!("cursor {}", plain(cursor)));
    }
    if let Some(text) = params.get("message").and_then(Value::as_str) {
        said.push(quoted(text));
    }
    of_related(params, said);
}

fn of_result(result: &Value, said: &mut Vec<String>) {
    if let Some(kind) = result.get("resultType").and_then(Value::as_str) {
        said.push(short(kind, TEXT));
    }
    if let Some(version) = result.get("protocolVersion") {
        said.push(plain(version));
    }
    if let Some(task) = result.get("task") {
        of_task(task, said);
    }
    of_task(result, said);
    if let Some(action) = result.get("action") {
        said.push(plain(action));
    }
    if result.get("isError") == Some(&Value::Bool(true)) {
        said.push("isError".into());
    }
    if let Some(text) = result.pointer("/content/0/text").and_then(Value::as_str) {
        said.push(quoted(text));
    }
    for member in ["tools", "resources", "resourceTemplates", "prompts", "contents", "messages", "roots", "tasks"] {
        if let Some(items) = result.get(member).and_then(Value::as_array) {
            said.push(format!("{} {member}", items.len()));
        }
    }
    if result.get("nextCursor").is_some() {
        said.push("and more".into());
    }
    of_related(result, said);
}

fn of_task(holder: &Value, said: &mut Vec<String>) {
    if let Some(id) = holder.get("taskId").and_then(Value::as_str) {
        said.push(format!("task {}", task_name(id)));
    }
    if let Some(status) = holder.get("status") {
        said.push(plain(status));
    }
}

fn of_related(holder: &Value, said: &mut Vec<String>) {
    let related = holder.get("_meta").and_then(|meta| meta.get(RELATED_TASK)).and_then(|task| task.get("taskId"));
    if let Some(id) = related.and_then(Value::as_str) {
        said.push(format!("for task {}", task_name(id)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(value: &Value, method: Option<&str>) -> String {
        label(&Message::of(value), method)
    }

    #[test]
    fn a_message_is_said_in_a_few_words() {
        let id = "1f3a5c7e-aaaa-bbbb-cccc-000000000000";
        let call = json!({"id": 2, "method": "tools/call", "params": {"name": "t", "task": {"ttl": 60000}}});
        assert_eq!(of(&call, None), "tools/call #2  t, as a task, ttl 60000");
        let created = json!({"id": 2, "result": {"task": {"taskId": id, "status": "working"}}});
        assert_eq!(of(&created, Some("tools/call")), "result #2 of tools/call  task 1f3a5c7e…, working");
        let refused = json!({"id": 3, "error": {"code": -32601, "message": "Method\u{1b}[31m not found"}});
        assert_eq!(of(&refused, None), "error #3, of no known request  -32601, \"Method\\u{1b}[31m not found\"");
        let said = json!({"id": "q", "result": {"isError": true, "content": [{"type": "text", "text": "no"}]}});
        assert_eq!(of(&said, Some("tools/call")), "result #\"q\" of tools/call  isError, \"no\"");
        let meta = json!({"id": 1, "result": {"action": "accept", "_meta": {RELATED_TASK: {"taskId": "t"}}}});
        assert_eq!(of(&meta, Some("elicitation/create")), "result #1 of elicitation/create  accept, for task t");
        assert_eq!(of(&json!([1, 2]), None), "batch of 2");
        assert_eq!(
            of(&json!({"method": "notifications/cancelled", "params": {"requestId": 4}}), None),
            "notifications/cancelled  request 4"
        );
    }
}
