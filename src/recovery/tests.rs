//! Calls made up so that arithmetic says what the fault did.

use proptest::prelude::*;

use super::*;
use crate::metric::{Ending, Merge as _, Tally, Timeline};

const MILLI: Duration = Duration::from_millis(1);
const FAULT: (u32, u32) = (20_000, 30_000);
const END: u32 = 60_000;

/// Calls, the phases they fall in, and what is asked and known besides.
struct Made {
    windows: Windows,
    edges: Edges,
    terms: Terms,
    facts: Facts,
    end: u32,
}

impl Made {
    /// No calls yet, around a fault that stands from then to then.
    fn around(fault: (u32, u32), end: u32) -> Self {
        let timeline = Timeline::new(Duration::ZERO);
        timeline.begins("f", MILLI * fault.0);
        timeline.ends("f", MILLI * fault.1);
        let (edges, terms) = (timeline.edges(), Terms::default());
        let facts = Facts { touched: true, ..Facts::default() };
        Self { windows: Windows::default(), edges, terms, facts, end }
    }

    fn add(&mut self, made: Duration, took: Duration, ending: Ending) {
        self.windows.add(&self.edges, made, made + took, ending);
    }

    fn span(&self) -> Span {
        Span::of("f", &self.edges, MILLI * self.end).unwrap()
    }

    fn assess(&self) -> Recovery {
        self.within(self.span())
    }

    fn within(&self, span: Span) -> Recovery {
        let calls = Calls { windows: &self.windows, edges: &self.edges };
        assess(&calls, span, &self.terms, &self.facts)
    }

    /// What a part of the load is when as many are due a second.
    fn load(offered: [u64; 3]) -> [Load; 3] {
        offered.map(|offered| Load { offered, started: offered, ..Load::default() })
    }
}

/// A call every 10 ms for a minute; `call` says how long one made then takes, and whether it fails.
fn run(call: impl Fn(u32) -> (Duration, bool)) -> Made {
    let mut made = Made::around(FAULT, END);
    for at in (0..END).step_by(10) {
        let (took, bad) = call(at);
        made.add(MILLI * at, took, if bad { Ending::Failed } else { Ending::Good });
    }
    made
}

fn within(at: u32, from: u32, to: u32) -> bool {
    (from..to).contains(&at)
}

fn near(found: f64, expected: f64, by: f64) {
    assert!((found - expected).abs() <= by, "{found}, not {expected}");
}

fn cost(recovery: &Recovery) -> Cost {
    recovery.cost.unwrap()
}

#[test]
fn a_fault_nobody_felt_is_decided_once_calls_stayed_good_for_long_enough() {
    let mut made = run(|_| (MILLI * 5, false));
    for (after, decided) in [(0, false), (500, false), (1_000, false), (1_500, true)] {
        made.end = FAULT.1 + after;
        let recovery = made.assess();
        let found = (recovery.verdict, recovery.judged, recovery.is_decided());
        assert_eq!(found, (Verdict::Tolerated, after / 500, decided));
        made.facts.touched = false;
        assert_eq!(
            (made.assess().verdict, decided),
            (Verdict::NoEffect, made.assess().is_decided())
        );
        made.facts.touched = true;
    }
}

#[test]
fn an_outage_is_decided_once_calls_are_good_again() {
    let mut made = run(|at| (MILLI * 5, within(at, FAULT.0, FAULT.1 + 2_000)));
    for (after, verdict) in [
        (500, Verdict::NotRecovered),
        (3_000, Verdict::NotRecovered),
        (3_500, Verdict::Recovered),
        (9_000, Verdict::Recovered),
    ] {
        made.end = FAULT.1 + after;
        let recovery = made.assess();
        assert_eq!(recovery.verdict, verdict, "{after}");
        assert_eq!(recovery.is_decided(), verdict == Verdict::Recovered);
    }
}

#[test]
fn a_square_outage_is_recovered_from_at_once_and_costs_what_failed() {
    let down = |at| within(at, FAULT.0, FAULT.1);
    let recovery = run(|at| (MILLI * 5, down(at))).assess();
    assert_eq!(recovery.verdict, Verdict::Recovered);
    assert_eq!(
        (recovery.onset, recovery.recover, recovery.settle),
        (Some(0.0), Some(0.0), Some(0.0))
    );
    // Three windows in a row are no accident after a baseline without a flaw.
    assert_eq!((recovery.confirm, recovery.detect), (3, Some(1.5)));
    assert_eq!((recovery.first_error, recovery.outage), (Some(0.005), Some(10.0)));
    assert_eq!((recovery.relapses, recovery.during), (0, false));
    let cost = cost(&recovery);
    near(cost.lost, 1_000.0, 0.0);
    near(cost.excess, 1_000.0, 1e-9);
    near(cost.deficit, 1_000.0, 1e-6);
    near(cost.resilience, 0.0, 0.0);
    // 10 s of nothing but failures, of 2,592 s a month at 99.9 % allows.
    near(cost.budget, 10.0 / 2_592.0, 1e-9);
    near(cost.burn[0], 1_000.0, 1e-6);
    // At its end a third of all calls so far has failed, and there were no 60 s yet.
    near(cost.burn[1], 1_000.0 / 3.0, 1e-6);
    let counts = [recovery.baseline, recovery.fault, recovery.after];
    assert_eq!(
        counts.map(|part| (part.calls, part.failed)),
        [(2_000, 0), (1_000, 1_000), (3_000, 0)]
    );
    assert_eq!(counts.map(|part| part.success()), [Some(1.0), Some(0.0), Some(1.0)]);
}

#[test]
fn a_minute_of_outage_burns_the_share_of_a_month_that_arithmetic_says() {
    let mut made = Made::around((20_000, 80_000), 100_000);
    for at in (0..100_000).step_by(10) {
        let ending = if within(at, 20_000, 80_000) { Ending::Failed } else { Ending::Good };
        made.add(MILLI * at, Duration::ZERO, ending);
    }
    let recovery = made.assess();
    // 60 of 2,592 s.
    near(cost(&recovery).budget, 0.023_148, 1e-6);
    near(cost(&recovery).burn[1], 1_000.0, 1e-6);
    // 14.4 times too fast for an hour: 14.4 / 1,000 of it.
    near(recovery.alert.unwrap(), 51.84, 1e-6);
    let month = budget(&Terms::default(), 100.0, 6_000);
    near(month.allowed, 259_200.0, 1e-3);
    near(month.burnt(), 0.023_148, 1e-6);
}

#[test]
fn what_another_fault_cost_before_is_not_held_against_this_one() {
    let mut made = run(|at| (MILLI * 5, within(at, 10_000, 12_000)));
    made.terms.success = Some(0.5);
    made.facts.load = Made::load([2_000, 1_000, 3_000]);
    let span = Span { baseline: MILLI * 10_000, ..made.span() };
    let recovery = made.within(span);
    assert_eq!(recovery.verdict, Verdict::Tolerated);
    cost(&recovery).burn.iter().for_each(|burn| near(*burn, 0.0, 0.0));
}

#[test]
fn a_short_outage_sets_off_no_alert() {
    let down = |at| within(at, FAULT.0, FAULT.1);
    assert_eq!(run(|at| (MILLI * 5, down(at))).assess().alert, None);
}

#[test]
fn a_tail_of_failures_after_the_fault_is_the_time_to_recover() {
    let down = |at| within(at, FAULT.0, FAULT.1 + 4_200);
    let recovery = run(|at| (MILLI * 5, down(at))).assess();
    assert_eq!(recovery.verdict, Verdict::Recovered);
    // Within the resolution of a window.
    assert_eq!((recovery.recover, recovery.settle), (Some(4.5), Some(4.5)));
    near(cost(&recovery).lost, 1_420.0, 0.0);
}

#[test]
fn what_does_not_come_back_has_no_time_to_recover() {
    let recovery = run(|at| (MILLI * 5, at >= FAULT.0)).assess();
    assert_eq!(recovery.verdict, Verdict::NotRecovered);
    assert_eq!((recovery.recover, recovery.settle, recovery.tail), (None, None, 30.0));
}

#[test]
fn trouble_that_outlives_its_cause_though_no_more_is_asked_keeps_itself_alive() {
    let mut made = run(|at| (MILLI * 5, at >= FAULT.0));
    made.facts.load = Made::load([2_000, 1_000, 3_000]);
    assert_eq!(made.assess().verdict, Verdict::Metastable);
    // Twice as much is asked: no wonder.
    made.facts.load = Made::load([2_000, 1_000, 6_000]);
    assert_eq!(made.assess().verdict, Verdict::NotRecovered);
    // Watched for less than the fault stood.
    made.facts.load = Made::load([2_000, 1_000, 900]);
    made.end = 39_000;
    assert_eq!(made.assess().verdict, Verdict::NotRecovered);
}

#[test]
fn going_bad_again_is_a_relapse_and_settles_at_its_end() {
    let down = |at| within(at, FAULT.0, FAULT.1) || within(at, 40_000, 45_000);
    let recovery = run(|at| (MILLI * 5, down(at))).assess();
    assert_eq!(recovery.verdict, Verdict::RecoveredThenRelapsed);
    assert_eq!((recovery.recover, recovery.settle), (Some(0.0), Some(15.0)));
    assert_eq!(recovery.relapses, 1);
}

#[test]
fn one_bad_window_long_after_is_an_accident_and_two_in_a_row_are_not() {
    let until = |length: u32| {
        let down = move |at| within(at, FAULT.0, FAULT.1) || within(at, 40_000, 40_000 + length);
        run(|at| (MILLI * 5, down(at))).assess()
    };
    assert_eq!((until(500).settle, until(1_000).settle), (Some(0.0), Some(11.0)));
    near(cost(&until(500)).lost, 1_000.0, 0.0);
    assert_eq!((until(500).relapses, until(1_000).relapses), (0, 0));
}

#[test]
fn a_fault_nobody_feels_is_tolerated_and_one_that_touched_nothing_had_no_effect() {
    let mut made = run(|_| (MILLI * 5, false));
    let recovery = made.assess();
    assert_eq!(recovery.verdict, Verdict::Tolerated);
    assert_eq!((recovery.onset, recovery.detect, recovery.recover), (None, None, None));
    near(cost(&recovery).lost, 0.0, 0.0);
    made.facts.touched = false;
    assert_eq!(made.assess().verdict, Verdict::NoEffect);
    made.facts.unclean = true;
    assert_eq!(made.assess().verdict, Verdict::Unclean);
}

#[test]
fn calls_that_failed_are_an_effect_even_where_nothing_was_seen_to_be_touched() {
    let mut made = run(|at| (MILLI * 5, at == FAULT.0));
    made.facts.touched = false;
    assert_eq!(made.assess().verdict, Verdict::Tolerated);
}

#[test]
fn a_generator_that_was_late_itself_says_nothing_of_the_target() {
    let mut made = run(|at| (MILLI * 5, at >= FAULT.0));
    made.facts.load[1].lag = MILLI * 251;
    let recovery = made.assess();
    assert_eq!(recovery.verdict, Verdict::GeneratorLimited);
    let limited = [recovery.baseline, recovery.fault, recovery.after].map(|part| part.limited);
    assert_eq!(limited, [false, true, false]);
}

#[test]
fn slowness_is_a_fault_too_and_its_debt_is_the_time_waited() {
    let slow = |at| within(at, FAULT.0, FAULT.1);
    let took = |at| if slow(at) { MILLI * 105 } else { MILLI * 5 };
    let recovery = run(|at| (took(at), false)).assess();
    assert_eq!(recovery.verdict, Verdict::Recovered);
    // 1,000 calls that took 100 ms longer.
    near(cost(&recovery).debt, 100.0, 0.2);
    near(cost(&recovery).wait, 0.1, 0.001);
    near(cost(&recovery).lost, 0.0, 0.0);
    let late = [recovery.baseline, recovery.fault, recovery.after].map(|part| part.late);
    assert_eq!(late, [Some(0), Some(1_000), Some(0)]);
}

#[test]
fn what_is_normal_may_be_given() {
    let slow = |at| within(at, FAULT.0, FAULT.1);
    let took = |at| if slow(at) { MILLI * 105 } else { MILLI * 5 };
    let mut made = run(|at| (took(at), at % 1_000 == 0));
    made.terms = Terms { p99: Some(MILLI * 200), success: Some(0.97), ..Terms::default() };
    assert_eq!(made.assess().verdict, Verdict::Tolerated);
    made.terms.success = Some(0.995);
    assert_eq!(made.assess().verdict, Verdict::NoBaseline);
}

#[test]
fn calls_held_for_a_second_owe_what_evenly_spaced_arrivals_wait() {
    // Held for T = 1 s at R = 100/s, from the window's begin: R T^2 / 2 + T / 2 = 50.5.
    let held = |at| within(at, FAULT.0, FAULT.0 + 1_000);
    let took = |at| if held(at) { MILLI * (FAULT.0 + 1_000 - at) } else { Duration::ZERO };
    near(cost(&run(|at| (took(at), false)).assess()).debt, 50.5, 0.1);
}

#[test]
fn a_failover_shows_as_good_again_while_the_fault_stood() {
    let down = |at| within(at, FAULT.0, FAULT.0 + 3_000);
    let recovery = run(|at| (MILLI * 5, down(at))).assess();
    assert!(recovery.during);
    assert_eq!((recovery.verdict, recovery.recover), (Verdict::Recovered, Some(0.0)));
}

#[test]
fn a_timeout_is_known_to_be_bad_only_when_it_ends() {
    let down = |at| within(at, FAULT.0, FAULT.1);
    let took = |at| if down(at) { MILLI * 2_000 } else { MILLI * 5 };
    let recovery = run(|at| (took(at), down(at))).assess();
    assert_eq!((recovery.onset, recovery.first_error), (Some(0.0), Some(2.0)));
    assert_eq!(recovery.detect, Some(3.5));
    assert_eq!(recovery.recover, Some(0.0));
}

#[test]
fn how_calls_ended_is_told_apart_and_a_substitute_is_no_failure() {
    let mut made = Made::around(FAULT, END);
    let endings = [Ending::Good, Ending::Failed, Ending::Refused, Ending::Indeterminate];
    for at in (0..END).step_by(10) {
        let ending =
            if within(at, FAULT.0, FAULT.1) { endings[at as usize / 10 % 4] } else { Ending::Good };
        let counted = made.windows.add(&made.edges, MILLI * at, MILLI * at, ending);
        if ending == Ending::Failed {
            made.windows.degrade(counted);
        }
    }
    made.windows.drop_arrivals(&made.edges, MILLI * FAULT.0, 50);
    let fault = made.assess().fault;
    assert_eq!((fault.offered, fault.calls, fault.dropped), (1_050, 1_000, 50));
    assert_eq!((fault.good, fault.degraded, fault.failed), (250, 250, 500));
    assert_eq!((fault.refused, fault.indeterminate), (250, 250));
    assert_eq!(fault.success(), Some(0.5));
    near(fault.goodput(), 50.0, 1e-9);
    near(cost(&made.assess()).lost, 550.0, 0.0);
}

#[test]
fn a_closed_loop_is_missed_what_it_would_have_been_given() {
    // While the target is down, a user waits a second for each failure.
    let mut made = Made::around(FAULT, END);
    made.facts.closed = true;
    for at in (0..END).step_by(10) {
        let down = within(at, FAULT.0, FAULT.1);
        if !down || at % 1_000 == 0 {
            made.add(MILLI * at, MILLI, if down { Ending::Failed } else { Ending::Good });
        }
    }
    let cost = cost(&made.assess());
    assert!(cost.estimated);
    // The last window with a call in it ends after 9.5 s; the next one begins with the recovery.
    near(cost.lost, 1_000.0, 1e-6);
    // As much of the budget as of calls, and burnt as fast, though few calls were made to tell.
    near(cost.budget, 1_000.0 / (0.001 * 100.0 * 2_592_000.0), 1e-6);
    near(cost.burn[0], 1_000.0, 1.0);
    near(cost.burn[1], 1_000.0 / 6_000.0 / 0.001, 1e-6);
}

#[test]
fn what_piled_up_is_worked_off_at_the_spare_rate() {
    // 100/s come; nothing is served for 10 s; then 200/s are, one after the other.
    let mut made = Made::around(FAULT, END);
    let mut free = Duration::ZERO;
    for at in (0..END).step_by(10) {
        let at = MILLI * at;
        let stalled = at >= MILLI * FAULT.0 && free < MILLI * FAULT.1;
        let begin = if stalled { MILLI * FAULT.1 } else { free.max(at) };
        free = begin + MILLI * 5;
        made.add(at, free.saturating_sub(at), Ending::Good);
    }
    let recovery = made.assess();
    let drain = recovery.drain.unwrap();
    near(drain.calls as f64, 1_000.0, 4.0);
    // 1,000 / (200 - 100).
    near(drain.ideal.unwrap(), 10.0, 0.3);
    near(drain.took.unwrap(), 10.0, 0.5);
    near(recovery.overshoot.unwrap(), 2.0, 0.05);
    // Users who try again at once at an open breaker ask nothing of the target.
    for at in (FAULT.1 + 1_000..FAULT.1 + 2_000).step_by(1) {
        made.add(MILLI * at, Duration::ZERO, Ending::Unmade);
    }
    let spared = made.assess();
    assert_eq!((spared.drain, spared.overshoot), (recovery.drain, recovery.overshoot));
    assert_eq!(spared.after.refused, 1_000);
}

#[test]
fn a_short_or_uneven_baseline_says_nothing() {
    let down = |at| within(at, FAULT.0, FAULT.1);
    let made = run(|at| (MILLI * 5, down(at)));
    let short = Span { baseline: MILLI * 4_000, ..made.span() };
    let recovery = made.within(short);
    assert_eq!((recovery.verdict, recovery.cost), (Verdict::NoBaseline, None));
    // Unless it is said what is normal; then it says only how much is usual.
    let given = Terms { p99: Some(MILLI * 200), success: Some(0.9), ..Terms::default() };
    let given = Made { terms: given, ..made };
    let recovery = given.within(short);
    assert_eq!((recovery.verdict, recovery.recover), (Verdict::Recovered, Some(0.0)));
    near(cost(&recovery).deficit, 1_000.0, 1e-6);
    let none = Span { baseline: Duration::ZERO, ..short };
    assert_eq!(given.within(none).verdict, Verdict::NoBaseline);
    // A fifth of the windows fail without any fault.
    let recovery = run(|at| (MILLI * 5, at % 2_500 < 500)).assess();
    assert_eq!((recovery.verdict, recovery.recover), (Verdict::NoBaseline, None));
}

#[test]
fn few_calls_are_judged_together_and_none_is_not_good() {
    // A call every 100 ms: no window of 500 ms says anything alone.
    let mut made = Made::around(FAULT, END);
    for at in (0..FAULT.1).step_by(100) {
        let ending = if at >= FAULT.0 { Ending::Failed } else { Ending::Good };
        made.add(MILLI * at, MILLI * 5, ending);
    }
    let recovery = made.assess();
    assert_eq!(recovery.baseline.calls, u64::from(FAULT.0 / 100));
    assert_eq!((recovery.verdict, recovery.recover), (Verdict::NotRecovered, None));
}

#[test]
fn windows_of_a_single_call_are_judged_together_as_soon_as_they_are_enough() {
    // A call every 500 ms: ten seconds of them say something.
    let mut made = Made::around((150_000, 210_000), 300_000);
    for at in (0..300_000).step_by(500) {
        let ending = if within(at, 150_000, 210_000) { Ending::Failed } else { Ending::Good };
        made.add(MILLI * at, MILLI * 5, ending);
    }
    let recovery = made.assess();
    assert_eq!(recovery.verdict, Verdict::Recovered);
    assert_eq!((recovery.onset, recovery.recover), (Some(0.0), Some(0.0)));
    // Three times ten seconds.
    assert_eq!((recovery.detect, recovery.outage), (Some(30.0), Some(60.0)));
    near(cost(&recovery).lost, 120.0, 0.0);
}

#[test]
fn a_fault_is_watched_until_the_next_one_begins() {
    let timeline = Timeline::new(MILLI * 1_000);
    let notes = [("a", 5, 9), ("b", 7, 11), ("c", 20, 25)];
    let mut moments: Vec<_> =
        notes.iter().flat_map(|(n, b, e)| [(*b, *n, true), (*e, *n, false)]).collect();
    moments.sort_unstable();
    for (at, name, begins) in moments {
        let note = if begins { Timeline::begins } else { Timeline::ends };
        note(&timeline, name, Duration::from_secs(at));
    }
    let edges = timeline.edges();
    let told = |fault| {
        let span = Span::of(fault, &edges, Duration::from_secs(30)).unwrap();
        [span.warm, span.baseline, span.begin, span.end, span.until].map(|at| at.as_secs())
    };
    assert_eq!(told("a"), [1, 5, 5, 9, 20]);
    assert_eq!(told("b"), [1, 5, 7, 11, 20]);
    assert_eq!(told("c"), [1, 5, 20, 25, 30]);
    assert_eq!(Span::of("d", &edges, Duration::from_secs(30)), None);
}

proptest! {
    #[test]
    fn times_are_never_before_the_fault_and_settling_is_never_before_recovering(
        from in 0..END, length in 0..20_000u32, slow in 0..400u32,
    ) {
        let hurt = |at| within(at, from, from + length);
        let took = |at| if hurt(at) { MILLI * slow } else { MILLI * 5 };
        let recovery = run(|at| (took(at), hurt(at) && slow % 2 == 0)).assess();
        let Recovery { first_error, onset, detect, alert, recover, outage, settle, .. } = recovery;
        for time in [first_error, onset, detect, alert, recover, outage, settle] {
            prop_assert!(time.is_none_or(|time| time >= 0.0));
        }
        if let (Verdict::Recovered, Some(recover), Some(settle)) =
            (recovery.verdict, recovery.recover, recovery.settle)
        {
            prop_assert!(recover <= recovery.tail && settle <= recovery.tail);
        }
        if let Some(cost) = recovery.cost {
            prop_assert!(cost.excess <= cost.lost && cost.lost >= 0.0 && cost.debt >= 0.0);
            prop_assert!(cost.deficit >= -1e-9);
        }
    }

    #[test]
    fn time_waited_is_calls_under_way_summed_up_over_time(
        calls in prop::collection::vec((0..5_000_000u32, 0..900_000u32), 1..60),
    ) {
        // Little: the sum of (L - L_ref) is the integral of the calls under way, less n L_ref.
        let reference = MILLI;
        let mut tally = Tally::default();
        let edges = Timeline::new(Duration::ZERO).edges();
        let mut windows = Windows::default();
        let mut moments = Vec::new();
        for (made, took) in &calls {
            let made = Duration::from_micros(u64::from(*made));
            let ended = made + Duration::from_micros(u64::from(*took));
            windows.add(&edges, made, ended, Ending::Good);
            moments.extend([(made, 1_i64), (ended, -1)]);
        }
        windows.iter(&edges).for_each(|(_, window)| tally.merge(&window.made));
        moments.sort_unstable();
        let (mut under_way, mut area) = (0_i64, 0.0);
        for pair in moments.windows(2) {
            under_way += pair[0].1;
            area += under_way as f64 * pair[1].0.saturating_sub(pair[0].0).as_secs_f64();
        }
        let n = calls.len() as f64;
        let excess = tally.all_times().mean() * n / 1e9 - n * reference.as_secs_f64();
        prop_assert!((excess - (area - n * reference.as_secs_f64())).abs() < 1e-6);
    }
}
