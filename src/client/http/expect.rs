//! Which statuses count as a success.

use std::fmt;

/// Largest status that three digits can say.
const LAST: u16 = 999;

/// Which statuses count as a success. By default those below 400.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expect {
    /// Inclusive; the first of at least one.
    first: (u16, u16),
    /// Inclusive; a status in none of them is a failure.
    others: Vec<(u16, u16)>,
}

impl Default for Expect {
    fn default() -> Self {
        Self::range(0, 399)
    }
}

impl Expect {
    /// Every status is a success.
    pub fn any() -> Self {
        Self::range(0, LAST)
    }

    /// Exactly this status.
    pub fn status(status: u16) -> Self {
        Self::range(status, status)
    }

    fn range(first: u16, last: u16) -> Self {
        Self { first: (first, last), others: Vec::new() }
    }

    /// Reads `"any"`, `"204"`, `"2xx"` or `"200-299"`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!("malformed status {text:?}; expected \"204\", \"2xx\", \"200-299\" or \"any\"")
        };
        if text == "any" {
            return Ok(Self::any());
        }
        if let Some(class) = text.strip_suffix("xx") {
            let class = class.parse::<u16>().ok().filter(|class| (1..=9).contains(class));
            let class = class.ok_or_else(wrong)?;
            return Ok(Self::range(class * 100, class * 100 + 99));
        }
        let status = |text: &str| {
            let status = text.trim().parse().ok();
            status.filter(|status| (100..=LAST).contains(status)).ok_or_else(wrong)
        };
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let (first, last) = (status(first)?, status(last)?);
        if first > last { Err(wrong()) } else { Ok(Self::range(first, last)) }
    }

    /// A success by either.
    #[must_use]
    pub fn or(mut self, other: Self) -> Self {
        self.others.push(other.first);
        self.others.extend(other.others);
        self
    }

    /// Whether this status is a success.
    pub fn accepts(&self, status: u16) -> bool {
        self.ranges().any(|(first, last)| (first..=last).contains(&status))
    }

    fn ranges(&self) -> impl Iterator<Item = (u16, u16)> {
        std::iter::once(self.first).chain(self.others.iter().copied())
    }
}

impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (first, last)) in self.ranges().enumerate() {
            if at > 0 {
                f.write_str(", ")?;
            }
            match (first, last) {
                (0, LAST) => f.write_str("any")?,
                (0, last) => write!(f, "below {}", last + 1)?,
                (first, last) if first == last => write!(f, "{first}")?,
                (first, last) => write!(f, "{first}-{last}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_below_400_are_a_success_by_default() {
        let expect = Expect::default();
        assert!(expect.accepts(200) && expect.accepts(399) && !expect.accepts(400));
        assert_eq!(expect.to_string(), "below 400");
    }

    #[test]
    fn single_statuses_classes_and_ranges_are_read_and_joined() {
        let expect = Expect::parse("2xx").unwrap().or(Expect::parse("404").unwrap());
        let expect = expect.or(Expect::parse("500-502").unwrap());
        let accepted: Vec<u16> = (0..1000).filter(|status| expect.accepts(*status)).collect();
        let wanted: Vec<u16> = (200..300).chain([404]).chain(500..503).collect();
        assert_eq!(accepted, wanted);
        assert_eq!(expect.to_string(), "200-299, 404, 500-502");
        assert!(Expect::parse("any").unwrap().accepts(599));
    }

    #[test]
    fn what_is_not_a_status_is_an_error_that_shows_it() {
        for text in ["", "xx", "0xx", "20x", "99", "1000", "300-200", "-", "ok", "2xx-3xx"] {
            let error = Expect::parse(text).unwrap_err();
            assert!(error.contains(&format!("{text:?}")), "{error}");
        }
    }
}
