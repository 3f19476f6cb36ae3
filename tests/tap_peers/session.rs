//! A client, moved by its driver, with a server, and what passes between them.

use super::masked::masked;
use super::recorder::{Recorder, Stream};
use mcp_interop::peer::Peer;
use mcp_interop::trace::record::{self, Reading};
use mcp_interop::trace::{Body, Transport};
use mcp_interop::wire::Party;
use mcp_interop::wire::http1::{Piece, Reader};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_mcp-interop");

/// How long anything may take, on a machine that has other things to do too.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the client is told to do behind `connect`, one after the other: what does not depend on who is faster, as progress does,
/// which one of the servers reports beside its answer, and as the polls of a task do.
pub(super) const SCRIPT: [(&str, &str); 13] = [
    ("list everything", r#"{"what":"tools"}"#),
    ("call tool", r#"{"name":"test_simple_text"}"#),
    ("call tool", r#"{"name":"test_multiple_content_types"}"#),
    ("call tool", r#"{"name":"test_tool_with_logging"}"#),
    ("call tool", r#"{"name":"test_error_handling"}"#),
    ("call tool", r#"{"name":"test_elicitation","arguments":{"message":"Who are you?"}}"#),
    ("call tool", r#"{"name":"no-such-tool"}"#),
    ("list everything", r#"{"what":"resources"}"#),
    ("list", r#"{"what":"prompts"}"#),
    ("read", r#"{"uri":"test://static-text"}"#),
    ("ping", "{}"),
    ("get task", r#"{"task":"no-such-task"}"#),
    ("close", "{}"),
];

/// What was seen of a session.
pub(super) struct Seen {
    transport: Transport,
    /// Where the client reached the server, over HTTP.
    host: Option<String>,
    output: Vec<String>,
    streams: Vec<Stream>,
}

/// What was seen of a session through a tap.
pub(super) struct Tapped {
    /// What the driver said, and what passed between the client and the tap.
    pub seen: Seen,
    /// What passed between the tap and the server.
    pub behind: Seen,
    record: Reading,
}

impl Seen {
    pub(super) fn of(transport: Transport, host: Option<&str>, output: Vec<String>, streams: Vec<Stream>) -> Seen {
        Seen { transport, host: host.map(str::to_owned), output, streams }
    }

    /// What the driver said; over HTTP without an order, as what comes on one connection has none with what comes on another.
    pub(super) fn output_masked(&self) -> Vec<String> {
        let mut lines: Vec<_> = self.output.iter().map(|line| masked(line)).collect();
        if self.transport == Transport::Http {
            lines.sort();
        }
        lines
    }

    /// The driver's answers that are results.
    pub(super) fn results(&self) -> impl Iterator<Item = &String> {
        self.output.iter().filter(|line| line.contains(r#""result""#))
    }

    /// Every byte; of several connections without an order, as they have none. Only the host has another name.
    pub(super) fn streams_exact(&self) -> Vec<String> {
        let text = |bytes: &[u8]| {
            let text = bytes.escape_ascii().to_string();
            self.host.as_ref().map_or(text.clone(), |host| text.replace(host, "HOST"))
        };
        let mut all: Vec<_> = self.streams.iter().map(|s| format!("{}\n{}", text(&s.up), text(&s.down))).collect();
        all.sort();
        all
    }

    /// What each request and each answer was, head and body, or all that was said over stdio.
    pub(super) fn streams_masked(&self) -> Vec<String> {
        let mut all = Vec::new();
        for stream in &self.streams {
            match self.transport {
                Transport::Stdio => {
                    for (who, bytes) in [("client", &stream.up), ("server", &stream.down)] {
                        let lines = String::from_utf8_lossy(bytes).into_owned();
                        all.extend(lines.split_inclusive('\n').map(|line| masked(&format!("{who}: {line:?}"))));
                    }
                }
                Transport::Http => all.extend(trips(stream).iter().map(|trip| masked(&trip.text()))),
            }
        }
        if self.transport == Transport::Http {
            all.sort();
        }
        all
    }

    /// The messages of a party; over HTTP without an order.
    pub(super) fn messages(&self, party: Party) -> Vec<String> {
        let mut all = Vec::new();
        for stream in &self.streams {
            match self.transport {
                Transport::Stdio => {
                    let bytes = if party == Party::Client { &stream.up } else { &stream.down };
                    all.extend(
                        String::from_utf8_lossy(bytes).lines().filter(|l| !l.trim().is_empty()).map(str::to_owned),
                    );
                }
                Transport::Http => all.extend(trips(stream).iter().flat_map(|trip| trip.messages(party))),
            }
        }
        if self.transport == Transport::Http {
            all.sort();
        }
        all
    }
}

impl Tapped {
    /// The messages of a party in the record.
    pub(super) fn recorded(&self, party: Party) -> Vec<String> {
        let text = |body: &Body| match body {
            Body::Message { from, text, .. } if *from == party => Some(String::from_utf8(text.bytes()).unwrap()),
            _ => None,
        };
        let mut all: Vec<String> = self.record.trace.events.iter().filter_map(|event| text(&event.body)).collect();
        if self.seen.transport == Transport::Http {
            all.sort();
        }
        all
    }

    pub(super) fn messages_recorded(&self) -> usize {
        self.recorded(Party::Client).len() + self.recorded(Party::Server).len()
    }
}

/// A request with its answer.
#[derive(Default)]
struct Trip {
    request: (String, Vec<u8>),
    answer: (String, Vec<u8>),
}

impl Trip {
    fn text(&self) -> String {
        let [asked, answered] =
            [&self.request, &self.answer].map(|(head, body)| format!("{head}{:?}", String::from_utf8_lossy(body)));
        format!("{asked}\n  -> {answered}")
    }

    fn messages(&self, party: Party) -> Vec<String> {
        let (head, body) = if party == Party::Client { &self.request } else { &self.answer };
        let head = head.to_lowercase();
        let body = String::from_utf8_lossy(body);
        if head.contains("content-type: text/event-stream") {
            let data = |line: &str| Some(line.strip_prefix("data:")?.trim().to_owned()).filter(|data| !data.is_empty());
            body.lines().filter_map(data).collect()
        } else if head.contains("content-type: application/json") && !body.is_empty() {
            vec![body.into_owned()]
        } else {
            Vec::new()
        }
    }
}

/// What went over one connection, request by request.
fn trips(stream: &Stream) -> Vec<Trip> {
    let (mut requests, mut responses) = (Reader::requests(64 << 10, None), Reader::responses(64 << 10));
    let mut trips: Vec<Trip> = Vec::new();
    for piece in requests.push(&stream.up, &mut Vec::new()) {
        match piece {
            Piece::Request(head) => {
                responses.expect(&head.method);
                let headers: String = head.headers.iter().map(|(n, v)| format!("\n  {n}: {v}")).collect();
                let request = (format!("{} {}{headers}\n", head.method, head.target), Vec::new());
                trips.push(Trip { request, ..Trip::default() });
            }
            Piece::Data(data) => trips.last_mut().unwrap().request.1.extend_from_slice(&data),
            _ => {}
        }
    }
    let mut at = 0;
    for piece in responses.push(&stream.down, &mut Vec::new()) {
        match piece {
            Piece::Response(head) => {
                let headers: String = head.headers.iter().map(|(n, v)| format!("\n  {n}: {v}")).collect();
                trips[at].answer.0 = format!("{}{headers}\n", head.status);
            }
            Piece::Data(data) => trips[at].answer.1.extend_from_slice(&data),
            Piece::End => at += 1,
            _ => {}
        }
    }
    trips
}

/// Without a tap.
pub(super) fn without(client: &Peer, server: &Peer, transport: Transport) -> Result<Seen, String> {
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    match transport {
        Transport::Stdio => {
            let command = between(&folder, "at-server", &stdio_command(server));
            let output = drive(client, &json!({ "command": command }))?;
            Ok(Seen::of(transport, None, output, vec![read(&folder, "at-server")?]))
        }
        Transport::Http => {
            let (running, at) = http_server(server)?;
            let recorder = Recorder::start(loopback(0), at)?;
            let host = recorder.address.to_string();
            let output = drive(client, &json!({ "url": format!("http://{host}{}", server.server.path) }))?;
            drop(running);
            Ok(Seen::of(transport, Some(&host), output, recorder.end(PATIENCE)?))
        }
    }
}

/// Through a tap, with a recorder on each side of it.
pub(super) fn with(client: &Peer, server: &Peer, transport: Transport) -> Result<Tapped, String> {
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let path = folder.path().join("record.ndjson");
    let mut tap: Vec<String> = vec![PROGRAM.into(), "tap".into(), "--trace".into(), path.display().to_string()];
    let (seen, behind) = match transport {
        Transport::Stdio => {
            tap.push("--".into());
            tap.extend(between(&folder, "at-server", &stdio_command(server)));
            let output = drive(client, &json!({ "command": between(&folder, "at-client", &tap) }))?;
            let seen = Seen::of(transport, None, output, vec![read(&folder, "at-client")?]);
            (seen, Seen::of(transport, None, Vec::new(), vec![read(&folder, "at-server")?]))
        }
        Transport::Http => {
            let (running, at) = http_server(server)?;
            let behind = Recorder::start(loopback(0), at)?;
            let server_host = behind.address.to_string();
            let (mut tapping, before) = http_tap(&tap, &format!("http://{server_host}{}", server.server.path))?;
            let host = before.address.to_string();
            let output = drive(client, &json!({ "url": format!("http://{host}{}", server.server.path) }))?;
            // what is still under way is not to be cut by the tap
            let before = before.end(PATIENCE)?;
            kill(Pid::from_raw(i32::try_from(tapping.0.id()).unwrap()), Signal::SIGINT).map_err(|e| e.to_string())?;
            let status = wait(&mut tapping.0, "the tap")?;
            if !matches!(status.code(), Some(0 | 1)) {
                return Err(format!("the tap ended with {status}"));
            }
            drop(running);
            let seen = Seen::of(transport, Some(&host), output, before);
            (seen, Seen::of(transport, Some(&server_host), Vec::new(), behind.end(PATIENCE)?))
        }
    };
    let text = std::fs::read_to_string(&path).map_err(|e| format!("no record: {e}"))?;
    let record = record::read(&text).map_err(|e| e.to_string())?;
    match &record.cut {
        None => Ok(Tapped { seen, behind, record }),
        Some(cut) => Err(format!("the record is not whole: {cut:?}")),
    }
}

/// A child that does not outlive its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn stdio_command(server: &Peer) -> Vec<String> {
    let words = server.server.stdio.as_ref().expect("each of them speaks it").words.clone();
    let script = r#"cd "$0" && exec "$@""#;
    ["sh", "-c", script, &server.dir.display().to_string()].map(str::to_owned).into_iter().chain(words).collect()
}

/// The command with a recorder on its pipes.
fn between(folder: &TempDir, name: &str, command: &[String]) -> Vec<String> {
    let script = r#"tee "$0.up" | "$@" | tee "$0.down""#;
    let path = folder.path().join(name).display().to_string();
    ["sh", "-c", script, &path].map(str::to_owned).into_iter().chain(command.iter().cloned()).collect()
}

fn read(folder: &TempDir, name: &str) -> Result<Stream, String> {
    let read = |end: &str| {
        let path: PathBuf = folder.path().join(format!("{name}.{end}"));
        std::fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))
    };
    Ok(Stream { up: read("up")?, down: read("down")? })
}

fn start(words: &[String], dir: &Path) -> Result<Command, String> {
    let (program, arguments) = words.split_first().ok_or("no command")?;
    let program = if program.contains('/') { dir.join(program) } else { program.into() };
    let mut command = Command::new(program);
    command.args(arguments).current_dir(dir).env("MCP_INTEROP_DRIVER", "1");
    Ok(command)
}

fn http_server(server: &Peer) -> Result<(Running, SocketAddr), String> {
    let port = TcpListener::bind(loopback(0)).and_then(|l| l.local_addr()).map_err(|e| e.to_string())?.port();
    let command = server.server.http.as_ref().expect("each of them speaks it");
    let words: Vec<String> = command.words.iter().map(|w| w.replace("{port}", &port.to_string())).collect();
    let mut command = start(&words, &server.dir)?;
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let running = Running(child.map_err(|e| format!("{}: {e}", server.name))?);
    let since = Instant::now();
    while TcpStream::connect(loopback(port)).is_err() {
        if since.elapsed() > PATIENCE {
            return Err(format!("{} does not listen", server.name));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok((running, loopback(port)))
}

/// A tap, and in front of it a recorder that has its port at another address: to a client both are one.
fn http_tap(tap: &[String], url: &str) -> Result<(Running, Recorder), String> {
    let aside = if cfg!(target_os = "linux") { "127.0.0.2" } else { "[::1]" };
    let mut said = String::new();
    for _ in 0..10 {
        let port = TcpListener::bind(loopback(0)).and_then(|l| l.local_addr()).map_err(|e| e.to_string())?.port();
        let at: SocketAddr = format!("{aside}:{port}").parse().unwrap();
        let mut command = start(tap, Path::new("."))?;
        command.args(["--listen", &at.to_string(), "--to", url]).stdin(Stdio::null());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().map_err(|e| e.to_string())?;
        let mut err = BufReader::new(child.stderr.take().unwrap());
        let running = Running(child);
        said.clear();
        err.read_line(&mut said).map_err(|e| e.to_string())?;
        // it goes on to be read, or the tap would stop
        std::thread::spawn(move || err.read_to_end(&mut Vec::new()));
        match Recorder::start(loopback(port), at) {
            Ok(recorder) if said.contains("in place of") => return Ok((running, recorder)),
            // somebody else was faster
            _ => {}
        }
    }
    Err(format!("the tap does not listen: {said}"))
}

fn wait(child: &mut Child, what: &str) -> Result<std::process::ExitStatus, String> {
    let since = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) if since.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(5)),
            Ok(None) => return Err(format!("{what} does not end")),
            Err(e) => return Err(e.to_string()),
        }
    }
}

/// Has the client do all of the script; gives what its driver said.
fn drive(client: &Peer, to: &Value) -> Result<Vec<String>, String> {
    let driver = client.client.as_ref().and_then(|c| c.driver.as_ref()).ok_or("its client has no driver")?;
    let mut command = start(&driver.words, &driver.dir)?;
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut running = Running(child.map_err(|e| format!("{}: {e}", client.name))?);
    let mut stdin = running.0.stdin.take().unwrap();
    let stdout = BufReader::new(running.0.stdout.take().unwrap());
    let (line, lines) = mpsc::channel();
    std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|said| line.send(said)));
    let connect = json!({
        "to": to, "revision": "2025-11-25", "capabilities": { "elicitation": { "form": {} } },
        "answers": { "elicitation": [{ "action": "accept", "content": { "username": "u", "email": "u@example.org" } }] },
    });
    let hello = [("hello", json!({ "versions": [1] })), ("connect", connect)];
    let script = SCRIPT.iter().map(|(action, with)| (*action, serde_json::from_str(with).unwrap()));
    let mut output = Vec::new();
    for (id, (action, mut with)) in hello.into_iter().chain(script).enumerate() {
        let order = with.as_object_mut().unwrap();
        order.extend([("id".to_owned(), id.into()), ("do".to_owned(), action.into())]);
        if action != "hello" {
            order.insert("client".into(), "c1".into());
        }
        writeln!(stdin, "{with}").map_err(|e| format!("the driver of {} is gone: {e}", client.name))?;
        loop {
            let said =
                lines.recv_timeout(PATIENCE).map_err(|e| format!("{action}: {e}, after:\n{}", output.join("\n")))?;
            let answer: Value = serde_json::from_str(&said).map_err(|e| format!("{said}: {e}"))?;
            output.push(said);
            if answer.get("id") == Some(&id.into()) {
                break;
            }
        }
    }
    drop(stdin);
    output.extend(lines.iter());
    let status = wait(&mut running.0, "the driver")?;
    output.push(status.to_string());
    Ok(output)
}
