//! `judge`: captures, judged without the peers.

use super::output::{self, Output};
use super::stage::Stage;
use super::{screen, selection};
use crate::run::captures;
use crate::spec::Revision;
use clap::Args;
use std::path::PathBuf;

/// `mcp-interop judge`
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Run records (as --trace writes them), captures of others (docs/captures.md), folders of them, or - for standard input
    #[arg(required = true, value_name = "CAPTURE")]
    captures: Vec<PathBuf>,
    /// The revision that is in force in captures without a handshake
    #[arg(long, value_parser = selection::revision)]
    revision: Option<Revision>,
    /// Write the report as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Warnings fail the run too
    #[arg(long)]
    strict: bool,
    /// Show warnings in full
    #[arg(long, short)]
    verbose: bool,
}

pub(super) fn run(arguments: Arguments) -> Result<u8, String> {
    let Arguments { captures: paths, revision, report, strict, verbose } = arguments;
    let Stage { runtime, interrupted } = Stage::new(false)?;
    let judge = move || {
        let mut note = |what: String| screen::note(&format!("note: {what}"));
        captures::judge(&paths, revision, &mut note, &interrupted)
    };
    // beside it the runtime listens for Ctrl-C
    let judged = runtime.block_on(async { tokio::task::spawn_blocking(judge).await });
    let captures::Judged { results, unread } = judged.map_err(|e| format!("the judge broke off: {e}"))?;
    let Some((first, others)) = unread.split_first().filter(|_| results.played.is_empty()) else {
        return output::judged(&results, &unread, &Output::of_records(report, strict, verbose));
    };
    for other in others {
        screen::note(&format!("error: {other}"));
    }
    Err(first.clone())
}
