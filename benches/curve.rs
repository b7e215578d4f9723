//! What a schedule costs: the curve is asked once for every arrival and every iteration.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use loadrun::plan::{Curve, Step};

/// Waves of a ramp up, a plateau, a burst and a ramp down.
fn waves(count: usize) -> Curve {
    let second = Duration::from_secs(1);
    let wave = [
        Step::To { to: 20_000.0, over: second },
        Step::Hold(second),
        Step::Burst(100),
        Step::To { to: 100.0, over: second },
    ];
    Curve::steps(100.0, &wave.repeat(count))
}

fn curves(criterion: &mut Criterion) {
    let constant = Curve::constant(50_000.0, Duration::from_mins(1));
    for (name, curve) in
        [("constant", constant), ("4 pieces", waves(1)), ("400 pieces", waves(100))]
    {
        let (total, duration) = (curve.total(), curve.duration());
        let mut n = 0.0;
        criterion.bench_function(&format!("time_of, {name}"), |bench| {
            bench.iter(|| {
                n = if n + 1.0 < total { n + 1.0 } else { 0.0 };
                black_box(curve.time_of(black_box(n)))
            });
        });
        let mut t = Duration::ZERO;
        criterion.bench_function(&format!("rise_above, {name}"), |bench| {
            bench.iter(|| {
                t = if t < duration { t + Duration::from_micros(20) } else { Duration::ZERO };
                black_box(curve.rise_above(black_box(50.0), t))
            });
        });
    }
}

criterion_group!(benches, curves);
criterion_main!(benches);
