//! The requirement catalogue: every normative statement a harness could observe.

use super::Revision;
use crate::wire::Party;

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

/// One requirement.
#[derive(Debug, Clone)]
pub struct Requirement {
    /// Its id, such as `tasks.create.returns-create-task-result`.
    pub id: String,
    /// Its effective level.
    pub level: Level,
    /// Whom it binds.
    pub party: Bound,
    /// One sentence in our words.
    pub text: String,
    /// Page and section of the specification, such as `basic/utilities/tasks#creating-tasks`.
    pub source: String,
    /// How it can be seen.
    pub seen: Seen,
    /// The decision on ambiguity it rests on, if any.
    pub decision: Option<String>,
}

/// The requirements of one revision.
#[derive(Debug)]
pub struct Catalogue {
    revision: Revision,
    requirements: Vec<Requirement>,
}

impl Catalogue {
    /// The catalogue of a revision; read once and kept.
    #[must_use]
    pub fn of(revision: Revision) -> &'static Catalogue {
        static EMPTY: std::sync::OnceLock<Catalogue> = std::sync::OnceLock::new();
        EMPTY.get_or_init(|| Catalogue { revision, requirements: Vec::new() })
    }

    /// Its revision.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The requirement with that id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Requirement> {
        self.requirements.iter().find(|r| r.id == id)
    }

    /// All of them, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Requirement> {
        self.requirements.iter()
    }
}
