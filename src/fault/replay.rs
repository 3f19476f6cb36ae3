//! A fault applied to a stored trace: what the trace would look like if the party had deviated.
//!
//! The other party does not react, so this is only honest for a deviation whose consequences are none, or are cut off
//! ([`Fault::then`]).

use super::{Context, Fault, Request, Then};
use crate::conversation::Conversation;
use crate::trace::{Body, EndReason, Event, Text, Trace};
use crate::wire::json::Limits;
use crate::wire::{Kind, Message};
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
    let mut fault = fault.clone();
    let c = Conversation::of(&trace.header, &trace.events);
    let mut out = Replayed {
        trace: Trace { header: trace.header.clone(), events: Vec::new() },
        changed: Vec::new(),
        touched: false,
    };
    let mut late = Duration::ZERO;
    for event in &trace.events {
        let body = match &event.body {
            Body::Message { from, text, cut_from: None, .. } if *from == fault.by => (from, text),
            _ => {
                push(&mut out, event, event.body.clone(), late);
                continue;
            }
        };
        let (from, text) = body;
        let message = Message::read(text.bytes().into(), &Limits::default());
        if matches!(message.kind(), Kind::Unreadable(_)) {
            push(&mut out, event, event.body.clone(), late);
            continue;
        }
        let said = c.said.iter().find(|s| s.event == event.seq && s.part.is_none());
        let answers = said.and_then(|s| c.request_of(s)).and_then(|s| Request::of(&s.message));
        let open: Vec<Request> = c
            .said
            .iter()
            .filter(|s| s.event < event.seq && s.from != *from && s.is_request())
            .filter(|s| s.answered_by.iter().all(|a| c.get(*a).is_some_and(|a| a.event >= event.seq)))
            .filter_map(|s| Request::of(&s.message))
            .collect();
        let context = Context { answers: answers.as_ref(), open: &open };
        let sent = fault.apply(message.value(), context);
        let touched = sent.len() != 1 || sent.iter().any(|s| s.changed);
        for outgoing in sent {
            late += outgoing.delay;
            let mut body = event.body.clone();
            if outgoing.changed
                && let Body::Message { text, .. } = &mut body
            {
                *text = Text::Plain(outgoing.message.to_string());
            }
            let seq = push(&mut out, event, body, late);
            if outgoing.changed {
                out.changed.push(seq);
            }
        }
        out.touched |= touched;
        if let Some(then) = fault.then.filter(|_| touched) {
            if then == Then::Deadline {
                push(&mut out, event, Body::End { reason: EndReason::Deadline }, late + DEADLINE);
            }
            break;
        }
    }
    out
}

/// After how long a silence the deadline of a replayed trace passes.
const DEADLINE: Duration = Duration::from_secs(5);

fn push(out: &mut Replayed, event: &Event, body: Body, late: Duration) -> u32 {
    let seq = u32::try_from(out.trace.events.len()).unwrap_or(u32::MAX);
    let late = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
    out.trace.events.push(Event { seq, at: event.at.saturating_add(late), body });
    seq
}
