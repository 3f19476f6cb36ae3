//! The relay: stands between a client and a server that are not ours, passes on every byte that they send, and records what
//! the bytes say.
//!
//! What a party says is recorded before the other party has all of it, so that an answer never stands before what it answers.
//! The bytes pass as they come and as they are; over HTTP each connection of a client is one connection to the server, and
//! only the address by which the relay is reached is exchanged (see [`crate::wire::http1::Address`]). What cannot be
//! understood passes all the same.

mod book;
mod connection;
mod pipe;

use super::http::{listen, told};
use super::inbox::{Arrival, Inbox, Task, WeakFeed};
use super::{Acceptor, Bounds, Endpoint, Feed, LinkEvent, LinkWhat, Numbers, Order};
use crate::trace::{Body, StreamKind};
use crate::wire::Party;
use connection::Hall;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

/// Who writes down what passes.
pub trait Witness: Clone + Send + Sync + 'static {
    /// Writes one thing down. Nothing of it is passed on before this is done.
    fn put(&self, event: LinkEvent) -> impl Future<Output = ()> + Send;
}

impl Witness for Feed {
    async fn put(&self, event: LinkEvent) {
        // a link that nobody reads any more passes on all the same
        Feed::put(self, event).await;
    }
}

/// Writes several things down.
async fn put_all<W: Witness>(witness: &W, events: Vec<LinkEvent>) {
    for event in events {
        witness.put(event).await;
    }
}

fn record(body: Body) -> LinkEvent {
    LinkEvent { session: None, what: LinkWhat::Record(body) }
}

/// Passes on between a client and a server over stdio (what is read from each, what is written to it), until both directions
/// are over: each by itself, or when it is told to stop. `stopped`: for what the client says, and for what the server says.
pub async fn stdio<W, A, B, C, D>(
    client: (A, B),
    server: (C, D),
    numbers: &Numbers,
    bounds: Bounds,
    witness: W,
    stopped: (watch::Receiver<bool>, watch::Receiver<bool>),
) where
    W: Witness,
    A: AsyncRead + Unpin,
    B: AsyncWrite + Unpin,
    C: AsyncRead + Unpin,
    D: AsyncWrite + Unpin,
{
    let (stdin, stdout) = (numbers.stream(), numbers.stream());
    for (stream, writer, kind) in
        [(stdin, Party::Client, StreamKind::Stdin), (stdout, Party::Server, StreamKind::Stdout)]
    {
        witness.put(record(Body::StreamOpened { stream, writer, kind, round_trip: None })).await;
    }
    let up = pipe::pass(client.0, server.1, Party::Client, stdin, &witness, bounds, stopped.0);
    let down = pipe::pass(server.0, client.1, Party::Server, stdout, &witness, bounds, stopped.1);
    tokio::join!(up, down);
}

/// Passes on between the clients that connect to `acceptor` and the server at `upstream`, until it is told to stop and what is
/// under way is over; streams of events end then.
pub async fn http<W: Witness>(
    acceptor: Acceptor,
    upstream: Endpoint,
    numbers: Numbers,
    bounds: Bounds,
    witness: W,
    stopped: watch::Receiver<bool>,
) {
    let hall = Hall::new(&acceptor, upstream, numbers, bounds, witness, stopped.clone());
    listen(acceptor, bounds.connections, stopped, move |io| hall.clone().serve(io)).await;
}

/// A relay whose record is read as that of any other link.
#[derive(Debug)]
pub struct Relay {
    inbox: Inbox,
    feed: WeakFeed,
    stop: watch::Sender<bool>,
    http: bool,
    _task: Task,
}

impl Relay {
    /// Between a client and a server over stdio: what is read from the client, what is written to it, and likewise for the
    /// server.
    pub fn stdio<A, B, C, D>(client: (A, B), server: (C, D), numbers: &Numbers, bounds: Bounds) -> Relay
    where
        A: AsyncRead + Send + Unpin + 'static,
        B: AsyncWrite + Send + Unpin + 'static,
        C: AsyncRead + Send + Unpin + 'static,
        D: AsyncWrite + Send + Unpin + 'static,
    {
        let (inbox, feed) = Inbox::new(&bounds);
        let (weak, numbers) = (feed.weak(), numbers.clone());
        let (stop, stopped) = watch::channel(false);
        let passing = async move { stdio(client, server, &numbers, bounds, feed, (stopped.clone(), stopped)).await };
        Relay { inbox, feed: weak, stop, http: false, _task: Task::spawn(passing) }
    }

    /// Between the clients that connect to `acceptor` and the server at `upstream`.
    #[must_use]
    pub fn http(acceptor: Acceptor, upstream: Endpoint, numbers: &Numbers, bounds: Bounds) -> Relay {
        let (inbox, feed) = Inbox::new(&bounds);
        let weak = feed.weak();
        let (stop, stopped) = watch::channel(false);
        let passing = http(acceptor, upstream, numbers.clone(), bounds, feed, stopped);
        Relay { inbox, feed: weak, stop, http: true, _task: Task::spawn(passing) }
    }

    /// Does it stand between HTTP parties?
    #[must_use]
    pub fn is_http(&self) -> bool {
        self.http
    }

    /// Only [`Order::EndInput`] means something to it: it passes nothing more on. A relay says nothing of its own.
    pub fn order(&mut self, order: Order) -> Vec<LinkEvent> {
        if order == Order::EndInput {
            self.stop.send_replace(true);
        }
        self.inbox.take_ready()
    }

    /// See [`super::Link::next`].
    pub async fn next(&mut self) -> Option<LinkEvent> {
        if let Some(event) = self.inbox.pop_ready() {
            return Some(event);
        }
        loop {
            if let Arrival::Event(event) = self.inbox.arrival().await? {
                return Some(event);
            }
        }
    }

    /// See [`super::Link::feed`].
    #[must_use]
    pub fn feed(&self) -> Option<Feed> {
        self.feed.feed()
    }

    /// See [`super::Link::finish`].
    pub async fn finish(mut self, patience: Duration) -> Vec<LinkEvent> {
        let mut events = self.order(Order::EndInput);
        let deadline = tokio::time::Instant::now() + patience;
        while let Ok(Some(event)) = tokio::time::timeout_at(deadline, self.next()).await {
            events.push(event);
        }
        events
    }
}
