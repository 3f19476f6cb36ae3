//! What a sequence diagram shows and in which order: rows, gaps, findings and what never came. The terminal, Mermaid and SVG
//! draw the same.

use super::reading::{Row, rows};
use crate::judge::finding::Blame;
use crate::judge::{Finding, Judgement, Outcome, Verdict};
use crate::trace::Trace;
use crate::wire::Party;
use std::collections::BTreeSet;
use std::ops::Range;

/// Rows of messages at most.
const MOST: usize = 40;
/// Rows that are shown after the divergence.
const AFTER: usize = 3;
/// Rows from the beginning that are always shown.
const FIRST: usize = 8;

/// One thing to draw.
#[derive(Debug, Clone)]
pub(crate) enum Item<'j> {
    /// A row, and the worst that is said of it.
    Row { row: Row, verdict: Option<Verdict> },
    /// So many messages that are not shown.
    Gap(usize),
    /// A finding about the row before it. It stands in the judgement under that number, from 1.
    Finding {
        number: usize,
        finding: &'j Finding,
        /// Is it here that the two parted, and not only a warning?
        parted: bool,
    },
    /// What a party owed and did not send.
    NeverCame { party: Party, finding: &'j Finding },
}

/// All that is drawn of a trace.
#[must_use]
pub(crate) fn items<'j>(trace: &Trace, judgement: &'j Judgement) -> Vec<Item<'j>> {
    let marked = judgement.findings.iter().filter_map(|f| f.event).collect::<BTreeSet<u32>>();
    let rows = rows(trace, &marked);
    let focus = focus(judgement);
    let focused = focus.map(|finding| place(&rows, finding.event));
    let places: Vec<usize> = judgement.findings.iter().map(|finding| place(&rows, finding.event)).collect();
    let (head, tail) = shown(rows.len(), focused, places.iter().copied().max());
    let finding = |n: usize, finding: &'j Finding| Item::Finding {
        number: n + 1,
        finding,
        parted: finding.verdict > Verdict::Warn && focus.is_some_and(|focus| std::ptr::eq(focus, finding)),
    };
    let mut out = Vec::new();
    if rows.is_empty() {
        out.extend(judgement.findings.iter().enumerate().map(|(n, f)| finding(n, f)));
    }
    let mut hidden = 0;
    for (i, row) in rows.into_iter().enumerate() {
        if (i >= head.end && i < tail.start) || i >= tail.end {
            hidden += row.messages;
            continue;
        }
        if hidden > 0 {
            out.push(Item::Gap(std::mem::take(&mut hidden)));
        }
        let here: Vec<(usize, &Finding)> =
            judgement.findings.iter().enumerate().filter(|(n, _)| places.get(*n) == Some(&i)).collect();
        out.push(Item::Row { row, verdict: here.iter().map(|(_, f)| f.verdict).max() });
        for (n, f) in here {
            out.push(finding(n, f));
            if let Some(party) = owed(judgement, n, f) {
                out.push(Item::NeverCame { party, finding: f });
            }
        }
    }
    if hidden > 0 {
        out.push(Item::Gap(hidden));
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

/// The words in the place of messages that are not shown.
pub(crate) fn more(hidden: usize) -> String {
    if hidden == 1 { "... 1 more message".into() } else { format!("... {hidden} more messages") }
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
