//! Values and patterns in words, for messages.

use super::pattern::{Pattern, Piece, Shape, Type};
use serde_json::Value;

/// A pattern in words.
#[must_use]
pub fn describe(pattern: &Pattern) -> String {
    match &pattern.shape {
        Shape::Literal(value) => brief(value),
        Shape::Text(pieces) => {
            let text: String = pieces
                .iter()
                .map(|p| match p {
                    Piece::Plain(s) => s.clone(),
                    Piece::Name(path) => format!("${{{path}}}"),
                })
                .collect();
            format!("\"{text}\"")
        }
        Shape::Name(path) => format!("${path}"),
        Shape::Any => "any value".into(),
        Shape::Type(t) => match t {
            Type::String => "a string",
            Type::Number => "a number",
            Type::Boolean => "true or false",
            Type::Object => "an object",
            Type::Array => "an array",
            Type::Null => "null",
        }
        .into(),
        Shape::Integer { min: None, max: None } => "an integer".into(),
        Shape::Integer { min, max } => {
            let end = |n: &Option<i64>| n.map_or(String::new(), |n| n.to_string());
            format!("an integer in {}..{}", end(min), end(max))
        }
        Shape::Timestamp => "a timestamp".into(),
        Shape::Empty => "nothing".into(),
        Shape::Absent => "nothing there".into(),
        Shape::OneOf(all) => all.iter().map(describe).collect::<Vec<_>>().join(" or "),
        Shape::Matches(re) => format!("a text that matches /{re}/"),
        Shape::Fresh(_) => "a fresh value".into(),
        Shape::Object(members) => {
            let all: Vec<String> =
                members.iter().map(|m| format!("{}: {}", key(&m.name), describe(&m.value))).collect();
            format!("{{ {} }}", all.join(", "))
        }
        Shape::Array(all) => format!("[{}]", all.iter().map(describe).collect::<Vec<_>>().join(", ")),
        Shape::Contains(all) => {
            format!("an array that contains {}", all.iter().map(describe).collect::<Vec<_>>().join(" and "))
        }
        Shape::Each(inner) => format!("an array in which each is {}", describe(inner)),
        Shape::Overlay(all) => all.iter().map(describe).collect::<Vec<_>>().join(" with "),
        Shape::Bytes(bytes) => format!("{} bytes", bytes.len()),
    }
}

fn key(name: &Pattern) -> String {
    match &name.shape {
        Shape::Literal(Value::String(s)) => s.clone(),
        _ => describe(name),
    }
}

/// A value, shortened for a message.
#[must_use]
pub fn brief(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 120 {
        return text;
    }
    let head: String = text.chars().take(117).collect();
    format!("{head}...")
}

/// A value as it stands inside a text: a string without its quotes.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(s) => s.clone(),
        other => other.to_string(),
    }
}

/// A value, or that there is none.
pub(super) fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "nothing".into(), brief)
}
