//! A matrix beside an older one, of which there is the report: what became better, worse, and what is new.

use super::sum::{State, Sum};
use super::{Cell, Matrix};
use crate::judge::Verdict;
use crate::peer::baseline::FindingKey;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The format of reports that can be read.
pub const FORMAT: u64 = 1;

/// An older matrix, as its report tells it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Older {
    cells: BTreeMap<Place, OldCell>,
}

/// Client, server, transport and revision.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The client's name.
    pub client: String,
    /// The server's name.
    pub server: String,
    /// The transport.
    pub transport: String,
    /// The revision.
    pub revision: String,
}

impl Place {
    /// Of a cell.
    #[must_use]
    pub fn of(cell: &Cell) -> Place {
        Place {
            client: cell.client.clone(),
            server: cell.server.clone(),
            transport: cell.transport.to_string(),
            revision: cell.revision.to_string(),
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} with {} over {}, {}", self.client, self.server, self.transport, self.revision)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct OldCell {
    state: String,
    plays: BTreeMap<String, OldPlay>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct OldPlay {
    verdict: Verdict,
    /// The findings that do not come and go.
    found: BTreeSet<String>,
}

/// How a cell has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Something is worse, whatever else is better.
    Worse,
    /// Something is better, and nothing worse.
    Better,
    /// It was not in the older matrix.
    New,
}

impl Kind {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Worse => "worse",
            Kind::Better => "better",
            Kind::New => "new",
        }
    }
}

/// What has changed in a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Where.
    pub place: Place,
    /// How.
    pub kind: Kind,
    /// What is worse, in sentences without a full stop.
    pub worse: Vec<String>,
    /// What is better.
    pub better: Vec<String>,
}

impl Older {
    /// Reads the report of a matrix.
    ///
    /// # Errors
    /// What is wrong with it, in one sentence.
    pub fn read(text: &str) -> Result<Older, String> {
        let report: Value = serde_json::from_str(text).map_err(|e| format!("it is no JSON: {e}"))?;
        let kind = report.get("report").and_then(Value::as_str);
        if kind != Some("matrix") {
            return Err("it is no report of `mcp-interop matrix`".into());
        }
        match report.get("format").and_then(Value::as_u64) {
            Some(FORMAT) => {}
            other => {
                let other = other.map_or_else(|| "none".to_owned(), |n| n.to_string());
                return Err(format!("its format is {other}, and {FORMAT} can be read"));
            }
        }
        let cells = report.get("cells").and_then(Value::as_array).ok_or("it has no `cells`")?;
        let read = |(i, cell): (usize, &Value)| {
            old_cell(cell).ok_or_else(|| format!("its cell {i} cannot be read; see schemas/matrix.schema.json"))
        };
        Ok(Older { cells: cells.iter().enumerate().map(read).collect::<Result<_, String>>()? })
    }

    /// What has changed since then, the worse first. `chosen`: the scenarios that were to be played now.
    #[must_use]
    pub fn changes(&self, matrix: &Matrix) -> Vec<Change> {
        let chosen: BTreeSet<&str> = matrix.scenarios.iter().map(String::as_str).collect();
        let mut changes: Vec<Change> = matrix.cells.iter().filter_map(|cell| self.change(cell, &chosen)).collect();
        changes.sort_by_key(|change| change.kind);
        changes
    }

    fn change(&self, cell: &Cell, chosen: &BTreeSet<&str>) -> Option<Change> {
        // what was not looked at has not changed
        if cell.sum.state == State::Interrupted {
            return None;
        }
        let place = Place::of(cell);
        let Some(old) = self.cells.get(&place) else {
            return Some(Change { place, kind: Kind::New, worse: Vec::new(), better: Vec::new() });
        };
        let (mut worse, mut better) = (Vec::new(), Vec::new());
        let played = |state: &str| state == "played";
        let now = cell.sum.state.as_str();
        if old.state != now {
            let said = format!("it was {}, and is {}", old.state, now);
            match (played(&old.state), played(now)) {
                (_, false) => worse.push(said),
                (false, true) => better.push(said),
                (true, true) => {}
            }
        }
        let found = found(cell);
        for played in &cell.results.played {
            let name = played.name();
            let Some(before) = old.plays.get(&name) else { continue };
            let verdict = played.judgement.verdict;
            let said = format!("{name}: {} → {verdict}", before.verdict);
            match verdict.cmp(&before.verdict) {
                std::cmp::Ordering::Greater => worse.push(said),
                std::cmp::Ordering::Less => better.push(said),
                std::cmp::Ordering::Equal => {}
            }
            let none = BTreeSet::new();
            let now = found.get(&name).unwrap_or(&none);
            worse.extend(now.difference(&before.found).map(|key| format!("{name}: {key} is found")));
            better.extend(before.found.difference(now).map(|key| format!("{name}: {key} is not found any more")));
        }
        if played(now) && !cell.results.interrupted {
            let names: BTreeSet<String> = cell.results.played.iter().map(crate::run::Played::name).collect();
            let scenario = |name: &str| name.split(" (").next().unwrap_or_default().to_owned();
            let lost =
                old.plays.keys().filter(|name| !names.contains(*name) && chosen.contains(scenario(name).as_str()));
            worse.extend(lost.map(|name| format!("{name} was played, and is not any more")));
        }
        let kind = match (worse.is_empty(), better.is_empty()) {
            (false, _) => Kind::Worse,
            (true, false) => Kind::Better,
            (true, true) => return None,
        };
        Some(Change { place, kind, worse, better })
    }
}

/// By play: the findings that do not come and go.
fn found(cell: &Cell) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let Sum { faults, .. } = &cell.sum;
    for (fault, show) in faults.iter().flat_map(|f| f.shows.iter().map(move |show| (f, show))) {
        let Some(played) = cell.results.played.get(show.play).filter(|_| !show.sometimes) else { continue };
        found.entry(played.name()).or_default().insert(fault.key.to_string());
    }
    found
}

fn old_cell(cell: &Value) -> Option<(Place, OldCell)> {
    let text = |name: &str| cell.get(name)?.as_str().map(str::to_owned);
    let place = Place {
        client: text("client")?,
        server: text("server")?,
        transport: text("transport")?,
        revision: text("revision")?,
    };
    let plays = cell.get("plays")?.as_array()?.iter().map(old_play).collect::<Option<_>>()?;
    Some((place, OldCell { state: text("state")?, plays }))
}

fn old_play(play: &Value) -> Option<(String, OldPlay)> {
    let name = play.get("name")?.as_str()?.to_owned();
    let word = play.get("verdict")?.as_str()?;
    let verdict = Verdict::ALL.into_iter().find(|v| v.as_str().replace(' ', "-") == word)?;
    let key = |finding: &Value| {
        let key = finding.get("key")?.as_str()?;
        FindingKey::parse(key).ok()?;
        Some((key.to_owned(), finding.get("sometimes").and_then(Value::as_bool).unwrap_or(false)))
    };
    let found = play.get("findings")?.as_array()?.iter().map(key).collect::<Option<Vec<_>>>()?;
    let found = found.into_iter().filter(|(_, sometimes)| !sometimes).map(|(key, _)| key).collect();
    Some((name, OldPlay { verdict, found }))
}
