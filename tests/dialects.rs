//! What a server over HTTP may do otherwise than ours: every scenario is played against it, and nothing may be wrong.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use mcp_interop::judge::{self, Finding, Judgement, Verdict};
use mcp_interop::run::pair::{self, Deviations};
use mcp_interop::run::traces::Keeper;
use mcp_interop::scenario::model::Needed;
use mcp_interop::scenario::plan::Plan;
use mcp_interop::scenario::{Scenario, files, seats};
use mcp_interop::spec::{Catalogue, Revision};
use mcp_interop::trace::{Seat, Trace, Transport};
use mcp_interop::wire::http::ServerPolicy;
use std::sync::Arc;

const REVISION: Revision = Revision::V2025_11_25;

fn scenarios() -> Vec<Arc<Scenario>> {
    let loaded = files::embedded();
    let over_http = |s: &Scenario| s.revisions.contains(&REVISION) && s.transports.contains(&Transport::Http);
    let ours = |s: &Scenario| seats::seats(s, Catalogue::of(REVISION)).contains(&Seat::Client);
    loaded.scenarios.into_iter().filter(|s| over_http(s) && ours(s)).map(Arc::new).collect()
}

fn play(scenario: &Arc<Scenario>, change: fn(&mut ServerPolicy)) -> (Trace, Judgement) {
    let mut state = 7_u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state ^ (state >> 29)
    };
    let plan = Arc::new(Plan::new(Arc::clone(scenario), Transport::Http));
    let choices = vec![0; plan.choices_of(mcp_interop::wire::Party::Client).len()];
    let play = pair::prepare(plan, Seat::Client, REVISION, choices, &mut random);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    // who cannot tell its callers apart does not list their tasks
    let alone = |setup: &mut mcp_interop::reference::server::Setup| setup.without.push("tasks.list".to_owned());
    let mut policy = ServerPolicy::reference();
    change(&mut policy);
    let server_setup: Option<fn(&mut mcp_interop::reference::server::Setup)> =
        if policy.sessions { None } else { Some(alone) };
    let deviations = Deviations { server_policy: Some(change), server_setup, ..Deviations::default() };
    let trace = runtime.block_on(pair::play(&play, deviations, 1));
    let judgement = judge::judge(&trace);
    (trace, judgement)
}

fn matched(judgement: &Judgement, step: &str) -> bool {
    judgement.matched.iter().any(|(name, _)| name == step)
}

/// Plays all that `which` wants against a server of that kind. `expected` are recommendations that it does not follow.
fn all_well(change: fn(&mut ServerPolicy), expected: &[&str], which: impl Fn(&Scenario) -> bool) {
    let mut wrong = Vec::new();
    let mut played = 0;
    for scenario in scenarios().iter().filter(|s| which(s)) {
        let (_, judgement) = play(scenario, change);
        played += 1;
        let known = |f: &Finding| {
            f.verdict == Verdict::Warn && f.requirement.as_deref().is_some_and(|id| expected.contains(&id))
        };
        let well = matches!(judgement.verdict, Verdict::Pass | Verdict::NotExercised | Verdict::Warn);
        if !well || !judgement.findings.iter().all(known) {
            let say = |f: &Finding| format!("  {:?} {:?}: {} / {}", f.requirement, f.event, f.expected, f.found);
            let findings: Vec<String> = judgement.findings.iter().map(say).collect();
            wrong.push(format!("{}: {}\n{}", scenario.id, judgement.verdict, findings.join("\n")));
        }
    }
    assert!(played > 50, "only {played} were played");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn needs_session(scenario: &Scenario) -> bool {
    scenario.needs.iter().any(|need| matches!(need.what, Needed::Session))
}

/// Does it call a tool that works only where streams can be resumed?
fn resumes(scenario: &Scenario) -> bool {
    scenario.source.text.contains("test_reconnection") || scenario.source.text.contains("resumes:")
}

fn one(id: &str) -> Arc<Scenario> {
    scenarios().into_iter().find(|s| s.id == id).unwrap()
}

#[test]
fn a_server_that_lets_nobody_end_a_session() {
    all_well(|policy| policy.delete = false, &[], |_| true);
    let (_, judgement) = play(&one("http/session-ends"), |policy| policy.delete = false);
    assert!(matched(&judgement, "4.a1"), "the branch of 405 was not taken: {:?}", judgement.matched);
}

#[test]
fn a_server_that_offers_no_stream() {
    all_well(|policy| policy.listen = false, &[], |s| !resumes(s));
    let (_, judgement) = play(&one("http/listening"), |policy| policy.listen = false);
    assert!(matched(&judgement, "2.a1"), "the branch of 405 was not taken: {:?}", judgement.matched);
}

#[test]
fn a_server_without_sessions() {
    let lists = |s: &Scenario| s.source.text.contains("tasks.list");
    let alone = |s: &Scenario| s.parties.is_empty() && !needs_session(s) && !lists(s);
    all_well(|policy| policy.sessions = false, &[], |s| alone(s) && !resumes(s));
}

#[test]
fn a_server_that_answers_with_streams_alone() {
    all_well(|policy| policy.json_answers = false, &["tasks.get.no-sse-upgrade"], |_| true);
}

#[test]
fn a_server_that_names_no_events_and_no_time() {
    let change = |policy: &mut ServerPolicy| (policy.name_events, policy.json_answers) = (false, false);
    all_well(change, &["tasks.get.no-sse-upgrade"], |_| true);
}

#[test]
fn a_server_whose_streams_cannot_be_resumed() {
    all_well(|policy| (policy.prime, policy.store_events) = (false, 0), &[], |s| !resumes(s));
}

/// Every scenario that moves a client is played with a server that has that habit, and our own client takes no harm.
#[test]
fn a_client_gets_on_with_every_habit_of_a_server() {
    use mcp_interop::reference::Surroundings;
    use mcp_interop::run::client::{self, Options};
    use mcp_interop::run::embedded_client::EmbeddedClient;
    use mcp_interop::run::habits;
    use mcp_interop::scenario::exchange::Patience;
    let moved = |s: &Scenario| seats::seats(s, Catalogue::of(REVISION)).contains(&Seat::Server);
    let all: Vec<Scenario> = files::embedded().scenarios.into_iter().filter(moved).collect();
    let mut wrong = Vec::new();
    for habit in habits::ALL {
        let options = Options {
            name: "embedded".to_owned(),
            words: String::new(),
            revision: REVISION,
            transports: Transport::ALL.to_vec(),
            patience: Patience::default(),
            jobs: 1,
            habit: Some(habit),
        };
        let mut state = 11_u64;
        let mut random = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state ^ (state >> 29)
        };
        let clients = EmbeddedClient { surroundings: || Surroundings::fixed(5), fault: None };
        let (_hold, interrupted) = tokio::sync::watch::channel(false);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let mut ours = || Surroundings::fixed(3);
        let mut keeper = Keeper::of_all();
        let run = client::client(&clients, &all, &options, &mut ours, &mut random, interrupted, &mut keeper);
        let results = runtime.block_on(run);
        assert!(results.played.len() > 20, "with {} only {} were played", habit.name, results.played.len());
        for played in &results.played {
            let judgement = &played.judgement;
            if !matches!(judgement.verdict, Verdict::Pass | Verdict::NotExercised) {
                let found: Vec<String> = judgement
                    .findings
                    .iter()
                    .map(|f| format!("{:?}: {} / {}", f.requirement, f.expected, f.found))
                    .collect();
                let transport = played.trace.header.transport;
                wrong.push(format!(
                    "{} over {transport} with {}:\n  {}",
                    played.scenario,
                    habit.name,
                    found.join("\n  ")
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
