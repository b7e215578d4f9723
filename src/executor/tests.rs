//! Executors in paused time, driving users that only wait and write down when they were started.
//!
//! tokio's paused clock moves in whole milliseconds, so real starts are compared at that grain and
//! intended ones exactly.
#![expect(clippy::unchecked_time_subtraction, reason = "a negative time fails the test")]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::{Clock, Counts, Driver, Halt, Shift, Stop, Stripe, Turn, run};
use crate::plan::{Arrivals, Curve, Load, Place, Scenario, Start, Step};

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// One start, with all times from the scenario's begin.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Begun {
    at: Duration,
    intended: Option<Duration>,
    number: u64,
    user: u64,
}

/// Writes down every start and waits as long as `service` says.
struct Fake<F> {
    begin: Instant,
    begun: RefCell<Vec<Begun>>,
    created: Cell<u64>,
    /// How long a user takes to be made.
    making: Duration,
    service: F,
}

impl<F> Fake<F> {
    fn new(begin: Instant, service: F) -> Self {
        Self { begin, begun: RefCell::default(), created: Cell::new(0), making: s(0), service }
    }
}

impl<F: AsyncFn(Begun) + 'static> Driver for Fake<F> {
    type User = u64;

    async fn create(&self, number: u64) -> u64 {
        self.created.update(|users| users + 1);
        sleep(self.making).await;
        number
    }

    async fn iterate(&self, user: &mut u64, turn: Turn) {
        let begun = Begun {
            at: self.begin.elapsed(),
            intended: turn.intended.map(|intended| intended - self.begin),
            number: turn.number,
            user: *user,
        };
        self.begun.borrow_mut().push(begun.clone());
        (self.service)(begun).await;
    }
}

/// What a run came to.
#[derive(Debug)]
struct Ran {
    /// Every start, in order of time.
    begun: Vec<Begun>,
    counts: Counts,
    /// When `run` returned.
    end: Duration,
    created: u64,
}

fn scenario(load: Load) -> Scenario {
    Scenario {
        name: Arc::from("test"),
        load,
        start: Start::At(Duration::ZERO),
        graceful_stop: s(30),
        max_users: None,
        tags: BTreeMap::new(),
        place: Place { file: "test.lua".to_owned(), line: 1 },
        keys: BTreeMap::new(),
    }
}

fn rate(curve: Curve) -> Scenario {
    scenario(Load::Rate { curve, arrivals: Arrivals::Even })
}

fn users(curve: Curve) -> Scenario {
    scenario(Load::Users(curve))
}

/// Does `work` in paused time.
fn paused<T>(work: impl Future<Output = T>) -> T {
    let mut runtime = Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).build_local(LocalOptions::default());
    runtime.unwrap().block_on(work)
}

/// The shift of the only worker.
fn shift(begin: Instant, stop: Stop) -> Shift {
    let stripe = Stripe { worker: 0, of: 1 };
    Shift { stripe, begin, seed: 7, clock: Clock::tokio(), stop, tally: Rc::default() }
}

/// Runs `scenario` on `workers` workers in paused time, halting it as `halts` says.
fn run_halted<F: AsyncFn(Begun) + 'static>(
    scenario: &Scenario,
    workers: u64,
    halts: &[(Duration, Halt)],
    service: F,
) -> Ran {
    paused(async {
        let begin = Instant::now() + s(1);
        let driver = Rc::new(Fake::new(begin, service));
        let (halt, stop) = Stop::channel();
        let whole = shift(begin, stop);
        let mut all = tokio::task::JoinSet::new();
        for worker in 0..workers {
            let shift = Shift { stripe: Stripe { worker, of: workers }, ..whole.clone() };
            let (scenario, driver) = (scenario.clone(), Rc::clone(&driver));
            all.spawn_local(async move { run(&scenario, shift, driver).await });
        }
        let halting = tokio::task::spawn_local(ask(halt, begin, halts.to_vec()));
        while let Some(ended) = all.join_next().await {
            super::crew::pass_on_panic(ended);
        }
        halting.abort();
        let mut begun = driver.begun.take();
        begun.sort();
        let (counts, created) = (whole.tally.counts(), driver.created.get());
        Ran { begun, counts, end: begin.elapsed(), created }
    })
}

/// Asks for each halt at its time, and then stays to keep the channel open.
async fn ask(halt: watch::Sender<Halt>, begin: Instant, halts: Vec<(Duration, Halt)>) {
    for (at, asked) in halts {
        tokio::time::sleep_until(begin + at).await;
        halt.send_replace(asked);
    }
    std::future::pending::<()>().await;
}

fn run_on<F: AsyncFn(Begun) + 'static>(scenario: &Scenario, workers: u64, service: F) -> Ran {
    run_halted(scenario, workers, &[], service)
}

/// A service time that differs from user to user and from turn to turn.
async fn uneven(begun: Begun) {
    sleep(ms(20 + (begun.user * 37 + begun.number * 11) % 90)).await;
}

fn any_curve(most: f64, burst: u64) -> impl Strategy<Value = Curve> {
    let load = move || prop_oneof![1 => Just(0.0), 4 => 0.0..most];
    let span = || (0..3_000_u64).prop_map(ms);
    let step = prop_oneof![
        3 => (load(), span()).prop_map(|(to, over)| Step::To { to, over }),
        1 => span().prop_map(Step::Hold),
        2 => (load(), span()).prop_map(|(to, hold)| Step::Jump { to, hold: Some(hold) }),
        burst.min(1) as u32 => (0..=burst).prop_map(Step::Burst),
    ];
    (load(), vec(step, 1..5)).prop_map(|(start, steps)| Curve::steps(start, &steps))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn many_workers_start_the_arrivals_of_one(curve in any_curve(60.0, 30), poisson: bool) {
        let arrivals = if poisson { Arrivals::Poisson } else { Arrivals::Even };
        let scenario = scenario(Load::Rate { curve, arrivals });
        // Which user takes an arrival is each worker's own affair.
        let starts = |workers| {
            let ran = run_on(&scenario, workers, uneven);
            let arrival = |begun: Begun| (begun.number, begun.intended, begun.at);
            ran.begun.into_iter().map(arrival).collect::<Vec<_>>()
        };
        let one = starts(1);
        for workers in 2..=4 {
            prop_assert_eq!(&starts(workers), &one);
        }
    }

    #[test]
    fn many_workers_start_the_users_of_one(curve in any_curve(12.0, 0)) {
        let scenario = users(curve);
        let one = run_on(&scenario, 1, uneven);
        for workers in 2..=4 {
            let many = run_on(&scenario, workers, uneven);
            prop_assert_eq!(&many.begun, &one.begun);
            prop_assert_eq!((many.counts, many.end), (one.counts, one.end));
        }
    }

    #[test]
    fn many_workers_do_the_work_of_one(
        steps in vec((0..40_u32, 0..2_000_u64), 0..4),
        share in 0.0..40.0,
        service in 1..300_u64,
    ) {
        let mut released = 0.0;
        let steps: Vec<_> = steps.into_iter().map(|(more, over)| {
            released += f64::from(more);
            Step::To { to: released, over: ms(over) }
        }).collect();
        let curve = Curve::steps(0.0, &steps);
        let total = (released + share) as u64;
        let mut scenario = scenario(Load::Iterations { curve, total, duration: None });
        // Twelve users can be divided among one, two, three and four workers.
        scenario.max_users = Some(12);
        let starts = |workers| {
            let ran = run_on(&scenario, workers, async move |_| sleep(ms(service)).await);
            ran.begun.into_iter().map(|begun| (begun.number, begun.at)).collect::<Vec<_>>()
        };
        let one = starts(1);
        prop_assert_eq!(one.len() as u64, total);
        for workers in if total < 12 { 1..=1 } else { 2..=4 } {
            prop_assert_eq!(&starts(workers), &one);
        }
    }

    #[test]
    fn an_arrival_is_intended_by_the_formula_and_started_when_due(curve in any_curve(60.0, 30)) {
        let ran = run_on(&rate(curve.clone()), 2, uneven);
        prop_assert_eq!(ran.begun.len() as u64, curve.total().ceil() as u64);
        for begun in ran.begun {
            prop_assert_eq!(begun.intended, curve.time_of(begun.number as f64));
            let lag = begun.at - begun.intended.unwrap();
            prop_assert!(lag < ms(1), "{lag:?}: beyond the grain of the paused clock");
        }
    }

    #[test]
    fn a_user_iterates_only_while_the_curve_is_above_it(curve in any_curve(12.0, 0)) {
        for begun in run_on(&users(curve.clone()), 2, uneven).begun {
            // One tick earlier, as the paused clock rounds the moment of rising up.
            let above = curve.rise_above(begun.user as f64, begun.at.saturating_sub(ms(1)));
            prop_assert!(above.is_some_and(|rise| rise <= begun.at));
        }
    }

    #[test]
    fn a_service_slower_than_the_rate_drops_exactly_what_it_cannot_take(
        gap in 2..50_u64, missed in 0..5_u64, arrivals in 1..300_u32, workers in 1..5_u64,
    ) {
        let curve = Curve::constant(1e3 / gap as f64, ms(gap) * arrivals);
        let mut scenario = rate(curve);
        scenario.max_users = Some(1);
        // Busy until half a gap after the last missed arrival, less a tick for odd gaps.
        let service = ms(gap * missed + gap / 2);
        let ran = run_on(&scenario, workers, async move |_| sleep(service).await);
        let started = u64::from(arrivals).div_ceil(missed + 1);
        prop_assert_eq!(ran.counts.offered, u64::from(arrivals));
        prop_assert_eq!(ran.counts.started, started);
        prop_assert_eq!(ran.counts.dropped, u64::from(arrivals) - started);
        prop_assert_eq!(ran.created, 1);
    }

    #[test]
    fn the_counts_add_up_however_a_run_ends(
        curve in any_curve(30.0, 10), open: bool, graceful in 0..6_000_u64, now in 0..3_000_u64,
        most in 1..20_u64, stop in 0..500_u64,
    ) {
        let mut scenario = if open { rate(curve) } else { users(curve) };
        scenario.max_users = open.then_some(most);
        scenario.graceful_stop = ms(stop);
        let halts = [(ms(graceful), Halt::Graceful), (ms(graceful + now), Halt::Now)];
        let ran = run_halted(&scenario, 3, &halts, uneven);
        let Counts { offered, started, finished, dropped, unfinished, .. } = ran.counts;
        prop_assert_eq!(offered, started + dropped);
        prop_assert_eq!(started, finished + unfinished);
        prop_assert_eq!(started, ran.begun.len() as u64);
        prop_assert_eq!((ran.counts.users_now, ran.counts.users_busy), (0, 0));
    }
}

#[test]
fn poisson_arrivals_are_as_many_as_the_curve_says_and_as_irregular_as_chance() {
    let load = Load::Rate { curve: Curve::constant(100.0, s(100)), arrivals: Arrivals::Poisson };
    let ran = run_on(&scenario(load), 2, async |_| {});
    let intended: Vec<_> = ran.begun.iter().map(|begun| begun.intended.unwrap()).collect();
    let count = intended.len() as f64;
    assert!((count - 1e4).abs() < 400.0, "{count}: four standard deviations");
    let long = intended.windows(2).filter(|pair| pair[1] - pair[0] > ms(10)).count() as f64;
    assert!((long / count - (-1_f64).exp()).abs() < 0.02, "{long} gaps longer than the mean");
}

#[test]
fn running_iterations_are_cut_off_exactly_when_graceful_stop_has_passed() {
    let mut scenario = users(Curve::constant(3.0, s(10)));
    scenario.graceful_stop = s(5);
    let ran = run_on(&scenario, 1, async |_| sleep(s(100)).await);
    assert_eq!(ran.end, s(15));
    assert_eq!((ran.counts.started, ran.counts.unfinished, ran.counts.finished), (3, 3, 0));
}

#[test]
fn a_run_ends_as_soon_as_the_last_running_iteration_has() {
    let ran = run_on(&users(Curve::constant(3.0, s(10))), 2, async |_| {
        sleep(s(7)).await;
    });
    assert_eq!(ran.end, s(14));
    assert_eq!((ran.counts.finished, ran.counts.unfinished), (6, 0));
}

#[test]
fn a_graceful_halt_starts_nothing_more_and_then_waits_as_long_as_at_the_end() {
    let mut scenario = rate(Curve::constant(1.0, s(60)));
    scenario.graceful_stop = s(5);
    let halts = [(ms(4_500), Halt::Graceful)];
    let ran = run_halted(&scenario, 2, &halts, async |begun| {
        sleep(if begun.number == 4 { s(100) } else { s(2) }).await;
    });
    assert_eq!(ran.end, ms(9_500));
    assert_eq!((ran.counts.started, ran.counts.finished, ran.counts.unfinished), (5, 4, 1));
}

#[test]
fn halt_now_cuts_off_at_once() {
    let scenario = users(Curve::constant(3.0, s(10)));
    for halts in [&[(s(4), Halt::Now)][..], &[(s(2), Halt::Graceful), (s(4), Halt::Now)]] {
        let ran = run_halted(&scenario, 2, halts, async |_| sleep(s(100)).await);
        assert_eq!((ran.end, ran.counts.unfinished), (s(4), 3));
    }
}

#[test]
fn a_halt_before_the_begin_starts_nothing_and_waits_for_nothing() {
    let loads = [
        rate(Curve::constant(10.0, s(10))),
        users(Curve::constant(2.0, s(10))),
        scenario(Load::iterations(10, None)),
    ];
    for scenario in loads {
        let (halt, stop) = Stop::channel();
        halt.send_replace(Halt::Graceful);
        paused(async {
            let begin = Instant::now() + s(3_600);
            let driver = Rc::new(Fake::new(begin, async |_| {}));
            let shift = shift(begin, stop);
            let tally = Rc::clone(&shift.tally);
            run(&scenario, shift, Rc::clone(&driver)).await;
            assert_eq!(begin - Instant::now(), s(3_600));
            assert_eq!((tally.counts(), driver.created.get()), (Counts::default(), 0));
        });
    }
}

#[test]
fn users_leave_as_the_curve_falls_and_return_with_their_state_as_it_rises() {
    let wave = [4.0, 0.0, 4.0].map(|to| Step::To { to, over: s(4) });
    let ran = run_on(&users(Curve::steps(0.0, &wave)), 2, async |_| {
        sleep(ms(100)).await;
    });
    let of_user_2: Vec<_> = ran.begun.iter().filter(|begun| begun.user == 2).collect();
    let (first, second) = of_user_2.split_at(of_user_2.partition_point(|begun| begun.at < s(8)));
    assert_eq!((first[0].at, second[0].at), (s(2), s(10)));
    assert_eq!(first.last().unwrap().at, ms(5_900), "the curve is above 2 until 6 s");
    assert_eq!(second.last().unwrap().at, ms(11_900));
    let numbers: Vec<_> = of_user_2.iter().map(|begun| begun.number).collect();
    assert_eq!(numbers, (0..60).collect::<Vec<_>>(), "numbered on after the rest");
    assert_eq!(ran.created, 4, "nobody was made twice");
}

#[test]
fn progress_sees_users_come_go_and_work() {
    let wave = [4.0, 0.0, 0.0, 4.0].map(|to| Step::To { to, over: s(4) });
    let scenario = users(Curve::steps(0.0, &wave));
    paused(async {
        let begin = Instant::now();
        let (_halt, stop) = Stop::channel();
        let shift = shift(begin, stop);
        let tally = Rc::clone(&shift.tally);
        let driver = Rc::new(Fake::new(begin, async |_| sleep(ms(100)).await));
        let all = tokio::task::spawn_local(async move { run(&scenario, shift, driver).await });
        for (at, present) in [(500, 1), (3_550, 4), (6_550, 2), (8_500, 0), (14_550, 3)] {
            tokio::time::sleep_until(begin + ms(at)).await;
            let counts = tally.counts();
            assert_eq!((counts.users_now, counts.users_busy), (present, present), "{at} ms");
        }
        all.await.unwrap();
    });
}

#[test]
fn a_target_that_stalls_for_two_seconds_is_told_in_full() {
    // Each arrival within the stall has to wait for its end, those before and after for nothing.
    let curve = Curve::constant(200.0, s(10));
    let ended = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&ended);
    let ran = run_on(&rate(curve), 2, async move |begun| {
        if (s(5)..s(7)).contains(&begun.at) {
            sleep(s(7) - begun.at).await;
            log.borrow_mut().push(s(7) - begun.intended.unwrap());
        } else {
            log.borrow_mut().push(Duration::ZERO);
        }
    });
    let mut responses = ended.take();
    responses.sort();
    assert_eq!(responses.len(), 2_000);
    assert_eq!(responses[1_899], ms(1_500), "p95");
    assert_eq!(responses.iter().sum::<Duration>(), ms(5) * (1..=400).sum::<u32>());
    assert_eq!((ran.counts.dropped, ran.counts.late), (0, 0));
}

#[test]
fn a_worker_that_stalls_for_two_seconds_is_late_by_what_arithmetic_says() {
    let ran = run_on(&rate(Curve::constant(200.0, s(10))), 1, async |begun| {
        if begun.number == 400 {
            tokio::time::advance(s(2)).await;
        }
    });
    for begun in &ran.begun {
        let due = ms(5) * begun.number as u32;
        assert_eq!(begun.intended, Some(due), "the schedule does not move");
        let stalled = (401..800).contains(&begun.number);
        assert_eq!(begun.at, if stalled { s(4) } else { due });
    }
    assert_eq!(ran.counts.late, 397, "numbers 401 to 797: more than 10 ms before the end");
    assert_eq!((ran.counts.started, ran.counts.dropped), (2_000, 0));
}

#[test]
fn a_free_user_with_a_warm_connection_is_taken_before_a_cold_one() {
    let curve = Curve::steps(
        0.0,
        &[Step::Burst(3), Step::Hold(s(1)), Step::Jump { to: 2.0, hold: Some(s(5)) }],
    );
    let ran = run_on(&rate(curve), 1, async |begun| {
        sleep(ms(100 + begun.user)).await;
    });
    let later: Vec<_> = ran.begun[3..].iter().map(|begun| begun.user).collect();
    assert_eq!(later, [2; 10], "the last to become free");
    assert_eq!(ran.created, 3);
}

#[test]
fn work_stops_at_its_time_limit() {
    let mut scenario = scenario(Load::iterations(1_000, Some(s(10))));
    scenario.max_users = Some(4);
    let ran = run_on(&scenario, 2, async |_| sleep(ms(1_500)).await);
    assert_eq!(ran.end, ms(10_500));
    assert_eq!((ran.counts.started, ran.counts.finished), (28, 28));
}

#[test]
fn work_without_max_users_is_done_by_one_user_in_order() {
    let ran = run_on(&scenario(Load::iterations(5, None)), 3, async |_| {
        sleep(s(1)).await;
    });
    let done: Vec<_> = ran.begun.iter().map(|begun| (begun.number, begun.at)).collect();
    assert_eq!(done, (0..5).map(|n| (n, s(n))).collect::<Vec<_>>());
    assert_eq!((ran.created, ran.end), (1, s(5)));
}

#[test]
fn a_user_that_never_waits_does_not_keep_the_worker_to_itself() {
    let (halt, stop) = Stop::channel();
    paused(async {
        let (begin, turns) = (Instant::now(), Cell::new(0));
        let service = async move |_| {
            turns.update(|turns| turns + 1);
            if turns.get() == 1_000 {
                halt.send_replace(Halt::Now);
            }
        };
        let driver = Rc::new(Fake::new(begin, service));
        run(&users(Curve::constant(1.0, s(10))), shift(begin, stop), driver).await;
        assert_eq!(begin.elapsed(), Duration::ZERO, "told to stop, not out of time");
    });
}

#[test]
#[should_panic(expected = "ours")]
fn a_panic_in_an_iteration_reaches_whoever_runs_the_scenario() {
    run_on(&scenario(Load::iterations(1, None)), 1, async |_| panic!("ours"));
}

#[test]
fn a_user_costs_the_executor_less_than_half_a_kilobyte() {
    let begin = paused(async { Instant::now() });
    let driver = Rc::new(Fake::new(begin, async |_| {}));
    let crew = Rc::new(super::Crew::new(shift(begin, Stop::channel().1), driver));
    let turn = Turn { number: 0, intended: None };
    let closed = super::users::live(Rc::clone(&crew), Rc::new(Curve::steps(0.0, &[])), 0);
    let open = super::rate::serve(crew, Rc::default(), 0, turn);
    let sizes = [size_of_val(&closed), size_of_val(&open)];
    assert!(sizes.iter().all(|size| *size < 512), "{sizes:?}");
}

#[test]
fn an_arrival_that_is_late_for_its_new_user_is_told_from_others() {
    let counts = paused(async {
        let begin = Instant::now();
        let driver = Fake { making: ms(200), ..Fake::new(begin, async |_| sleep(ms(80)).await) };
        let (_halt, stop) = Stop::channel();
        let shift = shift(begin, stop);
        let tally = Rc::clone(&shift.tally);
        run(&rate(Curve::constant(20.0, s(3))), shift, Rc::new(driver)).await;
        tally.counts()
    });
    // A user is taken for 280 ms by its first arrival: six are made before one is free again.
    assert_eq!((counts.started, counts.late, counts.awaited_init), (60, 6, 6));
}

#[test]
fn a_scenario_has_settled_when_all_but_one_in_a_hundred_of_its_iterations_have_ended() {
    let after = |stragglers: u64| {
        paused(async move {
            let begin = Instant::now();
            let slow = async move |begun: Begun| {
                sleep(if begun.number < stragglers { s(9) } else { ms(10) }).await;
            };
            let (_halt, stop) = Stop::channel();
            let shift = shift(begin, stop);
            let tally = Rc::clone(&shift.tally);
            let scenario = rate(Curve::constant(100.0, s(2)));
            run(&scenario, shift, Rc::new(Fake::new(begin, slow))).await;
            [tally.offered(), tally.settled()].map(|at| at.map(|at| at - begin))
        })
    };
    assert_eq!(after(2), [Some(s(2)); 2]);
    // The first of them ends after 9 s.
    assert_eq!(after(3), [Some(s(2)), Some(s(9))]);
}
