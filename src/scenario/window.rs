//! Windows in which something must not come: when they are open, and when they close.

use super::exchange::{Exchange, Occurrence, What, in_words};
use super::model::Verb;
use super::plan::{Kind as NodeKind, NodeId};
use super::walk::Deviation;
use crate::trace::Transport;
use crate::wire::Party;
use std::sync::Arc;

impl Exchange {
    /// Looks whether an occurrence is one that an open window forbids.
    pub(super) fn watch_windows(&mut self, occurrence: &Occurrence) {
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
                let found = match &occurrence.what {
                    What::Said { message, .. } => {
                        if !self.clone().assert_payload(&act.payload, message, &[]).is_empty() {
                            continue;
                        }
                        in_words(message)
                    }
                    What::Asked { method, .. } => format!("an HTTP {method}"),
                    What::Responded { status, .. } => format!("HTTP status {status}"),
                    What::Closed { .. } => "the stream was closed".to_owned(),
                };
                self.states[id].violated = true;
                if self.ours == Some(occurrence.from) {
                    continue;
                }
                self.walk.deviations.push(Deviation {
                    step: plan.nodes[*forbidden].name.clone(),
                    event: occurrence.event,
                    party: occurrence.from,
                    pointer: String::new(),
                    expected: self.forbidden(*forbidden, &act.payload),
                    found,
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

    /// What must not come, in words.
    fn forbidden(&self, id: NodeId, payload: &super::model::Payload) -> String {
        let with = self.describe_payload(payload);
        let with = if with.is_empty() { with } else { format!(" with {with}") };
        format!("that it does not come to this: {}{with}", self.plan.words(id))
    }

    pub(super) fn closing(&self) -> bool {
        (0..self.states.len()).any(|id| self.is_closing(id))
    }

    pub(super) fn is_closing(&self, id: NodeId) -> bool {
        matches!(self.plan.nodes[id].kind, NodeKind::During(..))
            && self.states[id].rested.is_some()
            && !self.states[id].done
    }

    /// Can something forbidden still come on a stream that the window's fence does not order?
    pub(super) fn streams_pending(&self, id: NodeId) -> bool {
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
    pub(super) fn close_window(&mut self, id: NodeId, presumed: bool) {
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
}
