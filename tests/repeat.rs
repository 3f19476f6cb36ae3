//! `--repeat`: the same run again and again, and which plays did not come out the same every time.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use assert_cmd::Command;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

const PROGRAM: &str = env!("CARGO_BIN_EXE_mcp-interop");

const ONLY: &str = "tasks/question-in-a-task";

/// The built-in server, which breaks a rule in its fourth process. A run of one scenario starts two, one to ask what there is and one to play
/// with: it is the second run that is spoilt.
const FICKLE: &str = r#"
n=$(cat starts 2>/dev/null || echo 0)
echo $((n + 1)) > starts
if [ "$n" -eq 3 ]; then exec "$1" serve --fault a-question-without-its-task; fi
exec "$1" serve
"#;

/// Runs in that folder; gives the exit code and standard output.
fn run(dir: &Path, words: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(PROGRAM);
    command.args(words).current_dir(dir).env("NO_COLOR", "1").timeout(Duration::from_secs(120));
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

/// A folder with the fickle server, as a peer with that baseline.
fn fickle(baseline: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("server.sh"), FICKLE).unwrap();
    let peer =
        format!("[peers.fickle]\nserver = {{ stdio = \"sh server.sh '{PROGRAM}'\" }}\nbaseline = 'baseline.toml'");
    std::fs::write(dir.path().join("harness.toml"), peer).unwrap();
    std::fs::write(dir.path().join("baseline.toml"), baseline).unwrap();
    dir
}

const AGAIN_AND_AGAIN: [&str; 9] = ["server", "--peer", "fickle", "--scenario", ONLY, "--repeat", "3", "-j", "1"];

/// What is said behind the report of the first run.
fn behind_the_first(said: &str) -> &str {
    let at = said.find("\nrun 2: ").unwrap_or_else(|| panic!("nothing is new in the second run: {said}"));
    &said[at..]
}

#[test]
fn a_play_that_came_out_differently_once_is_named_and_shown_and_kept() {
    let dir = fickle("");
    let (code, said) = run(dir.path(), &[&AGAIN_AND_AGAIN[..], &["--trace", "records"]].concat());
    assert_eq!(code, Some(1), "{said}");
    let rest = behind_the_first(&said);
    assert!(rest.starts_with("\nrun 2: 1 play came out as never before\n  fail          tasks/question"), "{rest}");
    assert!(rest.contains("requirement  tasks.input.request-related-meta (MUST)"), "{rest}");
    let end = rest.find("\n3 runs of 1 play: ").expect(rest);
    insta::assert_snapshot!(&rest[end..]);
    // the records of the first run, and of whatever came out anew
    let record = |run: &str| dir.path().join("records").join(run).join("tasks_question-in-a-task_stdio.ndjson");
    assert!(record("run-1").is_file() && record("run-2").is_file() && !record("run-3").exists());
}

#[test]
fn what_the_baseline_calls_fickle_fails_no_repetition() {
    let entry = "[[known]]\nfinding = 'tasks.input.request-related-meta@server'\nreason = 'a race'\n";
    let (code, said) = run(fickle(&format!("{entry}sometimes = true\n")).path(), &AGAIN_AND_AGAIN);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("what differs is known to come and go\n"), "{said}");
    assert!(said.ends_with("exit 0: all that differs is known to come and go\n"), "{said}");
    // one that should show every time is stale where it does not
    let (code, said) = run(fickle(entry).path(), &AGAIN_AND_AGAIN);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.ends_with("exit 1: plays did not come out the same every time\n"), "{said}");
}

#[test]
fn what_is_built_in_comes_out_the_same_every_time_in_both_seats() {
    let dir = tempfile::tempdir().unwrap();
    for (side, plays) in [("server", "2 plays"), ("client", "2 plays")] {
        let (code, said) = run(dir.path(), &[side, "--scenario", ONLY, "--repeat", "5"]);
        assert_eq!(code, Some(0), "{said}");
        let end =
            format!("\n5 runs of {plays}: each came out the same every time\n\nthe runs by themselves: exit 0: 5\n");
        assert!(said.contains(&end), "{said}");
        assert_eq!(said.matches("requirements proven").count(), 1, "one report is enough: {said}");
    }
}

#[test]
fn a_run_that_is_never_well_is_not_well_because_it_is_so_every_time() {
    let dir = tempfile::tempdir().unwrap();
    let command = format!("'{PROGRAM}' serve --fault a-question-without-its-task");
    let (code, said) = run(dir.path(), &["server", "--stdio", &command, "--scenario", ONLY, "--repeat", "2"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("2 runs of 1 play: each came out the same every time"), "{said}");
    assert!(said.ends_with("exit 1: a peer is at fault\n"), "{said}");
}

#[test]
fn usage() {
    let dir = tempfile::tempdir().unwrap();
    for words in [&["server", "--repeat", "0"][..], &["server", "--repeat", "2", "--report", "report.json"]] {
        assert_eq!(run(dir.path(), words).0, Some(2), "{words:?}");
    }
}

#[test]
fn what_came_before_an_interruption_is_told() {
    let mut command = std::process::Command::new(PROGRAM);
    command.args(["server", "--scenario", ONLY, "--repeat", "1000000"]).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut said = String::new();
    // the first run has been shown
    while !said.ends_with("exit 0: all that was exercised is well\n") {
        assert_ne!(out.read_line(&mut said).unwrap(), 0, "{said}");
    }
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGINT).unwrap();
    out.read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(4), "{said}");
    assert!(said.contains("\ninterrupted: of 1000000 runs "), "{said}");
    assert!(said.ends_with("exit 4: the run is not whole\n"), "{said}");
}
