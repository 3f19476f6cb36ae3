//! Tasks: a task ends with what the same request gives without one.

use crate::conversation::{RELATED_TASK, Said};
use crate::judge::monitor::{Monitor, Notes, Scene};
use serde_json::Value;
use std::collections::HashSet;

/// Compares the result of a task with those of plain calls of the same tool with the same arguments, one before and one after
/// it. Only if these agree is the tool one that gives the same each time.
#[derive(Debug, Default)]
pub struct Same {
    /// Tools that were listed as able to run both ways, by session.
    either_way: HashSet<(usize, String)>,
}

const ID: &str = "tasks.result.identical-to-underlying";

impl Monitor for Same {
    fn requirements(&self) -> &'static [&'static str] {
        &[ID]
    }

    fn said(&mut self, _: &Scene<'_>, _: usize, said: &Said, _: &mut Notes<'_>) {
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
            let Some(plain) = given_plainly(scene, created, request) else { continue };
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
        let name = call.message.params().get("name").and_then(Value::as_str).unwrap_or_default();
        self.either_way.contains(&(call.session, name.to_owned()))
    }
}

/// What plain calls like this one gave, if there was one before and one after it and all gave the same.
fn given_plainly(scene: &Scene<'_>, created: usize, request: &Said) -> Option<Value> {
    let asked =
        |said: &Said| (said.message.params().get("name").cloned(), said.message.params().get("arguments").cloned());
    let wanted = asked(request);
    let (mut before, mut after, mut given) = (false, false, None);
    for (index, call) in scene.c.iter() {
        let alike = call.requests("tools/call")
            && call.session == request.session
            && call.message.params().get("task").is_none()
            && asked(call) == wanted;
        if !alike {
            continue;
        }
        let answer = call.answered_by.first().and_then(|a| scene.c.get(*a)).filter(|a| a.is_result())?;
        let essence = essence(answer.message.result());
        if given.as_ref().is_some_and(|other| *other != essence) {
            return None;
        }
        given = Some(essence);
        before |= index < created;
        after |= index > created;
    }
    given.filter(|_| before && after)
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
