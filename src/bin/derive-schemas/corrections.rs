//! What the generator of the published schemas got wrong, and what the harness validates by instead.

use serde_json::{Value, json};
use std::fmt::Write;

/// One fault of the published files, corrected wherever it occurs.
struct Correction {
    /// The name findings and documents use for it.
    name: &'static str,
    /// Where it is: the file's folder and a JSON pointer.
    places: &'static [(&'static str, &'static str)],
    /// What stands there in the published file.
    from: fn() -> Value,
    /// What should stand there.
    to: fn() -> Value,
    /// Why.
    reason: &'static str,
}

const CORRECTIONS: [Correction; 2] = [
    Correction {
        name: "elicit-result-integer",
        places: &[
            ("2025-06-18", "/definitions/ElicitResult/properties/content/additionalProperties/type"),
            ("2025-11-25", "/$defs/ElicitResult/properties/content/additionalProperties/anyOf/1/type"),
            ("2026-07-28", "/$defs/ElicitResult/properties/content/additionalProperties/anyOf/1/type"),
            ("extension-tasks", "/$defs/ElicitResult/properties/content/additionalProperties/anyOf/1/type"),
        ],
        from: || json!(["string", "integer", "boolean"]),
        to: || json!(["string", "number", "boolean"]),
        reason: "schema.ts, the source of truth, allows any number in the content of an elicitation's answer; the \
                 generator made it an integer, so that 95.5 is rejected.",
    },
    Correction {
        name: "json-value-number-null",
        places: &[
            ("2026-07-28", "/$defs/JSONValue/anyOf/2/type"),
            ("extension-tasks", "/$defs/JSONValue/anyOf/2/type"),
        ],
        from: || json!(["string", "integer", "boolean"]),
        to: || json!(["string", "number", "boolean", "null"]),
        reason: "schema.ts defines a JSON value as any JSON value; the generator lost null and made numbers integers, so \
                 that null and 3.5 are rejected wherever any JSON is allowed.",
    },
];

/// Corrects one schema.
///
/// # Errors
/// When a correction finds something else than the fault it corrects: the published file has changed, and somebody must
/// look whether the correction is still needed.
pub(crate) fn apply(file: &str, schema: &mut Value) -> Result<(), String> {
    for correction in &CORRECTIONS {
        for (_, pointer) in correction.places.iter().filter(|(name, _)| *name == file) {
            let name = correction.name;
            let place = schema.pointer_mut(pointer).ok_or_else(|| format!("{file}: {name}: there is no {pointer}"))?;
            if *place != (correction.from)() {
                return Err(format!("{file}: {name}: {pointer} is {place}, so there is nothing to correct"));
            }
            *place = (correction.to)();
        }
    }
    Ok(())
}

/// The list of corrections, for readers.
pub(crate) fn page() -> String {
    let mut page = String::from(
        "# Corrections to the published schemas\n\n\
         Written by `derive-schemas`. The schemas in this folder are the published ones without their prose; where the \
         generator of the published files got something wrong, they differ as listed here.\n",
    );
    for correction in &CORRECTIONS {
        let (from, to) = ((correction.from)(), (correction.to)());
        let _ = write!(page, "\n## {}\n\n{}\n\n`{from}` became `{to}` at:\n\n", correction.name, correction.reason);
        for (file, pointer) in correction.places {
            let _ = writeln!(page, "- {file}: `{pointer}`");
        }
    }
    page.push_str(
        "\n## Looked at and left alone\n\n\
         - `NumberSchema` had the first fault too in older copies of the published files; in the ones used here it has \
         `number`.\n\
         - `Task.ttl`, `Task.pollInterval`, `ttlMs`, `size`, `maxTokens` and ids are integers here and numbers in \
         schema.ts: fractions make no sense there, and the schema stands (a fractional `ttl` or `pollInterval` is only a \
         warning).\n",
    );
    page
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_correction_that_finds_nothing_to_correct_is_an_error() {
        let mut schema = json!({ "$defs": { "JSONValue": { "anyOf": [{}, {}, { "type": "string" }] } } });
        let error = apply("extension-tasks", &mut schema).unwrap_err();
        assert!(error.contains("elicit-result-integer: there is no"), "{error}");
        let content = json!({ "additionalProperties": { "type": ["string", "number", "boolean"] } });
        let mut schema = json!({ "definitions": { "ElicitResult": { "properties": { "content": content } } } });
        let error = apply("2025-06-18", &mut schema).unwrap_err();
        assert!(error.contains("nothing to correct"), "{error}");
    }

    #[test]
    fn a_fault_is_corrected_where_it_is() {
        let content = json!({ "additionalProperties": { "type": ["string", "integer", "boolean"] } });
        let mut schema = json!({ "definitions": { "ElicitResult": { "properties": { "content": content } } } });
        apply("2025-06-18", &mut schema).unwrap();
        let corrected = "/definitions/ElicitResult/properties/content/additionalProperties/type/1";
        assert_eq!(schema.pointer(corrected), Some(&json!("number")));
    }
}
