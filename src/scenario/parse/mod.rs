//! Reading of scenario files: YAML text to [`Scenario`]s, with every mistake at its place.

mod cases;
mod fields;
mod head;
mod pattern;
mod steps;
mod tree;
mod words;

pub use tree::{MAX_BYTES, MAX_DEPTH, MAX_NODES};
pub use words::MAX_WAIT;

use super::diagnostic::Diagnostic;
use super::model::Scenario;
use super::source::Source;
use std::sync::Arc;

/// Reads the scenarios of a file: one, or one for each row of `cases`.
///
/// # Errors
/// Everything that is wrong with it, if anything is an error; warnings are among them. Use [`read`] to have the warnings of
/// a file that can be used.
pub fn file(source: Arc<Source>) -> Result<Vec<Scenario>, Vec<Diagnostic>> {
    let (scenarios, found) = read(&source);
    if found.iter().any(|d| d.level == super::diagnostic::Level::Error) { Err(found) } else { Ok(scenarios) }
}

/// Reads the scenarios of a file and says everything that is wrong with it. With an error among them there are no scenarios.
#[must_use]
pub fn read(source: &Arc<Source>) -> (Vec<Scenario>, Vec<Diagnostic>) {
    let mut reader = cases::Reader::new(source);
    let mut scenarios = match tree::read(source, &mut reader.found) {
        Some(root) => cases::file(source, &root, &mut reader),
        None => Vec::new(),
    };
    if reader.found.broken() {
        scenarios.clear();
    }
    (scenarios, reader.found.into_sorted())
}

/// Would this, written plainly, be a text (and not null, a number, a boolean or one of YAML's traps)?
#[must_use]
pub fn is_text(word: &str) -> bool {
    matches!(pattern::resolve(word), Ok(serde_json::Value::String(_))) && !tree::is_trap(word)
}

/// A pattern from a JSON value, as a user writes it in `[bind]`: texts are read as in a scenario file, `<string>` and `$name`
/// included.
///
/// # Errors
/// What is wrong with it, in one sentence.
pub fn pattern_of(value: &serde_json::Value) -> Result<super::Pattern, String> {
    use super::pattern::{Member, Pattern, Shape};
    use super::source::Span;
    fn make(value: &serde_json::Value, depth: usize, found: &mut super::Diagnostics) -> Pattern {
        let span = Span::default();
        if depth > MAX_DEPTH {
            found.error("too-large", span, format!("lists and maps nest deeper than {MAX_DEPTH}"));
            return Pattern { shape: Shape::Any, span };
        }
        let shape = match value {
            serde_json::Value::String(text) => return pattern::scalar(text, false, span, found),
            serde_json::Value::Array(all) => Shape::Array(all.iter().map(|v| make(v, depth + 1, found)).collect()),
            serde_json::Value::Object(all) => match (all.len(), all.get("<contains>"), all.get("<each>")) {
                (1, Some(serde_json::Value::Array(inner)), _) => {
                    Shape::Contains(inner.iter().map(|v| make(v, depth + 1, found)).collect())
                }
                (1, _, Some(inner)) => Shape::Each(Box::new(make(inner, depth + 1, found))),
                _ => Shape::Object(
                    all.iter()
                        .map(|(k, v)| Member {
                            name: pattern::scalar(k, false, span, found),
                            value: make(v, depth + 1, found),
                        })
                        .collect(),
                ),
            },
            other => Shape::Literal(other.clone()),
        };
        Pattern { shape, span }
    }
    let mut found = super::Diagnostics::new(&Source::new("", ""));
    let made = make(value, 0, &mut found);
    match found.into_sorted().into_iter().next() {
        None => Ok(made),
        Some(d) => Err(match d.help {
            Some(help) => format!("{} ({help})", d.message),
            None => d.message,
        }),
    }
}

#[cfg(test)]
mod tests;
