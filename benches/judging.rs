//! Judging: compiling schemas, holding messages against them, and a whole trace.

#![allow(missing_docs, clippy::unwrap_used, reason = "measurements")]

mod measure;
mod messages;
mod plays;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mcp_interop::judge;
use mcp_interop::spec::{Revision, Schemas};
use mcp_interop::trace::{Seat, Transport, capture, record};
use serde_json::{Value, json};
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
        let mut wrong = message["result"].clone();
        if let Some(last) = wrong["tools"].as_array_mut().and_then(|tools| tools.last_mut()) {
            last["inputSchema"]["properties"]["path"] = 1.into();
            assert!(!schemas.is_valid("ListToolsResult", &wrong), "all of it must be looked at");
        }
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

/// A capture of many messages, as a stream: no more of it is held than what is open and what came last.
fn judge_capture(c: &mut Criterion) {
    const CALLS: u32 = 2000;
    let line = |from: &str, message: Value| json!({ "from": from, "message": message }).to_string();
    let mut lines = vec![
        line(
            "client",
            json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}}),
        ),
        line(
            "server",
            json!({"jsonrpc": "2.0", "id": 0, "result": {"protocolVersion": "2025-11-25",
            "capabilities": {"tools": {}}, "serverInfo": {"name": "s", "version": "1"}}}),
        ),
        line("client", json!({"jsonrpc": "2.0", "method": "notifications/initialized"})),
    ];
    for id in 1..=CALLS {
        let params = json!({"name": "plain", "arguments": {"n": id}});
        lines.push(line("client", json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params})));
        let content = json!([{"type": "text", "text": "x".repeat(200)}]);
        lines.push(line("server", json!({"jsonrpc": "2.0", "id": id, "result": {"content": content}})));
    }
    let judged = |lines: &[String]| {
        let mut reader = capture::Reader::default();
        let mut judging = judge::Judging::new(reader.header(Revision::V2025_11_25)).silent();
        for (i, line) in lines.iter().enumerate() {
            if let Some(said) = reader.line(i + 1, line).unwrap() {
                judging.event(said.event);
            }
        }
        judging.finish().judgement
    };
    assert_eq!(judged(&lines).verdict, judge::Verdict::Pass, "what is measured must work");
    let mut group = c.benchmark_group("judge a capture");
    group.throughput(Throughput::Elements(lines.len() as u64));
    group.bench_function("of 4003 messages", |b| b.iter(|| judged(black_box(&lines))));
    group.finish();
}

criterion_group! { name = judging; config = measure::short(); targets = compile, validate, judge_trace, judge_capture }
criterion_main!(judging);
