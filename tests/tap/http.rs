//! In front of an HTTP server.

use super::{Tap, peak, within};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread::JoinHandle;

pub(super) const QUESTION: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
const ANSWER: &str = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;

/// A request as no library writes it, with that value of `Host`.
pub(super) fn request(host: &str) -> String {
    let length = QUESTION.len();
    format!(
        "POST /mcp?a=%20b HTTP/1.1\r\nhOST: {host}\r\nX-b:  2 \r\nAccept: application/json, text/event-stream\r\n\
         x-B: 3\r\nX-a:\r\nContent-Type: application/json\r\nCONTENT-length: {length}\r\n\r\n{QUESTION}"
    )
}

/// An answer as no library writes it.
fn answer() -> String {
    let length = ANSWER.len();
    format!(
        "HTTP/1.1 200 Very well indeed\r\nX-odd: 1\r\nx-ODD:2\r\ncontent-TYPE: application/json\r\nSet-Cookie: a=b\r\n\
         Content-Length: {length}\r\n\r\n{ANSWER}"
    )
}

/// A server that takes one connection and does that with it.
pub(super) fn server<T: Send + 'static>(serve: impl FnOnce(TcpStream) -> T + Send + 'static) -> (u16, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (port, std::thread::spawn(move || serve(connection(listener.accept().unwrap().0))))
}

/// A connection on which nobody waits for ever.
fn connection(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(super::PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

pub(super) fn connect(tap: &Tap) -> TcpStream {
    connection(TcpStream::connect(("127.0.0.1", tap.port())).unwrap())
}

pub(super) fn take(stream: &mut TcpStream, length: usize) -> String {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // a reset ends it too
    let _ = stream.read_to_end(&mut bytes);
    bytes
}

#[test]
fn heads_and_bodies_pass_as_they_are_but_for_the_host() {
    let (port, served) = server(|mut stream| {
        let port = stream.local_addr().unwrap().port();
        let wanted = request(&format!("127.0.0.1:{port}"));
        let mut asked = Vec::new();
        for _ in 0..2 {
            asked.push((take(&mut stream, wanted.len()), wanted.clone()));
            stream.write_all(answer().as_bytes()).unwrap();
        }
        asked
    });
    let tap = Tap::in_front_of(port);
    let mut client = connect(&tap);
    // twice on one connection, and byte by byte the second time
    let request = request(&format!("localhost:{}", tap.port()));
    client.write_all(request.as_bytes()).unwrap();
    assert_eq!(take(&mut client, answer().len()), answer());
    for byte in request.as_bytes() {
        client.write_all(&[*byte]).unwrap();
    }
    assert_eq!(take(&mut client, answer().len()), answer());
    assert_eq!(rest(&mut client), b"");
    for (asked, wanted) in served.join().unwrap() {
        assert_eq!(asked, wanted);
    }
    let ended = tap.stop();
    ended.is_whole();
    assert_eq!(ended.events().iter().filter(|e| e.contains(r#""method\":\"ping\""#)).count(), 2);
    assert_eq!(ended.events().iter().filter(|e| e.contains(r#""from":"server""#)).count(), 2);
    assert!(ended.has("set-cookie") && !ended.has("a=b"), "secrets are not recorded: {:?}", ended.events());
}

#[test]
fn an_event_passes_when_it_comes() {
    let (port, served) = server(|mut stream| {
        let port = stream.local_addr().unwrap().port();
        take(&mut stream, request(&format!("127.0.0.1:{port}")).len());
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n").unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            .unwrap();
        let mut pieces = Vec::new();
        for piece in [": hello\n\n", "data: {\"jsonrpc\":\"2.0\",", "\"method\":\"x\"}\n\n"] {
            let chunk = format!("{:x};ext=y\r\n{piece}\r\n", piece.len());
            stream.write_all(chunk.as_bytes()).unwrap();
            // the client has it before there is more
            assert_eq!(take(&mut stream, 1), "+");
            pieces.push(chunk);
        }
        stream.write_all(b"0\r\nTrailer: t\r\n\r\n").unwrap();
    });
    let tap = Tap::in_front_of(port);
    let mut client = connect(&tap);
    client.write_all(request(&format!("127.0.0.1:{}", tap.port())).as_bytes()).unwrap();
    let head = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n\
                HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(take(&mut client, head.len()), head);
    for chunk in [
        "9;ext=y\r\n: hello\n\n\r\n",
        "17;ext=y\r\ndata: {\"jsonrpc\":\"2.0\",\r\n",
        "f;ext=y\r\n\"method\":\"x\"}\n\n\r\n",
    ] {
        assert_eq!(take(&mut client, chunk.len()), chunk);
        client.write_all(b"+").unwrap();
    }
    assert_eq!(rest(&mut client), b"0\r\nTrailer: t\r\n\r\n");
    served.join().unwrap();
    let ended = tap.stop();
    ended.is_whole();
    assert!(ended.has(r#"\"method\":\"x\"}"#) && ended.has("a comment: hello"), "{:?}", ended.events());
}

#[test]
fn a_client_that_has_said_all_still_gets_its_answer() {
    let (port, served) = server(|mut stream| {
        assert!(!rest(&mut stream).is_empty(), "the end of what the client says comes through");
        stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n").unwrap();
        stream.write_all(ANSWER.as_bytes()).unwrap();
    });
    let tap = Tap::in_front_of(port);
    let mut client = connect(&tap);
    client.write_all(request("x").as_bytes()).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert!(String::from_utf8(rest(&mut client)).unwrap().ends_with(ANSWER));
    served.join().unwrap();
    assert!(tap.stop().has(r#"\"result\":{}"#));
}

#[test]
fn what_is_no_message_passes_too() {
    for (sent, answer) in [
        ("HEAD /mcp HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"),
        ("OPTIONS /mcp HTTP/1.1\r\nOrigin: http://a\r\n\r\n", "HTTP/1.1 204 No Content\r\nAllow: POST\r\n\r\n"),
        (
            "GET /.well-known/oauth-protected-resource HTTP/1.1\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        ),
        (
            "POST /mcp HTTP/1.1\r\nContent-Length: 1\r\n\r\n{",
            "HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer x=\"y\"\r\nContent-Length: 0\r\n\r\n",
        ),
        (
            "GET /mcp HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
            "HTTP/1.1 101 Switching\r\n\r\n\0\u{1}no HTTP at all",
        ),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\0\0\u{12}\u{4}"),
        ("\u{16}\u{3}\u{1} GET / \n\n\n", "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\nno"),
        ("GET /mcp HTTP/1.1\r\n\r\n", "what is this?\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"),
        ("GET /mcp HTTP/1.1\r\nA: b\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nno size\r\n"),
    ] {
        let expected = sent.to_owned();
        let (port, served) = server(move |mut stream| {
            assert_eq!(take(&mut stream, expected.len()), expected);
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let tap = Tap::in_front_of(port);
        let mut client = connect(&tap);
        client.write_all(sent.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(rest(&mut client)).unwrap(), answer, "{sent}");
        served.join().unwrap();
        let ended = tap.stop();
        ended.is_whole();
        assert!(!ended.err.contains("panicked") && ended.code != Some(70), "{sent}: {}", ended.err);
    }
}

#[test]
fn a_redirection_leads_back_to_the_tap() {
    let (port, served) = server(|mut stream| {
        let port = stream.local_addr().unwrap().port();
        take(&mut stream, request(&format!("127.0.0.1:{port}")).len());
        write!(stream, "HTTP/1.1 307 x\r\nLocation: http://127.0.0.1:{port}/mcp/\r\nContent-Length: 0\r\n\r\n")
            .unwrap();
    });
    let tap = Tap::in_front_of(port);
    let mut client = connect(&tap);
    client.write_all(request(&format!("localhost:{}", tap.port())).as_bytes()).unwrap();
    let wanted =
        format!("HTTP/1.1 307 x\r\nLocation: http://localhost:{}/mcp/\r\nContent-Length: 0\r\n\r\n", tap.port());
    assert_eq!(String::from_utf8(rest(&mut client)).unwrap(), wanted);
    served.join().unwrap();
    tap.stop().is_whole();
}

/// How a client sees the end of a connection.
pub(super) fn ending(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => format!("{} bytes, end", bytes.len()),
        Err(e) => format!("{} bytes, {:?}", bytes.len(), e.kind()),
    }
}

#[test]
fn a_client_that_leaves_is_gone_for_the_server_too() {
    let (port, served) = server(|mut stream| {
        take(&mut stream, request("a").len());
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n: x\n\n").unwrap();
        ending(&mut stream)
    });
    let tap = Tap::in_front_of(port);
    let mut client = connect(&tap);
    client.write_all(request("a").as_bytes()).unwrap();
    take(&mut client, 10);
    // what was not read makes it a reset
    drop(client);
    let seen = served.join().unwrap();
    assert_eq!(seen, "0 bytes, ConnectionReset");
    let ended = tap.stop();
    ended.is_whole();
    assert!(ended.has("the client cut the connection"), "{:?}", ended.events());
}

#[test]
fn two_clients_on_one_tap_are_told_apart() {
    let mut serve = std::process::Command::new(super::PROGRAM);
    serve.args(["serve", "--http"]).stdin(std::process::Stdio::null()).stderr(std::process::Stdio::piped());
    let mut serve = serve.spawn().unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(serve.stderr.take().unwrap()), &mut line).unwrap();
    let port = line.trim().trim_end_matches("/mcp").rsplit(':').next().unwrap().parse().unwrap();
    let tap = Tap::in_front_of(port);
    let mut clients = [connect(&tap), connect(&tap)];
    let mut sessions = Vec::new();
    let host = format!("127.0.0.1:{}", tap.port());
    let post = |client: &mut TcpStream, session: &str, body: &str| {
        let length = body.len();
        write!(
            client,
            "POST /mcp HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n{session}\
             Accept: application/json, text/event-stream\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            head.push_str(&take(client, 1));
        }
        let length = head.lines().find_map(|l| l.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        take(client, length.unwrap_or(0));
        head
    };
    let hello = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"a","version":"1"}}}"#;
    for client in &mut clients {
        let head = post(client, "", hello);
        let id =
            head.lines().find_map(|l| l.to_lowercase().strip_prefix("mcp-session-id: ").map(str::to_owned)).unwrap();
        sessions.push(format!("MCP-Session-Id: {id}\r\nMCP-Protocol-Version: 2025-11-25\r\n"));
    }
    for (client, session) in clients.iter_mut().zip(&sessions) {
        post(client, session, r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
    }
    for (client, session) in clients.iter_mut().zip(&sessions) {
        // the same id in both sessions is nothing wrong
        post(client, session, r#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#);
    }
    drop(clients);
    let ended = tap.stop();
    serve.kill().unwrap();
    serve.wait().unwrap();
    ended.is_whole();
    assert_eq!(ended.findings, "", "nothing is wrong");
    assert_eq!(ended.code, Some(0), "{}", ended.err);
}

#[test]
fn a_body_of_a_hundred_megabytes_passes_whole_and_is_recorded_cut() {
    const LENGTH: usize = 100 << 20;
    let sum =
        |bytes: &[u8], sum: u64| bytes.iter().fold(sum, |sum, b| sum.wrapping_mul(31).wrapping_add(u64::from(*b)));
    let (port, served) = server(move |mut stream| {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            head.push_str(&take(&mut stream, 1));
        }
        stream
            .write_all(
                format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {LENGTH}\r\n\r\n")
                    .as_bytes(),
            )
            .unwrap();
        // it comes back while it comes
        let (mut seen, mut came) = (0, 0);
        let mut chunk = vec![0; 1 << 20];
        while came < LENGTH {
            let n = stream.read(&mut chunk).unwrap();
            assert!(n > 0, "after {came} bytes");
            seen = sum(&chunk[..n], seen);
            came += n;
            stream.write_all(&chunk[..n]).unwrap();
        }
        seen
    });
    let tap = Tap::in_front_of(port);
    let mut client = connect(&tap);
    let mut reader = client.try_clone().unwrap();
    write!(client, "POST /mcp HTTP/1.1\r\nContent-Length: {LENGTH}\r\n\r\n").unwrap();
    let reading = std::thread::spawn(move || {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            head.push_str(&take(&mut reader, 1));
        }
        let (mut seen, mut came) = (0, 0);
        let mut chunk = vec![0; 1 << 20];
        while came < LENGTH {
            let n = reader.read(&mut chunk).unwrap();
            assert!(n > 0, "after {came} bytes");
            seen = sum(&chunk[..n], seen);
            came += n;
        }
        seen
    });
    let block: Vec<u8> = (0..1 << 20).map(|i: u32| b'a' + u8::try_from(i % 23).unwrap()).collect();
    let mut sent = 0;
    for _ in 0..LENGTH / block.len() {
        client.write_all(&block).unwrap();
        sent = sum(&block, sent);
    }
    let (there, back) = within("100 MB", move || (served.join().unwrap(), reading.join().unwrap()));
    assert_eq!((there, back), (sent, sent));
    drop(client);
    let memory = peak(&tap.child);
    let ended = tap.stop();
    ended.is_whole();
    let cut = format!(r#""cut_from":{LENGTH}"#);
    assert_eq!(ended.events().iter().filter(|e| e.contains(&cut)).count(), 2);
    assert!(ended.events().iter().all(|e| e.len() < 1 << 20), "only the beginnings are kept");
    assert!(memory < 60 << 20, "{} MiB", memory >> 20);
}

#[test]
fn the_record_is_on_disk_as_it_happens() {
    let (port, served) = server(|mut stream| {
        take(&mut stream, request("a").len());
        stream.write_all(answer().as_bytes()).unwrap();
        rest(&mut stream);
    });
    let mut tap = Tap::in_front_of(port);
    let mut client = connect(&tap);
    client.write_all(request("a").as_bytes()).unwrap();
    take(&mut client, answer().len());
    // what the client has got is in the record, even if nobody can do anything more
    tap.child.kill().unwrap();
    let text = std::fs::read_to_string(tap.record_path()).unwrap();
    let reading = mcp_interop::trace::record::read(&text).unwrap();
    assert!(reading.cut.is_some());
    assert!(text.ends_with('\n') && text.contains(r#"\"result\":{}"#), "{text}");
    tap.child.wait().unwrap();
    drop(client);
    served.join().unwrap();
}

#[test]
fn a_record_that_cannot_be_written_stops_nothing() {
    let (port, served) = server(|mut stream| {
        for _ in 0..2 {
            take(&mut stream, request("a").len());
            stream.write_all(answer().as_bytes()).unwrap();
        }
    });
    let mut child = std::process::Command::new(super::PROGRAM)
        .args(["tap", "--trace", "/dev/full", "--to", &format!("http://127.0.0.1:{port}/mcp")])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut err = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut text = String::new();
    while !text.contains("in place of") {
        assert!(std::io::BufRead::read_line(&mut err, &mut text).unwrap() > 0, "{text}");
    }
    let at = text
        .split(' ')
        .find(|w| w.starts_with("http://"))
        .unwrap()
        .trim_start_matches("http://")
        .trim_end_matches("/mcp");
    let mut client = connection(TcpStream::connect(at).unwrap());
    for _ in 0..2 {
        client.write_all(request("a").as_bytes()).unwrap();
        assert_eq!(take(&mut client, answer().len()), answer());
    }
    drop(client);
    served.join().unwrap();
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap()),
        nix::sys::signal::Signal::SIGINT,
    )
    .unwrap();
    err.read_to_string(&mut text).unwrap();
    child.wait().unwrap();
    assert_eq!(text.matches("cannot be written any more").count(), 1, "{text}");
    assert!(text.contains("4 messages passed"), "{text}");
}
