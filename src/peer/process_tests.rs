//! Real programs: how they start, what is heard of them, and that nothing of them is left.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use super::*;
use crate::reference::SessionKey;
use crate::transport::{Bounds, Link, LinkWhat, Numbers, StdioLink};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt as _, BufReader};

fn sh(script: &str) -> Command {
    Command { words: ["sh", "-c", script].map(str::to_owned).into(), dir: std::env::temp_dir(), env: Vec::new() }
}

fn lives(pid: i32) -> bool {
    // a zombie is as good as dead: it has no command line
    nix::sys::signal::kill(Pid::from_raw(pid), None).is_ok()
        && std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())
}

/// Waits until it is gone: a signal takes its time.
async fn gone(pid: i32) -> bool {
    for _ in 0..500 {
        if !lives(pid) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}

/// Starts a script that writes numbers of processes, one a line; gives the first `n`.
async fn started(script: &str, n: usize) -> (Process, Vec<i32>, ChildStdin) {
    let (process, (stdout, stdin)) = Process::start(&sh(script), Party::Server).unwrap();
    let mut lines = BufReader::new(stdout).lines();
    let mut pids = Vec::new();
    while pids.len() < n {
        let line = lines.next_line().await.unwrap().expect("a number of a process");
        pids.push(line.trim().parse().unwrap());
    }
    (process, pids, stdin)
}

/// Patient where nothing is waited for, quick where something ignores us.
const QUICK: Ladder =
    Ladder { input: Duration::from_millis(50), terminate: Duration::from_millis(50), kill: Duration::from_secs(30) };
const PATIENT: Duration = Duration::from_secs(30);

#[tokio::test]
async fn who_reads_to_the_end_ends_by_itself() {
    let (process, (_, stdin)) = Process::start(&sh("cat; exit 3"), Party::Server).unwrap();
    drop(stdin);
    let exit = process.stop(&Ladder { input: PATIENT, ..QUICK }).await.unwrap();
    assert_eq!(exit, Exit { code: Some(3), signal: None, ours: true });
}

#[tokio::test]
async fn who_does_not_is_terminated() {
    let (process, pids, _stdin) = started("echo $$; exec sleep 600", 1).await;
    let exit = process.stop(&Ladder { terminate: PATIENT, ..QUICK }).await.unwrap();
    assert_eq!((exit.signal, exit.ours), (Some(15), true));
    assert!(gone(pids[0]).await);
}

#[tokio::test]
async fn who_ignores_that_is_killed_with_all_it_started() {
    let script = "trap '' TERM; sleep 600 & echo $!; echo $$; while :; do sleep 1; done";
    let (process, pids, _stdin) = started(script, 2).await;
    let exit = process.stop(&QUICK).await.unwrap();
    assert_eq!((exit.signal, exit.ours), (Some(9), true));
    for pid in pids {
        assert!(gone(pid).await, "{pid}");
    }
}

#[tokio::test]
async fn what_it_leaves_behind_is_ended_with_it() {
    let (process, pids, _stdin) = started("sleep 600 & echo $!; exit 0", 1).await;
    assert_eq!(process.ended().await, Exit { code: Some(0), signal: None, ours: false });
    assert!(gone(pids[0]).await);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn who_left_the_group_is_found() {
    if find("setsid", Path::new("/"), &std::env::var_os("PATH").unwrap()).is_none() {
        return;
    }
    let (process, pids, stdin) = started("setsid sh -c 'echo $$; exec sleep 600' & cat", 1).await;
    drop(stdin);
    process.stop(&Ladder { input: PATIENT, ..QUICK }).await.unwrap();
    assert!(gone(pids[0]).await);
}

#[tokio::test]
async fn what_is_dropped_is_ended_at_once() {
    let (process, pids, _stdin) = started("trap '' TERM; sleep 600 & echo $!; echo $$; wait", 2).await;
    drop(process);
    for pid in pids {
        assert!(gone(pid).await, "{pid}");
    }
}

/// What a link tells of a program.
async fn heard(script: &str) -> Vec<Body> {
    let (process, pipes) = Process::start(&sh(script), Party::Server).unwrap();
    let numbers = Numbers::default();
    let link = StdioLink::new(Party::Client, SessionKey(0), pipes, &numbers, Bounds::default());
    let mut link = Link::Stdio(link);
    process.tell(link.feed().unwrap());
    let mut bodies = Vec::new();
    while let Some(event) = link.next().await {
        if let LinkWhat::Record(
            body @ (Body::ProcessStarted { .. } | Body::Stderr { .. } | Body::ProcessExited { .. }),
        ) = event.what
        {
            bodies.push(body);
        }
    }
    bodies
}

#[tokio::test]
async fn what_happens_to_it_is_told_through_the_link() {
    let party = Party::Server;
    let bodies = heard(r"printf 'one\n\033[31mtwo' >&2; exit 7").await;
    let text: String = bodies
        .iter()
        .filter_map(|b| match b {
            Body::Stderr { text, .. } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(text, "one\n\u{1b}[31mtwo");
    assert!(matches!(&bodies[0], Body::ProcessStarted { command, .. } if command.starts_with("sh -c 'printf")));
    assert_eq!(bodies.last(), Some(&Body::ProcessExited { party, code: Some(7), signal: None, ours: false }));
}

#[tokio::test]
async fn who_ends_at_once_is_told_too() {
    let party = Party::Server;
    let bodies = heard("exit 0").await;
    assert_eq!(bodies.last(), Some(&Body::ProcessExited { party, code: Some(0), signal: None, ours: false }));
    let bodies = heard("kill -SEGV $$").await;
    assert_eq!(bodies.last(), Some(&Body::ProcessExited { party, code: None, signal: Some(11), ours: false }));
}

#[tokio::test]
async fn a_flood_is_read_and_bounded() {
    let bodies = heard("i=0; while [ $i -lt 20000 ]; do echo \"line $i of a flood\"; i=$((i+1)); done >&2").await;
    let texts: Vec<&String> =
        bodies.iter().filter_map(|b| if let Body::Stderr { text, .. } = b { Some(text) } else { None }).collect();
    assert!(texts.first().unwrap().starts_with("line 0 of"));
    assert!(texts.last().unwrap().ends_with("line 19999 of a flood\n"));
    assert!(texts.iter().map(|t| t.len()).sum::<usize>() <= 2 * super::super::log::KEPT + 100);
}

#[tokio::test]
async fn who_listens_late_hears_how_it_ended() {
    let (process, (_, _stdin)) = Process::start(&sh("echo broken >&2; exit 1"), Party::Server).unwrap();
    process.ended().await;
    let ((reads, writes), _other) = crate::transport::memory::pipes();
    let mut link =
        StdioLink::new(Party::Client, SessionKey(0), (reads, writes), &Numbers::default(), Bounds::default());
    process.tell_meanwhile(&link.feed().unwrap());
    let mut bodies = Vec::new();
    while bodies.len() < 3 {
        if let LinkWhat::Record(body) = link.next().await.unwrap().what
            && !matches!(body, Body::StreamOpened { .. })
        {
            bodies.push(body);
        }
    }
    assert!(matches!(&bodies[1], Body::Stderr { text, .. } if text == "broken\n"));
    assert!(matches!(&bodies[2], Body::ProcessExited { code: Some(1), ours: false, .. }));
    assert_eq!(process.stderr(), "broken\n");
}

#[tokio::test]
async fn what_cannot_be_started_says_why() {
    let start = |words: &[&str], dir: &Path, path: &str| {
        let command = Command {
            words: words.iter().map(|w| (*w).to_owned()).collect(),
            dir: dir.to_owned(),
            env: vec![("PATH".into(), path.into())],
        };
        Process::start(&command, Party::Server).unwrap_err().to_string()
    };
    let root = Path::new("/");
    let said = [
        start(&["no-such-program", "x"], root, "/bin:/usr/bin"),
        start(&["./no/such", "x"], root, "/bin"),
        start(&["/etc/passwd"], root, "/bin"),
        start(&["ls"], Path::new("/no/such/folder"), "/bin"),
    ];
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn an_exit_reads_well() {
    let exit = |code, signal| Exit { code, signal, ours: false }.to_string();
    assert_eq!(exit(Some(3), None), "it ended with code 3");
    assert_eq!(exit(None, Some(9)), "signal 9 (SIGKILL) ended it");
}
