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
