//! After the load: the script's `teardown`, and what is known only then.

use std::time::Duration;

use super::Conductor;
use crate::engine::collector::Collector;
use crate::engine::progress::Stage;
use crate::engine::worker::Ended;
use crate::engine::{closing, faults};
use crate::executor::Halt;
use crate::outcome::FaultOutcome;
use crate::plan::Problem;

impl Conductor {
    /// Runs the script's `teardown`; the answer is what went wrong in it.
    pub(super) async fn teardown(
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
}

/// A problem in one sentence.
fn told(problem: &Problem) -> String {
    match &problem.at {
        Some(place) => format!("{} at {place}", problem.what),
        None => problem.what.clone(),
    }
}
