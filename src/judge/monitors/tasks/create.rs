//! Tasks: how a task comes to be.

use crate::conversation::{Said, Sort};
use crate::judge::monitor::{Monitor, Notes, Scene};
use crate::wire::{Id, Party};
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// The rules of creation.
#[derive(Debug, Default)]
pub struct Create {
    /// By receiver (and session, where it is a client): the ids it gave.
    given: HashMap<(Party, Option<usize>), HashSet<String>>,
    /// Tools that were listed as unable to run as a task, by session.
    plain_tools: HashSet<(usize, String)>,
}

impl Monitor for Create {
    fn requirements(&self) -> &'static [&'static str] {
        &[
            "tasks.create.initial-status-working",
            "tasks.create.model-immediate-response-string",
            "tasks.create.no-inline-result",
            "tasks.create.returns-create-task-result",
            "tasks.id.receiver-generated",
            "tasks.id.unique",
        ]
    }

    fn said(&mut self, scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
        if said.result_of("tools/list") {
            let tools = said.message.result().get("tools").and_then(Value::as_array);
            for tool in tools.into_iter().flatten() {
                let support = tool.pointer("/execution/taskSupport").and_then(Value::as_str);
                if let Some(name) = tool.get("name").and_then(Value::as_str)
                    && !matches!(support, Some("optional" | "required"))
                {
                    self.plain_tools.insert((said.session, name.to_owned()));
                }
            }
        }
        if !said.is_result() || said.answers.is_none() || said.redelivers.is_some() {
            return;
        }
        let Some(request) = scene.c.request_of(said) else { return };
        let result = said.message.result();
        let task = result.get("task").filter(|t| t.is_object());
        if said.augmented {
            let name = request.message.params().get("name").and_then(Value::as_str).unwrap_or_default();
            let refusable = self.plain_tools.contains(&(said.session, name.to_owned()));
            if !refusable && task.is_none() {
                notes.broken(
                    "tasks.create.returns-create-task-result",
                    index,
                    "/result",
                    "a CreateTaskResult with `task`, because the request was accepted as a task",
                    "a result without `task`",
                );
            }
        }
        let Some(task) = task.filter(|_| request.message.params().get("task").is_some()) else { return };
        self.created(scene, index, said, task, notes);
    }
}

impl Create {
    fn created(&mut self, scene: &Scene<'_>, index: usize, said: &Said, task: &Value, notes: &mut Notes<'_>) {
        let Some(request) = scene.c.request_of(said) else { return };
        let members: &[&str] = match request.method.as_deref() {
            Some("tools/call") => &["content", "structuredContent", "isError"],
            Some("sampling/createMessage") => &["content", "role", "model", "stopReason"],
            _ => &["action", "content"],
        };
        let inline = members.iter().find(|m| said.message.result().get(**m).is_some());
        let id = "tasks.create.no-inline-result";
        match inline {
            Some(member) => {
                let found = format!("`{member}` beside `task`");
                notes.broken(id, index, &format!("/result/{member}"), "the task alone, its result later", found);
            }
            None => {
                notes.held(id, index);
            }
        }
        match task.get("status").and_then(Value::as_str) {
            Some("working") => {
                notes.held("tasks.create.initial-status-working", index);
            }
            Some(status @ ("input_required" | "completed" | "failed" | "cancelled")) => {
                let id = "tasks.create.initial-status-working";
                notes.broken(id, index, "/result/task/status", "`working`", format!("`{status}`"));
            }
            _ => {}
        }
        let immediate = "/result/_meta/io.modelcontextprotocol~1model-immediate-response";
        if let Some(value) = said.message.value().pointer(immediate) {
            let id = "tasks.create.model-immediate-response-string";
            notes.either(value.is_string(), id, index, immediate, "a text", format!("`{value}`"));
        }
        let Some(name) = task.get("taskId").and_then(Value::as_str) else { return };
        self.unique(scene, index, said, name, notes);
        let params = request.message.params();
        let offered: Vec<&str> = [params.pointer("/task/taskId"), params.pointer("/task/id"), params.get("taskId")]
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .chain(request.related_task_id())
            .collect();
        if !offered.is_empty() {
            notes.either(
                !offered.contains(&name),
                "tasks.id.receiver-generated",
                index,
                "/result/task/taskId",
                "an id that the receiver made",
                "the id that the request brought",
            );
        }
    }

    fn unique(&mut self, scene: &Scene<'_>, index: usize, said: &Said, name: &str, notes: &mut Notes<'_>) {
        let (past, scope) = (&scene.c.past, scene.c.tasks_of(said.from, said.session));
        let given = self.given.entry((said.from, (said.from == Party::Client).then_some(said.session))).or_default();
        let others = !given.is_empty() || past.any(Sort::Created, scope, said.event);
        let gone = past.has(Sort::Created, scope, &Id::Text(name.to_owned()));
        if !given.insert(name.to_owned()) || gone {
            let expected = "an id that no other task has";
            notes.broken("tasks.id.unique", index, "/result/task/taskId", expected, "the id of an earlier task");
        } else if others {
            notes.held("tasks.id.unique", index);
        }
    }
}
