//! A party on a link, without a script: the embedded peer, and what `serve` runs; honest, or with a declared fault.

use super::answers::Answers;
use super::deviation::{Deviation, order};
use super::gate::Gate;
use super::own::raised;
use crate::fault::Request;
use crate::reference::client::Told;
use crate::reference::{Effect, Engine, Proposal, SessionKey};
use crate::trace::Transport;
use crate::trace::event::{Body, Closing};
use crate::transport::{Link, LinkEvent, LinkWhat, Order};
use crate::wire::json::Limits;
use crate::wire::{Message, Party};
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// An engine, and what goes with it.
pub struct Host {
    /// The engine.
    pub engine: Box<dyn Engine>,
    /// What is altered in what it sends.
    pub deviation: Option<Deviation>,
    /// What its application is told to do, where the engine is a client that is driven.
    pub told: Option<mpsc::UnboundedReceiver<Told>>,
    /// Where it is told what its application saw and heard.
    pub heard: Option<mpsc::UnboundedSender<Effect>>,
    /// Where it is told what is to be recorded, in the order in which it came.
    pub record: Option<mpsc::UnboundedSender<Body>>,
    /// What goes out later.
    later: Vec<(Duration, Order)>,
    /// How often it has begun a session anew.
    renewed: usize,
}

/// A client begins no more sessions anew than these: a server may forget each of them at once.
const MOST_RENEWALS: usize = 4;

/// So long a client waits for the stream that it listens on before it asks for anything: what a server asks over a stream that
/// is not open yet is lost. A server may keep the head of its answer until it has something to say.
const LISTENING: Duration = Duration::from_millis(500);

impl Host {
    /// An engine that is let be.
    #[must_use]
    pub fn honest(engine: Box<dyn Engine>) -> Host {
        Host { engine, deviation: None, told: None, heard: None, record: None, later: Vec::new(), renewed: 0 }
    }

    /// Runs until the other party is gone, the client is done, or `stop` turns true.
    pub async fn run(mut self, mut link: Link, mut stop: watch::Receiver<bool>) {
        let start = Instant::now();
        let ours = link.party();
        let http = link.transport() == Transport::Http;
        if let Some(deviation) = &mut self.deviation {
            deviation.begins(&mut link);
        }
        let listens = link.listens().then_some(LISTENING);
        let mut gate = Gate::new(ours, http).listening(listens);
        let mut answers = Answers::default();
        let mut waiting: VecDeque<Order> = VecDeque::new();
        let mut inbox: VecDeque<LinkEvent> = VecDeque::new();
        if ours == Party::Client {
            self.engine.opened(start.elapsed(), SessionKey(0));
        }
        loop {
            let mut done = false;
            loop {
                if let Some(deviation) = &mut self.deviation {
                    deviation.tell(&mut link).await;
                }
                let effects = self.engine.take();
                if effects.is_empty() && inbox.is_empty() && (waiting.is_empty() || !gate.is_open()) {
                    break;
                }
                for effect in effects {
                    match effect {
                        Effect::Send(proposal) => {
                            let orders = self.altered(proposal, start.elapsed());
                            waiting.extend(orders);
                            if let Some(deviation) = &mut self.deviation {
                                deviation.tell(&mut link).await;
                            }
                        }
                        Effect::CloseStream { session, request } => {
                            waiting.push_back(Order::CloseStream { session, request });
                        }
                        Effect::Saw { .. } | Effect::Heard { .. } => {
                            if let Some(heard) = &self.heard {
                                // nobody may want to know any more
                                let _ = heard.send(effect);
                            }
                        }
                        Effect::Close { .. } => done = true,
                    }
                }
                if gate.is_open()
                    && let Some(order) = waiting.pop_front()
                {
                    inbox.extend(link.order(order));
                }
                while let Some(event) = inbox.pop_front() {
                    if let (Party::Server, Some(session), LinkWhat::Record(body)) = (ours, event.session, &event.what)
                        && let Some(request) = answers.note(body)
                    {
                        self.engine.lost(start.elapsed(), session, &request);
                    }
                    let more = self.came(&mut link, &mut gate, ours, event, start.elapsed());
                    inbox.extend(more);
                }
            }
            if done && waiting.is_empty() && self.later.is_empty() {
                break;
            }
            let later = self.later.iter().map(|(at, _)| *at);
            let wake = self.engine.wake_at().into_iter().chain(gate.wake_at()).chain(later).min();
            let until = start + wake.unwrap_or(Duration::from_secs(86_400));
            tokio::select! {
                biased;
                () = raised(&mut stop) => break,
                Some(told) = next_told(&mut self.told) => self.engine.told(start.elapsed(), told),
                event = link.next() => match event {
                    Some(event) => inbox.push_back(event),
                    None => break,
                },
                () = tokio::time::sleep_until(until) => {
                    let now = start.elapsed();
                    gate.tick(now);
                    let (ripe, later) = std::mem::take(&mut self.later).into_iter().partition(|(at, _)| *at <= now);
                    self.later = later;
                    waiting.extend(Vec::from_iter(ripe).into_iter().map(|(_, order)| order));
                    if self.engine.wake_at().is_some_and(|at| at <= now) {
                        self.engine.wake(now);
                    }
                }
            }
        }
        if ours == Party::Client && http {
            link.order(Order::Delete { session: SessionKey(0), headers: Vec::new(), step: None });
        }
        if let Some(deviation) = &mut self.deviation {
            deviation.tell(&mut link).await;
        }
        link.order(Order::EndInput);
        link.finish(Duration::from_secs(2)).await;
    }

    fn came(
        &mut self,
        link: &mut Link,
        gate: &mut Gate,
        ours: Party,
        event: LinkEvent,
        now: Duration,
    ) -> Vec<LinkEvent> {
        let body = match event.what {
            LinkWhat::SessionOpened => {
                if let (Some(session), Party::Server) = (event.session, ours) {
                    self.engine.opened(now, session);
                }
                return Vec::new();
            }
            LinkWhat::SessionClosed => {
                if let Some(session) = event.session {
                    self.engine.closed(now, session);
                    if let Some(deviation) = &mut self.deviation {
                        deviation.closed(session);
                    }
                    // a client begins anew with a server that has forgotten it
                    if ours == Party::Client && self.renewed < MOST_RENEWALS {
                        self.renewed += 1;
                        *gate = Gate::new(ours, true).listening(link.listens().then_some(LISTENING));
                        self.engine.opened(now, session);
                    }
                }
                return Vec::new();
            }
            LinkWhat::Record(body) => body,
        };
        let mut more = Vec::new();
        if let Some(record) = &self.record {
            // nobody may want to know any more
            let _ = record.send(body.clone());
        }
        gate.note(&body, now);
        if let (Body::StreamClosed { by: None, how: Closing::Cut(why), .. }, Some(session), Party::Client) =
            (&body, event.session, ours)
        {
            self.engine.unreachable(now, session, why);
        }
        let (Body::Message { from, text, .. }, Some(session)) = (&body, event.session) else { return more };
        let mut message = Message::read(Bytes::from(text.bytes()), &Limits::default());
        if let Some(deviation) = &self.deviation {
            message = deviation.meant(session, message);
        }
        if *from == ours {
            self.engine.sent(now, session, &message);
        } else {
            if let (Some(version), Party::Client) = (message.result().get("protocolVersion"), ours)
                && let Some(version) = version.as_str()
            {
                more.extend(link.order(Order::Version { session, version: version.to_owned() }));
            }
            if let (Some(request), Some(deviation)) = (Request::of(&message), &mut self.deviation) {
                deviation.asked(session, request);
            }
            self.engine.receive(now, session, &message);
        }
        more
    }

    /// What is sent in place of a proposal.
    fn altered(&mut self, proposal: Proposal, now: Duration) -> Vec<Order> {
        let Some(deviation) = &mut self.deviation else {
            return vec![order(proposal.session, proposal.route, &proposal.message)];
        };
        let (at_once, late): (Vec<_>, Vec<_>) =
            deviation.altered(&proposal).into_iter().partition(|(delay, _)| delay.is_zero());
        self.later.extend(late.into_iter().map(|(delay, order)| (now + delay, order)));
        at_once.into_iter().map(|(_, order)| order).collect()
    }
}

/// What the application is told next; `None` where it will be told nothing.
async fn next_told(told: &mut Option<mpsc::UnboundedReceiver<Told>>) -> Option<Told> {
    told.as_mut()?.recv().await
}
