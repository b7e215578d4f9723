//! One value of a row or a parameter, whichever database it belongs to.

/// A value on its way to or from a database. What has no exact counterpart among these (numeric,
/// dates, unsigned integers beyond 63 bits) is text in the database's own notation.
#[derive(Clone, Debug, PartialEq)]
pub enum Datum {
    /// SQL's `NULL`.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer of 64 bits.
    Integer(i64),
    /// A floating-point number.
    Float(f64),
    /// Text in UTF-8.
    Text(String),
    /// Bytes of any kind.
    Bytes(Vec<u8>),
    /// A JSON document as its text.
    Json(String),
    /// An array; only PostgreSQL has them.
    List(Vec<Datum>),
}

impl Datum {
    /// What kind of value this is, with an article, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a number",
            Self::Text(_) => "a string",
            Self::Bytes(_) => "bytes",
            Self::Json(_) => "JSON",
            Self::List(_) => "an array",
        }
    }

    /// Roughly the memory it takes, in bytes.
    pub(super) fn size(&self) -> u64 {
        let inside = match self {
            Self::List(items) => items.iter().map(Self::size).sum(),
            other => other.bytes(),
        };
        inside + size_of::<Self>() as u64
    }

    /// The bytes of a text, a document or of bytes, which is what it takes in a message at least.
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Self::Null | Self::Bool(_) | Self::Integer(_) | Self::Float(_) => 0,
            Self::Text(text) | Self::Json(text) => text.len() as u64,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::List(items) => items.iter().map(Self::bytes).sum(),
        }
    }
}

/// The rows of an answer, and how many a statement changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// The columns in order; empty where there is no row, or only its first value was wanted.
    pub columns: Vec<Box<str>>,
    /// The values row by row: as many for each row as there are columns.
    pub cells: Vec<Datum>,
    /// Rows inserted, changed or deleted; PostgreSQL counts those it selected too.
    pub affected: u64,
}

impl Rows {
    /// The rows, each as many values as there are columns.
    pub fn iter(&self) -> std::slice::ChunksExact<'_, Datum> {
        self.cells.chunks_exact(self.columns.len().max(1))
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.iter().len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }
}

impl<'a> IntoIterator for &'a Rows {
    type Item = &'a [Datum];
    type IntoIter = std::slice::ChunksExact<'a, Datum>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
