//! Every client with every server, and us between them: which of them understand each other, and if not, which one is wrong.

mod between;
mod play;
pub mod since;
mod standing;
pub mod sum;

use super::agenda::{Agenda, Closed, skipped};
use super::crew::crew;
use super::drivers::Drivers;
use super::foreign::Foreign;
use super::server::Servers as _;
use super::survey::{self, Offer};
use super::{Results, Skipped};
use crate::judge;
use crate::judge::finding::Blame;
use crate::judge::versions::Offers;
use crate::peer::baseline::{FindingKey, Knowledge};
use crate::peer::config::ServerSpec;
use crate::peer::process::Command;
use crate::scenario::Scenario;
use crate::scenario::exchange::Patience;
use crate::seat::Play;
use crate::seat::own::raised;
use crate::spec::Revision;
use crate::trace::{Seat, Transport};
use between::Between;
use play::{Came, Pair};
use serde_json::{Map, Value};
use standing::Standing;
use std::path::PathBuf;
use std::time::Duration;
use sum::Sum;
use tokio::sync::watch::Receiver;

/// A client, as it takes part.
#[derive(Debug, Clone)]
pub struct ClientPeer {
    /// Its name in reports.
    pub name: String,
    /// The words that choose it: `--client x`.
    pub words: Vec<String>,
    /// What starts its driver.
    pub driver: Command,
    /// The revisions it is said to speak; empty if nothing is said.
    pub revisions: Vec<Revision>,
    /// What is known of it.
    pub knowledge: Option<Knowledge>,
    /// Why it cannot be started, and what to do.
    pub unready: Option<String>,
}

/// A server, as it takes part.
#[derive(Debug, Clone)]
pub struct ServerPeer {
    /// Its name in reports.
    pub name: String,
    /// The words that choose it: `--server x`.
    pub words: Vec<String>,
    /// How it is reached.
    pub spec: ServerSpec,
    /// The revisions it is said to speak; empty if nothing is said.
    pub revisions: Vec<Revision>,
    /// What is bound in place of the fixture's tools (tool, table).
    pub bound: Map<String, Value>,
    /// What is known of it.
    pub knowledge: Option<Knowledge>,
    /// Why it cannot be started, and what to do.
    pub unready: Option<String>,
}

/// What is known of a pair: what is known of each of them, since every finding says whose fault it is.
#[must_use]
pub fn knowledge(client: &ClientPeer, server: &ServerPeer) -> Option<Knowledge> {
    let mut both: Option<Knowledge> = None;
    for known in [&client.knowledge, &server.knowledge].into_iter().flatten() {
        let all = both.get_or_insert_default();
        all.known.extend(known.known.iter().cloned());
        all.adjudicated.extend(known.adjudicated.iter().cloned());
    }
    both
}

/// The name of a client with a server.
#[must_use]
pub fn pair(client: &str, server: &str) -> String {
    format!("{client} with {server}")
}

/// What is played, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// The revisions.
    pub revisions: Vec<Revision>,
    /// The transports.
    pub transports: Vec<Transport>,
    /// How long things may take.
    pub patience: Patience,
    /// How many plays may be under way at once; at least one is.
    pub jobs: usize,
    /// So much time the plays of one cell may take together.
    pub cell_time: Duration,
    /// Further words to play a scenario again: `--scenarios FOLDER`.
    pub words: Vec<String>,
    /// The file of this program, which a client starts over stdio.
    pub program: PathBuf,
}

/// One client with one server, over one transport, in one revision.
#[derive(Debug, Clone)]
pub struct Cell {
    /// The client's name.
    pub client: String,
    /// The server's name.
    pub server: String,
    /// The transport.
    pub transport: Transport,
    /// The revision.
    pub revision: Revision,
    /// What came of its plays.
    pub results: Results,
    /// What the two offered each other, where they agreed on no revision or on another.
    pub offers: Option<Offers>,
    /// What showed on a process that had been played with, and not again on a fresh one.
    pub fleeting: Vec<Fleeting>,
    /// How long its plays took together.
    pub took: Duration,
    /// What it came to.
    pub sum: Sum,
}

/// A finding that did not come again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fleeting {
    /// In which scenario.
    pub scenario: String,
    /// Which.
    pub key: FindingKey,
    /// What was found.
    pub found: String,
}

/// All that came of a matrix.
#[derive(Debug, Clone)]
pub struct Matrix {
    /// The clients.
    pub clients: Vec<String>,
    /// The servers.
    pub servers: Vec<String>,
    /// The transports.
    pub transports: Vec<Transport>,
    /// The revisions.
    pub revisions: Vec<Revision>,
    /// By revision, server, transport and client.
    pub cells: Vec<Cell>,
    /// Was it interrupted by the user?
    pub interrupted: bool,
    /// The scenarios that were to be played in one of the revisions, by their ids.
    pub scenarios: Vec<String>,
    /// What was chosen, in the words of who chose.
    pub chosen: String,
    /// How long all took.
    pub took: Duration,
}

impl Matrix {
    /// The cell of these.
    #[must_use]
    pub fn cell(&self, client: &str, server: &str, transport: Transport, revision: Revision) -> Option<&Cell> {
        let is = |cell: &&Cell| {
            cell.client == client && cell.server == server && cell.transport == transport && cell.revision == revision
        };
        self.cells.iter().find(is)
    }
}

/// Something that is about to be done, for who waits.
#[derive(Debug, Clone)]
pub struct Step<'a> {
    /// The server.
    pub server: &'a str,
    /// The transport.
    pub transport: Transport,
    /// The revision.
    pub revision: Revision,
    /// How many such steps are done.
    pub done: usize,
    /// How many there are.
    pub of: usize,
}

/// Plays all scenarios with every client and every server. `random` gives 64 random bits a call; `tell` hears what is about
/// to be done.
pub async fn matrix(
    clients: &[ClientPeer],
    servers: &[ServerPeer],
    scenarios: &[Scenario],
    options: &Options,
    random: &mut dyn FnMut() -> u64,
    tell: &mut dyn FnMut(&Step<'_>),
    interrupted: Receiver<bool>,
) -> Matrix {
    let names = |all: &mut dyn Iterator<Item = &String>| all.cloned().collect::<Vec<String>>();
    let mut matrix = Matrix {
        clients: names(&mut clients.iter().map(|c| &c.name)),
        servers: names(&mut servers.iter().map(|s| &s.name)),
        transports: options.transports.clone(),
        revisions: options.revisions.clone(),
        cells: Vec::new(),
        interrupted: false,
        scenarios: Vec::new(),
        chosen: String::new(),
        took: Duration::ZERO,
    };
    let began = tokio::time::Instant::now();
    let drivers: Vec<Drivers> =
        clients.iter().map(|c| Drivers::new(c.driver.clone(), options.program.clone())).collect();
    let of = options.revisions.len() * servers.len() * options.transports.len();
    let mut done = 0;
    for revision in options.revisions.iter().copied() {
        let agenda = Agenda { seat: Seat::Observer, revision, patience: options.patience };
        for scenario in agenda.chosen(scenarios) {
            if !matrix.scenarios.contains(&scenario.id) {
                matrix.scenarios.push(scenario.id.clone());
            }
        }
        for server in servers {
            for transport in options.transports.iter().copied() {
                if !*interrupted.borrow() {
                    tell(&Step { server: &server.name, transport, revision, done, of });
                }
                done += 1;
                let column = Column {
                    clients,
                    drivers: &drivers,
                    server,
                    transport,
                    revision,
                    options,
                    interrupted: &interrupted,
                };
                let cells = column.play(scenarios, random).await;
                matrix.cells.extend(cells.into_iter().zip(clients).map(|(mut cell, client)| {
                    cell.sum = Sum::of(&cell, &knowledge(client, server).unwrap_or_default());
                    cell
                }));
            }
        }
    }
    futures_util::future::join_all(drivers.iter().map(Drivers::stop)).await;
    matrix.interrupted = *interrupted.borrow();
    matrix.took = began.elapsed();
    matrix
}

/// All clients with one server, over one transport, in one revision.
struct Column<'a> {
    clients: &'a [ClientPeer],
    drivers: &'a [Drivers],
    server: &'a ServerPeer,
    transport: Transport,
    revision: Revision,
    options: &'a Options,
    interrupted: &'a Receiver<bool>,
}

impl Column<'_> {
    async fn play(&self, scenarios: &[Scenario], random: &mut dyn FnMut() -> u64) -> Vec<Cell> {
        let mut cells: Vec<Cell> = self.clients.iter().map(|client| self.empty(client)).collect();
        let agenda = Agenda { seat: Seat::Observer, revision: self.revision, patience: self.options.patience };
        let chosen = agenda.chosen(scenarios);
        let mut skip = Vec::new();
        let held = agenda.over(&chosen, self.transport, &mut skip);
        let all = |cells: &mut Vec<Cell>, reason: &str| {
            for cell in cells.iter_mut() {
                let of = chosen.iter().filter(|s| s.transports.contains(&self.transport));
                cell.results.skipped.extend(of.map(|s| skipped(s, self.transport, reason)));
            }
        };
        let Some(held) = held else {
            cells.iter_mut().for_each(|cell| cell.results.skipped.extend(skip.iter().cloned()));
            return cells;
        };
        if !self.server.spec.transports().contains(&self.transport) {
            all(&mut cells, &format!("{} does not speak {}", self.server.name, self.transport));
            return cells;
        }
        // what nobody can have in common need not be started
        let speaks = |revisions: &[Revision]| revisions.is_empty() || revisions.contains(&self.revision);
        if !speaks(&self.server.revisions) || !self.clients.iter().any(|c| speaks(&c.revisions)) {
            for (cell, client) in cells.iter_mut().zip(self.clients) {
                cell.unclaimed(client, self.server);
            }
            let reason = format!("harness.toml does not say that both speak {}", self.revision);
            all(&mut cells, &reason);
            return cells;
        }
        if *self.interrupted.borrow() {
            cells.iter_mut().for_each(|cell| cell.results.interrupted = true);
            return cells;
        }
        if let Some(why) = &self.server.unready {
            let closed = unready(&self.server.name, why);
            all(&mut cells, &closed.what);
            cells.iter_mut().for_each(|cell| cell.results.troubles.push(closed.clone().trouble(self.transport)));
            return cells;
        }
        let offer = match self.survey().await {
            Ok(Some(offer)) => Some(offer),
            Ok(None) => {
                cells.iter_mut().for_each(|cell| cell.results.interrupted = true);
                return cells;
            }
            // how the clients take that is to be seen
            Err((_, Some(_))) => None,
            Err((closed, None)) => {
                let reason = format!("{} could not be tested over {}", self.server.name, self.transport);
                all(&mut cells, &reason);
                cells.iter_mut().for_each(|cell| cell.results.troubles.push(closed.clone().trouble(self.transport)));
                return cells;
            }
        };
        let mut plays: Vec<(usize, Play)> = Vec::new();
        for (i, (cell, client)) in cells.iter_mut().zip(self.clients).enumerate() {
            if !speaks(&client.revisions) {
                cell.unclaimed(client, self.server);
                let reason = format!("harness.toml does not say that {} speaks {}", client.name, self.revision);
                cell.results.skipped.extend(held.iter().map(|s| skipped(s, self.transport, &reason)));
                continue;
            }
            if let Some(why) = &client.unready {
                let closed = unready(&client.name, why);
                cell.results.skipped.extend(held.iter().map(|s| skipped(s, self.transport, &closed.what)));
                cell.results.troubles.push(closed.trouble(self.transport));
                continue;
            }
            for scenario in &held {
                let Some(offer) = &offer else {
                    plays.extend(agenda.plays((*scenario).clone(), self.transport, random).into_iter().map(|p| (i, p)));
                    continue;
                };
                match self.ready(scenario, offer) {
                    Ok(scenario) => {
                        plays.extend(agenda.plays(scenario, self.transport, random).into_iter().map(|p| (i, p)))
                    }
                    Err(skipped) => cell.results.skipped.push(skipped),
                }
            }
        }
        let standing = Standing::new(self.server.spec.clone());
        let pairs: Vec<Pair<'_>> = self
            .clients
            .iter()
            .zip(self.drivers)
            .map(|(client, drivers)| {
                let between = Between { drivers, standing: &standing, program: &self.options.program };
                Pair::new(client, self.server, between, self.options, self.interrupted.clone())
            })
            .collect();
        let came = crew(self.options.jobs, plays, |(i, play)| {
            let pair = pairs.get(i);
            async move {
                (
                    i,
                    match pair {
                        Some(pair) => pair.play(play).await,
                        None => Came::Interrupted,
                    },
                )
            }
        })
        .await;
        for (i, came) in came {
            let Some(cell) = cells.get_mut(i) else { continue };
            match came {
                Came::Played(played) => cell.results.played.push(*played),
                Came::Skipped(skipped) => cell.results.skipped.push(skipped),
                Came::Interrupted => cell.results.interrupted = true,
            }
        }
        for (cell, pair) in cells.iter_mut().zip(pairs) {
            pair.conclude(cell, self.transport);
        }
        standing.stop().await;
        cells
    }

    fn empty(&self, client: &ClientPeer) -> Cell {
        let results = Results::new(Seat::Observer, &pair(&client.name, &self.server.name), self.revision);
        let (client, server) = (client.name.clone(), self.server.name.clone());
        let (transport, revision) = (self.transport, self.revision);
        Cell {
            client,
            server,
            transport,
            revision,
            results,
            offers: None,
            fleeting: Vec::new(),
            took: Duration::ZERO,
            sum: Sum::nothing(),
        }
    }

    /// What the server offers; `None` if the user interrupted before it said so. When it cannot be told: why, and the
    /// revision that it speaks in place of ours, if that is why.
    async fn survey(&self) -> Result<Option<Offer>, (Closed, Option<String>)> {
        let servers = Foreign::new(self.server.spec.clone());
        let mut interrupted = self.interrupted.clone();
        let surveying = async {
            let (link, held) = servers.open(self.transport, &[]).await.map_err(|closed| (closed, None))?;
            let offer = survey::survey(link, self.revision, survey::PATIENCE).await;
            let stderr = servers.close(held, None).await;
            offer.map_err(|failed| (Closed { what: failed.what, stderr, blame: failed.blame }, failed.speaks))
        };
        tokio::select! {
            biased;
            () = raised(&mut interrupted) => Ok(None),
            offer = surveying => offer.map(Some),
        }
    }

    /// The scenario as it can be played with this server, or why it cannot.
    fn ready(&self, scenario: &Scenario, offer: &Offer) -> Result<Scenario, Skipped> {
        let mut scenario = scenario.clone();
        let reason = match judge::engine::binds(&self.server.bound) {
            Ok(binds) => {
                scenario.bind(&binds);
                offer.lacks(&scenario, self.revision, self.transport)
            }
            Err(why) => Some(why),
        };
        match reason {
            Some(reason) => Err(skipped(&scenario, self.transport, &reason)),
            None => Ok(scenario),
        }
    }
}

/// That a peer cannot be started.
fn unready(name: &str, why: &str) -> Closed {
    Closed { what: format!("{name} was not run: {why}"), stderr: None, blame: Blame::Environment }
}

impl Cell {
    /// What the two are said to speak, where that has nothing in common.
    fn unclaimed(&mut self, client: &ClientPeer, server: &ServerPeer) {
        let common = client.revisions.iter().any(|r| server.revisions.contains(r));
        if !common && !client.revisions.is_empty() && !server.revisions.is_empty() {
            let said = |all: &[Revision]| all.iter().map(|r| r.as_str()).collect::<Vec<_>>().join(", ");
            let (client, server) = (said(&client.revisions), said(&server.revisions));
            self.offers = Some(Offers { client, server, agreed: false });
        }
    }
}
