//! What a worker adds up for its messages: what became of its load, second by second.

use std::rc::Rc;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::share::Share;
use super::worker::{Message, Orders, Second};
use crate::executor::Counts;
use crate::metric::{Metric, SeriesId, Tags};
use crate::script::Vm;

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

/// What a worker adds up for its messages.
pub struct Account<'a> {
    vm: &'a Vm,
    worker: u64,
    shares: Vec<Rc<Share>>,
    /// Those of [`FLOWS`], by scenario.
    series: Vec<[SeriesId; 5]>,
    /// What was recorded of each so far.
    sent: Vec<Counts>,
    begin: Instant,
    cpu_before: Duration,
    /// The second the next message is about.
    pub second: u32,
    /// When what has happened was last recorded.
    pub flowed: Instant,
}

impl<'a> Account<'a> {
    /// Of a load that begins, with nothing in it yet.
    pub fn new(
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
    pub fn flow(&mut self) {
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
    pub fn send(&mut self, out: &mpsc::UnboundedSender<Message>, settled: Duration) {
        self.flow();
        let shares: Vec<_> = self.shares.iter().map(|share| share.state()).collect();
        let due = Duration::from_secs(u64::from(self.second) + 1);
        let mut recorder = self.vm.recorder().borrow_mut();
        let second = Second {
            worker: self.worker,
            at: self.at(),
            interval: recorder.take(),
            shares,
            cpu: thread_cpu().saturating_sub(self.cpu_before),
            busy: self.vm.take_busy(),
            windows: recorder.take_windows(),
            late: self.begin.elapsed().saturating_sub(due),
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

/// CPU time of the calling thread.
pub fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
