//! What follows from what: one cause is one finding, and what another finding says already is no second one.

use super::engine::Desk;
use super::evidence::{Evidence, Shown};
use super::finding::{Blame, Finding, Verdict};
use super::monitors::base::ANSWERED;
use crate::scenario::walk::{Deviation, Ending};
use crate::spec::catalogue::Level;
use crate::trace::{Body, Event};
use crate::wire::{Kind, Party};
use serde_json::Value;

impl Desk<'_> {
    /// Do two events belong to one HTTP round trip?
    pub(super) fn same_round_trip(&self, one: u32, other: u32) -> bool {
        let event = |seq: u32| self.trace.events.get(usize::try_from(seq).ok()?).map(|e| &e.body);
        let trip = |seq: u32| match event(seq)? {
            Body::HttpRequest { round_trip, .. } | Body::HttpResponse { round_trip, .. } => Some(*round_trip),
            Body::Message { stream, .. } | Body::Signal { stream, .. } | Body::StreamClosed { stream, .. } => {
                self.conversation.streams.get(stream)?.round_trip
            }
            _ => None,
        };
        trip(one).is_some_and(|one| trip(other) == Some(one))
    }

    /// Does a monitor's finding at that message say it already? One about a requirement that the step claims; one about the
    /// same place; and where the message as a whole is another than the step wants, a broken MUST that says why. Something
    /// else that is wrong with the message, or with what carries it, explains nothing.
    pub(super) fn explained(&self, deviation: &Deviation) -> bool {
        let claimed = |e: &Evidence| deviation.proves.iter().any(|id| id == e.requirement);
        let beside = |e: &Evidence| e.said.is_none() && self.same_round_trip(e.event, deviation.event);
        // what the head of an answer does wrong is said of the head, and the step may have waited for its message
        if self.evidence.iter().any(|e| e.is_broken() && e.party == deviation.party && claimed(e) && beside(e)) {
            return true;
        }
        // what carries a message is not the message
        let message = self.conversation.said.iter().any(|s| s.event == deviation.event);
        let here = |e: &&Evidence| e.event == deviation.event && e.party == deviation.party;
        self.evidence.iter().filter(here).any(|e| {
            let Shown::Broken { pointer, .. } = &e.verdict else { return false };
            claimed(e)
                || match (pointer.as_str(), deviation.pointer.as_str()) {
                    (_, "") => e.level == Level::Must && e.said.is_some() == message,
                    ("", _) => false,
                    (place, other) => within(place, other) || within(other, place),
                }
        })
    }

    /// Is it a value that the other party had no right to give us, and that we only said after it?
    pub(super) fn echoes(&self, evidence: &Evidence) -> bool {
        if self.tests(evidence.party) {
            return false;
        }
        let given = |e: &&Evidence| e.is_broken() && self.tests(e.party) && e.event < evidence.event;
        // what we say to garbage is no fault of ours
        let said = evidence.said.and_then(|said| self.conversation.get(said));
        let to_us = |s: &crate::conversation::Said| s.answers.or(s.meant_for);
        let answered = said.and_then(|s| self.conversation.get(to_us(s)?));
        if answered.is_some_and(|a| self.evidence.iter().filter(given).any(|e| e.event == a.event)) {
            return true;
        }
        // who asks without an id gets an answer without one
        let nobodys = |s: &crate::conversation::Said| s.message.value().get("id").is_some_and(Value::is_null);
        let asks = |e: &Evidence| e.said.and_then(|i| self.conversation.get(i)).is_some_and(&nobodys);
        if said.is_some_and(|s| s.message.is_answer() && nobodys(s)) && self.evidence.iter().filter(given).any(asks) {
            return true;
        }
        // two requests with one token have reports that cannot be told apart
        let report = said.or_else(|| self.conversation.said.iter().find(|s| s.event == evidence.event));
        let token = report.and_then(|s| s.message.params().get("progressToken"));
        if token.is_some() && self.evidence.iter().filter(given).any(|e| self.shown_at(e) == token) {
            return true;
        }
        // what we did not say to a party that had gone astray
        let silent = said.is_some_and(|s| s.from != evidence.party);
        let astray = |e: &Evidence| e.is_broken() && self.tests(e.party) && e.level == Level::Must;
        if silent && self.evidence.iter().any(astray) {
            return true;
        }
        let Some(value) = self.shown_at(evidence) else { return false };
        self.evidence.iter().filter(given).any(|e| self.shown_at(e) == Some(value))
    }

    /// Does it only follow from what the other party did or left undone, and not from anything of ours?
    pub(super) fn follows(&self, evidence: &Evidence) -> bool {
        self.echoes(evidence) || self.held_back(evidence) || self.provoked(evidence)
    }

    /// Is it an answer that we kept for a step to which the course did not come?
    fn held_back(&self, evidence: &Evidence) -> bool {
        let stuck = matches!(&self.walked, Some(Ok((_, walk))) if !matches!(walk.ending, Ending::Complete));
        evidence.requirement == ANSWERED && !self.tests(evidence.party) && stuck
    }

    /// What a message has at the place that is wrong.
    fn shown_at(&self, evidence: &Evidence) -> Option<&Value> {
        let Shown::Broken { pointer, .. } = &evidence.verdict else { return None };
        if pointer.is_empty() {
            return None;
        }
        self.conversation.get(evidence.said?)?.message.value().pointer(pointer)
    }

    /// The failure from which what a party says at that event, in words that the specification does not have, merely follows:
    /// its own, earlier, about the same task; or one whose wrong value we had to ask with.
    pub(super) fn root(&self, findings: &[Finding], party: Party, event: u32) -> Option<usize> {
        let said = self.conversation.said.iter().find(|s| s.event == event)?;
        let echoed = self.asked_with_an_echo(event);
        findings.iter().position(|f| {
            let at = f.event.filter(|at| *at < event && f.verdict == Verdict::Fail && f.blame == Blame::from(party));
            let earlier = at.and_then(|at| self.conversation.said.iter().find(|s| s.event == at));
            earlier.is_some_and(|s| echoed || s.task.is_some() && s.task == said.task)
        })
    }

    /// The failure of a party because of which the other refused what it said: it goes no further for that.
    pub(super) fn refused(&self, findings: &[Finding], party: Party) -> Option<usize> {
        let refuses = |event: u32| {
            let it = self.conversation.said.iter().position(|s| s.event == event && s.from == party);
            let answers = |s: &crate::conversation::Said| it.is_some() && s.answers.or(s.meant_for) == it;
            let mut errors = self.conversation.said.iter().filter(|s| matches!(s.message.kind(), Kind::Error { .. }));
            let error = errors.any(answers);
            let status = |e: &Event| matches!(e.body, Body::HttpResponse { status, .. } if status >= 400);
            let heads = self.trace.events.iter().filter(|e| status(e));
            error || heads.into_iter().any(|head| self.same_round_trip(event, head.seq))
        };
        findings
            .iter()
            .position(|f| f.verdict == Verdict::Fail && f.blame == Blame::from(party) && f.event.is_some_and(refuses))
    }

    /// The requirement by which that message, as a whole, should have been something else.
    pub(super) fn wrong_kind(&self, deviation: &Deviation) -> Option<&'static str> {
        let whole = |e: &&Evidence| match &e.verdict {
            Shown::Broken { pointer, .. } => matches!(pointer.as_str(), "" | "/error" | "/error/code" | "/result"),
            Shown::Held => false,
        };
        let at = |e: &&Evidence| e.event == deviation.event && e.party == deviation.party;
        let found = self.evidence.iter().filter(|_| deviation.pointer.is_empty()).filter(at).find(whole);
        found.map(|e| e.requirement)
    }

    /// Does it answer a request of ours that had a value of the other party's in it which that had no right to give?
    pub(super) fn asked_with_an_echo(&self, event: u32) -> bool {
        let said = self.conversation.said.iter().find(|s| s.event == event);
        let asked = said.and_then(|s| self.conversation.request_of(s));
        let echo = |e: &&Evidence| e.is_broken() && self.echoes(e);
        asked.is_some_and(|a| self.evidence.iter().filter(echo).any(|e| e.event == a.event))
    }

    /// What is wrong in an answer of that party that answers nothing: it may have been the one that is missing.
    pub(super) fn stray(&self, findings: &[Finding], party: Party) -> Option<usize> {
        let nobodys = |event: u32| {
            let said = self.conversation.said.iter().find(|s| s.event == event);
            said.is_some_and(|s| s.message.is_answer() && s.answers.is_none())
        };
        findings.iter().position(|f| f.blame == Blame::from(party) && f.event.is_some_and(nobodys))
    }

    /// The worst finding on a party under test that is there already: what came later follows from it.
    pub(super) fn cause(&self, findings: &[Finding]) -> Option<usize> {
        let worst = findings.iter().enumerate().filter(|(_, f)| matches!(f.blame, Blame::Client | Blame::Server));
        worst.max_by_key(|(i, f)| (f.verdict, std::cmp::Reverse(*i))).map(|(i, _)| i)
    }
}

/// Is a place of a message inside another, or the same one?
fn within(place: &str, other: &str) -> bool {
    place.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::Conversation;
    use crate::conversation::sample::Sample;
    use crate::scenario::source::Span;
    use crate::spec::Catalogue;
    use serde_json::json;

    const RELATED: &str = "/params/_meta/io.modelcontextprotocol~1related-task";

    /// Is it explained that a message deviates at `place`, by a finding at `other` of it (`None`: of what carries it)?
    fn explained(place: &str, level: Level, other: Option<&str>) -> bool {
        let mut t = Sample::stdio();
        let params = json!({"progressToken": 1, "progress": 1});
        let event = t.server(json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": params}));
        let trace = t.done();
        let conversation = Conversation::of(&trace.header, &trace.events);
        let pointer = other.unwrap_or_default().to_owned();
        let verdict = Shown::Broken { expected: "this".into(), found: "that".into(), pointer };
        let evidence = Evidence {
            requirement: "base.jsonrpc.conforms",
            party: Party::Server,
            event,
            said: other.is_some().then_some(0),
            verdict,
            level,
            presumed: false,
            decision: None,
        };
        let catalogue = Catalogue::of(trace.header.revision);
        let desk = Desk { trace: &trace, conversation, catalogue, evidence: vec![evidence], walked: None };
        desk.explained(&Deviation {
            step: "1".into(),
            event,
            party: Party::Server,
            pointer: place.into(),
            expected: "this".into(),
            found: "that".into(),
            span: Span::default(),
            proves: vec!["tasks.progress.same-token".into()],
            decision: None,
        })
    }

    #[test]
    fn only_the_same_place_explains_a_place() {
        assert!(explained(RELATED, Level::Should, Some(RELATED)));
        assert!(explained(RELATED, Level::Should, Some("/params/_meta")));
        assert!(explained("/params", Level::Should, Some(RELATED)));
        for (other, what) in
            [(None, "an id of its event"), (Some(""), "the whole"), (Some("/params/progress"), "a member")]
        {
            assert!(!explained(RELATED, Level::Must, other), "{what} explains nothing");
        }
    }

    #[test]
    fn that_a_message_is_another_follows_only_from_what_is_wrong_with_the_message() {
        assert!(explained("", Level::Must, Some("")));
        assert!(explained("", Level::Must, Some("/params/progress")));
        assert!(!explained("", Level::Should, Some("/params/progress")));
        assert!(!explained("", Level::Must, None));
    }
}
