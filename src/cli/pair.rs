//! `pair`: stands between a client and a server, and says which of them is wrong.

use super::explain::TransportName;
use super::output::{self, Output};
use super::parties::{self, ClientChoice, ServerChoice};
use super::screen;
use super::selection::{Selection, playable, revision};
use super::stage::Stage;
use crate::run::matrix::{self, Options};
use crate::run::traces::Keeper;
use crate::run::{Results, surroundings};
use crate::scenario::exchange::Patience;
use crate::spec::Revision;
use crate::trace::Seat;
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

/// More processes at once than this help nobody.
const MOST_JOBS: i64 = 256;

/// How long a pair may take, in seconds, unless something else is said.
pub(super) const PAIR_TIME: u64 = 300;

/// `mcp-interop pair`
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    client: ClientChoice,
    #[command(flatten)]
    server: ServerChoice,
    /// The harness.toml to read, in place of the nearest one upwards from here
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    selection: Selection,
    /// The revision that they are to speak
    #[arg(long, value_parser = revision, default_value = "2025-11-25")]
    revision: Revision,
    /// Only this transport
    #[arg(long)]
    transport: Option<TransportName>,
    /// Play so many scenarios at once, each with processes of its own [default: the number of cores]
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=MOST_JOBS))]
    jobs: Option<u16>,
    /// So many seconds the plays over one transport may take together
    #[arg(long, value_name = "S", default_value_t = PAIR_TIME, value_parser = clap::value_parser!(u64).range(1..))]
    cell_time: u64,
    #[command(flatten)]
    output: Output,
}

pub(super) fn run(arguments: Arguments) -> Result<u8, String> {
    playable(arguments.revision)?;
    let scenarios = arguments.selection.load()?;
    let config = arguments.config.as_deref();
    let all = (!arguments.selection.part()).then_some(&scenarios);
    let client = arguments.client.peer(config, all)?;
    let server = arguments.server.peer(config, all)?;
    if let Some(why) = parties::unready(config, &[&client.name, &server.name])? {
        screen::note(&format!("error: {why}"));
        return Ok(super::UNREACHED);
    }
    let offered = server.spec.transports();
    let transports = match arguments.transport.map(TransportName::transport) {
        Some(wanted) if !offered.contains(&wanted) => {
            return Err(format!("{} does not speak {wanted}", server.name));
        }
        Some(wanted) => vec![wanted],
        None => offered,
    };
    let jobs = arguments.jobs.map_or_else(parties::cores, usize::from);
    let options = Options {
        revisions: vec![arguments.revision],
        transports,
        patience: Patience::default(),
        // one server that runs already is not asked by several at once unprompted
        jobs: if server.spec.url.is_some() { arguments.jobs.map_or(1, usize::from) } else { jobs },
        cell_time: Duration::from_secs(arguments.cell_time),
        words: arguments.selection.words(arguments.revision, config),
        program: std::env::current_exe().map_err(|e| format!("the file of this program: {e}"))?,
    };
    if options.transports.is_empty() {
        return Err("there is no transport over which they could meet".into());
    }
    let part = arguments.selection.part() || arguments.transport.is_some();
    let expectations = matrix::knowledge(&client, &server);
    let stage = Stage::new(false)?;
    let name = matrix::pair(&client.name, &server.name);
    let (clients, servers) = ([client], [server]);
    let play = |keeper: &mut Keeper| {
        let mut random = surroundings::random();
        let interrupted = stage.interrupted.clone();
        let mut quiet = |_: &matrix::Step<'_>| {};
        let playing = matrix::matrix(&clients, &servers, &scenarios, &options, &mut random, &mut quiet, interrupted);
        let mut all = Results::new(Seat::Observer, &name, arguments.revision);
        for cell in stage.runtime.block_on(playing).cells {
            all.extend(cell.results);
        }
        all.played.iter_mut().for_each(|played| keeper.judged(played));
        all
    };
    output::run(play, expectations.as_ref(), &arguments.output, part)
}
