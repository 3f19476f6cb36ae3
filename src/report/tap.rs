//! What a tap says: findings as they come, and how it was in all.

use super::page::Page;
use super::reading::message_of;
use super::style::{Style, Tone};
use super::terminal::proven;
use super::text::{count, short};
use crate::judge::finding::Blame;
use crate::judge::{Finding, Verdict};
use crate::peer::Exit;
use crate::run::tap::{Seen, Told};
use crate::run::{Results, Summary};
use crate::spec::{Catalogue, Revision};
use crate::trace::{Body, Event};
use std::path::Path;

/// Columns of a sentence at most: a peer's words may stand in it.
const SENTENCE: usize = 400;
/// Columns of a name at most.
const NAME: usize = 60;
/// Columns of a message at most.
const MESSAGE: usize = 240;

/// One thing that is told at once, in a few lines.
#[must_use]
pub fn told(told: &Told, style: &Style) -> String {
    let mut page = Page::new(style);
    match told {
        Told::Trouble(what) => page.prose(0, Tone::Verdict(Verdict::Error), &format!("tap: {what}")),
        Told::Finding { finding, header, event } => block(&mut page, finding, header.revision, event.as_ref()),
    }
    page.finish()
}

fn block(page: &mut Page, finding: &Finding, revision: Revision, event: Option<&Event>) {
    let at_fault = match finding.verdict {
        Verdict::Inconclusive => format!(": the {} owed it", finding.blame),
        _ => format!(": the {} is at fault", finding.blame),
    };
    let presumed = if finding.presumed { ", presumed" } else { "" };
    let mut pieces = vec![
        (Tone::Verdict(finding.verdict), finding.verdict.as_str().to_owned()),
        (Tone::Strong, format!("{at_fault}{presumed}")),
    ];
    if let Some(id) = &finding.requirement {
        let keyword = Catalogue::of(revision).get(id).map_or(String::new(), |r| format!(" ({})", r.keyword()));
        pieces.push((Tone::Place, format!("  {id}{keyword}")));
    }
    let pieces: Vec<(Tone, &str)> = pieces.iter().map(|(tone, text)| (*tone, text.as_str())).collect();
    page.pieces(0, &pieces);
    page.field(2, "expected", Tone::Plain, &short(&finding.expected, SENTENCE));
    page.field(2, "came", Tone::Plain, &short(&finding.found, SENTENCE));
    let Some(event) = event else {
        if let Some(seq) = finding.event {
            page.field(2, "event", Tone::Faint, &seq.to_string());
        }
        return;
    };
    let what = match &event.body {
        Body::Message { from, .. } => {
            let raw = message_of(event).map_or(String::new(), |m| String::from_utf8_lossy(m.raw()).into_owned());
            format!("event {}, from the {from}: {}", event.seq, short(&raw, MESSAGE))
        }
        Body::HttpRequest { method, target, .. } => format!("event {}, {method} {}", event.seq, short(target, MESSAGE)),
        Body::HttpResponse { status, .. } => format!("event {}, HTTP {status}", event.seq),
        _ => format!("event {}", event.seq),
    };
    let name = if matches!(event.body, Body::Message { .. }) { "message" } else { "event" };
    page.field(2, name, Tone::Faint, &what);
}

/// How it was in all: what passed, what was proven, and who broke what. `exit`: how the command ended, if it was one; `record`:
/// where it can be read again.
#[must_use]
pub fn summary(
    results: &Results,
    summary: &Summary,
    (seen, exit): (&Seen, Option<Exit>),
    record: Option<&Path>,
    style: &Style,
) -> String {
    let mut page = Page::new(style);
    let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    let messages = count(number(seen.from_client.saturating_add(seen.from_server)), "message");
    let mut passed = format!(
        "tap: {messages} passed, {} from the client and {} from the server",
        seen.from_client, seen.from_server
    );
    if seen.requests > 0 {
        passed.push_str(&format!(", in {}", count(number(seen.requests), "HTTP request")));
    }
    page.prose(0, Tone::Strong, &passed);
    page.prose(2, Tone::Plain, &proven(results, summary, style.verbose));
    for played in &results.played {
        for blame in [Blame::Client, Blame::Server, Blame::Harness, Blame::Scenario, Blame::Environment] {
            let findings: Vec<&Finding> = played.judgement.findings.iter().filter(|f| f.blame == blame).collect();
            if findings.is_empty() {
                continue;
            }
            page.pieces(2, &[(Tone::Strong, &format!("{blame}: {}", count(findings.len(), "finding")))]);
            for finding in findings {
                let what = finding.requirement.as_deref().unwrap_or("the exchange itself");
                page.pieces(
                    4,
                    &[
                        (Tone::Verdict(finding.verdict), finding.verdict.as_str()),
                        (Tone::Place, &format!("  {what}")),
                        (Tone::Plain, &format!("  {}", short(&finding.found, SENTENCE))),
                    ],
                );
            }
        }
    }
    if let Some(how) = exit.filter(|exit| exit.code != Some(0)) {
        page.prose(2, Tone::Verdict(Verdict::Inconclusive), &format!("the command: {how}"));
    }
    for owing in &seen.owed {
        let (by, id) = (owing.asked.other(), short(&owing.id, NAME));
        let method = short(&owing.method, NAME);
        page.prose(2, Tone::Verdict(Verdict::Inconclusive), &format!("the {by} did not answer `{method}` (id {id})"));
    }
    let unnamed = seen.unanswered.saturating_sub(seen.owed.len() as u64);
    if unnamed > 0 {
        let requests = count(number(unnamed), "more request");
        page.prose(2, Tone::Verdict(Verdict::Inconclusive), &format!("{requests} without an answer"));
    }
    if let Some(path) = record {
        page.copied(2, "record", &path.display().to_string());
    }
    page.finish()
}
