//! The decisions on ambiguity: where the specification can be read in two ways, and what the harness does.

use serde::Deserialize;
use std::sync::OnceLock;

/// One decision.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Decision {
    /// Its name, such as `tasks-initial-status` or `A-06`.
    pub name: String,
    /// Pages and sections of the specification, if one can be named.
    #[serde(default)]
    pub sources: Vec<String>,
    /// What is ambiguous.
    pub question: String,
    /// What the harness does; empty where the question says it.
    #[serde(default)]
    pub decision: String,
}

impl Decision {
    /// All of them, in the order of the file; read once and kept.
    #[must_use]
    pub fn all() -> &'static [Decision] {
        static KEPT: OnceLock<Vec<Decision>> = OnceLock::new();
        KEPT.get_or_init(|| read().unwrap_or_default())
    }

    /// The decision with that name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Decision> {
        Decision::all().iter().find(|d| d.name == name)
    }
}

#[derive(Deserialize)]
struct File {
    decisions: Vec<Decision>,
}

/// The file: JSON, which is YAML too, written by `derive-schemas`.
fn read() -> Result<Vec<Decision>, serde_json::Error> {
    let file: File = serde_json::from_str(include_str!("../../schemas/decisions.yaml"))?;
    Ok(file.decisions)
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::spec::{Catalogue, Revision};

    #[test]
    fn every_decision_that_a_requirement_rests_on_says_what_was_decided() {
        let all = read().expect("the embedded file is good");
        assert!(all.len() > 80, "{}", all.len());
        for revision in Revision::ALL {
            for requirement in Catalogue::of(revision).iter() {
                if let Some(name) = &requirement.decision {
                    assert!(Decision::find(name).is_some(), "{}: {name}", requirement.id);
                }
            }
        }
    }

    #[test]
    fn every_decision_that_the_check_of_messages_applies_is_there() {
        for name in [
            "error-id-null",
            "A-06",
            "A-08",
            "tasks-ttl-number",
            "tasks-get-payload-open",
            "tasks-result-of-cancelled",
            "cancelled-request-id-optional",
        ] {
            assert!(Decision::find(name).is_some_and(|d| !d.question.is_empty()), "{name}");
        }
        assert_eq!(Decision::find("no-such"), None);
    }
}
