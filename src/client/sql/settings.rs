//! What a client is told once: which database, how many connections, how long things may take.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::mysql::MySqlConnectOptions;
use sqlx::postgres::PgConnectOptions;
use url::Url;

use super::Failure;
use super::others::Others;
use super::sqlite::Place;
use crate::plan::nearest;

/// The schemes of addresses, for messages.
const EXPECTED: &str = "expected \"postgres://user:password@host:port/database\", \"mysql://...\", \
                        \"mariadb://...\", \"sqlite:file.db\" or \"sqlite::memory:\"";

/// Everything that is set once for a client.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the database is.
    pub address: Address,
    /// Most connections of this client. The number is its own: whoever makes one client a worker
    /// divides the total.
    pub size: usize,
    /// Longest a call may take, waiting for a connection included.
    pub timeout: Duration,
    /// Longest that connecting may take, logging in included.
    pub connect_timeout: Duration,
    /// Largest answer kept in memory, in bytes.
    pub result_limit: u64,
    /// Whether the server is asked to cancel what was given up here.
    pub cancel: bool,
    /// The clients of the same declaration in other workers.
    pub others: Others,
}

/// Where a database is.
#[derive(Clone, Debug)]
pub enum Address {
    /// Known when the script was written.
    Known(Database),
    /// The URL is filled in when the service it belongs to is ready.
    Service(Arc<OnceLock<String>>),
}

/// Which of the databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// PostgreSQL.
    Postgres,
    /// MySQL and MariaDB.
    MySql,
    /// SQLite.
    Sqlite,
}

/// A database, and how to log in to it.
#[derive(Clone)]
pub enum Database {
    /// PostgreSQL.
    Postgres(Box<PgConnectOptions>),
    /// MySQL and MariaDB.
    MySql(Box<MySqlConnectOptions>),
    /// SQLite.
    Sqlite(Place),
}

impl Database {
    /// Reads the URL of a server. The error does not show it: there may be a password in it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let url =
            Url::parse(text).map_err(|error| format!("malformed URL: {error}; {EXPECTED}"))?;
        let wrong =
            |error: &sqlx::Error| format!("malformed URL: {}; {EXPECTED}", innermost(error));
        match url.scheme() {
            "postgres" | "postgresql" => {
                known_options(&url, POSTGRES)?;
                known_values(&url, POSTGRES_TLS)?;
                let options = PgConnectOptions::from_url(&url).map_err(|error| wrong(&error))?;
                let options = match bare(options.get_host()) {
                    Some(address) => options.host(&address),
                    None => options,
                };
                let named = options.get_application_name().is_some();
                let options = if named { options } else { options.application_name("loadrun") };
                Ok(Self::Postgres(Box::new(options.disable_statement_logging())))
            }
            "mysql" | "mariadb" => {
                known_options(&url, MYSQL)?;
                known_values(&url, MYSQL_TLS)?;
                let options = MySqlConnectOptions::from_url(&url).map_err(|error| wrong(&error))?;
                let options = match bare(options.get_host()) {
                    Some(address) => options.host(&address),
                    None => options,
                };
                // The session is to be as an application's would be.
                let options = options.pipes_as_concat(false).no_engine_substitution(false);
                Ok(Self::MySql(Box::new(options.disable_statement_logging())))
            }
            other => Err(format!("unknown scheme {other:?}; {EXPECTED}")),
        }
    }

    /// A failure to reach it, which says where it was looked for.
    pub(super) fn named(&self, failure: Failure) -> Failure {
        let (host, port) = match self {
            Self::Postgres(options) => (options.get_host(), options.get_port()),
            Self::MySql(options) => (options.get_host(), options.get_port()),
            Self::Sqlite(_) => return failure,
        };
        let place = match host.parse() {
            Ok(IpAddr::V6(address)) => format!("[{address}]:{port}"),
            _ => format!("{host}:{port}"),
        };
        Failure::new(failure.kind, format!("{place}: {}", failure.detail))
    }

    /// Which of the databases it is.
    pub fn dialect(&self) -> Dialect {
        match self {
            Self::Postgres(_) => Dialect::Postgres,
            Self::MySql(_) => Dialect::MySql,
            Self::Sqlite(_) => Dialect::Sqlite,
        }
    }
}

/// What the driver reads in the query of an address; what is not there it would pass over.
const POSTGRES: &[&str] = &[
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "ssl-ca",
    "ssl-cert",
    "ssl-key",
    "ssl-mode",
    "ssl-root-cert",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "statement-cache-capacity",
    "user",
];
const MYSQL: &[&str] = &[
    "charset",
    "collation",
    "socket",
    "ssl-ca",
    "ssl-cert",
    "ssl-key",
    "ssl-mode",
    "sslca",
    "sslcert",
    "sslkey",
    "sslmode",
    "statement-cache-capacity",
    "time-zone",
    "timezone",
];

/// Refuses options nobody reads: a misspelt `sslmode` would connect in clear.
fn known_options(url: &Url, known: &[&str]) -> Result<(), String> {
    for (key, _) in url.query_pairs() {
        let own = key.strip_prefix("options[").is_some_and(|rest| rest.ends_with(']'));
        if known.contains(&&*key) || own && known.contains(&"options") {
            continue;
        }
        let hint = nearest(&key, known.iter().copied()).map_or_else(
            || format!("expected one of {}", known.join(", ")),
            |near| format!("did you mean `{near}`?"),
        );
        return Err(format!("unknown option `{key}` after the `?`; {hint}"));
    }
    Ok(())
}

/// How TLS can be asked for.
const POSTGRES_TLS: &[&str] =
    &["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];
const MYSQL_TLS: &[&str] = &["disabled", "preferred", "required", "verify_ca", "verify_identity"];

/// Refuses a value the driver would refuse in words that do not say which option it is.
fn known_values(url: &Url, modes: &[&str]) -> Result<(), String> {
    for (key, value) in url.query_pairs() {
        let expected = match &*key {
            "sslmode" | "ssl-mode" if !modes.contains(&&*value.to_ascii_lowercase()) => {
                format!("one of {}", modes.join(", "))
            }
            "port" if value.parse::<u16>().is_err() => "a number up to 65535".to_owned(),
            "statement-cache-capacity" if value.parse::<usize>().is_err() => {
                "a whole number".to_owned()
            }
            "hostaddr" if value.parse::<IpAddr>().is_err() => "an IP address".to_owned(),
            _ => continue,
        };
        return Err(format!("option `{key}` after the `?`: expected {expected}, got {value:?}"));
    }
    Ok(())
}

/// The address in a host that is an IPv6 one in brackets, which the driver would look up by name.
fn bare(host: &str) -> Option<String> {
    Some(host.strip_prefix('[')?.strip_suffix(']')?.to_owned())
}

/// What is wrong with a URL, without the driver's own name for what it is.
fn innermost(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Configuration(inner) => match inner.downcast_ref::<sqlx::Error>() {
            Some(inner) => innermost(inner),
            None => inner.to_string(),
        },
        other => other.to_string(),
    }
}

/// The password in a URL, as it is written there and as it is meant.
pub fn passwords(text: &str) -> Vec<String> {
    let Ok(url) = Url::parse(text) else {
        return Vec::new();
    };
    let mut found: Vec<String> =
        url.query_pairs().filter(|(key, _)| key == "password").map(|pair| pair.1.into()).collect();
    if let Some(written) = url.password() {
        found.push(written.to_owned());
        // A query is decoded in the same way, but for `+`.
        let query = format!("x:?p={}", written.replace('+', "%2B"));
        if let Ok(decoded) = Url::parse(&query) {
            found.extend(decoded.query_pairs().map(|pair| pair.1.into_owned()));
        }
    }
    found.sort();
    found.dedup();
    found
}

impl Address {
    /// The database, once its address is known.
    pub(super) fn resolve(&self) -> Result<Database, String> {
        match self {
            Self::Known(database) => Ok(database.clone()),
            Self::Service(slot) => match slot.get() {
                Some(url) if url.contains("://") => Database::parse(url),
                Some(address) => Err(format!(
                    "the proxy at {address} leads to a mere host and port, of which sort of database \
                     is not known; give its `upstream` as a URL, such as \
                     \"postgres://user:password@host:port/database\""
                )),
                None => Err("the service the client is for is not running".to_owned()),
            },
        }
    }
}

impl fmt::Debug for Database {
    /// Names the kind only: credentials must not reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.dialect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_says_which_database_it_is() {
        for (url, dialect) in [
            ("postgres://u:p@127.0.0.1:5432/d", Dialect::Postgres),
            ("postgresql://localhost/d", Dialect::Postgres),
            ("mysql://root@localhost/d", Dialect::MySql),
            ("mariadb://root@localhost:3307/d", Dialect::MySql),
        ] {
            assert_eq!(Database::parse(url).unwrap().dialect(), dialect, "{url}");
        }
    }

    #[test]
    fn an_address_of_ipv6_is_one_and_no_name() {
        for scheme in ["postgres", "mysql"] {
            let database = Database::parse(&format!("{scheme}://u@[::1]:4000/d")).unwrap();
            let host = match &database {
                Database::Postgres(options) => options.get_host(),
                Database::MySql(options) => options.get_host(),
                Database::Sqlite(_) => panic!("it is none"),
            };
            assert_eq!(host, "::1");
            let failure =
                database.named(Failure::new(crate::client::FailureKind::Refused, "refused"));
            assert_eq!(failure.detail, "[::1]:4000: refused");
        }
    }

    #[test]
    fn what_is_no_address_says_what_was_expected_and_never_shows_the_password() {
        for url in [
            "oracle://u:hunter2@host/d",
            "u:hunter2@host/d",
            "postgres://u:hunter2@host:99999/d",
            "",
        ] {
            let error = Database::parse(url).unwrap_err();
            assert!(error.contains("expected \"postgres://"), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        let shown = format!("{:?}", Database::parse("postgres://u:hunter2@host/d").unwrap());
        assert_eq!(shown, "Postgres");
    }

    #[test]
    fn an_option_nobody_reads_is_refused_with_the_nearest_that_is_read() {
        for (url, expected) in [
            (
                "postgres://h/d?sslmod=require",
                "unknown option `sslmod` after the `?`; did you mean `sslmode`?",
            ),
            ("mysql://h/d?sslmod=required", "did you mean `sslmode`?"),
            ("mysql://h/d?zzzzzzzzz=1", "expected one of charset, collation"),
            (
                "postgres://u:hunter2@h/d?sslmode=maybe",
                "option `sslmode` after the `?`: expected one of disable, allow, prefer, require, \
                 verify-ca, verify-full, got \"maybe\"",
            ),
            ("mysql://h/d?ssl-mode=require", "expected one of disabled, preferred, required"),
            ("postgres://h/d?port=x", "option `port` after the `?`: expected a number up to 65535"),
            ("postgres://h/d?hostaddr=z", "expected an IP address, got \"z\""),
            ("mysql://h/d?statement-cache-capacity=-1", "expected a whole number, got \"-1\""),
        ] {
            let error = Database::parse(url).unwrap_err();
            assert!(error.contains(expected), "{url}: {error}");
        }
        for url in
            ["postgres://h/d?sslmode=disable&options[jit]=off", "mysql://h/d?charset=utf8mb4"]
        {
            assert!(Database::parse(url).is_ok(), "{url}");
        }
    }

    #[test]
    fn passwords_are_found_as_written_and_as_meant() {
        assert_eq!(passwords("postgres://u:a%40b+c@host/d"), ["a%40b+c", "a@b+c"]);
        assert_eq!(passwords("postgres://u@host/d?password=s%20t"), ["s t"]);
        assert_eq!(passwords("nonsense"), Vec::<String>::new());
    }
}
