//! `server`: plays the client against a server, and judges the server.

use super::explain::TransportName;
use super::selection::{Selection, revision};
use crate::peer::config::{Config, ServerSpec};
use crate::reference::Surroundings;
use crate::report::{self, Style};
use crate::run::embedded::Embedded;
use crate::run::foreign::Foreign;
use crate::run::server::{self, Options};
use crate::run::{Results, Summary, surroundings};
use crate::scenario::Scenario;
use crate::scenario::exchange::Patience;
use crate::spec::Revision;
use crate::trace::Transport;
use clap::Args;
use serde_json::Map;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use tokio::sync::watch;

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
    /// Write the report as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Write the record of every play into this folder
    #[arg(long, value_name = "DIR")]
    trace: Option<PathBuf>,
    /// Warnings fail the run too
    #[arg(long)]
    strict: bool,
    /// Show warnings in full
    #[arg(long, short)]
    verbose: bool,
}

pub(super) fn run(arguments: Arguments) -> Result<u8, String> {
    if arguments.revision.era() == crate::spec::Era::Modern {
        return Err(format!("the client of {} is not built yet; see --revision", arguments.revision));
    }
    let scenarios = arguments.selection.load()?;
    let config = Config::find(arguments.config.as_deref()).map_err(|e| e.to_string())?;
    let (spec, mut options) = target(&arguments, config.as_ref())?;
    if let Some(wanted) = arguments.transport.map(TransportName::transport) {
        if !options.transports.contains(&wanted) {
            return Err(format!("{} does not speak {wanted}", options.name));
        }
        options.transports = vec![wanted];
    }
    let results = play(spec, &scenarios, &options)?;
    let summary = Summary::of(&results);
    let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let style = Style { colour, width: 100, verbose: arguments.verbose };
    anstream::print!("{}", report::terminal(&results, &summary, arguments.strict, &style));
    let mut code = report::exit_code(&results, &summary, arguments.strict);
    // the verdicts are on the screen already: a report that cannot be written is said beside them
    for wrong in write(&arguments, &results, &summary) {
        anstream::eprintln!("error: {wrong}");
        code = code.max(super::USAGE);
    }
    Ok(code)
}

/// The server that is meant, and how it is played.
fn target(arguments: &Arguments, config: Option<&Config>) -> Result<(Option<ServerSpec>, Options), String> {
    let mut options = Options {
        name: "embedded".into(),
        words: String::new(),
        revision: arguments.revision,
        transports: Transport::ALL.to_vec(),
        bound: Map::new(),
        claimed_capabilities: Vec::new(),
        claimed_tools: Vec::new(),
        patience: Patience::default(),
    };
    let spec = match (&arguments.url, &arguments.stdio, &arguments.peer) {
        (Some(url), _, _) => {
            options.name.clone_from(url);
            options.words.clone_from(url);
            ServerSpec::url(url).map_err(|e| e.to_string())?
        }
        (_, Some(command), _) => {
            options.name.clone_from(command);
            options.words = format!("--stdio '{command}'");
            ServerSpec::command(command, Path::new(".")).map_err(|e| e.to_string())?
        }
        (_, _, Some(name)) if name == "embedded" => return Ok((None, options)),
        (_, _, Some(name)) => {
            let config = config.ok_or("there is no harness.toml here or above; write one, or name it with --config")?;
            let peer = config.peer(name).map_err(|e| e.to_string())?;
            options.name.clone_from(name);
            options.words = format!("--peer {name}");
            options.bound = peer.bound();
            options.claimed_capabilities = peer.claims.capabilities.clone();
            options.claimed_tools = peer.claims.tools.clone();
            peer.server.clone().ok_or_else(|| format!("the peer {name} has no server in harness.toml"))?
        }
        (None, None, None) => return Ok((None, options)),
    };
    options.transports = spec.transports();
    Ok((Some(spec), options))
}

fn play(spec: Option<ServerSpec>, scenarios: &[Scenario], options: &Options) -> Result<Results, String> {
    let paused = spec.is_none();
    let mut builder = tokio::runtime::Builder::new_current_thread();
    // over memory no real time need pass
    let runtime = builder.enable_all().start_paused(paused).build().map_err(|e| format!("no runtime: {e}"))?;
    let mut random = surroundings::random();
    runtime.block_on(async {
        let (interrupt, interrupted) = watch::channel(false);
        tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                // nobody waits for it any more when the run is over
                let _ = interrupt.send(true);
            }
            std::future::pending::<()>().await;
        });
        let mut make: fn() -> Surroundings = surroundings::real;
        Ok(match spec {
            None => {
                let mut servers = Embedded { surroundings: surroundings::real };
                server::server(&mut servers, scenarios, options, &mut make, &mut random, interrupted).await
            }
            Some(spec) => {
                let mut servers = Foreign::new(spec);
                server::server(&mut servers, scenarios, options, &mut make, &mut random, interrupted).await
            }
        })
    })
}

/// Writes what was asked for; gives what could not be written.
fn write(arguments: &Arguments, results: &Results, summary: &Summary) -> Vec<String> {
    let mut wrong = Vec::new();
    if let Some(path) = &arguments.report {
        let text = format!("{:#}\n", report::json::results(results, summary));
        if let Err(e) = std::fs::write(path, text) {
            wrong.push(format!("cannot write the report {}: {e}", path.display()));
        }
    }
    if let Some(folder) = &arguments.trace {
        if let Err(e) = crate::run::traces::write(folder, results) {
            wrong.push(e);
        }
    }
    wrong
}
