//! How works go on: step by step, asking, ending, being stopped.

use super::super::requestor::Purpose;
use super::super::rpc::{self, Outcome};
use super::super::tasks::Status;
use super::super::work::{Ask, Step};
use super::super::{Effect, Route, SessionKey};
use super::peer::{LEVELS, may_ask};
use super::serve::{final_outcome, unknown_task};
use super::{Caller, Receiver, Waiter, Work};
use crate::spec::methods::declared;
use crate::wire::Id;
use serde_json::{Value, json};
use std::time::Duration;

impl Receiver {
    /// The task of a work, if it is one and not in a terminal state; `Err` if it is one and is.
    pub(super) fn live_task(&self, now: Duration, work: &Work) -> Result<Option<String>, ()> {
        match &work.caller {
            Caller::Plain { .. } => Ok(None),
            Caller::Task { id, .. } => match self.store.get(now, work.session, id) {
                Some(task) if !task.status.is_terminal() => Ok(Some(id.clone())),
                _ => Err(()),
            },
        }
    }

    /// Where the messages of a work go beside its answer.
    pub(super) fn route_of(&self, work: &Work) -> Route {
        match &work.caller {
            Caller::Plain { request } => Route::Related(request.clone()),
            Caller::Task { id, .. } => {
                self.waiting_for(work.session, id).map_or(Route::Unrelated, |request| Route::Related(request.clone()))
            }
        }
    }

    /// Takes the next steps of a work, up to where it has to wait.
    pub(super) fn go_on(&mut self, now: Duration, key: u64) {
        loop {
            let Some(work) = self.works.get_mut(&key) else { return };
            if work.is_waiting() {
                return;
            }
            let ready = self.peers.get(&work.session).is_some_and(|peer| peer.ready);
            if matches!(work.steps.front(), Some(Step::Ask(_))) && !ready {
                return;
            }
            let Some(step) = work.steps.pop_front() else {
                return self.finish(now, key);
            };
            match step {
                Step::Wait(time) => work.until = Some(now.saturating_add(time)),
                Step::Log { level, data } => self.log(now, key, level, data),
                Step::Progress { progress, total } => self.progress(now, key, progress, total),
                Step::Ask(asks) => self.ask(now, key, asks),
                Step::Done => {
                    if let Some(token) = &work.witness {
                        self.witnesses.step(token);
                    }
                }
                Step::CloseStream => {
                    if let Caller::Plain { request } = &work.caller {
                        let (session, request) = (work.session, request.clone());
                        self.out.push(Effect::CloseStream { session, request });
                    }
                }
            }
        }
    }

    pub(super) fn log(&mut self, now: Duration, key: u64, level: &'static str, data: Value) {
        let Some(work) = self.works.get(&key) else { return };
        let Ok(task) = self.live_task(now, work) else { return };
        let wanted = self.peers.get(&work.session).map_or(0, |peer| peer.level);
        if LEVELS.iter().position(|known| *known == level).is_none_or(|severity| severity < wanted) {
            return;
        }
        let mut params = json!({ "level": level, "logger": "tools", "data": data });
        if let Some(task) = task {
            rpc::relate(&mut params, &task);
        }
        let (session, route) = (work.session, self.route_of(work));
        self.send(session, route, rpc::notification("notifications/message", Some(params)));
    }

    pub(super) fn progress(&mut self, now: Duration, key: u64, progress: u32, total: u32) {
        let Some(work) = self.works.get(&key) else { return };
        let (Some(token), Ok(task)) = (&work.token, self.live_task(now, work)) else { return };
        let message = format!("{progress} of {total}");
        let mut params = json!({ "progressToken": token, "progress": progress, "total": total, "message": message });
        if let Some(task) = task {
            rpc::relate(&mut params, &task);
        }
        let (session, route) = (work.session, self.route_of(work));
        self.send(session, route, rpc::notification("notifications/progress", Some(params)));
    }

    pub(super) fn ask(&mut self, now: Duration, key: u64, asks: Vec<Ask>) {
        let Some(work) = self.works.get(&key) else { return };
        let session = work.session;
        let task = self.live_task(now, work);
        let Some(peer) = self.peers.get(&session).cloned() else { return };
        let mut questions = Vec::new();
        for Ask { method, mut params, as_task } in asks {
            let Some(work) = self.works.get_mut(&key) else { return };
            let refused = match &task {
                Err(()) => Some("the task has ended"),
                Ok(_) => may_ask(&peer.capabilities, &method, &params).err(),
            };
            if let Some(reason) = refused {
                work.answers.push(Some(Outcome::error(rpc::METHOD_NOT_FOUND, reason)));
                continue;
            }
            let purpose = Purpose::Work(key, work.answers.len());
            work.answers.push(None);
            let leaf = format!("tasks.requests.{}", method.replace('/', "."));
            if let Some(ttl) = as_task.filter(|_| declared(&peer.capabilities, &leaf)) {
                params["task"] = json!({ "ttl": ttl });
            }
            if let Ok(Some(task)) = &task {
                rpc::relate(&mut params, task);
            }
            let route = self.works.get(&key).map_or(Route::Unrelated, |work| self.route_of(work));
            let (id, message) = self.requestor.prepare(session, route.clone(), &method, Some(params), purpose);
            questions.push((id, route, message));
        }
        let Ok(Some(task)) = task else {
            for (_, route, message) in questions {
                self.send(session, route, message);
            }
            return;
        };
        if questions.is_empty() {
            return;
        }
        for (id, _, message) in &questions {
            self.queue.push(&task, session, id.clone(), message.clone());
        }
        self.move_task(now, session, &task, Status::InputRequired, Some("It waits for an answer."));
        if self.dialect.questions_on_get {
            for message in self.queue.deliver(&task, &Id::Odd("null".into())) {
                self.send(session, Route::Unrelated, message);
            }
        } else {
            self.deliver(session, &task);
        }
    }

    /// The `tasks/result` request over which messages of a task reach its requestor: the one that waits longest.
    pub(super) fn waiting_for(&self, session: SessionKey, task: &str) -> Option<&Id> {
        let for_it = |waiter: &&Waiter| waiter.session == session && waiter.task == task && !waiter.lost;
        self.waiters.iter().find(for_it).map(|waiter| &waiter.request)
    }

    /// Sends a task's undelivered questions over the `tasks/result` request that waits longest, if one does.
    pub(super) fn deliver(&mut self, session: SessionKey, task: &str) {
        let Some(via) = self.waiting_for(session, task).cloned() else { return };
        for message in self.queue.deliver(task, &via) {
            self.send(session, Route::Related(via.clone()), message);
        }
    }

    /// Moves a task, and tells so if that is the habit.
    pub(super) fn move_task(
        &mut self,
        now: Duration,
        session: SessionKey,
        task: &str,
        status: Status,
        message: Option<&str>,
    ) {
        if self.store.advance(now, task, status, message.map(str::to_owned), None) {
            self.tell_status(now, session, task);
        }
    }

    pub(super) fn tell_status(&mut self, now: Duration, session: SessionKey, task: &str) {
        if !self.dialect.status_notifications {
            return;
        }
        if let Some(task) = self.store.get(now, session, task) {
            let shown = task.to_value(&self.surroundings, self.dialect.poll_interval);
            self.send(session, Route::Unrelated, rpc::notification("notifications/tasks/status", Some(shown)));
        }
    }

    pub(super) fn finish(&mut self, now: Duration, key: u64) {
        let Some(work) = self.works.remove(&key) else { return };
        if let Some(token) = &work.witness {
            self.witnesses.finish(token);
        }
        let answers: Vec<Outcome> = work.answers.into_iter().flatten().collect();
        let mut outcome = (work.finish)(&answers);
        match work.caller {
            Caller::Plain { request } => {
                if let (Outcome::Result(result), Some(task)) = (&mut outcome, &work.related) {
                    rpc::relate(result, task);
                }
                self.answer(work.session, &request, &outcome);
            }
            Caller::Task { id, .. } => {
                let most = self.store.limits().result_bytes;
                let bytes = outcome.to_value().to_string().len();
                if bytes > most {
                    let reason = format!("the result has {bytes} bytes, and at most {most} are kept");
                    outcome = Outcome::error(rpc::INTERNAL_ERROR, &reason);
                }
                let (status, message) = verdict(&outcome);
                if self.store.advance(now, &id, status, message, Some(outcome)) {
                    self.queue.drop_task(&id);
                    self.tell_status(now, work.session, &id);
                    self.release(now, work.session, &id);
                }
            }
        }
    }

    /// Answers every `tasks/result` that waits for a task that has ended.
    pub(super) fn release(&mut self, now: Duration, session: SessionKey, task: &str) {
        let (released, waiting) =
            std::mem::take(&mut self.waiters).into_iter().partition(|w| w.session == session && w.task == task);
        self.waiters = waiting;
        let released: Vec<Waiter> = released;
        for waiter in released {
            let outcome = match self.store.get(now, session, task) {
                Some(task) => final_outcome(task),
                None => unknown_task(),
            };
            self.answer(session, &waiter.request, &outcome);
        }
    }

    /// Stops a work: what it asked is given up.
    pub(super) fn stop(&mut self, key: u64) {
        let Some(work) = self.works.get(&key) else { return };
        let (session, route) = (work.session, self.route_of(work));
        let task = match &work.caller {
            Caller::Task { id, .. } => Some(id.clone()),
            Caller::Plain { .. } => None,
        };
        let can_cancel = self.peers.get(&session).is_some_and(|peer| declared(&peer.capabilities, "tasks.cancel"));
        let undelivered = task.as_ref().map(|task| self.queue.undelivered(task)).unwrap_or_default();
        let belongs = |purpose| matches!(purpose, Purpose::Work(work, _) if work == key);
        self.requestor.give_up(belongs, can_cancel, &route, task.as_deref(), &undelivered, &mut self.out);
        let Some(work) = self.works.get_mut(&key) else { return };
        if let Some(task) = &task {
            self.queue.drop_task(task);
        }
        if work.stubborn {
            for answer in work.answers.iter_mut().filter(|answer| answer.is_none()) {
                *answer = Some(Outcome::error(rpc::INTERNAL_ERROR, "the question was given up"));
            }
        } else {
            self.works.remove(&key);
        }
    }

    pub(super) fn work_of_task(&self, task: &str) -> Option<u64> {
        let of_task = |work: &Work| matches!(&work.caller, Caller::Task { id, .. } if id == task);
        self.works.iter().find(|(_, work)| of_task(work)).map(|(key, _)| *key)
    }
}

/// How a task ends whose wrapped request ended like this, and what is said about it.
fn verdict(outcome: &Outcome) -> (Status, Option<String>) {
    match outcome {
        Outcome::Error(error) => {
            let said = error.get("message").and_then(Value::as_str).unwrap_or("The request failed.");
            (Status::Failed, Some(said.to_owned()))
        }
        Outcome::Result(result) if result.get("isError") == Some(&Value::Bool(true)) => {
            let text = result.pointer("/content/0/text").and_then(Value::as_str);
            (Status::Failed, Some(text.unwrap_or("The tool reported an error.").to_owned()))
        }
        Outcome::Result(_) => (Status::Completed, None),
    }
}
