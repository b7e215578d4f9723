//! What a script lets its caller choose, and what may be shown of it.

use std::fmt;
use std::net::SocketAddr;

use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};

use super::Place;

/// Something a script lets its caller choose: `param("base", "http://...", "address")`.
#[derive(Clone, PartialEq, Deserialize)]
pub struct Parameter {
    /// Its name, as in `-p name=value`.
    pub name: String,
    /// What it is in this run.
    pub value: ParamValue,
    /// What it is when nobody chooses; gives the type.
    pub default: ParamValue,
    /// One line for whoever runs the script.
    pub about: String,
    /// True if its value must not be written down anywhere.
    pub secret: bool,
    /// Where it is declared.
    pub place: Place,
}

/// A parameter's value, of the type of its default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ParamValue {
    /// Text.
    String(String),
    /// A whole number; before the other kind, so that it is read back as one.
    Integer(i64),
    /// A number with a fraction.
    Float(f64),
    /// Yes or no.
    Bool(bool),
}

/// Parameters that are set together where `--profile` says its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// Parameters by name, as the command line would set them.
    pub values: Vec<(String, String)>,
}

impl Parameter {
    /// What may be shown of it: `***` in place of its values if it is secret.
    #[must_use]
    pub fn shown(&self) -> Self {
        let mut shown = self.clone();
        if self.secret {
            shown.value = ParamValue::String("***".to_owned());
            shown.default = shown.value.clone();
        }
        shown
    }
}

impl Serialize for Parameter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let shown = self.shown();
        let mut fields = serializer.serialize_struct("Parameter", 6)?;
        fields.serialize_field("name", &shown.name)?;
        fields.serialize_field("value", &shown.value)?;
        fields.serialize_field("default", &shown.default)?;
        fields.serialize_field("about", &shown.about)?;
        fields.serialize_field("secret", &shown.secret)?;
        fields.serialize_field("place", &shown.place)?;
        fields.end()
    }
}

/// Without a secret's value: a log line is a place where it must not be written either.
impl fmt::Debug for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {:?} at {}", self.name, self.shown().value, self.place)
    }
}

impl fmt::Display for ParamValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String(text) => f.write_str(text),
            Self::Float(number) => number.fmt(f),
            Self::Integer(number) => number.fmt(f),
            Self::Bool(truth) => truth.fmt(f),
        }
    }
}

/// Whether a value says where something is, and not what is done with it: `http://10.0.0.7/v2`,
/// `10.0.0.7:6379`, `[::1]:6379`, `localhost:8080`, `db.internal:5432`. Neither is `60:40`, nor `read:60`.
pub fn is_address(value: &str) -> bool {
    if let Some((scheme, rest)) = value.split_once("://") {
        let plain = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
        let begins = scheme.starts_with(|c: char| c.is_ascii_alphabetic());
        return begins && scheme.chars().all(plain) && !rest.is_empty() && !has_gaps(rest);
    }
    if value.parse::<SocketAddr>().is_ok() {
        return true;
    }
    let Some((host, port)) = value.rsplit_once(':') else { return false };
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    let named = host == "localhost" || (host.contains('.') && !host.starts_with('.'));
    let letters = host.ends_with(|c: char| c.is_ascii_alphabetic());
    named && letters && host.chars().all(plain) && port.parse::<u16>().is_ok()
}

fn has_gaps(text: &str) -> bool {
    text.chars().any(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_told_from_other_values() {
        for address in [
            "http://127.0.0.1:18080",
            "https://preview-17.shop.example/v2",
            "redis+tls://cache:6379/0",
            "unix:///run/shop.sock",
            "10.0.0.7:6379",
            "[::1]:6379",
            "localhost:8080",
            "db.internal:5432",
        ] {
            assert!(is_address(address), "{address}");
        }
        for other in [
            "",
            "10",
            "1.5",
            "60:40",
            "read:60",
            "12:30",
            "0.5:0.5",
            "normal 1s 50ms",
            "true",
            "://x",
            "http://",
            "see http://a b",
            ".a:1",
            "a.b:99999",
            "/items/1",
            "10.0.0.7",
        ] {
            assert!(!is_address(other), "{other}");
        }
    }
}
