//! What of a published schema is structure: every keyword that decides whether a message is valid, and nothing else.

use serde_json::{Map, Value, ser::PrettyFormatter};

/// How the value of a keyword is to be read.
enum Keyword {
    /// One schema (or a boolean).
    Schema,
    /// A list of schemas.
    Schemas,
    /// Schemas by name: the names are not keywords, whatever they are called.
    Named,
    /// Plain data that takes part in validation.
    Data,
    /// Prose or identification: dropped.
    Prose,
}

fn keyword(name: &str) -> Option<Keyword> {
    Some(match name {
        "items" | "additionalProperties" | "propertyNames" | "not" => Keyword::Schema,
        "anyOf" | "oneOf" | "allOf" => Keyword::Schemas,
        "properties" | "$defs" | "definitions" => Keyword::Named,
        "type" | "const" | "enum" | "required" | "format" | "minimum" | "maximum" | "maxItems" | "$ref" => {
            Keyword::Data
        }
        "description" | "title" | "$comment" | "examples" | "$id" => Keyword::Prose,
        _ => return None,
    })
}

/// The structure of a schema document; `$schema` stays at the root, because it names the dialect.
///
/// # Errors
/// A keyword this program does not know: somebody must decide whether it is structure.
pub(crate) fn keep(document: &Value) -> Result<Value, String> {
    let mut kept = Map::new();
    if let Some(dialect) = document.get("$schema") {
        kept.insert("$schema".into(), dialect.clone());
    }
    if let Value::Object(rest) = schema(document, "")? {
        kept.extend(rest);
    }
    Ok(Value::Object(kept))
}

fn schema(value: &Value, place: &str) -> Result<Value, String> {
    let object = match value {
        Value::Bool(_) => return Ok(value.clone()),
        Value::Object(object) => object,
        _ => return Err(format!("{place}: a schema was expected")),
    };
    let mut kept = Map::new();
    for (name, value) in object {
        if name == "$schema" {
            continue;
        }
        let here = format!("{place}/{name}");
        let value = match keyword(name) {
            None => return Err(format!("{here}: unknown keyword; say in structure.rs whether it is structure")),
            Some(Keyword::Prose) => continue,
            Some(Keyword::Data) => value.clone(),
            Some(Keyword::Schema) => schema(value, &here)?,
            Some(Keyword::Schemas) => {
                let list = value.as_array().ok_or_else(|| format!("{here}: a list was expected"))?;
                let kept: Result<Vec<Value>, String> =
                    list.iter().enumerate().map(|(i, s)| schema(s, &format!("{here}/{i}"))).collect();
                Value::Array(kept?)
            }
            Some(Keyword::Named) => {
                let named = value.as_object().ok_or_else(|| format!("{here}: an object was expected"))?;
                let kept: Result<Map<String, Value>, String> =
                    named.iter().map(|(n, s)| Ok((n.clone(), schema(s, &format!("{here}/{n}"))?))).collect();
                Value::Object(kept?)
            }
        };
        kept.insert(name.clone(), value);
    }
    Ok(Value::Object(kept))
}

/// Pretty-printed with one space, and a line feed at the end: compact, and a change is one line.
pub(crate) fn print(value: &Value) -> Result<String, String> {
    let mut bytes = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, PrettyFormatter::with_indent(b" "));
    serde::Serialize::serialize(value, &mut serializer).map_err(|e| e.to_string())?;
    bytes.push(b'\n');
    String::from_utf8(bytes).map_err(|e| e.to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn prose_goes_and_properties_that_are_named_like_prose_stay() {
        let published = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema", "title": "x", "$id": "y",
            "$defs": {
                "title": { "description": "a definition called title", "type": "string" },
                "Tool": {
                    "description": "prose", "type": "object",
                    "properties": { "description": { "description": "prose", "type": "string" }, "title": { "type": "string" } },
                    "anyOf": [{ "title": "prose", "$ref": "#/$defs/title" }, true],
                },
            },
        });
        let kept = keep(&published).unwrap();
        let expected = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$defs": {
                "title": { "type": "string" },
                "Tool": {
                    "type": "object",
                    "properties": { "description": { "type": "string" }, "title": { "type": "string" } },
                    "anyOf": [{ "$ref": "#/$defs/title" }, true],
                },
            },
        });
        assert_eq!(kept, expected);
        assert_eq!(keep(&kept).unwrap(), kept);
    }

    #[test]
    fn an_unknown_keyword_is_an_error_that_names_its_place() {
        let error = keep(&json!({ "$defs": { "A": { "items": { "wat": 1 } } } })).unwrap_err();
        assert!(error.starts_with("/$defs/A/items/wat: unknown keyword"), "{error}");
    }

    #[test]
    fn deriving_what_is_already_derived_changes_nothing() {
        for name in crate::REVISIONS.into_iter().chain([crate::TASKS]) {
            let path = format!("{}/schemas/{name}/schema.json", env!("CARGO_MANIFEST_DIR"));
            let text = std::fs::read_to_string(&path).unwrap();
            let derived: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(print(&keep(&derived).unwrap()).unwrap(), text, "{name}");
        }
    }
}
