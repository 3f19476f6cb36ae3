//! Blocks and acts: choices that can be told apart, loops that end, windows that show something, acts a party can do.

use crate::scenario::diagnostic::Diagnostics;
use crate::scenario::model::{Act, Condition, Loop, Payload, Scenario, Step, StepBody, Verb, each_step};
use crate::scenario::pattern::{Member, Pattern, Shape, Type};
use crate::spec::catalogue::{Catalogue, Transport as OnTransport};
use crate::spec::{Revision, methods};
use crate::trace::Transport;
use crate::wire::Party;
use serde_json::Value;

/// Checks one scenario.
pub(super) fn check(scenario: &Scenario, found: &mut Diagnostics) {
    each_step(&scenario.exchange, &mut |step| match &step.body {
        StepBody::Choose { decider, branches } => choice(*decider, branches, found),
        StepBody::May { decider, steps } => {
            if let Some(first) = steps.first()
                && first_act(steps, *decider).is_none()
            {
                found.error(
                    "indistinct-choice",
                    first.span,
                    format!("what the {decider} may do must begin with something it does"),
                );
            }
        }
        StepBody::Loop(l) => bounds(step, l, found),
        StepBody::During { steps, never } => window(steps, never, found),
        StepBody::Act(act) => possible(scenario, step, act, found),
        StepBody::Par { .. } | StepBody::Needs { .. } => {}
    });
    endless(&scenario.exchange, true, found);
    let both = scenario.transports.contains(&Transport::Stdio);
    if both {
        over_stdio(scenario, &scenario.exchange, found);
    }
}

/// The first act, if the list begins with one of that party's (in a block it must be certain to be the first).
fn first_act(steps: &[Step], party: Party) -> Option<&Act> {
    let first = steps.first()?;
    match &first.body {
        StepBody::Act(act) if act.party == party => Some(act),
        StepBody::During { steps, .. } => first_act(steps, party),
        StepBody::Loop(l) if l.at_least > 0 || l.ends_with.is_some() => first_act(&l.steps, party),
        _ => None,
    }
}

fn choice(decider: Party, branches: &[Vec<Step>], found: &mut Diagnostics) {
    let firsts: Vec<Option<&Act>> = branches.iter().map(|b| first_act(b, decider)).collect();
    for (branch, first) in branches.iter().zip(&firsts) {
        if let (Some(step), None) = (branch.first(), first) {
            let message = format!("a branch that the {decider} chooses must begin with something it does");
            found.error_help(
                "indistinct-choice",
                step.span,
                message,
                format!("the {} learns of the choice from the first message", decider.other()),
            );
        }
    }
    for (j, b) in firsts.iter().enumerate() {
        for a in firsts.iter().take(j) {
            if let (Some(a), Some(b), Some(step)) = (a, b, branches.get(j).and_then(|s| s.first()))
                && !acts_differ(a, b)
            {
                found.error_help(
                    "indistinct-choice",
                    step.span,
                    format!("the {} cannot tell this branch from an earlier one by its first message", decider.other()),
                    "let the first messages differ in kind, method, or a value that one has and the other cannot have",
                );
            }
        }
    }
}

/// Is no message both?
fn acts_differ(a: &Act, b: &Act) -> bool {
    if std::mem::discriminant(&a.verb) != std::mem::discriminant(&b.verb) || a.named != b.named {
        return true;
    }
    let targets_differ = match (&a.verb, &b.verb) {
        (Verb::Requests { method: x }, Verb::Requests { method: y })
        | (Verb::Notifies { method: x }, Verb::Notifies { method: y }) => x != y,
        (Verb::Answers { request: x }, Verb::Answers { request: y })
        | (Verb::Accepts { request: x }, Verb::Accepts { request: y })
        | (Verb::Refuses { request: x }, Verb::Refuses { request: y })
        | (Verb::Closes { request: x }, Verb::Closes { request: y })
        | (Verb::Cancels { request: x }, Verb::Cancels { request: y })
        | (Verb::Drops { request: x }, Verb::Drops { request: y })
        | (Verb::Resumes { request: x }, Verb::Resumes { request: y }) => x != y,
        (Verb::Sends { bytes: x }, Verb::Sends { bytes: y }) => disjoint(x, y),
        _ => false,
    };
    let status = |act: &Act| act.http.as_ref().and_then(|h| h.status.clone());
    targets_differ
        || payloads_differ(&a.payload, &b.payload)
        || matches!((status(a), status(b)), (Some(x), Some(y)) if disjoint(&x, &y))
}

fn payloads_differ(a: &Payload, b: &Payload) -> bool {
    let pair = |x: &Option<Pattern>, y: &Option<Pattern>| matches!((x, y), (Some(x), Some(y)) if disjoint(x, y));
    (a.result.is_some() && b.error.is_some())
        || (a.error.is_some() && b.result.is_some())
        || pair(&a.params, &b.params)
        || pair(&a.result, &b.result)
        || pair(&a.error, &b.error)
}

/// Is there certainly no value that both match?
fn disjoint(a: &Pattern, b: &Pattern) -> bool {
    let kind = |s: &Shape| match s {
        Shape::Literal(v) => Some(match v {
            Value::Null => Type::Null,
            Value::Bool(_) => Type::Boolean,
            Value::Number(_) => Type::Number,
            Value::String(_) => Type::String,
            Value::Array(_) => Type::Array,
            Value::Object(_) => Type::Object,
        }),
        Shape::Type(t) => Some(*t),
        Shape::Integer { .. } => Some(Type::Number),
        Shape::Timestamp | Shape::Matches(_) | Shape::Text(_) => Some(Type::String),
        Shape::Object(_) => Some(Type::Object),
        Shape::Array(_) | Shape::Contains(_) | Shape::Each(_) => Some(Type::Array),
        _ => None,
    };
    match (&a.shape, &b.shape) {
        (Shape::OneOf(all), _) => all.iter().all(|p| disjoint(p, b)),
        (_, Shape::OneOf(all)) => all.iter().all(|p| disjoint(a, p)),
        (Shape::Overlay(all), _) => all.last().is_some_and(|p| disjoint(p, b)),
        (_, Shape::Overlay(all)) => all.last().is_some_and(|p| disjoint(a, p)),
        (Shape::Absent, Shape::Absent) => false,
        (Shape::Absent, Shape::Name(_)) | (Shape::Name(_), Shape::Absent) => false,
        (Shape::Absent, _) | (_, Shape::Absent) => true,
        (Shape::Literal(x), Shape::Literal(y)) => x != y,
        (Shape::Literal(x), Shape::Integer { min, max }) | (Shape::Integer { min, max }, Shape::Literal(x)) => {
            x.as_i64().is_none_or(|n| min.is_some_and(|m| n < m) || max.is_some_and(|m| n > m))
        }
        (Shape::Integer { min: a0, max: a1 }, Shape::Integer { min: b0, max: b1 }) => {
            matches!((a1, b0), (Some(x), Some(y)) if x < y) || matches!((b1, a0), (Some(x), Some(y)) if x < y)
        }
        (Shape::Object(x), Shape::Object(y)) => {
            let named = |m: &Member| y.iter().find(|n| n.name.shape == m.name.shape).map(|n| &n.value);
            x.iter().any(|m| named(m).is_some_and(|other| disjoint(&m.value, other)))
        }
        (x, y) => matches!((kind(x), kind(y)), (Some(x), Some(y)) if x != y),
    }
}

fn bounds(step: &Step, l: &Loop, found: &mut Diagnostics) {
    if l.at_most == Some(0) {
        found.error(
            "reversed-bounds",
            step.places.of("at most").unwrap_or(step.span),
            "a loop of at most 0 turns is none",
        );
    } else if let Some(most) = l.at_most
        && l.at_least > most
    {
        let span = step.places.of("at least").unwrap_or(step.span);
        found.error(
            "reversed-bounds",
            span,
            format!("at least {} turns and at most {most} cannot both be", l.at_least),
        );
    }
}

/// Loops that can go on for ever. `ended`: nothing follows this list.
fn endless(steps: &[Step], ended: bool, found: &mut Diagnostics) {
    for (i, step) in steps.iter().enumerate() {
        let next = steps.get(i + 1);
        if let StepBody::Loop(l) = &step.body {
            let bounded = l.at_most.is_some() || step.within.is_some() || l.ends_with.is_some();
            let help = "add `within: 10s` or `at most: 100`, or say what it `ends with`";
            match (bounded, &l.while_, next) {
                (true, ..) => {}
                (false, Some(_), Some(next)) => {
                    found.error_help("unreachable", next.span, "the loop before this can go on for ever", help);
                }
                (false, None, Some(_)) => {} // it ends when the next step happens, and that has the default deadline
                (false, None, None) if !ended => {}
                (false, ..) => found.error_help("no-bound", step.span, "this loop can go on for ever", help),
            }
        }
        let in_loop = matches!(step.body, StepBody::Loop(_));
        for inner in step.inner() {
            endless(inner, in_loop || (ended && next.is_none()), found);
        }
    }
}

fn window(steps: &[Step], never: &[Step], found: &mut Diagnostics) {
    if let Some(last) = steps.last() {
        let fence = matches!(&last.body, StepBody::Act(a) if matches!(a.verb, Verb::Answers { .. } | Verb::Accepts { .. } | Verb::Refuses { .. }));
        if !fence {
            found.error_help(
                "no-fence",
                last.span,
                "the window does not end with an answer",
                "end it with something that must be answered afterwards, such as a `ping` and its answer",
            );
        }
    }
    for step in never {
        if !matches!(step.body, StepBody::Act(_)) {
            found.error("bad-never", step.span, "in `never` stand single acts");
        } else if !step.proves.is_empty() || step.within.is_some() || step.otherwise.is_some() {
            found.error_help(
                "bad-never",
                step.span,
                "what must not happen proves nothing and has no deadline",
                "move `proves` to the `during`",
            );
        }
    }
}

/// Acts that a party cannot do, and methods that it does not have.
fn possible(scenario: &Scenario, step: &Step, act: &Act, found: &mut Diagnostics) {
    let client_only =
        matches!(act.verb, Verb::Opens { .. } | Verb::Drops { .. } | Verb::Resumes { .. } | Verb::Deletes { .. });
    let server_only = matches!(act.verb, Verb::Accepts { .. } | Verb::Refuses { .. } | Verb::Closes { .. });
    if (client_only && act.party != Party::Client) || (server_only && act.party != Party::Server) {
        found.error("wrong-party", step.span, format!("only a {} can do this", act.party.other()));
    }
    let (method, request) = match &act.verb {
        Verb::Requests { method } => (method, true),
        Verb::Notifies { method } => (method, false),
        _ => return,
    };
    let span = step.places.of("target").unwrap_or(step.span);
    // the name under which the ecosystem asks for what does not exist
    if method.starts_with("unknown/") {
        return;
    }
    for revision in &scenario.revisions {
        match methods::find(*revision, method) {
            None => {
                let known: Vec<&str> =
                    methods::of(*revision).filter(|m| m.is_request() == request).map(|m| m.name).collect();
                let message = format!("{revision} has no method `{method}`");
                match crate::scenario::diagnostic::closest(method, known) {
                    Some(k) if k != method => {
                        found.error_help("unknown-method", span, message, format!("did you mean `{k}`?"))
                    }
                    _ => {
                        let held: Vec<&str> = methods::revisions_of(method).iter().map(|r| r.as_str()).collect();
                        let help = if held.is_empty() {
                            "a method that is meant to be unknown begins with `unknown/`".to_owned()
                        } else {
                            format!("it exists in {}", held.join(", "))
                        };
                        found.error_help("unknown-method", span, message, help);
                    }
                }
                return;
            }
            Some(m) if m.is_request() != request => {
                let is = if request { "a notification" } else { "a request" };
                found.error("unknown-method", span, format!("`{method}` is {is}"));
                return;
            }
            Some(m) if !m.from.has(act.party) => {
                found.error("unknown-method", span, format!("in {revision} a {} does not send `{method}`", act.party));
                return;
            }
            Some(_) => {}
        }
    }
}

const HTTP_HELP: &str = "say `transports: http` at the head of the file, or `when: { transport: http }` at the step";

/// What only HTTP has, where nothing restricts the play to it. A branch among others is simply not taken over stdio.
fn over_stdio(scenario: &Scenario, steps: &[Step], found: &mut Diagnostics) {
    for step in steps {
        if step.when.contains(&Condition::Transport(Transport::Http)) {
            continue;
        }
        match &step.body {
            StepBody::Choose { .. } => continue,
            StepBody::Act(act) => {
                let verb = matches!(
                    act.verb,
                    Verb::Opens { .. }
                        | Verb::Drops { .. }
                        | Verb::Resumes { .. }
                        | Verb::Closes { .. }
                        | Verb::Deletes { .. }
                        | Verb::Accepts { .. }
                        | Verb::Refuses { .. }
                );
                if verb || act.http.is_some() {
                    found.error_help(
                        "needs-http",
                        step.span,
                        "only HTTP has this, and the file is played over stdio too",
                        HTTP_HELP,
                    );
                }
            }
            _ => step.inner().for_each(|inner| over_stdio(scenario, inner, found)),
        }
        for proof in &step.proves {
            let only =
                |r: &Revision| Catalogue::of(*r).get(&proof.id).is_some_and(|q| q.transport == OnTransport::Http);
            if !scenario.revisions.is_empty() && scenario.revisions.iter().all(only) {
                let message = format!("`{}` holds only over HTTP, and the file is played over stdio too", proof.id);
                found.error_help("needs-http", proof.span, message, HTTP_HELP);
            }
        }
    }
}
