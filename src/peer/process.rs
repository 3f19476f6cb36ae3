//! One foreign program: started in a process group of its own, listened to, and ended with all that it started.

use super::group::{self, Group};
use super::guard;
use super::log::Log;
use super::start::StartError;
use super::words;
use crate::trace::Body;
use crate::transport::Feed;
use crate::transport::inbox::WeakFeed;
use crate::wire::Party;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::sync::{mpsc, watch};

/// How long what was written on standard error is still read when the program has ended.
const DRAIN: Duration = Duration::from_millis(250);

/// What to start, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The program and its arguments. A program with a `/` is found from `dir`, any other on the PATH.
    pub words: Vec<String>,
    /// The folder in which it runs.
    pub dir: PathBuf,
    /// Laid over the environment of the harness.
    pub env: Vec<(String, String)>,
}

/// How a program is asked to end, and how long it gets each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ladder {
    /// After its standard input was closed. Short, because servers that keep a task do not end before the task does.
    pub input: Duration,
    /// After SIGTERM to its group.
    pub terminate: Duration,
    /// After SIGKILL to its group.
    pub kill: Duration,
}

impl Default for Ladder {
    fn default() -> Self {
        Ladder { input: Duration::from_millis(300), terminate: Duration::from_secs(2), kill: Duration::from_secs(5) }
    }
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    /// Its exit code, if it ended by itself.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Had we begun to end it?
    pub ours: bool,
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.code, self.signal) {
            (Some(code), _) => write!(f, "it ended with code {code}"),
            (None, Some(signal)) => write!(f, "signal {signal}{} ended it", named(signal)),
            (None, None) => f.write_str("it ended in an unknown way"),
        }
    }
}

fn named(signal: i32) -> String {
    #[cfg(unix)]
    if let Ok(known) = nix::sys::signal::Signal::try_from(signal) {
        return format!(" ({})", known.as_str());
    }
    let _ = signal;
    String::new()
}

/// A program that runs, or has run. Dropping it ends it at once, with all that it started.
#[derive(Debug)]
pub struct Process {
    line: String,
    group: Group,
    exit: watch::Receiver<Option<Exit>>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    party: Party,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    log: Log,
    listener: Option<mpsc::UnboundedSender<Body>>,
    stopping: bool,
    exit: Option<Exit>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// A listener that has gone is forgotten. What waits for it is bounded by the log.
    fn tell(&mut self, body: Body) {
        if self.listener.as_ref().is_some_and(|listener| listener.send(body).is_err()) {
            self.listener = None;
        }
    }

    fn tell_text(&mut self, party: Party, text: Option<String>) {
        if let (Some(text), true) = (text, self.listener.is_some()) {
            self.tell(Body::Stderr { party, text });
        }
    }
}

/// Where what happens to a program is told.
enum Listener {
    Strong(Feed),
    Weak(WeakFeed),
}

impl Process {
    /// Starts a program that plays `party`; gives it and its standard output and input, in the order in which a
    /// [`crate::transport::StdioLink`] takes them. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// When there is no such program or folder, or the system refuses.
    pub fn start(command: &Command, party: Party) -> Result<(Process, (ChildStdout, ChildStdin)), StartError> {
        Process::piped(command, party, Stdio::piped())
    }

    /// As [`Process::start`], but its standard error is ours: it goes where ours goes, and is not kept.
    ///
    /// # Errors
    /// As [`Process::start`].
    pub fn start_between(command: &Command, party: Party) -> Result<(Process, (ChildStdout, ChildStdin)), StartError> {
        Process::piped(command, party, Stdio::inherit())
    }

    fn piped(
        command: &Command,
        party: Party,
        stderr: Stdio,
    ) -> Result<(Process, (ChildStdout, ChildStdin)), StartError> {
        let mut child = spawn(command, stderr)?;
        let pipes = child.0.stdout.take().zip(child.0.stdin.take());
        let process = Process::watch(child, command.line(), party);
        match pipes {
            Some(pipes) => Ok((process, pipes)),
            None => Err(StartError::refused(command, "its pipes are missing")),
        }
    }

    /// Starts a program whose standard output is nothing but text for people; it is kept with what it writes on standard
    /// error. Its standard input stays open as long as what is returned.
    ///
    /// # Errors
    /// As [`Process::start`].
    pub fn start_aside(command: &Command, party: Party) -> Result<(Process, Option<ChildStdin>), StartError> {
        let mut child = spawn(command, Stdio::piped())?;
        let stdin = child.0.stdin.take();
        Ok((Process::watch(child, command.line(), party), stdin))
    }

    /// Listens to a program until it has ended.
    fn watch((mut child, group): (Child, Group), line: String, party: Party) -> Process {
        guard::add(&group);
        let shared = Arc::new(Shared { party, state: Mutex::default() });
        let (ended, exit) = watch::channel(None);
        let reading: Vec<_> = [
            child.stderr.take().map(|pipe| tokio::spawn(listen(pipe, Arc::clone(&shared)))),
            child.stdout.take().map(|pipe| tokio::spawn(listen(pipe, Arc::clone(&shared)))),
        ]
        .into_iter()
        .flatten()
        .collect();
        let process = Process { line, group: group.clone(), exit, shared: Arc::clone(&shared) };
        tokio::spawn(async move {
            let status = child.wait().await;
            // what it has started may hold the pipes open, and outlive us
            group.kill();
            guard::remove(&group);
            let deadline = tokio::time::Instant::now() + DRAIN;
            for mut task in reading {
                if tokio::time::timeout_at(deadline, &mut task).await.is_err() {
                    task.abort();
                }
            }
            let mut state = shared.state();
            let exit = Exit {
                code: status.as_ref().ok().and_then(std::process::ExitStatus::code),
                signal: status.as_ref().ok().and_then(signal),
                ours: state.stopping,
            };
            state.exit = Some(exit);
            let rest = state.log.rest();
            state.tell_text(party, rest);
            state.tell(exited(party, exit));
            state.listener = None;
            drop(state);
            // nobody may wait for it any more
            let _ = ended.send(Some(exit));
        });
        process
    }

    /// Its command line.
    #[must_use]
    pub fn line(&self) -> &str {
        &self.line
    }

    /// The number of its process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.group.leader
    }

    /// Puts that it was started, what it writes on standard error from now on, and how it ends among what a link gives, and
    /// keeps the link open until it has ended. Only one listener at a time.
    pub fn tell(&self, feed: Feed) {
        self.listen(Listener::Strong(feed));
    }

    /// As [`Process::tell`], but the link may end before the program does.
    pub fn tell_meanwhile(&self, feed: &Feed) {
        self.listen(Listener::Weak(feed.weak()));
    }

    fn listen(&self, listener: Listener) {
        let (sender, mut bodies) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(body) = bodies.recv().await {
                let heard = match &listener {
                    Listener::Strong(feed) => feed.record(None, body).await,
                    Listener::Weak(feed) => match feed.feed() {
                        Some(feed) => feed.record(None, body).await,
                        None => false,
                    },
                };
                if !heard {
                    return;
                }
            }
        });
        let party = self.shared.party;
        let mut state = self.shared.state();
        state.listener = Some(sender);
        state.tell(Body::ProcessStarted { party, command: self.line.clone() });
        match state.exit {
            None => state.log.listen(),
            Some(exit) => {
                let tail = Some(state.log.tail()).filter(|tail| !tail.is_empty());
                state.tell_text(party, tail);
                state.tell(exited(party, exit));
                state.listener = None;
            }
        }
    }

    /// Nobody listens any more.
    pub fn hush(&self) {
        self.shared.state().listener = None;
    }

    /// How it ended, if it has.
    #[must_use]
    pub fn exit(&self) -> Option<Exit> {
        self.shared.state().exit
    }

    /// Waits until it has ended. Cancel safe.
    pub async fn ended(&self) -> Exit {
        self.ending().await
    }

    /// [`Process::ended`] for somebody who does not hold the program.
    pub fn ending(&self) -> impl Future<Output = Exit> + Send + use<> {
        let mut exit = self.exit.clone();
        async move {
            match exit.wait_for(Option::is_some).await {
                Ok(exit) => exit.unwrap_or(Exit { code: None, signal: None, ours: false }),
                // the runtime is being torn down
                Err(_) => Exit { code: None, signal: None, ours: false },
            }
        }
    }

    /// The end of what it wrote on standard error, at most 64 KiB.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.shared.state().log.tail()
    }

    /// From now on its end counts as ours.
    pub fn expect_end(&self) {
        self.shared.state().stopping = true;
    }

    /// Ends it: waits for it (its standard input is closed by whoever holds it), then SIGTERM, then SIGKILL, each with its
    /// deadline. `None` when even then it does not end.
    pub async fn stop(&self, ladder: &Ladder) -> Option<Exit> {
        self.expect_end();
        if let Some(exit) = self.ended_within(ladder.input).await {
            return Some(exit);
        }
        self.signalled("SIGTERM");
        self.group.terminate();
        if let Some(exit) = self.ended_within(ladder.terminate).await {
            return Some(exit);
        }
        self.signalled("SIGKILL");
        self.group.kill();
        self.ended_within(ladder.kill).await
    }

    fn signalled(&self, signal: &str) {
        let party = self.shared.party;
        self.shared.state().tell(Body::ProcessSignalled { party, signal: signal.to_owned() });
    }

    async fn ended_within(&self, patience: Duration) -> Option<Exit> {
        tokio::time::timeout(patience, self.ended()).await.ok()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.stopping = true;
        if state.exit.is_none() && self.group.leader != 0 {
            drop(state);
            self.group.kill();
        }
    }
}

fn exited(party: Party, exit: Exit) -> Body {
    Body::ProcessExited { party, code: exit.code, signal: exit.signal, ours: exit.ours }
}

#[cfg(unix)]
fn signal(status: &std::process::ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(status)
}

#[cfg(not(unix))]
fn signal(_: &std::process::ExitStatus) -> Option<i32> {
    None
}

fn spawn(command: &Command, stderr: Stdio) -> Result<(Child, Group), StartError> {
    if !command.dir.is_dir() {
        return Err(StartError::NoFolder { dir: command.dir.clone() });
    }
    let mark = group::mark();
    let (name, value) = group::variable(&mark);
    let mut starting = tokio::process::Command::new(command.program()?);
    starting
        .args(command.words.get(1..).unwrap_or_default())
        .current_dir(&command.dir)
        .envs(command.env.iter().map(|(name, value)| (name, value)))
        .env(name, value)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(stderr);
    #[cfg(unix)]
    starting.process_group(0);
    #[cfg(not(unix))]
    starting.kill_on_drop(true);
    let child = starting.spawn().map_err(|e| StartError::refused(command, &e.to_string()))?;
    let group = Group { leader: child.id().unwrap_or(0), mark };
    Ok((child, group))
}

/// Reads text for people until it ends, without ever keeping its writer waiting.
async fn listen<R: AsyncRead + Unpin>(mut pipe: R, shared: Arc<Shared>) {
    let mut chunk = vec![0; 16 << 10];
    while let Ok(n @ 1..) = pipe.read(&mut chunk).await {
        let mut state = shared.state();
        state.log.push(chunk.get(..n).unwrap_or_default());
        if state.listener.is_some() {
            let lines = state.log.lines();
            state.tell_text(shared.party, lines);
        }
    }
}

impl Command {
    /// Splits a command line; see [`words::split`].
    ///
    /// # Errors
    /// As [`words::split`].
    pub fn parse(line: &str, dir: impl Into<PathBuf>) -> Result<Command, words::SplitError> {
        Ok(Command { words: words::split(line)?, dir: dir.into(), env: Vec::new() })
    }

    /// As one line, for people and for a shell.
    #[must_use]
    pub fn line(&self) -> String {
        words::join(&self.words)
    }

    /// The program's file.
    ///
    /// # Errors
    /// [`StartError::NoProgram`] when there is none.
    pub fn program(&self) -> Result<PathBuf, StartError> {
        let name = self.words.first().map_or("", String::as_str);
        let own = self.env.iter().rev().find(|(name, _)| name == "PATH").map(|(_, value)| OsString::from(value));
        let path = own.or_else(|| std::env::var_os("PATH")).unwrap_or_default();
        find(name, &self.dir, &path).ok_or_else(|| StartError::NoProgram {
            name: name.to_owned(),
            dir: self.dir.clone(),
            path: path.to_string_lossy().into_owned(),
        })
    }
}

/// The file of a program: from `dir` if its name has a `/`, otherwise in the folders of `path`.
pub(crate) fn find(name: &str, dir: &Path, path: &std::ffi::OsStr) -> Option<PathBuf> {
    if name.is_empty() {
        return None;
    }
    if Path::new(name).components().count() > 1 || Path::new(name).is_absolute() {
        // absolute, because a relative one would be looked for from a folder that differs between systems
        let file = std::path::absolute(dir.join(name)).ok()?;
        return runnable(&file);
    }
    std::env::split_paths(path)
        .filter(|folder| !folder.as_os_str().is_empty())
        .find_map(|folder| runnable(&std::path::absolute(folder.join(name)).ok()?))
}

#[cfg(unix)]
fn runnable(file: &Path) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    let about = std::fs::metadata(file).ok()?;
    (about.is_file() && about.permissions().mode() & 0o111 != 0).then(|| file.to_owned())
}

#[cfg(not(unix))]
fn runnable(file: &Path) -> Option<PathBuf> {
    let named = |extension: &str| match extension {
        "" => file.to_owned(),
        _ => PathBuf::from(format!("{}.{extension}", file.display())),
    };
    ["", "exe", "cmd", "bat"].into_iter().map(named).find(|file| file.is_file())
}

#[cfg(all(test, unix))]
#[path = "process_tests.rs"]
mod tests;
