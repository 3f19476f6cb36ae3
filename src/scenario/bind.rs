//! A server that is no fixture: another tool in the place of the one a file needs, and what the user knows of it.

use super::model::{Action, Doing, Needed, Scenario, Step, StepBody, Verb};
use super::parse::pattern_of;
use super::pattern::{Pattern, Shape};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What a user says of a tool that stands for one of the fixture's.
#[derive(Debug, Clone, PartialEq)]
pub struct Bind {
    /// The tool that is called instead; nothing else is ever called.
    pub tool: String,
    /// What replaces values of `given`: `arguments`, `answer`, `text` and so on.
    pub given: Vec<(String, Pattern)>,
}

impl Bind {
    /// From a table of `harness.toml`: `tool = ".."`, and any values of `given`, with patterns in their texts.
    ///
    /// # Errors
    /// When there is no `tool`, or a value is no pattern; says which.
    pub fn from_json(table: &Map<String, Value>) -> Result<Bind, String> {
        let tool = match table.get("tool") {
            Some(Value::String(tool)) if !tool.is_empty() => tool.clone(),
            Some(_) => return Err("`tool` must be the name of a tool".to_owned()),
            None => return Err("`tool` is missing: the name of the tool to call instead".to_owned()),
        };
        let given = table
            .iter()
            .filter(|(name, _)| *name != "tool")
            .map(|(name, value)| pattern_of(value).map(|p| (name.clone(), p)).map_err(|e| format!("`{name}`: {e}")))
            .collect::<Result<_, _>>()?;
        Ok(Bind { tool, given })
    }
}

impl Scenario {
    /// The tools it needs, by the names they have in this case.
    #[must_use]
    pub fn tools(&self) -> Vec<String> {
        let mut tools: Vec<String> = Vec::new();
        for need in &self.needs {
            if let Needed::Tool(pattern) = &need.what
                && let Some(name) = self.text_of(pattern)
                && !tools.contains(&name)
            {
                tools.push(name);
            }
        }
        tools
    }

    fn text_of(&self, pattern: &Pattern) -> Option<String> {
        match &pattern.shape {
            Shape::Literal(Value::String(name)) => Some(name.clone()),
            Shape::Name(path) if path.members.is_empty() => {
                let (_, value) = self.given.iter().rev().find(|(n, _)| *n == path.name)?;
                match &value.shape {
                    Shape::Literal(Value::String(name)) => Some(name.clone()),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// Puts other tools in the place of those it needs: their names wherever they stand, and the user's values in the place
    /// of those in `given`. Gives the names of values that the file does not have, and that therefore change nothing.
    pub fn bind(&mut self, binds: &BTreeMap<String, Bind>) -> Vec<String> {
        let mut unused = Vec::new();
        for tool in self.tools() {
            let Some(bind) = binds.get(&tool) else { continue };
            let mut rename = |p: &mut Pattern| rename(p, &tool, &bind.tool);
            self.given.iter_mut().for_each(|(_, p)| rename(p));
            for need in &mut self.needs {
                if let Needed::Tool(p) = &mut need.what {
                    rename(p);
                }
            }
            for action in &mut self.drive {
                in_action(action, &mut rename);
            }
            in_steps(&mut self.exchange, &mut rename);
            for (name, value) in &bind.given {
                let mut there = false;
                for (_, old) in self.given.iter_mut().filter(|(n, _)| n == name) {
                    *old = value.clone();
                    there = true;
                }
                if !there && !unused.contains(name) {
                    unused.push(name.clone());
                }
            }
        }
        unused
    }
}

fn in_action(action: &mut Action, f: &mut dyn FnMut(&mut Pattern)) {
    if let Doing::List { method, .. } | Doing::ListEverything { method } = &mut action.what {
        f(method);
    }
}

/// Every pattern of every step.
fn in_steps(steps: &mut [Step], f: &mut dyn FnMut(&mut Pattern)) {
    for step in steps {
        match &mut step.body {
            StepBody::Act(act) => {
                let p = &mut act.payload;
                p.params.iter_mut().chain(&mut p.result).chain(&mut p.error).for_each(&mut *f);
                if let Some(http) = &mut act.http {
                    let all = http.status.iter_mut().chain(&mut http.headers).chain(&mut http.body);
                    all.chain(&mut http.last_id).chain(&mut http.retry).for_each(&mut *f);
                }
                if let Verb::Sends { bytes } = &mut act.verb {
                    f(bytes);
                }
            }
            StepBody::May { steps, .. } => in_steps(steps, f),
            StepBody::Choose { branches, .. } | StepBody::Par { branches } => {
                branches.iter_mut().for_each(|b| in_steps(b, f))
            }
            StepBody::Loop(l) => {
                in_steps(&mut l.steps, f);
                for p in l.while_.iter_mut().chain(&mut l.ends_with) {
                    p.params.iter_mut().chain(&mut p.result).chain(&mut p.error).for_each(&mut *f);
                }
                l.carry.iter_mut().for_each(|(_, p)| f(p));
            }
            StepBody::During { steps, never } => {
                in_steps(steps, f);
                in_steps(never, f);
            }
            StepBody::Needs { conditions, because } => {
                conditions.iter_mut().for_each(|(_, p)| f(p));
                f(because);
            }
        }
    }
}

/// A text that is the name of the one tool becomes the name of the other.
fn rename(pattern: &mut Pattern, from: &str, to: &str) {
    match &mut pattern.shape {
        Shape::Literal(Value::String(text)) if text == from => to.clone_into(text),
        Shape::Object(members) => {
            for member in members {
                rename(&mut member.name, from, to);
                rename(&mut member.value, from, to);
            }
        }
        Shape::Array(all) | Shape::OneOf(all) | Shape::Contains(all) | Shape::Overlay(all) => {
            all.iter_mut().for_each(|p| rename(p, from, to));
        }
        Shape::Each(inner) => rename(inner, from, to),
        _ => {}
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::scenario::files::embedded;
    use serde_json::json;

    fn bind(value: Value) -> Result<Bind, String> {
        Bind::from_json(value.as_object().unwrap())
    }

    #[test]
    fn another_tool_takes_the_place_of_the_fixtures() {
        let mut scenario = embedded().scenarios.into_iter().find(|s| s.id == "tasks/question-in-a-task").unwrap();
        assert_eq!(scenario.tools(), ["test_task_elicitation"]);
        let mine = bind(json!({
            "tool": "simulate-research-query",
            "arguments": { "topic": "python", "ambiguous": true },
            "answer": { "interpretation": "snake" },
            "text": "<string>",
            "colour": "red",
        }))
        .unwrap();
        let unused = scenario.bind(&BTreeMap::from([("test_task_elicitation".to_owned(), mine)]));
        assert_eq!(unused, ["colour"]);
        assert_eq!(scenario.tools(), ["simulate-research-query"]);
        let text = format!("{:?} {:?}", scenario.given, scenario.exchange);
        assert!(!text.contains("test_task_elicitation"));
        let given =
            |name: &str| crate::scenario::spelling::pattern(&scenario.given.iter().find(|(n, _)| n == name).unwrap().1);
        assert_eq!(given("arguments"), "{ topic: python, ambiguous: true }");
        assert_eq!(given("text"), "<string>");
    }

    #[test]
    fn a_literal_name_is_replaced_in_the_steps_too() {
        let mut scenario =
            embedded().scenarios.into_iter().find(|s| s.id == "tasks/ttl-expires#by-the-server").unwrap();
        scenario.bind(&BTreeMap::from([("test_task_optional".to_owned(), bind(json!({ "tool": "mine" })).unwrap())]));
        let text = format!("{:?} {:?} {:?}", scenario.needs, scenario.given, scenario.exchange);
        assert!(text.contains("\"mine\"") && !text.contains("test_task_optional"), "{text}");
    }

    #[test]
    fn what_is_wrong_with_a_bind_is_said() {
        for (value, part) in [
            (json!({}), "`tool` is missing"),
            (json!({ "tool": 5 }), "`tool` must be"),
            (json!({ "tool": "x", "text": "<strong>" }), "`text`: there is no pattern `<strong>`"),
        ] {
            let error = bind(value).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
