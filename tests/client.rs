//! The client that is built in, from the command line: in memory, and as a driver over real sockets and pipes.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use assert_cmd::Command;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// This program.
const PROGRAM: &str = env!("CARGO_BIN_EXE_mcp-interop");

/// What came of a play: its verdict, and what it proved.
type Play = (String, BTreeSet<String>);

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
    for (name, (verdict, proven)) in &memory {
        let (real_verdict, real_proven) = &real[name];
        assert_eq!((verdict, proven), (real_verdict, real_proven), "{name}");
    }
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
