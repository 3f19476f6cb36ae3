//! The client's and the server's seat: the reference peers propose, the script disposes, a link carries.

use super::alone::{Alone, Moved};
use super::answers::Answers;
use super::asked::Asked;
use super::company::Company;
use super::director::Director;
use super::gate::{Gate, Noted};
use super::leave::Ended;
use super::{Play, Recorder, cast, needs};
use crate::peer::driver::Report;
use crate::reference::{Effect, Engine, Proposal, Route, SessionKey};
use crate::scenario::play::{Due, Parcel, Ruling, Sending};
use crate::trace::Transport;
use crate::trace::event::{Body, EndReason, StreamId, StreamKind};
use crate::transport::{Link, LinkEvent, LinkWhat, Order, SendOrder};
use crate::wire::json::Limits;
use crate::wire::message::{self, Kind};
use crate::wire::{Id, Message, Party};
use bytes::Bytes;
use serde_json::Value;
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;
use tokio::sync::watch;

/// How many bytes of the other party's messages a play may bring.
const MOST_BYTES: usize = 32 << 20;

/// How many notifications of the other party a play may bring: nobody asked for them, and an honest party sends few.
const MOST_NOTIFIED: usize = 3_000;

/// The id of the ping after which nothing more can come.
const FENCE: &str = "fence";

/// Plays a scenario with the party that is ours on this end of the link, to the end of its course. `further` are the engines
/// of the further clients, in the order in which the file names them; `client` says what moves the one that is not ours.
/// `interrupted` turns true when the user wants to stop.
pub async fn play<'m>(
    play: &Play,
    engine: &mut dyn Engine,
    further: &mut [Box<dyn Engine>],
    mut link: Link,
    client: Option<Moved<'m>>,
    interrupted: watch::Receiver<bool>,
) -> Ended<'m> {
    // where the file says when to listen, nothing else does
    if play.plan.listens() {
        link.listens_when_told();
    }
    let mut recorder = Recorder::new(play.exchange());
    let (director, alone) = match client {
        Some(Moved::Driven(client)) => (Some(Director::new(play, client, &mut recorder)), None),
        Some(Moved::Alone) => (None, Some(Alone::default())),
        None => (None, None),
    };
    let ours = link.party();
    let http = link.transport() == Transport::Http;
    let listens = link.listens().then_some(play.patience.settle);
    let mut stage = Stage {
        play,
        recorder,
        company: Company::new(ours, engine, &play.plan.scenario().parties, further),
        link,
        ours,
        held: Vec::new(),
        waiting: VecDeque::new(),
        gate: Gate::new(ours, http).listening(listens),
        answers: Answers::default(),
        asked: Asked::new(ours),
        over: BTreeSet::new(),
        gone: None,
        dismisses: false,
        bytes: 0,
        notified: 0,
        open: BTreeSet::new(),
        fenced: None,
        fence_sent: false,
        fence_answered: false,
        application_done: false,
        awaited: Vec::new(),
        director,
        alone,
        interrupted,
    };
    let reason = stage.run().await;
    let reason = match &mut stage.director {
        Some(director) => director.conclude(reason).await,
        None => reason,
    };
    let reason = stage.or_not_started(reason);
    let Stage { mut recorder, link, company, over, director, .. } = stage;
    recorder.record(Body::End { reason });
    let left = company.sessions().into_iter().filter(|session| !over.contains(session));
    let sessions = left.map(|session| (session, company.name(session).map(str::to_owned))).collect();
    Ended { recorder, link, sessions, director }
}

struct Stage<'a, 'm> {
    play: &'a Play,
    recorder: Recorder,
    company: Company<'a>,
    link: Link,
    ours: Party,
    /// Proposals that a later step names.
    held: Vec<Proposal>,
    /// What goes out once `notifications/initialized` is accepted.
    waiting: VecDeque<(SessionKey, Option<Route>, Sending)>,
    gate: Gate,
    answers: Answers,
    asked: Asked,
    /// The sessions that are over.
    over: BTreeSet<SessionKey>,
    gone: Option<EndReason>,
    /// We are about to end a session ourselves.
    dismisses: bool,
    /// What came of the other party.
    bytes: usize,
    /// How many notifications the other party sent.
    notified: usize,
    /// The streams of answers that are open (HTTP).
    open: BTreeSet<StreamId>,
    /// Since when the fence is waited for.
    fenced: Option<Duration>,
    fence_sent: bool,
    fence_answered: bool,
    application_done: bool,
    /// The steps that an application of ours waits for, and that have not happened.
    awaited: Vec<String>,
    /// Moves the client, where that is not ours.
    director: Option<Director<'m>>,
    /// The client, where nobody moves it.
    alone: Option<Alone>,
    interrupted: watch::Receiver<bool>,
}

enum Woken {
    Came(Option<LinkEvent>),
    Reported(Report),
    Time,
    Interrupted,
}

impl Stage<'_, '_> {
    async fn run(&mut self) -> EndReason {
        if self.ours == Party::Client {
            for doing in cast::application(self.play).actions {
                self.recorder.record(cast::told(&doing));
                self.awaited.extend(doing.once);
            }
        }
        // what was there before we speak (a process that was started) stands in the record before what we say; who tells of
        // it may not have had its turn yet
        tokio::task::yield_now().await;
        while let Some(event) = self.ready().await {
            self.came(event);
        }
        let mut idle_since = None;
        loop {
            self.recorder.tick();
            if self.gate.is_open() {
                let now = self.recorder.now();
                self.company.begin_next(now);
            }
            let now = self.recorder.now();
            let exchange = self.recorder.exchange();
            for label in self.awaited.extract_if(.., |label| exchange.has_happened(label)) {
                self.company.happened(now, &label);
            }
            if let Err(reason) = self.pump() {
                return reason;
            }
            let settle = self.play.patience.settle;
            let ended = self.alone.as_ref().and_then(Alone::ended);
            // what it said last may still be on its way
            let over = ended.as_ref().filter(|(at, _)| self.recorder.now() >= *at + settle);
            if let Some(reason) = self.gone.take().or(over.map(|(_, reason)| reason.clone())) {
                // a client leaves when it has got what it wanted; a server stays
                let badly = self.alone.as_ref().is_some_and(Alone::ended_badly);
                let leaves = !matches!(reason, EndReason::NotStarted { .. }) && !badly;
                let may_leave = self.ours == Party::Server && leaves && self.recorder.exchange().finished();
                if let Some(director) = &mut self.director {
                    director.went();
                }
                return if may_leave { EndReason::Finished } else { reason };
            }
            if let Some(director) = &mut self.director {
                director.go_on(self.play, &mut self.recorder);
            }
            let now = self.recorder.now();
            let mut wake: Vec<Duration> = vec![self.play.cap];
            wake.extend(ended.as_ref().map(|(at, _)| *at + settle));
            // a program that moves by itself is to end, and may have to close down for that
            let patience = if self.alone.is_some() { self.play.patience.start } else { self.play.patience.step };
            if self.recorder.exchange().finished() && self.company.all_begun() {
                let since = *idle_since.get_or_insert(now);
                // a client of ours knows at once whether its application is done; a foreign one tells by leaving
                let lingers = self.ours == Party::Server || !self.application_done;
                let left = self.director.as_ref().and_then(Director::left).map(|at| at + settle);
                if self.alone.is_some() && ended.is_none() && now >= since + patience {
                    let how = format!("it had not ended {} s after all was done", patience.as_secs());
                    return EndReason::Gone { party: Party::Client, how };
                }
                wake.extend(left.filter(|until| now < *until));
                if !lingers
                    || left.is_some_and(|until| now >= until)
                    || self.company.idle() && self.ours == Party::Client
                    || self.alone.is_none() && now >= since + patience
                {
                    match self.fence() {
                        Some((until, _)) if now < until => wake.push(until),
                        // one that says nothing any more has fallen silent
                        Some((_, true)) => return EndReason::Deadline,
                        _ => return EndReason::Finished,
                    }
                }
            }
            match self.script() {
                Ok(Some(at)) => wake.push(at),
                Ok(None) => {}
                Err(reason) => return reason,
            }
            if self.recorder.len() >= self.play.most_events || self.bytes > MOST_BYTES {
                let how =
                    format!("{} events with {} bytes came, and no more was read", self.recorder.len(), self.bytes);
                return EndReason::Gone { party: self.ours.other(), how };
            }
            if self.notified > MOST_NOTIFIED {
                let how = format!("{} notifications came, and no more was read", self.notified);
                return EndReason::Gone { party: self.ours.other(), how };
            }
            if now >= self.play.cap {
                return EndReason::Deadline;
            }
            let exchange = self.recorder.exchange();
            if let Some(due) = exchange.due_at() {
                if !exchange.finished() && now >= due {
                    return EndReason::Deadline;
                }
                wake.push(due);
            }
            wake.extend(exchange.settles_at());
            wake.extend(idle_since.map(|since| since + patience));
            wake.extend(self.company.wake_at());
            wake.extend(self.gate.wake_at());
            let at = wake.into_iter().min().unwrap_or(self.play.cap);
            match self.wait(at).await {
                Woken::Came(Some(event)) => self.came(event),
                Woken::Came(None) => {
                    let how = "it closed the connection".to_owned();
                    self.gone.get_or_insert(EndReason::Gone { party: self.ours.other(), how });
                }
                Woken::Reported(report) => {
                    let director = self.director.as_mut();
                    let ended = director.and_then(|director| director.came(report, &mut self.recorder));
                    self.gone = self.gone.take().or(ended);
                }
                Woken::Time => {
                    let now = self.recorder.now();
                    self.company.wake(now);
                    self.gate.tick(now);
                }
                Woken::Interrupted => return EndReason::Interrupted,
            }
        }
    }

    /// A party that left or was waited for in vain before it said anything may not have been able to start.
    fn or_not_started(&mut self, reason: EndReason) -> EndReason {
        if self.play.again || self.recorder.exchange().heard(self.ours.other()) {
            return reason;
        }
        // of a client that does not come nothing can be said
        let foreign = self.director.is_some() || self.alone.is_some();
        let never = |how: String| EndReason::NotApplicable { reason: format!("the client never connected: {how}") };
        match reason {
            EndReason::Deadline if foreign => {
                never(format!("nothing came of it within {} s", self.recorder.now().as_secs()))
            }
            EndReason::Gone { how, .. } if foreign => never(how),
            EndReason::Deadline => {
                let waited = self.recorder.now().as_secs();
                EndReason::NotStarted { how: format!("it said nothing at all within {waited} s") }
            }
            EndReason::Gone { how, .. } => EndReason::NotStarted { how: format!("it said nothing at all: {how}") },
            other => other,
        }
    }

    /// What has come already.
    async fn ready(&mut self) -> Option<LinkEvent> {
        tokio::select! {
            biased;
            event = self.link.next() => event,
            () = std::future::ready(()) => None,
        }
    }

    /// Asks for what shows that nothing more comes of the course (an answer given twice, a word too many): over stdio a
    /// ping, whose answer comes after whatever else was on its way; over HTTP the end of the streams of answers, and the
    /// beginning of the one that we opened ourselves. And it gives what we asked ourselves the time to be answered: requests may be answered in any order, and the ping first. Says
    /// until when to wait for it, and whether it is owed; `None` when it is there, or where the other party has no reason to
    /// say more.
    fn fence(&mut self) -> Option<(Duration, bool)> {
        if self.ours == Party::Server {
            return None;
        }
        let now = self.recorder.now();
        let begun = *self.fenced.get_or_insert(now);
        let patient = begun + self.play.patience.step;
        let owes = self.asked.any(&Id::from(FENCE));
        if self.link.transport() == Transport::Http {
            let settled = begun + self.play.patience.settle;
            let open = (!self.open.is_empty() || !self.gate.is_open()).then_some((settled, false));
            return if owes { Some((patient, true)) } else { open };
        }
        if !self.fence_sent {
            self.fence_sent = true;
            let message = message::request(&Id::from(FENCE), "ping", None);
            let what = Parcel::Message { route: Some(Route::Unrelated), message };
            let (step, breaks, headers, client) = (None, Vec::new(), Vec::new(), None);
            self.send(self.company.session(None), None, Sending { step, breaks, headers, client, what });
        }
        (owes || !self.fence_answered).then_some((patient, true))
    }

    async fn wait(&mut self, at: Duration) -> Woken {
        let until = self.recorder.instant(at);
        let mut interrupted = self.interrupted.clone();
        tokio::select! {
            biased;
            () = raised(&mut interrupted) => Woken::Interrupted,
            event = self.link.next() => Woken::Came(event),
            report = reported(&mut self.director) => Woken::Reported(report),
            () = tokio::time::sleep_until(until) => Woken::Time,
        }
    }

    /// Carries out what the engine wants, and sends what was held as soon as its step is due, until nothing changes.
    fn pump(&mut self) -> Result<(), EndReason> {
        loop {
            let mut changed = false;
            for effect in self.company.take() {
                changed = true;
                match effect {
                    Effect::Send(proposal) => self.dispose(proposal)?,
                    Effect::CloseStream { session, request } => {
                        let events = self.link.order(Order::CloseStream { session, request });
                        self.came_all(events);
                    }
                    Effect::Saw { label, value } => self.recorder.record(Body::Saw { label, value }),
                    Effect::Heard { .. } => {}
                    Effect::Close { session } => self.done(session),
                }
            }
            let held = std::mem::take(&mut self.held);
            let count = held.len();
            for proposal in held {
                self.dispose(proposal)?;
            }
            changed |= self.held.len() != count;
            if self.gate.is_open()
                && let Some((session, route, sending)) = self.waiting.pop_front()
            {
                self.send(session, route, sending);
                changed = true;
            }
            if !changed {
                return Ok(());
            }
        }
    }

    fn dispose(&mut self, proposal: Proposal) -> Result<(), EndReason> {
        let message = Message::of(&proposal.message);
        match self.recorder.exchange().propose(&message, self.company.name(proposal.session)) {
            Ruling::Send(sending) => {
                if !self.gate.is_open() {
                    self.waiting.push_back((proposal.session, Some(proposal.route), *sending));
                } else {
                    self.send(proposal.session, Some(proposal.route), *sending);
                }
                Ok(())
            }
            Ruling::Hold => {
                self.held.push(proposal);
                Ok(())
            }
            Ruling::Withhold => Ok(()),
            Ruling::Fault(missing) => {
                let how = format!("a step of the {} cannot be sent: {}", self.ours, missing.why);
                Err(EndReason::ScenarioFault { how })
            }
        }
    }

    /// Sends what the script alone wants; gives the time at which it wants to be asked again.
    fn script(&mut self) -> Result<Option<Duration>, EndReason> {
        while self.company.idle() && self.gate.is_open() && self.waiting.is_empty() {
            match self.recorder.exchange().due() {
                Due::Send(sending) => {
                    let session = self.company.session(sending.client.as_deref());
                    self.send(session, None, *sending);
                    self.pump()?;
                }
                Due::Wait(at) => return Ok(Some(at)),
                Due::Nothing => return Ok(None),
                Due::Fault { step, missing } => {
                    let how = format!(
                        "step {step} is due, nobody proposes it, and the file alone is not enough: {}",
                        missing.why
                    );
                    return Err(EndReason::ScenarioFault { how });
                }
            }
        }
        Ok(None)
    }

    fn send(&mut self, session: SessionKey, route: Option<Route>, sending: Sending) {
        let Sending { step, breaks, headers, what, .. } = sending;
        let order = match what {
            Parcel::Message { route: own, message } => {
                let route = own.or(route).unwrap_or(Route::Unrelated);
                let bytes = Bytes::from(message.to_string());
                Order::Send(SendOrder { step, breaks, headers, ..SendOrder::new(session, route, bytes) })
            }
            Parcel::Bytes { route, bytes } => {
                Order::Send(SendOrder { step, breaks, headers, ..SendOrder::new(session, route, bytes) })
            }
            Parcel::Delete => Order::Delete { session, headers, step },
            Parcel::Listen { resumes, last_event_id } => {
                let resumes = resumes.and_then(|trip| self.gate.stream_of(trip));
                Order::Listen { session, last_event_id, resumes, headers, step }
            }
            Parcel::Drop { trip, stream } => {
                let stream = trip.and_then(|trip| self.gate.stream_of(trip)).or(stream).unwrap_or(StreamId(0));
                Order::Drop { session, stream }
            }
            Parcel::CloseStream { request } => Order::CloseStream { session, request },
            Parcel::Refuse { trip: round_trip, status } => {
                Order::Refuse { round_trip, status, body: Bytes::new(), headers, step }
            }
        };
        self.dismisses = matches!(order, Order::Refuse { .. });
        let events = self.link.order(order);
        self.came_all(events);
        self.dismisses = false;
    }

    fn came_all(&mut self, events: Vec<LinkEvent>) {
        for event in events {
            self.came(event);
        }
    }

    fn came(&mut self, event: LinkEvent) {
        let now = self.recorder.now();
        let mut body = match event.what {
            LinkWhat::SessionOpened => {
                if let Some(session) = event.session {
                    self.company.opened(now, session);
                }
                return;
            }
            LinkWhat::SessionClosed => {
                if let Some(session) = event.session {
                    self.company.closed(now, session);
                    self.over.insert(session);
                    if self.ours == Party::Server && !self.dismisses && self.alone.is_none() {
                        let how = "it ended the session".to_owned();
                        self.gone.get_or_insert(EndReason::Gone { party: Party::Client, how });
                    }
                }
                return;
            }
            LinkWhat::Record(body) => body,
        };
        if let (Body::HttpRequest { client, .. }, Some(session)) = (&mut body, event.session) {
            *client = self.company.name(session).map(str::to_owned);
        }
        self.recorder.record(body.clone());
        self.note(&body, now);
        if let (Party::Server, Some(session), Some(request)) = (self.ours, event.session, self.answers.note(&body)) {
            self.company.lost(now, session, &request);
        }
        let Body::Message { from, text, .. } = &body else { return };
        if *from != self.ours {
            self.bytes += text.bytes().len();
        }
        let Some(session) = event.session else { return };
        let message = Message::read(Bytes::from(text.bytes()), &Limits::default());
        if *from != self.ours && matches!(message.kind(), Kind::Notification { .. }) {
            self.notified += 1;
        }
        self.asked.said(session, &body, &message);
        if *from == self.ours {
            self.company.sent(now, session, &message);
        } else {
            self.declared(&message);
            self.fence_answered |= message.is_answer() && message.id() == Some(&Id::from(FENCE));
            self.negotiate(session, &message);
            self.company.receive(now, session, &message);
        }
    }

    /// A client that does not declare what the file needs of it is not asked for it.
    fn declared(&mut self, message: &Message) {
        if self.ours == Party::Client {
            return;
        }
        let Some(reason) = needs::lacking(self.play, message) else { return };
        self.gone.get_or_insert(EndReason::NotApplicable { reason });
    }

    /// An engine is done with its session.
    fn done(&mut self, session: SessionKey) {
        let refused = self.ours == Party::Client && !self.company.greeted(session);
        match self.company.being_let_in().filter(|_| refused) {
            Some(name) => {
                let reason = self.not_let_in(name, "it did not agree to `initialize`");
                self.gone.get_or_insert(reason);
            }
            None => self.application_done |= self.company.name(session).is_none(),
        }
    }

    fn not_let_in(&self, name: &str, how: &str) -> EndReason {
        let how = format!("it did not let in a further client, \"{name}\": {how}");
        EndReason::Gone { party: self.ours.other(), how }
    }

    /// What the seat itself has to know of an event.
    fn note(&mut self, body: &Body, now: Duration) {
        match body {
            Body::StreamOpened { stream, kind: StreamKind::PostAnswer, .. } => {
                self.open.insert(*stream);
            }
            Body::StreamClosed { stream, .. } => {
                self.open.remove(stream);
            }
            _ => {}
        }
        self.asked.note(body);
        match self.gate.note(body, now) {
            Noted::Nothing => {}
            Noted::NoServer(how) => {
                let reason = match self.company.being_let_in() {
                    None => EndReason::NotStarted { how },
                    // it did let in another
                    Some(name) => self.not_let_in(name, &how),
                };
                self.gone.get_or_insert(reason);
            }
        }
        if let Body::ProcessExited { code, signal, ours: false, .. } = body {
            let how = match (code, signal) {
                (Some(code), _) => format!("it exited with code {code}"),
                (None, Some(signal)) => format!("it was ended by signal {signal}"),
                (None, None) => "it exited".to_owned(),
            };
            match &mut self.alone {
                Some(alone) => alone.exited(now, *code, how),
                None => self.gone = Some(EndReason::Gone { party: self.ours.other(), how }),
            }
        }
    }

    fn record_all(&mut self, events: Vec<LinkEvent>) {
        let now = self.recorder.now();
        for event in events {
            if let LinkWhat::Record(body) = event.what {
                self.recorder.record(body.clone());
                self.gate.note(&body, now);
            }
        }
    }

    /// Tells the link which revision was negotiated.
    fn negotiate(&mut self, session: SessionKey, message: &Message) {
        if !matches!(message.kind(), Kind::Result { .. }) || self.ours != Party::Client {
            return;
        }
        if let Some(version) = message.result().get("protocolVersion").and_then(Value::as_str) {
            let events = self.link.order(Order::Version { session, version: version.to_owned() });
            self.record_all(events);
        }
    }
}

/// What the client's driver reports next; waits for ever where there is none.
async fn reported(director: &mut Option<Director<'_>>) -> Report {
    match director {
        Some(director) => director.next().await,
        None => std::future::pending().await,
    }
}

/// Waits until the flag is raised; for ever if it never is.
pub(crate) async fn raised(flag: &mut watch::Receiver<bool>) {
    if flag.wait_for(|raised| *raised).await.is_err() {
        std::future::pending::<()>().await;
    }
}
