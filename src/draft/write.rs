//! A draft as the text of a scenario file.

use super::course::Course;
use super::part::{Act, Action, Last, Part, Poll, Walk};
use super::proofs::Needs;
use super::value::literal;
use crate::report::text::short;
use crate::scenario::Pattern;
use crate::scenario::pattern::Shape;
use crate::scenario::spelling;
use crate::spec::Revision;
use crate::wire::Party;

/// A longer line is broken where it can be.
const WIDEST: usize = 120;
/// A deadline is at least so many seconds, and at most an hour.
const LEAST: u64 = 10;
const LONGEST: u64 = 3600;

/// The whole file.
pub(super) fn file(
    from: &str,
    title: &str,
    revision: Revision,
    head: &[String],
    needs: &Needs,
    course: &Course,
) -> String {
    let mut out = Lines::default();
    let from = if from.is_empty() { String::new() } else { format!(" from {}", short(from, 80)) };
    out.add(0, &format!("# Drafted{from} by mcp-interop draft."));
    for words in head {
        out.comment(0, words);
    }
    out.add(0, &format!("title: {}", word(&short(title, 200))));
    out.add(0, &format!("revisions: {}", word(revision.as_str())));
    if let Some(transport) = course.transport {
        out.add(0, &format!("transports: {transport}"));
    }
    let needed: Vec<String> =
        [Party::Server, Party::Client].into_iter().filter_map(|p| Some(format!("{p}: {}", needs.line(p)?))).collect();
    if !needed.is_empty() {
        out.add(0, "needs:");
    }
    for line in needed {
        out.add(1, &line);
    }
    let mut given = course.names.given().peekable();
    if given.peek().is_some() {
        out.add(0, "given:");
    }
    for (name, value) in given {
        out.member(1, name, value);
    }
    if !course.drive.is_empty() {
        out.add(0, "drive:");
    }
    for action in &course.drive {
        out.action(action);
    }
    out.add(0, "exchange:");
    out.parts(&course.parts);
    out.text
}

/// A text as YAML.
fn word(text: &str) -> String {
    spelling::pattern(&literal(text))
}

#[derive(Default)]
struct Lines {
    text: String,
}

impl Lines {
    fn add(&mut self, depth: usize, line: &str) {
        self.text.push_str(&"  ".repeat(depth));
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn comment(&mut self, depth: usize, words: &str) {
        self.add(depth, &format!("# {}", short(words, 200)));
    }

    /// A member with a pattern; on lines of its own where one would be too long.
    fn member(&mut self, depth: usize, name: &str, value: &Pattern) {
        let line = format!("{}: {}", word(name), spelling::pattern(value));
        let parts = match &value.shape {
            Shape::Object(members) if line.len() + 2 * depth > WIDEST && !members.is_empty() => members,
            _ => return self.add(depth, &line),
        };
        self.add(depth, &format!("{}:", word(name)));
        for part in parts {
            match &part.name.shape {
                Shape::Literal(name) => self.member(depth + 1, name.as_str().unwrap_or_default(), &part.value),
                _ => {
                    let line = format!("{}: {}", spelling::pattern(&part.name), spelling::pattern(&part.value));
                    self.add(depth + 1, &line);
                }
            }
        }
    }

    fn action(&mut self, action: &Action) {
        self.add(1, &format!("- {}: {}", action.what, word(&action.target)));
        if let Some(sees) = &action.sees {
            self.add(2, &format!("sees: {sees}"));
        }
        if let Some(once) = &action.once {
            self.add(2, &format!("once: {once}"));
        }
        if let Some(with) = &action.with {
            self.member(2, "with", with);
        }
        if action.what == "when asked" {
            // a person thinks: a server that does not wait for the answer is seen
            self.add(2, "after: 50ms");
        }
    }

    fn parts(&mut self, parts: &[Part]) {
        let mut rest = parts;
        while let Some(part) = rest.first() {
            let together = together(rest);
            if together > 1 {
                self.add(1, "- par:");
                for part in rest.iter().take(together) {
                    if let Part::Act(act) = part {
                        self.act("- - ", 3, act);
                    }
                }
                rest = rest.get(together..).unwrap_or_default();
                continue;
            }
            match part {
                Part::Act(act) => self.act("- ", 1, act),
                Part::May(acts) => {
                    let who = acts.first().map_or(Party::Client, |act| act.party);
                    self.comment(1, "the client's library asked for this by itself");
                    self.add(1, &format!("- {who} may:"));
                    for act in acts {
                        self.act("- ", 3, act);
                    }
                }
                Part::Poll(poll) => self.poll(poll),
                Part::Walk(walk) => self.walk(walk),
                Part::Note(words) => self.comment(1, words),
            }
            rest = rest.get(1..).unwrap_or_default();
        }
    }

    /// A step; its first line begins with `dash`.
    fn act(&mut self, dash: &str, depth: usize, act: &Act) {
        self.add(depth, &format!("{dash}{} {}: {}", act.party, act.verb, word(&act.target)));
        let inner = depth + dash.len() / 2;
        if let Some(label) = &act.label {
            self.add(inner, &format!("as: {label}"));
        }
        if let Some((member, pattern)) = &act.payload {
            self.member(inner, member, pattern);
        }
        if let Some(wait) = act.not_before {
            self.add(inner, &format!("not before: {wait}ms"));
        }
        self.ids(inner, "breaks", &act.breaks);
        self.ids(inner, "proves", &act.proves);
    }

    fn ids(&mut self, depth: usize, member: &str, ids: &[String]) {
        if ids.is_empty() {
            return;
        }
        let line = format!("{member}: [{}]", ids.join(", "));
        if line.len() + 2 * depth <= WIDEST {
            return self.add(depth, &line);
        }
        self.add(depth, &format!("{member}:"));
        for id in ids {
            self.add(depth + 1, &format!("- {id}"));
        }
    }

    fn poll(&mut self, poll: &Poll) {
        let receiver = poll.requestor.other();
        self.add(1, "- loop:");
        self.add(3, &format!("- {} requests: tasks/get", poll.requestor));
        self.add(4, &format!("params: {{ taskId: {} }}", spelling::pattern(&poll.task)));
        self.add(3, &format!("- {receiver} answers: tasks/get"));
        if let Some(says) = &poll.says {
            self.member(4, "result", says);
        }
        let before = match poll.before.as_slice() {
            [one] => word(one),
            all => format!("<{}>", all.join(" | ")),
        };
        self.add(2, &format!("while: {{ result: {{ status: {before} }} }}"));
        let last = match &poll.last {
            Last::State(state) => format!("result: {{ status: {} }}", word(state)),
            Last::Error(code) => format!("error: {{ code: {code} }}"),
        };
        self.add(2, &format!("ends with: {{ {last} }}"));
        self.add(2, &format!("within: {}", deadline(poll.took)));
        self.ids(2, "proves", &poll.proves);
    }

    fn walk(&mut self, walk: &Walk) {
        let Walk { method, list, cursor, .. } = walk;
        self.add(1, "- loop:");
        self.add(3, &format!("- client requests: {}", word(method)));
        self.add(4, &format!("params: {{ cursor: ${cursor} }}"));
        self.add(3, &format!("- server answers: {}", word(method)));
        self.add(4, &format!("result: {{ {list}: <array>, nextCursor: ${cursor} }}"));
        self.add(2, &format!("carry: {{ ${cursor}: <absent> }}"));
        self.add(2, "while: { result: { nextCursor: <string> } }");
        self.add(2, &format!("at most: {}", (10 * walk.pages).clamp(100, 10_000)));
        self.add(2, &format!("within: {}", deadline(walk.took)));
        self.ids(2, "proves", &walk.proves);
    }
}

/// Twice the time it took when it was recorded, and some seconds at least.
fn deadline(took: u64) -> String {
    format!("{}s", (took.saturating_mul(2) / 1_000_000 + 1).clamp(LEAST, LONGEST))
}

/// How many parts at the beginning are messages of the server with nothing between them: another server may send them in any
/// order.
fn together(parts: &[Part]) -> usize {
    parts.iter().take_while(|part| matches!(part, Part::Act(act) if act.party == Party::Server)).count()
}
