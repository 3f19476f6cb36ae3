//! What two peers said to each other is drafted, and the draft is played against a third: it passes, and fails with each of
//! several faults in front of that server.

use super::installed::{self, peers};
use assert_cmd::Command;
use libtest_mimic::{Failed, Trial};
use mcp_interop::fault::library;
use mcp_interop::peer::{Peer, words};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_mcp-interop");
/// What is recorded.
const SCENARIO: &str = "tasks/question-in-a-task";
/// Whose session it is, and which server it is played against.
const RECORDED: &str = "typescript-v1";
const PLAYED: &str = "python-v1";
/// What is put in front of that server.
const FAULTS: [&str; 5] = [
    "a-question-without-its-task",
    "answers-a-task-with-its-result",
    "answers-before-it-was-answered",
    "wraps-the-task",
    "a-result-that-does-not-name-its-task",
];

/// What alters every message and is right all the same.
const CONTROL: &str = "members-in-another-order";

pub(crate) fn trials() -> Vec<Trial> {
    let named = |name: &str| peers().iter().find(|p| p.name == name).unwrap_or_else(|| panic!("no peer {name}"));
    let needed = [named(RECORDED), named(PLAYED)];
    let trial = |what: &str, test: Box<dyn FnOnce() -> Result<(), Failed> + Send>| {
        installed::trial(format!("a session of the {RECORDED} pair, played against {PLAYED}{what}"), &needed, test)
    };
    let mut trials = vec![trial("", Box::new(move || passes(needed)))];
    for fault in FAULTS {
        trials.push(trial(&format!(" behind {fault}"), Box::new(move || fails(needed, fault))));
    }
    trials.push(trial(&format!(" behind {CONTROL}"), Box::new(move || passes_behind(needed))));
    trials
}

/// The folder with the draft; made once.
fn drafted(needed: [&Peer; 2]) -> Result<PathBuf, String> {
    static DRAFT: LazyLock<Mutex<Option<Result<TempDir, String>>>> = LazyLock::new(Mutex::default);
    let mut draft = DRAFT.lock().map_err(|_| "another test failed")?;
    let made = draft.get_or_insert_with(|| make(needed));
    made.as_ref().map(|folder| folder.path().join("scenarios")).map_err(Clone::clone)
}

fn make(needed: [&Peer; 2]) -> Result<TempDir, String> {
    for peer in needed {
        installed::set_up(peer)?;
    }
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::create_dir_all(folder.path().join("scenarios/drafts")).map_err(|e| e.to_string())?;
    let (records, file) = (path("records"), path("scenarios/drafts/recorded.yaml"));
    let capture = format!("{records}/{}_stdio.ndjson", SCENARIO.replace('/', "_"));
    // what is wrong with these two is known, or it is told by their own tests
    let pair = ["pair", "--client", RECORDED, "--server", RECORDED];
    said(&[&pair[..], &["--scenario", SCENARIO, "--transport", "stdio", "--trace", &records]].concat())?;
    well(&["draft", "--from", &capture, "--out", &file])?;
    let lint = well(&["lint", &path("scenarios")])?;
    if !lint.contains("1 scenario, 0 errors, 0 warnings") {
        return Err(format!("the draft lints with\n{lint}"));
    }
    Ok(folder)
}

/// The exit code and all that is said.
fn said(arguments: &[&str]) -> Result<(Option<i32>, String), String> {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).timeout(std::time::Duration::from_secs(300));
    let output = command.output().map_err(|e| e.to_string())?;
    let text = [output.stdout, output.stderr].concat();
    Ok((output.status.code(), String::from_utf8_lossy(&text).into_owned()))
}

fn well(arguments: &[&str]) -> Result<String, String> {
    let (code, text) = said(arguments)?;
    if code == Some(0) { Ok(text) } else { Err(format!("{} ended with {code:?}:\n{text}", words::join(arguments))) }
}

fn passes(needed: [&'static Peer; 2]) -> Result<(), Failed> {
    let scenarios = drafted(needed)?;
    let came = well(&["server", "--peer", PLAYED, "--scenarios", &scenarios.display().to_string()])?;
    for transport in ["stdio", "http"] {
        if !came.contains(&format!("drafts/recorded ({transport})")) {
            return Err(format!("it was not played over {transport}:\n{came}").into());
        }
    }
    Ok(())
}

fn fails(needed: [&'static Peer; 2], fault: &str) -> Result<(), Failed> {
    let (code, text, findings) = behind(needed, fault)?;
    let breaks = library::named(fault)?.breaks.clone().ok_or("it is harmless")?;
    let meant = findings.iter().any(|f| f["requirement"] == breaks.as_str() && f["blame"] == "server");
    if code == Some(1) && meant {
        return Ok(());
    }
    Err(format!("exit 1 and a finding of {breaks} were expected; it ended with {code:?}:\n{text}").into())
}

/// It is not the front that fails a server.
fn passes_behind(needed: [&'static Peer; 2]) -> Result<(), Failed> {
    let (code, text, findings) = behind(needed, CONTROL)?;
    let well = code == Some(0) && findings.is_empty();
    if well { Ok(()) } else { Err(format!("it ended with {code:?}:\n{text}").into()) }
}

/// The draft against the server with something in front of it: the exit code, all that is said, and the findings.
fn behind(needed: [&Peer; 2], fault: &str) -> Result<(Option<i32>, String, Vec<Value>), String> {
    let scenarios = drafted(needed)?;
    let server = needed[1].server.stdio.as_ref().ok_or("it speaks no stdio")?;
    let line: Vec<String> = server.words.iter().map(|word| whole(&server.dir, word)).collect();
    let front = [vec![PROGRAM.to_owned(), "serve".into(), "--fault".into(), fault.into(), "--".into()], line].concat();
    let report = tempfile::NamedTempFile::new().map_err(|e| e.to_string())?;
    let (scenarios, file) = (scenarios.display().to_string(), report.path().display().to_string());
    let (code, text) =
        said(&["server", "--stdio", &words::join(&front), "--scenarios", &scenarios, "--report", &file])?;
    let report = std::fs::read_to_string(&file).map_err(|e| e.to_string())?;
    let report: Value = serde_json::from_str(&report).map_err(|e| format!("{e}\n{text}"))?;
    let findings = report["plays"][0]["findings"].as_array().ok_or_else(|| format!("nothing was played:\n{text}"))?;
    Ok((code, text, findings.clone()))
}

/// A word of a command, by its whole path if it is a file there.
fn whole(dir: &Path, word: &str) -> String {
    let file = dir.join(word);
    if file.exists() { file.display().to_string() } else { word.to_owned() }
}
