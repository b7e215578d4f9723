//! Who holds the faults of a run: those of the plan, by the clock, and those a script asks for.
//!
//! All are held on the control thread. None outlives the load, or the `teardown` that asked for it,
//! or a signal; what became of each is told in the order in which they were asked for.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::collector::Collector;
use super::proxies::Proxies;
use super::waiting::{self, Sight, Waiting};
use crate::executor::Halt;
use crate::fault::{
    self, Ask, Awaited, Break, Holding, Journal, Mark, Record, Subject, Thing, Waited,
};
use crate::metric::Timeline;
use crate::plan::{FaultDecl, Plan};
use crate::script::{Calls, World};
use crate::service::Process;
use crate::wire::proxy::Reach;

/// The faults of a run.
pub struct Breaking {
    plan: Arc<Plan>,
    world: Arc<World>,
    proxies: Rc<Proxies>,
    reach: Reach,
    halt: watch::Sender<Halt>,
    journal: Rc<Journal>,
    /// The phases of the run.
    timeline: Option<Arc<Timeline>>,
    /// Services the run has started, by name.
    services: RefCell<BTreeMap<String, Process>>,
    /// When the load began; nothing before.
    begin: Cell<Option<Instant>>,
    held: RefCell<Vec<Held>>,
    /// Who waits for a recovery.
    waiting: Waiting,
}

/// A fault that stands, will, or did.
struct Held {
    fault: FaultDecl,
    /// What it is; `None` where that is not known.
    how: Option<Break>,
    due: Instant,
    stop: watch::Sender<bool>,
    /// What became of it, once that is known.
    record: watch::Receiver<Option<Record>>,
    _task: JoinHandle<()>,
}

/// What a run is told of faults.
pub struct Limits {
    /// Whom they may concern.
    pub reach: Reach,
    /// Where it is written down what has to be put right.
    pub journal: Journal,
}

impl Breaking {
    /// Nothing is broken yet.
    pub fn new(
        plan: &Arc<Plan>,
        world: &Arc<World>,
        proxies: &Rc<Proxies>,
        halt: &watch::Sender<Halt>,
        timeline: Option<&Arc<Timeline>>,
        limits: Limits,
    ) -> Rc<Self> {
        let Limits { reach, journal } = limits;
        Rc::new(Self {
            plan: Arc::clone(plan),
            world: Arc::clone(world),
            proxies: Rc::clone(proxies),
            reach,
            halt: halt.clone(),
            journal: Rc::new(journal),
            timeline: timeline.cloned(),
            services: RefCell::default(),
            begin: Cell::default(),
            held: RefCell::default(),
            waiting: Waiting::default(),
        })
    }

    /// Notes what the run has started.
    pub fn found(&self, process: &Process) {
        let name = process.declared().name.clone();
        self.services.borrow_mut().insert(name, process.clone());
    }

    /// The load begins: from now on the faults of the plan stand when they are due.
    pub fn load_begins(self: &Rc<Self>, begin: Instant) {
        self.begin.set(Some(begin));
        for fault in &self.plan.faults {
            self.hold(fault.clone(), begin + fault.at, None);
        }
    }

    /// Answers what scripts ask, until nobody can ask any more.
    pub async fn serve(self: Rc<Self>, mut asked: mpsc::UnboundedReceiver<Ask>) {
        while let Some(ask) = asked.recv().await {
            match ask {
                Ask::Begin(fault, answer) => self.begin_now(*fault, answer),
                Ask::End(name, answer) => {
                    let this = Rc::clone(&self);
                    tokio::task::spawn_local(async move {
                        // Whoever asked may be gone by then.
                        let _ = answer.send(this.end(&name).await);
                    });
                }
                Ask::Await(awaited, until, answer) => self.wait(&awaited, until, answer),
            }
        }
    }

    fn begin_now(
        self: &Rc<Self>,
        fault: FaultDecl,
        answer: oneshot::Sender<Result<String, String>>,
    ) {
        let fault = FaultDecl { name: self.name(&fault), at: self.since(Instant::now()), ..fault };
        self.hold(fault, Instant::now(), Some(answer));
    }

    /// A name no other fault of the run has.
    fn name(&self, fault: &FaultDecl) -> String {
        let usual = if fault.name.is_empty() { &fault.kind } else { &fault.name };
        let held = self.held.borrow();
        let taken = |name: &String| {
            let declared = self.plan.faults.iter().any(|other| other.name == *name);
            declared || held.iter().any(|other| other.fault.name == *name)
        };
        let numbered = (2..).map(|number| format!("{usual}-{number}"));
        [usual.clone()].into_iter().chain(numbered).find(|name| !taken(name)).unwrap_or_default()
    }

    /// Somebody waits for a recovery.
    fn wait(&self, awaited: &Awaited, until: Instant, answer: oneshot::Sender<Waited>) {
        let edges = self.timeline.as_ref().map(|timeline| timeline.edges());
        let edges = edges.ok_or_else(|| "nothing is to be broken in this run".to_owned());
        let named = edges.and_then(|edges| waiting::named(awaited, &self.faults(), &edges));
        match named {
            Ok(faults) => self.waiting.add(faults, until, answer),
            // Whoever asked may be gone by then.
            Err(why) => drop(answer.send(Err(why))),
        }
    }

    /// Tells those who wait for a recovery what is known, in a run that is `elapsed` old.
    pub fn tell_waiting(&self, collector: &Collector, elapsed: Duration) {
        if self.waiting.is_empty() {
            return;
        }
        let is_ending = *self.halt.borrow() != Halt::Run;
        if let Some(sight) = Sight::new(&self.plan, collector, elapsed) {
            self.waiting.tell(&self.faults(), &sight, is_ending);
        }
    }

    /// Every fault of the run, with what became of it where that is known.
    fn faults(&self) -> Vec<(FaultDecl, Option<Record>)> {
        let held = self.held.borrow();
        held.iter().map(|held| (held.fault.clone(), held.record.borrow().clone())).collect()
    }

    fn since(&self, at: Instant) -> Duration {
        self.begin.get().map_or(Duration::ZERO, |begin| at.saturating_duration_since(begin))
    }
}

/// Whoever waits until a fault is in force.
type Answer = oneshot::Sender<Result<String, String>>;

impl Breaking {
    fn hold(self: &Rc<Self>, fault: FaultDecl, due: Instant, answer: Option<Answer>) {
        let (stop, stopped) = watch::channel(false);
        let (told, record) = watch::channel(None);
        let found = self.found_of(&fault, due);
        let how = found.as_ref().ok().map(|(how, _)| how.clone());
        let (this, of) = (Rc::clone(self), fault.clone());
        let task = tokio::task::spawn_local(async move {
            let answer = Cell::new(answer);
            let record = match found {
                Ok((how, subject)) => this.stand(&of, how, subject, due, stopped, &answer).await,
                Err(why) => Record { failed: Some(why), ..Record::default() },
            };
            if let Some(answer) = answer.take() {
                let why = record.failed.clone();
                // Whoever asked may be gone by then.
                let _ = answer.send(Err(why.unwrap_or_else(|| "the run is ending".to_owned())));
            }
            told.send_replace(Some(record));
        });
        self.held.borrow_mut().push(Held { fault, how, due, stop, record, _task: task });
    }

    /// Holds a fault from beginning to end.
    async fn stand(
        &self,
        fault: &FaultDecl,
        how: Break,
        subject: Subject,
        due: Instant,
        mut stopped: watch::Receiver<bool>,
        answer: &Cell<Option<Answer>>,
    ) -> Record {
        let mut halt = self.halt.subscribe();
        let stop = async {
            tokio::select! {
                _ = stopped.wait_for(|stopped| *stopped) => {}
                _ = halt.wait_for(|halt| *halt != Halt::Run) => {}
            }
        };
        let tell = |mark| self.follow(fault, &subject, mark, answer);
        let since = |at| self.since(at);
        let (subject, journal) = (&subject, &self.journal);
        fault::hold(fault, how, Holding { subject, journal, due, since, tell }, stop).await
    }

    /// Notes what happens to a fault, and tells whoever waits for it.
    fn follow(
        &self,
        fault: &FaultDecl,
        subject: &Subject,
        mark: Mark,
        answer: &Cell<Option<Answer>>,
    ) {
        match mark {
            Mark::Begins(at) => {
                if let Some(timeline) = &self.timeline {
                    timeline.begins(&fault.name, self.since(at));
                }
            }
            Mark::Stands => {
                let begun = answer.take().map(|answer| answer.send(Ok(fault.name.clone())));
                if matches!(begun, Some(Err(_))) {
                    // Whoever asked is gone, and nobody else would end it.
                    self.let_go(&fault.name);
                }
            }
            Mark::Gone(at) => {
                if let Some(timeline) = &self.timeline {
                    timeline.ends(&fault.name, self.since(at));
                }
                if let Subject::Service(process, _) = subject {
                    self.world.restarted(&fault.on, process.pid());
                }
            }
        }
    }

    /// What a fault is, and on what; or why it cannot stand.
    fn found_of(&self, fault: &FaultDecl, due: Instant) -> Result<(Break, Subject), String> {
        let nothing = || format!("nothing is called {:?}", fault.on);
        let calls = fault.kind == fault::CALLS;
        let thing =
            if calls { Ok(Thing::Calls) } else { Thing::of(&fault.on, &self.plan.services) };
        let thing = thing.map_err(|(what, _)| what)?;
        let how = fault::read(fault, thing).map_err(|(what, _)| what)?;
        let subject = self.subject(&fault.on)?.ok_or_else(nothing)?;
        let held = self.held.borrow();
        let over = due + fault.lasts;
        let beside = held.iter().filter(|held| held.record.borrow().is_none());
        let beside = beside.filter(|held| {
            held.fault.on == fault.on && held.due < over && due < held.due + held.fault.lasts
        });
        let mut against = beside.filter_map(|held| {
            let why = fault::contradiction(held.how.as_ref()?, &how)?;
            Some(format!("it contradicts the fault {:?}: {why}", held.fault.name))
        });
        match against.next_back() {
            Some(why) => Err(why),
            None => Ok((how, subject)),
        }
    }

    fn subject(&self, on: &str) -> Result<Option<Subject>, String> {
        if let Some(proxy) = self.proxies.find(on) {
            return Ok(Some(Subject::Link(proxy)));
        }
        if let Some(process) = self.services.borrow().get(on) {
            let url = self.world.service(on).url.get().cloned().unwrap_or_default();
            return Ok(Some(Subject::Service(Box::new(process.clone()), url)));
        }
        let calls = self.world.all_kept::<Calls>().into_iter().find(|(name, _)| name == on);
        if let Some((_, calls)) = calls {
            return Ok(Some(Subject::Calls(calls)));
        }
        if on.contains("://") {
            self.reach.check(&fault::address(on)?)?;
            return Ok(Some(Subject::Server(on.to_owned())));
        }
        Ok(None)
    }

    /// Ends a fault; what will have become of it, if there is such a fault.
    fn let_go(&self, name: &str) -> Option<watch::Receiver<Option<Record>>> {
        let held = self.held.borrow();
        let held = held.iter().find(|held| held.fault.name == name)?;
        held.stop.send_replace(true);
        Some(held.record.clone())
    }

    /// Ends a fault, and says what became of it.
    async fn end(&self, name: &str) -> Option<Record> {
        let mut record = self.let_go(name)?;
        let record = record.wait_for(Option::is_some).await.ok()?;
        record.clone()
    }

    /// Ends all that stand, and says what became of each since this was last asked.
    pub async fn end_all(&self) -> Vec<(FaultDecl, Record)> {
        let held = self.held.take();
        for held in &held {
            held.stop.send_replace(true);
        }
        let mut all = Vec::new();
        for mut held in held {
            let record = held.record.wait_for(Option::is_some).await;
            let lost = || Record { failed: Some("its task ended".to_owned()), ..Record::default() };
            let record =
                record.map_or_else(|_| lost(), |record| record.clone().unwrap_or_default());
            all.push((held.fault, record));
        }
        all
    }
}
