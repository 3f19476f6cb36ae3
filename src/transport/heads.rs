//! A declared fault in the heads of a client's requests over HTTP: what stands in the place of one, and whether there is one at all.
//!
//! It sits between the session logic and what goes out. A client without a fault has none.

use crate::fault::{Carrier, Fault, Head};
use crate::reference::SessionKey;
use crate::wire::http::{Headers, Request};
use crate::wire::json::Limits;
use crate::wire::{Id, Message};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// So many requests of the server are remembered, to know what an answer answers.
const MOST_ASKED: usize = 1024;

/// A fault, and what it must know of what the server asked.
#[derive(Debug)]
pub(super) struct Heads {
    fault: Fault,
    /// It counts in each session by itself.
    sessions: BTreeMap<SessionKey, Fault>,
    /// The methods of what the server asked, oldest first.
    asked: VecDeque<(SessionKey, Id, String)>,
    told: Vec<String>,
}

impl Heads {
    pub(super) fn new(fault: Fault) -> Heads {
        Heads { fault, sessions: BTreeMap::new(), asked: VecDeque::new(), told: Vec::new() }
    }

    /// What was done since this was last asked, a line each.
    pub(super) fn told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.told)
    }

    /// The server said something.
    pub(super) fn came(&mut self, session: SessionKey, message: &Message) {
        if let (true, Some(id), Some(method)) = (message.is_request(), message.id(), message.method()) {
            if self.asked.len() >= MOST_ASKED {
                self.asked.pop_front();
            }
            self.asked.push_back((session, id.clone(), method.to_owned()));
        }
    }

    /// Puts another head in the place of a request's, and says how much later it goes out; `None`: it does not.
    pub(super) fn alter(&mut self, session: SessionKey, request: &mut Request) -> Option<Duration> {
        let posted = (request.method == "POST").then(|| Message::read(request.body.clone(), &Limits::default()));
        let headers: Vec<(String, String)> =
            request.headers.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let answered = |m: &Message| {
            let asked = self.asked.iter().rev().find(|(of, id, _)| *of == session && Some(id) == m.id());
            asked.filter(|_| m.is_answer()).map(|(_, _, method)| method.clone())
        };
        let method = posted.as_ref().and_then(|m| m.method().map(str::to_owned).or_else(|| answered(m)));
        let carrier = Carrier {
            verb: Some(&request.method),
            headers: &headers,
            posted: posted.as_ref(),
            method: method.as_deref(),
            ..Carrier::default()
        };
        let fault = self.sessions.entry(session).or_insert_with(|| self.fault.clone());
        let (verb, target) = (request.method.clone(), request.path.clone());
        let head = Head { verb, target, headers: headers.clone(), ..Head::default() };
        let altered = fault.head(head, &carrier);
        let name = &self.fault.name;
        let Some(head) = altered.what else {
            self.told.push(format!("fault {name}: kept back a request ({})", request.method));
            return None;
        };
        if altered.changed {
            let told = told(&headers, &head, posted.as_ref());
            self.told.push(format!("fault {name}: asked {told}"));
            request.headers = head.headers.into_iter().collect::<Headers>();
            (request.method, request.path) = (head.verb, head.target);
        }
        Some(altered.delay)
    }
}

/// A head, as a fault says what it made of it: the headers that are other than they were, `null` for those that are not there
/// any more, and the message that follows.
fn told(before: &[(String, String)], head: &Head, posted: Option<&Message>) -> Value {
    let mut headers = Map::new();
    for (name, _) in before.iter().filter(|(name, _)| !head.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name))) {
        headers.insert(name.to_ascii_lowercase(), Value::Null);
    }
    for (name, value) in head.headers.iter().filter(|header| !before.contains(header)) {
        headers.insert(name.to_ascii_lowercase(), json!(value));
    }
    json!({ "verb": head.verb, "target": head.target, "headers": headers, "message": posted.map(Message::value) })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn heads(text: &str) -> Heads {
        Heads::new(Fault::read(text).unwrap().remove(0))
    }

    fn post(message: &Value) -> Request {
        Request {
            method: "POST".into(),
            path: "/mcp".into(),
            headers: Headers::from_iter([("Accept", "application/json"), ("Mcp-Session-Id", "s1")]),
            body: message.to_string().into(),
        }
    }

    #[test]
    fn a_header_is_left_out_of_what_is_meant_and_of_nothing_else() {
        let mut heads = heads(
            "[{ name: x, by: client, on: { part: request-head, kind: result, method: ping }, \
             do: [{ header: { name: MCP-SESSION-ID } }] }]",
        );
        let answer = |id: u8| json!({ "jsonrpc": "2.0", "id": id, "result": {} });
        heads.came(SessionKey(0), &Message::of(&json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" })));
        heads.came(SessionKey(0), &Message::of(&json!({ "jsonrpc": "2.0", "id": 2, "method": "roots/list" })));
        for (session, id, left_out) in [(0, 1, true), (0, 2, false), (1, 1, false)] {
            let mut request = post(&answer(id));
            assert_eq!(heads.alter(SessionKey(session), &mut request), Some(Duration::ZERO));
            assert_eq!(request.headers.get("Mcp-Session-Id").is_none(), left_out, "{session} {id}");
        }
        let told = heads.told();
        let said = told.first().and_then(|line| line.strip_prefix("fault x: asked ")).unwrap();
        let said: Value = serde_json::from_str(said).unwrap();
        let (headers, message) = (json!({ "mcp-session-id": null }), answer(1));
        assert_eq!(said, json!({ "verb": "POST", "target": "/mcp", "headers": headers, "message": message }));
        assert_eq!((told.len(), heads.told().len()), (1, 0));
    }

    #[test]
    fn a_request_can_stay_away_or_come_late() {
        let mut never = heads("[{ name: x, by: client, on: { part: request-head, verb: DELETE }, do: [drop] }]");
        let mut delete = Request { method: "DELETE".into(), ..post(&json!({})) };
        assert_eq!(never.alter(SessionKey(0), &mut delete), None);
        assert_eq!(never.told(), ["fault x: kept back a request (DELETE)"]);
        let mut late = heads("[{ name: x, by: client, on: { part: request-head, verb: POST }, do: [{ delay: 50 }] }]");
        assert_eq!(late.alter(SessionKey(0), &mut post(&json!({}))), Some(Duration::from_millis(50)));
    }
}
