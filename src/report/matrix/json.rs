//! A matrix as JSON, for programs: versioned, with a schema (`schemas/matrix.schema.json`), in a stable order.

use super::folder;
use crate::judge::Verdict;
use crate::report::json::finding;
use crate::run::matrix::since::FORMAT;
use crate::run::matrix::sum::State;
use crate::run::matrix::{Cell, Matrix};
use crate::run::{Played, traces};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// The report. `code`: the exit code.
#[must_use]
pub fn json(matrix: &Matrix, code: u8) -> Value {
    let mut cells: Map<String, Value> = Map::new();
    for cell in &matrix.cells {
        let word = match cell.sum.state {
            State::Played | State::Trouble(_) => word(cell.sum.verdict),
            ref other => other.as_str().to_owned(),
        };
        let n = cells.get(&word).and_then(Value::as_u64).unwrap_or(0);
        cells.insert(word, json!(n + 1));
    }
    json!({
        "report": "matrix",
        "format": FORMAT,
        "harness": { "name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION") },
        "selection": {
            "clients": matrix.clients,
            "servers": matrix.servers,
            "transports": matrix.transports,
            "revisions": matrix.revisions,
            "scenarios": matrix.scenarios,
            "chosen": matrix.chosen,
        },
        "summary": {
            "exit_code": code,
            "interrupted": matrix.interrupted,
            "took_ms": ms(matrix.took),
            "cells": cells,
        },
        "cells": matrix.cells.iter().map(cell).collect::<Vec<_>>(),
    })
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The word of a verdict in files.
fn word(verdict: Verdict) -> String {
    verdict.as_str().replace(' ', "-")
}

fn cell(cell: &Cell) -> Value {
    let records = traces::names(&cell.results.played);
    let mut known: BTreeMap<(usize, usize), Value> = BTreeMap::new();
    for (fault, show) in cell.sum.faults.iter().flat_map(|f| f.shows.iter().map(move |show| (f, show))) {
        let of = json!({
            "key": fault.key.to_string(),
            "known": show.known,
            "sometimes": show.sometimes,
            "adjudicated": show.adjudicated.map(|said| said.as_str()),
        });
        known.insert((show.play, show.finding), of);
    }
    let plays = cell.results.played.iter().zip(records).enumerate();
    json!({
        "client": cell.client,
        "server": cell.server,
        "transport": cell.transport,
        "revision": cell.revision,
        "state": cell.sum.state.as_str(),
        "reason": super::reason(cell),
        "offers": cell.offers.as_ref().map(|o| json!({ "client": o.client, "server": o.server, "agreed": o.agreed })),
        "verdict": cell.sum.verdict,
        "blamed": cell.sum.blamed,
        "known": cell.sum.verdict >= Verdict::Fail && !cell.sum.unknown(&cell.results),
        "took_ms": ms(cell.took),
        "plays": plays.map(|(i, (played, record))| {
            let path = format!("{}/{record}", folder(cell));
            play(played, &path, |n| known.get(&(i, n)))
        }).collect::<Vec<_>>(),
        "skipped": super::left_out(cell).into_iter().map(|(reason, scenarios)| json!({
            "reason": reason,
            "scenarios": scenarios,
        })).collect::<Vec<_>>(),
        "troubles": cell.results.troubles.iter().map(|t| json!({
            "what": t.what,
            "blame": t.blame,
            "stderr": t.stderr,
        })).collect::<Vec<_>>(),
        "fleeting": cell.fleeting.iter().map(|f| json!({
            "scenario": f.scenario,
            "key": f.key.to_string(),
            "found": f.found,
        })).collect::<Vec<_>>(),
    })
}

fn play<'k>(played: &Played, record: &str, known: impl Fn(usize) -> Option<&'k Value>) -> Value {
    let judgement = &played.judgement;
    let findings = judgement.findings.iter().enumerate().map(|(n, found)| {
        let mut value = finding(&played.trace, found);
        if let (Some(members), Some(Value::Object(known))) = (value.as_object_mut(), known(n)) {
            members.extend(known.clone());
        }
        value
    });
    json!({
        "name": played.name(),
        "scenario": played.scenario,
        "verdict": judgement.verdict,
        "outcome": judgement.outcome,
        "proven": judgement.checks.iter().filter(|c| c.verdict == Verdict::Pass).count(),
        "findings": findings.collect::<Vec<_>>(),
        "record": record,
        "again": format!("mcp-interop {}", played.again),
    })
}
