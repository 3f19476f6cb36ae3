//! The decisions on ambiguity, for readers: what is ambiguous, where, and what the harness decides.

use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt::Write;

/// One decision.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Ambiguity {
    pub(crate) name: String,
    /// Pages and sections, where the material says them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) sources: Vec<String>,
    /// What is ambiguous.
    pub(crate) question: String,
    /// What the harness does; empty where the question says it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) decision: String,
}

/// Where a later decision overrides the material.
const OVERRIDES: [(&str, &str); 2] = [
    (
        "tasks-initial-status",
        "A CreateTaskResult with another status is always a warning: a comparison of its timestamps would flip by the \
         millisecond.",
    ),
    ("elicit-result-integer", "The embedded schemas are corrected (integer to number); see CORRECTIONS.md."),
];

/// Decisions that the material does not have: name, source, question, decision.
const ADDITIONS: [(&str, &str, &str, &str); 3] = [
    (
        "tasks-inlined-result-type",
        "tasks#task-status",
        "Every result must state its resultType, but the examples of finished tasks inline a result without one.",
        "The inlined result may leave it out; the result around it may not.",
    ),
    (
        "tasks-member-elsewhere",
        "basic/utilities/tasks#task-support-and-handling",
        "A `task` member on a method that cannot be augmented is not spoken of.",
        "A warning to its sender; it changes nothing else.",
    ),
    (
        "question-redelivered",
        "basic/transports#resumability-and-redelivery",
        "Whether a question that was lost with its stream may come again, and under which id, is not said.",
        "It may, with the same id, a new one, or by resumption; the rules on unique ids and single streams do not apply to it.",
    ),
];

/// Reads the list of decisions: `- **name** (sources): question *Decision:* decision`, or `- A-nn question Proposal: decision`.
///
/// # Errors
/// A name that occurs twice, an override of nothing.
pub(crate) fn read(text: &str) -> Result<Vec<Ambiguity>, String> {
    let mut found: Vec<Ambiguity> = text.lines().filter_map(line).collect();
    found.extend(ADDITIONS.map(|(name, source, question, decision)| Ambiguity {
        name: name.into(),
        sources: vec![source.into()],
        question: question.into(),
        decision: decision.into(),
    }));
    let mut names = BTreeSet::new();
    if let Some(twice) = found.iter().find(|a| !names.insert(a.name.clone())) {
        return Err(format!("the decision {} occurs twice", twice.name));
    }
    for (name, decision) in OVERRIDES {
        let place = found.iter_mut().find(|a| a.name == name);
        place.ok_or_else(|| format!("there is no decision {name} to override"))?.decision = decision.into();
    }
    Ok(found)
}

fn line(line: &str) -> Option<Ambiguity> {
    let item = line.strip_prefix("- ")?;
    if let Some(named) = item.strip_prefix("**") {
        let (name, rest) = named.split_once("** (")?;
        let (sources, rest) = rest.split_once("): ")?;
        let (question, decision) = rest.split_once(" *Decision:* ")?;
        let sources = sources.split(", ").map(str::to_owned).collect();
        return Some(Ambiguity { name: name.into(), sources, question: kept(question), decision: kept(decision) });
    }
    let (name, rest) = item.split_once(' ')?;
    name.strip_prefix("A-").filter(|n| n.len() == 2 && n.bytes().all(|b| b.is_ascii_digit()))?;
    let (question, decision) = rest.split_once(" Proposal: ").unwrap_or((rest, ""));
    Some(Ambiguity {
        name: name.into(),
        sources: Vec::new(),
        question: kept(question),
        decision: sentence(&kept(decision)),
    })
}

/// The sentences that are not about copies of the published files which only the authors of the material had.
fn kept(text: &str) -> String {
    let sentences = text.split_inclusive(". ");
    sentences.filter(|s| !s.contains("mirror")).collect::<String>().trim_end().to_owned()
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// JSON, which is YAML too, with one decision a line.
pub(crate) fn print(ambiguities: &[Ambiguity]) -> Result<String, String> {
    let mut text = String::from("{\"decisions\": [\n");
    for (i, ambiguity) in ambiguities.iter().enumerate() {
        let comma = if i + 1 == ambiguities.len() { "" } else { "," };
        let _ = writeln!(text, "{}{comma}", serde_json::to_string(ambiguity).map_err(|e| e.to_string())?);
    }
    text.push_str("]}\n");
    Ok(text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read_and_other_lines_are_not() {
        let first = line("- **a-b** (x/y#z, q): What now. Our mirror has it. Who knows. *Decision:* Do it.").unwrap();
        assert_eq!((first.name.as_str(), first.sources.len()), ("a-b", 2));
        assert_eq!((first.question.as_str(), first.decision.as_str()), ("What now. Who knows.", "Do it."));
        let second = line("- A-07 What: this. Fixed after the mirror. Then. Proposal: accept either.").unwrap();
        assert_eq!((second.question.as_str(), second.decision.as_str()), ("What: this. Then.", "Accept either."));
        assert_eq!(line("- A-30 Only a question.").unwrap().decision, "");
        for other in ["# Title", "- 75 examples parsed", "- A-x", "text", "- **broken"] {
            assert_eq!(line(other), None, "{other}");
        }
    }
}
