//! The end of a trace: is the course complete, and if not, what is owed, and by whom?

use super::exchange::{Exchange, UNPACED};
use super::plan::{Kind as NodeKind, NodeId};
use super::walk::Ending;
use crate::trace::EndReason;
use crate::wire::Party;
use std::sync::Arc;
use std::time::Duration;

impl Exchange {
    /// The trace ended.
    pub(super) fn finish(&mut self, reason: &EndReason, at: Duration) {
        self.tick(at);
        if !matches!(self.walk.ending, Ending::Open) {
            return;
        }
        if let EndReason::NotApplicable { reason } = reason {
            self.unreach(self.plan.root, reason);
            self.walk.ending = Ending::NotExercised { reason: reason.clone() };
            return;
        }
        let plan = Arc::clone(&self.plan);
        if self.finished() && self.ready && self.frontier_of(plan.root, &mut Vec::new()) {
            // what was optional at the end was not taken, or has come to its end with the trace
            if let NodeKind::Seq(children) = &plan.nodes[plan.root].kind {
                for child in children {
                    if !self.states[*child].done {
                        self.pass(*child);
                    }
                }
            }
            self.walk.ending = Ending::Complete;
            return;
        }
        self.walk.ending = self.owed(at, matches!(reason, EndReason::Gone { .. }));
        let reason = match &self.walk.ending {
            Ending::NotExercised { reason } => reason.clone(),
            Ending::Owed { expected, .. } => format!("the course ended before it: {expected} did not come to pass"),
            _ => "the course ended before it".into(),
        };
        self.unreach(plan.root, &reason);
    }

    /// What is owed, and by whom. What a step's absence may mean is no excuse for a party that is gone.
    pub(super) fn owed(&self, at: Duration, gone: bool) -> Ending {
        let frontier = self.frontier();
        let Some(first) = frontier.first().copied() else {
            return Ending::Complete;
        };
        let (last, who, said) = match &self.last_event {
            Some((event, party, words)) => (Some(*event), Some(*party), words.clone()),
            None => (None, None, String::new()),
        };
        let found = match who {
            Some(who) => format!("nothing more of it; the last message was the {who}'s {said}"),
            None => "nothing came at all".to_owned(),
        };
        // a loop that did not come to its end in time: the party whose messages decide it, if the other kept asking
        for id in 0..self.plan.nodes.len() {
            let NodeKind::Loop(l, body) = &self.plan.nodes[id].kind else { continue };
            let state = &self.states[id];
            if state.done || !frontier.iter().any(|f| self.within_block(*f, id)) {
                continue;
            }
            if let (Some(otherwise), false) = (&self.plan.nodes[id].otherwise, gone) {
                return Ending::NotExercised { reason: otherwise.clone() };
            }
            let (Some(payload), Some(rested)) = (&l.ends_with, state.rested) else { continue };
            let silent = at.saturating_sub(rested) > state.pace.unwrap_or(UNPACED) * 2 + Duration::from_secs(1);
            if state.turns > 0 && !silent {
                let party = self.plan.finisher(*body).unwrap_or(Party::Server);
                let turns = state.turns;
                return Ending::Owed {
                    step: self.plan.nodes[id].name.clone(),
                    party,
                    expected: format!("the {party} to come to {}", self.describe_payload(payload)),
                    found: format!("it did not, in {turns} turns of the loop"),
                    event: self.last_of(*body, party),
                    span: self.plan.nodes[id].span,
                    proves: self.plan.nodes[id].proves.iter().map(|p| p.id.clone()).collect(),
                };
            }
        }
        if let (Some(otherwise), false) = (&self.plan.nodes[first].otherwise, gone) {
            return Ending::NotExercised { reason: otherwise.clone() };
        }
        // where another turn of a loop and the step after it are both possible, the step after it is what is owed
        let owed = frontier.iter().copied().find(|f| !self.optional(*f)).unwrap_or(first);
        let party = self.act(owed).map_or(Party::Server, |(act, _)| act.party);
        // of a choice that was not made, any branch would do
        let ways: Vec<String> = frontier
            .iter()
            .filter(|f| **f == owed || self.choice_of(**f).is_some_and(|c| self.choice_of(owed) == Some(c)))
            .map(|f| self.plan.words(*f))
            .collect();
        Ending::Owed {
            step: self.plan.nodes[owed].name.clone(),
            party,
            expected: format!("that {}", ways.join(", or that ")),
            found,
            event: last,
            span: self.plan.nodes[owed].span,
            proves: self.claims_of(owed),
        }
    }

    /// The undecided choice that an act would decide.
    pub(super) fn choice_of(&self, id: NodeId) -> Option<NodeId> {
        let branch = self.plan.nodes[id].parent?;
        let choice = self.plan.nodes[branch].parent?;
        let open = matches!(self.plan.nodes[choice].kind, NodeKind::Choose(..)) && self.states[choice].chosen.is_none();
        open.then_some(choice)
    }

    /// What a step claims to show, or else the nearest block around it.
    pub(super) fn claims_of(&self, id: NodeId) -> Vec<String> {
        let mut at = Some(id);
        while let Some(node) = at {
            let proves = &self.plan.nodes[node].proves;
            if !proves.is_empty() {
                return proves.iter().map(|p| p.id.clone()).collect();
            }
            at = self.plan.nodes[node].parent;
        }
        Vec::new()
    }

    /// Is an act in a block that need not be entered?
    pub(super) fn optional(&self, id: NodeId) -> bool {
        let mut child = id;
        while let Some(parent) = self.plan.nodes[child].parent {
            let state = &self.states[parent];
            match &self.plan.nodes[parent].kind {
                NodeKind::May(..) if !state.started && state.chosen.is_none() => return true,
                NodeKind::Loop(..) if !state.started && self.enough_turns(parent) => return true,
                _ => {}
            }
            child = parent;
        }
        false
    }
}
