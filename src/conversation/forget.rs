//! What is remembered of messages that are let go.

use super::past::{Past, Sort, scope};
use super::{Conversation, Said, Session};
use crate::trace::StreamId;
use crate::wire::{Id, Kind, Party};
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// One number for a party in a session: the same as long as the record goes on.
pub(super) fn in_session(session: &Session, said: &[Said], party: Party) -> u64 {
    let begun = session.initialize.and_then(|i| said.get(i)).map(|s| s.event);
    scope((&session.id, begun, party))
}

/// A value that is remembered: what it is, whose, and itself.
type Mark = (Sort, u64, Id);

fn text(value: &str) -> Id {
    Id::Text(value.to_owned())
}

impl Conversation {
    /// What a party said in a session, as one number for [`Past`].
    #[must_use]
    pub fn scope(&self, session: usize, party: Party) -> u64 {
        self.sessions.get(session).map_or_else(|| scope((session, party)), |s| in_session(s, &self.said, party))
    }

    /// The tasks of a receiver, as one number for [`Past`]: a server keeps its tasks over all sessions, and each session may be
    /// another client.
    #[must_use]
    pub fn tasks_of(&self, receiver: Party, session: usize) -> u64 {
        match receiver {
            Party::Server => scope(receiver),
            Party::Client => self.scope(session, receiver),
        }
    }

    /// May there have been a value of that sort, of that party in that session, in what is not held any more?
    #[must_use]
    pub fn may_have(&self, sort: Sort, session: usize, party: Party, value: &str) -> bool {
        self.past.may(sort, self.scope(session, party), &text(value))
    }

    /// May that party have had a task with that id which is not held any more?
    #[must_use]
    pub fn may_have_task(&self, receiver: Party, session: usize, id: &str) -> bool {
        self.past.may(Sort::Task, self.tasks_of(receiver, session), &text(id))
    }

    /// What is known of the past when these events, by number, are held no more.
    pub(crate) fn past_without(&self, gone: &HashSet<u32>) -> Past {
        let mut past = (*self.past).clone();
        let mut marks: Vec<(u32, Mark)> = Vec::new();
        for said in &self.said {
            marks.extend(self.marks(said).into_iter().map(|mark| (said.event, mark)));
        }
        for stream in self.streams.values() {
            let Some(session) = stream.round_trip.and_then(|t| self.round_trips.get(&t)).and_then(|t| t.session) else {
                continue;
            };
            let scope = self.scope(session, Party::Server);
            let ids = stream.items.iter().filter_map(|i| Some((i.event, i.event_id.as_deref()?)));
            marks.extend(ids.map(|(event, id)| (event, (Sort::Event, scope, text(id)))));
        }
        // what is still held and came earlier is not to be taken for a repetition of what is gone; its time will come
        let mut first: HashMap<&Mark, u32> = HashMap::new();
        for (event, mark) in marks.iter().filter(|(event, _)| !gone.contains(event)) {
            let earliest = first.entry(mark).or_insert(*event);
            *earliest = (*earliest).min(*event);
        }
        for (event, mark) in marks.iter().filter(|(event, _)| gone.contains(event)) {
            if first.get(mark).is_none_or(|held| held > event) {
                let (sort, scope, value) = mark;
                past.add(*sort, *scope, value, *event);
            }
        }
        for said in self.said.iter().filter(|s| s.augmented && s.answers.is_some() && gone.contains(&s.event)) {
            if let Some(id) = said.message.result().pointer("/task/taskId").and_then(Value::as_str) {
                let letters = id.chars().filter(|c| c.is_alphanumeric()).collect();
                past.give(self.tasks_of(said.from, said.session), letters);
            }
        }
        // of a stream that is gone nothing more can come
        let ended: HashSet<StreamId> = self
            .streams
            .iter()
            .filter(|(_, s)| gone.contains(&s.opened) && s.closed.is_some())
            .map(|(id, _)| *id)
            .collect();
        past.order = self.order.carry(&self.past.order, gone, &ended);
        past
    }

    /// What is remembered of a message.
    fn marks(&self, said: &Said) -> Vec<Mark> {
        let mut marks = Vec::new();
        let own = self.scope(said.session, said.from);
        let params = said.message.params();
        if let Kind::Request { id, .. } = said.message.kind() {
            marks.push((Sort::Request, own, id.clone()));
            if !said.answered_by.is_empty() {
                marks.push((Sort::Answered, own, id.clone()));
            }
            if let Some(token) = params.pointer("/_meta/progressToken") {
                marks.push((Sort::Token, own, Id::of(token)));
            }
        }
        if let Some(task) = self.task_of(said) {
            marks.push((Sort::Task, self.tasks_of(task.receiver, task.session), text(&task.id)));
        }
        let result = said.message.result();
        // a list shows many
        let listed = result.get("tasks").and_then(Value::as_array).filter(|_| said.result_of("tasks/list"));
        for id in listed.into_iter().flatten().filter_map(|t| t.get("taskId")).filter_map(Value::as_str) {
            marks.push((Sort::Task, self.tasks_of(said.from, said.session), text(id)));
        }
        if let Some(next) = result.get("nextCursor").and_then(Value::as_str) {
            marks.push((Sort::Cursor, own, text(next)));
        }
        if let Some(id) = result.pointer("/task/taskId").and_then(Value::as_str).filter(|_| said.answers.is_some()) {
            marks.push((Sort::Created, self.tasks_of(said.from, said.session), text(id)));
        }
        let asked = params.get("elicitationId").filter(|_| said.is_request());
        let named = said.message.error().pointer("/data/elicitations").and_then(Value::as_array);
        let named = named.into_iter().flatten().filter_map(|e| e.get("elicitationId"));
        for id in asked.into_iter().chain(named).filter_map(Value::as_str) {
            marks.push((Sort::Elicitation, own, text(id)));
        }
        marks
    }
}
