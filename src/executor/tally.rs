//! What has been started and what became of it, counted as it happens.

use std::cell::Cell;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

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
pub struct Tally(Cell<Counts>);

impl Tally {
    /// The counts as they are now.
    pub fn counts(&self) -> Counts {
        self.0.get()
    }

    /// Changes the counts.
    pub(super) fn note(&self, change: impl FnOnce(&mut Counts)) {
        let mut counts = self.0.get();
        change(&mut counts);
        self.0.set(counts);
    }
}
