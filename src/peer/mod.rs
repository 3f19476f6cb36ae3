//! Peers: what `harness.toml` says of them, and their starting and stopping.

pub mod process;
pub mod words;

pub use process::{Patience, Process, Program, ProgramError};
