//! What is wrong with a script, as it is told to its author.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A line of a script.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The file as the user knows it.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
}

/// Something that keeps a script from being run, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What is wrong, the offending value shown.
    pub what: String,
    /// Where it is written, if it is written anywhere.
    pub at: Option<Place>,
    /// The next step.
    pub hint: Option<String>,
}

impl Problem {
    /// Something that is wrong; where, and what to do about it, may follow.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), at: None, hint: None }
    }

    /// The same, with the place it is written at.
    #[must_use]
    pub fn at(self, place: &Place) -> Self {
        Self { at: Some(place.clone()), ..self }
    }

    /// The same, with the next step to take.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// As the user reads it: what, where, what next; without a final line break.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.what)?;
        if let Some(place) = &self.at {
            write!(f, "\n  --> {place}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

/// The name in `among` that `word` was most likely meant to be; `None` if none is near.
pub fn nearest<'a>(word: &str, among: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    among
        .into_iter()
        .map(|name| (strsim::normalized_damerau_levenshtein(&word, &name.to_lowercase()), name))
        // Two characters of five that differ are another word.
        .filter(|(likeness, _)| *likeness > 0.6)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}
