//! What a cell came to, in the light of what is known of its two parties.

use super::Cell;
use crate::judge::finding::Blame;
use crate::judge::versions::Offers;
use crate::judge::{Judgement, Outcome, Verdict};
use crate::peer::baseline::{Adjudication, FindingKey, Knowledge};
use crate::run::baseline::{self, Coverage};
use crate::run::{Results, Skipped, Trouble};
use std::collections::{BTreeMap, BTreeSet};

/// What a cell came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sum {
    /// How it came about.
    pub state: State,
    /// The worst of its plays, and of what kept it from being played; [`Verdict::NotExercised`] if nothing was.
    pub verdict: Verdict,
    /// How often each verdict was given.
    pub plays: BTreeMap<Verdict, usize>,
    /// Who is at fault in what is as bad as that.
    pub blamed: BTreeSet<Blame>,
    /// The distinct findings, the worst first.
    pub faults: Vec<Fault>,
}

/// How a cell came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Something was played.
    Played,
    /// The two have no revision in common.
    Apart(Offers),
    /// Nothing was played, since the two are not meant for that: why.
    Unsupported(String),
    /// Nothing was played, since something went wrong before: what.
    Trouble(String),
    /// Nothing was played before the user wanted no more.
    Interrupted,
}

impl State {
    /// The word for it in files.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            State::Played => "played",
            State::Apart(_) => "no-common-revision",
            State::Unsupported(_) => "unsupported",
            State::Trouble(_) => "trouble",
            State::Interrupted => "interrupted",
        }
    }
}

/// One distinct finding of a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What makes it the same everywhere.
    pub key: FindingKey,
    /// The worst that it makes of a play.
    pub verdict: Verdict,
    /// Where it shows; never empty.
    pub shows: Vec<Show>,
}

/// A finding of a play.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Show {
    /// Index into [`Results::played`].
    pub play: usize,
    /// Index into [`Judgement::findings`].
    pub finding: usize,
    /// Why the baseline of the party at fault expects it, if it does.
    pub known: Option<String>,
    /// Does it come and go, as the baseline says?
    pub sometimes: bool,
    /// What a person said of it.
    pub adjudicated: Option<Adjudication>,
}

impl Fault {
    /// Why a baseline expects it, if one does wherever it shows.
    #[must_use]
    pub fn known(&self) -> Option<&str> {
        let first = self.shows.first()?.known.as_deref();
        self.shows.iter().all(|show| show.known.is_some()).then_some(first).flatten()
    }

    /// Has nobody looked at it somewhere?
    #[must_use]
    pub fn unseen(&self) -> bool {
        self.shows.iter().any(|show| show.known.is_none() && show.adjudicated.is_none())
    }
}

impl Sum {
    /// Of a cell in which nothing has happened.
    #[must_use]
    pub fn nothing() -> Sum {
        Sum {
            state: State::Interrupted,
            verdict: Verdict::NotExercised,
            plays: BTreeMap::new(),
            blamed: BTreeSet::new(),
            faults: Vec::new(),
        }
    }

    /// Of a cell, with what is known of its parties.
    #[must_use]
    pub fn of(cell: &Cell, knowledge: &Knowledge) -> Sum {
        let results = &cell.results;
        let mut plays = BTreeMap::new();
        for played in &results.played {
            *plays.entry(played.judgement.verdict).or_insert(0) += 1;
        }
        let state = state(cell);
        // a play that was not exercised takes nothing from what the others showed
        let of_plays = plays.keys().copied().filter(|v| *v != Verdict::NotExercised).max();
        // what kept some of it from being played does not hide what the rest showed
        let cut = |v: Verdict| if v == Verdict::Error && of_plays.is_some() { Verdict::Inconclusive } else { v };
        let of_troubles = results.troubles.iter().map(Trouble::verdict).map(cut).max();
        let apart = matches!(state, State::Apart(_)).then_some(Verdict::Fail);
        let verdict = [of_plays, of_troubles, apart].into_iter().flatten().max().unwrap_or(Verdict::NotExercised);
        Sum { state, verdict, plays, blamed: blamed(results, verdict), faults: faults(results, knowledge) }
    }

    /// Is something as bad as a failure that no baseline expects?
    #[must_use]
    pub fn unknown(&self, results: &Results) -> bool {
        let trouble = results.troubles.iter().any(|t| t.verdict() == Verdict::Fail);
        let fault = self.faults.iter().any(|f| f.verdict >= Verdict::Fail && f.known().is_none());
        trouble || fault || matches!(self.state, State::Apart(_))
    }
}

fn state(cell: &Cell) -> State {
    let results = &cell.results;
    let apart = cell.offers.as_ref().filter(|offers| !offers.agreed);
    let proven = results.played.iter().any(|p| !matches!(p.judgement.outcome, Outcome::Apart { .. }));
    match (apart, results.troubles.first()) {
        (Some(offers), _) if !proven => State::Apart(offers.clone()),
        _ if !results.played.is_empty() => State::Played,
        (_, Some(trouble)) => State::Trouble(trouble.what.clone()),
        _ if results.interrupted => State::Interrupted,
        _ => State::Unsupported(usual(&results.skipped)),
    }
}

/// The reason for which most was not played.
fn usual(skipped: &[Skipped]) -> String {
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    skipped.iter().for_each(|s| *reasons.entry(&s.reason).or_insert(0) += 1);
    let most = reasons.into_iter().max_by_key(|(reason, n)| (*n, std::cmp::Reverse(*reason)));
    most.map_or_else(
        || "no scenario that was chosen is played between two programs there".to_owned(),
        |(r, _)| r.to_owned(),
    )
}

/// How bad a finding makes its play: one for which the outcome was missed is a failure, whatever word the specification has.
fn weight(judgement: &Judgement, index: usize) -> Verdict {
    let own = judgement.findings.get(index).map_or(Verdict::Pass, |f| f.verdict);
    match judgement.outcome {
        Outcome::Missed { finding } if finding == index => own.max(judgement.verdict),
        _ => own,
    }
}

/// Who is at fault in what is as bad as that.
fn blamed(results: &Results, verdict: Verdict) -> BTreeSet<Blame> {
    let mut blamed: BTreeSet<Blame> = BTreeSet::new();
    for played in &results.played {
        let all = played.judgement.findings.iter().enumerate();
        blamed.extend(all.filter(|(i, _)| weight(&played.judgement, *i) == verdict).map(|(_, f)| f.blame));
    }
    let open = |t: &Trouble| verdict == Verdict::Inconclusive && t.verdict() == Verdict::Error;
    blamed.extend(results.troubles.iter().filter(|t| t.verdict() == verdict || open(t)).map(|t| t.blame));
    blamed
}

fn faults(results: &Results, knowledge: &Knowledge) -> Vec<Fault> {
    let applied = baseline::apply(results, &knowledge.known, &knowledge.adjudicated, Coverage::Part);
    let mut faults: BTreeMap<FindingKey, Fault> = BTreeMap::new();
    for sorted in applied.findings {
        let Some(played) = results.played.get(sorted.play) else { continue };
        let known = sorted.known.and_then(|i| knowledge.known.get(i));
        let adjudicated = sorted.adjudicated.and_then(|i| knowledge.adjudicated.get(i));
        let show = Show {
            play: sorted.play,
            finding: sorted.finding,
            known: known.map(|known| known.reason.clone()),
            sometimes: known.is_some_and(|known| known.scope.sometimes)
                || adjudicated.is_some_and(|said| said.scope.sometimes),
            adjudicated: adjudicated.map(|said| said.verdict),
        };
        let verdict = weight(&played.judgement, sorted.finding);
        let new = || Fault { key: sorted.key.clone(), verdict, shows: Vec::new() };
        let fault = faults.entry(sorted.key.clone()).or_insert_with(new);
        fault.verdict = fault.verdict.max(verdict);
        fault.shows.push(show);
    }
    let mut faults: Vec<Fault> = faults.into_values().collect();
    faults.sort_by(|a, b| b.verdict.cmp(&a.verdict).then_with(|| a.key.cmp(&b.key)));
    faults
}
