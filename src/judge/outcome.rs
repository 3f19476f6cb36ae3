//! Did the application above the client get what the course promises it?

use crate::scenario::binding::Bindings;
use crate::scenario::plan::Plan;
use crate::spec::catalogue::{Bound, Catalogue};
use crate::trace::{Body, Trace};
use crate::wire::Party;
use serde_json::Value;

/// Does a requirement bind that party (in some exchange)?
pub(super) fn binds(catalogue: &Catalogue, requirement: &str, party: Party) -> bool {
    match catalogue.get(requirement).map(|r| r.party) {
        Some(Bound::Party(p)) => p == party,
        Some(Bound::Both | Bound::Requestor | Bound::Receiver) => true,
        Some(Bound::Outsider) | None => false,
    }
}

/// Did the application see all that it was promised, and was it promised anything?
pub(super) fn served(trace: &Trace, plan: &Plan) -> bool {
    let actions = plan.actions_with(trace.header.seat.ours(), &trace.header.choices);
    let seen = trace.header.captured.iter().any(|kind| kind == "saw");
    seen && actions.iter().any(|action| action.sees.is_some()) && application(trace, plan).is_ok()
}

/// Compares what the application saw with what the step says that answers it.
///
/// # Errors
/// What was expected, what it got, and the event that says so.
pub(super) fn application(trace: &Trace, plan: &Plan) -> Result<(), (String, String, Option<u32>)> {
    if !trace.header.captured.iter().any(|kind| kind == "saw") {
        return Ok(());
    }
    for action in plan.actions_with(trace.header.seat.ours(), &trace.header.choices) {
        let Some(label) = &action.sees else { continue };
        let saw = trace.events.iter().rev().find_map(|e| match &e.body {
            Body::Saw { label: seen, value } if seen == label => Some((e.seq, value)),
            _ => None,
        });
        let Some((event, value)) = saw else {
            let expected = format!("that the client's application gets the answer to {label}");
            return Err((expected, "it never got one".into(), None));
        };
        let Some(payload) = plan.answer_to(label) else { continue };
        let mut env = Bindings::new(plan.scenario(), &trace.header.fresh);
        for (member, pattern) in [("result", &payload.result), ("error", &payload.error)] {
            let Some(pattern) = pattern else { continue };
            let mismatch = env.check(pattern, value.get(member), &[]).into_iter().find(|m| {
                // metadata is the protocol's; an SDK need not hand it up, and names bound on the wire are not known here
                !m.pointer.starts_with("/_meta") && !m.expected.contains("a value for $")
            });
            if let Some(mismatch) = mismatch {
                let expected =
                    format!("that the application gets {} at {member}{}", mismatch.expected, mismatch.pointer);
                let found = match value.get("failure").and_then(Value::as_str) {
                    Some(failure) => format!("it got a failure: {failure}"),
                    None => format!("it got {}", mismatch.found),
                };
                return Err((expected, found, Some(event)));
            }
        }
    }
    Ok(())
}
