//! How the practice target takes care of itself when what it depends on fails, as data.
//!
//! The words are those of a flag, of `POST /control` and of `sandbox.start`, like all behaviours:
//!
//! | name | values |
//! |---|---|
//! | `fallback` | `on`, `off`: whether the database is read when the cache does not answer |
//! | `retries` | how often a call that failed is made again, at once: `0`, `3` |
//! | `breaker` | `none`, `5` (failures in a row, then 1 s without calls) or `5 2s` (and then 2 s) |
//! | `timeout` | `none`, `500ms`: how long one call may take, waiting for a connection included |

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::units::parse_duration;

/// What is done about calls to Redis and to the database.
#[derive(Clone, Debug, PartialEq)]
pub struct Care {
    /// Whether what the cache does not say is read from the database.
    pub fallback: Switch,
    /// Calls made after the first one has failed.
    pub retries: Retries,
    /// When no calls are made any more.
    pub breaker: Trip,
    /// How long a call may take.
    pub timeout: Timeout,
}

impl Default for Care {
    fn default() -> Self {
        Self {
            fallback: Switch(true),
            retries: Retries(0),
            breaker: Trip(None),
            timeout: Timeout(Some(Duration::from_secs(1))),
        }
    }
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switch(pub bool);

impl FromStr for Switch {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "on" | "true" => Ok(Self(true)),
            "off" | "false" | "none" => Ok(Self(false)),
            _ => Err(format!("expected on or off, got {text:?}")),
        }
    }
}

impl fmt::Display for Switch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0 { "on" } else { "off" })
    }
}

/// How often a call is made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retries(pub u32);

impl FromStr for Retries {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "none" => Ok(Self(0)),
            number => {
                number.parse().ok().filter(|retries| *retries <= 100).map(Self).ok_or_else(|| {
                    format!("malformed retries {text:?}; expected a number from 0 to 100")
                })
            }
        }
    }
}

impl fmt::Display for Retries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// When a circuit breaker opens, and for how long; `None` never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trip(pub Option<(u32, Duration)>);

/// How long a breaker stays open when nothing else is said.
const OPEN: Duration = Duration::from_secs(1);

impl FromStr for Trip {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let malformed = || {
            let form = "expected none, 5 (failures in a row) or \"5 2s\" (and how long it is open)";
            format!("malformed breaker {text:?}; {form}")
        };
        let words: Vec<&str> = text.split_whitespace().collect();
        let (failures, open) = match words[..] {
            ["none"] => return Ok(Self(None)),
            [failures] => (failures, Ok(OPEN)),
            [failures, open] => (failures, parse_duration(open)),
            _ => return Err(malformed()),
        };
        match (failures.parse(), open) {
            (Ok(failures @ 1..), Ok(open)) => Ok(Self(Some((failures, open)))),
            _ => Err(malformed()),
        }
    }
}

impl fmt::Display for Trip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("none"),
            Some((failures, open)) => write!(f, "{failures} {}s", open.as_secs_f64()),
        }
    }
}

/// How long something may take; `None` for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeout(pub Option<Duration>);

impl FromStr for Timeout {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "none" => Ok(Self(None)),
            text => parse_duration(text).map(|time| Self(Some(time))).map_err(|e| e.to_string()),
        }
    }
}

impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("none"),
            Some(time) => write!(f, "{}s", time.as_secs_f64()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_breaker_reads_as_it_is_shown() {
        for (text, shown) in
            [("none", "none"), ("5", "5 1s"), (" 3  500ms ", "3 0.5s"), ("1 2m", "1 120s")]
        {
            let trip: Trip = text.parse().unwrap();
            assert_eq!(trip.to_string(), shown);
            assert_eq!(shown.parse(), Ok(trip));
        }
        for text in ["0", "-1", "5 soon", "5 1s 2s", "", "often"] {
            let wrong = text.parse::<Trip>().unwrap_err();
            assert!(wrong.starts_with(&format!("malformed breaker {text:?}; expected none, 5")));
        }
    }

    #[test]
    fn the_other_words_read_as_they_are_shown() {
        for (text, on) in [("on", true), ("true", true), ("off", false), ("none", false)] {
            assert_eq!(text.parse(), Ok(Switch(on)));
        }
        assert!("maybe".parse::<Switch>().is_err());
        assert_eq!("3".parse(), Ok(Retries(3)));
        assert!("101".parse::<Retries>().unwrap_err().contains("from 0 to 100"));
        let half: Timeout = "500ms".parse().unwrap();
        assert_eq!(half.to_string().parse(), Ok(half));
        assert_eq!("none".parse(), Ok(Timeout(None)));
    }
}
