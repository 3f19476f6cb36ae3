//! The built-in pair: the reference client and the reference server over in-memory pipes, played from any seat.

use super::RECORDED;
use super::driven::{Driven, Ready, Reference};
use crate::fault::Fault;
use crate::peer::driver::{Mover, Target};
use crate::reference::SessionKey;
use crate::reference::client::{self, Client};
use crate::reference::server::{self, Server};
use crate::reference::{Engine, Surroundings};
use crate::scenario::exchange::Patience;
use crate::scenario::fresh;
use crate::scenario::model::Needed;
use crate::scenario::plan::Plan;
use crate::seat::alone::Moved;
use crate::seat::deviation::{Deviation, Teller};
use crate::seat::host::Host;
use crate::seat::{Play, cast, director, own, watch};
use crate::spec::{self, Revision, methods};
use crate::trace::record::{FORMAT, Script};
use crate::trace::{Header, Seat, Trace, Transport};
use crate::transport::http_client::{Endpoint, HttpClient, HttpHabits};
use crate::transport::http_server::{HttpServer, ServerHabits};
use crate::transport::memory::{self, Acceptor, Connector};
use crate::transport::{Bounds, Link, Numbers, Relay, StdioLink};
use crate::wire::Party;
use crate::wire::http::ServerPolicy;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;

/// How the peers of a pair are set up.
#[derive(Default)]
pub struct Deviations {
    /// What is altered in what the client sends, where it is not ours.
    pub client: Option<Fault>,
    /// What is altered in what the server sends, where it is not ours.
    pub server: Option<Fault>,
    /// Changes the client's set-up: its policies and dialect.
    pub client_setup: Option<fn(&mut client::Setup)>,
    /// Changes the server's set-up.
    pub server_setup: Option<fn(&mut server::Setup)>,
    /// Changes how the server behaves over HTTP where the specification leaves it a choice.
    pub server_policy: Option<fn(&mut ServerPolicy)>,
}

/// Makes a play of a scenario: with fresh values made from `random`.
#[must_use]
pub fn prepare(
    plan: Arc<Plan>,
    seat: Seat,
    revision: Revision,
    choices: Vec<u8>,
    random: &mut dyn FnMut() -> u64,
) -> Play {
    let fresh = fresh::freshen(plan.scenario(), random);
    Play {
        plan,
        seat,
        revision,
        choices,
        fresh,
        patience: Patience::default(),
        cap: Duration::from_secs(60),
        most_events: 10_000,
        again: false,
    }
}

/// The header of a play's trace.
#[must_use]
pub fn header(play: &Play, client: &str, server: &str, bound: Map<String, Value>) -> Header {
    let scenario = play.plan.scenario();
    let ms = |d: Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
    let Patience { start, step, settle } = play.patience;
    let limits = json!({ "start_ms": ms(start), "step_ms": ms(step), "settle_ms": ms(settle), "cap_ms": ms(play.cap) });
    Header {
        format: FORMAT,
        harness: env!("CARGO_PKG_VERSION").to_owned(),
        digests: spec::digests(play.revision),
        scenario: Some(Script {
            id: scenario.id.clone(),
            file: scenario.source.name.clone(),
            text: scenario.source.text.clone(),
        }),
        seat: play.seat,
        revision: play.revision,
        transport: play.plan.transport(),
        client: client.to_owned(),
        server: server.to_owned(),
        choices: play.choices.clone(),
        fresh: play.fresh.clone(),
        bound,
        limits: limits.as_object().cloned().unwrap_or_default(),
        captured: RECORDED.iter().map(|kind| (*kind).to_owned()).collect(),
    }
}

/// What a client is to declare in a play: all there is, but what the file says it must not.
#[must_use]
pub fn capabilities(play: &Play) -> Value {
    let mut capabilities = client::capabilities(play.revision);
    let scenario = play.plan.scenario();
    for need in scenario.needs.iter().filter(|need| need.party == Party::Client) {
        if let Needed::Capability(path) = &need.what {
            methods::declare(&mut capabilities, path);
        }
    }
    for path in scenario.lacking_of(Party::Client) {
        methods::undeclare(&mut capabilities, &path);
    }
    capabilities
}

/// The reference client for a play.
#[must_use]
pub fn client_of(play: &Play, surroundings: Surroundings, change: Option<fn(&mut client::Setup)>) -> Client {
    let application = cast::application(play);
    let mut setup = client::Setup::new(surroundings, application).offering(play.revision);
    setup.capabilities = capabilities(play);
    if let Some(change) = change {
        change(&mut setup);
    }
    Client::new(setup)
}

/// Reference clients for the further clients that the scenario names, in its order. Their applications do nothing by
/// themselves. `surroundings` is asked for once a client.
#[must_use]
pub fn further_clients(play: &Play, surroundings: &mut dyn FnMut() -> Surroundings) -> Vec<Box<dyn Engine>> {
    let client = |_| -> Box<dyn Engine> {
        let setup = client::Setup::new(surroundings(), client::Application::default()).offering(play.revision);
        Box::new(Client::new(setup))
    };
    play.plan.scenario().parties.iter().map(client).collect()
}

/// The reference server for a play, with the tools that the scenario needs and the server has not.
#[must_use]
pub fn server_of(play: &Play, surroundings: Surroundings, change: Option<fn(&mut server::Setup)>) -> Server {
    let mut setup = server::Setup::new(surroundings);
    setup.dialect.page_size = cast::page_size(&play.plan);
    setup.without = play.plan.scenario().lacking();
    if let Some(change) = change {
        change(&mut setup);
    }
    let mut server = Server::new(setup);
    for tool in cast::tools(&play.plan, &play.fresh) {
        if !server.has_tool(&tool)
            && let Some(script) = cast::tool_script(&play.plan, &play.fresh, &tool)
        {
            server.scripted(&tool, script);
        }
    }
    server
}

/// Plays a scenario in memory from the given seat, with the other party (or both) as embedded peers. Runs on a
/// current-thread runtime; under a paused clock no real time passes.
pub async fn play(play: &Play, deviations: Deviations, seed: u64) -> Trace {
    let server = server_of(play, Surroundings::fixed(seed ^ 0x5e5e), deviations.server_setup);
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let transport = play.plan.transport();
    let mut policy = ServerPolicy::reference();
    if let Some(change) = deviations.server_policy {
        change(&mut policy);
    }
    let events = match play.seat {
        Seat::Client => {
            let (near, far) = ends(transport, play.seat, policy);
            let host = tokio::spawn(hosted(Box::new(server), deviations.server, None).run(far, stopped.clone()));
            let mut engine = client_of(play, Surroundings::fixed(seed), deviations.client_setup);
            let mut seeds = seed..;
            let mut further = further_clients(play, &mut || Surroundings::fixed(seeds.next().unwrap_or(seed)));
            own::play(play, &mut engine, &mut further, near, None, stopped).await.leave(finish(stop, host)).await
        }
        Seat::Server => {
            let (near, far) = ends(transport, play.seat, policy);
            let mut driven = driven(near, seed, &deviations, None, stopped.clone());
            let mut engine = server;
            let client = moved(play, &mut driven.mover);
            let ended = own::play(play, &mut engine, &mut [], far, Some(Moved::Driven(client)), stopped).await;
            ended.leave(finish(stop, driven.task)).await
        }
        Seat::Observer => {
            let (near, tap, far) = tapped(transport, policy);
            // what a fault did stands in the record as if it had been written on the standard error
            let teller = tap.feed().map(Teller::Record);
            let mut driven = driven(near, seed, &deviations, teller.clone(), stopped.clone());
            let host = hosted(Box::new(server), deviations.server, teller);
            let server = tokio::spawn(host.run(far, stopped.clone()));
            let ended = watch::watch(play, tap, moved(play, &mut driven.mover), stopped).await;
            let (ended, _) = ended.client_left().await;
            let over = async {
                finish(stop, driven.task).await;
                // it was told with the client
                let _ = server.await;
            };
            ended.leave(over).await
        }
    };
    Trace { header: header(play, "mcp-interop", "mcp-interop", Map::new()), events }
}

/// The reference client at that end of a connection.
fn driven(
    near: Link,
    seed: u64,
    deviations: &Deviations,
    teller: Option<Teller>,
    stop: tokio::sync::watch::Receiver<bool>,
) -> Driven {
    let clients = Reference {
        surroundings: move || Surroundings::fixed(seed),
        connect: Ready(Some(near)),
        change: deviations.client_setup,
        fault: deviations.client.clone(),
        teller,
    };
    Driven::start(clients, stop)
}

/// A client that is driven, in a play in memory.
fn moved<'m>(play: &Play, mover: &'m mut Mover) -> director::Client<'m> {
    director::Client { mover, to: Target::Url("http://localhost/mcp".into()), capabilities: capabilities(play) }
}

/// The client's and the server's end of a connection in memory. The numbers of streams and round trips of the party that
/// is ours are shared with nobody: what the other end counts is never recorded.
pub(super) fn ends(transport: Transport, seat: Seat, policy: ServerPolicy) -> (Link, Link) {
    let numbers = Numbers::default();
    match transport {
        Transport::Stdio => stdio_ends(&numbers, seat),
        Transport::Http => http_ends(&numbers, seat, policy),
    }
}

/// The client's and the server's end of a stdio connection in memory.
fn stdio_ends(numbers: &Numbers, seat: Seat) -> (Link, Link) {
    let (near, far) = memory::pipes();
    let end = |party, pipes| {
        let numbers = if seat.ours() == Some(party) { numbers.clone() } else { Numbers::default() };
        Link::Stdio(StdioLink::new(party, SessionKey(0), pipes, &numbers, Bounds::default()))
    };
    (end(Party::Client, near), end(Party::Server, far))
}

/// The client's and the server's end of an HTTP connection in memory.
fn http_ends(numbers: &Numbers, seat: Seat, policy: ServerPolicy) -> (Link, Link) {
    let (connector, acceptor) = memory::network();
    let of = |party| if seat.ours() == Some(party) { numbers.clone() } else { Numbers::default() };
    (http_client(connector, &of(Party::Client)), http_server(acceptor, &of(Party::Server), policy))
}

/// The client's end, the tap and the server's end of a connection in memory.
fn tapped(transport: Transport, policy: ServerPolicy) -> (Link, Link, Link) {
    let (numbers, bounds) = (Numbers::default(), Bounds::default());
    let own = Numbers::default;
    match transport {
        Transport::Stdio => {
            let (near, to_client) = memory::pipes();
            let (to_server, far) = memory::pipes();
            let end = |party, pipes| Link::Stdio(StdioLink::new(party, SessionKey(0), pipes, &own(), bounds));
            let tap = Relay::stdio(to_client, to_server, &numbers, bounds);
            (end(Party::Client, near), Link::Relay(Box::new(tap)), end(Party::Server, far))
        }
        Transport::Http => {
            let (to_tap, at_tap) = memory::network();
            let (to_server, at_server) = memory::network();
            let tap = Relay::http(at_tap, Endpoint::memory(to_server), &numbers, bounds);
            let client = http_client(to_tap, &own());
            (client, Link::Relay(Box::new(tap)), http_server(at_server, &own(), policy))
        }
    }
}

fn http_client(connector: Connector, numbers: &Numbers) -> Link {
    let habits = HttpHabits { listens: true, resumes: true, headers: Vec::new() };
    let endpoint = Endpoint::memory(connector);
    Link::HttpClient(Box::new(HttpClient::new(endpoint, SessionKey(0), habits, numbers, Bounds::default())))
}

/// The reference server's end over HTTP.
fn http_server(acceptor: Acceptor, numbers: &Numbers, policy: ServerPolicy) -> Link {
    let mut surroundings = Surroundings::fixed(7);
    let entropy = move || surroundings.bits().to_be_bytes();
    let habits = ServerHabits::default();
    Link::HttpServer(Box::new(HttpServer::new(
        acceptor,
        policy,
        entropy,
        SessionKey(0),
        habits,
        numbers,
        Bounds::default(),
    )))
}

fn hosted(engine: Box<dyn Engine>, fault: Option<Fault>, teller: Option<Teller>) -> Host {
    let mut host = Host::honest(engine);
    host.deviation = fault.map(|fault| Deviation::new(fault, teller));
    host
}

pub(super) async fn finish(stop: tokio::sync::watch::Sender<bool>, host: tokio::task::JoinHandle<()>) {
    // an embedded peer that is gone already needs no telling
    let _ = stop.send(true);
    let _ = host.await;
}
