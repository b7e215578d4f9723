//! How the practice target misbehaves, as data with one spelling everywhere.
//!
//! A flag, a field of `POST /control` and an option of `sandbox.start` in Lua take the same words:
//!
//! | name | values |
//! |---|---|
//! | `latency` | `none`, `20ms`, `constant 20ms`, `uniform 10ms 50ms` (least, most), `normal 50ms 10ms` (mean, deviation; never below 0), `exponential 20ms` (mean) |
//! | `errors` | share of requests answered 500: `1%` or `0.01` |
//! | `capacity` | `none`, `200` (requests in flight at once) or `200/s` (a second's worth may come at once); beyond it: 429 |
//! | `workers` | `none`, `4`: so many requests are worked on at once, the others wait their turn, and are worked on even when their sender has given up |
//! | `forget` | share of webhooks acknowledged but never stored: the lie that a ledger must find |
//! | `fallback`, `retries`, `breaker`, `timeout` | what it does when Redis or the database fails: `care.rs` |
//! | `leak` | `none`, `1KiB`: memory of each request that is never given back |
//!
//! Capacity in flight is the default meaning because that is what runs out in real services:
//! workers, connections, memory.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::Care;
use crate::units::{Bytes, Rate, parse_duration, parse_share, show_share};

/// The names a behaviour may be set by, each with what it does.
pub const BEHAVIOURS: &[(&str, &str)] = &[
    (
        "latency",
        "time added to each answer: none, 20ms, uniform 10ms 50ms, normal 50ms 10ms, exponential 20ms",
    ),
    ("errors", "share of requests answered 500: 1%, 0.01"),
    ("capacity", "none, 200 (in flight) or 200/s; requests beyond it are answered 429"),
    ("workers", "none, 4: how many requests are worked on at once while the others wait"),
    ("forget", "share of webhooks acknowledged but never stored: 1%, 0.01"),
    ("fallback", "whether the database is read when the cache does not answer: on, off"),
    ("retries", "how often a failed call to Redis or the database is made again: 0, 3"),
    ("breaker", "none, 5 (failures in a row until none are made for 1 s) or \"5 2s\""),
    ("timeout", "how long one call to Redis or the database may take: none, 500ms"),
    ("leak", "memory of each request that is never given back: none, 1KiB"),
];

/// All that can be chosen about how the service answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Behaviour {
    /// Time added to each working request.
    pub latency: Latency,
    /// Share of working requests answered 500, not performed.
    pub errors: Share,
    /// How much is taken at once.
    pub capacity: Capacity,
    /// How many requests are worked on at once.
    pub workers: Workers,
    /// Share of webhooks that are acknowledged and then not stored.
    pub forget: Share,
    /// What it does when something it depends on fails.
    pub care: Care,
    /// Memory that each working request leaves behind.
    pub leak: Leak,
}

impl Behaviour {
    /// Sets one behaviour by its name (see [`BEHAVIOURS`]) and its value as text.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "latency" => self.latency = value.parse()?,
            "errors" => self.errors = value.parse()?,
            "capacity" => self.capacity = value.parse()?,
            "workers" => self.workers = value.parse()?,
            "forget" => self.forget = value.parse()?,
            "fallback" => self.care.fallback = value.parse()?,
            "retries" => self.care.retries = value.parse()?,
            "breaker" => self.care.breaker = value.parse()?,
            "timeout" => self.care.timeout = value.parse()?,
            "leak" => self.leak = value.parse()?,
            _ => {
                let known: Vec<&str> = BEHAVIOURS.iter().map(|(name, _)| *name).collect();
                return Err(format!(
                    "unknown behaviour {name:?}; expected one of {}",
                    known.join(", ")
                ));
            }
        }
        Ok(())
    }
}

/// The distribution of the time added to each answer.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Latency {
    /// Nothing is added.
    #[default]
    None,
    /// Always the same.
    Constant(Duration),
    /// Anything between the two, equally likely.
    Uniform {
        /// The shortest.
        least: Duration,
        /// The longest.
        most: Duration,
    },
    /// The bell curve, cut off at 0.
    Normal {
        /// Its middle.
        mean: Duration,
        /// Its standard deviation.
        deviation: Duration,
    },
    /// Many short, few long ones.
    Exponential {
        /// Its mean.
        mean: Duration,
    },
}

impl FromStr for Latency {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let time =
            |word: &str| parse_duration(word).map_err(|error| format!("latency {text:?}: {error}"));
        Ok(match words[..] {
            ["none"] => Self::None,
            ["constant", value] => Self::Constant(time(value)?),
            ["uniform", least, most] => {
                let (least, most) = (time(least)?, time(most)?);
                if least > most {
                    return Err(format!("latency {text:?}: the least is above the most"));
                }
                Self::Uniform { least, most }
            }
            ["normal", mean, deviation] => {
                Self::Normal { mean: time(mean)?, deviation: time(deviation)? }
            }
            ["exponential", mean] => Self::Exponential { mean: time(mean)? },
            [value] if value.starts_with(|c: char| c.is_ascii_digit()) => {
                Self::Constant(time(value)?)
            }
            _ => {
                return Err(format!(
                    "malformed latency {text:?}; expected none, 20ms, uniform 10ms 50ms, \
                     normal 50ms 10ms or exponential 20ms"
                ));
            }
        })
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Divided, not multiplied: 1.1 ms has to read 1.1ms.
        let ms = |time: &Duration| time.as_nanos() as f64 / 1e6;
        match self {
            Self::None => f.write_str("none"),
            Self::Constant(time) => write!(f, "constant {}ms", ms(time)),
            Self::Uniform { least, most } => write!(f, "uniform {}ms {}ms", ms(least), ms(most)),
            Self::Normal { mean, deviation } => {
                write!(f, "normal {}ms {}ms", ms(mean), ms(deviation))
            }
            Self::Exponential { mean } => write!(f, "exponential {}ms", ms(mean)),
        }
    }
}

/// How much the service takes before it answers 429.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Capacity {
    /// Everything.
    #[default]
    Unlimited,
    /// Requests in flight at once.
    InFlight(u32),
    /// Requests a second; a second's worth may come at once.
    PerSecond(f64),
}

impl FromStr for Capacity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let malformed = || {
            format!("malformed capacity {text:?}; expected none, 200 (requests in flight) or 200/s")
        };
        let text = text.trim();
        if text == "none" {
            return Ok(Self::Unlimited);
        }
        if text.contains('/') {
            let rate = Rate::parse(text).map_err(|_| malformed())?;
            return if rate.0 > 0.0 { Ok(Self::PerSecond(rate.0)) } else { Err(malformed()) };
        }
        text.parse().map(Self::InFlight).map_err(|_| malformed())
    }
}

impl fmt::Display for Capacity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlimited => f.write_str("none"),
            Self::InFlight(requests) => write!(f, "{requests}"),
            Self::PerSecond(rate) => write!(f, "{}", Rate(*rate)),
        }
    }
}

/// How many requests are worked on at once; `None` all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Workers(pub Option<u32>);

impl FromStr for Workers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "none" => Ok(Self(None)),
            number => match number.parse() {
                Ok(number @ 1..) => Ok(Self(Some(number))),
                _ => Err(format!("malformed workers {text:?}; expected none or a number from 1")),
            },
        }
    }
}

impl fmt::Display for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("none"),
            Some(number) => number.fmt(f),
        }
    }
}

/// A part of all requests, 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Share(pub f64);

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.trim() == "none" {
            return Ok(Self(0.0));
        }
        let share = parse_share(text).map_err(|error| error.to_string())?;
        if (0.0..=1.0).contains(&share) {
            Ok(Self(share))
        } else {
            Err(format!("share {text:?} is out of range; expected 0% to 100%"))
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&show_share(self.0))
    }
}

/// So many bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leak(pub u64);

impl FromStr for Leak {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.trim() == "none" {
            return Ok(Self(0));
        }
        Bytes::parse(text).map(|bytes| Self(bytes.0)).map_err(|error| error.to_string())
    }
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 { f.write_str("none") } else { Bytes(self.0).fmt(f) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_reads_as_it_is_shown() {
        for (text, shown) in [
            ("none", "none"),
            ("0.02s", "constant 20ms"),
            ("constant 1.1ms", "constant 1.1ms"),
            (" uniform  10ms 1s ", "uniform 10ms 1000ms"),
            ("normal 50ms 10ms", "normal 50ms 10ms"),
            ("exponential 20ms", "exponential 20ms"),
        ] {
            let latency: Latency = text.parse().unwrap();
            assert_eq!(latency.to_string(), shown);
            assert_eq!(shown.parse(), Ok(latency));
        }
    }

    #[test]
    fn a_capacity_reads_as_it_is_shown() {
        for (text, capacity) in [
            ("none", Capacity::Unlimited),
            ("200", Capacity::InFlight(200)),
            ("0", Capacity::InFlight(0)),
            ("200/s", Capacity::PerSecond(200.0)),
        ] {
            assert_eq!(text.parse(), Ok(capacity));
            assert_eq!(capacity.to_string().parse(), Ok(capacity));
        }
    }

    #[test]
    fn what_is_malformed_is_shown_with_what_was_expected() {
        for (name, value, error) in [
            ("latency", "slow", "malformed latency \"slow\"; expected none, 20ms,"),
            ("latency", "normal 50ms", "malformed latency \"normal 50ms\"; expected none, 20ms,"),
            ("latency", "uniform 5 x", "latency \"uniform 5 x\": malformed duration \"x\""),
            (
                "latency",
                "uniform 5ms 2ms",
                "latency \"uniform 5ms 2ms\": the least is above the most",
            ),
            (
                "capacity",
                "-1",
                "malformed capacity \"-1\"; expected none, 200 (requests in flight) or 200/s",
            ),
            ("capacity", "0/s", "malformed capacity \"0/s\""),
            ("workers", "0", "malformed workers \"0\"; expected none or a number from 1"),
            ("breaker", "often", "malformed breaker \"often\"; expected none, 5"),
            ("errors", "101%", "malformed share \"101%\""),
            ("leak", "much", "malformed size \"much\"; expected a number and B, KB,"),
            (
                "speed",
                "1",
                "unknown behaviour \"speed\"; expected one of latency, errors, capacity, workers, forget",
            ),
        ] {
            let said = Behaviour::default().set(name, value).unwrap_err();
            assert!(said.starts_with(error), "{said}");
        }
    }

    #[test]
    fn every_behaviour_on_the_list_can_be_set() {
        for (name, _) in BEHAVIOURS {
            assert_eq!(Behaviour::default().set(name, "none"), Ok(()), "{name}");
        }
    }
}
