//! Tasks: a task ends with what the same request gives without one.

use crate::conversation::{RELATED_TASK, Said};
use crate::judge::monitor::{Monitor, Notes, Scene};
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// Compares the result of a task with those of plain calls of the same tool with the same arguments, one before and one after
/// it. Only if these agree is the tool one that gives the same each time.
#[derive(Debug, Default)]
pub struct Same {
    /// Tools that were listed as able to run both ways, by session.
    either_way: HashSet<(usize, String)>,
    /// The plain calls.
    plain: HashMap<Asked, Vec<usize>>,
}

/// What a call asks for.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Asked {
    session: usize,
    tool: String,
    /// As JSON.
    arguments: String,
}

impl Asked {
    fn by(call: &Said) -> Asked {
        let params = call.message.params();
        let tool = params.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let arguments = params.get("arguments").map(Value::to_string).unwrap_or_default();
        Asked { session: call.session, tool, arguments }
    }
}

const ID: &str = "tasks.result.identical-to-underlying";

impl Monitor for Same {
    fn requirements(&self) -> &'static [&'static str] {
        &[ID]
    }

    fn said(&mut self, _: &Scene<'_>, index: usize, said: &Said, _: &mut Notes<'_>) {
        if said.requests("tools/call") && said.message.params().get("task").is_none() {
            self.plain.entry(Asked::by(said)).or_default().push(index);
        }
        if !said.result_of("tools/list") {
            return;
        }
        let tools = said.message.result().get("tools").and_then(Value::as_array);
        for tool in tools.into_iter().flatten() {
            let optional = tool.pointer("/execution/taskSupport").is_some_and(|support| support == "optional");
            if let Some(name) = tool.get("name").and_then(Value::as_str).filter(|_| optional) {
                self.either_way.insert((said.session, name.to_owned()));
            }
        }
    }

    fn end(&mut self, scene: &Scene<'_>, notes: &mut Notes<'_>) {
        for task in &scene.c.tasks {
            let Some((created, request)) = task.created_by().and_then(|i| Some((i, scene.c.get(i)?))) else { continue };
            if !request.requests("tools/call") || !self.is_either_way(request) {
                continue;
            }
            let Some(plain) = self.given_plainly(scene, created, request) else { continue };
            let answers = task.retrievals.iter().filter_map(|r| scene.c.get(*r)).flat_map(|r| &r.answered_by);
            for answer in answers.copied() {
                let Some(said) = scene.c.get(answer).filter(|s| s.is_result() && s.redelivers.is_none()) else {
                    continue;
                };
                compare(answer, &essence(said.message.result()), &plain, notes);
            }
        }
    }
}

impl Same {
    fn is_either_way(&self, call: &Said) -> bool {
        let Asked { session, tool, .. } = Asked::by(call);
        self.either_way.contains(&(session, tool))
    }

    /// What plain calls like this one gave, if there was one before and one after it and all gave the same.
    fn given_plainly(&self, scene: &Scene<'_>, created: usize, request: &Said) -> Option<Value> {
        let calls = self.plain.get(&Asked::by(request))?;
        if !calls.iter().any(|call| *call < created) || !calls.iter().any(|call| *call > created) {
            return None;
        }
        let given = |call: &usize| {
            let answer = scene.c.get(*scene.c.get(*call)?.answered_by.first()?)?;
            answer.is_result().then(|| essence(answer.message.result()))
        };
        let mut all = calls.iter().map(given);
        let first = all.next()??;
        all.all(|other| other.as_ref() == Some(&first)).then_some(first)
    }
}

/// A result without what names its task.
fn essence(result: &Value) -> Value {
    let mut result = result.clone();
    if let Some(meta) = result.get_mut("_meta").and_then(Value::as_object_mut) {
        meta.shift_remove(RELATED_TASK);
    }
    if let Some(object) = result.as_object_mut()
        && object.get("_meta").and_then(Value::as_object).is_some_and(serde_json::Map::is_empty)
    {
        object.shift_remove("_meta");
    }
    result
}

fn compare(answer: usize, ended: &Value, plain: &Value, notes: &mut Notes<'_>) {
    let members = |value: &Value| value.as_object().cloned().unwrap_or_default();
    let (ended, plain) = (members(ended), members(plain));
    let other = ended.keys().chain(plain.keys()).find(|name| ended.get(*name) != plain.get(*name));
    let Some(name) = other else {
        notes.held(ID, answer);
        return;
    };
    let shown = |value: Option<&Value>| value.map_or_else(|| "none".to_owned(), |v| format!("`{v}`"));
    let pointer = if ended.contains_key(name) {
        format!("/result/{}", name.replace('~', "~0").replace('/', "~1"))
    } else {
        "/result".into()
    };
    let expected = format!("the `{name}` of the plain calls, {}", shown(plain.get(name)));
    notes.broken(ID, answer, &pointer, expected, shown(ended.get(name)));
}
