//! Runs kept under a name, to hold later ones against.
//!
//! A baseline is one file, `baselines/NAME.json` in the results folder, with the whole outcomes of
//! its runs: it stays when their folders are cleared away. Several runs say how much runs of an
//! unchanged target differ. Only VALID ones are taken in, of one script or several, and of each script
//! only such as can be compared with each other. A file is written whole or not at all, and sealed as an outcome is.

mod locate;

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::compare::{differences, is_same_run};
use crate::metric::{Edges, Held, Kind, Threshold, Unit};
use crate::outcome::{FileError, Outcome, RunVerdict, load_sealed, pace, save_sealed};

pub use locate::{Meant, latest_run, locate};

/// The format of a baseline's file, outcomes aside.
const SCHEMA: u32 = 1;

/// Runs under a name.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Baseline {
    schema: u32,
    /// Version of the program that wrote the file.
    loadrun: String,
    /// What it is called.
    pub name: String,
    /// When a run was last taken in, RFC 3339.
    pub saved: String,
    /// At least one, in the order they were taken in.
    pub outcomes: Vec<Outcome>,
}

/// Why there is no such baseline, or none could be made.
#[derive(Debug)]
pub struct BaselineError {
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub hint: String,
}

impl fmt::Display for BaselineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.what, self.hint)
    }
}

impl std::error::Error for BaselineError {}

impl From<FileError> for BaselineError {
    fn from(error: FileError) -> Self {
        Self { what: error.to_string(), hint: error.hint }
    }
}

impl Baseline {
    /// An empty one, to be filled before it is saved.
    pub fn new(name: &str) -> Result<Self, BaselineError> {
        let (loadrun, saved) = (env!("CARGO_PKG_VERSION").to_owned(), String::new());
        let name = checked(name)?.to_owned();
        Ok(Self { schema: SCHEMA, loadrun, name, saved, outcomes: Vec::new() })
    }

    /// Why a run can never be taken in, whatever becomes of others.
    pub fn unfit(&self, outcome: &Outcome) -> Option<BaselineError> {
        let run = run_of(outcome);
        if outcome.verdict != RunVerdict::Valid {
            let cause = outcome.reasons.first().map(|reason| format!(": {}", reason.cause));
            let what = format!("{run} is {}{}", outcome.verdict, cause.unwrap_or_default());
            let hint = "only a VALID run can become a baseline: run it again".to_owned();
            return Some(BaselineError { what, hint });
        }
        self.outcomes.iter().any(|other| is_same_run(other, outcome)).then(|| BaselineError {
            what: format!("{run} is in {} already", self.name),
            hint: "each run counts once".to_owned(),
        })
    }

    /// Takes in a run; whether it can be compared with those before can be looked past, whether
    /// it is VALID cannot.
    pub fn add(&mut self, outcome: Outcome, anyway: bool) -> Result<(), BaselineError> {
        if let Some(why) = self.unfit(&outcome) {
            return Err(why);
        }
        let mut own = self.outcomes.iter().filter(|other| other.run.name == outcome.run.name);
        let found = own.next().map(|first| differences(first, &outcome, &[]));
        let found = found.unwrap_or_default();
        if !found.is_empty() && !anyway {
            let (run, found) = (run_of(&outcome), found.join("; "));
            let what = format!("{run} cannot be compared with the first: {found}");
            let hint = "keep it under another name, or add --anyway".to_owned();
            return Err(BaselineError { what, hint });
        }
        self.outcomes.push(outcome);
        Ok(())
    }

    /// The same with the runs of one script only: a figure of another one says nothing of it.
    #[must_use]
    pub fn of_script(&self, name: &str) -> Self {
        let own = self.outcomes.iter().filter(|outcome| outcome.run.name == name);
        Self { outcomes: own.cloned().collect(), ..self.clone() }
    }

    /// That no run of a script is kept here, and how one gets in: by a run `without` what asks for it.
    pub fn lacks(&self, script: &str, without: &str, results: &Path) -> BaselineError {
        let (name, folder) = (&self.name, results.join(script));
        BaselineError {
            what: format!("no run of {script} in baseline {name}"),
            hint: format!(
                "after a run of it without {without}: loadrun baseline save {name} --add {}",
                folder.display()
            ),
        }
    }

    /// Lets go of all but the last `most` runs of each script.
    pub fn shorten(&mut self, most: usize) {
        let names: Vec<_> = self.outcomes.iter().map(|outcome| outcome.run.name.clone()).collect();
        let mut at = 0;
        self.outcomes.retain(|_| {
            at += 1;
            names[at..].iter().filter(|name| **name == names[at - 1]).count() < most
        });
    }

    /// What its runs measured of what a threshold asks, on average.
    pub fn measure(&self, threshold: &Threshold, unit: Unit) -> Option<f64> {
        let values = self.outcomes.iter().map(|outcome| {
            let series = outcome.series.iter().filter(|s| s.metric == threshold.metric);
            let kind = series.clone().next().map_or(Kind::Counter, |series| series.kind);
            let tags = series.clone().map(|series| &series.tags);
            let elapsed =
                pace::length(threshold, kind, tags, &outcome.scenarios, outcome.run.elapsed);
            let elapsed = Duration::from_secs_f64(elapsed.max(0.0));
            let parts = series.map(|series| Held {
                tags: &series.tags,
                total: &series.total,
                phases: &series.phases,
                points: &series.points,
            });
            threshold.measure(parts, Edges::of(&outcome.phases).as_ref(), elapsed, unit)
        });
        let values: Vec<f64> = values.collect::<Option<_>>()?;
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    }

    /// Writes it into a results folder, in the place of one with the same name.
    pub fn save(&mut self, results: &Path) -> Result<PathBuf, FileError> {
        let folder = results.join("baselines");
        fs::create_dir_all(&folder).map_err(|error| FileError {
            path: folder.clone(),
            what: error.to_string(),
            hint: "choose a writable folder with --out".to_owned(),
        })?;
        self.saved = jiff::Timestamp::now().to_string();
        let path = file_of(results, &self.name);
        save_sealed(self, &path)?;
        Ok(path)
    }

    /// The baseline of that name.
    pub fn load(results: &Path, name: &str) -> Result<Self, BaselineError> {
        let path = file_of(results, checked(name)?);
        if !path.exists() {
            return Err(unknown(results, name));
        }
        let hint = format!("loadrun baseline save {name} --replace, with runs made now");
        let told = |what| BaselineError { what, hint };
        let found: Self = match load_sealed(&path, "a baseline", SCHEMA) {
            Ok(found) => found,
            Err(error) => return Err(told(error.to_string())),
        };
        match found.outcomes.iter().find(|outcome| outcome.schema != crate::outcome::SCHEMA) {
            Some(outcome) => {
                let held = format!("holds a run of schema {}", outcome.schema);
                Err(told(format!("{}: {held}", path.display())))
            }
            None => Ok(found),
        }
    }

    /// Whether there is one of that name.
    pub fn exists(results: &Path, name: &str) -> bool {
        checked(name).is_ok_and(|name| file_of(results, name).exists())
    }

    /// Removes the baseline of that name.
    pub fn remove(results: &Path, name: &str) -> Result<(), BaselineError> {
        let path = file_of(results, checked(name)?);
        fs::remove_file(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => unknown(results, name),
            _ => BaselineError {
                what: format!("could not remove {}: {error}", path.display()),
                hint: "check its permissions".to_owned(),
            },
        })
    }

    /// The names there are, sorted.
    pub fn names(results: &Path) -> Vec<String> {
        let entries = fs::read_dir(results.join("baselines")).into_iter().flatten().flatten();
        let files = entries.map(|entry| entry.path()).filter(|path| path.is_file());
        let mut names: Vec<_> = files
            .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
            .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
            .collect();
        names.sort();
        names
    }
}

fn run_of(outcome: &Outcome) -> String {
    format!("the run of {} at {}", outcome.run.name, outcome.run.started)
}

fn file_of(results: &Path, name: &str) -> PathBuf {
    results.join("baselines").join(format!("{name}.json"))
}

/// A name that is a file's name everywhere, and stays in the folder.
fn checked(name: &str) -> Result<&str, BaselineError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if name.is_empty() || name.starts_with('.') || name.len() > 100 || !name.chars().all(plain) {
        return Err(BaselineError {
            what: format!("{name:?} cannot be the name of a baseline"),
            hint: "letters, digits, - _ and dots, such as main or release-1.4".to_owned(),
        });
    }
    Ok(name)
}

fn unknown(results: &Path, name: &str) -> BaselineError {
    let names = Baseline::names(results);
    let folder = results.join("baselines");
    let hint = match &names[..] {
        [] => {
            let script = results.join("SCRIPT");
            format!(
                "there is none yet; after a run: loadrun baseline save {name} {}",
                script.display()
            )
        }
        names => format!("there is {}", names.join(", ")),
    };
    BaselineError { what: format!("no baseline {name} in {}", folder.display()), hint }
}

#[cfg(test)]
mod tests;
