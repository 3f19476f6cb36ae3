//! The puppet rule: for a party that is ours, the reference peer proposes and the script disposes.

use super::binding::Unfillable;
use super::exchange::{Exchange, Taken, UNPACED};
use super::model::{Act, Payload, Verb};
use super::plan::{Kind as NodeKind, NodeId};
use crate::trace::Transport;
use crate::trace::event::{StepName, StreamId};
use crate::wire::http::Route;
use crate::wire::message::{self, Kind};
use crate::wire::{Id, Message, Party};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// What becomes of a proposal.
#[derive(Debug, Clone, PartialEq)]
pub enum Ruling {
    /// It is sent: as a step, with the file's literals laid over it, or (no step named) as it is.
    Send(Box<Sending>),
    /// A later step is of this kind: it waits until then.
    Hold,
    /// It answers what counts as lost on its way to us: it is not sent.
    Withhold,
    /// It is the next step, but the file asks for something that it cannot become.
    Fault(Unfillable),
}

/// Something of ours that goes out.
#[derive(Debug, Clone, PartialEq)]
pub struct Sending {
    /// The step that it is.
    pub step: Option<StepName>,
    /// The requirements it breaks on purpose.
    pub breaks: Vec<String>,
    /// Headers laid over the HTTP head; `None` takes one out.
    pub headers: Vec<(String, Option<String>)>,
    /// Which of several clients sends it; `None` for the first.
    pub client: Option<String>,
    /// What goes out.
    pub what: Parcel,
}

/// What can go out.
#[derive(Debug, Clone, PartialEq)]
pub enum Parcel {
    /// A message.
    Message {
        /// Which way; for a proposal, the way that was proposed.
        route: Option<Route>,
        /// The message.
        message: Value,
    },
    /// Bytes in the place of a message.
    Bytes {
        /// Which way.
        route: Route,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// The end of the session, asked for.
    Delete,
    /// A listening stream; `resumes` gives the round trip that is resumed.
    Listen {
        /// The round trip whose stream is resumed.
        resumes: Option<u32>,
        /// The `Last-Event-ID`, if it is not that of the last event that came.
        last_event_id: Option<String>,
    },
    /// The connection on which an answer would come is dropped.
    Drop {
        /// The round trip.
        trip: Option<u32>,
        /// The stream on which the request went.
        stream: Option<StreamId>,
    },
    /// A request is answered with a bare HTTP status.
    Refuse {
        /// The round trip.
        trip: u32,
        /// The status.
        status: u16,
    },
    /// The connection (not the stream) of a request's answer is closed.
    CloseStream {
        /// The request.
        request: Id,
    },
}

/// What the script wants now.
#[derive(Debug, Clone, PartialEq)]
pub enum Due {
    /// This goes out.
    Send(Box<Sending>),
    /// Nothing before that time.
    Wait(Duration),
    /// Nothing until something comes.
    Nothing,
    /// A step of ours is due, nobody proposed it, and the file alone does not make a whole message.
    Fault {
        /// The step.
        step: StepName,
        /// What is missing.
        missing: Unfillable,
    },
}

impl Exchange {
    /// What becomes of a proposal of the reference peer that plays our party; where there are several clients, of that one
    /// (`None`: the first).
    pub fn propose(&mut self, proposal: &Message, client: Option<&str>) -> Ruling {
        let as_it_is = |value: Value| Sending { client: client.map(str::to_owned), ..plain(value) };
        let Some(ours) = self.ours else { return Ruling::Send(Box::new(as_it_is(proposal.value().clone()))) };
        if let Some(opened) = self.open(ours, proposal, &as_it_is) {
            return opened;
        }
        let request = self.answered_request(ours, proposal, client);
        if request.is_some_and(|request| self.is_lost(request) || self.is_refused(ours, request)) {
            return Ruling::Withhold;
        }
        let is_it =
            |me: &Exchange, id: NodeId| me.plan.client_of(id) == client && me.is_proposal(id, ours, proposal, request);
        if let Some(id) = self.frontier().into_iter().find(|id| is_it(self, *id)) {
            return match self.lay_over(id, proposal) {
                Ok(sending) => Ruling::Send(Box::new(sending)),
                Err(missing) => Ruling::Fault(missing),
            };
        }
        let ahead = self.ahead();
        let answers = |id: &NodeId| request.is_some_and(|r| self.answers_kept_request(*id, ours, client, r));
        let answer = ahead.iter().copied().find(answers);
        if let Some(id) = answer.filter(|_| request.is_some_and(|request| self.passed_by.contains(&request)))
            && let Ok(sending) = self.lay_over(id, proposal)
        {
            return Ruling::Send(Box::new(sending));
        }
        if answer.is_some() || ahead.into_iter().any(|id| is_it(self, id)) {
            return Ruling::Hold;
        }
        Ruling::Send(Box::new(as_it_is(proposal.value().clone())))
    }

    /// The handshake, with the file's `opening` laid over it.
    fn open(&mut self, ours: Party, proposal: &Message, as_it_is: &dyn Fn(Value) -> Sending) -> Option<Ruling> {
        let opening = self.plan.scenario().opening.clone()?;
        if self.ready {
            return None;
        }
        let (member, pattern) = match (ours, proposal.kind()) {
            (Party::Client, Kind::Request { method, .. }) if method == "initialize" => ("params", opening.params?),
            (Party::Server, Kind::Result { .. }) => ("result", opening.result?),
            _ => return None,
        };
        let mut value = proposal.value().clone();
        Some(match self.env.fill(&pattern, value.get(member)) {
            Ok(Some(filled)) => {
                value[member] = filled;
                Ruling::Send(Box::new(as_it_is(value)))
            }
            Ok(None) => Ruling::Send(Box::new(as_it_is(value))),
            Err(missing) => Ruling::Fault(missing),
        })
    }

    fn is_proposal(&self, id: NodeId, ours: Party, proposal: &Message, request: Option<u32>) -> bool {
        let Some((act, target)) = self.act(id) else { return false };
        let target = target.and_then(|t| self.taken[t].as_ref());
        act.party == ours && self.fits_message(act, target, proposal, request)
    }

    fn answered_request(&self, ours: Party, proposal: &Message, client: Option<&str>) -> Option<u32> {
        let id = proposal.is_answer().then(|| proposal.id()).flatten()?;
        self.request_event(client, ours.other(), id)
    }

    fn lay_over(&mut self, id: NodeId, proposal: &Message) -> Result<Sending, Unfillable> {
        let (act, _) = self.act_of(id);
        let mut value = proposal.value().clone();
        let p = &act.payload;
        // a file that says `result` where the reference peer would refuse (or the other way round) speaks alone
        let wants_other = (p.result.is_some() && value.get("error").is_some())
            || (p.error.is_some() && value.get("result").is_some());
        if wants_other && let Value::Object(object) = &mut value {
            object.shift_remove("result");
            object.shift_remove("error");
        }
        self.fill_payload(&act.payload, &mut value)?;
        let headers = self.headers(&act)?;
        // a stream that was opened is another way than the peer would choose
        let opened = |label: &String| {
            let step = self.plan.labelled(label).and_then(|node| self.act(node));
            step.is_some_and(|(act, _)| matches!(act.verb, Verb::Opens { .. }))
        };
        let route = act.over.as_ref().is_some_and(opened).then_some(Route::Unrelated);
        Ok(self.sending(id, &act, headers, Parcel::Message { route, message: value }))
    }

    fn fill_payload(&mut self, payload: &Payload, message: &mut Value) -> Result<(), Unfillable> {
        for (member, pattern) in [("params", &payload.params), ("result", &payload.result), ("error", &payload.error)] {
            let Some(pattern) = pattern else { continue };
            match self.env.fill(pattern, message.get(member))? {
                Some(filled) => message[member] = filled,
                None => {
                    if let Value::Object(object) = message {
                        object.shift_remove(member);
                    }
                }
            }
        }
        Ok(())
    }

    fn headers(&mut self, act: &Act) -> Result<Vec<(String, Option<String>)>, Unfillable> {
        use super::pattern::Shape;
        let mut headers = Vec::new();
        let Some(pattern) = act.http.as_ref().and_then(|h| h.headers.as_ref()) else { return Ok(headers) };
        let pattern = match &pattern.shape {
            Shape::Name(path) => match self.env.given(path) {
                Some(given) => given,
                None => return Ok(headers),
            },
            _ => pattern.clone(),
        };
        let Shape::Object(members) = &pattern.shape else { return Ok(headers) };
        for member in members {
            let name = self.env.text(&member.name);
            let value = self.env.fill(&member.value, None)?;
            headers.push((name, value.map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned))));
        }
        Ok(headers)
    }

    fn sending(&self, id: NodeId, act: &Act, headers: Vec<(String, Option<String>)>, what: Parcel) -> Sending {
        let breaks = act.breaks.iter().map(|p| p.id.clone()).collect();
        let client = self.plan.client_of(id).map(str::to_owned);
        Sending { step: Some(self.plan.nodes[id].name.clone()), breaks, headers, client, what }
    }

    fn act_of(&self, id: NodeId) -> (Act, Option<NodeId>) {
        match &self.plan.nodes[id].kind {
            NodeKind::Act(act, target) => ((**act).clone(), *target),
            _ => unreachable!("the frontier is made of acts"),
        }
    }

    /// What the script itself wants to send now; what is given is sent, and not given again. Asked when the reference peer has
    /// nothing to propose and waits for nothing but messages.
    pub fn due(&mut self) -> Due {
        let Some(ours) = self.ours else { return Due::Nothing };
        if !self.ready {
            return Due::Nothing;
        }
        let frontier = self.frontier();
        let own: Vec<NodeId> =
            frontier.iter().copied().filter(|id| self.act(*id).is_some_and(|(a, _)| a.party == ours)).collect();
        // what was sent and is no step all the same, or not yet (it waits for a stream), is not sent over and over
        let Some(id) = own.iter().copied().find(|id| !self.states[*id].sent) else { return Due::Nothing };
        if let Some(at) = self.not_before(id)
            && at > self.now
        {
            return Due::Wait(at);
        }
        match self.alone(id) {
            Ok(sending) => {
                self.states[id].sent = true;
                Due::Send(Box::new(sending))
            }
            // the other party can still move the course on: wait for it
            Err(_) if own.len() < frontier.len() => Due::Nothing,
            Err(missing) => Due::Fault { step: self.plan.nodes[id].name.clone(), missing },
        }
    }

    /// The acts that drop a connection and lose something with it: the act whose connection it is, and the one that is lost.
    fn losses(&self) -> impl Iterator<Item = (Option<NodeId>, NodeId)> {
        self.plan.nodes.iter().filter_map(|node| match &node.kind {
            NodeKind::Act(act, target) => Some((*target, self.plan.labelled(act.losing.as_deref()?)?)),
            _ => None,
        })
    }

    /// Is the question that came with that event one that counts as lost?
    fn is_lost(&self, request: u32) -> bool {
        self.losses().any(|(_, lost)| self.taken[lost].as_ref().is_some_and(|t| t.event == request))
    }

    /// Does the file have us refuse the request that came with that event?
    fn is_refused(&self, ours: Party, request: u32) -> bool {
        self.plan.nodes.iter().any(|node| match &node.kind {
            NodeKind::Act(act, Some(target)) => {
                act.party == ours
                    && matches!(act.verb, Verb::Refuses { .. })
                    && self.taken[*target].as_ref().is_some_and(|t| t.event == request)
            }
            _ => false,
        })
    }

    /// What was lost with the connection of an act.
    fn lost_of(&self, dropped: Option<NodeId>) -> Option<&Taken> {
        let (_, lost) = self.losses().find(|(target, _)| target.is_some() && *target == dropped)?;
        self.taken[lost].as_ref()
    }

    /// Is there an event id with which an act can come back for the stream of its target?
    pub(super) fn can_resume(&self, target: Option<NodeId>) -> bool {
        match self.lost_of(target) {
            Some(lost) => lost.event_before.is_some(),
            None => {
                let trip = target.and_then(|t| self.taken[t].as_ref()?.trip);
                trip.and_then(|trip| self.trips.get(&trip)).is_some_and(|trip| trip.last_id.is_some())
            }
        }
    }

    /// The time before which a step of ours must not be sent from the file alone.
    fn not_before(&self, id: NodeId) -> Option<Duration> {
        let (act, target) = self.act(id)?;
        let mut least = None;
        if let Some(wait) = &act.not_before {
            least = Some(self.closed_at(target).unwrap_or(self.progress_at) + self.env.wait(wait)?);
        }
        // a connection is dropped once its answer has begun: before, the other party may never have heard of the request
        if let (Verb::Drops { .. }, Some(asked)) = (&act.verb, target.and_then(|t| self.taken[t].as_ref())) {
            let begun = asked.trip.and_then(|trip| self.trips.get(&trip)).is_some_and(|trip| trip.status.is_some());
            let at = asked.at + self.patience.settle;
            if !begun {
                least = Some(least.map_or(at, |l: Duration| l.max(at)));
            }
        }
        // between two turns of a loop: the pace that the answer asks for
        let mut child = id;
        while let Some(parent) = self.plan.nodes[child].parent {
            let state = &self.states[parent];
            if let (NodeKind::Loop(..), Some(rested), false) =
                (&self.plan.nodes[parent].kind, state.rested, state.started)
            {
                let next = rested + state.pace.unwrap_or(UNPACED);
                least = Some(least.map_or(next, |l: Duration| l.max(next)));
            }
            child = parent;
        }
        least
    }

    /// A step of ours from the file alone.
    fn alone(&mut self, id: NodeId) -> Result<Sending, Unfillable> {
        let (act, target_node) = self.act_of(id);
        let target = target_node.and_then(|t| self.taken[t].clone());
        let span = self.plan.nodes[id].span;
        let lacking = |why: &str| Unfillable { span, why: why.to_owned() };
        let headers = self.headers(&act)?;
        let what = match &act.verb {
            Verb::Requests { method } => {
                // each client counts for itself, so that the ids of several are the same
                let count = self.scripted.entry(act.named.clone()).or_default();
                *count += 1;
                let mut message = message::request(&Id::Text(format!("script-{count}")), method, None);
                self.fill_payload(&act.payload, &mut message)?;
                Parcel::Message { route: self.route_over(&act), message }
            }
            Verb::Notifies { method } => {
                let mut message = message::notification(method, None);
                self.fill_payload(&act.payload, &mut message)?;
                Parcel::Message { route: self.route_over(&act), message }
            }
            Verb::Answers { .. } => {
                let id = target.and_then(|t| t.id).ok_or_else(|| lacking("the request to answer has no id"))?;
                let mut message = message::result(&id, Value::Null);
                if let Value::Object(object) = &mut message {
                    object.shift_remove("result");
                }
                self.fill_payload(&act.payload, &mut message)?;
                if message.get("result").is_none() && message.get("error").is_none() {
                    return Err(lacking("the file says neither a whole `result` nor a whole `error`"));
                }
                Parcel::Message { route: Some(Route::Answer(id)), message }
            }
            Verb::Sends { bytes } => {
                let route = self.route_over(&act).unwrap_or(Route::Unrelated);
                Parcel::Bytes { route, bytes: self.env.bytes(bytes)? }
            }
            Verb::Deletes { .. } => Parcel::Delete,
            Verb::Opens { .. } => Parcel::Listen { resumes: None, last_event_id: None },
            Verb::Resumes { .. } => {
                let last_event_id = self.lost_of(target_node).and_then(|lost| lost.event_before.clone());
                Parcel::Listen { resumes: target.and_then(|t| t.trip), last_event_id }
            }
            Verb::Drops { .. } => drop_of(target),
            Verb::Cancels { .. } => match (self.plan.transport(), target) {
                (Transport::Stdio, Some(Taken { id: Some(id), .. })) => {
                    let params = serde_json::json!({ "requestId": id.to_value() });
                    let message = message::notification("notifications/cancelled", Some(params));
                    Parcel::Message { route: Some(Route::Unrelated), message }
                }
                (_, target) => drop_of(target),
            },
            Verb::Closes { .. } => {
                let asked = target_node.map(|node| self.resumed(node)).and_then(|node| self.taken[node].as_ref());
                let id = asked.and_then(|t| t.id.clone()).ok_or_else(|| lacking("the request has no id"))?;
                Parcel::CloseStream { request: id }
            }
            Verb::Refuses { .. } => {
                let trip = target.and_then(|t| t.trip).ok_or_else(|| lacking("nothing came that can be refused"))?;
                let status = act.http.as_ref().and_then(|http| http.status.as_ref());
                let status = status.and_then(|pattern| self.env.fill(pattern, None).ok().flatten());
                let status = status.and_then(|status| u16::try_from(status.as_u64()?).ok());
                let status = status.ok_or_else(|| lacking("the file does not say with which `status`"))?;
                Parcel::Refuse { trip, status }
            }
            Verb::Accepts { .. } => {
                return Err(lacking("a server of ours accepts by the rules of its transport, not by a file"));
            }
        };
        Ok(self.sending(id, &act, headers, what))
    }

    /// The way of a request or notification that nobody proposed.
    fn route_over(&self, act: &Act) -> Option<Route> {
        let over = act.over.as_ref().and_then(|label| self.plan.labelled(label));
        let id = over.and_then(|n| self.taken[self.resumed(n)].as_ref()?.id.clone());
        Some(id.map_or(Route::Unrelated, Route::Related))
    }

    /// The plan that is played.
    #[must_use]
    pub fn plan(&self) -> &Arc<super::plan::Plan> {
        &self.plan
    }
}

fn drop_of(target: Option<Taken>) -> Parcel {
    let (trip, stream) = target.map_or((None, None), |t| (t.trip, t.stream));
    Parcel::Drop { trip, stream }
}

fn plain(message: Value) -> Sending {
    let what = Parcel::Message { route: None, message };
    Sending { step: None, breaks: Vec::new(), headers: Vec::new(), client: None, what }
}
