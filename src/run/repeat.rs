//! The same run again and again: which plays come out the same every time, and which do not? Of a run nothing is kept but how
//! its plays came out, so a thousand runs need no more memory than one.

use super::{Played, Results};
use crate::judge::finding::Verdict;
use crate::peer::baseline::{FindingKey, Scope};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// How one play came out: all of it that must be the same in every run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// It was played.
    Played {
        /// The verdict of the play.
        verdict: Verdict,
        /// What is broken, each with its worst verdict.
        broken: BTreeMap<FindingKey, Verdict>,
        /// Those of `broken` of which an entry of the peer's says that they come and go.
        fickle: BTreeSet<FindingKey>,
    },
    /// It was not, though it is in the selection.
    NotPlayed,
}

impl Way {
    fn of(played: &Played, entries: &[&Scope], results: &Results) -> Way {
        let mut broken: BTreeMap<FindingKey, Verdict> = BTreeMap::new();
        let mut fickle = BTreeSet::new();
        let transport = played.trace.header.transport;
        for finding in &played.judgement.findings {
            let key = FindingKey::of(&played.scenario, finding);
            let covers = |entry: &&&Scope| entry.covers(&played.scenario, transport, results.revision, finding);
            if entries.iter().filter(covers).any(|entry| entry.sometimes) {
                fickle.insert(key.clone());
            }
            let worst = broken.entry(key).or_insert(finding.verdict);
            *worst = (*worst).max(finding.verdict);
        }
        Way::Played { verdict: played.judgement.verdict, broken, fickle }
    }
}

/// How often a play came out in a way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// The way.
    pub way: Way,
    /// In so many runs.
    pub times: u32,
    /// The first of them, counted from 1.
    pub first: u32,
}

/// One play over all runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tallied {
    /// Its name; see [`Played::name`].
    pub name: String,
    /// The command that plays it again, without the program's name.
    pub again: String,
    /// How it came out, the most frequent first.
    pub counts: Vec<Count>,
}

impl Tallied {
    /// Did it come out in more than one way?
    #[must_use]
    pub fn differs(&self) -> bool {
        self.counts.len() > 1
    }

    /// Is all that differs known to come and go? What is broken besides is the same in every run then, and so is the verdict
    /// where nothing fickle showed.
    #[must_use]
    pub fn known(&self) -> bool {
        let mut steady = BTreeSet::new();
        let mut verdicts = BTreeSet::new();
        for count in &self.counts {
            let Way::Played { verdict, broken, fickle } = &count.way else { return false };
            steady.insert(broken.iter().filter(|(key, _)| !fickle.contains(key)).collect::<Vec<_>>());
            if fickle.is_empty() {
                verdicts.insert(*verdict);
            }
        }
        self.differs() && steady.len() == 1 && verdicts.len() <= 1
    }
}

/// How the plays of all runs so far came out.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    runs: u32,
    plays: Vec<Tallied>,
    places: HashMap<String, usize>,
    codes: BTreeMap<u8, u32>,
}

impl Tally {
    /// Counts a run that came to its end. `entries`: what is known of the peer; `code`: the exit code of the run alone. Gives the plays
    /// (indices into [`Results::played`]) that came out as in no run before; of the first run that is every one.
    pub fn count(&mut self, results: &Results, entries: &[&Scope], code: u8) -> Vec<usize> {
        self.runs += 1;
        *self.codes.entry(code).or_default() += 1;
        let mut new = Vec::new();
        for (i, played) in results.played.iter().enumerate() {
            let name = played.name();
            let place = *self.places.entry(name.clone()).or_insert_with(|| {
                // a play that the runs before had not
                let absent = Count { way: Way::NotPlayed, times: self.runs - 1, first: 1 };
                let counts = if absent.times == 0 { Vec::new() } else { vec![absent] };
                self.plays.push(Tallied { name, again: played.again.clone(), counts });
                self.plays.len() - 1
            });
            let Some(play) = self.plays.get_mut(place) else { continue };
            if add(&mut play.counts, Way::of(played, entries, results), self.runs) {
                new.push(i);
            }
        }
        for play in &mut self.plays {
            if play.counts.iter().map(|c| c.times).sum::<u32>() < self.runs {
                add(&mut play.counts, Way::NotPlayed, self.runs);
            }
            play.counts.sort_by_key(|count| (std::cmp::Reverse(count.times), count.first));
        }
        new
    }

    /// How many runs were counted.
    #[must_use]
    pub fn runs(&self) -> u32 {
        self.runs
    }

    /// How often each exit code came.
    #[must_use]
    pub fn codes(&self) -> &BTreeMap<u8, u32> {
        &self.codes
    }

    /// Every play, in the order in which they were first met.
    #[must_use]
    pub fn plays(&self) -> &[Tallied] {
        &self.plays
    }

    /// The plays that did not come out the same in every run.
    pub fn differing(&self) -> impl Iterator<Item = &Tallied> {
        self.plays.iter().filter(|play| play.differs())
    }

    /// Did any play come out in ways that nothing known of the peer explains?
    #[must_use]
    pub fn unsteady(&self) -> bool {
        self.differing().any(|play| !play.known())
    }
}

/// One more of that way; was it new?
fn add(counts: &mut Vec<Count>, way: Way, run: u32) -> bool {
    if let Some(count) = counts.iter_mut().find(|count| count.way == way) {
        count.times += 1;
        return false;
    }
    counts.push(Count { way, times: 1, first: run });
    true
}

/// What is known of a peer, in one list.
#[must_use]
pub fn entries<'a>(
    known: &'a [crate::peer::baseline::Known],
    adjudicated: &'a [crate::peer::baseline::Adjudicated],
) -> Vec<&'a Scope> {
    known.iter().map(|k| &k.scope).chain(adjudicated.iter().map(|a| &a.scope)).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::judge::finding::Blame;
    use crate::peer::baseline::Broken;

    fn way(verdict: Verdict, broken: &[(&str, bool)]) -> Way {
        let key = |id: &str| FindingKey { what: Broken::Requirement(id.to_owned()), blame: Blame::Server };
        Way::Played {
            verdict,
            broken: broken.iter().map(|(id, _)| (key(id), Verdict::Warn)).collect(),
            fickle: broken.iter().filter(|(_, fickle)| *fickle).map(|(id, _)| key(id)).collect(),
        }
    }

    fn tallied(ways: &[Way]) -> Tallied {
        let mut counts = Vec::new();
        for (run, way) in (1..).zip(ways) {
            add(&mut counts, way.clone(), run);
        }
        Tallied { name: "x".into(), again: String::new(), counts }
    }

    #[test]
    fn only_what_is_said_to_come_and_go_explains_a_difference() {
        let pass = || way(Verdict::Pass, &[]);
        let known = |ways: &[Way]| {
            let play = tallied(ways);
            assert!(play.differs());
            play.known()
        };
        assert!(!tallied(&[pass(), pass()]).differs());
        assert!(known(&[pass(), way(Verdict::Warn, &[("a", true)])]));
        assert!(!known(&[pass(), way(Verdict::Warn, &[("a", false)])]));
        assert!(known(&[way(Verdict::Warn, &[("b", false)]), way(Verdict::Warn, &[("a", true), ("b", false)])]));
        assert!(!known(&[pass(), way(Verdict::Warn, &[("a", true), ("b", false)])]), "b is not explained");
        assert!(!known(&[pass(), way(Verdict::NotExercised, &[])]), "nothing is said of that");
        assert!(!known(&[pass(), way(Verdict::NotExercised, &[]), way(Verdict::Warn, &[("a", true)])]));
        assert!(!known(&[pass(), Way::NotPlayed]));
    }

    #[test]
    fn the_first_run_of_each_way_is_remembered() {
        let warn = || way(Verdict::Warn, &[("a", false)]);
        let play = tallied(&[way(Verdict::Pass, &[]), warn(), warn()]);
        let counted: Vec<_> = play.counts.iter().map(|count| (count.times, count.first)).collect();
        assert_eq!(counted, [(1, 1), (2, 2)]);
    }
}
