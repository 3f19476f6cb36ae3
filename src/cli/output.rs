//! What a run prints and writes at its end, and the exit code in the light of what is known of the peer.

use super::screen;
use crate::judge::{Outcome, Verdict};
use crate::peer::baseline::Knowledge;
use crate::report::{self, Style};
use crate::run::baseline::{self, Applied, Coverage};
use crate::run::repeat::{self, Tally};
use crate::run::traces::{self, Keeper};
use crate::run::{Played, Results, Summary};
use crate::scenario::Scenario;
use clap::Args;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

/// What is shown and written of a run.
#[derive(Debug, Args)]
pub(super) struct Output {
    /// Write the report as JSON
    #[arg(long, value_name = "FILE", conflicts_with = "repeat")]
    report: Option<PathBuf>,
    /// Write the record of every play into this folder; with --repeat, of every play that came out as never before
    #[arg(long, value_name = "DIR")]
    trace: Option<PathBuf>,
    /// Warnings fail the run too
    #[arg(long)]
    strict: bool,
    /// Show warnings in full
    #[arg(long, short)]
    verbose: bool,
    /// Do all of it so many times, and say which plays did not come out the same every time: exit 1 if any did not, unless
    /// the baseline says that what differs comes and goes
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=MOST_RUNS))]
    repeat: Option<u32>,
}

impl Output {
    /// No records are written: there are some already. And what is judged again comes out the same.
    pub(super) fn of_records(report: Option<PathBuf>, strict: bool, verbose: bool) -> Output {
        Output { report, trace: None, strict, verbose, repeat: None }
    }
}

/// Nobody waits for more runs than this.
const MOST_RUNS: i64 = 1_000_000;

/// Runs once, or as often as was asked for, and concludes; see [`conclude`] for what is asked and given.
pub(super) fn run(
    mut play: impl FnMut(&mut Keeper) -> Results,
    expectations: Option<&Knowledge>,
    output: &Output,
    part: bool,
) -> Result<u8, String> {
    match output.repeat {
        None => {
            let mut keeper = Keeper::for_report(output.trace.clone());
            let results = play(&mut keeper);
            conclude(&results, keeper.unwritten(), expectations, output, part)
        }
        Some(runs) => again_and_again(play, runs, expectations, output, part),
    }
}

/// Runs so many times. The first run is shown whole, of the others what came out as never before.
fn again_and_again(
    mut play: impl FnMut(&mut Keeper) -> Results,
    runs: u32,
    expectations: Option<&Knowledge>,
    output: &Output,
    part: bool,
) -> Result<u8, String> {
    let entries = expectations.map(|e| repeat::entries(&e.known, &e.adjudicated)).unwrap_or_default();
    let style = style(output);
    let mut tally = Tally::default();
    let mut unwritten = None;
    while tally.runs() < runs {
        let results = play(&mut Keeper::of_all());
        let summary = Summary::of(&results);
        let code = match (tally.runs(), expectations) {
            (0, _) => show(&results, &summary, expectations, output, part)?,
            (_, None) => report::exit_code(&results, &summary, output.strict),
            (_, Some(expectations)) => {
                let applied = apply(expectations, &results, part);
                let code = report::exit_code(&results, &summary, output.strict);
                expected(&results, code, &applied, output.strict)
            }
        };
        if results.interrupted {
            break;
        }
        let new = tally.count(&results, &entries, code);
        let plays: Vec<&Played> = new.iter().filter_map(|i| results.played.get(*i)).collect();
        if tally.runs() > 1 {
            screen::show(&report::news(tally.runs(), &plays, &style))?;
        }
        // the verdicts are worth more than a record that cannot be written
        if let (Some(folder), false, None) = (&output.trace, plays.is_empty(), &unwritten) {
            unwritten = traces::write(&folder.join(format!("run-{}", tally.runs())), plays).err();
        }
    }
    screen::show(&report::repeated(&tally, runs, &style))?;
    let code = report::exit::repeated(&tally, runs);
    let Some(wrong) = unwritten else { return Ok(code) };
    screen::note(&format!("error: {wrong}"));
    Ok(if code == report::exit::WELL { super::USAGE } else { code })
}

fn style(output: &Output) -> Style {
    Style { colour: screen::colour(), width: screen::width(), verbose: output.verbose }
}

/// Shows the results, holds them against what is known, and writes what was asked for; gives the exit code. `part`: not all
/// was to be played; `unwritten`: the record that could not be written.
fn conclude(
    results: &Results,
    unwritten: Option<String>,
    expectations: Option<&Knowledge>,
    output: &Output,
    part: bool,
) -> Result<u8, String> {
    let summary = Summary::of(results);
    let code = show(results, &summary, expectations, output, part)?;
    Ok(written(results, &summary, unwritten, output, code))
}

/// Shows what was judged of captures, and what could not be; gives the exit code.
pub(super) fn judged(results: &Results, unread: &[String], output: &Output) -> Result<u8, String> {
    let summary = Summary::of(results);
    let mut code = show(results, &summary, None, output, false)?;
    for wrong in unread {
        screen::note(&format!("error: {wrong}"));
    }
    // what was found of a peer is worth more
    if !unread.is_empty() && ![report::exit::PEER, report::exit::DEFECT].contains(&code) {
        code = super::USAGE;
        screen::line(&format!("not all could be read: exit {code}"))?;
    }
    Ok(written(results, &summary, None, output, code))
}

/// Writes the report, if it was asked for, and says what could not be written; gives the exit code.
fn written(results: &Results, summary: &Summary, unwritten: Option<String>, output: &Output, mut code: u8) -> u8 {
    // the verdicts are on the screen already: a report that cannot be written is said beside them
    for wrong in write(output, results, summary, code).into_iter().chain(unwritten) {
        screen::note(&format!("error: {wrong}"));
        // what was found of the peer is worth more
        if code == 0 {
            code = super::USAGE;
        }
    }
    code
}

/// Shows the results, and holds them against what is known; gives the exit code.
fn show(
    results: &Results,
    summary: &Summary,
    expectations: Option<&Knowledge>,
    output: &Output,
    part: bool,
) -> Result<u8, String> {
    let style = style(output);
    screen::show(&report::terminal(results, summary, output.strict, &style))?;
    let before = report::exit_code(results, summary, output.strict);
    let Some(expectations) = expectations else { return Ok(before) };
    let applied = apply(expectations, results, part);
    screen::show(&report::known(results, &applied, &style))?;
    let code = expected(results, before, &applied, output.strict);
    // the report above knows of no baseline
    if code != before {
        let why = match code {
            0 => "what is wrong is known",
            1 => "the baseline does not hold",
            _ => "what is wrong is known, but the run is not whole",
        };
        screen::line(&format!("with the baseline: exit {code}: {why}"))?;
    }
    Ok(code)
}

/// What the files of a peer say is known of it; `None` where it names none. `all`: the scenarios there are, unless some were
/// selected, which does not make the other ids unknown.
pub(super) fn expectations(
    baseline: Option<&Path>,
    adjudications: Option<&Path>,
    all: Option<&Vec<Scenario>>,
) -> Result<Option<Knowledge>, String> {
    let ids: Vec<&str> = all.into_iter().flatten().map(|s| s.id.as_str()).collect();
    Knowledge::load(baseline, adjudications, &ids).map_err(|e| e.to_string())
}

fn apply(knowledge: &Knowledge, results: &Results, part: bool) -> Applied {
    let coverage = if part { Coverage::Part } else { Coverage::All };
    baseline::apply(results, &knowledge.known, &knowledge.adjudicated, coverage)
}

/// Was everything played, and to its end?
fn whole(results: &Results) -> bool {
    let open = results.played.iter().any(|p| p.judgement.verdict == Verdict::Inconclusive);
    !open && results.troubles.is_empty() && !results.interrupted
}

/// The exit code in the light of the baseline: what is expected fails nothing, and an entry that no longer holds does. A run
/// that is `cut` short is not well because the little it found is known.
fn expected(results: &Results, code: u8, applied: &Applied, strict: bool) -> u8 {
    // what is claimed and not there is in no baseline, nor is that two cannot speak at all
    let apart = results.played.iter().any(|p| matches!(p.judgement.outcome, Outcome::Apart { .. }));
    if results.unkept.is_empty() && !apart { in_the_light(code, applied, strict, !whole(results)) } else { code }
}

fn in_the_light(code: u8, applied: &Applied, strict: bool, cut: bool) -> u8 {
    let worst = applied.verdict();
    match code {
        0 | 1 if worst >= Verdict::Fail => report::exit::PEER,
        0 | 1 if worst == Verdict::Warn && strict => report::exit::PEER,
        0 | 1 if cut => report::exit::ENVIRONMENT,
        0 | 1 => report::exit::WELL,
        other => other,
    }
}

/// Writes the report, if it was asked for; gives what is wrong if it could not be written.
fn write(output: &Output, results: &Results, summary: &Summary, code: u8) -> Option<String> {
    let path = output.report.as_ref()?;
    let report = report::json(results, summary, output.strict, code);
    let write = |file: File| {
        let mut file = BufWriter::new(file);
        serde_json::to_writer_pretty(&mut file, &report)?;
        writeln!(file)?;
        file.flush()
    };
    let e = File::create(path).and_then(write).err()?;
    Some(format!("cannot write the report {}: {e}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_was_cut_short_is_not_well_because_what_it_found_is_known() {
        let known = Applied::default();
        assert_eq!(in_the_light(1, &known, false, false), 0);
        assert_eq!(in_the_light(1, &known, false, true), 4);
        assert_eq!(in_the_light(4, &known, false, true), 4);
        assert_eq!(in_the_light(70, &known, false, false), 70);
    }
}
