//! The tables of what clients support, in docs/peers.md: they are what `driver check` writes today.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use mcp_interop::peer::config::Config;
use mcp_interop::peer::install;
use serde_json::Value;
use std::path::Path;
use std::process::Command;

const PAGE: &str = "docs/peers.md";

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Checks a driver; gives its report, and the page with its table renewed.
fn check(peer: &str) -> (Value, String) {
    let folder = tempfile::tempdir().unwrap();
    let (page, report) = (folder.path().join("peers.md"), folder.path().join("report.json"));
    std::fs::copy(repository().join(PAGE), &page).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_mcp-interop"))
        .args(["driver", "check", "--peer", peer, "--table", page.to_str().unwrap()])
        .args(["--report", report.to_str().unwrap()])
        .current_dir(repository())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let report = serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
    (report, std::fs::read_to_string(&page).unwrap())
}

fn is_up_to_date(peer: &str) {
    let (_, renewed) = check(peer);
    let page = std::fs::read_to_string(repository().join(PAGE)).unwrap();
    for (stale, new) in page.lines().zip(renewed.lines()) {
        assert_eq!(stale, new, "run `mcp-interop driver check --peer {peer} --table {PAGE}`");
    }
    assert_eq!(page.lines().count(), renewed.lines().count());
}

#[test]
fn the_report_is_json_of_its_schema() {
    let text = std::fs::read_to_string(repository().join("schemas/driver-check.schema.json")).unwrap();
    let schema = jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap();
    let fits = |report: &Value| {
        let wrong: Vec<String> = schema.iter_errors(report).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(wrong.is_empty(), "{wrong:#?}\n{report:#}");
    };
    let (report, _) = check("embedded");
    fits(&report);
    // a schema that accepts anything would show nothing
    let mut other = report.clone();
    other["transports"][0]["rows"][0]["came"] = "unsupported".into();
    assert!(!schema.is_valid(&other), "what is unsupported has a reason, and no event");
    let mut other = report;
    other["transports"][0]["rows"][0].as_object_mut().unwrap().insert("more".into(), 1.into());
    assert!(!schema.is_valid(&other));
    // what is no driver has a report too
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    let output = Command::new(env!("CARGO_BIN_EXE_mcp-interop"))
        .args(["driver", "check", "--report", path.to_str().unwrap(), "--", "no-such-program"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(4), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    fits(&report);
    assert!(report["transports"][0]["trouble"]["what"].as_str().unwrap().contains("no-such-program"), "{report:#}");
}

#[test]
fn the_table_of_the_built_in_client_is_up_to_date() {
    is_up_to_date("embedded");
}

#[test]
fn the_tables_of_the_peers_that_are_installed_are_up_to_date() {
    let config = Config::load(&repository().join("harness.toml")).unwrap();
    for peer in &config.peers {
        if peer.client.is_some() && install::status(peer).ready() {
            is_up_to_date(&peer.name);
        } else {
            eprintln!("{} is not installed: its table was not compared", peer.name);
        }
    }
}

#[test]
fn each_action_of_the_protocol_is_tried_and_what_is_supported_carries_its_event() {
    let (report, _) = check("embedded");
    let schema = std::fs::read_to_string(repository().join("schemas/driver.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let actions: Vec<String> = names(&schema).into_iter().collect();
    assert!(actions.len() >= 20, "{actions:?}");
    for part in report["transports"].as_array().unwrap() {
        let rows = part["rows"].as_array().unwrap();
        for action in &actions {
            let of = |row: &&Value| {
                let name = row["action"].as_str().unwrap();
                name == action || name.strip_prefix(action.as_str()).is_some_and(|rest| rest.starts_with([':', ' ']))
            };
            assert!(rows.iter().any(|row| of(&row)), "{action} is not tried over {}", part["transport"]);
        }
        let shown = rows.iter().filter(|row| row["event"]["seq"].is_u64()).count();
        assert!(shown >= 45, "{shown} rows over {}", part["transport"]);
        for row in rows.iter().filter(|row| row["came"] == "supported") {
            assert!(row.get("event").is_some() || row.get("said").is_some(), "{row}");
        }
    }
}

/// The names of the actions, from the schema of the protocol.
fn names(schema: &Value) -> std::collections::BTreeSet<String> {
    let mut names = std::collections::BTreeSet::new();
    let mut open = vec![schema];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(members) => {
                if let Some(of) = members.get("properties").and_then(|p| p.get("do")) {
                    names.extend(of["const"].as_str().map(str::to_owned));
                    names.extend(
                        of["enum"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned),
                    );
                }
                open.extend(members.values());
            }
            Value::Array(entries) => open.extend(entries),
            _ => {}
        }
    }
    names
}
