//! The curve: a load over time, piecewise linear, with impulses.
//!
//! A curve answers three questions, each in closed form: how much load there is at a time
//! ([`Curve::at`]), how many arrivals are due by then ([`Curve::area`]), and when arrival *n* is
//! due ([`Curve::time_of`]). The schedule of a run is these formulas, not a clock that ticks: a
//! late wake-up delays one start and moves no other.
//!
//! Within a piece that goes from `r0` to `r1` in `d` seconds, with `a = (r1 - r0) / d`, the area
//! after `x` seconds is `n = r0 x + a x^2 / 2`. Solved for `x` in the form
//!
//! ```text
//! x(n) = 2 n / (r0 + sqrt(r0^2 + 2 a n))
//! ```
//!
//! it holds for rising, falling and flat pieces alike: nothing is divided by the slope, and no two
//! nearly equal numbers are subtracted. Times are kept as whole nanoseconds per piece, so a long
//! run loses no precision; areas are `f64` and exact to far below one arrival at 1e9 of them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One step of a load as the script writes it; the load before the first step is the start value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// `{ to = 200, over = "1m" }`: go in a straight line to a value.
    To {
        /// The value reached at the end.
        to: f64,
        /// How long it takes; zero is a jump.
        over: Duration,
    },
    /// `{ hold = "5m" }`: stay at the present value.
    Hold(Duration),
    /// `{ jump = 1000, hold = "10s" }`: take a value at once, and stay there if told to.
    Jump {
        /// The value taken.
        to: f64,
        /// How long to stay; `None` leaves it to the next step.
        hold: Option<Duration>,
    },
    /// `{ burst = 100 }`: so many arrivals due at one instant. Takes no time.
    Burst(u64),
}

/// A stretch of the curve: a straight line, or an impulse when `over` is zero.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Piece {
    /// When it begins, from the curve's begin.
    start: Duration,
    /// How long it is; zero for an impulse.
    over: Duration,
    /// Value where it begins.
    from: f64,
    /// Value where it ends.
    to: f64,
    /// Area of everything before it.
    before: f64,
    /// Area with it included.
    after: f64,
}

/// A load over time. Pieces follow each other without a gap; before and after them it is zero.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "Vec<Shown>", from = "Vec<Shown>")]
pub struct Curve {
    /// In order of time.
    pieces: Vec<Piece>,
    /// The value after the last step.
    last: f64,
}

impl Curve {
    /// A load of `value` for `duration`.
    pub fn constant(value: f64, duration: Duration) -> Self {
        Self::steps(value, &[Step::Hold(duration)])
    }

    /// The load that begins at `start` and takes the steps one after another.
    ///
    /// Takes any numbers: what makes no sense is found by [`super::validate()`], never by a panic.
    pub fn steps(start: f64, steps: &[Step]) -> Self {
        let mut curve = Self { pieces: Vec::with_capacity(steps.len()), last: start };
        for step in steps {
            match *step {
                Step::To { to, over } => curve.line(to, over),
                Step::Hold(over) => curve.line(curve.last, over),
                Step::Jump { to, hold } => {
                    curve.last = to;
                    curve.line(to, hold.unwrap_or_default());
                }
                Step::Burst(arrivals) => curve.push(Duration::ZERO, curve.last, arrivals as f64),
            }
        }
        curve
    }

    /// Goes on to `to` in a straight line; at once if `over` is zero.
    fn line(&mut self, to: f64, over: Duration) {
        if !over.is_zero() {
            self.push(over, to, over.as_secs_f64() * f64::midpoint(self.last, to));
        }
        self.last = to;
    }

    /// Appends the piece from the last value to `to` that adds `area`.
    fn push(&mut self, over: Duration, to: f64, area: f64) {
        let (start, before, from) = (self.duration(), self.total(), self.last);
        self.pieces.push(Piece { start, over, from, to, before, after: settled(before + area) });
    }

    /// The load at `t`; right at a jump, the value after it. Zero once the curve has ended.
    pub fn at(&self, t: Duration) -> f64 {
        self.piece_at(t).map_or(0.0, |piece| piece.at(t))
    }

    /// How many arrivals are due up to and including `t`: the integral of the load, and bursts.
    pub fn area(&self, t: Duration) -> f64 {
        let begun = self.pieces.partition_point(|piece| piece.start <= t);
        begun.checked_sub(1).map_or(0.0, |last| self.pieces[last].area(t))
    }

    /// The instant at which the area first goes beyond `n`; `None` if it never does.
    ///
    /// So arrival 0 of a constant rate is due at zero, an arrival is never due while the rate is
    /// zero, and of `total` arrivals the numbers below `total` are due.
    pub fn time_of(&self, n: f64) -> Option<Duration> {
        let piece = self.pieces.get(self.pieces.partition_point(|piece| piece.after <= n))?;
        Some(piece.time_of(n))
    }

    /// The first instant from `t` on at which the load is above `level`; `None` if it never is.
    ///
    /// A load that rises from exactly `level` counts from where it leaves it.
    pub fn rise_above(&self, level: f64, t: Duration) -> Option<Duration> {
        let ended = self.pieces.partition_point(|piece| piece.end() <= t);
        self.pieces[ended..].iter().find_map(|piece| piece.rise_above(level, t))
    }

    /// How long the curve is.
    pub fn duration(&self) -> Duration {
        self.pieces.last().map_or(Duration::ZERO, Piece::end)
    }

    /// The largest load it has at any time; bursts are not a load and do not count.
    pub fn peak(&self) -> f64 {
        self.lines().flat_map(|piece| [piece.from, piece.to]).fold(0.0, f64::max)
    }

    /// The value after the last step, also when no time is spent at it.
    pub fn last(&self) -> f64 {
        self.last
    }

    /// The whole area: how many arrivals become due.
    pub fn total(&self) -> f64 {
        self.pieces.last().map_or(0.0, |piece| piece.after)
    }

    /// The values at which the curve bends or jumps, in order, the last one included.
    pub(super) fn values(&self) -> impl Iterator<Item = f64> + '_ {
        self.lines().flat_map(|piece| [piece.from, piece.to]).chain([self.last])
    }

    /// True if it has a burst anywhere.
    pub fn has_burst(&self) -> bool {
        self.pieces.iter().any(|piece| piece.over.is_zero())
    }

    /// The pieces that take time.
    fn lines(&self) -> impl Iterator<Item = &Piece> {
        self.pieces.iter().filter(|piece| !piece.over.is_zero())
    }

    /// The piece that is running at `t`; never an impulse, which is over as it begins.
    fn piece_at(&self, t: Duration) -> Option<&Piece> {
        self.pieces.get(self.pieces.partition_point(|piece| piece.end() <= t))
    }
}

impl Piece {
    /// When the next piece begins.
    fn end(&self) -> Duration {
        self.start.saturating_add(self.over)
    }

    /// The value at `t`, which lies within the piece.
    fn at(&self, t: Duration) -> f64 {
        let share = t.saturating_sub(self.start).div_duration_f64(self.over);
        self.from + (self.to - self.from) * share.min(1.0)
    }

    /// The area up to `t`, which lies within the piece or after it.
    fn area(&self, t: Duration) -> f64 {
        let x = t.saturating_sub(self.start);
        if x >= self.over {
            return self.after;
        }
        let part = x.as_secs_f64() * f64::midpoint(self.from, self.at(t));
        (self.before + part).min(self.after)
    }

    /// When the area reaches `n`, which lies between `before` and `after`.
    fn time_of(&self, n: f64) -> Duration {
        let n = n - self.before;
        if n <= 0.0 || self.over.is_zero() {
            return self.start;
        }
        let slope = (self.to - self.from) / self.over.as_secs_f64();
        let reached = (self.from * self.from + 2.0 * slope * n).max(0.0).sqrt();
        self.start.saturating_add(seconds(2.0 * n / (self.from + reached)).min(self.over))
    }

    /// The first instant of the piece, from `t` on, at which its value is above `level`.
    fn rise_above(&self, level: f64, t: Duration) -> Option<Duration> {
        if self.over.is_zero() {
            return None;
        }
        let t = t.max(self.start);
        if self.at(t) > level {
            return Some(t);
        }
        // Rising through `level`: so `to > level >= from`, and the divisor is positive.
        (self.to > level && self.to > self.from).then(|| {
            let share = (level - self.from) / (self.to - self.from);
            t.max(self.start.saturating_add(seconds(self.over.as_secs_f64() * share)))
        })
    }
}

/// An area without the rounding error that would make a whole number of arrivals one more.
fn settled(area: f64) -> f64 {
    let whole = area.round();
    if (area - whole).abs() <= 1e-13 * area.max(1.0) { whole } else { area }
}

/// A number of seconds; what no duration can hold becomes the longest one.
fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

/// A piece as it is written down, times in seconds: `{"start":0,"over":60,"from":0,"to":200}`,
/// `{"start":60,"burst":100}`.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Shown {
    Line { start: f64, over: f64, from: f64, to: f64 },
    Burst { start: f64, burst: f64 },
}

impl From<Curve> for Vec<Shown> {
    fn from(curve: Curve) -> Self {
        let shown = curve.pieces.iter().map(|piece| {
            let (start, over) = (piece.start.as_secs_f64(), piece.over.as_secs_f64());
            if piece.over.is_zero() {
                Shown::Burst { start, burst: piece.after - piece.before }
            } else {
                Shown::Line { start, over, from: piece.from, to: piece.to }
            }
        });
        shown.collect()
    }
}

impl From<Vec<Shown>> for Curve {
    fn from(shown: Vec<Shown>) -> Self {
        let steps = shown.iter().flat_map(|piece| match *piece {
            Shown::Line { over, from, to, .. } => {
                [Step::Jump { to: from, hold: None }, Step::To { to, over: seconds(over) }]
            }
            Shown::Burst { burst, .. } => [Step::Burst(burst as u64), Step::Hold(Duration::ZERO)],
        });
        Self::steps(0.0, &steps.collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests;
