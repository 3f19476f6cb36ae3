//! Two parties under test: what one of them did, or left undone, only because the other had gone astray before.
//!
//! From a seat of ours such things are ours, and nobody is blamed for them. Where both parties are watched they must not
//! become a second finding, against who was wronged.

use super::engine::Desk;
use super::evidence::Evidence;
use super::finding::{Blame, Finding, Verdict};
use crate::conversation::Said;
use crate::spec::catalogue::Level;
use crate::trace::Body;
use crate::wire::Party;

/// What is wrong on the other side, and where.
struct Astray<'d> {
    desk: &'d Desk<'d>,
    /// The events of that party that break a MUST, or are a failure.
    events: Vec<u32>,
}

impl Desk<'_> {
    /// Are both parties under test?
    pub(super) fn both(&self) -> bool {
        self.tests(Party::Client) && self.tests(Party::Server)
    }

    /// What that party did wrong, as far as monitors and `findings` tell.
    fn astray(&self, party: Party, findings: &[Finding]) -> Astray<'_> {
        let broken = self.evidence.iter().filter(|e| e.is_broken() && e.party == party && e.level == Level::Must);
        let failed = findings.iter().filter(|f| f.blame == Blame::from(party) && f.verdict >= Verdict::Fail);
        let mut events: Vec<u32> = broken.map(|e| e.event).chain(failed.filter_map(|f| f.event)).collect();
        events.sort_unstable();
        Astray { desk: self, events }
    }

    /// Is that evidence only what the other party's fault has led to?
    pub(super) fn provoked(&self, evidence: &Evidence) -> bool {
        if !self.both() {
            return false;
        }
        let astray = self.astray(evidence.party.other(), &[]);
        let said = evidence.said.and_then(|said| self.conversation.get(said));
        match said.filter(|said| said.from != evidence.party) {
            // it points at what the other party said, and the party that it is about said nothing to it
            Some(asked) => astray.leaves_without_answer(asked),
            None => astray.leads_to(evidence.event),
        }
    }

    /// Is what that party did at that event only what the other party's fault has led to?
    pub(super) fn provoked_at(&self, findings: &[Finding], party: Party, event: u32) -> bool {
        self.both() && self.astray(party.other(), findings).leads_to(event)
    }

    /// Does what a party answers at that event follow from a failure of its own in what it asked meanwhile?
    pub(super) fn meanwhile(&self, findings: &[Finding], party: Party, event: u32) -> bool {
        let astray = self.astray(party, findings);
        let asked = astray.said_at(event).and_then(|said| self.conversation.request_of(said));
        self.both() && asked.is_some_and(|asked| astray.nested(asked).iter().any(|at| astray.at(*at)))
    }

    /// What the server did wrong in the last thing that it said before the application got, at that event, something else than
    /// it was promised.
    pub(super) fn misled(&self, findings: &[Finding], saw: Option<u32>) -> Option<usize> {
        let told = |s: &&Said| s.from == Party::Server && saw.is_some_and(|saw| s.event < saw);
        let last = self.conversation.said.iter().filter(|_| self.both()).rfind(told)?.event;
        findings.iter().position(|f| f.blame == Blame::Server && f.event == Some(last))
    }

    /// The failure of the other party because of which that party went no further: it answers no more, or asks for nothing
    /// more. `last`: what was said last.
    pub(super) fn stopped_by(&self, findings: &[Finding], party: Party, last: Option<u32>) -> Option<usize> {
        if !self.both() {
            return None;
        }
        let other = party.other();
        let astray = self.astray(other, findings);
        let open = |s: &&Said| s.from == other && s.is_request() && s.answered_by.is_empty();
        let open: Vec<&Said> = self.conversation.said.iter().filter(open).collect();
        findings.iter().position(|f| {
            let Some(event) = f.event.filter(|_| f.blame == Blame::from(other)) else { return false };
            if astray.is_handshake(event) || astray.was_refused(event) {
                return true;
            }
            f.verdict >= Verdict::Fail
                && (Some(event) == last
                    || open.iter().any(|asked| asked.event == event || astray.nested(asked).contains(&event)))
        })
    }
}

impl Astray<'_> {
    fn at(&self, event: u32) -> bool {
        self.events.binary_search(&event).is_ok()
    }

    fn said_at(&self, event: u32) -> Option<&Said> {
        self.desk.conversation.said.iter().find(|s| s.event == event)
    }

    /// Does an event follow from one that is astray? It answers that; it answers what could not be done without an answer that
    /// is astray; it belongs to a round trip that is; or it carries what does.
    fn leads_to(&self, event: u32) -> bool {
        if let Some(said) = self.said_at(event) {
            return self.answered_by(said) || self.reported_by(said);
        }
        let Some(Body::HttpRequest { .. } | Body::HttpResponse { .. }) = self.desk.body(event) else { return false };
        let beside = self.events.iter().any(|at| *at < event && self.desk.same_round_trip(*at, event));
        let carried = self.desk.conversation.said.iter().filter(|s| self.desk.same_round_trip(s.event, event));
        beside || carried.into_iter().any(|said| self.answered_by(said))
    }

    /// Is that message an answer to what is astray?
    fn answered_by(&self, said: &Said) -> bool {
        let to = said.answers.or(said.meant_for).and_then(|to| self.desk.conversation.get(to));
        let Some(asked) = to else {
            // below JSON-RPC an answer may say only what it refuses
            return said.message.is_answer() && self.events.iter().any(|at| self.desk.same_round_trip(*at, said.event));
        };
        self.at(asked.event)
            || self.events.iter().any(|at| *at < said.event && self.nested(asked).contains(at))
            || self.events.iter().any(|at| *at < said.event && self.desk.same_request(*at, asked))
    }

    /// Is that message progress under a token that is astray? Of two requests with one token it cannot be told which is meant.
    fn reported_by(&self, said: &Said) -> bool {
        let report = said.method.as_deref() == Some("notifications/progress");
        let Some(token) = said.message.params().get("progressToken").filter(|_| report) else { return false };
        let asked = self.events.iter().filter_map(|at| self.said_at(*at));
        let mut given = asked.filter_map(|asked| asked.message.params().pointer("/_meta/progressToken"));
        given.any(|given| given == token)
    }

    /// Is it for something that is astray that a request has no answer?
    fn leaves_without_answer(&self, asked: &Said) -> bool {
        self.at(asked.event)
            || asked.is_request()
                && (self.events.iter().any(|at| self.is_handshake(*at) || self.was_refused(*at))
                    // what was asked later, so that no two silences excuse each other
                    || self.nested(asked).iter().any(|at| self.at(*at)))
    }

    /// What the one who asked was asked itself before it had its answer: the questions, and its answers.
    fn nested(&self, asked: &Said) -> Vec<u32> {
        let c = &self.desk.conversation;
        let until = asked.answered_by.first().and_then(|answer| c.get(*answer)).map_or(u32::MAX, |answer| answer.event);
        let question = |s: &&Said| {
            s.from != asked.from
                && s.is_request()
                && s.session == asked.session
                && asked.event < s.event
                && s.event < until
        };
        let mut events = Vec::new();
        for question in c.said.iter().filter(question) {
            events.push(question.event);
            let answers = question.answered_by.iter().chain(&question.missed_by);
            events.extend(answers.filter_map(|answer| c.get(*answer)).map(|answer| answer.event));
        }
        events
    }

    fn is_handshake(&self, event: u32) -> bool {
        let greets = |method: &str| method == "initialize" || method == "notifications/initialized";
        self.said_at(event).is_some_and(|s| s.method.as_deref().is_some_and(greets))
    }

    /// Was what stands at that event refused by the other party, with an error or a status?
    fn was_refused(&self, event: u32) -> bool {
        let refusal = |e: &crate::trace::Event| matches!(e.body, Body::HttpResponse { status, .. } if status >= 400);
        self.desk.trace.events.iter().any(|e| refusal(e) && self.desk.same_round_trip(event, e.seq))
    }
}

impl Desk<'_> {
    fn body(&self, event: u32) -> Option<&Body> {
        self.trace.events.get(usize::try_from(event).ok()?).map(|e| &e.body)
    }

    /// Is that the HTTP request which carries a message?
    fn same_request(&self, event: u32, carried: &Said) -> bool {
        matches!(self.body(event), Some(Body::HttpRequest { .. })) && self.same_round_trip(event, carried.event)
    }
}
