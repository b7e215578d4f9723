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
//!   answer arrives.
//!
//! Memory: ids that count up (`order-1`, `order-2`, also `order-0001`) take about 13 bytes each,
//! scattered numbers up to 210; any other id its length and about 50.

mod balance;
mod id;

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

pub use balance::Balance;
use id::Id;

/// Lost ids a balance names.
const LOST_SAMPLE: usize = 10;
/// Consecutive numbers kept side by side.
const BLOCK: usize = 16;
/// Prefixes whose numbers are kept in blocks; ids with further ones are kept as texts.
const PREFIXES: usize = 32;

/// The ids of one kind of message, and what is known of each.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// By what precedes the number, then by the number of the block.
    numbered: HashMap<Box<str>, HashMap<u64, [Fate; BLOCK]>>,
    texts: HashMap<Box<str>, Fate>,
    /// Landings beyond the first of their id.
    duplicated: u64,
    slowest_landing: Option<Duration>,
}

/// What is known of one id.
#[derive(Clone, Copy, Debug, Default)]
struct Fate {
    /// A set of the flags below; 0 for a number nobody mentioned.
    flags: u8,
    /// When it was first acked, before that when first expected: milliseconds since the run
    /// began, enough for 49 days.
    at: u32,
}

impl Fate {
    const EXPECTED: u8 = 1;
    const ACKED: u8 = 2;
    const REFUSED: u8 = 4;
    const INDETERMINATE: u8 = 8;
    const SEEN: u8 = 16;
    const SEEN_AGAIN: u8 = 32;

    fn is(self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    fn time(self) -> Duration {
        Duration::from_millis(self.at.into())
    }
}

impl Ledger {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// The id is about to be sent. `now` is since the run began, here and below.
    pub fn expect(&mut self, id: &str, now: Duration) {
        let fate = self.fate(id);
        if fate.flags & (Fate::EXPECTED | Fate::ACKED) == 0 {
            fate.at = milliseconds(now);
        }
        fate.flags |= Fate::EXPECTED;
    }

    /// The target said yes.
    pub fn acked(&mut self, id: &str, now: Duration) {
        let fate = self.fate(id);
        if !fate.is(Fate::ACKED) {
            fate.at = milliseconds(now);
        }
        fate.flags |= Fate::EXPECTED | Fate::ACKED;
    }

    /// The target said no: the id is not to land.
    pub fn refused(&mut self, id: &str) {
        self.fate(id).flags |= Fate::EXPECTED | Fate::REFUSED;
    }

    /// No answer came: the id may land or not.
    pub fn indeterminate(&mut self, id: &str) {
        self.fate(id).flags |= Fate::EXPECTED | Fate::INDETERMINATE;
    }

    /// A copy of the id was found stored.
    pub fn seen(&mut self, id: &str, now: Duration) {
        let fate = self.fate(id);
        let before = *fate;
        fate.flags |= if before.is(Fate::SEEN) { Fate::SEEN_AGAIN } else { Fate::SEEN };
        if before.is(Fate::SEEN) {
            self.duplicated += 1;
        } else if before.is(Fate::EXPECTED) {
            let took = now.saturating_sub(before.time());
            self.slowest_landing = self.slowest_landing.max(Some(took));
        }
    }

    /// What became of all ids so far.
    pub fn balance(&self) -> Balance {
        let mut balance = Balance {
            duplicated: self.duplicated,
            slowest_landing: self.slowest_landing,
            ..Balance::default()
        };
        let mut first_lost = BTreeSet::new();
        for (id, fate) in self.fates() {
            if balance.enter(fate) {
                first_lost.insert((fate.at, id.to_string()));
                if first_lost.len() > LOST_SAMPLE {
                    first_lost.pop_last();
                }
            }
        }
        balance.lost_sample = first_lost.into_iter().map(|(_, id)| id).collect();
        balance
    }

    /// What is known of an id; a blank page for a new one.
    fn fate(&mut self, id: &str) -> &mut Fate {
        if let Id::Numbered(prefix, number) = Id::of(id) {
            if !self.numbered.contains_key(prefix) && self.numbered.len() < PREFIXES {
                self.numbered.insert(prefix.into(), HashMap::new());
            }
            // A prefix refused once is refused for good, so an id never has two places.
            if let Some(blocks) = self.numbered.get_mut(prefix) {
                let block = blocks.entry(number / BLOCK as u64).or_default();
                return &mut block[number as usize % BLOCK];
            }
        }
        self.texts.entry(id.into()).or_default()
    }

    /// Every id something is known of.
    fn fates(&self) -> impl Iterator<Item = (Id<'_>, Fate)> {
        let numbered = self.numbered.iter().flat_map(|(prefix, blocks)| {
            blocks.iter().flat_map(move |(block, fates)| {
                let first = block * BLOCK as u64;
                let numbers = (first..=first + (BLOCK as u64 - 1)).zip(fates);
                numbers.map(move |(number, fate)| (Id::Numbered(prefix, number), *fate))
            })
        });
        let texts = self.texts.iter().map(|(id, fate)| (Id::Text(id), *fate));
        numbered.chain(texts).filter(|(_, fate)| fate.flags != 0)
    }
}

fn milliseconds(since_begin: Duration) -> u32 {
    u32::try_from(since_begin.as_millis()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
