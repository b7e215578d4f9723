//! Which statuses count as a success.

use std::fmt;

/// Which statuses count as a success. By default those below 400.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expect {
    /// Inclusive ranges; a status in none of them is a failure.
    ranges: Vec<(u16, u16)>,
}

impl Default for Expect {
    fn default() -> Self {
        Self { ranges: Vec::new() }
    }
}

impl Expect {
    /// Every status is a success.
    pub fn any() -> Self {
        todo!()
    }

    /// Exactly this status.
    pub fn status(_status: u16) -> Self {
        todo!()
    }

    /// Reads `"any"`, `"204"`, `"2xx"` or `"200-299"`.
    pub fn parse(_text: &str) -> Result<Self, String> {
        todo!()
    }

    /// A success by either.
    #[must_use]
    pub fn or(self, _other: Self) -> Self {
        todo!()
    }

    /// Whether this status is a success.
    pub fn accepts(&self, _status: u16) -> bool {
        todo!()
    }
}

impl fmt::Display for Expect {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        todo!()
    }
}
