//! Declared deviations and harmless variations: what they change in the messages of one party.
//!
//! A fault is data (`fixtures/faults/*.yaml`). [`Fault::apply`] is given every message that its party is about to send, and
//! says what is sent instead. The same code alters a live party and a stored trace.

pub mod edit;
pub mod library;
pub mod replay;

use crate::wire::{Id, Kind, Message, Party};
use serde::Deserialize;
use serde_json::{Map, Value};
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
    /// The party whose messages it changes.
    pub by: Party,
    /// The party to blame, where that is not the one whose messages it changes.
    #[serde(default)]
    pub blame: Option<Party>,
    /// Which messages.
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
    /// Where the finding must point, if not at the first message that was changed.
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
}

/// Says which messages are meant.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Trigger {
    /// Who sends it; for [`Fault::on`] always [`Fault::by`].
    #[serde(default)]
    pub from: Option<Party>,
    /// What kind of message.
    #[serde(default)]
    pub kind: Option<Which>,
    /// Its method, or that of the request it answers.
    #[serde(default)]
    pub method: Option<String>,
    /// Only that one of those that match, from 1.
    #[serde(default)]
    pub nth: Option<u32>,
    /// Values at JSON pointers.
    #[serde(default, rename = "where")]
    pub values: Map<String, Value>,
    /// JSON pointers at which there must be something.
    #[serde(default)]
    pub has: Vec<String>,
    /// JSON pointers at which there must be nothing.
    #[serde(default)]
    pub lacks: Vec<String>,
    /// Of an answer: values at JSON pointers of the request that it answers.
    #[serde(default)]
    pub asked: Map<String, Value>,
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

/// A kind of message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Which {
    /// A request.
    Request,
    /// A notification.
    Notification,
    /// A result.
    Result,
    /// An error.
    Error,
    /// A result or an error.
    Answer,
}

/// What can be done to a message.
///
/// In every value that is written, a text `$/pointer` stands for what the message has at that pointer, `$asked/pointer` for
/// what the request has that it answers, and `$open METHOD` for the id of the latest request of the other party with that method which is not answered yet.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deed {
    /// It is not sent.
    Drop,
    /// It is sent twice.
    Duplicate,
    /// Every object in it has its members in reverse order.
    Reorder,
    /// The value at a pointer becomes another; members and objects on the way are made.
    Set(At),
    /// The value at a pointer is taken out.
    Remove(String),
    /// A number is added to the one at a pointer; or milliseconds to an RFC 3339 text.
    Add(Sum),
    /// The whole message becomes another.
    Become(Value),
    /// Another message goes before it.
    Before(Value),
    /// Another message goes after it.
    After(Value),
    /// The real answer to the latest open request with that method is not sent.
    Swallow(String),
    /// It waits, in milliseconds.
    Delay(u64),
}

/// A value at a place.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct At {
    /// JSON pointer.
    pub at: String,
    /// What is put there.
    pub to: Value,
}

/// A number at a place.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sum {
    /// JSON pointer.
    pub at: String,
    /// What is added.
    pub by: i64,
}

/// What must be known beside the message.
#[derive(Debug, Clone, Copy, Default)]
pub struct Context<'a> {
    /// For an answer: the request it answers.
    pub answers: Option<&'a Request>,
    /// The requests of the other party that are not answered, oldest first.
    pub open: &'a [Request],
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

/// What is sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Outgoing {
    /// The message.
    pub message: Value,
    /// How much later than it would have been.
    pub delay: Duration,
    /// Is it not what the party meant to send?
    pub changed: bool,
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
        alive.deeds = live.deeds.unwrap_or(alive.deeds);
        alive.at = live.at.or(alive.at);
        Ok(alive)
    }

    /// The party that a finding must name.
    #[must_use]
    pub fn blamed(&self) -> Party {
        self.blame.unwrap_or(self.by)
    }

    /// What is sent in place of a message of [`Fault::by`].
    pub fn apply(&mut self, message: &Value, context: Context<'_>) -> Vec<Outgoing> {
        let as_it_is = Outgoing { message: message.clone(), delay: Duration::ZERO, changed: false };
        let read = Message::of(message);
        if let Some(id) = read.id().filter(|_| read.is_answer())
            && self.state.swallow.contains(id)
        {
            self.state.swallow.retain(|s| s != id);
            return Vec::new();
        }
        if !self.on.matches(&read, context.answers) {
            return vec![as_it_is];
        }
        self.state.seen += 1;
        if self.on.nth.is_some_and(|n| n != self.state.seen) {
            return vec![as_it_is];
        }
        let deeds = self.deeds.clone();
        let fill = |value: &Value| edit::fill(value, message, context);
        let mut it = Some(message.clone());
        let (mut before, mut after) = (Vec::new(), Vec::new());
        let mut delay = Duration::ZERO;
        let mut twice = false;
        for deed in &deeds {
            match deed {
                Deed::Drop => it = None,
                Deed::Duplicate => twice = true,
                Deed::Reorder => it = it.map(|v| edit::reversed(&v)),
                Deed::Set(set) => edit::in_place(&mut it, |v| edit::set(v, &set.at, fill(&set.to))),
                Deed::Remove(pointer) => edit::in_place(&mut it, |v| edit::remove(v, pointer)),
                Deed::Add(sum) => edit::in_place(&mut it, |v| edit::add(v, &sum.at, sum.by)),
                Deed::Become(value) => it = Some(fill(value)),
                Deed::Before(value) => before.push(fill(value)),
                Deed::After(value) => after.push(fill(value)),
                Deed::Swallow(method) => {
                    let open = context.open.iter().rev().find(|open| open.method == *method);
                    self.state.swallow.extend(open.map(|open| open.id.clone()));
                }
                Deed::Delay(milliseconds) => delay = Duration::from_millis(*milliseconds),
            }
        }
        let changed = |message: Value| Outgoing { changed: true, message, delay };
        let mut all: Vec<Outgoing> = before.into_iter().map(changed).collect();
        if let Some(value) = it {
            // as it is written: another order is another message
            let (was, is) = (message.to_string(), value.to_string());
            all.push(Outgoing { message: value.clone(), delay, changed: was != is || delay > Duration::ZERO });
            if twice {
                all.push(changed(value));
            }
        }
        all.extend(after.into_iter().map(changed));
        all
    }
}

impl Trigger {
    /// Is that message meant, [`Trigger::nth`] and [`Trigger::from`] aside? `answers`: the request that it answers.
    #[must_use]
    pub fn matches(&self, message: &Message, answers: Option<&Request>) -> bool {
        let kind = self.kind.is_none_or(|which| match (which, message.kind()) {
            (Which::Request, Kind::Request { .. })
            | (Which::Notification, Kind::Notification { .. })
            | (Which::Result, Kind::Result { .. })
            | (Which::Error, Kind::Error { .. }) => true,
            (Which::Answer, _) => message.is_answer(),
            _ => false,
        });
        let of = message.method().or(answers.map(|request| request.method.as_str()));
        let method = self.method.as_deref().is_none_or(|m| of == Some(m));
        let asked = |pointer: &str| answers.and_then(|request| request.message.pointer(pointer));
        let value = message.value();
        kind && method
            && self.values.iter().all(|(pointer, v)| value.pointer(pointer) == Some(v))
            && self.has.iter().all(|pointer| value.pointer(pointer).is_some())
            && self.lacks.iter().all(|pointer| value.pointer(pointer).is_none())
            && self.asked.iter().all(|(pointer, v)| asked(pointer) == Some(v))
    }
}

#[cfg(test)]
mod tests;
