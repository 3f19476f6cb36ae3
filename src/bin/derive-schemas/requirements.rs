//! The requirement catalogues: the material with effective levels, one requirement a line.

use crate::decisions::DECISIONS;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt::Write;

/// The material of one revision.
#[derive(Deserialize)]
struct Material {
    requirements: Vec<Entry>,
}

/// One requirement, as the material has it and as the catalogue gets it; `why` and `note` are working notes and stay behind.
#[derive(Clone, Deserialize, Serialize)]
struct Entry {
    id: String,
    level: String,
    party: String,
    text: String,
    source: String,
    transport: String,
    seen: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    how: Option<String>,
    since: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strength: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<String>,
}

/// What JSON-RPC says in every revision and no page of the specification has to repeat.
fn answered() -> Entry {
    Entry {
        id: "base.request.answered".into(),
        level: "must".into(),
        party: "both".into(),
        text: "Every request that was not cancelled is answered, by exactly one result or error.".into(),
        source: "JSON-RPC 2.0, section 5; basic/index#responses".into(),
        transport: "any".into(),
        seen: "monitor".into(),
        how: Some("A request without an answer when its deadline passes or its connection ends in good order.".into()),
        since: "2024-11-05".into(),
        until: None,
        strength: Some("derived".into()),
        decision: None,
    }
}

/// What follows from the rules on messages for whoever receives one that keeps none of them. No sentence says it outright, so it
/// is a recommendation.
fn not_served() -> Entry {
    Entry {
        id: "base.malformed.not-served".into(),
        level: "should".into(),
        text: "What is no valid message is not served as if it were one.".into(),
        source: "JSON-RPC 2.0, sections 4 and 5.1; RFC 8259, section 4; basic/index#messages".into(),
        seen: "probe".into(),
        how: Some(
            "Send a batch, an object with a name twice, a request with the id null; no result may come of it.".into(),
        ),
        ..answered()
    }
}

/// The catalogues by folder. `read` gives the text of a file of the material.
///
/// # Errors
/// Material that cannot be read, an id that occurs twice, a decision on a requirement that does not exist or that changes
/// nothing.
pub(crate) fn derive(read: impl Fn(&str) -> Result<String, String>) -> Result<Vec<(&'static str, String)>, String> {
    let load = |name: &str| -> Result<Vec<Entry>, String> {
        let file = format!("{name}.yaml");
        let material: Material = serde_saphyr::from_str(&read(&file)?).map_err(|e| format!("{file}: {e}"))?;
        decided(name, material.requirements)
    };
    let legacy = load("2025-11-25")?;
    let mut catalogues = Vec::new();
    for revision in crate::REVISIONS {
        let mut entries = vec![answered(), not_served()];
        if revision <= "2025-11-25" {
            entries.extend(legacy.iter().filter(|e| e.since.as_str() <= revision).cloned());
        } else {
            entries.extend(load(revision)?);
        }
        catalogues.push((revision, print(revision, &entries)?));
    }
    catalogues.push((crate::TASKS, print(crate::TASKS, &load(crate::TASKS)?)?));
    Ok(catalogues)
}

/// The entries of one file of the material after the decisions.
fn decided(catalogue: &str, mut entries: Vec<Entry>) -> Result<Vec<Entry>, String> {
    let mut seen = BTreeSet::new();
    for entry in &mut entries {
        if !seen.insert(entry.id.clone()) {
            return Err(format!("{catalogue}: {} occurs twice", entry.id));
        }
        if entry.seen == "driver" {
            entry.seen = "fixture".into();
        }
    }
    for decision in DECISIONS.iter().filter(|d| d.catalogue == catalogue) {
        let place = format!("{catalogue}: decision {} on {}", decision.name, decision.id);
        let entry = entries.iter_mut().find(|e| e.id == decision.id).ok_or_else(|| format!("{place}: no such id"))?;
        if entry.decision.is_some() {
            return Err(format!("{place}: it has one already"));
        }
        for (word, to) in [(&mut entry.level, decision.level), (&mut entry.party, decision.party)] {
            match to {
                Some(to) if word == to => return Err(format!("{place}: it is `{to}` anyway")),
                Some(to) => *word = to.into(),
                None => {}
            }
        }
        entry.decision = Some(decision.name.into());
    }
    Ok(entries)
}

/// Has every decision on a requirement a text that says what was decided?
///
/// # Errors
/// The first one that has none.
pub(crate) fn name_known_decisions(known: &[crate::ambiguities::Ambiguity]) -> Result<(), String> {
    match DECISIONS.iter().find(|d| !known.iter().any(|k| k.name == d.name)) {
        Some(unknown) => Err(format!("{}: there is no decision {}", unknown.id, unknown.name)),
        None => Ok(()),
    }
}

/// JSON, which is YAML too, with one requirement a line.
fn print(name: &str, entries: &[Entry]) -> Result<String, String> {
    let mut text = format!("{{\"catalogue\": \"{name}\", \"requirements\": [\n");
    for (i, entry) in entries.iter().enumerate() {
        let line = serde_json::to_string(entry).map_err(|e| e.to_string())?;
        let comma = if i + 1 == entries.len() { "" } else { "," };
        let _ = writeln!(text, "{line}{comma}");
    }
    text.push_str("]}\n");
    Ok(text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn entry(id: &str, level: &str) -> Entry {
        Entry { id: id.into(), level: level.into(), seen: "driver".into(), ..answered() }
    }

    fn material(catalogue: &str) -> Vec<Entry> {
        let ids = DECISIONS.iter().filter(|d| d.catalogue == catalogue);
        ids.map(|d| entry(d.id, if d.level == Some("should-not") { "must-not" } else { "must" })).collect()
    }

    #[test]
    fn a_decision_sets_the_effective_level_and_is_named() {
        let entries = decided("extension-tasks", material("extension-tasks")).unwrap();
        let missing = entries.iter().find(|e| e.id == "tasks.headers.missing-rejected").unwrap();
        assert_eq!((missing.level.as_str(), missing.decision.as_deref()), ("should", Some("A-16")));
        assert_eq!(missing.seen, "fixture");
        let mismatch = entries.iter().find(|e| e.id == "tasks.headers.mismatch-rejected").unwrap();
        assert_eq!((mismatch.level.as_str(), mismatch.decision.as_deref()), ("must", Some("A-16")));
    }

    #[test]
    fn a_decision_on_nothing_and_an_id_that_occurs_twice_are_errors() {
        let error = decided("extension-tasks", vec![]).err().unwrap();
        assert!(error.ends_with("no such id"), "{error}");
        let error = decided("none", vec![entry("a.b", "must"), entry("a.b", "must")]).err().unwrap();
        assert_eq!(error, "none: a.b occurs twice");
        let mut weak = material("extension-tasks");
        for entry in &mut weak {
            entry.level = "should".into();
        }
        let error = decided("extension-tasks", weak).err().unwrap();
        assert!(error.ends_with("it is `should` anyway"), "{error}");
    }
}
