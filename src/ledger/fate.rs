//! What is known of one id.

use super::spans::{Span, Times};

/// The slowest answer that is told apart from slower ones.
const SLOWEST: u32 = (1 << 24) - 1;

/// What is known of one id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fate {
    /// A set of the flags below; 0 for an id nobody mentioned.
    pub(super) flags: u8,
    /// From being sent to the first ack, in milliseconds, the lowest byte first; at most 4.6 hours.
    answered: [u8; 3],
    /// When it was first said to be sent, or answered: milliseconds since the run began, enough
    /// for 49 days.
    pub(super) sent: u32,
}

impl Fate {
    pub(super) const EXPECTED: u8 = 1;
    pub(super) const ACKED: u8 = 2;
    pub(super) const REFUSED: u8 = 4;
    pub(super) const INDETERMINATE: u8 = 8;
    pub(super) const SEEN: u8 = 16;
    pub(super) const SEEN_AGAIN: u8 = 32;

    pub(super) fn is(self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Whether somebody mentioned the id.
    pub(super) fn is_known(self) -> bool {
        self.flags != 0
    }

    /// Writes down what is said of it: that it is sent, how it was answered, or that it was seen
    /// once more. Whoever answers it also says that it was sent.
    pub(super) fn note(&mut self, said: u8, now: u32) {
        if said == Self::SEEN {
            self.flags |= if self.is(Self::SEEN) { Self::SEEN_AGAIN } else { Self::SEEN };
            return;
        }
        if !self.is(Self::EXPECTED) {
            self.sent = now;
        }
        if said == Self::ACKED && !self.is(Self::ACKED) {
            let [answered @ .., _] = now.saturating_sub(self.sent).min(SLOWEST).to_le_bytes();
            self.answered = answered;
        }
        self.flags |= Self::EXPECTED | said;
    }

    /// When it was sent, and first acked, if it was.
    pub(super) fn times(self) -> Times {
        let at = |flag, time| if self.is(flag) { Span::at(time) } else { Span::default() };
        let [low, middle, high] = self.answered;
        let answered = u32::from_le_bytes([low, middle, high, 0]);
        Times {
            sent: at(Self::EXPECTED, self.sent),
            acked: at(Self::ACKED, self.sent.saturating_add(answered)),
        }
    }

    /// What matters of one without its times: no answer beside a yes.
    pub(super) fn settled(self) -> u8 {
        let hidden = if self.is(Self::ACKED) { Self::REFUSED | Self::INDETERMINATE } else { 0 };
        self.flags & !hidden
    }

    /// Whether it was acked and has not landed.
    pub(super) fn is_lost(self) -> bool {
        self.is(Self::ACKED) && !self.is(Self::SEEN)
    }

    /// One of which no more is known than that.
    pub(super) fn of(flags: u8) -> Self {
        Self { flags, ..Self::default() }
    }
}
