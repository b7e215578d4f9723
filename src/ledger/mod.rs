//! What landed: the ids a run sent, held against the ids found stored afterwards.
//!
//! A script says what it knows of an id: it is about to be sent ([`Ledger::expect`]), the target
//! said yes ([`Ledger::acked`]) or no ([`Ledger::refused`]), no answer came
//! ([`Ledger::indeterminate`]). A reader then says what is stored ([`Ledger::seen`], once for
//! every copy). The [`Balance`] is arithmetic on these sets:
//!
//! * **lost** is what was acked and never seen. Nothing else is: an id without an answer may
//!   rightly have landed or not;
//! * of an id sent several times the strongest answer counts: yes, then silence, then no. Only
//!   what was never answered otherwise is known to be refused;
//! * what is counted does not depend on the order of calls: a reader may see an id before its
//!   answer arrives;
//! * an id *lands* when it is first seen. How long that took runs from being sent, and is as good
//!   as the reader: one that looks only at the end finds everything late.
//!
//! Memory: an id that counts up (`order-1`, `order-2`, also `order-0001`, `7-12`) is a number behind
//! its prefix. Once it has landed it is one of a compressed set: next to nothing where its neighbours
//! fared alike (80 KB for ten million), two bytes at most where they did not, and more only where
//! numbers lie far apart. Until then its times are kept to the millisecond, packed with those of its
//! neighbours: ten million ids of a thousand a second, answered within 64 ms and looked for only at
//! the end, take 23 MB. Each takes 2 bits, those of the milliseconds that 256 of its prefix span and
//! those of the slowest answer among them: ten times as slow a prefix, or ten times as slow an
//! answer, costs 0.4 bytes more. The newest thousand of a prefix take about 14 bytes each, and one that
//! is alone among numbers far apart up to 170. Any other id takes its length and about 50 bytes, landed
//! or not.
//!
//! | file | what it knows |
//! |---|---|
//! | `balance.rs` | what became of all ids, in numbers |
//! | `fate.rs` | what is known of one id |
//! | `id.rs` | which ids are numbers |
//! | `numbers.rs` | the numbers behind one prefix: `open.rs` until they land, then sets |
//! | `page.rs` | what is known of neighbours, in few bits |

mod balance;
mod fate;
mod id;
mod numbers;
mod open;
mod page;

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

pub use balance::Balance;
use fate::Fate;
use id::Id;
use numbers::Numbers;

/// Lost ids a balance names.
const LOST_SAMPLE: usize = 10;
/// Prefixes whose numbers are kept as such; ids with further ones are kept as texts.
const PREFIXES: usize = 4096;

/// The ids of one kind of message, and what is known of each.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// By what precedes the number.
    numbered: HashMap<Box<str>, Numbers>,
    texts: HashMap<Box<str>, Fate>,
    /// Landings beyond the first of their id.
    duplicated: u64,
    /// Landings that took longer than [`Self::limit`].
    late: u64,
    /// What a landing may take; any time where it is not said.
    limit: Option<Duration>,
    slowest_landing: Option<Duration>,
}

impl Ledger {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on counts landings that take longer than that.
    pub fn expect_within(&mut self, limit: Duration) {
        self.limit = Some(limit);
    }

    /// The id is about to be sent. `now` is since the run began, here and below.
    pub fn expect(&mut self, id: &str, now: Duration) {
        self.change(id, |fate| fate.send(now));
    }

    /// The target said yes.
    pub fn acked(&mut self, id: &str, now: Duration) {
        self.change(id, |fate| fate.answer(Fate::ACKED, now));
    }

    /// The target said no: the id is not to land.
    pub fn refused(&mut self, id: &str, now: Duration) {
        self.change(id, |fate| fate.answer(Fate::REFUSED, now));
    }

    /// No answer came: the id may land or not.
    pub fn indeterminate(&mut self, id: &str, now: Duration) {
        self.change(id, |fate| fate.answer(Fate::INDETERMINATE, now));
    }

    /// A copy of the id was found stored; the answer is how long an id that was sent before took
    /// to land, the first time it did.
    pub fn seen(&mut self, id: &str, now: Duration) -> Option<Duration> {
        let before = self.change(id, |fate| {
            let before = *fate;
            fate.see();
            before
        });
        if before.is(Fate::SEEN) {
            self.duplicated += 1;
            return None;
        }
        let took = now.saturating_sub(before.sent_at()?);
        self.slowest_landing = self.slowest_landing.max(Some(took));
        self.late += u64::from(self.limit.is_some_and(|limit| took > limit));
        Some(took)
    }

    /// What became of all ids so far.
    pub fn balance(&self) -> Balance {
        let mut balance = Balance {
            duplicated: self.duplicated,
            late: self.late,
            slowest_landing: self.slowest_landing,
            ..Balance::default()
        };
        let mut first_lost = BTreeSet::new();
        for (fate, count) in self.numbered.values().flat_map(Numbers::landed) {
            balance.enter(fate, count);
        }
        for (id, fate) in self.single() {
            let is_lost = balance.enter(fate, 1);
            // Most are not among the first, and need no name.
            let is_first = |(last, _): &(u32, String)| fate.acked_at() <= *last;
            if is_lost
                && (first_lost.len() < LOST_SAMPLE || first_lost.last().is_some_and(is_first))
            {
                first_lost.insert((fate.acked_at(), id.to_string()));
                if first_lost.len() > LOST_SAMPLE {
                    first_lost.pop_last();
                }
            }
        }
        balance.lost_sample = first_lost.into_iter().map(|(_, id)| id).collect();
        balance
    }

    /// Changes what is known of an id; a blank page for a new one.
    fn change<T>(&mut self, id: &str, change: impl FnOnce(&mut Fate) -> T) -> T {
        if let Id::Numbered(prefix, number) = Id::of(id) {
            if !self.numbered.contains_key(prefix) && self.numbered.len() < PREFIXES {
                self.numbered.insert(prefix.into(), Numbers::default());
            }
            // A prefix refused once is refused for good, so an id never has two places.
            if let Some(numbers) = self.numbered.get_mut(prefix) {
                return numbers.change(number, change);
            }
        }
        change(self.texts.entry(id.into()).or_default())
    }

    /// Every id of which something is known but those that are in a set.
    fn single(&self) -> impl Iterator<Item = (Id<'_>, Fate)> {
        let numbered = self.numbered.iter().flat_map(|(prefix, numbers)| {
            numbers.open.all().map(move |(number, fate)| (Id::Numbered(prefix, number), fate))
        });
        numbered.chain(self.texts.iter().map(|(id, fate)| (Id::Text(id), *fate)))
    }
}

#[cfg(test)]
mod tests;
