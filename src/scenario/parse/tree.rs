//! YAML text to a tree with the place of everything, and the traps of YAML refused on the way.

use crate::scenario::diagnostic::Diagnostics;
use crate::scenario::source::{Source, Span};
use granit_parser::{Event, Parser, ScalarStyle};

/// The longest file that is read, in bytes.
pub const MAX_BYTES: usize = 1024 * 1024;
/// How deep lists and maps may nest.
pub const MAX_DEPTH: usize = 48;
/// How many nodes a file may have.
pub const MAX_NODES: usize = 50_000;

/// A value with its place.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) what: What,
    pub(super) span: Span,
}

/// What a value can be.
#[derive(Debug, Clone)]
pub(super) enum What {
    Scalar { text: String, plain: bool },
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// The name of a member.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) text: String,
    pub(super) span: Span,
}

impl Node {
    /// What it is, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match &self.what {
            What::List(_) => "a list",
            What::Map(_) => "a map",
            What::Scalar { plain: true, text } if text.is_empty() => "nothing",
            What::Scalar { .. } => "a text",
        }
    }
}

/// Reads one document. `None` (with the reason in `found`) if there is no tree at all.
pub(super) fn read(source: &Source, found: &mut Diagnostics) -> Option<Node> {
    let text = source.text.as_str();
    if text.len() > MAX_BYTES {
        let message = format!("the file has {} bytes; at most {MAX_BYTES} are read", text.len());
        found.error("too-large", Span::default(), message);
        return None;
    }
    let options = granit_parser::options! {
        emit_comments: false,
        emit_unresolved_aliases: true,
        emit_anchor_events: true,
        disallow_directives: true,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
        simple_key_max_lookahead: 1024,
    };
    let mut builder = Builder { found, open: Vec::new(), root: None, documents: 0, nodes: 0 };
    for next in Parser::new_from_str_with_options(text, options) {
        match next {
            Ok((event, span)) => {
                let range = span.byte_range().unwrap_or(0..0);
                let tag = span.tag_span().and_then(|t| t.byte_range());
                let place = |r: std::ops::Range<usize>| Span { start: r.start, end: r.end };
                if !builder.take(event, place(range), tag.map(place)) {
                    return None;
                }
            }
            Err(e) => {
                let at = e.marker().byte_offset().unwrap_or(text.len());
                let reason = e.info().to_owned();
                builder.syntax(text, at, &reason);
                return None;
            }
        }
    }
    let Builder { root, documents, found, .. } = builder;
    match root {
        Some(root) if documents == 1 => Some(root),
        Some(_) => None,
        None => {
            found.error_help(
                "empty-file",
                Span::default(),
                "the file says nothing",
                "a scenario has at least a title, revisions and an exchange",
            );
            None
        }
    }
}

/// A list or map that is not yet closed.
enum Open {
    List { start: Span, items: Vec<Node> },
    Map { start: Span, entries: Vec<(Key, Node)>, key: Option<Key> },
}

struct Builder<'a> {
    found: &'a mut Diagnostics,
    open: Vec<Open>,
    root: Option<Node>,
    documents: usize,
    nodes: usize,
}

impl Builder<'_> {
    /// `false`: stop reading.
    fn take(&mut self, event: Event<'_>, span: Span, tag: Option<Span>) -> bool {
        if let Some(tag) = tag {
            self.found.error_help("yaml-tag", tag, "tags such as `!!str` are not used here", "quote a text instead");
        }
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    self.found.error_help(
                        "several-documents",
                        span,
                        "a second document begins here",
                        "one file, one document: put it into a file of its own",
                    );
                    return false;
                }
                true
            }
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                self.found.error_help(
                    "yaml-anchor",
                    span,
                    "aliases (`*name`) are not used here",
                    "quote a text that begins with `*`, or use `cases`",
                );
                self.node(Node { what: What::Scalar { text: "*".into(), plain: false }, span })
            }
            Event::Anchor(..) => {
                self.found.error_help(
                    "yaml-anchor",
                    span,
                    "anchors (`&name`) are not used here",
                    "use `given` and `$name`, or `cases`",
                );
                true
            }
            Event::Scalar(text, style, ..) => {
                let plain = matches!(style, ScalarStyle::Plain);
                // where nothing stands the parser says `~`
                let text = if plain && span.start == span.end { String::new() } else { text.into_owned() };
                // a key may be judged only when it is known to be one
                if !self.at_key() && plain {
                    trap(self.found, &text, span);
                }
                self.node(Node { what: What::Scalar { text, plain }, span })
            }
            Event::SequenceStart(..) => self.push(Open::List { start: span, items: Vec::new() }),
            Event::MappingStart(..) => self.push(Open::Map { start: span, entries: Vec::new(), key: None }),
            Event::SequenceEnd | Event::MappingEnd => {
                let node = match self.open.pop() {
                    Some(Open::List { start, items }) => {
                        let span = whole(start, items.first().map(|n| n.span), items.last().map(|n| n.span), span);
                        Node { what: What::List(items), span }
                    }
                    Some(Open::Map { start, entries, .. }) => {
                        let first = entries.first().map(|(k, _)| k.span);
                        let last = entries.last().map(|(_, n)| n.span);
                        Node { what: What::Map(entries), span: whole(start, first, last, span) }
                    }
                    None => return false,
                };
                self.node(node)
            }
            _ => true,
        }
    }

    fn at_key(&self) -> bool {
        matches!(self.open.last(), Some(Open::Map { key: None, .. }))
    }

    fn push(&mut self, open: Open) -> bool {
        let start = match &open {
            Open::List { start, .. } | Open::Map { start, .. } => *start,
        };
        if self.at_key() {
            self.found.error("bad-key", start, "a list or a map cannot be the name of a member");
            return false;
        }
        if self.open.len() >= MAX_DEPTH {
            self.found.error("too-large", start, format!("lists and maps nest deeper than {MAX_DEPTH}"));
            return false;
        }
        self.open.push(open);
        true
    }

    /// Puts a finished node where it belongs.
    fn node(&mut self, node: Node) -> bool {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            self.found.error("too-large", node.span, format!("the file has more than {MAX_NODES} values"));
            return false;
        }
        match self.open.last_mut() {
            None => {
                let nothing = matches!(&node.what, What::Scalar { text, plain: true } if text.is_empty());
                if !nothing {
                    self.root = Some(node);
                }
            }
            Some(Open::List { items, .. }) => items.push(node),
            Some(Open::Map { entries, key, .. }) => match key.take() {
                Some(name) => entries.push((name, node)),
                None => {
                    let span = node.span;
                    let What::Scalar { text, plain } = node.what else { return false };
                    if plain && text == "<<" {
                        self.found.error_help(
                            "yaml-anchor",
                            span,
                            "merge keys (`<<`) are not used here",
                            "use `given` and `$name`, or `cases`",
                        );
                    } else if plain && text.is_empty() {
                        self.found.error("bad-key", span, "a member has no name");
                    } else if plain && WORDS.contains(&text.as_str()) {
                        word(self.found, &text, span);
                    }
                    if entries.iter().any(|(k, _)| k.text == text) {
                        self.found.error_help(
                            "duplicate-key",
                            span,
                            format!("`{text}` is written twice in one map"),
                            "remove one of the two",
                        );
                    }
                    *key = Some(Key { text, span });
                }
            },
        }
        true
    }

    fn syntax(&mut self, text: &str, at: usize, reason: &str) {
        let at = at.min(text.len());
        let span =
            Span { start: at, end: at + text.get(at..).and_then(|t| t.chars().next()).map_or(0, char::len_utf8) };
        let deep = reason.contains("nest") && reason.contains("limit");
        let line_start = text.get(..at).and_then(|t| t.rfind(['\n', '\r'])).map_or(0, |i| i + 1);
        let line = text.get(line_start..).unwrap_or_default().lines().next().unwrap_or_default();
        let indent = line.len() - line.trim_start().len();
        if deep {
            self.found.error("too-large", span, format!("lists and maps nest deeper than {MAX_DEPTH}"));
        } else if line.get(..indent).is_some_and(|i| i.contains('\t')) {
            self.found.error_help(
                "syntax",
                span,
                format!("this is not YAML: {reason}"),
                "indent with spaces, not with tabs",
            );
        } else if line.contains("${") {
            self.found.error_help(
                "syntax",
                span,
                format!("this is not YAML: {reason}"),
                "inside `{ }` and `[ ]` a text with `${name}` must be quoted",
            );
        } else {
            self.found.error("syntax", span, format!("this is not YAML: {reason}"));
        }
    }
}

/// The place of a list or map: what its brackets or its members span.
fn whole(start: Span, first: Option<Span>, last: Option<Span>, end: Span) -> Span {
    if start.end > start.start && end.end > end.start {
        return Span { start: start.start, end: end.end }; // brackets
    }
    match (first, last) {
        (Some(first), Some(last)) => Span { start: first.start, end: last.end.max(first.end) },
        _ => start,
    }
}

const WORDS: [&str; 22] = [
    "y", "Y", "yes", "Yes", "YES", "n", "N", "no", "No", "NO", "on", "On", "ON", "off", "Off", "OFF", "True", "TRUE",
    "False", "FALSE", "Null", "NULL",
];

fn word(found: &mut Diagnostics, text: &str, span: Span) {
    found.error_help(
        "yaml-word",
        span,
        format!("`{text}` means one thing to some readers of YAML and another to others"),
        format!("write `true`, `false` or `null`, or quote it: \"{text}\""),
    );
}

/// Is it a word that readers of YAML do not agree on, or a date?
pub(super) fn is_trap(text: &str) -> bool {
    WORDS.contains(&text) || is_date(text)
}

/// What a plain scalar may hide.
fn trap(found: &mut Diagnostics, text: &str, span: Span) {
    if WORDS.contains(&text) {
        word(found, text, span);
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit()) {
        found.error_help(
            "leading-zero",
            span,
            format!("`{text}` is octal to some readers of YAML and decimal to others"),
            "write the number without leading zeros, or quote it",
        );
    }
}

/// Warns of every bare date below a node.
pub(super) fn bare_dates(node: &Node, found: &mut Diagnostics) {
    match &node.what {
        What::Scalar { text, plain: true } if is_date(text) => found.warn(
            "bare-date",
            node.span,
            format!("`{text}` is a date to some readers of YAML and a text to others"),
            format!("quote it: \"{text}\""),
        ),
        What::Scalar { .. } => {}
        What::List(items) => items.iter().for_each(|n| bare_dates(n, found)),
        What::Map(entries) => entries.iter().for_each(|(_, n)| bare_dates(n, found)),
    }
}

fn is_date(text: &str) -> bool {
    let b = text.as_bytes();
    b.len() >= 10
        && b.iter().take(10).enumerate().all(|(i, c)| if i == 4 || i == 7 { *c == b'-' } else { c.is_ascii_digit() })
        && b.get(10).is_none_or(|c| matches!(c, b'T' | b't' | b' '))
}
