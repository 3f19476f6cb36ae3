//! A scenario laid out for one transport: the tree of steps as a flat table, with the targets of answers resolved.

use super::model::{Act, Condition, Doing, Loop, Proof, Scenario, Step, StepBody, Verb, Wait};
use super::pattern::{Path, Pattern};
use super::source::Span;
use crate::trace::Transport;
use crate::wire::Party;
use std::collections::HashMap;
use std::sync::Arc;

/// The place of a node in [`Plan::nodes`].
pub(super) type NodeId = usize;

/// A scenario on one transport.
#[derive(Debug)]
pub struct Plan {
    pub(super) scenario: Arc<Scenario>,
    pub(super) transport: Transport,
    pub(super) nodes: Vec<Node>,
    pub(super) root: NodeId,
}

/// One node.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) parent: Option<NodeId>,
    pub(super) proves: Vec<Proof>,
    pub(super) decision: Option<String>,
    pub(super) within: Option<Wait>,
    pub(super) otherwise: Option<String>,
    pub(super) span: Span,
}

/// What a node is.
#[derive(Debug)]
pub(super) enum Kind {
    /// An act, and the act that its target is.
    Act(Box<Act>, Option<NodeId>),
    /// One after the other.
    Seq(Vec<NodeId>),
    May(Party, NodeId),
    Choose(Party, Vec<NodeId>),
    Loop(Box<Loop>, NodeId),
    Par(Vec<NodeId>),
    During(NodeId, Vec<NodeId>),
    Needs(Vec<(Path, Pattern)>, Pattern),
}

impl Plan {
    /// Lays out a scenario for a transport: steps whose `when` does not hold there are left out.
    #[must_use]
    pub fn new(scenario: Arc<Scenario>, transport: Transport) -> Plan {
        let mut plan = Plan { scenario: Arc::clone(&scenario), transport, nodes: Vec::new(), root: 0 };
        plan.root = plan.seq(&scenario.exchange, None, "", Span::default());
        plan.resolve();
        plan
    }

    /// The scenario.
    #[must_use]
    pub fn scenario(&self) -> &Arc<Scenario> {
        &self.scenario
    }

    /// The transport.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// How many branches each choice of `party` has, in the order of the file; a `may` has two (not at all, and all of it).
    #[must_use]
    pub fn choices_of(&self, party: Party) -> Vec<u8> {
        self.nodes
            .iter()
            .filter_map(|node| match &node.kind {
                Kind::May(decider, _) if *decider == party => Some(2),
                Kind::Choose(decider, branches) if *decider == party => u8::try_from(branches.len()).ok(),
                _ => None,
            })
            .collect()
    }

    /// Does the course begin with the handshake itself, because a step writes out some of it?
    #[must_use]
    pub fn greets(&self) -> bool {
        self.acts().any(Act::greets)
    }

    /// Does a client open event streams in the course?
    #[must_use]
    pub fn listens(&self) -> bool {
        self.acts().any(|act| matches!(act.verb, Verb::Opens { .. }))
    }

    /// Is the step a window, or something that must not be seen in one?
    #[must_use]
    pub fn is_window(&self, step: &str) -> bool {
        self.nodes.iter().enumerate().filter(|(_, node)| node.name == step).any(|(id, node)| {
            matches!(node.kind, Kind::During(..))
                || node.parent.is_some_and(
                    |parent| matches!(&self.nodes[parent].kind, Kind::During(_, never) if never.contains(&id)),
                )
        })
    }

    /// The requirements that some step claims to show, with the step's name.
    pub fn claims(&self) -> impl Iterator<Item = (&str, &Proof)> {
        self.nodes.iter().flat_map(|n| n.proves.iter().map(move |p| (n.name.as_str(), p)))
    }

    fn holds(&self, when: &[Condition]) -> bool {
        when.iter().all(|c| match c {
            Condition::Transport(t) => *t == self.transport,
        })
    }

    fn push(&mut self, step: Option<&Step>, parent: Option<NodeId>, name: &str, span: Span) -> NodeId {
        self.nodes.push(Node {
            name: step.map_or_else(|| name.to_owned(), |s| s.name.clone()),
            kind: Kind::Seq(Vec::new()),
            parent,
            proves: step.map_or_else(Vec::new, |s| s.proves.clone()),
            decision: step.and_then(|s| s.decision.clone()),
            within: step.and_then(|s| s.within.clone()),
            otherwise: step.and_then(|s| s.otherwise.clone()),
            span: step.map_or(span, |s| s.span),
        });
        self.nodes.len() - 1
    }

    fn seq(&mut self, steps: &[Step], parent: Option<NodeId>, name: &str, span: Span) -> NodeId {
        let id = self.push(None, parent, name, span);
        let children: Vec<NodeId> =
            steps.iter().filter(|s| self.holds(&s.when)).collect::<Vec<_>>().iter().map(|s| self.step(s, id)).collect();
        self.nodes[id].kind = Kind::Seq(children);
        id
    }

    fn step(&mut self, step: &Step, parent: NodeId) -> NodeId {
        let id = self.push(Some(step), Some(parent), "", step.span);
        let seqs = |plan: &mut Plan, branches: &[Vec<Step>]| -> Vec<NodeId> {
            branches.iter().map(|b| plan.seq(b, Some(id), &step.name, step.span)).collect()
        };
        self.nodes[id].kind = match &step.body {
            StepBody::Act(act) => Kind::Act(act.clone(), None),
            StepBody::May { decider, steps } => Kind::May(*decider, self.seq(steps, Some(id), &step.name, step.span)),
            StepBody::Choose { decider, branches } => Kind::Choose(*decider, seqs(self, branches)),
            StepBody::Loop(l) => {
                let body = self.seq(&l.steps, Some(id), &step.name, step.span);
                Kind::Loop(l.clone(), body)
            }
            StepBody::Par { branches } => Kind::Par(seqs(self, branches)),
            StepBody::During { steps, never } => {
                let body = self.seq(steps, Some(id), &step.name, step.span);
                let never = never.iter().map(|s| self.step(s, id)).collect();
                Kind::During(body, never)
            }
            StepBody::Needs { conditions, because } => Kind::Needs(conditions.clone(), because.clone()),
        };
        id
    }

    /// Finds the act that each target names: the label, or else the nearest act before it that requests that method.
    fn resolve(&mut self) {
        let mut labels: HashMap<String, NodeId> = HashMap::new();
        let mut methods: HashMap<(Option<String>, String), NodeId> = HashMap::new();
        for (id, node) in self.nodes.iter().enumerate() {
            if let Kind::Act(act, _) = &node.kind {
                labels.extend(act.label.as_ref().map(|label| (label.clone(), id)));
            }
        }
        for id in 0..self.nodes.len() {
            let Kind::Act(act, _) = &self.nodes[id].kind else { continue };
            let target = match &act.verb {
                Verb::Requests { method } => {
                    methods.insert((act.named.clone(), method.clone()), id);
                    methods.insert((None, method.clone()), id);
                    None
                }
                Verb::Answers { request }
                | Verb::Drops { request }
                | Verb::Resumes { request }
                | Verb::Cancels { request }
                | Verb::Closes { request }
                | Verb::Accepts { request }
                | Verb::Refuses { request } => labels
                    .get(request)
                    .or_else(|| methods.get(&(act.named.clone(), request.clone())))
                    .or_else(|| methods.get(&(None, request.clone())))
                    .copied(),
                Verb::Notifies { .. } | Verb::Sends { .. } | Verb::Opens { .. } | Verb::Deletes { .. } => None,
            };
            if let Kind::Act(_, slot) = &mut self.nodes[id].kind {
                *slot = target;
            }
        }
    }

    /// Which of several clients an act is of, or meant for: the one that is named; that of the request it refers to; that of
    /// the stream it comes over. `None` for the first.
    pub(super) fn client_of(&self, id: NodeId) -> Option<&str> {
        let Kind::Act(act, target) = &self.nodes.get(id)?.kind else { return None };
        if act.party == Party::Client {
            return act.named.as_deref();
        }
        // what a target refers to comes before it, so that this ends
        let over = act.over.as_ref().and_then(|label| self.labelled(label));
        target.or(over).filter(|at| *at != id).and_then(|at| self.client_of(at))
    }

    /// The node with that label.
    pub(super) fn labelled(&self, label: &str) -> Option<NodeId> {
        self.nodes.iter().position(|n| matches!(&n.kind, Kind::Act(act, _) if act.label.as_deref() == Some(label)))
    }

    /// The party that does the first act of a block.
    pub(super) fn initiator(&self, id: NodeId) -> Option<Party> {
        match &self.nodes[id].kind {
            Kind::Act(act, _) => Some(act.party),
            Kind::Seq(all) | Kind::Par(all) => all.iter().find_map(|c| self.initiator(*c)),
            Kind::May(decider, _) | Kind::Choose(decider, _) => Some(*decider),
            Kind::Loop(_, body) | Kind::During(body, _) => self.initiator(*body),
            Kind::Needs(..) => None,
        }
    }

    /// The party that does the last act of a block.
    pub(super) fn finisher(&self, id: NodeId) -> Option<Party> {
        match &self.nodes[id].kind {
            Kind::Act(act, _) => Some(act.party),
            Kind::Seq(all) | Kind::Par(all) => all.iter().rev().find_map(|c| self.finisher(*c)),
            Kind::May(_, body) | Kind::Loop(_, body) | Kind::During(body, _) => self.finisher(*body),
            Kind::Choose(_, branches) => branches.iter().find_map(|b| self.finisher(*b)),
            Kind::Needs(..) => None,
        }
    }

    /// An act in words: `client requests tasks/result`.
    pub(super) fn words(&self, id: NodeId) -> String {
        let node = &self.nodes[id];
        let Kind::Act(act, target) = &node.kind else {
            return match &node.kind {
                Kind::Loop(_, body) => format!("the loop of step {} ({})", node.name, self.words_of_first(*body)),
                _ => format!("step {}", node.name),
            };
        };
        let of = |label: &str| match target.map(|t| &self.nodes[t].kind) {
            Some(Kind::Act(asked, _)) => match &asked.verb {
                Verb::Requests { method } if method == label => method.clone(),
                Verb::Requests { method } => format!("{method} ({label})"),
                Verb::Sends { .. } => {
                    format!("the bytes of step {} ({label})", target.map_or("", |t| &self.nodes[t].name))
                }
                _ => label.to_owned(),
            },
            _ => label.to_owned(),
        };
        let party = act.named.clone().unwrap_or_else(|| act.party.to_string());
        match &act.verb {
            Verb::Requests { method } => format!("the {party} requests {method}"),
            Verb::Answers { request } => format!("the {party} answers {}", of(request)),
            Verb::Notifies { method } => format!("the {party} notifies {method}"),
            Verb::Sends { .. } => format!("the {party} sends bytes"),
            Verb::Opens { what } => format!("the {party} opens a {what}"),
            Verb::Drops { request } => format!("the {party} drops {}", of(request)),
            Verb::Resumes { request } => format!("the {party} resumes {}", of(request)),
            Verb::Cancels { request } => format!("the {party} cancels {}", of(request)),
            Verb::Closes { request } => format!("the {party} closes the stream of {}", of(request)),
            Verb::Deletes { what } => format!("the {party} deletes the {what}"),
            Verb::Accepts { request } => format!("the {party} accepts {}", of(request)),
            Verb::Refuses { request } => format!("the {party} refuses {}", of(request)),
        }
    }

    fn words_of_first(&self, body: NodeId) -> String {
        match &self.nodes[body].kind {
            Kind::Act(..) => self.words(body),
            Kind::Seq(all) => all.first().map_or_else(String::new, |c| self.words_of_first(*c)),
            _ => self.words(body),
        }
    }
}

impl Plan {
    /// What the application above the client does on this transport.
    pub fn actions(&self) -> impl Iterator<Item = &super::model::Action> {
        self.scenario.drive.iter().filter(|a| self.holds(&a.when))
    }

    /// The same in a play of a party that is ours, without what belongs to a branch that the play does not take: an
    /// application that went there all the same would go another way than the script. Where the client is ours, the script
    /// makes the requests that are no more than that.
    #[must_use]
    pub fn actions_with(&self, ours: Option<Party>, choices: &[u8]) -> Vec<&super::model::Action> {
        let untaken = self.untaken(ours, choices);
        let left_out = |label: &str| {
            let mut at = self.labelled(label);
            while let Some(id) = at {
                if untaken.contains(&id) {
                    return true;
                }
                at = self.nodes[id].parent;
            }
            false
        };
        let scripted = |action: &super::model::Action| {
            let of_a_request = matches!(action.what, Doing::Request { .. } | Doing::Cancel { .. });
            let scripted = of_a_request || matches!(action.what, Doing::ChangeRoots { .. });
            ours == Some(Party::Client) && scripted
        };
        self.actions().filter(|a| !a.what.step().is_some_and(left_out) && !scripted(a)).collect()
    }

    /// The blocks that a play with those choices leaves out.
    fn untaken(&self, ours: Option<Party>, choices: &[u8]) -> Vec<NodeId> {
        let mut next = choices.iter();
        let mut out = Vec::new();
        for (id, node) in self.nodes.iter().enumerate() {
            match &node.kind {
                Kind::May(decider, _) if Some(*decider) == ours && next.next() == Some(&0) => out.push(id),
                Kind::Choose(decider, branches) if Some(*decider) == ours => {
                    if let Some(taken) = next.next() {
                        let others = branches.iter().enumerate().filter(|(n, _)| *n != usize::from(*taken));
                        out.extend(others.map(|(_, branch)| *branch));
                    }
                }
                _ => {}
            }
        }
        out
    }

    /// The acts of the course, in the order of the file.
    pub fn acts(&self) -> impl Iterator<Item = &Act> {
        self.nodes.iter().filter_map(|n| match &n.kind {
            Kind::Act(act, _) => Some(act.as_ref()),
            _ => None,
        })
    }

    /// The act with that label.
    #[must_use]
    pub fn act(&self, label: &str) -> Option<&Act> {
        self.acts().find(|act| act.label.as_deref() == Some(label))
    }

    /// What the file asserts of the answer to the request with that label.
    #[must_use]
    pub fn answer_to(&self, label: &str) -> Option<&super::model::Payload> {
        let asked = self.labelled(label)?;
        self.nodes.iter().find_map(|n| match &n.kind {
            Kind::Act(act, Some(target)) if *target == asked && matches!(act.verb, Verb::Answers { .. }) => {
                Some(&act.payload)
            }
            _ => None,
        })
    }
}
