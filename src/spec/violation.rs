//! What is wrong with a value, in one short sentence: the errors of the validator made readable.

use super::Revision;
use super::catalogue::Level;
use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use serde_json::Value;

/// The most violations reported of one value.
pub const MOST: usize = 20;
/// How deep unions within unions are followed.
const DEPTH: usize = 8;
/// The members that tell the branches of a union apart, in the order in which they are tried.
const DISCRIMINATORS: [&str; 5] = ["type", "method", "mode", "status", "role"];

/// One thing in a value that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// JSON pointer to the place in the value; empty for the value itself.
    pub instance_pointer: String,
    /// JSON pointer into the schema, such as `/$defs/RequestId/type`; empty where no schema says it.
    pub schema_pointer: String,
    /// What was expected, without a full stop.
    pub expected: String,
    /// What came, without a full stop.
    pub found: String,
    /// The keyword of the schema that was not met, or the name of our own check.
    pub keyword: String,
    /// [`Level::Should`] where a decision on ambiguity makes it a warning.
    pub level: Level,
    /// That decision.
    pub decision: Option<&'static str>,
    /// The requirement that says exactly this, where there is one besides "valid by the schema".
    pub requirement: Option<&'static str>,
}

impl Violation {
    /// One sentence: the place, what was expected, what came.
    #[must_use]
    pub fn text(&self) -> String {
        let place = if self.instance_pointer.is_empty() { "at the top" } else { &self.instance_pointer };
        format!("{place}: expected {}, found {}", self.expected, self.found)
    }

    pub(super) fn new(
        pointer: &str,
        keyword: &str,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Violation {
        Violation {
            instance_pointer: pointer.into(),
            schema_pointer: String::new(),
            expected: expected.into(),
            found: found.into(),
            keyword: keyword.into(),
            level: Level::Must,
            decision: None,
            requirement: None,
        }
    }

    pub(super) fn no_definition(name: &str, revision: Revision, reason: &str) -> Violation {
        Violation::new("", "definition", format!("the definition `{name}` in the schema of {revision}"), reason)
    }

    /// The first [`MOST`] violations of what the validator says.
    pub(super) fn of_errors<'a>(errors: impl Iterator<Item = ValidationError<'a>>) -> Vec<Violation> {
        let mut found = Vec::new();
        for error in errors {
            collect(&error, &mut found, DEPTH);
            if found.len() >= MOST {
                break;
            }
        }
        found.truncate(MOST);
        found
    }
}

fn collect(error: &ValidationError<'_>, into: &mut Vec<Violation>, depth: usize) {
    match error.kind() {
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } if depth > 0 => {
            union(error, context, into, depth - 1)
        }
        _ => into.push(plain(error)),
    }
}

/// A value that fits no branch of a union: what is wrong with the branch it was meant for, or that it is meant for none.
fn union(
    error: &ValidationError<'_>,
    branches: &[Vec<ValidationError<'static>>],
    into: &mut Vec<Violation>,
    depth: usize,
) {
    let base = error.instance_path().as_str();
    // of branches with equally many errors the one whose members are there, however wrong
    let missing = |branch: &&Vec<ValidationError<'static>>| {
        branch.iter().filter(|e| matches!(e.kind(), Kind::Required { .. })).count()
    };
    let possible = branches.iter().filter(|branch| !ruled_out(branch, base, depth));
    let meant = possible.min_by_key(|branch| (branch.len(), missing(branch)));
    if let Some(branch) = meant {
        for error in branch {
            collect(error, into, depth);
        }
        return;
    }
    let mut violation = plain(error);
    let mut wanted: Vec<String> = Vec::new();
    for discriminator in DISCRIMINATORS {
        let place = format!("{base}/{discriminator}");
        for mismatch in all(branches, depth).filter(|e| e.instance_path().as_str() == place) {
            for text in constants(mismatch) {
                if !wanted.contains(&text) {
                    wanted.push(text);
                }
            }
            violation.found = brief(mismatch.instance());
        }
        if !wanted.is_empty() {
            violation.instance_pointer = place;
            violation.expected = list(&wanted);
            into.push(violation);
            return;
        }
    }
    for mismatch in all(branches, depth).filter(|e| e.instance_path().as_str() == base) {
        if let Kind::Type { kind } = mismatch.kind() {
            let text = types(kind);
            if !wanted.contains(&text) {
                wanted.push(text);
            }
        }
    }
    if !wanted.is_empty() {
        violation.expected = list(&wanted);
    }
    into.push(violation);
}

/// Cannot the value have been meant for this branch? Its discriminator is another, or its type.
fn ruled_out(branch: &[ValidationError<'static>], base: &str, depth: usize) -> bool {
    branch.iter().any(|error| {
        let place = error.instance_path().as_str();
        match error.kind() {
            Kind::Constant { .. } | Kind::Enum { .. } => place
                .strip_prefix(base)
                .and_then(|rest| rest.strip_prefix('/'))
                .is_some_and(|member| DISCRIMINATORS.contains(&member)),
            Kind::Type { .. } => place == base,
            Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
                place == base && depth > 0 && context.iter().all(|branch| ruled_out(branch, base, depth - 1))
            }
            _ => false,
        }
    })
}

/// Every error of every branch, those of unions within included.
fn all<'e>(
    branches: &'e [Vec<ValidationError<'static>>],
    depth: usize,
) -> Box<dyn Iterator<Item = &'e ValidationError<'static>> + 'e> {
    Box::new(branches.iter().flatten().flat_map(move |error| {
        let nested: Box<dyn Iterator<Item = _>> = match error.kind() {
            Kind::AnyOf { context } | Kind::OneOfNotValid { context } if depth > 0 => all(context, depth - 1),
            _ => Box::new(std::iter::empty()),
        };
        std::iter::once(error).chain(nested)
    }))
}

fn constants(error: &ValidationError<'_>) -> Vec<String> {
    match error.kind() {
        Kind::Constant { expected_value } => vec![brief(expected_value)],
        Kind::Enum { options } => options.as_array().into_iter().flatten().map(brief).collect(),
        _ => Vec::new(),
    }
}

fn plain(error: &ValidationError<'_>) -> Violation {
    let instance = error.instance();
    let (expected, found) = match error.kind() {
        Kind::Type { kind } => (types(kind), brief(instance)),
        Kind::Required { property } => (format!("the member {}", quoted(property)), members(instance)),
        Kind::Constant { .. } | Kind::Enum { .. } => (list(&constants(error)), brief(instance)),
        Kind::Format { format } => (format_name(format), brief(instance)),
        Kind::Minimum { limit } => (format!("at least {limit}"), brief(instance)),
        Kind::Maximum { limit } => (format!("at most {limit}"), brief(instance)),
        Kind::ExclusiveMinimum { limit } => (format!("more than {limit}"), brief(instance)),
        Kind::ExclusiveMaximum { limit } => (format!("less than {limit}"), brief(instance)),
        Kind::MultipleOf { multiple_of } => (format!("a multiple of {multiple_of}"), brief(instance)),
        Kind::MinItems { limit } => (format!("at least {limit} items"), brief(instance)),
        Kind::MaxItems { limit } => (format!("at most {limit} items"), brief(instance)),
        Kind::MinLength { limit } => (format!("at least {limit} characters"), brief(instance)),
        Kind::MaxLength { limit } => (format!("at most {limit} characters"), brief(instance)),
        Kind::MinProperties { limit } => (format!("at least {limit} members"), brief(instance)),
        Kind::MaxProperties { limit } => (format!("at most {limit} members"), brief(instance)),
        Kind::Pattern { pattern } => (format!("a match of /{}/", cut(pattern, 60)), brief(instance)),
        Kind::UniqueItems => ("no item twice".into(), brief(instance)),
        Kind::OneOfMultipleValid { .. } => ("exactly one of the forms to fit".into(), "several".into()),
        Kind::FalseSchema => ("nothing here".into(), brief(instance)),
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            let names: Vec<String> = unexpected.iter().take(5).map(|n| format!("`{}`", cut(n, 40))).collect();
            ("no further member".into(), names.join(", "))
        }
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
            (format!("one of {} forms", context.len()), brief(instance))
        }
        _ => (format!("what `{}` demands", error.kind().keyword()), brief(instance)),
    };
    let mut violation = Violation::new(error.instance_path().as_str(), error.kind().keyword(), expected, found);
    violation.schema_pointer = error
        .absolute_keyword_location()
        .and_then(|uri| uri.as_str().split_once('#'))
        .map_or_else(|| error.schema_path().as_str().to_owned(), |(_, pointer)| pointer.replace("%24", "$"));
    violation
}

fn format_name(format: &str) -> String {
    match format {
        "uri" => "a URI with a scheme".into(),
        "uri-template" => "a URI template".into(),
        "byte" => "base64".into(),
        other => format!("the format `{other}`"),
    }
}

fn types(kind: &TypeKind) -> String {
    let name = |word: &str| match word {
        "null" => "null".to_owned(),
        "integer" | "array" | "object" => format!("an {word}"),
        other => format!("a {other}"),
    };
    match kind {
        TypeKind::Single(one) => name(one.as_str()),
        TypeKind::Multiple(several) => list(&several.iter().map(|t| name(t.as_str())).collect::<Vec<_>>()),
    }
}

/// `a`, `a or b`, `a, b or c`.
fn list(items: &[String]) -> String {
    match items {
        [] => "nothing".into(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

fn quoted(name: &Value) -> String {
    format!("`{}`", name.as_str().unwrap_or_default())
}

/// The members an object has, where one is missing.
fn members(value: &Value) -> String {
    let Some(object) = value.as_object() else { return brief(value) };
    let names: Vec<String> = object.keys().take(6).map(|n| format!("`{}`", cut(n, 40))).collect();
    match (names.is_empty(), object.len() > names.len()) {
        (true, _) => "an empty object".into(),
        (false, false) => format!("an object with {}", names.join(", ")),
        (false, true) => format!("an object with {} and {} more", names.join(", "), object.len() - names.len()),
    }
}

/// A value in a few words: scalars as they are, the rest by kind and size.
fn brief(value: &Value) -> String {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) if text.chars().nth(40).is_none() => value.to_string(),
        Value::String(text) => {
            format!("a string of {} characters, {}", text.chars().count(), Value::from(cut(text, 30)))
        }
        Value::Array(items) if items.is_empty() => "an empty array".into(),
        Value::Array(items) => format!("an array of {}", items.len()),
        Value::Object(_) => members(value),
    }
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::spec::schema::Schemas;
    use serde_json::json;

    fn texts(revision: Revision, definition: &str, value: &Value) -> Vec<String> {
        let found = Schemas::of(revision).validate(definition, value);
        for violation in &found {
            assert!(violation.schema_pointer.starts_with('/'), "{violation:?}");
        }
        found.iter().map(Violation::text).collect()
    }

    #[test]
    fn a_union_reports_the_branch_that_was_meant() {
        let result = json!({ "content": [
            { "type": "text", "text": "fine" },
            { "type": "text", "txt": "misspelt" },
            { "type": "image", "data": "no base64", "mimeType": 5 },
            { "type": "texd", "text": "x" },
            "no object",
        ] });
        insta::assert_snapshot!(texts(Revision::V2025_11_25, "CallToolResult", &result).join("\n"));
    }

    #[test]
    fn sentences_are_short_and_name_what_was_expected() {
        let long = "x".repeat(100_000);
        let mut seen = Vec::new();
        for (definition, value) in [
            ("CallToolRequest", json!({ "jsonrpc": "2.0", "id": 1.5, "method": "tools/call", "params": {} })),
            ("CallToolRequest", json!({ "jsonrpc": "1.0", "method": "tools/list" })),
            ("Task", json!({ "taskId": 7, "status": "done", "ttl": 1.5, "createdAt": long })),
            ("Annotations", json!({ "priority": 2, "audience": ["robot"] })),
            ("ElicitRequestParams", json!({ "mode": "url", "message": "m", "url": "nowhere" })),
            ("ElicitRequestParams", json!({ "mode": "telepathy", "message": "m" })),
            ("SamplingMessage", json!({ "role": "user", "content": { "type": "tool_use", "id": 1 } })),
            ("SamplingMessage", json!({ "role": "user", "content": 5 })),
            ("PrimitiveSchemaDefinition", json!({ "type": "number", "minimum": "low" })),
            ("Root", json!({ "uri": long })),
            ("CallToolResult", json!("nothing")),
        ] {
            for text in texts(Revision::V2025_11_25, definition, &value) {
                assert!(text.len() < 300, "{text}");
                seen.push(format!("{definition}{}{text}", if text.starts_with('/') { "" } else { ": " }));
            }
        }
        let modern = json!({ "resultType": "input_required", "inputRequests": { "k": { "method": "roots/lost" } } });
        seen.extend(texts(Revision::V2026_07_28, "InputRequiredResult", &modern));
        let task = json!({ "resultType": "complete", "taskId": "t", "status": "failed", "createdAt": "x" });
        seen.extend(texts(Revision::V2026_07_28, "extension-tasks/GetTaskResult", &task));
        insta::assert_snapshot!(seen.join("\n"));
    }

    #[test]
    fn the_number_of_violations_is_bounded() {
        let many: Vec<Value> = (0..1000).map(|n| json!({ "type": n })).collect();
        let found = Schemas::of(Revision::V2025_11_25).validate("CallToolResult", &json!({ "content": many }));
        assert_eq!(found.len(), MOST);
    }
}
