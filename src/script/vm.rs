//! One Lua state with the script in it.
//!
//! The same file is loaded into the control state and into every worker's state; what it returned
//! is read the same way each time, so a scenario has the same index everywhere. A state is bounded
//! in memory, and every resume of a coroutine in time: a loop that never waits is stopped and named
//! instead of hanging a worker.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use mlua::state::{GcIncParams, GcMode};
use mlua::{Function, Lua, LuaOptions, StdLib, Table, Value};
use tokio::time::Instant;

use super::context::{Busy, Context, Source, UserState, World};
use super::coroutine::first;
use super::environment;
use super::measure::{ScenarioMeter, builtin};
use super::plain::Plain;
use super::plan::{self, Run, Scripted};
use super::stall::{self, Ticks};
use super::traceback::{Errors, ScriptError};
use super::user::{Entered, User};
use crate::client::sql::Uncounted;
use crate::metric::{Recorder, Tags, Timeline};
use crate::outcome::FailureSample;
use crate::plan::{Place, Plan, Problem};

/// Most bytes one Lua state may hold.
pub(super) const MEMORY_LIMIT: usize = 2 << 30;
/// Memory, in percent of what was in use after the last collection, at which the next begins: less
/// than Lua's 200, because with 100,000 users the difference is more than they need themselves.
const GC_PAUSE: i32 = 150;
/// How fast a collection goes, in percent of the speed of allocation. At Lua's own 100 finalizers
/// of replies fall behind without end: ten are run in a step.
const GC_SPEED: i32 = 400;
/// Longest that the end of a load waits for databases to hear of it.
const SETTLING: Duration = Duration::from_secs(1);

/// One Lua state with the script loaded.
pub struct Vm {
    pub(super) lua: Lua,
    pub(super) context: Rc<Context>,
    pub(super) script: Scripted,
    /// While they are held, the script is stopped when it stalls.
    _ticks: Option<Ticks>,
    /// One metatable a scenario, shared by the `vu` of all its users.
    metatables: RefCell<Vec<Option<Table>>>,
    setup: OnceCell<Value>,
}

impl Vm {
    /// Makes the state of a worker, counted from 0, by loading the script again.
    pub fn worker(world: &Arc<World>, worker: u64) -> Result<Rc<Self>, Vec<Problem>> {
        let context = Context::new(world, Some(worker));
        context.mistakes.raised.set(true);
        let (vm, problems) = Self::load_in(&context);
        match vm {
            Some(vm) if problems.is_empty() => Ok(Rc::new(vm)),
            _ => Err(problems),
        }
    }

    /// Loads the script into the control state; what is wrong with it comes back beside that.
    pub(super) fn load(world: &Arc<World>) -> (Option<Self>, Vec<Problem>) {
        Self::load_in(&Context::new(world, None))
    }

    fn load_in(context: &Rc<Context>) -> (Option<Self>, Vec<Problem>) {
        let world = &context.world;
        let (lua, ticks) = match state(context) {
            Ok(made) => made,
            Err(error) => return (None, vec![ended(context, &error)]),
        };
        let returned =
            context.timed(|| stall::running(&lua.current_thread(), || run_file(&lua, context)));
        context.loading.set(false);
        let mut problems = context.declared.borrow_mut().take_problems();
        match returned {
            Err(error) => {
                // A loop over what is missing may have no end, and that is not its mistake.
                if context.busy.get().stalls == 0 || !context.mistakes.any() {
                    problems.push(ended(context, &error));
                }
                context.mistakes.only_causes(&mut problems);
                (None, world.masked_problems(problems))
            }
            Ok(returned) => {
                let (script, found) = plan::read(&returned, context);
                problems.extend(found);
                let metatables = RefCell::new(vec![None; script.runs.len()]);
                let (context, setup) = (Rc::clone(context), OnceCell::new());
                let problems = context.world.masked_problems(problems);
                (Some(Self { lua, context, script, _ticks: ticks, metatables, setup }), problems)
            }
        }
    }

    /// Runs `setup`, if there is one, and keeps what it returns for users and `teardown`.
    pub async fn setup(&self) -> Result<(), Problem> {
        let Some(setup) = self.script.setup.clone() else {
            return Ok(());
        };
        let value: Value = self.control("setup", setup, Value::Nil).await?;
        let data = Plain::read(&value).map_err(|error| Problem {
            what: format!("setup: returned {error}"),
            at: Some(self.script.place_of_setup.clone()),
            hint: Some("only plain data reaches users: no functions, no clients".to_owned()),
        })?;
        // Called once a run; a second call's data would come too late for users.
        let _ = self.context.world.setup.set(data);
        Ok(())
    }

    /// Runs `teardown`, if there is one, with what `setup` returned.
    pub async fn teardown(&self) -> Result<(), Problem> {
        let Some(teardown) = self.script.teardown.clone() else {
            return Ok(());
        };
        let data = self.setup_value().map_err(|error| self.error(&error).into_problem())?;
        self.control("teardown", teardown, data).await.map(drop)
    }

    async fn control(
        &self,
        stage: &'static str,
        function: Function,
        data: Value,
    ) -> Result<Value, Problem> {
        let meter = ScenarioMeter::new(&self.context.world, &Arc::from(stage), &[]);
        let user = UserState::new(meter, 0, false);
        let ended = Entered::new(self, function, data, user).await;
        self.settle().await;
        ended.map(first).map_err(|error| self.error(&error).into_problem())
    }

    /// Makes user `number` (from 0) of the scenario with this index in the plan.
    pub fn user(self: &Rc<Self>, scenario: usize, number: u64) -> User {
        User::new(Rc::clone(self), scenario, number)
    }

    /// What was recorded in this state; the engine takes it once a second.
    pub fn recorder(&self) -> &RefCell<Recorder> {
        &self.context.recorder
    }

    /// From now on keeps phases apart, counts calls by window, and keeps in mind those under way.
    pub fn watch(&self, timeline: &Timeline, begin: Instant) {
        self.context.recorder.borrow_mut().watch(timeline, begin);
        self.context.afoot.follow();
    }

    /// The moment, from the begin of the load, before which no call is under way that was meant to be
    /// made then; `None` where none is under way, or nothing is watched.
    pub fn afoot_since(&self) -> Option<Duration> {
        self.context.afoot.since()
    }

    /// Waits for a moment until databases were told of the statements that were given up, so that
    /// none is at work for a load that has ended.
    pub async fn settle(&self) {
        let until = Instant::now() + SETTLING;
        let databases = self.context.databases.borrow().clone();
        for database in databases {
            let Uncounted { connects, refused } = database.settle(until).await;
            for (metric, count) in [("sql.connects", connects), ("sql.refused", refused)] {
                if count > 0 {
                    // They are nobody's in particular: whoever gave up has ended.
                    let mut recorder = self.context.recorder.borrow_mut();
                    recorder.turn_to_now();
                    let series = recorder.series(&builtin(metric), &Tags::default());
                    recorder.add(series, f64::from(count));
                }
            }
        }
    }

    /// What the script asks for.
    pub fn plan(&self) -> &Plan {
        &self.script.plan
    }

    /// What the states of this run share.
    pub fn world(&self) -> Arc<World> {
        Arc::clone(&self.context.world)
    }

    /// The errors of this state's users since the last call.
    pub fn take_errors(&self) -> Errors {
        self.context.errors.take()
    }

    /// How the calls of this state's users failed: one example a kind and operation.
    pub fn failures(&self) -> Vec<FailureSample> {
        self.script.runs.iter().flat_map(|run| run.meter.failures()).collect()
    }

    /// How many calls of this state's users, those in `init` included, failed since the begin
    /// because this machine had no socket left: the generator's limit, not the target's.
    pub fn exhausted(&self) -> u64 {
        self.context.exhausted.get()
    }

    /// How long this state's resumes took since the last call.
    pub fn take_busy(&self) -> Busy {
        self.context.busy.take()
    }

    /// Bytes held by Lua now.
    pub fn memory(&self) -> usize {
        self.lua.used_memory()
    }

    /// What a scenario's users run.
    pub(super) fn run(&self, scenario: usize) -> &Run {
        &self.script.runs[scenario]
    }

    /// An error as it may be shown: without secrets.
    pub(super) fn error(&self, error: &mlua::Error) -> ScriptError {
        let world = &self.context.world;
        ScriptError::new(error, &world.source).masked(world)
    }

    /// The metatable of a scenario's `vu`: what all its users share, and `rand` on first use.
    pub(super) fn metatable(&self, scenario: usize) -> mlua::Result<Table> {
        if let Some(table) = &self.metatables.borrow()[scenario] {
            return Ok(table.clone());
        }
        let shared = self.lua.create_table()?;
        shared.raw_set("scenario", &*self.run(scenario).meter.name)?;
        shared.raw_set("setup", self.setup_value()?)?;
        let context = Rc::clone(&self.context);
        let degraded = self.lua.create_function(move |_, _: Value| {
            context.degraded();
            Ok(())
        })?;
        shared.raw_set("degraded", degraded)?;
        let context = Rc::clone(&self.context);
        let rand = self.lua.create_function(move |lua, vu: Table| context.rand(lua, &vu))?;
        let context = Rc::clone(&self.context);
        let iteration = self.lua.create_function(move |_, ()| {
            Ok(context.user().and_then(|user| user.iteration.get()))
        })?;
        let metatable = self.lua.create_table()?;
        metatable.raw_set(
            "__index",
            self.lua
                .load(LOOK_UP)
                .set_name("=[lib vu]")
                .call::<Function>((shared, rand, iteration))?,
        )?;
        metatable.raw_set("__metatable", false)?;
        self.metatables.borrow_mut()[scenario] = Some(metatable.clone());
        Ok(metatable)
    }

    /// `vu.setup`: made once in this state, the same table for all its users.
    fn setup_value(&self) -> mlua::Result<Value> {
        if let Some(value) = self.setup.get() {
            return Ok(value.clone());
        }
        let value = match self.context.world.setup.get() {
            Some(data) => data.write(&self.lua)?,
            None => Value::Nil,
        };
        Ok(self.setup.get_or_init(|| value).clone())
    }
}

/// `__index` of `vu`. The number of the iteration is asked for more seldom than it changes.
const LOOK_UP: &str = r#"
local shared, rand, iteration = ...
return function(vu, key)
  if key == "iteration" then return iteration() end
  local value = shared[key]
  if value == nil and key == "rand" then return rand(vu) end
  return value
end
"#;

/// The error that ended the loading.
fn ended(context: &Context, error: &mlua::Error) -> Problem {
    let source = &context.world.source;
    let mut problem = ScriptError::new(error, source).into_problem();
    problem.at.get_or_insert(Place { file: source.path.display().to_string(), line: 1 });
    if context.mistakes.any() {
        let hint = "it may only follow from a mistake before it";
        problem.hint.get_or_insert(hint.to_owned());
    }
    problem
}

/// A fresh state: bounded, with its context and its watch over stalls.
fn state(context: &Rc<Context>) -> mlua::Result<(Lua, Option<Ticks>)> {
    let libraries =
        StdLib::COROUTINE | StdLib::MATH | StdLib::STRING | StdLib::TABLE | StdLib::UTF8;
    let lua = Lua::new_with(libraries, LuaOptions::new())?;
    lua.set_memory_limit(MEMORY_LIMIT)?;
    lua.gc_set_mode(GcMode::Incremental(
        GcIncParams::default().pause(GC_PAUSE).step_multiplier(GC_SPEED),
    ));
    lua.set_app_data(Rc::clone(context));
    let watch = Rc::clone(context);
    let ticks = stall::watch(&lua, move |lua| watch.check_stall(lua))?;
    Ok((lua, ticks))
}

/// Runs the script file and gives what it returned.
fn run_file(lua: &Lua, context: &Rc<Context>) -> mlua::Result<Value> {
    let source: &Source = &context.world.source;
    let text = source.text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&source.text);
    let env = environment::environment(lua, context)?;
    environment::chunk(lua, context, &env, &format!("@{}", source.chunk()), text)?.call(())
}
