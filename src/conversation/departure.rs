//! How the server's program ended when its input did, over stdio.

use crate::trace::{Body, Closing, Event, StreamId, StreamKind};
use crate::wire::Party;

/// A point of the record: the event, and microseconds since the play began.
pub type Moment = (u32, u64);

/// What the server's program did when the client closed its standard input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Departure {
    /// When the client closed it.
    pub input_closed: Moment,
    /// When it was first sent a signal.
    pub signalled: Option<Moment>,
    /// When it was seen to have ended.
    pub exited: Option<Moment>,
}

/// `None` when the input was not closed by the client, or the program had ended before.
pub(super) fn departure(events: &[Event]) -> Option<Departure> {
    let mut stdin: Option<StreamId> = None;
    let mut found: Option<Departure> = None;
    for event in events {
        let now = (event.seq, event.at);
        match (&event.body, &mut found) {
            (Body::StreamOpened { stream, kind: StreamKind::Stdin, .. }, _) => stdin = Some(*stream),
            (Body::StreamClosed { stream, by: Some(Party::Client), how: Closing::Clean }, None)
                if stdin == Some(*stream) =>
            {
                found = Some(Departure { input_closed: now, signalled: None, exited: None });
            }
            (Body::ProcessSignalled { party: Party::Server, .. }, Some(found)) => {
                found.signalled.get_or_insert(now);
            }
            (Body::ProcessExited { party: Party::Server, .. }, None) => return None,
            (Body::ProcessExited { party: Party::Server, .. }, Some(found)) => {
                found.exited.get_or_insert(now);
            }
            _ => {}
        }
    }
    found
}
