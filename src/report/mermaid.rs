//! The sequence diagram of a trace as Mermaid text, for Markdown pages and issues.

use super::drawing::{Drawing, Extent, Item, mark, more, more_findings};
use super::reading::{Row, Shape};
use super::text::{cut, short, wrap};
use crate::judge::{Finding, Judgement, Verdict};
use crate::trace::Trace;
use crate::wire::Party;

/// Columns of one line of text.
const COLUMNS: usize = 90;
/// Lines of one text at most.
const LINES: usize = 4;

/// The diagram as Mermaid text, as it stands in a report; see [`Drawing::mermaid`].
#[must_use]
pub fn mermaid(trace: &Trace, judgement: &Judgement) -> String {
    Drawing::of(trace, judgement, &Extent::default()).mermaid()
}

impl Drawing<'_> {
    /// It as Mermaid text, each line ending in a line feed: what stands between the fences of a `mermaid` block. Needs Mermaid 9
    /// or newer. No text of a peer can end a line, a block or the diagram, begin a directive or be read as markup. Findings are
    /// marked and numbered as they stand in the judgement, from 1.
    #[must_use]
    pub fn mermaid(&self) -> String {
        let mut out = String::from("sequenceDiagram\n");
        let header = &self.trace.header;
        for (party, name) in [(Party::Client, &header.client), (Party::Server, &header.server)] {
            let name = short(name, COLUMNS / 2);
            let name =
                if name.is_empty() || name == party.as_str() { party.to_string() } else { format!("{party} {name}") };
            out.push_str(&format!("    participant {} as {}\n", letter(party), written(&name)));
        }
        let mut items = self.items.iter().peekable();
        let mut coloured = false;
        while let Some(item) = items.next() {
            if let Item::Row { row, verdict } = item {
                if let Some(verdict) = verdict {
                    out.push_str(&format!("    rect {}\n", colour(*verdict)));
                    coloured = true;
                }
                out.push_str(&of_row(row, *verdict));
            } else {
                out.push_str(&beside(item));
            }
            let more_of_it = |item: &&Item<'_>| !matches!(item, Item::Row { .. } | Item::Gap(_));
            if coloured && !items.peek().is_some_and(more_of_it) {
                out.push_str("    end\n");
                coloured = false;
            }
        }
        out
    }
}

fn letter(party: Party) -> &'static str {
    match party {
        Party::Client => "C",
        Party::Server => "S",
    }
}

/// See-through, so that it is right on light and on dark ground.
fn colour(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Warn => "rgba(212, 167, 44, 0.18)",
        Verdict::Inconclusive => "rgba(130, 80, 223, 0.18)",
        _ => "rgba(207, 34, 46, 0.18)",
    }
}

fn of_row(row: &Row, verdict: Option<Verdict>) -> String {
    let number = row.events.first().map_or(String::new(), u32::to_string);
    let mark = verdict.map_or(String::new(), |verdict| format!("{} ", mark(verdict)));
    let mut text = lines(&format!("{mark}{number} · {}", row.label));
    if !row.note.is_empty() {
        text.push_str(&format!("<br/>{}", written(&cut(&row.note, COLUMNS))));
    }
    match row.shape {
        Shape::Arrow(Party::Client) => format!("    C->>S: {text}\n"),
        Shape::Arrow(Party::Server) => format!("    S->>C: {text}\n"),
        Shape::Folded => over_both(&text),
        Shape::Aside(Party::Client) => format!("    Note right of C: {text}\n"),
        Shape::Aside(Party::Server) => format!("    Note left of S: {text}\n"),
    }
}

fn beside(item: &Item<'_>) -> String {
    match item {
        Item::Row { row, verdict } => of_row(row, *verdict),
        Item::Gap(hidden) => over_both(&written(&more(*hidden))),
        Item::More(findings) => over_both(&written(&more_findings(*findings))),
        Item::Finding { number, finding, parted } => over_both(&caption(*number, finding, *parted)),
        Item::NeverCame { party, finding } => {
            let text = lines(&format!("never came: {}", short(&finding.expected, COLUMNS * LINES)));
            match party {
                Party::Client => format!("    C--xS: {text}\n"),
                Party::Server => format!("    S--xC: {text}\n"),
            }
        }
    }
}

fn caption(number: usize, finding: &Finding, parted: bool) -> String {
    let here = if parted { "Here the two parted.<br/>" } else { "" };
    let found = short(&finding.found, COLUMNS * LINES);
    format!("{here}{}", lines(&format!("{number}. {}, {}: {found}", finding.verdict, finding.blame)))
}

fn over_both(text: &str) -> String {
    format!("    Note over C,S: {text}\n")
}

/// The text in a few short lines.
fn lines(text: &str) -> String {
    let lines = wrap(text, COLUMNS);
    let shown = lines.get(..LINES).unwrap_or(&lines);
    let more = if lines.len() > LINES { "…" } else { "" };
    shown.iter().map(|line| written(line)).collect::<Vec<_>>().join("<br/>") + more
}

/// The text in characters that mean nothing to Mermaid, HTML or Markdown; every other is written as its number.
fn written(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_alphanumeric() || " _.,/-()'!?=+…→×·✗✓".contains(c) {
            out.push(c);
        } else {
            out.push_str(&format!("#{};", u32::from(c)));
        }
    }
    out
}
