//! `explain`: what a scenario means from a seat.

use super::screen;
use super::selection::{Selection, revision};
use crate::scenario::{explain, seats};
use crate::spec::Revision;
use crate::spec::catalogue::Catalogue;
use crate::trace::{Seat, Transport};
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};

/// `mcp-interop explain`
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A scenario's id, its file, or an area of the built-in ones
    scenario: String,
    /// From which seat; without it, from each that it has
    #[arg(long)]
    seat: Option<SeatName>,
    /// In which revision; without it, in the newest it holds for
    #[arg(long, value_parser = revision)]
    revision: Option<Revision>,
    /// Over which transport; without it, over the first it holds for
    #[arg(long)]
    transport: Option<TransportName>,
    /// A folder of scenarios of your own, in place of those that are built in
    #[arg(long = "scenarios", value_name = "PATH")]
    folder: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SeatName {
    Client,
    Server,
    Observer,
}

/// A transport on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum TransportName {
    Stdio,
    Http,
}

impl TransportName {
    pub(super) fn transport(self) -> Transport {
        match self {
            TransportName::Stdio => Transport::Stdio,
            TransportName::Http => Transport::Http,
        }
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<u8, String> {
    let file = Path::new(&arguments.scenario);
    let selection = match (&arguments.folder, file.is_file()) {
        (None, true) => Selection { scenarios: Vec::new(), folder: Some(file.to_owned()) },
        (folder, _) => Selection { scenarios: vec![arguments.scenario.clone()], folder: folder.clone() },
    };
    let scenarios = selection.load()?;
    // of an area, those that have no such seat are left out
    let (mut tables, mut lacking) = (Vec::new(), Vec::new());
    for scenario in scenarios {
        let revision = match arguments.revision {
            Some(r) if !scenario.revisions.contains(&r) => {
                lacking.push(format!("{} does not hold for revision {r}", scenario.id));
                continue;
            }
            Some(r) => r,
            None => scenario.revisions.iter().max().copied().unwrap_or(Revision::DEFAULT),
        };
        let transport = match arguments.transport.map(TransportName::transport) {
            Some(t) if !scenario.transports.contains(&t) => {
                lacking.push(format!("{} does not hold over {t}", scenario.id));
                continue;
            }
            Some(t) => t,
            None => scenario.transports.first().copied().unwrap_or(Transport::Stdio),
        };
        let has = seats::seats(&scenario, Catalogue::of(revision));
        let wanted = arguments.seat.map(|s| match s {
            SeatName::Client => Seat::Client,
            SeatName::Server => Seat::Server,
            SeatName::Observer => Seat::Observer,
        });
        if let Some(seat) = wanted
            && !has.contains(&seat)
        {
            let names: Vec<&str> = has.iter().map(|s| s.as_str()).collect();
            lacking.push(format!("{} proves nothing in the {seat}'s seat; it has: {}", scenario.id, names.join(", ")));
            continue;
        }
        for seat in has.into_iter().filter(|s| wanted.is_none_or(|w| w == *s)) {
            tables.push(explain::table(&scenario, seat, revision, transport));
        }
    }
    if tables.is_empty() {
        return Err(lacking.join("\n       "));
    }
    screen::show(&tables.join("\n"))?;
    Ok(0)
}
