//! Quantities as people write them: `90s`, `200/s`, `4MiB`, `99.5%`; read and shown.
//!
//! Whatever is shown can be read back, to the digits shown. Reading is strict: a number is plain
//! decimal, a unit is spelled as documented, and an error says what was expected.

use std::fmt;
use std::time::Duration;

/// A quantity that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitError {
    /// What was wrong, with the text it was found in: `malformed duration "5x"`.
    pub what: String,
    /// The form a right one has.
    pub expected: &'static str,
}

/// So many a second.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Rate(pub f64);

/// So many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

const DURATION: &str =
    "a number and ns, us, ms, s, m or h, such as \"250ms\" or \"1m30s\", or plain seconds";
const RATE: &str = "a number and /s, /m or /h, such as \"200/s\"";
const BYTES: &str = "a number and B, KB, MB, GB, KiB, MiB or GiB, such as \"4MiB\"";
const SHARE: &str = "a percentage such as \"99.5%\" or a number from 0 to 1";

/// Nanoseconds in each unit of time, largest first.
const TIME_UNITS: [(&str, u64); 6] = [
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// Bytes in each unit of size, largest first; shown are the binary ones.
const SIZE_UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("KB", 1_000),
    ("B", 1),
];

/// Seconds in each unit a rate may be given by.
const PER_UNITS: [(&str, f64); 3] = [("/s", 1.0), ("/m", 60.0), ("/h", 3600.0)];

/// Reads `250ms`, `1m30s`, `1.5s`, `2` (seconds). The parts of a sum go from large to small.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let malformed = || UnitError::new("duration", text, DURATION);
    let mut rest = text.trim();
    if let Some((seconds, "")) = split_number(rest) {
        return Duration::try_from_secs_f64(seconds).map_err(|_| malformed());
    }
    let (mut sum, mut larger) = (0.0, u64::MAX);
    while !rest.is_empty() {
        let (number, tail) = split_number(rest).ok_or_else(malformed)?;
        let tail = tail.trim_start();
        let letters = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let nanos =
            scale(&TIME_UNITS, unit).filter(|nanos| *nanos < larger).ok_or_else(malformed)?;
        (sum, larger, rest) = (sum + number * nanos as f64, nanos, tail.trim_start());
    }
    if larger == u64::MAX || sum >= u64::MAX as f64 {
        return Err(malformed());
    }
    Ok(Duration::from_nanos(sum.round() as u64))
}

/// Shows 3 significant digits below a minute ("1.51 s", "203 ms"), whole seconds below an hour
/// ("1m 30s"), whole minutes from there ("2h 5m"). No time is "0 s".
pub fn show_duration(duration: Duration) -> String {
    let nanos = round_to_3_digits(duration.as_nanos());
    if nanos >= 60_000_000_000 {
        return show_long(duration);
    }
    if nanos == 0 {
        return "0 s".to_owned();
    }
    let (unit, scale) =
        TIME_UNITS[2..].iter().find(|(_, scale)| nanos >= u128::from(*scale)).unwrap_or(&("ns", 1));
    format!("{} {unit}", show_number(nanos as f64 / *scale as f64))
}

fn show_long(duration: Duration) -> String {
    let seconds = (duration.as_nanos() + 500_000_000) / 1_000_000_000;
    let (larger, a, smaller, b) = if seconds < 3600 {
        ("m", seconds / 60, "s", seconds % 60)
    } else {
        let minutes = (seconds + 30) / 60;
        ("h", minutes / 60, "m", minutes % 60)
    };
    if b == 0 { format!("{a}{larger}") } else { format!("{a}{larger} {b}{smaller}") }
}

fn round_to_3_digits(n: u128) -> u128 {
    let digits = n.checked_ilog10().unwrap_or(0);
    let step = 10_u128.pow(digits.saturating_sub(2));
    (n + step / 2) / step * step
}

/// Reads a share of a whole: `99.5%` is 0.995, `0.3` is 0.3.
pub fn parse_share(text: &str) -> Result<f64, UnitError> {
    let share = match split_number(text.trim()) {
        Some((number, "")) => number,
        Some((number, tail)) if tail.trim_start() == "%" => number / 100.0,
        _ => return Err(UnitError::new("share", text, SHARE)),
    };
    if share <= 1.0 { Ok(share) } else { Err(UnitError::new("share", text, SHARE)) }
}

/// Shows a share as a percentage. Close to nothing and close to everything keep their digits:
/// 0.99996 is "99.996 %", not "100 %".
pub fn show_share(share: f64) -> String {
    let percent = share * 100.0;
    let to_an_end = percent.min(100.0 - percent).abs();
    let decimals =
        if to_an_end < 1e-9 { 0 } else { 1_i32.max(1 - to_an_end.log10().floor() as i32) };
    format!("{} %", trimmed(percent, decimals.min(9) as usize))
}

/// Shows a number with 3 significant digits, a large one whole: "0.0123", "1.5", "12345".
pub fn show_number(number: f64) -> String {
    let magnitude = if number == 0.0 { 0 } else { number.abs().log10().floor() as i32 };
    trimmed(number, (2 - magnitude).clamp(0, 12) as usize)
}

/// Shows how many there are of a thing: "1 user", "3 users".
pub fn show_many(count: u64, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

/// So many decimals, without zeros at the end.
fn trimmed(number: f64, decimals: usize) -> String {
    let text = format!("{number:.decimals$}");
    if decimals == 0 { text } else { text.trim_end_matches('0').trim_end_matches('.').to_owned() }
}

impl Rate {
    /// Reads `200/s`, `30/m`, `5/h`, or a plain number a second.
    pub fn parse(text: &str) -> Result<Self, UnitError> {
        let (number, unit) =
            split_number(text.trim()).ok_or_else(|| UnitError::new("rate", text, RATE))?;
        match PER_UNITS.iter().find(|(name, _)| *name == unit.trim_start()) {
            Some((_, seconds)) => Ok(Self(number / seconds)),
            None if unit.is_empty() => Ok(Self(number)),
            None => Err(UnitError::new("rate", text, RATE)),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", show_number(self.0))
    }
}

impl Bytes {
    /// Reads `4MiB`, `16KB`, `100B`, or a plain number of bytes.
    pub fn parse(text: &str) -> Result<Self, UnitError> {
        let malformed = || UnitError::new("size", text, BYTES);
        let (number, unit) = split_number(text.trim()).ok_or_else(malformed)?;
        let unit = if unit.is_empty() { "B" } else { unit.trim_start() };
        let bytes = number * scale(&SIZE_UNITS, unit).ok_or_else(malformed)? as f64;
        if bytes < u64::MAX as f64 { Ok(Self(bytes.round() as u64)) } else { Err(malformed()) }
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, scale) =
            SIZE_UNITS.iter().step_by(2).find(|(_, scale)| self.0 >= *scale).unwrap_or(&("B", 1));
        write!(f, "{} {unit}", show_number(self.0 as f64 / *scale as f64))
    }
}

impl UnitError {
    fn new(quantity: &str, text: &str, expected: &'static str) -> Self {
        Self { what: format!("malformed {quantity} {text:?}"), expected }
    }
}

impl fmt::Display for UnitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; expected {}", self.what, self.expected)
    }
}

impl std::error::Error for UnitError {}

/// The plain decimal number at the start of a text, and what follows. No sign, no exponent, no
/// `inf`: none of them belongs into a quantity.
fn split_number(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    let complete = number.starts_with(|c: char| c.is_ascii_digit()) && !number.ends_with('.');
    complete.then_some(())?;
    Some((number.parse().ok()?, rest))
}

fn scale(units: &[(&str, u64)], name: &str) -> Option<u64> {
    units.iter().find(|(unit, _)| *unit == name).map(|(_, scale)| *scale)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn nanos(text: &str) -> u128 {
        parse_duration(text).unwrap().as_nanos()
    }

    /// Whether two quantities are the same but for a half of the last digit shown.
    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() <= a.abs().max(b.abs()) * 0.01
    }

    #[test]
    fn durations_are_read_in_every_unit_and_as_sums() {
        for (text, expected) in [
            ("250ms", 250_000_000),
            ("1m30s", 90_000_000_000),
            ("90s", 90_000_000_000),
            ("2h", 7_200_000_000_000),
            ("1.5s", 1_500_000_000),
            ("100us", 100_000),
            ("50ns", 50),
            ("2", 2_000_000_000),
            ("0.25", 250_000_000),
            ("0s", 0),
            (" 1h 2m 3s 4ms ", 3_723_004_000_000),
            ("1.51 s", 1_510_000_000),
        ] {
            assert_eq!(nanos(text), expected, "{text}");
        }
    }

    #[test]
    fn a_malformed_quantity_is_shown_with_the_form_expected() {
        for text in
            ["", "5x", "-1s", "s", "1s1m", "1s2s", "1.s", ".5s", "1e3", "inf", "1..2s", "1m 2"]
        {
            let error = parse_duration(text).unwrap_err();
            assert_eq!(error.what, format!("malformed duration {text:?}"));
        }
        assert_eq!(
            parse_duration("5x").unwrap_err().to_string(),
            "malformed duration \"5x\"; expected a number and ns, us, ms, s, m or h, such as \
             \"250ms\" or \"1m30s\", or plain seconds"
        );
        assert_eq!(
            Rate::parse("200/day").unwrap_err().to_string(),
            "malformed rate \"200/day\"; expected a number and /s, /m or /h, such as \"200/s\""
        );
        assert_eq!(
            Bytes::parse("4mib").unwrap_err().to_string(),
            "malformed size \"4mib\"; expected a number and B, KB, MB, GB, KiB, MiB or GiB, such as \
             \"4MiB\""
        );
        assert_eq!(
            parse_share("150%").unwrap_err().to_string(),
            "malformed share \"150%\"; expected a percentage such as \"99.5%\" or a number from 0 to 1"
        );
    }

    #[test]
    fn a_duration_too_long_to_count_is_refused() {
        assert!(parse_duration("99999999999999999999h").is_err());
        assert!(parse_duration("99999999999999999999999").is_err());
        assert!(Bytes::parse("99999999999GiB").is_err());
    }

    #[test]
    fn durations_are_shown_with_three_digits_and_the_fitting_unit() {
        for (nanos, expected) in [
            (0, "0 s"),
            (950, "950 ns"),
            (87_240, "87.2 us"),
            (999_499, "999 us"),
            (999_600, "1 ms"),
            (203_400_000, "203 ms"),
            (1_512_000_000, "1.51 s"),
            (30_000_000_000, "30 s"),
            (59_960_000_000, "1m"),
            (90_400_000_000, "1m 30s"),
            (3_599_600_000_000, "1h"),
            (7_530_000_000_000, "2h 6m"),
        ] {
            assert_eq!(show_duration(Duration::from_nanos(nanos)), expected);
        }
    }

    #[test]
    fn rates_sizes_and_shares_are_read_and_shown() {
        let rate = |text| Rate::parse(text).unwrap().to_string();
        assert_eq!(
            [rate("200/s"), rate("30/m"), rate("36/h"), rate("5")].join(" "),
            "200/s 0.5/s 0.01/s 5/s"
        );
        for (text, bytes, shown) in [
            ("4MiB", 4_194_304, "4 MiB"),
            ("16KB", 16_000, "15.6 KiB"),
            ("100B", 100, "100 B"),
            ("1.5 GiB", 1_610_612_736, "1.5 GiB"),
            ("12", 12, "12 B"),
            ("0", 0, "0 B"),
        ] {
            let size = Bytes::parse(text).unwrap();
            assert_eq!((size.0, &*size.to_string()), (bytes, shown));
        }
        assert_eq!(parse_share("99.5%"), Ok(0.995));
        assert_eq!(parse_share("0.3"), Ok(0.3));
        assert_eq!(parse_share("100 %"), Ok(1.0));
    }

    #[test]
    fn a_share_close_to_all_or_nothing_is_never_shown_as_all_or_nothing() {
        for (share, expected) in [
            (0.0, "0 %"),
            (1.0, "100 %"),
            (0.012, "1.2 %"),
            (0.123_456, "12.3 %"),
            (0.5, "50 %"),
            (0.000_004, "0.0004 %"),
            (0.999_96, "99.996 %"),
            (0.995, "99.5 %"),
        ] {
            assert_eq!(show_share(share), expected);
        }
    }

    #[test]
    fn numbers_are_shown_with_three_digits_or_whole() {
        let numbers = [0.0, 0.012_345, 1.5, 12.0, 99.96, 12_345.0, -2.5, 1e15];
        let shown = numbers.map(show_number).join(" ");
        assert_eq!(shown, "0 0.0123 1.5 12 100 12345 -2.5 1000000000000000");
    }

    proptest! {
        #[test]
        fn a_shown_duration_reads_back_to_its_digits(nanos in prop_oneof![0..100_000_u64, 0..1_u64 << 50]) {
            let shown = show_duration(Duration::from_nanos(nanos));
            let read = parse_duration(&shown).unwrap().as_nanos() as f64;
            prop_assert!(near(nanos as f64, read), "{} {}", nanos, shown);
        }

        #[test]
        fn whole_nanoseconds_are_read_exactly(nanos in 0..1_u64 << 53) {
            prop_assert_eq!(parse_duration(&format!("{nanos}ns")), Ok(Duration::from_nanos(nanos)));
        }

        #[test]
        fn a_shown_size_reads_back_to_its_digits(bytes in 0..1_u64 << 50) {
            let read = Bytes::parse(&Bytes(bytes).to_string()).unwrap();
            prop_assert!(near(bytes as f64, read.0 as f64));
        }

        #[test]
        fn a_shown_rate_reads_back_to_its_digits(rate in 1e-6..1e9_f64) {
            prop_assert!(near(rate, Rate::parse(&Rate(rate).to_string()).unwrap().0));
        }

        #[test]
        fn a_shown_share_reads_back_to_its_digits(share in 0.0..=1.0_f64) {
            let read = parse_share(&show_share(share)).unwrap();
            prop_assert!((read - share).abs() <= 0.0005, "{} {}", read, share);
        }

        #[test]
        fn no_text_makes_a_reader_panic(text in "\\PC*") {
            _ = (parse_duration(&text), parse_share(&text), Rate::parse(&text), Bytes::parse(&text));
        }
    }
}
