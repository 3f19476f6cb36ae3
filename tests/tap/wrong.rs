//! What goes wrong, a row each: what the other side still gets, what is told, and how the tap ends.

use super::http::{QUESTION, connect, ending, request, server, take};
use super::{PROGRAM, Tap, peak, within};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};

/// What a user has written that cannot be: exit 2, and what to do.
#[test]
fn what_cannot_be_is_said() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let to = "http://127.0.0.1:9/mcp";
    for (arguments, words) in [
        (&["--to", "foo"][..], "write http://HOST:PORT/PATH"),
        (&["--to", "http://"], "write http://HOST:PORT/PATH"),
        (&["--to", "ftp://127.0.0.1/"], "write http://HOST:PORT/PATH"),
        (&["--to", "http://127.0.0.1:99999/mcp"], "no port between 0 and 65535"),
        (&["--to", "http://127.0.0.1:x/mcp"], "write http://HOST:PORT/PATH"),
        (&["--to", "http://a:b@127.0.0.1/mcp"], "send credentials as a header"),
        (&["--to", "https://127.0.0.1/mcp"], "speaks http only; put a proxy that ends TLS in front of it"),
        (&["--to", to, "--listen", &taken], "cannot listen on"),
        (&["--to", to, "--listen", "0.0.0.0:0"], "can be reached by other machines"),
        (&["--to", to, "--listen", "3000"], "write it as 127.0.0.1:PORT"),
        (&["--to", to, "--trace", "/no/such/folder/x"], "cannot write the record /no/such/folder/x"),
        (&["--to", to, "--findings", "/no/such/folder/x"], "cannot write the findings to /no/such/folder/x"),
        (&["--to", to, "--revision", "2020-01-01"], "there is no such revision"),
        (&["--to", to, "--", "cat"], "cannot be used with"),
        (&["--listen", "127.0.0.1:0", "--", "cat"], "cannot be used with"),
        (&[], "--to <URL>"),
        (&["cat"], "[-- <COMMAND>...]"),
        (&["--", "/no/such/program"], "there is no program /no/such/program"),
        (&["--", "no-such-program"], "no-such-program"),
        (&["--", "/etc/passwd"], "/etc/passwd"),
    ] {
        let output = Command::new(PROGRAM).arg("tap").args(arguments).stdin(Stdio::null()).output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {err}");
        assert!(err.contains(words), "{arguments:?}: {err}");
        assert!(!err.contains("harness.toml") && !err.contains("panicked"), "{arguments:?}: {err}");
        assert_eq!(output.stdout, b"", "{arguments:?}");
    }
}

/// What a server does with its connection.
type Serve = fn(TcpStream);
/// Its name, what it does if it is there, what the client sees of it, what is told, and the exit code.
type Upstream<'a> = (&'a str, Option<Serve>, &'a str, &'a str, i32);
/// Its name, the script, what comes out, what is told, and the exit code.
type Script<'a> = (&'a str, &'a str, &'a [u8], &'a [&'a str], i32);

fn answer(mut stream: TcpStream, text: &str) {
    take(&mut stream, request("a").len());
    stream.write_all(text.as_bytes()).unwrap();
}

#[test]
fn an_upstream_that_is_wrong() {
    let rows: [Upstream<'_>; 7] = [
        ("refuses", None, "0 bytes, ConnectionReset", "tap: the server cannot be reached: Connection refused", 4),
        (
            "resets",
            // what was not read makes it a reset
            Some(|mut stream| drop(take(&mut stream, 10))),
            "0 bytes, ConnectionReset",
            "tap: the server cut the connection: Connection reset",
            4,
        ),
        (
            "answers half a head",
            Some(|stream| answer(stream, "HTTP/1.1 200 O")),
            "14 bytes, end",
            "tap: the server closed the connection in the middle of a head",
            4,
        ),
        (
            "answers half a body",
            Some(|stream| {
                answer(
                    stream,
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{\"json",
                );
            }),
            "77 bytes, end",
            "tap: the server closed the connection in the middle of a body",
            4,
        ),
        ("says nothing", Some(|stream| answer(stream, "")), "0 bytes, end", "without an answer", 4),
        (
            "is no HTTP",
            Some(|stream| answer(stream, "+OK POP3 server ready\r\n\r\n")),
            "25 bytes, end",
            "tap: the server: a response that cannot be read",
            4,
        ),
        (
            "is another web server",
            Some(|stream| answer(stream, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 3\r\n\r\n<p>")),
            "66 bytes, end",
            "fail: the server is at fault  transport.http.request-content-type",
            1,
        ),
    ];
    for (name, serve, seen, told, code) in rows {
        let (port, served) = match serve {
            Some(serve) => {
                let (port, served) = server(serve);
                (port, Some(served))
            }
            // nobody listens on a port that was given back
            None => (TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port(), None),
        };
        let tap = Tap::in_front_of(port);
        let mut client = connect(&tap);
        client.write_all(request("a").as_bytes()).unwrap();
        assert_eq!(ending(&mut client), seen, "{name}");
        if let Some(served) = served {
            served.join().unwrap();
        }
        drop(client);
        let ended = tap.stop();
        ended.is_whole();
        let all = format!("{}{}", ended.err, ended.findings);
        assert!(all.contains(told), "{name}: {all}");
        // a page is an answer, if a wrong one
        let owed = "the server did not answer `ping` (id 1)";
        assert!(ended.err.contains(owed), "{name}: {all}");
        assert_eq!(ended.code, Some(code), "{name}: {all}");
    }
}

#[test]
fn a_server_that_is_silent_is_named_when_the_tap_is_ended() {
    let (port, served) = server(|mut stream| {
        take(&mut stream, request("a").len());
        ending(&mut stream)
    });
    let tap = Tap::in_front_of(port);
    let mut client = connect(&tap);
    client.write_all(request("a").as_bytes()).unwrap();
    // it has come before the tap is told to end
    while !std::fs::read_to_string(tap.record_path()).unwrap().contains(r#""event":"stream-closed""#) {
        std::thread::yield_now();
    }
    let ended = within("the end", move || tap.stop());
    drop(client);
    served.join().unwrap();
    ended.is_whole();
    assert!(ended.err.contains("the server did not answer `ping` (id 1)"), "{}", ended.err);
    assert_eq!(ended.code, Some(4));
}

#[test]
fn a_command_that_is_wrong() {
    let page = "read x; echo '<p>'; read x; exit 0";
    let rows: [Script<'_>; 6] = [
        ("exits at once", "exit 0", b"", &["the server did not answer `ping` (id 1)"], 0),
        ("exits at once with an error", "exit 7", b"", &["the command: it ended with code 7"], 7),
        (
            "dies in the middle",
            "read x; kill -9 $$",
            b"",
            &["the command: signal 9 (SIGKILL) ended it", "the server did not answer `ping` (id 1)"],
            137,
        ),
        (
            "dies in the middle of a message",
            "read x; printf '{\"jsonrpc\":'; exit 1",
            b"{\"jsonrpc\":",
            &[
                "tap: the server: ended in the middle of a line, after 11 bytes of it",
                "the command: it ended with code 1",
            ],
            1,
        ),
        ("writes a log on its output", page, b"<p>\n", &["transport.stdio.server-stdout-clean"], 0),
        (
            "listens no more",
            "exec <&-; echo '{\"jsonrpc\":\"2.0\",\"method\":\"notifications/x\"}'; exit 3",
            b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/x\"}\n",
            &["the command: it ended with code 3"],
            3,
        ),
    ];
    for (name, script, out, told, code) in rows {
        let mut tap = Tap::of(&["sh", "-c", script]);
        let mut stdin = tap.child.stdin.take().unwrap();
        stdin.write_all(format!("{QUESTION}\n").as_bytes()).unwrap();
        // whoever has started a command that ends does not have to leave first
        let held = (script != page).then_some(stdin);
        let mut seen = Vec::new();
        tap.child.stdout.take().unwrap().read_to_end(&mut seen).unwrap();
        assert_eq!(seen, out, "{name}");
        let ended = within(name, move || tap.end());
        drop(held);
        ended.is_whole();
        let all = format!("{}{}", ended.err, ended.findings);
        for words in told {
            assert!(all.contains(words), "{name}: {all}");
        }
        assert_eq!(ended.code, Some(code), "{name}: {all}");
    }
}

/// The same is told once, all of it passes, and no more is kept than is needed.
#[test]
fn a_flood_is_borne() {
    const MESSAGES: usize = 5_000;
    let message = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"loud","data":"x"}}"#;
    let script = format!("yes '{message}' | head -{MESSAGES}; read wait");
    let mut tap = Tap::of(&["sh", "-c", &script]);
    let mut out = vec![0; MESSAGES * (message.len() + 1)];
    let mut stdout = tap.child.stdout.take().unwrap();
    let out = within("the flood", move || {
        stdout.read_exact(&mut out).unwrap();
        out
    });
    assert!(out.chunks(message.len() + 1).all(|line| line == format!("{message}\n").as_bytes()));
    let memory = peak(&tap.child);
    let ended = within("the end", move || tap.end());
    ended.is_whole();
    assert_eq!(ended.events().iter().filter(|e| e.contains(r#""event":"message""#)).count(), MESSAGES);
    assert_eq!(ended.findings.matches("fail: the server is at fault").count(), 1, "{}", ended.findings);
    assert!(memory < 120 << 20, "{} MiB", memory >> 20);
}
