//! Reading: strict JSON beside a lenient reader, and Server-Sent Events.

#![allow(missing_docs, clippy::unwrap_used, reason = "measurements")]

mod measure;
mod messages;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mcp_interop::wire::json::{self, Limits};
use mcp_interop::wire::sse::Reader;
use serde_json::Value;
use std::hint::black_box;
use std::time::{Duration, Instant};

fn strict(bytes: &[u8]) -> Value {
    json::read(bytes, &Limits::default()).unwrap().value().clone()
}

fn read_json(c: &mut Criterion) {
    for (name, text) in messages::sizes() {
        let mut group = c.benchmark_group(format!("read JSON, {name}"));
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function("strict", |b| b.iter(|| json::read(black_box(text.as_bytes()), &Limits::default())));
        group.bench_function("serde_json", |b| b.iter(|| serde_json::from_slice::<Value>(black_box(text.as_bytes()))));
        group.finish();
        assert_eq!(strict(text.as_bytes()), serde_json::from_str::<Value>(&text).unwrap());
        println!("{:28} {:.2} times the time of serde_json", format!("strict, {name}"), ratio(&text));
    }
}

/// How many times as long the strict reader takes: the best of many turns, taken alternately in one run.
fn ratio(text: &str) -> f64 {
    let turns = (1_000_000 / text.len()).max(20);
    let time = |read: &dyn Fn()| {
        let start = Instant::now();
        for _ in 0..turns {
            read();
        }
        start.elapsed()
    };
    let (mut ours, mut theirs) = (Duration::MAX, Duration::MAX);
    for _ in 0..15 {
        ours = ours.min(time(&|| drop(black_box(json::read(black_box(text.as_bytes()), &Limits::default())))));
        theirs = theirs.min(time(&|| drop(black_box(serde_json::from_slice::<Value>(black_box(text.as_bytes()))))));
    }
    ours.as_secs_f64() / theirs.as_secs_f64()
}

fn read_events(c: &mut Criterion) {
    let [_, (_, message), _] = messages::sizes();
    let mut stream = String::new();
    while stream.len() < 1 << 20 {
        stream.push_str(&format!("event: message\nid: {}\ndata: {message}\n\n", stream.len()));
    }
    let mut group = c.benchmark_group("read events, 1 MB");
    group.throughput(Throughput::Bytes(stream.len() as u64));
    for (name, size) in [("in pieces of 16 kB", 16 << 10), ("in pieces of 100 bytes", 100)] {
        group.bench_function(name, |b| {
            b.iter(|| {
                let mut reader = Reader::new(1 << 20);
                stream.as_bytes().chunks(size).map(|chunk| reader.push(black_box(chunk)).len()).sum::<usize>()
            });
        });
    }
    group.finish();
}

criterion_group! { name = wire; config = measure::short(); targets = read_json, read_events }
criterion_main!(wire);
