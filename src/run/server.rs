//! The client's seat against one server: every scenario that the server can be asked, on every transport it speaks.

use super::agenda::{Agenda, Closed, skipped};
use super::crew::crew;
use super::pace::Pace;
use super::pair::{client_of, further_clients, header};
use super::survey::{self, Offer};
use super::traces::Keeper;
use super::{Played, Results, Skipped, Trouble};
use crate::judge;
use crate::judge::finding::Blame;
use crate::reference::Surroundings;
use crate::scenario::Scenario;
use crate::scenario::exchange::Patience;
use crate::seat::{Play, own};
use crate::spec::Revision;
use crate::trace::event::{Body, EndReason};
use crate::trace::{Seat, Trace, Transport};
use crate::transport::Link;
use crate::wire::Party;
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::future::Future;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit, watch};

/// After so many plays in which nothing at all came of a server it is given up, though it still says what it offers.
const MOST_SILENT: usize = 8;

/// For each play that is under way, so many servers on pipes may be on their way out: how each of them leaves is of interest,
/// and what is idle hinders nobody.
const LEAVING: usize = 4;

/// How long a server on pipes may take to end with its input before it is told to, at least.
const LEAVES: Duration = Duration::from_secs(4);

/// It may take so many times what its first answer took: that tells what the machine has to do.
const SLACK: u32 = 4;

/// A server under test, which can be connected to again and again.
pub trait Servers {
    /// What keeps a connection's server alive.
    type Held;
    /// Connects: over stdio to a new process, over HTTP in a new session; without the capabilities in `lacking`, if it can.
    ///
    /// # Errors
    /// When it cannot be started or reached.
    fn open(
        &self,
        transport: Transport,
        lacking: &[String],
    ) -> impl Future<Output = Result<(Link, Self::Held), Closed>>;
    /// Can it be opened without some of its capabilities? If not, it is taken as it is.
    fn can_lack(&self) -> bool {
        false
    }
    /// The connection is over. `patience`: how the server leaves is of interest, so that it is given so much time for it. Gives
    /// what the server wrote on its standard error.
    fn close(&self, held: Self::Held, patience: Option<Duration>) -> impl Future<Output = Option<String>>;
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
    /// How many plays may be under way at once, each with a server of its own; at least one is.
    pub jobs: usize,
}

impl Options {
    /// A server with that name, on every transport, one play after the other; nothing is bound or claimed.
    #[must_use]
    pub fn new(name: impl Into<String>, revision: Revision) -> Options {
        Options {
            name: name.into(),
            words: String::new(),
            revision,
            transports: Transport::ALL.to_vec(),
            bound: Map::new(),
            claimed_capabilities: Vec::new(),
            claimed_tools: Vec::new(),
            patience: Patience::default(),
            jobs: 1,
        }
    }
}

/// Plays all scenarios against a server, in the order of selection. `random` gives 64 random bits a call; `surroundings` is
/// asked for once a client.
pub async fn server<S: Servers>(
    servers: &S,
    scenarios: &[Scenario],
    options: &Options,
    surroundings: &mut dyn FnMut() -> Surroundings,
    random: &mut dyn FnMut() -> u64,
    interrupted: watch::Receiver<bool>,
    keeper: &mut Keeper,
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
    let agenda = Agenda { seat: Seat::Client, revision: options.revision, patience: options.patience };
    let chosen = agenda.chosen(scenarios);
    let mut pace = Pace::new(options.patience);
    let surroundings = RefCell::new(surroundings);
    let keeper = RefCell::new(keeper);
    for transport in options.transports.iter().copied() {
        if *interrupted.borrow() {
            break;
        }
        let Some(held) = agenda.over(&chosen, transport, &mut results.skipped) else { continue };
        let jobs = options.jobs.max(1);
        let run = Run {
            servers,
            options,
            transport,
            interrupted: interrupted.clone(),
            turns: Semaphore::new(jobs),
            state: RefCell::default(),
        };
        let offer = match run.survey(survey::PATIENCE).await {
            Ok(Some(offer)) => offer,
            Ok(None) => break,
            Err(closed) => {
                let reason = format!("the server could not be tested over {transport}");
                results.skipped.extend(held.iter().map(|scenario| skipped(scenario, transport, &reason)));
                results.troubles.push(closed.trouble(transport));
                continue;
            }
        };
        results.unkept.extend(unkept(&offer, options, transport));
        let mut plays = Vec::new();
        for scenario in held {
            let lacking = scenario.lacking();
            let offer = if servers.can_lack() { &offer.without(&lacking) } else { &offer };
            if let Some(scenario) = ready(scenario, offer, options, transport, &mut results) {
                plays.extend(agenda.plays(scenario, transport, random));
            }
        }
        run.state.borrow_mut().pace = Some(pace);
        let leaving = if transport == Transport::Stdio { jobs.saturating_mul(LEAVING) } else { 0 };
        let came = crew(jobs.saturating_add(leaving), plays, |play| run.kept(play, &surroundings, &keeper)).await;
        for came in came {
            match came {
                Came::Played(played) => results.played.push(*played),
                Came::Skipped(skipped) => results.skipped.push(skipped),
                Came::Interrupted => {}
            }
        }
        let state = run.state.into_inner();
        pace = state.pace.unwrap_or(pace);
        results.troubles.extend(state.troubles);
        // how many are left is known at the end
        if let Some((reason, mut trouble)) = state.given_up {
            let left = results.skipped.iter().filter(|s| s.transport == transport && s.reason == reason).count();
            trouble.what = format!("it was given up, and {left} scenarios were not played: {}", trouble.what);
            results.troubles.push(trouble);
        }
    }
    results.interrupted = *interrupted.borrow();
    if results.played.is_empty() && results.skipped.is_empty() && !results.interrupted {
        results.skipped = agenda.ruled_out(scenarios, &options.transports);
    }
    results
}

/// What came of a play.
enum Came {
    Played(Box<Played>),
    Skipped(Skipped),
    /// The user wanted no more.
    Interrupted,
}

/// The plays over one transport, several of which may be under way.
struct Run<'a, S> {
    servers: &'a S,
    options: &'a Options,
    transport: Transport,
    interrupted: watch::Receiver<bool>,
    /// One for each play that may be under way.
    turns: Semaphore,
    state: RefCell<State>,
}

/// What the plays tell each other.
#[derive(Default)]
struct State {
    pace: Option<Pace>,
    /// In how many plays nothing at all came.
    silent: usize,
    /// Why no more is played: for those that are left, and as it is told.
    given_up: Option<(String, Trouble)>,
    troubles: Vec<Trouble>,
}

impl<S: Servers> Run<'_, S> {
    fn pace(&self) -> Pace {
        self.state.borrow().pace.unwrap_or(Pace::new(self.options.patience))
    }

    /// Plays, and keeps of the record what is to be kept.
    async fn kept(
        &self,
        play: Play,
        surroundings: &RefCell<&mut dyn FnMut() -> Surroundings>,
        keeper: &RefCell<&mut Keeper>,
    ) -> Came {
        let mut came = self.play(play, surroundings).await;
        if let Came::Played(played) = &mut came {
            keeper.borrow_mut().judged(played);
        }
        came
    }

    /// Plays, unless the server was given up.
    async fn play(&self, play: Play, surroundings: &RefCell<&mut dyn FnMut() -> Surroundings>) -> Came {
        let mut turn = self.turns.acquire().await.ok();
        if *self.interrupted.borrow() {
            return Came::Interrupted;
        }
        let given_up = self.state.borrow().given_up.as_ref().map(|(reason, _)| reason.clone());
        if let Some(reason) = given_up {
            return Came::Skipped(skipped(play.plan.scenario(), self.transport, &reason));
        }
        let mut patience = self.pace().patience();
        if self.transport == Transport::Http {
            // what listens is up already
            patience.start = patience.step;
        }
        let mut play = Play { patience, ..play };
        let (mut came, closed) = match self.one(&play, &mut turn, surroundings).await {
            Ok(played) => {
                let silence = is_silent(&played.trace);
                if let Some(pace) = &mut self.state.borrow_mut().pace {
                    pace.note(&played.trace);
                }
                let came = Came::Played(Box::new(played));
                if !silence {
                    if self.pace().spent() {
                        let what = "it was waited for in vain too long".to_owned();
                        self.give_up(Closed { what, stderr: None, blame: Blame::Server });
                    }
                    return came;
                }
                (came, None)
            }
            Err(closed) => (Came::Skipped(skipped(play.plan.scenario(), self.transport, &closed.what)), Some(closed)),
        };
        // one that still says what it offers is only silent about this scenario
        let silent = {
            let mut state = self.state.borrow_mut();
            state.silent += 1;
            state.silent
        };
        let patience = survey::PATIENCE.min(self.pace().patience().step * 2);
        match self.survey(patience).await {
            Ok(None) => {}
            // that it could not start is the machine's affair, unless it is so again
            Ok(Some(_)) if silent < MOST_SILENT && not_started(&came) => {
                play.again = true;
                if let Ok(played) = self.one(&play, &mut turn, surroundings).await {
                    if let Some(pace) = &mut self.state.borrow_mut().pace {
                        pace.note(&played.trace);
                    }
                    came = Came::Played(Box::new(played));
                }
            }
            Ok(Some(_)) if silent < MOST_SILENT => {
                let troubles = closed.map(|closed| closed.trouble(self.transport));
                self.state.borrow_mut().troubles.extend(troubles);
            }
            Ok(Some(_)) => {
                let what = format!("it said nothing at all in {silent} plays");
                self.give_up(Closed { what, stderr: None, blame: Blame::Server });
            }
            // a program that is started anew may fail to start; what listens did answer before
            Err(closed) => {
                let blame = if self.transport == Transport::Http { Blame::Server } else { closed.blame };
                self.give_up(Closed { blame, ..closed });
            }
        }
        came
    }

    /// No more is played, for the first reason there is.
    fn give_up(&self, closed: Closed) {
        let reason = format!("the server was given up over {}: {}", self.transport, closed.what);
        let trouble = closed.trouble(self.transport);
        self.state.borrow_mut().given_up.get_or_insert((reason, trouble));
    }

    /// What it offers; `None` if the user interrupted before it said so.
    async fn survey(&self, patience: Duration) -> Result<Option<Offer>, Closed> {
        let mut interrupted = self.interrupted.clone();
        let (link, held) = tokio::select! {
            biased;
            () = own::raised(&mut interrupted) => return Ok(None),
            opened = self.servers.open(self.transport, &[]) => opened?,
        };
        let offer = tokio::select! {
            biased;
            () = own::raised(&mut interrupted) => Ok(None),
            offer = survey::survey(link, self.options.revision, patience) => offer.map(Some),
        };
        let stderr = self.servers.close(held, None).await;
        offer.map_err(|failed| Closed { what: failed.what, stderr, blame: failed.blame })
    }

    /// Plays. The turn is given back as soon as nothing but the end of the server is waited for.
    async fn one(
        &self,
        play: &Play,
        turn: &mut Option<SemaphorePermit<'_>>,
        surroundings: &RefCell<&mut dyn FnMut() -> Surroundings>,
    ) -> Result<Played, Closed> {
        let (mut client, mut further) = {
            let surroundings = &mut *surroundings.borrow_mut();
            let client = client_of(play, surroundings(), None);
            (client, further_clients(play, *surroundings))
        };
        let (link, held) = self.servers.open(play.plan.transport(), &play.plan.scenario().lacking()).await?;
        let ended = own::play(play, &mut client, &mut further, link, None, self.interrupted.clone()).await;
        // of one that has failed already it is not asked how it leaves
        let well = ended.finished() && !*self.interrupted.borrow();
        let patience = well.then(|| LEAVES.max(ended.first_heard() * SLACK));
        if well && self.transport == Transport::Stdio {
            *turn = None;
        }
        let mut interrupted = self.interrupted.clone();
        let leaves = async {
            tokio::select! {
                biased;
                // one that is on its way out is not waited for any more
                () = own::raised(&mut interrupted), if well => {}
                _ = self.servers.close(held, patience) => {}
            }
        };
        let events = ended.leave(leaves).await;
        let header = header(play, "mcp-interop", &self.options.name, self.options.bound.clone());
        let trace = Trace { header, events };
        let judgement = judge::judge(&trace);
        let scenario = play.plan.scenario();
        let words = &self.options.words;
        let gap = if words.is_empty() { "" } else { " " };
        let again = format!("server{gap}{words} --scenario '{}' --transport {}", scenario.id, play.plan.transport());
        Ok(Played { scenario: scenario.id.clone(), title: scenario.title.clone(), trace, judgement, again })
    }
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

/// Did a play end because nothing came of the server, but at most its answer to `initialize`?
fn is_silent(trace: &Trace) -> bool {
    let waited = matches!(trace.end(), Some(EndReason::Deadline | EndReason::NotStarted { .. }));
    let of_server = |body: &Body| matches!(body, Body::Message { from: Party::Server, .. } | Body::Signal { .. });
    waited && trace.events.iter().filter(|event| of_server(&event.body)).nth(1).is_none()
}

/// Did a play end before anything at all came of the server?
fn not_started(came: &Came) -> bool {
    let Came::Played(played) = came else { return false };
    let said = |body: &Body| matches!(body, Body::Message { from: Party::Server, .. } | Body::HttpResponse { .. });
    matches!(played.trace.end(), Some(EndReason::NotStarted { .. }))
        && !played.trace.events.iter().any(|e| said(&e.body))
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

#[cfg(test)]
#[path = "server_tests.rs"]
#[allow(clippy::unwrap_used, reason = "tests")]
mod starting;
