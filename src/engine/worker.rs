//! One worker: a thread, a runtime, a Lua state, a recorder; nothing shared.
//!
//! Worker *w* of *N* runs its stripe of every scenario. Once a second it hands what it recorded to
//! the control thread, without waiting for an answer.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::Builder;
use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;
use tokio::time::Instant;

use crate::executor::{self, Clock, Counts, Driver, Halt, Shift, Stop, Stripe, Tally, Turn};
use crate::metric::{Edges, Interval, Metric, SeriesId, Tags, Timeline, Windows};
use crate::outcome::FailureSample;
use crate::plan::{Plan, Problem, Scenario, Start};
use crate::script::{Busy, Errors, User, Vm, World};

/// What a worker is given.
#[derive(Clone)]
pub struct Orders {
    /// Which share of the load is its own.
    pub stripe: Stripe,
    /// What all Lua states of the run share.
    pub world: Arc<World>,
    /// The whole plan.
    pub plan: Arc<Plan>,
    /// When the load begins, once that is known.
    pub begin: watch::Receiver<Option<Instant>>,
    /// Whether to go on.
    pub stop: Stop,
    /// What scenarios wait for each other at.
    pub gates: Arc<Gates>,
    /// The phases of the run, where something is to be broken.
    pub timeline: Option<Arc<Timeline>>,
    /// Where its messages go.
    pub out: mpsc::UnboundedSender<Message>,
}

/// What a worker says.
pub enum Message {
    /// The script is loaded; the load may begin.
    Ready,
    /// The script could not be loaded.
    Refused(Vec<Problem>),
    /// The system refused a thread's needs.
    Failed(String),
    /// It cannot go on: a defect of loadrun.
    Broke(String),
    /// What happened since its last second.
    Second(Box<Second>),
    /// Its load has ended; the last message.
    Ended(Box<Ended>),
}

/// What one worker did in one second.
pub struct Second {
    /// Which worker.
    pub worker: u64,
    /// Which second of the load this is, from 0.
    pub at: u32,
    /// What was recorded.
    pub interval: Interval,
    /// What became of its shares since the begin, one entry a scenario.
    pub shares: Vec<ShareState>,
    /// CPU time of the thread since the begin.
    pub cpu: Duration,
    /// What the script cost in this second.
    pub busy: Busy,
    /// Its calls by window, where something is broken during the run.
    pub windows: Option<Windows>,
    /// All calls have ended that were meant to be made before this, from the begin of the load.
    pub settled: Duration,
}

/// What one worker keeps to itself until its load has ended.
pub struct Ended {
    /// Where its script broke.
    pub errors: Errors,
    /// How its calls failed, one example a kind and operation.
    pub failures: Vec<FailureSample>,
    /// Connections this machine had no socket or port for.
    pub exhausted: u64,
}

/// One worker's share of a scenario as it is now.
#[derive(Debug, Clone, Copy, Default)]
pub struct ShareState {
    /// What was started and what became of it.
    pub counts: Counts,
    /// When its users began, once they have.
    pub begun: Option<Instant>,
    /// When its last user ended, once it has.
    pub ended: Option<Instant>,
}

/// Where scenarios wait for the end of others: one gate a scenario, open when every worker's share
/// of it has ended.
#[derive(Debug)]
pub struct Gates(BTreeMap<Arc<str>, watch::Sender<Gate>>);

#[derive(Debug, Clone, Copy)]
struct Gate {
    workers_left: u64,
    ended: Option<Instant>,
}

impl Gates {
    /// A closed gate for every scenario.
    pub fn new(plan: &Plan, workers: u64) -> Self {
        let closed = || watch::Sender::new(Gate { workers_left: workers, ended: None });
        Self(plan.scenarios.iter().map(|s| (Arc::clone(&s.name), closed())).collect())
    }

    /// One worker's share has ended.
    fn leave(&self, scenario: &str) {
        if let Some(gate) = self.0.get(scenario) {
            gate.send_modify(|gate| {
                gate.workers_left -= 1;
                if gate.workers_left == 0 {
                    gate.ended = Some(Instant::now());
                }
            });
        }
    }

    /// When the last worker's share has ended; the same instant for everyone who waits.
    async fn ended(&self, scenario: &str) -> Option<Instant> {
        let mut gate = self.0.get(scenario)?.subscribe();
        gate.wait_for(|gate| gate.ended.is_some()).await.ok().and_then(|gate| gate.ended)
    }
}

/// Starts the thread of a worker. Its last message says how it ended, if not well.
pub fn spawn(orders: Orders) -> std::io::Result<thread::JoinHandle<()>> {
    let name = format!("worker {}", orders.stripe.worker);
    thread::Builder::new().name(name).spawn(move || {
        let out = orders.out.clone();
        // Whatever a panic leaves behind is this thread's own and goes with it.
        let ended = catch_unwind(AssertUnwindSafe(|| run(orders)));
        let ended = ended.unwrap_or_else(|_| Err(Message::Broke("a worker panicked".to_owned())));
        if let Err(message) = ended {
            // Where the control thread is gone there is nobody to tell.
            let _ = out.send(message);
        }
    })
}

fn run(orders: Orders) -> Result<(), Message> {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Message::Failed(format!("no event loop: {e}")))?;
    let ended = LocalSet::new().block_on(&runtime, work(orders));
    // A look-up of a name may still be under way on a thread of the runtime.
    runtime.shutdown_background();
    ended
}

async fn work(mut orders: Orders) -> Result<(), Message> {
    let vm = Vm::worker(&orders.world).map_err(Message::Refused)?;
    same_plan(vm.plan(), &orders.plan)?;
    let clock = Clock::new().map_err(|e| Message::Failed(format!("no timer: {e}")))?;
    let _ = orders.out.send(Message::Ready);
    // The control thread gives up by dropping the sender.
    let Ok(begin) = orders.begin.wait_for(Option::is_some).await.map(|begin| *begin) else {
        return Ok(());
    };
    let begin = begin.unwrap_or_else(Instant::now);
    if let Some(timeline) = &orders.timeline {
        vm.watch(timeline, begin);
    }
    let mut phases = orders.timeline.as_ref().map(|timeline| timeline.changes());
    // What loading the script took held nobody up.
    vm.take_busy();
    let cpu_before = thread_cpu();
    let shares: Vec<_> =
        (0..orders.plan.scenarios.len()).map(|_| Rc::new(Share::default())).collect();
    let users = shares.iter().enumerate().map(|(at, share)| {
        let (orders, vm) = (orders.clone(), Rc::clone(&vm));
        let (clock, share) = (clock.clone(), Rc::clone(share));
        tokio::task::spawn_local(async move { offer(&orders, at, vm, clock, begin, &share).await })
    });
    let users: Vec<_> = users.collect();
    let mut account = Account::new(&vm, &orders, shares, begin, cpu_before);
    let mut all = std::pin::pin!(async {
        for task in users {
            if let Err(error) = task.await {
                return Err(Message::Broke(format!("a scenario's task ended: {error}")));
            }
        }
        Ok(())
    });
    loop {
        let next = begin + Duration::from_secs(u64::from(account.second) + 1);
        let (watched, half) = (phases.is_some(), account.flowed + Timeline::WIDTH);
        tokio::select! {
            ended = &mut all => {
                vm.settle().await;
                account.send(&orders.out, Duration::MAX);
                let last = Ended {
                    errors: vm.take_errors(),
                    failures: vm.failures(),
                    exhausted: vm.exhausted(),
                };
                let _ = orders.out.send(Message::Ended(Box::new(last)));
                return ended;
            }
            () = tokio::time::sleep_until(next) => {
                let settled = vm.afoot_since().unwrap_or(Duration::MAX).min(begin.elapsed());
                account.send(&orders.out, settled);
            }
            () = begins(phases.as_mut()) => account.flow(),
            () = tokio::time::sleep_until(half.min(next)), if watched => account.flow(),
        }
    }
}

/// Completes when a phase of the run begins.
async fn begins(phases: Option<&mut watch::Receiver<Edges>>) {
    if let Some(phases) = phases
        && phases.changed().await.is_ok()
    {
        return;
    }
    std::future::pending::<()>().await;
}

/// Refuses a script that loads differently each time: its functions would run under the names of
/// others.
fn same_plan(own: &Plan, plan: &Plan) -> Result<(), Message> {
    let names = |plan: &Plan| -> Vec<_> {
        plan.scenarios.iter().map(|scenario| Arc::clone(&scenario.name)).collect()
    };
    if names(own) == names(plan) {
        return Ok(());
    }
    Err(Message::Refused(vec![Problem {
        what: format!("{} loads differently each time", plan.script.display()),
        at: None,
        hint: Some("it is loaded once for each worker, and must return the same table".to_owned()),
    }]))
}

/// What is known of one worker's share of a scenario.
#[derive(Default)]
struct Share {
    tally: Rc<Tally>,
    begun: std::cell::Cell<Option<Instant>>,
    ended: std::cell::Cell<Option<Instant>>,
}

/// Runs one worker's share of scenario number `at` from its start to its end.
async fn offer(
    orders: &Orders,
    at: usize,
    vm: Rc<Vm>,
    clock: Clock,
    begin: Instant,
    share: &Share,
) {
    let scenario = &orders.plan.scenarios[at];
    if let Some(begin) = starts(orders, scenario, begin).await {
        share.begun.set(Some(begin));
        let shift = Shift {
            stripe: orders.stripe,
            begin,
            seed: orders.world.source.seed,
            clock,
            stop: orders.stop.clone(),
            tally: Rc::clone(&share.tally),
        };
        executor::run(scenario, shift, Rc::new(Users { vm, scenario: at })).await;
        share.ended.set(Some(Instant::now()));
    }
    orders.gates.leave(&scenario.name);
}

/// When the scenario starts; `None` if the run halts before.
async fn starts(orders: &Orders, scenario: &Scenario, begin: Instant) -> Option<Instant> {
    let start = async {
        match &scenario.start {
            Start::At(after) => {
                let at = begin + *after;
                tokio::time::sleep_until(at - EARLY.min(*after)).await;
                Some(at)
            }
            Start::After(name) => orders.gates.ended(name).await,
        }
    };
    tokio::select! {
        biased;
        () = orders.stop.reached(Halt::Graceful) => None,
        at = start => at,
    }
}

/// How long before its start a scenario's executor takes over the waiting, which is finer.
const EARLY: Duration = Duration::from_millis(5);

/// The users of one scenario, as its executor drives them.
struct Users {
    vm: Rc<Vm>,
    scenario: usize,
}

impl Driver for Users {
    type User = User;

    async fn create(&self, number: u64) -> User {
        let mut user = self.vm.user(self.scenario, number);
        user.init().await;
        user
    }

    async fn iterate(&self, user: &mut User, turn: Turn) {
        user.iterate(turn).await;
    }
}

/// What a worker adds up for its messages.
struct Account<'a> {
    vm: &'a Vm,
    worker: u64,
    shares: Vec<Rc<Share>>,
    series: Vec<[SeriesId; 5]>,
    sent: Vec<Counts>,
    begin: Instant,
    cpu_before: Duration,
    /// The second the next message is about.
    second: u32,
    /// When what has happened was last recorded.
    flowed: Instant,
}

/// What is recorded of a scenario's load each second.
const FLOWS: [&str; 5] = [
    "iteration.offered",
    "iteration.started",
    "iteration.finished",
    "iteration.dropped",
    "iteration.unfinished",
];

/// The counts of [`FLOWS`], in its order.
fn flows(counts: &Counts) -> [u64; 5] {
    [counts.offered, counts.started, counts.finished, counts.dropped, counts.unfinished]
}

impl<'a> Account<'a> {
    fn new(
        vm: &'a Vm,
        orders: &Orders,
        shares: Vec<Rc<Share>>,
        begin: Instant,
        cpu_before: Duration,
    ) -> Self {
        let mut recorder = vm.recorder().borrow_mut();
        let series = orders.plan.scenarios.iter().map(|scenario| {
            let scenario_tag = [("scenario", &*scenario.name)];
            let own = scenario.tags.iter().map(|(k, v)| (k.as_str(), v.as_str()));
            let tags = Tags::new(scenario_tag.into_iter().chain(own));
            FLOWS.map(|name| {
                let metric =
                    Metric::builtin(name).unwrap_or_else(|| unreachable!("{name} is built in"));
                recorder.series(&metric, &tags)
            })
        });
        let series: Vec<_> = series.collect();
        let sent = vec![Counts::default(); series.len()];
        let worker = orders.stripe.worker;
        drop(recorder);
        Self { vm, worker, shares, series, sent, begin, cpu_before, second: 0, flowed: begin }
    }

    /// Records what became of the load since it was last recorded: each second, and where phases
    /// are told apart at every begin of one, so that what happened belongs to the one before.
    fn flow(&mut self) {
        let mut recorder = self.vm.recorder().borrow_mut();
        recorder.turn_to(self.flowed);
        for ((series, share), sent) in self.series.iter().zip(&self.shares).zip(&mut self.sent) {
            let counts = share.tally.counts();
            for ((series, now), sent) in series.iter().zip(flows(&counts)).zip(flows(sent)) {
                recorder.add(*series, (now - sent) as f64);
            }
            recorder.drop_arrivals(self.flowed, counts.dropped - sent.dropped);
            *sent = counts;
        }
        self.flowed = Instant::now();
    }

    /// Sends what happened since the last message; all calls meant to be made before `settled` have
    /// ended.
    fn send(&mut self, out: &mpsc::UnboundedSender<Message>, settled: Duration) {
        self.flow();
        let shares: Vec<_> = self.shares.iter().map(|share| share.state()).collect();
        let mut recorder = self.vm.recorder().borrow_mut();
        let second = Second {
            worker: self.worker,
            at: self.at(),
            interval: recorder.take(),
            shares,
            cpu: thread_cpu().saturating_sub(self.cpu_before),
            busy: self.vm.take_busy(),
            windows: recorder.take_windows(),
            settled,
        };
        self.second = self.begin.elapsed().as_secs() as u32;
        let _ = out.send(Message::Second(Box::new(second)));
    }

    /// The second this message is about: the one that has just passed, or, where the script kept
    /// the worker for longer, the last of those that have.
    fn at(&self) -> u32 {
        let now = self.begin.elapsed().saturating_sub(Duration::from_millis(500));
        self.second.max(now.as_secs() as u32)
    }
}

impl Share {
    fn state(&self) -> ShareState {
        ShareState { counts: self.tally.counts(), begun: self.begun.get(), ended: self.ended.get() }
    }
}

/// CPU time of the calling thread.
fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
