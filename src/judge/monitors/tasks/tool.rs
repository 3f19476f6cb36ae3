//! Tasks: what tools say of themselves with `execution.taskSupport`.

use crate::conversation::Said;
use crate::judge::monitor::{Monitor, Notes, Scene};
use crate::spec::methods;
use crate::wire::Party;
use serde_json::Value;
use std::collections::HashMap;

/// A tool of a session: every listing of it, with the index of the message and what it said.
type Listings = Vec<(usize, Support)>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Support {
    Forbidden,
    Optional,
    Required,
}

/// The rules of `taskSupport`.
#[derive(Debug, Default)]
pub struct Tool {
    listed: HashMap<(usize, String), Listings>,
}

impl Monitor for Tool {
    fn requirements(&self) -> &'static [&'static str] {
        &[
            "tasks.tool.forbidden-error",
            "tasks.tool.no-augment-forbidden",
            "tasks.tool.optional-serves-both",
            "tasks.tool.required-error",
            "tasks.tool.required-must-augment",
        ]
    }

    fn said(&mut self, scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
        if said.result_of("tools/list") {
            let tools = said.message.result().get("tools").and_then(Value::as_array);
            for tool in tools.into_iter().flatten() {
                let Some(name) = tool.get("name").and_then(Value::as_str) else { continue };
                let support = match tool.pointer("/execution/taskSupport").and_then(Value::as_str) {
                    Some("required") => Support::Required,
                    Some("optional") => Support::Optional,
                    _ => Support::Forbidden,
                };
                self.listed.entry((said.session, name.to_owned())).or_default().push((index, support));
            }
        }
        if said.requests("tools/call") {
            self.call(scene, index, said, notes);
        }
        if said.message.is_answer() && said.method.as_deref() == Some("tools/call") && said.redelivers.is_none() {
            self.answer(scene, index, said, notes);
        }
    }
}

impl Tool {
    /// What the tool of a call said of itself, if it always said the same; and whether the caller surely knew.
    fn support(&self, scene: &Scene<'_>, index: usize, call: &Said) -> Option<(Support, bool)> {
        if scene.c.declares(call, Party::Server, "tasks.requests.tools.call") != Some(true) {
            return None;
        }
        let name = call.message.params().get("name").and_then(Value::as_str)?;
        let listings = self.listed.get(&(call.session, name.to_owned()))?;
        let (_, support) = listings.first()?;
        let same = listings.iter().all(|(_, s)| s == support);
        same.then(|| (*support, listings.iter().any(|(list, _)| scene.c.known_when(*list, index))))
    }

    fn call(&self, scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
        let Some((support, true)) = self.support(scene, index, said) else { return };
        let augmented = methods::asks_for_task(said.message.params());
        match support {
            Support::Forbidden => {
                notes.either(
                    !augmented,
                    "tasks.tool.no-augment-forbidden",
                    index,
                    "/params/task",
                    "a plain call, because the tool cannot run as a task",
                    "a `task`",
                );
            }
            Support::Required => {
                notes.either(
                    augmented,
                    "tasks.tool.required-must-augment",
                    index,
                    "/params",
                    "a `task`, because the tool only runs as one",
                    "a plain call",
                );
            }
            Support::Optional => {}
        }
    }

    fn answer(&self, scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
        let Some((asked, call)) = said.answers.and_then(|i| scene.c.get(i).map(|r| (i, r))) else { return };
        let Some((support, _)) = self.support(scene, asked, call) else { return };
        let augmented = methods::asks_for_task(call.message.params());
        // an error without a code is broken enough
        if said.is_error() && said.error_code().is_none() {
            return;
        }
        let refused = said.error_code() == Some(-32601);
        let found = match said.error_code() {
            Some(code) => format!("the error {code}"),
            None => "a result".to_owned(),
        };
        match (support, augmented) {
            (Support::Forbidden, true) => {
                let id = "tasks.tool.forbidden-error";
                notes.either(refused, id, index, "", "the error -32601: the tool cannot run as a task", found);
            }
            (Support::Required, false) => {
                let id = "tasks.tool.required-error";
                notes.either(refused, id, index, "", "the error -32601: the tool only runs as a task", found);
            }
            (Support::Optional, _) if refused || said.is_result() => {
                let id = "tasks.tool.optional-serves-both";
                notes.either(!refused, id, index, "/error/code", "a result: the tool runs both ways", found);
            }
            _ => {}
        }
    }
}
