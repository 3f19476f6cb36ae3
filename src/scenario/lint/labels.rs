//! Labels: each step has its own, and what refers to one refers to a step that can be meant.

use crate::scenario::diagnostic::{Diagnostics, did_you_mean};
use crate::scenario::model::{Act, Doing, Scenario, Step, StepBody, Verb, each_step};
use crate::scenario::pattern::Shape;
use crate::scenario::source::Span;
use crate::scenario::visit;
use crate::spec::{Revision, methods};
use crate::wire::Party;
use std::collections::BTreeMap;

/// A step that has a label.
#[derive(Clone, Copy)]
struct Labelled<'a> {
    act: &'a Act,
}

/// Checks one scenario.
pub(super) fn check(scenario: &Scenario, found: &mut Diagnostics) {
    let mut labels: BTreeMap<&str, Labelled<'_>> = BTreeMap::new();
    each_step(&scenario.exchange, &mut |step| {
        if let StepBody::Act(act) = &step.body
            && let Some(label) = &act.label
        {
            let span = step.places.of("as").unwrap_or(step.span);
            if labels.contains_key(label.as_str()) {
                found.error_help(
                    "label-twice",
                    span,
                    format!("another step is called `{label}` too"),
                    "give each step a label of its own",
                );
            } else {
                labels.insert(label, Labelled { act });
            }
            if scenario.given.iter().any(|(n, _)| n == label) {
                found.error_help(
                    "label-is-name",
                    span,
                    format!("`{label}` is also the name of a given value"),
                    "rename one of the two: `$name` and `$label.id` are found by one name",
                );
            } else if bound_as_name(scenario, label) {
                found.error_help(
                    "label-is-name",
                    span,
                    format!("`${label}` is also a name that a message binds"),
                    "rename one of the two: `$name` and `$label.id` are found by one name",
                );
            }
        }
    });
    let mut before: Vec<&Act> = Vec::new();
    each_step(&scenario.exchange, &mut |step| {
        if let StepBody::Act(act) = &step.body {
            target(scenario, step, act, &before, &labels, found);
            over(step, act, &labels, found);
            losing(step, act, &before, &labels, found);
            if scenario.opening.is_some() && act.greets() {
                found.error_help(
                    "opening-twice",
                    step.span,
                    "the file has an `opening`, and this step is the handshake too",
                    "write what `opening` says into the steps",
                );
            }
            before.push(act);
        }
    });
    actions(scenario, &labels, found);
}

/// Does a plain `$name` of that name stand anywhere? A label is used with a member only.
fn bound_as_name(scenario: &Scenario, label: &str) -> bool {
    let mut bound = false;
    visit::for_patterns(&scenario.exchange, &mut |p| {
        visit::walk(p, &mut |p| {
            bound |= matches!(&p.shape, Shape::Name(path) if path.name == label && path.members.is_empty());
        });
    });
    bound
}

/// What an answer and its like refer to.
fn target(
    scenario: &Scenario,
    step: &Step,
    act: &Act,
    before: &[&Act],
    labels: &BTreeMap<&str, Labelled<'_>>,
    found: &mut Diagnostics,
) {
    let span = step.places.of("target").unwrap_or(step.span);
    let (word, request, by_other) = match &act.verb {
        Verb::Answers { request } => ("answered", request, true),
        Verb::Accepts { request } => ("accepted", request, true),
        Verb::Refuses { request } => ("refused", request, true),
        Verb::Closes { request } => ("closed", request, true),
        Verb::Drops { request } => ("dropped", request, false),
        Verb::Resumes { request } => ("resumed", request, false),
        Verb::Cancels { request } => ("cancelled", request, false),
        Verb::Opens { what } => return one_word(what, "stream", "opens", span, found),
        Verb::Deletes { what } => return one_word(what, "session", "deletes", span, found),
        Verb::Requests { .. } | Verb::Notifies { .. } | Verb::Sends { .. } => return,
    };
    let asked = match before.iter().rev().find(|a| a.label.as_deref() == Some(request)) {
        Some(asked) => Some(*asked),
        None => {
            let of_method = |a: &&&Act| matches!(&a.verb, Verb::Requests { method } if method == request);
            let wanted = if by_other { act.party.other() } else { act.party };
            before
                .iter()
                .rev()
                .filter(of_method)
                .find(|a| a.party == wanted)
                .or(before.iter().rev().find(of_method))
                .copied()
        }
    };
    let Some(asked) = asked else {
        if labels.contains_key(request.as_str()) {
            found.error_help(
                "unknown-label",
                span,
                format!("`{request}` comes later than it is {word}"),
                "move this step behind it",
            );
        } else if scenario.revisions.iter().any(|r| methods::find(*r, request).is_some()) {
            found.error("unknown-label", span, format!("no earlier step requests `{request}`"));
        } else {
            unknown(request, labels, span, found);
        }
        return;
    };
    if (asked.party != act.party) != by_other {
        let message = format!("the {} cannot have {word} what the {} itself did", act.party, asked.party);
        let message = if by_other { message } else { format!("`{request}` is not the {}'s own", act.party) };
        found.error_help("own-answer", span, message, format!("did you mean the {}?", act.party.other()));
        return;
    }
    if act.party == Party::Client && client_of(asked, labels) != act.named.as_deref() {
        let whose = |name: Option<&str>| name.unwrap_or("client").to_owned();
        let (mine, theirs) = (whose(act.named.as_deref()), whose(client_of(asked, labels)));
        found.error("wrong-label", span, format!("`{request}` is an affair of `{theirs}`, and not of `{mine}`"));
        return;
    }
    let fits = match (&act.verb, &asked.verb) {
        (Verb::Answers { .. }, Verb::Requests { .. } | Verb::Sends { .. }) => true,
        (
            Verb::Accepts { .. } | Verb::Refuses { .. },
            Verb::Answers { .. } | Verb::Accepts { .. } | Verb::Refuses { .. },
        ) => false,
        (Verb::Accepts { .. }, Verb::Requests { .. }) => false,
        (Verb::Accepts { .. } | Verb::Refuses { .. }, _) => true,
        (
            Verb::Closes { .. } | Verb::Drops { .. } | Verb::Resumes { .. },
            Verb::Requests { .. } | Verb::Opens { .. } | Verb::Resumes { .. },
        ) => true,
        (Verb::Cancels { .. }, Verb::Requests { .. }) => true,
        _ => false,
    };
    if !fits {
        found.error("wrong-label", span, format!("`{request}` is nothing that can be {word}"));
    }
}

/// Which of several clients an act is of, or meant for.
fn client_of<'a>(act: &'a Act, labels: &BTreeMap<&str, Labelled<'a>>) -> Option<&'a str> {
    match act.party {
        Party::Client => act.named.as_deref(),
        Party::Server => labels.get(act.over.as_deref()?)?.act.named.as_deref(),
    }
}

fn one_word(word: &str, only: &str, verb: &str, span: Span, found: &mut Diagnostics) {
    if word != only {
        found.error_help(
            "unknown-word",
            span,
            format!("what a client {verb} cannot be `{word}`"),
            format!("known here: {only}"),
        );
    }
}

fn unknown(label: &str, labels: &BTreeMap<&str, Labelled<'_>>, span: Span, found: &mut Diagnostics) {
    let known: Vec<&str> = labels.keys().copied().collect();
    match did_you_mean(label, &known) {
        Some(help) => found.error_help("unknown-label", span, format!("no step is called `{label}`"), help),
        None => found.error("unknown-label", span, format!("no step is called `{label}`")),
    }
}

/// The stream over which something comes.
fn over(step: &Step, act: &Act, labels: &BTreeMap<&str, Labelled<'_>>, found: &mut Diagnostics) {
    let Some(label) = &act.over else { return };
    let span = step.places.of("over").unwrap_or(step.span);
    match labels.get(label.as_str()) {
        None => unknown(label, labels, span, found),
        Some(l)
            if l.act.party != Party::Client
                || !matches!(l.act.verb, Verb::Requests { .. } | Verb::Opens { .. } | Verb::Resumes { .. }) =>
        {
            found.error_help(
                "wrong-label",
                span,
                format!("`{label}` opens no stream"),
                "name a request of the client, or what it opens or resumes",
            );
        }
        Some(_) => {}
    }
}

/// What is lost with a connection.
fn losing(step: &Step, act: &Act, before: &[&Act], labels: &BTreeMap<&str, Labelled<'_>>, found: &mut Diagnostics) {
    let Some(label) = &act.losing else { return };
    let span = step.places.of("losing").unwrap_or(step.span);
    let asked = before.iter().rev().find(|a| a.label.as_deref() == Some(label));
    match asked {
        None if labels.contains_key(label.as_str()) => {
            found.error_help("unknown-label", span, format!("`{label}` comes later than it is lost"), "move it before");
        }
        None => unknown(label, labels, span, found),
        Some(a) if a.party != Party::Server || !matches!(a.verb, Verb::Requests { .. }) => {
            let message = format!("`{label}` is no question of the server, and cannot be lost with the connection");
            found.error("wrong-label", span, message);
        }
        Some(_) => {}
    }
}

/// What the actions of the application refer to.
fn actions(scenario: &Scenario, labels: &BTreeMap<&str, Labelled<'_>>, found: &mut Diagnostics) {
    for action in &scenario.drive {
        let span = action.places.of("target").unwrap_or(action.span);
        let of =
            |found: &mut Diagnostics, label: &str, span: Span, what: &str, fits: &dyn Fn(&Act) -> bool| match labels
                .get(label)
            {
                None => unknown(label, labels, span, found),
                Some(l) if !fits(l.act) => found.error("wrong-label", span, format!("`{label}` is no {what}")),
                Some(_) => {}
            };
        let client = |act: &Act, wanted: &str| {
            act.party == Party::Client && matches!(&act.verb, Verb::Requests { method } if method == wanted)
        };
        match &action.what {
            Doing::CallTool { step } | Doing::CallToolAsTask { step } => {
                of(found, step, span, "`tools/call` of the client", &|a| client(a, "tools/call"))
            }
            Doing::Request { step } | Doing::Cancel { step } => of(found, step, span, "request of the client", &|a| {
                a.party == Party::Client && matches!(a.verb, Verb::Requests { .. })
            }),
            Doing::ChangeRoots { step } => {
                let wanted = "notifications/roots/list_changed";
                of(found, step, span, &format!("`{wanted}` of the client"), &|a| {
                    a.party == Party::Client && matches!(&a.verb, Verb::Notifies { method } if method == wanted)
                })
            }
            Doing::Listen { step } => {
                of(found, step, span, "`subscriptions/listen` of the client", &|a| client(a, "subscriptions/listen"))
            }
            Doing::List { method, step } => {
                let wanted = match &method.shape {
                    crate::scenario::pattern::Shape::Literal(v) => v.as_str().unwrap_or_default().to_owned(),
                    _ => String::new(),
                };
                of(found, step, span, &format!("`{wanted}` of the client"), &|a| client(a, &wanted));
            }
            Doing::ListEverything { method } => {
                let wanted = match &method.shape {
                    crate::scenario::pattern::Shape::Literal(v) => v.as_str().unwrap_or_default(),
                    _ => "",
                };
                if scenario.revisions.iter().any(|r| methods::find(*r, wanted).is_none_or(|m| m.page.is_none())) {
                    found.error("unknown-method", span, format!("`{wanted}` is no method that lists"));
                }
            }
            Doing::WhenAsked { step } if step.is_empty() => {}
            Doing::WhenAsked { step } => {
                of(found, step, span, "question to the application", &|a| match (&a.verb, a.party) {
                    (Verb::Requests { .. }, Party::Server) => true,
                    (Verb::Requests { method }, Party::Client) => {
                        scenario.revisions.contains(&Revision::V2026_07_28)
                            && methods::MAY_REQUIRE_INPUT.contains(&method.as_str())
                    }
                    _ => false,
                })
            }
        }
        if let Some(sees) = &action.sees {
            let span = action.places.of("sees").unwrap_or(action.span);
            of(found, sees, span, "request of the client", &|a| {
                a.party == Party::Client && matches!(a.verb, Verb::Requests { .. })
            });
        }
        if let Some(once) = &action.once {
            of(found, once, action.places.of("once").unwrap_or(action.span), "step", &|_| true);
        }
        if let Some(kind) = &action.collects
            && !scenario.revisions.iter().any(|r| methods::find(*r, &format!("notifications/{kind}")).is_some())
        {
            let span = action.places.of("collects").unwrap_or(action.span);
            found.error_help(
                "unknown-word",
                span,
                format!("there are no notifications `notifications/{kind}` to collect"),
                "write `progress` or `message`",
            );
        }
    }
}
