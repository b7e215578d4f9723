//! While there is load: what workers say once a second is put together, judged, shown and told.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Conductor;
use crate::engine::EngineError;
use crate::engine::collector::Collector;
use crate::engine::machine::Machine;
use crate::engine::progress::Stage;
use crate::engine::worker::Message;
use crate::executor::Halt;
use crate::metric::Tags;
use crate::plan::{Load, Plan};

/// How long after a second's end the workers' messages about it are waited for.
const SETTLE: Duration = Duration::from_millis(100);

/// How long a second signal leaves the workers before they are left behind.
const AT_ONCE: Duration = Duration::from_secs(2);

/// How the load ended.
#[derive(Default)]
pub(super) struct Collected {
    /// The threshold that aborted the run.
    pub(super) aborted_by: Option<String>,
    /// What of loadrun broke.
    pub(super) broke: Option<String>,
    /// Whether workers are left behind that did not end in time.
    pub(super) abandoned: bool,
}

impl Conductor {
    /// Collects until the last worker has ended, and judges once a second.
    pub(super) async fn collect(
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

    /// Tells of the seconds before `end`, without the values of secrets.
    pub(super) fn tell(&self, collector: &mut Collector, end: u32) {
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

    pub(super) fn show(&self, collector: &mut Collector, second: u32, begin: Instant) {
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

/// Every other message means that the run cannot go on.
pub(super) fn refused(message: Message) -> Result<(), EngineError> {
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
