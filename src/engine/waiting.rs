//! Who waits for what was broken to recover, and what they are told.
//!
//! That is what the report would say if the run ended now: the same judgement (`faults::outcomes`),
//! over the windows whose calls have all ended.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::collector::Collector;
use super::faults;
use crate::fault::{Awaited, Record, Told, Waited};
use crate::metric::Edges;
use crate::plan::{FaultDecl, Plan, nearest};
use crate::recovery::Span;

/// Those who wait.
#[derive(Default)]
pub struct Waiting(RefCell<Vec<Waiter>>);

/// Somebody who waits.
struct Waiter {
    /// For these faults, by name.
    faults: Vec<String>,
    until: Instant,
    answer: oneshot::Sender<Waited>,
}

/// The faults of a run, with what became of them where that is known.
pub type Faults = [(FaultDecl, Option<Record>)];

impl Waiting {
    /// One more waits for these faults.
    pub fn add(&self, faults: Vec<String>, until: Instant, answer: oneshot::Sender<Waited>) {
        self.0.borrow_mut().push(Waiter { faults, until, answer });
    }

    /// Whether nobody does.
    pub fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// Tells everybody of whose faults it is decided what they did, or whose time is over; all, where
    /// the run is ending.
    pub fn tell(&self, faults: &Faults, sight: &Sight<'_>, is_ending: bool) {
        // Each fault is judged once, however many wait for it.
        let mut known: BTreeMap<&str, Result<Told, String>> = BTreeMap::new();
        let waiting = self.0.take().into_iter().filter_map(|waiter| {
            if waiter.answer.is_closed() {
                return None;
            }
            let named = |name: &String| faults.iter().find(|(fault, _)| fault.name == *name);
            let found = waiter.faults.iter().filter_map(named).map(|(fault, record)| {
                known
                    .entry(&fault.name)
                    .or_insert_with(|| sight.told(fault, record.as_ref()))
                    .clone()
            });
            let told: Waited = found.collect();
            let is_decided =
                told.as_ref().map_or(true, |told| told.iter().all(|told| told.is_decided));
            if is_decided || is_ending || waiter.until <= Instant::now() {
                // Whoever waited may be gone by then.
                let _ = waiter.answer.send(told);
                return None;
            }
            Some(waiter)
        });
        let waiting: Vec<_> = waiting.collect();
        self.0.borrow_mut().extend(waiting);
    }
}

/// The names of the faults that somebody wants to wait for.
pub fn named(awaited: &Awaited, faults: &Faults, edges: &Edges) -> Result<Vec<String>, String> {
    let (broken, on) = match awaited {
        Awaited::Faults(names) => {
            let unknown = names.iter().find(|name| !faults.iter().any(|(f, _)| f.name == **name));
            return unknown.map_or_else(|| Ok(names.clone()), |name| Err(no_such(name, faults)));
        }
        Awaited::All => (edges.last_broken(|_| true), String::new()),
        Awaited::On(things) => {
            let meant = |name: &str| {
                faults.iter().any(|(fault, _)| fault.name == name && things.contains(&fault.on))
            };
            (edges.last_broken(meant), format!(" on {}", things.join(", ")))
        }
    };
    if broken.is_empty() {
        let hint = "call it after `fault.during` or `fault.start`, or name a fault that is to come";
        return Err(format!("nothing has been broken{on} so far\n  hint: {hint}"));
    }
    Ok(broken.iter().map(ToString::to_string).collect())
}

fn no_such(name: &str, faults: &Faults) -> String {
    let known = || faults.iter().map(|(fault, _)| fault.name.as_str());
    match nearest(name, known()) {
        Some(near) => format!("no fault is called {name:?}; did you mean {near:?}?"),
        None if faults.is_empty() => format!("no fault is called {name:?}; there is none so far"),
        None => {
            let known: Vec<_> = known().collect();
            format!("no fault is called {name:?}; there is {}", known.join(", "))
        }
    }
}

/// A run that goes on, as far as it is known.
pub struct Sight<'a> {
    plan: &'a Plan,
    collector: &'a Collector,
    edges: Edges,
    /// Everything is known that was meant to happen before this.
    until: Duration,
}

impl<'a> Sight<'a> {
    /// What is known when the run is `elapsed` old; `None` where nothing is to be broken.
    pub fn new(plan: &'a Plan, collector: &'a Collector, elapsed: Duration) -> Option<Self> {
        let edges = collector.edges()?;
        // A window is known as a whole or not at all.
        let (until, _) = edges.span(edges.slot(collector.settled().min(elapsed)));
        Some(Self { plan, collector, edges, until })
    }

    fn told(&self, fault: &FaultDecl, record: Option<&Record>) -> Result<Told, String> {
        let name = fault.name.clone();
        let Some(record) = record else {
            return Ok(Told { fault: name, recovery: None, is_decided: false });
        };
        if let Some(why) = &record.failed {
            return Err(format!("the fault {name:?} could not begin: {why}"));
        }
        if record.injected.is_none() {
            return Err(format!("the fault {name:?} has not begun, and the run is ending"));
        }
        let records = [(fault.clone(), record.clone())];
        let outcome = faults::outcomes(self.plan, &records, self.collector, self.until).pop();
        let recovery = outcome.and_then(|outcome| outcome.recovery);
        // Where another fault has begun, the time after this one is over.
        let span = Span::of(&name, &self.edges, self.until);
        let is_over = span.is_some_and(|span| span.until < self.until);
        let is_decided = recovery.as_ref().is_some_and(|it| is_over || it.is_decided());
        Ok(Told { fault: name, recovery, is_decided })
    }
}
