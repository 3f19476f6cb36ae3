//! What a step asserts of the message that it is.

use super::binding::{Bindings, Mismatch};
use super::exchange::{Exchange, Occurrence, What, in_words};
use super::model::{Act, Payload, Verb};
use super::pattern::{Pattern, Shape};
use super::plan::{Kind as NodeKind, NodeId};
use crate::trace::Transport;
use crate::wire::{Message, Party};
use serde_json::{Map, Value};
use std::time::Duration;

impl Exchange {
    /// What is asserted of an occurrence, evaluated; binds names.
    pub(super) fn assert(&mut self, act: &Act, target: Option<NodeId>, occurrence: &Occurrence) -> Vec<Mismatch> {
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
        if let What::Responded { status, .. } = &occurrence.what
            && act.is_opposite(*status)
        {
            let refused = "an error status of HTTP, which refuses it";
            let expected = if *status < 400 { refused } else { "a success status of HTTP, which accepts it" };
            let (expected, found) = (expected.to_owned(), format!("HTTP {status}"));
            return vec![Mismatch { pointer: String::new(), expected, found, span: act.payload_span() }];
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
            let heads = if act.party == Party::Client { &own.request_headers } else { &own.response_headers };
            let all: Map<String, Value> =
                heads.iter().map(|(n, v)| (n.to_ascii_lowercase(), Value::from(v.as_str()))).collect();
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

    /// When the stream of a request was closed last, by the steps that say so.
    pub(super) fn closed_at(&self, target: Option<NodeId>) -> Option<Duration> {
        let asked = self.resumed(target?);
        let closes = |n: &NodeId| {
            let (act, closed) = self.act(*n)?;
            (matches!(act.verb, Verb::Closes { .. }) && closed.map(|c| self.resumed(c)) == Some(asked)).then_some(())
        };
        (0..self.plan.nodes.len())
            .filter(|n| closes(n).is_some())
            .filter_map(|n| Some(self.taken[n].as_ref()?.at))
            .max()
    }

    /// The request whose stream a step resumes; of any other step itself.
    pub(super) fn resumed(&self, node: NodeId) -> NodeId {
        let (mut node, mut turns) = (node, 0);
        while let Some((act, Some(target))) = self.act(node)
            && matches!(act.verb, Verb::Resumes { .. })
            && turns < self.plan.nodes.len()
        {
            (node, turns) = (target, turns + 1);
        }
        node
    }

    /// The carried names that an act binds anew: in a loop that carries them, what answers binds.
    pub(super) fn carried(&self, act: &Act) -> Vec<String> {
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

    pub(super) fn assert_payload(&mut self, payload: &Payload, message: &Message, rebind: &[String]) -> Vec<Mismatch> {
        let mut out = Vec::new();
        for (member, pattern) in [("params", &payload.params), ("result", &payload.result), ("error", &payload.error)] {
            let Some(pattern) = pattern else { continue };
            let value = message.value().get(member);
            if value.is_none() && member != "params" {
                let found = in_words(message);
                out.push(Mismatch {
                    pointer: String::new(),
                    expected: format!(
                        "{} {member}: {}",
                        if member == "error" { "an" } else { "a" },
                        self.env.describe(pattern)
                    ),
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

    pub(super) fn describe_payload(&self, payload: &Payload) -> String {
        [("params", &payload.params), ("result", &payload.result), ("error", &payload.error)]
            .into_iter()
            .filter_map(|(name, p)| Some(format!("{name} {}", self.env.describe(p.as_ref()?))))
            .collect::<Vec<_>>()
            .join(", ")
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
