//! Small values: lengths of time, parties, revisions, transports, lists of ids.

use super::fields::{items, text, wrong_type};
use super::pattern::path;
use super::tree::{Node, What};
use crate::scenario::diagnostic::{Diagnostics, did_you_mean};
use crate::scenario::model::Wait;
use crate::scenario::source::Span;
use crate::spec::Revision;
use crate::trace::Transport;
use crate::wire::Party;
use std::time::Duration;

/// The longest wait a file may ask for.
pub const MAX_WAIT: Duration = Duration::from_secs(3600);

/// `10s`, `50ms`, `2m`, `$retry`, `$ttl + 3s`.
pub(super) fn wait(what: &str, node: &Node, found: &mut Diagnostics) -> Option<Wait> {
    let What::Scalar { text, .. } = &node.what else {
        wrong_type(found, what, "a length of time", node);
        return None;
    };
    let mut wait = Wait { fixed: Duration::ZERO, plus: None };
    for term in text.split('+').map(str::trim) {
        let ok = if let Some(name) = term.strip_prefix('$') {
            match (path(name), &wait.plus) {
                (Some(path), None) => {
                    wait.plus = Some(path);
                    true
                }
                _ => false,
            }
        } else {
            match duration(term) {
                Some(d) => {
                    wait.fixed = wait.fixed.saturating_add(d);
                    true
                }
                None => false,
            }
        };
        if !ok {
            found.error_help(
                "bad-wait",
                node.span,
                format!("{what} must be a length of time, and this is `{text}`"),
                "write `10s`, `50ms`, `2m`, `$retry` or `$ttl + 3s` (a name stands for milliseconds)",
            );
            return None;
        }
    }
    if wait.plus.is_none() && wait.fixed.is_zero() {
        found.error_help(
            "zero-wait",
            node.span,
            format!("{what} is no time at all"),
            "leave it out for the default deadline",
        );
    } else if wait.fixed > MAX_WAIT {
        found.error("bad-wait", node.span, format!("{what} is longer than an hour"));
    }
    Some(wait)
}

/// As [`wait`], without names.
pub(super) fn fixed_wait(what: &str, node: &Node, found: &mut Diagnostics) -> Option<Duration> {
    let wait = wait(what, node, found)?;
    if wait.plus.is_some() {
        found.error("bad-wait", node.span, format!("{what} cannot depend on a name"));
        return None;
    }
    Some(wait.fixed)
}

fn duration(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let number: u64 = number.parse().ok()?;
    match unit.trim_start() {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" | "min" => number.checked_mul(60).map(Duration::from_secs),
        _ => None,
    }
}

/// One of some words; an error names the closest.
pub(super) fn one_of<T>(
    what: &str,
    node: &Node,
    known: &[&str],
    read: impl Fn(&str) -> Option<T>,
    found: &mut Diagnostics,
) -> Option<T> {
    let word = text(what, node, found)?;
    let value = read(word);
    if value.is_none() {
        unknown_word(found, node.span, what, word, known);
    }
    value
}

/// `word` is not among `known`.
pub(super) fn unknown_word(found: &mut Diagnostics, span: Span, what: &str, word: &str, known: &[&str]) {
    let message = format!("{what} cannot be `{word}`");
    match did_you_mean(word, known) {
        Some(help) => found.error_help("unknown-word", span, message, help),
        None => found.error("unknown-word", span, message),
    }
}

/// `client` or `server`.
pub(super) fn party(word: &str) -> Option<Party> {
    match word {
        "client" => Some(Party::Client),
        "server" => Some(Party::Server),
        _ => None,
    }
}

/// One or several revisions, oldest first.
pub(super) fn revisions(node: &Node, found: &mut Diagnostics) -> Vec<Revision> {
    let mut all = Vec::new();
    let known: Vec<&str> = Revision::ALL.iter().map(|r| r.as_str()).collect();
    for item in items("`revisions`", node, true, found) {
        if let Some(r) = one_of("a revision", item, &known, Revision::parse, found) {
            if all.contains(&r) {
                found.error("written-twice", item.span, format!("the revision {r} is named twice"));
            } else {
                all.push(r);
            }
        }
    }
    all.sort_unstable();
    all
}

/// A transport by its name.
pub(super) fn transport(word: &str) -> Option<Transport> {
    Transport::ALL.into_iter().find(|t| t.as_str() == word)
}

/// One or several transports.
pub(super) fn transports(node: &Node, found: &mut Diagnostics) -> Vec<Transport> {
    let mut all = Vec::new();
    let known: Vec<&str> = Transport::ALL.iter().map(|t| t.as_str()).collect();
    for item in items("`transports`", node, true, found) {
        if let Some(t) = one_of("a transport", item, &known, transport, found) {
            if all.contains(&t) {
                found.error("written-twice", item.span, format!("the transport {t} is named twice"));
            } else {
                all.push(t);
            }
        }
    }
    all
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::scenario::source::Source;

    fn read(text: &str) -> Option<Wait> {
        let node = Node { what: What::Scalar { text: text.into(), plain: true }, span: Span::default() };
        let mut found = Diagnostics::new(&Source::new("x", ""));
        let wait = wait("`within`", &node, &mut found);
        if found.broken() { None } else { wait }
    }

    #[test]
    fn lengths_of_time() {
        assert_eq!(read("50ms").unwrap().fixed, Duration::from_millis(50));
        assert_eq!(read("2m").unwrap().fixed, Duration::from_secs(120));
        let wait = read("$ttl + 3s").unwrap();
        assert_eq!((wait.fixed, wait.plus.unwrap().to_string()), (Duration::from_secs(3), "ttl".to_owned()));
        assert_eq!(read("$retry").unwrap().fixed, Duration::ZERO);
        for bad in ["", "10", "s", "-1s", "1.5s", "0s", "0ms", "2h", "$a + $b", "99999999999999999999s", "61m", "1s +"]
        {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }
}
