//! Tasks: `tasks/list`, its cursors, and status notifications.

use crate::conversation::{Place, Said, Sort, Task};
use crate::judge::monitor::{Monitor, Notes, Scene};
use crate::wire::Party;
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// The rules of listing and of status notifications.
#[derive(Debug, Default)]
pub struct Listing {
    /// By session and receiver: the cursors it gave, with the index of the page.
    given: HashMap<(usize, Party), HashMap<String, usize>>,
    /// Walks under way, by session, receiver, and the cursor that goes on.
    walks: HashMap<(usize, Party, String), Walk>,
}

/// A walk over the pages of a list.
#[derive(Debug, Clone)]
struct Walk {
    /// Its first request.
    began: usize,
    /// The pages that have another behind them.
    pages: Vec<usize>,
    /// The ids so far.
    ids: HashSet<String>,
}

impl Monitor for Listing {
    fn requirements(&self) -> &'static [&'static str] {
        &[
            "tasks.list.cursor-opaque",
            "tasks.list.includes-gettable",
            "tasks.list.invalid-cursor",
            "tasks.list.next-cursor-if-more",
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
        let gone = scene.c.may_have(Sort::Cursor, said.session, said.to(), cursor);
        if given || complete && !gone {
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
        let gone = |c: &str| scene.c.may_have(Sort::Cursor, said.session, said.from, c);
        if let Some(cursor) = cursor.as_ref().filter(|c| !given && declared && !gone(c)) {
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
        let ids: HashSet<String> = listed
            .into_iter()
            .flatten()
            .filter_map(|t| t.get("taskId").and_then(Value::as_str).map(str::to_owned))
            .collect();
        let mut walk = Walk { began: asked, pages: Vec::new(), ids: HashSet::new() };
        if let Some(cursor) = cursor {
            let Some(under_way) = self.walks.remove(&(said.session, said.from, cursor)) else { return };
            walk = under_way;
        }
        walk.ids.extend(ids);
        match said.message.result().get("nextCursor").and_then(Value::as_str) {
            Some(next) => {
                self.given.entry(key).or_default().insert(next.to_owned(), index);
                walk.pages.push(index);
                self.walks.insert((said.session, said.from, next.to_owned()), walk);
            }
            None if declared => walked(scene, index, said, &walk, notes),
            None => {}
        }
    }
}

/// A walk over all pages shows every task that was there before it and could still be got after it.
fn walked(scene: &Scene<'_>, index: usize, said: &Said, walk: &Walk, notes: &mut Notes<'_>) {
    let got_after = |t: &Task| {
        t.sightings.iter().any(|s| {
            let by_same = scene.c.get(s.message).is_some_and(|m| m.session == said.session);
            s.place == Place::Got && by_same && scene.c.sent_before(index, s.message)
        })
    };
    let there = |t: &&Task| {
        let made = t.creations.iter().any(|c| {
            scene.c.known_when(c.answer, walk.began) && scene.c.get(c.answer).is_some_and(|a| a.session == said.session)
        });
        t.receiver == said.from && made && got_after(t)
    };
    // in the order in which they came to be
    let mut tasks: Vec<&Task> = scene.c.tasks.iter().filter(there).collect();
    tasks.sort_by_key(|task| task.created_by());
    let missing: Vec<&Task> = tasks.iter().copied().filter(|task| !walk.ids.contains(&task.id)).collect();
    let cursor = "tasks.list.next-cursor-if-more";
    let listed = |task: &&&Task| walk.ids.contains(&task.id);
    let oldest = tasks.iter().take_while(|task| !listed(task)).count();
    let newest = tasks.iter().rev().take_while(|task| !listed(task)).count();
    // several, and just the oldest or the newest: the list was cut off there
    if missing.len() > 1 && missing.len() < tasks.len() && (oldest == missing.len() || newest == missing.len()) {
        let found = format!("none, and {} tasks that can still be got are on no page", missing.len());
        notes.broken(cursor, index, "/result", "a `nextCursor`, because tasks are left", found);
        return;
    }
    if missing.is_empty() && !tasks.is_empty() {
        for page in &walk.pages {
            notes.held(cursor, *page);
        }
    }
    let id = "tasks.list.includes-gettable";
    for task in tasks {
        let expected = format!("the task `{}`, which can still be got", task.id);
        notes.either(walk.ids.contains(&task.id), id, index, "/result/tasks", expected, "pages without it");
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
    let gone = scene.c.may_have_task(said.from, said.session, &task.id);
    if shown || scene.knows_all(said.to()) && !gone {
        let id = "tasks.notify.known-task";
        let expected = "the id of a task that this party had created";
        notes.either(shown, id, index, "/params/taskId", expected, format!("`{}`", task.id));
    }
}
