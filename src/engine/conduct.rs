//! The order in which a run happens, on the control thread.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::breaking::{Breaking, Limits};
use super::closing::{self, Close, Ending};
use super::collector::Collector;
use super::machine::{self, Machine};
use super::own::Usage;
use super::progress::{Progress, Stage};
use super::proxies::Proxies;
use super::share::Gates;
use super::worker::{self, Ended, Message, Orders};
use super::{EngineError, Options, faults, foreseen, listeners, services, signals};
use crate::executor::{Halt, Stop, Stripe};
use crate::fault::{Holder, Journal};
use crate::metric::{Kind, Tags, Timeline};
use crate::outcome::{FaultOutcome, Outcome};
use crate::plan::{Load, Plan, Problem};
use crate::script::{Loaded, Vm, World};
use crate::service::Running;
use crate::wire::proxy::Reach;

/// Between "all workers are ready" and the first intended start.
const HEAD_START: Duration = Duration::from_millis(20);
/// How long after a second's end the workers' messages about it are waited for.
const SETTLE: Duration = Duration::from_millis(100);

/// How long a second signal leaves the workers before they are left behind.
const AT_ONCE: Duration = Duration::from_secs(2);

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

/// How the load ended.
#[derive(Default)]
struct Collected {
    /// The threshold that aborted the run.
    aborted_by: Option<String>,
    /// What of loadrun broke.
    broke: Option<String>,
    /// Whether workers are left behind that did not end in time.
    abandoned: bool,
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

    /// Services and `setup`.
    async fn prepare(&self, running: &mut Vec<Running>) -> Result<(), EngineError> {
        let mut problems = machine::absent(&self.plan.watch);
        problems.extend(foreseen::problems(&self.plan, &self.world, &self.options)?);
        if !problems.is_empty() {
            return Err(EngineError::Services(problems));
        }
        foreseen::warn(&self.world, &self.options);
        if !self.plan.services.is_empty() {
            self.stage(Stage::Services);
            // First: a service may have to know where they are.
            let problems = listeners::open(&self.plan.services, &self.world, &self.control);
            if !problems.is_empty() {
                return Err(EngineError::Services(problems));
            }
            let (plan, options) = (&self.plan, &self.options);
            let started =
                services::start(&plan.services, &self.world, options, &self.proxies, running);
            self.unless_halted(started).await??;
            for running in running.iter() {
                self.breaking.found(running.process());
            }
        }
        if self.plan.has_setup {
            self.stage(Stage::Setup);
            self.unless_halted(self.control.setup()).await?.map_err(EngineError::Setup)?;
        }
        // A counter that nobody adds to has counted nothing, and is not unknown.
        let mut recorder = self.control.recorder().borrow_mut();
        for metric in self.plan.metrics.iter().filter(|metric| metric.kind == Kind::Counter) {
            let series = recorder.series(metric, &Tags::default());
            recorder.add(series, 0.0);
        }
        Ok(())
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
            timeline: self.timeline.clone(),
            out,
        };
        (orders, begin, messages)
    }

    /// Collects until the last worker has ended, and judges once a second.
    async fn collect(
        &self,
        collector: &mut Collector,
        machine: &mut Machine,
        messages: &mut mpsc::UnboundedReceiver<Message>,
        begin: Instant,
    ) -> Collected {
        let mut collected = Collected::default();
        let mut second = 0_u32;
        let mut halted = self.halt.subscribe();
        let mut patience = None;
        loop {
            let due = begin + Duration::from_secs(u64::from(second) + 1) + SETTLE;
            tokio::select! {
                message = messages.recv() => match message {
                    Some(Message::Second(heard)) => collector.absorb(*heard),
                    Some(Message::Ended(ended)) => collector.close(*ended),
                    Some(message) => {
                        collected.broke = refused(message).err().map(|error| error.what());
                        self.halt.send_replace(Halt::Now);
                    }
                    None => break,
                },
                _ = halted.changed() => {
                    self.stage(Stage::Stopping);
                    if *halted.borrow() == Halt::Now {
                        self.world.halted.store(true, Ordering::Relaxed);
                        patience = Some(Instant::now() + AT_ONCE);
                    }
                }
                () = tokio::time::sleep_until(patience.unwrap_or(due)), if patience.is_some() => {
                    collected.abandoned = true;
                    break;
                }
                () = tokio::time::sleep_until(due) => {
                    collector.note_levels(second);
                    collector.absorb_control(second, machine.look(second));
                    if let Some(threshold) = collector.judge(second) {
                        collected.aborted_by = Some(threshold);
                        self.halt.send_if_modified(stop_gracefully);
                    }
                    self.breaking.tell_waiting(collector, begin.elapsed());
                    self.show(collector, second, begin);
                    // A worker the script kept may be late with a second, but hardly by another.
                    self.tell(collector, second);
                    second += 1;
                }
            }
        }
        // The last second too, of which no tick came any more.
        collector.judge(begin.elapsed().as_secs() as u32);
        collected
    }

    /// Runs the script's `teardown`; the answer is what went wrong in it.
    async fn teardown(
        &self,
        collector: &mut Collector,
        elapsed: Duration,
        broken: &[FaultOutcome],
    ) -> Option<String> {
        let mut failed = None;
        if self.plan.has_teardown {
            self.stage(Stage::Teardown);
            let (mut halt, mut asked) = (self.halt.subscribe(), self.halt.subscribe());
            let leaving = async {
                let _ = asked.changed().await;
                self.stage(Stage::Leaving);
                std::future::pending::<()>().await;
            };
            failed = tokio::select! {
                biased;
                _ = halt.wait_for(|halt| *halt == Halt::Now) => Some("interrupted".to_owned()),
                () = leaving => None,
                done = self.control.teardown() => done.err().map(|problem| told(&problem)),
            };
        }
        collector.close(Ended {
            errors: self.control.take_errors(),
            failures: Vec::new(),
            exhausted: self.control.exhausted(),
        });
        closing::record_ledgers(&self.world, &self.control);
        let mut recorder = self.control.recorder().borrow_mut();
        faults::record(broken, &mut recorder);
        faults::record_budget(&self.plan, collector, elapsed, &mut recorder);
        drop(recorder);
        let interval = self.control.recorder().borrow_mut().take();
        collector.absorb_control(elapsed.as_secs() as u32, interval);
        failed
    }

    fn stage(&self, stage: Stage) {
        self.progress.send_modify(|state| state.stage = stage);
    }

    /// Tells of the seconds before `end`, without the values of secrets.
    fn tell(&self, collector: &mut Collector, end: u32) {
        let Some(listener) = &self.options.seconds else { return };
        for mut second in collector.untold(end) {
            for series in &mut second.series {
                let masked = |(key, value): (&str, &str)| {
                    [key, value].map(|text| self.world.masked(text.to_owned())).into()
                };
                let tags: Vec<(String, String)> = series.tags.iter().map(masked).collect();
                series.tags = Tags::new(tags);
            }
            // Whoever has stopped listening need not be told.
            let _ = listener.send(second);
        }
    }

    fn show(&self, collector: &mut Collector, second: u32, begin: Instant) {
        let scenarios = collector.progress(second);
        self.progress.send_modify(|state| {
            state.elapsed = begin.elapsed();
            state.planned = planned(&self.plan);
            state.scenarios = scenarios;
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

/// Every other message means that the run cannot go on.
fn refused(message: Message) -> Result<(), EngineError> {
    match message {
        Message::Ready | Message::Second(_) | Message::Ended(_) => Ok(()),
        Message::Refused(problems) => Err(EngineError::Worker(problems)),
        Message::Failed(what) => Err(EngineError::System(what)),
        Message::Broke(what) => Err(EngineError::Broke(what)),
    }
}

/// Lets what is running finish; answers whether that is new.
fn stop_gracefully(halt: &mut Halt) -> bool {
    let running = *halt == Halt::Run;
    if running {
        *halt = Halt::Graceful;
    }
    running
}

/// A problem in one sentence.
fn told(problem: &Problem) -> String {
    match &problem.at {
        Some(place) => format!("{} at {place}", problem.what),
        None => problem.what.clone(),
    }
}
