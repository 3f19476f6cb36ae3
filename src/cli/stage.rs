//! What plays are played on: a runtime, and the flag that Ctrl-C raises. One for all runs of a command, so that no Ctrl-C is lost
//! between two of them.

use super::interrupt;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

/// A runtime and the flag.
pub(super) struct Stage {
    pub(super) runtime: Runtime,
    pub(super) interrupted: watch::Receiver<bool>,
}

impl Stage {
    /// `paused`: everything is in memory, so no real time need pass.
    ///
    /// # Errors
    /// When the system gives no runtime.
    pub(super) fn new(paused: bool) -> Result<Stage, String> {
        let mut builder = Builder::new_current_thread();
        let runtime = builder.enable_all().start_paused(paused).build().map_err(|e| format!("no runtime: {e}"))?;
        let interrupted = runtime.block_on(async { interrupt::flag() });
        Ok(Stage { runtime, interrupted })
    }
}
