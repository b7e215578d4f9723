//! The proof that a toxic had an effect: what it could have touched, and what it did touch.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use super::Rigged;

/// What a toxic has done, counted by every connection it stands on.
#[derive(Debug, Default)]
pub(in crate::wire) struct Tally {
    eligible: AtomicU64,
    connections: AtomicU64,
    chunks: AtomicU64,
    bytes: AtomicU64,
}

/// What a toxic has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Connections that were there while it was, concerned or not; requests, where it is per
    /// request.
    pub eligible: u64,
    /// Of these, those it disturbed.
    pub connections: u64,
    /// Chunks it disturbed.
    pub chunks: u64,
    /// Bytes in these chunks.
    pub bytes: u64,
}

impl Touched {
    /// What has been done since an earlier time.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        Self {
            eligible: self.eligible - before.eligible,
            connections: self.connections - before.connections,
            chunks: self.chunks - before.chunks,
            bytes: self.bytes - before.bytes,
        }
    }
}

impl Tally {
    /// A connection that was never opened.
    pub(in crate::wire) fn turn_away(&self) {
        self.meet();
        self.touch_connection();
    }

    fn meet(&self) {
        self.eligible.fetch_add(1, Relaxed);
    }

    fn touch_connection(&self) {
        self.connections.fetch_add(1, Relaxed);
    }

    pub(super) fn touch_chunk(&self, bytes: usize) {
        self.chunks.fetch_add(1, Relaxed);
        self.bytes.fetch_add(bytes as u64, Relaxed);
    }

    pub(in crate::wire) fn touched(&self) -> Touched {
        Touched {
            eligible: self.eligible.load(Relaxed),
            connections: self.connections.load(Relaxed),
            chunks: self.chunks.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
        }
    }
}

/// What of a connection, or of a request, is counted already: its two directions, and a toxic that is
/// told otherwise, count it once.
#[derive(Clone, Debug, Default)]
pub(in crate::wire) struct Marks(Arc<Mutex<BTreeSet<(u64, Mark)>>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    Met,
    Touched,
}

impl Marks {
    /// Counts that it was there while the toxic was.
    pub(super) fn meet(&self, rigged: &Rigged) {
        if self.is_first(rigged, Mark::Met) {
            rigged.tally.meet();
        }
    }

    /// Counts that the toxic disturbed it.
    pub(super) fn touch(&self, rigged: &Rigged) {
        if self.is_first(rigged, Mark::Touched) {
            rigged.tally.touch_connection();
        }
    }

    /// Counts it as one that the toxic ended.
    pub(in crate::wire) fn turn_away(&self, rigged: &Rigged) {
        self.meet(rigged);
        self.touch(rigged);
    }

    fn is_first(&self, rigged: &Rigged, mark: Mark) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert((rigged.first, mark))
    }
}
