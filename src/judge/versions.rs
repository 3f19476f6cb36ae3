//! Which revision two parties agreed on, as it stands on the wire.

use crate::conversation::{Conversation, Said};
use crate::wire::Party;
use crate::wire::message::Kind;
use serde_json::Value;

/// What two parties offered each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offers {
    /// What the client asked for.
    pub client: String,
    /// What the server answered: a revision, or its error.
    pub server: String,
    /// Did the client go on with that?
    pub agreed: bool,
}

/// How much is kept of what a peer offers, in characters.
const SHOWN: usize = 200;

/// How many revisions are told of a peer that names all it speaks.
const REVISIONS: usize = 8;

/// What the parties offered each other; `None` if there was no `initialize` that was answered with a revision, or with the
/// error that there is none in common.
#[must_use]
pub fn offers(c: &Conversation) -> Option<Offers> {
    // a client may ask again with another one
    let answered = c.said.iter().rev().filter(|s| s.answers.is_some());
    let (asked, answer) = answered.map(|s| (s.answers.and_then(|at| c.get(at)), s)).find_map(|(asked, answer)| {
        let asked = asked.filter(|asked| is(asked, "initialize"))?;
        Some((asked, answer))
    })?;
    let client = text(asked.message.params().get("protocolVersion")?);
    let server = match answer.message.kind() {
        Kind::Error { .. } => refused(answer.message.error())?,
        _ => text(answer.message.result().get("protocolVersion")?),
    };
    let agreed = c.said.iter().any(|s| is(s, "notifications/initialized"));
    Some(Offers { client, server, agreed })
}

/// What a server speaks that refuses the revision it was asked for.
fn refused(error: &Value) -> Option<String> {
    let supported = error.pointer("/data/supported").and_then(Value::as_array);
    if let Some(all) = supported.filter(|all| !all.is_empty()) {
        return Some(all.iter().take(REVISIONS).map(text).collect::<Vec<_>>().join(", "));
    }
    let said = error.get("message").and_then(Value::as_str)?;
    said.to_ascii_lowercase().contains("protocol version").then(|| format!("the error {}", text(error)))
}

/// Data of a peer: the beginning is enough.
fn text(value: &Value) -> String {
    let said = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    said.chars().take(SHOWN).collect()
}

fn is(said: &Said, method: &str) -> bool {
    said.from == Party::Client && said.message.method() == Some(method)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::conversation::sample::Sample;
    use crate::judge::{Outcome, Verdict, judge};
    use crate::trace::event::EndReason;
    use serde_json::json;

    /// A client asks for 2025-11-25, the server says that, and the client goes on or leaves.
    fn asked(answer: Value, goes_on: bool) -> Option<Offers> {
        let mut t = Sample::stdio();
        t.client(
            json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": "2025-11-25"}}),
        );
        let mut said = json!({"jsonrpc": "2.0", "id": 0});
        said.as_object_mut().unwrap().extend(answer.as_object().unwrap().clone());
        t.server(said);
        if goes_on {
            t.client(json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        }
        let trace = t.ended(EndReason::Gone { party: Party::Client, how: "it left".into() });
        offers(&Conversation::of(&trace.header, &trace.events))
    }

    #[test]
    fn what_two_offer_each_other_stands_on_the_wire() {
        let of = |server: &str, agreed| Some(Offers { client: "2025-11-25".into(), server: server.into(), agreed });
        assert_eq!(asked(json!({"result": {"protocolVersion": "2023-01-01"}}), false), of("2023-01-01", false));
        assert_eq!(asked(json!({"result": {"protocolVersion": "2025-06-18"}}), true), of("2025-06-18", true));
        let error = |error: Value| asked(json!({ "error": error }), false);
        let data = json!({"supported": ["2024-11-05", "2025-03-26"], "requested": "2025-11-25"});
        assert_eq!(error(json!({"code": -32602, "message": "no", "data": data})), of("2024-11-05, 2025-03-26", false));
        let said = error(json!({"code": -32602, "message": "Unsupported protocol version"})).unwrap();
        assert!(said.server.starts_with("the error ") && said.server.contains("-32602"), "{said:?}");
        assert_eq!(error(json!({"code": -32603, "message": "out of memory"})), None, "that is another matter");
        let long = "9".repeat(5000);
        assert_eq!(asked(json!({"result": {"protocolVersion": long}}), false).unwrap().server.len(), SHOWN);
    }

    #[test]
    fn where_nobody_asked_nothing_was_offered() {
        let mut t = Sample::stdio();
        t.client(json!({"jsonrpc": "2.0", "id": 0, "method": "ping"}));
        let trace = t.done();
        assert_eq!(offers(&Conversation::of(&trace.header, &trace.events)), None);
        let judgement = judge(&trace);
        assert!(
            !matches!(judgement.outcome, Outcome::Apart { .. }) && judgement.verdict != Verdict::Fail,
            "{judgement:?}"
        );
    }
}
