//! The drawings for pages: as they look, and that no peer's text is more than text in them.

use super::sample::{self, Tape};
use super::{mermaid, svg};
use crate::judge::finding::Blame;
use crate::judge::{Finding, Judgement, Outcome, Verdict};
use crate::run::Played;
use crate::trace::event::{Body, EndReason, StreamId};
use crate::trace::{Seat, Trace, Transport};
use crate::wire::Party;
use proptest::prelude::*;
use serde_json::json;

fn as_mermaid(played: &Played) -> String {
    mermaid(&played.trace, &played.judgement)
}

fn as_svg(played: &Played) -> String {
    svg(&played.trace, &played.judgement)
}

#[test]
fn the_founding_case() {
    insta::assert_snapshot!("mermaid_never_asks", as_mermaid(&sample::never_asks(Transport::Stdio)));
    insta::assert_snapshot!("svg_never_asks", as_svg(&sample::never_asks(Transport::Stdio)));
}

#[test]
fn a_warning_over_http() {
    let played = sample::without_metadata(Transport::Http, Verdict::Warn);
    insta::assert_snapshot!("mermaid_without_metadata", as_mermaid(&played));
    insta::assert_snapshot!("svg_without_metadata", as_svg(&played));
}

#[test]
fn hostile_text() {
    insta::assert_snapshot!("mermaid_garbage", as_mermaid(&sample::garbage()));
    let mut tape = Tape::new(Transport::Stdio, Seat::Client);
    tape.client(&json!({"jsonrpc": "2.0", "id": 1, "method": "</svg><script>alert(1)</script>"}), 200);
    tape.server(
        &json!({"jsonrpc": "2.0", "id": "\" onload=\"x", "method": "end\n    C->>S: forged; #35;%%{init: {}}%%"}),
    );
    let mut trace = tape.end(EndReason::Finished);
    trace.header.client = "]]>&lt;<b>".into();
    trace.header.server = "S\n    participant X".into();
    let judgement = none();
    let drawn = mermaid(&trace, &judgement);
    assert!(lines_are_ours(&drawn), "{drawn}");
    let drawn = svg(&trace, &judgement);
    assert!(!drawn.contains("<script") && !drawn.contains("<b>"), "{drawn}");
    let texts = is_text_only(&drawn).unwrap();
    assert!(texts.contains("</svg><script>alert(1)</script> #1"), "{texts}");
}

/// The judgement of nothing.
fn none() -> Judgement {
    Judgement {
        verdict: Verdict::NotExercised,
        outcome: Outcome::NoScenario,
        findings: Vec::new(),
        checks: Vec::new(),
        cleared: Vec::new(),
        matched: Vec::new(),
    }
}

#[test]
fn an_empty_trace_is_drawn() {
    let trace = Trace { events: Vec::new(), ..sample::well(Transport::Stdio).trace };
    let wrong = sample::finding(Verdict::Error, Blame::Environment, "a server", "none");
    let judgement = Judgement { findings: vec![wrong], outcome: Outcome::Missed { finding: 0 }, ..none() };
    let drawn = mermaid(&trace, &judgement);
    assert!(drawn.contains("Note over C,S: Here the two parted.<br/>1. error, environment#58; none"), "{drawn}");
    let texts = is_text_only(&svg(&trace, &judgement)).unwrap();
    assert!(texts.contains("Here the two parted") && texts.contains("1. error, environment: none"), "{texts}");
}

#[test]
fn what_is_drawn_is_bounded() {
    let mut tape = Tape::new(Transport::Stdio, Seat::Client);
    for i in 0..2000 {
        tape.client(&json!({"jsonrpc": "2.0", "id": i, "method": format!("x/{i}/{}", "<".repeat(1000))}), 200);
    }
    tape.server(&json!({"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": "\u{1b};#".repeat(400_000)}}));
    let mut trace = tape.end(EndReason::Deadline);
    trace.header.client = "&".repeat(1_000_000);
    let judgement = Judgement {
        findings: vec![sample::finding(Verdict::Fail, Blame::Server, &"\"".repeat(1_000_000), &"<".repeat(1_000_000))],
        ..none()
    };
    assert!(mermaid(&trace, &judgement).len() < 60_000);
    assert!(svg(&trace, &judgement).len() < 120_000);
}

/// Is every line one of those that the drawing itself writes, with nothing but harmless characters in its text?
fn lines_are_ours(drawn: &str) -> bool {
    let text = r"(?:[\p{L}\p{N}\p{Nl}\p{Alphabetic} _.,/\-()'!?=+…→×·✗✓]|#[0-9]+;|<br/>)*";
    let line = format!(
        r"^(?:sequenceDiagram|    end|    rect rgba\([0-9., ]+\)|    participant [CS] as {text}|    (?:C->>S|S->>C|C--xS|S--xC|Note over C,S|Note right of C|Note left of S): {text})$"
    );
    let line = regex::Regex::new(&line).unwrap();
    drawn.lines().all(|l| line.is_match(l))
}

/// The texts of an image, or why it is not well-formed or has anything in it that the drawing does not write.
fn is_text_only(drawn: &str) -> Result<String, String> {
    let document = roxmltree::Document::parse(drawn).map_err(|e| e.to_string())?;
    let elements = ["svg", "title", "style", "rect", "path", "text", "circle", "g"];
    for node in document.descendants().filter(roxmltree::Node::is_element) {
        let name = node.tag_name().name();
        if !elements.contains(&name) {
            return Err(format!("an element {name}"));
        }
        if let Some(odd) = node.attributes().find(|a| a.name().starts_with("on") || a.name() == "href") {
            return Err(format!("an attribute {}", odd.name()));
        }
        if matches!(name, "text" | "title") && node.children().any(|c| !c.is_text()) {
            return Err(format!("more than text in {name}"));
        }
    }
    let texts = document.descendants().filter(|n| matches!(n.tag_name().name(), "text" | "title"));
    Ok(texts.filter_map(|n| n.text().map(str::to_owned)).collect::<Vec<_>>().join("\n"))
}

/// Text that tries to be more.
fn hostile() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "</svg>",
        "</text>",
        "<script>",
        "]]>",
        "<!--",
        "&amp;",
        "\"",
        "'",
        ";",
        "#",
        "#35;",
        ":",
        "\n",
        "\r\n",
        "end",
        "%%{init: {}}%%",
        "%%",
        "C->>S: x",
        "<br/>",
        "$$x$$",
        "`",
        "```",
        "style a:#b;",
        "ﬂ°°60¶ß",
        "\u{202e}",
        "\u{0}",
        "\u{ffff}",
        "\u{fffe}",
        "\u{2028}",
        "wrap:",
        "中",
        "\\n",
        "---",
    ]);
    proptest::collection::vec(prop_oneof![pieces.prop_map(str::to_owned), any::<String>()], 0..6)
        .prop_map(|v| v.concat())
}

proptest! {
    #[test]
    fn no_text_of_a_peer_is_more_than_text(
        said in proptest::collection::vec((any::<bool>(), hostile(), 0u8..4), 0..30),
        names in (hostile(), hostile()),
        found in proptest::collection::vec((proptest::option::of(0u32..40), hostile(), any::<bool>()), 0..4),
        missed in proptest::option::of(0usize..4),
    ) {
        let mut tape = Tape::new(Transport::Http, Seat::Observer);
        for (client, text, kind) in &said {
            let message = match kind {
                0 => json!({"id": text, "method": text, "params": {"name": text, "taskId": text}}),
                1 => json!({"id": text, "result": {"status": text, "content": [{"text": text}]}}),
                2 => json!({"id": text, "error": {"code": text, "message": text}}),
                _ => json!({"method": text, "params": {"message": text}}),
            };
            if *client { tape.client(&message, 400); } else { tape.server(&message); }
            tape.raw(StreamId(0), Party::Server, text.as_bytes());
            tape.push(Body::Action { label: text.clone(), what: text.clone(), gives_up: None });
        }
        let mut trace = tape.end(EndReason::Deadline);
        trace.header.client = names.0.clone();
        trace.header.server = names.1.clone();
        let findings = found.into_iter().map(|(event, text, fail)| Finding {
            event,
            ..sample::finding(if fail { Verdict::Fail } else { Verdict::Inconclusive }, Blame::Server, &text, &text)
        }).collect();
        let outcome = missed.map_or(Outcome::NoScenario, |finding| Outcome::Missed { finding });
        let judgement = Judgement { findings, outcome, ..none() };
        let drawn = mermaid(&trace, &judgement);
        prop_assert!(lines_are_ours(&drawn), "{drawn}");
        let drawn = svg(&trace, &judgement);
        let texts = is_text_only(&drawn);
        prop_assert!(texts.is_ok(), "{texts:?}");
        let reorders = drawn.contains('\u{202e}');
        prop_assert!(!reorders, "{drawn}");
    }
}
