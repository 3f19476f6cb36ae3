//! The program as a guard: nothing that it was told of outlives the pipe.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "tests")]

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
