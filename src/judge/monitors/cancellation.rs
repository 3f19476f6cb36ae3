//! Cancellation: what may be cancelled by a notification. That a task is not has a rule of its own.

use crate::conversation::{Said, Sort};
use crate::judge::monitor::{Monitor, Notes, Scene};
use crate::wire::{Id, Party};
use std::collections::HashMap;

/// The rules for who cancels.
#[derive(Debug, Default)]
pub struct Cancellation {
    /// The requests, by session, sender and id; of those with the same id the last.
    requests: HashMap<(usize, Party, Id), usize>,
}

const ID: &str = "/params/requestId";

impl Monitor for Cancellation {
    fn requirements(&self) -> &'static [&'static str] {
        &[
            "cancellation.in-flight",
            "cancellation.not-initialize",
            "cancellation.request-id-required",
            "cancellation.same-direction",
        ]
    }

    fn said(&mut self, scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
        if let (true, Some(id)) = (said.is_request(), said.message.id()) {
            self.requests.insert((said.session, said.from, id.clone()), index);
        }
        if said.notifies("notifications/cancelled") {
            self.cancels(scene, index, said, notes);
        }
    }
}

impl Cancellation {
    fn cancels(&self, scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
        let needed = "cancellation.request-id-required";
        let Some(id) = said.message.params().get("requestId").map(Id::of) else {
            notes.broken(needed, index, "/params", "the id of a request", "none");
            return;
        };
        if matches!(id, Id::Odd(_)) {
            return;
        }
        notes.held(needed, index);
        let of = |party: Party| self.requests.get(&(said.session, party, id.clone())).copied();
        let Some(request) = of(said.from) else {
            // what was asked before the record began, or is held no more, may be cancelled in it
            let gone = scene.c.past.may(Sort::Request, scene.c.scope(said.session, said.from), &id);
            if !gone && scene.c.session_of(said).is_some_and(|s| s.initialize.is_some()) {
                let found = match of(said.to()) {
                    Some(_) => format!("{id}, the id of a request of the {}", said.to()),
                    None => format!("{id}, which no request has"),
                };
                let expected = format!("the id of a request of the {}", said.from);
                notes.broken("cancellation.same-direction", index, ID, expected, found);
            }
            return;
        };
        notes.held("cancellation.same-direction", index);
        let Some(asked) = scene.c.get(request) else { return };
        if said.from == Party::Client {
            let well = !asked.requests("initialize");
            let expected = "the id of any request but `initialize`";
            notes.either(well, "cancellation.not-initialize", index, ID, expected, "that of `initialize`");
            if !well {
                return;
            }
        }
        let of_a_task = scene.c.tasks.iter().any(|t| t.creations.iter().any(|c| c.request == request));
        if of_a_task {
            return;
        }
        let before = asked.answered_by.iter().copied().find(|a| *a < index);
        match before {
            None => {
                notes.held("cancellation.in-flight", index);
            }
            Some(answer) if scene.c.known_when(answer, index) => {
                let expected = "the id of a request that has no answer yet";
                notes.broken("cancellation.in-flight", index, ID, expected, format!("{id}, which has one"));
            }
            Some(_) => {}
        }
    }
}
