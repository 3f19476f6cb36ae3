//! The guard: a second process of ours that ends what the first one has left behind, should that one be killed.
//!
//! The harness tells it through a pipe which programs run. When the pipe ends, whatever the reason, it ends those that are
//! left.

use super::group::Group;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write as _};
use std::process::{ChildStdin, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// The hidden first argument that makes the program a guard.
pub const ARGUMENT: &str = "__guard";

/// Can this program be started as a guard?
static AVAILABLE: AtomicBool = AtomicBool::new(false);

/// The pipe to the guard, once something was started.
static PIPE: OnceLock<Option<Mutex<ChildStdin>>> = OnceLock::new();

/// To be called before anything else in `main`. In a process that was started to be the guard it does not return. Without
/// this call no guard is used: a test binary cannot be one.
pub fn main() {
    if std::env::args_os().nth(1).is_some_and(|argument| argument == ARGUMENT) {
        watch(BufReader::new(std::io::stdin()));
        std::process::exit(0);
    }
    AVAILABLE.store(true, Ordering::Relaxed);
}

/// Tells the guard that a program runs.
pub(crate) fn add(group: &Group) {
    tell(&format!("+ {} {}\n", group.leader, group.mark));
}

/// Tells the guard that a program is gone.
pub(crate) fn remove(group: &Group) {
    tell(&format!("- {} {}\n", group.leader, group.mark));
}

fn tell(line: &str) {
    if !AVAILABLE.load(Ordering::Relaxed) {
        return;
    }
    if let Some(pipe) = PIPE.get_or_init(start) {
        // without a guard the harness still cleans up as long as it lives
        let _ = pipe.lock().unwrap_or_else(PoisonError::into_inner).write_all(line.as_bytes());
    }
}

#[allow(clippy::zombie_processes, reason = "the guard outlives the harness by design")]
fn start() -> Option<Mutex<ChildStdin>> {
    let mut command = std::process::Command::new(std::env::current_exe().ok()?);
    command.arg(ARGUMENT).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt as _;
        // what is typed at the terminal must not end the guard before the harness
        command.process_group(0).current_dir("/");
    }
    command.spawn().ok()?.stdin.map(Mutex::new)
}

/// Reads until the end, then ends what is left.
fn watch(pipe: impl BufRead) {
    let mut running: BTreeMap<u32, Group> = BTreeMap::new();
    for line in pipe.lines() {
        let Ok(line) = line else { break };
        let mut words = line.split(' ');
        let (Some(what), Some(leader), Some(mark)) = (words.next(), words.next(), words.next()) else { continue };
        let Ok(leader) = leader.parse() else { continue };
        match what {
            "+" => drop(running.insert(leader, Group { leader, mark: mark.to_owned() })),
            // a number may have been given to a new program in the meantime
            "-" if running.get(&leader).is_some_and(|group| group.mark == mark) => drop(running.remove(&leader)),
            _ => {}
        }
    }
    for group in running.values() {
        group.kill();
    }
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;
    use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
    use std::process::Command;

    #[test]
    fn what_is_left_at_the_end_is_ended() {
        let start = || {
            let mark = super::super::group::mark();
            let mut command = Command::new("sleep");
            command.arg("600").process_group(0).env("MCP_INTEROP_PEER", &mark);
            let child = command.spawn().unwrap();
            let group = Group { leader: child.id(), mark };
            (child, group)
        };
        let ((mut left, group), (mut gone, other)) = (start(), start());
        let (a, b) = (&group, &other);
        let told = format!(
            "+ {} {}\n+ {} {}\nnonsense\n- {} stale\n- {} {}\n",
            a.leader, a.mark, b.leader, b.mark, a.leader, b.leader, b.mark
        );
        watch(told.as_bytes());
        assert_eq!(left.wait().unwrap().signal(), Some(9));
        assert_eq!(gone.try_wait().unwrap(), None, "what the harness has ended itself is let alone");
        other.kill();
        gone.wait().unwrap();
    }
}
