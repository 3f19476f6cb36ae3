//! A scenario from a capture: what was recorded of a session, as the file of a scenario that lints and plays.
//!
//! Ids of tasks, cursors and the like become names, times and other data of a server become patterns, polls become a loop, and
//! what the application did becomes `drive`. What a file cannot say stands in it as a comment, at its place.

mod course;
mod message;
mod names;
mod part;
mod proofs;
mod secrets;
mod value;
mod write;
mod wrong;

use crate::conversation::Conversation;
use crate::judge::Judgement;
use crate::report::text::{count, short};
use crate::scenario::model::Scenario;
use crate::scenario::{Diagnostic, Source, lint, parse};
use crate::spec::{Era, Revision};
use crate::trace::Trace;

/// What is wished of a draft.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// The title of the scenario; without it, one that says whose session it was.
    pub title: Option<String>,
    /// Which session of the trace, from 0; without it, the one in which most was said.
    pub session: Option<usize>,
    /// So many sessions of the capture come before those of the trace.
    pub before: usize,
    /// So many there are in the capture, where there are more than in the trace.
    pub sessions: usize,
    /// The name of the capture, for the first line.
    pub from: String,
}

/// A draft.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The text of the file.
    pub text: String,
    /// What is not in it, or what was chosen, each in one sentence without a full stop.
    pub notes: Vec<String>,
}

/// Why there is nothing to draft.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DraftError {
    /// It speaks a revision without `initialize`.
    #[error(
        "the session speaks {0}; only sessions of revisions up to 2025-11-25, which begin with `initialize`, can be drafted"
    )]
    Modern(Revision),
    /// Nothing was said, or nothing after the handshake.
    #[error("nothing was said {0}, so there is nothing to draft")]
    Nothing(&'static str),
}

/// Writes a scenario of what was recorded. `judgement` is that of the trace: what it found proven becomes `proves`. The same
/// trace gives the same text.
///
/// # Errors
/// When there is no session, or nothing in it that could be played.
pub fn draft(trace: &Trace, judgement: &Judgement, wish: &Wish) -> Result<Draft, DraftError> {
    let conversation = Conversation::of(&trace.header, &trace.events);
    let mut said = vec![0_usize; conversation.sessions.len()];
    for message in &conversation.said {
        if let Some(n) = said.get_mut(message.session) {
            *n += 1;
        }
    }
    if conversation.said.is_empty() {
        return Err(DraftError::Nothing("in the capture"));
    }
    let busiest = said.iter().enumerate().max_by_key(|(i, n)| (**n, std::cmp::Reverse(*i))).map_or(0, |(i, _)| i);
    let chosen = wish.session.unwrap_or(busiest);
    let session = conversation.sessions.get(chosen);
    let revision = session.and_then(|s| s.revision).unwrap_or(trace.header.revision);
    if revision.era() == Era::Modern {
        return Err(DraftError::Modern(revision));
    }
    let mut head = Vec::new();
    let sessions = wish.sessions.max(said.len());
    if sessions > 1 {
        let mine = count(said.get(chosen).copied().unwrap_or(0), "message");
        let why = if wish.session.is_none() { ", in which most was said" } else { "" };
        head.push(format!("session {} of {sessions}{why}: {mine}", wish.before + chosen + 1));
    }
    // what shows messages alone has no end
    let ends = trace.header.captured.iter().any(|kind| kind == "stream-closed");
    if ends && trace.end().is_none() {
        head.push("the capture breaks off: what would have come is not known".into());
    }
    if session.is_none_or(|s| s.initialize.is_none()) {
        head.push(format!("no handshake was recorded: that it is revision {revision} is presumed"));
    }
    let mut course = course::course(trace, &conversation, judgement, chosen);
    if !course.parts.iter().any(|part| !matches!(part, part::Part::Note(_))) {
        return Err(DraftError::Nothing("after the handshake"));
    }
    names::settle(&mut course);
    names::forget_what_is_used_once(&mut course);
    for name in course.names.anew() {
        head.push(format!("what `${name}` stands for may be a secret and is not copied: put your own there"));
    }
    let needs = proofs::needs(&conversation, chosen, revision);
    proofs::claim(&mut course, trace, judgement, revision);
    let title = wish.title.clone().unwrap_or_else(|| {
        let name = |name: &str| short(name, 40);
        format!("What {} and {} said to each other", name(&trace.header.client), name(&trace.header.server))
    });
    let text = write::file(&wish.from, &title, revision, &head, &needs, &course);
    let mut notes = head;
    notes.extend(course.parts.iter().filter_map(|part| match part {
        part::Part::Note(words) => Some(words.clone()),
        _ => None,
    }));
    Ok(Draft { text, notes })
}

/// Reads and lints a draft.
#[must_use]
pub fn check(text: &str) -> (Vec<Scenario>, Vec<Diagnostic>) {
    let (scenarios, mut found) = parse::read(&Source::new("drafts/draft.yaml", text));
    found.extend(lint::check(&scenarios));
    (scenarios, found)
}
