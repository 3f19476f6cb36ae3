//! What an application waits for only so long.

use super::Moment;
use crate::trace::{Body, Event};

/// Something that an application was told to do, and to give up after a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limited {
    /// When it was told.
    pub told: Moment,
    /// How long it waits, in microseconds.
    pub patience: u64,
    /// When it had given up: it saw a failure, and no answer.
    pub gave_up: Option<Moment>,
}

/// All of them, in the order of recording.
pub(super) fn limited(events: &[Event]) -> Vec<Limited> {
    let mut found: Vec<(&str, Limited)> = Vec::new();
    for event in events {
        let now = (event.seq, event.at);
        match &event.body {
            Body::Action { label, gives_up: Some(after), .. } => {
                let patience = after.saturating_mul(1000);
                found.push((label, Limited { told: now, patience, gave_up: None }));
            }
            Body::Saw { label, value } if value.get("failure").is_some() => {
                let of = found.iter_mut().find(|(of, limited)| of == label && limited.gave_up.is_none());
                if let Some((_, limited)) = of {
                    limited.gave_up = Some(now);
                }
            }
            _ => {}
        }
    }
    found.into_iter().map(|(_, limited)| limited).collect()
}
