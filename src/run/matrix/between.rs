//! One play between two programs that are not ours: the client's driver is moved, the server is started, and every byte
//! between them passes through us.

use super::standing::{Hosted, Standing, closed};
use crate::peer::driver::{DriverProcess, Target};
use crate::peer::process::{Ladder, Process};
use crate::run::client::Unready;
use crate::run::drivers::{Drivers, refused};
use crate::run::pair::capabilities;
use crate::run::surroundings;
use crate::seat::own::raised;
use crate::seat::{Play, director, watch};
use crate::trace::Transport;
use crate::trace::event::Event;
use crate::transport::attach::{Kept, Place};
use crate::transport::memory::Acceptor;
use crate::transport::{Bounds, Link, Numbers, Relay};
use std::path::Path;
use std::time::Duration;
use tokio::sync::watch::Receiver;

/// How long a server on pipes may take to end with its input before it is told to, at least.
const LEAVES: Duration = Duration::from_secs(4);

/// It may take so many times what its first answer took: that tells what the machine has to do.
const SLACK: u32 = 4;

/// A client and a server that are to meet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Between<'a> {
    pub(super) drivers: &'a Drivers,
    pub(super) standing: &'a Standing,
    /// The file of this program, which a client starts over stdio.
    pub(super) program: &'a Path,
}

/// What came of a play.
#[derive(Debug)]
pub(super) struct Came {
    pub(super) events: Vec<Event>,
    /// Had its server process been played with before?
    pub(super) used: bool,
}

/// The server of a play.
enum Served {
    /// A process that speaks on its pipes.
    Pipes(Process, Kept),
    Listening(Box<Hosted>),
}

impl Between<'_> {
    /// Plays; with `fresh` on a server process that nothing was played with. `None` if it was interrupted before it began.
    pub(super) async fn play(
        &self,
        play: &Play,
        fresh: bool,
        interrupted: Receiver<bool>,
    ) -> Result<Option<Came>, Unready> {
        let mut raising = interrupted.clone();
        let opened = tokio::select! {
            biased;
            () = raised(&mut raising) => return Ok(None),
            opened = self.open(play.plan.transport(), fresh) => opened?,
        };
        let (link, to, served, mut driver) = opened;
        let used = matches!(&served, Served::Listening(hosted) if hosted.used);
        let client = director::Client { mover: &mut driver.mover, to, capabilities: capabilities(play) };
        let ended = watch::watch(play, link, client, interrupted).await;
        let hangs = ended.driver_hangs();
        let (ended, left) = ended.client_left().await;
        let finished = ended.finished();
        let input = LEAVES.max(ended.first_heard() * SLACK);
        let over = async {
            let client = self.drivers.back(driver, left && !hangs);
            let server = async {
                match served {
                    Served::Pipes(process, _kept) => {
                        // how it ends is told through the link
                        let _ = process.stop(&Ladder { input, ..Ladder::default() }).await;
                    }
                    Served::Listening(hosted) => self.standing.back(*hosted, finished && left).await,
                }
            };
            tokio::join!(client, server);
        };
        Ok(Some(Came { events: ended.leave(over).await, used }))
    }

    /// The server, and the client that is to come to it, with us between them.
    async fn open(&self, transport: Transport, fresh: bool) -> Result<(Link, Target, Served, DriverProcess), Unready> {
        let (numbers, bounds) = (Numbers::default(), Bounds::default());
        let (relay, to, served) = match transport {
            Transport::Stdio => {
                let place = Place::new(surroundings::real().bits()).await.map_err(|e| refused(&e))?;
                let program = self.program.to_string_lossy().into_owned();
                let words = vec![program, "attach".to_owned(), place.address.to_string(), place.secret.clone()];
                let (client, kept) = place.split();
                let spec = self.standing.spec();
                let (process, server) = crate::peer::start::pipes(spec).map_err(|e| Unready::Closed(closed(&e)))?;
                let relay = Relay::stdio(client, server, &numbers, bounds);
                (relay, Target::Command(words), Served::Pipes(process, kept))
            }
            Transport::Http => {
                let hosted = self.standing.take(fresh).await.map_err(Unready::Closed)?;
                let acceptor = Acceptor::loopback(0).await.map_err(|e| refused(&e))?;
                let port = acceptor.address().map_or(0, |address| address.port());
                let endpoint = hosted.server.endpoint().clone();
                let url = format!("http://127.0.0.1:{port}{}", endpoint.path);
                let relay = Relay::http(acceptor, endpoint, &numbers, bounds);
                (relay, Target::Url(url), Served::Listening(Box::new(hosted)))
            }
        };
        let link = Link::Relay(Box::new(relay));
        match (&served, link.feed()) {
            (Served::Pipes(process, _), Some(feed)) => process.tell(feed),
            (Served::Listening(hosted), Some(feed)) => {
                hosted.process().into_iter().for_each(|p| p.tell_meanwhile(&feed))
            }
            (_, None) => {}
        }
        let driver = match self.drivers.ready().await {
            Ok(driver) => driver,
            Err(why) => {
                if let Served::Listening(hosted) = served {
                    self.standing.back(*hosted, true).await;
                }
                return Err(why);
            }
        };
        if let Some(feed) = link.feed() {
            driver.process().tell_meanwhile(&feed);
        }
        Ok((link, to, served, driver))
    }
}
