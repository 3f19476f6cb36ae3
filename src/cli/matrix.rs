//! `matrix`: every client with every server, and which of them understand each other.

use super::explain::TransportName;
use super::parties;
use super::screen;
use super::selection::{Selection, playable, revision};
use super::stage::Stage;
use crate::peer::config::{Config, EMBEDDED};
use crate::report::matrix as report;
use crate::report::{Style, exit};
use crate::run::matrix::since::{Change, Kind, Older};
use crate::run::matrix::{self, ClientPeer, Matrix, Options, ServerPeer, Step};
use crate::run::{surroundings, traces};
use crate::scenario::Scenario;
use crate::scenario::exchange::Patience;
use crate::spec::Revision;
use crate::trace::Transport;
use clap::Args;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// More processes at once than this help nobody.
const MOST_JOBS: i64 = 256;

/// How long a cell may take, in seconds, unless something else is said.
const CELL_TIME: u64 = 120;

/// What is played unless something else is said: what this program was made for, in a time that one waits for.
const USUAL: &str = "tasks";

/// Where a table is put into a page: behind the first, before the second.
const MARKS: [&str; 2] = ["<!-- mcp-interop matrix: begin -->", "<!-- mcp-interop matrix: end -->"];

/// `mcp-interop matrix`
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Only this client: a peer of harness.toml, or `embedded`; may be said more than once
    #[arg(long = "client", value_name = "NAME")]
    clients: Vec<String>,
    /// Only this server; may be said more than once
    #[arg(long = "server", value_name = "NAME")]
    servers: Vec<String>,
    /// The harness.toml to read, in place of the nearest one upwards from here
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    selection: Selection,
    /// All scenarios that are played between two programs, not only those on tasks
    #[arg(long, conflicts_with_all = ["scenarios", "folder"])]
    all: bool,
    /// The revision that they are to speak; may be said more than once [default: 2025-11-25]
    #[arg(long = "revision", value_parser = revision, value_name = "REVISION")]
    revisions: Vec<Revision>,
    /// Only this transport
    #[arg(long)]
    transport: Option<TransportName>,
    /// Play so many scenarios at once, each with processes of its own [default: the number of cores]
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=MOST_JOBS))]
    jobs: Option<u16>,
    /// So many seconds the plays of one cell may take together
    #[arg(long, value_name = "S", default_value_t = CELL_TIME, value_parser = clap::value_parser!(u64).range(1..))]
    cell_time: u64,
    /// Write the report into this folder: matrix.json, matrix.md, index.html, and the record of every play
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Say what has changed since an older matrix.json, and exit with 1 only if something is worse
    #[arg(long, value_name = "REPORT")]
    since: Option<PathBuf>,
    /// Put the table into this Markdown file, between `<!-- mcp-interop matrix: begin -->` and `.. end -->`
    #[arg(long, value_name = "FILE")]
    update: Option<PathBuf>,
}

pub(super) fn run(mut arguments: Arguments) -> Result<u8, String> {
    if arguments.revisions.is_empty() {
        arguments.revisions.push(Revision::DEFAULT);
    }
    arguments.revisions.iter().try_for_each(|revision| playable(*revision))?;
    // what cannot be used is said before anything is played
    let older = arguments.since.as_deref().map(older).transpose()?;
    arguments.update.as_deref().map(page).transpose()?;
    let usual = !arguments.all && !arguments.selection.part();
    let chosen = match (usual, arguments.all) {
        (true, _) => format!("the area {USUAL} (the default; --all plays everything, --scenario something else)"),
        (_, true) => "all".to_owned(),
        _ => format!("as chosen: {}", arguments.selection.scenarios.join(", ")),
    };
    if usual {
        arguments.selection.scenarios.push(USUAL.to_owned());
    }
    let scenarios = arguments.selection.load()?;
    let (clients, servers) = peers(&arguments, &scenarios)?;
    let stands = servers.iter().any(|server| server.spec.url.is_some());
    let options = Options {
        revisions: arguments.revisions.clone(),
        transports: arguments.transport.map_or_else(|| Transport::ALL.to_vec(), |t| vec![t.transport()]),
        patience: Patience::default(),
        // a server that runs already is not asked by several at once unprompted
        jobs: arguments.jobs.map_or_else(|| if stands { 1 } else { parties::cores() }, usize::from),
        cell_time: Duration::from_secs(arguments.cell_time),
        words: arguments.selection.words(Revision::DEFAULT, arguments.config.as_deref()),
        program: std::env::current_exe().map_err(|e| format!("the file of this program: {e}"))?,
    };
    let stage = Stage::new(false)?;
    let mut random = surroundings::random();
    let mut tell = |step: &Step<'_>| {
        screen::note(&format!(
            "{} of {}: {} over {}, {}",
            step.done + 1,
            step.of,
            step.server,
            step.transport,
            step.revision
        ));
    };
    let interrupted = stage.interrupted.clone();
    let playing = matrix::matrix(&clients, &servers, &scenarios, &options, &mut random, &mut tell, interrupted);
    let mut matrix = stage.runtime.block_on(playing);
    matrix.chosen = chosen;
    conclude(&matrix, older.as_ref(), &arguments)
}

/// The clients and servers that take part.
fn peers(arguments: &Arguments, scenarios: &Vec<Scenario>) -> Result<(Vec<ClientPeer>, Vec<ServerPeer>), String> {
    let named = arguments.clients.iter().chain(&arguments.servers).any(|name| name != EMBEDDED);
    let config: Option<Config> = match &arguments.config {
        Some(path) => Some(super::peers::config(Some(path))?),
        None if named => Some(super::peers::config(None)?),
        // without any peers there are still the two that are built in
        None => super::peers::config(None).ok(),
    };
    // ids that a selection leaves out are no slips
    let all = arguments.all.then_some(scenarios);
    let peers = config.as_ref().map(|config| config.peers.as_slice()).unwrap_or_default();
    let chosen = |wanted: &[String], has: &dyn Fn(&crate::peer::Peer) -> bool| -> Vec<String> {
        if !wanted.is_empty() {
            let mut names: Vec<String> = Vec::new();
            wanted.iter().for_each(|name| {
                if !names.contains(name) {
                    names.push(name.clone())
                }
            });
            return names;
        }
        let names = peers.iter().filter(|peer| has(peer)).map(|peer| peer.name.clone());
        std::iter::once(EMBEDDED.to_owned()).chain(names).collect()
    };
    let drives = |peer: &crate::peer::Peer| peer.client.as_ref().is_some_and(|client| client.driver.is_some());
    let serves = |peer: &crate::peer::Peer| !peer.server.transports().is_empty();
    let (mut clients, mut servers) = (Vec::new(), Vec::new());
    for name in chosen(&arguments.clients, &drives) {
        clients.push(match &config {
            Some(config) if name != EMBEDDED => {
                let unready = super::peers::unready(arguments.config.as_deref(), &name)?;
                ClientPeer { unready, ..parties::client(config, &name, all)? }
            }
            _ => parties::embedded_client()?,
        });
    }
    for name in chosen(&arguments.servers, &serves) {
        servers.push(match &config {
            Some(config) if name != EMBEDDED => {
                let unready = super::peers::unready(arguments.config.as_deref(), &name)?;
                ServerPeer { unready, ..parties::server(config, &name, all)? }
            }
            _ => parties::embedded_server()?,
        });
    }
    Ok((clients, servers))
}

/// Shows and writes what came of it; gives the exit code.
fn conclude(matrix: &Matrix, older: Option<&Older>, arguments: &Arguments) -> Result<u8, String> {
    let changes = older.map(|older| older.changes(matrix));
    let code = match &changes {
        None => report::exit_code(matrix),
        Some(changes) => since(matrix, changes),
    };
    let style = Style { colour: screen::colour(), width: screen::width(), verbose: false };
    screen::show(&report::terminal(matrix, code, &style))?;
    if let Some(changes) = &changes {
        screen::show(&report::changes(changes, &style))?;
    }
    let written = arguments.out.as_deref().map_or(Ok(()), |folder| write(folder, matrix, changes.as_deref(), code));
    let updated = arguments.update.as_deref().map_or(Ok(()), |path| update(path, matrix));
    let wrong: Vec<String> = [written, updated].into_iter().filter_map(Result::err).collect();
    for wrong in &wrong {
        screen::note(&format!("error: {wrong}"));
    }
    // the verdicts are worth more than a file that cannot be written
    Ok(if code == exit::WELL && !wrong.is_empty() { super::USAGE } else { code })
}

/// The exit code beside an older matrix: what was wrong then already fails nothing.
fn since(matrix: &Matrix, changes: &[Change]) -> u8 {
    match report::exit_code(matrix) {
        _ if changes.iter().any(|change| change.kind == Kind::Worse) => exit::PEER,
        exit::PEER => exit::WELL,
        other => other,
    }
}

fn older(path: &Path) -> Result<Older, String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("--since {}: {e}", path.display()))?;
    Older::read(&text).map_err(|e| format!("--since {}: {e}", path.display()))
}

/// Writes the report and the records.
fn write(folder: &Path, matrix: &Matrix, changes: Option<&[Change]>, code: u8) -> Result<(), String> {
    for cell in matrix.cells.iter().filter(|cell| !cell.results.played.is_empty()) {
        traces::write(&folder.join(report::folder(cell)), &cell.results.played)?;
    }
    std::fs::create_dir_all(folder).map_err(|e| format!("cannot make the folder {}: {e}", folder.display()))?;
    for (name, text) in [
        ("matrix.json", format!("{:#}\n", report::json(matrix, code))),
        ("matrix.md", report::markdown(matrix)),
        ("index.html", report::html(matrix, changes)),
    ] {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(|e| format!("cannot write the report {}: {e}", path.display()))?;
    }
    Ok(())
}

/// A page with a place for the table: what stands before it, and what behind.
fn page(path: &Path) -> Result<(String, String), String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("--update {}: {e}", path.display()))?;
    let [begin, end] = MARKS;
    let around = text.split_once(begin).and_then(|(before, rest)| Some((before, rest.split_once(end)?.1)));
    let Some((before, after)) = around else {
        return Err(format!("--update {}: there is no line `{begin}` with a line `{end}` after it", path.display()));
    };
    Ok((before.to_owned(), after.to_owned()))
}

/// Puts the table into a page.
fn update(path: &Path, matrix: &Matrix) -> Result<(), String> {
    let (before, after) = page(path)?;
    let [begin, end] = MARKS;
    let text = format!("{before}{begin}\n{}{end}{after}", report::brief(matrix));
    std::fs::write(path, text).map_err(|e| format!("cannot write {}: {e}", path.display()))
}
