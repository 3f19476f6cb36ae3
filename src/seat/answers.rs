//! Which request's answer a connection carries, for a server of ours: what is lost when it breaks.

use crate::trace::event::{Body, Closing, StreamId};
use crate::wire::json::Limits;
use crate::wire::message::Kind;
use crate::wire::{Id, Message, Party};
use bytes::Bytes;
use std::collections::BTreeMap;

/// Follows the round trips of a server of ours.
#[derive(Debug, Default)]
pub(super) struct Answers {
    trips: BTreeMap<StreamId, u32>,
    requests: BTreeMap<u32, Id>,
}

impl Answers {
    /// Tells it what was recorded. Gives the request whose answer's connection broke with it.
    pub(super) fn note(&mut self, body: &Body) -> Option<Id> {
        match body {
            Body::StreamOpened { stream, round_trip: Some(trip), .. } => {
                self.trips.insert(*stream, *trip);
                None
            }
            Body::Message { stream, from: Party::Client, text, .. } => {
                let trip = self.trips.get(stream)?;
                let message = Message::read(Bytes::from(text.bytes()), &Limits::default());
                if let Kind::Request { id, .. } = message.kind() {
                    self.requests.insert(*trip, id.clone());
                }
                None
            }
            Body::StreamClosed { stream, how, .. } => {
                let trip = self.trips.remove(stream)?;
                match how {
                    Closing::Cut(_) | Closing::Bound(_) => self.requests.remove(&trip),
                    Closing::Clean => None,
                }
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::event::{StreamKind, Text};

    fn opened(stream: u32, writer: Party, kind: StreamKind) -> Body {
        Body::StreamOpened { stream: StreamId(stream), writer, kind, round_trip: Some(3) }
    }

    #[test]
    fn a_broken_connection_loses_the_answer_that_it_carries_and_a_clean_end_does_not() {
        for (how, lost) in [(Closing::Cut("reset".into()), Some(Id::Integer(7))), (Closing::Clean, None)] {
            let mut answers = Answers::default();
            assert_eq!(answers.note(&opened(0, Party::Client, StreamKind::Post)), None);
            let text = Text::Plain(r#"{"jsonrpc":"2.0","id":7,"method":"tasks/result"}"#.into());
            let (stream, from) = (StreamId(0), Party::Client);
            let (event_id, step, breaks, cut_from) = (None, None, Vec::new(), None);
            answers.note(&Body::Message { stream, from, text, event_id, step, breaks, cut_from });
            answers.note(&opened(1, Party::Server, StreamKind::PostAnswer));
            assert_eq!(answers.note(&Body::StreamClosed { stream: StreamId(1), by: None, how }), lost);
        }
    }
}
