//! What belongs together, and what of it is over: so that a long record need not be held whole.
//!
//! A request and its answers, a task and all that was said of it, an HTTP round trip with its streams, progress and the request
//! it is of, a message and its redelivery: each such group is judged as one. A group goes when nothing in it is open, when it is
//! old enough, and when no rule on a whole session needs it.

use super::{Conversation, Item, Said, Stream};
use crate::trace::{Body, Event, StreamId, StreamKind, Transport};
use crate::wire::{Id, Kind, Party};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// The handshakes of so many sessions are kept: those that spoke last.
const SESSIONS: usize = 64;
/// Of each so many messages of each party, from `initialize` on.
const OPENING: usize = 8;
/// At most so many messages that came before a session was ready.
const EARLY: usize = 64;
/// So many different values that hold for a session are kept: listings of tools, subscriptions.
const STANDING: usize = 256;
/// Unless their bytes are more than these, together.
const STANDING_BYTES: usize = 8 << 20;
/// So many of the streams that listened in a session are held, the last ones.
const LISTENED: usize = 3;
/// So many requests are held that wait for their answers, and so many messages that may be some: the last ones.
const WAITING: usize = 4096;
/// So many frames that are no message wait for the rest of one.
const PIECES: usize = 4096;

/// Joins places.
struct Groups {
    parent: Vec<usize>,
}

impl Groups {
    fn root(&mut self, mut at: usize) -> usize {
        while let Some(up) = self.parent.get(at).copied().filter(|up| *up != at) {
            // halve the way for those who come after
            let above = self.parent.get(up).copied().unwrap_or(up);
            if let Some(slot) = self.parent.get_mut(at) {
                *slot = above;
            }
            at = above;
        }
        at
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        if let Some(slot) = self.parent.get_mut(a) {
            *slot = b;
        }
    }
}

/// What of a record is over, by the numbers of events.
#[derive(Debug, Default)]
pub struct Over {
    /// Nothing will be added to these: what can be said of them can be said now.
    pub settled: HashSet<u32>,
    /// Those of them that need not be held any more.
    pub gone: HashSet<u32>,
}

/// What is over. `recent`: so many of the last events are held in any case. `events` are those of which the conversation was
/// made.
#[must_use]
pub fn over(c: &Conversation, events: &[Event], recent: usize) -> Over {
    let places: HashMap<u32, usize> = events.iter().enumerate().map(|(i, e)| (e.seq, i)).collect();
    let none = || Groups { parent: (0..events.len()).collect() };
    let mut sorter = Sorter { c, places, groups: none(), closest: none() };
    let trips = sorter.trips(events);
    sorter.messages(&trips);
    let Kept { open, standing } = sorter.kept(events, &trips);
    let old = events.len().saturating_sub(recent);
    let open: HashSet<usize> =
        open.into_iter().chain(old..events.len()).map(|place| sorter.groups.root(place)).collect();
    let standing: HashSet<usize> = standing.into_iter().map(|place| sorter.closest.root(place)).collect();
    let mut over = Over::default();
    for (place, event) in events.iter().enumerate() {
        if !open.contains(&sorter.groups.root(place)) {
            over.settled.insert(event.seq);
            // of what only stands nothing more is held than it takes to read it: groups may grow for ever
            if !standing.contains(&sorter.closest.root(place)) {
                over.gone.insert(event.seq);
            }
        }
    }
    over
}

/// The places that are held.
#[derive(Default)]
struct Kept {
    /// Something may still be added to these.
    open: Vec<usize>,
    /// These hold for what comes later.
    standing: Vec<usize>,
}

struct Sorter<'a> {
    c: &'a Conversation,
    places: HashMap<u32, usize>,
    groups: Groups,
    /// The groups of what is closest: a request, its first answer, and their round trip.
    closest: Groups,
}

impl Sorter<'_> {
    fn place(&self, said: &Said) -> Option<usize> {
        self.places.get(&said.event).copied()
    }

    fn place_of(&self, index: usize) -> Option<usize> {
        self.place(self.c.get(index)?)
    }

    fn listens(&self, stream: StreamId) -> bool {
        self.c.streams.get(&stream).is_some_and(|s| s.kind == StreamKind::Get)
    }

    /// The round trip of what is no message; what comes on a stream that listens is by itself.
    fn trip(&self, body: &Body) -> Option<u32> {
        match body {
            Body::HttpRequest { round_trip, .. } | Body::HttpResponse { round_trip, .. } => Some(*round_trip),
            Body::StreamOpened { round_trip, .. } => *round_trip,
            Body::StreamClosed { stream, .. } => self.c.streams.get(stream)?.round_trip,
            Body::Signal { stream, .. } | Body::Message { stream, .. } if !self.listens(*stream) => {
                self.c.streams.get(stream)?.round_trip
            }
            _ => None,
        }
    }

    /// The last on each stream that listens which says where to go on, and when: they belong to its round trip.
    fn last_marks(&self) -> Vec<(u32, u32)> {
        let mut marks = Vec::new();
        for stream in self.c.streams.values().filter(|s| s.kind == StreamKind::Get) {
            let last = |has: &dyn Fn(&&Item) -> bool| stream.items.iter().rev().find(has).map(|i| i.event);
            let both = [last(&|i| i.event_id.is_some()), last(&|i| i.retry.is_some())];
            marks.extend(both.into_iter().flatten().filter_map(|event| Some((event, stream.round_trip?))));
        }
        marks
    }

    /// The round trips of the last streams that listened in these sessions: of each that many.
    fn listening(&self, sessions: &BTreeSet<usize>, count: usize) -> Vec<u32> {
        let gets = self.c.streams.values().filter(|s| s.kind == StreamKind::Get).filter_map(|s| s.round_trip);
        let mut by_session: HashMap<usize, BTreeSet<u32>> = HashMap::new();
        for number in gets {
            let session = self.c.round_trips.get(&number).and_then(|t| t.session);
            if let Some(session) = session.filter(|s| sessions.contains(s)) {
                by_session.entry(session).or_default().insert(number);
            }
        }
        by_session.into_values().flat_map(|all| all.into_iter().rev().take(count)).collect()
    }

    /// Joins the events of each round trip; gives one place of each.
    fn trips(&mut self, events: &[Event]) -> BTreeMap<u32, usize> {
        let mut anchors: BTreeMap<u32, usize> = BTreeMap::new();
        for (place, event) in events.iter().enumerate() {
            if let Some(trip) = self.trip(&event.body) {
                match anchors.get(&trip) {
                    Some(anchor) => {
                        self.groups.join(place, *anchor);
                        self.closest.join(place, *anchor);
                    }
                    None => drop(anchors.insert(trip, place)),
                }
            }
        }
        for (event, trip) in self.last_marks() {
            if let (Some(place), Some(anchor)) = (self.places.get(&event), anchors.get(&trip)) {
                self.groups.join(*place, *anchor);
                self.closest.join(*place, *anchor);
            }
        }
        // who comes back for the rest of a stream
        let mut streams: HashMap<u32, Vec<&Stream>> = HashMap::new();
        for stream in self.c.streams.values() {
            streams.entry(stream.round_trip.unwrap_or_default()).or_default().push(stream);
        }
        let mut ids: HashMap<&str, u32> = HashMap::new();
        let mut back: Vec<(usize, usize)> = Vec::new();
        for (number, trip) in &self.c.round_trips {
            let from = trip.header("last-event-id").and_then(|id| ids.get(id)).and_then(|n| anchors.get(n));
            back.extend(anchors.get(number).copied().zip(from.copied()));
            // one that listens goes on for ever, and so would what is joined along it
            let whole =
                streams.get(number).into_iter().flatten().filter(|s| s.kind != StreamKind::Get || from.is_some());
            ids.extend(whole.flat_map(|s| &s.items).filter_map(|i| Some((i.event_id.as_deref()?, *number))));
        }
        for (a, b) in back {
            self.groups.join(a, b);
        }
        anchors
    }

    fn messages(&mut self, trips: &BTreeMap<u32, usize>) {
        let c = self.c;
        let mut tasks: HashMap<usize, usize> = HashMap::new();
        let mut cursors: HashMap<(usize, Party, &str), usize> = HashMap::new();
        let mut asked: HashMap<(usize, Party, Id), usize> = HashMap::new();
        for (index, said) in c.iter() {
            let Some(place) = self.place(said) else { continue };
            let others = [said.answers, said.meant_for, said.progress_of, said.redelivers];
            for other in others.into_iter().flatten() {
                if let Some(other) = self.place_of(other) {
                    self.groups.join(place, other);
                }
            }
            let first = said.answered_by.first().and_then(|answer| self.place_of(*answer));
            if let Some(answer) = first {
                self.closest.join(place, answer);
            }
            if let Some(anchor) = said.round_trip.and_then(|t| trips.get(&t)).filter(|_| !self.listens(said.stream)) {
                self.groups.join(place, *anchor);
            }
            if let Some(task) = said.task {
                match tasks.get(&task) {
                    Some(other) => self.groups.join(place, *other),
                    None => drop(tasks.insert(task, place)),
                }
            }
            let params = said.message.params();
            if let Some(next) = said.message.result().get("nextCursor").and_then(Value::as_str) {
                cursors.insert((said.session, said.from, next), place);
            }
            if let Some(from) = params.get("cursor").and_then(Value::as_str)
                && let Some(page) = cursors.get(&(said.session, said.to(), from))
            {
                self.groups.join(place, *page);
            }
            if let Kind::Request { id, .. } = said.message.kind() {
                asked.insert((said.session, said.from, id.clone()), index);
            }
            if said.notifies("notifications/cancelled")
                && let Some(id) = params.get("requestId").map(Id::of)
                && let Some(request) = asked.get(&(said.session, said.from, id)).and_then(|i| self.place_of(*i))
            {
                self.groups.join(place, request);
            }
        }
    }

    /// The places that are held: what is open, and what holds for a whole session.
    fn kept(&self, events: &[Event], trips: &BTreeMap<u32, usize>) -> Kept {
        let mut kept = Kept::default();
        self.open(&mut kept.open);
        let under_way = self.under_way();
        kept.open.extend(trips.iter().filter(|(number, _)| under_way.contains(number)).map(|(_, anchor)| *anchor));
        let latest = self.latest();
        // somebody may come back for the last one, and what that shows hangs on the one before
        let anchors = |count| self.listening(&latest, count).into_iter().filter_map(|n| trips.get(&n)).copied();
        kept.open.extend(anchors(1));
        kept.standing.extend(anchors(LISTENED));
        self.standing(&latest, &mut kept);
        for session in latest {
            self.opening(session, &mut kept);
        }
        for (place, event) in events.iter().enumerate() {
            let stays = match &event.body {
                Body::StreamOpened { round_trip, .. } => round_trip.is_none(),
                Body::StreamClosed { stream, .. } => self.c.streams.get(stream).is_none_or(|s| s.round_trip.is_none()),
                Body::ProcessStarted { .. }
                | Body::ProcessSignalled { .. }
                | Body::ProcessExited { .. }
                | Body::End { .. } => true,
                _ => false,
            };
            if stays {
                kept.open.push(place);
            }
        }
        kept
    }

    /// What waits for something: requests, tasks, and what may belong to a request that waits.
    fn open(&self, kept: &mut Vec<usize>) {
        let c = self.c;
        let cancelled: HashSet<(usize, Party, Id)> = c
            .said
            .iter()
            .filter(|s| s.notifies("notifications/cancelled"))
            .filter_map(|s| Some((s.session, s.from, Id::of(s.message.params().get("requestId")?))))
            .collect();
        let mut waiting: HashSet<(usize, Party)> = HashSet::new();
        let (mut requests, mut maybe) = (Vec::new(), Vec::new());
        // frames that are no message, by stream, until one that is one ends them
        let mut pieces: HashMap<StreamId, Vec<usize>> = HashMap::new();
        for said in &c.said {
            let Some(place) = self.place(said) else { continue };
            let to_answer = (said.session, said.to());
            match said.message.kind() {
                Kind::Request { id, method } => {
                    let key = (said.session, said.from, id.clone());
                    let refused = said.from == Party::Client && c.status_of(said).is_some_and(|s| s >= 400);
                    let closed = !said.answered_by.is_empty()
                        || !said.missed_by.is_empty()
                        || method.starts_with("notifications/")
                        || cancelled.contains(&key)
                        || refused;
                    if !closed {
                        waiting.insert((said.session, said.from));
                        requests.push(place);
                    }
                }
                // one of these may be the answer
                Kind::Result { .. } | Kind::Error { .. } if said.answers.is_some() => {}
                Kind::Result { .. } | Kind::Error { .. } | Kind::Unreadable(_) | Kind::Malformed(_) | Kind::Batch
                    if waiting.contains(&to_answer) =>
                {
                    maybe.push(place);
                }
                _ => {}
            }
            if said.cut && waiting.contains(&to_answer) {
                maybe.push(place);
            }
            if c.transport == Transport::Stdio && said.part.is_none() {
                let line = pieces.entry(said.stream).or_default();
                match said.message.kind() {
                    Kind::Unreadable(_) => line.push(place),
                    _ => line.clear(),
                }
            }
        }
        for places in [requests, maybe] {
            kept.extend(places.into_iter().rev().take(WAITING));
        }
        kept.extend(pieces.into_values().filter(|line| line.len() <= PIECES).flatten());
        for task in c.tasks.iter().filter(|t| t.ended.is_none()) {
            kept.extend(task.sightings.last().and_then(|s| self.place_of(s.message)));
        }
    }

    /// The round trips that have not come to their end.
    fn under_way(&self) -> HashSet<u32> {
        let open = self.c.streams.values().filter(|s| s.writer == Party::Server && s.closed.is_none());
        let unanswered = self.c.round_trips.iter().filter(|(_, t)| t.request.is_some() && t.response.is_none());
        open.filter_map(|s| s.round_trip).chain(unanswered.map(|(number, _)| *number)).collect()
    }

    /// What was said once and holds from then on.
    fn standing(&self, sessions: &BTreeSet<usize>, kept: &mut Kept) {
        let c = self.c;
        let mut seen: BTreeMap<(usize, &str), Vec<(String, usize)>> = BTreeMap::new();
        let mut last: [Option<usize>; 2] = [None, None];
        for said in &c.said {
            let Some(place) = self.place(said) else { continue };
            if !said.breaks.is_empty() {
                kept.standing.push(place);
            }
            if !matches!(said.message.kind(), Kind::Unreadable(_) | Kind::Malformed(_) | Kind::Batch)
                && let Some(slot) = last.get_mut(usize::from(said.from == Party::Server))
            {
                *slot = Some(place);
            }
            let value = match said.method.as_deref() {
                Some("tools/list") if said.is_result() => said.message.result().get("tools").map(Value::to_string),
                Some("resources/subscribe") if said.is_request() => {
                    said.message.params().get("uri").map(Value::to_string)
                }
                _ => None,
            };
            let method = said.method.as_deref().unwrap_or_default();
            if let Some(value) = value.filter(|_| sessions.contains(&said.session)) {
                let values = seen.entry((said.session, method)).or_default();
                if !values.iter().any(|(known, _)| *known == value) {
                    values.push((value, place));
                }
            }
        }
        // whether a party wrote anything else is said of its last message
        kept.open.extend(last.into_iter().flatten());
        for values in seen.into_values() {
            let last = values.into_iter().rev().take(STANDING).scan(0, |bytes, (value, place)| {
                *bytes += value.len();
                (*bytes <= STANDING_BYTES).then_some(place)
            });
            kept.standing.extend(last);
        }
    }

    /// The sessions that spoke last.
    fn latest(&self) -> BTreeSet<usize> {
        let mut latest = BTreeSet::new();
        for said in self.c.said.iter().rev() {
            if latest.len() >= SESSIONS {
                break;
            }
            latest.insert(said.session);
        }
        latest
    }

    /// The handshake of a session, what came before it was complete, and the first of what came after.
    fn opening(&self, session: usize, kept: &mut Kept) {
        let Some(about) = self.c.sessions.get(session) else { return };
        let Some(start) = about.initialize else { return };
        let ready = about.initialized.unwrap_or(start);
        // while the client has not said that it is ready, whether it does is open
        let kept = if about.initialized.is_some() { &mut kept.standing } else { &mut kept.open };
        let mut early = 0;
        let mut after = [0, 0];
        for (index, said) in self.c.iter().filter(|(_, s)| s.session == session) {
            let own = [Some(start), about.initialize_answer, about.initialized].contains(&Some(index));
            let keep = if own {
                true
            } else if index < ready {
                early += 1;
                early <= EARLY
            } else if said.message.is_answer() || said.requests("ping") {
                false
            } else if let Some(count) = after.get_mut(usize::from(said.from == Party::Server)) {
                *count += 1;
                *count <= OPENING
            } else {
                false
            };
            if keep {
                kept.extend(self.place(said));
            }
        }
        // how a session was ended, or told that it is gone
        let of_it = self.c.round_trips.iter().filter(|(_, t)| t.session == Some(session));
        let told = of_it.filter(|(_, t)| t.method == "DELETE" || t.status == Some(404));
        let heads = told.filter_map(|(_, t)| t.request).take(OPENING);
        kept.extend(heads.filter_map(|event| self.places.get(&event).copied()));
    }
}
