//! What stood when: the phases of a run in which something is broken.
//!
//! A run is warming up (where it says so), then normal, until the first fault begins; while one or
//! more stand it is their time, and from the moment the last of them is gone it is the recovery of
//! all that have stood since things were normal. Phases are noted as they come, by whoever holds
//! the faults, and read by every recorder; a run in which nothing can break has no timeline.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::Filter;

/// The phases of a run so far, as every recorder sees them.
#[derive(Debug)]
pub struct Timeline {
    edges: watch::Sender<Edges>,
    faults: Mutex<Faults>,
}

/// The faults of a timeline.
#[derive(Debug, Default)]
struct Faults {
    standing: Vec<Arc<str>>,
    /// Those gone since nothing stood.
    gone: Vec<Arc<str>>,
}

/// A phase and when it began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Edge {
    /// From the begin of the run.
    #[serde(with = "seconds")]
    pub at: Duration,
    /// What is from then on.
    #[serde(flatten)]
    pub phase: Phase,
}

/// A part of a run in which the same faults stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// Which sort of part.
    pub stage: Stage,
    /// The faults that stand in it; in a recovery, those it is the recovery of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Arc<str>>,
}

/// The sorts of phases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Not yet as it will be.
    WarmUp,
    /// Nothing has been broken.
    Baseline,
    /// Something is.
    Fault,
    /// Nothing is any more.
    Recovery,
}

impl Stage {
    /// Every sort, in order.
    pub const ALL: [Self; 4] = [Self::WarmUp, Self::Baseline, Self::Fault, Self::Recovery];

    /// The word for it, in thresholds, files and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::WarmUp => "warm-up",
            Self::Baseline => "baseline",
            Self::Fault => "fault",
            Self::Recovery => "recovery",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Phases in order of their begin; never empty, the first begins at 0.
#[derive(Clone, Debug, PartialEq)]
pub struct Edges(Arc<[Edge]>);

/// A window: the number of its phase and its number from there. Their order is that of time.
pub type Slot = (u32, u32);

impl Timeline {
    /// How long a window is.
    pub const WIDTH: Duration = Duration::from_millis(500);

    /// One in which nothing has been broken yet.
    pub fn new(warm_up: Duration) -> Self {
        let edge = |at, stage| Edge { at, phase: Phase { stage, faults: Vec::new() } };
        let first = (!warm_up.is_zero()).then(|| edge(Duration::ZERO, Stage::WarmUp));
        let edges = first.into_iter().chain([edge(warm_up, Stage::Baseline)]).collect();
        Self { edges: watch::Sender::new(Edges(edges)), faults: Mutex::default() }
    }

    /// A fault begins to be put in force.
    pub fn begins(&self, fault: &str, at: Duration) {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        faults.standing.push(fault.into());
        self.note(at, Phase { stage: Stage::Fault, faults: faults.standing.clone() });
    }

    /// A fault is gone.
    pub fn ends(&self, fault: &str, at: Duration) {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(place) = faults.standing.iter().position(|standing| **standing == *fault) else {
            return;
        };
        let gone = faults.standing.remove(place);
        faults.gone.push(gone);
        let phase = if faults.standing.is_empty() {
            Phase { stage: Stage::Recovery, faults: std::mem::take(&mut faults.gone) }
        } else {
            Phase { stage: Stage::Fault, faults: faults.standing.clone() }
        };
        self.note(at, phase);
    }

    fn note(&self, at: Duration, phase: Phase) {
        self.edges.send_modify(|edges| {
            // Noted a moment late, and never before the one that was noted last.
            let at = edges.0.last().map_or(at, |last| at.max(last.at));
            edges.0 = edges.0.iter().cloned().chain([Edge { at, phase }]).collect();
        });
    }

    /// The phases so far.
    pub fn edges(&self) -> Edges {
        self.edges.borrow().clone()
    }

    /// Says when a phase begins.
    pub fn changes(&self) -> watch::Receiver<Edges> {
        self.edges.subscribe()
    }
}

impl Edges {
    /// The phases, as a file keeps them; `None` for none.
    pub fn of(edges: &[Edge]) -> Option<Self> {
        (!edges.is_empty()).then(|| Self(edges.into()))
    }

    /// Every phase with its begin.
    pub fn list(&self) -> &[Edge] {
        &self.0
    }

    /// The number of the phase a moment lies in.
    pub fn phase(&self, at: Duration) -> u32 {
        self.0.partition_point(|edge| edge.at <= at).saturating_sub(1) as u32
    }

    /// When a call counts as made, and in which phase. One that was under way when a fault began
    /// was met by it, and is no example of how things were before.
    pub fn met(&self, made: Duration, ended: Duration) -> (Duration, u32) {
        let (first, last) = (self.phase(made), self.phase(ended));
        let begun = (first + 1..=last).find(|phase| {
            let [before, now] = [phase - 1, *phase].map(|phase| &self.0[phase as usize].phase);
            let fresh = |fault| before.stage != Stage::Fault || !before.faults.contains(fault);
            now.stage == Stage::Fault && now.faults.iter().any(fresh)
        });
        begun.map_or((made, first), |phase| (self.0[phase as usize].at, phase))
    }

    /// The window a moment lies in.
    pub fn slot(&self, at: Duration) -> Slot {
        let phase = self.phase(at);
        let into = at.saturating_sub(self.0[phase as usize].at);
        (phase, (into.as_nanos() as u64 / Timeline::WIDTH.as_nanos() as u64) as u32)
    }

    /// When a window begins and ends. The last one of a phase ends with it; where the phase was
    /// noted to have ended only later, windows beyond are where they would have been.
    pub fn span(&self, slot: Slot) -> (Duration, Duration) {
        let phase = slot.0 as usize;
        let end = self.end(phase).unwrap_or(Duration::MAX);
        let start = self.0[phase].at + Timeline::WIDTH * slot.1;
        let whole = start + Timeline::WIDTH;
        (start, if start < end { whole.min(end) } else { whole })
    }

    /// When a phase ends; `None` for the last.
    fn end(&self, phase: usize) -> Option<Duration> {
        self.0.get(phase + 1).map(|edge| edge.at)
    }

    /// The numbers of the phases these conditions mean.
    pub fn meant(&self, conditions: &[&Filter]) -> Vec<u32> {
        let meant = |edge: &Edge| conditions.iter().all(|filter| edge.phase.meets(filter));
        let numbered = self.0.iter().enumerate().filter(|(_, edge)| meant(edge));
        numbered.map(|(number, _)| number as u32).collect()
    }

    /// The faults that `is_meant`, as far as they stood in the last time in which any of them did: from
    /// when nothing stood to when nothing did again, or to now.
    pub fn last_broken(&self, is_meant: impl Fn(&str) -> bool) -> Vec<Arc<str>> {
        let mut last = Vec::new();
        let mut is_over = true;
        for edge in self.list() {
            is_over |= edge.phase.stage != Stage::Fault;
            let standing = edge.phase.faults.iter().filter(|_| edge.phase.stage == Stage::Fault);
            for fault in standing.filter(|fault| is_meant(fault)) {
                if std::mem::take(&mut is_over) {
                    last.clear();
                }
                if !last.contains(fault) {
                    last.push(Arc::clone(fault));
                }
            }
        }
        last
    }

    /// How long these phases were together, in a run that is `elapsed` old.
    pub fn length(&self, phases: &[u32], elapsed: Duration) -> Duration {
        let length = |phase: &u32| {
            let phase = *phase as usize;
            self.end(phase).unwrap_or(elapsed).min(elapsed).saturating_sub(self.0[phase].at)
        };
        phases.iter().map(length).sum()
    }
}

impl Phase {
    /// The conditions of a threshold that speak of phases.
    pub const KEYS: [&str; 2] = ["phase", "fault"];

    fn meets(&self, filter: &Filter) -> bool {
        let listed = |name: &str| filter.values.iter().any(|value| value == name);
        let found = match filter.key.as_str() {
            "phase" => listed(self.stage.name()),
            _ => self.faults.iter().any(|fault| listed(fault)),
        };
        found == filter.wanted
    }
}

/// A moment in seconds.
mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(time.as_secs_f64())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        let seconds = f64::deserialize(from)?;
        Duration::try_from_secs_f64(seconds).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MILLI: Duration = Duration::from_millis(1);

    fn of(faults: &[(&str, bool, u32)], warm_up: u32) -> Edges {
        let timeline = Timeline::new(MILLI * warm_up);
        for (name, begins, at) in faults {
            let note = if *begins { Timeline::begins } else { Timeline::ends };
            note(&timeline, name, MILLI * *at);
        }
        timeline.edges()
    }

    #[test]
    fn windows_begin_anew_at_an_edge_and_none_straddles_it() {
        let edges = of(&[("a", true, 5_300), ("a", false, 10_000)], 0);
        for (at, slot, span) in [
            (0, (0, 0), (0, 500)),
            (499, (0, 0), (0, 500)),
            (5_299, (0, 10), (5_000, 5_300)),
            (5_300, (1, 0), (5_300, 5_800)),
            (10_000, (2, 0), (10_000, 10_500)),
            (99_999, (2, 179), (99_500, 100_000)),
        ] {
            assert_eq!(edges.slot(MILLI * at), slot, "{at}");
            assert_eq!(edges.span(slot), (MILLI * span.0, MILLI * span.1), "{at}");
        }
    }

    #[test]
    fn phases_follow_the_faults_that_stand_and_a_recovery_is_of_all_that_stood() {
        let noted = [
            ("a", true, 2_000),
            ("b", true, 3_000),
            ("a", false, 4_000),
            ("b", false, 5_000),
            ("c", true, 7_000),
            ("unknown", false, 7_500),
            ("c", false, 8_000),
        ];
        let edges = of(&noted, 1_000);
        let told = edges.list().iter().map(|edge| {
            let seconds = edge.at.as_secs();
            format!("{seconds} {} {}", edge.phase.stage, edge.phase.faults.join("+"))
        });
        insta::assert_snapshot!(told.collect::<Vec<_>>().join("\n"), @r"
        0 warm-up 
        1 baseline 
        2 fault a
        3 fault a+b
        4 fault b
        5 recovery a+b
        7 fault c
        8 recovery c
        ");
        let filter = |key: &str, value: &str, wanted| Filter {
            key: key.to_owned(),
            values: vec![value.to_owned()],
            wanted,
        };
        let (recovery, of_a) = (filter("phase", "recovery", true), filter("fault", "a", true));
        assert_eq!(edges.meant(&[&recovery]), [5, 7]);
        assert_eq!(edges.meant(&[&recovery, &of_a]), [5]);
        assert_eq!(edges.meant(&[&of_a]), [2, 3, 5]);
        assert_eq!(edges.meant(&[&filter("phase", "warm-up", false)]).len(), 7);
        let ended = MILLI * 9_500;
        assert_eq!(edges.length(&[5, 7], ended), MILLI * 3_500);
    }

    #[test]
    fn what_was_broken_last_is_all_that_stood_since_nothing_did() {
        let noted = [
            ("a", true, 1),
            ("a", false, 2),
            ("b", true, 3),
            ("c", true, 4),
            ("b", false, 5),
            ("c", false, 6),
            ("a-2", true, 7),
        ];
        let last = |events: usize, meant: &str| {
            let edges = of(&noted[..events], 0);
            edges.last_broken(|fault| fault.starts_with(meant)).join("+")
        };
        for (events, meant, expected) in [
            (0, "", ""),
            (1, "", "a"),
            (2, "", "a"),
            (5, "", "b+c"),
            (6, "", "b+c"),
            (6, "a", "a"),
            (6, "c", "c"),
            (6, "d", ""),
            (7, "", "a-2"),
            (7, "a", "a-2"),
            (7, "b", "b"),
        ] {
            assert_eq!(last(events, meant), expected, "{meant:?} after {events} events");
        }
    }

    #[test]
    fn a_call_under_way_when_a_fault_begins_is_met_by_it() {
        let edges = of(&[("a", true, 2_000), ("a", false, 3_000), ("a", true, 9_000)], 0);
        for (made, ended, met) in [
            (1_000, 1_999, (1_000, 0)),
            (1_000, 2_000, (2_000, 1)),
            (1_999, 5_000, (2_000, 1)),
            (2_500, 3_500, (2_500, 1)),
            (3_000, 3_500, (3_000, 2)),
            (2_500, 9_001, (9_000, 3)),
        ] {
            let (at, phase) = edges.met(MILLI * made, MILLI * ended);
            assert_eq!((at, phase), (MILLI * met.0, met.1), "{made} to {ended}");
        }
    }

    proptest! {
        #[test]
        fn every_moment_lies_in_its_window(
            mut moments in prop::collection::vec(0..100_000u32, 0..6), at in 0..200_000u32,
        ) {
            moments.sort_unstable();
            let begins = |(n, at): (usize, &u32)| ("a", n % 2 == 0, *at);
            let edges = of(&moments.iter().enumerate().map(begins).collect::<Vec<_>>(), 0);
            let (start, end) = edges.span(edges.slot(MILLI * at));
            prop_assert!(start <= MILLI * at && MILLI * at < end);
            prop_assert!(end <= start + Timeline::WIDTH);
        }
    }
}
