//! Plain data: what may cross from one Lua state to another, and into JSON.
//!
//! Every worker has a Lua state of its own, so what `setup` returns, a shared queue holds or a data
//! file contains is taken out of Lua into a [`Plain`] and made again on the other side. Lists, maps
//! and byte strings are behind an `Arc`: handing a value to a hundred workers copies a pointer.
//!
//! Rules:
//! * integers stay 64-bit integers and floats stay floats; byte strings need not be UTF-8;
//! * `json.null` is kept apart from `nil` ([`Plain::Null`]);
//! * a table whose keys are exactly 1..n is a list, any other table is a map; an **empty table is a
//!   map**, unless it is marked as a list by `json.array {}` or came from an empty list;
//! * functions, coroutines, handles and tables that contain themselves are refused, with the path
//!   that leads to them (`a function at .db.connect`).

mod json;
mod lua;
mod view;

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

pub use lua::mark_as_list;
pub use view::View;

/// A value without functions or identity. Cloning is cheap.
#[derive(Clone, Debug)]
pub enum Plain {
    /// Lua's `nil`: nothing.
    Nil,
    /// JSON's `null`, `json.null` in a script.
    Null,
    /// A boolean.
    Bool(bool),
    /// A 64-bit integer.
    Integer(i64),
    /// A floating-point number.
    Float(f64),
    /// A string of bytes, usually UTF-8.
    Bytes(Arc<[u8]>),
    /// Values in order; Lua's indices 1..n.
    List(Arc<[Plain]>),
    /// Keys with values.
    Map(Entries),
}

/// The entries of a map, sorted by key, each key once.
#[derive(Clone, Debug, Default)]
pub struct Entries(Arc<[(Plain, Plain)]>);

/// A value that is not plain, and where it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainError {
    /// What was found, with an article: `a function`.
    pub what: String,
    /// The way to it from the outermost table: `.db.connect`, `[3].name`; empty for the value itself.
    pub path: String,
}

impl fmt::Display for PlainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => write!(f, "{}", self.what),
            path => write!(f, "{} at {path}", self.what),
        }
    }
}

impl std::error::Error for PlainError {}

impl Plain {
    /// A string.
    pub fn text(text: impl AsRef<[u8]>) -> Self {
        Self::Bytes(Arc::from(text.as_ref()))
    }

    /// A list.
    pub fn list(items: impl IntoIterator<Item = Plain>) -> Self {
        Self::List(items.into_iter().collect())
    }

    /// A map; of two entries with one key the later stays.
    pub fn map(entries: impl IntoIterator<Item = (Plain, Plain)>) -> Self {
        Self::Map(entries.into_iter().collect())
    }

    /// The text of a UTF-8 string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// What kind of value this is, with an article, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Null => "json.null",
            Self::Bool(_) => "a boolean",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a number",
            Self::Bytes(_) => "a string",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }

    /// The order of the variants, so that keys of different kinds sort.
    fn rank(&self) -> u8 {
        match self {
            Self::Nil => 0,
            Self::Null => 1,
            Self::Bool(_) => 2,
            Self::Integer(_) => 3,
            Self::Float(_) => 4,
            Self::Bytes(_) => 5,
            Self::List(_) => 6,
            Self::Map(_) => 7,
        }
    }
}

impl Entries {
    /// The value under a key.
    pub fn find(&self, key: &Plain) -> Option<&Plain> {
        let at = self.0.binary_search_by(|(candidate, _)| candidate.cmp(key)).ok()?;
        Some(&self.0[at].1)
    }

    /// The entries by key.
    pub fn iter(&self) -> std::slice::Iter<'_, (Plain, Plain)> {
        self.0.iter()
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(Plain, Plain)> for Entries {
    fn from_iter<I: IntoIterator<Item = (Plain, Plain)>>(entries: I) -> Self {
        let mut sorted: Vec<_> = entries.into_iter().collect();
        sorted.reverse();
        sorted.sort_by(|a, b| a.0.cmp(&b.0));
        sorted.dedup_by(|later, kept| later.0 == kept.0);
        Self(sorted.into())
    }
}

impl<'a> IntoIterator for &'a Entries {
    type Item = &'a (Plain, Plain);
    type IntoIter = std::slice::Iter<'a, (Plain, Plain)>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Ord for Plain {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Integer(a), Self::Integer(b)) => a.cmp(b),
            (Self::Float(a), Self::Float(b)) => a.total_cmp(b),
            (Self::Bytes(a), Self::Bytes(b)) => a.cmp(b),
            (Self::List(a), Self::List(b)) => a.cmp(b),
            (Self::Map(a), Self::Map(b)) => a.0.cmp(&b.0),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Plain {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Plain {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Plain {}

/// A key as it is written in a path: `.name`, `["odd name"]`, `[7]`.
fn key_text(key: &Plain) -> String {
    match key {
        Plain::Integer(number) => format!("[{number}]"),
        Plain::Float(number) => format!("[{number}]"),
        Plain::Bool(truth) => format!("[{truth}]"),
        Plain::Bytes(bytes) => {
            let text = String::from_utf8_lossy(bytes);
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if text.chars().all(word) && !text.starts_with(|c: char| c.is_ascii_digit()) {
                format!(".{text}")
            } else {
                format!("[{text:?}]")
            }
        }
        other => format!("[{}]", other.kind()),
    }
}

#[cfg(test)]
mod tests;
