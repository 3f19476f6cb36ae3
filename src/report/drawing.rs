//! What a sequence diagram shows and in which order: rows, gaps, findings and what never came. The terminal, Mermaid and SVG
//! draw the same.

use super::reading::{Row, rows};
use super::text::count;
use crate::judge::finding::Blame;
use crate::judge::{Finding, Judgement, Outcome, Verdict};
use crate::trace::Trace;
use crate::wire::Party;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Rows from the beginning that are always shown.
const FIRST: usize = 8;
/// Findings about one row that are told.
const TOLD: usize = 20;

/// How much of a trace is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Rows of messages at most.
    pub rows: usize,
    /// Rows that are shown after the divergence.
    pub after: usize,
    /// The session that is drawn alone, by its index in the conversation; without it, all of them.
    pub session: Option<usize>,
}

impl Default for Extent {
    /// As in a report: up to a little after the divergence.
    fn default() -> Extent {
        Extent { rows: 40, after: 3, session: None }
    }
}

impl Extent {
    /// All of it, as far as so many rows go.
    #[must_use]
    pub fn whole(rows: usize) -> Extent {
        Extent { rows, after: rows, session: None }
    }
}

/// What is drawn of a trace, in whichever form.
#[derive(Debug, Clone)]
pub struct Drawing<'j> {
    pub(crate) trace: &'j Trace,
    pub(crate) items: Vec<Item<'j>>,
}

impl<'j> Drawing<'j> {
    /// Chooses what is drawn.
    #[must_use]
    pub fn of(trace: &'j Trace, judgement: &'j Judgement, extent: &Extent) -> Drawing<'j> {
        Drawing { trace, items: items(trace, judgement, extent) }
    }

    /// How many messages are drawn, alone or folded.
    #[must_use]
    pub fn drawn(&self) -> usize {
        self.items.iter().map(|item| if let Item::Row { row, .. } = item { row.messages } else { 0 }).sum()
    }

    /// How many messages are not.
    #[must_use]
    pub fn hidden(&self) -> usize {
        self.items.iter().map(|item| if let Item::Gap(hidden) = item { *hidden } else { 0 }).sum()
    }
}

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
    /// So many findings about the row before that are not told.
    More(usize),
    /// What a party owed and did not send.
    NeverCame { party: Party, finding: &'j Finding },
}

/// All that is drawn of a trace.
fn items<'j>(trace: &Trace, judgement: &'j Judgement, extent: &Extent) -> Vec<Item<'j>> {
    let marked = judgement.findings.iter().filter_map(|f| f.event).collect::<BTreeSet<u32>>();
    let all = rows(trace, &marked);
    let elsewhere = |row: &Row| extent.session.is_some() && row.session.is_some() && row.session != extent.session;
    // what was found of another session is told where that is drawn
    let others: BTreeSet<u32> = all.iter().filter(|row| elsewhere(row)).flat_map(|row| row.events.clone()).collect();
    let rows: Vec<Row> = all.into_iter().filter(|row| !elsewhere(row)).collect();
    let about: Vec<(usize, &Finding)> = judgement
        .findings
        .iter()
        .enumerate()
        .filter(|(_, finding)| finding.event.is_none_or(|event| !others.contains(&event)))
        .collect();
    let places = Places::of(&rows);
    let mut here: BTreeMap<usize, Vec<(usize, &Finding)>> = BTreeMap::new();
    for (n, finding) in about {
        here.entry(places.of_event(finding.event)).or_default().push((n, finding));
    }
    let focus = focus(judgement).filter(|focus| here.values().flatten().any(|(_, f)| std::ptr::eq(*f, *focus)));
    let focused = focus.map(|finding| places.of_event(finding.event));
    let (head, tail) = shown(rows.len(), focused, here.keys().next_back().copied(), extent);
    let finding = |n: usize, finding: &'j Finding| Item::Finding {
        number: n + 1,
        finding,
        parted: finding.verdict > Verdict::Warn && focus.is_some_and(|focus| std::ptr::eq(focus, finding)),
    };
    let mut out = Vec::new();
    if rows.is_empty() {
        out.extend(here.values().flatten().take(TOLD).map(|(n, f)| finding(*n, f)));
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
        let here = here.remove(&i).unwrap_or_default();
        out.push(Item::Row { row, verdict: here.iter().map(|(_, f)| f.verdict).max() });
        // the finding at which the two parted is told in any case
        let parted = here.iter().position(|(_, f)| focus.is_some_and(|focus| std::ptr::eq(focus, *f)));
        let last = if parted.is_some_and(|at| at >= TOLD) { TOLD - 1 } else { TOLD };
        let told = here.iter().enumerate().filter(|(at, _)| *at < last || Some(*at) == parted);
        for (_, (n, f)) in told {
            out.push(finding(*n, f));
            if let Some(party) = owed(judgement, *n, f) {
                out.push(Item::NeverCame { party, finding: f });
            }
        }
        if here.len() > TOLD {
            out.push(Item::More(here.len() - TOLD));
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

/// The words in the place of findings that are not told.
pub(crate) fn more_findings(n: usize) -> String {
    format!("... {}", count(n, "more finding"))
}

/// Where events are to be seen.
struct Places {
    own: BTreeMap<u32, usize>,
    /// The first event of each row, with its place.
    first: BTreeMap<u32, usize>,
    last: usize,
}

impl Places {
    fn of(rows: &[Row]) -> Places {
        let of = |events: fn(&Row) -> &[u32]| -> BTreeMap<u32, usize> {
            let all = rows.iter().enumerate();
            all.flat_map(|(place, row)| events(row).iter().map(move |event| (*event, place))).collect()
        };
        Places {
            own: of(|row| &row.events),
            first: of(|row| row.events.get(..1).unwrap_or_default()),
            last: rows.len().saturating_sub(1),
        }
    }

    /// The row where an event is to be seen: its own, or the last before it; without an event the last of all.
    fn of_event(&self, event: Option<u32>) -> usize {
        let Some(event) = event else { return self.last };
        let before = || self.first.range(..event).next_back().map(|(_, place)| *place);
        self.own.get(&event).copied().or_else(before).unwrap_or(0)
    }
}

/// Which rows are shown: some from the beginning, and some up to a little after the divergence; up to a little after the last
/// finding where there is room.
fn shown(rows: usize, focus: Option<usize>, last: Option<usize>, extent: &Extent) -> (Range<usize>, Range<usize>) {
    let most = extent.rows;
    let until = |place: Option<usize>| place.map_or(rows, |place| (place + 1 + extent.after).min(rows));
    let end = if until(last) <= most { until(last) } else { until(focus) };
    if end <= most {
        return (0..end, end..end);
    }
    let Some(focus) = focus else { return (0..most, most..most) };
    let first = FIRST.min(most / 4);
    // the divergence itself is shown, however many rows come after it
    let end = end.min((focus + 1 + extent.after.min(most / 4)).max(most));
    (0..first, end - (most - first)..end)
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
