//! Every scenario in every seat that it has, on every transport, with every choice that is ours: played in memory by the
//! built-in pair, and judged. Nothing may be wrong, and what the file claims to show must have been shown by that message.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use libtest_mimic::{Arguments, Failed, Trial};
use mcp_interop::judge::{self, Judgement, Verdict};
use mcp_interop::report::{self, Style};
use mcp_interop::run::agenda::branches;
use mcp_interop::run::captures;
use mcp_interop::run::pair::{self, Deviations};
use mcp_interop::run::{Played, Results, Summary};
use mcp_interop::scenario::model::{Step, StepBody, each_step};
use mcp_interop::scenario::plan::Plan;
use mcp_interop::scenario::{Scenario, files, seats};
use mcp_interop::spec::{Catalogue, Revision};
use mcp_interop::trace::event::Body;
use mcp_interop::trace::{Seat, Trace, Transport, record};
use mcp_interop::wire::Party;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::sync::{Arc, LazyLock};

const REVISION: Revision = Revision::V2025_11_25;

/// One way to play one scenario.
#[derive(Clone)]
struct Way {
    scenario: Arc<Scenario>,
    seat: Seat,
    transport: Transport,
    choices: Vec<u8>,
}

fn main() {
    let arguments = Arguments::from_args();
    let mut trials: Vec<Trial> =
        ways().iter().map(|way| Trial::test(way.name(), move || check(way).map_err(Failed::from))).collect();
    trials.push(Trial::test("every scenario is played in every seat", || every_seat_is_played().map_err(Failed::from)));
    trials.push(Trial::test("every claim is shown somewhere", || every_claim_is_shown().map_err(Failed::from)));
    libtest_mimic::run(&arguments, trials).exit();
}

/// All of them.
fn ways() -> &'static [Way] {
    static WAYS: LazyLock<Vec<Way>> = LazyLock::new(|| {
        let loaded = files::embedded();
        assert!(!loaded.broken(), "a scenario of the repository is broken; see `mcp-interop lint`");
        let mut ways = Vec::new();
        for scenario in loaded.scenarios.into_iter().filter(|s| s.revisions.contains(&REVISION)).map(Arc::new) {
            let all = seats::seats(&scenario, Catalogue::of(REVISION));
            for seat in all {
                for transport in scenario.transports.iter().copied() {
                    let plan = Plan::new(Arc::clone(&scenario), transport);
                    let counts = seat.ours().map_or_else(Vec::new, |ours| plan.choices_of(ours));
                    ways.extend(branches(&counts).into_iter().map(|choices| Way {
                        scenario: Arc::clone(&scenario),
                        seat,
                        transport,
                        choices,
                    }));
                }
            }
        }
        ways
    });
    &WAYS
}

impl Way {
    fn name(&self) -> String {
        let choices: Vec<String> = self.choices.iter().map(u8::to_string).collect();
        let choices = if choices.is_empty() { String::new() } else { format!(" [{}]", choices.join(",")) };
        format!("{} {} {}{choices}", self.scenario.id, self.seat, self.transport)
    }

    fn play(&self) -> Trace {
        // the same values in every run: a failure can be seen again
        let mut state = self
            .name()
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state ^ (state >> 29)
        };
        let plan = Arc::new(Plan::new(Arc::clone(&self.scenario), self.transport));
        let play = pair::prepare(plan, self.seat, REVISION, self.choices.clone(), &mut random);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(pair::play(&play, Deviations::default(), 1))
    }
}

fn check(way: &Way) -> Result<(), String> {
    let trace = way.play();
    let judgement = judge::judge(&trace);
    let mut wrong = Vec::new();
    if judgement.verdict != Verdict::Pass {
        wrong.push(format!("the verdict is {}", judgement.verdict));
    }
    wrong.extend(unproven(way, &trace, &judgement));
    wrong.extend(unintended(&trace, &judgement));
    wrong.extend(changed(&trace, &judgement));
    if wrong.is_empty() {
        return Ok(());
    }
    Err(format!("{}\n\n{}", wrong.join("\n"), told(way, trace, judgement)))
}

/// The claims of the file that were reached, bind a party under test, and were not exercised by the message that is the
/// step. What a play did not reach was not owed: it passed.
fn unproven(way: &Way, trace: &Trace, judgement: &Judgement) -> Vec<String> {
    let mut wrong = Vec::new();
    for claim in claims(way) {
        let events = claim.events(judgement);
        if events.is_empty() {
            continue;
        }
        let shown = |event: &u32| {
            let same = |c: &&judge::Cleared| c.requirement == claim.requirement && c.party == claim.party;
            judgement.cleared.iter().filter(same).any(|c| same_act(trace, *event, c.event))
        };
        // an act shows it each time that it happens; of a block, some message in it does
        let missing: Vec<u32> = events.iter().copied().filter(|event| !shown(event)).collect();
        let proven = if claim.act { missing.is_empty() } else { missing.len() < events.len() };
        if proven {
            continue;
        }
        let elsewhere: BTreeSet<u32> =
            judgement.cleared.iter().filter(|c| c.requirement == claim.requirement).map(|c| c.event).collect();
        let ways = if elsewhere.is_empty() { "nothing did".to_owned() } else { format!("events {elsewhere:?} did") };
        let last = trace.events.len();
        wrong.push(format!(
            "step {} claims {} of the {}, and event {missing:?} of {last} did not exercise it ({ways})",
            claim.step, claim.requirement, claim.party
        ));
    }
    wrong
}

/// Are two events one act: the same event, or two of one HTTP round trip? (What a head says is not in the message that goes
/// with it, and how a stream began is not in its end.)
fn same_act(trace: &Trace, one: u32, other: u32) -> bool {
    let trip_of = |stream| {
        trace.events.iter().find_map(|e| match &e.body {
            Body::StreamOpened { stream: opened, round_trip, .. } if *opened == stream => *round_trip,
            _ => None,
        })
    };
    let trip = |seq: u32| match &trace.events.get(usize::try_from(seq).unwrap())?.body {
        Body::HttpRequest { round_trip, .. } | Body::HttpResponse { round_trip, .. } => Some(*round_trip),
        Body::Message { stream, .. } | Body::Signal { stream, .. } | Body::StreamClosed { stream, .. } => {
            trip_of(*stream)
        }
        _ => None,
    };
    one == other || trip(one).is_some_and(|one| trip(other) == Some(one))
}

/// A requirement that a step claims to show of a party under test.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Claim {
    requirement: String,
    party: Party,
    step: String,
    /// Is the step an act, and not a block of steps?
    act: bool,
}

impl Claim {
    /// The events that were the step, or were in it.
    fn events(&self, judgement: &Judgement) -> Vec<u32> {
        let inside = format!("{}.", self.step);
        let within = |step: &str| step == self.step || (!self.act && step.starts_with(&inside));
        judgement.matched.iter().filter(|(step, _)| within(step)).map(|(_, event)| *event).collect()
    }
}

fn claims(way: &Way) -> Vec<Claim> {
    let mut claims = Vec::new();
    each_step(&way.scenario.exchange, &mut |step: &Step| {
        for (requirement, parties) in seats::proofs_at(&way.scenario, step, Catalogue::of(REVISION)) {
            for party in parties.into_iter().filter(|p| way.seat.tests(*p)) {
                let act = matches!(step.body, StepBody::Act(_));
                claims.push(Claim { requirement: requirement.to_owned(), party, step: step.name.clone(), act });
            }
        }
    });
    claims
}

/// Where the steps of ours that were sent are not the steps that the judge found.
fn unintended(trace: &Trace, judgement: &Judgement) -> Vec<String> {
    let Some(ours) = trace.header.seat.ours() else { return Vec::new() };
    let mut intents: BTreeMap<u32, &str> = BTreeMap::new();
    let mut own: BTreeSet<u32> = BTreeSet::new();
    let mut heads: BTreeSet<&str> = BTreeSet::new();
    for event in &trace.events {
        match &event.body {
            Body::Message { from, step, .. } if *from == ours => {
                own.insert(event.seq);
                intents.extend(step.as_deref().map(|step| (event.seq, step)));
            }
            // the head of a request that carries no message is itself the step; of one that does, its message is
            Body::HttpRequest { step: Some(step), method, .. } if ours == Party::Client => {
                if method != "POST" {
                    own.insert(event.seq);
                    intents.insert(event.seq, step);
                }
                heads.insert(step);
            }
            _ => {}
        }
    }
    let matched: BTreeMap<u32, &str> = judgement.matched.iter().map(|(step, event)| (*event, step.as_str())).collect();
    let mut wrong = Vec::new();
    for (event, intended) in &intents {
        match matched.get(event) {
            Some(found) if found == intended => {}
            Some(found) => wrong.push(format!("event {event} was sent as step {intended}, and judged as step {found}")),
            None => wrong.push(format!("event {event} was sent as step {intended}, and judged as no step")),
        }
    }
    for (event, found) in matched.iter().filter(|(event, _)| own.contains(event) && !intents.contains_key(event)) {
        wrong.push(format!("event {event} of ours was judged as step {found}, and sent as no step"));
    }
    for head in heads {
        if !judgement.matched.iter().any(|(step, _)| step == head) {
            wrong.push(format!("the head of a request was sent as step {head}, and no event was judged as that step"));
        }
    }
    wrong
}

/// What is said differently of the record when it is written, read and judged again.
fn changed(trace: &Trace, judgement: &Judgement) -> Option<String> {
    let text = record::write(trace);
    let reading = match record::read(&text) {
        Ok(reading) => reading,
        Err(e) => return Some(format!("the record cannot be read again: {e}")),
    };
    if let Some(cut) = reading.cut {
        return Some(format!("the record breaks off at line {}: {}", cut.line, cut.reason));
    }
    if record::write(&reading.trace) != text {
        return Some("the record is another one when it was read and written again".into());
    }
    let again = match judged_from_a_file(&text) {
        Ok(again) => again,
        Err(why) => return Some(why),
    };
    let (first, second) = (serde_json::to_string(judgement).unwrap(), serde_json::to_string(&again).unwrap());
    if first != second {
        return Some(format!("judged again, it is said:\n{second}\nfirst it was said:\n{first}"));
    }
    (again != *judgement).then(|| "judged again, other messages are said to show the same".to_owned())
}

/// What `judge` says of the record on disk.
fn judged_from_a_file(text: &str) -> Result<Judgement, String> {
    let mut file = tempfile::Builder::new().suffix(".ndjson").tempfile().map_err(|e| e.to_string())?;
    file.write_all(text.as_bytes()).map_err(|e| e.to_string())?;
    let (_stop, interrupted) = tokio::sync::watch::channel(false);
    let mut notes = Vec::new();
    let judged = captures::judge(&[file.path().to_owned()], None, &mut |note| notes.push(note), &interrupted);
    match (judged.results.played.into_iter().next(), judged.unread.is_empty() && notes.is_empty()) {
        (Some(played), true) => Ok(played.judgement),
        _ => Err(format!("the record is not judged as it is: {:?} {notes:?}", judged.unread)),
    }
}

/// The report of a play.
fn told(way: &Way, trace: Trace, judgement: Judgement) -> String {
    let events: String = trace.events.iter().map(record::event_line).collect();
    let played = Played {
        scenario: way.scenario.id.clone(),
        title: way.scenario.title.clone(),
        trace,
        judgement,
        again: format!("test --test scenarios '{}'", way.name()),
    };
    let results = Results {
        seat: way.seat,
        peer: "the built-in pair".into(),
        revision: REVISION,
        played: vec![played],
        skipped: Vec::new(),
        troubles: Vec::new(),
        unkept: Vec::new(),
        interrupted: false,
    };
    let style = Style { colour: false, width: 120, verbose: true };
    format!("{}\n{events}", report::terminal(&results, &Summary::of(&results), false, &style))
}

/// No scenario is left out for want of a seat.
fn every_seat_is_played() -> Result<(), String> {
    let played: BTreeSet<(&str, Seat)> = ways().iter().map(|w| (w.scenario.id.as_str(), w.seat)).collect();
    let mut wrong = Vec::new();
    for scenario in files::embedded().scenarios.iter().filter(|s| s.revisions.contains(&REVISION)) {
        let all = seats::seats(scenario, Catalogue::of(REVISION));
        if all.is_empty() {
            wrong.push(format!("{} has no seat", scenario.id));
        }
        for seat in all {
            if !played.contains(&(scenario.id.as_str(), seat)) {
                wrong.push(format!("{} is not played in the {seat}'s seat", scenario.id));
            }
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// A claim that no play of its file reaches, in no step that makes it, is an empty one.
fn every_claim_is_shown() -> Result<(), String> {
    let mut shown: BTreeMap<(&str, Seat, String, Party), bool> = BTreeMap::new();
    for way in ways() {
        let judgement = judge::judge(&way.play());
        for claim in claims(way) {
            let reached = !claim.events(&judgement).is_empty();
            let key = (way.scenario.id.as_str(), way.seat, claim.requirement, claim.party);
            *shown.entry(key).or_default() |= reached;
        }
    }
    let empty = shown.iter().filter(|(_, reached)| !**reached).map(|((id, seat, requirement, party), _)| {
        format!("{id} never shows {requirement} of the {party} in the {seat}'s seat")
    });
    let empty: Vec<String> = empty.collect();
    if empty.is_empty() { Ok(()) } else { Err(empty.join("\n")) }
}
