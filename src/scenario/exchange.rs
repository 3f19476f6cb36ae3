//! The exchange automaton: told what happened, it knows where in the course the two parties are.
//!
//! It is the same automaton in every seat. A step is found by who, kind, method and correlation; everything else in it is
//! asserted. Where it stands is a flat table of node states; [`Exchange::frontier`] says which acts can come next.

use super::binding::{Bindings, Mismatch};
use super::model::{Act, Payload, Verb};
use super::pattern::{Path, Pattern, Shape};
use super::plan::{Kind as NodeKind, NodeId, Plan};
use super::walk::{Deviation, Ending, Shown, Unreached, Walk};
use crate::spec::methods;
use crate::spec::{Era, Revision};
use crate::trace::Transport;
use crate::trace::event::{Body, Closing, EndReason, Event, StreamId};
use crate::wire::json::Limits;
use crate::wire::message::Kind;
use crate::wire::{Id, Message, Party};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// How long things may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// How long the other party may take for a step that says nothing else.
    pub step: Duration,
    /// How long is waited on a stream for something that must not come and that no fence can rule out.
    pub settle: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Patience { step: Duration::from_secs(5), settle: Duration::from_millis(500) }
    }
}

/// A pause between two polls that nothing prescribes (a file alone polls, and the peer names no pace).
pub(super) const UNPACED: Duration = Duration::from_millis(50);

/// Where an act was found.
#[derive(Debug, Clone)]
pub(super) struct Taken {
    pub(super) event: u32,
    pub(super) at: Duration,
    pub(super) id: Option<Id>,
    /// The bytes, where the step sends bytes.
    pub(super) raw: Option<Bytes>,
    pub(super) stream: Option<StreamId>,
    pub(super) trip: Option<u32>,
}

/// The state of a node.
#[derive(Debug, Clone, Default)]
pub(super) struct NodeState {
    /// Nothing more comes of it.
    pub(super) done: bool,
    /// Some act in it has happened (in a loop: in this turn).
    pub(super) started: bool,
    /// The branch that was taken.
    pub(super) chosen: Option<NodeId>,
    /// Turns that are complete.
    pub(super) turns: u32,
    /// When it became possible.
    pub(super) since: Option<Duration>,
    /// When its last turn, or its body, was complete.
    pub(super) rested: Option<Duration>,
    /// The pace that the last turn's last message asks for.
    pub(super) pace: Option<Duration>,
    /// Something forbidden was seen in it.
    pub(super) violated: bool,
}

#[derive(Debug, Clone)]
struct StreamState {
    trip: Option<u32>,
    closed: bool,
}

#[derive(Debug, Clone, Default)]
struct TripState {
    status: Option<u16>,
    request_headers: Vec<(String, String)>,
    response_body: Option<Value>,
    last_id: Option<String>,
    retry: Option<u64>,
}

/// Something that an act can be.
#[derive(Debug, Clone)]
struct Occurrence {
    event: u32,
    at: Duration,
    from: Party,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Said { message: Box<Message>, stream: StreamId, trip: Option<u32>, request: Option<u32> },
    Asked { trip: u32, method: String, resuming: bool },
    Responded { trip: u32, status: u16, with_content: bool },
    Closed { stream: StreamId, trip: Option<u32> },
}

/// One play (or one reading) of one scenario.
#[derive(Debug, Clone)]
pub struct Exchange {
    pub(super) plan: Arc<Plan>,
    pub(super) env: Bindings,
    pub(super) states: Vec<NodeState>,
    pub(super) taken: Vec<Option<Taken>>,
    pub(super) ours: Option<Party>,
    pub(super) revision: Revision,
    pub(super) patience: Patience,
    pub(super) now: Duration,
    pub(super) progress_at: Duration,
    pub(super) ready: bool,
    pub(super) scripted: u32,
    choices: Vec<u8>,
    kept: Vec<Occurrence>,
    streams: HashMap<StreamId, StreamState>,
    trips: HashMap<u32, TripState>,
    requests: HashMap<(Party, Id), u32>,
    last_event: Option<(u32, Party, String)>,
    walk: Walk,
}

impl Exchange {
    /// Begins at the beginning. `fresh` are the values of this run (see [`super::binding::freshen`]); `choices` says which
    /// branch is taken at each choice of `ours`, in the order of the file.
    #[must_use]
    pub fn new(
        plan: Arc<Plan>,
        fresh: &Map<String, Value>,
        ours: Option<Party>,
        choices: &[u8],
        revision: Revision,
        patience: Patience,
    ) -> Exchange {
        let env = Bindings::new(&plan.scenario, fresh);
        let count = plan.nodes.len();
        let mut exchange = Exchange {
            env,
            states: vec![NodeState::default(); count],
            taken: vec![None; count],
            ours,
            revision,
            patience,
            now: Duration::ZERO,
            progress_at: Duration::ZERO,
            ready: revision.era() == Era::Modern,
            scripted: 0,
            choices: choices.to_vec(),
            kept: Vec::new(),
            streams: HashMap::new(),
            trips: HashMap::new(),
            requests: HashMap::new(),
            last_event: None,
            walk: Walk::default(),
            plan,
        };
        exchange.decide();
        exchange.settle();
        exchange
    }

    /// The names and what they are bound to.
    #[must_use]
    pub fn bindings(&self) -> &Bindings {
        &self.env
    }

    /// What has been found so far.
    #[must_use]
    pub fn walk(&self) -> &Walk {
        &self.walk
    }

    /// Has the course come to its end (or can nothing more come of it)?
    #[must_use]
    pub fn finished(&self) -> bool {
        if matches!(self.walk.ending, Ending::NotExercised { .. }) {
            return true;
        }
        let mut acts = Vec::new();
        self.frontier_of(self.plan.root, &mut acts)
            && (acts.is_empty() || self.states[self.plan.root].done || self.ready)
    }

    /// When a deadline of what is owed passes; `None` when nothing is owed.
    #[must_use]
    pub fn due_at(&self) -> Option<Duration> {
        let acts = self.frontier();
        if acts.is_empty() && !self.closing() {
            return None;
        }
        let mut least: Option<Duration> = None;
        for act in &acts {
            let mut id = Some(*act);
            while let Some(node) = id {
                if let (Some(within), Some(since)) = (&self.plan.nodes[node].within, self.states[node].since)
                    && let Some(wait) = self.env.wait(within)
                {
                    least = Some(least.map_or(since + wait, |l: Duration| l.min(since + wait)));
                }
                id = self.plan.nodes[node].parent;
            }
        }
        Some(least.unwrap_or(self.progress_at + self.patience.step))
    }

    /// When something happens by time alone: a window that settles.
    #[must_use]
    pub fn settles_at(&self) -> Option<Duration> {
        (0..self.states.len())
            .filter(|id| self.is_closing(*id))
            .filter_map(|id| self.states[id].rested.map(|at| at + self.patience.settle))
            .min()
    }

    /// Tells it the time.
    pub fn tick(&mut self, now: Duration) {
        self.now = self.now.max(now);
        let ripe: Vec<NodeId> = (0..self.states.len())
            .filter(|id| self.is_closing(*id))
            .filter(|id| self.states[*id].rested.is_some_and(|at| at + self.patience.settle <= self.now))
            .collect();
        for id in ripe {
            self.close_window(id, true);
        }
        self.settle();
    }

    /// Tells it what happened. Events come in the order of the record, ours included.
    pub fn observe(&mut self, event: &Event) {
        let at = Duration::from_micros(event.at);
        self.tick(at);
        let said = |from, what| Some(Occurrence { event: event.seq, at, from, what });
        let occurrence = match &event.body {
            Body::StreamOpened { stream, round_trip, .. } => {
                self.streams.insert(*stream, StreamState { trip: *round_trip, closed: false });
                None
            }
            Body::StreamClosed { stream, by, how } => {
                let trip = self.streams.get_mut(stream).and_then(|s| {
                    s.closed = true;
                    s.trip
                });
                let from = by.unwrap_or(if *how == Closing::Clean { Party::Server } else { Party::Client });
                said(from, What::Closed { stream: *stream, trip })
            }
            Body::HttpRequest { round_trip, method, headers, .. } => {
                let trip = self.trips.entry(*round_trip).or_default();
                trip.request_headers.clone_from(headers);
                let resuming = headers.iter().any(|(n, _)| n.eq_ignore_ascii_case("last-event-id"));
                said(Party::Client, What::Asked { trip: *round_trip, method: method.clone(), resuming })
            }
            Body::HttpResponse { round_trip, status, headers, body } => {
                let trip = self.trips.entry(*round_trip).or_default();
                trip.status = Some(*status);
                trip.response_body = body.as_ref().map(|b| String::from_utf8_lossy(&b.bytes()).into_owned().into());
                let with_content = headers.iter().any(|(n, v)| {
                    n.eq_ignore_ascii_case("content-type") && (v.contains("json") || v.contains("event-stream"))
                });
                said(Party::Server, What::Responded { trip: *round_trip, status: *status, with_content })
            }
            Body::Signal { stream, event_id, retry, .. } => {
                self.note_stream(*stream, event_id.as_deref(), *retry);
                None
            }
            Body::Message { stream, from, text, event_id, .. } => {
                self.note_stream(*stream, event_id.as_deref(), None);
                let message = Message::read(Bytes::from(text.bytes()), &Limits::default());
                self.last_event = Some((event.seq, *from, in_words(&message)));
                if let Kind::Request { id, .. } = message.kind() {
                    self.requests.insert((*from, id.clone()), event.seq);
                }
                if message.method() == Some("notifications/initialized") && *from == Party::Client {
                    self.ready = true;
                    self.progress_at = at;
                }
                let request = match message.is_answer() {
                    true => message.id().and_then(|id| self.requests.get(&(from.other(), id.clone())).copied()),
                    false => None,
                };
                let trip = self.streams.get(stream).and_then(|s| s.trip);
                said(*from, What::Said { message: Box::new(message), stream: *stream, trip, request })
            }
            Body::End { reason } => {
                self.finish(reason, at);
                None
            }
            _ => None,
        };
        if let Some(occurrence) = occurrence {
            self.happen(occurrence);
        }
        self.settle();
    }

    fn note_stream(&mut self, stream: StreamId, event_id: Option<&str>, retry: Option<u64>) {
        let Some(trip) = self.streams.get(&stream).and_then(|s| s.trip) else { return };
        let trip = self.trips.entry(trip).or_default();
        if let Some(id) = event_id {
            trip.last_id = Some(id.to_owned());
        }
        trip.retry = retry.or(trip.retry);
    }

    fn happen(&mut self, occurrence: Occurrence) {
        if !matches!(self.walk.ending, Ending::Open) {
            return;
        }
        self.watch_windows(&occurrence);
        if let Some(act) = self.frontier().into_iter().find(|act| self.fits(*act, &occurrence)) {
            self.take(act, &occurrence, false);
            self.settle();
            return;
        }
        let ahead = self.ahead();
        let later = ahead.into_iter().find(|act| self.fits(*act, &occurrence) || self.answers_kept(*act, &occurrence));
        // a closed stream or a response head says nothing before its step is due
        if let (Some(act), What::Said { .. }) = (later, &occurrence.what) {
            self.walk.early.push((self.plan.nodes[act].name.clone(), occurrence.event));
            self.kept.push(occurrence);
        }
    }

    /// The acts that can come next, in the order of the file.
    #[must_use]
    pub(super) fn frontier(&self) -> Vec<NodeId> {
        let mut acts = Vec::new();
        if matches!(self.walk.ending, Ending::Open) {
            self.frontier_of(self.plan.root, &mut acts);
        }
        acts
    }

    /// Collects the acts that can come next; returns whether what follows the node can come next too.
    fn frontier_of(&self, id: NodeId, acts: &mut Vec<NodeId>) -> bool {
        let state = &self.states[id];
        if state.done {
            return true;
        }
        match &self.plan.nodes[id].kind {
            NodeKind::Act(..) => {
                acts.push(id);
                false
            }
            NodeKind::Seq(children) => children.iter().all(|child| self.frontier_of(*child, acts)),
            NodeKind::May(_, body) => {
                let passable = self.frontier_of(*body, acts);
                passable || (!state.started && state.chosen.is_none())
            }
            NodeKind::Choose(_, branches) => match state.chosen {
                Some(branch) => self.frontier_of(branch, acts),
                None => {
                    let passable: Vec<bool> = branches.iter().map(|b| self.frontier_of(*b, acts)).collect();
                    passable.contains(&true)
                }
            },
            NodeKind::Loop(l, body) => {
                let passable = self.frontier_of(*body, acts);
                if state.started {
                    return passable && self.enough_turns(id);
                }
                let ours = self.ours.is_some() && self.plan.initiator(*body) == self.ours;
                let must_end = ours && (l.ends_with.is_some() || l.while_.is_some());
                !must_end && self.enough_turns(id)
            }
            NodeKind::Par(children) => {
                let passable: Vec<bool> = children.iter().map(|c| self.frontier_of(*c, acts)).collect();
                !passable.contains(&false)
            }
            NodeKind::During(body, _) => {
                self.frontier_of(*body, acts);
                false
            }
            NodeKind::Needs(..) => false,
        }
    }

    fn enough_turns(&self, id: NodeId) -> bool {
        match &self.plan.nodes[id].kind {
            NodeKind::Loop(l, _) => self.states[id].turns >= l.at_least || self.plan.nodes[id].otherwise.is_some(),
            _ => true,
        }
    }

    /// The acts that are not done and cannot come next, in the order of the file.
    pub(super) fn ahead(&self) -> Vec<NodeId> {
        let now = self.frontier();
        (0..self.plan.nodes.len())
            .filter(|id| matches!(self.plan.nodes[*id].kind, NodeKind::Act(..)))
            .filter(|id| !now.contains(id) && !self.states[*id].done && self.is_ahead(*id))
            .collect()
    }

    /// Can the node still come: no ancestor is done, and it is in no branch that was not taken and in no `never`?
    fn is_ahead(&self, id: NodeId) -> bool {
        let mut child = id;
        while let Some(parent) = self.plan.nodes[child].parent {
            if self.states[parent].done {
                return false;
            }
            if let NodeKind::During(_, never) = &self.plan.nodes[parent].kind
                && never.contains(&child)
            {
                return false;
            }
            if self.states[parent].chosen.is_some_and(|chosen| chosen != child) {
                return false;
            }
            child = parent;
        }
        true
    }

    pub(super) fn act(&self, id: NodeId) -> Option<(&Act, Option<NodeId>)> {
        match &self.plan.nodes[id].kind {
            NodeKind::Act(act, target) => Some((act, *target)),
            _ => None,
        }
    }

    /// Who, kind, method and correlation.
    fn fits(&self, id: NodeId, occurrence: &Occurrence) -> bool {
        let Some((act, target)) = self.act(id) else { return false };
        if act.party != occurrence.from {
            return false;
        }
        let target = target.and_then(|t| self.taken[t].as_ref());
        let http = self.plan.transport == Transport::Http;
        match (&act.verb, &occurrence.what) {
            (Verb::Sends { bytes }, What::Said { message, .. }) => {
                self.env.clone().bytes(bytes).is_ok_and(|b| b == message.raw().as_ref())
            }
            (_, What::Said { message, request, .. }) => self.fits_message(act, target, message, *request),
            (Verb::Accepts { .. }, What::Responded { trip, status, with_content }) => {
                target.is_some_and(|t| t.trip == Some(*trip)) && (200..300).contains(status) && !with_content
            }
            (Verb::Refuses { .. }, What::Responded { trip, status, .. }) => {
                target.is_some_and(|t| t.trip == Some(*trip)) && *status >= 400
            }
            (Verb::Closes { .. } | Verb::Drops { .. }, What::Closed { trip, stream }) => {
                target.is_some_and(|t| t.trip.is_some() && t.trip == *trip && t.stream != Some(*stream))
            }
            (Verb::Cancels { .. }, What::Closed { trip, stream }) => {
                http && target.is_some_and(|t| t.trip.is_some() && t.trip == *trip && t.stream != Some(*stream))
            }
            (Verb::Resumes { .. }, What::Asked { method, resuming, .. }) => {
                method == "GET" && *resuming && target.is_some()
            }
            (Verb::Opens { .. }, What::Asked { method, resuming, .. }) => method == "GET" && !resuming,
            (Verb::Deletes { .. }, What::Asked { method, .. }) => method == "DELETE",
            _ => false,
        }
    }

    /// Is a message the one that an act names? `request` is the event of the request that it answers.
    pub(super) fn fits_message(
        &self,
        act: &Act,
        target: Option<&Taken>,
        message: &Message,
        request: Option<u32>,
    ) -> bool {
        match (&act.verb, message.kind()) {
            (Verb::Requests { method }, Kind::Request { method: came, .. })
            | (Verb::Notifies { method }, Kind::Notification { method: came }) => {
                method == came && self.correlates(method, &act.payload, message)
            }
            (Verb::Answers { .. }, Kind::Result { .. } | Kind::Error { .. }) => match (target, request) {
                (Some(target), Some(request)) => target.event == request,
                (Some(target), None) => match (&target.raw, message.id()) {
                    // an answer without an id belongs to the last bytes that had none
                    (Some(_), None) => true,
                    // bytes that are no readable request can name an id all the same
                    (Some(raw), Some(id)) => String::from_utf8_lossy(raw).contains(&id.to_string()),
                    (None, _) => false,
                },
                (None, _) => false,
            },
            (Verb::Cancels { .. }, Kind::Notification { method }) => {
                method == "notifications/cancelled"
                    && self.plan.transport == Transport::Stdio
                    && target
                        .and_then(|t| t.id.as_ref())
                        .is_some_and(|id| message.params().get("requestId").map(Id::of).as_ref() == Some(id))
            }
            _ => false,
        }
    }

    /// Does an occurrence answer a request that came before its time and is kept, and is the act the answer to that one?
    fn answers_kept(&self, id: NodeId, occurrence: &Occurrence) -> bool {
        let What::Said { request: Some(request), .. } = &occurrence.what else { return false };
        self.answers_kept_request(id, occurrence.from, *request)
    }

    /// The same for a message that is not said yet.
    pub(super) fn answers_kept_request(&self, id: NodeId, from: Party, request: u32) -> bool {
        let Some((act, Some(target))) = self.act(id) else { return false };
        act.party == from
            && matches!(act.verb, Verb::Answers { .. })
            && self.kept.iter().any(|kept| kept.event == request && self.fits(target, kept))
    }

    fn correlates(&self, method: &str, payload: &Payload, message: &Message) -> bool {
        let Some(pointer) = methods::find(self.revision, method).and_then(|m| m.correlation) else { return true };
        let Some(params) = &payload.params else { return true };
        let Some(path) = pointer.strip_prefix("/params/") else { return true };
        let members: Vec<&str> = path.split('/').collect();
        match self.inner(params, &members) {
            Some(pattern) => self.env.fits(&pattern, message.value().pointer(pointer)),
            None => true,
        }
    }

    /// The pattern at a place inside an object pattern, through names and overlays.
    fn inner(&self, pattern: &Pattern, members: &[&str]) -> Option<Pattern> {
        let Some((first, rest)) = members.split_first() else { return Some(pattern.clone()) };
        match &pattern.shape {
            Shape::Object(all) => {
                let member =
                    all.iter().find(|m| matches!(&m.name.shape, Shape::Literal(Value::String(s)) if s == first))?;
                self.inner(&member.value, rest)
            }
            Shape::Overlay(all) => all.iter().rev().find_map(|p| self.inner(p, members)),
            Shape::Name(path) => {
                let value = self.env.value(path)?;
                let mut at = &value;
                for member in members {
                    at = at.get(member)?;
                }
                Some(Pattern { shape: Shape::Literal(at.clone()), span: pattern.span })
            }
            _ => None,
        }
    }

    fn take(&mut self, id: NodeId, occurrence: &Occurrence, early: bool) {
        let plan = Arc::clone(&self.plan);
        let node = &plan.nodes[id];
        let NodeKind::Act(act, target) = &node.kind else { return };
        self.commit(id);
        let mismatches = self.assert(act, *target, occurrence);
        let mut taken =
            Taken { event: occurrence.event, at: occurrence.at, id: None, raw: None, stream: None, trip: None };
        match &occurrence.what {
            What::Said { message, stream, trip, .. } => {
                taken.id = message.id().cloned();
                taken.raw = matches!(act.verb, Verb::Sends { .. }).then(|| message.raw().clone());
                taken.stream = Some(*stream);
                taken.trip = *trip;
            }
            What::Asked { trip, .. } | What::Responded { trip, .. } => taken.trip = Some(*trip),
            What::Closed { stream, trip } => {
                taken.stream = Some(*stream);
                taken.trip = *trip;
            }
        }
        if let Some(label) = &act.label {
            let id = taken.id.as_ref().map_or(Value::Null, Id::to_value);
            self.env.bind(label, json!({ "id": id }));
        }
        self.taken[id] = Some(taken);
        self.walk.matched.push((node.name.clone(), occurrence.event));
        let foreign = self.ours != Some(act.party);
        if foreign {
            for m in &mismatches {
                self.walk.deviations.push(Deviation {
                    step: node.name.clone(),
                    event: occurrence.event,
                    party: act.party,
                    pointer: m.pointer.clone(),
                    expected: m.expected.clone(),
                    found: m.found.clone(),
                    span: m.span,
                    proves: node.proves.iter().map(|p| p.id.clone()).collect(),
                    decision: node.decision.clone(),
                });
            }
        }
        self.show(id, occurrence.event, act.party, mismatches.is_empty(), early, false);
        self.states[id].done = true;
        self.progress_at = self.now.max(occurrence.at);
        self.complete_upwards(id, Some(occurrence));
    }

    fn show(&mut self, id: NodeId, event: u32, party: Party, held: bool, early: bool, presumed: bool) {
        let node = &self.plan.nodes[id];
        let shown = node.proves.iter().map(|proof| Shown {
            requirement: proof.id.clone(),
            step: node.name.clone(),
            event,
            party,
            held,
            early,
            presumed,
        });
        self.walk.shown.extend(shown);
    }

    /// Marks the blocks around a node as begun, and what stood before it as passed.
    fn commit(&mut self, id: NodeId) {
        let plan = Arc::clone(&self.plan);
        let mut child = id;
        while let Some(parent) = plan.nodes[child].parent {
            match &plan.nodes[parent].kind {
                NodeKind::Seq(children) => {
                    for before in children.iter().take_while(|c| **c != child) {
                        if !self.states[*before].done {
                            self.pass(*before);
                        }
                    }
                }
                NodeKind::Choose(..) => self.states[parent].chosen = Some(child),
                _ => {}
            }
            self.states[parent].started = true;
            child = parent;
        }
    }

    /// A block is left without having come to its own end.
    fn pass(&mut self, id: NodeId) {
        let plan = Arc::clone(&self.plan);
        let reason = match (&plan.nodes[id].kind, &plan.nodes[id].otherwise) {
            (NodeKind::Loop(l, _), Some(otherwise))
                if self.states[id].turns < l.at_least.max(1) || l.ends_with.is_some() =>
            {
                otherwise.clone()
            }
            (NodeKind::Loop(_, body), _) if self.states[id].turns == 0 => {
                let who = plan.initiator(*body).unwrap_or(Party::Client);
                format!("the {who} went another way")
            }
            (NodeKind::Loop(l, _), _) if l.ends_with.is_none() => {
                // a loop that ends when the next step happens has come to its end
                let last = self.states[id].rested.and(self.last_in(id));
                if let Some((event, party)) = last {
                    self.show(id, event, party, true, false, false);
                }
                self.states[id].done = true;
                return;
            }
            (NodeKind::Loop(_, body), _) => {
                let who = plan.initiator(*body).unwrap_or(Party::Client);
                format!("the {who} went on before the loop of step {} had ended", plan.nodes[id].name)
            }
            _ => "this part of the course was optional, and was not taken".to_owned(),
        };
        self.states[id].done = true;
        self.unreach(id, &reason);
    }

    /// The last event that was taken in a block, and whose it was.
    fn last_in(&self, id: NodeId) -> Option<(u32, Party)> {
        (id..self.plan.nodes.len())
            .filter(|n| self.within_block(*n, id))
            .filter_map(|n| Some((self.taken[n].as_ref()?.event, self.act(n)?.0.party)))
            .max_by_key(|(event, _)| *event)
    }

    fn within_block(&self, mut node: NodeId, block: NodeId) -> bool {
        while node != block {
            match self.plan.nodes[node].parent {
                Some(parent) => node = parent,
                None => return false,
            }
        }
        true
    }

    fn unreach(&mut self, id: NodeId, reason: &str) {
        let plan = Arc::clone(&self.plan);
        for (n, node) in plan.nodes.iter().enumerate() {
            if !self.within_block(n, id) || self.taken[n].is_some() && n != id {
                continue;
            }
            for proof in &node.proves {
                let party = plan.finisher(n).unwrap_or(Party::Server);
                let (requirement, step) = (proof.id.clone(), node.name.clone());
                let unreached = Unreached { requirement, step, party, reason: reason.to_owned() };
                if !self.walk.unreached.contains(&unreached) {
                    self.walk.unreached.push(unreached);
                }
            }
        }
    }

    /// What is asserted of an occurrence, evaluated; binds names.
    fn assert(&mut self, act: &Act, target: Option<NodeId>, occurrence: &Occurrence) -> Vec<Mismatch> {
        let mut out = Vec::new();
        let rebind = self.carried(act);
        if let What::Said { message, stream, trip, .. } = &occurrence.what {
            out.extend(self.assert_payload(&act.payload, message, &rebind));
            if let Some(over) = &act.over
                && self.plan.transport == Transport::Http
                && let Some(expected) = self.plan.labelled(over).and_then(|n| self.taken[n].as_ref())
                && (expected.trip != *trip || !self.streams.contains_key(stream))
            {
                let found =
                    trip.map_or_else(|| "it came on another stream".into(), |t| format!("it came on round trip {t}"));
                let expected = format!("to come on the stream of {over}");
                out.push(Mismatch { pointer: String::new(), expected, found, span: act.payload_span() });
            }
        }
        let Some(http) = &act.http else { return out };
        if self.plan.transport != Transport::Http {
            return out;
        }
        let trip = match &occurrence.what {
            What::Said { trip, .. } | What::Closed { trip, .. } => *trip,
            What::Asked { trip, .. } | What::Responded { trip, .. } => Some(*trip),
        };
        let own = trip.and_then(|t| self.trips.get(&t)).cloned().unwrap_or_default();
        let asked = target.and_then(|t| self.taken[t].as_ref()?.trip).and_then(|t| self.trips.get(&t)).cloned();
        let streamed = asked.unwrap_or_else(|| own.clone());
        let mut check = |env: &mut Bindings, pattern: &Option<Pattern>, value: Option<Value>, place: &str| {
            if let Some(pattern) = pattern {
                for mut mismatch in env.check(pattern, value.as_ref(), &[]) {
                    mismatch.expected = format!("{place} {}", mismatch.expected);
                    mismatch.found = format!("{place} {}", mismatch.found);
                    mismatch.pointer.clear();
                    out.push(mismatch);
                }
            }
        };
        check(&mut self.env, &http.status, own.status.map(Value::from), "HTTP status");
        check(&mut self.env, &http.body, own.response_body.clone(), "an HTTP body of");
        check(&mut self.env, &http.last_id, streamed.last_id.clone().map(Value::from), "the last event id");
        check(&mut self.env, &http.retry, streamed.retry.map(Value::from), "the event stream's retry");
        if let Some(headers) = &http.headers {
            let pattern = lower_names(headers);
            let all: Map<String, Value> =
                own.request_headers.iter().map(|(n, v)| (n.to_ascii_lowercase(), Value::from(v.as_str()))).collect();
            check(&mut self.env, &Some(pattern), Some(Value::Object(all)), "HTTP headers:");
        }
        if let Some(wait) = &act.not_before
            && let (Some(wait), Some(from)) = (self.env.wait(wait), self.closed_at(target))
            && occurrence.at < from + wait
        {
            let waited = occurrence.at.saturating_sub(from).as_millis();
            out.push(Mismatch {
                pointer: String::new(),
                expected: format!("to wait {} ms", wait.as_millis()),
                found: format!("{waited} ms after the stream was closed"),
                span: act.payload_span(),
            });
        }
        out
    }

    /// When the stream of a request was closed, by the step that says so.
    pub(super) fn closed_at(&self, target: Option<NodeId>) -> Option<Duration> {
        (0..self.plan.nodes.len())
            .filter(|n| self.act(*n).is_some_and(|(a, t)| matches!(a.verb, Verb::Closes { .. }) && t == target))
            .find_map(|n| self.taken[n].as_ref().map(|t| t.at))
    }

    /// The carried names that an act binds anew: in a loop that carries them, what answers binds.
    fn carried(&self, act: &Act) -> Vec<String> {
        if !matches!(act.verb, Verb::Answers { .. }) {
            return Vec::new();
        }
        self.plan
            .nodes
            .iter()
            .filter_map(|n| match &n.kind {
                NodeKind::Loop(l, _) => Some(l.carry.iter().map(|(name, _)| name.clone())),
                _ => None,
            })
            .flatten()
            .collect()
    }

    fn assert_payload(&mut self, payload: &Payload, message: &Message, rebind: &[String]) -> Vec<Mismatch> {
        let mut out = Vec::new();
        for (member, pattern) in [("params", &payload.params), ("result", &payload.result), ("error", &payload.error)] {
            let Some(pattern) = pattern else { continue };
            let value = message.value().get(member);
            if value.is_none() && member != "params" {
                let found = in_words(message);
                out.push(Mismatch {
                    pointer: String::new(),
                    expected: format!("a {member}: {}", self.env.describe(pattern)),
                    found,
                    span: pattern.span,
                });
                continue;
            }
            let empty = Value::Object(Map::new());
            let value = if member == "params" { Some(value.unwrap_or(&empty)) } else { value };
            for mut mismatch in self.env.check(pattern, value, rebind) {
                mismatch.pointer = format!("/{member}{}", mismatch.pointer);
                out.push(mismatch);
            }
        }
        out
    }

    fn complete_upwards(&mut self, id: NodeId, occurrence: Option<&Occurrence>) {
        let plan = Arc::clone(&self.plan);
        let mut child = id;
        while let Some(parent) = plan.nodes[child].parent {
            let complete = match &plan.nodes[parent].kind {
                NodeKind::Seq(children) | NodeKind::Par(children) => children.iter().all(|c| self.states[*c].done),
                NodeKind::May(..) | NodeKind::Choose(..) => true,
                NodeKind::Loop(..) => self.turn(parent, occurrence),
                NodeKind::During(body, _) if child == *body => {
                    self.states[parent].rested = Some(self.now);
                    self.states[*body].done = true;
                    if self.streams_pending(parent) {
                        false
                    } else {
                        self.close_window(parent, false);
                        return;
                    }
                }
                _ => false,
            };
            if !complete {
                return;
            }
            let first_time = !self.states[parent].done;
            self.states[parent].done = true;
            if first_time
                && !matches!(plan.nodes[parent].kind, NodeKind::Loop(..))
                && let (Some(occurrence), false) = (occurrence, plan.nodes[parent].proves.is_empty())
            {
                let deviated = self.walk.deviations.iter().any(|d| d.event == occurrence.event);
                self.show(parent, occurrence.event, occurrence.from, !deviated, false, false);
            }
            child = parent;
        }
    }

    /// A turn of a loop is complete: does the loop end with it?
    fn turn(&mut self, id: NodeId, occurrence: Option<&Occurrence>) -> bool {
        let plan = Arc::clone(&self.plan);
        let NodeKind::Loop(l, body) = &plan.nodes[id].kind else { return true };
        self.states[id].turns += 1;
        self.states[id].started = false;
        self.states[id].rested = Some(self.now);
        let message = occurrence.and_then(|o| match &o.what {
            What::Said { message, .. } => Some(message.as_ref()),
            _ => None,
        });
        if let Some(message) = message {
            self.states[id].pace = methods::pace(message.result());
        }
        let fits = |me: &mut Exchange, payload: &Option<Payload>| -> Option<bool> {
            let (payload, message) = (payload.as_ref()?, message?);
            let mut trial = me.clone();
            let good = trial.assert_payload(payload, message, &[]).is_empty();
            if good {
                me.env = trial.env;
            }
            Some(good)
        };
        let (event, party) = occurrence.map_or((0, Party::Server), |o| (o.event, o.from));
        let ended = match fits(self, &l.ends_with) {
            Some(true) => true,
            Some(false) => match fits(self, &l.while_) {
                Some(false) => {
                    let name = plan.nodes[id].name.clone();
                    if let Some((early, _)) = self.walk.early.first() {
                        // somebody took a later step already: another course than the file's, and not this message's fault
                        let way = format!("step {early} came before the loop of step {name} had ended");
                        self.unreach(id, &format!("the exchange went another way: {way}"));
                        self.walk.other_way.get_or_insert(way);
                        self.states[id].done = true;
                        return true;
                    }
                    let expected = [&l.while_, &l.ends_with]
                        .into_iter()
                        .flatten()
                        .map(|p| self.describe_payload(p))
                        .collect::<Vec<_>>()
                        .join(" or ");
                    let found = message.map_or_else(String::new, in_words);
                    if self.ours != Some(party) {
                        self.walk.deviations.push(Deviation {
                            step: name,
                            event,
                            party,
                            pointer: String::new(),
                            expected,
                            found,
                            span: plan.nodes[id].span,
                            proves: plan.nodes[id].proves.iter().map(|p| p.id.clone()).collect(),
                            decision: plan.nodes[id].decision.clone(),
                        });
                    }
                    self.show(id, event, party, false, false, false);
                    self.states[id].done = true;
                    return true;
                }
                _ => false,
            },
            None => fits(self, &l.while_) == Some(false),
        };
        if ended {
            self.show(id, event, party, true, false, false);
            return true;
        }
        if l.at_most.is_some_and(|most| self.states[id].turns >= most) {
            let owed = l.ends_with.is_some() || l.while_.is_some();
            if owed && self.ours != Some(party) {
                self.walk.deviations.push(Deviation {
                    step: plan.nodes[id].name.clone(),
                    event,
                    party,
                    pointer: String::new(),
                    expected: format!("an end after at most {} turns", self.states[id].turns),
                    found: "it would go on".into(),
                    span: plan.nodes[id].span,
                    proves: plan.nodes[id].proves.iter().map(|p| p.id.clone()).collect(),
                    decision: None,
                });
            }
            self.show(id, event, party, !owed, false, false);
            return true;
        }
        self.reset(*body);
        false
    }

    /// Makes a block ready for another turn.
    fn reset(&mut self, id: NodeId) {
        for node in id..self.plan.nodes.len() {
            if self.within_block(node, id) {
                self.states[node] = NodeState::default();
            }
        }
        self.decide();
    }

    /// Takes the choices that are ours.
    fn decide(&mut self) {
        let plan = Arc::clone(&self.plan);
        let mut next = self.choices.iter();
        for (id, node) in plan.nodes.iter().enumerate() {
            match &node.kind {
                NodeKind::May(decider, body) if Some(*decider) == self.ours => match next.next() {
                    Some(0) => self.states[id].done = true,
                    Some(_) => self.states[id].chosen = Some(*body),
                    None => {}
                },
                NodeKind::Choose(decider, branches) if Some(*decider) == self.ours => {
                    if let Some(branch) = next.next().and_then(|n| branches.get(usize::from(*n))) {
                        self.states[id].chosen = Some(*branch);
                    }
                }
                NodeKind::Loop(l, _) => {
                    for (name, first) in &l.carry {
                        if !self.env.knows(name) {
                            self.env.carry(name, first);
                        }
                    }
                }
                _ => {}
            }
        }
    }

    /// Takes what was kept, and passes what needs no message, until nothing changes.
    fn settle(&mut self) {
        loop {
            if !matches!(self.walk.ending, Ending::Open) {
                return;
            }
            self.stamp();
            if self.check_needs() {
                continue;
            }
            let frontier = self.frontier();
            let due = self.kept.iter().enumerate().find_map(|(i, occurrence)| {
                frontier.iter().find(|act| self.fits(**act, occurrence)).map(|act| (i, *act))
            });
            let Some((i, act)) = due else { return };
            let occurrence = self.kept.remove(i);
            self.take(act, &occurrence, true);
        }
    }

    /// Notes since when what can come next has been possible.
    fn stamp(&mut self) {
        if !self.ready {
            return;
        }
        let now = self.now;
        for act in self.frontier() {
            let mut id = Some(act);
            while let Some(node) = id {
                self.states[node].since.get_or_insert(now);
                id = self.plan.nodes[node].parent;
            }
        }
    }

    /// Evaluates a `needs` that is due; true if something changed.
    fn check_needs(&mut self) -> bool {
        let plan = Arc::clone(&self.plan);
        for (id, node) in plan.nodes.iter().enumerate() {
            let NodeKind::Needs(conditions, because) = &node.kind else { continue };
            if self.states[id].done || !self.due_now(id) {
                continue;
            }
            let hold = conditions.iter().all(|(path, pattern)| self.env.fits(pattern, self.env.value(path).as_ref()));
            if hold {
                self.states[id].done = true;
                self.complete_upwards(id, None);
            } else {
                let reason = self.env.text(because);
                self.unreach(self.plan.root, &reason);
                self.walk.ending = Ending::NotExercised { reason };
            }
            return true;
        }
        false
    }

    /// Is everything before a node in its sequence done, and are the blocks around it entered?
    fn due_now(&self, id: NodeId) -> bool {
        let Some(parent) = self.plan.nodes[id].parent else { return true };
        let before = match &self.plan.nodes[parent].kind {
            NodeKind::Seq(children) => children.iter().take_while(|c| **c != id).all(|c| self.states[*c].done),
            _ => true,
        };
        before && self.due_now(parent)
    }

    /// Looks whether an occurrence is one that an open window forbids.
    fn watch_windows(&mut self, occurrence: &Occurrence) {
        let plan = Arc::clone(&self.plan);
        for (id, node) in plan.nodes.iter().enumerate() {
            let NodeKind::During(_, never) = &node.kind else { continue };
            if !self.states[id].started || self.states[id].done {
                continue;
            }
            for forbidden in never {
                let Some((act, _)) = self.act(*forbidden) else { continue };
                let act = act.clone();
                if !self.fits(*forbidden, occurrence) {
                    continue;
                }
                let What::Said { message, .. } = &occurrence.what else { continue };
                let mut trial = self.clone();
                if !trial.assert_payload(&act.payload, message, &[]).is_empty() {
                    continue;
                }
                self.states[id].violated = true;
                if self.ours == Some(occurrence.from) {
                    continue;
                }
                self.walk.deviations.push(Deviation {
                    step: plan.nodes[*forbidden].name.clone(),
                    event: occurrence.event,
                    party: occurrence.from,
                    pointer: String::new(),
                    expected: format!("never that {}", plan.words(*forbidden)),
                    found: in_words(message),
                    span: plan.nodes[*forbidden].span,
                    proves: node.proves.iter().map(|p| p.id.clone()).collect(),
                    decision: node.decision.clone(),
                });
                self.show(id, occurrence.event, occurrence.from, false, false, false);
            }
            // what was forbidden can also be ruled out by the end of its stream
            if self.is_closing(id) && !self.streams_pending(id) {
                self.close_window(id, false);
            }
        }
    }

    fn closing(&self) -> bool {
        (0..self.states.len()).any(|id| self.is_closing(id))
    }

    fn is_closing(&self, id: NodeId) -> bool {
        matches!(self.plan.nodes[id].kind, NodeKind::During(..))
            && self.states[id].rested.is_some()
            && !self.states[id].done
    }

    /// Can something forbidden still come on a stream that the window's fence does not order?
    fn streams_pending(&self, id: NodeId) -> bool {
        if self.plan.transport != Transport::Http {
            return false;
        }
        let NodeKind::During(_, never) = &self.plan.nodes[id].kind else { return false };
        never.iter().any(|forbidden| {
            let Some((act, target)) = self.act(*forbidden) else { return false };
            let Verb::Answers { .. } = act.verb else { return true };
            let Some(trip) = target.and_then(|t| self.taken[t].as_ref()?.trip) else { return false };
            let refused =
                self.trips.get(&trip).and_then(|t| t.status).is_some_and(|s| !(200..300).contains(&s) || s == 202);
            let taken = target.and_then(|t| self.taken[t].as_ref()?.stream);
            let mut answers =
                self.streams.iter().filter(|(s, state)| state.trip == Some(trip) && Some(**s) != taken).peekable();
            let ended = answers.peek().is_some() && answers.all(|(_, state)| state.closed);
            !(refused || ended)
        })
    }

    /// A window closes: nothing forbidden can come any more (or `presumed`: the settle is over).
    fn close_window(&mut self, id: NodeId, presumed: bool) {
        if self.states[id].done {
            return;
        }
        self.states[id].done = true;
        let NodeKind::During(body, never) = &self.plan.nodes[id].kind else { return };
        if !self.states[id].violated {
            let party = never.first().and_then(|n| self.plan.initiator(*n)).unwrap_or(Party::Server);
            let event = self.last_in(*body).map_or(0, |(event, _)| event);
            self.show(id, event, party, true, false, presumed);
        }
        self.complete_upwards(id, None);
    }

    pub(super) fn describe_payload(&self, payload: &Payload) -> String {
        [("params", &payload.params), ("result", &payload.result), ("error", &payload.error)]
            .into_iter()
            .filter_map(|(name, p)| Some(format!("{name} {}", self.env.describe(p.as_ref()?))))
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// The trace ended.
    fn finish(&mut self, reason: &EndReason, at: Duration) {
        self.tick(at);
        if !matches!(self.walk.ending, Ending::Open) {
            return;
        }
        if let EndReason::NotApplicable { reason } = reason {
            self.unreach(self.plan.root, reason);
            self.walk.ending = Ending::NotExercised { reason: reason.clone() };
            return;
        }
        let plan = Arc::clone(&self.plan);
        if self.finished() && self.ready && self.frontier_of(plan.root, &mut Vec::new()) {
            // what was optional at the end was not taken, or has come to its end with the trace
            if let NodeKind::Seq(children) = &plan.nodes[plan.root].kind {
                for child in children {
                    if !self.states[*child].done {
                        self.pass(*child);
                    }
                }
            }
            self.walk.ending = Ending::Complete;
            return;
        }
        self.walk.ending = self.owed(at);
        let reason = match &self.walk.ending {
            Ending::NotExercised { reason } => reason.clone(),
            Ending::Owed { expected, .. } => format!("the course ended before it: {expected} did not come to pass"),
            _ => "the course ended before it".into(),
        };
        self.unreach(plan.root, &reason);
    }

    /// What is owed, and by whom.
    fn owed(&self, at: Duration) -> Ending {
        let frontier = self.frontier();
        let Some(first) = frontier.first().copied() else {
            return Ending::Complete;
        };
        let (last, who, said) = match &self.last_event {
            Some((event, party, words)) => (Some(*event), Some(*party), words.clone()),
            None => (None, None, String::new()),
        };
        let found = match who {
            Some(who) => format!("nothing more of it; the last message was the {who}'s {said}"),
            None => "nothing came at all".to_owned(),
        };
        // a loop that did not come to its end in time: the party whose messages decide it, if the other kept asking
        for id in 0..self.plan.nodes.len() {
            let NodeKind::Loop(l, body) = &self.plan.nodes[id].kind else { continue };
            let state = &self.states[id];
            if state.done || !frontier.iter().any(|f| self.within_block(*f, id)) {
                continue;
            }
            if let Some(otherwise) = &self.plan.nodes[id].otherwise {
                return Ending::NotExercised { reason: otherwise.clone() };
            }
            let (Some(payload), Some(rested)) = (&l.ends_with, state.rested) else { continue };
            let silent = at.saturating_sub(rested) > state.pace.unwrap_or(UNPACED) * 2 + Duration::from_secs(1);
            if state.turns > 0 && !silent && !state.started {
                let party = self.plan.finisher(*body).unwrap_or(Party::Server);
                let turns = state.turns;
                return Ending::Owed {
                    step: self.plan.nodes[id].name.clone(),
                    party,
                    expected: format!("the {party} to come to {}", self.describe_payload(payload)),
                    found: format!("it did not, in {turns} turns of the loop"),
                    event: self.last_in(*body).map(|(event, _)| event),
                    span: self.plan.nodes[id].span,
                    proves: self.plan.nodes[id].proves.iter().map(|p| p.id.clone()).collect(),
                };
            }
        }
        if let Some(otherwise) = &self.plan.nodes[first].otherwise {
            return Ending::NotExercised { reason: otherwise.clone() };
        }
        // where another turn of a loop and the step after it are both possible, the step after it is what is owed
        let owed = frontier.iter().copied().find(|f| !self.optional(*f)).unwrap_or(first);
        let party = self.act(owed).map_or(Party::Server, |(act, _)| act.party);
        // of a choice that was not made, any branch would do
        let ways: Vec<String> = frontier
            .iter()
            .filter(|f| **f == owed || self.choice_of(**f).is_some_and(|c| self.choice_of(owed) == Some(c)))
            .map(|f| self.plan.words(*f))
            .collect();
        Ending::Owed {
            step: self.plan.nodes[owed].name.clone(),
            party,
            expected: format!("that {}", ways.join(", or that ")),
            found,
            event: last,
            span: self.plan.nodes[owed].span,
            proves: self.claims_of(owed),
        }
    }

    /// The undecided choice that an act would decide.
    fn choice_of(&self, id: NodeId) -> Option<NodeId> {
        let branch = self.plan.nodes[id].parent?;
        let choice = self.plan.nodes[branch].parent?;
        let open = matches!(self.plan.nodes[choice].kind, NodeKind::Choose(..)) && self.states[choice].chosen.is_none();
        open.then_some(choice)
    }

    /// What a step claims to show, or else the nearest block around it.
    fn claims_of(&self, id: NodeId) -> Vec<String> {
        let mut at = Some(id);
        while let Some(node) = at {
            let proves = &self.plan.nodes[node].proves;
            if !proves.is_empty() {
                return proves.iter().map(|p| p.id.clone()).collect();
            }
            at = self.plan.nodes[node].parent;
        }
        Vec::new()
    }

    /// Is an act in a block that need not be entered?
    fn optional(&self, id: NodeId) -> bool {
        let mut child = id;
        while let Some(parent) = self.plan.nodes[child].parent {
            let state = &self.states[parent];
            match &self.plan.nodes[parent].kind {
                NodeKind::May(..) if !state.started && state.chosen.is_none() => return true,
                NodeKind::Loop(..) if !state.started && self.enough_turns(parent) => return true,
                _ => {}
            }
            child = parent;
        }
        false
    }

    /// The event of a party's request with that id.
    pub(super) fn request_event(&self, from: Party, id: &Id) -> Option<u32> {
        self.requests.get(&(from, id.clone())).copied()
    }

    /// The value a path stands for.
    #[must_use]
    pub fn value(&self, path: &Path) -> Option<Value> {
        self.env.value(path)
    }
}

impl Act {
    /// The best place to point at in this act.
    pub(super) fn payload_span(&self) -> super::source::Span {
        let p = &self.payload;
        let http = self.http.as_ref();
        let headers = http.and_then(|h| h.headers.as_ref().or(h.status.as_ref()).or(h.last_id.as_ref()));
        p.params.as_ref().or(p.result.as_ref()).or(p.error.as_ref()).or(headers).map(|p| p.span).unwrap_or_default()
    }
}

/// An object pattern with its literal names in lower case: header names know no case.
fn lower_names(pattern: &Pattern) -> Pattern {
    let Shape::Object(members) = &pattern.shape else { return pattern.clone() };
    let mut members = members.clone();
    for member in &mut members {
        if let Shape::Literal(Value::String(name)) = &mut member.name.shape {
            name.make_ascii_lowercase();
        }
    }
    Pattern { shape: Shape::Object(members), span: pattern.span }
}

/// A message in a few words: `tools/call request 3`, `result of request 3`, `error -32602 to request 3`.
#[must_use]
pub fn in_words(message: &Message) -> String {
    let id = |id: &Option<Id>| id.as_ref().map_or_else(|| "no request".to_owned(), |id| format!("request {id}"));
    match message.kind() {
        Kind::Request { id, method } => format!("request {id}, {method}"),
        Kind::Notification { method } => format!("notification {method}"),
        Kind::Result { id: i } => format!("result {} to {}", super::binding::brief(message.result()), id(i)),
        Kind::Error { id: i } => format!("error {} to {}", super::binding::brief(message.error()), id(i)),
        Kind::Batch => "batch".into(),
        Kind::Malformed(why) => format!("malformed message ({why})"),
        Kind::Unreadable(why) => format!("unreadable bytes ({why})"),
    }
}
