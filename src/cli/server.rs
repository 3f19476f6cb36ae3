//! `server`: plays the client against a server, and judges the server.

use super::explain::TransportName;
use super::selection::{Selection, revision};
use super::{interrupt, screen};
use crate::judge::Verdict;
use crate::peer::baseline::{Adjudicated, Known, load_adjudications, load_baseline};
use crate::peer::config::{EMBEDDED, ServerSpec};
use crate::peer::process::Command;
use crate::peer::words;
use crate::reference::Surroundings;
use crate::report::{self, Style};
use crate::run::baseline::{self, Applied, Coverage};
use crate::run::embedded::Embedded;
use crate::run::foreign::Foreign;
use crate::run::server::{self, Options};
use crate::run::{Results, Summary, surroundings};
use crate::scenario::Scenario;
use crate::spec::{Era, Revision};
use crate::transport::http_client::Endpoint;
use clap::Args;
use std::path::PathBuf;

/// A peer could not be started.
const UNREACHED: u8 = 4;

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
    if arguments.revision.era() == Era::Modern {
        let played: Vec<&str> = Revision::ALL.iter().filter(|r| r.era() == Era::Legacy).map(|r| r.as_str()).collect();
        let revision = arguments.revision;
        return Err(format!("{revision} cannot be played yet; choose one of {}", played.join(", ")));
    }
    let scenarios = arguments.selection.load()?;
    let held = |s: &&Scenario| s.revisions.contains(&arguments.revision);
    if !scenarios.iter().any(|s| held(&s)) {
        screen::note(&format!(
            "none of the chosen scenarios holds for revision {}; see --revision",
            arguments.revision
        ));
    }
    let (spec, mut options) = target(&arguments)?;
    let chosen = words::join(&choices(&arguments));
    options.words = [options.words, chosen].iter().filter(|w| !w.is_empty()).cloned().collect::<Vec<_>>().join(" ");
    if let Some(wanted) = arguments.transport.map(TransportName::transport) {
        if !options.transports.contains(&wanted) {
            return Err(format!("{} does not speak {wanted}", options.name));
        }
        options.transports = vec![wanted];
    }
    if let Some(peer) = &arguments.peer
        && let Some(why) = super::peers::unready(arguments.config.as_deref(), peer)?
    {
        screen::note(&format!("error: {peer} was not run: {why}"));
        return Ok(UNREACHED);
    }
    let expectations = Expectations::of(&arguments, &scenarios)?;
    let results = play(spec, &scenarios, &options)?;
    let summary = Summary::of(&results);
    let style = Style { colour: screen::colour(), width: screen::width(), verbose: arguments.verbose };
    screen::show(&report::terminal(&results, &summary, arguments.strict, &style))?;
    let mut code = report::exit_code(&results, &summary, arguments.strict);
    if let Some(expectations) = expectations {
        let part = arguments.selection.part() || arguments.transport.is_some();
        let coverage = if part { Coverage::Part } else { Coverage::All };
        let applied = baseline::apply(&results, &expectations.known, &expectations.adjudicated, coverage);
        screen::show(&report::known(&results, &applied, &style))?;
        if results.unkept.is_empty() {
            let before = code;
            code = expected(code, &applied, arguments.strict, !whole(&results));
            // the report above knows of no baseline
            if code != before {
                let why = match code {
                    0 => "what is wrong is known",
                    1 => "the baseline does not hold",
                    _ => "what is wrong is known, but the run is not whole",
                };
                screen::line(&format!("with the baseline: exit {code}: {why}"))?;
            }
        }
    }
    // the verdicts are on the screen already: a report that cannot be written is said beside them
    for wrong in write(&arguments, &results, &summary, code) {
        screen::note(&format!("error: {wrong}"));
        // what was found of the peer is worth more
        if code == 0 {
            code = super::USAGE;
        }
    }
    Ok(code)
}

/// What is known of the peer.
struct Expectations {
    known: Vec<Known>,
    adjudicated: Vec<Adjudicated>,
}

impl Expectations {
    /// Reads the files that harness.toml names; `None` where it names none.
    fn of(arguments: &Arguments, scenarios: &[Scenario]) -> Result<Option<Expectations>, String> {
        let Some(name) = arguments.peer.as_deref().filter(|name| *name != EMBEDDED) else { return Ok(None) };
        let config = super::peers::config(arguments.config.as_deref())?;
        let peer = config.peer(name).map_err(|e| e.to_string())?;
        if peer.baseline.is_none() && peer.adjudications.is_none() {
            return Ok(None);
        }
        // a selection does not make the other ids unknown
        let whole = !arguments.selection.part();
        let ids: Vec<&str> = scenarios.iter().filter(|_| whole).map(|s| s.id.as_str()).collect();
        let read = |e: crate::peer::FileError| e.to_string();
        let known = peer.baseline.as_deref().map(|p| load_baseline(p, &ids)).transpose().map_err(read)?;
        let adjudicated =
            peer.adjudications.as_deref().map(|p| load_adjudications(p, &ids)).transpose().map_err(read)?;
        Ok(Some(Expectations { known: known.unwrap_or_default(), adjudicated: adjudicated.unwrap_or_default() }))
    }
}

/// Was everything played, and to its end?
fn whole(results: &Results) -> bool {
    let open = results.played.iter().any(|p| p.judgement.verdict == Verdict::Inconclusive);
    !open && results.troubles.is_empty() && !results.interrupted
}

/// The exit code in the light of the baseline: what is expected fails nothing, and an entry that no longer holds does. A run
/// that is `cut` short is not well because the little it found is known.
fn expected(code: u8, applied: &Applied, strict: bool, cut: bool) -> u8 {
    let worst = applied.verdict();
    match code {
        0 | 1 if worst >= Verdict::Fail => report::exit::PEER,
        0 | 1 if worst == Verdict::Warn && strict => report::exit::PEER,
        0 | 1 if cut => report::exit::ENVIRONMENT,
        0 | 1 => report::exit::WELL,
        other => other,
    }
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

/// The words that choose what else was chosen, to play a scenario again.
fn choices(arguments: &Arguments) -> Vec<String> {
    let mut words = Vec::new();
    if arguments.revision != Revision::DEFAULT {
        words.extend(["--revision".to_owned(), arguments.revision.to_string()]);
    }
    for (option, path) in [("--config", &arguments.config), ("--scenarios", &arguments.selection.folder)] {
        if let Some(path) = path {
            words.extend([option.to_owned(), path.display().to_string()]);
        }
    }
    words
}

fn play(spec: Option<ServerSpec>, scenarios: &[Scenario], options: &Options) -> Result<Results, String> {
    let paused = spec.is_none();
    let mut builder = tokio::runtime::Builder::new_current_thread();
    // over memory no real time need pass
    let runtime = builder.enable_all().start_paused(paused).build().map_err(|e| format!("no runtime: {e}"))?;
    let mut random = surroundings::random();
    runtime.block_on(async {
        let interrupted = interrupt::flag();
        let mut make: fn() -> Surroundings = surroundings::real;
        Ok(match spec {
            None => {
                let servers = Embedded::new(surroundings::real, Vec::new());
                server::server(&servers, scenarios, options, &mut make, &mut random, interrupted).await
            }
            Some(spec) => {
                let servers = Foreign::new(spec);
                server::server(&servers, scenarios, options, &mut make, &mut random, interrupted).await
            }
        })
    })
}

/// Writes what was asked for; gives what could not be written.
fn write(arguments: &Arguments, results: &Results, summary: &Summary, code: u8) -> Vec<String> {
    let mut wrong = Vec::new();
    if let Some(path) = &arguments.report {
        let text = format!("{:#}\n", report::json(results, summary, arguments.strict, code));
        if let Err(e) = std::fs::write(path, text) {
            wrong.push(format!("cannot write the report {}: {e}", path.display()));
        }
    }
    if let Some(folder) = &arguments.trace {
        wrong.extend(crate::run::traces::write(folder, results).err());
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_was_cut_short_is_not_well_because_what_it_found_is_known() {
        let known = Applied::default();
        assert_eq!(expected(1, &known, false, false), 0);
        assert_eq!(expected(1, &known, false, true), 4);
        assert_eq!(expected(4, &known, false, true), 4);
        assert_eq!(expected(70, &known, false, false), 70);
    }
}
