//! What a run prints and writes at its end, and the exit code in the light of what is known of the peer.

use super::screen;
use crate::judge::Verdict;
use crate::peer::baseline::{Adjudicated, Known, load_adjudications, load_baseline};
use crate::report::{self, Style};
use crate::run::baseline::{self, Applied, Coverage};
use crate::run::{Results, Summary};
use crate::scenario::Scenario;
use clap::Args;
use std::path::{Path, PathBuf};

/// What is shown and written of a run.
#[derive(Debug, Args)]
pub(super) struct Output {
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

/// Shows the results, holds them against what is known, and writes what was asked for; gives the exit code. `part`: not all
/// was to be played.
pub(super) fn conclude(
    results: &Results,
    expectations: Option<&Expectations>,
    output: &Output,
    part: bool,
) -> Result<u8, String> {
    let summary = Summary::of(results);
    let style = Style { colour: screen::colour(), width: screen::width(), verbose: output.verbose };
    screen::show(&report::terminal(results, &summary, output.strict, &style))?;
    let mut code = report::exit_code(results, &summary, output.strict);
    if let Some(expectations) = expectations {
        let coverage = if part { Coverage::Part } else { Coverage::All };
        let applied = baseline::apply(results, &expectations.known, &expectations.adjudicated, coverage);
        screen::show(&report::known(results, &applied, &style))?;
        if results.unkept.is_empty() {
            let before = code;
            code = expected(code, &applied, output.strict, !whole(results));
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
    for wrong in write(output, results, &summary, code) {
        screen::note(&format!("error: {wrong}"));
        // what was found of the peer is worth more
        if code == 0 {
            code = super::USAGE;
        }
    }
    Ok(code)
}

/// What is known of the peer.
#[derive(Debug)]
pub(super) struct Expectations {
    known: Vec<Known>,
    adjudicated: Vec<Adjudicated>,
}

impl Expectations {
    /// Reads the files that are named; `None` where none is. `all`: the scenarios there are, unless some were selected, which
    /// does not make the other ids unknown.
    pub(super) fn read(
        baseline: Option<&Path>,
        adjudications: Option<&Path>,
        all: Option<&Vec<Scenario>>,
    ) -> Result<Option<Expectations>, String> {
        if baseline.is_none() && adjudications.is_none() {
            return Ok(None);
        }
        let ids: Vec<&str> = all.into_iter().flatten().map(|s| s.id.as_str()).collect();
        let read = |e: crate::peer::FileError| e.to_string();
        let known = baseline.map(|p| load_baseline(p, &ids)).transpose().map_err(read)?;
        let adjudicated = adjudications.map(|p| load_adjudications(p, &ids)).transpose().map_err(read)?;
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

/// Writes what was asked for; gives what could not be written.
fn write(output: &Output, results: &Results, summary: &Summary, code: u8) -> Vec<String> {
    let mut wrong = Vec::new();
    if let Some(path) = &output.report {
        let text = format!("{:#}\n", report::json(results, summary, output.strict, code));
        if let Err(e) = std::fs::write(path, text) {
            wrong.push(format!("cannot write the report {}: {e}", path.display()));
        }
    }
    if let Some(folder) = &output.trace {
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
