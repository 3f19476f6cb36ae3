//! The sequence diagram of a trace, as text: two lifelines, one line a message, up to where the two parted.

use super::reading::{Row, Shape, rows};
use super::style::{Line, Tone};
use super::text::{cut, escape, pad, short, width};
use crate::judge::finding::Blame;
use crate::judge::{Finding, Judgement, Outcome, Verdict};
use crate::trace::Trace;
use crate::wire::Party;
use std::collections::BTreeSet;
use std::ops::Range;

/// Narrower than this no arrow is left.
pub const NARROWEST: usize = 40;
/// Lines of messages at most.
const MOST: usize = 40;
/// Rows that are shown after the divergence.
const AFTER: usize = 3;
/// Rows from the beginning that are always shown.
const FIRST: usize = 8;
/// The number of an event and the mark before it.
const GUTTER: usize = 7;

/// The diagram as plain text, each line ending in a line feed, at most `width` columns (at least [`NARROWEST`]). Findings are
/// marked and numbered as they stand in the judgement, from 1.
#[must_use]
pub fn diagram(trace: &Trace, judgement: &Judgement, width: usize) -> String {
    lines(trace, judgement, width).into_iter().map(|line| line.text + "\n").collect()
}

/// The diagram in lines.
#[must_use]
pub fn lines(trace: &Trace, judgement: &Judgement, columns: usize) -> Vec<Line> {
    let marked = judgement.findings.iter().filter_map(|f| f.event).collect::<BTreeSet<u32>>();
    let rows = rows(trace, &marked);
    let focus = focus(judgement).map(|finding| place(&rows, finding.event));
    let notes = rows.iter().map(|r| width(&r.note)).max().unwrap_or(0);
    let columns = columns.max(NARROWEST);
    let pen = Pen::new(columns, notes);
    let mut out = vec![pen.names(trace)];
    let last = judgement.findings.iter().map(|finding| place(&rows, finding.event)).max();
    let (head, tail) = shown(rows.len(), focus, last);
    let mut hidden = 0;
    for (i, row) in rows.iter().enumerate() {
        if (i >= head.end && i < tail.start) || i >= tail.end {
            hidden += row.messages;
            continue;
        }
        if hidden > 0 {
            out.push(pen.gap(hidden));
            hidden = 0;
        }
        let here: Vec<(usize, &Finding)> =
            judgement.findings.iter().enumerate().filter(|(_, f)| place(&rows, f.event) == i).collect();
        out.push(pen.row(row, here.iter().map(|(_, f)| f.verdict).max()));
        for (n, finding) in here {
            out.push(pen.caption(n + 1, finding));
            if let Some(party) = owed(judgement, n, finding) {
                out.push(pen.expected(party, finding));
            }
        }
    }
    if hidden > 0 {
        out.push(pen.gap(hidden));
    }
    if rows.is_empty() {
        for (n, finding) in judgement.findings.iter().enumerate() {
            out.push(pen.caption(n + 1, finding));
        }
    }
    out
}

/// The finding at which the two parted: why the outcome was missed, otherwise the first of the worst.
pub(crate) fn focus(judgement: &Judgement) -> Option<&Finding> {
    if let Outcome::Missed { finding } = judgement.outcome
        && let Some(finding) = judgement.findings.get(finding)
    {
        return Some(finding);
    }
    let worst = judgement.findings.iter().map(|f| f.verdict).max()?;
    judgement.findings.iter().find(|f| f.verdict == worst)
}

/// The row where an event is to be seen: its own, or the last before it; without an event the last of all.
fn place(rows: &[Row], event: Option<u32>) -> usize {
    let last = rows.len().saturating_sub(1);
    let Some(event) = event else { return last };
    if let Some(own) = rows.iter().position(|r| r.events.contains(&event)) {
        return own;
    }
    rows.iter().rposition(|r| r.events.first().is_some_and(|first| *first < event)).unwrap_or(0)
}

/// Which rows are shown: some from the beginning, and some up to a little after the divergence; up to a little after the last
/// finding where there is room.
fn shown(rows: usize, focus: Option<usize>, last: Option<usize>) -> (Range<usize>, Range<usize>) {
    let until = |place: Option<usize>| place.map_or(rows, |place| (place + 1 + AFTER).min(rows));
    let end = if until(last) <= MOST { until(last) } else { until(focus) };
    if end <= MOST {
        return (0..end, end..end);
    }
    if focus.is_none() {
        return (0..MOST, MOST..MOST);
    }
    (0..FIRST, end - (MOST - FIRST)..end)
}

/// The party that still owes something, if that is what the finding says: it points into no message.
fn owed(judgement: &Judgement, n: usize, finding: &Finding) -> Option<Party> {
    let missed = matches!(judgement.outcome, Outcome::Missed { finding } if finding == n);
    if finding.pointer.is_some() || !(missed || finding.verdict == Verdict::Inconclusive) {
        return None;
    }
    match finding.blame {
        Blame::Client => Some(Party::Client),
        Blame::Server => Some(Party::Server),
        _ => None,
    }
}

/// The mark of a verdict.
pub(crate) fn mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Fail | Verdict::Error => "✗",
        Verdict::Warn => "!",
        Verdict::Inconclusive => "?",
        Verdict::Pass => "✓",
        Verdict::NotExercised => "-",
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

    fn gap(&self, hidden: usize) -> Line {
        let words = if hidden == 1 { "... 1 more message".into() } else { format!("... {hidden} more messages") };
        let body = format!("╎ {}╎", pad(&cut(&words, self.inner - 1), self.inner - 1));
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
