//! A tap between two programs: what passes is what would pass without it, whatever the two do; and what is recorded is whole.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod http;
mod stdio;
mod wrong;

use mcp_interop::trace::record::{self, Reading};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_mcp-interop");

/// What takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A tap that runs, with its record and its findings in a folder of its own.
struct Tap {
    child: Child,
    folder: TempDir,
    /// What it writes on standard error from now on.
    err: JoinHandle<String>,
    url: String,
}

/// How a tap ended.
struct Ended {
    code: Option<i32>,
    err: String,
    record: Reading,
    findings: String,
}

fn command(folder: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(["tap", "--trace"]).arg(folder.path().join("record.ndjson"));
    command.arg("--findings").arg(folder.path().join("findings")).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

impl Tap {
    /// In front of a server on that port.
    fn in_front_of(port: u16) -> Tap {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("http://127.0.0.1:{port}/mcp");
        let mut child = command(&folder, &["--to", &url]).spawn().unwrap();
        let mut err = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        err.read_line(&mut line).unwrap();
        let url = line.split(' ').find(|w| w.starts_with("http://")).unwrap_or_else(|| panic!("{line}")).to_owned();
        let err = std::thread::spawn(move || {
            let mut text = String::new();
            err.read_to_string(&mut text).unwrap();
            text
        });
        Tap { child, folder, err, url }
    }

    /// In place of a command.
    fn of(words: &[&str]) -> Tap {
        let folder = tempfile::tempdir().unwrap();
        let mut child = command(&folder, &[&["--"], words].concat()).spawn().unwrap();
        let mut err = child.stderr.take().unwrap();
        let err = std::thread::spawn(move || {
            let mut text = Vec::new();
            err.read_to_end(&mut text).unwrap();
            String::from_utf8_lossy(&text).into_owned()
        });
        Tap { child, folder, err, url: String::new() }
    }

    fn record_path(&self) -> PathBuf {
        self.folder.path().join("record.ndjson")
    }

    fn port(&self) -> u16 {
        let authority = self.url.trim_start_matches("http://").trim_end_matches("/mcp");
        authority.rsplit(':').next().unwrap().parse().unwrap()
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// Waits until it has ended.
    fn end(mut self) -> Ended {
        drop(self.child.stdin.take());
        let code = self.child.wait().unwrap().code();
        let err = self.err.join().unwrap();
        let record = record::read(&std::fs::read_to_string(self.folder.path().join("record.ndjson")).unwrap()).unwrap();
        let findings = std::fs::read_to_string(self.folder.path().join("findings")).unwrap();
        Ended { code, err, record, findings }
    }

    /// Ends it as somebody at a terminal does, whose Ctrl-C comes twice: from the terminal and from whoever has started it.
    fn stop(self) -> Ended {
        self.signal(Signal::SIGINT);
        self.signal(Signal::SIGINT);
        self.end()
    }
}

impl Ended {
    /// The events, a line each, without numbers and times.
    fn events(&self) -> Vec<String> {
        let line = |event: &mcp_interop::trace::Event| {
            let mut value = serde_json::to_value(event).unwrap();
            let object = value.as_object_mut().unwrap();
            for name in ["seq", "at"] {
                object.remove(name);
            }
            value.to_string()
        };
        self.record.trace.events.iter().map(line).collect()
    }

    fn has(&self, words: &str) -> bool {
        self.events().iter().any(|e| e.contains(words))
    }

    /// The record is whole.
    fn is_whole(&self) {
        assert_eq!(self.record.cut, None);
    }
}

/// Runs something that must not hang.
fn within<T: Send + 'static>(what: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, came) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        let result = work();
        let _ = done.send(());
        result
    });
    match came.recv_timeout(PATIENCE) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("{what}: it hangs"),
        // it has panicked, and says so itself
        _ => thread.join().unwrap_or_else(|e| std::panic::resume_unwind(e)),
    }
}

/// The most memory that a process had, in bytes.
fn peak(child: &Child) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap();
    let kib: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib << 10
}
