//! Servers that offer less than the fixture, or speak an older revision: what they do not offer is not asked of them, and
//! nobody is at fault.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use mcp_interop::judge::Verdict;
use mcp_interop::reference::Surroundings;
use mcp_interop::report::{self, Style};
use mcp_interop::run::embedded::Embedded;
use mcp_interop::run::server::{self, Options};
use mcp_interop::run::traces::Keeper;
use mcp_interop::run::{Results, Summary};
use mcp_interop::scenario::files;
use mcp_interop::spec::Revision;
use mcp_interop::trace::{Body, Transport};
use mcp_interop::wire::Party;
use serde_json::Value;

fn run(revision: Revision, without: &[&str]) -> Results {
    let options = Options::new("bare", revision);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let without = without.iter().map(|s| (*s).to_owned()).collect();
        let servers = Embedded::new(|| Surroundings::fixed(3), without);
        let (_keep, interrupted) = tokio::sync::watch::channel(false);
        let mut n = 0;
        let mut random = || {
            n += 1;
            n
        };
        let scenarios = files::embedded().scenarios;
        let mut surroundings = || Surroundings::fixed(5);
        server::server(
            &servers,
            &scenarios,
            &options,
            &mut surroundings,
            &mut random,
            interrupted,
            &mut Keeper::of_all(),
        )
        .await
    })
}

fn well(results: &Results) {
    let summary = Summary::of(results);
    let text = report::terminal(results, &summary, false, &Style::default());
    assert_eq!(results.troubles, [], "{text}");
    for played in &results.played {
        assert!(played.judgement.verdict <= Verdict::NotExercised, "{}\n{text}", played.name());
    }
    assert_eq!(report::exit_code(results, &summary, false), 0, "{text}");
}

#[test]
fn a_server_with_tools_alone_is_well() {
    let results = run(Revision::DEFAULT, &["resources", "prompts", "logging", "completions", "tasks"]);
    well(&results);
    assert!(results.played.iter().any(|p| p.scenario == "pagination/every-page#tools-list"));
    let reason = "the server does not declare the capability prompts";
    assert!(results.skipped.iter().any(|s| s.scenario == "pagination/every-page#prompts-list" && s.reason == reason));
}

#[test]
fn a_server_with_nothing_is_asked_nothing() {
    let results = run(Revision::DEFAULT, &["tools", "resources", "prompts", "logging", "completions", "tasks"]);
    well(&results);
    let features = ["tools/", "resources/", "prompts/", "logging/", "completion/", "tasks/"];
    for played in &results.played {
        let asked = played.trace.events.iter().filter_map(|e| match &e.body {
            Body::Message { from: Party::Client, text, .. } => serde_json::from_slice::<Value>(&text.bytes()).ok(),
            _ => None,
        });
        for message in asked {
            let method = message.get("method").and_then(Value::as_str).unwrap_or_default();
            assert!(!features.iter().any(|f| method.starts_with(f)), "{}: {message}", played.name());
        }
    }
}

#[test]
fn every_older_revision_is_played() {
    for revision in Revision::ALL.into_iter().filter(|r| *r < Revision::DEFAULT) {
        let results = run(revision, &[]);
        well(&results);
        assert!(results.played.iter().any(|p| p.scenario == "tools/list-and-call"), "{revision}");
        let http = results.played.iter().any(|p| p.trace.header.transport == Transport::Http);
        assert_eq!(http, revision >= Revision::V2025_03_26, "Streamable HTTP came with 2025-03-26");
    }
}
