//! The curve as properties: what `at`, `area`, `time_of` and `rise_above` say must agree.
#![expect(clippy::unchecked_time_subtraction, reason = "a negative time fails the test")]
#![expect(clippy::float_cmp, reason = "what is compared is exact by design")]

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::{Curve, Step};

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn to(to: f64, over: Duration) -> Step {
    Step::To { to, over }
}

fn jump(to: f64, hold: Option<Duration>) -> Step {
    Step::Jump { to, hold }
}

/// A load from the whole range that is ever asked for, zero among it.
fn any_load() -> impl Strategy<Value = f64> {
    prop_oneof![Just(0.0), 0.01..10.0, 10.0..100_000.0]
}

fn any_step() -> impl Strategy<Value = Step> {
    let span = || (0..60_000_u64).prop_map(ms);
    prop_oneof![
        3 => (any_load(), span()).prop_map(|(to, over)| Step::To { to, over }),
        2 => span().prop_map(Step::Hold),
        2 => (any_load(), proptest::option::of(span()))
            .prop_map(|(to, hold)| Step::Jump { to, hold }),
        1 => (0..1_000_u64).prop_map(Step::Burst),
    ]
}

fn any_curve() -> impl Strategy<Value = Curve> {
    (any_load(), vec(any_step(), 0..8)).prop_map(|(start, steps)| Curve::steps(start, &steps))
}

/// A curve, and a time within it.
fn any_moment() -> impl Strategy<Value = (Curve, Duration)> {
    (any_curve(), 0.0..1.0).prop_map(|(curve, share)| {
        let t = curve.duration().mul_f64(share);
        (curve, t)
    })
}

/// The area a nanosecond to both sides of a time may make up, and the rounding of the sums.
fn slack(curve: &Curve, n: f64) -> f64 {
    2e-9 * curve.peak() + 1e-12 * n.abs().max(1.0)
}

proptest! {
    #[test]
    fn area_never_falls((curve, t) in any_moment(), later in 0.0..1.0) {
        let later = t + (curve.duration() - t).mul_f64(later);
        prop_assert!(curve.area(t) <= curve.area(later));
        prop_assert!(curve.area(later) <= curve.total());
    }

    #[test]
    fn area_is_the_integral_of_the_load((curve, t) in any_moment(), step in 1_u64..1_000_000) {
        // Within a piece the trapezoid of two loads is exact, and with both ends in one piece.
        let later = t + Duration::from_nanos(step);
        let jumps = curve.pieces.iter().any(|piece| t < piece.start && piece.start <= later);
        if jumps || later >= curve.duration() {
            return Ok(());
        }
        let trapezoid = f64::midpoint(curve.at(t), curve.at(later)) * (later - t).as_secs_f64();
        let area = curve.area(later) - curve.area(t);
        prop_assert!((area - trapezoid).abs() <= 1e-12 * curve.total().max(1.0));
    }

    #[test]
    fn time_of_undoes_area((curve, t) in any_moment()) {
        // Near zero load a rounded area may mean any time; there only the next property holds.
        if curve.at(t) <= 0.01 * curve.peak() || curve.area(t) >= curve.total() {
            return Ok(());
        }
        let found = curve.time_of(curve.area(t)).unwrap();
        let rounding = 4e-12 * curve.area(t).max(1.0) / curve.at(t);
        let near = Duration::from_secs_f64(rounding) + Duration::from_nanos(2);
        prop_assert!(found.abs_diff(t) <= near, "{found:?} for {t:?}");
    }

    #[test]
    fn area_undoes_time_of(curve in any_curve(), share in 0.0..1.0) {
        let n = curve.total() * share;
        let Some(t) = curve.time_of(n) else { return Ok(()) };
        let before = curve.area(t.saturating_sub(Duration::from_nanos(2)));
        prop_assert!(t.is_zero() || before <= n + slack(&curve, n));
        prop_assert!(curve.area(t + Duration::from_nanos(2)) >= n - slack(&curve, n));
    }

    #[test]
    fn arrivals_come_in_order_and_within_the_curve(
        curve in any_curve(), a in 0.0..1.0, b in 0.0..1.0,
    ) {
        let time_of = |share: f64| curve.time_of(curve.total() * share);
        if let (Some(first), Some(second)) = (time_of(f64::min(a, b)), time_of(f64::max(a, b))) {
            prop_assert!(first <= second && second <= curve.duration());
        }
    }

    #[test]
    fn an_arrival_is_never_due_while_the_load_is_zero(curve in any_curve(), n in 0_u32..1_000) {
        if let Some(t) = curve.time_of(f64::from(n)) {
            let due = |piece: &super::Piece| {
                piece.start <= t && t <= piece.end() && piece.after > piece.before
            };
            prop_assert!(curve.pieces.iter().any(due));
        }
    }

    #[test]
    fn nothing_is_due_beyond_the_total(curve in any_curve(), beyond in 0.0..1e12) {
        prop_assert_eq!(curve.time_of(curve.total() + beyond), None);
        prop_assert_eq!(curve.area(curve.duration() + s(1)), curve.total());
    }

    #[test]
    fn the_load_is_at_most_level_until_it_rises(
        (curve, t) in any_moment(), level in any_load(), share in 0.0..1.0,
    ) {
        let rise = curve.rise_above(level, t);
        let until = rise.unwrap_or(curve.duration());
        prop_assert!(until >= t);
        let between = t + (until - t).mul_f64(share);
        if between < until {
            prop_assert!(curve.at(between) <= level * (1.0 + 1e-12));
        }
        if let Some(rise) = rise {
            let soon = curve.pieces.iter().any(|piece| {
                piece.start <= rise && rise <= piece.end() && piece.from.max(piece.to) > level
            });
            prop_assert!(soon);
            prop_assert_eq!(curve.rise_above(level, rise), Some(rise), "asked again, it is now");
        }
    }

    #[test]
    fn a_higher_level_is_risen_above_later(
        curve in any_curve(), level in any_load(), more in any_load(),
    ) {
        let rise = |level| curve.rise_above(level, Duration::ZERO);
        match (rise(level), rise(level + more)) {
            (None, higher) => prop_assert_eq!(higher, None),
            (Some(lower), higher) => prop_assert!(higher.is_none_or(|higher| lower <= higher)),
        }
    }
}

#[test]
fn a_constant_rate_is_even_and_starts_at_once() {
    let curve = Curve::constant(200.0, s(10));
    for n in 0..2_000 {
        assert_eq!(curve.time_of(n.into()), Some(ms(5) * n));
    }
    assert_eq!(curve.time_of(2_000.0), None);
}

#[test]
fn a_rate_of_a_tenth_has_no_arrival_too_many() {
    // 0.1 + 0.1 + 0.1 is more than 0.3 in binary.
    let curve = Curve::steps(0.1, &[Step::Hold(s(1)), Step::Hold(s(1)), Step::Hold(s(28))]);
    assert_eq!(curve.total(), 3.0);
    assert_eq!(curve.time_of(2.0), Some(s(20)));
    assert_eq!(curve.time_of(3.0), None);
}

#[test]
fn a_jump_counts_from_its_instant_on() {
    let curve = Curve::steps(10.0, &[Step::Hold(s(5)), jump(1_000.0, Some(s(1)))]);
    assert_eq!(curve.at(s(5) - Duration::from_nanos(1)), 10.0);
    assert_eq!(curve.at(s(5)), 1_000.0);
    assert_eq!(curve.at(s(6)), 0.0, "the curve has ended");
    assert_eq!((curve.area(s(5)), curve.total()), (50.0, 1_050.0));
    assert_eq!(curve.time_of(50.0), Some(s(5)));
    assert_eq!(curve.time_of(51.0), Some(ms(5_001)));
}

#[test]
fn a_burst_is_due_at_one_instant_on_top_of_the_rate() {
    let curve = Curve::steps(10.0, &[Step::Hold(s(5)), Step::Burst(100), Step::Hold(s(5))]);
    let due = |n: u32| curve.time_of(n.into()).unwrap();
    assert_eq!(due(49), ms(4_900));
    assert!((50..150).all(|n| due(n) == s(5)));
    assert_eq!(due(150), s(5), "the arrival the rate itself has due at this instant");
    assert_eq!(due(151), ms(5_100));
    assert_eq!(curve.area(s(5)), 150.0);
    assert_eq!(curve.total(), 200.0);
    assert_eq!(curve.peak(), 10.0);
    assert_eq!(curve.duration(), s(10));
}

#[test]
fn a_burst_alone_is_a_whole_curve() {
    let curve = Curve::steps(0.0, &[Step::Burst(3)]);
    assert_eq!(curve.duration(), s(0));
    assert_eq!(
        [0.0, 1.0, 2.0, 3.0].map(|n| curve.time_of(n)),
        [Some(s(0)), Some(s(0)), Some(s(0)), None]
    );
}

#[test]
fn a_ramp_from_zero_and_one_to_zero_mirror_each_other() {
    let (up, down) =
        (Curve::steps(0.0, &[to(100.0, s(10))]), Curve::steps(100.0, &[to(0.0, s(10))]));
    assert_eq!((up.total(), down.total()), (500.0, 500.0));
    assert_eq!(up.time_of(0.0), Some(s(0)));
    assert_eq!(up.time_of(125.0), Some(s(5)), "a quarter of the area in half of the time");
    assert_eq!(down.time_of(375.0), Some(s(5)));
    for n in 1..500_u32 {
        let (n, mirrored) = (f64::from(n), f64::from(500 - n));
        let sum = up.time_of(n).unwrap() + down.time_of(mirrored).unwrap();
        assert!(sum.abs_diff(s(10)) <= Duration::from_nanos(2), "{n}: {sum:?}");
    }
}

#[test]
fn a_pause_moves_the_next_arrival_behind_it() {
    let pause = [Step::Hold(s(5)), jump(0.0, Some(s(60))), jump(10.0, Some(s(1)))];
    let curve = Curve::steps(10.0, &pause);
    assert_eq!(curve.time_of(49.0), Some(ms(4_900)));
    assert_eq!(curve.time_of(50.0), Some(s(65)));
}

#[test]
fn a_billion_arrivals_are_as_exact_as_a_hundred() {
    let curve = Curve::constant(1e5, s(10_000));
    assert_eq!(curve.total(), 1e9);
    assert_eq!(curve.time_of(999_999_999.0), Some(s(10_000) - Duration::from_micros(10)));
    let ramp = Curve::steps(0.0, &[to(2e5, s(10_000))]);
    let last = ramp.time_of(999_999_999.0).unwrap();
    let expected = 1e4 * (1.0_f64 - 1e-9).sqrt();
    assert!((last.as_secs_f64() - expected).abs() < 1e-8, "{last:?}");
}

#[test]
fn a_level_is_risen_above_again_after_the_load_fell() {
    let curve = Curve::steps(0.0, &[to(10.0, s(10)), to(0.0, s(10)), to(10.0, s(10))]);
    let rise = |t| curve.rise_above(4.0, t);
    assert_eq!(rise(s(0)), Some(s(4)));
    assert_eq!(rise(s(12)), Some(s(12)), "above it now");
    assert_eq!(rise(s(16)), Some(s(24)), "at it, and falling");
    assert_eq!(rise(s(30)), None);
    assert_eq!(curve.rise_above(10.0, s(0)), None, "reached, never above");
}

#[test]
fn a_curve_without_steps_takes_no_time_and_keeps_its_value() {
    let curve = Curve::steps(7.0, &[]);
    assert_eq!((curve.duration(), curve.total(), curve.peak()), (s(0), 0.0, 0.0));
    assert_eq!(curve.last(), 7.0);
    assert_eq!(curve.rise_above(0.0, s(0)), None);
}

#[test]
fn numbers_that_make_no_sense_do_not_panic() {
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -5.0, f64::MAX] {
        let curve = Curve::steps(1.0, &[to(value, Duration::MAX), jump(value, Some(s(1)))]);
        for t in [Duration::ZERO, s(1), Duration::MAX] {
            let _ = (curve.at(t), curve.area(t), curve.rise_above(0.5, t));
        }
        let _ = (curve.time_of(0.0), curve.time_of(1e300), curve.peak(), curve.total());
    }
}

#[test]
fn a_curve_is_written_as_its_pieces() {
    let curve = Curve::steps(0.0, &[to(200.0, s(60)), Step::Burst(100), Step::Hold(ms(1_500))]);
    insta::assert_snapshot!(
        serde_json::to_string(&curve).unwrap(),
        @r#"[{"start":0.0,"over":60.0,"from":0.0,"to":200.0},{"start":60.0,"burst":100.0},{"start":60.0,"over":1.5,"from":200.0,"to":200.0}]"#
    );
}
