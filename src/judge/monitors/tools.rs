//! Tools: their names, what they say of themselves, and what comes of a call.

use super::content::{each, is_mime, same, short, wrong_annotations, wrong_modified};
use crate::conversation::Said;
use crate::judge::monitor::{Monitor, Notes, Scene};
use crate::spec::peer_schema::PeerSchema;
use crate::wire::Party;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};

/// The longest name of a tool, in characters.
const LONGEST: usize = 128;

/// The rules of `tools/list`.
#[derive(Debug, Default)]
pub struct Listing {
    /// The names of the pages before, by session and the cursor that leads on.
    walks: HashMap<(usize, String), BTreeSet<String>>,
}

impl Monitor for Listing {
    fn requirements(&self) -> &'static [&'static str] {
        &[
            "tools.capability.declared",
            "tools.name.charset",
            "tools.name.length",
            "tools.name.no-special",
            "tools.name.unique",
        ]
    }

    fn said(&mut self, scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
        // a list that has changed may show on the next page what was on the last one
        if said.notifies("notifications/tools/list_changed") {
            self.walks.retain(|(session, _), _| *session != said.session);
        }
        if said.redelivers.is_some() {
            return;
        }
        if said.result_of("tools/list") || said.result_of("tools/call") {
            declared(scene, index, said, "tools", "tools.capability.declared", notes);
        }
        if said.result_of("tools/list") {
            for (pointer, tool) in each(said.message.value(), "/result/tools") {
                if let Some(name) = tool.get("name").and_then(Value::as_str) {
                    named(index, name, &format!("{pointer}/name"), notes);
                }
            }
            self.unique(scene, index, said, notes);
        }
    }
}

/// Who answers requests of a feature has declared it.
pub(super) fn declared(
    scene: &Scene<'_>,
    index: usize,
    said: &Said,
    capability: &str,
    id: &'static str,
    notes: &mut Notes<'_>,
) {
    let Some(declared) = scene.c.declares(said, said.from, capability) else { return };
    let expected = format!("an error, because the {} did not declare `{capability}`", said.from);
    let found = format!("a result of `{}`", said.method.as_deref().unwrap_or_default());
    notes.either(declared, id, index, "", expected, found);
}

fn named(index: usize, name: &str, pointer: &str, notes: &mut Notes<'_>) {
    let length = name.chars().count();
    let expected = "1 to 128 characters";
    notes.either((1..=LONGEST).contains(&length), "tools.name.length", index, pointer, expected, length.to_string());
    // letters and digits of other scripts are no special characters
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let foreign = name.chars().find(|c| !plain(*c) && c.is_alphanumeric());
    let special = name.chars().find(|c| !plain(*c) && !c.is_alphanumeric());
    let found = |c: Option<char>| format!("{} in {}", short(&c.map(String::from).unwrap_or_default()), short(name));
    let expected = "only letters and digits of ASCII, `_`, `-` and `.`";
    notes.either(foreign.is_none(), "tools.name.charset", index, pointer, expected, found(foreign));
    let expected = "no spaces, commas or other special characters";
    notes.either(special.is_none(), "tools.name.no-special", index, pointer, expected, found(special));
}

impl Listing {
    /// No name comes twice on the pages of one listing.
    fn unique(&mut self, scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
        let id = "tools.name.unique";
        let Some(request) = scene.c.request_of(said) else { return };
        let mut seen = match request.message.params().get("cursor").and_then(Value::as_str) {
            None => BTreeSet::new(),
            Some(cursor) => match self.walks.get(&(said.session, cursor.to_owned())) {
                Some(seen) => seen.clone(),
                None => return,
            },
        };
        let mut twice = false;
        for (pointer, tool) in each(said.message.value(), "/result/tools") {
            let Some(name) = tool.get("name").and_then(Value::as_str) else { continue };
            if !seen.insert(name.to_owned()) {
                twice = true;
                let expected = "a name that no other tool has";
                notes.broken(id, index, &format!("{pointer}/name"), expected, format!("{} again", short(name)));
            }
        }
        if !twice && seen.len() > 1 {
            notes.held(id, index);
        }
        if let Some(next) = said.message.result().get("nextCursor").and_then(Value::as_str) {
            self.walks.insert((said.session, next.to_owned()), seen);
        }
    }
}

/// A tool of a session: the output schema in every listing of it.
type OutputSchemas = Vec<Option<Value>>;

/// The rules of the results of `tools/call`.
#[derive(Debug, Default)]
pub struct Results {
    listed: HashMap<(usize, String), OutputSchemas>,
    compiled: HashMap<(usize, String), Option<PeerSchema>>,
}

impl Monitor for Results {
    fn requirements(&self) -> &'static [&'static str] {
        &[
            "tools.call.annotations-valid",
            "tools.call.embedded-needs-resources",
            "tools.call.image-audio-base64",
            "tools.call.output-schema-conforms",
            "tools.call.structured-also-as-text",
        ]
    }

    fn said(&mut self, scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
        if said.result_of("tools/list") {
            for (_, tool) in each(said.message.value(), "/result/tools") {
                let Some(name) = tool.get("name").and_then(Value::as_str) else { continue };
                let schema = tool.get("outputSchema").cloned();
                self.listed.entry((said.session, name.to_owned())).or_default().push(schema);
            }
        }
        if !said.result_of("tools/call") || said.message.result().get("task").is_some() || said.redelivers.is_some() {
            return;
        }
        for (pointer, block) in each(said.message.value(), "/result/content") {
            of_block(scene, index, said, block, &pointer, notes);
        }
        // an error need not have the structure of a result
        if said.message.result().get("isError") != Some(&Value::Bool(true)) {
            as_text(index, said, notes);
            self.conforms(scene, index, said, notes);
        }
    }
}

fn of_block(scene: &Scene<'_>, index: usize, said: &Said, block: &Value, pointer: &str, notes: &mut Notes<'_>) {
    let kind = block.get("type").and_then(Value::as_str).unwrap_or_default();
    if let ("image" | "audio", Some(mime)) = (kind, block.get("mimeType").and_then(Value::as_str)) {
        let pointer = format!("{pointer}/mimeType");
        notes.either(is_mime(mime), "tools.call.image-audio-base64", index, &pointer, "a MIME type", short(mime));
    }
    let inner = block.get("resource").filter(|_| kind == "resource");
    let of_inner = inner.and_then(wrong_annotations).map(|(place, e, f)| (format!("/resource{place}"), e, f));
    let id = "tools.call.annotations-valid";
    if let Some((place, expected, found)) = wrong_modified(block).or(of_inner) {
        notes.broken(id, index, &format!("{pointer}{place}"), expected, found);
    } else if inner.is_some_and(|inner| inner.get("annotations").is_some()) {
        notes.held(id, index);
    }
    if kind == "resource"
        && let Some(declared) = scene.c.declares(said, Party::Server, "resources")
    {
        let id = "tools.call.embedded-needs-resources";
        let expected = "no embedded resource, because the server did not declare `resources`";
        notes.either(declared, id, index, pointer, expected, "one");
    }
}

/// Structured content comes as a text too, for those who only read texts.
fn as_text(index: usize, said: &Said, notes: &mut Notes<'_>) {
    let Some(structured) = said.message.result().get("structuredContent").filter(|s| s.is_object()) else { return };
    // what is wrong with the content as a whole is for its shape
    if !said.message.result().get("content").is_some_and(Value::is_array) {
        return;
    }
    let says = |(_, block): (String, &Value)| {
        let text = block.get("text").and_then(Value::as_str);
        text.and_then(|t| serde_json::from_str::<Value>(t).ok()).is_some_and(|v| same(&v, structured))
    };
    let well = each(said.message.value(), "/result/content").any(says);
    let expected = "a text block with the JSON of `structuredContent`";
    notes.either(well, "tools.call.structured-also-as-text", index, "/result/content", expected, "none");
}

impl Results {
    /// With an output schema, the result has structured content that fits it.
    fn conforms(&mut self, scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
        let id = "tools.call.output-schema-conforms";
        let name = scene.c.request_of(said).and_then(|r| r.message.params().get("name")).and_then(Value::as_str);
        let Some(key) = name.map(|name| (said.session, name.to_owned())) else { return };
        let Some(listings) = self.listed.get(&key) else { return };
        // a tool that changed in between may have answered by either schema
        let Some(Some(schema)) = listings.first().filter(|first| listings.iter().all(|l| l == *first)) else { return };
        let compiled = self.compiled.entry(key).or_insert_with(|| PeerSchema::compile(schema).ok());
        let Some(compiled) = compiled else { return };
        let Some(structured) = said.message.result().get("structuredContent") else {
            let expected = "`structuredContent`, because the tool has an output schema";
            notes.broken(id, index, "/result", expected, "none");
            return;
        };
        if !structured.is_object() {
            return;
        }
        let Ok(violations) = compiled.validate(structured) else { return };
        match violations.first() {
            None => {
                notes.held(id, index);
            }
            Some(v) => {
                let pointer = format!("/result/structuredContent{}", v.instance_pointer);
                let expected = format!("{}, by the output schema of the tool", v.expected);
                notes.broken(id, index, &pointer, expected, v.found.clone());
            }
        }
    }
}
