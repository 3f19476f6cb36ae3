//! What goes in wrong, and what comes out: the real program against servers, clients and drivers that hang, flood, lie or die. One row for
//! each, with the exit code, the sentence, the time, and nothing left running.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod driver;
mod habit;
mod pipes;
mod table;
mod web;

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use table::{Peer, Row};

/// The first argument that makes this program a hostile server on its pipes; the second one is its habit.
const PEER: &str = "__peer";
/// The first argument that makes this program a hostile driver; the second one is its habit.
const DRIVER: &str = "__driver";
/// What all that a row starts has in its environment.
const MARK: &str = "HOSTILE_ROW";

fn main() {
    let mut words = std::env::args().skip(1);
    let (first, habit) = (words.next(), words.next().unwrap_or_default());
    // a pipe that the harness has closed is how most of them end
    match first.as_deref() {
        Some(PEER) => std::process::exit(pipes::serve(&habit).map_or(1, |()| 0)),
        Some(DRIVER) => std::process::exit(driver::drive(&habit).map_or(1, |()| 0)),
        _ => {}
    }
    let arguments = Arguments::from_args();
    // elsewhere nothing is said about process groups
    let rows = if cfg!(unix) { table::rows() } else { Vec::new() };
    let trials = rows.into_iter().map(|row| Trial::test(row.name(), move || try_row(&row))).collect();
    libtest_mimic::run(&arguments, trials).exit();
}

/// What came of a row.
struct Seen {
    code: Option<i32>,
    output: String,
    report: Value,
    took: Duration,
    /// The most memory the harness had, in KiB, where that can be seen.
    peak: u64,
    /// The command lines of what it left running.
    left: Vec<String>,
}

fn try_row(row: &Row) -> Result<(), Failed> {
    let seen = play(row);
    println!("{:<60} exit {:?} {:>6.1} s {:>4} MiB", row.name(), seen.code, seen.took.as_secs_f64(), seen.peak >> 10);
    let mut wrong = Vec::new();
    if seen.code != Some(row.code) {
        wrong.push(format!("exit code {:?} in place of {}", seen.code, row.code));
    }
    let flat = seen.output.split_whitespace().collect::<Vec<_>>().join(" ");
    for sentence in row.says {
        if !flat.contains(sentence) {
            wrong.push(format!("it does not say {sentence:?}"));
        }
    }
    if seen.took > row.within {
        wrong.push(format!("it took {:?}, and {:?} are enough", seen.took, row.within));
    }
    if row.memory.is_some_and(|most| seen.peak > most << 10) {
        wrong.push(format!("it needed {} KiB of memory", seen.peak));
    }
    if !seen.left.is_empty() {
        wrong.push(format!("it left running: {}", seen.left.join("; ")));
    }
    let reached = |play: &&Value| play["outcome"].to_string().contains("reached");
    let plays = seen.report["plays"].as_array().cloned().unwrap_or_default();
    let skipped = seen.report["skipped"].as_array().map_or(0, Vec::len);
    if let Peer::Check(_) = row.peer {
        // of a check there are rows
        return match wrong.is_empty() {
            true => Ok(()),
            false => Err(format!("{}\n\n{}", wrong.join("\n"), seen.output).into()),
        };
    }
    if plays.is_empty() && skipped == 0 {
        wrong.push("the report names no scenario, neither played nor not".to_owned());
    }
    match row.understood {
        true if plays.iter().filter(reached).count() == 0 => wrong.push("the outcome was not reached".to_owned()),
        false if row.code != 0 => {
            let passed =
                plays.iter().filter(reached).count() + usize::from(seen.report["summary"]["verdict"] == "pass");
            if passed > 0 {
                wrong.push(format!("{passed} plays reached their outcome"));
            }
        }
        _ => {}
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(format!("{}\n\n{}", wrong.join("\n"), seen.output).into()),
    }
}

fn play(row: &Row) -> Seen {
    let folder = tempfile::tempdir().unwrap();
    let mark = format!("{}-{}", std::process::id(), row.name());
    let file = |name: &str| std::fs::File::create(folder.path().join(name)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-interop"));
    let own = std::env::current_exe().unwrap().display().to_string();
    let mut last = Vec::new();
    match row.peer {
        Peer::Command(line) => command.args(["server", "--stdio", line]),
        Peer::Pipes(habit) => command.args(["server", "--stdio", &format!("'{own}' {PEER} '{habit}'")]),
        Peer::Web(habit) => command.arg("server").arg(web::serve(habit).unwrap()),
        Peer::DriverCommand(words) => {
            last.extend(["--".to_owned()].into_iter().chain(words.iter().map(|word| (*word).to_owned())));
            command.arg("client")
        }
        Peer::Driver(habit) => {
            last.extend(["--".to_owned(), own, DRIVER.to_owned(), habit.to_owned()]);
            command.arg("client")
        }
        Peer::Check(habit) => {
            last.extend(["--".to_owned(), own, DRIVER.to_owned(), habit.to_owned()]);
            command.args(["driver", "check"])
        }
    };
    command
        .args(row.arguments)
        .args(["--report", "report.json"])
        .args(last)
        .current_dir(folder.path())
        .env(MARK, &mark)
        .env_remove("CI")
        .stdin(Stdio::null())
        .stdout(file("stdout"))
        .stderr(file("stderr"));
    let begin = Instant::now();
    let mut harness = command.spawn().unwrap();
    let (code, peak) = wait(&mut harness, row.within * 2);
    let took = begin.elapsed();
    let left = left(&mark);
    let text = |name: &str| String::from_utf8_lossy(&std::fs::read(folder.path().join(name)).unwrap()).into_owned();
    let report = std::fs::read(folder.path().join("report.json")).unwrap_or_default();
    let report = serde_json::from_slice(&report).unwrap_or_default();
    Seen { code, output: format!("{}\n{}", text("stdout"), text("stderr")), report, took, peak, left }
}

/// Waits for the harness, and ends it if it hangs; gives its exit code and the most memory that it was seen to have.
fn wait(harness: &mut Child, patience: Duration) -> (Option<i32>, u64) {
    let (begin, mut peak) = (Instant::now(), 0);
    let status = format!("/proc/{}/status", harness.id());
    loop {
        if let Some(line) =
            std::fs::read_to_string(&status).unwrap_or_default().lines().find(|l| l.starts_with("VmHWM"))
        {
            peak = line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(peak);
        }
        if let Some(status) = harness.try_wait().unwrap() {
            return (status.code(), peak);
        }
        if begin.elapsed() > patience {
            harness.kill().unwrap();
            harness.wait().unwrap();
            return (None, peak);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// What bears the mark and does not go away by itself. Elsewhere than on Linux nothing can be seen of it.
fn left(mark: &str) -> Vec<String> {
    let line = format!("{MARK}={mark}");
    let bears = |folder: &Path| {
        let environ = std::fs::read(folder.join("environ")).unwrap_or_default();
        environ.split(|b| *b == 0).any(|pair| pair == line.as_bytes())
    };
    let mut left = Vec::new();
    // the guard needs a moment to see that nothing is left for it
    for _ in 0..100 {
        let folders = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        left = folders
            .map(|entry| entry.path())
            .filter(|folder| bears(folder))
            .map(|folder| {
                String::from_utf8_lossy(&std::fs::read(folder.join("cmdline")).unwrap_or_default()).replace('\0', " ")
            })
            .collect();
        if left.is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    left
}
