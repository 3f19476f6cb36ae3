//! `judge`: captures, judged without the peers.

use super::output::{self, Output};
use super::screen;
use super::selection::revision;
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
    #[arg(long, value_parser = revision)]
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
    let mut note = |what: String| screen::note(&format!("note: {what}"));
    let results = captures::judge(&arguments.captures, arguments.revision, &mut note)?;
    let output = Output::of_records(arguments.report, arguments.strict, arguments.verbose);
    output::conclude(&results, None, &output, false)
}
