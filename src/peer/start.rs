//! Starting a server so that it can be talked to: over the pipes of a new process, or over HTTP.

use super::config::{PORT, ServerSpec};
use super::process::{Command, Exit, Ladder, Process};
use crate::reference::SessionKey;
use crate::trace::{Body, Transport};
use crate::transport::{
    Bounds, Endpoint, HttpClient, HttpHabits, Link, LinkEvent, LinkWhat, Numbers, Order, StdioLink,
};
use crate::wire::Party;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::time::Duration;
use tokio::process::{ChildStdin, ChildStdout};

/// The session of a link that has only one.
const SESSION: SessionKey = SessionKey(0);

/// How much of what a program says while it is being ended is kept, in events.
const MOST_LAST_WORDS: usize = 10_000;

/// How long a link may take to hand over the last of it.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How long a server may take until it listens.
const LISTENS: Duration = Duration::from_secs(15);

/// How often it is looked whether it does.
const POLL: Duration = Duration::from_millis(20);

/// How many ports are tried.
const PORTS: u32 = 3;

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
    /// The peer has no server of that kind.
    #[error("the peer has no server over {transport}; add `{transport}` to its `server` in harness.toml")]
    NotOffered {
        /// The transport.
        transport: Transport,
    },
    /// The URL names nothing that can be reached.
    #[error("{why}")]
    BadUrl {
        /// What is wrong with it.
        why: String,
    },
    /// There is no free port.
    #[error("no port of the loopback interface can be taken: {why}")]
    NoPort {
        /// What the system says.
        why: String,
    },
    /// It ended before it listened.
    #[error("`{command}` ended before it listened: {exit}")]
    EndedEarly {
        /// The command line.
        command: String,
        /// How it ended, in one sentence.
        exit: String,
        /// The end of what it wrote.
        stderr: String,
    },
    /// It runs, but does not listen.
    #[error(
        "`{command}` did not listen on port {port} of the loopback interface within {seconds} s; \
         does it use the port it is told?"
    )]
    NotListening {
        /// The command line.
        command: String,
        /// The port it was told.
        port: u16,
        /// How long it was waited for.
        seconds: u64,
        /// The end of what it wrote.
        stderr: String,
    },
}

impl StartError {
    /// What the program wrote before it was given up, if anything.
    #[must_use]
    pub fn stderr(&self) -> Option<&str> {
        match self {
            StartError::EndedEarly { stderr, .. } | StartError::NotListening { stderr, .. } => {
                Some(stderr.as_str()).filter(|text| !text.is_empty())
            }
            _ => None,
        }
    }

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
    format!("there is no program `{name}` on the PATH ({path}); install it, or name it by its whole path")
}

/// A server that listens, or that somebody else runs. Many connections can be made to it, one after the other.
#[derive(Debug)]
pub struct ServerProcess {
    endpoint: Endpoint,
    url: String,
    process: Option<Process>,
    stdin: Option<ChildStdin>,
    _port: Option<Port>,
}

/// A link to a server, and the program behind it.
#[derive(Debug)]
pub struct Started {
    /// The link.
    pub link: Link,
    /// The program, if it was started for this link.
    pub process: Option<Process>,
    /// The server behind it, if it was started for this link and listens.
    pub server: Option<ServerProcess>,
}

/// What was left when a server was ended.
#[derive(Debug)]
pub struct Stopped {
    /// What is still to be recorded.
    pub events: Vec<LinkEvent>,
    /// How the program ended; `None` if there was none, or it did not end even after SIGKILL.
    pub exit: Option<Exit>,
}

/// Starts a server and connects to it: over stdio to a new process; over HTTP to a new process that listens, or to the URL.
/// What happens to the process is told through the link.
///
/// # Errors
/// When it cannot be started or reached.
pub async fn start(
    spec: &ServerSpec,
    transport: Transport,
    numbers: &Numbers,
    bounds: Bounds,
) -> Result<Started, StartError> {
    match transport {
        Transport::Stdio => {
            let (link, process) = stdio(spec, numbers, bounds)?;
            Ok(Started { link, process: Some(process), server: None })
        }
        Transport::Http => {
            let server = ServerProcess::start(spec).await?;
            let link = server.connect(HttpHabits::default(), numbers, bounds);
            Ok(Started { link, process: None, server: Some(server) })
        }
    }
}

/// Starts a server that speaks over its standard input and output. What happens to it is told through the link.
///
/// # Errors
/// When it cannot be started.
pub fn stdio(spec: &ServerSpec, numbers: &Numbers, bounds: Bounds) -> Result<(Link, Process), StartError> {
    let (process, pipes) = pipes(spec)?;
    let link = Link::Stdio(StdioLink::new(Party::Client, SESSION, pipes, numbers, bounds));
    if let Some(feed) = link.feed() {
        process.tell(feed);
    }
    Ok((link, process))
}

/// Starts a server that speaks over its standard input and output, and gives these: what it writes, and what it reads.
///
/// # Errors
/// When it cannot be started.
pub fn pipes(spec: &ServerSpec) -> Result<(Process, (ChildStdout, ChildStdin)), StartError> {
    let command = spec.stdio.as_ref().ok_or(StartError::NotOffered { transport: Transport::Stdio })?;
    Process::start(command, Party::Server)
}

impl Started {
    /// Ends the server and the link; see [`Process::stop`].
    pub async fn stop(mut self, ladder: &Ladder) -> Stopped {
        let mut events = self.link.order(Order::EndInput);
        let exit = {
            let stopping = async {
                match (&self.process, &mut self.server) {
                    (Some(process), _) => process.stop(ladder).await,
                    (None, Some(server)) => server.stop(ladder).await,
                    (None, None) => None,
                }
            };
            tokio::pin!(stopping);
            // what it still says must be read, or it cannot end
            loop {
                tokio::select! {
                    exit = &mut stopping => break exit,
                    Some(event) = self.link.next() => keep(&mut events, event),
                    else => break stopping.await,
                }
            }
        };
        for event in self.link.finish(LAST_WORDS).await {
            keep(&mut events, event);
        }
        Stopped { events, exit }
    }
}

/// Keeps what is to be recorded. Of a program that talks on and on while it is being ended only its end is kept.
fn keep(events: &mut Vec<LinkEvent>, event: LinkEvent) {
    let last = matches!(event.what, LinkWhat::Record(Body::ProcessExited { .. } | Body::StreamClosed { .. }));
    if last || events.len() < MOST_LAST_WORDS {
        events.push(event);
    }
}

impl ServerProcess {
    /// Starts a server on a free port of the loopback interface and waits until it listens there; with a URL there is nothing
    /// to start.
    ///
    /// # Errors
    /// When it cannot be started, ends early, or does not listen within 15 seconds.
    pub async fn start(spec: &ServerSpec) -> Result<ServerProcess, StartError> {
        if let Some(url) = &spec.url {
            let endpoint = Endpoint::parse(url).map_err(|e| StartError::BadUrl { why: e.to_string() })?;
            return Ok(ServerProcess { endpoint, url: url.clone(), process: None, stdin: None, _port: None });
        }
        let command = spec.http.as_ref().ok_or(StartError::NotOffered { transport: Transport::Http })?;
        let mut left = PORTS;
        loop {
            left -= 1;
            match ServerProcess::listening(command, &spec.path).await {
                // somebody else may have taken the port in the meantime
                Err(StartError::EndedEarly { stderr, .. }) if left > 0 && taken(&stderr) => {}
                done => return done,
            }
        }
    }

    async fn listening(command: &Command, path: &str) -> Result<ServerProcess, StartError> {
        let held = Port::free().map_err(|e| StartError::NoPort { why: e.to_string() })?;
        let port = held.number;
        let told = |text: &String| text.replace(PORT, &port.to_string());
        let command = Command {
            words: command.words.iter().map(told).collect(),
            dir: command.dir.clone(),
            env: command.env.iter().map(|(name, value)| (name.clone(), told(value))).collect(),
        };
        let (process, stdin) = Process::start_aside(&command, Party::Server)?;
        let deadline = tokio::time::Instant::now() + LISTENS;
        let host = loop {
            if let Some(exit) = process.exit() {
                let (command, stderr) = (command.line(), process.stderr());
                return Err(StartError::EndedEarly { command, exit: exit.to_string(), stderr });
            }
            if let Some(host) = accepts(port).await {
                break host;
            }
            if tokio::time::Instant::now() >= deadline {
                let (command, stderr) = (command.line(), process.stderr());
                return Err(StartError::NotListening { command, port, seconds: LISTENS.as_secs(), stderr });
            }
            tokio::select! {
                _ = process.ended() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        };
        let url = format!("http://{host}:{port}{path}");
        let endpoint = Endpoint::parse(&url).map_err(|e| StartError::BadUrl { why: e.to_string() })?;
        Ok(ServerProcess { endpoint, url, process: Some(process), stdin, _port: Some(held) })
    }

    /// Where it is found.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The same, to connect to.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The program, if we started it.
    #[must_use]
    pub fn process(&self) -> Option<&Process> {
        self.process.as_ref()
    }

    /// A new link to it. What happens to the process from now on is told through this link, and no longer through the one
    /// before.
    #[must_use]
    pub fn connect(&self, habits: HttpHabits, numbers: &Numbers, bounds: Bounds) -> Link {
        let link = HttpClient::new(self.endpoint.clone(), SESSION, habits, numbers, bounds);
        let link = Link::HttpClient(Box::new(link));
        if let (Some(process), Some(feed)) = (&self.process, link.feed()) {
            process.tell_meanwhile(&feed);
        }
        link
    }

    /// Ends the program, if we started it. A server that listens has no reason to end with its standard input, so that is not
    /// waited for.
    pub async fn stop(&mut self, ladder: &Ladder) -> Option<Exit> {
        self.stdin = None;
        match &self.process {
            Some(process) => process.stop(&Ladder { input: Duration::ZERO, ..*ladder }).await,
            None => None,
        }
    }
}

/// So often another port is tried before it is said that none is free.
const TRIES: usize = 64;

/// A port of the loopback interface that is given to a server. One that does not listen yet still looks free, to us and to
/// others like us on this machine; so while it is held, the UDP port of the same number, which no server of HTTP wants, is
/// taken as a sign.
#[derive(Debug)]
struct Port {
    number: u16,
    _sign: UdpSocket,
}

impl Port {
    /// One that is free now, and that nobody like us has given to a server.
    fn free() -> std::io::Result<Port> {
        let mut tries = TRIES;
        loop {
            tries -= 1;
            let number = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
            match UdpSocket::bind((Ipv4Addr::LOCALHOST, number)) {
                Ok(sign) => return Ok(Port { number, _sign: sign }),
                Err(_) if tries > 0 => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// The loopback address, as it stands in a URL, at which the port accepts a connection. Some servers listen on one only.
async fn accepts(port: u16) -> Option<&'static str> {
    let addresses = [(IpAddr::from(Ipv4Addr::LOCALHOST), "127.0.0.1"), (IpAddr::from(Ipv6Addr::LOCALHOST), "[::1]")];
    for (address, host) in addresses {
        let connecting = tokio::net::TcpStream::connect((address, port));
        if let Ok(Ok(_)) = tokio::time::timeout(Duration::from_secs(1), connecting).await {
            return Some(host);
        }
    }
    None
}

fn taken(stderr: &str) -> bool {
    let said = stderr.to_lowercase();
    ["eaddrinuse", "address already in use", "only one usage of each socket address"].iter().any(|s| said.contains(s))
}

#[cfg(all(test, unix))]
#[path = "start_tests.rs"]
mod tests;
