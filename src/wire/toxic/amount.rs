//! What can be said about a toxic, and how it is read.
//!
//! Toxiproxy's API says everything as a bare number, in milliseconds here, microseconds there and
//! KB elsewhere; a script says `"300ms"` and `"64KB/s"`. Both are read into the same amounts, and an
//! amount can be told in either way.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::units::{Bytes, parse_duration, parse_share, show_duration};

/// Something that can be said about a toxic.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name, Toxiproxy's where that has one.
    pub name: &'static str,
    /// What it is an amount of.
    pub quantity: Quantity,
    /// Whether a toxic makes no sense without it.
    pub needed: bool,
}

/// What an amount is one of.
#[derive(Clone, Copy, Debug)]
pub enum Quantity {
    /// A time; a bare number in Toxiproxy's API counts this unit.
    Duration(Duration),
    /// Bytes a second; a bare number in Toxiproxy's API counts KB a second.
    Rate,
    /// Bytes.
    Bytes,
    /// From 0 to 1.
    Share,
    /// One of these words; the first when nothing is said.
    Word(&'static [&'static str]),
}

/// What a bare number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bare {
    /// What it means in Toxiproxy's API, field by field.
    Toxiproxy,
    /// Seconds, bytes, bytes a second, as everywhere in a script.
    Plain,
}

/// An amount as it was given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Given<'a> {
    /// A bare number.
    Number(f64),
    /// A number with its unit, or a word.
    Text(&'a str),
}

/// An amount.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    /// A time.
    Duration(Duration),
    /// Bytes a second.
    Rate(f64),
    /// Bytes.
    Bytes(u64),
    /// From 0 to 1.
    Share(f64),
    /// One of a field's words.
    Word(&'static str),
}

/// What was said about a toxic, by field.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Amounts(BTreeMap<&'static str, Amount>);

/// Longer is a slip of the pen, and would leave what a clock can count.
const LONGEST: Duration = Duration::from_hours(366 * 24);

/// KB of Toxiproxy.
const KB: f64 = 1_000.0;

impl Quantity {
    pub(super) const MILLIS: Self = Self::Duration(Duration::from_millis(1));
    pub(super) const MICROS: Self = Self::Duration(Duration::from_micros(1));

    /// The form a right one has.
    fn expected(self) -> String {
        match self {
            Self::Duration(_) => "a duration such as \"300ms\"".to_owned(),
            Self::Rate => "bytes a second such as \"64KB/s\"".to_owned(),
            Self::Bytes => "a size such as \"4KiB\"".to_owned(),
            Self::Share => "a share such as \"5%\"".to_owned(),
            Self::Word(words) => format!("one of {}", words.join(", ")),
        }
    }
}

impl Field {
    /// The word it is when nothing is said; `None` for what is a number.
    pub fn default_word(&self) -> Option<&'static str> {
        match self.quantity {
            Quantity::Word(words) => words.first().copied(),
            _ => None,
        }
    }

    /// Reads an amount of this field; the error says what was expected.
    pub fn read(&self, given: Given<'_>, bare: Bare) -> Result<Amount, String> {
        let read = match (self.quantity, given) {
            (_, Given::Number(number)) if !number.is_finite() || number < 0.0 => None,
            (Quantity::Word(words), Given::Text(text)) => {
                words.iter().find(|word| **word == text).map(|word| Amount::Word(word))
            }
            (Quantity::Word(_), Given::Number(_)) => None,
            (quantity, Given::Text(text)) => read_text(quantity, text),
            (quantity, Given::Number(number)) => read_number(quantity, number, bare),
        };
        let sane = |amount: &Amount| !matches!(amount, Amount::Duration(d) if *d > LONGEST);
        read.filter(sane).ok_or_else(|| {
            format!("{} is {given}; expected {}", self.name, self.quantity.expected())
        })
    }
}

fn read_text(quantity: Quantity, text: &str) -> Option<Amount> {
    match quantity {
        Quantity::Duration(_) => parse_duration(text).ok().map(Amount::Duration),
        Quantity::Rate => {
            let size = text.trim().strip_suffix("/s")?;
            Bytes::parse(size).ok().map(|bytes| Amount::Rate(bytes.0 as f64))
        }
        Quantity::Bytes => Bytes::parse(text).ok().map(|bytes| Amount::Bytes(bytes.0)),
        Quantity::Share => parse_share(text).ok().map(Amount::Share),
        Quantity::Word(_) => None,
    }
}

fn read_number(quantity: Quantity, number: f64, bare: Bare) -> Option<Amount> {
    let toxiproxy = bare == Bare::Toxiproxy;
    match quantity {
        Quantity::Duration(unit) => {
            let unit = if toxiproxy { unit.as_secs_f64() } else { 1.0 };
            Duration::try_from_secs_f64(number * unit).ok().map(Amount::Duration)
        }
        Quantity::Rate => Some(Amount::Rate(if toxiproxy { number * KB } else { number })),
        Quantity::Bytes => (number < u64::MAX as f64).then_some(Amount::Bytes(number as u64)),
        Quantity::Share => (number <= 1.0).then_some(Amount::Share(number)),
        Quantity::Word(_) => None,
    }
}

impl Amounts {
    /// Says one thing more, or otherwise.
    pub fn set(&mut self, field: &Field, amount: Amount) {
        self.0.insert(field.name, amount);
    }

    /// What was said about a field.
    pub fn find(&self, field: &Field) -> Option<Amount> {
        self.0.get(field.name).copied()
    }

    pub(super) fn duration(&self, field: &str) -> Duration {
        match self.0.get(field) {
            Some(Amount::Duration(duration)) => *duration,
            _ => Duration::ZERO,
        }
    }

    pub(super) fn rate(&self, field: &str) -> f64 {
        match self.0.get(field) {
            Some(Amount::Rate(rate)) => *rate,
            _ => 0.0,
        }
    }

    pub(super) fn bytes(&self, field: &str) -> u64 {
        match self.0.get(field) {
            Some(Amount::Bytes(bytes)) => *bytes,
            _ => 0,
        }
    }

    pub(super) fn share(&self, field: &str) -> f64 {
        match self.0.get(field) {
            Some(Amount::Share(share)) => *share,
            _ => 0.0,
        }
    }

    pub(super) fn word(&self, field: &str) -> Option<&'static str> {
        match self.0.get(field) {
            Some(Amount::Word(word)) => Some(word),
            _ => None,
        }
    }
}

impl Amount {
    /// The bare number Toxiproxy's API has for it; `None` for a word.
    pub fn bare(self, quantity: Quantity) -> Option<f64> {
        match (self, quantity) {
            (Self::Duration(duration), Quantity::Duration(unit)) => {
                Some(duration.as_secs_f64() / unit.as_secs_f64())
            }
            (Self::Rate(rate), _) => Some(rate / KB),
            (Self::Bytes(bytes), _) => Some(bytes as f64),
            (Self::Share(share), _) => Some(share),
            (Self::Word(_) | Self::Duration(_), _) => None,
        }
    }
}

impl fmt::Display for Given<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => write!(f, "{text:?}"),
        }
    }
}

/// As the summary shows it.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duration(duration) => f.write_str(&show_duration(*duration)),
            Self::Rate(rate) => write!(f, "{}/s", Bytes(*rate as u64)),
            Self::Bytes(bytes) => Bytes(*bytes).fmt(f),
            Self::Share(share) => f.write_str(&crate::units::show_share(*share)),
            Self::Word(word) => f.write_str(word),
        }
    }
}
