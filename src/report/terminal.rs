//! The report on a terminal: what was played, what is wrong and by which sentence, what was proven.

use super::detail;
use super::diagram;
use super::exit::{self, exit_code};
use super::page::Page;
use super::style::{Style, Tone};
use super::text::{count, cut, escape, pad, short, width};
use crate::judge::finding::Blame;
use crate::judge::{Finding, Judgement, Outcome, Verdict};
use crate::run::{Played, Results, Summary};
use crate::spec::catalogue::Level;
use crate::spec::{Catalogue, Revision};
use crate::trace::event::Body;
use crate::trace::{Trace, Transport};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Lines of a peer's standard error at most.
const STDERR_LINES: usize = 12;
/// Findings of one play at most, unless verbose.
const FINDINGS: usize = 20;
/// Reasons for what was not exercised, in the last line, at most.
const REASONS: usize = 5;
/// Columns for a verdict.
const VERDICT: usize = 14;

/// The whole report, each line ending in a line feed. `strict` as for [`exit_code`].
#[must_use]
pub fn terminal(results: &Results, summary: &Summary, strict: bool, style: &Style) -> String {
    let mut page = Page::new(style);
    header(&mut page, results);
    plays(&mut page, results);
    details(&mut page, &results.played, style);
    skipped(&mut page, results, style);
    troubles(&mut page, results);
    last(&mut page, results, summary, strict, style);
    page.finish()
}

/// The transports of a run.
pub(crate) fn transports(results: &Results) -> BTreeSet<Transport> {
    let played = results.played.iter().map(|p| p.trace.header.transport);
    let skipped = results.skipped.iter().map(|s| s.transport);
    played.chain(skipped).chain(results.troubles.iter().map(|t| t.transport)).collect()
}

fn header(page: &mut Page, results: &Results) {
    let transports: Vec<&str> = transports(results).into_iter().map(Transport::as_str).collect();
    let role = match results.seat.ours() {
        Some(ours) => format!("{} under test, the {ours}'s seat is ours", ours.other()),
        None => "client and server under test, watched".into(),
    };
    let rest = format!("  {role}  revision {}  {}", results.revision, transports.join(", "));
    page.pieces(0, &[(Tone::Strong, &short(&results.peer, 60)), (Tone::Plain, &rest)]);
    page.blank();
}

fn plays(page: &mut Page, results: &Results) {
    let names: Vec<String> = results.played.iter().map(|p| escape(&p.name())).collect();
    let longest = names.iter().map(|n| width(n)).max().unwrap_or(0).min(page.room(0) / 2);
    for (played, name) in results.played.iter().zip(&names) {
        let verdict = played.judgement.verdict;
        let counts = counts(&played.judgement);
        let room = page.room(VERDICT + longest.max(width(name)) + 2 + width(&counts) + 2);
        let title = if room > 12 { cut(&escape(&played.title), room) } else { String::new() };
        let gap = if title.is_empty() { "" } else { "  " };
        page.pieces(
            0,
            &[
                (Tone::Verdict(verdict), &pad(verdict.as_str(), VERDICT)),
                (Tone::Plain, &pad(name, longest)),
                (Tone::Plain, "  "),
                (Tone::Faint, &title),
                (Tone::Plain, gap),
                (Tone::Plain, &counts),
            ],
        );
        if let (Verdict::NotExercised, Outcome::NotExercised { reason }) = (verdict, &played.judgement.outcome) {
            page.prose(VERDICT, Tone::Faint, reason);
        }
    }
}

fn counts(judgement: &Judgement) -> String {
    let of = |wanted: Verdict| judgement.checks.iter().filter(|c| c.verdict == wanted).count();
    let presumed = judgement.checks.iter().filter(|c| c.verdict == Verdict::Pass && c.presumed).count();
    let mut said = vec![format!("{} proven", of(Verdict::Pass))];
    if presumed > 0 {
        said.push(format!("{presumed} of them presumed"));
    }
    let findings = judgement.findings.iter().filter(|f| f.verdict > Verdict::Warn).count();
    let warnings = judgement.findings.len() - findings;
    for (n, noun) in [(findings, "finding"), (warnings, "warning")] {
        if n > 0 {
            said.push(count(n, noun));
        }
    }
    let unexercised = of(Verdict::NotExercised);
    if unexercised > 0 {
        said.push(format!("{unexercised} not exercised"));
    }
    said.join(", ")
}

/// What makes two findings the same: numbers and ids in their words do not count.
type Likeness = (Verdict, Option<String>, Blame, String, String);

fn likeness(finding: &Finding) -> Likeness {
    let requirement = finding.requirement.clone().or_else(|| finding.step.clone());
    (finding.verdict, requirement, finding.blame, likened(&finding.expected), likened(&finding.found))
}

/// The words of a sentence, those with a digit in them as `#`.
fn likened(sentence: &str) -> String {
    let words = sentence.split(' ').map(|w| if w.contains(|c: char| c.is_ascii_digit()) { "#" } else { w });
    words.collect::<Vec<_>>().join(" ")
}

/// What is wrong in these plays, and nothing of those in which nothing is.
pub(super) fn details<'a>(page: &mut Page, played: impl IntoIterator<Item = &'a Played>, style: &Style) {
    let mut known: HashMap<Likeness, (String, usize)> = HashMap::new();
    for played in played {
        let verdict = played.judgement.verdict;
        if matches!(verdict, Verdict::Pass | Verdict::NotExercised) && played.judgement.findings.is_empty() {
            continue;
        }
        play(page, played, style, &mut known);
    }
}

fn play(page: &mut Page, played: &Played, style: &Style, known: &mut HashMap<Likeness, (String, usize)>) {
    let (judgement, trace) = (&played.judgement, &played.trace);
    let name = played.name();
    page.blank();
    page.pieces(
        0,
        &[
            (Tone::Verdict(judgement.verdict), judgement.verdict.as_str()),
            (Tone::Strong, &format!("  {}", escape(&name))),
            (Tone::Plain, &format!("  {}", escape(&played.title))),
        ],
    );
    page.prose(2, Tone::Plain, &outcome(judgement, trace.header.revision));
    let mut in_full = false;
    for (i, finding) in judgement.findings.iter().enumerate() {
        let n = i + 1;
        if i >= FINDINGS && !style.verbose {
            let rest = judgement.findings.len() - i;
            page.pieces(
                2,
                &[(Tone::Faint, &format!("... {rest} more; --verbose shows them, and so does the JSON report"))],
            );
            break;
        }
        if let (Some((first, as_number)), false) = (known.get(&likeness(finding)), style.verbose) {
            let head = format!("{n}. {}", finding.verdict);
            let text = format!(", {}: as finding {as_number} of {}: ", finding.blame, escape(first));
            page.pieces(
                2,
                &[
                    (Tone::Verdict(finding.verdict), &head),
                    (Tone::Plain, &text),
                    (Tone::Faint, &escape(&finding.found)),
                ],
            );
            continue;
        }
        known.entry(likeness(finding)).or_insert_with(|| (name.clone(), n));
        if finding.verdict == Verdict::Warn && !style.verbose {
            detail::compact(page, trace, n, finding);
        } else {
            page.blank();
            detail::full(page, trace, n, finding);
            in_full = true;
        }
    }
    if in_full || (judgement.findings.is_empty() && judgement.verdict > Verdict::Warn) || style.verbose {
        page.blank();
        let columns = page.room(2);
        page.lines(2, &diagram::lines(trace, judgement, columns));
        stderr(page, trace);
        page.blank();
    }
    page.copied(2, "again", &format!("mcp-interop {}", played.again));
}

fn outcome(judgement: &Judgement, revision: Revision) -> String {
    match &judgement.outcome {
        Outcome::Reached { other_way: None } if judgement.verdict <= Verdict::Warn => {
            "The two understood each other.".into()
        }
        Outcome::Reached { other_way: None } => {
            "The two came to the end of the course and the application got what it promises, but not all was right."
                .into()
        }
        Outcome::Reached { other_way: Some(way) } => {
            format!("The two understood each other, on another way than the file: {way}.")
        }
        Outcome::Missed { finding } => match judgement.findings.get(*finding) {
            Some(why) => {
                let requirement = why.requirement.as_ref().and_then(|id| Catalogue::of(revision).get(id));
                let although = match requirement.map(|r| r.level) {
                    Some(Level::Should) => " That is a failure although the specification only says SHOULD.",
                    _ => "",
                };
                let n = finding + 1;
                format!("The two did not understand each other; the {} is at fault (finding {n}).{although}", why.blame)
            }
            None => "The two did not understand each other.".into(),
        },
        Outcome::Apart { client, server } => format!(
            "The two have no revision in common: the client asked for {client}, the server answered {server}, and the client \
             left. Neither is at fault."
        ),
        Outcome::NotExercised { reason } => {
            format!("Whether the two understand each other was not exercised: {reason}.")
        }
        Outcome::NoScenario => "No scenario was played; the messages alone were judged.".into(),
    }
}

/// The last lines that the peers wrote on their standard error.
fn stderr(page: &mut Page, trace: &Trace) {
    for party in [crate::wire::Party::Client, crate::wire::Party::Server] {
        let texts = trace.events.iter().filter_map(|e| match &e.body {
            Body::Stderr { party: writer, text } if *writer == party => Some(text.as_str()),
            _ => None,
        });
        let written: String = texts.collect();
        tail(page, &format!("standard error of the {party}"), &written);
    }
}

fn tail(page: &mut Page, title: &str, written: &str) {
    let lines: Vec<&str> = written.lines().filter(|l| !l.trim().is_empty()).collect();
    if lines.is_empty() {
        return;
    }
    let left_out = lines.len().saturating_sub(STDERR_LINES);
    let more = if left_out > 0 { format!(", the last {STDERR_LINES} of {} lines", lines.len()) } else { String::new() };
    page.blank();
    page.pieces(2, &[(Tone::Faint, &format!("{title}{more}"))]);
    for line in lines.iter().skip(left_out) {
        let columns = page.room(4);
        page.pieces(4, &[(Tone::Plain, &short(line, columns))]);
    }
}

fn skipped(page: &mut Page, results: &Results, style: &Style) {
    if results.skipped.is_empty() {
        return;
    }
    let mut reasons: Vec<(&str, Vec<String>)> = Vec::new();
    for skipped in &results.skipped {
        let name = format!("{} ({})", skipped.scenario, skipped.transport);
        match reasons.iter_mut().find(|(reason, _)| *reason == skipped.reason) {
            Some((_, names)) => names.push(name),
            None => reasons.push((&skipped.reason, vec![name])),
        }
    }
    page.blank();
    page.pieces(0, &[(Tone::Strong, &format!("not played: {}", count(results.skipped.len(), "scenario")))]);
    for (reason, names) in reasons {
        page.prose(2, Tone::Plain, &format!("{reason}:"));
        let shown = if style.verbose { names.len() } else { 6 };
        let mut list = names.iter().take(shown).cloned().collect::<Vec<_>>().join(", ");
        if names.len() > shown {
            list.push_str(&format!(" and {} more", names.len() - shown));
        }
        page.prose(4, Tone::Faint, &list);
    }
}

fn troubles(page: &mut Page, results: &Results) {
    for trouble in &results.troubles {
        page.blank();
        let verdict = trouble.verdict();
        page.pieces(
            0,
            &[
                (Tone::Verdict(verdict), verdict.as_str()),
                (
                    Tone::Strong,
                    &format!("  {} could not be tested over {}", short(&results.peer, 60), trouble.transport),
                ),
            ],
        );
        page.prose(2, Tone::Plain, &trouble.what);
        if let Some(stderr) = &trouble.stderr {
            tail(page, "standard error", stderr);
        }
    }
    if !results.unkept.is_empty() {
        page.blank();
        let title = format!("  {} of harness.toml not kept", count(results.unkept.len(), "claim"));
        page.pieces(0, &[(Tone::Verdict(Verdict::Fail), "fail"), (Tone::Strong, &title)]);
        for claim in &results.unkept {
            page.prose(2, Tone::Plain, claim);
        }
    }
}

fn last(page: &mut Page, results: &Results, summary: &Summary, strict: bool, style: &Style) {
    page.blank();
    if summary.proven() == 0 {
        page.pieces(0, &[(Tone::Verdict(Verdict::Error), "NOTHING WAS PROVEN")]);
    }
    if results.interrupted {
        page.pieces(0, &[(Tone::Verdict(Verdict::Inconclusive), "interrupted: what was not played is not counted")]);
    }
    page.prose(0, Tone::Strong, &proven(results, summary, style.verbose));
    let code = exit_code(results, summary, strict);
    let meaning = match (summary.verdict, strict, code) {
        (Verdict::Warn, true, exit::PEER) => "warnings count, as --strict asks",
        (Verdict::Warn, false, exit::WELL) => "no more than warnings, which count with --strict",
        _ => exit::meaning(code),
    };
    let rest = format!(", exit {code}: {meaning}");
    page.pieces(0, &[(Tone::Verdict(summary.verdict), summary.verdict.as_str()), (Tone::Plain, &rest)]);
}

/// The line that says what a run proved: `57 requirements proven, 0 broken, 6 not exercised (4: no session; 2: ...)`.
#[must_use]
pub fn proven(results: &Results, summary: &Summary, verbose: bool) -> String {
    let of = |wanted: Verdict| summary.requirements.values().filter(|v| **v == wanted).count();
    let presumed = match presumed(results, summary) {
        0 => String::new(),
        n => format!(" ({n} of them only presumed)"),
    };
    let mut said = vec![format!("{} proven{presumed}", count(summary.proven(), "requirement"))];
    // a missed outcome makes a failure of what is only a SHOULD, and a decision can make a warning of a MUST
    let catalogue = Catalogue::of(results.revision);
    let is_should = |id: &str| catalogue.get(id).is_some_and(|r| r.level == Level::Should);
    let broken = summary.requirements.iter().filter(|(_, v)| matches!(v, Verdict::Fail | Verdict::Warn));
    let (should, must): (Vec<_>, Vec<_>) = broken.partition(|(id, v)| **v == Verdict::Warn || is_should(id));
    let (must, should) = (must.len(), should.len());
    said.push(if must + should == 0 {
        "0 broken".into()
    } else {
        format!("{} broken ({must} MUST, {should} SHOULD)", must + should)
    });
    for (verdict, word) in [(Verdict::Inconclusive, "open when the run ended"), (Verdict::Error, "spoilt by an error")]
    {
        if of(verdict) > 0 {
            said.push(format!("{} {word}", of(verdict)));
        }
    }
    let missed = results.played.iter().filter(|p| missed(&p.judgement.outcome)).count();
    if missed > 0 {
        said.push(format!("{} missed", count(missed, "outcome")));
    }
    let mut reasons: Vec<(&String, usize)> = summary.not_exercised.iter().map(|(r, ids)| (r, ids.len())).collect();
    reasons.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let shown = if verbose { reasons.len() } else { REASONS };
    let mut why: Vec<String> = reasons.iter().take(shown).map(|(reason, n)| format!("{n}: {reason}")).collect();
    if reasons.len() > shown {
        let rest: usize = reasons.iter().skip(shown).map(|(_, n)| n).sum();
        why.push(format!("{rest}: other reasons"));
    }
    let why = if why.is_empty() { String::new() } else { format!(" ({})", why.join("; ")) };
    said.push(format!("{} not exercised{why}", summary.unexercised()));
    let untried = summary.untried(results);
    let untried = match untried {
        0 => String::new(),
        n => format!("; {n} others of the catalogue were tried by nothing here"),
    };
    format!("{}{untried}", said.join(", "))
}

/// Did the two not understand each other?
fn missed(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Missed { .. } | Outcome::Apart { .. })
}

/// How many requirements were proven by nothing but a deadline or a settle.
fn presumed(results: &Results, summary: &Summary) -> usize {
    let mut only: BTreeMap<&str, bool> = BTreeMap::new();
    for check in results.played.iter().flat_map(|p| &p.judgement.checks).filter(|c| c.verdict == Verdict::Pass) {
        let presumed = only.entry(&check.requirement).or_insert(true);
        *presumed = *presumed && check.presumed;
    }
    let passed = |id: &str| summary.requirements.get(id) == Some(&Verdict::Pass);
    only.iter().filter(|(id, presumed)| **presumed && passed(id)).count()
}
