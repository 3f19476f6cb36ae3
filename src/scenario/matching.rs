//! Which step a message is: by who, kind, method and correlation.

use super::exchange::{Exchange, Occurrence, Taken, What};
use super::model::{Act, Payload, Verb};
use super::pattern::{Pattern, Shape};
use super::plan::NodeId;
use crate::spec::methods;
use crate::trace::Transport;
use crate::wire::message::Kind;
use crate::wire::{Id, Message, Party};
use serde_json::Value;

impl Exchange {
    /// Who, kind, method and correlation.
    pub(super) fn fits(&self, id: NodeId, occurrence: &Occurrence) -> bool {
        let Some((act, target)) = self.act(id) else { return false };
        if act.party != occurrence.from || self.plan.client_of(id) != occurrence.client.as_deref() {
            return false;
        }
        // what has no answer is accepted by any success, whatever comes with it
        let answerless = target.and_then(|t| self.act(t)).is_some_and(|(t, _)| {
            matches!(
                t.verb,
                Verb::Notifies { .. }
                    | Verb::Answers { .. }
                    | Verb::Deletes { .. }
                    | Verb::Opens { .. }
                    | Verb::Resumes { .. }
            )
        });
        let target = target.and_then(|t| self.taken[t].as_ref());
        let http = self.plan.transport == Transport::Http;
        match (&act.verb, &occurrence.what) {
            (Verb::Sends { bytes }, What::Said { message, .. }) => {
                self.env.clone().bytes(bytes).is_ok_and(|b| b == message.raw().as_ref())
            }
            // over HTTP an error without an id belongs to the round trip in which it came
            (Verb::Answers { .. }, What::Said { message, trip, .. })
                if http && message.id().is_none() && target.is_some_and(|t| t.trip != *trip) =>
            {
                false
            }
            (_, What::Said { message, request, .. }) => self.fits_message(act, target, message, *request),
            (Verb::Accepts { .. }, What::Responded { trip, status, with_content }) => {
                target.is_some_and(|t| t.trip == Some(*trip))
                    && (200..300).contains(status)
                    && (answerless || !with_content)
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

    /// The act that a response settles by being its opposite, where nothing else can come of that round trip: accepted is what
    /// had to be refused, or refused what had to be accepted.
    pub(super) fn contradicted(&self, occurrence: &Occurrence) -> Option<NodeId> {
        let What::Responded { trip, status, .. } = &occurrence.what else { return None };
        let about = |id: &NodeId| {
            let (act, target) = self.act(*id)?;
            let asked = target.and_then(|t| self.taken[t].as_ref())?;
            let same = asked.trip == Some(*trip) && act.party == occurrence.from;
            (same && self.plan.client_of(*id) == occurrence.client.as_deref()).then_some((*id, act))
        };
        let frontier = self.frontier();
        let mut possible = frontier.iter().filter_map(about);
        let (id, act) = possible.next().filter(|_| possible.next().is_none())?;
        (act.is_opposite(*status) && self.plan.nodes[id].otherwise.is_none()).then_some(id)
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
                    (Some(raw), Some(id)) => names_id(raw, id),
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
    pub(super) fn answers_kept(&self, id: NodeId, occurrence: &Occurrence) -> bool {
        let What::Said { request: Some(request), .. } = &occurrence.what else { return false };
        self.answers_kept_request(id, occurrence.from, occurrence.client.as_deref(), *request)
    }

    /// The same for a message that is not said yet.
    pub(super) fn answers_kept_request(&self, id: NodeId, from: Party, client: Option<&str>, request: u32) -> bool {
        let Some((act, Some(target))) = self.act(id) else { return false };
        act.party == from
            && self.plan.client_of(id) == client
            && matches!(act.verb, Verb::Answers { .. })
            && self.kept.iter().any(|kept| kept.event == request && self.fits(target, kept))
    }

    pub(super) fn correlates(&self, method: &str, payload: &Payload, message: &Message) -> bool {
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
    pub(super) fn inner(&self, pattern: &Pattern, members: &[&str]) -> Option<Pattern> {
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

    /// A request came. Of those with the same id before it, those stay in mind whose answer a step waits for.
    pub(super) fn note_request(&mut self, key: (Option<String>, Party, Id), event: u32) {
        let mut same = self.requests.remove(&key).unwrap_or_default();
        same.retain(|earlier| self.is_awaited(*earlier));
        same.push(event);
        self.requests.insert(key, same);
    }

    /// The event of a party's request with that id, in the exchange of that client: the latest, unless a step waits for the answer
    /// to an earlier one.
    pub(super) fn request_event(&self, client: Option<&str>, from: Party, id: &Id) -> Option<u32> {
        let same = self.requests.get(&(client.map(str::to_owned), from, id.clone()))?;
        same.iter().find(|event| self.is_awaited(**event)).or(same.last()).copied()
    }

    /// Is a request that came with that event kept for a step, or one whose answer is a step that can still come?
    fn is_awaited(&self, event: u32) -> bool {
        let is_it = |target: NodeId| self.taken[target].as_ref().is_some_and(|taken| taken.event == event);
        let answers = |id: &NodeId| {
            let of = |(act, target): (&Act, Option<NodeId>)| {
                matches!(act.verb, Verb::Answers { .. }) && target.is_some_and(is_it)
            };
            !self.states[*id].done && self.act(*id).is_some_and(of) && self.is_ahead(*id)
        };
        self.kept.iter().any(|kept| kept.event == event) || (0..self.plan.nodes.len()).any(|id| answers(&id))
    }
}

impl Act {
    /// Is a response with that status the opposite of what the act says?
    pub(super) fn is_opposite(&self, status: u16) -> bool {
        match &self.verb {
            Verb::Refuses { .. } => status < 400,
            Verb::Accepts { .. } => status >= 400,
            _ => false,
        }
    }
}

/// Is there a member `id` with that value somewhere in the bytes?
fn names_id(raw: &[u8], id: &Id) -> bool {
    let text: String = String::from_utf8_lossy(raw).chars().filter(|c| !c.is_whitespace()).collect();
    let wanted = format!("\"id\":{id}").replace(char::is_whitespace, "");
    let ends = |rest: &str| rest.is_empty() || rest.starts_with([',', '}', ']']);
    text.match_indices(&wanted).any(|(at, found)| text.get(at + found.len()..).is_some_and(ends))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_found_where_it_is_one() {
        let raw = br#"[{"jsonrpc": "2.0", "id": "b1", "method": "ping"}, {"id" : 20}"#;
        assert!(names_id(raw, &Id::Text("b1".into())));
        assert!(names_id(raw, &Id::Integer(20)));
        for other in [Id::Integer(2), Id::Integer(0), Id::Text("ping".into())] {
            assert!(!names_id(raw, &other), "{other}");
        }
    }
}
