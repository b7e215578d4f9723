//! Calls made up so that arithmetic says what the fault did.

use std::sync::Arc;

use proptest::prelude::*;
use tokio::time::Instant;

use super::*;
use crate::metric::{Timeline, Windows};

const MILLI: Duration = Duration::from_millis(1);
const FAULT: (u32, u32) = (20_000, 30_000);
const END: u32 = 60_000;

fn span() -> Span {
    Span {
        begin: MILLI * FAULT.0,
        end: MILLI * FAULT.1,
        until: MILLI * END,
        baseline: MILLI * FAULT.0,
    }
}

/// A call every 10 ms for a minute; `call` says how long one made then takes, and whether it fails.
fn run(call: impl Fn(u32) -> (Duration, bool)) -> Windows {
    let timeline = Timeline::new([MILLI * FAULT.0, MILLI * FAULT.1]);
    let mut windows = Windows::new(Arc::new(timeline), Instant::now());
    for at in (0..END).step_by(10) {
        let (took, bad) = call(at);
        windows.add(MILLI * at, MILLI * at + took, bad);
    }
    windows
}

fn within(at: u32, from: u32, to: u32) -> bool {
    (from..to).contains(&at)
}

#[test]
fn a_square_outage_is_recovered_from_at_once_and_costs_what_failed() {
    let down = |at| within(at, FAULT.0, FAULT.1);
    let recovery = assess(&run(|at| (MILLI * 5, down(at))), span());
    assert_eq!(recovery.verdict, Verdict::Recovered);
    assert_eq!((recovery.recover, recovery.settle), (Some(0.0), Some(0.0)));
    // Three windows in a row are no accident after a baseline without a flaw.
    assert_eq!((recovery.confirm, recovery.detect), (3, Some(1.5)));
    assert_eq!(recovery.first_error, Some(0.005));
    assert_eq!((recovery.lost, recovery.relapses, recovery.during), (1_000, 0, false));
    assert!((recovery.excess - 1_000.0).abs() < 1e-9);
    // 10 s of nothing but failures, of 2,592 s a month at 99.9 % allows.
    assert!((recovery.budget - 10.0 / 2_592.0).abs() < 1e-9, "{}", recovery.budget);
    let counts = [recovery.baseline, recovery.fault, recovery.after];
    assert_eq!(
        counts.map(|phase| (phase.calls, phase.failed)),
        [(2_000, 0), (1_000, 1_000), (3_000, 0)]
    );
}

#[test]
fn a_tail_of_failures_after_the_fault_is_the_time_to_recover() {
    let down = |at| within(at, FAULT.0, FAULT.1 + 4_200);
    let recovery = assess(&run(|at| (MILLI * 5, down(at))), span());
    assert_eq!(recovery.verdict, Verdict::Recovered);
    // Within the resolution of a window.
    assert_eq!((recovery.recover, recovery.settle), (Some(4.5), Some(4.5)));
    assert_eq!(recovery.lost, 1_420);
}

#[test]
fn what_does_not_come_back_has_no_time_to_recover() {
    let recovery = assess(&run(|at| (MILLI * 5, at >= FAULT.0)), span());
    assert_eq!(recovery.verdict, Verdict::NotRecovered);
    assert_eq!((recovery.recover, recovery.settle, recovery.tail), (None, None, 30.0));
}

#[test]
fn going_bad_again_is_a_relapse_and_settles_at_its_end() {
    let down = |at| within(at, FAULT.0, FAULT.1) || within(at, 40_000, 45_000);
    let recovery = assess(&run(|at| (MILLI * 5, down(at))), span());
    assert_eq!(recovery.verdict, Verdict::RecoveredThenRelapsed);
    assert_eq!((recovery.recover, recovery.settle), (Some(0.0), Some(15.0)));
    assert_eq!(recovery.relapses, 1);
}

#[test]
fn a_fault_nobody_feels_is_tolerated() {
    let recovery = assess(&run(|_| (MILLI * 5, false)), span());
    assert_eq!(recovery.verdict, Verdict::Tolerated);
    assert_eq!((recovery.detect, recovery.recover, recovery.lost), (None, None, 0));
}

#[test]
fn slowness_is_a_fault_too_and_its_debt_is_the_time_waited() {
    let slow = |at| within(at, FAULT.0, FAULT.1);
    let took = |at| if slow(at) { MILLI * 105 } else { MILLI * 5 };
    let recovery = assess(&run(|at| (took(at), false)), span());
    assert_eq!(recovery.verdict, Verdict::Recovered);
    // 1,000 calls that took 100 ms longer.
    assert!((recovery.debt - 100.0).abs() < 0.2, "{}", recovery.debt);
    assert_eq!(recovery.lost, 0);
}

#[test]
fn calls_held_for_a_second_owe_what_evenly_spaced_arrivals_wait() {
    // Held for T = 1 s at R = 100/s, from the window's begin: R T^2 / 2 + T / 2 = 50.5.
    let held = |at| within(at, FAULT.0, FAULT.0 + 1_000);
    let took = |at| if held(at) { MILLI * (FAULT.0 + 1_000 - at) } else { Duration::ZERO };
    let recovery = assess(&run(|at| (took(at), false)), span());
    assert!((recovery.debt - 50.5).abs() < 0.1, "{}", recovery.debt);
}

#[test]
fn a_failover_shows_as_good_again_while_the_fault_stood() {
    let down = |at| within(at, FAULT.0, FAULT.0 + 3_000);
    let recovery = assess(&run(|at| (MILLI * 5, down(at))), span());
    assert!(recovery.during);
    assert_eq!((recovery.verdict, recovery.recover), (Verdict::Recovered, Some(0.0)));
}

#[test]
fn a_timeout_is_known_to_be_bad_only_when_it_ends() {
    let down = |at| within(at, FAULT.0, FAULT.1);
    let took = |at| if down(at) { MILLI * 2_000 } else { MILLI * 5 };
    let recovery = assess(&run(|at| (took(at), down(at))), span());
    assert_eq!(recovery.first_error, Some(2.0));
    assert_eq!(recovery.detect, Some(3.5));
    assert_eq!(recovery.recover, Some(0.0));
}

#[test]
fn a_short_or_uneven_baseline_says_nothing() {
    let short = Span { baseline: MILLI * 4_000, ..span() };
    let down = |at| within(at, FAULT.0, FAULT.1);
    let windows = run(|at| (MILLI * 5, down(at)));
    assert_eq!(assess(&windows, short).verdict, Verdict::NoBaseline);
    // A fifth of the windows fail without any fault.
    let uneven = run(|at| (MILLI * 5, at % 2_500 < 500));
    let recovery = assess(&uneven, span());
    assert_eq!((recovery.verdict, recovery.recover), (Verdict::NoBaseline, None));
}

#[test]
fn few_calls_are_judged_together_and_none_is_not_good() {
    // A call every 200 ms: no window of 500 ms says anything alone.
    let timeline = Timeline::new([MILLI * FAULT.0, MILLI * FAULT.1]);
    let mut windows = Windows::new(Arc::new(timeline), Instant::now());
    let mut baseline = 0;
    for at in (0..END).step_by(50).filter(|at| at % 100 == 0 || *at < FAULT.0) {
        // Silence after the fault: nothing was seen to be good.
        if at < FAULT.1 {
            windows.add(MILLI * at, MILLI * (at + 5), within(at, FAULT.0, FAULT.1));
            baseline += u32::from(at < FAULT.0);
        }
    }
    let recovery = assess(&windows, span());
    assert_eq!(recovery.baseline.calls, u64::from(baseline));
    assert_eq!((recovery.verdict, recovery.recover), (Verdict::NotRecovered, None));
}

proptest! {
    #[test]
    fn times_are_never_before_the_fault_and_settling_is_never_before_recovering(
        from in 0..END, length in 0..20_000u32, slow in 0..400u32,
    ) {
        let hurt = |at| within(at, from, from + length);
        let took = |at| if hurt(at) { MILLI * slow } else { MILLI * 5 };
        let recovery = assess(&run(|at| (took(at), hurt(at) && slow % 2 == 0)), span());
        for time in [recovery.first_error, recovery.detect, recovery.recover, recovery.settle] {
            prop_assert!(time.is_none_or(|time| time >= 0.0));
        }
        if let (Verdict::Recovered, Some(recover), Some(settle)) =
            (recovery.verdict, recovery.recover, recovery.settle)
        {
            prop_assert!(recover <= recovery.tail && settle <= recovery.tail);
        }
        prop_assert!(recovery.excess <= recovery.lost as f64);
    }
}
