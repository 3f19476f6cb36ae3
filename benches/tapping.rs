//! What a tap adds: the time of a message and how many pass in a second, as a ratio to no tap at all, and beside a relay that knows
//! nothing of what it passes on. All in one run, by turns, with the program as it is used: it records to disk and judges meanwhile.

#![allow(missing_docs, clippy::unwrap_used, reason = "measurements")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_mcp-interop");

/// So often each is measured; the median counts.
const ROUNDS: usize = 5;
/// So many messages are sent there and back, one after the other, in a round.
const TRIPS: usize = 300;
/// So many pass at once.
const FLOOD: usize = 2_000;

/// Answers every `ping` with its id.
const ANSWERS: &str = r#"s/"method":"ping"/"result":{}/"#;

fn ping(id: usize) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#)
}

fn main() {
    println!("{:<8} {:<12} {:>14} {:>7} {:>16} {:>7}", "", "", "there and back", "", "messages in 1 s", "");
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("record.ndjson").display().to_string();
    let answering = ["sed", "-u", ANSWERS].map(str::to_owned);
    let through = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).chain(answering.clone()).collect::<Vec<_>>();
    let commands = [
        ("direct", answering.to_vec()),
        ("pipes", through(&["sh", "-c", r#"cat | "$0" "$@" | cat"#])),
        ("tap", through(&[PROGRAM, "tap", "--trace", &record, "--"])),
    ];
    compare("stdio", commands.map(|(name, words)| (name, move |id: &mut usize| over_stdio(&words, id))));

    let server = serve();
    let relay = relay(server);
    let url = format!("http://127.0.0.1:{server}/mcp");
    let mut tap = Command::new(PROGRAM);
    let tap = tap.args(["tap", "--trace", &record, "--to", &url]).stdin(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut tap = Ended(tap.unwrap());
    let mut err = BufReader::new(tap.0.stderr.take().unwrap());
    let mut line = String::new();
    err.read_line(&mut line).unwrap();
    let port = line.split('/').nth(2).unwrap().rsplit(':').next().unwrap().parse().unwrap();
    std::thread::spawn(move || err.read_to_end(&mut Vec::new()));
    let ports: [(&str, u16); 3] = [("direct", server), ("TCP relay", relay), ("tap", port)];
    compare("HTTP", ports.map(|(name, port)| (name, move |id: &mut usize| over_http(port, id))));
}

/// What is started here does not outlive it.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// How long one message took there and back, and how long one of many.
type Took = (Duration, Duration);

fn compare<F: Fn(&mut usize) -> Took, const N: usize>(transport: &str, ways: [(&str, F); N]) {
    let mut id = 0;
    let mut took: Vec<Vec<Took>> = vec![Vec::new(); N];
    for _ in 0..ROUNDS {
        for (way, took) in ways.iter().zip(&mut took) {
            took.push((way.1)(&mut id));
        }
    }
    let median = |times: &mut dyn Iterator<Item = Duration>| {
        let mut times: Vec<_> = times.collect();
        times.sort();
        times[times.len() / 2].as_secs_f64()
    };
    let medians: Vec<_> = took
        .iter()
        .map(|took| (median(&mut took.iter().map(|t| t.0)), median(&mut took.iter().map(|t| t.1))))
        .collect();
    for ((name, _), (trip, each)) in ways.iter().zip(&medians) {
        let (trips, eachs) = (trip / medians[0].0, medians[0].1 / each);
        println!("{transport:<8} {name:<12} {:>11.1} us {trips:>6.2}x {:>16.0} {eachs:>6.2}x", trip * 1e6, 1.0 / each);
    }
}

fn over_stdio(words: &[String], id: &mut usize) -> Took {
    let mut command = Command::new(&words[0]);
    let child = command.args(&words[1..]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child = child.unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
    let mut line = String::new();
    let mut trip = |stdin: &mut std::process::ChildStdin, stdout: &mut BufReader<_>| {
        *id += 1;
        stdin.write_all(format!("{}\n", ping(*id)).as_bytes()).unwrap();
        line.clear();
        stdout.read_line(&mut line).unwrap();
        assert!(line.contains("result"), "{line}");
    };
    // all of it runs
    trip(&mut stdin, &mut stdout);
    let began = Instant::now();
    (0..TRIPS).for_each(|_| trip(&mut stdin, &mut stdout));
    let each = began.elapsed() / u32::try_from(TRIPS).unwrap();
    let lines: String = (0..FLOOD).map(|n| format!("{}\n", ping(*id + 1 + n))).collect();
    *id += FLOOD;
    let began = Instant::now();
    let writing = std::thread::spawn(move || {
        stdin.write_all(lines.as_bytes()).unwrap();
        stdin
    });
    let last = stdout.by_ref().lines().take(FLOOD).last().unwrap().unwrap();
    assert!(last.contains(&id.to_string()), "{last}");
    let flood = began.elapsed() / u32::try_from(FLOOD).unwrap();
    drop(writing.join().unwrap());
    child.wait().unwrap();
    (each, flood)
}

fn over_http(port: u16, id: &mut usize) -> Took {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut answers = BufReader::new(stream.try_clone().unwrap());
    let mut trip = |wanted: usize| {
        *id += 1;
        let body = ping(*id);
        let head = format!(
            "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\nX-Wanted: {wanted}\r\n\
             Accept: application/json, text/event-stream\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        read_message(&mut answers);
    };
    trip(0);
    let began = Instant::now();
    (0..TRIPS).for_each(|_| trip(0));
    let each = began.elapsed() / u32::try_from(TRIPS).unwrap();
    let began = Instant::now();
    trip(FLOOD);
    (each, began.elapsed() / u32::try_from(FLOOD).unwrap())
}

/// Reads one message with its head and a body of a length that is said; gives both.
fn read_message(from: &mut impl BufRead) -> Option<(String, Vec<u8>)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if from.read_line(&mut head).unwrap_or(0) == 0 {
            return None;
        }
    }
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap().parse().unwrap();
    let mut body = vec![0; length];
    from.read_exact(&mut body).unwrap();
    Some((head, body))
}

/// A server that answers every request, with as many events before the answer as are wanted, each written for itself.
fn serve() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            stream.set_nodelay(true).unwrap();
            std::thread::spawn(move || {
                let mut requests = BufReader::new(stream.try_clone().unwrap());
                while let Some((head, body)) = read_message(&mut requests) {
                    let wanted: usize =
                        head.lines().find_map(|line| line.strip_prefix("X-Wanted: ")).unwrap().parse().unwrap();
                    let answer = String::from_utf8(body).unwrap().replace(r#""method":"ping""#, r#""result":{}"#);
                    if wanted == 0 {
                        let length = answer.len();
                        let kind = "application/json";
                        let all = format!(
                            "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{answer}"
                        );
                        stream.write_all(all.as_bytes()).unwrap();
                        continue;
                    }
                    let event = "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n\n";
                    let answer = format!("data: {answer}\n\n");
                    let length = wanted * event.len() + answer.len();
                    let kind = "text/event-stream";
                    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n");
                    stream.write_all(head.as_bytes()).unwrap();
                    for _ in 0..wanted {
                        stream.write_all(event.as_bytes()).unwrap();
                    }
                    stream.write_all(answer.as_bytes()).unwrap();
                }
            });
        }
    });
    port
}

/// Copies bytes, and nothing else.
fn relay(to: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let copy = |mut from: TcpStream, mut to: TcpStream| {
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(std::net::Shutdown::Write);
        })
    };
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (client, server) = (client.unwrap(), TcpStream::connect(("127.0.0.1", to)).unwrap());
            client.set_nodelay(true).unwrap();
            server.set_nodelay(true).unwrap();
            copy(client.try_clone().unwrap(), server.try_clone().unwrap());
            copy(server, client);
        }
    });
    port
}
