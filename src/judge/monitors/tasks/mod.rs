//! Tasks (2025-11-25).

pub mod cancel;
pub mod capability;
pub mod create;
pub mod guess;
pub mod input;
pub mod list;
pub mod progress;
pub mod related;
pub mod result;
pub mod same;
pub mod status;
pub mod time;
pub mod tool;

use super::Monitor;
use crate::conversation::Task;
use crate::judge::monitor::Scene;

/// A monitor of each kind.
#[must_use]
pub fn all() -> Vec<Box<dyn Monitor>> {
    vec![
        Box::new(capability::Capability),
        Box::new(tool::Tool::default()),
        Box::new(create::Create::default()),
        Box::new(guess::Guess::default()),
        Box::new(status::Status),
        Box::new(time::Time),
        Box::new(result::Retrieval),
        Box::new(same::Same::default()),
        Box::new(list::Listing::default()),
        Box::new(cancel::Cancel),
        Box::new(input::Input),
        Box::new(related::Related),
        Box::new(progress::Progress),
    ]
}

/// Was the task surely completed when the request behind that answer came?
fn completed_before(scene: &Scene<'_>, task: &Task, answer: usize) -> bool {
    let Some(request) = scene.c.get(answer).and_then(|s| s.answers) else { return false };
    task.sightings.iter().any(|s| s.status.as_deref() == Some("completed") && scene.c.was_so(s.message, request))
}
