//! The program while it runs: what it serves, and how it ends when it is told to.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_mcp-interop");

/// A machine may be slow; a deadline of a play (ten seconds) must not look like a quick end.
const QUICK: Duration = Duration::from_secs(8);

fn initialize() -> String {
    let params = json!({
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": { "name": "test", "version": "1" },
    });
    json!({ "jsonrpc": "2.0", "id": "first", "method": "initialize", "params": params }).to_string()
}

fn start(arguments: &[&str]) -> Child {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn interrupt(child: &Child) {
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGINT).unwrap();
}

/// Waits for the end; gives the exit code and standard output.
fn end(mut child: Child) -> (Option<i32>, String) {
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    (child.wait().unwrap().code(), out)
}

#[test]
fn serve_answers_on_stdio_and_ends_with_its_input() {
    let mut server = start(&["serve"]);
    let mut pipe = server.stdin.take().unwrap();
    writeln!(pipe, "{}", initialize()).unwrap();
    let mut out = BufReader::new(server.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    let answer: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(answer["id"], "first");
    assert_eq!(answer["result"]["protocolVersion"], "2025-11-25");
    assert_eq!(answer["result"]["capabilities"]["tasks"]["requests"]["tools"]["call"], json!({}));
    // it waits for more, and ends when there will be none
    assert_eq!(server.try_wait().unwrap(), None);
    drop(pipe);
    assert_eq!(server.wait().unwrap().code(), Some(0));
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
}

#[test]
fn serve_listens_on_a_free_port_and_ends_when_interrupted() {
    let mut server = start(&["serve", "--http", "0"]);
    let mut line = String::new();
    BufReader::new(server.stderr.take().unwrap()).read_line(&mut line).unwrap();
    let url = line.trim_end().strip_prefix("listening on ").expect(&line).to_owned();
    let address = url.strip_prefix("http://").and_then(|rest| rest.strip_suffix("/mcp")).expect(&url);
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let body = initialize();
    let head = "accept: application/json, text/event-stream\r\ncontent-type: application/json\r\nconnection: close";
    let length = body.len();
    write!(stream, "POST /mcp HTTP/1.1\r\nhost: {address}\r\n{head}\r\ncontent-length: {length}\r\n\r\n{body}")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.to_ascii_lowercase().contains("\r\nmcp-session-id: "), "{answer}");
    assert!(answer.contains(r#""protocolVersion":"2025-11-25""#), "{answer}");
    // the harness tests it as it tests any other
    let tested = Command::new(PROGRAM).args(["server", &url, "--scenario", "tools"]).output().unwrap();
    assert_eq!(tested.status.code(), Some(0), "{}", String::from_utf8_lossy(&tested.stdout));

    let from = Instant::now();
    interrupt(&server);
    assert_eq!(end(server), (Some(0), String::new()));
    assert!(from.elapsed() < QUICK);
}

#[test]
fn a_port_that_is_taken_is_said() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let output = Command::new(PROGRAM).args(["serve", "--http", &port.to_string()]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.starts_with(&format!("error: cannot listen on port {port}: ")), "{said}");
}

/// Starts a run against a server of a few lines of `sh`, and interrupts it when the server has written the file `here`.
fn interrupted(script: &str, scenario: &str) -> (Option<i32>, String) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("server.sh"), script).unwrap();
    let here = dir.path().join("here");
    let command = format!("sh '{}' '{}'", dir.path().join("server.sh").display(), here.display());
    let run = start(&["server", "--stdio", &command, "--scenario", scenario]);
    let deadline = Instant::now() + Duration::from_secs(60);
    while !here.exists() {
        assert!(Instant::now() < deadline, "the server was never started");
        std::thread::sleep(Duration::from_millis(10));
    }
    let from = Instant::now();
    interrupt(&run);
    let came = end(run);
    assert!(from.elapsed() < QUICK, "{:?}: {}", from.elapsed(), came.1);
    came
}

#[test]
fn a_run_that_is_interrupted_while_the_server_is_asked_ends_at_once() {
    let (code, out) = interrupted("read -r line; touch \"$1\"; exec sleep 600", "base");
    assert_eq!(code, Some(4), "{out}");
    assert!(out.contains("NOTHING WAS PROVEN") && out.contains("interrupted"), "{out}");
}

#[test]
fn a_run_that_is_interrupted_while_a_scenario_is_played_shows_what_was_proven() {
    let result =
        json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": { "name": "s", "version": "1" } });
    let answer = json!({ "jsonrpc": "2.0", "id": 1, "result": result });
    // the first process is asked what it offers; the second is played with, and hangs when it owes an answer
    let script = format!(
        "read -r line; printf '%s\\n' '{answer}'
        if [ -e \"$1.asked\" ]; then read -r line; read -r line; touch \"$1\"; exec sleep 600; fi
        touch \"$1.asked\"; cat > /dev/null"
    );
    let (code, out) = interrupted(&script, "base/malformed-messages#a-batch");
    assert_eq!(code, Some(4), "{out}");
    assert!(out.contains("interrupted"), "{out}");
    // the handshake was seen whole, and what stands behind it is not held against the server
    assert!(out.contains("not exercised base/malformed-messages#a-batch (stdio)"), "{out}");
    assert!(!out.contains("NOTHING WAS PROVEN") && !out.contains("\n0 requirements proven"), "{out}");
    assert!(out.ends_with("inconclusive, exit 4: the run is not whole\n"), "{out}");
}

/// The processes that wrote their number into that file, and are alive.
fn alive(file: &std::path::Path) -> usize {
    let pids = std::fs::read_to_string(file).unwrap_or_default();
    pids.lines().filter(|pid| kill(Pid::from_raw(pid.parse().unwrap()), None).is_ok()).count()
}

#[test]
fn several_plays_at_once_have_so_many_processes_and_no_more_and_none_is_left_when_interrupted() {
    let dir = tempfile::tempdir().unwrap();
    let (script, pids) = (dir.path().join("server.sh"), dir.path().join("pids"));
    let result =
        json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": { "name": "s", "version": "1" } });
    let answer = json!({ "jsonrpc": "2.0", "id": 1, "result": result });
    // the first process is asked what it offers; all others hang when they owe an answer
    let lines = format!(
        "read -r line; printf '%s\\n' '{answer}'
        if [ -e \"$1.asked\" ]; then echo $$ >> \"$1\"; exec sleep 600; fi
        touch \"$1.asked\"; cat > /dev/null"
    );
    std::fs::write(&script, lines).unwrap();
    let command = format!("sh '{}' '{}'", script.display(), pids.display());
    let run = start(&["server", "--stdio", &command, "--scenario", "base", "-j", "3"]);
    let deadline = Instant::now() + Duration::from_secs(60);
    while alive(&pids) < 3 {
        assert!(Instant::now() < deadline, "three were never under way");
        std::thread::sleep(Duration::from_millis(10));
    }
    // the fourth play is not begun while three wait
    for _ in 0..20 {
        assert!(alive(&pids) <= 3);
        std::thread::sleep(Duration::from_millis(25));
    }
    let from = Instant::now();
    interrupt(&run);
    let (code, out) = end(run);
    assert!(from.elapsed() < QUICK, "{:?}", from.elapsed());
    assert_eq!(code, Some(4), "{out}");
    assert!(out.contains("interrupted") && !out.contains("NOTHING WAS PROVEN"), "{out}");
    assert_eq!(alive(&pids), 0, "nothing is left");
}

/// A driver of a few lines of `sh`, which writes its number into the file `$1`, says hello and then does that.
fn driver(then: &str) -> (tempfile::TempDir, String, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let (script, pids) = (dir.path().join("driver.sh"), dir.path().join("pids"));
    std::fs::write(&script, then).unwrap();
    (dir, script.display().to_string(), pids)
}

#[test]
fn several_clients_at_once_have_so_many_drivers_and_no_more_and_none_is_left_when_interrupted() {
    let hello = json!({ "id": 0, "result": { "version": 1 } });
    let lines = format!("read -r line; printf '%s\\n' '{hello}'; echo $$ >> \"$1\"; exec sleep 600");
    let (_dir, script, pids) = driver(&lines);
    let run = start(&["client", "-j", "2", "--", "sh", &script, &pids.display().to_string()]);
    let deadline = Instant::now() + Duration::from_secs(60);
    while alive(&pids) < 2 {
        assert!(Instant::now() < deadline, "two were never under way");
        std::thread::sleep(Duration::from_millis(10));
    }
    // the third play is not begun while two wait
    for _ in 0..20 {
        assert!(alive(&pids) <= 2);
        std::thread::sleep(Duration::from_millis(25));
    }
    let from = Instant::now();
    interrupt(&run);
    let (code, out) = end(run);
    assert!(from.elapsed() < QUICK, "{:?}", from.elapsed());
    assert_eq!(code, Some(4), "{out}");
    assert!(out.contains("interrupted"), "{out}");
    assert_eq!(alive(&pids), 0, "nothing is left");
}

#[test]
fn a_run_of_a_client_that_is_interrupted_shows_what_was_proven() {
    // the first driver is honest; the second hangs while the first goes on
    let hello = json!({ "id": 0, "result": { "version": 1 } });
    let lines = format!(
        "if mkdir \"$1.first\"; then echo $$ >> \"$1\"; exec '{PROGRAM}' drive; fi
        read -r line; printf '%s\\n' '{hello}'; echo $$ >> \"$1\"; exec sleep 600"
    );
    let (_dir, script, pids) = driver(&lines);
    let pids_path = pids.display().to_string();
    let run = start(&["client", "-j", "2", "--transport", "stdio", "--", "sh", &script, &pids_path]);
    let deadline = Instant::now() + Duration::from_secs(60);
    while alive(&pids) < 2 {
        assert!(Instant::now() < deadline, "two were never under way");
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(Duration::from_secs(2));
    let from = Instant::now();
    interrupt(&run);
    let (code, out) = end(run);
    assert!(from.elapsed() < QUICK, "{:?}", from.elapsed());
    assert_eq!(code, Some(4), "{out}");
    assert!(out.contains("interrupted") && !out.contains("NOTHING WAS PROVEN"), "{out}");
    assert_eq!(alive(&pids), 0, "nothing is left");
}

#[test]
fn a_second_interrupt_waits_for_nothing() {
    // it does not end when its input ends, nor when it is asked to
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path().join("here");
    let script = format!("trap '' TERM INT; touch '{}'; while :; do sleep 1; done", here.display());
    std::fs::write(dir.path().join("server.sh"), script).unwrap();
    let run = start(&["server", "--stdio", &format!("sh '{}'", dir.path().join("server.sh").display())]);
    while !here.exists() {
        std::thread::sleep(Duration::from_millis(10));
    }
    interrupt(&run);
    std::thread::sleep(Duration::from_millis(200));
    let from = Instant::now();
    interrupt(&run);
    let (code, _) = end(run);
    assert_eq!(code, Some(4));
    assert!(from.elapsed() < Duration::from_secs(2), "{:?}", from.elapsed());
}
