//! Our own requests whose answer may still be on its way: no answer of something else says anything about them, since requests
//! may be answered in any order.

use crate::reference::SessionKey;
use crate::trace::Closing;
use crate::trace::event::{Body, StreamId};
use crate::wire::message::Kind;
use crate::wire::{Id, Message, Party};
use std::collections::BTreeMap;

/// So many open requests are remembered.
const MOST: usize = 10_000;

/// What we asked and have no answer to yet.
#[derive(Debug)]
pub(super) struct Asked {
    ours: Party,
    /// By session and id, with the HTTP round trip that carried it.
    open: BTreeMap<(SessionKey, Id), Option<u32>>,
    /// The round trips of the streams.
    trips: BTreeMap<StreamId, u32>,
}

impl Asked {
    pub(super) fn new(ours: Party) -> Asked {
        Asked { ours, open: BTreeMap::new(), trips: BTreeMap::new() }
    }

    /// Is an answer owed? `but` names an id that does not count.
    pub(super) fn any(&self, but: &Id) -> bool {
        self.open.keys().any(|(_, id)| id != but)
    }

    /// Tells it what was recorded that is no message.
    pub(super) fn note(&mut self, body: &Body) {
        match body {
            Body::StreamOpened { stream, round_trip: Some(trip), .. } => {
                self.trips.insert(*stream, *trip);
            }
            // refused below JSON-RPC
            Body::HttpResponse { round_trip, status, .. } if *status >= 400 => self.over(*round_trip),
            // its answer is lost with its stream
            Body::StreamClosed { stream, how, .. } if *how != Closing::Clean => {
                if let Some(trip) = self.trips.get(stream) {
                    self.over(*trip);
                }
            }
            _ => {}
        }
    }

    /// Tells it of a message of either party. What breaks something on purpose may be left without an answer.
    pub(super) fn said(&mut self, session: SessionKey, body: &Body, message: &Message) {
        let Body::Message { from, stream, breaks, .. } = body else { return };
        match message.kind() {
            Kind::Request { id, .. } if *from == self.ours && breaks.is_empty() && self.open.len() < MOST => {
                self.open.insert((session, id.clone()), self.trips.get(stream).copied());
            }
            Kind::Notification { method } if *from == self.ours && method == "notifications/cancelled" => {
                if let Some(id) = message.params().get("requestId") {
                    self.open.remove(&(session, Id::of(id)));
                }
            }
            Kind::Result { id: Some(id) } | Kind::Error { id: Some(id) } if *from != self.ours => {
                self.open.remove(&(session, id.clone()));
            }
            _ => {}
        }
    }

    fn over(&mut self, trip: u32) {
        self.open.retain(|_, carried| *carried != Some(trip));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::event::{StreamKind, Text};
    use serde_json::{Value, json};

    /// What we asked, over HTTP in round trips that have the number of the stream.
    struct Talk(Asked);

    impl Talk {
        fn say(&mut self, from: Party, stream: u32, value: &Value, breaks: &[&str]) {
            let text = Text::Plain(value.to_string());
            let breaks = breaks.iter().map(|b| (*b).to_owned()).collect();
            let (event_id, step, cut_from) = (None, None, None);
            let body = Body::Message { stream: StreamId(stream), from, text, event_id, step, breaks, cut_from };
            self.0.said(SessionKey(0), &body, &Message::of(value));
        }

        fn ask(&mut self, id: u32) {
            let (writer, kind) = (Party::Client, StreamKind::Post);
            self.0.note(&Body::StreamOpened { stream: StreamId(id), writer, kind, round_trip: Some(id) });
            self.say(Party::Client, id, &json!({ "jsonrpc": "2.0", "id": id, "method": "ping" }), &[]);
        }

        fn owed(&self) -> bool {
            self.0.any(&Id::from("fence"))
        }
    }

    #[test]
    fn a_request_is_open_until_its_own_answer_whatever_else_is_answered() {
        let mut talk = Talk(Asked::new(Party::Client));
        talk.ask(1);
        talk.ask(2);
        talk.say(Party::Server, 9, &json!({ "jsonrpc": "2.0", "id": 2, "result": {} }), &[]);
        assert!(talk.owed());
        // what the other party asks is not ours
        talk.say(Party::Server, 9, &json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" }), &[]);
        assert!(talk.owed());
        talk.say(Party::Server, 9, &json!({ "jsonrpc": "2.0", "id": 1, "error": { "code": 1, "message": "m" } }), &[]);
        assert!(!talk.owed());
        talk.say(Party::Client, 3, &json!({ "jsonrpc": "2.0", "id": "fence", "method": "ping" }), &[]);
        assert!(!talk.owed(), "the fence is waited for by itself");
    }

    #[test]
    fn what_need_not_be_answered_any_more_is_not_waited_for() {
        type Over = fn(&mut Talk);
        let over: [(&str, Over); 4] = [
            ("nothing", |_| {}),
            ("cancelled", |talk| {
                let params = json!({ "requestId": 1 });
                let cancelled = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params });
                talk.say(Party::Client, 5, &cancelled, &[]);
            }),
            ("refused", |talk| {
                talk.0.note(&Body::HttpResponse { round_trip: 1, status: 404, headers: Vec::new(), body: None });
            }),
            ("lost", |talk| {
                let how = Closing::Cut("reset".into());
                talk.0.note(&Body::StreamClosed { stream: StreamId(1), by: None, how });
            }),
        ];
        for (what, over) in over {
            let mut talk = Talk(Asked::new(Party::Client));
            talk.ask(1);
            over(&mut talk);
            assert_eq!(talk.owed(), what == "nothing", "{what}");
        }
        let mut talk = Talk(Asked::new(Party::Client));
        let odd = json!({ "jsonrpc": "2.0", "id": 7, "method": "no/such" });
        talk.say(Party::Client, 1, &odd, &["base.request.method-known"]);
        assert!(!talk.owed(), "what is wrong on purpose");
    }
}
