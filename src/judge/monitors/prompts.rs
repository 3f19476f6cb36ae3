//! Prompts: what comes of `prompts/get`.

use super::content::{each, is_mime, short, wrong_mime};
use super::tools::declared;
use crate::conversation::Said;
use crate::judge::monitor::{Monitor, Notes, Scene};
use serde_json::Value;

/// The rules of prompts.
#[derive(Debug, Default)]
pub struct Prompts;

impl Monitor for Prompts {
    fn requirements(&self) -> &'static [&'static str] {
        &[
            "prompts.capability.declared",
            "prompts.get.audio-base64",
            "prompts.get.embedded-resource",
            "prompts.get.image-base64",
        ]
    }

    fn said(&mut self, scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
        if said.redelivers.is_some() {
            return;
        }
        if said.result_of("prompts/list") || said.result_of("prompts/get") {
            declared(scene, index, said, "prompts", "prompts.capability.declared", notes);
        }
        if said.result_of("prompts/get") {
            for (pointer, message) in each(said.message.value(), "/result/messages") {
                if let Some(content) = message.get("content") {
                    of_content(index, content, &format!("{pointer}/content"), notes);
                }
            }
        }
    }
}

fn of_content(index: usize, content: &Value, pointer: &str, notes: &mut Notes<'_>) {
    let id = match content.get("type").and_then(Value::as_str) {
        Some("image") => "prompts.get.image-base64",
        Some("audio") => "prompts.get.audio-base64",
        Some("resource") => {
            embedded(index, content, &format!("{pointer}/resource"), notes);
            return;
        }
        _ => return,
    };
    if let Some(mime) = content.get("mimeType").and_then(Value::as_str) {
        notes.either(is_mime(mime), id, index, &format!("{pointer}/mimeType"), "a MIME type", short(mime));
    }
}

/// An embedded resource says what type it has. The schema lets it be silent, so that is a warning.
fn embedded(index: usize, content: &Value, pointer: &str, notes: &mut Notes<'_>) {
    let id = "prompts.get.embedded-resource";
    let Some(resource) = content.get("resource").filter(|r| r.is_object()) else { return };
    if let Some((place, expected, found)) = wrong_mime(resource) {
        notes.broken(id, index, &format!("{pointer}{place}"), expected, found);
    } else {
        let well = resource.get("mimeType").is_some_and(Value::is_string);
        notes.either(well, id, index, pointer, "the member `mimeType`", "none");
    }
}
