//! What landed: ids a run sent, held against ids that were found stored afterwards.
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The ids of one kind of message.
#[derive(Clone, Debug, Default)]
pub struct Ledger {}

/// A ledger's result. Numbers are of distinct ids unless said otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// Sent, or about to be.
    pub expected: u64,
    /// Answered with yes.
    pub acked: u64,
    /// Answered with no, never with yes or with silence.
    pub refused: u64,
    /// Seen at least once.
    pub landed: u64,
    /// Seen exactly once.
    pub landed_once: u64,
    /// Landings beyond the first of their id.
    pub duplicated: u64,
    /// Acked and never seen: accepted but not stored.
    pub lost: u64,
    /// Refused and nevertheless seen.
    pub refused_but_landed: u64,
    /// Seen though no answer said so.
    pub unconfirmed_landed: u64,
    /// Neither answered nor seen.
    pub unconfirmed: u64,
    /// Seen and never expected.
    pub unexpected: u64,
    /// Up to 10 of the lost.
    pub lost_sample: Vec<String>,
}

impl Ledger {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }
    /// The id is about to be sent. `now` is since the run began, here and below.
    pub fn expect(&mut self, id: &str, now: Duration) {
        todo!("{id} {now:?}")
    }
    /// The target said yes.
    pub fn acked(&mut self, id: &str, now: Duration) {
        todo!("{id} {now:?}")
    }
    /// The target said no: it is not to land.
    pub fn refused(&mut self, id: &str) {
        todo!("{id}")
    }
    /// No answer: it may or may not land.
    pub fn indeterminate(&mut self, id: &str) {
        todo!("{id}")
    }
    /// The id was found stored, once more.
    pub fn seen(&mut self, id: &str, now: Duration) {
        todo!("{id} {now:?}")
    }
    /// What became of all of them.
    pub fn balance(&self) -> Balance {
        todo!()
    }
}
