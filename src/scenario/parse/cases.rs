//! One file, many cases: what is the same for all of them, what each row decides, and the scenario that comes of it.

use super::fields::{Fields, items, text};
use super::pattern;
use super::steps::plain_side;
use super::tree::{Node, What};
use super::words::{one_of, party, transport, unknown_word};
use super::{head, steps, words};
use crate::scenario::diagnostic::{Diagnostics, closest};
use crate::scenario::model::{Condition, Need, Scenario, Step, StepBody, Verb, each_step};
use crate::scenario::pattern::{Pattern, Shape};
use crate::scenario::source::{Source, Span};
use crate::spec::Revision;
use crate::trace::Transport;
use crate::wire::Party;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The most rows a table may have.
const MAX_ROWS: usize = 200;

/// What is gathered while one file is read.
pub(super) struct Reader {
    pub(super) found: Diagnostics,
    /// Every name that the file or any row gives, with its first place.
    pub(super) given: BTreeMap<String, Span>,
    kept: BTreeSet<Span>,
    dropped: BTreeSet<Span>,
}

impl Reader {
    pub(super) fn new(source: &Arc<Source>) -> Reader {
        Reader {
            found: Diagnostics::new(source),
            given: BTreeMap::new(),
            kept: BTreeSet::new(),
            dropped: BTreeSet::new(),
        }
    }

    /// A case plays the step at this place.
    pub(super) fn kept(&mut self, span: Span) {
        self.kept.insert(span);
    }

    /// A case leaves it out.
    pub(super) fn dropped(&mut self, span: Span) {
        self.dropped.insert(span);
    }
}

/// What is known while one case is read.
pub(super) struct Case {
    /// How messages call it; empty for a file without cases.
    name: String,
    given: Vec<(String, Pattern)>,
    pub(super) requestor: Option<Party>,
    pub(super) parties: Vec<String>,
    transports: Vec<Transport>,
}

/// What `when` means in one case.
pub(super) enum When {
    /// The step is there, under these conditions on the play.
    Always(Vec<Condition>),
    /// The step is not there.
    Never,
}

impl Case {
    fn get(&self, name: &str) -> Option<&Pattern> {
        self.given.iter().rev().find(|(n, _)| n == name).map(|(_, p)| p)
    }

    /// The text that a name stands for, if the case says so.
    fn literal(&self, name: &str) -> Option<String> {
        match self.get(name).map(|p| &p.shape) {
            Some(Shape::Literal(Value::String(text))) => Some(text.clone()),
            _ => None,
        }
    }

    /// A pattern where any value may stand.
    pub(super) fn value(&self, node: &Node, r: &mut Reader) -> Pattern {
        pattern::value(node, &|name| self.literal(name), &mut r.found)
    }

    /// A pattern where an object is expected.
    pub(super) fn object(&self, what: &str, node: &Node, r: &mut Reader) -> Pattern {
        pattern::object(what, node, &|name| self.literal(name), &mut r.found)
    }

    /// A label or a method; a `$name` must stand for a text.
    pub(super) fn target(&self, node: &Node, r: &mut Reader) -> Option<String> {
        let word = text("what stands here", node, &mut r.found)?;
        let Some(name) = word.strip_prefix('$') else { return Some(word.to_owned()) };
        let value = self.literal(name);
        if value.is_none() {
            let of = if self.name.is_empty() { "the file".to_owned() } else { format!("the case \"{}\"", self.name) };
            let help = closest(name, r.given.keys().map(String::as_str)).filter(|c| *c != name).map_or_else(
                || "it must be known before the play: add it to `given` or to every row of `cases`".to_owned(),
                |c| format!("did you mean `${c}`?"),
            );
            r.found.error_help("unresolved-name", node.span, format!("{of} gives no text for `${name}`"), help);
        }
        value
    }

    /// A text that a row need not give, such as the id of a requirement (`what`); `None` if this row does not.
    pub(super) fn maybe(&self, name: &str, what: &str, span: Span, r: &mut Reader) -> Option<String> {
        match self.get(name).map(|p| &p.shape) {
            Some(Shape::Literal(Value::String(text))) => Some(text.clone()),
            Some(_) => {
                r.found.error("wrong-type", span, format!("`${name}` must be {what}"));
                None
            }
            None => {
                if !r.given.contains_key(name) {
                    let message = format!("no case gives `${name}`");
                    match closest(name, r.given.keys().map(String::as_str)) {
                        Some(c) => {
                            r.found.error_help("unresolved-name", span, message, format!("did you mean `${c}`?"))
                        }
                        None => r.found.error("unresolved-name", span, message),
                    }
                }
                None
            }
        }
    }

    /// Who is meant by the first words of a step.
    pub(super) fn side(&self, who: &str) -> Option<(Party, Option<String>)> {
        match (who, self.requestor) {
            ("requestor", Some(p)) => Some((p, None)),
            ("receiver", Some(p)) => Some((p.other(), None)),
            _ => plain_side(who, &self.parties),
        }
    }

    /// `when: { transport: stdio, requestor: client, altered: <absent> }`
    pub(super) fn when(&self, node: &Node, r: &mut Reader) -> When {
        let What::Map(entries) = &node.what else {
            super::fields::wrong_type(&mut r.found, "`when`", "a map", node);
            return When::Always(Vec::new());
        };
        if entries.is_empty() {
            r.found.error("empty-block", node.span, "`when` is empty");
        }
        let mut conditions = Vec::new();
        let mut holds = true;
        for (key, value) in entries {
            match key.text.as_str() {
                "transport" => {
                    let known: Vec<&str> = Transport::ALL.iter().map(|t| t.as_str()).collect();
                    if let Some(t) = one_of("`transport`", value, &known, transport, &mut r.found) {
                        if !self.transports.contains(&t) {
                            r.found.error("never-played", value.span, format!("this file is not played over {t}"));
                        }
                        conditions.push(Condition::Transport(t));
                    }
                }
                "requestor" | "receiver" => {
                    if let Some(p) = one_of(&key.text, value, &["client", "server"], party, &mut r.found) {
                        match self.side(&key.text) {
                            Some((is, _)) => holds &= is == p,
                            None => r.found.error_help(
                                "unknown-word",
                                key.span,
                                format!("nobody is the {} here", key.text),
                                "add `cast: { requestor: client, receiver: server }`",
                            ),
                        }
                    }
                }
                name => {
                    if !r.given.contains_key(name) {
                        let mut known: Vec<&str> = r.given.keys().map(String::as_str).collect();
                        known.extend(["transport", "requestor", "receiver"]);
                        let known: Vec<String> = known.into_iter().map(str::to_owned).collect();
                        let known: Vec<&str> = known.iter().map(String::as_str).collect();
                        unknown_word(&mut r.found, key.span, "a condition", name, &known);
                        continue;
                    }
                    let wanted = pattern::value(value, &|_| None, &mut r.found);
                    match agrees(self.get(name).map(|p| &p.shape), &wanted.shape) {
                        Some(yes) => holds &= yes,
                        None => r.found.error_help(
                            "bad-pattern",
                            value.span,
                            "a condition on a case can only compare values as they are written",
                            "use a text, a number, `true`, `<a | b>`, `<any>` or `<absent>`",
                        ),
                    }
                }
            }
        }
        if holds { When::Always(conditions) } else { When::Never }
    }
}

/// Does a value of a case agree with a condition? `None`: that cannot be known before the play.
fn agrees(is: Option<&Shape>, wanted: &Shape) -> Option<bool> {
    match (is, wanted) {
        (is, Shape::Absent) => Some(is.is_none_or(|s| *s == Shape::Absent)),
        (is, Shape::Any) => Some(is.is_some()),
        (is, Shape::OneOf(all)) => all.iter().map(|p| agrees(is, &p.shape)).try_fold(false, |a, b| b.map(|b| a || b)),
        (None, Shape::Literal(_)) => Some(false),
        (Some(Shape::Literal(a)), Shape::Literal(b)) => Some(a == b),
        (Some(_), Shape::Literal(_)) => Some(false),
        _ => None,
    }
}

/// A row of `cases`, or the whole file where there are none.
struct Row<'a> {
    name: Option<String>,
    needs: Option<&'a Node>,
    cast: Option<&'a Node>,
    values: Vec<(String, Pattern)>,
    span: Span,
}

/// Reads a file.
pub(super) fn file(source: &Arc<Source>, root: &Node, r: &mut Reader) -> Vec<Scenario> {
    let Some(mut fields) = Fields::of("a scenario file", root, &mut r.found) else { return Vec::new() };
    let title = fields
        .need("title", &mut r.found)
        .and_then(|n| text("`title`", n, &mut r.found))
        .unwrap_or_default()
        .to_owned();
    let revisions =
        fields.need("revisions", &mut r.found).map(|n| words::revisions(n, &mut r.found)).unwrap_or_default();
    let transports = match fields.take("transports") {
        Some(n) => words::transports(n, &mut r.found),
        None => Transport::ALL.to_vec(),
    };
    let known_as = fields.take("known as").and_then(|n| text("`known as`", n, &mut r.found)).map(str::to_owned);
    let named = fields.take("parties");
    let parties = named.map(|n| head::parties(n, r)).unwrap_or_default();
    if let (Some(n), true) = (named, transports.contains(&Transport::Stdio)) {
        let message = "a server on pipes has one client, and the file is played over stdio too";
        r.found.error_help("needs-http", n.span, message, "say `transports: http` at the head of the file");
    }
    let file_given = fields.take("given").map(|n| head::given(n, r)).unwrap_or_default();
    let file_cast = fields.take("cast").map(|n| head::cast(n, r));
    let file_needs = fields.take("needs");
    let file_drive = fields.take("drive");
    let file_opening = fields.take("opening");
    let rows = fields.take("cases").map(|n| rows(n, r));
    let exchange = fields.need("exchange", &mut r.found);
    fields.finish(&mut r.found, &[]);
    if let What::Map(entries) = &root.what {
        for (key, node) in entries {
            if key.text != "revisions" {
                super::tree::bare_dates(node, &mut r.found);
            }
        }
    }

    let stem = source.name.strip_suffix(".yaml").or_else(|| source.name.strip_suffix(".yml")).unwrap_or(&source.name);
    let unnamed = Row { name: None, needs: None, cast: None, values: Vec::new(), span: root.span };
    let table = rows.is_some();
    let mut all = Vec::new();
    for row in rows.unwrap_or_else(|| vec![unnamed]) {
        let requestor = match row.cast {
            Some(n) => head::cast(n, r),
            None => file_cast.flatten(),
        };
        let mut given = file_given.clone();
        given.extend(row.values);
        let name = row.name.unwrap_or_default();
        let mut case =
            Case { name: name.clone(), given, requestor, parties: parties.clone(), transports: transports.clone() };
        let mut needs: Vec<Need> = file_needs.map(|n| head::needs(n, &case, r)).unwrap_or_default();
        needs.extend(row.needs.map(|n| head::needs(n, &case, r)).unwrap_or_default());
        let steps = exchange.map(|n| steps::steps("`exchange`", n, "", &case, r)).unwrap_or_default();
        make_bytes(&steps, &mut case.given, &mut r.found);
        let drive = file_drive.map(|n| head::drive(n, &case, r)).unwrap_or_default();
        let opening = file_opening.and_then(|n| head::opening(n, &case, r));
        if steps.is_empty() && table && !r.found.broken() {
            r.found.error("empty-block", row.span, format!("nothing happens in the case \"{name}\""));
        }
        let id = if table { format!("{stem}#{}", slug(&name)) } else { stem.to_owned() };
        let title = if table { format!("{title}: {name}") } else { title.clone() };
        all.push(Scenario {
            id,
            title,
            source: Arc::clone(source),
            revisions: revisions.clone(),
            transports: transports.clone(),
            known_as: known_as.clone(),
            needs,
            given: case.given,
            requestor,
            drive,
            opening,
            parties: parties.clone(),
            exchange: steps,
        });
    }
    for span in r.dropped.difference(&r.kept).copied().collect::<Vec<_>>() {
        r.found.error("never-played", span, "no case fulfils the `when` of this");
    }
    era_of_opening(file_opening, &revisions, r);
    unused(root, r);
    idle_parties(named, &all, r);
    all
}

/// A further client that does nothing is a slip.
fn idle_parties(named: Option<&Node>, all: &[Scenario], r: &mut Reader) {
    let mut acting: BTreeSet<&str> = BTreeSet::new();
    for scenario in all {
        each_step(&scenario.exchange, &mut |step| {
            if let StepBody::Act(act) = &step.body {
                acting.extend(act.named.as_deref());
            }
        });
    }
    for item in named.map(|n| items("`parties`", n, true, &mut r.found)).unwrap_or_default() {
        if let What::Scalar { text, .. } = &item.what
            && !r.found.broken()
            && !acting.contains(text.as_str())
        {
            r.found.error_help("unused-value", item.span, format!("`{text}` does nothing"), "let it act, or remove it");
        }
    }
}

/// A value that nothing in the file uses is a slip.
fn unused(root: &Node, r: &mut Reader) {
    let mut used = BTreeSet::new();
    references(root, &mut used);
    let unused: Vec<(String, Span)> =
        r.given.iter().filter(|(n, _)| !used.contains(*n)).map(|(n, s)| (n.clone(), *s)).collect();
    for (name, span) in unused {
        let message = format!("nothing uses `${name}`");
        match closest(&name, used.iter().map(String::as_str).filter(|u| !r.given.contains_key(*u))) {
            Some(meant) => {
                let help = format!("did you mean `{meant}`?");
                r.found.error_help("unused-value", span, message, help);
            }
            None => r.found.error_help("unused-value", span, message, "use it, or remove it"),
        }
    }
}

/// Every name that a text refers to, and every name that a `when` compares.
fn references(node: &Node, used: &mut BTreeSet<String>) {
    match &node.what {
        What::Scalar { text, .. } => references_in(text, used),
        What::List(items) => items.iter().for_each(|n| references(n, used)),
        What::Map(entries) => {
            for (key, value) in entries {
                references_in(&key.text, used);
                if let ("when", What::Map(conditions)) = (key.text.as_str(), &value.what) {
                    used.extend(conditions.iter().map(|(k, _)| k.text.clone()));
                }
                references(value, used);
            }
        }
    }
}

fn references_in(text: &str, used: &mut BTreeSet<String>) {
    for part in text.split('$').skip(1) {
        let part = part.strip_prefix('{').unwrap_or(part);
        let name: String = part.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if !name.is_empty() {
            used.insert(name);
        }
    }
}

fn era_of_opening(opening: Option<&Node>, revisions: &[Revision], r: &mut Reader) {
    if let Some(n) = opening
        && let Some(modern) = revisions.iter().find(|v| v.era() == crate::spec::Era::Modern)
    {
        r.found.error(
            "wrong-era",
            n.span,
            format!("there is no `initialize` in {modern} that `opening` could be laid over"),
        );
    }
}

/// The rows of a table.
fn rows<'a>(node: &'a Node, r: &mut Reader) -> Vec<Row<'a>> {
    let list = items("`cases`", node, false, &mut r.found);
    if list.len() > MAX_ROWS {
        r.found.error("too-large", node.span, format!("`cases` has {} rows; at most {MAX_ROWS} are read", list.len()));
        return Vec::new();
    }
    let mut rows: Vec<Row<'_>> = list.iter().filter_map(|n| row(n, r)).collect();
    name_rows(&mut rows, r);
    rows
}

fn row<'a>(node: &'a Node, r: &mut Reader) -> Option<Row<'a>> {
    let mut fields = Fields::of("a case", node, &mut r.found)?;
    let name = fields.take("name").and_then(|n| text("`name`", n, &mut r.found)).map(str::to_owned);
    let needs = fields.take("needs");
    let cast = fields.take("cast");
    let mut values = Vec::new();
    for (_, key, value) in fields.rest() {
        if !pattern::is_name(&key.text) {
            r.found.error_help(
                "bad-name",
                key.span,
                format!("`{}` cannot be a name", key.text),
                "a row has `name`, `needs`, `cast`, and names of letters, digits and `_`",
            );
            continue;
        }
        r.given.entry(key.text.clone()).or_insert(key.span);
        values.push((key.text.clone(), pattern::value(value, &|_| None, &mut r.found)));
    }
    Some(Row { name, needs, cast, values, span: node.span })
}

/// Gives every row a name of its own: its `name`, or the first of its values that no other unnamed row has.
fn name_rows(rows: &mut [Row<'_>], r: &mut Reader) {
    let texts: Vec<Vec<(String, String)>> = rows
        .iter()
        .map(|row| {
            row.values
                .iter()
                .filter_map(|(n, p)| match &p.shape {
                    Shape::Literal(Value::String(t)) => Some((n.clone(), t.clone())),
                    Shape::Literal(v @ (Value::Number(_) | Value::Bool(_))) => Some((n.clone(), v.to_string())),
                    _ => None,
                })
                .collect()
        })
        .collect();
    for (i, row) in rows.iter_mut().enumerate() {
        if row.name.is_some() {
            continue;
        }
        let others = || texts.iter().enumerate().filter(move |(j, _)| *j != i).map(|(_, t)| t);
        row.name = texts
            .get(i)
            .and_then(|mine| {
                mine.iter().find(|(n, t)| {
                    !slug(t).is_empty() && !others().any(|o| o.iter().any(|(m, u)| m == n && slug(u) == slug(t)))
                })
            })
            .map(|(_, t)| t.clone());
        if row.name.is_none() {
            r.found.error_help(
                "case-name",
                row.span,
                "this case has no name and no value of its own to be called by",
                "add `name:`",
            );
        }
    }
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for row in rows.iter() {
        if let Some(name) = &row.name {
            let slug = slug(name);
            if slug.is_empty() {
                r.found.error_help(
                    "case-name",
                    row.span,
                    format!("no id can be made of the name \"{name}\""),
                    "use letters or digits",
                );
            } else if !seen.insert(slug.clone()) {
                r.found.error_help(
                    "case-name",
                    row.span,
                    format!("another case is called `{slug}` too"),
                    "give each case a `name` of its own",
                );
            }
        }
    }
}

/// `a stranger's id` becomes `a-strangers-id`, `tools/list` becomes `tools-list`.
fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars().filter(|c| *c != '\'') {
        if c.is_alphanumeric() {
            slug.extend(c.to_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.trim_end_matches('-').to_owned()
}

/// A name that is sent as bytes may be given as `{ hex: .. }` or `{ text: .., times: .. }`.
fn make_bytes(steps: &[Step], given: &mut [(String, Pattern)], found: &mut Diagnostics) {
    let mut names = BTreeSet::new();
    each_step(steps, &mut |step| {
        if let StepBody::Act(act) = &step.body
            && let Verb::Sends { bytes } = &act.verb
            && let Shape::Name(path) = &bytes.shape
        {
            names.insert(path.name.clone());
        }
    });
    for (name, pattern) in given.iter_mut() {
        if names.contains(name) {
            *pattern = self::pattern::bytes(pattern.clone(), found);
        }
    }
}
