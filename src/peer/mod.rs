//! The programs under test: what `harness.toml` says of them, how they are started and stopped, and what is known to be
//! wrong with them.

pub mod baseline;
pub mod config;
pub mod driver;
mod fields;
mod group;
pub mod guard;
pub mod install;
pub mod log;
pub mod process;
pub mod start;
pub mod words;

pub use config::{Config, Peer, ServerSpec};
pub use fields::FileError;
pub use install::{InstallError, Installed, Status, install, status};
pub use process::{Command, Exit, Ladder, Process};
pub use start::{ServerProcess, StartError, Started, start};
