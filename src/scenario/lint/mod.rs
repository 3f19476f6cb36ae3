//! Lint: what a file says that cannot be meant. Each rule has a name, and a folder in `tests/lint` with a file that breaks it.

mod blocks;
mod labels;
mod names;
mod requirements;

use super::diagnostic::{Diagnostic, Diagnostics};
use super::model::Scenario;

/// A rule: its name and what it refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Its name, such as `unknown-key`; the code of its diagnostics.
    pub name: &'static str,
    /// What it refuses, in a few words.
    pub refuses: &'static str,
}

const fn rule(name: &'static str, refuses: &'static str) -> Rule {
    Rule { name, refuses }
}

/// Every rule, by what is checked.
pub const RULES: &[Rule] = &[
    // the file
    rule("file-name", "a file that is not called `<area>/<name>.yaml`, or has the id of another"),
    rule("not-utf-8", "bytes that are not UTF-8"),
    rule("too-large", "a file that is too long, nests too deep or has too many cases"),
    rule("empty-file", "a file that says nothing"),
    rule("several-documents", "a second YAML document in one file"),
    rule("syntax", "what is not YAML"),
    // the traps of YAML
    rule("yaml-anchor", "anchors, aliases and merge keys"),
    rule("yaml-tag", "tags such as `!!str`"),
    rule("yaml-word", "plain `yes`, `no`, `on`, `off`, `y`, `n`, `True` and the like"),
    rule("leading-zero", "numbers with leading zeros"),
    rule("bare-date", "a plain date where a text is meant (a warning)"),
    rule("duplicate-key", "a member that is written twice"),
    rule("bad-key", "a list, a map or nothing as the name of a member"),
    rule("empty-value", "nothing where a value should stand"),
    // members and words
    rule("unknown-key", "a member that is not known where it stands"),
    rule("missing-key", "a member that must be there and is not"),
    rule("wrong-type", "a list where a text is meant, and so on"),
    rule("unknown-word", "a word that is not known where it stands"),
    rule("two-verbs", "a step that says two things"),
    rule("written-twice", "the same revision, party or requirement twice in one list"),
    rule("empty-block", "a list or a map without anything in it"),
    rule("one-branch", "a choice with one branch"),
    rule("result-and-error", "an answer with a result and an error"),
    // patterns, names, times
    rule("bad-pattern", "a pattern that does not exist"),
    rule("bad-regex", "a regular expression that is not understood"),
    rule("reversed-range", "a range that ends before it begins"),
    rule("bad-name", "what cannot be a name or a label"),
    rule("bad-bytes", "bytes to send that are none"),
    rule("bad-wait", "a length of time that is not understood, or too long"),
    rule("zero-wait", "a deadline of no time at all"),
    rule("unresolved-name", "a method, label or requirement by a `$name` that no case gives"),
    rule("case-name", "a case without a name of its own"),
    rule("never-played", "a step whose `when` no case and no transport fulfils"),
    rule("wrong-era", "an `opening` for `initialize` where there is none"),
    rule("opening-twice", "an `opening` in a file whose steps are the handshake"),
    // names
    rule("name-before-bound", "a name that is used before anything binds it"),
    rule("name-used-once", "a name that is bound and never used (a warning)"),
    rule("unused-value", "a value of `given` or of a case that nothing uses, or a further client that does nothing"),
    // labels
    rule("unknown-label", "a label that no step has, or an answer to a request that was not made"),
    rule("label-twice", "a label that two steps have"),
    rule("label-is-name", "a label that is also a name: of a given value, or one that a message binds"),
    rule("wrong-label", "a label of a step that cannot be meant there"),
    rule("own-answer", "a party that answers its own request"),
    // blocks
    rule("indistinct-choice", "branches that the other side cannot tell apart"),
    rule("no-bound", "a loop that can go on for ever"),
    rule("unreachable", "a step after a loop that can go on for ever"),
    rule("reversed-bounds", "`at least` above `at most`, or `at most: 0`"),
    rule("no-fence", "a `during` that does not end with an answer, so that absence would show nothing"),
    rule("bad-never", "in `never`, anything but acts that are not to be seen"),
    rule("needs-http", "what only HTTP has, in a step that is played over stdio too"),
    rule("wrong-party", "an act that the party cannot do"),
    // the specification
    rule("unknown-method", "a method that a revision of the file does not have, or not from that party"),
    rule("unknown-capability", "a capability that no revision knows"),
    rule("unknown-requirement", "the id of a requirement that does not exist"),
    rule("requirement-not-in-revision", "a requirement that does not hold in a revision of the file"),
    rule("not-observable", "`proves` for what cannot be seen on the wire"),
    rule("foreign-proof", "`proves` at a step in which the party that the requirement binds does nothing"),
    rule("foreign-breaks", "`breaks` for a requirement that does not bind the party of the step"),
    rule("unknown-decision", "a decision that does not exist"),
    rule("no-proof", "a scenario that proves nothing (a warning)"),
    rule("no-seat", "a scenario whose proofs can be had from no seat"),
];

/// Checks the scenarios of one file (they share it: the rows of a table). Places already reported for one row are not
/// reported again for the next.
#[must_use]
pub fn check(scenarios: &[Scenario]) -> Vec<Diagnostic> {
    let Some(first) = scenarios.first() else { return Vec::new() };
    let mut found = Diagnostics::new(&first.source);
    for scenario in scenarios {
        names::check(scenario, &mut found);
        labels::check(scenario, &mut found);
        blocks::check(scenario, &mut found);
        requirements::check(scenario, &mut found);
    }
    requirements::whole_file(scenarios, &mut found);
    found.into_sorted()
}
