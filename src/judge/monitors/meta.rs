//! The base protocol: keys of `_meta`, schemas and icons inside messages.

use crate::conversation::Said;
use crate::judge::monitor::{Monitor, Notes, Scene};
use crate::spec::methods::meta;
use serde_json::Value;

/// The rules of `_meta` keys, embedded schemas and icons.
#[derive(Debug, Default)]
pub struct Meta;

/// Members that hold the data of users, or schemas: what looks like ours in them is not.
const FOREIGN: [&str; 5] = ["arguments", "structuredContent", "inputSchema", "outputSchema", "requestedSchema"];

impl Monitor for Meta {
    fn requirements(&self) -> &'static [&'static str] {
        &[
            "base.icons.server-uses-safe-scheme",
            "base.meta.label-format",
            "base.meta.name-format",
            "base.meta.prefix-format",
            "base.meta.reserved-prefix",
            "base.meta.reverse-dns",
            "base.schema.recommend-2020-12",
            "base.schema.valid-schemas",
        ]
    }

    fn said(&mut self, _: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
        walk(said.message.value(), "", &mut |name, pointer, value| match (name, value) {
            ("_meta", Value::Object(keys)) => {
                for key in keys.keys() {
                    meta_key(index, key, &format!("{pointer}/{}", escape(key)), notes);
                }
            }
            ("inputSchema" | "outputSchema" | "requestedSchema", Value::Object(_)) => {
                schema(index, value, pointer, notes);
            }
            ("icons", Value::Array(icons)) => {
                for (i, icon) in icons.iter().enumerate() {
                    if let Some(source) = icon.get("src").and_then(Value::as_str) {
                        let lower = source.get(..6).unwrap_or(source).to_ascii_lowercase();
                        let safe = lower.starts_with("https:") || lower.starts_with("data:");
                        let id = "base.icons.server-uses-safe-scheme";
                        let pointer = format!("{pointer}/{i}/src");
                        let scheme = source.split(':').next().unwrap_or_default();
                        notes.either(safe, id, index, &pointer, "an `https` or `data` URI", format!("`{scheme}`"));
                    }
                }
            }
            _ => {}
        });
    }
}

fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// Every member of every object, with its name and pointer; not inside what is foreign. The depth was bounded when reading.
fn walk(value: &Value, pointer: &str, see: &mut impl FnMut(&str, &str, &Value)) {
    match value {
        Value::Object(members) => {
            for (name, inner) in members {
                let place = format!("{pointer}/{}", escape(name));
                see(name, &place, inner);
                if !FOREIGN.contains(&name.as_str()) && name != "_meta" {
                    walk(inner, &place, see);
                }
            }
        }
        Value::Array(items) => {
            for (i, inner) in items.iter().enumerate() {
                walk(inner, &format!("{pointer}/{i}"), see);
            }
        }
        _ => {}
    }
}

fn is_label(label: &str) -> bool {
    let bytes = label.as_bytes();
    bytes.first().is_some_and(u8::is_ascii_alphabetic)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-')
}

fn is_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    bytes.is_empty()
        || bytes.first().is_some_and(u8::is_ascii_alphanumeric)
            && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
            && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b))
}

/// Ends of domain names that tell which way round a prefix is written.
const ENDS: [&str; 8] = ["com", "org", "net", "io", "dev", "ai", "app", "edu"];

fn meta_key(index: usize, key: &str, pointer: &str, notes: &mut Notes<'_>) {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    let found = || format!("`{key}`");
    let expected = "a name that begins and ends with a letter or digit, with `-`, `_` and `.` inside";
    notes.either(is_name(name), "base.meta.name-format", index, pointer, expected, found());
    let Some(prefix) = prefix else { return };
    let labels: Vec<&str> = prefix.split('.').collect();
    if labels.iter().any(|l| l.is_empty()) {
        let id = "base.meta.prefix-format";
        notes.broken(id, index, pointer, "labels separated by single dots before the slash", found());
        return;
    }
    notes.held("base.meta.prefix-format", index);
    let well = labels.iter().all(|l| is_label(l));
    let expected = "labels that begin with a letter and end with a letter or digit, with hyphens inside";
    notes.either(well, "base.meta.label-format", index, pointer, expected, found());
    if labels.get(1).is_some_and(|l| matches!(*l, "modelcontextprotocol" | "mcp")) {
        let known = meta::KNOWN.contains(&key);
        let id = "base.meta.reserved-prefix";
        notes.either(known, id, index, pointer, "a key that the protocol defines under this prefix", found());
    } else if let (true, Some(first), Some(last)) = (labels.len() > 1, labels.first(), labels.last()) {
        let turned = ENDS.contains(last) && !ENDS.contains(first);
        notes.either(!turned, "base.meta.reverse-dns", index, pointer, "the domain name in reverse", found());
    }
}

/// What names JSON Schema 2020-12.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

fn schema(index: usize, value: &Value, pointer: &str, notes: &mut Notes<'_>) {
    let dialect = value.get("$schema").and_then(Value::as_str).map(|d| d.trim_end_matches('#'));
    if let Some(dialect) = dialect {
        let id = "base.schema.recommend-2020-12";
        let pointer = format!("{pointer}/$schema");
        notes.either(dialect == DIALECT, id, index, &pointer, "JSON Schema 2020-12", format!("`{dialect}`"));
    }
    let known = dialect.is_none_or(|d| d.contains("json-schema.org/"));
    if !known {
        return;
    }
    let id = "base.schema.valid-schemas";
    match jsonschema::meta::validate(value) {
        Ok(()) => {
            notes.held(id, index);
        }
        Err(error) => {
            let place = format!("{pointer}{}", error.instance_path());
            notes.broken(id, index, &place, "a valid JSON Schema", crop(&error.to_string()));
        }
    }
}

/// What a validator says can be as long as the schema it quotes.
fn crop(text: &str) -> String {
    match text.char_indices().nth(160) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
