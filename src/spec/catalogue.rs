//! The requirement catalogue: every normative statement a harness could observe.

use super::Revision;
use crate::wire::Party;
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::OnceLock;

/// How strongly the specification asks for something, after the decisions on ambiguity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// SHOULD or SHOULD NOT: breaking it is a warning.
    Should,
    /// MUST or MUST NOT: breaking it is a failure.
    Must,
}

/// Whom a requirement binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bound {
    /// One fixed party.
    Party(Party),
    /// Either.
    Both,
    /// Whoever created the task or sent the request.
    Requestor,
    /// Whoever received it.
    Receiver,
    /// Nobody whom this harness watches (an authorization server, a host, an intermediary).
    Outsider,
}

/// How a requirement can be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Seen {
    /// On any trace.
    Monitor,
    /// With a stimulus.
    Probe,
    /// With a cooperating server tool or driver.
    Fixture,
    /// Not on the wire.
    No,
}

/// The transport on which a requirement holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Every one.
    Any,
    /// Streamable HTTP.
    Http,
    /// Standard input and output.
    Stdio,
}

/// On what a requirement rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Strength {
    /// A sentence with an RFC 2119 keyword.
    Stated,
    /// A schema, a table, a sentence in lower case.
    Informal,
    /// It follows from stated rules.
    Derived,
}

/// One requirement.
#[derive(Debug, Clone)]
pub struct Requirement {
    /// Its id, such as `tasks.create.returns-create-task-result`.
    pub id: String,
    /// Its effective level.
    pub level: Level,
    /// Is it a prohibition (MUST NOT, SHOULD NOT)?
    pub forbids: bool,
    /// Whom it binds.
    pub party: Bound,
    /// One sentence in our words.
    pub text: String,
    /// Page and section of the specification, such as `basic/utilities/tasks#creating-tasks`.
    pub source: String,
    /// The transport on which it holds.
    pub transport: Transport,
    /// How it can be seen.
    pub seen: Seen,
    /// The stimulus and the expected reaction, or what to look for; for readers.
    pub how: Option<String>,
    /// The revision that introduced it (2025-11-25 may stand for an older one in the catalogue of 2026-07-28).
    pub since: Revision,
    /// The revision in which it no longer holds, and what became of it; for readers.
    pub until: Option<String>,
    /// On what it rests.
    pub strength: Strength,
    /// The decision on ambiguity it rests on, if any.
    pub decision: Option<String>,
    /// The extension that it belongs to, such as `io.modelcontextprotocol/tasks`; `None` for the core.
    pub extension: Option<&'static str>,
}

impl Requirement {
    /// The area: the first word of its id, such as `tasks`.
    #[must_use]
    pub fn area(&self) -> &str {
        area_of(&self.id)
    }

    /// The keyword of the effective level: `MUST`, `MUST NOT`, `SHOULD` or `SHOULD NOT`.
    #[must_use]
    pub fn keyword(&self) -> &'static str {
        match (self.level, self.forbids) {
            (Level::Must, false) => "MUST",
            (Level::Must, true) => "MUST NOT",
            (Level::Should, false) => "SHOULD",
            (Level::Should, true) => "SHOULD NOT",
        }
    }
}

fn area_of(id: &str) -> &str {
    id.split('.').next().unwrap_or(id)
}

/// The requirements of one revision; for 2026-07-28 with those of the tasks extension.
#[derive(Debug)]
pub struct Catalogue {
    revision: Revision,
    requirements: Vec<Requirement>,
    places: HashMap<String, usize>,
}

/// The identifier of the tasks extension of 2026-07-28.
pub const TASKS_EXTENSION: &str = "io.modelcontextprotocol/tasks";

impl Catalogue {
    /// The catalogue of a revision; read once and kept.
    #[must_use]
    pub fn of(revision: Revision) -> &'static Catalogue {
        static KEPT: [OnceLock<Catalogue>; Revision::ALL.len()] = [const { OnceLock::new() }; Revision::ALL.len()];
        let read = || Catalogue::read(revision).unwrap_or_else(|_| Catalogue::new(revision, Vec::new()));
        match KEPT.get(revision as usize) {
            Some(kept) => kept.get_or_init(read),
            // every revision has its place: `ALL` lists them in order
            None => KEPT[0].get_or_init(read),
        }
    }

    fn new(revision: Revision, requirements: Vec<Requirement>) -> Catalogue {
        let places = requirements.iter().enumerate().map(|(i, r)| (r.id.clone(), i)).collect();
        Catalogue { revision, requirements, places }
    }

    fn read(revision: Revision) -> Result<Catalogue, String> {
        let core = Catalogue::text(revision);
        let mut requirements = entries(core, None)?;
        if revision == Revision::V2026_07_28 {
            let tasks = include_str!("../../schemas/extension-tasks/requirements.yaml");
            requirements.extend(entries(tasks, Some(TASKS_EXTENSION))?);
        }
        Ok(Catalogue::new(revision, requirements))
    }

    /// The text of a revision's file.
    #[must_use]
    pub fn text(revision: Revision) -> &'static str {
        match revision {
            Revision::V2024_11_05 => include_str!("../../schemas/2024-11-05/requirements.yaml"),
            Revision::V2025_03_26 => include_str!("../../schemas/2025-03-26/requirements.yaml"),
            Revision::V2025_06_18 => include_str!("../../schemas/2025-06-18/requirements.yaml"),
            Revision::V2025_11_25 => include_str!("../../schemas/2025-11-25/requirements.yaml"),
            Revision::V2026_07_28 => include_str!("../../schemas/2026-07-28/requirements.yaml"),
        }
    }

    /// Its revision.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The requirement with that id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Requirement> {
        self.places.get(id).and_then(|place| self.requirements.get(*place))
    }

    /// All of them, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Requirement> {
        self.requirements.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.requirements.len()
    }

    /// Are there none? Never so for an embedded catalogue.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }

    /// The areas, in the order of the file.
    #[must_use]
    pub fn areas(&self) -> Vec<&str> {
        let mut areas: Vec<&str> = Vec::new();
        for requirement in &self.requirements {
            if !areas.contains(&requirement.area()) {
                areas.push(requirement.area());
            }
        }
        areas
    }

    /// The id somebody may have meant, if one is close: by few edits, or by the same last words in another area.
    #[must_use]
    pub fn suggest(&self, id: &str) -> Option<&str> {
        if id.len() > 200 {
            return None;
        }
        let bound = (id.chars().count() / 5).max(2);
        let near = self.requirements.iter().map(|r| (distance(id, &r.id), r.id.as_str()));
        let near = near.filter(|(edits, _)| *edits <= bound).min_by_key(|(edits, _)| *edits);
        near.map(|(_, id)| id).or_else(|| {
            let last = id.rsplit('.').next().filter(|last| last.contains('-'))?;
            let mut same = self.requirements.iter().filter(|r| r.id.rsplit('.').next() == Some(last));
            let first = same.next()?;
            same.next().is_none().then_some(first.id.as_str())
        })
    }

    /// The revisions whose catalogue has that id, oldest first; empty if none has.
    #[must_use]
    pub fn revisions_of(id: &str) -> Vec<Revision> {
        Revision::ALL.into_iter().filter(|r| Catalogue::of(*r).get(id).is_some()).collect()
    }
}

/// The edits (insert, delete, replace one character) between two texts.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (y, cell) in b.iter().zip(row.iter_mut().skip(1)) {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = *cell;
            left = replaced.min(left + 1).min(*cell + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

/// The file: JSON, which is YAML too, written by `derive-schemas`.
#[derive(Deserialize)]
struct File {
    requirements: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    id: String,
    level: String,
    party: String,
    text: String,
    source: String,
    transport: String,
    seen: String,
    how: Option<String>,
    since: Revision,
    until: Option<String>,
    strength: Option<String>,
    decision: Option<String>,
}

fn entries(text: &str, extension: Option<&'static str>) -> Result<Vec<Requirement>, String> {
    let file: File = serde_json::from_str(text).map_err(|e| e.to_string())?;
    file.requirements.into_iter().map(|entry| requirement(entry, extension)).collect()
}

fn requirement(entry: Entry, extension: Option<&'static str>) -> Result<Requirement, String> {
    let unknown = |member: &str, word: &str| Err(format!("{}: unknown {member} `{word}`", entry.id));
    let (level, forbids) = match entry.level.as_str() {
        "must" => (Level::Must, false),
        "must-not" => (Level::Must, true),
        "should" => (Level::Should, false),
        "should-not" => (Level::Should, true),
        other => return unknown("level", other),
    };
    let party = match entry.party.as_str() {
        "client" => Bound::Party(Party::Client),
        "server" => Bound::Party(Party::Server),
        "both" => Bound::Both,
        "requestor" => Bound::Requestor,
        "receiver" => Bound::Receiver,
        "authorization-server" | "host" | "intermediary" => Bound::Outsider,
        other => return unknown("party", other),
    };
    let transport = match entry.transport.as_str() {
        "any" => Transport::Any,
        "http" => Transport::Http,
        "stdio" => Transport::Stdio,
        other => return unknown("transport", other),
    };
    let seen = match entry.seen.as_str() {
        "monitor" => Seen::Monitor,
        "probe" => Seen::Probe,
        "fixture" => Seen::Fixture,
        "no" => Seen::No,
        other => return unknown("seen", other),
    };
    let strength = match entry.strength.as_deref() {
        None => Strength::Stated,
        Some("informal") => Strength::Informal,
        Some("derived") => Strength::Derived,
        Some(other) => return unknown("strength", other),
    };
    Ok(Requirement {
        level,
        forbids,
        party,
        transport,
        seen,
        strength,
        extension,
        id: entry.id,
        text: entry.text,
        source: entry.source,
        how: entry.how,
        since: entry.since,
        until: entry.until,
        decision: entry.decision,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn every_catalogue_reads_and_no_id_occurs_twice() {
        let mut before = 0;
        for revision in Revision::ALL {
            let catalogue = Catalogue::read(revision).expect("it reads");
            assert_eq!(catalogue.places.len(), catalogue.requirements.len(), "{revision}");
            assert!(catalogue.len() > before, "{revision} has more than the one before");
            before = catalogue.len();
            assert_eq!(Catalogue::of(revision).revision(), revision);
            assert_eq!(Catalogue::of(revision).len(), catalogue.len());
            for r in catalogue.iter() {
                assert!(r.since <= revision, "{revision}: {}", r.id);
                assert!(r.id.contains('.') && !r.text.is_empty() && !r.source.is_empty(), "{}", r.id);
                assert_eq!(catalogue.get(&r.id).map(|found| &found.text), Some(&r.text));
            }
        }
    }

    #[test]
    fn levels_are_the_effective_ones() {
        let catalogue = Catalogue::of(Revision::V2025_11_25);
        let find = |id: &str| catalogue.get(id).unwrap();
        let initial = find("tasks.create.initial-status-working");
        assert_eq!((initial.level, initial.decision.as_deref()), (Level::Should, Some("tasks-initial-status")));
        let failed = find("tasks.status.tool-iserror-is-failed");
        assert_eq!((failed.level, failed.decision.as_deref()), (Level::Should, Some("tasks-failed-iserror-level")));
        let augment = find("tasks.tool.no-augment-without-capability");
        assert_eq!((augment.keyword(), augment.party), ("MUST NOT", Bound::Party(Party::Client)));
        let ttl = find("tasks.capability.get-result-served");
        assert_eq!((ttl.strength, ttl.seen, ttl.transport), (Strength::Derived, Seen::Probe, Transport::Any));
    }

    #[test]
    fn every_request_is_answered_in_every_revision() {
        for revision in Revision::ALL {
            let answered = Catalogue::of(revision).get("base.request.answered").unwrap();
            assert_eq!((answered.level, answered.party, answered.seen), (Level::Must, Bound::Both, Seen::Monitor));
        }
        assert_eq!(Catalogue::revisions_of("base.request.answered"), Revision::ALL);
    }

    #[test]
    fn the_extension_belongs_to_the_modern_era_only() {
        let modern = Catalogue::of(Revision::V2026_07_28);
        assert_eq!(modern.get("tasks.create.flat-shape").unwrap().extension, Some(TASKS_EXTENSION));
        assert!(modern.get("tasks.create.returns-create-task-result").is_none());
        assert_eq!(Catalogue::revisions_of("tasks.create.flat-shape"), [Revision::V2026_07_28]);
        assert_eq!(Catalogue::revisions_of("tasks.create.initial-status-working"), [Revision::V2025_11_25]);
        assert!(Catalogue::revisions_of("tasks.no.such").is_empty());
    }

    #[test]
    fn a_typing_error_gets_a_suggestion_and_nonsense_gets_none() {
        let catalogue = Catalogue::of(Revision::V2025_11_25);
        assert_eq!(
            catalogue.suggest("tasks.create.intial-status-working"),
            Some("tasks.create.initial-status-working")
        );
        assert_eq!(catalogue.suggest("task.id.unique"), Some("tasks.id.unique"));
        assert_eq!(catalogue.suggest("tasks.poll.initial-status-working"), Some("tasks.create.initial-status-working"));
        assert_eq!(catalogue.suggest("completely.different"), None);
        assert_eq!(catalogue.suggest(&"x".repeat(100_000)), None);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
    }

    #[test]
    fn the_areas_are_the_first_words() {
        let areas = Catalogue::of(Revision::V2025_11_25).areas();
        for area in ["tasks", "base", "lifecycle", "transport", "tools", "elicitation"] {
            assert!(areas.contains(&area), "{area}");
        }
        assert!(areas.iter().all(|a| !a.contains('.')));
    }
}
