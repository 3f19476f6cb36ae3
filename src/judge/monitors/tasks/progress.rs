//! Tasks: progress, which goes on after the CreateTaskResult under the token of the request that created the task.

use crate::conversation::{Said, Sort, Task};
use crate::judge::monitor::{Monitor, Notes, Scene};
use crate::wire::Id;
use std::collections::HashMap;

/// The rules of progress.
#[derive(Debug, Default)]
pub struct Progress;

const TOKEN: &str = "/params/_meta/progressToken";

impl Monitor for Progress {
    fn requirements(&self) -> &'static [&'static str] {
        &["tasks.progress.same-token", "tasks.progress.stops-at-terminal", "tasks.progress.token-stays-valid"]
    }

    fn said(&mut self, scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
        if said.notifies("notifications/progress") {
            same(scene, index, said, notes);
        }
        if said.is_request() && said.redelivers.is_none() {
            reused(scene, index, said, notes);
        }
    }

    fn end(&mut self, scene: &Scene<'_>, notes: &mut Notes<'_>) {
        let mut reports: HashMap<usize, Vec<usize>> = HashMap::new();
        for (index, said) in scene.c.iter() {
            if let Some(request) = said.progress_of {
                reports.entry(request).or_default().push(index);
            }
        }
        for task in &scene.c.tasks {
            if let Some(reports) = task.created_by().and_then(|request| reports.get(&request)) {
                stops(scene, task, reports, notes);
            }
        }
    }
}

fn token(scene: &Scene<'_>, request: usize) -> Option<Id> {
    scene.c.get(request)?.message.value().pointer(TOKEN).map(Id::of)
}

/// A progress notification that names a task has the token of the request that created it.
fn same(scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
    let id = "tasks.progress.same-token";
    let Some(reported) = said.message.params().get("progressToken").map(Id::of) else { return };
    let of_meta = said.related_task_id().and_then(|named| {
        scene.c.tasks.iter().find(|t| t.id == named && t.receiver == said.from && !t.creations.is_empty())
    });
    let expected = |t: &Id| format!("the token {t} of the request that created the task");
    if let Some(task) = of_meta {
        match task.created_by().and_then(|r| token(scene, r)) {
            Some(token) => {
                let found = format!("the token {reported}");
                notes.either(token == reported, id, index, "/params/progressToken", expected(&token), found);
            }
            None => {
                let found = format!("progress under {reported}, and that request had no token");
                notes.broken(id, index, "/params/progressToken", "no progress: none was asked for", found);
            }
        }
        return;
    }
    if let Some(request) = said.progress_of {
        let after =
            |t: &&Task| t.creations.iter().any(|c| c.request == request && scene.c.sent_before(c.answer, index));
        if scene.c.tasks.iter().any(|t| after(&t)) {
            notes.held(id, index);
        }
        return;
    }
    if scene.c.past.may(Sort::Token, scene.c.scope(said.session, said.to()), &reported) {
        return;
    }
    if let Some(token) = lone_task(scene, index, said).and_then(|task| token(scene, task.created_by()?)) {
        let found = format!("the token {reported}, which no request had");
        notes.broken(id, index, "/params/progressToken", expected(&token), found);
    }
}

/// The task that is the only thing under way on which the sender could report progress, and has a token.
fn lone_task<'a>(scene: &Scene<'a>, index: usize, said: &Said) -> Option<&'a Task> {
    let active = |t: &&Task| {
        t.receiver == said.from
            && t.session == said.session
            && t.creations.iter().any(|c| scene.c.sent_before(c.answer, index))
            && t.ended.is_none_or(|end| end > index)
    };
    let mut tasks = scene.c.tasks.iter().filter(active);
    match (tasks.next(), tasks.next()) {
        (Some(task), None) => Some(task).filter(|t| t.created_by().is_some_and(|r| token(scene, r).is_some())),
        _ => None,
    }
}

/// Is progress under a token that nobody gave meant for a task? Then it is judged here.
pub(in crate::judge::monitors) fn of_a_task(scene: &Scene<'_>, index: usize, said: &Said) -> bool {
    let named = said.related_task_id().is_some_and(|named| {
        scene.c.tasks.iter().any(|t| t.id == named && t.receiver == said.from && !t.creations.is_empty())
    });
    named || lone_task(scene, index, said).is_some()
}

/// While a task is under way its token is taken.
fn reused(scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
    let Some(own) = said.message.value().pointer(TOKEN).map(Id::of) else { return };
    let under_way = |t: &&Task| {
        t.requestor() == said.from
            && t.session == said.session
            && t.created_by().is_some_and(|r| r < index)
            && t.ended.is_none_or(|end| end > index)
            && !t.retrievals.iter().any(|r| scene.c.get(*r).is_some_and(|r| r.answered_by.iter().any(|a| *a < index)))
    };
    for task in scene.c.tasks.iter().filter(under_way) {
        if let Some(token) = task.created_by().and_then(|r| token(scene, r)) {
            let expected = "a token of its own: this one belongs to a task that is under way";
            let found = format!("the token {own}");
            notes.either(own != token, "tasks.progress.token-stays-valid", index, TOKEN, expected, found);
        }
    }
}

/// After its final status a task reports no progress.
fn stops(scene: &Scene<'_>, task: &Task, reports: &[usize], notes: &mut Notes<'_>) {
    let id = "tasks.progress.stops-at-terminal";
    let result = task.retrievals.iter().filter_map(|r| scene.c.get(*r)).flat_map(|r| &r.answered_by).copied();
    let results = result.filter(|a| scene.c.get(*a).is_some_and(Said::is_result));
    let ends: Vec<usize> =
        task.sightings.iter().filter(|s| s.is_terminal()).map(|s| s.message).chain(results).collect();
    let late: Vec<usize> =
        reports.iter().copied().filter(|p| ends.iter().any(|end| scene.c.sent_before(*end, *p))).collect();
    for report in &late {
        notes.broken(id, *report, "", "no progress, because the task has ended", "a progress notification");
    }
    if late.is_empty() && !reports.is_empty() {
        for end in ends {
            notes.held(id, end);
        }
    }
}
