//! A declared fault in a party that is alive: what it sends in place of what it meant to send, session by session, and where
//! it says so.

use crate::fault::{Carrier, Context, Fault, Outgoing, Request};
use crate::reference::{Proposal, Route, SessionKey};
use crate::trace::event::Body;
use crate::trace::{StreamKind, Transport};
use crate::transport::{Detour, Feed, Link, Order, SendOrder};
use crate::wire::json::Limits;
use crate::wire::{Id, Message, Party};
use bytes::Bytes;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// So many requests of one session that nobody answered are remembered.
const MOST_OPEN: usize = 1024;

/// Where a party says what its fault did: whoever judges it can compare.
#[derive(Debug, Clone)]
pub enum Teller {
    /// Among what the other end of the connection records, as if it had been written on the standard error.
    Record(Feed),
    /// A line for people to read.
    Line(fn(&str)),
}

/// A fault, and what it must know.
pub struct Deviation {
    fault: Fault,
    by: Party,
    teller: Option<Teller>,
    sessions: BTreeMap<SessionKey, Session>,
    untold: Vec<String>,
    /// Over stdio: what its messages go over. Over HTTP that is known only below.
    stream: Option<StreamKind>,
}

/// A fault counts the messages of each session by themselves.
struct Session {
    fault: Fault,
    /// The requests of the other party that are not answered, oldest first.
    open: Vec<Request>,
}

impl Deviation {
    /// A fault that has done nothing yet.
    #[must_use]
    pub fn new(fault: Fault, teller: Option<Teller>) -> Deviation {
        Deviation { by: fault.by, fault, teller, sessions: BTreeMap::new(), untold: Vec::new(), stream: None }
    }

    /// It deviates on this connection, below its messages too.
    pub(super) fn begins(&mut self, link: &mut Link) {
        link.deviate(&self.fault);
        self.stream = match (link.transport(), self.by) {
            (Transport::Stdio, Party::Client) => Some(StreamKind::Stdin),
            (Transport::Stdio, Party::Server) => Some(StreamKind::Stdout),
            (Transport::Http, _) => None,
        };
    }

    fn session(&mut self, key: SessionKey) -> &mut Session {
        let fault = &self.fault;
        self.sessions.entry(key).or_insert_with(|| Session { fault: fault.clone(), open: Vec::new() })
    }

    /// The other party asked for something.
    pub(super) fn asked(&mut self, key: SessionKey, request: Request) {
        let open = &mut self.session(key).open;
        open.push(request);
        if open.len() > MOST_OPEN {
            open.remove(0);
        }
    }

    /// What this party takes a message of that session for, or meant by one of its own.
    pub(super) fn meant(&self, key: SessionKey, message: Message) -> Message {
        let meant = self.sessions.get(&key).and_then(|session| session.fault.meant(message.value()));
        meant.map_or(message, |value| Message::of(&value))
    }

    /// The session is over.
    pub(super) fn closed(&mut self, key: SessionKey) {
        self.sessions.remove(&key);
    }

    /// What is sent in place of a proposal, and how much later.
    pub(super) fn altered(&mut self, proposal: &Proposal) -> Vec<(Duration, Order)> {
        let name = self.fault.name.clone();
        let stream = self.stream;
        let session = self.session(proposal.session);
        let answered = match &proposal.route {
            Route::Answer(id) => session.open.iter().position(|open| open.id == *id),
            _ => None,
        };
        let answers = answered.and_then(|i| session.open.get(i));
        let context = Context { answers, open: &session.open, carrier: Carrier { stream, ..Carrier::default() } };
        let sent = session.fault.apply(&proposal.message, context);
        let mut told: Vec<String> = sent
            .iter()
            .filter(|out| out.changed && detour(out).is_none())
            .map(|out| format!("fault {name}: sent {}", String::from_utf8_lossy(&out.what.frame().unwrap_or_default())))
            .collect();
        if sent.is_empty() {
            told.push(format!("fault {name}: kept back {}", proposal.message));
        }
        let framed = sent.iter().filter_map(|out| Some((out, Bytes::from(out.what.frame()?))));
        let (outs, frames): (Vec<&Outgoing>, Vec<(Duration, Bytes)>) =
            framed.map(|(out, frame)| (out, (out.delay, frame))).unzip();
        let is_open = |id: &Id| session.open.iter().any(|open| open.id == *id);
        let read = |frame: &Bytes| Message::read(frame.clone(), &Limits::default());
        let answers = |frame: &Bytes| {
            let read = read(frame);
            read.id().filter(|id| read.is_answer() && is_open(id)).cloned()
        };
        // what became of an answer goes where it would have gone, whatever it is now
        let own = match &proposal.route {
            Route::Answer(id) => frames.iter().position(|(_, frame)| answers(frame).as_ref() == Some(id)),
            _ => None,
        };
        let own = own.or_else(|| frames.iter().rposition(|(_, frame)| answers(frame).is_none()));
        let orders = frames.iter().zip(outs).enumerate().map(|(i, ((delay, frame), out))| {
            let route = match (answers(frame), &proposal.route) {
                // an answer that a fault puts in goes where the answer to its request goes
                (Some(id), _) => Route::Answer(id),
                (None, Route::Answer(id)) if own != Some(i) => Route::Related(id.clone()),
                (None, route) => route.clone(),
            };
            let send = SendOrder::new(proposal.session, route, frame.clone());
            (*delay, Order::Send(SendOrder { detour: detour(out), ..send }))
        });
        let orders = orders.collect();
        if let Some(i) = answered {
            session.open.remove(i);
        }
        self.untold.extend(told);
        orders
    }

    /// Says what was done since it was last asked to.
    pub(super) async fn tell(&mut self, link: &mut Link) {
        self.untold.extend(link.deviated());
        for line in self.untold.drain(..) {
            match &self.teller {
                Some(Teller::Record(feed)) => {
                    let text = format!("{line}\n");
                    feed.record(None, Body::Stderr { party: self.by, text }).await;
                }
                Some(Teller::Line(say)) => say(&line),
                None => {}
            }
        }
    }
}

/// The other way that something takes; what is only put in goes the way that is its own.
fn detour(out: &Outgoing) -> Option<Detour> {
    let (event_id, over) = (&out.event_id, &out.over);
    let other = over.is_some() || matches!(event_id, Some(Some(_)));
    other.then(|| Detour { event_id: event_id.clone(), over: over.clone(), copy: out.copy })
}

/// A message as an order.
pub(super) fn order(session: SessionKey, route: Route, message: &Value) -> Order {
    Order::Send(SendOrder::new(session, route, Bytes::from(message.to_string())))
}
