//! The beginning of a record: until it is known which revision the two speak, and who they are.

use crate::spec::{self, Revision};
use crate::trace::{Body, Event, Header};
use crate::wire::Party;
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;

/// So many events may come before it is known.
const EVENTS: usize = 64;

/// So many bytes of the record.
const BYTES: usize = 1 << 20;

/// So long a name is kept, in characters.
const NAME: usize = 60;

/// Where the parties of revisions without `initialize` say which one they speak.
const STATED: &str = "/params/_meta/io.modelcontextprotocol~1protocolVersion";

/// What was recorded before it is known.
#[derive(Debug, Default)]
pub(super) struct Opening {
    waiting: Vec<(Event, String, OwnedSemaphorePermit)>,
    bytes: usize,
    /// Did the header change?
    changed: bool,
}

impl Opening {
    /// Takes the next event, and lets the header know what it says; `true` when nothing more is waited for.
    pub(super) fn take(
        &mut self,
        event: Event,
        line: String,
        share: OwnedSemaphorePermit,
        header: &mut Header,
    ) -> bool {
        let known = self.read(&event.body, header);
        self.bytes += line.len();
        let over = matches!(event.body, Body::End { .. });
        self.waiting.push((event, line, share));
        known || over || self.waiting.len() >= EVENTS || self.bytes >= BYTES
    }

    fn read(&mut self, body: &Body, header: &mut Header) -> bool {
        let Body::Message { from, text, cut_from: None, .. } = body else { return false };
        let Ok(message) = serde_json::from_slice::<Value>(&text.bytes()) else { return false };
        let text_at = |pointer: &str| message.pointer(pointer).and_then(Value::as_str);
        let name = |pointer: &str| {
            text_at(pointer).map(|n| n.chars().take(NAME).collect::<String>()).filter(|n| !n.trim().is_empty())
        };
        match from {
            Party::Client => {
                if let Some(name) = name("/params/clientInfo/name") {
                    self.changed = true;
                    header.client = name;
                }
                self.speaks(text_at(STATED), header)
            }
            Party::Server => {
                if let Some(name) = name("/result/serverInfo/name") {
                    self.changed = true;
                    header.server = name;
                }
                let version = text_at("/result/protocolVersion");
                // one that nobody knows is the last word all the same
                self.speaks(version, header) || version.is_some()
            }
        }
    }

    fn speaks(&mut self, version: Option<&str>, header: &mut Header) -> bool {
        let Some(revision) = version.and_then(Revision::parse) else { return false };
        if header.revision != revision {
            self.changed = true;
            header.revision = revision;
            header.digests = spec::digests(revision);
        }
        true
    }

    /// Is the header another than that with which the record began?
    pub(super) fn has_changed(&self) -> bool {
        self.changed
    }

    /// The lines that were written.
    pub(super) fn lines(&self) -> impl Iterator<Item = &str> {
        self.waiting.iter().map(|(_, line, _)| line.as_str())
    }

    /// What the judge has not got yet.
    pub(super) fn events(self) -> impl Iterator<Item = (Event, OwnedSemaphorePermit)> {
        self.waiting.into_iter().map(|(event, _, share)| (event, share))
    }
}
