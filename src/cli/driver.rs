//! `driver check`: tests a driver itself.

use super::explain::TransportName;
use super::{interrupt, screen};
use crate::peer::config::EMBEDDED;
use crate::peer::process::Command;
use crate::peer::words;
use crate::report::driver as report;
use crate::run::driver_check::{self, Checked};
use crate::trace::Transport;
use clap::{Args, Subcommand};
use std::path::{Path, PathBuf};

/// `mcp-interop driver`
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Driver,
}

#[derive(Debug, Subcommand)]
enum Driver {
    /// Have a driver do each action once against the embedded server, and show what it supports and what is wrong with it;
    /// without a driver, the embedded client
    Check(Check),
}

/// `mcp-interop driver check`
#[derive(Debug, Args)]
struct Check {
    /// A command that starts a driver (see docs/peers.md), after `--`
    #[arg(last = true, value_name = "COMMAND", conflicts_with = "peer")]
    command: Vec<String>,
    /// The driver of a peer of harness.toml
    #[arg(long, value_name = "NAME")]
    peer: Option<String>,
    /// The harness.toml to read, in place of the nearest one upwards from here
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Only this transport
    #[arg(long)]
    transport: Option<TransportName>,
    /// Write what came of it as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Write what came of it as a table into this page, between the lines `<!-- driver check: NAME -->` and
    /// `<!-- end of driver check: NAME -->`
    #[arg(long, value_name = "FILE")]
    table: Option<PathBuf>,
}

/// A peer could not be started.
const UNREACHED: u8 = 4;

pub(super) fn run(arguments: &Arguments) -> Result<u8, String> {
    let Driver::Check(check) = &arguments.command;
    let program = std::env::current_exe().map_err(|e| format!("the file of this program: {e}"))?;
    let here = || std::env::current_dir().map_err(|e| format!("no folder to start it in: {e}"));
    let (name, command) = if !check.command.is_empty() {
        let command = Command { words: check.command.clone(), dir: here()?, env: Vec::new() };
        (words::join(&check.command), command)
    } else if let Some(name) = check.peer.as_deref().filter(|name| *name != EMBEDDED) {
        if let Some(why) = super::peers::unready(check.config.as_deref(), name)? {
            screen::note(&format!("error: {name} was not run: {why}"));
            return Ok(UNREACHED);
        }
        let config = super::peers::config(check.config.as_deref())?;
        let peer = config.peer(name).map_err(|e| e.to_string())?;
        let Some(spec) = &peer.client else {
            return Err(format!("harness.toml says of no client of {name}; add `client = {{ driver = \"..\" }}`"));
        };
        let Some(driver) = &spec.driver else {
            return Err(format!("the client of {name} has no driver in harness.toml"));
        };
        (name.to_owned(), driver.clone())
    } else {
        let words = vec![program.to_string_lossy().into_owned(), "drive".to_owned()];
        (EMBEDDED.to_owned(), Command { words, dir: here()?, env: Vec::new() })
    };
    let transports = check.transport.map_or_else(|| Transport::ALL.to_vec(), |only| vec![only.transport()]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| format!("no runtime: {e}"))?;
    let checked = runtime.block_on(async {
        let interrupted = interrupt::flag();
        driver_check::check(&name, &command, &program, &transports, interrupted).await
    });
    screen::show(&report::terminal(&checked))?;
    let mut code = report::exit_code(&checked);
    for wrong in written(check, &checked) {
        screen::note(&format!("error: {wrong}"));
        // what was found of the driver is worth more
        if code == 0 {
            code = super::USAGE;
        }
    }
    Ok(code)
}

/// Writes what was asked for; gives what could not be written.
fn written(check: &Check, checked: &Checked) -> Vec<String> {
    let mut wrong = Vec::new();
    if let Some(path) = &check.report {
        let text = format!("{:#}\n", report::json(checked));
        wrong.extend(
            std::fs::write(path, text).err().map(|e| format!("cannot write the report {}: {e}", path.display())),
        );
    }
    if let Some(path) = &check.table {
        wrong
            .extend(table(path, checked).err().map(|e| format!("cannot write the table into {}: {e}", path.display())));
    }
    wrong
}

fn table(path: &Path, checked: &Checked) -> Result<(), String> {
    let page = std::fs::read_to_string(path).map_err(|e| e.to_string())?;
    let page = report::splice(&page, &checked.name, &report::markdown(checked))?;
    std::fs::write(path, page).map_err(|e| e.to_string())
}
