//! Lint: what a file says that cannot be meant.

/// The name of every rule.
pub const RULES: &[&str] = &[];

/// Checks the scenarios of one file.
#[must_use]
pub fn check(_scenarios: &[super::model::Scenario]) -> Vec<super::diagnostic::Diagnostic> {
    Vec::new()
}
