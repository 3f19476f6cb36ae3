//! A run against what is known of a peer: which findings were expected, which nobody has looked at, and which entries no
//! longer hold.

use super::{Played, Results};
use crate::judge::finding::{Blame, Verdict};
use crate::peer::baseline::{Adjudicated, Broken, FindingKey, Known, Scope};
use crate::spec::catalogue::Catalogue;
use crate::trace::{Seat, Transport};
use crate::wire::Party;
use std::collections::{BTreeMap, BTreeSet};

/// How much of what could be played was selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    /// Everything: an entry that nothing matched is stale.
    All,
    /// A part: an entry is stale only if it names a scenario that this run played and found nothing in. One that names none may
    /// show in what was not played.
    Part,
}

/// One finding of a run, and what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sorted {
    /// Index into [`Results::played`].
    pub play: usize,
    /// Index into [`crate::judge::Judgement::findings`].
    pub finding: usize,
    /// What makes it the same in every run.
    pub key: FindingKey,
    /// How bad it is.
    pub verdict: Verdict,
    /// Index into the baseline.
    pub known: Option<usize>,
    /// Index into the adjudications.
    pub adjudicated: Option<usize>,
}

impl Sorted {
    /// Nobody has looked at it.
    #[must_use]
    pub fn unseen(&self) -> bool {
        self.known.is_none() && self.adjudicated.is_none()
    }
}

/// An entry that no longer holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stale {
    /// `file:line:column` of the entry.
    pub place: String,
    /// The finding that did not show.
    pub key: FindingKey,
    /// Where it did not show, and what to do, in one sentence.
    pub what: String,
}

/// A run against what is known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Applied {
    /// Every finding, in the order of the plays.
    pub findings: Vec<Sorted>,
    /// The entries that no longer hold, baseline first.
    pub stale: Vec<Stale>,
}

impl Applied {
    /// The distinct findings that nobody has looked at, each with the findings (by index) in which it shows.
    #[must_use]
    pub fn new_findings(&self) -> BTreeMap<&FindingKey, Vec<usize>> {
        let mut all: BTreeMap<&FindingKey, Vec<usize>> = BTreeMap::new();
        for (i, finding) in self.findings.iter().enumerate().filter(|(_, f)| f.unseen()) {
            all.entry(&finding.key).or_default().push(i);
        }
        all
    }

    /// Those that are not in the baseline.
    pub fn unexpected(&self) -> impl Iterator<Item = &Sorted> {
        self.findings.iter().filter(|f| f.known.is_none())
    }

    /// The worst of what is not in the baseline; a stale entry is a failure.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let worst = self.unexpected().map(|f| f.verdict).max().unwrap_or(Verdict::Pass);
        if self.stale.is_empty() { worst } else { worst.max(Verdict::Fail) }
    }
}

/// Sorts the findings of a run.
#[must_use]
pub fn apply(results: &Results, known: &[Known], adjudicated: &[Adjudicated], coverage: Coverage) -> Applied {
    let scopes: [Vec<&Scope>; 2] =
        [known.iter().map(|k| &k.scope).collect(), adjudicated.iter().map(|a| &a.scope).collect()];
    // which entries matched, and on which transport
    let mut matched: BTreeSet<(usize, usize, Transport)> = BTreeSet::new();
    let mut applied = Applied::default();
    for (play, played) in results.played.iter().enumerate() {
        let transport = played.trace.header.transport;
        for (index, finding) in played.judgement.findings.iter().enumerate() {
            let mut found = [None, None];
            for (kind, (scopes, found)) in scopes.iter().zip(&mut found).enumerate() {
                for (i, scope) in scopes.iter().enumerate() {
                    let here = !scope.pair || results.seat == Seat::Observer;
                    if here && scope.covers(&played.scenario, transport, results.revision, finding) {
                        matched.insert((kind, i, transport));
                        found.get_or_insert(i);
                    }
                }
            }
            let [known, adjudicated] = found;
            let key = FindingKey::of(&played.scenario, finding);
            let verdict = finding.verdict;
            applied.findings.push(Sorted { play, finding: index, key, verdict, known, adjudicated });
        }
    }
    for (kind, scopes) in scopes.iter().enumerate() {
        for (i, scope) in scopes.iter().enumerate() {
            let on: Vec<Transport> = Transport::ALL.into_iter().filter(|t| matched.contains(&(kind, i, *t))).collect();
            applied.stale.extend(stale(scope, &on, results, coverage));
        }
    }
    applied
}

/// Does the entry no longer hold? `on`: where it was matched.
fn stale(scope: &Scope, on: &[Transport], results: &Results, coverage: Coverage) -> Option<Stale> {
    // what a partner gives no occasion to is not mended
    if scope.sometimes || scope.pair || results.seat == Seat::Observer || !applies(scope, results) {
        return None;
    }
    let missing: Vec<Transport> = if scope.transports.is_empty() {
        // somewhere is enough
        if !on.is_empty() {
            return None;
        }
        Transport::ALL.into_iter().filter(|t| looked(scope, *t, results, coverage)).collect()
    } else {
        let missing = scope.transports.iter().filter(|t| !on.contains(t) && looked(scope, **t, results, coverage));
        missing.copied().collect()
    };
    if missing.is_empty() {
        return None;
    }
    let names: Vec<&str> = missing.iter().map(|t| t.as_str()).collect();
    let todo = if on.is_empty() { "remove the entry if it is mended" } else { "remove the transport from the entry" };
    let what = format!(
        "it did not show over {}; {todo}, or write `sometimes = true` if it comes and goes",
        names.join(" and ")
    );
    Some(Stale { place: scope.place.clone(), key: scope.key.clone(), what })
}

/// Can a run of this kind show it at all?
fn applies(scope: &Scope, results: &Results) -> bool {
    let tested = match scope.key.blame {
        Blame::Client => results.seat.tests(Party::Client),
        Blame::Server => results.seat.tests(Party::Server),
        Blame::Harness | Blame::Scenario | Blame::Environment => true,
    };
    let in_force = match &scope.key.what {
        Broken::Requirement(id) => Catalogue::of(results.revision).get(id).is_some(),
        Broken::Exchange { .. } => true,
    };
    tested && in_force && scope.revision.is_none_or(|own| own == results.revision)
}

/// Would this run have shown it over that transport?
fn looked(scope: &Scope, transport: Transport, results: &Results, coverage: Coverage) -> bool {
    if results.troubles.iter().any(|t| t.transport == transport) {
        return false;
    }
    let mut plays = results
        .played
        .iter()
        .filter(|p| p.trace.header.transport == transport && scope.covers_scenario(&p.scenario))
        .peekable();
    if coverage == Coverage::All && !results.interrupted {
        // a transport on which nothing was played was not tested
        return results.played.iter().any(|p| p.trace.header.transport == transport);
    }
    match &scope.key.what {
        Broken::Requirement(id) => {
            plays.any(|p| scope.scenario.as_deref() == Some(p.scenario.as_str()) && exercised(p, id))
        }
        Broken::Exchange { .. } => plays.peek().is_some(),
    }
}

fn exercised(played: &Played, id: &str) -> bool {
    played.judgement.checks.iter().any(|c| c.requirement == id && c.verdict != Verdict::NotExercised)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::judge::finding::{Check, Finding, Judgement, Outcome};
    use crate::peer::baseline::{read_adjudications, read_baseline};
    use crate::scenario::source::Source;
    use crate::spec::Revision;
    use crate::trace::Trace;
    use crate::trace::record::Header;
    use serde_json::Map;

    fn finding(requirement: Option<&str>, step: Option<&str>) -> Finding {
        Finding {
            verdict: Verdict::Fail,
            requirement: requirement.map(str::to_owned),
            blame: Blame::Server,
            event: Some(3),
            pointer: Some("/result".into()),
            step: step.map(str::to_owned),
            span: None,
            expected: "a".into(),
            found: "b".into(),
            decision: None,
            presumed: false,
        }
    }

    fn played(scenario: &str, transport: Transport, findings: Vec<Finding>, exercised: &[&str]) -> Played {
        let header = Header {
            format: 1,
            harness: String::new(),
            digests: Map::new(),
            scenario: None,
            seat: Seat::Client,
            revision: Revision::V2025_11_25,
            transport,
            client: String::new(),
            server: String::new(),
            choices: Vec::new(),
            fresh: Map::new(),
            bound: Map::new(),
            limits: Map::new(),
            captured: Vec::new(),
        };
        let check = |id: &&str| Check {
            requirement: (*id).to_owned(),
            verdict: Verdict::Pass,
            exercised: 1,
            reason: None,
            presumed: false,
        };
        let judgement = Judgement {
            verdict: Verdict::Fail,
            outcome: Outcome::NoScenario,
            findings,
            checks: exercised.iter().map(check).collect(),
            cleared: Vec::new(),
            matched: Vec::new(),
        };
        Played {
            scenario: scenario.into(),
            title: String::new(),
            trace: Trace { header, events: Vec::new() },
            judgement,
            again: String::new(),
        }
    }

    fn results(played: Vec<Played>) -> Results {
        Results {
            seat: Seat::Client,
            peer: "x".into(),
            revision: Revision::V2025_11_25,
            played,
            skipped: Vec::new(),
            troubles: Vec::new(),
            unkept: Vec::new(),
            interrupted: false,
        }
    }

    fn baseline(text: &str) -> Vec<Known> {
        read_baseline(&Source::new("b.toml", text), &[]).unwrap()
    }

    const ANSWERED: &str = "base.request.answered";
    const CREATES: &str = "tasks.create.returns-create-task-result";

    #[test]
    fn findings_are_known_new_or_looked_at() {
        let run = results(vec![
            played("a/b", Transport::Stdio, vec![finding(Some(ANSWERED), None), finding(Some(CREATES), None)], &[]),
            played("a/b", Transport::Http, vec![finding(None, Some("4.1")), finding(None, None)], &[]),
        ]);
        let known = baseline("[[known]]\nfinding='base.request.answered@server'\nreason='x'");
        let text = "[[adjudicated]]\nfinding='exchange:a/b/4.1@server'\nmessage='m'\nsentence='s'\nverdict='ambiguous'";
        let said = read_adjudications(&Source::new("a.toml", text), &[]).unwrap();
        let applied = apply(&run, &known, &said, Coverage::All);
        assert_eq!(applied.stale, []);
        let sorted: Vec<_> = applied.findings.iter().map(|f| (f.known, f.adjudicated, f.unseen())).collect();
        assert_eq!(sorted, [(Some(0), None, false), (None, None, true), (None, Some(0), false), (None, None, true)]);
        let new: Vec<String> = applied.new_findings().keys().map(|k| k.to_string()).collect();
        assert_eq!(new, ["tasks.create.returns-create-task-result@server", "exchange:a/b/-@server"]);
        assert_eq!(applied.verdict(), Verdict::Fail);
        assert_eq!(apply(&results(Vec::new()), &[], &[], Coverage::All).verdict(), Verdict::Pass);
    }

    #[test]
    fn a_condition_that_does_not_hold_makes_no_match() {
        let run = results(vec![played("a/b#c", Transport::Http, vec![finding(Some(ANSWERED), None)], &[])]);
        let matches = |condition: &str| {
            let text =
                format!("[[known]]\nfinding='base.request.answered@server'\nreason='x'\nsometimes=true\n{condition}");
            apply(&run, &baseline(&text), &[], Coverage::All).findings[0].known.is_some()
        };
        for holds in
            ["", "scenario='a/b'", "scenario='a/b#c'", "transport='http'", "pointer='/result'", "revision='2025-11-25'"]
        {
            assert!(matches(holds), "{holds}");
        }
        for fails in ["scenario='a'", "scenario='a/b#d'", "transport='stdio'", "pointer=''", "revision='2026-07-28'"] {
            assert!(!matches(fails), "{fails}");
        }
    }

    #[test]
    fn an_entry_that_nothing_matched_is_stale_where_this_run_looked() {
        let entry =
            |more: &str| baseline(&format!("[[known]]\nfinding='base.request.answered@server'\nreason='x'\n{more}"));
        let quiet = |exercised: &[&str]| results(vec![played("a/b", Transport::Stdio, Vec::new(), exercised)]);
        let stale = |run: &Results, more: &str, coverage| apply(run, &entry(more), &[], coverage).stale.len();
        let (idle, busy) = (quiet(&[]), quiet(&[ANSWERED]));
        assert_eq!(stale(&idle, "", Coverage::All), 1);
        assert_eq!(stale(&busy, "", Coverage::All), 1);
        assert_eq!(stale(&busy, "", Coverage::Part), 0, "it may show in what was not played");
        assert_eq!(stale(&busy, "scenario='a/b'", Coverage::Part), 1);
        assert_eq!(stale(&idle, "scenario='a/b'", Coverage::Part), 0, "a part that did not look");
        assert_eq!(stale(&busy, "scenario='c/d'", Coverage::Part), 0);
        assert_eq!(stale(&busy, "transport='http'", Coverage::All), 0, "HTTP was not tested");
        assert_eq!(stale(&busy, "revision='2025-06-18'", Coverage::All), 0);
        assert_eq!(stale(&busy, "sometimes=true", Coverage::All), 0);
        let interrupted = Results { interrupted: true, ..idle };
        assert_eq!(stale(&interrupted, "", Coverage::All), 0);
        let applied = apply(&busy, &entry(""), &[], Coverage::All);
        assert_eq!(applied.verdict(), Verdict::Fail);
        insta::assert_snapshot!(
            format!("{}: {}: {}", applied.stale[0].place, applied.stale[0].key, applied.stale[0].what),
            @"b.toml:1:1: base.request.answered@server: it did not show over stdio; remove the entry if it is mended, or write `sometimes = true` if it comes and goes"
        );
    }

    #[test]
    fn a_transport_that_is_named_must_show_it() {
        let run = results(vec![
            played("a/b", Transport::Stdio, vec![finding(Some(ANSWERED), None)], &[]),
            played("a/b", Transport::Http, Vec::new(), &[]),
        ]);
        let entry =
            |more: &str| baseline(&format!("[[known]]\nfinding='base.request.answered@server'\nreason='x'\n{more}"));
        assert_eq!(apply(&run, &entry(""), &[], Coverage::All).stale, []);
        let applied = apply(&run, &entry("transports=['stdio','http']"), &[], Coverage::All);
        assert!(applied.stale[0].what.starts_with("it did not show over http; remove the transport"), "{applied:?}");
    }
}
