//! What a client answers to what it is asked for: samples and roots, and that it declared what it answers.

use crate::conversation::Said;
use crate::judge::monitor::{Monitor, Notes, Scene};
use crate::judge::monitors::content::short;
use crate::wire::Party;
use serde_json::Value;

/// The rules of a client's answers.
#[derive(Debug, Default)]
pub struct Answers;

impl Monitor for Answers {
    fn requirements(&self) -> &'static [&'static str] {
        &[
            "elicitation.capability.declared",
            "roots.capability.declared",
            "roots.list.file-uri",
            "roots.security.validate-uris",
            "sampling.capability.declared",
            "sampling.result.role-assistant",
            "sampling.result.tool-use-stop-reason",
            "sampling.tools.client-declares",
        ]
    }

    fn said(&mut self, scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
        if said.from != Party::Client || !said.is_result() {
            return;
        }
        let Some(request) = scene.c.request_of(said) else { return };
        let (id, capability) = match request.message.method() {
            Some("elicitation/create") => ("elicitation.capability.declared", "elicitation"),
            Some("roots/list") => ("roots.capability.declared", "roots"),
            Some("sampling/createMessage") => ("sampling.capability.declared", "sampling"),
            _ => return,
        };
        if let Some(declared) = scene.c.declares(said, Party::Client, capability) {
            let expected = format!("an error, because `{capability}` was not declared");
            notes.either(declared, id, index, "/result", expected, "a result");
        }
        match capability {
            "roots" => roots(index, said, notes),
            "sampling" => sampled(scene, index, said, request, notes),
            _ => {}
        }
    }
}

/// Roots are files, and lead nowhere else.
fn roots(index: usize, said: &Said, notes: &mut Notes<'_>) {
    let roots = said.message.result().get("roots").and_then(Value::as_array).into_iter().flatten();
    for (at, root) in roots.enumerate() {
        let Some(uri) = root.get("uri").and_then(Value::as_str) else { continue };
        let pointer = format!("/result/roots/{at}/uri");
        let file = uri.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("file://"));
        notes.either(file, "roots.list.file-uri", index, &pointer, "a `file://` URI", short(uri));
        let plain = uri.replace("%2e", ".").replace("%2E", ".");
        let within = !plain.split(['/', '\\']).any(|segment| segment == "..");
        let expected = "a URI without `..` among its segments";
        notes.either(within, "roots.security.validate-uris", index, &pointer, expected, short(uri));
    }
}

/// A model speaks as the assistant, and says when it wants to use a tool.
fn sampled(scene: &Scene<'_>, index: usize, said: &Said, request: &Said, notes: &mut Notes<'_>) {
    let result = said.message.result();
    // the result of the task comes later
    if result.get("task").is_some() {
        return;
    }
    if let Some(role) = result.get("role").and_then(Value::as_str) {
        let id = "sampling.result.role-assistant";
        notes.either(role == "assistant", id, index, "/result/role", "the role `assistant`", short(role));
    }
    let asked = request.message.params();
    if asked.get("tools").is_some() || asked.get("toolChoice").is_some() {
        if let Some(declared) = scene.c.declares(said, Party::Client, "sampling.tools") {
            let expected = "an error, because `sampling.tools` was not declared";
            notes.either(declared, "sampling.tools.client-declares", index, "/result", expected, "a result");
        }
    }
    let is_use = |block: &Value| block.get("type").is_some_and(|kind| kind == "tool_use");
    let uses = match result.get("content") {
        Some(Value::Array(blocks)) => blocks.iter().any(is_use),
        Some(block) => is_use(block),
        None => false,
    };
    if uses {
        let reason = result.get("stopReason").and_then(Value::as_str).unwrap_or("none");
        let id = "sampling.result.tool-use-stop-reason";
        let expected = "`toolUse`, as there is a tool use";
        notes.either(reason == "toolUse", id, index, "/result/stopReason", expected, short(reason));
    }
}
