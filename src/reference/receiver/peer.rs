//! What a party knows of the other one, and may ask it.

use crate::spec::Revision;
use serde_json::{Value, json};

/// What is known of the other party of a session, and what was promised to it.
#[derive(Debug, Clone)]
pub struct Peer {
    /// What the other party declared.
    pub capabilities: Value,
    /// What was declared to it.
    pub declared: Value,
    /// The revision agreed on; the newest legacy one until it is.
    pub revision: Revision,
    /// Requests may be sent to it: the handshake is over.
    pub ready: bool,
    /// The least severe level it wants to hear of (an index into the eight levels, 0 is `debug`).
    pub level: usize,
}

impl Default for Peer {
    fn default() -> Self {
        Peer { capabilities: json!({}), declared: json!({}), revision: Revision::DEFAULT, ready: false, level: 0 }
    }
}

/// The levels of `logging`, least severe first.
pub const LEVELS: [&str; 8] = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

/// May the other party be asked this? If not, why.
pub(super) fn may_ask(capabilities: &Value, method: &str, params: &Value) -> Result<(), &'static str> {
    match method {
        "elicitation/create" => {
            let Some(elicitation) = capabilities.get("elicitation") else {
                return Err("the client does not declare elicitation");
            };
            let url = params.get("mode").is_some_and(|mode| mode == "url");
            // an empty object means that only forms can be shown
            if url && elicitation.get("url").is_none() {
                return Err("the client does not declare elicitation by URL");
            }
            if !url && elicitation.get("url").is_some() && elicitation.get("form").is_none() {
                return Err("the client does not declare elicitation by form");
            }
            Ok(())
        }
        "sampling/createMessage" if capabilities.get("sampling").is_none() => {
            Err("the client does not declare sampling")
        }
        "roots/list" if capabilities.get("roots").is_none() => Err("the client does not declare roots"),
        _ => Ok(()),
    }
}
