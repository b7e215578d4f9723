//! What a kind of service can be given, and what each setting takes.
//!
//! A setting travels as text, in loadrun's own units whatever the server's are, and is checked
//! while the script loads: a server that refuses its configuration is found out too late.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::plan::{ServiceDecl, nearest};
use crate::units::{Bytes, parse_duration, parse_share};

/// What starts the name of a setting that is the server's own and not known here.
pub const CONFIG: &str = "config.";

/// One kind of service, as a script declares it.
#[derive(Debug)]
pub struct Kind {
    /// What it is called: `service.redis` declares a `redis`.
    pub name: &'static str,
    /// Its settings, by name.
    pub settings: &'static [Setting],
    /// What `config` may not have, because it is decided here or has a setting of its own.
    pub reserved: &'static [&'static str],
}

/// A setting of a kind of service.
#[derive(Debug)]
pub struct Setting {
    /// Its name, the server's own where it has one.
    pub name: &'static str,
    /// What it takes.
    pub takes: Takes,
}

/// The values a setting takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// A whole number, from the first to the second.
    Count(u64, u64),
    /// A size: `"64MiB"`.
    Bytes,
    /// A duration: `"250ms"`.
    Duration,
    /// A share of something: `"80%"`, 0.8.
    Share,
    /// `true` or `false`.
    Flag,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A name as servers take it without quotes: letters, digits and `_`.
    Name,
    /// Text that is shown nowhere.
    Secret,
}

impl Takes {
    /// What is wrong with a value, if anything is.
    pub fn check(self, text: &str) -> Result<(), String> {
        match self {
            Self::Count(least, most) => match text.parse() {
                Ok(number) if (least..=most).contains(&number) => Ok(()),
                _ => Err(format!("expected a whole number from {least} to {most}, got {text}")),
            },
            Self::Bytes => Bytes::parse(text).map(drop).map_err(|error| error.to_string()),
            Self::Duration => parse_duration(text).map(drop).map_err(|error| error.to_string()),
            Self::Share => parse_share(text).map(drop).map_err(|error| error.to_string()),
            Self::Flag if ["true", "false"].contains(&text) => Ok(()),
            Self::Flag => Err(format!("expected true or false, got {text:?}")),
            Self::Word(words) if words.contains(&text) => Ok(()),
            Self::Word(words) => Err(match nearest(text, words.iter().copied()) {
                Some(near) => format!("unknown {text:?}; did you mean {near:?}?"),
                None => format!("expected one of {}; got {text:?}", words.join(", ")),
            }),
            Self::Name if is_name(text) => Ok(()),
            Self::Name => Err(format!(
                "expected letters, digits and `_`, at most 60 and no digit first, got {text:?}"
            )),
            // A shorter one would be found in half of all words, and not be masked.
            Self::Secret if text.chars().count() < 4 || text.contains(char::is_control) => {
                Err("expected at least 4 characters, without line breaks".to_owned())
            }
            Self::Secret => Ok(()),
        }
    }
}

fn is_name(text: &str) -> bool {
    (1..=60).contains(&text.len())
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// What is wrong with a key and value of `config`, if anything is.
pub fn check_config(kind: &Kind, key: &str, text: &str) -> Result<(), String> {
    let word = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    if key.is_empty() || !key.chars().all(word) {
        return Err(format!("expected a name of {}'s configuration, got {key:?}", kind.name));
    }
    let folded = key.to_ascii_lowercase().replace('-', "_");
    if kind.reserved.iter().any(|reserved| reserved.replace('-', "_") == folded) {
        return Err(match kind.settings.iter().find(|setting| setting.name == folded) {
            Some(setting) => format!("`{key}` is an option of its own: `{}`", setting.name),
            None => format!("`{key}` is decided by loadrun"),
        });
    }
    if text.contains(char::is_control) {
        return Err(format!("{key}: expected one line of text"));
    }
    Ok(())
}

/// The settings of one declaration, read as what they are. What a declaration from elsewhere than
/// a script may have wrong is left out here, and the server uses its own default.
pub(super) struct Chosen<'a>(pub(super) &'a ServiceDecl);

impl<'a> Chosen<'a> {
    /// As text.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        self.0.options.get(name).map(String::as_str)
    }

    /// As text that is shown nowhere.
    pub(super) fn secret(&self, name: &str) -> Option<&'a str> {
        self.0.secrets.get(name).map(String::as_str)
    }

    /// In bytes.
    pub(super) fn bytes(&self, name: &str) -> Option<u64> {
        Bytes::parse(self.text(name)?).ok().map(|bytes| bytes.0)
    }

    /// In whole milliseconds.
    pub(super) fn millis(&self, name: &str) -> Option<u128> {
        parse_duration(self.text(name)?).ok().map(|time| time.as_millis())
    }

    /// How long the server may take to become ready, `usual` when nothing is said.
    pub(super) fn ready_within(&self, usual: Duration) -> Duration {
        self.text("ready_within").and_then(|text| parse_duration(text).ok()).unwrap_or(usual)
    }

    /// What `config` has: the server's own names, and its own forms of values.
    pub(super) fn config(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        pairs(&self.0.options, CONFIG)
    }
}

/// The entries whose names begin with `start`, without it.
pub(super) fn pairs<'a>(
    all: &'a BTreeMap<String, String>,
    start: &'static str,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    all.iter().filter_map(move |(name, value)| Some((name.strip_prefix(start)?, value.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_value_is_told_with_what_was_expected() {
        const POLICIES: Takes = Takes::Word(&["noeviction", "allkeys-lru"]);
        let cases = [
            (Takes::Count(1, 10), "11", "expected a whole number from 1 to 10, got 11"),
            (Takes::Count(1, 10), "-1", "expected a whole number from 1 to 10, got -1"),
            (Takes::Bytes, "many", "malformed size \"many\"; expected "),
            (Takes::Duration, "5 x", "malformed duration \"5 x\"; expected "),
            (Takes::Flag, "yes", "expected true or false, got \"yes\""),
            (POLICIES, "allkeys-lur", "unknown \"allkeys-lur\"; did you mean \"allkeys-lru\"?"),
            (POLICIES, "x", "expected one of noeviction, allkeys-lru; got \"x\""),
            (Takes::Name, "a b", "expected letters, digits and `_`"),
            (Takes::Secret, "abc", "expected at least 4 characters"),
        ];
        for (takes, text, expected) in cases {
            let wrong = takes.check(text).unwrap_err();
            assert!(wrong.starts_with(expected), "{text}: {wrong}");
        }
        for (takes, text) in [(Takes::Bytes, "64MiB"), (POLICIES, "noeviction")] {
            assert_eq!(takes.check(text), Ok(()));
        }
    }

    #[test]
    fn config_keeps_to_what_loadrun_does_not_decide() {
        const KIND: Kind = Kind {
            name: "redis",
            settings: &[Setting { name: "appendonly", takes: Takes::Flag }],
            reserved: &["port", "appendonly"],
        };
        let wrong = |key, text| check_config(&KIND, key, text).unwrap_err();
        assert_eq!(wrong("PORT", "1"), "`PORT` is decided by loadrun");
        assert_eq!(
            wrong("appendonly", "yes"),
            "`appendonly` is an option of its own: `appendonly`"
        );
        assert_eq!(wrong("hz", "1\nport 2"), "hz: expected one line of text");
        assert!(wrong("a b", "").starts_with("expected a name of redis's configuration"));
        assert_eq!(check_config(&KIND, "hz", "100"), Ok(()));
    }
}
