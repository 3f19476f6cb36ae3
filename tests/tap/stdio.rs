//! In place of a command.

use super::{Tap, peak, within};
use nix::sys::signal::Signal;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};

/// Gives it that input, and reads what comes to its end.
fn through(tap: &mut Tap, input: &[u8]) -> Vec<u8> {
    let (mut stdin, mut stdout) = (tap.child.stdin.take().unwrap(), tap.child.stdout.take().unwrap());
    let input = input.to_vec();
    let writing = std::thread::spawn(move || stdin.write_all(&input));
    let out = within("the command's output", move || {
        let mut out = Vec::new();
        stdout.read_to_end(&mut out).unwrap();
        out
    });
    // a command that has ended reads nothing more
    let _ = writing.join().unwrap();
    out
}

#[test]
fn bytes_pass_as_they_are() {
    for input in [
        &b""[..],
        b"\n",
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\r\n\r\n\t\n{\"not\": json\n\0\xff\xfe\n[1,\n2]\n",
        b"no end of line",
    ] {
        let mut tap = Tap::of(&["cat"]);
        assert_eq!(through(&mut tap, input), input);
        let ended = tap.end();
        ended.is_whole();
        assert_eq!(ended.code, Some(0), "{}", ended.err);
    }
}

#[test]
fn a_line_of_a_hundred_megabytes_passes_whole_and_is_recorded_cut() {
    let mut line = vec![b'x'; 100 << 20];
    line.push(b'\n');
    // it must still be there to be measured
    let mut tap = Tap::of(&["sh", "-c", "head -c 104857601; read wait"]);
    let (mut stdin, mut stdout) = (tap.child.stdin.take().unwrap(), tap.child.stdout.take().unwrap());
    let sent = line.clone();
    let writing = std::thread::spawn(move || {
        stdin.write_all(&sent).unwrap();
        stdin
    });
    let mut out = vec![0; line.len()];
    stdout.read_exact(&mut out).unwrap();
    assert!(out == line);
    let memory = peak(&tap.child);
    drop(writing.join().unwrap());
    let ended = tap.end();
    ended.is_whole();
    let cut = format!(r#""cut_from":{}"#, 100 << 20);
    assert_eq!(ended.events().iter().filter(|e| e.contains(&cut)).count(), 2, "{:?}", ended.err);
    assert!(memory < 60 << 20, "{} MiB", memory >> 20);
}

#[test]
fn it_ends_as_the_command_does() {
    for (script, code) in [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137), ("exec sh -c 'kill -TERM $$'", 143)] {
        let mut tap = Tap::of(&["sh", "-c", script]);
        // whoever started it does not have to leave first
        let stdin = tap.child.stdin.take();
        let mut out = Vec::new();
        tap.child.stdout.take().unwrap().read_to_end(&mut out).unwrap();
        let code_seen = tap.child.wait().unwrap().code();
        drop(stdin);
        let ended = tap.end();
        assert_eq!((code_seen, out.as_slice()), (Some(code), &b""[..]), "{script}");
        ended.is_whole();
        assert!(ended.has(r#""event":"process-exited""#), "{script}");
    }
}

#[test]
fn what_was_said_last_comes_through() {
    let mut tap = Tap::of(&["sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' 'y'; echo; echo last; exit 3"]);
    let out = through(&mut tap, b"");
    assert_eq!(out.len(), 3_000_000 + "\nlast\n".len());
    assert!(out.ends_with(b"\nlast\n"));
    assert_eq!(tap.end().code, Some(3));
}

#[test]
fn standard_error_passes_and_standard_output_has_nothing_of_ours() {
    let script = "echo noise >&2; printf '\\033[31mred\\n' >&2; read line; echo '{\"wrong\":1}'";
    let mut tap = Tap::of(&["sh", "-c", script]);
    let out = through(&mut tap, b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n");
    assert_eq!(out, b"{\"wrong\":1}\n");
    let ended = tap.end();
    assert!(ended.err.starts_with("noise\n\u{1b}[31mred\ntap: 2 messages passed"), "{}", ended.err);
    assert!(ended.findings.starts_with("fail: the server is at fault"), "{}", ended.findings);
    assert!(ended.findings.contains(r#"from the server: {"wrong":1}"#), "{}", ended.findings);
}

#[test]
fn a_command_that_says_no_more_is_heard_to_say_so() {
    let mut tap = Tap::of(&["sh", "-c", "exec >&-; cat >/dev/null; exit 5"]);
    let mut stdout = tap.child.stdout.take().unwrap();
    let out = within("the end of the output", move || {
        let mut out = Vec::new();
        stdout.read_to_end(&mut out).unwrap();
        out
    });
    assert_eq!(out, b"");
    assert!(tap.child.try_wait().unwrap().is_none(), "the command still listens");
    assert_eq!(tap.end().code, Some(5));
}

#[test]
fn a_client_that_stops_reading_for_good_is_gone() {
    let mut tap = Tap::of(&["sh", "-c", "read go; trap '' PIPE; echo one; echo two; cat >/dev/null; exit 6"]);
    drop(tap.child.stdout.take());
    tap.child.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
    let ended = tap.end();
    ended.is_whole();
    assert_eq!(ended.code, Some(6));
}

#[test]
fn whatever_is_to_end_it_ends_the_command_too() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let mut tap =
            Tap::of(&["sh", "-c", "trap 'echo bye; exit 9' TERM; echo $$; while :; do read x || sleep 0.01; done"]);
        let mut out = BufReader::new(tap.child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let pid: i32 = line.trim().parse().unwrap();
        tap.child.stdin.as_mut().unwrap().write_all(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n").unwrap();
        tap.signal(signal);
        let mut rest = String::new();
        out.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "bye\n", "what it says last passes");
        let ended = tap.end();
        ended.is_whole();
        assert_eq!(ended.code, Some(9), "{signal}");
        assert!(ended.err.contains("messages passed"), "{}", ended.err);
        assert!(ended.has(r#""event":"process-signalled""#));
        assert!(nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None).is_err(), "nothing is left running");
    }
}

#[test]
fn a_command_that_will_not_end_is_killed() {
    let mut tap = Tap::of(&["sh", "-c", "trap '' TERM; echo $$; while :; do sleep 0.05; done"]);
    let mut out = BufReader::new(tap.child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    tap.signal(Signal::SIGTERM);
    let ended = tap.end();
    ended.is_whole();
    assert_eq!(ended.code, Some(137));
    assert!(ended.err.contains("passed"), "{}", ended.err);
}

#[test]
fn a_tap_that_is_killed_leaves_nothing_running() {
    let mut tap = Tap::of(&["sh", "-c", "echo $$; while :; do sleep 0.05; done"]);
    let mut out = BufReader::new(tap.child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    let pid = nix::unistd::Pid::from_raw(line.trim().parse().unwrap());
    tap.child.kill().unwrap();
    tap.child.wait().unwrap();
    let mut rest = Vec::new();
    out.read_to_end(&mut rest).unwrap();
    let deadline = std::time::Instant::now() + super::PATIENCE;
    while nix::sys::signal::kill(pid, None).is_ok() {
        assert!(std::time::Instant::now() < deadline, "the command still runs");
        std::thread::yield_now();
    }
}
