//! What the clients of one declaration, one a worker, tell each other: that one of them has nothing.
//!
//! Where the server takes fewer connections than they may have, those who come first have them all,
//! and keep them: a worker that came late had none for as long as the run lasts, and nothing its users
//! asked was ever answered. So whoever has none and is refused one asks the others, and the next of
//! them that is done with one of several closes it. Where there are fewer than workers, somebody's
//! only one goes round, after a while each time. What a worker's users have no use for just now stays
//! where it is until they next do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// The clients of one declaration, as each of them sees the others.
#[derive(Clone, Debug, Default)]
pub struct Others(Arc<AtomicU8>);

/// What is asked of the others: one of several, or somebody's only one.
const ONE: u8 = 1;
const ONLY: u8 = 2;

impl Others {
    /// Asks for a connection of somebody who has several, or, when that was of no use, of anybody.
    pub(super) fn ask(&self, of_anybody: bool) {
        self.0.fetch_max(if of_anybody { ONLY } else { ONE }, Relaxed);
    }

    /// Whether the one who asks here, and has several or not, is to give one up: the first who does.
    pub(super) fn is_asked(&self, has_several: bool) -> bool {
        let asked = self.0.load(Relaxed);
        asked >= if has_several { ONE } else { ONLY }
            && self.0.compare_exchange(asked, 0, Relaxed, Relaxed).is_ok()
    }

    /// Takes back what was asked. Whoever else has nothing will ask again.
    pub(super) fn is_served(&self) {
        self.0.store(0, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_given_once_and_an_only_one_when_nothing_else_is_of_use() {
        let others = Others::default();
        assert!(!others.is_asked(true));
        others.ask(false);
        assert!(!others.is_asked(false));
        assert_eq!([others.is_asked(true), others.is_asked(true)], [true, false]);
        others.ask(true);
        others.ask(false);
        assert_eq!([others.is_asked(false), others.is_asked(true)], [true, false]);
        others.ask(true);
        others.is_served();
        assert!(!others.is_asked(true));
    }
}
