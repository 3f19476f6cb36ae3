//! A foreign server as a server under test: a new process for every play, so that no play spoils another; at a URL, a new
//! session.

use super::agenda::Closed;
use super::server::Servers;
use crate::judge::finding::Blame;
use crate::peer::config::ServerSpec;
use crate::peer::process::{Ladder, Process};
use crate::peer::start::{self, ServerProcess, StartError};
use crate::trace::Transport;
use crate::transport::http_client::HttpHabits;
use crate::transport::{Bounds, Link, Numbers};
use std::time::Duration;

/// Starts and stops one server again and again.
#[derive(Debug)]
pub struct Foreign {
    spec: ServerSpec,
    ladder: Ladder,
}

/// What was started for a connection.
#[derive(Debug)]
pub enum Held {
    /// A process that speaks on its pipes.
    Pipes(Process),
    /// A process that listens, or a URL.
    Listening(Box<ServerProcess>),
}

impl Foreign {
    /// A server that nothing is done with yet.
    #[must_use]
    pub fn new(spec: ServerSpec) -> Foreign {
        Foreign { spec, ladder: Ladder::default() }
    }
}

fn closed(e: &StartError) -> Closed {
    Closed { what: e.to_string(), stderr: e.stderr().map(str::to_owned), blame: Blame::Environment }
}

impl Servers for Foreign {
    type Held = Held;

    async fn open(&self, transport: Transport, _: &[String]) -> Result<(Link, Held), Closed> {
        let (numbers, bounds) = (Numbers::default(), Bounds::default());
        match transport {
            Transport::Stdio => {
                let (link, process) = start::stdio(&self.spec, &numbers, bounds).map_err(|e| closed(&e))?;
                Ok((link, Held::Pipes(process)))
            }
            Transport::Http => {
                let server = ServerProcess::start(&self.spec).await.map_err(|e| closed(&e))?;
                let habits = HttpHabits { listens: true, resumes: true, headers: Vec::new() };
                let link = server.connect(habits, &numbers, bounds);
                Ok((link, Held::Listening(Box::new(server))))
            }
        }
    }

    async fn close(&self, held: Held, patience: Option<Duration>) -> Option<String> {
        let stderr = match held {
            Held::Pipes(process) => {
                let input = patience.unwrap_or(self.ladder.input);
                process.stop(&Ladder { input, ..self.ladder }).await;
                Some(process.stderr())
            }
            Held::Listening(mut server) => {
                server.stop(&self.ladder).await;
                server.process().map(Process::stderr)
            }
        };
        stderr.filter(|text| !text.trim().is_empty())
    }
}
