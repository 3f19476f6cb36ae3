//! What stands above the exchange: needs, facts, the application, the opening.

use super::cases::{Case, Reader, When};
use super::fields::{Fields, items, text};
use super::pattern::is_name;
use super::tree::{Node, What};
use super::words::{fixed_wait, one_of, party, unknown_word};
use crate::scenario::model::{Action, Doing, Need, Needed, Opening, Places};
use crate::scenario::pattern::{Pattern, Shape};
use crate::scenario::source::Span;
use crate::wire::Party;
use serde_json::Value;

/// `needs: { server: { capability: tasks, tool: $tool }, client: { capability: elicitation } }`
pub(super) fn needs(node: &Node, case: &Case, r: &mut Reader) -> Vec<Need> {
    let mut all = Vec::new();
    let Some(mut fields) = Fields::of("`needs`", node, &mut r.found) else { return all };
    for (name, party) in [("client", Party::Client), ("server", Party::Server)] {
        let Some(n) = fields.take(name) else { continue };
        let what = if party == Party::Client { "what the client needs" } else { "what the server needs" };
        let Some(mut offers) = Fields::of(what, n, &mut r.found) else { continue };
        let before = all.len();
        let mut add = |what: Needed, span: Span| all.push(Need { party, what, span });
        for item in offers.take("capability").map(|n| items("`capability`", n, true, &mut r.found)).unwrap_or_default()
        {
            if let Some(path) = text("a capability", item, &mut r.found) {
                add(Needed::Capability(path.to_owned()), item.span);
            }
        }
        for item in offers.take("lacks").map(|n| items("`lacks`", n, true, &mut r.found)).unwrap_or_default() {
            if let Some(path) = text("a capability", item, &mut r.found) {
                add(Needed::Lack(path.to_owned()), item.span);
            }
        }
        if party == Party::Server {
            type Make = fn(Pattern) -> Needed;
            let kinds: [(&'static str, Make); 3] =
                [("tool", Needed::Tool), ("prompt", Needed::Prompt), ("resource", Needed::Resource)];
            for (key, make) in kinds {
                for item in offers.take(key).map(|n| items(key, n, true, &mut r.found)).unwrap_or_default() {
                    if text(key, item, &mut r.found).is_some() {
                        let pattern = case.value(item, r);
                        if matches!(pattern.shape, Shape::Name(_) | Shape::Literal(Value::String(_))) {
                            add(make(pattern), item.span);
                        } else {
                            r.found.error("wrong-type", item.span, format!("`{key}` must be a name or a `$name`"));
                        }
                    }
                }
            }
            if let Some(n) = offers.take("session")
                && let Some(need) = one_of(
                    "`session`",
                    n,
                    &["assigned"],
                    |w| (w == "assigned").then_some(Needed::Session),
                    &mut r.found,
                )
            {
                add(need, n.span);
            }
            if let Some(n) = offers.take("moved")
                && let Some(need) =
                    one_of("`moved`", n, &["by us"], |w| (w == "by us").then_some(Needed::Moved), &mut r.found)
            {
                add(need, n.span);
            }
        }
        offers.finish(&mut r.found, &[]);
        if all.len() == before && !r.found.broken() {
            r.found.error("empty-block", n.span, format!("nothing is needed of the {name}"));
        }
    }
    fields.finish(&mut r.found, &[]);
    all
}

/// Names and their values.
pub(super) fn given(node: &Node, r: &mut Reader) -> Vec<(String, Pattern)> {
    let What::Map(entries) = &node.what else {
        super::fields::wrong_type(&mut r.found, "`given`", "a map", node);
        return Vec::new();
    };
    let mut all = Vec::new();
    for (key, value) in entries {
        if !is_name(&key.text) {
            r.found.error_help(
                "bad-name",
                key.span,
                format!("`{}` cannot be a name", key.text),
                "a name is letters, digits and `_`, and is written here without `$`",
            );
            continue;
        }
        all.push((key.text.clone(), super::pattern::value(value, &|_| None, &mut r.found)));
        r.given.entry(key.text.clone()).or_insert(key.span);
    }
    all
}

/// What the application does.
pub(super) fn drive(node: &Node, case: &Case, r: &mut Reader) -> Vec<Action> {
    items("`drive`", node, false, &mut r.found).iter().filter_map(|n| action(n, case, r)).collect()
}

const DOINGS: [&str; 12] = [
    "call tool as task",
    "call tool",
    "when asked",
    "list tools",
    "list resources",
    "list resource templates",
    "list prompts",
    "list everything",
    "listen",
    "request",
    "cancel",
    "change roots",
];

fn action(node: &Node, case: &Case, r: &mut Reader) -> Option<Action> {
    let mut fields = Fields::of("an action", node, &mut r.found)?;
    let mut verbs = Vec::new();
    for word in DOINGS {
        if let Some((key, value)) = fields.take_key(word) {
            verbs.push((word, key, value));
        }
    }
    if let Some((_, second, _)) = verbs.get(1) {
        r.found.error_help(
            "two-verbs",
            second.span,
            "an action says one thing, and this is the second",
            "begin a new action with `- `",
        );
        return None;
    }
    let Some((word, key, target)) = verbs.pop() else {
        let slip = fields.rest().next().map(|(_, k, _)| k);
        match slip {
            Some(k) => unknown_word(&mut r.found, k.span, "what the application does", &k.text, &DOINGS),
            None => {
                let start = Span { start: node.span.start, end: node.span.start };
                r.found.error_help(
                    "missing-key",
                    start,
                    "this action does nothing",
                    format!("known here: {}", DOINGS.join(", ")),
                );
            }
        }
        return None;
    };
    let when = match fields.take("when") {
        None => Vec::new(),
        Some(n) => match case.when(n, r) {
            When::Always(conditions) => conditions,
            When::Never => {
                r.dropped(key.span);
                return None;
            }
        },
    };
    r.kept(key.span);
    let mut places = Places::default();
    places.add("target", target.span);
    let anybody = matches!(&target.what, What::Scalar { text, plain } if *plain && text.is_empty());
    let step = if word == "when asked" && anybody { Some(String::new()) } else { case.target(target, r) };
    let doing = step.map(|step| match word {
        "call tool as task" => Doing::CallToolAsTask { step },
        "call tool" => Doing::CallTool { step },
        "when asked" => Doing::WhenAsked { step },
        "listen" => Doing::Listen { step },
        "request" => Doing::Request { step },
        "cancel" => Doing::Cancel { step },
        "change roots" => Doing::ChangeRoots { step },
        "list everything" => {
            Doing::ListEverything { method: Pattern { shape: Shape::Literal(Value::String(step)), span: target.span } }
        }
        _ => {
            let method = match word {
                "list resources" => "resources/list",
                "list resource templates" => "resources/templates/list",
                "list prompts" => "prompts/list",
                _ => "tools/list",
            };
            Doing::List { method: Pattern { shape: Shape::Literal(method.into()), span: key.span }, step }
        }
    });
    let mut label = |name: &'static str, r: &mut Reader| {
        fields.take(name).and_then(|n| {
            places.add(name, n.span);
            case.target(n, r)
        })
    };
    let sees = label("sees", r);
    let once = label("once", r);
    let collects = label("collects", r);
    // nothing else answers, or says what its step leaves open
    let says = ["when asked", "call tool", "call tool as task", "change roots"].contains(&word);
    let with = says.then(|| fields.take("with")).flatten().map(|n| {
        places.add("with", n.span);
        case.object("`with`", n, r)
    });
    // a task goes on by itself, and what is asked for once more is another matter
    let gives_up = (word == "call tool").then(|| fields.take("gives up after")).flatten();
    let gives_up = gives_up.and_then(|n| fixed_wait("`gives up after`", n, &mut r.found));
    let after = fields.take("after").and_then(|n| fixed_wait("`after`", n, &mut r.found));
    fields.finish(&mut r.found, &[]);
    Some(Action {
        what: doing?,
        when,
        sees,
        once,
        with,
        after,
        gives_up,
        collects,
        span: Span { start: key.span.start, end: target.span.end.max(key.span.end) },
        places,
    })
}

/// `opening: { initialize: { params: { .. }, result: { .. } } }`
pub(super) fn opening(node: &Node, case: &Case, r: &mut Reader) -> Option<Opening> {
    let mut fields = Fields::of("`opening`", node, &mut r.found)?;
    let mut opening = Opening::default();
    if let Some(n) = fields.need("initialize", &mut r.found)
        && let Some(mut inner) = Fields::of("`initialize`", n, &mut r.found)
    {
        opening.params = inner.take("params").map(|n| case.object("`params`", n, r));
        opening.result = inner.take("result").map(|n| case.object("`result`", n, r));
        inner.finish(&mut r.found, &[]);
        if opening.params.is_none() && opening.result.is_none() {
            r.found.error("empty-block", n.span, "`initialize` lays nothing over the handshake");
        }
    }
    fields.finish(&mut r.found, &[]);
    Some(opening)
}

/// Further clients.
pub(super) fn parties(node: &Node, r: &mut Reader) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for item in items("`parties`", node, true, &mut r.found) {
        let Some(name) = text("a party", item, &mut r.found) else { continue };
        if ["client", "server", "requestor", "receiver"].contains(&name) || name.contains('$') {
            r.found.error("bad-name", item.span, format!("a further client cannot be called `{name}`"));
        } else if all.iter().any(|p| p == name) {
            r.found.error("written-twice", item.span, format!("`{name}` is named twice"));
        } else {
            all.push(name.to_owned());
        }
    }
    all
}

/// `cast: { requestor: client, receiver: server }`; gives the requestor.
pub(super) fn cast(node: &Node, r: &mut Reader) -> Option<Party> {
    let mut fields = Fields::of("`cast`", node, &mut r.found)?;
    let known = ["client", "server"];
    let requestor =
        fields.need("requestor", &mut r.found).and_then(|n| one_of("`requestor`", n, &known, party, &mut r.found));
    let receiver = fields
        .need("receiver", &mut r.found)
        .and_then(|n| one_of("`receiver`", n, &known, party, &mut r.found).map(|p| (p, n.span)));
    fields.finish(&mut r.found, &[]);
    if let (Some(a), Some((b, span))) = (requestor, receiver)
        && a == b
    {
        r.found.error("unknown-word", span, format!("the {a} cannot be both requestor and receiver"));
        return None;
    }
    requestor
}
