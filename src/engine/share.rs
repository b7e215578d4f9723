//! One worker's share of a scenario, from its start to its end.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::worker::Orders;
use crate::executor::{self, Clock, Counts, Driver, Halt, Shift, Tally, Turn};
use crate::plan::{Plan, Scenario, Start};
use crate::script::{User, Vm};

/// How long before its start a scenario's executor takes over the waiting, which is finer.
const EARLY: Duration = Duration::from_millis(5);

/// One worker's share of a scenario as it is now.
#[derive(Debug, Clone, Copy, Default)]
pub struct ShareState {
    /// What was started and what became of it.
    pub counts: Counts,
    /// When its users began, once they have.
    pub begun: Option<Instant>,
    /// When the last of its load was offered, once it was.
    pub offered: Option<Instant>,
    /// When all but a few of its iterations had ended, once they have.
    pub settled: Option<Instant>,
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

/// What is known of one worker's share of a scenario.
#[derive(Default)]
pub struct Share {
    /// What is started, and what becomes of it.
    pub tally: Rc<Tally>,
    begun: Cell<Option<Instant>>,
    ended: Cell<Option<Instant>>,
}

impl Share {
    /// As it is now.
    pub fn state(&self) -> ShareState {
        ShareState {
            counts: self.tally.counts(),
            begun: self.begun.get(),
            offered: self.tally.offered(),
            settled: self.tally.settled(),
            ended: self.ended.get(),
        }
    }
}

/// Runs one worker's share of scenario number `at` from its start to its end.
pub async fn offer(
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
