//! What the machine under the run does: loadrun itself, the services it started, processes the
//! script watches, the network, and the processor time that the machine's own host withholds.
//!
//! Looked at once a second on the control thread, which makes no load.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::own::Usage;
use crate::metric::{Interval, Metric, Recorder, Tags, Timeline};
use crate::plan::{GENERATOR, Plan, Problem, WatchDecl};
use crate::process::{self, Meter, Processors, Traffic, Tree, Used};
use crate::script::{Level, Whereabouts, World};

/// All that is looked at, as it was the last time.
pub struct Machine {
    world: Arc<World>,
    tree: Tree,
    /// Looked at alone: what it started are the services.
    own: Option<Meter>,
    usage: (Usage, Instant),
    services: Vec<Service>,
    watched: Vec<Watched>,
    interfaces: BTreeMap<String, Traffic>,
    begun: Option<Processors>,
    processors: Option<Processors>,
    recorder: Recorder,
}

/// A service, which may be another process once it has been started again.
struct Service {
    name: String,
    found: Whereabouts,
    meter: Option<Meter>,
}

/// A process that is somebody else's.
struct Watched {
    name: String,
    /// None once it has ended.
    meter: Option<Meter>,
}

/// Every process to be watched that is not there.
pub fn absent(watch: &[WatchDecl]) -> Vec<Problem> {
    let tree = Tree::default();
    let gone = watch.iter().filter(|watched| Meter::new(watched.pid, &tree).is_none());
    let problem = |WatchDecl { name, pid, place }: &WatchDecl| Problem {
        what: format!("watch: there is no process {pid} to be called {name:?}"),
        at: Some(place.clone()),
        hint: Some(
            "start it before the run, and give the number it has on this machine".to_owned(),
        ),
    };
    gone.map(problem).collect()
}

impl Machine {
    /// Begins to look.
    pub fn new(plan: &Plan, world: &Arc<World>) -> Self {
        let mut tree = Tree::default();
        tree.look();
        let services = plan.services.iter().map(|service| Service {
            name: service.name.clone(),
            found: world.service(&service.name),
            meter: None,
        });
        let watched = plan.watch.iter().map(|watched| Watched {
            name: watched.name.clone(),
            meter: Meter::new(watched.pid, &tree),
        });
        let processors = process::processors();
        let mut machine = Self {
            world: Arc::clone(world),
            own: Meter::new(std::process::id(), &Tree::default()),
            usage: (Usage::now(), Instant::now()),
            services: services.collect(),
            watched: watched.collect(),
            interfaces: process::interfaces(),
            begun: processors,
            processors,
            recorder: Recorder::new(),
            tree,
        };
        for service in &mut machine.services {
            service.meter = service.found_meter(&machine.tree);
        }
        machine
    }

    /// From now on what is seen counts to the phase it is seen in.
    pub fn watch(&mut self, timeline: &Timeline, begin: tokio::time::Instant) {
        self.recorder.watch(timeline, begin);
    }

    /// What was used since the last time, as of second `second` of the run.
    pub fn look(&mut self, second: u32) -> Interval {
        self.tree.look();
        self.look_at_own();
        for at in 0..self.services.len() {
            let used = self.services[at].read(&self.tree);
            if let Some(used) = used {
                let name = self.services[at].name.clone();
                self.used(&name, used);
            }
        }
        for at in 0..self.watched.len() {
            self.look_at_watched(at, second);
        }
        self.look_at_host();
        self.recorder.take()
    }

    /// The share of processor time withheld since the begin; none where the system does not tell.
    pub fn stolen(&self) -> Option<f64> {
        process::processors()?.stolen_since(self.begun?)
    }

    /// The clock of its own time is finer than what is told of others.
    fn look_at_own(&mut self) {
        let (now, (usage, then)) = ((Usage::now(), Instant::now()), self.usage);
        let time = (now.1 - then).as_secs_f64().max(1e-3);
        let cpu = now.0.since(&usage).cpu().as_secs_f64() / time;
        self.usage = now;
        match self.own.as_mut().and_then(|own| own.read(&Tree::default())) {
            Some(used) => self.used(GENERATOR, Used { cpu, ..used }),
            None => self.level("process.cpu", &[("process", GENERATOR)], cpu),
        }
    }

    fn look_at_watched(&mut self, at: usize, second: u32) {
        let Watched { name, meter } = &mut self.watched[at];
        let (name, Some(looking)) = (name.clone(), meter.as_mut()) else { return };
        if let Some(used) = looking.read(&self.tree) {
            self.used(&name, used);
            return;
        }
        let pid = looking.pid();
        *meter = None;
        let what = format!("process {name:?} ({pid}) ended {second} s into the run");
        self.world.log.add(Level::Warn, format!("{what}: nothing is known of it from there"));
    }

    fn look_at_host(&mut self) {
        let now = process::processors();
        let stolen = now.zip(self.processors).and_then(|(now, before)| now.stolen_since(before));
        if let Some(stolen) = stolen {
            self.level("host.steal", &[], stolen);
        }
        self.processors = now;
        let interfaces = process::interfaces();
        for (name, traffic) in &interfaces {
            // One that was not there before has moved all it says since.
            let before = self.interfaces.get(name).copied().unwrap_or_default();
            let Traffic { came, went } = traffic.since(before);
            let tags = [("interface", name.as_str())];
            self.count("host.received", &tags, came);
            self.count("host.sent", &tags, went);
        }
        self.interfaces = interfaces;
    }

    fn used(&mut self, name: &str, used: Used) {
        let tags = [("process", name)];
        self.level("process.cpu", &tags, used.cpu);
        self.level("process.memory", &tags, used.memory as f64);
        if let Some(Traffic { came, went }) = used.disk {
            self.count("process.read", &tags, came);
            self.count("process.written", &tags, went);
        }
    }

    fn level(&mut self, metric: &'static str, tags: &[(&str, &str)], value: f64) {
        let series = self.recorder.series(&builtin(metric), &Tags::new(tags.iter().copied()));
        self.recorder.set(series, value);
    }

    fn count(&mut self, metric: &'static str, tags: &[(&str, &str)], amount: u64) {
        let series = self.recorder.series(&builtin(metric), &Tags::new(tags.iter().copied()));
        self.recorder.add(series, amount as f64);
    }
}

impl Service {
    /// What it used. Nothing is told of the second in which it was started again.
    fn read(&mut self, tree: &Tree) -> Option<Used> {
        let pid = self.found.pid();
        match &mut self.meter {
            Some(meter) if meter.pid() == pid => meter.read(tree),
            _ => {
                self.meter = self.found_meter(tree);
                None
            }
        }
    }

    fn found_meter(&self, tree: &Tree) -> Option<Meter> {
        // A proxy, and what listens for callbacks, are in loadrun itself, which is told of already.
        let is_another = |pid: &u32| *pid != 0 && *pid != std::process::id();
        let pid = Some(self.found.pid()).filter(is_another)?;
        Meter::new(pid, tree)
    }
}

fn builtin(metric: &str) -> Metric {
    Metric::builtin(metric).unwrap_or_else(|| unreachable!("{metric} is built in"))
}
