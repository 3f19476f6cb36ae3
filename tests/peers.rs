//! Every peer of harness.toml, on every transport that it speaks: set up, played against with all scenarios, and held
//! against what is known of it. A finding that nobody has looked at fails, and so does an entry that no longer holds.
//!
//! A peer whose programs are missing is passed over, but not in CI; see [`installed`].

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod installed;

use assert_cmd::Command;
use installed::{peers, set_up};
use libtest_mimic::{Arguments, Failed, Trial};
use mcp_interop::judge::finding::{Finding, Verdict};
use mcp_interop::peer::baseline::{load_adjudications, load_baseline};
use mcp_interop::peer::{Peer, ServerSpec};
use mcp_interop::report::{self, Style};
use mcp_interop::run::baseline::{self, Applied, Coverage};
use mcp_interop::run::client;
use mcp_interop::run::drivers::Drivers;
use mcp_interop::run::foreign::Foreign;
use mcp_interop::run::server::{self, Options};
use mcp_interop::run::traces::Keeper;
use mcp_interop::run::{Played, Results, Summary, surroundings};
use mcp_interop::scenario::Scenario;
use mcp_interop::scenario::exchange::Patience;
use mcp_interop::scenario::files;
use mcp_interop::spec::Revision;
use mcp_interop::trace::Transport;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};
use tokio::sync::watch;

/// What must be done with the wish for a task where none was declared.
const IGNORES_THE_WISH: &str = "tasks.support.undeclared-ignores-augmentation";

/// What the servers answer when they are started without tasks and a call wishes to be one: the error, of one that does not ignore
/// the wish as it must.
const WITHOUT_TASKS: [(&str, Option<i64>); 3] = [
    // "Server does not support task creation": the SDK looks at what it declares before it looks at the tool
    ("typescript-v1", Some(-32603)),
    ("python-v1", None),
    // "Tool does not support task-based invocation": the SDK looks at the tool alone
    ("rust-v2", Some(-32602)),
];

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    for peer in peers() {
        let mut add = |name: String, test: Box<dyn FnOnce() -> Result<(), Failed> + Send>| {
            trials.push(installed::trial(name, &[peer], test));
        };
        for side in Side::of(peer) {
            for transport in side.transports(peer) {
                add(format!("{}{} {transport}", peer.name, side.said()), Box::new(move || on(peer, side, transport)));
            }
            add(format!("{}{} entries", peer.name, side.said()), Box::new(move || entries(peer, side)));
        }
        if let Some((_, error)) = WITHOUT_TASKS.iter().find(|(name, _)| *name == peer.name) {
            add(format!("{} without tasks", peer.name), Box::new(move || without_tasks(peer, *error)));
        }
    }
    trials.push(Trial::test("a peer that is not installed is said to be so", not_installed));
    trials.push(Trial::test("a peer that needs a program is said to need it", needs_a_program));
    trials.push(Trial::test("a peer whose program is missing is passed over, but not in CI", passed_over));
    libtest_mimic::run(&arguments, trials).exit();
}

/// Which of a peer's programs is tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Server,
    Client,
}

impl Side {
    fn of(peer: &Peer) -> impl Iterator<Item = Side> {
        [Side::Server].into_iter().chain(peer.client.as_ref().map(|_| Side::Client))
    }

    /// As it stands in the name of a test.
    fn said(self) -> &'static str {
        match self {
            Side::Server => "",
            Side::Client => " client",
        }
    }

    fn transports(self, peer: &Peer) -> Vec<Transport> {
        match self {
            Side::Server => peer.server.transports(),
            Side::Client => Transport::ALL.to_vec(),
        }
    }
}

type Run = Arc<OnceLock<Result<Results, String>>>;

/// What came of a run against a peer; each is made once, whoever asks first.
fn run(peer: &'static Peer, side: Side, transport: Transport) -> Result<Results, String> {
    static RUNS: Mutex<BTreeMap<(&str, Side, Transport), Run>> = Mutex::new(BTreeMap::new());
    // one run at a time over each transport: what rests on a deadline must not fail because the machine is busy with tests
    static TURNS: [Mutex<()>; 2] = [Mutex::new(()), Mutex::new(())];
    let run = Arc::clone(RUNS.lock().unwrap().entry((peer.name.as_str(), side, transport)).or_default());
    run.get_or_init(|| {
        set_up(peer)?;
        let turn = TURNS[usize::from(transport == Transport::Http)].lock();
        let results = match side {
            Side::Server => play(peer, transport),
            Side::Client => play_client(peer, transport)?,
        };
        drop(turn);
        Ok(results)
    })
    .clone()
}

fn play(peer: &Peer, transport: Transport) -> Results {
    let options = Options {
        words: format!("--peer {}", peer.name),
        transports: vec![transport],
        bound: peer.bound.clone(),
        claimed_capabilities: peer.claims.capabilities.clone(),
        claimed_tools: peer.claims.tools.clone(),
        ..Options::new(&peer.name, Revision::DEFAULT)
    };
    play_with(&options, peer.server.clone(), &files::embedded().scenarios)
}

fn play_with(options: &Options, server: ServerSpec, scenarios: &[Scenario]) -> Results {
    let servers = Foreign::new(server);
    let (_hold, interrupted) = watch::channel(false);
    let mut random = surroundings::random();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(server::server(
        &servers,
        scenarios,
        options,
        &mut surroundings::real,
        &mut random,
        interrupted,
        &mut Keeper::of_all(),
    ))
}

/// A server that was told to do without tasks, over all its transports: it is judged as one that has none.
fn without_tasks(peer: &'static Peer, error: Option<i64>) -> Result<(), Failed> {
    set_up(peer)?;
    let mut server = peer.server.clone();
    for command in [&mut server.stdio, &mut server.http].into_iter().flatten() {
        let place = command.words.iter().position(|word| word == "--http").unwrap_or(command.words.len());
        command.words.insert(place, "--no-tasks".to_owned());
    }
    let transports = server.transports();
    let options = Options { transports: transports.clone(), ..Options::new(&peer.name, Revision::DEFAULT) };
    let mut scenarios = files::embedded().scenarios;
    scenarios.retain(|scenario| scenario.id == "tasks/undeclared");
    let results = play_with(&options, server, &scenarios);
    let proven = |played: &Played| {
        let checks = &played.judgement.checks;
        let broken = |f: &Finding| f.requirement.as_deref() == Some(IGNORES_THE_WISH);
        match error {
            None => checks.iter().any(|c| c.requirement == IGNORES_THE_WISH && c.verdict == Verdict::Pass),
            Some(code) => played.judgement.findings.iter().any(|f| broken(f) && f.found.contains(&code.to_string())),
        }
    };
    let well = results.played.len() == transports.len() && results.played.iter().all(proven);
    let expected = error.map_or("it to be ignored".to_owned(), |code| format!("the error {code}"));
    expect(well, &expected, &told(&results))
}

fn play_client(peer: &Peer, transport: Transport) -> Result<Results, String> {
    let driver = peer.client.as_ref().and_then(|client| client.driver.clone()).ok_or("its client has no driver")?;
    let options = client::Options {
        name: peer.name.clone(),
        words: format!("--peer {}", peer.name),
        revision: Revision::DEFAULT,
        transports: vec![transport],
        patience: Patience::default(),
        jobs: 1,
        habit: None,
    };
    let clients = Drivers::new(driver, env!("CARGO_BIN_EXE_mcp-interop").into());
    let scenarios = files::embedded().scenarios;
    let (_hold, interrupted) = watch::channel(false);
    let mut random = surroundings::random();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    Ok(runtime.block_on(async {
        let mut make = surroundings::real;
        let played =
            client::client(&clients, &scenarios, &options, &mut make, &mut random, interrupted, &mut Keeper::of_all())
                .await;
        clients.stop().await;
        played
    }))
}

/// The run beside the baseline and the adjudications of the peer.
fn applied(peer: &Peer, side: Side, results: &Results) -> Result<Applied, String> {
    let client = peer.client.as_ref();
    let (baseline, adjudications) = match side {
        Side::Server => (peer.baseline.as_deref(), peer.adjudications.as_deref()),
        Side::Client => (
            client.and_then(|client| client.baseline.as_deref()),
            client.and_then(|client| client.adjudications.as_deref()),
        ),
    };
    let loaded = files::embedded();
    let ids: Vec<&str> = loaded.scenarios.iter().map(|s| s.id.as_str()).collect();
    let known = baseline.map(|path| load_baseline(path, &ids)).transpose();
    let adjudicated = adjudications.map(|path| load_adjudications(path, &ids)).transpose();
    let known = known.map_err(|e| e.to_string())?.unwrap_or_default();
    let adjudicated = adjudicated.map_err(|e| e.to_string())?.unwrap_or_default();
    Ok(baseline::apply(results, &known, &adjudicated, Coverage::All))
}

/// One peer on one transport: all its findings are known.
fn on(peer: &'static Peer, side: Side, transport: Transport) -> Result<(), Failed> {
    let results = run(peer, side, transport)?;
    let mut wrong = Vec::new();
    if results.played.is_empty() {
        wrong.push("nothing was played".to_owned());
    }
    wrong.extend(results.troubles.iter().map(|t| t.what.clone()));
    wrong.extend(results.unkept.iter().cloned());
    let applied = applied(peer, side, &results)?;
    for (key, findings) in applied.new_findings() {
        let first = findings.first().and_then(|i| applied.findings.get(*i));
        let play = first.and_then(|f| results.played.get(f.play)).map(mcp_interop::run::Played::name);
        wrong.push(format!("nobody has looked at {key} (in {})", play.unwrap_or_default()));
    }
    if wrong.is_empty() { Ok(()) } else { Err(format!("{}\n\n{}", wrong.join("\n"), told(&results)).into()) }
}

/// One peer on all its transports: every entry of its baseline and its adjudications still holds.
fn entries(peer: &'static Peer, side: Side) -> Result<(), Failed> {
    let mut all: Option<Results> = None;
    for transport in side.transports(peer) {
        let results = run(peer, side, transport)?;
        match &mut all {
            None => all = Some(results),
            Some(all) => {
                all.played.extend(results.played);
                all.skipped.extend(results.skipped);
                all.troubles.extend(results.troubles);
            }
        }
    }
    let results = all.ok_or("it speaks no transport")?;
    if let Some(trouble) = results.troubles.first() {
        return Err(format!("not everything was played: {}", trouble.what).into());
    }
    let stale = applied(peer, side, &results)?.stale;
    let stale: Vec<String> = stale.iter().map(|s| format!("{}: {}: {}", s.place, s.key, s.what)).collect();
    if stale.is_empty() { Ok(()) } else { Err(stale.join("\n").into()) }
}

fn told(results: &Results) -> String {
    report::terminal(results, &Summary::of(results), false, &Style { colour: false, width: 120, verbose: true })
}

/// A folder with a harness.toml that says this of its one peer.
fn folder_with(peer: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("harness.toml"), format!("[peers.stranger]\ndir = \".\"\n{peer}\n")).unwrap();
    folder
}

/// The exit code and all that is said.
fn said(folder: &tempfile::TempDir, words: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::cargo_bin("mcp-interop").unwrap();
    let output = command.current_dir(folder.path()).args(words).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

fn expect(holds: bool, what: &str, said: &str) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(format!("expected {what}; it was said:\n{said}").into()) }
}

fn not_installed() -> Result<(), Failed> {
    let folder = folder_with("setup = [\"cargo --version\"]\nserver = { stdio = \"cargo --version\" }");
    let (code, text) = said(&folder, &["server", "--peer", "stranger"]);
    expect(code == Some(4), "exit 4", &text)?;
    expect(text.contains("stranger was not run: not installed"), "that it was not run, and why", &text)?;
    expect(text.contains("peers install stranger"), "what to do", &text)?;
    let (code, text) = said(&folder, &["peers"]);
    expect(code == Some(0) && text.contains("not installed"), "a line that says so", &text)
}

fn needs_a_program() -> Result<(), Failed> {
    let folder = folder_with("needs = [\"no-such-program\"]\nserver = { stdio = \"no-such-program\" }");
    let (code, text) = said(&folder, &["server", "--peer", "stranger"]);
    expect(code == Some(4), "exit 4", &text)?;
    expect(text.contains("needs no-such-program"), "the program that is missing", &text)?;
    let (code, text) = said(&folder, &["peers", "install"]);
    expect(code == Some(4) && text.contains("needs no-such-program"), "the same of its installation", &text)
}

/// This very program, on a machine without the programs that the peers need.
fn passed_over() -> Result<(), Failed> {
    let empty = tempfile::tempdir().unwrap();
    let named = |peer: &&Peer| !peer.needs.is_empty() && !peer.server.transports().is_empty();
    let peer = peers().iter().find(named).ok_or("no peer needs a program")?;
    let name = format!("{} {}", peer.name, peer.server.transports()[0]);
    for ci in [false, true] {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", &name]).env("PATH", empty.path()).env_remove("CI");
        if ci {
            command.env("CI", "true");
        }
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        expect(output.status.success() != ci, if ci { "a failure" } else { "no failure" }, &text)?;
        expect(text.contains("not run: needs "), "the reason", &text)?;
        expect(ci || text.contains("1 ignored"), "an ignored test", &text)?;
    }
    Ok(())
}
