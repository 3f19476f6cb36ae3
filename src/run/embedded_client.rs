//! The embedded client as a client under test: a new one for every play, in memory.

use super::client::{Clients, Opened, Unready};
use super::driven::{Driven, Ready, Reference};
use super::pair::ends;
use crate::fault::Fault;
use crate::peer::driver::{Mover, Target};
use crate::reference::Surroundings;
use crate::seat::Play;
use crate::seat::deviation::Teller;
use crate::trace::Seat;
use crate::wire::http::ServerPolicy;
use tokio::sync::watch;

/// Gives embedded clients.
pub struct EmbeddedClient {
    /// Wall clock and randomness, asked for once a client.
    pub surroundings: fn() -> Surroundings,
    /// What is altered in what it sends; what it did stands in the record as if it had been written on its standard error.
    pub fault: Option<Fault>,
}

impl Clients for EmbeddedClient {
    type Held = (watch::Sender<bool>, Driven);

    async fn open(&self, play: &Play) -> Result<Opened<Self::Held>, Unready> {
        let (near, far) = ends(play.plan.transport(), Seat::Server, ServerPolicy::reference());
        let (stop, stopped) = watch::channel(false);
        let clients = Reference {
            surroundings: self.surroundings,
            connect: Ready(Some(near)),
            change: None,
            fault: self.fault.clone(),
            teller: far.feed().map(Teller::Record),
        };
        let driven = Driven::start(clients, stopped);
        let to = Target::Url("http://localhost/mcp".into());
        Ok(Opened { link: far, to, held: (stop, driven) })
    }

    fn mover<'h>(&self, (_, driven): &'h mut Self::Held) -> Option<&'h mut Mover> {
        Some(&mut driven.mover)
    }

    async fn close(&self, (stop, driven): Self::Held, _: bool) -> Option<String> {
        super::pair::finish(stop, driven.task).await;
        None
    }
}
