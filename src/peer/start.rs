//! Starting a server so that it can be talked to: over the pipes of a new process, or over HTTP.

use super::process::Command;
use std::path::PathBuf;

/// Why a server cannot be talked to. The fault is the environment's or that of `harness.toml`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// There is no such program.
    #[error("{}", no_program(name, dir, path))]
    NoProgram {
        /// Its name as it was written.
        name: String,
        /// Where it was looked for if its name has a `/`.
        dir: PathBuf,
        /// Where it was looked for otherwise.
        path: String,
    },
    /// There is no such folder to run in.
    #[error("there is no folder {}; correct `dir` in harness.toml, or fetch what belongs there", dir.display())]
    NoFolder {
        /// The folder.
        dir: PathBuf,
    },
    /// The system does not start it.
    #[error("`{command}` could not be started in {}: {why}", dir.display())]
    Refused {
        /// The command line.
        command: String,
        /// Where.
        dir: PathBuf,
        /// What the system says.
        why: String,
    },
}

impl StartError {
    pub(crate) fn refused(command: &Command, why: &str) -> StartError {
        StartError::Refused { command: command.line(), dir: command.dir.clone(), why: why.to_owned() }
    }
}

fn no_program(name: &str, dir: &std::path::Path, path: &str) -> String {
    if name.contains('/') {
        return format!(
            "there is no program {name} in {}; run `mcp-interop peers install`, or correct the command in harness.toml",
            dir.display()
        );
    }
    format!("there is no program `{name}` on the PATH ({path}); install it, or write its whole path in harness.toml")
}
