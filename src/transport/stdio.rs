//! stdio, on either side: one message a line over a pair of pipes.

use super::inbox::{Arrival, Inbox, Task, WeakFeed};
use super::{Bounds, Feed, LinkEvent, LinkWhat, Numbers, Order, SendOrder};
use crate::reference::SessionKey;
use crate::trace::{Body, Closing, StreamId, StreamKind, Text};
use crate::wire::Party;
use crate::wire::stdio::{EndedBy, Frame, Framer};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;

/// A line that is too long is counted to its end, but not beyond so many times what is kept.
const COUNTED: u64 = 8;

/// Our end of a pair of pipes. One session.
#[derive(Debug)]
pub struct StdioLink {
    party: Party,
    session: SessionKey,
    inbox: Inbox,
    feed: WeakFeed,
    /// What we write on.
    out: StreamId,
    /// Someone has recorded that it is closed.
    out_closed: Arc<AtomicBool>,
    outbox: Option<mpsc::UnboundedSender<Bytes>>,
    unsent: Arc<AtomicUsize>,
    bounds: Bounds,
    writer: Task,
    _reader: Task,
}

impl StdioLink {
    /// Our end as `party`, over what it reads and writes. The session begins at once.
    pub fn new<R, W>(party: Party, session: SessionKey, pipes: (R, W), numbers: &Numbers, bounds: Bounds) -> StdioLink
    where
        R: AsyncRead + Send + Unpin + 'static,
        W: AsyncWrite + Send + Unpin + 'static,
    {
        let (mut inbox, feed) = Inbox::new(&bounds);
        let (stdin, stdout) = (numbers.stream(), numbers.stream());
        for (stream, writer, kind) in
            [(stdin, Party::Client, StreamKind::Stdin), (stdout, Party::Server, StreamKind::Stdout)]
        {
            let body = Body::StreamOpened { stream, writer, kind, round_trip: None };
            inbox.ready(LinkEvent { session: Some(session), what: LinkWhat::Record(body) });
        }
        inbox.ready(LinkEvent { session: Some(session), what: LinkWhat::SessionOpened });
        let (out, from) = match party {
            Party::Client => (stdin, stdout),
            Party::Server => (stdout, stdin),
        };
        let (outbox, orders) = mpsc::unbounded_channel();
        let (out_closed, unsent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let weak = feed.weak();
        let closed = {
            let (weak, out_closed) = (weak.clone(), Arc::clone(&out_closed));
            async move |how: std::io::Error| {
                if let (false, Some(feed)) = (out_closed.swap(true, Ordering::Relaxed), weak.feed()) {
                    let how = Closing::Cut(how.to_string());
                    let body = Body::StreamClosed { stream: out, by: Some(party.other()), how };
                    feed.record(Some(session), body).await;
                }
            }
        };
        let writer = Task::spawn({
            let unsent = Arc::clone(&unsent);
            async move {
                if let Err(e) = write(pipes.1, orders, &unsent).await {
                    closed(e).await;
                }
            }
        });
        let reader = Task::spawn(read(pipes.0, party.other(), session, from, feed, bounds));
        let outbox = Some(outbox);
        StdioLink {
            party,
            session,
            inbox,
            feed: weak,
            out,
            out_closed,
            outbox,
            unsent,
            bounds,
            writer,
            _reader: reader,
        }
    }

    /// The party that is ours.
    #[must_use]
    pub fn party(&self) -> Party {
        self.party
    }

    /// See [`super::Link::order`].
    pub fn order(&mut self, order: Order) -> Vec<LinkEvent> {
        let mut events = self.inbox.take_ready();
        let mut record = |body| events.push(LinkEvent { session: Some(self.session), what: LinkWhat::Record(body) });
        match order {
            Order::Send(SendOrder { bytes, step, breaks, .. }) => {
                let text = Text::of(&bytes);
                let stream = self.out;
                record(Body::Message { stream, from: self.party, text, event_id: None, step, breaks, cut_from: None });
                let unsent = self.unsent.fetch_add(bytes.len(), Ordering::Relaxed) + bytes.len();
                if let Some(outbox) = &self.outbox {
                    // a closed outbox has been, or will be, recorded as the closing of the stream
                    let _ = outbox.send(bytes);
                }
                if unsent > self.bounds.unsent {
                    self.outbox = None;
                    let how = Closing::Bound(format!("the other party does not read: {unsent} bytes wait for it"));
                    if !self.out_closed.swap(true, Ordering::Relaxed) {
                        record(Body::StreamClosed { stream, by: Some(self.party), how });
                    }
                }
            }
            Order::EndInput => {
                self.outbox = None;
                if !self.out_closed.swap(true, Ordering::Relaxed) {
                    let by = Some(self.party);
                    record(Body::StreamClosed { stream: self.out, by, how: Closing::Clean });
                }
            }
            // these are HTTP's
            Order::Listen { .. }
            | Order::Drop { .. }
            | Order::CloseStream { .. }
            | Order::Refuse { .. }
            | Order::Delete { .. }
            | Order::Version { .. } => {}
        }
        events
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

    /// See [`super::Link::feed`]. `None` when the link has ended.
    #[must_use]
    pub fn feed(&self) -> Option<Feed> {
        self.feed.feed()
    }

    /// See [`super::Link::finish`].
    pub async fn finish(mut self, patience: Duration) -> Vec<LinkEvent> {
        let mut events = self.order(Order::EndInput);
        // a deadline, because the other party may not read
        let _ = tokio::time::timeout(patience, &mut self.writer.0).await;
        while let Some(arrival) = self.inbox.arrived() {
            if let Arrival::Event(event) = arrival {
                events.push(event);
            }
        }
        events
    }
}

/// Writes what comes, one line each, and closes the pipe when nothing more can come.
async fn write<W: AsyncWrite + Unpin>(
    mut pipe: W,
    mut orders: mpsc::UnboundedReceiver<Bytes>,
    unsent: &AtomicUsize,
) -> std::io::Result<()> {
    while let Some(bytes) = orders.recv().await {
        pipe.write_all(&bytes).await?;
        pipe.write_all(b"\n").await?;
        if orders.is_empty() {
            pipe.flush().await?;
        }
        unsent.fetch_sub(bytes.len(), Ordering::Relaxed);
    }
    pipe.shutdown().await
}

/// Reads lines until the pipe ends or a bound is exceeded.
async fn read<R: AsyncRead + Unpin>(
    mut pipe: R,
    from: Party,
    session: SessionKey,
    stream: StreamId,
    feed: Feed,
    bounds: Bounds,
) {
    let mut framer = Framer::new(bounds.message);
    let mut chunk = vec![0; 64 << 10];
    // how long the line is that has not ended yet
    let mut open: u64 = 0;
    let (by, how) = 'reading: loop {
        let read = match pipe.read(&mut chunk).await {
            Ok(0) => match framer.finish() {
                None => break (Some(from), Closing::Clean),
                Some(frame) => {
                    let how = format!("ended in the middle of a line, after {} bytes of it", frame.length);
                    feed.record(Some(session), message(stream, from, &frame)).await;
                    break (Some(from), Closing::Cut(how));
                }
            },
            Ok(n) => chunk.get(..n).unwrap_or_default(),
            Err(e) => break (None, Closing::Cut(e.to_string())),
        };
        for frame in framer.push(read) {
            let cut = frame.cut();
            if !feed.record(Some(session), message(stream, from, &frame)).await {
                return;
            }
            if cut {
                break 'reading (Some(from.other()), too_long(frame.length, bounds.message));
            }
        }
        open = match read.iter().rposition(|b| *b == b'\n') {
            Some(at) => (read.len() - at - 1) as u64,
            None => open + read.len() as u64,
        };
        if open > (bounds.message as u64).saturating_mul(COUNTED) {
            if let Some(frame) = framer.finish() {
                feed.record(Some(session), message(stream, from, &frame)).await;
            }
            break (Some(from.other()), too_long(open, bounds.message));
        }
    };
    feed.record(Some(session), Body::StreamClosed { stream, by, how }).await;
    feed.put(LinkEvent { session: Some(session), what: LinkWhat::SessionClosed }).await;
}

fn too_long(length: u64, limit: usize) -> Closing {
    Closing::Bound(format!("a line of {length} bytes or more; the bound is {limit}"))
}

pub(crate) fn message(stream: StreamId, from: Party, frame: &Frame) -> Body {
    // the line feed is the frame's; a carriage return is something that the sender put there
    let text = match (frame.ended_by, frame.cut()) {
        (EndedBy::CrLf, false) => Text::of(&[&frame.bytes[..], b"\r"].concat()),
        (_, true) => Text::of(super::beginning(&frame.bytes)),
        _ => Text::of(&frame.bytes),
    };
    let cut_from = frame.cut().then_some(frame.length);
    Body::Message { stream, from, text, event_id: None, step: None, breaks: Vec::new(), cut_from }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use crate::reference::Route;
    use crate::transport::memory;

    const SESSION: SessionKey = SessionKey(1);

    fn link(party: Party, pipes: memory::Pipes) -> StdioLink {
        StdioLink::new(party, SESSION, pipes, &Numbers::default(), Bounds { message: 100, ..Bounds::default() })
    }

    fn send(text: &str) -> Order {
        Order::Send(SendOrder::new(SESSION, Route::Unrelated, text.to_owned()))
    }

    /// What an event is, in a line.
    fn short(event: &LinkEvent) -> String {
        match &event.what {
            LinkWhat::Record(Body::StreamOpened { stream, kind, .. }) => format!("{kind:?} is {}", stream.0),
            LinkWhat::Record(Body::StreamClosed { stream, by, how }) => {
                format!("{} closed by {by:?}: {how:?}", stream.0)
            }
            LinkWhat::Record(Body::Message { stream, from, text, cut_from, .. }) => {
                let text = String::from_utf8_lossy(&text.bytes()).into_owned();
                format!("{} {from}: {text:?}{}", stream.0, cut_from.map_or(String::new(), |n| format!(" of {n}")))
            }
            other => format!("{other:?}"),
        }
    }

    async fn all(link: &mut StdioLink) -> Vec<String> {
        let mut events = Vec::new();
        while let Some(event) = link.next().await {
            events.push(short(&event));
        }
        events
    }

    #[tokio::test(start_paused = true)]
    async fn messages_go_both_ways_and_the_end_is_seen() {
        let (client, server) = memory::pipes();
        let (mut client, mut server) = (link(Party::Client, client), link(Party::Server, server));
        let sent: Vec<_> = client.order(send(r#"{"id":1}"#)).iter().map(short).collect();
        assert_eq!(sent, ["Stdin is 0", "Stdout is 1", "SessionOpened", r#"0 client: "{\"id\":1}""#]);
        for expected in ["Stdin is 0", "Stdout is 1", "SessionOpened", r#"0 client: "{\"id\":1}""#] {
            assert_eq!(short(&server.next().await.unwrap()), expected);
        }
        server.order(send("two"));
        server.order(send("three"));
        assert_eq!(
            client.order(Order::EndInput).iter().map(short).collect::<Vec<_>>(),
            ["0 closed by Some(Client): Clean"]
        );
        assert_eq!(all(&mut server).await, ["0 closed by Some(Client): Clean", "SessionClosed"]);
        let rest: Vec<_> = server.finish(Duration::from_secs(1)).await.iter().map(short).collect();
        assert_eq!(rest, ["1 closed by Some(Server): Clean"]);
        assert_eq!(
            all(&mut client).await,
            [r#"1 server: "two""#, r#"1 server: "three""#, "1 closed by Some(Server): Clean", "SessionClosed"]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_odd_about_lines_is_kept() {
        let (client, (_input, mut output)) = memory::pipes();
        let mut client = link(Party::Client, client);
        output.write_all(b"a\r\n\n\xff\nhalf").await.unwrap();
        output.shutdown().await.unwrap();
        client.inbox.take_ready();
        assert_eq!(
            all(&mut client).await,
            [
                "1 server: \"a\\r\"",
                "1 server: \"\"",
                "1 server: \"\u{fffd}\"",
                "1 server: \"half\"",
                "1 closed by Some(Server): Cut(\"ended in the middle of a line, after 4 bytes of it\")",
                "SessionClosed"
            ]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_line_that_is_too_long_is_cut_and_ends_the_stream() {
        for (bytes, length) in [(vec![b'x'; 301], 300), (vec![b'x'; 5000], 5000)] {
            let (client, (_input, mut output)) = memory::pipes();
            let mut client = link(Party::Client, client);
            let mut bytes = bytes;
            if length == 300 {
                bytes[300] = b'\n';
            }
            output.write_all(&bytes).await.unwrap();
            client.inbox.take_ready();
            let kept = "x".repeat(100);
            assert_eq!(
                all(&mut client).await,
                [
                    format!("1 server: {kept:?} of {length}"),
                    format!("1 closed by Some(Client): Bound(\"a line of {length} bytes or more; the bound is 100\")"),
                    "SessionClosed".to_owned()
                ]
            );
            // and the writer notices
            while output.write_all(&bytes).await.is_ok() {}
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_party_that_does_not_read_is_given_up() {
        let (client, _server) = memory::pipes();
        let bounds = Bounds { unsent: 1 << 20, ..Bounds::default() };
        let mut client = StdioLink::new(Party::Client, SESSION, client, &Numbers::default(), bounds);
        let big = "x".repeat(300 << 10);
        let mut events = Vec::new();
        for _ in 0..5 {
            events.extend(client.order(send(&big)).into_iter().map(|e| e.what));
            tokio::task::yield_now().await;
        }
        let closed = |e: &&LinkWhat| matches!(e, LinkWhat::Record(Body::StreamClosed { how: Closing::Bound(_), .. }));
        assert_eq!(events.iter().filter(closed).count(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_broken_pipe_is_recorded_once() {
        let (client, (_input, output)) = memory::pipes();
        let mut client = link(Party::Client, client);
        client.inbox.take_ready();
        drop((_input, output));
        client.order(send("lost"));
        let mut seen = all(&mut client).await;
        seen.extend(client.order(Order::EndInput).iter().map(short));
        assert_eq!(seen.iter().filter(|s| s.starts_with("0 closed")).count(), 1, "{seen:?}");
        assert_eq!(seen.iter().filter(|s| s.starts_with("1 closed")).count(), 1, "{seen:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_sends_faster_than_is_read_has_to_wait() {
        let (client, (_input, mut output)) = memory::pipes();
        let bounds = Bounds { events: 4, waiting: 1000, ..Bounds::default() };
        let mut client = StdioLink::new(Party::Client, SESSION, client, &Numbers::default(), bounds);
        let writing = tokio::spawn(async move {
            let line = format!("{}\n", "x".repeat(10 << 10));
            for _ in 0..100 {
                output.write_all(line.as_bytes()).await.unwrap();
            }
        });
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(!writing.is_finished());
        client.inbox.take_ready();
        assert_eq!(all(&mut client).await.len(), 102);
        writing.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_link_lets_go_of_its_pipes() {
        let (client, (mut input, _output)) = memory::pipes();
        let client = link(Party::Client, client);
        tokio::task::yield_now().await;
        drop(client);
        let mut rest = Vec::new();
        input.read_to_end(&mut rest).await.unwrap();
        assert!(rest.is_empty());
    }
}
