//! What went wrong with TLS, in words for whoever has to mend it.
//!
//! The library tells many of its errors by the names its code has for them. Those that a person can
//! do something about have a sentence of their own here; of the others the name is told as words.

use std::error::Error as StdError;
use std::fmt::Debug;
use std::io::{self, ErrorKind};

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible};

use super::connect::{ConnectError, ConnectFailure};

/// What accepts a certificate whatever it is.
const ACCEPT: &str = "`insecure = true` accepts it all the same";
/// What is said where no version is common to both.
const VERSION: &str = "it speaks no version of TLS that loadrun does; expected 1.2 or 1.3";
/// What is said where no way of encrypting is common to both.
const NOTHING_IN_COMMON: &str =
    "it shares no way of encrypting with loadrun, or wants a client certificate";
/// What is said where none of the protocols offered is spoken.
const NO_PROTOCOL: &str = "it speaks none of the protocols that were offered";

/// What a failed handshake with `host` means: rustls wraps its own errors as invalid data.
pub(super) fn explain(host: &str, error: &io::Error) -> ConnectError {
    match error.kind() {
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => ConnectError::new(
            ConnectFailure::Reset,
            format!("{host} reset the connection during the TLS handshake"),
        ),
        ErrorKind::UnexpectedEof => ConnectError::new(
            ConnectFailure::Tls,
            format!("{host} closed the connection during the TLS handshake"),
        ),
        _ => {
            let why = match found(error) {
                Some(Error::InvalidMessage(what)) if is_plain(*what) => {
                    "it does not speak TLS; is it a plain port, such as of http://?".to_owned()
                }
                Some(error) => of(error),
                None => error.to_string(),
            };
            ConnectError::new(ConnectFailure::Tls, format!("TLS with {host}: {why}"))
        }
    }
}

/// What is wrong with TLS, where it is TLS that an error comes from.
pub fn tls_trouble(error: &(dyn StdError + 'static)) -> Option<String> {
    found(error).map(of)
}

/// The error of TLS in another one.
fn found<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Error> {
    if let Some(error) = error.downcast_ref::<Error>() {
        return Some(error);
    }
    // An error of the system's is what it wraps, and does not name it as its source.
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    let inner: &(dyn StdError + 'static) = match wrapped {
        Some(wrapped) => wrapped,
        None => error.source()?,
    };
    found(inner)
}

/// Whether what came first cannot have been TLS at all.
fn is_plain(what: InvalidMessage) -> bool {
    use InvalidMessage::{InvalidContentType, MessageTooLarge, UnknownProtocolVersion};
    matches!(what, InvalidContentType | MessageTooLarge | UnknownProtocolVersion)
}

/// An error of TLS in a sentence about the other side.
pub(super) fn of(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(why) => distrusted(why),
        Error::AlertReceived(alert) => refused(*alert),
        Error::PeerIncompatible(what) => incompatible(what),
        Error::NoApplicationProtocol => NO_PROTOCOL.to_owned(),
        Error::NoCertificatesPresented => "it shows no certificate".to_owned(),
        Error::DecryptError => "what it sent could not be decrypted".to_owned(),
        Error::PeerSentOversizedRecord => "it sent more at once than TLS allows".to_owned(),
        Error::InappropriateMessage { .. } | Error::InappropriateHandshakeMessage { .. } => {
            "it sent a message out of turn".to_owned()
        }
        Error::InvalidMessage(what) => format!("it sent what is not valid TLS ({})", words(what)),
        Error::PeerMisbehaved(what) => format!("it breaks the rules of TLS ({})", words(what)),
        Error::General(what) => what.clone(),
        Error::Other(other) => format!("TLS failed ({})", words(&other.0)),
        other => format!("TLS failed ({})", words(other)),
    }
}

/// Why a certificate is not accepted.
fn distrusted(why: &CertificateError) -> String {
    use CertificateError as E;
    match why {
        E::UnknownIssuer | E::BadSignature => {
            let next = "give it as `ca`, or say `insecure = true`";
            format!("its certificate is from an issuer that is not trusted; {next}")
        }
        E::Expired | E::ExpiredContext { .. } => "its certificate has expired".to_owned(),
        E::NotValidYet | E::NotValidYetContext { .. } => {
            "its certificate is not valid yet".to_owned()
        }
        E::NotValidForNameContext { presented, .. } => {
            // Each as `DnsName("shop.example")`.
            let names = presented.iter().map(|name| name.split('"').nth(1).unwrap_or(name));
            format!("its certificate is only for {}", names.collect::<Vec<_>>().join(", "))
        }
        E::NotValidForName => "its certificate is for another name".to_owned(),
        E::Revoked => "its certificate was revoked".to_owned(),
        E::BadEncoding => "its certificate is malformed".to_owned(),
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => {
            format!("its certificate is not one for servers; {ACCEPT}")
        }
        // As webpki calls what `openssl req -x509` makes when it is told nothing more.
        E::Other(other) if other.0.to_string() == "CaUsedAsEndEntity" => {
            "its certificate is that of an authority (`CA:TRUE`) and not of a server; make it \
             with `-addext basicConstraints=critical,CA:FALSE` and give it as `ca`, or say \
             `insecure = true`"
                .to_owned()
        }
        E::Other(other) => {
            format!("its certificate is not accepted ({}); {ACCEPT}", words(&other.0))
        }
        other => format!("its certificate is not accepted ({}); {ACCEPT}", words(other)),
    }
}

/// Why the other side ended it.
fn refused(alert: AlertDescription) -> String {
    use AlertDescription as A;
    match alert {
        A::CertificateRequired => {
            "it wants a client certificate; give one as `cert` and `key`".to_owned()
        }
        A::BadCertificate
        | A::UnsupportedCertificate
        | A::CertificateRevoked
        | A::CertificateExpired
        | A::CertificateUnknown
        | A::UnknownCA
        | A::AccessDenied => {
            format!("it does not accept our client certificate ({})", words(&alert))
        }
        A::ProtocolVersion => VERSION.to_owned(),
        A::HandshakeFailure | A::InsufficientSecurity => NOTHING_IN_COMMON.to_owned(),
        A::UnrecognisedName => "it has no certificate for this name".to_owned(),
        A::NoApplicationProtocol => NO_PROTOCOL.to_owned(),
        A::InternalError => "it reports an error of its own".to_owned(),
        A::Unknown(code) => format!("it gave up with alert {code}"),
        other => format!("it gave up ({})", words(&other)),
    }
}

/// What the other side lacks.
fn incompatible(what: &PeerIncompatible) -> String {
    use PeerIncompatible as P;
    match what {
        P::ServerDoesNotSupportTls12Or13 | P::ServerTlsVersionIsDisabledByOurConfig => {
            VERSION.to_owned()
        }
        P::NoCipherSuitesInCommon | P::NoKxGroupsInCommon | P::NoSignatureSchemesInCommon => {
            NOTHING_IN_COMMON.to_owned()
        }
        other => format!("it cannot do what loadrun needs of TLS ({})", words(other)),
    }
}

/// The name that code has for something, without what it holds, as words.
fn words(named: &dyn Debug) -> String {
    let name = format!("{named:?}");
    let mut words = String::new();
    let mut before = None;
    for c in name.chars().take_while(char::is_ascii_alphanumeric) {
        let begins = c.is_ascii_uppercase() && before.is_some_and(|c: char| !c.is_uppercase());
        if begins {
            words.push(' ');
        }
        words.push(c.to_ascii_lowercase());
        before = Some(c);
    }
    words
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::{ContentType, HandshakeType, OtherError, PeerMisbehaved};

    use super::*;

    /// An error that the library has no name for.
    fn other() -> OtherError {
        OtherError(Arc::new(io::Error::other(Error::DecryptError)))
    }

    fn certificates() -> Vec<CertificateError> {
        use CertificateError as E;
        vec![
            E::BadEncoding,
            E::Expired,
            E::NotValidYet,
            E::Revoked,
            E::UnhandledCriticalExtension,
            E::UnknownIssuer,
            E::UnknownRevocationStatus,
            E::ExpiredRevocationList,
            E::BadSignature,
            E::UnsupportedSignatureAlgorithmForPublicKeyContext {
                signature_algorithm_id: vec![1, 2],
                public_key_algorithm_id: vec![3],
            },
            E::NotValidForName,
            E::NotValidForNameContext {
                expected: "b.example".try_into().unwrap(),
                presented: vec!["DnsName(\"a.example\")".to_owned()],
            },
            E::InvalidPurpose,
            E::InvalidOcspResponse,
            E::ApplicationVerificationFailure,
            E::Other(other()),
        ]
    }

    fn many() -> Vec<Error> {
        let messages = [
            InvalidMessage::InvalidContentType,
            InvalidMessage::MissingData("KeyShareEntry"),
            InvalidMessage::DuplicateExtension(7),
        ];
        let lacking = [
            PeerIncompatible::NoCipherSuitesInCommon,
            PeerIncompatible::ServerDoesNotSupportTls12Or13,
            PeerIncompatible::ServerRejectedEncryptedClientHello(Some(Vec::new())),
        ];
        let alerts = (0..=u8::MAX).map(|code| Error::AlertReceived(code.into()));
        let plain = [
            Error::InappropriateMessage {
                expect_types: vec![ContentType::Handshake],
                got_type: ContentType::ApplicationData,
            },
            Error::InappropriateHandshakeMessage {
                expect_types: vec![HandshakeType::ServerHello],
                got_type: HandshakeType::Finished,
            },
            Error::PeerMisbehaved(PeerMisbehaved::SelectedUnofferedCipherSuite),
            Error::NoCertificatesPresented,
            Error::UnsupportedNameType,
            Error::DecryptError,
            Error::EncryptError,
            Error::FailedToGetRandomBytes,
            Error::HandshakeNotComplete,
            Error::PeerSentOversizedRecord,
            Error::NoApplicationProtocol,
            Error::BadMaxFragmentSize,
            Error::Other(other()),
        ];
        (certificates().into_iter().map(Error::InvalidCertificate))
            .chain(messages.map(Error::InvalidMessage))
            .chain(lacking.map(Error::PeerIncompatible))
            .chain(plain)
            .chain(alerts)
            .collect()
    }

    #[test]
    fn no_error_of_tls_is_told_by_a_name_of_its_code() {
        for error in many() {
            let told = [of(&error), explain("shop", &io::Error::other(error.clone())).detail];
            for told in told {
                let mut pairs = told.chars().zip(told.chars().skip(1));
                let camel = pairs.any(|(a, b)| a.is_ascii_lowercase() && b.is_ascii_uppercase());
                // The one option of a command that is named.
                let camel = camel && !told.contains("basicConstraints");
                assert!(!camel && !told.contains(['{', '[', '\"']), "{error:?}: {told}");
                assert!(told.len() > 8, "{error:?}: {told}");
            }
        }
    }

    #[test]
    fn an_alert_and_a_flaw_without_a_sentence_of_their_own_are_told_in_words() {
        for (error, told) in [
            (
                Error::AlertReceived(AlertDescription::UnknownCA),
                "our client certificate (unknown ca)",
            ),
            (
                Error::AlertReceived(AlertDescription::NoRenegotiation),
                "it gave up (no renegotiation)",
            ),
            (Error::AlertReceived(AlertDescription::Unknown(222)), "it gave up with alert 222"),
            (
                Error::PeerMisbehaved(PeerMisbehaved::SelectedUnofferedCipherSuite),
                "it breaks the rules of TLS (selected unoffered cipher suite)",
            ),
        ] {
            assert!(of(&error).ends_with(told), "{error:?}: {}", of(&error));
        }
    }
}
