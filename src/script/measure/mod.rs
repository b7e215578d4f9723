//! The one stopwatch: what came of a call becomes samples here, and nowhere else.
//!
//! A [`ScenarioMeter`] holds the series of one scenario in one Lua state. Looking a series up by
//! its tags costs more than recording into it, so every operation's series are found once and kept
//! under its name; the hot path is one lookup in a small map. What every protocol's calls have in
//! common is in `operation.rs`; what only one has, in a file of its name.
//!
//! Invariant: what is kept is bounded, whatever paths and names a script makes up, and no failure
//! goes uncounted for it.

mod http;
mod meant;
mod operation;
mod redis;
mod sql;

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use tokio::time::Instant;

use super::calls::Dangers;
use super::context::{World, mixed};
use super::naming::Naming;
use crate::metric::{Metric, Recorder, SeriesId, Tags};
use crate::outcome::FailureSample;

pub use meant::{Afoot, Meant};
pub use operation::{Called, Operation, Thing};

/// Most operations kept apart; the recorder keeps no more series of a metric apart either. Calls of
/// later ones are those of one operation, [`OTHER`].
const OPERATIONS: usize = 1_000;

/// The operation of calls that are not kept apart, named like the recorder's series of them.
const OTHER: &str = "other";

/// Most checks whose series are kept; beyond, they are found by their tags.
const CHECKS: usize = 10_000;

/// The series of one scenario in one Lua state.
pub struct ScenarioMeter {
    /// The scenario's name.
    pub name: Arc<str>,
    /// `scenario` and the scenario's own tags.
    pub tags: Tags,
    /// From the run's seed and the scenario's name.
    pub seed: u64,
    /// Faults that calls may meet.
    dangers: Dangers,
    iteration: OnceCell<[SeriesId; 3]>,
    errors: OnceCell<SeriesId>,
    /// By thing, name and the call's own tags. A script makes up names for itself alone, so a plain
    /// hash will do.
    operations: RefCell<FxHashMap<Box<[u8]>, Rc<Operation>>>,
    other: [OnceCell<Rc<Operation>>; Thing::COUNT],
    checks: RefCell<FxHashMap<Box<[u8]>, SeriesId>>,
}

impl ScenarioMeter {
    /// The meter of a scenario, or of `setup` and `teardown`.
    pub fn new(world: &World, name: &Arc<str>, tags: &[(String, String)]) -> Rc<Self> {
        let own = [("scenario", &**name)];
        let given = tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let hashed = name.bytes().fold(0, |hash, byte| mixed(hash, u64::from(byte)));
        Rc::new(Self {
            name: Arc::clone(name),
            tags: Tags::new(given.chain(own)),
            seed: mixed(world.source.seed, hashed),
            dangers: Dangers::all(world),
            iteration: OnceCell::new(),
            errors: OnceCell::new(),
            operations: RefCell::default(),
            other: Default::default(),
            checks: RefCell::default(),
        })
    }

    /// Records an iteration that ran to its end. Without an intended time the loop is closed:
    /// its response is its duration, and it has no lag.
    pub fn iteration(
        &self,
        recorder: &mut Recorder,
        world: &World,
        intended: Option<Instant>,
        begun: Instant,
        ended: Instant,
    ) {
        let [response, duration, lag] = *self.iteration.get_or_init(|| {
            ["iteration.response", "iteration.duration", "iteration.lag"]
                .map(|name| recorder.series(&builtin(name), &self.tags))
        });
        let from = intended.unwrap_or(begun);
        let second = world.second(from);
        recorder.turn_to_call(from);
        recorder.record(response, second, nanoseconds(ended - from));
        recorder.record(duration, second, nanoseconds(ended - begun));
        if let Some(intended) = intended {
            recorder.record(lag, second, nanoseconds(begun - intended));
        }
    }

    /// Counts an iteration broken by an error of the script.
    pub fn broken(&self, recorder: &mut Recorder) {
        recorder.turn_to_now();
        let id =
            *self.errors.get_or_init(|| recorder.series(&builtin("script.errors"), &self.tags));
        recorder.add(id, 1.0);
    }

    /// Records a check.
    pub fn check(&self, recorder: &mut Recorder, name: &[u8], failed: bool) {
        recorder.turn_to_now();
        if let Some(id) = self.checks.borrow().get(name) {
            return recorder.hit(*id, failed);
        }
        let tags = self.tags.with("check", &String::from_utf8_lossy(name));
        let id = recorder.series(&builtin("check.failed"), &tags);
        recorder.hit(id, failed);
        let mut checks = self.checks.borrow_mut();
        if checks.len() < CHECKS {
            checks.insert(name.into(), id);
        }
    }

    /// The series of a call. `tags` are those of the call itself, sorted.
    pub fn operation(
        &self,
        recorder: &mut Recorder,
        thing: Thing,
        naming: Naming<'_>,
        tags: &[(String, String)],
    ) -> Rc<Operation> {
        SCRATCH.with_borrow_mut(|key| {
            key.clear();
            key.push(thing as u8);
            naming.write(key);
            let named = 1..key.len();
            if let Some((_, command)) = naming.tag() {
                key.extend([0]);
                key.extend(command.as_bytes());
            }
            for (name, value) in tags {
                key.extend([0]);
                key.extend(name.as_bytes());
                key.extend([0]);
                key.extend(value.as_bytes());
            }
            if let Some(found) = self.operations.borrow().get(key.as_slice()) {
                return Rc::clone(found);
            }
            if self.operations.borrow().len() >= OPERATIONS {
                recorder.overflows(&builtin(thing.duration()));
            }
            let mut made = |name: &str, tags: &[(String, String)]| {
                let named = self.tags.with("name", name);
                let named = naming.tag().iter().fold(named, |tags, (k, v)| tags.with(k, v));
                let tags = tags.iter().fold(named, |tags, (key, value)| tags.with(key, value));
                let command = naming.tag().map_or(name, |(_, command)| command);
                let dangers = self.dangers.of(thing.word(), &[name, command]);
                Rc::new(Operation::new(recorder, thing, tags, dangers))
            };
            let mut operations = self.operations.borrow_mut();
            if operations.len() >= OPERATIONS {
                return Rc::clone(self.other[thing as usize].get_or_init(|| made(OTHER, &[])));
            }
            let made = made(&String::from_utf8_lossy(&key[named]), tags);
            operations.insert(key.as_slice().into(), Rc::clone(&made));
            made
        })
    }

    /// How calls failed: one example of each kind and operation, with its count.
    pub fn failures(&self) -> Vec<FailureSample> {
        let operations = self.operations.borrow();
        // Several may have one name, with tags of their own; whoever reports merges them.
        let others = self.other.iter().filter_map(OnceCell::get);
        operations.values().chain(others).flat_map(|o| o.failures(&self.name)).collect()
    }
}

thread_local! {
    /// The key being looked up; lent, so that a lookup allocates nothing.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A metric of the engine's own.
pub fn builtin(name: &'static str) -> Metric {
    Metric::builtin(name).unwrap_or_else(|| unreachable!("{name} is not in the list of metrics"))
}

/// A duration in the raw unit of a trend of times.
pub fn nanoseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// When a call was meant to be made.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Then.
    pub instant: Instant,
    /// The second of the run in which that lies.
    pub second: u32,
}

impl World {
    /// A moment of the run.
    pub fn moment(&self, instant: Instant) -> Moment {
        Moment { instant, second: self.second(instant) }
    }

    /// The second of the run in which `instant` lies; 0 before the run has begun.
    pub fn second(&self, instant: Instant) -> u32 {
        let since = |begin: &Instant| instant.saturating_duration_since(*begin).as_secs();
        self.begin.get().map_or(0, since) as u32
    }
}
