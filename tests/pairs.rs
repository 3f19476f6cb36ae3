//! Every client of harness.toml with every server, on each transport: a few scenarios, in which all that is found of either has
//! been looked at.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod installed;

use installed::{peers, set_up};
use libtest_mimic::{Arguments, Failed};
use mcp_interop::peer::Peer;
use mcp_interop::peer::baseline::Knowledge;
use mcp_interop::report::{self, Style};
use mcp_interop::run::matrix::{self, ClientPeer, ServerPeer};
use mcp_interop::run::{Results, Summary, surroundings};
use mcp_interop::scenario::exchange::Patience;
use mcp_interop::scenario::files;
use mcp_interop::spec::Revision;
use mcp_interop::trace::Transport;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;
use tokio::sync::watch;

fn main() {
    let mut trials = Vec::new();
    for (client, server) in peers().iter().flat_map(|client| peers().iter().map(move |server| (client, server))) {
        let driven = client.client.as_ref().is_some_and(|client| client.driver.is_some());
        for transport in server.server.transports().into_iter().filter(|_| driven) {
            let name = format!("{} with {} {transport}", client.name, server.name);
            trials.push(installed::trial(name, &[client, server], move || together(client, server, transport)));
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// One run at a time over each transport: what rests on a deadline must not fail because the machine is busy with tests.
static TURNS: [Mutex<()>; 2] = [Mutex::new(()), Mutex::new(())];

fn told(results: &Results) -> String {
    report::terminal(results, &Summary::of(results), false, &Style { colour: false, width: 120, verbose: true })
}

/// What two peers play together: what everybody does, and what this program was made for.
const TOGETHER: [&str; 2] = ["tools/list-and-call", "tasks/question-in-a-task"];

/// Two peers together on one transport: all that is found of either has been looked at.
fn together(client: &'static Peer, server: &'static Peer, transport: Transport) -> Result<(), Failed> {
    set_up(client)?;
    set_up(server)?;
    let loaded = files::embedded();
    let ids: Vec<&str> = loaded.scenarios.iter().map(|s| s.id.as_str()).collect();
    let spec = client.client.as_ref().ok_or("it has no client")?;
    let load = |baseline: Option<&Path>, adjudications: Option<&Path>| {
        Knowledge::load(baseline, adjudications, &ids).map_err(|e| e.to_string())
    };
    let clients = [ClientPeer {
        name: client.name.clone(),
        words: Vec::new(),
        driver: spec.driver.clone().ok_or("its client has no driver")?,
        revisions: client.revisions.clone(),
        knowledge: load(spec.baseline.as_deref(), spec.adjudications.as_deref())?,
        unready: None,
    }];
    let servers = [ServerPeer {
        name: server.name.clone(),
        words: Vec::new(),
        spec: server.server.clone(),
        revisions: server.revisions.clone(),
        bound: server.bound.clone(),
        knowledge: load(server.baseline.as_deref(), server.adjudications.as_deref())?,
        unready: None,
    }];
    let options = matrix::Options {
        revisions: vec![Revision::DEFAULT],
        transports: vec![transport],
        patience: Patience::default(),
        jobs: 1,
        cell_time: Duration::from_secs(60),
        words: Vec::new(),
        program: env!("CARGO_BIN_EXE_mcp-interop").into(),
    };
    let scenarios: Vec<_> = loaded.scenarios.into_iter().filter(|s| TOGETHER.contains(&s.id.as_str())).collect();
    let (_hold, interrupted) = watch::channel(false);
    let mut random = surroundings::random();
    let mut quiet = |_: &matrix::Step<'_>| {};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let turn = TURNS[usize::from(transport == Transport::Http)].lock();
    let playing = matrix::matrix(&clients, &servers, &scenarios, &options, &mut random, &mut quiet, interrupted);
    let matrix = runtime.block_on(playing);
    drop(turn);
    let cell = matrix.cells.first().ok_or("nothing was played")?;
    let mut wrong: Vec<String> = cell.results.troubles.iter().map(|t| t.what.clone()).collect();
    if cell.results.played.len() != TOGETHER.len() {
        wrong.push(format!("{} of {} scenarios were played", cell.results.played.len(), TOGETHER.len()));
    }
    let unseen = cell.sum.faults.iter().filter(|fault| fault.unseen());
    wrong.extend(unseen.map(|fault| format!("nobody has looked at {}", fault.key)));
    if wrong.is_empty() { Ok(()) } else { Err(format!("{}\n\n{}", wrong.join("\n"), told(&cell.results)).into()) }
}
