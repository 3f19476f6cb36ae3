//! The client that is built in, from the command line: in memory, and as a driver over real sockets and pipes.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use assert_cmd::Command;
use mcp_interop::peer::{Config, install};
use mcp_interop::spec::catalogue::{Bound, Seen};
use mcp_interop::spec::{Catalogue, Revision};
use mcp_interop::wire::Party;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

/// This program.
const PROGRAM: &str = env!("CARGO_BIN_EXE_mcp-interop");

/// What came of a play: its verdict, and what it proved.
type Play = (String, BTreeSet<String>);

/// What the embedded client does not show, and why.
const NOT_SHOWN: &[(&str, &[&str])] = &[
    (
        "what the monitor would show a client by is that it asks for no task where none is declared; the embedded one cannot ask, and stored traces show the check",
        &["tasks.capability.augment-only-declared", "tasks.capability.no-create-when-absent"],
    ),
    (
        "the embedded client waits for the result and polls no more meanwhile, as it may",
        &["tasks.poll.continue-beside-result"],
    ),
    ("a client serves no streams", &["tasks.http.disconnect-not-cancel"]),
    (
        "what a user or a model answers is not the same twice, so that there is nothing to compare with",
        &["tasks.result.identical-to-underlying"],
    ),
    (
        "what works for a client is its user or its model, and nobody else sees whether it stops",
        &["tasks.cancel.stops-execution", "cancellation.stops-processing"],
    ),
    ("a client serves no tools", &["tasks.status.tool-iserror-is-failed"]),
    (
        "a task of a client asks its server nothing: it waits for a user or a model",
        &[
            "tasks.input.moves-to-input-required",
            "tasks.input.request-related-meta",
            "tasks.input.same-task-id",
            "tasks.input.delivered-via-result",
            "tasks.input.leaves-after-input",
        ],
    ),
    (
        "the file that waits for the end of a ttl calls a tool, which a client has not",
        &["tasks.ttl.expired-error", "tasks.limits.prompt-cleanup"],
    ),
    (
        "one user sits before a client: there are no callers to tell apart",
        &[
            "tasks.auth.bind-to-context",
            "tasks.auth.reject-foreign-get",
            "tasks.auth.reject-foreign-result",
            "tasks.auth.reject-foreign-cancel",
            "tasks.auth.list-own-only",
            "tasks.auth.no-list-if-unidentified",
        ],
    ),
    (
        "no number is given, nor the form in which a client refuses: any check would be a guess",
        &[
            "tasks.limits.rate-limit",
            "tasks.limits.concurrent-tasks",
            "progress.rate-limited",
            "elicitation.client-rate-limits",
            "sampling.client-rate-limits",
            "ping.periodic",
            "ping.not-excessive",
        ],
    ),
    (
        "it answers what cannot be read only where it listens for requests: a client has no request of ours that it could mean",
        &["base.error.parse-error"],
    ),
    ("a client sends no schemas", &["base.schema.valid-schemas", "base.schema.recommend-2020-12"]),
    ("the embedded client has no keys of its own in `_meta`; stored traces show the check", &["base.meta.reverse-dns"]),
    (
        "icons are fetched by what shows them, and neither a driver nor the embedded client shows any",
        &[
            "base.icons.reject-unsafe-schemes",
            "base.icons.no-cross-origin-redirect",
            "base.icons.fetch-without-credentials",
            "base.icons.verify-same-origin",
        ],
    ),
    ("which revision is the newest that it speaks a client alone knows", &["lifecycle.version.client-sends-latest"]),
    (
        "the program that a client starts is `attach`, which ends when its input does and does not hold out against its client",
        &[
            "lifecycle.shutdown.stdio-closes-stdin",
            "lifecycle.shutdown.stdio-sigterm",
            "lifecycle.shutdown.stdio-sigkill",
        ],
    ),
    ("`attach` and the memory have no standard error that is a server's", &["transport.stdio.stderr-not-error"]),
    ("the transport of 2024-11-05 is not spoken by our server", &["transport.backcompat.client-sse-fallback"]),
    ("what a client makes of a connection that it takes for dead is not on the wire", &["ping.timeout-is-failure"]),
    ("only where it is declared the scenario is played at all", &["sampling.tools.client-declares"]),
    (
        "what the model says is said by the application, and that is ours in every run",
        &[
            "sampling.tools.choice-none",
            "sampling.tools.choice-required",
            "sampling.max-tokens",
            "sampling.preferences.hints-in-order",
            "sampling.preferences.hints-over-priorities",
            "sampling.iteration-limit",
        ],
    ),
];

/// The exit code, and the plays by their name.
fn played(words: &[&str]) -> (Option<i32>, BTreeMap<String, Play>) {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.json");
    let mut command = Command::new(PROGRAM);
    command.args(["client", "--report"]).arg(&report).args(words).timeout(Duration::from_secs(120));
    let output = command.output().unwrap();
    let report: Value = serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
    let play = |play: &Value| {
        let proven = play["checks"].as_array().unwrap().iter().filter(|check| check["verdict"] == "pass");
        let proven = proven.map(|check| check["requirement"].as_str().unwrap().to_owned()).collect();
        (play["name"].as_str().unwrap().to_owned(), (play["verdict"].as_str().unwrap().to_owned(), proven))
    };
    (output.status.code(), report["plays"].as_array().unwrap().iter().map(play).collect())
}

#[test]
fn what_passes_in_memory_passes_over_sockets_and_pipes_and_proves_the_same() {
    let (code, memory) = played(&[]);
    assert_eq!(code, Some(0));
    assert!(memory.values().all(|(verdict, _)| verdict == "pass"), "{memory:#?}");
    for transport in ["(stdio)", "(http)"] {
        assert!(memory.keys().any(|name| name.contains("question-in-a-task") && name.contains(transport)));
    }
    let (code, real) = played(&["--", PROGRAM, "drive"]);
    assert_eq!(code, Some(0));
    for (name, (verdict, _)) in &memory {
        assert_eq!(verdict, &real[name].0, "{name}");
    }
    // how a client leaves may be seen in the one play or in the other
    let proven = |plays: &BTreeMap<String, Play>| -> BTreeSet<String> {
        plays.values().flat_map(|(_, proven)| proven.iter().cloned()).collect()
    };
    assert_eq!(proven(&memory), proven(&real));
    assert_eq!(memory.len(), real.len());
}

#[test]
fn a_client_that_never_comes_has_passed_nothing() {
    let output = Command::new(PROGRAM).args(["client", "--", "true"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("NOTHING WAS PROVEN"), "{said}");
    assert!(said.contains("the client never connected"), "{said}");
    assert!(!said.contains("\npass"), "{said}");
}

#[test]
fn a_driver_that_is_not_there_is_the_environments_affair() {
    let output = Command::new(PROGRAM).args(["client", "--", "no-such-program"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("no-such-program"), "{said}");
}

#[test]
fn a_peer_without_a_client_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("harness.toml"), "[peers.mine]\nserver = { stdio = \"cat\" }\n").unwrap();
    let mut command = Command::new(PROGRAM);
    let output = command.current_dir(folder.path()).args(["client", "--peer", "mine"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("client = { driver = "), "{said}");
}

/// The areas in which everything that binds a client is shown, or has a reason why not.
const AREAS: [&str; 10] =
    ["base", "cancellation", "elicitation", "lifecycle", "ping", "progress", "roots", "sampling", "tasks", "transport"];

#[test]
fn whatever_binds_a_client_is_shown_by_ours_or_has_a_reason_why_not() {
    let (_, plays) = played(&[]);
    let proven: BTreeSet<&str> = plays.values().flat_map(|(_, proven)| proven.iter().map(String::as_str)).collect();
    let argued: Vec<&str> = NOT_SHOWN.iter().flat_map(|(_, ids)| ids.iter().copied()).collect();
    let binding: BTreeSet<&str> = Catalogue::of(Revision::V2025_11_25)
        .iter()
        .filter(|r| AREAS.contains(&r.area()) && r.seen != Seen::No)
        .filter(|r| !matches!(r.party, Bound::Party(Party::Server) | Bound::Outsider))
        .map(|r| r.id.as_str())
        .collect();
    assert!(binding.len() > 200, "{}", binding.len());
    let neither: Vec<&&str> = binding.iter().filter(|id| !proven.contains(*id) && !argued.contains(*id)).collect();
    assert!(neither.is_empty(), "neither shown nor argued: {neither:?}");
    let both: Vec<&&str> = argued.iter().filter(|id| proven.contains(*id)).collect();
    assert!(both.is_empty(), "shown, and argued all the same: {both:?}");
    let odd: Vec<&&str> = argued.iter().filter(|id| !binding.contains(*id)).collect();
    assert!(odd.is_empty(), "argued, and they bind no client: {odd:?}");
    let once: BTreeSet<&str> = argued.iter().copied().collect();
    assert_eq!(once.len(), argued.len(), "argued twice");
}

#[cfg(unix)]
#[test]
fn no_more_clients_at_once_than_were_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::create_dir(path("running")).unwrap();
    // who is there writes down how many there are, and what it is told
    let script = r#"echo > "$1/$$"; ls "$1" | wc -l >> "$2"; tee "$3.$$" | "$4" drive; rm "$1/$$""#;
    let (running, counts, orders) = (path("running"), path("counts"), path("orders"));
    let words = ["--scenario", "tools", "--scenario", "elicitation", "-j", "2", "--", "sh", "-c", script, "sh"];
    let words: Vec<&str> = words.into_iter().chain([&*running, &*counts, &*orders, PROGRAM]).collect();
    let (code, plays) = played(&words);
    assert_eq!(code, Some(0), "{plays:#?}");
    assert!(plays.len() > 20, "{}", plays.len());
    let counts = std::fs::read_to_string(&counts).unwrap();
    let counts: Vec<u32> = counts.lines().map(|line| line.trim().parse().unwrap()).collect();
    assert_eq!(counts.iter().max(), Some(&2), "{counts:?}");
    let mut connected = 0;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let file = entry.unwrap();
        if !file.file_name().to_string_lossy().starts_with("orders.") {
            continue;
        }
        // one client after the other
        let mut open = 0;
        for line in std::fs::read_to_string(file.path()).unwrap().lines() {
            match serde_json::from_str::<Value>(line).unwrap()["do"].as_str() {
                Some("connect") => open += 1,
                Some("close") => open -= 1,
                _ => {}
            }
            assert!((0..=1).contains(&open), "{line}");
            connected += open;
        }
    }
    assert!(connected >= 20, "{connected}");
}

#[test]
fn one_file_tests_both_parties_of_the_same_sdk() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = Config::load(&root.join("harness.toml")).unwrap();
    let peer = config.peers.iter().find(|peer| peer.name == "typescript-v1").unwrap();
    if !install::status(peer).ready() {
        assert!(std::env::var_os("CI").is_none(), "typescript-v1 is not installed, and CI is set");
        eprintln!("typescript-v1 is not installed: nothing was compared");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let report = |side: &str| -> Value {
        let path = folder.path().join(side);
        let mut command = Command::new(PROGRAM);
        command.current_dir(root).args([side, "--peer", "typescript-v1", "--scenario", "tasks/question-in-a-task"]);
        command.arg("--report").arg(&path).timeout(Duration::from_secs(120)).output().unwrap();
        serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap()
    };
    let (server, client) = (report("server"), report("client"));
    let files = |report: &Value| -> BTreeSet<String> {
        report["plays"].as_array().unwrap().iter().map(|play| play["file"].to_string()).collect()
    };
    assert_eq!(files(&server), files(&client));
    assert_eq!(files(&server).len(), 1);
    let proven = |report: &Value, of: &[Bound]| {
        let checks = report["plays"].as_array().unwrap().iter().flat_map(|play| play["checks"].as_array().unwrap());
        let proven = checks.filter(|check| check["verdict"] == "pass").filter_map(|c| c["requirement"].as_str());
        let bound = |id: &str| Catalogue::of(Revision::V2025_11_25).get(id).is_some_and(|r| of.contains(&r.party));
        proven.filter(|id| bound(id)).map(str::to_owned).collect::<BTreeSet<String>>()
    };
    // here the client asks for the task, and the server has it
    let of_server = proven(&server, &[Bound::Party(Party::Server), Bound::Receiver]);
    let of_client = proven(&client, &[Bound::Party(Party::Client), Bound::Requestor]);
    assert!(of_server.len() >= 2, "{of_server:?}");
    assert!(of_client.len() >= 2, "{of_client:?}");
    assert!(of_server.is_disjoint(&of_client));
}

#[cfg(unix)]
#[test]
fn a_client_that_gives_up_what_it_is_about_is_at_fault_and_the_file_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let file = r#"
title: A call that takes its time
revisions: "2025-11-25"
needs: { server: { tool: test_task_slow } }
drive:
  - { call tool: call, sees: call }
exchange:
  - client requests: tools/call
    as: call
    params: { name: test_task_slow, arguments: { ms: 2000 } }
    proves: [base.jsonrpc.conforms]
  - server answers: call
    result: { content: <any> }
"#;
    std::fs::write(folder.path().join("slow.yaml"), file).unwrap();
    // nobody told it to cancel the call
    let script = r#"while read -r line; do
        printf '%s\n' "$line"
        case "$line" in *'"call tool"'*)
            id=$(printf '%s' "$line" | sed 's/.*"id":\([0-9]*\).*/\1/')
            client=$(printf '%s' "$line" | sed 's/.*"client":"\([^"]*\)".*/\1/')
            sleep 0.3
            printf '{"id":99999,"client":"%s","do":"cancel","action":%s}\n' "$client" "$id";;
        esac
    done | "$1" drive | grep --line-buffered -v '"id":99999'"#;
    let mut command = Command::new(PROGRAM);
    command.args(["client", "--scenarios"]).arg(folder.path()).args(["--scenario", "slow", "--transport", "stdio"]);
    let output = command.args(["--", "sh", "-c", script, "sh", PROGRAM]).timeout(Duration::from_secs(60));
    let output = output.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("the client is at fault"), "{said}");
    assert!(said.contains("notifications/cancelled"), "{said}");
}
