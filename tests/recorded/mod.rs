//! Records that are made in memory, for the tests of what is done with captures.

use mcp_interop::judge::{self, Judgement};
use mcp_interop::run::pair::{self, Deviations};
use mcp_interop::scenario::Scenario;
use mcp_interop::scenario::plan::Plan;
use mcp_interop::spec::Revision;
use mcp_interop::trace::{Seat, Trace, Transport};
use std::sync::Arc;

pub(crate) const REVISION: Revision = Revision::V2025_11_25;

/// Plays a scenario in memory. The same values in every run: a failure can be seen again.
pub(crate) fn play(
    scenario: &Arc<Scenario>,
    seat: Seat,
    transport: Transport,
    choices: Vec<u8>,
    deviations: Deviations,
) -> (Trace, Judgement) {
    let mut state =
        scenario.id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state ^ (state >> 29)
    };
    let plan = Arc::new(Plan::new(Arc::clone(scenario), transport));
    let play = pair::prepare(plan, seat, REVISION, choices, &mut random);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let trace = runtime.block_on(pair::play(&play, deviations, 1));
    let judgement = judge::judge(&trace);
    (trace, judgement)
}
