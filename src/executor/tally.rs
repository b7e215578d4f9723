//! What has been started and what became of it, counted as it happens.

use std::cell::Cell;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// The counts of one scenario: of one worker, or of several added up.
///
/// At the end `started = finished + unfinished`, and `offered = started + dropped`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Arrivals that were due. In a closed loop nobody but a free user asks for an iteration, so
    /// there it equals `started`.
    pub offered: u64,
    /// Iterations a user took up.
    pub started: u64,
    /// Iterations that ended by themselves.
    pub finished: u64,
    /// Arrivals that were due when no user was free and none could be added.
    pub dropped: u64,
    /// Iterations cut off, because `graceful_stop` had passed or the run had to end at once.
    pub unfinished: u64,
    /// Arrivals whose iteration began more than [`Counts::LATE`] after it was due.
    pub late: u64,
    /// Those of the late whose user was new and not ready when they were due.
    #[serde(default)]
    pub awaited_init: u64,
    /// Users there are now; users resting because the curve fell below them are not.
    pub users_now: u64,
    /// Users now in an iteration.
    pub users_busy: u64,
    /// Users that are not through with being made ready; at the end, those that never were.
    pub unready: u64,
}

impl Counts {
    /// How late a start may be and still count as on time.
    pub const LATE: std::time::Duration = std::time::Duration::from_millis(10);
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.offered += other.offered;
        self.started += other.started;
        self.finished += other.finished;
        self.dropped += other.dropped;
        self.unfinished += other.unfinished;
        self.late += other.late;
        self.awaited_init += other.awaited_init;
        self.users_now += other.users_now;
        self.users_busy += other.users_busy;
        self.unready += other.unready;
    }
}

/// The counts of one scenario on one worker while it runs; whoever shows progress reads them.
#[derive(Debug, Default)]
pub struct Tally {
    counts: Cell<Counts>,
    /// When the last of the load was offered.
    offered: Cell<Option<Instant>>,
    /// When all but a few of the iterations had ended.
    settled: Cell<Option<Instant>>,
}

impl Tally {
    /// The counts as they are now.
    pub fn counts(&self) -> Counts {
        self.counts.get()
    }

    /// When the last of the load was offered, once it was.
    pub fn offered(&self) -> Option<Instant> {
        self.offered.get()
    }

    /// When, after the last of the load was offered, all but one in a hundred of the iterations had
    /// ended, once they have.
    pub fn settled(&self) -> Option<Instant> {
        self.settled.get()
    }

    /// The last of the load has been offered.
    pub(super) fn close(&self) {
        self.offered.set(Some(Instant::now()));
        self.settle();
    }

    /// Looks whether all but a few iterations have ended.
    pub(super) fn settle(&self) {
        let Counts { started, finished, .. } = self.counts.get();
        if self.settled.get().is_none() && (started - finished) * 100 <= started {
            self.settled.set(Some(Instant::now()));
        }
    }

    /// Changes the counts.
    pub(super) fn note(&self, change: impl FnOnce(&mut Counts)) {
        let mut counts = self.counts.get();
        change(&mut counts);
        self.counts.set(counts);
    }
}
