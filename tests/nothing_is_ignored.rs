//! Nothing in a scenario file is silently ignored: whatever member is removed, renamed or given another kind of value, either
//! something is said about it at its place, or the scenario means something else.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use granit_parser::{Event, Parser, StructureStyle};
use mcp_interop::scenario::files::{self, Loaded};
use mcp_interop::scenario::{Scenario, Source};
use std::ops::Range;

/// One member of a map, by its places in the text.
struct Entry {
    key: Range<usize>,
    value: Range<usize>,
    /// In `{ }`.
    flow: bool,
    scalar: bool,
    /// The members that it is in, outermost first.
    path: Vec<String>,
}

fn entries(text: &str) -> Vec<Entry> {
    struct Open {
        map: bool,
        flow: bool,
        start: Range<usize>,
        key: Option<(Range<usize>, String)>,
        first: Option<usize>,
        last: usize,
    }
    let mut open: Vec<Open> = Vec::new();
    let mut all = Vec::new();
    for next in Parser::new_from_str(text) {
        let (event, span) = next.unwrap();
        let range = span.byte_range().unwrap();
        let (node, scalar) = match event {
            Event::Scalar(value, ..) => {
                if let Some(top) = open.last_mut()
                    && top.map
                    && top.key.is_none()
                {
                    top.first.get_or_insert(range.start);
                    top.key = Some((range, value.into_owned()));
                    continue;
                }
                (range, true)
            }
            Event::MappingStart(style, ..) | Event::SequenceStart(style, ..) => {
                let map = matches!(event, Event::MappingStart(..));
                open.push(Open {
                    map,
                    flow: style == StructureStyle::Flow,
                    start: range.clone(),
                    key: None,
                    first: None,
                    last: range.end,
                });
                continue;
            }
            Event::MappingEnd | Event::SequenceEnd => {
                let done = open.pop().unwrap();
                // a block ends with its last value; brackets end with themselves
                let whole = if done.flow {
                    done.start.start..range.end
                } else {
                    done.first.unwrap_or(done.start.start)..done.last
                };
                (whole, false)
            }
            _ => continue,
        };
        let path: Vec<String> = open.iter().filter_map(|o| o.key.as_ref().map(|(_, k)| k.clone())).collect();
        if let Some(top) = open.last_mut() {
            top.last = node.end;
            match top.key.take() {
                Some((key, _)) => all.push(Entry { key, value: node, flow: top.flow, scalar, path }),
                None => {
                    top.first.get_or_insert(node.start);
                }
            }
        }
    }
    all
}

/// What a file means, without places.
fn meaning(loaded: &Loaded) -> String {
    let spans = regex::Regex::new(r"Span \{ start: \d+, end: \d+ \}").unwrap();
    let bare: Vec<Scenario> =
        loaded.scenarios.iter().map(|s| Scenario { source: Source::new("", ""), ..s.clone() }).collect();
    spans.replace_all(&format!("{bare:?}"), "").into_owned()
}

fn removed(text: &str, entry: &Entry) -> String {
    let (mut start, mut end) = (entry.key.start, entry.value.end);
    if entry.flow {
        let after = &text[end..];
        let before = &text[..start];
        if let Some(rest) = after.trim_start().strip_prefix(',') {
            end = text.len() - rest.len();
        } else if let Some(rest) = before.trim_end().strip_suffix(',') {
            start = rest.len();
        }
    }
    format!("{}{}", &text[..start], &text[end..])
}

fn replaced(text: &str, range: &Range<usize>, with: &str) -> String {
    format!("{}{with}{}", &text[..range.start], &text[range.end..])
}

fn lines(text: &str, range: &Range<usize>) -> std::ops::RangeInclusive<usize> {
    let line = |i: usize| text[..i].matches('\n').count() + 1;
    line(range.start)..=line(range.end)
}

fn name_at_start(text: &str) -> &str {
    let text = text.strip_prefix('{').unwrap_or(text);
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

#[test]
fn every_member_of_every_file_counts() {
    let mut tried = 0;
    let mut wrong: Vec<String> = Vec::new();
    for (name, text) in files::embedded_files() {
        let load = |text: &str| files::load([(*name, text.as_bytes().to_vec())]);
        let was = load(text);
        assert!(was.diagnostics.is_empty(), "{name}");
        let meant = meaning(&was);
        for entry in entries(text) {
            let key = &text[entry.key.clone()];
            // names of the author's own: what is wrong shows where they are used
            let own = entry.path.iter().any(|p| p == "given" || p == "cases");
            let other_kind = if entry.scalar { "[1, { a: b }]" } else { "other" };
            let whole = entry.key.start..entry.value.end;
            let changes = [
                ("removed", removed(text, &entry), whole.clone(), true),
                ("renamed", replaced(text, &(entry.key.end..entry.key.end), "x"), entry.key.clone(), own),
                ("given another kind of value", replaced(text, &entry.value, other_kind), whole, own),
            ];
            for (what, changed, place, anywhere) in changes {
                tried += 1;
                let now = load(&changed);
                let line = lines(text, &place);
                // a name that lost its only binding or its only use is reported where it stands elsewhere
                let names: Vec<&str> =
                    text[entry.key.start..entry.value.end].split('$').skip(1).map(name_at_start).collect();
                let said = now.diagnostics.iter().any(|d| {
                    anywhere
                        || line.contains(&d.source.line_column(d.span.start).0)
                        || names.iter().any(|n| d.message.contains(&format!("`${n}`")))
                });
                let means_else = now.diagnostics.is_empty() && meaning(&now) != meant;
                if !said && !means_else {
                    let all: String = now.diagnostics.iter().map(|d| format!("\n  {d}")).collect();
                    wrong.push(format!(
                        "{name}:{}: `{key}` {what}: {}{all}",
                        line.start(),
                        if all.is_empty() { "nothing is said" } else { "said elsewhere" }
                    ));
                }
            }
        }
    }
    assert!(tried > 1000, "{tried} changes");
    assert!(wrong.is_empty(), "{} of {tried}:\n{}", wrong.len(), wrong.join("\n"));
}
