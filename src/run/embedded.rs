//! The embedded server as a server under test: a new one for every connection, in memory.

use super::agenda::Closed;
use super::pair::{ends, finish};
use super::server::Servers;
use crate::fault::Fault;
use crate::reference::Surroundings;
use crate::reference::server::{self, Server};
use crate::seat::deviation::{Deviation, Teller};
use crate::seat::host::Host;
use crate::trace::{Seat, Transport};
use crate::transport::Link;
use crate::wire::http::ServerPolicy;
use std::cell::RefCell;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// So many entries of a list it gives at once, so that there are pages to walk.
const PAGE: usize = 4;

/// Gives embedded servers. `surroundings` is asked for once a server.
pub struct Embedded<F: FnMut() -> Surroundings> {
    /// Wall clock and randomness.
    surroundings: RefCell<F>,
    /// Capabilities that it does not declare, and so does not serve (see [`server::Setup::without`]).
    pub without: Vec<String>,
    /// What is altered in what it sends; what it did stands in the record as if it had been written on its standard error.
    pub fault: Option<Fault>,
}

impl<F: FnMut() -> Surroundings> Embedded<F> {
    /// Honest servers without these capabilities.
    pub fn new(surroundings: F, without: Vec<String>) -> Embedded<F> {
        Embedded { surroundings: RefCell::new(surroundings), without, fault: None }
    }
}

impl<F: FnMut() -> Surroundings> Servers for Embedded<F> {
    type Held = (watch::Sender<bool>, JoinHandle<()>);

    async fn open(&self, transport: Transport, lacking: &[String]) -> Result<(Link, Self::Held), Closed> {
        let (near, far) = ends(transport, Seat::Client, ServerPolicy::reference());
        let mut setup = server::Setup::new((self.surroundings.borrow_mut())());
        setup.without = [self.without.as_slice(), lacking].concat();
        setup.dialect.page_size = Some(PAGE);
        let server = Server::new(setup);
        let (stop, stopped) = watch::channel(false);
        let mut host = Host::honest(Box::new(server));
        host.deviation = self.fault.clone().map(|fault| Deviation::new(fault, near.feed().map(Teller::Record)));
        let host = tokio::spawn(host.run(far, stopped));
        Ok((near, (stop, host)))
    }

    fn can_lack(&self) -> bool {
        true
    }

    async fn close(&self, (stop, host): Self::Held, _: Option<Duration>) -> Option<String> {
        finish(stop, host).await;
        None
    }
}
