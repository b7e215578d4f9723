//! How far a peer is believed not to close kept connections behind our back.
//!
//! The runtime hears of a close when it next looks, so of one that came a moment ago it knows
//! nothing, and a request written then is lost and counted as the peer's failure. The socket itself
//! knows, and asking it costs a system call: 4 % of a small request. Nearly all peers announce a
//! close (`Connection: close`), or close what has long been idle, of which the runtime has heard.
//! So a peer is asked about every connection until it has kept [`TRUSTED`] in a row, and from then
//! on about one in [`SAMPLE`]; one that was found closed takes the trust away.

use std::cell::Cell;

/// Connections kept in a row after which a peer is trusted.
pub(super) const TRUSTED: u32 = 1_000;
/// One in so many connections of a trusted peer is asked about.
pub(super) const SAMPLE: u32 = 32;

/// What a client has seen of how its peers keep connections.
#[derive(Debug, Default)]
pub struct Trust {
    /// Connections in a row that were in order when they were needed.
    kept: Cell<u32>,
}

impl Trust {
    /// A connection broke that was thought to be in order.
    pub fn lose(&self) {
        self.kept.set(0);
    }

    /// Whether the socket is to be asked about the next connection; it counts as kept unless
    /// [`Trust::lose`] is called.
    pub(super) fn asks(&self) -> bool {
        let kept = self.kept.get();
        self.kept.set(kept.checked_add(1).unwrap_or(TRUSTED));
        kept < TRUSTED || kept.is_multiple_of(SAMPLE)
    }
}
