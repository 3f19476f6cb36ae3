//! The schemas of every revision, embedded, and compiled per definition on first use.

use super::Revision;
pub use super::violation::{MOST, Violation};
use jsonschema::{Draft, Registry, Validator};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::OnceLock;

const CORE_URI: &str = "urn:mcp:schema";
const TASKS_URI: &str = "urn:mcp:extension-tasks";
/// What stands before the name of a definition of the tasks extension.
pub const TASKS_PREFIX: &str = "extension-tasks/";

/// The schemas of one revision: its own definitions by name (`CallToolResult`), and for 2026-07-28 those of the tasks
/// extension with a prefix (`extension-tasks/CreateTaskResult`).
pub struct Schemas {
    revision: Revision,
    dialect: Draft,
    registry: Registry<'static>,
    definitions: BTreeMap<String, Definition>,
}

/// One definition, compiled when it is first needed.
struct Definition {
    reference: String,
    compiled: OnceLock<Result<Validator, String>>,
}

impl std::fmt::Debug for Schemas {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Schemas")
            .field("revision", &self.revision)
            .field("definitions", &self.definitions.len())
            .finish_non_exhaustive()
    }
}

/// An embedded schema that cannot be used: a defect of the harness.
#[derive(Debug, thiserror::Error)]
#[error("the embedded schema of {revision} cannot be used: {reason}")]
pub struct SchemaDefect {
    /// The revision.
    pub revision: Revision,
    /// Why, in words.
    pub reason: String,
}

impl Schemas {
    /// The schemas of a revision; read once and kept. Definitions are compiled when they are first used.
    #[must_use]
    pub fn of(revision: Revision) -> &'static Schemas {
        static KEPT: [OnceLock<Schemas>; Revision::ALL.len()] = [const { OnceLock::new() }; Revision::ALL.len()];
        let read = || Schemas::read(revision).unwrap_or_else(|_| Schemas::without(revision));
        match KEPT.get(revision as usize) {
            Some(kept) => kept.get_or_init(read),
            // every revision has its place: `ALL` lists them in order
            None => KEPT[0].get_or_init(read),
        }
    }

    /// Schemas without a definition: whatever is asked of them is answered with a violation that says so.
    fn without(revision: Revision) -> Schemas {
        let registry = Registry::new().prepare();
        let registry = registry.unwrap_or_else(|_| unreachable!("an empty registry has nothing that could fail"));
        Schemas { revision, dialect: Draft::Draft202012, registry, definitions: BTreeMap::new() }
    }

    /// The text of a revision's file.
    #[must_use]
    pub fn text(revision: Revision) -> &'static str {
        match revision {
            Revision::V2024_11_05 => include_str!("../../schemas/2024-11-05/schema.json"),
            Revision::V2025_03_26 => include_str!("../../schemas/2025-03-26/schema.json"),
            Revision::V2025_06_18 => include_str!("../../schemas/2025-06-18/schema.json"),
            Revision::V2025_11_25 => include_str!("../../schemas/2025-11-25/schema.json"),
            Revision::V2026_07_28 => include_str!("../../schemas/2026-07-28/schema.json"),
        }
    }

    /// Reads the schemas of a revision anew, with nothing compiled; [`Schemas::of`] keeps what it read.
    ///
    /// # Errors
    /// When an embedded file is no schema.
    pub fn read(revision: Revision) -> Result<Schemas, SchemaDefect> {
        let core = Schemas::text(revision);
        let mut sources = vec![(CORE_URI, "", core)];
        if revision == Revision::V2026_07_28 {
            sources.push((TASKS_URI, TASKS_PREFIX, include_str!("../../schemas/extension-tasks/schema.json")));
        }
        let defect = |reason: String| SchemaDefect { revision, reason };
        let mut definitions = BTreeMap::new();
        let mut builder = Registry::new();
        let mut dialect = Draft::Draft202012;
        for (uri, prefix, text) in sources {
            let schema: Value = serde_json::from_str(text).map_err(|e| defect(e.to_string()))?;
            let member = if schema.get("$defs").is_some() { "$defs" } else { "definitions" };
            if prefix.is_empty() {
                dialect = Draft::default().detect(&schema);
                builder = builder.draft(dialect);
            }
            let names = schema.get(member).and_then(Value::as_object);
            for name in names.into_iter().flat_map(|names| names.keys()) {
                let reference = format!("{uri}#/{member}/{name}");
                definitions.insert(format!("{prefix}{name}"), Definition { reference, compiled: OnceLock::new() });
            }
            builder = builder.add(uri, schema).map_err(|e| defect(e.to_string()))?;
        }
        let registry = builder.prepare().map_err(|e| defect(e.to_string()))?;
        Ok(Schemas { revision, dialect, registry, definitions })
    }

    /// Their revision.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The names of the definitions, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.definitions.keys().map(String::as_str)
    }

    /// Is there a definition with that name?
    #[must_use]
    pub fn has(&self, definition: &str) -> bool {
        self.definitions.contains_key(definition)
    }

    /// What in a value is not as a definition says: at most [`MOST`] violations, in the order of the schema; none if the
    /// value is valid. Asking for a definition that does not exist is itself a violation, with the keyword `definition`.
    #[must_use]
    pub fn validate(&self, definition: &str, value: &Value) -> Vec<Violation> {
        match self.compiled(definition) {
            Ok(validator) if validator.is_valid(value) => Vec::new(),
            Ok(validator) => Violation::of_errors(validator.iter_errors(value)),
            Err(reason) => vec![Violation::no_definition(definition, self.revision, &reason)],
        }
    }

    /// Is a value as a definition says? Cheaper than [`Schemas::validate`]; `false` if there is no such definition.
    #[must_use]
    pub fn is_valid(&self, definition: &str, value: &Value) -> bool {
        self.compiled(definition).is_ok_and(|validator| validator.is_valid(value))
    }

    /// Compiles every definition, and says how many there are.
    ///
    /// # Errors
    /// The first definition that does not compile.
    pub fn compile_all(&self) -> Result<usize, SchemaDefect> {
        for name in self.definitions.keys() {
            self.compiled(name)
                .map_err(|reason| SchemaDefect { revision: self.revision, reason: format!("{name}: {reason}") })?;
        }
        Ok(self.definitions.len())
    }

    fn compiled(&self, name: &str) -> Result<&Validator, String> {
        let Some(definition) = self.definitions.get(name) else {
            return Err("there is no such definition".into());
        };
        let compiled = definition.compiled.get_or_init(|| {
            jsonschema::options()
                .with_draft(self.dialect)
                .with_registry(&self.registry)
                .offline()
                .should_validate_formats(true)
                .with_format("byte", is_base64)
                .should_ignore_unknown_formats(false)
                .build(&json!({ "$ref": definition.reference }))
                .map_err(|e| e.to_string())
        });
        compiled.as_ref().map_err(Clone::clone)
    }
}

/// The format `byte`: base64 of RFC 4648 section 4 with padding, without white space; the empty text too.
fn is_base64(text: &str) -> bool {
    let bytes = text.as_bytes();
    let padding = bytes.iter().rev().take_while(|b| **b == b'=').count();
    let digits = bytes.get(..bytes.len() - padding).unwrap_or_default();
    bytes.len().is_multiple_of(4)
        && padding <= 2
        && digits.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'+' || *b == b'/')
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::spec::methods;

    #[test]
    fn every_published_definition_compiles() {
        let expected = [79, 83, 91, 145, 155 + 76];
        for (revision, count) in Revision::ALL.into_iter().zip(expected) {
            let schemas = Schemas::read(revision).expect("the embedded file is good");
            assert_eq!(schemas.compile_all().expect("every definition compiles"), count, "{revision}");
        }
    }

    #[test]
    fn every_method_has_its_definitions_in_every_revision() {
        for revision in Revision::ALL {
            let schemas = Schemas::of(revision);
            for method in methods::of(revision) {
                assert!(schemas.has(method.definition), "{revision}: {}", method.definition);
                if let Some(result) = method.result() {
                    assert!(schemas.has(result), "{revision}: {result}");
                }
            }
        }
        for input in methods::INPUTS {
            let schemas = Schemas::of(Revision::V2026_07_28);
            assert!(schemas.has(input.definition) && schemas.has(input.result), "{}", input.name);
        }
    }

    /// Each definition of a message in a schema has its method in the table, with that very name.
    #[test]
    fn the_table_of_methods_is_complete() {
        for revision in Revision::ALL {
            let text =
                std::fs::read_to_string(format!("{}/schemas/{revision}/schema.json", env!("CARGO_MANIFEST_DIR")));
            let schema: Value = serde_json::from_str(&text.unwrap()).unwrap();
            let definitions = schema.get("$defs").or_else(|| schema.get("definitions")).unwrap().as_object().unwrap();
            let mut seen = 0;
            for (name, definition) in definitions {
                let Some(method) = definition.pointer("/properties/method/const").and_then(Value::as_str) else {
                    continue;
                };
                let embedded = revision == Revision::V2026_07_28 && methods::input(method).is_some();
                let union = name == "ClientNotification";
                if !embedded && !union {
                    let found = methods::find(revision, method).map(|m| m.definition);
                    assert_eq!(found, Some(name.as_str()), "{revision}: {method}");
                    seen += 1;
                }
            }
            let core = methods::of(revision).filter(|m| !m.definition.starts_with(TASKS_PREFIX)).count();
            assert_eq!(seen, core, "{revision}");
        }
    }

    #[test]
    fn the_derived_schemas_hold_no_prose() {
        fn prose(value: &Value, place: &str) -> Vec<String> {
            let mut found = Vec::new();
            match value {
                Value::Object(object) => {
                    for (key, value) in object {
                        let here = format!("{place}/{key}");
                        let word = ["description", "title", "$comment", "examples"].contains(&key.as_str());
                        if word && !value.is_object() {
                            found.push(here.clone());
                        }
                        found.extend(prose(value, &here));
                    }
                }
                Value::Array(items) => {
                    for (i, item) in items.iter().enumerate() {
                        found.extend(prose(item, &format!("{place}/{i}")));
                    }
                }
                _ => {}
            }
            found
        }
        for name in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28", "extension-tasks"] {
            let text = std::fs::read_to_string(format!("{}/schemas/{name}/schema.json", env!("CARGO_MANIFEST_DIR")));
            let schema: Value = serde_json::from_str(&text.unwrap()).unwrap();
            assert_eq!(prose(&schema, ""), Vec::<String>::new(), "{name}");
        }
    }

    #[test]
    fn formats_are_asserted() {
        let schemas = Schemas::of(Revision::V2025_11_25);
        let image = |data: &str| json!({ "type": "image", "mimeType": "image/png", "data": data });
        for good in ["", "aGk=", "aA==", "aGkh"] {
            assert!(schemas.is_valid("ImageContent", &image(good)), "{good}");
        }
        for bad in ["aGk", "a===", "aG k", "aGk=\n", "aGk-", "=aGk"] {
            assert!(!schemas.is_valid("ImageContent", &image(bad)), "{bad}");
        }
        let root = |uri: &str| json!({ "uri": uri });
        for revision in Revision::ALL {
            assert!(Schemas::of(revision).is_valid("Root", &root("file:///tmp")), "{revision}");
            assert!(!Schemas::of(revision).is_valid("Root", &root("not a uri")), "{revision}");
        }
    }

    #[test]
    fn the_generators_faults_are_corrected() {
        let answer = json!({ "action": "accept", "content": { "price": 95.5 } });
        for revision in [Revision::V2025_06_18, Revision::V2025_11_25, Revision::V2026_07_28] {
            assert_eq!(Schemas::of(revision).validate("ElicitResult", &answer), [], "{revision}");
        }
        let modern = Schemas::of(Revision::V2026_07_28);
        assert!(modern.is_valid("extension-tasks/ElicitResult", &answer));
        let any = json!({ "a": null, "b": [1.5, { "c": false }] });
        for definition in ["JSONValue", "JSONObject", "extension-tasks/JSONValue"] {
            assert_eq!(modern.validate(definition, &any), [], "{definition}");
        }
        let object = json!({ "action": "accept", "content": { "price": {} } });
        assert!(!modern.is_valid("ElicitResult", &object), "an object was never allowed");
    }

    #[test]
    fn the_traps_of_the_published_schemas_are_as_the_decisions_say() {
        let legacy = Schemas::of(Revision::V2025_11_25);
        let time = "2025-11-25T10:30:00Z";
        let task = json!({ "taskId": "t", "status": "working", "createdAt": time, "lastUpdatedAt": time, "ttl": null });
        let created = json!({ "task": task });
        assert!(legacy.is_valid("CreateTaskResult", &created));
        assert!(!legacy.is_valid("CallToolResult", &created), "tasks-create-result-in-schema");
        assert!(legacy.is_valid("ServerResult", &created), "the union accepts it");
        assert!(legacy.is_valid("GetTaskPayloadResult", &json!({ "x": 1 })), "tasks-get-payload-open");
        assert!(legacy.is_valid("JSONRPCMessage", &json!({ "jsonrpc": "2.0", "id": 1.5, "method": "ping" })));
        let nothing = json!({ "jsonrpc": "2.0", "id": null, "error": { "code": 1, "message": "x" } });
        assert!(!legacy.is_valid("JSONRPCErrorResponse", &nothing), "error-id-null");
        let modern = Schemas::of(Revision::V2026_07_28);
        let empty = json!({ "jsonrpc": "2.0", "id": 1, "result": { "resultType": "complete", "content": "no array" } });
        assert!(modern.is_valid("CallToolResultResponse", &empty), "A-08");
        assert!(!modern.is_valid("CallToolResult", empty.get("result").unwrap()));
    }

    #[test]
    fn a_definition_that_does_not_exist_is_a_violation() {
        let found = Schemas::of(Revision::V2025_11_25).validate("NoSuchThing", &json!({}));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].keyword, "definition");
        assert!(!Schemas::of(Revision::V2025_11_25).is_valid("NoSuchThing", &json!({})));
        assert!(!Schemas::without(Revision::V2025_11_25).validate("PingRequest", &json!({})).is_empty());
    }

    #[test]
    fn schemas_are_shared_between_threads() {
        let work = |_| std::thread::spawn(|| Schemas::of(Revision::V2025_06_18).is_valid("EmptyResult", &json!({})));
        let threads: Vec<_> = (0..4).map(work).collect();
        assert!(threads.into_iter().all(|t| t.join().unwrap()));
    }
}
