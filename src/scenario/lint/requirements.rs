//! What a file claims of the specification: ids that exist and hold, parties that are bound, decisions, capabilities.

use crate::scenario::diagnostic::{Diagnostics, did_you_mean};
use crate::scenario::model::{Needed, Proof, Scenario, Step, StepBody, each_step};
use crate::scenario::seats::{acting, bound_parties, seats};
use crate::scenario::source::Span;
use crate::spec::Revision;
use crate::spec::catalogue::{Bound, Catalogue, Seen};
use crate::wire::Party;
use std::collections::BTreeSet;
use std::sync::OnceLock;

/// Checks one scenario.
pub(super) fn check(scenario: &Scenario, found: &mut Diagnostics) {
    each_step(&scenario.exchange, &mut |step| {
        for proof in &step.proves {
            if exists(scenario, proof, found) {
                proves(scenario, step, proof, found);
            }
        }
        if let StepBody::Act(act) = &step.body {
            for proof in &act.breaks {
                if exists(scenario, proof, found) {
                    breaks(scenario, act.party, proof, found);
                }
            }
        }
        if let Some(decision) = &step.decision
            && !decisions().contains(decision.as_str())
        {
            let span = step.places.of("decision").unwrap_or(step.span);
            let known: Vec<&str> = decisions().iter().copied().collect();
            let message = format!("there is no decision `{decision}`");
            match did_you_mean(decision, &known) {
                Some(help) => found.error_help("unknown-decision", span, message, help),
                None => found.error("unknown-decision", span, message),
            }
        }
    });
    for need in &scenario.needs {
        if let Needed::Capability(path) | Needed::Lack(path) = &need.what {
            capability(path, need.party, need.span, found);
        }
    }
}

/// What concerns all rows together.
pub(super) fn whole_file(scenarios: &[Scenario], found: &mut Diagnostics) {
    for scenario in scenarios {
        let mut proofs = 0usize;
        each_step(&scenario.exchange, &mut |step| proofs += step.proves.len());
        let first = scenario.exchange.first().map_or(Span::default(), |s| s.span);
        if proofs == 0 {
            found.warn("no-proof", first, "this scenario proves nothing", "add `proves: [..]` to the step that shows it; without, it can show only that the two understand each other");
        } else if !found.broken() && scenario.revisions.iter().all(|r| seats(scenario, Catalogue::of(*r)).is_empty()) {
            let message = format!("what `{}` proves can be had from no seat", scenario.id);
            found.error_help(
                "no-seat",
                first,
                message,
                "a scenario in which both parties break rules on purpose can be played by nobody",
            );
        }
    }
}

/// Does the requirement exist and hold in every revision of the file?
fn exists(scenario: &Scenario, proof: &Proof, found: &mut Diagnostics) -> bool {
    let without: Vec<Revision> =
        scenario.revisions.iter().copied().filter(|r| Catalogue::of(*r).get(&proof.id).is_none()).collect();
    if without.is_empty() {
        return true;
    }
    let held = Catalogue::revisions_of(&proof.id);
    if held.is_empty() {
        let suggestion = scenario.revisions.iter().rev().find_map(|r| Catalogue::of(*r).suggest(&proof.id));
        let message = format!("there is no requirement `{}`", proof.id);
        match suggestion {
            Some(id) => found.error_help("unknown-requirement", proof.span, message, format!("did you mean `{id}`?")),
            None => found.error("unknown-requirement", proof.span, message),
        }
    } else {
        let list = |all: &[Revision]| all.iter().map(|r| r.as_str()).collect::<Vec<_>>().join(", ");
        found.error_help(
            "requirement-not-in-revision",
            proof.span,
            format!("`{}` does not hold in {}", proof.id, list(&without)),
            format!("it holds in {}: narrow the `revisions` of the file", list(&held)),
        );
    }
    false
}

fn proves(scenario: &Scenario, step: &Step, proof: &Proof, found: &mut Diagnostics) {
    for revision in &scenario.revisions {
        let Some(requirement) = Catalogue::of(*revision).get(&proof.id) else { continue };
        if requirement.seen == Seen::No || requirement.party == Bound::Outsider {
            found.error(
                "not-observable",
                proof.span,
                format!("`{}` cannot be seen on the wire in {revision}", proof.id),
            );
            return;
        }
        if bound_parties(scenario, step, requirement.party).is_empty() {
            let bound = match requirement.party {
                Bound::Party(p) => format!("the {p}"),
                Bound::Requestor => "the requestor".to_owned(),
                Bound::Receiver => "the receiver".to_owned(),
                Bound::Both | Bound::Outsider => "nobody here".to_owned(),
            };
            let does: Vec<&str> = acting(step).iter().map(|p| p.as_str()).collect();
            found.error_help(
                "foreign-proof",
                proof.span,
                format!("`{}` binds {bound}, and in this step only the {} acts", proof.id, does.join(" and the ")),
                "move it to the step that shows it",
            );
            return;
        }
    }
}

fn breaks(scenario: &Scenario, party: Party, proof: &Proof, found: &mut Diagnostics) {
    for revision in &scenario.revisions {
        let Some(requirement) = Catalogue::of(*revision).get(&proof.id) else { continue };
        let bound = match requirement.party {
            Bound::Party(p) => p == party,
            Bound::Both => true,
            Bound::Requestor => scenario.requestor.is_none_or(|p| p == party),
            Bound::Receiver => scenario.requestor.is_none_or(|p| p.other() == party),
            Bound::Outsider => false,
        };
        if !bound {
            found.error(
                "foreign-breaks",
                proof.span,
                format!("`{}` does not bind the {party}, so the {party} cannot break it", proof.id),
            );
            return;
        }
    }
}

/// Every decision that a requirement of any revision rests on.
fn decisions() -> &'static BTreeSet<&'static str> {
    static KEPT: OnceLock<BTreeSet<&'static str>> = OnceLock::new();
    KEPT.get_or_init(|| {
        Revision::ALL.into_iter().flat_map(|r| Catalogue::of(r).iter()).filter_map(|r| r.decision.as_deref()).collect()
    })
}

/// The first words of the capabilities that any revision knows.
fn capability(path: &str, party: Party, span: Span, found: &mut Diagnostics) {
    let known: &[&str] = match party {
        Party::Client => &["roots", "sampling", "elicitation", "tasks", "experimental", "extensions"],
        Party::Server => {
            &["tools", "resources", "prompts", "logging", "completions", "tasks", "experimental", "extensions"]
        }
    };
    let first = path.split('.').next().unwrap_or_default();
    if !known.contains(&first) || path.split('.').any(str::is_empty) {
        let message = format!("a {party} has no capability `{path}`");
        match did_you_mean(first, known) {
            Some(help) => found.error_help("unknown-capability", span, message, help),
            None => found.error("unknown-capability", span, message),
        }
    }
}
