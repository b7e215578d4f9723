//! What the three databases and their driver say went wrong, in the words of [`FailureKind`].

use std::io;

use rustix::io::Errno;
use sqlx::error::DatabaseError;
use sqlx::mysql::MySqlDatabaseError;
use sqlx::postgres::{PgDatabaseError, PgErrorPosition, PgSeverity};

use super::exchange::Trouble;
use super::{Failure, FailureKind, words};
use crate::wire::tls_trouble;

/// An error of the driver, and what is left of the connection.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) trouble: Trouble,
    /// Whether the connection may carry another statement.
    pub(super) usable: bool,
    /// Whether this machine had no socket left.
    pub(super) no_socket: bool,
}

impl Broken {
    /// The script's mistake, found before anything was sent.
    pub(super) fn misused(what: impl Into<String>) -> Self {
        Self { trouble: Trouble::Misused(what.into()), usable: true, no_socket: false }
    }

    /// Whether the server found a message malformed, such as one with too few parameters.
    pub(super) fn is_malformed(&self) -> bool {
        let Trouble::Failed(failure) = &self.trouble else { return false };
        self.usable && failure.kind == FailureKind::Protocol
    }

    /// Whether the server closed the connection, or the network did.
    pub(super) fn is_reset(&self) -> bool {
        matches!(&self.trouble, Trouble::Failed(failure) if failure.kind == FailureKind::Reset)
    }

    /// A failure after which the connection is of no more use.
    pub(super) fn lost(kind: FailureKind, detail: impl Into<String>) -> Self {
        Self { trouble: Trouble::failed(kind, detail), usable: false, no_socket: false }
    }
}

impl From<Trouble> for Broken {
    fn from(trouble: Trouble) -> Self {
        Self { trouble, usable: true, no_socket: false }
    }
}

impl From<sqlx::Error> for Broken {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error;
        match error {
            Error::Database(error) => {
                let failure = told(&*error);
                let usable = failure.kind != FailureKind::Reset && !is_last(&*error);
                Self { trouble: Trouble::Failed(failure), usable, no_socket: false }
            }
            Error::Io(error) => unreachable(&error),
            Error::Tls(error) => {
                let plain = || match line(&error.to_string()) {
                    none if none.contains("does not support TLS") => "it has no TLS".to_owned(),
                    other => other,
                };
                Self::lost(FailureKind::Tls, untrusted(&*error).unwrap_or_else(plain))
            }
            Error::Protocol(what) => words::unexpected(&what),
            Error::WorkerCrashed => {
                Self::lost(FailureKind::Reset, "the thread of the database ended")
            }
            Error::Configuration(error) => Self::misused(words::misled(&error.to_string())),
            Error::Encode(error) => Self::misused(error.to_string()),
            // It asks the server for types it does not know, and knows nothing of internal ones.
            Error::ColumnDecode { index, .. } if index.contains("typcategory") => {
                let what = "a column is of an internal type of the server, which cannot be read; \
                            select it as text: `column::text`";
                Self { usable: false, ..Self::misused(what) }
            }
            // What is left the driver says of values, types and columns it was sent.
            _ => Self::lost(FailureKind::Protocol, "the server's answer is malformed"),
        }
    }
}

/// What is wrong with TLS, where that is it; without the next step, which speaks of options that
/// other clients have and a database is told by its URL.
fn untrusted(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let told = tls_trouble(error)?;
    Some(told.split("; ").next().unwrap_or_default().to_owned())
}

/// An error of the system's, while connecting or later.
fn unreachable(error: &io::Error) -> Broken {
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    let no_socket = matches!(errno, Some(Errno::MFILE | Errno::NFILE | Errno::ADDRNOTAVAIL));
    if let Some(told) = untrusted(error) {
        return Broken::lost(FailureKind::Tls, told);
    }
    let detail = line(&error.to_string());
    // The system's words are enough without its number for them.
    let detail = detail.split(" (os error").next().unwrap_or_default().to_owned();
    let kind = match error.kind() {
        _ if no_socket => FailureKind::Refused,
        io::ErrorKind::UnexpectedEof => {
            return Broken::lost(FailureKind::Reset, "the server closed the connection");
        }
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe => FailureKind::Reset,
        io::ErrorKind::TimedOut => FailureKind::Timeout,
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => FailureKind::Protocol,
        _ if detail.contains("lookup") || detail.contains("resolve") => FailureKind::Dns,
        _ => FailureKind::Refused,
    };
    Broken { no_socket, ..Broken::lost(kind, detail) }
}

/// Whether a server says no more on this connection: it closes it, or what was prepared there is
/// of no more use, because the schema has changed or it was told to forget it.
fn is_last(error: &dyn DatabaseError) -> bool {
    if let Some(error) = error.try_downcast_ref::<PgDatabaseError>() {
        let closes = matches!(error.severity(), PgSeverity::Fatal | PgSeverity::Panic);
        return closes
            || match error.code() {
                "26000" => true,
                "0A000" => error.routine() == Some("RevalidateCachedQuery"),
                "XX000" => error.message().starts_with("cache lookup failed"),
                _ => false,
            };
    }
    // A packet that is too large.
    error.try_downcast_ref::<MySqlDatabaseError>().is_some_and(|error| error.number() == 1153)
}

/// What a server said.
fn told(error: &dyn DatabaseError) -> Failure {
    if let Some(error) = error.try_downcast_ref::<PgDatabaseError>() {
        return Failure::new(of_sqlstate(error.code()), postgres_words(error));
    }
    if let Some(error) = error.try_downcast_ref::<MySqlDatabaseError>() {
        let number = error.number();
        let detail = line(&format!("{} ({number})", error.message()));
        return Failure::new(of_mysql(number, error.code()), detail);
    }
    let code = error.code().and_then(|code| code.parse().ok()).unwrap_or(1);
    Failure::new(of_sqlite(code), line(&format!("{} ({code})", error.message())))
}

fn postgres_words(error: &PgDatabaseError) -> String {
    let at = match error.position() {
        Some(PgErrorPosition::Original(at)) => format!(" at character {at}"),
        _ => String::new(),
    };
    let detail = error.detail().map(|detail| format!(": {}", detail.trim_end_matches('.')));
    let detail = detail.unwrap_or_default();
    line(&format!("{}{at} ({}){detail}", error.message(), error.code()))
}

/// A text on one line, and not too long.
fn line(text: &str) -> String {
    const LONGEST: usize = 300;
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = line.char_indices().nth(LONGEST) {
        line.truncate(end);
        line += "...";
    }
    line
}

/// PostgreSQL: the five characters of an SQLSTATE.
fn of_sqlstate(code: &str) -> FailureKind {
    match code {
        "40P01" => FailureKind::Deadlock,
        "40001" => FailureKind::Serialization,
        "23505" => FailureKind::Unique,
        "57014" | "55P03" => FailureKind::Timeout,
        "53300" | "53400" => FailureKind::Exhausted,
        "08P01" => FailureKind::Protocol,
        "25P03" | "57P01" | "57P02" | "57P05" => FailureKind::Reset,
        // It is starting, stopping or recovering.
        "57P03" => FailureKind::Refused,
        _ => match &code[..code.len().min(2)] {
            "23" => FailureKind::Constraint,
            "28" => FailureKind::Auth,
            "08" => FailureKind::Reset,
            _ => FailureKind::Server,
        },
    }
}

/// MySQL and MariaDB: the number of the error. Some numbers mean different things in the two, and
/// the SQLSTATE tells them apart.
fn of_mysql(number: u16, state: Option<&str>) -> FailureKind {
    match number {
        1213 => FailureKind::Deadlock,
        1020 | 1412 => FailureKind::Serialization,
        1022 | 1062 | 1169 | 1586 | 1859 => FailureKind::Unique,
        1048 | 1216 | 1217 | 1364 | 1451 | 1452 | 1557 | 1761 | 1762 | 3819 => {
            FailureKind::Constraint
        }
        4025 if state == Some("23000") => FailureKind::Constraint,
        1205 | 1969 | 3024 | 3572 => FailureKind::Timeout,
        1040 | 1203 | 1226 => FailureKind::Exhausted,
        1044 | 1045 | 1130 | 1251 | 1275 | 1524 | 1698 | 1862 | 4151 => FailureKind::Auth,
        1053 | 1077 | 1079 | 1080 | 1152 | 1158..=1161 | 1184 | 1927 | 4031 => FailureKind::Reset,
        1153 => FailureKind::TooLarge,
        _ => FailureKind::Server,
    }
}

/// SQLite: an extended result code, of which the low byte is the primary one.
fn of_sqlite(code: i32) -> FailureKind {
    match code {
        517 => FailureKind::Serialization,
        1555 | 2067 | 2579 => FailureKind::Unique,
        _ => match code & 0xff {
            5 | 6 | 9 => FailureKind::Timeout,
            14 => FailureKind::Refused,
            18 => FailureKind::TooLarge,
            19 => FailureKind::Constraint,
            26 => FailureKind::Protocol,
            _ => FailureKind::Server,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_that_has_a_kind_of_its_own_is_told_apart() {
        use FailureKind as K;
        for (code, kind) in [
            ("40P01", K::Deadlock),
            ("40001", K::Serialization),
            ("23505", K::Unique),
            ("23503", K::Constraint),
            ("23514", K::Constraint),
            ("23P01", K::Constraint),
            ("57014", K::Timeout),
            ("55P03", K::Timeout),
            ("53300", K::Exhausted),
            ("28P01", K::Auth),
            ("28000", K::Auth),
            ("57P01", K::Reset),
            ("57P03", K::Refused),
            ("57P05", K::Reset),
            ("25P03", K::Reset),
            ("08006", K::Reset),
            ("42601", K::Server),
            ("3D000", K::Server),
            ("25P02", K::Server),
            ("", K::Server),
        ] {
            assert_eq!(of_sqlstate(code), kind, "{code}");
        }
        for (number, state, kind) in [
            (1213, "40001", K::Deadlock),
            (1020, "HY000", K::Serialization),
            (1062, "23000", K::Unique),
            (1452, "23000", K::Constraint),
            (4025, "23000", K::Constraint),
            (4025, "HY000", K::Server),
            (1205, "HY000", K::Timeout),
            (1969, "70100", K::Timeout),
            (1040, "08004", K::Exhausted),
            (1203, "42000", K::Exhausted),
            (1045, "28000", K::Auth),
            (1927, "70100", K::Reset),
            (1053, "08S01", K::Reset),
            (1064, "42000", K::Server),
            (1049, "42000", K::Server),
            (1153, "08S01", K::TooLarge),
        ] {
            assert_eq!(of_mysql(number, Some(state)), kind, "{number}");
        }
        for (code, kind) in [
            (5, K::Timeout),
            (261, K::Timeout),
            (517, K::Serialization),
            (2067, K::Unique),
            (1555, K::Unique),
            (787, K::Constraint),
            (1299, K::Constraint),
            (14, K::Refused),
            (26, K::Protocol),
            (1, K::Server),
        ] {
            assert_eq!(of_sqlite(code), kind, "{code}");
        }
    }

    #[test]
    fn what_the_system_says_is_told_apart_too() {
        let of = |error: io::Error| unreachable(&error);
        let kind = |broken: &Broken| match &broken.trouble {
            Trouble::Failed(failure) => failure.kind,
            Trouble::Misused(what) => panic!("{what}"),
        };
        for (errno, expected, no_socket) in [
            (Errno::CONNREFUSED, FailureKind::Refused, false),
            (Errno::HOSTUNREACH, FailureKind::Refused, false),
            (Errno::CONNRESET, FailureKind::Reset, false),
            (Errno::PIPE, FailureKind::Reset, false),
            (Errno::TIMEDOUT, FailureKind::Timeout, false),
            (Errno::MFILE, FailureKind::Refused, true),
            (Errno::ADDRNOTAVAIL, FailureKind::Refused, true),
        ] {
            let broken = of(errno.into());
            assert_eq!((kind(&broken), broken.no_socket), (expected, no_socket), "{errno}");
            assert!(!broken.usable);
        }
        let unknown = "failed to lookup address information: Name or service not known";
        assert_eq!(kind(&of(io::Error::other(unknown))), FailureKind::Dns);
        assert_eq!(kind(&of(io::ErrorKind::UnexpectedEof.into())), FailureKind::Reset);
    }
}
