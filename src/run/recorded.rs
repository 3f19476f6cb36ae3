//! Captures that are held, to be looked at as a whole: drawn, or drafted from.

use super::captures::{self, Listener};
use crate::conversation::Conversation;
use crate::spec::Revision;
use crate::trace::{Body, Event, Header, Trace};
use std::path::Path;

/// What is held of a capture at most: events, and bytes of their messages.
const MOST_EVENTS: usize = 100_000;
const MOST_BYTES: usize = 64 << 20;

/// What was recorded together: a record, or one of the sessions that a capture tells apart.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The name that the capture gives it; empty where it gives none.
    pub name: String,
    /// What was recorded.
    pub trace: Trace,
    /// How many sessions there are in it, at least one.
    pub sessions: usize,
}

/// Reads a capture (or standard input, for `-`). `revision` is in force where it does not tell its own; `note` is told what is
/// to be said of it: that it breaks off, or that it is longer than is read. There is at least one recording.
///
/// # Errors
/// What cannot be read, with the file and the line, and what to do.
pub fn read(file: &Path, revision: Option<Revision>, note: &mut dyn FnMut(String)) -> Result<Vec<Recorded>, String> {
    let mut held = Held::default();
    captures::read(file, revision, &mut held, note)?;
    if held.full {
        note(format!("{}: longer than is read: the first {} events count", file.display(), held.events));
    }
    let counted = |(name, trace): (String, Trace)| {
        let sessions = Conversation::of(&trace.header, &trace.events).sessions.len();
        Recorded { name, trace, sessions }
    };
    Ok(held.all.into_iter().map(counted).collect())
}

/// Where the session with that number is, from 1 through all recordings: in which of them, and at which place, from 0.
#[must_use]
pub fn find(all: &[Recorded], session: usize) -> Option<(usize, usize)> {
    let mut left = session.checked_sub(1)?;
    for (at, recorded) in all.iter().enumerate() {
        match left.checked_sub(recorded.sessions) {
            Some(rest) => left = rest,
            None => return Some((at, left)),
        }
    }
    None
}

#[derive(Default)]
struct Held {
    all: Vec<(String, Trace)>,
    events: usize,
    bytes: usize,
    full: bool,
}

impl Listener for Held {
    fn session(&mut self, name: &str, header: Header) {
        self.all.push((name.to_owned(), Trace { header, events: Vec::new() }));
    }

    fn event(&mut self, session: usize, event: Event) -> bool {
        let size = if let Body::Message { text, .. } = &event.body { text.bytes().len() } else { 0 };
        self.full = self.events >= MOST_EVENTS || self.bytes + size > MOST_BYTES;
        if !self.full {
            self.events += 1;
            self.bytes += size;
            if let Some((_, trace)) = self.all.get_mut(session) {
                trace.events.push(event);
            }
        }
        !self.full
    }
}
