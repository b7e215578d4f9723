//! What is known of one id.

use std::time::Duration;

/// What is known of one id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fate {
    /// A set of the flags below; 0 for an id nobody mentioned.
    pub(super) flags: u8,
    /// From being sent to the first ack, in milliseconds; at most a minute.
    pub(super) answered: u16,
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

    /// Says when it was sent, unless that is known.
    pub(super) fn send(&mut self, now: Duration) {
        if !self.is(Self::EXPECTED) {
            self.sent = milliseconds(now);
        }
        self.flags |= Self::EXPECTED;
    }

    /// Says that it was answered so, and sent.
    pub(super) fn answer(&mut self, flag: u8, now: Duration) {
        self.send(now);
        if flag == Self::ACKED && !self.is(Self::ACKED) {
            let took = milliseconds(now).saturating_sub(self.sent);
            self.answered = u16::try_from(took).unwrap_or(u16::MAX);
        }
        self.flags |= flag;
    }

    /// Says that it was seen once more.
    pub(super) fn see(&mut self) {
        self.flags |= if self.is(Self::SEEN) { Self::SEEN_AGAIN } else { Self::SEEN };
    }

    /// When it was sent, if anybody said so.
    pub(super) fn sent_at(self) -> Option<Duration> {
        self.is(Self::EXPECTED).then(|| Duration::from_millis(self.sent.into()))
    }

    /// When it was first acked, in milliseconds.
    pub(super) fn acked_at(self) -> u32 {
        self.sent.saturating_add(self.answered.into())
    }

    /// What still matters of one that has landed: no times, and no answer beside a yes.
    pub(super) fn landed(self) -> Option<u8> {
        let answers = if self.is(Self::ACKED) { Self::ACKED } else { !0 };
        let others = Self::EXPECTED | Self::SEEN | Self::SEEN_AGAIN;
        self.is(Self::SEEN).then_some(self.flags & (answers | others))
    }

    /// One of which no more is known than that.
    pub(super) fn of(flags: u8) -> Self {
        Self { flags, ..Self::default() }
    }
}

fn milliseconds(since_begin: Duration) -> u32 {
    u32::try_from(since_begin.as_millis()).unwrap_or(u32::MAX)
}
