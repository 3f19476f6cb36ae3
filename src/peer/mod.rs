//! Peers: what `harness.toml` says of them, and their starting and stopping.

pub mod config;
pub mod process;
pub mod words;

pub use config::{Bind, Claims, Config, ConfigError, EMBEDDED, Peer, Server};
pub use process::{Patience, Process, Program, ProgramError};
