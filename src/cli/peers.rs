//! `peers`: the peers of harness.toml, and setting them up.

use super::screen;
use crate::peer::config::{Config, EMBEDDED, FILE};
use crate::peer::install::{self, Installed, Status};
use crate::peer::process;
use crate::report::text::count;
use clap::{Args, Subcommand};
use std::path::{Path, PathBuf};

/// `mcp-interop peers`
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The harness.toml to read, in place of the nearest one upwards from here
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Set peers up: all, or those that are named
    Install {
        /// Names of harness.toml
        names: Vec<String>,
        /// Also what is set up already
        #[arg(long)]
        again: bool,
    },
}

/// The file that is meant, read.
///
/// # Errors
/// When there is none, or something in it is wrong.
pub(super) fn config(named: Option<&Path>) -> Result<Config, String> {
    let path = match named {
        Some(path) => path.to_owned(),
        None => {
            let here = std::env::current_dir().map_err(|e| format!("there is no current folder: {e}"))?;
            Config::find(&here)
                .ok_or_else(|| format!("there is no {FILE} here or above; write one, or name it with --config"))?
        }
    };
    Config::load(&path).map_err(|e| e.to_string())
}

/// Why a peer cannot be started, and what to do; `None` if it can.
///
/// # Errors
/// When harness.toml cannot be read, or does not know it.
pub(super) fn unready(file: Option<&Path>, name: &str) -> Result<Option<String>, String> {
    if name == EMBEDDED {
        return Ok(None);
    }
    let config = config(file)?;
    let status = install::status(config.peer(name).map_err(|e| e.to_string())?);
    Ok(match &status {
        ready if ready.ready() => None,
        Status::NotInstalled(_) => Some(format!("{status}; run `mcp-interop peers install {name}`")),
        _ => Some(status.to_string()),
    })
}

pub(super) fn run(arguments: Arguments) -> Result<u8, String> {
    let config = config(arguments.config.as_deref())?;
    match arguments.command {
        None => {
            screen::line(&format!("{EMBEDDED:16} the reference server, built in"))?;
            for peer in &config.peers {
                let on: Vec<&str> = peer.server.transports().iter().map(|t| t.as_str()).collect();
                let about = peer.about.as_deref().unwrap_or("");
                screen::line(format!("{:16} {about}", peer.name).trim_end())?;
                screen::line(&format!("{:16} {}; {}", "", on.join(", "), install::status(peer)))?;
            }
            Ok(0)
        }
        Some(Command::Install { names, again }) => {
            let mut wanted = Vec::new();
            for name in &names {
                wanted.push(config.peer(name).map_err(|e| e.to_string())?);
            }
            if names.is_empty() {
                wanted.extend(&config.peers);
            }
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|e| format!("no runtime: {e}"))?;
            let mut failed = 0;
            for peer in &wanted {
                // beside the output: it is progress, and nobody must wait for a reader of it
                let mut say = |command: &process::Command| screen::note(&format!("{}: {}", peer.name, command.line()));
                match runtime.block_on(install::install(peer, again, install::PATIENCE, &mut say)) {
                    Ok(Installed::Now) => screen::line(&format!("{}: installed", peer.name))?,
                    Ok(Installed::Already) => screen::line(&format!("{}: {}", peer.name, install::status(peer)))?,
                    Err(why) => {
                        failed += 1;
                        screen::note(&format!("error: {why}"));
                    }
                }
            }
            screen::line(&format!("{} of {} set up", wanted.len() - failed, count(wanted.len(), "peer")))?;
            Ok(if failed > 0 { 4 } else { 0 })
        }
    }
}
