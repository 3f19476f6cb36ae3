//! Schemas that come from a peer (a tool's `inputSchema` and `outputSchema`): compiled without the network and with bounds,
//! because nobody vouches for them.

use super::violation::Violation;
use jsonschema::error::ValidationErrorKind;
use jsonschema::{Draft, PatternOptions, ValidationError, Validator};
use serde_json::Value;
use std::collections::BTreeMap;

/// The most values (objects, arrays and scalars) in a schema or an instance.
const MOST_VALUES: usize = 50_000;
/// The most work a value may cause: subschemas after references are followed, and branches times depth.
const MOST_WORK: u64 = 1_000_000;
/// The most steps back a regular expression may take.
const MOST_BACKTRACKING: usize = 100_000;

/// A schema of a peer, ready to validate by.
#[derive(Debug)]
pub struct PeerSchema {
    validator: Validator,
    dialect: Draft,
    /// Refers to itself, and with how many branches.
    recursion: Option<u64>,
}

/// Why a schema of a peer cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeerSchemaError {
    /// It is not valid in its own dialect.
    #[error("the schema is not valid: {pointer}: {reason}")]
    Invalid {
        /// JSON pointer into the schema.
        pointer: String,
        /// What is wrong, in words.
        reason: String,
    },
    /// Its `$schema` names no dialect that we know.
    #[error("the dialect {0} is unknown")]
    UnknownDialect(String),
    /// It refers to something outside of itself, which is never fetched, or to nothing.
    #[error("a reference leads nowhere without the network: {0}")]
    Reference(String),
    /// It is larger, or would cause more work, than this harness allows.
    #[error("the schema is too large or branches too much to be used safely")]
    Unbounded,
}

/// A value that this harness does not judge by that schema: nothing is said about the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Undecided {
    /// Validation would cause more work than allowed.
    #[error("the value is too large or too deep for this schema")]
    TooMuchWork,
    /// A regular expression of the schema took too many steps.
    #[error("a regular expression of the schema takes too many steps")]
    Pattern,
}

impl PeerSchema {
    /// Compiles a schema in the dialect that its `$schema` names, or else in 2020-12. Formats are asserted where the dialect
    /// does so by itself.
    ///
    /// # Errors
    /// See [`PeerSchemaError`].
    pub fn compile(schema: &Value) -> Result<PeerSchema, PeerSchemaError> {
        let mut left = MOST_VALUES;
        count(schema, &mut left).ok_or(PeerSchemaError::Unbounded)?;
        let dialect = Draft::default().detect(schema);
        if dialect == Draft::Unknown {
            let named = schema.get("$schema").and_then(Value::as_str).unwrap_or_default();
            return Err(PeerSchemaError::UnknownDialect(named.chars().take(200).collect()));
        }
        let mut work = Work { root: schema, known: BTreeMap::new(), open: Vec::new(), recursive: false };
        if work.of(schema, 0) > MOST_WORK {
            return Err(PeerSchemaError::Unbounded);
        }
        let recursion = work.recursive.then(|| branches(schema, false).max(1));
        let pattern = PatternOptions::fancy_regex().backtrack_limit(MOST_BACKTRACKING);
        let built = jsonschema::options().with_draft(dialect).offline().with_pattern_options(pattern).build(schema);
        match built {
            Ok(validator) => Ok(PeerSchema { validator, dialect, recursion }),
            Err(error) => Err(match error.kind() {
                ValidationErrorKind::Referencing(reason) => {
                    PeerSchemaError::Reference(reason.to_string().chars().take(200).collect())
                }
                _ => {
                    let violations = Violation::of_errors(std::iter::once(error));
                    let first = violations.into_iter().next();
                    let (pointer, reason) = first.map_or_else(Default::default, |v| {
                        (v.instance_pointer, format!("expected {}, found {}", v.expected, v.found))
                    });
                    PeerSchemaError::Invalid { pointer, reason }
                }
            }),
        }
    }

    /// Is it written in 2020-12, by name or by default?
    #[must_use]
    pub fn is_2020_12(&self) -> bool {
        self.dialect == Draft::Draft202012
    }

    /// What in a value is not as the schema says; see [`super::schema::Schemas::validate`].
    ///
    /// # Errors
    /// When validation would take too long.
    pub fn validate(&self, value: &Value) -> Result<Vec<Violation>, Undecided> {
        let mut left = MOST_VALUES;
        let depth = count(value, &mut left).ok_or(Undecided::TooMuchWork)?;
        if let Some(branches) = self.recursion {
            let work = branches.checked_pow(depth).filter(|work| *work <= MOST_WORK);
            work.ok_or(Undecided::TooMuchWork)?;
        }
        let mut undecided = false;
        let errors = self.validator.iter_errors(value).inspect(|error| {
            undecided |= gave_up(error);
        });
        let found = Violation::of_errors(errors);
        if undecided { Err(Undecided::Pattern) } else { Ok(found) }
    }
}

/// Did a regular expression give up, here or in a branch of a union?
fn gave_up(error: &ValidationError<'_>) -> bool {
    match error.kind() {
        ValidationErrorKind::BacktrackLimitExceeded { .. } | ValidationErrorKind::RegexEngineFailure { .. } => true,
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
            context.iter().flatten().any(gave_up)
        }
        ValidationErrorKind::PropertyNames { error } => gave_up(error),
        _ => false,
    }
}

/// Takes every value inside from what is left, and gives the depth; `None` when nothing is left.
fn count(value: &Value, left: &mut usize) -> Option<u32> {
    *left = left.checked_sub(1)?;
    let mut deepest = 0;
    match value {
        Value::Array(items) => {
            for item in items {
                deepest = deepest.max(count(item, left)?);
            }
        }
        Value::Object(object) => {
            for item in object.values() {
                deepest = deepest.max(count(item, left)?);
            }
        }
        _ => return Some(0),
    }
    Some(deepest + 1)
}

/// How many subschemas there are when references are followed, each target counted as often as it is referred to.
struct Work<'a> {
    root: &'a Value,
    known: BTreeMap<&'a str, u64>,
    open: Vec<&'a str>,
    recursive: bool,
}

impl<'a> Work<'a> {
    /// More references in a chain than this count as recursion.
    const LONGEST_CHAIN: usize = 100;

    fn of(&mut self, schema: &'a Value, chain: usize) -> u64 {
        let mut work = 1_u64;
        match schema {
            Value::Object(object) => {
                for (key, value) in object {
                    let more = match (key.as_str(), value) {
                        ("$ref", Value::String(target)) => self.of_target(target, chain),
                        ("$dynamicRef" | "$recursiveRef", _) => {
                            self.recursive = true;
                            1
                        }
                        // definitions cost something only where they are referred to
                        ("$defs" | "definitions", _) => 0,
                        _ => self.of(value, chain),
                    };
                    work = work.saturating_add(more);
                }
            }
            Value::Array(items) => {
                for item in items {
                    work = work.saturating_add(self.of(item, chain));
                }
            }
            _ => {}
        }
        work
    }

    fn of_target(&mut self, target: &'a str, chain: usize) -> u64 {
        if let Some(known) = self.known.get(target) {
            return *known;
        }
        let found = target.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
        let (Some(schema), true) = (found, chain < Self::LONGEST_CHAIN && !self.open.contains(&target)) else {
            // to itself, or by a name we do not follow: taken for recursion, which bounds the instance
            self.recursive = true;
            return 1;
        };
        self.open.push(target);
        let work = self.of(schema, chain + 1);
        self.open.pop();
        self.known.insert(target, work);
        work
    }
}

/// How many references stand below keywords that try several schemas on one value.
fn branches(schema: &Value, below: bool) -> u64 {
    match schema {
        Value::Object(object) => object
            .iter()
            .map(|(key, value)| {
                let one = ["$ref", "$dynamicRef", "$recursiveRef"].contains(&key.as_str()) && value.is_string();
                let combines =
                    ["anyOf", "oneOf", "allOf", "if", "then", "else", "not", "dependentSchemas", "patternProperties"];
                u64::from(one && below) + branches(value, below || combines.contains(&key.as_str()))
            })
            .sum(),
        Value::Array(items) => items.iter().map(|item| branches(item, below)).sum(),
        _ => 0,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_value_is_judged_by_the_schema_of_the_peer() {
        let schema = json!({ "type": "object", "properties": { "n": { "type": "integer" } }, "required": ["n"] });
        let schema = PeerSchema::compile(&schema).unwrap();
        assert!(schema.is_2020_12());
        assert_eq!(schema.validate(&json!({ "n": 1 })).unwrap(), []);
        let found = schema.validate(&json!({ "n": "one" })).unwrap();
        assert_eq!(found[0].text(), "/n: expected an integer, found \"one\"");
    }

    #[test]
    fn dialects_are_told_apart() {
        // `items` as a list means a tuple in draft-07 and is invalid in 2020-12
        let tuple = json!({ "$schema": "http://json-schema.org/draft-07/schema#", "items": [{ "type": "string" }] });
        let schema = PeerSchema::compile(&tuple).unwrap();
        assert!(!schema.is_2020_12());
        assert_eq!(schema.validate(&json!([1])).unwrap().len(), 1);
        let modern = PeerSchema::compile(&json!({ "items": [{ "type": "string" }] })).unwrap_err();
        assert!(matches!(modern, PeerSchemaError::Invalid { ref pointer, .. } if pointer == "/items"), "{modern}");
        let unknown = PeerSchema::compile(&json!({ "$schema": "https://example.com/mine" })).unwrap_err();
        assert_eq!(unknown, PeerSchemaError::UnknownDialect("https://example.com/mine".into()));
    }

    #[test]
    fn nothing_is_fetched_and_nothing_invalid_is_used() {
        let outside = PeerSchema::compile(&json!({ "$ref": "https://example.com/schema.json" })).unwrap_err();
        assert!(matches!(outside, PeerSchemaError::Reference(_)), "{outside}");
        let nowhere = PeerSchema::compile(&json!({ "$ref": "#/$defs/none" })).unwrap_err();
        assert!(matches!(nowhere, PeerSchemaError::Reference(_)), "{nowhere}");
        let wrong = PeerSchema::compile(&json!({ "type": "strange" })).unwrap_err();
        assert!(matches!(wrong, PeerSchemaError::Invalid { ref pointer, .. } if pointer == "/type"), "{wrong}");
        assert!(PeerSchema::compile(&json!(null)).is_err());
        assert!(PeerSchema::compile(&json!(5)).is_err());
    }

    #[test]
    fn work_is_bounded_whatever_the_schema_is() {
        // each definition tries the next one twice: 2^40 subschemas
        let mut definitions = serde_json::Map::new();
        for n in 0..40 {
            let next = json!({ "$ref": format!("#/$defs/d{}", n + 1) });
            definitions.insert(format!("d{n}"), json!({ "anyOf": [next, next] }));
        }
        definitions.insert("d40".into(), json!({ "type": "string" }));
        let bomb = json!({ "$ref": "#/$defs/d0", "$defs": definitions });
        assert_eq!(PeerSchema::compile(&bomb).unwrap_err(), PeerSchemaError::Unbounded);
        let wide: Vec<Value> = (0..MOST_VALUES).map(Value::from).collect();
        assert_eq!(PeerSchema::compile(&json!({ "enum": wide })).unwrap_err(), PeerSchemaError::Unbounded);

        let tree =
            json!({ "anyOf": [{ "type": "string" }, { "items": { "$ref": "#" } }, { "items": { "$ref": "#" } }] });
        let schema = PeerSchema::compile(&tree).unwrap();
        assert_eq!(schema.validate(&json!([["leaf"]])).unwrap(), []);
        let mut deep = json!(5);
        for _ in 0..60 {
            deep = json!([deep]);
        }
        assert_eq!(schema.validate(&deep), Err(Undecided::TooMuchWork));
        assert_eq!(schema.validate(&json!(wide)), Err(Undecided::TooMuchWork));
    }

    #[test]
    fn a_regular_expression_that_does_not_end_is_no_fault_of_the_value() {
        let pattern = json!({ "pattern": "^((a|aa)+)\\1!$" });
        let value = json!(format!("{}?", "a".repeat(60)));
        for schema in [pattern.clone(), json!({ "anyOf": [pattern, { "type": "null" }] })] {
            let schema = PeerSchema::compile(&schema).unwrap();
            assert_eq!(schema.validate(&value), Err(Undecided::Pattern));
            assert_eq!(schema.validate(&json!("aa!")), Ok(vec![]));
        }
    }
}
