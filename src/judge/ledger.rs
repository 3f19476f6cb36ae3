//! Evidence summed up: of what was broken the message that shows it at its worst, of what held how often.

use super::evidence::{Evidence, Shown};
use super::finding::{Blame, Check, Cleared, Finding, Judgement, Outcome, Verdict};
use crate::spec::catalogue::{Catalogue, Level};
use crate::trace::{EndReason, Header};
use crate::wire::Party;
use std::collections::BTreeMap;

/// So many messages that exercised a requirement are named one by one; the others are counted.
const CLEARED: usize = 10_000;

/// The sum of evidence. What is added may come in any order.
#[derive(Debug, Clone, Default)]
pub(super) struct Ledger {
    broken: BTreeMap<(&'static str, Party), Worst>,
    held: BTreeMap<&'static str, Held>,
    cleared: Vec<Cleared>,
}

#[derive(Debug, Clone)]
struct Worst {
    evidence: Evidence,
    count: usize,
}

/// How often a requirement was exercised and held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) count: u32,
    /// Does all of it rest on time?
    pub(super) presumed: bool,
}

/// Evidence in the order in which monitors give it.
fn place(evidence: &Evidence) -> (u32, Option<usize>, &'static str, Party) {
    (evidence.event, evidence.said, evidence.requirement, evidence.party)
}

impl Ledger {
    /// Adds one piece; says whether it is the one that its finding will show. Where it held, it is counted only if
    /// `under_test`.
    pub(super) fn add(&mut self, evidence: &Evidence, under_test: bool) -> bool {
        if !evidence.is_broken() {
            if under_test {
                self.hold(evidence);
            }
            return false;
        }
        let key = (evidence.requirement, evidence.party);
        let Some(worst) = self.broken.get_mut(&key) else {
            self.broken.insert(key, Worst { evidence: evidence.clone(), count: 1 });
            return true;
        };
        worst.count += 1;
        // a decision can make one message's fault less than another's: the worst is told, and of those the first
        let known = &worst.evidence;
        let worse = known.level < evidence.level || known.level == evidence.level && place(evidence) < place(known);
        if worse {
            worst.evidence = evidence.clone();
        }
        worse
    }

    fn hold(&mut self, evidence: &Evidence) {
        let fresh = Held { count: 0, presumed: true };
        let held = self.held.entry(evidence.requirement).or_insert(fresh);
        held.count = held.count.saturating_add(1);
        held.presumed &= evidence.presumed;
        if self.cleared.len() < CLEARED {
            self.cleared.push(Cleared {
                requirement: evidence.requirement.to_owned(),
                party: evidence.party,
                event: evidence.event,
                presumed: evidence.presumed,
            });
        }
    }

    /// The findings, in the order of what they show.
    pub(super) fn findings(&self, header: &Header) -> Vec<Finding> {
        let mut worst: Vec<&Worst> = self.broken.values().collect();
        worst.sort_by_key(|w| place(&w.evidence));
        worst.into_iter().filter_map(|w| finding(header, &w.evidence, w.count)).collect()
    }

    /// What is said of a record without a scenario that ended so.
    pub(super) fn judgement(mut self, header: &Header, end: Option<&EndReason>) -> Judgement {
        let findings = self.findings(header);
        let mut held: BTreeMap<String, Held> = BTreeMap::new();
        for (requirement, of) in std::mem::take(&mut self.held) {
            held.insert(requirement.to_owned(), of);
        }
        self.cleared.sort_by(|a, b| (a.event, &a.requirement, a.party).cmp(&(b.event, &b.requirement, b.party)));
        let checks = checks(held, &findings, BTreeMap::new());
        let worst = findings.iter().map(|f| f.verdict).max();
        let proven = checks.iter().any(|c| c.verdict == Verdict::Pass);
        let verdict = match worst {
            Some(worst) => worst,
            None if interrupted(header, end) => Verdict::Inconclusive,
            None if proven => Verdict::Pass,
            None => Verdict::NotExercised,
        };
        let (outcome, cleared) = (Outcome::NoScenario, self.cleared);
        Judgement { verdict, outcome, findings, checks, cleared, matched: Vec::new() }
    }
}

/// Was the record cut short? One of messages alone has no end of its own.
pub(super) fn interrupted(header: &Header, end: Option<&EndReason>) -> bool {
    match end {
        Some(EndReason::Interrupted) => true,
        Some(_) => false,
        None => !header.only_messages(),
    }
}

/// The finding that a piece of evidence is, if it shows something broken, `count` times in all.
pub(super) fn finding(header: &Header, evidence: &Evidence, count: usize) -> Option<Finding> {
    let Shown::Broken { expected, found, pointer } = &evidence.verdict else { return None };
    let (verdict, blame) = match header.seat.tests(evidence.party) {
        true => (severity(evidence.level), evidence.party.into()),
        // what the harness itself sends is judged too
        false => (Verdict::Error, Blame::Harness),
    };
    let found = if count > 1 { format!("{found} (and {} more like it)", count - 1) } else { found.clone() };
    let decided = || Catalogue::of(header.revision).get(evidence.requirement)?.decision.clone();
    Some(Finding {
        verdict,
        requirement: Some(evidence.requirement.to_owned()),
        blame,
        event: Some(evidence.event),
        pointer: (!pointer.is_empty()).then(|| pointer.clone()),
        step: None,
        span: None,
        expected: expected.clone(),
        found,
        decision: evidence.decision.map(str::to_owned).or_else(decided),
        presumed: evidence.presumed,
    })
}

/// The verdict of breaking something of that level.
pub(super) fn severity(level: Level) -> Verdict {
    match level {
        Level::Should => Verdict::Warn,
        Level::Must => Verdict::Fail,
    }
}

/// Every requirement that was exercised, or promised and not exercised for that reason, by id.
pub(super) fn checks(
    held: BTreeMap<String, Held>,
    findings: &[Finding],
    unreached: BTreeMap<String, String>,
) -> Vec<Check> {
    let mut checks: BTreeMap<String, Check> = BTreeMap::new();
    for (requirement, Held { count, presumed }) in held {
        let check = Check {
            requirement: requirement.clone(),
            verdict: Verdict::Pass,
            exercised: count,
            reason: None,
            presumed,
        };
        checks.insert(requirement, check);
    }
    for finding in findings {
        let Some(requirement) = &finding.requirement else { continue };
        if finding.blame == Blame::Harness {
            continue;
        }
        let check = checks.entry(requirement.clone()).or_insert_with(|| Check {
            requirement: requirement.clone(),
            verdict: finding.verdict,
            exercised: 0,
            reason: None,
            presumed: false,
        });
        check.exercised = check.exercised.saturating_add(1);
        check.verdict = check.verdict.max(finding.verdict);
    }
    for (requirement, reason) in unreached {
        checks.entry(requirement.clone()).or_insert(Check {
            requirement,
            verdict: Verdict::NotExercised,
            exercised: 0,
            reason: Some(reason),
            presumed: false,
        });
    }
    checks.into_values().collect()
}
