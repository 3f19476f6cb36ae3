//! Setting peers up: their set-up commands, run once for each state of their lock files and sources.

use super::config::Peer;
use super::process::{self, Command, Process};
use super::start::StartError;
use crate::spec::digest;
use crate::wire::Party;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The file in a peer's folder that says for which set-up it was installed.
pub const STAMP: &str = ".mcp-interop-installed";

/// How long the set-up of one peer may take.
pub const PATIENCE: Duration = Duration::from_secs(600);

/// Files that pin what a set-up installs.
const PINS: [&str; 16] = [
    "package.json",
    "package-lock.json",
    "npm-shrinkwrap.json",
    "pnpm-lock.yaml",
    "yarn.lock",
    "bun.lock",
    "requirements.txt",
    "requirements.lock",
    "pyproject.toml",
    "poetry.lock",
    "uv.lock",
    "Cargo.toml",
    "Cargo.lock",
    "go.mod",
    "go.sum",
    "Gemfile.lock",
];

/// A larger lock file or source is known by its length alone, in bytes.
const LARGEST: u64 = 64 << 20;

/// So many files of a peer's sources are looked at.
const MOST_SOURCES: usize = 10_000;

/// Is a peer ready to be started?
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// There is nothing to install.
    NothingToDo,
    /// It is installed, and neither its lock files nor its sources have changed since.
    Installed,
    /// It is not; why, in a few words.
    NotInstalled(String),
    /// A program that it needs is not on the PATH.
    Needs(String),
    /// Its folder is not there.
    NoFolder,
}

impl Status {
    /// Can it be started?
    #[must_use]
    pub fn ready(&self) -> bool {
        matches!(self, Status::NothingToDo | Status::Installed)
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Status::NothingToDo => f.write_str("nothing to install"),
            Status::Installed => f.write_str("installed"),
            Status::NotInstalled(why) => write!(f, "not installed: {why}"),
            Status::Needs(program) => write!(f, "needs {program}, which is not on the PATH"),
            Status::NoFolder => f.write_str("its folder is not there"),
        }
    }
}

/// What came of an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Installed {
    /// Nothing was to be done.
    Already,
    /// Its commands were run.
    Now,
}

/// Why a peer could not be set up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InstallError {
    /// A program that it needs is not there. On somebody's own machine no failure: what needs it is not run.
    #[error("{peer} needs {program}, which is not on the PATH")]
    Needs {
        /// The peer.
        peer: String,
        /// The program.
        program: String,
    },
    /// A command cannot be started.
    #[error("{peer}: {why}")]
    Start {
        /// The peer.
        peer: String,
        /// Why.
        why: StartError,
    },
    /// A command failed.
    #[error("{peer}: `{command}` failed: {exit}{}", said(output))]
    Failed {
        /// The peer.
        peer: String,
        /// The command line.
        command: String,
        /// How it ended.
        exit: String,
        /// The end of what it wrote.
        output: String,
    },
    /// The set-up takes too long.
    #[error("{peer}: `{command}` had not ended after {} s in all, and was ended{}", seconds, said(output))]
    TooLong {
        /// The peer.
        peer: String,
        /// The command line.
        command: String,
        /// How long the whole set-up may take.
        seconds: u64,
        /// The end of what it wrote.
        output: String,
    },
    /// What was done cannot be written down.
    #[error("{peer}: cannot write {}: {why}", path.display())]
    Stamp {
        /// The peer.
        peer: String,
        /// The file.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
}

fn said(output: &str) -> String {
    if output.trim().is_empty() { String::new() } else { format!("\n{}", output.trim_end()) }
}

/// Is the peer ready to be started? Starts nothing.
#[must_use]
pub fn status(peer: &Peer) -> Status {
    if !peer.dir.is_dir() {
        return Status::NoFolder;
    }
    if let Some(program) = missing(peer) {
        return Status::Needs(program);
    }
    if peer.setup.is_empty() {
        return Status::NothingToDo;
    }
    let Ok(stamp) = std::fs::read_to_string(peer.dir.join(STAMP)) else {
        return Status::NotInstalled("it was never set up".into());
    };
    let (state, made) = opened(&stamp);
    if state != self::state(peer) {
        return Status::NotInstalled("its set-up has changed since".into());
    }
    match made.iter().find(|name| !peer.dir.join(name).exists()) {
        Some(name) => Status::NotInstalled(format!("{name} is gone")),
        None => Status::Installed,
    }
}

/// Sets a peer up unless that was done; `again` does it in any case. `say` is told each command before it runs.
///
/// # Errors
/// When a program is missing, a command fails, or all takes longer than `patience` (see [`PATIENCE`]).
pub async fn install(
    peer: &Peer,
    again: bool,
    patience: Duration,
    say: &mut dyn FnMut(&Command),
) -> Result<Installed, InstallError> {
    match status(peer) {
        Status::NothingToDo => return Ok(Installed::Already),
        Status::Installed if !again => return Ok(Installed::Already),
        Status::Needs(program) => return Err(InstallError::Needs { peer: peer.name.clone(), program }),
        Status::NoFolder => {
            let why = StartError::NoFolder { dir: peer.dir.clone() };
            return Err(InstallError::Start { peer: peer.name.clone(), why });
        }
        Status::Installed | Status::NotInstalled(_) => {}
    }
    let path = peer.dir.join(STAMP);
    let mut made = std::fs::read_to_string(&path).map(|stamp| opened(&stamp).1).unwrap_or_default();
    // what breaks off half way is not installed
    let _ = std::fs::remove_file(&path);
    let before = listed(&peer.dir);
    let deadline = tokio::time::Instant::now() + patience;
    for command in &peer.setup {
        say(command);
        run(peer, command, deadline, patience).await?;
    }
    let after = listed(&peer.dir);
    made.extend(after.difference(&before).cloned());
    made.retain(|name| after.contains(name));
    let lines: String = made.iter().map(|name| format!("made {name}\n")).collect();
    std::fs::write(&path, format!("{}{lines}", state(peer))).map_err(|e| InstallError::Stamp {
        peer: peer.name.clone(),
        path,
        why: e.to_string(),
    })?;
    Ok(Installed::Now)
}

async fn run(
    peer: &Peer,
    command: &Command,
    deadline: tokio::time::Instant,
    patience: Duration,
) -> Result<(), InstallError> {
    let name = || peer.name.clone();
    let (process, stdin) =
        Process::start_aside(command, Party::Server).map_err(|why| InstallError::Start { peer: name(), why })?;
    // there is nobody to ask
    drop(stdin);
    match tokio::time::timeout_at(deadline, process.ended()).await {
        Ok(exit) if exit.code == Some(0) => Ok(()),
        Ok(exit) => Err(InstallError::Failed {
            peer: name(),
            command: command.line(),
            exit: exit.to_string(),
            output: process.stderr(),
        }),
        Err(_) => Err(InstallError::TooLong {
            peer: name(),
            command: command.line(),
            seconds: patience.as_secs(),
            output: process.stderr(),
        }),
    }
}

/// A program that the peer needs and that is not there.
fn missing(peer: &Peer) -> Option<String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let there = |need: &&String| {
        let name = need.split_whitespace().next().unwrap_or_default();
        process::find(name, &peer.dir, &path).is_none()
    };
    peer.needs.iter().find(there).cloned()
}

/// What an installation depends on, as text: the folder (much of what is installed cannot be moved), the commands, the
/// lock files, and what is compiled.
fn state(peer: &Peer) -> String {
    let mut state = format!("in {}\n", peer.dir.display());
    for command in &peer.setup {
        state.push_str(&format!("run {}\n", command.line().replace('\n', " ")));
    }
    for name in PINS {
        let Some((length, digest)) = known_by(&peer.dir.join(name)) else { continue };
        state.push_str(&format!("pin {name} {length} {digest:016x}\n"));
    }
    for name in &peer.sources {
        let files: String =
            files(peer.dir.join(name)).iter().map(|file| format!("{file:?} {:?}\n", known_by(file))).collect();
        state.push_str(&format!("source {} {:016x}\n", name.replace('\n', " "), digest(files.as_bytes())));
    }
    state
}

/// The length of a file in bytes, and a digest of what is in it.
fn known_by(path: &Path) -> Option<(u64, u64)> {
    let length = std::fs::metadata(path).ok()?.len();
    let digest = if length <= LARGEST { std::fs::read(path).map(|b| digest(&b)).unwrap_or(0) } else { 0 };
    Some((length, digest))
}

/// A file, or all files in a folder and below it, in one order. Links to folders are not followed.
fn files(path: PathBuf) -> BTreeSet<PathBuf> {
    let mut files = BTreeSet::new();
    let mut left = vec![path];
    while let Some(path) = left.pop()
        && files.len() < MOST_SOURCES
    {
        if std::fs::symlink_metadata(&path).is_ok_and(|about| about.is_dir()) {
            left.extend(std::fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path()));
        } else {
            files.insert(path);
        }
    }
    files
}

/// A stamp's state, and the names of what was made.
fn opened(stamp: &str) -> (String, BTreeSet<String>) {
    let made = stamp.lines().filter_map(|line| line.strip_prefix("made ")).map(str::to_owned).collect();
    let state = stamp.lines().filter(|line| !line.starts_with("made ")).map(|line| format!("{line}\n")).collect();
    (state, made)
}

/// The names in a folder.
fn listed(dir: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).filter(|name| !name.contains('\n')).collect()
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::peer::config::{Claims, ServerSpec};

    fn peer(dir: &Path, setup: &[&str]) -> Peer {
        Peer {
            name: "mine".into(),
            about: None,
            dir: dir.to_owned(),
            setup: setup.iter().map(|line| Command::parse(line, dir).unwrap()).collect(),
            sources: Vec::new(),
            needs: vec!["sh >= 1".into()],
            server: ServerSpec::default(),
            client: None,
            revisions: Vec::new(),
            claims: Claims::default(),
            baseline: None,
            adjudications: None,
            bound: serde_json::Map::new(),
        }
    }

    async fn go(peer: &Peer) -> Result<Installed, InstallError> {
        install(peer, false, PATIENCE, &mut |_| {}).await
    }

    #[tokio::test]
    async fn it_is_done_once_for_each_state() {
        let dir = tempfile::tempdir().unwrap();
        let mine = peer(dir.path(), &["sh -c 'mkdir -p modules; echo x >> modules/times'"]);
        let times = || std::fs::read_to_string(dir.path().join("modules/times")).unwrap().len() / 2;
        assert_eq!(status(&mine), Status::NotInstalled("it was never set up".into()));
        assert_eq!(go(&mine).await, Ok(Installed::Now));
        assert_eq!(status(&mine), Status::Installed);
        assert_eq!(go(&mine).await, Ok(Installed::Already));
        assert_eq!(times(), 1);
        std::fs::write(dir.path().join("package-lock.json"), "{}").unwrap();
        assert_eq!(status(&mine), Status::NotInstalled("its set-up has changed since".into()));
        assert_eq!(go(&mine).await, Ok(Installed::Now));
        assert_eq!(times(), 2);
        std::fs::remove_dir_all(dir.path().join("modules")).unwrap();
        assert_eq!(status(&mine), Status::NotInstalled("modules is gone".into()));
        assert_eq!(go(&mine).await, Ok(Installed::Now));
        assert_eq!(install(&mine, true, PATIENCE, &mut |_| {}).await, Ok(Installed::Now));
        assert_eq!(times(), 2);
    }

    #[tokio::test]
    async fn what_is_compiled_is_set_up_again_when_it_changes() {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("src/inner/main.rs");
        std::fs::create_dir_all(source.parent().unwrap()).unwrap();
        std::fs::write(&source, "one").unwrap();
        std::fs::write(dir.path().join("README.md"), "one").unwrap();
        let mine = Peer { sources: vec!["src".into()], ..peer(dir.path(), &["true"]) };
        assert_eq!(go(&mine).await, Ok(Installed::Now));
        std::fs::write(dir.path().join("README.md"), "two").unwrap();
        assert_eq!(status(&mine), Status::Installed);
        let changed = Status::NotInstalled("its set-up has changed since".into());
        std::fs::write(&source, "two").unwrap();
        assert_eq!(status(&mine), changed);
        assert_eq!(go(&mine).await, Ok(Installed::Now));
        std::fs::write(dir.path().join("src/new.rs"), "").unwrap();
        assert_eq!(status(&mine), changed);
        assert_eq!(go(&mine).await, Ok(Installed::Now));
        std::fs::remove_file(&source).unwrap();
        assert_eq!(status(&mine), changed);
    }

    #[tokio::test]
    async fn what_fails_shows_what_it_wrote() {
        let dir = tempfile::tempdir().unwrap();
        let mine = peer(dir.path(), &["true", "sh -c 'echo out; echo no network >&2; exit 3'", "touch never"]);
        let error = go(&mine).await.unwrap_err().to_string();
        assert!(error.starts_with("mine: `sh -c "), "{error}");
        assert!(error.contains("failed: it ended with code 3\n") && error.contains("no network"), "{error}");
        assert!(error.contains("out"), "{error}");
        assert!(!dir.path().join("never").exists());
        assert_eq!(status(&mine), Status::NotInstalled("it was never set up".into()));
    }

    #[tokio::test]
    async fn what_does_not_end_is_ended() {
        let dir = tempfile::tempdir().unwrap();
        let mine = peer(dir.path(), &["sleep 600"]);
        let error = install(&mine, false, Duration::from_millis(100), &mut |_| {}).await.unwrap_err();
        assert!(matches!(error, InstallError::TooLong { .. }), "{error}");
    }

    #[tokio::test]
    async fn a_missing_program_is_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let mine = Peer { needs: vec!["no-such-program >= 2".into()], ..peer(dir.path(), &["true"]) };
        assert_eq!(status(&mine).to_string(), "needs no-such-program >= 2, which is not on the PATH");
        let error = go(&mine).await.unwrap_err();
        assert!(matches!(error, InstallError::Needs { .. }), "{error}");
        let gone = peer(&dir.path().join("gone"), &["true"]);
        assert_eq!(status(&gone), Status::NoFolder);
        assert!(matches!(go(&gone).await, Err(InstallError::Start { .. })));
    }
}
