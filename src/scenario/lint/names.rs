//! Names: bound before they are used, and used after they are bound.

use crate::scenario::binding::HOST;
use crate::scenario::diagnostic::{Diagnostics, closest};
use crate::scenario::model::{Act, Needed, Payload, Scenario, Step, StepBody, Verb, Wait};
use crate::scenario::pattern::{Path, Pattern, Piece, Shape};
use crate::scenario::source::Span;
use crate::scenario::visit::walk;
use crate::spec::methods;
use crate::trace::Transport;
use std::collections::{BTreeMap, BTreeSet};

/// Checks one scenario.
pub(super) fn check(scenario: &Scenario, found: &mut Diagnostics) {
    let mut names = Names {
        found,
        scenario,
        bound: BTreeSet::new(),
        labels: BTreeSet::new(),
        captured: BTreeMap::new(),
        uses: BTreeMap::new(),
    };
    for (_, value) in &scenario.given {
        names.fixed(value);
    }
    names.bound.extend(scenario.given.iter().map(|(n, _)| n.clone()));
    if scenario.transports == [Transport::Http] {
        names.bound.insert(HOST.to_owned());
    }
    for need in &scenario.needs {
        if let Needed::Tool(p) | Needed::Prompt(p) | Needed::Resource(p) = &need.what {
            names.fixed(p);
        }
    }
    if let Some(opening) = &scenario.opening {
        for p in opening.params.iter().chain(&opening.result) {
            names.payload(p);
        }
    }
    names.steps(&scenario.exchange);
    names.once();
}

struct Names<'a, 'd> {
    found: &'d mut Diagnostics,
    scenario: &'a Scenario,
    bound: BTreeSet<String>,
    labels: BTreeSet<String>,
    /// Names that a message binds, with the first place.
    captured: BTreeMap<String, Span>,
    uses: BTreeMap<String, usize>,
}

impl<'a> Names<'a, '_> {
    fn steps(&mut self, steps: &'a [Step]) {
        steps.iter().for_each(|s| self.step(s));
    }

    /// As [`Names::steps`], but what is bound there is not bound afterwards for certain.
    fn maybe(&mut self, steps: &'a [Step]) -> BTreeSet<String> {
        let before = self.bound.clone();
        self.steps(steps);
        std::mem::replace(&mut self.bound, before)
    }

    fn step(&mut self, step: &'a Step) {
        if let Some(wait) = &step.within {
            // a block's deadline begins when it is entered
            self.wait(wait, step.places.of("within").unwrap_or(step.span));
        }
        match &step.body {
            StepBody::Act(act) => self.act(act, step),
            StepBody::May { steps, .. } => {
                self.maybe(steps);
            }
            StepBody::Choose { branches, .. } => {
                let after: Vec<BTreeSet<String>> = branches.iter().map(|b| self.maybe(b)).collect();
                let common = after.into_iter().reduce(|a, b| a.intersection(&b).cloned().collect());
                self.bound.extend(common.unwrap_or_default());
            }
            StepBody::Par { branches } => {
                let after: Vec<BTreeSet<String>> = branches.iter().map(|b| self.maybe(b)).collect();
                self.bound.extend(after.into_iter().flatten());
            }
            StepBody::During { steps, never } => {
                let before = self.bound.clone();
                self.steps(steps);
                let after = std::mem::replace(&mut self.bound, before);
                self.maybe(never);
                self.bound = after;
            }
            StepBody::Loop(l) => {
                for (name, first) in &l.carry {
                    self.fixed(first);
                    self.bound.insert(name.clone());
                    *self.uses.entry(name.clone()).or_default() += 1;
                }
                let before = self.bound.clone();
                self.steps(&l.steps);
                for payload in l.while_.iter().chain(&l.ends_with) {
                    self.payloads(payload);
                }
                if l.at_least == 0 && l.ends_with.is_none() {
                    self.bound = before;
                }
            }
            StepBody::Needs { conditions, because } => {
                for (path, pattern) in conditions {
                    self.needed(path, step.span);
                    self.fixed(pattern);
                }
                self.fixed(because);
            }
        }
    }

    fn act(&mut self, act: &'a Act, step: &Step) {
        if let Some(wait) = &act.not_before {
            self.wait(wait, step.places.of("not before").unwrap_or(step.span));
        }
        if let Verb::Sends { bytes } = &act.verb {
            self.fixed(bytes);
        }
        if let (Verb::Requests { method }, Some(params)) = (&act.verb, &act.payload.params) {
            self.correlation(method, params);
        }
        self.payloads(&act.payload);
        if let Some(http) = &act.http {
            for p in http.status.iter().chain(&http.headers).chain(&http.body).chain(&http.last_id).chain(&http.retry) {
                self.payload(p);
            }
        }
        self.labels.extend(act.label.clone());
    }

    /// What finds a request cannot be open: any request would be taken for it.
    fn correlation(&mut self, method: &str, params: &Pattern) {
        let pointer =
            self.scenario.revisions.iter().find_map(|r| methods::find(*r, method)).and_then(|m| m.correlation);
        let Some(member) = pointer.and_then(|p| p.strip_prefix("/params/")) else { return };
        if let Some(value) = member_of(params, member)
            && let Shape::Name(path) = &value.shape
            && !self.bound.contains(&path.name)
        {
            let (path, span, member) = (path.clone(), value.span, member.to_owned());
            self.unbound(&path, span, &format!(": it is the `{member}` by which the request is found"));
        }
    }

    fn payloads(&mut self, payload: &Payload) {
        for p in payload.params.iter().chain(&payload.result).chain(&payload.error) {
            self.payload(p);
        }
    }

    /// A pattern that a message is held against: a name alone is bound to what comes.
    fn payload(&mut self, pattern: &Pattern) {
        let mut binds: Vec<(String, Span)> = Vec::new();
        let mut needs: Vec<(Path, Span)> = Vec::new();
        walk(pattern, &mut |p| match &p.shape {
            Shape::Name(path) if path.members.is_empty() => binds.push((path.name.clone(), p.span)),
            Shape::Name(path) => needs.push((path.clone(), p.span)),
            Shape::Text(pieces) => needs.extend(names_in(pieces).map(|path| (path.clone(), p.span))),
            _ => {}
        });
        for (path, span) in needs {
            self.needed(&path, span);
        }
        for (name, span) in binds {
            *self.uses.entry(name.clone()).or_default() += 1;
            if self.bound.insert(name.clone()) {
                self.captured.entry(name).or_insert(span);
            }
        }
    }

    /// A pattern that no message is held against: every name in it must be bound.
    fn fixed(&mut self, pattern: &Pattern) {
        let mut needs: Vec<(Path, Span)> = Vec::new();
        walk(pattern, &mut |p| match &p.shape {
            Shape::Name(path) => needs.push((path.clone(), p.span)),
            Shape::Text(pieces) => needs.extend(names_in(pieces).map(|path| (path.clone(), p.span))),
            _ => {}
        });
        for (path, span) in needs {
            // the values of `given` may name one another, whatever their order
            if !self.scenario.given.iter().any(|(n, _)| *n == path.name) {
                self.needed(&path, span);
            } else {
                *self.uses.entry(path.name).or_default() += 1;
            }
        }
    }

    fn wait(&mut self, wait: &Wait, span: Span) {
        if let Some(path) = &wait.plus {
            self.needed(&path.clone(), span);
        }
    }

    fn needed(&mut self, path: &Path, span: Span) {
        *self.uses.entry(path.name.clone()).or_default() += 1;
        if self.bound.contains(&path.name) {
            return;
        }
        if self.labels.contains(&path.name) {
            if path.members.len() != 1 || path.members.first().map(String::as_str) != Some("id") {
                self.found.error_help(
                    "bad-name",
                    span,
                    format!("a step has no `{path}`"),
                    format!("the id of its request is `${}.id`", path.name),
                );
            }
            return;
        }
        self.unbound(path, span, "");
    }

    fn unbound(&mut self, path: &Path, span: Span, why: &str) {
        let known = self.bound.iter().chain(&self.labels).map(String::as_str);
        let message = format!("nothing has bound `${}` here{why}", path.name);
        match closest(&path.name, known) {
            Some(name) => {
                let help = format!("did you mean `${name}`?");
                self.found.error_help("name-before-bound", span, message, help);
            }
            None => self.found.error_help(
                "name-before-bound",
                span,
                message,
                "give it in `given`, or bind it in the message of an earlier step",
            ),
        }
        self.bound.insert(path.name.clone());
    }

    fn once(&mut self) {
        for (name, span) in &self.captured {
            if self.uses.get(name) == Some(&1) {
                self.found.warn(
                    "name-used-once",
                    *span,
                    format!("`${name}` is bound here and never used"),
                    "write `<any>` if any value will do",
                );
            }
        }
    }
}

/// The names in a text.
fn names_in(pieces: &[Piece]) -> impl Iterator<Item = &Path> {
    pieces.iter().filter_map(|p| match p {
        Piece::Name(path) => Some(path),
        Piece::Plain(_) => None,
    })
}

/// The pattern of a member, at a path with `/`; the last of several layers counts.
pub(super) fn member_of<'p>(pattern: &'p Pattern, path: &str) -> Option<&'p Pattern> {
    match &pattern.shape {
        Shape::Overlay(all) => all.iter().rev().find_map(|p| member_of(p, path)),
        Shape::Object(members) => {
            let (first, rest) = path.split_once('/').map_or((path, None), |(a, b)| (a, Some(b)));
            let member =
                members.iter().find(|m| matches!(&m.name.shape, Shape::Literal(v) if v.as_str() == Some(first)))?;
            match rest {
                Some(rest) => member_of(&member.value, rest),
                None => Some(&member.value),
            }
        }
        _ => None,
    }
}
