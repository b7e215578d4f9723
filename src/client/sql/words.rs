//! What the drivers say of themselves, in our words: theirs name files of their source and types.

use super::failure::Broken;
use super::{Failure, FailureKind, Trouble, counted};

/// Most parameters of one statement of PostgreSQL and MySQL, whose protocols count them in 16 bits.
const MOST: usize = 65_535;

/// What became of a connection whose driver has read what it did not expect.
pub(super) fn unexpected(what: &str) -> Broken {
    let has = |part: &str| what.contains(part);
    let lost = |trouble| Broken { usable: false, ..Broken::from(trouble) };
    // It leaves the connection in the middle of a call.
    if what.starts_with("prepared statement expected") {
        return lost(Trouble::Misused(miscounted(what)));
    }
    if ["CopyInResponse", "CopyOutResponse", "CopyBothResponse"].into_iter().any(has) {
        let what = "COPY to or from the client is not available; write rows with `insert`, and read \
                    them with `stream`";
        return lost(Trouble::Misused(what.to_owned()));
    }
    let (kind, detail) = if what.ends_with("SSLRequest: 0x00") || has("SSLRequest: 0x00 ") {
        // Nothing was read.
        (FailureKind::Reset, "the server closed the connection".to_owned())
    } else if has("SSLRequest") {
        let detail = "its answer is not PostgreSQL's; is something else listening there?";
        (FailureKind::Protocol, detail.to_owned())
    } else if has("authentication method") || has("authentication mechanisms") {
        (FailureKind::Auth, "it asks for a way to log in that is not available".to_owned())
    } else if let Some((_, plugin)) = what.split_once("unknown authentication plugin: ") {
        let plugin = plugin.split(' ').next().unwrap_or_default();
        (FailureKind::Auth, format!("it asks to log in by {plugin}, which is not available"))
    } else if has("mysql_cleartext_plugin") {
        (FailureKind::Auth, "it asks for the password in clear, which is not sent".to_owned())
    } else {
        (FailureKind::Protocol, "the server's answer is malformed".to_owned())
    };
    lost(Trouble::Failed(Failure::new(kind, detail)))
}

/// What is wrong with what the driver was told.
pub(super) fn misled(what: &str) -> String {
    if what.contains("RSA") {
        return "the server takes this password over TLS alone; add `?sslmode=required` to its \
                address"
            .to_owned();
    }
    match what.strip_prefix("Failed to saslprep ") {
        Some(rest) if rest.starts_with("password") => {
            "the password has characters that no password may have".to_owned()
        }
        Some(_) => "the user's name has characters that no name may have".to_owned(),
        None => what.to_owned(),
    }
}

/// Refuses more parameters than the protocol can count.
pub(super) fn countable(parameters: usize) -> Result<(), Broken> {
    if parameters > MOST {
        return Err(Broken::misused(format!(
            "{parameters} parameters are more than one statement can have ({MOST})"
        )));
    }
    Ok(())
}

/// What the driver says of a wrong number of parameters.
fn miscounted(what: &str) -> String {
    let mut numbers = what.split(' ').filter_map(|word| word.parse().ok());
    match (numbers.next(), numbers.next()) {
        (Some(expected), Some(given)) => counted(expected, given),
        _ => "the statement has another number of parameters".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_driver_s_own_words_is_left() {
        let of = |what: &str| match unexpected(what).trouble {
            Trouble::Failed(failure) => failure.to_string(),
            Trouble::Misused(what) => format!("misused: {what}"),
        };
        for (what, expected) in [
            (
                "unexpected response from SSLRequest: 0x48 (sqlx_postgres::connection::tls:95)",
                "protocol: its answer is not PostgreSQL's; is something else listening there?",
            ),
            (
                "unexpected response from SSLRequest: 0x00 (sqlx_postgres::connection::tls:95)",
                "reset: the server closed the connection",
            ),
            (
                "execute: unexpected message: CopyOutResponse (sqlx_postgres::connection:366)",
                "misused: COPY to or from the client is not available; write rows with `insert`, \
                 and read them with `stream`",
            ),
            (
                "unsupported authentication method: Gss (sqlx_postgres::connection::establish:105)",
                "auth: it asks for a way to log in that is not available",
            ),
            (
                "unknown authentication plugin: dialog (sqlx_mysql::protocol::auth:36)",
                "auth: it asks to log in by dialog, which is not available",
            ),
            (
                "prepared statement expected 2 parameters but 1 parameters were provided (x)",
                "misused: the statement has 2 parameters, got 1",
            ),
            (
                "lenenc int: need 2 more bytes, have 1 (sqlx_mysql::io::buf:31)",
                "protocol: the server's answer is malformed",
            ),
        ] {
            assert_eq!(of(what), expected);
        }
        assert!(
            misled("Failed to saslprep password: ProhibitedCharacter('x')").contains("password")
        );
        assert!(countable(MOST).is_ok() && countable(MOST + 1).is_err());
    }
}
