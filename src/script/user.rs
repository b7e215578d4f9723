//! One user: a `vu` table, and iterations that are coroutines.
//!
//! A user is small, because there may be a hundred thousand of them: what all users of a scenario
//! share lies in the metatable of `vu`, the coroutine is taken from a pool and given back, and
//! nothing is kept between iterations but the table and the connections.
//!
//! Randomness follows from the run's seed, the scenario and the number of the iteration (and of
//! the user where the iterations are the user's own), never from which worker or user it fell to.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use mlua::{Function, IntoLua, MultiValue, Table};

use super::context::{Context, UserState};
use super::coroutine::Coroutine;
use super::traceback::ScriptError;
use super::vm::Vm;
use crate::executor::Turn;

/// Stands for the user in the seed of an iteration that could fall to any of them.
const ANY_USER: u64 = u64::MAX;
/// Stands for the iteration in the seed of `init`.
const INIT: u64 = u64::MAX;
/// How long a user waits after its `init` has failed: most of what it does is logging in, and no
/// target is to be met with as many of those as it can refuse.
const AGAIN: Duration = Duration::from_secs(1);

/// One user of a scenario.
pub struct User {
    vm: Rc<Vm>,
    state: Rc<UserState>,
    scenario: u32,
    /// False until `init` has ended well.
    ready: bool,
    /// Why `init` failed, until an iteration was broken by it.
    failed: Option<Box<mlua::Error>>,
    /// The table scripts see, made when first needed.
    vu: Option<Table>,
}

impl User {
    pub(super) fn new(vm: Rc<Vm>, scenario: usize, number: u64) -> Self {
        let meter = Rc::clone(&vm.run(scenario).meter);
        let state = UserState::new(meter, number, true);
        Self { vm, state, scenario: scenario as u32, ready: false, failed: None, vu: None }
    }

    /// Runs the scenario's `init`, unmeasured. When it fails, its error is that of the user's first
    /// iteration, and it is tried again before the next one, a second later: an iteration breaks at
    /// most once.
    pub async fn init(&mut self) {
        self.failed = self.prepare().await.err().map(Box::new);
    }

    /// Performs one iteration and records it. A script error breaks the iteration: it is counted
    /// and kept, and its times are not recorded. Once the run is to end at once, nothing counts.
    pub async fn iterate(&mut self, turn: Turn) {
        let waited = self.state.waits.get();
        let outcome = self.attempt(turn).await;
        match outcome {
            Ok(()) => self.record(turn),
            Err(error) => {
                self.broken(&error);
                if !self.ready {
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
        if self.state.waits.get() == waited {
            // It never waited for anything; the worker's other users must have their turn.
            tokio::task::yield_now().await;
        }
    }

    async fn attempt(&mut self, turn: Turn) -> mlua::Result<()> {
        if let Some(error) = self.failed.take() {
            return Err(*error);
        }
        if !self.ready {
            self.prepare().await?;
        }
        let run = self.vm.run(self.scenario as usize);
        let user = if run.own_iterations { self.state.number } else { ANY_USER };
        let seed = self.state.seed_of(user, turn.number);
        let Some(function) = run.choose(seed).cloned() else {
            return Ok(());
        };
        let vu = self.table()?;
        self.state.iteration.set(Some(turn.number + 1));
        self.state.begin(seed, turn.intended);
        self.call(&function, vu).await.map(drop)
    }

    async fn prepare(&mut self) -> mlua::Result<()> {
        let vu = self.table()?;
        if let Some(init) = self.vm.run(self.scenario as usize).init.clone() {
            self.state.begin(self.state.seed_of(self.state.number, INIT), None);
            self.state.measured.set(false);
            let ended = self.call(&init, vu).await;
            self.state.measured.set(true);
            ended?;
        }
        self.ready = true;
        Ok(())
    }

    fn call(&self, function: &Function, vu: Table) -> Entered {
        Entered::new(&self.vm, function.clone(), vu, Rc::clone(&self.state))
    }

    /// `vu`, made when first asked for.
    fn table(&mut self) -> mlua::Result<Table> {
        if let Some(vu) = &self.vu {
            return Ok(vu.clone());
        }
        let vu = self.vm.lua.create_table_with_capacity(0, 1)?;
        vu.raw_set("id", self.state.number + 1)?;
        vu.set_metatable(Some(self.vm.metatable(self.scenario as usize)?))?;
        self.vu = Some(vu.clone());
        Ok(vu)
    }

    fn record(&self, turn: Turn) {
        // One that was never resumed has no times.
        let (Some(begun), Some(ended)) = (self.state.begun.get(), self.state.left.get()) else {
            return;
        };
        let context = &self.vm.context;
        let mut recorder = context.recorder.borrow_mut();
        self.state.scenario.iteration(&mut recorder, &context.world, turn.intended, begun, ended);
    }

    fn broken(&self, error: &mlua::Error) {
        let context = &self.vm.context;
        if context.world.is_halted() {
            // It was ended in the middle, and is as unfinished as what was waiting.
            return;
        }
        let mut error: ScriptError = self.vm.error(error);
        if !self.ready {
            let hint = "raised in `init`, which is run again before the user's next iteration";
            error.hint.get_or_insert_with(|| hint.to_owned());
        }
        context.errors.borrow_mut().add(&self.state.scenario.name, error);
        self.state.scenario.broken(&mut context.recorder.borrow_mut());
    }
}

/// A call of a user's coroutine: whoever polls it enters the user first, and leaves it after.
pub(super) struct Entered {
    /// `None` only while dropping.
    call: Option<Coroutine>,
    context: Rc<Context>,
    user: Rc<UserState>,
}

impl Entered {
    pub(super) fn new(
        vm: &Vm,
        function: Function,
        argument: impl IntoLua,
        user: Rc<UserState>,
    ) -> Self {
        let context = Rc::clone(&vm.context);
        let call = Coroutine::new(&vm.lua, &context, function, argument);
        Self { call: Some(call), context, user }
    }
}

impl Future for Entered {
    type Output = mlua::Result<MultiValue>;

    fn poll(self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let Some(call) = this.call.as_mut() else {
            return Poll::Pending;
        };
        let polled = this.context.entered(&this.user, || Pin::new(call).poll(cx));
        if polled.is_pending() {
            this.user.waits.set(this.user.waits.get().wrapping_add(1));
        } else {
            this.call = None;
        }
        polled
    }
}

impl Drop for Entered {
    /// What an unfinished coroutine has to close is the user's too.
    fn drop(&mut self) {
        if let Some(call) = self.call.take() {
            self.context.entered(&self.user, || drop(call));
        }
    }
}
