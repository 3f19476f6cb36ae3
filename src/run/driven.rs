//! The reference client as a client under test: driven like any other, in this process.

use crate::fault::Fault;
use crate::peer::driver::{Mover, Target};
use crate::peer::process::{Command, Process};
use crate::reference::client::{self, Application};
use crate::reference::{SessionKey, Surroundings};
use crate::seat::deviation::{Deviation, Teller};
use crate::seat::drive::{self, Clients};
use crate::seat::host::Host;
use crate::spec::Revision;
use crate::transport::http_client::{Endpoint, HttpClient, HttpHabits};
use crate::transport::{Bounds, Link, Numbers, StdioLink};
use crate::wire::Party;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Makes reference clients.
pub struct Reference<F, L> {
    /// Wall clock and randomness, asked for once a client.
    pub surroundings: F,
    /// What connects them.
    pub connect: L,
    /// Changes their set-up.
    pub change: Option<fn(&mut client::Setup)>,
    /// What is altered in what they send.
    pub fault: Option<Fault>,
    /// Where it is told what the fault did; `None`: nowhere.
    pub teller: Option<Teller>,
}

/// What connects a client.
pub trait Connect {
    /// Connects; over stdio to a program that it starts.
    fn link(&mut self, to: &Target) -> impl Future<Output = Result<(Link, Option<Process>), String>> + Send;
}

impl<F: FnMut() -> Surroundings + Send, L: Connect + Send> Clients for Reference<F, L> {
    async fn link(&mut self, to: &Target) -> Result<(Link, Option<Process>), String> {
        self.connect.link(to).await
    }

    fn host(&mut self, application: Application, revision: Revision, capabilities: Value) -> Host {
        let mut setup = client::Setup::new((self.surroundings)(), application).offering(revision);
        setup.capabilities = capabilities;
        // a client need not announce how its tasks stand; this one does, so that it can be seen to do it well
        setup.dialect.status_notifications = true;
        if let Some(change) = self.change {
            change(&mut setup);
        }
        let mut host = Host::honest(Box::new(client::Client::new(setup)));
        host.deviation = self.fault.clone().map(|fault| Deviation::new(fault, self.teller.clone()));
        host
    }
}

/// One end that is there already, for the first client that wants to connect.
pub struct Ready(pub Option<Link>);

impl Connect for Ready {
    async fn link(&mut self, _: &Target) -> Result<(Link, Option<Process>), String> {
        let link = self.0.take().ok_or("the connection is taken")?;
        Ok((link, None))
    }
}

/// Connects over sockets, and to programs that it starts.
#[derive(Debug, Clone, Copy, Default)]
pub struct Real;

impl Connect for Real {
    async fn link(&mut self, to: &Target) -> Result<(Link, Option<Process>), String> {
        let (numbers, bounds) = (Numbers::default(), Bounds::default());
        match to {
            Target::Url(url) => {
                let endpoint = Endpoint::parse(url).map_err(|e| e.to_string())?;
                let habits = HttpHabits { listens: true, resumes: true, headers: Vec::new() };
                let client = HttpClient::new(endpoint, SessionKey(0), habits, &numbers, bounds);
                Ok((Link::HttpClient(Box::new(client)), None))
            }
            Target::Command(words) => {
                let dir = std::env::current_dir().map_err(|e| format!("no folder to start it in: {e}"))?;
                let command = Command { words: words.clone(), dir, env: Vec::new() };
                let (process, pipes) = Process::start(&command, Party::Server).map_err(|e| e.to_string())?;
                let link = StdioLink::new(Party::Client, SessionKey(0), pipes, &numbers, bounds);
                Ok((Link::Stdio(link), Some(process)))
            }
        }
    }
}

/// An embedded client that is driven from here.
#[derive(Debug)]
pub struct Driven {
    /// The way to it.
    pub mover: Mover,
    /// What runs it.
    pub task: JoinHandle<()>,
}

impl Driven {
    /// Begins; it connects when it is ordered to.
    pub fn start<F, L>(clients: Reference<F, L>, stop: watch::Receiver<bool>) -> Driven
    where
        F: FnMut() -> Surroundings + Send + 'static,
        L: Connect + Send + 'static,
    {
        let (mover, moved) = Mover::new();
        let task = tokio::spawn(drive::drive(clients, moved, stop));
        Driven { mover, task }
    }
}
