//! The programs under test: what `harness.toml` says of them, how they are started and stopped, and what is known to be
//! wrong with them.

mod group;
pub mod guard;
pub mod log;
pub mod process;
pub mod start;
pub mod words;

pub use process::{Command, Exit, Ladder, Process};
pub use start::StartError;
