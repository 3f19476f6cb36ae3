//! A program and all that it started: signals that reach every one of them.

use std::ffi::OsString;

/// The environment variable that all descendants of a program inherit, those too that leave its process group.
const MARK: &str = "MCP_INTEROP_PEER";

/// A program with its descendants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    /// The process that leads it.
    pub(crate) leader: u32,
    /// What is found in the environment of each of them.
    pub(crate) mark: String,
}

/// A mark that no other program bears.
pub(crate) fn mark() -> String {
    let mut bytes = [0; 16];
    if getrandom::fill(&mut bytes).is_err() {
        // without randomness: still nobody else's on this machine
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        bytes = (now.as_nanos() ^ (u128::from(std::process::id()) << 96)).to_le_bytes();
    }
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// The variable to set for a program. Where a harness runs as the peer of another one, the marks of both are kept.
pub(crate) fn variable(mark: &str) -> (&'static str, OsString) {
    let mut value = std::env::var_os(MARK).unwrap_or_default();
    if !value.is_empty() {
        value.push(":");
    }
    value.push(mark);
    (MARK, value)
}

impl Group {
    /// Asks all of the process group to end.
    pub(crate) fn terminate(&self) {
        #[cfg(unix)]
        self.signal(nix::sys::signal::Signal::SIGTERM);
    }

    /// Ends all of the process group at once, and on Linux also those that have left it.
    pub(crate) fn kill(&self) {
        #[cfg(unix)]
        self.signal(nix::sys::signal::Signal::SIGKILL);
        self.sweep();
    }

    #[cfg(unix)]
    fn signal(&self, signal: nix::sys::signal::Signal) {
        // 0 and 1 would mean our own group and everybody
        if let Ok(leader @ 2..) = i32::try_from(self.leader) {
            // nobody is left: that is what was wanted
            let _ = nix::sys::signal::killpg(nix::unistd::Pid::from_raw(leader), signal);
        }
    }

    /// Ends those that bear the mark, wherever they are.
    pub(crate) fn sweep(&self) {
        #[cfg(target_os = "linux")]
        if !self.mark.is_empty() {
            // one that forks while we look is found in the next round
            for _ in 0..10 {
                if !self.sweep_once() {
                    break;
                }
            }
        }
    }

    #[cfg(target_os = "linux")]
    fn sweep_once(&self) -> bool {
        let mut found = false;
        let Ok(all) = std::fs::read_dir("/proc") else { return false };
        for entry in all.flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
            if pid <= 1 || u32::try_from(pid) == Ok(std::process::id()) {
                continue;
            }
            if marked(&entry.path().join("environ"), self.mark.as_bytes()) {
                let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
                found = true;
            }
        }
        found
    }
}

/// Does an environment hold the mark? What cannot be read is not ours.
#[cfg(target_os = "linux")]
fn marked(environ: &std::path::Path, mark: &[u8]) -> bool {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let Ok(file) = std::fs::File::open(environ) else { return false };
    if file.take(4 << 20).read_to_end(&mut bytes).is_err() {
        return false;
    }
    bytes
        .split(|b| *b == 0)
        .filter_map(|pair| pair.strip_prefix(MARK.as_bytes())?.strip_prefix(b"="))
        .any(|marks| marks.split(|b| *b == b':').any(|m| m == mark))
}
