//! Two programs, and us between them: the case this project was born from, and what goes wrong with the programs themselves.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use assert_cmd::Command;
use mcp_interop::judge::{self, finding::Blame};
use mcp_interop::trace::{Seat, Trace, record};
use std::path::Path;
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_mcp-interop");
const SEED: &str = "tasks/question-in-a-task";

/// What a run of the program came to.
struct Ran {
    code: Option<i32>,
    /// Both outputs.
    said: String,
    took: Duration,
}

fn pair(words: &[&str]) -> Ran {
    let from = Instant::now();
    let mut command = Command::new(PROGRAM);
    command.env_remove("NO_COLOR").env("COLUMNS", "120").arg("pair").args(words);
    let output = command.timeout(Duration::from_secs(120)).output().unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    Ran { code: output.status.code(), said, took: from.elapsed() }
}

/// The records in a folder.
fn traces(folder: &Path) -> Vec<Trace> {
    let files = std::fs::read_dir(folder).unwrap();
    let read = |path: &Path| record::read(&std::fs::read_to_string(path).unwrap()).unwrap().trace;
    files.map(|entry| read(&entry.unwrap().path())).collect()
}

/// A script of `sh`, as a command.
fn script(folder: &tempfile::TempDir, name: &str, lines: &str) -> String {
    let path = folder.path().join(name);
    std::fs::write(&path, lines).unwrap();
    format!("sh '{}'", path.display())
}

#[test]
fn a_client_that_never_calls_tasks_result_hangs_with_a_correct_server_and_is_blamed() {
    for transport in ["stdio", "http"] {
        let folder = tempfile::tempdir().unwrap();
        let driver = format!("'{PROGRAM}' drive --fault never-calls-tasks-result");
        let records = folder.path().display().to_string();
        let words = ["--driver", &driver, "--scenario", SEED, "--transport", transport, "--trace", &records];
        let Ran { code, said, .. } = pair(&words);
        assert_eq!(code, Some(1), "{said}");
        for shown in [
            "The two did not understand each other; the client is at fault (finding 1).",
            "1. fail: the client is at fault, presumed: it rests on a deadline, not on order",
            "expected     that the client requests tasks/result",
            "tasks.input.requestor-calls-result (SHOULD)",
            // the diagram, up to where it went no further
            "input_required ─┤",
            "never came: that the client requests tasks/result",
            "◆ the deadline passed",
            "fault never-calls-tasks-result: kept back",
            "again        mcp-interop pair --driver ",
        ] {
            assert!(said.contains(shown), "{transport}: {shown:?} is missing in\n{said}");
        }
        // its record alone tells the same
        let [trace] = traces(folder.path()).try_into().unwrap();
        assert_eq!(trace.header.seat, Seat::Observer);
        let judgement = judge::judge(&trace);
        let [finding] = judgement.findings.as_slice() else { panic!("{:?}", judgement.findings) };
        assert_eq!(finding.blame, Blame::Client);
        assert_eq!(finding.requirement.as_deref(), Some("tasks.input.requestor-calls-result"));
        let event = finding.event.unwrap();
        assert!(said.contains(&format!("event {event}, from the server, the last thing seen")), "{said}");
    }
}

#[test]
fn a_server_of_the_user_is_blamed_with_a_client_of_the_user() {
    let driver = format!("'{PROGRAM}' drive");
    for (option, command) in [("--stdio", "serve"), ("--http", "serve --http {port}")] {
        let server = format!("'{PROGRAM}' {command} --fault a-server-without-a-name");
        let scenario = "tools/list-and-call";
        let Ran { code, said, .. } = pair(&["--driver", &driver, option, &server, "--scenario", scenario]);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("fail: the server is at fault"), "{said}");
        assert!(!said.contains("the client is at fault"), "{said}");
        assert!(said.contains("the member `serverInfo`"), "{said}");
    }
}

#[test]
fn the_embedded_two_understand_each_other() {
    let Ran { code, said, .. } = pair(&["--scenario", "tasks"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("(stdio)") && said.contains("(http)") && said.contains(" 0 broken"), "{said}");
}

#[test]
fn a_program_that_cannot_be_started_is_nobodys_fault() {
    for option in ["--stdio", "--driver"] {
        let Ran { code, said, .. } = pair(&[option, "no-such-program", "--scenario", "tools/list-and-call"]);
        assert_eq!(code, Some(4), "{said}");
        assert!(said.contains("there is no program `no-such-program` on the PATH"), "{said}");
    }
}

#[test]
fn a_server_that_dies_in_the_middle_is_blamed() {
    let folder = tempfile::tempdir().unwrap();
    // the first process is asked what it offers; the next has a tool and dies when it is called
    let marker = folder.path().join("asked");
    let initialized = r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"s","version":"1"}}}"#;
    let lines = format!(
        "if [ ! -e '{}' ]; then touch '{0}'; exec '{PROGRAM}' serve; fi
        read -r line; printf '%s\\n' '{initialized}'; read -r line; read -r line; exit 3",
        marker.display()
    );
    let server = script(&folder, "dies.sh", &lines);
    let Ran { code, said, took } = pair(&["--stdio", &server, "--scenario", "tools/list-and-call"]);
    assert!(took < Duration::from_secs(60), "{took:?}");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("fail: the server is at fault") && said.contains("it exited with code 3"), "{said}");
    assert!(!said.contains("the client is at fault"), "{said}");
}

#[test]
fn a_server_that_is_gone_before_anybody_came_is_blamed() {
    let folder = tempfile::tempdir().unwrap();
    let marker = folder.path().join("asked");
    let lines = format!("if [ ! -e '{}' ]; then touch '{0}'; exec '{PROGRAM}' serve; fi; exit 3", marker.display());
    let server = script(&folder, "gone.sh", &lines);
    let Ran { code, said, .. } = pair(&["--stdio", &server, "--scenario", "tools/list-and-call"]);
    // it was there a moment ago: the second time it is its own affair
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("the server is at fault") && said.contains("it exited with code 3"), "{said}");
}

#[test]
fn words_that_contradict_each_other_are_refused() {
    for (words, why) in [
        (&["--client", "embedded", "--driver", "x"][..], "cannot be used with"),
        (&["--server", "embedded", "--stdio", "x"], "cannot be used with"),
        (&["--http", "x"], "write {port} in the command"),
        (&["--stdio", "x", "--transport", "http"], "does not speak http"),
        (&["--client", "nobody"], "there is no peer `nobody`"),
        (&["--server", "python-v2"], "there is no peer `python-v2`"),
        (&["--revision", "2026-07-28"], "cannot be played yet"),
    ] {
        let Ran { code, said, .. } = pair(words);
        assert_eq!(code, Some(2), "{words:?}: {said}");
        assert!(said.contains(why), "{words:?}: {said}");
    }
}
