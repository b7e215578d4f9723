//! Each room's error and its exit code.
//!
//! Three kinds of trouble are never mixed: a target's failures are data and appear in the
//! outcome, a script's errors at run time are counted there too; what is left, and stands here,
//! ends the program.

use std::fmt;
use std::io;

use crate::baseline::BaselineError;
use crate::engine::EngineError;
use crate::history::HistoryError;
use crate::outcome::FileError;
use crate::plan::Problem;

/// Most problems that are told: a loop may have made the same mistake a thousand times.
const TOLD: usize = 100;

/// What ends the program other than a finished run.
#[derive(Debug)]
pub enum Error {
    /// The command line, the script or the plan is wrong; all that is wrong, at once.
    Problems(Vec<Problem>),
    /// The run could not start, or broke.
    Engine(EngineError),
    /// The runs cannot be compared: everything that differs.
    Incomparable(Vec<String>),
    /// The results could not be written.
    Results(FileError),
    /// An outcome that was asked for cannot be read.
    Outcome(FileError),
    /// A report could not be written.
    Report(FileError),
    /// What was asked for could not be printed.
    Summary(io::Error),
}

impl Error {
    /// One problem that has no place in a file.
    pub fn usage(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Problems(vec![Problem { what: what.into(), at: None, hint: Some(hint.into()) }])
    }

    /// 3: cannot be compared; 4: could not start; 5: broke while running; 130: interrupted before the load.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Problems(_) | Self::Outcome(_) => 4,
            Self::Incomparable(_) => 3,
            Self::Engine(error) => error.exit_code(),
            Self::Results(_) | Self::Report(_) | Self::Summary(_) => 5,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Problems(problems) => {
                for (at, problem) in problems.iter().take(TOLD).enumerate() {
                    let gap = if at == 0 { "" } else { "\n\n" };
                    write!(f, "{gap}{problem}")?;
                }
                match problems.len().saturating_sub(TOLD) {
                    0 => Ok(()),
                    more => write!(f, "\n\nand {more} more"),
                }
            }
            Self::Engine(error) => error.fmt(f),
            Self::Outcome(error) => write!(f, "error: {error}\n  hint: {}", error.hint),
            Self::Report(error) => {
                write!(f, "error: could not write a report: {error}\n  hint: {}", error.hint)
            }
            Self::Incomparable(differences) => {
                f.write_str("error: these runs cannot be compared")?;
                for difference in differences {
                    write!(f, "\n  - {difference}")?;
                }
                f.write_str("\n  hint: --anyway compares them all the same")
            }
            Self::Summary(error) => write!(
                f,
                "error: could not print: {error}\n  hint: what was run, if anything, is in the results"
            ),
            Self::Results(error) => write!(
                f,
                "error: could not write the results: {error}\n  hint: what was printed is all there \
                 is of this run; {}",
                error.hint
            ),
        }
    }
}

impl std::error::Error for Error {}

impl From<Vec<Problem>> for Error {
    fn from(problems: Vec<Problem>) -> Self {
        Self::Problems(problems)
    }
}

impl From<BaselineError> for Problem {
    fn from(error: BaselineError) -> Self {
        Self { what: error.what, at: None, hint: Some(error.hint) }
    }
}

impl From<BaselineError> for Error {
    fn from(error: BaselineError) -> Self {
        Self::Problems(vec![error.into()])
    }
}

impl From<HistoryError> for Error {
    fn from(error: HistoryError) -> Self {
        Self::usage(error.what, error.hint)
    }
}

impl From<EngineError> for Error {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}
