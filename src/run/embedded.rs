//! The embedded server as a server under test: a new one for every connection, in memory.

use super::pair::{ends, finish};
use super::server::{Closed, Servers};
use crate::reference::Surroundings;
use crate::reference::server::{self, Server};
use crate::seat::host::Host;
use crate::trace::{Seat, Transport};
use crate::transport::Link;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Gives embedded servers. `surroundings` is asked for once a server.
pub struct Embedded<F: FnMut() -> Surroundings> {
    /// Wall clock and randomness.
    pub surroundings: F,
    /// Capabilities that it does not declare, and so does not serve (see [`server::Setup::without`]).
    pub without: Vec<String>,
    /// More of them, for the scenario that is played.
    lacking: Vec<String>,
}

impl<F: FnMut() -> Surroundings> Embedded<F> {
    /// Servers without these capabilities.
    pub fn new(surroundings: F, without: Vec<String>) -> Embedded<F> {
        Embedded { surroundings, without, lacking: Vec::new() }
    }
}

impl<F: FnMut() -> Surroundings> Servers for Embedded<F> {
    type Held = (watch::Sender<bool>, JoinHandle<()>);

    async fn open(&mut self, transport: Transport) -> Result<(Link, Self::Held), Closed> {
        let (near, far) = ends(transport, Seat::Client);
        let mut setup = server::Setup::new((self.surroundings)());
        setup.without = [self.without.as_slice(), &self.lacking].concat();
        let server = Server::new(setup);
        let (stop, stopped) = watch::channel(false);
        let host = tokio::spawn(Host::honest(Box::new(server)).run(far, stopped));
        Ok((near, (stop, host)))
    }

    fn without(&mut self, capabilities: &[String]) -> bool {
        self.lacking = capabilities.to_vec();
        true
    }

    async fn close(&mut self, (stop, host): Self::Held) {
        finish(stop, host).await;
    }

    fn stderr(&self) -> Option<String> {
        None
    }
}
