//! Tasks: `tasks/list`, its cursors, and status notifications.

use crate::conversation::{Place, Said, Task};
use crate::judge::monitor::{Monitor, Notes, Scene};
use crate::wire::Party;
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// The rules of listing and of status notifications.
#[derive(Debug, Default)]
pub struct Listing {
    /// By session and receiver: the cursors it gave, with the index of the page.
    given: HashMap<(usize, Party), HashMap<String, usize>>,
    /// Walks under way, by session and receiver: the first request, and the ids so far, by the cursor that goes on.
    walks: HashMap<(usize, Party, String), (usize, HashSet<String>)>,
}

impl Monitor for Listing {
    fn requirements(&self) -> &'static [&'static str] {
        &[
            "tasks.list.cursor-opaque",
            "tasks.list.includes-gettable",
            "tasks.list.invalid-cursor",
            "tasks.notify.known-task",
            "tasks.notify.no-related-task-meta",
        ]
    }

    fn said(&mut self, scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
        if said.notifies("notifications/tasks/status") {
            notified(scene, index, said, notes);
        }
        if said.requests("tasks/list") {
            self.asked(scene, index, said, notes);
        }
        if said.message.is_answer() && said.method.as_deref() == Some("tasks/list") && said.redelivers.is_none() {
            self.answered(scene, index, said, notes);
        }
    }
}

fn cursor(said: &Said) -> Option<&str> {
    said.message.params().get("cursor").and_then(Value::as_str)
}

impl Listing {
    fn asked(&self, scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
        let Some(cursor) = cursor(said) else { return };
        let given = self.given.get(&(said.session, said.to())).is_some_and(|g| g.contains_key(cursor));
        let complete = scene.c.session_of(said).is_some_and(|s| s.initialize.is_some());
        if given || complete {
            let id = "tasks.list.cursor-opaque";
            let found = format!("`{cursor}`");
            notes.either(given, id, index, "/params/cursor", "a cursor that a page brought, as it was", found);
        }
    }

    fn answered(&mut self, scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
        let Some((asked, request)) = said.answers.and_then(|i| scene.c.get(i).map(|r| (i, r))) else { return };
        let cursor = cursor(request).map(str::to_owned);
        let key = (said.session, said.from);
        let given = cursor.as_ref().is_some_and(|c| self.given.get(&key).is_some_and(|g| g.contains_key(c)));
        let declared = scene.c.declares(said, said.from, "tasks.list") == Some(true);
        if let Some(cursor) = cursor.as_ref().filter(|_| !given && declared) {
            let well = said.error_code() == Some(-32602);
            if well || scene.deliberate(request) {
                let found = said.error_code().map_or_else(|| "a page".to_owned(), |code| format!("the error {code}"));
                let expected = format!("the error -32602: `{cursor}` is no cursor");
                notes.either(well, "tasks.list.invalid-cursor", index, "", expected, found);
            }
        }
        if !said.is_result() {
            return;
        }
        let listed = said.message.result().get("tasks").and_then(Value::as_array);
        let mut ids: HashSet<String> = listed
            .into_iter()
            .flatten()
            .filter_map(|t| t.get("taskId").and_then(Value::as_str).map(str::to_owned))
            .collect();
        let mut first = asked;
        if let Some(cursor) = cursor {
            let Some((began, before)) = self.walks.remove(&(said.session, said.from, cursor)) else { return };
            first = began;
            ids.extend(before);
        }
        match said.message.result().get("nextCursor").and_then(Value::as_str) {
            Some(next) => {
                self.given.entry(key).or_default().insert(next.to_owned(), index);
                self.walks.insert((said.session, said.from, next.to_owned()), (first, ids));
            }
            None if declared => walked(scene, index, said, first, &ids, notes),
            None => {}
        }
    }
}

/// A walk over all pages shows every task that was there before it and could still be got after it.
fn walked(scene: &Scene<'_>, index: usize, said: &Said, first: usize, ids: &HashSet<String>, notes: &mut Notes<'_>) {
    let id = "tasks.list.includes-gettable";
    let got_after = |t: &Task| {
        t.sightings.iter().any(|s| {
            let by_same = scene.c.get(s.message).is_some_and(|m| m.session == said.session);
            s.place == Place::Got && by_same && scene.c.sent_before(index, s.message)
        })
    };
    let there = |t: &&Task| {
        let made = t.creations.iter().any(|c| {
            scene.c.known_when(c.answer, first) && scene.c.get(c.answer).is_some_and(|a| a.session == said.session)
        });
        t.receiver == said.from && made && got_after(t)
    };
    for task in scene.c.tasks.iter().filter(there) {
        let expected = format!("the task `{}`, which can still be got", task.id);
        notes.either(ids.contains(&task.id), id, index, "/result/tasks", expected, "pages without it");
    }
}

fn notified(scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
    let id = "tasks.notify.no-related-task-meta";
    match said.related_task() {
        Some((_, pointer)) => {
            notes.broken(id, index, pointer, "no related-task `_meta`: the task is named in `params`", "one");
        }
        None => {
            notes.held(id, index);
        }
    }
    let Some(task) = scene.c.task_of(said) else { return };
    let shown = task.sightings.iter().any(|s| matches!(s.place, Place::Created | Place::Listed | Place::Got));
    if shown || scene.knows_all(said.to()) {
        let id = "tasks.notify.known-task";
        let expected = "the id of a task that this party had created";
        notes.either(shown, id, index, "/params/taskId", expected, format!("`{}`", task.id));
    }
}
