//! Resources: what is listed, what is read, what is watched.

use super::content::{each, short, wrong_modified};
use super::tools::declared;
use crate::conversation::Said;
use crate::judge::monitor::{Monitor, Notes, Scene};
use crate::wire::Party;
use serde_json::Value;

/// The rules of resources.
#[derive(Debug, Default)]
pub struct Resources;

/// Whoever answers one of these has resources.
const METHODS: [&str; 5] =
    ["resources/list", "resources/templates/list", "resources/read", "resources/subscribe", "resources/unsubscribe"];

impl Monitor for Resources {
    fn requirements(&self) -> &'static [&'static str] {
        &[
            "resources.annotations-valid",
            "resources.capability.declared",
            "resources.read.text-only-if-text",
            "resources.subscribe.capability",
            "resources.subscribe.updated-only-if-subscribed",
            "resources.unsubscribe.follows-subscribe",
        ]
    }

    fn said(&mut self, scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
        if said.redelivers.is_some() {
            return;
        }
        if said.from == Party::Server && METHODS.iter().any(|m| said.result_of(m)) {
            declared(scene, index, said, "resources", "resources.capability.declared", notes);
        }
        for (method, pointer) in
            [("resources/list", "/result/resources"), ("resources/templates/list", "/result/resourceTemplates")]
        {
            if said.result_of(method) {
                for (pointer, listed) in each(said.message.value(), pointer) {
                    if let Some((place, expected, found)) = wrong_modified(listed) {
                        let id = "resources.annotations-valid";
                        notes.broken(id, index, &format!("{pointer}{place}"), expected, found);
                    }
                }
            }
        }
        if said.result_of("resources/read") {
            for (pointer, content) in each(said.message.value(), "/result/contents") {
                text(index, content, &pointer, notes);
            }
        }
        if said.requests("resources/subscribe") || said.requests("resources/unsubscribe") {
            watches(scene, index, said, notes);
        }
        if said.notifies("notifications/resources/updated") && said.from == Party::Server {
            updated(scene, index, said, notes);
        }
    }
}

/// A text is one: no control characters that no text has. What is text is a matter of judgement, so this only warns.
fn text(index: usize, content: &Value, pointer: &str, notes: &mut Notes<'_>) {
    let Some(text) = content.get("text").and_then(Value::as_str) else { return };
    // tab, line feeds, form feeds, backspace and escape occur in what terminals write
    let odd = |c: &char| c.is_ascii_control() && !matches!(c, '\u{8}'..='\u{d}' | '\u{1b}' | '\u{7f}');
    let found = text.chars().find(odd);
    let id = "resources.read.text-only-if-text";
    let expected = "text, or a `blob` for what is none";
    let found_text = format!("the character U+{:04X}", found.map_or(0, u32::from));
    notes.either(found.is_none(), id, index, &format!("{pointer}/text"), expected, found_text).should();
}

fn watches(scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
    if let Some(declared) = scene.c.declares(said, said.to(), "resources.subscribe") {
        let name = said.method.as_deref().unwrap_or_default();
        let expected = format!("no `{name}`, because the server did not declare `resources.subscribe`");
        let found = format!("`{name}`");
        notes.either(declared, "resources.subscribe.capability", index, "/method", expected, found);
        if !declared {
            return;
        }
    }
    let Some(uri) = uri(said).filter(|_| said.requests("resources/unsubscribe") && begun(scene, said)) else { return };
    let well = subscribed(scene, index, said).any(|u| u == uri);
    let expected = "a resource that was subscribed to";
    notes.either(well, "resources.unsubscribe.follows-subscribe", index, "/params/uri", expected, short(uri));
}

fn updated(scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
    let Some(uri) = uri(said).filter(|_| begun(scene, said)) else { return };
    // what is in a watched resource may be told too
    let well = subscribed(scene, index, said).any(|u| uri.starts_with(u));
    let id = "resources.subscribe.updated-only-if-subscribed";
    let expected = "a resource that the client subscribed to";
    notes.either(well, id, index, "/params/uri", expected, short(uri));
}

/// Was the session seen from its beginning?
fn begun(scene: &Scene<'_>, said: &Said) -> bool {
    scene.c.session_of(said).is_some_and(|s| s.initialize.is_some())
}

fn uri(said: &Said) -> Option<&str> {
    said.message.params().get("uri").and_then(Value::as_str)
}

/// What was subscribed to before, in the session of a message.
fn subscribed<'s>(scene: &'s Scene<'_>, index: usize, said: &'s Said) -> impl Iterator<Item = &'s str> {
    let before = scene.c.said.iter().take(index);
    before.filter(|s| s.session == said.session && s.requests("resources/subscribe")).filter_map(uri)
}
