//! Ids as a ledger keeps them: what counts up takes little room.

use std::fmt;

/// What a number has to be less than: it shares 64 bits with that of its prefix.
pub(super) const NUMBERS: u64 = 1 << 52;

/// An id as it is kept: a number that counts up, or a text as it is.
#[derive(Clone, Copy)]
pub(super) enum Id<'a> {
    /// What precedes the number, its zeros included, and the number.
    Numbered(&'a str, u64),
    Text(&'a str),
}

impl<'a> Id<'a> {
    /// Zeros in front of the number belong to the prefix, so that [`fmt::Display`] restores the id.
    pub(super) fn of(id: &'a str) -> Self {
        let letters = id.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        let digits = &id[letters..];
        let zeros = digits.len() - digits.trim_start_matches('0').len();
        let (prefix, number) = id.split_at(letters + zeros.min(digits.len().saturating_sub(1)));
        match number.parse() {
            Ok(number) if number < NUMBERS => Self::Numbered(prefix, number),
            _ => Self::Text(id),
        }
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
