//! A run beside what is known of its peer, as text.

use super::style::{Style, Tone};
use super::text::count;
use crate::judge::Verdict;
use crate::run::Results;
use crate::run::baseline::Applied;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// What is known of the findings of a run: how many the baseline expects, which nobody has looked at, and which entries no
/// longer hold. Ends in a line feed.
#[must_use]
pub fn known(results: &Results, applied: &Applied, style: &Style) -> String {
    let distinct = |wanted: &dyn Fn(usize) -> bool| -> usize {
        let all = applied.findings.iter().enumerate().filter(|(i, _)| wanted(*i));
        all.map(|(_, f)| &f.key).collect::<BTreeSet<_>>().len()
    };
    let at = |i: usize| applied.findings.get(i);
    let all = distinct(&|_| true);
    let expected = distinct(&|i| at(i).is_some_and(|f| f.known.is_some()));
    let judged = distinct(&|i| at(i).is_some_and(|f| f.adjudicated.is_some()));
    let mut text = format!("{}: {expected} in the baseline, {judged} adjudicated\n", count(all, "distinct finding"));
    for (key, where_) in applied.new_findings() {
        let first = where_.first().and_then(|i| at(*i)).and_then(|f| results.played.get(f.play));
        let name = first.map_or_else(String::new, super::super::run::Played::name);
        let line = format!("  nobody has looked at {key}, in {name}");
        let _ = writeln!(text, "{}", style.paint(Tone::Verdict(Verdict::Warn), &line));
    }
    for stale in &applied.stale {
        let line = format!("  stale: {} at {}: {}", stale.key, stale.place, stale.what);
        let _ = writeln!(text, "{}", style.paint(Tone::Verdict(Verdict::Fail), &line));
    }
    text
}
