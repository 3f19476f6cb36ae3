//! The tap: stands between a client and a server that are not ours, passes on what they say, and records it.
//!
//! What a party says is recorded before the other party gets it, so that an answer never stands before what it answers. Over
//! stdio the bytes pass unchanged as they come. Over HTTP each request is passed on in a connection of its own with its
//! headers (but `Host` and those that concern one connection only), event streams as they come, other bodies whole.

use super::http::{
    Answer, HyperIo, chain, connection_builder, header_map, headers_of, listen, message, recorded, told,
};
use super::http_client::ask;
use super::inbox::{Arrival, Inbox, Task, WeakFeed};
use super::{Acceptor, Bounds, Endpoint, Feed, Io, LinkEvent, LinkWhat, Numbers, Order, stdio};
use crate::trace::{Body, Closing, StreamId, StreamKind, Text};
use crate::wire::Party;
use crate::wire::http::{EVENT_STREAM, Headers, Request, ResponseHead, SESSION_ID, media_type};
use crate::wire::stdio::{EndedBy, Framer};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Frame, Incoming};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// So many pieces of a body may be under way to a party that reads slowly.
const UNDER_WAY: usize = 16;

/// The largest body of a request, and the largest single answer, in multiples of what is kept of a message.
const LARGEST: usize = 8;

/// Headers that concern one connection only (RFC 9110, section 7.6.1), and those that hyper writes itself.
const OWN: [&str; 10] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "content-length",
];

/// A tap between two parties.
#[derive(Debug)]
pub struct Relay {
    inbox: Inbox,
    feed: WeakFeed,
    stop: watch::Sender<bool>,
    http: bool,
    _tasks: Vec<Task>,
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
        let (mut inbox, feed) = Inbox::new(&bounds);
        let (stdin, stdout) = (numbers.stream(), numbers.stream());
        for (stream, writer, kind) in
            [(stdin, Party::Client, StreamKind::Stdin), (stdout, Party::Server, StreamKind::Stdout)]
        {
            let body = Body::StreamOpened { stream, writer, kind, round_trip: None };
            inbox.ready(LinkEvent { session: None, what: LinkWhat::Record(body) });
        }
        let weak = feed.weak();
        let (stop, stopped) = watch::channel(false);
        let from_client = pass(client.0, server.1, Party::Client, stdin, feed.clone(), bounds, stopped.clone());
        let from_server = pass(server.0, client.1, Party::Server, stdout, feed, bounds, stopped);
        let tasks = vec![Task::spawn(from_client), Task::spawn(from_server)];
        Relay { inbox, feed: weak, stop, http: false, _tasks: tasks }
    }

    /// Between the clients that connect to `acceptor` and the server at `upstream`.
    #[must_use]
    pub fn http(acceptor: Acceptor, upstream: Endpoint, numbers: &Numbers, bounds: Bounds) -> Relay {
        let (inbox, feed) = Inbox::new(&bounds);
        let weak = feed.weak();
        let (stop, stopped) = watch::channel(false);
        let tap =
            Tap { feed, upstream, numbers: numbers.clone(), bounds, stopped: stopped.clone(), streams: Arc::default() };
        let listening = listen(acceptor, bounds.connections, stopped, move |io| serve(io, tap.clone()));
        Relay { inbox, feed: weak, stop, http: true, _tasks: vec![Task::spawn(listening)] }
    }

    /// Does it stand between HTTP parties?
    #[must_use]
    pub fn is_http(&self) -> bool {
        self.http
    }

    /// Only [`Order::EndInput`] means something to it: it passes nothing more on. A tap says nothing of its own.
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

/// Passes one direction of stdio on until either end of it is gone.
async fn pass<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    mut from: R,
    mut to: W,
    party: Party,
    stream: StreamId,
    feed: Feed,
    bounds: Bounds,
    mut stopped: watch::Receiver<bool>,
) {
    let mut framer = Framer::new(bounds.message);
    let mut chunk = vec![0; 64 << 10];
    let (by, how) = loop {
        let read = tokio::select! {
            biased;
            read = from.read(&mut chunk) => read,
            () = told(&mut stopped) => break (None, Closing::Clean),
        };
        let read = match read {
            Ok(0) => match framer.finish() {
                None => break (Some(party), Closing::Clean),
                Some(frame) => {
                    debug_assert_eq!(frame.ended_by, EndedBy::End);
                    let how = format!("ended in the middle of a line, after {} bytes of it", frame.length);
                    feed.record(None, stdio::message(stream, party, &frame)).await;
                    break (Some(party), Closing::Cut(how));
                }
            },
            Ok(n) => chunk.get(..n).unwrap_or_default(),
            Err(e) => break (None, Closing::Cut(e.to_string())),
        };
        for frame in framer.push(read) {
            feed.record(None, stdio::message(stream, party, &frame)).await;
        }
        let written = async {
            to.write_all(read).await?;
            to.flush().await
        };
        if let Err(e) = written.await {
            break (Some(party.other()), Closing::Cut(e.to_string()));
        }
    };
    feed.record(None, Body::StreamClosed { stream, by, how }).await;
    // the party may be gone, and then there is nothing to close
    let _ = to.shutdown().await;
}

/// What connections need.
#[derive(Clone)]
struct Tap {
    feed: Feed,
    upstream: Endpoint,
    numbers: Numbers,
    bounds: Bounds,
    stopped: watch::Receiver<bool>,
    /// The event streams that are being passed on.
    streams: Arc<Mutex<JoinSet<()>>>,
}

impl Tap {
    async fn record(&self, bodies: impl IntoIterator<Item = Body>) {
        for body in bodies {
            self.feed.record(None, body).await;
        }
    }
}

/// Serves one connection of a client.
async fn serve(io: Io, tap: Tap) {
    let mut stopped = tap.stopped.clone();
    let builder = connection_builder(&tap.bounds, false);
    let service = hyper::service::service_fn(move |request| exchange(request, tap.clone()));
    let mut connection = std::pin::pin!(builder.serve_connection(HyperIo(io), service));
    tokio::select! {
        biased;
        () = told(&mut stopped) => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
        _ = connection.as_mut() => {}
    }
}

/// Passes one request on, and its answer back.
async fn exchange(request: hyper::Request<Incoming>, tap: Tap) -> Result<hyper::Response<Passed>, std::io::Error> {
    let rt = tap.numbers.round_trip();
    let (parts, body) = request.into_parts();
    let largest = tap.bounds.message.saturating_mul(LARGEST);
    let (body, broken) = whole(body, largest).await;
    let path = parts.uri.path_and_query().map_or("/", |p| p.as_str()).to_owned();
    let mut request =
        Request { method: parts.method.as_str().to_owned(), path, headers: headers_of(&parts.headers), body };
    let (method, headers) = (request.method.clone(), recorded(&request.headers));
    tap.record([Body::HttpRequest {
        round_trip: rt,
        method,
        target: request.path.clone(),
        headers,
        step: None,
        client: None,
    }])
    .await;
    if request.method == "POST" || !request.body.is_empty() {
        let (stream, from) = (tap.numbers.stream(), Party::Client);
        let (kind, round_trip) = (StreamKind::Post, Some(rt));
        let mut bodies = vec![Body::StreamOpened { stream, writer: from, kind, round_trip }];
        if broken.is_none() {
            bodies.push(bounded(stream, from, &request.body, &tap.bounds));
        }
        let by = (!matches!(broken, Some(Closing::Bound(_)))).then_some(from);
        bodies.push(Body::StreamClosed { stream, by, how: broken.clone().unwrap_or(Closing::Clean) });
        tap.record(bodies).await;
    }
    if let Some(Closing::Cut(why) | Closing::Bound(why)) = broken {
        return Err(std::io::Error::other(why));
    }
    for name in OWN {
        request.headers.remove(name);
    }
    request.headers.set("host", &tap.upstream.host);
    request.path = target(&tap.upstream.path, &request.path);
    let mut answer =
        Awaited { answer: Some(Answer::new(rt, &request.method, None, &tap.numbers, tap.bounds)), tap: &tap };
    let deletes = request.method == "DELETE" && request.headers.get(SESSION_ID).is_some();
    let mut connected = false;
    let asked = ask(&tap.upstream.connector, request, &tap.bounds, &mut connected).await;
    let (response, connection) = match asked {
        Ok(answered) => answered,
        Err(why) if !connected => {
            // a client that is told nothing would blame the tap
            let text = format!("the server cannot be reached: {why}");
            let body = Some(Text::Plain(text.clone()));
            answer.answer = None;
            tap.record([Body::HttpResponse { round_trip: rt, status: 502, headers: Vec::new(), body }]).await;
            return Ok(passed(502, &Headers::new(), Passed::of(text.into(), None)));
        }
        Err(why) => {
            if let Some(mut answer) = answer.answer.take() {
                tap.record(answer.given_up(Party::Server, &why)).await;
            }
            return Err(std::io::Error::other(why));
        }
    };
    let (parts, body) = response.into_parts();
    let head = ResponseHead { status: parts.status.as_u16(), headers: headers_of(&parts.headers) };
    let bodies = answer.answer.as_mut().map_or_else(Vec::new, |answer| answer.head(&head));
    tap.record(bodies).await;
    if media_type(&head.headers).as_deref() == Some(EVENT_STREAM)
        && let Some(answer) = answer.answer.take_if(|answer| answer.stream().is_some())
    {
        let (sender, pieces) = mpsc::channel(UNDER_WAY);
        let mut streams = tap.streams.lock().unwrap_or_else(PoisonError::into_inner);
        while streams.try_join_next().is_some() {}
        let passing = stream(body, answer, sender, tap.feed.clone(), connection, tap.stopped.clone());
        streams.spawn(passing);
        drop(streams);
        return Ok(passed(head.status, &head.headers, Passed::Pieces(pieces)));
    }
    let (bytes, broken) = whole(body, largest).await;
    let Some(mut answer) = answer.answer.take() else { return Err(std::io::Error::other("the answer is over")) };
    // what is more than is kept passes all the same
    let mut bodies = answer.chunk(&bytes).0;
    let broken = match broken {
        Some(Closing::Cut(why) | Closing::Bound(why)) => Some(why),
        Some(Closing::Clean) | None => None,
    };
    bodies.extend(answer.end(Some(Party::Server), &broken.clone().map_or(Ok(()), Err)));
    tap.record(bodies).await;
    if deletes && (200..300).contains(&head.status) {
        tap.feed.put(LinkEvent { session: None, what: LinkWhat::SessionClosed }).await;
    }
    Ok(passed(head.status, &head.headers, Passed::of(bytes, broken)))
}

/// An answer for which a client waits. When the client goes away, this is dropped, and says so.
struct Awaited<'t> {
    answer: Option<Answer>,
    tap: &'t Tap,
}

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        let Some(mut answer) = self.answer.take() else { return };
        let tap = self.tap.clone();
        let mut streams = self.tap.streams.lock().unwrap_or_else(PoisonError::into_inner);
        // nothing is left to be recorded when the runtime itself ends
        if tokio::runtime::Handle::try_current().is_ok() {
            streams.spawn(async move {
                let bodies = answer.given_up(Party::Client, "the client closed the connection");
                tap.record(bodies).await;
            });
        }
    }
}

/// Passes an event stream on, event by event recorded before it goes out.
async fn stream(
    mut body: Incoming,
    mut answer: Answer,
    out: mpsc::Sender<Result<Bytes, std::io::Error>>,
    feed: Feed,
    _connection: Task,
    mut stopped: watch::Receiver<bool>,
) {
    let record = async |bodies: Vec<Body>| {
        for body in bodies {
            feed.record(None, body).await;
        }
    };
    loop {
        let frame = tokio::select! {
            biased;
            () = out.closed() => {
                return record(answer.given_up(Party::Client, "the client closed the connection")).await;
            }
            frame = body.frame() => frame,
            () = told(&mut stopped) => return record(answer.end(None, &Ok(()))).await,
        };
        match frame {
            None => return record(answer.end(Some(Party::Server), &Ok(()))).await,
            Some(Ok(frame)) => {
                let Ok(chunk) = frame.into_data() else { continue };
                let (bodies, over) = answer.chunk(&chunk);
                record(bodies).await;
                if over || out.send(Ok(chunk)).await.is_err() {
                    return record(answer.given_up(Party::Client, "the client closed the connection")).await;
                }
            }
            Some(Err(e)) => {
                let why = chain(&e);
                record(answer.end(Some(Party::Server), &Err(why.clone()))).await;
                // the client sees a stream that breaks, as it would have
                let _ = out.send(Err(std::io::Error::other(why))).await;
                return;
            }
        }
    }
}

/// The whole of a body, or what came of it and why it broke off.
async fn whole(mut body: Incoming, largest: usize) -> (Bytes, Option<Closing>) {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        match frame.map(Frame::into_data) {
            Ok(Ok(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(Err(_trailers)) => {}
            Err(e) => return (bytes.into(), Some(Closing::Cut(chain(&e)))),
        }
        if bytes.len() > largest {
            let why = format!("the tap passes bodies of at most {largest} bytes on");
            return (bytes.into(), Some(Closing::Bound(why)));
        }
    }
    (bytes.into(), None)
}

/// A message of which no more is kept than is allowed.
fn bounded(stream: StreamId, from: Party, bytes: &Bytes, bounds: &Bounds) -> Body {
    let kept = bytes.get(..bounds.message).unwrap_or(bytes);
    let mut body = message(stream, from, kept, None);
    if let (Body::Message { cut_from, .. }, true) = (&mut body, kept.len() < bytes.len()) {
        *cut_from = Some(bytes.len() as u64);
    }
    body
}

/// The server's path for what the client asked for: the client was given the tap's address with the server's path.
fn target(upstream: &str, asked: &str) -> String {
    if asked == "/" { upstream.to_owned() } else { asked.to_owned() }
}

/// The head of what is passed back. What cannot be written again (no such server was met) is left out.
fn passed(status: u16, headers: &Headers, body: Passed) -> hyper::Response<Passed> {
    let mut headers = headers.clone();
    for name in OWN {
        headers.remove(name);
    }
    let mut response = hyper::Response::new(body);
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or(hyper::StatusCode::BAD_GATEWAY);
    *response.headers_mut() = header_map(&headers).unwrap_or_default();
    response
}

/// A body that is passed on.
#[derive(Debug)]
enum Passed {
    /// At once; with a reason, it breaks off behind that.
    Whole(Option<Bytes>, Option<String>),
    /// Piece by piece.
    Pieces(mpsc::Receiver<Result<Bytes, std::io::Error>>),
}

impl Passed {
    fn of(bytes: Bytes, broken: Option<String>) -> Passed {
        Passed::Whole(Some(bytes).filter(|bytes| !bytes.is_empty()), broken)
    }
}

impl hyper::body::Body for Passed {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        match &mut *self {
            Passed::Whole(bytes, broken) => Poll::Ready(match (bytes.take(), broken.take()) {
                (Some(bytes), why) => {
                    *broken = why;
                    Some(Ok(Frame::data(bytes)))
                }
                (None, Some(why)) => Some(Err(std::io::Error::other(why))),
                (None, None) => None,
            }),
            Passed::Pieces(pieces) => pieces.poll_recv(cx).map(|piece| piece.map(|piece| piece.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Passed::Whole(None, None))
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        match self {
            Passed::Whole(bytes, None) => {
                hyper::body::SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            _ => hyper::body::SizeHint::default(),
        }
    }
}
