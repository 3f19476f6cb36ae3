//! A fault applied to a stored trace: what the trace would look like if the party had deviated.
//!
//! The other party does not react, so this is only honest for a deviation whose consequences are none, or are cut off
//! ([`Fault::then`]).

use super::{Bare, Carrier, Context, Fault, Head, Outgoing, Over, Part, Request, Then, What};
use crate::conversation::{Conversation, Said};
use crate::trace::{Body, EndReason, Event, StreamId, Text, Trace};
use crate::wire::json::Limits;
use crate::wire::{Kind, Message, Party};
use std::collections::BTreeSet;
use std::time::Duration;

/// A trace with a fault in it.
#[derive(Debug, Clone)]
pub struct Replayed {
    /// The trace.
    pub trace: Trace,
    /// The events that are not as they were.
    pub changed: Vec<u32>,
    /// Did the fault do anything at all?
    pub touched: bool,
}

/// Applies a fault to a trace.
#[must_use]
pub fn replay(fault: &Fault, trace: &Trace) -> Replayed {
    let mut replay = Replay {
        fault: fault.clone(),
        c: Conversation::of(&trace.header, &trace.events),
        out: Replayed {
            trace: Trace { header: trace.header.clone(), events: Vec::new() },
            changed: Vec::new(),
            touched: false,
        },
        late: Duration::ZERO,
        without: BTreeSet::new(),
    };
    let mut events = trace.events.iter().peekable();
    while let Some(event) = events.next() {
        let touched = replay.event(event);
        replay.out.touched |= touched;
        if let Some(then) = fault.then.filter(|_| touched) {
            // a request that was begun is seen to its end
            while let Some(rest) = events.next_if(|next| replay.is_rest_of(event, next)) {
                replay.push(rest, rest.body.clone(), false);
            }
            if then == Then::Deadline {
                replay.late += DEADLINE;
                replay.push(event, Body::End { reason: EndReason::Deadline }, false);
            }
            break;
        }
    }
    replay.out
}

/// After how long a silence the deadline of a replayed trace passes.
const DEADLINE: Duration = Duration::from_secs(5);

struct Replay {
    fault: Fault,
    /// The honest conversation.
    c: Conversation,
    out: Replayed,
    late: Duration,
    /// The round trips that did not come about.
    without: BTreeSet<u32>,
}

impl Replay {
    /// Passes an event on, altered or not. Says whether it was.
    fn event(&mut self, event: &Event) -> bool {
        if self.trip_of(&event.body).is_some_and(|trip| self.without.contains(&trip)) {
            return false;
        }
        match &event.body {
            Body::Message { from, text, cut_from: None, .. } if *from == self.fault.by => {
                let message = Message::read(text.bytes().into(), &Limits::default());
                if !matches!(message.kind(), Kind::Unreadable(_)) {
                    return self.message(event, &message);
                }
            }
            Body::HttpRequest { round_trip, method, target, headers, .. } if self.fault.by == Party::Client => {
                let (verb, target, headers) = (method.clone(), target.clone(), headers.clone());
                return self.head(event, *round_trip, Head { verb, target, headers, ..Head::default() });
            }
            Body::HttpResponse { round_trip, status, headers, .. } if self.fault.by == Party::Server => {
                let (status, headers) = (Some(*status), headers.clone());
                return self.head(event, *round_trip, Head { status, headers, ..Head::default() });
            }
            Body::Signal { stream, event_id, retry, note } if self.fault.by == Party::Server => {
                let bare = Bare { event_id: event_id.clone(), retry: *retry, note: note.clone() };
                return self.signal(event, *stream, &bare);
            }
            Body::StreamClosed { stream, by, .. } if *by == Some(self.fault.by) => {
                return self.end(event, Part::End, Some(*stream));
            }
            Body::ProcessExited { party, .. } if *party == self.fault.by => {
                return self.end(event, Part::Exit, None);
            }
            _ => {}
        }
        self.push(event, event.body.clone(), false);
        false
    }

    fn push(&mut self, event: &Event, body: Body, changed: bool) {
        let seq = u32::try_from(self.out.trace.events.len()).unwrap_or(u32::MAX);
        let late = u64::try_from(self.late.as_micros()).unwrap_or(u64::MAX);
        self.out.trace.events.push(Event { seq, at: event.at.saturating_add(late), body });
        if changed {
            self.out.changed.push(seq);
        }
    }

    /// Is the one event the head of a request, and the other of its body?
    fn is_rest_of(&self, head: &Event, next: &Event) -> bool {
        let stream = match &next.body {
            Body::StreamOpened { stream, .. } | Body::Message { stream, .. } | Body::StreamClosed { stream, .. } => {
                stream
            }
            _ => return false,
        };
        let Body::HttpRequest { round_trip, .. } = &head.body else { return false };
        self.c.streams.get(stream).is_some_and(|s| s.writer == Party::Client && s.round_trip == Some(*round_trip))
    }

    fn message(&mut self, event: &Event, message: &Message) -> bool {
        let Body::Message { stream, from, .. } = &event.body else { return false };
        let said = self.c.said.iter().find(|s| s.event == event.seq && s.part.is_none());
        let answers = said.and_then(|s| self.c.request_of(s)).and_then(|s| Request::of(&s.message));
        let open: Vec<Request> = self
            .c
            .said
            .iter()
            .filter(|s| s.event < event.seq && s.from != *from && s.is_request())
            .filter(|s| s.answered_by.iter().all(|a| self.c.get(*a).is_some_and(|a| a.event >= event.seq)))
            .filter_map(|s| Request::of(&s.message))
            .collect();
        let carrier = carrier(&self.c, self.trip_of(&event.body), Some(*stream));
        let sent = self.fault.apply(message.value(), Context { answers: answers.as_ref(), open: &open, carrier });
        let touched = sent.len() != 1 || sent.iter().any(|s| s.changed);
        self.late += sent.iter().map(|s| s.delay).max().unwrap_or_default();
        for outgoing in sent {
            let goes = |over: &Over| self.latest(event.seq, over).is_some();
            if outgoing.copy && !outgoing.over.as_ref().is_some_and(goes) {
                continue;
            }
            let changed = outgoing.changed;
            let body = self.body(event, outgoing);
            self.push(event, body, changed);
        }
        touched
    }

    /// The record of what is sent in the place of a message.
    fn body(&self, event: &Event, outgoing: Outgoing) -> Body {
        let mut body = event.body.clone();
        let Body::Message { stream, text, event_id, .. } = &mut body else { return body };
        if let Some(over) = &outgoing.over {
            *stream = self.latest(event.seq, over).unwrap_or(*stream);
        }
        match (&outgoing.what, outgoing.changed) {
            (What::Event(Bare { event_id, retry, note }), _) => {
                let (stream, event_id, retry, note) = (*stream, event_id.clone(), *retry, note.clone());
                return Body::Signal { stream, event_id, retry, note };
            }
            (what, true) => {
                *text = Text::of(&what.frame().unwrap_or_default());
                if let Some(id) = outgoing.event_id {
                    *event_id = id;
                }
            }
            (_, false) => {}
        }
        body
    }

    /// The latest stream that is meant, opened before that event; an open one before a closed one.
    fn latest(&self, event: u32, over: &Over) -> Option<StreamId> {
        let meant = self.c.streams.iter().filter(|(_, s)| {
            let posted = || posted(&self.c, s.round_trip?).and_then(|p| p.method.clone());
            s.opened < event && s.kind == over.stream && (over.method.is_none() || over.method == posted())
        });
        let open = |s: &crate::conversation::Stream| s.closed.as_ref().is_none_or(|(closed, _)| *closed > event);
        meant.max_by_key(|(_, s)| (open(s), s.opened)).map(|(id, _)| *id)
    }

    fn head(&mut self, event: &Event, round_trip: u32, head: Head) -> bool {
        let altered = self.fault.head(head, &carrier(&self.c, Some(round_trip), None));
        self.late += altered.delay;
        let Some(head) = altered.what else {
            self.without.insert(round_trip);
            return true;
        };
        let mut body = event.body.clone();
        match &mut body {
            Body::HttpRequest { method, target, headers, .. } => {
                (*method, *target, *headers) = (head.verb, head.target, head.headers);
            }
            Body::HttpResponse { status, headers, body, .. } => {
                *status = head.status.unwrap_or(*status);
                *headers = head.headers;
                if let Some(text) = head.body {
                    *body = Some(Text::Plain(text));
                }
            }
            _ => {}
        }
        self.push(event, body, altered.changed);
        altered.changed
    }

    fn signal(&mut self, event: &Event, stream: StreamId, bare: &Bare) -> bool {
        let altered = self.fault.event(bare, &carrier(&self.c, self.trip_of(&event.body), Some(stream)));
        self.late += altered.delay;
        for (Bare { event_id, retry, note }, changed) in altered.what {
            self.push(event, Body::Signal { stream, event_id, retry, note }, changed);
        }
        altered.changed
    }

    fn end(&mut self, event: &Event, part: Part, stream: Option<StreamId>) -> bool {
        let altered = self.fault.end(part, &carrier(&self.c, self.trip_of(&event.body), stream));
        self.late += altered.delay;
        if altered.what {
            self.push(event, event.body.clone(), altered.changed);
        }
        altered.changed
    }

    fn trip_of(&self, body: &Body) -> Option<u32> {
        match body {
            Body::HttpRequest { round_trip, .. } | Body::HttpResponse { round_trip, .. } => Some(*round_trip),
            Body::StreamOpened { round_trip, .. } => *round_trip,
            Body::Message { stream, .. } | Body::Signal { stream, .. } | Body::StreamClosed { stream, .. } => {
                self.c.streams.get(stream).and_then(|s| s.round_trip)
            }
            _ => None,
        }
    }
}

/// The message that was posted in a round trip.
fn posted(c: &Conversation, round_trip: u32) -> Option<&Said> {
    c.said.iter().find(|s| s.round_trip == Some(round_trip) && s.from == Party::Client && s.part.is_none())
}

/// What something in that round trip, on that stream, goes over.
#[must_use]
pub fn carrier(c: &Conversation, round_trip: Option<u32>, stream: Option<StreamId>) -> Carrier<'_> {
    let stream = stream.and_then(|s| c.streams.get(&s)).map(|s| s.kind);
    let Some((number, trip)) = round_trip.and_then(|r| Some((r, c.round_trips.get(&r)?))) else {
        return Carrier { stream, ..Carrier::default() };
    };
    let posted = posted(c, number);
    Carrier {
        verb: Some(&trip.method),
        headers: &trip.headers,
        status: trip.status,
        stream,
        posted: posted.map(|s| &s.message),
        method: posted.and_then(|s| s.method.as_deref()),
    }
}
