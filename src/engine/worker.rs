//! One worker: a thread, a runtime, a Lua state, a recorder; nothing shared.
//!
//! Worker *w* of *N* runs its stripe of every scenario. Once a second it hands what it recorded to
//! the control thread, without waiting for an answer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::runtime::LocalRuntime;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::account::{Account, thread_cpu};
use super::share::{Gates, Share, ShareState, offer};
use crate::executor::{Clock, Stop, Stripe};
use crate::metric::{Edges, Interval, Timeline, Windows};
use crate::outcome::FailureSample;
use crate::plan::{Plan, Problem};
use crate::script::{Busy, Errors, Vm, World};

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
    /// How late it was with this second.
    pub late: Duration,
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
    let runtime = LocalRuntime::new();
    let runtime = runtime.map_err(|e| Message::Failed(format!("no event loop: {e}")))?;
    let ended = runtime.block_on(work(orders));
    // A look-up of a name may still be under way on a thread of the runtime.
    runtime.shutdown_background();
    ended
}

async fn work(mut orders: Orders) -> Result<(), Message> {
    let vm = Vm::worker(&orders.world, orders.stripe.worker).map_err(Message::Refused)?;
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
    // One that waits for another's end would wait for ever where that one broke.
    let mut all = std::pin::pin!(async {
        let broke = |error| Message::Broke(format!("a scenario's task ended: {error}"));
        futures_util::future::try_join_all(users).await.map(drop).map_err(broke)
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
