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

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

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
    /// The longest an expected id took from its ack (from being sent, if seen before that) until
    /// a reader first saw it. An upper bound: the reader may have looked late. Written in seconds.
    #[serde(with = "seconds")]
    pub slowest_landing: Option<Duration>,
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

/// An id as it is kept: a number that counts up, or a text as it is.
#[derive(Clone, Copy)]
enum Id<'a> {
    /// What precedes the number, its zeros included, and the number.
    Numbered(&'a str, u64),
    Text(&'a str),
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

impl Balance {
    /// Counts one id; true when it is lost.
    fn enter(&mut self, fate: Fate) -> bool {
        let seen = fate.is(Fate::SEEN);
        self.landed += u64::from(seen);
        self.landed_once += u64::from(seen && !fate.is(Fate::SEEN_AGAIN));
        if !fate.is(Fate::EXPECTED) {
            self.unexpected += u64::from(seen);
            return false;
        }
        self.expected += 1;
        if fate.is(Fate::ACKED) {
            self.acked += 1;
            if seen {
                return false;
            }
            self.lost += 1;
            let at = fate.time();
            let (first, last) = self.lost_between.unwrap_or((at, at));
            self.lost_between = Some((first.min(at), last.max(at)));
            return true;
        }
        if fate.is(Fate::REFUSED) && !fate.is(Fate::INDETERMINATE) {
            self.refused += 1;
            self.refused_but_landed += u64::from(seen);
        } else if seen {
            self.unconfirmed_landed += 1;
        } else {
            self.unconfirmed += 1;
        }
        false
    }
}

impl<'a> Id<'a> {
    /// Zeros in front of the number belong to the prefix, so that [`fmt::Display`] restores the id.
    fn of(id: &'a str) -> Self {
        let letters = id.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        let digits = &id[letters..];
        let zeros = digits.len() - digits.trim_start_matches('0').len();
        let (prefix, number) = id.split_at(letters + zeros.min(digits.len().saturating_sub(1)));
        number.parse().map_or(Self::Text(id), |number| Self::Numbered(prefix, number))
    }
}

impl fmt::Display for Id<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Numbered(prefix, number) => write!(f, "{prefix}{number}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

fn milliseconds(since_begin: Duration) -> u32 {
    u32::try_from(since_begin.as_millis()).unwrap_or(u32::MAX)
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn at(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn an_empty_ledger_is_all_zeros() {
        assert_eq!(Ledger::new().balance(), Balance::default());
    }

    #[test]
    fn an_acked_id_nobody_saw_is_lost_and_named_with_its_time() {
        let mut ledger = Ledger::new();
        for (n, id) in ["SM7", "SM8", "x", "SM10"].into_iter().enumerate() {
            ledger.expect(id, at(0));
            ledger.acked(id, at(100 - n as u64));
        }
        ledger.seen("SM8", at(150));
        let balance = ledger.balance();
        assert_eq!((balance.acked, balance.landed, balance.lost), (4, 1, 3));
        assert_eq!(balance.lost_sample, ["SM10", "x", "SM7"]);
        assert_eq!(balance.lost_between, Some((at(97), at(100))));
        assert_eq!(balance.slowest_landing, Some(at(51)));
    }

    #[test]
    fn times_are_written_as_seconds_and_as_null_when_there_are_none() {
        let balance = Balance {
            lost_between: Some((at(97), at(2500))),
            slowest_landing: Some(at(51)),
            ..Balance::default()
        };
        let written = serde_json::to_value(&balance).unwrap();
        assert_eq!(written["lost_between"], serde_json::json!([0.097, 2.5]));
        assert_eq!(written["slowest_landing"], serde_json::json!(0.051));
        assert_eq!(serde_json::from_value::<Balance>(written).unwrap(), balance);
        let none = serde_json::to_value(Balance::default()).unwrap();
        assert!(none["lost_between"].is_null() && none["slowest_landing"].is_null());
        assert_eq!(serde_json::from_value::<Balance>(none).unwrap(), Balance::default());
    }

    #[test]
    fn every_landing_beyond_the_first_is_a_duplicate() {
        let mut ledger = Ledger::new();
        ledger.acked("a", at(0));
        for _ in 0..3 {
            ledger.seen("a", at(1));
        }
        ledger.seen("b", at(1));
        let balance = ledger.balance();
        assert_eq!((balance.landed, balance.landed_once, balance.duplicated), (2, 1, 2));
        assert_eq!(balance.unexpected, 1);
    }

    #[test]
    fn an_id_without_an_answer_is_never_lost() {
        let mut ledger = Ledger::new();
        ledger.expect("cut off", at(0));
        ledger.indeterminate("timeout");
        ledger.indeterminate("landed");
        ledger.seen("landed", at(9));
        let balance = ledger.balance();
        assert_eq!((balance.expected, balance.lost), (3, 0));
        assert_eq!((balance.unconfirmed, balance.unconfirmed_landed), (2, 1));
    }

    #[test]
    fn a_refused_id_is_not_to_land() {
        let mut ledger = Ledger::new();
        ledger.refused("no");
        ledger.refused("no, but stored");
        ledger.seen("no, but stored", at(5));
        let balance = ledger.balance();
        assert_eq!((balance.refused, balance.refused_but_landed, balance.lost), (2, 1, 0));
    }

    #[test]
    fn the_strongest_of_several_answers_counts() {
        let mut ledger = Ledger::new();
        ledger.indeterminate("retried");
        ledger.refused("retried");
        assert_eq!((ledger.balance().refused, ledger.balance().unconfirmed), (0, 1));
        ledger.acked("retried", at(3));
        assert_eq!((ledger.balance().acked, ledger.balance().expected), (1, 1));
    }

    #[test]
    fn a_sample_names_the_first_ten_of_the_lost() {
        let mut ledger = Ledger::new();
        for n in 0..50 {
            ledger.acked(&format!("id-{n}"), at(n));
        }
        let expected: Vec<String> = (0..10).map(|n| format!("id-{n}")).collect();
        assert_eq!(ledger.balance().lost_sample, expected);
    }

    #[test]
    fn ids_that_count_up_share_blocks() {
        let mut ledger = Ledger::new();
        for n in 0..16_000 {
            ledger.expect(&format!("SM{n:08}"), at(0));
        }
        let blocks: usize = ledger.numbered.values().map(HashMap::len).sum();
        assert!(blocks < 16_000 / BLOCK + 20, "{blocks} blocks");
        assert!(ledger.texts.is_empty());
        assert_eq!(ledger.balance().expected, 16_000);
    }

    #[test]
    fn the_largest_number_has_a_place() {
        let mut ledger = Ledger::new();
        let id = u64::MAX.to_string();
        ledger.acked(&id, at(0));
        assert_eq!(ledger.balance().lost_sample, [id]);
    }

    /// Ids of all forms that could be taken for one another.
    fn id() -> impl Strategy<Value = String> {
        prop_oneof!["[ab]0{0,3}[0-9]{0,3}", "[0-9]{0,25}", "[a-f0-9]{3}", "\\PC{0,3}"]
    }

    /// Few ids, so that each is mentioned several times, of every form they are kept in.
    fn repeated_id() -> impl Strategy<Value = String> {
        (0..50_u32, 0..4_u8).prop_map(|(n, form)| match form {
            0 => format!("a{n}"),
            1 => format!("a{n:03}"),
            2 => format!("{n}"),
            _ => format!("{n:x}x"),
        })
    }

    /// How often each of the five calls was made for an id, and what follows from it: the obvious
    /// ledger, an oracle for the compact one.
    #[derive(Default)]
    struct Plain([u64; 5]);

    impl Plain {
        fn expected(&self) -> bool {
            self.0[..4].iter().any(|calls| *calls > 0)
        }
        fn acked(&self) -> bool {
            self.0[1] > 0
        }
        fn refused(&self) -> bool {
            self.0[2] > 0 && self.0[3] == 0 && !self.acked()
        }
        fn unconfirmed(&self) -> bool {
            self.expected() && !self.acked() && !self.refused()
        }
        fn landings(&self) -> u64 {
            self.0[4]
        }
    }

    fn oracle(calls: &[(String, usize)]) -> Balance {
        let mut ids: BTreeMap<&str, Plain> = BTreeMap::new();
        for (id, call) in calls {
            ids.entry(id).or_default().0[*call] += 1;
        }
        let count =
            |which: &dyn Fn(&Plain) -> bool| ids.values().filter(|p| which(p)).count() as u64;
        Balance {
            expected: count(&|p| p.expected()),
            acked: count(&|p| p.acked()),
            refused: count(&|p| p.refused()),
            landed: count(&|p| p.landings() > 0),
            landed_once: count(&|p| p.landings() == 1),
            duplicated: ids.values().map(|p| p.landings().saturating_sub(1)).sum(),
            lost: count(&|p| p.acked() && p.landings() == 0),
            refused_but_landed: count(&|p| p.refused() && p.landings() > 0),
            unconfirmed_landed: count(&|p| p.unconfirmed() && p.landings() > 0),
            unconfirmed: count(&|p| p.unconfirmed() && p.landings() == 0),
            unexpected: count(&|p| !p.expected() && p.landings() > 0),
            ..Balance::default()
        }
    }

    fn counted(calls: impl Iterator<Item = (String, usize)>) -> Balance {
        let mut ledger = Ledger::new();
        for (id, call) in calls {
            match call {
                0 => ledger.expect(&id, at(1)),
                1 => ledger.acked(&id, at(2)),
                2 => ledger.refused(&id),
                3 => ledger.indeterminate(&id),
                _ => ledger.seen(&id, at(3)),
            }
        }
        Balance { slowest_landing: None, ..ledger.balance() }
    }

    proptest! {
        #[test]
        fn an_id_kept_as_a_number_is_restored(id in id()) {
            prop_assert_eq!(Id::of(&id).to_string(), id);
        }

        #[test]
        fn the_balance_is_that_of_the_sets_in_whatever_order_it_was_told(
            calls in prop::collection::vec((repeated_id(), 0..5_usize), 0..150)
        ) {
            let balance = counted(calls.iter().cloned());
            prop_assert_eq!(&counted(calls.iter().rev().cloned()), &balance);
            let lost = Balance {
                lost_sample: balance.lost_sample.clone(),
                lost_between: balance.lost_between,
                ..oracle(&calls)
            };
            prop_assert_eq!(&lost, &balance);
            prop_assert_eq!(
                balance.expected,
                balance.acked + balance.refused + balance.unconfirmed + balance.unconfirmed_landed
            );
            prop_assert_eq!(
                balance.landed + balance.lost,
                balance.acked + balance.refused_but_landed + balance.unconfirmed_landed
                    + balance.unexpected
            );
        }
    }
}
