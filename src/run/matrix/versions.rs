//! Which revision two parties agreed on, as it stands on the wire.

use crate::conversation::{Conversation, Said};
use crate::trace::Trace;
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

/// What the parties of a trace offered each other; `None` if there was no `initialize` that was answered.
#[must_use]
pub fn offers(trace: &Trace) -> Option<Offers> {
    let c = Conversation::of(&trace.header, &trace.events);
    let (at, asked) = c.said.iter().enumerate().find(|(_, s)| is(s, "initialize"))?;
    let answer = c.said.iter().find(|s| s.answers == Some(at))?;
    let text = |value: Option<&Value>| {
        // data of a peer: the beginning is enough
        let said = value.map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned));
        said.unwrap_or_else(|| "none".to_owned()).chars().take(SHOWN).collect::<String>()
    };
    let client = text(asked.message.params().get("protocolVersion"));
    let server = match answer.message.kind() {
        Kind::Error { .. } => format!("the error {}", text(Some(answer.message.error()))),
        _ => text(answer.message.result().get("protocolVersion")),
    };
    let agreed = c.said.iter().any(|s| is(s, "notifications/initialized"));
    Some(Offers { client, server, agreed })
}

fn is(said: &Said, method: &str) -> bool {
    said.from == Party::Client && said.message.method() == Some(method)
}
