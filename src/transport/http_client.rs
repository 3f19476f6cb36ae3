//! Streamable HTTP as a client: one connection for every round trip, so that what is seen of one has to do with it alone.

use super::heads::Heads;
use super::http::{Answer, HyperIo, chain, header_map, headers_of, overlay, recorded};
use super::inbox::{Arrival, Inbox, Piece, Task, WeakFeed};
use super::{Bounds, Connector, Feed, LinkEvent, LinkWhat, Numbers, Order, SendOrder};
use crate::fault::Fault;
use crate::reference::SessionKey;
use crate::trace::event::StepName;
use crate::trace::{Body, Closing, StreamId, StreamKind, Text};
use crate::wire::http::{ClientEvent, ClientLogic, Headers, Request, ResponseHead, Resume, RoundTrip};
use crate::wire::json::Limits;
use crate::wire::{Id, Message, Party};
use http_body_util::{BodyExt as _, Full};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;
use tokio::time::Instant;

/// How long a client waits before it comes back when the server did not say.
const RETRY: Duration = Duration::from_secs(1);

/// So often it comes back for a stream on which nothing new has come.
const ATTEMPTS: u32 = 5;

/// So many events are kept of what comes while the link ends.
const LAST_WORDS: usize = 1024;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);

/// Where a server is reached.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// How to connect.
    pub connector: Connector,
    /// What stands in `Host`.
    pub host: String,
    /// Path and query.
    pub path: String,
}

/// The URL names nothing that can be reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the URL `{url}` {why}")]
pub struct UrlError {
    /// The URL.
    pub url: String,
    /// What is wrong with it and what to write.
    pub why: String,
}

impl Endpoint {
    /// The endpoint that a URL names.
    ///
    /// # Errors
    /// When it is no `http` URL. This build speaks no TLS.
    pub fn parse(url: &str) -> Result<Endpoint, UrlError> {
        let error = |why: &str| Err(UrlError { url: url.into(), why: why.into() });
        let Ok(uri) = url.parse::<hyper::Uri>() else { return error("cannot be read; write http://HOST:PORT/PATH") };
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => {
                return error("is https, and this build speaks http only; put a proxy that ends TLS in front of it");
            }
            _ => return error("has no scheme that is known here; write http://HOST:PORT/PATH"),
        }
        let Some(authority) = uri.authority() else { return error("names no host; write http://HOST:PORT/PATH") };
        if authority.as_str().contains('@') {
            return error("has a user in it; send credentials as a header");
        }
        // what is no number of a port is not read as one
        let port = match authority.as_str().strip_prefix(authority.host()).and_then(|rest| rest.strip_prefix(':')) {
            None => 80,
            Some(port) => match port.parse() {
                Ok(port) => port,
                Err(_) => return error("has no port between 0 and 65535; write http://HOST:PORT/PATH"),
            },
        };
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let connector = Connector::Tcp { host, port };
        let path = uri.path_and_query().map_or("/", |p| p.as_str()).to_owned();
        Ok(Endpoint { connector, host: authority.as_str().to_owned(), path })
    }

    /// A server in this process, behind [`super::memory::network`].
    #[must_use]
    pub fn memory(connector: Connector) -> Endpoint {
        Endpoint { connector, host: "localhost".into(), path: "/mcp".into() }
    }
}

/// What the link does by itself.
#[derive(Debug, Clone, Default)]
pub struct HttpHabits {
    /// Opens a stream with GET once `notifications/initialized` was accepted.
    pub listens: bool,
    /// Comes back for a stream that ended before all was answered, if it can, after the time that the server asked for.
    pub resumes: bool,
    /// Sent with every request.
    pub headers: Vec<(String, String)>,
}

/// Our end as a client over HTTP.
#[derive(Debug)]
pub struct HttpClient {
    endpoint: Endpoint,
    habits: HttpHabits,
    numbers: Numbers,
    bounds: Bounds,
    inbox: Inbox,
    feed: WeakFeed,
    /// Keeps the link open until input is ended.
    own: Option<Feed>,
    sessions: HashMap<SessionKey, ClientLogic>,
    trips: HashMap<u32, Trip>,
    /// How to come back for a stream that is over.
    resumable: HashMap<StreamId, Resume>,
    /// When to come back for which.
    returns: BTreeMap<(Instant, u32), (SessionKey, Resume, u32)>,
    /// A client that deviates has this.
    heads: Option<Heads>,
}

/// A round trip that is under way.
#[derive(Debug)]
struct Trip {
    session: SessionKey,
    answer: Answer,
    /// The stream of its own body.
    post: Option<StreamId>,
    post_open: bool,
    /// What was sent was `initialize`, with this id.
    initialize: Option<Id>,
    /// It was `notifications/initialized`.
    initialized: bool,
    deletes: bool,
    /// The event it resumed from, and how often that was tried before.
    resumed: Option<(String, u32)>,
    status: u16,
    _task: Task,
}

impl HttpClient {
    /// A client of that endpoint. Its first session, `session`, begins at once; a session that an order names for the
    /// first time begins without id and version.
    #[must_use]
    pub fn new(
        endpoint: Endpoint,
        session: SessionKey,
        habits: HttpHabits,
        numbers: &Numbers,
        bounds: Bounds,
    ) -> HttpClient {
        let (mut inbox, feed) = Inbox::new(&bounds);
        inbox.ready(LinkEvent { session: Some(session), what: LinkWhat::SessionOpened });
        HttpClient {
            endpoint,
            habits,
            numbers: numbers.clone(),
            bounds,
            inbox,
            feed: feed.weak(),
            own: Some(feed),
            sessions: HashMap::new(),
            trips: HashMap::new(),
            resumable: HashMap::new(),
            returns: BTreeMap::new(),
            heads: None,
        }
    }

    /// See [`super::Link::deviate`].
    pub fn deviate(&mut self, fault: Fault) {
        self.heads = Some(Heads::new(fault));
    }

    /// See [`super::Link::deviated`].
    pub fn deviated(&mut self) -> Vec<String> {
        self.heads.as_mut().map(Heads::told).unwrap_or_default()
    }

    /// The id that the server assigned to a session.
    #[must_use]
    pub fn session_id(&self, session: SessionKey) -> Option<&str> {
        self.sessions.get(&session)?.session()
    }

    fn logic(&mut self, session: SessionKey) -> &mut ClientLogic {
        let Self { endpoint, habits, bounds, .. } = self;
        self.sessions.entry(session).or_insert_with(|| {
            let mut logic = ClientLogic::new(&*endpoint.host, &*endpoint.path).with_body_limit(bounds.message);
            logic.extra = habits.headers.iter().cloned().collect::<Headers>();
            logic
        })
    }

    /// See [`super::Link::order`].
    pub fn order(&mut self, order: Order) -> Vec<LinkEvent> {
        let mut events = self.inbox.take_ready();
        events.extend(match order {
            Order::Send(order) => self.send(order),
            Order::Listen { session, last_event_id, resumes, headers, step } => {
                let known = resumes.and_then(|stream| self.resumable.remove(&stream));
                let mut resume = known.unwrap_or(Resume { last_event_id: "".into(), retry: None, awaiting: vec![] });
                if let Some(id) = last_event_id {
                    resume.last_event_id = id;
                }
                self.get(session, &resume, 0, &headers, step)
            }
            Order::Drop { session, stream } => self.drop_stream(session, stream),
            Order::Delete { session, headers, step } => {
                let rt = self.numbers.round_trip();
                let request = self.logic(session).delete(RoundTrip(rt));
                self.begin(session, rt, request, &headers, step, |trip| trip.deletes = true)
            }
            Order::Version { session, version } => {
                self.logic(session).set_version(Some(version));
                Vec::new()
            }
            Order::EndInput => {
                self.own = None;
                self.returns.clear();
                Vec::new()
            }
            Order::CloseStream { .. } | Order::Refuse { .. } => Vec::new(),
        });
        events
    }

    fn send(&mut self, order: SendOrder) -> Vec<LinkEvent> {
        let SendOrder { session, bytes, step, breaks, headers, .. } = order;
        let message = Message::read(bytes.clone(), &Limits::default());
        let rt = self.numbers.round_trip();
        let request = self.logic(session).post(RoundTrip(rt), bytes.clone());
        let post = self.numbers.stream();
        let initialize = message.id().filter(|_| message.method() == Some("initialize")).cloned();
        let initialized = message.method() == Some("notifications/initialized");
        let mut events = self.begin(session, rt, request, &headers, step.clone(), |trip| {
            trip.post = Some(post);
            trip.post_open = true;
            trip.initialize = initialize;
            trip.initialized = initialized;
        });
        let (writer, kind) = (Party::Client, StreamKind::Post);
        let text = Text::of(&bytes);
        for body in [
            Body::StreamOpened { stream: post, writer, kind, round_trip: Some(rt) },
            Body::Message { stream: post, from: writer, text, event_id: None, step, breaks, cut_from: None },
        ] {
            events.push(LinkEvent { session: Some(session), what: LinkWhat::Record(body) });
        }
        events
    }

    fn get(
        &mut self,
        session: SessionKey,
        resume: &Resume,
        tried: u32,
        headers: &[(String, Option<String>)],
        step: Option<StepName>,
    ) -> Vec<LinkEvent> {
        let rt = self.numbers.round_trip();
        let request = self.logic(session).resume(RoundTrip(rt), resume);
        let resumed = (!resume.last_event_id.is_empty()).then(|| (resume.last_event_id.clone(), tried));
        self.begin(session, rt, request, headers, step, |trip| trip.resumed = resumed)
    }

    /// Starts a round trip.
    fn begin(
        &mut self,
        session: SessionKey,
        rt: u32,
        mut request: Request,
        over: &[(String, Option<String>)],
        step: Option<StepName>,
        mark: impl FnOnce(&mut Trip),
    ) -> Vec<LinkEvent> {
        overlay(&mut request.headers, over);
        let delay = match &mut self.heads {
            None => Duration::ZERO,
            Some(heads) => match heads.alter(session, &mut request) {
                Some(delay) => delay,
                None => return Vec::new(),
            },
        };
        let head = Body::HttpRequest {
            round_trip: rt,
            method: request.method.clone(),
            target: request.path.clone(),
            headers: recorded(&request.headers),
            step,
            client: None,
        };
        let Some(feed) = self.feed.feed() else { return Vec::new() };
        let answer = Answer::new(rt, &request.method, Some(Party::Client), &self.numbers, self.bounds);
        let going = round_trip(self.endpoint.connector.clone(), rt, request, feed, self.bounds);
        let task = Task::spawn(async move {
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            going.await;
        });
        let mut trip = Trip {
            session,
            answer,
            post: None,
            post_open: false,
            initialize: None,
            initialized: false,
            deletes: false,
            resumed: None,
            status: 0,
            _task: task,
        };
        mark(&mut trip);
        self.trips.insert(rt, trip);
        vec![LinkEvent { session: Some(session), what: LinkWhat::Record(head) }]
    }

    fn drop_stream(&mut self, session: SessionKey, stream: StreamId) -> Vec<LinkEvent> {
        let of = |trip: &Trip| trip.post == Some(stream) || trip.answer.stream() == Some(stream);
        let Some(rt) = self.trips.iter().find(|(_, trip)| of(trip)).map(|(rt, _)| *rt) else { return Vec::new() };
        let Some(mut trip) = self.trips.remove(&rt) else { return Vec::new() };
        let mut bodies = Vec::new();
        let ours = Some(Party::Client);
        if let (Some(stream), true) = (trip.post, trip.post_open) {
            bodies.push(Body::StreamClosed { stream, by: ours, how: Closing::Clean });
        }
        let answer = trip.answer.stream();
        bodies.extend(trip.answer.given_up(Party::Client, "we closed the connection"));
        let resume = self.logic(session).drop_round_trip(RoundTrip(rt));
        self.remember(&trip, answer, resume);
        bodies.into_iter().map(|body| LinkEvent { session: Some(session), what: LinkWhat::Record(body) }).collect()
    }

    fn remember(&mut self, trip: &Trip, answer: Option<StreamId>, resume: Option<Resume>) {
        let Some(resume) = resume else { return };
        for stream in trip.post.into_iter().chain(answer) {
            self.resumable.insert(stream, resume.clone());
        }
    }

    /// Does it open an event stream with GET once `notifications/initialized` was accepted?
    #[must_use]
    pub fn listens(&self) -> bool {
        self.habits.listens
    }

    /// Opens event streams with GET only when it is ordered to.
    pub fn listens_when_told(&mut self) {
        self.habits.listens = false;
    }

    /// See [`super::Link::next`].
    pub async fn next(&mut self) -> Option<LinkEvent> {
        loop {
            if let Some(event) = self.inbox.pop_ready() {
                return Some(event);
            }
            let due = self.returns.keys().next().copied();
            let arrival = match due {
                None => self.inbox.arrival().await?,
                Some((at, number)) => tokio::select! {
                    biased;
                    arrival = self.inbox.arrival() => arrival?,
                    () = tokio::time::sleep_until(at) => {
                        if let Some((session, resume, tried)) = self.returns.remove(&(at, number)) {
                            let events = self.get(session, &resume, tried, &[], None);
                            if events.is_empty() && self.heads.is_some() {
                                // a fault kept it back; without an event nobody asks what it did
                                let nothing = Body::Stderr { party: Party::Client, text: String::new() };
                                self.inbox.ready(LinkEvent { session: None, what: LinkWhat::Record(nothing) });
                            }
                            for event in events {
                                self.inbox.ready(event);
                            }
                        }
                        continue;
                    }
                },
            };
            for event in self.arrived(arrival) {
                self.inbox.ready(event);
            }
        }
    }

    /// Understands what arrived.
    fn arrived(&mut self, arrival: Arrival) -> Vec<LinkEvent> {
        match arrival {
            Arrival::Event(event) => vec![event],
            Arrival::Answer(rt, piece) => self.piece(rt, piece),
            Arrival::Request(_) => Vec::new(),
        }
    }

    fn piece(&mut self, rt: u32, piece: Piece) -> Vec<LinkEvent> {
        // pieces of a round trip that was dropped may still be in the queue
        let Some(mut trip) = self.trips.remove(&rt) else { return Vec::new() };
        let session = trip.session;
        let mut out = Vec::new();
        let mut record = |bodies: Vec<Body>| {
            let event = |body| LinkEvent { session: Some(session), what: LinkWhat::Record(body) };
            out.extend(bodies.into_iter().map(event));
        };
        let close_post = |trip: &mut Trip, by: Option<Party>, how: Closing| match trip.post {
            Some(stream) if std::mem::take(&mut trip.post_open) => vec![Body::StreamClosed { stream, by, how }],
            _ => Vec::new(),
        };
        let over = match piece {
            Piece::Head(head) => {
                record(close_post(&mut trip, Some(Party::Client), Closing::Clean));
                trip.status = head.status;
                record(trip.answer.head(&head));
                self.logic(session).response_head(RoundTrip(rt), &head);
                None
            }
            Piece::Chunk(chunk) => {
                let answer = trip.answer.stream();
                let (bodies, exceeded) = trip.answer.chunk(&chunk);
                record(bodies);
                for event in self.logic(session).body(RoundTrip(rt), &chunk) {
                    self.learn(session, &trip, &event);
                }
                exceeded.then_some((answer, false))
            }
            Piece::End => {
                let answer = trip.answer.stream();
                record(trip.answer.end(Some(Party::Server), &Ok(())));
                Some((answer, true))
            }
            Piece::Broken { connected, why } => {
                let by = connected.then_some(Party::Server);
                record(close_post(&mut trip, by, Closing::Cut(why.clone())));
                let answer = trip.answer.stream();
                record(trip.answer.end(by, &Err(why)));
                Some((answer, false))
            }
        };
        let Some((answer, clean)) = over else {
            self.trips.insert(rt, trip);
            return out;
        };
        let mut resume = None;
        for event in self.logic(session).finished(RoundTrip(rt), clean) {
            self.learn(session, &trip, &event);
            match event {
                ClientEvent::Refused { session_lost: true, .. } => {
                    out.push(LinkEvent { session: Some(session), what: LinkWhat::SessionClosed });
                }
                ClientEvent::Ended { resume: r, .. } => resume = r,
                _ => {}
            }
        }
        let success = (200..300).contains(&trip.status);
        if trip.deletes && success {
            out.push(LinkEvent { session: Some(session), what: LinkWhat::SessionClosed });
        }
        if self.own.is_some() && trip.initialized && success && self.habits.listens {
            let listen = Resume { last_event_id: String::new(), retry: None, awaiting: vec![] };
            out.extend(self.get(session, &listen, 0, &[], None));
        }
        self.remember(&trip, answer, resume.clone());
        if let (Some(resume), true, true) = (resume, self.habits.resumes, self.own.is_some()) {
            let tried = match &trip.resumed {
                Some((from, tried)) if *from == resume.last_event_id => tried + 1,
                _ => 0,
            };
            if tried < ATTEMPTS {
                let wait = resume.retry.map_or(RETRY, Duration::from_millis).min(Duration::from_secs(3600));
                self.returns.insert((Instant::now() + wait, rt), (session, resume, tried));
            }
        }
        out
    }

    /// The revision that the server chose is sent from now on.
    fn learn(&mut self, session: SessionKey, trip: &Trip, event: &ClientEvent) {
        if let (ClientEvent::Message { message, .. }, Some(heads)) = (event, &mut self.heads) {
            heads.came(session, message);
        }
        if let ClientEvent::Message { message, .. } = event
            && trip.initialize.is_some()
            && message.id() == trip.initialize.as_ref()
            && let Some(version) = message.result().get("protocolVersion").and_then(|v| v.as_str())
        {
            self.logic(session).set_version(Some(version.to_owned()));
        }
    }

    /// See [`super::Link::feed`].
    #[must_use]
    pub fn feed(&self) -> Option<Feed> {
        self.feed.feed()
    }

    /// See [`super::Link::finish`]. Round trips that are not over by then are closed.
    pub async fn finish(mut self, patience: Duration) -> Vec<LinkEvent> {
        let mut events = self.order(Order::EndInput);
        let deadline = Instant::now() + patience;
        // a server ends GET streams with their session, or never
        let listening = |trip: &Trip| trip.post.is_none() && !trip.deletes && trip.answer.stream().is_some();
        while !self.trips.values().all(listening) {
            match tokio::time::timeout_at(deadline, self.next()).await {
                // one that talks on and on while we leave is not written down
                Ok(Some(event)) if events.len() >= LAST_WORDS && !is_end(&event) => {}
                Ok(Some(event)) => events.push(event),
                Ok(None) | Err(_) => break,
            }
        }
        events.extend(self.inbox.take_ready());
        while let Some(arrival) = self.inbox.arrived() {
            events.extend(self.arrived(arrival));
        }
        let open: Vec<_> =
            self.trips.values().filter_map(|t| Some((t.session, t.answer.stream().or(t.post)?))).collect();
        for (session, stream) in open {
            events.extend(self.drop_stream(session, stream));
        }
        events
    }
}

fn is_end(event: &LinkEvent) -> bool {
    matches!(event.what, LinkWhat::SessionClosed | LinkWhat::Record(Body::StreamClosed { .. }))
}

/// One request and its answer, on a connection of its own.
async fn round_trip(connector: Connector, rt: u32, request: Request, feed: Feed, bounds: Bounds) {
    let mut connected = false;
    let piece = match exchange(&connector, rt, request, &feed, &bounds, &mut connected).await {
        Ok(()) => Piece::End,
        Err(why) => Piece::Broken { connected, why },
    };
    feed.hand(Arrival::Answer(rt, piece)).await;
}

async fn exchange(
    connector: &Connector,
    rt: u32,
    request: Request,
    feed: &Feed,
    bounds: &Bounds,
    connected: &mut bool,
) -> Result<(), String> {
    let (response, _connection) = ask(connector, request, bounds, connected).await?;
    let (parts, mut body) = response.into_parts();
    let head = ResponseHead { status: parts.status.as_u16(), headers: headers_of(&parts.headers) };
    feed.hand(Arrival::Answer(rt, Piece::Head(head))).await;
    while let Some(frame) = body.frame().await {
        if let Ok(chunk) = frame.map_err(|e| chain(&e))?.into_data()
            && !feed.hand(Arrival::Answer(rt, Piece::Chunk(chunk))).await
        {
            break;
        }
    }
    Ok(())
}

/// Sends a request on a new connection and waits for the head of its answer. The connection lasts as long as the task.
pub(crate) async fn ask(
    connector: &Connector,
    request: Request,
    bounds: &Bounds,
    connected: &mut bool,
) -> Result<(hyper::Response<hyper::body::Incoming>, Task), String> {
    let headers = header_map(&request.headers)?;
    let mut outgoing = hyper::Request::builder().method(request.method.as_str()).uri(request.path.as_str());
    if let Some(map) = outgoing.headers_mut() {
        *map = headers;
    }
    let outgoing = outgoing.body(Full::new(request.body)).map_err(|e| chain(&e))?;
    let io = match tokio::time::timeout(CONNECT, connector.connect()).await {
        Ok(Ok(io)) => io,
        Ok(Err(e)) => return Err(format!("cannot connect: {}", chain(&e))),
        Err(_) => return Err(format!("cannot connect: no answer in {} s", CONNECT.as_secs())),
    };
    *connected = true;
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_buf_size(bounds.head.max(8 << 10))
        .handshake(HyperIo(io))
        .await
        .map_err(|e| chain(&e))?;
    let connection = Task::spawn(async move {
        // what goes wrong is told to the request as well
        let _ = connection.await;
    });
    let response = sender.send_request(outgoing).await.map_err(|e| chain(&e))?;
    Ok((response, connection))
}
