//! Samples of calls, however many paths and names a script makes up.

use super::super::measure::{Operation, ScenarioMeter, Thing};
use super::super::naming::Naming;
use super::*;
use crate::client::FailureKind;
use crate::client::http::{Exchange, Headers, Protocol, Timing};

/// What came of a call that was refused.
fn refused() -> Exchange {
    Exchange {
        status: 0,
        headers: Headers::default(),
        body: bytes::Bytes::new(),
        error: Some(FailureKind::Refused),
        detail: Some("refused".to_owned()),
        timing: Timing::default(),
        started: Instant::now(),
        duration: Duration::from_millis(1),
        sent: 0,
        received: 0,
        connects: 1,
        exhausted: false,
        redirects: 0,
        protocol: Protocol::default(),
    }
}

/// Records a failed call of each of these, and gives scenario meter, operations and recorder.
fn failing(
    names: impl IntoIterator<Item = String>,
    naming: impl for<'a> Fn(&'a str) -> Naming<'a>,
) -> (Rc<ScenarioMeter>, Vec<Rc<Operation>>, crate::metric::Recorder) {
    let world = running("", "").worker().world();
    let meter = ScenarioMeter::new(&world, &Arc::from("s"), &[]);
    let mut recorder = crate::metric::Recorder::new();
    let (exchange, mut found) = (refused(), Vec::<Rc<Operation>>::new());
    for name in names {
        let operation = meter.operation(&mut recorder, Thing::Http, naming(&name), &[]);
        operation.exchange(&mut recorder, world.moment(Instant::now()), &exchange);
        if !found.iter().rev().any(|known| Rc::ptr_eq(known, &operation)) {
            found.push(operation);
        }
    }
    (meter, found, recorder)
}

#[test]
fn any_number_of_paths_that_differ_in_their_id_are_one_operation_and_all_failures_count() {
    let paths = (0..200_000).map(|id| format!("/items/{id}?page={id}"));
    let (meter, operations, mut recorder) =
        failing(paths, |path| Naming::Made("GET", path.as_bytes()));
    assert_eq!(operations.len(), 1);
    let failures = meter.failures();
    let told: Vec<_> = failures.iter().map(|f| (&*f.name, &*f.detail, f.count)).collect();
    assert_eq!(told, [("GET /items/{id}", "refused", 200_000)]);
    let interval = recorder.take();
    assert!(
        interval.overflowed.is_empty() && interval.series.len() < 10,
        "{:?}",
        samples(&interval)
    );
}

#[test]
fn names_without_end_are_bounded_and_none_of_their_failures_is_lost() {
    let names = (0..5_000).map(|n| format!("name-{}", "x".repeat(n % 40) + &n.to_string()));
    let (meter, operations, mut recorder) = failing(names, |name| Naming::Given(name.as_bytes()));
    assert_eq!(operations.len(), 1_001);
    let failures = meter.failures();
    assert_eq!(failures.len(), 1_001);
    assert_eq!(failures.iter().map(|failure| failure.count).sum::<u64>(), 5_000);
    let other = failures.iter().find(|failure| failure.name == "other").unwrap();
    assert_eq!((other.detail.as_str(), other.count), ("refused", 4_000));
    let interval = recorder.take();
    for metric in ["http.duration", "http.failed", "http.connects"] {
        let of = interval.series.iter().filter(|found| &*found.series.metric.name == metric);
        assert!(of.count() < 1_020, "{metric}");
    }
    assert!(interval.overflowed["http.duration"] > 0, "{:?}", interval.overflowed);
}
