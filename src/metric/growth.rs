//! Whether a level, such as the memory of a process, grows, and how sure that is.
//!
//! A level rises for two reasons: it warms up (caches fill, pools reach their size) and comes to
//! rest, or it leaks and goes on. So two things are said of it: how far it rose over the whole
//! time, and how fast it still rises in the second half of it. Each is the slope of a straight line
//! with its interval ([`slope`]). A leak has to rise in both, surely and by more than a little:
//! what only warms up rises in one.
//!
//! Memory is taken from the system in pieces: up to [`PIECE`] may have gone where no reading shows
//! it. That is why a short run can find a leak, but never that there is none.

use super::{Point, Reading, Unit};
use crate::statistics::slope::{self, Estimate};

/// What an allocator takes from the system at a time (glibc's `M_TOP_PAD`), in bytes.
const PIECE: f64 = 128.0 * 1024.0;
/// Bytes an hour below which nothing is called a leak.
const LITTLE: f64 = 1e6;
/// The same as a share of the level.
const LITTLE_OF_LEVEL: f64 = 0.01;

/// How a level rose.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Growth {
    /// Over the whole time, in the unit of the level.
    pub rise: Estimate,
    /// Over its second half, by the second.
    pub pace: Estimate,
    /// What the level is on average.
    level: f64,
}

/// What is to be said of a level of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Course {
    /// It rises, and goes on: a leak.
    Leaks,
    /// It is known not to rise any more.
    Stable,
    /// The time was too short to know.
    Unknown,
}

impl Growth {
    /// Of a level second by second; none where there are too few seconds to say anything.
    pub fn of(levels: &[(u32, f64)], unit: Unit) -> Option<Self> {
        let points: Vec<_> = levels.iter().map(|(at, level)| (f64::from(*at), *level)).collect();
        let later = &points[points.len() / 2..];
        let piece = if unit == Unit::Bytes { PIECE } else { 0.0 };
        let length = |part: &[(f64, f64)]| Some(part.last()?.0 - part.first()?.0 + 1.0);
        Some(Self {
            rise: slope::of(&points)?.times(length(&points)?).give_or_take(piece),
            pace: slope::of(later)?.give_or_take(piece / length(later)?),
            level: points.iter().map(|point| point.1).sum::<f64>() / points.len() as f64,
        })
    }

    /// What is to be said of it, if it is a level of bytes.
    pub fn course(&self) -> Course {
        let little = LITTLE.max(LITTLE_OF_LEVEL * self.level) / 3600.0;
        if self.rise.low > 0.0 && self.pace.low > 0.0 && self.pace.value > little {
            Course::Leaks
        } else if self.pace.high <= little {
            Course::Stable
        } else {
            Course::Unknown
        }
    }
}

impl Course {
    /// The word for it, for machines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Leaks => "leaks",
            Self::Stable => "stable",
            Self::Unknown => "unknown",
        }
    }
}

/// The values of a gauge by the second.
pub fn levels(points: &[Point]) -> Vec<(u32, f64)> {
    let gauge = |point: &Point| match point.reading {
        Reading::Gauge(value) => Some((point.second, value)),
        _ => None,
    };
    points.iter().filter_map(gauge).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: f64 = 1e6;

    /// Of a level by the second, from a noise that is always the same.
    fn growth(seconds: u32, level: impl Fn(f64) -> f64) -> Growth {
        let noise = |at: u32| f64::from(at.wrapping_mul(2_654_435_761) >> 16) / 65_536.0 - 0.5;
        let of = |at| (at, 100.0 * MB + level(f64::from(at)) + 0.3 * MB * noise(at));
        Growth::of(&(0..seconds).map(of).collect::<Vec<_>>(), Unit::Bytes).unwrap()
    }

    #[test]
    fn a_leak_is_told_from_warming_up_and_from_rest() {
        let leak = |at: f64| at * 2.0 * MB;
        let leaking = growth(60, leak);
        assert_eq!(leaking.course(), Course::Leaks);
        assert!((leaking.rise.value - 120.0 * MB).abs() < 2.0 * MB, "{leaking:?}");
        assert!((leaking.pace.value - 2.0 * MB).abs() < 0.1 * MB, "{leaking:?}");

        let warming = |at: f64| 50.0 * MB * (1.0 - (-at / 30.0).exp());
        assert_eq!(growth(3600, warming).course(), Course::Stable);
        assert_ne!(growth(60, warming).course(), Course::Stable, "it goes on rising");
        assert_eq!(growth(3600, |_| 0.0).course(), Course::Stable);
        assert_eq!(growth(3600, |at| -at * 0.01 * MB).course(), Course::Stable);
        let collected = |at: f64| (at % 30.0) * MB;
        assert!(growth(3600, collected).rise.low < 0.0, "what is collected again");
    }

    #[test]
    fn stable_is_said_only_when_the_run_was_long_enough_to_know() {
        for (minutes, course) in [
            (1, Course::Unknown),
            (5, Course::Unknown),
            (20, Course::Stable),
            (120, Course::Stable),
        ] {
            let flat: Vec<_> = (0..minutes * 60).map(|at| (at, 100.0 * MB)).collect();
            let growth = Growth::of(&flat, Unit::Bytes).unwrap();
            assert_eq!(growth.course(), course, "{minutes} min");
        }
    }

    #[test]
    fn a_slow_leak_shows_once_it_is_more_than_a_piece() {
        let slow = |at: f64| at * 10.0 * MB / 3600.0;
        assert_eq!(growth(30, slow).course(), Course::Unknown);
        assert_eq!(growth(1800, slow).course(), Course::Leaks);
    }

    #[test]
    fn a_few_seconds_say_nothing() {
        let levels: Vec<_> = (0..14).map(|at| (at, f64::from(at))).collect();
        assert_eq!(Growth::of(&levels, Unit::Number), None);
        assert_eq!(Growth::of(&[], Unit::Bytes), None);
    }
}
