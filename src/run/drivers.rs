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
use std::cell::RefCell;
use std::path::PathBuf;
use std::time::Duration;

/// How long a driver may take to say hello.
const START: Duration = Duration::from_secs(15);

/// Starts drivers, and keeps those that have nothing to do.
#[derive(Debug)]
pub struct Drivers {
    command: Command,
    /// This program, which a client starts to reach us over stdio.
    program: PathBuf,
    idle: RefCell<Vec<DriverProcess>>,
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
        Drivers { command, program, idle: RefCell::default() }
    }

    /// One that has said hello.
    async fn ready(&self) -> Result<DriverProcess, Unready> {
        let free = self.idle.borrow_mut().pop();
        if let Some(driver) = free.filter(|driver| driver.process().exit().is_none()) {
            return Ok(driver);
        }
        let mut driver = DriverProcess::start(&self.command).map_err(|e| {
            Unready::Closed(Closed {
                what: e.to_string(),
                stderr: e.stderr().map(str::to_owned),
                blame: Blame::Environment,
            })
        })?;
        let hello = driver.mover.order(None, Action::Hello { versions: vec![VERSION] });
        let said = tokio::time::timeout(START, driver.mover.reports.recv()).await;
        let why = match said {
            Ok(Some(Report::Answer { id, answer: Answer::Result(result) })) if id == hello => {
                match result.get("version").and_then(serde_json::Value::as_u64) {
                    Some(VERSION) => return Ok(driver),
                    _ => {
                        format!("it does not speak version {VERSION} of the protocol: it answered hello with {result}")
                    }
                }
            }
            Ok(Some(Report::Gone(how))) => {
                let stderr = driver.stop(&Ladder::default()).await;
                let last = stderr.lines().rfind(|line| !line.trim().is_empty());
                let said = last.map_or(String::new(), |line| format!("; it wrote: {line}"));
                return Err(Unready::NeverCame(format!("its driver said nothing: {how}{said}")));
            }
            Ok(Some(Report::Garbled(what))) => format!("it is no driver: it wrote {what}"),
            Ok(Some(other)) => format!("it answered hello with {}", other.line().unwrap_or_default()),
            Ok(None) | Err(_) => format!("it did not answer hello within {} s", START.as_secs()),
        };
        let what = format!("`{}`: {why}", self.command.line());
        let stderr = Some(driver.stop(&Ladder::default()).await).filter(|text| !text.trim().is_empty());
        Err(Unready::Closed(Closed { what, stderr, blame: Blame::Environment }))
    }

    /// Ends all that run.
    pub async fn stop(&self) {
        let idle = std::mem::take(&mut *self.idle.borrow_mut());
        for driver in idle {
            driver.stop(&Ladder::default()).await;
        }
    }
}

/// Something that our own end needs was refused by the system.
fn refused(e: &std::io::Error) -> Unready {
    let what = format!("the harness cannot listen on the loopback interface: {e}");
    Unready::Closed(Closed { what, stderr: None, blame: Blame::Environment })
}

/// A server's end that listens on a port of the loopback interface, and its URL.
///
/// # Errors
/// When the system refuses.
pub(super) async fn listening() -> Result<(Link, String), Unready> {
    let acceptor = Acceptor::loopback(0).await.map_err(|e| refused(&e))?;
    let port = acceptor.address().map_or(0, |address| address.port());
    let mut entropy = surroundings::real();
    let bits = move || entropy.bits().to_be_bytes();
    let (policy, habits) = (ServerPolicy::reference(), ServerHabits::default());
    let (numbers, bounds) = (Numbers::default(), Bounds::default());
    let server = HttpServer::new(acceptor, policy, bits, SessionKey(0), habits, &numbers, bounds);
    Ok((Link::HttpServer(Box::new(server)), format!("http://127.0.0.1:{port}/mcp")))
}

impl Clients for Drivers {
    type Held = Held;

    async fn open(&self, play: &Play) -> Result<Opened<Held>, Unready> {
        let (link, to, place) = match play.plan.transport() {
            Transport::Http => {
                let (link, url) = listening().await?;
                (link, Target::Url(url), None)
            }
            Transport::Stdio => {
                let (numbers, bounds) = (Numbers::default(), Bounds::default());
                let place = Place::new(surroundings::real().bits()).await.map_err(|e| refused(&e))?;
                let program = self.program.to_string_lossy().into_owned();
                let words = [program, "attach".to_owned(), place.address.to_string(), place.secret.clone()];
                let (pipes, kept) = place.split();
                let link = StdioLink::new(Party::Server, SessionKey(0), pipes, &numbers, bounds);
                (Link::Stdio(link), Target::Command(words.to_vec()), Some(kept))
            }
        };
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
        driver.process().hush();
        let stderr = driver.process().stderr();
        if well && driver.process().exit().is_none() {
            self.idle.borrow_mut().push(driver);
        } else {
            // what is left of its client would disturb the next play
            driver.stop(&Ladder::default()).await;
        }
        Some(stderr).filter(|text| !text.trim().is_empty())
    }
}
