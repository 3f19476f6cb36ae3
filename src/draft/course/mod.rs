//! From a conversation to the parts of a draft: which message is a step, what is folded, what is left out and said so.

mod application;
mod folded;

use super::message::{self, Used};
use super::names::Names;
use super::part::{Act, Action, Part};
use super::secrets;
use super::wrong::Wrong;
use crate::conversation::{Conversation, Said};
use crate::judge::Judgement;
use crate::report::text::{count, short};
use crate::scenario::pattern::Pattern;
use crate::scenario::spelling;
use crate::spec::methods;
use crate::trace::{Body, Closing, Trace, Transport};
use crate::wire::{Kind, Party};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Messages that become steps at most.
const MOST: usize = 400;
/// A message whose step would be longer than this, in bytes, is asserted by its kind alone.
const LONGEST: usize = 4096;

/// All that a file says of one session.
#[derive(Debug, Default)]
pub(super) struct Course {
    pub(super) parts: Vec<Part>,
    pub(super) drive: Vec<Action>,
    pub(super) names: Names,
    pub(super) used: Used,
    /// The transport on which alone it shows something.
    pub(super) transport: Option<Transport>,
}

/// Makes the course of one session.
pub(super) fn course(trace: &Trace, conversation: &Conversation, judgement: &Judgement, session: usize) -> Course {
    let mut writer = Writer {
        trace,
        wrong: Wrong::of(conversation, judgement),
        conversation,
        session,
        course: Course::default(),
        labels: BTreeMap::new(),
        left_out: Vec::new(),
        latest: None,
        open: BTreeSet::new(),
        seen_through: BTreeMap::new(),
    };
    writer.course.used = used(conversation, session);
    for (secret, from) in secrets::of(conversation, session) {
        writer.course.names.hide(&secret, from);
    }
    writer.write();
    writer.course
}

/// What was successfully used of a server's lists, by name or URI.
fn used(conversation: &Conversation, session: usize) -> Used {
    let mut used = Used::new();
    for said in conversation.said.iter().filter(|s| s.session == session && s.from == Party::Client) {
        let key = match said.method.as_deref() {
            Some("tools/call" | "prompts/get") => "name",
            Some("resources/read" | "resources/subscribe") => "uri",
            _ => continue,
        };
        let served = said.answered_by.iter().filter_map(|i| conversation.get(*i)).any(Said::is_result);
        if let (true, Some(name)) = (served, said.message.params().get(key).and_then(Value::as_str)) {
            used.insert(name.to_owned());
        }
    }
    used
}

/// Who waited less than this did not wait on purpose, in milliseconds; and longer than the other a file need not take.
const MOMENT: u64 = 150;
const LONGEST_WAIT: u64 = 60_000;

struct Writer<'a> {
    trace: &'a Trace,
    conversation: &'a Conversation,
    wrong: Wrong,
    session: usize,
    course: Course,
    /// The labels of requests, by their index.
    labels: BTreeMap<usize, String>,
    /// What a server (or a client) need not send, counted until the next step.
    left_out: Vec<(String, usize)>,
    /// The label of the last step that has one.
    latest: Option<String>,
    /// Requests of the client that are not answered yet.
    open: BTreeSet<usize>,
    /// Fetches of results that a call as a task makes by itself, and which action that is.
    seen_through: BTreeMap<usize, usize>,
}

impl<'a> Writer<'a> {
    fn write(&mut self) {
        let all: Vec<(usize, &'a Said)> =
            self.conversation.iter().filter(|(i, s)| s.session == self.session && !self.greets(*i, s)).collect();
        let mut asides = self.asides();
        let mut at = 0;
        let mut written = 0;
        while let Some((index, said)) = all.get(at).copied() {
            while asides.front().is_some_and(|(event, _)| *event < said.event) {
                if let Some((_, words)) = asides.pop_front() {
                    self.note(words);
                }
            }
            if written >= MOST {
                let rest = count(all.len() - at, "more message");
                self.note(format!("{rest} of the session, from event {} on, are not written", said.event));
                break;
            }
            written += 1;
            if let Some(words) = self.chatter(said) {
                match self.left_out.iter_mut().find(|(known, _)| *known == words) {
                    Some((_, n)) => *n += 1,
                    None => self.left_out.push((words, 1)),
                }
                at += 1;
                continue;
            }
            let begun = self.conversation.sessions.get(self.session).and_then(|s| s.initialize);
            if begun.is_some_and(|begun| index < begun) {
                self.note(format!("not written: event {} came before the handshake", said.event));
                at += 1;
                continue;
            }
            if let Some(words) = inexpressible(said) {
                self.note(words);
                at += 1;
                continue;
            }
            // nothing that is left out comes between two polls
            let rest: Vec<(usize, &Said)> =
                all.iter().skip(at).copied().filter(|(_, s)| self.chatter(s).is_none()).take(2 * MOST).collect();
            if let Some(taken) = self.walk(&rest).or_else(|| self.poll(&rest)) {
                let last = rest.get(taken - 1).map_or(index, |(i, _)| *i);
                at = all.iter().position(|(i, _)| *i == last).map_or(all.len(), |p| p + 1);
                continue;
            }
            self.act(index, said);
            at += 1;
        }
        for (_, words) in asides {
            self.note(words);
        }
        self.failed();
        self.flush();
    }

    /// Is it a part of the handshake, which goes before the first step by itself?
    fn greets(&self, index: usize, said: &Said) -> bool {
        let Some(session) = self.conversation.sessions.get(self.session) else { return false };
        let own = [session.initialize, session.initialize_answer, session.initialized];
        own.contains(&Some(index)) || said.notifies("notifications/initialized")
    }

    fn ours(&self) -> Option<Party> {
        self.trace.header.seat.ours()
    }

    /// What the harness waited before it said that, where that is more than a moment, in milliseconds. Why anybody else
    /// waited is not known.
    fn waited(&self, said: &Said) -> Option<u64> {
        let before = self.conversation.said.iter().filter(|s| s.session == self.session && s.event < said.event);
        let waited = said.at.saturating_sub(before.last()?.at) / 1000;
        (self.ours() == Some(said.from) && (MOMENT..LONGEST_WAIT).contains(&waited)).then_some(waited)
    }

    fn flush(&mut self) {
        for (words, n) in std::mem::take(&mut self.left_out) {
            let times = if n == 1 { String::new() } else { format!("{n} × ") };
            self.course.parts.push(Part::Note(format!("left out: {times}{words}")));
        }
    }

    fn note(&mut self, words: String) {
        self.flush();
        self.course.parts.push(Part::Note(words));
    }

    fn push(&mut self, part: Part) {
        self.flush();
        self.course.parts.push(part);
    }

    /// What another server (or client) need not send in the same place, in words.
    fn chatter(&self, said: &Said) -> Option<String> {
        let method = said.method.as_deref()?;
        match (method, said.message.kind(), said.from) {
            ("ping", Kind::Request { .. }, Party::Server) => Some("ping of the server".into()),
            ("ping", Kind::Result { .. }, Party::Client) => Some("the client's answer to a ping".into()),
            ("notifications/message" | "notifications/progress" | "notifications/tasks/status", _, from)
                if said.notifies(method) =>
            {
                Some(format!("{method} of the {from}, which it need not send"))
            }
            _ => None,
        }
    }

    /// What is not a message and still happened: on HTTP, and by the end of things.
    fn asides(&self) -> VecDeque<(u32, String)> {
        let mut asides = VecDeque::new();
        let of_trip = |n: &u32| self.conversation.round_trips.get(n).and_then(|trip| trip.session);
        let of_stream =
            |stream| self.conversation.streams.get(stream).and_then(|s| s.round_trip.as_ref()).and_then(of_trip);
        for event in &self.trace.events {
            let session = match &event.body {
                Body::HttpResponse { round_trip, .. } | Body::HttpRequest { round_trip, .. } => of_trip(round_trip),
                Body::StreamClosed { stream, .. } => of_stream(stream),
                _ => None,
            };
            if session.is_some_and(|session| session != self.session) {
                continue;
            }
            let words = match &event.body {
                Body::HttpResponse { round_trip, status, .. } if *status >= 400 => {
                    let verb = self.conversation.round_trips.get(round_trip).map_or("", |trip| trip.method.as_str());
                    // a server need not offer a stream to listen on
                    if verb == "GET" && *status == 405 {
                        continue;
                    }
                    format!("the {} of event {} was refused with {status}", short(verb, 10), event.seq)
                }
                Body::StreamClosed { how: Closing::Cut(why) | Closing::Bound(why), .. } => {
                    format!("a connection broke off (event {}): {}", event.seq, short(why, 60))
                }
                Body::HttpRequest { method, headers, .. }
                    if method == "GET" && headers.iter().any(|(n, _)| n.eq_ignore_ascii_case("last-event-id")) =>
                {
                    format!("the client came back for the rest of a stream (event {})", event.seq)
                }
                Body::HttpRequest { method, .. } if method == "DELETE" => {
                    format!("the client ended the session (event {})", event.seq)
                }
                Body::End { .. } => break,
                _ => continue,
            };
            asides.push_back((event.seq, format!("not written: {words}")));
        }
        asides
    }

    /// A message as a step.
    fn act(&mut self, index: usize, said: &'a Said) {
        let method = said.method.clone().unwrap_or_default();
        match said.message.kind() {
            Kind::Request { .. } => {
                let ours = self.ours();
                let payload =
                    self.bounded("params", said, |w| message::params(said, &method, None, ours, &mut w.course.names));
                let label = self.course.names.new_name(label_of(&method));
                self.labels.insert(index, label.clone());
                self.moved(index, said, &method, &label);
                let act = Act {
                    party: said.from,
                    verb: "requests",
                    target: method,
                    label: Some(label.clone()),
                    payload,
                    not_before: self.waited(said),
                    breaks: said.breaks.clone(),
                    event: said.event,
                    proves: Vec::new(),
                };
                self.latest = Some(label);
                let by_itself = self.by_itself(index, said);
                self.push(if by_itself { Part::May(vec![act]) } else { Part::Act(act) });
                if said.from == Party::Client && !by_itself {
                    self.open.insert(index);
                }
                if said.answered_by.is_empty() {
                    self.note(format!("event {} was never answered", said.event));
                }
            }
            Kind::Notification { .. } => {
                let cancelled = said.message.params().get("requestId");
                let request = cancelled.and_then(|id| self.labelled(said, id));
                if method == "notifications/cancelled" && request.is_none() {
                    return self.note(format!("not written: event {} cancels no request that is known", said.event));
                }
                let label = request.clone();
                let payload = self.bounded("params", said, |w| {
                    message::params(said, &method, label.as_deref(), w.ours(), &mut w.course.names)
                });
                if let (Party::Client, Some(request)) = (said.from, request) {
                    self.drive("cancel", request, None, self.latest.clone());
                }
                let changed = said.from == Party::Client && method == "notifications/roots/list_changed";
                let label = changed.then(|| self.course.names.new_name("changed"));
                if let Some(label) = &label {
                    let (once, with) = (self.once(index), Some(self.roots_after(index)));
                    self.course.drive.push(Action {
                        what: "change roots",
                        target: label.clone(),
                        sees: None,
                        once,
                        with,
                    });
                    self.latest = Some(label.clone());
                }
                self.push(Part::Act(Act {
                    party: said.from,
                    verb: "notifies",
                    target: method,
                    label,
                    payload,
                    not_before: self.waited(said),
                    breaks: said.breaks.clone(),
                    event: said.event,
                    proves: Vec::new(),
                }));
            }
            Kind::Result { .. } | Kind::Error { .. } => self.answer(said, &method),
            _ => {}
        }
    }

    fn answer(&mut self, said: &'a Said, method: &str) {
        let request = said.answers.and_then(|i| self.conversation.get(i));
        let label = said.answers.and_then(|i| self.labels.get(&i).cloned());
        let (Some(request), Some(label), Some(index)) = (request, label, said.answers) else {
            return self.note(format!("not written: event {} answers no request that was written", said.event));
        };
        let first = request.answered_by.first().and_then(|i| self.conversation.get(*i));
        if first.is_some_and(|first| first.event != said.event) {
            return self.note(format!("not written: event {} answers `{label}` again", said.event));
        }
        if request.from == Party::Client && self.is_cancelled(request) {
            return self.note(format!("not written: event {} answers `{label}`, which was cancelled", said.event));
        }
        self.open.remove(&index);
        // of `tasks/result` the result is that of the request that made the task
        let made = self.conversation.task_of(request).and_then(|task| task.created_by());
        let made = made.and_then(|i| self.conversation.get(i)).and_then(|s| s.method.clone());
        let of = if method == "tasks/result" { made.unwrap_or_default() } else { method.to_owned() };
        let payload = if said.is_error() {
            self.bounded("error", said, |w| Some(message::error(said, w.ours(), &w.course.names)))
        } else {
            self.bounded("result", said, |w| Some(message::result(said, &of, &w.course.used, &mut w.course.names)))
        };
        if said.from == Party::Client {
            self.answered_later(request, said, payload.as_ref().map(|(_, result)| result));
        }
        let act = Act {
            party: said.from,
            verb: "answers",
            target: label.clone(),
            label: None,
            payload,
            not_before: self.waited(said),
            breaks: said.breaks.clone(),
            event: said.event,
            proves: Vec::new(),
        };
        // what the library asked by itself and its answer are one
        if let Some(Part::May(acts)) = self.course.parts.iter_mut().rev().find(
            |part| matches!(part, Part::May(acts) if acts.iter().any(|a| a.label.as_deref() == Some(label.as_str()))),
        ) {
            acts.push(act);
            return;
        }
        self.push(Part::Act(act));
    }

    /// The payload of a message without what is wrong with it, if it is not too long to be written.
    fn bounded(
        &mut self,
        member: &'static str,
        said: &Said,
        make: impl FnOnce(&mut Self) -> Option<Pattern>,
    ) -> Option<(&'static str, Pattern)> {
        if said.message.raw().len() > 16 * LONGEST {
            self.note(format!("the {member} of event {} are too long to be written", said.event));
            return None;
        }
        let mut pattern = make(self)?;
        let open = self.wrong.leave_open(said, member, &mut pattern);
        for (pointer, why) in open {
            self.note(format!("event {}: {pointer} is not written, for it was found wrong: {why}", said.event));
        }
        if spelling::pattern(&pattern).len() > LONGEST {
            self.note(format!("the {member} of event {} are too long to be written", said.event));
            return None;
        }
        Some((member, pattern))
    }

    /// The label of the request with that id of the same party.
    fn labelled(&self, said: &Said, id: &Value) -> Option<String> {
        let same = |(index, _): &(&usize, &String)| {
            self.conversation
                .get(**index)
                .is_some_and(|request| request.from == said.from && request.message.value().get("id") == Some(id))
        };
        self.labels.iter().rev().find(same).map(|(_, label)| label.clone())
    }

    /// Did the client cancel that request?
    fn is_cancelled(&self, request: &Said) -> bool {
        let id = request.message.value().get("id");
        self.conversation.said.iter().any(|s| {
            s.session == self.session
                && s.from == request.from
                && s.notifies("notifications/cancelled")
                && s.message.params().get("requestId") == id
        })
    }
}

/// Why a message cannot be a step, in words.
fn inexpressible(said: &Said) -> Option<String> {
    let event = said.event;
    if said.redelivers.is_some() {
        return Some(format!("not written: event {event} came before and was sent again"));
    }
    Some(match said.message.kind() {
        Kind::Batch => format!("event {event} is a batch: its messages are written one by one"),
        Kind::Malformed(why) => {
            format!("not written: event {event} of the {} is no message: {}", said.from, short(why, 60))
        }
        Kind::Unreadable(why) => {
            let why = short(&why.to_string(), 60);
            let cut = if said.cut { "only its beginning was recorded: " } else { "" };
            format!("not written: event {event} of the {} cannot be read: {cut}{why}", said.from)
        }
        Kind::Request { method, .. } if method == "initialize" => {
            format!("not written: event {event} is a second `initialize`")
        }
        Kind::Result { .. } | Kind::Error { .. } if said.method.as_deref() == Some("initialize") => {
            format!("not written: event {event} answers a second `initialize`")
        }
        Kind::Request { method, .. } | Kind::Notification { method } if !method.starts_with("unknown/") => {
            let named = short(method, 40);
            let why = match methods::find(said.revision, method) {
                None => format!("{} has no method `{named}`", said.revision),
                Some(m) if m.is_request() != said.is_request() => {
                    format!("`{named}` is {}", if m.is_request() { "a request" } else { "a notification" })
                }
                Some(m) if !m.from.has(said.from) => format!("a {} does not send `{named}`", said.from),
                Some(_) => return None,
            };
            format!("not written: event {event}: {why}")
        }
        _ => return None,
    })
}

/// What a request of that method is called.
fn label_of(method: &str) -> &'static str {
    match method {
        "tools/call" => "call",
        "tasks/result" => "outcome",
        "tasks/get" => "look",
        "tasks/cancel" => "cancel",
        "elicitation/create" => "question",
        "sampling/createMessage" => "sample",
        "roots/list" => "roots",
        "resources/read" => "read",
        "resources/subscribe" => "subscribe",
        "resources/unsubscribe" => "unsubscribe",
        "prompts/get" => "prompt",
        "completion/complete" => "complete",
        "logging/setLevel" => "level",
        "ping" => "ping",
        _ if method.ends_with("/list") => "list",
        _ => "request",
    }
}
