//! `server`: plays the client against a server, and judges the server.

use super::explain::TransportName;
use super::output::{self, Output};
use super::screen;
use super::selection::{Selection, playable, revision};
use super::stage::Stage;
use crate::peer::config::{EMBEDDED, ServerSpec};
use crate::peer::process::Command;
use crate::peer::words;
use crate::reference::Surroundings;
use crate::run::embedded::Embedded;
use crate::run::foreign::Foreign;
use crate::run::server::{self, Options};
use crate::run::traces::Keeper;
use crate::run::{Results, surroundings};
use crate::scenario::Scenario;
use crate::spec::Revision;
use crate::trace::Seat;
use crate::transport::http_client::Endpoint;
use clap::Args;
use std::path::PathBuf;

/// More processes at once than this help nobody.
const MOST_JOBS: i64 = 256;

/// `mcp-interop server`
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The URL of a server that is running: http://127.0.0.1:3000/mcp
    #[arg(conflicts_with_all = ["stdio", "peer"])]
    url: Option<String>,
    /// A command that starts a server on stdio
    #[arg(long, value_name = "COMMAND", conflicts_with = "peer")]
    stdio: Option<String>,
    /// A peer of harness.toml
    #[arg(long, value_name = "NAME")]
    peer: Option<String>,
    /// The harness.toml to read, in place of the nearest one upwards from here
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    selection: Selection,
    /// The revision to speak
    #[arg(long, value_parser = revision, default_value = "2025-11-25")]
    revision: Revision,
    /// Only this transport
    #[arg(long)]
    transport: Option<TransportName>,
    /// Play so many scenarios at once, each with a server process of its own [default: the number of cores; 1 at a URL]
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=MOST_JOBS))]
    jobs: Option<u16>,
    #[command(flatten)]
    output: Output,
}

pub(super) fn run(arguments: Arguments) -> Result<u8, String> {
    playable(arguments.revision)?;
    let scenarios = arguments.selection.load()?;
    let held = |s: &&Scenario| s.revisions.contains(&arguments.revision);
    if !scenarios.iter().any(|s| held(&s)) {
        screen::note(&format!(
            "none of the chosen scenarios holds for revision {}; see --revision",
            arguments.revision
        ));
    }
    let (spec, mut options) = target(&arguments)?;
    let chosen = words::join(&arguments.selection.words(arguments.revision, arguments.config.as_deref()));
    options.words = [options.words, chosen].iter().filter(|w| !w.is_empty()).cloned().collect::<Vec<_>>().join(" ");
    if let Some(wanted) = arguments.transport.map(TransportName::transport) {
        if !options.transports.contains(&wanted) {
            return Err(format!("{} does not speak {wanted}", options.name));
        }
        options.transports = vec![wanted];
    }
    arguments.selection.note_ruled_out(&scenarios, Seat::Client, arguments.revision, &options.transports);
    if let Some(peer) = &arguments.peer
        && let Some(why) = super::peers::unready(arguments.config.as_deref(), peer)?
    {
        screen::note(&format!("error: {peer} was not run: {why}"));
        return Ok(super::UNREACHED);
    }
    let peer = arguments.peer.as_deref().filter(|name| *name != EMBEDDED);
    let whole = !arguments.selection.part();
    let expectations = match peer {
        Some(name) => {
            let config = super::peers::config(arguments.config.as_deref())?;
            let peer = config.peer(name).map_err(|e| e.to_string())?;
            output::expectations(peer.baseline.as_deref(), peer.adjudications.as_deref(), whole.then_some(&scenarios))?
        }
        None => None,
    };
    let part = !whole || arguments.transport.is_some();
    let stage = Stage::new(spec.is_none())?;
    let play = |keeper: &mut Keeper| play(spec.as_ref(), &scenarios, &options, &stage, keeper);
    output::run(play, expectations.as_ref(), &arguments.output, part)
}

/// The server that is meant, and how it is played.
fn target(arguments: &Arguments) -> Result<(Option<ServerSpec>, Options), String> {
    let jobs = arguments.jobs.map_or(1, usize::from);
    let mut options = Options { jobs, ..Options::new(EMBEDDED, arguments.revision) };
    let spec = match (&arguments.url, &arguments.stdio, &arguments.peer) {
        (Some(url), _, _) => {
            options.name.clone_from(url);
            options.words = words::join(&[url]);
            Endpoint::parse(url).map_err(|e| e.to_string())?;
            ServerSpec { url: Some(url.clone()), ..ServerSpec::default() }
        }
        (_, Some(command), _) => {
            options.name.clone_from(command);
            options.words = words::join(&["--stdio", command]);
            let command = Command::parse(command, ".").map_err(|e| format!("--stdio: {e}"))?;
            ServerSpec { stdio: Some(command), ..ServerSpec::default() }
        }
        (_, _, Some(name)) if name == EMBEDDED => return Ok((None, options)),
        (_, _, Some(name)) => {
            let config = super::peers::config(arguments.config.as_deref())?;
            let peer = config.peer(name).map_err(|e| e.to_string())?;
            if !peer.speaks(arguments.revision) {
                return Err(format!("harness.toml does not say that {name} speaks {}", arguments.revision));
            }
            options.name.clone_from(name);
            options.words = format!("--peer {name}");
            options.bound = peer.bound.clone();
            options.claimed_capabilities = peer.claims.capabilities.clone();
            options.claimed_tools = peer.claims.tools.clone();
            peer.server.clone()
        }
        (None, None, None) => return Ok((None, options)),
    };
    options.transports = spec.transports();
    // one server that runs already is not asked by several at once unprompted
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let usual = if spec.url.is_some() { 1 } else { cores() };
    options.jobs = arguments.jobs.map_or(usual, usize::from);
    Ok((Some(spec), options))
}

fn play(
    spec: Option<&ServerSpec>,
    scenarios: &[Scenario],
    options: &Options,
    stage: &Stage,
    keeper: &mut Keeper,
) -> Results {
    let mut random = surroundings::random();
    let mut make: fn() -> Surroundings = surroundings::real;
    let interrupted = stage.interrupted.clone();
    stage.runtime.block_on(async {
        match spec {
            None => {
                let servers = Embedded::new(surroundings::real, Vec::new());
                server::server(&servers, scenarios, options, &mut make, &mut random, interrupted, keeper).await
            }
            Some(spec) => {
                let servers = Foreign::new(spec.clone());
                server::server(&servers, scenarios, options, &mut make, &mut random, interrupted, keeper).await
            }
        }
    })
}
