//! What every request passes on its way in and out: stall, capacity, latency, errors.
//!
//! A stall holds requests that arrive and answers that are ready alike, as a paused process does.
//! Capacity is counted after the stall, so requests that piled up meet it together when it ends.
//! What is let in waits its turn where there are `workers`, first come, first served.
//! Random choices come from one seeded stream, in the order of the requests.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, Exp1, StandardNormal};
use rand_xoshiro::Xoshiro256PlusPlus;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::{Behaviour, Capacity, Latency, Workers};

/// The behaviour at work: shared by all requests of a service.
pub(super) struct Gate {
    state: Mutex<State>,
    /// When the present stall ends; a time gone by is no stall.
    stall: watch::Sender<Option<Instant>>,
    requests: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
}

struct State {
    behaviour: Behaviour,
    random: Xoshiro256PlusPlus,
    /// Turns to be had, where there are `workers`.
    turns: Option<Arc<Semaphore>>,
    in_flight: u32,
    /// What requests have left behind.
    leaked: Vec<Box<[u8]>>,
    /// What `Capacity::PerSecond` has left, in requests, as of `refilled`.
    allowance: f64,
    refilled: Instant,
}

/// A request that was let in; gives its place back when dropped.
pub(super) struct Place<'a> {
    gate: &'a Gate,
    /// Whether it is to be answered 500 without being performed.
    pub(super) fails: bool,
    latency: Duration,
}

/// A request beyond the capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// Whole seconds after which trying again makes sense, at least 1.
    pub(super) retry_after: u64,
}

/// How many working requests came, and how many of them the gate answered itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub(super) struct Passed {
    /// All that came.
    pub(super) requests: u64,
    /// Answered 429.
    pub(super) refused: u64,
    /// Answered 500.
    pub(super) failed: u64,
    /// Let in and not answered yet.
    pub(super) in_flight: u32,
}

impl Gate {
    pub(super) fn new(behaviour: Behaviour, seed: u64) -> Self {
        let state = State {
            allowance: full_allowance(behaviour.capacity),
            turns: turns(behaviour.workers),
            behaviour,
            random: Xoshiro256PlusPlus::seed_from_u64(seed),
            in_flight: 0,
            leaked: Vec::new(),
            refilled: Instant::now(),
        };
        Self {
            state: Mutex::new(state),
            stall: watch::channel(None).0,
            requests: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The behaviour as it is now.
    pub(super) fn behaviour(&self) -> Behaviour {
        self.state().behaviour.clone()
    }

    /// Replaces the behaviour; requests that are in keep what they drew.
    pub(super) fn behave(&self, behaviour: Behaviour) {
        let mut state = self.state();
        if state.behaviour.capacity != behaviour.capacity {
            state.allowance = full_allowance(behaviour.capacity);
            state.refilled = Instant::now();
        }
        if state.behaviour.workers != behaviour.workers {
            state.turns = turns(behaviour.workers);
        }
        state.behaviour = behaviour;
    }

    /// Whether requests wait their turn.
    pub(super) fn has_turns(&self) -> bool {
        self.state().turns.is_some()
    }

    /// Returns when it is a request's turn, which lasts as long as what is returned.
    pub(super) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        let turns = self.state().turns.clone()?;
        // Never closed.
        turns.acquire_owned().await.ok()
    }

    /// Makes everything wait for that long from now; zero ends a stall.
    pub(super) fn stall(&self, time: Duration) {
        let end = if time.is_zero() { None } else { Instant::now().checked_add(time) };
        self.stall.send_replace(end);
    }

    /// How much of a stall is left.
    pub(super) fn stalled(&self) -> Duration {
        let end = *self.stall.borrow();
        end.map_or(Duration::ZERO, |end| end.saturating_duration_since(Instant::now()))
    }

    /// Returns once there is no stall.
    pub(super) async fn wait_out_stall(&self) {
        while !self.stalled().is_zero() {
            let mut changed = self.stall.subscribe();
            let Some(end) = *changed.borrow_and_update() else {
                return;
            };
            tokio::select! {
                () = sleep_until(end) => {}
                _ = changed.changed() => {}
            }
        }
    }

    /// Lets a request in, unless that is beyond the capacity.
    pub(super) fn admit(&self) -> Result<Place<'_>, Refused> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let mut state = self.state();
        if let Err(refused) = state.take() {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Err(refused);
        }
        state.in_flight += 1;
        state.leak();
        let latency = draw(state.behaviour.latency, &mut state.random);
        let errors = state.behaviour.errors.0;
        let fails = state.happens(errors);
        if fails {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
        Ok(Place { gate: self, fails, latency })
    }

    /// Whether the service lies about the webhook it just accepted.
    pub(super) fn forgets(&self) -> bool {
        let mut state = self.state();
        let share = state.behaviour.forget.0;
        state.happens(share)
    }

    /// What has passed so far.
    pub(super) fn passed(&self) -> Passed {
        Passed {
            requests: self.requests.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            in_flight: self.state().in_flight,
        }
    }
}

impl Place<'_> {
    /// Waits the latency that was drawn for this request.
    pub(super) async fn linger(&self) {
        if !self.latency.is_zero() {
            sleep(self.latency).await;
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.gate.state().in_flight -= 1;
    }
}

impl State {
    /// Keeps memory that nothing will ever read; written to, so that it is really taken.
    fn leak(&mut self) {
        let bytes = self.behaviour.leak.0 as usize;
        if bytes > 0 {
            self.leaked.push(vec![1; bytes].into_boxed_slice());
        }
    }

    fn take(&mut self) -> Result<(), Refused> {
        match self.behaviour.capacity {
            Capacity::Unlimited => Ok(()),
            Capacity::InFlight(most) if self.in_flight < most => Ok(()),
            Capacity::InFlight(_) => Err(Refused { retry_after: 1 }),
            Capacity::PerSecond(rate) => {
                let now = Instant::now();
                let gained = (now - self.refilled).as_secs_f64() * rate;
                self.refilled = now;
                self.allowance = (self.allowance + gained).min(rate.max(1.0));
                if self.allowance >= 1.0 {
                    self.allowance -= 1.0;
                    return Ok(());
                }
                let wait = ((1.0 - self.allowance) / rate).ceil();
                Err(Refused { retry_after: (wait as u64).max(1) })
            }
        }
    }

    /// True with probability `share`; draws nothing when the answer is certain.
    fn happens(&mut self, share: f64) -> bool {
        share > 0.0 && self.random.random::<f64>() < share
    }
}

/// As many turns as there are workers.
fn turns(workers: Workers) -> Option<Arc<Semaphore>> {
    workers.0.map(|workers| Arc::new(Semaphore::new(workers as usize)))
}

/// What a rate grants at once: a second's worth, and at least one request.
fn full_allowance(capacity: Capacity) -> f64 {
    match capacity {
        Capacity::PerSecond(rate) => rate.max(1.0),
        Capacity::Unlimited | Capacity::InFlight(_) => 0.0,
    }
}

fn draw(latency: Latency, random: &mut Xoshiro256PlusPlus) -> Duration {
    let seconds = match latency {
        Latency::None => return Duration::ZERO,
        Latency::Constant(time) => return time,
        Latency::Uniform { least, most } => {
            let (least, most) = (least.as_secs_f64(), most.as_secs_f64());
            least + (most - least) * random.random::<f64>()
        }
        Latency::Normal { mean, deviation } => {
            let z: f64 = StandardNormal.sample(random);
            (mean.as_secs_f64() + deviation.as_secs_f64() * z).max(0.0)
        }
        Latency::Exponential { mean } => {
            let unit: f64 = Exp1.sample(random);
            mean.as_secs_f64() * unit
        }
    };
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::Share;
    use super::*;

    fn gate(set: &[(&str, &str)]) -> Gate {
        let mut behaviour = Behaviour::default();
        for (name, value) in set {
            behaviour.set(name, value).unwrap();
        }
        Gate::new(behaviour, 7)
    }

    #[tokio::test(start_paused = true)]
    async fn capacity_in_flight_is_given_back_with_each_answer() {
        let gate = gate(&[("capacity", "2")]);
        let first = gate.admit().map_err(|_| "refused").unwrap();
        let _second = gate.admit().map_err(|_| "refused").unwrap();
        assert_eq!(gate.admit().err(), Some(Refused { retry_after: 1 }));
        drop(first);
        assert!(gate.admit().is_ok());
        assert_eq!((gate.passed().requests, gate.passed().refused), (4, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn capacity_a_second_grants_a_seconds_worth_and_then_the_rate() {
        let gate = gate(&[("capacity", "10/s")]);
        let taken = |attempts: u32| (0..attempts).filter(|_| gate.admit().is_ok()).count();
        assert_eq!(taken(25), 10);
        sleep(Duration::from_millis(500)).await;
        assert_eq!(taken(25), 5);
        sleep(Duration::from_mins(1)).await;
        assert_eq!(taken(25), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn workers_take_requests_in_the_order_they_came() {
        let gate = gate(&[("workers", "2")]);
        let begin = Instant::now();
        let work = async || {
            let _turn = gate.turn().await;
            sleep(Duration::from_secs(1)).await;
            begin.elapsed().as_secs()
        };
        let ended = tokio::join!(work(), work(), work(), work(), work());
        assert_eq!(ended, (1, 1, 2, 2, 3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_rate_says_how_long_to_wait() {
        let gate = gate(&[("capacity", "6/m")]);
        assert!(gate.admit().is_ok());
        assert_eq!(gate.admit().err(), Some(Refused { retry_after: 10 }));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stall_holds_until_it_ends_or_is_ended() {
        let gate = gate(&[]);
        let begin = Instant::now();
        gate.stall(Duration::from_secs(5));
        gate.wait_out_stall().await;
        assert_eq!(begin.elapsed().as_secs(), 5);
        gate.stall(Duration::from_secs(500));
        tokio::join!(gate.wait_out_stall(), async {
            sleep(Duration::from_secs(1)).await;
            gate.stall(Duration::ZERO);
        });
        assert_eq!(begin.elapsed().as_secs(), 6);
    }

    #[test]
    fn latencies_follow_their_distribution() {
        let mean = |text: &str| {
            let mut random = Xoshiro256PlusPlus::seed_from_u64(3);
            let latency: Latency = text.parse().unwrap();
            let sum: f64 = (0..20_000).map(|_| draw(latency, &mut random).as_secs_f64()).sum();
            sum / 20_000.0 * 1e3
        };
        assert!(mean("none") == 0.0);
        assert!((mean("20ms") - 20.0).abs() < 0.001);
        assert!((mean("uniform 10ms 50ms") - 30.0).abs() < 0.5);
        assert!((mean("normal 50ms 10ms") - 50.0).abs() < 0.5);
        assert!((mean("exponential 20ms") - 20.0).abs() < 0.5);
    }

    #[tokio::test]
    async fn the_same_seed_makes_the_same_choices() {
        let choices = |seed| {
            let behaviour = Behaviour { errors: Share(0.3), ..Behaviour::default() };
            let gate = Gate::new(behaviour, seed);
            (0..1000).map(|_| gate.admit().is_ok_and(|place| place.fails)).collect::<Vec<_>>()
        };
        assert_eq!(choices(5), choices(5));
        assert_ne!(choices(5), choices(6));
        let failed = choices(5).into_iter().filter(|failed| *failed).count();
        assert!((250..350).contains(&failed), "{failed}");
    }
}
