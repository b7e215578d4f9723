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
    /// Landings that took longer than [`Self::limit`].
    late: u64,
    /// What a landing may take; any time where it is not said.
    limit: Option<Duration>,
    slowest_landing: Option<Duration>,
}

/// What is known of one id.
#[derive(Clone, Copy, Debug, Default)]
struct Fate {
    /// A set of the flags below; 0 for a number nobody mentioned.
    flags: u8,
    /// From being sent to the first ack, in milliseconds; at most a minute.
    answered: u16,
    /// When it was first said to be sent, or answered: milliseconds since the run began, enough
    /// for 49 days.
    sent: u32,
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

    /// Says when it was sent, unless that is known.
    fn send(&mut self, now: Duration) {
        if !self.is(Self::EXPECTED) {
            self.sent = milliseconds(now);
        }
        self.flags |= Self::EXPECTED;
    }

    /// When it was first acked, in milliseconds.
    fn acked(self) -> u32 {
        self.sent.saturating_add(self.answered.into())
    }
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
        self.fate(id).send(now);
    }

    /// The target said yes.
    pub fn acked(&mut self, id: &str, now: Duration) {
        let fate = self.fate(id);
        fate.send(now);
        if !fate.is(Fate::ACKED) {
            let took = milliseconds(now).saturating_sub(fate.sent);
            fate.answered = u16::try_from(took).unwrap_or(u16::MAX);
        }
        fate.flags |= Fate::ACKED;
    }

    /// The target said no: the id is not to land.
    pub fn refused(&mut self, id: &str, now: Duration) {
        let fate = self.fate(id);
        fate.send(now);
        fate.flags |= Fate::REFUSED;
    }

    /// No answer came: the id may land or not.
    pub fn indeterminate(&mut self, id: &str, now: Duration) {
        let fate = self.fate(id);
        fate.send(now);
        fate.flags |= Fate::INDETERMINATE;
    }

    /// A copy of the id was found stored; the answer is how long an id that was sent before took
    /// to land, the first time it did.
    pub fn seen(&mut self, id: &str, now: Duration) -> Option<Duration> {
        let fate = self.fate(id);
        let before = *fate;
        fate.flags |= if before.is(Fate::SEEN) { Fate::SEEN_AGAIN } else { Fate::SEEN };
        if before.is(Fate::SEEN) {
            self.duplicated += 1;
            return None;
        }
        let sent = before.is(Fate::EXPECTED).then(|| Duration::from_millis(before.sent.into()))?;
        let took = now.saturating_sub(sent);
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
        for (id, fate) in self.fates() {
            if balance.enter(fate) {
                first_lost.insert((fate.acked(), id.to_string()));
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
