//! Declared deviations and harmless variations: what they change in what one party sends.
//!
//! A fault is data (`fixtures/faults/*.yaml`). [`Fault::apply`] is given every message that its party is about to send, and
//! says what is sent instead; [`Fault::head`], [`Fault::event`] and [`Fault::end`] likewise for the heads of HTTP, the events
//! that carry no message, and the ends of streams. The same code alters a live party and a stored trace.

mod deed;
pub mod edit;
pub mod library;
pub mod replay;
mod trigger;

pub use deed::{Altered, At, Bare, Deed, Head, Header, Outgoing, Over, Sum, What};
pub use trigger::{Carrier, Part, Trigger, Which};

use crate::trace::StreamKind;
use crate::wire::{Id, Kind, Message, Party};
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

/// One deviation, or one harmless variation.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Fault {
    /// Its name, unique among all faults.
    pub name: String,
    /// The requirement it breaks; absent for a harmless variation.
    #[serde(default)]
    pub breaks: Option<String>,
    /// The party that deviates.
    pub by: Party,
    /// The party to blame, where that is not the one that deviates.
    #[serde(default)]
    pub blame: Option<Party>,
    /// Which messages, or which parts of the transport.
    pub on: Trigger,
    /// What is done to them, in this order.
    #[serde(rename = "do")]
    pub deeds: Vec<Deed>,
    /// The stored traces that it can be applied to.
    #[serde(default)]
    pub traces: Vec<String>,
    /// On a stored trace: what follows would not have happened, so the trace ends there.
    #[serde(default)]
    pub then: Option<Then>,
    /// Where the finding must point, if not at the first that was changed.
    #[serde(default)]
    pub at: Option<Trigger>,
    /// What is other in a party that is alive than in a stored trace.
    #[serde(default)]
    pub live: Live,
    #[serde(skip)]
    state: State,
}

/// What is other for a party that is alive: it says other things than the stored traces do, and others react to it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Live {
    /// Other messages; then [`Fault::at`] does not hold either.
    #[serde(default)]
    pub on: Option<Trigger>,
    /// Something else is done to them.
    #[serde(default, rename = "do")]
    pub deeds: Option<Vec<Deed>>,
    /// Where the finding must point.
    #[serde(default)]
    pub at: Option<Trigger>,
    /// Another requirement is broken.
    #[serde(default)]
    pub breaks: Option<String>,
    /// Why no party that is alive can have it.
    #[serde(default)]
    pub not: Option<String>,
}

/// What a fault remembers between messages.
#[derive(Debug, Clone, Default, PartialEq)]
struct State {
    seen: u32,
    /// Ids of requests whose real answer is swallowed.
    swallow: Vec<Id>,
    names: edit::Names,
}

/// How a stored trace ends after the first change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Then {
    /// Nothing more comes until the deadline.
    Deadline,
    /// The record is cut: what would have come is not known.
    Cut,
}

/// What must be known beside the message.
#[derive(Debug, Clone, Copy, Default)]
pub struct Context<'a> {
    /// For an answer: the request it answers.
    pub answers: Option<&'a Request>,
    /// The requests of the other party that are not answered, oldest first.
    pub open: &'a [Request],
    /// What it goes over.
    pub carrier: Carrier<'a>,
}

/// A request of the other party.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Its id.
    pub id: Id,
    /// Its method.
    pub method: String,
    /// All of it.
    pub message: Value,
}

impl Request {
    /// The message as a request, if it is one.
    #[must_use]
    pub fn of(message: &Message) -> Option<Request> {
        let Kind::Request { id, method } = message.kind() else { return None };
        Some(Request { id: id.clone(), method: method.clone(), message: message.value().clone() })
    }
}

/// A message as it goes over the wire.
fn written(message: &Value) -> String {
    message.to_string()
}

/// A file of faults that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("these are no faults: {0}")]
pub struct FaultError(String);

impl Fault {
    /// Reads a file of faults: a YAML (or JSON) list.
    ///
    /// # Errors
    /// When the text is no list of faults; the error names the place.
    pub fn read(text: &str) -> Result<Vec<Fault>, FaultError> {
        serde_saphyr::from_str(text).map_err(|e| FaultError(e.to_string()))
    }

    /// Is it a harmless variation, which nothing may catch?
    #[must_use]
    pub fn is_control(&self) -> bool {
        self.breaks.is_none()
    }

    /// The fault as a party that is alive has it.
    ///
    /// # Errors
    /// Why none can have it.
    pub fn alive(&self) -> Result<Fault, String> {
        if let Some(why) = &self.live.not {
            return Err(why.clone());
        }
        let mut alive = self.clone();
        let live = std::mem::take(&mut alive.live);
        if let Some(on) = live.on {
            (alive.on, alive.at) = (on, None);
        }
        alive.breaks = live.breaks.or(alive.breaks);
        alive.deeds = live.deeds.unwrap_or(alive.deeds);
        alive.at = live.at.or(alive.at);
        Ok(alive)
    }

    /// The party that a finding must name.
    #[must_use]
    pub fn blamed(&self) -> Party {
        self.blame.unwrap_or(self.by)
    }

    /// What the party that deviates takes a message for, or meant by one of its own: what has another name has its own again.
    /// `None`: nothing has one.
    #[must_use]
    pub fn meant(&self, message: &Value) -> Option<Value> {
        (!self.state.names.is_empty()).then(|| self.state.names.meant(message))
    }

    /// What is sent in place of a message of [`Fault::by`].
    pub fn apply(&mut self, message: &Value, context: Context<'_>) -> Vec<Outgoing> {
        // what is put in has no event id
        let own = |what: What, changed: bool| Outgoing {
            what,
            event_id: changed.then_some(None),
            over: None,
            copy: false,
            delay: Duration::ZERO,
            changed,
        };
        let renamed = self.state.names.said(message);
        let as_it_is = || {
            let changed = renamed != *message;
            vec![Outgoing { changed, ..own(What::Message(renamed.clone()), false) }]
        };
        let read = Message::of(message);
        if let Some(id) = read.id().filter(|_| read.is_answer())
            && self.state.swallow.contains(id)
        {
            self.state.swallow.retain(|s| s != id);
            return Vec::new();
        }
        let meant = self.on.matches(&read, context.answers, &context.carrier);
        if !meant || !self.counted() {
            return as_it_is();
        }
        let fill = |value: &Value| edit::fill(value, message, context);
        let mut it = Some(renamed.clone());
        let (mut frames, mut before, mut after) = (None, Vec::new(), Vec::new());
        let (mut event_id, mut over, mut copies) = (None, None, Vec::new());
        let mut delay = Duration::ZERO;
        let piped = matches!(context.carrier.stream, Some(StreamKind::Stdin | StreamKind::Stdout));
        for deed in &self.deeds {
            match deed {
                Deed::Drop => it = None,
                Deed::Duplicate => copies.push(None),
                Deed::Reorder => it = it.map(|v| edit::reversed(&v)),
                Deed::Set(set) => edit::in_place(&mut it, |v| edit::set(v, &set.at, fill(&set.to))),
                Deed::Remove(pointer) => edit::in_place(&mut it, |v| edit::remove(v, pointer)),
                Deed::Add(sum) => edit::in_place(&mut it, |v| edit::add(v, &sum.at, sum.by)),
                Deed::Rename(name) => {
                    let to = fill(&name.to);
                    if let Some(own) = message.pointer(&name.at).filter(|_| to.is_string()) {
                        self.state.names.add(own.clone(), to);
                        it = it.map(|v| self.state.names.said(&v));
                    }
                }
                Deed::Become(value) => it = Some(fill(value)),
                Deed::Before(value) => before.push(own(What::Message(fill(value)), true)),
                Deed::After(value) => after.push(own(What::Message(fill(value)), true)),
                Deed::Swallow(method) => {
                    let open = context.open.iter().rev().find(|open| open.method == *method);
                    self.state.swallow.extend(open.map(|open| open.id.clone()));
                }
                Deed::Delay(milliseconds) => delay = Duration::from_millis(*milliseconds),
                Deed::Text(text) => frames = Some(vec![text.replace("$message", &message.to_string()).into_bytes()]),
                Deed::Hex(text) => frames = Some(vec![edit::unhex(text)]),
                Deed::LineBefore(text) => before.push(own(What::Bytes(text.clone().into_bytes()), true)),
                Deed::LineAfter(text) => after.push(own(What::Bytes(text.clone().into_bytes()), true)),
                Deed::Pretty => {
                    let text = it.as_ref().map(|v| format!("{v:#}")).unwrap_or_default();
                    frames = Some(text.lines().map(|line| line.as_bytes().to_vec()).collect());
                }
                Deed::EventId(id) => event_id = Some(id.clone()),
                Deed::EventBefore(event) => before.push(own(What::Event(event.clone()), true)),
                Deed::EventAfter(event) => after.push(own(What::Event(event.clone()), true)),
                Deed::Move(place) => over = Some(place.clone()),
                Deed::Copy(place) if !piped => copies.push(Some(place.clone())),
                Deed::Copy(_)
                | Deed::Header(_)
                | Deed::Status(_)
                | Deed::Body(_)
                | Deed::Target(_)
                | Deed::Verb(_)
                | Deed::Retry(_) => {}
            }
        }
        let mut all: Vec<Outgoing> = before;
        if let Some(value) = it {
            // as it is written: another order is another message
            let other = written(message) != written(&value) || event_id.is_some() || over.is_some();
            let changed = other || frames.is_some() || delay > Duration::ZERO;
            let whats = match frames {
                Some(frames) => frames.into_iter().map(What::Bytes).collect(),
                None => vec![What::Message(value)],
            };
            let of = |what: &What, over, changed| Outgoing {
                what: what.clone(),
                event_id: event_id.clone(),
                over,
                copy: false,
                delay: Duration::ZERO,
                changed,
            };
            all.extend(whats.iter().map(|what| of(what, over.clone(), changed)));
            for copy in copies {
                let of = |what| {
                    let copy = copy.clone();
                    Outgoing { event_id: Some(None), copy: copy.is_some(), ..of(what, copy, true) }
                };
                all.extend(whats.iter().map(of));
            }
        }
        all.extend(after);
        for outgoing in &mut all {
            outgoing.delay = delay;
        }
        all
    }

    /// What is sent in place of the head of an HTTP request or response of [`Fault::by`]. `None`: there is no such round trip.
    pub fn head(&mut self, head: Head, carrier: &Carrier<'_>) -> Altered<Option<Head>> {
        let part = if head.status.is_some() { Part::ResponseHead } else { Part::RequestHead };
        if !self.on.matches_part(part, carrier) || !self.counted() {
            return Altered { what: Some(head), delay: Duration::ZERO, changed: false };
        }
        let (mut it, mut delay) = (head.clone(), Duration::ZERO);
        for deed in &self.deeds {
            match deed {
                Deed::Drop => return Altered { what: None, delay, changed: true },
                Deed::Header(header) => edit::header(&mut it.headers, &header.name, header.to.as_deref()),
                Deed::Status(status) if it.status.is_some() => it.status = Some(*status),
                Deed::Body(body) if it.status.is_some() => it.body = Some(body.clone()),
                Deed::Target(target) if it.status.is_none() => it.target.clone_from(target),
                Deed::Verb(verb) if it.status.is_none() => it.verb.clone_from(verb),
                Deed::Delay(milliseconds) => delay = Duration::from_millis(*milliseconds),
                _ => {}
            }
        }
        let changed = it != head || !delay.is_zero();
        Altered { what: Some(it), delay, changed }
    }

    /// What is sent in place of an event without a message of [`Fault::by`]: none, one or several; with each, whether it is not
    /// what was meant.
    pub fn event(&mut self, event: &Bare, carrier: &Carrier<'_>) -> Altered<Vec<(Bare, bool)>> {
        if !self.on.matches_part(Part::Signal, carrier) || !self.counted() {
            return Altered { what: vec![(event.clone(), false)], delay: Duration::ZERO, changed: false };
        }
        let (mut it, mut delay) = (Some(event.clone()), Duration::ZERO);
        let (mut before, mut after) = (Vec::new(), Vec::new());
        for deed in &self.deeds {
            match deed {
                Deed::Drop => it = None,
                Deed::Duplicate => after.extend(it.clone().map(|e| (e, true))),
                Deed::EventId(id) => it = it.map(|e| Bare { event_id: id.clone(), ..e }),
                Deed::Retry(retry) => it = it.map(|e| Bare { retry: *retry, ..e }),
                Deed::EventBefore(event) => before.push((event.clone(), true)),
                Deed::EventAfter(event) => after.push((event.clone(), true)),
                Deed::Delay(milliseconds) => delay = Duration::from_millis(*milliseconds),
                _ => {}
            }
        }
        let mut all = before;
        all.extend(it.map(|e| (e.clone(), e != *event || !delay.is_zero())));
        all.extend(after);
        let changed = all.len() != 1 || all.iter().any(|(_, changed)| *changed);
        Altered { what: all, delay, changed }
    }

    /// Does [`Fault::by`] end that stream (or program) all the same? Not if `what` is false.
    pub fn end(&mut self, part: Part, carrier: &Carrier<'_>) -> Altered<bool> {
        let mut altered = Altered { what: true, delay: Duration::ZERO, changed: false };
        if !self.on.matches_part(part, carrier) || !self.counted() {
            return altered;
        }
        for deed in &self.deeds {
            match deed {
                Deed::Drop => altered.what = false,
                Deed::Delay(milliseconds) => altered.delay = Duration::from_millis(*milliseconds),
                _ => {}
            }
        }
        altered.changed = !altered.what || !altered.delay.is_zero();
        altered
    }

    /// Counts what matched: is it the one that is meant?
    fn counted(&mut self) -> bool {
        self.state.seen += 1;
        self.on.nth.is_none_or(|n| n == self.state.seen)
    }
}

#[cfg(test)]
mod tests;
