//! What the Rust side of a Lua state knows: its recorder, what the script declared in it, and whose
//! coroutine is being resumed right now.
//!
//! A [`World`] is shared by every Lua state of one run and so is `Send + Sync`; a [`Context`]
//! belongs to one state and is not. A [`UserState`] is what one user has besides its Lua values.
//! Invariant: [`Context::current`] is set before every poll of a user's coroutine and cleared
//! after it, so a function called from Lua always knows for whom it works.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use mlua::{Function, Lua, Table, Value};
use tokio::time::Instant;

use super::api::rand::Rand;
use super::coroutine::Coroutines;
use super::measure::{Afoot, Meant, ScenarioMeter};
use super::mistakes::Mistakes;
use super::traceback::{Errors, caller, misuse};
pub use super::world::{Source, World};
use crate::client::http::Session;
use crate::client::redis::Session as RedisSession;
use crate::client::sql::Client as SqlClient;
use crate::metric::{Counted, Ending, Metric, Recorder};
use crate::plan::{Parameter, Problem, ServiceDecl};

/// A resume longer than this counts as slow.
const SLOW: Duration = Duration::from_millis(10);

/// Calls of an iteration that can still be counted as degraded.
const COUNTED: usize = 1_000;

/// What one Lua state has on the Rust side; in Lua's application data as `Rc<Context>`.
pub struct Context {
    /// The run this state is part of.
    pub world: Arc<World>,
    /// Which worker's state this is; `None` for the control state.
    pub(super) worker: Option<u64>,
    /// Where this state's samples go.
    pub recorder: RefCell<Recorder>,
    /// The errors of this state's users.
    pub errors: RefCell<Errors>,
    /// What the script declared while it was loading.
    pub declared: RefCell<Declared>,
    /// True until the script has returned its table: the time in which things are declared.
    pub loading: Cell<bool>,
    /// What is done about mistakes until then.
    pub(super) mistakes: Mistakes,
    /// How long resumes took.
    pub busy: Cell<Busy>,
    /// Calls for which this machine had no socket left, measured or not.
    pub(super) exhausted: Cell<u64>,
    /// Calls under way, where something is to be broken.
    pub(super) afoot: Rc<Afoot>,
    /// Clients whose servers may have to be told of what was given up.
    pub(super) databases: RefCell<Vec<Rc<SqlClient>>>,
    /// The coroutines of this state.
    pub(super) coroutines: Coroutines,
    /// Bytes of bodies handed to Lua since replies were last collected.
    pub(super) bodies: Cell<u64>,
    /// Whose coroutine is being resumed; `None` while loading.
    current: RefCell<Option<Rc<UserState>>>,
    /// How often the clock was looked at because the script ran long.
    looks: Cell<u64>,
    /// When the resume under way began.
    resumed: Cell<Option<Instant>>,
    /// True from the moment a resume is stopped until it has ended.
    pub(super) stopped: Cell<bool>,
    /// Why: `script stalled at file:line`, or that the run was stopped.
    stop_text: RefCell<String>,
}

/// How long the resumes of a state's coroutines took: time in which its other users had to wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Busy {
    /// How many there were.
    pub resumes: u64,
    /// Time in all of them.
    pub total: Duration,
    /// The longest one.
    pub longest: Duration,
    /// Time in those that took more than 10 ms of Lua.
    pub slow: Duration,
    /// Resumes that were stopped because they took more than 5 s.
    pub stalls: u64,
}

impl Busy {
    /// Adds what another state, or an earlier time, counted.
    pub fn merge(&mut self, other: &Self) {
        self.resumes += other.resumes;
        self.total += other.total;
        self.longest = self.longest.max(other.longest);
        self.slow += other.slow;
        self.stalls += other.stalls;
    }
}

impl Context {
    /// The context of a state that is about to load the script.
    pub(super) fn new(world: &Arc<World>, worker: Option<u64>) -> Rc<Self> {
        Rc::new(Self {
            world: Arc::clone(world),
            worker,
            recorder: RefCell::new(Recorder::new()),
            errors: RefCell::default(),
            declared: RefCell::default(),
            loading: Cell::new(true),
            mistakes: Mistakes::default(),
            busy: Cell::default(),
            exhausted: Cell::new(0),
            afoot: Rc::default(),
            databases: RefCell::default(),
            coroutines: Coroutines::default(),
            bodies: Cell::new(0),
            current: RefCell::default(),
            looks: Cell::default(),
            resumed: Cell::default(),
            stopped: Cell::new(false),
            stop_text: RefCell::default(),
        })
    }

    /// The context of this Lua state.
    pub fn of(lua: &Lua) -> mlua::Result<Rc<Self>> {
        lua.app_data_ref::<Rc<Self>>()
            .map(|context| Rc::clone(&context))
            .ok_or_else(|| mlua::Error::runtime("this Lua state has no context"))
    }

    /// The user whose coroutine is being resumed; in `setup` and `teardown` one that is not
    /// measured.
    pub fn user(&self) -> Option<Rc<UserState>> {
        self.current.borrow().clone()
    }

    /// Refuses a call that waits while the script is loading.
    pub fn may_wait(&self, lua: &Lua, call: &str) -> mlua::Result<Rc<UserState>> {
        self.user().ok_or_else(|| {
            let hint = "call it in `run`, `init`, `setup` or `teardown`";
            misuse(lua, format!("{call}: loading a script makes no calls\n  hint: {hint}"))
        })
    }

    /// Refuses a declaration after the script has returned its table.
    pub fn may_declare(&self, lua: &Lua, call: &str) -> mlua::Result<()> {
        if self.loading.get() {
            return Ok(());
        }
        let hint = "call it at file scope and keep what it returns in a local";
        Err(misuse(
            lua,
            format!("{call}: declares something, so only at file scope\n  hint: {hint}"),
        ))
    }

    /// Polls or drops a coroutine of `user`: sets whose it is, watches the time it takes.
    pub(super) fn entered<R>(&self, user: &Rc<UserState>, resume: impl FnOnce() -> R) -> R {
        let before = self.current.replace(Some(Rc::clone(user)));
        let (outcome, [begun, ended]) = self.watched(resume);
        self.current.replace(before);
        if user.begun.get().is_none() {
            user.begun.set(Some(begun));
        }
        user.left.set(Some(ended));
        outcome
    }

    /// Runs Lua under the watch over stalls, and counts the time it takes.
    pub(super) fn timed<R>(&self, resume: impl FnOnce() -> R) -> R {
        self.watched(resume).0
    }

    /// As [`Self::timed`]; and when it began and ended.
    fn watched<R>(&self, resume: impl FnOnce() -> R) -> (R, [Instant; 2]) {
        let begun = Instant::now();
        let before = self.resumed.replace(Some(begun));
        let looks = self.looks.get();
        let outcome = resume();
        self.resumed.set(before);
        self.stopped.set(false);
        let ended = Instant::now();
        let took = ended - begun;
        let mut busy = self.busy.get();
        busy.resumes += 1;
        busy.total += took;
        // Where no look at the clock was due, the time went to a large reply or to another process.
        if took > SLOW && looks != self.looks.get() {
            busy.slow += took;
        }
        busy.longest = busy.longest.max(took);
        self.busy.set(busy);
        (outcome, [begun, ended])
    }

    /// Called while Lua runs for long, and by what takes long without any: stops a resume that has
    /// taken too long, and every resume once the run is to end at once.
    pub(super) fn check_stall(&self, lua: &Lua) -> mlua::Result<()> {
        self.looks.update(|looks| looks + 1);
        let limit = self.world.stall_limit();
        let late = |since: Instant| since.elapsed() > limit;
        if self.world.is_halted() {
            self.stopped.set(true);
            self.stop_text.replace("the run was stopped".to_owned());
        } else if !self.resumed.get().is_some_and(late) {
            return Ok(());
        } else if !self.stopped.replace(true) {
            let mut busy = self.busy.get();
            busy.stalls += 1;
            self.busy.set(busy);
            let what = match caller(lua) {
                Some((chunk, line)) => format!("{chunk}:{line}: script stalled at {chunk}:{line}"),
                None => "script stalled".to_owned(),
            };
            let hint = "a loop that never waits holds up every user of its worker";
            self.stop_text.replace(format!("{what}\n  hint: {hint}"));
        }
        Err(mlua::Error::runtime(self.stop_text()))
    }

    /// Why the resume under way was stopped.
    pub(super) fn stop_text(&self) -> String {
        self.stop_text.borrow().clone()
    }

    /// Keeps in mind how a call of the user being resumed was counted.
    pub(super) fn counted(&self, counted: Option<Counted>) {
        // Nothing is kept, or asked for, in a run without faults.
        let Some(counted) = counted else { return };
        if let Some(user) = self.user() {
            let mut all = user.counted.borrow_mut();
            if all.len() < COUNTED {
                all.push(counted);
            }
        }
    }

    /// Counts a call that the user being resumed wanted and that was not made: `recovery.unmade()`.
    pub(super) fn unmade(&self) {
        let Some(user) = self.user().filter(|user| user.measured.get()) else { return };
        // As of any other, what comes after it in the iteration depends on it.
        let made = Meant::new(self, &user, true).moment(self, Instant::now());
        let counted = self.recorder.borrow_mut().call(made.instant, Ending::Unmade);
        self.counted(counted);
    }

    /// Counts the calls so far of the iteration being resumed as degraded: `vu:degraded()`.
    pub(super) fn degraded(&self) {
        let Some(user) = self.user() else { return };
        let mut recorder = self.recorder.borrow_mut();
        user.counted.take().into_iter().for_each(|counted| recorder.degrade(counted));
    }

    /// `vu.rand` of the user being resumed, kept in its `vu` from now on.
    pub(super) fn rand(&self, lua: &Lua, vu: &Table) -> mlua::Result<Value> {
        let user = self.user();
        let rand = Rand::seeded(user.as_ref().map_or(0, |user| user.seed.get()));
        if let Some(user) = user {
            user.rand.replace(Some(rand.clone()));
        }
        let rand = lua.create_userdata(rand)?;
        vu.raw_set("rand", &rand)?;
        Ok(Value::UserData(rand))
    }
}

/// What a script declares at file scope, besides what it returns.
#[derive(Debug, Default)]
pub struct Declared {
    /// `param(...)`, in order.
    pub parameters: Vec<Parameter>,
    /// `metric.counter(...)` and its kin, in order.
    pub metrics: Vec<Metric>,
    /// Clients, by the call that declares them, in order.
    pub clients: Vec<String>,
    /// Faults on calls, `fault.calls(...)`, in order.
    pub calls: Vec<String>,
    /// Services the engine is to start, in order.
    pub services: Vec<ServiceDecl>,
    /// What answers at each listener, by its name.
    pub listeners: Vec<(String, Option<Function>)>,
    /// What was wrong with a declaration, where loading could go on.
    pub problems: Vec<Problem>,
}

impl Declared {
    pub(super) fn take_problems(&mut self) -> Vec<Problem> {
        std::mem::take(&mut self.problems)
    }

    pub(super) fn lengths(&self) -> Lengths {
        Lengths {
            parameters: self.parameters.len(),
            metrics: self.metrics.len(),
            clients: self.clients.len(),
            calls: self.calls.len(),
            services: self.services.len(),
            listeners: self.listeners.len(),
            problems: self.problems.len(),
        }
    }

    /// Forgets what was declared since there was so much.
    pub(super) fn truncate(&mut self, to: &Lengths) {
        self.parameters.truncate(to.parameters);
        self.metrics.truncate(to.metrics);
        self.clients.truncate(to.clients);
        self.calls.truncate(to.calls);
        self.services.truncate(to.services);
        self.listeners.truncate(to.listeners);
        self.problems.truncate(to.problems);
    }
}

/// How much of each was declared at some moment.
pub(super) struct Lengths {
    parameters: usize,
    metrics: usize,
    clients: usize,
    calls: usize,
    services: usize,
    listeners: usize,
    problems: usize,
}

/// What one user has besides its Lua values.
pub struct UserState {
    /// The user's number in its scenario, from 0.
    pub number: u64,
    /// Its scenario's series; those of `setup` or `teardown` for the control state.
    pub scenario: Rc<ScenarioMeter>,
    /// Its connections and cookies.
    pub session: Session,
    /// Its connections to Redis.
    pub redis: RedisSession,
    /// Number of the iteration, from 1; `None` before the first.
    pub(super) iteration: Cell<Option<u64>>,
    /// When the iteration should have begun; taken by the iteration's first call.
    pub intended: Cell<Option<Instant>>,
    /// When the iteration's coroutine was first resumed; `None` until it was.
    pub(super) begun: Cell<Option<Instant>>,
    /// When its coroutine last came back.
    pub(super) left: Cell<Option<Instant>>,
    /// False in `init`, `setup` and `teardown`: calls are not samples there.
    pub measured: Cell<bool>,
    /// How often the user's coroutine has waited.
    pub(super) waits: Cell<u32>,
    /// The iteration's calls as they were counted, where windows are kept.
    counted: RefCell<Vec<Counted>>,
    /// The seed of `vu.rand` in this iteration.
    seed: Cell<u64>,
    /// `vu.rand`, once it was made.
    rand: RefCell<Option<Rand>>,
    /// How many calls of the iteration a fault could have touched.
    calls: Cell<u64>,
}

impl UserState {
    /// A user of a scenario.
    pub(super) fn new(scenario: Rc<ScenarioMeter>, number: u64, measured: bool) -> Rc<Self> {
        let known = mixed(scenario.seed, number);
        Rc::new(Self {
            number,
            scenario,
            session: Session::of(known),
            redis: RedisSession::of(known),
            iteration: Cell::new(None),
            intended: Cell::new(None),
            begun: Cell::new(None),
            left: Cell::new(None),
            measured: Cell::new(measured),
            waits: Cell::new(0),
            counted: RefCell::default(),
            seed: Cell::new(0),
            rand: RefCell::default(),
            calls: Cell::new(0),
        })
    }

    /// The seed of the iteration.
    pub(super) fn seed(&self) -> u64 {
        self.seed.get()
    }

    /// The number of a call in the iteration, from 0.
    pub(super) fn next_call(&self) -> u64 {
        self.calls.replace(self.calls.get() + 1)
    }

    /// The seed of an iteration: the same wherever it runs.
    pub(super) fn seed_of(&self, user: u64, turn: u64) -> u64 {
        mixed(mixed(self.scenario.seed, user), turn)
    }

    /// Readies `vu.rand` and the times of an iteration.
    pub(super) fn begin(&self, seed: u64, intended: Option<Instant>) {
        self.seed.set(seed);
        self.calls.set(0);
        self.intended.set(intended);
        self.begun.set(None);
        self.counted.borrow_mut().clear();
        if let Some(rand) = &*self.rand.borrow() {
            rand.reseed(seed);
        }
    }
}

/// Two numbers into one, such that near inputs give far outputs (the finalizer of splitmix64).
pub(super) fn mixed(a: u64, b: u64) -> u64 {
    let mut z = a.rotate_left(23) ^ b.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
