//! The founding exchange, played in memory.

use mcp_interop::judge::{self, Verdict};
use mcp_interop::run::pair::{self, Deviations};
use mcp_interop::scenario::files;
use mcp_interop::scenario::plan::Plan;
use mcp_interop::seat::Play;
use mcp_interop::spec::Revision;
use mcp_interop::trace::{Seat, Trace, Transport};
use std::sync::Arc;

/// A play of it.
pub(crate) fn founding(seat: Seat, transport: Transport) -> Play {
    let scenario = files::embedded().scenarios.into_iter().find(|s| s.id == "tasks/question-in-a-task").unwrap();
    let plan = Arc::new(Plan::new(Arc::new(scenario), transport));
    let play = pair::prepare(plan, seat, Revision::V2025_11_25, Vec::new(), &mut || 17);
    assert_eq!(judge::judge(&trace(&play)).verdict, Verdict::Pass, "what is measured must work");
    play
}

/// Its trace: a runtime of its own, connection and both peers included.
pub(crate) fn trace(play: &Play) -> Trace {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(pair::play(play, Deviations::default(), 1))
}
