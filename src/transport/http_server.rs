//! Streamable HTTP as a server: the session logic of [`crate::wire::http`] behind hyper.
//!
//! A connection only hands over whole requests; they are understood when they are fetched with [`HttpServer::next`], in one
//! place and one order, and so are answered only while somebody fetches.

use super::below::Below;
use super::http::{
    HyperIo, chain, connection_builder, header_map, headers_of, item, listen, message, overlay, recorded, told,
};
use super::inbox::{Arrival, Inbox, Task, WeakFeed};
use super::{Acceptor, Bounds, Feed, Io, LinkEvent, LinkWhat, Numbers, Order, SendOrder};
use crate::fault::Fault;
use crate::reference::{Route, SessionKey};
use crate::trace::event::StepName;
use crate::trace::{Body, Closing, StreamId, StreamKind, Text};
use crate::wire::Party;
use crate::wire::http::{
    Headers, JSON, Request, ResponseHead, RoundTrip, ServerAction, ServerLogic, ServerPolicy, media_type,
};
use crate::wire::{http as logic, sse};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Frame, Incoming as IncomingBody};
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

/// A request that came in, and the way back.
#[derive(Debug)]
pub(crate) struct Incoming {
    round_trip: u32,
    request: Request,
    /// The whole length of the body when only the beginning was kept.
    cut_from: Option<u64>,
    /// Why the body broke off.
    broken: Option<String>,
    reply: oneshot::Sender<Reply>,
}

impl Incoming {
    pub(crate) fn weight(&self) -> usize {
        let headers: usize = self.request.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.request.body.len() + headers
    }
}

#[derive(Debug)]
struct Reply {
    head: ResponseHead,
    /// How long the body is, if that is known.
    length: Option<u64>,
    pieces: mpsc::UnboundedReceiver<Bytes>,
}

/// An answer that has begun.
#[derive(Debug)]
struct Open {
    stream: StreamId,
    pieces: mpsc::UnboundedSender<Bytes>,
    reader: sse::Reader,
}

/// What a message of ours was meant to be, until it goes out.
#[derive(Debug)]
struct Intent {
    bytes: Bytes,
    step: Option<StepName>,
    breaks: Vec<String>,
}

/// So many intents of messages that wait for a stream are remembered.
const INTENTS: usize = 1024;

/// How a server link behaves beside [`ServerPolicy`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ServerHabits {
    /// Go on answering a client that has closed its side for writing. By default that is taken for a client that went
    /// away, which over TCP looks the same.
    pub half_close: bool,
}

/// Our end as a server over HTTP.
#[derive(Debug)]
pub struct HttpServer {
    logic: ServerLogic,
    numbers: Numbers,
    bounds: Bounds,
    inbox: Inbox,
    feed: WeakFeed,
    gone: mpsc::UnboundedReceiver<u32>,
    began: Instant,
    /// The number of our session 0.
    first: u32,
    waiting: BTreeMap<u32, (StreamKind, oneshot::Sender<Reply>)>,
    open: BTreeMap<u32, Open>,
    sessions: BTreeMap<u32, SessionKey>,
    /// What the logic wants done, but the seat may still refuse.
    deferred: VecDeque<ServerAction>,
    refused: HashSet<u32>,
    intents: VecDeque<Intent>,
    below: Option<Below>,
    /// What a fault delays.
    late: Vec<(Instant, ServerAction)>,
    stop: watch::Sender<bool>,
    _listener: Task,
    address: Option<std::net::SocketAddr>,
}

impl HttpServer {
    /// Serves what `acceptor` takes in. `entropy` gives the session ids; sessions are numbered from `first`.
    pub fn new(
        acceptor: Acceptor,
        policy: ServerPolicy,
        entropy: impl FnMut() -> [u8; 16] + Send + 'static,
        first: SessionKey,
        habits: ServerHabits,
        numbers: &Numbers,
        bounds: Bounds,
    ) -> HttpServer {
        let (inbox, feed) = Inbox::new(&bounds);
        let (gone_sender, gone) = mpsc::unbounded_channel();
        let address = acceptor.address();
        let weak = feed.weak();
        let (stop, stopped) = watch::channel(false);
        let serving =
            Serving { feed, gone: gone_sender, stopped: stopped.clone(), numbers: numbers.clone(), bounds, habits };
        HttpServer {
            logic: ServerLogic::new(policy, entropy),
            numbers: numbers.clone(),
            bounds,
            inbox,
            feed: weak,
            gone,
            began: Instant::now(),
            first: first.0,
            waiting: BTreeMap::new(),
            open: BTreeMap::new(),
            sessions: BTreeMap::new(),
            deferred: VecDeque::new(),
            refused: HashSet::new(),
            intents: VecDeque::new(),
            below: None,
            late: Vec::new(),
            stop,
            _listener: Task::spawn(listen(acceptor, bounds.connections, stopped, move |io| serve(io, serving.clone()))),
            address,
        }
    }

    /// Where it listens; `None` in memory.
    #[must_use]
    pub fn address(&self) -> Option<std::net::SocketAddr> {
        self.address
    }

    /// See [`super::Link::deviate`].
    pub fn deviate(&mut self, fault: Fault) {
        self.below = Some(Below::new(fault, self.logic.policy().encoder));
    }

    /// See [`super::Link::deviated`].
    pub fn deviated(&mut self) -> Vec<String> {
        self.below.as_mut().map(Below::told).unwrap_or_default()
    }

    fn key(&self, session: logic::SessionKey) -> SessionKey {
        SessionKey(self.first.wrapping_add(session.0))
    }

    fn inner(&self, session: SessionKey) -> logic::SessionKey {
        logic::SessionKey(session.0.wrapping_sub(self.first))
    }

    /// See [`super::Link::order`].
    pub fn order(&mut self, order: Order) -> Vec<LinkEvent> {
        let mut events = self.inbox.take_ready();
        if let Order::Refuse { round_trip, status, body, headers, step: _ } = order {
            events.extend(self.refuse(round_trip, status, body, &headers));
            return events;
        }
        events.extend(self.run_deferred());
        events.extend(match order {
            Order::Send(order) => self.send(order),
            Order::CloseStream { session, request } => {
                let actions = self.logic.close_stream(self.inner(session), &request);
                self.run(actions, &[])
            }
            Order::EndInput => {
                self.stop.send_replace(true);
                let sessions: Vec<_> = self.sessions.values().copied().collect();
                sessions
                    .into_iter()
                    .flat_map(|s| {
                        let actions = self.logic.end_session(self.inner(s));
                        self.run(actions, &[])
                    })
                    .collect()
            }
            Order::Listen { .. }
            | Order::Drop { .. }
            | Order::Delete { .. }
            | Order::Version { .. }
            | Order::Refuse { .. } => Vec::new(),
        });
        events
    }

    fn send(&mut self, order: SendOrder) -> Vec<LinkEvent> {
        let SendOrder { session, route, bytes, step, breaks, headers, detour } = order;
        let route = match route {
            Route::Answer(id) => logic::Route::Answer(id),
            Route::Related(id) => logic::Route::Related(id),
            Route::Unrelated => logic::Route::Unrelated,
        };
        if step.is_some() || !breaks.is_empty() {
            if self.intents.len() >= INTENTS {
                self.intents.pop_front();
            }
            self.intents.push_back(Intent { bytes: bytes.clone(), step, breaks });
        }
        let inner = self.inner(session);
        let actions = match (&mut self.below, &detour) {
            (Some(below), Some(detour)) if detour.copy => below.copied(&bytes, detour),
            (Some(below), Some(detour)) => below.diverted(self.logic.send(inner, &route, bytes), detour),
            _ => self.logic.send(inner, &route, bytes),
        };
        self.run(actions, &headers)
    }

    /// Answers with a bare status, in place of what the logic has decided.
    fn refuse(&mut self, rt: u32, status: u16, body: Bytes, over: &[(String, Option<String>)]) -> Vec<LinkEvent> {
        let mut events = Vec::new();
        if self.waiting.contains_key(&rt) {
            self.refused.insert(rt);
            events.extend(self.run_deferred());
            let mut headers = Headers::new();
            if !body.is_empty() {
                headers.append("Content-Type", "text/plain");
            }
            overlay(&mut headers, over);
            self.refused.remove(&rt);
            let session = self.logic.session_of(RoundTrip(rt));
            self.logic.dropped(RoundTrip(rt));
            let respond = ServerAction::Respond { rt: RoundTrip(rt), head: ResponseHead { status, headers }, body };
            events.extend(self.run([respond], &[]));
            // who says that there is no such session has none any more
            if let (404, Some(session)) = (status, session) {
                let ended = self.logic.end_session(session);
                events.extend(self.run(ended, &[]));
            }
        }
        events
    }

    fn run_deferred(&mut self) -> Vec<LinkEvent> {
        let deferred = std::mem::take(&mut self.deferred);
        self.run(deferred, &[])
    }

    /// Does what the logic says, or what a fault puts in its place.
    fn run(
        &mut self,
        actions: impl IntoIterator<Item = ServerAction>,
        over: &[(String, Option<String>)],
    ) -> Vec<LinkEvent> {
        let mut out = Vec::new();
        for action in actions {
            let stream = match &action {
                ServerAction::StartStream { rt, .. } => Some(*rt),
                _ => None,
            };
            let Some(below) = &mut self.below else {
                self.act(action, over, &mut out);
                continue;
            };
            for (delay, action) in below.alter(action) {
                if let (Some(rt), ServerAction::Respond { .. }) = (stream, &action) {
                    self.logic.dropped(rt);
                }
                match delay.is_zero() {
                    true => self.act(action, over, &mut out),
                    false => self.late.push((Instant::now() + delay, action)),
                }
            }
        }
        out
    }

    /// Does one thing.
    fn act(&mut self, action: ServerAction, over: &[(String, Option<String>)], out: &mut Vec<LinkEvent>) {
        match action {
            ServerAction::Respond { rt, .. } | ServerAction::StartStream { rt, .. } if self.refused.contains(&rt.0) => {
            }
            ServerAction::Respond { rt, mut head, body } => {
                overlay(&mut head.headers, over);
                self.respond(rt.0, head, body, out);
            }
            ServerAction::StartStream { rt, mut head } => {
                overlay(&mut head.headers, over);
                let kind = self.waiting.get(&rt.0).map_or(StreamKind::PostAnswer, |(kind, _)| *kind);
                if let Some(pieces) = self.reply(rt.0, &head, None, None, out) {
                    let stream = self.numbers.stream();
                    let (writer, round_trip) = (Party::Server, Some(rt.0));
                    out.push(record(None, Body::StreamOpened { stream, writer, kind, round_trip }));
                    let reader = sse::Reader::new(usize::MAX);
                    self.open.insert(rt.0, Open { stream, pieces, reader });
                }
            }
            ServerAction::Write { rt, bytes } => self.write(rt.0, bytes, out),
            ServerAction::End { rt } => {
                if let Some(open) = self.open.remove(&rt.0) {
                    let (stream, by) = (open.stream, Some(Party::Server));
                    out.push(record(None, Body::StreamClosed { stream, by, how: Closing::Clean }));
                }
            }
            ServerAction::SessionOpened { session, .. } => {
                let key = self.key(session);
                self.sessions.insert(session.0, key);
                out.push(LinkEvent { session: Some(key), what: LinkWhat::SessionOpened });
            }
            ServerAction::SessionEnded { session } => {
                self.sessions.remove(&session.0);
                out.push(LinkEvent { session: Some(self.key(session)), what: LinkWhat::SessionClosed });
            }
            ServerAction::Undeliverable { message, .. } => {
                // it never went out, so there is nothing to record; its intent must not stick to a later message
                self.intent(&message);
            }
            // recorded with its request
            ServerAction::Deliver { .. } => {}
        }
    }

    /// Sends a head; gives the way for the body.
    fn reply(
        &mut self,
        rt: u32,
        head: &ResponseHead,
        body: Option<Text>,
        length: Option<u64>,
        out: &mut Vec<LinkEvent>,
    ) -> Option<mpsc::UnboundedSender<Bytes>> {
        let (_, reply) = self.waiting.remove(&rt)?;
        let (sender, pieces) = mpsc::unbounded_channel();
        let headers = recorded(&head.headers);
        out.push(record(None, Body::HttpResponse { round_trip: rt, status: head.status, headers, body }));
        // a client that is gone is told by `gone`
        let _ = reply.send(Reply { head: head.clone(), length, pieces });
        Some(sender)
    }

    fn respond(&mut self, rt: u32, head: ResponseHead, body: Bytes, out: &mut Vec<LinkEvent>) {
        let json = media_type(&head.headers).as_deref() == Some(JSON) && !body.is_empty();
        let kept = body.get(..self.bounds.refusal).unwrap_or(&body);
        let text = (!json && !body.is_empty()).then(|| Text::of(kept));
        let kind = self.waiting.get(&rt).map_or(StreamKind::PostAnswer, |(kind, _)| *kind);
        let Some(pieces) = self.reply(rt, &head, text, Some(body.len() as u64), out) else { return };
        if json {
            let stream = self.numbers.stream();
            let (from, round_trip) = (Party::Server, Some(rt));
            out.push(record(None, Body::StreamOpened { stream, writer: from, kind, round_trip }));
            let mut said = message(stream, from, &body, None);
            self.mark(&mut said, &body);
            out.push(record(None, said));
            out.push(record(None, Body::StreamClosed { stream, by: Some(from), how: Closing::Clean }));
        }
        if !body.is_empty() {
            // as above
            let _ = pieces.send(body);
        }
    }

    fn write(&mut self, rt: u32, bytes: Bytes, out: &mut Vec<LinkEvent>) {
        let Some(open) = self.open.get_mut(&rt) else { return };
        let stream = open.stream;
        let items = open.reader.push(&bytes);
        let _ = open.pieces.send(bytes);
        for piece in items {
            let data = match &piece {
                sse::Item::Event(event) => event.data.clone(),
                _ => Bytes::new(),
            };
            for mut body in item(stream, piece).0 {
                self.mark(&mut body, &data);
                out.push(record(None, body));
            }
        }
    }

    /// Puts the intent to a message of ours that goes out.
    fn mark(&mut self, body: &mut Body, bytes: &[u8]) {
        if let Body::Message { step, breaks, .. } = body
            && let Some(intent) = self.intent(bytes)
        {
            (*step, *breaks) = (intent.step, intent.breaks);
        }
    }

    fn intent(&mut self, bytes: &[u8]) -> Option<Intent> {
        // data fields join what line breaks had parted by line feeds
        let plain =
            |bytes: &[u8]| -> Vec<u8> { bytes.iter().copied().filter(|b| !matches!(b, b'\r' | b'\n')).collect() };
        let bytes = plain(bytes);
        let at = self.intents.iter().position(|intent| plain(&intent.bytes) == bytes)?;
        self.intents.remove(at)
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// See [`super::Link::next`].
    pub async fn next(&mut self) -> Option<LinkEvent> {
        loop {
            if let Some(event) = self.inbox.pop_ready() {
                return Some(event);
            }
            if !self.deferred.is_empty() {
                let events = self.run_deferred();
                self.put(events);
                continue;
            }
            let wake = self.logic.next_wake().map(|at| self.began + at);
            let wake = wake.into_iter().chain(self.late.iter().map(|(at, _)| *at)).min();
            let wake = wake.unwrap_or(Instant::now() + Duration::from_secs(3600));
            tokio::select! {
                biased;
                arrival = self.inbox.arrival() => match arrival? {
                    Arrival::Event(event) => return Some(event),
                    Arrival::Request(incoming) => {
                        let events = self.request(*incoming);
                        self.put(events);
                    }
                    Arrival::Answer(..) => {}
                },
                Some(rt) = self.gone.recv() => {
                    let events = self.gone(rt);
                    self.put(events);
                }
                () = tokio::time::sleep_until(wake) => {
                    let actions = self.logic.tick(self.now());
                    let mut events = self.ripe();
                    events.extend(self.run(actions, &[]));
                    self.put(events);
                }
            }
        }
    }

    /// Does what was delayed until now.
    fn ripe(&mut self) -> Vec<LinkEvent> {
        let now = Instant::now();
        let (ripe, late): (Vec<_>, Vec<_>) = std::mem::take(&mut self.late).into_iter().partition(|(at, _)| *at <= now);
        self.late = late;
        let mut out = Vec::new();
        for (_, action) in ripe {
            self.act(action, &[], &mut out);
        }
        out
    }

    fn put(&mut self, events: Vec<LinkEvent>) {
        for event in events {
            self.inbox.ready(event);
        }
    }

    /// Understands a request. What the session logic answers is not done yet, because the seat may refuse.
    fn request(&mut self, incoming: Incoming) -> Vec<LinkEvent> {
        let Incoming { round_trip: rt, request, cut_from, broken, reply } = incoming;
        let kind = if request.method == "GET" { StreamKind::Get } else { StreamKind::PostAnswer };
        let now = self.now();
        let actions = match &broken {
            // nobody is there to be answered
            Some(_) => Vec::new(),
            None => {
                self.waiting.insert(rt, (kind, reply));
                match self.below.as_mut().map(|below| below.came(rt, &request)) {
                    Some(real) => self.logic.request(now, RoundTrip(rt), &real),
                    None => self.logic.request(now, RoundTrip(rt), &request),
                }
            }
        };
        let session = actions.iter().find_map(|action| match action {
            ServerAction::Deliver { session, .. } => Some(self.key(*session)),
            _ => None,
        });
        let (sessions, rest): (Vec<_>, Vec<_>) =
            actions.into_iter().partition(|action| matches!(action, ServerAction::SessionOpened { .. }));
        let mut out = self.run(sessions, &[]);
        let (method, target) = (request.method.clone(), request.path.clone());
        let headers = recorded(&request.headers);
        out.push(record(
            session,
            Body::HttpRequest { round_trip: rt, method, target, headers, step: None, client: None },
        ));
        if request.method == "POST" || !request.body.is_empty() {
            let (stream, from) = (self.numbers.stream(), Party::Client);
            let round_trip = Some(rt);
            out.push(record(session, Body::StreamOpened { stream, writer: from, kind: StreamKind::Post, round_trip }));
            let how = match (&broken, cut_from) {
                (Some(why), _) => Closing::Cut(why.clone()),
                (None, Some(length)) => Closing::Bound(format!("a body of {length} bytes or more")),
                (None, None) => Closing::Clean,
            };
            if broken.is_none() {
                let mut said = message(stream, from, &request.body, None);
                if let Body::Message { cut_from: c, .. } = &mut said {
                    *c = cut_from;
                }
                out.push(record(session, said));
            }
            let by = if cut_from.is_some() { Party::Server } else { from };
            out.push(record(session, Body::StreamClosed { stream, by: Some(by), how }));
        }
        self.deferred.extend(rest);
        out
    }

    /// The client closed the connection of a round trip.
    fn gone(&mut self, rt: u32) -> Vec<LinkEvent> {
        self.logic.dropped(RoundTrip(rt));
        if let Some(below) = &mut self.below {
            below.gone(rt);
        }
        let closed = |stream| {
            let how = Closing::Cut("the client closed the connection".into());
            record(None, Body::StreamClosed { stream, by: Some(Party::Client), how })
        };
        if let Some((kind, _)) = self.waiting.remove(&rt) {
            // an answer that has not begun gets a stream all the same, so that it can be seen that it was given up
            let (stream, writer) = (self.numbers.stream(), Party::Server);
            let opened = Body::StreamOpened { stream, writer, kind, round_trip: Some(rt) };
            return vec![record(None, opened), closed(stream)];
        }
        self.open.remove(&rt).map(|open| closed(open.stream)).into_iter().collect()
    }

    /// See [`super::Link::feed`].
    #[must_use]
    pub fn feed(&self) -> Option<Feed> {
        self.feed.feed()
    }

    /// See [`super::Link::finish`].
    pub async fn finish(mut self, patience: Duration) -> Vec<LinkEvent> {
        let mut events = self.order(Order::EndInput);
        // requests that no session has answered
        self.waiting.clear();
        let deadline = Instant::now() + patience;
        // the connections hold the feed; when the last is through, nothing more can come
        while let Ok(Some(event)) = tokio::time::timeout_at(deadline, self.next()).await {
            events.push(event);
        }
        events
    }
}

fn record(session: Option<SessionKey>, body: Body) -> LinkEvent {
    LinkEvent { session, what: LinkWhat::Record(body) }
}

/// What connections need.
#[derive(Clone)]
struct Serving {
    feed: Feed,
    gone: mpsc::UnboundedSender<u32>,
    numbers: Numbers,
    bounds: Bounds,
    habits: ServerHabits,
    stopped: watch::Receiver<bool>,
}

/// Serves one connection.
async fn serve(io: Io, serving: Serving) {
    let Serving { feed, gone, numbers, bounds, habits, mut stopped } = serving;
    let service = hyper::service::service_fn(move |request| {
        let (feed, gone, rt) = (feed.clone(), gone.clone(), numbers.round_trip());
        answer(request, rt, feed, gone, bounds)
    });
    let connection = connection_builder(&bounds, habits.half_close).serve_connection(HyperIo(io), service);
    let mut connection = std::pin::pin!(connection);
    // a connection that breaks is told by the bodies that were not finished
    tokio::select! {
        biased;
        () = told(&mut stopped) => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
        _ = connection.as_mut() => {}
    }
}

/// Hands a request over and waits for its answer.
async fn answer(
    request: hyper::Request<IncomingBody>,
    rt: u32,
    feed: Feed,
    gone: mpsc::UnboundedSender<u32>,
    bounds: Bounds,
) -> Result<hyper::Response<Pieces>, std::io::Error> {
    let (parts, mut body) = request.into_parts();
    let mut kept = Vec::new();
    let (mut length, mut broken) = (0u64, None);
    while let Some(frame) = body.frame().await {
        match frame.map(Frame::into_data) {
            Ok(Ok(chunk)) => {
                let room = bounds.message.saturating_sub(kept.len());
                kept.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
                length += chunk.len() as u64;
            }
            Ok(Err(_trailers)) => {}
            Err(e) => {
                broken = Some(chain(&e));
                break;
            }
        }
        if length > (bounds.message as u64).saturating_mul(8) {
            break;
        }
    }
    let cut_from = (length > kept.len() as u64).then_some(length);
    let path = parts.uri.path_and_query().map_or("/", |p| p.as_str()).to_owned();
    let method = parts.method.as_str().to_owned();
    let request = Request { method, path, headers: headers_of(&parts.headers), body: kept.into() };
    let mut guard = Gone { rt, sender: Some(gone) };
    let (reply, answered) = oneshot::channel();
    let incoming = Incoming { round_trip: rt, request, cut_from, broken, reply };
    feed.hand(Arrival::Request(Box::new(incoming))).await;
    drop(feed);
    let unanswered = || std::io::Error::other("the server has stopped");
    let Ok(Reply { head, length, pieces }) = answered.await else {
        guard.sender = None;
        return Err(unanswered());
    };
    let mut response = hyper::Response::new(Pieces { length, pieces, guard });
    *response.status_mut() = hyper::StatusCode::from_u16(head.status).map_err(std::io::Error::other)?;
    *response.headers_mut() = header_map(&head.headers).map_err(std::io::Error::other)?;
    Ok(response)
}

/// Tells that a round trip was dropped before its end.
#[derive(Debug)]
struct Gone {
    rt: u32,
    sender: Option<mpsc::UnboundedSender<u32>>,
}

impl Drop for Gone {
    fn drop(&mut self) {
        if let Some(sender) = self.sender.take() {
            let _ = sender.send(self.rt);
        }
    }
}

/// A body that is written piece by piece.
#[derive(Debug)]
struct Pieces {
    length: Option<u64>,
    pieces: mpsc::UnboundedReceiver<Bytes>,
    guard: Gone,
}

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let piece = std::task::ready!(self.pieces.poll_recv(cx));
        if piece.is_none() {
            self.guard.sender = None;
        }
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.length == Some(0)
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        self.length.map_or_else(Default::default, hyper::body::SizeHint::with_exact)
    }
}
