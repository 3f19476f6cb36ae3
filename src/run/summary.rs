//! What a run proved, counted: pure functions of its results.

use super::Results;
use crate::judge::Verdict;
use crate::spec::catalogue::{Bound, Catalogue, Seen};
use std::collections::BTreeMap;

/// The counts of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The requirements by id, with the worst verdict seen of each over all plays.
    pub requirements: BTreeMap<String, Verdict>,
    /// Why requirements that scenarios promised were not exercised in any play: reason, and the requirements.
    pub not_exercised: BTreeMap<String, Vec<String>>,
    /// The plays by their verdict.
    pub plays: BTreeMap<Verdict, usize>,
    /// The worst verdict of all; [`Verdict::NotExercised`] if nothing was proven.
    pub verdict: Verdict,
}

impl Summary {
    /// Counts.
    #[must_use]
    pub fn of(results: &Results) -> Summary {
        let mut requirements: BTreeMap<String, Verdict> = BTreeMap::new();
        let mut reasons: BTreeMap<String, String> = BTreeMap::new();
        let mut plays = BTreeMap::new();
        let mut worst = Verdict::Pass;
        for played in &results.played {
            *plays.entry(played.judgement.verdict).or_insert(0) += 1;
            if played.judgement.verdict != Verdict::NotExercised {
                worst = worst.max(played.judgement.verdict);
            }
            for check in &played.judgement.checks {
                if check.verdict == Verdict::NotExercised {
                    let reason = check.reason.clone().unwrap_or_else(|| "nothing exercised it".into());
                    reasons.entry(check.requirement.clone()).or_insert(reason);
                    continue;
                }
                let known = requirements.entry(check.requirement.clone()).or_insert(check.verdict);
                *known = (*known).max(check.verdict);
            }
        }
        for skipped in &results.skipped {
            for claim in &skipped.claims {
                reasons.entry(claim.clone()).or_insert_with(|| skipped.reason.clone());
            }
        }
        let mut not_exercised: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (requirement, reason) in reasons {
            if !requirements.contains_key(&requirement) {
                not_exercised.entry(reason).or_default().push(requirement);
            }
        }
        if results.interrupted {
            worst = worst.max(Verdict::Inconclusive);
        }
        if !results.unkept.is_empty() {
            worst = worst.max(Verdict::Fail);
        }
        for trouble in &results.troubles {
            worst = worst.max(trouble.verdict());
        }
        let proven = requirements.values().any(|v| *v == Verdict::Pass);
        if !proven && worst == Verdict::Pass {
            worst = Verdict::NotExercised;
        }
        Summary { requirements, not_exercised, plays, verdict: worst }
    }

    /// How many requirements were exercised and held everywhere.
    #[must_use]
    pub fn proven(&self) -> usize {
        self.requirements.values().filter(|v| **v == Verdict::Pass).count()
    }

    /// How many requirements of the catalogue bind a party under test and can be seen, and were neither exercised nor
    /// promised by anything in this run.
    #[must_use]
    pub fn untried(&self, results: &Results) -> usize {
        let tested = |bound: Bound| match bound {
            Bound::Party(party) => results.seat.tests(party),
            Bound::Both | Bound::Requestor | Bound::Receiver => true,
            Bound::Outsider => false,
        };
        let named = |id: &String| self.not_exercised.values().any(|ids| ids.contains(id));
        let all = Catalogue::of(results.revision).iter().filter(|r| r.seen != Seen::No && tested(r.party));
        all.filter(|r| !self.requirements.contains_key(&r.id) && !named(&r.id)).count()
    }

    /// How many requirements some scenario promised and none exercised.
    #[must_use]
    pub fn unexercised(&self) -> usize {
        self.not_exercised.values().map(Vec::len).sum()
    }
}
