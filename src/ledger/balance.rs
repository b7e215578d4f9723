//! What became of all ids, as plain numbers that are written down.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Fate;
use super::spans::Span;

/// What became of all ids. Numbers are of distinct ids unless said otherwise.
///
/// `expected = acked + refused + unconfirmed + unconfirmed_landed`, and
/// `landed = (acked - lost) + refused_but_landed + unconfirmed_landed + unexpected`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// Sent, or about to be.
    pub expected: u64,
    /// Answered with yes.
    pub acked: u64,
    /// Answered with no, and never with yes or with silence.
    pub refused: u64,
    /// Seen at least once.
    pub landed: u64,
    /// Seen exactly once.
    pub landed_once: u64,
    /// Landings (not ids) beyond the first of their id.
    pub duplicated: u64,
    /// Landed later than the ledger says they may, as far as can be told: those included that may
    /// have been in time.
    #[serde(default)]
    pub late: u64,
    /// Those of the late that may have been in time: when they were sent is only known to the
    /// resolution.
    #[serde(default)]
    pub perhaps_late: u64,
    /// Acked and never seen: accepted, but not stored.
    pub lost: u64,
    /// Refused and seen nevertheless.
    pub refused_but_landed: u64,
    /// Seen though no answer said so.
    pub unconfirmed_landed: u64,
    /// Neither answered nor seen.
    pub unconfirmed: u64,
    /// Seen and never expected.
    pub unexpected: u64,
    /// The lost that were acked first, at most 10.
    pub lost_sample: Vec<String>,
    /// When the first and the last of the lost were acked, since the run began; none when nothing
    /// was lost. Where that is only known to the resolution: as early, and as late, as it may have
    /// been. Written as a pair of seconds.
    #[serde(with = "span")]
    pub lost_between: Option<(Duration, Duration)>,
    /// The longest an expected id took from being sent until a reader first saw it. An upper
    /// bound: the reader may have looked late. Written in seconds.
    #[serde(with = "seconds")]
    pub slowest_landing: Option<Duration>,
    /// How far off a time may be, towards the worse: any landing may have taken that much less, and
    /// losses may lie that much closer together. None where all are exact to the millisecond.
    /// Written in seconds.
    #[serde(default, with = "seconds")]
    pub resolution: Option<Duration>,
}

impl Balance {
    /// Counts so many ids of one fate.
    pub(super) fn enter(&mut self, fate: Fate, count: u64) {
        let seen = fate.is(Fate::SEEN);
        let landed = if seen { count } else { 0 };
        self.landed += landed;
        self.landed_once += if fate.is(Fate::SEEN_AGAIN) { 0 } else { landed };
        if !fate.is(Fate::EXPECTED) {
            self.unexpected += landed;
            return;
        }
        self.expected += count;
        if fate.is(Fate::ACKED) {
            self.acked += count;
            self.lost += count - landed;
        } else if fate.is(Fate::REFUSED) && !fate.is(Fate::INDETERMINATE) {
            self.refused += count;
            self.refused_but_landed += landed;
        } else if seen {
            self.unconfirmed_landed += count;
        } else {
            self.unconfirmed += count;
        }
    }

    /// Writes down that one landed, how long that took at least and at most, and how long it may.
    pub(super) fn land(&mut self, least: Duration, most: Duration, limit: Option<Duration>) {
        let is_over = |took| limit.is_some_and(|limit| took > limit);
        self.late += u64::from(is_over(most));
        self.perhaps_late += u64::from(is_over(most) && !is_over(least));
        self.slowest_landing = self.slowest_landing.max(Some(most));
        self.blur(most.saturating_sub(least));
    }

    /// Writes down when one that is lost was acked.
    pub(super) fn lose(&mut self, acked: Span) {
        let [first, last] = [acked.first, acked.last].map(|at| Duration::from_millis(at.into()));
        let (earliest, latest) = self.lost_between.unwrap_or((first, last));
        self.lost_between = Some((earliest.min(first), latest.max(last)));
        self.blur(last.saturating_sub(first));
    }

    /// Writes down that a time may be that far off.
    pub(super) fn blur(&mut self, by: Duration) {
        self.resolution = self.resolution.max((!by.is_zero()).then_some(by));
    }
}

/// A duration written as seconds, none as null.
mod seconds {
    use std::time::Duration;

    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "the form serde asks for")]
    pub fn serialize<S: Serializer>(time: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        time.map(|time| time.as_secs_f64()).serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        let seconds = Option::<f64>::deserialize(from)?;
        seconds.map(Duration::try_from_secs_f64).transpose().map_err(D::Error::custom)
    }
}

/// Two durations written as a pair of seconds, none as null.
mod span {
    use std::time::Duration;

    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    type Span = Option<(Duration, Duration)>;

    pub fn serialize<S: Serializer>(span: &Span, to: S) -> Result<S::Ok, S::Error> {
        span.map(|(first, last)| (first.as_secs_f64(), last.as_secs_f64())).serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Span, D::Error> {
        let Some((first, last)) = Option::<(f64, f64)>::deserialize(from)? else {
            return Ok(None);
        };
        let read = |seconds| Duration::try_from_secs_f64(seconds).map_err(D::Error::custom);
        Ok(Some((read(first)?, read(last)?)))
    }
}
