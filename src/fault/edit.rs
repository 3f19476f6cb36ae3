//! Changes inside a JSON value, by pointer.

use super::Context;
use serde_json::{Map, Value};

/// Changes a value that may not be there.
pub(super) fn in_place(value: &mut Option<Value>, change: impl FnOnce(&mut Value)) {
    if let Some(value) = value {
        change(value);
    }
}

fn steps(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(|s| s.replace("~1", "/").replace("~0", "~")).collect()
}

/// Puts a value at a pointer; objects on the way are made. In an array the place must be there already, or be `-`.
pub fn set(value: &mut Value, pointer: &str, to: Value) {
    let mut place = value;
    for step in steps(pointer) {
        if let Value::Array(items) = place {
            if step == "-" {
                items.push(Value::Null);
                let last = items.len() - 1;
                let Some(inner) = items.get_mut(last) else { return };
                place = inner;
                continue;
            }
            let Some(inner) = step.parse::<usize>().ok().and_then(|i| items.get_mut(i)) else { return };
            place = inner;
            continue;
        }
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        let Value::Object(members) = place else { return };
        place = members.entry(step).or_insert(Value::Null);
    }
    *place = to;
}

/// Takes out the value at a pointer, if there is one.
pub fn remove(value: &mut Value, pointer: &str) {
    let Some((parent, last)) = pointer.rsplit_once('/') else { return };
    match value.pointer_mut(parent) {
        Some(Value::Object(members)) => {
            members.shift_remove(&last.replace("~1", "/").replace("~0", "~"));
        }
        Some(Value::Array(items)) => {
            if let Some(i) = last.parse::<usize>().ok().filter(|i| *i < items.len()) {
                items.remove(i);
            }
        }
        _ => {}
    }
}

/// Adds to the number at a pointer.
pub fn add(value: &mut Value, pointer: &str, by: i64) {
    if let Some(number) = value.pointer_mut(pointer)
        && let Some(n) = number.as_i64()
    {
        *number = Value::from(n.saturating_add(by));
    }
}

/// Sets a header, or takes it out; its name is found in any case, and stays as it is written.
pub fn header(headers: &mut Vec<(String, String)>, name: &str, to: Option<&str>) {
    let Some(to) = to else {
        headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
        return;
    };
    match headers.iter_mut().find(|(n, _)| n.eq_ignore_ascii_case(name)) {
        Some((_, value)) => to.clone_into(value),
        None => headers.push((name.to_owned(), to.to_owned())),
    }
}

/// The bytes that hexadecimal digits stand for; what is no pair of digits is left out.
#[must_use]
pub fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).filter_map(|d| u8::try_from(d).ok()).collect();
    digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |sum, d| sum * 16 + d)).collect()
}

/// The same value with the members of every object in reverse order.
#[must_use]
pub fn reversed(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            Value::Object(members.iter().rev().map(|(name, v)| (name.clone(), reversed(v))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(reversed).collect()),
        other => other.clone(),
    }
}

/// Names that a party gives in place of its own.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Names {
    /// Its own, and the one that is said; the latest last.
    all: Vec<(Value, Value)>,
}

impl Names {
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn add(&mut self, own: Value, said: Value) {
        self.all.push((own, said));
    }

    /// A message as it is said.
    pub(super) fn said(&self, message: &Value) -> Value {
        replaced(message, &|value| self.all.iter().rev().find(|(own, _)| own == value).map(|(_, said)| said))
    }

    /// A message as it is meant.
    pub(super) fn meant(&self, message: &Value) -> Value {
        replaced(message, &|value| self.all.iter().rev().find(|(_, said)| said == value).map(|(own, _)| own))
    }
}

/// The same value with others in the place of those for which there is one; the names of members stay.
fn replaced<'a>(value: &Value, other: &dyn Fn(&Value) -> Option<&'a Value>) -> Value {
    if let Some(other) = other(value) {
        return other.clone();
    }
    match value {
        Value::Array(items) => Value::Array(items.iter().map(|v| replaced(v, other)).collect()),
        Value::Object(members) => {
            Value::Object(members.iter().map(|(name, v)| (name.clone(), replaced(v, other))).collect())
        }
        value => value.clone(),
    }
}

/// Replaces `$/pointer` by what `message` has there (`null` if nothing), `$asked/pointer` by what the request has that it
/// answers, and `$open METHOD` by the id of the latest open request with that method.
#[must_use]
pub fn fill(value: &Value, message: &Value, context: Context<'_>) -> Value {
    match value {
        Value::String(text) => {
            if text == "$" {
                message.clone()
            } else if let Some(pointer) = text.strip_prefix('$').filter(|p| p.starts_with('/')) {
                message.pointer(pointer).cloned().unwrap_or(Value::Null)
            } else if let Some(pointer) = text.strip_prefix("$asked").filter(|p| p.starts_with('/')) {
                context.answers.and_then(|request| request.message.pointer(pointer)).cloned().unwrap_or(Value::Null)
            } else if let Some(method) = text.strip_prefix("$open ") {
                let found = context.open.iter().rev().find(|request| request.method == method);
                found.map_or(Value::Null, |request| request.id.to_value())
            } else {
                value.clone()
            }
        }
        Value::Array(items) => Value::Array(items.iter().map(|v| fill(v, message, context)).collect()),
        Value::Object(members) => {
            Value::Object(members.iter().map(|(name, v)| (name.clone(), fill(v, message, context))).collect())
        }
        other => other.clone(),
    }
}
