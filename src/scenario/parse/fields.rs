//! Decoding of maps with known members: what is asked for is known, what nobody asked for is an error.

use super::tree::{Key, Node, What};
use crate::scenario::diagnostic::{Diagnostics, did_you_mean};
use crate::scenario::source::Span;

/// A map being decoded.
pub(super) struct Fields<'a> {
    what: &'static str,
    span: Span,
    entries: &'a [(Key, Node)],
    used: Vec<bool>,
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// `what` names the map in messages: `a step`. Anything but a map is an error.
    pub(super) fn of(what: &'static str, node: &'a Node, found: &mut Diagnostics) -> Option<Fields<'a>> {
        match &node.what {
            What::Map(entries) => {
                Some(Fields { what, span: node.span, entries, used: vec![false; entries.len()], known: Vec::new() })
            }
            _ => {
                wrong_type(found, what, "a map", node);
                None
            }
        }
    }

    /// The member of that name; it becomes known.
    pub(super) fn take(&mut self, name: &'static str) -> Option<&'a Node> {
        self.take_key(name).map(|(_, node)| node)
    }

    /// The member of that name, with its key.
    pub(super) fn take_key(&mut self, name: &'static str) -> Option<(&'a Key, &'a Node)> {
        self.known.push(name);
        let entries = self.entries;
        let i = entries.iter().position(|(k, _)| k.text == name)?;
        // a second one of the same name was reported when it was read
        for ((key, _), used) in entries.iter().zip(&mut self.used) {
            *used |= key.text == name;
        }
        entries.get(i).map(|(k, n)| (k, n))
    }

    /// As [`Fields::take`], but it must be there.
    pub(super) fn need(&mut self, name: &'static str, found: &mut Diagnostics) -> Option<&'a Node> {
        let node = self.take(name);
        if node.is_none() {
            let start = Span { start: self.span.start, end: self.span.start };
            found.error("missing-key", start, format!("{} has no `{name}`", self.what));
        }
        node
    }

    /// The members that nobody has asked for yet.
    pub(super) fn rest(&self) -> impl Iterator<Item = (usize, &'a Key, &'a Node)> {
        let entries = self.entries;
        self.used
            .iter()
            .enumerate()
            .filter(|(_, u)| !**u)
            .filter_map(move |(i, _)| entries.get(i).map(|(k, n)| (i, k, n)))
    }

    /// Marks a member from [`Fields::rest`] as understood.
    pub(super) fn mark(&mut self, i: usize) {
        if let Some(used) = self.used.get_mut(i) {
            *used = true;
        }
    }

    /// Everything that is left is an error.
    pub(super) fn finish(self, found: &mut Diagnostics, also: &[&'static str]) {
        let mut known = self.known.clone();
        known.extend_from_slice(also);
        for (_, key, _) in self.rest() {
            let message = format!("{} has no member `{}`", self.what, key.text);
            match did_you_mean(&key.text, &known) {
                Some(help) => found.error_help("unknown-key", key.span, message, help),
                None => found.error("unknown-key", key.span, message),
            }
        }
    }
}

/// `what` should be `expected`.
pub(super) fn wrong_type(found: &mut Diagnostics, what: &str, expected: &str, node: &Node) {
    found.error("wrong-type", node.span, format!("{what} must be {expected}, and this is {}", node.kind()));
}

/// A text that is not empty.
pub(super) fn text<'a>(what: &str, node: &'a Node, found: &mut Diagnostics) -> Option<&'a str> {
    match &node.what {
        What::Scalar { text, .. } if !text.is_empty() => {
            if let What::Scalar { plain: true, .. } = &node.what
                && matches!(super::pattern::resolve(text), Ok(v) if !v.is_string())
            {
                found.error_help(
                    "wrong-type",
                    node.span,
                    format!("{what} must be a text, and `{text}` is none"),
                    format!("quote it if it is meant: \"{text}\""),
                );
                return None;
            }
            Some(text)
        }
        _ => {
            wrong_type(found, what, "a text", node);
            None
        }
    }
}

/// A whole number from 0 on.
pub(super) fn count(what: &str, node: &Node, found: &mut Diagnostics) -> Option<u32> {
    match &node.what {
        What::Scalar { text, plain: true } => {
            if let Ok(n) = text.parse::<u32>() {
                return Some(n);
            }
            found.error(
                "wrong-type",
                node.span,
                format!("{what} must be a whole number from 0 to {}, and this is `{text}`", u32::MAX),
            );
            None
        }
        _ => {
            wrong_type(found, what, "a whole number", node);
            None
        }
    }
}

/// The items of a list; one value that is no list counts as a list of one if `single`.
pub(super) fn items<'a>(what: &str, node: &'a Node, single: bool, found: &mut Diagnostics) -> &'a [Node] {
    match &node.what {
        What::List(items) => {
            if items.is_empty() {
                found.error("empty-block", node.span, format!("{what} is empty"));
            }
            items
        }
        What::Scalar { text, .. } if single && !text.is_empty() => std::slice::from_ref(node),
        _ => {
            wrong_type(found, what, if single { "a text or a list" } else { "a list" }, node);
            &[]
        }
    }
}
