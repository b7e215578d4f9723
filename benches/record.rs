//! What a sample costs: recording it, taking a second's samples out, merging them.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use loadrun::metric::{Distribution, Kind, Merge, Metric, Recorder, SeriesId, Tags, Unit};

/// Latencies as of a service that mostly answers within a few milliseconds, in nanoseconds.
fn latencies(count: u64) -> Vec<u64> {
    let spread = |n: u64| n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 44;
    (0..count).map(|n| 400_000 + spread(n) * (1 + n % 7)).collect()
}

fn trend() -> (Recorder, SeriesId) {
    let mut recorder = Recorder::new();
    let metric = Metric::new("http.duration", Kind::Trend, Unit::Time);
    let id = recorder.series(&metric, &Tags::new([("scenario", "buy"), ("name", "item")]));
    (recorder, id)
}

fn second(latencies: &[u64]) -> Distribution {
    let mut distribution = Distribution::new();
    for latency in latencies {
        distribution.record(*latency);
    }
    distribution
}

/// One sample into a series that holds a second's worth of others already.
fn record(c: &mut Criterion) {
    let latencies = latencies(8192);
    let (mut recorder, id) = trend();
    for latency in &latencies {
        recorder.record(id, 1, *latency);
    }
    let mut next = latencies.iter().cycle();
    c.bench_function("record", |b| {
        b.iter(|| recorder.record(black_box(id), 1, *next.next().unwrap_or(&0)));
    });
}

/// A second of 5,000 samples from one worker into a distribution of as many.
fn merge(c: &mut Criterion) {
    let latencies = latencies(10_000);
    let (left, right) = (second(&latencies[..5000]), second(&latencies[5000..]));
    c.bench_function("merge", |b| {
        b.iter_batched_ref(|| left.clone(), |left| left.merge(&right), BatchSize::SmallInput);
    });
}

/// Taking out what 100 series received: what a worker does once a second.
fn swap(c: &mut Criterion) {
    let latencies = latencies(1000);
    let metric = Metric::new("http.duration", Kind::Trend, Unit::Time);
    let filled = || {
        let mut recorder = Recorder::new();
        for n in 0..100 {
            let id = recorder.series(&metric, &Tags::new([("name", format!("item {n}"))]));
            for latency in &latencies {
                recorder.record(id, 1, *latency);
            }
        }
        recorder
    };
    c.bench_function("swap", |b| {
        b.iter_batched_ref(filled, Recorder::take, BatchSize::SmallInput);
    });
}

criterion_group!(benches, record, merge, swap);
criterion_main!(benches);
