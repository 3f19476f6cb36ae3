//! `client`: plays the server against a client, and judges the client.

use super::explain::TransportName;
use super::output::{self, Output};
use super::screen;
use super::selection::{Selection, playable, revision};
use super::stage::Stage;
use crate::peer::baseline::Knowledge;
use crate::peer::config::EMBEDDED;
use crate::peer::process::Command;
use crate::peer::words;
use crate::reference::Surroundings;
use crate::run::client::{self, Options};
use crate::run::drivers::Drivers;
use crate::run::embedded_client::EmbeddedClient;
use crate::run::environment::Environment;
use crate::run::habits::Habit;
use crate::run::traces::Keeper;
use crate::run::{Results, surroundings};
use crate::scenario::Scenario;
use crate::scenario::exchange::Patience;
use crate::spec::Revision;
use crate::trace::{Seat, Transport};
use clap::Args;
use std::path::{Path, PathBuf};

/// More processes at once than this help nobody.
const MOST_JOBS: i64 = 256;

/// `mcp-interop client`
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A command that starts a driver (see docs/peers.md), after `--`; with --environment, one that starts the client itself
    #[arg(last = true, value_name = "COMMAND", conflicts_with = "peer")]
    command: Vec<String>,
    /// A peer of harness.toml
    #[arg(long, value_name = "NAME")]
    peer: Option<String>,
    /// The harness.toml to read, in place of the nearest one upwards from here
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The client has no driver: it reads the scenario's name in MCP_CONFORMANCE_SCENARIO and gets the server's URL as its
    /// last argument. Only scenarios with `known as` are played, over HTTP
    #[arg(long)]
    environment: bool,
    #[command(flatten)]
    selection: Selection,
    /// The revision to speak
    #[arg(long, value_parser = revision, default_value = "2025-11-25")]
    revision: Revision,
    /// Only this transport
    #[arg(long)]
    transport: Option<TransportName>,
    /// Play so many scenarios at once, each with a driver of its own [default: the number of cores]
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=MOST_JOBS))]
    jobs: Option<u16>,
    /// Give our server an odd but legal habit: text-ids, unknown-members, streams-alone, no-sessions, ... (see
    /// docs/peers.md)
    #[arg(long, value_name = "NAME", value_parser = Habit::named)]
    dialect: Option<Habit>,
    #[command(flatten)]
    output: Output,
}

/// The client that is meant.
struct Target {
    /// How it is started.
    way: Way,
    expectations: Option<Knowledge>,
    options: Options,
}

/// How the client is started.
enum Way {
    /// It is built in.
    Embedded,
    /// By a driver that this command starts.
    Driver(Command),
    /// By this command, with what to do in its environment.
    Environment(Command),
}

pub(super) fn run(arguments: Arguments) -> Result<u8, String> {
    playable(arguments.revision)?;
    let scenarios = arguments.selection.load()?;
    let Target { way, expectations, mut options } = target(&arguments, &scenarios)?;
    if let Some(wanted) = arguments.transport.map(TransportName::transport) {
        if !options.transports.contains(&wanted) {
            return Err(format!("a client that is told by its environment what to do is not played over {wanted}"));
        }
        options.transports = vec![wanted];
    }
    arguments.selection.note_ruled_out(&scenarios, Seat::Server, arguments.revision, &options.transports);
    if let Some(peer) = &arguments.peer
        && let Some(why) = super::peers::unready(arguments.config.as_deref(), peer)?
    {
        screen::note(&format!("error: {peer} was not run: {why}"));
        return Ok(super::UNREACHED);
    }
    let part = arguments.selection.part() || arguments.transport.is_some() || arguments.dialect.is_some();
    // over memory no real time need pass
    let stage = Stage::new(matches!(way, Way::Embedded))?;
    let program = std::env::current_exe().map_err(|e| format!("the file of this program: {e}"))?;
    let play = |keeper: &mut Keeper| play(&way, &program, &scenarios, &options, &stage, keeper);
    output::run(play, expectations.as_ref(), &arguments.output, part)
}

/// The client that is meant, and how it is played.
fn target(arguments: &Arguments, scenarios: &Vec<Scenario>) -> Result<Target, String> {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let mut options = Options {
        name: "embedded".into(),
        words: String::new(),
        revision: arguments.revision,
        transports: Transport::ALL.to_vec(),
        patience: Patience::default(),
        jobs: arguments.jobs.map_or_else(cores, usize::from),
        habit: arguments.dialect,
    };
    let (mut way, mut expectations) = (Way::Embedded, None);
    let mut chosen = arguments.selection.words(arguments.revision, arguments.config.as_deref());
    if let Some(habit) = arguments.dialect {
        chosen.extend(["--dialect".to_owned(), habit.name.to_owned()]);
    }
    if !arguments.command.is_empty() {
        options.name = words::join(&arguments.command);
        chosen.push("--".to_owned());
        chosen.extend(arguments.command.iter().cloned());
        let dir = std::env::current_dir().map_err(|e| format!("no folder to start it in: {e}"))?;
        let command = Command { words: arguments.command.clone(), dir, env: Vec::new() };
        way = if arguments.environment { Way::Environment(command) } else { Way::Driver(command) };
    } else if let Some(name) = arguments.peer.as_deref().filter(|name| *name != EMBEDDED) {
        let config = super::peers::config(arguments.config.as_deref())?;
        let peer = config.peer(name).map_err(|e| e.to_string())?;
        if !peer.speaks(arguments.revision) {
            return Err(format!("harness.toml does not say that {name} speaks {}", arguments.revision));
        }
        let Some(spec) = &peer.client else {
            return Err(format!("harness.toml says of no client of {name}; add `client = {{ driver = \"..\" }}`"));
        };
        let all = (!arguments.selection.part()).then_some(scenarios);
        expectations = output::expectations(spec.baseline.as_deref(), spec.adjudications.as_deref(), all)?;
        options.name = name.to_owned();
        chosen.splice(0..0, ["--peer".to_owned(), name.to_owned()]);
        way = match (&spec.driver, &spec.environment) {
            (Some(driver), _) if !arguments.environment => Way::Driver(driver.clone()),
            (_, Some(command)) => Way::Environment(command.clone()),
            _ => {
                let lacks = format!("the client of {name} has a driver only");
                return Err(format!("{lacks}; leave out --environment, or add `environment` to it in harness.toml"));
            }
        };
    } else if arguments.environment {
        return Err("--environment is about a client that is started: name a peer, or its command after `--`".into());
    }
    if let Way::Environment(_) = way {
        options.transports = vec![Transport::Http];
    }
    if arguments.environment {
        chosen.insert(0, "--environment".to_owned());
    }
    options.words = words::join(&chosen);
    Ok(Target { way, expectations, options })
}

fn play(
    way: &Way,
    program: &Path,
    scenarios: &[Scenario],
    options: &Options,
    stage: &Stage,
    keeper: &mut Keeper,
) -> Results {
    let mut random = surroundings::random();
    let mut make: fn() -> Surroundings = surroundings::real;
    let interrupted = stage.interrupted.clone();
    stage.runtime.block_on(async {
        match way {
            Way::Embedded => {
                let clients = EmbeddedClient { surroundings: surroundings::real, fault: None };
                client::client(&clients, scenarios, options, &mut make, &mut random, interrupted, keeper).await
            }
            Way::Environment(command) => {
                let clients = Environment { command: command.clone() };
                client::client(&clients, scenarios, options, &mut make, &mut random, interrupted, keeper).await
            }
            Way::Driver(command) => {
                let clients = Drivers::new(command.clone(), program.to_owned());
                let results =
                    client::client(&clients, scenarios, options, &mut make, &mut random, interrupted, keeper).await;
                clients.stop().await;
                results
            }
        }
    })
}
