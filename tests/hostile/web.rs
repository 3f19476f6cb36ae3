//! The hostile servers over HTTP: a listener in this test's process.

use crate::habit::{self, Reply};
use serde_json::Value;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Serves with that habit for as long as the test runs; gives the URL.
pub(crate) fn serve(habit: &'static str) -> io::Result<String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let url = format!("http://{}/mcp", listener.local_addr()?);
    if habit == "refuses" {
        return Ok(url);
    }
    std::thread::spawn(move || {
        let nth = Arc::new(AtomicU32::new(0));
        for stream in listener.incoming().flatten() {
            // a listener that is gone refuses
            if habit == "dies at the fourth message" && nth.load(Ordering::Relaxed) >= 4 {
                return;
            }
            let nth = Arc::clone(&nth);
            // the harness hangs up as it likes
            std::thread::spawn(move || drop(round_trip(habit, stream, &nth)));
        }
    });
    Ok(url)
}

struct Asked {
    method: String,
    body: Value,
}

fn read(stream: &TcpStream) -> io::Result<Asked> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let method = line.split(' ').next().unwrap_or_default().to_owned();
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        if line.trim().is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').unwrap_or_default();
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Asked { method, body: serde_json::from_slice(&body).unwrap_or_default() })
}

fn answer(stream: &mut TcpStream, status: &str, headers: &str, body: &[u8]) -> io::Result<()> {
    let length = body.len();
    write!(stream, "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n")?;
    stream.write_all(body)
}

/// The head of an event stream that lasts as long as its connection.
fn events(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
}

const JSON: &str = "content-type: application/json\r\n";

fn round_trip(habit: &str, mut stream: TcpStream, nth: &AtomicU32) -> io::Result<()> {
    let asked = read(&stream)?;
    let html = "content-type: text/html\r\n";
    match habit {
        "HTML" => return answer(&mut stream, "200 OK", html, b"<!doctype html><title>Welcome</title>"),
        "404" => return answer(&mut stream, "404 Not Found", html, b"<h1>Not Found</h1>"),
        "500" => return answer(&mut stream, "500 Internal Server Error", html, b"<h1>Oops</h1>"),
        "redirects" => {
            let to = "location: http://127.0.0.1:9/elsewhere\r\n";
            return answer(&mut stream, "301 Moved Permanently", to, b"");
        }
        "wants a token" => {
            let wants = "www-authenticate: Bearer realm=\"mcp\", resource_metadata=\"http://127.0.0.1:9/meta\"\r\n";
            return answer(&mut stream, "401 Unauthorized", wants, b"");
        }
        "never answers" => {
            std::thread::sleep(Duration::from_secs(600));
            return Ok(());
        }
        "closes every connection" => return Ok(()),
        "no HTTP" => return stream.write_all(b"SSH-2.0-OpenSSH_9.6\r\n"),
        _ => {}
    }
    if asked.method != "POST" {
        return answer(&mut stream, "405 Method Not Allowed", "", b"");
    }
    let message = asked.body;
    let nth = nth.fetch_add(1, Ordering::Relaxed) + 1;
    if message.get("id").is_none() && habit != "hangs after initialize" {
        return answer(&mut stream, "202 Accepted", "", b"");
    }
    if habit == "answers late" {
        std::thread::sleep(Duration::from_millis(1500));
    }
    let called = message["method"] == "tools/call";
    match habit {
        "half an event" if called => {
            events(&mut stream)?;
            return stream.write_all(b"event: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":");
        }
        "a cut answer" if called => {
            return stream.write_all(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 999\r\n\r\n{\"jsonrpc\":",
            );
        }
        "a stream without the answer" if called => {
            events(&mut stream)?;
            return stream.write_all(b": this was all\n\n");
        }
        "comments for ever" if called => {
            events(&mut stream)?;
            loop {
                stream.write_all(b": still here\n\n")?;
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        "a flood of comments" if called => {
            events(&mut stream)?;
            let many = b": still here\n\n".repeat(1000);
            loop {
                stream.write_all(&many)?;
            }
        }
        "500 to calls" if called => return answer(&mut stream, "500 Internal Server Error", html, b"<h1>Oops</h1>"),
        "headers for ever" if called => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n")?;
            loop {
                stream.write_all(b"x-more: and more\r\n")?;
            }
        }
        _ => {}
    }
    match habit::reply(habit, &message, nth) {
        Reply::Honest => {
            let body = habit::honest(&message).unwrap_or_default().to_string();
            answer(&mut stream, "200 OK", JSON, body.as_bytes())
        }
        Reply::Silence => {
            std::thread::sleep(Duration::from_secs(600));
            Ok(())
        }
        Reply::Says(messages) if messages.len() == 1 => answer(&mut stream, "200 OK", JSON, &messages.concat()),
        Reply::Says(messages) => {
            events(&mut stream)?;
            let event = |message: &Vec<u8>| [b"data: ", &message[..], b"\n\n"].concat();
            // at once, so that the harness sees all of them
            stream.write_all(&messages.iter().flat_map(event).collect::<Vec<u8>>())
        }
        Reply::Large(length) => {
            let (begin, end) = habit::around(&message);
            let all = length + (begin.len() + end.len()) as u64;
            write!(stream, "HTTP/1.1 200 OK\r\n{JSON}content-length: {all}\r\n\r\n{begin}")?;
            io::copy(&mut io::repeat(b'x').take(length), &mut stream)?;
            stream.write_all(end.as_bytes())
        }
        Reply::Endless => {
            events(&mut stream)?;
            write!(stream, "data: {}", habit::around(&message).0)?;
            io::copy(&mut io::repeat(b'x'), &mut stream).map(drop)
        }
        Reply::Flood(times) => {
            events(&mut stream)?;
            for n in 0..times {
                stream.write_all(&[b"data: ", &habit::notification(n)[..], b"\n\n"].concat())?;
            }
            Ok(())
        }
        Reply::Dies => Ok(()),
    }
}
