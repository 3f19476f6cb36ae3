//! `judge`: captures of all kinds, and what goes wrong with them.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use assert_cmd::Command;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_mcp-interop");

#[derive(Debug)]
struct Came {
    code: Option<i32>,
    out: String,
    err: String,
}

fn judge_with(arguments: &[&str], input: &[u8]) -> Came {
    let mut command = Command::new(PROGRAM);
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS"] {
        command.env_remove(name);
    }
    command.arg("judge").args(arguments).write_stdin(input).timeout(Duration::from_secs(300));
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Came { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

fn file(dir: &TempDir, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = dir.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn judge(path: &Path) -> Came {
    judge_with(&[path.to_str().unwrap()], b"")
}

fn line(from: &str, message: &Value) -> String {
    format!("{}\n", json!({ "from": from, "message": message }))
}

/// The handshake of a session.
fn handshake() -> String {
    let client = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}});
    let server = json!({"jsonrpc": "2.0", "id": 0, "result": {"protocolVersion": "2025-11-25",
        "capabilities": {"tools": {}}, "serverInfo": {"name": "s", "version": "1"}}});
    let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    line("client", &client) + &line("server", &server) + &line("client", &ready)
}

/// A request and its answer.
fn ping(id: u64) -> String {
    line("client", &json!({"jsonrpc": "2.0", "id": id, "method": "ping"}))
        + &line("server", &json!({"jsonrpc": "2.0", "id": id, "result": {}}))
}

/// A capture in which nothing is wrong.
fn well() -> String {
    handshake() + &ping(1) + &ping(2)
}

/// One in which the client is at fault: it uses an id twice.
fn wrong() -> String {
    well() + &ping(2)
}

fn findings(report: &Path) -> Vec<String> {
    let report: Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    let plays = report["plays"].as_array().unwrap().iter();
    let each = plays.flat_map(|p| p["findings"].as_array().unwrap().iter().map(move |f| (p, f)));
    each.map(|(p, f)| {
        let name = Path::new(p["scenario"].as_str().unwrap()).file_name().unwrap().to_str().unwrap().to_owned();
        format!(
            "{name}: {} of the {} at {}",
            f["requirement"].as_str().unwrap(),
            f["blame"].as_str().unwrap(),
            f["event"]
        )
    })
    .collect()
}

/// A record of a play over HTTP, as `--trace` writes it.
fn record(dir: &TempDir) -> String {
    let folder = dir.path().join("recorded");
    let mut command = Command::new(PROGRAM);
    let arguments = ["server", "--scenario", "tools/unknown-tool", "--transport", "http", "--trace"];
    command.args(arguments).arg(&folder).assert().code(0);
    let path = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    std::fs::read_to_string(path).unwrap()
}

/// One row: the file, the exit code, and what is said of it on standard error.
struct Row {
    name: &'static str,
    bytes: Vec<u8>,
    code: i32,
    said: &'static str,
}

#[test]
fn what_can_be_wrong_with_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let record = record(&dir);
    let lines: Vec<&str> = record.lines().collect();
    let without =
        |n: usize| lines.iter().enumerate().filter(|(i, _)| *i != n).map(|(_, l)| format!("{l}\n")).collect::<String>();
    let row = |name, bytes: String, code, said| Row { name, bytes: bytes.into_bytes(), code, said };
    let half = ping(3);
    let rows = [
        row("well.jsonl", well(), 0, ""),
        row("record.ndjson", record.clone(), 0, ""),
        row("wrong.jsonl", wrong(), 1, ""),
        row(
            "cut.jsonl",
            well() + &half[..40],
            0,
            "cut.jsonl: line 8: the last line is only the beginning of a message; read without it",
        ),
        row(
            "cut-record.ndjson",
            lines[..20].join("\n") + "\n" + &lines[20][..30],
            0,
            ": the last line is only the beginning of an event; read without it",
        ),
        row(
            "cut-inside.jsonl",
            well() + &half[..40] + "\n" + &ping(4),
            2,
            "cut-inside.jsonl: line 8: this is no line of a capture",
        ),
        row(
            "no-end.ndjson",
            lines[..20].join("\n"),
            0,
            "no-end.ndjson: line 21: the event that says how it ended is missing; read as far as it goes",
        ),
        row(
            "new.jsonl",
            "{\"capture\": 2}\n".to_owned() + &well(),
            2,
            "new.jsonl: line 1: the capture has version 2, and this program reads version 1",
        ),
        row(
            "new.ndjson",
            "{\"format\": 99, \"more\": 1}\n".to_owned(),
            2,
            "new.ndjson: line 1: the record has format 99",
        ),
        row("garbage.jsonl", well() + "hello\n" + &ping(3), 2, "garbage.jsonl: line 8: this is no line of a capture"),
        row(
            "garbage-first.jsonl",
            "hello\n".to_owned(),
            2,
            "garbage-first.jsonl: line 1: this begins neither a run record",
        ),
        row(
            "garbage.ndjson",
            format!("{}\n{}\nhello\n", lines[0], lines[1]),
            2,
            "garbage.ndjson: line 3: this is no event of a run record",
        ),
        row(
            "raw.jsonl",
            "{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"ping\"}\n".to_owned(),
            2,
            "raw.jsonl: line 1: this begins neither a run record",
        ),
        row(
            "missing-event.ndjson",
            without(5),
            2,
            "missing-event.ndjson: line 6: the event has the number 5, and 4 was expected",
        ),
        row(
            "backwards.jsonl",
            "{\"from\":\"client\",\"message\":{},\"at\":2}\n{\"from\":\"client\",\"message\":{},\"at\":1}\n".to_owned(),
            2,
            "backwards.jsonl: line 2: `at` is 1, which is before the line above (2)",
        ),
        row("empty.jsonl", String::new(), 2, "empty.jsonl: there is nothing in it"),
        row("blank.jsonl", "\n\r\n\n".to_owned(), 2, "blank.jsonl: there is nothing in it"),
        row("preface.jsonl", "{\"capture\": 1}\n".to_owned(), 2, "preface.jsonl: there is no message in it"),
        row("crlf.jsonl", wrong().replace('\n', "\r\n"), 1, ""),
        row("bom.jsonl", format!("\u{feff}{}", wrong()), 1, ""),
        row("bom-record.ndjson", format!("\u{feff}{}", record.replace('\n', "\r\n")), 0, ""),
        Row {
            name: "latin.jsonl",
            bytes: [well().into_bytes(), b"{\"from\": \"caf\xe9\"}\n".to_vec()].concat(),
            code: 2,
            said: "latin.jsonl: line 8: this is no text in UTF-8",
        },
        Row { name: "zeros.jsonl", bytes: vec![0; 4096], code: 2, said: "zeros.jsonl: line 1: this begins neither" },
        Row {
            name: "huge.jsonl",
            bytes: [well().into_bytes(), vec![b'x'; 40 << 20]].concat(),
            code: 2,
            said: "huge.jsonl: line 8: longer than 32 MiB",
        },
    ];
    for Row { name, bytes, code, said } in rows {
        let path = file(&dir, name, bytes);
        let came = judge(&path);
        assert_eq!(came.code, Some(code), "{name}: {came:?}");
        assert!(came.err.contains(said), "{name}: {}", came.err);
        assert_eq!(said.is_empty(), came.err.is_empty(), "{name}: {}", came.err);
        // there is a report whenever something was judged
        assert_eq!(came.out.is_empty(), code == 2, "{name}: {came:?}");
        if said.starts_with(name) {
            assert!(came.err.contains(&path.display().to_string()), "{name}: {}", came.err);
        }
    }
}

#[test]
fn what_is_not_there_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let nothing = judge(&dir.path().join("nothing.jsonl"));
    assert_eq!(nothing.code, Some(2));
    assert!(nothing.err.contains("cannot read ") && nothing.err.contains("nothing.jsonl"), "{}", nothing.err);
    file(&dir, "notes.txt", "hello");
    let folder = judge(dir.path());
    assert_eq!(folder.code, Some(2));
    assert!(
        folder.err.contains("there is no capture in the folder ") && folder.err.contains("*.ndjson or *.jsonl"),
        "{}",
        folder.err
    );
    let none = judge_with(&[], b"");
    assert_eq!(none.code, Some(2), "{none:?}");
}

/// What is wrong with one file keeps no other from being judged.
#[test]
fn a_folder_is_judged_file_by_file() {
    let dir = tempfile::tempdir().unwrap();
    file(&dir, "a.jsonl", wrong());
    file(&dir, "b.jsonl", "hello\n");
    file(&dir, "c.ndjson", record(&dir));
    file(&dir, "d.txt", "no capture");
    let report = dir.path().join("report.json");
    let came = judge_with(&[dir.path().to_str().unwrap(), "--report", report.to_str().unwrap()], b"");
    // a peer at fault is worth more than a file that cannot be read
    assert_eq!(came.code, Some(1), "{came:?}");
    assert!(came.err.contains("b.jsonl: line 1: this begins neither"), "{}", came.err);
    assert_eq!(findings(&report), ["a.jsonl: base.request.id-unique of the client at 8"]);
    let report: Value = serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
    // a, c, and the one in the folder inside
    assert_eq!(report["plays"].as_array().unwrap().len(), 3);
    assert_eq!(report["summary"]["exit_code"], 1);
    let schema: Value = serde_json::from_str(include_str!("../schemas/report.schema.json")).unwrap();
    let schema = jsonschema::options().offline().build(&schema).unwrap();
    let faults: Vec<String> = schema.iter_errors(&report).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert_eq!(faults, Vec::<String>::new());
    file(&dir, "a.jsonl", well());
    let came = judge_with(&[dir.path().to_str().unwrap()], b"");
    assert_eq!(came.code, Some(2), "{came:?}");
    assert!(came.out.ends_with("not all could be read: exit 2\n"), "{}", came.out);
    file(&dir, "a.jsonl", wrong());
    // the same one twice is one
    let a = dir.path().join("a.jsonl");
    let twice = judge_with(&[a.to_str().unwrap(), a.to_str().unwrap()], b"");
    assert_eq!(twice.out.matches("a.jsonl (http)").count(), 2, "a line, and the details: {}", twice.out);
}

/// Two sessions, line by line in turn; the ids of each are its own.
#[test]
fn sessions_that_are_interleaved_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let of = |session: &str, text: &str| -> Vec<String> {
        text.lines()
            .map(|l| {
                let mut line: Value = serde_json::from_str(l).unwrap();
                line["session"] = session.into();
                line.to_string()
            })
            .collect()
    };
    let (a, b) = (of("a", &well()), of("b", &wrong()));
    let mut lines = Vec::new();
    for (i, of_b) in b.iter().enumerate() {
        lines.extend(a.get(i).cloned());
        lines.push(of_b.clone());
    }
    let path = file(&dir, "two.jsonl", lines.join("\n"));
    let report = dir.path().join("report.json");
    let came = judge_with(&[path.to_str().unwrap(), "--report", report.to_str().unwrap()], b"");
    assert_eq!(came.code, Some(1), "{came:?}");
    assert!(came.out.contains("two.jsonl#a (http)") && came.out.contains("two.jsonl#b (http)"), "{}", came.out);
    // of session b, by its line in the file
    assert_eq!(findings(&report), ["two.jsonl#b: base.request.id-unique of the client at 15"]);
}

#[test]
fn standard_input_is_read_with_a_dash() {
    let came = judge_with(&["-"], wrong().as_bytes());
    assert_eq!((came.code, came.err.as_str()), (Some(1), ""));
    let bad = judge_with(&["-"], b"hello\n");
    assert_eq!(bad.code, Some(2));
    assert!(bad.err.contains("-: line 1: this begins neither"), "{}", bad.err);
}

/// Neither the report for people nor the one for programs tells what nobody is to see.
#[test]
fn secrets_are_not_told() {
    let dir = tempfile::tempdir().unwrap();
    let record = record(&dir);
    let secrets = ["sekret-bearer-4711", "sekret-session-0815", "sekret-cookie-1234", "sekret-token-9876"];
    let mut lines: Vec<Value> = record.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    for line in lines.iter_mut().filter(|l| l["event"] == "http-request") {
        line["target"] = format!("/mcp?access_token={}", secrets[3]).into();
        let headers = line["headers"].as_array_mut().unwrap();
        headers.retain(|h| h[0] != "mcp-session-id" && h[0] != "Mcp-Session-Id");
        headers.push(json!(["Authorization", format!("Bearer {}", secrets[0])]));
        headers.push(json!(["Mcp-Session-Id", secrets[1]]));
        headers.push(json!(["Cookie", format!("sid={}", secrets[2])]));
        // and something to tell: another media type than JSON
        headers
            .iter_mut()
            .filter(|h| h[0].as_str().unwrap().eq_ignore_ascii_case("content-type"))
            .for_each(|h| h[1] = "text/plain".into());
    }
    lines[0]["seat"] = "observer".into();
    lines[0].as_object_mut().unwrap().remove("scenario");
    let text: String = lines.iter().map(|l| format!("{l}\n")).collect();
    let path = file(&dir, "secret.ndjson", text);
    let report = dir.path().join("report.json");
    let came = judge_with(&[path.to_str().unwrap(), "-v", "--report", report.to_str().unwrap()], b"");
    assert_eq!(came.code, Some(1), "{came:?}");
    let told = format!("{}{}{}", came.out, came.err, std::fs::read_to_string(&report).unwrap());
    for secret in secrets {
        assert!(!told.contains(secret), "{secret} is told: {told}");
    }
}

/// What was read before Ctrl-C is judged, and the exit code says that it is not all.
#[cfg(unix)]
#[test]
fn what_was_read_before_ctrl_c_is_judged() {
    use nix::sys::signal::{Signal, kill};
    use std::io::{Read as _, Write as _};
    let mut child = std::process::Command::new(PROGRAM)
        .args(["judge", "-"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    // more than a pipe holds: when it was written, the beginning was read
    pipe.write_all((handshake() + &(1..2000).map(ping).collect::<String>()).as_bytes()).unwrap();
    kill(nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGINT).unwrap();
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(4), "{out}");
    assert!(out.contains(" requirements proven"), "{out}");
    drop(pipe);
}

/// The most memory that judging so many messages took, in KiB.
#[cfg(target_os = "linux")]
fn peak(pings: u64) -> u64 {
    let dir = tempfile::tempdir().unwrap();
    let tool = |id: u64| {
        let asked =
            json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": "t", "arguments": {}}});
        let given =
            json!({"jsonrpc": "2.0", "id": id, "result": {"content": [{"type": "text", "text": "x".repeat(200)}]}});
        line("client", &asked) + &line("server", &given)
    };
    let path = file(&dir, "long.jsonl", handshake() + &(1..=pings).map(tool).collect::<String>());
    let mut child = std::process::Command::new(PROGRAM)
        .arg("judge")
        .arg(&path)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut most = 0;
    while child.try_wait().unwrap().is_none() {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
        let kib = line.and_then(|l| l.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default();
        most = most.max(kib);
        std::thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(child.wait().unwrap().code(), Some(0));
    most
}

/// A capture may be of any length.
#[cfg(target_os = "linux")]
#[test]
fn memory_does_not_grow_with_a_capture() {
    let (short, long) = (peak(2_000), peak(10_000));
    assert!(short > 10_000, "{short} KiB");
    assert!(long <= short + short / 10, "{short} KiB for 4000 messages, {long} KiB for 20000");
}
