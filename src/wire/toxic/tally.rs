//! The proof that a toxic had an effect: what it could have touched, and what it did touch.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

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

    pub(super) fn meet(&self) {
        self.eligible.fetch_add(1, Relaxed);
    }

    pub(super) fn touch_connection(&self) {
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
