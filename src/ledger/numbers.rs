//! Ids that count up, as numbers: what is known of each.
//!
//! A number is *open* while it has times of its own (`open.rs`). Once it has landed only a few flags
//! of it matter any more, and many have the same: it moves to the set of those, which is compressed.
//! Nothing is forgotten by that: a copy that is seen later is still a copy. So does one that is open
//! when room is needed for newer ones, and from then on shares its times with its neighbours
//! (`spans.rs`).

use roaring::RoaringTreemap;

use super::fate::Fate;
use super::open::Open;
use super::spans::{Span, Spans, Times};

/// Blocks of which each number has times of its own, and spans of the others: 1.8 million numbers
/// that follow one another. As many as a table has places before it grows.
pub(super) const ROOM: usize = 7 << 13;

/// After so many changes, or a 64th of all in it, a set is compressed anew.
const COMPRESSED_EVERY: u64 = 1024;

/// Numbers, and what is known of each.
#[derive(Debug)]
pub(super) struct Numbers {
    open: Open,
    /// All others, by what is known of them.
    sets: Vec<Set>,
    /// Times of those that are in a set and have not landed.
    spans: Spans,
    /// How many blocks may be open, and how many spans there may be.
    room: usize,
}

/// Numbers of which the same is known.
#[derive(Debug, Default)]
struct Set {
    flags: u8,
    numbers: RoaringTreemap,
    /// Changes since it was compressed.
    changes: u64,
}

impl Numbers {
    /// None yet, and that room.
    pub(super) fn new(room: usize) -> Self {
        Self { open: Open::default(), sets: Vec::new(), spans: Spans::default(), room }
    }

    /// Writes down what is said of a number; gives what was known of it before, and when it was sent.
    pub(super) fn note(&mut self, number: u64, said: u8, now: u32) -> (Fate, Span) {
        if let Some(fate) = self.open.find(number) {
            let before = *fate;
            fate.note(said, now);
            let after = *fate;
            if after.is(Fate::SEEN) {
                self.open.forget(number);
                self.set(after).insert(number);
            }
            return (before, before.times().sent);
        }
        let set = self.sets.iter_mut().find(|set| set.numbers.contains(number));
        let before = set.as_ref().map(|set| Fate::of(set.flags)).unwrap_or_default();
        let mut after = before;
        after.note(said, now);
        if !before.is_known() && !after.is(Fate::SEEN) {
            self.make_room();
            self.open.keep(number, after);
            return (before, Span::default());
        }
        if after.settled() != before.flags {
            if let Some(set) = set {
                set.remove(number);
            }
            self.set(after).insert(number);
        }
        if after.is_lost() && !before.is_lost() {
            let acked = Span::at(now);
            self.spans.widen(number, Times { acked, ..Times::default() });
        }
        (before, self.spans.of(number).sent)
    }

    /// Every fate, and how many share it.
    pub(super) fn fates(&self) -> impl Iterator<Item = (Fate, u64)> {
        let open = self.open.all().map(|(_, fate)| (fate, 1));
        open.chain(self.sets.iter().map(|set| (Fate::of(set.flags), set.numbers.len())))
    }

    /// The numbers that are lost, and when they were acked: all that are open, and of the others up
    /// to so many with the same times.
    pub(super) fn lost(&self, most: usize) -> impl Iterator<Item = (u64, Span)> {
        let open = self.open.all().filter(|(_, fate)| fate.is_lost());
        let open = open.map(|(number, fate)| (number, fate.times()));
        let sets = self.sets.iter().filter(|set| Fate::of(set.flags).is_lost());
        let others = sets.flat_map(move |set| self.spans.some_of(&set.numbers, most));
        open.chain(others).map(|(number, times)| (number, times.acked))
    }

    /// Has the oldest blocks share their times where one more would be too many; a few at once, since
    /// it takes looking at all.
    fn make_room(&mut self) {
        if self.open.blocks() < self.room {
            return;
        }
        let few = 1 + self.room / 128;
        let oldest: Vec<_> = self.open.take_oldest(few).collect();
        // Each may need a span of its own.
        self.spans.fit(self.room - few);
        for (number, fate) in oldest {
            self.spans.widen(number, fate.times());
            self.set(fate).insert(number);
        }
    }

    /// The set of those of which the same is known.
    fn set(&mut self, fate: Fate) -> &mut Set {
        let flags = fate.settled();
        let known = self.sets.iter().position(|set| set.flags == flags);
        let at = known.unwrap_or(self.sets.len());
        if known.is_none() {
            self.sets.push(Set { flags, ..Set::default() });
        }
        &mut self.sets[at]
    }

    /// The memory it has asked for, in bytes.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        let sets = self.sets.iter().map(|set| super::tests::set(&set.numbers)).sum::<usize>();
        self.open.kept() + self.spans.kept() + sets
    }
}

impl Set {
    fn insert(&mut self, number: u64) {
        self.numbers.insert(number);
        self.changed();
    }

    fn remove(&mut self, number: u64) {
        self.numbers.remove(number);
        self.changed();
    }

    /// Compresses it every now and then.
    fn changed(&mut self) {
        self.changes += 1;
        if self.changes >= COMPRESSED_EVERY && self.changes > self.numbers.len() / 64 {
            self.numbers.optimize();
            self.changes = 0;
        }
    }
}
