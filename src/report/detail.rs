//! What is said of one finding: what was expected, what came and where, by which sentence, and the step that wanted it.

use super::excerpt;
use super::page::Page;
use super::reading::{end_words, event, exit, message_of};
use super::style::Tone;
use super::text::{escape, short};
use crate::judge::{Finding, Verdict};
use crate::scenario::source::{Source, Span};
use crate::spec::decision::Decision;
use crate::spec::{Catalogue, Level, Revision};
use crate::trace::Trace;
use crate::trace::event::Body;

/// Lines of a message at most.
const MESSAGE_LINES: usize = 24;
/// Columns of a sentence about a finding at most: a peer's words may stand in it.
const SENTENCE: usize = 800;

/// One finding in full. `n` is its number, from 1.
pub(crate) fn full(page: &mut Page, trace: &Trace, n: usize, finding: &Finding) {
    let tone = Tone::Verdict(finding.verdict);
    let head = format!("{n}. {}", finding.verdict);
    let presumed = if finding.presumed { ", presumed: it rests on a deadline, not on order" } else { "" };
    let blame = format!(": {} at fault{presumed}", fault(finding));
    page.pieces(2, &[(tone, &head), (Tone::Strong, &blame)]);
    page.field(5, "expected", Tone::Plain, &short(&finding.expected, SENTENCE));
    page.field(5, "came", Tone::Plain, &short(&finding.found, SENTENCE));
    event_shown(page, trace, finding);
    step(page, trace, finding);
    requirement(page, trace.header.revision, finding);
}

fn fault(finding: &Finding) -> String {
    match finding.verdict {
        Verdict::Inconclusive => format!("the {} owed it; it is not known whether it is", finding.blame),
        _ => format!("the {} is", finding.blame),
    }
}

fn event_shown(page: &mut Page, trace: &Trace, finding: &Finding) {
    let Some(event) = finding.event.and_then(|seq| event(trace, seq)) else { return };
    if let (Some(message), Body::Message { from, .. }) = (message_of(event), &event.body) {
        let which = if finding.pointer.is_some() { "" } else { ", the last thing seen" };
        page.field(5, "message", Tone::Faint, &format!("event {}, from the {from}{which}", event.seq));
        let columns = page.room(7);
        page.lines(7, &excerpt::message(message.raw(), finding.pointer.as_deref(), columns, MESSAGE_LINES));
        return;
    }
    let what = match &event.body {
        body @ Body::ProcessExited { .. } => exit(body).unwrap_or_default(),
        Body::ProcessSignalled { party, signal } => format!("{signal} was sent to the {party}"),
        Body::HttpRequest { method, target, .. } => format!("{method} {}", short(target, 200)),
        Body::HttpResponse { status, body, round_trip, .. } => {
            let body = body.as_ref().map(|b| format!(", \"{}\"", short(&String::from_utf8_lossy(&b.bytes()), 400)));
            format!("HTTP {status} to round trip {round_trip}{}", body.unwrap_or_default())
        }
        Body::Saw { label, value } => format!("the application got {label}: {}", short(&value.to_string(), 400)),
        Body::Action { label, what, .. } => format!("the application was told: {what} ({label})"),
        Body::Stderr { party, .. } => format!("the {party} wrote on its standard error"),
        Body::StreamClosed { .. } => "a stream was closed".into(),
        Body::End { reason } => end_words(reason).unwrap_or_else(|| "the end of the course".into()),
        Body::Signal { .. } => "an event without a message".into(),
        _ => return,
    };
    page.field(5, "event", Tone::Plain, &format!("{}: {what}", event.seq));
}

fn step(page: &mut Page, trace: &Trace, finding: &Finding) {
    let Some(script) = &trace.header.scenario else { return };
    let Some(span) = &finding.span else {
        if let Some(step) = &finding.step {
            page.field(5, "step", Tone::Place, &format!("{step} of {}", script.file));
        }
        return;
    };
    let source = Source::new(script.file.as_str(), script.text.as_str());
    let span = Span { start: span.start, end: span.end };
    let (line, column) = source.line_column(span.start);
    let place = format!("{}:{line}:{column}", source.name);
    let step = finding.step.as_ref().map_or(place.clone(), |step| format!("{step} at {place}"));
    page.field(5, "step", Tone::Place, &step);
    let columns = page.room(7);
    page.lines(7, &excerpt::source_line(&source, span, columns));
}

fn requirement(page: &mut Page, revision: Revision, finding: &Finding) {
    if let Some(id) = &finding.requirement {
        match Catalogue::of(revision).get(id) {
            Some(requirement) => {
                page.field(5, "requirement", Tone::Strong, &format!("{id} ({})", requirement.keyword()));
                page.field(5, "", Tone::Plain, &requirement.text);
                page.copied(5, "", &address(revision, &requirement.source));
            }
            None => page.field(5, "requirement", Tone::Strong, &format!("{id} (not in the catalogue of {revision})")),
        }
    }
    if let Some(name) = &finding.decision {
        page.field(5, "decision", Tone::Strong, name);
        if let Some(decision) = Decision::find(name) {
            page.field(5, "", Tone::Faint, &decision.question);
            page.field(5, "", Tone::Plain, &decision.decision);
        }
    }
}

/// One warning in two lines.
pub(crate) fn compact(page: &mut Page, trace: &Trace, n: usize, finding: &Finding) {
    let at = finding.event.map_or(String::new(), |seq| format!(" (event {seq})"));
    let presumed = if finding.presumed { ", presumed" } else { "" };
    let head = format!("{n}. {}", finding.verdict);
    let text = format!(", {}{presumed}: {}{at}", finding.blame, escape(&finding.found));
    page.pieces(2, &[(Tone::Verdict(finding.verdict), &head), (Tone::Plain, &text)]);
    let wanted = escape(&finding.expected);
    match finding.requirement.as_ref().and_then(|id| Catalogue::of(trace.header.revision).get(id)) {
        Some(requirement) => {
            // a decision can make less of it than the specification's word
            let level = match (requirement.level, &finding.decision) {
                (Level::Must, Some(decision)) => format!("{}, lowered by {decision}", requirement.keyword()),
                (Level::Must, None) => format!("{}, lowered here", requirement.keyword()),
                (Level::Should, _) => requirement.keyword().to_owned(),
            };
            let keyword = format!(" {level}: {}", requirement.text);
            page.pieces(5, &[(Tone::Place, &escape(&requirement.id)), (Tone::Faint, &keyword)]);
        }
        None => page.pieces(5, &[(Tone::Faint, "expected "), (Tone::Plain, &wanted)]),
    }
}

/// Where a requirement stands: an address where its page is one of the specification's, otherwise the source as it is.
#[must_use]
pub fn address(revision: Revision, source: &str) -> String {
    let (page, section) = source.split_once('#').unwrap_or((source, ""));
    let known = ["basic", "client", "server"].iter().any(|area| page == *area || page.starts_with(&format!("{area}/")));
    let page = match page {
        "schema.ts" => "schema",
        "changelog" => "changelog",
        page if known && !page.contains(' ') => page.strip_suffix("/index").unwrap_or(page),
        _ => return source.to_owned(),
    };
    let section = if page == "schema" { section.to_lowercase() } else { section.to_owned() };
    let mark = if section.is_empty() { "" } else { "#" };
    format!("https://modelcontextprotocol.io/specification/{revision}/{page}{mark}{section}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_becomes_an_address_where_there_is_one() {
        let of = |source| address(Revision::V2025_11_25, source);
        let root = "https://modelcontextprotocol.io/specification/2025-11-25";
        assert_eq!(of("basic/utilities/tasks#creating-tasks"), format!("{root}/basic/utilities/tasks#creating-tasks"));
        assert_eq!(of("basic/index#_meta"), format!("{root}/basic#_meta"));
        assert_eq!(of("server/tools"), format!("{root}/server/tools"));
        assert_eq!(of("schema.ts#CallToolResult"), format!("{root}/schema#calltoolresult"));
        let elsewhere = "JSON-RPC 2.0, section 5; basic/index#responses";
        assert_eq!(of(elsewhere), elsewhere);
        assert_eq!(of("ext-tasks/seps/2663-tasks-extension.md#x"), "ext-tasks/seps/2663-tasks-extension.md#x");
    }
}
