//! Seats: from where a scenario can be played, derived from what it proves and of whom.

use super::model::{Needed, Scenario, Step, StepBody, Verb, each_step};
use super::pattern::{Pattern, Shape};
use crate::spec::catalogue::{Bound, Catalogue};
use crate::trace::Seat;
use crate::wire::Party;
use std::collections::BTreeSet;

/// The seats in which the scenario proves something in that revision, in the order of [`Seat::ALL`]. A seat in which a party
/// that is not ours would have to break rules on purpose (`breaks`, `sends`) is none; where the client is not ours, the file
/// must say what moves it (`drive`), and name no further clients (nobody moves those but us); and where the server is not
/// ours, the file must not need that we move it.
#[must_use]
pub fn seats(scenario: &Scenario, catalogue: &Catalogue) -> Vec<Seat> {
    let mut bound: BTreeSet<Party> = BTreeSet::new();
    let mut breaking: BTreeSet<Party> = BTreeSet::new();
    each_step(&scenario.exchange, &mut |step| {
        bound.extend(proofs_at(scenario, step, catalogue).into_iter().flat_map(|(_, parties)| parties));
        if let StepBody::Act(act) = &step.body
            && (!act.breaks.is_empty() || matches!(act.verb, Verb::Sends { .. }))
        {
            breaking.insert(act.party);
        }
    });
    Seat::ALL
        .into_iter()
        .filter(|seat| !seat.tests(Party::Client) || !scenario.drive.is_empty() && scenario.parties.is_empty())
        .filter(|seat| {
            !(seat.tests(Party::Server) && scenario.needs.iter().any(|need| matches!(need.what, Needed::Moved)))
        })
        .filter(|seat| bound.iter().any(|p| seat.tests(*p)) && breaking.iter().all(|p| !seat.tests(*p)))
        .collect()
}

/// What a step proves in a revision: the ids, and the parties of which each is proven.
#[must_use]
pub fn proofs_at<'s>(scenario: &Scenario, step: &'s Step, catalogue: &Catalogue) -> Vec<(&'s str, Vec<Party>)> {
    step.proves
        .iter()
        .filter_map(|proof| {
            let requirement = catalogue.get(&proof.id)?;
            let parties = bound_parties(scenario, step, requirement.party);
            (!parties.is_empty()).then_some((proof.id.as_str(), parties))
        })
        .collect()
}

/// The parties that a requirement binds at a step: those that it can bind and that do something there.
#[must_use]
pub fn bound_parties(scenario: &Scenario, step: &Step, bound: Bound) -> Vec<Party> {
    let acting = acting(step);
    let requestor = || requestor(scenario, step);
    let bound: Vec<Party> = match bound {
        Bound::Party(p) => vec![p],
        Bound::Both => vec![Party::Client, Party::Server],
        Bound::Requestor => vec![requestor()],
        Bound::Receiver => vec![requestor().other()],
        Bound::Outsider => Vec::new(),
    };
    bound.into_iter().filter(|p| acting.contains(p)).collect()
}

/// The parties that do something in a step; for a `during`, those whose absence it shows too.
#[must_use]
pub fn acting(step: &Step) -> Vec<Party> {
    let mut parties = BTreeSet::new();
    each_step(std::slice::from_ref(step), &mut |s| {
        if let StepBody::Act(act) = &s.body {
            parties.insert(act.party);
        }
    });
    parties.into_iter().collect()
}

/// Who is the requestor at a step: whom the cast says; else whoever augments a request as a task; else whoever asks for tasks;
/// else whoever sends the request of the step.
fn requestor(scenario: &Scenario, step: &Step) -> Party {
    if let Some(p) = scenario.requestor {
        return p;
    }
    let mut augments = None;
    let mut asks = None;
    each_step(&scenario.exchange, &mut |s| {
        if let StepBody::Act(act) = &s.body
            && let Verb::Requests { method } = &act.verb
        {
            if act.payload.params.as_ref().is_some_and(has_task) {
                augments.get_or_insert(act.party);
            }
            if method.starts_with("tasks/") {
                asks.get_or_insert(act.party);
            }
        }
    });
    augments.or(asks).unwrap_or_else(|| match &step.body {
        StepBody::Act(act) => match act.verb {
            Verb::Answers { .. } | Verb::Accepts { .. } | Verb::Refuses { .. } | Verb::Closes { .. } => {
                act.party.other()
            }
            _ => act.party,
        },
        _ => Party::Client,
    })
}

fn has_task(params: &Pattern) -> bool {
    match &params.shape {
        Shape::Overlay(all) => all.iter().any(has_task),
        Shape::Object(members) => members.iter().any(|m| {
            matches!(&m.name.shape, Shape::Literal(v) if v.as_str() == Some("task")) && m.value.shape != Shape::Absent
        }),
        _ => false,
    }
}
