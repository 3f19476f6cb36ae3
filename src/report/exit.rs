//! The exit code of a run.

use crate::judge::finding::Blame;
use crate::judge::{Finding, Verdict};
use crate::run::repeat::Tally;
use crate::run::{Results, Summary};

/// All proven and well.
pub const WELL: u8 = 0;
/// A peer is at fault, an outcome was missed, or a claim was not kept.
pub const PEER: u8 = 1;
/// Nothing was proven.
pub const NOTHING: u8 = 3;
/// A peer could not be started, the environment failed, or the user interrupted: the run is not whole.
pub const ENVIRONMENT: u8 = 4;
/// A defect of the harness or of a scenario.
pub const DEFECT: u8 = 70;

/// The exit code of a run; with `strict`, warnings are a peer's fault too.
///
/// Where several hold: 70 before all, for a harness that is wrong about one thing may be wrong about the rest. Then 1, for
/// what was seen of a peer stays true whatever else failed, and must not hide behind another transport that did not start.
/// Then 4 before 3: it is the reason why nothing was proven.
#[must_use]
pub fn exit_code(results: &Results, summary: &Summary, strict: bool) -> u8 {
    let mut codes = Vec::new();
    for played in &results.played {
        let judgement = &played.judgement;
        codes.extend(judgement.findings.iter().map(|finding| code_of(finding, strict)));
        // a verdict that no finding explains still counts
        match judgement.verdict {
            Verdict::Error if !judgement.findings.iter().any(|f| code_of(f, strict) != WELL) => codes.push(DEFECT),
            Verdict::Fail if !judgement.findings.iter().any(|f| code_of(f, strict) != WELL) => codes.push(PEER),
            Verdict::Inconclusive => codes.push(ENVIRONMENT),
            _ => {}
        }
    }
    if !results.unkept.is_empty() {
        codes.push(PEER);
    }
    codes.extend(results.troubles.iter().map(|trouble| match trouble.blame {
        Blame::Client | Blame::Server => PEER,
        Blame::Harness | Blame::Scenario => DEFECT,
        Blame::Environment => ENVIRONMENT,
    }));
    if results.interrupted {
        codes.push(ENVIRONMENT);
    }
    if summary.proven() == 0 {
        codes.push(NOTHING);
    }
    [DEFECT, PEER, ENVIRONMENT, NOTHING].into_iter().find(|code| codes.contains(code)).unwrap_or(WELL)
}

/// The exit code of so many runs: the gravest of theirs, in the order of [`exit_code`]. Plays that came out differently, with nothing
/// known to explain it, are a peer's fault at least; fewer runs than were wanted are not the whole.
#[must_use]
pub fn repeated(tally: &Tally, wanted: u32) -> u8 {
    let mut codes: Vec<u8> = tally.codes().keys().copied().collect();
    if tally.unsteady() {
        codes.push(PEER);
    }
    if tally.runs() < wanted {
        codes.push(ENVIRONMENT);
    }
    [DEFECT, PEER, ENVIRONMENT, NOTHING].into_iter().find(|code| codes.contains(code)).unwrap_or(WELL)
}

fn code_of(finding: &Finding, strict: bool) -> u8 {
    match (finding.verdict, finding.blame) {
        (Verdict::Pass | Verdict::NotExercised, _) => WELL,
        (Verdict::Warn, _) if !strict => WELL,
        (_, Blame::Harness | Blame::Scenario) => DEFECT,
        (_, Blame::Environment) | (Verdict::Inconclusive, _) => ENVIRONMENT,
        (_, Blame::Client | Blame::Server) => PEER,
    }
}

/// What an exit code means, in a few words.
#[must_use]
pub fn meaning(code: u8) -> &'static str {
    match code {
        WELL => "all that was exercised is well",
        PEER => "a peer is at fault",
        NOTHING => "nothing was proven",
        ENVIRONMENT => "the run is not whole",
        DEFECT => "the harness or a scenario is at fault",
        _ => "wrong usage",
    }
}
