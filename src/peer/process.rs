//! Foreign programs: started in a group of their own, watched, and stopped with nothing left behind.
//!
//! Three things see to the last: the ladder of [`Process::stop`], the group's death when the [`Process`] is dropped, and a
//! guard (a shell that waits on a pipe of ours) for the case that this program itself is killed. A program that left its
//! group is found by a mark in its environment, where `/proc` shows it.

use crate::trace::Body;
use crate::transport::Feed;
use crate::wire::Party;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::sync::oneshot;

/// How much of standard error is recorded as it comes, and how much of its end is kept, in bytes each.
const STDERR: usize = 64 << 10;

/// The name of the mark in the environment.
const MARK: &str = "MCP_INTEROP_PROCESS";

/// A program to be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The program and its arguments.
    pub words: Vec<String>,
    /// Where it runs; here, if `None`. A program with a slash in its name is looked for from there.
    pub dir: Option<PathBuf>,
    /// Added to our environment.
    pub env: Vec<(String, String)>,
}

/// A program could not be started.
#[derive(Debug, thiserror::Error)]
#[error("`{program}` could not be started: {reason}")]
pub struct ProgramError {
    /// Its name.
    pub program: String,
    /// Why, and what to do.
    pub reason: String,
}

/// How long each rung of the ladder may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// After its standard input was closed.
    pub input: Duration,
    /// After SIGTERM.
    pub term: Duration,
    /// After SIGKILL.
    pub kill: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Patience { input: seconds(2), term: seconds(2), kill: seconds(2) }
    }
}

/// A program that runs.
#[derive(Debug)]
pub struct Process {
    stop: Option<oneshot::Sender<Patience>>,
    watcher: tokio::task::JoinHandle<()>,
    stderr: Arc<Mutex<Tail>>,
    exited: Arc<Mutex<Option<ExitStatus>>>,
    group: Arc<Group>,
}

/// The pipes of a program.
pub type ProgramPipes = (ChildStdout, ChildStdin);

/// A program that was started and is not watched yet.
#[derive(Debug)]
pub struct Fresh {
    child: Child,
    group: Arc<Group>,
    command: String,
    /// What it writes and reads.
    pub pipes: Option<ProgramPipes>,
}

impl Program {
    /// The command line as it is shown.
    #[must_use]
    pub fn command(&self) -> String {
        self.words.join(" ")
    }

    /// Starts it. It must be watched at once.
    ///
    /// # Errors
    /// When there is no such program, or the system refuses.
    pub fn start(&self) -> Result<Fresh, ProgramError> {
        let (program, arguments) = self.words.split_first().map_or(("", &[][..]), |(p, a)| (p.as_str(), a));
        let error = |reason: String| ProgramError { program: program.to_owned(), reason };
        // a relative path is meant from `dir`, which std leaves to the platform
        let path = match &self.dir {
            Some(dir) if program.contains('/') => std::path::absolute(dir.join(program)),
            _ => Ok(PathBuf::from(program)),
        };
        let mut command = tokio::process::Command::new(path.map_err(|e| error(e.to_string()))?);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let mark = format!("{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        command.envs(self.env.iter().map(|(name, value)| (name, value))).env(MARK, &mark);
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command.spawn().map_err(|e| {
            let missing = e.kind() == std::io::ErrorKind::NotFound;
            let dir = self.dir.as_ref().filter(|dir| !dir.is_dir());
            error(match (missing, dir) {
                (true, Some(dir)) => format!("there is no directory {}", dir.display()),
                (true, None) => "there is no such program; install it, or correct the command".into(),
                (false, _) => e.to_string(),
            })
        })?;
        let group = Arc::new(Group::of(child.id(), mark));
        let pipes = child.stdout.take().zip(child.stdin.take());
        Ok(Fresh { child, group, command: self.command(), pipes })
    }
}

impl Fresh {
    /// Watches it: what it writes on standard error, and its end, are fed as `party`'s.
    #[must_use]
    pub fn watch(mut self, party: Party, feed: Feed) -> (Process, Body) {
        let started = Body::ProcessStarted { party, command: self.command };
        let (stop, stopped) = oneshot::channel();
        let (tail, exited) = (Arc::new(Mutex::new(Tail::default())), Arc::new(Mutex::new(None)));
        let stderr = self.child.stderr.take();
        let (group, tail2, exited2) = (Arc::clone(&self.group), Arc::clone(&tail), Arc::clone(&exited));
        let watcher = tokio::spawn(async move {
            let mut reading = {
                let (feed, tail) = (feed.clone(), Arc::clone(&tail2));
                tokio::spawn(async move {
                    if let Some(pipe) = stderr {
                        read_stderr(pipe, party, feed, &tail).await;
                    }
                })
            };
            let (status, ours) = run(&mut self.child, &group, stopped).await;
            // whoever of its group is left holds pipes open, so that their end would never come
            group.end();
            // a deadline, because someone who left the group may hold the pipe
            if tokio::time::timeout(Duration::from_millis(500), &mut reading).await.is_err() {
                reading.abort();
            }
            let rest = lock(&tail2).rest();
            if let Some(text) = rest {
                feed.record(None, Body::Stderr { party, text }).await;
            }
            *lock(&exited2) = status;
            let code = status.and_then(|s| s.code());
            feed.record(None, Body::ProcessExited { party, code, signal: status.and_then(signal), ours }).await;
        });
        (Process { stop: Some(stop), watcher, stderr: tail, exited, group: self.group }, started)
    }
}

impl Process {
    /// What it wrote last on standard error (64 KiB).
    #[must_use]
    pub fn stderr(&self) -> String {
        lock(&self.stderr).text()
    }

    /// Has it ended, and how? Known a moment after its end.
    #[must_use]
    pub fn exited(&self) -> Option<ExitStatus> {
        *lock(&self.exited)
    }

    /// Stops it: waits for it to end by itself (its standard input was closed), then sends SIGTERM to its group, then
    /// SIGKILL. What happens is fed to its link meanwhile, so somebody must fetch from there. Ends when all are gone.
    pub async fn stop(mut self, patience: Patience) {
        if let Some(stop) = self.stop.take() {
            // it may have ended by itself
            let _ = stop.send(patience);
        }
        let _ = (&mut self.watcher).await;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.watcher.abort();
        self.group.end();
    }
}

/// Waits for the end of a program, or brings it about. The second value: did we?
async fn run(child: &mut Child, group: &Group, stopped: oneshot::Receiver<Patience>) -> (Option<ExitStatus>, bool) {
    let patience = tokio::select! {
        biased;
        status = child.wait() => return (status.ok(), false),
        Ok(patience) = stopped => patience,
    };
    if let Ok(status) = tokio::time::timeout(patience.input, child.wait()).await {
        return (status.ok(), true);
    }
    group.signal(Signal::Term);
    if let Ok(status) = tokio::time::timeout(patience.term, child.wait()).await {
        return (status.ok(), true);
    }
    group.signal(Signal::Kill);
    (tokio::time::timeout(patience.kill, child.wait()).await.ok().and_then(Result::ok), true)
}

#[cfg(unix)]
fn signal(status: ExitStatus) -> Option<i32> {
    use std::os::unix::process::ExitStatusExt as _;
    status.signal()
}

#[cfg(not(unix))]
fn signal(_: ExitStatus) -> Option<i32> {
    None
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Records what is written line by line until a bound, and keeps the end of all.
async fn read_stderr(mut pipe: tokio::process::ChildStderr, party: Party, feed: Feed, tail: &Mutex<Tail>) {
    let mut chunk = vec![0; 8 << 10];
    loop {
        let Ok(n @ 1..) = pipe.read(&mut chunk).await else { return };
        let lines = lock(tail).push(chunk.get(..n).unwrap_or_default());
        for text in lines {
            feed.record(None, Body::Stderr { party, text }).await;
        }
    }
}

/// Text of which the lines at the beginning are handed out, and the end is kept.
#[derive(Debug, Default)]
struct Tail {
    last: VecDeque<u8>,
    total: u64,
    /// How much was handed out as lines.
    given: u64,
}

impl Tail {
    /// Takes what was written; gives the lines that it completes, while little has been given.
    fn push(&mut self, chunk: &[u8]) -> Vec<String> {
        self.total += chunk.len() as u64;
        self.last.extend(chunk);
        let excess = self.last.len().saturating_sub(STDERR);
        self.last.drain(..excess);
        let mut lines = Vec::new();
        while self.given < STDERR as u64 {
            let open = self.open();
            let Some(end) = open.iter().position(|b| *b == b'\n') else { break };
            lines.push(String::from_utf8_lossy(open.get(..end).unwrap_or_default()).into_owned());
            self.given += end as u64 + 1;
        }
        lines
    }

    /// What is kept and was not handed out.
    fn open(&mut self) -> &[u8] {
        let open = usize::try_from(self.total - self.given).unwrap_or(usize::MAX).min(self.last.len());
        let at = self.last.len() - open;
        self.last.make_contiguous().get(at..).unwrap_or_default()
    }

    /// The rest, at the end.
    fn rest(&mut self) -> Option<String> {
        let left_out = (self.total - self.given).saturating_sub(self.last.len() as u64);
        let text = String::from_utf8_lossy(self.open()).into_owned();
        self.given = self.total;
        match (text.as_str(), left_out) {
            ("", 0) => None,
            (_, 0) => Some(text),
            (_, n) => Some(format!("[{n} bytes left out]\n{text}")),
        }
    }

    fn text(&self) -> String {
        let bytes: Vec<u8> = self.last.iter().copied().collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

#[derive(Debug, Clone, Copy)]
enum Signal {
    Term,
    Kill,
}

/// The group of a program, and all who carry its mark.
#[derive(Debug)]
struct Group {
    leader: Option<u32>,
    mark: String,
    guard: Mutex<Option<std::process::Child>>,
    over: std::sync::atomic::AtomicBool,
}

impl Group {
    fn of(leader: Option<u32>, mark: String) -> Group {
        let guard = Mutex::new(leader.and_then(guard));
        Group { leader, mark, guard, over: std::sync::atomic::AtomicBool::new(false) }
    }

    /// Kills whoever is left, once. Later the number may be somebody else's.
    fn end(&self) {
        if self.over.swap(true, Ordering::Relaxed) {
            return;
        }
        self.signal_now(Signal::Kill);
        for process in marked(&self.mark) {
            kill(process);
        }
        if let Some(mut guard) = lock(&self.guard).take() {
            use std::io::Write as _;
            // a line dismisses it; if it is gone already there is nobody to be told
            if let Some(mut pipe) = guard.stdin.take() {
                let _ = pipe.write_all(b"\n");
            }
            // it ends at once, having nothing else to wait for
            let _ = guard.wait();
        }
    }

    fn signal(&self, signal: Signal) {
        if !self.over.load(Ordering::Relaxed) {
            self.signal_now(signal);
        }
    }

    #[cfg(unix)]
    fn signal_now(&self, signal: Signal) {
        use nix::sys::signal::{Signal as Nix, killpg};
        let signal = match signal {
            Signal::Term => Nix::SIGTERM,
            Signal::Kill => Nix::SIGKILL,
        };
        if let Some(leader) = self.leader.and_then(|l| i32::try_from(l).ok()).filter(|l| *l > 1) {
            // an error means that nobody is left
            let _ = killpg(nix::unistd::Pid::from_raw(leader), signal);
        }
    }

    #[cfg(not(unix))]
    fn signal_now(&self, _: Signal) {}
}

impl Drop for Group {
    fn drop(&mut self) {
        self.end();
    }
}

/// A shell that kills the group when our end of its pipe is closed without a line, as it is when we are killed.
#[cfg(unix)]
fn guard(leader: u32) -> Option<std::process::Child> {
    use std::os::unix::process::CommandExt as _;
    let mut command = std::process::Command::new("/bin/sh");
    command.args(["-c", r#"read -r line || kill -s KILL -- "-$0""#]).arg(leader.to_string());
    // its own group, so that an interrupt from the keyboard does not end it before us
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    command.spawn().ok()
}

#[cfg(not(unix))]
fn guard(_: u32) -> Option<std::process::Child> {
    None
}

/// The processes that carry a mark in their environment, as far as the system shows them.
fn marked(mark: &str) -> Vec<i32> {
    let wanted = format!("{MARK}={mark}").into_bytes();
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let carries = |pid: &i32| {
        std::fs::read(format!("/proc/{pid}/environ"))
            .is_ok_and(|environ| environ.split(|b| *b == 0).any(|entry| entry == wanted))
    };
    entries.flatten().filter_map(|e| e.file_name().to_str()?.parse().ok()).filter(carries).collect()
}

#[cfg(unix)]
fn kill(process: i32) {
    if process > 1 {
        // an error means that it is gone
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(process), nix::sys::signal::Signal::SIGKILL);
    }
}

#[cfg(not(unix))]
fn kill(_: i32) {}

#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use crate::reference::{Route, SessionKey};
    use crate::transport::{Bounds, LinkWhat, Numbers, Order, SendOrder, StdioLink};
    use std::path::Path;

    const SHORT: Patience =
        Patience { input: Duration::from_millis(200), term: Duration::from_millis(200), kill: Duration::from_secs(20) };

    fn start(script: &str) -> (StdioLink, Process, u32) {
        let words = ["sh", "-c", script].map(str::to_owned).to_vec();
        let mut fresh = Program { words, dir: None, env: vec![("WORD".into(), "hello".into())] }.start().unwrap();
        let leader = fresh.group.leader.unwrap();
        let pipes = fresh.pipes.take().unwrap();
        let link = StdioLink::new(Party::Client, SessionKey(1), pipes, &Numbers::default(), Bounds::default());
        let (process, _) = fresh.watch(Party::Server, link.feed().unwrap());
        (link, process, leader)
    }

    async fn bodies(link: &mut StdioLink) -> Vec<Body> {
        let mut bodies = Vec::new();
        while let Some(event) = link.next().await {
            if let LinkWhat::Record(body) = event.what {
                bodies.push(body);
            }
        }
        bodies
    }

    /// Does that process exist, and is no zombie?
    fn lives(pid: u32) -> bool {
        std::fs::read_to_string(format!("/proc/{pid}/stat"))
            .is_ok_and(|stat| !stat.rsplit(')').next().unwrap().trim_start().starts_with('Z'))
    }

    async fn gone(pid: u32) {
        let waiting = async {
            while lives(pid) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("the process is still there");
    }

    /// The number in a file that a program writes.
    async fn number(path: &Path) -> u32 {
        loop {
            match std::fs::read_to_string(path).unwrap_or_default().trim().parse() {
                Ok(number) => return number,
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    }

    fn text(bodies: &[Body]) -> Vec<String> {
        let message = |body: &Body| match body {
            Body::Message { text, .. } => Some(String::from_utf8(text.bytes()).unwrap()),
            Body::Stderr { text, .. } => Some(format!("! {text}")),
            Body::ProcessExited { code, signal, ours, .. } => Some(format!("{code:?} {signal:?} {ours}")),
            _ => None,
        };
        bodies.iter().filter_map(message).collect()
    }

    #[tokio::test]
    async fn a_program_is_talked_to_and_ends_when_its_input_does() {
        let (mut link, process, _) = start("cat; echo $WORD >&2; exit 3");
        link.order(Order::Send(SendOrder::new(SessionKey(1), Route::Unrelated, "{}")));
        link.order(Order::EndInput);
        assert_eq!(text(&bodies(&mut link).await), ["{}", "! hello", "Some(3) None false"]);
        assert_eq!(process.stderr(), "hello\n");
        assert_eq!(process.exited().unwrap().code(), Some(3));
    }

    #[tokio::test]
    async fn the_ladder_is_climbed_as_far_as_needed() {
        let cases = [
            ("read x; exit 0", "Some(0) None true"),
            ("exec sleep 1000", "None Some(15) true"),
            ("trap '' TERM; echo ready; while :; do sleep 1000; done", "None Some(9) true"),
        ];
        for (script, expected) in cases {
            let (mut link, process, leader) = start(script);
            if script.contains("ready") {
                while !matches!(link.next().await.unwrap().what, LinkWhat::Record(Body::Message { .. })) {}
            }
            link.order(Order::EndInput);
            // with time enough to read the end of its input
            let patience = if script.contains("read x") { Patience::default() } else { SHORT };
            let (seen, ()) = tokio::join!(bodies(&mut link), process.stop(patience));
            assert_eq!(text(&seen).last().unwrap(), expected, "{script}");
            gone(leader).await;
        }
    }

    #[tokio::test]
    async fn grandchildren_end_too_even_those_who_left_the_group() {
        let folder = tempfile::tempdir().unwrap();
        let (near, far) = (folder.path().join("near"), folder.path().join("far"));
        let script = format!(
            "sleep 1000 & echo $! > {}; setsid sh -c 'echo $$ > {}; exec sleep 1000' & wait",
            near.display(),
            far.display()
        );
        for by_drop in [false, true] {
            let (mut link, process, leader) = start(&script);
            let (near_pid, far_pid) = (number(&near).await, number(&far).await);
            assert!(lives(near_pid) && lives(far_pid));
            if by_drop {
                drop(process);
            } else {
                link.order(Order::EndInput);
                tokio::join!(bodies(&mut link), process.stop(SHORT));
            }
            for pid in [leader, near_pid, far_pid] {
                gone(pid).await;
            }
            std::fs::remove_file(&near).unwrap();
            std::fs::remove_file(&far).unwrap();
        }
    }

    #[tokio::test]
    async fn the_guard_kills_the_group_when_we_cannot() {
        let (_link, process, leader) = start("exec sleep 1000");
        // what the system does with our end of the pipe when we are killed
        drop(lock(&process.group.guard).as_mut().unwrap().stdin.take());
        gone(leader).await;
    }

    #[tokio::test]
    async fn too_much_on_standard_error_keeps_its_end() {
        let (mut link, process, _) =
            start("i=0; while [ $i -lt 4000 ]; do echo line $i of many, to fill it up >&2; i=$((i+1)); done");
        let seen = text(&bodies(&mut link).await);
        assert_eq!(seen[0], "! line 0 of many, to fill it up");
        let rest = &seen[seen.len() - 2];
        assert!(rest.ends_with("line 3999 of many, to fill it up\n"), "{rest}");
        assert!(seen.iter().map(String::len).sum::<usize>() < 3 * STDERR);
        assert!(process.stderr().len() <= STDERR);
    }

    #[test]
    fn what_is_not_there_is_named() {
        let start = |word: &str, dir: Option<&str>| {
            let program = Program { words: vec![word.into()], dir: dir.map(Into::into), env: vec![] };
            program.start().unwrap_err().to_string()
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _entered = runtime.enter();
        assert_eq!(
            start("no-such-program-here", None),
            "`no-such-program-here` could not be started: there is no such program; install it, or correct the command"
        );
        assert!(start("sh", Some("/no/such/dir")).ends_with("there is no directory /no/such/dir"));
    }

    #[test]
    fn what_is_left_out_is_counted() {
        let mut tail = Tail::default();
        assert_eq!(tail.push(b"a\nb"), ["a"]);
        assert_eq!(tail.push(b"c\n"), ["bc"]);
        assert_eq!(tail.push(&[b'x'; 100_000]), [""; 0]);
        assert_eq!(tail.rest().unwrap().lines().next().unwrap(), "[34464 bytes left out]");
        assert_eq!(tail.rest(), None);
    }
}
