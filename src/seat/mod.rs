//! One automaton, three thin adapters: a scenario played as the client, as the server, or watched.

pub mod acting;
pub mod alone;
mod answers;
mod asked;
pub mod cast;
mod company;
pub mod deviation;
pub mod director;
pub mod drive;
pub mod front;
mod gate;
pub mod host;
pub mod leave;
mod needs;
pub mod own;
pub mod recorder;
pub(crate) mod refusal;
pub mod watch;

pub use recorder::Recorder;

use crate::scenario::exchange::{Exchange, Patience};
use crate::scenario::plan::Plan;
use crate::spec::Revision;
use crate::trace::Seat;
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;

/// What one play is of.
#[derive(Debug, Clone)]
pub struct Play {
    /// The scenario on its transport.
    pub plan: Arc<Plan>,
    /// Whose part is ours.
    pub seat: Seat,
    /// The revision.
    pub revision: Revision,
    /// The branches taken where the choice is ours.
    pub choices: Vec<u8>,
    /// The fresh values of this run.
    pub fresh: Map<String, Value>,
    /// How long things may take.
    pub patience: Patience,
    /// How long the whole play may take, whatever progress it makes.
    pub cap: Duration,
    /// How many events it may record.
    pub most_events: usize,
    /// Nothing at all came when it was played before, and elsewhere the other party does speak: if nothing comes again, that
    /// is its doing. The first time it may not have been able to start.
    pub again: bool,
}

impl Play {
    /// The automaton of this play.
    #[must_use]
    pub fn exchange(&self) -> Exchange {
        Exchange::new(
            Arc::clone(&self.plan),
            &self.fresh,
            self.seat.ours(),
            &self.choices,
            self.revision,
            self.patience,
        )
    }
}
