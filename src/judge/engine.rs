//! Joins what the monitors saw with where the exchange went: findings, blame, outcome, verdict.

use super::evidence::Evidence;
use super::finding::{Blame, Cleared, Finding, Judgement, Outcome, Verdict};
use super::ledger::{self, Held, Ledger, severity};
use super::versions::{self, Offers};
use super::{monitors, outcome};
use crate::conversation::{Conversation, Said};
use crate::scenario::bind::Bind;
use crate::scenario::exchange::{Exchange, Patience};
use crate::scenario::model::{Scenario, StepBody, Verb, each_step};
use crate::scenario::plan::Plan;
use crate::scenario::walk::{Ending, Walk};
use crate::scenario::{Source, parse, seats};
use crate::spec::catalogue::{Catalogue, Level};
use crate::trace::{Body, EndReason, Trace};
use crate::wire::Party;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Judges a trace that is held whole.
#[must_use]
pub(super) fn whole(trace: &Trace) -> Judgement {
    let conversation = Conversation::of(&trace.header, &trace.events);
    let evidence = monitors::run(&conversation, &trace.header);
    let walked = walk(trace);
    Desk { trace, conversation, catalogue: Catalogue::of(trace.header.revision), evidence, walked }.judge()
}

/// The walk of a trace through its scenario, with the plan; `None` if no scenario was played.
///
/// # Errors
/// When the scenario in the trace cannot be read (any more).
pub fn walk(trace: &Trace) -> Option<Result<(Arc<Plan>, Walk), String>> {
    let script = trace.header.scenario.as_ref()?;
    let source = Source::new(script.file.clone(), script.text.clone());
    let scenario = match parse::file(source) {
        Ok(all) => all.into_iter().find(|s: &Scenario| s.id == script.id),
        Err(_) => None,
    };
    let Some(mut scenario) = scenario else {
        return Some(Err(format!("the scenario {} in the trace cannot be read by this version", script.id)));
    };
    match binds(&trace.header.bound) {
        Ok(binds) => drop(scenario.bind(&binds)),
        Err(why) => return Some(Err(why)),
    }
    let plan = Arc::new(Plan::new(Arc::new(scenario), trace.header.transport));
    let h = &trace.header;
    let patience = patience(trace);
    let ours = h.seat.ours();
    let mut exchange = Exchange::new(Arc::clone(&plan), &h.fresh, ours, &h.choices, h.revision, patience);
    for event in &trace.events {
        exchange.observe(event);
    }
    Some(Ok((plan, exchange.walk().clone())))
}

/// What a user bound in place of the fixture's facts, by the tool it stands for.
///
/// # Errors
/// When an entry cannot be read; says which.
pub fn binds(bound: &Map<String, Value>) -> Result<BTreeMap<String, Bind>, String> {
    let table = |(tool, table): (&String, &Value)| {
        let table = table.as_object().ok_or_else(|| format!("what is bound to {tool} is no table"))?;
        Bind::from_json(table).map(|bind| (tool.clone(), bind)).map_err(|e| format!("what is bound to {tool}: {e}"))
    };
    bound.iter().map(table).collect()
}

/// The patience that was in force when the trace was recorded.
#[must_use]
pub fn patience(trace: &Trace) -> Patience {
    let ms = |name: &str| trace.header.limits.get(name).and_then(Value::as_u64).map(Duration::from_millis);
    let default = Patience::default();
    let [start, step, settle] = ["start_ms", "step_ms", "settle_ms"].map(ms);
    Patience {
        start: start.unwrap_or(default.start),
        step: step.unwrap_or(default.step),
        settle: settle.unwrap_or(default.settle),
    }
}

/// Where one trace is judged: all that is known of it.
pub(super) struct Desk<'a> {
    pub(super) trace: &'a Trace,
    pub(super) conversation: Conversation,
    pub(super) catalogue: &'static Catalogue,
    pub(super) evidence: Vec<Evidence>,
    pub(super) walked: Option<Result<(Arc<Plan>, Walk), String>>,
}

impl Desk<'_> {
    fn judge(self) -> Judgement {
        let mut findings = self.findings_of_evidence();
        let mut cleared = self.cleared_by_monitors();
        let mut unreached = BTreeMap::new();
        let mut matched = Vec::new();
        let outcome = match &self.walked {
            None => Outcome::NoScenario,
            Some(Err(why)) => {
                findings.push(self.error(Blame::Scenario, "a scenario that this version can read", why));
                Outcome::Missed { finding: findings.len() - 1 }
            }
            Some(Ok((plan, walk))) => {
                matched.clone_from(&walk.matched);
                self.claims(plan, walk, &mut cleared, &mut unreached);
                self.deviations(plan, walk, &mut findings);
                self.outcome(plan, walk, &mut findings)
            }
        };
        let (findings, outcome) = in_order(findings, outcome);
        let checks = ledger::checks(counted(&cleared), &findings, unreached);
        let worst = findings.iter().map(|f| f.verdict).max();
        let proven = checks.iter().any(|c| c.verdict == Verdict::Pass);
        let verdict = match (worst, &outcome) {
            // understanding is asked for before all else, whatever word the specification has for what stood in its way
            (Some(worst), Outcome::Missed { .. } | Outcome::Apart { .. }) => worst.max(Verdict::Fail),
            (None, Outcome::Apart { .. }) => Verdict::Fail,
            (Some(worst), _) => worst,
            (None, Outcome::NotExercised { .. }) => Verdict::NotExercised,
            (None, _) if self.interrupted() => Verdict::Inconclusive,
            (None, _) if proven => Verdict::Pass,
            (None, _) => Verdict::NotExercised,
        };
        Judgement { verdict, outcome, findings, checks, cleared, matched }
    }

    fn interrupted(&self) -> bool {
        ledger::interrupted(&self.trace.header, self.trace.end())
    }

    pub(super) fn tests(&self, party: Party) -> bool {
        self.trace.header.seat.tests(party)
    }

    /// The verdict of breaking a requirement, by its effective level.
    fn severity(&self, requirement: &str) -> Verdict {
        severity(self.catalogue.get(requirement).map_or(Level::Must, |r| r.level))
    }

    fn error(&self, blame: Blame, expected: &str, found: &str) -> Finding {
        Finding {
            verdict: Verdict::Error,
            requirement: None,
            blame,
            event: None,
            pointer: None,
            step: None,
            span: None,
            expected: expected.to_owned(),
            found: found.to_owned(),
            decision: None,
            presumed: false,
        }
    }

    /// What monitors saw broken: once for each requirement and party, at the first message that shows it at its worst.
    fn findings_of_evidence(&self) -> Vec<Finding> {
        let mut sum = Ledger::default();
        for evidence in self.evidence.iter().filter(|e| e.is_broken() && !self.follows(e)) {
            sum.add(evidence, false);
        }
        sum.findings(&self.trace.header)
    }

    fn decision(&self, requirement: &str) -> Option<String> {
        self.catalogue.get(requirement)?.decision.clone()
    }

    fn cleared_by_monitors(&self) -> Vec<Cleared> {
        let held = self.evidence.iter().filter(|e| !e.is_broken() && self.tests(e.party));
        held.map(|e| Cleared {
            requirement: e.requirement.to_owned(),
            party: e.party,
            event: e.event,
            presumed: e.presumed,
        })
        .collect()
    }

    /// The parties under test that a claim of a step is about. Who sent the message that completes a step does not say it: a
    /// block can end with one party's message and show something of the other.
    fn claimed_of(&self, plan: &Plan, step: &str, requirement: &str) -> Vec<Party> {
        let Some(requirement) = self.catalogue.get(requirement) else { return Vec::new() };
        let scenario = plan.scenario();
        let mut parties = Vec::new();
        each_step(&scenario.exchange, &mut |s| {
            if s.name == step {
                parties = seats::bound_parties(scenario, s, requirement.party);
            }
        });
        parties.retain(|party| self.tests(*party));
        parties
    }

    /// Does the step itself decide what it claims of a requirement? Not where a monitor does; but what a window shows by
    /// absence no message could show to a monitor.
    fn decided_by_step(plan: &Plan, step: &str, requirement: &str) -> bool {
        !monitors::covers(requirement) || plan.is_window(step)
    }

    /// The steps' claims: those that no monitor decides are decided by the step itself.
    fn claims(&self, plan: &Plan, walk: &Walk, cleared: &mut Vec<Cleared>, unreached: &mut BTreeMap<String, String>) {
        for shown in &walk.shown {
            let parties = self.claimed_of(plan, &shown.step, &shown.requirement);
            if parties.is_empty() || !Self::decided_by_step(plan, &shown.step, &shown.requirement) {
                continue;
            }
            let requirement = shown.requirement.clone();
            if shown.early {
                unreached.insert(requirement, format!("step {} came before its time", shown.step));
            } else if shown.held {
                let (event, presumed) = (shown.event, shown.presumed);
                let of = |party| Cleared { requirement: requirement.clone(), party, event, presumed };
                cleared.extend(parties.into_iter().map(of));
            } else {
                unreached.insert(requirement, format!("step {} did not hold", shown.step));
            }
        }
        for lost in &walk.unreached {
            if !self.claimed_of(plan, &lost.step, &lost.requirement).is_empty() {
                unreached.insert(lost.requirement.clone(), lost.reason.clone());
            }
        }
        // a claim that a monitor decides and that nothing exercised is not silently a pass
        for shown in walk.shown.iter().filter(|s| !Self::decided_by_step(plan, &s.step, &s.requirement)) {
            if !self.claimed_of(plan, &shown.step, &shown.requirement).is_empty() {
                unreached
                    .entry(shown.requirement.clone())
                    .or_insert_with(|| format!("step {} passed without exercising it", shown.step));
            }
        }
    }

    /// Failed assertions become findings, unless a monitor's finding at that message says why already.
    fn deviations(&self, plan: &Plan, walk: &Walk, findings: &mut Vec<Finding>) {
        let mut seen: BTreeSet<(&str, u32)> = BTreeSet::new();
        for deviation in walk.deviations.iter().filter(|d| self.tests(d.party) && !self.explained(d)) {
            // what else differs in the same message is no second finding
            if !seen.insert((&deviation.step, deviation.event)) {
                continue;
            }
            let of_party = |id: &&String| self.claimed_of(plan, &deviation.step, id).contains(&deviation.party);
            let decides = |id: &&String| Self::decided_by_step(plan, &deviation.step, id);
            let own = deviation.proves.iter().filter(|id| decides(id) && of_party(id));
            let own = own.rev().max_by_key(|id| self.severity(id));
            let requirement = own.cloned();
            if self.asked_with_an_echo(deviation.event)
                || self.provoked_at(findings, deviation.party, deviation.event)
                || requirement.is_none()
                    && (self.root(findings, deviation.party, deviation.event).is_some()
                        || self.meanwhile(findings, deviation.party, deviation.event))
            {
                continue;
            }
            // where a monitor finds the message to be of the wrong kind, the course only says that it matters
            if requirement.is_none()
                && let Some(known) = self.wrong_kind(deviation)
                && let Some(finding) = findings
                    .iter_mut()
                    .find(|f| f.requirement.as_deref() == Some(known) && f.blame == Blame::from(deviation.party))
            {
                finding.verdict = finding.verdict.max(Verdict::Fail);
                continue;
            }
            let verdict = requirement.as_ref().map_or(Verdict::Fail, |id| self.severity(id));
            let decision = deviation.decision.clone();
            findings.push(Finding {
                verdict,
                decision: decision.or_else(|| self.decision(requirement.as_deref()?)),
                requirement,
                blame: deviation.party.into(),
                event: Some(deviation.event),
                pointer: (!deviation.pointer.is_empty()).then(|| deviation.pointer.clone()),
                step: Some(deviation.step.clone()),
                span: Some(deviation.span.start..deviation.span.end),
                expected: deviation.expected.clone(),
                found: deviation.found.clone(),
                presumed: false,
            });
        }
    }

    fn outcome(&self, plan: &Plan, walk: &Walk, findings: &mut Vec<Finding>) -> Outcome {
        let missed = |findings: &mut Vec<Finding>, finding: Finding| {
            findings.push(finding);
            Outcome::Missed { finding: findings.len() - 1 }
        };
        match self.trace.end() {
            Some(EndReason::NotStarted { how }) => {
                let finding = self.error(Blame::Environment, "a peer that can be started and reached", how);
                return missed(findings, finding);
            }
            Some(EndReason::ScenarioFault { how }) => {
                // a script that cannot go on because of what the peer did wrong is not at fault
                if let Some(cause) = self.cause(findings) {
                    return Outcome::Missed { finding: cause };
                }
                if let Some(finding) = self.strayed(plan, walk, how) {
                    return missed(findings, finding);
                }
                let finding = self.error(Blame::Scenario, "a step that the file or the reference peer can fill", how);
                return missed(findings, finding);
            }
            _ => {}
        }
        match &walk.ending {
            Ending::NotExercised { reason } => Outcome::NotExercised { reason: reason.clone() },
            Ending::Complete => match outcome::application(self.trace, plan) {
                Ok(()) => {
                    findings.extend(self.left_early());
                    Outcome::Reached { other_way: walk.other_way.clone() }
                }
                Err((expected, found, event)) => {
                    // what a party did wrong before explains what the application got; a recommendation that was not
                    // followed does not
                    let cause = self.cause(findings).filter(|i| findings[*i].verdict >= Verdict::Fail);
                    if let Some(cause) = cause.or_else(|| self.misled(findings, event)) {
                        return Outcome::Missed { finding: cause };
                    }
                    let (verdict, blame) = match self.tests(Party::Client) {
                        true => (Verdict::Fail, Blame::Client),
                        // an application of ours that a well-behaved server leaves without its answer is our defect
                        false => (Verdict::Error, Blame::Harness),
                    };
                    let mut finding = self.error(blame, &expected, &found);
                    finding.verdict = verdict;
                    finding.event = event;
                    missed(findings, finding)
                }
            },
            Ending::Open => Outcome::NotExercised { reason: "the trace is not complete".into() },
            Ending::Owed { step, party, expected, found, event, span, proves } => {
                let gone = match self.trace.end() {
                    Some(EndReason::Gone { party, .. }) => Some(*party),
                    _ => None,
                };
                let found = match self.trace.end() {
                    Some(EndReason::Gone { party, how }) => format!("{found}; then the {party} was gone ({how})"),
                    _ => found.clone(),
                };
                if self.interrupted() {
                    return Outcome::NotExercised { reason: "the run was interrupted before it".into() };
                }
                if let Some(Offers { client, server, .. }) = self.apart(gone) {
                    return Outcome::Apart { client, server };
                }
                // a client cannot go on with a server that is not there any more
                if (*party, gone) == (Party::Client, Some(Party::Server))
                    && let Some(mut finding) = self.left_early()
                {
                    finding.found = found;
                    finding.step = Some(step.clone());
                    finding.span = Some(span.start..span.end);
                    finding.event = finding.event.or(*event);
                    return missed(findings, finding);
                }
                // who went ahead of the course can be why the other stopped: one cause, one finding
                let ahead = findings.iter().position(|f| {
                    f.verdict == Verdict::Fail
                        && f.blame == Blame::from(party.other())
                        && walk.early.iter().any(|(_, early)| f.event == Some(*early))
                });
                if let Some(cause) = ahead {
                    return Outcome::Missed { finding: cause };
                }
                let root = event.and_then(|event| self.root(findings, *party, event));
                let stray = || self.stray(findings, *party).filter(|_| is_answer(plan, step));
                if let Some(root) = root.or_else(stray).filter(|_| gone.is_none()) {
                    return Outcome::Missed { finding: root };
                }
                let refused = self.refused(findings, *party);
                if let Some(root) = refused.or_else(|| self.stopped_by(findings, *party, *event)) {
                    return Outcome::Missed { finding: root };
                }
                // a client may take another way, and what its application got says whether that was one
                if self.both() && *party == Party::Client && outcome::served(self.trace, plan) {
                    return Outcome::Reached { other_way: Some(format!("it was expected {expected}")) };
                }
                let (verdict, blame) = match (self.tests(*party), gone) {
                    (true, Some(other)) if other != *party && self.tests(other) => {
                        (Verdict::Inconclusive, Blame::from(*party))
                    }
                    (true, _) => (Verdict::Fail, Blame::from(*party)),
                    (false, Some(other)) => (Verdict::Fail, Blame::from(other)),
                    (false, None) => match self.cause(findings) {
                        Some(cause) => return Outcome::Missed { finding: cause },
                        None => (Verdict::Error, Blame::Harness),
                    },
                };
                // one cause, one finding: what a monitor says of the same silence is this finding
                let silence = findings.iter().position(|f| {
                    let requirement = f.requirement.as_deref().unwrap_or_default();
                    f.blame == blame
                        && (proves.iter().any(|p| p == requirement) || requirement == monitors::base::ANSWERED)
                });
                let known = silence.map(|i| findings.remove(i));
                // of a request that was never answered, what its answer would have shown says less than that it never came,
                // whether its receiver fell silent or is gone; bytes that nobody can read are no request
                let silent = matches!(self.trace.end(), Some(EndReason::Deadline)) || gone == Some(*party);
                let overdue = silent && is_answer(plan, step);
                let open = |s: &&crate::conversation::Said| {
                    s.from == party.other() && s.is_request() && s.answered_by.is_empty()
                        // one that was refused below JSON-RPC has got what there is
                        && self.conversation.status_of(s).is_none_or(|status| status < 400)
                };
                let asked = self.conversation.said.iter().rev().find(open).map(|s| s.event).filter(|_| overdue);
                let answered = asked.map(|_| monitors::base::ANSWERED.to_owned());
                let unanswered = answered.filter(|id| self.catalogue.get(id).is_some());
                let of_party = proves.iter().find(|id| outcome::binds(self.catalogue, id, *party));
                let requirement = unanswered
                    .or_else(|| of_party.cloned())
                    .or_else(|| known.as_ref().and_then(|f| f.requirement.clone()));
                let finding = Finding {
                    verdict,
                    decision: requirement.as_deref().and_then(|id| self.decision(id)),
                    requirement,
                    blame,
                    event: known.as_ref().and_then(|f| f.event).or(asked).or(*event),
                    pointer: None,
                    step: Some(step.clone()),
                    span: Some(span.start..span.end),
                    expected: expected.clone(),
                    found,
                    presumed: matches!(self.trace.end(), Some(EndReason::Deadline)),
                };
                missed(findings, finding)
            }
        }
    }

    /// What the two offered each other, if they have no revision in common and the client left for that.
    fn apart(&self, gone: Option<Party>) -> Option<Offers> {
        let both = self.tests(Party::Client) && self.tests(Party::Server);
        let offers = versions::offers(&self.conversation).filter(|_| both && gone == Some(Party::Client))?;
        (!offers.agreed && offers.client != offers.server).then_some(offers)
    }

    /// Who was gone when the course was complete, and should not have gone, or not so.
    /// What a party under test did of its own accord, so that the script has no answer any more: it gave up what the exchange
    /// is about, or asked for the same once more.
    fn strayed(&self, plan: &Plan, walk: &Walk, how: &str) -> Option<Finding> {
        let asked =
            |method: &str| plan.acts().any(|act| matches!(&act.verb, Verb::Requests { method: of } if of == method));
        let own = |s: &&Said| self.tests(s.from) && !walk.matched.iter().any(|(_, event)| *event == s.event);
        let said = self.conversation.said.iter().rev().filter(own).find(|s| match s.message.method() {
            Some("notifications/cancelled") => true,
            Some("initialize") | None => false,
            Some(method) => s.is_request() && asked(method),
        })?;
        let expected = format!("that the {} keeps to the course, for which now {how}", said.from);
        let mut finding = self.error(said.from.into(), &expected, said.message.method().unwrap_or_default());
        (finding.verdict, finding.event) = (Verdict::Fail, Some(said.event));
        Some(finding)
    }

    fn left_early(&self) -> Option<Finding> {
        let Some(EndReason::Gone { party, how }) = self.trace.end() else { return None };
        let expected = match party {
            Party::Server => "that the server stays until the client leaves",
            // one that was told to leave has done that
            Party::Client => "that the client ends by itself when all is done, with exit code 0",
        };
        let mut finding = self.error((*party).into(), expected, how);
        finding.verdict = Verdict::Fail;
        let last = self.trace.events.iter().rev().find(|e| matches!(e.body, Body::ProcessExited { .. }));
        finding.event = last.map(|e| e.seq);
        self.tests(*party).then_some(finding)
    }
}

/// Is that step of the scenario an answer?
fn is_answer(plan: &Plan, step: &str) -> bool {
    let mut found = false;
    each_step(&plan.scenario().exchange, &mut |s| {
        found |= s.name == step && matches!(&s.body, StepBody::Act(act) if matches!(act.verb, Verb::Answers { .. }));
    });
    found
}

/// How often each requirement was exercised and held.
fn counted(cleared: &[Cleared]) -> BTreeMap<String, Held> {
    let mut held: BTreeMap<String, Held> = BTreeMap::new();
    for one in cleared {
        let of = held.entry(one.requirement.clone()).or_insert(Held { count: 0, presumed: true });
        of.count = of.count.saturating_add(1);
        of.presumed &= one.presumed;
    }
    held
}

/// Findings in the order of the trace, with the outcome pointing at its own still.
fn in_order(findings: Vec<Finding>, outcome: Outcome) -> (Vec<Finding>, Outcome) {
    let mut indexed: Vec<(usize, Finding)> = findings.into_iter().enumerate().collect();
    indexed.sort_by_key(|(i, f)| (f.event.unwrap_or(u32::MAX), *i));
    let outcome = match outcome {
        Outcome::Missed { finding } => {
            Outcome::Missed { finding: indexed.iter().position(|(i, _)| *i == finding).unwrap_or(0) }
        }
        other => other,
    };
    (indexed.into_iter().map(|(_, f)| f).collect(), outcome)
}
