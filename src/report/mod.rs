//! How we tell: each report one file, a pure function from an [`Outcome`] to text.
//!
//! A report reads nothing but what it is given, and writes nothing but what it is given to write to.
//! `csv` is the template.

mod calls;
pub mod comparison;
mod csv;
mod faults;
mod figures;
pub mod history;
mod html;
mod json;
mod junit;
mod markdown;
pub mod ndjson;
mod processes;
pub mod spread;
pub mod suite;
mod table;
mod text;
mod visible;

use std::io::{self, Write};

pub use json::write as json;
pub use text::{Ink, write as text};
pub use visible::visible;

use crate::compare::Gate;
use crate::outcome::Outcome;

/// A form of report that is kept in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Report {
    /// The summary a person reads in a terminal.
    Text,
    /// The summary for machines.
    Json,
    /// Every series by second.
    Csv,
    /// For a CI system.
    Junit,
    /// For a pull request.
    Markdown,
    /// A page for a browser.
    Html,
}

impl Report {
    /// Every form there is.
    pub const ALL: [Self; 6] =
        [Self::Text, Self::Json, Self::Csv, Self::Junit, Self::Markdown, Self::Html];

    /// What it is called on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Junit => "junit",
            Self::Markdown => "markdown",
            Self::Html => "html",
        }
    }

    /// Its file's name, beside `outcome.json`.
    pub fn file(self) -> &'static str {
        match self {
            Self::Text => "summary.txt",
            Self::Json => "summary.json",
            Self::Csv => "series.csv",
            Self::Junit => "junit.xml",
            Self::Markdown => "summary.md",
            Self::Html => "report.html",
        }
    }

    /// Writes it; where a run was held against a baseline, forms for machines tell of that too, and
    /// for people there is a [`comparison`].
    pub fn write(
        self,
        outcome: &Outcome,
        gate: Option<&Gate>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        match self {
            Self::Text => text(outcome, None, Ink::PLAIN, out),
            Self::Json => json(outcome, gate, None, out),
            Self::Csv => csv::write(outcome, out),
            Self::Junit => junit::write(outcome, gate, out),
            Self::Markdown => markdown::write(outcome, out),
            Self::Html => html::write(outcome, out),
        }
    }
}

#[cfg(test)]
mod tests;
