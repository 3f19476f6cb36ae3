//! The exchange automaton: told what happened, it knows where in the course the two parties are.
//!
//! It is the same automaton in every seat. A step is found by who, kind, method and correlation; everything else in it is
//! asserted. Where it stands is a flat table of node states; its frontier says which acts can come next.

use super::binding::{Bindings, HOST};
use super::model::{Act, Verb};
use super::pattern::Path;
use super::plan::{Kind as NodeKind, NodeId, Plan};
use super::walk::{Deviation, Ending, Walk};
use crate::spec::{Era, Revision};
use crate::trace::event::{Body, Closing, Event, StreamId};
use crate::wire::json::Limits;
use crate::wire::message::Kind;
use crate::wire::{Id, Message, Party};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// How long things may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// How long the other party may take to say anything at all: a program that was just started has to come up first, and how
    /// long that takes says more of the machine than of the program.
    pub start: Duration,
    /// How long the other party may take for a step that says nothing else.
    pub step: Duration,
    /// How long is waited on a stream for something that must not come and that no fence can rule out.
    pub settle: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let start = Duration::from_secs(15);
        Patience { start, step: Duration::from_secs(5), settle: Duration::from_millis(500) }
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
    /// The id of the last event that came on its stream before it.
    pub(super) event_before: Option<String>,
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
    /// An act of ours that went out from the file alone (in a loop: in this turn). It does so once, seen or not.
    pub(super) sent: bool,
}

#[derive(Debug, Clone)]
pub(super) struct StreamState {
    pub(super) trip: Option<u32>,
    pub(super) closed: bool,
}

#[derive(Debug, Clone, Default)]
pub(super) struct TripState {
    pub(super) status: Option<u16>,
    pub(super) request_headers: Vec<(String, String)>,
    pub(super) response_headers: Vec<(String, String)>,
    pub(super) response_body: Option<Value>,
    pub(super) last_id: Option<String>,
    /// The one before that.
    pub(super) id_before: Option<String>,
    pub(super) retry: Option<u64>,
    /// Which of several clients of ours began it; `None` for the first.
    pub(super) client: Option<String>,
}

/// Something that an act can be.
#[derive(Debug, Clone)]
pub(super) struct Occurrence {
    pub(super) event: u32,
    pub(super) at: Duration,
    pub(super) from: Party,
    /// In whose exchange, where there are several clients; `None` for the first.
    pub(super) client: Option<String>,
    pub(super) what: What,
}

#[derive(Debug, Clone)]
pub(super) enum What {
    Said {
        message: Box<Message>,
        stream: StreamId,
        trip: Option<u32>,
        /// The event of the request that it answers.
        request: Option<u32>,
        /// Did it come with an event id of its own?
        with_id: bool,
    },
    Asked {
        trip: u32,
        method: String,
        resuming: bool,
    },
    Responded {
        trip: u32,
        status: u16,
        with_content: bool,
    },
    Closed {
        stream: StreamId,
        trip: Option<u32>,
    },
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
    /// The parties of which something has come; one that is ours always has.
    heard: BTreeSet<Party>,
    /// Are the handshakes of all clients over?
    pub(super) ready: bool,
    /// The clients whose handshake is over.
    pub(super) greeted: BTreeSet<Option<String>>,
    /// How many requests of each client were made from the file alone.
    pub(super) scripted: BTreeMap<Option<String>, u32>,
    pub(super) choices: Vec<u8>,
    pub(super) kept: Vec<Occurrence>,
    /// Of what is kept, the events that a whole turn of a loop of ours has passed since: they are answered before their step.
    pub(super) passed_by: Vec<u32>,
    pub(super) streams: HashMap<StreamId, StreamState>,
    pub(super) trips: HashMap<u32, TripState>,
    /// By client, sender and id. An id that is used again while the first is not answered may mean either.
    pub(super) requests: HashMap<(Option<String>, Party, Id), Vec<u32>>,
    pub(super) last_event: Option<(u32, Party, String)>,
    pub(super) walk: Walk,
}

impl Exchange {
    /// Begins at the beginning. `fresh` are the values of this run (see [`super::fresh::freshen`]); `choices` says which
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
            heard: ours.into_iter().collect(),
            ready: revision.era() == Era::Modern || plan.greets(),
            greeted: BTreeSet::new(),
            scripted: BTreeMap::new(),
            choices: choices.to_vec(),
            kept: Vec::new(),
            passed_by: Vec::new(),
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

    /// Has the step with that label come to pass?
    #[must_use]
    pub fn has_happened(&self, label: &str) -> bool {
        let Some(id) = self.plan.labelled(label) else { return false };
        let name = &self.plan.nodes[id].name;
        self.walk.matched.iter().any(|(step, _)| step == name)
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

    /// Has anything come of that party, be it only the head of a response?
    #[must_use]
    pub fn heard(&self, party: Party) -> bool {
        self.heard.contains(&party)
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
        let begun = self.heard(Party::Client) && self.heard(Party::Server);
        let step = if begun { self.patience.step } else { self.patience.step.max(self.patience.start) };
        Some(least.unwrap_or(self.progress_at + step))
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
        let said = |client, from, what| Some(Occurrence { event: event.seq, at, from, client, what });
        let occurrence = match &event.body {
            Body::StreamOpened { stream, round_trip, .. } => {
                self.streams.insert(*stream, StreamState { trip: *round_trip, closed: false });
                None
            }
            Body::StreamClosed { stream, by, how } => {
                if let (Closing::Bound(what), Some(by)) = (how, by) {
                    // of what was too long there is a beginning, which says less, or nothing
                    let shown = self.last_event.as_ref().map_or(event.seq, |(seq, ..)| *seq);
                    self.last_event = Some((shown, by.other(), format!("one that was cut off, {what}")));
                }
                let trip = self.streams.get_mut(stream).and_then(|s| {
                    s.closed = true;
                    s.trip
                });
                let from = by.unwrap_or(if *how == Closing::Clean { Party::Server } else { Party::Client });
                said(self.client_of_trip(trip), from, What::Closed { stream: *stream, trip })
            }
            Body::HttpRequest { round_trip, method, headers, client, .. } => {
                let trip = self.trips.entry(*round_trip).or_default();
                trip.client.clone_from(client);
                trip.request_headers.clone_from(headers);
                if !self.env.knows(HOST)
                    && let Some((_, host)) = headers.iter().find(|(n, _)| n.eq_ignore_ascii_case("host"))
                {
                    self.env.bind(HOST, host.as_str().into());
                }
                let resuming = headers.iter().any(|(n, _)| n.eq_ignore_ascii_case("last-event-id"));
                said(client.clone(), Party::Client, What::Asked { trip: *round_trip, method: method.clone(), resuming })
            }
            Body::HttpResponse { round_trip, status, headers, body } => {
                self.hear(Party::Server, at);
                let trip = self.trips.entry(*round_trip).or_default();
                trip.status = Some(*status);
                trip.response_headers.clone_from(headers);
                trip.response_body = body.as_ref().map(|b| String::from_utf8_lossy(&b.bytes()).into_owned().into());
                // a type of nothing is no content: some servers name one all the same
                let header = |name: &str| headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v);
                let with_content = header("content-type")
                    .is_some_and(|v| v.contains("json") || v.contains("event-stream"))
                    && header("content-length").is_none_or(|v| v.trim() != "0");
                let client = self.client_of_trip(Some(*round_trip));
                said(client, Party::Server, What::Responded { trip: *round_trip, status: *status, with_content })
            }
            Body::Signal { stream, event_id, retry, .. } => {
                self.note_stream(*stream, event_id.as_deref(), *retry);
                None
            }
            Body::Message { stream, from, text, event_id, .. } => {
                self.hear(*from, at);
                self.note_stream(*stream, event_id.as_deref(), None);
                let message = Message::read(Bytes::from(text.bytes()), &Limits::default());
                let trip = self.streams.get(stream).and_then(|s| s.trip);
                let client = self.client_of_trip(trip);
                self.last_event = Some((event.seq, *from, in_words(&message)));
                if let Kind::Request { id, .. } = message.kind() {
                    self.note_request((client.clone(), *from, id.clone()), event.seq);
                }
                if message.method() == Some("notifications/initialized") && *from == Party::Client {
                    self.greet(client.clone(), at);
                }
                let request = match message.is_answer() {
                    true => message.id().and_then(|id| self.request_event(client.as_deref(), from.other(), id)),
                    false => None,
                };
                said(
                    client,
                    *from,
                    What::Said {
                        message: Box::new(message),
                        stream: *stream,
                        trip,
                        request,
                        with_id: event_id.is_some(),
                    },
                )
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

    /// Something came of a party. Its first word begins the time for its steps.
    fn hear(&mut self, from: Party, at: Duration) {
        if self.heard.insert(from) {
            self.progress_at = self.progress_at.max(at);
        }
    }

    /// Which client began a round trip; `None` for the first.
    fn client_of_trip(&self, trip: Option<u32>) -> Option<String> {
        self.trips.get(&trip?)?.client.clone()
    }

    /// The handshake of a client is over.
    fn greet(&mut self, client: Option<String>, at: Duration) {
        self.greeted.insert(client);
        let parties = &self.plan.scenario.parties;
        self.ready |= self.greeted.contains(&None) && parties.iter().all(|p| self.greeted.contains(&Some(p.clone())));
        self.progress_at = at;
    }

    fn note_stream(&mut self, stream: StreamId, event_id: Option<&str>, retry: Option<u64>) {
        let Some(trip) = self.streams.get(&stream).and_then(|s| s.trip) else { return };
        let trip = self.trips.entry(trip).or_default();
        if let Some(id) = event_id {
            trip.id_before = trip.last_id.replace(id.to_owned());
        }
        trip.retry = retry.or(trip.retry);
    }

    pub(super) fn happen(&mut self, occurrence: Occurrence) {
        if !matches!(self.walk.ending, Ending::Open) {
            return;
        }
        self.watch_windows(&occurrence);
        if let Some(act) = self.frontier().into_iter().find(|act| self.fits(*act, &occurrence)) {
            self.take(act, &occurrence, false);
            self.settle();
            return;
        }
        if let Some(act) = self.contradicted(&occurrence) {
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
    pub(super) fn frontier_of(&self, id: NodeId, acts: &mut Vec<NodeId>) -> bool {
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

    /// The acts that are not done and cannot come next, in the order of the file.
    pub(super) fn ahead(&self) -> Vec<NodeId> {
        let now = self.frontier();
        (0..self.plan.nodes.len())
            .filter(|id| matches!(self.plan.nodes[*id].kind, NodeKind::Act(..)))
            .filter(|id| !now.contains(id) && !self.states[*id].done && self.is_ahead(*id))
            .collect()
    }

    /// Can the node still come: no ancestor is done, and it is in no branch that was not taken and in no `never`?
    pub(super) fn is_ahead(&self, id: NodeId) -> bool {
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

    pub(super) fn take(&mut self, id: NodeId, occurrence: &Occurrence, early: bool) {
        let plan = Arc::clone(&self.plan);
        let node = &plan.nodes[id];
        let NodeKind::Act(act, target) = &node.kind else { return };
        self.commit(id);
        let mismatches = self.assert(act, *target, occurrence);
        let mut taken = Taken {
            event: occurrence.event,
            at: occurrence.at,
            id: None,
            raw: None,
            stream: None,
            trip: None,
            event_before: None,
        };
        match &occurrence.what {
            What::Said { message, stream, trip, with_id, .. } => {
                taken.id = message.id().cloned();
                taken.raw = matches!(act.verb, Verb::Sends { .. }).then(|| message.raw().clone());
                taken.stream = Some(*stream);
                taken.trip = *trip;
                let trip = trip.and_then(|trip| self.trips.get(&trip));
                taken.event_before = trip.and_then(|t| if *with_id { t.id_before.clone() } else { t.last_id.clone() });
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

    /// The value a path stands for.
    #[must_use]
    pub fn value(&self, path: &Path) -> Option<Value> {
        self.env.value(path)
    }
}

/// A message in a few words: `tools/call request 3`, `result of request 3`, `error -32602 to request 3`.
#[must_use]
pub fn in_words(message: &Message) -> String {
    let id = |id: &Option<Id>| id.as_ref().map_or_else(|| "no request".to_owned(), |id| format!("request {id}"));
    match message.kind() {
        Kind::Request { id, method } => format!("request {id}, {method}"),
        Kind::Notification { method } => format!("notification {method}"),
        Kind::Result { id: i } => format!("result {} to {}", super::wording::brief(message.result()), id(i)),
        Kind::Error { id: i } => format!("error {} to {}", super::wording::brief(message.error()), id(i)),
        Kind::Batch => "batch".into(),
        Kind::Malformed(why) => format!("malformed message ({why})"),
        Kind::Unreadable(why) => format!("unreadable bytes ({why})"),
    }
}
