//! What became of all ids, as plain numbers that are written down.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Fate;

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
    /// Landed later than the ledger says they may.
    #[serde(default)]
    pub late: u64,
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
    /// When the first and the last of the lost were acked, since the run began, to the
    /// millisecond; none when nothing was lost. Written as a pair of seconds.
    #[serde(with = "span")]
    pub lost_between: Option<(Duration, Duration)>,
    /// The longest an expected id took from being sent until a reader first saw it. An upper
    /// bound: the reader may have looked late. Written in seconds.
    #[serde(with = "seconds")]
    pub slowest_landing: Option<Duration>,
}

impl Balance {
    /// Counts so many ids of one fate; true when they are lost.
    pub(super) fn enter(&mut self, fate: Fate, count: u64) -> bool {
        let seen = fate.is(Fate::SEEN);
        let landed = if seen { count } else { 0 };
        self.landed += landed;
        self.landed_once += if fate.is(Fate::SEEN_AGAIN) { 0 } else { landed };
        if !fate.is(Fate::EXPECTED) {
            self.unexpected += landed;
            return false;
        }
        self.expected += count;
        if fate.is(Fate::ACKED) {
            self.acked += count;
            if seen {
                return false;
            }
            self.lost += count;
            let at = Duration::from_millis(fate.acked_at().into());
            let (first, last) = self.lost_between.unwrap_or((at, at));
            self.lost_between = Some((first.min(at), last.max(at)));
            return true;
        }
        if fate.is(Fate::REFUSED) && !fate.is(Fate::INDETERMINATE) {
            self.refused += count;
            self.refused_but_landed += landed;
        } else if seen {
            self.unconfirmed_landed += count;
        } else {
            self.unconfirmed += count;
        }
        false
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
