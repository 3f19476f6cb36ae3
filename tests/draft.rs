//! Drafts: a scenario is played in memory, what was recorded is drafted, and the draft lints and plays in the same seat.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod between_peers;
mod installed;
mod recorded;

use libtest_mimic::{Arguments, Failed, Trial};
use mcp_interop::draft::{self, Wish};
use mcp_interop::judge::Verdict;
use mcp_interop::report;
use mcp_interop::run::agenda::branches;
use mcp_interop::run::pair::Deviations;
use mcp_interop::scenario::diagnostic::Level;
use mcp_interop::scenario::plan::Plan;
use mcp_interop::scenario::{Scenario, files, seats};
use mcp_interop::spec::Catalogue;
use mcp_interop::trace::{Seat, Transport};
use recorded::{REVISION, play};
use std::sync::Arc;

const HANDSHAKE_ALONE: Short = Short::Refused("nothing was said after the handshake, so there is nothing to draft");

/// Scenarios whose recording says less than they do, what becomes of it, and why.
const EXCEPTIONS: &[(&str, Short, &str)] = &[
    ("http/listening ", HANDSHAKE_ALONE, "what it shows is a stream on which nothing is said"),
    ("http/session-ids ", HANDSHAKE_ALONE, "what it shows stands in headers"),
    ("lifecycle/newest-is-offered#", HANDSHAKE_ALONE, "what it shows is the handshake, which is no step of a draft"),
    ("lifecycle/server-answers-no-version#", HANDSHAKE_ALONE, "likewise"),
    ("lifecycle/version-is-echoed ", HANDSHAKE_ALONE, "likewise"),
    ("http/session-ends ", Short::Warned, "what it shows is that a session ended, which a draft says in a comment"),
    (
        "elicitation/defaults-are-filled-in observer",
        Short::Plays(Verdict::Fail),
        "the embedded server has no such tool, and how another's question is worded is left open",
    ),
    (
        "tasks/list#of-the-client server",
        Short::Plays(Verdict::Fail),
        "which of sixty tasks have ended when they are listed is a matter of time",
    ),
];

/// Why a draft is not as good as what was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Short {
    /// There is none, for this reason.
    Refused(&'static str),
    /// It lints with warnings: it proves nothing.
    Warned,
    /// It plays with that verdict.
    Plays(Verdict),
}

/// One way to play one scenario: in a seat, on a transport, with the first of each choice that is ours.
struct Way {
    scenario: Arc<Scenario>,
    seat: Seat,
    transport: Transport,
    choices: Vec<u8>,
}

fn main() {
    let arguments = Arguments::from_args();
    let mut trials: Vec<Trial> =
        ways().into_iter().map(|way| Trial::test(way.name(), move || check(&way).map_err(Failed::from))).collect();
    trials.extend(between_peers::trials());
    libtest_mimic::run(&arguments, trials).exit();
}

fn ways() -> Vec<Way> {
    let loaded = files::embedded();
    assert!(!loaded.broken(), "a scenario of the repository is broken; see `mcp-interop lint`");
    let mut ways = Vec::new();
    for scenario in loaded.scenarios.into_iter().filter(|s| s.revisions.contains(&REVISION)).map(Arc::new) {
        for seat in seats::seats(&scenario, Catalogue::of(REVISION)) {
            for transport in scenario.transports.iter().copied() {
                let plan = Plan::new(Arc::clone(&scenario), transport);
                let counts = seat.ours().map_or_else(Vec::new, |ours| plan.choices_of(ours));
                let choices = branches(&counts).into_iter().next().unwrap_or_default();
                ways.push(Way { scenario: Arc::clone(&scenario), seat, transport, choices });
            }
        }
    }
    ways
}

impl Way {
    fn name(&self) -> String {
        format!("{} {} {}", self.scenario.id, self.seat, self.transport)
    }

    fn exception(&self) -> Option<(Short, &'static str)> {
        let own = |name: &str| self.name().starts_with(name);
        EXCEPTIONS.iter().find(|(name, ..)| own(name)).map(|(_, short, why)| (*short, *why))
    }
}

fn check(way: &Way) -> Result<(), String> {
    match (drafted(way), way.exception()) {
        (Ok(()), Some((_, why))) => Err(format!("it is listed as an exception ({why}), and drafts well")),
        (Ok(()), None) => Ok(()),
        (Err((short, _)), Some((known, _))) if short == Some(known) => Ok(()),
        (Err((_, told)), Some((known, _))) => Err(format!("{known:?} was expected of it:\n{told}")),
        (Err((_, told)), None) => Err(told),
    }
}

/// How a draft falls short, where that may be known, and all that there is to see.
type Fallen = (Option<Short>, String);

fn drafted(way: &Way) -> Result<(), Fallen> {
    let broken = |told: String| (None, told);
    let (trace, judgement) = play(&way.scenario, way.seat, way.transport, way.choices.clone(), Deviations::default());
    let wish = Wish { from: "recorded.ndjson".into(), ..Wish::default() };
    let draft = draft::draft(&trace, &judgement, &wish).map_err(|e| {
        let known =
            [HANDSHAKE_ALONE].into_iter().find(|short| matches!(short, Short::Refused(why) if *why == e.to_string()));
        (known, e.to_string())
    })?;
    let again = draft::draft(&trace, &judgement, &wish).map_err(|e| broken(e.to_string()))?;
    if draft.text != again.text {
        return Err(broken("the same trace is drafted in two ways".into()));
    }
    let (scenarios, found) = draft::check(&draft.text);
    let wrong: String = found.iter().map(|d| d.render(false)).collect();
    if found.iter().any(|d| d.level == Level::Error) {
        return Err(broken(format!("the draft does not lint:\n{wrong}\n{}", draft.text)));
    }
    if !found.is_empty() {
        return Err((Some(Short::Warned), format!("the draft lints with warnings:\n{wrong}\n{}", draft.text)));
    }
    let scenario = Arc::new(scenarios.into_iter().next().unwrap());
    let seats = seats::seats(&scenario, Catalogue::of(REVISION));
    if !seats.contains(&way.seat) {
        let told = format!("the draft has the seats {seats:?}, and not the {}'s\n{}", way.seat, draft.text);
        return Err(broken(told));
    }
    let plan = Plan::new(Arc::clone(&scenario), way.transport);
    let counts = way.seat.ours().map_or_else(Vec::new, |ours| plan.choices_of(ours));
    for choices in branches(&counts) {
        let (trace, judgement) = play(&scenario, way.seat, way.transport, choices, Deviations::default());
        if judgement.verdict != Verdict::Pass {
            let shown = report::diagram(&trace, &judgement, 120);
            let all: Vec<String> = judgement.findings.iter().map(|f| format!("{f:?}")).collect();
            let told =
                format!("the draft plays with {}\n{}\n{}\n{shown}", judgement.verdict, draft.text, all.join("\n"));
            return Err((Some(Short::Plays(judgement.verdict)), told));
        }
    }
    Ok(())
}
