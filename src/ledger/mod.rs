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
//! Counts, and which ids are lost, are exact however many ids there are. So are the times of the newest
//! 1.8 million that have not landed (57,344 blocks of 32 numbers), to the millisecond. Of older ones
//! that count up it is known between which two moments those of a few neighbours were sent, and acked.
//! Such a time errs towards the worse and never towards the better: a landing takes from the earlier
//! moment, and counts as late where it would be late from there; how many of the late may have been in
//! time, and how far any time may be off, is said beside them (`perhaps_late`, `resolution`).
//!
//! Memory has a ceiling whatever the number of ids that count up (`order-1`, `order-2`, also
//! `order-0001`, `7-12`) and fare alike: 17 MB of blocks and 2 MB for the times that neighbours share.
//! The sets of ids that fared alike take next to nothing for neighbours, and a bit to two bytes for
//! each where their fates are mixed. What a process grows by with ids of a thousand a second, answered within 64
//! ms, all of them open (`examples/ledger.rs`):
//!
//! | open ids | memory | times are known to |
//! |---|---|---|
//! | 1 million | 10 MB | the millisecond |
//! | 10 million | 24 MB | 0.3 s, of the newest 1.8 million the millisecond |
//! | 100 million | 24 MB | 2 s, likewise |
//!
//! (Packed in rows of as few bits as neighbours need, ids took 2.3 bytes each: 23 MB for ten million, but
//! 230 for a hundred.)
//!
//! There are never more spans than blocks: where there would be, each is joined with its neighbour. So
//! a span is at most 1/28,000 of all ids of a prefix that is alone, and with `p` prefixes that take
//! turns it lasts `p` times as long. Numbers far apart take a block of 310 bytes each while they are
//! open, 100 in a set, and those that come in no order are timed badly beyond 57,344 of them. Any other
//! id, a number from 2^52 and one behind more than 4095 prefixes take their length and about 50 bytes,
//! landed or not.
//!
//! | file | what it knows |
//! |---|---|
//! | `balance.rs` | what became of all ids, in numbers |
//! | `fate.rs` | what is known of one id |
//! | `id.rs` | which ids are numbers |
//! | `numbers.rs` | those: `open.rs` while each has times of its own, then sets |
//! | `spans.rs` | times that neighbours share |

mod balance;
mod fate;
mod id;
mod numbers;
mod open;
mod spans;

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

pub use balance::Balance;
use fate::Fate;
use id::{Id, NUMBERS};
use numbers::{Numbers, ROOM};
use spans::Span;

/// Lost ids a balance names.
const LOST_SAMPLE: usize = 10;
/// Prefixes whose numbers are kept as such, one less than 12 bits count; ids with further ones are
/// kept as texts.
const PREFIXES: usize = 4095;

/// The ids of one kind of message, and what is known of each.
#[derive(Debug)]
pub struct Ledger {
    /// Which number each has.
    prefixes: HashMap<Box<str>, u64>,
    /// Ids that count up: the number of their prefix, and their own.
    numbers: Numbers,
    texts: HashMap<Box<str>, Fate>,
    /// What a landing may take; any time where it is not said.
    limit: Option<Duration>,
    /// What landings there were: duplicates, the late, the slowest. The rest is counted when asked for.
    landings: Balance,
}

impl Default for Ledger {
    fn default() -> Self {
        Self::with_room(ROOM)
    }
}

impl Ledger {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// One in which so many blocks of numbers have times of their own.
    fn with_room(blocks: usize) -> Self {
        Self {
            prefixes: HashMap::default(),
            numbers: Numbers::new(blocks),
            texts: HashMap::default(),
            limit: None,
            landings: Balance::default(),
        }
    }

    /// From now on counts landings that take longer than that.
    pub fn expect_within(&mut self, limit: Duration) {
        self.limit = Some(limit);
    }

    /// The id is about to be sent. `now` is since the run began, here and below.
    pub fn expect(&mut self, id: &str, now: Duration) {
        self.note(id, Fate::EXPECTED, now);
    }

    /// The target said yes.
    pub fn acked(&mut self, id: &str, now: Duration) {
        self.note(id, Fate::ACKED, now);
    }

    /// The target said no: the id is not to land.
    pub fn refused(&mut self, id: &str, now: Duration) {
        self.note(id, Fate::REFUSED, now);
    }

    /// No answer came: the id may land or not.
    pub fn indeterminate(&mut self, id: &str, now: Duration) {
        self.note(id, Fate::INDETERMINATE, now);
    }

    /// A copy of the id was found stored; the answer is how long an id that was sent before took
    /// to land, the first time it did: at most, where that is only known to the resolution.
    pub fn seen(&mut self, id: &str, now: Duration) -> Option<Duration> {
        let (before, sent) = self.note(id, Fate::SEEN, now);
        if before.is(Fate::SEEN) {
            self.landings.duplicated += 1;
            return None;
        }
        if !before.is(Fate::EXPECTED) {
            return None;
        }
        let since = |sent: u32| now.saturating_sub(Duration::from_millis(sent.into()));
        let [most, least] = [sent.first, sent.last].map(since);
        self.landings.land(least, most, self.limit);
        Some(most)
    }

    /// What became of all ids so far.
    pub fn balance(&self) -> Balance {
        let mut balance = self.landings.clone();
        let texts = self.texts.values().map(|fate| (*fate, 1));
        for (fate, count) in self.numbers.fates().chain(texts) {
            balance.enter(fate, count);
        }
        let mut first_lost = BTreeSet::new();
        for (id, acked) in self.lost() {
            balance.lose(acked);
            // Most are not among the first, and need no name.
            let is_first = |(last, _): &(u32, String)| acked.first <= *last;
            if first_lost.len() < LOST_SAMPLE || first_lost.last().is_some_and(is_first) {
                first_lost.insert((acked.first, id.to_string()));
                if first_lost.len() > LOST_SAMPLE {
                    first_lost.pop_last();
                }
            }
        }
        balance.lost_sample = first_lost.into_iter().map(|(_, id)| id).collect();
        balance
    }

    /// Writes down what is said of an id; gives what was known of it before, and when it was sent.
    fn note(&mut self, id: &str, said: u8, now: Duration) -> (Fate, Span) {
        let now = u32::try_from(now.as_millis()).unwrap_or(u32::MAX);
        if let Id::Numbered(prefix, number) = Id::of(id)
            && let Some(which) = self.prefix(prefix)
        {
            return self.numbers.note(which * NUMBERS + number, said, now);
        }
        let fate = self.texts.entry(id.into()).or_default();
        let before = *fate;
        fate.note(said, now);
        (before, before.times().sent)
    }

    /// The number of a prefix. One that gets none the first time never does, so that an id never has
    /// two places.
    fn prefix(&mut self, prefix: &str) -> Option<u64> {
        let count = self.prefixes.len();
        if !self.prefixes.contains_key(prefix) && count < PREFIXES {
            self.prefixes.insert(prefix.into(), count as u64);
        }
        self.prefixes.get(prefix).copied()
    }

    /// Ids that are lost, and when they were acked: all, but of those with the same times only as
    /// many as may be named.
    fn lost(&self) -> impl Iterator<Item = (Id<'_>, Span)> {
        let mut prefixes = vec![""; self.prefixes.len()];
        for (prefix, which) in &self.prefixes {
            prefixes[*which as usize] = &**prefix;
        }
        let numbered = self.numbers.lost(LOST_SAMPLE).map(move |(number, acked)| {
            let prefix = prefixes[(number / NUMBERS) as usize];
            (Id::Numbered(prefix, number % NUMBERS), acked)
        });
        let texts = self.texts.iter().filter(|(_, fate)| fate.is_lost());
        numbered.chain(texts.map(|(id, fate)| (Id::Text(id), fate.times().acked)))
    }
}

#[cfg(test)]
mod tests;
