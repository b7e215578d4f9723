//! Before the load: services, `setup`, and workers that wait for the begin.

use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::Conductor;
use super::collecting::refused;
use crate::engine::progress::Stage;
use crate::engine::share::Gates;
use crate::engine::worker::{self, Message, Orders};
use crate::engine::{EngineError, foreseen, listeners, machine, services};
use crate::executor::Stripe;
use crate::metric::{Kind, Tags};
use crate::service::Running;

impl Conductor {
    /// Services and `setup`.
    pub(super) async fn prepare(&self, running: &mut Vec<Running>) -> Result<(), EngineError> {
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

    /// Threads that make the load: as asked, else one a processor.
    pub(super) fn workers(&self) -> usize {
        let processors = || std::thread::available_parallelism().map_or(1, usize::from);
        self.options.workers.unwrap_or_else(processors)
    }

    pub(super) fn orders(
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
}

pub(super) fn start_workers(
    orders: &Orders,
    workers: usize,
) -> Result<Vec<JoinHandle<()>>, EngineError> {
    let start = |worker| {
        let mut orders = orders.clone();
        orders.stripe.worker = worker as u64;
        worker::spawn(orders)
            .map_err(|e| EngineError::System(format!("cannot start a worker thread: {e}")))
    };
    (0..workers).map(start).collect()
}

pub(super) async fn all_ready(
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
