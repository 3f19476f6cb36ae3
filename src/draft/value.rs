//! Patterns from recorded values: what a server says for itself is left open, what was said before has a name.

use super::names::Names;
use crate::scenario::pattern::{Member, Pattern, Shape, Type};
use crate::scenario::source::Span;
use crate::spec::RELATED_TASK;
use crate::wire::Party;
use serde_json::Value;

/// Deeper than this a value is not written out.
const DEEPEST: usize = 24;

/// A pattern that stands nowhere yet.
pub(super) fn at(shape: Shape) -> Pattern {
    Pattern { shape, span: Span::default() }
}

/// A value as it is.
pub(super) fn literal(value: impl Into<Value>) -> Pattern {
    at(Shape::Literal(value.into()))
}

/// An object with these members.
pub(super) fn object(members: Vec<(&str, Pattern)>) -> Pattern {
    let member = |(name, value): (&str, Pattern)| Member { name: literal(name), value };
    at(Shape::Object(members.into_iter().map(member).collect()))
}

/// Any value of that type.
pub(super) fn any(of: Type) -> Pattern {
    at(Shape::Type(of))
}

/// The type of a value.
pub(super) fn type_of(value: &Value) -> Type {
    match value {
        Value::Null => Type::Null,
        Value::Bool(_) => Type::Boolean,
        Value::Number(_) => Type::Number,
        Value::String(_) => Type::String,
        Value::Array(_) => Type::Array,
        Value::Object(_) => Type::Object,
    }
}

/// A value as that party said it: whole, with names for what has one. Times of a server are left open.
pub(super) fn said(value: &Value, from: Party, names: &Names) -> Pattern {
    within(value, from, names, 0)
}

fn within(value: &Value, from: Party, names: &Names, depth: usize) -> Pattern {
    match value {
        _ if depth > DEEPEST => any(type_of(value)),
        Value::String(text) => {
            if let Some(path) = names.of(text) {
                return at(Shape::Name(path));
            }
            match from {
                Party::Server if is_time(text) => at(Shape::Timestamp),
                Party::Server => names.in_text(text),
                Party::Client => names.as_it_is(text),
            }
        }
        Value::Array(all) => at(Shape::Array(all.iter().map(|v| within(v, from, names, depth + 1)).collect())),
        Value::Object(all) => {
            let member = |(name, value): (&String, &Value)| Member {
                name: literal(name.as_str()),
                value: within(value, from, names, depth + 1),
            };
            at(Shape::Object(all.iter().filter(|(name, _)| *name != "_meta").map(member).collect()))
        }
        other => literal(other.clone()),
    }
}

/// Is it a date and a time by RFC 3339?
fn is_time(text: &str) -> bool {
    let digits = |from: usize, to: usize| text.get(from..to).is_some_and(|d| d.bytes().all(|b| b.is_ascii_digit()));
    let sign = |at: usize, signs: &str| text.get(at..at + 1).is_some_and(|c| signs.contains(c));
    text.len() >= 20
        && text.is_ascii()
        && digits(0, 4)
        && digits(5, 7)
        && digits(8, 10)
        && digits(11, 13)
        && digits(14, 16)
        && digits(17, 19)
        && [(4, "-"), (7, "-"), (10, "Tt "), (13, ":"), (16, ":")].into_iter().all(|(at, signs)| sign(at, signs))
        && (text.ends_with(['Z', 'z']) || sign(text.len() - 6, "+-"))
}

/// `_meta` of a message that belongs to a task.
pub(super) fn related(holder: &Value, from: Party, names: &Names) -> Option<Pattern> {
    let task = holder.get("_meta")?.get(RELATED_TASK)?.get("taskId")?;
    Some(object(vec![(RELATED_TASK, object(vec![("taskId", said(task, from, names))]))]))
}

/// What the blocks of a result's `content` (or of a message's) say: text as it is, other data left open.
pub(super) fn blocks(content: &Value, from: Party, names: &Names) -> Pattern {
    match content {
        Value::Array(all) => at(Shape::Array(all.iter().map(|block| one_block(block, from, names)).collect())),
        Value::Object(_) => one_block(content, from, names),
        other => any(type_of(other)),
    }
}

fn one_block(block: &Value, from: Party, names: &Names) -> Pattern {
    let mut members = Vec::new();
    for name in ["uri", "type", "name", "mimeType", "text", "id", "toolUseId", "input", "content", "resource"] {
        match (name, block.get(name)) {
            (_, None) => {}
            ("resource", Some(inner)) => members.push((name, one_block(inner, from, names))),
            ("content", Some(inner)) => members.push((name, blocks(inner, from, names))),
            (_, Some(value)) => members.push((name, said(value, from, names))),
        }
    }
    for name in ["data", "blob"] {
        if let Some(value) = block.get(name) {
            let open = if from == Party::Client { literal(value.clone()) } else { any(Type::String) };
            members.push((name, open));
        }
    }
    object(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_known() {
        for time in ["2025-11-25T10:30:00Z", "2025-11-25T10:30:00.123456+02:00", "2025-11-25t10:30:00.1z"] {
            assert!(is_time(time), "{time}");
        }
        for other in ["2025-11-25", "", "2025-11-25T10:30:00", "at 2025-11-25T10:30:00Z", "äääääääääääääääääääää"]
        {
            assert!(!is_time(other), "{other}");
        }
    }
}
