//! What `explain` says of every scenario file, in every seat it has: the tables are reviewed, and stay as they are.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use mcp_interop::scenario::{explain, files, seats::seats};
use mcp_interop::spec::catalogue::Catalogue;
use mcp_interop::trace::{Seat, Transport};
use std::collections::BTreeMap;

#[test]
fn every_scenario_in_every_seat() {
    let loaded = files::embedded();
    let mut by_file: BTreeMap<String, String> = BTreeMap::new();
    for scenario in &loaded.scenarios {
        // the newest of its revisions, and its first transport; others are shown where something depends on them
        let revision = *scenario.revisions.last().unwrap();
        let in_seats = seats(scenario, Catalogue::of(revision));
        assert!(!in_seats.is_empty(), "{} has no seat", scenario.id);
        let stem = scenario.id.split('#').next().unwrap().replace('/', "-");
        for seat in in_seats {
            for transport in &scenario.transports {
                let table = explain::table(scenario, seat, revision, *transport);
                let differs = table.contains("left out") || *transport == scenario.transports[0];
                if differs {
                    let all = by_file.entry(format!("{stem}@{seat}")).or_default();
                    all.push_str(&table);
                    all.push_str(&"-".repeat(100));
                    all.push('\n');
                }
            }
        }
    }
    for (name, tables) in by_file {
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(name, tables);
        });
    }
}

#[test]
fn a_choice_of_ours_is_a_run_each() {
    let loaded = files::embedded();
    let find = |id: &str| loaded.scenarios.iter().find(|s| s.id == id).unwrap();
    let list = find("tools/list-and-call");
    let revision = list.revisions[0];
    let client = explain::table(list, Seat::Client, revision, Transport::Stdio);
    assert!(client.contains("1: step 1 not at all") && client.contains("2: step 1 all of it"), "{client}");
    let server = explain::table(list, Seat::Server, revision, Transport::Stdio);
    assert!(server.contains("no choice here is ours"), "{server}");
}

#[test]
fn what_does_not_hold_is_said() {
    let loaded = files::embedded();
    let refusals = loaded.scenarios.iter().find(|s| s.id.starts_with("http/refusals#")).unwrap();
    let table = explain::table(refusals, Seat::Client, mcp_interop::spec::Revision::V2024_11_05, Transport::Stdio);
    assert!(table.contains("NOT for 2024-11-05") && table.contains("NOT over stdio"), "{table}");
    assert!(table.contains("proves nothing:"), "{table}");
}
