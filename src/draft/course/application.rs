//! What the application above the client does, so that it is said again: the file's `drive`.

use super::Writer;
use crate::conversation::Said;
use crate::draft::message;
use crate::draft::part::Action;
use crate::draft::value::{literal, object, said as pattern_of};
use crate::scenario::pattern::Pattern;
use crate::spec::methods::asks_for_task;
use crate::trace::Body;
use crate::wire::Party;
use serde_json::Value;

impl Writer<'_> {
    /// A question as a task that failed, and whose result nobody fetched: the application had no answer to it.
    pub(super) fn failed(&mut self) {
        for task in self.conversation.tasks.iter().filter(|task| task.retrievals.is_empty()) {
            let last = task.sightings.iter().rev().find(|sighting| sighting.is_terminal());
            let Some(last) = last.filter(|sighting| sighting.status.as_deref() == Some("failed")) else { continue };
            let Some(label) = task.created_by().and_then(|i| self.labels.get(&i)) else { continue };
            let why = last.value(self.conversation).and_then(|task| task.get("statusMessage")).and_then(Value::as_str);
            let why = self.course.names.as_it_is(why.unwrap_or("there is no answer"));
            let error = object(vec![("code", literal(-32603)), ("message", why)]);
            let asked = self.course.drive.iter_mut().filter(|a| a.what == "when asked" && a.target == *label);
            for action in asked.filter(|action| action.with.is_none()) {
                action.with = Some(object(vec![("error", error.clone())]));
            }
        }
    }

    /// What the application says to a question that comes as a task stands in no answer to the question: it comes later.
    pub(super) fn answered_later(&mut self, request: &Said, said: &Said, result: Option<&Pattern>) {
        if !request.requests("tasks/result") {
            return;
        }
        let made = self.conversation.task_of(request).and_then(|task| task.created_by());
        let label = made.and_then(|i| self.labels.get(&i)).cloned();
        for action in
            self.course.drive.iter_mut().filter(|a| a.what == "when asked" && Some(&a.target) == label.as_ref())
        {
            action.with = if said.is_error() {
                Some(object(vec![("error", message::error(said, Some(Party::Client), &self.course.names))]))
            } else {
                result.cloned()
            };
        }
    }

    /// After which step an action begins, where the one before it is not over yet.
    pub(super) fn once(&self, index: usize) -> Option<String> {
        let open = !self.open.is_empty() || self.seen_through.keys().any(|fetch| *fetch > index);
        self.latest.clone().filter(|_| open)
    }

    pub(super) fn drive(&mut self, what: &'static str, target: String, sees: Option<String>, once: Option<String>) {
        self.course.drive.push(Action { what, target, sees, once, with: None });
    }

    /// The roots that a client tells next, after that message.
    pub(super) fn roots_after(&self, index: usize) -> Pattern {
        let told =
            self.conversation.said.iter().skip(index).find(|said| {
                said.session == self.session && said.from == Party::Client && said.result_of("roots/list")
            });
        let roots = told
            .and_then(|said| said.message.result().get("roots").cloned())
            .unwrap_or_else(|| Value::Array(Vec::new()));
        object(vec![("roots", pattern_of(&roots, Party::Client, &self.course.names))])
    }

    /// Was that said of the application, in a record that says what it did?
    pub(super) fn told(&self, words: &str) -> Option<bool> {
        let actions: Vec<&str> = self
            .trace
            .events
            .iter()
            .filter_map(|e| if let Body::Action { what, .. } = &e.body { Some(what.as_str()) } else { None })
            .collect();
        (!actions.is_empty()).then(|| actions.iter().any(|what| what.contains(words)))
    }

    /// Did the client's library ask for that by itself? Only a record that says what the application did can tell.
    pub(super) fn by_itself(&self, index: usize, said: &Said) -> bool {
        let method = said.method.as_deref().unwrap_or_default();
        said.from == Party::Client
            && self.trace.header.seat.tests(Party::Client)
            && message::page(method).is_some()
            && self.told(method) == Some(false)
            && self.conversation.get(index).is_some_and(|s| !s.answered_by.is_empty())
    }

    /// Did the client's application make that call through its library? Where the client was ours the record says so.
    pub(super) fn by_application(&self, said: &Said, words: &str) -> bool {
        let params = said.message.params();
        let Some(name) = params.get("name").and_then(Value::as_str) else { return false };
        params.get("arguments").is_none_or(Value::is_object)
            && said.breaks.is_empty()
            && self.told(&format!("{words}{name}")).unwrap_or(self.trace.header.seat.tests(Party::Client))
    }

    /// What has the application make a request, or answer one.
    pub(super) fn moved(&mut self, index: usize, said: &Said, method: &str, label: &str) {
        let answered = said.answered_by.first().and_then(|i| self.conversation.get(*i));
        if said.from == Party::Server {
            // what nobody answered the application did not answer
            if answered.is_some() && matches!(method, "elicitation/create" | "sampling/createMessage") {
                self.drive("when asked", label.to_owned(), None, None);
            }
            return;
        }
        if let Some(action) = self.seen_through.get(&index).and_then(|at| self.course.drive.get_mut(*at)) {
            action.sees = answered.is_some().then(|| label.to_owned());
            return;
        }
        if self.by_itself(index, said) {
            return;
        }
        let once = self.once(index);
        let own = (answered.is_some() && !self.is_cancelled(said)).then(|| label.to_owned());
        let as_task = asks_for_task(said.message.params());
        match method {
            "tools/call" if as_task => {
                let task = answered.and_then(|answer| self.conversation.task_of(answer));
                let fetch = task.and_then(|task| task.retrievals.first().copied());
                let name = said.message.params().get("name").and_then(Value::as_str).unwrap_or_default();
                let told = self.told(&format!("call tool {name} as a task")) == Some(true);
                match fetch {
                    None if told => self.drive("call tool as task", label.to_owned(), None, once),
                    Some(fetch) if self.by_application(said, "call tool ") => {
                        self.seen_through.insert(fetch, self.course.drive.len());
                        // what it sees is known when the fetch is written
                        self.drive("call tool as task", label.to_owned(), None, once);
                    }
                    _ => self.drive("request", label.to_owned(), None, once),
                }
            }
            "tools/call" if self.by_application(said, "call tool ") => {
                self.drive("call tool", label.to_owned(), own, once);
            }
            "tools/list" | "resources/list" | "resources/templates/list" | "prompts/list"
                if said.message.params().get("cursor").is_none() =>
            {
                let what = match method {
                    "tools/list" => "list tools",
                    "resources/list" => "list resources",
                    "prompts/list" => "list prompts",
                    _ => "list resource templates",
                };
                self.drive(what, label.to_owned(), None, once);
            }
            "tasks/cancel" if self.told("cancel action") == Some(true) => {
                let made = self.conversation.task_of(said).and_then(|task| task.created_by());
                match made.and_then(|i| self.labels.get(&i)).cloned() {
                    Some(call) => self.drive("cancel", call, None, self.latest.clone()),
                    None => self.drive("request", label.to_owned(), own, once),
                }
            }
            // the library may still ask how the task stands
            "tasks/cancel" => self.drive("request", label.to_owned(), own, self.latest.clone()),
            // the library asks for the states of a task by itself
            "tasks/get" if self.told(method) == Some(false) => {}
            _ => self.drive("request", label.to_owned(), own, once),
        }
    }
}
