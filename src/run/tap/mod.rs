//! The tap: between any two programs, records what passes and judges it meanwhile.

mod desk;
mod opening;
mod scribe;

pub use desk::{Owing, Seen, Told};

use super::{Played, RECORDED, Results};
use crate::judge::Verdict;
use crate::judge::live::Judged;
use crate::peer::{Command, Exit, Ladder, Process, StartError};
use crate::spec::{self, Revision};
use crate::trace::record::FORMAT;
use crate::trace::{EndReason, Header, Seat, Transport};
use crate::transport::inbox::{Arrival, Inbox};
use crate::transport::standard::{Input, Output};
use crate::transport::{Acceptor, Bounds, Endpoint, Numbers, relay};
use crate::wire::Party;
use scribe::Scribe;
use serde_json::Map;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::watch;

/// How the command is ended when the tap is: at once with SIGTERM, as whoever ends the tap would have sent it that, and early
/// enough to say how it went before the next signal comes.
const LADDER: Ladder =
    Ladder { input: Duration::ZERO, terminate: Duration::from_millis(1500), kill: Duration::from_millis(400) };

/// How long what is under way may still pass when the tap is told to end.
const LAST: Duration = Duration::from_secs(1);

/// How long a client may take to read what the command has said before it ended.
const REST: Duration = Duration::from_secs(30);

/// The kinds of event that a tap records over stdio: the command's standard error is not its own.
const OVER_STDIO: [&str; 6] =
    ["stream-opened", "stream-closed", "message", "process-started", "process-signalled", "process-exited"];

/// What a tap is told.
pub struct Setup {
    /// The revision that the two speak; `None`: as they negotiate it.
    pub revision: Option<Revision>,
    /// The file for the record.
    pub record: Option<PathBuf>,
    /// Is told what is found, when it is found.
    pub tell: Box<dyn FnMut(&Told) + Send>,
}

/// What came of it.
#[derive(Debug)]
pub struct Passed {
    /// What is said of what passed.
    pub judged: Judged,
    /// What was seen in all.
    pub seen: Seen,
    /// How the command ended, over stdio; `None` if it did not.
    pub exit: Option<Exit>,
}

/// What was under way when the tap ended.
struct Ended {
    interrupted: bool,
    gone: Option<Party>,
}

fn header(setup: &Setup, transport: Transport) -> Header {
    let revision = setup.revision.unwrap_or(Revision::DEFAULT);
    let captured: &[&str] = if transport == Transport::Stdio { &OVER_STDIO } else { &RECORDED[..6] };
    Header {
        format: FORMAT,
        harness: env!("CARGO_PKG_VERSION").to_owned(),
        digests: spec::digests(revision),
        scenario: None,
        seat: Seat::Observer,
        revision,
        transport,
        client: "client".into(),
        server: "server".into(),
        choices: Vec::new(),
        fresh: Map::new(),
        bound: Map::new(),
        limits: Map::new(),
        captured: captured.iter().map(|kind| (*kind).to_owned()).collect(),
    }
}

/// A tap that has begun: its scribe, and the thread on which it is judged.
struct Begun {
    scribe: Scribe,
    desk: desk::Desk,
}

impl Begun {
    fn new(setup: Setup, transport: Transport) -> Result<Begun, String> {
        let header = header(&setup, transport);
        let (scribe, entries) = Scribe::new(header.clone(), setup.revision.is_some(), setup.record.as_deref())?;
        let desk = desk::Desk::open(header, entries, setup.tell)?;
        Ok(Begun { scribe, desk })
    }

    async fn end(self, ended: Ended, exit: Option<Exit>) -> Result<Passed, String> {
        self.scribe.caught_up().await;
        let open = self.desk.is_open();
        let reason = match ended.gone {
            // whoever leaves, or is sent away, while something is owed was not waited for
            _ if open && ended.interrupted => EndReason::Interrupted,
            Some(party) if open => EndReason::Gone { party, how: "it left".into() },
            _ => EndReason::Finished,
        };
        self.scribe.end(reason).await;
        let (judged, seen) = self.desk.close().await?;
        Ok(Passed { judged, seen, exit })
    }
}

/// Between the clients that connect to `acceptor` and the server at `upstream`, until it is told to stop. `ready` is called when
/// clients may come.
///
/// # Errors
/// When the record cannot be made.
pub async fn http(
    acceptor: Acceptor,
    upstream: Endpoint,
    setup: Setup,
    ready: impl FnOnce(),
    stopped: watch::Receiver<bool>,
) -> Result<Passed, String> {
    let begun = Begun::new(setup, Transport::Http)?;
    ready();
    let mut told = stopped.clone();
    let relay = relay::http(acceptor, upstream, Numbers::default(), Bounds::default(), begun.scribe.clone(), stopped);
    let mut relay = std::pin::pin!(relay);
    tokio::select! {
        () = &mut relay => {}
        () = stops(&mut told) => {
            // what does not end by then is cut
            let _ = tokio::time::timeout(LAST, relay).await;
        }
    }
    begun.end(Ended { interrupted: true, gone: None }, None).await
}

/// Between whoever started us and a command that is started here, until the command has ended.
///
/// # Errors
/// When the command cannot be started or the record cannot be made.
pub async fn stdio(
    client: (Input, Output),
    command: &Command,
    setup: Setup,
    mut stopped: watch::Receiver<bool>,
) -> Result<Passed, String> {
    let (process, server) = Process::start_between(command, Party::Server).map_err(|e| cannot_start(&e))?;
    let begun = Begun::new(setup, Transport::Stdio)?;
    let (mut inbox, feed) = Inbox::new(&Bounds::default());
    process.tell(feed);
    let scribe = begun.scribe.clone();
    let telling = tokio::spawn(async move {
        while let Some(Arrival::Event(event)) = inbox.arrival().await {
            relay::Witness::put(&scribe, event).await;
        }
    });
    let (stop_up, told_up) = watch::channel(false);
    let (stop_down, told_down) = watch::channel(false);
    let (numbers, bounds) = (Numbers::default(), Bounds::default());
    let relay = relay::stdio(client, server, &numbers, bounds, begun.scribe.clone(), (told_up, told_down));
    let mut relay = std::pin::pin!(relay);
    let mut passing = true;
    let mut interrupted = false;
    let exit = loop {
        tokio::select! {
            biased;
            () = &mut relay, if passing => passing = false,
            exit = process.ended() => break Some(exit),
            () = stops(&mut stopped), if !interrupted => {
                interrupted = true;
                let stopping = process.stop(&LADDER);
                let mut stopping = std::pin::pin!(stopping);
                // what it still says must pass, or it cannot end
                let exit = loop {
                    tokio::select! {
                        biased;
                        () = &mut relay, if passing => passing = false,
                        exit = &mut stopping => break exit,
                    }
                };
                break exit;
            }
        }
    };
    if passing {
        // nobody is left to hear the client, but what the command has said it shall get
        let _ = stop_up.send(true);
        let patience = if interrupted { LAST } else { REST };
        if tokio::time::timeout(patience, &mut relay).await.is_err() {
            let _ = stop_down.send(true);
            relay.await;
        }
    }
    let _ = tokio::time::timeout(LAST, telling).await;
    let gone = Some(if interrupted { Party::Client } else { Party::Server });
    begun.end(Ended { interrupted, gone }, exit).await
}

/// Waits until it is told to stop. Nothing of the flag is held then: it must be possible to raise it again.
async fn stops(stopped: &mut watch::Receiver<bool>) {
    // a flag that nobody can raise any more is never raised
    if stopped.wait_for(|stopped| *stopped).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Why a command cannot be started; nobody has written it into a file of ours.
fn cannot_start(error: &StartError) -> String {
    match error {
        StartError::NoProgram { name, dir, .. } if name.contains('/') => {
            format!("there is no program {name} (looked for from {})", dir.display())
        }
        other => other.to_string(),
    }
}

impl Passed {
    /// As the results of a run, for the report. `again`: the command that judges the record once more.
    #[must_use]
    pub fn results(self, peer: String, again: String) -> Results {
        let Judged { judgement, trace } = self.judged;
        let revision = trace.header.revision;
        let interrupted = judgement.verdict == Verdict::Inconclusive;
        let title = "What passed".to_owned();
        let played = Played { scenario: "tap".into(), title, trace, judgement, again };
        Results {
            seat: Seat::Observer,
            peer,
            revision,
            played: vec![played],
            skipped: Vec::new(),
            troubles: Vec::new(),
            unkept: Vec::new(),
            interrupted,
        }
    }
}
