//! A client that moves by itself: a program that nobody tells anything, and that ends when it has done what it wanted.

use super::director::Client;
use crate::trace::event::EndReason;
use crate::wire::Party;
use std::time::Duration;

/// What moves the client of a play that is not ours.
#[derive(Debug)]
pub enum Moved<'m> {
    /// A driver.
    Driven(Client<'m>),
    /// Itself: it is a program of its own.
    Alone,
}

/// How far such a program is.
#[derive(Debug, Default)]
pub(super) struct Alone {
    exit: Option<Exit>,
}

#[derive(Debug)]
struct Exit {
    at: Duration,
    code: Option<i32>,
    how: String,
}

impl Alone {
    /// It has ended.
    pub(super) fn exited(&mut self, at: Duration, code: Option<i32>, how: String) {
        self.exit.get_or_insert(Exit { at, code, how });
    }

    /// Since when it has ended, and as why a play ends.
    pub(super) fn ended(&self) -> Option<(Duration, EndReason)> {
        let Exit { at, how, .. } = self.exit.as_ref()?;
        Some((*at, EndReason::Gone { party: Party::Client, how: how.clone() }))
    }

    /// Did it end in another way than with exit code 0?
    pub(super) fn ended_badly(&self) -> bool {
        self.exit.as_ref().is_some_and(|exit| exit.code != Some(0))
    }
}
