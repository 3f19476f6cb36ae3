//! How the automaton moves on: what a step completes, turns of loops, what is passed, what was kept.

use super::exchange::{Exchange, NodeState, Occurrence, What, in_words};
use super::model::{Payload, Verb};
use super::plan::{Kind as NodeKind, NodeId};
use super::walk::{Deviation, Ending, Shown, Unreached};
use crate::spec::methods;
use crate::wire::Party;
use std::sync::Arc;

impl Exchange {
    pub(super) fn enough_turns(&self, id: NodeId) -> bool {
        match &self.plan.nodes[id].kind {
            NodeKind::Loop(l, _) => self.states[id].turns >= l.at_least || self.plan.nodes[id].otherwise.is_some(),
            _ => true,
        }
    }

    pub(super) fn show(&mut self, id: NodeId, event: u32, party: Party, held: bool, early: bool, presumed: bool) {
        // what a block claims holds only if everything in it did
        let held = held && (matches!(self.plan.nodes[id].kind, NodeKind::Act(..)) || !self.deviated_in(id));
        let node = &self.plan.nodes[id];
        let shown = node.proves.iter().map(|proof| Shown {
            requirement: proof.id.clone(),
            step: node.name.clone(),
            event,
            party,
            held,
            early,
            presumed,
        });
        self.walk.shown.extend(shown);
    }

    /// Marks the blocks around a node as begun, and what stood before it as passed.
    pub(super) fn commit(&mut self, id: NodeId) {
        let plan = Arc::clone(&self.plan);
        let mut child = id;
        while let Some(parent) = plan.nodes[child].parent {
            match &plan.nodes[parent].kind {
                NodeKind::Seq(children) => {
                    for before in children.iter().take_while(|c| **c != child) {
                        if !self.states[*before].done {
                            self.pass(*before);
                        }
                    }
                }
                NodeKind::Choose(..) => self.states[parent].chosen = Some(child),
                _ => {}
            }
            self.states[parent].started = true;
            child = parent;
        }
    }

    /// A block is left without having come to its own end.
    pub(super) fn pass(&mut self, id: NodeId) {
        let plan = Arc::clone(&self.plan);
        let reason = match (&plan.nodes[id].kind, &plan.nodes[id].otherwise) {
            (NodeKind::Loop(l, _), Some(otherwise))
                if self.states[id].turns < l.at_least.max(1) || l.ends_with.is_some() =>
            {
                otherwise.clone()
            }
            (NodeKind::Loop(_, body), _) if self.states[id].turns == 0 => {
                let who = plan.initiator(*body).unwrap_or(Party::Client);
                format!("the {who} went another way")
            }
            (NodeKind::Loop(l, _), _) if l.ends_with.is_none() => {
                // a loop that ends when the next step happens has come to its end
                let last = self.states[id].rested.and(self.last_in(id));
                if let Some((event, party)) = last {
                    self.show(id, event, party, true, false, false);
                }
                self.states[id].done = true;
                return;
            }
            (NodeKind::Loop(_, body), _) => {
                let who = plan.initiator(*body).unwrap_or(Party::Client);
                format!("the {who} went on before the loop of step {} had ended", plan.nodes[id].name)
            }
            _ => "this part of the course was optional, and was not taken".to_owned(),
        };
        self.states[id].done = true;
        self.unreach(id, &reason);
    }

    /// The last event that was taken in a block, and whose it was.
    pub(super) fn last_in(&self, id: NodeId) -> Option<(u32, Party)> {
        (id..self.plan.nodes.len())
            .filter(|n| self.within_block(*n, id))
            .filter_map(|n| Some((self.taken[n].as_ref()?.event, self.act(n)?.0.party)))
            .max_by_key(|(event, _)| *event)
    }

    /// Did something differ in a block, in any of its turns?
    fn deviated_in(&self, id: NodeId) -> bool {
        let inside = |name: &str| {
            (id..self.plan.nodes.len()).any(|n| self.plan.nodes[n].name == name && self.within_block(n, id))
        };
        self.walk.deviations.iter().any(|d| inside(&d.step))
    }

    /// The last event in a block that was that party's.
    pub(super) fn last_of(&self, id: NodeId, party: Party) -> Option<u32> {
        (id..self.plan.nodes.len())
            .filter(|n| self.within_block(*n, id) && self.act(*n).is_some_and(|(act, _)| act.party == party))
            .filter_map(|n| Some(self.taken[n].as_ref()?.event))
            .max()
    }

    pub(super) fn within_block(&self, mut node: NodeId, block: NodeId) -> bool {
        while node != block {
            match self.plan.nodes[node].parent {
                Some(parent) => node = parent,
                None => return false,
            }
        }
        true
    }

    pub(super) fn unreach(&mut self, id: NodeId, reason: &str) {
        let plan = Arc::clone(&self.plan);
        for (n, node) in plan.nodes.iter().enumerate() {
            if !self.within_block(n, id) || self.taken[n].is_some() && n != id {
                continue;
            }
            for proof in &node.proves {
                let party = plan.finisher(n).unwrap_or(Party::Server);
                let (requirement, step) = (proof.id.clone(), node.name.clone());
                let unreached = Unreached { requirement, step, party, reason: reason.to_owned() };
                if !self.walk.unreached.contains(&unreached) {
                    self.walk.unreached.push(unreached);
                }
            }
        }
    }

    pub(super) fn complete_upwards(&mut self, id: NodeId, occurrence: Option<&Occurrence>) {
        let plan = Arc::clone(&self.plan);
        let mut child = id;
        while let Some(parent) = plan.nodes[child].parent {
            let complete = match &plan.nodes[parent].kind {
                NodeKind::Seq(children) | NodeKind::Par(children) => children.iter().all(|c| self.states[*c].done),
                NodeKind::May(..) | NodeKind::Choose(..) => true,
                NodeKind::Loop(..) => self.turn(parent, occurrence),
                NodeKind::During(body, _) if child == *body => {
                    self.states[parent].rested = Some(self.now);
                    self.states[*body].done = true;
                    if self.streams_pending(parent) {
                        false
                    } else {
                        self.close_window(parent, false);
                        return;
                    }
                }
                _ => false,
            };
            if !complete {
                return;
            }
            let first_time = !self.states[parent].done;
            self.states[parent].done = true;
            if first_time
                && !matches!(plan.nodes[parent].kind, NodeKind::Loop(..))
                && let (Some(occurrence), false) = (occurrence, plan.nodes[parent].proves.is_empty())
            {
                self.show(parent, occurrence.event, occurrence.from, true, false, false);
            }
            child = parent;
        }
    }

    /// A turn of a loop is complete: does the loop end with it?
    pub(super) fn turn(&mut self, id: NodeId, occurrence: Option<&Occurrence>) -> bool {
        let plan = Arc::clone(&self.plan);
        let NodeKind::Loop(l, body) = &plan.nodes[id].kind else { return true };
        self.states[id].turns += 1;
        self.states[id].started = false;
        self.states[id].rested = Some(self.now);
        let message = occurrence.and_then(|o| match &o.what {
            What::Said { message, .. } => Some(message.as_ref()),
            _ => None,
        });
        if let Some(message) = message {
            self.states[id].pace = methods::pace(message.result());
        }
        let fits = |me: &mut Exchange, payload: &Option<Payload>| -> Option<bool> {
            let (payload, message) = (payload.as_ref()?, message?);
            let mut trial = me.clone();
            let good = trial.assert_payload(payload, message, &[]).is_empty();
            if good {
                me.env = trial.env;
            }
            Some(good)
        };
        let (event, party) = occurrence.map_or((0, Party::Server), |o| (o.event, o.from));
        let ended = match fits(self, &l.ends_with) {
            Some(true) => true,
            Some(false) => match fits(self, &l.while_) {
                Some(false) => {
                    let name = plan.nodes[id].name.clone();
                    if let Some((early, _)) = self.walk.early.first() {
                        // somebody took a later step already: another course than the file's, and not this message's fault
                        let way = format!("step {early} came before the loop of step {name} had ended");
                        self.unreach(id, &format!("the exchange went another way: {way}"));
                        self.walk.other_way.get_or_insert(way);
                        self.states[id].done = true;
                        return true;
                    }
                    let expected = [&l.while_, &l.ends_with]
                        .into_iter()
                        .flatten()
                        .map(|p| self.describe_payload(p))
                        .collect::<Vec<_>>()
                        .join(" or ");
                    let found = message.map_or_else(String::new, in_words);
                    if self.ours != Some(party) {
                        self.walk.deviations.push(Deviation {
                            step: name,
                            event,
                            party,
                            pointer: String::new(),
                            expected,
                            found,
                            span: plan.nodes[id].span,
                            proves: plan.nodes[id].proves.iter().map(|p| p.id.clone()).collect(),
                            decision: plan.nodes[id].decision.clone(),
                        });
                    }
                    self.show(id, event, party, false, false, false);
                    self.states[id].done = true;
                    return true;
                }
                _ => {
                    if let Some(occurrence) = occurrence {
                        self.pass_by(id, occurrence);
                    }
                    false
                }
            },
            None => fits(self, &l.while_) == Some(false),
        };
        if ended {
            self.show(id, event, party, true, false, false);
            return true;
        }
        if l.at_most.is_some_and(|most| self.states[id].turns >= most) {
            let owed = l.ends_with.is_some() || l.while_.is_some();
            if owed && self.ours != Some(party) {
                self.walk.deviations.push(Deviation {
                    step: plan.nodes[id].name.clone(),
                    event,
                    party,
                    pointer: String::new(),
                    expected: format!("an end after at most {} turns", self.states[id].turns),
                    found: "it would go on".into(),
                    span: plan.nodes[id].span,
                    proves: plan.nodes[id].proves.iter().map(|p| p.id.clone()).collect(),
                    decision: None,
                });
            }
            self.show(id, event, party, !owed, false, false);
            return true;
        }
        self.reset(*body);
        false
    }

    /// A loop takes another turn. What the other party asked before this one was begun (known only where we began it), and what a
    /// later step answers, may be what it waits for: if that waited for the loop to end, the two would wait for each other.
    fn pass_by(&mut self, id: NodeId, last: &Occurrence) {
        let begun = self.ours.filter(|ours| *ours != last.from).and_then(|ours| self.last_of(id, ours));
        if let Some(begun) = begun {
            let same = |kept: &&Occurrence| kept.from == last.from && kept.client == last.client;
            let early = self.kept.iter().filter(same).filter(|kept| kept.event < begun);
            self.passed_by = early.map(|kept| kept.event).collect();
        }
    }

    /// Makes a block ready for another turn.
    pub(super) fn reset(&mut self, id: NodeId) {
        for node in id..self.plan.nodes.len() {
            if self.within_block(node, id) {
                self.states[node] = NodeState::default();
            }
        }
        self.decide();
    }

    /// Takes the choices that are ours.
    pub(super) fn decide(&mut self) {
        let plan = Arc::clone(&self.plan);
        let mut next = self.choices.iter();
        for (id, node) in plan.nodes.iter().enumerate() {
            match &node.kind {
                NodeKind::May(decider, body) if Some(*decider) == self.ours => match next.next() {
                    Some(0) => self.states[id].done = true,
                    Some(_) => self.states[id].chosen = Some(*body),
                    None => {}
                },
                NodeKind::Choose(decider, branches) if Some(*decider) == self.ours => {
                    if let Some(branch) = next.next().and_then(|n| branches.get(usize::from(*n))) {
                        self.states[id].chosen = Some(*branch);
                    }
                }
                NodeKind::Loop(l, _) => {
                    for (name, first) in &l.carry {
                        if !self.env.knows(name) {
                            self.env.carry(name, first);
                        }
                    }
                }
                _ => {}
            }
        }
    }

    /// Takes what was kept, and passes what needs no message, until nothing changes.
    pub(super) fn settle(&mut self) {
        loop {
            if !matches!(self.walk.ending, Ending::Open) {
                return;
            }
            self.stamp();
            if self.check_needs() || self.give_up_resuming() {
                continue;
            }
            let frontier = self.frontier();
            let due = self.kept.iter().enumerate().find_map(|(i, occurrence)| {
                frontier.iter().find(|act| self.fits(**act, occurrence)).map(|act| (i, *act))
            });
            let Some((i, act)) = due else { return };
            let occurrence = self.kept.remove(i);
            self.take(act, &occurrence, true);
        }
    }

    /// Notes since when what can come next has been possible.
    pub(super) fn stamp(&mut self) {
        if !self.ready {
            return;
        }
        let now = self.now;
        for act in self.frontier() {
            let mut id = Some(act);
            while let Some(node) = id {
                self.states[node].since.get_or_insert(now);
                id = self.plan.nodes[node].parent;
            }
        }
    }

    /// Evaluates a `needs` that is due; true if something changed.
    pub(super) fn check_needs(&mut self) -> bool {
        let plan = Arc::clone(&self.plan);
        for (id, node) in plan.nodes.iter().enumerate() {
            let NodeKind::Needs(conditions, because) = &node.kind else { continue };
            if self.states[id].done || !self.due_now(id) {
                continue;
            }
            let hold = conditions.iter().all(|(path, pattern)| self.env.fits(pattern, self.env.value(path).as_ref()));
            if hold {
                self.states[id].done = true;
                self.complete_upwards(id, None);
            } else {
                let reason = self.env.text(because);
                self.unreach(self.plan.root, &reason);
                self.walk.ending = Ending::NotExercised { reason };
            }
            return true;
        }
        false
    }

    /// Passes over a client that would come back for a stream of which it has no event id; true if it did.
    fn give_up_resuming(&mut self) -> bool {
        let plan = Arc::clone(&self.plan);
        let hopeless = (0..plan.nodes.len()).find(|id| match &plan.nodes[*id].kind {
            NodeKind::Act(act, target) => {
                matches!(act.verb, Verb::Resumes { .. })
                    && self.ready
                    && !self.states[*id].done
                    && self.due_now(*id)
                    && self.is_ahead(*id)
                    && target.is_some_and(|t| self.taken[t].is_some() && self.was_dropped(t))
                    && !self.can_resume(*target)
            }
            _ => false,
        });
        let Some(id) = hopeless else { return false };
        self.states[id].done = true;
        self.unreach(id, "no event with an id had come by which the stream could be resumed");
        self.complete_upwards(id, None);
        true
    }

    /// Did a step drop the connection of that act?
    fn was_dropped(&self, act: NodeId) -> bool {
        (0..self.plan.nodes.len()).any(|n| {
            self.states[n].done
                && self.act(n).is_some_and(|(a, t)| matches!(a.verb, Verb::Drops { .. }) && t == Some(act))
        })
    }

    /// Is everything before a node in its sequence done, and are the blocks around it entered?
    pub(super) fn due_now(&self, id: NodeId) -> bool {
        let Some(parent) = self.plan.nodes[id].parent else { return true };
        let before = match &self.plan.nodes[parent].kind {
            NodeKind::Seq(children) => children.iter().take_while(|c| **c != id).all(|c| self.states[*c].done),
            _ => true,
        };
        before && self.due_now(parent)
    }
}
