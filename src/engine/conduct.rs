//! The order in which a run happens, on the control thread.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::closing::{self, Close, Ending};
use super::collector::Collector;
use super::progress::{Progress, Stage};
use super::worker::{self, Gates, Message, Orders};
use super::{EngineError, Options, signals};
use crate::executor::{Halt, Stop, Stripe};
use crate::outcome::Outcome;
use crate::plan::{Load, Plan};
use crate::script::{Level, Loaded, Vm, World};
use crate::service::{self, Running};

/// Between "all workers are ready" and the first intended start.
const HEAD_START: Duration = Duration::from_millis(20);
/// How long after a second's end the workers' messages about it are waited for.
const SETTLE: Duration = Duration::from_millis(100);

/// Runs a loaded script to its outcome.
pub async fn run(
    loaded: Loaded,
    options: Options,
    progress: watch::Sender<Progress>,
) -> Result<Outcome, EngineError> {
    let (halt, stop) = Stop::channel();
    let listening = tokio::task::spawn_local(signals::listen(halt.clone()));
    let mut services = Vec::new();
    let world = loaded.control.world();
    let conductor = Conductor {
        plan: Arc::new(loaded.plan),
        world: Arc::clone(&world),
        control: loaded.control,
        options,
        progress,
        halt,
        stop,
    };
    let outcome = conductor.conduct(&mut services).await;
    for service in services {
        if let Err(error) = service.stop().await {
            world.log.add(Level::Warn, error.to_string());
        }
    }
    listening.abort();
    outcome
}

struct Conductor {
    plan: Arc<Plan>,
    world: Arc<World>,
    control: std::rc::Rc<Vm>,
    options: Options,
    progress: watch::Sender<Progress>,
    halt: watch::Sender<Halt>,
    stop: Stop,
}

impl Conductor {
    async fn conduct(&self, services: &mut Vec<Running>) -> Result<Outcome, EngineError> {
        self.stage(Stage::Services);
        self.unless_halted(self.start_services(services)).await??;
        self.stage(Stage::Setup);
        if self.plan.has_setup {
            self.unless_halted(self.control.setup()).await?.map_err(EngineError::Setup)?;
        }
        let workers = self.workers();
        // Read by clients whose connections all workers share; set nowhere else.
        let _ = self.world.workers.set(workers);
        let (orders, begin, mut messages) = self.orders(workers);
        let threads = start_workers(&orders, workers)?;
        drop(orders);
        self.unless_halted(all_ready(&mut messages, workers)).await??;
        let at = Instant::now() + HEAD_START;
        let before = closing::Usage::now();
        // Read before any worker's user runs; set nowhere else.
        let _ = self.world.begin.set(at);
        begin.send_replace(Some(at));
        self.stage(Stage::Load);
        let mut collector = Collector::new(Arc::clone(&self.plan), workers);
        let aborted_by = self.collect(&mut collector, &mut messages, at).await?;
        let elapsed = at.elapsed();
        join(threads)?;
        for told in services.iter_mut().filter_map(Running::ended) {
            self.world.log.add(Level::Error, told);
        }
        let load = closing::Usage::now().since(&before);
        let interrupted = aborted_by.is_none() && *self.halt.borrow() != Halt::Run;
        let teardown = self.teardown(&mut collector, elapsed).await;
        let ending = Ending { elapsed, interrupted, aborted_by, teardown, load };
        let close = Close {
            plan: &self.plan,
            world: &self.world,
            name: &self.options.name,
            workers,
            collector: &collector,
        };
        Ok(closing::outcome(&close, ending))
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

    async fn start_services(&self, services: &mut Vec<Running>) -> Result<(), EngineError> {
        let program = std::env::current_exe()
            .map_err(|e| EngineError::System(format!("cannot find this program itself: {e}")))?;
        for declared in &self.plan.services {
            let running = service::start(declared, &program).await.map_err(EngineError::Service)?;
            // Each declared name is started once.
            let _ = self.world.service_url(&declared.name).set(running.url().to_owned());
            services.push(running);
        }
        Ok(())
    }

    /// Threads that make the load: as asked, else one a processor.
    fn workers(&self) -> usize {
        let processors = || std::thread::available_parallelism().map_or(1, usize::from);
        self.options.workers.unwrap_or_else(processors)
    }

    fn orders(
        &self,
        workers: usize,
    ) -> (Orders, watch::Sender<Option<Instant>>, mpsc::UnboundedReceiver<Message>) {
        let (begin, begins) = watch::channel(None);
        let (out, messages) = mpsc::unbounded_channel();
        let of = workers as u64;
        let orders = Orders {
            stripe: Stripe { worker: 0, of },
            world: Arc::clone(&self.world),
            plan: Arc::clone(&self.plan),
            begin: begins,
            stop: self.stop.clone(),
            gates: Arc::new(Gates::new(&self.plan, of)),
            out,
        };
        (orders, begin, messages)
    }

    /// Collects until the last worker has ended; the answer is the threshold that aborted the run.
    async fn collect(
        &self,
        collector: &mut Collector,
        messages: &mut mpsc::UnboundedReceiver<Message>,
        begin: Instant,
    ) -> Result<Option<String>, EngineError> {
        let mut aborted_by = None;
        let mut second = 0_u32;
        let mut halted = self.halt.subscribe();
        loop {
            let due = begin + Duration::from_secs(u64::from(second) + 1) + SETTLE;
            tokio::select! {
                message = messages.recv() => match message {
                    Some(Message::Second(heard)) => collector.absorb(*heard),
                    Some(Message::Ended(ended)) => collector.close(*ended),
                    Some(message) => refused(message)?,
                    None => return Ok(aborted_by),
                },
                _ = halted.changed() => self.stage(Stage::Stopping),
                () = tokio::time::sleep_until(due) => {
                    if let Some(threshold) = collector.judge(second) && aborted_by.is_none() {
                        aborted_by = Some(threshold);
                        self.halt.send_if_modified(|halt| {
                            let running = *halt == Halt::Run;
                            if running { *halt = Halt::Graceful; }
                            running
                        });
                    }
                    self.show(collector, second, begin);
                    second += 1;
                }
            }
        }
    }

    /// Runs the script's `teardown`; the answer is what went wrong in it.
    async fn teardown(&self, collector: &mut Collector, elapsed: Duration) -> Option<String> {
        let mut failed = None;
        if self.plan.has_teardown {
            self.stage(Stage::Teardown);
            let mut halt = self.halt.subscribe();
            failed = tokio::select! {
                done = self.control.teardown() => done.err().map(|problem| problem.to_string()),
                _ = halt.wait_for(|halt| *halt == Halt::Now) => Some("interrupted".to_owned()),
            };
        }
        closing::record_ledgers(&self.world, &self.control);
        let interval = self.control.recorder().borrow_mut().take();
        collector.absorb_control(elapsed.as_secs() as u32, interval);
        self.progress.send_modify(|state| state.log = self.world.log.drain());
        failed
    }

    fn stage(&self, stage: Stage) {
        self.progress.send_modify(|state| {
            state.stage = stage;
            state.log = self.world.log.drain();
        });
    }

    fn show(&self, collector: &mut Collector, second: u32, begin: Instant) {
        let scenarios = collector.progress(second);
        self.progress.send_modify(|state| {
            state.elapsed = begin.elapsed();
            state.planned = planned(&self.plan);
            state.scenarios = scenarios;
            state.log = self.world.log.drain();
        });
    }
}

/// How long the plan is, when its clock and not its work says so.
fn planned(plan: &Plan) -> Option<Duration> {
    let open_ended = |load: &Load| matches!(load, Load::Iterations { duration: None, .. });
    let timed = !plan.scenarios.iter().any(|scenario| open_ended(&scenario.load));
    timed.then(|| plan.duration())
}

fn start_workers(orders: &Orders, workers: usize) -> Result<Vec<JoinHandle<()>>, EngineError> {
    let start = |worker| {
        let mut orders = orders.clone();
        orders.stripe.worker = worker as u64;
        worker::spawn(orders)
            .map_err(|e| EngineError::System(format!("cannot start a worker thread: {e}")))
    };
    (0..workers).map(start).collect()
}

async fn all_ready(
    messages: &mut mpsc::UnboundedReceiver<Message>,
    workers: usize,
) -> Result<(), EngineError> {
    for _ in 0..workers {
        match messages.recv().await {
            Some(Message::Ready) => {}
            Some(message) => refused(message)?,
            None => {
                return Err(EngineError::Broke("a worker ended before the load".to_owned()));
            }
        }
    }
    Ok(())
}

/// Every message but a second means that the run cannot go on.
fn refused(message: Message) -> Result<(), EngineError> {
    match message {
        Message::Ready | Message::Second(_) | Message::Ended(_) => Ok(()),
        Message::Refused(problems) => Err(EngineError::Worker(problems)),
        Message::Failed(what) => Err(EngineError::System(what)),
    }
}

fn join(threads: Vec<JoinHandle<()>>) -> Result<(), EngineError> {
    for thread in threads {
        if thread.join().is_err() {
            return Err(EngineError::Broke("a worker panicked".to_owned()));
        }
    }
    Ok(())
}
