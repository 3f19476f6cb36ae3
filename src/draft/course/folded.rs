//! Messages that are one part together: polls of a task, and a list that is walked.

use super::Writer;
use crate::conversation::Said;
use crate::conversation::task::terminal;
use crate::draft::message;
use crate::draft::part::{Last, Part, Poll, Walk};
use crate::draft::value::{literal, object, said as pattern_of};
use crate::report::text::count;
use crate::wire::Party;
use serde_json::Value;

impl<'a> Writer<'a> {
    /// Polls of a task at the beginning of the rest: how many messages they are.
    pub(super) fn poll(&mut self, rest: &[(usize, &'a Said)]) -> Option<usize> {
        let (_, first) = rest.first()?;
        let task = first.task.filter(|_| first.requests("tasks/get"))?;
        let known = self.conversation.tasks.get(task)?;
        // who looks again after the end looks on purpose
        if known.created_by().is_none() || known.ended.is_some_and(|end| rest.first().is_some_and(|(i, _)| end < *i)) {
            return None;
        }
        // (how it was answered, when, and how many messages had come by then)
        let mut polls: Vec<(Last, u64)> = Vec::new();
        let mut events = Vec::new();
        for pair in rest.chunks_exact(2) {
            let [(index, request), (_, answer)] = pair else { break };
            let same = request.requests("tasks/get") && request.task == Some(task) && request.from == first.from;
            if !same || answer.answers != Some(*index) {
                break;
            }
            let state = answer.message.result().get("status").and_then(Value::as_str);
            let how = match (state, answer.error_code()) {
                (Some(state), _) if answer.is_result() => Last::State(state.to_owned()),
                (_, Some(code)) if answer.is_error() => Last::Error(code),
                _ => break,
            };
            polls.push((how, answer.at));
            events.extend([request.event, answer.event]);
        }
        // until it is forgotten, or else until its end
        let over = |how: &Last| matches!(how, Last::State(state) if terminal(state));
        let forgotten = polls.iter().position(|(how, _)| matches!(how, Last::Error(_)));
        let end = forgotten.filter(|at| *at > 0).or_else(|| polls.iter().position(|(how, _)| over(how)));
        polls.truncate(end.map_or(polls.len(), |at| at + 1));
        events.truncate(2 * polls.len());
        let (last, at) = polls.last()?.clone();
        if matches!((&last, polls.len()), (Last::Error(_), 1)) {
            return None;
        }
        let taken = events.len();
        let task = pattern_of(&Value::String(known.id.clone()), first.from, &self.course.names);
        if matches!(&last, Last::State(state) if state == "working") {
            // who gives a task up has to know that there is one: the last look shows it
            let given_up = rest.get(taken).is_some_and(|(_, s)| s.requests("tasks/cancel") && s.task == first.task);
            let left = polls.len() - usize::from(given_up);
            if left > 0 {
                self.note(format!("{} of the task, `working`: left to the {}", count(left, "poll"), first.from));
            }
            if given_up {
                for (index, said) in rest.iter().take(taken).skip(2 * left) {
                    self.act(*index, said);
                }
            }
            return Some(taken);
        }
        let mut before: Vec<String> = vec!["working".into()];
        for (how, _) in &polls {
            if let Last::State(state) = how
                && !matches!(&last, Last::State(last) if last == state)
                && !before.contains(state)
            {
                before.push(state.clone());
            }
        }
        let took = at.saturating_sub(first.at);
        let (requestor, proves) = (first.from, Vec::new());
        // what no message of the other party brought about has to be said again
        let alone = self.ours() == Some(requestor.other()) && known.cancels.is_empty();
        let says = known.sightings.iter().find(|s| alone && s.status.as_deref() == Some("cancelled"));
        let says = says.and_then(|sighting| sighting.value(self.conversation)).map(|task| {
            let said = |name| Some((name, literal(task.get(name)?.clone())));
            object(["status", "statusMessage"].into_iter().filter_map(said).collect())
        });
        self.push(Part::Poll(Poll { requestor, task, says, before, last, took, events, proves }));
        Some(taken)
    }

    /// A walk through a list at the beginning of the rest: how many messages it is.
    pub(super) fn walk(&mut self, rest: &[(usize, &'a Said)]) -> Option<usize> {
        let (_, first) = rest.first()?;
        let method = first.method.clone()?;
        let (list, _) = message::page(&method)?;
        if !first.is_request() || first.from != Party::Client || first.message.params().get("cursor").is_some() {
            return None;
        }
        let mut cursor: Option<String> = None;
        let mut events = Vec::new();
        let mut last = first.at;
        let mut over = false;
        for pair in rest.chunks_exact(2) {
            let [(index, request), (_, answer)] = pair else { break };
            let asked = request.message.params().get("cursor").and_then(Value::as_str).map(str::to_owned);
            if !request.requests(&method) || asked != cursor || answer.answers != Some(*index) || !answer.is_result() {
                break;
            }
            events.extend([request.event, answer.event]);
            last = answer.at;
            cursor = answer.message.result().get("nextCursor").and_then(Value::as_str).map(str::to_owned);
            over = cursor.is_none();
            if over {
                break;
            }
        }
        // one page is no walk, and a walk that was given up is none to its end
        if events.len() < 4 || !over {
            return None;
        }
        let name = self.course.names.new_name("next");
        let once = self.once(rest.first().map_or(0, |(index, _)| *index));
        self.drive("list everything", method.clone(), None, once);
        let (pages, took) = (events.len() / 2, last.saturating_sub(first.at));
        let taken = events.len();
        self.push(Part::Walk(Walk { method, list, cursor: name, pages, took, events, proves: Vec::new() }));
        Some(taken)
    }
}
