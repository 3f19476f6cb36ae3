//! Evidence: what one message, or one part of the transport, says about one requirement.

use crate::spec::Level;
use crate::wire::Party;

/// What one message shows of one requirement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// The requirement; always one of the catalogue of the revision that governs the message.
    pub requirement: &'static str,
    /// The party it binds here.
    pub party: Party,
    /// The event of the message, or of the part of the transport that it is about.
    pub event: u32,
    /// Index of the message in the conversation, if it is about one.
    pub said: Option<usize>,
    /// Held, or broken.
    pub verdict: Shown,
    /// How bad breaking it is: the level of the catalogue, or less by a decision.
    pub level: Level,
    /// Does it rest on a deadline or on time rather than on order?
    pub presumed: bool,
    /// The decision on an ambiguity that it rests on.
    pub decision: Option<&'static str>,
}

impl Evidence {
    /// Was it broken?
    #[must_use]
    pub fn is_broken(&self) -> bool {
        matches!(self.verdict, Shown::Broken { .. })
    }

    /// It rests on time.
    pub fn presumed(&mut self) -> &mut Evidence {
        self.presumed = true;
        self
    }

    /// It binds that party here, not the sender of the message.
    pub fn by(&mut self, party: Party) -> &mut Evidence {
        self.party = party;
        self
    }

    /// It rests on that decision.
    pub fn decided(&mut self, decision: &'static str) -> &mut Evidence {
        self.decision = Some(decision);
        self
    }

    /// It is a warning at most.
    pub fn should(&mut self) -> &mut Evidence {
        self.level = Level::Should;
        self
    }
}

/// What was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// The message could have broken the requirement, and did not.
    Held,
    /// It broke it.
    Broken {
        /// What was expected, without a full stop.
        expected: String,
        /// What came, without a full stop.
        found: String,
        /// JSON pointer to the place in the message; empty for the whole of it.
        pointer: String,
    },
}
