//! One figure of one operation in two sets of runs: how far apart, and how sure.
//!
//! Each figure is written as a sum over time of what every second contributed to it (its
//! *influence*: how much the figure falls when that second is left out, the jackknife of
//! Quenouille 1956); the contributions of the two sides are subtracted second by second. What both
//! have in common, a ramp of the load, falls out; what is left is noise, whose size [`dependence`]
//! tells.
//!
//! * Mean and throughput change by a factor, so they are compared as logarithms; the failed share,
//!   which may be 0, as a difference.
//! * A percentile has an own method, as its influence would need a density: the noise of the share
//!   of calls *below* it is turned into an interval by reading the distribution a little lower and
//!   a little higher (Woodruff 1952), and the intervals of the two sides are joined by the squares
//!   of their arms (MOVER, Zou & Donner 2008). Where the higher reading lies beyond the largest
//!   value, the interval is open: there were too few calls for that percentile.
//!
//! A figure may rest on few seconds: the 99th percentile of a run with one burst is that of the
//! burst. Of how many it is made is counted after Kish (1965); from fewer than [`FEWEST`] no noise
//! can be learnt, and the interval is open as well.
//!
//! With several runs on a side, these also differ as runs. What they differ more than their
//! seconds explain is added (a random effect, by the method of moments), with the degrees of
//! freedom of the sum after Satterthwaite (1946). Where they differ no more, the noise stays what
//! seconds say, and has the degrees of freedom of both (mean squares pooled, but for the larger one
//! kept). Where seconds say nothing, runs say it alone.

use std::collections::BTreeMap;

use super::sample::Sample;
use crate::metric::Distribution;
use crate::statistics::dependence::{self, Noise};
use crate::statistics::student;

/// Half of what a histogram cannot tell apart, as a logarithm.
const RESOLUTION: f64 = 0.0005;
/// Stretches of time that a figure has to be made of.
const FEWEST: f64 = 4.0;
/// So many standard errors are beyond every table.
const ENDLESS: f64 = 1e4;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Figure {
    /// The mean time.
    Mean,
    /// The time that a share of all calls lies at or under.
    Quantile(f64),
    /// The share of calls that failed.
    Failed,
    /// Calls a second.
    Throughput,
}

impl Figure {
    /// Whether it is compared as a difference, not by a factor.
    pub fn is_share(self) -> bool {
        self == Self::Failed
    }
}

/// A figure on both sides, and the noise of its change.
#[derive(Debug)]
pub struct Estimate<'a> {
    /// The figure before and after; the geometric mean of several runs.
    pub values: [f64; 2],
    /// The change: of the logarithm, or of the share.
    pub change: f64,
    /// Degrees of freedom of its noise.
    freedom: f64,
    /// What runs of a side differ more than their seconds explain, as a variance of the change.
    between: f64,
    arms: Arms<'a>,
}

/// How far from the change the truth may lie.
#[derive(Debug)]
enum Arms<'a> {
    /// Seconds do not tell.
    Open,
    /// One standard error to each side.
    Even(f64),
    /// As the distributions say.
    Read {
        q: f64,
        /// One standard error of each side's share of calls below the percentile.
        error: f64,
        sides: [Vec<&'a Distribution>; 2],
    },
}

/// The figure in two sets of runs, each of which has calls of the operation.
pub fn of<'a>(figure: Figure, sides: [&[&'a Sample]; 2]) -> Estimate<'a> {
    let width = sides.iter().flat_map(|side| side.iter()).map(|run| run.times.width());
    let width = width.max().unwrap_or(1);
    let logs = sides.map(|side| side.iter().map(|run| scaled(figure, run)).collect::<Vec<_>>());
    let means = [mean(&logs[0]), mean(&logs[1])];
    let change = means[1] - means[0];
    let within = within(figure, sides, width);
    let values = if figure.is_share() { means } else { means.map(f64::exp) };
    let arms = match figure {
        _ if !within.variance.is_finite() => Arms::Open,
        Figure::Quantile(q) => Arms::Read {
            q,
            error: (within.variance / 2.0).sqrt(),
            sides: sides.map(|side| side.iter().map(|run| &run.total).collect()),
        },
        _ => Arms::Even(within.variance.sqrt()),
    };
    let mut estimate = Estimate { values, change, freedom: within.freedom, between: 0.0, arms };
    estimate.add_between(&logs);
    estimate
}

impl Estimate<'_> {
    /// Where the true change lies with the chance `1 - p`; an open end is infinite.
    pub fn interval(&self, p: f64) -> (f64, f64) {
        self.reach(student::critical(p, self.freedom))
    }

    /// One standard error; `None` where it is not known.
    pub fn error(&self) -> Option<f64> {
        let (low, high) = self.reach(1.0);
        Some((high - low) / 2.0).filter(|error| error.is_finite())
    }

    /// The chance of a change as large as this, either way, when there is none.
    pub fn chance_of_none(&self) -> f64 {
        let touches_zero = |t| {
            let (low, high) = self.reach(t);
            low <= 0.0 && high >= 0.0
        };
        let (mut low, mut high) = (0.0, ENDLESS);
        if !touches_zero(high) {
            return 0.0;
        }
        for _ in 0..60 {
            let middle = f64::midpoint(low, high);
            if touches_zero(middle) { high = middle } else { low = middle }
        }
        student::two_sided(low, self.freedom)
    }

    /// The interval of `t` standard errors.
    fn reach(&self, t: f64) -> (f64, f64) {
        let between = t * self.between.sqrt();
        match &self.arms {
            Arms::Open if self.between > 0.0 => (self.change - between, self.change + between),
            Arms::Open => (f64::NEG_INFINITY, f64::INFINITY),
            Arms::Even(error) => {
                let arm = between.hypot(t * error);
                (self.change - arm, self.change + arm)
            }
            Arms::Read { q, error, sides } => {
                let arms = |side| arms(side, *q, t * error);
                let ([base_down, base_up], [now_down, now_up]) = (arms(&sides[0]), arms(&sides[1]));
                let join = |a: f64, b: f64| a.hypot(b).hypot(t * RESOLUTION).hypot(between);
                (self.change - join(now_down, base_up), self.change + join(now_up, base_down))
            }
        }
    }

    /// Adds what runs of a side differ more than their seconds explain.
    fn add_between(&mut self, logs: &[Vec<f64>; 2]) {
        let runs = logs.each_ref().map(|side| side.len() as f64);
        let freedom = runs[0] + runs[1] - 2.0;
        if freedom < 1.0 {
            return;
        }
        let squares = |side: &Vec<f64>| {
            let mean = mean(side);
            side.iter().map(|log| (log - mean).powi(2)).sum::<f64>()
        };
        let each = (squares(&logs[0]) + squares(&logs[1])) / freedom;
        let seen = each * (1.0 / runs[0] + 1.0 / runs[1]);
        let (low, high) = self.reach(1.0);
        let within = ((high - low) / 2.0).powi(2);
        if within.is_infinite() {
            (self.arms, self.between, self.freedom) = (Arms::Open, seen, freedom);
        } else if seen > within {
            self.between = seen - within;
            let parts = self.between.powi(2) / freedom + within.powi(2) / self.freedom;
            self.freedom = (seen.powi(2) / parts).max(1.0);
        } else {
            // Runs that differ no more than that say the same: the noise is known by both.
            self.freedom += freedom;
        }
    }
}

/// How far below and above a percentile the distributions of a side read, `error` of all calls
/// away; as logarithms, averaged over its runs.
fn arms(side: &[&Distribution], q: f64, error: f64) -> [f64; 2] {
    let log = |values: &Distribution, q: f64| log_of(values.quantile(q) as f64);
    let runs = side.len() as f64;
    let down = side.iter().map(|values| log(values, q) - log(values, (q - error).max(0.0)));
    let up = side.iter().map(|values| {
        let beyond = q + error > 1.0 - 0.5 / values.count() as f64;
        if beyond { f64::INFINITY } else { log(values, q + error) - log(values, q) }
    });
    [down.sum::<f64>() / runs, up.sum::<f64>() / runs]
}

/// A run's figure, on the scale it is compared on.
fn scaled(figure: Figure, run: &Sample) -> f64 {
    match figure {
        Figure::Mean => log_of(run.total.mean()),
        Figure::Quantile(q) => log_of(run.total.quantile(q) as f64),
        Figure::Failed => failed(run) / run.calls().max(1.0),
        Figure::Throughput => (run.calls() / run.elapsed.max(1e-9)).ln(),
    }
}

fn failed(run: &Sample) -> f64 {
    run.failed.iter().flat_map(BTreeMap::values).sum()
}

/// Times are whole nanoseconds, and none is below one.
fn log_of(nanoseconds: f64) -> f64 {
    nanoseconds.max(1.0).ln()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The noise of the change that seconds explain; for a percentile, of the share below it.
fn within(figure: Figure, sides: [&[&Sample]; 2], width: u32) -> Noise {
    let mut parts: BTreeMap<u32, Part> = BTreeMap::new();
    for (side, sign) in sides.iter().zip([-1.0, 1.0]) {
        let runs = side.len() as f64;
        for run in *side {
            for (at, part) in influence(figure, run, width) {
                let sum = parts.entry(at).or_default();
                sum.influence += sign * part.influence / runs;
                sum.weight += part.weight / runs / 2.0;
            }
        }
    }
    let span = parts.keys().next().zip(parts.keys().next_back());
    let dense: Vec<f64> = span.map_or_else(Vec::new, |(first, last)| {
        (*first..=*last).map(|at| parts.get(&at).map_or(0.0, |part| part.influence)).collect()
    });
    let noise = dependence::of_sum(&dense);
    let made_of = 1.0 / parts.values().map(|part| part.weight.powi(2)).sum::<f64>();
    Noise {
        variance: if made_of < FEWEST { f64::INFINITY } else { noise.variance },
        freedom: noise.freedom.min(made_of - 1.0).max(1.0),
    }
}

/// What a stretch of a run is to a figure.
#[derive(Clone, Copy, Default)]
struct Part {
    /// How much the figure falls without it.
    influence: f64,
    /// Its share of what the figure is made of; all together make 1.
    weight: f64,
}

/// What each stretch of the run is to the figure.
fn influence(figure: Figure, run: &Sample, width: u32) -> BTreeMap<u32, Part> {
    match figure {
        Figure::Mean => mean_parts(run, width),
        Figure::Quantile(q) => quantile_parts(q, run, width),
        Figure::Failed => failed_parts(run, width),
        Figure::Throughput => throughput_parts(run, width),
    }
}

fn mean_parts(run: &Sample, width: u32) -> BTreeMap<u32, Part> {
    let (calls, mean) = (run.total.count() as f64, run.total.mean());
    by_slice(run, width, |values| {
        let n = values.count() as f64;
        let weight = values.mean() * n / (mean * calls);
        let influence = ((1.0 - n / calls) / (1.0 - weight)).ln();
        Part { influence: if influence.is_finite() { influence } else { 0.0 }, weight }
    })
}

/// A percentile is made of the calls around it: those within half of what lies above it.
fn quantile_parts(q: f64, run: &Sample, width: u32) -> BTreeMap<u32, Part> {
    let total = &run.total;
    let value = total.quantile(q);
    // Where many calls took the same time, the share at it is more than `q`.
    let share = total.share_at_most(value);
    let ends = [q - (1.0 - q) / 2.0, q + (1.0 - q) / 2.0].map(|q| total.quantile(q));
    let near = |values: &Distribution| {
        let shares = ends.map(|end| values.share_at_most(end));
        // What lies at the lower end itself counts, so that something always does.
        let least = 0.01 * f64::from(u8::from(values.share_at_most(value) > 0.0));
        (shares[1] - shares[0]).max(0.0).max(least) * values.count() as f64
    };
    let all: f64 = run.times.iter().map(|(_, values)| near(&values)).sum();
    let calls = total.count() as f64;
    by_slice(run, width, |values| {
        let n = values.count() as f64;
        let weight = near(values) / all.max(f64::MIN_POSITIVE);
        let influence = (share - values.share_at_most(value)) * n / calls;
        // The percentile has moved towards the calls it is made of.
        Part { influence: influence / (1.0 - weight).max(0.5), weight }
    })
}

fn failed_parts(run: &Sample, width: u32) -> BTreeMap<u32, Part> {
    let (share, ended) = (scaled(Figure::Failed, run), run.calls().max(1.0));
    let mut parts: BTreeMap<u32, Part> = BTreeMap::new();
    for (at, n) in binned(&run.ended, width) {
        parts.insert(at, Part { influence: -share * n / ended, weight: n / ended });
    }
    let none = BTreeMap::new();
    for (at, failed) in binned(run.failed.as_ref().unwrap_or(&none), width) {
        parts.entry(at).or_default().influence += failed / ended;
    }
    parts
}

fn throughput_parts(run: &Sample, width: u32) -> BTreeMap<u32, Part> {
    let bins = binned(&run.ended, width);
    let (first, last) = bins.keys().next().zip(bins.keys().next_back()).unwrap_or((&0, &0));
    let all = f64::from(last - first + 1);
    let part = |at| {
        let weight = bins.get(&at).copied().unwrap_or(0.0) / run.calls();
        (at, Part { influence: weight - 1.0 / all, weight })
    };
    (*first..=*last).map(part).collect()
}

fn by_slice(run: &Sample, width: u32, part: impl Fn(&Distribution) -> Part) -> BTreeMap<u32, Part> {
    let slices = run.times.clone().widened(width);
    slices.iter().map(|(at, values)| (at, part(&values))).collect()
}

fn binned(seconds: &BTreeMap<u32, f64>, width: u32) -> BTreeMap<u32, f64> {
    let mut bins = BTreeMap::new();
    for (second, amount) in seconds {
        *bins.entry(second / width).or_default() += amount;
    }
    bins
}
