//! The same run again and again, as text: what came out as never before, and at the end the plays that did not come out the
//! same every time.

use super::exit;
use super::page::Page;
use super::style::{Style, Tone};
use super::terminal;
use super::text::{count, pad};
use crate::judge::Verdict;
use crate::run::Played;
use crate::run::repeat::{Tallied, Tally, Way};

/// Columns for a verdict.
const VERDICT: usize = 14;

/// What is new in a run, counted from 1: the plays that came out as in no run before. Empty if there is nothing new, else it
/// ends in a line feed.
#[must_use]
pub fn news(run: u32, plays: &[&Played], style: &Style) -> String {
    if plays.is_empty() {
        return String::new();
    }
    let mut page = Page::new(style);
    page.blank();
    let title = format!("run {run}: {} came out as never before", count(plays.len(), "play"));
    page.prose(0, Tone::Strong, &title);
    for played in plays {
        let verdict = played.judgement.verdict;
        let name = super::text::escape(&played.name());
        page.pieces(2, &[(Tone::Verdict(verdict), &pad(verdict.as_str(), VERDICT)), (Tone::Plain, &name)]);
    }
    terminal::details(&mut page, plays.iter().copied(), style);
    page.finish()
}

/// All runs together. Ends in a line feed. `wanted`: how many there should have been.
#[must_use]
pub fn repeated(tally: &Tally, wanted: u32, style: &Style) -> String {
    let mut page = Page::new(style);
    page.blank();
    let differing: Vec<&Tallied> = tally.differing().collect();
    let runs = count(tally.runs() as usize, "run");
    if tally.runs() < wanted {
        let cut = format!("interrupted: of {wanted} runs {} came to their end", tally.runs());
        page.prose(0, Tone::Verdict(Verdict::Inconclusive), &cut);
    }
    let plays = count(tally.plays().len(), "play");
    let verdict = match differing.len() {
        0 => format!("{runs} of {plays}: each came out the same every time"),
        n => format!("{runs} of {plays}: {} came out the same every time, {n} did not", tally.plays().len() - n),
    };
    page.prose(0, Tone::Strong, &verdict);
    for play in differing {
        one(&mut page, play);
    }
    page.blank();
    let codes: Vec<String> = tally.codes().iter().map(|(code, times)| format!("exit {code}: {times}")).collect();
    page.prose(0, Tone::Plain, &format!("the runs by themselves: {}", codes.join(", ")));
    let code = exit::repeated(tally, wanted);
    let meaning = match (code, tally.unsteady()) {
        (exit::PEER, true) => "plays did not come out the same every time",
        (exit::WELL, _) if tally.differing().next().is_some() => "all that differs is known to come and go",
        (code, _) => exit::meaning(code),
    };
    let tone = if code == exit::WELL { Verdict::Pass } else { Verdict::Fail };
    page.pieces(0, &[(Tone::Verdict(tone), &format!("exit {code}")), (Tone::Plain, &format!(": {meaning}"))]);
    page.finish()
}

fn one(page: &mut Page, play: &Tallied) {
    page.blank();
    page.prose(0, Tone::Strong, &play.name);
    for counted in &play.counts {
        let times = pad(&format!("{} x", counted.times), 9);
        let since = format!("  (first in run {})", counted.first);
        let (verdict, broken) = match &counted.way {
            Way::NotPlayed => (Verdict::NotExercised, "not played".to_owned()),
            Way::Played { verdict, broken, .. } => {
                let broken: Vec<String> = broken.keys().map(ToString::to_string).collect();
                (*verdict, if broken.is_empty() { "nothing broken".to_owned() } else { broken.join(", ") })
            }
        };
        let head = pad(verdict.as_str(), VERDICT);
        page.pieces(2, &[(Tone::Plain, &times), (Tone::Verdict(verdict), &head), (Tone::Faint, since.trim_start())]);
        page.prose(2 + 9 + VERDICT, Tone::Plain, &broken);
    }
    if play.known() {
        page.prose(2, Tone::Faint, "what differs is known to come and go");
    }
    page.copied(2, "again", &format!("mcp-interop {}", play.again));
}
