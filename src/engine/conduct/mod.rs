//! The order in which a run happens, on the control thread.
//!
//! [`Conductor::conduct`] is that order; what is done before the load stands in `ready`, while there
//! is load in `collecting`, after it in `teardown`.

mod collecting;
mod ready;
mod teardown;

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::breaking::{Breaking, Limits};
use super::closing::{self, Close, Ending};
use super::collector::Collector;
use super::machine::Machine;
use super::own::Usage;
use super::progress::{Progress, Stage};
use super::proxies::Proxies;
use super::{EngineError, Options, faults, services, signals};
use crate::executor::{Halt, Stop};
use crate::fault::{Holder, Journal};
use crate::metric::Timeline;
use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::script::{Loaded, Vm, World};
use crate::service::Running;
use crate::wire::proxy::Reach;
use ready::{all_ready, start_workers};

/// Between "all workers are ready" and the first intended start.
const HEAD_START: Duration = Duration::from_millis(20);

/// Runs a loaded script to its outcome.
pub async fn run(
    loaded: Loaded,
    options: Options,
    progress: watch::Sender<Progress>,
) -> Result<Outcome, EngineError> {
    let (halt, stop) = Stop::channel();
    let interrupted = Rc::new(Cell::new(false));
    let listening =
        tokio::task::spawn_local(signals::listen(halt.clone(), Rc::clone(&interrupted)));
    let (plan, world) = (Arc::new(loaded.plan), loaded.control.world());
    let proxies = Rc::new(Proxies::default());
    let limits = limits(&plan, &options)?;
    let timeline = faults::timeline(&plan, &world);
    let breaking = Breaking::new(&plan, &world, &proxies, &halt, timeline.as_ref(), limits);
    let (holder, asked) = Holder::channel();
    // Read by scripts that break something; set nowhere else.
    let _ = world.faults.set(holder);
    let held = tokio::task::spawn_local(Rc::clone(&breaking).serve(asked));
    let conductor = Conductor {
        timeline,
        plan,
        world,
        control: loaded.control,
        options,
        progress,
        halt,
        stop,
        interrupted,
        proxies,
        breaking,
    };
    let mut running = Vec::new();
    let outcome = conductor.conduct(&mut running).await;
    // Where the run did not come so far as to ask for it.
    conductor.breaking.end_all().await;
    services::stop(&conductor.world, running).await;
    held.abort();
    listening.abort();
    outcome
}

/// What the run is told of faults.
fn limits(plan: &Plan, options: &Options) -> Result<Limits, EngineError> {
    let exe = services::own_file()?;
    let script = plan.script.display().to_string();
    Ok(Limits {
        reach: Reach { allowed: options.allow_fault.clone() },
        journal: Journal::new(options.journals.clone(), exe, script),
    })
}

struct Conductor {
    plan: Arc<Plan>,
    world: Arc<World>,
    control: Rc<Vm>,
    options: Options,
    progress: watch::Sender<Progress>,
    halt: watch::Sender<Halt>,
    stop: Stop,
    /// Whether there was a signal.
    interrupted: Rc<Cell<bool>>,
    /// Links that can be broken.
    proxies: Rc<Proxies>,
    /// Who holds the faults.
    breaking: Rc<Breaking>,
    /// The phases of the run, where something is to be broken.
    timeline: Option<Arc<Timeline>>,
}

impl Conductor {
    async fn conduct(&self, running: &mut Vec<Running>) -> Result<Outcome, EngineError> {
        self.prepare(running).await?;
        let workers = self.workers();
        // Read by clients whose connections all workers share; set nowhere else.
        let _ = self.world.workers.set(workers);
        let (orders, begin, mut messages) = self.orders(workers);
        let threads = start_workers(&orders, workers)?;
        drop(orders);
        self.unless_halted(all_ready(&mut messages, workers)).await??;
        let at = Instant::now() + HEAD_START;
        let started = jiff::Timestamp::now();
        let before = Usage::now();
        // Read before any worker's user runs; set nowhere else.
        let _ = self.world.begin.set(at);
        begin.send_replace(Some(at));
        self.stage(Stage::Load);
        let mut collector = Collector::new(Arc::clone(&self.plan), workers, at);
        let mut machine = Machine::new(&self.plan, &self.world);
        if let Some(timeline) = &self.timeline {
            collector.watch(timeline);
            machine.watch(timeline, at);
            self.control.recorder().borrow_mut().watch(timeline, at);
        }
        self.breaking.load_begins(at);
        let collected = self.collect(&mut collector, &mut machine, &mut messages, at).await;
        let (elapsed, loaded) = (at.elapsed(), !self.interrupted.get());
        self.world.over.store(true, Ordering::Relaxed);
        let records = self.breaking.end_all().await;
        // A panic has been told of by message.
        let joined = threads.into_iter().filter(|_| !collected.abandoned).map(JoinHandle::join);
        joined.for_each(drop);
        let load = Usage::now().since(&before);
        let stolen = machine.stolen();
        let mut broken = faults::outcomes(&self.plan, &records, &collector, elapsed);
        let teardown = self.teardown(&mut collector, elapsed, &broken).await;
        // What `teardown` broke met no load.
        let records = self.breaking.end_all().await;
        broken.extend(faults::outcomes(&self.plan, &records, &collector, elapsed));
        self.tell(&mut collector, elapsed.as_secs() as u32 + 1);
        let lost = running.iter().filter_map(Running::ended);
        let lost = lost.map(|how| self.world.masked(how)).collect();
        services::stop(&self.world, std::mem::take(running)).await;
        let ending = Ending {
            started,
            elapsed,
            interrupted: self.interrupted.get(),
            loaded,
            aborted_by: collected.aborted_by,
            broke: collected.broke,
            teardown,
            load,
            lost,
            faults: broken,
            stolen,
        };
        let close = Close {
            plan: &self.plan,
            world: &self.world,
            name: &self.options.name,
            workers,
            collector: &collector,
        };
        self.without_secrets(closing::outcome(&close, ending))
    }

    fn without_secrets(&self, outcome: Outcome) -> Result<Outcome, EngineError> {
        if self.world.secrets().is_empty() {
            return Ok(outcome);
        }
        let masked = outcome.masked(&|text| self.world.masked(text.to_owned()));
        masked.map_err(|e| EngineError::Broke(format!("cannot keep secrets out of results: {e}")))
    }

    /// Awaits `work`, or gives up on the first signal.
    async fn unless_halted<T>(&self, work: impl Future<Output = T>) -> Result<T, EngineError> {
        let mut halt = self.halt.subscribe();
        tokio::select! {
            biased;
            _ = halt.wait_for(|halt| *halt != Halt::Run) => Err(EngineError::Interrupted),
            done = work => Ok(done),
        }
    }

    fn stage(&self, stage: Stage) {
        self.progress.send_modify(|state| state.stage = stage);
    }
}
