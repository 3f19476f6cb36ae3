//! The program as a guard: nothing that it was told of outlives the pipe.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::io::Write as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, Stdio};

#[test]
fn what_runs_when_the_harness_is_killed_is_ended() {
    let mut peer = Command::new("sleep").arg("600").process_group(0).spawn().unwrap();
    let mut guard =
        Command::new(env!("CARGO_BIN_EXE_mcp-interop")).arg("__guard").stdin(Stdio::piped()).spawn().unwrap();
    let mut pipe = guard.stdin.take().unwrap();
    writeln!(pipe, "+ {} 0123456789abcdef", peer.id()).unwrap();
    drop(pipe);
    assert_eq!(peer.wait().unwrap().signal(), Some(9));
    assert!(guard.wait().unwrap().success());
}

#[cfg(target_os = "linux")]
#[test]
fn a_harness_that_is_killed_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    // a server with a child, and with one that has left its process group where that can be done
    let script = "away=; command -v setsid >/dev/null && away=setsid
        sleep 600 & a=$!
        $away sh -c 'echo $$ > away; exec sleep 600' &
        while ! [ -s away ]; do sleep 0.01; done
        echo $$ $a $(cat away) > part; mv part pids
        cat > /dev/null";
    std::fs::write(dir.path().join("server.sh"), script).unwrap();
    let mut harness = Command::new(env!("CARGO_BIN_EXE_mcp-interop"))
        .args(["server", "--stdio", "sh server.sh"])
        .current_dir(dir.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let pids = until(|| std::fs::read_to_string(dir.path().join("pids")).ok()).expect("the server starts");
    harness.kill().unwrap();
    harness.wait().unwrap();
    for pid in pids.split_whitespace() {
        // a zombie has no command line
        let lives = || std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty());
        assert!(until(|| (!lives()).then_some(())).is_some(), "{pid} is left behind of {pids}");
    }
}

/// Looks again and again, for as long as a loaded machine may need.
#[cfg(target_os = "linux")]
fn until<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    for _ in 0..3000 {
        if let Some(found) = look() {
            return Some(found);
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    None
}
