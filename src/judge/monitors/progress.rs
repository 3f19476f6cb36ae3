//! Progress: tokens, values, and that it belongs to what is under way. What is said of a task has rules of its own.

use super::content::short;
use super::tasks::progress::of_a_task;
use super::transport::streams::broadcast;
use crate::conversation::{Said, Sort};
use crate::judge::monitor::{Monitor, Notes, Scene};
use crate::wire::{Id, Party};
use serde_json::Value;
use std::collections::HashMap;

/// The rules of progress.
#[derive(Debug, Default)]
pub struct Progress {
    /// The requests with a token, by session and sender.
    asked: HashMap<(usize, Party), Vec<usize>>,
    /// The last report on each request.
    last: HashMap<usize, usize>,
}

const TOKEN: &str = "/params/_meta/progressToken";

impl Monitor for Progress {
    fn requirements(&self) -> &'static [&'static str] {
        &[
            "progress.in-progress-only",
            "progress.known-token-only",
            "progress.message-informative",
            "progress.stops-after-completion",
            "progress.token-unique",
            "progress.value-increases",
        ]
    }

    fn said(&mut self, scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
        if said.redelivers.is_some() {
            return;
        }
        if said.is_request() && said.message.value().pointer(TOKEN).is_some() {
            self.asks(scene, index, said, notes);
        }
        if said.notifies("notifications/progress") && broadcast(scene.c, index).is_none() {
            self.reported(scene, index, said, notes);
        }
        // what came of a request on which there was progress
        if let Some(request) = said.answers.filter(|request| self.last.contains_key(request))
            && said.is_result()
            && !is_task(scene, request)
        {
            notes.held("progress.stops-after-completion", index);
        }
    }
}

/// Did a task come of that request? Then its progress goes on.
fn is_task(scene: &Scene<'_>, request: usize) -> bool {
    scene.c.tasks.iter().any(|t| t.creations.iter().any(|c| c.request == request))
}

impl Progress {
    /// A token is taken until the request that brought it has its answer.
    fn asks(&mut self, scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
        let token = |s: &Said| s.message.value().pointer(TOKEN).map(Id::of);
        let own = token(said);
        let asked = self.asked.entry((said.session, said.from)).or_default();
        let cancelled = |request: &Said| {
            let gave_up = |s: &Said| {
                s.notifies("notifications/cancelled")
                    && s.session == said.session
                    && s.from == said.from
                    && s.message.params().get("requestId").map(Id::of).as_ref() == request.message.id()
            };
            scene.c.said.iter().take(index).any(gave_up)
        };
        // its answer had not come when this was sent
        asked.retain(|i| scene.c.get(*i).is_some_and(|r| !r.answered_by.iter().any(|a| *a < index) && !cancelled(r)));
        if let Some(own) = own.filter(|_| !asked.is_empty()) {
            let taken = asked.iter().filter_map(|i| scene.c.get(*i)).any(|r| token(r).as_ref() == Some(&own));
            let expected = "a token of its own: this one belongs to a request that is under way";
            let found = format!("the token {own}");
            notes.either(!taken, "progress.token-unique", index, TOKEN, expected, found);
        }
        asked.push(index);
    }

    fn reported(&mut self, scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
        let params = said.message.params();
        if let Some(message) = params.get("message").and_then(Value::as_str) {
            let id = "progress.message-informative";
            let expected = "a text that tells a person something, or none";
            notes.either(!message.trim().is_empty(), id, index, "/params/message", expected, short(message));
        }
        let Some(token) = params.get("progressToken").map(Id::of) else { return };
        let id = "progress.known-token-only";
        let Some(request) = said.progress_of else {
            let begun = scene.c.session_of(said).is_some_and(|s| s.initialize.is_some());
            let gone = scene.c.past.may(Sort::Token, scene.c.scope(said.session, said.to()), &token);
            if begun && !gone && !of_a_task(scene, index, said) {
                let expected = "a token that a request of the other party brought";
                notes.broken(id, index, "/params/progressToken", expected, format!("the token {token}"));
            }
            return;
        };
        notes.held(id, index);
        self.grows(scene, request, index, said, notes);
        if is_task(scene, request) {
            return;
        }
        let answers = scene.c.get(request).map(|r| r.answered_by.as_slice()).unwrap_or_default();
        let late = answers.iter().find(|a| scene.c.sent_before(**a, index)).and_then(|a| scene.c.get(*a));
        match late {
            None => {
                if !answers.iter().any(|a| *a < index) {
                    notes.held("progress.in-progress-only", index);
                }
            }
            Some(answer) if answer.is_result() => {
                let id = "progress.stops-after-completion";
                notes.broken(id, index, "", "no progress: the request has its result", "a progress notification");
            }
            Some(_) => {
                let id = "progress.in-progress-only";
                notes.broken(id, index, "", "no progress: the request was answered with an error", "some all the same");
            }
        }
    }

    /// Each report says more than the one before.
    fn grows(&mut self, scene: &Scene<'_>, request: usize, index: usize, said: &Said, notes: &mut Notes<'_>) {
        let progress = |s: &Said| s.message.params().get("progress").and_then(Value::as_f64);
        let Some(now) = progress(said) else { return };
        let before = self.last.insert(request, index).and_then(|i| Some((i, scene.c.get(i)?)));
        let Some((earlier, before)) = before else { return };
        // an event that is sent again on a stream that is resumed
        if before.event_id.is_some() && before.event_id == said.event_id {
            return;
        }
        if let Some(then) = progress(before).filter(|_| scene.c.sent_before(earlier, index)) {
            let expected = format!("more than {then}");
            notes.either(now > then, "progress.value-increases", index, "/params/progress", expected, now.to_string());
        }
    }
}
