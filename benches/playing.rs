//! Playing: reading the scenarios, one step of the automaton, and a whole scenario in memory.

#![allow(missing_docs, clippy::unwrap_used, reason = "measurements")]

mod measure;
mod plays;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use mcp_interop::scenario::files;
use mcp_interop::trace::event::Body;
use mcp_interop::trace::{Seat, Transport};
use std::hint::black_box;

fn read_scenarios(c: &mut Criterion) {
    c.bench_function("read and lint all scenarios", |b| b.iter(files::embedded));
}

fn step(c: &mut Criterion) {
    let mut group = c.benchmark_group("automaton");
    let play = plays::founding(Seat::Client, Transport::Stdio);
    let trace = plays::trace(&play);
    // the answer that creates the task: it is found, asserted, and binds a name
    let created = |body: &Body| matches!(body, Body::Message { text, .. } if String::from_utf8_lossy(&text.bytes()).contains("\"result\":{\"task\""));
    let at = trace.events.iter().position(|e| created(&e.body)).unwrap();
    let mut before = play.exchange();
    trace.events[..at].iter().for_each(|event| before.observe(event));
    let matched = before.walk().matched.len();
    let mut after = before.clone();
    after.observe(&trace.events[at]);
    assert_eq!(after.walk().matched.len(), matched + 1, "the event must be a step");
    group.bench_function("one step", |b| {
        b.iter_batched_ref(
            || before.clone(),
            |exchange| exchange.observe(black_box(&trace.events[at])),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("the founding exchange", |b| {
        b.iter_batched_ref(
            || play.exchange(),
            |exchange| trace.events.iter().for_each(|event| exchange.observe(event)),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn whole(c: &mut Criterion) {
    let mut group = c.benchmark_group("play the founding exchange in memory");
    for seat in Seat::ALL {
        for transport in Transport::ALL {
            let play = plays::founding(seat, transport);
            group.bench_function(format!("{seat}, {transport}"), |b| b.iter(|| plays::trace(black_box(&play))));
        }
    }
    group.finish();
}

criterion_group! { name = playing; config = measure::short(); targets = read_scenarios, step, whole }
criterion_main!(playing);
