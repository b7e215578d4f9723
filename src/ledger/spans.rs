//! Times of ids that share them: of numbers that follow one another, from when to when they were sent
//! and acked.
//!
//! Numbers that count up are sent one after the other, so those of a span were sent at about the same
//! time. When there are too many spans each is joined with its neighbour: however many numbers there
//! are, all that is lost is resolution.

use std::collections::HashMap;
use std::mem;

use roaring::RoaringTreemap;

/// Numbers of the first spans, as a power of two.
const FIRST_SHIFT: u32 = 5;

/// A stretch of time in which something happened, in milliseconds since the run began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) first: u32,
    pub(super) last: u32,
}

/// When it did not happen.
impl Default for Span {
    fn default() -> Self {
        Self { first: u32::MAX, last: 0 }
    }
}

impl Span {
    /// A single millisecond.
    pub(super) fn at(time: u32) -> Self {
        Self { first: time, last: time }
    }

    /// From the beginning of the one that begins first to the end of the one that ends last.
    pub(super) fn merge(&mut self, other: Self) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
    }
}

/// When one id, or each of several, was sent and first acked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) sent: Span,
    pub(super) acked: Span,
}

/// The times of numbers, by spans of equally many.
#[derive(Debug)]
pub(super) struct Spans {
    spans: HashMap<u64, Times>,
    /// A number belongs to the span of its upper bits: all but so many.
    shift: u32,
}

impl Default for Spans {
    fn default() -> Self {
        Self { spans: HashMap::default(), shift: FIRST_SHIFT }
    }
}

impl Spans {
    /// The times of the span in which the number is.
    pub(super) fn of(&self, number: u64) -> Times {
        self.spans.get(&(number >> self.shift)).copied().unwrap_or_default()
    }

    /// Widens the span in which the number is until it holds these times.
    pub(super) fn widen(&mut self, number: u64, times: Times) {
        let span = self.spans.entry(number >> self.shift).or_default();
        span.sent.merge(times.sent);
        span.acked.merge(times.acked);
    }

    /// Joins neighbours until there are no more than so many, which has to be two for every prefix.
    pub(super) fn fit(&mut self, room: usize) {
        while self.spans.len() > room {
            let spans = mem::take(&mut self.spans);
            let first = |span| span << self.shift;
            let spans: Vec<_> =
                spans.into_iter().map(|(span, times)| (first(span), times)).collect();
            self.shift += 1;
            for (number, times) in spans {
                self.widen(number, times);
            }
        }
    }

    /// Some of these numbers, up to so many of every span, with their times.
    pub(super) fn some_of(
        &self,
        numbers: &RoaringTreemap,
        most: usize,
    ) -> impl Iterator<Item = (u64, Times)> {
        let mut rest = numbers.iter();
        let spans = std::iter::from_fn(move || {
            let these = rest.clone();
            let first = rest.next()?;
            let end = ((first >> self.shift) + 1) << self.shift;
            rest.advance_to(end);
            let times = self.of(first);
            Some(these.take_while(move |number| *number < end).take(most).map(move |n| (n, times)))
        });
        spans.flatten()
    }

    /// The memory it has asked for, in bytes.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        super::tests::table(&self.spans)
    }
}
