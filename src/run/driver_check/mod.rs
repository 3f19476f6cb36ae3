//! A driver under check: each action of the protocol once, against the embedded server, over both transports.

mod course;
mod desk;
pub mod probe;

pub use probe::{Came, Shown};

use crate::peer::process::Command;
use crate::trace::Transport;
use serde_json::Value;
use std::path::Path;
use tokio::sync::watch;

/// All that came of a check.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// The driver, as the user knows it.
    pub name: String,
    /// The transports, in the order in which they were tried.
    pub parts: Vec<Part>,
    /// Was it interrupted by the user?
    pub interrupted: bool,
}

/// What came of it over one transport.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Which.
    pub transport: Transport,
    /// What the driver says of itself.
    pub hello: Option<Value>,
    /// What was tried, in this order, and what came of it.
    pub rows: Vec<(String, Came)>,
    /// Why it is no driver, and what it wrote on its standard error.
    pub trouble: Option<(String, Option<String>)>,
}

impl Checked {
    /// How many rows came to that.
    #[must_use]
    pub fn count(&self, is: fn(&Came) -> bool) -> usize {
        self.parts.iter().flat_map(|part| &part.rows).filter(|(_, came)| is(came)).count()
    }

    /// What was tried, each once.
    #[must_use]
    pub fn rows(&self) -> Vec<&str> {
        let mut rows: Vec<&str> = Vec::new();
        for (row, _) in self.parts.iter().flat_map(|part| &part.rows) {
            if !rows.contains(&row.as_str()) {
                rows.push(row);
            }
        }
        rows
    }
}

impl Part {
    /// What came of a row.
    #[must_use]
    pub fn came(&self, row: &str) -> Option<&Came> {
        self.rows.iter().find(|(name, _)| name == row).map(|(_, came)| came)
    }
}

/// Checks the driver that a command starts, with a process of its own for each transport. `program` is the file of this
/// program, which a client starts as its server over stdio.
pub async fn check(
    name: &str,
    command: &Command,
    program: &Path,
    transports: &[Transport],
    interrupted: watch::Receiver<bool>,
) -> Checked {
    let mut parts = Vec::new();
    for transport in transports.iter().copied() {
        if *interrupted.borrow() {
            break;
        }
        let opened = desk::Desk::open(command, transport, program, interrupted.clone()).await;
        let (mut desk, hello) = match opened {
            Ok(opened) => opened,
            Err(trouble) => {
                parts.push(Part { transport, hello: None, rows: Vec::new(), trouble: Some(trouble) });
                // another process of it would say hello no better
                break;
            }
        };
        course::course(&mut desk, transport).await;
        let rows = desk.end().await;
        parts.push(Part { transport, hello: Some(hello), rows, trouble: None });
    }
    let interrupted = *interrupted.borrow();
    Checked { name: name.to_owned(), parts, interrupted }
}
