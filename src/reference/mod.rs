//! The reference client and the reference server: the protocol done properly, without I/O.
//!
//! Both are engines: they are given messages and time, and propose messages. What drives them (a transport, or the puppet
//! rule of a seat) decides what becomes of a proposal.

pub mod client;
pub mod dialect;
pub mod receiver;
pub mod requestor;
pub mod rpc;
pub mod server;
pub mod surroundings;
pub mod tasks;
pub mod work;

#[cfg(test)]
mod play;

pub use dialect::Dialect;
pub use rpc::Outcome;
pub use surroundings::Surroundings;

pub use crate::wire::http::{Route, SessionKey};

use crate::wire::{Id, Message};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// A message that an engine would send.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    /// In which session.
    pub session: SessionKey,
    /// Which way.
    pub route: Route,
    /// The message.
    pub message: Value,
}

/// What an engine can ask for beside messages.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Send this.
    Send(Proposal),
    /// Close the connection that carries the answer to that request, but not its stream (Streamable HTTP; elsewhere nothing).
    CloseStream {
        /// In which session.
        session: SessionKey,
        /// The request.
        request: Id,
    },
    /// The application got something: for the client (see [`crate::trace::Body::Saw`]).
    Saw {
        /// The label under which it was asked for.
        label: String,
        /// What it got.
        value: Value,
    },
    /// A message reached the application that it did not wait for: a question or a notification (for a client that is driven).
    Heard {
        /// Is it a question, that the application answers?
        asked: bool,
        /// Its method.
        method: String,
        /// Its parameters.
        params: Value,
    },
    /// The engine is done with this session: the client wants to disconnect.
    Close {
        /// Which.
        session: SessionKey,
    },
}

/// A party that can be driven: the reference client or the reference server.
pub trait Engine: Send {
    /// A session began. The client proposes `initialize` now.
    fn opened(&mut self, now: Duration, session: SessionKey);
    /// A message came. `now` is the time since the play began.
    fn receive(&mut self, now: Duration, session: SessionKey, message: &Message);
    /// What was proposed has been sent, perhaps altered (the puppet rule): the engine goes by what was sent.
    fn sent(&mut self, now: Duration, session: SessionKey, message: &Message);
    /// A session is over: nothing can be sent in it any more.
    fn closed(&mut self, now: Duration, session: SessionKey);
    /// The connection that carries the answer to that request of the other party is lost: what went that way may not have
    /// arrived. (Streamable HTTP; elsewhere nothing.)
    fn lost(&mut self, now: Duration, session: SessionKey, request: &Id) {
        let _ = (now, session, request);
    }
    /// Something that was said could not be sent, because nobody can be connected to; in words. (A client over Streamable HTTP.)
    fn unreachable(&mut self, now: Duration, session: SessionKey, why: &str) {
        let _ = (now, session, why);
    }
    /// The application is told to do something more (a client that is driven; nobody else).
    fn told(&mut self, now: Duration, what: client::Told) {
        let _ = (now, what);
    }
    /// The labelled step has happened: what an application is to do once it has may begin (a client; nobody else).
    fn happened(&mut self, now: Duration, label: &str) {
        let _ = (now, label);
    }
    /// Time has come to what [`Engine::wake_at`] said.
    fn wake(&mut self, now: Duration);
    /// When to be woken next.
    fn wake_at(&self) -> Option<Duration>;
    /// What it wants done, in order; empties the list.
    fn take(&mut self) -> Vec<Effect>;
    /// Will it propose nothing more unless a message comes? (No timer runs, nothing is under way.)
    fn idle(&self) -> bool;
}

/// Takes the entries out of a map for which `which` holds.
fn take_where<K: Ord + Clone, V>(map: &mut BTreeMap<K, V>, which: impl Fn(&K, &V) -> bool) -> Vec<(K, V)> {
    let keys: Vec<K> = map.iter().filter(|(key, value)| which(key, value)).map(|(key, _)| key.clone()).collect();
    keys.into_iter().filter_map(|key| map.remove_entry(&key)).collect()
}
