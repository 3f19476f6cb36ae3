//! `list`: the scenarios, with the seats and revisions they hold for; or the faults of `serve --fault` and
//! `drive --fault`.

use super::screen;
use super::selection::{Selection, revision};
use crate::fault::library;
use crate::report::text::count;
use crate::scenario::seats;
use crate::spec::Revision;
use crate::spec::catalogue::Catalogue;
use crate::trace::Transport;
use crate::wire::Party;
use clap::Args;
use std::collections::BTreeMap;

/// `mcp-interop list`
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    selection: Selection,
    /// Only scenarios that hold for this revision
    #[arg(long, value_parser = revision)]
    revision: Option<Revision>,
    /// List the faults that `serve --fault` and `drive --fault` know, with the requirements they break
    #[arg(long, conflicts_with_all = ["scenarios", "folder", "revision"])]
    faults: bool,
}

/// The faults of parties that are alive, by the party and by the area of the requirement that each breaks, and the harmless
/// variations.
fn faults() -> Result<u8, String> {
    let mut all = 0;
    for (party, command) in [(Party::Server, "serve"), (Party::Client, "drive")] {
        let live: Vec<_> = library::all().iter().filter(|f| f.by == party).filter_map(|f| f.alive().ok()).collect();
        let width = live.iter().map(|f| f.name.len()).max().unwrap_or_default();
        let mut areas: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
        for fault in &live {
            let breaks = fault.breaks.as_deref().unwrap_or(HARMLESS);
            let area = breaks.split('.').next().unwrap_or(breaks);
            areas.entry(area).or_default().push((&fault.name, breaks));
        }
        screen::line(&format!("of a {party}: mcp-interop {command} --fault NAME"))?;
        for (area, faults) in areas {
            screen::line(&format!("  {area}: {}", count(faults.len(), "fault")))?;
            for (name, breaks) in faults {
                screen::line(&format!("    {name:width$}  {breaks}"))?;
            }
        }
        all += live.len();
    }
    screen::line(&count(all, "fault"))?;
    Ok(0)
}

/// What a variation that breaks nothing is listed under.
const HARMLESS: &str = "(harmless)";

pub(super) fn run(arguments: &Arguments) -> Result<u8, String> {
    if arguments.faults {
        return faults();
    }
    let scenarios = arguments.selection.load()?;
    let wanted = |s: &&crate::scenario::Scenario| arguments.revision.is_none_or(|r| s.revisions.contains(&r));
    let chosen: Vec<_> = scenarios.iter().filter(wanted).collect();
    for scenario in &chosen {
        let newest = arguments.revision.or(scenario.revisions.iter().max().copied()).unwrap_or(Revision::DEFAULT);
        let seats: Vec<&str> = seats::seats(scenario, Catalogue::of(newest)).iter().map(|s| s.as_str()).collect();
        let on: Vec<&str> = scenario.transports.iter().map(|t| t.as_str()).collect();
        let on = if on.len() == Transport::ALL.len() { "any transport".to_owned() } else { on.join(", ") };
        let revisions: Vec<&str> = scenario.revisions.iter().map(|r| r.as_str()).collect();
        // an id in the first column, for those who look for one
        screen::line(&scenario.id)?;
        screen::line(&format!("  {}", scenario.title))?;
        screen::line(&format!("  seats: {}; {on}; {}", seats.join(", "), revisions.join(", ")))?;
    }
    screen::line(&count(chosen.len(), "scenario"))?;
    Ok(0)
}
