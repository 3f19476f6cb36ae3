//! The client's seat against one server: every scenario that the server can be asked, on every transport it speaks.

use super::pair::{client_of, further_clients, header};
use super::survey::{self, Offer};
use super::{Played, Results, Skipped, Trouble};
use crate::judge;
use crate::judge::finding::Blame;
use crate::reference::Surroundings;
use crate::scenario::exchange::Patience;
use crate::scenario::plan::Plan;
use crate::scenario::{Scenario, binding, seats};
use crate::seat::{Play, own};
use crate::spec::Revision;
use crate::spec::catalogue::Catalogue;
use crate::trace::event::{Body, EndReason};
use crate::trace::{Seat, Trace, Transport};
use crate::transport::Link;
use crate::wire::Party;
use serde_json::{Map, Value};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// After so many plays in which nothing at all came of a server it is given up, though it still says what it offers.
const MOST_SILENT: usize = 8;

/// A server that could not be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// Why, in one sentence, and what to do.
    pub what: String,
    /// What it wrote on its standard error.
    pub stderr: Option<String>,
    /// Whose fault that is.
    pub blame: Blame,
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
    /// From now on it is opened without these capabilities, and with all others. False: it can only be taken as it is.
    fn without(&mut self, capabilities: &[String]) -> bool {
        capabilities.is_empty()
    }
    /// The connection is over. `patient`: how the server leaves is of interest, so that it is given time for it.
    fn close(&mut self, held: Self::Held, patient: bool) -> impl Future<Output = ()>;
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

/// Plays all scenarios against a server. `random` gives 64 random bits a call; `surroundings` is asked for once a client.
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
                let reason = format!("the server could not be tested over {transport}");
                for scenario in chosen.iter().filter(|s| s.transports.contains(&transport)) {
                    results.skipped.push(skipped(scenario, transport, &reason));
                }
                results.troubles.push(trouble(transport, closed));
                continue;
            }
        };
        let mut silent = 0;
        let mut given_up: Option<String> = None;
        results.unkept.extend(unkept(&offer, options, transport));
        for scenario in chosen.iter().filter(|s| s.transports.contains(&transport)) {
            if *interrupted.borrow() {
                break;
            }
            if let Some(reason) = &given_up {
                results.skipped.push(skipped(scenario, transport, reason));
                continue;
            }
            let lacking = scenario.lacking();
            let offer = if servers.without(&lacking) { &offer.without(&lacking) } else { &offer };
            let Some(scenario) = ready(scenario, offer, options, transport, &mut results) else { continue };
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
                let closed = match one(servers, &play, options, surroundings, interrupted.clone()).await {
                    Ok(played) => {
                        let silence = is_silent(&played.trace);
                        results.played.push(played);
                        if !silence {
                            continue;
                        }
                        None
                    }
                    Err(closed) => {
                        results.skipped.push(skipped(plan.scenario(), transport, &closed.what));
                        Some(closed)
                    }
                };
                // one that still says what it offers is only silent about this scenario
                silent += 1;
                let closed = match survey_of(servers, transport, options.revision, interrupted.clone()).await {
                    Ok(None) => break,
                    Ok(Some(_)) if silent < MOST_SILENT => {
                        results.troubles.extend(closed.map(|closed| trouble(transport, closed)));
                        continue;
                    }
                    Ok(Some(_)) => Closed {
                        what: format!("it said nothing at all in {silent} plays"),
                        stderr: servers.stderr(),
                        blame: Blame::Server,
                    },
                    // it did answer before
                    Err(closed) => Closed { blame: Blame::Server, ..closed },
                };
                given_up = Some(format!("the server was given up over {transport}: {}", closed.what));
                results.troubles.push(trouble(transport, closed));
                break;
            }
        }
        // how many are left is known at the end
        if given_up.is_some() {
            let left = |s: &&Skipped| s.transport == transport && Some(&s.reason) == given_up.as_ref();
            let left = results.skipped.iter().filter(left).count();
            if let Some(trouble) = results.troubles.last_mut() {
                trouble.what = format!("it was given up, and {left} scenarios were not played: {}", trouble.what);
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
    results.skipped.push(skipped(&scenario, transport, &reason));
    None
}

/// That a scenario is not played, and why.
fn skipped(scenario: &Scenario, transport: Transport, reason: &str) -> Skipped {
    let claims = Plan::new(Arc::new(scenario.clone()), transport).claims().map(|(_, p)| p.id.clone()).collect();
    Skipped { scenario: scenario.id.clone(), transport, reason: reason.to_owned(), claims }
}

fn trouble(transport: Transport, closed: Closed) -> Trouble {
    Trouble { transport, what: closed.what, stderr: closed.stderr, blame: closed.blame }
}

/// Did a play end because nothing came of the server, but at most its answer to `initialize`?
fn is_silent(trace: &Trace) -> bool {
    let waited = matches!(trace.end(), Some(EndReason::Deadline | EndReason::NotStarted { .. }));
    let of_server = |body: &Body| matches!(body, Body::Message { from: Party::Server, .. } | Body::Signal { .. });
    waited && trace.events.iter().filter(|event| of_server(&event.body)).nth(1).is_none()
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
    servers.close(held, false).await;
    offer.map_err(|failed| Closed { what: failed.what, stderr: servers.stderr(), blame: failed.blame })
}

async fn one<S: Servers>(
    servers: &mut S,
    play: &Play,
    options: &Options,
    surroundings: &mut dyn FnMut() -> Surroundings,
    interrupted: watch::Receiver<bool>,
) -> Result<Played, Closed> {
    let (link, held) = servers.open(play.plan.transport()).await?;
    let mut client = client_of(play, surroundings(), None);
    let mut further = further_clients(play, surroundings);
    let ended = own::play(play, &mut client, &mut further, link, interrupted).await;
    // of one that has failed already it is not asked how it leaves
    let patient = ended.finished();
    let events = ended.leave(servers.close(held, patient)).await;
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
