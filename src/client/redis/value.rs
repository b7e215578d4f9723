//! What a server says: a value of one of Redis's types, or an error with its kind.

use super::{Failure, FailureKind};

/// A reply, or a part of one.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// There is nothing.
    Nil,
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Double(f64),
    /// True or false (RESP3).
    Boolean(bool),
    /// A whole number beyond 64 bits, in digits (RESP3).
    BigNumber(Vec<u8>),
    /// Any bytes.
    Text(Vec<u8>),
    /// A short word: `OK`, `QUEUED`.
    Status(Vec<u8>),
    /// Values in order.
    List(Vec<Value>),
    /// Values without order (RESP3).
    Set(Vec<Value>),
    /// Keys with values (RESP3).
    Map(Vec<(Value, Value)>),
    /// Said without being asked: a message of a subscription (RESP3).
    Push(Vec<Value>),
    /// The server did not do it, and says why.
    Error(Failure),
}

impl Value {
    /// An error line: a word in capitals, then what happened.
    pub(super) fn failed(line: &[u8]) -> Self {
        let text = String::from_utf8_lossy(line).into_owned();
        Self::Error(Failure::new(kind(&text), text))
    }

    /// The first error in it, if there is one.
    pub fn error(&self) -> Option<&Failure> {
        match self {
            Self::Error(failure) => Some(failure),
            Self::List(values) => values.iter().find_map(Self::error),
            _ => None,
        }
    }

    /// The bytes of a text or a status.
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Text(bytes) | Self::Status(bytes) => Some(bytes),
            _ => None,
        }
    }
}

/// The kind of an error: its first word says it, but for one that is told by its text.
fn kind(error: &str) -> FailureKind {
    match error.split(' ').next().unwrap_or_default() {
        "OOM" => FailureKind::Oom,
        "WRONGPASS" | "NOAUTH" | "NOPERM" => FailureKind::Auth,
        "MOVED" | "ASK" => FailureKind::Moved,
        "LOADING" => FailureKind::Loading,
        "READONLY" => FailureKind::ReadOnly,
        "NOSCRIPT" => FailureKind::NoScript,
        "WRONGTYPE" => FailureKind::WrongType,
        "BUSY" => FailureKind::Busy,
        "ERR" if error.contains("max number of clients") => FailureKind::Exhausted,
        // What servers before version 6 say.
        "ERR" if error.contains("invalid password") => FailureKind::Auth,
        _ => FailureKind::Server,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_the_kind_its_words_say() {
        for (line, kind) in [
            ("OOM command not allowed when used memory > 'maxmemory'.", FailureKind::Oom),
            ("WRONGPASS invalid username-password pair or user is disabled.", FailureKind::Auth),
            ("NOAUTH Authentication required.", FailureKind::Auth),
            ("ERR invalid password", FailureKind::Auth),
            ("MOVED 3999 127.0.0.1:6381", FailureKind::Moved),
            ("ASK 3999 127.0.0.1:6381", FailureKind::Moved),
            ("LOADING Redis is loading the dataset in memory", FailureKind::Loading),
            ("READONLY You can't write against a read only replica.", FailureKind::ReadOnly),
            ("NOSCRIPT No matching script.", FailureKind::NoScript),
            ("WRONGTYPE Operation against a key", FailureKind::WrongType),
            ("BUSY Redis is busy running a script.", FailureKind::Busy),
            ("ERR max number of clients reached", FailureKind::Exhausted),
            ("BUSYGROUP Consumer Group name already exists", FailureKind::Server),
            ("ERR unknown command", FailureKind::Server),
            ("", FailureKind::Server),
        ] {
            let Value::Error(failure) = Value::failed(line.as_bytes()) else { panic!("{line}") };
            assert_eq!((failure.kind, failure.detail.as_str()), (kind, line));
        }
    }
}
