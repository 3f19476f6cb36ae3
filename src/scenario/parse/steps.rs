//! The exchange: steps, blocks, and what stands at them.

use super::cases::{Case, Reader, When};
use super::fields::{Fields, count, items, text, wrong_type};
use super::pattern;
use super::tree::{Key, Node, What};
use super::words::{party, unknown_word, wait};
use crate::scenario::model::{Act, Http, Loop, Payload, Places, Proof, Step, StepBody, Verb};
use crate::scenario::pattern::{Path, Pattern};
use crate::scenario::source::Span;
use crate::wire::Party;

/// The words for what a party does.
const VERBS: [&str; 14] = [
    "requests", "answers", "notifies", "sends", "opens", "drops", "resumes", "cancels", "closes", "deletes", "accepts",
    "refuses", "may", "chooses",
];

/// A list of steps; `prefix` goes before the number of each.
pub(super) fn steps(what: &str, node: &Node, prefix: &str, case: &Case, r: &mut Reader) -> Vec<Step> {
    let list = items(what, node, false, &mut r.found);
    list.iter().enumerate().filter_map(|(i, n)| step(n, format!("{prefix}{}", i + 1), case, r)).collect()
}

/// What the key line of a step says.
enum Head<'a> {
    Loop(&'a Node),
    Par(&'a Node),
    During(&'a Node),
    Needs(&'a Node),
    Act { party: Party, named: Option<String>, verb: &'a str, target: &'a Node },
}

fn step(node: &Node, name: String, case: &Case, r: &mut Reader) -> Option<Step> {
    let mut fields = Fields::of("a step", node, &mut r.found)?;
    let mut places = Places::default();
    let (head, span) = head(&mut fields, node, case, r)?;
    let when = match fields.take("when") {
        None => Vec::new(),
        Some(n) => match case.when(n, r) {
            When::Always(conditions) => conditions,
            When::Never => {
                r.dropped(span);
                return None;
            }
        },
    };
    r.kept(span);
    let body = match head {
        Head::Loop(list) => StepBody::Loop(Box::new(turn(list, &name, &mut fields, &mut places, case, r))),
        Head::Par(list) => StepBody::Par { branches: branches("`par`", list, &name, case, r) },
        Head::During(list) => {
            let inner = steps("`during`", list, &format!("{name}."), case, r);
            let never = match fields.need("never", &mut r.found) {
                Some(n) => steps("`never`", n, &format!("{name}.n"), case, r),
                None => Vec::new(),
            };
            StepBody::During { steps: inner, never }
        }
        Head::Needs(map) => conditions(map, &mut fields, case, r),
        Head::Act { party, verb: "may", target, .. } => {
            StepBody::May { decider: party, steps: steps("`may`", target, &format!("{name}."), case, r) }
        }
        Head::Act { party, verb: "chooses", target, .. } => {
            StepBody::Choose { decider: party, branches: branches("`chooses`", target, &name, case, r) }
        }
        Head::Act { party, named, verb, target } => {
            places.add("target", target.span);
            let act = act(party, named, verb, target, &mut fields, &mut places, case, r)?;
            StepBody::Act(Box::new(act))
        }
    };
    let needs = matches!(body, StepBody::Needs { .. });
    let mut proves = Vec::new();
    let (mut decision, mut within, mut otherwise) = (None, None, None);
    if !needs {
        proves = fields.take("proves").map(|n| ids("`proves`", n, case, r)).unwrap_or_default();
        if let Some(n) = fields.take("decision") {
            places.add("decision", n.span);
            decision = text("`decision`", n, &mut r.found).map(str::to_owned);
        }
        if let Some(n) = fields.take("within") {
            places.add("within", n.span);
            within = wait("`within`", n, &mut r.found);
        }
        if let Some(n) = fields.take("otherwise") {
            places.add("otherwise", n.span);
            otherwise = reason(n, r);
        }
    }
    fields.finish(
        &mut r.found,
        &["client requests", "server requests", "client answers", "server answers", "loop", "par", "during", "needs"],
    );
    Some(Step { name, when, body, proves, decision, within, otherwise, span, places })
}

/// Finds the one key that says what the step is.
fn head<'a>(fields: &mut Fields<'a>, node: &Node, case: &Case, r: &mut Reader) -> Option<(Head<'a>, Span)> {
    let mut heads: Vec<(Head<'a>, &'a Key)> = Vec::new();
    if let Some((k, n)) = fields.take_key("loop") {
        heads.push((Head::Loop(n), k));
    }
    if let Some((k, n)) = fields.take_key("par") {
        heads.push((Head::Par(n), k));
    }
    if let Some((k, n)) = fields.take_key("during") {
        heads.push((Head::During(n), k));
    }
    if let Some((k, n)) = fields.take_key("needs") {
        heads.push((Head::Needs(n), k));
    }
    let mut acts = Vec::new();
    for (i, key, target) in fields.rest() {
        let Some((who, verb)) = key.text.rsplit_once(' ') else { continue };
        let known = VERBS.contains(&verb);
        let side = case.side(who);
        match side {
            Some((party, named)) if known => acts.push((i, Head::Act { party, named, verb, target }, key)),
            Some(_) => {
                unknown_word(&mut r.found, key.span, &format!("what the {who} does"), verb, &VERBS);
                return None;
            }
            None if known => {
                let mut sides = vec!["client", "server"];
                if case.requestor.is_some() {
                    sides.extend(["requestor", "receiver"]);
                } else if who == "requestor" || who == "receiver" {
                    r.found.error_help(
                        "unknown-word",
                        key.span,
                        format!("nobody is the {who} here"),
                        "add `cast: { requestor: client, receiver: server }`",
                    );
                    return None;
                }
                sides.extend(case.parties.iter().map(String::as_str));
                unknown_word(&mut r.found, key.span, "a party", who, &sides);
                return None;
            }
            None => {}
        }
    }
    for (i, head, key) in acts {
        fields.mark(i);
        heads.push((head, key));
    }
    if let Some((_, second)) = heads.get(1) {
        r.found.error_help(
            "two-verbs",
            second.span,
            "a step says one thing, and this is the second",
            "begin a new step with `- `",
        );
        return None;
    }
    match heads.pop() {
        Some((head, key)) => {
            // the line that says who does what
            let end = match &head {
                Head::Act { target, .. } if matches!(target.what, What::Scalar { .. }) => target.span.end,
                _ => key.span.end,
            };
            Some((head, Span { start: key.span.start, end: end.max(key.span.end) }))
        }
        None => {
            // a slip in `loop` or in `client requests` is said at its key
            let keys: Vec<&Key> = fields.rest().map(|(_, k, _)| k).collect();
            let mut known: Vec<String> = ["loop", "par", "during", "needs"].iter().map(|s| (*s).to_owned()).collect();
            for side in ["client", "server", "requestor", "receiver"] {
                known.extend(VERBS.iter().map(|v| format!("{side} {v}")));
            }
            let slip = keys.iter().find_map(|k| {
                crate::scenario::diagnostic::closest(&k.text, known.iter().map(String::as_str))
                    .map(|c| (*k, c.to_owned()))
            });
            let start = Span { start: node.span.start, end: node.span.start };
            match slip {
                Some((k, meant)) => r.found.error_help(
                    "unknown-key",
                    k.span,
                    format!("a step has no member `{}`", k.text),
                    format!("did you mean `{meant}`?"),
                ),
                None => r.found.error_help(
                    "missing-key",
                    start,
                    "this step says nothing that a party does",
                    "begin it with `client requests: ...`, `server answers: ...`, `loop:` and so on",
                ),
            }
            None
        }
    }
}

/// The branches of `chooses` and `par`: a list of lists.
fn branches(what: &str, node: &Node, name: &str, case: &Case, r: &mut Reader) -> Vec<Vec<Step>> {
    let list = items(what, node, false, &mut r.found);
    if list.len() == 1 {
        r.found.error_help(
            "one-branch",
            node.span,
            format!("{what} has only one branch"),
            "each branch is a list of its own: `- - client requests: ..`",
        );
    }
    if list.len() > 26 {
        r.found.error("too-large", node.span, format!("{what} has more than 26 branches"));
    }
    list.iter()
        .zip('a'..='z')
        .map(|(branch, letter)| match &branch.what {
            What::List(_) => steps("a branch", branch, &format!("{name}.{letter}"), case, r),
            _ => {
                r.found.error_help(
                    "wrong-type",
                    branch.span,
                    "a branch must be a list of steps",
                    "write `- - client requests: ..`",
                );
                Vec::new()
            }
        })
        .collect()
}

fn turn(list: &Node, name: &str, fields: &mut Fields<'_>, places: &mut Places, case: &Case, r: &mut Reader) -> Loop {
    let steps = steps("`loop`", list, &format!("{name}."), case, r);
    let while_ = fields.take("while").and_then(|n| {
        places.add("while", n.span);
        payload_map("`while`", n, case, r)
    });
    let ends_with = fields.take("ends with").and_then(|n| {
        places.add("ends with", n.span);
        payload_map("`ends with`", n, case, r)
    });
    let at_least = fields.take("at least").and_then(|n| {
        places.add("at least", n.span);
        count("`at least`", n, &mut r.found)
    });
    let at_most = fields.take("at most").and_then(|n| {
        places.add("at most", n.span);
        count("`at most`", n, &mut r.found)
    });
    let mut carry = Vec::new();
    if let Some(n) = fields.take("carry") {
        places.add("carry", n.span);
        for (path, value) in names("`carry`", n, case, r) {
            if path.members.is_empty() {
                carry.push((path.name, value));
            } else {
                r.found.error("bad-name", value.span, format!("`carry` binds whole names, not `${path}`"));
            }
        }
    }
    Loop { steps, while_, ends_with, at_least: at_least.unwrap_or(0), at_most, carry }
}

/// `{ $ttl: <integer 1..5000> }`
fn names(what: &str, node: &Node, case: &Case, r: &mut Reader) -> Vec<(Path, Pattern)> {
    let What::Map(entries) = &node.what else {
        wrong_type(&mut r.found, what, "a map of `$name`s", node);
        return Vec::new();
    };
    if entries.is_empty() {
        r.found.error("empty-block", node.span, format!("{what} is empty"));
    }
    let mut all = Vec::new();
    for (key, value) in entries {
        match key.text.strip_prefix('$').and_then(pattern::path) {
            Some(path) => all.push((path, case.value(value, r))),
            None => r.found.error_help(
                "bad-name",
                key.span,
                format!("`{}` is no name", key.text),
                format!("did you mean `${}`?", key.text),
            ),
        }
    }
    all
}

fn conditions(map: &Node, fields: &mut Fields<'_>, case: &Case, r: &mut Reader) -> StepBody {
    let conditions = names("`needs` at a step", map, case, r);
    let because = match fields.need("because", &mut r.found) {
        Some(n) => case.value(n, r),
        None => Pattern { shape: crate::scenario::pattern::Shape::Any, span: map.span },
    };
    if !matches!(
        because.shape,
        crate::scenario::pattern::Shape::Text(_)
            | crate::scenario::pattern::Shape::Literal(serde_json::Value::String(_))
            | crate::scenario::pattern::Shape::Any
    ) {
        r.found.error("wrong-type", because.span, "`because` must be a text");
    }
    StepBody::Needs { conditions, because }
}

#[allow(clippy::too_many_arguments, reason = "the parts of one line of the file")]
fn act(
    party: Party,
    named: Option<String>,
    word: &str,
    target: &Node,
    fields: &mut Fields<'_>,
    places: &mut Places,
    case: &Case,
    r: &mut Reader,
) -> Option<Act> {
    let (verb, given_target) = if word == "sends" {
        let bytes = pattern::bytes(case.value(target, r), &mut r.found);
        (Some(Verb::Sends { bytes }), true)
    } else {
        let found = case.target(target, r);
        let ok = found.is_some();
        (found.and_then(|t| verb(word, t)), ok)
    };
    let label = fields.take("as").and_then(|n| {
        places.add("as", n.span);
        let label = case.target(n, r)?;
        if label.contains('/') || label.contains('$') || label.contains('.') {
            r.found.error_help(
                "bad-name",
                n.span,
                format!("`{label}` cannot be a label"),
                "a label is words without `/`, `.` and `$`",
            );
        }
        Some(label)
    });
    let mut payload = Payload::default();
    if matches!(word, "requests" | "notifies") {
        payload.params = fields.take("params").map(|n| case.object("`params`", n, r));
    }
    if word == "answers" {
        let result = fields.take_key("result");
        let error = fields.take_key("error");
        if let (Some(_), Some((k, _))) = (result, error) {
            r.found.error_help(
                "result-and-error",
                k.span,
                "an answer has a result or an error, never both",
                "remove one of the two",
            );
        }
        payload.result = result.map(|(_, n)| case.object("`result`", n, r));
        payload.error = error.map(|(_, n)| case.object("`error`", n, r));
    }
    let http = fields.take("http").and_then(|n| http(n, case, r));
    let over = fields.take("over").and_then(|n| {
        places.add("over", n.span);
        match text("`over`", n, &mut r.found)?.strip_prefix('$') {
            Some(name) => case.maybe(name, "a label", n.span, r),
            None => case.target(n, r),
        }
    });
    let losing = match word {
        "drops" => fields.take("losing").and_then(|n| {
            places.add("losing", n.span);
            case.target(n, r)
        }),
        _ => None,
    };
    let not_before = fields.take("not before").and_then(|n| {
        places.add("not before", n.span);
        wait("`not before`", n, &mut r.found)
    });
    let breaks = fields.take("breaks").map(|n| ids("`breaks`", n, case, r)).unwrap_or_default();
    if !given_target {
        return None;
    }
    Some(Act { party, named, verb: verb?, label, payload, http, over, losing, not_before, breaks })
}

fn verb(word: &str, target: String) -> Option<Verb> {
    Some(match word {
        "requests" => Verb::Requests { method: target },
        "answers" => Verb::Answers { request: target },
        "notifies" => Verb::Notifies { method: target },
        "opens" => Verb::Opens { what: target },
        "drops" => Verb::Drops { request: target },
        "resumes" => Verb::Resumes { request: target },
        "cancels" => Verb::Cancels { request: target },
        "closes" => Verb::Closes { request: target },
        "deletes" => Verb::Deletes { what: target },
        "accepts" => Verb::Accepts { request: target },
        "refuses" => Verb::Refuses { request: target },
        _ => return None,
    })
}

/// `while: { result: { .. } }`
fn payload_map(what: &'static str, node: &Node, case: &Case, r: &mut Reader) -> Option<Payload> {
    let mut fields = Fields::of(what, node, &mut r.found)?;
    let params = fields.take("params").map(|n| case.object("`params`", n, r));
    let result = fields.take("result").map(|n| case.object("`result`", n, r));
    let error = fields.take("error").map(|n| case.object("`error`", n, r));
    if params.is_none() && result.is_none() && error.is_none() {
        r.found.error("empty-block", node.span, format!("{what} says nothing of a message"));
    }
    if result.is_some() && error.is_some() {
        r.found.error("result-and-error", node.span, format!("{what} asks for a result and an error in one message"));
    }
    fields.finish(&mut r.found, &[]);
    Some(Payload { params, result, error })
}

fn http(node: &Node, case: &Case, r: &mut Reader) -> Option<Http> {
    let mut fields = Fields::of("`http`", node, &mut r.found)?;
    let mut http = Http {
        status: fields.take("status").map(|n| case.value(n, r)),
        headers: fields.take("headers").map(|n| case.object("`headers`", n, r)),
        body: fields.take("body").map(|n| case.value(n, r)),
        ..Http::default()
    };
    if let Some(n) = fields.take("events")
        && let Some(mut events) = Fields::of("`events`", n, &mut r.found)
    {
        http.last_id = events.take("last id").map(|n| case.value(n, r));
        http.retry = events.take("retry").map(|n| case.value(n, r));
        events.finish(&mut r.found, &[]);
    }
    fields.finish(&mut r.found, &[]);
    Some(http)
}

/// One id or several; a `$name` that this case does not give is left out.
fn ids(what: &str, node: &Node, case: &Case, r: &mut Reader) -> Vec<Proof> {
    let mut all: Vec<Proof> = Vec::new();
    for item in items(what, node, true, &mut r.found) {
        let Some(id) = text("a requirement", item, &mut r.found) else { continue };
        let id = match id.strip_prefix('$') {
            Some(name) => match case.maybe(name, "the id of a requirement", item.span, r) {
                Some(id) => id,
                None => continue,
            },
            None => id.to_owned(),
        };
        if all.iter().any(|p| p.id == id) {
            r.found.error("written-twice", item.span, format!("`{id}` is named twice"));
        } else {
            all.push(Proof { id, span: item.span });
        }
    }
    all
}

/// `not exercised, <reason>`
fn reason(node: &Node, r: &mut Reader) -> Option<String> {
    let text = text("`otherwise`", node, &mut r.found)?;
    match text.strip_prefix("not exercised,").map(str::trim).filter(|t| !t.is_empty()) {
        Some(reason) => Some(reason.to_owned()),
        None => {
            r.found.error_help(
                "unknown-word",
                node.span,
                "`otherwise` must begin with `not exercised, ` and give a reason",
                "write `otherwise: not exercised, the server may do without`",
            );
            None
        }
    }
}

/// `client`, `server` or a further party.
pub(super) fn plain_side(who: &str, parties: &[String]) -> Option<(Party, Option<String>)> {
    if let Some(p) = party(who) {
        return Some((p, None));
    }
    parties.iter().any(|p| p == who).then(|| (Party::Client, Some(who.to_owned())))
}
