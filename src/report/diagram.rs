//! The sequence diagram of a trace, as text: two lifelines, one line a message, up to where the two parted.

use super::drawing::{Drawing, Extent, Item, mark, more, more_findings};
use super::reading::{Row, Shape};
use super::style::{Line, Tone};
use super::text::{cut, escape, pad, short, width};
use crate::judge::{Finding, Judgement, Verdict};
use crate::trace::Trace;
use crate::wire::Party;

/// Narrower than this no arrow is left.
pub const NARROWEST: usize = 40;
/// The number of an event and the mark before it.
const GUTTER: usize = 7;

/// The diagram as plain text, each line ending in a line feed, at most `width` columns (at least [`NARROWEST`]). Findings are
/// marked and numbered as they stand in the judgement, from 1.
#[must_use]
pub fn diagram(trace: &Trace, judgement: &Judgement, width: usize) -> String {
    lines(trace, judgement, width).into_iter().map(|line| line.text + "\n").collect()
}

/// The diagram in lines, as it stands in a report.
#[must_use]
pub fn lines(trace: &Trace, judgement: &Judgement, columns: usize) -> Vec<Line> {
    Drawing::of(trace, judgement, &Extent::default()).lines(columns)
}

impl Drawing<'_> {
    /// It in lines of at most so many columns (at least [`NARROWEST`]).
    #[must_use]
    pub fn lines(&self, columns: usize) -> Vec<Line> {
        let note = |item: &Item<'_>| if let Item::Row { row, .. } = item { width(&row.note) } else { 0 };
        let pen = Pen::new(columns.max(NARROWEST), self.items.iter().map(note).max().unwrap_or(0));
        let mut out = vec![pen.names(self.trace)];
        out.extend(self.items.iter().map(|item| match item {
            Item::Row { row, verdict } => pen.row(row, *verdict),
            Item::Gap(hidden) => pen.gap(&more(*hidden)),
            Item::Finding { number, finding, .. } => pen.caption(*number, finding),
            Item::More(findings) => pen.gap(&more_findings(*findings)),
            Item::NeverCame { party, finding } => pen.expected(*party, finding),
        }));
        out
    }
}

struct Pen {
    columns: usize,
    inner: usize,
    notes: usize,
}

impl Pen {
    fn new(columns: usize, notes: usize) -> Pen {
        let notes = notes.min(columns / 4);
        let beside = if notes > 0 { notes + 2 } else { 0 };
        Pen { columns, inner: columns.saturating_sub(GUTTER + 2 + beside), notes }
    }

    fn line(&self, tone: Tone, gutter: &str, body: &str, note: &str) -> Line {
        let text = format!("{}{body}  {}", pad(gutter, GUTTER), cut(note, self.notes));
        Line { tone, text: cut(text.trim_end(), self.columns) }
    }

    fn names(&self, trace: &Trace) -> Line {
        let half = (self.inner + 2) / 2;
        let name = |party: Party, name: &str| {
            let name = short(name, half.saturating_sub(9));
            if name.is_empty() || name == party.as_str() { party.as_str().into() } else { format!("{party} {name}") }
        };
        let left = name(Party::Client, &trace.header.client);
        let right = name(Party::Server, &trace.header.server);
        let body = format!("{}{right}", pad(&left, (self.inner + 2).saturating_sub(width(&right))));
        self.line(Tone::Strong, "", &body, "")
    }

    fn row(&self, row: &Row, verdict: Option<Verdict>) -> Line {
        let number = row.events.first().map_or(String::new(), u32::to_string);
        let gutter = format!("{} {}", verdict.map_or(" ", mark), cut(&number, 4));
        let tone = match (verdict, row.shape) {
            (Some(verdict), _) => Tone::Verdict(verdict),
            (None, Shape::Arrow(_)) => Tone::Plain,
            (None, _) => Tone::Faint,
        };
        let body = match row.shape {
            Shape::Arrow(from) => self.arrow(from, &row.label, "─", ("▶", "◀")),
            Shape::Folded => {
                let room = self.inner.saturating_sub(5);
                let label = cut(&row.label, room.saturating_sub(1));
                format!("│◀─ {}─▶│", fill(&label, "─", room, false))
            }
            Shape::Aside(Party::Client) => {
                format!("◆ {}│", pad(&cut(&row.label, self.inner - 1), self.inner - 1))
            }
            Shape::Aside(Party::Server) => {
                let label = cut(&row.label, self.inner - 1);
                format!("│{}{label} ◆", " ".repeat((self.inner - 1).saturating_sub(width(&label))))
            }
        };
        self.line(tone, &gutter, &body, &row.note)
    }

    fn arrow(&self, from: Party, label: &str, dash: &str, heads: (&str, &str)) -> String {
        let room = self.inner.saturating_sub(5);
        let label = cut(label, room.saturating_sub(1));
        match from {
            Party::Client => format!("├{dash} {}{dash}{}│", fill(&label, dash, room, false), heads.0),
            Party::Server => format!("│{}{dash}{} {dash}┤", heads.1, fill(&label, dash, room, true)),
        }
    }

    fn expected(&self, party: Party, finding: &Finding) -> Line {
        let label = format!("never came: {}", short(&finding.expected, self.inner));
        let body = self.arrow(party, &label, "╌", ("▷", "◁"));
        self.line(Tone::Verdict(finding.verdict), "", &body, "")
    }

    fn caption(&self, n: usize, finding: &Finding) -> Line {
        let text = format!("╰ {n}. {}, {}: {}", finding.verdict, finding.blame, escape(&finding.found));
        self.line(Tone::Verdict(finding.verdict), "", &cut(&text, self.columns.saturating_sub(GUTTER)), "")
    }

    fn gap(&self, words: &str) -> Line {
        let body = format!("╎ {}╎", pad(&cut(words, self.inner - 1), self.inner - 1));
        self.line(Tone::Faint, "", &body, "")
    }
}

/// The label and dashes up to so many columns, with a blank between; the dashes come first if `before`.
fn fill(label: &str, dash: &str, to: usize, before: bool) -> String {
    let rest = to.saturating_sub(width(label));
    if rest == 0 {
        return label.to_owned();
    }
    let dashes = dash.repeat(rest - 1);
    if before { format!("{dashes} {label}") } else { format!("{label} {dashes}") }
}
