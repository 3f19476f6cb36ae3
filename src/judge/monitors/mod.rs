//! The monitors, one file per area of the specification (tasks has several).

pub mod answers;
pub mod base;
pub mod cancellation;
mod content;
pub mod elicitation;
pub mod lifecycle;
pub mod meta;
pub mod progress;
pub mod prompts;
pub mod resources;
pub mod tasks;
pub mod timeouts;
pub mod tools;
pub mod transport;

use super::evidence::Evidence;
use super::frames;
use super::monitor::{Monitor, Notes, Scene};
use super::schema_check::{SchemaCheck, violations};
use super::shapes::Shapes;
use crate::conversation::Conversation;
use crate::trace::Header;

/// A fresh monitor of each kind.
#[must_use]
pub fn all() -> Vec<Box<dyn Monitor>> {
    let mut all: Vec<Box<dyn Monitor>> = vec![
        Box::new(SchemaCheck),
        Box::new(Shapes),
        Box::new(base::Envelope::default()),
        Box::new(base::Answered),
        Box::new(meta::Meta),
        Box::new(lifecycle::Opening),
        Box::new(lifecycle::Capabilities),
        Box::new(lifecycle::Shutdown),
        Box::new(tools::Listing::default()),
        Box::new(tools::Results::default()),
        Box::new(resources::Resources),
        Box::new(prompts::Prompts),
        Box::new(elicitation::Elicitation::default()),
        Box::new(answers::Answers),
        Box::new(cancellation::Cancellation::default()),
        Box::new(progress::Progress::default()),
        Box::new(timeouts::Timeouts),
    ];
    all.extend(tasks::all());
    all.extend(transport::all());
    all
}

/// Every requirement that a monitor can speak about, sorted.
#[must_use]
pub fn requirements() -> Vec<&'static str> {
    let mut ids: Vec<&'static str> = all().iter().flat_map(|m| m.requirements()).copied().collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// Can a monitor speak about that requirement?
#[must_use]
pub fn covers(requirement: &str) -> bool {
    static IDS: std::sync::OnceLock<Vec<&'static str>> = std::sync::OnceLock::new();
    IDS.get_or_init(requirements).binary_search(&requirement).is_ok()
}

/// What a conversation shows of the requirements, in the order of events, then of ids. Both parties are judged; who is under
/// test is for the caller to say.
#[must_use]
pub fn run(c: &Conversation, header: &Header) -> Vec<Evidence> {
    let violations = c.said.iter().map(|said| violations(c, said)).collect();
    let scene = Scene { c, header, violations, frames: frames::survey(c) };
    let mut notes = Notes::new(c, header.transport);
    for mut monitor in all() {
        let captured = |kind: &&str| header.captured.iter().any(|k| k == *kind);
        if !monitor.needs().iter().all(captured) {
            continue;
        }
        for (index, said) in c.iter() {
            if !said.cut {
                monitor.said(&scene, index, said, &mut notes);
            }
        }
        monitor.end(&scene, &mut notes);
    }
    notes.finish()
}

#[cfg(test)]
pub(super) mod stored;
#[cfg(test)]
mod stored_features;
#[cfg(test)]
mod tests;
