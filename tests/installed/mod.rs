//! The peers of this repository, for tests that need some of them. A test whose peers lack a program is passed over, with the
//! reason in brackets before its name; with `CI` set in the environment that is a failure.

use libtest_mimic::{Failed, Trial};
use mcp_interop::peer::install::{self, Status};
use mcp_interop::peer::{Config, Peer};
use std::path::Path;
use std::sync::LazyLock;

/// The peers of harness.toml.
pub(crate) fn peers() -> &'static [Peer] {
    static CONFIG: LazyLock<Config> = LazyLock::new(|| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("harness.toml");
        Config::load(&path).unwrap_or_else(|e| panic!("{e}"))
    });
    &CONFIG.peers
}

/// A test that needs these peers.
pub(crate) fn trial(
    name: String,
    needed: &[&Peer],
    test: impl FnOnce() -> Result<(), Failed> + Send + 'static,
) -> Trial {
    let missing = needed.iter().find_map(|peer| match install::status(peer) {
        Status::Needs(program) => Some(format!("not run: needs {program}")),
        _ => None,
    });
    let ci = std::env::var_os("CI").is_some_and(|v| !v.is_empty());
    match missing {
        Some(why) if ci => {
            let why = format!("{why}, and CI is set: every peer must be run");
            Trial::test(name, move || Err(Failed::from(why)))
        }
        Some(why) => Trial::test(name, test).with_kind(why).with_ignored_flag(true),
        None => Trial::test(name, test),
    }
}

/// Sets a peer up, one test at a time, also when several test programs run.
pub(crate) fn set_up(peer: &Peer) -> Result<(), String> {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.lock", peer.name));
    let file = std::fs::File::create(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    file.lock().map_err(|e| format!("{}: {e}", path.display()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut say = |command: &mcp_interop::peer::Command| eprintln!("{}: {}", peer.name, command.line());
    let installed = runtime.block_on(install::install(peer, false, install::PATIENCE, &mut say));
    installed.map(drop).map_err(|e| e.to_string())
}
