//! Which requirement of its own area says that a payload has its shape: so that a schema violation is laid at the door of the
//! rule that a reader of the specification would quote, and so that a payload that is as it should be proves that rule.

use super::monitor::{Monitor, Notes, Scene};
use crate::conversation::Said;
use crate::spec::{Catalogue, Violation};
use crate::wire::{Kind, Party};
use serde_json::Value;
use std::sync::LazyLock;

/// One rule on a part of a payload. Places are written below `/params` or `/result`, with `*` for any one step and `**` at the
/// end for any rest, also none.
struct Shape {
    id: &'static str,
    /// The places whose violations break it.
    owns: &'static [&'static str],
    /// Only violations of this keyword of the schema; empty for all.
    keyword: &'static str,
    /// Only where the member `type` beside the place is this; empty for all.
    kind: &'static str,
    /// Where one of these is there, the rule was exercised.
    there: &'static [&'static str],
}

const fn shape(id: &'static str, owns: &'static [&'static str], there: &'static [&'static str]) -> Shape {
    Shape { id, owns, keyword: "", kind: "", there }
}

/// The shapes of what answers a method, of what asks for it, or of what notifies of it; where two own a place, the first
/// does.
type Table = &'static [Shape];

const TOOLS_LIST: Table = &[
    shape("tools.list.output-schema-object", &["/tools/*/outputSchema/**"], &["/tools/*/outputSchema"]),
    Shape {
        keyword: "type",
        ..shape("tools.list.input-schema-object", &["/tools/*/inputSchema"], &["/tools/*/inputSchema"])
    },
    shape("tools.list.schema", &["/tools", "/tools/*", "/tools/*/name", "/tools/*/inputSchema/**"], &["/tools/*"]),
];

const TOOLS_CALL: Table = &[
    shape("tools.call.structured-is-object", &["/structuredContent"], &["/structuredContent"]),
    shape("tools.call.annotations-valid", &["/content/*/annotations/**"], &["/content/*/annotations"]),
    Shape {
        kind: "image",
        ..shape("tools.call.image-audio-base64", &["/content/*/data", "/content/*/mimeType"], &["/content/*/data"])
    },
    Shape {
        kind: "audio",
        ..shape("tools.call.image-audio-base64", &["/content/*/data", "/content/*/mimeType"], &["/content/*/data"])
    },
    shape("tools.call.result-shape", &["/content/**"], &["/content"]),
];

const RESOURCES_LIST: Table = &[
    Shape {
        keyword: "format",
        ..shape("resources.uri.custom-scheme-rfc3986", &["/resources/*/uri"], &["/resources/*/uri"])
    },
    shape("resources.annotations-valid", &["/resources/*/annotations/**"], &["/resources/*/annotations"]),
    shape(
        "resources.list.schema",
        &["/resources", "/resources/*", "/resources/*/uri", "/resources/*/name"],
        &["/resources/*"],
    ),
];

const TEMPLATES_LIST: Table = &[
    shape(
        "resources.templates.uri-template",
        &["/resourceTemplates/*/uriTemplate"],
        &["/resourceTemplates/*/uriTemplate"],
    ),
    shape(
        "resources.annotations-valid",
        &["/resourceTemplates/*/annotations/**"],
        &["/resourceTemplates/*/annotations"],
    ),
];

const RESOURCES_READ: Table = &[
    Shape {
        keyword: "format",
        ..shape("resources.uri.custom-scheme-rfc3986", &["/contents/*/uri"], &["/contents/*/uri"])
    },
    Shape { keyword: "format", ..shape("resources.read.binary-encoded", &["/contents/*/blob"], &["/contents/*/blob"]) },
    shape("resources.read.shape", &["/contents/**"], &["/contents"]),
];

const PROMPTS_LIST: Table = &[shape(
    "prompts.list.schema",
    &[
        "/prompts",
        "/prompts/*",
        "/prompts/*/name",
        "/prompts/*/arguments",
        "/prompts/*/arguments/*",
        "/prompts/*/arguments/*/name",
    ],
    &["/prompts/*"],
)];

const PROMPTS_GET: Table = &[
    Shape {
        kind: "image",
        ..shape(
            "prompts.get.image-base64",
            &["/messages/*/content/data", "/messages/*/content/mimeType"],
            &["/messages/*/content/data"],
        )
    },
    Shape {
        kind: "audio",
        ..shape(
            "prompts.get.audio-base64",
            &["/messages/*/content/data", "/messages/*/content/mimeType"],
            &["/messages/*/content/data"],
        )
    },
    shape("prompts.get.shape", &["/messages/**"], &["/messages"]),
];

const COMPLETE: Table = &[shape("completion.result.shape", &["/completion/**"], &["/completion"])];

const LOG: Table = &[shape("logging.message.level-valid", &["/level", "/data"], &["/level"])];

const PROGRESS: Table = &[shape("progress.token-type", &["/progressToken"], &["/progressToken"])];

const ELICIT: Table = &[
    shape("elicitation.request.message", &["/message", "/mode"], &["/message"]),
    Shape { keyword: "format", ..shape("elicitation.url.valid-url", &["/url"], &["/url"]) },
    shape("elicitation.url.params", &["/url", "/elicitationId"], &["/elicitationId"]),
    shape(
        "elicitation.form.string-formats",
        &["/requestedSchema/properties/*/format"],
        &["/requestedSchema/properties/*/format"],
    ),
    shape(
        "elicitation.form.enum-variants",
        &[
            "/requestedSchema/properties/*/enum/**",
            "/requestedSchema/properties/*/enumNames/**",
            "/requestedSchema/properties/*/oneOf/**",
            "/requestedSchema/properties/*/items/**",
        ],
        &[
            "/requestedSchema/properties/*/enum",
            "/requestedSchema/properties/*/oneOf",
            "/requestedSchema/properties/*/items",
        ],
    ),
    shape("elicitation.form.params", &["/requestedSchema"], &["/requestedSchema"]),
    shape("elicitation.form.flat-primitive-schema", &["/requestedSchema/**"], &["/requestedSchema/properties/*"]),
];

const ELICITED: Table = &[
    shape("elicitation.result.action", &["/action"], &["/action"]),
    shape("elicitation.result.accept-has-content", &["/content/**"], &[]),
];

const SAMPLE: Table = &[
    Shape {
        keyword: "minimum",
        ..shape(
            "sampling.preferences.range",
            &["/modelPreferences/*"],
            &[
                "/modelPreferences/costPriority",
                "/modelPreferences/speedPriority",
                "/modelPreferences/intelligencePriority",
            ],
        )
    },
    Shape { keyword: "maximum", ..shape("sampling.preferences.range", &["/modelPreferences/*"], &[]) },
    shape("sampling.request.shape", &["/messages/**", "/maxTokens"], &["/messages"]),
];

const SAMPLED: Table = &[shape("sampling.result.shape", &["/role", "/content/**", "/model"], &["/content"])];

/// What the error says that demands an elicitation first.
const REQUIRED: Table = &[
    shape("elicitation.required-error.list", &["/data", "/data/elicitations"], &["/data/elicitations"]),
    shape("elicitation.required-error.url-mode-with-id", &["/data/elicitations/*/**"], &["/data/elicitations/*"]),
];

/// A progress token that is asked for may stand in any request.
const ASKED: Table = &[shape("progress.token-type", &["/_meta/progressToken"], &["/_meta/progressToken"])];

/// The shapes of a message, and the pointer of what they speak of.
fn shapes(said: &Said) -> (Table, &'static str) {
    let method = said.method.as_deref().unwrap_or_default();
    match (said.message.kind(), said.from) {
        (Kind::Result { .. }, Party::Server) if said.answers.is_some() => {
            let table = match method {
                "tools/list" => TOOLS_LIST,
                // the answer to a call that became a task has rules of its own
                "tools/call" if said.message.result().get("task").is_none() => TOOLS_CALL,
                "resources/list" => RESOURCES_LIST,
                "resources/templates/list" => TEMPLATES_LIST,
                "resources/read" => RESOURCES_READ,
                "prompts/list" => PROMPTS_LIST,
                "prompts/get" => PROMPTS_GET,
                "completion/complete" => COMPLETE,
                _ => &[],
            };
            (table, "/result")
        }
        (Kind::Result { .. }, Party::Client)
            if said.answers.is_some() && said.message.result().get("task").is_none() =>
        {
            let table = match method {
                "elicitation/create" => ELICITED,
                "sampling/createMessage" => SAMPLED,
                _ => &[],
            };
            (table, "/result")
        }
        (Kind::Error { .. }, Party::Server) if said.error_code() == Some(-32042) => (REQUIRED, "/error"),
        (Kind::Request { .. }, from) => {
            let table = match (method, from) {
                ("elicitation/create", Party::Server) => ELICIT,
                ("sampling/createMessage", Party::Server) => SAMPLE,
                _ => &[],
            };
            (table, "/params")
        }
        (Kind::Notification { .. }, from) => {
            let table = match (method, from) {
                ("notifications/message", Party::Server) => LOG,
                ("notifications/progress", _) => PROGRESS,
                _ => &[],
            };
            (table, "/params")
        }
        _ => (&[], ""),
    }
}

/// All of them, with those that may stand anywhere.
fn of(said: &Said) -> (impl Iterator<Item = &'static Shape>, &'static str) {
    let (table, base) = shapes(said);
    let asked: Table = if said.is_request() { ASKED } else { &[] };
    (table.iter().chain(asked), base)
}

/// The requirement of its area that a violation breaks, if there is one in the revision of the message.
pub(super) fn owner(said: &Said, violation: &Violation) -> Option<&'static str> {
    let (mut shapes, base) = of(said);
    let place = place(violation);
    let rest = place.strip_prefix(base)?;
    let owns = |shape: &&Shape| {
        (shape.keyword.is_empty() || shape.keyword == violation.keyword)
            && shape.owns.iter().any(|pattern| matches(pattern, rest))
            && (shape.kind.is_empty() || beside(said, &place) == Some(shape.kind))
            && Catalogue::of(said.revision).get(shape.id).is_some()
    };
    shapes.find(owns).map(|shape| shape.id)
}

/// The place of a violation: for a member that is missing the place where it should be.
fn place(violation: &Violation) -> String {
    let missing = violation.expected.strip_prefix("the member `").and_then(|rest| rest.strip_suffix('`'));
    match missing.filter(|_| violation.keyword == "required") {
        Some(member) => format!("{}/{member}", violation.instance_pointer),
        None => violation.instance_pointer.clone(),
    }
}

/// The member `type` beside a place.
fn beside<'s>(said: &'s Said, place: &str) -> Option<&'s str> {
    let (parent, _) = place.rsplit_once('/')?;
    said.message.value().pointer(parent)?.get("type")?.as_str()
}

fn matches(pattern: &str, place: &str) -> bool {
    let (pattern, open) = match pattern.strip_suffix("/**") {
        Some(pattern) => (pattern, true),
        None => (pattern, false),
    };
    let mut steps = place.split('/');
    pattern.split('/').all(|p| steps.next().is_some_and(|s| p == "*" || p == s)) && (open || steps.next().is_none())
}

/// Is there something at such a place, with that `type` beside it?
fn exists(value: &Value, pattern: &str, kind: &str) -> bool {
    let Some((first, rest)) = pattern.strip_prefix('/').map(|p| p.split_once('/').unwrap_or((p, ""))) else {
        return true;
    };
    let rest = if rest.is_empty() { String::new() } else { format!("/{rest}") };
    let right = |v: &Value| exists(v, &rest, kind);
    match (first, value) {
        ("*", Value::Array(items)) => items.iter().any(right),
        ("*", Value::Object(members)) => members.values().any(right),
        (name, value) => {
            let here = !rest.is_empty() || kind.is_empty() || value.get("type").and_then(Value::as_str) == Some(kind);
            here && value.get(name).is_some_and(right)
        }
    }
}

/// Reports the shapes that were exercised and held; what broke one is reported by the schema check.
#[derive(Debug, Default)]
pub struct Shapes;

impl Monitor for Shapes {
    fn requirements(&self) -> &'static [&'static str] {
        static IDS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
            let tables = [
                TOOLS_LIST,
                TOOLS_CALL,
                RESOURCES_LIST,
                TEMPLATES_LIST,
                RESOURCES_READ,
                PROMPTS_LIST,
                PROMPTS_GET,
                COMPLETE,
                LOG,
                PROGRESS,
                ELICIT,
                ELICITED,
                SAMPLE,
                SAMPLED,
                REQUIRED,
                ASKED,
            ];
            let mut ids: Vec<&'static str> = tables.iter().flat_map(|t| t.iter()).map(|s| s.id).collect();
            ids.sort_unstable();
            ids.dedup();
            ids
        });
        &IDS
    }

    fn said(&mut self, scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
        let (shapes, base) = of(said);
        let Some(payload) = said.message.value().pointer(base) else { return };
        let violations = scene.violations.get(index).map(Vec::as_slice).unwrap_or_default();
        let broken: Vec<&str> = violations.iter().filter_map(|v| owner(said, v)).collect();
        for shape in shapes {
            let exercised = shape.there.iter().any(|pattern| exists(payload, pattern, shape.kind));
            if exercised && !broken.contains(&shape.id) {
                notes.held(shape.id, index);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn places_are_matched_step_by_step() {
        assert!(matches("/tools/*/name", "/tools/0/name"));
        assert!(matches("/tools/**", "/tools"));
        assert!(matches("/tools/**", "/tools/0/name"));
        assert!(!matches("/tools", "/tools/0"));
        assert!(!matches("/tools/*/name", "/tools/0"));
        assert!(!matches("/tools/*/name", "/tools/0/name/x"));
        assert!(!matches("/tools/**", "/toolset"));
    }

    #[test]
    fn what_is_there_is_found() {
        let value = json!({"content": [{"type": "text"}, {"type": "image", "data": ""}], "empty": []});
        assert!(exists(&value, "/content/*/data", "image"));
        assert!(!exists(&value, "/content/*/data", "audio"));
        assert!(exists(&value, "/content", ""));
        assert!(exists(&value, "/empty", ""));
        assert!(!exists(&value, "/empty/*", ""));
        assert!(!exists(&value, "/content/*/uri", ""));
    }

    #[test]
    fn every_shape_is_of_the_catalogue() {
        for id in Shapes.requirements() {
            assert!(Catalogue::of(crate::spec::Revision::V2025_11_25).get(id).is_some(), "{id}");
        }
    }
}
