//! Which runs a word on the command line means.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Baseline, BaselineError};
use crate::outcome::Outcome;

/// What a word means.
pub enum Meant {
    /// One run, by where it lies.
    Run(Box<Outcome>),
    /// What is kept under a name.
    Kept(Baseline),
}

impl Meant {
    /// All its runs.
    pub fn runs(self) -> Vec<Outcome> {
        match self {
            Self::Run(outcome) => vec![*outcome],
            Self::Kept(baseline) => baseline.outcomes,
        }
    }

    /// Those to hold runs of a script against: of what is kept under a name its own, and of a run
    /// that was pointed at that one, for a script may have been renamed.
    pub fn runs_for(self, script: &str, results: &Path) -> Result<Vec<Outcome>, BaselineError> {
        let Self::Kept(baseline) = self else { return Ok(self.runs()) };
        let own = baseline.of_script(script).outcomes;
        if own.is_empty() { Err(baseline.lacks(script, "--baseline", results)) } else { Ok(own) }
    }
}

/// What `word` means: a file, the folder of a run, the folder of a script (its latest run), or the
/// name of a baseline in the folder `results`.
pub fn locate(word: &str, results: &Path) -> Result<Meant, BaselineError> {
    let path = Path::new(word);
    if path.is_dir() {
        return Ok(Meant::Run(Box::new(Outcome::load(&latest_run(path)?)?)));
    }
    if path.is_file() {
        return Ok(Meant::Run(Box::new(Outcome::load(path)?)));
    }
    if path.components().count() > 1 || path.extension().is_some_and(|e| e == "json") {
        let hint = "name an outcome.json, a folder of results, or a baseline".to_owned();
        return Err(BaselineError { what: format!("there is no {word}"), hint });
    }
    Baseline::load(results, word).map(Meant::Kept)
}

/// The outcome of a run's folder, or of the latest run in a script's folder. Where that one left
/// none, an earlier one is not taken for it: who asks for the latest run means what ran last.
pub fn latest_run(folder: &Path) -> Result<PathBuf, BaselineError> {
    let own = folder.join("outcome.json");
    if own.is_file() {
        return Ok(own);
    }
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let folders: Vec<PathBuf> = entries.map(|e| e.path()).filter(|path| path.is_dir()).collect();
    let runs = folders.iter().filter(|folder| folder.join("outcome.json").is_file());
    if let Some(latest) = runs.max_by_key(|folder| moment(folder)) {
        let begun = folders.iter().filter(|folder| is_stamped(folder));
        let last = begun.max_by_key(|folder| moment(folder));
        return match last.filter(|last| moment(last) > moment(latest)) {
            Some(last) => Err(left_nothing(last, latest)),
            None => Ok(latest.join("outcome.json")),
        };
    }
    let mut scripts: Vec<_> = folders
        .iter()
        .filter(|folder| latest_run(folder).is_ok())
        .map(|folder| folder.display().to_string())
        .collect();
    scripts.sort();
    let hint = match &scripts[..] {
        [] => "name an outcome.json, or the folder of a script's results".to_owned(),
        scripts => format!("name the folder of one script: {}", scripts.join(", ")),
    };
    Err(BaselineError { what: format!("no run in {}", folder.display()), hint })
}

/// The latest run goes on, or has died: which one was before it.
fn left_nothing(last: &Path, before: &Path) -> BaselineError {
    BaselineError {
        what: format!("the latest run left no outcome: {}", last.display()),
        hint: format!("if it does not run any more, name the one before it: {}", before.display()),
    }
}

const STAMP: &str = "0000-00-00T00-00-00";

/// Whether it is named as the folders of runs are.
fn is_stamped(folder: &Path) -> bool {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let alike = |(c, form): (char, char)| if form == '0' { c.is_ascii_digit() } else { c == form };
    name.len() >= STAMP.len() && name.chars().zip(STAMP.chars()).all(alike)
}

/// A run's folder in the order of time: its stamp, and which of that second it was.
fn moment(folder: &Path) -> (String, u32) {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    match name.split_at_checked(STAMP.len()) {
        Some((stamp, number)) => {
            (stamp.to_owned(), number.trim_start_matches('-').parse().unwrap_or(1))
        }
        None => (name.into_owned(), 1),
    }
}
