//! Judging: compiling schemas, holding messages against them, and a whole trace.

#![allow(missing_docs, clippy::unwrap_used, reason = "measurements")]

mod measure;
mod messages;
mod plays;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mcp_interop::judge;
use mcp_interop::spec::{Revision, Schemas};
use mcp_interop::trace::{Seat, Transport, record};
use serde_json::Value;
use std::hint::black_box;

fn compile(c: &mut Criterion) {
    let mut group = c.benchmark_group("compile the schemas of");
    for revision in [Revision::V2024_11_05, Revision::V2025_11_25, Revision::V2026_07_28] {
        group.bench_function(revision.as_str(), |b| {
            b.iter(|| Schemas::read(black_box(revision)).unwrap().compile_all().unwrap());
        });
    }
    group.bench_function("2025-11-25, one definition", |b| {
        let value = serde_json::json!({ "content": [] });
        b.iter(|| Schemas::read(Revision::V2025_11_25).unwrap().is_valid("CallToolResult", black_box(&value)));
    });
    group.finish();
}

fn validate(c: &mut Criterion) {
    let schemas = Schemas::of(Revision::V2025_11_25);
    let mut group = c.benchmark_group("validate");
    for (name, text) in messages::sizes() {
        let message: Value = serde_json::from_str(&text).unwrap();
        assert!(schemas.is_valid("ListToolsResult", &message["result"]), "{text}");
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| {
                let envelope = schemas.validate("JSONRPCResultResponse", black_box(&message));
                (envelope, schemas.validate("ListToolsResult", black_box(&message["result"])))
            });
        });
    }
    group.finish();
}

fn judge_trace(c: &mut Criterion) {
    let mut group = c.benchmark_group("judge the founding exchange");
    for transport in Transport::ALL {
        let trace = plays::trace(&plays::founding(Seat::Client, transport));
        group.throughput(Throughput::Elements(trace.events.len() as u64));
        group.bench_function(transport.as_str(), |b| b.iter(|| judge::judge(black_box(&trace))));
        let text = record::write(&trace);
        group.bench_function(format!("{transport}, from its record"), |b| {
            b.iter(|| judge::judge(&record::read(black_box(&text)).unwrap().trace));
        });
    }
    group.finish();
}

criterion_group! { name = judging; config = measure::short(); targets = compile, validate, judge_trace }
criterion_main!(judging);
