//! What a trace proves, and who is at fault. Reads a [`crate::trace::Trace`] and nothing else.

mod cause;
pub mod engine;
pub mod evidence;
pub mod finding;
pub mod frames;
mod ledger;
pub mod live;
pub mod monitor;
pub mod monitors;
mod outcome;
mod provoked;
pub mod schema_check;
pub mod shapes;
pub mod stamp;
pub mod versions;
pub mod window;

pub use evidence::{Evidence, Shown};
pub use finding::{Check, Cleared, Finding, Judgement, Outcome, Verdict};
pub use live::{Judged, Judging, judge};
pub use monitor::{Monitor, Notes, Scene};
pub use window::Bounds;
