//! A matrix for people and for programs: in the terminal, as JSON, as Markdown and as HTML.

mod html;
mod json;
mod markdown;
mod text;

pub use html::html;
pub use json::json;
pub use markdown::{brief, markdown};
pub use text::{changes, terminal};

use super::exit;
use crate::judge::finding::Blame;
use crate::judge::{Finding, Verdict};
use crate::peer::baseline::{Broken, FindingKey};
use crate::run::matrix::sum::{Fault, Show, State};
use crate::run::matrix::{Cell, Matrix};
use crate::run::{Played, traces};
use crate::spec::Revision;
use crate::spec::catalogue::Catalogue;
use crate::trace::Transport;
use std::collections::BTreeMap;

/// A finding, in all the cells in which it shows: the same one of the same peer.
pub(crate) struct Named<'m> {
    /// Whose it is: `the client of x`.
    pub(crate) whose: String,
    pub(crate) key: &'m FindingKey,
    /// The worst that it makes of a play.
    pub(crate) verdict: Verdict,
    /// Why it is expected, if it is wherever it shows.
    pub(crate) known: Option<&'m str>,
    /// Has nobody looked at it somewhere?
    pub(crate) unseen: bool,
    /// The cells in which it shows, and where in them.
    pub(crate) places: Vec<(&'m Cell, &'m [Show])>,
}

/// All findings of a matrix, the worst first, and before what is known what is not. The number of one is its index and one.
pub(crate) fn named(matrix: &Matrix) -> Vec<Named<'_>> {
    let mut all: BTreeMap<(String, &FindingKey), Vec<(&Cell, &Fault)>> = BTreeMap::new();
    for cell in &matrix.cells {
        for fault in &cell.sum.faults {
            all.entry((whose(cell, fault.key.blame), &fault.key)).or_default().push((cell, fault));
        }
    }
    let mut named: Vec<Named<'_>> = Vec::new();
    for ((whose, key), faults) in all {
        let known: Option<Vec<&str>> = faults.iter().map(|(_, fault)| fault.known()).collect();
        named.push(Named {
            whose,
            key,
            verdict: faults.iter().map(|(_, fault)| fault.verdict).max().unwrap_or(Verdict::Pass),
            known: known.and_then(|all| all.first().copied()),
            unseen: faults.iter().any(|(_, fault)| fault.unseen()),
            places: faults.iter().map(|(cell, fault)| (*cell, fault.shows.as_slice())).collect(),
        });
    }
    named.sort_by_key(|named| (std::cmp::Reverse(named.verdict), named.known.is_some()));
    named
}

/// The peer that a finding of a cell is about.
fn whose(cell: &Cell, blame: Blame) -> String {
    match blame {
        Blame::Client => format!("the client of {}", cell.client),
        Blame::Server => format!("the server of {}", cell.server),
        Blame::Harness | Blame::Scenario | Blame::Environment => format!("the {blame}"),
    }
}

impl Named<'_> {
    /// The finding as it shows first.
    pub(crate) fn first(&self) -> Option<(&Cell, &Played, &Finding)> {
        let (cell, shows) = self.places.first()?;
        let (played, finding) = shown(cell, shows.first()?)?;
        Some((cell, played, finding))
    }

    /// What is broken: the requirement with its level, or the exchange.
    pub(crate) fn what(&self) -> String {
        match &self.key.what {
            Broken::Requirement(id) => match self.requirement() {
                Some(requirement) => format!("{id} ({})", requirement.keyword()),
                None => id.clone(),
            },
            Broken::Exchange { scenario, step } => match step {
                Some(step) => format!("step {step} of {scenario}"),
                None => format!("the outcome of {scenario}"),
            },
        }
    }

    /// The sentence that is broken; of an exchange, what was expected in it.
    pub(crate) fn sentence(&self) -> String {
        match self.requirement() {
            Some(requirement) => requirement.text.clone(),
            None => {
                let expected = self.first().map(|(_, _, finding)| finding.expected.clone());
                format!("The course wants {}.", expected.unwrap_or_default())
            }
        }
    }

    fn requirement(&self) -> Option<&'static crate::spec::catalogue::Requirement> {
        let Broken::Requirement(id) = &self.key.what else { return None };
        let (cell, _) = self.places.first()?;
        Catalogue::of(cell.revision).get(id)
    }

    /// What is known of it, in a few words.
    pub(crate) fn standing(&self) -> Option<String> {
        match (self.known, self.unseen) {
            (Some(reason), _) => Some(format!("known: {reason}")),
            (None, true) => Some("nobody has looked at it".to_owned()),
            (None, false) => None,
        }
    }
}

/// A finding of a cell.
pub(crate) fn shown<'m>(cell: &'m Cell, show: &Show) -> Option<(&'m Played, &'m Finding)> {
    let played = cell.results.played.get(show.play)?;
    Some((played, played.judgement.findings.get(show.finding)?))
}

/// The numbers of a cell's findings: those that are not known, and those that are.
pub(crate) fn numbers(cell: &Cell, named: &[Named<'_>]) -> (Vec<usize>, Vec<usize>) {
    let of = |known: bool| {
        let here = |n: &Named<'_>| {
            let fault = cell.sum.faults.iter().find(|f| f.key == *n.key && whose(cell, f.key.blame) == n.whose);
            fault.is_some_and(|fault| fault.known().is_some() == known)
        };
        named.iter().enumerate().filter(|(_, n)| here(n)).map(|(i, _)| i + 1).collect()
    };
    (of(false), of(true))
}

/// What a cell came to, in a few words: `fail client`.
pub(crate) fn word(cell: &Cell) -> String {
    match &cell.sum.state {
        State::Apart(_) => "no common revision".to_owned(),
        State::Unsupported(_) => "unsupported".to_owned(),
        State::Interrupted => "interrupted".to_owned(),
        State::Trouble(_) | State::Played => {
            let who: Vec<&str> = match cell.sum.verdict {
                Verdict::Pass | Verdict::NotExercised => Vec::new(),
                _ => cell.sum.blamed.iter().map(|blame| blame.as_str()).collect(),
            };
            [&[cell.sum.verdict.as_str()], who.as_slice()].concat().join(" ")
        }
    }
}

/// How many plays of a cell came to its verdict: `3 of 11`; `11` where all did.
pub(crate) fn share(cell: &Cell) -> Option<String> {
    let all: usize = cell.sum.plays.values().sum();
    let such = cell.sum.plays.get(&cell.sum.verdict).copied().unwrap_or_default();
    match (all, such) {
        (0, _) => None,
        (all, such) if all == such => Some(all.to_string()),
        (all, such) => Some(format!("{such} of {all}")),
    }
}

/// Why there is not more to a cell, in a sentence without a full stop.
pub(crate) fn reason(cell: &Cell) -> Option<String> {
    match &cell.sum.state {
        State::Apart(offers) => {
            Some(format!("the client offers {}, the server {}; neither is at fault", offers.client, offers.server))
        }
        State::Unsupported(why) | State::Trouble(why) => Some(why.clone()),
        State::Interrupted => Some("it was interrupted before its turn".to_owned()),
        State::Played => cell.results.troubles.first().map(|trouble| trouble.what.clone()),
    }
}

/// The plays that were chosen for a cell and not played although the cell was: by their reason.
pub(crate) fn left_out(cell: &Cell) -> BTreeMap<&str, Vec<&str>> {
    let mut all: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    if cell.sum.state == State::Played {
        cell.results.skipped.iter().for_each(|s| all.entry(&s.reason).or_default().push(&s.scenario));
    }
    all
}

/// What was chosen, in a sentence.
pub(crate) fn selection(matrix: &Matrix) -> String {
    let revisions: Vec<&str> = matrix.revisions.iter().map(|r| r.as_str()).collect();
    let transports: Vec<&str> = matrix.transports.iter().map(|t| t.as_str()).collect();
    format!(
        "{} with {}, revision {}, over {}; {}: {}",
        super::text::count(matrix.clients.len(), "client"),
        super::text::count(matrix.servers.len(), "server"),
        revisions.join(" and "),
        transports.join(" and "),
        super::text::count(matrix.scenarios.len(), "scenario"),
        matrix.chosen,
    )
}

/// The tables of a matrix: one for each revision and transport.
pub(crate) fn tables(matrix: &Matrix) -> impl Iterator<Item = (Revision, Transport)> {
    matrix.revisions.iter().flat_map(|revision| matrix.transports.iter().map(|transport| (*revision, *transport)))
}

/// The folder of a cell's records, below that of the report.
#[must_use]
pub fn folder(cell: &Cell) -> String {
    let pair = format!("{} with {}", cell.client, cell.server);
    format!("records/{}/{}_{}", traces::slug(&pair), cell.revision, cell.transport)
}

/// The exit code of a matrix: what is known fails nothing.
#[must_use]
pub fn exit_code(matrix: &Matrix) -> u8 {
    let mut codes = Vec::new();
    for cell in &matrix.cells {
        let findings = cell.results.played.iter().flat_map(|p| &p.judgement.findings);
        let defect = |f: &Finding| matches!(f.blame, Blame::Harness | Blame::Scenario);
        if findings.clone().any(defect) {
            codes.push(exit::DEFECT);
        }
        if cell.sum.unknown(&cell.results) {
            codes.push(exit::PEER);
        }
        let open = cell.results.played.iter().any(|p| p.judgement.verdict == Verdict::Inconclusive);
        let trouble = cell.results.troubles.iter().any(|t| t.blame == Blame::Environment);
        let environment = findings.clone().any(|f| f.blame == Blame::Environment);
        if open || trouble || environment {
            codes.push(exit::ENVIRONMENT);
        }
    }
    if matrix.interrupted {
        codes.push(exit::ENVIRONMENT);
    }
    let proven =
        |cell: &Cell| cell.results.played.iter().any(|p| p.judgement.checks.iter().any(|c| c.verdict == Verdict::Pass));
    if !matrix.cells.iter().any(proven) {
        codes.push(exit::NOTHING);
    }
    [exit::DEFECT, exit::PEER, exit::ENVIRONMENT, exit::NOTHING]
        .into_iter()
        .find(|code| codes.contains(code))
        .unwrap_or(exit::WELL)
}
