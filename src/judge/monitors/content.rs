//! What content blocks, resources and their annotations have in common, where the schemas leave something open.

use crate::judge::stamp::Stamp;
use serde_json::Value;

/// Something that is wrong: the pointer below the value that was looked at, what was expected, what was found.
pub(super) type Wrong = (String, &'static str, String);

/// Is it `type/subtype`, with or without parameters?
pub(super) fn is_mime(text: &str) -> bool {
    let token =
        |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
    let kind = text.split_once(';').map_or(text, |(kind, _)| kind).trim_end();
    kind.split_once('/').is_some_and(|(kind, of)| token(kind) && token(of))
}

/// The MIME type of a value, if it is there and is none.
pub(super) fn wrong_mime(value: &Value) -> Option<Wrong> {
    let mime = value.get("mimeType").and_then(Value::as_str)?;
    (!is_mime(mime)).then(|| ("/mimeType".to_owned(), "a MIME type", short(mime)))
}

/// When it was last modified, in the annotations of a value: ISO 8601.
pub(super) fn wrong_modified(value: &Value) -> Option<Wrong> {
    let modified = value.pointer("/annotations/lastModified").and_then(Value::as_str)?;
    let wrong = Stamp::read(modified) == Stamp::Not;
    wrong.then(|| ("/annotations/lastModified".to_owned(), "a time by ISO 8601", short(modified)))
}

/// Annotations where the schemas know none: those inside an embedded resource.
pub(super) fn wrong_annotations(value: &Value) -> Option<Wrong> {
    let annotations = value.get("annotations")?;
    let wrong = |member: &str, expected| {
        let found = annotations.get(member).map(Value::to_string).unwrap_or_default();
        Some((format!("/annotations/{member}"), expected, short(&found)))
    };
    if !annotations.is_object() {
        return Some(("/annotations".to_owned(), "an object", short(&annotations.to_string())));
    }
    if let Some(audience) = annotations.get("audience") {
        let role = |v: &Value| matches!(v.as_str(), Some("user" | "assistant"));
        if !audience.as_array().is_some_and(|all| all.iter().all(role)) {
            return wrong("audience", "an array of `user` and `assistant`");
        }
    }
    if let Some(priority) = annotations.get("priority")
        && !priority.as_f64().is_some_and(|p| (0.0..=1.0).contains(&p))
    {
        return wrong("priority", "a number from 0 to 1");
    }
    wrong_modified(value)
}

/// A text for a message, not longer than a line.
pub(super) fn short(text: &str) -> String {
    let cut: String = text.chars().take(80).collect();
    if cut.len() < text.len() { format!("`{cut}...`") } else { format!("`{cut}`") }
}

/// The elements of an array, each with its pointer.
pub(super) fn each<'v>(value: &'v Value, pointer: &'v str) -> impl Iterator<Item = (String, &'v Value)> {
    let items = value.pointer(pointer).and_then(Value::as_array);
    items.into_iter().flatten().enumerate().map(move |(i, item)| (format!("{pointer}/{i}"), item))
}

/// Are two JSON values equal, however their numbers are written and their members are ordered?
pub(super) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => x == y || x.as_f64() == y.as_f64(),
        (Value::Array(x), Value::Array(y)) => x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same(x, y)),
        (Value::Object(x), Value::Object(y)) => {
            x.len() == y.len() && x.iter().all(|(name, x)| y.get(name).is_some_and(|y| same(x, y)))
        }
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn mime_types_are_told_from_others() {
        for good in ["text/plain", "image/svg+xml", "text/html; charset=utf-8", "application/vnd.x-1"] {
            assert!(is_mime(good), "{good}");
        }
        for bad in ["", "png", "image/", "/png", "image / png", "text/plain,x"] {
            assert!(!is_mime(bad), "{bad}");
        }
    }

    #[test]
    fn values_are_the_same_however_they_are_written() {
        assert!(same(&json!({"a": 1, "b": [2.0]}), &json!({"b": [2], "a": 1.0})));
        assert!(!same(&json!({"a": 1}), &json!({"a": 1, "b": null})));
        assert!(!same(&json!([1, 2]), &json!([2, 1])));
        assert!(!same(&json!("1"), &json!(1)));
    }

    #[test]
    fn annotations_are_checked_member_by_member() {
        let wrong = |annotations: Value| wrong_annotations(&json!({"annotations": annotations})).map(|w| w.0);
        assert_eq!(wrong(json!({"audience": ["user"], "priority": 1, "lastModified": "2025-01-12"})), None);
        assert_eq!(wrong(json!({})), None);
        assert_eq!(wrong(json!(5)).as_deref(), Some("/annotations"));
        assert_eq!(wrong(json!({"audience": ["robot"]})).as_deref(), Some("/annotations/audience"));
        assert_eq!(wrong(json!({"priority": 1.5})).as_deref(), Some("/annotations/priority"));
        assert_eq!(wrong(json!({"lastModified": "yesterday"})).as_deref(), Some("/annotations/lastModified"));
    }
}
