//! What scripts write: bounded, and the same line counted rather than repeated.
//!
//! Thousands of users may log the same line thousands of times a second; a log must neither fill
//! the memory nor the terminal. So a line is kept once, with a count; the command line drains the
//! new ones, and lines beyond the bound are only counted.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use super::secrets::Secrets;

/// Distinct lines kept in one run.
const LINES: usize = 1_000;
/// Bytes kept of one line.
const LINE_BYTES: usize = 4_096;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// For the author, shown with `--verbose`.
    Debug,
    /// Shown.
    Info,
    /// Shown, as a warning.
    Warn,
    /// Shown, as an error.
    Error,
}

impl std::fmt::Display for Level {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        })
    }
}

/// One distinct line a script wrote.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Line {
    /// How much it matters.
    pub level: Level,
    /// The text, cut after 4 KiB.
    pub text: String,
}

/// Where lines go until the command line shows them.
#[derive(Debug, Default)]
pub struct Log {
    lines: Mutex<Lines>,
    /// What no line may contain.
    pub(super) secrets: Secrets,
}

#[derive(Debug, Default)]
struct Lines {
    counts: BTreeMap<Line, u64>,
    fresh: VecDeque<Line>,
    beyond: u64,
}

impl Log {
    /// Adds a line without the run's secrets, or counts it when it was written before.
    pub fn add(&self, level: Level, text: String) {
        // Before it is cut: half a secret would not be found.
        let mut text = self.secrets.masked(text);
        if text.len() > LINE_BYTES {
            let end = (0..=LINE_BYTES).rev().find(|at| text.is_char_boundary(*at));
            text.truncate(end.unwrap_or(0));
            text.push_str("...");
        }
        let line = Line { level, text };
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = lines.counts.get_mut(&line) {
            *count += 1;
        } else if lines.counts.len() < LINES {
            lines.fresh.push_back(line.clone());
            lines.counts.insert(line, 1);
        } else {
            lines.beyond += 1;
        }
    }

    /// The lines that are new since the last call, oldest first.
    pub fn drain(&self) -> Vec<Line> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.fresh.drain(..).collect()
    }

    /// Every line with how often it was written, and how many were not kept at all.
    pub fn counts(&self) -> (Vec<(Line, u64)>, u64) {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = lines.counts.iter().map(|(line, count)| (line.clone(), *count));
        (counts.collect(), lines.beyond)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_line_is_shown_once_and_counted() {
        let log = Log::default();
        for _ in 0..3 {
            log.add(Level::Info, "again".to_owned());
        }
        assert_eq!(log.drain().len(), 1);
        assert_eq!(log.drain(), vec![]);
        assert_eq!(log.counts().0[0].1, 3);
    }

    #[test]
    fn distinct_lines_beyond_the_bound_are_counted_only() {
        let log = Log::default();
        for n in 0..LINES + 5 {
            log.add(Level::Info, n.to_string());
        }
        assert_eq!(log.drain().len(), LINES);
        assert_eq!(log.counts().1, 5);
    }

    #[test]
    fn a_long_line_is_cut_at_a_character() {
        let log = Log::default();
        log.add(Level::Warn, "é".repeat(LINE_BYTES));
        assert_eq!(log.drain()[0].text.len(), LINE_BYTES + 3);
    }
}
