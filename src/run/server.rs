//! The client's seat against one server: every scenario that the server can be asked, on every transport it speaks.

use super::pair::{client_of, header};
use super::survey::{self, Offer};
use super::{Played, Results, Skipped, Trouble};
use crate::judge;
use crate::reference::Surroundings;
use crate::scenario::exchange::Patience;
use crate::scenario::plan::Plan;
use crate::scenario::{Scenario, binding, seats};
use crate::seat::{Play, own};
use crate::spec::Revision;
use crate::spec::catalogue::Catalogue;
use crate::trace::{Seat, Trace, Transport};
use crate::transport::Link;
use crate::wire::Party;
use serde_json::{Map, Value};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// A server that could not be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// Why, in one sentence, and what to do.
    pub what: String,
    /// What it wrote on its standard error.
    pub stderr: Option<String>,
}

/// A server under test, which can be connected to again and again.
pub trait Servers {
    /// What keeps a connection's server alive.
    type Held;
    /// Connects: over stdio to a new process, over HTTP in a new session.
    ///
    /// # Errors
    /// When it cannot be started or reached.
    fn open(&mut self, transport: Transport) -> impl Future<Output = Result<(Link, Self::Held), Closed>>;
    /// The connection is over.
    fn close(&mut self, held: Self::Held) -> impl Future<Output = ()>;
    /// What it wrote on its standard error lately.
    fn stderr(&self) -> Option<String>;
}

/// What is played, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// The name of the server in reports.
    pub name: String,
    /// The words that choose this server on the command line: `--peer x`; empty for the embedded one.
    pub words: String,
    /// The revision.
    pub revision: Revision,
    /// The transports.
    pub transports: Vec<Transport>,
    /// What is bound in place of the fixture's tools (tool, table).
    pub bound: Map<String, Value>,
    /// What it is said to offer: capabilities by dotted path.
    pub claimed_capabilities: Vec<String>,
    /// And tools.
    pub claimed_tools: Vec<String>,
    /// How long things may take.
    pub patience: Patience,
}

/// Plays all scenarios against a server. `random` gives 64 random bits a call; `surroundings` is asked for once a play.
pub async fn server<S: Servers>(
    servers: &mut S,
    scenarios: &[Scenario],
    options: &Options,
    surroundings: &mut dyn FnMut() -> Surroundings,
    random: &mut dyn FnMut() -> u64,
    interrupted: watch::Receiver<bool>,
) -> Results {
    let mut results = Results {
        seat: Seat::Client,
        peer: options.name.clone(),
        revision: options.revision,
        played: Vec::new(),
        skipped: Vec::new(),
        troubles: Vec::new(),
        unkept: Vec::new(),
        interrupted: false,
    };
    let catalogue = Catalogue::of(options.revision);
    let chosen: Vec<&Scenario> = scenarios
        .iter()
        .filter(|s| s.revisions.contains(&options.revision) && seats::seats(s, catalogue).contains(&Seat::Client))
        .collect();
    for transport in options.transports.iter().copied() {
        if *interrupted.borrow() {
            break;
        }
        if transport == Transport::Http && options.revision < Revision::V2025_03_26 {
            let reason = format!("revision {} has no Streamable HTTP", options.revision);
            for scenario in chosen.iter().filter(|s| s.transports.contains(&transport)) {
                let (scenario, reason, claims) = (scenario.id.clone(), reason.clone(), Vec::new());
                results.skipped.push(Skipped { scenario, transport, reason, claims });
            }
            continue;
        }
        let offer = match survey_of(servers, transport, options.revision, interrupted.clone()).await {
            Ok(Some(offer)) => offer,
            Ok(None) => break,
            Err(closed) => {
                results.troubles.push(Trouble { transport, what: closed.what, stderr: closed.stderr });
                continue;
            }
        };
        results.unkept.extend(unkept(&offer, options, transport));
        for scenario in chosen.iter().filter(|s| s.transports.contains(&transport)) {
            if *interrupted.borrow() {
                break;
            }
            let Some(scenario) = ready(scenario, &offer, options, transport, &mut results) else { continue };
            let plan = Arc::new(Plan::new(Arc::new(scenario), transport));
            for choices in branches(&plan.choices_of(Party::Client)) {
                let play = Play {
                    fresh: binding::freshen(plan.scenario(), random),
                    plan: Arc::clone(&plan),
                    seat: Seat::Client,
                    revision: options.revision,
                    choices,
                    patience: options.patience,
                    cap: Duration::from_secs(60),
                    most_events: 10_000,
                };
                match one(servers, &play, options, surroundings(), interrupted.clone()).await {
                    Ok(played) => results.played.push(played),
                    Err(closed) => {
                        results.troubles.push(Trouble { transport, what: closed.what, stderr: closed.stderr })
                    }
                }
            }
        }
    }
    results.interrupted = *interrupted.borrow();
    results
}

/// The scenario as it can be played against this server, or `None` (and a line in the results) if it cannot.
fn ready(
    scenario: &Scenario,
    offer: &Offer,
    options: &Options,
    transport: Transport,
    results: &mut Results,
) -> Option<Scenario> {
    let mut scenario = scenario.clone();
    let reason = match judge::engine::binds(&options.bound) {
        Ok(binds) => {
            scenario.bind(&binds);
            offer.lacks(&scenario, options.revision, transport)
        }
        Err(why) => Some(why),
    };
    let Some(reason) = reason else { return Some(scenario) };
    let claims = Plan::new(Arc::new(scenario.clone()), transport).claims().map(|(_, p)| p.id.clone()).collect();
    results.skipped.push(Skipped { scenario: scenario.id, transport, reason, claims });
    None
}

/// What it offers; `None` if the user interrupted before it said so.
async fn survey_of<S: Servers>(
    servers: &mut S,
    transport: Transport,
    revision: Revision,
    mut interrupted: watch::Receiver<bool>,
) -> Result<Option<Offer>, Closed> {
    let (link, held) = tokio::select! {
        biased;
        () = own::raised(&mut interrupted) => return Ok(None),
        opened = servers.open(transport) => opened?,
    };
    let offer = tokio::select! {
        biased;
        () = own::raised(&mut interrupted) => Ok(None),
        offer = survey::survey(link, revision) => offer.map(Some),
    };
    servers.close(held).await;
    offer.map_err(|what| Closed { what, stderr: servers.stderr() })
}

async fn one<S: Servers>(
    servers: &mut S,
    play: &Play,
    options: &Options,
    surroundings: Surroundings,
    interrupted: watch::Receiver<bool>,
) -> Result<Played, Closed> {
    let (link, held) = servers.open(play.plan.transport()).await?;
    let mut client = client_of(play, surroundings, None);
    let events = own::play(play, &mut client, link, interrupted).await;
    servers.close(held).await;
    let header = header(play, "mcp-interop", &options.name, options.bound.clone());
    let trace = Trace { header, events };
    let judgement = judge::judge(&trace);
    let scenario = play.plan.scenario();
    let words = &options.words;
    let gap = if words.is_empty() { "" } else { " " };
    let again = format!("server{gap}{words} --scenario '{}' --transport {}", scenario.id, play.plan.transport());
    Ok(Played { scenario: scenario.id.clone(), title: scenario.title.clone(), trace, judgement, again })
}

/// What a server is said to offer and does not, one sentence each.
fn unkept(offer: &Offer, options: &Options, transport: Transport) -> Vec<String> {
    let capabilities = options
        .claimed_capabilities
        .iter()
        .filter(|path| !crate::spec::methods::declared(&offer.capabilities, path))
        .map(|path| format!("the capability {path} is claimed, and not declared over {transport}"));
    let tools = options
        .claimed_tools
        .iter()
        .filter(|tool| !offer.tools.contains(tool))
        .map(|tool| format!("the tool {tool} is claimed, and not listed over {transport}"));
    capabilities.chain(tools).collect()
}

/// Every way to take some choices: one branch of each. At most 64 ways.
#[must_use]
pub fn branches(counts: &[u8]) -> Vec<Vec<u8>> {
    let mut ways: Vec<Vec<u8>> = vec![Vec::new()];
    for count in counts {
        let longer = |way: &Vec<u8>| {
            let way = way.clone();
            (0..*count).map(move |branch| way.iter().copied().chain([branch]).collect::<Vec<u8>>())
        };
        ways = ways.iter().flat_map(longer).take(64).collect();
    }
    ways
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_branch_of_every_choice_is_a_way() {
        assert_eq!(branches(&[]), [Vec::<u8>::new()]);
        assert_eq!(branches(&[2, 3]).len(), 6);
        assert_eq!(branches(&[2]), [[0], [1]]);
        assert_eq!(branches(&[4, 4, 4, 4]).len(), 64);
    }
}
