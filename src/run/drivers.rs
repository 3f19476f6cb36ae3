//! A foreign client as a client under test: a driver that is started once and moves one new client after the other, over
//! sockets and pipes.

use super::agenda::Closed;
use super::client::{Clients, Opened, Unready};
use super::surroundings;
use crate::judge::finding::Blame;
use crate::peer::driver::protocol::VERSION;
use crate::peer::driver::{Action, Answer, DriverProcess, Mover, Report, Target};
use crate::peer::process::{Command, Ladder};
use crate::reference::SessionKey;
use crate::seat::Play;
use crate::trace::Transport;
use crate::transport::attach::{Kept, Place};
use crate::transport::http_server::{HttpServer, ServerHabits};
use crate::transport::memory::Acceptor;
use crate::transport::{Bounds, Link, Numbers, StdioLink};
use crate::wire::Party;
use crate::wire::http::ServerPolicy;
use serde_json::Value;
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a driver may take to say hello.
const START: Duration = Duration::from_secs(15);

/// Why a program cannot be used as a driver.
#[derive(Debug)]
pub(super) enum NoDriver {
    /// It was gone before it said anything.
    Gone(String),
    /// What it said, or did not say.
    Wrong(String),
}

/// Has a driver say hello; gives what it says of itself.
pub(super) async fn greet(driver: &mut DriverProcess) -> Result<Value, NoDriver> {
    let hello = driver.mover.order(None, Action::Hello { versions: vec![VERSION] });
    let said = tokio::time::timeout(START, driver.mover.reports.recv()).await;
    let wrong = match said {
        Ok(Some(Report::Answer { id, answer: Answer::Result(result) })) if id == hello => {
            match result.get("version").and_then(Value::as_u64) {
                Some(VERSION) => return Ok(result),
                _ => format!("it does not speak version {VERSION} of the protocol: it answered hello with {result}"),
            }
        }
        Ok(Some(Report::Gone(how))) => return Err(NoDriver::Gone(how)),
        Ok(Some(Report::Garbled(what))) => format!("it is no driver: it wrote {what}"),
        Ok(Some(other)) => format!("it answered hello with {}", other.line().unwrap_or_default()),
        Ok(None) | Err(_) => format!("it did not answer hello within {} s", START.as_secs()),
    };
    Err(NoDriver::Wrong(wrong))
}

/// Our end for one client, and the way to it.
pub(super) struct Meeting {
    /// Our end.
    pub(super) link: Link,
    /// Where the client finds it.
    pub(super) to: Target,
    /// To be kept as long as the link is used.
    pub(super) place: Option<Kept>,
}

/// Opens an end of ours for one client, which behaves like that over HTTP. `program` is the file of this program, which a client
/// starts over stdio.
pub(super) async fn meeting(transport: Transport, program: &Path, policy: ServerPolicy) -> std::io::Result<Meeting> {
    Ok(match transport {
        Transport::Http => {
            let (link, url) = listening(policy).await?;
            Meeting { link, to: Target::Url(url), place: None }
        }
        Transport::Stdio => {
            let (numbers, bounds) = (Numbers::default(), Bounds::default());
            let place = Place::new(surroundings::real().bits()).await?;
            let program = program.to_string_lossy().into_owned();
            let words = [program, "attach".to_owned(), place.address.to_string(), place.secret.clone()];
            let (pipes, kept) = place.split();
            let link = StdioLink::new(Party::Server, SessionKey(0), pipes, &numbers, bounds);
            Meeting { link: Link::Stdio(link), to: Target::Command(words.to_vec()), place: Some(kept) }
        }
    })
}

/// An end of ours that listens on the loopback interface for one client, and its URL.
pub(super) async fn listening(policy: ServerPolicy) -> std::io::Result<(Link, String)> {
    let (numbers, bounds) = (Numbers::default(), Bounds::default());
    let mut entropy = surroundings::real();
    let acceptor = Acceptor::loopback(0).await?;
    let port = acceptor.address().map_or(0, |address| address.port());
    let bits = move || entropy.bits().to_be_bytes();
    let habits = ServerHabits::default();
    let server = HttpServer::new(acceptor, policy, bits, SessionKey(0), habits, &numbers, bounds);
    Ok((Link::HttpServer(Box::new(server)), format!("http://127.0.0.1:{port}/mcp")))
}

/// Starts drivers, and keeps those that have nothing to do.
#[derive(Debug)]
pub struct Drivers {
    command: Command,
    /// This program, which a client starts to reach us over stdio.
    program: PathBuf,
    idle: RefCell<Vec<DriverProcess>>,
    /// Why none can be used.
    unfit: RefCell<Option<Unready>>,
}

/// A driver, and what a play of it needs to be kept.
#[derive(Debug)]
pub struct Held {
    driver: DriverProcess,
    _place: Option<Kept>,
}

impl Drivers {
    /// Drivers that are started with that command. `program` is the file of this program.
    #[must_use]
    pub fn new(command: Command, program: PathBuf) -> Drivers {
        Drivers { command, program, idle: RefCell::default(), unfit: RefCell::default() }
    }

    /// One that has said hello.
    pub(super) async fn ready(&self) -> Result<DriverProcess, Unready> {
        if let Some(why) = self.unfit.borrow().clone() {
            return Err(why);
        }
        let free = self.idle.borrow_mut().pop();
        if let Some(driver) = free.filter(|driver| driver.process().exit().is_none()) {
            return Ok(driver);
        }
        // another of the same would do no better, on whatever transport
        let unfit = |why: Unready| self.unfit.borrow_mut().get_or_insert(why).clone();
        let mut driver = DriverProcess::start(&self.command).map_err(|e| {
            let stderr = e.stderr().map(str::to_owned);
            unfit(Unready::Closed(Closed { what: e.to_string(), stderr, blame: Blame::Environment }))
        })?;
        let why = match greet(&mut driver).await {
            Ok(_) => return Ok(driver),
            Err(NoDriver::Gone(how)) => {
                let stderr = driver.stop(&Ladder::default()).await;
                let last = stderr.lines().rfind(|line| !line.trim().is_empty());
                let said = last.map_or(String::new(), |line| format!("; it wrote: {line}"));
                return Err(unfit(Unready::NeverCame(format!("its driver said nothing: {how}{said}"))));
            }
            Err(NoDriver::Wrong(why)) => why,
        };
        let what = format!("`{}`: {why}", self.command.line());
        let stderr = Some(driver.stop(&Ladder::default()).await).filter(|text| !text.trim().is_empty());
        Err(unfit(Unready::Closed(Closed { what, stderr, blame: Blame::Environment })))
    }

    /// A play with it is over. `well`: its client has left as it was told, so that it can move another.
    pub(super) async fn back(&self, driver: DriverProcess, well: bool) {
        driver.process().hush();
        if well && driver.process().exit().is_none() {
            self.idle.borrow_mut().push(driver);
        } else {
            // what is left of its client would disturb the next play
            driver.stop(&Ladder::default()).await;
        }
    }

    /// Ends all that run.
    pub async fn stop(&self) {
        let idle = std::mem::take(&mut *self.idle.borrow_mut());
        let ending = idle.into_iter().map(|driver| async move { driver.stop(&Ladder::default()).await });
        futures_util::future::join_all(ending).await;
    }
}

/// Something that our own end needs was refused by the system.
pub(super) fn refused(e: &std::io::Error) -> Unready {
    let what = format!("the harness cannot listen on the loopback interface: {e}");
    Unready::Closed(Closed { what, stderr: None, blame: Blame::Environment })
}

impl Clients for Drivers {
    type Held = Held;

    async fn open(&self, play: &Play, policy: ServerPolicy) -> Result<Opened<Held>, Unready> {
        let transport = play.plan.transport();
        let Meeting { link, to, place } = meeting(transport, &self.program, policy).await.map_err(|e| refused(&e))?;
        let driver = self.ready().await?;
        if let Some(feed) = link.feed() {
            driver.process().tell_meanwhile(&feed);
        }
        Ok(Opened { link, to, held: Held { driver, _place: place } })
    }

    fn mover<'h>(&self, held: &'h mut Held) -> Option<&'h mut Mover> {
        Some(&mut held.driver.mover)
    }

    async fn close(&self, held: Held, well: bool) -> Option<String> {
        let Held { driver, .. } = held;
        let stderr = driver.process().stderr();
        self.back(driver, well).await;
        Some(stderr).filter(|text| !text.trim().is_empty())
    }
}
