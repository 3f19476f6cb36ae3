//! What a client declares, beside what a scenario needs of it.

use super::Play;
use crate::scenario::model::{Need, Needed};
use crate::spec::methods;
use crate::wire::{Message, Party};
use serde_json::Value;

/// Why a client that says this in `initialize` is not asked for what the scenario needs, if it is not.
pub(super) fn lacking(play: &Play, message: &Message) -> Option<String> {
    if message.method() != Some("initialize") {
        return None;
    }
    let declared = message.params().get("capabilities").unwrap_or(&Value::Null);
    let lacks = |need: &&Need| match (&need.what, need.party) {
        (Needed::Capability(path), Party::Client) => !methods::declared(declared, path),
        (Needed::Lack(path), Party::Client) => methods::declared(declared, path),
        _ => false,
    };
    match play.plan.scenario().needs.iter().find(lacks).map(|need| &need.what)? {
        Needed::Capability(path) => Some(format!("the client does not declare the capability {path}")),
        Needed::Lack(path) => {
            Some(format!("the client declares the capability {path}, and this is about clients that do not"))
        }
        _ => None,
    }
}
