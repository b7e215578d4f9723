//! What travels, and what an effect has taken in and not let go yet.
//!
//! Order is kept by construction: it is a queue, and nothing in it is due before what stands in front
//! of it.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use super::super::frame::Request;
use super::Cut;

/// What travels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::wire) enum Parcel {
    /// Some bytes, at least one.
    Bytes(Bytes),
    /// Some bytes that are known to be part of a request, or of its reply.
    Part(Bytes, Arc<Request>),
    /// The sender has said all it will say; the other direction goes on.
    End,
    /// The whole connection is to be closed.
    Close,
}

/// What a parcel costs besides its bytes, so that many small ones are bounded too.
const PARCEL: usize = 64;

impl Parcel {
    /// Bytes that may be known to be part of a request.
    pub(in crate::wire) fn of(bytes: Bytes, request: Option<Arc<Request>>) -> Self {
        match request {
            Some(request) => Self::Part(bytes, request),
            None => Self::Bytes(bytes),
        }
    }

    /// What it costs to keep it.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Bytes(bytes) | Self::Part(bytes, _) => bytes.len() + PARCEL,
            Self::End | Self::Close => PARCEL,
        }
    }
}

/// What an effect has taken in and not let go yet.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// With the moment each is due; `None`: not before the toxic goes.
    pub(super) parcels: VecDeque<(Option<Instant>, Parcel)>,
    /// When the connection is to be cut, whatever is held.
    pub(super) cut: Option<(Instant, Cut)>,
    /// Whether something was swallowed that the stream cannot go on without.
    pub(super) lost: bool,
    /// What keeping all of it costs.
    pub(super) weight: usize,
    /// What the bytes that are being pushed are part of.
    pub(super) request: Option<Arc<Request>>,
}

impl Held {
    /// Lets go of a parcel at `due`, or as soon as what is in front of it has gone.
    pub(super) fn push(&mut self, due: Instant, parcel: Parcel) {
        let due = match self.parcels.back() {
            Some((None, _)) => None,
            Some((Some(last), _)) => Some(due.max(*last)),
            None => Some(due),
        };
        self.enter(due, parcel);
    }

    /// Lets go of a parcel only when the toxic goes.
    pub(super) fn keep(&mut self, parcel: Parcel) {
        self.enter(None, parcel);
    }

    fn enter(&mut self, due: Option<Instant>, parcel: Parcel) {
        let parcel = match (parcel, &self.request) {
            (Parcel::Bytes(bytes), Some(request)) => Parcel::Part(bytes, Arc::clone(request)),
            (parcel, _) => parcel,
        };
        self.weight += parcel.weight();
        self.parcels.push_back((due, parcel));
    }

    /// Cuts the connection at that moment.
    pub(super) fn cut_at(&mut self, at: Instant, how: Cut) {
        self.cut = Some((at, how));
    }

    /// Says that something the stream cannot go on without was swallowed.
    pub(super) fn lose(&mut self) {
        self.lost = true;
    }

    /// When the last parcel is due.
    pub(super) fn last_due(&self) -> Option<Instant> {
        self.parcels.back().and_then(|(due, _)| *due)
    }

    /// The first parcel, with the moment it was due, if that has come.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<(Instant, Parcel)> {
        let due = self.parcels.front()?.0.filter(|due| *due <= now)?;
        let (_, parcel) = self.parcels.pop_front()?;
        self.weight -= parcel.weight();
        Some((due, parcel))
    }

    /// The next moment at which something is to be done.
    pub(super) fn next(&self) -> Option<Instant> {
        let parcel = self.parcels.front().and_then(|(due, _)| *due);
        let cut = self.cut.map(|(at, _)| at);
        parcel.into_iter().chain(cut).min()
    }
}
