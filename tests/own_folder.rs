//! A folder of scenarios of a user's own, with tools of their own names: nothing in the program knows them.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use mcp_interop::judge::{self, Judgement, Verdict};
use mcp_interop::run::folder;
use mcp_interop::run::pair::{self, Deviations};
use mcp_interop::scenario::plan::Plan;
use mcp_interop::scenario::{Scenario, seats};
use mcp_interop::spec::{Catalogue, Revision};
use mcp_interop::trace::{Seat, Trace, Transport};
use mcp_interop::wire::Party;
use std::path::PathBuf;
use std::sync::Arc;

fn own() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/own_folder")
}

fn scenario(id: &str) -> Scenario {
    let loaded = folder::load(&own()).unwrap();
    let said: Vec<String> = loaded.diagnostics.iter().map(|d| d.render(false)).collect();
    assert!(said.is_empty(), "{}", said.join("\n"));
    loaded.scenarios.into_iter().find(|s| s.id == id).unwrap()
}

/// Plays it in memory: against the reference peer, which has the tool from the scenario.
fn play(id: &str, seat: Seat, transport: Transport) -> (Trace, Judgement) {
    let scenario = scenario(id);
    assert!(seats::seats(&scenario, Catalogue::of(Revision::DEFAULT)).contains(&seat), "{id} has no {seat}'s seat");
    let plan = Arc::new(Plan::new(Arc::new(scenario), transport));
    let mut n = 40;
    let mut random = || {
        n += 1;
        n
    };
    let play = pair::prepare(plan, seat, Revision::DEFAULT, Vec::new(), &mut random);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let trace = runtime.block_on(pair::play(&play, Deviations::default(), 3));
    let judgement = judge::judge(&trace);
    (trace, judgement)
}

/// It passes from that seat, and shows these requirements of that party.
fn passes(id: &str, seat: Seat, shows: &[(&str, Party)]) {
    for transport in Transport::ALL {
        let (_, judgement) = play(id, seat, transport);
        assert_eq!(judgement.verdict, Verdict::Pass, "{id} {seat} {transport}: {:#?}", judgement.findings);
        for (requirement, party) in shows {
            let shown = judgement.cleared.iter().any(|c| c.requirement == *requirement && c.party == *party);
            assert!(shown, "{id} {seat} {transport} does not show {requirement} of the {party}");
        }
    }
}

#[test]
fn a_tool_of_ones_own_is_played_in_every_seat() {
    let server = ("tools.call.result-shape", Party::Server);
    let client = ("lifecycle.capability.client-uses-declared", Party::Client);
    passes("greetings/hello", Seat::Client, &[server]);
    passes("greetings/hello", Seat::Server, &[client]);
    passes("greetings/hello", Seat::Observer, &[server, client]);
}

#[test]
fn a_task_of_ones_own_with_a_question_is_played_in_every_seat() {
    let server = [
        ("tasks.create.returns-create-task-result", Party::Server),
        ("tasks.input.moves-to-input-required", Party::Server),
        ("tasks.input.delivered-via-result", Party::Server),
        ("tasks.input.request-related-meta", Party::Server),
        ("tasks.result.related-task-meta", Party::Server),
    ];
    let client =
        [("tasks.input.requestor-calls-result", Party::Client), ("tasks.input.response-related-meta", Party::Client)];
    passes("releases/deploy", Seat::Client, &server);
    passes("releases/deploy", Seat::Server, &client);
    passes("releases/deploy", Seat::Observer, &[server.as_slice(), &client].concat());
}

#[test]
fn the_words_of_the_scenario_are_what_the_tool_says() {
    let (trace, _) = play("releases/deploy", Seat::Server, Transport::Stdio);
    let text = mcp_interop::trace::record::write(&trace);
    assert!(text.contains("Deploy it?") && text.contains("is out"), "{text}");
}

/// The program itself against a server of a few lines.
#[cfg(unix)]
mod on_the_command_line {
    use super::own;
    use assert_cmd::Command;
    use serde_json::Value;

    fn server(command: &str) -> (i32, String, Value) {
        let folder = tempfile::tempdir().unwrap();
        let report = folder.path().join("report.json");
        let output = Command::cargo_bin("mcp-interop")
            .unwrap()
            .current_dir(own())
            .args(["server", "--stdio", command, "--scenarios", "."])
            .arg("--report")
            .arg(&report)
            .timeout(std::time::Duration::from_secs(60))
            .output()
            .unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let report = std::fs::read_to_string(&report).unwrap_or_else(|e| panic!("no report ({e}):\n{said}"));
        (output.status.code().unwrap(), said, serde_json::from_str(&report).unwrap())
    }

    #[test]
    fn a_server_of_a_few_lines_passes() {
        let (code, said, _) = server("sh server.sh");
        assert_eq!(code, 0, "{said}");
        assert!(said.contains("greetings/hello (stdio)"), "{said}");
        // what it does not offer is not held against it, and not passed over in silence
        assert!(said.contains("releases/deploy"), "{said}");
    }

    #[test]
    fn the_same_server_fails_when_it_says_something_else() {
        let (code, said, report) = server("sh server.sh Goodbye");
        assert_eq!(code, 1, "{said}");
        assert!(said.contains("the server is at fault"), "{said}");
        assert!(said.contains("Goodbye, "), "{said}");
        let findings: Vec<&Value> = report["plays"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|play| play["findings"].as_array().into_iter().flatten())
            .filter(|finding| finding["verdict"] == "fail")
            .collect();
        assert_eq!(findings.len(), 1, "one cause, one finding: {report:#}");
        assert_eq!(findings[0]["blame"], "server");
        assert_eq!(findings[0]["pointer"], "/result/content/0/text");
    }
}
